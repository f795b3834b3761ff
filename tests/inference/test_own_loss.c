/*
 * test_own_loss.c - losses of the caller's: given as the gradient at the outputs, or as a function. Oracles are the
 * built-in losses, which the same functions reproduce to the bit, and finite differences.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/small_network.h"

Suite *test_own_loss_suite(void);

static const int VARIANTS[] = { DUALPROP_BP,      DUALPROP_DP,    DUALPROP_DP_ADJOINT,
                                DUALPROP_FENCHEL, DUALPROP_LECUN, DUALPROP_DP_DAMPED };
#define VARIANT_COUNT ((int)(sizeof VARIANTS / sizeof VARIANTS[0]))

/* ---- losses as functions; each counts its calls ---- */

static int squared_error(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                         int64_t count, int64_t width)
{
    if (user_data) ++*(int *)user_data;
    for (int64_t row = 0; row < count; row++) {
        double sum = 0;
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            double difference = outputs[i] - targets[i];
            sum += difference * difference;
            if (slopes) slopes[i] = difference;
        }
        if (losses) losses[row] = sum / 2;
    }
    return 0;
}

static int cross_entropy(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                         int64_t count, int64_t width)
{
    (void)user_data;
    for (int64_t row = 0; row < count; row++) {
        const double *s = outputs + row * width, *y = targets + row * width;
        double sum = 0, loss = 0;
        for (int64_t i = 0; i < width; i++) sum += exp(s[i]);
        for (int64_t i = 0; i < width; i++) {
            loss += y[i] * (log(sum) - s[i]);
            if (slopes) slopes[row * width + i] = exp(s[i]) / sum - y[i];
        }
        if (losses) losses[row] = loss;
    }
    return 0;
}

/* Quadratic up to *user_data, then linear. */
static int huber(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                 int64_t count, int64_t width)
{
    double most = *(const double *)user_data;
    for (int64_t row = 0; row < count; row++) {
        double loss = 0;
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            double error = outputs[i] - targets[i], size = fabs(error);
            loss += size <= most ? error * error / 2 : most * (size - most / 2);
            if (slopes) slopes[i] = size <= most ? error : copysign(most, error);
        }
        if (losses) losses[row] = loss;
    }
    return 0;
}

/* argmin t/2 |s - y|^2 + 1/2 |s - a|^2 */
static int squared_error_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                                  int64_t count, int64_t width)
{
    (void)user_data;
    for (int64_t i = 0; i < count * width; i++) s[i] = (a[i] + t[i / width] * targets[i]) / (1 + t[i / width]);
    return 0;
}

/* That, or a step of t times the slope where the loss is linear. */
static int huber_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                          int64_t count, int64_t width)
{
    double most = *(const double *)user_data;
    for (int64_t i = 0; i < count * width; i++) {
        double error = a[i] - targets[i], strength = t[i / width];
        s[i] = fabs(error) <= most * (1 + strength) ? (a[i] + strength * targets[i]) / (1 + strength)
                                                    : a[i] - strength * copysign(most, error);
    }
    return 0;
}

/* Returns *user_data, or with 0 a NaN. */
static int wrong_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                          int64_t count, int64_t width)
{
    squared_error_proximal(NULL, s, a, targets, t, count, width);
    s[count * width - 1] = NAN;
    return user_data ? *(int *)user_data : 0;
}

static int refuses(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                   int64_t count, int64_t width)
{
    (void)losses, (void)slopes, (void)outputs, (void)targets, (void)count, (void)width;
    return *(int *)user_data;
}

static int not_finite(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                      int64_t count, int64_t width)
{
    int status = squared_error(user_data, losses, slopes, outputs, targets, count, width);
    if (slopes) slopes[count * width - 1] = NAN;
    return status;
}

/* ---- networks ---- */

static struct small_plan plan_of(int backend, int variant, int loss)
{
    return (struct small_plan){ .backend = backend,
                                .layers = 3,
                                .widths = { 5, 7, 6, 4 },
                                .activation = variant == DUALPROP_DP_DAMPED ? DUALPROP_RELU : DUALPROP_TANH,
                                .variant = variant,
                                .alpha = 0.25,
                                .beta = 0.3,
                                .loss = loss,
                                .passes = 3,
                                .batch = 6,
                                .seed = 3 };
}

