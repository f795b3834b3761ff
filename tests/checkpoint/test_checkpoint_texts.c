/*
 * test_checkpoint_texts.c - what the texts of a checkpoint may say: all that no setter would take is refused with a
 * sentence, and what was left out by older versions has its default.
 *
 * A model with every option is put into a checkpoint, a piece of one of its texts is replaced, and all is taken out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoint/checkpoint_internal.h"
#include "main.h"
#include "support/expect.h"
#include "support/scratch_folder.h"
#include "support/traps.h"

static dualprop_context *context;
static dualprop_network *network;
static dualprop_rule *rule;
static dualprop_state *state;
static dualprop_optimizer *optimizer;
static dualprop_checkpoint *checkpoint;

static const float sample[12] = { 0.1f, 0.2f, 0.3f };
static const int32_t label[1] = { 1 };

static void make_network(void)
{
    static const double mean[2] = { 0.25, 0.5 }, deviation[2] = { 2, 4 };
    static const int64_t kernel[2] = { 2, 2 }, one[2] = { 1, 1 }, none[2] = { 0, 0 };
    expect_ok(dualprop_network_create(&network, context, 2, 3, 2));
    expect_ok(dualprop_network_set_input_transform(network, mean, deviation, 2));
    expect_ok(dualprop_network_add_convolution(network, 2, kernel, one, none, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_network_set_feedback(network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 2));
}

static void make_rule(void)
{
    static const int32_t order[3] = { 2, 1, 2 };
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_DAMPED));
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_LIST, 2));
    expect_ok(dualprop_rule_set_order(rule, order, 3));
    expect_ok(dualprop_rule_set_layer_alpha(rule, 1, 0.375));
    expect_ok(dualprop_rule_set_layer_beta(rule, 2, 0.75));
    expect_ok(dualprop_rule_set_layer_damping(rule, -1, 3));
    expect_ok(dualprop_rule_set_layer_damping(rule, 1, 5));
    expect_ok(dualprop_rule_set_warm_start(rule, 1));
    expect_ok(dualprop_rule_set_seed(rule, 77));
    expect_ok(dualprop_rule_set_feedback(rule, DUALPROP_FEEDBACK_KOLEN_POLLACK));
}

static void setup(void)
{
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    make_network();
    make_rule();
    expect_ok(dualprop_state_create(&state, network, rule, 2));
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    expect_ok(dualprop_infer(state, sample, label, 1));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    expect_ok(dualprop_checkpoint_put_rule(checkpoint, rule));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, optimizer));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, state));
}

static void teardown(void)
{
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}

/* ---- texts that say something else ---- */

static void set_text(const char *name, const char *text)
{
    expect_ok(dualprop__checkpoint_put_text(checkpoint, dualprop__text_create(context, name, text)));
}

/* Replace a piece of a text, or all of it (from NULL). */
static void replace(const char *name, const char *from, const char *to)
{
    char text[4096];
    const char *old = dualprop__checkpoint_text(checkpoint, name), *at = from ? strstr(old, from) : old;
    ck_assert_msg(at != NULL, "no %s in %s", from, old);
    const char *rest = from ? at + strlen(from) : "";
    ck_assert_int_lt(snprintf(text, sizeof text, "%.*s%s%s", (int)(at - old), old, to, rest), (int)sizeof text);
    set_text(name, text);
}

/* Everything is taken out, the state into a new one. */
static dualprop_status take_out(void)
{
    dualprop_network *got = NULL;
    dualprop_rule *got_rule = NULL;
    dualprop_state *got_state = NULL;
    dualprop_optimizer *got_optimizer = NULL;
    dualprop_status status = dualprop_checkpoint_get_network(&got, checkpoint);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_rule(&got_rule, checkpoint);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_optimizer(&got_optimizer, checkpoint, got);
    if (status == DUALPROP_OK) status = dualprop_state_create(&got_state, got, got_rule, 2);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_state(got_state, checkpoint);
    dualprop_state_destroy(got_state);
    dualprop_optimizer_destroy(got_optimizer);
    dualprop_rule_destroy(got_rule);
    dualprop_network_destroy(got);
    return status;
}

#define REFUSED DUALPROP_ERROR_FORMAT

