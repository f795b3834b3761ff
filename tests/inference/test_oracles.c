/*
 * test_oracles.c - what a right implementation shows: the oracles of the paper's mathematics, in f64 on both backends.
 *
 * Numbered as in the list of oracles in docs/numerics.md. Tolerances: where two computations of the same thing are
 * compared, 1e-12 allows a few hundred roundings of 1e-16; where a limit beta -> 0 is taken, the known order decides.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "support/backends.h"
#include "support/comparison.h"
#include "support/small_network.h"

static struct small_plan plan_of(int backend)
{
    struct small_plan plan = {
        .backend = BACKENDS[backend],
        .layers = 4,
        .widths = { 7, 12, 9, 8, 5 },
        .activation = DUALPROP_TANH,
        .variant = DUALPROP_DP_ADJOINT,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 3,
        .passes = 1,
    };
    return plan;
}

/* ---- 1: small beta equals back-propagation ---- */

static void expect_equal_to_bp(const struct small_plan *plan)
{
    struct small_network small = small_create(plan);
    struct small_network twin = small_twin(&small, DUALPROP_BP);
    small_gradient(&small);
    small_gradient(&twin);
    for (int k = 1; k <= plan->layers; k++) {
        ck_assert_double_ge(small_cosine(&small, &twin, k), 0.99995);
        ck_assert_double_eq_tol(small_norm_ratio(&small, &twin, k), 1.0, 0.0005);
    }
    small_destroy(&twin);
    small_destroy(&small);
}

START_TEST(test_small_beta_equals_back_propagation)
{
    struct small_plan plan = plan_of(_i);
    plan.beta = 1e-5;
    for (int loss = DUALPROP_MSE; loss <= DUALPROP_CROSS_ENTROPY; loss++)
        for (int activation = DUALPROP_IDENTITY; activation <= DUALPROP_SOFTMAX; activation++) {
            plan.loss = loss;
            plan.activation = activation;
            plan.schedule = DUALPROP_FORWARD_BACKWARD;
            plan.passes = 1;
            expect_equal_to_bp(&plan);
            plan.schedule = DUALPROP_FORWARD;
            plan.passes = plan.layers;
            expect_equal_to_bp(&plan);
        }
}
END_TEST

START_TEST(test_forward_reaches_one_layer_a_pass)
{
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    plan.schedule = DUALPROP_FORWARD;
    for (plan.passes = 1; plan.passes <= plan.layers; plan.passes++) {
        struct small_network small = small_create(&plan);
        small_gradient(&small);
        for (int k = 1; k <= plan.layers; k++) {
            double largest = 0;
            small_read_gradient(weight, bias, &small, k);
            for (int64_t i = 0; i < plan.widths[k - 1] * plan.widths[k]; i++)
                largest = comparison_larger(largest, fabs(weight[i]));
            for (int64_t i = 0; i < plan.widths[k]; i++) largest = comparison_larger(largest, fabs(bias[i]));
            if (k <= plan.layers - plan.passes) ck_assert_double_eq(largest, 0.0);
            else ck_assert_double_gt(largest, 0.0);
        }
        small_destroy(&small);
    }
}
END_TEST

/* ---- 2: the order in beta ---- */

static void expect_order(const struct small_plan *base, double order)
{
    struct small_plan plan = *base;
    plan.beta = 1e-2;
    double coarse = small_error_of(&plan);
    plan.beta = 1e-3;
    double fine = small_error_of(&plan);
    double measured = log10(coarse / fine);
    ck_assert_msg(fabs(measured - order) < 0.1, "%s alpha %g activation %d: order %g, expected %g (%g -> %g)",
                  dualprop_name(DUALPROP_NAMES_RULE, plan.variant), plan.alpha, plan.activation, measured, order,
                  coarse, fine);
}

START_TEST(test_order_in_beta)
{
    struct small_plan plan = plan_of(_i);
    plan.passes = 3;
    for (int variant = DUALPROP_DP; variant <= DUALPROP_DP_ADJOINT; variant++)
        for (int activation = DUALPROP_SIGMOID; activation <= DUALPROP_SOFTMAX; activation++) {
            plan.variant = variant;
            plan.activation = activation;
            plan.alpha = 0;
            expect_order(&plan, 1);
            plan.alpha = 1;
            expect_order(&plan, 1);
            plan.alpha = 0.5;
            expect_order(&plan, 2);
        }
}
END_TEST

/* ---- 3: alpha 0 and 1 in DP^T, alpha 1/2 in both ---- */

