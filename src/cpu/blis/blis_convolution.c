/*
 * blis_convolution.c - the nine slots, and which way each layer is computed.
 *
 * Locally connected layers, which have weights of their own at each place and so no panels to share, are the reference
 * backend's.
 */
#include "blis_winograd.h"

static dualprop__blis *of(void *self)
{
    return self;
}

static int is_local(const dualprop_convolution *shape)
{
    return shape->kind == DUALPROP_LAYER_LOCAL;
}

void dualprop__blis_choose_convolutions(void *self, int way)
{
    of(self)->convolutions = way;
}

/* ---- workspaces ---- */

/* Bytes of all slices together, at most, where that leaves enough members. */
#define SLICES ((int64_t)8 << 20)
#define MEMBERS_AT_LEAST 16

char *dualprop__take(dualprop__space *space, int64_t bytes)
{
    char *piece = space->base ? space->base + space->used : NULL;
    space->used += dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
    return piece;
}

int64_t dualprop__members_of(int64_t slice_bytes)
{
    int64_t members = dualprop__least(SLICES / dualprop__most(slice_bytes, 1), DUALPROP__MEMBERS);
    return dualprop__most(members, MEMBERS_AT_LEAST);
}

/* ---- what becomes of a gradient ---- */

static char *moment_at(const dualprop__blis *blis, const dualprop__sink *sink, int index, int64_t element)
{
    return sink->moments[index] ? dualprop__at(blis, sink->moments[index], element) : NULL;
}

void dualprop__learn_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first,
                             int64_t count, void *sums)
{
    if (!sink->step) {
        blis->loops->scale(dualprop__at(blis, sink->gradient, first), sums, sink->scale,
                           sink->accumulate, count);
        return;
    }
    blis->loops->scale(sums, sums, sink->scale, 0, count);
    blis->loops->step(sink->step, count, dualprop__at(blis, sink->weights, first), sums,
                      moment_at(blis, sink, 0, first), moment_at(blis, sink, 1, first));
}

/* The largest panel of biases in bytes; blis.c sees to it. */
#define LARGEST_PANEL 2048

void dualprop__learn_bias(const dualprop__blis *blis, const dualprop_convolution *shape,
                          const dualprop__sink *sink, const void *delta, int64_t panel)
{
    alignas(DUALPROP__LINE) char sums[LARGEST_PANEL];
    int64_t first = panel * blis->kernel.vector;
    int64_t count = dualprop__least(blis->kernel.vector, shape->outputs - first);
    void *to = sink->step ? sums : dualprop__at(blis, sink->bias_gradient, first);
    blis->loops->column_sums(to, dualprop__at(blis, delta, first), sink->scale, sink->accumulate,
                             shape->batch * shape->pooled_height * shape->pooled_width, count, shape->outputs);
    if (sink->step)
        blis->loops->step(sink->step, count, dualprop__at(blis, sink->bias, first), sums,
                          moment_at(blis, sink, 2, first), moment_at(blis, sink, 3, first));
}

static void prefetch(const void *memory, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += DUALPROP__LINE) __builtin_prefetch((const char *)memory + i, 1, 2);
}

void dualprop__fetch_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first,
                             int64_t count)
{
    int64_t bytes = count * (int64_t)blis->loops->real_size;
    if (!sink->step) return;
    prefetch(dualprop__at(blis, sink->weights, first), bytes);
    for (int i = 0; i < 2; i++)
        if (sink->moments[i]) prefetch(moment_at(blis, sink, i, first), bytes);
}

/* ---- the slots ---- */

/* Is the shape so large that sizes in bytes would overflow? */
static int is_beyond(const dualprop_convolution *shape)
{
    const int64_t limit = (int64_t)1 << 46;
    int64_t inputs = shape->channels * dualprop__taps(shape);
    return shape->batch > limit / (shape->height * shape->width) / (shape->channels + shape->outputs) ||
           shape->batch > limit / (shape->map_height * shape->map_width) / (shape->outputs + shape->channels) ||
           inputs > limit / shape->outputs;
}

