/*
 * convolution_loops.h - what convolutions do besides products: gathering, pooling and Winograd's transforms.
 *
 * gather_template.h, pooling_template.h and winograd_template.h are written in C with vector extensions;
 * convolution_loops_baseline.c, _avx2.c and _avx512.c compile them, and each gives a table a type. Nothing here knows
 * threads or layers: the callers in blis_im2col*.c, blis_pooling.c and blis_winograd*.c cut the work.
 */
#ifndef DUALPROP_CPU_CONVOLUTION_LOOPS_H
#define DUALPROP_CPU_CONVOLUTION_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* One row of pooled pixels, and the rows of the map under it. Distances are in elements. */
typedef struct dualprop__pooled_row {
    int64_t width;         /* pooled pixels */
    int64_t window_height, window_width, step; /* step: of the windows along the row */
    int64_t channels;
    int64_t map_pixel, map_row; /* from one pixel, and one row, of the map to the next */
    int64_t pooled_pixel;       /* from one pooled pixel to the next, in its array and in the switches */
} dualprop__pooled_row;

typedef struct dualprop__convolution_loops {
    int64_t lanes; /* reals in a vector register */

    /* to[k][j] = from[j][k] for k < depth, j < width. */
    void (*interleave)(void *to, const void *const *from, int64_t depth, int64_t width);
    /* to[i][j] = from[i][j] for i < rows, j < count; rows of `to` are `width` apart. */
    void (*gather)(void *to, const void *const *from, int64_t rows, int64_t count, int64_t width);

    /* The greatest of each window and its place, the first of equals; the mean of each window. */
    void (*pool_max)(const dualprop__pooled_row *row, void *to, uint8_t *switches, const void *map);
    void (*pool_average)(const dualprop__pooled_row *row, void *to, const void *map);
    /*
     * The adjoint, for row `window_row` of the windows: map[place] = delta where the switch names the place, else 0;
     * without switches delta / window. Added to what is there where accumulate is set.
     */
    void (*unpool)(const dualprop__pooled_row *row, int64_t window_row, void *map, const void *delta,
                   const uint8_t *switches, int accumulate);
} dualprop__convolution_loops;

extern const dualprop__convolution_loops dualprop__convolution_loops_baseline_f32,
    dualprop__convolution_loops_baseline_f64;
#if defined(__x86_64__)
extern const dualprop__convolution_loops dualprop__convolution_loops_avx2_f32, dualprop__convolution_loops_avx2_f64;
extern const dualprop__convolution_loops dualprop__convolution_loops_avx512_f32,
    dualprop__convolution_loops_avx512_f64;
#endif

/* The table for a type and a level that this machine has. */
const dualprop__convolution_loops *dualprop__convolution_loops_find(int type, int level);

#endif
