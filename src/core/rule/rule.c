/*
 * rule.c - a rule's life, its main choices and numbers, and which of them contradict each other.
 *
 * rule_options.c has what belongs to single layers, to time, and to hardware.
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

int dualprop__rule_is_damped(const dualprop_rule *rule)
{
    return rule->variant == DUALPROP_DP_DAMPED || rule->variant == DUALPROP_LPOM ||
           rule->variant == DUALPROP_INVERTED_LPOM;
}

/* c+ = 1 - alpha and c- = alpha (Eq. 19), not the other way round (Eq. 2)? */
int dualprop__rule_is_adjoint(const dualprop_rule *rule)
{
    return rule->variant == DUALPROP_DP_ADJOINT || rule->variant == DUALPROP_FENCHEL ||
           rule->variant == DUALPROP_LECUN;
}

/* The one alpha that a variant has, or NaN. */
static double fixed_alpha(const dualprop_rule *rule)
{
    switch (rule->variant) {
    case DUALPROP_LPOM: return 1.0;
    case DUALPROP_INVERTED_LPOM: return 0.0;
    case DUALPROP_FENCHEL: return 0.0;
    default: return NAN;
    }
}

static void set_variant(dualprop_rule *rule, int variant)
{
    rule->variant = variant;
    if (!isnan(fixed_alpha(rule))) {
        rule->alpha = fixed_alpha(rule);
        rule->layer_alpha.count = 0;
    }
    int has_damping = rule->damping != DUALPROP_DAMPING_NONE;
    if (dualprop__rule_is_damped(rule) != has_damping)
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
    if (!rule) return DUALPROP_ERROR_NO_MEMORY;
    rule->magic = DUALPROP__RULE;
    rule->context = context;
    atomic_init(&rule->references, 1);
    set_rule_defaults(rule, variant);
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

dualprop_status dualprop_rule_set_variant(dualprop_rule *rule, int variant)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(check_variant(rule->context, variant));
    dualprop__rule_replan(rule, rule->variant != variant);
    set_variant(rule, variant);
    return DUALPROP_OK;
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
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__REQUIRE(rule->context, isfinite(tolerance) && tolerance >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "tolerance is %g; expected 0 or a positive finite number", tolerance);
    dualprop__rule_replan(rule, rule->tolerance != tolerance);
    rule->tolerance = tolerance;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, switches, DUALPROP_SWITCHES_BOTTOM_UP,
                                              DUALPROP_SWITCHES_ORIGINAL, "switches",
                                              "DUALPROP_SWITCHES_BOTTOM_UP or DUALPROP_SWITCHES_ORIGINAL"));
    dualprop__rule_replan(rule, rule->pool_switches != switches);
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

dualprop_status dualprop__rule_check_alpha(const dualprop_rule *rule, double alpha)
{
    DUALPROP__REQUIRE(rule->context, alpha >= 0 && alpha <= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "alpha is %g; expected 0..1", alpha);
    double only = fixed_alpha(rule);
    DUALPROP__REQUIRE(rule->context, isnan(only) || alpha == only, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "alpha is %g; variant %s fixes it at %g", alpha, dualprop_name(DUALPROP_NAMES_RULE, rule->variant),
                      only);
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_alpha(dualprop_rule *rule, double alpha)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_alpha(rule, alpha));
    rule->alpha = alpha;
    rule->layer_alpha.count = 0;
    return DUALPROP_OK;
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
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_loss(dualprop_rule *rule, int loss)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, loss, DUALPROP_MSE, DUALPROP_CROSS_ENTROPY, "loss",
                                              "DUALPROP_MSE or DUALPROP_CROSS_ENTROPY"));
    rule->loss = loss;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_output_step(dualprop_rule *rule, int output_step)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, output_step, DUALPROP_OUTPUT_LINEAR,
                                              DUALPROP_OUTPUT_SPROVR, "output_step",
                                              "DUALPROP_OUTPUT_LINEAR, _EXACT or _SPROVR"));
    rule->output_step = output_step;
    return DUALPROP_OK;
}

