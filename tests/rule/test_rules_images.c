/*
 * test_rules_images.c - every rule, schedule and option on a network with convolutions, pooling and a local layer.
 *
 * In f64. What the rules do to dyads is tested against the equations on dense networks (test_rules_model.c); here it is
 * tested that convolutions take part in all of it: limits, norms, the input's dyads, feedback weights, hardware.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/comparison.h"
#include "support/expect.h"
#include "support/image_network.h"
#include "core/backend/backend_internal.h"

Suite *test_rules_images_suite(void);

#define REALS (IMAGE_BATCH * IMAGE_MOST)

/* Loop tests: both backends, then both again with average pooling. */
static struct image_plan plan_of(int i)
{
    return (struct image_plan){ .backend = i % 2 ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                                .precision = DUALPROP_F64,
                                .activation = DUALPROP_RELU,
                                .pooling = i / 2 % 2 ? DUALPROP_POOL_AVERAGE : DUALPROP_POOL_MAX,
                                .variant = DUALPROP_DP,
                                .alpha = 0.3,
                                .beta = 0.2,
                                .loss = DUALPROP_MSE,
                                .passes = 2 };
}

static double difference_of(const double *x, const double *y, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = comparison_larger(largest, fabs(x[i] - y[i]));
    return largest;
}

static int is_damped(int variant)
{
    return variant == DUALPROP_DP_DAMPED || variant == DUALPROP_LPOM || variant == DUALPROP_INVERTED_LPOM;
}

/* ---- every rule and schedule tends to back-propagation ---- */

static const int32_t ORDER[] = { 4, 3, 2, 1, 2, 3, 4, 3, 2, 1 };

static void set_order(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_order(rule, ORDER, sizeof ORDER / sizeof *ORDER));
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.7));
}

/* Damped states approach their fixed point by a factor a pass; orders that are drawn reach all layers by chance. */
static int enough_passes(const struct image_plan *plan)
{
    static const int PASSES[] = { 1, 4, 1, 4, 4, 5, 60, 100, 1 };
    return is_damped(plan->variant) ? 150 : PASSES[plan->schedule];
}

static double distance(const struct image_plan *plan)
{
    struct image_network made, twin;
    struct image_plan back = *plan;
    back.variant = DUALPROP_BP, back.schedule = DUALPROP_FORWARD_BACKWARD, back.output_step = DUALPROP_OUTPUT_LINEAR;
    back.passes = 1;
    image_create(&made, plan);
    image_twin(&twin, &made, &back);
    image_gradient(&made);
    image_gradient(&twin);
    double error = image_error(&made, &twin);
    image_destroy(&twin);
    image_destroy(&made);
    return error;
}

START_TEST(small_beta_equals_back_propagation)
{
    struct image_plan plan = plan_of(_i);
    plan.beta = 1e-7;
    plan.configure = set_order;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.schedule = DUALPROP_FORWARD_BACKWARD; plan.schedule <= DUALPROP_LIST; plan.schedule++) {
            plan.loss = plan.schedule % 2 ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE;
            plan.passes = enough_passes(&plan);
            double error = distance(&plan);
            ck_assert_msg(error < 1e-5, "%s, %s: %.3g from back-propagation",
                          dualprop_name(DUALPROP_NAMES_RULE, plan.variant),
                          dualprop_name(DUALPROP_NAMES_SCHEDULE, plan.schedule), error);
        }
}
END_TEST

START_TEST(every_activation_and_output_step)
{
    struct image_plan plan = plan_of(_i);
    plan.beta = 1e-7;
    for (plan.activation = DUALPROP_IDENTITY; dualprop_name(DUALPROP_NAMES_ACTIVATION, plan.activation);
         plan.activation++)
        for (plan.output_step = DUALPROP_OUTPUT_LINEAR; plan.output_step <= DUALPROP_OUTPUT_SPROVR; plan.output_step++)
            for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
                double error = distance(&plan);
                ck_assert_msg(error < 1e-5, "%s, %s, %s: %.3g from back-propagation",
                              dualprop_name(DUALPROP_NAMES_ACTIVATION, plan.activation),
                              dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, plan.output_step),
                              dualprop_name(DUALPROP_NAMES_LOSS, plan.loss), error);
            }
}
END_TEST

