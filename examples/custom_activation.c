/*
 * custom_activation.c - an activation of one's own: softsign, a/(1 + |a|). It is registered with the context by a name,
 * learns as the built-in ones do, and comes back from a file in a program that has registered the name too.
 *
 * To compile: cc -O2 -o custom_activation custom_activation.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1000, BATCH = 50, STEPS = 2000 };

static float x[COUNT], y[COUNT], predicted[COUNT];

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* f, for whole batches of numbers, in double whatever the network computes in. */
static int softsign(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = a[i] / (1 + fabs(a[i]));
    return 0; /* go on */
}

/* f' */
static int softsign_slope(void *user_data, double *slopes, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) slopes[i] = 1 / ((1 + fabs(a[i])) * (1 + fabs(a[i])));
    return 0;
}

/* f(a) - f(b) without cancellation, where it is known. Without this function the library manages with the two above. */
static int softsign_difference(void *user_data, double *differences, const double *a, const double *b,
                               const double *spans, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++)
        differences[i] = a[i] * b[i] > 0 ? spans[i] / ((1 + fabs(a[i])) * (1 + fabs(b[i])))
                                         : a[i] / (1 + fabs(a[i])) - b[i] / (1 + fabs(b[i]));
    return 0;
}

static double mean_error(dualprop_network *network)
{
    dualprop_state *state;
    double sum = 0;
    check(dualprop_state_create(&state, network, NULL, COUNT));
    check(dualprop_predict(predicted, state, x, COUNT));
    dualprop_state_destroy(state);
    for (int i = 0; i < COUNT; i++) sum += fabs(predicted[i] - y[i]);
    return sum / COUNT;
}

static void learn(dualprop_context *context, int activation, const char *path)
{
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;

    check(dualprop_network_create(&network, context, 1, 1, 1));
    check(dualprop_network_add_dense(network, 32, activation));
    check(dualprop_network_add_dense(network, 32, activation));
    check(dualprop_network_add_dense(network, 1, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01));
    printf("mean error before: %.3f\n", mean_error(network));
    for (int step = 0; step < STEPS; step++) {
        int first = step % (COUNT / BATCH) * BATCH;
        dualprop_view inputs = { sizeof inputs, x + first, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
        dualprop_view targets = { sizeof targets, y + first, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
        check(dualprop_learn_view(optimizer, state, &inputs, &targets));
    }
    printf("mean error after %d steps: %.3f\n", STEPS, mean_error(network));

    check(dualprop_checkpoint_create(&checkpoint, context));
    check(dualprop_checkpoint_put_network(checkpoint, network));
    check(dualprop_checkpoint_write(checkpoint, path));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
}

/* The file has the name of the activation and not what it does: that is the program's. */
static void load(const char *path)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    dualprop_network *network;
    char text[512];
    int activation;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, NULL));
    check(dualprop_checkpoint_read(&checkpoint, context, path));
    if (dualprop_checkpoint_get_network(&network, checkpoint) == DUALPROP_ERROR_UNSUPPORTED) {
        check(dualprop_last_error(text, sizeof text, NULL, NULL));
        printf("not yet: %s\n", text);
        check(dualprop_activation_register(&activation, context, "softsign", softsign, softsign_slope, NULL, NULL));
        check(dualprop_checkpoint_get_network(&network, checkpoint));
    }
    printf("mean error from the file: %.3f\n", mean_error(network));
    dualprop_network_destroy(network);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}

int main(void)
{
    dualprop_context *context;
    int activation;

    for (int i = 0; i < COUNT; i++) {
        x[i] = 2 * (float)rand() / (float)RAND_MAX - 1;
        y[i] = sinf(3 * x[i]);
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, NULL)); /* not on a device */
    check(dualprop_activation_register(&activation, context, "softsign", softsign, softsign_slope, softsign_difference,
                                       NULL));
    learn(context, activation, "softsign.safetensors");
    dualprop_context_destroy(context);
    load("softsign.safetensors");
}
