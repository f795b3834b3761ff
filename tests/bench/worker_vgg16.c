/*
 * worker_vgg16.c - one side of the VGG16 benchmark: times training steps of this library on command.
 *
 * usage: worker_vgg16 RULE ALPHA SCHEDULE PASSES THREADS BATCH    e.g.  worker_vgg16 dp-adjoint 0.5 fw-bw 1 2 100
 *
 * Reads a number of steps per line from stdin, makes that many steps on random images of 32x32x3, each inference and
 * SGD with momentum, and answers with the milliseconds of each step on one line. A 0 asks for memory: the bytes of the
 * state, and of everything that the library holds. bench.py speaks to it and to the baselines in turn.
 */
#include <stdio.h>

#include "vgg16_step.h"

static void say_memory(const struct bench *bench)
{
    uint64_t state, all;
    must(dualprop_state_memory_needed(&state, bench->network, bench->rule, bench->batch));
    must(dualprop_context_memory(&all, NULL, NULL, bench->context));
    printf("%llu %llu\n", (unsigned long long)state, (unsigned long long)all);
    fflush(stdout);
}

static void run_steps(struct bench *bench, int steps)
{
    for (int i = 0; i < steps; i++) printf("%.6f%c", vgg16_step(bench), i == steps - 1 ? '\n' : ' ');
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    int steps;
    if (argc != 7) return 2;
    vgg16_create(&bench, argv + 1, NULL);
    while (scanf("%d", &steps) == 1) {
        if (steps == 0) say_memory(&bench);
        else run_steps(&bench, steps);
    }
    return 0;
}