static void set_function(struct small_network *small, dualprop_loss_function function, void *user_data)
{
    expect_ok(dualprop_rule_set_loss_function(small->rule, function, user_data));
    expect_ok(dualprop_state_prepare(small->state));
}

static void set_proximal(struct small_network *small, dualprop_loss_function function, dualprop_loss_proximal proximal,
                         void *user_data)
{
    expect_ok(dualprop_rule_set_loss_function(small->rule, function, user_data));
    expect_ok(dualprop_rule_set_loss_proximal(small->rule, proximal));
    expect_ok(dualprop_state_prepare(small->state));
}

static dualprop_view rows_view(double *reals, const struct small_network *small, int k)
{
    return matrix_view(reals, DUALPROP_F64, small->plan.batch, small->plan.widths[k]);
}

/* Equal dyads and equal gradients in every layer: to the bit if tolerance is 0. */
static void expect_same(struct small_network *one, struct small_network *other, double tolerance)
{
    double x[SMALL_MAX_REALS], y[SMALL_MAX_REALS], bias[2][SMALL_MAX_REALS];
    for (int k = 1; k <= one->plan.layers; k++) {
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
            small_read(x, one, k, which);
            small_read(y, other, k, which);
            ck_assert_double_le(relative_difference(x, y, one->plan.batch * one->plan.widths[k]), tolerance);
        }
        expect_ok(dualprop_gradient(one->optimizer, one->state));
        expect_ok(dualprop_gradient(other->optimizer, other->state));
        small_read_gradient(x, bias[0], one, k);
        small_read_gradient(y, bias[1], other, k);
        ck_assert_double_le(relative_difference(x, y, one->plan.widths[k - 1] * one->plan.widths[k]), tolerance);
        ck_assert_double_le(relative_difference(bias[0], bias[1], one->plan.widths[k]), tolerance);
    }
}

/* ---- the gradient as an array ---- */

static void slope_of_prediction(double *slope, struct small_network *small)
{
    int64_t elements = small->plan.batch * small->plan.widths[small->plan.layers];
    dualprop_view inputs = rows_view(small->x, small, 0), scores = rows_view(slope, small, small->plan.layers);
    expect_ok(dualprop_predict_view(&scores, small->state, &inputs));
    for (int64_t i = 0; i < elements; i++) slope[i] -= small->y[i];
}

static void infer_gradient(struct small_network *small, double *slope)
{
    dualprop_view inputs = rows_view(small->x, small, 0), gradient = rows_view(slope, small, small->plan.layers);
    expect_ok(dualprop_infer_gradient(small->state, &inputs, &gradient));
}

/* Nudged at the prediction, squared error has the slope prediction - target throughout. */
START_TEST(a_given_gradient_has_the_bits_of_the_loss_at_the_prediction)
{
    double slope[SMALL_MAX_REALS];
    int variant = VARIANTS[_i % VARIANT_COUNT];
    struct small_plan plan = plan_of(BACKENDS[_i / VARIANT_COUNT], variant, DUALPROP_MSE);
    if (variant != DUALPROP_BP) plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    struct small_network built_in = small_create(&plan);
    plan.nudge_at = DUALPROP_NUDGE_AT_CURRENT; /* makes no difference to a gradient that is given */
    struct small_network given = small_create(&plan);
    small_gradient(&built_in);
    slope_of_prediction(slope, &given);
    infer_gradient(&given, slope);
    expect_same(&built_in, &given, 0);
    small_destroy(&built_in);
    small_destroy(&given);
}
END_TEST

/* Of a linear loss, the exact minimum and SPROVR's fixed point are where the linear step goes. */
START_TEST(every_output_step_of_a_given_gradient_is_the_linear_one)
{
    double slope[SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i / 2], DUALPROP_DP, DUALPROP_CROSS_ENTROPY);
    struct small_network linear = small_create(&plan);
    plan.output_step = _i % 2 ? DUALPROP_OUTPUT_SPROVR : DUALPROP_OUTPUT_EXACT;
    struct small_network other = small_create(&plan);
    for (int64_t i = 0; i < plan.batch * plan.widths[plan.layers]; i++) slope[i] = sin((double)i);
    infer_gradient(&linear, slope);
    infer_gradient(&other, slope);
    expect_same(&linear, &other, 0);
    small_destroy(&linear);
    small_destroy(&other);
}
END_TEST

