#!/bin/sh
# C++ exceptions that leave callbacks pass through the library as docs/threads.md promises: shared, and static.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build} lib=${LIB:-lib}
mkdir -p "$build/check"

survives() { # NAME LIBRARY...
    name=$1
    shift
    "$CXX" -std=c++17 -O1 -Wall -Wextra -Werror -Iinclude -o "$build/check/exceptions-$name" \
        tests/process/exceptions.cpp "$@" \
        -Wl,-rpath,"$PWD/$lib" -lm -lpthread -ldl && "$build/check/exceptions-$name"
}

if have "$CXX"; then
    test_that "exceptions pass through the shared library" survives shared "$lib/libdualprop.so"
    test_that "and through the static one" survives static "$lib/libdualprop.a"
else
    skip "C++ exceptions: no C++ compiler here"
fi
count_end