START_TEST(lecun_equals_back_propagation_at_any_beta)
{
    struct image_plan plan = plan_of(_i);
    plan.variant = DUALPROP_LECUN;
    for (plan.activation = DUALPROP_IDENTITY; plan.activation <= DUALPROP_SILU; plan.activation++)
        for (plan.beta = -2; plan.beta < 5; plan.beta += 3) ck_assert_double_le(distance(&plan), 1e-12);
}
END_TEST

/* ---- damping ---- */

static void set_many(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_GAMMA2, 3000));
    expect_ok(dualprop_rule_set_input_robustness(rule, 3));
    for (int k = 1; k <= IMAGE_LAYERS; k++) expect_ok(dualprop_rule_set_layer_beta(rule, k, 0.1 * k));
}

/* Whatever the gap between singular values, n iterations leave an error of some log(width)/(2 n): here 1e-3 at most. */
START_TEST(damping_takes_norms_of_convolutions)
{
    struct image_plan plan = plan_of(_i);
    struct image_network made;
    dualprop_diagnostics *diagnostics;
    plan.variant = DUALPROP_DP_DAMPED;
    plan.configure = set_many;
    image_create(&made, &plan);
    expect_ok(dualprop_diagnostics_create(&diagnostics, made.network, DUALPROP_MSE, 1));
    image_infer(&made);
    for (int k = 0; k < IMAGE_LAYERS; k++) {
        double gamma, damping, expected, strength = k == 0 ? 3 : (double)k / (k + 1);
        expect_ok(dualprop_state_damping(&gamma, &damping, made.state, k));
        expect_ok(dualprop_diagnostics_spectral_norm(&expected, diagnostics, k + 1, 3000));
        ck_assert_double_eq_tol(gamma, expected, 1e-3 * expected);
        ck_assert_double_eq_tol(damping, strength * gamma * gamma, 1e-13 * damping);
    }
    dualprop_diagnostics_destroy(diagnostics);
    image_destroy(&made);
}
END_TEST

/* ---- the input's dyads ---- */

static void set_robust(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.7));
}

/* s+-_0 = x +- rho c+- W_0^T delta_1, where -1/beta W_0^T delta_1 is what the diagnostics say of the input. */
START_TEST(the_input_is_a_dyad)
{
    struct image_plan plan = plan_of(_i);
    plan.configure = set_robust;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant += DUALPROP_LECUN - DUALPROP_DP) {
        struct image_network made;
        dualprop_diagnostics *diagnostics;
        double slope[IMAGE_BATCH * IMAGE_INPUTS], plus[REALS], minus[REALS];
        dualprop_view view = matrix_view(slope, DUALPROP_F64, IMAGE_BATCH, IMAGE_INPUTS);
        double high = plan.variant == DUALPROP_DP ? 0.3 : 0.7;
        image_create(&made, &plan);
        expect_ok(dualprop_diagnostics_create(&diagnostics, made.network, DUALPROP_MSE, IMAGE_BATCH));
        image_infer(&made);
        expect_ok(dualprop_diagnostics_input_gradient(&view, diagnostics, made.state));
        image_read(plus, &made, 0, DUALPROP_S_PLUS);
        image_read(minus, &made, 0, DUALPROP_S_MINUS);
        for (int i = 0; i < IMAGE_BATCH * IMAGE_INPUTS; i++) {
            double down = 0.7 * -plan.beta * slope[i];
            ck_assert_double_eq_tol(plus[i], made.x[i] + high * down, 1e-13);
            ck_assert_double_eq_tol(minus[i], made.x[i] - (1 - high) * down, 1e-13);
        }
        dualprop_diagnostics_destroy(diagnostics);
        image_destroy(&made);
    }
}
END_TEST

/* ---- feedback weights ---- */

