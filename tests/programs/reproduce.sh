#!/bin/sh
# `make reproduce-table1` in small, in a folder of its own: that it writes what it should, stops and goes on, and does
# nothing twice. The data are Fashion-MNIST, which `make deps` installs.
cd "$(dirname "$0")/../.."
. tests/count.sh
PROGRAMS=$PWD/${BUILD:-build}/programs
OUTPUT=$PWD/${BUILD:-build}/check/reproduce
export PROGRAMS OUTPUT
unset MNIST FASHION CIFAR10 CIFAR100 IMAGENET32 SEEDS CELLS EPOCHS LIMIT BACKEND THREADS KNOWN
rm -rf "$OUTPUT" && mkdir -p "$OUTPUT" || exit 1
if ! have python3 || [ ! -d /usr/share/datasets/fashion-mnist ]; then
    skip "reproduce: python3 or Fashion-MNIST is not installed"
    count_end
    exit
fi
docs=$(git status --porcelain docs/reproduction 2>/dev/null)
short=$OUTPUT/table1-epochs-1-limit-200
results=$OUTPUT/results/table1-epochs-1-limit-200

reproduces() { # VARIABLE=VALUE...: table1
    env "$@" tools/reproduce table1 >"$OUTPUT/said" 2>&1 || { cat "$OUTPUT/said"; return 1; }
}
test_that "Table 1 in small, by make" eval \
    'make --no-print-directory reproduce-table1 EPOCHS=1 SEEDS=1 LIMIT=200 JOBS=2 \
    PROGRAMS_FOLDER="$PROGRAMS" OUTPUT="$OUTPUT" >"$OUTPUT/said" 2>&1 || { cat "$OUTPUT/said"; false; }'
test_that "it says that MNIST is not there" grep -q "^without mnist: MNIST= names no folder" "$OUTPUT/said"
test_that "and how long it takes" grep -q "^9 of 9 runs done, about 0 s left" "$OUTPUT/said"
test_that "nine columns" eval '[ "$(grep -c "^| [DB].* | [0-9.]* ± [0-9.]* | [0-9.]* | " $results.md)" -eq 9 ]'
test_that "with their Lipschitz estimates in an order" grep -q \
    "^Lipschitz estimates of DP at alpha 1, 1/2, 0, 0 with E_0: [0-9.]* [<>]" $results.md
test_that "a JSON line for each" eval \
    '[ "$(grep -c "^{\"data\": \"fashion-mnist\", .*\"commit\": .*}$" $results.jsonl)" -eq 9 ]'
if have gnuplot; then
    test_that "a picture" eval \
        'head -c 4 "$OUTPUT/results/robustness-fashion-mnist-epochs-1-limit-200.png" | grep -q PNG'
fi
test_that "docs/reproduction is as it was" eval \
    '[ "$(git status --porcelain docs/reproduction 2>/dev/null)" = "$docs" ]'

ls -l --time-style=full-iso $short/*/*/*/run.safetensors >"$OUTPUT/before"
test_that "what is done is not done again" eval 'reproduces EPOCHS=1 SEEDS=1 LIMIT=200 &&
    ls -l --time-style=full-iso $short/*/*/*/run.safetensors | cmp - "$OUTPUT/before" && \
        ! grep -q "test accuracy" "$OUTPUT/said"'
sed 's/"machine": "[^"]*"/"machine": "a machine elsewhere"/' $results.jsonl >"$OUTPUT/known.jsonl"
elsewhere() { # VARIABLE=VALUE...: in a folder without runs, where those of known.jsonl are known
    reproduces EPOCHS=1 CELLS="bp dp-0" KNOWN="$OUTPUT/known.jsonl" OUTPUT="$OUTPUT/elsewhere" "$@"
}
known=$OUTPUT/elsewhere/results/table1-epochs-1-limit-200
test_that "runs that are known from elsewhere are not made again" eval 'elsewhere SEEDS="1 2" LIMIT=200 &&
    [ "$(grep -c "seed [0-9]: test accuracy" "$OUTPUT/said")" -eq 2 ] && \
        grep -q "^4 of 4 runs done" "$OUTPUT/said" && [ ! -e "$OUTPUT"/elsewhere/table1-*/*/*/seed-1 ]'
test_that "they stand in the table, with their machine" eval 'grep -q "^| BP | .* ± .* | 1, 2 | " $known.md && \
    grep -q "4 runs, .*2 on a machine elsewhere" $known.md && \
        grep -q "since their logs are elsewhere: seed 1 of dp-0, bp\." $known.md || cat $known.md'
test_that "and keep their lines" eval \
    'grep "\"bp\", \"seed\": 1," "$OUTPUT/known.jsonl" | grep -qFf - $known.jsonl'
test_that "runs of another size are no such runs" eval 'elsewhere SEEDS=1 LIMIT=100 &&
    [ "$(grep -c "seed 1: test accuracy" "$OUTPUT/said")" -eq 2 ]'
