/*
 * custom_map.h - the three directions of a linear map of the caller's; see custom_map.c.
 */
#ifndef DUALPROP_CORE_CUSTOM_MAP_H
#define DUALPROP_CORE_CUSTOM_MAP_H

#include "state_internal.h"

/* a = W x, plus the bias unless it is NULL. */
dualprop_status dualprop__custom_map_up(const dualprop_layer *layer, int64_t count, void *a, const void *x,
                                        const void *weights, const void *bias);
dualprop_status dualprop__custom_map_down(const dualprop_layer *layer, int64_t count, void *top_down, const void *delta,
                                          const void *weights);
/* Both gradients, times scale, added to what is there if it accumulates. */
dualprop_status dualprop__custom_map_gradient(const dualprop_layer *layer, int64_t count, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, void *workspace);
/* Bytes of workspace that the gradient needs. */
int64_t dualprop__custom_map_workspace(const dualprop_layer *layer);

#endif
