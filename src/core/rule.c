/*
 * rule.c - the rule's choices and numbers, and which of them contradict each other.
 */
#include <math.h>

#include "internal.h"

#define MOST_PASSES 1000000

/* ---- life ---- */

static dualprop_status check_choice(const dualprop_context *context, int value, int last, const char *argument,
                                    const char *expected)
{
    DUALPROP__REQUIRE(context, value >= 0 && value <= last, DUALPROP_ERROR_INVALID_ARGUMENT, "%s is %d; expected %s",
                      argument, value, expected);
    return DUALPROP_OK;
}

static dualprop_status check_variant(const dualprop_context *context, int variant)
{
    return check_choice(context, variant, DUALPROP_DP_ADJOINT, "variant",
                        "DUALPROP_BP, DUALPROP_DP or DUALPROP_DP_ADJOINT");
}

static void set_defaults(dualprop_rule *rule, int variant)
{
    rule->variant = variant;
    rule->loss = DUALPROP_MSE;
    rule->output_step = DUALPROP_OUTPUT_LINEAR;
    rule->nudge_at = DUALPROP_NUDGE_AT_CURRENT;
    rule->schedule = DUALPROP_FORWARD_BACKWARD;
    rule->passes = 1;
    rule->alpha = 0.5;
    rule->beta = 0.5;
    rule->tolerance = 0.0;
    rule->divergence_limit = 1e4;
}

dualprop_status dualprop_rule_create(dualprop_rule **out, dualprop_context *context, int variant)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "rule is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(check_variant(context, variant));
    dualprop_rule *rule = dualprop__allocate(context, sizeof *rule);
    if (!rule) return DUALPROP_ERROR_NO_MEMORY;
    rule->magic = DUALPROP__RULE;
    rule->context = context;
    atomic_init(&rule->references, 1);
    set_defaults(rule, variant);
    dualprop__context_retain(context);
    *out = rule;
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

dualprop_status dualprop_rule_set_variant(dualprop_rule *rule, int variant)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_variant(rule->context, variant));
    if (rule->variant != variant) atomic_fetch_add(&rule->plan, 1);
    rule->variant = variant;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_schedule(dualprop_rule *rule, int schedule, int passes)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_choice(rule->context, schedule, DUALPROP_FORWARD, "schedule",
                               "DUALPROP_FORWARD_BACKWARD or DUALPROP_FORWARD"));
    DUALPROP__REQUIRE(rule->context, passes >= 1 && passes <= MOST_PASSES, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "passes is %d; expected 1..%d", passes, MOST_PASSES);
    if (rule->schedule != schedule || rule->passes != passes) atomic_fetch_add(&rule->plan, 1);
    rule->schedule = schedule;
    rule->passes = passes;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(tolerance) && tolerance >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "tolerance is %g; expected 0 or a positive finite number", tolerance);
    if (rule->tolerance != tolerance) atomic_fetch_add(&rule->plan, 1);
    rule->tolerance = tolerance;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_choice(rule->context, switches, DUALPROP_SWITCHES_ORIGINAL, "switches",
                               "DUALPROP_SWITCHES_BOTTOM_UP or DUALPROP_SWITCHES_ORIGINAL"));
    if (rule->pool_switches != switches) atomic_fetch_add(&rule->plan, 1);
    rule->pool_switches = switches;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_pool_switches(int *switches, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, switches, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "switches is NULL; expected a place for the result");
    *switches = rule->pool_switches;
    return DUALPROP_OK;
}

/* ---- what may change at any time ---- */

