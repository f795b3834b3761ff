/*
 * neurons.c - what single neurons of a layer have of their own: alpha, c+ and c-, the size of their noise, and whether
 * they listen at all.
 *
 * The values are kept on the host as the caller gave them, and for the updates in the backend's memory. A layer that
 * has any goes through the extended update (extended_update.c); the others never meet them.
 */
#include <math.h>
#include <string.h>

#include "state_internal.h"

static const char *const NAMES[DUALPROP__NEURON_KINDS] = { "alpha", "gain_plus", "gain_minus", "noise", "listens" };

/* ---- memory, from the first call that sets any ---- */

/* One block: the record, the layers', and the values on the host. */
static dualprop_status have_neurons(dualprop_state *state)
{
    size_t layers = (size_t)state->layer_count + 1, values = 0;
    if (state->neurons) return DUALPROP_OK;
    for (int k = 1; k <= state->layer_count; k++) values += DUALPROP__NEURON_KINDS * (size_t)state->dyads[k].width;
    size_t records = sizeof *state->neurons + layers * sizeof *state->neurons->layers;
    struct dualprop__neurons *made = dualprop__allocate(state->context, records + values * sizeof(double));
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    made->layers = (struct dualprop__neurons_of_layer *)(made + 1);
    double *next = (double *)(void *)(made->layers + layers);
    for (int k = 1; k <= state->layer_count; k++)
        for (int kind = 0; kind < DUALPROP__NEURON_KINDS; kind++, next += state->dyads[k].width)
            made->layers[k].values[kind] = next;
    state->neurons = made;
    return DUALPROP_OK;
}

static int64_t elements_of_output(const dualprop_state *state)
{
    return state->capacity * dualprop__output(state)->width;
}

static int64_t elements_of_draws(const dualprop_state *state)
{
    return state->capacity * state->plan.widest;
}

/* What the extended update needs beside what the rule had planned for. The products fit: the plan has as much. */
static dualprop_status have_scratch(dualprop_state *state, int k, int kind)
{
    dualprop_context *context = state->context;
    struct dualprop__neurons *neurons = state->neurons;
    if (k == state->layer_count && !neurons->target_mean)
        DUALPROP__TRY(dualprop__reals_create(context, &neurons->target_mean, elements_of_output(state)));
    for (int i = 0; i < 2 && kind == DUALPROP_NEURON_NOISE; i++)
        if (!neurons->normals[i])
            DUALPROP__TRY(dualprop__reals_create(context, &neurons->normals[i], elements_of_draws(state)));
    if (kind != DUALPROP_NEURON_NOISE || neurons->draws) return DUALPROP_OK;
    neurons->draws = dualprop__allocate_array(context, (size_t)elements_of_draws(state), context->real_size);
    return neurons->draws ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
}

void dualprop__neurons_destroy(dualprop_state *state)
{
    dualprop_context *context = state->context;
    struct dualprop__neurons *neurons = state->neurons;
    if (!neurons) return;
    for (int k = 1; k <= state->layer_count; k++)
        for (int kind = 0; kind < DUALPROP__NEURON_KINDS; kind++)
            dualprop__reals_destroy(context, neurons->layers[k].arrays[kind], state->dyads[k].width);
    dualprop__reals_destroy(context, neurons->target_mean, elements_of_output(state));
    for (int i = 0; i < 2; i++) dualprop__reals_destroy(context, neurons->normals[i], elements_of_draws(state));
    dualprop__release(context, neurons->draws);
    dualprop__release(context, neurons);
    state->neurons = NULL;
}

/* ---- setting ---- */

static dualprop_status check_value(const dualprop_state *state, int kind, double value, int64_t i)
{
    int is_valid = kind == DUALPROP_NEURON_ALPHA     ? value >= 0 && value <= 1
                   : kind == DUALPROP_NEURON_LISTENS ? value == 0 || value == 1
                   : kind == DUALPROP_NEURON_NOISE   ? isfinite(value) && value >= 0
                                                     : isfinite(value) && fabs(value) <= 1e15;
    const char *expected = kind == DUALPROP_NEURON_ALPHA     ? "0 .. 1"
                           : kind == DUALPROP_NEURON_LISTENS ? "0 or 1"
                           : kind == DUALPROP_NEURON_NOISE   ? "a finite number >= 0"
                                                             : "a finite number of at most 1e15";
    DUALPROP__REQUIRE(state->context, is_valid, DUALPROP_ERROR_INVALID_ARGUMENT, "values[%lld] is %g; expected %s",
                      (long long)i, value, expected);
    return DUALPROP_OK;
}

