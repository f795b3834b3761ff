/*
 * test_rules_hardware.c - noise, quantisation, mismatch, asynchrony: what each means, and that the seed decides.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/backend/backend_internal.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/model.h"

/* Noise of less than 1 on what comes down, where nothing else does: it is in delta, and is read there. */
START_TEST(small_noise_from_above_is_in_delta)
{
    static const float x[3] = { 0.5f, -0.25f, 1 };
    static const int32_t label[1] = { 1 };
    double noise[2] = { 0.25, 0 }, delta[4];
    for (int which = 0; which < 2; which++) {
        dualprop_context *context;
        dualprop_network *network;
        dualprop_rule *rule;
        dualprop_state *state;
        dualprop_view view = matrix_view(delta, DUALPROP_F64, 1, 4);
        expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 3));
        expect_ok(dualprop_network_add_dense(network, 4, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_initialize(network, 1));
        expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
        expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 1));
        expect_ok(dualprop_rule_set_noise(rule, noise[1 - which], noise[which], 0));
        expect_ok(dualprop_state_create(&state, network, rule, 1));
        expect_ok(dualprop_infer(state, x, label, 1));
        expect_ok(dualprop_state_read(&view, state, 1, DUALPROP_S_DELTA));
        for (int i = 0; i < 4; i++) ck_assert_double_ne(delta[i], 0);
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
}
END_TEST

Suite *test_rules_hardware_suite(void);

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 3,
        .widths = { 7, 40, 30, 5 },
        .activation = DUALPROP_TANH,
        .variant = DUALPROP_DP_ADJOINT,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 10,
        .seed = 3,
        .passes = 2,
    };
}

#define COUNT(plan, k) ((plan).batch * (plan).widths[k])

/* ---- the seed and the position decide ---- */

static void set_everything(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.02, 0.03));
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.1));
    expect_ok(dualprop_rule_set_quantization(rule, 12));
    expect_ok(dualprop_rule_set_time_step(rule, 0.7));
    expect_ok(dualprop_rule_set_seed(rule, 9));
}

static void read_all(double *all, struct small_network *small)
{
    for (int k = 1; k <= small->plan.layers; k++, all += 400) small_read(all, small, k, DUALPROP_S_PLUS);
}

START_TEST(equal_seeds_and_positions_draw_the_same)
{
    struct small_plan plan = plan_of(_i);
    double first[1200] = { 0 }, second[1200] = { 0 };
    plan.schedule = DUALPROP_ASYNC;
    plan.configure = set_everything;
    struct small_network small = small_create(&plan), same = small_create(&plan);
    uint64_t position;
    for (int inference = 0; inference < 3; inference++) {
        expect_ok(small_infer(&small));
        expect_ok(small_infer(&same));
        read_all(first, &small);
        read_all(second, &same);
        ck_assert(memcmp(first, second, sizeof first) == 0);
    }
    expect_ok(small_infer(&small));
    read_all(first, &small);
    ck_assert(memcmp(first, second, sizeof first) != 0); /* another inference draws again */
    expect_ok(dualprop_state_inference_count(&position, small.state));
    ck_assert_uint_eq(position, 4);
    expect_ok(dualprop_state_set_inference_count(small.state, 2));
    expect_ok(small_infer(&small));
    read_all(first, &small);
    ck_assert(memcmp(first, second, sizeof first) == 0); /* and one of the same number the same */
    expect_ok(dualprop_rule_set_seed(small.rule, 10));
    expect_ok(dualprop_state_set_inference_count(small.state, 2));
    expect_ok(small_infer(&small));
    read_all(first, &small);
    ck_assert(memcmp(first, second, sizeof first) != 0);
    small_destroy(&same);
    small_destroy(&small);
}
END_TEST

/* ---- noise ---- */

static void set_state_noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.05, 0, 0));
}

/* Mean and deviation of n draws lie within 5/sqrt(n) and 5/sqrt(2n) deviations of theirs, but once in a million. */
static void expect_normal(const double *draws, int64_t count, double deviation, const char *what)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += draws[i], squares += draws[i] * draws[i];
    double mean = sum / (double)count, found = sqrt(squares / (double)count - mean * mean);
    ck_assert_msg(fabs(mean) < 5 * deviation / sqrt((double)count), "%s: the mean is %g", what, mean);
    ck_assert_msg(fabs(found / deviation - 1) < 5 / sqrt(2.0 * (double)count), "%s: the deviation is %g, not %g", what,
                  found, deviation);
}

