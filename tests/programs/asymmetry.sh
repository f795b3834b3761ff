#!/bin/sh
# The example asymmetry: what it claims, and how it answers to wrong options and files.
cd "$(dirname "$0")/../.."
. tests/count.sh
asymmetry=$PWD/${BUILD:-build}/programs/dualprop-asymmetry
folder=${BUILD:-build}/check/asymmetry
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder" || exit 1

timeout 300 "$asymmetry" --epochs 4 >stdout 2>stderr </dev/null
code=$?
ended_well() { cat stderr; [ "$code" -eq 0 ] && [ ! -s stderr ]; }
holds() { grep -q "$1" stdout || { cat stdout; return 1; }; }
# The accuracy after a rule and an alpha is above a bound.
learns() { awk -v rule="$1" -v alpha="$2" -v least="$3" \
    '$1 == rule && $2 == alpha { good = $3 > least } END { exit !good }' stdout || { cat stdout; return 1; }; }
test_that "asymmetry ends with 0 and says nothing on stderr" ended_well
for alpha in 0.0 1.0; do
    test_that "dp diverges at alpha $alpha" holds "^dp  *$alpha  *X"
    test_that "dp-adjoint learns at alpha $alpha" learns dp-adjoint $alpha 80
done
test_that "both learn at alpha 1/2" learns dp 0.5 90
test_that "both learn at alpha 1/2" learns dp-adjoint 0.5 90
test_that "back-propagation learns" learns bp - 90
test_that "a divergence names layer and pass" holds \
    "diverged at epoch [0-9]*, batch [0-9]*: layer [0-9]* reached .* in pass [0-9]*"
test_that "the claim is said" holds "dp-adjoint trains when one side alone is nudged, alpha 0 or 1; dp does not."

same_again() { timeout 300 "$asymmetry" --epochs 4 >again && cmp stdout again; }
test_that "the same bits in every run" same_again

refuses() { # EXIT TEXT OPTION...
    wanted=$1 text=$2
    shift 2
    timeout 60 "$asymmetry" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$wanted" ] && [ "$(wc -l <err)" -eq 1 ] && grep -qF -- "$text" err && return 0
    echo "exit $got, expected $wanted with one line that says: $text"
    cat err
    return 1
}
for option in layers width epochs passes seeds; do
    test_that "--$option 0 is refused" refuses 2 "--$option is \"0\"" --$option 0
    test_that "--$option 1e3 is refused" refuses 2 "--$option is \"1e3\"" --$option 1e3
done
test_that "--beta 0 is refused" refuses 2 '--beta is "0"' --beta 0
test_that "--beta 1 is refused" refuses 2 '--beta is "1"' --beta 1
test_that "--beta nan is refused" refuses 2 '--beta is "nan"' --beta nan
test_that "an unknown option is refused" refuses 2 "wrong option" --alpha 1
test_that "a word is refused" refuses 2 'unexpected argument "word"' word
test_that "--limit without --data is refused" refuses 2 "--limit needs --data" --limit 5
test_that "a folder that is not there is a failure" refuses 1 "no-such-folder" --data no-such-folder
helps() { "$asymmetry" --help | grep -q '^Usage: dualprop-asymmetry'; }
test_that "--help" helps
count_end
