#!/bin/sh
# Makes the manual in HTML: Doxygen warns of nothing, and every exported function and every page of docs/ is in it.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}

is_made_without_warnings() {
    make --no-print-directory docs BUILD="$build" || { echo "try: make docs"; return 1; }
}

has_every_function() {
    sed -n '/<member kind="function">/,/<\/member>/s/.*<name>\(.*\)<\/name>.*/\1/p' "$build/docs/dualprop.tag" |
        grep -E '^dualprop_[a-z0-9_]*$' | sort -u >"$build/docs/functions.txt"
    for name in $(grep '^dualprop_' tests/exports.txt | grep -vxFf "$build/docs/functions.txt"); do
        echo "$name has no page; does its header begin with @file?"
        return 1
    done
}

has_every_page() {
    for page in docs/*.md README.md; do
        grep -q "<filename>.*$(basename "$page" .md | tr -d _)" "$build/docs/dualprop.tag" ||
            grep -rqF "$(sed -n '1s/^# *//p' "$page")" "$build/docs/html" --include='*.html' ||
            { echo "$page is not in the manual"; return 1; }
    done
}

has_the_rooms() {
    for room in src/core/*/; do
        grep -q "$(basename "$room")/" "$build/docs/html/rooms.svg" ||
            { echo "$room is not in the picture; docs/architecture.md has the list"; return 1; }
    done
}

have doxygen && have dot || { skip "the manual: doxygen or graphviz is not installed"; count_end; exit; }
test_that "make docs warns of nothing" is_made_without_warnings
test_that "every exported function has its page" has_every_function
test_that "every page of docs/ is in the manual" has_every_page
grep -q '^| *[0-9]* *| *base/' docs/architecture.md && test_that "every room is in the picture" has_the_rooms
count_end
