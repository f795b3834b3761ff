/*
 * map.c - from a layer's linear map to the slots of the backend.
 */
#include "map.h"

/* The weights as this inference reads them. */
static const void *weight_of(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    return own->noisy && state->phase == DUALPROP__OPEN ? own->noisy : own->layer->weight;
}

/* What delta goes down through. */
static const void *feedback_of(const dualprop_state *state, int k)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    return state->feedback != DUALPROP_FEEDBACK_SYMMETRIC && layer->feedback ? layer->feedback : weight_of(state, k);
}

static dualprop_dense dense_shape(const dualprop_state *state, const dualprop_layer *layer)
{
    return (dualprop_dense){ state->count, layer->inputs, layer->outputs, state->workspace };
}

int64_t dualprop__map_workspace(const dualprop_state *state, const dualprop_layer *layer)
{
    return state->context->backend.dense_workspace(state->context->instance, state->capacity, layer->inputs,
                                                   layer->outputs);
}

dualprop_status dualprop__map_bottom_up(dualprop_state *state, int k, void *a, const void *x,
                                        const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_bottom_up(state->context->instance, &shape, a, x, weight_of(state, k),
                                                   layer->bias, update);
}

dualprop_status dualprop__map_top_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                       const dualprop_dyad *update)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_top_down(state->context->instance, &shape, top_down, delta,
                                                  feedback_of(state, k), update);
}

dualprop_status dualprop__map_gradient(dualprop_state *state, int k, struct dualprop__learning *learning,
                                       const void *x, const void *delta, double scale, int accumulate,
                                       const dualprop_step_numbers *step)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_dense shape = dense_shape(state, layer);
    return state->context->backend.dense_gradient(
        state->context->instance, &shape, step ? NULL : learning->weight_gradient,
        step ? NULL : learning->bias_gradient, x, delta, scale, accumulate, step, step ? layer->weight : NULL,
        step ? layer->bias : NULL, learning->moments);
}

/* ---- for power iterations and weight noise ---- */

dualprop_status dualprop__map_linear_up(dualprop_state *state, int k, void *a, const void *x)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_dense shape = { 1, layer->inputs, layer->outputs, state->workspace };
    return state->context->backend.dense_bottom_up(state->context->instance, &shape, a, x, weight_of(state, k), NULL,
                                                   NULL);
}

dualprop_status dualprop__map_linear_down(dualprop_state *state, int k, void *top_down, const void *delta)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    dualprop_dense shape = { 1, layer->inputs, layer->outputs, state->workspace };
    return state->context->backend.dense_top_down(state->context->instance, &shape, top_down, delta,
                                                  weight_of(state, k), NULL);
}

dualprop_status dualprop__map_write_weights(dualprop_state *state, int k, void *weights, const void *host)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    return state->context->backend.write_weights(state->context->instance, weights, host, layer->inputs,
                                                 layer->outputs);
}
