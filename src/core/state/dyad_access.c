/*
 * dyad_access.c - reading and writing the dyads, and the report of an inference.
 *
 * Memory holds (sbar, delta); s+ = sbar + (1 - alpha) delta and s- = sbar - alpha delta are made here, on the host.
 */
#include "state_internal.h"

#include <math.h>
#include <string.h>

#include "math/formulas.h"

/* Neighbouring neurons of a layer: all of them, or a part. */
struct neuron_span {
    int64_t first, count;
};

/* In place of the number of the first neuron: the whole layer is meant. */
#define WHOLE INT64_MIN

static struct neuron_span whole_of(const dualprop_state *state, int index)
{
    return (struct neuron_span){ 0, state->dyads[index].width };
}

/* One sample's dyads on the host, in the three parts of the state's staging memory. */
struct row {
    void *mean, *delta, *alphas;
    double alpha;              /* of all neurons where single_alphas is NULL */
    const void *single_alphas; /* [stride] in the backend's memory */
    int64_t first, width;      /* of the neurons that are meant */
    int64_t stride;            /* of the layer's rows */
    int type;
};

static struct row host_row_of(dualprop_state *state, const struct dualprop__dyads *dyads, struct neuron_span span)
{
    size_t part = (size_t)state->plan.widest * state->context->real_size;
    return (struct row){
        .mean = state->plan.staging,
        .delta = (char *)state->plan.staging + part,
        .alphas = (char *)state->plan.staging + 2 * part,
        .alpha = dyads->inference->numbers.alpha,
        .single_alphas = dualprop__alphas_of(state, (int)(dyads - state->dyads)),
        .first = span.first,
        .width = span.count,
        .stride = dyads->width,
        .type = state->context->precision,
    };
}

static double alpha_at(const struct row *row, int64_t i)
{
    return row->single_alphas ? dualprop__real_at(row->alphas, row->type, i) : row->alpha;
}

static size_t offset_of(const struct row *row, int64_t b)
{
    return (size_t)(b * row->stride + row->first) * dualprop__type_size(row->type);
}

/* Copy row b of a backend array to the host; zeros if there is no array. */
static dualprop_status fetch_row(void *host, const dualprop_state *state, const void *array, int64_t b,
                                 const struct row *row)
{
    size_t bytes = (size_t)row->width * state->context->real_size;
    if (array)
        return state->context->backend.copy_out(state->context->instance, host, (const char *)array + offset_of(row, b),
                                                bytes);
    memset(host, 0, bytes);
    return DUALPROP_OK;
}

static dualprop_status store_row(const dualprop_state *state, void *array, int64_t b, const void *host,
                                 const struct row *row)
{
    return state->context->backend.copy_in(state->context->instance, (char *)array + offset_of(row, b), host,
                                           (size_t)row->width * state->context->real_size);
}

static dualprop_status fetch_row_dyads(const struct row *row, const dualprop_state *state,
                                       const struct dualprop__dyads *dyads, int64_t b)
{
    DUALPROP__TRY(fetch_row(row->mean, state, dyads->arrays.mean, b, row));
    if (row->single_alphas) DUALPROP__TRY(fetch_row(row->alphas, state, row->single_alphas, 0, row));
    return fetch_row(row->delta, state, dyads->versions.delta ? dyads->arrays.delta : NULL, b, row);
}

/* Eq. 17 solved for s+ = sbar + (1 - alpha) delta or s- = sbar - alpha delta, in place of the mean. */
static void solve_dyads(const struct row *row, int is_plus)
{
    for (int64_t i = 0; i < row->width; i++) {
        double factor = is_plus ? 1.0 - alpha_at(row, i) : -alpha_at(row, i);
        dualprop__real_set(row->mean, row->type, i,
                           dualprop__real_at(row->mean, row->type, i) +
                               factor * dualprop__real_at(row->delta, row->type, i));
    }
}

static dualprop_view row_view(const dualprop_view *view, int64_t b)
{
    dualprop_view row = dualprop__view_copy(view);
    row.data = (char *)view->data + b * view->strides[0] * (int64_t)dualprop__type_size(view->type);
    row.shape[0] = 1;
    return row;
}