START_TEST(state_noise_is_added_to_both_states)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], a[SMALL_MAX_REALS], product = 0;
    plan.configure = set_state_noise;
    plan.beta = 1e-12; /* s+ and s- are f(a) and noise */
    plan.passes = 1;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    small_read(plus, &small, 2, DUALPROP_S_PLUS);
    small_read(minus, &small, 2, DUALPROP_S_MINUS);
    small_read(a, &small, 2, DUALPROP_S_BOTTOM_UP);
    int64_t count = COUNT(plan, 2);
    for (int64_t i = 0; i < count; i++) {
        /* Layer 3's delta is noise too and comes down to layer 2 before this noise: it adds to both, with its own
         * sign. */
        plus[i] = plus[i] - minus[i];
        minus[i] = minus[i] - tanh(a[i]);
        product += plus[i] * minus[i];
    }
    expect_normal(minus, count, 0.05, "s-");
    ck_assert_double_lt(product, 0); /* delta has s-'s noise with a minus sign in it */
    small_destroy(&small);
}
END_TEST

static void set_down_noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0, 0.05, 0));
}

START_TEST(top_down_noise_is_the_same_for_both_states)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], a[SMALL_MAX_REALS], delta[SMALL_MAX_REALS] = { 0 };
    plan.configure = set_down_noise;
    plan.beta = 1e-12;
    plan.passes = 1;
    plan.activation = DUALPROP_IDENTITY;
    plan.layers = 2;
    plan.widths[2] = 30;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    small_read(plus, &small, 2, DUALPROP_S_PLUS);
    small_read(minus, &small, 2, DUALPROP_S_MINUS);
    small_read(a, &small, 2, DUALPROP_S_BOTTOM_UP);
    int64_t count = COUNT(plan, 2);
    for (int64_t i = 0; i < count; i++) delta[i] = plus[i] - minus[i], plus[i] -= a[i], minus[i] -= a[i];
    expect_normal(delta, count, 0.05, "delta"); /* (c+ + c-) times one draw */
    for (int64_t i = 0; i < count; i++) ck_assert_double_eq_tol(plus[i], -minus[i], 1e-9);
    small_destroy(&small);
}
END_TEST

static void set_weight_noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0, 0, 0.02));
}

START_TEST(weight_noise_is_read_and_not_learnt)
{
    struct small_plan plan = plan_of(_i);
    double a[SMALL_MAX_REALS], clean[SMALL_MAX_REALS], again[SMALL_MAX_REALS];
    plan.configure = set_weight_noise;
    struct small_network small = small_create(&plan), twin;
    expect_ok(small_infer(&small));
    small_read(a, &small, 1, DUALPROP_S_BOTTOM_UP);
    twin = small_twin(&small, DUALPROP_BP);
    expect_ok(small_infer(&twin));
    small_read(clean, &twin, 1, DUALPROP_S_BOTTOM_UP);
    int64_t count = COUNT(plan, 1);
    double difference = relative_difference(a, clean, count);
    ck_assert(difference > 1e-3 && difference < 0.5);
    expect_ok(small_infer(&small));
    small_read(again, &small, 1, DUALPROP_S_BOTTOM_UP);
    ck_assert(memcmp(a, again, (size_t)count * sizeof *a) != 0);
    expect_ok(small_infer(&twin)); /* the weights themselves are what they were */
    small_read(again, &twin, 1, DUALPROP_S_BOTTOM_UP);
    ck_assert(memcmp(clean, again, (size_t)count * sizeof *a) == 0);
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

START_TEST(predictions_are_clean)
{
    struct small_plan plan = plan_of(_i);
    double scores[SMALL_MAX_REALS], clean[SMALL_MAX_REALS];
    plan.configure = set_everything;
    struct small_network small = small_create(&plan), twin = small_twin(&small, DUALPROP_BP);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_predict(scores, small.state, small.x, plan.batch));
    expect_ok(dualprop_predict(clean, twin.state, small.x, plan.batch));
    ck_assert(memcmp(scores, clean, (size_t)COUNT(plan, 3) * sizeof *scores) == 0);
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* ---- quantisation ---- */

static void set_bits(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_quantization(rule, 5));
}

