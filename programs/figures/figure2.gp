# figure2.gp - Fig. 2 of the paper: the angle to back-propagation's gradient, a line a layer, over the epochs and, where
# there is a log of single batches, over the first of them. Needs picture, heading, epochs (a file of columns: epoch,
# angles), batches (number, angles; an empty text: none) and batch_count.
stats epochs using 1 name "E" nooutput
layers = int(E_columns) - 1
load "programs/figures/style.gp"
panels = strlen(batches) > 0 ? 2 : 1
width = panels == 2 ? 1240 : 760
height = layers > 14 ? 200 + 22 * layers : 470
set terminal pngcairo size width, height font "sans,12"
set output picture
left = 75.0 / width
right = 1 - 95.0 / width

set multiplot layout 1, panels title heading font "sans,14" \
    margins left, right, 65.0 / height, 1 - 75.0 / height spacing 80.0 / width
set key at screen 1 - 14.0 / width, 0.5 right center vertical Left reverse title "layer" samplen 1.5 spacing 1.15
unset key
set ylabel "angle to back-propagation (degrees)" offset 1, 0
set yrange [0:*]
set xlabel "epoch"
set xrange [(E_records > 1 ? E_min : E_min - 1):(E_records > 1 ? E_max : E_max + 1)]
size = E_records > 30 ? 0.01 : 0.6
if (E_max - E_min < 12) { set xtics 1 } else { set xtics autofreq }
if (panels == 2) { set title "mean of each epoch" font "sans,12" } else { set key }
plot for [k = layers:1:-1] epochs using 1:(column(1 + k)) with linespoints lw 2 pt 7 ps size \
    lc rgb colour(k) title sprintf("%d", k)

if (panels == 2) {
    set title sprintf("the first %d batches", int(batch_count)) font "sans,12"
    set xlabel "batch"
    unset ylabel
    set xtics autofreq
    set xrange [0:batch_count]
    set key
    plot for [k = layers:1:-1] batches using 1:(column(1 + k)) with lines lw 1.6 lc rgb colour(k) title sprintf("%d", k)
}
unset multiplot
