/*
 * map.c - from a layer's linear map to the slots of the backend.
 *
 * What a convolution derives from its weights is kept in the state, and computed again when the weights have changed:
 * when the network's generation is another, or the array of weights. Feedback weights have a cache of their own.
 */
#include "custom_map.h"

static int is_dense(const dualprop_layer *layer)
{
    return layer->kind == DUALPROP_LAYER_DENSE;
}

static int is_custom(const dualprop_layer *layer)
{
    return layer->kind == DUALPROP_LAYER_CUSTOM;
}

/* The weights as this inference reads them. */
static const void *weight_of(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    return own->inference->arrays.noisy && state->run.phase == DUALPROP__OPEN ? own->inference->arrays.noisy
                                                                              : own->layer->weight;
}

static int has_feedback(const dualprop_state *state, int k)
{
    return state->snapshot.feedback != DUALPROP_FEEDBACK_SYMMETRIC && state->dyads[k].layer->feedback;
}

/* What delta goes down through. */
static const void *feedback_of(const dualprop_state *state, int k)
{
    return has_feedback(state, k) ? state->dyads[k].layer->feedback : weight_of(state, k);
}

/* ---- shapes ---- */

static dualprop_dense dense_shape(const dualprop_state *state, const dualprop_layer *layer)
{
    return (dualprop_dense){ state->batch.count, layer->inputs, layer->outputs, state->plan.workspace,
                             state->plan.workspace_bytes };
}

static dualprop_convolution convolution_shape(const dualprop_state *state, int k)
{
    dualprop_convolution shape = state->dyads[k].layer->map;
    shape.batch = state->batch.count;
    shape.workspace = state->plan.workspace;
    shape.cache = state->dyads[k].caches[0].memory;
    return shape;
}

/* The shape of layer k for one sample, without its pooling unless `pools`. */
static dualprop_convolution single_shape(const dualprop_state *state, int k, int pools)
{
    dualprop_convolution shape = convolution_shape(state, k);
    shape.batch = 1;
    if (pools) return shape;
    shape.pooling = DUALPROP_POOL_NONE;
    shape.pooled_height = shape.map_height;
    shape.pooled_width = shape.map_width;
    return shape;
}

/* Without a rule a state only predicts. */
static int64_t dense_workspace_of(const dualprop_state *state, const dualprop_layer *layer)
{
    const dualprop_backend *backend = &state->context->backend;
    void *instance = state->context->instance;
    if (!state->rule && backend->dense_bottom_up_workspace)
        return backend->dense_bottom_up_workspace(instance, state->capacity, layer->inputs, layer->outputs);
    return backend->dense_workspace(instance, state->capacity, layer->inputs, layer->outputs);
}

int64_t dualprop__map_workspace(const dualprop_state *state, const dualprop_layer *layer)
{
    const dualprop_context *context = state->context;
    if (is_dense(layer)) return dense_workspace_of(state, layer);
    if (is_custom(layer)) return state->rule ? dualprop__custom_map_workspace(layer) : 0;
    dualprop_convolution shape = layer->map;
    shape.batch = state->capacity;
    if (!state->rule && context->backend.convolution_bottom_up_workspace)
        return context->backend.convolution_bottom_up_workspace(context->instance, &shape);
    int64_t bytes = context->backend.convolution_workspace(context->instance, &shape);
    shape = single_shape(state, layer->index, 0);
    int64_t single = context->backend.convolution_workspace(context->instance, &shape);
    return bytes < 0 || single < 0 ? -1 : bytes > single ? bytes : single;
}

int64_t dualprop__map_cache(const dualprop_state *state, const dualprop_layer *layer)
{
    if (!dualprop__layer_is_image(layer)) return 0;
    dualprop_convolution shape = layer->map;
    shape.batch = state->capacity;
    return state->context->backend.convolution_cache(state->context->instance, &shape);
}

/* ---- what is derived from weights ---- */

