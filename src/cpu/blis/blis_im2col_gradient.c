/*
 * blis_im2col_gradient.c - dW = scale im2col(x)^T unpool(delta), and what becomes of it at once.
 *
 * The pixels of the map are cut into groups, the columns of the im2col matrix into parts. Phase 1 unpools delta where
 * the layer pools. A unit of phase 2 is one part of the columns for one group: DEPTH pixels at a time it packs its
 * columns, and with each panel of delta adds to the group's own sums, which lie in the workspace in the layout of the
 * weights. Phase 3 adds up the groups in their order, a piece of the weights a unit. The shape decides how many groups
 * there are, so that the order of all sums does not depend on the threads.
 */
#include <string.h>

#include "blis_im2col.h"

/* Panels of columns that a unit has; groups, at most, and bytes of all their sums, at most, where there are several. */
#define PART_PANELS 16
#define IM2COL_GROUPS 16
#define IM2COL_GROUP_BYTES ((int64_t)8 << 20)
/* Elements that a unit of the last phase has. */
#define SUM_PIECE 8192

struct im2col_gradient {
    dualprop__unpooling unpooling; /* first: see dualprop__unpool_unit() */
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const dualprop__sink *sink;
    dualprop__images images;
    const void *delta; /* pooled */
    const void *map;   /* not */
    int64_t inputs, output_panels, elements;
    int64_t most_groups;
    dualprop__partition groups; /* pixels of the map */
    dualprop__partition parts;  /* panels of columns */
    dualprop__partition pieces; /* elements of the weights */
    char *sums;                 /* [groups][elements] */
    char *slices;
    int64_t slice_bytes, columns_bytes, members;
};

static void partition_im2col_gradient(struct im2col_gradient *job)
{
    const dualprop_convolution *shape = job->shape;
    int64_t size = (int64_t)job->blis->loops->real_size, vector = job->blis->kernel.vector;
    int64_t pixels = shape->batch * shape->map_height * shape->map_width;
    job->inputs = dualprop__taps(shape) * shape->channels;
    job->output_panels = dualprop__ceil_div(shape->outputs, vector);
    job->elements = job->output_panels * job->inputs * vector;
    int64_t groups = dualprop__least(IM2COL_GROUPS, IM2COL_GROUP_BYTES / (job->elements * size));
    job->most_groups = dualprop__most(1, dualprop__least(groups, pixels / DUALPROP__DEPTH));
    job->groups = dualprop__partition_evenly(pixels, dualprop__ceil_div(pixels, job->most_groups));
    job->parts = dualprop__partition_evenly(dualprop__ceil_div(job->inputs, job->blis->kernel.broadcast), PART_PANELS);
    job->pieces = dualprop__partition_evenly(job->elements, SUM_PIECE);
}

static struct im2col_gradient plan_im2col_gradient(const dualprop__blis *blis, const dualprop_convolution *shape,
                                                   dualprop__space *space)
{
    struct im2col_gradient job = { .blis = blis, .shape = shape };
    int64_t size = (int64_t)blis->loops->real_size, broadcast = blis->kernel.broadcast;
    partition_im2col_gradient(&job);
    job.columns_bytes = dualprop__panel_bytes(blis, job.parts.part * broadcast * DUALPROP__DEPTH);
    job.slice_bytes = job.columns_bytes + dualprop__panel_bytes(blis, blis->kernel.vector * DUALPROP__DEPTH);
    job.members = dualprop__least(dualprop__members_of(job.slice_bytes), job.most_groups * job.parts.parts);
    job.images =
        (dualprop__images){ .blis = blis, .height = shape->height, .width = shape->width, .channels = shape->channels };
    job.images.zeros = dualprop__acquire_piece(space, shape->channels * size);
    job.unpooling.map = dualprop__acquire_piece(space, dualprop__map_bytes(blis, shape));
    job.sums = dualprop__acquire_piece(space, job.most_groups * job.elements * size);
    job.slices = dualprop__acquire_piece(space, job.slice_bytes * job.members);
    return job;
}

