/*
 * tiny.c - microseconds a call on tiny networks: this library, C written for the network alone, and FANN.
 *
 * usage: tiny NETWORK BATCH CALLS    NETWORK: 0 to 3, see networks
 *
 * Prints one JSON object: for each of predict, infer, update and learn the median and the 99.9th percentile over CALLS
 * calls, in microseconds a call of BATCH samples, on one thread. The loops and FANN take the samples of a batch one by
 * one; FANN learns by back-propagation. First the loops and the library learn 50 steps from the same weights and have
 * to predict the same, so that both do the same work.
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef WITH_FANN
#include <floatfann.h>
#endif

#define BATCH_MOST 64
#define INPUTS_MOST 784
#define OUTPUTS_MOST 10
#define RATE 0.01f
#define BETA 0.5f

/* ---- the loops ---- */

#define LOOP static inline __attribute__((always_inline)) void

LOOP loop_up(int inputs, int outputs, float *a, const float *x, const float *w, const float *b)
{
    for (int j = 0; j < outputs; j++) a[j] = b[j];
    for (int i = 0; i < inputs; i++)
        for (int j = 0; j < outputs; j++) a[j] += x[i] * w[i * outputs + j];
}

LOOP loop_relu(int width, float *s, const float *a)
{
    for (int j = 0; j < width; j++) s[j] = a[j] > 0 ? a[j] : 0;
}

LOOP loop_output(int width, float *delta, const float *a, int label)
{
    for (int j = 0; j < width; j++) delta[j] = -BETA * (a[j] - (j == label ? 1 : 0));
}

/* Delta = delta W^T, then s+, s- of the layer below, their mean and difference. */
LOOP loop_down(int inputs, int outputs, float *delta_below, float *mean, const float *a, const float *delta,
               const float *w)
{
    for (int i = 0; i < inputs; i++) {
        float sum = 0;
        for (int j = 0; j < outputs; j++) sum += delta[j] * w[i * outputs + j];
        float x = a[i] + 0.5f * sum, y = a[i] - 0.5f * sum;
        float plus = x > 0 ? x : 0, minus = y > 0 ? y : 0;
        delta_below[i] = x > 0 && y > 0 ? sum : plus - minus;
        mean[i] = 0.5f * (plus + minus);
    }
}

LOOP loop_step(int inputs, int outputs, float *w, float *b, const float *x, const float *delta, float rate)
{
    for (int i = 0; i < inputs; i++)
        for (int j = 0; j < outputs; j++) w[i * outputs + j] += rate / BETA * x[i] * delta[j];
    for (int j = 0; j < outputs; j++) b[j] += rate / BETA * delta[j];
}

#define NAME(x) first_##x
#define N0 20
#define N1 16
#define N2 2
#define N3 0
#include "tiny_loop.h"
#define NAME(x) second_##x
#define N0 20
#define N1 32
#define N2 32
#define N3 2
#include "tiny_loop.h"
#define NAME(x) third_##x
#define N0 64
#define N1 64
#define N2 10
#define N3 0
#include "tiny_loop.h"
#define NAME(x) fourth_##x
#define N0 784
#define N1 30
#define N2 10
#define N3 0
#include "tiny_loop.h"

static const struct {
    const char *name;
    int layers, widths[4];
    float *parameters[6]; /* weight and bias of each layer */
    const float *(*predict)(const float *x);
    void (*learn)(const float *x, int label, float rate);
} networks[] = {
    { "20-16-2",
      2,
      { 20, 16, 2 },
      { first_net.w1, first_net.b1, first_net.w2, first_net.b2 },
      first_predict,
      first_learn },
    { "20-32-32-2",
      3,
      { 20, 32, 32, 2 },
      { second_net.w1, second_net.b1, second_net.w2, second_net.b2, second_net.w3, second_net.b3 },
      second_predict,
      second_learn },
    { "64-64-10",
      2,
      { 64, 64, 10 },
      { third_net.w1, third_net.b1, third_net.w2, third_net.b2 },
      third_predict,
      third_learn },
    { "784-30-10",
      2,
      { 784, 30, 10 },
      { fourth_net.w1, fourth_net.b1, fourth_net.w2, fourth_net.b2 },
      fourth_predict,
      fourth_learn },
};

