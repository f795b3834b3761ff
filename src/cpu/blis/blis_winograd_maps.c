/*
 * blis_winograd_maps.c - bottom-up and top-down: from images to images, by way of V, the products M, and back.
 *
 * A chunk is some rows of tiles. By chunks, a unit is a chunk: its V stays in the cache while one panel of outputs
 * after another is multiplied and transformed back, then the dyad update follows. Otherwise V is made for a block of
 * chunks, a chunk a unit, and then a unit is two panels of outputs for the whole block: it transforms their filters,
 * multiplies and transforms back a few chunks at a time. A tile that is alone is multiplied with the filters as they
 * are transformed, without writing U.
 *
 * Sums go over DEPTH inputs at a time, so that rounding errors do not grow with the channels without bound. Pooling
 * windows that tile the tiles are pooled from a row of tiles in the nearest cache; other pooling has a phase of its
 * own.
 */
#include <string.h>

#include "blis_winograd.h"

/* Tiles of a chunk, by chunks and otherwise. */
#define MAPS_CHUNK_TILES 48
#define BLOCK_CHUNK_TILES 12
/* Bytes of V for a block of chunks, about; chunks whose products a unit transforms back at once. */
#define MAPS_BLOCK_BYTES ((int64_t)16 << 20)
#define PART_CHUNKS 8
/* Panels of outputs that V is multiplied with while it is near; by chunks it is near anyway. */
#define PANELS_AT_ONCE 2
/* Bytes of U of a panel that stay in the second-level cache, beside its weights. */
#define NEAR_FILTERS ((int64_t)1 << 19)

