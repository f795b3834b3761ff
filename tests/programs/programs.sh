#!/bin/sh
# Runs dualprop-mlp and the small programs as people do: good and bad options, good and bad files, Ctrl-C, resuming.
# The data are made here, so nothing needs to be installed.
cd "$(dirname "$0")/../.."
. tests/count.sh
build=${BUILD:-build}
program=$PWD/$build/programs/dualprop-mlp
. tests/programs/program_runs.sh
folder=$build/check/programs
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit 1

# ---- Data ----

# Big-endian 32-bit numbers as bytes.
be32() {
    for value in "$@"; do
        printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $((value >> 24 & 255)) $((value >> 16 & 255)) \
            $((value >> 8 & 255)) $((value & 255)))"
    done
}

images() { # COUNT
    printf '\000\000\010\003'
    be32 "$1" 28 28
    bytes $((784 * $1))
}

labels() { # COUNT, a multiple of 10
    printf '\000\000\010\001'
    be32 "$1"
    count=0
    while [ $count -lt "$1" ]; do
        printf '\000\001\002\003\004\005\006\007\010\011'
        count=$((count + 10))
    done
}

train=train-images-idx3-ubyte trained=train-labels-idx1-ubyte test=t10k-images-idx3-ubyte tested=t10k-labels-idx1-ubyte
mkdir good
images 400 >good/$train
labels 400 >good/$trained
images 50 >good/$test
labels 50 >good/$tested
mkdir packed
for name in $train $trained $test $tested; do gzip -n <good/$name >packed/$name.gz; done

small="--dataset idx --data good --hidden 16 --batch 20 --epochs 2 --backend reference"

# ---- Options ----

test_that "it trains" trains $small
test_that "it says what it can do" eval \
    'run --help && grep -q -- --tolerance stdout && grep -q table1-dp-adjoint-0.5-fashion-mnist stdout'
test_that "it says its version" eval 'run --version && grep -q "^dualprop-mlp (libdualprop) [0-9.]*$" stdout'
test_that "--quiet leaves one line" eval 'trains $small --quiet && [ "$(wc -l <stdout)" -eq 1 ]'
for rule in bp dp dp-adjoint dp_adjoint; do
    test_that "--rule $rule" trains $small --rule $rule
done
for options in "--rule dp --output-step exact" "--loss ce --nudge-at prediction" "--schedule fw --passes 2" \
    "--passes 3 --tolerance 1e-3 --diagnostics residual,silent" \
    "--passes 5 --divergence growth --diagnostics residual" "--optimizer sgd --momentum 0.5 --lr 0.01" \
    "--optimizer adamw --weight-decay 0.1" "--warmup 1 --decay-epochs 2 --min-lr 1e-5" "--validation 0.25" \
    "--shuffle batches" "--limit 30" "--batch 1000" "--activation tanh --init glorot" \
    "--activation hard_sigmoid --init he" \
    "--precision f64 --threads 1" "--backend cpu" "--backend=auto" "--hidden 8,7,6 --alpha 0" "--beta -0.25 --alpha 1" \
    "--seed 18446744073709551615" "--activation softplus" "--activation elu" "--activation silu" \
    "--activation softmax" \
    "--rule bp --adversarial fgsm" "--rule bp --adversarial raw --epsilon 0.5" "--attack 0.1,0" \
    "--diagnostics gamma,lipschitz,objective" "--rule dp-damped --damping gamma2" "--rule lpom --damping 0.5" \
    "--rule inverted-lpom --input-robustness 0.5" "--rule fenchel" "--rule lecun" "--output-step sprovr --rule dp" \
    "--rule dp --output-step exact --loss ce" "--schedule bw" "--schedule odd-even --passes 3" "--schedule even-odd" \
    "--schedule jacobi --passes 3" "--schedule random --passes 3" "--schedule async --passes 4 --async-fraction 0.3" \
    "--schedule list --order 2,1,2,1" "--alpha 0.2,0.8 --beta 0.3,0.4" "--alpha-mismatch 0.1" \
    "--feedback kolen-pollack" \
    "--feedback random" "--feedback sign" "--noise-state 0.01 --noise-down 0.01 --noise-weight 0.01" "--quantize 8" \
    "--time-step 0.5 --passes 3" "--start last" "--start last --rule dp --schedule fw --passes 4 --tolerance 1e-3" \
    "--start zero --schedule fw --passes 3" "--start zero --rule dp-damped --passes 4 --input-robustness 0.2" \
    "--updates 3 --passes 6 --diagnostics angle,residual" "--updates 2 --passes 2 --start zero --optimizer sgd" \
    "--updates 2 --passes 2 --feedback kolen-pollack --blocks 2" "--rule lpom --fresh-minus on --damping gamma2" \
    "--rule lpom --fresh-minus on --passes 4 --updates 2 --start last --output-step exact"; do
    test_that "$options" trains $small $options
done

