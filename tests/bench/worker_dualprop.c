/*
 * worker_dualprop.c - one side of the MLP benchmark: times training steps of this library on command.
 *
 * usage: worker_dualprop RULE LEARNING THREADS BATCH WIDTHS [ACTIVATION]
 * e.g.   worker_dualprop bp update 2 50 784,512,512,10
 *
 * Reads a number of steps per line from stdin, makes that many steps on random data, each inference and Adam (LEARNING
 * update) or inference and gradient (gradient), and answers with the milliseconds of each step on one line. A 0 asks
 * for memory: the bytes of the state, and of everything that the library holds. bench.py speaks to it and to the
 * baselines in turn.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_WIDTHS 16

struct bench {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float *images;
    int32_t *labels;
    int64_t batch;
    int updates; /* or gradients alone */
    int activation;
};

static void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "worker_dualprop: %s\n", text);
    exit(1);
}

static int parse_widths(int64_t *widths, char *list)
{
    int count = 0;
    for (char *word = strtok(list, ","); word && count < MAX_WIDTHS; word = strtok(NULL, ","))
        widths[count++] = atoll(word);
    return count;
}

static void build_network(struct bench *bench, const int64_t *widths, int count)
{
    must(dualprop_network_create(&bench->network, bench->context, 1, 1, widths[0]));
    for (int k = 1; k < count; k++)
        must(dualprop_network_add_dense(bench->network, widths[k],
                                        k == count - 1 ? DUALPROP_IDENTITY : bench->activation));
    must(dualprop_network_initialize(bench->network, 1));
}

static void fill_data(struct bench *bench, int64_t inputs, int64_t classes)
{
    unsigned random = 12345;
    bench->images = malloc(sizeof(float) * (size_t)(bench->batch * inputs));
    bench->labels = malloc(sizeof(int32_t) * (size_t)bench->batch);
    if (!bench->images || !bench->labels) exit(1);
    for (int64_t i = 0; i < bench->batch * inputs; i++) {
        random = random * 1664525u + 1013904223u;
        bench->images[i] = (float)(random >> 8) / 16777216.0f;
    }
    for (int64_t i = 0; i < bench->batch; i++) bench->labels[i] = (int32_t)(i * 7 % classes);
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

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
    for (int i = 0; i < steps; i++) {
        double start = now_ms();
        must(dualprop_infer(bench->state, bench->images, bench->labels, bench->batch));
        if (bench->updates) must(dualprop_update(bench->optimizer, bench->state));
        else must(dualprop_gradient(bench->optimizer, bench->state));
        printf("%.6f%c", now_ms() - start, i == steps - 1 ? '\n' : ' ');
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    int64_t widths[MAX_WIDTHS];
    int variant, steps;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    if (argc != 6 && argc != 7) return 2;
    must(dualprop_from_name(&variant, DUALPROP_NAMES_RULE, argv[1]));
    bench.updates = strcmp(argv[2], "update") == 0;
    must(dualprop_from_name(&bench.activation, DUALPROP_NAMES_ACTIVATION, argc == 7 ? argv[6] : "relu"));
    options.threads = atoi(argv[3]);
    bench.batch = atoll(argv[4]);
    int count = parse_widths(widths, argv[5]);
    if (count < 2 || bench.batch < 1) return 2;
    must(dualprop_context_create(&bench.context, DUALPROP_BACKEND_AUTO, &options));
    build_network(&bench, widths, count);
    must(dualprop_rule_create(&bench.rule, bench.context, variant));
    must(dualprop_state_create(&bench.state, bench.network, bench.rule, bench.batch));
    must(dualprop_optimizer_create(&bench.optimizer, bench.network, DUALPROP_ADAM));
    fill_data(&bench, widths[0], widths[count - 1]);
    while (scanf("%d", &steps) == 1) {
        if (steps == 0) say_memory(&bench);
        else run_steps(&bench, steps);
    }
    return 0;
}
