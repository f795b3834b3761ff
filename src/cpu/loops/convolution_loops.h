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
    int64_t width;                             /* pooled pixels */
    int64_t window_height, window_width, step; /* step: of the windows along the row */
    int64_t channels;
    int64_t map_pixel, map_row; /* from one pixel, and one row, of the map to the next */
    int64_t pooled_pixel;       /* from one pooled pixel to the next, in its array and in the switches */
} dualprop__pooled_row;

/*
 * Winograd's transforms, between pixels of NHWC images and planes of panels. An element of a plane is `plane` elements
 * from the same one of the next plane. A tile's patch is what its outputs depend on. Pixels are pointers to channel 0.
 */

/* B^T d B for `tiles` tiles, all channels, as panels of broadcasts: panels[plane][channel][tile]. */
typedef struct dualprop__winograd_input {
    const void *const *pixels; /* [tiles][patch * patch] */
    const void *const *next;   /* of the next panel, to be fetched meanwhile; or NULL */
    int64_t tiles, channels;
    void *panels;
    int64_t plane;
    void *stage; /* [tiles][planes] lines of 64 bytes */
} dualprop__winograd_input;

/* A^T m A of one tile, plus bias, `channels` of `vector` channels; rows x columns of the outputs are in the image. */
typedef struct dualprop__winograd_output {
    const void *m; /* [planes][vector], aligned to 64 bytes */
    int64_t vector, channels;
    const void *bias; /* [channels] or NULL */
    void *to;
    int64_t pixel, row; /* elements between pixels and rows of `to` */
    int64_t rows, columns;
} dualprop__winograd_output;

/* G g G^T for `count` filters of `vector` outputs. */
typedef struct dualprop__winograd_filters {
    const void *g; /* [count][vector] of tap 0 */
    int64_t tap;   /* elements from tap to tap; negative turns the filters by 180 degrees */
    int64_t count, vector;
    void *u; /* [planes][count][vector] */
    int64_t plane;
    int is_row, row; /* is_row: the planes of this row alone, `points` of them, from u on */
} dualprop__winograd_filters;

/*
 * The products of one tile with filters that are multiplied as soon as they are transformed, so that U is never
 * written: sums[plane][vector] += the sum over the filters, in their order, of v[plane][filter] U[plane][filter].
 */
typedef struct dualprop__winograd_tile {
    const void *g; /* [count][vector] of tap 0 */
    int64_t tap;
    int64_t count, vector;
    int64_t next; /* elements from g to the filters that are multiplied next, which are fetched meanwhile */
    const void *v;
    int64_t plane; /* of v */
    void *sums;
} dualprop__winograd_tile;

/* Tiles that are written at once, at most: together whole lines, whatever a panel's width. */
#define DUALPROP__TILES_AT_ONCE 8

/* For the gradient, a panel of `width` channels: B^T d B of the pixels of x, or A d A^T of those of delta, as
 * panels[plane][tile][width], zeros from `channels` on. */
typedef struct dualprop__winograd_columns {
    const void *const *pixels; /* [tiles][patch * patch], or [tiles][tile * tile] */
    const void *const *next;   /* of the next tiles, to be fetched meanwhile; or NULL */
    int64_t tiles;             /* at most DUALPROP__TILES_AT_ONCE */
    int64_t first, channels;   /* the panel's first channel; channels of the pixels */
    int64_t width;
    void *panels;
    int64_t plane;
    void *stage; /* [planes][DUALPROP__TILES_AT_ONCE * width + lanes], rounded up to lines */
} dualprop__winograd_columns;

/* G^T u G for `count` filters of `vector` outputs. */
typedef struct dualprop__winograd_sums {
    const void *u; /* [planes][count][vector] */
    int64_t plane;
    int64_t count, vector;
    void *g; /* [9][count][vector] */
} dualprop__winograd_sums;

/* One form of Winograd's convolution. Along each axis a tile has `tile` outputs, a patch `patch` pixels. */
typedef struct dualprop__winograd_loops {
    int64_t tile, patch, points, planes; /* planes: points * points */
    int64_t offset;                      /* from a tile's first output to its patch */
    void (*input)(const dualprop__winograd_input *input);
    void (*output)(const dualprop__winograd_output *output);
    void (*filters)(const dualprop__winograd_filters *filters);
    void (*one_tile)(const dualprop__winograd_tile *tile);
    void (*input_columns)(const dualprop__winograd_columns *columns);
    void (*delta_columns)(const dualprop__winograd_columns *columns);
    void (*gradient)(const dualprop__winograd_sums *sums);
} dualprop__winograd_loops;

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

    dualprop__winograd_loops large; /* F(4x4, 3x3) */
    dualprop__winograd_loops small; /* images of 2x2 */
} dualprop__convolution_loops;

extern const dualprop__convolution_loops dualprop__convolution_loops_baseline_f32,
    dualprop__convolution_loops_baseline_f64;
#if defined(__x86_64__)
extern const dualprop__convolution_loops dualprop__convolution_loops_avx2_f32, dualprop__convolution_loops_avx2_f64;
extern const dualprop__convolution_loops dualprop__convolution_loops_avx512_f32, dualprop__convolution_loops_avx512_f64;
#endif

/* The table for a type and a level that this machine has. */
const dualprop__convolution_loops *dualprop__convolution_loops_find(int type, int level);

#endif
