#!/bin/sh
# The tests of the CUDA module on stand-ins of the CUDA libraries: everything that can be known without a device. First
# kernels run in their serial form, then, in a second build of the module, as grids of threads (tests/cuda/simt); and
# once
# beside a cuDNN that is only half there.
# usage: tests/cuda.sh [SUITE...]
cd "$(dirname "$0")/.."
. tests/count.sh
build=${BUILD:-build} lib=${LIB:-lib}
standin=$build/tests/cuda/standin
shared=$build/tests/cuda/shared
simt=$build/tests/cuda/simt

if [ ! -x "$build/tests/cuda/main" ] || [ ! -e "$lib/libdualprop-cuda.so.0" ]; then
    skip "CUDA: there is no nvcc here, so the CUDA module was not built"
    count_end
    exit
fi

# run FOLDER SUITE...: the suites on the module in this folder, added to the count.
run() {
    folder=$1 log=$build/tests/cuda/log
    shift
    LD_LIBRARY_PATH=$standin DUALPROP_TEST_MODULE=$folder/libdualprop-cuda.so.0 \
        DUALPROP_BACKEND_PATH=$folder "$build/tests/cuda/main" "$@" >"$log" 2>&1
    code=$?
    sed '$d' "$log"
    set -- $(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$')
    passed=$((passed + ${1:-0})) failed=$((failed + ${3:-0})) skipped=$((skipped + ${5:-0}))
    [ "$code" -eq 0 ] || [ "${3:-0}" -gt 0 ] || failed=$((failed + 1))
}

DUALPROP_REAL_CUDNN=$(cat "$build/tests/cuda/standin/real-cudnn" 2>/dev/null)
DUALPROP_REAL_CUBLASLT=$(cat "$build/tests/cuda/standin/real-cublaslt" 2>/dev/null)
export DUALPROP_REAL_CUDNN DUALPROP_REAL_CUBLASLT
[ -e "$DUALPROP_REAL_CUDNN" ] || DUALPROP_REAL_CUDNN=
[ -e "$DUALPROP_REAL_CUBLASLT" ] || DUALPROP_REAL_CUBLASLT=
suites=$*
run "$shared" "$@"

echo "Kernels as grids of threads:"
[ $# -gt 0 ] || set -- cuda_table cuda_fours cuda_narrow cuda_engines cuda_learning cuda_failures cuda_bf16 cuda_random
export DUALPROP_REAL_CUDNN= DUALPROP_REAL_CUBLASLT= DUALPROP_TEST_SAMPLE=6
export DUALPROP_TEST_OTHER_MODULE="$shared/libdualprop-cuda.so.0"
run "$simt" "$@"

if [ -z "$suites" ]; then
    echo "Half a cuDNN:"
    half=$build/tests/cuda/half
    rm -rf "$half" && mkdir -p "$half" && ln -s "$PWD/$standin"/*.so.* "$half" && rm -f "$half"/libcudnn_graph.so.*
    for graph in "$standin"/libcudnn_graph.so.*; do echo "no library" >"$half/$(basename "$graph")"; done
    standin=$half
    export CK_RUN_CASE=parts DUALPROP_TEST_HALF_CUDNN=1
    run "$shared" cuda_learning
    unset DUALPROP_TEST_HALF_CUDNN

    # The loader finds the runtime alone; the other libraries lie as PyTorch's wheels have them.
    echo "Libraries where Python wheels have them:"
    wheels=$build/tests/cuda/wheels
    rm -rf "$wheels" && mkdir -p "$wheels/runtime" "$wheels/nvidia/cu13/lib" "$wheels/nvidia/cudnn/lib"
    whole=$PWD/$build/tests/cuda/standin
    ln -s "$whole"/libcudart.so.* "$whole"/libcuda.so.1 "$wheels/runtime"
    ln -s "$whole"/libcublasLt.so.* "$wheels/nvidia/cu13/lib"
    ln -s "$whole"/libcudnn*.so.* "$wheels/nvidia/cudnn/lib"
    standin=$wheels/runtime
    export CK_RUN_CASE=wheels DUALPROP_CUDA_PATH="$PWD/no-such-folder:$PWD/$wheels/nvidia"
    run "$shared" cuda_learning
fi
count_end
