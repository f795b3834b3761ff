#!/bin/sh
# docs/embedding.md: each of its twelve points names tests, all of which exist and are run.
cd "$(dirname "$0")/.."
. tests/count.sh

# The third column of row $1 of the table.
tests_of() {
    awk -F '|' -v number="$1" '$2 + 0 == number && NF == 5 { print $4 }' docs/embedding.md |
        grep -o '`[^`]*`' | tr -d '`'
}

# A script of `make check` or a file that one reads, a suite, a test of a suite, of the Python package or of an example.
is_run() {
    case $1 in
    tests/*.sh) [ -e "$1" ] && grep -q "$1" tests/run.sh ;;
    tests/*) [ -e "$1" ] && grep -rq "$(basename "$1")" tests --include='*.sh' ;;
    *) ls tests/*/test_"$1".c >/dev/null 2>&1 || grep -q "^def $1(" tests/python/module.py ||
        grep -q "^$1() {" tests/examples.sh ||
        grep -rqE "tcase_add(_loop)?_test\(.*[ ,]$1[,)]" tests --include='*.c' ;;
    esac
}

has_tests() {
    names=$(tests_of "$1")
    [ -n "$names" ] || { echo "point $1 names no test"; return 1; }
    for name in $names; do is_run "$name" || { echo "point $1 names $name, which is not run"; return 1; }; done
}

has_twelve_points() { [ "$(grep -cE '^\| [0-9]+ \|' docs/embedding.md)" -eq 12 ]; }

test_that "there are twelve points" has_twelve_points
for point in 1 2 3 4 5 6 7 8 9 10 11 12; do test_that "point $point has tests" has_tests $point; done
count_end
