/*
 * extended_update.c - updates with damping, leaky steps, alphas of single neurons, asynchrony, noise and quantisation.
 *
 * backend.h has the formula (dualprop_extended_update). What is drawn here depends on the rule's seed, the number of
 * the inference, and how much was drawn before in it: never on who computes.
 */
#include <math.h>
#include <string.h>

#include "passes.h"

/* ---- draws ---- */

/* Take `count` numbers of a stream of this inference; streams go on in whole blocks of the generator. */
static uint64_t acquire_draws(dualprop_state *state, int kind, int64_t count)
{
    uint64_t first = state->run.drawn[kind];
    state->run.drawn[kind] += ((uint64_t)count + 3) / 4 * 4;
    return first;
}

static uint64_t inference_stream(const dualprop_state *state, int kind)
{
    return dualprop__stream_of(state->run.inferences, kind);
}

/* Standard normal numbers for one layer; drawn on the host, so that they are the same for every backend. */
static dualprop_status draw_normals(dualprop_state *state, void *to, int kind, int64_t count)
{
    const dualprop_context *context = state->context;
    dualprop__draw_fill(state->plan.staging, context, dualprop__draw_normal, 1.0, state->snapshot.seed,
                        inference_stream(state, kind), acquire_draws(state, kind, count), count);
    return context->backend.copy_in(context->instance, to, state->plan.staging, (size_t)count * context->real_size);
}

/* The same numbers, times the size of each neuron's noise. */
static dualprop_status draw_sized_noise(dualprop_state *state, const double *sizes, void *to, int kind, int k)
{
    const dualprop_context *context = state->context;
    void *draws = state->neurons->draws;
    int64_t width = state->dyads[k].width, count = state->batch.count * width;
    dualprop__draw_fill(draws, context, dualprop__draw_normal, 1.0, state->snapshot.seed, inference_stream(state, kind),
                        acquire_draws(state, kind, count), count);
    for (int64_t i = 0; i < count; i++)
        dualprop__real_set(draws, context->precision, i,
                           sizes[i % width] * dualprop__real_at(draws, context->precision, i));
    return context->backend.copy_in(context->instance, to, draws, (size_t)count * context->real_size);
}

static dualprop_status draw_noise(dualprop_extended_update *update, dualprop_state *state, int k)
{
    int64_t count = state->batch.count * state->dyads[k].width;
    if (state->snapshot.noise_down > 0) {
        DUALPROP__TRY(draw_normals(state, state->plan.normals[2], DUALPROP__DRAW_DOWN, count));
        update->noise_down = state->plan.normals[2];
    }
    const double *sizes = dualprop__neuron_values(state, k, DUALPROP_NEURON_NOISE);
    if (sizes) {
        DUALPROP__TRY(draw_sized_noise(state, sizes, state->neurons->normals[0], DUALPROP__DRAW_PLUS, k));
        DUALPROP__TRY(draw_sized_noise(state, sizes, state->neurons->normals[1], DUALPROP__DRAW_MINUS, k));
        update->noise_plus = state->neurons->normals[0];
        update->noise_minus = state->neurons->normals[1];
        update->state_noise = 1;
    } else if (state->snapshot.noise_state > 0 && k > 0) {
        DUALPROP__TRY(draw_normals(state, state->plan.normals[0], DUALPROP__DRAW_PLUS, count));
        DUALPROP__TRY(draw_normals(state, state->plan.normals[1], DUALPROP__DRAW_MINUS, count));
        update->noise_plus = state->plan.normals[0];
        update->noise_minus = state->plan.normals[1];
        update->state_noise = state->snapshot.noise_state;
    }
    return DUALPROP_OK;
}

static dualprop_status draw_mask(dualprop_extended_update *update, dualprop_state *state, int k)
{
    int64_t count = state->batch.count * state->dyads[k].width;
    if (state->snapshot.fraction >= 1) return DUALPROP_OK;
    update->uniform = state->plan.uniform;
    return state->context->backend.fill_uniform(state->context->instance, state->plan.uniform, count,
                                                state->snapshot.seed, inference_stream(state, DUALPROP__DRAW_MASK),
                                                acquire_draws(state, DUALPROP__DRAW_MASK, count));
}

/* ---- the update ---- */

/* 2^bits steps in [-R, R], R the least power of two that holds the feed-forward values. */
static void set_quantum(dualprop_extended_update *update, const dualprop_state *state, int k)
{
    int exponent;
    double max_abs = state->dyads[k].observed.feed_forward_max_abs;
    if (state->snapshot.quantize_bits == 0 || k == 0) return;
    double fraction = frexp(max_abs, &exponent);
    if (fraction == 0.5) exponent--;
    update->range = max_abs > 0 ? ldexp(1.0, exponent) : 1.0;
    update->quantum = ldexp(update->range, 1 - state->snapshot.quantize_bits);
}

