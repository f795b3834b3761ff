/*
 * own_loss.c - a loss that is a function of the caller's: its slopes at the outputs nudge the output layer (Eq. 22).
 *
 * The function works on the host in double. Its slopes are kept as dualprop__has_slopes() says, so that the output
 * step is the ordinary one. With a proximal map the exact step (Eq. 3) and SPROVR's (Eq. 63-68) are computed here, from
 * the slopes g = beta loss' at the minimisers, as for cross-entropy (math/extended.h):
 *
 *     exact    mean = a - alpha^2 g(s+) + (1 - alpha)^2 g(s-),   delta = -(alpha g(s+) + (1 - alpha) g(s-))
 *     SPROVR   mean = a - (2 alpha - 1) g(s),                    delta = -g(s)
 */
#include "passes.h"

/* The host arrays of a batch, in one piece of memory; the last three are there for a proximal map. */
struct loss_arrays {
    double *targets, *outputs, *slopes, *losses;
    double *minimisers, *other_slopes, *strengths;
};

static struct loss_arrays arrays_of(const dualprop_state *state)
{
    int64_t elements = state->capacity * dualprop__output(state)->width;
    double *first = state->plan.own_loss->arrays;
    double *losses = first + 3 * elements;
    struct loss_arrays arrays = { first, first + elements, first + 2 * elements, losses, NULL, NULL, NULL };
    if (!state->plan.needs.loss_proximal) return arrays;
    arrays.minimisers = losses + state->capacity;
    arrays.other_slopes = arrays.minimisers + elements;
    arrays.strengths = arrays.other_slopes + elements;
    return arrays;
}

int dualprop__has_own_loss(const dualprop_state *state)
{
    return dualprop__has_slopes(state) && !state->batch.is_slope;
}

dualprop_status dualprop__own_loss_check(const dualprop_state *state)
{
    if (!state->rule || state->rule->loss != DUALPROP_LOSS_FUNCTION) return DUALPROP_OK;
    DUALPROP__REQUIRE(
        state->context, state->rule->loss_function, DUALPROP_ERROR_INVALID_STATE,
        "the rule's loss is a function, which a file does not hold; call dualprop_rule_set_loss_function()");
    int is_planned = state->plan.own_loss && (!state->rule->loss_proximal || state->plan.needs.loss_proximal);
    DUALPROP__REQUIRE(state->context, is_planned, DUALPROP_ERROR_INVALID_STATE,
                      "the rule's loss became a function; call dualprop_state_prepare()");
    return DUALPROP_OK;
}

/* Copy (count, outputs) of backend memory to a host array of doubles. */
static dualprop_status fetch_reals(double *to, dualprop_state *state, const void *from)
{
    const dualprop_context *context = state->context;
    int64_t count = state->batch.count * dualprop__output(state)->width;
    DUALPROP__TRY(
        context->backend.copy_out(context->instance, state->plan.staging, from, (size_t)count * context->real_size));
    dualprop_view view = dualprop__view_of(state->plan.staging, context->precision, 1, &count);
    dualprop__view_gather(to, DUALPROP_F64, &view);
    return DUALPROP_OK;
}

/* The function and what is passed to it: as an inference has copied them, or for an evaluation as they are now. */
struct loss_call {
    dualprop_loss_function function;
    void *user_data;
};

/* Call the function at these outputs, on the host; losses and slopes may be NULL. */
static dualprop_status call_function(struct loss_call call, const dualprop_state *state, const double *outputs,
                                     double *losses, double *slopes)
{
    int answer = call.function(call.user_data, losses, slopes, outputs, arrays_of(state).targets, state->batch.count,
                               dualprop__output(state)->width);
    DUALPROP__REQUIRE(state->context, answer == 0, DUALPROP_ERROR_CANCELLED,
                      "the loss function returned %d; expected 0, which continues", answer);
    return DUALPROP_OK;
}

/* The same at outputs in backend memory. */
static dualprop_status fetch_and_call(struct loss_call call, dualprop_state *state, const void *outputs, double *losses,
                                      double *slopes)
{
    struct loss_arrays arrays = arrays_of(state);
    DUALPROP__TRY(fetch_reals(arrays.outputs, state, outputs));
    return call_function(call, state, arrays.outputs, losses, slopes);
}

static struct loss_call call_of_inference(const dualprop_state *state)
{
    return (struct loss_call){ state->plan.own_loss->function, state->plan.own_loss->user_data };
}

static double sum_of_losses(const dualprop_state *state)
{
    struct loss_arrays arrays = arrays_of(state);
    double sum = 0;
    for (int64_t row = 0; row < state->batch.count; row++) sum += dualprop__weight_of(state, row) * arrays.losses[row];
    return sum;
}

dualprop_status dualprop__own_loss_evaluate(double *sum, dualprop_state *state)
{
    struct loss_arrays arrays = arrays_of(state);
    DUALPROP__TRY(fetch_reals(arrays.targets, state, state->plan.target));
    struct loss_call call = { state->rule->loss_function, state->rule->loss_data };
    DUALPROP__TRY(fetch_and_call(call, state, dualprop__output(state)->arrays.mean, arrays.losses, NULL));
    *sum = sum_of_losses(state);
    return DUALPROP_OK;
}

