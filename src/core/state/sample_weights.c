/*
 * sample_weights.c - how much each sample of a batch counts: its own weight times that of its class.
 *
 * A weight w makes the loss of a sample w loss(.), and so beta loss'(.) becomes (w beta) loss'(.): an output step of a
 * weighted sample is that of beta w. Neighbouring samples of one weight are one call of the backend's slot, which need
 * not know of weights.
 */
#include <math.h>
#include <string.h>

#include "state_internal.h"

/* ---- setting ---- */

static int64_t outputs_of(const dualprop_state *state)
{
    return dualprop__output(state)->width;
}

static double *class_weights(const dualprop_state *state)
{
    return state->weights.memory;
}

static double *weights_of_samples(const dualprop_state *state)
{
    return state->weights.memory + outputs_of(state);
}

static double *weights_of_rows(const dualprop_state *state)
{
    return weights_of_samples(state) + state->capacity;
}

/* The memory of all weights, from the first call that sets any: of classes, of samples, and of a batch's rows. */
static dualprop_status have_memory(dualprop_state *state)
{
    size_t elements;
    if (state->weights.memory) return DUALPROP_OK;
    int fits = DUALPROP__MULTIPLY(&elements, (size_t)state->capacity, (size_t)2) &&
               DUALPROP__ADD(&elements, elements, (size_t)outputs_of(state));
    double *memory = fits ? dualprop__allocate_array(state->context, elements, sizeof *memory) : NULL;
    if (!memory) return DUALPROP_ERROR_NO_MEMORY;
    state->weights.memory = memory;
    return DUALPROP_OK;
}

static dualprop_status check_weight_numbers(const dualprop_state *state, const double *weights, int64_t count)
{
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__REQUIRE(state->context, weights || count == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "weights is NULL; expected %lld numbers, or a count of 0", (long long)count);
    for (int64_t i = 0; i < count; i++)
        DUALPROP__REQUIRE(state->context, isfinite(weights[i]) && weights[i] >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "weights[%lld] is %g; expected a finite number >= 0", (long long)i, weights[i]);
    return DUALPROP_OK;
}

static dualprop_status set_class_weights(dualprop_state *state, const double *weights, int64_t count)
{
    DUALPROP__REQUIRE(state->context, count == 0 || count == outputs_of(state), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected %lld, the outputs, or 0 to remove the weights", (long long)count,
                      (long long)outputs_of(state));
    DUALPROP__TRY(check_weight_numbers(state, weights, count));
    if (count > 0) {
        DUALPROP__TRY(have_memory(state));
        memcpy(class_weights(state), weights, (size_t)count * sizeof *weights);
    }
    state->weights.has_classes = count > 0;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_set_class_weights(dualprop_state *state, const double *weights, int64_t count)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = set_class_weights(state, weights, count);
    dualprop__state_leave(state);
    return status;
}

static dualprop_status set_sample_weights(dualprop_state *state, const double *weights, int64_t count)
{
    DUALPROP__TRY(dualprop__check_sample_count(state, count));
    DUALPROP__TRY(check_weight_numbers(state, weights, count));
    if (count > 0) {
        DUALPROP__TRY(have_memory(state));
        memcpy(weights_of_samples(state), weights, (size_t)count * sizeof *weights);
    }
    state->weights.sample_count = count;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_set_sample_weights(dualprop_state *state, const double *weights, int64_t count)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = set_sample_weights(state, weights, count);
    dualprop__state_leave(state);
    return status;
}

/* ---- a batch ---- */

dualprop_status dualprop__weights_check(const dualprop_state *state, int64_t count)
{
    DUALPROP__REQUIRE(state->context, state->weights.sample_count == 0 || state->weights.sample_count == count,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "count is %lld, but weights were set for %lld samples",
                      (long long)count, (long long)state->weights.sample_count);
    return DUALPROP_OK;
}

dualprop_status dualprop__weights_check_slopes(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->weights.sample_count == 0 && !state->weights.has_classes,
                      DUALPROP_ERROR_INVALID_STATE,
                      "weights are set, which a given gradient does not use; multiply it by them, and remove them");
    return DUALPROP_OK;
}

void dualprop__weights_used(dualprop_state *state)
{
    state->weights.sample_count = 0;
}

/* The class of a row of targets: the largest, the first of equals. */
static int64_t class_of(const void *targets, int type, int64_t classes, int64_t row)
{
    int64_t most = 0;
    for (int64_t i = 1; i < classes; i++)
        if (dualprop__real_at(targets, type, row * classes + i) >
            dualprop__real_at(targets, type, row * classes + most))
            most = i;
    return most;
}

void dualprop__weights_load(dualprop_state *state, const void *targets, int64_t count)
{
    state->weights.is_batch = state->weights.sample_count > 0 || state->weights.has_classes;
    for (int64_t row = 0; state->weights.is_batch && row < count; row++) {
        double weight = state->weights.sample_count > 0 ? weights_of_samples(state)[row] : 1;
        if (state->weights.has_classes)
            weight *= class_weights(state)[class_of(targets, state->context->precision, outputs_of(state), row)];
        weights_of_rows(state)[row] = weight;
    }
}

void dualprop__weights_copy_rows(double *rows, const dualprop_state *state)
{
    if (state->weights.is_batch) memcpy(rows, weights_of_rows(state), (size_t)state->capacity * sizeof *rows);
}

void dualprop__weights_put_rows(dualprop_state *state, const double *rows)
{
    if (state->weights.is_batch) memcpy(weights_of_rows(state), rows, (size_t)state->capacity * sizeof *rows);
}

double dualprop__weight_of(const dualprop_state *state, int64_t row)
{
    return state->weights.is_batch ? weights_of_rows(state)[row] : 1;
}

int64_t dualprop__weight_run(const dualprop_state *state, int64_t row)
{
    int64_t next = state->weights.is_batch ? row + 1 : state->batch.count;
    while (next < state->batch.count && weights_of_rows(state)[next] == weights_of_rows(state)[row]) next++;
    return next - row;
}

dualprop_status dualprop__weighted_evaluate(double *loss, int64_t *correct, int64_t *top_k, const dualprop_state *state,
                                            int kind, const void *predictions, int64_t first, int64_t rows, int k)
{
    const dualprop_context *context = state->context;
    int64_t width = outputs_of(state), run;
    *loss = 0, *correct = 0, *top_k = 0;
    for (int64_t row = first; row < first + rows; row += run) {
        double sum;
        int64_t hits, among, left = first + rows - row;
        size_t offset = (size_t)(row * width) * context->real_size;
        run = dualprop__weight_run(state, row);
        if (run > left) run = left;
        DUALPROP__TRY(context->backend.evaluate(context->instance, kind, (const char *)predictions + offset,
                                                (const char *)state->plan.target + offset, run, width, k, &sum, &hits,
                                                &among));
        *loss += dualprop__weight_of(state, row) * sum;
        *correct += hits;
        *top_k += among;
    }
    return DUALPROP_OK;
}
