/*
 * idle_map.c - see idle_map.h.
 */
#include "idle_map.h"

#include <string.h>

static size_t bytes_of(int64_t elements, int type)
{
    return (size_t)elements * (type == DUALPROP_F32 ? sizeof(float) : sizeof(double));
}

int idle_product(void *user_data, void *result, const void *vectors, const void *weights,
                 const dualprop_map_shape *shape)
{
    (void)user_data, (void)weights;
    memcpy(result, vectors, bytes_of(shape->count * shape->inputs, shape->type));
    return 0;
}

int idle_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *weights,
                  const dualprop_map_shape *shape)
{
    (void)user_data, (void)x, (void)delta, (void)weights;
    memset(gradient, 0, bytes_of(shape->weights, shape->type));
    return 0;
}

dualprop_status idle_map_register(int *map, dualprop_context *context)
{
    return dualprop_map_register(map, context, "idle", idle_product, idle_product, idle_gradient, NULL);
}
