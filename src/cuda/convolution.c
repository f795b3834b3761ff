/*
 * convolution.c - the three directions of convolutional and locally connected layers.
 *
 * A convolution goes through cuDNN where that has a plan for the shape (dnn.c), else through patches and matrix
 * products: row (sample, place) of the patches is what the place sees, taps * channels numbers. With `rows` such rows,
 * and W kept as [outputs, taps * channels],
 *
 *     map = patches W^T          Delta = fold(map W)          gradient = map^T patches
 *
 * for as many samples at once as the workspace takes. A locally connected layer has weights of its own at each place;
 * they stay as the host has them, [places, taps * channels, outputs], and the products are batches over the places.
 *
 * Bias, pooling and the dyad update follow the product in one kernel (maps.cu). shape->workspace holds the map before
 * pooling, and after it gradients that are asked for by a learning step without memory for them.
 *
 * Where cuDNN's plan reads BF16, its operands are rounded first: the weights once after they have changed, the input
 * and delta of the map when they are read (unpooling writes delta rounded straight away).
 *
 * shape->cache, which each layer has for itself, holds what more than one slot of a step reads, so that it is formed
 * once, and the parts of a gradient, which may wait there until the learning step adds them:
 * | weights in BF16 | delta of the map before pooling | parts | or, of BF16, input | delta of the map |.
 */
#include "maps.h"
#include "slots.h"

#include <string.h>

#define LARGEST_TILE_ROWS 256 /* of cuBLASLt's kernels */
#define LARGEST_TILE_COLUMNS 128
#define FEWEST_ROWS 256  /* that are worth a part of a gradient of their own */
#define MANY_PLACES 4096 /* of all samples: fewer are soon added up by one block */

/* ---- shapes ---- */

static int64_t places_of(const dualprop_convolution *shape)
{
    return shape->map_height * shape->map_width;
}

static int64_t taps_of(const dualprop_convolution *shape)
{
    return shape->kernel_height * shape->kernel_width * shape->channels;
}

static int pools(const dualprop_convolution *shape)
{
    return shape->pooling != DUALPROP_POOL_NONE;
}

static int is_local(const dualprop_convolution *shape)
{
    return shape->kind == DUALPROP_LAYER_LOCAL;
}

static int64_t bias_elements(const dualprop_convolution *shape)
{
    return is_local(shape) ? places_of(shape) * shape->outputs : shape->outputs;
}

static int64_t map_elements(const dualprop_convolution *shape)
{
    return shape->batch * places_of(shape) * shape->outputs;
}

static int64_t input_elements(const dualprop_convolution *shape)
{
    return shape->batch * shape->height * shape->width * shape->channels;
}

static int64_t rounded(int64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* May plans of this layer read BF16? */
static int may_round(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    return self->numerics == DUALPROP_NUMERICS_BF16 && !is_local(shape);
}

static dualprop__cuda_conv conv_of(const dualprop_convolution *shape)
{
    return (dualprop__cuda_conv){
        shape->batch,        shape->height,         shape->width,         shape->channels,     shape->outputs,
        shape->map_height,   shape->map_width,      shape->kernel_height, shape->kernel_width, shape->stride_height,
        shape->stride_width, shape->padding_height, shape->padding_width,
    };
}

int64_t dualprop__cuda_convolution_weight_elements(void *self, const dualprop_convolution *shape)
{
    int64_t elements = is_local(shape) ? places_of(shape) : 1;
    int64_t factors[4] = { shape->kernel_height, shape->kernel_width, shape->channels, shape->outputs };
    (void)self;
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(elements, factors[i], &elements)) return -1;
    return elements;
}

/* ---- weights: [taps * channels, outputs] on the host, the transpose of it here ---- */

static dualprop_status write_weights(dualprop__cuda *self, const dualprop_convolution *shape, void *weights,
                                     const void *host)
{
    int64_t elements = dualprop__cuda_convolution_weight_elements(self, shape);
    size_t bytes = (size_t)elements * sizeof(float);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    if (is_local(shape)) return dualprop__cuda_upload(self, weights, host, bytes);
    DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, bytes));
    DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, self->workspace, host, bytes));
    DUALPROP__CUDA_PASS(dualprop__cuda_transpose(self, weights, self->workspace, taps_of(shape), shape->outputs));
    return dualprop__cuda_flush(self);
}

