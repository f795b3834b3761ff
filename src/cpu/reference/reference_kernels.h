/*
 * reference_kernels.h - the reference backend's arithmetic: plain loops, sums in double, one thread.
 *
 * A template included by reference_f32.c and reference_f64.c. This is the specification of the slots in
 * dualprop/backend.h: the clearest code that does it, against which other backends are tested. Products sum up in
 * the order of their index, TILE columns at a time so that memory is read in rows.
 */
#include <string.h>

#include "backend_slots.h"

#define TILE 64

/* The greater of two, where a NaN is greater than everything. */
static double greatest(double most, double x)
{
    return x > most || x != x ? x : most;
}

static int64_t tile_width(int64_t first, int64_t width)
{
    return width - first < TILE ? width - first : TILE;
}

/* ---- dyads ---- */

/* Follows the greatest |s+-| and the greatest change of s+- over a layer. */
struct max_tracker {
    double largest, change;
    double old_alpha;
    int derivative, measure_change;
};

static double change_of(const struct max_tracker *tracker, const FORMULA(pair) * pair, double mean, double delta)
{
    if (tracker->derivative) return greatest(fabs((double)pair->mean - mean), fabs((double)pair->delta - delta));
    return greatest(fabs((double)pair->plus - (mean + (1 - tracker->old_alpha) * delta)),
                    fabs((double)pair->minus - (mean - tracker->old_alpha * delta)));
}

static void track(struct max_tracker *tracker, const FORMULA(pair) * pair, const REAL *mean, const REAL *delta)
{
    double first = (double)(tracker->derivative ? pair->mean : pair->plus);
    double second = (double)(tracker->derivative ? pair->delta : pair->minus);
    tracker->largest = greatest(greatest(tracker->largest, fabs(first)), fabs(second));
    if (!tracker->measure_change) return;
    double old_mean = mean ? (double)*mean : (double)pair->mean;
    double old_delta = delta ? (double)*delta : 0;
    tracker->change = greatest(tracker->change, change_of(tracker, pair, old_mean, old_delta));
}

static void write_maxima(const struct max_tracker *tracker, double *max_abs, double *change)
{
    if (max_abs) *max_abs = tracker->largest;
    if (change) *change = tracker->change;
}

/* Back-propagation: the activation and the slope times what comes from above. */
static FORMULA(pair) derivative_pair(int activation, REAL a, REAL top_down)
{
    FORMULA(pair) pair;
    pair.mean = pair.plus = pair.minus = FORMULA(activate)(activation, a);
    pair.delta = FORMULA(slope)(activation, a) * top_down;
    return pair;
}

/* An update and, for softmax, what the elements of the row at hand share. */
struct update {
    const dualprop_dyad *dyad;
    FORMULA(gains) gains;
    FORMULA(softmax_dyads) row;
};

static FORMULA(pair) pair_of(const struct update *update, REAL a, REAL top_down)
{
    const dualprop_dyad *dyad = update->dyad;
    if (dyad->activation == DUALPROP_SOFTMAX)
        return dyad->derivative ? FORMULA(softmax_slope_pair)(&update->row, a, top_down)
                                : FORMULA(softmax_pair)(&update->row, a, top_down, &update->gains);
    return dyad->derivative ? derivative_pair(dyad->activation, a, top_down)
                            : FORMULA(hidden_pair)(dyad->activation, a, top_down, &update->gains);
}

static void begin_row(struct update *update, int64_t first, int64_t width)
{
    const dualprop_dyad *dyad = update->dyad;
    const REAL *a = (const REAL *)dyad->a + first;
    const REAL *top_down = dyad->top_down ? (const REAL *)dyad->top_down + first : NULL;
    if (dyad->activation != DUALPROP_SOFTMAX) return;
    update->row = dyad->derivative ? FORMULA(softmax_slopes_of)(a, top_down, width)
                                   : FORMULA(softmax_dyads_of)(a, top_down, width, &update->gains);
}

