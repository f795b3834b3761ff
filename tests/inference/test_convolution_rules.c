/*
 * test_convolution_rules.c - what the method shows on networks with convolutions, pooling and local layers, in f64 on
 * both backends: finite differences, the oracles of test_oracles.c, switches, exact skipping, and the same bits for any
 * number of threads.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "support/comparison.h"
#include "support/expect.h"
#include "support/image_network.h"

#define BACKENDS 2

/* Loop tests: both poolings on both backends; the first two are max pooling. */
static struct image_plan plan_of(int i)
{
    return (struct image_plan){ .backend = i % BACKENDS ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                                .precision = DUALPROP_F64,
                                .activation = DUALPROP_TANH,
                                .pooling = i / BACKENDS % 2 ? DUALPROP_POOL_AVERAGE : DUALPROP_POOL_MAX,
                                .variant = DUALPROP_DP_ADJOINT,
                                .alpha = 0.5,
                                .beta = 0.5,
                                .loss = DUALPROP_CROSS_ENTROPY };
}

static struct image_plan twin_of(const struct image_plan *plan)
{
    struct image_plan twin = *plan;
    twin.variant = DUALPROP_BP;
    twin.schedule = DUALPROP_FORWARD_BACKWARD;
    twin.passes = 1;
    twin.nudge_at = DUALPROP_NUDGE_AT_CURRENT;
    return twin;
}

static void create_both(struct image_network *made, struct image_network *twin, const struct image_plan *plan)
{
    struct image_plan back = twin_of(plan);
    image_create(made, plan);
    image_twin(twin, made, &back);
    image_gradient(made);
    image_gradient(twin);
}

static void destroy_both(struct image_network *made, struct image_network *twin)
{
    image_destroy(twin);
    image_destroy(made);
}

/* ---- finite differences ---- */

static double loss_of(struct image_network *made)
{
    double loss;
    dualprop_view inputs = image_inputs(made), targets = image_targets(made);
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, made->state, &inputs, &targets));
    return loss;
}

static double loss_with(struct image_network *made, int index, double *parameter, int64_t i, double value)
{
    double kept = parameter[i];
    parameter[i] = value;
    image_set_parameter(made, index, parameter);
    parameter[i] = kept;
    return loss_of(made);
}

/* Central differences. A step that crosses to another maximum of a window shows in the two one-sided differences: they
 * differ by far more than the curvature of tanh makes them, and that weight is left out. Gives how many were
 * compared. */
static int compare_parameter(struct image_network *made, int index, const double *gradient, double tolerance)
{
    const double step = 1e-5;
    double parameter[IMAGE_MOST], middle = loss_of(made);
    int64_t count = image_parameter(parameter, made, index, 0);
    int compared = 0;
    for (int64_t i = 0; i < count; i++) {
        double above = loss_with(made, index, parameter, i, parameter[i] + step);
        double below = loss_with(made, index, parameter, i, parameter[i] - step);
        double slope = (above - below) / (2 * step);
        if (fabs(above + below - 2 * middle) / step > 1e-3) continue;
        ck_assert_msg(fabs(slope - gradient[i]) <= tolerance, "parameter %d[%lld]: gradient %.12g, difference %.12g",
                      index, (long long)i, gradient[i], slope);
        compared++;
    }
    image_set_parameter(made, index, parameter);
    return compared;
}

static void compare_all(struct image_network *made, double tolerance)
{
    double gradients[2 * IMAGE_LAYERS][IMAGE_MOST];
    int64_t count = 0;
    int compared = 0;
    image_gradient(made);
    for (int index = 0; index < 2 * IMAGE_LAYERS; index++) count += image_parameter(gradients[index], made, index, 1);
    for (int index = 0; index < 2 * IMAGE_LAYERS; index++)
        compared += compare_parameter(made, index, gradients[index], tolerance);
    ck_assert_msg(compared >= count - 5, "only %d of %lld parameters could be compared", compared, (long long)count);
}

