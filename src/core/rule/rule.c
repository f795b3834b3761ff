/*
 * rule.c - a rule's life, its main choices and numbers.
 *
 * rule_check.c has what contradicts what, rule_options.c what belongs to single layers, to time, and to hardware.
 */
#include <math.h>
#include <string.h>

#include "rule_internal.h"

/* ---- life ---- */

dualprop_status dualprop__rule_check_choice(const dualprop_context *context, int value, int first, int last,
                                            const char *argument, const char *expected)
{
    DUALPROP__REQUIRE(context, value >= first && value <= last, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is %d; expected %s", argument, value, expected);
    return DUALPROP_OK;
}

static dualprop_status check_variant(const dualprop_context *context, int variant)
{
    return dualprop__rule_check_choice(context, variant, DUALPROP_BP, DUALPROP_LECUN, "variant",
                                       "DUALPROP_BP .. DUALPROP_LECUN");
}

static void set_variant(dualprop_rule *rule, int variant)
{
    rule->variant = variant;
    if (!isnan(dualprop__rule_variant(rule)->fixed_alpha)) {
        rule->alpha = dualprop__rule_variant(rule)->fixed_alpha;
        rule->layer_alpha.count = 0;
    }
    int has_damping = rule->damping != DUALPROP_DAMPING_NONE;
    if (dualprop__rule_variant(rule)->is_damped != has_damping)
        rule->damping = has_damping ? DUALPROP_DAMPING_NONE : DUALPROP_DAMPING_HALF;
}

static void set_rule_defaults(dualprop_rule *rule, int variant)
{
    rule->loss = DUALPROP_MSE;
    rule->output_step = DUALPROP_OUTPUT_LINEAR;
    rule->nudge_at = DUALPROP_NUDGE_AT_CURRENT;
    rule->schedule = DUALPROP_FORWARD_BACKWARD;
    rule->passes = 1;
    rule->alpha = 0.5;
    rule->beta = 0.5;
    rule->tolerance = 0.0;
    rule->divergence_limit = 1e4;
    rule->power_iterations = 5;
    rule->async_fraction = 0.5;
    rule->time_step = 1.0;
    rule->seed = 1;
    set_variant(rule, variant);
}

dualprop_status dualprop_rule_create(dualprop_rule **out, dualprop_context *context, int variant)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "rule is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(check_variant(context, variant));
    dualprop_rule *rule = dualprop__allocate(context, sizeof *rule);
    if (!rule)
        return dualprop__whole_memory(context, DUALPROP_ERROR_NO_MEMORY, "a rule", dualprop__block_bytes(sizeof *rule),
                                      "dualprop_rule_memory_needed");
    rule->magic = DUALPROP__RULE;
    rule->context = context;
    atomic_init(&rule->references, 1);
    atomic_init(&rule->revision, 1); /* a state that has read no rule has revision 0 */
    set_rule_defaults(rule, variant);
    dualprop__context_retain(context);
    *out = rule;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_memory_needed(uint64_t *bytes, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    const struct dualprop__layer_numbers *lists[] = { &rule->layer_alpha, &rule->layer_beta, &rule->layer_damping };
    *bytes = dualprop__block_bytes(sizeof *rule);
    if (rule->order) *bytes += dualprop__block_bytes((uint64_t)rule->order_count * sizeof *rule->order);
    for (int i = 0; i < 3; i++)
        if (lists[i]->values) *bytes += dualprop__block_bytes((uint64_t)lists[i]->count * sizeof *lists[i]->values);
    return DUALPROP_OK;
}

void dualprop__rule_retain(dualprop_rule *rule)
{
    atomic_fetch_add(&rule->references, 1);
}

void dualprop__rule_release(dualprop_rule *rule)
{
    if (atomic_fetch_sub(&rule->references, 1) > 1) return;
    dualprop_context *context = rule->context;
    dualprop__release(context, rule->order);
    dualprop__release(context, rule->layer_damping.values);
    dualprop__release(context, rule->layer_beta.values);
    dualprop__release(context, rule->layer_alpha.values);
    dualprop__release(context, rule);
    dualprop__context_release(context);
}

void dualprop_rule_destroy(dualprop_rule *rule)
{
    if (!rule || rule->magic != DUALPROP__RULE) return;
    rule->magic = DUALPROP__DEAD; /* at once, so that nothing new is made from it */
    dualprop__rule_release(rule);
}

/* ---- choices that are part of a state's plan ---- */

void dualprop__rule_replan(dualprop_rule *rule, int changed)
{
    if (changed) atomic_fetch_add(&rule->plan, 1);
}

dualprop_status dualprop__rule_changed(dualprop_rule *rule)
{
    atomic_fetch_add(&rule->revision, 1);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_variant(dualprop_rule *rule, int variant)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_variant(rule->context, variant));
    dualprop__rule_replan(rule, rule->variant != variant);
    set_variant(rule, variant);
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_schedule(dualprop_rule *rule, int schedule, int passes)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, schedule, DUALPROP_FORWARD_BACKWARD, DUALPROP_LIST,
                                              "schedule", "DUALPROP_FORWARD_BACKWARD .. DUALPROP_LIST"));
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, passes, 1, 1000000, "passes", "1..1000000"));
    dualprop__rule_replan(rule, rule->schedule != schedule || rule->passes != passes);
    rule->schedule = schedule;
    rule->passes = passes;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(tolerance) && tolerance >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "tolerance is %g; expected 0 or a positive finite number", tolerance);
    dualprop__rule_replan(rule, rule->tolerance != tolerance);
    rule->tolerance = tolerance;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, switches, DUALPROP_SWITCHES_BOTTOM_UP,
                                              DUALPROP_SWITCHES_ORIGINAL, "switches",
                                              "DUALPROP_SWITCHES_BOTTOM_UP or DUALPROP_SWITCHES_ORIGINAL"));
    dualprop__rule_replan(rule, rule->pool_switches != switches);
    rule->pool_switches = switches;
    return dualprop__rule_changed(rule);
}

