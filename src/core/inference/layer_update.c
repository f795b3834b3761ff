/*
 * layer_update.c - a visit of one layer: products of sbar from below and of delta from above, then the dyads.
 *
 * A hidden layer's update is
 *
 *     s+_k <- f_k(a_k + c+ Delta_k),   s-_k <- f_k(a_k - c- Delta_k),   Delta_k = W_k^T delta_{k+1},
 *
 * with c+ = alpha and c- = 1 - alpha in DP (Eq. 2), and exchanged in DP^T (Eq. 19), both times beta_k/beta_{k+1} where
 * betas differ. rule_snapshot.c sets c+ and c- (gain_plus, gain_minus); the formula itself is hidden_pair of
 * math/nudge.h. W_k is the map of layer k + 1, so Delta_k is computed by the map above.
 *
 * If the rule asks for no more than that, the update is fused with the product it waits for (update_hidden). Damping
 * and the optional rule features go through extended_update.c. What has not changed is not computed again; since the
 * skipped work would give the very same numbers, skipping is exact.
 */
#include <math.h>

#include "passes.h"

/* ---- the products ---- */

/*
 * Softmax needs whole rows, which a fused update does not have, and a slot does not know an activation of the caller's:
 * such updates follow the product.
 */
static int comes_after(const dualprop_dyad *update)
{
    return update && update->activation >= DUALPROP_SOFTMAX;
}

static dualprop_status update_after(dualprop_state *state, int k, const dualprop_dyad *update)
{
    return comes_after(update) ? dualprop__update_dyads(state, k, update) : DUALPROP_OK;
}

dualprop_status dualprop__compute_bottom_up(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *below = dualprop__below(state, k);
    own->versions.a_source = below->versions.mean;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->arrays.a, below->arrays.mean, fused));
    return update_after(state, k, update);
}

/* Delta_k <- W_k^T delta_{k+1}, followed by the dyad update. */
static dualprop_status compute_top_down(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *above = dualprop__above(state, k);
    own->versions.top_down_source = above->versions.delta;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    int map = above->layer->index;
    /* s+ of this layer is formed in top_down, which the product then overwrites. */
    DUALPROP__TRY(dualprop__switches_of_plus(state, map, own->arrays.top_down));
    DUALPROP__TRY(dualprop__map_top_down(state, map, own->arrays.top_down, dualprop__error_signal(above), fused));
    return update_after(state, k, update);
}

/* ---- the feed-forward start ---- */

static dualprop_status check_start(const dualprop_state *state, int k)
{
    if (state->section.deferred) return DUALPROP_OK;
    DUALPROP__REQUIRE(state->context, isfinite(state->dyads[k].observed.feed_forward_max_abs), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in the feed-forward pass", k);
    return DUALPROP_OK;
}

dualprop_dyad dualprop__activation_update(const dualprop_state *state, const struct dualprop__dyads *own, void *mean,
                                          double *max_abs)
{
    return (dualprop_dyad){
        .activation = own->layer->activation,
        .count = state->batch.count * own->width,
        .a = own->arrays.a,
        .mean = mean,
        .max_abs = max_abs,
        .width = dualprop__layer_channels(own->layer),
    };
}

/* s- = f(a), and nothing has come from above. */
static void start_versions(struct dualprop__dyads *own)
{
    own->inference->versions.given = 0;
    own->inference->versions.formed_mean = own->versions.mean;
    own->inference->versions.formed_delta = 0;
}

dualprop_status dualprop__feed_forward(dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        dualprop_dyad update =
            dualprop__activation_update(state, own, own->arrays.mean, &own->observed.feed_forward_max_abs);
        DUALPROP__TRY(dualprop__compute_bottom_up(state, k, &update));
        own->observed.max_abs = own->observed.feed_forward_max_abs;
        own->versions.mean++;
        own->versions.delta = 0;
        own->versions.top_down_source = 0;
        if (state->rule) start_versions(own);
        DUALPROP__TRY(check_start(state, k));
        if (state->run.phase == DUALPROP__OPEN) DUALPROP__TRY(dualprop__quantize_start(state, k));
    }
    return DUALPROP_OK;
}

/* The activations go where top-down input will be later, so that sbar and delta stay. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state)
{
    const void *below = state->dyads[0].arrays.mean;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        dualprop_dyad update =
            dualprop__activation_update(state, own, own->arrays.top_down, &own->observed.feed_forward_max_abs);
        DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->arrays.a, below, comes_after(&update) ? NULL : &update));
        DUALPROP__TRY(update_after(state, k, &update));
        DUALPROP__TRY(check_start(state, k));
        own->observed.max_abs = fmax(own->observed.max_abs, own->observed.feed_forward_max_abs);
        below = own->arrays.top_down;
    }
    dualprop__forget_products(state);
    return DUALPROP_OK;
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
        if (!dualprop__is_output(state, k))
            stale.above = own->versions.top_down_source != own->inference->versions.given;
        stale.is_zero_above = !dualprop__is_output(state, k) && own->inference->versions.given == 0;
    } else {
        stale.above = own->versions.top_down_source != above->versions.delta || dualprop__switches_changed(state, k);
        stale.is_zero_above = above->versions.delta == 0;
    }
    return stale;
}

/* Compute Delta of a layer again, if it is stale and not zero. */
static dualprop_status renew_top_down(dualprop_state *state, int k)
{
    const struct dualprop__stale *stale = &state->dyads[k].inference->observed.stale;
    if (k == state->layer_count && !dualprop__is_output(state, k)) /* it has been given */
        state->dyads[k].versions.top_down_source = state->dyads[k].inference->versions.given;
    int from_above = stale->above && !stale->is_zero_above && k < state->layer_count;
    return from_above ? compute_top_down(state, k, NULL) : DUALPROP_OK;
}