dualprop_status dualprop__cuda_write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                         const void *host)
{
    DUALPROP__CUDA_SLOT(self, write_weights(self, shape, weights, host));
}

static dualprop_status read_weights(dualprop__cuda *self, const dualprop_convolution *shape, void *host,
                                    const void *weights)
{
    int64_t elements = dualprop__cuda_convolution_weight_elements(self, shape);
    size_t bytes = (size_t)elements * sizeof(float);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    if (is_local(shape)) return dualprop__cuda_download(self, host, weights, bytes);
    DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, bytes));
    DUALPROP__CUDA_PASS(dualprop__cuda_transpose(self, self->workspace, weights, shape->outputs, taps_of(shape)));
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    return dualprop__cuda_download(self, host, self->workspace, bytes);
}

dualprop_status dualprop__cuda_read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                        const void *weights)
{
    DUALPROP__CUDA_SLOT(self, read_weights(self, shape, host, weights));
}

/* ---- planning ---- */

/*
 * The workspace: what products have for themselves, patches, and the parts of a gradient that are added at once. How
 * many samples' patches there are at once, and into how many parts a gradient is cut, depends on the shape and the
 * device alone, so that sums always have the same order.
 */
static int64_t patch_bytes(const dualprop_convolution *shape)
{
    return places_of(shape) * taps_of(shape) * (int64_t)sizeof(float);
}

static int64_t samples_at_once(const dualprop_convolution *shape)
{
    int64_t most = DUALPROP__CUDA_PATCHES / patch_bytes(shape);
    return most < 1 ? 1 : most < shape->batch ? most : shape->batch;
}

static float *patches_of(const dualprop__cuda *self)
{
    return (float *)((char *)self->workspace + DUALPROP__CUDA_PRODUCT_WORKSPACE);
}

static int64_t divided(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* A part that takes what is left over is a product of its own: where a few parts fewer leave nothing, it is spared. */
static int64_t even_parts(int64_t rows, int64_t parts)
{
    for (int64_t fewer = parts; 4 * fewer >= 3 * parts; fewer--)
        if (rows % fewer == 0) return fewer;
    return parts;
}

/*
 * A gradient is a small matrix that sums over all places of all samples. So that there are about two blocks for each
 * multiprocessor, however large the tiles that cuBLASLt chooses, the sum is cut into parts, which are added in order.
 */
static int64_t most_parts(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t largest_tiles = divided(taps_of(shape), LARGEST_TILE_ROWS) * divided(shape->outputs, LARGEST_TILE_COLUMNS);
    int64_t parts = divided(2 * (int64_t)self->properties.multiProcessorCount, largest_tiles);
    int64_t most = samples_at_once(shape) * places_of(shape) / FEWEST_ROWS;
    if (is_local(shape) || most < 1) return 1;
    return parts < most ? parts : most;
}

static int64_t gradient_parts(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    return even_parts(samples_at_once(shape) * places_of(shape), most_parts(self, shape));
}

/*
 * Has cuDNN too few blocks for this gradient? Its engines that are allowed in strict f32 give one block a tile of 32 x
 * 32 weights and the whole sum over the places, which leaves most of the device idle in the first layers.
 */
static int has_few_blocks(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t blocks = divided(taps_of(shape), 32) * divided(shape->outputs, 32);
    return self->numerics == DUALPROP_NUMERICS_STRICT && shape->batch * places_of(shape) > MANY_PLACES &&
           blocks < 4 * (int64_t)self->properties.multiProcessorCount;
}

/* Does the cache have room for the parts, because the gradient is known to be formed in parts? */
static int keeps_parts(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    return !is_local(shape) && has_few_blocks(self, shape);
}

static dualprop_status reserve_patches(dualprop__cuda *self, int direction, const dualprop_convolution *shape)
{
    int64_t bytes = DUALPROP__CUDA_PRODUCT_WORKSPACE + rounded(samples_at_once(shape) * patch_bytes(shape));
    int64_t parts = direction == DUALPROP__CUDA_FILTER ? gradient_parts(self, shape) : 1;
    if (parts > 1 && !keeps_parts(self, shape))
        bytes += parts * taps_of(shape) * shape->outputs * (int64_t)sizeof(float);
    return dualprop__cuda_reserve(self, (size_t)bytes);
}

/* What does cuDNN read for this direction? If it has no plan, or a poor one, make room for patches. */
static dualprop_status plan(dualprop__cuda *self, int *found, int direction, const dualprop_convolution *shape)
{
    dualprop__cuda_conv conv = conv_of(shape);
    int by_patches = is_local(shape) || (direction == DUALPROP__CUDA_FILTER && has_few_blocks(self, shape));
    *found = DUALPROP__CUDA_NO_PLAN;
    if (!by_patches) DUALPROP__CUDA_PASS(dualprop__cuda_dnn_plan(self, found, direction, &conv));
    return *found == DUALPROP__CUDA_NO_PLAN ? reserve_patches(self, direction, shape) : DUALPROP_OK;
}

static dualprop_status plan_all(dualprop__cuda *self, int found[3], const dualprop_convolution *shape)
{
    for (int direction = DUALPROP__CUDA_FORWARD; direction <= DUALPROP__CUDA_FILTER; direction++)
        DUALPROP__CUDA_PASS(plan(self, &found[direction], direction, shape));
    return DUALPROP_OK;
}

static dualprop_status plan_slot(dualprop__cuda *self, const dualprop_convolution *shape)
{
    int found[3];
    DUALPROP__CUDA_SLOT(self, plan_all(self, found, shape));
}

/* The product of four extents and the size of an element, rounded; -1 if that is too much for sums of a few. */
static int64_t bytes_of(int64_t a, int64_t b, int64_t c, int64_t d, size_t size)
{
    int64_t bytes = (int64_t)size, factors[4] = { a, b, c, d };
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(bytes, factors[i], &bytes)) return -1;
    return bytes > INT64_MAX / 8 ? -1 : rounded(bytes);
}

