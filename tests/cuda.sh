#!/bin/sh
# The tests of the CUDA module on stand-ins of the CUDA libraries: everything that can be known without a device.
# usage: tests/cuda.sh [SUITE...]
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build} lib=${LIB:-lib}

if [ ! -x "$build/tests/cuda/main" ] || [ ! -e "$lib/libdualprop-cuda.so.0" ]; then
    skip "CUDA: there is no nvcc here, so the CUDA module was not built"
    count_end
    exit
fi
DUALPROP_REAL_CUDNN=$(cat "$build/tests/cuda/standin/real-cudnn" 2>/dev/null)
DUALPROP_REAL_CUBLASLT=$(cat "$build/tests/cuda/standin/real-cublaslt" 2>/dev/null)
export DUALPROP_REAL_CUDNN DUALPROP_REAL_CUBLASLT
[ -e "$DUALPROP_REAL_CUDNN" ] || DUALPROP_REAL_CUDNN=
[ -e "$DUALPROP_REAL_CUBLASLT" ] || DUALPROP_REAL_CUBLASLT=
LD_LIBRARY_PATH=$build/tests/cuda/standin DUALPROP_TEST_MODULE=$lib/libdualprop-cuda.so.0 \
    DUALPROP_BACKEND_PATH=$lib exec "$build/tests/cuda/main" "$@"