/* What stands instead of a piece of a text: the status of taking everything out, and a word of the sentence. */
static const struct {
    const char *name, *from, *to;
    dualprop_status status;
    const char *word;
    /* clang-format off */
} rows[] = {
    { "network", NULL, "[1]", REFUSED, "expected '{'" }, { "network", NULL, "{}x", REFUSED, "nothing after" },
    { "network", NULL, "{\"a\":[[[[[1]]]]]}", REFUSED, "nested" },
    { "network", "[2,3,2]", "[1099511627776,1099511627776,2]", REFUSED, "whose product fits" },
    { "network", "[2,3,2]", "[1099511627776,1,1099511627776]", REFUSED, "whose product fits" },
    { "network", "[2,3,2]", "[2,0,2]", REFUSED, "extents >= 1" },
    { "network", "[2,3,2]", "[2,3,-2]", REFUSED, "extents >= 1" },
    { "network", ",\"mean\":[0.25,0.5]", "", REFUSED, "expected both or none" },
    { "network", ",\"deviation\":[2.0,4.0]", "", REFUSED, "expected both or none" },
    { "network", "[0.25,0.5]", "[0.25]", REFUSED, "not a list of 2" },
    { "network", "[2.0,4.0]", "[2.0,4.0,1]", REFUSED, "not a list of 2" },
    { "network", "[2.0,4.0]", "[0,4.0]", REFUSED, "deviation" },
    { "network", "[2.0,4.0]", "\"x\"", REFUSED, "expected '['" },
    { "network", "[2.0,4.0]", "[2,true]", REFUSED, "expected a number" },
    { "network", "\"lecun\"", "\"lecum\"", REFUSED, "unknown choice lecum" },
    { "network", "scale\":1.0", "scale\":-1.0", REFUSED, "scale" },
    { "network", ",\"kernel\":[2,2]", "", REFUSED, "lacks kernel" },
    { "network", "\"outputs\":3", "\"outputs\":3,\"channels\":3", REFUSED, "has channels" },
    { "network", "\"outputs\":3", "\"outputs\":3,\"fan_in\":3", REFUSED, "has fan_in" },
    { "network", ",\"outputs\":3", "", REFUSED, "lacks outputs" },
    { "network", "\"channels\":2", "\"channels\":3", REFUSED, "shape" },
    { "network", "\"channels\":2", "\"channels\":0", REFUSED, "channels" },
    { "network", "\"pooling\":\"none\"", "\"pooling\":\"nine\"", REFUSED, "unknown choice nine" },
    { "network", "\"pooling\":\"none\"", "\"pooling\":\"max\"", REFUSED, "window" },
    { "network", "[2,2]", "[9,9]", REFUSED, "kernel" },
    { "network", "\"flatten\":false", "\"flatten\":true", REFUSED, "kernel" },
    { "network", "\"kind\":\"dense\"", "\"kind\":\"custom\",\"map\":\"mine\",\"weights\":24,\"fan_in\":8",
      DUALPROP_ERROR_UNSUPPORTED, "mine" },
    { "network", "\"learning_rate\":1.0}],", "\"learning_rate\":-1.0}],", REFUSED, "factor is -1" },
    { "network", "\"layers\":[{", "\"layers\":{\"x\":[{}]},\"more\":[{", REFUSED, "" },
    { "rule", "\"passes\":2", "\"passes\":4294967297", REFUSED, "expected >= 1" },
    { "rule", "\"dp-damped\"", "\"dp\"", DUALPROP_ERROR_UNSUPPORTED, "damping" },
    { "rule", "\"dp-damped\"", "\"dp-dumped\"", REFUSED, "unknown choice" },
    { "rule", "\"mse\"", "\"mae\"", REFUSED, "unknown choice" },
    { "rule", "\"linear\"", "\"square\"", REFUSED, "unknown choice" },
    { "rule", "\"current\"", "\"second\"", REFUSED, "unknown choice" },
    { "rule", "\"list\"", "\"last\"", REFUSED, "unknown choice" },
    { "rule", "\"bottom-up\"", "\"bottom\"", REFUSED, "unknown choice" },
    { "rule", ",\"pool_switches\":\"bottom-up\"", "", DUALPROP_OK, "" },
    { "rule", "\"alpha\":0.5", "\"alpha\":1.5", REFUSED, "alpha" },
    { "rule", "\"beta\":0.5", "\"beta\":0", REFUSED, "beta" },
    { "rule", "\"tolerance\":0.0", "\"tolerance\":-1", REFUSED, "tolerance" },
    { "rule", "\"divergence_limit\":10000.0", "\"divergence_limit\":0.5", REFUSED, "limit" },
    { "rule", "\"damping\":\"given\"", "\"damping\":\"taken\"", REFUSED, "unknown choice" },
    { "rule", "\"damping\":\"given\"", "\"damping\":\"none\"", REFUSED, "power is missing" },
    { "rule", "\"damping\":\"given\"", "\"damping\":\"half\"", REFUSED, "power is missing" },
    { "rule", "\"power_iterations\":5", "\"power_iterations\":0", REFUSED, "power_iterations" },
    { "rule", "\"power_iterations\":5", "\"power_iterations\":2147483648", REFUSED, "32 bits" },
    { "rule", "\"power_iterations\":5", "\"power_iterations\":-2147483649", REFUSED, "32 bits" },
    { "rule", "\"warm_start\":1", "\"warm_start\":2147483648", REFUSED, "32 bits" },
    { "rule", "\"warm_start\":1", "\"warm_start\":-2147483649", REFUSED, "32 bits" },
    { "rule", "\"warm_start\":1", "\"warm_start\":2", REFUSED, "warm_start" },
    { "rule", "\"quantize_bits\":0", "\"quantize_bits\":2147483648", REFUSED, "32 bits" },
    { "rule", "\"quantize_bits\":0", "\"quantize_bits\":-2147483649", REFUSED, "32 bits" },
    { "rule", "\"quantize_bits\":0", "\"quantize_bits\":99", REFUSED, "bits" },
    { "rule", "\"seed\"", "\"growth_limit\":2147483648,\"seed\"", REFUSED, "32 bits" },
    { "rule", "\"seed\"", "\"growth_limit\":-2147483649,\"seed\"", REFUSED, "32 bits" },
    { "rule", "\"seed\"", "\"growth_limit\":-1,\"seed\"", REFUSED, "passes is -1" },
    { "rule", "\"seed\"", "\"growth_limit\":9,\"seed\"", DUALPROP_OK, "" },
    { "rule", "\"seed\"", "\"fresh_minus\":2147483648,\"seed\"", REFUSED, "32 bits" },
    { "rule", "\"seed\"", "\"fresh_minus\":-2147483649,\"seed\"", REFUSED, "32 bits" },
    { "rule", "\"seed\"", "\"fresh_minus\":2,\"seed\"", REFUSED, "fresh is 2" },
    { "rule", "\"77\"", "\"\"", REFUSED, "seed" }, { "rule", "\"77\"", "\"7x\"", REFUSED, "seed" },
    { "rule", "\"77\"", "\"-7\"", REFUSED, "seed" },
    { "rule", "\"77\"", "\"18446744073709551615\"", DUALPROP_OK, "" },
    { "rule", "\"77\"", "\"18446744073709551616\"", REFUSED, "seed" },
    { "rule", "\"77\"", "\"99999999999999999999\"", REFUSED, "seed" },
    { "rule", "\"77\"", "77", REFUSED, "expected a text" },
    { "rule", "[2,1,2]", "[]", DUALPROP_ERROR_UNSUPPORTED, "has no order" },
    { "rule", "[2,1,2]", "[2,1.5]", REFUSED, "whole number" },
    { "rule", "[2,1,2]", "[2,-1]", REFUSED, "layers[1] is -1" },
    { "rule", "[2,1,2]", "[2,2147483648]", REFUSED, "layers[1] is -1" },
    { "rule", "[2,1,2]", "{}", REFUSED, "expected '['" },
    { "rule", "[null,0.375]", "[null,true]", REFUSED, "expected a number" },
    { "rule", "[null,0.375]", "[null,2.0]", REFUSED, "alpha" }, { "rule", "[null,0.375]", "[0.5]", REFUSED, "" },
    { "rule", "[null,0.375]", "7", REFUSED, "expected '['" },
    { "rule", "[null,null,0.75]", "[null,null,0]", REFUSED, "beta" },
    { "rule", "[null,5.0]", "[null,-5.0]", REFUSED, "damping" },
    { "rule", "\"common_damping\":3.0", "\"common_damping\":-3.0", REFUSED, "damping" },
    { "rule", "\"async_fraction\":0.5", "\"async_fraction\":2", REFUSED, "fraction" },
    { "rule", "\"time_step\":1.0", "\"time_step\":0", REFUSED, "step is 0" },
    { "rule", "\"input_robustness\":0.0", "\"input_robustness\":-1", REFUSED, "strength is -1" },
    { "rule", "\"alpha_mismatch\":0.0", "\"alpha_mismatch\":-1", REFUSED, "deviation is -1" },
    { "rule", "\"noise_down\":0.0", "\"noise_down\":-1", REFUSED, "top_down is -1" },
    { "rule", "\"kolen-pollack\"", "\"golden\"", REFUSED, "unknown choice" },
    { "optimizer", "\"adam\"", "\"adem\"", REFUSED, "unknown choice" },
    { "optimizer", "\"constant\"", "\"content\"", REFUSED, "unknown choice" },
    { "optimizer", "\"steps\":0", "\"steps\":-1", REFUSED, "steps" },
    { "optimizer", "\"steps\":0", "\"steps\":9223372036854775807", REFUSED, "steps" },
    { "optimizer", "\"steps\":0", "\"steps\":0,\"gradient\":\"nine\"", REFUSED, "expected \"none\"" },
    { "optimizer", "\"steps\":0", "\"steps\":0,\"gradient\":\"none\"", DUALPROP_OK, "" },
    { "optimizer", "\"learning_rate\":0.001", "\"learning_rate\":-1", REFUSED, "rate" },
    { "optimizer", "\"beta2\":0.999", "\"beta2\":1.5", REFUSED, "beta2" },
    { "optimizer", "\"weight_decay\":0.0", "\"weight_decay\":-1", REFUSED, "decay" },
    { "optimizer", "\"clip\":0.0", "\"clip\":-1", REFUSED, "norm" },
    { "optimizer", "\"warmup\":0", "\"warmup\":-1", REFUSED, "warmup" },
    { "optimizer", "\"start\":0.0", "\"start\":-1", REFUSED, "start" },
    { "state", "\"inferences\":1", "\"inferences\":-1", REFUSED, "inferences" },
    { "state", "\"inferences\":1", "\"inferences\":9223372036854775807", REFUSED, "inferences" },
    { "state", "\"warm_count\":1", "\"warm_count\":-1", REFUSED, "samples" },
    { "state", "\"warm_count\":1", "\"warm_count\":3", REFUSED, "samples" },
    { "state", "\"warm_count\":1", "\"warm_count\":2", REFUSED, "shape" },
    { "state", "\"warm_count\":1", "\"warm_count\":0", DUALPROP_OK, "" },
    { "state", NULL, "{}", REFUSED, "missing" },
    { "feedback", NULL, "{\"kind\":\"symmetric\"}", DUALPROP_ERROR_UNSUPPORTED, "feedback" },
    { "feedback", NULL, "{\"kind\":\"other\"}", REFUSED, "unknown choice" },
    { "feedback", NULL, "{}", REFUSED, "missing" },
    { "feedback", NULL, "[]", REFUSED, "expected '{'" },
    /* clang-format on */
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(texts_that_say_something_else_are_refused)
{
    expect_ok(take_out());
    for (int i = 0; i < ROWS; i++) {
        char before[4096], sentence[256];
        ck_assert_int_lt(snprintf(before, sizeof before, "%s", dualprop__checkpoint_text(checkpoint, rows[i].name)),
                         4096);
        replace(rows[i].name, rows[i].from, rows[i].to);
        dualprop_status status = take_out();
        expect_ok(dualprop_last_error(sentence, sizeof sentence, NULL, NULL));
        ck_assert_msg(status == rows[i].status, "row %d, %s: %s: %s", i, rows[i].to, dualprop_status_name(status),
                      sentence);
        ck_assert_msg(status == DUALPROP_OK || strstr(sentence, rows[i].word), "row %d, %s: %s", i, rows[i].to,
                      sentence);
        set_text(rows[i].name, before);
    }
    expect_ok(take_out());
}
END_TEST

/* Lists of more layers than there may be, in a text of some megabytes. */
START_TEST(lists_that_are_too_long)
{
    enum { MORE = 70000 };
    char *text = malloc(2 * MORE + 2048);
    ck_assert_ptr_nonnull(text);
    const char *old = dualprop__checkpoint_text(checkpoint, "rule"), *at = strstr(old, "[2,1,2]");
    ck_assert_ptr_nonnull(at);
    size_t length = (size_t)sprintf(text, "%.*s[", (int)(at - old), old);
    for (int i = 0; i < MORE; i++) length += (size_t)sprintf(text + length, i ? ",1" : "1");
    sprintf(text + length, "]%s", at + 7);
    set_text("rule", text);
    expect_error(take_out(), DUALPROP_ERROR_FORMAT, "order is not a list of at most 65536");
    free(text);
}
END_TEST

START_TEST(a_text_that_is_missing_is_named)
{
    static const char *const names[] = { "network", "rule", "optimizer", "state" };
    for (int i = 0; i < 4; i++) {
        char before[4096], expected[64];
        snprintf(before, sizeof before, "%s", dualprop__checkpoint_text(checkpoint, names[i]));
        dualprop__text_destroy(context, dualprop__named_list_remove(&checkpoint->texts, names[i]));
        snprintf(expected, sizeof expected, "no text \"%s\"", names[i]);
        expect_error(take_out(), DUALPROP_ERROR_FORMAT, expected);
        set_text(names[i], before);
    }
    ck_assert_ptr_null(dualprop__named_list_remove(&checkpoint->texts, "not there"));
    expect_ok(take_out());
}
END_TEST

/* The rule that comes out writes the same text, fresh_minus and given damping included. */
START_TEST(a_rule_comes_back_with_every_option)
{
    dualprop_rule *got;
    char before[2048];
    for (int fresh = 0; fresh < 2; fresh++) {
        expect_ok(dualprop_rule_set_fresh_minus(rule, fresh));
        expect_ok(dualprop_checkpoint_put_rule(checkpoint, rule));
        snprintf(before, sizeof before, "%s", dualprop__checkpoint_text(checkpoint, "rule"));
        ck_assert((strstr(before, "fresh_minus") != NULL) == fresh);
        ck_assert_ptr_nonnull(strstr(before, "\"layer_damping\":[null,5.0]"));
        expect_ok(dualprop_checkpoint_get_rule(&got, checkpoint));
        expect_ok(dualprop_checkpoint_put_rule(checkpoint, got));
        ck_assert_str_eq(dualprop__checkpoint_text(checkpoint, "rule"), before);
        dualprop_rule_destroy(got);
    }
}
END_TEST

/* ---- states ---- */

START_TEST(dyads_need_a_state_with_a_rule)
{
    dualprop_state *plain;
    expect_ok(dualprop_state_create(&plain, network, NULL, 2));
    expect_error(dualprop_checkpoint_get_state(plain, checkpoint), DUALPROP_ERROR_INVALID_ARGUMENT, "without a rule");
    expect_ok(dualprop_checkpoint_put_state(checkpoint, plain)); /* which has nothing to keep but its position */
    expect_ok(dualprop_checkpoint_get_state(plain, checkpoint));
    expect_ok(dualprop_checkpoint_get_state(state, checkpoint));
    dualprop_state_destroy(plain);
}
END_TEST

/* No pass was made, so that no delta was ever written: they are saved as what they are, zeros. */
START_TEST(deltas_that_were_never_written_are_zeros)
{
    dualprop_view inputs = matrix_view((void *)(uintptr_t)sample, DUALPROP_F32, 1, 12);
    dualprop_view targets = vector_view((void *)(uintptr_t)label, DUALPROP_I32, 1);
    dualprop_view found = { .struct_size = sizeof found };
    dualprop_state *fresh;
    expect_ok(dualprop_state_create(&fresh, network, rule, 2));
    expect_ok(dualprop_infer_begin(fresh, &inputs, &targets));
    expect_ok(dualprop_infer_end(fresh));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, fresh));
    expect_ok(dualprop_checkpoint_find(&found, checkpoint, "state.layer1.delta"));
    ck_assert_int_eq(found.shape[0], 1);
    for (int64_t i = 0; i < found.shape[1]; i++) ck_assert(((const float *)found.data)[i] == 0);
    dualprop_state_destroy(fresh);
}
END_TEST

