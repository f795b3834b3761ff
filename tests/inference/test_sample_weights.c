/*
 * test_sample_weights.c - weights of samples and classes: a weight of 2 is the sample twice, 0 is no sample, and w is
 * beta w; and outputs as probabilities.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/small_network.h"

Suite *test_sample_weights_suite(void);

#define SAMPLES 6
#define LAYERS 3

/* A rule, how the output is nudged, and with which loss. */
static const struct kind {
    int variant, output_step, loss;
} KINDS[] = {
    { DUALPROP_BP, DUALPROP_OUTPUT_LINEAR, DUALPROP_MSE },
    { DUALPROP_BP, DUALPROP_OUTPUT_LINEAR, DUALPROP_CROSS_ENTROPY },
    { DUALPROP_DP, DUALPROP_OUTPUT_LINEAR, DUALPROP_MSE },
    { DUALPROP_DP_ADJOINT, DUALPROP_OUTPUT_LINEAR, DUALPROP_CROSS_ENTROPY },
    { DUALPROP_LECUN, DUALPROP_OUTPUT_LINEAR, DUALPROP_MSE },
    { DUALPROP_DP, DUALPROP_OUTPUT_EXACT, DUALPROP_MSE },
    { DUALPROP_DP, DUALPROP_OUTPUT_EXACT, DUALPROP_CROSS_ENTROPY },
    { DUALPROP_DP, DUALPROP_OUTPUT_SPROVR, DUALPROP_MSE },
    { DUALPROP_DP, DUALPROP_OUTPUT_SPROVR, DUALPROP_CROSS_ENTROPY },
};
#define KIND_COUNT ((int)(sizeof KINDS / sizeof KINDS[0]))

static struct small_plan plan_of(int backend, const struct kind *kind)
{
    return (struct small_plan){ .backend = backend,
                                .layers = LAYERS,
                                .widths = { 5, 7, 6, 4 },
                                .activation = DUALPROP_TANH,
                                .variant = kind->variant,
                                .alpha = 0.25,
                                .beta = 0.5,
                                .loss = kind->loss,
                                .output_step = kind->output_step,
                                .passes = 2,
                                .batch = SAMPLES,
                                .seed = 5 };
}

static dualprop_status infer_rows(struct small_network *small, int64_t rows)
{
    dualprop_view inputs = matrix_view(small->x, DUALPROP_F64, rows, small->plan.widths[0]);
    dualprop_view targets = matrix_view(small->y, DUALPROP_F64, rows, small->plan.widths[LAYERS]);
    return dualprop_infer_view(small->state, &inputs, &targets);
}

/* Row `from` of inputs and targets becomes row `to` too. */
static void copy_sample(struct small_network *small, int64_t to, int64_t from)
{
    int64_t inputs = small->plan.widths[0], outputs = small->plan.widths[LAYERS];
    memmove(small->x + to * inputs, small->x + from * inputs, (size_t)inputs * sizeof *small->x);
    memmove(small->y + to * outputs, small->y + from * outputs, (size_t)outputs * sizeof *small->y);
}

/* The gradient of layer k as a sum over its samples. */
static int64_t gradient_sum(double *sum, struct small_network *small, int k, int64_t rows)
{
    double bias[SMALL_MAX_REALS];
    int64_t count = small->plan.widths[k - 1] * small->plan.widths[k], biases = small->plan.widths[k];
    expect_ok(dualprop_gradient(small->optimizer, small->state));
    small_read_gradient(sum, bias, small, k);
    memcpy(sum + count, bias, (size_t)biases * sizeof *sum);
    for (int64_t i = 0; i < count + biases; i++) sum[i] *= (double)rows;
    return count + biases;
}

/* Samples 0, 1, 2 with the weights 2, 1, 0 are the samples 0, 0, 1. Only a linear step is linear in the weight. */
START_TEST(a_weight_of_2_is_the_sample_twice_and_0_is_none)
{
    static const double weights[] = { 2, 1, 0 };
    const struct kind *kind = &KINDS[_i % KIND_COUNT];
    if (kind->output_step != DUALPROP_OUTPUT_LINEAR) return;
    struct small_plan plan = plan_of(BACKENDS[_i / KIND_COUNT], kind);
    plan.passes = 1; /* sbar then is that of the prediction wherever the gradient reads it */
    plan.schedule = DUALPROP_BACKWARD;
    plan.beta = 1e-6; /* dyads of twice the nudge are not twice the dyads of one, except as beta -> 0 */
    struct small_network weighted = small_create(&plan), repeated = small_create(&plan);
    copy_sample(&repeated, 2, 1);
    copy_sample(&repeated, 1, 0);
    expect_ok(dualprop_state_set_sample_weights(weighted.state, weights, 3));
    expect_ok(infer_rows(&weighted, 3));
    expect_ok(infer_rows(&repeated, 3));
    for (int k = 1; k <= LAYERS; k++) {
        double sums[2][SMALL_MAX_REALS];
        int64_t count = gradient_sum(sums[0], &weighted, k, 3);
        gradient_sum(sums[1], &repeated, k, 3);
        ck_assert_double_le(relative_difference(sums[0], sums[1], count), kind->variant == DUALPROP_BP ? 1e-13 : 1e-5);
    }
    small_destroy(&weighted);
    small_destroy(&repeated);
}
END_TEST