for case in "--alpha x" "--alpha 1.5" "--alpha -0.1" "--alpha nan" "--alpha 0.5x" "--alpha 0x1" "--alpha 0.5,0.5,0.5" \
    "--beta 0" "--beta inf" "--beta 1e999" "--passes 0" "--passes 1.5" "--passes 99999999999999999999" "--epochs 0" \
    "--epochs -1" "--epochs 1e3" "--batch 0" "--batch ten" "--seed -1" "--seed 18446744073709551616" "--hidden 0" \
    "--hidden 5,,5" "--hidden 5," "--hidden x" "--lr -1" "--momentum 1" "--threads 2000" "--threads -1" "--limit 0" \
    "--tolerance -1" "--validation 1" "--dataset svhn" "--augment turn" "--rule lpm" "--loss hinge" \
    "--output-step near" "--schedule up" "--start middle" "--updates 0" "--updates x" "--damping some" \
    "--damping -1" "--order 1,x" "--divergence never" "--quantize 1" "--quantize 25" \
    "--power-iterations 0" "--time-step 0" "--async-fraction 2" "--input-robustness -1" "--feedback own" \
    "--noise-weight -1" \
    "--alpha-mismatch nan" "--backend gpu" "--precision f16" \
    "--optimizer lion" "--init normal" "--activation softsign" "--diagnostics beta" "--diagnostics angle," \
    "--adversarial pgd" "--adversarial fgsm" "--epsilon -1" "--attack x" "--attack 0.1," "--attack -1" \
    "--attack 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" "--audit-log al" "--audit-every 0" "--preset table3-cifar10" \
    "--nudge-at first"; do
    test_that "$case is refused" refuses_option "${case%% *}" $small $case
done
# Asked for by name, a device that is not here is one sentence, and no other backend takes its place.
if [ -e /dev/nvidiactl ]; then
    skip "--backend cuda without a device: there is one here"
else
    test_that "--backend cuda without a device" refuses_file CUDA $small --backend cuda
    test_that "--precision tf32 without a device" refuses_option "for CUDA devices" $small --precision tf32
    test_that "--precision bf16 on the CPU" refuses_option "for CUDA devices" $small --backend cpu --precision bf16
fi
test_that "a wrong value is refused though a good one follows" refuses_option "--alpha is \"2\"" $small --alpha 2 \
    --alpha 0.5
test_that "the last of good values counts" eval \
    'trains $small --seed 7 && result >a && trains $small --seed 3 --seed 7 && result | cmp - a'
test_that "an empty value is refused" refuses_option --alpha $small --alpha ""
for case in --dampening=half --noise=0.1 --model=vgg16 --epoch=2 --frobnicate -x; do
    test_that "$case is unknown" refuses_option "unknown option $case" $small $case
done
test_that "an option without its value" refuses_option "needs a value" --epochs
test_that "a flag with a value" refuses_option "takes no value" $small --quiet=yes
test_that "a word that is no option" refuses_option "unexpected argument" $small fashion
test_that "control characters stay off the line" refuses_option "--rule" $small --rule "$(printf 'a\nb')"
test_that "more samples than there are" refuses_option "--limit" $small --limit 401
test_that "exact step with bp" refuses_option "--rule bp" $small --rule bp --output-step exact
test_that "exact step with ce, no solution" refuses_option "--loss ce" $small --rule dp --output-step exact --loss \
    ce --beta 4
test_that "a rule that fixes alpha" refuses_option "--rule lpom" $small --rule lpom --alpha 0.5
test_that "damping with bp" refuses_option "--rule bp" $small --rule bp --damping half
test_that "damping with tanh" refuses_option "--activation tanh" $small --rule dp-damped --activation tanh
test_that "a list without an order" refuses_option "--order" $small --schedule list
test_that "epsilon without an attack to train on" refuses_option "--adversarial" $small --epsilon 0.1
test_that "a fraction without async" refuses_option "--schedule async" $small --async-fraction 0.3
test_that "power iterations without damping" refuses_option "damped rule" $small --power-iterations 7
test_that "power iterations beside D_k" refuses_option "damped rule" $small --rule dp-damped --damping 0.5 \
    --power-iterations 7
test_that "a least rate without a schedule" refuses_option "--warmup" $small --min-lr 1e-5
test_that "a nudge too small for f32" refuses_option "1e-30" $small --beta 1e-45
test_that "an order without a list" refuses_option "--schedule list" $small --order 1,2
test_that "an order with the input" refuses_option "--input-robustness" $small --schedule list --order 0,1,2
test_that "noise with bp" refuses_option "--noise-state contradicts --rule bp" $small --rule bp --noise-state 0.1
test_that "fresh s- with another rule" refuses_option "--fresh-minus on contradicts --rule dp-damped" $small --rule \
    dp-damped --fresh-minus on
test_that "fresh s- and noise" refuses_option "--fresh-minus on contradicts --noise-state" $small --rule lpom \
    --fresh-minus on --noise-state 0.1
test_that "updates that do not divide the passes" refuses_option "--updates 2 contradicts --passes 3" $small \
    --updates 2 --passes 3
test_that "updates and a tolerance" refuses_option "--updates contradicts --tolerance" $small --updates 2 --passes \
    2 --tolerance 0.1
test_that "a start from zero and a tolerance" refuses_option "--start zero contradicts --tolerance" $small --start \
    zero --tolerance 0.1
test_that "a start from zero with bp" refuses_option "--start zero contradicts --rule bp" $small --rule bp --start zero
test_that "a warm start with bp" refuses_option "--start last contradicts --rule bp" $small --rule bp --start last
test_that "exact step at the prediction" refuses_option "--nudge-at" $small --rule dp --output-step exact \
    --nudge-at prediction
