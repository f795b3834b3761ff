#!/bin/sh
# The library as one source: it compiles without options but the standard's, and passes the reference vectors.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
libraries='-lm -lpthread -ldl'

compiles() {
    $1 -std=c11 -O2 -Wall -Wextra -Werror -c -o "$work/dualprop.o" "$work/dualprop.c"
}

learns_exclusive_or() {
    mkdir -p "$work/include/dualprop" && cp "$work/dualprop.h" "$work/include/dualprop" &&
        printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n' >"$work/expected" &&
        $1 -I"$work/include" -o "$work/minimal" $2 examples/minimal.c -x none "$work/dualprop.o" $libraries &&
        "$work/minimal" >"$work/output" && diff "$work/expected" "$work/output"
}

passes_the_vectors() {
    $CC -o "$work/vectors" "$build/programs/dualprop-vectors.o" "$build/programs/common.a" "$work/dualprop.o" \
        $libraries -ljansson -lz -lmd $(nm "$build/programs/common.a" 2>/dev/null | grep -q ' U zip_open' && \
        echo -lzip) &&
        "$work/vectors" --backend reference --precision f64 tests/golden >"$work/output" &&
        "$work/vectors" --backend reference --precision f32 tests/golden >>"$work/output" ||
        { cat "$work/output"; return 1; }
}

refuses_fast_math() { # OPTION
    ! $CC -std=c11 -O2 "$1" -c -o "$work/fast.o" "$work/dualprop.c" 2>"$work/message" &&
        grep -q 'error.*-ffast-math, -Ofast and -ffinite-math-only' "$work/message"
}

# Only public names may clash with those of the program.
shows_only_public_names() {
    ! nm -g --defined-only "$work/dualprop.o" | grep -v ' dualprop_'
}

test_that "make amalgamation" tools/amalgamate "$work"
test_that "gcc -std=c11" compiles "$CC"
test_that "its program in C" learns_exclusive_or "$CC" "-x c"
if have "$CXX"; then
    test_that "its program in C++" learns_exclusive_or "$CXX" "-x c++"
else
    skip "a program in C++: no C++ compiler here"
fi
test_that "the reference vectors" passes_the_vectors
test_that "names of the library alone" shows_only_public_names
for option in -Ofast -ffast-math -ffinite-math-only; do
    test_that "it does not compile with $option" refuses_fast_math $option
done
if have clang; then test_that "clang -std=c11" compiles clang; else skip "clang -std=c11: clang is not installed"; fi
count_end
