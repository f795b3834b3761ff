/*
 * rule_check.c - which of a rule's choices and numbers contradict each other, and which do not fit a network.
 */
#include <math.h>

#include "rule_internal.h"

/* Is the output step, and how it is nudged, one that the rule has? */
static dualprop_status check_output(const dualprop_rule *rule)
{
    if (rule->output_step == DUALPROP_OUTPUT_LINEAR) return DUALPROP_OK;
    const char *step = dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step);
    DUALPROP__REQUIRE(
        rule->context,
        rule->loss != DUALPROP_LOSS_FUNCTION || rule->loss_proximal ||
            dualprop__rule_output_step(rule) == DUALPROP_OUTPUT_LINEAR,
        DUALPROP_ERROR_UNSUPPORTED,
        "output_step %s contradicts a loss function, whose proximal map is not known; expected linear, or the map from "
        "dualprop_rule_set_loss_proximal()",
        step);
    DUALPROP__REQUIRE(
        rule->context, !dualprop__rule_variant(rule)->is_back_propagation && !dualprop__rule_variant(rule)->is_straight,
        DUALPROP_ERROR_UNSUPPORTED, "output_step %s contradicts variant %s, which has the linear one only", step,
        dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    if (dualprop__rule_output_step(rule) == DUALPROP_OUTPUT_LINEAR) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, rule->nudge_at == DUALPROP_NUDGE_AT_CURRENT, DUALPROP_ERROR_UNSUPPORTED,
                      "output_step %s contradicts nudge_at prediction: it linearises nothing", step);
    return DUALPROP_OK;
}

/*
 * Eq. 3 minimises t loss(s) + 1/2 ||s - a||^2 with t = alpha beta for s+ and t = -(1 - alpha) beta for s-; SPROVR's
 * mean does so with t = (2 alpha - 1) beta. The loss's curvature is 1 for squared error and at most 1/2 for
 * cross-entropy; a loss of the caller's has a proximal map that knows.
 */
static dualprop_status check_convexity(const dualprop_rule *rule, double t, const char *which)
{
    double least = rule->loss == DUALPROP_MSE ? -1.0 : -2.0;
    if (rule->loss == DUALPROP_LOSS_FUNCTION) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, t > least, DUALPROP_ERROR_UNSUPPORTED,
                      "output_step %s has no solution for loss %s: %s is %g; expected > %g",
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step),
                      dualprop_name(DUALPROP_NAMES_LOSS, rule->loss), which, t, least);
    return DUALPROP_OK;
}

