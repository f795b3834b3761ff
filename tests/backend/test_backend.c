/*
 * test_backend.c - every computing slot of every backend against the reference in double.
 *
 * The table `kernels` at the end has one row a slot: a function that makes inputs, calls the slot and records what it
 * gave; how many sizes and variants there are; and the tolerance, in units of the type's epsilon, with its reason.
 * Each row runs on every backend, type and level that this machine has. Its record is compared with the reference's
 * in double for the same inputs; the guard bytes around all arrays are checked; and the record has to have the same
 * bits for 1, 2, 3 and 4 threads.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/backend/backend_internal.h"
#include "main.h"
#include "support/workbench.h"
#include "support/comparison.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* ---- sizes: around the tiles 6, 12, 16 and 32, and some that many threads share ---- */

static const int64_t counts[] = { 1, 2, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 100, 1000, 40001 };

static const struct {
    int64_t batch, inputs, outputs;
} shapes[] = {
    { 1, 1, 1 },     { 1, 2, 1 },     { 2, 11, 12 },     { 11, 12, 2 },    { 12, 13, 31 },  { 13, 32, 33 },
    { 31, 2, 50 },   { 32, 12, 100 }, { 33, 31, 11 },    { 50, 33, 13 },   { 100, 50, 32 }, { 11, 100, 1 },
    { 1, 100, 33 },  { 12, 32, 32 },  { 24, 64, 96 },    { 6, 16, 16 },    { 5, 7, 17 },    { 12, 65, 129 },
    { 50, 784, 10 }, { 3, 700, 331 }, { 100, 300, 301 }, { 50, 257, 512 },
};

static const int activations[] = { DUALPROP_IDENTITY,     DUALPROP_RELU,    DUALPROP_LEAKY_RELU,
                                   DUALPROP_HARD_SIGMOID, DUALPROP_SIGMOID, DUALPROP_TANH,
                                   DUALPROP_SOFTPLUS,     DUALPROP_ELU,     DUALPROP_SILU };

static const struct {
    int64_t rows, width;
} rows_of_width[] = {
    { 1, 1 },   { 1, 2 },   { 2, 10 },  { 11, 12 },   { 13, 31 },
    { 31, 32 }, { 33, 33 }, { 50, 10 }, { 100, 100 }, { 7, 1000 },
};

/* ---- dyads ---- */

/* The gains of the rules, how large Delta is, and what is left out. */
static const struct dyad_variant {
    double gain_plus, gain_minus, alpha, size;
    int derivative, silent, no_mean, no_delta, change;
} dyad_variants[] = {
    { .gain_plus = 0.5, .gain_minus = 0.5, .alpha = 0.5, .size = 2 },
    { .gain_plus = 0.5, .gain_minus = 0.5, .alpha = 0.5, .size = 1e-4 },
    { .gain_plus = 0.25, .gain_minus = 0.75, .alpha = 0.25, .size = 1 },
    { .gain_plus = 0.75, .gain_minus = 0.25, .alpha = 0.25, .size = 1, .change = 1 },
    { .gain_plus = 0, .gain_minus = 1, .alpha = 1, .size = 1 },
    { .gain_plus = 0, .gain_minus = 1, .alpha = 1, .size = 1, .no_mean = 1 },
    { .gain_plus = 1, .gain_minus = 0, .alpha = 0, .size = 1e-3 },
    { .gain_plus = 1, .gain_minus = 0, .alpha = 1, .size = 1, .change = 1 },
    { .derivative = 1, .alpha = 0.5, .size = 1 },
    { .derivative = 1, .alpha = 0.5, .size = 1, .change = 1 },
    { .gain_plus = 0.5, .gain_minus = 0.5, .alpha = 0.5, .silent = 1 },
    { .gain_plus = 0.5, .gain_minus = 0.5, .alpha = 0.5, .silent = 1, .no_delta = 1 },
    { .derivative = 1, .alpha = 0.5, .silent = 1, .change = 1 },
};

static dualprop_dyad make_dyad(workbench *bench, const struct dyad_variant *variant, int activation, int64_t count,
                               double results[2])
{
    results[0] = results[1] = -1;
    return (dualprop_dyad){
        .activation = activation,
        .derivative = variant->derivative,
        .gain_plus = variant->gain_plus,
        .gain_minus = variant->gain_minus,
        .alpha = variant->alpha,
        .count = count,
        .a = bench_uniform(bench, count, -3, 3),
        .top_down = variant->silent ? NULL : bench_uniform(bench, count, -variant->size, variant->size),
        .mean = variant->no_mean ? NULL : bench_uniform(bench, count, -1, 1),
        .delta = variant->no_delta ? NULL : bench_uniform(bench, count, -1, 1),
        .max_abs = &results[0],
        .change = variant->change ? &results[1] : NULL,
        .old_alpha = 0.25,
    };
}

/* A small Delta makes a small delta, whose absolute error is of its size: so nothing has cancelled. */
static void record_dyad(workbench *bench, const dualprop_dyad *dyad, const double results[2], double scale,
                        double delta_scale)
{
    if (dyad->mean) bench_record(bench, "mean", dyad->mean, dyad->count, scale);
    if (dyad->delta) bench_record(bench, "delta", dyad->delta, dyad->count, delta_scale);
    bench_record_number(bench, "max_abs", results[0], scale);
    if (dyad->change) bench_record_number(bench, "change", results[1], scale);
}

static dualprop_status run_dyad(workbench *bench, int size, int number)
{
    const struct dyad_variant *variant = &dyad_variants[number / COUNT_OF(activations)];
    double results[2];
    dualprop_dyad dyad = make_dyad(bench, variant, activations[number % COUNT_OF(activations)], counts[size], results);
    dualprop_status status = bench->backend->dyad_update(bench->self, &dyad);
    record_dyad(bench, &dyad, results, 4, variant->size);
    return status;
}

/* Softmax over rows of every width, down to one element. */
static dualprop_status run_softmax(workbench *bench, int size, int number)
{
    const struct dyad_variant *variant = &dyad_variants[number];
    double results[2];
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width;
    dualprop_dyad dyad = make_dyad(bench, variant, DUALPROP_SOFTMAX, rows * width, results);
    dyad.width = width;
    dualprop_status status = bench->backend->dyad_update(bench->self, &dyad);
    record_dyad(bench, &dyad, results, 4, variant->size);
    return status;
}

static dualprop_status run_softmax_nan(workbench *bench, int size, int number)
{
    double results[2];
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width;
    dualprop_dyad dyad = make_dyad(bench, &dyad_variants[3], DUALPROP_SOFTMAX, rows * width, results);
    dyad.width = width;
    void *where = (void *)(uintptr_t)(number % 2 ? dyad.top_down : dyad.a);
    bench_set(bench, where, random_below(&bench->random, rows * width), NAN);
    dualprop_status status = bench->backend->dyad_update(bench->self, &dyad);
    record_dyad(bench, &dyad, results, 4, 1);
    ck_assert_msg(isnan(results[0]), "the largest magnitude lost a NaN");
    return status;
}

/* ---- the rarer options ---- */

/* What is on; the first rows are damping alone, which backends may have loops for. */
static const struct extended_variant {
    double alpha, damping, time_step, down_noise, state_noise;
    int silent, fresh, adjoint, straight, output_step, alphas, mask, change, gains, deaf;
} extended_variants[] = {
    { .alpha = 1, .damping = 2.5, .time_step = 1 },
    { .alpha = 0.3, .damping = 2.5, .time_step = 1 },
    { .alpha = 0.3, .damping = 0.25, .time_step = 1, .fresh = 1 },
    { .alpha = 0.3, .damping = 0, .time_step = 1, .adjoint = 1 },
    { .alpha = 0, .damping = 1, .time_step = 1, .change = 1 },
    { .alpha = 0.6, .damping = 1, .time_step = 1, .silent = 1 },
    { .alpha = 0.6, .damping = 1, .time_step = 0.3 },
    { .alpha = 0.6, .damping = 1, .time_step = 0.5, .down_noise = 0.1, .state_noise = 0.2, .change = 1 },
    { .damping = 0.5, .time_step = 1, .alphas = 1 },
    { .alpha = 0.5, .damping = 0.5, .time_step = 1, .mask = 1, .change = 1 },
    { .alpha = 0.3, .time_step = 1, .adjoint = 1, .straight = 1 },
    { .alpha = 0.3, .time_step = 1, .output_step = DUALPROP_OUTPUT_EXACT },
    { .time_step = 1, .output_step = DUALPROP_OUTPUT_SPROVR, .alphas = 1 },
    { .alpha = 0.3, .time_step = 1, .gains = 1 },
    { .damping = 0.5, .time_step = 1, .alphas = 1, .gains = 3, .change = 1 },
    { .alpha = 0.3, .damping = 0.5, .time_step = 1, .adjoint = 1, .gains = 2 },
    { .alpha = 0.3, .damping = 0.5, .time_step = 1, .deaf = 1, .change = 1 },
};

static const void *if_wanted(workbench *bench, int wanted, int64_t count, double low, double high)
{
    return wanted ? bench_uniform(bench, count, low, high) : NULL;
}

static dualprop_extended_update make_extended(workbench *bench, const struct extended_variant *variant, int activation,
                                              int64_t rows, int64_t width, double results[2])
{
    int64_t count = rows * width;
    return (dualprop_extended_update){
        .activation = activation,
        .straight = variant->straight,
        .adjoint = variant->adjoint,
        .output_step = variant->output_step,
        .alpha = variant->alpha,
        .beta_ratio = 0.75,
        .beta = 0.5,
        .damping = variant->damping,
        .time_step = variant->time_step,
        .fraction = variant->mask ? 0.4 : 1,
        .top_down_noise = variant->down_noise,
        .state_noise = variant->state_noise,
        .rows = rows,
        .width = width,
        .alphas = if_wanted(bench, variant->alphas, width, 0, 1),
        .a = bench_uniform(bench, count, -3, 3),
        .top_down = if_wanted(bench, !variant->silent, count, -2, 2),
        .uniform = if_wanted(bench, variant->mask, count, 0, 1),
        .noise_plus = if_wanted(bench, variant->state_noise > 0, count, -2, 2),
        .noise_minus = if_wanted(bench, variant->state_noise > 0, count, -2, 2),
        .noise_down = if_wanted(bench, variant->down_noise > 0, count, -2, 2),
        .mean = bench_uniform(bench, count, -1, 1),
        .delta = variant->fresh ? bench_reals(bench, count) : bench_uniform(bench, count, -1, 1),
        .delta_is_zero = variant->fresh,
        .error_signal = variant->straight ? bench_reals(bench, count) : NULL,
        .max_abs = &results[0],
        .change = variant->change ? &results[1] : NULL,
        .gains_plus = if_wanted(bench, variant->gains & 1, width, -1, 1),
        .gains_minus = if_wanted(bench, variant->gains & 2, width, -1, 1),
        .listens = variant->deaf ? bench_reals(bench, width) : NULL,
    };
}