static void update_row(struct update *update, int64_t first, int64_t width, struct max_tracker *tracker)
{
    const REAL *a = update->dyad->a, *top_down = update->dyad->top_down;
    REAL *mean = update->dyad->mean, *delta = update->dyad->delta;
    begin_row(update, first, width);
    for (int64_t i = first; i < first + width; i++) {
        FORMULA(pair) pair = pair_of(update, a[i], top_down ? top_down[i] : 0);
        track(tracker, &pair, mean ? mean + i : NULL, delta ? delta + i : NULL);
        if (mean) mean[i] = pair.mean;
        if (delta) delta[i] = pair.delta;
    }
}

static dualprop_status dyad_update(void *self, const dualprop_dyad *dyad)
{
    (void)self;
    struct update update = { .dyad = dyad };
    update.gains = FORMULA(gains_of)(dyad->gain_plus, dyad->gain_minus, dyad->alpha);
    struct max_tracker tracker = { 0, 0, dyad->old_alpha, dyad->derivative, dyad->change != NULL };
    int64_t width = dyad->activation == DUALPROP_SOFTMAX ? dyad->width : dyad->count;
    for (int64_t first = 0; first < dyad->count; first += width) update_row(&update, first, width, &tracker);
    write_maxima(&tracker, dyad->max_abs, dyad->change);
    return DUALPROP_OK;
}

/* ---- the output layer ---- */

static void output_row(const dualprop_output *output, int64_t first, const FORMULA(output_gains) * gains,
                       struct max_tracker *tracker)
{
    const REAL *a = (const REAL *)output->a + first, *target = (const REAL *)output->target + first;
    const REAL *at = output->exact ? a : (const REAL *)output->at + first;
    REAL *mean = (REAL *)output->mean + first, *delta = (REAL *)output->delta + first;
    FORMULA(softmax_row) row = { 0, 0, 0 };
    if (output->loss == DUALPROP_CROSS_ENTROPY) row = FORMULA(softmax_row_of)(at, target, output->width);
    for (int64_t i = 0; i < output->width; i++) {
        REAL slope = output->loss == DUALPROP_CROSS_ENTROPY ? FORMULA(cross_entropy_slope)(at[i], target[i], &row)
                                                            : FORMULA(squared_error_slope)(at[i], target[i]);
        FORMULA(pair) pair = FORMULA(output_pair)(a[i], gains->beta * slope, gains);
        track(tracker, &pair, mean + i, delta + i);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
    }
}

static dualprop_status output_step(void *self, const dualprop_output *output)
{
    (void)self;
    FORMULA(output_gains) gains = FORMULA(output_gains_of)(output);
    struct max_tracker tracker = { 0, 0, output->old_alpha, output->derivative, output->change != NULL };
    for (int64_t row = 0; row < output->rows; row++) output_row(output, row * output->width, &gains, &tracker);
    write_maxima(&tracker, output->max_abs, output->change);
    return DUALPROP_OK;
}

/* ---- the rarer options ---- */

static REAL element_of(const void *array, int64_t i)
{
    return array ? ((const REAL *)array)[i] : 0;
}

static void extended_element(const dualprop_extended_update *update, const FORMULA(gains) * gains, int64_t i,
                             struct max_tracker *tracker)
{
    REAL *mean = (REAL *)update->mean + i, *delta = (REAL *)update->delta + i, a = element_of(update->a, i);
    REAL old = update->delta_is_zero ? 0 : *delta;
    FORMULA(draws)
    draws = { element_of(update->noise_plus, i), element_of(update->noise_minus, i),
              element_of(update->noise_down, i) };
    FORMULA(pair) pair = FORMULA(extended_pair)(update, gains, a, element_of(update->top_down, i), *mean, old, &draws);
    int is_left_out = update->uniform && !((double)element_of(update->uniform, i) < update->fraction);
    if (is_left_out || (update->listens && element_of(update->listens, i % update->width) == 0)) {
        pair.mean = *mean;
        pair.delta = old;
        FORMULA(take_apart)(&pair, gains);
    }
    tracker->old_alpha = (double)gains->alpha;
    track(tracker, &pair, mean, &old);
    *mean = pair.mean;
    *delta = pair.delta;
    if (update->error_signal) ((REAL *)update->error_signal)[i] = FORMULA(slope)(update->activation, a) * pair.delta;
}

