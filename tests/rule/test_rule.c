/*
 * test_rule.c - defaults, setters, what makes a state plan again, contradictions.
 */
#include <check.h>
#include <math.h>

#include <dualprop/dualprop.h>

#include "core/rule/rule_internal.h"
#include "support/expect.h"

Suite *test_rule_suite(void);

static dualprop_context *context;
static dualprop_rule *rule;

static void setup(void)
{
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
}

static void teardown(void)
{
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}

START_TEST(starts_with_the_defaults_of_the_header)
{
    int variant, loss, output_step, nudge_at, schedule, passes;
    double alpha, beta, tolerance, limit;
    expect_ok(dualprop_rule_get_variant(&variant, rule));
    expect_ok(dualprop_rule_get_loss(&loss, rule));
    expect_ok(dualprop_rule_get_output_step(&output_step, rule));
    expect_ok(dualprop_rule_get_nudge_at(&nudge_at, rule));
    expect_ok(dualprop_rule_get_schedule(&schedule, &passes, rule));
    expect_ok(dualprop_rule_get_alpha(&alpha, rule));
    expect_ok(dualprop_rule_get_beta(&beta, rule));
    expect_ok(dualprop_rule_get_tolerance(&tolerance, rule));
    expect_ok(dualprop_rule_get_divergence_limit(&limit, rule));
    ck_assert_int_eq(variant, DUALPROP_DP);
    ck_assert_int_eq(loss, DUALPROP_MSE);
    ck_assert_int_eq(output_step, DUALPROP_OUTPUT_LINEAR);
    ck_assert_int_eq(nudge_at, DUALPROP_NUDGE_AT_CURRENT);
    ck_assert_int_eq(schedule, DUALPROP_FORWARD_BACKWARD);
    ck_assert_int_eq(passes, 1);
    ck_assert(alpha == 0.5 && beta == 0.5 && tolerance == 0.0 && limit == 1e4);
}
END_TEST

START_TEST(gives_back_what_was_set)
{
    int variant, loss, output_step, nudge_at, schedule, passes;
    double alpha, beta, tolerance, limit;
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    expect_ok(dualprop_rule_set_output_step(rule, DUALPROP_OUTPUT_EXACT));
    expect_ok(dualprop_rule_set_nudge_at(rule, DUALPROP_NUDGE_AT_PREDICTION));
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 1000000));
    expect_ok(dualprop_rule_set_alpha(rule, 0.0));
    expect_ok(dualprop_rule_set_beta(rule, -1e-3));
    expect_ok(dualprop_rule_set_tolerance(rule, 1e-6));
    expect_ok(dualprop_rule_set_divergence_limit(rule, 1.5));
    expect_ok(dualprop_rule_get_variant(&variant, rule));
    expect_ok(dualprop_rule_get_loss(&loss, rule));
    expect_ok(dualprop_rule_get_output_step(&output_step, rule));
    expect_ok(dualprop_rule_get_nudge_at(&nudge_at, rule));
    expect_ok(dualprop_rule_get_schedule(&schedule, &passes, rule));
    expect_ok(dualprop_rule_get_alpha(&alpha, rule));
    expect_ok(dualprop_rule_get_beta(&beta, rule));
    expect_ok(dualprop_rule_get_tolerance(&tolerance, rule));
    expect_ok(dualprop_rule_get_divergence_limit(&limit, rule));
    ck_assert_int_eq(variant, DUALPROP_DP_ADJOINT);
    ck_assert_int_eq(loss, DUALPROP_CROSS_ENTROPY);
    ck_assert_int_eq(output_step, DUALPROP_OUTPUT_EXACT);
    ck_assert_int_eq(nudge_at, DUALPROP_NUDGE_AT_PREDICTION);
    ck_assert_int_eq(schedule, DUALPROP_FORWARD);
    ck_assert_int_eq(passes, 1000000);
    ck_assert(alpha == 0.0 && beta == -1e-3 && tolerance == 1e-6 && limit == 1.5);
}
END_TEST