/* Copy layer k's weights into another network's feedback weights (to_weights 0), or its feedback into weights. */
static void carry(const struct image_network *to, const struct image_network *from, int k, int to_weights)
{
    double reals[IMAGE_MOST];
    char name[32];
    dualprop_view view = { .struct_size = sizeof view, .data = reals, .type = DUALPROP_F64 };
    expect_ok(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, from->network, 2 * (k - 1)));
    for (int64_t axis = view.rank - 1, stride = 1; axis >= 0; axis--)
        view.strides[axis] = stride, stride *= view.shape[axis];
    if (to_weights) {
        expect_ok(dualprop_network_read_feedback(&view, from->network, k));
        expect_ok(dualprop_network_write(to->network, name, &view));
    } else {
        expect_ok(dualprop_network_read(&view, from->network, name));
        expect_ok(dualprop_network_write_feedback(to->network, k, &view));
    }
}

START_TEST(feedback_equal_to_the_weights_changes_nothing)
{
    struct image_plan plan = plan_of(_i);
    struct image_network plain, own;
    double first[REALS], second[REALS];
    image_create(&plain, &plan);
    plan.feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK;
    image_create(&own, &plan);
    for (int k = 1; k <= IMAGE_LAYERS; k++) carry(&own, &plain, k, 0);
    for (int round = 0; round < 2; round++) {
        image_infer(&plain);
        image_infer(&own);
        for (int k = 1; k <= IMAGE_LAYERS; k++) {
            int64_t count = image_read(first, &plain, k, DUALPROP_S_PLUS);
            image_read(second, &own, k, DUALPROP_S_PLUS);
            ck_assert(memcmp(first, second, (size_t)count * sizeof *first) == 0);
        }
        expect_ok(dualprop_update(plain.optimizer, plain.state));
        expect_ok(dualprop_update(own.optimizer, own.state)); /* and B takes the step that W takes */
    }
    image_destroy(&own);
    image_destroy(&plain);
}
END_TEST

/* Delta_k = B^T delta_{k+1}: what another network whose weights are B sends down. Average pooling, which switches
 * nothing. */
START_TEST(delta_goes_down_through_feedback)
{
    struct image_plan plan = plan_of(2 + _i);
    for (plan.feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK; plan.feedback <= DUALPROP_FEEDBACK_SIGN; plan.feedback++) {
        struct image_network own, other;
        struct image_plan plain = plan;
        double delta[REALS], first[REALS], second[REALS];
        plain.feedback = DUALPROP_FEEDBACK_SYMMETRIC;
        image_create(&own, &plan);
        image_create(&other, &plain);
        for (int k = 1; k <= IMAGE_LAYERS; k++) carry(&other, &own, k, 1);
        dualprop_view inputs = image_inputs(&own), targets = image_targets(&own);
        expect_ok(dualprop_infer_begin(own.state, &inputs, &targets));
        expect_ok(dualprop_infer_begin(other.state, &inputs, &targets));
        for (int k = 1; k < IMAGE_LAYERS; k++) {
            int64_t count = image_read(delta, &own, k + 1, DUALPROP_S_DELTA);
            for (int64_t i = 0; i < count; i++) delta[i] = sin((double)(i + k));
            dualprop_view view = matrix_view(delta, DUALPROP_F64, IMAGE_BATCH, count / IMAGE_BATCH);
            expect_ok(dualprop_state_write(own.state, k + 1, DUALPROP_S_DELTA, &view));
            expect_ok(dualprop_state_write(other.state, k + 1, DUALPROP_S_DELTA, &view));
            expect_ok(dualprop_infer_layer(own.state, k));
            expect_ok(dualprop_infer_layer(other.state, k));
            count = image_read(first, &own, k, DUALPROP_S_TOP_DOWN);
            image_read(second, &other, k, DUALPROP_S_TOP_DOWN);
            ck_assert_double_gt(difference_of(first, (double[REALS]){ 0 }, count), 1e-3);
            ck_assert(memcmp(first, second, (size_t)count * sizeof *first) == 0);
        }
        image_destroy(&other);
        image_destroy(&own);
    }
}
END_TEST

/* ---- what a backend derives from weights is derived once for each array of weights ---- */

static int prepared;

static dualprop_status count_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    prepared++;
    return dualprop__reference_backend.convolution_prepare(self, shape, weights);
}

