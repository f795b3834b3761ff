/*
 * own_loss.c - a loss of one's own: Huber's, which outliers do not mislead, first as a function, then as a gradient
 * that the program computes from the outputs; and weights for samples.
 *
 * A tenth of the measurements is wrong. The squared error follows them, unless they have the weight 0; Huber's loss is
 * linear in large errors.
 *
 * To compile: cc -O2 -o own_loss own_loss.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRAIN = 1000, TEST = 500, BATCH = 50, STEPS = 2000 };
enum way { SQUARED_ERROR, AS_FUNCTION, AS_GRADIENT, WEIGHTED };

static float x[TRAIN + TEST], y[TRAIN + TEST]; /* the last TEST are right */
static double trust[TRAIN];                    /* 0 where the sensor is known to have failed */

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Errors up to *user_data count as squares, larger ones linearly. The library calls it with whole batches. */
static int huber(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                 int64_t count, int64_t width)
{
    double most = *(const double *)user_data;
    for (int64_t i = 0; i < count * width; i++) {
        double error = outputs[i] - targets[i], size = fabs(error);
        if (losses && i % width == 0) losses[i / width] = 0;
        if (losses) losses[i / width] += size <= most ? error * error / 2 : most * (size - most / 2);
        if (slopes) slopes[i] = size <= most ? error : copysign(most, error);
    }
    return 0; /* go on */
}

/* The same without a function: predict, compute the slope of the loss at the outputs, and infer with it. */
static void learn_by_gradient(dualprop_optimizer *optimizer, dualprop_state *state, float *inputs, const float *targets,
                              double most)
{
    float outputs[BATCH];
    double slopes[BATCH];
    dualprop_view in = { sizeof in, inputs, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
    dualprop_view gradient = { sizeof gradient, slopes, DUALPROP_F64, 2, { BATCH, 1 }, { 1, 1 } };

    check(dualprop_predict(outputs, state, inputs, BATCH));
    for (int i = 0; i < BATCH; i++) slopes[i] = fmax(-most, fmin(most, outputs[i] - targets[i]));
    check(dualprop_infer_gradient(state, &in, &gradient));
    check(dualprop_update(optimizer, state));
}

static double learn(dualprop_context *context, enum way way)
{
    static double most = 0.1; /* outlives the rule */
    float predicted[TEST];
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double sum = 0;

    check(dualprop_network_create(&network, context, 1, 1, 1));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 1, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    if (way == AS_FUNCTION) check(dualprop_rule_set_loss_function(rule, huber, &most));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01));

    for (int step = 0; step < STEPS; step++) {
        int first = step % (TRAIN / BATCH) * BATCH;
        dualprop_view inputs = { sizeof inputs, x + first, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
        dualprop_view targets = { sizeof targets, y + first, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
        if (way == WEIGHTED) check(dualprop_state_set_sample_weights(state, trust + first, BATCH));
        if (way == AS_GRADIENT) learn_by_gradient(optimizer, state, x + first, y + first, most);
        else check(dualprop_learn_view(optimizer, state, &inputs, &targets));
    }

    check(dualprop_predict(predicted, state, x + TRAIN, TEST));
    for (int i = 0; i < TEST; i++) sum += fabs(predicted[i] - y[TRAIN + i]);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    return sum / TEST;
}

int main(void)
{
    dualprop_context *context;

    for (int i = 0; i < TRAIN + TEST; i++) {
        x[i] = 2 * (float)rand() / (float)RAND_MAX - 1;
        y[i] = sinf(3 * x[i]);
        if (i < TRAIN && i % 10 == 0) y[i] = 5; /* the sensor failed */
        if (i < TRAIN) trust[i] = i % 10 != 0;
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    printf("mean error with squared error: %.3f\n", learn(context, SQUARED_ERROR));
    printf("mean error with Huber's loss: %.3f\n", learn(context, AS_FUNCTION));
    printf("mean error with its gradient: %.3f\n", learn(context, AS_GRADIENT));
    printf("mean error with weights: %.3f\n", learn(context, WEIGHTED));
    dualprop_context_destroy(context);
}