/* The getters of options; those of choices and numbers are in gives_back_what_was_set. */
START_TEST(gives_back_the_options_that_were_set)
{
    double state, top_down, weight, fraction, step, strength, deviation, damping;
    int kind, iterations, switches, warm_start, fresh, feedback, bits;
    uint64_t seed;
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_DP_DAMPED));
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_GAMMA2, 9));
    expect_ok(dualprop_rule_get_damping(&kind, &iterations, rule));
    ck_assert(kind == DUALPROP_DAMPING_GAMMA2 && iterations == 9);
    expect_ok(dualprop_rule_get_layer_damping(&damping, rule, 1));
    ck_assert(isnan(damping));
    expect_ok(dualprop_rule_set_noise(rule, 0.1, 0.2, 0.3));
    expect_ok(dualprop_rule_get_noise(&state, &top_down, &weight, rule));
    ck_assert(state == 0.1 && top_down == 0.2 && weight == 0.3);
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.75));
    expect_ok(dualprop_rule_get_async_fraction(&fraction, rule));
    expect_ok(dualprop_rule_set_time_step(rule, 0.25));
    expect_ok(dualprop_rule_get_time_step(&step, rule));
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.5));
    expect_ok(dualprop_rule_get_input_robustness(&strength, rule));
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.125));
    expect_ok(dualprop_rule_get_alpha_mismatch(&deviation, rule));
    ck_assert(fraction == 0.75 && step == 0.25 && strength == 0.5 && deviation == 0.125);
    expect_ok(dualprop_rule_set_pool_switches(rule, DUALPROP_SWITCHES_ORIGINAL));
    expect_ok(dualprop_rule_get_pool_switches(&switches, rule));
    expect_ok(dualprop_rule_set_warm_start(rule, 1));
    expect_ok(dualprop_rule_get_warm_start(&warm_start, rule));
    expect_ok(dualprop_rule_set_fresh_minus(rule, 1));
    expect_ok(dualprop_rule_get_fresh_minus(&fresh, rule));
    ck_assert_int_eq(fresh, 1);
    expect_ok(dualprop_rule_set_feedback(rule, DUALPROP_FEEDBACK_RANDOM));
    expect_ok(dualprop_rule_get_feedback(&feedback, rule));
    expect_ok(dualprop_rule_set_quantization(rule, 7));
    expect_ok(dualprop_rule_get_quantization(&bits, rule));
    ck_assert(switches == DUALPROP_SWITCHES_ORIGINAL && warm_start == 1 && feedback == DUALPROP_FEEDBACK_RANDOM);
    ck_assert_int_eq(bits, 7);
    expect_ok(dualprop_rule_set_seed(rule, UINT64_MAX));
    expect_ok(dualprop_rule_get_seed(&seed, rule));
    ck_assert(seed == UINT64_MAX);
}
END_TEST

START_TEST(gives_back_the_values_of_layers)
{
    double own, common, damping[2];
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_DP_DAMPED));
    expect_ok(dualprop_rule_set_layer_alpha(rule, 3, 0.25));
    expect_ok(dualprop_rule_get_layer_alpha(&own, rule, 3));
    expect_ok(dualprop_rule_get_layer_alpha(&common, rule, 65535));
    ck_assert(own == 0.25 && common == 0.5);
    expect_ok(dualprop_rule_set_layer_beta(rule, 3, -2));
    expect_ok(dualprop_rule_get_layer_beta(&own, rule, 3));
    expect_ok(dualprop_rule_get_layer_beta(&common, rule, 1));
    ck_assert(own == -2 && common == 0.5);
    expect_ok(dualprop_rule_set_layer_damping(rule, -1, 4));
    expect_ok(dualprop_rule_set_layer_damping(rule, 0, 5));
    expect_ok(dualprop_rule_get_layer_damping(&damping[0], rule, 0));
    expect_ok(dualprop_rule_get_layer_damping(&damping[1], rule, 1));
    ck_assert(damping[0] == 5 && damping[1] == 4);
}
END_TEST

START_TEST(gives_back_as_much_of_the_order_as_fits)
{
    int32_t order[3] = { 2, 1, 2 }, got[4] = { -7, -7, -7, -7 };
    int64_t count = -1;
    expect_ok(dualprop_rule_get_order(NULL, 0, &count, rule));
    ck_assert_int_eq(count, 0);
    expect_ok(dualprop_rule_set_order(rule, order, 3));
    expect_ok(dualprop_rule_get_order(got, 2, &count, rule));
    ck_assert(count == 3 && got[0] == 2 && got[1] == 1 && got[2] == -7);
    expect_ok(dualprop_rule_get_order(got, 4, NULL, rule));
    ck_assert(got[2] == 2 && got[3] == -7);
}
END_TEST

