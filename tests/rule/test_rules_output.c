/*
 * test_rules_output.c - the output steps: that they minimise what they say, and that small nudges keep their digits.
 *
 * Stationarity is checked from the states alone, with softmax computed here. In f64 1e-12 is some hundred roundings of
 * numbers of order 1 to 10; Newton's method ends at rounding.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "support/backends.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/small_network.h"

Suite *test_rules_output_suite(void);

#define CLASSES 7
#define BATCH 5

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 1,
        .widths = { 6, CLASSES },
        .activation = DUALPROP_IDENTITY,
        .variant = DUALPROP_DP,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_CROSS_ENTROPY,
        .batch = BATCH,
        .seed = 5,
        .passes = 1,
    };
}

static void softmax(double *p, const double *s)
{
    double top = s[0], sum = 0;
    for (int i = 1; i < CLASSES; i++) top = comparison_larger(top, s[i]);
    for (int i = 0; i < CLASSES; i++) sum += p[i] = exp(s[i] - top);
    for (int i = 0; i < CLASSES; i++) p[i] /= sum;
}

/* |s - a + t (softmax(at) - y)|, at most, over all samples. */
static double residual(const double *s, const double *a, const double *at, const double *y, double t)
{
    double worst = 0, p[CLASSES];
    for (int b = 0; b < BATCH; b++) {
        softmax(p, at + b * CLASSES);
        for (int i = 0; i < CLASSES; i++) {
            int j = b * CLASSES + i;
            worst = comparison_larger(worst, fabs(s[j] - a[j] + t * (p[i] - y[j])));
        }
    }
    return worst;
}

struct states {
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], mean[SMALL_MAX_REALS], delta[SMALL_MAX_REALS];
    double a[SMALL_MAX_REALS];
};

static void read_states(struct states *states, struct small_network *small)
{
    small_read(states->plus, small, 1, DUALPROP_S_PLUS);
    small_read(states->minus, small, 1, DUALPROP_S_MINUS);
    small_read(states->mean, small, 1, DUALPROP_S_MEAN);
    small_read(states->delta, small, 1, DUALPROP_S_DELTA);
    small_read(states->a, small, 1, DUALPROP_S_BOTTOM_UP);
}

static void expect_exact(struct small_plan *plan)
{
    struct states of;
    struct small_network small = small_create(plan);
    double rest = 1 - plan->alpha;
    expect_ok(small_infer(&small));
    read_states(&of, &small);
    double high = residual(of.plus, of.a, of.plus, small.y, plan->alpha * plan->beta);
    double low = residual(of.minus, of.a, of.minus, small.y, -rest * plan->beta);
    ck_assert_msg(high < 1e-12 && low < 1e-12, "alpha %g beta %g scale %g: s+ is off by %.3g, s- by %.3g", plan->alpha,
                  plan->beta, plan->scale, high, low);
    small_destroy(&small);
}

START_TEST(exact_steps_of_cross_entropy_minimise)
{
    struct small_plan plan = plan_of(_i);
    static const double BETAS[] = { 1e-6, 0.1, 0.5, 1.0, 1.9, 5.0, 40.0, -0.5, -1.9 };
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.scale = 0.5; plan.scale < 40; plan.scale *= 4)
        for (int i = 0; i < 9; i++)
            for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
                plan.beta = BETAS[i];
                if ((1 - plan.alpha) * plan.beta < 2 && plan.alpha * plan.beta > -2) expect_exact(&plan);
            }
}
END_TEST

static void expect_sprovr(struct small_plan *plan)
{
    struct states of;
    struct small_network small = small_create(plan);
    expect_ok(small_infer(&small));
    read_states(&of, &small);
    double zero[SMALL_MAX_REALS] = { 0 };
    double mean = residual(of.mean, of.a, of.mean, small.y, (2 * plan->alpha - 1) * plan->beta);
    double delta = residual(of.delta, zero, of.mean, small.y, plan->beta);
    ck_assert_msg(mean < 1e-12 && delta < 1e-12, "alpha %g beta %g: the mean is off by %.3g, delta by %.3g",
                  plan->alpha, plan->beta, mean, delta);
    small_destroy(&small);
}

START_TEST(sprovr_steps_of_cross_entropy_are_stationary)
{
    struct small_plan plan = plan_of(_i);
    static const double BETAS[] = { 1e-6, 0.5, 1.9, 5.0, -0.5, -1.9 };
    plan.output_step = DUALPROP_OUTPUT_SPROVR;
    for (int i = 0; i < 6; i++)
        for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
            plan.beta = BETAS[i];
            if ((2 * plan.alpha - 1) * plan.beta > -2) expect_sprovr(&plan);
        }
}
END_TEST

