#!/bin/sh
# Keeps the README honest: its program is examples/minimal.c, and the files that it names exist.
cd "$(dirname "$0")/.."
. tests/count.sh

program_is_the_example() {
    sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | diff examples/minimal.c -
}

links_lead_somewhere() {
    for document in README.md docs/*.md; do
        for link in $(grep -oE '\]\([^)#:]+\)' "$document" | tr -d '()]'); do
            [ -e "$(dirname "$document")/$link" ] || { echo "$document: $link is not there"; return 1; }
        done
    done
}

# Libraries and their guides may say nothing of the machine they were written on.
names_no_machine() {
    ! git grep -nE '(^|[^A-Za-z_.])/(work|opt/bench|farm)/' -- . ':!tests/readme.sh' 2>/dev/null
}

test_that "the README's program is examples/minimal.c" program_is_the_example
test_that "links in the documents lead to files" links_lead_somewhere
test_that "no file names somebody's folders" names_no_machine
count_end