START_TEST(an_open_inference_is_neither_saved_nor_replaced)
{
    dualprop_view inputs = matrix_view((void *)(uintptr_t)sample, DUALPROP_F32, 1, 12);
    dualprop_view targets = vector_view((void *)(uintptr_t)label, DUALPROP_I32, 1);
    expect_ok(dualprop_infer_begin(state, &inputs, &targets));
    expect_error(dualprop_checkpoint_put_state(checkpoint, state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_end");
    expect_error(dualprop_checkpoint_get_state(state, checkpoint), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_end");
    expect_ok(dualprop_infer_end(state));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, state));
}
END_TEST

/* ---- tensors beside those of a network ---- */

START_TEST(tensors_of_other_names_stay)
{
    static const char *const kept[] = { "layer.weight", "layer1", "layer1.weights", "layer1x.bias",
                                        "layers1.bias", "mine",   "layer1.other" };
    static const char *const gone[] = { "layer9.weight", "layer9.bias", "layer9.feedback" };
    float number = 1;
    dualprop_view view = vector_view(&number, DUALPROP_F32, 1), found = { .struct_size = sizeof found };
    for (int i = 0; i < 7; i++) expect_ok(dualprop_checkpoint_put_tensor(checkpoint, kept[i], &view));
    for (int i = 0; i < 3; i++) expect_ok(dualprop_checkpoint_put_tensor(checkpoint, gone[i], &view));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    for (int i = 0; i < 7; i++) expect_ok(dualprop_checkpoint_find(&found, checkpoint, kept[i]));
    for (int i = 0; i < 3; i++)
        expect_error(dualprop_checkpoint_find(&found, checkpoint, gone[i]), DUALPROP_ERROR_INVALID_ARGUMENT, gone[i]);
}
END_TEST

START_TEST(a_tensor_is_given_by_name_or_view_alone)
{
    const char *name = NULL;
    dualprop_view view = { .struct_size = sizeof view };
    int64_t count;
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    for (int64_t i = 0; i < count; i++) {
        dualprop_view found = { .struct_size = sizeof found };
        expect_ok(dualprop_checkpoint_tensor(&name, NULL, checkpoint, i));
        expect_ok(dualprop_checkpoint_tensor(NULL, &view, checkpoint, i));
        expect_ok(dualprop_checkpoint_find(&found, checkpoint, name));
        ck_assert_ptr_eq(found.data, view.data);
    }
}
END_TEST

/* Moments that no step leaves, and numbers that are none. */
START_TEST(numbers_of_tensors_have_their_range)
{
    static const struct {
        const char *name;
        float value;
        dualprop_status status;
        const char *word;
    } values[] = {
        { "optimizer.layer1.weight.moment2", -1, DUALPROP_ERROR_FORMAT, "no learning step leaves" },
        { "optimizer.layer2.bias.moment1", 3e38f, DUALPROP_ERROR_FORMAT, "no learning step leaves" },
        { "optimizer.layer1.feedback.moment2", -1, DUALPROP_ERROR_FORMAT, "no learning step leaves" },
        { "optimizer.layer1.weight.moment2", (float)NAN, DUALPROP_ERROR_NOT_FINITE, "NaN" },
        { "layer2.weight", (float)INFINITY, DUALPROP_ERROR_NOT_FINITE, "infinity" },
        { "layer1.feedback", (float)NAN, DUALPROP_ERROR_NOT_FINITE, "NaN" },
        { "state.layer1.mean", (float)NAN, DUALPROP_ERROR_NOT_FINITE, "NaN" },
    };
    traps_set(1);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        dualprop_view found = { .struct_size = sizeof found };
        expect_ok(dualprop_checkpoint_find(&found, checkpoint, values[i].name));
        float *last = (float *)found.data, before = *last;
        *last = values[i].value;
        expect_error(take_out(), values[i].status, values[i].word);
        *last = before;
        expect_ok(take_out());
    }
    traps_set(0);
}
END_TEST