struct pass {
    dualprop__unpooling unpooling; /* first: see dualprop__unpool_unit() */
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    int is_top_down, by_chunks, is_single, pools, pools_at_once; /* is_single: there is one tile */
    dualprop__tiles tiles;
    int64_t inputs, outputs, panels; /* channels of the two images, panels of the second */
    dualprop__partition depth;       /* inputs */
    int64_t result_height, result_width;
    dualprop__partition chunks;  /* rows of tiles */
    dualprop__partition blocks;  /* chunks */
    int64_t block;               /* the one at hand */
    int64_t chunk_tiles;         /* of a whole chunk, rounded up to panels */
    int64_t panel_size;          /* elements of V for one panel of tiles in one plane */
    int64_t plane, filter_plane; /* of V and of U */
    int64_t part_chunks;         /* chunks that are transformed back at once */
    int64_t at_once;             /* panels of outputs that are multiplied at once */
    char *patches, *slices, *map;
    int64_t patch_bytes, product_bytes, filter_bytes, slice_bytes, members;
    const void *weights, *bias;
    void *result;
    uint8_t *switches;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

/* ---- the plan ---- */

static int64_t divisor(int64_t x, int64_t y)
{
    while (y != 0) {
        int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

/* Parts of one size, and a rest: so that a larger batch never takes less workspace. */
static dualprop__partition partition_whole(int64_t whole, int64_t part)
{
    return (dualprop__partition){ whole, part, dualprop__ceil_div(whole, part) };
}

/* Chunks have so many rows of tiles that whole panels of tiles come of them, where that is few enough. */
static dualprop__partition partition_chunks(const struct pass *job)
{
    int64_t broadcast = job->blis->kernel.broadcast, tiles = job->by_chunks ? MAPS_CHUNK_TILES : BLOCK_CHUNK_TILES;
    int64_t rows = dualprop__most(1, tiles / job->tiles.columns);
    int64_t even = broadcast / divisor(broadcast, job->tiles.columns);
    return partition_whole(job->tiles.rows, rows >= even ? rows - rows % even : rows);
}

/* Do the windows of pooling tile the tiles? */
static int pools_at_once(const struct pass *job)
{
    const dualprop_convolution *shape = job->shape;
    return job->pools && shape->window_height == shape->window_stride_height &&
           job->tiles.loops->tile % shape->window_height == 0;
}

static void plan_direction(struct pass *job)
{
    const dualprop_convolution *shape = job->shape;
    job->inputs = job->is_top_down ? shape->outputs : shape->channels;
    job->outputs = job->is_top_down ? shape->channels : shape->outputs;
    job->panels = dualprop__ceil_div(job->outputs, job->blis->kernel.vector);
    job->depth = dualprop__partition_evenly(job->inputs, DUALPROP__DEPTH);
    job->tiles = dualprop__tiles_of(job->blis, shape, job->inputs);
    job->pools = !job->is_top_down && dualprop__is_pooled(shape);
    job->pools_at_once = pools_at_once(job);
    job->result_height = job->pools ? shape->pooled_height : shape->height;
    job->result_width = job->pools ? shape->pooled_width : shape->width;
    job->by_chunks = dualprop__winograd_by_chunks(shape);
    /* Whoever has run_row adds products in the order of one_tile(), with the same bits. */
    job->is_single =
        !job->is_top_down && !job->by_chunks && job->blis->kernel.run_row && job->tiles.rows * job->tiles.columns == 1;
}

static void plan_chunks(struct pass *job)
{
    const dualprop__blis *blis = job->blis;
    int64_t size = (int64_t)blis->loops->real_size, broadcast = blis->kernel.broadcast;
    int64_t planes = job->tiles.loops->planes;
    job->chunks = partition_chunks(job);
    job->chunk_tiles = dualprop__ceil_div(job->chunks.part * job->tiles.columns, broadcast) * broadcast;
    job->panel_size = job->inputs * broadcast;
    job->filter_plane = dualprop__plane(blis, job->inputs * blis->kernel.vector);
    job->product_bytes = job->chunk_tiles * planes * blis->kernel.vector * size;
    int64_t chunk_size = job->chunk_tiles / broadcast * job->panel_size;
    int64_t most = dualprop__most(1, MAPS_BLOCK_BYTES / (chunk_size * planes * size));
    job->blocks = partition_whole(job->chunks.parts, job->by_chunks ? 1 : dualprop__least(most, job->chunks.parts));
    job->plane = dualprop__plane(blis, job->is_single ? job->inputs : job->blocks.part * chunk_size);
    job->patch_bytes = planes * job->plane * size;
    job->part_chunks = job->by_chunks ? 1 : dualprop__least(PART_CHUNKS, most);
    job->at_once = job->by_chunks ? 1 : PANELS_AT_ONCE;
    job->filter_bytes = planes * job->filter_plane * size;
}

/* A slice: pixels of two panels of tiles; a stage, or a row of tiles, or a filter's scratch; M; V of a chunk, or U. */
static int64_t pixel_bytes(const struct pass *job)
{
    int64_t bytes = job->blis->kernel.broadcast * DUALPROP__PATCH * (int64_t)sizeof(void *);
    return 2 * dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
}

static int64_t small_bytes(const struct pass *job)
{
    const dualprop__winograd_loops *loops = job->tiles.loops;
    int64_t size = (int64_t)job->blis->loops->real_size, vector = job->blis->kernel.vector;
    int64_t stage = job->blis->kernel.broadcast * loops->planes * DUALPROP__LINE;
    int64_t row = loops->tile * job->shape->width * vector * size;
    int64_t bytes = dualprop__most(dualprop__most(stage, row), dualprop__filter_scratch(job->blis));
    return dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
}

static struct pass plan_winograd_maps(const dualprop__blis *blis, const dualprop_convolution *shape, int is_top_down,
                                      dualprop__space *space)
{
    struct pass job = { .blis = blis, .shape = shape, .is_top_down = is_top_down };
    plan_direction(&job);
    plan_chunks(&job);
    int64_t size = (int64_t)blis->loops->real_size;
    job.slice_bytes = pixel_bytes(&job) + small_bytes(&job) + job.at_once * job.part_chunks * job.product_bytes +
                      (job.by_chunks ? job.patch_bytes : job.at_once * job.filter_bytes);
    int64_t units = dualprop__most(job.chunks.parts, job.panels);
    job.members = dualprop__least(dualprop__members_of(job.slice_bytes), units);
    job.tiles.images.zeros = dualprop__acquire_piece(space, job.inputs * size);
    int has_map = job.is_top_down ? dualprop__is_pooled(shape) : job.pools && !job.pools_at_once;
    job.map = dualprop__acquire_piece(space, has_map ? dualprop__map_bytes(blis, shape) : 0);
    job.patches = dualprop__acquire_piece(space, job.by_chunks ? 0 : job.patch_bytes);
    job.slices = dualprop__acquire_piece(space, job.slice_bytes * job.members);
    return job;
}

int64_t dualprop__winograd_bytes(const dualprop__blis *blis, const dualprop_convolution *shape, int is_top_down)
{
    dualprop__space space = { NULL, 0 };
    plan_winograd_maps(blis, shape, is_top_down, &space);
    return space.used;
}

/* ---- a slice ---- */

struct slice {
    const void **pixels[2];         /* of this panel of tiles, and of the next */
    char *small, *products, *large; /* products: M of the panels at once; large: V of a chunk, or U of these panels */
};

/* M of panel number `index` of those at hand, for chunk number `chunk` of the part. */
static char *products_of(const struct pass *job, const struct slice *slice, int64_t index, int64_t chunk)
{
    return slice->products + (index * job->part_chunks + chunk) * job->product_bytes;
}

static struct slice slice_of(const struct pass *job, int64_t member)
{
    char *start = job->slices + member * job->slice_bytes;
    struct slice slice = { .small = start + pixel_bytes(job) };
    slice.pixels[0] = (const void **)start;
    slice.pixels[1] = (const void **)(start + pixel_bytes(job) / 2);
    slice.products = slice.small + small_bytes(job);
    slice.large = slice.products + job->at_once * job->part_chunks * job->product_bytes;
    return slice;
}

/* ---- V ---- */

/* Of a panel of tiles; beyond the last there are zeros. */
static void find_pixels_winograd_maps(const struct pass *job, int64_t first_tile, int64_t tiles, const void **pixels)
{
    int64_t patch = job->tiles.loops->patch, squared = patch * patch;
    for (int64_t t = 0; t < job->blis->kernel.broadcast; t++) {
        if (t < tiles)
            dualprop__tile_pixels(&job->tiles, first_tile + t, job->tiles.loops->offset, patch, pixels + t * squared);
        else
            for (int64_t i = 0; i < squared; i++) pixels[t * squared + i] = job->tiles.images.zeros;
    }
}

static int64_t first_tile_of(const struct pass *job, int64_t chunk)
{
    return dualprop__part_first(&job->chunks, chunk) * job->tiles.columns;
}

static int64_t tiles_of(const struct pass *job, int64_t chunk)
{
    return dualprop__part_size(&job->chunks, chunk) * job->tiles.columns;
}

/* V of a chunk begins there in the first plane. */
static char *chunk_at(const struct pass *job, int64_t chunk)
{
    int64_t first = dualprop__part_first(&job->blocks, job->block);
    int64_t panels = (chunk - first) * job->chunk_tiles / job->blis->kernel.broadcast;
    return dualprop__at(job->blis, job->patches, panels * job->panel_size);
}

static void transform_chunk_winograd_maps(const struct pass *job, int64_t chunk, char *patches,
                                          const struct slice *slice)
{
    int64_t broadcast = job->blis->kernel.broadcast, first = first_tile_of(job, chunk), tiles = tiles_of(job, chunk);
    int64_t panels = dualprop__ceil_div(tiles, broadcast);
    find_pixels_winograd_maps(job, first, tiles, slice->pixels[0]);
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t next = (panel + 1) * broadcast;
        dualprop__winograd_input input = {
            .pixels = slice->pixels[panel % 2],
            .next = panel + 1 < panels ? slice->pixels[(panel + 1) % 2] : NULL,
            .tiles = job->is_single ? 1 : broadcast,
            .channels = job->inputs,
            .panels = dualprop__at(job->blis, patches, panel * job->panel_size),
            .plane = job->plane,
            .stage = slice->small,
        };
        if (input.next) find_pixels_winograd_maps(job, first + next, tiles - next, slice->pixels[(panel + 1) % 2]);
        job->tiles.loops->input(&input);
    }
}

static void patch_unit(void *argument, int64_t index, int64_t member)
{
    const struct pass *job = argument;
    struct slice slice = slice_of(job, member);
    int64_t chunk = dualprop__part_first(&job->blocks, job->block) + index;
    transform_chunk_winograd_maps(job, chunk, chunk_at(job, chunk), &slice);
}

/* ---- products ---- */

/* While a panel of outputs is multiplied, the pixels its results go to are fetched, some with each product. */
struct fetching {
    const char *next, *end;
    int64_t pixel, at_once, lines; /* pixels at once, lines of each */
};

static void fetch_some(struct fetching *fetching)
{
    for (int64_t i = 0; i < fetching->at_once && fetching->next < fetching->end; i++) {
        dualprop__fetch_to_write(fetching->next, 0, fetching->lines * DUALPROP__LINE);
        fetching->next += fetching->pixel;
    }
}

/* One part of the sums in one plane of one chunk: all panels of its tiles times U of one panel of outputs. */
static void multiply_part(const struct pass *job, const dualprop__product *first, int64_t tiles,
                          struct fetching *fetching)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    dualprop__product product = *first;
    for (int64_t panel = 0; panel * broadcast < tiles; panel++) {
        product.broadcast_count = dualprop__least(broadcast, tiles - panel * broadcast);
        product.is_cold = panel == 0;
        product.broadcasts = dualprop__at(blis, first->broadcasts, panel * job->panel_size);
        product.c = dualprop__at(blis, first->c, panel * broadcast * job->tiles.loops->planes * vector);
        fetch_some(fetching);
        blis->kernel.run(&blis->kernel, &product);
    }
}

/* filters: U of this plane, for one panel of outputs. */
static void multiply_plane(const struct pass *job, int64_t chunk, int64_t plane, char *patches, const char *filters,
                           char *products, struct fetching *fetching)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    for (int64_t part = 0; part < job->depth.parts; part++) {
        int64_t input = dualprop__part_first(&job->depth, part);
        dualprop__product product = {
            .vector_count = vector,
            .depth = dualprop__part_size(&job->depth, part),
            .vectors = dualprop__at(blis, filters, input * vector),
            .broadcasts = dualprop__at(blis, patches, plane * job->plane + input * broadcast),
            .accumulate = part > 0,
            .c = dualprop__at(blis, products, plane * vector),
            .stride = job->tiles.loops->planes * vector,
        };
        multiply_part(job, &product, tiles_of(job, chunk), fetching);
    }
}