/* Give the shape the cache of these weights, up to date. */
static dualprop_status prepare_cache(dualprop_convolution *shape, dualprop_state *state, int k, const void *weights)
{
    int which = state->plan.needs.feedback && weights == state->dyads[k].layer->feedback;
    struct dualprop__cache *cache = &state->dyads[k].caches[which];
    uint64_t generation = atomic_load(&state->dyads[k].layer->network->generation);
    shape->cache = cache->memory;
    if (cache->weights == weights && cache->generation == generation) return DUALPROP_OK;
    cache->weights = NULL;
    DUALPROP__TRY(state->context->backend.convolution_prepare(state->context->instance, shape, weights));
    cache->weights = weights;
    cache->generation = generation;
    return DUALPROP_OK;
}

/* ---- the three directions ---- */

/* After a product of the caller's, which no update can be fused with. */
static dualprop_status update_apart(const dualprop_state *state, const dualprop_dyad *update)
{
    return update ? state->context->backend.dyad_update(state->context->instance, update) : DUALPROP_OK;
}

static dualprop_status convolve_up(dualprop_state *state, int k, void *a, const void *x, const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_convolution shape = convolution_shape(state, k);
    DUALPROP__TRY(prepare_cache(&shape, state, k, weight_of(state, k)));
    return state->context->backend.convolution_bottom_up(state->context->instance, &shape, a,
                                                         state->dyads[k].arrays.switches, x, weight_of(state, k),
                                                         layer->bias, update);
}

dualprop_status dualprop__map_bottom_up(dualprop_state *state, int k, void *a, const void *x,
                                        const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    if (is_custom(layer)) {
        DUALPROP__TRY(dualprop__custom_map_up(layer, state->batch.count, a, x, weight_of(state, k), layer->bias));
        return update_apart(state, update);
    }
    if (!is_dense(layer)) return convolve_up(state, k, a, x, update);
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_bottom_up(state->context->instance, &shape, a, x, weight_of(state, k),
                                                   layer->bias, update);
}

/* W^T delta for any array of weights in the layout of layer k's. */
static dualprop_status map_down_through(dualprop_state *state, int k, void *top_down, const void *delta,
                                        const void *weights, const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    const dualprop_context *context = state->context;
    if (is_custom(layer)) {
        DUALPROP__TRY(dualprop__custom_map_down(layer, state->batch.count, top_down, delta, weights));
        return update_apart(state, update);
    }
    if (is_dense(layer)) {
        dualprop_dense shape = dense_shape(state, layer);
        return context->backend.dense_top_down(context->instance, &shape, top_down, delta, weights, update);
    }
    dualprop_convolution shape = convolution_shape(state, k);
    DUALPROP__TRY(prepare_cache(&shape, state, k, weights));
    return context->backend.convolution_top_down(context->instance, &shape, top_down, delta,
                                                 state->dyads[k].arrays.switches, weights, update);
}

dualprop_status dualprop__map_top_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                       const dualprop_dyad *update)
{
    return map_down_through(state, k, top_down, delta, feedback_of(state, k), update);
}

dualprop_status dualprop__map_adjoint(dualprop_state *state, int k, void *top_down, const void *delta)
{
    return map_down_through(state, k, top_down, delta, weight_of(state, k), NULL);
}

/* ---- one sample, without bias ---- */

static dualprop_status single_up(dualprop_state *state, int k, void *a, const void *x, int pools)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    const dualprop_context *context = state->context;
    if (is_custom(layer)) return dualprop__custom_map_up(layer, 1, a, x, weight_of(state, k), NULL);
    if (is_dense(layer)) {
        dualprop_dense shape = { 1, layer->inputs, layer->outputs, state->plan.workspace, state->plan.workspace_bytes };
        return context->backend.dense_bottom_up(context->instance, &shape, a, x, weight_of(state, k), NULL, NULL);
    }
    dualprop_convolution shape = single_shape(state, k, pools);
    uint8_t *switches = pools ? state->dyads[k].arrays.switches : NULL;
    DUALPROP__TRY(prepare_cache(&shape, state, k, weight_of(state, k)));
    return context->backend.convolution_bottom_up(context->instance, &shape, a, switches, x, weight_of(state, k), NULL,
                                                  NULL);
}

