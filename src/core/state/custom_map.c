/*
 * custom_map.c - the three directions of a layer whose linear map is the caller's, on memory of the host.
 *
 * The caller's functions compute products and the gradient of the weights; the bias, which is added to what comes up,
 * and whose gradient is the sum of delta over the batch, is ours. All run on the thread that called the library.
 */
#include "custom_map.h"

static dualprop_map_shape shape_of_map(const dualprop_layer *layer, int64_t count)
{
    return (dualprop_map_shape){
        .struct_size = sizeof(dualprop_map_shape),
        .type = layer->network->context->precision,
        .count = count,
        .inputs = layer->inputs,
        .outputs = layer->outputs,
        .weights = layer->custom_weights,
    };
}

/* An activation may hide what is infinite: relu makes 0 of it, tanh 1. */
static dualprop_status check_product(const dualprop_layer *layer, int answer, const void *product, int64_t count)
{
    const dualprop_context *context = layer->network->context;
    DUALPROP__TRY(dualprop__layer_map_answer(layer, answer));
    DUALPROP__REQUIRE(context, dualprop__reals_finite(product, context->precision, count), DUALPROP_ERROR_DIVERGED,
                      "the map %s of layer %d computed a number that is NaN or infinite", layer->custom_map->part.name,
                      layer->index);
    return DUALPROP_OK;
}

static void add_bias_rows(void *a, const void *bias, int type, int64_t count, int64_t width)
{
    for (int64_t b = 0; b < count; b++)
        for (int64_t i = 0; i < width; i++) {
            double sum = dualprop__real_at(a, type, b * width + i) + dualprop__real_at(bias, type, i);
            dualprop__real_set(a, type, b * width + i, sum);
        }
}

dualprop_status dualprop__custom_map_up(const dualprop_layer *layer, int64_t count, void *a, const void *x,
                                        const void *weights, const void *bias)
{
    const struct dualprop__custom_map *map = layer->custom_map;
    dualprop_map_shape shape = shape_of_map(layer, count);
    int answer = map->forward(map->user_data, a, x, weights, &shape);
    DUALPROP__TRY(check_product(layer, answer, a, count * layer->outputs));
    if (bias) add_bias_rows(a, bias, shape.type, count, layer->outputs);
    return DUALPROP_OK;
}

dualprop_status dualprop__custom_map_down(const dualprop_layer *layer, int64_t count, void *top_down, const void *delta,
                                          const void *weights)
{
    const struct dualprop__custom_map *map = layer->custom_map;
    dualprop_map_shape shape = shape_of_map(layer, count);
    int answer = map->transposed(map->user_data, top_down, delta, weights, &shape);
    return check_product(layer, answer, top_down, count * layer->inputs);
}

/* to = scale * sum, added to what is there if it accumulates. `sum` may be `to`. */
static void scale_sum(void *to, const void *sum, int type, int64_t count, double scale, int accumulate)
{
    for (int64_t i = 0; i < count; i++) {
        double before = accumulate ? dualprop__real_at(to, type, i) : 0;
        dualprop__real_set(to, type, i, before + scale * dualprop__real_at(sum, type, i));
    }
}

static void sum_bias_gradient(void *gradient, const void *delta, int type, int64_t count, int64_t width, double scale,
                              int accumulate)
{
    for (int64_t i = 0; i < width; i++) {
        double sum = 0, before = accumulate ? dualprop__real_at(gradient, type, i) : 0;
        for (int64_t b = 0; b < count; b++) sum += dualprop__real_at(delta, type, b * width + i);
        dualprop__real_set(gradient, type, i, before + scale * sum);
    }
}

dualprop_status dualprop__custom_map_gradient(const dualprop_layer *layer, int64_t count, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, void *workspace)
{
    const struct dualprop__custom_map *map = layer->custom_map;
    dualprop_map_shape shape = shape_of_map(layer, count);
    void *sum = accumulate ? workspace : gradient;
    int answer = map->gradient(map->user_data, sum, x, delta, layer->weight, &shape);
    DUALPROP__TRY(dualprop__layer_map_answer(layer, answer));
    scale_sum(gradient, sum, shape.type, layer->custom_weights, scale, accumulate);
    sum_bias_gradient(bias_gradient, delta, shape.type, count, layer->outputs, scale, accumulate);
    return DUALPROP_OK;
}

int64_t dualprop__custom_map_workspace(const dualprop_layer *layer)
{
    return layer->custom_weights * (int64_t)layer->network->context->real_size; /* checked when it was described */
}