/* ---- back to images ---- */

struct tile_row {
    const struct pass *job;
    int64_t index;       /* of the row of tiles, of all images */
    int64_t image, y;    /* its first row of pixels */
    int64_t rows, count; /* of pixels; channels of the panel */
    char *to;
    int64_t pixel;
};

static struct tile_row winograd_maps_row_of(const struct pass *job, int64_t index, int64_t panel, char *small)
{
    struct tile_row row = { .job = job, .index = index, .image = index / job->tiles.image_rows };
    int64_t vector = job->blis->kernel.vector, height = job->shape->height, width = job->shape->width;
    void *images = job->pools ? job->map : job->result;
    row.y = index % job->tiles.image_rows * job->tiles.loops->tile;
    row.rows = dualprop__least(job->tiles.loops->tile, height - row.y);
    row.count = dualprop__least(vector, job->outputs - panel * vector);
    row.pixel = job->pools_at_once ? vector : job->outputs;
    row.to = job->pools_at_once ? small
                                : dualprop__at(job->blis, images,
                                               (row.image * height + row.y) * width * job->outputs + panel * vector);
    return row;
}

static void transform_back(const struct tile_row *row, const char *products, const void *bias)
{
    const struct pass *job = row->job;
    int64_t vector = job->blis->kernel.vector, tile = job->tiles.loops->tile, width = job->shape->width;
    for (int64_t x = 0; x < job->tiles.columns; x++) {
        dualprop__winograd_output output = {
            .m = dualprop__at(job->blis, products, x * job->tiles.loops->planes * vector),
            .vector = vector,
            .channels = row->count,
            .bias = bias,
            .to = dualprop__at(job->blis, row->to, x * tile * row->pixel),
            .pixel = row->pixel,
            .row = row->pixel * width,
            .rows = row->rows,
            .columns = dualprop__least(tile, width - x * tile),
        };
        job->tiles.loops->output(&output);
    }
}