static dualprop_status check_layer_of_neurons(const dualprop_state *state, int index, int which)
{
    const dualprop_context *context = state->context;
    DUALPROP__REQUIRE(context, state->rule, DUALPROP_ERROR_INVALID_STATE,
                      "state was created without a rule; it has no dyads");
    DUALPROP__REQUIRE(context, index >= 1 && index <= state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d", index, state->layer_count);
    DUALPROP__REQUIRE(context, which >= DUALPROP_NEURON_ALPHA && which <= DUALPROP_NEURON_LISTENS,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "which is %d; expected DUALPROP_NEURON_ALPHA .. DUALPROP_NEURON_LISTENS", which);
    DUALPROP__REQUIRE(context, state->run.phase != DUALPROP__OPEN || which == DUALPROP_NEURON_LISTENS,
                      DUALPROP_ERROR_INVALID_STATE,
                      "an inference is open; call dualprop_infer_end() first (only who listens may change during one)");
    DUALPROP__REQUIRE(context, context->backend.extended_update, DUALPROP_ERROR_UNSUPPORTED,
                      "the backend %s has no updates of single neurons", context->backend.name);
    DUALPROP__REQUIRE(context, !state->network->open, DUALPROP_ERROR_UNSUPPORTED,
                      "an open network takes no values of single neurons; expected one without open ends");
    DUALPROP__REQUIRE(context, state->dyads[index].layer->activation != DUALPROP_SOFTMAX, DUALPROP_ERROR_UNSUPPORTED,
                      "layer %d has the activation softmax, which mixes its neurons; they have no values of their own",
                      index);
    return DUALPROP_OK;
}

static int kind_is_given(const struct dualprop__neurons_of_layer *layer, int kind)
{
    return (layer->given >> kind & 1) != 0;
}

static dualprop_status set_neurons(dualprop_state *state, int index, int which, const double *values, int64_t count)
{
    const dualprop_context *context = state->context;
    DUALPROP__TRY(check_layer_of_neurons(state, index, which));
    int64_t width = state->dyads[index].width;
    DUALPROP__REQUIRE(context, count == 0 || count == width, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected %lld, the neurons of layer %d, or 0 to remove the values",
                      (long long)count, (long long)width, index);
    DUALPROP__REQUIRE(context, values || count == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "values is NULL; expected %lld numbers, or a count of 0", (long long)count);
    for (int64_t i = 0; i < count; i++) DUALPROP__TRY(check_value(state, which, values[i], i));
    if (count == 0 && !state->neurons) return DUALPROP_OK;
    DUALPROP__TRY(have_neurons(state));
    struct dualprop__neurons_of_layer *layer = &state->neurons->layers[index];
    if (count > 0) {
        DUALPROP__TRY(have_scratch(state, index, which));
        if (!layer->arrays[which]) DUALPROP__TRY(dualprop__reals_create(state->context, &layer->arrays[which], width));
        DUALPROP__TRY(dualprop__state_store(state, layer->arrays[which], values, count));
        memcpy(layer->values[which], values, (size_t)count * sizeof *values);
    }
    layer->given = (layer->given & ~(1u << which)) | (unsigned)(count > 0) << which;
    if (state->run.phase == DUALPROP__OPEN) dualprop__neurons_snapshot(state, index);
    else state->snapshot.revision = 0; /* the next inference checks and copies the rule again */
    return DUALPROP_OK;
}

dualprop_status dualprop_state_set_neurons(dualprop_state *state, int index, int which, const double *values,
                                           int64_t count)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = set_neurons(state, index, which, values, count);
    dualprop__state_leave(state);
    return status;
}

/* ---- an inference ---- */

int dualprop__has_neurons(const dualprop_state *state, int k)
{
    return state->neurons && k > 0 && state->neurons->layers[k].given;
}

