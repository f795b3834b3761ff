#!/bin/sh
# Runs dualprop-vgg16 as people do, on small data sets in the exact files of the large ones: options, bad files,
# models, Ctrl-C,
# resuming, the best of the validation set, giving up.
cd "$(dirname "$0")/../.."
. tests/count.sh
build=${BUILD:-build}
program=$PWD/$build/programs/dualprop-vgg16
make_images=$PWD/tests/python/make_images.py
. tests/programs/program_runs.sh
folder=$build/check/programs_vgg16
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit 1

if ! have python3; then
    skip "vgg16: python3 is not installed, which makes its data"
    count_end
    exit
fi
python3 "$make_images" cifar10 good 20 && python3 "$make_images" cifar100 hundred 100 &&
    python3 "$make_images" imagenet32 packed 100 && python3 "$make_images" imagenet32 stored 100 stored || exit 1

# 100 samples for training and 20 for testing, in 10 classes.
small="--data good --model minicnn --batch 20 --epochs 2"
images=data_batch_2.bin tested=test_batch.bin

# ---- Options ----

test_that "it trains" trains $small
test_that "it says what it can do" eval 'run --help && grep -q -- --model stdout && ! grep -q -- --hidden stdout &&
    grep -q "vgg16     64 64 M" stdout && grep -q "table3-dp-adjoint-0-beta-0.01-cifar10" stdout'
test_that "its defaults are its own" eval 'run --help && grep -q -- "--dataset NAME.*(cifar10)" stdout &&
    grep -q -- "--optimizer NAME.*(sgd)" stdout && grep -q -- "--batch N.*(100)" stdout'
test_that "it says its version" eval 'run --version && grep -q "^dualprop-vgg16 (libdualprop) [0-9.]*$" stdout'
test_that "--quiet leaves one line" eval 'trains $small --quiet && [ "$(wc -l <stdout)" -eq 1 ]'
test_that "its network has as many parameters as the paper's" eval 'run --data good --batch 10 --limit 10 --epochs 1 &&
    grep -q "^vgg16 for 32x32x3 images and 10 classes, 33638218 parameters, by dp-adjoint, 10 samples" stdout'
for options in "--rule bp" "--rule dp" "--schedule fw --passes 4" "--model cnn" \
    "--model vgglike --limit 20 --epochs 1" \
    "--augment off" "--augment crop" "--augment flip" "--augment crop,flip" "--shuffle batches" "--limit 30" \
    "--batch 1000" \
    "--loss mse --nudge-at current" "--pool-switches original" "--pool-switches bottom-up" "--optimizer adam" \
    "--activation hard-sigmoid" "--precision f64" "--backend auto" "--diagnostics angle,norms,silent --audit-every 3" \
    "--warmup 0 --decay-epochs 0" "--validation 0.2"; do
    test_that "$options" trains $small $options
done
for case in "--model vgg19" "--augment turn" "--augment crop," "--augment on" "--dataset svhn" "--pool-switches last" \
    "--limit 0" "--limit 101" "--validation 1" "--warmup 3" "--preset table3-cifar10" "--preset table1-bp-mnist"; do
    test_that "$case is refused" refuses_option "${case%% *}" $small $case
done
test_that "--hidden is not its option" refuses_option "unknown option --hidden" $small --hidden 5
test_that "no folder" refuses_option "--data DIR is missing" --model minicnn

# A preset says everything that a run of the paper was: here with fewer epochs on little data.
for preset in table3-dp-adjoint-0-beta-0.01-cifar10 table3-bp-cifar10; do
    test_that "--preset $preset" trains --preset $preset --data good --model minicnn --epochs 1 --warmup 0 --batch 20 \
       
done

# ---- It learns ----

learns() { # OPTIONS...: 12 epochs; more than nine in ten test images right, where one in ten is chance
    trains $small --epochs 12 --lr 0.01 --quiet "$@" &&
        awk '{ good = $3 > 90 } END { exit !good }' stdout || { cat stdout; return 1; }
}
for options in "--rule bp" "--rule dp-adjoint --alpha 0" "--rule dp-adjoint --alpha 1 --beta 0.01" \
    "--rule dp-adjoint --schedule fw --passes 4" "--augment off"; do
    test_that "it learns with $options" learns $options
