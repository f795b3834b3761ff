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

#include "blis_images.h"
#include "blis_sink.h"

int64_t dualprop__im2col_bottom_up_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);
int64_t dualprop__im2col_top_down_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);
int64_t dualprop__im2col_gradient_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);

int64_t dualprop__im2col_cache(const dualprop__blis *blis, const dualprop_convolution *shape);
void dualprop__im2col_prepare(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights);
void dualprop__im2col_bottom_up(const dualprop__blis *blis, const dualprop_convolution *shape, void *a,
                                uint8_t *switches, const void *x, const void *weights, const void *bias,
                                const dualprop_dyad *dyad);
void dualprop__im2col_top_down(const dualprop__blis *blis, const dualprop_convolution *shape, void *top_down,
                               const void *delta, const uint8_t *switches, const dualprop_dyad *dyad);
void dualprop__im2col_gradient(const dualprop__blis *blis, const dualprop_convolution *shape, const void *x,
                               const void *delta, const uint8_t *switches, const dualprop__sink *sink);

#endif