test_that "alphas for other layers" refuses_option "--alpha has 6 numbers" $small --alpha 0.1,0.2,0.3,0.4,0.5,0.6
test_that "exact step without a solution" refuses_option "--beta 2" $small --rule dp --output-step exact --beta 2
test_that "a least rate above the rate" refuses_option "--min-lr" $small --warmup 1 --decay-epochs 2 --lr 0.1 \
    --min-lr 0.2
test_that "warm-up longer than the decay" refuses_option "--warmup" $small --warmup 3 --decay-epochs 2
test_that "idx without its folder" refuses_option "--data" --dataset idx
test_that "mnist without its folder" refuses_option "--data" --dataset mnist
test_that "--predict without a network" refuses_option "--resume" $small --predict good/$test

# ---- Data files ----

test_that "gzip is found by content" trains $small --data packed
test_that "packing changes nothing" eval \
    'run $small --quiet && sed "s/,[^,]*$//" stdout >a && run $small --quiet --data packed &&
    sed "s/,[^,]*$//" stdout | cmp - a'
test_that "a missing folder" refuses_file "nowhere/$train" $small --data nowhere
rm -rf bad && cp -r good bad && rm bad/$tested
test_that "a missing file" refuses_file "bad/$tested: no such file" $small --data bad
for name in $train $trained $test $tested; do
    test_that "empty $name" refuses_set truncated $name true
    test_that "one byte less in $name" refuses_set truncated $name head -c -1 good/$name
    test_that "only the start of $name" refuses_set truncated $name head -c 6 good/$name
    test_that "one byte more in $name" refuses_set "trailing bytes" $name sh -c "cat good/$name; printf x"
    test_that "other bytes in $name" refuses_set "wrong magic number" $name bytes 1000
    test_that "a text in place of $name" refuses_set "wrong magic number" $name echo "404 not found"
    test_that "truncated gzip of $name" refuses_set truncated $name head -c -9 packed/$name.gz
    test_that "bytes after gzip of $name" refuses_set "bytes follow" $name sh -c "cat packed/$name.gz; printf x"
    test_that "gzip garbage in $name" refuses_set "gzip data are corrupt" $name sh -c \
        "head -c 300 packed/$name.gz | head -c 15; cat $program"
done
test_that "the wrong checksum in gzip" refuses_set gzip $tested sh -c "head -c -8 packed/$tested.gz; printf 12345678"
test_that "labels where images belong" refuses_set "wrong rank" $train labels 400
test_that "images where labels belong" refuses_set "wrong rank" $trained images 400
test_that "another element type" refuses_set "wrong element type" $train sh -c \
    "printf '\000\000\015\003'; tail -c +5 good/$train"
test_that "rank 255" refuses_set "wrong rank" $train sh -c "printf '\000\000\010\377'; tail -c +5 good/$train"
test_that "counts that overflow" refuses_set "the product of its extents overflows" $train eval \
    "printf '\000\000\010\003'; be32 4294967295 4294967295 4294967295"
test_that "a count with its sign bit" refuses_set truncated $train eval \
    "printf '\000\000\010\003'; be32 4294967295 28 28; bytes 784"
test_that "a count that gzip cannot hold" refuses_set truncated $train \
    eval "{ printf '\000\000\010\003'; be32 2147483647 28 28; } | gzip"
test_that "no images at all" refuses_set "it is empty" $test eval "printf '\000\000\010\003'; be32 0 28 28"
small="$small --dataset mnist"
test_that "images of another size" refuses_set "wrong shape" $train eval \
    "printf '\000\000\010\003'; be32 400 14 56; bytes 313600"
test_that "fewer labels than images" refuses_set "wrong count" $trained labels 390
test_that "a label above 9" refuses_set "label 0 is 10" $tested sh -c \
    "head -c 8 good/$tested; printf '\012'; tail -c +10 good/$tested"
small=${small% --dataset mnist}
test_that "a label above those of the training set" refuses_set "label 0 is 10" $tested sh -c \
    "head -c 8 good/$tested; printf '\012'; tail -c +10 good/$tested"
rm -rf wide && cp -r good wide && { printf '\000\000\010\003'; be32 400 14 56; bytes 313600; } >wide/$train &&
    { printf '\000\000\010\003'; be32 50 14 56; bytes 39200; } >wide/$test
test_that "idx of another size trains" trains $small --data wide
rm -rf bad && cp -r good bad && rm bad/$train && mkdir bad/$train
test_that "a directory for a file" refuses_file "bad/$train: cannot be opened: it is a directory" $small --data bad
rm -rf bad/$train && mkfifo bad/$train
test_that "a FIFO for a file" refuses_file "bad/$train: cannot be opened: it is no regular file" $small --data bad
rm -f bad/$train && ln -s /dev/zero bad/$train
test_that "a device for a file" refuses_file "bad/$train: cannot be opened: it is no regular file" $small --data bad
rm -f bad/$train && ln -s $train bad/$train
test_that "a link to itself" refuses_file "bad/$train: cannot be opened" $small --data bad

