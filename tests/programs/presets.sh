#!/bin/sh
# Every preset of the paper's Tables 1 to 3 trains: its network, rule and schedule as they are, on a few samples. The
# presets of VGG16 train the model minicnn, except one, since a step of VGG16 takes seconds.
cd "$(dirname "$0")/../.."
. tests/count.sh
build=$PWD/${BUILD:-build}
make_images=$PWD/tests/python/make_images.py
program=$build/programs/dualprop-mlp
. tests/programs/program_runs.sh
folder=${BUILD:-build}/check/presets
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit 1
if ! have python3; then
    skip "presets: python3 is not installed, which makes their data"
    count_end
    exit
fi
python3 "$make_images" mnist grey 50 && python3 "$make_images" cifar10 cifar10 20 && \
    python3 "$make_images" cifar100 cifar100 100 &&
    python3 "$make_images" imagenet32 imagenet32 100 || exit 1
presets() {
    "$program" --help | sed -n '/^Presets:/,/^[^ P]/s/^  \(table[0-9].*\)$/\1/p'
}

# DP at alpha 0 grows from the first batch on, as the paper says, and has to say so; all others train on one batch.
trains_or_diverges() { # PRESET OPTIONS...
    case $1 in
    table2-dp-0-*) run --preset "$@" --divergence growth
        status_is $? 1 && one_line "layer" && grep -q "pass" stderr ;;
    *) trains --preset "$@" ;;
    esac
}
count=0
for preset in $(presets); do
    test_that "$preset" trains_or_diverges "$preset" --dataset idx --data grey --limit 50 --epochs 1
    count=$((count + 1))
done
test_that "there are presets of Tables 1 and 2" test $count -ge 27

program=$build/programs/dualprop-vgg16
program_name=dualprop-vgg16
count=0
for preset in $(presets); do
    dataset=${preset##*-} batch=20
    [ $dataset = cifar10 ] || batch=100
    test_that "$preset" trains --preset "$preset" --data $dataset --model minicnn --batch $batch --epochs 1 \
        --warmup 0 --decay-epochs 1 --passes 4
    count=$((count + 1))
done
test_that "there are presets of Table 3" test $count -ge 30
test_that "VGG16 itself" trains --preset table3-dp-adjoint-0-beta-0.01-cifar10 --data cifar10 --limit 24 --batch 10 \
    --epochs 1 --warmup 0 --decay-epochs 1
count_end
