/*
 * layer_update.c - a visit of one layer: products of sbar from below and of delta from above, then the dyads.
 *
 * A hidden layer's update is (Eq. 2 for DP, Eq. 19 for DP^T, with c+ and c- exchanged)
 *
 *     s+_k <- f_k(a_k + c+ Delta_k),   s-_k <- f_k(a_k - c- Delta_k),   Delta_k = W_k^T delta_{k+1}.
 *
 * If the rule asks for no more than that, the update is fused with the product it waits for. Damping and the optional
 * rule features go through extended_update.c. What has not changed is not computed again; since the skipped work would
 * give the very same numbers, skipping is exact.
 */
#include <math.h>

#include "passes.h"

/* ---- the products ---- */

/* Softmax needs whole rows, which a fused update does not have: it follows the product. */
static int comes_after(const dualprop_dyad *update)
{
    return update && update->activation == DUALPROP_SOFTMAX;
}

static dualprop_status update_after(const dualprop_state *state, const dualprop_dyad *update)
{
    if (!comes_after(update)) return DUALPROP_OK;
    return state->context->backend.dyad_update(state->context->instance, update);
}

/* a_k <- W_{k-1} sbar_{k-1} + b_{k-1}, followed by the dyad update where one is given. */
static dualprop_status compute_bottom_up(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *below = dualprop__below(state, k);
    own->versions.a_source = below->versions.mean;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->arrays.a, below->arrays.mean, fused));
    return update_after(state, update);
}

/* Delta_k <- W_k^T delta_{k+1}, followed by the dyad update. */
static dualprop_status compute_top_down(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *above = dualprop__above(state, k);
    own->versions.top_down_source = above->versions.delta;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    DUALPROP__TRY(dualprop__switches_of_plus(state, k + 1, own->arrays.top_down));
    DUALPROP__TRY(dualprop__map_top_down(state, k + 1, own->arrays.top_down, dualprop__error_signal(above), fused));
    return update_after(state, update);
}

/* ---- the feed-forward start ---- */

static dualprop_status check_start(const dualprop_state *state, int k)
{
    if (state->section.deferred) return DUALPROP_OK;
    DUALPROP__REQUIRE(state->context, isfinite(state->dyads[k].observed.feed_forward_max_abs), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in the feed-forward pass", k);
    return DUALPROP_OK;
}

static dualprop_dyad start_update(const dualprop_state *state, struct dualprop__dyads *own, void *mean)
{
    return (dualprop_dyad){
        .activation = own->layer->activation,
        .count = state->batch.count * own->width,
        .a = own->arrays.a,
        .mean = mean,
        .max_abs = &own->observed.feed_forward_max_abs,
        .width = dualprop__layer_channels(own->layer),
    };
}

static dualprop_status feed_forward_layer(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_dyad update = start_update(state, own, own->arrays.mean);
    DUALPROP__TRY(compute_bottom_up(state, k, &update));
    own->observed.max_abs = own->observed.feed_forward_max_abs;
    own->versions.mean++;
    own->versions.delta = 0;
    own->versions.top_down_source = 0;
    DUALPROP__TRY(check_start(state, k));
    return state->run.phase == DUALPROP__OPEN ? dualprop__quantize_start(state, k) : DUALPROP_OK;
}

dualprop_status dualprop__feed_forward(dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) DUALPROP__TRY(feed_forward_layer(state, k));
    return DUALPROP_OK;
}

/* The activations go where top-down input will be later, so that sbar and delta stay. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state)
{
    const void *below = state->dyads[0].arrays.mean;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        dualprop_dyad update = start_update(state, own, own->arrays.top_down);
        DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->arrays.a, below, comes_after(&update) ? NULL : &update));
        DUALPROP__TRY(update_after(state, &update));
        DUALPROP__TRY(check_start(state, k));
        own->observed.max_abs = fmax(own->observed.max_abs, own->observed.feed_forward_max_abs);
        below = own->arrays.top_down;
    }
    dualprop__forget_products(state);
    return DUALPROP_OK;
}

/* ---- hidden layers, and the input where it is a dyad ---- */

static dualprop_dyad hidden_update(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    return (dualprop_dyad){
        .activation = own->layer ? own->layer->activation : DUALPROP_IDENTITY,
        .derivative = state->snapshot.variant->is_back_propagation,
        .gain_plus = own->numbers.gain_plus,
        .gain_minus = own->numbers.gain_minus,
        .alpha = own->numbers.alpha,
        .count = state->batch.count * own->width,
        .a = own->arrays.a,
        .top_down = own->arrays.top_down,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .max_abs = &own->observed.max_abs,
        .change = state->run.is_measured ? &own->observed.change : NULL,
        .old_alpha = own->numbers.alpha,
        .width = own->layer ? dualprop__layer_channels(own->layer) : own->width,
    };
}

/* ---- what is stale ---- */

static struct dualprop__stale find_stale(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *below = dualprop__below(state, k), *above = dualprop__above(state, k);
    struct dualprop__stale stale = { 0, 0, 0 };
    stale.below = below && own->versions.a_source != below->versions.mean;
    if (!above) {
        stale.above = own->versions.delta == 0;
    } else {
        stale.above = own->versions.top_down_source != above->versions.delta || dualprop__switches_changed(state, k);
        stale.is_zero_above = above->versions.delta == 0;
    }
    return stale;
}

static int must_update(const dualprop_state *state, int k)
{
    const struct dualprop__stale *stale = &state->dyads[k].observed.stale;
    return stale->below || stale->above || state->dyads[k].numbers.always_updates;
}

