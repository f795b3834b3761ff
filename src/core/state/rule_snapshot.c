/*
 * rule_snapshot.c - from a rule to the numbers of inferences, layer by layer.
 *
 * They are copied when an inference begins, so that a rule that changes meanwhile cannot mix two rules.
 */
#include <math.h>

#include "state_internal.h"

/* Can Delta_k change sbar_k? Its factor there is alpha c+ - (1 - alpha) c-, up to what f does between s+ and s-. */
static int depends_on_top_down(const struct dualprop__dyads *own)
{
    return (own->inference->numbers.alpha != 0 && own->inference->numbers.gain_plus != 0) ||
           (own->inference->numbers.alpha != 1 && own->inference->numbers.gain_minus != 0);
}

int dualprop__rule_has_hardware_options(const dualprop_rule *rule)
{
    return rule->alpha_mismatch > 0 || rule->time_step != 1.0 || rule->schedule == DUALPROP_ASYNC ||
           rule->noise_state > 0 || rule->noise_down > 0 || rule->quantize_bits > 0;
}

static int depends_on_own_state(const dualprop_rule *rule)
{
    return rule->time_step != 1.0 || rule->schedule == DUALPROP_ASYNC || rule->noise_state > 0 || rule->noise_down > 0;
}

/* beta_k/beta_{k+1} of hidden layers (after Eq. 12); 1 at the output, whose step has beta_L itself. */
static double beta_ratio_of(const dualprop_rule *rule, int k, int layers)
{
    if (dualprop__rule_variant(rule)->is_back_propagation || k == layers) return 1.0;
    if (k == 0) return rule->input_robustness;
    return dualprop__rule_beta(rule, k) / dualprop__rule_beta(rule, k + 1);
}

static void snapshot_layer(struct dualprop__dyads *own, const dualprop_rule *rule, int k, int layers)
{
    const struct dualprop__variant *variant = dualprop__rule_variant(rule);
    int bp = variant->is_back_propagation, damped = variant->is_damped && k < layers;
    int straight = variant->is_straight && k < layers, has_options = dualprop__rule_has_hardware_options(rule);
    double alpha = bp ? 0.5 : dualprop__rule_alpha(rule, k);
    own->inference->numbers.alpha = alpha;
    own->inference->numbers.beta = bp ? 1.0 : dualprop__rule_beta(rule, k);
    own->inference->numbers.beta_ratio = beta_ratio_of(rule, k, layers);
    own->inference->numbers.gain_plus =
        own->inference->numbers.beta_ratio * (variant->is_adjoint ? 1.0 - alpha : alpha);
    own->inference->numbers.gain_minus =
        own->inference->numbers.beta_ratio * (variant->is_adjoint ? alpha : 1.0 - alpha);
    own->inference->numbers.damping = 0;
    own->inference->numbers.gamma = NAN;
    own->inference->numbers.uses_extended_update = damped || straight || has_options;
    /* With fresh_minus a_k may be up to date before layer k is visited, and the output has not made its step from
     * it. */
    own->inference->numbers.always_updates = damped || depends_on_own_state(rule) || rule->fresh_minus;
    int depends = damped || has_options || (!variant->is_straight && depends_on_top_down(own));
    own->inference->numbers.mean_depends_on_top_down = !bp && depends;
}

/* A state keeps the numbers of the revision that it has copied until the rule changes. */
void dualprop__snapshot_rule(dualprop_state *state)
{
    const dualprop_rule *rule = state->rule;
    uint64_t revision = atomic_load(&rule->revision);
    if (state->snapshot.revision == revision) return;
    state->snapshot.lowest = rule->input_robustness > 0 ? 0 : 1;
    state->snapshot.variant = dualprop__rule_variant(rule);
    state->snapshot.loss = rule->loss;
    if (state->plan.own_loss) {
        state->plan.own_loss->function = rule->loss_function;
        state->plan.own_loss->proximal = rule->loss_proximal;
        state->plan.own_loss->user_data = rule->loss_data;
    }
    state->snapshot.nudge_at = rule->nudge_at;
    state->snapshot.output_step = dualprop__rule_output_step(rule);
    state->snapshot.own_switches =
        !state->snapshot.variant->is_back_propagation && rule->pool_switches == DUALPROP_SWITCHES_ORIGINAL;
    state->snapshot.fresh_minus = rule->fresh_minus;
    state->snapshot.schedule = rule->schedule;
    state->snapshot.most_passes = rule->passes;
    state->snapshot.feedback = rule->feedback;
    state->snapshot.quantize_bits = rule->quantize_bits;
    state->snapshot.tolerance = rule->tolerance;
    state->snapshot.limit = rule->divergence_limit;
    /* Where visits or states are drawn, a pass may change more than the one before without any growth. */
    int is_drawn = rule->schedule == DUALPROP_RANDOM || rule->schedule == DUALPROP_ASYNC || rule->noise_state > 0 ||
                   rule->noise_down > 0;
    state->snapshot.growth_limit = is_drawn ? 0 : rule->growth_limit;
    state->snapshot.time_step = rule->time_step;
    state->snapshot.fraction = rule->schedule == DUALPROP_ASYNC ? rule->async_fraction : 1.0;
    state->snapshot.noise_state = rule->noise_state;
    state->snapshot.noise_down = rule->noise_down;
    state->snapshot.seed = rule->seed;
    for (int k = 0; k <= state->layer_count; k++) {
        snapshot_layer(&state->dyads[k], rule, k, state->layer_count);
        dualprop__neurons_snapshot(state, k);
    }
    state->snapshot.revision = revision;
}