/* Of the weights and the biases together. */
static int64_t gradient_bytes(const dualprop_convolution *shape)
{
    int64_t weights = dualprop__cuda_convolution_weight_elements(NULL, shape);
    return weights < 0 ? -1 : bytes_of(weights + bias_elements(shape), 1, 1, 1, sizeof(float));
}

/*
 * Planning belongs to making a state; if it fails here, the first step tries it again and says why. A single sample is
 * asked for beside the batch, for diagnostics that most states never use: it is planned when it is used first.
 */
int64_t dualprop__cuda_convolution_workspace(void *self, const dualprop_convolution *shape)
{
    int64_t gradients = gradient_bytes(shape);
    int64_t map = bytes_of(shape->batch, shape->map_height, shape->map_width, shape->outputs, sizeof(float));
    int64_t patches = bytes_of(shape->map_height, shape->map_width, taps_of(shape), 1, sizeof(float));
    if (gradients < 0 || map < 0 || patches < 0) return -1;
    if (shape->batch > 1) {
        dualprop_status planned = plan_slot(self, shape);
        (void)planned;
    }
    return map + gradients;
}

/* cuDNN transforms filters inside its plans, so nothing of them is kept but what is rounded. */
int64_t dualprop__cuda_convolution_cache(void *self, const dualprop_convolution *shape)
{
    int64_t weights = bytes_of(dualprop__cuda_convolution_weight_elements(self, shape), 1, 1, 1, sizeof(uint16_t));
    int64_t map = bytes_of(shape->batch, shape->map_height, shape->map_width, shape->outputs, sizeof(float));
    int64_t x = bytes_of(shape->batch, shape->height, shape->width, shape->channels, sizeof(uint16_t));
    int64_t patches = bytes_of(shape->map_height, shape->map_width, taps_of(shape), 1, sizeof(float));
    if (weights < 0 || map < 0 || x < 0 || patches < 0) return -1;
    int64_t operands = may_round(self, shape) ? weights + x + rounded(map / 2) : 0;
    int64_t parts = keeps_parts(self, shape)
                        ? bytes_of(most_parts(self, shape), taps_of(shape), shape->outputs, 1, sizeof(float))
                        : 0;
    return parts < 0 ? -1 : operands + parts + (pools(shape) ? map : 0);
}

static dualprop_status prepare(dualprop__cuda *self, const dualprop_convolution *shape, const float *weights)
{
    int found[3];
    DUALPROP__CUDA_PASS(plan_all(self, found, shape));
    int rounds = found[DUALPROP__CUDA_FORWARD] == DUALPROP__CUDA_OF_BF16 ||
                 found[DUALPROP__CUDA_BACKWARD] == DUALPROP__CUDA_OF_BF16;
    if (!rounds) return DUALPROP_OK;
    return dualprop__cuda_round(self, shape->cache, weights, dualprop__cuda_convolution_weight_elements(self, shape));
}

