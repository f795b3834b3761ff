/*
 * blis_winograd_gradient.c - dg = G^T [ sum over tiles of (B^T d B) . (A dY A^T) ] G, and what becomes of it at once.
 *
 * In each plane the sum over tiles is a product: deltas [tiles][V] as vectors, columns [tiles][N] as broadcasts. A
 * region is some panels of outputs times some panels of channels, in all planes: its dU lies in a slice, is transformed
 * back there, and goes into the gradient, or into weights and moments, without ever being in memory as a whole.
 *
 * Where the filters outweigh, columns and deltas are made for a block of tiles, and a unit is a region. With several
 * blocks the transformed regions are added up in the workspace.
 *
 * By chunks, the tiles are cut into groups; a unit is a group, which goes through its tiles chunk by chunk and adds to
 * a dU of its own, of the whole layer; then a unit is a region, for which the groups are added up in their order. How
 * many groups there are depends on the shape alone.
 */
#include <string.h>

#include "blis_winograd.h"

/* Tiles of a chunk; groups, at least and at most; bytes of dU in all groups, about. */
#define GRADIENT_CHUNK_TILES 48
#define GROUPS_AT_LEAST 4
#define WINOGRAD_GROUPS 16
#define WINOGRAD_GROUP_BYTES ((int64_t)8 << 20)
/* Bytes of columns and deltas in a block, about. */
#define GRADIENT_BLOCK_BYTES ((int64_t)32 << 20)
/* A region: outputs and channels, about. */
#define REGION_OUTPUTS 64
#define REGION_CHANNELS 144

struct winograd_gradient {
    dualprop__unpooling unpooling; /* first: see dualprop__unpool_unit() */
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const dualprop__sink *sink;
    const dualprop__winograd_loops *loops;
    dualprop__tiles patches, deltas;
    const void *delta; /* pooled */
    int by_chunks;
    int64_t tiles;
    int64_t channel_panels, output_panels;
    dualprop__partition blocks;            /* tiles: of a block, or of a group */
    int64_t groups;                        /* at most */
    int64_t part, parts;                   /* tiles one sum goes over at once, in a block or chunk; how many at most */
    dualprop__partition channels, outputs; /* panels: the regions */
    int64_t column_plane, delta_plane, region_plane;
    int64_t column_bytes, delta_bytes, region_bytes, layer_bytes, taps_bytes, stage_bytes, slice_bytes, members;
    int64_t block;                 /* the one at hand */
    char *slices, *columns, *sums; /* sums: dU of each group, or the transformed regions */
};

/* ---- the plan ---- */

static int64_t to_lines(int64_t bytes)
{
    return dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
}

static void plan_tiles(struct winograd_gradient *job)
{
    const dualprop_convolution *shape = job->shape;
    const dualprop__microkernel *kernel = &job->blis->kernel;
    int64_t size = (int64_t)job->blis->loops->real_size;
    job->patches = dualprop__tiles_of(job->blis, shape, shape->channels);
    job->deltas = dualprop__tiles_of(job->blis, shape, shape->outputs);
    job->loops = job->patches.loops;
    job->tiles = job->patches.rows * job->patches.columns;
    job->by_chunks = dualprop__winograd_by_chunks(shape);
    job->channel_panels = dualprop__ceil_div(shape->channels, kernel->broadcast);
    job->output_panels = dualprop__ceil_div(shape->outputs, kernel->vector);
    job->channels =
        dualprop__partition_evenly(job->channel_panels, dualprop__most(1, REGION_CHANNELS / kernel->broadcast));
    job->outputs = dualprop__partition_evenly(job->output_panels, dualprop__most(1, REGION_OUTPUTS / kernel->vector));
    /* dU of the whole layer has the planes of one panel of outputs. */
    job->layer_bytes = job->output_panels * job->loops->planes * size *
                       dualprop__plane(job->blis, job->channel_panels * kernel->broadcast * kernel->vector);
}

static int64_t multiple(int64_t x, int64_t of)
{
    return dualprop__ceil_div(x, of) * of;
}