START_TEST(quantised_states_are_few)
{
    struct small_plan plan = plan_of(_i);
    double reals[SMALL_MAX_REALS];
    plan.configure = set_bits;
    plan.activation = DUALPROP_HARD_SIGMOID; /* in [0, 1]: R is 1 if a state reaches above 1/2, and 32 steps are 1/16 */
    plan.scale = 3;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_MINUS; which++) {
        small_read(reals, &small, 1, which);
        for (int64_t i = 0; i < COUNT(plan, 1); i++) ck_assert_double_eq(reals[i] * 16, rint(reals[i] * 16));
    }
    small_destroy(&small);
}
END_TEST

START_TEST(many_bits_are_as_good_as_reals)
{
    struct small_plan plan = plan_of(_i);
    double fine[SMALL_MAX_REALS], reals[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    small_read(reals, &small, 1, DUALPROP_S_PLUS);
    expect_ok(dualprop_rule_set_quantization(small.rule, 24));
    expect_error(small_infer(&small), DUALPROP_ERROR_INVALID_STATE, "prepare");
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(small_infer(&small));
    small_read(fine, &small, 1, DUALPROP_S_PLUS);
    ck_assert_double_le(relative_difference(fine, reals, COUNT(plan, 1)), 1e-6);
    small_destroy(&small);
}
END_TEST

/* ---- alphas that differ ---- */

static double spread;

static void set_spread(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, spread));
    expect_ok(dualprop_rule_set_layer_alpha(rule, 2, 0.4));
}

/* alpha_i = (sbar - s-)/(s+ - s-), from the sample whose s+ and s- are farthest apart. */
static void read_alphas(double *alphas, struct small_network *small, int k)
{
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], mean[SMALL_MAX_REALS];
    int64_t width = small->plan.widths[k];
    small_read(plus, small, k, DUALPROP_S_PLUS);
    small_read(minus, small, k, DUALPROP_S_MINUS);
    small_read(mean, small, k, DUALPROP_S_MEAN);
    for (int64_t i = 0; i < width; i++) {
        int64_t best = i;
        for (int64_t at = i; at < small->plan.batch * width; at += width)
            if (fabs(plus[at] - minus[at]) > fabs(plus[best] - minus[best])) best = at;
        ck_assert_double_gt(fabs(plus[best] - minus[best]), 1e-6);
        alphas[i] = (mean[best] - minus[best]) / (plus[best] - minus[best]);
    }
}

START_TEST(alphas_are_normal_around_alpha_and_stay)
{
    struct small_plan plan = plan_of(_i);
    double alphas[SMALL_MAX_REALS], again[SMALL_MAX_REALS];
    plan.configure = set_spread;
    plan.activation = DUALPROP_IDENTITY;
    spread = 0.05;
    struct small_network small = small_create(&plan);
    for (int k = 1; k <= 2; k++) {
        expect_ok(small_infer(&small));
        read_alphas(alphas, &small, k);
        expect_ok(small_infer(&small));
        read_alphas(again, &small, k);
        ck_assert_double_le(relative_difference(again, alphas, plan.widths[k]), 1e-9);
        for (int64_t i = 0; i < plan.widths[k]; i++) alphas[i] -= k == 2 ? 0.4 : 0.5;
        expect_normal(alphas, plan.widths[k], 0.05, "alpha");
    }
    small_destroy(&small);
}
END_TEST

START_TEST(far_alphas_are_cut_to_0_and_1)
{
    struct small_plan plan = plan_of(_i);
    double alphas[SMALL_MAX_REALS];
    int low = 0, high = 0;
    plan.configure = set_spread;
    plan.activation = DUALPROP_IDENTITY;
    spread = 10;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    read_alphas(alphas, &small, 1);
    for (int64_t i = 0; i < plan.widths[1]; i++) {
        ck_assert(alphas[i] > -1e-9 && alphas[i] < 1 + 1e-9);
        low += fabs(alphas[i]) < 1e-9, high += fabs(alphas[i] - 1) < 1e-9;
    }
    ck_assert_int_gt(low, plan.widths[1] / 4); /* all but 4 in a hundred lie beyond 0 or 1, as many on either side */
    ck_assert_int_gt(high, plan.widths[1] / 4);
    small_destroy(&small);
}
END_TEST