/* sum_i slope_i output_i: the loss whose gradient at the outputs is the slope. */
static double linear_loss(struct small_network *small, const double *slope)
{
    double scores[SMALL_MAX_REALS], sum = 0;
    dualprop_view inputs = rows_view(small->x, small, 0), view = rows_view(scores, small, small->plan.layers);
    expect_ok(dualprop_predict_view(&view, small->state, &inputs));
    for (int64_t i = 0; i < small->plan.batch * small->plan.widths[small->plan.layers]; i++)
        sum += slope[i] * scores[i];
    return sum;
}

/*
 * Finite differences of the inputs; the central difference is off by about h^2 f'''/6 ~ 1e-9, dp by O(beta^2) at alpha
 * 1/2, and bp by nothing.
 */
START_TEST(the_gradient_of_the_inputs_is_that_of_the_loss)
{
    double slope[SMALL_MAX_REALS], found[SMALL_MAX_REALS], expected[SMALL_MAX_REALS];
    static const int variants[] = { DUALPROP_BP, DUALPROP_DP, DUALPROP_DP_ADJOINT };
    struct small_plan plan = plan_of(BACKENDS[_i / 3], variants[_i % 3], DUALPROP_MSE);
    plan.alpha = 0.5;
    plan.beta = 1e-4;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics;
    int64_t inputs = plan.batch * plan.widths[0];
    for (int64_t i = 0; i < plan.batch * plan.widths[plan.layers]; i++) slope[i] = cos(3 * (double)i);
    for (int64_t i = 0; i < inputs; i++) {
        double x = small.x[i], step = 1e-5;
        small.x[i] = x + step;
        expected[i] = linear_loss(&small, slope);
        small.x[i] = x - step;
        expected[i] = (expected[i] - linear_loss(&small, slope)) / (2 * step);
        small.x[i] = x;
    }
    infer_gradient(&small, slope);
    expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, DUALPROP_MSE, plan.batch));
    dualprop_view view = rows_view(found, &small, 0);
    expect_ok(dualprop_diagnostics_input_gradient(&view, diagnostics, small.state));
    ck_assert_double_le(relative_difference(found, expected, inputs), 1e-7);
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}
END_TEST

START_TEST(a_given_gradient_has_no_loss_to_report)
{
    double slope[SMALL_MAX_REALS] = { 1, -1 }, loss = 0;
    int64_t correct = -1;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = rows_view(small.x, &small, 0), gradient = rows_view(slope, &small, plan.layers);
    infer_gradient(&small, slope);
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, &correct, small.state));
    ck_assert(isnan(loss) && correct == 0);
    slope[3] = INFINITY;
    expect_error(dualprop_infer_gradient(small.state, &inputs, &gradient), DUALPROP_ERROR_NOT_FINITE, "gradient");
    small_gradient(&small); /* and after it the rule's own loss is back */
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, small.state));
    ck_assert(isfinite(loss));
    small_destroy(&small);
}
END_TEST

/* In f32 the gradient is rounded once, as targets are. */
START_TEST(a_given_gradient_may_be_strided_and_of_another_type)
{
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    float x[6] = { 0.1f, -0.2f, 0.3f, 0.4f, 0.5f, -0.6f }, delta[2][6];
    double slope[6] = { 0.1, -0.7, 0.3, 0.2, -0.1, 0.9 }, apart[18];
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 2));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, 3));
    for (int i = 0; i < 6; i++) apart[3 * i] = slope[i];
    for (int strided = 0; strided < 2; strided++) {
        dualprop_view inputs = matrix_view(x, DUALPROP_F32, 3, 2),
                      read = matrix_view(delta[strided], DUALPROP_F32, 3, 2);
        dualprop_view gradient = matrix_view(strided ? apart : slope, DUALPROP_F64, 3, 2);
        if (strided) gradient.strides[0] = 6, gradient.strides[1] = 3;
        expect_ok(dualprop_infer_gradient(state, &inputs, &gradient));
        expect_ok(dualprop_state_read(&read, state, 1, DUALPROP_S_DELTA));
    }
    for (int i = 0; i < 6; i++) ck_assert(delta[0][i] == -(0.5f * (float)slope[i]));
    ck_assert(memcmp(delta[0], delta[1], sizeof delta[0]) == 0);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- a function ---- */

static void hardware(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.02, 0));
    expect_ok(dualprop_rule_set_time_step(rule, 0.5));
}