START_TEST(weights_are_prepared_once)
{
    struct image_plan plan = plan_of(0);
    dualprop_backend counting = dualprop__reference_backend;
    counting.convolution_prepare = count_prepare;
    plan.own_backend = &counting;
    plan.passes = 5;
    for (plan.feedback = DUALPROP_FEEDBACK_SYMMETRIC; plan.feedback <= DUALPROP_FEEDBACK_SIGN; plan.feedback++) {
        struct image_network made;
        int both =
            plan.feedback == DUALPROP_FEEDBACK_SYMMETRIC ? 0 : 2; /* layers 2 and 3 send down through their own */
        image_create(&made, &plan);
        prepared = 0;
        image_infer(&made);
        ck_assert_int_eq(prepared, 3 + both);
        image_infer(&made);
        ck_assert_int_eq(prepared, 3 + both);
        expect_ok(dualprop_update(made.optimizer, made.state));
        image_infer(&made);
        ck_assert_int_eq(prepared, 2 * (3 + both));
        image_destroy(&made);
    }
}
END_TEST

/* ---- hardware: both backends draw the same and compute the same ---- */

/* clang-format off */
static void set_noise(dualprop_rule *rule) { expect_ok(dualprop_rule_set_noise(rule, 0.02, 0.03, 0.04)); }
static void set_mismatch(dualprop_rule *rule) { expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.2)); }
static void set_leaky(dualprop_rule *rule) { expect_ok(dualprop_rule_set_time_step(rule, 0.6)); }
static void set_bits(dualprop_rule *rule) { expect_ok(dualprop_rule_set_quantization(rule, 10)); }
static void set_async(dualprop_rule *rule) { expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_ASYNC, 9)); }
/* clang-format on */

/* Two states that round to neighbouring steps of the quantum, 2^-9 of R, differ by it; others by rounding. */
START_TEST(options_of_hardware_on_both_backends)
{
    static const struct {
        void (*set)(dualprop_rule *rule);
        double tolerance;
    } OPTIONS[] = {
        { set_noise, 1e-12 }, { set_mismatch, 1e-12 }, { set_leaky, 1e-12 }, { set_async, 1e-12 }, { set_bits, 0.02 }
    };
    struct image_plan plan = plan_of(2 * _i);
    for (int i = 0; i < 5; i++) {
        struct image_network one, other;
        struct image_plan blis = plan_of(2 * _i + 1);
        double first[REALS], second[REALS], plain[REALS];
        plan.configure = blis.configure = OPTIONS[i].set;
        image_create(&one, &plan);
        image_create(&other, &blis);
        image_infer(&one);
        image_infer(&other);
        plan.configure = NULL;
        struct image_network without;
        image_create(&without, &plan);
        image_infer(&without);
        for (int k = 1; k <= IMAGE_LAYERS; k++) {
            int64_t count = image_read(first, &one, k, DUALPROP_S_PLUS);
            image_read(second, &other, k, DUALPROP_S_PLUS);
            image_read(plain, &without, k, DUALPROP_S_PLUS);
            ck_assert_msg(difference_of(first, second, count) <= OPTIONS[i].tolerance, "option %d, layer %d", i, k);
            if (k < IMAGE_LAYERS) ck_assert_double_gt(difference_of(first, plain, count), 1e-6);
        }
        image_destroy(&without);
        image_destroy(&other);
        image_destroy(&one);
    }
}
END_TEST

Suite *test_rules_images_suite(void)
{
    Suite *suite = suite_create("rules on images");
    TCase *tests = tcase_create("backends and poolings");
    tcase_add_loop_test(tests, small_beta_equals_back_propagation, 0, 4);
    tcase_add_loop_test(tests, every_activation_and_output_step, 0, 4);
    tcase_add_loop_test(tests, lecun_equals_back_propagation_at_any_beta, 0, 4);
    tcase_add_loop_test(tests, damping_takes_norms_of_convolutions, 0, 2);
    tcase_add_loop_test(tests, the_input_is_a_dyad, 0, 4);
    tcase_add_loop_test(tests, feedback_equal_to_the_weights_changes_nothing, 0, 4);
    tcase_add_loop_test(tests, delta_goes_down_through_feedback, 0, 2);
    tcase_add_test(tests, weights_are_prepared_once);
    tcase_add_loop_test(tests, options_of_hardware_on_both_backends, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