mkdir arrays
{ npy '|u1' '400, 784'; bytes 313600; } >arrays/train-images.npy
{ npy '|u1' '400,'; labels 400 | tail -c +9; } >arrays/train-labels.npy
{ npy '|u1' '50, 784'; bytes 39200; } >arrays/test-images.npy
{ npy '|u1' '50,'; labels 50 | tail -c +9; } >arrays/test-labels.npy
arrays="$small --dataset npy --data arrays"
test_that "arrays of numpy" trains $arrays
test_that "they train as IDX files do" eval 'run $small --quiet && sed "s/,[^,]*$//" stdout >a && run $arrays --quiet &&
    sed "s/,[^,]*$//" stdout | cmp - a'
test_that "weights for own data are drawn by their fan-in" eval '
    run $arrays --epochs 1 --checkpoint by-default --quiet &&
    run $arrays --epochs 1 --init lecun --checkpoint by-name --quiet && cmp by-default by-name &&
    run $arrays --epochs 1 --init paper --checkpoint of-paper --quiet && ! cmp -s by-default of-paper'
refuses_array() { # TEXT COMMAND...: what it writes takes the place of the test images
    text=$1
    shift
    rm -rf bad && cp -r arrays bad
    "$@" >bad/test-images.npy
    refuses_file "bad/test-images.npy: $text" $small --dataset npy --data bad
}
test_that "npy: truncated" refuses_array truncated eval "npy '|u1' '50, 784'; bytes 39199"
test_that "npy: one byte more" refuses_array trailing eval "npy '|u1' '50, 784'; bytes 39201"
test_that "npy: wrong magic" refuses_array "wrong magic" bytes 40000
test_that "npy: a type of Python's own" refuses_array "the header is not understood" eval \
    "npy '|O8' '50, 784'; bytes 156800"
test_that "npy: pickled objects" refuses_array "the header is not understood" eval "npy '|O' '50, 784'; bytes 156800"
test_that "npy: complex numbers" refuses_array "the header is not understood" eval "npy '<c8' '50, 784'; bytes 313600"
test_that "npy: other images than in training" refuses_array "wrong shape" eval "npy '|u1' '50, 783'; bytes 39150"
test_that "npy: no axes" refuses_array "wrong rank" eval "npy '|u1' ''; bytes 1"
test_that "npy: overflowing shape" refuses_array "the product of its extents overflows" eval \
    "npy '<f4' '999999999999999999, 999999999999999999'"
test_that "npy: not a number" refuses_array "element 0 is" eval \
    "npy '<f4' '1, 784'; printf '\000\000\300\177'; bytes 3132"

# ---- What a data set is, and what it is called ----

contents=$(cat good/$train good/$trained good/$test good/$tested | sha256sum | cut -c1-64)
for name in mnist fashion-mnist; do
    test_that "other files called $name" refuses_file \
        "it does not hold $name: the SHA-256 of its four files is $contents" \
        $small --dataset $name
    test_that "other files under a preset of $name" refuses_file "it does not hold $name" --preset table1-bp-$name \
        --data good --limit 400 --epochs 1
    test_that "the preset on another data set" trains --preset table1-bp-$name --dataset idx --data good --limit \
        400 --epochs 1
done
fashion=/usr/share/datasets/fashion-mnist
if [ -d $fashion ]; then
    test_that "Fashion-MNIST called mnist" refuses_file "it holds fashion-mnist; expected mnist" --dataset mnist \
        --data $fashion
    test_that "Fashion-MNIST" trains --dataset fashion-mnist --limit 1000 --epochs 1 --hidden 16 --batch 100
    test_that "Fashion-MNIST as idx" trains --dataset idx --data $fashion --limit 1000 --epochs 1 --hidden 16 \
        --batch 100
else
    skip "Fashion-MNIST called mnist: it is not installed"
fi
test_that "the SHA-256 of the contents on the screen" eval \
    'trains $small && grep -qx "data: idx in good, SHA-256 $contents" stdout'
test_that "and in every line of the log" eval \
    'trains $small --log log && [ "$(grep -c "\"dataset\":\"idx\",\"sha256\":\"$contents\"" log)" -eq 2 ]'
test_that "which packing does not change" eval \
    'trains $small --data packed --log log && [ "$(grep -c "\"sha256\":\"$contents\"" log)" -eq 2 ]'

# ---- Saving, resuming, stopping ----

test_that "it saves" trains $small --epochs 4 --checkpoint straight
test_that "and resumes" eval \
    'trains $small --epochs 2 --checkpoint resumed && trains --resume resumed --data good --epochs 4 \
    --checkpoint resumed --backend reference --threads 1 --quiet'
test_that "to the same bits" cmp straight resumed
test_that "the same bits for any number of threads" eval \
    'trains $small --epochs 4 --checkpoint threads --threads 3 && cmp straight threads'
numbers() { # LOG: what every epoch's line says of training and test
    sed 's/.*"train_accuracy":\([^,]*\),"train_loss":\([^,]*\),.*"test_loss":\([^,]*\),.*/\1 \2 \3/' "$1"
}
test_that "measuring changes nothing" eval \
    'trains $small --log plain.log && trains $small --log measured.log --audit-every 3 \
        --diagnostics angle,norms,silent,residual,gamma,lipschitz,objective && \
        [ "$(numbers plain.log | wc -w)" -eq 6 ] &&
    [ "$(numbers plain.log)" = "$(numbers measured.log)" ]'
test_that "diagnostics change nothing" eval 'trains $small --epochs 4 --diagnostics off --checkpoint plain &&
    trains $small --epochs 4 --quiet --log log --checkpoint plain && cmp straight plain'

