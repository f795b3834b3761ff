/*
 * rule_settings.c - from settings to a rule.
 */
#include "rule_settings.h"

#include <math.h>
#include <string.h>

/* ---- What contradicts what ---- */

static const char *rule_name(const settings *self)
{
    return dualprop_name(DUALPROP_NAMES_RULE, self->rule);
}

/* The one alpha of a rule that has one, or NaN. */
static double fixed_alpha(const settings *self)
{
    if (self->rule == DUALPROP_LPOM) return 1;
    return self->rule == DUALPROP_INVERTED_LPOM || self->rule == DUALPROP_FENCHEL ? 0 : NAN;
}

void rule_settings_fix_alpha(settings *self)
{
    if (isnan(fixed_alpha(self))) return;
    self->alpha.count = 1;
    self->alpha.value[0] = fixed_alpha(self);
}

int rule_settings_is_damped(const settings *self)
{
    return self->rule == DUALPROP_DP_DAMPED || self->rule == DUALPROP_LPOM || self->rule == DUALPROP_INVERTED_LPOM;
}

/* Two options with their values. */
static dualprop_status contradiction(host *owner, const char *one, const char *other, const char *expected)
{
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--%s contradicts --%s; expected %s", one, other,
                     expected);
}

static dualprop_status check_numbers(const settings *self, host *owner)
{
    double only = fixed_alpha(self);

    for (int i = 0; i < self->beta.count; i++) {
        if (self->beta.value[i] == 0)
            return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--beta is 0; expected any other number");
    }
    for (int i = 0; i < self->alpha.count && !isnan(only); i++) {
        if (self->alpha.value[i] != only)
            return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                             "--alpha %g contradicts --rule %s; expected %g, which the rule fixes",
                             self->alpha.value[i], rule_name(self), only);
    }
    if (self->alpha_mismatch > 0 && !isnan(only))
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--alpha-mismatch %g contradicts --rule %s; expected a rule that does not fix alpha",
                         self->alpha_mismatch, rule_name(self));
    return DUALPROP_OK;
}

/* Eq. 3 minimises t loss(s) + 1/2 ||s - a||^2 with t = alpha beta and -(1 - alpha) beta, SPROVR with (2 alpha - 1)
 * beta. */
static int has_solution(const settings *self, double alpha, double beta)
{
    double least = self->loss == DUALPROP_MSE ? -1 : -2;

    if (self->output_step == DUALPROP_OUTPUT_SPROVR) return (2 * alpha - 1) * beta > least;
    return -(1 - alpha) * beta > least && alpha * beta > least;
}

static dualprop_status check_solution(const settings *self, host *owner)
{
    double alpha = self->alpha.value[self->alpha.count - 1], beta = self->beta.value[self->beta.count - 1];

    int any_alpha = self->alpha_mismatch > 0; /* a neuron may have any */

    if (has_solution(self, any_alpha ? 0 : alpha, beta) && has_solution(self, any_alpha ? 1 : alpha, beta))
        return DUALPROP_OK;
    if (any_alpha)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--output-step %s contradicts --alpha-mismatch %g with --beta %g: there is no solution for "
                         "every alpha from 0 to 1; expected |beta| < %d",
                         dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, self->output_step), self->alpha_mismatch, beta,
                         self->loss == DUALPROP_MSE ? 1 : 2);
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--output-step %s has no solution with --alpha %g and --beta %g and --loss %s; expected %s",
                     dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, self->output_step), alpha, beta,
                     dualprop_name(DUALPROP_NAMES_LOSS, self->loss),
                     self->loss == DUALPROP_MSE ? "(1 - alpha) beta < 1 and alpha beta > -1"
                                                : "(1 - alpha) beta < 2 and alpha beta > -2");
}

static dualprop_status check_output_step(const settings *self, host *owner)
{
    int adjoint = self->rule == DUALPROP_DP_ADJOINT || self->rule == DUALPROP_FENCHEL;
    const char *step = dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, self->output_step);

    if (self->output_step == DUALPROP_OUTPUT_LINEAR || adjoint) return DUALPROP_OK;
    if (self->rule == DUALPROP_BP || self->rule == DUALPROP_LECUN)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--output-step %s contradicts --rule %s; expected --output-step linear", step,
                         rule_name(self));
    if (self->nudge_at == DUALPROP_NUDGE_AT_PREDICTION)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--output-step %s contradicts --nudge-at prediction; expected --nudge-at current", step);
    if (self->alpha_mismatch > 0 && self->loss == DUALPROP_CROSS_ENTROPY)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--output-step %s contradicts --alpha-mismatch with --loss ce; expected --output-step linear",
                         step);
    return check_solution(self, owner);
}

