/*
 * worker_vgg16.c - one side of the VGG16 benchmark: times training steps of this library on command.
 *
 * usage: worker_vgg16 RULE ALPHA SCHEDULE PASSES THREADS BATCH    e.g.  worker_vgg16 dp-adjoint 0.5 fw-bw 1 2 100
 *
 * Reads a number of steps per line from stdin, makes that many steps on random images of 32x32x3, each inference and
 * SGD with momentum, and answers with the milliseconds of each step on one line. A 0 asks for memory: the bytes of the
 * state, and of everything that the library holds. bench.py speaks to it and to the baselines in turn.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10, HIDDEN = 4096 };

struct bench {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float *images;
    int32_t *labels;
    int64_t batch;
};

static void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "worker_vgg16: %s\n", text);
    exit(1);
}

/* 0 is a pooling of 2x2. */
static void build_network(struct bench *bench)
{
    static const int64_t channels[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0 };
    static const int64_t kernel[2] = { 3, 3 }, padding[2] = { 1, 1 }, window[2] = { 2, 2 };
    must(dualprop_network_create(&bench->network, bench->context, SIDE, SIDE, CHANNELS));
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        if (channels[i] > 0)
            must(dualprop_network_add_convolution(bench->network, channels[i], kernel, NULL, padding, DUALPROP_RELU));
        else must(dualprop_network_add_pooling(bench->network, DUALPROP_POOL_MAX, window, NULL));
    }
    must(dualprop_network_add_dense(bench->network, HIDDEN, DUALPROP_RELU));
    must(dualprop_network_add_dense(bench->network, HIDDEN, DUALPROP_RELU));
    must(dualprop_network_add_dense(bench->network, CLASSES, DUALPROP_IDENTITY));
    must(dualprop_network_initialize(bench->network, 1));
}

static void choose_rule(struct bench *bench, char **words)
{
    int variant, schedule;
    must(dualprop_from_name(&variant, DUALPROP_NAMES_RULE, words[0]));
    must(dualprop_from_name(&schedule, DUALPROP_NAMES_SCHEDULE, words[2]));
    must(dualprop_rule_create(&bench->rule, bench->context, variant));
    must(dualprop_rule_set_alpha(bench->rule, atof(words[1])));
    must(dualprop_rule_set_beta(bench->rule, 0.01));
    must(dualprop_rule_set_loss(bench->rule, DUALPROP_CROSS_ENTROPY));
    must(dualprop_rule_set_nudge_at(bench->rule, DUALPROP_NUDGE_AT_PREDICTION));
    must(dualprop_rule_set_schedule(bench->rule, schedule, atoi(words[3])));
}

/* The rate is so small that the same batch can be learned again and again without the deltas dying away. */
static void prepare_learning(struct bench *bench)
{
    must(dualprop_state_create(&bench->state, bench->network, bench->rule, bench->batch));
    must(dualprop_optimizer_create(&bench->optimizer, bench->network, DUALPROP_SGD));
    must(dualprop_optimizer_set_learning_rate(bench->optimizer, 1e-5));
    must(dualprop_optimizer_set_momentum(bench->optimizer, 0.9));
    must(dualprop_optimizer_set_weight_decay(bench->optimizer, 5e-4));
}

static void fill_data(struct bench *bench)
{
    unsigned random = 12345;
    int64_t inputs = SIDE * SIDE * CHANNELS;
    bench->images = malloc(sizeof(float) * (size_t)(bench->batch * inputs));
    bench->labels = malloc(sizeof(int32_t) * (size_t)bench->batch);
    if (!bench->images || !bench->labels) exit(1);
    for (int64_t i = 0; i < bench->batch * inputs; i++) {
        random = random * 1664525u + 1013904223u;
        bench->images[i] = (float)(random >> 8) / 4194304.0f - 2.0f;
    }
    for (int64_t i = 0; i < bench->batch; i++) bench->labels[i] = (int32_t)(i * 7 % CLASSES);
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
        must(dualprop_update(bench->optimizer, bench->state));
        printf("%.6f%c", now_ms() - start, i == steps - 1 ? '\n' : ' ');
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    int steps;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    if (argc != 7) return 2;
    options.threads = atoi(argv[5]);
    bench.batch = atoll(argv[6]);
    if (bench.batch < 1) return 2;
    must(dualprop_context_create(&bench.context, DUALPROP_BACKEND_BLIS, &options));
    build_network(&bench);
    choose_rule(&bench, argv + 1);
    prepare_learning(&bench);
    fill_data(&bench);
    while (scanf("%d", &steps) == 1) {
        if (steps == 0) say_memory(&bench);
        else run_steps(&bench, steps);
    }
    return 0;
}