START_TEST(outputs_of_getters_of_several_values_may_be_null)
{
    expect_ok(dualprop_rule_get_schedule(NULL, NULL, rule));
    expect_ok(dualprop_rule_get_order(NULL, 0, NULL, rule));
    expect_ok(dualprop_rule_get_damping(NULL, NULL, rule));
    expect_ok(dualprop_rule_get_noise(NULL, NULL, NULL, rule));
}
END_TEST

/* Does this call change the plan, as its second argument says? */
#define expect_plan(call, changes)                                               \
    do {                                                                         \
        uint64_t before = atomic_load(&rule->plan);                              \
        expect_ok(call);                                                         \
        ck_assert_msg((atomic_load(&rule->plan) != before) == (changes), #call); \
    } while (0)

START_TEST(only_variant_schedule_passes_and_tolerance_change_the_plan)
{
    expect_plan(dualprop_rule_set_variant(rule, DUALPROP_BP), 1);
    expect_plan(dualprop_rule_set_variant(rule, DUALPROP_BP), 0);
    expect_plan(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 1), 1);
    expect_plan(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 3), 1);
    expect_plan(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 3), 0);
    expect_plan(dualprop_rule_set_tolerance(rule, 0.1), 1);
    expect_plan(dualprop_rule_set_tolerance(rule, 0.1), 0);
    expect_plan(dualprop_rule_set_alpha(rule, 0.25), 0);
    expect_plan(dualprop_rule_set_beta(rule, 0.25), 0);
    expect_plan(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY), 0);
    expect_plan(dualprop_rule_set_output_step(rule, DUALPROP_OUTPUT_LINEAR), 0);
    expect_plan(dualprop_rule_set_nudge_at(rule, DUALPROP_NUDGE_AT_PREDICTION), 0);
    expect_plan(dualprop_rule_set_divergence_limit(rule, 10), 0);
    expect_plan(dualprop_rule_set_growth_limit(rule, 3), 0);
    expect_plan(dualprop_rule_set_fresh_minus(rule, 1), 1);
    expect_plan(dualprop_rule_set_fresh_minus(rule, 1), 0);
}
END_TEST

START_TEST(a_changed_plan_needs_prepare)
{
    dualprop_network *network;
    dualprop_state *state;
    float x[2] = { 1, 2 };
    int32_t label = 0;
    expect_ok(dualprop_network_create(&network, context, 1, 1, 2));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_state_create(&state, network, rule, 1));
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 2));
    expect_error(dualprop_infer(state, x, &label, 1), DUALPROP_ERROR_INVALID_STATE, "prepare");
    expect_ok(dualprop_state_prepare(state));
    expect_ok(dualprop_infer(state, x, &label, 1));
    dualprop_state_destroy(state);
    dualprop_network_destroy(network);
}
END_TEST

static void set(int variant, int loss, int output_step, double alpha, double beta)
{
    expect_ok(dualprop_rule_set_variant(rule, variant));
    expect_ok(dualprop_rule_set_loss(rule, loss));
    expect_ok(dualprop_rule_set_output_step(rule, output_step));
    expect_ok(dualprop_rule_set_alpha(rule, alpha));
    expect_ok(dualprop_rule_set_beta(rule, beta));
}

START_TEST(refuses_exact_steps_without_a_solution)
{
    set(DUALPROP_DP, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 0.5, 0.5);
    expect_ok(dualprop__rule_check(rule));
    set(DUALPROP_DP, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 0.0, 1.0);
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    set(DUALPROP_DP, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 1.0, -1.0);
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "alpha beta");
    set(DUALPROP_DP, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 1.0, 1e300);
    expect_ok(dualprop__rule_check(rule));
}
END_TEST

START_TEST(refuses_exact_steps_of_other_rules_and_losses)
{
    set(DUALPROP_DP, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 0.5, 0.5);
    expect_ok(dualprop__rule_check(rule));
    set(DUALPROP_DP, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 0.0, 2.0);
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    set(DUALPROP_BP, DUALPROP_MSE, DUALPROP_OUTPUT_EXACT, 0.5, 0.5);
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "output_step");
    set(DUALPROP_DP_ADJOINT, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_EXACT, 0.0, 5.0);
    expect_ok(dualprop__rule_check(rule));
    set(DUALPROP_DP, DUALPROP_CROSS_ENTROPY, DUALPROP_OUTPUT_LINEAR, 0.0, 5.0);
    expect_ok(dualprop__rule_check(rule));
}
END_TEST

