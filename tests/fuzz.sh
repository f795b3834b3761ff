#!/bin/sh
# Fuzzes the readers of checkpoints, JSON and images, and sequences of calls, each for FUZZ_SECONDS (60), with clang's
# libFuzzer; without clang, or with REPLAY=yes, replays the corpora. HARNESSES ("checkpoint json model images calls")
# chooses.
set -eu
cd "$(dirname "$0")/.."
folder=build/fuzz
harnesses=${HARNESSES:-checkpoint json model images calls}

fuzzed() { # COMPILER FLAGS: the library and what the harnesses need of the programs
    make --no-print-directory -j"$(nproc)" NVCC=no BUILD="$folder" LIB="$folder/lib" CC="$1" OPTIMIZE=-O1 BLIS=no \
        SANITIZE=address,undefined CFLAGS="$2" "$folder/lib/libdualprop.a" "$folder/programs/common.a"
}

# The objects rather than the library, which hides what reads JSON.
harness() { # COMPILER NAME OUTPUT OPTIONS...
    compiler=$1 source=tests/fuzz/fuzz_$2.c output=$3
    [ "$2" != calls ] || source="$source tests/support/random_calls.c tests/support/random_calls_more.c
        tests/support/lone_transport.c tests/support/randomness.c tests/support/failing_allocator.c"
    shift 3
    # shellcheck disable=SC2086 # one word a file
    "$compiler" -g -O1 -std=gnu11 -Iinclude -Isrc -Iprograms -Itests -Itests/support "$@" -o "$output" $source \
        "$folder/programs/common.a" "$folder"/src/core/*/*.o "$folder"/src/cpu/*/*.o \
        -ljansson -lm -lpthread -ldl -lz -lmd -lzip
}

# Small good files: the first byte says which reader they are for.
seed_images() { # CORPUS
    python3 tests/python/make_images.py arrays "$folder/images" 1 && python3 tests/python/make_images.py mnist \
        "$folder/images" 1 &&
        python3 tests/python/make_images.py cifar10 "$folder/images" 1 &&
        python3 tests/python/make_images.py imagenet32 "$folder/images" 1 || return 0
    for seed in 0:t10k-images-idx3-ubyte 2:test-images.npy 3:test_batch.bin 5:val_data.npz 6:test-labels.npy \
        7:t10k-labels-idx1-ubyte; do
        { printf "\\00${seed%%:*}"; cat "$folder/images/${seed#*:}"; } >"$1/seed${seed%%:*}"
    done
}

seeds() { # NAME: fills its corpus
    corpus=$folder/corpus-$1
    mkdir -p "$corpus"
    for seed in tests/fuzz/corpus/"$1"/* build/check/python/module.safetensors; do
        case $1:$seed in json:*module* | images:*module* | model:*module* | calls:*module*) continue ;; esac
        [ ! -f "$seed" ] || cp "$seed" "$corpus"
    done
    [ "$1" != images ] || seed_images "$corpus"
}

if [ "${REPLAY:-no}" = no ] && command -v clang >/dev/null 2>&1; then
    fuzzed clang -fsanitize=fuzzer-no-link
    for name in $harnesses; do
        seeds "$name"
        harness clang "$name" "$folder/fuzz_$name" -fsanitize=address,undefined,fuzzer
        longest=65536 patience=5
        [ "$name" != calls ] || { longest=4096 patience=60; } # some hundred calls
        "$folder/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=1024 -malloc_limit_mb=256 \
            -timeout="$patience" -max_len="$longest" -artifact_prefix="$folder/" "$corpus"
    done
    exit
fi
[ "${REPLAY:-no}" != no ] || echo "no clang here: the corpora are replayed instead"
fuzzed gcc ''
for name in $harnesses; do
    seeds "$name"
    harness gcc "$name" "$folder/replay_$name" -fsanitize=address,undefined tests/fuzz/replay.c
    "$folder/replay_$name" "$corpus"/*
done