/* 1/2 of beta is beta/2, to the bit, in every step and loss, and whether the weight is a sample's or a class's. */
START_TEST(a_weight_multiplies_beta)
{
    double halves[SAMPLES], values[2][SMALL_MAX_REALS];
    const struct kind *kind = &KINDS[_i % KIND_COUNT];
    if (kind->variant == DUALPROP_BP) return; /* has no beta */
    struct small_plan plan = plan_of(BACKENDS[_i / KIND_COUNT], kind);
    for (int i = 0; i < SAMPLES; i++) halves[i] = 0.5;
    for (int of_classes = 0; of_classes < 2; of_classes++) {
        plan.beta = 0.5;
        struct small_network weighted = small_create(&plan);
        plan.beta = 0.25;
        struct small_network other = small_create(&plan);
        if (of_classes) expect_ok(dualprop_state_set_class_weights(weighted.state, halves, plan.widths[LAYERS]));
        else expect_ok(dualprop_state_set_sample_weights(weighted.state, halves, SAMPLES));
        expect_ok(small_infer(&weighted));
        expect_ok(small_infer(&other));
        for (int k = 1; k <= LAYERS; k++)
            for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
                small_read(values[0], &weighted, k, which);
                small_read(values[1], &other, k, which);
                ck_assert(memcmp(values[0], values[1], (size_t)(SAMPLES * plan.widths[k]) * sizeof(double)) == 0);
            }
        small_destroy(&weighted);
        small_destroy(&other);
    }
}
END_TEST

static double loss_of(struct small_network *small, int64_t row)
{
    double loss;
    dualprop_view inputs = matrix_view(small->x + row * small->plan.widths[0], DUALPROP_F64, 1, small->plan.widths[0]);
    dualprop_view targets =
        matrix_view(small->y + row * small->plan.widths[LAYERS], DUALPROP_F64, 1, small->plan.widths[LAYERS]);
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, small->state, &inputs, &targets));
    return loss;
}

START_TEST(losses_are_weighted_too)
{
    static const double weights[SAMPLES] = { 1, 1, 0, 2.5, 2.5, 0.25 };
    double expected = 0, loss, reported;
    int64_t correct[2];
    const struct kind *kind = &KINDS[_i % KIND_COUNT];
    struct small_plan plan = plan_of(BACKENDS[_i / KIND_COUNT], kind);
    plan.beta = 0.25; /* 2.5 beta is within the bounds of the exact steps */
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, SAMPLES, plan.widths[0]);
    dualprop_view targets = matrix_view(small.y, DUALPROP_F64, SAMPLES, plan.widths[LAYERS]);
    for (int64_t row = 0; row < SAMPLES; row++) expected += weights[row] * loss_of(&small, row) / SAMPLES;
    expect_ok(dualprop_evaluate_view(NULL, &correct[0], NULL, 1, small.state, &inputs, &targets));
    expect_ok(dualprop_state_set_sample_weights(small.state, weights, SAMPLES));
    expect_ok(dualprop_evaluate_view(&loss, &correct[1], NULL, 1, small.state, &inputs, &targets));
    ck_assert_double_eq_tol(loss, expected, 1e-14);
    ck_assert(correct[0] == correct[1]);
    expect_ok(dualprop_state_set_sample_weights(small.state, weights, SAMPLES));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &reported, &correct[1], small.state));
    ck_assert_double_eq_tol(reported, expected, 1e-14);
    ck_assert(correct[0] == correct[1]);
    small_destroy(&small);
}
END_TEST

static int squared_error(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                         int64_t count, int64_t width)
{
    (void)user_data;
    for (int64_t i = 0; i < count * width; i++) {
        if (slopes) slopes[i] = outputs[i] - targets[i];
        if (losses && i % width == 0) losses[i / width] = 0;
        if (losses) losses[i / width] += (outputs[i] - targets[i]) * (outputs[i] - targets[i]) / 2;
    }
    return 0;
}

