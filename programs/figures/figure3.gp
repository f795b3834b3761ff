# figure3.gp - Fig. 3 of the paper: angle, norm of the difference and both norms of the gradients, a line a layer, over
# the epochs; one column of panels a run. Needs picture, heading, runs (how many), and for run i the texts columns_i (a
# file: epoch, then angle, norm, bp_norm and difference of each layer) and title_i.
stats columns_1 using 1 name "E" nooutput
layers = int((E_columns - 1) / 4)
load "programs/figures/style.gp"
file(i) = value(sprintf("columns_%d", i))
width = 190 + 450 * runs
set terminal pngcairo size width, 1010 font "sans,12"
set output picture
set key at screen 1 - 14.0 / width, 0.5 right center vertical Left reverse title "layer" samplen 1.5 spacing 1.15
unset key
size = E_records > 30 ? 0.01 : 0.6
if (E_max - E_min < 12) { set xtics 1 } else { set xtics autofreq }
set xrange [(E_records > 1 ? E_min : E_min - 1):(E_records > 1 ? E_max : E_max + 1)]

# The panels of a row have one scale, so that runs can be compared. Column `part` of a layer: 1 angle, 2 norm, 3 the
# norm of back-propagation's gradient, 4 the difference; rows: 1 angle, 2 difference, 3 norms.
at(part, k) = 1 + (part - 1) * layers + k
array top[3]
do for [row = 1:3] { top[row] = 0 }
do for [i = 1:runs] {
    do for [k = 1:layers] {
        do for [part = 1:4] {
            stats file(i) using (column(at(part, k))) name "S" nooutput
            row = part == 1 ? 1 : part == 4 ? 2 : 3
            if (S_max > top[row]) { top[row] = S_max }
        }
    }
}
array names[3] = ["angle to back-propagation (degrees)", "norm of the difference", "norm of the gradient"]

set multiplot layout 3, runs title heading font "sans,14" \
    margins 85.0 / width, 1 - 95.0 / width, 0.075, 0.925 spacing 75.0 / width, 0.055
do for [row = 1:3] {
    set yrange [0:(top[row] > 0 ? 1.08 * top[row] : 1)]
    do for [i = 1:runs] {
        if (row == 1) { set title value(sprintf("title_%d", i)) font "sans,12" } else { unset title }
        if (row == 3) { set xlabel "epoch" } else { unset xlabel }
        if (i == 1) { set ylabel names[row] offset 1, 0 font "sans,11" } else { unset ylabel }
        if (row == 1 && i == runs) { set key } else { unset key }
        if (row == 3) { set label 1 "solid: the rule; dashed: back-propagation" \
            at graph 0.99, 0.96 right tc rgb "#555555" font "sans,11" }
        first = row == 1 ? 1 : row == 2 ? 4 : 2
        second = row == 3 ? 3 : first
        dashes = row == 3 ? 2 : 1
        plot for [k = layers:1:-1] file(i) using 1:(column(at(first, k))) with linespoints lw 2 pt 7 ps size \
             lc rgb colour(k) title sprintf("%d", k), \
             for [k = layers:1:-1] file(i) using 1:(column(at(second, k))) with lines lw 1.5 dt dashes \
             lc rgb colour(k) notitle
    }
}
unset multiplot
