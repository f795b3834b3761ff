#!/bin/sh
# Would tests/cuda.sh notice? Breaks a copy of the kernels' shapes, one line at a time, builds it as grids of threads
# (tests/cuda/simt) and runs the suites on it; a mutant that passes is a gap in the tests. Takes some minutes.
# usage: tests/cuda/mutants.sh [WORD]   only those whose description has the word
cd "$(dirname "$0")/../.."
. tests/count.sh
build=${BUILD:-build}
work=$build/tests/cuda/mutant
word=${1:-}
export DUALPROP_REAL_CUDNN= DUALPROP_TEST_TELL=yes DUALPROP_TEST_SAMPLE=6 \
    DUALPROP_TEST_OTHER_MODULE=$build/tests/cuda/shared/libdualprop-cuda.so.0

suites() {
    LD_LIBRARY_PATH=$build/tests/cuda/standin DUALPROP_TEST_MODULE=$work/libdualprop-cuda.so.0 \
        DUALPROP_BACKEND_PATH=$work "$build/tests/cuda/main" "$@" >"$work/log" 2>&1
}

# Those that take less time first; $noticed is the one that failed.
unnoticed() {
    for noticed in cuda_fours cuda_narrow cuda_engines cuda_bf16 cuda_learning cuda_table; do
        suites "$noticed" || return 1
    done
}