START_TEST(more_layers_than_tensors)
{
    dualprop_network *small, *got;
    dualprop_checkpoint *other;
    expect_ok(dualprop_network_create(&small, context, 1, 1, 3));
    expect_ok(dualprop_network_add_dense(small, 3, DUALPROP_RELU));
    expect_ok(dualprop_network_initialize(small, 1));
    expect_ok(dualprop_checkpoint_create(&other, context));
    expect_ok(dualprop_checkpoint_put_network(other, small));
    dualprop_checkpoint *kept = checkpoint;
    checkpoint = other;
    replace("network", "}]",
            "},{\"kind\":\"dense\",\"outputs\":3,\"activation\":\"relu\",\"frozen\":false,"
            "\"learning_rate\":1.0}]");
    expect_error(dualprop_checkpoint_get_network(&got, other), DUALPROP_ERROR_FORMAT, "no list of 1..1");
    checkpoint = kept;
    dualprop_checkpoint_destroy(other);
    dualprop_network_destroy(small);
}
END_TEST

/* Images that a layer takes as vectors: of several rows, of one row, and not. */
START_TEST(flattened_images_come_back)
{
    static const int64_t one[2] = { 1, 1 }, shapes[3][2] = { { 2, 3 }, { 1, 3 }, { 1, 1 } };
    for (int i = 0; i < 3; i++)
        for (int flat = 0; flat < 2; flat++) {
            dualprop_network *made, *got;
            dualprop_layer *layer;
            int64_t output[3];
            expect_ok(dualprop_network_create(&made, context, shapes[i][0], shapes[i][1], 2));
            if (flat) expect_ok(dualprop_network_add_flatten(made));
            expect_ok(dualprop_network_add_convolution(made, 2, one, one, NULL, DUALPROP_RELU));
            expect_ok(dualprop_network_initialize(made, 1));
            expect_ok(dualprop_checkpoint_put_network(checkpoint, made));
            expect_ok(dualprop_checkpoint_get_network(&got, checkpoint));
            expect_ok(dualprop_network_layer(&layer, got, 1));
            expect_ok(dualprop_layer_shape(NULL, output, NULL, NULL, NULL, NULL, NULL, NULL, layer));
            ck_assert_int_eq(output[0], flat ? 1 : shapes[i][0]);
            ck_assert_int_eq(output[1], flat ? 1 : shapes[i][1]);
            dualprop_network_destroy(got);
            dualprop_network_destroy(made);
        }
}
END_TEST

