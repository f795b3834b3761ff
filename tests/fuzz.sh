#!/bin/sh
# Fuzzes the checkpoint reader for FUZZ_SECONDS (60) with clang's libFuzzer; without clang, replays the corpus with gcc.
set -eu
cd "$(dirname "$0")/.."
folder=build/fuzz
corpus=$folder/corpus
mkdir -p "$corpus"
for seed in tests/fuzz/corpus/* build/check/python/smoke.safetensors; do
    [ ! -f "$seed" ] || cp "$seed" "$corpus"
done

fuzzed() {
    make --no-print-directory BUILD="$folder" LIB="$folder/lib" CC="$1" OPTIMIZE=-O1 BLIS=no \
        SANITIZE=address,undefined CFLAGS="$2" "$folder/lib/libdualprop.a"
}

if command -v clang >/dev/null 2>&1; then
    fuzzed clang -fsanitize=fuzzer-no-link
    clang -g -O1 -Iinclude -fsanitize=address,undefined,fuzzer -o "$folder/fuzz_checkpoint" tests/fuzz/fuzz_checkpoint.c \
        "$folder/lib/libdualprop.a" -ljansson -lm -lpthread -ldl
    exec "$folder/fuzz_checkpoint" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=5 \
        -max_len=65536 -artifact_prefix="$folder/" "$corpus"
fi
echo "no clang here: the corpus is replayed instead"
fuzzed gcc ''
gcc -g -O1 -Iinclude -fsanitize=address,undefined -o "$folder/replay" tests/fuzz/fuzz_checkpoint.c tests/fuzz/replay.c \
    "$folder/lib/libdualprop.a" -ljansson -lm -lpthread -ldl
exec "$folder/replay" "$corpus"/*