/* The second derivative of the loss is of order 1, so its fourth part times step^2 is 1e-10; rounding 1e-16/step. */
START_TEST(back_propagation_is_the_slope_of_the_loss)
{
    struct image_plan plan = plan_of(_i);
    struct image_network made;
    plan.variant = DUALPROP_BP;
    image_create(&made, &plan);
    compare_all(&made, 1e-8);
    image_destroy(&made);
}
END_TEST

/* Its own error falls as beta^2 from about 1e-2 at beta = 1 (the order is tested below). */
START_TEST(dual_propagation_is_the_slope_of_the_loss)
{
    struct image_plan plan = plan_of(_i);
    struct image_network made;
    for (int switches = 0; switches <= 1; switches++) {
        plan.switches = switches;
        plan.beta = 1e-3;
        image_create(&made, &plan);
        compare_all(&made, 1e-7);
        image_destroy(&made);
    }
}
END_TEST

/* ---- oracle 1: small beta is back-propagation; fw reaches a layer a pass ---- */

static void expect_equal_to_bp(const struct image_plan *plan)
{
    struct image_network made, twin;
    create_both(&made, &twin, plan);
    for (int k = 1; k <= IMAGE_LAYERS; k++) {
        double cosine, norm, other;
        expect_ok(dualprop_gradient_compare(&cosine, &norm, &other, NULL, made.optimizer, twin.optimizer, k));
        ck_assert_double_ge(cosine, 0.99995);
        ck_assert_double_eq_tol(norm / other, 1, 0.0005);
    }
    destroy_both(&made, &twin);
}

START_TEST(small_beta_equals_back_propagation)
{
    static const int ACTIVATIONS[] = { DUALPROP_RELU, DUALPROP_SIGMOID, DUALPROP_SOFTMAX };
    struct image_plan plan = plan_of(_i);
    plan.beta = 1e-5;
    for (int i = 0; i < 12; i++) {
        plan.activation = ACTIVATIONS[i % 3];
        plan.switches = i / 3 % 2;
        plan.schedule = i / 6 ? DUALPROP_FORWARD : DUALPROP_FORWARD_BACKWARD;
        plan.passes = i / 6 ? IMAGE_LAYERS : 1;
        expect_equal_to_bp(&plan);
    }
}
END_TEST

START_TEST(forward_reaches_one_layer_a_pass)
{
    struct image_plan plan = plan_of(_i);
    double gradient[IMAGE_MOST];
    plan.schedule = DUALPROP_FORWARD;
    for (plan.passes = 1; plan.passes <= IMAGE_LAYERS; plan.passes++) {
        struct image_network made;
        image_create(&made, &plan);
        image_gradient(&made);
        for (int k = 1; k <= IMAGE_LAYERS; k++) {
            double largest = 0;
            int64_t count = image_parameter(gradient, &made, 2 * (k - 1), 1);
            for (int64_t i = 0; i < count; i++) largest = comparison_larger(largest, fabs(gradient[i]));
            if (k <= IMAGE_LAYERS - plan.passes) ck_assert_double_eq(largest, 0);
            else ck_assert_double_gt(largest, 0);
        }
        image_destroy(&made);
    }
}
END_TEST

/* ---- oracle 2: the order in beta ---- */

static double error_at(struct image_plan *plan, double beta)
{
    struct image_network made, twin;
    plan->beta = beta;
    create_both(&made, &twin, plan);
    double error = image_error(&made, &twin);
    destroy_both(&made, &twin);
    return error;
}

/* From 1e-2 to 1e-3, where no window changes its maximum any more. */
START_TEST(order_in_beta)
{
    struct image_plan plan = plan_of(_i);
    plan.passes = 3;
    for (int i = 0; i < 6; i++) {
        plan.variant = i % 2 ? DUALPROP_DP : DUALPROP_DP_ADJOINT;
        plan.alpha = i / 2 * 0.5;
        double order = plan.alpha == 0.5 ? 2 : 1, measured = log10(error_at(&plan, 1e-2) / error_at(&plan, 1e-3));
        ck_assert_msg(fabs(measured - order) < 0.1, "variant %d, alpha %g: order %g, expected %g", plan.variant,
                      plan.alpha, measured, order);
    }
}
END_TEST