int64_t dualprop__im2col_gradient_bytes(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    dualprop__space space = { NULL, 0 };
    plan_im2col_gradient(blis, shape, &space);
    return space.used;
}

/* ---- a unit of sums ---- */

struct gradient_unit {
    const struct im2col_gradient *job;
    int64_t group, first_panel, panels; /* of columns */
    int64_t pixel, pixels;              /* at the moment */
    char *columns, *deltas;
    int accumulate;
};

/* Corners of the windows that the pixels see, and for one tap at a time the pixels of x under it. */
static void find_pixels_im2col_gradient(const struct gradient_unit *unit, const void **from, int64_t tap)
{
    const dualprop_convolution *shape = unit->job->shape;
    int64_t down = tap / shape->kernel_width, right = tap % shape->kernel_width;
    int64_t x = unit->pixel % shape->map_width, row = unit->pixel / shape->map_width;
    dualprop__place corner = { row / shape->map_height, 0, 0 };
    int64_t y = row % shape->map_height;
    for (int64_t i = 0; i < unit->pixels; i++) {
        corner.y = y * shape->stride_height - shape->padding_height;
        corner.x = x * shape->stride_width - shape->padding_width;
        from[i] = dualprop__pixel_at(&unit->job->images, &corner, down, right, 0);
        if (++x < shape->map_width) continue;
        x = 0;
        if (++y < shape->map_height) continue;
        y = 0;
        corner.image++;
    }
}

/* Columns first to first + count, all of one tap, into the panels they belong to: [panel][pixels][N]. */
static void pack_tap(const struct gradient_unit *unit, const void **from, int64_t first, int64_t count)
{
    const dualprop__blis *blis = unit->job->blis;
    int64_t broadcast = blis->kernel.broadcast, run;
    for (int64_t column = first; column < first + count; column += run) {
        int64_t panel = column / broadcast, within = column % broadcast;
        run = dualprop__least(broadcast - within, first + count - column);
        char *to = dualprop__at(blis, unit->columns, (panel - unit->first_panel) * unit->pixels * broadcast + within);
        blis->convolution_loops->gather(to, from, unit->pixels, run, broadcast);
        for (int64_t i = 0; i < unit->pixels; i++) from[i] = dualprop__at(blis, from[i], run);
    }
}

/* Columns beyond the last are whatever was there: their products are not wanted. */
static void pack_columns(const struct gradient_unit *unit)
{
    const void *from[DUALPROP__DEPTH];
    const struct im2col_gradient *job = unit->job;
    int64_t broadcast = job->blis->kernel.broadcast, channels = job->shape->channels, run;
    int64_t first = unit->first_panel * broadcast;
    int64_t end = dualprop__least(first + unit->panels * broadcast, job->inputs);
    for (int64_t column = first; column < end; column += run) {
        int64_t channel = column % channels;
        run = dualprop__least(channels - channel, end - column);
        find_pixels_im2col_gradient(unit, from, column / channels);
        for (int64_t i = 0; i < unit->pixels; i++)
            if (from[i] != job->images.zeros) from[i] = dualprop__at(job->blis, from[i], channel);
        pack_tap(unit, from, column, run);
    }
}

static void multiply_im2col_gradient(const struct gradient_unit *unit, int64_t panel, int64_t output_panel)
{
    const struct im2col_gradient *job = unit->job;
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    int64_t column = (unit->first_panel + panel) * broadcast;
    dualprop__product product = {
        .vector_count = vector,
        .broadcast_count = dualprop__least(broadcast, job->inputs - column),
        .depth = unit->pixels,
        .vectors = unit->deltas,
        .broadcasts = dualprop__at(blis, unit->columns, panel * unit->pixels * broadcast),
        .accumulate = unit->accumulate,
        .c =
            dualprop__at(blis, job->sums, unit->group * job->elements + (output_panel * job->inputs + column) * vector),
        .stride = vector,
    };
    blis->kernel.run(&blis->kernel, &product);
}