dualprop_status dualprop__cuda_convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    DUALPROP__CUDA_SLOT(self, prepare(self, shape, weights));
}

/* ---- by cuDNN ---- */

struct by_dnn {
    dualprop__cuda_conv shape;
    void *x, *w, *y;
    int64_t direction;
};

static dualprop_status run_dnn(dualprop__cuda *self, const void *arguments)
{
    const struct by_dnn *work = arguments;
    return dualprop__cuda_dnn_run(self, (int)work->direction, &work->shape, work->x, work->w, work->y);
}

static dualprop_status issue_dnn(dualprop__cuda *self, int direction, const dualprop_convolution *shape, const void *x,
                                 const void *w, const void *y)
{
    struct by_dnn work;
    memset(&work, 0, sizeof work);
    work.shape = conv_of(shape);
    work.x = (void *)(uintptr_t)x, work.w = (void *)(uintptr_t)w, work.y = (void *)(uintptr_t)y;
    work.direction = direction;
    const void *written = direction == DUALPROP__CUDA_FORWARD ? y : direction == DUALPROP__CUDA_BACKWARD ? x : w;
    struct dualprop__cuda_traits traits = { written, DUALPROP__CUDA_OTHER, 0 };
    return dualprop__cuda_issue_known(self, run_dnn, &work, sizeof work, &traits);
}

/* ---- the workspace: the map before pooling, gradients; the cache: operands ---- */

static float *spare_gradient(const dualprop_convolution *shape)
{
    return (float *)((char *)shape->workspace + rounded(map_elements(shape) * (int64_t)sizeof(float)));
}

/* Without BF16, which only what may_round() reads, the unpooled map is all there is. */
static void *after_weights(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t weights = dualprop__cuda_convolution_weight_elements(NULL, shape);
    return (char *)shape->cache + (may_round(self, shape) ? rounded(weights * (int64_t)sizeof(uint16_t)) : 0);
}

static float *unpooled_map(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    return after_weights(self, shape);
}

static uint16_t *rounded_input(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t map = pools(shape) ? rounded(map_elements(shape) * (int64_t)sizeof(float)) : 0;
    return (uint16_t *)((char *)after_weights(self, shape) + map);
}

static uint16_t *rounded_map(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    return (uint16_t *)((char *)rounded_input(self, shape) +
                        rounded(input_elements(shape) * (int64_t)sizeof(uint16_t)));
}

static float *parts_of(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t map = pools(shape) ? rounded(map_elements(shape) * (int64_t)sizeof(float)) : 0;
    if (keeps_parts(self, shape)) return (float *)((char *)shape->cache + map); /* strict f32 has nothing else there */
    return (float *)((char *)patches_of(self) + rounded(samples_at_once(shape) * patch_bytes(shape)));
}

static const void *weights_for(const dualprop_convolution *shape, const float *weights, int found)
{
    return found == DUALPROP__CUDA_OF_BF16 ? shape->cache : (const void *)weights;
}

/* What a plan reads of x. */
static dualprop_status read_input(dualprop__cuda *self, const void **operand, const dualprop_convolution *shape,
                                  const float *x, int found)
{
    *operand = x;
    if (found != DUALPROP__CUDA_OF_BF16) return DUALPROP_OK;
    *operand = rounded_input(self, shape);
    return dualprop__cuda_round(self, rounded_input(self, shape), x, input_elements(shape));
}

/* ---- by patches and products ---- */

/* A slice of the samples: their shape, and where their parts of the arrays begin. */
struct slice {
    dualprop__cuda_conv shape;
    const dualprop_convolution *all;
    int64_t places, taps; /* taps includes the channels */
    float *x, *map, *patches;
};

static struct slice slice_of(const dualprop__cuda *self, const dualprop_convolution *shape, const float *x,
                             const float *map, int64_t first)
{
    int64_t most = samples_at_once(shape), left = shape->batch - first;
    struct slice slice = { conv_of(shape), shape, places_of(shape), taps_of(shape), NULL, NULL, patches_of(self) };
    slice.shape.batch = left < most ? left : most;
    slice.x = (float *)(uintptr_t)x + first * shape->height * shape->width * shape->channels;
    slice.map = (float *)(uintptr_t)map + first * slice.places * shape->outputs;
    return slice;
}

