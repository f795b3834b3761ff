/*
 * test_cuda_engines.c - what is asked of cuDNN, and what is done without it: plans are made once, an answer that counts
 * more than it gives is read no further, and gradients in parts are the sums of all places.
 */
#include <math.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"
#include "support/workbench.h"

#define ROOM 40000
#define LAYERS 3 /* of convolutions in learner_cnn() */

/* ---- plans ---- */

/* Three directions of each layer, for the batch; a single sample is planned when it is used first. */
START_TEST(a_state_plans_each_convolution_once)
{
    static learner self;
    learner_plan plan = learner_plan_images(learner_cnn);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("counting plans")) return;
    standin->no_real = 1;
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    ck_assert_int_gt(standin->plans, 0);
    ck_assert_int_le(standin->plans, 3 * LAYERS);
    expect_ok(learner_learn(&self, 0, plan.capacity));
    ck_assert_int_le(standin->plans, 3 * LAYERS);
    long before = standin->plans;
    for (int i = 0; i < 3; i++) expect_ok(learner_learn(&self, 0, plan.capacity));
    ck_assert_int_eq(standin->plans, before);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

static void learn_values(float *values, int64_t *count, int miscounts)
{
    static learner self;
    learner_plan plan = learner_plan_images(learner_cnn);
    standin_state *standin = cuda_standin();
    standin->no_real = 1;
    standin->miscounts = miscounts;
    plan.options.autotune = 1; /* several candidates are looked at, to the end of the list */
    memset(&self, 0, sizeof self);
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    expect_ok(learner_parameters(&self, values, ROOM, count));
    learner_end(&self);
    ck_assert_int_gt(standin->convolutions, 0);
    cuda_check_clean(0);
}

/* cuDNN may say how many there are, and not how many it has given. */
START_TEST(answers_are_read_as_far_as_they_go)
{
    static float values[ROOM], expected[ROOM];
    int64_t count, expected_count;
    if (cuda_needs_standin("answers that are miscounted")) return;
    learn_values(expected, &expected_count, 0);
    learn_values(values, &count, 1);
    ck_assert_int_eq(count, expected_count);
    ck_assert(memcmp(values, expected, (size_t)count * sizeof(float)) == 0);
}
END_TEST

/* ---- gradients in parts ---- */

enum { ALONE, AT_ONCE, IN_A_SECTION };

static const struct parts_row {
    int64_t batch, side, channels, outputs;
    int pooling;
} parts_rows[] = {
    { 20, 16, 4, 8, DUALPROP_POOL_NONE },
    { 20, 16, 3, 5, DUALPROP_POOL_NONE },
    { 20, 16, 4, 8, DUALPROP_POOL_MAX },
};

static dualprop_convolution convolution_of(const struct parts_row *row)
{
    int pools = row->pooling != DUALPROP_POOL_NONE;
    int64_t pooled = pools ? row->side / 2 : row->side;
    /* clang-format off */
    return (dualprop_convolution){
        .kind = DUALPROP_LAYER_CONVOLUTION, .pooling = row->pooling, .batch = row->batch, .height = row->side,
        .width = row->side, .channels = row->channels, .outputs = row->outputs, .kernel_height = 3, .kernel_width = 3,
        .stride_height = 1, .stride_width = 1, .padding_height = 1, .padding_width = 1, .map_height = row->side,
        .map_width = row->side, .window_height = pools ? 2 : 0, .window_width = pools ? 2 : 0,
        .window_stride_height = pools ? 2 : 0, .window_stride_width = pools ? 2 : 0, .pooled_height = pooled,
        .pooled_width = pooled,
    };
    /* clang-format on */
}

static float *numbers(workbench *bench, int64_t count)
{
    float *x = bench_reals(bench, count);
    for (int64_t i = 0; i < count; i++) x[i] = (float)random_below(&bench->random, 20011) / 10007 - 1;
    return x;
}

/* The gradient of a weight, from the switches and delta, in double. */
static double gradient_of(const dualprop_convolution *shape, const float *x, const float *delta,
                          const uint8_t *switches, int64_t tap, int64_t channel, int64_t output)
{
    int64_t size = shape->pooling == DUALPROP_POOL_NONE ? 1 : 2;
    double sum = 0;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t row = 0; row < shape->pooled_height; row++)
            for (int64_t column = 0; column < shape->pooled_width; column++) {
                int64_t i = ((b * shape->pooled_height + row) * shape->pooled_width + column) * shape->outputs + output;
                int64_t place = switches ? switches[i] : 0;
                int64_t at_row = row * size + place / 2 + tap / 3 - 1,
                        at_column = column * size + place % 2 + tap % 3 - 1;
                if (at_row < 0 || at_row >= shape->height || at_column < 0 || at_column >= shape->width) continue;
                sum += (double)delta[i] *
                       (double)x[((b * shape->height + at_row) * shape->width + at_column) * shape->channels + channel];
            }
    return sum;
}

