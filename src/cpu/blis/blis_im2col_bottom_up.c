/*
 * blis_im2col_bottom_up.c - map = im2col(x) W + bias, pooled, and the dyad update, all while it is in the cache.
 *
 * A unit is a run of rows of a (of all images, one after another), with the rows of the map under them: a few hundred
 * pixels. Block by block of pixels, and DEPTH columns at a time, it packs its piece of the im2col matrix and multiplies
 * it with all panels of weights. Without pooling the products go straight into a, else into the member's slice.
 */
#include <string.h>

#include "blis_im2col.h"

/* Pixels of the map that a unit has, about, and panels of pixels that are packed at once, at most. */
#define UP_UNIT_PIXELS 192
#define UP_BLOCK_PANELS 16

struct im2col_bottom_up {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    dualprop__images images;
    dualprop__partition rows;  /* rows of a, of all images */
    dualprop__partition depth; /* columns of the im2col matrix */
    int64_t row_pixels;        /* pixels of the map under one row of a */
    char *slices;
    int64_t slice_bytes, packed_bytes, members;
    void *a;
    uint8_t *switches;
    const void *weights, *bias;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

static struct im2col_bottom_up plan_im2col_bottom_up(const dualprop__blis *blis, const dualprop_convolution *shape,
                                                     dualprop__space *space)
{
    struct im2col_bottom_up job = { .blis = blis, .shape = shape };
    int64_t size = (int64_t)blis->loops->real_size, broadcast = blis->kernel.broadcast;
    job.row_pixels = dualprop__window_rows(shape) * shape->map_width;
    int64_t rows = shape->batch * shape->pooled_height, most = dualprop__most(1, UP_UNIT_PIXELS / job.row_pixels);
    job.rows = dualprop__partition_evenly(rows, most);
    job.depth = dualprop__partition_evenly(shape->channels * dualprop__taps(shape), DUALPROP__DEPTH);
    job.packed_bytes = dualprop__panel_bytes(blis, UP_BLOCK_PANELS * broadcast * job.depth.part);
    int64_t map = dualprop__is_pooled(shape) ? most * job.row_pixels * shape->outputs * size : 0;
    job.slice_bytes = job.packed_bytes + dualprop__ceil_div(map, DUALPROP__LINE) * DUALPROP__LINE;
    job.members = dualprop__least(dualprop__members_of(job.slice_bytes), dualprop__ceil_div(rows, most));
    job.images =
        (dualprop__images){ .blis = blis, .height = shape->height, .width = shape->width, .channels = shape->channels };
    job.images.zeros = dualprop__acquire_piece(space, shape->channels * size);
    job.slices = dualprop__acquire_piece(space, job.slice_bytes * job.members);
    return job;
}

int64_t dualprop__im2col_bottom_up_bytes(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    dualprop__space space = { NULL, 0 };
    plan_im2col_bottom_up(blis, shape, &space);
    return space.used;
}

/* A unit's pixels are numbered along its rows of the map. */
struct pixel_unit {
    struct im2col_bottom_up *job;
    int64_t first_row, rows, pixels;
    char *packed, *map; /* map: where the products go, [pixels][outputs] */
};

static struct pixel_unit unit_of(struct im2col_bottom_up *job, int64_t index, int64_t member)
{
    struct pixel_unit unit = { .job = job,
                               .first_row = dualprop__part_first(&job->rows, index),
                               .rows = dualprop__part_size(&job->rows, index) };
    int64_t row_size = job->shape->pooled_width * job->shape->outputs;
    unit.pixels = unit.rows * job->row_pixels;
    unit.packed = job->slices + member * job->slice_bytes;
    unit.map = dualprop__is_pooled(job->shape) ? unit.packed + job->packed_bytes
                                               : dualprop__at(job->blis, job->a, unit.first_row * row_size);
    return unit;
}

/* The corner of the window that pixel `pixel` of the unit sees. */
static dualprop__place corner_of(const struct pixel_unit *unit, int64_t pixel)
{
    const dualprop_convolution *shape = unit->job->shape;
    if (pixel >= unit->pixels) return (dualprop__place){ -1, 0, 0 };
    int64_t row = unit->first_row + pixel / unit->job->row_pixels, within = pixel % unit->job->row_pixels;
    int64_t step = dualprop__is_pooled(shape) ? shape->window_stride_height : 1;
    int64_t y = row % shape->pooled_height * step + within / shape->map_width;
    return (dualprop__place){ row / shape->pooled_height, y * shape->stride_height - shape->padding_height,
                              within % shape->map_width * shape->stride_width - shape->padding_width };
}

/* to [count][N]: columns first to first + count of one panel of pixels. */
static void pack_panel_im2col_bottom_up(const struct im2col_bottom_up *job, char *to, const dualprop__place *corners,
                                        int64_t first, int64_t count)
{
    const dualprop_convolution *shape = job->shape;
    int64_t broadcast = job->blis->kernel.broadcast, run;
    for (int64_t column = first; column < first + count; column += run) {
        const void *from[DUALPROP__BROADCASTS];
        int64_t tap = column / shape->channels, channel = column % shape->channels;
        int64_t down = tap / shape->kernel_width, right = tap % shape->kernel_width;
        run = dualprop__least(shape->channels - channel, first + count - column);
        for (int64_t j = 0; j < broadcast; j++)
            from[j] = dualprop__pixel_at(&job->images, &corners[j], down, right, channel);
        job->blis->convolution_loops->interleave(dualprop__at(job->blis, to, (column - first) * broadcast), from, run,
                                                 broadcast);
    }
}

static void pack_block_im2col_bottom_up(const struct pixel_unit *unit, int64_t first_panel, int64_t panels,
                                        int64_t part)
{
    const struct im2col_bottom_up *job = unit->job;
    int64_t broadcast = job->blis->kernel.broadcast, count = dualprop__part_size(&job->depth, part);
    for (int64_t panel = 0; panel < panels; panel++) {
        dualprop__place corners[DUALPROP__BROADCASTS];
        for (int64_t j = 0; j < broadcast; j++) corners[j] = corner_of(unit, (first_panel + panel) * broadcast + j);
        pack_panel_im2col_bottom_up(job, dualprop__at(job->blis, unit->packed, panel * count * broadcast), corners,
                                    dualprop__part_first(&job->depth, part), count);
    }
}

static void multiply_im2col_bottom_up(const struct pixel_unit *unit, int64_t panel, int64_t pixel, int64_t output_panel,
                                      int64_t part)
{
    const struct im2col_bottom_up *job = unit->job;
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast, outputs = job->shape->outputs;
    int64_t column = output_panel * vector, depth = dualprop__part_size(&job->depth, part);
    dualprop__product product = {
        .vector_count = dualprop__least(vector, outputs - column),
        .broadcast_count = dualprop__least(broadcast, unit->pixels - pixel),
        .depth = depth,
        .vectors = dualprop__at(blis, job->weights,
                                column * job->depth.whole + dualprop__part_first(&job->depth, part) * vector),
        .broadcasts = dualprop__at(blis, unit->packed, panel * depth * broadcast),
        .accumulate = part > 0,
        .c = dualprop__at(blis, unit->map, pixel * outputs + column),
        .stride = outputs,
    };
    blis->kernel.run(&blis->kernel, &product);
}

static void multiply_block_im2col_bottom_up(const struct pixel_unit *unit, int64_t first_panel, int64_t panels)
{
    const struct im2col_bottom_up *job = unit->job;
    int64_t broadcast = job->blis->kernel.broadcast;
    int64_t output_panels = dualprop__ceil_div(job->shape->outputs, job->blis->kernel.vector);
    for (int64_t part = 0; part < job->depth.parts; part++) {
        pack_block_im2col_bottom_up(unit, first_panel, panels, part);
        for (int64_t o = 0; o < output_panels; o++)
            for (int64_t p = 0; p < panels; p++)
                multiply_im2col_bottom_up(unit, p, (first_panel + p) * broadcast, o, part);
    }
}

static void add_bias(const struct pixel_unit *unit)
{
    int64_t outputs = unit->job->shape->outputs;
    dualprop__tile tile = { 0, unit->pixels, outputs, outputs };
    if (unit->job->bias) unit->job->blis->loops->add_bias(unit->map, unit->job->bias, &tile);
}

static void pool_im2col_bottom_up(const struct pixel_unit *unit)
{
    const struct im2col_bottom_up *job = unit->job;
    int64_t outputs = job->shape->outputs;
    if (!dualprop__is_pooled(job->shape)) return;
    for (int64_t row = 0; row < unit->rows; row++)
        dualprop__pool_row(job->blis, job->shape, unit->first_row + row,
                           dualprop__at(job->blis, unit->map, row * job->row_pixels * outputs), outputs, 0, outputs,
                           job->a, job->switches);
}

static void update_dyads_im2col_bottom_up(const struct pixel_unit *unit)
{
    struct im2col_bottom_up *job = unit->job;
    int64_t row_size = job->shape->pooled_width * job->shape->outputs, count = unit->rows * row_size;
    dualprop__tile tile = { unit->first_row * row_size, 1, count, count };
    dualprop__maxima maxima = { 0, 0 };
    if (!job->dyad) return;
    job->blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

static void run_unit(void *argument, int64_t index, int64_t member)
{
    struct pixel_unit unit = unit_of(argument, index, member);
    int64_t panels = dualprop__ceil_div(unit.pixels, unit.job->blis->kernel.broadcast);
    for (int64_t first = 0; first < panels; first += UP_BLOCK_PANELS)
        multiply_block_im2col_bottom_up(&unit, first, dualprop__least(UP_BLOCK_PANELS, panels - first));
    add_bias(&unit);
    pool_im2col_bottom_up(&unit);
    update_dyads_im2col_bottom_up(&unit);
}

void dualprop__im2col_bottom_up(const dualprop__blis *blis, const dualprop_convolution *shape, void *a,
                                uint8_t *switches, const void *x, const void *weights, const void *bias,
                                const dualprop_dyad *dyad)
{
    dualprop__space space = { shape->workspace, 0 };
    struct im2col_bottom_up job = plan_im2col_bottom_up(blis, shape, &space);
    job.images.pixels = x;
    job.a = a;
    job.switches = switches;
    job.weights = weights;
    job.bias = bias;
    job.dyad = dyad;
    memset((void *)(uintptr_t)job.images.zeros, 0, (size_t)shape->channels * blis->loops->real_size);
    dualprop__team_phase phase = { .unit = run_unit, .units = job.rows.parts };
    dualprop__max_tracker_begin(&job.maxima);
    dualprop__team_run(blis->reference.host, &job, &phase, 1, job.members);
    if (dyad) dualprop__max_tracker_write(&job.maxima, dyad->max_abs, dyad->change);
}