/* Any alpha_i may come: the exact step needs a solution for 0 and 1, at the beta of the output layer. */
START_TEST(mismatch_asks_for_the_output_layers_beta)
{
    struct small_plan plan = plan_of(0);
    plan.variant = DUALPROP_DP;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_set_output_step(small.rule, DUALPROP_OUTPUT_EXACT));
    expect_ok(dualprop_rule_set_alpha_mismatch(small.rule, 0.1));
    expect_ok(dualprop_rule_set_beta(small.rule, 1.5));
    expect_error(dualprop_state_prepare(small.state), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 3, 0.5));
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_rule_set_beta(small.rule, 0.5));
    expect_ok(dualprop_rule_set_alpha(small.rule, 1));
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 3, 1.5)); /* fine for alpha 1, but not for alpha_i below 1/3 */
    expect_error(small_infer(&small), DUALPROP_ERROR_UNSUPPORTED, "(1 - alpha) beta");
    small_destroy(&small);
}
END_TEST

/* ---- asynchrony ---- */

static void set_fraction(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.3));
}

START_TEST(async_updates_a_fraction)
{
    struct small_plan plan = plan_of(_i);
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS];
    plan.schedule = DUALPROP_ASYNC;
    plan.configure = set_fraction;
    struct small_network small = small_create(&plan);
    dualprop_view x = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
    dualprop_view y = matrix_view(small.y, DUALPROP_F64, plan.batch, plan.widths[3]);
    expect_ok(dualprop_infer_begin(small.state, &x, &y));
    for (int i = 0; i < 40; i++) expect_ok(dualprop_infer_layer(small.state, 3));
    small_read(before, &small, 2, DUALPROP_S_DELTA);
    expect_ok(dualprop_infer_layer(small.state, 2));
    small_read(after, &small, 2, DUALPROP_S_DELTA);
    int changed = 0, count = (int)COUNT(plan, 2);
    for (int i = 0; i < count; i++) changed += before[i] != after[i];
    double deviation = sqrt(0.3 * 0.7 / count);
    ck_assert_double_lt(fabs((double)changed / count - 0.3), 5 * deviation);
    expect_ok(dualprop_infer_end(small.state));
    small_destroy(&small);
}
END_TEST

START_TEST(async_settles_where_the_others_do)
{
    struct small_plan plan = plan_of(_i);
    double settled[SMALL_MAX_REALS], async[SMALL_MAX_REALS];
    plan.passes = 20;
    struct small_network small = small_create(&plan);
    plan.schedule = DUALPROP_ASYNC;
    plan.passes = 200;
    plan.configure = set_fraction;
    struct small_network slow = small_create(&plan);
    expect_ok(small_infer(&small));
    expect_ok(small_infer(&slow));
    /* clang-format off */
    for (int k = 1; k <= 3; k++) {
        small_read(settled, &small, k, DUALPROP_S_DELTA);
        small_read(async, &slow, k, DUALPROP_S_DELTA);
        ck_assert_double_le(relative_difference(async, settled, COUNT(plan, k)), 1e-9);
    }
    small_destroy(&slow);
    small_destroy(&small);
}
END_TEST

/* ---- contradictions ---- */

static void expect_refused(int variant, void (*configure)(dualprop_rule *), const char *word)
{
    struct small_plan plan = plan_of(0);
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_set_variant(small.rule, variant));
    configure(small.rule);
    expect_error(dualprop_state_prepare(small.state), DUALPROP_ERROR_UNSUPPORTED, word);
    small_destroy(&small);
}

static void set_robust(dualprop_rule *rule) { expect_ok(dualprop_rule_set_input_robustness(rule, 1)); }
static void set_mismatch(dualprop_rule *rule) { expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.1)); }
static void set_leaky(dualprop_rule *rule) { expect_ok(dualprop_rule_set_time_step(rule, 0.5)); }
static void set_list(dualprop_rule *rule) { expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_LIST, 1)); }
static void set_async(dualprop_rule *rule) { expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_ASYNC, 1)); }
static void set_random_feedback(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_feedback(rule, DUALPROP_FEEDBACK_RANDOM));
}
static void set_far_alpha(dualprop_rule *rule) { expect_ok(dualprop_rule_set_layer_alpha(rule, 9, 0.1)); }
static void set_nothing(dualprop_rule *rule) { (void)rule; }