/* Cuts are at whole runs of tiles, which are written at once. */
static dualprop__partition partition_tiles(int64_t tiles, int64_t part)
{
    part = multiple(part, DUALPROP__TILES_AT_ONCE);
    return (dualprop__partition){ tiles, part, dualprop__ceil_div(tiles, part) };
}

/* A block, or by chunks a chunk, consists of parts, over which sums go at once. More tiles never take less space. */
static void plan_blocks(struct winograd_gradient *job)
{
    int64_t size = (int64_t)job->blis->loops->real_size;
    if (job->by_chunks) {
        job->groups =
            dualprop__least(WINOGRAD_GROUPS, dualprop__most(GROUPS_AT_LEAST, WINOGRAD_GROUP_BYTES / job->layer_bytes));
        job->blocks = partition_tiles(job->tiles, dualprop__ceil_div(job->tiles, job->groups));
        job->part = GRADIENT_CHUNK_TILES;
        job->parts = 1;
        return;
    }
    int64_t tile = (job->shape->channels + job->shape->outputs) * job->loops->planes * size;
    int64_t most = dualprop__most(GRADIENT_BLOCK_BYTES / tile, DUALPROP__DEPTH);
    job->blocks = partition_tiles(job->tiles, dualprop__least(job->tiles, most));
    job->parts = dualprop__ceil_div(job->blocks.part, DUALPROP__DEPTH);
    job->part = partition_tiles(job->blocks.part, dualprop__ceil_div(job->blocks.part, job->parts)).part;
}

static void plan_bytes(struct winograd_gradient *job)
{
    const dualprop__blis *blis = job->blis;
    int64_t size = (int64_t)blis->loops->real_size, planes = job->loops->planes;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    int64_t rows = job->channels.part * broadcast, lanes = blis->convolution_loops->lanes;
    job->column_plane = dualprop__plane(blis, job->channel_panels * job->part * broadcast);
    job->delta_plane = dualprop__plane(blis, job->output_panels * job->part * vector);
    job->region_plane = dualprop__plane(blis, (job->by_chunks ? job->channel_panels * broadcast : rows) * vector);
    job->column_bytes = job->parts * planes * job->column_plane * size;
    job->delta_bytes = job->parts * planes * job->delta_plane * size;
    int64_t panels = job->by_chunks ? 1 : job->outputs.part;
    job->region_bytes = to_lines(panels * planes * dualprop__plane(blis, rows * vector) * size);
    job->taps_bytes = to_lines(DUALPROP__NINE * rows * vector * size);
    int64_t widest = dualprop__most(vector, broadcast);
    job->stage_bytes = to_lines(planes * (multiple(DUALPROP__TILES_AT_ONCE * widest + lanes, 16)) * size);
    int64_t both = job->column_bytes + job->delta_bytes;
    job->slice_bytes =
        dualprop__most(job->region_bytes + job->taps_bytes, job->stage_bytes + (job->by_chunks ? both : 0));
}

static struct winograd_gradient plan_winograd_gradient(const dualprop__blis *blis, const dualprop_convolution *shape,
                                                       dualprop__space *space)
{
    struct winograd_gradient job = { .blis = blis, .shape = shape };
    int64_t size = (int64_t)blis->loops->real_size;
    plan_tiles(&job);
    plan_blocks(&job);
    plan_bytes(&job);
    int64_t regions = job.channels.parts * job.outputs.parts, runs = job.blocks.part / DUALPROP__TILES_AT_ONCE;
    int64_t units = dualprop__most(regions, job.by_chunks ? job.groups : 2 * runs);
    int64_t weights =
        dualprop__blis_weight_elements((void *)(uintptr_t)blis, DUALPROP__NINE * shape->channels, shape->outputs) *
        size;
    job.members = dualprop__least(dualprop__members_of(job.slice_bytes), units);
    job.patches.images.zeros = dualprop__acquire_piece(space, shape->channels * size);
    job.deltas.images.zeros = dualprop__acquire_piece(space, shape->outputs * size);
    job.unpooling.map = dualprop__acquire_piece(space, dualprop__map_bytes(blis, shape));
    job.columns = dualprop__acquire_piece(space, job.by_chunks ? 0 : job.column_bytes + job.delta_bytes);
    int64_t sums = job.by_chunks ? job.groups * job.layer_bytes : job.blocks.parts > 1 ? weights : 0;
    job.sums = dualprop__acquire_piece(space, sums);
    job.slices = dualprop__acquire_piece(space, job.slice_bytes * job.members);
    return job;
}

