/*
 * own_gradient.c - changes the gradient between inference and step: every number of it becomes its sign times the mean
 * size of its tensor, as a device does that sends one bit a weight.
 *
 * To compile: cc -O2 -o own_gradient own_gradient.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 16, SAMPLES = 1000, BATCH = 50, EPOCHS = 15, LARGEST = 64 * 32 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Read each tensor of the gradient, reduce it to signs, and write it back. */
static void reduce_gradient(dualprop_optimizer *optimizer, const dualprop_network *network)
{
    static float numbers[LARGEST];
    char name[32];
    int parameters;

    check(dualprop_network_parameter_count(&parameters, network));
    for (int i = 0; i < parameters; i++) {
        dualprop_view view = { sizeof view, numbers, DUALPROP_F32, 0, { 0 }, { 0 } };
        int64_t count = 1;
        double size = 0;
        check(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, network, i));
        for (int axis = view.rank - 1; axis >= 0; axis--) {
            view.strides[axis] = count;
            count *= view.shape[axis];
        }
        check(dualprop_gradient_read(&view, optimizer, name));
        for (int64_t j = 0; j < count; j++) size += fabs(numbers[j]) / (double)count;
        for (int64_t j = 0; j < count; j++) numbers[j] = copysignf((float)size, numbers[j]);
        check(dualprop_gradient_write(optimizer, name, &view));
    }
}

int main(void)
{
    static float x[2 * SAMPLES][INPUTS]; /* the second half is for testing */
    static int32_t classes[2 * SAMPLES];
    dualprop_context *context;
    dualprop_rule *rule;
    int64_t correct;

    for (int i = 0; i < 2 * SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] * x[i][1] + x[i][2] > 0;
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    for (int reduced = 0; reduced <= 1; reduced++) {
        dualprop_network *network;
        dualprop_state *state;
        dualprop_optimizer *optimizer;

        check(dualprop_network_create(&network, context, 1, 1, INPUTS));
        check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, 32, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
        check(dualprop_network_initialize(network, 1));
        check(dualprop_state_create(&state, network, rule, BATCH));
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
        check(dualprop_optimizer_set_moments(optimizer, 0.9, 0.99, 1e-8));
        for (int first = 0; first < EPOCHS * SAMPLES; first += BATCH) {
            check(dualprop_infer(state, x[first % SAMPLES], classes + first % SAMPLES, BATCH));
            check(dualprop_gradient(optimizer, state));
            if (reduced) reduce_gradient(optimizer, network);
            check(dualprop_step(optimizer));
        }
        check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[SAMPLES], classes + SAMPLES, SAMPLES));
        const char *name = reduced ? "one bit a weight" : "whole gradients";
        printf("%s: %.1f %% correct\n", name, 100.0 * (double)correct / SAMPLES);
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_network_destroy(network);
    }
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