static void prediction_nudge(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_nudge_at(rule, DUALPROP_NUDGE_AT_PREDICTION));
}

static void jacobi_with_tolerance(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, 9));
    expect_ok(dualprop_rule_set_tolerance(rule, 1e-3));
}

static void (*const CONFIGURATIONS[])(dualprop_rule *rule) = { NULL, hardware, prediction_nudge,
                                                               jacobi_with_tolerance };
#define CONFIGURATION_COUNT 4

START_TEST(the_function_of_squared_error_has_the_bits_of_the_built_in_one)
{
    for (int i = 0; i < VARIANT_COUNT; i++) {
        int calls = 0;
        double loss[2], residual[2];
        int64_t correct[2];
        if (VARIANTS[i] == DUALPROP_BP && _i % CONFIGURATION_COUNT == 1) continue; /* it has no dyads for noise */
        struct small_plan plan = plan_of(BACKENDS[_i / CONFIGURATION_COUNT], VARIANTS[i], DUALPROP_MSE);
        plan.configure = CONFIGURATIONS[_i % CONFIGURATION_COUNT];
        struct small_network built_in = small_create(&plan), own = small_create(&plan);
        set_function(&own, squared_error, &calls);
        expect_ok(small_infer(&built_in));
        expect_ok(small_infer(&own));
        ck_assert_int_ge(calls, 1);
        expect_same(&built_in, &own, 0);
        expect_ok(dualprop_state_report(NULL, &residual[0], NULL, NULL, &loss[0], &correct[0], built_in.state));
        expect_ok(dualprop_state_report(NULL, &residual[1], NULL, NULL, &loss[1], &correct[1], own.state));
        ck_assert(loss[0] == loss[1] && correct[0] == correct[1]);
        ck_assert(residual[0] == residual[1] || (isnan(residual[0]) && isnan(residual[1])));
        small_destroy(&built_in);
        small_destroy(&own);
    }
}
END_TEST

/* The formulas of cross-entropy differ, so that a few roundings do. */
START_TEST(the_function_of_cross_entropy_agrees_with_the_built_in_one)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_CROSS_ENTROPY);
    struct small_network built_in = small_create(&plan), own = small_create(&plan);
    dualprop_view inputs = rows_view(own.x, &own, 0), targets = rows_view(own.y, &own, plan.layers);
    double loss[2];
    int64_t correct[2], top[2];
    set_function(&own, cross_entropy, NULL);
    expect_ok(small_infer(&built_in));
    expect_ok(small_infer(&own));
    expect_same(&built_in, &own, 1e-12);
    expect_ok(dualprop_evaluate_view(&loss[0], &correct[0], &top[0], 2, built_in.state, &inputs, &targets));
    expect_ok(dualprop_evaluate_view(&loss[1], &correct[1], &top[1], 2, own.state, &inputs, &targets));
    ck_assert_double_le(fabs(loss[0] - loss[1]), 1e-12);
    ck_assert(correct[0] == correct[1] && top[0] == top[1]);
    small_destroy(&built_in);
    small_destroy(&own);
}
END_TEST

static double mean_loss(struct small_network *small)
{
    double loss;
    dualprop_view inputs = rows_view(small->x, small, 0), targets = rows_view(small->y, small, small->plan.layers);
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, small->state, &inputs, &targets));
    return loss;
}