dualprop_status dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at)
{
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    DUALPROP__TRY(dualprop__rule_check_choice(rule->context, nudge_at, DUALPROP_NUDGE_AT_CURRENT,
                                              DUALPROP_NUDGE_AT_PREDICTION, "nudge_at",
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
    int original = rule->variant == DUALPROP_DP || dualprop__rule_is_damped(rule);
    return original ? rule->output_step : DUALPROP_OUTPUT_LINEAR;
}

/* Is the output step, and how it is nudged, one that the rule has? */
static dualprop_status check_output(const dualprop_rule *rule)
{
    if (rule->output_step == DUALPROP_OUTPUT_LINEAR) return DUALPROP_OK;
    const char *step = dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step);
    DUALPROP__REQUIRE(rule->context, rule->variant != DUALPROP_BP && rule->variant != DUALPROP_LECUN,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "output_step %s contradicts variant %s, which has the linear one only", step,
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    if (dualprop__rule_output_step(rule) == DUALPROP_OUTPUT_LINEAR) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, rule->nudge_at == DUALPROP_NUDGE_AT_CURRENT, DUALPROP_ERROR_UNSUPPORTED,
                      "output_step %s contradicts nudge_at prediction: it linearises nothing", step);
    return DUALPROP_OK;
}

/*
 * Eq. 3 minimises t loss(s) + 1/2 ||s - a||^2 with t = alpha beta for s+ and t = -(1 - alpha) beta for s-; SPROVR's mean
 * does so with t = (2 alpha - 1) beta. The loss's curvature is 1 for squared error and at most 1/2 for cross-entropy.
 */
static dualprop_status check_convexity(const dualprop_rule *rule, double t, const char *which)
{
    double least = rule->loss == DUALPROP_MSE ? -1.0 : -2.0;
    DUALPROP__REQUIRE(rule->context, t > least, DUALPROP_ERROR_UNSUPPORTED,
                      "output_step %s has no solution for loss %s: %s is %g; expected > %g",
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step),
                      dualprop_name(DUALPROP_NAMES_LOSS, rule->loss), which, t, least);
    return DUALPROP_OK;
}

static dualprop_status check_solution(const dualprop_rule *rule, double alpha, double beta)
{
    int step = dualprop__rule_output_step(rule);
    if (step == DUALPROP_OUTPUT_SPROVR)
        return check_convexity(rule, (2.0 * alpha - 1.0) * beta, "(2 alpha - 1) beta");
    if (step == DUALPROP_OUTPUT_EXACT) {
        DUALPROP__TRY(check_convexity(rule, -(1.0 - alpha) * beta, "-(1 - alpha) beta"));
        DUALPROP__TRY(check_convexity(rule, alpha * beta, "alpha beta"));
    }
    return DUALPROP_OK;
}

/* With a mismatch a neuron may have any alpha_i. */
dualprop_status dualprop__rule_check_output_numbers(const dualprop_rule *rule, double alpha, double beta)
{
    if (rule->alpha_mismatch == 0) return check_solution(rule, alpha, beta);
    DUALPROP__TRY(check_solution(rule, 0.0, beta));
    return check_solution(rule, 1.0, beta);
}

static dualprop_status check_mismatch(const dualprop_rule *rule)
{
    if (rule->alpha_mismatch == 0) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, isnan(fixed_alpha(rule)), DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch %g contradicts variant %s, which fixes alpha", rule->alpha_mismatch,
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    int step = dualprop__rule_output_step(rule);
    DUALPROP__REQUIRE(rule->context, step == DUALPROP_OUTPUT_LINEAR || rule->loss == DUALPROP_MSE,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch contradicts output_step %s with loss ce, which takes one alpha for all neurons",
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, step));
    return DUALPROP_OK;
}

/* The first option that is on of those which change the update of single neurons, or NULL. */
static const char *option_of_neurons(const dualprop_rule *rule)
{
    if (rule->alpha_mismatch > 0) return "alpha_mismatch";
    if (rule->noise_state > 0) return "state noise";
    if (rule->noise_down > 0) return "top-down noise";
    if (rule->quantize_bits > 0) return "quantization";
    if (rule->time_step != 1.0) return "time_step";
    if (rule->schedule == DUALPROP_ASYNC) return "schedule async";
    return NULL;
}

