/*
 * reference.c - the reference backend: naive, for float and double, on one thread; oracle, fallback and specification.
 *
 * This file holds what does not compute: the instance, memory, the layout of weights (the caller's own), and the way
 * from each slot to the kernels of the instance's type. The instruction-set level makes no difference here.
 */
#include "reference.h"

#include <stdio.h>
#include <string.h>

#define ALIGNMENT 64

static const struct dualprop__reference *of(void *self)
{
    return self;
}

/* ---- the instance ---- */

static dualprop_status create(void **self, const dualprop_host *host, int type, int level)
{
    (void)level;
    *self = NULL;
    if (type != DUALPROP_F32 && type != DUALPROP_F64)
        return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "the reference backend computes in f32 and f64");
    struct dualprop__reference *made = host->allocate(host->user_data, sizeof *made, ALIGNMENT);
    if (!made)
        return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the reference backend");
    made->host = host;
    made->kernels = type == DUALPROP_F32 ? &dualprop__reference_kernels_f32 : &dualprop__reference_kernels_f64;
    made->type = type;
    *self = made;
    return DUALPROP_OK;
}

static void destroy(void *self)
{
    if (self) of(self)->host->release(of(self)->host->user_data, self, sizeof(struct dualprop__reference));
}

static void describe(void *self, char *buffer, size_t size)
{
    const char *type = of(self)->type == DUALPROP_F32 ? "f32" : "f64";
    if (size > 0) snprintf(buffer, size, "plain loops, %s, sums in double, one thread", type);
}

/* ---- memory: the host's ---- */

static dualprop_status allocate(void *self, void **memory, size_t bytes)
{
    const dualprop_host *host = of(self)->host;
    *memory = host->allocate(host->user_data, bytes ? bytes : 1, ALIGNMENT);
    if (*memory) return DUALPROP_OK;
    return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the arrays of the backend");
}

static void release(void *self, void *memory, size_t bytes)
{
    const dualprop_host *host = of(self)->host;
    if (memory) host->release(host->user_data, memory, bytes ? bytes : 1);
}

static dualprop_status copy(void *self, void *to, const void *from, size_t bytes)
{
    (void)self;
    if (bytes > 0) memcpy(to, from, bytes);
    return DUALPROP_OK;
}

static dualprop_status fill_zero(void *self, void *memory, size_t bytes)
{
    (void)self;
    if (bytes > 0) memset(memory, 0, bytes);
    return DUALPROP_OK;
}

static dualprop_status synchronize(void *self)
{
    (void)self;
    return DUALPROP_OK;
}

/* ---- weights: [inputs, outputs] as they are ---- */

static int64_t weight_elements(void *self, int64_t inputs, int64_t outputs)
{
    (void)self;
    return inputs * outputs;
}

static size_t weight_bytes(void *self, int64_t inputs, int64_t outputs)
{
    return (size_t)(inputs * outputs) * (of(self)->type == DUALPROP_F32 ? sizeof(float) : sizeof(double));
}

static dualprop_status write_weights(void *self, void *weights, const void *host, int64_t inputs, int64_t outputs)
{
    return copy(self, weights, host, weight_bytes(self, inputs, outputs));
}

static dualprop_status read_weights(void *self, void *host, const void *weights, int64_t inputs, int64_t outputs)
{
    return copy(self, host, weights, weight_bytes(self, inputs, outputs));
}

/* ---- to the kernels of the instance's type ---- */

static int64_t dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    return of(self)->kernels->dense_workspace(self, batch, inputs, outputs);
}

static dualprop_status dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    return of(self)->kernels->dense_bottom_up(self, shape, a, x, weights, bias, dyad);
}

static dualprop_status dense_top_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad)
{
    return of(self)->kernels->dense_top_down(self, shape, top_down, delta, weights, dyad);
}

static dualprop_status dense_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    return of(self)->kernels->dense_gradient(self, shape, gradient, bias_gradient, x, delta, scale, accumulate, step,
                                             weights, bias, moments);
}

static dualprop_status dyad_update(void *self, const dualprop_dyad *dyad)
{
    return of(self)->kernels->dyad_update(self, dyad);
}

static dualprop_status output_step(void *self, const dualprop_output *output)
{
    return of(self)->kernels->output_step(self, output);
}

static dualprop_status evaluate(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k)
{
    return of(self)->kernels->evaluate(self, loss, prediction, target, rows, width, k, sum, correct, top_k);
}

static dualprop_status load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                  const double *deviation, const int32_t *moves, double *peak)
{
    return of(self)->kernels->load_input(self, x, input, mean, deviation, moves, peak);
}

static dualprop_status optimizer_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                      const void *g, void *moment1, void *moment2)
{
    return of(self)->kernels->optimizer_step(self, step, count, w, g, moment1, moment2);
}

static dualprop_status compare(void *self, int64_t count, const void *x, const void *y, double sums[4])
{
    return of(self)->kernels->compare(self, count, x, y, sums);
}

static dualprop_status max_abs(void *self, int64_t count, const void *x, double *peak)
{
    return of(self)->kernels->max_abs(self, count, x, peak);
}

static dualprop_status fill_uniform(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                    uint64_t first)
{
    return of(self)->kernels->fill_uniform(self, x, count, seed, stream, first);
}

static dualprop_status dyad_general(void *self, const dualprop_dyad_general *update)
{
    return of(self)->kernels->dyad_general(self, update);
}

static dualprop_status output_proximal(void *self, const dualprop_output *output)
{
    return of(self)->kernels->output_proximal(self, output);
}

static int64_t convolution_weight_elements(void *self, const dualprop_convolution *shape)
{
    return of(self)->kernels->convolution_weight_elements(self, shape);
}

static dualprop_status write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                 const void *host)
{
    return of(self)->kernels->write_convolution_weights(self, shape, weights, host);
}

static dualprop_status read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                const void *weights)
{
    return of(self)->kernels->read_convolution_weights(self, shape, host, weights);
}

static int64_t convolution_workspace(void *self, const dualprop_convolution *shape)
{
    return of(self)->kernels->convolution_workspace(self, shape);
}

static int64_t convolution_cache(void *self, const dualprop_convolution *shape)
{
    return of(self)->kernels->convolution_cache(self, shape);
}

static dualprop_status convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    return of(self)->kernels->convolution_prepare(self, shape, weights);
}

static dualprop_status convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                             uint8_t *switches, const void *x, const void *weights, const void *bias,
                                             const dualprop_dyad *dyad)
{
    return of(self)->kernels->convolution_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
}

static dualprop_status convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                            const void *delta, const uint8_t *switches, const void *weights,
                                            const dualprop_dyad *dyad)
{
    return of(self)->kernels->convolution_top_down(self, shape, top_down, delta, switches, weights, dyad);
}

static dualprop_status convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4])
{
    return of(self)->kernels->convolution_gradient(self, shape, gradient, bias_gradient, x, delta, switches, scale,
                                                   accumulate, step, weights, bias, moments);
}

const dualprop_backend dualprop__reference_backend = {
    .struct_size = sizeof(dualprop_backend),
    .api = DUALPROP_BACKEND_API,
    .flags = DUALPROP_BACKEND_HOST_MEMORY,
    .name = "reference",
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .allocate = allocate,
    .release = release,
    .copy_in = copy,
    .copy_out = copy,
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