/* At alpha 0 and 1 the two relaxations are one: s-, or s+, does not feel the loss. */
START_TEST(exact_and_sprovr_agree_at_the_ends)
{
    struct small_plan plan = plan_of(_i);
    struct states exact, sprovr;
    plan.layers = 3;
    plan.widths[1] = plan.widths[2] = 6;
    plan.widths[3] = CLASSES;
    plan.activation = DUALPROP_TANH;
    plan.scale = 0.5;
    plan.passes = 4;
    for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
        for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1)
            for (plan.seed = 1; plan.seed <= 10; plan.seed++) {
                plan.output_step = DUALPROP_OUTPUT_EXACT;
                struct small_network small = small_create(&plan);
                expect_ok(small_infer(&small));
                plan.output_step = DUALPROP_OUTPUT_SPROVR;
                struct small_network other = small_create(&plan);
                expect_ok(small_infer(&other));
                for (int k = 1; k <= 3; k++) {
                    small_read(exact.plus, &small, k, DUALPROP_S_PLUS);
                    small_read(exact.minus, &small, k, DUALPROP_S_MINUS);
                    small_read(sprovr.plus, &other, k, DUALPROP_S_PLUS);
                    small_read(sprovr.minus, &other, k, DUALPROP_S_MINUS);
                    for (int64_t i = 0; i < plan.batch * plan.widths[k]; i++)
                        ck_assert_msg(fabs(exact.plus[i] - sprovr.plus[i]) < 1e-11 &&
                                          fabs(exact.minus[i] - sprovr.minus[i]) < 1e-11,
                                      "loss %d, alpha %g, layer %d: s+ %.17g and %.17g, s- %.17g and %.17g", plan.loss,
                                      plan.alpha, k, exact.plus[i], sprovr.plus[i], exact.minus[i], sprovr.minus[i]);
                }
                small_destroy(&small);
                small_destroy(&other);
            }
}
END_TEST

/* The value of Eq. 15 (which = 0) or Eq. 10 (1) at its saddle point. */
static double relaxation(struct small_plan *plan, int which)
{
    dualprop_diagnostics *diagnostics;
    double values[2];
    plan->output_step = which ? DUALPROP_OUTPUT_SPROVR : DUALPROP_OUTPUT_EXACT;
    struct small_network small = small_create(plan);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, plan->loss, plan->batch));
    expect_ok(dualprop_diagnostics_objective(&values[0], &values[1], NULL, diagnostics, small.state));
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
    return values[which];
}

/* After Cor. 4.3: for a convex loss the mean of the losses is above the loss of the mean, and so are the saddle
 * points. */
START_TEST(arovr_is_above_sprovr)
{
    struct small_plan plan = plan_of(_i);
    for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
        for (plan.beta = 0.1; plan.beta < 0.95; plan.beta += 0.2)
            for (int step = 0; step <= 8; step++)
                for (plan.seed = 1; plan.seed <= 5; plan.seed++) {
                    plan.alpha = 0.125 * step;
                    double arovr = relaxation(&plan, 0), sprovr = relaxation(&plan, 1);
                    int is_end = step == 0 || step == 8;
                    ck_assert_msg(is_end ? fabs(arovr - sprovr) < 1e-12 : arovr > sprovr,
                                  "loss %d, beta %g, alpha %g: %.17g, %.17g", plan.loss, plan.beta, plan.alpha, arovr,
                                  sprovr);
                }
}
END_TEST

/* Near the bound the curvature of s-'s problem nearly vanishes, and it still has one solution. */
START_TEST(steps_near_the_bound_of_convexity)
{
    struct small_plan plan = plan_of(_i);
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    plan.alpha = 0;
    for (plan.seed = 1; plan.seed <= 20; plan.seed++) {
        plan.beta = 1.999;
        plan.scale = 0.1 * (double)plan.seed;
        expect_exact(&plan);
    }
}
END_TEST

/* ---- small beta in f32 ---- */

static void expect_digits(int variant, int output_step, int loss)
{
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    float x[3] = { 0.3f, -0.7f, 0.2f }, delta[2][4];
    int32_t label = 2;
    for (int i = 0; i < 2; i++) {
        expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 3));
        expect_ok(dualprop_network_add_dense(network, 6, DUALPROP_RELU));
        expect_ok(dualprop_network_add_dense(network, 4, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_initialize(network, 3));
        expect_ok(dualprop_rule_create(&rule, context, variant));
        expect_ok(dualprop_rule_set_loss(rule, loss));
        expect_ok(dualprop_rule_set_output_step(rule, output_step));
        expect_ok(dualprop_rule_set_beta(rule, i == 0 ? 1e-9 : 1e-3));
        expect_ok(dualprop_state_create(&state, network, rule, 1));
        expect_ok(dualprop_infer(state, x, &label, 1));
        dualprop_view view = matrix_view(delta[i], DUALPROP_F32, 1, 4);
        expect_ok(dualprop_state_read(&view, state, 2, DUALPROP_S_DELTA));
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
    /* delta is beta times the slope of the loss, up to beta^2 = 1e-6 of it, whatever the size of beta. */
    for (int i = 0; i < 4; i++)
        ck_assert_msg(fabs((double)delta[0][i] * 1e6 / (double)delta[1][i] - 1) < 3e-3, "%s, %s, %s: %g and %g",
                      dualprop_name(DUALPROP_NAMES_RULE, variant),
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, output_step), dualprop_name(DUALPROP_NAMES_LOSS, loss),
                      (double)delta[0][i], (double)delta[1][i]);
}

