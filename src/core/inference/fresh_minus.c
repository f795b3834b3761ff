/*
 * fresh_minus.c - Eq. 50 as it is printed, for alpha = 1: before layer k is updated, s- of the layer above is formed
 * again from what is below it now,
 *
 *     s-_{k+1} <- f_{k+1}(W_k s+_k + b_k),   delta_{k+1} = s+_{k+1} - s-_{k+1},
 *
 * undamped, as a function of s+_k that has no memory of its own. s+_{k+1}, which is sbar_{k+1}, stays.
 */
#include "math/step_condition.h"
#include "passes.h"

/* f_k(a_k) into a scratch array, with a_k computed first if it is stale. */
static dualprop_status activate(double *max_abs, dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k], *below = dualprop__below(state, k);
    dualprop_dyad update = dualprop__activation_update(state, own, state->plan.formed, max_abs);
    if (own->versions.a_source != below->versions.mean) return dualprop__compute_bottom_up(state, k, &update);
    return dualprop__update_dyads(state, k, &update);
}

/* delta_k <- s+_k - f_k(a_k), which is minus the slope of 1/2 ||s+_k - f_k(a_k)||^2 at f_k(a_k): an output step. */
static dualprop_status subtract(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_output step = {
        .loss = DUALPROP_MSE,
        .derivative = 1,
        .beta = 1.0,
        .alpha = 1.0,
        .rows = state->batch.count,
        .width = own->width,
        .a = state->plan.formed,
        .at = state->plan.formed,
        .target = own->arrays.mean,
        .mean = state->plan.formed, /* stays what it is */
        .delta = own->arrays.delta,
        .max_abs = &state->section.scratch_max_abs,
        .old_alpha = 1.0,
    };
    return state->context->backend.output_step(state->context->instance, &step);
}

/* Is s- what it would be formed as? */
static int is_fresh(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    return own->versions.a_source == dualprop__below(state, k)->versions.mean &&
           own->inference->versions.formed_mean == own->versions.mean &&
           own->inference->versions.formed_delta == own->versions.delta;
}

dualprop_status dualprop__form_minus(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    double max_abs = 0;
    if (is_fresh(state, k)) return DUALPROP_OK;
    DUALPROP__TRY(activate(&max_abs, state, k));
    DUALPROP__TRY(subtract(state, k));
    own->versions.delta++;
    own->inference->versions.formed_mean = own->versions.mean;
    own->inference->versions.formed_delta = own->versions.delta;
    /* The step relies on the maximum of both states. */
    own->observed.max_abs = dualprop__greater_max_abs(own->observed.max_abs, max_abs);
    return dualprop__check_divergence(state, k);
}

dualprop_status dualprop__form_all_minus(dualprop_state *state)
{
    for (int k = 1; state->snapshot.fresh_minus && k <= state->layer_count; k++)
        DUALPROP__TRY(dualprop__form_minus(state, k));
    return DUALPROP_OK;
}
