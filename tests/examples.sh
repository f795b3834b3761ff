#!/bin/sh
# Runs every program of examples/ and checks what it prints: as built on the static library alone (make examples), and
# compiled by pkg-config against an installed tree. Data sets are small: a part of Fashion-MNIST, and generated images.
cd "$(dirname "$0")/.."
. tests/count.sh
build=$(cd "${BUILD:-build}" && pwd)
fashion=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# idx FILE COUNT HEADER_BYTES ITEM_BYTES: the first COUNT items of a file of Fashion-MNIST, as a file of its own. The
# count is the second group of four bytes.
idx() {
    {
        gzip -dc "$fashion/$1.gz" | head -c 4
        printf "\\$(printf %03o 0)\\$(printf %03o 0)\\$(printf %03o $(($2 / 256)))\\$(printf %03o $(($2 % 256)))"
        gzip -dc "$fashion/$1.gz" | tail -c +9 | head -c $(($3 - 8 + $2 * $4))
    } >"$work/mnist/$1" 2>/dev/null
}

make_data() {
    mkdir -p "$work/mnist" "$work/cifar"
    if [ -r "$fashion/train-images-idx3-ubyte.gz" ]; then
        idx train-images-idx3-ubyte 4000 16 784
        idx train-labels-idx1-ubyte 4000 8 1
        idx t10k-images-idx3-ubyte 1000 16 784
        idx t10k-labels-idx1-ubyte 1000 8 1
    fi
    for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
        LC_ALL=C awk -v name=$file 'BEGIN {
            srand(length(name) + substr(name, 12))
            for (i = 0; i < 40; i++) {
                printf "%c", i % 10
                for (j = 0; j < 3072; j++) printf "%c", 1 + int(rand() * 120) + 12 * (i % 10)
            }
        }' >"$work/cifar/$file.bin"
    done
}

# run NAME [ARGUMENT...]: of the programs that are being checked; what it prints lies in $work/output.
run() {
    name=$1
    shift
    (cd "$work" && LD_LIBRARY_PATH=$libraries "$programs/$name" "$@") >"$work/output" 2>&1 ||
        { cat "$work/output"; return 1; }
}

# prints PATTERN: an extended regular expression that some line of the output matches.
prints() {
    grep -Eq "$1" "$work/output" && return 0
    echo "expected: $1"
    cat "$work/output"
    return 1
}

# number EXPRESSION: sed's, whose \1 is the number; of the last line that has it.
number() {
    sed -nE "s/$1/\\1/p" "$work/output" | tail -n 1
}

# holds CONDITION: awk's.
holds() {
    awk "BEGIN { exit !($1) }" && return 0
    echo "expected: $1"
    cat "$work/output"
    return 1
}

minimal() {
    run minimal && printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n' | diff - "$work/output"
}

