/*
 * map.h - the linear map of a layer, in its three directions, whatever its kind.
 *
 * Here the kinds of layers end: inference and learning above, slots of the backend below.
 */
#ifndef DUALPROP_CORE_MAP_H
#define DUALPROP_CORE_MAP_H

#include "state_internal.h"

/* Bytes of workspace that the three directions need for the state's capacity; -1 where the shape is too large. */
int64_t dualprop__map_workspace(const dualprop_state *state, const dualprop_layer *layer);

/* a = W x + b of layer k, followed by the dyad update where one is given. x is (count, inputs), a (count, width). */
dualprop_status dualprop__map_bottom_up(dualprop_state *state, int k, void *a, const void *x,
                                        const dualprop_dyad *update);

/* top_down = W^T delta of layer k, which layer k - 1 hears, followed by the dyad update where one is given. */
dualprop_status dualprop__map_top_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                       const dualprop_dyad *update);

/* The gradient of layer k, into learning's memory or, where step is given, at once into the parameters. */
dualprop_status dualprop__map_gradient(dualprop_state *state, int k, struct dualprop__learning *learning,
                                       const void *x, const void *delta, double scale, int accumulate,
                                       const dualprop_step_numbers *step);

/* One sample through the linear map alone, without bias and pooling, and back: for power iterations. */
dualprop_status dualprop__map_linear_up(dualprop_state *state, int k, void *a, const void *x);
dualprop_status dualprop__map_linear_down(dualprop_state *state, int k, void *top_down, const void *delta);

/* Weights in the public layout on the host into the backend's. */
dualprop_status dualprop__map_write_weights(dualprop_state *state, int k, void *weights, const void *host);

#endif
