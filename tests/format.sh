#!/bin/sh
# `make format` would change nothing (where its clang-format is, version 14), and no line is longer than 120 columns.
cd "$(dirname "$0")/.."
. tests/count.sh
LC_ALL=C.UTF-8
export LC_ALL

if ! git rev-parse --git-dir >/dev/null 2>&1; then
    skip "this is no git checkout, so there is no list of files"
    count_end
    exit
fi
no_line_is_long() {
    ! git ls-files -z -- . ':!tests/fuzz/corpus' ':!tests/golden' ':!tests/abi' ':!docs/reproduction' ':!docs/cifar10' \
        ':!*.png' ':!*.md' | xargs -0 grep -InE '^.{121,}$'
}
# A row of a table and a picture are one line in Markdown.
no_sentence_is_long() {
    ! git grep -nE '^.{121,}$' -- '*.md' ':!docs/reproduction' | grep -vE '^[^:]*:[0-9]*:(\||!\[)'
}
test_that "no line is longer than 120 columns" no_line_is_long
test_that "no line of a document is longer than 120 columns" no_sentence_is_long

nothing_to_format() { git ls-files -z -- '*.c' '*.h' | xargs -0 clang-format --dry-run --Werror; }
case "$(clang-format --version 2>/dev/null)" in
*'version 14.'*) test_that "make format would change nothing" nothing_to_format ;;
*) skip "clang-format 14 is not installed" ;;
esac
count_end