START_TEST(contradictions_name_both)
{
    expect_refused(DUALPROP_BP, set_robust, "input_robustness contradicts variant bp");
    expect_refused(DUALPROP_BP, set_mismatch, "alpha_mismatch contradicts variant bp");
    expect_refused(DUALPROP_BP, set_state_noise, "state noise contradicts variant bp");
    expect_refused(DUALPROP_BP, set_down_noise, "top-down noise contradicts variant bp");
    expect_refused(DUALPROP_BP, set_bits, "quantization contradicts variant bp");
    expect_refused(DUALPROP_BP, set_leaky, "time_step contradicts variant bp");
    expect_refused(DUALPROP_BP, set_async, "async contradicts variant bp");
    expect_refused(DUALPROP_LPOM, set_mismatch, "variant lpom");
    expect_refused(DUALPROP_LPOM, set_nothing, "damping contradicts the activation tanh");
    expect_refused(DUALPROP_DP, set_list, "dualprop_rule_set_order");
    expect_refused(DUALPROP_DP, set_random_feedback, "the rule's feedback is random and the network's symmetric");
    expect_refused(DUALPROP_DP, set_far_alpha, "layer 9");
}
END_TEST

/* ---- a device without the slots for options ---- */

static dualprop_status open_device(dualprop_context **context, const dualprop_backend *device)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.backend = device;
    return dualprop_context_create(context, DUALPROP_BACKEND_AUTO, &options);
}

static void set_damped(dualprop_rule *rule) { expect_ok(dualprop_rule_set_variant(rule, DUALPROP_DP_DAMPED)); }
static void set_lecun(dualprop_rule *rule) { expect_ok(dualprop_rule_set_variant(rule, DUALPROP_LECUN)); }
/* clang-format on */
static void set_exact(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    expect_ok(dualprop_rule_set_output_step(rule, DUALPROP_OUTPUT_EXACT));
}

START_TEST(a_device_without_options_refuses_them)
{
    static void (*const OPTIONS[])(dualprop_rule *) = { set_damped,      set_lecun,      set_exact,
                                                        set_mismatch,    set_leaky,      set_async,
                                                        set_state_noise, set_down_noise, set_bits };
    dualprop_backend device = dualprop__reference_backend;
    dualprop_context *context;
    dualprop_network *network;
    device.flags &= ~DUALPROP_BACKEND_HOST_MEMORY;
    device.output_proximal = NULL;
    expect_error(open_device(&context, &device), DUALPROP_ERROR_INVALID_ARGUMENT, "come together");
    device.extended_update = NULL;
    expect_ok(open_device(&context, &device));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    for (size_t i = 0; i <= sizeof OPTIONS / sizeof *OPTIONS; i++) {
        dualprop_rule *rule;
        dualprop_state *state;
        int plain = i == sizeof OPTIONS / sizeof *OPTIONS;
        expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
        if (!plain) OPTIONS[i](rule);
        if (plain) expect_ok(dualprop_state_create(&state, network, rule, 2));
        else
            expect_error(dualprop_state_create(&state, network, rule, 2), DUALPROP_ERROR_UNSUPPORTED, "has no damping");
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
    }
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_rules_hardware_suite(void)
{
    Suite *suite = suite_create("imperfect hardware");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_test(tests, small_noise_from_above_is_in_delta);
    tcase_add_loop_test(tests, equal_seeds_and_positions_draw_the_same, 0, 2);
    tcase_add_loop_test(tests, state_noise_is_added_to_both_states, 0, 2);
    tcase_add_loop_test(tests, top_down_noise_is_the_same_for_both_states, 0, 2);
    tcase_add_loop_test(tests, weight_noise_is_read_and_not_learnt, 0, 2);
    tcase_add_loop_test(tests, predictions_are_clean, 0, 2);
    tcase_add_loop_test(tests, quantised_states_are_few, 0, 2);
    tcase_add_loop_test(tests, many_bits_are_as_good_as_reals, 0, 2);
    tcase_add_loop_test(tests, async_updates_a_fraction, 0, 2);
    tcase_add_loop_test(tests, async_settles_where_the_others_do, 0, 2);
    tcase_add_loop_test(tests, alphas_are_normal_around_alpha_and_stay, 0, 2);
    tcase_add_loop_test(tests, far_alphas_are_cut_to_0_and_1, 0, 2);
    tcase_add_test(tests, mismatch_asks_for_the_output_layers_beta);
    tcase_add_test(tests, contradictions_name_both);
    tcase_add_test(tests, a_device_without_options_refuses_them);
    suite_add_tcase(suite, tests);
    return suite;
}