/* ---- oracle 3: alpha 0 and 1 in DP^T; alpha 1/2 in both ---- */

static double largest_difference(struct image_network *one, struct image_network *other, int which, int other_which)
{
    double first[IMAGE_BATCH * IMAGE_MOST], second[IMAGE_BATCH * IMAGE_MOST], largest = 0;
    for (int k = 1; k <= IMAGE_LAYERS; k++) {
        int64_t count = image_read(first, one, k, which);
        image_read(second, other, k, other_which);
        for (int64_t i = 0; i < count; i++) largest = comparison_larger(largest, fabs(first[i] - second[i]));
    }
    return largest;
}

START_TEST(adjoint_keeps_the_feed_forward_mean)
{
    struct image_plan plan = plan_of(_i);
    plan.beta = 1.5;
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = IMAGE_LAYERS;
    plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) {
        struct image_network made, twin;
        double difference, norm;
        create_both(&made, &twin, &plan);
        ck_assert_double_le(largest_difference(&made, &twin, DUALPROP_S_BOTTOM_UP, DUALPROP_S_BOTTOM_UP), 1e-14);
        expect_ok(
            dualprop_gradient_compare(NULL, NULL, &norm, &difference, made.optimizer, twin.optimizer, IMAGE_LAYERS));
        ck_assert_double_le(difference, 1e-14 * norm);
        destroy_both(&made, &twin);
    }
}
END_TEST

START_TEST(both_rules_agree_at_one_half)
{
    struct image_plan plan = plan_of(_i), other = plan;
    struct image_network made, twin;
    plan.passes = other.passes = 2;
    other.variant = DUALPROP_DP;
    image_create(&made, &plan);
    image_twin(&twin, &made, &other);
    image_infer(&made);
    image_infer(&twin);
    ck_assert_double_eq(largest_difference(&made, &twin, DUALPROP_S_PLUS, DUALPROP_S_PLUS), 0);
    destroy_both(&made, &twin);
}
END_TEST

/* ---- oracle 4: (alpha, beta) -> (1 - alpha, -beta) exchanges s+ and s- ---- */

START_TEST(exchanging_the_two_states)
{
    struct image_plan plan = plan_of(_i), other = plan;
    struct image_network made, twin;
    plan.alpha = 0.3, other.alpha = 0.7;
    plan.beta = 0.2, other.beta = -0.2;
    plan.passes = other.passes = 3;
    image_create(&made, &plan);
    image_twin(&twin, &made, &other);
    image_infer(&made);
    image_infer(&twin);
    ck_assert_double_le(largest_difference(&made, &twin, DUALPROP_S_PLUS, DUALPROP_S_MINUS), 1e-14);
    ck_assert_double_le(largest_difference(&made, &twin, DUALPROP_S_MINUS, DUALPROP_S_PLUS), 1e-14);
    destroy_both(&made, &twin);
}
END_TEST

/* ---- switches ---- */

static void both_conventions(struct image_network *made, struct image_network *original, const struct image_plan *plan)
{
    struct image_plan other = *plan;
    other.switches = DUALPROP_SWITCHES_ORIGINAL;
    image_create(made, plan);
    image_twin(original, made, &other);
    image_gradient(made);
    image_gradient(original);
}

/* They differ where a window's maximum moves, and nowhere else. */
START_TEST(conventions_differ_by_whole_windows)
{
    struct image_plan plan = plan_of(_i);
    struct image_network made, original;
    plan.alpha = 0.25;
    plan.passes = 3;
    plan.beta = 1e-6;
    both_conventions(&made, &original, &plan);
    ck_assert_double_le(image_error(&original, &made), 1e-12);
    destroy_both(&made, &original);
    plan.beta = 2;
    both_conventions(&made, &original, &plan);
    ck_assert_double_ge(image_error(&original, &made), 1e-3);
    destroy_both(&made, &original);
}
END_TEST

