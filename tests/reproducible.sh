#!/bin/sh
# Two folders give the same bytes: libraries and programs do not tell where they were built. Compiled without
# optimising, which is quicker and changes nothing about names of folders, and without ccache, which would copy one to
# the other.
cd "$(dirname "$0")/.."
. tests/count.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results="lib/libdualprop.so.0 lib/libdualprop.a lib/libdualprop-testing.a build/programs/dualprop-mlp"

builds() { # FOLDER
    mkdir -p "$work/$1/tests" && cp -r Makefile include src programs tools "$work/$1" &&
        cp tests/tests.mk "$work/$1/tests" &&
        (unset MAKEFLAGS MFLAGS MAKEOVERRIDES BUILD LIB
         CCACHE_DISABLE=1 make --no-print-directory -s -j2 -C "$work/$1" CC="$CC" NVCC=no MPICC=no OPTIMIZE=-O0 \
             CFLAGS=-w $results)
}
same_bytes() { cmp "$work/one/$1" "$work/another/folder/$1"; }
names_no_folder() { ! grep -qaF "$work" "$work/one/$1"; }

test_that "built in a folder" builds one
test_that "built in another" builds another/folder
for file in $results; do
    test_that "$file has the same bytes" same_bytes "$file"
    test_that "$file does not name its folder" names_no_folder "$file"
done
count_end