/* By finite differences of the mean loss that dualprop_evaluate() returns, weight by weight. */
START_TEST(huber_learns_its_gradient)
{
    double most = 0.4, weight[SMALL_MAX_REALS], gradient[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    double expected[SMALL_MAX_REALS];
    int is_exact = _i >= 4;
    struct small_plan plan =
        plan_of(BACKENDS[_i / 2 % 2], _i % 2 || is_exact ? DUALPROP_DP : DUALPROP_BP, DUALPROP_MSE);
    plan.alpha = 0.5;
    plan.beta = 1e-4;
    if (is_exact) plan.output_step = DUALPROP_OUTPUT_EXACT + _i % 2;
    struct small_network small = small_create(&plan);
    if (is_exact) set_proximal(&small, huber, huber_proximal, &most);
    else set_function(&small, huber, &most);
    for (int k = 1; k <= plan.layers; k++) {
        char name[32];
        int64_t count = plan.widths[k - 1] * plan.widths[k];
        dualprop_view view = matrix_view(weight, DUALPROP_F64, plan.widths[k - 1], plan.widths[k]);
        snprintf(name, sizeof name, "layer%d.weight", k);
        expect_ok(dualprop_network_read(&view, small.network, name));
        for (int64_t i = 0; i < count; i++) {
            double before = weight[i], step = 1e-5;
            weight[i] = before + step;
            expect_ok(dualprop_network_write(small.network, name, &view));
            expected[i] = mean_loss(&small);
            weight[i] = before - step;
            expect_ok(dualprop_network_write(small.network, name, &view));
            expected[i] = (expected[i] - mean_loss(&small)) / (2 * step);
            weight[i] = before;
            expect_ok(dualprop_network_write(small.network, name, &view));
        }
        small_gradient(&small);
        small_read_gradient(gradient, bias, &small, k);
        ck_assert_double_le(relative_difference(gradient, expected, count), 1e-6);
    }
    small_destroy(&small);
}
END_TEST

/* Top-down noise acts on what comes out of a proximal map, and on what goes into the built-in step. */
static void state_noise_and_leaky_steps(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0, 0));
    expect_ok(dualprop_rule_set_time_step(rule, 0.5));
}

static void (*const EXACT_CONFIGURATIONS[])(dualprop_rule *rule) = { NULL, state_noise_and_leaky_steps,
                                                                     jacobi_with_tolerance };

/* Rows: backend, step, configuration; with and without weights of samples. */
START_TEST(exact_steps_by_a_proximal_map_are_the_built_in_ones)
{
    static const int DUALS[] = { DUALPROP_DP, DUALPROP_DP_DAMPED, DUALPROP_LPOM };
    int configuration = _i / 4;
    for (int i = 0; i < 6; i++) {
        int variant = DUALS[i / 2], is_weighted = i % 2;
        double residual[2], weights[] = { 1, 0.5, 2, 0, 1, 1.5 };
        struct small_plan plan = plan_of(BACKENDS[_i % 2], variant, DUALPROP_MSE);
        if (variant == DUALPROP_LPOM) plan.activation = DUALPROP_RELU;
        plan.output_step = _i / 2 % 2 ? DUALPROP_OUTPUT_SPROVR : DUALPROP_OUTPUT_EXACT;
        plan.configure = EXACT_CONFIGURATIONS[configuration];
        if (is_weighted && configuration == 1) continue; /* the built-in one refuses it */
        struct small_network built_in = small_create(&plan), own = small_create(&plan);
        set_proximal(&own, squared_error, squared_error_proximal, NULL);
        if (is_weighted) {
            expect_ok(dualprop_state_set_sample_weights(built_in.state, weights, plan.batch));
            expect_ok(dualprop_state_set_sample_weights(own.state, weights, plan.batch));
        }
        expect_ok(small_infer(&built_in));
        expect_ok(small_infer(&own));
        expect_same(&built_in, &own, 1e-12);
        expect_ok(dualprop_state_report(NULL, &residual[0], NULL, NULL, NULL, NULL, built_in.state));
        expect_ok(dualprop_state_report(NULL, &residual[1], NULL, NULL, NULL, NULL, own.state));
        ck_assert(fabs(residual[0] - residual[1]) <= 1e-12 || (isnan(residual[0]) && isnan(residual[1])));
        small_destroy(&built_in);
        small_destroy(&own);
    }
}
END_TEST

START_TEST(a_proximal_map_has_its_conditions)
{
    int answer = 5;
    dualprop_loss_proximal proximal = squared_error_proximal;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    expect_error(dualprop_rule_set_loss_proximal(small.rule, squared_error_proximal), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_rule_set_loss_function()");
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_EXACT));
    expect_ok(dualprop_rule_set_loss_function(small.rule, squared_error, NULL));
    expect_error(dualprop_state_prepare(small.state), DUALPROP_ERROR_UNSUPPORTED, "dualprop_rule_set_loss_proximal()");
    expect_ok(dualprop_rule_get_loss_proximal(&proximal, small.rule));
    ck_assert(!proximal);
    expect_ok(dualprop_rule_set_loss_proximal(small.rule, squared_error_proximal));
    expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_STATE, "dualprop_state_prepare()");
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_rule_get_loss_proximal(&proximal, small.rule));
    ck_assert(proximal == squared_error_proximal);
    set_proximal(&small, squared_error, wrong_proximal, NULL);
    expect_error(small_infer(&small), DUALPROP_ERROR_NOT_FINITE, "the loss's proximal map");
    answer = 5;
    expect_ok(dualprop_rule_set_loss_function(small.rule, squared_error, &answer)); /* which counts its calls there */
    expect_ok(dualprop_rule_set_loss_proximal(small.rule, wrong_proximal));
    expect_ok(dualprop_state_prepare(small.state));
    expect_error(small_infer(&small), DUALPROP_ERROR_CANCELLED, "the loss's proximal map returned 6");
    expect_ok(dualprop_rule_set_loss(small.rule, DUALPROP_MSE));
    expect_ok(dualprop_rule_get_loss_proximal(&proximal, small.rule));
    ck_assert(!proximal);
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(small_infer(&small));
    small_destroy(&small);
}
END_TEST

