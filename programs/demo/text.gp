# text.gp - accuracy and angles as text on the terminal. Needs the variable columns.
set terminal dumb 100 18
set xtics 1
set xlabel "epoch"
set key outside right

set title "accuracy (%)"
plot columns using 1:2 with linespoints pt "t" title "training (t)", \
     columns using 1:3 with linespoints pt "T" title "test (T)"

stats columns using 1 nooutput
layers = int(STATS_columns) - 3
set title "angle to back-propagation's gradient (degrees)"
set yrange [0:*]
plot for [k = 1:layers] columns using 1:(column(3 + k)) with linespoints pt sprintf("%d", k) \
    title sprintf("layer %d", k)
