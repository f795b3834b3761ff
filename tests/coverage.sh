#!/bin/sh
# Lines and branches of src/core that the suites run: build/coverage, with gcovr.
# usage: tests/coverage.sh    with SUITE in the environment to run some suites only
#
# Only src/core is compiled for gcov, and without optimisation, so that a branch is one of the source: each outcome of
# each condition, four of `a && b`; the failure that DUALPROP__TRY passes on is one too. C has no branches of the
# compiler's making beside these. What is left out says so and why, on its line or around it: GCOVR_EXCL_LINE,
# GCOVR_EXCL_BR_LINE. build/coverage/missing.txt lists what was not run.
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "coverage: gcovr is not installed"; exit 1; }
build=build/coverage
make --no-print-directory -j"$(nproc)" -s NVCC=no BUILD=$build LIB=$build/lib \
    CORE_FLAGS='-O0 -U_FORTIFY_SOURCE --coverage -fprofile-update=atomic' \
    LDFLAGS='--coverage -Wl,-u,__gcov_dump' all tests
find $build -name '*.gcda' -delete
# shellcheck disable=SC2086 # one word each
CK_TIMEOUT_MULTIPLIER=10 tests/suites.sh $build/tests/main $build/check ${SUITE-} >$build/suites.txt 2>&1 || true
tail -n 2 $build/suites.txt | head -n 1
gcovr --root . --object-directory $build --filter src/core/ --gcov-ignore-parse-errors \
    --exclude-branches-by-pattern ".*DUALPROP__(TRY_)?ALWAYS.*" --json $build/all.json

summary() {
    gcovr --root . -a $build/all.json "$@" --print-summary --txt /dev/null | awk -v name="$name" '
        /^(lines|branches):/ { printf "%s %s %s%s", $1 == "lines:" ? sprintf("%-32s", name) : ",", $1, $2, $3 $4 $5 $6 }
        END { print "" }'
}
for room in src/core/*/; do name=$room summary --filter "$room"; done
name="readers of JSON and files" summary --filter 'src/core/checkpoint/(json_|safetensors_|named_list|crc32)'
name="sizes" summary --filter 'src/core/base/(arena|memory|view)'
name="src/core" summary
gcovr --root . -a $build/all.json --txt $build/missing-lines.txt
gcovr --root . -a $build/all.json --branches --txt $build/missing-branches.txt