/* The rows of windows that lie in the row of tiles. */
static void pool_tiles(const struct tile_row *row, int64_t panel, void *a)
{
    const struct pass *job = row->job;
    const dualprop_convolution *shape = job->shape;
    int64_t window = shape->window_height, first = row->y / window;
    for (int64_t i = 0; (i + 1) * window <= row->rows && first + i < shape->pooled_height; i++)
        dualprop__pool_row(job->blis, shape, row->image * shape->pooled_height + first + i,
                           dualprop__at(job->blis, row->to, i * window * shape->width * row->pixel), row->pixel,
                           panel * job->blis->kernel.vector, row->count, a, job->switches);
}

static void finish_chunk(const struct pass *job, int64_t chunk, int64_t panel, const char *products, char *small)
{
    const dualprop__blis *blis = job->blis;
    int64_t first = dualprop__part_first(&job->chunks, chunk), rows = dualprop__part_size(&job->chunks, chunk);
    int64_t row_elements = job->tiles.columns * job->tiles.loops->planes * blis->kernel.vector;
    const void *bias = job->bias ? dualprop__at(blis, job->bias, panel * blis->kernel.vector) : NULL;
    for (int64_t i = 0; i < rows; i++) {
        struct tile_row row = winograd_maps_row_of(job, first + i, panel, small);
        transform_back(&row, dualprop__at(blis, products, i * row_elements), bias);
        if (job->pools_at_once) pool_tiles(&row, panel, job->result);
    }
}

