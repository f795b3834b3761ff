/*
 * steps.c - times training steps of this library on a device (or, for trying it out, anywhere).
 *
 * usage: steps BACKEND NUMERICS MODEL BATCH RULE SCHEDULE PASSES STEPS [RULE SCHEDULE PASSES STEPS]...
 * e.g.   steps cuda tf32 vgg16 100 dp-adjoint fw-bw 1 50 bp fw-bw 1 50
 *
 * NUMERICS may end in +autotune: engines are then chosen by timing them. STEPS_WARM_UP and STEPS_ROUNDS in the
 * environment replace 20 and 5, and STEPS_NARROW divides the widths of layers, for a rehearsal on slow stand-ins.
 * The library's log goes to the standard error: which engines it took, whether a graph was refused, and at last how
 * many graphs were launched.
 *
 * A step is an inference and an update in one call (momentum SGD for vgg16, Adam for mlp) on bytes that are copied from
 * the host. The first steps are left out; then the time of STEPS steps is taken with one wait at the end, five times.
 * Prints one JSON line for each RULE. All run in one context, where cuDNN makes its plans once.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_ROUNDS 100

static int number_of(const char *variable, int usual)
{
    const char *value = getenv(variable);
    int number = value ? atoi(value) : usual;
    return number < 1 ? 1 : number > MOST_ROUNDS ? MOST_ROUNDS : number;
}

static int64_t width(int64_t usual)
{
    return usual / number_of("STEPS_NARROW", 1);
}

static void tell(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data;
    fprintf(stderr, "%s%s: %s\n", level <= DUALPROP_LOG_WARNING ? "WARNING: " : "", component, message);
}

static void must(dualprop_status status)
{
    char text[512];
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "steps: %s: %s\n", dualprop_status_name(status), text);
    exit(1);
}

static void add_vgg16(dualprop_network *network)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 };
    static const int layers[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0 };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        if (layers[i] > 0)
            must(dualprop_network_add_convolution(network, width(layers[i]), three, NULL, NULL, DUALPROP_RELU));
        else must(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    }
    must(dualprop_network_add_dense(network, width(4096), DUALPROP_RELU));
    must(dualprop_network_add_dense(network, width(4096), DUALPROP_RELU));
    must(dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY));
}

static void add_mlp(dualprop_network *network)
{
    must(dualprop_network_add_dense(network, width(512), DUALPROP_RELU));
    must(dualprop_network_add_dense(network, width(512), DUALPROP_RELU));
    must(dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY));
}

struct run {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_view images, labels;
};

static void fill_data(struct run *run, int64_t batch, int64_t side, int64_t channels)
{
    unsigned random = 12345;
    int64_t size = batch * side * side * channels;
    uint8_t *images = malloc((size_t)size);
    int32_t *labels = malloc(sizeof(int32_t) * (size_t)batch);
    if (!images || !labels) exit(1);
    for (int64_t i = 0; i < size; i++) {
        random = random * 1664525u + 1013904223u;
        images[i] = (uint8_t)(random >> 24);
    }
    for (int64_t i = 0; i < batch; i++) labels[i] = (int32_t)(i * 7 % 10);
    run->images = (dualprop_view){ sizeof(dualprop_view),
                                   images,
                                   DUALPROP_U8,
                                   4,
                                   { batch, side, side, channels },
                                   { side * side * channels, side * channels, channels, 1 } };
    run->labels = (dualprop_view){ sizeof(dualprop_view), labels, DUALPROP_I32, 1, { batch }, { 1 } };
}

static void open_context(struct run *run, char **argv)
{
    int backend, numerics;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    must(dualprop_from_name(&backend, DUALPROP_NAMES_BACKEND, argv[1]));
    char *plus = strchr(argv[2], '+');
    options.autotune = plus && strcmp(plus, "+autotune") == 0;
    if (options.autotune) *plus = '\0';
    must(dualprop_from_name(&numerics, DUALPROP_NAMES_NUMERICS, argv[2]));
    if (options.autotune) *plus = '+';
    options.numerics = numerics;
    options.threads = DUALPROP_ALL_CPUS;
    must(dualprop_context_create(&run->context, backend, &options));
    must(dualprop_context_set_log(run->context, tell, NULL, DUALPROP_LOG_DEBUG));
}

/* with: RULE SCHEDULE PASSES STEPS. */
static void make(struct run *run, char **argv, char **with)
{
    int variant, schedule, vgg16 = strcmp(argv[3], "vgg16") == 0;
    int64_t batch = atoll(argv[4]), side = vgg16 ? 32 : 28, channels = vgg16 ? 3 : 1;
    must(dualprop_from_name(&variant, DUALPROP_NAMES_RULE, with[0]));
    must(dualprop_from_name(&schedule, DUALPROP_NAMES_SCHEDULE, with[1]));
    must(dualprop_network_create(&run->network, run->context, side, side, channels));
    if (vgg16) add_vgg16(run->network);
    else add_mlp(run->network);
    must(dualprop_network_set_initializer(run->network, DUALPROP_INIT_HE, 1.0));
    must(dualprop_network_initialize(run->network, 1));
    must(dualprop_rule_create(&run->rule, run->context, variant));
    must(dualprop_rule_set_loss(run->rule, vgg16 ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE));
    if (variant != DUALPROP_BP) must(dualprop_rule_set_beta(run->rule, 0.1));
    must(dualprop_rule_set_schedule(run->rule, schedule, atoi(with[2])));
    must(dualprop_state_create(&run->state, run->network, run->rule, batch));
    must(dualprop_optimizer_create(&run->optimizer, run->network, vgg16 ? DUALPROP_SGD : DUALPROP_ADAM));
    must(dualprop_optimizer_set_learning_rate(run->optimizer, 1e-5));
    fill_data(run, batch, side, channels);
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void make_steps(struct run *run, int steps)
{
    for (int i = 0; i < steps; i++) must(dualprop_learn_view(run->optimizer, run->state, &run->images, &run->labels));
    must(dualprop_context_synchronize(run->context));
}

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void time_run(struct run *run, char **argv, char **with)
{
    double times[MOST_ROUNDS];
    int steps = atoi(with[3]), rounds = number_of("STEPS_ROUNDS", 5);
    make(run, argv, with);
    make_steps(run, number_of("STEPS_WARM_UP", 20));
    for (int round = 0; round < rounds; round++) {
        double start = now_ms();
        make_steps(run, steps);
        times[round] = (now_ms() - start) / steps;
    }
    qsort(times, (size_t)rounds, sizeof times[0], compare);
    printf("{\"who\": \"ours %s %s %s\", \"model\": \"%s\", \"numerics\": \"%s\", \"batch\": %s, \"min_ms\": %.4f, "
           "\"median_ms\": %.4f}\n",
           with[0], with[1], with[2], argv[3], argv[2], argv[4], times[0], times[rounds / 2]);
    fflush(stdout);
}

static void drop(struct run *run)
{
    dualprop_optimizer_destroy(run->optimizer);
    dualprop_state_destroy(run->state);
    dualprop_rule_destroy(run->rule);
    dualprop_network_destroy(run->network);
    free(run->images.data);
    free(run->labels.data);
}

int main(int argc, char **argv)
{
    struct run run = { 0 };
    if (argc < 9 || argc % 4 != 1) return 2;
    open_context(&run, argv);
    for (int i = 5; i < argc; i += 4) {
        time_run(&run, argv, argv + i);
        drop(&run);
    }
    dualprop_context_destroy(run.context);
    return 0;
}
