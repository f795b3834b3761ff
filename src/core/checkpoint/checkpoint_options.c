/*
 * checkpoint_options.c - the options of a rule in a checkpoint: what belongs to layers, to time and to hardware.
 *
 * A file from before there were options has none of them, and the rule keeps its defaults. The seed is a text, since a
 * JSON number need not hold 64 bits; a layer without a number of its own is null.
 */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

/* ---- putting ---- */

static void describe_numbers(dualprop__json_writer *writer, const char *key,
                             const struct dualprop__layer_numbers *numbers)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_bracket(writer, '[');
    for (int k = 0; k < numbers->count; k++) {
        if (isnan(numbers->values[k])) dualprop__json_put_word(writer, "null");
        else dualprop__json_put_real(writer, numbers->values[k]);
    }
    dualprop__json_bracket(writer, ']');
}

void dualprop__checkpoint_describe_options(dualprop__json_writer *writer, const dualprop_rule *rule)
{
    static const struct dualprop__layer_numbers none;
    char seed[24];
    int given = rule->damping == DUALPROP_DAMPING_GIVEN; /* other numbers for D_k have no effect */
    snprintf(seed, sizeof seed, "%" PRIu64, rule->seed);
    dualprop__json_bracket(writer, '{');
    dualprop__json_text_member(writer, "damping", dualprop_name(DUALPROP_NAMES_DAMPING, rule->damping));
    dualprop__json_integer_member(writer, "power_iterations", rule->power_iterations);
    dualprop__json_real_member(writer, "common_damping", given ? rule->common_damping : 0.0);
    dualprop__json_real_member(writer, "input_robustness", rule->input_robustness);
    dualprop__json_text_member(writer, "feedback", dualprop_name(DUALPROP_NAMES_FEEDBACK, rule->feedback));
    dualprop__json_real_member(writer, "async_fraction", rule->async_fraction);
    dualprop__json_real_member(writer, "time_step", rule->time_step);
    dualprop__json_integer_member(writer, "warm_start", rule->warm_start);
    dualprop__json_real_member(writer, "alpha_mismatch", rule->alpha_mismatch);
    dualprop__json_real_member(writer, "noise_state", rule->noise_state);
    dualprop__json_real_member(writer, "noise_down", rule->noise_down);
    dualprop__json_real_member(writer, "noise_weight", rule->noise_weight);
    dualprop__json_integer_member(writer, "quantize_bits", rule->quantize_bits);
    dualprop__json_text_member(writer, "seed", seed);
    dualprop__json_put_key(writer, "order");
    dualprop__json_bracket(writer, '[');
    for (int i = 0; i < rule->order_count; i++) dualprop__json_put_integer(writer, rule->order[i]);
    dualprop__json_bracket(writer, ']');
    describe_numbers(writer, "layer_alpha", &rule->layer_alpha);
    describe_numbers(writer, "layer_beta", &rule->layer_beta);
    describe_numbers(writer, "layer_damping", given ? &rule->layer_damping : &none);
    if (rule->growth_limit > 0) dualprop__json_integer_member(writer, "growth_limit", rule->growth_limit);
    if (rule->fresh_minus) dualprop__json_integer_member(writer, "fresh_minus", rule->fresh_minus);
    dualprop__json_bracket(writer, '}');
}

/* ---- getting ---- */

struct options_record {
    char damping[DUALPROP__JSON_WORD], feedback[DUALPROP__JSON_WORD], seed[DUALPROP__JSON_WORD];
    int64_t power_iterations, warm_start, quantize_bits, growth_limit, fresh_minus;
    double common_damping, input_robustness, async_fraction, time_step, alpha_mismatch;
    double noise_state, noise_down, noise_weight;
    dualprop__json order, layer_alpha, layer_beta, layer_damping;
};

