#!/bin/sh
# The demo: trains 784-512-512-10 on Fashion-MNIST by dual propagation for a few epochs, draws training and test
# accuracy
# and the angle to back-propagation's gradient, as a PNG and as text, and fails unless the accuracy is above 88 %.
# usage: programs/demo/run.sh    with BUILD (build), EPOCHS (5) and MLP_OPTIONS in the environment to change it
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
folder=$build/demo
wanted=88
mkdir -p "$folder"
rm -f "$folder/log.jsonl"

"$build/programs/dualprop-mlp" --dataset fashion-mnist --rule dp-adjoint --alpha 0.5 --epochs "${EPOCHS:-5}" \
    --decay-epochs "${EPOCHS:-5}" --diagnostics angle --audit-every 50 --log "$folder/log.jsonl" \
    --checkpoint "$folder/network.safetensors" ${MLP_OPTIONS-} | tee "$folder/output.txt"
accuracy=$(sed -n '$s/^test accuracy \([0-9.]*\) %.*/\1/p' "$folder/output.txt")
[ -n "$accuracy" ] || { echo "demo: training did not finish" >&2; exit 1; }

awk -f programs/demo/columns.awk "$folder/log.jsonl" >"$folder/columns.txt"
if command -v gnuplot >/dev/null 2>&1; then
    gnuplot -e "columns='$folder/columns.txt'; picture='$folder/fashion-mnist.png'" programs/demo/picture.gp
    gnuplot -e "columns='$folder/columns.txt'" programs/demo/text.gp | sed 's/ *$//' | cat -s
    echo "The plot as a picture: $folder/fashion-mnist.png"
else
    echo "gnuplot is not installed, so there is no plot; the numbers are in $folder/columns.txt:"
    cat "$folder/columns.txt"
fi
echo "The trained network:   $folder/network.safetensors"

if awk "BEGIN { exit !($accuracy > $wanted) }"; then
    echo "Test accuracy $accuracy % by dual propagation, above $wanted % as it should be."
else
    echo "demo: test accuracy $accuracy %; expected above $wanted %" >&2
    exit 1
fi