rich="--rule dp-damped --alpha 0.4 --noise-state 0.01 --noise-weight 0.01 --feedback kolen-pollack --schedule random
    --passes 3 --alpha-mismatch 0.05 --quantize 10 --input-robustness 0.2"
test_that "a run with noise, damping and feedback saves" trains $small $rich --epochs 3 --checkpoint rich
test_that "and resumes, to the same bits" eval 'trains $small $rich --epochs 1 --checkpoint halved &&
    trains --resume halved --data good --epochs 3 --checkpoint halved --backend reference && cmp rich halved'

fresh="--rule lpom --damping gamma2 --output-step exact --passes 4"
test_that "s- formed again makes another run" eval 'rm -f one.log other.log && trains $small $fresh --log one.log &&
    trains $small $fresh --fresh-minus on --log other.log && [ "$(numbers one.log)" != "$(numbers other.log)" ]'
test_that "which resumes, to the same bits" eval 'trains $small $fresh --fresh-minus on --checkpoint fresh &&
    trains $small $fresh --fresh-minus on --epochs 1 --checkpoint halved &&
    trains --resume halved --data good --epochs 2 --checkpoint halved --backend reference && cmp fresh halved'
# In forward order the first pass makes the feed-forward state of zeros: the very same numbers follow.
test_that "a start from zero comes to the same" eval \
    'rm -f one.log other.log && trains $small --schedule fw --passes 3 --log one.log &&
    trains $small --schedule fw --passes 3 --start zero --log other.log && [ "$(numbers one.log | wc -w)" -eq 6 ] &&
    [ "$(numbers one.log)" = "$(numbers other.log)" ]'
test_that "which other orders do not" eval \
    'rm -f one.log other.log && trains $small --schedule bw --passes 3 --log one.log &&
    trains $small --schedule bw --passes 3 --start zero --log other.log && \
        [ "$(numbers one.log)" != "$(numbers other.log)" ]'
# Of one batch: two steps in one inference of back-propagation, which begins each pass upwards, are those of two epochs.
one_batch="$small --limit 20 --shuffle batches --rule bp --schedule list --order 1,2,1 --warmup 1 --decay-epochs 1"
one_batch="$one_batch --lr 0.01"
test_that "two updates in an inference are two steps" eval \
    'rm -f one.log other.log && trains $one_batch --epochs 2 --warmup 2 --decay-epochs 2 --log one.log &&
    trains $one_batch --epochs 1 --passes 2 --updates 2 --log other.log && [ "$(numbers one.log | wc -w)" -eq 6 ] &&
    [ "$(tail -n 1 one.log | sed "s/.*\"test_loss\":\([^,]*\),.*/\1/")" = \
        "$(sed "s/.*\"test_loss\":\([^,]*\),.*/\1/" other.log)" ]'
test_that "measuring changes no such update" eval \
    'rm -f one.log other.log && trains $small --passes 4 --updates 2 --log one.log &&
    trains $small --passes 4 --updates 2 --diagnostics angle,residual --audit-every 1 --log other.log &&
    [ "$(numbers one.log | wc -w)" -eq 6 ] && [ "$(numbers one.log)" = "$(numbers other.log)" ]'
# An inference starts at the feed-forward state where there is no batch before it in the epoch.
test_that "the last values are those of the batch before" eval \
    'rm -f one.log other.log && trains $small --start last --passes 2 --log one.log &&
    trains $small --passes 2 --log other.log && [ "$(numbers one.log)" != "$(numbers other.log)" ] &&
    rm one.log other.log && trains $small --limit 20 --start last --passes 2 --log one.log && \
        trains $small --limit 20 --passes 2 --log other.log &&
    [ "$(numbers one.log)" = "$(numbers other.log)" ]'
warm="$small --batch 1 --epochs 4 --rule dp --schedule fw --passes 4 --updates 2 --start last"
test_that "SIGTERM ends a run that starts warm" interrupted_run TERM 143 $warm
test_that "which then goes on" trains --resume halfway --data good --checkpoint halfway --log log --backend reference
test_that "to the bits of a run that never stopped" eval 'trains $warm --checkpoint whole && cmp whole halfway'
test_that "and which starts no other way" refuses_option --start --resume halfway --data good --start zero

for pair in "TERM 143" "HUP 129"; do
    test_that "SIG${pair% *} ends a run with ${pair#* }" interrupted_run $pair $small --batch 1 --epochs 4
    test_that "which then goes on" trains --resume halfway --data good --checkpoint halfway --log log --backend \
        reference
    test_that "to the bits of a run that never stopped" eval \
        'trains $small --batch 1 --epochs 4 --checkpoint whole && cmp whole halfway'
done
hung_up() { # nohup ignores SIGHUP, and the run goes on
    (trap "" HUP; exec "$program" $small --batch 1 --log log --checkpoint halfway >stdout 2>stderr </dev/null) &
    process=$!
    tries=0
    while [ ! -s log ] && [ $tries -lt 600 ]; do sleep 0.02; tries=$((tries + 1)); done
    kill -HUP $process
    wait $process
    status_is $? 0 && [ "$(wc -l <log)" -eq 2 ]
}
rm -f log
test_that "SIGHUP that is ignored ends nothing" hung_up
test_that "Ctrl-C ends a run with 130" interrupted_run INT 130 $small --batch 1 --epochs 4
test_that "which then goes on" trains --resume halfway --data good --checkpoint halfway --log log --backend reference
test_that "to the bits of a run that never stopped" eval \
    'trains $small --batch 1 --epochs 4 --checkpoint whole && cmp whole halfway'
