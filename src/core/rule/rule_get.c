/*
 * rule_get.c - reading a rule: one getter for each setter of dualprop/rule.h, in the header's order.
 */
#include <math.h>
#include <string.h>

#include "rule_internal.h"

/* ---- one value ---- */

#define DEFINE_GETTER(function, type, output, field)                              \
    dualprop_status function(type *output, const dualprop_rule *rule)             \
    {                                                                             \
        DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);                           \
        DUALPROP__REQUIRE(rule->context, output, DUALPROP_ERROR_INVALID_ARGUMENT, \
                          #output " is NULL; expected a place for the result");   \
        *output = rule->field;                                                    \
        return DUALPROP_OK;                                                       \
    }

DEFINE_GETTER(dualprop_rule_get_variant, int, variant, variant)
DEFINE_GETTER(dualprop_rule_get_alpha, double, alpha, alpha)
DEFINE_GETTER(dualprop_rule_get_beta, double, beta, beta)
DEFINE_GETTER(dualprop_rule_get_loss, int, loss, loss)
DEFINE_GETTER(dualprop_rule_get_output_step, int, output_step, output_step)
DEFINE_GETTER(dualprop_rule_get_nudge_at, int, nudge_at, nudge_at)
DEFINE_GETTER(dualprop_rule_get_async_fraction, double, fraction, async_fraction)
DEFINE_GETTER(dualprop_rule_get_tolerance, double, tolerance, tolerance)
DEFINE_GETTER(dualprop_rule_get_pool_switches, int, switches, pool_switches)
DEFINE_GETTER(dualprop_rule_get_time_step, double, step, time_step)
DEFINE_GETTER(dualprop_rule_get_warm_start, int, warm_start, warm_start)
DEFINE_GETTER(dualprop_rule_get_fresh_minus, int, fresh, fresh_minus)
DEFINE_GETTER(dualprop_rule_get_divergence_limit, double, limit, divergence_limit)
DEFINE_GETTER(dualprop_rule_get_growth_limit, int, passes, growth_limit)
DEFINE_GETTER(dualprop_rule_get_input_robustness, double, strength, input_robustness)
DEFINE_GETTER(dualprop_rule_get_feedback, int, feedback, feedback)
DEFINE_GETTER(dualprop_rule_get_alpha_mismatch, double, deviation, alpha_mismatch)
DEFINE_GETTER(dualprop_rule_get_quantization, int, bits, quantize_bits)
DEFINE_GETTER(dualprop_rule_get_seed, uint64_t, seed, seed)

/* ---- several values ---- */

dualprop_status dualprop_rule_get_loss_proximal(dualprop_loss_proximal *proximal, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, proximal, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "proximal is NULL; expected a place for the result");
    *proximal = rule->loss_proximal;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_loss_function(dualprop_loss_function *function, void **user_data,
                                                const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (function) *function = rule->loss_function;
    if (user_data) *user_data = rule->loss_data;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_schedule(int *schedule, int *passes, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (schedule) *schedule = rule->schedule;
    if (passes) *passes = rule->passes;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_order(int32_t *layers, int64_t capacity, int64_t *count, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, capacity >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "capacity is %lld; expected 0 or more", (long long)capacity);
    DUALPROP__REQUIRE(rule->context, layers || capacity == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "layers is NULL; expected a place for %lld layers", (long long)capacity);
    int64_t copied = capacity < rule->order_count ? capacity : rule->order_count;
    if (copied > 0) memcpy(layers, rule->order, (size_t)copied * sizeof *layers);
    if (count) *count = rule->order_count;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_damping(int *damping, int *power_iterations, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (damping) *damping = rule->damping;
    if (power_iterations) *power_iterations = rule->power_iterations;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_noise(double *state, double *top_down, double *weight, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (state) *state = rule->noise_state;
    if (top_down) *top_down = rule->noise_down;
    if (weight) *weight = rule->noise_weight;
    return DUALPROP_OK;
}

/* ---- one layer's value ---- */

static dualprop_status check_layer_getter(const dualprop_rule *rule, int index, int least, const double *output,
                                          const char *name)
{
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, index, least, DUALPROP__MOST_LAYERS, "index",
                                              least == 0 ? "0..65535" : "1..65535"));
    DUALPROP__REQUIRE(rule->context, output, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is NULL; expected a place for the result", name);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_layer_alpha(double *alpha, const dualprop_rule *rule, int index)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_getter(rule, index, 1, alpha, "alpha"));
    *alpha = dualprop__rule_alpha(rule, index);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_layer_beta(double *beta, const dualprop_rule *rule, int index)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_getter(rule, index, 1, beta, "beta"));
    *beta = dualprop__rule_beta(rule, index);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_get_layer_damping(double *damping, const dualprop_rule *rule, int index)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_layer_getter(rule, index, 0, damping, "damping"));
    int given = rule->damping == DUALPROP_DAMPING_GIVEN;
    *damping = given ? dualprop__layer_number(&rule->layer_damping, index, rule->common_damping) : NAN;
    return DUALPROP_OK;
}
