/*
 * blis_winograd.c - which layers, tiles, and the filters' transforms.
 */
#include "blis_winograd.h"

/* Below this many channels on a side the transforms cost more than they save. */
#define CHANNELS_AT_LEAST 16
/* By chunks: so many tiles an image, at least, and so many filters, at most. */
#define CHUNKED_TILES 16
#define CHUNKED_FILTERS 32768

/* ---- which layers ---- */

static int has_form(const dualprop_convolution *shape)
{
    return shape->kind == DUALPROP_LAYER_CONVOLUTION && shape->kernel_height == 3 && shape->kernel_width == 3 &&
           shape->stride_height == 1 && shape->stride_width == 1 && shape->padding_height == 1 &&
           shape->padding_width == 1;
}

static int is_small(const dualprop_convolution *shape)
{
    return shape->height == 2 && shape->width == 2;
}

static int64_t tiles_an_image(const dualprop_convolution *shape)
{
    return dualprop__ceil_div(shape->height, 4) * dualprop__ceil_div(shape->width, 4);
}

/* Where the 36 products a tile are at most two thirds of the 9 a pixel. */
static int saves_enough(const dualprop_convolution *shape)
{
    return is_small(shape) || 6 * tiles_an_image(shape) <= shape->height * shape->width;
}

int dualprop__winograd_fits(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    int64_t lanes = blis->convolution_loops->lanes;
    if (!has_form(shape) || blis->kernel.vector % lanes != 0) return 0;
    if (blis->convolutions == DUALPROP__IM2COL) return 0;
    if (blis->convolutions == DUALPROP__WINOGRAD) return 1;
    return shape->channels >= CHANNELS_AT_LEAST && shape->outputs >= CHANNELS_AT_LEAST && saves_enough(shape);
}

int dualprop__winograd_by_chunks(const dualprop_convolution *shape)
{
    return tiles_an_image(shape) >= CHUNKED_TILES && shape->channels * shape->outputs <= CHUNKED_FILTERS;
}

/* ---- tiles ---- */

dualprop__tiles dualprop__tiles_of(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t channels)
{
    const dualprop__convolution_loops *loops = blis->convolution_loops;
    dualprop__tiles tiles = { .loops = is_small(shape) ? &loops->small : &loops->large };
    tiles.images =
        (dualprop__images){ .blis = blis, .height = shape->height, .width = shape->width, .channels = channels };
    tiles.image_rows = dualprop__ceil_div(shape->height, tiles.loops->tile);
    tiles.columns = dualprop__ceil_div(shape->width, tiles.loops->tile);
    tiles.rows = tiles.image_rows * shape->batch;
    return tiles;
}

void dualprop__tile_pixels(const dualprop__tiles *tiles, int64_t tile, int64_t offset, int64_t side,
                           const void **pixels)
{
    int64_t row = tile / tiles->columns;
    dualprop__place corner = { row / tiles->image_rows, row % tiles->image_rows * tiles->loops->tile + offset,
                               tile % tiles->columns * tiles->loops->tile + offset };
    for (int64_t i = 0; i < side; i++)
        for (int64_t j = 0; j < side; j++) pixels[i * side + j] = dualprop__pixel_at(&tiles->images, &corner, i, j, 0);
}

int64_t dualprop__plane(const dualprop__blis *blis, int64_t elements)
{
    int64_t line = DUALPROP__LINE / (int64_t)blis->loops->real_size;
    int64_t pad = dualprop__most(line, dualprop__most(blis->kernel.vector, blis->kernel.broadcast));
    return (dualprop__ceil_div(elements, line) + dualprop__ceil_div(pad, line)) * line;
}

/* ---- filters ---- */

int64_t dualprop__filter_scratch(const dualprop__blis *blis)
{
    return DUALPROP__NINE * blis->kernel.vector * blis->kernel.vector * (int64_t)blis->loops->real_size;
}

const void *dualprop__filters_at(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights,
                                 int64_t panel, int64_t channel)
{
    return dualprop__at(blis, weights, (panel * DUALPROP__NINE * shape->channels + channel) * blis->kernel.vector);
}

static void transform(const dualprop__filter_panel *filters, const void *g, int64_t tap, int64_t first, int64_t count)
{
    const dualprop__blis *blis = filters->blis;
    int64_t vector = blis->kernel.vector;
    dualprop__winograd_filters job = {
        .g = filters->turned ? dualprop__at(blis, g, (DUALPROP__NINE - 1) * tap) : g,
        .tap = filters->turned ? -tap : tap,
        .count = count,
        .vector = vector,
        .u = dualprop__at(blis, filters->u, first * vector),
        .plane = filters->plane,
        .is_row = filters->is_row,
        .row = filters->row,
    };
    filters->loops->filters(&job);
}