START_TEST(conventions_agree_where_nothing_is_switched)
{
    struct image_plan plan = plan_of(BACKENDS + _i);
    struct image_network made, original;
    plan.beta = 2;
    plan.passes = 3;
    ck_assert_int_eq(plan.pooling, DUALPROP_POOL_AVERAGE);
    both_conventions(&made, &original, &plan);
    ck_assert_double_eq(image_error(&original, &made), 0);
    destroy_both(&made, &original);
}
END_TEST

START_TEST(switches_are_part_of_the_plan)
{
    struct image_plan plan = plan_of(_i), other = plan;
    struct image_network made, original;
    other.switches = DUALPROP_SWITCHES_ORIGINAL;
    plan.beta = other.beta = 2;
    image_create(&made, &plan);
    image_twin(&original, &made, &other);
    dualprop_view inputs = image_inputs(&made), targets = image_targets(&made);
    expect_ok(dualprop_rule_set_pool_switches(made.rule, DUALPROP_SWITCHES_ORIGINAL));
    expect_error(dualprop_infer_view(made.state, &inputs, &targets), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_state_prepare");
    expect_ok(dualprop_state_prepare(made.state));
    image_gradient(&made);
    image_gradient(&original);
    ck_assert_double_eq(image_error(&made, &original), 0);
    expect_ok(dualprop_rule_set_pool_switches(made.rule, DUALPROP_SWITCHES_BOTTOM_UP));
    expect_ok(dualprop_state_prepare(made.state));
    image_gradient(&made);
    ck_assert_double_gt(image_error(&made, &original), 0);
    destroy_both(&made, &original);
}
END_TEST

/* ---- exact skipping ---- */

static int64_t updates_of(const struct image_plan *plan)
{
    struct image_network made;
    int64_t updates, skipped;
    image_create(&made, plan);
    image_infer(&made);
    expect_ok(dualprop_state_report(NULL, NULL, &updates, &skipped, NULL, NULL, made.state));
    image_destroy(&made);
    return updates;
}

/* At alpha 0 and 1 of DP^T fw with K = L updates each layer once, as fw-bw does; else layer k from pass L - k + 1
 * on. */
START_TEST(forward_updates_what_can_change)
{
    struct image_plan plan = plan_of(_i);
    plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    for (int i = 0; i < 3; i++) {
        plan.alpha = i * 0.5;
        plan.schedule = DUALPROP_FORWARD_BACKWARD;
        plan.passes = 1;
        ck_assert_int_eq(updates_of(&plan), IMAGE_LAYERS);
        plan.schedule = DUALPROP_FORWARD;
        plan.passes = IMAGE_LAYERS;
        int64_t all = IMAGE_LAYERS * (IMAGE_LAYERS + 1) / 2;
        ck_assert_int_eq(updates_of(&plan), plan.alpha == 0.5 ? all : IMAGE_LAYERS);
        plan.passes = 2 * IMAGE_LAYERS;
        if (plan.alpha != 0.5) ck_assert_int_eq(updates_of(&plan), IMAGE_LAYERS);
    }
}
END_TEST

/* What was skipped would have changed nothing: with every product forgotten before each visit the bits are the same. */
static void visit_all(struct image_network *made, int passes, int forget)
{
    dualprop_view inputs = image_inputs(made), targets = image_targets(made);
    double mean[IMAGE_BATCH * IMAGE_MOST];
    expect_ok(dualprop_infer_begin(made->state, &inputs, &targets));
    for (int visit = 0; visit < passes * IMAGE_LAYERS; visit++) {
        int k = visit % IMAGE_LAYERS + 1;
        /* Writing what is there already raises the versions, so that layer and neighbours compute again. */
        if (forget && k > 1) {
            dualprop_layer *layer;
            int64_t width;
            image_read(mean, made, k - 1, DUALPROP_S_MEAN);
            expect_ok(dualprop_network_layer(&layer, made->network, k - 1));
            expect_ok(dualprop_layer_info(NULL, &width, NULL, layer));
            dualprop_view view = matrix_view(mean, DUALPROP_F64, IMAGE_BATCH, width);
            expect_ok(dualprop_state_write(made->state, k - 1, DUALPROP_S_MEAN, &view));
        }
        expect_ok(dualprop_infer_layer(made->state, k));
    }
    expect_ok(dualprop_infer_end(made->state));
}

START_TEST(skipping_is_exact)
{
    struct image_plan plan = plan_of(_i % 4);
    struct image_network made, other;
    plan.switches = _i / 4;
    plan.beta = 1.5;
    plan.schedule = DUALPROP_FORWARD;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
        image_create(&made, &plan);
        image_create(&other, &plan);
        visit_all(&made, 7, 0);
        visit_all(&other, 7, 1);
        ck_assert_double_eq(largest_difference(&made, &other, DUALPROP_S_MEAN, DUALPROP_S_MEAN), 0);
        ck_assert_double_eq(largest_difference(&made, &other, DUALPROP_S_DELTA, DUALPROP_S_DELTA), 0);
        image_destroy(&other);
        image_destroy(&made);
    }
}
END_TEST