/* Without moments that need a gradient; on this backend the optimizer comes back as one that keeps none. */
START_TEST(an_optimizer_without_a_gradient_comes_back)
{
    dualprop_network *small;
    dualprop_optimizer *fused, *got;
    static const float numbers[3] = { 1, 2, 3 };
    dualprop_state *plain;
    dualprop_rule *bp;
    expect_ok(dualprop_network_create(&small, context, 1, 1, 3));
    expect_ok(dualprop_network_add_dense(small, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(small, 1));
    expect_ok(dualprop_rule_create(&bp, context, DUALPROP_BP));
    expect_ok(dualprop_state_create(&plain, small, bp, 1));
    expect_ok(dualprop_optimizer_create_fused(&fused, small, DUALPROP_ADAM));
    expect_ok(dualprop_learn(fused, plain, numbers, label, 1));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, fused));
    ck_assert_ptr_nonnull(strstr(dualprop__checkpoint_text(checkpoint, "optimizer"), "\"gradient\":\"none\""));
    expect_ok(dualprop_checkpoint_get_optimizer(&got, checkpoint, small));
    expect_ok(dualprop_infer(plain, numbers, label, 1));
    expect_error(dualprop_gradient(got, plain), DUALPROP_ERROR_UNSUPPORTED, "gradient");
    expect_ok(dualprop_update(got, plain));
    dualprop_optimizer_destroy(got);
    dualprop_optimizer_destroy(fused);
    dualprop_state_destroy(plain);
    dualprop_rule_destroy(bp);
    dualprop_network_destroy(small);
}
END_TEST