int64_t dualprop__blis_convolution_weight_elements(void *self, const dualprop_convolution *shape)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_weight_elements(self, shape);
    if (is_beyond(shape)) return -1;
    return dualprop__blis_weight_elements(self, shape->channels * dualprop__taps(shape), shape->outputs);
}

dualprop_status dualprop__blis_write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                         const void *host)
{
    if (is_local(shape)) return dualprop__reference_backend.write_convolution_weights(self, shape, weights, host);
    return dualprop__blis_write_weights(self, weights, host, shape->channels * dualprop__taps(shape), shape->outputs);
}

dualprop_status dualprop__blis_read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                        const void *weights)
{
    if (is_local(shape)) return dualprop__reference_backend.read_convolution_weights(self, shape, host, weights);
    return dualprop__blis_read_weights(self, host, weights, shape->channels * dualprop__taps(shape), shape->outputs);
}

int64_t dualprop__blis_convolution_workspace(void *self, const dualprop_convolution *shape)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_workspace(self, shape);
    if (is_beyond(shape)) return -1;
    if (dualprop__winograd_fits(self, shape)) {
        int64_t bytes = dualprop__most(dualprop__winograd_bytes(self, shape, 0),
                                       dualprop__winograd_bytes(self, shape, 1));
        return dualprop__most(bytes, dualprop__winograd_gradient_bytes(self, shape));
    }
    int64_t bytes = dualprop__im2col_bottom_up_bytes(self, shape);
    bytes = dualprop__most(bytes, dualprop__im2col_top_down_bytes(self, shape));
    return dualprop__most(bytes, dualprop__im2col_gradient_bytes(self, shape));
}

int64_t dualprop__blis_convolution_cache(void *self, const dualprop_convolution *shape)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_cache(self, shape);
    if (is_beyond(shape)) return -1;
    return dualprop__winograd_fits(self, shape) ? dualprop__winograd_cache(self, shape)
                                                : dualprop__im2col_cache(self, shape);
}

dualprop_status dualprop__blis_convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_prepare(self, shape, weights);
    if (dualprop__winograd_fits(self, shape)) dualprop__winograd_prepare(self, shape, weights);
    else dualprop__im2col_prepare(self, shape, weights);
    return DUALPROP_OK;
}

dualprop_status dualprop__blis_convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                                     uint8_t *switches, const void *x, const void *weights,
                                                     const void *bias, const dualprop_dyad *dyad)
{
    if (is_local(shape))
        return dualprop__reference_backend.convolution_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
    if (dualprop__winograd_fits(self, shape))
        dualprop__winograd_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
    else dualprop__im2col_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
    return DUALPROP_OK;
}

dualprop_status dualprop__blis_convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                                    const void *delta, const uint8_t *switches, const void *weights,
                                                    const dualprop_dyad *dyad)
{
    if (is_local(shape))
        return dualprop__reference_backend.convolution_top_down(self, shape, top_down, delta, switches, weights, dyad);
    if (dualprop__winograd_fits(self, shape))
        dualprop__winograd_top_down(self, shape, top_down, delta, switches, weights, dyad);
    else dualprop__im2col_top_down(self, shape, top_down, delta, switches, dyad);
    return DUALPROP_OK;
}

dualprop_status dualprop__blis_convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                                    void *bias_gradient, const void *x, const void *delta,
                                                    const uint8_t *switches, double scale, int accumulate,
                                                    const dualprop_step_numbers *step, void *weights, void *bias,
                                                    void *moments[4])
{
    if (is_local(shape))
        return dualprop__reference_backend.convolution_gradient(self, shape, gradient, bias_gradient, x, delta,
                                                                switches, scale, accumulate, step, weights, bias,
                                                                moments);
    dualprop__sink sink = { scale, step ? 0 : accumulate, step, gradient, bias_gradient, weights, bias,
                                    moments };
    if (dualprop__winograd_fits(self, shape)) dualprop__winograd_gradient(self, shape, x, delta, switches, &sink);
    else dualprop__im2col_gradient(self, shape, x, delta, switches, &sink);
    return DUALPROP_OK;
}
