#!/bin/sh
# docs/equations.md: every file, function, option and test that it names exists.
cd "$(dirname "$0")/.."
. tests/count.sh

# The names of a column of the table, from the line of its head on.
names() { # COLUMN
    awk -F '|' -v column="$1" \
        '/^\| (Eq|Prop|Cor|Section|The|Fenchel|Divergence|Kolen|Table|Fig)/ { print $(column + 1) }' \
        docs/equations.md |
        grep -o '`[^`]*`' | tr -d '`' | sort -u
}
function_is_there() { grep -rqw -- "$1" src include; }
option_is_there() { grep -q "^    { \"${1#--}\", VALUE_" programs/common/settings.c; }
test_is_there() {
    case $1 in tests/*) [ -e "$1" ] && grep -q "$1" tests/run.sh ;; *) grep -rqE \
        "tcase_add(_loop)?_test\(.*[ ,]$1[,)]" tests --include='*.c' ;; esac
}
for name in $(names 2); do test_that "the file $name" test -e "$name"; done
for name in $(names 3); do test_that "the function $name" function_is_there "$name"; done
for name in $(names 4); do test_that "the option $name" option_is_there "$name"; done
for name in $(names 5); do test_that "the test $name" test_is_there "$name"; done
every_equation() {
    awk -F '|' '/^\| Eq\. / { text = $2
        while (match(text, /[0-9]+( to [0-9]+| and [0-9]+)?/)) {
            found = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
            split(found, ends, / (to|and) /); last = ends[2] == "" ? ends[1] : ends[2]
            for (i = ends[1]; i <= last; i++) seen[i] = 1
            break
        } }
        END { for (i = 1; i <= 72; i++) if (!seen[i]) { print "Eq. " i " is missing"; bad = 1 }
            exit bad }' docs/equations.md
}
# A reader who opens the files of a row finds its internal functions there; public ones may be set elsewhere.
functions_are_in_their_files() {
    awk -F '|' '/^\| (Eq|Prop|Cor|Section|The|Fenchel|Divergence|Kolen|Table|Fig)/ { print $3 "|" $4 }' \
        docs/equations.md |
        tr -d '`,' | while IFS='|' read -r files functions; do
        for function in $functions; do
            case $function in dualprop__*) ;; *) continue ;; esac
            # shellcheck disable=SC2086
            grep -qw -- "$function" $files 2>/dev/null || echo "$function is not in $files"
        done
    done >"$scratch"
    [ ! -s "$scratch" ] || { cat "$scratch"; return 1; }
}
scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
test_that "the functions of a row are in its files" functions_are_in_their_files
test_that "Eq. 1 to 72 have a row" every_equation
count_end