/* ---- limits and paths ---- */

START_TEST(arguments_of_reading_and_writing)
{
    dualprop_checkpoint *read;
    static const char bytes[16];
    expect_error(dualprop_checkpoint_write(checkpoint, NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "path is NULL");
    expect_error(dualprop_checkpoint_write(checkpoint, ""), DUALPROP_ERROR_INVALID_ARGUMENT, "path is empty");
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_FILE_BYTES, 15));
    expect_error(dualprop_checkpoint_read_memory(&read, context, bytes, 16), DUALPROP_ERROR_LIMIT, "limit of 15");
    ck_assert_ptr_null(read);
}
END_TEST

/* A header of more than the format's 100 MB, and a tensor of 2^63 bytes. */
START_TEST(sizes_beyond_the_formats)
{
    enum { LENGTH = 100000001 };
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2305843009213693952],\"data_offsets\":[0,4]}}";
    dualprop_checkpoint *read;
    unsigned char *bytes = calloc(LENGTH + 8, 1);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)LENGTH >> 8 * i);
    for (int limit = 0; limit < 5; limit++) expect_ok(dualprop_context_set_limit(context, limit, UINT64_MAX));
    expect_error(dualprop_checkpoint_read_memory(&read, context, bytes, LENGTH + 8), DUALPROP_ERROR_FORMAT,
                 "100000000");
    memset(bytes, 0, 8);
    bytes[0] = sizeof header - 1;
    memcpy(bytes + 8, header, sizeof header - 1);
    expect_error(dualprop_checkpoint_read_memory(&read, context, bytes, 8 + sizeof header - 1 + 4),
                 DUALPROP_ERROR_FORMAT, "the size of tensor a overflows");
    free(bytes);
}
END_TEST