# A run that is saved and resumed ends in the file that one without a stop ends in.
mlp() {
    rm -f "$work"/*.safetensors
    run mlp mnist 2 whole.safetensors && holds "$(number '^epoch 2: .* accuracy ([0-9.]+) %') > 70" &&
        run mlp mnist 1 part.safetensors && run mlp mnist 2 part.safetensors && prints '^resumed after epoch 1$' &&
        prints '^epoch 2: ' && cmp "$work/whole.safetensors" "$work/part.safetensors"
}

mlp_names_what_is_missing() {
    ! run mlp "$work/cifar" && prints 'cifar/train-images-idx3-ubyte: missing'
}

vgg16() {
    rm -f "$work/vgg16.safetensors"
    run vgg16 cifar 1 vgg16.safetensors && holds "$(number '^epoch 1: loss ([0-9.]+), .*') < 3" &&
        run vgg16 cifar 2 vgg16.safetensors && prints '^resumed after epoch 1$' && prints '^epoch 2: loss ' &&
        rm "$work/vgg16.safetensors"
}

vgg16_names_what_is_missing() {
    ! run vgg16 mnist && prints 'mnist/data_batch_1.bin: missing'
}

regression() {
    run regression && holds "$(number '^the worst of 500: ([0-9.]+)') < 0.05"
}

own_loss() {
    run own_loss && holds "$(number '^mean error with squared error: (.*)') > 0.2" &&
        holds "$(number "^mean error with Huber's loss: (.*)") < 0.1" &&
        holds "$(number '^mean error with its gradient: (.*)') < 0.1" &&
        holds "$(number '^mean error with weights: (.*)') < 0.1"
}

custom_activation() {
    run custom_activation && prints '^not yet: .*softsign.safetensors: layer 1 has the activation softsign, which' &&
        holds "$(number '^mean error after 2000 steps: (.*)') < 0.05" &&
        holds "$(number '^mean error after 2000 steps: (.*)') == $(number '^mean error from the file: (.*)')"
}

custom_layer() {
    run custom_layer && holds "$(number '^largest error of a gradient: (.*)') < 1e-6" &&
        holds "$(number '^right after 20 epochs: ([0-9.]+) %.*') > 95"
}

by_hand() {
    run by_hand && prints '^layer 3 updated' && prints '^1 pass, 8 updates of layers$' &&
        holds "$(number '^loss after 20 more steps: (.*)') < 0.2"
}

compare_backprop() {
    run compare_backprop && prints '^bp +0.50 +1.00 +0.00 +0.00 +0.00 +0.00' &&
        holds "$(number '^dp-adjoint +0.50 +0.10 +([0-9.]+) .*') < 5" &&
        holds "$(number '^dp-adjoint +0.50 +1.00 +([0-9.]+) .*') > 5"
}

early_stopping() {
    run early_stopping && prints '^epoch 10: ' && holds "$(number '^best after epoch .*, ([0-9.]+) % correct') > 90"
}

fine_tune() {
    run fine_tune && prints '^    layer2.weight  taken$' && prints '^    layer3.weight  new$' &&
        holds "$(number '.*fine-tuned: ([0-9.]+) %') > 80"
}

own_memory() {
    run own_memory && prints 'a batch of 4096 needs' && prints '^a batch of [0-9]+ fits$' &&
        prints '^allocations in 101 steps: 0; loss 0'
}

static_memory() {
    run static_memory && prints '^state that predicts +[0-9]+ bytes$' &&
        holds "$(number '^allocations in 20000 steps: 0; mean error of the last 1000: ([0-9.]+)') < 0.1"
}

hardware() {
    run hardware && prints '^learned feedback weights ' && [ "$(wc -l <"$work/output")" -eq 7 ] &&
        holds "$(sed -E 's/.* ([0-9.]+) % correct/\1/' "$work/output" | sort -n | head -n 1) > 70"
}

own_gradient() {
    run own_gradient && holds "$(number '^one bit a weight: ([0-9.]+) %.*') > 75"
}

own_threads() {
    run own_threads && prints 'own threads ran [1-9][0-9]* rounds of tasks; the same bits'
}

stop_serve_inspect_and_describe() {
    run stop stop.safetensors && prints '^stopped: the call was cancelled$' && prints '^steps begun but not made: 1$' &&
        run serve stop.safetensors && prints '^2146 parameters, 64 inputs, 32 tanh, 2 identity$' &&
        [ "$(grep -c '^2000 predictions, .*: [01]\.[0-9]* [01]\.[0-9]*$' "$work/output")" -eq 2 ] &&
        run inspect stop.safetensors && prints '^layer1.weight +f32 +\[64, 32\]  rms 0\.' && prints '^network: \{' &&
        run describe stop.safetensors && prints '^2    dense       identity  to 1 x 1 x 2, learning rate' &&
        prints '^rule dp-adjoint, mse, linear step' && prints '^schedule fw-bw, 1 passes' &&
        ! run inspect "$work/cifar/test_batch.bin" >"$work/refused"
}

control() {
    run control 1 && prints '^1000 ticks: worst ' && prints '^0 refused, 0 allocations$'
}

denoise() {
    run denoise && holds "$(number '.* noisy [0-9.]+, restored ([0-9.]+)') < $(number '.* noisy ([0-9.]+), .*') / 1.5"
}

feedback() {
    run feedback && prints '^error 0.00:   0.00   0.00   0.00 degrees' &&
        holds "$(number '^error 0.25: +([0-9.]+) .*') < $(number '^error 4.00: +([0-9.]+) .*')"
}

track() {
    run track && holds "$(number '^warm start: ([0-9.]+) passes.*') < \
        $(number '^feed-forward start: ([0-9.]+) passes.*')"
}

test_my_kernel() {
    run test_my_kernel && prints '^0 of 7 cases failed$' &&
        holds "$(number '^the gradient differs .* by ([-0-9.e]+) of .*') < 1e-5"
}

# A short form, whose accuracy says that it learns; docs/embedding.md has the long one. The same seed, the same text.
simulator() {
    run simulator mnist 4000 10 7 && prints '^hidden   0  [-+.]{32}$' &&
        prints '^[0-9]+ messages sent, (9|10)\.[0-9] % lost' &&
        holds "$(number '^on the chip: ([0-9.]+) %.*') > 65" && cp "$work/output" "$work/first" &&
        run simulator mnist 4000 10 7 && cmp "$work/output" "$work/first" &&
        run simulator mnist 400 10 8 && ! cmp -s "$work/output" "$work/first"
}

custom_backend() {
    run custom_backend || return 1
    coarse=$(number '^converters of 1 bits: ([0-9.]+) %.*') fine=$(number '^converters of 8 bits: ([0-9.]+) %.*')
    holds "$coarse < $fine"
}

all_of_them() {
    for name in minimal regression own_loss custom_activation custom_layer by_hand compare_backprop early_stopping \
        fine_tune hardware own_gradient own_memory static_memory own_threads stop_serve_inspect_and_describe denoise \
        feedback track control test_my_kernel custom_backend vgg16 vgg16_names_what_is_missing; do
        test_that "examples/$name, $1" $name
    done
    if [ -e "$work/mnist/train-images-idx3-ubyte" ]; then
        test_that "examples/mlp, $1" mlp
        test_that "examples/simulator, $1" simulator
        test_that "examples/mlp without its files, $1" mlp_names_what_is_missing
    else
        skip "examples/mlp, $1: Fashion-MNIST is not installed"
    fi
}

# As a user does who has copied the file.
compile_against_installed() {
    make --no-print-directory install PREFIX="$work/usr" DESTDIR= || return 1
    mkdir -p "$work/copied" "$work/installed" && cp examples/*.[ch] "$work/copied" || return 1
    for source in "$work"/copied/*.c; do
        name=$(basename "$source" .c)
        command=$(sed -n 's/^ \* To compile: cc //p' "$source")
        command=${command:-"-o $name $name.c \$(pkg-config --cflags --libs dualprop)"}
        (cd "$work/copied" && eval "$CC -std=c11 -Wall -Wextra -Werror $command") || return 1
    done
    mv $(find "$work/copied" -type f -perm -u=x) "$work/installed"
}

# Whoever copies the example finds a wrong transpose or gradient by its exit status.
a_wrong_layer_fails() {
    for change in 's/sum += get(delta/sum -= get(delta/' 's/tap_of(f, t)) \* get(delta/tap_of(f, 0)) * get(delta/'; do
        sed "$change" examples/custom_layer.c >"$work/copied/wrong_layer.c" &&
            ! cmp -s examples/custom_layer.c "$work/copied/wrong_layer.c" &&
            (cd "$work/copied" && eval "$CC -o wrong_layer wrong_layer.c -ldualprop-testing \
                $(pkg-config --cflags --libs dualprop) -lm") || return 1
        LD_LIBRARY_PATH=$work/usr/lib "$work/copied/wrong_layer" >"$work/output" && return 1
        grep -q '^largest error of a gradient: ' "$work/output" || return 1
    done
}

# The list above has them all.
none_is_forgotten() {
    for source in examples/*.c; do
        name=$(basename "$source" .c)
        grep -q "run $name" tests/examples.sh || { echo "tests/examples.sh does not run $name"; return 1; }
    done
}

PKG_CONFIG_PATH=$work/usr/lib/pkgconfig
export PKG_CONFIG_PATH
test_that "data for the examples" make_data
test_that "every example is run" none_is_forgotten
programs=$build/examples libraries=
all_of_them "on the static library"
test_that "examples compile against what is installed, by the command that each names" compile_against_installed
test_that "examples/custom_layer with a fault in it fails" a_wrong_layer_fails
programs=$work/installed libraries=$work/usr/lib
all_of_them "on the installed library"
count_end
