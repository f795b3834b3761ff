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
                      "inputs has the shape %s; expected [%lld, %lld, %lld, %lld] or as many elements in one row",
                      dualprop__describe_shape(inputs->shape, inputs->rank).text, (long long)inputs->shape[0],
                      (long long)network->height, (long long)network->width, (long long)network->channels);
    return DUALPROP_OK;
}

#define LABEL_TYPES (1u << DUALPROP_I32 | 1u << DUALPROP_I64)

static int has_labels(const dualprop_view *targets)
{
    return (LABEL_TYPES & 1u << targets->type) != 0;
}

static int64_t label_at(const dualprop_view *targets, int64_t row)
{
    if (targets->type == DUALPROP_I64) return ((const int64_t *)targets->data)[row * targets->strides[0]];
    return ((const int32_t *)targets->data)[row * targets->strides[0]];
}

static dualprop_status check_labels(const dualprop_state *state, const dualprop_view *labels, int64_t count)
{
    int64_t classes = dualprop__output(state)->width;
    DUALPROP__REQUIRE(state->context, labels->rank == 1 && labels->shape[0] == count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "labels has the shape %s; expected [%lld]",
                      dualprop__describe_shape(labels->shape, labels->rank).text, (long long)count);
    for (int64_t row = 0; row < count; row++) {
        int64_t label = label_at(labels, row);
        DUALPROP__REQUIRE(state->context, label >= 0 && label < classes, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "labels[%lld] is %lld; expected 0..%lld, one for each output%s", (long long)row,
                          (long long)label, (long long)classes - 1,
                          classes == 1 ? " (integers are labels; real targets are floating-point numbers)" : "");
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__batch_targets(const dualprop_state *state, const dualprop_view *targets, int64_t count)
{
    DUALPROP__TRY(dualprop__view_check(state->context, targets, DUALPROP__REAL_TYPES | LABEL_TYPES, "targets"));
    if (has_labels(targets)) return check_labels(state, targets, count);
    return dualprop__check_matrix(state->context, targets, count, dualprop__output(state)->width, "targets");
}

dualprop_status dualprop__batch_slopes(const dualprop_state *state, const dualprop_view *slopes, int64_t count)
{
    DUALPROP__TRY(dualprop__view_check(state->context, slopes, DUALPROP__REAL_TYPES, "gradient"));
    return dualprop__check_matrix(state->context, slopes, count, dualprop__output(state)->width, "gradient");
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

dualprop_status dualprop__check_sample_count(const dualprop_state *state, int64_t count)
{
    DUALPROP__REQUIRE(state->context, count >= 0 && count <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 0..%lld, the state's capacity", (long long)count,
                      (long long)state->capacity);
    return DUALPROP_OK;
}

/* ---- augmentation ---- */

static dualprop_status check_augmentation(const dualprop_state *state, const int32_t *augmentation, int64_t count)
{
    DUALPROP__TRY(dualprop__check_sample_count(state, count));
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

/*
 * Is a row of the loaded input finite? It comes through staging memory in pieces, since that need not hold a row: a
 * state that just predicts has room for a batch of targets there.
 */
static dualprop_status check_row(int *is_finite, dualprop_state *state, int64_t row)
{
    const dualprop_context *context = state->context;
    int64_t width = state->dyads[0].width, room = state->capacity * dualprop__output(state)->width;
    const char *from = (const char *)state->dyads[0].arrays.mean + (size_t)(row * width) * context->real_size;
    *is_finite = 1;
    for (int64_t first = 0; *is_finite && first < width; first += room) {
        int64_t count = width - first < room ? width - first : room;
        DUALPROP__TRY(context->backend.copy_out(context->instance, state->plan.staging,
                                                from + (size_t)first * context->real_size,
                                                (size_t)count * context->real_size));
        *is_finite = dualprop__reals_finite(state->plan.staging, context->precision, count);
    }
    return DUALPROP_OK;
}

/* The first row of the loaded batch with a value that is not finite; -1 if the backend has none to show. */
static int64_t find_bad_row(dualprop_state *state)
{
    for (int64_t row = 0; row < state->batch.count; row++) {
        int is_finite;
        if (check_row(&is_finite, state, row) != DUALPROP_OK) return -1;
        if (!is_finite) return row;
    }
    return -1;
}

dualprop_status dualprop__batch_check(dualprop_state *state)
{
    if (!isfinite(state->dyads[0].observed.max_abs))
        return dualprop__fail(state->context, DUALPROP_ERROR_NOT_FINITE,
                              "inputs hold a NaN or an infinite value in row %lld; expected finite numbers",
                              (long long)(state->batch.first + find_bad_row(state)));
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
    state->batch.first = first;
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

/* Of t w, t being what Eq. 3 or 63 multiplies the loss by: the least of s+ and s-, or of the mean. */
static double least_curvature(const dualprop_state *state, double weight)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    double alpha = output->inference->numbers.alpha, beta = output->inference->numbers.beta;
    if (state->snapshot.output_step == DUALPROP_OUTPUT_SPROVR) return (2 * alpha - 1) * beta * weight;
    return fmin(alpha * beta * weight, -(1 - alpha) * beta * weight);
}

static double sum_of_row(const dualprop_state *state, int64_t row, int64_t classes)
{
    double sum = 0;
    for (int64_t i = row * classes; i < (row + 1) * classes; i++)
        sum += dualprop__real_at(state->plan.staging, state->context->precision, i);
    return sum;
}

/* Targets of cross-entropy are distributions; what is none is learned, but is most often a mistake: one warning a
 * state. */
static void warn_of_targets(dualprop_state *state, int64_t first, int64_t count, int64_t classes)
{
    int loss = state->rule ? state->rule->loss : DUALPROP_MSE;
    for (int64_t row = 0; loss == DUALPROP_CROSS_ENTROPY && !state->batch.warned && row < count; row++) {
        double sum = sum_of_row(state, row, classes), least = 0;
        for (int64_t i = row * classes; i < (row + 1) * classes; i++)
            least = fmin(least, dualprop__real_at(state->plan.staging, state->context->precision, i));
        if (fabs(sum - 1) <= 1e-3 && least >= -1e-6) continue; /* what is left of rounding in f32 */
        dualprop__log(state->context, DUALPROP_LOG_WARNING, "state",
                      "row %lld of targets sums to %g, with %g as its least value; cross-entropy expects a "
                      "distribution in each row",
                      (long long)(first + row), sum, least);
        state->batch.warned = 1;
    }
}

/*
 * The steps that minimise something are convex where t times the loss's curvature is > -1: with cross-entropy where
 * t sum(y) > -2. The rule was checked for weights of 1 and rows that sum to 1, as labels do.
 */
static dualprop_status check_batch_convexity(const dualprop_state *state, int64_t count, int64_t classes)
{
    int is_entropy = state->snapshot.loss == DUALPROP_CROSS_ENTROPY;
    if (state->run.phase != DUALPROP__OPEN || dualprop__output_step_of(state) == DUALPROP_OUTPUT_LINEAR)
        return DUALPROP_OK;
    if (state->snapshot.loss == DUALPROP_LOSS_FUNCTION) return DUALPROP_OK; /* its proximal map knows */
    const char *step = dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, state->snapshot.output_step);
    DUALPROP__REQUIRE(state->context,
                      is_entropy || !state->weights.is_batch ||
                          !dualprop__output(state)->inference->numbers.uses_extended_update,
                      DUALPROP_ERROR_UNSUPPORTED,
                      "weights contradict output_step %s of the squared error together with noise, mismatch, "
                      "quantization, asynchrony or a time step; expected linear",
                      step);
    for (int64_t row = 0; row < count; row++) {
        double sum = is_entropy ? sum_of_row(state, row, classes) : 1, weight = dualprop__weight_of(state, row);
        DUALPROP__REQUIRE(
            state->context, least_curvature(state, weight * sum) > (is_entropy ? -2 : -1),
            DUALPROP_ERROR_INVALID_ARGUMENT,
            weight == 1 ? "row %lld of targets sums to %g, with which output_step %s has no solution; expected 1"
                        : "sample %lld has the weight %g, with which output_step %s has no solution; expected less",
            (long long)row, weight == 1 ? sum : weight, step);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__batch_load_targets(dualprop_state *state, const dualprop_view *targets, int64_t first,
                                             int64_t count)
{
    dualprop_context *context = state->context;
    int64_t classes = dualprop__output(state)->width;
    dualprop_view rows = rows_of(targets, first, count);
    if (has_labels(targets)) one_hot(state->plan.staging, context->precision, &rows, count, classes);
    else dualprop__view_gather(state->plan.staging, context->precision, &rows);
    for (int64_t row = 0; row < count; row++)
        DUALPROP__REQUIRE(
            context,
            dualprop__reals_finite((const char *)state->plan.staging + (size_t)(row * classes) * context->real_size,
                                   context->precision, classes),
            DUALPROP_ERROR_NOT_FINITE, "targets hold a NaN or an infinite value in row %lld; expected finite numbers",
            (long long)(first + row));
    if (!has_labels(targets)) warn_of_targets(state, first, count, classes);
    dualprop__weights_load(state, state->plan.staging, count);
    DUALPROP__TRY(check_batch_convexity(state, count, classes));
    return context->backend.copy_in(context->instance, state->plan.target, state->plan.staging,
                                    (size_t)(count * classes) * context->real_size);
}

/* ---- the slope of a loss in place of targets ---- */

/* What lies in staging memory becomes -slope where targets are, and the prediction 0. */
static dualprop_status store_slopes(dualprop_state *state)
{
    const dualprop_context *context = state->context;
    int64_t elements = state->batch.count * dualprop__output(state)->width;
    for (int64_t i = 0; i < elements; i++)
        dualprop__real_set(state->plan.staging, context->precision, i,
                           -dualprop__real_at(state->plan.staging, context->precision, i));
    DUALPROP__REQUIRE(context, dualprop__reals_finite(state->plan.staging, context->precision, elements),
                      DUALPROP_ERROR_NOT_FINITE,
                      "the loss's gradient holds a value that is NaN or infinite in the context's precision; expected "
                      "finite numbers");
    DUALPROP__TRY(
        context->backend.fill_zero(context->instance, state->plan.prediction, (size_t)elements * context->real_size));
    return context->backend.copy_in(context->instance, state->plan.target, state->plan.staging,
                                    (size_t)elements * context->real_size);
}

dualprop_status dualprop__batch_load_slopes(dualprop_state *state, const dualprop_view *slopes)
{
    dualprop__view_gather(state->plan.staging, state->context->precision, slopes);
    return store_slopes(state);
}

dualprop_status dualprop__batch_put_slopes(dualprop_state *state, const double *slopes)
{
    int64_t shape[2] = { state->batch.count, dualprop__output(state)->width };
    dualprop_view view = dualprop__view_of((void *)(uintptr_t)slopes, DUALPROP_F64, 2, shape);
    return dualprop__batch_load_slopes(state, &view);
}
