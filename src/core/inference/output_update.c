/*
 * output_update.c - the output layer's nudge: Eq. 22, linearised; Eq. 3, exact; Eq. 63-68, of the mean.
 *
 *     s+_L <- a_L - c+ g,   s-_L <- a_L + c- g,   g = beta loss'(.)
 *
 * In back-propagation sbar_L = a_L and delta_L = -loss'(a_L).
 */
#include "passes.h"

static struct dualprop__dyads *output_of(dualprop_state *state)
{
    return dualprop__output(state);
}

static int is_at_prediction(const dualprop_state *state)
{
    return state->snapshot.nudge_at == DUALPROP_NUDGE_AT_PREDICTION &&
           state->snapshot.output_step == DUALPROP_OUTPUT_LINEAR;
}

static dualprop_output output_step_of(dualprop_state *state)
{
    struct dualprop__dyads *own = output_of(state);
    return (dualprop_output){
        .loss = state->snapshot.loss,
        .exact = state->snapshot.output_step,
        .derivative = state->snapshot.variant->is_back_propagation,
        .gain_plus = own->numbers.gain_plus,
        .gain_minus = own->numbers.gain_minus,
        .alpha = own->numbers.alpha,
        .beta = own->numbers.beta,
        .rows = state->batch.count,
        .width = own->width,
        .a = own->arrays.a,
        .at = is_at_prediction(state) ? state->plan.prediction : own->arrays.a,
        .target = state->plan.target,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .max_abs = &own->observed.max_abs,
        .change = state->run.is_measured ? &own->observed.change : NULL,
        .old_alpha = own->numbers.alpha,
        .workspace = state->plan.proximal,
    };
}

/* The exact and the mean's step of cross-entropy have no closed form. */
static int is_proximal(const dualprop_state *state)
{
    return state->snapshot.output_step != DUALPROP_OUTPUT_LINEAR && state->snapshot.loss == DUALPROP_CROSS_ENTROPY;
}

static dualprop_status make_output_step(dualprop_state *state, const dualprop_output *step)
{
    const dualprop_backend *backend = &state->context->backend;
    if (is_proximal(state)) return backend->output_proximal(state->context->instance, step);
    return backend->output_step(state->context->instance, step);
}

/*
 * With optional rule features the step is an extended update of identity dyads. Back-propagation's step gives -g, which
 * comes from above like any Delta; a step without a closed form gives the mean and delta to go to, which are what
 * identity dyads with Eq. 19's coefficients make of a = mean and Delta = delta.
 */
static dualprop_status extended_output_update(dualprop_state *state)
{
    struct dualprop__dyads *own = output_of(state);
    dualprop_output step = output_step_of(state);
    step.mean = state->plan.target_mean;
    step.delta = own->arrays.top_down;
    step.max_abs = &state->section.scratch_max_abs;
    step.change = NULL;
    if (!is_proximal(state)) {
        step.exact = DUALPROP_OUTPUT_LINEAR;
        step.derivative = 1;
    }
    DUALPROP__TRY(make_output_step(state, &step));
    return dualprop__extended_update(
        state, state->layer_count, is_proximal(state) ? state->plan.target_mean : own->arrays.a, own->arrays.top_down);
}

dualprop_status dualprop__update_output(dualprop_state *state)
{
    struct dualprop__dyads *own = output_of(state);
    if (own->numbers.uses_extended_update) {
        DUALPROP__TRY(extended_output_update(state));
    } else {
        dualprop_output step = output_step_of(state);
        DUALPROP__TRY(make_output_step(state, &step));
    }
    own->versions.mean++;
    /* Nudged at the prediction, delta_L = -beta loss'(prediction) stays what it was however a_L moves. */
    int stays = is_at_prediction(state) && !own->numbers.always_updates && !state->snapshot.quantize_bits &&
                own->versions.delta != 0;
    if (!stays || own->observed.written) own->versions.delta++;
    own->observed.written = 0;
    return DUALPROP_OK;
}
