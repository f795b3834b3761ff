#!/bin/sh
# The suites under AddressSanitizer, which looks for leaks too, and UndefinedBehaviorSanitizer, in one build of their
# own, and the corpora of the fuzzers. Those that take longest are left to make check-asan and make check-ubsan.
# usage: tests/sanitized.sh    with SUITES in the environment to choose
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}/sanitized
both=address,undefined
slow='arenas backend convolution_kernels elementary export failing_backend formulas microkernels rules_combinations'
slow="$slow rules_oracles shares"
harnesses='calls checkpoint images json model'
mkdir -p "$build"

# A compiler may lack the runtime, and a container may forbid looking for leaks.
echo 'int main(void) { return 0; }' >"$build/probe.c"
if ! "$CC" "-fsanitize=$both" -o "$build/probe" "$build/probe.c" 2>/dev/null ||
    ! ASAN_OPTIONS=detect_leaks=0 "$build/probe" 2>/dev/null; then
    skip "suites under sanitizers: $CC has no runtime for -fsanitize=$both here"
    count_end
    exit
fi
leaks=1
"$build/probe" 2>/dev/null || { leaks=0; skip "leaks under sanitizers: they cannot be looked for here"; }

# The suites alone that are run, in two halves, one a core.
sources='' one='' other=''
for source in tests/*/test_*.c; do
    name=${source##*/test_}
    case "$source" in tests/cuda/*) continue ;; esac
    if [ -n "${SUITES-}" ]; then
        case " $SUITES " in *" ${name%.c} "*) ;; *) continue ;; esac
    else
        case " $slow " in *" ${name%.c} "*) continue ;; esac
    fi
    sources="$sources $source" next="$one $name" one=$other other=$next
done
replays=
for name in $harnesses; do replays="$replays $build/tests/fuzz/replay_$name"; done
builds() {
    # shellcheck disable=SC2086 # one word a file
    make --no-print-directory -s -j"${JOBS:-$(nproc 2>/dev/null || echo 2)}" NVCC=no BUILD="$build" LIB="$build/lib" \
        SANITIZE=$both OPTIMIZE=-O1 SUITE_SOURCES="$sources" "$build/tests/main" \
        "$build/tests/backend/module_path" $replays
}
test_that "the library and its tests compile with -fsanitize=$both" builds
[ "$failed" -eq 0 ] || { count_end; exit; }

export CK_FORK=no CK_TIMEOUT_MULTIPLIER=10 LSAN_OPTIONS=suppressions=tests/lsan.txt UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=4096:detect_leaks=$leaks

half() { # FOLDER SUITE...
    tests/suites.sh "$build/tests/main" "$build/$@" >"$build/$1.txt" 2>&1
}
replays() { # NAME
    "$build/tests/fuzz/replay_$1" tests/fuzz/corpus/"$1"/*
}
# shellcheck disable=SC2086 # one word a suite
half one $one &
# shellcheck disable=SC2086
half other $other
for name in $harnesses; do
    test_that "the corpus of fuzz_$name.c: 0 reports" replays $name
done
wait
for part in one other; do
    [ -s "$build/$part.txt" ] || continue
    grep -vE '^[0-9]+ passed|: [0-9]+ passed, 0 failed' "$build/$part.txt"
    count=$(tail -n 1 "$build/$part.txt" | grep -E '^[0-9]+ passed, [0-9]+ failed')
    [ -n "$count" ] || count='0 passed, 1 failed' # no suite of this half was run to its end without a failure
    set -- $count
    passed=$((passed + $1)) failed=$((failed + $3))
done
count_end