static void add_pixels(const struct gradient_unit *unit)
{
    const struct im2col_gradient *job = unit->job;
    int64_t vector = job->blis->kernel.vector, outputs = job->shape->outputs;
    pack_columns(unit);
    for (int64_t o = 0; o < job->output_panels; o++) {
        job->blis->loops->pack_rows(unit->deltas, dualprop__at(job->blis, job->map, unit->pixel * outputs + o * vector),
                                    outputs, unit->pixels, dualprop__least(vector, outputs - o * vector), vector);
        for (int64_t panel = 0; panel < unit->panels; panel++) multiply_im2col_gradient(unit, panel, o);
    }
}

static void im2col_gradient_sum_unit(void *argument, int64_t index, int64_t member)
{
    const struct im2col_gradient *job = argument;
    int64_t group = index / job->parts.parts, part = index % job->parts.parts;
    int64_t first = dualprop__part_first(&job->groups, group), end = first + dualprop__part_size(&job->groups, group);
    struct gradient_unit unit = { .job = job, .group = group };
    unit.first_panel = dualprop__part_first(&job->parts, part);
    unit.panels = dualprop__part_size(&job->parts, part);
    unit.columns = job->slices + member * job->slice_bytes;
    unit.deltas = unit.columns + job->columns_bytes;
    for (unit.pixel = first; unit.pixel < end; unit.pixel += unit.pixels) {
        unit.pixels = dualprop__least(DUALPROP__DEPTH, end - unit.pixel);
        unit.accumulate = unit.pixel > first;
        add_pixels(&unit);
    }
}

/* ---- the sums of all groups ---- */

static void learn_unit(void *argument, int64_t index, int64_t member)
{
    const struct im2col_gradient *job = argument;
    const dualprop__blis *blis = job->blis;
    (void)member;
    if (index >= job->pieces.parts) {
        int64_t panel = index - job->pieces.parts, outputs = job->shape->outputs;
        dualprop__learn_bias(blis, dualprop__places(job->shape), outputs, job->sink,
                             dualprop__at(blis, job->delta, panel * blis->kernel.vector), outputs, panel);
        return;
    }
    int64_t first = dualprop__part_first(&job->pieces, index), count = dualprop__part_size(&job->pieces, index);
    char *sums = dualprop__at(blis, job->sums, first);
    for (int64_t group = 1; group < job->groups.parts; group++)
        blis->loops->scale(sums, dualprop__at(blis, job->sums, group * job->elements + first), 1, 1, count);
    dualprop__learn_weights(blis, job->sink, first, count, sums);
}

void dualprop__im2col_gradient(const dualprop__blis *blis, const dualprop_convolution *shape, const void *x,
                               const void *delta, const uint8_t *switches, const dualprop__sink *sink)
{
    dualprop__space space = { shape->workspace, 0 };
    struct im2col_gradient job = plan_im2col_gradient(blis, shape, &space);
    int is_pooled = dualprop__is_pooled(shape);
    job.sink = sink;
    job.unpooling = (dualprop__unpooling){ blis, shape, delta, switches, job.unpooling.map };
    job.images.pixels = x;
    job.delta = delta;
    job.map = is_pooled ? job.unpooling.map : delta;
    memset((void *)(uintptr_t)job.images.zeros, 0, (size_t)shape->channels * blis->loops->real_size);
    dualprop__team_phase phases[3] = {
        { .unit = dualprop__unpool_unit, .units = shape->batch },
        { .unit = im2col_gradient_sum_unit, .units = job.groups.parts * job.parts.parts },
        { .unit = learn_unit, .units = job.pieces.parts + (dualprop__has_bias(sink) ? job.output_panels : 0) },
    };
    dualprop__team_run(blis->reference.host, &job, is_pooled ? phases : phases + 1, is_pooled ? 3 : 2, job.members);
}