test_that "with one line of log an epoch" eval \
    '[ "$(grep -c "^{\"epoch\":[1-4]," log)" -eq 4 ] && [ "$(wc -l <log)" -eq 4 ]'

for case in "--seed 2" "--hidden 17" "--rule dp" "--alpha 0.25" "--optimizer sgd" "--lr 0.01" "--batch 10" \
    "--precision f64" "--loss ce" "--activation tanh" "--limit 399" "--order 1,2" "--start last" "--updates 2" \
    "--damping half"; do
    test_that "$case contradicts the checkpoint" refuses_option "${case%% *}" --resume straight --data good $case
done
test_that "agreeing is fine" trains --resume straight --data good --seed 1 --hidden 16 --alpha .50 --rule \
    dp_adjoint --backend reference
test_that "a checkpoint that is not there" refuses_file nothing --resume nothing --data good
head -c -1 straight >shorter
test_that "a truncated checkpoint" refuses_file shorter --resume shorter --data good
{ head -c -1 straight; printf '\377'; } >flipped
test_that "a corrupt checkpoint" refuses_file flipped --resume flipped --data good
test_that "a directory as checkpoint" refuses_file good --resume good --data good
mkfifo fifo
test_that "a FIFO as checkpoint" refuses_file fifo --resume fifo --data good
test_that "a device as checkpoint" refuses_file /dev/zero --resume /dev/zero --data good
test_that "data as checkpoint" refuses_file "good/$train" --resume good/$train --data good
test_that "saving to a directory" refuses_file good $small --checkpoint good
test_that "saving to a FIFO" refuses_file fifo $small --checkpoint fifo
test_that "saving to a device" eval 'refuses_file /dev/null $small --checkpoint /dev/null && [ -c /dev/null ]'
test_that "saving to no folder" refuses_file nowhere/x $small --checkpoint nowhere/x
test_that "a log in no folder" refuses_file nowhere/x $small --log nowhere/x
test_that "a directory as log" refuses_file good $small --log good
test_that "a FIFO as log" refuses_file fifo $small --log fifo
cp straight kept
test_that "a failure keeps what was saved" eval \
    'refuses_file nowhere $small --data nowhere --checkpoint kept && cmp straight kept'

# ---- Files that are full, or one and the same ----

