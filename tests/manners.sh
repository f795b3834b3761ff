#!/bin/sh
# Looks at the built library for calls that a library must not make, and at the names that it exports.
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build} lib=${LIB:-lib}

forbidden='abort|exit|_exit|_Exit|quick_exit|atexit|v?printf|v?fprintf|puts|putchar|putc|fputs|fputc|perror|psignal|
__assert_fail|signal|sigaction|setlocale|rand|srand|random|srandom|drand48|strtok|getenv|secure_getenv|setenv|putenv|system|
__printf_chk|__fprintf_chk|__vprintf_chk|__vfprintf_chk|stdout|stderr'
forbidden=$(echo "$forbidden" | tr -d '\n')

# module.o may read DUALPROP_BACKEND_PATH, the documented place for a backend module; nothing else reads the environment.
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
             grep -vE '^(libjansson|libm|libc|libpthread|libdl|libc\.musl.*|ld-linux.*)\.so')
    [ -z "$others" ] || { echo "$others"; return 1; }
}

stays_loaded() {
    readelf -d "$lib/libdualprop.so.0" | grep -q NODELETE && readelf -d "$lib/libdualprop.so.0" | grep -q 'soname: .libdualprop.so.0.'
}

for source in src/core/*/*.c src/cpu/*/*.c; do
    object=$build/${source%.c}.o
    [ -e "$object" ] && test_that "$source calls nothing that ends, prints or changes the process" \
        calls_nothing_forbidden "$object"
done
test_that "the shared library exports what tests/exports.txt lists" exports_as_listed
test_that "the shared library exports what the headers declare" exports_as_declared
test_that "the static library shows only dualprop_ names" archive_shows_only_public_names
test_that "the shared library needs only jansson and the C library" needs_only_what_it_says
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
