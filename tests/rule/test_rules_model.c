/*
 * test_rules_model.c - every rule, schedule and option against the equations as model.c says them, in f64.
 *
 * Tolerance 1e-12 of the largest value: a few hundred roundings of 1e-16; the model's deltas are plain differences,
 * which lose digits where beta is small, so beta is not small here.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/backends.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/model.h"

Suite *test_rules_model_suite(void);

#define TOLERANCE 1e-12
#define LONGEST 512

static struct model model;

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 4,
        .widths = { 7, 12, 9, 8, 5 },
        .activation = DUALPROP_RELU,
        .variant = DUALPROP_DP,
        .alpha = 0.3,
        .beta = 0.4,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 3,
        .passes = 3,
    };
}

static double mean_of(int k, int64_t i)
{
    return model_mean(&model, k, i / model.widths[k], i % model.widths[k]);
}

static void expect_layer(struct small_network *small, int k, const char *what)
{
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], mean[SMALL_MAX_REALS], expected[SMALL_MAX_REALS];
    int64_t count = model.batch * model.widths[k];
    small_read(plus, small, k, DUALPROP_S_PLUS);
    small_read(minus, small, k, DUALPROP_S_MINUS);
    small_read(mean, small, k, DUALPROP_S_MEAN);
    for (int64_t i = 0; i < count; i++) expected[i] = mean_of(k, i);
    double error = comparison_larger(relative_difference(plus, model.plus[k], count),
                                     relative_difference(minus, model.minus[k], count));
    error = comparison_larger(error, relative_difference(mean, expected, count));
    ck_assert_msg(error <= TOLERANCE, "%s: layer %d is off by %.3g", what, k, error);
}

static void expect_gradient(struct small_network *small, int k, const char *what)
{
    double weight[SMALL_MAX_REALS], bias[SMALL_MAX_REALS], own_weight[SMALL_MAX_REALS], own_bias[SMALL_MAX_REALS];
    small_read_gradient(weight, bias, small, k);
    model_gradient(own_weight, own_bias, &model, k);
    double error = comparison_larger(relative_difference(weight, own_weight, model.widths[k - 1] * model.widths[k]),
                                     relative_difference(bias, own_bias, model.widths[k]));
    ck_assert_msg(error <= 10 * TOLERANCE, "%s: gradient %d is off by %.3g", what, k, error);
}

/* Compare after the library's inference and the model's run. */
static void expect_same(struct small_network *small, const char *what)
{
    expect_ok(dualprop_gradient(small->optimizer, small->state));
    for (int k = model.robustness > 0 ? 0 : 1; k <= model.layers; k++) expect_layer(small, k, what);
    for (int k = 1; k <= model.layers; k++) expect_gradient(small, k, what);
}

/* ---- the orders, written down once more ---- */

struct order {
    int layers[LONGEST], count;
};

static void visit(struct order *order, int k)
{
    ck_assert_int_lt(order->count, LONGEST);
    order->layers[order->count++] = k;
}

static void up(struct order *order, int from, int to)
{
    for (int k = from; k <= to; k++) visit(order, k);
}

static void down(struct order *order, int from, int to)
{
    for (int k = from; k >= to; k--) visit(order, k);
}

static void every_other(struct order *order, int parity, int lowest, int layers)
{
    for (int k = lowest; k <= layers; k++)
        if (k % 2 == parity) visit(order, k);
}

static struct order order_of(int schedule, int passes, int lowest, int layers)
{
    struct order order = { .count = 0 };
    if (schedule == DUALPROP_FORWARD_BACKWARD) {
        down(&order, layers, lowest + 1);
        for (int i = 1; i < passes; i++) up(&order, lowest, layers - 1), down(&order, layers, lowest);
        visit(&order, lowest);
    }
    for (int i = 0; i < passes; i++) {
        if (schedule == DUALPROP_FORWARD) up(&order, lowest, layers);
        if (schedule == DUALPROP_BACKWARD) down(&order, layers, lowest);
        if (schedule == DUALPROP_ODD_EVEN)
            every_other(&order, 1, lowest, layers), every_other(&order, 0, lowest, layers);
        if (schedule == DUALPROP_EVEN_ODD)
            every_other(&order, 0, lowest, layers), every_other(&order, 1, lowest, layers);
    }
    return order;
}

static void run_model(int schedule, int passes, int lowest)
{
    if (schedule == DUALPROP_JACOBI) {
        for (int i = 0; i < passes; i++) model_jacobi(&model, lowest);
        return;
    }
    struct order order = order_of(schedule, passes, lowest, model.layers);
    model_run(&model, order.layers, order.count);
}

static const char *describe(const struct small_plan *plan)
{
    static char text[160];
    snprintf(text, sizeof text, "%s, %s x %d, %s, %s, %s", dualprop_name(DUALPROP_NAMES_RULE, plan->variant),
             dualprop_name(DUALPROP_NAMES_SCHEDULE, plan->schedule), plan->passes,
             dualprop_name(DUALPROP_NAMES_ACTIVATION, plan->activation), dualprop_name(DUALPROP_NAMES_LOSS, plan->loss),
             dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, plan->output_step));
    return text;
}

