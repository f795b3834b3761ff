#!/bin/sh
# Runs every part of `make check` and adds up their counts. Each part ends with "N passed, N failed, N skipped" and
# says on a line "skipped: REASON" what it left out. A part that ends badly without a failed test counts as one failure.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
logs=$build/check
mkdir -p "$logs"
passed=0 failed=0 skipped=0

# What the log of $name, which ended with status $code, adds to the counts.
report() {
    count=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$logs/$name.log" | tail -n 1)
    [ -n "$count" ] || count="0 passed, 0 failed, 0 skipped"
    set -- $count
    bad=$3
    [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    if [ "$bad" -gt 0 ] || [ "$code" -ne 0 ]; then
        tail -n 60 "$logs/$name.log"
    else
        grep '^skipped: ' "$logs/$name.log"
    fi
    echo "   $1 passed, $bad failed, $5 skipped"
    passed=$((passed + $1)) failed=$((failed + bad)) skipped=$((skipped + $5))
}

part() {
    name=$1
    shift
    echo "== $name"
    "$@" >"$logs/$name.log" 2>&1 </dev/null
    code=$?
    report
}

# The suites and those of CUDA take longest, use one core each, and build nothing: they run at the same time.
trap '[ -z "$cuda" ] || kill -- "-$cuda" 2>/dev/null' EXIT
trap 'exit 130' INT TERM HUP
setsid sh tests/cuda.sh >"$logs/cuda.log" 2>&1 </dev/null &
cuda=$!
part suites "$build/tests/main"
name=cuda
echo "== $name"
wait "$cuda"
code=$? cuda=
report
part host-memory "$build/tests/process/host_memory"
part fuzz-corpora sh tests/fuzz/corpora.sh
part sanitized sh tests/sanitized.sh
part cross sh tests/cross.sh aarch64 musl
part kills "$build/tests/process/kills" 500
if [ -x "$build/programs/dualprop-vectors" ]; then
    for backend in reference blis; do
        for precision in f64 f32; do
            part "vectors-$backend-$precision" "$build/programs/dualprop-vectors" --backend "$backend" --precision \
                "$precision" \
                tests/golden
        done
    done
fi
for program in tests/format.sh tests/rooms.sh tests/programs/no_device.sh tests/programs/programs.sh \
    tests/programs/programs_vgg16.sh tests/programs/programs_mpi.sh tests/programs/asymmetry.sh \
    tests/programs/figures.sh tests/programs/presets.sh \
    tests/programs/reproduce.sh tests/equations.sh tests/exported_formulas.sh \
    tests/embedding.sh \
    tests/headers.sh tests/manners.sh tests/abi.sh tests/install.sh \
    tests/exceptions.sh tests/mpi.sh tests/cmake.sh tests/amalgamation.sh tests/deb.sh \
    tests/reproducible.sh tests/examples.sh tests/readme.sh tests/docs.sh tests/python.sh; do
    [ -e "$program" ] || continue
    part "$(basename "$program" .sh)" sh "$program"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
