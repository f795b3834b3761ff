#!/bin/sh
# The library as one source: gcc, clang and musl-gcc compile it without options but the standard's; in a C++ program it
# passes the reference vectors and the suites of C tests. SUITES=all runs every suite, on gcc's object and on clang's.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
libraries='-lm -lpthread -ldl'

compiles() { # COMPILER NAME
    $1 -std=c11 -O2 -Wall -Wextra -Werror -c -o "$work/$2.o" "$work/dualprop.c"
}

learns_exclusive_or() {
    mkdir -p "$work/include/dualprop" && cp "$work/dualprop.h" "$work/include/dualprop" &&
        printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n' >"$work/expected" &&
        $1 -I"$work/include" -o "$work/minimal" $2 examples/minimal.c -x none "$work/$3.o" $libraries &&
        "$work/minimal" >"$work/output" && diff "$work/expected" "$work/output"
}

# Check is there for one C library; on musl a program trains, saves, loads and compares, on the library alone.
lives_on_musl() {
    musl-gcc -static -std=c11 -D_GNU_SOURCE -I"$work/include" -o "$work/smoke" tests/process/smoke.c \
        "$work/musl-gcc.o" $libraries && "$work/smoke" >"$work/output" || { cat "$work/output"; return 1; }
}

passes_the_vectors() {
    $CC -o "$work/vectors" "$build/programs/dualprop-vectors.o" "$build/programs/common.a" "$work/dualprop.o" \
        $libraries -ljansson -lz -lmd $(nm "$build/programs/common.a" 2>/dev/null | grep -q ' U zip_open' && \
        echo -lzip) &&
        "$work/vectors" --backend reference --precision f64 tests/golden >"$work/output" &&
        "$work/vectors" --backend reference --precision f32 tests/golden >>"$work/output" ||
        { cat "$work/output"; return 1; }
}

# The suites as they were built for the library, on one source's object in a C++ program. What they ask of BLIS they get
# of the reference backend. Left out are those of what is not in it: BLIS's kernels, its threads and memory of threads,
# and of the module's place beside a program. SUITES=all runs every other one; without it, a selection that takes
# seconds: what each header promises, and the rules against their equations.
passes_the_suites() { # NAME [SUITES]
    selection='arguments arguments_checkpoint arguments_context arguments_custom arguments_diagnostics arguments_group
        arguments_network arguments_optimizer arguments_rule arguments_state arguments_types checkpoint context
        custom_activation custom_map diagnostics dyad_access elementary export keep_inference learning misuse network
        neurons oracles own_loss rules_model rules_output sample_weights'
    selection=${2:-$selection}
    if [ "${SUITES:-}" = all ]; then selection=; fi
    left_out=' test_module test_backend test_vectors test_microkernels test_convolution_kernels test_determinism \
        test_state_memory '
    objects= names=
    for source in tests/*/test_*.c; do
        name=$(basename "$source" .c)
        case "$source $left_out" in tests/cuda/* | *" $name "*) continue ;; esac
        objects="$objects $build/${source%.c}.o" names="$names $name"
    done
    tools/list-suites $names >"$work/suites.h"
    cat >"$work/suites.cpp" <<'EOF'
#include <dualprop/dualprop.h>
extern "C" {
int run_suites(int count, char **words);
dualprop_status __real_dualprop_context_create(dualprop_context **, int, const dualprop_options *);
dualprop_status __real_dualprop_context_memory_needed(uint64_t *, int, const dualprop_options *);
static int of_the_reference(int backend)
{
    return backend == DUALPROP_BACKEND_BLIS ? DUALPROP_BACKEND_REFERENCE : backend;
}
dualprop_status __wrap_dualprop_context_create(dualprop_context **out, int backend, const dualprop_options *options)
{
    return __real_dualprop_context_create(out, of_the_reference(backend), options);
}
dualprop_status __wrap_dualprop_context_memory_needed(uint64_t *bytes, int backend, const dualprop_options *options)
{
    return __real_dualprop_context_memory_needed(bytes, of_the_reference(backend), options);
}
}
int main(int count, char **words)
{
    return run_suites(count, words);
}
EOF
    $CC -std=c11 -D_GNU_SOURCE -Dmain=run_suites -I"$work" -Itests -Iinclude -c -o "$work/runner.o" tests/main.c &&
        $CXX -Iinclude -Wl,--wrap=dualprop_context_create -Wl,--wrap=dualprop_context_memory_needed \
            -o "$work/suites" "$work/suites.cpp" "$work/runner.o" $objects "$build/src/testing/testing.o" \
            "$build"/tests/support/*.o "$build/programs/common.a" "$work/$1.o" $libraries -ljansson -lz -lmd \
            $(nm "$build/programs/common.a" 2>/dev/null | grep -q ' U zip_open' && echo -lzip) \
            $(pkg-config --libs check 2>/dev/null || echo -lcheck -lsubunit -lrt) &&
        "$work/suites" $selection >"$work/output" 2>&1 || { tail -n 40 "$work/output"; return 1; }
}

refuses_fast_math() { # OPTION
    ! $CC -std=c11 -O2 "$1" -c -o "$work/fast.o" "$work/dualprop.c" 2>"$work/message" &&
        grep -q 'error.*-ffast-math, -Ofast and -ffinite-math-only' "$work/message"
}

# Only public names may clash with those of the program.
shows_only_public_names() {
    ! nm -g --defined-only "$work/dualprop.o" | grep -v ' dualprop_'
}

test_that "make amalgamation" tools/amalgamate "$work"
test_that "gcc -std=c11" compiles "$CC" dualprop
test_that "its program in C" learns_exclusive_or "$CC" "-x c" dualprop
for compiler in clang musl-gcc; do
    if have $compiler; then
        test_that "$compiler -std=c11" compiles $compiler $compiler
    else
        skip "$compiler -std=c11: $compiler is not installed"
    fi
done
if have clang; then test_that "a program by clang" learns_exclusive_or clang "-x c" clang; fi
if have musl-gcc; then
    test_that "a static program of musl" learns_exclusive_or "musl-gcc -static" "-x c" musl-gcc
    test_that "a static program of musl that saves and loads" lives_on_musl
fi
if have "$CXX"; then
    test_that "its program in C++" learns_exclusive_or "$CXX" "-x c++" dualprop
    test_that "the suites pass in a C++ program" passes_the_suites dualprop
    # Its optimiser takes other liberties, with exceptions of NaNs above all.
    if have clang; then test_that "suites pass on clang's object" passes_the_suites clang 'elementary process'; fi
else
    skip "a program in C++: no C++ compiler here"
fi
test_that "the reference vectors" passes_the_vectors
test_that "names of the library alone" shows_only_public_names
for option in -Ofast -ffast-math -ffinite-math-only; do
    test_that "it does not compile with $option" refuses_fast_math $option
done
count_end
