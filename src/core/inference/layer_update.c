/*
 * layer_update.c - one layer listens: to sbar from below, to delta from above, and its dyads follow.
 *
 * A hidden layer takes (Eq. 2 for DP, Eq. 19 for DP^T, with c+ and c- exchanged)
 *
 *     s+_k <- f_k(a_k + c+ Delta_k),   s-_k <- f_k(a_k - c- Delta_k),   Delta_k = W_k^T delta_{k+1}.
 *
 * Where the rule asks for no more than that, the update is fused behind the product it waits for. Damping and the rarer
 * options go through general.c. What has not changed is not computed again; since the skipped work would give the very
 * same numbers, skipping is exact.
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
    const struct dualprop__dyads *below = &state->dyads[k - 1];
    own->a_source_version = below->mean_version;
    DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->a, below->mean, comes_after(update) ? NULL : update));
    return update_after(state, update);
}

/* Delta_k <- W_k^T delta_{k+1}, followed by the dyad update. */
static dualprop_status compute_top_down(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *above = &state->dyads[k + 1];
    own->top_down_source_version = above->delta_version;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    DUALPROP__TRY(dualprop__switches_of_plus(state, k + 1, own->top_down));
    DUALPROP__TRY(dualprop__map_top_down(state, k + 1, own->top_down, dualprop__error_signal(above), fused));
    return update_after(state, update);
}

/* ---- the feed-forward start ---- */

static dualprop_status check_start(const dualprop_state *state, int k)
{
    if (state->deferred) return DUALPROP_OK;
    DUALPROP__REQUIRE(state->context, isfinite(state->dyads[k].feed_forward_max_abs), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in the feed-forward pass", k);
    return DUALPROP_OK;
}

static dualprop_dyad start_update(const dualprop_state *state, struct dualprop__dyads *own, void *mean)
{
    return (dualprop_dyad){
        .activation = own->layer->activation,
        .count = state->count * own->width,
        .a = own->a,
        .mean = mean,
        .peak = &own->feed_forward_max_abs,
        .width = dualprop__layer_channels(own->layer),
    };
}

static dualprop_status feed_forward_layer(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_dyad update = start_update(state, own, own->mean);
    DUALPROP__TRY(compute_bottom_up(state, k, &update));
    own->max_abs = own->feed_forward_max_abs;
    own->mean_version++;
    own->delta_version = 0;
    own->top_down_source_version = 0;
    DUALPROP__TRY(check_start(state, k));
    return state->phase == DUALPROP__OPEN ? dualprop__quantize_start(state, k) : DUALPROP_OK;
}

dualprop_status dualprop__feed_forward(dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) DUALPROP__TRY(feed_forward_layer(state, k));
    return DUALPROP_OK;
}

/* The activations go where top-down input will be later, so that sbar and delta stay. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state)
{
    const void *below = state->dyads[0].mean;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        dualprop_dyad update = start_update(state, own, own->top_down);
        DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->a, below, comes_after(&update) ? NULL : &update));
        DUALPROP__TRY(update_after(state, &update));
        DUALPROP__TRY(check_start(state, k));
        own->max_abs = fmax(own->max_abs, own->feed_forward_max_abs);
        below = own->top_down;
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
        .derivative = state->variant == DUALPROP_BP,
        .gain_plus = own->gain_plus,
        .gain_minus = own->gain_minus,
        .alpha = own->alpha,
        .count = state->count * own->width,
        .a = own->a,
        .top_down = own->top_down,
        .mean = own->mean,
        .delta = own->delta,
        .peak = &own->max_abs,
        .change = state->tolerance > 0 ? &own->change : NULL,
        .old_alpha = own->alpha,
        .width = own->layer ? dualprop__layer_channels(own->layer) : own->width,
    };
}

/* What a layer would find_stale, and what of it is new. */
struct stale {
    int below, above; /* has it changed? */
    int silent;       /* is delta above exactly zero? */
};

static struct stale find_stale(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    struct stale stale = { 0, 0, 0 };
    stale.below = k > 0 && own->a_source_version != state->dyads[k - 1].mean_version;
    if (k == state->layer_count) {
        stale.above = own->delta_version == 0;
    } else {
        stale.above = own->top_down_source_version != state->dyads[k + 1].delta_version || dualprop__switches_changed(state, k);
        stale.silent = state->dyads[k + 1].delta_version == 0;
    }
    return stale;
}

/* Eq. 2 and 19, fused behind the last product; the product from above is skipped where it is exactly zero. */
static dualprop_status update_hidden(dualprop_state *state, int k, const struct stale *stale)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_dyad update = hidden_update(state, k);
    if (stale->silent) update.top_down = NULL;
    if (!stale->below && !own->mean_depends_on_top_down && !update.change) update.mean = NULL;
    if (stale->below) DUALPROP__TRY(compute_bottom_up(state, k, stale->above ? NULL : &update));
    if (stale->above) DUALPROP__TRY(compute_top_down(state, k, &update));
    return DUALPROP_OK;
}

