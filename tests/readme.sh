#!/bin/sh
# Keeps the documents honest: their listings are pieces of the examples, which are run, and the files that they name
# exist.
cd "$(dirname "$0")/.."
. tests/count.sh

program_is_the_example() {
    sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | diff examples/minimal.c -
}

# Each block of C in a document lies, as it is, in one file of examples/.
listings_are_pieces_of_examples() {
    awk '
        FILENAME ~ /^examples\// { text[FILENAME] = text[FILENAME] $0 "\n"; next }
        /^```c$/ { listing = 1; block = ""; first = FNR; next }
        /^```$/ && listing {
            listing = found = 0
            blocks++
            for (name in text) if (index(text[name], block)) found = 1
            if (!found) { print FILENAME ":" first ": in no file of examples/"; bad = 1 }
            next
        }
        listing { block = block $0 "\n" }
        END {
            if (blocks < 10) { print "only " blocks " listings were checked"; bad = 1 }
            exit bad
        }
    ' examples/*.[ch] README.md docs/*.md
}

links_lead_somewhere() {
    for document in README.md docs/*.md tests/README.md tests/*/README.md; do
        for link in $(grep -oE '\]\([^)#:]+\)' "$document" | tr -d '()]'); do
            [ -e "$(dirname "$document")/$link" ] || { echo "$document: $link is not there"; return 1; }
        done
    done
}

# Libraries and their guides may say nothing of the machine they were written on.
names_no_machine() {
    ! git grep -nE '(^|[^A-Za-z_.])/(work|opt/bench|farm)/' -- . ':!tests/readme.sh' 2>/dev/null
}

# tests/README.md has a line for each file of tests/, and names no other.
tests_page_is_complete() {
    tr '`()' '\n\n\n' <tests/README.md | sed 's|.*/||' | sort -u >"$scratch/named"
    find tests -type f ! -path 'tests/golden/*' ! -path 'tests/fuzz/corpus/*' ! -path '*/__pycache__/*' |
        sed 's|.*/||' | grep -vx README.md | sort -u >"$scratch/present"
    grep -vxFf "$scratch/named" "$scratch/present" | sed 's/$/ has no line in tests\/README.md/'
    grep -xE '[A-Za-z0-9_]+\.(c|h|cpp|sh|py|txt|abi|mk)' "$scratch/named" | grep -vxFf "$scratch/present" |
        sed 's/^/tests\/README.md names a file that is not there: /'
}

has_a_line_for_each_file() {
    wrong=$(tests_page_is_complete)
    [ -z "$wrong" ] || { echo "$wrong"; return 1; }
}

# A function that is in no example, program or page is hard to find.
every_function_is_shown() {
    for name in $(grep -oE '^dualprop_[a-z_0-9]+' tests/exports.txt); do
        grep -qw "$name" examples/*.c examples/*/*.c programs/*.c programs/common/*.c README.md docs/*.md &&
            continue
        echo "$name is in no example, program or document"
        return 1
    done
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
test_that "the README's program is examples/minimal.c" program_is_the_example
test_that "listings of the documents are pieces of the examples" listings_are_pieces_of_examples
test_that "every public function is in an example, a program or a document" every_function_is_shown
test_that "links in the documents lead to files" links_lead_somewhere
test_that "tests/README.md has a line for each file of tests" has_a_line_for_each_file
test_that "no file names folders of one machine" names_no_machine
count_end