static dualprop_status run_extended(workbench *bench, int size, int number)
{
    double results[2] = { -1, -1 };
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width;
    const struct extended_variant *variant = &extended_variants[number / COUNT_OF(activations)];
    dualprop_extended_update update =
        make_extended(bench, variant, activations[number % COUNT_OF(activations)], rows, width, results);
    dualprop_status status = bench->backend->extended_update(bench->self, &update);
    bench_record(bench, "mean", update.mean, rows * width, 4);
    bench_record(bench, "delta", update.delta, rows * width, 4);
    if (update.error_signal) bench_record(bench, "error_signal", update.error_signal, rows * width, 4);
    bench_record_number(bench, "max_abs", results[0], 4);
    if (update.change) bench_record_number(bench, "change", results[1], 4);
    return status;
}

static dualprop_status run_proximal(workbench *bench, int size, int number)
{
    static const double ALPHAS[] = { 0, 0.5, 1 };
    double max_abs = -1;
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width;
    dualprop_output output = {
        .loss = DUALPROP_CROSS_ENTROPY,
        .exact = number / 3 ? DUALPROP_OUTPUT_SPROVR : DUALPROP_OUTPUT_EXACT,
        .alpha = ALPHAS[number % 3],
        .beta = 0.75,
        .rows = rows,
        .width = width,
        .a = bench_uniform(bench, rows * width, -3, 3),
        .target = bench_uniform(bench, rows * width, 0, 2.0 / (double)width), /* sums near 1, as a distribution's */
        .mean = bench_reals(bench, rows * width),
        .delta = bench_reals(bench, rows * width),
        .max_abs = &max_abs,
        .workspace = bench_bytes(bench, 7 * width * (int64_t)sizeof(double)),
    };
    dualprop_status status = bench->backend->output_proximal(bench->self, &output);
    bench_record(bench, "mean", output.mean, rows * width, 4);
    bench_record(bench, "delta", output.delta, rows * width, 1);
    bench_record_number(bench, "max_abs", max_abs, 4);
    return status;
}

/* A NaN in a or in Delta, at the start, in the middle or at the end, has to reach the largest magnitude. */
static dualprop_status run_dyad_nan(workbench *bench, int size, int number)
{
    int64_t places[3] = { 0, counts[size] / 2, counts[size] - 1 };
    double results[2];
    dualprop_dyad dyad = make_dyad(bench, &dyad_variants[3], activations[number / 6], counts[size], results);
    void *where = (void *)(uintptr_t)(number % 2 ? dyad.top_down : dyad.a);
    bench_set(bench, where, places[number / 2 % 3], NAN);
    dualprop_status status = bench->backend->dyad_update(bench->self, &dyad);
    record_dyad(bench, &dyad, results, 4, 1);
    ck_assert_msg(isnan(results[0]), "the largest magnitude lost a NaN");
    return status;
}

/* ---- output steps ---- */

static const struct output_variant {
    int loss, exact, derivative, at_prediction, change;
    double gain_plus, gain_minus, alpha, beta;
} output_variants[] = {
    { DUALPROP_MSE, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5 },
    { DUALPROP_MSE, 0, 0, 1, 1, 0.25, 0.75, 0.25, 1 },
    { DUALPROP_MSE, 0, 0, 0, 0, 0, 1, 1, -0.5 },
    { DUALPROP_MSE, 0, 0, 0, 0, 0.75, 0.25, 0.25, 1e-4 },
    { DUALPROP_MSE, 1, 0, 0, 0, 0.5, 0.5, 0.5, 0.5 },
    { DUALPROP_MSE, 1, 0, 0, 1, 0, 1, 0, 0.5 },
    { DUALPROP_MSE, 1, 0, 0, 0, 1, 0, 1, 0.5 },
    { DUALPROP_MSE, 0, 1, 0, 1, 0.5, 0.5, 0.5, 1 },
    { DUALPROP_CROSS_ENTROPY, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5 },
    { DUALPROP_CROSS_ENTROPY, 0, 0, 1, 1, 0.25, 0.75, 0.25, 1 },
    { DUALPROP_CROSS_ENTROPY, 0, 0, 0, 0, 1, 0, 0, 1e-4 },
    { DUALPROP_CROSS_ENTROPY, 0, 1, 0, 0, 0.5, 0.5, 0.5, 1 },
};

/* One class a row, or weights that add up to 1 over two classes. */
static void *make_targets(workbench *bench, int64_t rows, int64_t width)
{
    void *targets = bench_zeros(bench, rows * width);
    for (int64_t row = 0; row < rows; row++) {
        int64_t one = random_below(&bench->random, width), other = random_below(&bench->random, width);
        bench_set(bench, targets, row * width + one, one == other || row % 2 ? 1 : 0.75);
        if (one != other && row % 2 == 0) bench_set(bench, targets, row * width + other, 0.25);
    }
    return targets;
}

static dualprop_status output_step(workbench *bench, const struct output_variant *variant, int64_t rows, int64_t width,
                                   int64_t nan_at)
{
    int64_t count = rows * width;
    double max_abs = -1, change = -1;
    dualprop_output output = {
        .loss = variant->loss,
        .exact = variant->exact,
        .derivative = variant->derivative,
        .gain_plus = variant->gain_plus,
        .gain_minus = variant->gain_minus,
        .alpha = variant->alpha,
        .beta = variant->beta,
        .rows = rows,
        .width = width,
        .a = bench_uniform(bench, count, -4, 4),
        .target = make_targets(bench, rows, width),
        .mean = bench_uniform(bench, count, -4, 4),
        .delta = bench_uniform(bench, count, -1, 1),
        .max_abs = &max_abs,
        .change = variant->change ? &change : NULL,
        .old_alpha = 0.75,
    };
    output.at = variant->at_prediction ? bench_uniform(bench, count, -4, 4) : output.a;
    if (nan_at >= 0) bench_set(bench, (void *)(uintptr_t)output.a, nan_at, NAN);
    dualprop_status status = bench->backend->output_step(bench->self, &output);
    bench_record(bench, "mean", output.mean, count, 8);
    bench_record(bench, "delta", output.delta, count, 8 * fabs(variant->beta));
    bench_record_number(bench, "max_abs", max_abs, 8);
    if (output.change) bench_record_number(bench, "change", change, 8);
    ck_assert_msg(nan_at < 0 || isnan(max_abs), "the largest magnitude lost a NaN");
    return status;
}

static dualprop_status run_output(workbench *bench, int size, int variant)
{
    return output_step(bench, &output_variants[variant], rows_of_width[size].rows, rows_of_width[size].width, -1);
}

static dualprop_status run_output_nan(workbench *bench, int size, int variant)
{
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width;
    return output_step(bench, &output_variants[variant], rows, width, random_below(&bench->random, rows * width));
}

/* Some predictions are made equal, so that ties decide. */
static dualprop_status run_evaluate(workbench *bench, int size, int variant)
{
    int64_t rows = rows_of_width[size].rows, width = rows_of_width[size].width, correct = -1, top_k = -1;
    double sum = -1;
    void *prediction = bench_uniform(bench, rows * width, -20, 20), *target = make_targets(bench, rows, width);
    for (int64_t i = 0; i < rows * width; i += 3) bench_set(bench, prediction, i, (double)(i % 4));
    dualprop_status status =
        bench->backend->evaluate(bench->self, variant % 2 ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE, prediction, target,
                                 rows, width, variant < 2 ? 1 : 5, &sum, &correct, &top_k);
    bench_record_number(bench, "sum", sum, 20);
    bench_record_number(bench, "correct", (double)correct, 0);
    bench_record_number(bench, "top_k", (double)top_k, 0);
    return status;
}

/* ---- dense layers ---- */

static dualprop_dense make_shape(workbench *bench, int size)
{
    dualprop_dense shape = { shapes[size].batch, shapes[size].inputs, shapes[size].outputs, NULL, 0 };
    shape.workspace_bytes = bench->backend->dense_workspace(bench->self, shape.batch, shape.inputs, shape.outputs);
    ck_assert_int_ge(shape.workspace_bytes, 0);
    shape.workspace = bench_bytes(bench, shape.workspace_bytes);
    return shape;
}

/* What follows the product: nothing, DP with ReLU, DP with tanh and the change measured, back-propagation. (The slope
 * of ReLU jumps, so that no tolerance would hold for it after a rounded product.) */
#define FOLLOWERS 5
static const struct follower {
    int activation;
    struct dyad_variant variant;
} followers[FOLLOWERS] = {
    { 0, { 0 } },
    { DUALPROP_RELU, { .gain_plus = 0.5, .gain_minus = 0.5, .alpha = 0.5, .size = 1 } },
    { DUALPROP_TANH, { .gain_plus = 0.75, .gain_minus = 0.25, .alpha = 0.25, .size = 1, .change = 1 } },
    { DUALPROP_SIGMOID, { .derivative = 1, .alpha = 0.5, .size = 1 } },
    { DUALPROP_LEAKY_RELU, { .gain_plus = 0, .gain_minus = 1, .alpha = 1, .size = 1 } },
};

static dualprop_status run_bottom_up(workbench *bench, int size, int variant)
{
    dualprop_dense shape = make_shape(bench, size);
    int64_t count = shape.batch * shape.outputs;
    double results[2], scale = (double)shape.inputs / 3 + 2;
    void *x = bench_uniform(bench, shape.batch * shape.inputs, -1, 1);
    void *weights = bench_weights(bench, shape.inputs, shape.outputs, -1, 1);
    void *bias = bench_uniform(bench, shape.outputs, -1, 1);
    dualprop_dyad dyad = make_dyad(bench, &followers[variant].variant, followers[variant].activation, count, results);
    void *a = (void *)(uintptr_t)dyad.a;
    memset(a, 0xff, (size_t)count * bench_real_size(bench));
    dualprop_status status =
        bench->backend->dense_bottom_up(bench->self, &shape, a, x, weights, bias, variant ? &dyad : NULL);
    bench_record(bench, "a", a, count, scale);
    if (variant) record_dyad(bench, &dyad, results, 2 * scale, 2 * scale);
    return status;
}

