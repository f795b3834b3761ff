#!/bin/sh
# Checks the built library for calls that a library must not make, and at the names that it exports.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build} lib=${LIB:-lib}

forbidden='abort|exit|_exit|_Exit|quick_exit|atexit|v?printf|v?fprintf|puts|putchar|putc|fputs|fputc|perror|psignal|
__assert_fail|signal|sigaction|setlocale|rand|srand|random|srandom|drand48|strtok|getenv|secure_getenv|setenv|putenv|
system|__printf_chk|__fprintf_chk|__vprintf_chk|__vfprintf_chk|stdout|stderr'
forbidden=$(echo "$forbidden" | tr -d '\n')

# module.o may read DUALPROP_BACKEND_PATH, the documented place for a backend module; nothing else reads the
# environment.
calls_nothing_forbidden() {
    calls=$(nm -u "$1" | awk '{ print $NF }' | sed 's/@.*//' | grep -Ex "$forbidden")
    [ "${1##*/} $calls" != "module.o secure_getenv" ] || calls=
    [ -z "$calls" ] || { echo $calls; return 1; }
}

exported() {
    nm -D --defined-only "$lib/libdualprop.so.0" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort
}

exports_as_listed() {
    exported | diff tests/exports.txt - ||
        { echo "to accept: nm -D --defined-only lib/libdualprop.so.0 | awk '\$2 != \"A\" { print \$3 }' |" \
               "sed 's/@.*//' | sort >tests/exports.txt"; return 1; }
}

# Each function that a header declares exists in the library, and the other way round.
exports_as_declared() {
    cat include/dualprop/*.h | tr '\n' ' ' | grep -oE 'DUALPROP_API[^;(]*\(' | grep -oE 'dualprop_[a-z0-9_]+\($' |
        tr -d '(' | sort -u >"$build/declared.txt"
    exported | diff "$build/declared.txt" -
}

archive_shows_only_public_names() {
    others=$(nm -g --defined-only "$lib/libdualprop.a" | awk 'NF == 3 { print $3 }' | grep -vE '^dualprop_[a-z]')
    [ -z "$others" ] || { echo "$others" | head; return 1; }
}

needs_only_what_it_says() {
    others=$(readelf -d "$lib/libdualprop.so.0" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
             grep -vE '^(libm|libc|libpthread|libdl|libc\.musl.*|ld-linux.*)\.so')
    [ -z "$others" ] || { echo "$others"; return 1; }
}

stays_loaded() {
    readelf -d "$lib/libdualprop.so.0" | grep -q NODELETE && readelf -d "$lib/libdualprop.so.0" | \
        grep -q 'soname: .libdualprop.so.0.'
}

# What the library calls of its own cannot be put in its place by another copy in the process.
calls_itself_directly() {
    others=$(readelf -rW "$lib/libdualprop.so.0" | grep -o ' dualprop_[a-z0-9_]*' | sort -u)
    [ -z "$others" ] || { echo "$others" | head; return 1; }
}

# A plugin with the archive in it does not run its host's copy.
archive_hides_its_names() {
    others=$(readelf -sW "$lib/libdualprop.a" | awk '$5 == "GLOBAL" && $7 != "UND" && $6 != "HIDDEN" { print $8 }')
    [ -z "$others" ] || { echo "$others" | head; return 1; }
}

# Memory of threads is scarce where a library comes by dlopen(), and must not be allocated at its first use.
keeps_little_in_threads() {
    size=$(readelf -lW "$lib/libdualprop.so.0" | awk '$1 == "TLS" { print $6 }')
    [ $((${size:-0})) -le 80 ] || { echo "$((size)) bytes, expected at most 80, 48 of them BLIS's"; return 1; }
    # Of our own objects: BLIS's two that have such variables are not reached by our calls of its kernels.
    ! nm -A -u "$build"/src/core/*/*.o "$build"/src/cpu/*/*.o | grep __tls_get_addr
}

# Written by the compiler of each object of ours: BLIS's objects, which are linked with them, need not have it.
is_protected() { # OBJECT
    case $(uname -m) in
        x86_64) readelf -nW "$1" 2>/dev/null | grep -q 'IBT, SHSTK' || { echo \
            "$1 was compiled without -fcf-protection"; return 1; } ;;
    esac
}

checks_its_stack_and_copies() {
    names=$(nm -D --undefined-only "$lib/libdualprop.so.0" | awk '{ print $NF }')
    echo "$names" | grep -q '^__stack_chk_fail' || { echo "no stack protector"; return 1; }
    echo "$names" | grep -q '^__[a-z]*_chk@' || { echo "no checked functions (_FORTIFY_SOURCE)"; return 1; }
}

has_full_relro() { # FILE
    readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -q 'BIND_NOW\|FLAGS_1.*NOW' &&
        ! readelf -lW "$1" | grep GNU_STACK | grep -q RWE
}

is_hardened_program() {
    has_full_relro "$1" && readelf -hW "$1" | grep -q 'Type:.*DYN'
}

# musl has no second names for files of more than 2 GiB, since its first ones are for those.
names_no_large_files() {
    large='dirent|getdents|f?l?stat|fstatat|open|openat|creat|lseek|pread|pwrite|f?truncate|mmap|readdir|fopen|fseeko'
    large="$large|ftello|off|rlimit|[gs]etrlimit|sendfile|posix_fallocate"
    ! grep -nE "(^|[^A-Za-z0-9_])($large)64(_t)?(\$|[^A-Za-z0-9_])" \
        src/core/*/*.[ch] src/cpu/*/*.[ch] programs/*.c programs/*/*.[ch]
}