int64_t dualprop__winograd_gradient_bytes(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    dualprop__space space = { NULL, 0 };
    plan_winograd_gradient(blis, shape, &space);
    return space.used;
}

/* ---- columns and deltas, a run of tiles at a time ---- */

/* Where they lie: for the tiles of a block, or of a chunk, from tile `first` on. */
struct transformed {
    char *columns, *deltas, *stage;
    int64_t first, tiles;
};

/* The element of plane 0 if a tile lies in a panel `width` wide. */
static int64_t start_in_block(const struct winograd_gradient *job, int64_t plane, int64_t tile, int64_t panel,
                              int64_t width)
{
    return tile / job->part * job->loops->planes * plane + (panel * job->part + tile % job->part) * width;
}

/* Pixels of a run of tiles; gives how many tiles it has. */
static int64_t find_pixels_winograd_gradient(const dualprop__tiles *tiles, const struct transformed *to, int64_t tile,
                                             int64_t offset, int64_t side, const void **pixels)
{
    int64_t count = dualprop__least(DUALPROP__TILES_AT_ONCE, to->first + to->tiles - tile);
    for (int64_t t = 0; t < count; t++) dualprop__tile_pixels(tiles, tile + t, offset, side, pixels + t * side * side);
    return count;
}

/* The run of tiles that begins with `tile`. */
static void transform_columns(const struct winograd_gradient *job, const struct transformed *to, int64_t tile)
{
    const void *pixels[DUALPROP__TILES_AT_ONCE * DUALPROP__PATCH];
    int64_t broadcast = job->blis->kernel.broadcast;
    int64_t tiles =
        find_pixels_winograd_gradient(&job->patches, to, tile, job->loops->offset, job->loops->patch, pixels);
    for (int64_t panel = 0; panel < job->channel_panels; panel++) {
        int64_t start = start_in_block(job, job->column_plane, tile - to->first, panel, broadcast);
        dualprop__winograd_columns columns = {
            .pixels = pixels,
            .tiles = tiles,
            .first = panel * broadcast,
            .channels = job->shape->channels,
            .width = broadcast,
            .panels = dualprop__at(job->blis, to->columns, start),
            .plane = job->column_plane,
            .stage = to->stage,
        };
        job->loops->input_columns(&columns);
    }
}

static void transform_deltas(const struct winograd_gradient *job, const struct transformed *to, int64_t tile)
{
    const void *pixels[DUALPROP__TILES_AT_ONCE * DUALPROP__PATCH];
    int64_t vector = job->blis->kernel.vector;
    int64_t tiles = find_pixels_winograd_gradient(&job->deltas, to, tile, 0, job->loops->tile, pixels);
    for (int64_t panel = 0; panel < job->output_panels; panel++) {
        int64_t start = start_in_block(job, job->delta_plane, tile - to->first, panel, vector);
        dualprop__winograd_columns columns = {
            .pixels = pixels,
            .tiles = tiles,
            .first = panel * vector,
            .channels = job->shape->outputs,
            .width = vector,
            .panels = dualprop__at(job->blis, to->deltas, start),
            .plane = job->delta_plane,
            .stage = to->stage,
        };
        job->loops->delta_columns(&columns);
    }
}

/* ---- products ---- */

/* dU of a region or of the whole layer: panels of outputs and channels, from the first ones on. */
struct group_sums {
    char *u; /* [output_panels][planes][channel_panels * N][V] */
    int64_t plane, first_output, outputs, first_channel, channels;
    int accumulate;
};

