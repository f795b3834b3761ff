/*
 * elementwise.h - loops over arrays, compiled for several instruction sets.
 *
 * elementwise_template.h is written in plain C around the formulas of src/math; elementwise_baseline.c, _avx2.c and
 * _avx512.c compile it, and each gives a table a type. The same elements have the same bits in all of them, apart
 * from the sums of compare. Nothing here knows threads: the caller cuts its arrays and gives out the parts.
 */
#ifndef DUALPROP_CPU_ELEMENTWISE_H
#define DUALPROP_CPU_ELEMENTWISE_H

#include "dualprop/backend.h"

/* A part of a matrix: `rows` rows of `width` elements that start `stride` elements apart, from element `first` on. */
typedef struct dualprop__tile {
    int64_t first, rows, width, stride;
} dualprop__tile;

/* The greatest numbers seen; a NaN is greater than everything. */
typedef struct dualprop__maxima {
    double max_abs, change;
} dualprop__maxima;

/* A panel of weights whose gradient is x[i] delta[j], for i < rows, j < width; its rows are `stride` apart. */
typedef struct dualprop__outer {
    int64_t rows, width, stride;
    const void *x, *delta;
    void *w;
} dualprop__outer;

typedef struct dualprop__elementwise {
    size_t real_size;

    /* The dyad update of a tile; raises the maxima. A tile's rows are whole rows of softmax. */
    void (*dyad)(const dualprop_dyad *dyad, const dualprop__tile *tile, dualprop__maxima *maxima);
    /* Elements first .. first+count-1 of a general update that only damps, as dualprop__only_damps() says. */
    void (*damp)(const dualprop_extended_update *update, int64_t first, int64_t count, dualprop__maxima *maxima);
    /* a[row][j] += bias[j]; bias lies under the tile's first column. */
    void (*add_bias)(void *a, const void *bias, const dualprop__tile *tile);

    /* The learning step of count parameters; moments that the kind does not have are NULL. */
    void (*step)(const dualprop_step_numbers *numbers, int64_t count, void *w, const void *g, void *moment1,
                 void *moment2);
    /* The same of plain SGD, where the gradient is that of one sample. */
    void (*outer_step)(const dualprop_step_numbers *numbers, const dualprop__outer *outer);
    /* to = scale * from, added to what is there where accumulate is set; to may be from. */
    void (*scale)(void *to, const void *from, double scale, int accumulate, int64_t count);
    /* to[j] = scale * the sum over rows of from[row][j], likewise; summed in double. */
    void (*column_sums)(void *to, const void *from, double scale, int accumulate, int64_t rows, int64_t width,
                        int64_t stride);

    /* count reals out of type f32 or f64; gives the greatest |x|. */
    double (*convert)(void *to, const void *from, int type, int64_t count);
    /* to[i * stride] = table[from[i * stride]] for bytes; gives the greatest |x|. */
    double (*look_up)(void *to, const uint8_t *from, const void *table, int64_t count, int64_t stride);
    double (*max_abs)(int64_t count, const void *x);
    /* Adds x.y, x.x, y.y and |x - y|^2. */
    void (*compare)(int64_t count, const void *x, const void *y, double sums[4]);

    /* Panels. to[k][j] = from[k * stride + j] for k < depth, j < count; zeros up to j < width. */
    void (*pack_rows)(void *to, const void *from, int64_t stride, int64_t depth, int64_t count, int64_t width);
    /* to[k][j] = from[j * stride + k], the same transposed. */
    void (*pack_columns)(void *to, const void *from, int64_t stride, int64_t depth, int64_t count, int64_t width);
} dualprop__elementwise;

extern const dualprop__elementwise dualprop__elementwise_baseline_f32, dualprop__elementwise_baseline_f64;
#if defined(__x86_64__)
extern const dualprop__elementwise dualprop__elementwise_avx2_f32, dualprop__elementwise_avx2_f64;
extern const dualprop__elementwise dualprop__elementwise_avx512_f32, dualprop__elementwise_avx512_f64;
#endif

/* The table for a type and a level that this machine has. */
const dualprop__elementwise *dualprop__elementwise_find(int type, int level);

/* Is a general update no more than damping with one alpha, by an activation that is a projection? */
static inline int dualprop__only_damps(const dualprop_extended_update *update)
{
    int projects = update->activation == DUALPROP_IDENTITY || update->activation == DUALPROP_RELU ||
                   update->activation == DUALPROP_HARD_SIGMOID;
    return projects && !update->straight && !update->alphas && !update->gains_plus && !update->gains_minus &&
           !update->listens && !update->uniform && !update->noise_plus && !update->noise_minus && !update->noise_down &&
           !update->error_signal && !update->change && update->time_step == 1 && !(update->quantum > 0) &&
           update->top_down;
}

/* The greater of two, where a NaN is greater than everything. */
static inline double dualprop__greatest(double x, double y)
{
    return x > y || x != x ? x : y;
}

#endif
