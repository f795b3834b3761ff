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

/* Bytes that a layer's cache needs in a state; likewise. */
int64_t dualprop__map_cache(const dualprop_state *state, const dualprop_layer *layer);

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

/* One sample through the linear map alone, without bias and pooling, and back: for power iterations on one layer. */
dualprop_status dualprop__map_linear_up(dualprop_state *state, int k, void *a, const void *x);
dualprop_status dualprop__map_linear_down(dualprop_state *state, int k, void *top_down, const void *delta);
/* The same with pooling, down through the switches that up left: for power iterations through several layers. */
dualprop_status dualprop__map_pooled_up(dualprop_state *state, int k, void *a, const void *x);
dualprop_status dualprop__map_pooled_down(dualprop_state *state, int k, void *top_down, const void *delta);
/* What was derived from an array of weights is stale, though it is the same array in the same generation. */
void dualprop__map_forget(dualprop_state *state, int k);
/* Elements of one sample before pooling: what the linear map alone gives. */
int64_t dualprop__map_width(const dualprop_layer *layer);

/* ---- switches.c: the switches of max pooling where a rule takes them anew ---- */

/* Bytes of switches a sample of this layer needs. */
int64_t dualprop__switches_elements(const dualprop_layer *layer);
/* Does layer k take switches anew? */
int dualprop__takes_own_switches(const dualprop_state *state, int k);
/* The scratch memory that it takes: its bytes; having it after the rule changed; and letting it go. */
dualprop_status dualprop__switches_measure(uint64_t *bytes, const dualprop_state *state);
dualprop_status dualprop__switches_plan(dualprop_state *state);
void dualprop__switches_release(dualprop_state *state);
/* Before layer k's map is used downwards: switches at s+ of layer k - 1, with plus, (count, width), as scratch. */
dualprop_status dualprop__switches_of_plus(dualprop_state *state, int k, void *plus);
/* Before layer k's gradient: switches at sbar of layer k - 1. */
dualprop_status dualprop__switches_of_mean(dualprop_state *state, int k);
/* Would the map above layer k be switched otherwise than when Delta_k was computed? */
int dualprop__switches_changed(const dualprop_state *state, int k);

#endif