/* One panel of outputs times one of channels, in one plane, over one part of the tiles. */
static void multiply_winograd_gradient(const struct winograd_gradient *job, const struct transformed *from,
                                       const struct group_sums *to, int64_t plane, int64_t part, int64_t output,
                                       int64_t channel)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast, planes = job->loops->planes;
    int64_t first = part * job->part, first_channel = (to->first_channel + channel) * broadcast;
    int64_t delta = start_in_block(job, job->delta_plane, first, to->first_output + output, vector);
    int64_t column = start_in_block(job, job->column_plane, first, to->first_channel + channel, broadcast);
    dualprop__product product = {
        .vector_count = vector,
        .broadcast_count = dualprop__least(broadcast, job->shape->channels - first_channel),
        .depth = dualprop__least(job->part, from->tiles - first),
        .vectors = dualprop__at(blis, from->deltas, delta + plane * job->delta_plane),
        .broadcasts = dualprop__at(blis, from->columns, column + plane * job->column_plane),
        .is_cold = channel == 0,
        .accumulate = to->accumulate || part > 0,
        .c = dualprop__at(blis, to->u, (output * planes + plane) * to->plane + channel * broadcast * vector),
        .stride = vector,
    };
    blis->kernel.run(&blis->kernel, &product);
}

static void multiply_all(const struct winograd_gradient *job, const struct transformed *from,
                         const struct group_sums *to)
{
    for (int64_t plane = 0; plane < job->loops->planes; plane++)
        for (int64_t part = 0; part * job->part < from->tiles; part++)
            for (int64_t output = 0; output < to->outputs; output++)
                for (int64_t channel = 0; channel < to->channels; channel++)
                    multiply_winograd_gradient(job, from, to, plane, part, output, channel);
}

/* ---- regions ---- */

struct region {
    int64_t first_output, outputs, first_channel, channels; /* panels */
    char *u, *taps;                                         /* in the slice */
};

static struct region region_of(const struct winograd_gradient *job, int64_t unit, int64_t member)
{
    int64_t outputs = unit / job->channels.parts, channels = unit % job->channels.parts;
    char *slice = job->slices + member * job->slice_bytes;
    return (struct region){
        .first_output = dualprop__part_first(&job->outputs, outputs),
        .outputs = dualprop__part_size(&job->outputs, outputs),
        .first_channel = dualprop__part_first(&job->channels, channels),
        .channels = dualprop__part_size(&job->channels, channels),
        .u = slice,
        .taps = slice + job->region_bytes,
    };
}

/* Channels of the region, without what the last panel has beyond them. */
static int64_t channel_count(const struct winograd_gradient *job, const struct region *region)
{
    int64_t broadcast = job->blis->kernel.broadcast;
    return dualprop__least(region->channels * broadcast, job->shape->channels - region->first_channel * broadcast);
}

/* The element of the weights where a tap of the region's channels begins, for one panel of outputs. */
static int64_t winograd_gradient_start_of(const struct winograd_gradient *job, const struct region *region,
                                          int64_t output, int64_t tap)
{
    int64_t row = (output * DUALPROP__NINE + tap) * job->shape->channels;
    return (row + region->first_channel * job->blis->kernel.broadcast) * job->blis->kernel.vector;
}

/* A gradient that is added up over blocks lies in the workspace until the last one. */
static void put_tap(const struct winograd_gradient *job, int64_t start, int64_t count, char *taps)
{
    const dualprop__blis *blis = job->blis;
    char *sums = dualprop__at(blis, job->sums, start);
    int is_last = job->by_chunks || job->block == job->blocks.parts - 1;
    if (!job->by_chunks && job->blocks.parts > 1) blis->loops->scale(sums, taps, 1, job->block > 0, count);
    else sums = taps;
    if (is_last) dualprop__learn_weights(blis, job->sink, start, count, sums);
}