done
test_that "crops and flips change what is learned from" eval \
    'trains $small --quiet && result >a && trains $small --quiet \
    --augment off && ! result | cmp -s - a'
test_that "so does normalising" eval 'trains $small --quiet && result >a && rm -rf arrays && mkdir arrays &&
    python3 "$make_images" arrays arrays 20 && trains $small --dataset npy --data arrays --quiet && ! result | \
        cmp -s - a'

# At alpha 0 and 1 nothing but delta moves after the first pass: fw with as many passes as there are layers learns what
# fw-bw learns in one. The log has more digits than the last line.
learned() { # OPTIONS...
    trains $small --quiet --log log "$@" && sed 's/"seconds.*//' log
}
for alpha in 0 1; do
    test_that "at alpha $alpha fw and fw-bw are the same, bit for bit" eval "learned --alpha $alpha >a &&
        learned --alpha $alpha --schedule fw --passes 4 | cmp - a && learned --alpha $alpha --schedule fw --passes \
            5 | cmp - a"
done
test_that "at alpha 1/2 they are not" eval \
    'learned --alpha 0.5 >a && ! learned --alpha 0.5 --schedule fw --passes 4 | cmp -s - a'

# ---- Data sets ----

test_that "CIFAR-100" trains $small --dataset cifar100 --data hundred
test_that "the SHA-256 of its files in the log" eval 'trains $small --log log &&
    sha256=$(cat good/data_batch_[1-5].bin good/test_batch.bin | sha256sum | cut -c1-64) &&
    [ "$(grep -c "\"sha256\":\"$sha256\"" log)" -eq 2 ]'
test_that "ImageNet32" trains $small --dataset imagenet32 --data packed --batch 200
test_that "ImageNet32, not packed" eval 'result >a && trains $small --dataset imagenet32 --data stored --batch 200 &&
    result | cmp - a'
test_that "arrays of numpy" trains $small --dataset npy --data arrays
test_that "the folder in the folder" eval 'rm -rf outer && mkdir outer && cp -r good outer/cifar-10-batches-bin &&
    trains $small --quiet && result >a && trains $small --data outer --quiet && result | cmp - a'
test_that "images of 28 x 28" eval 'python3 "$make_images" mnist grey 20 && trains $small --dataset idx --data grey'
test_that "images with no room for the last pooling" eval 'python3 "$make_images" tiny tiny 20 &&
    trains $small --dataset npy --data tiny'

test_that "a missing folder" refuses_file "nowhere/data_batch_1.bin: no such file" $small --data nowhere
rm -rf bad && cp -r good bad && rm bad/$tested
test_that "a missing file" refuses_file "bad/$tested: no such file" $small --data bad
for name in $images $tested; do
    test_that "empty $name" refuses_set "it is empty" $name true
    test_that "one byte less in $name" refuses_set "wrong size" $name head -c -1 good/$name
    test_that "one byte more in $name" refuses_set "wrong size" $name sh -c "cat good/$name; printf x"
    test_that "a text in place of $name" refuses_set "wrong size" $name echo "404 not found"
    test_that "records of CIFAR-100 in $name" refuses_set "wrong size" $name head -c 3074 hundred/train.bin
    test_that "gzip of $name" refuses_set "it is gzip" $name gzip -nc good/$name
    test_that "a label above 9 in $name" refuses_set "label 0 is 10" $name sh -c "printf '\012'; tail -c +2 good/$name"
done
test_that "a class without samples" eval 'rm -rf bad && mkdir bad && cp good/$tested bad &&
    for i in 1 2 3 4 5; do head -c 12292 good/data_batch_$i.bin >bad/data_batch_$i.bin; done &&
    refuses_file "bad: no training sample of class 4" $small --data bad'
test_that "a coarse label above 19" eval 'rm -rf bad && mkdir bad && cp hundred/test.bin bad &&
    { printf "\024"; tail -c +2 hundred/train.bin; } >bad/train.bin &&
    refuses_file "bad/train.bin: coarse label 0 is 20" $small --dataset cifar100 --data bad'