const void *dualprop__neurons_of(const dualprop_state *state, int k, int kind)
{
    if (!dualprop__has_neurons(state, k) || !kind_is_given(&state->neurons->layers[k], kind)) return NULL;
    return state->neurons->layers[k].arrays[kind];
}

const double *dualprop__neuron_values(const dualprop_state *state, int k, int kind)
{
    return dualprop__neurons_of(state, k, kind) ? state->neurons->layers[k].values[kind] : NULL;
}

void dualprop__neurons_snapshot(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    if (!dualprop__has_neurons(state, k)) return;
    const struct dualprop__neurons_of_layer *layer = &state->neurons->layers[k];
    own->inference->numbers.uses_extended_update = own->inference->numbers.mean_depends_on_top_down = 1;
    if (kind_is_given(layer, DUALPROP_NEURON_LISTENS) || kind_is_given(layer, DUALPROP_NEURON_NOISE))
        own->inference->numbers.always_updates = 1;
    /* A pass may change more than the one before where it is drawn. */
    if (kind_is_given(layer, DUALPROP_NEURON_NOISE)) state->snapshot.growth_limit = 0;
}

/* The output's own alphas have to leave its step a solution, as the rule's has to. */
static dualprop_status check_output_alphas(const dualprop_state *state)
{
    const double *alphas = dualprop__neuron_values(state, state->layer_count, DUALPROP_NEURON_ALPHA);
    double beta = dualprop__rule_beta(state->rule, state->layer_count);
    for (int64_t i = 0; alphas && i < dualprop__output(state)->width; i++)
        DUALPROP__TRY(dualprop__rule_check_output_numbers(state->rule, alphas[i], beta));
    return DUALPROP_OK;
}

static dualprop_status check_kind(const dualprop_state *state, int k, int kind)
{
    const dualprop_rule *rule = state->rule;
    const dualprop_context *context = state->context;
    const struct dualprop__variant *variant = dualprop__rule_variant(rule);
    const char *name = NAMES[kind];
    int step = dualprop__rule_output_step(rule),
        is_gain = kind == DUALPROP_NEURON_GAIN_PLUS || kind == DUALPROP_NEURON_GAIN_MINUS;
    DUALPROP__REQUIRE(context, !variant->is_back_propagation, DUALPROP_ERROR_UNSUPPORTED,
                      "%s of single neurons of layer %d contradicts variant bp: it has no dyads", name, k);
    DUALPROP__REQUIRE(context, !rule->fresh_minus, DUALPROP_ERROR_UNSUPPORTED,
                      "%s of single neurons of layer %d contradicts fresh_minus", name, k);
    DUALPROP__REQUIRE(context, kind != DUALPROP_NEURON_ALPHA || isnan(variant->fixed_alpha), DUALPROP_ERROR_UNSUPPORTED,
                      "alpha of single neurons of layer %d contradicts variant %s, which fixes alpha", k,
                      dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    DUALPROP__REQUIRE(
        context, kind != DUALPROP_NEURON_ALPHA || rule->pool_switches == DUALPROP_SWITCHES_BOTTOM_UP,
        DUALPROP_ERROR_UNSUPPORTED,
        "alpha of single neurons of layer %d contradicts pool_switches original, which needs one alpha for "
        "all neurons",
        k);
    if (k < state->layer_count || step == DUALPROP_OUTPUT_LINEAR) return DUALPROP_OK;
    DUALPROP__REQUIRE(context, !is_gain, DUALPROP_ERROR_UNSUPPORTED,
                      "%s of single outputs contradicts output_step %s, which has no gains; expected linear", name,
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, step));
    DUALPROP__REQUIRE(context, kind != DUALPROP_NEURON_ALPHA || rule->loss == DUALPROP_MSE, DUALPROP_ERROR_UNSUPPORTED,
                      "alpha of single outputs contradicts output_step %s with loss %s, which needs one alpha for all "
                      "neurons",
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, step), dualprop_name(DUALPROP_NAMES_LOSS, rule->loss));
    return DUALPROP_OK;
}

dualprop_status dualprop__neurons_check(const dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count && state->neurons; k++)
        for (int kind = 0; kind < DUALPROP__NEURON_KINDS; kind++)
            if (kind_is_given(&state->neurons->layers[k], kind)) DUALPROP__TRY(check_kind(state, k, kind));
    return check_output_alphas(state);
}