/* map^T (outputs x rows) = W (outputs x taps) patches^T; of each place for itself in a locally connected layer. */
static dualprop_status map_of_patches(dualprop__cuda *self, const struct slice *slice, const float *weights)
{
    int64_t outputs = slice->shape.outputs, taps = slice->taps, places = slice->places, batch = slice->shape.batch;
    dualprop__cuda_product shared = {
        .rows = outputs,
        .columns = batch * places,
        .depth = taps,
        .a_step = taps,
        .b_step = taps,
        .d_step = outputs,
        .batch = 1,
        .a_transposed = 1,
        .a = weights,
        .b = slice->patches,
        .d = slice->map,
        .scale = 1,
    };
    /* clang-format off */
    dualprop__cuda_product local = {
        .rows = outputs, .columns = batch, .depth = taps,
        .a_step = outputs, .b_step = places * taps, .d_step = places * outputs,
        .batch = places, .a_stride = taps * outputs, .b_stride = taps, .d_stride = outputs,
        .a = weights, .b = slice->patches, .d = slice->map, .scale = 1,
    };
    /* clang-format on */
    return dualprop__cuda_multiply(self, is_local(slice->all) ? &local : &shared);
}

/* patches^T (taps x rows) = W^T (taps x outputs) map^T */
static dualprop_status patches_of_map(dualprop__cuda *self, const struct slice *slice, const float *weights)
{
    int64_t outputs = slice->shape.outputs, taps = slice->taps, places = slice->places, batch = slice->shape.batch;
    dualprop__cuda_product shared = {
        .rows = taps,
        .columns = batch * places,
        .depth = outputs,
        .a_step = taps,
        .b_step = outputs,
        .d_step = taps,
        .batch = 1,
        .a = weights,
        .b = slice->map,
        .d = slice->patches,
        .scale = 1,
    };
    /* clang-format off */
    dualprop__cuda_product local = {
        .rows = taps, .columns = batch, .depth = outputs,
        .a_step = outputs, .b_step = places * outputs, .d_step = places * taps,
        .batch = places, .a_stride = taps * outputs, .b_stride = outputs, .d_stride = taps, .a_transposed = 1,
        .a = weights, .b = slice->map, .d = slice->patches, .scale = 1,
    };
    /* clang-format on */
    return dualprop__cuda_multiply(self, is_local(slice->all) ? &local : &shared);
}

/* gradient (outputs x taps of each place) = scale map^T patches */
static dualprop_status local_gradient(dualprop__cuda *self, const struct slice *slice, float *gradient, double scale,
                                      int accumulate)
{
    int64_t outputs = slice->shape.outputs, taps = slice->taps, places = slice->places;
    /* clang-format off */
    dualprop__cuda_product product = {
        .rows = outputs, .columns = taps, .depth = slice->shape.batch,
        .a_step = places * outputs, .b_step = places * taps, .d_step = outputs,
        .batch = places, .a_stride = outputs, .b_stride = taps, .d_stride = taps * outputs, .b_transposed = 1,
        .a = slice->map, .b = slice->patches, .d = gradient, .scale = (float)scale, .keep = accumulate ? 1 : 0,
    };
    /* clang-format on */
    return dualprop__cuda_multiply(self, &product);
}

/*
 * gradient (taps x outputs, as it lies) = scale patches^T map. `to` has room for `parts` of them, each of which sums
 * over as many rows; the rows that are left go to the last.
 */
static dualprop_status gradient_of_patches(dualprop__cuda *self, const struct slice *slice, float *to, int64_t parts,
                                           double scale, int accumulate)
{
    int64_t outputs = slice->shape.outputs, taps = slice->taps;
    int64_t rows = slice->shape.batch * slice->places, depth = rows / parts, rest = rows % parts;
    /* clang-format off */
    dualprop__cuda_product product = {
        .rows = taps, .columns = outputs, .depth = depth,
        .a_step = taps, .b_step = outputs, .d_step = taps, .batch = parts, .b_transposed = 1,
        .a_stride = depth * taps, .b_stride = depth * outputs, .d_stride = taps * outputs,
        .a = slice->patches, .b = slice->map, .d = to, .scale = (float)scale, .keep = accumulate ? 1 : 0,
    };
    /* clang-format on */
    if (depth > 0) DUALPROP__CUDA_PASS(dualprop__cuda_multiply(self, &product));
    if (rest == 0) return DUALPROP_OK;
    product.a += parts * product.a_stride;
    product.b += parts * product.b_stride;
    product.d += (parts - 1) * product.d_stride;
    product.depth = rest;
    product.batch = 1;
    product.a_stride = product.b_stride = product.d_stride = 0;
    product.keep = 1;
    return dualprop__cuda_multiply(self, &product);
}

