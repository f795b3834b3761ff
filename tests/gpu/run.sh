#!/bin/sh
# Everything that only a GPU can show: builds, tests, trains, times against PyTorch. At most LIMIT seconds, 560 by
# default. usage: run.sh [OUT]
# Results go to OUT ($OUT, or build/gpu by default): summary.txt, tables.md, times.json, engines.txt, logs.txt, and
# ncu-NETWORK-PRECISION.csv.gz with each kernel's time.
#
# What matters most comes first: does it run, is it right, how long does a step take and where, what does PyTorch take.
# Each part is a process of its own with a time limit, and a part that fails does not stop the ones after it; parts
# that are left when the time is over are skipped. Tests write what they found one by one (NAME.tap in logs.txt), so
# that one that is cut off has shown the rest. Ends with a line "N passed, N failed, N skipped".
#
# Needs nvcc, gcc, cuBLASLt and cuDNN, of CUDA's toolkit or of the wheels that PyTorch comes with; PyTorch for the
# baselines. jansson, Check, zlib, make and binaries for the case that the build fails come from build/gpu-kit
# (tests/gpu/pack.sh). REHEARSAL=FOLDER runs all of it on the stand-ins in that folder, on a machine without a GPU
# (tests/gpu/rehearse.sh), where SLOWER multiplies the limits of parts.
set -u
cd "$(dirname "$0")/../.."
out=${1:-${OUT:-build/gpu}}
kit=$PWD/build/gpu-kit
build=build/gpu-build
rehearsal=${REHEARSAL:-}
mkdir -p "$out" $build
out=$(cd "$out" && pwd)
summary=$out/summary.txt
passed=0 failed=0 skipped=0
began=$(date +%s)
: >"$summary"
: >"$out/logs.txt"
: >"$out/times.json"
: >"$out/engines.txt"

say() {
    echo "$@" | tee -a "$summary"
}

skip() {
    skipped=$((skipped + 1))
    say "skipped: $1"
}

left() {
    echo $((${LIMIT:-560} - $(date +%s) + began))
}