static dualprop_status extended_update(void *self, const dualprop_extended_update *update)
{
    (void)self;
    FORMULA(gains) gains = FORMULA(extended_gains)(update, update->alpha);
    struct max_tracker tracker = { 0, 0, update->alpha, 0, update->change != NULL };
    int is_single = update->alphas || update->gains_plus || update->gains_minus;
    for (int64_t row = 0; row < update->rows; row++)
        for (int64_t j = 0; j < update->width; j++) {
            if (is_single) gains = FORMULA(gains_of_neuron)(update, j);
            extended_element(update, &gains, row * update->width + j, &tracker);
        }
    write_maxima(&tracker, update->max_abs, update->change);
    return DUALPROP_OK;
}

static void proximal_row(const dualprop_output *output, int64_t first, const FORMULA(gains) * gains,
                         struct max_tracker *tracker)
{
    double *means = output->workspace, *deltas = means + output->width, *work = deltas + output->width;
    REAL *mean = (REAL *)output->mean + first, *delta = (REAL *)output->delta + first;
    FORMULA(proximal_step)
    (means, deltas, output, (const REAL *)output->a + first, (const REAL *)output->target + first, work);
    for (int64_t i = 0; i < output->width; i++) {
        FORMULA(pair) pair = { 0, 0, (REAL)means[i], (REAL)deltas[i] };
        FORMULA(take_apart)(&pair, gains);
        track(tracker, &pair, mean + i, delta + i);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
    }
}

static dualprop_status output_proximal(void *self, const dualprop_output *output)
{
    (void)self;
    FORMULA(gains) gains = FORMULA(gains_of)(0, 0, output->alpha);
    struct max_tracker tracker = { 0, 0, output->old_alpha, 0, output->change != NULL };
    for (int64_t row = 0; row < output->rows; row++) proximal_row(output, row * output->width, &gains, &tracker);
    write_maxima(&tracker, output->max_abs, output->change);
    return DUALPROP_OK;
}

static dualprop_status evaluate(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k)
{
    (void)self;
    double total = 0;
    int64_t first = 0, among = 0;
    for (int64_t row = 0; row < rows; row++) {
        const REAL *s = (const REAL *)prediction + row * width, *y = (const REAL *)target + row * width;
        int64_t rank = FORMULA(rank_of_target)(s, y, width);
        total +=
            loss == DUALPROP_CROSS_ENTROPY ? FORMULA(cross_entropy)(s, y, width) : FORMULA(squared_error)(s, y, width);
        first += rank == 0;
        among += rank < k;
    }
    if (sum) *sum = total;
    if (correct) *correct = first;
    if (top_k) *top_k = among;
    return DUALPROP_OK;
}

/* ---- dense layers: weights [inputs, outputs] ---- */

static int64_t dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    (void)self, (void)batch, (void)inputs, (void)outputs;
    return 0;
}

/* sums[j] += x * row[j] */
static void add_row(double *sums, double x, const REAL *row, int64_t width)
{
    for (int64_t j = 0; j < width; j++) sums[j] += x * (double)row[j];
}

static void bottom_up_tile(const dualprop_dense *shape, REAL *a, const REAL *x, const REAL *weights, const REAL *bias,
                           int64_t first)
{
    double sums[TILE] = { 0 };
    int64_t width = tile_width(first, shape->outputs);
    for (int64_t i = 0; i < shape->inputs; i++)
        add_row(sums, (double)x[i], weights + i * shape->outputs + first, width);
    for (int64_t j = 0; j < width; j++) a[first + j] = (REAL)(sums[j] + (bias ? (double)bias[first + j] : 0));
}

static dualprop_status dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    for (int64_t row = 0; row < shape->batch; row++)
        for (int64_t first = 0; first < shape->outputs; first += TILE)
            bottom_up_tile(shape, (REAL *)a + row * shape->outputs, (const REAL *)x + row * shape->inputs, weights,
                           bias, first);
    return dyad ? dyad_update(self, dyad) : DUALPROP_OK;
}