START_TEST(a_loss_function_is_weighted_as_the_built_in_one)
{
    static const double weights[SAMPLES] = { 3, 0, 1, 1, 0.5, 7 };
    double values[2][SMALL_MAX_REALS], loss[2];
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[2]);
    struct small_network built_in = small_create(&plan), own = small_create(&plan);
    expect_ok(dualprop_rule_set_loss_function(own.rule, squared_error, NULL));
    expect_ok(dualprop_state_prepare(own.state));
    expect_ok(dualprop_state_set_sample_weights(built_in.state, weights, SAMPLES));
    expect_ok(dualprop_state_set_sample_weights(own.state, weights, SAMPLES));
    small_gradient(&built_in);
    small_gradient(&own);
    small_read_gradient(values[0], values[0] + 100, &built_in, 1);
    small_read_gradient(values[1], values[1] + 100, &own, 1);
    ck_assert(memcmp(values[0], values[1], (size_t)(plan.widths[0] * plan.widths[1]) * sizeof(double)) == 0);
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss[0], NULL, built_in.state));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss[1], NULL, own.state));
    ck_assert_double_eq_tol(loss[0], loss[1], 1e-14);
    small_destroy(&built_in);
    small_destroy(&own);
}
END_TEST

/* By labels and by dense targets; times the weight of the sample. */
START_TEST(the_weight_of_a_class_is_that_of_its_samples)
{
    static const double of_class[] = { 0.5, 2, 0, 1 }, of_sample[SAMPLES] = { 1, 1, 1, 3, 1, 2 };
    double product[SAMPLES], values[3][SMALL_MAX_REALS];
    int32_t labels[SAMPLES];
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[3]);
    for (int way = 0; way < 3; way++) {
        struct small_network small = small_create(&plan);
        for (int i = 0; i < SAMPLES; i++) labels[i] = i % 4, product[i] = of_class[i % 4] * of_sample[i];
        expect_ok(dualprop_state_set_sample_weights(small.state, way == 0 ? product : of_sample, SAMPLES));
        if (way > 0) expect_ok(dualprop_state_set_class_weights(small.state, of_class, 4));
        if (way == 2) expect_ok(dualprop_infer(small.state, small.x, labels, SAMPLES));
        else expect_ok(small_infer(&small));
        small_read(values[way], &small, 1, DUALPROP_S_DELTA);
        small_destroy(&small);
    }
    for (int way = 1; way < 3; way++)
        ck_assert(memcmp(values[0], values[way], (size_t)(SAMPLES * plan.widths[1]) * sizeof(double)) == 0);
}
END_TEST

/* Weights of samples are of one batch, those of classes stay. */
START_TEST(weights_of_samples_are_used_once)
{
    static const double twos[SAMPLES] = { 2, 2, 2, 2, 2, 2 };
    double loss[3], scores[SMALL_MAX_REALS], plain;
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[2]);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, SAMPLES, plan.widths[0]);
    dualprop_view view = matrix_view(scores, DUALPROP_F64, SAMPLES, plan.widths[LAYERS]);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &plain, NULL, small.state));
    expect_ok(dualprop_state_set_sample_weights(small.state, twos, SAMPLES));
    expect_ok(dualprop_predict_view(&view, small.state, &inputs)); /* leaves them alone */
    expect_error(infer_rows(&small, 2), DUALPROP_ERROR_INVALID_ARGUMENT, "6 samples");
    small.x[0] = NAN; /* a batch that is refused leaves them, too */
    expect_error(small_infer(&small), DUALPROP_ERROR_NOT_FINITE, "");
    small.x[0] = 0.5;
    for (int i = 0; i < 2; i++) {
        expect_ok(small_infer(&small));
        expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss[i], NULL, small.state));
    }
    ck_assert_double_eq_tol(loss[0], 2 * loss[1], 1e-14);
    expect_ok(dualprop_state_set_class_weights(small.state, twos, plan.widths[LAYERS]));
    for (int i = 0; i < 2; i++) {
        expect_ok(small_infer(&small));
        expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss[2], NULL, small.state));
        ck_assert(loss[2] == loss[0]);
    }
    expect_ok(dualprop_state_set_class_weights(small.state, NULL, 0));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss[2], NULL, small.state));
    ck_assert(loss[2] == loss[1]);
    small_destroy(&small);
}
END_TEST

static void noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_time_step(rule, 0.5));
}