static dualprop_status forward_by_patches(dualprop__cuda *self, const dualprop_convolution *shape, float *map,
                                          const float *x, const float *weights)
{
    for (int64_t first = 0; first < shape->batch;) {
        struct slice slice = slice_of(self, shape, x, map, first);
        DUALPROP__CUDA_PASS(dualprop__cuda_patches(self, &slice.shape, slice.patches, slice.x));
        DUALPROP__CUDA_PASS(map_of_patches(self, &slice, weights));
        first += slice.shape.batch;
    }
    return DUALPROP_OK;
}

static dualprop_status backward_by_patches(dualprop__cuda *self, const dualprop_convolution *shape, float *x,
                                           const float *map, const float *weights)
{
    for (int64_t first = 0; first < shape->batch;) {
        struct slice slice = slice_of(self, shape, x, map, first);
        DUALPROP__CUDA_PASS(patches_of_map(self, &slice, weights));
        DUALPROP__CUDA_PASS(dualprop__cuda_fold(self, &slice.shape, slice.x, slice.patches));
        first += slice.shape.batch;
    }
    return DUALPROP_OK;
}

/* gradient NULL: what it is the sum of is left in parts_of(). */
static dualprop_status filter_by_patches(dualprop__cuda *self, const dualprop_convolution *shape, float *gradient,
                                         const float *x, const float *map, double scale, int accumulate)
{
    int64_t parts = gradient_parts(self, shape), elements = taps_of(shape) * shape->outputs;
    float *to = parts > 1 ? parts_of(self, shape) : gradient;
    for (int64_t first = 0; first < shape->batch;) {
        struct slice slice = slice_of(self, shape, x, map, first);
        int add = (parts == 1 && accumulate) || first > 0;
        DUALPROP__CUDA_PASS(dualprop__cuda_patches(self, &slice.shape, slice.patches, slice.x));
        if (is_local(shape)) DUALPROP__CUDA_PASS(local_gradient(self, &slice, gradient, scale, add));
        else DUALPROP__CUDA_PASS(gradient_of_patches(self, &slice, to, parts, parts > 1 ? 1 : scale, add));
        first += slice.shape.batch;
    }
    if (parts == 1 || !gradient) return DUALPROP_OK;
    return dualprop__cuda_sum_parts(self, gradient, to, elements, parts, scale, accumulate);
}

/* ---- the three directions ---- */

static dualprop_status forward(dualprop__cuda *self, const dualprop_convolution *shape, float *map, const float *x,
                               const float *weights)
{
    int found;
    const void *operand;
    DUALPROP__CUDA_PASS(plan(self, &found, DUALPROP__CUDA_FORWARD, shape));
    if (found == DUALPROP__CUDA_NO_PLAN) return forward_by_patches(self, shape, map, x, weights);
    DUALPROP__CUDA_PASS(read_input(self, &operand, shape, x, found));
    return issue_dnn(self, DUALPROP__CUDA_FORWARD, shape, operand, weights_for(shape, weights, found), map);
}

static dualprop_status bottom_up(dualprop__cuda *self, const dualprop_convolution *shape, float *a, uint8_t *switches,
                                 const float *x, const float *weights, const float *bias, const dualprop_dyad *dyad)
{
    float *map = shape->pooling == DUALPROP_POOL_NONE ? a : shape->workspace;
    DUALPROP__CUDA_PASS(forward(self, shape, map, x, weights));
    return dualprop__cuda_map_finish(self, shape, a, switches, map, bias, dyad);
}

dualprop_status dualprop__cuda_convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                                     uint8_t *switches, const void *x, const void *weights,
                                                     const void *bias, const dualprop_dyad *dyad)
{
    DUALPROP__CUDA_SLOT(self, bottom_up(self, shape, a, switches, x, weights, bias, dyad));
}