/* Infer, run the model with the options that `adjust` gives it, and compare. */
static void compare(const struct small_plan *plan, void (*adjust)(struct small_network *small))
{
    struct small_network small = small_create(plan);
    expect_ok(small_infer(&small));
    model_create(&model, &small);
    if (adjust) adjust(&small);
    run_model(plan->schedule, plan->passes, model.robustness > 0 ? 0 : 1);
    expect_same(&small, describe(plan));
    small_destroy(&small);
}

/* ---- rules and schedules ---- */

static void take_damping(struct small_network *small)
{
    for (int k = 0; k < model.layers; k++) expect_ok(dualprop_state_damping(NULL, &model.damping[k], small->state, k));
}

static int is_damped(int variant)
{
    return variant == DUALPROP_DP_DAMPED || variant == DUALPROP_LPOM || variant == DUALPROP_INVERTED_LPOM;
}

static void compare_schedules(struct small_plan *plan)
{
    for (plan->schedule = DUALPROP_FORWARD_BACKWARD; plan->schedule <= DUALPROP_JACOBI; plan->schedule++)
        for (plan->passes = 1; plan->passes <= 5; plan->passes += 2)
            compare(plan, is_damped(plan->variant) ? take_damping : NULL);
}

START_TEST(every_rule_and_schedule)
{
    struct small_plan plan = plan_of(_i);
    plan.beta = 0.1;
    plan.scale = 1.3;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
            plan.activation = is_damped(plan.variant) ? DUALPROP_HARD_SIGMOID : DUALPROP_TANH;
            compare_schedules(&plan);
            plan.activation = DUALPROP_RELU;
            compare_schedules(&plan);
        }
}
END_TEST

START_TEST(nudged_at_the_prediction)
{
    struct small_plan plan = plan_of(_i);
    plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) compare_schedules(&plan);
}
END_TEST

START_TEST(exact_and_sprovr_steps_of_squared_error)
{
    struct small_plan plan = plan_of(_i);
    plan.beta = 0.2;
    for (plan.output_step = DUALPROP_OUTPUT_EXACT; plan.output_step <= DUALPROP_OUTPUT_SPROVR; plan.output_step++)
        for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_FENCHEL; plan.variant++) compare_schedules(&plan);
}
END_TEST

/* ---- numbers of single layers ---- */

static void set_layers(dualprop_rule *rule)
{
    for (int k = 1; k <= 4; k++) {
        expect_ok(dualprop_rule_set_layer_alpha(rule, k, 0.2 * k));
        expect_ok(dualprop_rule_set_layer_beta(rule, k, 0.1 + 0.05 * k));
    }
}

static void take_layers(struct small_network *small)
{
    for (int k = 1; k <= model.layers; k++) {
        for (int64_t i = 0; i < model.widths[k]; i++) model.alpha[k][i] = 0.2 * k;
        model.beta[k] = 0.1 + 0.05 * k;
    }
    if (is_damped(small->plan.variant)) take_damping(small);
    model_start(&model);
}

START_TEST(alpha_and_beta_of_layers)
{
    struct small_plan plan = plan_of(_i);
    plan.configure = set_layers;
    static const int VARIANTS[] = { DUALPROP_DP, DUALPROP_DP_ADJOINT, DUALPROP_DP_DAMPED, DUALPROP_LECUN };
    for (int i = 0; i < 4; i++)
        for (plan.schedule = DUALPROP_FORWARD_BACKWARD; plan.schedule <= DUALPROP_JACOBI; plan.schedule++) {
            plan.variant = VARIANTS[i];
            plan.output_step = plan.variant == DUALPROP_DP ? DUALPROP_OUTPUT_EXACT : DUALPROP_OUTPUT_LINEAR;
            compare(&plan, take_layers);
        }
}
END_TEST

/* ---- the input as a dyad ---- */

static void set_robust(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.7));
}

static void take_robust(struct small_network *small)
{
    model.robustness = 0.7;
    if (is_damped(small->plan.variant)) take_damping(small);
}

START_TEST(input_robustness_at_its_place)
{
    struct small_plan plan = plan_of(_i);
    plan.configure = set_robust;
    plan.beta = 0.2;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.schedule = DUALPROP_FORWARD_BACKWARD; plan.schedule <= DUALPROP_JACOBI; plan.schedule++)
            for (plan.passes = 1; plan.passes <= 3; plan.passes++) compare(&plan, take_robust);
}
END_TEST

/* ---- leaky steps, alphas of neurons, lists ---- */

static void set_leaky(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_time_step(rule, 0.3));
}

static void take_leaky(struct small_network *small)
{
    model.time_step = 0.3;
    if (is_damped(small->plan.variant)) take_damping(small);
}

