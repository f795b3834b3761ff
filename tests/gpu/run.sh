#!/bin/sh
# Everything that only a GPU can tell: builds, tests, trains, times against PyTorch. Under 8 minutes on one H100 or H200.
# usage: run.sh [OUT]    results go to OUT (build/gpu by default): summary.txt, tables.md, a log of each part
#
# Needs nvcc, cuBLASLt, cuDNN and gcc; PyTorch for the baselines. jansson, Check and zlib come from the system or from
# build/gpu-kit (tests/gpu/pack.sh); BLIS is not needed. Each part has a time limit, and a part that fails does not
# stop the ones after it. Ends with a line "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.."
out=${1:-build/gpu}
kit=$PWD/build/gpu-kit
mkdir -p "$out"
out=$(cd "$out" && pwd)
summary=$out/summary.txt
passed=0 failed=0 skipped=0
: >"$summary"

say() {
    echo "$@" | tee -a "$summary"
}

# part NAME SECONDS COMMAND...: its output goes to NAME.log; the last line of it is shown.
part() {
    name=$1 limit=$2
    shift 2
    start=$(date +%s)
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 </dev/null
    code=$?
    if [ $code -eq 0 ]; then passed=$((passed + 1)) verdict=passed
    else failed=$((failed + 1)) verdict="FAILED (exit status $code)"
    fi
    say "$name: $verdict, $(($(date +%s) - start)) s: $(tail -n 1 "$out/$name.log" | cut -c1-160)"
    return $code
}

skip() {
    skipped=$((skipped + 1))
    say "skipped: $1"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# ---- where are we ----

say "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%Y-%m-%dT%H:%MZ)"
have nvidia-smi && say "device: $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
have nvcc || PATH=$PATH:/usr/local/cuda/bin
say "$(nvcc --version 2>/dev/null | tail -n 2 | head -n 1), $(gcc --version | head -n 1)"
library=$(dirname "$(dirname "$(command -v nvcc)")")/lib64
export LD_LIBRARY_PATH="$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

# ---- build ----

make_options="BLIS=no ZIP=no BUILD=build/gpu-build LIB=build/gpu-build/lib JOBS=$(nproc)"
if [ -d "$kit" ]; then
    set -- "CFLAGS=-isystem $kit/include" "LDFLAGS=-L$kit/lib"
else
    set -- CFLAGS= LDFLAGS=
fi
build=build/gpu-build
part build 240 make -j"$(nproc)" $make_options "$@" all examples tests $build/tests/gpu/steps || {
    tail -n 30 "$out/build.log"
    say "$passed passed, $failed failed, $skipped skipped"
    exit 1
}
module=$PWD/$build/lib/libdualprop-cuda.so.0
export DUALPROP_BACKEND_PATH="$PWD/$build/lib" DUALPROP_TEST_MODULE="$module" DUALPROP_TEST_GPU=1 CK_FORK=no
CK_DEFAULT_TIMEOUT=300
export CK_DEFAULT_TIMEOUT

# ---- right ----

part kernels 120 $build/tests/cuda/main cuda_table
part learning 90 $build/tests/cuda/main cuda_learning
part failures 60 $build/tests/cuda/main cuda_failures
part device 60 $build/tests/cuda/main cuda_device
part vectors 60 $build/examples/vectors --backend cuda --precision f32 tests/golden
fashion=/usr/share/datasets/fashion-mnist
[ -d $fashion ] || fashion=$kit/data
if [ -d "$fashion" ]; then
    part mlp 60 sh -c "'$build/examples/mlp' --backend cuda --data '$fashion' --epochs 3 --quiet | tee /dev/stderr |
        awk '/^test accuracy/ { right = \$3 } END { exit !(right > 84) }'"
else
    skip "Fashion-MNIST is not here"
fi
for schedule in "fw-bw 1" "fw 16" "odd-even 8" "even-odd 8" "jacobi 8"; do
    set -- $schedule
    part "vgg16-$1" 60 $build/tests/gpu/steps cuda strict vgg16 100 dp-adjoint "$1" "$2" 5
done
if have compute-sanitizer; then
    # A few sizes are enough for these, which slow kernels down a hundredfold.
    part memcheck 90 env CK_RUN_CASE=rest compute-sanitizer --error-exitcode 9 --leak-check full \
        $build/tests/cuda/main cuda_table
    part racecheck 90 env CK_RUN_CASE=rest compute-sanitizer --tool racecheck --error-exitcode 9 \
        $build/tests/cuda/main cuda_table
else
    skip "compute-sanitizer is not here"
fi

# ---- fast ----

: >"$out/times.json"
times() { # MODEL NUMERICS RULE SCHEDULE PASSES STEPS
    $build/tests/gpu/steps cuda "$2" "$1" 100 "$3" "$4" "$5" "$6" >>"$out/times.json" 2>>"$out/times.log"
}
for numerics in strict tf32 bf16; do
    times mlp $numerics dp-adjoint fw-bw 1 500
    times mlp $numerics bp fw-bw 1 500
    times vgg16 $numerics dp-adjoint fw-bw 1 50
    times vgg16 $numerics bp fw-bw 1 50
done
times vgg16 strict dp-adjoint fw 16 10
times vgg16 tf32 dp-adjoint fw 16 20
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    timeout 60 python3 tests/gpu/baseline.py mlp 100 500 >>"$out/times.json" 2>>"$out/times.log"
    timeout 150 python3 tests/gpu/baseline.py vgg16 100 30 >>"$out/times.json" 2>>"$out/times.log"
else
    skip "PyTorch with CUDA is not here, so there are no baselines"
fi
if have python3; then
    python3 tests/gpu/table.py "$out/times.json" >"$out/tables.md" && cat "$out/tables.md"
fi
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
