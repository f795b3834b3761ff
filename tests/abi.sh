#!/bin/sh
# Compares the library's ABI with the committed description. Appending functions is fine; anything else must be decided.
# usage: tests/abi.sh [--update]
cd "$(dirname "$0")/.."
. tests/count.sh
lib=${LIB:-lib}
committed=tests/abi/libdualprop.abi

describe() {
    abidw --headers-dir include/dualprop --no-corpus-path --no-comp-dir-path --no-show-locs --drop-private-types \
          --out-file "$1" "$lib/libdualprop.so.0"
}

unchanged() {
    abidiff --headers-dir2 include/dualprop --no-added-syms --suppressions tests/abi/suppressions.txt \
            "$committed" "$lib/libdualprop.so.0" && return 0
    echo "abidiff ended with $?. If the change is meant and allowed by docs/abi.md: tests/abi.sh --update"
    return 1
}

if [ "${1-}" = --update ]; then
    describe "$committed"
    exit
fi
case $(uname -m) in
    x86_64) have abidiff || { skip "ABI: abigail-tools is not installed"; count_end; exit; } ;;
    *) skip "ABI: the committed description is of x86-64"; count_end; exit ;;
esac
test_that "the ABI is the committed one" unchanged
count_end
