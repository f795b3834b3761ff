/*
 * dense.c - the three directions of a dense layer as matrix products.
 *
 * Our arrays lie in rows, cuBLAS thinks in columns: a matrix [rows, columns] of ours is its transpose to it. So
 *
 *     a = x W + b                a^T (outputs x batch) = W^T x^T,           b is added down each column
 *     Delta = delta W^T          Delta^T (inputs x batch) = W delta^T
 *     gradient = x^T delta       gradient^T (outputs x inputs) = delta^T x
 *
 * where W^T, x^T and delta^T are what cuBLAS sees in W, x and delta as they lie. Weights keep the layout of the host.
 * Layers with few outputs are multiplied by kernels of ours (narrow.cu).
 */
#include "slots.h"

/* ---- layout ---- */

int64_t dualprop__cuda_weight_elements(void *self, int64_t inputs, int64_t outputs)
{
    (void)self;
    return inputs * outputs;
}

dualprop_status dualprop__cuda_write_weights(void *self, void *weights, const void *host, int64_t inputs,
                                             int64_t outputs)
{
    return dualprop__cuda_copy_in(self, weights, host, (size_t)(inputs * outputs) * sizeof(float));
}

dualprop_status dualprop__cuda_read_weights(void *self, void *host, const void *weights, int64_t inputs,
                                            int64_t outputs)
{
    return dualprop__cuda_copy_out(self, host, weights, (size_t)(inputs * outputs) * sizeof(float));
}

/* The gradients, where a learning step is asked for without memory for them. */
int64_t dualprop__cuda_dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    (void)self, (void)batch;
    return (inputs + 1) * outputs * (int64_t)sizeof(float);
}

/* ---- the three directions ---- */

static dualprop_status bottom_up(dualprop__cuda *self, const dualprop_dense *shape, void *a, const void *x,
                                 const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    dualprop__cuda_product product = {
        .rows = shape->outputs,
        .columns = shape->batch,
        .depth = shape->inputs,
        .a_step = shape->outputs,
        .b_step = shape->inputs,
        .d_step = shape->outputs,
        .batch = 1,
        .a = weights,
        .b = x,
        .bias = bias,
        .d = a,
        .scale = 1,
    };
    if (dualprop__cuda_is_narrow(shape))
        DUALPROP__CUDA_PASS(dualprop__cuda_narrow_up(self, shape, a, x, weights, bias));
    else DUALPROP__CUDA_PASS(dualprop__cuda_multiply(self, &product));
    return dyad ? dualprop__cuda_dyad(self, dyad) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                               const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    DUALPROP__CUDA_SLOT(self, bottom_up(self, shape, a, x, weights, bias, dyad));
}

static dualprop_status top_down(dualprop__cuda *self, const dualprop_dense *shape, void *to, const void *delta,
                                const void *weights, const dualprop_dyad *dyad)
{
    dualprop__cuda_product product = {
        .rows = shape->inputs,
        .columns = shape->batch,
        .depth = shape->outputs,
        .a_step = shape->outputs,
        .b_step = shape->outputs,
        .d_step = shape->inputs,
        .batch = 1,
        .a_transposed = 1,
        .a = weights,
        .b = delta,
        .d = to,
        .scale = 1,
    };
    if (dualprop__cuda_is_narrow(shape)) return dualprop__cuda_narrow_down(self, shape, to, delta, weights, dyad);
    DUALPROP__CUDA_PASS(dualprop__cuda_multiply(self, &product));
    return dyad ? dualprop__cuda_dyad(self, dyad) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_dense_top_down(void *self, const dualprop_dense *shape, void *to, const void *delta,
                                              const void *weights, const dualprop_dyad *dyad)
{
    DUALPROP__CUDA_SLOT(self, top_down(self, shape, to, delta, weights, dyad));
}

static dualprop_status weight_slopes(dualprop__cuda *self, const dualprop_dense *shape, float *gradient, const void *x,
                                     const void *delta, double scale, int accumulate)
{
    dualprop__cuda_product product = {
        .rows = shape->outputs,
        .columns = shape->inputs,
        .depth = shape->batch,
        .a_step = shape->outputs,
        .b_step = shape->inputs,
        .d_step = shape->outputs,
        .batch = 1,
        .b_transposed = 1,
        .a = delta,
        .b = x,
        .d = gradient,
        .scale = (float)scale,
        .keep = accumulate ? 1 : 0,
    };
    if (dualprop__cuda_has_narrow_gradient(shape))
        return dualprop__cuda_narrow_slopes(self, shape, gradient, x, delta, scale, accumulate);
    return dualprop__cuda_multiply(self, &product);
}

static dualprop_status slopes(dualprop__cuda *self, const dualprop_dense *shape, float *gradient, float *bias_gradient,
                              const void *x, const void *delta, double scale, int accumulate)
{
    dualprop__cuda_sums sums = { bias_gradient, delta, shape->batch, shape->outputs, scale, accumulate };
    DUALPROP__CUDA_PASS(weight_slopes(self, shape, gradient, x, delta, scale, accumulate));
    return bias_gradient ? dualprop__cuda_column_sums(self, &sums) : DUALPROP_OK;
}

/* Gradients into memory of their own may wait for others, to be learnt from in one launch. */
static dualprop_status gradient_and_step(dualprop__cuda *self, const dualprop_dense *shape, void *gradient,
                                         void *bias_gradient, const void *x, const void *delta, double scale,
                                         const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    int shared = !gradient || !bias_gradient;
    float *of_weights = shared ? shape->workspace : gradient;
    float *of_bias = shared ? (float *)shape->workspace + shape->inputs * shape->outputs : bias_gradient;
    dualprop__cuda_tensor tensors[2] = {
        { .w = weights, .g = of_weights, .moment1 = moments[0], .moment2 = moments[1] },
        { .w = bias, .g = of_bias, .moment1 = moments[2], .moment2 = moments[3], .count = shape->outputs },
    };
    tensors[0].count = shape->inputs * shape->outputs;
    tensors[1].summed = delta, tensors[1].rows = shape->batch, tensors[1].scale = scale;
    int by_step = dualprop__cuda_has_narrow_gradient(shape);
    if (by_step) {
        tensors[0].summed = delta, tensors[0].x = x, tensors[0].rows = shape->batch, tensors[0].scale = scale;
        tensors[0].inputs = shape->inputs, tensors[0].outputs = shape->outputs;
    }
    dualprop__cuda_gather(self, 1);
    dualprop_status status = by_step ? DUALPROP_OK : weight_slopes(self, shape, of_weights, x, delta, scale, 0);
    if (status == DUALPROP_OK) status = dualprop__cuda_learn(self, step, tensors, bias ? 2 : 1);
    if (status == DUALPROP_OK && shared) status = dualprop__cuda_learn_finish(self);
    dualprop__cuda_gather(self, 0);
    return status;
}

dualprop_status dualprop__cuda_dense_gradient(void *self, const dualprop_dense *shape, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, const dualprop_step_numbers *step, void *weights,
                                              void *bias, void *moments[4])
{
    if (step)
        DUALPROP__CUDA_SLOT(self, gradient_and_step(self, shape, gradient, bias_gradient, x, delta, scale, step,
                                                    weights, bias, moments));
    DUALPROP__CUDA_SLOT(self, slopes(self, shape, gradient, bias_gradient, x, delta, scale, accumulate));
}
