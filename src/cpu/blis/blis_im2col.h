/*
 * blis_im2col.h - convolutions as products: the columns of the im2col matrix, never more of it than a unit needs.
 *
 * The im2col matrix has a row for each pixel of the map and a column for each (tap, channel): what the kernel's window
 * sees there, zeros beyond the image. With the weights as [taps * channels, outputs] the three directions are
 *
 *     bottom-up   map = im2col(x) W + bias        broadcasts: pixels of the map,   vectors: W as it is
 *     top-down    Delta = im2col'(delta) W^T      broadcasts: pixels of x,         vectors: W^T, from the cache
 *     gradient    dW = im2col(x)^T delta          broadcasts: columns,             vectors: delta
 *
 * where im2col' takes for each pixel of x the places of the map whose windows see it. With strides these differ from
 * pixel to pixel: the pixels fall into stride_height * stride_width phases, and those of one phase are seen through the
 * same taps. So no product is computed for nothing, and nothing is scattered: a sum has one owner and one order.
 */
#ifndef DUALPROP_CPU_BLIS_IM2COL_H
#define DUALPROP_CPU_BLIS_IM2COL_H

#include "blis_convolution.h"

/* A place in a batch of images; image -1 is nowhere. y and x may lie beyond the image. */
typedef struct dualprop__place {
    int64_t image, y, x;
} dualprop__place;

/* Images [batch, height, width, channels], and channels zeros for what lies beyond them. */
typedef struct dualprop__images {
    const dualprop__blis *blis;
    const void *pixels, *zeros;
    int64_t height, width, channels;
} dualprop__images;

/* The pixel `down` rows below and `right` columns to the right of a place, from channel `channel` on. */
static inline const void *dualprop__pixel_at(const dualprop__images *images, const dualprop__place *place,
                                             int64_t down, int64_t right, int64_t channel)
{
    int64_t y = place->y + down, x = place->x + right;
    if (place->image < 0 || y < 0 || y >= images->height || x < 0 || x >= images->width) return images->zeros;
    int64_t pixel = (place->image * images->height + y) * images->width + x;
    return dualprop__at(images->blis, images->pixels, pixel * images->channels + channel);
}

int64_t dualprop__im2col_bottom_up_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);
int64_t dualprop__im2col_top_down_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);
int64_t dualprop__im2col_gradient_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);

#endif