START_TEST(fresh_minus_is_an_option_of_lpom_alone)
{
    expect_ok(dualprop_rule_set_fresh_minus(rule, 1));
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "expected lpom");
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_LPOM));
    expect_ok(dualprop__rule_check(rule));
    expect_ok(dualprop_rule_set_quantization(rule, 8));
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED, "quantization contradicts fresh_minus");
    expect_ok(dualprop_rule_set_quantization(rule, 0));
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_INVERTED_LPOM));
    expect_error(dualprop__rule_check(rule), DUALPROP_ERROR_UNSUPPORTED,
                 "fresh_minus contradicts variant inverted-lpom");
}
END_TEST

START_TEST(refuses_numbers_that_are_none)
{
    static const double NONE[] = { NAN, INFINITY, -INFINITY };
    for (int i = 0; i < 3; i++) {
        expect_error(dualprop_rule_set_alpha(rule, NONE[i]), DUALPROP_ERROR_INVALID_ARGUMENT, "alpha");
        expect_error(dualprop_rule_set_beta(rule, NONE[i]), DUALPROP_ERROR_INVALID_ARGUMENT, "beta");
        expect_error(dualprop_rule_set_tolerance(rule, NONE[i]), DUALPROP_ERROR_INVALID_ARGUMENT, "tolerance");
        expect_error(dualprop_rule_set_divergence_limit(rule, NONE[i]), DUALPROP_ERROR_INVALID_ARGUMENT, "limit");
    }
}
END_TEST

/* Below, delta is subnormal: at 1e-45 no gradient was right, and at 1e-40 it had lost its digits without a word. */
START_TEST(refuses_a_nudge_that_the_type_cannot_carry)
{
    expect_ok(dualprop_rule_set_beta(rule, 1e-30));
    expect_ok(dualprop_rule_set_beta(rule, -1e-30));
    expect_error(dualprop_rule_set_beta(rule, 9e-31), DUALPROP_ERROR_INVALID_ARGUMENT, "1e-30");
    expect_error(dualprop_rule_set_beta(rule, -1e-45), DUALPROP_ERROR_INVALID_ARGUMENT, "1e-30");
    expect_error(dualprop_rule_set_layer_beta(rule, 1, 1e-40), DUALPROP_ERROR_INVALID_ARGUMENT, "1e-30");
}
END_TEST

START_TEST(outlives_its_destruction_while_a_state_uses_it)
{
    dualprop_network *network;
    dualprop_state *state;
    float x[2] = { 1, 2 };
    int32_t label = 1;
    expect_ok(dualprop_network_create(&network, context, 1, 1, 2));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_state_create(&state, network, rule, 1));
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    rule = NULL;
    expect_ok(dualprop_infer(state, x, &label, 1));
    dualprop_state_destroy(state);
}
END_TEST

Suite *test_rule_suite(void)
{
    Suite *suite = suite_create("rule");
    TCase *tests = tcase_create("rule");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, starts_with_the_defaults_of_the_header);
    tcase_add_test(tests, gives_back_what_was_set);
    tcase_add_test(tests, gives_back_the_options_that_were_set);
    tcase_add_test(tests, gives_back_the_values_of_layers);
    tcase_add_test(tests, gives_back_as_much_of_the_order_as_fits);
    tcase_add_test(tests, outputs_of_getters_of_several_values_may_be_null);
    tcase_add_test(tests, only_variant_schedule_passes_and_tolerance_change_the_plan);
    tcase_add_test(tests, a_changed_plan_needs_prepare);
    tcase_add_test(tests, refuses_exact_steps_without_a_solution);
    tcase_add_test(tests, refuses_exact_steps_of_other_rules_and_losses);
    tcase_add_test(tests, fresh_minus_is_an_option_of_lpom_alone);
    tcase_add_test(tests, refuses_numbers_that_are_none);
    tcase_add_test(tests, refuses_a_nudge_that_the_type_cannot_carry);
    tcase_add_test(tests, outlives_its_destruction_while_a_state_uses_it);
    suite_add_tcase(suite, tests);
    return suite;
}
