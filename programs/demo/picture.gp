# picture.gp - accuracy and angles as a PNG. Needs the variables columns and picture.
set terminal pngcairo size 1000,420 font "sans,11"
set output picture
set multiplot layout 1,2 title "Fashion-MNIST, 784-512-512-10, dual propagation (DP^T, {/Symbol a} = 1/2)"
set xlabel "epoch"
set xtics 1
set grid lc rgb "#dddddd"
set key bottom right

set ylabel "accuracy (%)"
plot columns using 1:2 with linespoints lw 2 pt 7 lc rgb "#1f77b4" title "training", \
     columns using 1:3 with linespoints lw 2 pt 7 lc rgb "#d62728" title "test"

stats columns using 1 nooutput
layers = int(STATS_columns) - 3
set ylabel "angle to back-propagation's gradient (degrees)"
set yrange [0:*]
set key right center
plot for [k = 1:layers] columns using 1:(column(3 + k)) with linespoints lw 2 pt 7 title sprintf("layer %d", k)
unset multiplot