START_TEST(learning_in_one_call_is_inference_and_update)
{
    double weights[2][SMALL_MAX_REALS], most = 0.2;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_MSE);
    for (int one_call = 0; one_call < 2; one_call++) {
        struct small_network small = small_create(&plan);
        dualprop_view inputs = rows_view(small.x, &small, 0), targets = rows_view(small.y, &small, plan.layers);
        set_function(&small, huber, &most);
        for (int step = 0; step < 3; step++) {
            if (one_call) {
                expect_ok(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets));
            } else {
                expect_ok(small_infer(&small));
                expect_ok(dualprop_update(small.optimizer, small.state));
            }
        }
        dualprop_view view = matrix_view(weights[one_call], DUALPROP_F64, plan.widths[1], plan.widths[2]);
        expect_ok(dualprop_network_read(&view, small.network, "layer2.weight"));
        small_destroy(&small);
    }
    ck_assert(memcmp(weights[0], weights[1], sizeof(double) * (size_t)(plan.widths[1] * plan.widths[2])) == 0);
}
END_TEST

/* Labels become rows with a one, as the built-in losses see them. */
START_TEST(labels_reach_the_function_as_rows)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_CROSS_ENTROPY);
    struct small_network dense = small_create(&plan), labelled = small_create(&plan);
    int32_t labels[SMALL_MAX_REALS];
    set_function(&dense, cross_entropy, NULL);
    set_function(&labelled, cross_entropy, NULL);
    for (int64_t b = 0; b < plan.batch; b++) labels[b] = (int32_t)(b % plan.widths[plan.layers]);
    expect_ok(small_infer(&dense));
    expect_ok(dualprop_infer(labelled.state, labelled.x, labels, plan.batch));
    expect_same(&dense, &labelled, 0);
    small_destroy(&dense);
    small_destroy(&labelled);
}
END_TEST

START_TEST(a_function_that_fails_ends_the_call)
{
    int answer = -7;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = rows_view(small.x, &small, 0), targets = rows_view(small.y, &small, plan.layers);
    set_function(&small, refuses, &answer);
    expect_error(small_infer(&small), DUALPROP_ERROR_CANCELLED, "-7");
    expect_error(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE, "infer");
    expect_error(dualprop_evaluate_view(NULL, NULL, NULL, 1, small.state, &inputs, &targets), DUALPROP_ERROR_CANCELLED,
                 "-7");
    expect_ok(dualprop_rule_set_loss_function(small.rule, not_finite, NULL));
    expect_error(small_infer(&small), DUALPROP_ERROR_NOT_FINITE, "gradient");
    expect_ok(dualprop_rule_set_loss_function(small.rule, squared_error, NULL));
    expect_ok(small_infer(&small));
    small_destroy(&small);
}
END_TEST

START_TEST(what_a_function_contradicts_is_refused)
{
    dualprop_loss_function function;
    void *user_data;
    int loss, calls;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics;
    double values[3];
    expect_ok(dualprop_rule_set_loss_function(small.rule, squared_error, &calls));
    expect_ok(dualprop_rule_get_loss_function(&function, &user_data, small.rule));
    expect_ok(dualprop_rule_get_loss(&loss, small.rule));
    ck_assert(function == squared_error && user_data == &calls && loss == DUALPROP_LOSS_FUNCTION);
    expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_STATE, "dualprop_state_prepare");
    expect_ok(dualprop_rule_set_loss_function(small.rule, squared_error, NULL));
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_EXACT));
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "proximal");
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_LINEAR));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, DUALPROP_MSE, plan.batch));
    expect_error(dualprop_diagnostics_objective(&values[0], &values[1], &values[2], diagnostics, small.state),
                 DUALPROP_ERROR_UNSUPPORTED, "loss");
    dualprop_diagnostics_destroy(diagnostics);
    expect_ok(dualprop_rule_set_loss(small.rule, DUALPROP_MSE));
    expect_ok(dualprop_rule_get_loss_function(&function, &user_data, small.rule));
    ck_assert(!function && !user_data);
    small_destroy(&small);
}
END_TEST