/* ---- everything at hand ---- */

static struct {
    int network, batch;
    dualprop_context *context;
    dualprop_network *handle;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
#ifdef WITH_FANN
    struct fann *fann;
    float targets[BATCH_MOST * OUTPUTS_MOST];
#endif
    float x[BATCH_MOST * INPUTS_MOST], scores[BATCH_MOST * OUTPUTS_MOST];
    int32_t labels[BATCH_MOST];
} all;

static void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "tiny: %s\n", text);
    exit(1);
}

static int width(int k)
{
    return networks[all.network].widths[k];
}

static int outputs(void)
{
    return width(networks[all.network].layers);
}

static void create(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    int layers = networks[all.network].layers;
    options.threads = 1;
    must(dualprop_context_create(&all.context, DUALPROP_BACKEND_AUTO, &options));
    must(dualprop_network_create(&all.handle, all.context, 1, 1, width(0)));
    for (int k = 1; k <= layers; k++)
        must(dualprop_network_add_dense(all.handle, width(k), k == layers ? DUALPROP_IDENTITY : DUALPROP_RELU));
    must(dualprop_network_initialize(all.handle, 1));
    must(dualprop_rule_create(&all.rule, all.context, DUALPROP_DP_ADJOINT));
    must(dualprop_state_create(&all.state, all.handle, all.rule, all.batch));
    must(dualprop_optimizer_create(&all.optimizer, all.handle, DUALPROP_PLAIN_SGD));
    must(dualprop_optimizer_set_learning_rate(all.optimizer, (double)RATE));
    must(dualprop_optimizer_set_weight_decay(all.optimizer, 0));
    unsigned random = 12345;
    for (int i = 0; i < all.batch * width(0); i++) {
        random = random * 1664525u + 1013904223u;
        all.x[i] = (float)(random >> 8) / 16777216.0f;
    }
    for (int i = 0; i < all.batch; i++) all.labels[i] = i * 7 % outputs();
}

static void copy_weights(void)
{
    for (int k = 1; k <= networks[all.network].layers; k++) {
        char weight[32], bias[32];
        snprintf(weight, sizeof weight, "layer%d.weight", k);
        snprintf(bias, sizeof bias, "layer%d.bias", k);
        dualprop_view w = {
            .struct_size = sizeof w,
            .data = networks[all.network].parameters[2 * k - 2],
            .type = DUALPROP_F32,
            .rank = 2,
            .shape = { width(k - 1), width(k) },
            .strides = { width(k), 1 },
        };
        dualprop_view b = {
            .struct_size = sizeof b,
            .data = networks[all.network].parameters[2 * k - 1],
            .type = DUALPROP_F32,
            .rank = 1,
            .shape = { width(k) },
            .strides = { 1 },
        };
        must(dualprop_network_read(&w, all.handle, weight));
        must(dualprop_network_read(&b, all.handle, bias));
    }
}

/* ---- what is timed ---- */

static void our_predict(void)
{
    must(dualprop_predict(all.scores, all.state, all.x, all.batch));
}

/* Other labels each time: what is learned perfectly has deltas so small that processors compute with them slowly. */
static void change_labels(void)
{
    for (int i = 0; i < all.batch; i++) all.labels[i] = (all.labels[i] + 1) % outputs();
}

static void our_infer(void)
{
    change_labels();
    must(dualprop_infer(all.state, all.x, all.labels, all.batch));
}

static void our_learn(void)
{
    change_labels();
    must(dualprop_learn(all.optimizer, all.state, all.x, all.labels, all.batch));
}

static void loop_predict(void)
{
    for (int i = 0; i < all.batch; i++)
        memcpy(all.scores + i * outputs(), networks[all.network].predict(all.x + i * width(0)),
               (size_t)outputs() * sizeof(float));
}

static void loop_learn(void)
{
    change_labels();
    for (int i = 0; i < all.batch; i++)
        networks[all.network].learn(all.x + i * width(0), all.labels[i], RATE / (float)all.batch);
}