/* ---- dyads ---- */

static void update_rows(struct pass *job, int64_t first, int64_t end)
{
    int64_t row_size = job->result_width * job->outputs, count = (end - first) * row_size;
    dualprop__tile tile = { first * row_size, 1, count, count };
    dualprop__maxima maxima = { 0, 0 };
    job->blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

/* The first row of the result, of all images, that belongs to a row of tiles. */
static int64_t result_row(const struct pass *job, int64_t row)
{
    int64_t step = job->tiles.loops->tile / (job->pools_at_once ? job->shape->window_height : 1);
    int64_t within = dualprop__least(row % job->tiles.image_rows * step, job->result_height);
    return row / job->tiles.image_rows * job->result_height + within;
}

static void update_chunk_winograd_maps(struct pass *job, int64_t chunk)
{
    int64_t first = dualprop__part_first(&job->chunks, chunk), end = first + dualprop__part_size(&job->chunks, chunk);
    if (!job->dyad || (job->pools && !job->pools_at_once)) return;
    update_rows(job, result_row(job, first), result_row(job, end));
}

static void update_unit(void *argument, int64_t chunk, int64_t member)
{
    (void)member;
    update_chunk_winograd_maps(argument, chunk);
}

/* ---- pooling that has a phase of its own ---- */

static void pool_unit(void *argument, int64_t image, int64_t member)
{
    struct pass *job = argument;
    const dualprop_convolution *shape = job->shape;
    int64_t map_row = shape->map_width * shape->outputs;
    (void)member;
    for (int64_t y = 0; y < shape->pooled_height; y++) {
        int64_t row = image * shape->map_height + y * shape->window_stride_height;
        dualprop__pool_row(job->blis, shape, image * shape->pooled_height + y,
                           dualprop__at(job->blis, job->map, row * map_row), shape->outputs, 0, shape->outputs,
                           job->result, job->switches);
    }
    if (job->dyad) update_rows(job, image * shape->pooled_height, (image + 1) * shape->pooled_height);
}

/* ---- units ---- */

/* The results of `chunks` chunks, for `count` panels of outputs from panel `first` on. */
static struct fetching fetching_of(const struct pass *job, int64_t chunk, int64_t chunks, int64_t first, int64_t count)
{
    const dualprop__blis *blis = job->blis;
    int64_t last = chunk + chunks - 1;
    int64_t end = dualprop__part_first(&job->chunks, last) + dualprop__part_size(&job->chunks, last);
    int64_t start = result_row(job, dualprop__part_first(&job->chunks, chunk)) * job->result_width;
    int64_t pixels = result_row(job, end) * job->result_width - start;
    int64_t products = count * chunks * job->chunk_tiles / blis->kernel.broadcast * job->tiles.loops->planes;
    struct fetching fetching = { .pixel = job->outputs * (int64_t)blis->loops->real_size, .lines = count };
    if (job->pools && !job->pools_at_once) return fetching;
    fetching.next = dualprop__at(blis, job->result, start * job->outputs + first * blis->kernel.vector);
    fetching.end = fetching.next + pixels * fetching.pixel;
    fetching.at_once = dualprop__ceil_div(pixels, products);
    return fetching;
}

/* Panels first to first + count, for one chunk whose V is in the slice. */
static void chunk_panels(const struct pass *job, int64_t chunk, int64_t first, int64_t count, const struct slice *slice)
{
    struct fetching fetching = fetching_of(job, chunk, 1, first, count);
    for (int64_t plane = 0; plane < job->tiles.loops->planes; plane++)
        for (int64_t i = 0; i < count; i++) {
            const char *filters = dualprop__cached_filters(job->blis, job->shape, job->is_top_down, first + i);
            multiply_plane(job, chunk, plane, slice->large, dualprop__at(job->blis, filters, plane * job->filter_plane),
                           products_of(job, slice, i, 0), &fetching);
        }
    for (int64_t i = 0; i < count; i++)
        finish_chunk(job, chunk, first + i, products_of(job, slice, i, 0), slice->small);
}

static void chunk_unit(void *argument, int64_t chunk, int64_t member)
{
    struct pass *job = argument;
    struct slice slice = slice_of(job, member);
    transform_chunk_winograd_maps(job, chunk, slice.large, &slice);
    for (int64_t panel = 0; panel < job->panels; panel += job->at_once)
        chunk_panels(job, chunk, panel, dualprop__least(job->at_once, job->panels - panel), &slice);
    update_chunk_winograd_maps(job, chunk);
}

/* row: of planes, which are made alone; -1: all. */
static void transform_filters(const struct pass *job, int64_t panel, int row, void *u, const struct slice *slice)
{
    dualprop__filter_panel filters = {
        .blis = job->blis,
        .shape = job->shape,
        .loops = job->tiles.loops,
        .weights = job->weights,
        .turned = job->is_top_down,
        .panel = panel,
        .u = u,
        .plane = job->filter_plane,
        .is_row = row >= 0,
        .row = row,
        .scratch = slice->small,
    };
    dualprop__transform_filters(&filters);
}

/*
 * Panels first to first + count, for `chunks` chunks of the block from number `start` on. by_rows: filters are
 * transformed here, a row of planes at a time.
 */
static void part_panels(const struct pass *job, int64_t start, int64_t chunks, int64_t first, int64_t count,
                        int by_rows, const struct slice *slice)
{
    const dualprop__winograd_loops *loops = job->tiles.loops;
    int64_t chunk = dualprop__part_first(&job->blocks, job->block) + start;
    struct fetching fetching = fetching_of(job, chunk, chunks, first, count);
    for (int64_t plane = 0; plane < loops->planes; plane++)
        for (int64_t i = 0; i < count; i++) {
            char *filters = slice->large + i * job->filter_bytes;
            if (by_rows && plane % loops->points == 0)
                transform_filters(job, first + i, (int)(plane / loops->points), filters, slice);
            int64_t at = by_rows ? plane % loops->points : plane;
            for (int64_t c = 0; c < chunks; c++)
                multiply_plane(job, chunk + c, plane, chunk_at(job, chunk + c),
                               dualprop__at(job->blis, filters, at * job->filter_plane), products_of(job, slice, i, c),
                               &fetching);
        }
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < chunks; c++)
            finish_chunk(job, chunk + c, first + i, products_of(job, slice, i, c), slice->small);
}

