/*
 * blis_convolution.h - what the two ways of computing a convolution share: the layout of the weights, the choice
 * between the ways, workspaces, pooling, and what becomes of a gradient.
 *
 * The weights of a layer are those of a dense layer whose inputs are (tap, channel), tap = row * kernel_width + column:
 * panels [ceil(outputs / V)][taps][channels][V], see blis_dense.h. Gradient and moments have the same layout, so that
 * the optimizer runs over them as they lie, and both ways read and write the same weights.
 *
 *     im2col     every shape: the pixels under the kernel's window are packed as the broadcast side of a product
 *     Winograd   3x3, stride 1, padding 1, 16 channels and more on both sides: 36 (or 9) smaller products
 *
 * The shape alone decides, batch apart, so that the cache a state prepares serves every batch.
 */
#ifndef DUALPROP_CPU_BLIS_CONVOLUTION_H
#define DUALPROP_CPU_BLIS_CONVOLUTION_H

#include "blis_dense.h"

/* Pixels that a micro-kernel broadcasts at once, at most; blis.c sees to it. */
#define DUALPROP__BROADCASTS 64
/* And reals on its vector side. */
#define DUALPROP__MOST_VECTOR 64

/* For tests: compute an instance's convolutions in one way wherever it is possible. Before any weights are written. */
enum { DUALPROP__BY_RULE = 0, DUALPROP__IM2COL = 1, DUALPROP__WINOGRAD = 2 };
void dualprop__blis_choose_convolutions(void *self, int way);

/* ---- shapes ---- */

static inline int64_t dualprop__taps(const dualprop_convolution *shape)
{
    return shape->kernel_height * shape->kernel_width;
}

static inline int dualprop__is_pooled(const dualprop_convolution *shape)
{
    return shape->pooling != DUALPROP_POOL_NONE;
}

/* Rows of the map under one row of a. */
static inline int64_t dualprop__window_rows(const dualprop_convolution *shape)
{
    return dualprop__is_pooled(shape) ? shape->window_height : 1;
}

/* ---- workspaces: plans take pieces of one in turn; with base NULL only their sizes count ---- */

typedef struct dualprop__space {
    char *base;
    int64_t used;
} dualprop__space;

/* A piece of so many bytes, aligned to lines. */
char *dualprop__take(dualprop__space *space, int64_t bytes);
/* How many members may work at once, each with a slice of so many bytes: bounded by memory, and by the shape alone. */
int64_t dualprop__members_of(int64_t slice_bytes);

/* ---- pooling: blis_pooling.c ---- */

/* Pool rows of the map that begin at `map` into row `pooled_row` of a (of all images), `count` channels from `first`. */
void dualprop__pool_row(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t pooled_row,
                        const void *map, int64_t map_pixel, int64_t first, int64_t count, void *a,
                        uint8_t *switches);
/* One job: the whole map of unpool(delta), [batch, map_height, map_width, outputs], an image a unit. */
typedef struct dualprop__unpooling {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const void *delta;
    const uint8_t *switches;
    void *map;
} dualprop__unpooling;

void dualprop__unpool_image(const dualprop__unpooling *job, int64_t image);
/* Bytes of that map, 0 without pooling. */
int64_t dualprop__map_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);

/* ---- what becomes of a gradient ---- */

typedef struct dualprop__sink {
    double scale;
    int accumulate;
    const dualprop_step_numbers *step; /* NULL: the gradients are written */
    void *gradient, *bias_gradient, *weights, *bias;
    void **moments;
} dualprop__sink;

/* sums: count elements of the gradient, from element `first` of the weights' layout on. They are destroyed. */
void dualprop__learn_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first,
                             int64_t count, void *sums);
/* The bias of one panel of outputs, from all of delta. */
void dualprop__learn_bias(const dualprop__blis *blis, const dualprop_convolution *shape,
                          const dualprop__sink *sink, const void *delta, int64_t panel);
static inline int dualprop__has_bias(const dualprop__sink *sink)
{
    return (sink->step ? sink->bias : sink->bias_gradient) != NULL;
}

/* Fetch what dualprop__learn_weights will touch. */
void dualprop__fetch_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first,
                             int64_t count);

/* ---- im2col ---- */

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