# There NaN and infinities do not exist for the compiler, and no check of ours would find one. One such source is enough
# for make to stop.
refuses_fast_math() { # OPTION
    for source in $(grep -lE 'double|float|formulas\.h' src/core/*/*.c src/cpu/loops/elementwise_*.c \
        src/cpu/reference/*_f*.c); do
        ! $CC -std=c11 -D_GNU_SOURCE "$1" -Iinclude -Isrc -E "$source" >/dev/null 2>"$work/message" &&
            grep -q 'error.*-ffast-math, -Ofast and -ffinite-math-only' "$work/message" ||
            { echo "$source:"; cat "$work/message"; return 1; }
    done
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for option in -Ofast -ffast-math -ffinite-math-only; do
    test_that "nothing that computes or checks numbers compiles with $option" refuses_fast_math $option
done
test_that "no source uses a name that ends in 64 and that musl lacks" names_no_large_files

for source in src/core/*/*.c src/cpu/*/*.c; do
    object=$build/${source%.c}.o
    [ -e "$object" ] && protected=$((${protected:-0} + 1)) && { is_protected "$object" || unprotected=$object; }
done
test_that "all ${protected:-0} objects are protected against jumps into their middle" [ -z "${unprotected-}" ]
# Without an optimiser there are no checked functions.
if grep -q FORTIFY_SOURCE=2 "$build/flags" && gcc -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -dM -E -include \
    stdlib.h - </dev/null 2>/dev/null | grep -q __GLIBC__; then
    test_that "the shared library checks its stack and its copies" checks_its_stack_and_copies
fi
test_that "the shared library is read-only where it can be" has_full_relro "$lib/libdualprop.so.0"
for program in "$build"/programs/dualprop-*; do
    case $program in *.[od]) continue ;; esac
    [ -x "$program" ] && test_that "${program##*/} is hardened" is_hardened_program "$program"
done
for source in src/core/*/*.c src/cpu/*/*.c; do
    object=$build/${source%.c}.o
    [ -e "$object" ] && test_that "$source calls nothing that ends, prints or changes the process" \
        calls_nothing_forbidden "$object"
done
test_that "the shared library exports what tests/exports.txt lists" exports_as_listed
test_that "the shared library exports what the headers declare" exports_as_declared
test_that "the static library shows only dualprop_ names" archive_shows_only_public_names
test_that "the shared library needs only the C library" needs_only_what_it_says
test_that "the shared library calls itself directly" calls_itself_directly
test_that "the static library hides its names from other libraries" archive_hides_its_names
test_that "the shared library keeps little in threads, from their start" keeps_little_in_threads
test_that "the shared library has its soname and is never unloaded" stays_loaded

# ---- the CUDA module, where it was built ----

module=$lib/libdualprop-cuda.so.0 shared=$build/tests/cuda/shared/libdualprop-cuda.so.0
module_exports_its_entry() {
    names=$(nm -D --defined-only "$module" | awk '{ print $3 }')
    [ "$names" = dualprop_backend_entry ] || { echo "$names"; return 1; }
}

module_needs_only_the_c_library() {
    others=$(readelf -d "$module" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
             grep -vE '^(libm|libc|libpthread|libdl|librt|ld-linux.*)\.so')
    [ -z "$others" ] || { echo "$others"; return 1; }
}

# The same objects without NVIDIA's runtime in them. Kernels are registered by what nvcc puts in, which unregisters them
# at exit; so the one atexit is not ours. DUALPROP_CUDA_PATH is read, and what NVIDIA's variables do to strict f32.
module_calls_nothing_forbidden() {
    calls=$(nm -D --undefined-only "$shared" | awk '{ print $2 }' | sed 's/@.*//' | grep -Ex "$forbidden" |
            grep -vx secure_getenv)
    [ -z "$calls" ] || { echo $calls; return 1; }
}

if [ -e "$module" ]; then
    test_that "the CUDA module exports its entry alone" module_exports_its_entry
    test_that "the CUDA module needs the C library alone" module_needs_only_the_c_library
    test_that "the CUDA module calls nothing that ends, prints or changes the process" module_calls_nothing_forbidden
    test_that "the CUDA module is never unloaded" eval "readelf -d '$module' | grep -q NODELETE"
else
    skip "manners of the CUDA module: there is no nvcc here, so it was not built"
fi
count_end