START_TEST(test_adjoint_keeps_feed_forward_mean)
{
    struct small_plan plan = plan_of(_i);
    double mean[SMALL_MAX_REALS], feed_forward[SMALL_MAX_REALS];
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = plan.layers;
    for (double alpha = 0; alpha <= 1; alpha += 1) {
        plan.alpha = alpha;
        plan.beta = 1.5;
        struct small_network small = small_create(&plan);
        struct small_network twin = small_twin(&small, DUALPROP_BP);
        small_gradient(&small);
        small_gradient(&twin);
        for (int k = 1; k <= plan.layers; k++) {
            small_read(mean, &small, k, DUALPROP_S_MEAN);
            small_read(feed_forward, &twin, k, DUALPROP_S_MEAN);
            ck_assert_double_le(relative_difference(mean, feed_forward, plan.batch * plan.widths[k]), 1e-14);
        }
        ck_assert_double_ge(small_cosine(&small, &twin, plan.layers), 1 - 1e-12);
        ck_assert_double_eq_tol(small_norm_ratio(&small, &twin, plan.layers), 1.0, 1e-12);
        small_destroy(&twin);
        small_destroy(&small);
    }
}
END_TEST

START_TEST(test_half_is_the_same_in_dp_and_adjoint)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], other[SMALL_MAX_REALS];
    plan.passes = 3;
    struct small_network small = small_create(&plan);
    plan.variant = DUALPROP_DP;
    struct small_network same = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(small_infer(&same), DUALPROP_OK);
    for (int k = 1; k <= plan.layers; k++) {
        small_read(plus, &small, k, DUALPROP_S_PLUS);
        small_read(other, &same, k, DUALPROP_S_PLUS);
        ck_assert_double_eq(relative_difference(plus, other, plan.batch * plan.widths[k]), 0);
    }
    small_destroy(&same);
    small_destroy(&small);
}
END_TEST

/* ---- 4: symmetry, and the limit of beta ---- */

START_TEST(test_swapping_alpha_and_beta_swaps_the_states)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS];
    plan.passes = 3;
    for (int variant = DUALPROP_DP; variant <= DUALPROP_DP_ADJOINT; variant++) {
        plan.variant = variant;
        plan.alpha = 0.3;
        plan.beta = 0.2;
        struct small_network small = small_create(&plan);
        plan.alpha = 0.7;
        plan.beta = -0.2;
        struct small_network swapped = small_create(&plan);
        ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
        ck_assert_int_eq(small_infer(&swapped), DUALPROP_OK);
        for (int k = 1; k <= plan.layers; k++) {
            small_read(plus, &small, k, DUALPROP_S_PLUS);
            small_read(minus, &swapped, k, DUALPROP_S_MINUS);
            ck_assert_double_le(relative_difference(plus, minus, plan.batch * plan.widths[k]), 1e-14);
        }
        small_destroy(&swapped);
        small_destroy(&small);
    }
}
END_TEST

START_TEST(test_tiny_beta_is_feed_forward)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], feed_forward[SMALL_MAX_REALS];
    plan.beta = 1e-300;
    struct small_network small = small_create(&plan);
    struct small_network twin = small_twin(&small, DUALPROP_BP);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(small_infer(&twin), DUALPROP_OK);
    for (int k = 1; k <= plan.layers; k++) {
        small_read(plus, &small, k, DUALPROP_S_PLUS);
        small_read(minus, &small, k, DUALPROP_S_MINUS);
        small_read(feed_forward, &twin, k, DUALPROP_S_MEAN);
        ck_assert_double_eq(relative_difference(plus, feed_forward, plan.batch * plan.widths[k]), 0);
        ck_assert_double_eq(relative_difference(minus, feed_forward, plan.batch * plan.widths[k]), 0);
    }
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* ---- 5, AROVR half: the iteration map of Eq. 60-62 ---- */

/* zbar <- x' + (2 alpha - 1) W^T M (W zbar + b - y), M = -beta/((1 + alpha beta)(1 - (1 - alpha) beta)), Eq. 60, 62. */
static void closed_form(double *next, const double *mean, const double *input, const double *a_output,
                        const double *weight, const double *y, const struct small_plan *plan)
{
    int64_t hidden = plan->widths[1], outputs = plan->widths[2];
    double m = -plan->beta / ((1 + plan->alpha * plan->beta) * (1 - (1 - plan->alpha) * plan->beta));
    (void)mean;
    for (int64_t b = 0; b < plan->batch; b++)
        for (int64_t i = 0; i < hidden; i++) {
            double sum = 0;
            for (int64_t j = 0; j < outputs; j++)
                sum += weight[i * outputs + j] * m * (a_output[b * outputs + j] - y[b * outputs + j]);
            next[b * hidden + i] = input[b * hidden + i] + (2 * plan->alpha - 1) * sum;
        }
}