static dualprop_status read_row(const dualprop_view *to, dualprop_state *state, const struct dualprop__dyads *dyads,
                                int which, int64_t b, struct neuron_span span)
{
    struct row row = host_row_of(state, dyads, span);
    if (which == DUALPROP_S_BOTTOM_UP) {
        DUALPROP__TRY(fetch_row(row.mean, state, dyads->arrays.a, b, &row));
    } else if (which == DUALPROP_S_TOP_DOWN) {
        const void *top_down = dyads->versions.top_down_source ? dyads->arrays.top_down : NULL;
        DUALPROP__TRY(fetch_row(row.mean, state, top_down, b, &row));
    } else {
        DUALPROP__TRY(fetch_row_dyads(&row, state, dyads, b));
        if (which == DUALPROP_S_PLUS || which == DUALPROP_S_MINUS) solve_dyads(&row, which == DUALPROP_S_PLUS);
    }
    dualprop_view out = row_view(to, b);
    dualprop__view_scatter(&out, which == DUALPROP_S_DELTA ? row.delta : row.mean, row.type);
    return DUALPROP_OK;
}

static dualprop_status check_layer_index(const dualprop_state *state, int index, int lowest)
{
    DUALPROP__REQUIRE(state->context, index >= lowest && index <= state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected %d..%d", index, lowest, state->layer_count);
    return DUALPROP_OK;
}

static dualprop_status check_which(const dualprop_state *state, int which, int last)
{
    DUALPROP__REQUIRE(state->context, which >= DUALPROP_S_PLUS && which <= last, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "which is %d; expected a DUALPROP_S_... of %d..%d", which, DUALPROP_S_PLUS, last);
    return DUALPROP_OK;
}

/* (count, height, width, channels) of layer index; dense layers are (1, 1, outputs). */
static void image_shape(int64_t shape[4], const dualprop_state *state, int index)
{
    const dualprop_network *network = state->network;
    shape[0] = state->batch.count;
    shape[1] = network->height, shape[2] = network->width, shape[3] = network->channels;
    if (index > 0) dualprop__layer_output(shape + 1, state->dyads[index].layer);
}

/* (count, n) of neurons first .. first + n - 1. */
static dualprop_status check_part(struct neuron_span *span, const dualprop_state *state, const dualprop_view *view,
                                  int index, int64_t first)
{
    int64_t width = state->dyads[index].width, count;
    DUALPROP__TRY(dualprop__view_check(state->context, view, DUALPROP__REAL_TYPES, "view"));
    DUALPROP__REQUIRE(state->context, first >= 0 && first < width, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "first is %lld; expected 0..%lld, a neuron of layer %d", (long long)first, (long long)width - 1,
                      index);
    count = view->rank == 2 ? view->shape[1] : -1;
    int fits = view->rank == 2 && view->shape[0] == state->batch.count && count >= 1 && count <= width - first;
    DUALPROP__REQUIRE(state->context, fits, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "view has the shape %s; expected [%lld, n] with n of 1..%lld",
                      dualprop__describe_shape(view->shape, view->rank).text, (long long)state->batch.count,
                      (long long)(width - first));
    *span = (struct neuron_span){ first, count };
    return DUALPROP_OK;
}

/* A layer, or from neuron `first` on. */
static dualprop_status check_rows(struct neuron_span *span, const dualprop_state *state, const dualprop_view *view,
                                  int index, int64_t first)
{
    int64_t image[4], width = state->dyads[index].width;
    if (first != WHOLE) return check_part(span, state, view, index, first);
    *span = whole_of(state, index);
    DUALPROP__TRY(dualprop__view_check(state->context, view, DUALPROP__REAL_TYPES, "view"));
    image_shape(image, state, index);
    int flat = view->rank == 2 && view->shape[0] == state->batch.count && view->shape[1] == width;
    int whole = view->rank == 4 && memcmp(view->shape, image, sizeof image) == 0;
    DUALPROP__REQUIRE(state->context, flat || whole, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "view has the shape %s; expected [%lld, %lld] or [%lld, %lld, %lld, %lld]",
                      dualprop__describe_shape(view->shape, view->rank).text, (long long)state->batch.count,
                      (long long)width, (long long)image[0], (long long)image[1], (long long)image[2],
                      (long long)image[3]);
    return DUALPROP_OK;
}

static int is_open_below(const dualprop_state *state)
{
    return (state->network->open & DUALPROP_OPEN_BOTTOM) != 0;
}

static int is_open_above(const dualprop_state *state, int index)
{
    return index == state->layer_count && (state->network->open & DUALPROP_OPEN_TOP) != 0;
}

/* ---- reading ---- */

/* Delta_0 = W_0^T delta_1, for the network below: from delta and weights as they are. */
static dualprop_status compute_top_down_of_input(dualprop_state *state)
{
    struct dualprop__dyads *input = &state->dyads[0], *first = &state->dyads[1];
    input->versions.top_down_source = first->versions.delta;
    if (first->versions.delta == 0) return DUALPROP_OK; /* it is zero, and read as zeros */
    int held = state->run.holds;
    if (!held) DUALPROP__TRY(dualprop__state_begin_read(state));
    dualprop_status status = dualprop__switches_of_plus(state, 1, input->arrays.top_down);
    if (status == DUALPROP_OK)
        status = dualprop__map_top_down(state, 1, input->arrays.top_down, dualprop__error_signal(first), NULL);
    if (!held) dualprop__state_end_read(state);
    return status;
}

static dualprop_status read_layer(const dualprop_view *view, dualprop_state *state, int index, int which, int64_t first)
{
    struct neuron_span span;
    int goes_down = which == DUALPROP_S_TOP_DOWN && is_open_below(state);
    DUALPROP__TRY(check_which(state, which, DUALPROP_S_TOP_DOWN));
    DUALPROP__TRY(check_layer_index(state, index, which <= DUALPROP_S_DELTA || goes_down ? 0 : 1));
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() or dualprop_infer_begin() first");
    const struct dualprop__dyads *dyads = &state->dyads[index];
    DUALPROP__TRY(check_rows(&span, state, view, index, first));
    DUALPROP__TRY(dualprop__view_check_output(state->context, view, DUALPROP__REAL_TYPES, "view"));
    if (goes_down && index == 0) DUALPROP__TRY(compute_top_down_of_input(state));
    for (int64_t b = 0; b < state->batch.count; b++) DUALPROP__TRY(read_row(view, state, dyads, which, b, span));
    return DUALPROP_OK;
}

dualprop_status dualprop_state_read(const dualprop_view *view, dualprop_state *state, int index, int which)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = read_layer(view, state, index, which, WHOLE);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_state_read_part(const dualprop_view *view, dualprop_state *state, int index, int which,
                                         int64_t first)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = read_layer(view, state, index, which, first == WHOLE ? -1 : first);
    dualprop__state_leave(state);
    return status;
}

