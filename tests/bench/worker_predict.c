/*
 * worker_predict.c - one side of the benchmark of predictions: times dualprop_predict() on command.
 *
 * usage: worker_predict NETWORK THREADS BATCH    NETWORK: vgg16, or widths such as 784,512,512,10
 *
 * Reads a number of predictions per line from stdin, makes that many of a batch, and answers with the milliseconds of
 * each on one line; a 0 asks for memory, as worker_dualprop does.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIDE 32

static void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "worker_predict: %s\n", text);
    exit(1);
}

/* 0 is a pooling of 2x2. */
static dualprop_network *create_vgg16(dualprop_context *context)
{
    static const int64_t channels[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0 };
    static const int64_t kernel[2] = { 3, 3 }, padding[2] = { 1, 1 }, window[2] = { 2, 2 };
    dualprop_network *network;
    must(dualprop_network_create(&network, context, SIDE, SIDE, 3));
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        if (channels[i] > 0)
            must(dualprop_network_add_convolution(network, channels[i], kernel, NULL, padding, DUALPROP_RELU));
        else must(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, NULL));
    }
    must(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    must(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    must(dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY));
    return network;
}

static dualprop_network *create_dense(dualprop_context *context, char *widths)
{
    dualprop_network *network;
    char *word = strtok(widths, ","), *next = strtok(NULL, ",");
    must(dualprop_network_create(&network, context, 1, 1, atoll(word)));
    for (word = next; word; word = next) {
        next = strtok(NULL, ",");
        must(dualprop_network_add_dense(network, atoll(word), next ? DUALPROP_RELU : DUALPROP_IDENTITY));
    }
    return network;
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_state *state;
    int64_t inputs, outputs;
    uint64_t bytes;
    int count;
    if (argc != 4) return 2;
    options.threads = atoi(argv[2]);
    int64_t batch = atoll(argv[3]);
    must(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    dualprop_network *network = strcmp(argv[1], "vgg16") ? create_dense(context, argv[1]) : create_vgg16(context);
    must(dualprop_network_initialize(network, 1));
    must(dualprop_network_info(NULL, NULL, &inputs, &outputs, network));
    must(dualprop_state_create(&state, network, NULL, batch));
    float *x = malloc(sizeof *x * (size_t)(batch * inputs)), *scores = malloc(sizeof *x * (size_t)(batch * outputs));
    if (!x || !scores) return 1;
    for (int64_t i = 0; i < batch * inputs; i++) x[i] = (float)(i * 7919 % 10007) / 10007.0f - 0.4f;
    while (scanf("%d", &count) == 1) {
        if (count == 0) {
            must(dualprop_state_memory_needed(&bytes, network, NULL, batch));
            printf("%llu ", (unsigned long long)bytes);
            must(dualprop_context_memory(&bytes, NULL, NULL, context));
            printf("%llu", (unsigned long long)bytes);
        }
        for (int i = 0; i < count; i++) {
            double start = now_ms();
            must(dualprop_predict(scores, state, x, batch));
            printf("%.6f ", now_ms() - start);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
