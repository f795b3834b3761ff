/*
 * rule_options.c - a rule's numbers of single layers, its damping, its timing, and the imperfections of hardware.
 */
#include <math.h>
#include <string.h>

#include "rule_internal.h"

#define MOST_ORDER 65536

/* ---- numbers of single layers ---- */

double dualprop__layer_number(const struct dualprop__layer_numbers *numbers, int k, double otherwise)
{
    return k < numbers->count && !isnan(numbers->values[k]) ? numbers->values[k] : otherwise;
}

static dualprop_status check_layer_number(const dualprop_rule *rule, int index, int least)
{
    return dualprop__rule_check_choice(rule->context, index, least, DUALPROP__MOST_LAYERS, "index",
                                       least < 0    ? "-1..65535"
                                       : least == 0 ? "0..65535"
                                                    : "1..65535");
}

/* Set numbers[index]; a list that is too short is replaced by a longer one, whose new entries are no numbers. */
static dualprop_status set_number(dualprop_rule *rule, struct dualprop__layer_numbers *numbers, int index,
                                  double number)
{
    if (index >= numbers->count) {
        double *longer = dualprop__allocate_array(rule->context, (size_t)index + 1, sizeof *longer);
        if (!longer) return DUALPROP_ERROR_NO_MEMORY;
        for (int k = 0; k <= index; k++) longer[k] = k < numbers->count ? numbers->values[k] : NAN;
        dualprop__release(rule->context, numbers->values);
        numbers->values = longer;
        numbers->count = index + 1;
    }
    numbers->values[index] = number;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_layer_alpha(dualprop_rule *rule, int index, double alpha)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_number(rule, index, 1));
    DUALPROP__TRY(dualprop__rule_check_alpha(rule, alpha));
    DUALPROP__TRY(set_number(rule, &rule->layer_alpha, index, alpha));
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_layer_beta(dualprop_rule *rule, int index, double beta)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_number(rule, index, 1));
    DUALPROP__TRY(dualprop__rule_check_beta(rule, beta));
    DUALPROP__TRY(set_number(rule, &rule->layer_beta, index, beta));
    return dualprop__rule_changed(rule);
}

/* ---- damping, the input's dyads, feedback ---- */

static dualprop_status require_damped(const dualprop_rule *rule)
{
    DUALPROP__REQUIRE(rule->context, dualprop__rule_variant(rule)->is_damped, DUALPROP_ERROR_UNSUPPORTED,
                      "damping contradicts variant %s; expected dp-damped, lpom or inverted-lpom",
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_damping(dualprop_rule *rule, int damping, int power_iterations)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, damping, DUALPROP_DAMPING_HALF, DUALPROP_DAMPING_GAMMA2,
                                              "damping", "DUALPROP_DAMPING_HALF or DUALPROP_DAMPING_GAMMA2"));
    DUALPROP__TRY(
        dualprop__rule_check_choice(rule->context, power_iterations, 1, 10000, "power_iterations", "1..10000"));
    DUALPROP__TRY(require_damped(rule));
    dualprop__rule_replan(rule, rule->damping == DUALPROP_DAMPING_GIVEN);
    rule->damping = damping;
    rule->power_iterations = power_iterations;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_layer_damping(dualprop_rule *rule, int index, double damping)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_number(rule, index, -1));
    DUALPROP__REQUIRE(rule->context, isfinite(damping) && damping >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "damping is %g; expected a finite number >= 0", damping);
    DUALPROP__TRY(require_damped(rule));
    if (index >= 0) DUALPROP__TRY(set_number(rule, &rule->layer_damping, index, damping));
    else rule->layer_damping.count = 0, rule->common_damping = damping;
    dualprop__rule_replan(rule, rule->damping != DUALPROP_DAMPING_GIVEN);
    rule->damping = DUALPROP_DAMPING_GIVEN;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_fresh_minus(dualprop_rule *rule, int fresh)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, fresh, 0, 1, "fresh", "0 or 1"));
    dualprop__rule_replan(rule, rule->fresh_minus != fresh);
    rule->fresh_minus = fresh;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_input_robustness(dualprop_rule *rule, double strength)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(strength) && strength >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "strength is %g; expected a finite number >= 0", strength);
    dualprop__rule_replan(rule, (rule->input_robustness > 0) != (strength > 0));
    rule->input_robustness = strength;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_feedback(dualprop_rule *rule, int feedback)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, feedback, DUALPROP_FEEDBACK_SYMMETRIC,
                                              DUALPROP_FEEDBACK_SIGN, "feedback",
                                              "DUALPROP_FEEDBACK_SYMMETRIC .. DUALPROP_FEEDBACK_SIGN"));
    dualprop__rule_replan(rule, rule->feedback != feedback);
    rule->feedback = feedback;
    return dualprop__rule_changed(rule);
}