/* delta as the map before pooling has it, in the type that the plan reads. */
static dualprop_status unpool(dualprop__cuda *self, const void **operand, const dualprop_convolution *shape,
                              const float *delta, const uint8_t *switches, int found)
{
    uint16_t *in_short = found == DUALPROP__CUDA_OF_BF16 ? rounded_map(self, shape) : NULL;
    float *in_full = in_short ? NULL : unpooled_map(self, shape);
    *operand = in_short ? (const void *)in_short : pools(shape) ? in_full : delta;
    if (pools(shape)) return dualprop__cuda_map_unpool(self, shape, in_full, in_short, delta, switches);
    return in_short ? dualprop__cuda_round(self, in_short, delta, map_elements(shape)) : DUALPROP_OK;
}

static dualprop_status backward(dualprop__cuda *self, const dualprop_convolution *shape, float *to, const float *delta,
                                const uint8_t *switches, const float *weights)
{
    int found;
    const void *map;
    DUALPROP__CUDA_PASS(plan(self, &found, DUALPROP__CUDA_BACKWARD, shape));
    DUALPROP__CUDA_PASS(unpool(self, &map, shape, delta, switches, found));
    if (found == DUALPROP__CUDA_NO_PLAN) return backward_by_patches(self, shape, to, map, weights);
    return issue_dnn(self, DUALPROP__CUDA_BACKWARD, shape, to, weights_for(shape, weights, found), map);
}

