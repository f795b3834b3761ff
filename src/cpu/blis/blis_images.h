/*
 * blis_images.h - what the two ways of computing a convolution share: shapes, pixels, workspaces and pooling.
 *
 * The weights of a layer are those of a dense layer whose inputs are (tap, channel), tap = row * kernel_width + column:
 * panels [ceil(outputs / V)][taps][channels][V], see blis_panels.h. Gradient and moments have the same layout, so that
 * the optimizer runs over them as they lie, and both ways read and write the same weights.
 */
#ifndef DUALPROP_CPU_BLIS_IMAGES_H
#define DUALPROP_CPU_BLIS_IMAGES_H

#include "blis_panels.h"

/* Pixels that a micro-kernel broadcasts at once, at most; blis.c checks it. */
#define DUALPROP__BROADCASTS 64
/* And reals on its vector side. */
#define DUALPROP__MOST_VECTOR 64

/* ---- shapes ---- */

static inline int64_t dualprop__taps(const dualprop_convolution *shape)
{
    return shape->kernel_height * shape->kernel_width;
}

/* Rows of delta: the places of all images. */
static inline int64_t dualprop__places(const dualprop_convolution *shape)
{
    return shape->batch * shape->pooled_height * shape->pooled_width;
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
char *dualprop__acquire_piece(dualprop__space *space, int64_t bytes);
/* How many members may work at once, each with a slice of so many bytes: bounded by memory, and by the shape alone. */
int64_t dualprop__members_of(int64_t slice_bytes);

/* ---- pooling: blis_pooling.c ---- */

/*
 * Pool rows of the map that begin at `map` into row `pooled_row` of a (of all images), `count` channels from `first`.
 */
void dualprop__pool_row(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t pooled_row,
                        const void *map, int64_t map_pixel, int64_t first, int64_t count, void *a, uint8_t *switches);
/* One job: the whole map of unpool(delta), [batch, map_height, map_width, outputs], an image a unit. */
typedef struct dualprop__unpooling {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const void *delta;
    const uint8_t *switches;
    void *map;
} dualprop__unpooling;

/* The unit of a team; `job` is a struct whose first member is its unpooling. */
void dualprop__unpool_unit(void *job, int64_t image, int64_t member);
/* Bytes of that map, 0 without pooling. */
int64_t dualprop__map_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);

/* ---- pixels ---- */

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
static inline const void *dualprop__pixel_at(const dualprop__images *images, const dualprop__place *place, int64_t down,
                                             int64_t right, int64_t channel)
{
    int64_t y = place->y + down, x = place->x + right;
    if (place->image < 0 || y < 0 || y >= images->height || x < 0 || x >= images->width) return images->zeros;
    int64_t pixel = (place->image * images->height + y) * images->width + x;
    return dualprop__at(images->blis, images->pixels, pixel * images->channels + channel);
}

#endif