/* Compute Delta of a layer again, if it is stale and not zero. */
static dualprop_status renew_top_down(dualprop_state *state, int k)
{
    const struct dualprop__stale *stale = &state->dyads[k].observed.stale;
    int from_above = stale->above && !stale->is_zero_above && k < state->layer_count;
    return from_above ? compute_top_down(state, k, NULL) : DUALPROP_OK;
}

static dualprop_status renew_bottom_up(dualprop_state *state, int k)
{
    return state->dyads[k].observed.stale.below ? compute_bottom_up(state, k, NULL) : DUALPROP_OK;
}

/* ---- the update ---- */

/* Eq. 2 and 19, fused with the last product; the product from above is skipped where it is exactly zero. */
static dualprop_status fused_update(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__stale *stale = &own->observed.stale;
    dualprop_dyad update = hidden_update(state, k);
    if (stale->is_zero_above) update.top_down = NULL;
    if (!stale->below && !own->numbers.mean_depends_on_top_down && !update.change) update.mean = NULL;
    if (stale->below) DUALPROP__TRY(compute_bottom_up(state, k, stale->above ? NULL : &update));
    if (stale->above) DUALPROP__TRY(compute_top_down(state, k, &update));
    return DUALPROP_OK;
}

/* The same with the products made before. */
static dualprop_status separate_update(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    void *top_down = own->observed.stale.is_zero_above ? NULL : own->arrays.top_down;
    if (own->numbers.uses_extended_update) return dualprop__extended_update(state, k, own->arrays.a, top_down);
    dualprop_dyad update = hidden_update(state, k);
    update.top_down = top_down;
    return state->context->backend.dyad_update(state->context->instance, &update);
}

/* Note which of sbar and delta an update can have changed. */
static void raise_versions(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__stale *stale = &own->observed.stale;
    int had_delta = (own->numbers.always_updates || own->observed.written) && own->versions.delta != 0;
    int is_noisy = state->snapshot.noise_down > 0 || state->snapshot.noise_state > 0;
    if (stale->below || own->numbers.mean_depends_on_top_down) own->versions.mean++;
    if (!stale->is_zero_above || had_delta || is_noisy) own->versions.delta++;
    own->observed.written = 0;
}

/* The update of a layer whose products are up to date. */
static dualprop_status apply_update(dualprop_state *state, int k)
{
    if (k == state->layer_count) return dualprop__update_output(state);
    DUALPROP__TRY(separate_update(state, k));
    raise_versions(state, k);
    return DUALPROP_OK;
}

static dualprop_status multiply_and_update(dualprop_state *state, int k)
{
    if (k < state->layer_count && !state->dyads[k].numbers.uses_extended_update) {
        DUALPROP__TRY(fused_update(state, k));
        raise_versions(state, k);
        return DUALPROP_OK;
    }
    DUALPROP__TRY(renew_top_down(state, k));
    DUALPROP__TRY(renew_bottom_up(state, k));
    return apply_update(state, k);
}

/* ---- a visit ---- */

static dualprop_status check_divergence(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    double allowed = state->snapshot.limit * fmax(1.0, own->observed.feed_forward_max_abs);
    if (state->section.deferred) return DUALPROP_OK;
    DUALPROP__REQUIRE(state->context, isfinite(own->observed.max_abs), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in pass %d", k, state->run.passes);
    DUALPROP__REQUIRE(state->context, own->observed.max_abs <= allowed, DUALPROP_ERROR_DIVERGED,
                      "layer %d reached %.3g in pass %d; the divergence limit allows %.3g", k, own->observed.max_abs,
                      state->run.passes, allowed);
    return DUALPROP_OK;
}

/* A zero delta need not be zero in memory, where a measured update reads what it replaces. */
static dualprop_status clear_unwritten_delta(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    if (!state->run.is_measured || own->versions.delta != 0) return DUALPROP_OK;
    size_t bytes = (size_t)(state->batch.count * own->width) * state->context->real_size;
    return state->context->backend.fill_zero(state->context->instance, own->arrays.delta, bytes);
}

/* A visit of a layer of which is known what is stale; `update` computes it. */
static dualprop_status finish_visit(dualprop_state *state, int k,
                                    dualprop_status (*update)(dualprop_state *state, int k))
{
    struct dualprop__dyads *own = &state->dyads[k];
    own->observed.change = 0;
    if (must_update(state, k)) {
        DUALPROP__TRY(clear_unwritten_delta(state, k));
        DUALPROP__TRY(update(state, k));
        state->run.updates++;
        DUALPROP__TRY(check_divergence(state, k));
    } else {
        state->run.skipped++;
    }
    own->observed.visits++;
    own->observed.in_pass = 1;
    state->run.pass_change = fmax(state->run.pass_change, own->observed.change);
    state->run.pass_max_abs = fmax(state->run.pass_max_abs, own->observed.max_abs);
    return DUALPROP_OK;
}

dualprop_status dualprop__update_layer(dualprop_state *state, int k)
{
    state->dyads[k].observed.stale = find_stale(state, k);
    return finish_visit(state, k, multiply_and_update);
}

/* Jacobi: find what is stale for all layers, compute all products, then update all layers. */
dualprop_status dualprop__update_all_layers(dualprop_state *state)
{
    int lowest = state->snapshot.lowest, layers = state->layer_count;
    for (int k = lowest; k <= layers; k++) state->dyads[k].observed.stale = find_stale(state, k);
    /* Down before up: a bottom-up pass may choose other pooling switches than the delta of before went through. */
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(renew_top_down(state, k));
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(renew_bottom_up(state, k));
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(finish_visit(state, k, apply_update));
    return DUALPROP_OK;
}