/* ---- writing ---- */

/* Put one new value into a dyad: s+ keeps s- and the other way round, sbar keeps delta and the other way round. */
static void write_value(double *mean, double *delta, int which, double value, double alpha)
{
    double plus = *mean + (1.0 - alpha) * *delta, minus = *mean - alpha * *delta;
    if (which == DUALPROP_S_PLUS) plus = value;
    if (which == DUALPROP_S_MINUS) minus = value;
    if (which == DUALPROP_S_PLUS || which == DUALPROP_S_MINUS) {
        *mean = alpha * plus + (1.0 - alpha) * minus;
        *delta = plus - minus;
    } else if (which == DUALPROP_S_MEAN) {
        *mean = value;
    } else {
        *delta = value;
    }
}

/* Element i of a sample, counted in row-major order. */
static double view_element(const dualprop_view *line, int64_t i)
{
    double value;
    int64_t offset = 0;
    for (int axis = line->rank - 1; axis > 0; axis--) {
        offset += i % line->shape[axis] * line->strides[axis];
        i /= line->shape[axis];
    }
    dualprop_view one = { .struct_size = sizeof one, .type = line->type };
    one.data = (char *)line->data + offset * (int64_t)dualprop__type_size(line->type);
    dualprop__view_gather(&value, DUALPROP_F64, &one);
    return value;
}

/* Built-in slopes are at most a little above 1. */
static dualprop_status note_signal(struct dualprop__dyads *dyads, double signal)
{
    const dualprop_layer *layer = dyads->layer;
    DUALPROP__REQUIRE(layer->network->context, isfinite(signal), DUALPROP_ERROR_NOT_FINITE,
                      "the slope of the activation %s of layer %d times delta is NaN or infinite",
                      dualprop__layer_activation_name(layer), layer->index);
    if (layer->custom_activation) dyads->observed.max_abs = fmax(dyads->observed.max_abs, fabs(signal));
    return DUALPROP_OK;
}

static dualprop_status slope_of_layer(double *slope, const dualprop_layer *layer, double a)
{
    if (layer->custom_activation)
        return dualprop__layer_answer(
            layer, layer->custom_activation->slope(layer->custom_activation->user_data, slope, &a, 1));
    *slope = dualprop__slope_f64(layer->activation, a);
    return DUALPROP_OK;
}

/* Where what goes down is no delta but f'(a) delta (LeCun's variant), it follows from the delta in row. */
static dualprop_status write_error_signal(dualprop_state *state, struct dualprop__dyads *dyads, const struct row *row,
                                          int64_t b)
{
    if (!dyads->inference->arrays.error_signal) return DUALPROP_OK;
    DUALPROP__TRY(fetch_row(row->mean, state, dyads->arrays.a, b, row));
    for (int64_t i = 0; i < row->width; i++) {
        double slope;
        DUALPROP__TRY(slope_of_layer(&slope, dyads->layer, dualprop__real_at(row->mean, row->type, i)));
        double signal = slope * dualprop__real_at(row->delta, row->type, i);
        DUALPROP__TRY(note_signal(dyads, signal));
        dualprop__real_set(row->mean, row->type, i, signal);
    }
    return store_row(state, dyads->inference->arrays.error_signal, b, row->mean, row);
}