/* u: dU of one panel of outputs. */
static void finish_panel(const struct winograd_gradient *job, const struct region *region, int64_t output,
                         const char *u)
{
    const dualprop__blis *blis = job->blis;
    int64_t count = channel_count(job, region), elements = count * blis->kernel.vector;
    dualprop__winograd_sums sums = {
        .u = u,
        .plane = dualprop__plane(blis, job->channels.part * blis->kernel.broadcast * blis->kernel.vector),
        .count = count,
        .vector = blis->kernel.vector,
        .g = region->taps,
    };
    job->loops->gradient(&sums);
    for (int64_t tap = 0; tap < DUALPROP__NINE; tap++)
        put_tap(job, winograd_gradient_start_of(job, region, output, tap), elements,
                dualprop__at(blis, region->taps, tap * elements));
}

static void fetch_winograd_gradient(const struct winograd_gradient *job, const struct region *region)
{
    for (int64_t output = region->first_output; output < region->first_output + region->outputs; output++)
        for (int64_t tap = 0; tap < DUALPROP__NINE; tap++)
            dualprop__fetch_weights(job->blis, job->sink, winograd_gradient_start_of(job, region, output, tap),
                                    channel_count(job, region) * job->blis->kernel.vector);
}

/* ---- units, whole blocks ---- */

static struct transformed transformed_block(const struct winograd_gradient *job)
{
    return (struct transformed){ .columns = job->columns,
                                 .deltas = job->columns + job->column_bytes,
                                 .first = dualprop__part_first(&job->blocks, job->block),
                                 .tiles = dualprop__part_size(&job->blocks, job->block) };
}

/* Columns or deltas of one run of tiles. */
static void transform_unit(void *argument, int64_t unit, int64_t member)
{
    const struct winograd_gradient *job = argument;
    struct transformed to = transformed_block(job);
    int64_t tile = to.first + unit / 2 * DUALPROP__TILES_AT_ONCE;
    to.stage = job->slices + member * job->slice_bytes;
    if (unit % 2 == 0) transform_columns(job, &to, tile);
    else transform_deltas(job, &to, tile);
}

static void bias_unit(const struct winograd_gradient *job, int64_t panel)
{
    int64_t outputs = job->shape->outputs;
    dualprop__learn_bias(job->blis, dualprop__places(job->shape), outputs, job->sink,
                         dualprop__at(job->blis, job->delta, panel * job->blis->kernel.vector), outputs, panel);
}

/* Biases come with the first block. */
static void region_unit(void *argument, int64_t unit, int64_t member)
{
    const struct winograd_gradient *job = argument;
    int64_t regions = job->channels.parts * job->outputs.parts;
    if (unit >= regions) {
        bias_unit(job, unit - regions);
        return;
    }
    struct region region = region_of(job, unit, member);
    struct transformed from = transformed_block(job);
    struct group_sums sums = {
        region.u, job->region_plane, region.first_output, region.outputs, region.first_channel, region.channels, 0
    };
    multiply_all(job, &from, &sums);
    fetch_winograd_gradient(job, &region);
    for (int64_t i = 0; i < region.outputs; i++)
        finish_panel(job, &region, region.first_output + i,
                     dualprop__at(job->blis, region.u, i * job->loops->planes * job->region_plane));
}

/* ---- units, by chunks ---- */

static void transform_chunk_winograd_gradient(const struct winograd_gradient *job, const struct transformed *to)
{
    for (int64_t t = 0; t < to->tiles; t += DUALPROP__TILES_AT_ONCE) {
        transform_columns(job, to, to->first + t);
        transform_deltas(job, to, to->first + t);
    }
}

static void group_unit(void *argument, int64_t group, int64_t member)
{
    const struct winograd_gradient *job = argument;
    char *slice = job->slices + member * job->slice_bytes;
    struct transformed from = { .columns = slice + job->stage_bytes, .stage = slice };
    struct group_sums sums = {
        job->sums + group * job->layer_bytes, job->region_plane, 0, job->output_panels, 0, job->channel_panels, 0
    };
    int64_t end = dualprop__part_first(&job->blocks, group) + dualprop__part_size(&job->blocks, group);
    from.deltas = from.columns + job->column_bytes;
    for (from.first = dualprop__part_first(&job->blocks, group); from.first < end; from.first += job->part) {
        from.tiles = dualprop__least(job->part, end - from.first);
        transform_chunk_winograd_gradient(job, &from);
        multiply_all(job, &from, &sums);
        sums.accumulate = 1;
    }
}