static dualprop_status check_damping(const settings *self, host *owner)
{
    int projects = self->activation == DUALPROP_IDENTITY || self->activation == DUALPROP_RELU ||
                   self->activation == DUALPROP_HARD_SIGMOID;

    if (self->damping.formula != DUALPROP_DAMPING_NONE && !rule_settings_is_damped(self))
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--damping contradicts --rule %s; expected --rule dp-damped, lpom or inverted-lpom",
                         rule_name(self));
    if (rule_settings_is_damped(self) && !projects)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--rule %s contradicts --activation %s; expected a projection: identity, relu, hard-sigmoid",
                         rule_name(self), dualprop_name(DUALPROP_NAMES_ACTIVATION, self->activation));
    return DUALPROP_OK;
}

static dualprop_status check_order(const settings *self, host *owner)
{
    int is_list = self->schedule == DUALPROP_LIST;

    if (is_list && self->order.count == 0)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--schedule list needs --order LIST, the layers to visit");
    if (!is_list && self->order.count > 0)
        return contradiction(owner, "order", "schedule", "--schedule list, whose order it is");
    for (int i = 0; i < self->order.count; i++) {
        if (self->order.layer[i] == 0 && self->input_robustness == 0)
            return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                             "--order visits layer 0 and --input-robustness is 0; expected a strength above 0");
    }
    return DUALPROP_OK;
}

/* Back-propagation has no dyads for these to work on, and softmax mixes neurons. */
static const char *option_of_neurons(const settings *self)
{
    if (self->alpha_mismatch > 0) return "alpha-mismatch";
    if (self->noise_state > 0) return "noise-state";
    if (self->noise_down > 0) return "noise-down";
    if (self->quantize > 0) return "quantize";
    if (self->time_step != 1) return "time-step";
    return self->schedule == DUALPROP_ASYNC ? "schedule async" : NULL;
}

static dualprop_status check_neurons(const settings *self, host *owner)
{
    const char *option = option_of_neurons(self);

    if (self->rule == DUALPROP_BP && option != NULL)
        return contradiction(owner, option, "rule bp", "a rule with dyads");
    if (self->rule == DUALPROP_BP && self->input_robustness > 0)
        return contradiction(owner, "input-robustness", "rule bp", "a rule with dyads");
    if (self->activation != DUALPROP_SOFTMAX) return DUALPROP_OK;
    if (option != NULL) return contradiction(owner, option, "activation softmax", "one of single neurons");
    if (self->rule == DUALPROP_LECUN)
        return contradiction(owner, "rule lecun", "activation softmax", "an activation of single neurons");
    return DUALPROP_OK;
}

static dualprop_status check_updates(const settings *self, host *owner)
{
    if (self->passes % self->updates != 0)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--updates %lld contradicts --passes %lld; expected a number that divides the passes",
                         (long long)self->updates, (long long)self->passes);
    if (self->updates > 1 && self->tolerance > 0)
        return contradiction(owner, "updates", "tolerance", "--tolerance 0, with which all passes are run");
    return DUALPROP_OK;
}

/* Only dyads can start elsewhere: back-propagation's states are the feed-forward ones in every pass. */
static dualprop_status check_start(const settings *self, host *owner)
{
    const char *start = self->start == START_LAST ? "start last" : "start zero";

    if (self->start == START_FEED_FORWARD) return DUALPROP_OK;
    if (self->rule == DUALPROP_BP) return contradiction(owner, start, "rule bp", "a rule with dyads");
    if (self->start == START_ZERO && self->tolerance > 0)
        return contradiction(owner, start, "tolerance", "--tolerance 0, with which all passes are run");
    return DUALPROP_OK;
}

static dualprop_status check_fresh_minus(const settings *self, host *owner)
{
    const char *option = option_of_neurons(self);

    if (!self->fresh_minus) return DUALPROP_OK;
    if (self->rule != DUALPROP_LPOM)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--fresh-minus on contradicts --rule %s; expected --rule lpom", rule_name(self));
    if (option != NULL) return contradiction(owner, "fresh-minus on", option, "one of them");
    return DUALPROP_OK;
}

dualprop_status rule_settings_check(const settings *self, host *owner)
{
    TRY(check_numbers(self, owner));
    TRY(check_output_step(self, owner));
    TRY(check_damping(self, owner));
    TRY(check_order(self, owner));
    TRY(check_updates(self, owner));
    TRY(check_start(self, owner));
    TRY(check_fresh_minus(self, owner));
    if (self->quantize == 1)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--quantize is \"1\"; expected 0 or 2 to 24");
    return check_neurons(self, owner);
}

/* ---- The rule ---- */

/* Of --divergence growth: what rounding or a last layer that delta reaches does once or twice is no divergence. */
#define GROWING_PASSES 3

static dualprop_status check_count(host *owner, const number_list *list, int layers, const char *option)
{
    if (list->count == 1 || list->count == layers) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--%s has %d numbers; expected 1, or %d for the layers",
                     option, list->count, layers);
}

