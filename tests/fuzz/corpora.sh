#!/bin/sh
# Replays every file of tests/fuzz/corpus on its harness, as built with the tests: none may crash.
cd "$(dirname "$0")/../.."
. tests/count.sh
build=${BUILD:-build}

# "N files replayed, 0 not to be read", of all that there are.
replays() { # NAME
    [ "$("$build/tests/fuzz/replay_$1" tests/fuzz/corpus/"$1"/*)" = \
        "$(ls tests/fuzz/corpus/"$1" | wc -l) files replayed, 0 not to be read" ]
}

for name in calls checkpoint images json model; do
    test_that "the corpus of fuzz_$name.c" replays $name
done
count_end
