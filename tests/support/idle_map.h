/*
 * idle_map.h - a linear map of the caller's that passes its vectors on and learns nothing, in f32 and f64, for tests
 * that need a map and not what it computes. A layer with it has as many outputs as inputs.
 */
#ifndef TESTS_IDLE_MAP_H
#define TESTS_IDLE_MAP_H

#include <dualprop/dualprop.h>

int idle_product(void *user_data, void *result, const void *vectors, const void *weights,
                 const dualprop_map_shape *shape);
int idle_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *weights,
                  const dualprop_map_shape *shape);

/* Register it under the name "idle". */
dualprop_status idle_map_register(int *map, dualprop_context *context);

#endif
