/*
 * blis_im2col_top_down.c - Delta = im2col'(unpool(delta)) W^T, and the dyad update of the layer below.
 *
 * The cache holds W^T as panels of channels, [ceil(channels / V)][taps by phases][outputs][V], so that the taps of a
 * phase follow each other. Phase 1 of the job unpools delta where the layer pools. A unit of phase 2 is a run of rows
 * of Delta; for each phase of pixels in it, and block by block of these, it packs what they see of the map and
 * multiplies. With stride 1 there is one phase, and the products go straight into Delta; else into the slice, and from
 * there row by row to their pixels. Pixels that no window sees are zero.
 */
#include <string.h>

#include "blis_im2col.h"

/* Pixels of x that a unit has, about; rows, at most; panels of pixels that are packed at once, at most. */
#define DOWN_UNIT_PIXELS 192
#define UNIT_ROWS 64
#define DOWN_BLOCK_PANELS 16

struct im2col_top_down {
    dualprop__unpooling unpooling; /* first: see dualprop__unpool_unit() */
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    dualprop__images map;
    dualprop__partition rows; /* of Delta, of all images */
    char *slices;
    int64_t slice_bytes, packed_bytes, members, deepest;
    void *top_down;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

/* ---- phases: pixels y with (y + padding) % stride = phase, and the taps phase, phase + stride, ... they meet ---- */

static int64_t taps_of(int64_t kernel, int64_t stride, int64_t phase)
{
    return phase < kernel ? dualprop__ceil_div(kernel - phase, stride) : 0;
}

struct phase {
    int64_t down, right;   /* its taps begin there */
    int64_t rows, columns; /* how many taps it has */
    int64_t taps_before;
};

/* Phase after phase; the first has down = right = -1. Gives whether there is one more. */
static int next_phase(const dualprop_convolution *shape, struct phase *phase)
{
    if (phase->down < 0) {
        *phase = (struct phase){ 0 };
    } else {
        phase->taps_before += phase->rows * phase->columns;
        if (++phase->right == shape->stride_width) {
            phase->right = 0;
            phase->down++;
        }
    }
    phase->rows = taps_of(shape->kernel_height, shape->stride_height, phase->down);
    phase->columns = taps_of(shape->kernel_width, shape->stride_width, phase->right);
    return phase->down < shape->stride_height;
}

static const struct phase before_all = { .down = -1, .right = -1 };

/* ---- the cache ---- */

static int64_t inputs_of(const dualprop_convolution *shape)
{
    return dualprop__taps(shape) * shape->outputs;
}

int64_t dualprop__im2col_cache(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    int64_t vector = blis->kernel.vector;
    return dualprop__panel_bytes(blis, dualprop__ceil_div(shape->channels, vector) * inputs_of(shape) * vector);
}

struct im2col_preparation {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const void *weights;
};

/* to [outputs][V]: one tap of one panel of channels. */
static void transpose_tap(const struct im2col_preparation *job, char *to, int64_t channel, int64_t tap)
{
    const dualprop__blis *blis = job->blis;
    const dualprop_convolution *shape = job->shape;
    int64_t vector = blis->kernel.vector, inputs = dualprop__taps(shape) * shape->channels;
    for (int64_t output = 0; output < shape->outputs; output += vector)
        blis->loops->pack_columns(
            dualprop__at(blis, to, output * vector),
            dualprop__at(blis, job->weights, output * inputs + (tap * shape->channels + channel) * vector), vector,
            dualprop__least(vector, shape->outputs - output), dualprop__least(vector, shape->channels - channel),
            vector);
}

static void prepare_panel_im2col_top_down(void *argument, int64_t panel, int64_t member)
{
    const struct im2col_preparation *job = argument;
    const dualprop_convolution *shape = job->shape;
    int64_t vector = job->blis->kernel.vector;
    char *to = dualprop__at(job->blis, shape->cache, panel * vector * inputs_of(shape));
    (void)member;
    for (struct phase phase = before_all; next_phase(shape, &phase);)
        for (int64_t i = phase.down; i < shape->kernel_height; i += shape->stride_height)
            for (int64_t j = phase.right; j < shape->kernel_width; j += shape->stride_width) {
                transpose_tap(job, to, panel * vector, i * shape->kernel_width + j);
                to = dualprop__at(job->blis, to, shape->outputs * vector);
            }
}

void dualprop__im2col_prepare(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights)
{
    struct im2col_preparation job = { blis, shape, weights };
    dualprop__team_phase phase = { .unit = prepare_panel_im2col_top_down,
                                   .units = dualprop__ceil_div(shape->channels, blis->kernel.vector) };
    dualprop__team_run(blis->reference.host, &job, &phase, 1, DUALPROP__MEMBERS);
}

/* ---- the plan ---- */

static int has_one_phase(const dualprop_convolution *shape)
{
    return shape->stride_height == 1 && shape->stride_width == 1;
}

static struct im2col_top_down plan_im2col_top_down(const dualprop__blis *blis, const dualprop_convolution *shape,
                                                   dualprop__space *space)
{
    struct im2col_top_down job = { .blis = blis, .shape = shape };
    int64_t size = (int64_t)blis->loops->real_size, broadcast = blis->kernel.broadcast;
    int64_t rows = shape->batch * shape->height;
    int64_t most = dualprop__least(UNIT_ROWS, dualprop__most(1, DOWN_UNIT_PIXELS / shape->width));
    job.rows = dualprop__partition_evenly(rows, most);
    job.deepest = dualprop__least(DUALPROP__DEPTH, inputs_of(shape));
    job.packed_bytes = dualprop__panel_bytes(blis, DOWN_BLOCK_PANELS * broadcast * job.deepest);
    int64_t products = has_one_phase(shape) ? 0 : DOWN_BLOCK_PANELS * broadcast * shape->channels * size;
    job.slice_bytes = job.packed_bytes + dualprop__ceil_div(products, DUALPROP__LINE) * DUALPROP__LINE;
    job.members = dualprop__least(dualprop__members_of(job.slice_bytes), dualprop__ceil_div(rows, most));
    job.map = (dualprop__images){
        .blis = blis, .height = shape->map_height, .width = shape->map_width, .channels = shape->outputs
    };
    job.map.zeros = dualprop__acquire_piece(space, shape->outputs * size);
    job.unpooling.map = dualprop__acquire_piece(space, dualprop__map_bytes(blis, shape));
    job.slices = dualprop__acquire_piece(space, job.slice_bytes * job.members);
    return job;
}

int64_t dualprop__im2col_top_down_bytes(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    dualprop__space space = { NULL, 0 };
    plan_im2col_top_down(blis, shape, &space);
    return space.used;
}

/* ---- the pixels of one phase in a unit ---- */

struct pixels {
    const struct im2col_top_down *job;
    const struct phase *phase;
    int64_t rows[UNIT_ROWS], row_count; /* of Delta, of all images */
    int64_t first_column, columns, count;
    char *packed, *products;
};

static struct pixels pixels_of(const struct im2col_top_down *job, const struct phase *phase, int64_t index)
{
    const dualprop_convolution *shape = job->shape;
    struct pixels pixels = { .job = job, .phase = phase };
    int64_t first = dualprop__part_first(&job->rows, index);
    for (int64_t row = first; row < first + dualprop__part_size(&job->rows, index); row++)
        if ((row % shape->height + shape->padding_height) % shape->stride_height == phase->down)
            pixels.rows[pixels.row_count++] = row;
    int64_t before = (phase->right + shape->stride_width - shape->padding_width % shape->stride_width);
    pixels.first_column = before % shape->stride_width;
    if (pixels.first_column < shape->width)
        pixels.columns = dualprop__ceil_div(shape->width - pixels.first_column, shape->stride_width);
    pixels.count = pixels.row_count * pixels.columns;
    return pixels;
}

/* Where in Delta pixel `pixel` lies, in pixels. */
static int64_t index_of(const struct pixels *pixels, int64_t pixel)
{
    const dualprop_convolution *shape = pixels->job->shape;
    return pixels->rows[pixel / pixels->columns] * shape->width + pixels->first_column +
           pixel % pixels->columns * shape->stride_width;
}

/* The place of the map that reads the pixel through the phase's first tap; further taps lie above and left of it. */
static dualprop__place place_reading(const struct pixels *pixels, int64_t pixel)
{
    const dualprop_convolution *shape = pixels->job->shape;
    if (pixel >= pixels->count) return (dualprop__place){ -1, 0, 0 };
    int64_t index = index_of(pixels, pixel), row = index / shape->width;
    int64_t y = row % shape->height + shape->padding_height - pixels->phase->down;
    int64_t x = index % shape->width + shape->padding_width - pixels->phase->right;
    /* Both are multiples of the stride, and may be negative. */
    return (dualprop__place){ row / shape->height, y / shape->stride_height, x / shape->stride_width };
}

/* ---- products ---- */

/* to [count][N]: rows first to first + count of the phase, (tap, output), for one panel of pixels. */
static void pack_panel_im2col_top_down(const struct pixels *pixels, char *to, const dualprop__place *places,
                                       int64_t first, int64_t count)
{
    const struct im2col_top_down *job = pixels->job;
    int64_t broadcast = job->blis->kernel.broadcast, outputs = job->shape->outputs, run;
    for (int64_t row = first; row < first + count; row += run) {
        const void *from[DUALPROP__BROADCASTS];
        int64_t tap = row / outputs, output = row % outputs;
        int64_t up = tap / pixels->phase->columns, left = tap % pixels->phase->columns;
        run = dualprop__least(outputs - output, first + count - row);
        for (int64_t j = 0; j < broadcast; j++) from[j] = dualprop__pixel_at(&job->map, &places[j], -up, -left, output);
        job->blis->convolution_loops->interleave(dualprop__at(job->blis, to, (row - first) * broadcast), from, run,
                                                 broadcast);
    }
}

static void pack_block_im2col_top_down(const struct pixels *pixels, int64_t pixel, int64_t panels, int64_t first,
                                       int64_t count)
{
    int64_t broadcast = pixels->job->blis->kernel.broadcast;
    for (int64_t panel = 0; panel < panels; panel++) {
        dualprop__place places[DUALPROP__BROADCASTS];
        for (int64_t j = 0; j < broadcast; j++) places[j] = place_reading(pixels, pixel + panel * broadcast + j);
        pack_panel_im2col_top_down(pixels, dualprop__at(pixels->job->blis, pixels->packed, panel * count * broadcast),
                                   places, first, count);
    }
}

static void multiply_im2col_top_down(const struct pixels *pixels, int64_t panel, int64_t pixel, int64_t channel,
                                     int64_t first, int64_t count)
{
    const struct im2col_top_down *job = pixels->job;
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast, channels = job->shape->channels;
    int64_t row = channel / vector * inputs_of(job->shape) + pixels->phase->taps_before * job->shape->outputs + first;
    dualprop__product product = {
        .vector_count = dualprop__least(vector, channels - channel),
        .broadcast_count = dualprop__least(broadcast, pixels->count - pixel),
        .depth = count,
        .vectors = dualprop__at(blis, job->shape->cache, row * vector),
        .broadcasts = dualprop__at(blis, pixels->packed, panel * count * broadcast),
        .accumulate = first > 0,
        .c = dualprop__at(blis, pixels->products, panel * broadcast * channels + channel),
        .stride = channels,
    };
    blis->kernel.run(&blis->kernel, &product);
}

static void multiply_block_im2col_top_down(const struct pixels *pixels, int64_t pixel, int64_t panels)
{
    const struct im2col_top_down *job = pixels->job;
    int64_t broadcast = job->blis->kernel.broadcast, vector = job->blis->kernel.vector;
    dualprop__partition depth =
        dualprop__partition_evenly(pixels->phase->rows * pixels->phase->columns * job->shape->outputs, job->deepest);
    for (int64_t part = 0; part < depth.parts; part++) {
        int64_t first = dualprop__part_first(&depth, part), count = dualprop__part_size(&depth, part);
        pack_block_im2col_top_down(pixels, pixel, panels, first, count);
        for (int64_t channel = 0; channel < job->shape->channels; channel += vector)
            for (int64_t panel = 0; panel < panels; panel++)
                multiply_im2col_top_down(pixels, panel, pixel + panel * broadcast, channel, first, count);
    }
}

/* From the slice to their pixels; zeros if the phase has no taps. */
static void put_block(const struct pixels *pixels, int64_t first, int64_t count, int has_taps)
{
    const struct im2col_top_down *job = pixels->job;
    int64_t channels = job->shape->channels;
    size_t bytes = (size_t)channels * job->blis->loops->real_size;
    for (int64_t i = 0; i < count; i++) {
        char *to = dualprop__at(job->blis, job->top_down, index_of(pixels, first + i) * channels);
        if (has_taps) memcpy(to, dualprop__at(job->blis, pixels->products, i * channels), bytes);
        else memset(to, 0, bytes);
    }
}

static void run_phase(struct pixels *pixels, char *slice)
{
    const struct im2col_top_down *job = pixels->job;
    int64_t broadcast = job->blis->kernel.broadcast, most = DOWN_BLOCK_PANELS * broadcast;
    int has_taps = pixels->phase->rows * pixels->phase->columns > 0;
    pixels->packed = slice;
    for (int64_t pixel = 0; pixel < pixels->count; pixel += most) {
        int64_t count = dualprop__least(most, pixels->count - pixel);
        int is_direct = has_one_phase(job->shape);
        pixels->products = is_direct
                               ? dualprop__at(job->blis, job->top_down, index_of(pixels, pixel) * job->shape->channels)
                               : slice + job->packed_bytes;
        if (has_taps) multiply_block_im2col_top_down(pixels, pixel, dualprop__ceil_div(count, broadcast));
        if (!is_direct) put_block(pixels, pixel, count, has_taps);
    }
}

static void update_dyads_im2col_top_down(struct im2col_top_down *job, int64_t index)
{
    int64_t row_size = job->shape->width * job->shape->channels;
    int64_t count = dualprop__part_size(&job->rows, index) * row_size;
    dualprop__tile tile = { dualprop__part_first(&job->rows, index) * row_size, 1, count, count };
    dualprop__maxima maxima = { 0, 0 };
    if (!job->dyad) return;
    job->blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

static void im2col_top_down_product_unit(void *argument, int64_t index, int64_t member)
{
    struct im2col_top_down *job = argument;
    for (struct phase phase = before_all; next_phase(job->shape, &phase);) {
        struct pixels pixels = pixels_of(job, &phase, index);
        run_phase(&pixels, job->slices + member * job->slice_bytes);
    }
    update_dyads_im2col_top_down(job, index);
}

void dualprop__im2col_top_down(const dualprop__blis *blis, const dualprop_convolution *shape, void *top_down,
                               const void *delta, const uint8_t *switches, const dualprop_dyad *dyad)
{
    dualprop__space space = { shape->workspace, 0 };
    struct im2col_top_down job = plan_im2col_top_down(blis, shape, &space);
    int is_pooled = dualprop__is_pooled(shape);
    job.unpooling = (dualprop__unpooling){ blis, shape, delta, switches, job.unpooling.map };
    job.map.pixels = is_pooled ? job.unpooling.map : delta;
    job.top_down = top_down;
    job.dyad = dyad;
    memset((void *)(uintptr_t)job.map.zeros, 0, (size_t)shape->outputs * blis->loops->real_size);
    dualprop__team_phase phases[2] = {
        { .unit = dualprop__unpool_unit, .units = shape->batch },
        { .unit = im2col_top_down_product_unit, .units = job.rows.parts },
    };
    dualprop__max_tracker_begin(&job.maxima);
    dualprop__team_run(blis->reference.host, &job, is_pooled ? phases : phases + 1, is_pooled ? 2 : 1, job.members);
    if (dyad) dualprop__max_tracker_write(&job.maxima, dyad->max_abs, dyad->change);
}
