#!/bin/sh
# Puts together what a machine without a package source lacks, in build/gpu-kit, which git ignores (about 40 MB):
# jansson, Check, zlib and libmd as headers and archives, make, Fashion-MNIST, and binaries for the case that the build
# fails there. tests/gpu/run.sh on that machine finds it. Needs the packages of `make deps` and CUDA's toolkit.
# usage: pack.sh
set -eu
cd "$(dirname "$0")/../.."
kit=build/gpu-kit
rm -rf "$kit"
mkdir -p "$kit/include" "$kit/lib" "$kit/data"
cp /usr/include/jansson.h /usr/include/jansson_config.h /usr/include/check.h /usr/include/check_stdint.h \
   /usr/include/zlib.h /usr/include/sha2.h "$kit/include" 2>/dev/null || true
for header in jansson_config.h check_stdint.h zconf.h; do
    for found in "/usr/include/$header" "/usr/include/$(gcc -print-multiarch)/$header"; do
        [ ! -e "$found" ] || cp "$found" "$kit/include"
    done
done
for library in jansson subunit z md; do
    cp "$(find /usr/lib -name lib$library.a | head -n 1)" "$kit/lib"
done
cp "$(find /usr/lib -name libcheck_pic.a | head -n 1)" "$kit/lib/libcheck.a"
cp /usr/share/datasets/fashion-mnist/*.gz "$kit/data"
git rev-parse --short HEAD >"$kit/commit" 2>/dev/null || echo unknown >"$kit/commit"
mkdir -p "$kit/bin/lib"
cp "$(command -v make)" "$kit/bin"
built=build/gpu-kit-build
make -s -j"$(nproc)" BLIS=no ZIP=no BUILD=$built LIB=$built/lib CFLAGS="-isystem $kit/include" LDFLAGS="-L$kit/lib" \
    all programs $built/tests/cuda/main $built/tests/gpu/steps >"$kit/build.log" 2>&1 || {
    tail -n 20 "$kit/build.log"
    exit 1
}
cp $built/lib/libdualprop-cuda.so.0 "$kit/bin/lib"
cp $built/tests/cuda/main $built/tests/gpu/steps $built/programs/dualprop-mlp $built/programs/dualprop-vectors \
    "$kit/bin"
strip "$kit/bin/lib/libdualprop-cuda.so.0" "$kit/bin/main" "$kit/bin/steps" "$kit/bin"/dualprop-*
du -sh "$kit"
