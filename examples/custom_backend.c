/*
 * custom_backend.c - a backend with one operation of its own: a crossbar whose inputs pass converters of a few bits.
 *
 * The table is a copy of the built-in one, in which the product on the way up is replaced: it rounds the inputs, and
 * lets the built-in product do the rest, as fast as ever. So the library trains through the imprecision of the
 * hardware, and the program shows what that costs. test_my_kernel.c tests such an operation alone.
 *
 * To compile: cc -O2 -o custom_backend custom_backend.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/backend.h>
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 20, HIDDEN = 64, SAMPLES = 512, BATCH = 32 };

static int bits; /* of the converters */

/* a [batch, outputs] = converted(x) [batch, inputs] W + bias, then the dyad update. `self` is the built-in instance. */
static dualprop_status bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x, const void *weights,
                                 const void *bias, const dualprop_dyad *dyad)
{
    static float converted[BATCH * HIDDEN]; /* the largest x that there is */
    float steps = ldexpf(1, bits - 1);

    for (int64_t i = 0; i < shape->batch * shape->inputs; i++)
        converted[i] = rintf(((const float *)x)[i] * steps) / steps;
    return dualprop_backend_builtin(DUALPROP_BACKEND_AUTO)
        ->dense_bottom_up(self, shape, a, converted, weights, bias, dyad);
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(void)
{
    static float x[2 * SAMPLES][INPUTS]; /* the second half is for testing */
    static int32_t classes[2 * SAMPLES];
    int64_t correct;
    dualprop_backend table = *dualprop_backend_builtin(DUALPROP_BACKEND_AUTO);

    table.name = "crossbar";
    table.dense_bottom_up = bottom_up;
    for (int i = 0; i < 2 * SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] * x[i][1] + x[i][2] > 0;
    }
    for (bits = 1; bits <= 8; bits *= 2) {
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        dualprop_context *context;
        dualprop_network *network;
        dualprop_rule *rule;
        dualprop_state *state;
        dualprop_optimizer *optimizer;

        options.backend = &table;
        check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
        check(dualprop_network_create(&network, context, 1, 1, INPUTS));
        check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
        check(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1));
        check(dualprop_network_initialize(network, 1));
        check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
        check(dualprop_state_create(&state, network, rule, BATCH));
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
        for (int first = 0; first < 20 * SAMPLES; first += BATCH)
            check(dualprop_learn(optimizer, state, x[first % SAMPLES], classes + first % SAMPLES, BATCH));
        check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[SAMPLES], classes + SAMPLES, SAMPLES));
        printf("converters of %d bits: %.1f %% correct\n", bits, 100.0 * (double)correct / SAMPLES);
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
}