static dualprop_status single_down(dualprop_state *state, int k, void *top_down, const void *delta, int pools)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    const dualprop_context *context = state->context;
    if (is_custom(layer)) return dualprop__custom_map_down(layer, 1, top_down, delta, weight_of(state, k));
    if (is_dense(layer)) {
        dualprop_dense shape = { 1, layer->inputs, layer->outputs, state->plan.workspace, state->plan.workspace_bytes };
        return context->backend.dense_top_down(context->instance, &shape, top_down, delta, weight_of(state, k), NULL);
    }
    dualprop_convolution shape = single_shape(state, k, pools);
    const uint8_t *switches = pools ? state->dyads[k].arrays.switches : NULL;
    DUALPROP__TRY(prepare_cache(&shape, state, k, weight_of(state, k)));
    return context->backend.convolution_top_down(context->instance, &shape, top_down, delta, switches,
                                                 weight_of(state, k), NULL);
}

dualprop_status dualprop__map_linear_up(dualprop_state *state, int k, void *a, const void *x)
{
    return single_up(state, k, a, x, 0);
}

dualprop_status dualprop__map_linear_down(dualprop_state *state, int k, void *top_down, const void *delta)
{
    return single_down(state, k, top_down, delta, 0);
}

dualprop_status dualprop__map_pooled_up(dualprop_state *state, int k, void *a, const void *x)
{
    return single_up(state, k, a, x, 1);
}

dualprop_status dualprop__map_pooled_down(dualprop_state *state, int k, void *top_down, const void *delta)
{
    return single_down(state, k, top_down, delta, 1);
}

int64_t dualprop__map_width(const dualprop_layer *layer)
{
    const dualprop_convolution *map = &layer->map;
    return dualprop__layer_is_image(layer) ? map->map_height * map->map_width * map->outputs : layer->outputs;
}

void dualprop__map_forget(dualprop_state *state, int k)
{
    state->dyads[k].caches[0].weights = NULL;
}

/* ---- the gradient ---- */

dualprop_status dualprop__map_gradient_rows(dualprop_state *state, int k, int64_t first, int64_t rows, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta, double scale,
                                            int accumulate, const dualprop_step_numbers *step, void *moments[4])
{
    const dualprop_layer *layer = state->dyads[k].layer;
    const dualprop_backend *backend = &state->context->backend;
    void *weight = step ? layer->weight : NULL, *bias = step ? layer->bias : NULL;
    const uint8_t *switches = state->dyads[k].arrays.switches;
    if (switches) switches += first * dualprop__switches_elements(layer);
    /* A step is never fused with this gradient: see dualprop__network_has_custom_maps(). */
    if (is_custom(layer))
        return dualprop__custom_map_gradient(layer, rows, gradient, bias_gradient, x, delta, scale, accumulate,
                                             state->plan.workspace);
    if (is_dense(layer)) {
        dualprop_dense shape = dense_shape(state, layer);
        shape.batch = rows;
        return backend->dense_gradient(state->context->instance, &shape, gradient, bias_gradient, x, delta, scale,
                                       accumulate, step, weight, bias, moments);
    }
    dualprop_convolution shape = convolution_shape(state, k);
    shape.batch = rows;
    return backend->convolution_gradient(state->context->instance, &shape, gradient, bias_gradient, x, delta, switches,
                                         scale, accumulate, step, weight, bias, moments);
}

dualprop_status dualprop__map_gradient(dualprop_state *state, int k, void *gradient, void *bias_gradient, const void *x,
                                       const void *delta, double scale, int accumulate,
                                       const dualprop_step_numbers *step, void *moments[4])
{
    return dualprop__map_gradient_rows(state, k, 0, state->batch.count, gradient, bias_gradient, x, delta, scale,
                                       accumulate, step, moments);
}
