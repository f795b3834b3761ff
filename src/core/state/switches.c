/*
 * switches.c - whose arg-max max pooling passes delta down through.
 *
 * By default switches are what the layer's last bottom-up evaluation left, which costs nothing. The convention of the
 * method's original code computes them again: Delta_k = W_k^T delta_{k+1} goes through the arg-max at s+_k as it was
 * before layer k's update, and the gradient through the arg-max at the final sbar. That is one more bottom-up
 * evaluation of the pooled layer each time, into scratch memory, so that a stays what it was.
 *
 * Back-propagation has one state a neuron, so both conventions are the same there.
 */
#include "state_internal.h"

static int pools_by_switches(const dualprop_layer *layer)
{
    return dualprop__layer_is_image(layer) && layer->map.pooling == DUALPROP_POOL_MAX;
}

int64_t dualprop__switches_elements(const dualprop_layer *layer)
{
    return pools_by_switches(layer) ? layer->outputs : 0;
}

int dualprop__has_own_switches(const dualprop_state *state, int k)
{
    return state->snapshot.own_switches && k >= 1 && k <= state->layer_count &&
           pools_by_switches(state->dyads[k].layer);
}

/* ---- scratch: a of the largest layer that pools by switches ---- */

static int is_original(const dualprop_rule *rule)
{
    return rule && !dualprop__rule_variant(rule)->is_back_propagation &&
           rule->pool_switches == DUALPROP_SWITCHES_ORIGINAL;
}

/* Elements; 0 if the rule has no need of them, -1 if they overflow. */
static int64_t scratch_elements(const dualprop_state *state)
{
    int64_t most = 0, elements;
    for (int k = 0; k < state->network->layer_count && is_original(state->rule); k++) {
        int64_t width = dualprop__switches_elements(state->network->layers[k]);
        if (width > most) most = width;
    }
    return DUALPROP__MULTIPLY(&elements, most, state->capacity) && elements <= INT64_MAX / 2 / (int64_t)sizeof(double)
               ? elements
               : -1;
}

dualprop_status dualprop__switches_measure(uint64_t *bytes, const dualprop_state *state)
{
    int64_t elements = scratch_elements(state);
    DUALPROP__REQUIRE(state->context, elements >= 0, DUALPROP_ERROR_RANGE,
                      "a state for capacity %lld overflows the size of memory", (long long)state->capacity);
    *bytes = (uint64_t)elements * state->context->real_size;
    return DUALPROP_OK;
}

dualprop_status dualprop__switches_plan(dualprop_state *state)
{
    void *scratch = NULL;
    int64_t elements = scratch_elements(state);
    if (elements == state->plan.scratch_elements) return DUALPROP_OK;
    if (elements > 0) DUALPROP__TRY(dualprop__reals_create(state->context, &scratch, elements));
    dualprop__switches_release(state);
    state->plan.scratch = scratch;
    state->plan.scratch_elements = elements;
    return DUALPROP_OK;
}

void dualprop__switches_release(dualprop_state *state)
{
    dualprop__reals_destroy(state->context, state->plan.scratch, state->plan.scratch_elements);
    state->plan.scratch = NULL;
    state->plan.scratch_elements = 0;
}

/* ---- computing them again ---- */

/* s+ = sbar + (1 - alpha) delta of a layer, as the update of a linear neuron whose a is sbar gives it. */
static dualprop_status form_plus(dualprop_state *state, const struct dualprop__dyads *dyads, void *plus)
{
    dualprop_dyad update = {
        .activation = DUALPROP_IDENTITY,
        .gain_plus = 1.0 - dyads->inference->numbers.alpha,
        .alpha = 1.0,
        .count = state->batch.count * dyads->width,
        .a = dyads->arrays.mean,
        .top_down = dyads->arrays.delta,
        .mean = plus,
        .max_abs = &state->section.scratch_max_abs,
        .old_alpha = 1.0,
        .width = dyads->width,
    };
    return state->context->backend.dyad_update(state->context->instance, &update);
}

dualprop_status dualprop__switches_of_plus(dualprop_state *state, int k, void *plus)
{
    struct dualprop__dyads *below = dualprop__below(state, k);
    if (!dualprop__has_own_switches(state, k)) return DUALPROP_OK;
    below->inference->versions.switched_mean = below->versions.mean;
    below->inference->versions.switched_delta = below->versions.delta;
    if (below->versions.delta == 0)
        return dualprop__map_bottom_up(state, k, state->plan.scratch, below->arrays.mean, NULL);
    DUALPROP__TRY(form_plus(state, below, plus));
    return dualprop__map_bottom_up(state, k, state->plan.scratch, plus, NULL);
}

dualprop_status dualprop__switches_of_mean(dualprop_state *state, int k)
{
    if (!dualprop__has_own_switches(state, k)) return DUALPROP_OK;
    return dualprop__map_bottom_up(state, k, state->plan.scratch, dualprop__below(state, k)->arrays.mean, NULL);
}

int dualprop__switches_changed(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    if (!dualprop__has_own_switches(state, k + 1) || dualprop__above(state, k)->versions.delta == 0) return 0;
    return own->inference->versions.switched_mean != own->versions.mean ||
           (own->inference->numbers.alpha != 1 && own->inference->versions.switched_delta != own->versions.delta);
}