# part NAME SECONDS COMMAND...: its output goes to logs.txt, and its last line is shown; times in JSON to times.json.
part() {
    name=$1 limit=$(($2 * ${SLOWER:-1})) log=$build/$1.log
    shift 2
    if [ "$(left)" -lt 5 ]; then
        skip "$name: the time is over"
        return 1
    fi
    [ "$limit" -le "$(left)" ] || limit=$(left)
    start=$(date +%s)
    rm -f "$build/$name.tap"
    CK_TAP_LOG_FILE_NAME=$build/$name.tap timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    code=$?
    if [ $code -eq 0 ]; then passed=$((passed + 1)) verdict=passed
    elif [ $code -eq 124 ] || [ $code -eq 137 ]; then failed=$((failed + 1)) verdict="FAILED (over $limit s)"
    else failed=$((failed + 1)) verdict="FAILED (exit status $code)"
    fi
    say "$name: $verdict, $(($(date +%s) - start)) s: $(tail -n 1 "$log" | cut -c1-160)"
    { echo "==== $name: $verdict"; tail -c 500000 "$log"; } >>"$out/logs.txt"
    [ ! -s "$build/$name.tap" ] || { echo "==== $name.tap"; cat "$build/$name.tap"; } >>"$out/logs.txt"
    [ $code -eq 0 ] || [ ! -s "$build/$name.tap" ] ||
        say "    $(grep -c '^ok' "$build/$name.tap") ok; $(grep '^not ok' "$build/$name.tap" | head -n 3 | cut -c1-150)"
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
[ ! -d "$kit/bin" ] || PATH=$PATH:$kit/bin
commit=$(git rev-parse --short HEAD 2>/dev/null || cat "$kit/commit" 2>/dev/null || echo unknown)
say "commit $commit, $(date -u +%Y-%m-%dT%H:%MZ)"
have nvidia-smi &&
    say "device: $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
say "$(uname -sr), $(nproc) CPUs, $(nvcc --version 2>/dev/null | tail -n 2 | head -n 1), $(gcc --version | head -n 1)"
for tool in make gcc nvcc ncu nsys compute-sanitizer python3; do say "$tool: $(command -v $tool || echo none)"; done

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
        [ ! -e "$libraries/$2_static.a" ] || ln -sf "$libraries/$2_static.a" "$vendor/lib"
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

if [ -n "$rehearsal" ]; then LD_LIBRARY_PATH=$rehearsal:$LD_LIBRARY_PATH; fi
if [ -d "$kit" ]; then
    set -- "CFLAGS=-isystem build/gpu-kit/include" "LDFLAGS=-Lbuild/gpu-kit/lib"
else
    set -- CFLAGS= LDFLAGS=
fi
[ -z "$rehearsal" ] || set -- "$@" CUDART_STATIC=
binaries=$build/tests/cuda module=$PWD/$build/lib programs=$build/programs steps=$build/tests/gpu/steps
part build "${BUILD_LIMIT:-120}" make -j"$(nproc)" WERROR=no BLIS=no ZIP=no BUILD=$build LIB=$build/lib "$@" \
    "CUDA_INCLUDE=$vendor/include" "CUDNN_INCLUDE=$vendor/include" "CUDA_LIB=$vendor/lib" "CUDNN_LIB=$vendor/lib" \
    all programs $build/tests/cuda/main $build/tests/gpu/steps || {
    tail -n 30 $build/build.log
    [ -x "$kit/bin/main" ] || end
    say "the binaries of $(cat "$kit/commit") are used instead"
    binaries=$kit/bin module=${REHEARSAL_MODULE:-$kit/bin/lib} programs=$kit/bin steps=$kit/bin/steps
}
tests=$binaries/main
export DUALPROP_BACKEND_PATH="$module" DUALPROP_TEST_MODULE="$module/libdualprop-cuda.so.0" CK_DEFAULT_TIMEOUT=300
[ -n "$rehearsal" ] || export DUALPROP_TEST_GPU=1
say "the module needs: $(ldd "$DUALPROP_TEST_MODULE" | sed 's/ (0x.*//; s/^[[:space:]]*//' | tr '\n' ';')"

# ---- does it run, and as graphs? ----

few=${rehearsal:+1} # on the stand-ins a step takes seconds
# ours NAME SECONDS NUMERICS MODEL RULE SCHEDULE PASSES STEPS...: times, and what the log said: warnings and graphs
# here; which engine each convolution has, and how long it takes where engines are timed, in engines.txt.
ours() {
    name=$1 limit=$2 numerics=$3 model=$4
    shift 4
    part "$name" "$limit" $steps cuda "$numerics" "$model" "${BATCH:-100}" "$@"
    code=$?
    grep -hE 'WARNING|graphs refused' "$build/$name.log" 2>/dev/null | sort | uniq -c | head -n 3 | cut -c1-160 |
        while read -r line; do say "    $line"; done
    grep -hE 'cuDNN (engine|has)' "$build/$name.log" 2>/dev/null | sed "s/^/$name: /" >>"$out/engines.txt"
    return $code
}
if [ -n "$rehearsal" ]; then
    BATCH=2 STEPS_WARM_UP=2 STEPS_ROUNDS=1 STEPS_NARROW=16
    export STEPS_WARM_UP STEPS_ROUNDS STEPS_NARROW
fi
ours smoke 30 strict mlp dp-adjoint fw-bw 1 ${few:-20}

# ---- right: products, then whole networks, one process for all since each of them opens contexts anyway ----

part products 30 env CK_FORK=no $tests cuda_products
part learning "${LEARNING:-100}" env CK_FORK=no $tests cuda_learning

# ---- fast: each line of a network's times is one process, in which cuDNN makes its plans once ----

for numerics in strict tf32 bf16; do
    ours mlp-$numerics 15 $numerics mlp dp-adjoint fw-bw 1 ${few:-500} bp fw-bw 1 ${few:-500}
done
ours vgg16-tf32 40 tf32 vgg16 dp-adjoint fw-bw 1 ${few:-20} bp fw-bw 1 ${few:-20}
ours vgg16-strict 40 strict vgg16 dp-adjoint fw-bw 1 ${few:-20} bp fw-bw 1 ${few:-20}
# cuDNN compiles each plan of BF16.
ours vgg16-bf16 75 bf16 vgg16 dp-adjoint fw-bw 1 ${few:-20} bp fw-bw 1 ${few:-20}

# ---- where the time goes: every kernel of a few steps ----

if have ncu; then
    for what in "vgg16 strict" "vgg16 tf32" "mlp strict" "vgg16 bf16"; do
        set -- $what
        [ "$(left)" -ge 25 ] || break
        part "ncu-$1-$2" 25 env STEPS_WARM_UP="${STEPS_WARM_UP:-3}" STEPS_ROUNDS=1 \
            ncu --clock-control none --target-processes all --csv \
            --metrics gpu__time_duration.sum,launch__grid_size,dram__bytes.sum,sm__inst_executed.sum \
            --log-file "$build/ncu-$1-$2.csv" $steps cuda $2 $1 "${BATCH:-100}" dp-adjoint fw-bw 1 1 &&
            gzip -c "$build/ncu-$1-$2.csv" >"$out/ncu-$1-$2.csv.gz"
    done
else
    skip "ncu is not here"
fi

# ---- PyTorch ----

if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    pytorch vgg16 15 80
    pytorch mlp 300 40
else
    skip "PyTorch with CUDA is not here, so there are no baselines"
fi

# ---- every kernel, each test in a process of its own, so that a device that dies does not count forty times ----

part kernels 75 env CK_FORK=yes $tests cuda_table cuda_fours cuda_narrow
part bf16 30 env CK_FORK=no $tests cuda_bf16
part staging 10 env CK_FORK=no $tests cuda_input_staging
part vectors 15 $programs/dualprop-vectors --backend cuda --precision f32 tests/golden
fashion=/usr/share/datasets/fashion-mnist
[ -d $fashion ] || fashion=$kit/data
if [ -d "$fashion" ]; then
    part mlp 20 sh -c "'$programs/dualprop-mlp' --backend cuda --data '$fashion' --epochs ${few:-3} --quiet \
        ${rehearsal:+--limit 2000} |
        awk '{ print } /^test accuracy/ { right = \$3 } END { exit !(right > ${rehearsal:+0 * }84) }'"
else
    skip "mlp: Fashion-MNIST is not here"
fi

# ---- the other schedules, the timed choice of engines, and what may leave a device that is no use to others ----

ours vgg16-schedules 35 tf32 vgg16 dp-adjoint fw 16 ${few:-5} dp-adjoint odd-even 8 ${few:-5} \
    dp-adjoint even-odd 8 ${few:-5} dp-adjoint jacobi 8 ${few:-5}
ours vgg16-autotune 25 strict+autotune vgg16 dp-adjoint fw-bw 1 ${few:-20}
part device 20 env CK_FORK=yes $tests cuda_device
part failures 30 env CK_FORK=yes $tests cuda_failures
if have compute-sanitizer; then
    # Only kernels of ours: those of the vendors are many, and racecheck has something to say of them.
    sanitize="compute-sanitizer --error-exitcode 9 --report-api-errors no"
    compute-sanitizer --help 2>&1 | grep -q -e '--kernel-name' && \
        sanitize="$sanitize --kernel-name kernel_substring=dualprop_cuda"
    part memcheck 40 env CK_FORK=no $sanitize --tool memcheck $tests cuda_fours cuda_narrow
    part racecheck 40 env CK_FORK=no $sanitize --tool racecheck $tests cuda_fours cuda_narrow
else
    skip "compute-sanitizer is not here"
fi
end