# mutant "description" FILE SCRIPT: SCRIPT is for sed, and has to change the file.
mutant() {
    case $1 in *"$word"*) ;; *) return ;; esac
    # Of a source only its own object is built anew, of a header all of them.
    rm -rf "$work" && mkdir -p "$work/src" && cp -p "$build"/tests/cuda/simt/*.o "$work" && cp -rp src/cuda "$work/src"
    sed -i "$3" "$work/src/cuda/$2"
    case $2 in *.cu) ;; *) touch "$work"/src/cuda/*.cu ;; esac
    if cmp -s "src/cuda/$2" "$work/src/cuda/$2"; then
        echo "FAILED: $1: nothing was changed in $2"
        failed=$((failed + 1))
        return
    fi
    if ! make BUILD="$build" SIMT="$work" SIMT_SOURCES="$work/src/cuda" "$work/libdualprop-cuda.so.0" \
        OPTIMIZE="-O1 -w" -j2 >"$work/log" 2>&1; then
        echo "FAILED: $1: it cannot be built"
        failed=$((failed + 1))
    elif unnoticed; then
        echo "FAILED: $1: no test noticed"
        failed=$((failed + 1))
    else
        echo "$1 ($noticed): $(grep -E '^a rule was broken|:[FE]:' "$work/log" | head -n 1 | sed 's/.*:[FE]:[a-z]*://')"
        passed=$((passed + 1))
    fi
}

# The shapes' loops.
mutant "each: threads take one element" launch.cuh '/ each_kernel(/,/^}/s/i += step/i = count/'
mutant "each: the step is a block" launch.cuh '/ each_kernel(/,/^}/s/(int64_t)gridDim.x \* block;/block;/'
mutant "each: one element too many" launch.cuh '/ each_kernel(/,/^}/s/i < count/i <= count/'
mutant "each: one element too few" launch.cuh '/ each_kernel(/,/^}/s/i < count/i < count - 1/'
mutant "each_with_max: threads take one element" launch.cuh '/ max_kernel(/,/^}/s/i += step/i = count/'
mutant "each_with_max: one element too many" launch.cuh '/ max_kernel(/,/^}/s/i < count/i <= count/'
mutant "each_with_max: some threads skip the maxima" launch.cuh \
    '/ max_kernel(/,/^}/s/    raise/    if (seen.max_abs > 0) raise/'
mutant "team: warps take one row" launch.cuh '/ team_kernel(/,/^}/s/row += step/row = rows/'
mutant "team: one row too many" launch.cuh '/ team_kernel(/,/^}/s/row < rows/row <= rows/'
mutant "team: one row too few" launch.cuh '/ team_kernel(/,/^}/s/row < rows/row < rows - 1/'
mutant "team: a row belongs to every warp" launch.cuh '/ team_kernel(/,/^}/s/ + threadIdx.x \/ lanes;/;/'
mutant "team: half a tree" launch.cuh '/ team_row(/,/^}/s/distance = lanes \/ 2/distance = lanes \/ 4/'
mutant "team: half a mask" launch.cuh '/ team_row(/,/^}/s/0xffffffffu/0xffffu/'
mutant "team: lanes that are done leave" launch.cuh \
    '/ team_kernel(/,/^}/s/max_tracker seen;/&\n    if ((int)threadIdx.x % lanes > rows) return;/'
mutant "block_a_row: blocks take one row" launch.cuh '/ row_kernel(/,/^}/s/row += gridDim.x/row = rows/'
mutant "block_a_row: one row too many" launch.cuh '/ row_kernel(/,/^}/s/row < rows/row <= rows/'
mutant "block_a_row: one row too few" launch.cuh '/ row_kernel(/,/^}/s/row < rows/row < rows - 1/'
mutant "block_a_row: every warp finishes the row" launch.cuh \
    '/ row_kernel(/,/^}/s/if (thread < lanes) team_row(body.after, row, thread, &seen)'\
'/team_row(body.after, row, thread % lanes, \&seen)/'
mutant "block_a_row: no barrier after the sums are stored" launch.cuh '/ row_kernel(/,/^}/s/__syncthreads();//'
mutant "block_a_row: no barrier before sums are read" launch.cuh '/ block_sum(/,/^}/s/__syncthreads();//'
mutant "block_a_row: the last warp is forgotten" launch.cuh \
    '/ block_sum(/,/^}/s/warp < block \/ lanes/warp < block \/ lanes - 1/'
mutant "block_a_row: half a tree" launch.cuh '/ block_sum(/,/^}/s/half = row_sums \/ 2/half = row_sums \/ 4/'
mutant "block_a_row: the last sum is forgotten" launch.cuh \
    '/ block_sum(/,/^}/s/if (thread % 2 == 0) sums/if (thread % 2 == 0 \&\& thread % lanes < lanes - 2) sums/'
mutant "block_a_row: half of the lanes are forgotten" launch.cuh \
    '/ block_sum(/,/^}/s/own\[0\] += __shfl_xor_sync(0xffffffffu, own\[0\], 1);//'
mutant "block_a_row: lanes keep what they give" launch.cuh \
    '/ block_sum(/,/^}/s/own\[k + half\] : own\[k\];/own[k] : own[k + half];/'
mutant "each_group: threads take one group" launch.cuh '/ group_kernel(/,/^}/s/i += step/i = count/'
mutant "each_group: one group too many" launch.cuh '/ group_kernel(/,/^}/s/i < count/i <= count/'
mutant "each_group: one group too few" launch.cuh '/ group_kernel(/,/^}/s/i < count/i < count - 1/'
# Four elements at once.
mutant "dyads by fours: the tail is done as four" dyad.cu 's/if (first + 4 <= end) {/if (first < end) {/'
mutant "dyads by fours: the tail is left out" dyad.cu \
    '/by fours/,/^};/s/ROLLED for (; first < end; first++)/ROLLED for (; first + 1 < end; first++)/'
mutant "dyads by fours: one element of four is forgotten" dyad.cuh \
    '/void four_with(/,/^    }/s/j < 4; j++) {/j < 3; j++) {/'
mutant "finish by fours: the first place of a window counts alone" maps.cu \
    's/for (int k = 1; k < 4; k++) {/for (int k = 1; k < 1; k++) {/'
mutant "finish by fours: the last of equals" maps.cu 's/int greater = x\[j\] > most\[j\]/int greater = x[j] >= most[j]/'
mutant "finish by fours: a NaN is less than everything" maps.cu 's/ || (x\[j\] != x\[j\] \&\& most\[j\] == most\[j\])//'
mutant "finish by fours: the bias of the first channels" maps.cu \
    's/load_four(shift, bias + channel)/load_four(shift, bias)/'
mutant "unpooling by fours: rows and columns change places" maps.cu \
    '/four_unpool_body {/,/^};/s/(k \& 1 ? outputs : 0) + (k \& 2 ? line : 0)'\
'/(k \& 2 ? outputs : 0) + (k \& 1 ? line : 0)/'
mutant "patches by fours: no padding" maps.cu '/four_patches_body {/,/^};/s/row >= 0 \&\& row < height/row < height/'
mutant "rounding: the tail is done as four" maps.cu \
    's/if (own.by_fours \&\& first + 4 <= own.count) {/if (own.by_fours) {/'
mutant "learning by fours: the tail is done as four" learn.cu 's/ \&\& end <= own.count) {/) {/'
mutant "learning by fours: groups of the tensor before" learn.cu 's/i - tensors\[number - 1\].end : i/i : i/'
# Layers with few outputs.
mutant "narrow: threads take one input" narrow.cuh 's/i += block)/i = product.inputs)/'
mutant "narrow: no bias" narrow.cuh 's/product.bias ? sum + product.bias\[number\] : sum/sum/'
mutant "narrow: the input of the element before" narrow.cuh \
    's/int64_t input = quotient(at, outputs)/int64_t input = quotient(at > 0 ? at - 1 : 0, outputs)/'
mutant "narrow: four elements of the first input" narrow.cu \
    's/product.element(row, input + j)/product.element(row, input)/'
mutant "narrow: what comes down is not written" narrow.cu 's/store_four(product.top_down + 4 \* group, down);//'
mutant "narrow: a gradient is never added" narrow.cu 's/accumulate ? (double)gradient\[i\] + scaled : scaled/scaled/'
mutant "learning: products beyond the end" learn.cu \
    '/void multiply(/,/^    }/s/first + j < end ? first + j : end - 1/first + j/'
mutant "learning: products lack a row" learn.cu '/void multiply(/,/^    }/s/row < own.rows/row < own.rows - 1/'
mutant "input: what goes along is not copied" input.cu 's/beside_to\[i - elements\] = beside\[i - elements\];//'
# Several arrays in one launch, and what a kernel does beside its own work.
mutant "learning: sums of biases lack a row" learn.cu 's/at < own.rows \* own.count/at < (own.rows - 1) * own.count/'
mutant "learning: sums of biases beyond the end" learn.cu 's/first + j < end ? first + j : end - 1/first + j/'
mutant "column sums: of the array before" sums.cu \
    '/^struct segment_body/,/^};/s/i -= arrays\[number - 1\].end/i -= 0/'
mutant "column totals: of the array before" sums.cu \
    '/^struct column_body/,/^};/s/\*column -= arrays\[number - 1\].end/*column -= 0/'
mutant "rounding: groups of the array before" maps.cu 's/number > 0 ? group - arrays\[number - 1\].end : group/group/'
mutant "dyads by fours: delta is not rounded" dyad.cuh \
    's/if (delta_rounded) store_rounded(delta_rounded + first, new_delta);//'
mutant "dyads by fours: sbar is not rounded" dyad.cuh \
    's/if (mean_rounded) store_rounded(mean_rounded + first, new_mean);//'
mutant "dyads: delta is not rounded" dyad.cuh 's/if (delta_rounded) delta_rounded\[i\] = .*//'
mutant "output step: the start has no maximum" dyad.cu 's/starts ? (double)a\[i\] : change/change/'
mutant "output step: the prediction is not copied" dyad.cu 's/if (a_copied) a_copied\[i\] = a\[i\];//'
mutant "conditions: slots are not cleared" step_condition.cu 's/slots\[i\] = 0;//'
mutant "conditions: the verdict is not reported" step_condition.cu \
    's/i == verdict ? order_of(any ? 1.0 : 0.0) : slots\[i\]/slots[i]/'
