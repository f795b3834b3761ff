/*
 * composite.c - a host-memory backend that leaves slots empty, completed by the reference backend.
 *
 * Every slot gets the instance of the backend that provides it, so an instance here is a pair, and each slot of the
 * composite table hands the call on to one of the two. The price is one more jump a call, which only backends that
 * leave slots empty pay.
 */
#include "backend_internal.h"

struct composite {
    dualprop_context *context;
    dualprop_backend own, reference;
    void *own_self, *reference_self;
    int own_made, reference_made;
};

/* Call a slot of the backend's own where there is one, else the reference's. */
#define PASS(slot, ...)                                                                      \
    (((struct composite *)self)->own.slot                                                    \
         ? ((struct composite *)self)->own.slot(((struct composite *)self)->own_self, __VA_ARGS__) \
         : ((struct composite *)self)->reference.slot(((struct composite *)self)->reference_self, __VA_ARGS__))

static void destroy(void *self)
{
    struct composite *pair = self;
    if (pair->own_made) pair->own.destroy(pair->own_self);
    if (pair->reference_made) pair->reference.destroy(pair->reference_self);
    dualprop__release(pair->context, pair);
}

static void describe(void *self, char *buffer, size_t size)
{
    PASS(describe, buffer, size);
}

static dualprop_status allocate(void *self, void **memory, size_t bytes)
{
    return PASS(allocate, memory, bytes);
}

static void release(void *self, void *memory, size_t bytes)
{
    PASS(release, memory, bytes);
}

static dualprop_status copy_in(void *self, void *memory, const void *host, size_t bytes)
{
    return PASS(copy_in, memory, host, bytes);
}

static dualprop_status copy_out(void *self, void *host, const void *memory, size_t bytes)
{
    return PASS(copy_out, host, memory, bytes);
}

static dualprop_status copy(void *self, void *to, const void *from, size_t bytes)
{
    return PASS(copy, to, from, bytes);
}

static dualprop_status fill_zero(void *self, void *memory, size_t bytes)
{
    return PASS(fill_zero, memory, bytes);
}

static dualprop_status synchronize(void *self)
{
    struct composite *pair = self;
    return pair->own.synchronize ? pair->own.synchronize(pair->own_self) : DUALPROP_OK;
}

static int64_t weight_elements(void *self, int64_t inputs, int64_t outputs)
{
    return PASS(weight_elements, inputs, outputs);
}

static dualprop_status write_weights(void *self, void *weights, const void *host, int64_t inputs, int64_t outputs)
{
    return PASS(write_weights, weights, host, inputs, outputs);
}

static dualprop_status read_weights(void *self, void *host, const void *weights, int64_t inputs, int64_t outputs)
{
    return PASS(read_weights, host, weights, inputs, outputs);
}

/* Enough for whichever of the two computes. */
static int64_t dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    struct composite *pair = self;
    int64_t reference = pair->reference.dense_workspace(pair->reference_self, batch, inputs, outputs);
    if (!pair->own.dense_workspace) return reference;
    int64_t own = pair->own.dense_workspace(pair->own_self, batch, inputs, outputs);
    return own > reference ? own : reference;
}

static dualprop_status dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    return PASS(dense_bottom_up, shape, a, x, weights, bias, dyad);
}

static dualprop_status dense_top_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad)
{
    return PASS(dense_top_down, shape, top_down, delta, weights, dyad);
}

static dualprop_status dense_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    return PASS(dense_gradient, shape, gradient, bias_gradient, x, delta, scale, accumulate, step, weights, bias,
                moments);
}

static dualprop_status dyad_update(void *self, const dualprop_dyad *dyad)
{
    return PASS(dyad_update, dyad);
}

static dualprop_status output_step(void *self, const dualprop_output *output)
{
    return PASS(output_step, output);
}

static dualprop_status evaluate(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k)
{
    return PASS(evaluate, loss, prediction, target, rows, width, k, sum, correct, top_k);
}

static dualprop_status load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                  const double *deviation, const int32_t *moves, double *peak)
{
    return PASS(load_input, x, input, mean, deviation, moves, peak);
}

static dualprop_status optimizer_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                      const void *g, void *moment1, void *moment2)
{
    return PASS(optimizer_step, step, count, w, g, moment1, moment2);
}

static dualprop_status compare(void *self, int64_t count, const void *x, const void *y, double sums[4])
{
    return PASS(compare, count, x, y, sums);
}