/* ---- what may change at any time ---- */

dualprop_status dualprop__rule_check_alpha(const dualprop_rule *rule, double alpha)
{
    DUALPROP__REQUIRE(rule->context, isfinite(alpha) && alpha >= 0 && alpha <= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "alpha is %g; expected 0..1", alpha);
    double only = dualprop__rule_variant(rule)->fixed_alpha;
    DUALPROP__REQUIRE(rule->context, isnan(only) || alpha == only, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "alpha is %g; variant %s fixes it at %g", alpha,
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant), only);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_alpha(dualprop_rule *rule, double alpha)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_alpha(rule, alpha));
    rule->alpha = alpha;
    rule->layer_alpha.count = 0;
    return dualprop__rule_changed(rule);
}

/* A delta is about beta times a derivative, which may be 1e-7; with a smaller beta than this it loses digits. */
static double least_beta(const dualprop_context *context)
{
    return context->precision == DUALPROP_F32 ? 1e-30 : 1e-300;
}

dualprop_status dualprop__rule_check_beta(const dualprop_rule *rule, double beta)
{
    DUALPROP__REQUIRE(rule->context, isfinite(beta) && beta != 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "beta is %g; expected a finite number that is not 0", beta);
    DUALPROP__REQUIRE(rule->context, fabs(beta) >= least_beta(rule->context), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "beta is %g; expected at least %g in size, below which deltas lose their digits", beta,
                      least_beta(rule->context));
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_beta(dualprop_rule *rule, double beta)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_beta(rule, beta));
    rule->beta = beta;
    rule->layer_beta.count = 0;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_loss(dualprop_rule *rule, int loss)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, loss, DUALPROP_MSE, DUALPROP_CROSS_ENTROPY, "loss",
                                              "DUALPROP_MSE or DUALPROP_CROSS_ENTROPY"));
    dualprop__rule_replan(rule, rule->loss == DUALPROP_LOSS_FUNCTION);
    rule->loss = loss;
    rule->loss_function = NULL;
    rule->loss_proximal = NULL;
    rule->loss_data = NULL;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_loss_function(dualprop_rule *rule, dualprop_loss_function function, void *user_data)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, function, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "function is NULL; expected a loss; dualprop_rule_set_loss() removes one");
    dualprop__rule_replan(rule, rule->loss != DUALPROP_LOSS_FUNCTION || rule->loss_proximal);
    rule->loss = DUALPROP_LOSS_FUNCTION;
    rule->loss_function = function;
    rule->loss_proximal = NULL;
    rule->loss_data = user_data;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_loss_proximal(dualprop_rule *rule, dualprop_loss_proximal proximal)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, rule->loss_function, DUALPROP_ERROR_INVALID_STATE,
                      "the rule's loss is no function; call dualprop_rule_set_loss_function() before");
    dualprop__rule_replan(rule, !rule->loss_proximal != !proximal);
    rule->loss_proximal = proximal;
    return dualprop__rule_changed(rule);
}

void dualprop__rule_expect_loss_function(dualprop_rule *rule)
{
    dualprop__rule_replan(rule, rule->loss != DUALPROP_LOSS_FUNCTION);
    rule->loss = DUALPROP_LOSS_FUNCTION;
    dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_output_step(dualprop_rule *rule, int output_step)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, output_step, DUALPROP_OUTPUT_LINEAR,
                                              DUALPROP_OUTPUT_SPROVR, "output_step",
                                              "DUALPROP_OUTPUT_LINEAR, _EXACT or _SPROVR"));
    rule->output_step = output_step;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, nudge_at, DUALPROP_NUDGE_AT_CURRENT,
                                              DUALPROP_NUDGE_AT_PREDICTION, "nudge_at",
                                              "DUALPROP_NUDGE_AT_CURRENT or DUALPROP_NUDGE_AT_PREDICTION"));
    rule->nudge_at = nudge_at;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_divergence_limit(dualprop_rule *rule, double limit)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(limit) && limit > 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "limit is %g; expected a finite number > 1", limit);
    rule->divergence_limit = limit;
    return dualprop__rule_changed(rule);
}

dualprop_status dualprop_rule_set_growth_limit(dualprop_rule *rule, int passes)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, passes, 0, 1000000, "passes", "0..1000000"));
    rule->growth_limit = passes;
    return dualprop__rule_changed(rule);
}

/* ---- what the inference asks ---- */

double dualprop__rule_alpha(const dualprop_rule *rule, int k)
{
    return dualprop__layer_number(&rule->layer_alpha, k, rule->alpha);
}

double dualprop__rule_beta(const dualprop_rule *rule, int k)
{
    return dualprop__layer_number(&rule->layer_beta, k, rule->beta);
}

int dualprop__rule_output_step(const dualprop_rule *rule)
{
    return dualprop__rule_variant(rule)->output_steps ? rule->output_step : DUALPROP_OUTPUT_LINEAR;
}
