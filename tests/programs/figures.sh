#!/bin/sh
# The figures that are drawn from logs: that they are pictures, and what is said of logs that do not fit.
cd "$(dirname "$0")/../.."
. tests/count.sh
have gnuplot || { skip "figures: gnuplot is not installed"; count_end; exit; }
folder=$PWD/${BUILD:-build}/check/figures
rm -rf "$folder" && mkdir -p "$folder"

# A log of $1 epochs of a network of $2 layers, and one of $3 batches.
write_log() {
    awk -v epochs="$1" -v layers="$2" 'function list(scale,    k, text) {
            for (k = 1; k <= layers; k++) text = text (k > 1 ? "," : "") scale * k / epoch
            return "[" text "]"
        }
        BEGIN { for (epoch = 1; epoch <= epochs; epoch++)
            printf "{\"epoch\":%d,\"train_loss\":0.5,\"angle\":%s,\"cosine\":%s,\"norm\":%s,\"bp_norm\":%s," \
                "\"difference\":%s}\n",
                epoch, list(9), list(1), list(2), list(2.5), list(0.5)
            print "{\"attack\":\"pgd\",\"epsilon\":0.1,\"test_accuracy\":0.5}" }' >"$folder/run.jsonl"
    awk -v batches="$3" -v layers="$2" 'BEGIN { for (b = 1; b <= batches; b++) {
            printf "{\"epoch\":1,\"batch\":%d,\"angle\":[", b
            for (k = 1; k <= layers; k++) printf "%s%g", (k > 1 ? "," : ""), 20 * k / (b + 10)
            print "]}" } }' >"$folder/batches.jsonl"
}

draws() { # FIGURE LOG...: a PNG of some size, and nothing on stderr
    rm -f "$folder/picture.png"
    PICTURE=$folder/picture.png BUILD=${BUILD:-build} TITLES="it's one;two" programs/figures/draw.sh "$@" \
        >"$folder/stdout" 2>"$folder/stderr" ||
        { cat "$folder/stderr"; return 1; }
    [ ! -s "$folder/stderr" ] || { cat "$folder/stderr"; return 1; }
    head -c 4 "$folder/picture.png" | tail -c 3 | grep -q PNG && [ "$(wc -c <"$folder/picture.png")" -gt 5000 ]
}

refuses() { # TEXT FIGURE LOG...
    text=$1
    shift
    if BUILD=${BUILD:-build} programs/figures/draw.sh "$@" >"$folder/stdout" 2>"$folder/stderr"; then return 1; fi
    [ "$(wc -l <"$folder/stderr")" -eq 1 ] && grep -qF -- "$text" "$folder/stderr" || \
        { cat "$folder/stderr"; return 1; }
}

log=$folder/run.jsonl audits=$folder/batches.jsonl
for shape in "8 5 300" "1 1 3" "130 16 200" "2 2 1"; do
    write_log $shape
    test_that "figure2 of $shape" draws figure2 "$log"
    test_that "figure2 of $shape with batches" draws figure2 "$log" "$audits"
    test_that "figure3 of $shape" draws figure3 "$log"
    test_that "figure3 of two runs of $shape" draws figure3 "$log" "$log"
done
test_that "make figure3" eval \
    'make -s figure3 LOG="$log $log" PICTURE="$folder/made.png" >"$folder/stdout" && [ -s "$folder/made.png" ]'
sed 's/"bp_norm"/"other"/' "$log" >"$folder/without.jsonl"
: >"$folder/empty.jsonl"
test_that "a log without norms" refuses "lacks some of" figure3 "$folder/without.jsonl"
test_that "an empty log" refuses "has no line" figure2 "$folder/empty.jsonl"
test_that "no log" refuses "cannot be read" figure2 "$folder/nothing"
test_that "an unknown figure" refuses "unknown figure figure4" figure4 "$log"
test_that "nothing to draw" refuses "expected figure2 or figure3" figure2

lost_messages() {
    PICTURE=$folder/lost.png tools/lost-messages --draw >"$folder/stdout" &&
        head -c 4 "$folder/lost.png" | grep -q PNG &&
        grep -q "^3 in flight, 50 % lost: [0-9.]* ± [0-9.]* %, .* (5 runs)$" "$folder/stdout"
}
if have python3; then test_that "the picture of lost messages from its lines" lost_messages; fi
count_end