static dualprop_status check_solution(const dualprop_rule *rule, double alpha, double beta)
{
    int step = dualprop__rule_output_step(rule);
    if (step == DUALPROP_OUTPUT_SPROVR) return check_convexity(rule, (2.0 * alpha - 1.0) * beta, "(2 alpha - 1) beta");
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
    DUALPROP__REQUIRE(rule->context, isnan(dualprop__rule_variant(rule)->fixed_alpha), DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch %g contradicts variant %s, which fixes alpha", rule->alpha_mismatch,
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    int step = dualprop__rule_output_step(rule);
    DUALPROP__REQUIRE(rule->context, step == DUALPROP_OUTPUT_LINEAR || rule->loss == DUALPROP_MSE,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch contradicts output_step %s with loss %s, which needs one alpha for all neurons",
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, step), dualprop_name(DUALPROP_NAMES_LOSS, rule->loss));
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
    DUALPROP__REQUIRE(
        rule->context, !has_damping || dualprop__rule_variant(rule)->is_damped, DUALPROP_ERROR_UNSUPPORTED,
        "damping %s contradicts variant %s; expected dp-damped, lpom or inverted-lpom",
        dualprop_name(DUALPROP_NAMES_DAMPING, rule->damping), dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    const char *option = rule->input_robustness > 0 ? "input_robustness" : option_of_neurons(rule);
    if (!dualprop__rule_variant(rule)->is_back_propagation)
        option = NULL; /* which alone has no dyads for these to work on */
    DUALPROP__REQUIRE(rule->context, !option, DUALPROP_ERROR_UNSUPPORTED, "%s contradicts variant bp: it has no dyads",
                      option);
    DUALPROP__REQUIRE(rule->context, rule->schedule != DUALPROP_LIST || rule->order_count > 0,
                      DUALPROP_ERROR_UNSUPPORTED, "schedule list has no order; call dualprop_rule_set_order()");
    return DUALPROP_OK;
}

/* s- = f(a) is what Eq. 50 has for alpha = 1, with nothing between f and s-. */
static dualprop_status check_fresh_minus(const dualprop_rule *rule)
{
    const char *option = option_of_neurons(rule);
    if (!rule->fresh_minus) return DUALPROP_OK;
    DUALPROP__REQUIRE(rule->context, rule->variant == DUALPROP_LPOM, DUALPROP_ERROR_UNSUPPORTED,
                      "fresh_minus contradicts variant %s; expected lpom",
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    DUALPROP__REQUIRE(rule->context, !option, DUALPROP_ERROR_UNSUPPORTED, "%s contradicts fresh_minus", option);
    return DUALPROP_OK;
}

dualprop_status dualprop__rule_check(const dualprop_rule *rule)
{
    DUALPROP__TRY(check_variant_options(rule));
    DUALPROP__TRY(check_fresh_minus(rule));
    DUALPROP__TRY(check_output(rule));
    DUALPROP__TRY(check_mismatch(rule));
    if (rule->layer_alpha.count > 0 || rule->layer_beta.count > 0)
        return DUALPROP_OK; /* the network's last layer decides */
    return dualprop__rule_check_output_numbers(rule, rule->alpha, rule->beta);
}

/* Which layers of a list are beyond a network's? 0 if none is. */
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
        DUALPROP__REQUIRE(
            rule->context, rule->order[i] >= lowest && rule->order[i] <= layers, DUALPROP_ERROR_UNSUPPORTED,
            "the order has layer %d; expected %d..%d (0 needs input robustness)", rule->order[i], lowest, layers);
    return DUALPROP_OK;
}

/* Softmax mixes the neurons of a layer; the updates with options are of single neurons. */
static dualprop_status check_softmax(const dualprop_rule *rule, const dualprop_network *network)
{
    const char *option = dualprop__rule_variant(rule)->is_straight ? "variant lecun" : option_of_neurons(rule);
    for (int k = 0; k < network->layer_count && option; k++)
        DUALPROP__REQUIRE(rule->context, network->layers[k]->activation != DUALPROP_SOFTMAX, DUALPROP_ERROR_UNSUPPORTED,
                          "%s contradicts the activation softmax of layer %d", option, k + 1);
    return DUALPROP_OK;
}

/* The arg-max at s+ is taken with one alpha a layer. */
static dualprop_status check_switches(const dualprop_rule *rule)
{
    DUALPROP__REQUIRE(rule->context, rule->pool_switches == DUALPROP_SWITCHES_BOTTOM_UP || rule->alpha_mismatch == 0,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "alpha_mismatch contradicts pool_switches original, which needs one alpha for all neurons");
    return DUALPROP_OK;
}

/* Where damping is not a projection, s = f(a) is not its fixed point. */
static dualprop_status check_activations(const dualprop_rule *rule, const dualprop_network *network)
{
    DUALPROP__TRY(check_softmax(rule, network));
    DUALPROP__TRY(check_switches(rule));
    if (!dualprop__rule_variant(rule)->is_damped) return DUALPROP_OK;
    for (int k = 0; k < network->layer_count; k++) {
        int activation = network->layers[k]->activation;
        DUALPROP__REQUIRE(
            rule->context,
            activation == DUALPROP_IDENTITY || activation == DUALPROP_RELU || activation == DUALPROP_HARD_SIGMOID,
            DUALPROP_ERROR_UNSUPPORTED,
            "damping contradicts the activation %s of layer %d; expected a projection: identity, relu or hard-sigmoid",
            dualprop__layer_activation_name(network->layers[k]), k + 1);
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
    return dualprop__rule_check_output_numbers(rule, dualprop__rule_alpha(rule, layers),
                                               dualprop__rule_beta(rule, layers));
}