/* The maximum grows with what is written, since dualprop_update() relies on it. */
static dualprop_status write_row(dualprop_state *state, struct dualprop__dyads *dyads, int which,
                                 const dualprop_view *from, int64_t b, struct neuron_span span)
{
    struct row row = host_row_of(state, dyads, span);
    dualprop_view line = row_view(from, b);
    DUALPROP__TRY(fetch_row_dyads(&row, state, dyads, b));
    for (int64_t i = 0; i < row.width; i++) {
        double mean = dualprop__real_at(row.mean, row.type, i), delta = dualprop__real_at(row.delta, row.type, i),
               alpha = alpha_at(&row, i);
        write_value(&mean, &delta, which, view_element(&line, i), alpha);
        dualprop__real_set(row.mean, row.type, i, mean);
        dualprop__real_set(row.delta, row.type, i, delta);
        dyads->observed.max_abs =
            fmax(dyads->observed.max_abs, fmax(fabs(mean + (1.0 - alpha) * delta), fabs(mean - alpha * delta)));
    }
    DUALPROP__TRY(store_row(state, dyads->arrays.mean, b, row.mean, &row));
    DUALPROP__TRY(store_row(state, dyads->arrays.delta, b, row.delta, &row));
    return write_error_signal(state, dyads, &row, b);
}

static dualprop_status check_finite(const dualprop_state *state, const dualprop_view *view, int64_t width)
{
    for (int64_t b = 0; b < state->batch.count; b++) {
        dualprop_view line = row_view(view, b);
        dualprop__view_gather(state->plan.staging, state->context->precision, &line);
        DUALPROP__REQUIRE(state->context, dualprop__reals_finite(state->plan.staging, state->context->precision, width),
                          DUALPROP_ERROR_NOT_FINITE, "view holds a NaN or an infinite value in row %lld", (long long)b);
    }
    return DUALPROP_OK;
}

/* Rows of a view to an array that is no dyad's; *largest receives max |value| where that is more. */
static dualprop_status write_array(dualprop_state *state, void *array, const dualprop_view *view, int64_t width,
                                   double *largest)
{
    struct row row = { .width = width, .stride = width, .type = state->context->precision };
    for (int64_t b = 0; b < state->batch.count; b++) {
        dualprop_view line = row_view(view, b);
        dualprop__view_gather(state->plan.staging, state->context->precision, &line);
        for (int64_t i = 0; i < width; i++)
            *largest = fmax(*largest, fabs(dualprop__real_at(state->plan.staging, state->context->precision, i)));
        DUALPROP__TRY(store_row(state, array, b, state->plan.staging, &row));
    }
    return DUALPROP_OK;
}

/* What comes from the network below, or above. */
static dualprop_status write_end(dualprop_state *state, int index, const dualprop_view *view)
{
    struct dualprop__dyads *dyads = &state->dyads[index];
    double delta_max_abs = 0;
    if (index == 0) {
        DUALPROP__TRY(write_array(state, dyads->arrays.mean, view, dyads->width, &dyads->observed.max_abs));
        dyads->versions.mean++;
        return DUALPROP_OK;
    }
    DUALPROP__TRY(write_array(state, dyads->arrays.top_down, view, dyads->width, &delta_max_abs));
    dyads->inference->versions.given++;
    return DUALPROP_OK;
}

/* A delta that is exactly zero need not be zero in memory, and the neurons beside a part keep theirs. */
static dualprop_status have_whole_delta(dualprop_state *state, const struct dualprop__dyads *dyads,
                                        struct neuron_span span)
{
    size_t bytes = (size_t)(state->batch.count * dyads->width) * state->context->real_size;
    if (dyads->versions.delta != 0 || span.count == dyads->width) return DUALPROP_OK;
    if (dyads->inference->arrays.error_signal)
        DUALPROP__TRY(
            state->context->backend.fill_zero(state->context->instance, dyads->inference->arrays.error_signal, bytes));
    return state->context->backend.fill_zero(state->context->instance, dyads->arrays.delta, bytes);
}