static dualprop_view rows_view(double *data, int64_t rows, int64_t columns)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = DUALPROP_F64, .rank = 2 };
    view.shape[0] = rows;
    view.shape[1] = columns;
    view.strides[0] = columns;
    view.strides[1] = 1;
    return view;
}

START_TEST(test_iteration_map_equals_closed_form)
{
    struct small_plan plan = plan_of(_i);
    double mean[SMALL_MAX_REALS], next[SMALL_MAX_REALS], input[SMALL_MAX_REALS], a[SMALL_MAX_REALS];
    double weight[SMALL_MAX_REALS];
    plan.layers = 2;
    plan.widths[2] = 5;
    plan.activation = DUALPROP_IDENTITY;
    plan.variant = DUALPROP_DP;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
        struct small_network small = small_create(&plan);
        dualprop_view x = rows_view(small.x, plan.batch, plan.widths[0]);
        dualprop_view y = rows_view(small.y, plan.batch, plan.widths[2]);
        dualprop_view w = rows_view(weight, plan.widths[1], plan.widths[2]);
        ck_assert_int_eq(dualprop_network_read(&w, small.network, "layer2.weight"), DUALPROP_OK);
        ck_assert_int_eq(dualprop_infer_begin(small.state, &x, &y), DUALPROP_OK);
        for (int round = 0; round < 4; round++) {
            ck_assert_int_eq(dualprop_infer_layer(small.state, 2), DUALPROP_OK);
            small_read(mean, &small, 1, DUALPROP_S_MEAN);
            small_read(input, &small, 1, DUALPROP_S_BOTTOM_UP);
            small_read(a, &small, 2, DUALPROP_S_BOTTOM_UP);
            closed_form(next, mean, input, a, weight, small.y, &plan);
            ck_assert_int_eq(dualprop_infer_layer(small.state, 1), DUALPROP_OK);
            small_read(mean, &small, 1, DUALPROP_S_MEAN);
            ck_assert_double_le(relative_difference(mean, next, plan.batch * plan.widths[1]), 1e-13);
            if (plan.alpha == 0.5)
                ck_assert_double_le(relative_difference(mean, input, plan.batch * plan.widths[1]), 1e-14);
        }
        ck_assert_int_eq(dualprop_infer_end(small.state), DUALPROP_OK);
        small_destroy(&small);
    }
}
END_TEST

/* ---- 7a: undamped DP at alpha 0 and 1 diverges where beta ||sum P P^T|| > 1, and says so ---- */

static dualprop_status status_of(const struct small_plan *plan)
{
    struct small_network small = small_create(plan);
    dualprop_status status = small_infer(&small);
    if (status == DUALPROP_OK) ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_OK);
    else ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE);
    small_destroy(&small);
    return status;
}

START_TEST(test_divergence_is_reported)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_IDENTITY;
    plan.scale = 3;
    plan.passes = 200;
    plan.beta = 0.9;
    plan.variant = DUALPROP_DP;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) ck_assert_int_eq(status_of(&plan), DUALPROP_ERROR_DIVERGED);
    plan.variant = DUALPROP_DP_ADJOINT;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) ck_assert_int_eq(status_of(&plan), DUALPROP_OK);
    plan.variant = DUALPROP_DP;
    plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) ck_assert_int_eq(status_of(&plan), DUALPROP_OK);
}
END_TEST

/* ---- back-propagation against finite differences of the loss ---- */

static double mean_loss(struct small_network *small)
{
    double loss;
    dualprop_view x = rows_view(small->x, small->plan.batch, small->plan.widths[0]);
    dualprop_view y = rows_view(small->y, small->plan.batch, small->plan.widths[small->plan.layers]);
    ck_assert_int_eq(dualprop_evaluate_view(&loss, NULL, NULL, 1, small->state, &x, &y), DUALPROP_OK);
    return loss;
}

/* (loss(w + h) - loss(w - h)) / 2h for element i of a parameter, which is put back as it was. */
static double central_difference(struct small_network *small, const char *name, const dualprop_view *view, int64_t i,
                                 double h)
{
    double *weight = view->data, kept = weight[i], losses[2];
    for (int side = 0; side < 2; side++) {
        weight[i] = side ? kept - h : kept + h;
        ck_assert_int_eq(dualprop_network_write(small->network, name, view), DUALPROP_OK);
        losses[side] = mean_loss(small);
    }
    weight[i] = kept;
    ck_assert_int_eq(dualprop_network_write(small->network, name, view), DUALPROP_OK);
    return (losses[0] - losses[1]) / (2 * h);
}