dualprop_status dualprop_rule_set_alpha(dualprop_rule *rule, double alpha)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, alpha >= 0 && alpha <= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "alpha is %g; expected 0..1", alpha);
    rule->alpha = alpha;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_beta(dualprop_rule *rule, double beta)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(beta) && beta != 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "beta is %g; expected a finite number that is not 0", beta);
    rule->beta = beta;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_loss(dualprop_rule *rule, int loss)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_choice(rule->context, loss, DUALPROP_CROSS_ENTROPY, "loss",
                               "DUALPROP_MSE or DUALPROP_CROSS_ENTROPY"));
    rule->loss = loss;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_output_step(dualprop_rule *rule, int output_step)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_choice(rule->context, output_step, DUALPROP_OUTPUT_EXACT, "output_step",
                               "DUALPROP_OUTPUT_LINEAR or DUALPROP_OUTPUT_EXACT"));
    rule->output_step = output_step;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_choice(rule->context, nudge_at, DUALPROP_NUDGE_AT_PREDICTION, "nudge_at",
                               "DUALPROP_NUDGE_AT_CURRENT or DUALPROP_NUDGE_AT_PREDICTION"));
    rule->nudge_at = nudge_at;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_divergence_limit(dualprop_rule *rule, double limit)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(limit) && limit > 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "limit is %g; expected a finite number > 1", limit);
    rule->divergence_limit = limit;
    return DUALPROP_OK;
}

/* ---- what a rule says about itself ---- */

dualprop_status dualprop_rule_choices(int *variant, int *loss, int *output_step, int *nudge_at, int *schedule,
                                      int *passes, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (variant) *variant = rule->variant;
    if (loss) *loss = rule->loss;
    if (output_step) *output_step = rule->output_step;
    if (nudge_at) *nudge_at = rule->nudge_at;
    if (schedule) *schedule = rule->schedule;
    if (passes) *passes = rule->passes;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_numbers(double *alpha, double *beta, double *tolerance, double *divergence_limit,
                                      const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    if (alpha) *alpha = rule->alpha;
    if (beta) *beta = rule->beta;
    if (tolerance) *tolerance = rule->tolerance;
    if (divergence_limit) *divergence_limit = rule->divergence_limit;
    return DUALPROP_OK;
}

/* ---- what the inference asks ---- */

/* Eq. 3 for squared error has the denominators 1 + alpha beta (s+) and 1 - (1 - alpha) beta (s-). */
static dualprop_status check_exact_step(const dualprop_rule *rule)
{
    DUALPROP__REQUIRE(rule->context, rule->loss == DUALPROP_MSE, DUALPROP_ERROR_UNSUPPORTED,
                      "the exact output step of dp is for squared error; loss is cross-entropy, expected "
                      "DUALPROP_MSE or output_step DUALPROP_OUTPUT_LINEAR");
    double plus = rule->alpha * rule->beta, minus = (1.0 - rule->alpha) * rule->beta;
    DUALPROP__REQUIRE(rule->context, minus < 1, DUALPROP_ERROR_UNSUPPORTED,
                      "the exact output step has no solution: (1 - alpha) beta is %g; expected < 1", minus);
    DUALPROP__REQUIRE(rule->context, plus > -1, DUALPROP_ERROR_UNSUPPORTED,
                      "the exact output step has no solution: alpha beta is %g; expected > -1", plus);
    return DUALPROP_OK;
}

dualprop_status dualprop__rule_check(const dualprop_rule *rule)
{
    if (rule->output_step != DUALPROP_OUTPUT_EXACT) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, rule->variant != DUALPROP_BP, DUALPROP_ERROR_UNSUPPORTED,
                      "back-propagation has no exact output step; expected output_step DUALPROP_OUTPUT_LINEAR");
    /* For DP^T the linear step is already exact (Eq. 20-22). */
    return rule->variant == DUALPROP_DP ? check_exact_step(rule) : DUALPROP_OK;
}

void dualprop__rule_gains(double *gain_plus, double *gain_minus, const dualprop_rule *rule)
{
    int adjoint = rule->variant == DUALPROP_DP_ADJOINT;
    *gain_plus = adjoint ? 1.0 - rule->alpha : rule->alpha;
    *gain_minus = adjoint ? rule->alpha : 1.0 - rule->alpha;
}