/* All groups' dU of one panel of outputs, for the region's channels, into the slice. */
static void add_groups(const struct winograd_gradient *job, const struct region *region, int64_t output)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast, planes = job->loops->planes;
    int64_t plane = dualprop__plane(blis, job->channels.part * broadcast * vector);
    int64_t count = channel_count(job, region) * vector;
    for (int64_t p = 0; p < planes; p++)
        for (int64_t group = 0; group < job->blocks.parts; group++) {
            int64_t start = (output * planes + p) * job->region_plane + region->first_channel * broadcast * vector;
            blis->loops->scale(dualprop__at(blis, region->u, p * plane),
                               dualprop__at(blis, job->sums + group * job->layer_bytes, start), 1, group > 0, count);
        }
}

static void winograd_gradient_sum_unit(void *argument, int64_t unit, int64_t member)
{
    const struct winograd_gradient *job = argument;
    int64_t regions = job->channels.parts * job->outputs.parts;
    if (unit >= regions) {
        bias_unit(job, unit - regions);
        return;
    }
    struct region region = region_of(job, unit, member);
    fetch_winograd_gradient(job, &region);
    for (int64_t i = 0; i < region.outputs; i++) {
        add_groups(job, &region, region.first_output + i);
        finish_panel(job, &region, region.first_output + i, region.u);
    }
}

/* ---- the job ---- */

static void run_phases_winograd_gradient(struct winograd_gradient *job, dualprop__team_phase *phases, int count)
{
    dualprop__team_run(job->blis->reference.host, job, phases, count, job->members);
}

static void run_blocks(struct winograd_gradient *job, int64_t regions, int64_t biases)
{
    for (job->block = 0; job->block < job->blocks.parts; job->block++) {
        int64_t runs = dualprop__ceil_div(dualprop__part_size(&job->blocks, job->block), DUALPROP__TILES_AT_ONCE);
        dualprop__team_phase phases[2] = {
            { .unit = transform_unit, .units = 2 * runs },
            { .unit = region_unit, .units = regions + (job->block == 0 ? biases : 0) },
        };
        run_phases_winograd_gradient(job, phases, 2);
    }
}

static void run_groups(struct winograd_gradient *job, int64_t regions, int64_t biases)
{
    dualprop__team_phase phases[2] = {
        { .unit = group_unit, .units = job->blocks.parts },
        { .unit = winograd_gradient_sum_unit, .units = regions + biases },
    };
    run_phases_winograd_gradient(job, phases, 2);
}

static void clear(const dualprop__images *images)
{
    memset((void *)(uintptr_t)images->zeros, 0, (size_t)images->channels * images->blis->loops->real_size);
}

void dualprop__winograd_gradient(const dualprop__blis *blis, const dualprop_convolution *shape, const void *x,
                                 const void *delta, const uint8_t *switches, const dualprop__sink *sink)
{
    dualprop__space space = { shape->workspace, 0 };
    struct winograd_gradient job = plan_winograd_gradient(blis, shape, &space);
    dualprop__team_phase unpool = { .unit = dualprop__unpool_unit, .units = shape->batch };
    int64_t regions = job.channels.parts * job.outputs.parts;
    int64_t biases = dualprop__has_bias(sink) ? job.output_panels : 0;
    job.sink = sink;
    job.unpooling = (dualprop__unpooling){ blis, shape, delta, switches, job.unpooling.map };
    job.patches.images.pixels = x;
    job.deltas.images.pixels = dualprop__is_pooled(shape) ? job.unpooling.map : delta;
    job.delta = delta;
    clear(&job.patches.images);
    clear(&job.deltas.images);
    if (dualprop__is_pooled(shape)) run_phases_winograd_gradient(&job, &unpool, 1);
    if (job.by_chunks) run_groups(&job, regions, biases);
    else run_blocks(&job, regions, biases);
}