static dualprop_status top_down(dualprop__cuda *self, const dualprop_convolution *shape, float *to, const float *delta,
                                const uint8_t *switches, const float *weights, const dualprop_dyad *dyad)
{
    DUALPROP__CUDA_PASS(backward(self, shape, to, delta, switches, weights));
    return dyad ? dualprop__cuda_dyad(self, dyad) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_convolution_top_down(void *self, const dualprop_convolution *shape, void *to,
                                                    const void *delta, const uint8_t *switches, const void *weights,
                                                    const dualprop_dyad *dyad)
{
    DUALPROP__CUDA_SLOT(self, top_down(self, shape, to, delta, switches, weights, dyad));
}

/* ---- gradient ---- */

/* cuDNN writes the plain gradient, which is scaled or added afterwards: its engines differ in what else they can do. */
static dualprop_status filter_by_dnn(dualprop__cuda *self, const dualprop_convolution *shape, float *gradient,
                                     const void *x, const void *map, double scale, int accumulate)
{
    float *plain = accumulate ? spare_gradient(shape) : gradient;
    int64_t elements = dualprop__cuda_convolution_weight_elements(self, shape);
    DUALPROP__CUDA_PASS(issue_dnn(self, DUALPROP__CUDA_FILTER, shape, x, plain, map));
    if (scale == 1 && !accumulate) return DUALPROP_OK;
    return dualprop__cuda_scale(self, gradient, plain, elements, scale, accumulate);
}

/* May the learning step add up the parts of the gradient? */
static int step_adds_parts(const dualprop__cuda *self, const dualprop_convolution *shape)
{
    int64_t parts = keeps_parts(self, shape) ? gradient_parts(self, shape) : 1;
    return parts > 1 && dualprop__cuda_are_few_rows(parts);
}

/* The gradient of the weights, by the plan found; NULL: only its parts. */
static dualprop_status weight_slopes(dualprop__cuda *self, const dualprop_convolution *shape, float *gradient,
                                     const float *x, const float *delta, const uint8_t *switches, int found,
                                     double scale, int accumulate)
{
    const void *input, *operand;
    DUALPROP__CUDA_PASS(unpool(self, &operand, shape, delta, switches, found));
    DUALPROP__CUDA_PASS(read_input(self, &input, shape, x, found));
    if (found == DUALPROP__CUDA_NO_PLAN) return filter_by_patches(self, shape, gradient, x, operand, scale, accumulate);
    return filter_by_dnn(self, shape, gradient, input, operand, scale, accumulate);
}

/*
 * That of the biases: sums of columns. Each delta that was pooled goes to one place of the map, or in equal shares to
 * several: its sum is theirs. Only biases of single places need the map, which the gradient of the weights has left.
 */
static dualprop__cuda_sums bias_slopes(const dualprop__cuda *self, const dualprop_convolution *shape,
                                       float *bias_gradient, const float *delta, double scale, int accumulate)
{
    const float *from = is_local(shape) && pools(shape) ? unpooled_map(self, shape) : delta;
    int64_t rows = is_local(shape) ? shape->batch : shape->batch * shape->pooled_height * shape->pooled_width;
    return (dualprop__cuda_sums){ bias_gradient, from, rows, bias_elements(shape), scale, accumulate };
}

/* The step multiplies the gradient of the weights anyway, with the same bits, so cuDNN's may stay as it is. */
static dualprop_status learn(dualprop__cuda *self, const dualprop_step_numbers *step, double left,
                             const dualprop__cuda_tensor tensors[2])
{
    dualprop_step_numbers of_weights = *step;
    of_weights.gradient_scale *= left;
    int apart = left != 1, both = tensors[1].w ? 2 : 1;
    DUALPROP__CUDA_PASS(dualprop__cuda_learn(self, &of_weights, tensors, apart ? 1 : both));
    return apart && both == 2 ? dualprop__cuda_learn(self, step, tensors + 1, 1) : DUALPROP_OK;
}

static dualprop_status gradient_and_step(dualprop__cuda *self, const dualprop_convolution *shape, float *gradient,
                                         float *bias_gradient, const float *x, const float *delta,
                                         const uint8_t *switches, double scale, const dualprop_step_numbers *step,
                                         float *weights, float *bias, void *moments[4])
{
    int64_t elements = dualprop__cuda_convolution_weight_elements(self, shape);
    int shared = !gradient || !bias_gradient;
    float *of_weights = shared ? spare_gradient(shape) : gradient;
    float *of_bias = shared ? of_weights + elements : bias_gradient;
    dualprop__cuda_sums sums = bias_slopes(self, shape, of_bias, delta, scale, 0);
    dualprop__cuda_tensor tensors[2] = {
        { .w = weights, .g = of_weights, .moment1 = moments[0], .moment2 = moments[1], .count = elements },
        { .w = bias, .g = of_bias, .moment1 = moments[2], .moment2 = moments[3], .count = sums.columns },
    };
    tensors[1].summed = sums.from, tensors[1].rows = sums.rows, tensors[1].scale = scale;
    int found;
    DUALPROP__CUDA_PASS(plan(self, &found, DUALPROP__CUDA_FILTER, shape));
    int by_step = found != DUALPROP__CUDA_NO_PLAN && step->gradient_scale == 1;
    if (step_adds_parts(self, shape)) {
        tensors[0].summed = parts_of(self, shape), tensors[0].scale = scale;
        tensors[0].rows = gradient_parts(self, shape);
    }
    dualprop__cuda_gather(self, 1);
    dualprop_status status = weight_slopes(self, shape, tensors[0].summed ? NULL : of_weights, x, delta, switches,
                                           found, by_step ? 1 : scale, 0);
    if (status == DUALPROP_OK) status = learn(self, step, by_step ? scale : 1, tensors);
    if (status == DUALPROP_OK && shared) status = dualprop__cuda_learn_finish(self);
    dualprop__cuda_gather(self, 0);
    return status;
}

static dualprop_status gradient_alone(dualprop__cuda *self, const dualprop_convolution *shape, float *gradient,
                                      float *bias_gradient, const float *x, const float *delta, const uint8_t *switches,
                                      double scale, int accumulate)
{
    int found;
    dualprop__cuda_sums sums = bias_slopes(self, shape, bias_gradient, delta, scale, accumulate);
    DUALPROP__CUDA_PASS(plan(self, &found, DUALPROP__CUDA_FILTER, shape));
    DUALPROP__CUDA_PASS(weight_slopes(self, shape, gradient, x, delta, switches, found, scale, accumulate));
    return bias_gradient ? dualprop__cuda_column_sums(self, &sums) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                                    void *bias_gradient, const void *x, const void *delta,
                                                    const uint8_t *switches, double scale, int accumulate,
                                                    const dualprop_step_numbers *step, void *weights, void *bias,
                                                    void *moments[4])
{
    if (step)
        DUALPROP__CUDA_SLOT(self, gradient_and_step(self, shape, gradient, bias_gradient, x, delta, switches, scale,
                                                    step, weights, bias, moments));
    DUALPROP__CUDA_SLOT(self,
                        gradient_alone(self, shape, gradient, bias_gradient, x, delta, switches, scale, accumulate));
}
