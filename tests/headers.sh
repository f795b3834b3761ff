#!/bin/sh
# Compiles each public header alone, as strict C11 and as C++17: a header must bring what it needs and nothing odd.
cd "$(dirname "$0")/.."
. tests/count.sh

compile() {
    printf '#include "%s"\nextern int not_empty;\n' "$2" | $1 -pedantic-errors -Wall -Wextra -Werror -Iinclude \
        -fsyntax-only -
}

have "$CXX" || skip "headers as C++17: no C++ compiler here"
for header in include/dualprop/*.h; do
    name=dualprop/$(basename "$header")
    test_that "$name alone as C11" compile "$CC -std=c11 -x c" "$name"
    have "$CXX" && test_that "$name alone as C++17" compile "$CXX -std=c++17 -x c++" "$name"
done
count_end