rm -rf bad && cp -r good bad && rm bad/$images && mkdir bad/$images
test_that "a directory for a file" refuses_file "bad/$images: cannot be opened: it is a directory" $small --data bad
rmdir bad/$images && mkfifo bad/$images
test_that "a FIFO for a file" refuses_file "bad/$images: cannot be opened: it is no regular file" $small --data bad
rm -f bad/$images && ln -s /dev/zero bad/$images
test_that "a device for a file" refuses_file "bad/$images: cannot be opened: it is no regular file" $small --data bad

refuses_archive() { # TEXT COMMAND...: what it writes takes the place of one archive
    text=$1
    shift
    rm -rf bad && cp -r packed bad && rm bad/train_data_batch_4.npz
    "$@" >bad/train_data_batch_4.npz
    refuses_file "bad/train_data_batch_4.npz: $text" $small --dataset imagenet32 --data bad
}
test_that "an empty archive" refuses_archive "it is empty" true
test_that "a cut archive" refuses_archive "the archive's directory cannot be read" head -c -1 \
    packed/train_data_batch_4.npz
test_that "another file for an archive" refuses_archive "the archive's directory cannot be read" cat good/$tested
test_that "gzip for an archive" refuses_archive "it is gzip" gzip -nc packed/train_data_batch_4.npz
test_that "an archive of other arrays" refuses_archive "data.npy: there is no such member" \
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.stdout.buffer, "w").writestr("x.npy", b"")'
test_that "a label of 1001" refuses_archive "labels.npy: label 99 is 1001" \
    sh -c "rm -rf other && python3 $make_images imagenet32 other 100 last && cat other/train_data_batch_4.npz"
rm -rf bad && cp -r packed bad && rm bad/val_data.npz
test_that "a missing archive" refuses_file "bad/val_data.npz: no such file" $small --dataset imagenet32 --data bad

# ---- Saving, resuming, stopping ----

run_of_four="$small --epochs 4 --warmup 1 --decay-epochs 4 --validation 0.2"
test_that "it saves" trains $run_of_four --checkpoint straight
test_that "and resumes" eval \
    'trains $run_of_four --epochs 2 --checkpoint resumed && trains --resume resumed --data good \
    --epochs 4 --checkpoint resumed --threads 1 --quiet'
test_that "to the same bits" cmp straight resumed
test_that "and the same test" eval 'result >a && trains $run_of_four --quiet && result | cmp - a'
test_that "the same bits for any number of threads" eval 'trains $run_of_four --checkpoint threads --threads 3 &&
    cmp straight threads'
test_that "diagnostics change nothing" eval \
    'trains $run_of_four --checkpoint audited --audit-every 2 --diagnostics off &&
    trains $run_of_four --diagnostics angle,norms,silent --audit-every 2 --log log --checkpoint audited2 &&
    tail -n 1 log | grep -q "\"angle\":\[" && trains --resume straight --data good --quiet &&
    result >a && trains --resume audited2 --data good --quiet && result | cmp - a'
long_run="$small --model cnn --batch 10 --epochs 4 --validation 0.2"
test_that "Ctrl-C ends a run with 130" interrupted_run INT 130 $long_run
test_that "which then goes on" trains --resume halfway --data good --checkpoint halfway --log log
test_that "to the bits of a run that never stopped" eval 'trains $long_run --checkpoint whole && cmp whole halfway'
test_that "with one line of log an epoch" eval \
    '[ "$(grep -c "^{\"epoch\":[1-4]," log)" -eq 4 ] && [ "$(wc -l <log)" -eq 4 ]'

for case in "--seed 2" "--model cnn" "--rule dp" "--alpha 0.25" "--augment off" "--validation 0.1" \
    "--dataset cifar100"; do
    test_that "$case contradicts the checkpoint" refuses_option "${case%% *}" --resume straight --data good $case
done
test_that "a checkpoint of the other program" eval \
    '"../../programs/dualprop-mlp" --dataset cifar10 --data good --hidden 5 --epochs 1 \
    --batch 50 --quiet --checkpoint dense >stdout && refuses_file "written by the program \"dualprop-mlp\"" \
    --resume dense --data good'
