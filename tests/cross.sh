#!/bin/sh
# Builds the library and the tests for other machines and C libraries, without BLIS, and runs what can be run: arm64 and
# s390x (big endian) under qemu's user mode, i686, and musl. What is not installed is skipped by name.
# usage: tests/cross.sh [TARGET...]    aarch64 s390x i686 musl
cd "$(dirname "$0")/.."
. tests/count.sh
suites="base checkpoint hostile_files file io view draw names rules_output"

builds() { # FOLDER CC OPTIONS...
    folder=build/cross/$1 compiler=$2
    shift 2
    make --no-print-directory -s -j"$(nproc)" NVCC=no BLIS=no BUILD="$folder" LIB="$folder/lib" CC="$compiler" \
        OPTIMIZE=-O1 "$@" \
        "$folder/lib/libdualprop.so.0" "$folder/lib/libdualprop.a" >"build/cross/log" 2>&1 || \
        { tail -n 20 build/cross/log; return 1; }
}

# A program that trains, saves, loads and compares, on the library alone: Check is not there for other machines.
lives() { # FOLDER CC RUNNER...
    folder=build/cross/$1 compiler=$2
    shift 2
    $compiler -std=c11 -D_GNU_SOURCE -O1 -Iinclude -o "$folder/smoke" tests/process/smoke.c \
        "$folder/lib/libdualprop.a" -lm -lpthread -ldl -static 2>&1 &&
        "$@" "$folder/smoke"
}

# Where memory of threads comes with dlopen(), a library with much of it fails there. Six copies find room.
opens() { # FOLDER CC
    copies=
    for i in 1 2 3 4 5 6; do
        cp "build/cross/$1/lib/libdualprop.so.0" "build/cross/$1/copy$i.so" && copies="$copies build/cross/$1/copy$i.so"
    done
    $2 -std=c11 -D_GNU_SOURCE -Iinclude -o "build/cross/$1/dlopened" tests/process/dlopened.c -ldl -lpthread &&
        "build/cross/$1/dlopened" $copies
}

mkdir -p build/cross
for target in ${*:-aarch64 s390x i686 musl}; do
    case $target in
        aarch64) compiler=aarch64-linux-gnu-gcc runner=qemu-aarch64 ;;
        s390x) compiler=s390x-linux-gnu-gcc runner=qemu-s390x ;;
        i686) compiler=i686-linux-gnu-gcc runner= ;;
        musl) compiler=musl-gcc runner= ;;
    esac
    if ! command -v $compiler >/dev/null; then skip "$target: no $compiler here"; continue; fi
    test_that "$target: builds" builds $target $compiler
    if [ -n "$runner" ] && ! command -v $runner >/dev/null; then skip "$target: no $runner here to run it"; continue; fi
    test_that "$target: trains, saves, loads" lives $target $compiler $runner
    [ "$target" != musl ] || test_that "musl: six copies are opened, with an error in each thread" opens musl musl-gcc
done
count_end