mutant "any of: no barrier" launch.cuh '/ any_of(/,/^}/s/    __syncthreads();//'
mutant "any of: only the first answer" launch.cuh '/ any_of(/,/^}/s/i < count; i++/i < 1; i++/'
# Maxima.
mutant "raise: no barrier" launch.cuh '/void raise(/,/^}/s/    __syncthreads();//'
mutant "raise: half a tree" launch.cuh '/void raise(/,/^}/s/distance = lanes \/ 2/distance = lanes \/ 4/'
mutant "raise: a distance left out" launch.cuh '/void raise(/,/^}/s/distance \/= 2/distance \/= 4/'
mutant "raise: threads without a maximum return" launch.cuh \
    '/void raise(/,/^}/s/if (!to.max_abs && !to.change)/if (seen.max_abs == 0)/'
mutant "raise: half the warps return" launch.cuh \
    '/void raise(/,/^}/s/if (!to.max_abs && !to.change)/if (threadIdx.x >= block \/ 2)/'
mutant "raise: the last warp is forgotten" launch.cuh '/void raise(/,/^}/s/i < block \/ lanes;/i < block \/ lanes - 1;/'
mutant "raise: one warp too many" launch.cuh '/void raise(/,/^}/s/i < block \/ lanes;/i <= block \/ lanes;/'
mutant "raise: only the first warp reports" launch.cuh '/void raise(/,/^}/s/threadIdx.x % lanes == 0/threadIdx.x == 0/'
mutant "raise: all threads report" launch.cuh '/void raise(/,/^}/s/if (threadIdx.x % lanes == 0) {/{/'
mutant "raise: a store for the atomic maximum" launch.cuh \
    '/void raise(/,/^}/s/atomicMax((unsigned long long \*)to.max_abs, \(.*\));/*to.max_abs = \1;/'
# What changes no result, and breaks rules all the same.
mutant "dyad: reads one element further" dyad.cuh \
    's/return element(i, a\[i\]);/return element(i, (*(volatile const float *)(a + i + 1), a[i]));/'
mutant "transpose: every thread writes the first element" maps.cu \
    's/^ *to\[column \* rows + row\] = from\[i\];/&\n        to[0] = from[0];/'
# What only a device's code has.
mutant "the order of floats keeps the sign" launch.cuh 's/__float_as_int(fabsf(x))/__float_as_int(x)/'
mutant "the order of doubles keeps the sign" launch.cuh 's/__double_as_longlong(fabs(x))/__double_as_longlong(x)/'
mutant "the value of an order is its number" launch.cuh 's/(double)__int_as_float((int)order)/(double)order/'
mutant "a step condition reads a maximum as a number" step_condition.cu \
    's/__longlong_as_double((long long)\*place)/(double)*place/'
count_end