/* All of U is larger than the second-level cache; where it is used once, a row of planes of one panel stays there. */
static void panel_unit(void *argument, int64_t unit, int64_t member)
{
    const struct pass *job = argument;
    struct slice slice = slice_of(job, member);
    int64_t chunks = dualprop__part_size(&job->blocks, job->block), panel = unit * job->at_once;
    int64_t count = dualprop__least(job->at_once, job->panels - panel);
    if (!job->is_top_down && chunks <= job->part_chunks && job->filter_bytes > NEAR_FILTERS) {
        for (int64_t i = 0; i < count; i++) part_panels(job, 0, chunks, panel + i, 1, 1, &slice);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        transform_filters(job, panel + i, -1, slice.large + i * job->filter_bytes, &slice);
    for (int64_t start = 0; start < chunks; start += job->part_chunks)
        part_panels(job, start, dualprop__least(job->part_chunks, chunks - start), panel, count, 0, &slice);
}

/* One part of the sums: sums [planes][V] = V of the tile times the filters of a panel of outputs. */
static void multiply_tile(const struct pass *job, int64_t panel, int64_t part, char *sums)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, first = dualprop__part_first(&job->depth, part);
    dualprop__winograd_tile tile = {
        .g = dualprop__filters_at(blis, job->shape, job->weights, panel, first),
        .tap = job->inputs * vector,
        .count = dualprop__part_size(&job->depth, part),
        .vector = vector,
        .v = dualprop__at(blis, job->patches, first),
        .plane = job->plane,
        .sums = sums,
    };
    int64_t next = part + 1 < job->depth.parts ? tile.count : DUALPROP__NINE * job->inputs - first;
    tile.next = next * vector; /* the next panel follows all taps of this one */
    memset(sums, 0, (size_t)(job->tiles.loops->planes * vector) * blis->loops->real_size);
    job->tiles.loops->one_tile(&tile);
}