test_that "a failure keeps what was saved" eval 'cp straight kept && refuses_file nowhere $small --data nowhere \
    --checkpoint kept && cmp straight kept'

# ---- Validation ----

test_that "the log has the validation set" eval 'trains $run_of_four --log log &&
    [ "$(grep -c "\"validation_accuracy\":.*\"validation_top5\":" log)" -eq 4 ]'
# The network of the best epoch is what is tested: its test accuracy stands in that epoch's line of the log.
tests_the_best() {
    trains $small --epochs 6 --validation 0.2 --lr 0.3 --warmup 0 --decay-epochs 0 --log log --checkpoint best &&
        epoch=$(sed -n 's/^best on the validation set: epoch \([0-9]*\),.*/\1/p' stdout) && [ -n "$epoch" ] || return 1
    wanted=$(sed -n "${epoch}s/.*\"test_loss\":\([0-9.e+-]*\).*/\1/p" log | awk '{ printf "%.4f", $1 }')
    tail -n 1 stdout | grep -q "loss $wanted," || { cat stdout log; return 1; }
}
test_that "the best on the validation set is tested" tests_the_best
test_that "and again when the run is resumed at its end" eval 'result >a && trains --resume best --data good --quiet &&
    result | cmp - a'

# With a decay that takes the weights away it learns something first and nothing later: validation falls below half of
# its
# best, and the run ends at the first epoch after the fifth. The best network is tested, and resuming changes nothing.
gives_up() {
    python3 "$make_images" cifar10 big 40 && trains --data big --model minicnn --rule bp --batch 10 --augment off \
        --validation 0.3 \
        --lr 0.06 --weight-decay 1 --warmup 12 --decay-epochs 12 --epochs 12 --checkpoint hopeless &&
        grep -q "^given up after epoch 6: validation .*, below half of the best$" stdout &&
        grep -q "^best on the validation set: epoch [1-5]," stdout && result | grep -q " 6 epochs" || \
            { cat stdout; return 1; }
}
test_that "a hopeless run is given up" gives_up
test_that "and not taken up again" eval 'result >a && trains --resume hopeless --data big &&
    grep -q "^given up after epoch 6" stdout && result | cmp - a'
# Without a validation set there is nothing to go by.
test_that "a run without validation goes on" eval \
    'trains --data big --model minicnn --rule bp --batch 10 --augment off --lr 0.06 \
    --weight-decay 1 --warmup 12 --decay-epochs 12 --epochs 7 && result | grep -q " 7 epochs"'

# Undamped DP with a strong nudge diverges once it has learned something.
diverges() {
    run $small --rule dp --alpha 0 --beta 0.9 --nudge-at current --loss mse --lr 1 --passes 200 --epochs 20
    status_is $? 1 && one_line "epoch" && grep -q layer stderr && grep -q pass stderr
}
test_that "divergence is said, with layer and pass" diverges

# ---- Predictions ----

right() { # FILE: of the classes in stdout, how many are those of test_batch.bin (0 1 2 ... 9 0 1 ...)
    awk '{ right += $1 == (NR - 1) % 10 } END { exit !(NR == 20 && right > 18) }' stdout || { cat stdout; return 1; }
}
test_that "classes of a CIFAR file" eval \
    'trains $small --epochs 12 --lr 0.01 --checkpoint learned && run --resume learned --predict good/$tested && right'
test_that "classes of the same images as .npy" eval 'cp stdout a && python3 "$make_images" arrays plain 20 &&
    run --resume learned --predict plain/test-images.npy && cmp stdout a'
test_that "classes of an archive" eval \
    'trains $small --dataset imagenet32 --data packed --batch 200 --epochs 1 --checkpoint thousand &&
    run --resume thousand --predict packed/val_data.npz && [ "$(grep -cx "[0-9]*" stdout)" -eq 100 ]'
test_that "classes of no CIFAR file" refuses_file "wrong size" --resume learned --predict hundred/train.bin
test_that "classes of no file" refuses_file nothing --resume learned --predict nothing
count_end