/* Where a kink lies between w - h and w + h a smaller h gives another slope: such weights are left out, and counted. */
static void expect_finite_differences(const struct small_plan *plan)
{
    struct small_network small = small_create(plan);
    double gradient[SMALL_MAX_REALS], bias[SMALL_MAX_REALS], weight[SMALL_MAX_REALS];
    const double h = 1e-5;
    int checked = 0, kinks = 0;
    for (int k = 1; k <= plan->layers; k++) {
        char name[] = "layer0.weight";
        name[5] = (char)('0' + k);
        dualprop_view view = rows_view(weight, plan->widths[k - 1], plan->widths[k]);
        small_gradient(&small);
        small_read_gradient(gradient, bias, &small, k);
        ck_assert_int_eq(dualprop_network_read(&view, small.network, name), DUALPROP_OK);
        for (int64_t i = 0; i < plan->widths[k - 1] * plan->widths[k]; i += 7, checked++) {
            double slope = central_difference(&small, name, &view, i, h);
            /* Truncation h^2 and rounding 1e-16/h are both about 1e-10 for losses and slopes of about 1. */
            if (fabs(slope - gradient[i]) <= 1e-8) continue;
            ck_assert_msg(fabs(slope - central_difference(&small, name, &view, i, h / 8)) > 1e-8,
                          "%s, element %d of %s: %g, expected %g",
                          dualprop_name(DUALPROP_NAMES_ACTIVATION, plan->activation), (int)i, name, gradient[i], slope);
            kinks++;
        }
    }
    ck_assert_int_le(20 * kinks, checked);
    small_destroy(&small);
}

START_TEST(test_back_propagation_equals_finite_differences)
{
    struct small_plan plan = plan_of(_i);
    plan.variant = DUALPROP_BP;
    for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
        for (plan.activation = DUALPROP_IDENTITY; plan.activation <= DUALPROP_SOFTMAX; plan.activation++)
            expect_finite_differences(&plan);
}
END_TEST

/* ---- exact skipping, the residual ---- */

START_TEST(test_skipping_counts)
{
    struct small_plan plan = plan_of(_i);
    int64_t updates, skipped;
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(dualprop_state_report(NULL, NULL, &updates, &skipped, NULL, NULL, small.state), DUALPROP_OK);
    ck_assert_int_eq(updates, plan.layers);
    ck_assert_int_eq(skipped, 0);
    small_destroy(&small);
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = plan.layers;
    plan.alpha = 1;
    small = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(dualprop_state_report(NULL, NULL, &updates, &skipped, NULL, NULL, small.state), DUALPROP_OK);
    ck_assert_int_eq(updates, plan.layers); /* sbar never changes: each layer is computed once */
    small_destroy(&small);
}
END_TEST

START_TEST(test_residual_stops)
{
    struct small_plan plan = plan_of(_i);
    int passes;
    double residual;
    plan.variant = DUALPROP_DP;
    plan.alpha = 0.3;
    plan.beta = 0.1;
    plan.passes = 500;
    plan.tolerance = 1e-9;
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(dualprop_state_report(&passes, &residual, NULL, NULL, NULL, NULL, small.state), DUALPROP_OK);
    ck_assert_int_gt(passes, 2);
    ck_assert_int_lt(passes, 500);
    ck_assert_double_lt(residual, 1e-9);
    small_destroy(&small);
}
END_TEST

/* sbar and delta of all layers, one after another. */
static size_t read_dyads(double *out, const struct small_network *small)
{
    static const int which[2] = { DUALPROP_S_MEAN, DUALPROP_S_DELTA };
    size_t count = 0;
    for (int k = 1; k <= small->plan.layers; k++) {
        for (int i = 0; i < 2; i++) {
            dualprop_view view = rows_view(out + count, small->plan.batch, small->plan.widths[k]);
            ck_assert_int_eq(dualprop_state_read(&view, small->state, k, which[i]), DUALPROP_OK);
            count += (size_t)(small->plan.batch * small->plan.widths[k]);
        }
    }
    return count;
}

