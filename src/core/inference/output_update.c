/*
 * output_update.c - the output layer's nudge: Eq. 3 with its loss linearised (for DP^T Eq. 22); Eq. 3, exact; Eq.
 * 63-68, of the mean. The paper lets the loss absorb beta there; here it is written out.
 *
 *     s+_L <- a_L - c+ g,   s-_L <- a_L + c- g,   g = beta loss'(.)
 *
 * In back-propagation sbar_L = a_L and delta_L = -loss'(a_L).
 */
#include "math/step_condition.h"
#include "passes.h"

static int is_at_prediction(const dualprop_state *state)
{
    return state->snapshot.nudge_at == DUALPROP_NUDGE_AT_PREDICTION &&
           dualprop__output_step_of(state) == DUALPROP_OUTPUT_LINEAR;
}

/* Slopes that are loaded are the squared error's at zeros, which lie where the prediction would. */
static const void *linearised_at(const dualprop_state *state)
{
    int other = is_at_prediction(state) || dualprop__has_slopes(state);
    return other ? state->plan.prediction : dualprop__output(state)->arrays.a;
}

static dualprop_output output_step_of(dualprop_state *state)
{
    struct dualprop__dyads *own = dualprop__output(state);
    return (dualprop_output){
        .loss = dualprop__has_slopes(state) ? DUALPROP_MSE : state->snapshot.loss,
        .exact = dualprop__output_step_of(state),
        .derivative = state->snapshot.variant->is_back_propagation,
        .gain_plus = own->inference->numbers.gain_plus,
        .gain_minus = own->inference->numbers.gain_minus,
        .alpha = own->inference->numbers.alpha,
        .beta = own->inference->numbers.beta,
        .rows = state->batch.count,
        .width = own->width,
        .a = own->arrays.a,
        .at = linearised_at(state),
        .target = state->plan.target,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .max_abs = &own->observed.max_abs,
        .change = state->run.is_measured ? &own->inference->observed.change : NULL,
        .old_alpha = own->inference->numbers.alpha,
        .workspace = state->plan.proximal,
    };
}

int dualprop__output_is_proximal(const dualprop_state *state)
{
    return dualprop__output_step_of(state) != DUALPROP_OUTPUT_LINEAR && state->snapshot.loss != DUALPROP_MSE;
}

static dualprop_status call_output_slot(dualprop_state *state, const dualprop_output *step)
{
    const dualprop_backend *backend = &state->context->backend;
    if (dualprop__output_is_proximal(state)) return backend->output_proximal(state->context->instance, step);
    return backend->output_step(state->context->instance, step);
}

/* The step of `rows` samples from a row on, whose weight makes beta another one. */
static dualprop_output rows_of_step(const dualprop_output *step, const dualprop_state *state, int64_t row, int64_t rows)
{
    dualprop_output part = *step;
    size_t offset = (size_t)(row * step->width) * state->context->real_size;
    part.beta = step->beta * dualprop__weight_of(state, row);
    part.rows = rows;
    part.a = (const char *)step->a + offset;
    part.at = (const char *)step->at + offset;
    part.target = (const char *)step->target + offset;
    part.mean = (char *)step->mean + offset;
    part.delta = (char *)step->delta + offset;
    return part;
}

/* In a deferred section the slot itself takes the maximum of all calls. */
static dualprop_status make_output_step(dualprop_state *state, const dualprop_output *step)
{
    double largest = 0, changed = 0, largest_part = 0, change_part = 0;
    if (!state->weights.is_batch) return call_output_slot(state, step);
    for (int64_t row = 0; row < step->rows; row += dualprop__weight_run(state, row)) {
        dualprop_output part = rows_of_step(step, state, row, dualprop__weight_run(state, row));
        if (!state->section.deferred) part.max_abs = &largest_part;
        if (!state->section.deferred && step->change) part.change = &change_part;
        DUALPROP__TRY(call_output_slot(state, &part));
        largest = dualprop__greater_max_abs(largest_part, largest);
        changed = dualprop__greater_max_abs(change_part, changed);
    }
    if (state->section.deferred) return DUALPROP_OK;
    *step->max_abs = largest;
    if (step->change) *step->change = changed;
    return DUALPROP_OK;
}

/* Is the step by a proximal map of the caller's? */
static int has_own_step(const dualprop_state *state)
{
    return dualprop__has_own_proximal(state) && dualprop__output_step_of(state) != DUALPROP_OUTPUT_LINEAR;
}

/* From the mean and delta to go to, as below. */
static dualprop_status own_output_update(dualprop_state *state)
{
    struct dualprop__dyads *own = dualprop__output(state);
    dualprop_dyad update = {
        .activation = DUALPROP_IDENTITY,
        .gain_plus = 1 - own->inference->numbers.alpha,
        .gain_minus = own->inference->numbers.alpha,
        .alpha = own->inference->numbers.alpha,
        .count = state->batch.count * own->width,
        .a = state->plan.target_mean,
        .top_down = own->arrays.top_down,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .max_abs = &own->observed.max_abs,
        .change = state->run.is_measured ? &own->inference->observed.change : NULL,
        .old_alpha = own->inference->numbers.alpha,
        .width = own->width,
    };
    return state->context->backend.dyad_update(state->context->instance, &update);
}

/*
 * With optional rule features the step is an extended update of identity dyads. Back-propagation's step gives -g, which
 * comes from above like any Delta; a step without a closed form gives the mean and delta to go to, which are what
 * identity dyads with Eq. 19's coefficients make of a = mean and Delta = delta.
 */
static dualprop_status extended_output_update(dualprop_state *state)
{
    struct dualprop__dyads *own = dualprop__output(state);
    int is_proximal = dualprop__output_is_proximal(state);
    dualprop_output step = output_step_of(state);
    void *target_mean = state->plan.target_mean ? state->plan.target_mean : state->neurons->target_mean;
    step.mean = target_mean;
    step.delta = own->arrays.top_down;
    step.max_abs = &state->section.scratch_max_abs;
    step.change = NULL;
    if (!is_proximal) {
        step.exact = DUALPROP_OUTPUT_LINEAR;
        step.derivative = 1;
    }
    if (!has_own_step(state)) DUALPROP__TRY(make_output_step(state, &step));
    return dualprop__extended_update(state, state->layer_count, is_proximal ? target_mean : own->arrays.a,
                                     own->arrays.top_down);
}

dualprop_status dualprop__update_output(dualprop_state *state)
{
    struct dualprop__dyads *own = dualprop__output(state);
    int slopes_changed = 1;
    if (has_own_step(state))
        DUALPROP__TRY(dualprop__own_loss_step(state, state->plan.target_mean, own->arrays.top_down));
    else DUALPROP__TRY(dualprop__own_loss_renew(&slopes_changed, state));
    if (own->inference->numbers.uses_extended_update) {
        DUALPROP__TRY(extended_output_update(state));
    } else if (has_own_step(state)) {
        DUALPROP__TRY(own_output_update(state));
    } else {
        dualprop_output step = output_step_of(state);
        DUALPROP__TRY(make_output_step(state, &step));
    }
    own->versions.mean++;
    /* With a slope that does not change, delta_L = -beta loss'(.) stays what it was however a_L moves. */
    int stays = (is_at_prediction(state) || dualprop__has_slopes(state)) && !slopes_changed &&
                !own->inference->numbers.always_updates && !state->snapshot.quantize_bits && own->versions.delta != 0;
    if (!stays || own->inference->observed.written) own->versions.delta++;
    own->inference->observed.written = 0;
    return DUALPROP_OK;
}