static dualprop_status run_top_down(workbench *bench, int size, int variant)
{
    dualprop_dense shape = make_shape(bench, size);
    int64_t count = shape.batch * shape.inputs;
    double results[2], scale = (double)shape.outputs / 3 + 2;
    void *delta = bench_uniform(bench, shape.batch * shape.outputs, -1, 1);
    void *weights = bench_weights(bench, shape.inputs, shape.outputs, -1, 1);
    dualprop_dyad dyad = make_dyad(bench, &followers[variant].variant, followers[variant].activation, count, results);
    void *top_down = dyad.top_down ? (void *)(uintptr_t)dyad.top_down : bench_reals(bench, count);
    memset(top_down, 0xff, (size_t)count * bench_real_size(bench));
    dualprop_status status =
        bench->backend->dense_top_down(bench->self, &shape, top_down, delta, weights, variant ? &dyad : NULL);
    bench_record(bench, "top_down", top_down, count, scale);
    if (variant) record_dyad(bench, &dyad, results, 2 * scale, 2 * scale);
    return status;
}

/* Numbers large enough that a mistake in one of them shows. */
/*
 * Ways of learning. A gradient scale of 1 is what a step fused with the gradient has; SGD without momentum and decay,
 * and every way at that scale, have code of their own.
 */
enum {
    STEP_SGD,
    STEP_ADAM,
    STEP_ADAMW,
    STEP_NO_MOMENTUM,
    STEP_SGD_AT_1,
    STEP_ADAM_AT_1,
    STEP_PLAIN_SGD,
    STEP_PLAIN_SGD_DECAYED,
    STEPS
};

static int has_first_moment(int step)
{
    return step < STEP_PLAIN_SGD;
}

static int has_second_moment(int step)
{
    return step == STEP_ADAM || step == STEP_ADAMW || step == STEP_ADAM_AT_1;
}

static void *second_of(int step, void *moment)
{
    return has_second_moment(step) ? moment : NULL;
}

static void *first_of(int step, void *moment)
{
    return has_first_moment(step) ? moment : NULL;
}

static dualprop_step_numbers step_numbers(int step)
{
    return (dualprop_step_numbers){
        .kind = step == STEP_ADAMW        ? DUALPROP_ADAMW
                : has_second_moment(step) ? DUALPROP_ADAM
                : has_first_moment(step)  ? DUALPROP_SGD
                                          : DUALPROP_PLAIN_SGD,
        .learning_rate = 0.1,
        .momentum = step == STEP_NO_MOMENTUM ? 0 : 0.75,
        .beta1 = 0.75,
        .beta2 = 0.875,
        .epsilon = 0.01,
        .scale1 = 1.25,
        .scale2 = 1.5,
        .weight_decay = step == STEP_NO_MOMENTUM || step == STEP_PLAIN_SGD ? 0 : 0.125,
        .gradient_scale = step >= STEP_NO_MOMENTUM ? 1 : 0.5,
    };
}

/* Everything a layer learns with, in the backend's layout. */
struct learning {
    dualprop_dense shape;
    int64_t elements;
    void *x, *delta, *weights, *bias, *gradient, *bias_gradient, *moments[4];
};

static struct learning make_learning(workbench *bench, int size)
{
    struct learning learning = { .shape = make_shape(bench, size) };
    const dualprop_dense *shape = &learning.shape;
    learning.elements = bench->backend->weight_elements(bench->self, shape->inputs, shape->outputs);
    learning.x = bench_uniform(bench, shape->batch * shape->inputs, -1, 1);
    learning.delta = bench_uniform(bench, shape->batch * shape->outputs, -1, 1);
    learning.weights = bench_weights(bench, shape->inputs, shape->outputs, -1, 1);
    learning.gradient = bench_weights(bench, shape->inputs, shape->outputs, -1, 1);
    learning.moments[0] = bench_weights(bench, shape->inputs, shape->outputs, -1, 1);
    learning.moments[1] = bench_weights(bench, shape->inputs, shape->outputs, 0.1, 1);
    learning.bias = bench_uniform(bench, shape->outputs, -1, 1);
    learning.bias_gradient = bench_uniform(bench, shape->outputs, -1, 1);
    learning.moments[2] = bench_uniform(bench, shape->outputs, -1, 1);
    learning.moments[3] = bench_uniform(bench, shape->outputs, 0.1, 1);
    return learning;
}

static void record_learned(workbench *bench, const struct learning *learning)
{
    int64_t inputs = learning->shape.inputs, outputs = learning->shape.outputs;
    bench_record_weights(bench, "weights", learning->weights, inputs, outputs, 4);
    bench_record_weights(bench, "weight moment 1", learning->moments[0], inputs, outputs, 4);
    bench_record_weights(bench, "weight moment 2", learning->moments[1], inputs, outputs, 4);
    bench_record(bench, "bias", learning->bias, outputs, 4);
    bench_record(bench, "bias moment 1", learning->moments[2], outputs, 4);
    bench_record(bench, "bias moment 2", learning->moments[3], outputs, 4);
}

static dualprop_status run_gradient(workbench *bench, int size, int accumulate)
{
    struct learning learning = make_learning(bench, size);
    double scale = -0.5 / (double)learning.shape.batch;
    dualprop_status status =
        bench->backend->dense_gradient(bench->self, &learning.shape, learning.gradient, learning.bias_gradient,
                                       learning.x, learning.delta, scale, accumulate, NULL, NULL, NULL, NULL);
    bench_record_weights(bench, "gradient", learning.gradient, learning.shape.inputs, learning.shape.outputs, 2);
    bench_record(bench, "bias gradient", learning.bias_gradient, learning.shape.outputs, 2);
    return status;
}

static dualprop_status run_fused_step(workbench *bench, int size, int kind)
{
    struct learning learning = make_learning(bench, size);
    dualprop_step_numbers numbers = step_numbers(kind);
    void *moments[4] = { first_of(kind, learning.moments[0]), second_of(kind, learning.moments[1]),
                         first_of(kind, learning.moments[2]), second_of(kind, learning.moments[3]) };
    dualprop_status status = bench->backend->dense_gradient(bench->self, &learning.shape, NULL, NULL, learning.x,
                                                            learning.delta, -0.5 / (double)learning.shape.batch, 0,
                                                            &numbers, learning.weights, learning.bias, moments);
    record_learned(bench, &learning);
    return status;
}

/* The same in two calls, which has to give the same bits. */
static dualprop_status run_separate_step(workbench *bench, int size, int kind)
{
    struct learning learning = make_learning(bench, size);
    dualprop_step_numbers numbers = step_numbers(kind);
    void *second = second_of(kind, learning.moments[1]);
    void *bias_second = second_of(kind, learning.moments[3]);
    dualprop_status status = bench->backend->dense_gradient(
        bench->self, &learning.shape, learning.gradient, learning.bias_gradient, learning.x, learning.delta,
        -0.5 / (double)learning.shape.batch, 0, NULL, NULL, NULL, NULL);
    if (status == DUALPROP_OK)
        status = bench->backend->optimizer_step(bench->self, &numbers, learning.elements, learning.weights,
                                                learning.gradient, first_of(kind, learning.moments[0]), second);
    if (status == DUALPROP_OK)
        status =
            bench->backend->optimizer_step(bench->self, &numbers, learning.shape.outputs, learning.bias,
                                           learning.bias_gradient, first_of(kind, learning.moments[2]), bias_second);
    record_learned(bench, &learning);
    return status;
}

static dualprop_status run_optimizer(workbench *bench, int size, int kind)
{
    int64_t count = counts[size];
    dualprop_step_numbers numbers = step_numbers(kind);
    void *w = bench_uniform(bench, count, -1, 1), *g = bench_uniform(bench, count, -1, 1);
    void *moment1 = bench_uniform(bench, count, -1, 1), *moment2 = bench_uniform(bench, count, 0.1, 1);
    dualprop_status status = bench->backend->optimizer_step(bench->self, &numbers, count, w, g, first_of(kind, moment1),
                                                            second_of(kind, moment2));
    bench_record(bench, "w", w, count, 2);
    bench_record(bench, "moment 1", moment1, count, 2);
    bench_record(bench, "moment 2", moment2, count, 2);
    return status;
}

/* ---- convolutional layers ---- */

#define CONVOLUTION DUALPROP_LAYER_CONVOLUTION
#define LOCAL DUALPROP_LAYER_LOCAL
#define NONE DUALPROP_POOL_NONE
#define MAX DUALPROP_POOL_MAX
#define AVERAGE DUALPROP_POOL_AVERAGE

/* Images of one and of many tiles, square and not, dividing by 4 and not; strides, paddings and kernels of all kinds;
 * pooling that drops a rest, and windows that overlap; channels around the tiles of micro-kernels. */
