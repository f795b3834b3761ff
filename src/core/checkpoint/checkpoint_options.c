/*
 * checkpoint_options.c - the options of a rule in a checkpoint: what belongs to layers, to time and to hardware.
 *
 * A file from before there were options has none of them, and the rule keeps its defaults. The seed is a text, since a
 * JSON number need not hold 64 bits; a layer without a number of its own is null.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_json.h"

/* ---- putting ---- */

static json_t *describe_layer_numbers(const struct dualprop__layer_numbers *numbers)
{
    json_t *list = json_array();
    for (int k = 0; list && k < numbers->count; k++) {
        json_t *number = isnan(numbers->values[k]) ? json_null() : json_real(numbers->values[k]);
        if (json_array_append_new(list, number) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *describe_order(const dualprop_rule *rule)
{
    json_t *list = json_array();
    for (int i = 0; list && i < rule->order_count; i++) {
        if (json_array_append_new(list, json_integer(rule->order[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

json_t *dualprop__checkpoint_describe_options(const dualprop_rule *rule)
{
    static const struct dualprop__layer_numbers none;
    char seed[24];
    int given = rule->damping == DUALPROP_DAMPING_GIVEN; /* other numbers for D_k have no effect */
    snprintf(seed, sizeof seed, "%" PRIu64, rule->seed);
    return json_pack("{s:s, s:i, s:f, s:f, s:s, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:i, s:s, s:o, s:o, s:o, s:o}",
                     "damping", dualprop_name(DUALPROP_NAMES_DAMPING, rule->damping),
                     "power_iterations", rule->power_iterations, "common_damping", given ? rule->common_damping : 0.0,
                     "input_robustness", rule->input_robustness,
                     "feedback", dualprop_name(DUALPROP_NAMES_FEEDBACK, rule->feedback),
                     "async_fraction", rule->async_fraction, "time_step", rule->time_step,
                     "warm_start", rule->warm_start, "alpha_mismatch", rule->alpha_mismatch,
                     "noise_state", rule->noise_state, "noise_down", rule->noise_down,
                     "noise_weight", rule->noise_weight, "quantize_bits", rule->quantize_bits, "seed", seed,
                     "order", describe_order(rule), "layer_alpha", describe_layer_numbers(&rule->layer_alpha),
                     "layer_beta", describe_layer_numbers(&rule->layer_beta),
                     "layer_damping", describe_layer_numbers(given ? &rule->layer_damping : &none));
}

/* ---- getting ---- */

struct options_record {
    const char *damping, *feedback, *seed;
    int power_iterations, warm_start, quantize_bits;
    double common_damping, input_robustness, async_fraction, time_step, alpha_mismatch;
    double noise_state, noise_down, noise_weight;
    json_t *order, *layer_alpha, *layer_beta, *layer_damping;
};

static dualprop_status unpack_options(struct options_record *record, const dualprop_checkpoint *checkpoint,
                                      json_t *root)
{
    return dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"rule\"", root, 0,
        "{s:s, s:i, s:F, s:F, s:s, s:F, s:F, s:i, s:F, s:F, s:F, s:F, s:i, s:s, s:o, s:o, s:o, s:o}",
        "damping", &record->damping, "power_iterations", &record->power_iterations,
        "common_damping", &record->common_damping, "input_robustness", &record->input_robustness,
        "feedback", &record->feedback, "async_fraction", &record->async_fraction, "time_step", &record->time_step,
        "warm_start", &record->warm_start, "alpha_mismatch", &record->alpha_mismatch,
        "noise_state", &record->noise_state, "noise_down", &record->noise_down, "noise_weight", &record->noise_weight,
        "quantize_bits", &record->quantize_bits, "seed", &record->seed, "order", &record->order,
        "layer_alpha", &record->layer_alpha, "layer_beta", &record->layer_beta,
        "layer_damping", &record->layer_damping);
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

static dualprop_status check_list(const dualprop_checkpoint *checkpoint, const json_t *list, const char *name,
                                  size_t most)
{
    DUALPROP__REQUIRE(checkpoint->context, json_is_array(list) && json_array_size(list) <= most,
                      DUALPROP_ERROR_FORMAT, "%s: the rule's %s is no list of at most %zu", checkpoint->source, name,
                      most);
    return DUALPROP_OK;
}

static dualprop_status set_order(dualprop_rule *rule, const dualprop_checkpoint *checkpoint, const json_t *list)
{
    DUALPROP__TRY(check_list(checkpoint, list, "order", 65536));
    size_t count = json_array_size(list);
    if (count == 0) return DUALPROP_OK;
    int32_t *order = dualprop__allocate_array(checkpoint->context, count, sizeof *order);
    if (!order) return DUALPROP_ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        json_int_t layer = json_integer_value(json_array_get(list, i));
        order[i] = !json_is_integer(json_array_get(list, i)) || layer > INT32_MAX || layer < 0 ? -1 : (int32_t)layer;
    }
    dualprop_status status = dualprop_rule_set_order(rule, order, (int64_t)count);
    dualprop__release(checkpoint->context, order);
    return status;
}

/* Set the numbers of a list, each by its setter. */
static dualprop_status set_layer_numbers(dualprop_rule *rule, const dualprop_checkpoint *checkpoint, const json_t *list,
                                         const char *name, dualprop_status (*setter)(dualprop_rule *, int, double))
{
    DUALPROP__TRY(check_list(checkpoint, list, name, DUALPROP__MOST_LAYERS + 1));
    for (size_t k = json_array_size(list); k-- > 0;) { /* the last first, so that the rule's list grows once */
        const json_t *number = json_array_get(list, k);
        if (json_is_null(number)) continue;
        DUALPROP__REQUIRE(checkpoint->context, json_is_number(number), DUALPROP_ERROR_FORMAT,
                          "%s: the rule's %s has an entry that is no number", checkpoint->source, name);
        DUALPROP__TRY(setter(rule, (int)k, json_number_value(number)));
    }
    return DUALPROP_OK;
}

static dualprop_status set_damping(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct options_record *record)
{
    int damping;
    DUALPROP__TRY(dualprop__checkpoint_choice(&damping, checkpoint, "rule", DUALPROP_NAMES_DAMPING, record->damping));
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, record->power_iterations, 1, 10000, "power_iterations",
                                              "1..10000"));
    rule->power_iterations = record->power_iterations;
    if (damping == DUALPROP_DAMPING_NONE) return DUALPROP_OK;
    /* A rule with given numbers keeps its power iterations too. */
    DUALPROP__TRY(dualprop_rule_set_damping(
        rule, damping == DUALPROP_DAMPING_GIVEN ? DUALPROP_DAMPING_HALF : damping, record->power_iterations));
    if (damping != DUALPROP_DAMPING_GIVEN) return DUALPROP_OK;
    DUALPROP__TRY(dualprop_rule_set_layer_damping(rule, -1, record->common_damping));
    return set_layer_numbers(rule, checkpoint, record->layer_damping, "layer_damping", dualprop_rule_set_layer_damping);
}

static dualprop_status set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct options_record *record)
{
    int feedback;
    DUALPROP__TRY(dualprop__checkpoint_choice(&feedback, checkpoint, "rule", DUALPROP_NAMES_FEEDBACK,
                                              record->feedback));
    DUALPROP__TRY(set_seed(rule, checkpoint, record->seed));
    DUALPROP__TRY(set_damping(rule, checkpoint, record));
    DUALPROP__TRY(dualprop_rule_set_input_robustness(rule, record->input_robustness));
    DUALPROP__TRY(dualprop_rule_set_feedback(rule, feedback));
    DUALPROP__TRY(dualprop_rule_set_async_fraction(rule, record->async_fraction));
    DUALPROP__TRY(dualprop_rule_set_time_step(rule, record->time_step));
    DUALPROP__TRY(dualprop_rule_set_warm_start(rule, record->warm_start));
    DUALPROP__TRY(dualprop_rule_set_alpha_mismatch(rule, record->alpha_mismatch));
    DUALPROP__TRY(dualprop_rule_set_noise(rule, record->noise_state, record->noise_down, record->noise_weight));
    DUALPROP__TRY(dualprop_rule_set_quantization(rule, record->quantize_bits));
    DUALPROP__TRY(set_order(rule, checkpoint, record->order));
    DUALPROP__TRY(
        set_layer_numbers(rule, checkpoint, record->layer_alpha, "layer_alpha", dualprop_rule_set_layer_alpha));
    return set_layer_numbers(rule, checkpoint, record->layer_beta, "layer_beta", dualprop_rule_set_layer_beta);
}

dualprop_status dualprop__checkpoint_set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                                 json_t *options)
{
    struct options_record record;
    if (!options) return DUALPROP_OK;
    DUALPROP__TRY(unpack_options(&record, checkpoint, options));
    return set_options(rule, checkpoint, &record);
}