START_TEST(weights_that_make_no_sense_are_refused)
{
    double weights[SAMPLES] = { 1, 1, 1, 1, 9, 1 };
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[5]);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, SAMPLES, plan.widths[0]);
    dualprop_view slopes = matrix_view(small.y, DUALPROP_F64, SAMPLES, plan.widths[LAYERS]);
    expect_ok(dualprop_state_set_sample_weights(small.state, weights, SAMPLES));
    expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_ARGUMENT, "sample 4 has the weight 9");
    expect_error(dualprop_infer_gradient(small.state, &inputs, &slopes), DUALPROP_ERROR_INVALID_STATE, "weights");
    expect_ok(dualprop_state_set_sample_weights(small.state, NULL, 0));
    expect_ok(dualprop_infer_gradient(small.state, &inputs, &slopes));
    expect_ok(dualprop_infer_begin(small.state, &inputs, &slopes));
    expect_error(dualprop_state_set_sample_weights(small.state, weights, SAMPLES), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer_end");
    expect_ok(dualprop_infer_end(small.state));
    small_destroy(&small);
    plan.configure = noise;
    small = small_create(&plan);
    weights[4] = 1.5;
    expect_ok(dualprop_state_set_sample_weights(small.state, weights, SAMPLES));
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "weights contradict");
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_LINEAR));
    expect_ok(small_infer(&small)); /* a linear step with options has weights */
    small_destroy(&small);
}
END_TEST

/* What the extended update makes of weights: the same as beta w. */
START_TEST(options_of_hardware_keep_the_weights)
{
    double halves[SAMPLES], values[2][SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[2]);
    plan.configure = noise;
    for (int i = 0; i < SAMPLES; i++) halves[i] = 0.5;
    for (int weighted = 0; weighted < 2; weighted++) {
        plan.beta = weighted ? 0.5 : 0.25;
        struct small_network small = small_create(&plan);
        if (weighted) expect_ok(dualprop_state_set_sample_weights(small.state, halves, SAMPLES));
        expect_ok(small_infer(&small));
        small_read(values[weighted], &small, 1, DUALPROP_S_DELTA);
        small_destroy(&small);
    }
    ck_assert(memcmp(values[0], values[1], (size_t)(SAMPLES * plan.widths[1]) * sizeof(double)) == 0);
}
END_TEST

/* ---- probabilities ---- */

START_TEST(probabilities_are_the_softmax_of_the_scores)
{
    double scores[SMALL_MAX_REALS], plain[SMALL_MAX_REALS], wide[2 * SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i], &KINDS[3]);
    plan.scale = 40; /* so that e^score would not do without the largest */
    struct small_network small = small_create(&plan);
    int64_t width = plan.widths[LAYERS];
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, SAMPLES, plan.widths[0]);
    dualprop_view strided = matrix_view(wide, DUALPROP_F64, SAMPLES, width);
    strided.strides[0] = 2 * width, strided.strides[1] = 2;
    expect_ok(dualprop_predict(scores, small.state, small.x, SAMPLES));
    expect_ok(dualprop_predict_probabilities(plain, small.state, small.x, SAMPLES));
    expect_ok(dualprop_predict_probabilities_view(&strided, small.state, &inputs));
    for (int64_t row = 0; row < SAMPLES; row++) {
        long double sum = 0, top = -INFINITY;
        for (int64_t i = row * width; i < (row + 1) * width; i++) top = fmaxl(top, scores[i]);
        for (int64_t i = row * width; i < (row + 1) * width; i++) sum += expl(scores[i] - top);
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            long double expected = expl(scores[i] - top) / sum;
            /* exp, quotient and product; and the rounding of score - top, which e^x makes a relative error */
            ck_assert(fabsl(plain[i] - expected) <= (8e-16L + 2e-16L * (top - scores[i])) * expected + 1e-300L);
            ck_assert(wide[2 * i] == plain[i]);
        }
    }
    small_destroy(&small);
}
END_TEST

Suite *test_sample_weights_suite(void)
{
    Suite *suite = suite_create("weights of samples and classes");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, a_weight_of_2_is_the_sample_twice_and_0_is_none, 0, 2 * KIND_COUNT);
    tcase_add_loop_test(tests, a_weight_multiplies_beta, 0, 2 * KIND_COUNT);
    tcase_add_loop_test(tests, losses_are_weighted_too, 0, 2 * KIND_COUNT);
    tcase_add_loop_test(tests, a_loss_function_is_weighted_as_the_built_in_one, 0, 2);
    tcase_add_loop_test(tests, the_weight_of_a_class_is_that_of_its_samples, 0, 2);
    tcase_add_loop_test(tests, weights_of_samples_are_used_once, 0, 2);
    tcase_add_loop_test(tests, weights_that_make_no_sense_are_refused, 0, 2);
    tcase_add_loop_test(tests, options_of_hardware_keep_the_weights, 0, 2);
    tcase_add_loop_test(tests, probabilities_are_the_softmax_of_the_scores, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