static dualprop_status write_layer(dualprop_state *state, int index, int which, const dualprop_view *view,
                                   int64_t first)
{
    struct neuron_span span;
    int is_whole = first == WHOLE;
    int is_end = is_whole && ((which == DUALPROP_S_MEAN && index == 0 && is_open_below(state)) ||
                              (which == DUALPROP_S_TOP_DOWN && is_open_above(state, index)));
    DUALPROP__TRY(check_which(state, which, is_end ? DUALPROP_S_TOP_DOWN : DUALPROP_S_DELTA));
    DUALPROP__TRY(check_layer_index(state, index, is_end ? 0 : 1));
    DUALPROP__REQUIRE(state->context, state->run.phase == DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "no inference is open; call dualprop_infer_begin() first");
    struct dualprop__dyads *dyads = &state->dyads[index];
    DUALPROP__TRY(check_rows(&span, state, view, index, first));
    DUALPROP__TRY(check_finite(state, view, span.count));
    if (is_end) return write_end(state, index, view);
    DUALPROP__TRY(have_whole_delta(state, dyads, span));
    for (int64_t b = 0; b < state->batch.count; b++) DUALPROP__TRY(write_row(state, dyads, which, view, b, span));
    dyads->versions.mean++;
    dyads->versions.delta++;
    /*
     * What was written is not what the layer's inputs make of it: its next visit computes it again, and its neighbours.
     */
    dyads->versions.a_source = UINT64_MAX;
    dyads->inference->observed.written = 1;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_write(dualprop_state *state, int index, int which, const dualprop_view *view)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = write_layer(state, index, which, view, WHOLE);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_state_write_part(dualprop_state *state, int index, int which, int64_t first,
                                          const dualprop_view *view)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = write_layer(state, index, which, view, first == WHOLE ? -1 : first);
    dualprop__state_leave(state);
    return status;
}

/* ---- the report ---- */

static dualprop_status report_prediction(double *loss, int64_t *correct, const dualprop_state *state)
{
    double sum;
    int64_t hits, top_k;
    if (dualprop__has_slopes(state)) {
        if (loss) *loss = state->batch.is_slope ? NAN : state->plan.own_loss->loss;
        if (correct) *correct = state->batch.is_slope ? 0 : state->plan.own_loss->correct;
        return DUALPROP_OK;
    }
    DUALPROP__TRY(dualprop__weighted_evaluate(&sum, &hits, &top_k, state, state->snapshot.loss, state->plan.prediction,
                                              0, state->batch.count, 1));
    if (loss) *loss = sum / (double)state->batch.count;
    if (correct) *correct = hits;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_report(int *passes, double *residual, int64_t *updates, int64_t *skipped, double *loss,
                                      int64_t *correct, const dualprop_state *state)
{
    DUALPROP__REQUIRE_HANDLE(state, DUALPROP__STATE);
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() first");
    DUALPROP__REQUIRE(state->context, !(loss || correct) || !is_open_above(state, state->layer_count),
                      DUALPROP_ERROR_INVALID_STATE,
                      "a network with an open top has no targets; expected loss and correct to be NULL");
    if (loss || correct) DUALPROP__TRY(report_prediction(loss, correct, state));
    if (passes) *passes = state->run.passes;
    if (residual) *residual = state->run.residual;
    if (updates) *updates = state->run.updates;
    if (skipped) *skipped = state->run.skipped;
    return DUALPROP_OK;
}

/* ---- damping, and the position of what is drawn ---- */

dualprop_status dualprop_state_damping(double *gamma, double *damping, const dualprop_state *state, int index)
{
    DUALPROP__REQUIRE_HANDLE(state, DUALPROP__STATE);
    DUALPROP__REQUIRE(state->context, index >= 0 && index < state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 0..%d", index, state->layer_count - 1);
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() first");
    if (gamma) *gamma = state->dyads[index].inference->numbers.gamma;
    if (damping) *damping = state->dyads[index].inference->numbers.damping;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_inference_count(uint64_t *inferences, const dualprop_state *state)
{
    DUALPROP__REQUIRE_HANDLE(state, DUALPROP__STATE);
    DUALPROP__REQUIRE(state->context, inferences, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "inferences is NULL; expected a place for the result");
    *inferences = state->run.inferences;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_set_inference_count(dualprop_state *state, uint64_t inferences)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = dualprop__check_not_open(state);
    if (status == DUALPROP_OK && inferences > DUALPROP__MOST_COUNTED)
        status =
            dualprop__fail(state->context, DUALPROP_ERROR_INVALID_ARGUMENT, "inferences is %llu; expected at most %lld",
                           (unsigned long long)inferences, (long long)DUALPROP__MOST_COUNTED);
    if (status == DUALPROP_OK) state->run.inferences = inferences;
    dualprop__state_leave(state);
    return status;
}