/* ---- time ---- */

static dualprop_status check_order_list(const dualprop_rule *rule, const int32_t *layers, int64_t count)
{
    DUALPROP__REQUIRE(rule->context, layers, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "layers is NULL; expected [count] layers");
    DUALPROP__REQUIRE(rule->context, count >= 1 && count <= MOST_ORDER, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 1..%d", (long long)count, MOST_ORDER);
    for (int64_t i = 0; i < count; i++)
        DUALPROP__REQUIRE(rule->context, layers[i] >= 0 && layers[i] <= DUALPROP__MOST_LAYERS,
                          DUALPROP_ERROR_INVALID_ARGUMENT, "layers[%lld] is %d; expected 0..%d", (long long)i,
                          layers[i], DUALPROP__MOST_LAYERS);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_order(dualprop_rule *rule, const int32_t *layers, int64_t count)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_order_list(rule, layers, count));
    int32_t *copy = dualprop__allocate_array(rule->context, (size_t)count, sizeof *copy);
    if (!copy) return DUALPROP_ERROR_NO_MEMORY;
    memcpy(copy, layers, (size_t)count * sizeof *copy);
    dualprop__release(rule->context, rule->order);
    rule->order = copy;
    rule->order_count = (int)count;
    dualprop__rule_replan(rule, 1);
    return dualprop__rule_changed(rule);
}

static dualprop_status check_fraction(const dualprop_rule *rule, double value, const char *argument)
{
    DUALPROP__REQUIRE(rule->context, value > 0 && value <= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is %g; expected a number above 0, at most 1", argument, value);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_async_fraction(dualprop_rule *rule, double fraction)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_fraction(rule, fraction, "fraction"));
    rule->async_fraction = fraction;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_time_step(dualprop_rule *rule, double step)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_fraction(rule, step, "step"));
    dualprop__rule_replan(rule, (rule->time_step != 1.0) != (step != 1.0));
    rule->time_step = step;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_warm_start(dualprop_rule *rule, int warm_start)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, warm_start, 0, 1, "warm_start", "0 or 1"));
    rule->warm_start = warm_start;
    return dualprop__rule_changed(rule);
}

/* ---- hardware ---- */

static dualprop_status check_deviation(const dualprop_rule *rule, double value, const char *argument)
{
    DUALPROP__REQUIRE(rule->context, isfinite(value) && value >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is %g; expected a finite number >= 0", argument, value);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_alpha_mismatch(dualprop_rule *rule, double deviation)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_deviation(rule, deviation, "deviation"));
    dualprop__rule_replan(rule, (rule->alpha_mismatch > 0) != (deviation > 0));
    rule->alpha_mismatch = deviation;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_noise(dualprop_rule *rule, double state, double top_down, double weight)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_deviation(rule, state, "state"));
    DUALPROP__TRY(check_deviation(rule, top_down, "top_down"));
    DUALPROP__TRY(check_deviation(rule, weight, "weight"));
    dualprop__rule_replan(rule, (rule->noise_state > 0) != (state > 0) || (rule->noise_down > 0) != (top_down > 0) ||
                                    (rule->noise_weight > 0) != (weight > 0));
    rule->noise_state = state;
    rule->noise_down = top_down;
    rule->noise_weight = weight;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_quantization(dualprop_rule *rule, int bits)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, bits == 0 || (bits >= 2 && bits <= 24), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "bits is %d; expected 0 or 2..24", bits);
    dualprop__rule_replan(rule, (rule->quantize_bits > 0) != (bits > 0));
    rule->quantize_bits = bits;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_seed(dualprop_rule *rule, uint64_t seed)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    rule->seed = seed;
    return dualprop__rule_changed(rule);
}