START_TEST(small_nudges_keep_their_digits_in_f32)
{
    for (int loss = DUALPROP_MSE; loss <= DUALPROP_CROSS_ENTROPY; loss++)
        for (int step = DUALPROP_OUTPUT_LINEAR; step <= DUALPROP_OUTPUT_SPROVR; step++) {
            expect_digits(DUALPROP_DP, step, loss);
            expect_digits(DUALPROP_DP_DAMPED, step, loss);
            expect_digits(DUALPROP_INVERTED_LPOM, step, loss);
        }
}
END_TEST

/* ---- refusals ---- */

static void set_rule(dualprop_rule *rule, int loss, int step, double alpha, double beta)
{
    expect_ok(dualprop_rule_set_loss(rule, loss));
    expect_ok(dualprop_rule_set_output_step(rule, step));
    expect_ok(dualprop_rule_set_alpha(rule, alpha));
    expect_ok(dualprop_rule_set_beta(rule, beta));
}

START_TEST(steps_without_a_solution_are_refused)
{
    struct small_plan plan = plan_of(0);
    struct small_network small = small_create(&plan);
    set_rule(small.rule, DUALPROP_MSE, DUALPROP_OUTPUT_SPROVR, 0, 1);
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "(2 alpha - 1) beta");
    set_rule(small.rule, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_SPROVR, 0, 2);
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "(2 alpha - 1) beta");
    set_rule(small.rule, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 0, 2);
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    set_rule(small.rule, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 1, -2);
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "alpha beta");
    set_rule(small.rule, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 0, 1.5);
    expect_ok(small_infer(&small));
    set_rule(small.rule, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 0, 0.5);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 1, 1.5)); /* the output layer's beta decides */
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    small_destroy(&small);
}
END_TEST

/* The curvature of cross-entropy is at most half the sum of a row's targets. */
START_TEST(targets_that_sum_to_more_are_held_to_their_bound)
{
    struct small_plan plan = plan_of(_i);
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) {
        plan.beta = plan.alpha > 0 ? -0.5 : 0.5;
        struct small_network small = small_create(&plan);
        for (int sum = 3; sum <= 5; sum += 2) {
            for (int i = 0; i < CLASSES; i++) small.y[2 * CLASSES + i] = (double)sum / CLASSES;
            if (sum == 3) expect_ok(small_infer(&small)); /* t sum = -1.5, then -2.5 */
            else expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_ARGUMENT, "row 2 of targets sums to");
        }
        expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_LINEAR)); /* which needs no solution */
        expect_ok(small_infer(&small));
        expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_SPROVR));
        expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_ARGUMENT, "sprovr");
        small_destroy(&small);
    }
}
END_TEST

START_TEST(exact_steps_contradict_the_prediction)
{
    struct small_plan plan = plan_of(0);
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_EXACT));
    expect_ok(dualprop_rule_set_nudge_at(small.rule, DUALPROP_NUDGE_AT_PREDICTION));
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "nudge_at");
    small_destroy(&small);
}
END_TEST

Suite *test_rules_output_suite(void)
{
    Suite *suite = suite_create("output steps");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, exact_steps_of_cross_entropy_minimise, 0, 2);
    tcase_add_loop_test(tests, sprovr_steps_of_cross_entropy_are_stationary, 0, 2);
    tcase_add_loop_test(tests, steps_near_the_bound_of_convexity, 0, 2);
    tcase_add_loop_test(tests, exact_and_sprovr_agree_at_the_ends, 0, 2);
    tcase_add_loop_test(tests, arovr_is_above_sprovr, 0, 2);
    tcase_add_test(tests, small_nudges_keep_their_digits_in_f32);
    tcase_add_test(tests, steps_without_a_solution_are_refused);
    tcase_add_loop_test(tests, targets_that_sum_to_more_are_held_to_their_bound, 0, 2);
    tcase_add_test(tests, exact_steps_contradict_the_prediction);
    suite_add_tcase(suite, tests);
    return suite;
}