/* Without a tolerance the last of several passes is measured: the same number, and it changes none. */
START_TEST(test_the_last_pass_is_measured)
{
    static const int schedules[] = { DUALPROP_FORWARD_BACKWARD, DUALPROP_FORWARD, DUALPROP_ODD_EVEN, DUALPROP_JACOBI };
    static double measured[20000], plain[20000];
    for (int i = 0; i < 4; i++) {
        for (int passes = 1; passes <= 5; passes++) {
            struct small_plan plan = plan_of(_i);
            double expected, residual;
            plan.variant = DUALPROP_DP;
            plan.alpha = 0.3;
            plan.schedule = schedules[i];
            plan.passes = passes;
            plan.tolerance = 1e-300;
            struct small_network small = small_create(&plan);
            ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
            ck_assert_int_eq(dualprop_state_report(NULL, &expected, NULL, NULL, NULL, NULL, small.state), DUALPROP_OK);
            size_t count = read_dyads(measured, &small);
            small_destroy(&small);
            plan.tolerance = 0;
            small = small_create(&plan);
            ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
            ck_assert_int_eq(dualprop_state_report(NULL, &residual, NULL, NULL, NULL, NULL, small.state), DUALPROP_OK);
            read_dyads(plain, &small);
            small_destroy(&small);
            ck_assert_mem_eq(measured, plain, count * sizeof *plain);
            ck_assert_msg(passes == 1 ? isnan(residual) : residual == expected, "schedule %d, %d passes: %g, not %g",
                          schedules[i], passes, residual, expected);
        }
    }
}
END_TEST

static void allow_any_size(dualprop_rule *rule)
{
    ck_assert_int_eq(dualprop_rule_set_divergence_limit(rule, 1e300), DUALPROP_OK);
}

static void limit_growth(dualprop_rule *rule)
{
    allow_any_size(rule);
    ck_assert_int_eq(dualprop_rule_set_growth_limit(rule, 3), DUALPROP_OK);
}

/* Growth is seen whatever size is allowed; what settles is left alone. */
START_TEST(test_growth_is_reported)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_IDENTITY;
    plan.scale = 1.0;
    plan.passes = 12;
    plan.beta = 0.9;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) {
        plan.variant = DUALPROP_DP;
        plan.configure = allow_any_size;
        ck_assert_int_eq(status_of(&plan), DUALPROP_OK);
        plan.configure = limit_growth;
        struct small_network small = small_create(&plan);
        char sentence[400];
        ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_DIVERGED);
        ck_assert_int_eq(dualprop_last_error(sentence, sizeof sentence, NULL, small.context), DUALPROP_OK);
        ck_assert_ptr_nonnull(strstr(sentence, "grew in 3 passes in a row"));
        ck_assert_ptr_nonnull(strstr(sentence, "in layer "));
        small_destroy(&small);
        plan.variant = DUALPROP_DP_ADJOINT;
        ck_assert_int_eq(status_of(&plan), DUALPROP_OK);
    }
    for (int schedule = DUALPROP_FORWARD_BACKWARD; schedule <= DUALPROP_ASYNC; schedule++) {
        plan = plan_of(_i);
        plan.schedule = schedule;
        plan.passes = 60;
        plan.beta = 0.1;
        plan.variant = DUALPROP_DP;
        plan.configure = limit_growth;
        ck_assert_msg(status_of(&plan) == DUALPROP_OK, "schedule %d", schedule);
    }
}
END_TEST

Suite *test_oracles_suite(void)
{
    Suite *suite = suite_create("oracles");
    TCase *tcase = tcase_create("each of BACKENDS");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, test_small_beta_equals_back_propagation, 0, 2);
    tcase_add_loop_test(tcase, test_forward_reaches_one_layer_a_pass, 0, 2);
    tcase_add_loop_test(tcase, test_order_in_beta, 0, 2);
    tcase_add_loop_test(tcase, test_adjoint_keeps_feed_forward_mean, 0, 2);
    tcase_add_loop_test(tcase, test_half_is_the_same_in_dp_and_adjoint, 0, 2);
    tcase_add_loop_test(tcase, test_swapping_alpha_and_beta_swaps_the_states, 0, 2);
    tcase_add_loop_test(tcase, test_tiny_beta_is_feed_forward, 0, 2);
    tcase_add_loop_test(tcase, test_iteration_map_equals_closed_form, 0, 2);
    tcase_add_loop_test(tcase, test_divergence_is_reported, 0, 2);
    tcase_add_loop_test(tcase, test_back_propagation_equals_finite_differences, 0, 2);
    tcase_add_loop_test(tcase, test_skipping_counts, 0, 2);
    tcase_add_loop_test(tcase, test_residual_stops, 0, 2);
    tcase_add_loop_test(tcase, test_the_last_pass_is_measured, 0, 2);
    tcase_add_loop_test(tcase, test_growth_is_reported, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
