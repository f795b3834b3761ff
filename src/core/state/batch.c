/*
 * batch.c - a caller's images and targets into a state: shapes checked first, then loaded row by row.
 */
#include <math.h>
#include <string.h>

#include "state_internal.h"

#define INPUT_TYPES (DUALPROP__REAL_TYPES | 1u << DUALPROP_U8)

/* Strides of (height, width, channels) inside one sample whose elements are `step` apart. */
static void flat_strides(dualprop_view *images, int64_t step)
{
    images->strides[3] = step;
    images->strides[2] = images->shape[3] * step;
    images->strides[1] = images->shape[2] * images->strides[2];
}

/* Fill in the strides of (count, height, width, channels); false if the caller's shape cannot be read that way. */
static int image_strides(dualprop_view *images, const dualprop_view *inputs)
{
    int64_t size = images->shape[1] * images->shape[2] * images->shape[3];
    images->strides[0] = inputs->strides[0];
    if (inputs->rank == 4 && !memcmp(inputs->shape, images->shape, sizeof(int64_t) * 4)) {
        memcpy(images->strides, inputs->strides, sizeof(int64_t) * 4);
    } else if (inputs->rank == 2 && inputs->shape[1] == size) {
        flat_strides(images, inputs->strides[1]);
    } else if (dualprop__view_count(inputs) == images->shape[0] * size &&
               dualprop__view_is_array(inputs, inputs->type)) {
        images->strides[0] = size;
        flat_strides(images, 1);
    } else {
        return 0;
    }
    return 1;
}

dualprop_status dualprop__batch_inputs(dualprop_view *images, const dualprop_state *state, const dualprop_view *inputs)
{
    const dualprop_network *network = state->network;
    DUALPROP__TRY(dualprop__view_check(state->context, inputs, INPUT_TYPES, "inputs"));
    DUALPROP__REQUIRE(state->context, inputs->rank >= 1 && inputs->shape[0] >= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "inputs holds no samples; expected a first extent >= 1");
    *images = dualprop__view_copy(inputs);
    images->rank = 4;
    images->shape[1] = network->height;
    images->shape[2] = network->width;
    images->shape[3] = network->channels;
    DUALPROP__REQUIRE(state->context, image_strides(images, inputs), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "inputs has another shape; expected (%lld, %lld, %lld, %lld) or as many elements in one row",
                      (long long)inputs->shape[0], (long long)network->height, (long long)network->width,
                      (long long)network->channels);
    return DUALPROP_OK;
}

static int32_t label_at(const dualprop_view *targets, int64_t row)
{
    return ((const int32_t *)targets->data)[row * targets->strides[0]];
}