static dualprop_status unpack_options(struct options_record *record, const dualprop_checkpoint *checkpoint,
                                      const dualprop__json *options)
{
    const dualprop__json_member members[] = {
        { "damping", DUALPROP__JSON_TEXT, record->damping, 0, 0 },
        { "power_iterations", DUALPROP__JSON_INTEGER, &record->power_iterations, 0, 0 },
        { "common_damping", DUALPROP__JSON_REAL, &record->common_damping, 0, 0 },
        { "input_robustness", DUALPROP__JSON_REAL, &record->input_robustness, 0, 0 },
        { "feedback", DUALPROP__JSON_TEXT, record->feedback, 0, 0 },
        { "async_fraction", DUALPROP__JSON_REAL, &record->async_fraction, 0, 0 },
        { "time_step", DUALPROP__JSON_REAL, &record->time_step, 0, 0 },
        { "warm_start", DUALPROP__JSON_INTEGER, &record->warm_start, 0, 0 },
        { "alpha_mismatch", DUALPROP__JSON_REAL, &record->alpha_mismatch, 0, 0 },
        { "noise_state", DUALPROP__JSON_REAL, &record->noise_state, 0, 0 },
        { "noise_down", DUALPROP__JSON_REAL, &record->noise_down, 0, 0 },
        { "noise_weight", DUALPROP__JSON_REAL, &record->noise_weight, 0, 0 },
        { "quantize_bits", DUALPROP__JSON_INTEGER, &record->quantize_bits, 0, 0 },
        { "seed", DUALPROP__JSON_TEXT, record->seed, 0, 0 },
        { "order", DUALPROP__JSON_VALUE, &record->order, 0, 0 },
        { "layer_alpha", DUALPROP__JSON_VALUE, &record->layer_alpha, 0, 0 },
        { "layer_beta", DUALPROP__JSON_VALUE, &record->layer_beta, 0, 0 },
        { "layer_damping", DUALPROP__JSON_VALUE, &record->layer_damping, 0, 0 },
        { "growth_limit", DUALPROP__JSON_INTEGER, &record->growth_limit, 0, 1 },
        { "fresh_minus", DUALPROP__JSON_INTEGER, &record->fresh_minus, 0, 1 },
    };
    dualprop__json json = *options;
    DUALPROP__TRY(dualprop__json_members(&json, members, (int)(sizeof members / sizeof *members)));
    int small = record->power_iterations >= INT_MIN && record->power_iterations <= INT_MAX &&
                record->warm_start >= INT_MIN && record->warm_start <= INT_MAX && record->quantize_bits >= INT_MIN &&
                record->quantize_bits <= INT_MAX && record->growth_limit >= INT_MIN &&
                record->growth_limit <= INT_MAX && record->fresh_minus >= INT_MIN && record->fresh_minus <= INT_MAX;
    DUALPROP__REQUIRE(checkpoint->context, small, DUALPROP_ERROR_FORMAT,
                      "%s: the rule's power_iterations, warm_start, quantize_bits, growth_limit or fresh_minus do not "
                      "fit into 32 bits",
                      checkpoint->source);
    return DUALPROP_OK;
}

static dualprop_status set_seed(dualprop_rule *rule, const dualprop_checkpoint *checkpoint, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t seed = 0;
    int fits = digits > 0 && text[digits] == 0;
    for (size_t i = 0; fits && i < digits; i++)
        fits = DUALPROP__MULTIPLY(&seed, seed, (uint64_t)10) && DUALPROP__ADD(&seed, seed, (uint64_t)(text[i] - '0'));
    DUALPROP__REQUIRE(checkpoint->context, fits, DUALPROP_ERROR_FORMAT,
                      "%s: the rule's seed is %s; expected a whole number of 64 bits", checkpoint->source,
                      dualprop__quote(text).text);
    return dualprop_rule_set_seed(rule, seed);
}

/* Count the elements of a list and refuse too many. That it is JSON was checked when the text was loaded. */
static dualprop_status count_list(int *count, const dualprop_checkpoint *checkpoint, const dualprop__json *list,
                                  const char *name, int most)
{
    dualprop__json json = *list;
    *count = 0;
    DUALPROP__TRY(dualprop__json_enter(&json, '['));
    for (int more = 1;; (*count)++) {
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', *count == 0));
        if (!more) return DUALPROP_OK;
        DUALPROP__REQUIRE(checkpoint->context, *count < most, DUALPROP_ERROR_FORMAT,
                          "%s: the rule's %s is not a list of at most %d", checkpoint->source, name, most);
        DUALPROP__TRY_ALWAYS(dualprop__json_skip(&json));
    }
}

static dualprop_status read_order(int32_t *order, const dualprop__json *list, int count)
{
    dualprop__json json = *list;
    int more;
    DUALPROP__TRY_ALWAYS(dualprop__json_enter(&json, '['));
    for (int i = 0; i < count; i++) {
        int64_t layer;
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', i == 0));
        DUALPROP__TRY(dualprop__json_integer(&json, &layer));
        order[i] = layer > INT32_MAX || layer < 0 ? -1 : (int32_t)layer;
    }
    return DUALPROP_OK;
}

static dualprop_status set_order(dualprop_rule *rule, const dualprop_checkpoint *checkpoint, const dualprop__json *list)
{
    int count;
    DUALPROP__TRY(count_list(&count, checkpoint, list, "order", 65536));
    if (count == 0) return DUALPROP_OK;
    int32_t *order = dualprop__allocate_array(checkpoint->context, (size_t)count, sizeof *order);
    if (!order) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = read_order(order, list, count);
    if (status == DUALPROP_OK) status = dualprop_rule_set_order(rule, order, count);
    dualprop__release(checkpoint->context, order);
    return status;
}