static dualprop_extended_update plain_update(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_extended_update update = {
        .activation = own->layer ? own->layer->activation : DUALPROP_IDENTITY,
        .alpha = own->inference->numbers.alpha,
        .alphas = dualprop__alphas_of(state, k),
        .gains_plus = dualprop__neurons_of(state, k, DUALPROP_NEURON_GAIN_PLUS),
        .gains_minus = dualprop__neurons_of(state, k, DUALPROP_NEURON_GAIN_MINUS),
        .beta_ratio = own->inference->numbers.beta_ratio,
        .adjoint = state->snapshot.variant->is_adjoint,
        .time_step = 1.0,
        .fraction = 1.0,
        .rows = state->batch.count,
        .width = own->width,
        .mean = own->arrays.mean,
        .delta = own->arrays.delta,
        .delta_is_zero = own->versions.delta == 0,
        .max_abs = &own->observed.max_abs,
    };
    set_quantum(&update, state, k);
    return update;
}

/* An output step on squared error has its coefficients made here; cross-entropy's mean and delta are ready. */
static void set_output_step(dualprop_extended_update *update, const dualprop_state *state)
{
    if (dualprop__output_is_proximal(state)) update->adjoint = 1;
    else update->output_step = dualprop__output_step_of(state);
    update->beta = dualprop__output(state)->inference->numbers.beta;
}

dualprop_status dualprop__extended_update(dualprop_state *state, int k, const void *a, const void *top_down)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_extended_update update = plain_update(state, k);
    update.a = a;
    update.top_down = top_down;
    update.straight = state->snapshot.variant->is_straight && k < state->layer_count;
    update.damping = own->inference->numbers.damping;
    update.time_step = state->snapshot.time_step;
    update.fraction = state->snapshot.fraction;
    update.top_down_noise = state->snapshot.noise_down;
    update.listens = dualprop__neurons_of(state, k, DUALPROP_NEURON_LISTENS);
    update.error_signal = own->inference->arrays.error_signal;
    update.change = state->run.is_measured ? &own->inference->observed.change : NULL;
    if (k == state->layer_count) set_output_step(&update, state);
    DUALPROP__TRY(draw_noise(&update, state, k));
    DUALPROP__TRY(draw_mask(&update, state, k));
    return dualprop__update_dyads_extended(state, k, &update);
}

dualprop_status dualprop__quantize_start(dualprop_state *state, int k)
{
    if (state->snapshot.quantize_bits == 0) return DUALPROP_OK;
    dualprop_extended_update update = plain_update(state, k);
    update.a = state->dyads[k].arrays.a;
    return dualprop__update_dyads_extended(state, k, &update);
}

/* ---- hardware that differs from neuron to neuron, and weights that are read with noise ---- */

static void draw_alphas(void *alphas, const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    double deviation = state->rule->alpha_mismatch;
    for (int64_t i = 0; i < own->width; i++) {
        double draw = dualprop__draw_normal(state->snapshot.seed, dualprop__stream_of_alphas(k), (uint64_t)i);
        dualprop__real_set(alphas, state->context->precision, i,
                           fmin(1.0, fmax(0.0, own->inference->numbers.alpha + deviation * draw)));
    }
}

static dualprop_status set_alphas(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    draw_alphas(state->plan.staging, state, k);
    return state->context->backend.copy_in(state->context->instance, own->inference->arrays.alphas, state->plan.staging,
                                           (size_t)own->width * state->context->real_size);
}

static void add_draws(void *reals, const dualprop_state *state, uint64_t first, int64_t count)
{
    uint64_t stream = dualprop__stream_of(state->run.inferences, DUALPROP__DRAW_WEIGHTS);
    double deviation = state->rule->noise_weight;
    for (int64_t i = 0; i < count; i++) {
        double noise = deviation * dualprop__draw_normal(state->snapshot.seed, stream, first + (uint64_t)i);
        if (state->context->precision == DUALPROP_F32) ((float *)reals)[i] += (float)noise;
        else ((double *)reals)[i] += noise;
    }
}

static dualprop_status set_noisy_weights(dualprop_state *state, int k)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    int64_t count = dualprop__parameter_elements(layer, 0);
    DUALPROP__TRY(dualprop__parameter_fetch(state->plan.staging, layer, 0));
    add_draws(state->plan.staging, state, acquire_draws(state, DUALPROP__DRAW_WEIGHTS, count), count);
    dualprop__map_forget(state, k);
    return dualprop__parameter_write(layer, 0, state->dyads[k].inference->arrays.noisy, state->plan.staging);
}

dualprop_status dualprop__draw_weight_noise(dualprop_state *state)
{
    if (!state->plan.needs.weight_noise) return DUALPROP_OK;
    for (int k = 1; k <= state->layer_count; k++) DUALPROP__TRY(set_noisy_weights(state, k));
    return DUALPROP_OK;
}

/* The same alphas in every inference; they are drawn again only when the rule that they are drawn from has changed. */
dualprop_status dualprop__sample_hardware_noise(dualprop_state *state)
{
    memset(state->run.drawn, 0, sizeof state->run.drawn);
    if (state->plan.needs.alphas && state->plan.alphas_revision != state->snapshot.revision) {
        for (int k = state->snapshot.lowest; k <= state->layer_count; k++) DUALPROP__TRY(set_alphas(state, k));
        state->plan.alphas_revision = state->snapshot.revision;
    }
    return dualprop__draw_weight_noise(state);
}
