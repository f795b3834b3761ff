#!/bin/sh
# Draws figures in the style of the paper from the logs of runs with --diagnostics angle,norms.
# usage: programs/figures/draw.sh figure2 LOG [AUDIT_LOG]    the angle a layer over epochs and over the first batches
#        programs/figures/draw.sh figure3 LOG...             angle, difference and norms over epochs, a column a log
# In the environment: PICTURE (build/figures/figure2.png), HEADING, TITLES ("alpha 0;alpha 1"), FIRST (200 batches).
set -eu
fail() { echo "draw.sh: $*" >&2; exit 1; }
[ $# -ge 2 ] || fail "expected figure2 or figure3, and a log"
figure=$1
shift
here=$(pwd)
cd "$(dirname "$0")/../.."
command -v gnuplot >/dev/null 2>&1 || fail "gnuplot is not installed (Debian: gnuplot-nox)"
folder=${BUILD:-build}/figures
picture=${PICTURE:-$folder/$figure.png}
case $picture in /*) ;; *) [ -z "${PICTURE-}" ] || picture=$here/$picture ;; esac
mkdir -p "$folder" "$(dirname "$picture")"

# The path of a log as given, from where the script was called.
path() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }

columns() { # LOG KEYS FILE
    [ -r "$(path "$1")" ] || fail "$1 cannot be read; expected the log of a run"
    awk -v keys="$2" -f programs/figures/columns.awk "$(path "$1")" >"$3"
    [ -s "$3" ] || fail "$1 has no line with \"${2%% *}\"; expected the log of a run"
    ! grep -q NaN "$3" || fail "$1 lacks some of: $2; expected a run with --diagnostics angle,norms"
}

# A text in quotes for gnuplot.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }

case $figure in
figure2)
    [ $# -le 2 ] || fail "figure2 takes a log and a log of audits"
    columns "$1" "epoch angle" "$folder/epochs.txt"
    batches=
    if [ $# -eq 2 ]; then
        columns "$2" "epoch batch angle" "$folder/batches.all"
        # Batches of the first epoch, as far as they are wanted.
        awk -v most="${FIRST:-200}" 'NR == 1 { first = $1 } $1 == first && $2 <= most { $1 = ""; print }' \
            "$folder/batches.all" >"$folder/batches.txt"
        batches=$folder/batches.txt
    fi
    gnuplot -e "picture=$(quoted "$picture"); epochs='$folder/epochs.txt'; batches='$batches'; \
        batch_count=${FIRST:-200}; \
        heading=$(quoted "${HEADING:-Angle between the gradients of dual propagation and back-propagation}")" \
        programs/figures/figure2.gp ;;
figure3)
    set_runs="runs=$#"
    number=0
    for log; do
        number=$((number + 1))
        columns "$log" "epoch angle norm bp_norm difference" "$folder/run$number.txt"
        title=$(printf '%s' "${TITLES-}" | cut -d ';' -f $number)
        [ -n "$title" ] || title=$(basename "$log" | sed 's/\.[^.]*$//')
        set_runs="$set_runs; columns_$number='$folder/run$number.txt'; title_$number=$(quoted "$title")"
    done
    gnuplot -e "picture=$(quoted "$picture"); $set_runs; \
        heading=$(quoted "${HEADING:-Gradients of dual propagation and of back-propagation}")" \
        programs/figures/figure3.gp ;;
*) fail "unknown figure $figure; expected figure2 or figure3" ;;
esac
echo "$figure: $picture"
