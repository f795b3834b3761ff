/*
 * map.c - from a layer's linear map to the slots of the backend.
 *
 * What a convolution derives from its weights is kept in the state and made anew when the weights have changed: when
 * the network's generation is another, or the array of weights.
 */
#include "map.h"

static int is_dense(const dualprop_layer *layer)
{
    return layer->kind == DUALPROP_LAYER_DENSE;
}

/* ---- shapes ---- */

static dualprop_dense dense_shape(const dualprop_state *state, const dualprop_layer *layer)
{
    return (dualprop_dense){ state->count, layer->inputs, layer->outputs, state->workspace };
}

static dualprop_convolution convolution_shape(const dualprop_state *state, int k)
{
    dualprop_convolution shape = state->dyads[k].layer->map;
    shape.batch = state->count;
    shape.workspace = state->workspace;
    shape.cache = state->dyads[k].cache;
    return shape;
}

int64_t dualprop__map_workspace(const dualprop_state *state, const dualprop_layer *layer)
{
    const dualprop_context *context = state->context;
    if (is_dense(layer))
        return context->backend.dense_workspace(context->instance, state->capacity, layer->inputs, layer->outputs);
    dualprop_convolution shape = layer->map;
    shape.batch = state->capacity;
    return context->backend.convolution_workspace(context->instance, &shape);
}

int64_t dualprop__map_cache(const dualprop_state *state, const dualprop_layer *layer)
{
    if (is_dense(layer)) return 0;
    dualprop_convolution shape = layer->map;
    shape.batch = state->capacity;
    return state->context->backend.convolution_cache(state->context->instance, &shape);
}

/* ---- what is derived from weights ---- */

static dualprop_status prepare(dualprop_state *state, int k, const dualprop_convolution *shape, const void *weights)
{
    struct dualprop__dyads *own = &state->dyads[k];
    uint64_t generation = atomic_load(&state->network->generation);
    if (own->cached_weights == weights && own->cached_generation == generation) return DUALPROP_OK;
    own->cached_weights = NULL;
    DUALPROP__TRY(state->context->backend.convolution_prepare(state->context->instance, shape, weights));
    own->cached_weights = weights;
    own->cached_generation = generation;
    return DUALPROP_OK;
}

/* ---- the three directions ---- */

static dualprop_status convolve(dualprop_state *state, int k, void *a, const void *x, const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_convolution shape = convolution_shape(state, k);
    DUALPROP__TRY(prepare(state, k, &shape, layer->weight));
    return state->context->backend.convolution_bottom_up(state->context->instance, &shape, a, state->dyads[k].switches,
                                                         x, layer->weight, layer->bias, update);
}

dualprop_status dualprop__map_bottom_up(dualprop_state *state, int k, void *a, const void *x,
                                        const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    if (!is_dense(layer)) return convolve(state, k, a, x, update);
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_bottom_up(state->context->instance, &shape, a, x, layer->weight, layer->bias,
                                                   update);
}

static dualprop_status convolve_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                     const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_convolution shape = convolution_shape(state, k);
    DUALPROP__TRY(dualprop__switches_of_plus(state, k, top_down));
    DUALPROP__TRY(prepare(state, k, &shape, layer->weight));
    return state->context->backend.convolution_top_down(state->context->instance, &shape, top_down, delta,
                                                        state->dyads[k].switches, layer->weight, update);
}

dualprop_status dualprop__map_top_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                       const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    if (!is_dense(layer)) return convolve_down(state, k, top_down, delta, update);
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_top_down(state->context->instance, &shape, top_down, delta, layer->weight,
                                                  update);
}

dualprop_status dualprop__map_gradient(dualprop_state *state, int k, struct dualprop__learning *learning,
                                       const void *x, const void *delta, double scale, int accumulate,
                                       const dualprop_step_numbers *step)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    const dualprop_backend *backend = &state->context->backend;
    void *gradient = step ? NULL : learning->weight_gradient, *bias_gradient = step ? NULL : learning->bias_gradient;
    void *weight = step ? layer->weight : NULL, *bias = step ? layer->bias : NULL;
    if (is_dense(layer)) {
        dualprop_dense shape = dense_shape(state, layer);
        return backend->dense_gradient(state->context->instance, &shape, gradient, bias_gradient, x, delta, scale,
                                       accumulate, step, weight, bias, learning->moments);
    }
    DUALPROP__TRY(dualprop__switches_of_mean(state, k));
    dualprop_convolution shape = convolution_shape(state, k);
    return backend->convolution_gradient(state->context->instance, &shape, gradient, bias_gradient, x, delta,
                                         state->dyads[k].switches, scale, accumulate, step, weight, bias,
                                         learning->moments);
}