static const struct convolution_case {
    int kind, pooling;
    int64_t batch, height, width, channels, outputs, kernel[2], stride[2], padding[2], window[2], window_stride[2];
} convolutions[] = {
    { CONVOLUTION, NONE, 1, 1, 1, 1, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 1, 2, 1, 1, 2, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 2, 5, 7, 3, 4, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { CONVOLUTION, MAX, 3, 8, 8, 5, 7, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { CONVOLUTION, MAX, 1, 9, 6, 2, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { CONVOLUTION, MAX, 2, 11, 11, 3, 5, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 3, 3 }, { 2, 2 } },
    { CONVOLUTION, MAX, 2, 9, 10, 16, 18, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 3, 2 }, { 1, 2 } },
    { CONVOLUTION, AVERAGE, 2, 10, 9, 4, 6, { 5, 5 }, { 1, 1 }, { 2, 2 }, { 3, 2 }, { 2, 2 } },
    { CONVOLUTION, AVERAGE, 4, 8, 8, 16, 16, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { CONVOLUTION, AVERAGE, 3, 6, 6, 19, 33, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 6, 6 }, { 6, 6 } },
    { CONVOLUTION, NONE, 2, 6, 11, 3, 33, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 3, 9, 8, 6, 12, { 4, 2 }, { 3, 2 }, { 1, 0 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 2, 12, 13, 2, 65, { 7, 3 }, { 2, 1 }, { 3, 1 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 2, 6, 10, 16, 16, { 3, 3 }, { 1, 1 }, { 0, 0 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 3, 7, 5, 18, 20, { 3, 3 }, { 1, 1 }, { 2, 0 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 2, 5, 9, 4, 8, { 1, 3 }, { 2, 4 }, { 0, 2 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 5, 4, 4, 32, 48, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { CONVOLUTION, NONE, 3, 2, 2, 64, 33, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { CONVOLUTION, MAX, 13, 2, 2, 31, 70, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { CONVOLUTION, NONE, 2, 13, 14, 17, 18, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { LOCAL, NONE, 1, 3, 3, 2, 1, { 3, 3 }, { 1, 1 }, { 0, 0 }, { 0 }, { 0 } },
    { LOCAL, NONE, 2, 5, 6, 3, 4, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { LOCAL, MAX, 3, 8, 7, 2, 9, { 3, 3 }, { 1, 1 }, { 0, 0 }, { 2, 2 }, { 2, 2 } },
    { LOCAL, AVERAGE, 12, 9, 9, 5, 13, { 2, 3 }, { 2, 3 }, { 1, 0 }, { 3, 2 }, { 1, 1 } },
    { LOCAL, MAX, 33, 4, 4, 7, 3, { 4, 1 }, { 1, 1 }, { 3, 0 }, { 2, 3 }, { 2, 1 } },
    { CONVOLUTION, MAX, 2, 32, 32, 3, 64, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { CONVOLUTION, MAX, 1, 16, 16, 64, 64, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
};

static int64_t extent_of(int64_t extent, int64_t padding, int64_t window, int64_t stride)
{
    return (extent + 2 * padding - window) / stride + 1;
}

static dualprop_convolution convolution_shape(int size)
{
    const struct convolution_case *given = &convolutions[size];
    /* clang-format off */
    dualprop_convolution shape = {
        .kind = given->kind, .pooling = given->pooling, .batch = given->batch, .height = given->height,
        .width = given->width, .channels = given->channels, .outputs = given->outputs,
        .kernel_height = given->kernel[0], .kernel_width = given->kernel[1], .stride_height = given->stride[0],
        .stride_width = given->stride[1], .padding_height = given->padding[0], .padding_width = given->padding[1],
        .window_height = given->window[0], .window_width = given->window[1],
        .window_stride_height = given->window_stride[0], .window_stride_width = given->window_stride[1],
    };
    /* clang-format on */
    shape.map_height = extent_of(shape.height, shape.padding_height, shape.kernel_height, shape.stride_height);
    shape.map_width = extent_of(shape.width, shape.padding_width, shape.kernel_width, shape.stride_width);
    shape.pooled_height = shape.map_height, shape.pooled_width = shape.map_width;
    if (shape.pooling == NONE) return shape;
    shape.pooled_height = extent_of(shape.map_height, 0, shape.window_height, shape.window_stride_height);
    shape.pooled_width = extent_of(shape.map_width, 0, shape.window_width, shape.window_stride_width);
    return shape;
}

static void furnish(workbench *bench, dualprop_convolution *shape)
{
    int64_t workspace = bench->backend->convolution_workspace(bench->self, shape);
    int64_t cache = bench->backend->convolution_cache(bench->self, shape);
    ck_assert_int_ge(workspace, 0);
    ck_assert_int_ge(cache, 0);
    shape->workspace = bench_bytes(bench, workspace);
    shape->cache = bench_bytes(bench, cache);
}

static int64_t map_elements(const dualprop_convolution *shape)
{
    return shape->batch * shape->map_height * shape->map_width * shape->outputs;
}

static int64_t pooled_elements(const dualprop_convolution *shape)
{
    return shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
}

static int64_t input_elements(const dualprop_convolution *shape)
{
    return shape->batch * shape->height * shape->width * shape->channels;
}

static int64_t bias_elements(const dualprop_convolution *shape)
{
    return shape->kind == LOCAL ? shape->map_height * shape->map_width * shape->outputs : shape->outputs;
}

static uint8_t *make_switches(workbench *bench, const dualprop_convolution *shape)
{
    if (shape->pooling != MAX) return NULL;
    uint8_t *switches = bench_bytes(bench, pooled_elements(shape));
    for (int64_t i = 0; i < pooled_elements(shape); i++)
        switches[i] = (uint8_t)random_below(&bench->random, shape->window_height * shape->window_width);
    return switches;
}

/* The place in the map that switch i points to. */
static int64_t switched_to(const dualprop_convolution *shape, const uint8_t *switches, int64_t i)
{
    int64_t o = i % shape->outputs, column = i / shape->outputs % shape->pooled_width;
    int64_t row = i / shape->outputs / shape->pooled_width % shape->pooled_height;
    int64_t b = i / shape->outputs / shape->pooled_width / shape->pooled_height;
    int64_t y = row * shape->window_stride_height + switches[i] / shape->window_width;
    int64_t x = column * shape->window_stride_width + switches[i] % shape->window_width;
    return ((b * shape->map_height + y) * shape->map_width + x) * shape->outputs + o;
}

/* What the map without pooling holds where the switches point: it has to be the greatest, so it is compared like a. */
static void record_switched(workbench *bench, const dualprop_convolution *shape, const uint8_t *switches, const void *x,
                            const void *weights, const void *bias, double scale)
{
    dualprop_convolution plain = *shape;
    plain.pooling = NONE;
    plain.pooled_height = plain.map_height, plain.pooled_width = plain.map_width;
    furnish(bench, &plain);
    void *map = bench_reals(bench, map_elements(shape)), *seen = bench_reals(bench, pooled_elements(shape));
    ck_assert_int_eq(bench->backend->convolution_prepare(bench->self, &plain, weights), DUALPROP_OK);
    ck_assert_int_eq(bench->backend->convolution_bottom_up(bench->self, &plain, map, NULL, x, weights, bias, NULL),
                     DUALPROP_OK);
    for (int64_t i = 0; i < pooled_elements(shape); i++) {
        ck_assert(switches[i] < shape->window_height * shape->window_width);
        bench_set(bench, seen, i, bench_get(bench, map, switched_to(shape, switches, i)));
    }
    bench_record(bench, "map at the switch", seen, pooled_elements(shape), scale);
}

/* A backend may compute such layers by Winograd's transforms, whose points raise the error of a sum about fivefold. */
static double transform_growth(const dualprop_convolution *shape)
{
    int is_3x3 = shape->kind == CONVOLUTION && shape->kernel_height == 3 && shape->kernel_width == 3 &&
                 shape->stride_height == 1 && shape->stride_width == 1;
    return is_3x3 && shape->channels >= 16 && shape->outputs >= 16 ? 5 : 1;
}

/* The length of the sums of the first two directions, and a third of it: the size of such a sum of random products. */
static double taps_scale(const dualprop_convolution *shape, int64_t depth)
{
    return transform_growth(shape) * ((double)(shape->kernel_height * shape->kernel_width * depth) / 3 + 2);
}

static dualprop_status run_convolution_bottom_up(workbench *bench, int size, int variant)
{
    dualprop_convolution shape = convolution_shape(size);
    furnish(bench, &shape);
    int64_t count = pooled_elements(&shape);
    double results[2], scale = taps_scale(&shape, shape.channels);
    void *x = bench_uniform(bench, input_elements(&shape), -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, -1, 1);
    void *bias = bench_uniform(bench, bias_elements(&shape), -1, 1);
    uint8_t *switches = make_switches(bench, &shape);
    dualprop_dyad dyad = make_dyad(bench, &followers[variant].variant, followers[variant].activation, count, results);
    void *a = (void *)(uintptr_t)dyad.a;
    memset(a, 0xff, (size_t)count * bench_real_size(bench));
    dualprop_status status = bench->backend->convolution_prepare(bench->self, &shape, weights);
    if (status == DUALPROP_OK)
        status = bench->backend->convolution_bottom_up(bench->self, &shape, a, switches, x, weights, bias,
                                                       variant ? &dyad : NULL);
    bench_record(bench, "a", a, count, scale);
    if (switches && variant == 0) record_switched(bench, &shape, switches, x, weights, bias, scale);
    if (variant) record_dyad(bench, &dyad, results, 2 * scale, 2 * scale);
    return status;
}

/* Variant 0 has a NaN in the bias, 1 in the input: neither pooling nor the activation may lose it. */
static dualprop_status run_convolution_nan(workbench *bench, int size, int variant)
{
    dualprop_convolution shape = convolution_shape(size);
    furnish(bench, &shape);
    double results[2];
    void *x = bench_uniform(bench, input_elements(&shape), -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, 0.5, 1);
    void *bias = bench_uniform(bench, bias_elements(&shape), -1, 1);
    uint8_t *switches = make_switches(bench, &shape);
    dualprop_dyad dyad = make_dyad(bench, &dyad_variants[10], DUALPROP_RELU, pooled_elements(&shape), results);
    if (variant == 0) bench_set(bench, bias, random_below(&bench->random, shape.outputs), NAN);
    for (int64_t i = 0; variant == 1 && i < shape.height * shape.width; i++)
        bench_set(bench, x, i * shape.channels, NAN);
    dualprop_status status = bench->backend->convolution_prepare(bench->self, &shape, weights);
    if (status == DUALPROP_OK)
        status = bench->backend->convolution_bottom_up(bench->self, &shape, (void *)(uintptr_t)dyad.a, switches, x,
                                                       weights, bias, &dyad);
    bench_record_number(bench, "max_abs", results[0], 0);
    ck_assert_msg(isnan(results[0]), "the largest magnitude lost a NaN");
    return status;
}

static dualprop_status run_convolution_top_down(workbench *bench, int size, int variant)
{
    dualprop_convolution shape = convolution_shape(size);
    furnish(bench, &shape);
    int64_t count = input_elements(&shape);
    double results[2], scale = taps_scale(&shape, shape.outputs);
    void *delta = bench_uniform(bench, pooled_elements(&shape), -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, -1, 1);
    uint8_t *switches = make_switches(bench, &shape);
    dualprop_dyad dyad = make_dyad(bench, &followers[variant].variant, followers[variant].activation, count, results);
    void *top_down = dyad.top_down ? (void *)(uintptr_t)dyad.top_down : bench_reals(bench, count);
    memset(top_down, 0xff, (size_t)count * bench_real_size(bench));
    dualprop_status status = bench->backend->convolution_prepare(bench->self, &shape, weights);
    if (status == DUALPROP_OK)
        status = bench->backend->convolution_top_down(bench->self, &shape, top_down, delta, switches, weights,
                                                      variant ? &dyad : NULL);
    bench_record(bench, "top_down", top_down, count, scale);
    if (variant) record_dyad(bench, &dyad, results, 2 * scale, 2 * scale);
    return status;
}

/* Everything a convolutional layer learns with. */
struct convolution_learning {
    dualprop_convolution shape;
    int64_t elements, biases;
    uint8_t *switches;
    double scale;
    void *x, *delta, *weights, *bias, *gradient, *bias_gradient, *moments[4];
};

static struct convolution_learning make_convolution_learning(workbench *bench, int size)
{
    struct convolution_learning learning = { .shape = convolution_shape(size) };
    dualprop_convolution *shape = &learning.shape;
    furnish(bench, shape);
    learning.elements = bench->backend->convolution_weight_elements(bench->self, shape);
    learning.biases = bias_elements(shape);
    learning.scale = -0.5 / (double)(shape->batch * (shape->kind == LOCAL ? 1 : shape->map_height * shape->map_width));
    learning.x = bench_uniform(bench, input_elements(shape), -1, 1);
    learning.delta = bench_uniform(bench, pooled_elements(shape), -1, 1);
    learning.switches = make_switches(bench, shape);
    learning.weights = bench_convolution_weights(bench, shape, -1, 1);
    learning.gradient = bench_convolution_weights(bench, shape, -1, 1);
    learning.moments[0] = bench_convolution_weights(bench, shape, -1, 1);
    learning.moments[1] = bench_convolution_weights(bench, shape, 0.1, 1);
    learning.bias = bench_uniform(bench, learning.biases, -1, 1);
    learning.bias_gradient = bench_uniform(bench, learning.biases, -1, 1);
    learning.moments[2] = bench_uniform(bench, learning.biases, -1, 1);
    learning.moments[3] = bench_uniform(bench, learning.biases, 0.1, 1);
    return learning;
}

static void record_convolution_learned(workbench *bench, const struct convolution_learning *learning)
{
    const dualprop_convolution *shape = &learning->shape;
    double scale = 4 * transform_growth(shape);
    bench_record_convolution_weights(bench, "weights", shape, learning->weights, scale);
    bench_record_convolution_weights(bench, "weight moment 1", shape, learning->moments[0], scale);
    bench_record_convolution_weights(bench, "weight moment 2", shape, learning->moments[1], scale);
    bench_record(bench, "bias", learning->bias, learning->biases, 4);
    bench_record(bench, "bias moment 1", learning->moments[2], learning->biases, 4);
    bench_record(bench, "bias moment 2", learning->moments[3], learning->biases, 4);
}

static dualprop_status run_convolution_gradient(workbench *bench, int size, int accumulate)
{
    struct convolution_learning learning = make_convolution_learning(bench, size);
    dualprop_status status = bench->backend->convolution_gradient(
        bench->self, &learning.shape, learning.gradient, learning.bias_gradient, learning.x, learning.delta,
        learning.switches, learning.scale, accumulate, NULL, NULL, NULL, NULL);
    bench_record_convolution_weights(bench, "gradient", &learning.shape, learning.gradient,
                                     2 * transform_growth(&learning.shape));
    bench_record(bench, "bias gradient", learning.bias_gradient, learning.biases, 2);
    return status;
}

static dualprop_status run_convolution_fused(workbench *bench, int size, int kind)
{
    struct convolution_learning learning = make_convolution_learning(bench, size);
    dualprop_step_numbers numbers = step_numbers(kind);
    void *moments[4] = { first_of(kind, learning.moments[0]), second_of(kind, learning.moments[1]),
                         first_of(kind, learning.moments[2]), second_of(kind, learning.moments[3]) };
    dualprop_status status = bench->backend->convolution_gradient(bench->self, &learning.shape, NULL, NULL, learning.x,
                                                                  learning.delta, learning.switches, learning.scale, 0,
                                                                  &numbers, learning.weights, learning.bias, moments);
    record_convolution_learned(bench, &learning);
    return status;
}

/* The same in two calls, which has to give the same bits. */
static dualprop_status run_convolution_apart(workbench *bench, int size, int kind)
{
    struct convolution_learning learning = make_convolution_learning(bench, size);
    dualprop_step_numbers numbers = step_numbers(kind);
    void *second = second_of(kind, learning.moments[1]);
    void *bias_second = second_of(kind, learning.moments[3]);
    dualprop_status status = bench->backend->convolution_gradient(
        bench->self, &learning.shape, learning.gradient, learning.bias_gradient, learning.x, learning.delta,
        learning.switches, learning.scale, 0, NULL, NULL, NULL, NULL);
    if (status == DUALPROP_OK)
        status = bench->backend->optimizer_step(bench->self, &numbers, learning.elements, learning.weights,
                                                learning.gradient, first_of(kind, learning.moments[0]), second);
    if (status == DUALPROP_OK)
        status =
            bench->backend->optimizer_step(bench->self, &numbers, learning.biases, learning.bias,
                                           learning.bias_gradient, first_of(kind, learning.moments[2]), bias_second);
    record_convolution_learned(bench, &learning);
    return status;
}

/* ---- input ---- */

static const struct input_variant {
    int type, layout; /* layouts: 0 packed, 1 gaps, 2 channels outside, 3 upside down, 4 every row the same */
} input_variants[] = {
    { DUALPROP_F32, 0 }, { DUALPROP_F64, 0 }, { DUALPROP_U8, 0 },  { DUALPROP_F32, 1 },
    { DUALPROP_F64, 1 }, { DUALPROP_U8, 1 },  { DUALPROP_F32, 2 }, { DUALPROP_U8, 2 },
    { DUALPROP_F64, 3 }, { DUALPROP_U8, 3 },  { DUALPROP_F32, 4 }, { DUALPROP_U8, 4 },
};

static const int64_t images[][4] = {
    { 1, 1, 1, 1 }, { 3, 1, 1, 33 }, { 2, 5, 7, 3 }, { 50, 28, 28, 1 }, { 4, 1, 13, 2 }, { 100, 1, 1, 50 },
};

/* The strides of a layout, and the element of the buffer at which the view starts; gives the buffer's elements. */
static int64_t lay_out(dualprop_view *view, int layout, int64_t *start)
{
    const int64_t *shape = view->shape;
    int64_t step = layout == 1 ? 3 : 1, size = shape[1] * shape[2] * shape[3];
    int64_t packed[4] = { size, shape[2] * shape[3], shape[3], 1 };
    int64_t planes[4] = { size, shape[2], 1, shape[1] * shape[2] };
    for (int axis = 0; axis < 4; axis++) view->strides[axis] = step * (layout == 2 ? planes : packed)[axis];
    *start = 0;
    if (layout == 3) {
        *start = (shape[1] - 1) * view->strides[1];
        view->strides[1] = -view->strides[1];
    }
    if (layout == 4) view->strides[0] = 0;
    return step * shape[0] * size;
}

static void set_input(void *data, int type, int64_t index, uint64_t bits)
{
    double value = (double)(float)((double)(bits % 100000) / 25000 - 2);
    if (type == DUALPROP_U8) ((uint8_t *)data)[index] = (uint8_t)bits;
    else if (type == DUALPROP_F32) ((float *)data)[index] = (float)value;
    else ((double *)data)[index] = value * 1.0000000001;
}

static dualprop_view make_input(workbench *bench, int size, const struct input_variant *variant)
{
    dualprop_view view = { .struct_size = sizeof view, .type = variant->type, .rank = 4 };
    memcpy(view.shape, images[size], sizeof images[size]);
    int64_t start, elements = lay_out(&view, variant->layout, &start);
    int64_t width = variant->type == DUALPROP_U8 ? 1 : variant->type == DUALPROP_F32 ? 4 : 8;
    char *data = bench_bytes(bench, elements * width);
    for (int64_t i = 0; i < elements; i++) set_input(data, variant->type, i, random_bits(&bench->random) >> 20);
    view.data = data + start * width;
    return view;
}

static dualprop_status load(workbench *bench, int size, const struct input_variant *variant,
                            const int32_t *augmentation)
{
    dualprop_view view = make_input(bench, size, variant);
    int64_t count = view.shape[0] * view.shape[1] * view.shape[2] * view.shape[3];
    double mean[64], deviation[64], max_abs = -1;
    for (int c = 0; c < 64; c++) mean[c] = 0.25 + c / 256.0, deviation[c] = 0.25 + c / 128.0;
    void *x = bench_reals(bench, count);
    dualprop_status status = bench->backend->load_input(bench->self, x, &view, mean, deviation, augmentation, &max_abs);
    bench_record(bench, "x", x, count, 0);
    bench_record_number(bench, "max_abs", max_abs, 0);
    return status;
}

static dualprop_status run_load(workbench *bench, int size, int number)
{
    return load(bench, size, &input_variants[number], NULL);
}

/* Shifts up to beyond the image, far beyond it now and then, every second one mirrored. */
static dualprop_status run_load_moved(workbench *bench, int size, int number)
{
    static const int32_t far[] = { INT32_MIN, INT32_MAX };
    int64_t rows = images[size][0];
    int32_t *augmentation = bench_bytes(bench, rows * 3 * (int64_t)sizeof *augmentation);
    for (int64_t row = 0; row < rows; row++) {
        for (int axis = 0; axis < 2; axis++) {
            int32_t reach = (int32_t)images[size][1 + axis] + 1;
            augmentation[3 * row + axis] = (int32_t)random_below(&bench->random, 2 * reach + 1) - reach;
        }
        augmentation[3 * row + 2] = (int32_t)random_below(&bench->random, 2);
        if (row % 16 == 7) augmentation[3 * row + row / 16 % 2] = far[row / 32 % 2];
    }
    return load(bench, size, &input_variants[number], augmentation);
}

/* Numbers by hand: a 2 x 3 image of one channel, mirrored, then one row down and one column left. */
static void check_augmentation(workbench *bench)
{
    static const int32_t augmentation[] = { 1, -1, 1 };
    static const double pixels[] = { 1, 2, 3, 4, 5, 6 }, moved[] = { 0, 0, 0, 2, 1, 0 };
    dualprop_view view = { .struct_size = sizeof view,
                           .data = (void *)(uintptr_t)pixels,
                           .type = DUALPROP_F64,
                           .rank = 4,
                           .shape = { 1, 2, 3, 1 },
                           .strides = { 6, 3, 1, 1 } };
    double max_abs = -1;
    void *x = bench_reals(bench, 6);
    ck_assert_int_eq(bench->backend->load_input(bench->self, x, &view, NULL, NULL, augmentation, &max_abs),
                     DUALPROP_OK);
    for (int i = 0; i < 6; i++) ck_assert_double_eq(bench_get(bench, x, i), moved[i]);
    ck_assert_double_eq(max_abs, 2);
}

static dualprop_status run_load_nan(workbench *bench, int size, int number)
{
    struct input_variant variant = { number % 2 ? DUALPROP_F64 : DUALPROP_F32, 0 };
    dualprop_view view = make_input(bench, size, &variant);
    int64_t count = view.shape[0] * view.shape[1] * view.shape[2] * view.shape[3];
    int64_t at = random_below(&bench->random, count);
    if (variant.type == DUALPROP_F32) ((float *)view.data)[at] = NAN;
    else ((double *)view.data)[at] = NAN;
    double mean[64] = { 0 }, deviation[64] = { 0 }, max_abs = -1;
    void *x = bench_reals(bench, count);
    dualprop_status status = bench->backend->load_input(bench->self, x, &view, mean, deviation, NULL, &max_abs);
    bench_record_number(bench, "max_abs", max_abs, 0);
    ck_assert_msg(isnan(max_abs), "the largest magnitude lost a NaN");
    return status;
}

/* ---- sums ---- */

static dualprop_status run_compare(workbench *bench, int size, int variant)
{
    int64_t count = counts[size];
    double scale = (double)count * sqrt((double)count);
    double sums[4] = { -1, -1, -1, -1 };
    void *x = bench_uniform(bench, count, -1, 1);
    void *y = variant ? x : bench_uniform(bench, count, -1, 1);
    dualprop_status status = bench->backend->compare(bench->self, count, x, y, sums);
    bench_record_number(bench, "x.y", sums[0], scale);
    bench_record_number(bench, "x.x", sums[1], scale);
    bench_record_number(bench, "y.y", sums[2], scale);
    bench_record_number(bench, "|x - y|^2", sums[3], scale);
    return status;
}

/* Variants: as they come; a NaN at the start, in the middle, at the end, before an infinity; an infinity; all zero. */
static dualprop_status run_max_abs(workbench *bench, int size, int variant)
{
    int64_t count = counts[size], places[3] = { 0, count / 2, count - 1 };
    void *x = variant == 6 ? bench_zeros(bench, count) : bench_uniform(bench, count, -5, 3);
    if (variant == 4 || variant == 5) bench_set(bench, x, count - 1, -INFINITY);
    if (variant >= 1 && variant <= 4) bench_set(bench, x, places[(variant - 1) % 3], NAN);
    double max_abs = -1;
    dualprop_status status = bench->backend->max_abs(bench->self, count, x, &max_abs);
    bench_record_number(bench, "max_abs", max_abs, 0);
    return status;
}

static dualprop_status run_uniform(workbench *bench, int size, int variant)
{
    static const uint64_t firsts[] = { 0, 1, 6, 0xfffffffffULL };
    void *x = bench_reals(bench, counts[size]);
    dualprop_status status = bench->backend->fill_uniform(bench->self, x, counts[size], 0x123456789abcdefULL,
                                                          (uint64_t)variant << 33, firsts[variant]);
    bench_record(bench, "x", x, counts[size], 1);
    return status;
}

/* ---- the table ---- */

#define DYADS (COUNT_OF(dyad_variants) * COUNT_OF(activations))

static const struct kernel {
    const char *name;
    dualprop_status (*run)(workbench *bench, int size, int variant);
    int sizes, variants;
    double absolute, relative; /* units of epsilon: absolute ones multiply the group's scale */
    int in_double;             /* epsilon of double for both types */
    const char *reason;
} kernels[] = {
    { "dyad_update", run_dyad, COUNT_OF(counts), DYADS, 4, 40, 0,
      "rounding a + c Delta moves sigmoid by |2a| epsilon of itself, tanh by twice that; exp and products add a few" },
    { "dyad_update NaN", run_dyad_nan, 17, 6 * COUNT_OF(activations), 4, 40, 0, "as dyad_update" },
    { "dyad_update softmax", run_softmax, COUNT_OF(rows_of_width), COUNT_OF(dyad_variants), 4, 40, 0,
      "as dyad_update: exp of numbers below 10, and sums in double" },
    { "dyad_update softmax NaN", run_softmax_nan, COUNT_OF(rows_of_width), 4, 4, 40, 0, "as dyad_update" },
    { "extended_update", run_extended, COUNT_OF(rows_of_width), COUNT_OF(extended_variants) * COUNT_OF(activations), 8,
      40, 0, "as dyad_update, with the old dyad's rounding added" },
    { "output_proximal", run_proximal, COUNT_OF(rows_of_width), 6, 4, 8, 0,
      "solved in double; a handful of roundings of numbers up to 4" },
    { "output_step", run_output, COUNT_OF(rows_of_width), COUNT_OF(output_variants), 4, 8, 0,
      "a handful of operations on numbers up to 8, and exp in softmax" },
    { "output_step NaN", run_output_nan, COUNT_OF(rows_of_width), COUNT_OF(output_variants), 4, 8, 0,
      "as output_step" },
    { "evaluate", run_evaluate, COUNT_OF(rows_of_width), 4, 4, 4, 0, "exp and log of one type, sums in double" },
    { "dense_bottom_up", run_bottom_up, COUNT_OF(shapes), FOLLOWERS, 2, 40, 0,
      "a sum of K products below 1 errs by less than epsilon K / 3 in any order that random signs leave likely" },
    { "dense_top_down", run_top_down, COUNT_OF(shapes), FOLLOWERS, 2, 40, 0, "as dense_bottom_up" },
    { "dense_gradient", run_gradient, COUNT_OF(shapes), 2, 2, 4, 0,
      "as dense_bottom_up, divided by the batch, which is the length of the sum" },
    { "dense_gradient with step", run_fused_step, COUNT_OF(shapes), STEPS, 2, 8, 0,
      "the error of the gradient passes through a step whose slope is below 4 at these moments" },
    { "dense_gradient, step apart", run_separate_step, COUNT_OF(shapes), STEPS, 2, 8, 0, "the same" },
    { "convolution_bottom_up", run_convolution_bottom_up, COUNT_OF(convolutions), FOLLOWERS, 2, 40, 0,
      "as dense_bottom_up, K being the taps times the channels" },
    { "convolution_bottom_up NaN", run_convolution_nan, COUNT_OF(convolutions), 2, 0, 0, 0, "a NaN is a NaN" },
    { "convolution_top_down", run_convolution_top_down, COUNT_OF(convolutions), FOLLOWERS, 2, 40, 0,
      "as dense_bottom_up, K being the taps times the outputs" },
    { "convolution_gradient", run_convolution_gradient, COUNT_OF(convolutions), 2, 2, 4, 0,
      "as dense_gradient, divided by the samples and the places that share a weight" },
    { "convolution_gradient with step", run_convolution_fused, COUNT_OF(convolutions), STEPS, 2, 8, 0,
      "as dense_gradient with step" },
    { "convolution_gradient, step apart", run_convolution_apart, COUNT_OF(convolutions), STEPS, 2, 8, 0, "the same" },
    { "optimizer_step", run_optimizer, COUNT_OF(counts), STEPS, 2, 8, 0, "ten operations on numbers below 2" },
    { "load_input", run_load, COUNT_OF(images), COUNT_OF(input_variants), 0, 1, 0, "one rounding to the type" },
    { "load_input moved", run_load_moved, COUNT_OF(images), COUNT_OF(input_variants), 0, 1, 0, "as load_input" },
    { "load_input NaN", run_load_nan, COUNT_OF(images), 2, 0, 0, 0, "a NaN is a NaN" },
    { "compare", run_compare, COUNT_OF(counts), 2, 1, 4, 1,
      "each of n additions rounds a sum of at most 4 n, and the square root of n of these errors is left" },
    { "max_abs", run_max_abs, COUNT_OF(counts), 7, 0, 0, 0, "nothing rounds" },
    { "fill_uniform", run_uniform, COUNT_OF(counts), 4, 1, 0, 0, "a float drops the last 9 bits of the word" },
};

/* ---- the subjects ---- */

struct subject {
    const dualprop_backend *backend;
    int type, level;
    const char *name;
};

/* The tests of a backend in a module include this file and bring their own. */
#ifndef DUALPROP_TEST_SUBJECTS
static const struct subject subjects[] = {
    { &dualprop__reference_backend, DUALPROP_F32, DUALPROP_LEVEL_BASELINE, "reference f32" },
    { &dualprop__reference_backend, DUALPROP_F64, DUALPROP_LEVEL_BASELINE, "reference f64" },
#ifndef DUALPROP_NO_BLIS
    { &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_BASELINE, "blis f32 baseline" },
    { &dualprop__blis_backend, DUALPROP_F64, DUALPROP_LEVEL_BASELINE, "blis f64 baseline" },
    { &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_AVX2, "blis f32 avx2" },
    { &dualprop__blis_backend, DUALPROP_F64, DUALPROP_LEVEL_AVX2, "blis f64 avx2" },
    { &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_AVX512, "blis f32 avx512" },
    { &dualprop__blis_backend, DUALPROP_F64, DUALPROP_LEVEL_AVX512, "blis f64 avx512" },
    { &dualprop__blis_backend, DUALPROP_F32, BENCH_WIDE, "blis f32 32x12" },
    { &dualprop__blis_backend, DUALPROP_F64, BENCH_WIDE, "blis f64 16x14" },
#endif
};
#define SUBJECTS COUNT_OF(subjects)
/* With 1 .. 4 threads. */
#define INSTANCES 4
#else
static struct subject subjects[DUALPROP_TEST_SUBJECTS];
#define SUBJECTS DUALPROP_TEST_SUBJECTS
/* A device does not count threads: a second one runs all in another order, and has the same bits. */
#define INSTANCES 2
#endif

/* Open a subject; false if this machine does not have it. */
static int open_subject(workbench *bench, const struct subject *subject, int threads)
{
    dualprop_status status = bench_open(bench, subject->backend, subject->type, subject->level, threads);
    if (status == DUALPROP_ERROR_NO_BACKEND) return 0;
    ck_assert_msg(status == DUALPROP_OK, "%s: create gave %s: %s", subject->name, dualprop_status_name(status),
                  bench->host.sentence);
    return 1;
}

static void run(workbench *bench, const struct kernel *kernel, int size, int variant)
{
    bench_begin(bench, (uint64_t)(size * 1000 + variant));
    dualprop_status status = kernel->run(bench, size, variant);
    ck_assert_msg(status == DUALPROP_OK, "%s, size %d, variant %d: %s: %s", kernel->name, size, variant,
                  dualprop_status_name(status), bench->host.sentence);
    ck_assert_msg(bench_intact(bench), "%s of %s, size %d, variant %d wrote outside an array", kernel->name,
                  bench->backend->name, size, variant);
}

static void check_near(const workbench *bench, const workbench *expected, const struct kernel *kernel,
                       const char *subject, int size, int variant)
{
    double epsilon = bench->type == DUALPROP_F32 && !kernel->in_double ? FLT_EPSILON : DBL_EPSILON;
    ck_assert_int_eq(bench->group_count, expected->group_count);
    for (int i = 0; i < bench->group_count; i++) {
        const bench_group *group = &bench->groups[i];
        double absolute = epsilon * kernel->absolute * group->scale, relative = epsilon * kernel->relative;
        const double *values = bench->values + group->first, *wanted = expected->values + group->first;
        int64_t far = comparison_first_far(values, wanted, group->count, absolute, relative);
        ck_assert_msg(
            far < 0,
            "%s of %s, size %d, variant %d: %s[%lld] is %.17g, expected %.17g within %.3g + %.3g of it (%s; seed %llu)",
            kernel->name, subject, size, variant, group->label, (long long)far, values[far < 0 ? 0 : far],
            wanted[far < 0 ? 0 : far], absolute, relative, kernel->reason, (unsigned long long)random_seed());
    }
}

/* The first value whose bits differ, or -1; a NaN is a NaN. (One assertion for all: Check writes each to a file.) */
static int64_t first_other_bits(const double *values, const double *expected, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&values[i], &expected[i], sizeof(double)) && !(isnan(values[i]) && isnan(expected[i]))) return i;
    return -1;
}

static void check_same_bits(const workbench *bench, const workbench *first, const char *what, const char *subject,
                            int size, int variant)
{
    ck_assert_int_eq(bench->value_count, first->value_count);
    int64_t other = first_other_bits(bench->values, first->values, bench->value_count);
    ck_assert_msg(other < 0,
                  "%s of %s, size %d, variant %d: value %lld is %.17g, but %.17g with one thread, or in one call", what,
                  subject, size, variant, (long long)other, bench->values[other < 0 ? 0 : other],
                  first->values[other < 0 ? 0 : other]);
}

static void check_threads(workbench benches[INSTANCES], const struct kernel *kernel, const char *subject, int size,
                          int variant)
{
    for (int i = 1; i < INSTANCES; i++) {
        run(&benches[i], kernel, size, variant);
        check_same_bits(&benches[i], &benches[0], kernel->name, subject, size, variant);
    }
}

/* The largest size takes long, so only every seventh variant (activations and gains come in sixes) goes through it. */
static int left_out(const struct kernel *kernel, int size, int variant)
{
    return size == kernel->sizes - 1 && kernel->variants > 7 && variant % 7 != 0;
}

/* A backend may leave the slots for convolutions and for the rarer options to the reference, or do without. */
static int has_slot(const struct kernel *kernel, const struct subject *subject)
{
    int is_option = kernel->run == run_extended || kernel->run == run_proximal;
    if (is_option && !subject->backend->extended_update) return 0;
    return strncmp(kernel->name, "convolution", 11) != 0 || subject->backend->convolution_bottom_up;
}

static void check_subject(const struct kernel *kernel, const struct subject *subject)
{
    workbench expected, benches[INSTANCES];
    if (!has_slot(kernel, subject)) return;
    if (!open_subject(&benches[0], subject, 1)) return;
    for (int i = 1; i < INSTANCES; i++) ck_assert(open_subject(&benches[i], subject, i + 1));
    ck_assert_int_eq(bench_open(&expected, &dualprop__reference_backend, DUALPROP_F64, 0, 1), DUALPROP_OK);
    for (int size = 0; size < kernel->sizes; size++)
        for (int variant = 0; variant < kernel->variants; variant++) {
            if (left_out(kernel, size, variant)) continue;
            run(&expected, kernel, size, variant);
            run(&benches[0], kernel, size, variant);
            check_near(&benches[0], &expected, kernel, subject->name, size, variant);
            check_threads(benches, kernel, subject->name, size, variant);
        }
    bench_close(&expected);
    for (int i = 0; i < INSTANCES; i++) bench_close(&benches[i]);
}

START_TEST(kernel_agrees_with_the_reference)
{
    for (int i = 0; i < SUBJECTS; i++) check_subject(&kernels[_i], &subjects[i]);
}
END_TEST

/* ---- what the table cannot say ---- */

START_TEST(fused_step_has_the_bits_of_the_separate_one)
{
    struct kernel fused = { .name = "fused step", .run = run_fused_step };
    struct kernel apart = { .name = "separate step", .run = run_separate_step };
    workbench one, other;
    if (!open_subject(&one, &subjects[_i], 1)) return;
    ck_assert(open_subject(&other, &subjects[_i], 2));
    for (int size = 0; size < COUNT_OF(shapes); size++)
        for (int kind = 0; kind < STEPS; kind++) {
            run(&one, &fused, size, kind);
            run(&other, &apart, size, kind);
            check_same_bits(&other, &one, "separate step", subjects[_i].name, size, kind);
        }
    bench_close(&one);
    bench_close(&other);
}
END_TEST

/* Numbers at the ends of the range, beside which steps hold and flush; moments are never above 1e30. */
static void set_extremes(workbench *bench, void *array, int64_t count, int first, int is_finite)
{
    int narrow = bench->type == DUALPROP_F32;
    double smallest = narrow ? 0x1p-126 : 0x1p-1022, least = narrow ? 0x1p-149 : 0x1p-1074;
    const double extremes[] = { 0,     -0.0,     smallest, -smallest, smallest * 0.5, -least,
                                least, 1e18,     -1e18,    1e30,      -1e30,          narrow ? 3e38 : 1e308,
                                NAN,   INFINITY, -INFINITY };
    int known = COUNT_OF(extremes) - (is_finite ? 4 : 0);
    for (int64_t i = 0; i < count; i += 2) bench_set(bench, array, i, extremes[(first + i / 2) % known]);
}

static void step_on_extremes(workbench *bench, int step, int64_t count)
{
    dualprop_step_numbers numbers = step_numbers(step);
    bench_begin(bench, (uint64_t)count);
    void *w = bench_uniform(bench, count, -1, 1), *g = bench_uniform(bench, count, -1, 1);
    void *moment1 = bench_uniform(bench, count, -1, 1), *moment2 = bench_uniform(bench, count, 0.1, 1);
    set_extremes(bench, w, count, 3, 1);
    set_extremes(bench, g, count, 0, 0);
    set_extremes(bench, moment1, count, 5, 1);
    ck_assert_int_eq(bench->backend->optimizer_step(bench->self, &numbers, count, w, g, first_of(step, moment1),
                                                    second_of(step, moment2)),
                     DUALPROP_OK);
    bench_record(bench, "w", w, count, 2);
    bench_record(bench, "moment 1", moment1, count, 2);
    bench_record(bench, "moment 2", moment2, count, 2);
    ck_assert(bench_intact(bench));
}

START_TEST(steps_have_the_bits_of_the_reference_on_every_level)
{
    workbench one, reference;
    if (!open_subject(&one, &subjects[_i], 1)) return;
    ck_assert_int_eq(bench_open(&reference, &dualprop__reference_backend, one.type, 0, 1), DUALPROP_OK);
    for (int64_t count = 1; count < 200; count += 7)
        for (int step = 0; step < STEPS; step++) {
            step_on_extremes(&reference, step, count);
            step_on_extremes(&one, step, count);
            check_same_bits(&one, &reference, "optimizer step on extremes", subjects[_i].name, (int)count, step);
        }
    bench_close(&one);
    bench_close(&reference);
}
END_TEST

START_TEST(fused_convolution_step_has_the_bits_of_the_separate_one)
{
    struct kernel fused = { .name = "convolution fused step", .run = run_convolution_fused };
    struct kernel apart = { .name = "convolution separate step", .run = run_convolution_apart };
    workbench one, other;
    if (!has_slot(&fused, &subjects[_i]) || !open_subject(&one, &subjects[_i], 1)) return;
    ck_assert(open_subject(&other, &subjects[_i], 2));
    for (int size = 0; size < COUNT_OF(convolutions); size++)
        for (int kind = 0; kind < STEPS; kind++) {
            run(&one, &fused, size, kind);
            run(&other, &apart, size, kind);
            check_same_bits(&other, &one, apart.name, subjects[_i].name, size, kind);
        }
    bench_close(&one);
    bench_close(&other);
}
END_TEST

START_TEST(weights_come_back_as_they_were_written)
{
    workbench bench;
    if (!open_subject(&bench, &subjects[_i], 1)) return;
    for (int size = 0; size < COUNT_OF(shapes); size++) {
        int64_t inputs = shapes[size].inputs, outputs = shapes[size].outputs;
        bench_begin(&bench, (uint64_t)size);
        ck_assert_int_ge(bench.backend->weight_elements(bench.self, inputs, outputs), inputs * outputs);
        randomness before = bench.random;
        void *weights = bench_weights(&bench, inputs, outputs, -1, 1);
        bench_record_weights(&bench, "weights", weights, inputs, outputs, 0);
        int same = 1;
        for (int64_t i = 0; i < inputs * outputs; i++)
            same &= bench.values[i] == (double)(float)random_uniform(&before, -1, 1);
        ck_assert(same);
        ck_assert(bench_intact(&bench));
    }
    bench_close(&bench);
}
END_TEST

static void set_all(workbench *bench, void *reals, const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) bench_set(bench, reals, i, values[i]);
}

static int holds(workbench *bench, const void *reals, const double *values, int64_t count)
{
    int same = 1;
    for (int64_t i = 0; i < count; i++) same &= bench_get(bench, reals, i) == values[i];
    return same;
}

/* So that the reference itself is held to something: small whole numbers, multiplied with pencil and paper. */
static void check_products(workbench *bench)
{
    static const double x[] = { 1, 2, 3, 4, 5, 6 }, w[] = { 1, -1, 2, 0, 0, 3 }, b[] = { 10, 20 },
                        d[] = { 1, 2, -1, 3 };
    static const double bottom_up[] = { 15, 28, 24, 34 }, top_down[] = { -1, 2, 6, -4, -2, 9 };
    static const double gradient[] = { -6, 28, -6, 38, -6, 48 }, bias_gradient[] = { 0, 10 };
    dualprop_dense shape = { 2, 3, 2, bench_bytes(bench, bench->backend->dense_workspace(bench->self, 2, 3, 2)), 0 };
    int64_t elements = bench->backend->weight_elements(bench->self, 3, 2);
    void *weights = bench_zeros(bench, elements), *slopes = bench_zeros(bench, elements),
         *plain = bench_reals(bench, 6);
    void *input = bench_reals(bench, 6), *bias = bench_reals(bench, 2), *delta = bench_reals(bench, 4);
    void *a = bench_reals(bench, 4), *down = bench_reals(bench, 6), *bias_slopes = bench_reals(bench, 2);
    set_all(bench, plain, w, 6), set_all(bench, input, x, 6), set_all(bench, bias, b, 2), set_all(bench, delta, d, 4);
    const dualprop_backend *backend = bench->backend;
    ck_assert_int_eq(backend->write_weights(bench->self, weights, plain, 3, 2), DUALPROP_OK);
    ck_assert_int_eq(backend->dense_bottom_up(bench->self, &shape, a, input, weights, bias, NULL), DUALPROP_OK);
    ck_assert(holds(bench, a, bottom_up, 4));
    ck_assert_int_eq(backend->dense_top_down(bench->self, &shape, down, delta, weights, NULL), DUALPROP_OK);
    ck_assert(holds(bench, down, top_down, 6));
    ck_assert_int_eq(
        backend->dense_gradient(bench->self, &shape, slopes, bias_slopes, input, delta, 2, 0, NULL, NULL, NULL, NULL),
        DUALPROP_OK);
    ck_assert_int_eq(backend->read_weights(bench->self, plain, slopes, 3, 2), DUALPROP_OK);
    ck_assert(holds(bench, plain, gradient, 6) && holds(bench, bias_slopes, bias_gradient, 2));
    ck_assert(bench_intact(bench));
}

START_TEST(products_by_hand)
{
    workbench bench;
    if (!open_subject(&bench, &subjects[_i], 1)) return;
    bench_begin(&bench, 0);
    check_products(&bench);
    check_augmentation(&bench);
    bench_close(&bench);
}
END_TEST

/* One 3 x 3 image of one channel, two 2 x 2 kernels, pooled over 2 x 2: everything with pencil and paper. */
static const double image[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const double kernels_of_two[] = { 1, 0, -1, 0, 0, 1, 2, -1 };

static dualprop_convolution small_convolution(workbench *bench, int pooling)
{
    /* clang-format off */
    dualprop_convolution shape = {
        .kind = CONVOLUTION, .pooling = pooling, .batch = 1, .height = 3, .width = 3, .channels = 1, .outputs = 2,
        .kernel_height = 2, .kernel_width = 2, .stride_height = 1, .stride_width = 1, .map_height = 2, .map_width = 2,
        .window_height = 2, .window_width = 2, .window_stride_height = 2, .window_stride_width = 2,
        .pooled_height = 1, .pooled_width = 1,
    };
    /* clang-format on */
    furnish(bench, &shape);
    return shape;
}

/* Kernel 1 gives x00 - x01 + 2 x11 = 9, 11, 15, 17, kernel 2 gives x10 - x11 = -1 everywhere: the first of equals. */
static void check_convolution(workbench *bench, int pooling, const double a_expected[2], const double down_expected[9],
                              const double gradient_expected[8])
{
    static const double bias_values[] = { 0.5, 0.25 }, delta_values[] = { 4, 8 };
    const dualprop_backend *backend = bench->backend;
    dualprop_convolution shape = small_convolution(bench, pooling);
    uint8_t *switches = pooling == MAX ? bench_bytes(bench, 2) : NULL;
    void *x = bench_reals(bench, 9), *plain = bench_reals(bench, 8), *bias = bench_reals(bench, 2);
    void *a = bench_reals(bench, 2), *delta = bench_reals(bench, 2), *down = bench_reals(bench, 9);
    int64_t elements = backend->convolution_weight_elements(bench->self, &shape);
    void *weights = bench_zeros(bench, elements), *slopes = bench_zeros(bench, elements);
    set_all(bench, x, image, 9), set_all(bench, plain, kernels_of_two, 8), set_all(bench, bias, bias_values, 2);
    set_all(bench, delta, delta_values, 2);
    ck_assert_int_eq(backend->write_convolution_weights(bench->self, &shape, weights, plain), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_prepare(bench->self, &shape, weights), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_bottom_up(bench->self, &shape, a, switches, x, weights, bias, NULL),
                     DUALPROP_OK);
    ck_assert(holds(bench, a, a_expected, 2));
    if (switches) ck_assert(switches[0] == 3 && switches[1] == 0);
    ck_assert_int_eq(backend->convolution_top_down(bench->self, &shape, down, delta, switches, weights, NULL),
                     DUALPROP_OK);
    ck_assert(holds(bench, down, down_expected, 9));
    ck_assert_int_eq(backend->convolution_gradient(bench->self, &shape, slopes, bias, x, delta, switches, 2, 0, NULL,
                                                   NULL, NULL, NULL),
                     DUALPROP_OK);
    ck_assert_int_eq(backend->read_convolution_weights(bench->self, &shape, plain, slopes), DUALPROP_OK);
    ck_assert(holds(bench, plain, gradient_expected, 8));
    ck_assert(holds(bench, bias, (double[]){ 8, 16 }, 2));
    ck_assert(bench_intact(bench));
}

START_TEST(convolutions_by_hand)
{
    static const double greatest[] = { 17.5, -0.75 }, greatest_down[] = { 0, 0, 0, 8, -4, -4, 0, 0, 8 };
    static const double mean[] = { 13.5, -0.75 }, mean_down[] = { 1, 0, -1, 3, 2, -1, 2, 2, 0 };
    static const double greatest_gradient[] = { 40, 16, 48, 32, 64, 64, 72, 80 };
    static const double mean_gradient[] = { 24, 48, 32, 64, 48, 96, 56, 112 };
    workbench bench;
    struct kernel kernel = { .name = "convolutions by hand" };
    if (!has_slot(&kernel, &subjects[_i]) || !open_subject(&bench, &subjects[_i], 1)) return;
    bench_begin(&bench, 0);
    check_convolution(&bench, MAX, greatest, greatest_down, greatest_gradient);
    bench_begin(&bench, 0);
    check_convolution(&bench, AVERAGE, mean, mean_down, mean_gradient);
    bench_close(&bench);
}
END_TEST

START_TEST(convolution_weights_come_back_as_they_were_written)
{
    workbench bench;
    struct kernel kernel = { .name = "convolution weights" };
    if (!has_slot(&kernel, &subjects[_i]) || !open_subject(&bench, &subjects[_i], 1)) return;
    for (int size = 0; size < COUNT_OF(convolutions); size++) {
        dualprop_convolution shape = convolution_shape(size);
        int64_t count = bench_convolution_elements(&shape);
        bench_begin(&bench, (uint64_t)size);
        ck_assert_int_ge(bench.backend->convolution_weight_elements(bench.self, &shape), count);
        randomness before = bench.random;
        void *weights = bench_convolution_weights(&bench, &shape, -1, 1);
        bench_record_convolution_weights(&bench, "weights", &shape, weights, 0);
        int same = 1;
        for (int64_t i = 0; i < count; i++) same &= bench.values[i] == (double)(float)random_uniform(&before, -1, 1);
        ck_assert(same);
        ck_assert(bench_intact(&bench));
    }
    bench_close(&bench);
}
END_TEST

static void check_memory(workbench *bench)
{
    const dualprop_backend *backend = bench->backend;
    char text[] = "nineteen characters", back[sizeof text];
    void *one = NULL, *other = NULL;
    ck_assert_int_eq(backend->allocate(bench->self, &one, sizeof text), DUALPROP_OK);
    ck_assert_int_eq(backend->allocate(bench->self, &other, sizeof text), DUALPROP_OK);
    ck_assert_uint_eq((uintptr_t)one % 64, 0);
    ck_assert_int_eq(backend->copy_in(bench->self, one, text, sizeof text), DUALPROP_OK);
    ck_assert_int_eq(backend->copy(bench->self, other, one, sizeof text), DUALPROP_OK);
    ck_assert_int_eq(backend->fill_zero(bench->self, one, sizeof text), DUALPROP_OK);
    ck_assert_int_eq(backend->copy_out(bench->self, back, other, sizeof text), DUALPROP_OK);
    ck_assert_int_eq(backend->synchronize(bench->self), DUALPROP_OK);
    ck_assert_str_eq(back, text);
    ck_assert_int_eq(backend->copy_out(bench->self, back, one, sizeof text), DUALPROP_OK);
    for (size_t i = 0; i < sizeof back; i++) ck_assert_int_eq(back[i], 0);
    backend->release(bench->self, one, sizeof text);
    backend->release(bench->self, other, sizeof text);
}

START_TEST(memory_is_the_hosts)
{
    workbench bench;
    char words[200] = "", cut[8] = "";
    if (!open_subject(&bench, &subjects[_i], 1)) return;
    if (bench.backend->allocate) check_memory(&bench);
    bench.backend->describe(bench.self, words, sizeof words);
    bench.backend->describe(bench.self, cut, sizeof cut);
    ck_assert_uint_gt(strlen(words), 0);
    ck_assert_uint_lt(strlen(cut), sizeof cut);
    bench_close(&bench);
}
END_TEST

/* Creation fails cleanly at each allocation, and an array that cannot be had is a status. */
START_TEST(no_memory_is_a_status)
{
    threaded_host host;
    threaded_host_init(&host, 2);
    const struct subject *subject = &subjects[_i];
    dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
    void *self = NULL;
    for (long at = 1; status == DUALPROP_ERROR_NO_MEMORY && at < 100; at++) {
        failing_allocator_arm(&host.memory, at, 0);
        status = bench_instance(&self, subject->backend, &host.host, subject->type, subject->level);
        if (status != DUALPROP_OK) ck_assert_int_eq(atomic_load(&host.memory.live_blocks), 0);
    }
    if (status == DUALPROP_ERROR_NO_BACKEND) return;
    ck_assert_int_eq(status, DUALPROP_OK);
    failing_allocator_arm(&host.memory, 1, 1);
    void *memory = NULL;
    if (subject->backend->allocate && subject->backend->flags & DUALPROP_BACKEND_HOST_MEMORY)
        ck_assert_int_eq(subject->backend->allocate(self, &memory, 100), DUALPROP_ERROR_NO_MEMORY);
    subject->backend->destroy(self);
    ck_assert_int_eq(atomic_load(&host.memory.live_blocks), 0);
}
END_TEST

START_TEST(subjects_that_this_machine_lacks)
{
    workbench bench;
    if (open_subject(&bench, &subjects[_i], 1)) {
        bench_close(&bench);
        return;
    }
    char reason[200];
    snprintf(reason, sizeof reason, "the table of kernels on %s: not on this machine", subjects[_i].name);
    test_skip(reason);
}
END_TEST

Suite *test_backend_suite(void);
Suite *test_backend_suite(void)
{
    Suite *suite = suite_create("backend");
    TCase *table = tcase_create("table"), *rest = tcase_create("rest");
    tcase_add_loop_test(table, kernel_agrees_with_the_reference, 0, COUNT_OF(kernels));
    tcase_add_loop_test(rest, fused_step_has_the_bits_of_the_separate_one, 0, SUBJECTS);
    tcase_add_loop_test(rest, steps_have_the_bits_of_the_reference_on_every_level, 0, SUBJECTS);
    tcase_add_loop_test(rest, fused_convolution_step_has_the_bits_of_the_separate_one, 0, SUBJECTS);
    tcase_add_loop_test(rest, convolution_weights_come_back_as_they_were_written, 0, SUBJECTS);
    tcase_add_loop_test(rest, convolutions_by_hand, 0, SUBJECTS);
    tcase_add_loop_test(rest, weights_come_back_as_they_were_written, 0, SUBJECTS);
    tcase_add_loop_test(rest, products_by_hand, 0, SUBJECTS);
    tcase_add_loop_test(rest, memory_is_the_hosts, 0, SUBJECTS);
    tcase_add_loop_test(rest, no_memory_is_a_status, 0, SUBJECTS);
    tcase_add_loop_test(rest, subjects_that_this_machine_lacks, 0, SUBJECTS);
    suite_add_tcase(suite, table);
    suite_add_tcase(suite, rest);
    return suite;
}
