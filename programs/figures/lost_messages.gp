# lost_messages.gp - docs/lost-messages.png: what a network whose layers are in two processes learns although messages
# between them are lost. usage: gnuplot -e "picture='docs/lost-messages.png'" programs/figures/lost_messages.gp
#
# Measured by examples/mpi/pipeline.c, one run a point:
#     mpirun -n 2 pipeline --mode free --steps 600 --seed 1 --wait 20 --in-flight 1 (or 3) --drop ...
layers = 1
load "programs/figures/style.gp"
set terminal pngcairo size 900, 520 font "sans,11"
set output picture
set title "784-512x5-10 on Fashion-MNIST, layers 1-3 and 4-6 in two processes that never wait for each other, 600 steps"
set xlabel "messages lost, %"
set ylabel "test accuracy, %"
set xrange [-2:92]
set yrange [60:90]
set key bottom left
$points << EOD
# lost  1 in flight  3 in flight
0       84.44        77.91
10      83.60        78.52
20      83.41        80.98
30      84.86        83.14
50      83.04        83.75
70      79.10        79.85
90      76.28        73.43
EOD
plot 85.21 with lines dt 2 lw 1.5 lc rgb "#888888" title "one process, or two that wait for each other (sync)", \
    $points using 1:2 with linespoints pt 7 lw 2 lc rgb "#21908c" title "1 batch in flight", \
    $points using 1:3 with linespoints pt 5 lw 2 lc rgb "#440154" title "3 batches in flight"
