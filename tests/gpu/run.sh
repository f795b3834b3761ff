#!/bin/sh
# Everything that only a GPU can tell: builds, tests, trains, times against PyTorch. Under 8 minutes on an H100 or H200.
# usage: run.sh [OUT]    results go to OUT ($OUT, or build/gpu by default): summary.txt, tables.md, times.json, logs.txt
#
# Needs nvcc, gcc, make, cuBLASLt and cuDNN, of CUDA's toolkit or of the wheels that PyTorch comes with; PyTorch for the
# baselines. jansson, Check and zlib come from the system or from build/gpu-kit (tests/gpu/pack.sh); BLIS is not needed.
# Each part has a time limit, and a part that fails does not stop the ones after it. When the time is over (LIMIT
# seconds, 470 by default; BUILD_LIMIT of them, 240 by default, for the build) the parts that are left are skipped.
# Ends with a line "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.."
out=${1:-${OUT:-build/gpu}}
kit=$PWD/build/gpu-kit
build=build/gpu-build
mkdir -p "$out" $build
out=$(cd "$out" && pwd)
summary=$out/summary.txt
passed=0 failed=0 skipped=0
began=$(date +%s)
: >"$summary"
: >"$out/logs.txt"
: >"$out/times.json"

say() {
    echo "$@" | tee -a "$summary"
}

skip() {
    skipped=$((skipped + 1))
    say "skipped: $1"
}

left() {
    echo $((${LIMIT:-470} - $(date +%s) + began))
}

# part NAME SECONDS COMMAND...: its output goes to logs.txt, and its last line is shown; times in JSON to times.json.
part() {
    name=$1 limit=$2 log=$build/$1.log
    shift 2
    if [ "$(left)" -lt 5 ]; then
        skip "$name: the time is over"
        return 1
    fi
    [ "$limit" -le "$(left)" ] || limit=$(left)
    start=$(date +%s)
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    code=$?
    if [ $code -eq 0 ]; then passed=$((passed + 1)) verdict=passed
    elif [ $code -eq 124 ] || [ $code -eq 137 ]; then failed=$((failed + 1)) verdict="FAILED (over $limit s)"
    else failed=$((failed + 1)) verdict="FAILED (exit status $code)"
    fi
    say "$name: $verdict, $(($(date +%s) - start)) s: $(tail -n 1 "$log" | cut -c1-160)"
    { echo "==== $name: $verdict"; tail -c 500000 "$log"; } >>"$out/logs.txt"
    grep '^{"who"' "$log" >>"$out/times.json"
    return $code
}

# PyTorch finds its own libraries. It stops a little before its part would be stopped, which would be a failure.
pytorch() { # MODEL STEPS SECONDS
    seconds=$(left)
    [ "$seconds" -le "$3" ] || seconds=$3
    if [ "$seconds" -lt 25 ]; then
        skip "pytorch-$1: the time is over"
        return
    fi
    part pytorch-$1 "$3" env LD_LIBRARY_PATH="$before" python3 -u tests/gpu/baseline.py $1 100 $2 $((seconds - 10))
}

have() {
    command -v "$1" >/dev/null 2>&1
}

end() {
    if have python3 && [ -s "$out/times.json" ]; then
        python3 tests/gpu/table.py "$out/times.json" >"$out/tables.md" && cat "$out/tables.md"
    fi
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}

# ---- where are we ----

have nvcc || PATH=$PATH:/usr/local/cuda/bin
commit=$(git rev-parse --short HEAD 2>/dev/null || cat "$kit/commit" 2>/dev/null || echo unknown)
say "commit $commit, $(date -u +%Y-%m-%dT%H:%MZ)"
have nvidia-smi &&
    say "device: $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
say "$(nvcc --version 2>/dev/null | tail -n 2 | head -n 1), $(gcc --version | head -n 1)"

before=${LD_LIBRARY_PATH:-}

# ---- the vendors' headers and libraries, gathered by links: the toolkit may lack cuBLASLt or cuDNN ----

toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc || echo /none/bin/nvcc)")")")
vendor=$PWD/$build/vendor
rm -rf "$vendor"
mkdir -p "$vendor/include" "$vendor/lib"
wheels=$(python3 -c 'import nvidia
for folder in nvidia.__path__: print(folder)' 2>/dev/null)

# Folders of headers and of libraries, in pairs.
places() {
    echo "$toolkit/include $toolkit/lib64"
    for folder in $toolkit/targets/*; do echo "$folder/include $folder/lib"; done
    echo "/usr/include /usr/lib/$(gcc -print-multiarch)"
    echo "/usr/include/$(gcc -print-multiarch) /usr/lib/$(gcc -print-multiarch)"
    for folder in $wheels; do for part in "$folder"/*; do echo "$part/include $part/lib"; done; done
}

# gather HEADER LIBRARY: from the first place that has both.
gather() {
    places | while read -r headers libraries; do
        library=$(ls "$libraries/$2".so* 2>/dev/null | head -n 1)
        [ -e "$headers/$1" ] && [ -e "$library" ] || continue
        [ "$headers" = /usr/include ] || ln -sf "$headers"/* "$vendor/include"
        [ "$headers" != /usr/include ] || ln -sf "$headers/${1%%.*}"* "$vendor/include"
        ln -sf "$(readlink -f "$library")" "$vendor/lib/$2.so"
        echo "$libraries" >>"$vendor/folders"
        say "$2: $(readlink -f "$library")"
        break
    done
}

gather cudnn.h libcudnn
gather cublasLt.h libcublasLt
gather cuda_runtime_api.h libcudart
for folder in $(sort -u "$vendor/folders" 2>/dev/null); do
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
for folder in $wheels; do
    for libraries in "$folder"/*/lib; do LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries; done
done
export LD_LIBRARY_PATH

# ---- build ----

if [ -d "$kit" ]; then
    set -- "CFLAGS=-isystem $kit/include" "LDFLAGS=-L$kit/lib"
else
    set -- CFLAGS= LDFLAGS=
fi
part build "${BUILD_LIMIT:-240}" make -j"$(nproc)" BLIS=no ZIP=no BUILD=$build LIB=$build/lib "JOBS=$(nproc)" "$@" \
    "CUDA_INCLUDE=$vendor/include" "CUDNN_INCLUDE=$vendor/include" "CUDA_LIB=$vendor/lib" "CUDNN_LIB=$vendor/lib" \
    all programs $build/tests/cuda/main $build/tests/gpu/steps || {
    tail -n 30 $build/build.log
    end
}
export DUALPROP_BACKEND_PATH="$PWD/$build/lib" DUALPROP_TEST_MODULE="$PWD/$build/lib/libdualprop-cuda.so.0"
export DUALPROP_TEST_GPU=1 CK_FORK=no CK_DEFAULT_TIMEOUT=300

# ---- right ----

tests=$build/tests/cuda/main
part kernels 120 $tests cuda_table
part products 30 $tests cuda_products
part learning 90 $tests cuda_learning
part bf16 60 $tests cuda_bf16
part staging 30 $tests cuda_input_staging
part vectors 60 $build/programs/dualprop-vectors --backend cuda --precision f32 tests/golden
fashion=/usr/share/datasets/fashion-mnist
[ -d $fashion ] || fashion=$kit/data
if [ -d "$fashion" ]; then
    part mlp 60 sh -c "'$build/programs/dualprop-mlp' --backend cuda --data '$fashion' --epochs 3 --quiet |
        awk '{ print } /^test accuracy/ { right = \$3 } END { exit !(right > 84) }'"
else
    skip "mlp: Fashion-MNIST is not here"
fi

# ---- fast: each line of a network's times is one process, in which cuDNN makes its plans once ----

steps=$build/tests/gpu/steps
for numerics in strict tf32 bf16; do
    part mlp-$numerics 30 $steps cuda $numerics mlp 100 dp-adjoint fw-bw 1 500 bp fw-bw 1 500
done
part vgg16-strict 90 $steps cuda strict vgg16 100 dp-adjoint fw-bw 1 50 bp fw-bw 1 50 dp-adjoint fw 16 10 \
    dp-adjoint odd-even 8 5 dp-adjoint even-odd 8 5 dp-adjoint jacobi 8 5
part vgg16-tf32 60 $steps cuda tf32 vgg16 100 dp-adjoint fw-bw 1 50 bp fw-bw 1 50 dp-adjoint fw 16 20
# cuDNN compiles each plan of BF16.
part vgg16-bf16 150 $steps cuda bf16 vgg16 100 dp-adjoint fw-bw 1 50 bp fw-bw 1 50
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    pytorch mlp 500 50
    pytorch vgg16 30 130
else
    skip "PyTorch with CUDA is not here, so there are no baselines"
fi

# ---- what takes long, or may leave a device that is no use to others ----

part device 45 $tests cuda_device
part failures 45 $tests cuda_failures
if have compute-sanitizer; then
    # A few sizes are enough for these, which slow kernels down a hundredfold. Calls that are meant to fail do.
    sanitize="compute-sanitizer --error-exitcode 9 --report-api-errors no"
    part memcheck 60 env CK_RUN_CASE=rest $sanitize --tool memcheck $tests cuda_table
    part racecheck 60 env CK_RUN_CASE=rest $sanitize --tool racecheck $tests cuda_table
else
    skip "compute-sanitizer is not here"
fi
end