for pair in "log checkpoint" "audit-log checkpoint" "log audit-log"; do
    test_that "--${pair% *} is not --${pair#* }" refuses_option "--${pair% *}" $small --diagnostics angle \
        --${pair% *} one --${pair#* } one
done
ln kept twin
# Whatever a file of the data set is called, and whether or not the run is resumed: it is not written.
spares_the_data() {
    mkdir -p spared && cp good/* spared/ && ln -f spared/$tested other-name && cat spared/* >before && \
        cp straight resumed
    new=$(echo "$small" | sed 's/--data good/--data spared/')
    for file in spared/$train ./spared/../spared/$trained other-name; do
        refuses_option "names a file of the data set" $new --checkpoint "$file" || return 1
        for option in "--log" "--diagnostics angle --audit-log"; do
            refuses_option "something in it" $new $option "$file" || return 1
            refuses_option "names a file of the data set" --resume resumed --data spared --epochs 5 $option "$file" || \
                return 1
        done
        refuses_option "names a file of the data set" --resume resumed --data spared --epochs 5 --checkpoint \
            "$file" || return 1
    done
    cat spared/* | cmp - before
}
test_that "a file of the data set is not written" spares_the_data
test_that "two names of a file to come are one file" eval 'rm -f new &&
    refuses_option "they are one file" $small --log new --checkpoint ./new && [ ! -e new ]'
long=$(printf "%0255d" 0)
test_that "a checkpoint whose name has 255 bytes" eval \
    'trains $small --epochs 1 --checkpoint "$long" && [ -s "$long" ] && rm "$long" &&
    refuses_file "expected at most 255" $small --epochs 1 --checkpoint "${long}0"'
no_room() {
    (ulimit -f 1 && run $small --epochs 1 --checkpoint small-disk)
    status_is $? 1 && one_line "expected a limit on file sizes" && ! grep -q "^epoch" stdout && [ ! -e small-disk ]
}
test_that "a checkpoint without room is refused before the run" no_room
test_that "a log is not the checkpoint that is resumed" eval \
    'refuses_option --log --resume kept --data good --log kept --epochs 5 &&
    refuses_option --log --resume kept --data good --log twin --epochs 5 && cmp straight kept'

# A log that cannot be written ends no run: one line about it, exit status 1, and the network is saved.
outlives_its_log() { # OPTION OPTIONS...: the option that names the log, and others
    log=$1
    shift
    trains $small --epochs 4 --checkpoint logged "$@" "$log" log &&
    run $small --epochs 4 --quiet --checkpoint kept "$@" "$log" /dev/full
    status_is $? 1 && one_line "/dev/full: writing the log failed" && grep -q "^test accuracy" stdout && cmp logged kept
}
test_that "a full log" outlives_its_log --log
test_that "a full log of audits" outlives_its_log --audit-log --diagnostics angle --audit-every 1
limited() { # A file may have 512 or 1024 bytes; the checkpoint is written afterwards.
    rm -f log
    (ulimit -f 1 && run $small --epochs 9 --quiet --diagnostics angle,norms --log log)
    status_is $? 1 && one_line "log: writing the log failed: File too large" && grep -q "^test accuracy" stdout &&
        [ -s log ] && [ "$(grep -c "^{.*}$" log)" -eq "$(wc -l <log)" ] && [ "$(tail -c 1 log)" = "" ]
}
test_that "a log beyond the file size limit keeps whole lines" limited
# `dualprop-mlp ... | head -n 1`: the reader has gone before the first epoch ends, and the run is saved all the same.
outlives_its_reader() {
    trains $small --batch 1 --epochs 3 --checkpoint read &&
    { "$program" $small --batch 1 --epochs 3 --checkpoint unread --log log 2>stderr; echo $? >status; } | head -n 1 \
        >first && [ "$(wc -l <first)" -eq 1 ] && [ "$(cat status)" -eq 1 ] && \
        one_line "writing the results to stdout failed" && [ "$(wc -l <log)" -eq 3 ] && cmp read unread
}
rm -f log
test_that "a run whose reader has gone is saved" outlives_its_reader
test_that "half a line of a log stays by itself" eval 'cp straight kept && printf "{\"epoch\":4,\"tr" >log &&
    trains --resume kept --data good --epochs 5 --log log --backend reference && \
        [ "$(grep -c "^{.*}$" log)" -eq 1 ] && [ "$(wc -l <log)" -eq 2 ]'
test_that "nothing is printed into a log" eval \
    'rm -f log && "$program" $small --log log >&- 2>stderr; status_is $? 1 && one_line stdout &&
    [ "$(grep -c "^{.*}$" log)" -eq 2 ] && [ "$(wc -l <log)" -eq 2 ]'

# Undamped DP at alpha = 0 with a strong nudge and many passes diverges.
diverges() {
    cp straight kept
    run $small --rule dp --alpha 0 --beta 0.9 --hidden 64,64 --init he --lr 0.1 --passes 200 --epochs 3 \
        --checkpoint kept
    status_is $? 1 && one_line "epoch 1, batch" && grep -q layer stderr && grep -q pass stderr && cmp straight kept
}
grows() {
    run $small --rule dp --alpha 0 --beta 0.9 --hidden 64,64 --init he --passes 20 --divergence growth
    status_is $? 1 && one_line "epoch 1, batch 1: the changes of the states grew in 3 passes in a row, by" && \
        grep -q "in layer" stderr
}
test_that "growth is said, with layer and pass" grows
test_that "divergence is said, with layer and pass, and the checkpoint kept" diverges

# ---- Logs and predictions ----

test_that "a log has one object an epoch" eval \
    'trains $small --log log --diagnostics angle,norms,silent,residual --audit-every 5 &&
    [ "$(wc -l <log)" -eq 2 ] && grep -q "^{\"epoch\":2,.*}$" log'
for key in train_accuracy train_loss test_accuracy test_loss test_top5 seconds learning_rate angle cosine norm bp_norm \
    difference silent residual; do
    test_that "the log has $key" eval '[ "$(grep -c "\"$key\":" log)" -eq 2 ]'
done
test_that "a residual of several passes without a tolerance" eval \
    'trains $small --log log --diagnostics residual --passes 3 --audit-every 5 &&
    [ "$(grep -c "\"residual\":[0-9.e-]*[1-9]" log)" -eq 2 ] && grep -q "  residual " stdout'
test_that "none of a single pass" eval \
    'trains $small --log log --diagnostics residual && [ "$(grep -c "\"residual\":null" log)" -eq 2 ]'
test_that "a log of the measured batches" eval \
    'trains $small --diagnostics angle,objective --audit-every 7 --audit-log audits &&
    [ "$(grep -c "^{\"epoch\":[12],\"batch\":\(1\|8\|15\),\"angle\":.*\"objective\":.*}$" audits)" -eq 6 ] && \
        [ "$(wc -l <audits)" -eq 6 ]'
test_that "Eq. 23 of each layer" eval \
    'trains $small --alpha 0 --log log --diagnostics bregman &&
    [ "$(grep -c "\"bregman\":\[[0-9.e-]*,[0-9.e-]*\]" log)" -eq 2 ] &&
    grep -q "Eq. 23: " stdout'
test_that "norms, objectives and attacks in the log" eval \
    'trains $small --log log --diagnostics gamma,lipschitz,objective --attack 0.1,0 &&
    [ "$(grep -c "\"objective\":\[.*\"gamma\":\[.*\"lipschitz\":" log)" -eq 2 ] && \
        [ "$(grep -c "^{\"attack\":" log)" -eq 4 ]'
test_that "and on the screen" eval \
    'grep -q "Eq. 1, 12, 18: .* gamma .* Lipschitz" stdout && grep -q "^under pgd with epsilon 0.1: " stdout'
test_that "an attack of no size is none" eval \
    '[ "$(sed -n "s/^under fgsm with epsilon 0: \([0-9.]*\) .*/\1/p" stdout)" = \
    "$(sed -n "\$s/^test accuracy \([0-9.]*\) .*/\1/p" stdout)" ]'
test_that "adversarial training of no size is none" eval 'trains $small --rule bp && result >plainly &&
    trains $small --rule bp --adversarial fgsm --epsilon 0 && result | cmp - plainly'
test_that "a trained network is attacked" eval \
    'trains --resume straight --data good --attack 0.1 --backend reference && grep -q "^under fgsm" stdout'
test_that "damping and the angles of feedback in the log" eval 'trains $small --rule dp-damped --damping gamma2 \
        --feedback random --diagnostics angle,gamma --log log --audit-log audits &&
    zero_then_some="\"damping\":\[0.0,[0-9.e-]*[1-9][0-9.e-]*\]" &&
    [ "$(grep -c "$zero_then_some,\"gamma\":\[.*\"feedback_angle\":\[[0-9.]*,[0-9.]*\]" log)" -eq 2 ] &&
    grep -q "\"damping\":\[" audits && grep -q "W to B .* damping\|W to B" stdout && grep -q "gamma .* damping " stdout'
test_that "D_0 where the input is a dyad" eval 'trains $small --rule lpom --damping gamma2 --input-robustness 0.5 \
        --diagnostics gamma --log log && [ "$(grep -c "\"damping\":\[[0-9.e-]*[1-9]" log)" -eq 2 ] && \
        ! grep -q "damping\":\[0.0," log'
test_that "no damping in the log of undamped rules" eval \
    'trains $small --diagnostics gamma --log log && ! grep -q damping log'
test_that "--rule lecun has no objective" refuses_option "--diagnostics objective" $small --rule lecun \
    --diagnostics objective
test_that "nor have alphas that differ" refuses_option "--alpha-mismatch" $small --alpha-mismatch 0.1 --diagnostics \
    objective
test_that "an exact step for every alpha" refuses_option "--alpha-mismatch" $small --rule dp --alpha 1 --beta 1.5 \
    --output-step exact --alpha-mismatch 0.1
test_that "--rule bp has no objective" refuses_option "--diagnostics objective" $small --rule bp --diagnostics objective
test_that "what silu does not have is left out" eval \
    'trains $small --activation silu --log log --diagnostics objective,bregman,silent &&
    grep -q "Eq. 1, 12, 18: no energy for this activation  Eq. 23: none " stdout && ! grep -qi "[^a-z]nan" stdout log &&
    [ "$(grep -c "\"objective\":\[null,null,null\]" log)" -eq 2 ] && [ "$(grep -c "\"bregman\":\[null,[-0-9]" log)" \
        -eq 2 ]'
has_level() { # LEVEL
    case $1 in
        baseline) true ;;
        avx2) grep -qw avx2 /proc/cpuinfo 2>/dev/null ;;
        avx512) grep -qw avx512bw /proc/cpuinfo 2>/dev/null ;;
    esac
}
uses_level() { # LEVEL
    trains $small --backend auto --level "$1" && grep -q ", level $1, " stdout
}
for level in baseline avx2 avx512; do
    if has_level $level; then test_that "--level $level" uses_level $level
    else skip "--level $level: this processor does not have it"; fi