START_TEST(limits_beyond_the_formats_are_the_formats)
{
    scratch_folder folder = scratch_folder_create();
    dualprop_checkpoint *read;
    for (int limit = 0; limit < 5; limit++) expect_ok(dualprop_context_set_limit(context, limit, UINT64_MAX));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    expect_ok(dualprop_checkpoint_read(&read, context, folder.file));
    dualprop_checkpoint_destroy(read);
    for (uint64_t texts = 1; texts <= 8; texts++) { /* three of the file's eight are the writer's own */
        expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TEXTS, texts));
        dualprop_status status = dualprop_checkpoint_write(checkpoint, folder.file);
        if (texts < 8) expect_error(status, DUALPROP_ERROR_LIMIT, "5 texts");
        else expect_ok(status);
    }
    scratch_folder_destroy(&folder);
}
END_TEST

START_TEST(a_long_path_is_cut_at_its_beginning)
{
    char path[600] = "/tmp", sentence[512];
    dualprop_checkpoint *read;
    while (strlen(path) < 500) strcat(path, "/no-such-folder");
    strcat(path, "/the-file");
    expect_error(dualprop_checkpoint_read(&read, context, path), DUALPROP_ERROR_ACCESS, "/tmp/no-such");
    static const char bytes[] = "too short";
    scratch_folder folder = scratch_folder_create();
    char deep[400];
    snprintf(deep, sizeof deep, "%s/", folder.path);
    for (int i = 0; i < 60; i++) strcat(deep, "././");
    strcat(deep, "the-file");
    scratch_write(deep, bytes, 3);
    expect_error(dualprop_checkpoint_read(&read, context, deep), DUALPROP_ERROR_FORMAT, "/the-file is no checkpoint");
    expect_ok(dualprop_last_error(sentence, sizeof sentence, NULL, NULL));
    ck_assert_msg(strncmp(sentence, "...", 3) == 0, "%s", sentence);
    scratch_folder_destroy(&folder);
}
END_TEST

