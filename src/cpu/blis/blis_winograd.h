/*
 * blis_winograd.h - 3x3 convolutions by Winograd's transforms: which layers, their tiles, and their filters.
 *
 * The image is cut into tiles of 4x4 outputs; a tile's patch of 6x6 pixels becomes 36 numbers, one in each of 36
 * planes, and the convolution becomes one product in each plane, with panels that the transforms have written straight
 * away. winograd_template.h has the formulas; images of 2x2 have a form of their own, of 9 planes. With P planes, and V
 * vectors and N broadcasts of the micro-kernel, the arrays are
 *
 *     U            [ceil(outputs / V)][P][inputs][V]         filters; pad after each plane
 *     V            [P][ceil(tiles / N)][inputs][N]           patches, bottom-up and top-down; pad after each plane
 *     M            [tiles][P][V]                             products, for one panel of outputs
 *     columns      [P][ceil(channels / N)][tiles][N]         patches for the gradient; pad after each plane
 *     deltas       [P][ceil(outputs / V)][tiles][V]          tiles of delta for the gradient; pad after each plane
 *     dU           [P][channels][V]                          gradient of the filters; pad after each plane
 *
 * Top-down is bottom-up with the filters turned by 180 degrees and channels and outputs exchanged. Without the pads the
 * same element of all planes would fall into few sets of the nearest cache.
 *
 * Layers with many tiles and few filters (dualprop__winograd_by_chunks) keep U in the cache of the layer, and the tiles
 * go chunk by chunk through all three steps. In the others the filters outweigh: V is made for many tiles at once, and
 * each panel of outputs transforms its filters when it needs them.
 */
#ifndef DUALPROP_CPU_BLIS_WINOGRAD_H
#define DUALPROP_CPU_BLIS_WINOGRAD_H

#include "blis_images.h"
#include "blis_sink.h"

/* Taps of the filters. */
#define DUALPROP__NINE 9
/* The most pixels that a patch has. */
#define DUALPROP__PATCH 36

/* Whether the layer is computed so, and whether by chunks. */
int dualprop__winograd_fits(const dualprop__blis *blis, const dualprop_convolution *shape);
int dualprop__winograd_by_chunks(const dualprop_convolution *shape);

/* The tiles of all images, row by row of tiles; they are numbered in that order. */
typedef struct dualprop__tiles {
    const dualprop__winograd_loops *loops;
    dualprop__images images;
    int64_t image_rows, columns; /* rows of tiles an image has, and tiles a row has */
    int64_t rows;                /* of tiles, of all images */
} dualprop__tiles;

/* images.pixels and .zeros are the caller's to set. */
dualprop__tiles dualprop__tiles_of(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t channels);
/* The pixels of a square of side x side, from `offset` beside the tile's first output on. */
void dualprop__tile_pixels(const dualprop__tiles *tiles, int64_t tile, int64_t offset, int64_t side,
                           const void **pixels);

/* Elements from plane to plane, where a plane has so many elements. */
int64_t dualprop__plane(const dualprop__blis *blis, int64_t elements);

/* ---- filters ---- */

/* The filters of one panel: of outputs, or, turned, of channels. */
typedef struct dualprop__filter_panel {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const dualprop__winograd_loops *loops;
    const void *weights;
    int turned;
    int64_t panel;
    void *u; /* [planes][inputs][V] */
    int64_t plane;
    int is_row, row; /* is_row: this row of planes alone, from u on */
    void *scratch;   /* of dualprop__filter_scratch bytes */
} dualprop__filter_panel;

/* Element of tap 0, channel, first output of the panel, in the layout of the weights. */
const void *dualprop__filters_at(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights,
                                 int64_t panel, int64_t channel);
int64_t dualprop__filter_scratch(const dualprop__blis *blis);
void dualprop__transform_filters(const dualprop__filter_panel *filters);

/* Where in the cache, by chunks, U of a panel lies. */
char *dualprop__cached_filters(const dualprop__blis *blis, const dualprop_convolution *shape, int turned,
                               int64_t panel);

int64_t dualprop__winograd_cache(const dualprop__blis *blis, const dualprop_convolution *shape);
void dualprop__winograd_prepare(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights);

/* ---- the three directions ---- */

int64_t dualprop__winograd_bytes(const dualprop__blis *blis, const dualprop_convolution *shape, int is_top_down);
int64_t dualprop__winograd_gradient_bytes(const dualprop__blis *blis, const dualprop_convolution *shape);
void dualprop__winograd_bottom_up(const dualprop__blis *blis, const dualprop_convolution *shape, void *a,
                                  uint8_t *switches, const void *x, const void *weights, const void *bias,
                                  const dualprop_dyad *dyad);
void dualprop__winograd_top_down(const dualprop__blis *blis, const dualprop_convolution *shape, void *top_down,
                                 const void *delta, const uint8_t *switches, const void *weights,
                                 const dualprop_dyad *dyad);
void dualprop__winograd_gradient(const dualprop__blis *blis, const dualprop_convolution *shape, const void *x,
                                 const void *delta, const uint8_t *switches, const dualprop__sink *sink);

#endif