static dualprop_status check_variant_options(const dualprop_rule *rule)
{
    int has_damping = rule->damping != DUALPROP_DAMPING_NONE;
    DUALPROP__REQUIRE(rule->context, !has_damping || dualprop__rule_is_damped(rule), DUALPROP_ERROR_UNSUPPORTED,
                      "damping %s contradicts variant %s; expected dp-damped, lpom or inverted-lpom",
                      dualprop_name(DUALPROP_NAMES_DAMPING, rule->damping),
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    const char *option = rule->input_robustness > 0 ? "input_robustness" : option_of_neurons(rule);
    if (rule->variant != DUALPROP_BP) option = NULL; /* which alone has no dyads for these to work on */
    DUALPROP__REQUIRE(rule->context, !option, DUALPROP_ERROR_UNSUPPORTED, "%s contradicts variant bp: it has no dyads",
                      option);
    DUALPROP__REQUIRE(rule->context, rule->schedule != DUALPROP_LIST || rule->order_count > 0,
                      DUALPROP_ERROR_UNSUPPORTED, "schedule list has no order; call dualprop_rule_set_order()");
    return DUALPROP_OK;
}

dualprop_status dualprop__rule_check(const dualprop_rule *rule)
{
    DUALPROP__TRY(check_variant_options(rule));
    DUALPROP__TRY(check_output(rule));
    DUALPROP__TRY(check_mismatch(rule));
    if (rule->layer_alpha.count > 0 || rule->layer_beta.count > 0) return DUALPROP_OK; /* the network's last layer decides */
    return dualprop__rule_check_output_numbers(rule, rule->alpha, rule->beta);
}

/* Which layers of a list are beyond a network's? 0 where none is. */
static int last_number(const struct dualprop__layer_numbers *numbers)
{
    int k = numbers->count - 1;
    while (k > 0 && isnan(numbers->values[k])) k--;
    return k > 0 ? k : 0;
}

static dualprop_status check_last(const dualprop_rule *rule, const struct dualprop__layer_numbers *numbers, int most,
                                  const char *name)
{
    int last = last_number(numbers);
    DUALPROP__REQUIRE(rule->context, last <= most, DUALPROP_ERROR_UNSUPPORTED,
                      "%s is set for layer %d; expected at most layer %d of this network", name, last, most);
    return DUALPROP_OK;
}

static dualprop_status check_order_fits(const dualprop_rule *rule, int layers)
{
    int lowest = rule->input_robustness > 0 ? 0 : 1;
    if (rule->schedule != DUALPROP_LIST) return DUALPROP_OK;
    for (int i = 0; i < rule->order_count; i++)
        DUALPROP__REQUIRE(rule->context, rule->order[i] >= lowest && rule->order[i] <= layers,
                          DUALPROP_ERROR_UNSUPPORTED,
                          "the order has layer %d; expected %d..%d (0 needs input robustness)", rule->order[i], lowest,
                          layers);
    return DUALPROP_OK;
}

/* Softmax mixes the neurons of a layer; the updates with options are of single neurons. */
static dualprop_status check_softmax(const dualprop_rule *rule, const dualprop_network *network)
{
    const char *option = rule->variant == DUALPROP_LECUN ? "variant lecun" : option_of_neurons(rule);
    for (int k = 0; k < network->layer_count && option; k++)
        DUALPROP__REQUIRE(rule->context, network->layers[k]->activation != DUALPROP_SOFTMAX,
                          DUALPROP_ERROR_UNSUPPORTED, "%s contradicts the activation softmax of layer %d", option, k + 1);
    return DUALPROP_OK;
}

/* The arg-max at s+ is taken with one alpha a layer. */
static dualprop_status check_switches(const dualprop_rule *rule)
{
    DUALPROP__REQUIRE(rule->context,
                      rule->pool_switches == DUALPROP_SWITCHES_BOTTOM_UP || rule->alpha_mismatch == 0,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch contradicts pool_switches original, which takes one alpha for all neurons");
    return DUALPROP_OK;
}

/* Where damping is not a projection, s = f(a) is not its fixed point. */
static dualprop_status check_activations(const dualprop_rule *rule, const dualprop_network *network)
{
    DUALPROP__TRY(check_softmax(rule, network));
    DUALPROP__TRY(check_switches(rule));
    if (!dualprop__rule_is_damped(rule)) return DUALPROP_OK;
    for (int k = 0; k < network->layer_count; k++) {
        int activation = network->layers[k]->activation;
        DUALPROP__REQUIRE(rule->context,
                          activation == DUALPROP_IDENTITY || activation == DUALPROP_RELU ||
                              activation == DUALPROP_HARD_SIGMOID,
                          DUALPROP_ERROR_UNSUPPORTED,
                          "damping contradicts the activation %s of layer %d; expected a projection: identity, relu or "
                          "hard-sigmoid", dualprop_name(DUALPROP_NAMES_ACTIVATION, activation), k + 1);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__rule_check_network(const dualprop_rule *rule, const dualprop_network *network)
{
    int layers = network->layer_count;
    DUALPROP__TRY(dualprop__rule_check(rule));
    DUALPROP__TRY(check_last(rule, &rule->layer_alpha, layers, "alpha"));
    DUALPROP__TRY(check_last(rule, &rule->layer_beta, layers, "beta"));
    if (rule->damping == DUALPROP_DAMPING_GIVEN)
        DUALPROP__TRY(check_last(rule, &rule->layer_damping, layers - 1, "damping"));
    DUALPROP__TRY(check_order_fits(rule, layers));
    DUALPROP__TRY(check_activations(rule, network));
    DUALPROP__REQUIRE(rule->context,
                      rule->feedback == DUALPROP_FEEDBACK_SYMMETRIC || rule->feedback == network->feedback,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "the rule's feedback is %s and the network's %s; call dualprop_network_set_feedback()",
                      dualprop_name(DUALPROP_NAMES_FEEDBACK, rule->feedback),
                      dualprop_name(DUALPROP_NAMES_FEEDBACK, network->feedback));
    return dualprop__rule_check_output_numbers(rule, dualprop__rule_alpha(rule, layers), dualprop__rule_beta(rule, layers));
}