/* A file says that the loss is a function; which one, the program has to. */
START_TEST(a_rule_from_a_file_waits_for_its_function)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    dualprop_checkpoint *checkpoint;
    dualprop_rule *loaded;
    dualprop_state *state;
    dualprop_view inputs = rows_view(small.x, &small, 0), targets = rows_view(small.y, &small, plan.layers);
    set_function(&small, squared_error, NULL);
    expect_ok(dualprop_checkpoint_create(&checkpoint, small.context));
    expect_ok(dualprop_checkpoint_put_rule(checkpoint, small.rule));
    expect_ok(dualprop_checkpoint_get_rule(&loaded, checkpoint));
    expect_ok(dualprop_state_create(&state, small.network, loaded, plan.batch));
    expect_error(dualprop_infer_view(state, &inputs, &targets), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_rule_set_loss_function");
    expect_ok(dualprop_rule_set_loss_function(loaded, squared_error, NULL));
    expect_ok(dualprop_infer_view(state, &inputs, &targets));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(loaded);
    small_destroy(&small);
}
END_TEST

/* By hand: a rule that loses its function in the middle of an inference ends it with the one that it began with. */
START_TEST(an_open_inference_keeps_its_function)
{
    int calls = 0;
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP, DUALPROP_MSE);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = rows_view(small.x, &small, 0), targets = rows_view(small.y, &small, plan.layers);
    set_function(&small, squared_error, &calls);
    expect_ok(dualprop_infer_begin(small.state, &inputs, &targets));
    expect_ok(dualprop_rule_set_loss(small.rule, DUALPROP_CROSS_ENTROPY));
    for (int pass = 0; pass < 3; pass++) expect_ok(dualprop_infer_pass(small.state));
    expect_ok(dualprop_infer_end(small.state));
    ck_assert_int_ge(calls, 2);
    small_destroy(&small);
}
END_TEST

Suite *test_own_loss_suite(void)
{
    Suite *suite = suite_create("losses of the caller's");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, a_given_gradient_has_the_bits_of_the_loss_at_the_prediction, 0, 2 * VARIANT_COUNT);
    tcase_add_loop_test(tests, every_output_step_of_a_given_gradient_is_the_linear_one, 0, 4);
    tcase_add_loop_test(tests, the_gradient_of_the_inputs_is_that_of_the_loss, 0, 6);
    tcase_add_loop_test(tests, a_given_gradient_has_no_loss_to_report, 0, 2);
    tcase_add_loop_test(tests, a_given_gradient_may_be_strided_and_of_another_type, 0, 2);
    tcase_add_loop_test(tests, the_function_of_squared_error_has_the_bits_of_the_built_in_one, 0,
                        2 * CONFIGURATION_COUNT);
    tcase_add_loop_test(tests, the_function_of_cross_entropy_agrees_with_the_built_in_one, 0, 2);
    tcase_add_loop_test(tests, huber_learns_its_gradient, 0, 8);
    tcase_add_loop_test(tests, exact_steps_by_a_proximal_map_are_the_built_in_ones, 0, 12);
    tcase_add_loop_test(tests, a_proximal_map_has_its_conditions, 0, 2);
    tcase_add_loop_test(tests, learning_in_one_call_is_inference_and_update, 0, 2);
    tcase_add_loop_test(tests, labels_reach_the_function_as_rows, 0, 2);
    tcase_add_loop_test(tests, a_function_that_fails_ends_the_call, 0, 2);
    tcase_add_loop_test(tests, what_a_function_contradicts_is_refused, 0, 2);
    tcase_add_loop_test(tests, a_rule_from_a_file_waits_for_its_function, 0, 2);
    tcase_add_loop_test(tests, an_open_inference_keeps_its_function, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
