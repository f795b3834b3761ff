/*
 * blis_convolution.c - the nine slots, and which way each layer is computed.
 *
 * Locally connected layers, which have weights of their own at each place and so no panels to share, are the reference
 * backend's.
 */
#include "blis_convolution.h"

#include "blis_im2col.h"
#include "blis_winograd.h"

static dualprop__blis *convolution_instance(void *self)
{
    return self;
}

static int is_local(const dualprop_convolution *shape)
{
    return shape->kind == DUALPROP_LAYER_LOCAL;
}

void dualprop__blis_choose_convolutions(void *self, int way)
{
    convolution_instance(self)->convolutions = way;
}

/* ---- the slots ---- */

/* Is the shape so large that sizes in bytes would overflow? */
static int is_beyond_convolution(const dualprop_convolution *shape)
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
    if (is_beyond_convolution(shape)) return -1;
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
    if (is_beyond_convolution(shape)) return -1;
    if (dualprop__winograd_fits(self, shape)) {
        int64_t bytes =
            dualprop__most(dualprop__winograd_bytes(self, shape, 0), dualprop__winograd_bytes(self, shape, 1));
        return dualprop__most(bytes, dualprop__winograd_gradient_bytes(self, shape));
    }
    int64_t bytes = dualprop__im2col_bottom_up_bytes(self, shape);
    bytes = dualprop__most(bytes, dualprop__im2col_top_down_bytes(self, shape));
    return dualprop__most(bytes, dualprop__im2col_gradient_bytes(self, shape));
}

int64_t dualprop__blis_convolution_bottom_up_workspace(void *self, const dualprop_convolution *shape)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_workspace(self, shape);
    if (is_beyond_convolution(shape)) return -1;
    return dualprop__winograd_fits(self, shape) ? dualprop__winograd_bytes(self, shape, 0)
                                                : dualprop__im2col_bottom_up_bytes(self, shape);
}

int64_t dualprop__blis_convolution_cache(void *self, const dualprop_convolution *shape)
{
    if (is_local(shape)) return dualprop__reference_backend.convolution_cache(self, shape);
    if (is_beyond_convolution(shape)) return -1;
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
        return dualprop__reference_backend.convolution_gradient(
            self, shape, gradient, bias_gradient, x, delta, switches, scale, accumulate, step, weights, bias, moments);
    dualprop__sink sink = { scale, step ? 0 : accumulate, step, gradient, bias_gradient, weights, bias, moments };
    if (dualprop__winograd_fits(self, shape)) dualprop__winograd_gradient(self, shape, x, delta, switches, &sink);
    else dualprop__im2col_gradient(self, shape, x, delta, switches, &sink);
    return DUALPROP_OK;
}