done
test_that "no --level sse" refuses_option "--level is" $small --level sse
test_that "an audit log in no folder" refuses_file nowhere/x $small --diagnostics angle --audit-log nowhere/x
test_that "no run empties a log" eval 'rm -f log && trains $small --log log --epochs 1 && cp log kept &&
    refuses_option "--log log" $small --log log --epochs 1 && cmp log kept && rm log && : >log && \
        trains $small --log log --epochs 1 && [ "$(wc -l <log)" -eq 1 ]'
test_that "classes of an IDX file" eval \
    'run --resume straight --predict good/$test && [ "$(grep -cx "[0-9]" stdout)" -eq 50 ]'
test_that "classes of the same .npy file" eval \
    'cp stdout classes && run --resume straight --predict arrays/test-images.npy && cmp stdout classes'
test_that "the network as C source compiles alone" eval \
    'mkdir -p exported && run --resume straight --export-c exported &&
    "$CC" -std=c11 -ffreestanding -O1 -Wall -Wextra -Werror -c -o exported/network.o exported/network.c'
test_that "C source into no folder" refuses_file nowhere --resume straight --export-c nowhere
test_that "--export-c without a network" refuses_option "--resume" $small --export-c exported
{ npy '|u1' '2, 5'; bytes 10; } >small
test_that "classes of images of another size" refuses_file "small: wrong shape" --resume straight --predict small
test_that "classes of no file" refuses_file nothing --resume straight --predict nothing
test_that "a full stdout" eval '"$program" --version >/dev/full 2>stderr; status_is $? 1 && one_line stdout'

# ---- The other programs ----

test_that "vectors: a folder that is not there" eval \
    '"../../programs/dualprop-vectors" nowhere 2>stderr; [ $? -eq 1 ] && [ "$(wc -l <stderr)" -eq 1 ]'
test_that "vectors: a wrong option" eval '"../../programs/dualprop-vectors" --precision f16 good 2>stderr; [ $? -eq 2 ]'
test_that "minimal: exclusive-or is learned" eval '"../../examples/minimal" | grep -c "= " | grep -qx 4'
count_end