static double dot(const REAL *x, const REAL *y, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

static dualprop_status dense_top_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad)
{
    for (int64_t row = 0; row < shape->batch; row++) {
        const REAL *from = (const REAL *)delta + row * shape->outputs;
        REAL *to = (REAL *)top_down + row * shape->inputs;
        for (int64_t i = 0; i < shape->inputs; i++)
            to[i] = (REAL)dot(from, (const REAL *)weights + i * shape->outputs, shape->outputs);
    }
    return dyad ? dyad_update(self, dyad) : DUALPROP_OK;
}

/* Parameter i's step; moments that the kind does not have are NULL. */
static void learn(int kind, const FORMULA(step) * step, int64_t i, REAL *w, REAL g, REAL *moment1, REAL *moment2)
{
    if (kind == DUALPROP_PLAIN_SGD) w[i] = FORMULA(plain_sgd)(step, w[i], g);
    else if (kind == DUALPROP_SGD) w[i] = FORMULA(sgd)(step, w[i], g, moment1 + i);
    else w[i] = FORMULA(adam)(step, w[i], g, moment1 + i, moment2 + i);
}

/* Where a row of gradients goes: into memory, or at once into the learning step. */
struct sink {
    int accumulate;
    const dualprop_step_numbers *numbers; /* NULL: into memory */
    FORMULA(step) step;
    REAL *gradient, *parameter, *moment1, *moment2;
};

/* The two sinks of a layer: of its weights and of its bias. */
static void open_sinks(struct sink sinks[2], void *gradient, void *bias_gradient, int accumulate,
                       const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    sinks[0] = (struct sink){ .accumulate = accumulate, .numbers = step, .gradient = gradient };
    sinks[1] = (struct sink){ .accumulate = accumulate, .numbers = step, .gradient = bias_gradient };
    if (!step) return;
    sinks[0].step = sinks[1].step = FORMULA(step_of)(step);
    sinks[0].parameter = weights, sinks[0].moment1 = moments[0], sinks[0].moment2 = moments[1];
    sinks[1].parameter = bias, sinks[1].moment1 = moments[2], sinks[1].moment2 = moments[3];
}

static void pour(const struct sink *sink, int64_t first, const double *sums, double scale, int64_t count)
{
    for (int64_t j = 0; j < count; j++) {
        int64_t i = first + j;
        double sum = scale * sums[j];
        if (sink->numbers)
            learn(sink->numbers->kind, &sink->step, i, sink->parameter, (REAL)sum, sink->moment1, sink->moment2);
        else sink->gradient[i] = (REAL)(sink->accumulate ? (double)sink->gradient[i] + sum : sum);
    }
}

/* Row i of x^T delta, or with x NULL the column sums of delta; x is column i, its elements `inputs` apart. */
static void gradient_row(const dualprop_dense *shape, const struct sink *sink, int64_t start, const REAL *x,
                         const REAL *delta, double scale)
{
    for (int64_t first = 0; first < shape->outputs; first += TILE) {
        double sums[TILE] = { 0 };
        int64_t width = tile_width(first, shape->outputs);
        for (int64_t row = 0; row < shape->batch; row++)
            add_row(sums, x ? (double)x[row * shape->inputs] : 1, delta + row * shape->outputs + first, width);
        pour(sink, start + first, sums, scale, width);
    }
}

static dualprop_status dense_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    (void)self;
    struct sink sinks[2];
    open_sinks(sinks, gradient, bias_gradient, accumulate, step, weights, bias, moments);
    for (int64_t i = 0; i < shape->inputs; i++)
        gradient_row(shape, &sinks[0], i * shape->outputs, (const REAL *)x + i, delta, scale);
    if (sinks[1].gradient || sinks[1].parameter) gradient_row(shape, &sinks[1], 0, NULL, delta, scale);
    return DUALPROP_OK;
}

/* ---- convolutional layers ---- */

#include "reference_convolution.h"

/* ---- the learning step ---- */

static dualprop_status optimizer_step(void *self, const dualprop_step_numbers *numbers, int64_t count, void *w,
                                      const void *g, void *moment1, void *moment2)
{
    (void)self;
    FORMULA(step) step = FORMULA(step_of)(numbers);
    for (int64_t i = 0; i < count; i++) learn(numbers->kind, &step, i, w, ((const REAL *)g)[i], moment1, moment2);
    return DUALPROP_OK;
}