static dualprop_status max_abs(void *self, int64_t count, const void *x, double *peak)
{
    return PASS(max_abs, count, x, peak);
}

static dualprop_status fill_uniform(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                    uint64_t first)
{
    return PASS(fill_uniform, x, count, seed, stream, first);
}

static dualprop_status dyad_general(void *self, const dualprop_dyad_general *update)
{
    return PASS(dyad_general, update);
}

static dualprop_status output_proximal(void *self, const dualprop_output *output)
{
    return PASS(output_proximal, output);
}

/* ---- convolutional layers: nine slots of one backend, since they share layout, workspace and cache ---- */

static int64_t convolution_weight_elements(void *self, const dualprop_convolution *shape)
{
    return PASS(convolution_weight_elements, shape);
}

static dualprop_status write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                 const void *host)
{
    return PASS(write_convolution_weights, shape, weights, host);
}

static dualprop_status read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                const void *weights)
{
    return PASS(read_convolution_weights, shape, host, weights);
}

static int64_t convolution_workspace(void *self, const dualprop_convolution *shape)
{
    return PASS(convolution_workspace, shape);
}

static int64_t convolution_cache(void *self, const dualprop_convolution *shape)
{
    return PASS(convolution_cache, shape);
}

static dualprop_status convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    return PASS(convolution_prepare, shape, weights);
}

static dualprop_status convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                             uint8_t *switches, const void *x, const void *weights, const void *bias,
                                             const dualprop_dyad *dyad)
{
    return PASS(convolution_bottom_up, shape, a, switches, x, weights, bias, dyad);
}

static dualprop_status convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                            const void *delta, const uint8_t *switches, const void *weights,
                                            const dualprop_dyad *dyad)
{
    return PASS(convolution_top_down, shape, top_down, delta, switches, weights, dyad);
}

static dualprop_status convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4])
{
    return PASS(convolution_gradient, shape, gradient, bias_gradient, x, delta, switches, scale, accumulate, step,
                weights, bias, moments);
}

static const dualprop_backend slots = {
    .struct_size = sizeof(dualprop_backend),
    .api = DUALPROP_BACKEND_API,
    .flags = DUALPROP_BACKEND_HOST_MEMORY,
    .destroy = destroy,
    .describe = describe,
    .allocate = allocate,
    .release = release,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .fill_zero = fill_zero,
    .synchronize = synchronize,
    .weight_elements = weight_elements,
    .write_weights = write_weights,
    .read_weights = read_weights,
    .dense_workspace = dense_workspace,
    .dense_bottom_up = dense_bottom_up,
    .dense_top_down = dense_top_down,
    .dense_gradient = dense_gradient,
    .dyad_update = dyad_update,
    .output_step = output_step,
    .evaluate = evaluate,
    .load_input = load_input,
    .optimizer_step = optimizer_step,
    .compare = compare,
    .max_abs = max_abs,
    .fill_uniform = fill_uniform,
    .convolution_weight_elements = convolution_weight_elements,
    .write_convolution_weights = write_convolution_weights,
    .read_convolution_weights = read_convolution_weights,
    .convolution_workspace = convolution_workspace,
    .convolution_cache = convolution_cache,
    .convolution_prepare = convolution_prepare,
    .convolution_bottom_up = convolution_bottom_up,
    .convolution_top_down = convolution_top_down,
    .convolution_gradient = convolution_gradient,
    .dyad_general = dyad_general,
    .output_proximal = output_proximal,
};

dualprop_status dualprop__composite_create(dualprop_backend *table, void **self, dualprop_context *context)
{
    struct composite *pair = dualprop__allocate(context, sizeof *pair);
    if (!pair) return DUALPROP_ERROR_NO_MEMORY;
    pair->context = context;
    pair->own = *table;
    pair->reference = dualprop__reference_backend;
    dualprop_status status = pair->own.create(&pair->own_self, &context->host, context->precision, context->level);
    pair->own_made = status == DUALPROP_OK;
    if (pair->own_made)
        status = pair->reference.create(&pair->reference_self, &context->host, context->precision, context->level);
    pair->reference_made = status == DUALPROP_OK;
    if (status != DUALPROP_OK) {
        destroy(pair);
        return status;
    }
    const char *name = table->name;
    *table = slots;
    table->name = name;
    *self = pair;
    return DUALPROP_OK;
}