/* scratch [9][outputs of one panel][V]: the filters from one panel of channels, transposed. */
static void transpose_winograd(const dualprop__filter_panel *filters, int64_t output_panel, int64_t outputs)
{
    const dualprop__blis *blis = filters->blis;
    int64_t vector = blis->kernel.vector, channel = filters->panel * vector, channels = filters->shape->channels;
    int64_t count = dualprop__least(vector, channels - channel);
    for (int64_t tap = 0; tap < DUALPROP__NINE; tap++) {
        const void *from[DUALPROP__MOST_VECTOR];
        const char *g =
            dualprop__filters_at(blis, filters->shape, filters->weights, output_panel, tap * channels + channel);
        /* Channels beyond the last are copies of it; their results are not used. */
        for (int64_t j = 0; j < vector; j++) from[j] = dualprop__at(blis, g, dualprop__least(j, count - 1) * vector);
        blis->convolution_loops->interleave(dualprop__at(blis, filters->scratch, tap * vector * vector), from, outputs,
                                            vector);
    }
}

void dualprop__transform_filters(const dualprop__filter_panel *filters)
{
    const dualprop_convolution *shape = filters->shape;
    int64_t vector = filters->blis->kernel.vector;
    if (!filters->turned) {
        const void *g = dualprop__filters_at(filters->blis, shape, filters->weights, filters->panel, 0);
        transform(filters, g, shape->channels * vector, 0, shape->channels);
        return;
    }
    for (int64_t first = 0; first < shape->outputs; first += vector) {
        int64_t count = dualprop__least(vector, shape->outputs - first);
        transpose_winograd(filters, first / vector, count);
        transform(filters, filters->scratch, vector * vector, first, count);
    }
}

/* ---- the cache ---- */

static int64_t panels_of(const dualprop__blis *blis, int64_t count)
{
    return dualprop__ceil_div(count, blis->kernel.vector);
}

/* Elements of U of one panel; `inputs` are what its filters sum over. */
static int64_t panel_elements(const dualprop__blis *blis, const dualprop_convolution *shape, int64_t inputs)
{
    const dualprop__tiles tiles = dualprop__tiles_of(blis, shape, 0);
    return tiles.loops->planes * dualprop__plane(blis, inputs * blis->kernel.vector);
}

char *dualprop__cached_filters(const dualprop__blis *blis, const dualprop_convolution *shape, int turned, int64_t panel)
{
    int64_t straight = panel_elements(blis, shape, shape->channels);
    if (!turned) return dualprop__at(blis, shape->cache, panel * straight);
    int64_t before = panels_of(blis, shape->outputs) * straight;
    return dualprop__at(blis, shape->cache, before + panel * panel_elements(blis, shape, shape->outputs));
}

int64_t dualprop__winograd_cache(const dualprop__blis *blis, const dualprop_convolution *shape)
{
    if (!dualprop__winograd_by_chunks(shape)) return 0;
    int64_t elements = panels_of(blis, shape->outputs) * panel_elements(blis, shape, shape->channels) +
                       panels_of(blis, shape->channels) * panel_elements(blis, shape, shape->outputs);
    int64_t scratch = panels_of(blis, shape->channels) * dualprop__filter_scratch(blis);
    return elements * (int64_t)blis->loops->real_size + scratch;
}

struct winograd_preparation {
    const dualprop__blis *blis;
    const dualprop_convolution *shape;
    const void *weights;
    char *scratch; /* of each panel of channels, after all U */
};

static void prepare_panel_winograd(void *argument, int64_t unit, int64_t member)
{
    const struct winograd_preparation *job = argument;
    const dualprop__blis *blis = job->blis;
    const dualprop__tiles tiles = dualprop__tiles_of(blis, job->shape, 0);
    int64_t straight = panels_of(blis, job->shape->outputs);
    dualprop__filter_panel filters = {
        .blis = blis, .shape = job->shape, .loops = tiles.loops, .weights = job->weights
    };
    (void)member;
    filters.turned = unit >= straight;
    filters.panel = filters.turned ? unit - straight : unit;
    filters.plane =
        dualprop__plane(blis, (filters.turned ? job->shape->outputs : job->shape->channels) * blis->kernel.vector);
    filters.u = dualprop__cached_filters(blis, job->shape, filters.turned, filters.panel);
    filters.scratch = job->scratch + filters.panel * dualprop__filter_scratch(blis);
    dualprop__transform_filters(&filters);
}

void dualprop__winograd_prepare(const dualprop__blis *blis, const dualprop_convolution *shape, const void *weights)
{
    if (!dualprop__winograd_by_chunks(shape)) return;
    struct winograd_preparation job = { blis, shape, weights, NULL };
    int64_t turned = panels_of(blis, shape->channels);
    job.scratch = dualprop__cached_filters(blis, shape, 1, turned);
    dualprop__team_phase phase = { .unit = prepare_panel_winograd, .units = panels_of(blis, shape->outputs) + turned };
    dualprop__team_run(blis->reference.host, &job, &phase, 1, DUALPROP__MEMBERS);
}