/* ---- input ---- */

/* One element of a view, bytes normalised for channel c. */
static REAL input_at(const dualprop_view *view, int64_t offset, const double *mean, const double *deviation, int64_t c)
{
    if (view->type == DUALPROP_F32) return (REAL)((const float *)view->data)[offset];
    if (view->type == DUALPROP_F64) return (REAL)((const double *)view->data)[offset];
    double value = ((const uint8_t *)view->data)[offset] / 255.0;
    return (REAL)((value - (mean ? mean[c] : 0)) / (deviation ? deviation[c] : 1));
}

/* The four indices of element i of a rank-4 view, counted in row-major order. */
static void indices_of(int64_t at[4], const dualprop_view *view, int64_t i)
{
    for (int axis = 3; axis >= 0; axis--) {
        at[axis] = i % view->shape[axis];
        i /= view->shape[axis];
    }
}

/* From an element of the moved image to the one it shows; false if a zero came in. */
static int undo_move(int64_t at[4], const dualprop_view *view, const int32_t *move)
{
    at[1] -= move[0];
    at[2] -= move[1];
    if (at[1] < 0 || at[1] >= view->shape[1] || at[2] < 0 || at[2] >= view->shape[2]) return 0;
    if (move[2]) at[2] = view->shape[2] - 1 - at[2];
    return 1;
}

static REAL loaded_at(const dualprop_view *input, int64_t i, const double *mean, const double *deviation,
                      const int32_t *augmentation)
{
    int64_t at[4], offset = 0;
    indices_of(at, input, i);
    if (augmentation && !undo_move(at, input, augmentation + 3 * at[0])) return 0;
    for (int axis = 0; axis < 4; axis++) offset += at[axis] * input->strides[axis];
    return input_at(input, offset, mean, deviation, at[3]);
}

static dualprop_status load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                  const double *deviation, const int32_t *augmentation, double *max_abs)
{
    (void)self;
    int64_t count = input->shape[0] * input->shape[1] * input->shape[2] * input->shape[3];
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        REAL value = loaded_at(input, i, mean, deviation, augmentation);
        most = greatest(most, fabs((double)value));
        ((REAL *)x)[i] = value;
    }
    if (max_abs) *max_abs = most;
    return DUALPROP_OK;
}

/* ---- sums and random numbers ---- */

static dualprop_status compare(void *self, int64_t count, const void *x, const void *y, double sums[4])
{
    (void)self;
    const REAL *first = x, *second = y;
    memset(sums, 0, 4 * sizeof *sums);
    for (int64_t i = 0; i < count; i++) {
        double a = (double)first[i], b = (double)second[i];
        sums[0] += a * b;
        sums[1] += a * a;
        sums[2] += b * b;
        sums[3] += (a - b) * (a - b);
    }
    return DUALPROP_OK;
}

static dualprop_status max_abs(void *self, int64_t count, const void *x, double *max_abs)
{
    (void)self;
    *max_abs = 0;
    for (int64_t i = 0; i < count; i++) *max_abs = greatest(*max_abs, fabs((double)((const REAL *)x)[i]));
    return DUALPROP_OK;
}

static dualprop_status fill_uniform(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream, uint64_t first)
{
    (void)self;
    for (int64_t i = 0; i < count; i++)
        ((REAL *)x)[i] = FORMULA(uniform)(dualprop__philox_word(seed, stream, first + (uint64_t)i));
    return DUALPROP_OK;
}

const dualprop_backend FORMULA(reference_kernels) = { .struct_size = sizeof(dualprop_backend),
                                                      .api = DUALPROP_BACKEND_API,
                                                      .flags = DUALPROP_BACKEND_HOST_MEMORY,
                                                      .name = "reference",
#define KERNEL_ENTRY(result, name, parameters, arguments) .name = name,
                                                      DUALPROP__COMPUTING_SLOTS(KERNEL_ENTRY) };

#undef KERNEL_ENTRY
#undef REAL
#undef FORMULA