/* A NaN stands for null: a layer without a number of its own. */
static dualprop_status read_layer_numbers(double *numbers, const dualprop__json *list, int count)
{
    dualprop__json json = *list;
    int more;
    DUALPROP__TRY_ALWAYS(dualprop__json_enter(&json, '['));
    for (int i = 0; i < count; i++) {
        numbers[i] = NAN;
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', i == 0));
        if (dualprop__json_peek(&json) == 'n') DUALPROP__TRY_ALWAYS(dualprop__json_skip(&json));
        else DUALPROP__TRY(dualprop__json_real(&json, &numbers[i]));
    }
    return DUALPROP_OK;
}

/* Set the numbers of a list, each by its setter; the last first, so that the rule's list grows once. */
static dualprop_status set_numbers(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const dualprop__json *list, const char *name,
                                   dualprop_status (*setter)(dualprop_rule *, int, double))
{
    int count;
    DUALPROP__TRY(count_list(&count, checkpoint, list, name, DUALPROP__MOST_LAYERS + 1));
    if (count == 0) return DUALPROP_OK;
    double *numbers = dualprop__allocate_array(checkpoint->context, (size_t)count, sizeof *numbers);
    if (!numbers) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = read_layer_numbers(numbers, list, count);
    for (int k = count; status == DUALPROP_OK && k-- > 0;)
        if (!isnan(numbers[k])) status = setter(rule, k, numbers[k]);
    dualprop__release(checkpoint->context, numbers);
    return status;
}

static dualprop_status set_damping(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct options_record *record)
{
    int damping;
    DUALPROP__TRY(dualprop__checkpoint_choice(&damping, checkpoint, "rule", DUALPROP_NAMES_DAMPING, record->damping));
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, (int)record->power_iterations, 1, 10000,
                                              "power_iterations", "1..10000"));
    rule->power_iterations = (int)record->power_iterations;
    if (damping == DUALPROP_DAMPING_NONE) return DUALPROP_OK;
    /* A rule with given numbers keeps its power iterations too. */
    DUALPROP__TRY(dualprop_rule_set_damping(rule, damping == DUALPROP_DAMPING_GIVEN ? DUALPROP_DAMPING_HALF : damping,
                                            (int)record->power_iterations));
    if (damping != DUALPROP_DAMPING_GIVEN) return DUALPROP_OK;
    DUALPROP__TRY(dualprop_rule_set_layer_damping(rule, -1, record->common_damping));
    return set_numbers(rule, checkpoint, &record->layer_damping, "layer_damping", dualprop_rule_set_layer_damping);
}

static dualprop_status set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct options_record *record)
{
    int feedback;
    DUALPROP__TRY(
        dualprop__checkpoint_choice(&feedback, checkpoint, "rule", DUALPROP_NAMES_FEEDBACK, record->feedback));
    DUALPROP__TRY(set_seed(rule, checkpoint, record->seed));
    DUALPROP__TRY(set_damping(rule, checkpoint, record));
    DUALPROP__TRY(dualprop_rule_set_input_robustness(rule, record->input_robustness));
    DUALPROP__TRY_ALWAYS(dualprop_rule_set_feedback(rule, feedback)); /* which has a name */
    DUALPROP__TRY(dualprop_rule_set_async_fraction(rule, record->async_fraction));
    DUALPROP__TRY(dualprop_rule_set_time_step(rule, record->time_step));
    DUALPROP__TRY(dualprop_rule_set_warm_start(rule, (int)record->warm_start));
    DUALPROP__TRY(dualprop_rule_set_growth_limit(rule, (int)record->growth_limit));
    DUALPROP__TRY(dualprop_rule_set_fresh_minus(rule, (int)record->fresh_minus));
    DUALPROP__TRY(dualprop_rule_set_alpha_mismatch(rule, record->alpha_mismatch));
    DUALPROP__TRY(dualprop_rule_set_noise(rule, record->noise_state, record->noise_down, record->noise_weight));
    DUALPROP__TRY(dualprop_rule_set_quantization(rule, (int)record->quantize_bits));
    DUALPROP__TRY(set_order(rule, checkpoint, &record->order));
    DUALPROP__TRY(set_numbers(rule, checkpoint, &record->layer_alpha, "layer_alpha", dualprop_rule_set_layer_alpha));
    return set_numbers(rule, checkpoint, &record->layer_beta, "layer_beta", dualprop_rule_set_layer_beta);
}

dualprop_status dualprop__checkpoint_set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                                 const dualprop__json *options)
{
    struct options_record record = { .growth_limit = 0, .fresh_minus = 0 }; /* files that have none do not say */
    if (!options->at) return DUALPROP_OK;
    DUALPROP__TRY(unpack_options(&record, checkpoint, options));
    return set_options(rule, checkpoint, &record);
}
