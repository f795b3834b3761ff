/*
 * blis_pooling.c - pooling of rows that are in the cache, and the map that a pooled delta stands for.
 */
#include <string.h>

#include "blis_images.h"

static dualprop__pooled_row pooling_row_of(const dualprop_convolution *shape, int64_t map_pixel, int64_t channels)
{
    return (dualprop__pooled_row){
        .width = shape->pooled_width,
        .window_height = shape->window_height,
        .window_width = shape->window_width,
        .step = shape->window_stride_width,
        .channels = channels,
        .map_pixel = map_pixel,
        .map_row = map_pixel * shape->map_width,
        .pooled_pixel = shape->outputs,
    };
}

void dualprop__pool_row(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t pooled_row,
                        const void *map, int64_t map_pixel, int64_t first, int64_t count, void *a, uint8_t *switches)
{
    dualprop__pooled_row row = pooling_row_of(shape, map_pixel, count);
    int64_t start = pooled_row * shape->pooled_width * shape->outputs + first;
    if (shape->pooling == DUALPROP_POOL_MAX)
        blis->convolution_loops->pool_max(&row, dualprop__at(blis, a, start), switches + start, map);
    else blis->convolution_loops->pool_average(&row, dualprop__at(blis, a, start), map);
}

/* ---- the adjoint ---- */

int64_t dualprop__map_bytes(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    if (!dualprop__is_pooled(shape)) return 0;
    return shape->batch * shape->map_height * shape->map_width * shape->outputs * (int64_t)blis->loops->real_size;
}

static int windows_overlap(const dualprop_convolution *shape)
{
    return shape->window_stride_height < shape->window_height || shape->window_stride_width < shape->window_width;
}

/* Does each place of the map lie in exactly one window? */
static int windows_tile(const dualprop_convolution *shape)
{
    return shape->window_stride_height == shape->window_height && shape->window_stride_width == shape->window_width &&
           shape->pooled_height * shape->window_height == shape->map_height &&
           shape->pooled_width * shape->window_width == shape->map_width;
}

void dualprop__unpool_unit(void *argument, int64_t image, int64_t member)
{
    const dualprop__unpooling *job = argument;
    (void)member;
    const dualprop_convolution *shape = job->shape;
    dualprop__pooled_row row = pooling_row_of(shape, shape->outputs, shape->outputs);
    int64_t size = shape->map_height * shape->map_width * shape->outputs;
    char *map = dualprop__at(job->blis, job->map, image * size);
    if (!windows_tile(shape)) memset(map, 0, (size_t)size * job->blis->loops->real_size);
    for (int64_t y = 0; y < shape->pooled_height; y++) {
        int64_t start = (image * shape->pooled_height + y) * shape->pooled_width * shape->outputs;
        const uint8_t *switches = shape->pooling == DUALPROP_POOL_MAX ? job->switches + start : NULL;
        for (int64_t i = 0; i < shape->window_height; i++)
            job->blis->convolution_loops->unpool(
                &row, i, dualprop__at(job->blis, map, (y * shape->window_stride_height + i) * row.map_row),
                dualprop__at(job->blis, job->delta, start), switches, windows_overlap(shape));
    }
}