test_that "two seeds have a spread" eval 'reproduces EPOCHS=1 SEEDS="1 2" CELLS="bp" LIMIT=200 &&
    grep -q "^| BP | .* | [0-9.]* ± [0-9.]* | .* | 1, 2 | " $results.md'

attacked_twice() { # a run that was stopped among its attacks makes them again when it goes on
    for right in 0.5 0.25; do
        echo "{\"attack\":\"fgsm\",\"epsilon\":0.1,\"test_accuracy\":$right}"
    done >>$short/fashion-mnist/bp/seed-1/run.jsonl
    EPOCHS=1 LIMIT=200 SEEDS=1 CELLS=bp tools/reproduce table1 --report >"$OUTPUT/said" 2>&1 &&
        grep -q '"attacks": \[{"attack": "fgsm", "epsilon": 0.1, "test_accuracy": 0.25}\]' $results.jsonl
}
test_that "an attack that was logged twice counts once" attacked_twice

figure2_of_one_batch() { # a run that was made, with 16 layers
    run=$OUTPUT/figure2/cifar10/dp-adjoint-0-beta-1/seed-1
    mkdir -p $run && touch $run/done
    echo '{"epoch":1,"batch":1,"angle":[30.126,30,30,30,30,30,30,30,30,30,30,30,30,30,30,0.0]}' >$run/audits.jsonl
    CIFAR10=nowhere tools/reproduce figure2 --report >"$OUTPUT/said" 2>&1 &&
        grep -q '"batches": 1, "angles": \[\[30.13, 30, .*, 0.0\]\]' "$OUTPUT/results/figure2.jsonl" &&
        grep -q '^| CIFAR-10 | DP^T, alpha 0, beta 1 | 1 | 30.1 | 30.1 | 30.1 |' "$OUTPUT/results/figure2.md"
}
test_that "Figure 2 keeps the angles that it draws" figure2_of_one_batch

run=$OUTPUT/table1-epochs-40-limit-500/fashion-mnist/bp/seed-7
stopped() {
    SEEDS=7 CELLS="bp" EPOCHS=40 LIMIT=500 tools/reproduce table1 >"$OUTPUT/said" 2>&1 &
    process=$! tries=0
    while [ ! -s $run/run.jsonl ] && [ $tries -lt 1200 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill -TERM $process
    wait $process
    [ $? -eq 143 ] && [ ! -e $run/done ] && [ -s $run/run.safetensors ] && \
        grep -q "the same command goes on" "$OUTPUT/said" ||
        { cat "$OUTPUT/said"; return 1; }
}
test_that "SIGTERM stops it, and its run saves" stopped
test_that "the same command goes on" reproduces SEEDS=7 CELLS=bp EPOCHS=40 LIMIT=500
test_that "to the bits of a run that never stopped" eval \
    '"$PROGRAMS/dualprop-mlp" --preset table1-bp-fashion-mnist --seed 7 --limit 500 \
    --epochs 40 --quiet --diagnostics lipschitz --checkpoint "$OUTPUT/straight" >/dev/null && \
    cmp "$OUTPUT/straight" $run/run.safetensors'

refuses() { # TEXT VARIABLE=VALUE...
    text=$1
    shift
    ! env "$@" tools/reproduce table1 >"$OUTPUT/said" 2>&1 && grep -qF -- "$text" "$OUTPUT/said"
}
test_that "a cell that is not there" refuses 'CELLS names "dp-2"' CELLS=dp-2
test_that "epochs that are no number" refuses 'EPOCHS is "ten"' EPOCHS=ten
test_that "seeds that are no numbers" refuses 'SEEDS names "1,2"' SEEDS=1,2
test_that "a program that fails is a failure" refuses "--backend is" EPOCHS=1 LIMIT=100 SEEDS=3 CELLS=bp BACKEND=none
test_that "MNIST= with Fashion-MNIST in it" refuses "it holds fashion-mnist; expected mnist" EPOCHS=1 LIMIT=100 \
    SEEDS=1 CELLS=bp \
    MNIST=/usr/share/datasets/fashion-mnist
test_that "results that are not there" refuses "KNOWN=nowhere: No such file" KNOWN=nowhere
test_that "results that are none" refuses "README.md: line 1 is no line of results" KNOWN=README.md
locked() {
    mkdir -p "$OUTPUT/table1-epochs-1-limit-60"
    flock "$OUTPUT/table1-epochs-1-limit-60/lock" env EPOCHS=1 LIMIT=60 SEEDS=1 CELLS=bp tools/reproduce table1 \
        >"$OUTPUT/said" 2>&1
    [ $? -ne 0 ] && grep -q "in use by another reproduction" "$OUTPUT/said"
}
test_that "two at once in a folder" locked
test_that "an unknown experiment" eval \
    '! tools/reproduce table9 2>"$OUTPUT/said" && grep -q "^usage: tools/reproduce" "$OUTPUT/said"'
count_end
