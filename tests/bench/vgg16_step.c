/*
 * vgg16_step.c - see the header.
 */
#include "vgg16_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10, HIDDEN = 4096 };

void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "vgg16: %s\n", text);
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

double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

void vgg16_create(struct bench *bench, char **words, const dualprop_backend *backend)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.threads = atoi(words[4]);
    options.backend = backend;
    bench->batch = atoll(words[5]);
    if (bench->batch < 1) exit(2);
    must(dualprop_context_create(&bench->context, DUALPROP_BACKEND_BLIS, &options));
    build_network(bench);
    choose_rule(bench, words);
    prepare_learning(bench);
    fill_data(bench);
}

double vgg16_step(struct bench *bench)
{
    double start = now_ms();
    must(dualprop_infer(bench->state, bench->images, bench->labels, bench->batch));
    must(dualprop_update(bench->optimizer, bench->state));
    return now_ms() - start;
}
