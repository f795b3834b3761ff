/*
 * test_rule_revision.c - a state checks and copies its rule once per change: every setter counts as one.
 */
#include <check.h>
#include <string.h>

#include "support/expect.h"
#include "support/small_network.h"

Suite *test_rule_revision_suite(void);

/* ---- setters, each with a value that changes an inference ---- */

/* clang-format off */
static void alpha(dualprop_rule *rule) { expect_ok(dualprop_rule_set_alpha(rule, 0.25)); }
static void beta(dualprop_rule *rule) { expect_ok(dualprop_rule_set_beta(rule, 0.25)); }
static void layer_alpha(dualprop_rule *rule) { expect_ok(dualprop_rule_set_layer_alpha(rule, 2, 0.75)); }
static void layer_beta(dualprop_rule *rule) { expect_ok(dualprop_rule_set_layer_beta(rule, 2, 0.7)); }
static void variant(dualprop_rule *rule) { expect_ok(dualprop_rule_set_variant(rule, DUALPROP_FENCHEL)); }
static void loss(dualprop_rule *rule) { expect_ok(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY)); }
static void output_step(dualprop_rule *rule) { expect_ok(dualprop_rule_set_output_step(rule, DUALPROP_OUTPUT_EXACT)); }
/* clang-format on */
static void nudge_at(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_nudge_at(rule, DUALPROP_NUDGE_AT_PREDICTION));
}
/* clang-format off */
static void schedule(dualprop_rule *rule) { expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, 4)); }
static void tolerance(dualprop_rule *rule) { expect_ok(dualprop_rule_set_tolerance(rule, 0.5)); }
static void time_step(dualprop_rule *rule) { expect_ok(dualprop_rule_set_time_step(rule, 0.5)); }
static void robustness(dualprop_rule *rule) { expect_ok(dualprop_rule_set_input_robustness(rule, 0.1)); }
static void mismatch(dualprop_rule *rule) { expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.1)); }
static void noise(dualprop_rule *rule) { expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.01, 0.01)); }
static void quantization(dualprop_rule *rule) { expect_ok(dualprop_rule_set_quantization(rule, 6)); }
/* clang-format on */
static void damping(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_DP_DAMPED));
    expect_ok(dualprop_rule_set_layer_damping(rule, -1, 0.5));
}
static void fresh_minus(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_variant(rule, DUALPROP_LPOM));
    expect_ok(dualprop_rule_set_layer_damping(rule, -1, 0.5)); /* power iterations go on from inference to inference */
    expect_ok(dualprop_rule_set_fresh_minus(rule, 1));
}
static void order(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_LIST, 2));
    expect_ok(dualprop_rule_set_order(rule, (int32_t[]){ 3, 1, 2 }, 3));
}
static void fraction(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_ASYNC, 3));
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.25));
}
static void seed(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_RANDOM, 3));
    expect_ok(dualprop_rule_set_seed(rule, 7));
}

static void (*const SETTERS[])(dualprop_rule *rule) = { alpha,     beta,     layer_alpha, layer_beta,   variant,
                                                        loss,      nudge_at, output_step, schedule,     tolerance,
                                                        time_step, noise,    robustness,  quantization, mismatch,
                                                        damping,   order,    fraction,    seed,         fresh_minus };
#define COUNT ((int)(sizeof SETTERS / sizeof SETTERS[0]))

static struct small_plan plan_of(void (*configure)(dualprop_rule *rule))
{
    return (struct small_plan){
        .backend = DUALPROP_BACKEND_REFERENCE,
        .layers = 3,
        .widths = { 7, 12, 9, 5 },
        .activation = DUALPROP_RELU,
        .variant = DUALPROP_DP,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 6,
        .seed = 3,
        .passes = 3,
        .configure = configure,
    };
}

static void expect_same_dyads(struct small_network *one, struct small_network *other, int is_same)
{
    double x[SMALL_MAX_REALS], y[SMALL_MAX_REALS];
    int same = 1;
    for (int k = 1; k <= 3; k++)
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_MINUS; which++) {
            small_read(x, one, k, which);
            small_read(y, other, k, which);
            same &= memcmp(x, y, (size_t)(one->plan.widths[k] * one->plan.batch) * sizeof *x) == 0;
        }
    ck_assert_int_eq(same, is_same);
}

/* Set between two inferences, or before the state was created: the second inference has the same bits. */
START_TEST(a_setter_between_inferences_counts)
{
    struct small_plan plain = plan_of(NULL), set = plan_of(SETTERS[_i]);
    struct small_network changed = small_create(&plain), fresh = small_create(&set), unchanged = small_create(&plain);
    expect_ok(small_infer(&changed));
    expect_ok(small_infer(&fresh));
    expect_ok(small_infer(&unchanged));
    SETTERS[_i](changed.rule);
    expect_ok(dualprop_state_prepare(changed.state));
    expect_ok(small_infer(&changed));
    expect_ok(small_infer(&fresh));
    expect_ok(small_infer(&unchanged));
    expect_same_dyads(&changed, &fresh, 1);
    expect_same_dyads(&changed, &unchanged, 0);
    small_destroy(&unchanged);
    small_destroy(&fresh);
    small_destroy(&changed);
}
END_TEST

/* A change that contradicts another choice is refused by the next inference, and one that mends it is noticed. */
START_TEST(a_contradiction_is_noticed_after_the_first_inference)
{
    struct small_plan plan = plan_of(NULL);
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_EXACT));
    expect_ok(dualprop_rule_set_beta(small.rule, 8));
    ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED);
    ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED);
    expect_ok(dualprop_rule_set_beta(small.rule, 0.5));
    expect_ok(small_infer(&small));
    small_destroy(&small);
}
END_TEST

Suite *test_rule_revision_suite(void)
{
    Suite *suite = suite_create("rule revision");
    TCase *tests = tcase_create("revision");
    tcase_add_loop_test(tests, a_setter_between_inferences_counts, 0, COUNT);
    tcase_add_test(tests, a_contradiction_is_noticed_after_the_first_inference);
    suite_add_tcase(suite, tests);
    return suite;
}