/* The same with the products made before. */
static dualprop_status update_apart(dualprop_state *state, int k, const struct stale *stale)
{
    struct dualprop__dyads *own = &state->dyads[k];
    if (own->uses_extended_update) return dualprop__extended_update(state, k, own->a, stale->silent ? NULL : own->top_down);
    dualprop_dyad update = hidden_update(state, k);
    if (stale->silent) update.top_down = NULL;
    return state->context->backend.dyad_update(state->context->instance, &update);
}

/* Note which of sbar and delta an update can have changed. */
static void raise_versions(dualprop_state *state, int k, const struct stale *stale)
{
    struct dualprop__dyads *own = &state->dyads[k];
    int had_delta = (own->always_updates || own->written) && own->delta_version != 0;
    if (stale->below || own->mean_depends_on_top_down) own->mean_version++;
    if (!stale->silent || had_delta || state->noise_down > 0 || state->noise_state > 0) own->delta_version++;
    own->written = 0;
}

/* ---- a visit ---- */

static dualprop_status make_products(dualprop_state *state, int k, const struct stale *stale)
{
    int from_above = stale->above && !stale->silent && k < state->layer_count;
    if (from_above) DUALPROP__TRY(compute_top_down(state, k, NULL));
    return stale->below ? compute_bottom_up(state, k, NULL) : DUALPROP_OK;
}

static dualprop_status check_divergence(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    double allowed = state->limit * fmax(1.0, own->feed_forward_max_abs);
    if (state->deferred) return DUALPROP_OK;
    DUALPROP__REQUIRE(state->context, isfinite(own->max_abs), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in pass %d", k, state->passes);
    DUALPROP__REQUIRE(state->context, own->max_abs <= allowed, DUALPROP_ERROR_DIVERGED,
                      "layer %d reached %.3g in pass %d; the divergence limit allows %.3g", k, own->max_abs,
                      state->passes, allowed);
    return DUALPROP_OK;
}

static int must_update(const dualprop_state *state, int k, const struct stale *stale)
{
    return stale->below || stale->above || state->dyads[k].always_updates;
}

/* The update of a layer whose products are made. */
static dualprop_status apply_update(dualprop_state *state, int k, const struct stale *stale)
{
    if (k == state->layer_count) return dualprop__update_output(state);
    DUALPROP__TRY(update_apart(state, k, stale));
    raise_versions(state, k, stale);
    return DUALPROP_OK;
}

static dualprop_status update_stale_layer(dualprop_state *state, int k, const struct stale *stale)
{
    if (k < state->layer_count && !state->dyads[k].uses_extended_update) {
        DUALPROP__TRY(update_hidden(state, k, stale));
        raise_versions(state, k, stale);
        return DUALPROP_OK;
    }
    DUALPROP__TRY(make_products(state, k, stale));
    return apply_update(state, k, stale);
}

static void note_visit(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    own->visits++;
    own->seen_in_pass = 1;
    state->pass_change = fmax(state->pass_change, own->change);
    state->pass_max_abs = fmax(state->pass_max_abs, own->max_abs);
}

dualprop_status dualprop__update_layer(dualprop_state *state, int k)
{
    struct stale stale = find_stale(state, k);
    state->dyads[k].change = 0;
    if (must_update(state, k, &stale)) {
        DUALPROP__TRY(update_stale_layer(state, k, &stale));
        state->updates++;
        DUALPROP__TRY(check_divergence(state, k));
    } else {
        state->skipped++;
    }
    note_visit(state, k);
    return DUALPROP_OK;
}

/* ---- all at once ---- */

/*
 * Jacobi: first everyone hears, then everyone responds. What was stale of whom is remembered in a_source_version and top_down_source_version, as
 * always; `stale` is recomputed from these before the products, and so kept aside in between.
 */
static dualprop_status apply_all_updates(dualprop_state *state)
{
    for (int k = state->lowest; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        struct stale stale = { own->heard_below, own->heard_above, own->heard_silent };
        own->change = 0;
        if (must_update(state, k, &stale)) {
            DUALPROP__TRY(apply_update(state, k, &stale));
            state->updates++;
            DUALPROP__TRY(check_divergence(state, k));
        } else {
            state->skipped++;
        }
        note_visit(state, k);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__update_all_layers(dualprop_state *state)
{
    for (int k = state->lowest; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        struct stale stale = find_stale(state, k);
        own->heard_below = stale.below, own->heard_above = stale.above, own->heard_silent = stale.silent;
    }
    /* Down before up: a bottom-up pass may choose other pooling switches than the delta of before went through. */
    for (int k = state->lowest; k < state->layer_count; k++) {
        struct stale above = { 0, state->dyads[k].heard_above, state->dyads[k].heard_silent };
        DUALPROP__TRY(make_products(state, k, &above));
    }
    for (int k = state->lowest; k <= state->layer_count; k++) {
        struct stale below = { state->dyads[k].heard_below, 0, 1 };
        DUALPROP__TRY(make_products(state, k, &below));
    }
    return apply_all_updates(state);
}