static dualprop_status check_labels(const dualprop_state *state, const dualprop_view *labels, int64_t count)
{
    int64_t classes = dualprop__output(state)->width;
    DUALPROP__REQUIRE(state->context, labels->rank == 1 && labels->shape[0] == count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "labels has another shape; expected [%lld]", (long long)count);
    for (int64_t row = 0; row < count; row++) {
        int32_t label = label_at(labels, row);
        DUALPROP__REQUIRE(state->context, label >= 0 && label < classes, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "labels[%lld] is %d; expected 0..%lld", (long long)row, label, (long long)classes - 1);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__batch_targets(const dualprop_state *state, const dualprop_view *targets, int64_t count)
{
    int64_t classes = dualprop__output(state)->width;
    DUALPROP__TRY(dualprop__view_check(state->context, targets, DUALPROP__REAL_TYPES | 1u << DUALPROP_I32, "targets"));
    if (targets->type == DUALPROP_I32) return check_labels(state, targets, count);
    DUALPROP__REQUIRE(state->context,
                      targets->rank == 2 && targets->shape[0] == count && targets->shape[1] == classes,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "targets has another shape; expected (%lld, %lld)",
                      (long long)count, (long long)classes);
    return DUALPROP_OK;
}

/* The part of a view that holds rows first .. first+count-1. */
static dualprop_view rows_of(const dualprop_view *view, int64_t first, int64_t count)
{
    dualprop_view rows = dualprop__view_copy(view);
    int64_t bytes = first * view->strides[0] * (int64_t)dualprop__type_size(view->type);
    rows.data = (char *)view->data + bytes;
    rows.shape[0] = count;
    return rows;
}

/* ---- augmentation ---- */

static dualprop_status check_augmentation(const dualprop_state *state, const int32_t *augmentation, int64_t count)
{
    DUALPROP__REQUIRE(state->context, count >= 0 && count <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 0..%lld, the state's capacity", (long long)count,
                      (long long)state->capacity);
    DUALPROP__REQUIRE(state->context, augmentation || count == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "augmentation is NULL; expected three numbers for each of %lld samples", (long long)count);
    for (int64_t i = 0; i < count; i++)
        DUALPROP__REQUIRE(state->context, augmentation[3 * i + 2] == 0 || augmentation[3 * i + 2] == 1,
                          DUALPROP_ERROR_INVALID_ARGUMENT, "augmentation[%lld][2] is %d; expected 0, or 1 to mirror",
                          (long long)i, augmentation[3 * i + 2]);
    return DUALPROP_OK;
}

dualprop_status dualprop_state_set_augmentation(dualprop_state *state, const int32_t *augmentation, int64_t count)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = check_augmentation(state, augmentation, count);
    if (status == DUALPROP_OK) {
        if (count > 0) memcpy(state->plan.augmentation, augmentation, (size_t)count * 3 * sizeof *augmentation);
        state->batch.augmentation_count = count;
    }
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop__check_augmentation(const dualprop_state *state, int64_t count)
{
    DUALPROP__REQUIRE(state->context, state->batch.augmentation_count == 0 || state->batch.augmentation_count == count,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "count is %lld, but augmentation was set for %lld samples",
                      (long long)count, (long long)state->batch.augmentation_count);
    return DUALPROP_OK;
}

/* ---- loading ---- */

dualprop_status dualprop__batch_check(dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, isfinite(state->dyads[0].observed.max_abs), DUALPROP_ERROR_NOT_FINITE,
                      "inputs hold a NaN or an infinite value; expected finite numbers");
    state->batch.augmentation_count = 0; /* used; a batch that is refused leaves it */
    return DUALPROP_OK;
}

dualprop_status dualprop__batch_load(dualprop_state *state, const dualprop_view *images, int64_t first, int64_t count)
{
    dualprop_context *context = state->context;
    struct dualprop__dyads *input = &state->dyads[0];
    dualprop_view rows = rows_of(images, first, count);
    const int32_t *augmentation = state->batch.augmentation_count > 0 ? state->plan.augmentation : NULL;
    state->batch.count = count;
    DUALPROP__TRY(context->backend.load_input(context->instance, input->arrays.mean, &rows, state->network->mean,
                                              state->network->deviation, augmentation, &input->observed.max_abs));
    if (!state->section.deferred) DUALPROP__TRY(dualprop__batch_check(state));
    input->versions.mean++;
    return DUALPROP_OK;
}

static void one_hot(void *rows, int type, const dualprop_view *labels, int64_t count, int64_t classes)
{
    memset(rows, 0, (size_t)(count * classes) * dualprop__type_size(type));
    for (int64_t row = 0; row < count; row++)
        dualprop__real_set(rows, type, row * classes + label_at(labels, row), 1.0);
}

/* Of t sum(y), t being what Eq. 3 or 63 multiplies the loss by: the least of s+ and s-, or of the mean. */
static double least_curvature(const dualprop_state *state, double sum)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    double alpha = output->numbers.alpha, beta = output->numbers.beta;
    if (state->snapshot.output_step == DUALPROP_OUTPUT_SPROVR) return (2 * alpha - 1) * beta * sum;
    return fmin(alpha * beta * sum, -(1 - alpha) * beta * sum);
}

/*
 * The steps of cross-entropy that minimise something are convex where t sum(y) > -2: the rule was checked for rows that
 * sum to 1, as labels do.
 */
static dualprop_status check_target_sums(const dualprop_state *state, int64_t count, int64_t classes)
{
    int minimises =
        state->snapshot.output_step != DUALPROP_OUTPUT_LINEAR && state->snapshot.loss == DUALPROP_CROSS_ENTROPY;
    if (state->run.phase != DUALPROP__OPEN || !minimises) return DUALPROP_OK;
    for (int64_t row = 0; row < count; row++) {
        double sum = 0;
        for (int64_t i = row * classes; i < (row + 1) * classes; i++)
            sum += dualprop__real_at(state->plan.staging, state->context->precision, i);
        DUALPROP__REQUIRE(state->context, least_curvature(state, sum) > -2, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "row %lld of targets sums to %g, with which output_step %s has no solution; expected 1",
                          (long long)row, sum, dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, state->snapshot.output_step));
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__batch_load_targets(dualprop_state *state, const dualprop_view *targets, int64_t first,
                                             int64_t count)
{
    dualprop_context *context = state->context;
    int64_t classes = dualprop__output(state)->width;
    dualprop_view rows = rows_of(targets, first, count);
    if (targets->type == DUALPROP_I32) one_hot(state->plan.staging, context->precision, &rows, count, classes);
    else dualprop__view_gather(state->plan.staging, context->precision, &rows);
    DUALPROP__REQUIRE(context, dualprop__reals_finite(state->plan.staging, context->precision, count * classes),
                      DUALPROP_ERROR_NOT_FINITE, "targets hold a NaN or an infinite value; expected finite numbers");
    DUALPROP__TRY(check_target_sums(state, count, classes));
    return context->backend.copy_in(context->instance, state->plan.target, state->plan.staging,
                                    (size_t)(count * classes) * context->real_size);
}