Suite *test_checkpoint_texts_suite(void)
{
    Suite *suite = suite_create("checkpoint texts");
    TCase *tests = tcase_create("checkpoint texts");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, texts_that_say_something_else_are_refused);
    tcase_add_test(tests, lists_that_are_too_long);
    tcase_add_test(tests, a_text_that_is_missing_is_named);
    tcase_add_test(tests, a_rule_comes_back_with_every_option);
    tcase_add_test(tests, dyads_need_a_state_with_a_rule);
    tcase_add_test(tests, deltas_that_were_never_written_are_zeros);
    tcase_add_test(tests, numbers_of_tensors_have_their_range);
    tcase_add_test(tests, more_layers_than_tensors);
    tcase_add_test(tests, flattened_images_come_back);
    tcase_add_test(tests, an_optimizer_without_a_gradient_comes_back);
    tcase_add_test(tests, arguments_of_reading_and_writing);
    tcase_add_test(tests, sizes_beyond_the_formats);
    tcase_add_test(tests, an_open_inference_is_neither_saved_nor_replaced);
    tcase_add_test(tests, tensors_of_other_names_stay);
    tcase_add_test(tests, a_tensor_is_given_by_name_or_view_alone);
    tcase_add_test(tests, limits_beyond_the_formats_are_the_formats);
    tcase_add_test(tests, a_long_path_is_cut_at_its_beginning);
    suite_add_tcase(suite, tests);
    return suite;
}