static dualprop_status set_numbers(dualprop_rule *rule, host *owner, const settings *self, int layers)
{
    TRY(check_count(owner, &self->alpha, layers, "alpha"));
    TRY(check_count(owner, &self->beta, layers, "beta"));
    TRY_LIBRARY(owner, dualprop_rule_set_alpha(rule, self->alpha.value[0]));
    TRY_LIBRARY(owner, dualprop_rule_set_beta(rule, self->beta.value[0]));
    for (int i = 1; i < self->alpha.count; i++)
        TRY_LIBRARY(owner, dualprop_rule_set_layer_alpha(rule, i + 1, self->alpha.value[i]));
    for (int i = 1; i < self->beta.count; i++)
        TRY_LIBRARY(owner, dualprop_rule_set_layer_beta(rule, i + 1, self->beta.value[i]));
    return DUALPROP_OK;
}

static dualprop_status set_damping(dualprop_rule *rule, host *owner, const settings *self, int layers)
{
    const damping_choice *damping = &self->damping;
    int formula = damping->formula == DUALPROP_DAMPING_NONE ? DUALPROP_DAMPING_HALF : damping->formula;

    if (!rule_settings_is_damped(self)) return DUALPROP_OK;
    if (formula != DUALPROP_DAMPING_GIVEN) {
        TRY_LIBRARY(owner, dualprop_rule_set_damping(rule, formula, (int)self->power_iterations));
        return DUALPROP_OK;
    }
    if (damping->given.count > 1) TRY(check_count(owner, &damping->given, layers - 1, "damping"));
    TRY_LIBRARY(owner, dualprop_rule_set_layer_damping(rule, -1, damping->given.value[0]));
    for (int i = 1; i < damping->given.count; i++)
        TRY_LIBRARY(owner, dualprop_rule_set_layer_damping(rule, i + 1, damping->given.value[i]));
    return DUALPROP_OK;
}

static dualprop_status set_schedule(dualprop_rule *rule, host *owner, const settings *self)
{
    TRY_LIBRARY(owner, dualprop_rule_set_schedule(rule, self->schedule, (int)self->passes));
    TRY_LIBRARY(owner, dualprop_rule_set_tolerance(rule, self->tolerance));
    TRY_LIBRARY(owner, dualprop_rule_set_warm_start(rule, self->start == START_LAST));
    TRY_LIBRARY(owner,
                dualprop_rule_set_growth_limit(rule, self->divergence == DIVERGENCE_GROWTH ? GROWING_PASSES : 0));
    TRY_LIBRARY(owner, dualprop_rule_set_async_fraction(rule, self->async_fraction));
    TRY_LIBRARY(owner, dualprop_rule_set_time_step(rule, self->time_step));
    TRY_LIBRARY(owner, dualprop_rule_set_pool_switches(rule, self->pool_switches));
    if (self->order.count > 0) TRY_LIBRARY(owner, dualprop_rule_set_order(rule, self->order.layer, self->order.count));
    return DUALPROP_OK;
}

static dualprop_status set_hardware(dualprop_rule *rule, host *owner, const settings *self)
{
    TRY_LIBRARY(owner, dualprop_rule_set_alpha_mismatch(rule, self->alpha_mismatch));
    TRY_LIBRARY(owner, dualprop_rule_set_noise(rule, self->noise_state, self->noise_down, self->noise_weight));
    TRY_LIBRARY(owner, dualprop_rule_set_quantization(rule, (int)self->quantize));
    TRY_LIBRARY(owner, dualprop_rule_set_seed(rule, self->seed));
    return DUALPROP_OK;
}

dualprop_status rule_settings_build(dualprop_rule **rule, host *owner, const settings *self, dualprop_context *context,
                                    const dualprop_network *network)
{
    int layers;

    TRY_LIBRARY(owner, dualprop_network_info(&layers, NULL, NULL, NULL, network));
    TRY_LIBRARY(owner, dualprop_rule_create(rule, context, self->rule));
    TRY(set_numbers(*rule, owner, self, layers));
    TRY_LIBRARY(owner, dualprop_rule_set_loss(*rule, self->loss));
    TRY_LIBRARY(owner, dualprop_rule_set_output_step(*rule, self->output_step));
    TRY_LIBRARY(owner, dualprop_rule_set_nudge_at(*rule, self->nudge_at));
    TRY(set_damping(*rule, owner, self, layers));
    TRY(set_schedule(*rule, owner, self));
    TRY_LIBRARY(owner, dualprop_rule_set_fresh_minus(*rule, self->fresh_minus));
    TRY_LIBRARY(owner, dualprop_rule_set_input_robustness(*rule, self->input_robustness));
    TRY_LIBRARY(owner, dualprop_rule_set_feedback(*rule, self->feedback));
    return set_hardware(*rule, owner, self);
}
