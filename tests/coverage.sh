#!/bin/sh
# Lines and branches of src/core, src/cpu and src/math that the suites run: build/coverage, with gcovr.
# usage: tests/coverage.sh    with SUITE in the environment to run some suites only
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "coverage: gcovr is not installed"; exit 1; }
build=build/coverage
make --no-print-directory -j"$(nproc)" -s NVCC=no BUILD=$build LIB=$build/lib OPTIMIZE=-O0 \
    CFLAGS='--coverage -fprofile-update=atomic' LDFLAGS=--coverage $build/tests/main
find $build -name '*.gcda' -delete
$build/tests/main ${SUITE-} >$build/suites.txt 2>&1 || true
tail -n 1 $build/suites.txt
for folder in src/core src/cpu src/math; do
    gcovr --root . --object-directory $build --filter "$folder/" --exclude-throw-branches --print-summary \
        --gcov-ignore-parse-errors 2>/dev/null >$build/coverage-$(basename $folder).txt || true
    echo "$folder: $(grep -E '^(lines|branches):' $build/coverage-$(basename $folder).txt | tr '\n' ' ')"
done