static void check_gradient(const dualprop_convolution *shape, const float *gradient, const float *x, const float *delta,
                           const uint8_t *switches)
{
    for (int64_t tap = 0; tap < 9; tap++)
        for (int64_t channel = 0; channel < shape->channels; channel++)
            for (int64_t k = 0; k < shape->outputs; k++) {
                double expected = .5 * gradient_of(shape, x, delta, switches, tap, channel, k);
                double found = (double)gradient[(tap * shape->channels + channel) * shape->outputs + k];
                /* some 5000 terms of size 1/3, of which a part adds 256: 2^-24 of 30, a hundred times over */
                ck_assert_msg(fabs(found - expected) < 2e-4, "tap %lld, channel %lld, output %lld: %.9g, expected %.9g",
                              (long long)tap, (long long)channel, (long long)k, found, expected);
            }
}

/* What a step makes of weights and moments, which lie in `left` afterwards. */
static int64_t step(float *left, workbench *bench, const struct parts_row *row, int way)
{
    const dualprop_backend *with = bench->backend;
    dualprop_convolution shape = convolution_of(row);
    bench_begin(bench, 11);
    int64_t inputs = shape.batch * shape.height * shape.width * shape.channels;
    int64_t outputs = shape.batch * shape.pooled_height * shape.pooled_width * shape.outputs;
    int64_t elements = 9 * shape.channels * shape.outputs;
    float *host = numbers(bench, elements), *weights = bench_reals(bench, elements), *x = numbers(bench, inputs);
    float *bias = numbers(bench, shape.outputs), *delta = numbers(bench, outputs), *a = bench_reals(bench, outputs);
    float *gradient = bench_reals(bench, elements), *bias_gradient = bench_reals(bench, shape.outputs);
    void *moments[4] = { bench_zeros(bench, elements), NULL, bench_zeros(bench, shape.outputs), NULL };
    uint8_t *switches = row->pooling == DUALPROP_POOL_MAX ? bench_bytes(bench, outputs) : NULL;
    dualprop_step_numbers numbers_of = {
        .kind = DUALPROP_SGD, .learning_rate = .125, .momentum = .5, .gradient_scale = 1
    };
    shape.workspace = bench_bytes(bench, with->convolution_workspace(bench->self, &shape));
    shape.cache = bench_bytes(bench, with->convolution_cache(bench->self, &shape));
    ck_assert_int_eq(with->write_convolution_weights(bench->self, &shape, weights, host), 0);
    ck_assert_int_eq(with->convolution_prepare(bench->self, &shape, weights), 0);
    ck_assert_int_eq(with->convolution_bottom_up(bench->self, &shape, a, switches, x, weights, bias, NULL), 0);
    if (way == IN_A_SECTION) ck_assert_int_eq(with->begin_deferred(bench->self), 0);
    ck_assert_int_eq(with->convolution_gradient(bench->self, &shape, gradient, bias_gradient, x, delta, switches, .5, 0,
                                                way == ALONE ? NULL : &numbers_of, weights, bias, moments),
                     0);
    if (way == ALONE) {
        ck_assert_int_eq(with->optimizer_step(bench->self, &numbers_of, elements, weights, gradient, moments[0], NULL),
                         0);
        ck_assert_int_eq(
            with->optimizer_step(bench->self, &numbers_of, shape.outputs, bias, bias_gradient, moments[2], NULL), 0);
        ck_assert_int_eq(with->read_convolution_weights(bench->self, &shape, host, gradient), 0);
        check_gradient(&shape, host, x, delta, switches);
    }
    if (way == IN_A_SECTION) ck_assert_int_eq(with->end_deferred(bench->self, 0), 0);
    ck_assert_int_eq(with->synchronize(bench->self), 0);
    ck_assert(bench_intact(bench));
    memcpy(left, weights, (size_t)elements * sizeof(float));
    memcpy(left + elements, moments[0], (size_t)elements * sizeof(float));
    memcpy(left + 2 * elements, bias, (size_t)shape.outputs * sizeof(float));
    return 2 * elements + shape.outputs;
}

/* Patches, one batch of products, and no convolution: the learning step adds the parts, with the bits of their sum. */
START_TEST(gradients_in_parts_have_the_same_bits)
{
    static float left[3][ROOM];
    workbench bench;
    int64_t count = 0;
    if (cuda_needs_standin("gradients in parts")) return;
    standin_state *standin = cuda_standin();
    standin->lenient = standin->no_real = 1;
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    for (int way = ALONE; way <= IN_A_SECTION; way++) {
        long convolutions = standin->convolutions;
        count = step(left[way], &bench, &parts_rows[_i], way);
        ck_assert_int_eq(standin->convolutions - convolutions, 1); /* the one on the way up */
    }
    for (int way = AT_ONCE; way <= IN_A_SECTION; way++)
        ck_assert(memcmp(left[way], left[ALONE], (size_t)count * sizeof(float)) == 0);
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_engines_suite(void)
{
    Suite *suite = suite_create("cuda engines");
    TCase *tests = tcase_create("engines");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_state_plans_each_convolution_once);
    tcase_add_test(tests, answers_are_read_as_far_as_they_go);
    tcase_add_loop_test(tests, gradients_in_parts_have_the_same_bits, 0,
                        (int)(sizeof parts_rows / sizeof parts_rows[0]));
    suite_add_tcase(suite, tests);
    return suite;
}
