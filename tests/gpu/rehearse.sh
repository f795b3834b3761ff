#!/bin/sh
# tests/gpu/run.sh from end to end on the stand-ins, in a root that has what a rented machine has: no network, and
# neither
# make nor jansson, Check, zlib's headers, BLIS and pkg-config. Needs a kit (tests/gpu/pack.sh), built tests, and the
# right to
# make namespaces. Takes some minutes. usage: rehearse.sh [OUT]
set -eu
cd "$(dirname "$0")/../.."
standins=$PWD/${BUILD:-build}/tests/cuda/standin
out=${1:-build/gpu-rehearsal}
[ -d build/gpu-kit/bin ] || { echo "first tests/gpu/pack.sh"; exit 1; }
[ -e "$standins/libcublasLt.so.13" ] || ls "$standins"/libcublasLt.so.* >/dev/null
mkdir -p "$out"
export REHEARSAL="$standins" OUT="$PWD/$out" LIMIT="${LIMIT:-1500}" BUILD_LIMIT="${BUILD_LIMIT:-900}"
# With neither real library the stand-ins make up their answers, as on a machine that has none.
export DUALPROP_REAL_CUDNN= DUALPROP_REAL_CUBLASLT=
exec unshare -Urmn sh -c '
    empty=$(mktemp) && mkdir -p "$empty.d"
    hide() {
        for path in "$@"; do
            [ -e "$path" ] || continue
            if [ -d "$path" ]; then mount --bind "$empty.d" "$path"; else mount --bind "$empty" "$path"; fi
        done
    }
    hide /usr/bin/make /usr/bin/gmake /usr/bin/pkg-config /usr/bin/pkgconf \
        \
        /usr/include/jansson.h /usr/include/jansson_config.h \
        /usr/include/check.h /usr/include/check_stdint.h /usr/include/zlib.h /usr/include/sha2.h
    for folder in /usr/lib/*-linux-gnu; do
        hide "$folder"/libjansson* "$folder"/libcheck* "$folder"/libsubunit* "$folder"/libz.a "$folder"/libz.so \
            "$folder"/libblis* "$folder"/blis* "$folder"/libmd.*
    done
    hide /usr/include/*-linux-gnu/jansson_config.h /usr/include/*-linux-gnu/blis* /usr/include/*-linux-gnu/zconf.h
    sh tests/gpu/run.sh'