/* The one tile's sums lie where the first tile of a chunk has its own, those of a part after them. */
static void tile_unit(void *argument, int64_t panel, int64_t member)
{
    const struct pass *job = argument;
    const dualprop__blis *blis = job->blis;
    struct slice slice = slice_of(job, member);
    int64_t count = job->tiles.loops->planes * blis->kernel.vector;
    char *part_sums = dualprop__at(blis, slice.products, count);
    multiply_tile(job, panel, 0, slice.products);
    for (int64_t part = 1; part < job->depth.parts; part++) {
        multiply_tile(job, panel, part, part_sums);
        blis->loops->scale(slice.products, part_sums, 1, 1, count);
    }
    finish_chunk(job, 0, panel, slice.products, slice.small);
}

/* ---- the job ---- */

static void run_phases_winograd_maps(struct pass *job, dualprop__team_phase *phases, int count)
{
    dualprop__team_run(job->blis->reference.host, job, phases, count, job->members);
}

static void run_products(struct pass *job)
{
    if (job->by_chunks) {
        dualprop__team_phase phase = { .unit = chunk_unit, .units = job->chunks.parts };
        run_phases_winograd_maps(job, &phase, 1);
        return;
    }
    for (job->block = 0; job->block < job->blocks.parts; job->block++) {
        dualprop__team_phase phases[2] = {
            { .unit = patch_unit, .units = dualprop__part_size(&job->blocks, job->block) },
            { .unit = panel_unit, .units = dualprop__ceil_div(job->panels, job->at_once) },
        };
        if (job->is_single) phases[1] = (dualprop__team_phase){ .unit = tile_unit, .units = job->panels };
        run_phases_winograd_maps(job, phases, 2);
    }
}

static void run_winograd_maps(struct pass *job)
{
    dualprop__team_phase unpool = { .unit = dualprop__unpool_unit, .units = job->shape->batch };
    dualprop__team_phase pool = { .unit = pool_unit, .units = job->shape->batch };
    dualprop__team_phase update = { .unit = update_unit, .units = job->chunks.parts };
    size_t zeros = (size_t)job->inputs * job->blis->loops->real_size;
    memset((void *)(uintptr_t)job->tiles.images.zeros, 0, zeros);
    dualprop__max_tracker_begin(&job->maxima);
    if (job->is_top_down && dualprop__is_pooled(job->shape)) run_phases_winograd_maps(job, &unpool, 1);
    run_products(job);
    if (job->pools && !job->pools_at_once) run_phases_winograd_maps(job, &pool, 1);
    else if (job->dyad && !job->by_chunks) run_phases_winograd_maps(job, &update, 1);
    if (job->dyad) dualprop__max_tracker_write(&job->maxima, job->dyad->max_abs, job->dyad->change);
}

void dualprop__winograd_bottom_up(const dualprop__blis *blis, const dualprop_convolution *shape, void *a,
                                  uint8_t *switches, const void *x, const void *weights, const void *bias,
                                  const dualprop_dyad *dyad)
{
    dualprop__space space = { shape->workspace, 0 };
    struct pass job = plan_winograd_maps(blis, shape, 0, &space);
    job.tiles.images.pixels = x;
    job.weights = weights;
    job.bias = bias;
    job.result = a;
    job.switches = switches;
    job.dyad = dyad;
    run_winograd_maps(&job);
}

void dualprop__winograd_top_down(const dualprop__blis *blis, const dualprop_convolution *shape, void *top_down,
                                 const void *delta, const uint8_t *switches, const void *weights,
                                 const dualprop_dyad *dyad)
{
    dualprop__space space = { shape->workspace, 0 };
    struct pass job = plan_winograd_maps(blis, shape, 1, &space);
    job.unpooling = (dualprop__unpooling){ blis, shape, delta, switches, job.map };
    job.tiles.images.pixels = dualprop__is_pooled(shape) ? job.map : delta;
    job.weights = weights;
    job.result = top_down;
    job.dyad = dyad;
    run_winograd_maps(&job);
}