#ifdef WITH_FANN
static void create_fann(void)
{
    unsigned layers[4];
    int count = networks[all.network].layers + 1;
    for (int k = 0; k < count; k++) layers[k] = (unsigned)width(k);
    all.fann = fann_create_standard_array((unsigned)count, layers);
    fann_set_activation_function_hidden(all.fann, FANN_LINEAR_PIECE);
    fann_set_activation_function_output(all.fann, FANN_LINEAR);
    fann_set_learning_rate(all.fann, RATE);
    for (int i = 0; i < all.batch; i++) all.targets[i * outputs() + all.labels[i]] = 1;
}

static void fann_predict(void)
{
    for (int i = 0; i < all.batch; i++) fann_run(all.fann, all.x + i * width(0));
}

static void fann_learn(void)
{
    for (int i = 0; i < all.batch; i++) all.targets[i * outputs() + all.labels[i]] = 0;
    change_labels();
    for (int i = 0; i < all.batch; i++) all.targets[i * outputs() + all.labels[i]] = 1;
    for (int i = 0; i < all.batch; i++) fann_train(all.fann, all.x + i * width(0), all.targets + i * outputs());
}
#endif

/* ---- timing ---- */

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int compare_numbers(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void print_times(const char *name, double *times, int count, const char *end)
{
    qsort(times, (size_t)count, sizeof *times, compare_numbers);
    printf("\"%s\": {\"median\": %.3f, \"p99.9\": %.3f}%s", name, times[count / 2], times[(int)((double)count * 0.999)],
           end);
}

static void time_calls(const char *name, void (*call)(void), int count, double *times, const char *end)
{
    for (int i = 0; i < count; i++) {
        double start = now_us();
        call();
        times[i] = now_us() - start;
    }
    print_times(name, times, count, end);
}

/* An update needs an inference before it, which is not timed. */
static void time_updates(int count, double *times)
{
    for (int i = 0; i < count; i++) {
        our_infer();
        double start = now_us();
        must(dualprop_update(all.optimizer, all.state));
        times[i] = now_us() - start;
    }
    print_times("update", times, count, ", ");
}

static void check_same_work(void)
{
    float ours[BATCH_MOST * OUTPUTS_MOST];
    if (all.batch > 1) return; /* the loops learn from each sample by itself */
    for (int i = 0; i < 50; i++) {
        int32_t label = all.labels[0];
        our_learn();
        all.labels[0] = label;
        loop_learn();
    }
    our_predict();
    memcpy(ours, all.scores, sizeof ours);
    loop_predict();
    for (int i = 0; i < outputs(); i++)
        if (!(fabsf(ours[i] - all.scores[i]) < 1e-4f)) {
            fprintf(stderr, "tiny: output %d is %g, of the loop %g\n", i, (double)ours[i], (double)all.scores[i]);
            exit(1);
        }
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    int calls = atoi(argv[3]);
    all.network = atoi(argv[1]);
    all.batch = atoi(argv[2]);
    if (all.network < 0 || all.network > 3 || all.batch < 1 || all.batch > BATCH_MOST || calls < 1) return 2;
    double *times = malloc((size_t)calls * sizeof *times);
    if (!times) return 1;
    create();
    copy_weights();
    check_same_work();
    printf("{\"name\": \"tiny-%s\", \"threads\": 1, \"batch\": %d, \"calls\": %d, \"ours_us\": {",
           networks[all.network].name, all.batch, calls);
    time_calls("predict", our_predict, calls, times, ", ");
    time_calls("infer", our_infer, calls, times, ", ");
    time_updates(calls, times);
    time_calls("learn", our_learn, calls, times, "}, \"loop_us\": {");
    time_calls("predict", loop_predict, calls, times, ", ");
    time_calls("learn", loop_learn, calls, times, "}");
#ifdef WITH_FANN
    create_fann();
    printf(", \"fann_us\": {");
    time_calls("predict", fann_predict, calls, times, ", ");
    time_calls("learn", fann_learn, calls, times, "}");
#endif
    printf("}\n");
    return 0;
}