static dualprop_status renew_bottom_up(dualprop_state *state, int k)
{
    return state->dyads[k].inference->observed.stale.below ? dualprop__compute_bottom_up(state, k, NULL) : DUALPROP_OK;
}

/* ---- the update of a hidden layer, and of the input if it is a dyad ---- */

/*
 * Eq. 2 and 19, or in back-propagation sbar = f(a), delta = f'(a) Delta. If the products are not up to date yet, those
 * that are stale are computed, and the update is fused with the last of them.
 */
static dualprop_status update_hidden(dualprop_state *state, int k, int has_products)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__stale *stale = &own->inference->observed.stale;
    dualprop_dyad update = {
        .activation = own->layer ? own->layer->activation : DUALPROP_IDENTITY,
        .derivative = state->snapshot.variant->is_back_propagation,
        .gain_plus = own->inference->numbers.gain_plus,
        .gain_minus = own->inference->numbers.gain_minus,
        .alpha = own->inference->numbers.alpha,
        .count = state->batch.count * own->width,
        .a = own->arrays.a,
        .top_down = stale->is_zero_above ? NULL : own->arrays.top_down,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .max_abs = &own->observed.max_abs,
        .change = state->run.is_measured ? &own->inference->observed.change : NULL,
        .old_alpha = own->inference->numbers.alpha,
        .width = own->layer ? dualprop__layer_channels(own->layer) : own->width,
    };
    if (own->inference->numbers.uses_extended_update) {
        DUALPROP__TRY(dualprop__extended_update(state, k, update.a, update.top_down));
    } else if (has_products) {
        DUALPROP__TRY(dualprop__update_dyads(state, k, &update));
    } else {
        /* sbar = f(a) cannot have changed. */
        if (!stale->below && !own->inference->numbers.mean_depends_on_top_down && !update.change) update.mean = NULL;
        if (stale->below) DUALPROP__TRY(dualprop__compute_bottom_up(state, k, stale->above ? NULL : &update));
        if (stale->above) DUALPROP__TRY(compute_top_down(state, k, &update));
    }

    /* Note which of sbar and delta the update can have changed. */
    int had_delta =
        (own->inference->numbers.always_updates || own->inference->observed.written) && own->versions.delta != 0;
    int is_noisy = state->snapshot.noise_down > 0 || state->snapshot.noise_state > 0 ||
                   dualprop__neurons_of(state, k, DUALPROP_NEURON_NOISE);
    if (stale->below || own->inference->numbers.mean_depends_on_top_down) own->versions.mean++;
    if (!stale->is_zero_above || had_delta || is_noisy) own->versions.delta++;
    own->inference->observed.written = 0;
    return DUALPROP_OK;
}

/* ---- a visit ---- */

dualprop_status dualprop__check_divergence(const dualprop_state *state, int k)
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

static dualprop_status update_dyads(dualprop_state *state, int k, int has_products)
{
    struct dualprop__dyads *own = &state->dyads[k];
    if (state->run.is_measured && own->versions.delta == 0) {
        /* A zero delta need not be zero in memory, and a measured update reads what it replaces. */
        size_t bytes = (size_t)(state->batch.count * own->width) * state->context->real_size;
        DUALPROP__TRY(state->context->backend.fill_zero(state->context->instance, own->arrays.delta, bytes));
    }
    if (!has_products && (k == state->layer_count || own->inference->numbers.uses_extended_update)) {
        DUALPROP__TRY(renew_top_down(state, k));
        DUALPROP__TRY(renew_bottom_up(state, k));
        has_products = 1;
    }
    return dualprop__is_output(state, k) ? dualprop__update_output(state) : update_hidden(state, k, has_products);
}

/* A visit of a layer of which is known what is stale. */
static dualprop_status finish_visit(dualprop_state *state, int k, int has_products)
{
    struct dualprop__dyads *own = &state->dyads[k];
    own->inference->observed.change = 0;
    if (own->inference->observed.stale.below || own->inference->observed.stale.above ||
        own->inference->numbers.always_updates) {
        DUALPROP__TRY(update_dyads(state, k, has_products));
        state->run.updates++;
        DUALPROP__TRY(dualprop__check_divergence(state, k));
    } else {
        state->run.skipped++;
    }
    own->inference->observed.visits++;
    own->inference->observed.in_pass = 1;
    state->run.pass_change = fmax(state->run.pass_change, own->inference->observed.change);
    state->run.pass_max_abs = fmax(state->run.pass_max_abs, own->observed.max_abs);
    return DUALPROP_OK;
}

dualprop_status dualprop__update_layer(dualprop_state *state, int k)
{
    if (state->snapshot.fresh_minus && k < state->layer_count) DUALPROP__TRY(dualprop__form_minus(state, k + 1));
    state->dyads[k].inference->observed.stale = find_stale(state, k);
    return finish_visit(state, k, 0);
}

/* Jacobi: find what is stale for all layers, compute all products, then update all layers. */
dualprop_status dualprop__update_all_layers(dualprop_state *state)
{
    int lowest = state->snapshot.lowest, layers = state->layer_count;
    DUALPROP__TRY(dualprop__form_all_minus(state));
    for (int k = lowest; k <= layers; k++) state->dyads[k].inference->observed.stale = find_stale(state, k);
    /* Down before up: a bottom-up pass may choose other pooling switches than the delta of before went through. */
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(renew_top_down(state, k));
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(renew_bottom_up(state, k));
    for (int k = lowest; k <= layers; k++) DUALPROP__TRY(finish_visit(state, k, 1));
    return DUALPROP_OK;
}