/* ---- the same bits for any number of threads ---- */

static void train(struct image_network *made)
{
    static const int32_t moves[IMAGE_BATCH][3] = { { 1, 0, 0 }, { 0, -1, 1 }, { 0, 0, 1 } };
    for (int i = 0; i < 4; i++) {
        expect_ok(dualprop_state_set_augmentation(made->state, moves[0], IMAGE_BATCH));
        image_infer(made);
        expect_ok(dualprop_update(made->optimizer, made->state));
    }
}

START_TEST(threads_do_not_change_bits)
{
    struct image_plan plan = plan_of(_i % 4);
    double first[IMAGE_MOST], second[IMAGE_MOST];
    plan.precision = _i / 4 ? DUALPROP_F64 : DUALPROP_F32;
    plan.switches = _i / 4;
    plan.passes = 2;
    struct image_network one, many;
    plan.threads = 1;
    image_create(&one, &plan);
    train(&one);
    for (plan.threads = 2; plan.threads <= 4; plan.threads++) {
        image_create(&many, &plan);
        train(&many);
        for (int index = 0; index < 2 * IMAGE_LAYERS; index++) {
            int64_t count = image_parameter(first, &one, index, 0);
            image_parameter(second, &many, index, 0);
            ck_assert_msg(!memcmp(first, second, (size_t)count * sizeof *first),
                          "parameter %d has other bits with %d threads", index, plan.threads);
        }
        image_destroy(&many);
    }
    image_destroy(&one);
}
END_TEST

Suite *test_convolution_rules_suite(void);
Suite *test_convolution_rules_suite(void)
{
    Suite *suite = suite_create("convolution_rules");
    TCase *tests = tcase_create("convolution_rules");
    tcase_add_loop_test(tests, back_propagation_is_the_slope_of_the_loss, 0, 4);
    tcase_add_loop_test(tests, dual_propagation_is_the_slope_of_the_loss, 0, 4);
    tcase_add_loop_test(tests, small_beta_equals_back_propagation, 0, 4);
    tcase_add_loop_test(tests, forward_reaches_one_layer_a_pass, 0, 4);
    tcase_add_loop_test(tests, order_in_beta, 0, 4);
    tcase_add_loop_test(tests, adjoint_keeps_the_feed_forward_mean, 0, 4);
    tcase_add_loop_test(tests, both_rules_agree_at_one_half, 0, 4);
    tcase_add_loop_test(tests, exchanging_the_two_states, 0, 4);
    tcase_add_loop_test(tests, conventions_differ_by_whole_windows, 0, 2);
    tcase_add_loop_test(tests, conventions_agree_where_nothing_is_switched, 0, 2);
    tcase_add_loop_test(tests, switches_are_part_of_the_plan, 0, 2);
    tcase_add_loop_test(tests, forward_updates_what_can_change, 0, 4);
    tcase_add_loop_test(tests, skipping_is_exact, 0, 8);
    tcase_add_loop_test(tests, threads_do_not_change_bits, 0, 8);
    suite_add_tcase(suite, tests);
    return suite;
}
