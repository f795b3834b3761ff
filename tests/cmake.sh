#!/bin/sh
# A project that brings the library along, by add_subdirectory() and by FetchContent, and a compiler for C alone.
cd "$(dirname "$0")/.."
. tests/count.sh
source=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# project NAME LINES: a folder with the README's program and a CMakeLists.txt that gets the library by these lines.
project() {
    mkdir -p "$work/$1" && cp examples/minimal.c examples/test_my_kernel.c "$work/$1" &&
        cat >"$work/$1/CMakeLists.txt" <<EOF2
cmake_minimum_required(VERSION 3.14)
project($1 LANGUAGES C)
$2
add_executable(shared minimal.c)
target_link_libraries(shared PRIVATE dualprop::dualprop)
add_executable(static minimal.c)
target_link_libraries(static PRIVATE dualprop::dualprop_static)
foreach(kind dualprop dualprop_static)
  add_executable(tester_\${kind} test_my_kernel.c)
  target_link_libraries(tester_\${kind} PRIVATE dualprop::dualprop_testing dualprop::\${kind})
endforeach()
EOF2
}

configure() {
    folder=$1
    shift
    CXX=/nowhere cmake -S "$work/$folder" -B "$work/$folder/build" -DCMAKE_C_COMPILER="$CC" -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ${CCACHE:+-DCMAKE_C_COMPILER_LAUNCHER=$CCACHE} "$@"
}

learns_exclusive_or() {
    printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n' >"$work/expected"
    "$1" >"$work/output" && diff "$work/expected" "$work/output"
}

added_folder() {
    project added "add_subdirectory($source libdualprop)" && configure added && cmake --build "$work/added/build" -j2 &&
        learns_exclusive_or "$work/added/build/shared" && learns_exclusive_or "$work/added/build/static"
}

tests_a_kernel() {
    for kind in dualprop dualprop_static; do
        "$work/added/build/tester_$kind" >"$work/output" && grep -Eq '^0 of [1-9][0-9]* cases failed$' "$work/output" ||
            { cat "$work/output"; return 1; }
    done
}

exports_only_the_interface() {
    names=$(nm -D --defined-only "$work/added/build/libdualprop/libdualprop.so.0" | sed -n 's/.* [TDBRV] //p' |
        sed 's/@.*//' | grep -v '^DUALPROP_0$' | sort)
    [ "$names" = "$(sort tests/exports.txt)" ]
}

# Names that start with dualprop__ are internal; the public ones are not exported again by what has them in it.
hides_names() {
    archive=$work/added/build/libdualprop/libdualprop.a
    others=$(nm -g --defined-only "$archive" | sed -n 's/.* [A-Z] //p' | grep -v '^dualprop_[a-z]')
    [ -z "$others" ] || { echo "the static library shows $others"; return 1; }
    nm -g --defined-only "$archive" | grep -q ' T dualprop_learn$' &&
        $CC -shared -o "$work/plugin.so" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -lm -lpthread -ldl &&
        ! nm -D --defined-only "$work/plugin.so" | grep ' dualprop_'
}
hardened() {
    for library in "$work/added/build/libdualprop/libdualprop.so.0" "$work/added/build/static"; do
        nm "$library" | grep -q '__stack_chk_fail' || { echo "$library has no stack protector"; return 1; }
    done
    readelf -dW "$work/added/build/libdualprop/libdualprop.so.0" | grep -q 'BIND_NOW'
}

# What a compiler is told about machine, numbers and safety (-m..., -f...) for one source, in order.
settings_of() {
    tr ' ' '\n' | grep -E '^-[mf]' | grep -Ev '^-f(PIC|file-prefix-map=.*)$' | sort -u
}

same_settings() {
    for object in core/base/error cpu/loops/elementwise cpu/loops/elementwise_avx512 cpu/blis/blis_product_avx2; do
        [ "$(uname -m)" = x86_64 ] || case $object in *_avx*) continue ;; esac
        make -n -B BUILD="$work/make" CC="$CC" "$work/make/src/$object.o" | grep " -c src/$object.c" | settings_of \
            >"$work/expected"
        grep -- " -c .*/src/$object\.c\"" "$work/added/build/compile_commands.json" | settings_of >"$work/output"
        [ -s "$work/expected" ] && diff "$work/expected" "$work/output" || { echo "for src/$object.c"; return 1; }
    done
}

# Configuring is enough: the targets are those of add_subdirectory().
fetched_content() {
    project fetched "include(FetchContent)
FetchContent_Declare(dualprop URL file:///nowhere)
FetchContent_MakeAvailable(dualprop)" &&
        configure fetched -DFETCHCONTENT_SOURCE_DIR_DUALPROP="$source" -DDUALPROP_BLIS=OFF
}

if have cmake; then
    if have ccache; then CCACHE=ccache; fi
    test_that "add_subdirectory()" added_folder
    test_that "a kernel tested by dualprop::dualprop_testing, with either library" tests_a_kernel
    test_that "the library of add_subdirectory() exports the interface" exports_only_the_interface
    test_that "the static library of add_subdirectory() shows public names only, and hides them" hides_names
    test_that "both libraries are hardened" hardened
    test_that "sources are compiled with the Makefile's settings" same_settings
    test_that "FetchContent" fetched_content
else
    skip "a project that brings the library along: cmake is not installed"
fi
count_end