dualprop_status dualprop__own_loss_begin(dualprop_state *state)
{
    struct loss_arrays arrays = arrays_of(state);
    struct dualprop__dyads *own = dualprop__output(state);
    double unused;
    int64_t top_k;
    DUALPROP__TRY(state->context->backend.evaluate(state->context->instance, DUALPROP_MSE, own->arrays.a,
                                                   state->plan.target, state->batch.count, own->width, 1, &unused,
                                                   &state->plan.own_loss->correct, &top_k));
    DUALPROP__TRY(fetch_reals(arrays.targets, state, state->plan.target));
    DUALPROP__TRY(fetch_and_call(call_of_inference(state), state, own->arrays.a, arrays.losses, arrays.slopes));
    state->plan.own_loss->loss = sum_of_losses(state) / (double)state->batch.count;
    state->plan.own_loss->source = own->versions.a_source;
    return dualprop__batch_put_slopes(state, arrays.slopes);
}

dualprop_status dualprop__own_loss_renew(int *changed, dualprop_state *state)
{
    const struct dualprop__dyads *own = dualprop__output(state);
    *changed = 0;
    if (!dualprop__has_own_loss(state) || state->snapshot.nudge_at == DUALPROP_NUDGE_AT_PREDICTION) return DUALPROP_OK;
    struct loss_arrays arrays = arrays_of(state);
    if (state->plan.own_loss->source == own->versions.a_source) return DUALPROP_OK;
    DUALPROP__TRY(fetch_and_call(call_of_inference(state), state, own->arrays.a, NULL, arrays.slopes));
    state->plan.own_loss->source = own->versions.a_source;
    *changed = 1;
    return dualprop__batch_put_slopes(state, arrays.slopes);
}

/* ---- exact steps ---- */

/* minimisers <- argmin t loss(s) + 1/2 ||s - a||^2 of each sample, t times its weight; slopes <- loss' there. */
static dualprop_status minimise_loss(double *slopes, dualprop_state *state, double t)
{
    const struct dualprop__own_loss *own = state->plan.own_loss;
    struct loss_arrays arrays = arrays_of(state);
    int64_t count = state->batch.count, width = dualprop__output(state)->width;
    for (int64_t row = 0; row < count; row++) arrays.strengths[row] = t * dualprop__weight_of(state, row);
    int answer = own->proximal(own->user_data, arrays.minimisers, arrays.outputs, arrays.targets, arrays.strengths,
                               count, width);
    DUALPROP__REQUIRE(state->context, answer == 0, DUALPROP_ERROR_CANCELLED,
                      "the loss's proximal map returned %d; expected 0, which continues", answer);
    DUALPROP__REQUIRE(state->context, dualprop__reals_finite(arrays.minimisers, DUALPROP_F64, count * width),
                      DUALPROP_ERROR_NOT_FINITE, "the loss's proximal map returned a number that is NaN or infinite");
    DUALPROP__TRY(call_function(call_of_inference(state), state, arrays.minimisers, NULL, slopes));
    DUALPROP__REQUIRE(state->context, dualprop__reals_finite(slopes, DUALPROP_F64, count * width),
                      DUALPROP_ERROR_NOT_FINITE, "the loss function returned a slope that is NaN or infinite");
    return DUALPROP_OK;
}

/* sbar_L and delta_L that the step goes to, in place of minimisers and other_slopes. */
static dualprop_status find_step(dualprop_state *state)
{
    struct loss_arrays arrays = arrays_of(state);
    double alpha = dualprop__output(state)->inference->numbers.alpha, rest = 1 - alpha;
    double beta = dualprop__output(state)->inference->numbers.beta;
    int is_exact = state->snapshot.output_step == DUALPROP_OUTPUT_EXACT;
    int64_t width = dualprop__output(state)->width;
    DUALPROP__TRY(minimise_loss(arrays.slopes, state, is_exact ? alpha * beta : (2 * alpha - 1) * beta));
    if (is_exact) DUALPROP__TRY(minimise_loss(arrays.other_slopes, state, -rest * beta));
    for (int64_t i = 0; i < state->batch.count * width; i++) {
        double strength = beta * dualprop__weight_of(state, i / width);
        double g = strength * arrays.slopes[i], low = is_exact ? strength * arrays.other_slopes[i] : 0;
        double shift = is_exact ? rest * rest * low - alpha * alpha * g : -(2 * alpha - 1) * g;
        arrays.minimisers[i] = arrays.outputs[i] + shift;
        arrays.other_slopes[i] = is_exact ? -(alpha * g + rest * low) : -g;
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__own_loss_step(dualprop_state *state, void *mean, void *delta)
{
    struct loss_arrays arrays = arrays_of(state);
    int64_t count = state->batch.count * dualprop__output(state)->width;
    DUALPROP__TRY(fetch_reals(arrays.outputs, state, dualprop__output(state)->arrays.a));
    DUALPROP__TRY(find_step(state));
    DUALPROP__TRY(dualprop__state_store(state, mean, arrays.minimisers, count));
    return dualprop__state_store(state, delta, arrays.other_slopes, count);
}