START_TEST(leaky_steps)
{
    struct small_plan plan = plan_of(_i);
    plan.configure = set_leaky;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.schedule = DUALPROP_FORWARD_BACKWARD; plan.schedule <= DUALPROP_JACOBI; plan.schedule++)
            for (plan.output_step = DUALPROP_OUTPUT_LINEAR; plan.output_step <= DUALPROP_OUTPUT_SPROVR;
                 plan.output_step++) {
                if (plan.variant == DUALPROP_LECUN && plan.output_step != DUALPROP_OUTPUT_LINEAR) continue;
                compare(&plan, take_leaky);
            }
}
END_TEST

static void set_mismatch(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.2));
    expect_ok(dualprop_rule_set_seed(rule, 77));
}

/* The alphas that were drawn show in how s+, s- and sbar lie: alpha_i = (sbar - s-)/(s+ - s-) if they differ. */
static void take_mismatch(struct small_network *small)
{
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], mean[SMALL_MAX_REALS];
    for (int k = 1; k <= model.layers; k++) {
        small_read(plus, small, k, DUALPROP_S_PLUS);
        small_read(minus, small, k, DUALPROP_S_MINUS);
        small_read(mean, small, k, DUALPROP_S_MEAN);
        for (int64_t i = 0; i < model.widths[k]; i++) {
            int64_t best = i;
            for (int64_t b = 1; b < model.batch; b++) {
                int64_t at = b * model.widths[k] + i;
                if (fabs(plus[at] - minus[at]) > fabs(plus[best] - minus[best])) best = at;
            }
            double delta = plus[best] - minus[best];
            if (delta != 0) model.alpha[k][i] = (mean[best] - minus[best]) / delta;
            ck_assert(model.alpha[k][i] > -1e-9 && model.alpha[k][i] < 1 + 1e-9);
        }
    }
    if (is_damped(small->plan.variant)) take_damping(small);
    model_start(&model);
}

START_TEST(alphas_of_neurons)
{
    struct small_plan plan = plan_of(_i);
    plan.configure = set_mismatch;
    plan.activation = DUALPROP_IDENTITY; /* no delta is zero, so that all alphas show */
    plan.beta = 0.3;
    plan.alpha = 0.5;
    static const int VARIANTS[] = { DUALPROP_DP, DUALPROP_DP_ADJOINT, DUALPROP_DP_DAMPED, DUALPROP_LECUN };
    for (int i = 0; i < 4; i++)
        for (plan.output_step = DUALPROP_OUTPUT_LINEAR; plan.output_step <= DUALPROP_OUTPUT_SPROVR;
             plan.output_step++) {
            plan.variant = VARIANTS[i];
            if (plan.variant == DUALPROP_LECUN && plan.output_step != DUALPROP_OUTPUT_LINEAR) continue;
            plan.passes = 2;
            compare(&plan, take_mismatch);
        }
}
END_TEST

static const int32_t ROUNDS[] = { 4, 3, 2, 1, 2, 3, 4, 3, 1, 1, 2, 4, 3, 2, 1 };

static void set_order(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_order(rule, ROUNDS, sizeof ROUNDS / sizeof *ROUNDS));
}

START_TEST(a_list_of_the_users)
{
    struct small_plan plan = plan_of(_i);
    int count = sizeof ROUNDS / sizeof *ROUNDS;
    plan.configure = set_order;
    plan.schedule = DUALPROP_LIST;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++) {
        struct small_network small = small_create(&plan);
        expect_ok(small_infer(&small));
        model_create(&model, &small);
        if (is_damped(plan.variant)) take_damping(&small);
        for (int pass = 0; pass < plan.passes; pass++)
            for (int i = 0; i < count; i++) model_listen(&model, ROUNDS[i]);
        expect_same(&small, describe(&plan));
        small_destroy(&small);
    }
}
END_TEST

/* ---- feedback weights ---- */

START_TEST(delta_goes_down_through_feedback_weights)
{
    struct small_plan plan = plan_of(_i);
    for (plan.feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK; plan.feedback <= DUALPROP_FEEDBACK_SIGN; plan.feedback++)
        for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
            compare(&plan, is_damped(plan.variant) ? take_damping : NULL);
}
END_TEST

Suite *test_rules_model_suite(void)
{
    Suite *suite = suite_create("rules against the model");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, every_rule_and_schedule, 0, 2);
    tcase_add_loop_test(tests, nudged_at_the_prediction, 0, 2);
    tcase_add_loop_test(tests, exact_and_sprovr_steps_of_squared_error, 0, 2);
    tcase_add_loop_test(tests, alpha_and_beta_of_layers, 0, 2);
    tcase_add_loop_test(tests, input_robustness_at_its_place, 0, 2);
    tcase_add_loop_test(tests, leaky_steps, 0, 2);
    tcase_add_loop_test(tests, alphas_of_neurons, 0, 2);
    tcase_add_loop_test(tests, a_list_of_the_users, 0, 2);
    tcase_add_loop_test(tests, delta_goes_down_through_feedback_weights, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
