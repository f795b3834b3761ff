/*
 * damping.c - the damping D_k of Eq. 50, from the spectral norm gamma_k of W_k, the map above layer k.
 *
 *     gamma2   D_k = r_k gamma_k^2 (App. F)
 *     half     D_k = |1 - 2 alpha_k| max(0, r_k gamma_k^2 - 1)/2: the coupling of sbar_k to itself through the layer
 *              above has the factor 1 - 2 alpha_k (Eq. 62), and beyond this the damped update is a contraction (App. F)
 *
 * with r_k = |beta_k/beta_{k+1}|, and rho at the input. App. F has r_k = 1; where betas differ, Eq. 46 times beta_k has
 * this factor before the terms of layer k + 1, and so has the Lipschitz constant that the damping stands for.
 *
 * gamma_k comes from power iterations v <- W^T W v / ||W^T W v|| on the linear map alone; each inference goes on from
 * the vector that the last one came to, so that a few iterations are enough while weights change slowly.
 */
#include <math.h>

#include "passes.h"

/* ---- power iterations ---- */

/* power_k <- W^T W power_k, normalised; *gamma2 receives its length before, which tends to gamma_k^2. */
static dualprop_status iterate_power(double *gamma2, dualprop_state *state, int k)
{
    const dualprop_context *context = state->context;
    struct dualprop__dyads *own = &state->dyads[k];
    size_t bytes = (size_t)own->width * context->real_size;
    int map = dualprop__above(state, k)->layer->index;
    DUALPROP__TRY(dualprop__map_linear_up(state, map, state->plan.power_image, own->inference->arrays.power));
    DUALPROP__TRY(dualprop__map_linear_down(state, map, own->inference->arrays.power, state->plan.power_image));
    DUALPROP__TRY(
        context->backend.copy_out(context->instance, state->plan.staging, own->inference->arrays.power, bytes));
    *gamma2 = dualprop__normalize(state->plan.staging, context->precision, own->width);
    return context->backend.copy_in(context->instance, own->inference->arrays.power, state->plan.staging, bytes);
}

static dualprop_status estimate_norm(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    double gamma2 = 0;
    for (int i = 0; i < state->rule->power_iterations && isfinite(gamma2); i++)
        DUALPROP__TRY(iterate_power(&gamma2, state, k));
    /*
     * A vector that W maps to zero, as zero weights do to all, says nothing, and one that overflowed holds no numbers:
     * the next estimate starts afresh.
     */
    if (gamma2 == 0 || !isfinite(gamma2)) DUALPROP__TRY(dualprop__start_power_vector(state, k));
    own->inference->numbers.gamma = sqrt(gamma2);
    return DUALPROP_OK;
}

/* ---- D_k ---- */

static double damping_of(const dualprop_state *state, const struct dualprop__dyads *own)
{
    double coupling =
        fabs(own->inference->numbers.beta_ratio) * own->inference->numbers.gamma * own->inference->numbers.gamma;
    if (state->rule->damping == DUALPROP_DAMPING_GAMMA2) return coupling;
    return fabs(1.0 - 2.0 * own->inference->numbers.alpha) * fmax(0.0, coupling - 1.0) / 2.0;
}

dualprop_status dualprop__find_damping(dualprop_state *state)
{
    const dualprop_rule *rule = state->rule;
    if (!dualprop__rule_variant(rule)->is_damped) return DUALPROP_OK;
    for (int k = state->snapshot.lowest; k < state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        if (rule->damping == DUALPROP_DAMPING_GIVEN) {
            own->inference->numbers.damping = dualprop__layer_number(&rule->layer_damping, k, rule->common_damping);
            continue;
        }
        DUALPROP__TRY(estimate_norm(state, k));
        DUALPROP__REQUIRE(state->context, isfinite(own->inference->numbers.gamma), DUALPROP_ERROR_DIVERGED,
                          "the spectral norm of layer %d is not finite", dualprop__above(state, k)->layer->index);
        own->inference->numbers.damping = damping_of(state, own);
        DUALPROP__REQUIRE(state->context, isfinite(own->inference->numbers.damping), DUALPROP_ERROR_DIVERGED,
                          "the damping of layer %d is not finite", k);
    }
    return DUALPROP_OK;
}
