/*
 * test_convolution_kernels.c - the fast convolutions of the blis backend: each direction on its own against the
 * reference in double, for both ways of computing them and every level and type; and as wide as on AVX-512 everywhere.
 *
 * test_backend.c holds the slots to a bound on each element; here it is the error as a whole that counts. In f32 it is
 * at most 3e-6 (root mean square of the error over that of the result), and the greatest error at most 1e-5 of the
 * greatest result: Winograd's transforms err by 0.3e-6 to 2.3e-6 by the number of channels and the order of sums
 * (measured, see docs/convolutions.md), direct sums by a fifth of that. In f64 both bounds are smaller by the ratio of
 * the epsilons.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "main.h"
#include "support/comparison.h"
#include "support/workbench.h"

#ifdef DUALPROP_NO_BLIS

Suite *test_convolution_kernels_suite(void)
{
    test_skip("the fast convolutions: built without BLIS");
    return suite_create("convolution_kernels");
}

#else

#include "cpu/blis/blis_convolution.h"
#include "cpu/blis/blis_winograd.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define RMS 3e-6
#define GREATEST 1e-5

/* ---- shapes: 3x3, stride 1, padding 1, which both ways can do; and some that only im2col can ---- */

static const struct layer {
    int64_t batch, height, width, channels, outputs, kernel, stride, padding, window, window_stride;
    int pooling;
    /* clang-format off */
} layers[] = {
    { 1, 32, 32, 16, 16, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },  { 3, 16, 16, 24, 40, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 5, 8, 8, 32, 20, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },    { 13, 8, 8, 17, 33, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 7, 4, 4, 70, 64, 3, 1, 1, 2, 2, DUALPROP_POOL_AVERAGE }, { 1, 4, 4, 200, 48, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 11, 2, 2, 64, 80, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },   { 1, 2, 2, 300, 31, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 3, 6, 6, 18, 19, 3, 1, 1, 3, 2, DUALPROP_POOL_MAX },    { 2, 5, 5, 16, 50, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 3, 7, 7, 33, 16, 3, 1, 1, 2, 1, DUALPROP_POOL_AVERAGE }, { 2, 12, 20, 20, 16, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },
    { 5, 3, 17, 16, 24, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },  { 1, 28, 13, 19, 21, 3, 1, 1, 4, 4, DUALPROP_POOL_MAX },
    { 4, 9, 6, 3, 5, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },      { 9, 1, 5, 16, 16, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    { 2, 11, 9, 3, 20, 5, 2, 2, 2, 1, DUALPROP_POOL_MAX },    { 3, 9, 9, 18, 17, 3, 1, 0, 2, 2, DUALPROP_POOL_AVERAGE },
    { 2, 7, 8, 6, 30, 2, 3, 1, 0, 0, DUALPROP_POOL_NONE },    { 6, 5, 4, 40, 70, 1, 1, 0, 0, 0, DUALPROP_POOL_NONE },
    { 1, 2, 3, 1000, 17, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE }, { 2, 4, 5, 18, 1000, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },
    { 29, 4, 4, 250, 35, 3, 1, 1, 2, 2, DUALPROP_POOL_MAX },
    { 5, 1, 1, 20, 33, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },   { 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, DUALPROP_POOL_MAX },
    { 1, 2, 2, 1, 3, 7, 1, 6, 3, 2, DUALPROP_POOL_MAX },      { 2, 16, 16, 3, 40, 2, 5, 1, 0, 0, DUALPROP_POOL_NONE },
    /* clang-format on */
};

static int64_t extent_of(int64_t extent, int64_t padding, int64_t window, int64_t stride)
{
    return (extent + 2 * padding - window) / stride + 1;
}

static dualprop_convolution shape_of(const struct layer *layer)
{
    /* clang-format off */
    dualprop_convolution shape = {
        .kind = DUALPROP_LAYER_CONVOLUTION, .pooling = layer->pooling, .batch = layer->batch, .height = layer->height,
        .width = layer->width, .channels = layer->channels, .outputs = layer->outputs, .kernel_height = layer->kernel,
        .kernel_width = layer->kernel, .stride_height = layer->stride, .stride_width = layer->stride,
        .padding_height = layer->padding, .padding_width = layer->padding, .window_height = layer->window,
        .window_width = layer->window, .window_stride_height = layer->window_stride,
        .window_stride_width = layer->window_stride,
    };
    /* clang-format on */
    shape.map_height = shape.pooled_height = extent_of(layer->height, layer->padding, layer->kernel, layer->stride);
    shape.map_width = shape.pooled_width = extent_of(layer->width, layer->padding, layer->kernel, layer->stride);
    if (layer->pooling == DUALPROP_POOL_NONE) return shape;
    shape.pooled_height = extent_of(shape.map_height, 0, layer->window, layer->window_stride);
    shape.pooled_width = extent_of(shape.map_width, 0, layer->window, layer->window_stride);
    return shape;
}

/* ---- the three directions of one layer, into the record of a workbench ---- */

static uint8_t *random_switches(workbench *bench, const dualprop_convolution *shape, int64_t count)
{
    uint8_t *switches = bench_bytes(bench, count);
    for (int64_t i = 0; i < count; i++)
        switches[i] = (uint8_t)random_below(&bench->random, shape->window_height * shape->window_width);
    return switches;
}

static void furnish(workbench *bench, dualprop_convolution *shape)
{
    shape->workspace = bench_bytes(bench, bench->backend->convolution_workspace(bench->self, shape));
    shape->cache = bench_bytes(bench, bench->backend->convolution_cache(bench->self, shape));
}

static int is_smaller_than_a_tile(const dualprop_convolution *shape)
{
    return shape->height < 4 || shape->width < 4;
}

/* The root mean square of a sum over all taps of products of two uniform numbers, whose squares are a third each. */
static double natural_sum(const dualprop_convolution *shape, int64_t depth)
{
    if (!is_smaller_than_a_tile(shape)) return 0;
    return sqrt((double)(shape->kernel_height * shape->kernel_width * depth)) / 3;
}

/* And of half a sum over the deltas of all images. */
static double natural_gradient(const dualprop_convolution *shape)
{
    if (!is_smaller_than_a_tile(shape)) return 0;
    return sqrt((double)(shape->batch * shape->pooled_height * shape->pooled_width)) / 6;
}

static void run_shape(workbench *bench, dualprop_convolution shape)
{
    bench_begin(bench, (uint64_t)(shape.height * 1000 + shape.channels));
    const dualprop_backend *backend = bench->backend;
    int64_t inputs = shape.batch * shape.height * shape.width * shape.channels;
    int64_t results = shape.batch * shape.pooled_height * shape.pooled_width * shape.outputs;
    void *x = bench_uniform(bench, inputs, -1, 1), *delta = bench_uniform(bench, results, -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, -1, 1), *bias = bench_uniform(bench, shape.outputs, -1, 1);
    void *gradient = bench_convolution_weights(bench, &shape, 0, 1), *bias_gradient = bench_reals(bench, shape.outputs);
    void *a = bench_reals(bench, results), *top_down = bench_reals(bench, inputs);
    int has_switches = shape.pooling == DUALPROP_POOL_MAX;
    uint8_t *found = has_switches ? bench_bytes(bench, results) : NULL;
    uint8_t *given = has_switches ? random_switches(bench, &shape, results) : NULL;
    furnish(bench, &shape);
    ck_assert_int_eq(backend->convolution_prepare(bench->self, &shape, weights), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_bottom_up(bench->self, &shape, a, found, x, weights, bias, NULL),
                     DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_top_down(bench->self, &shape, top_down, delta, given, weights, NULL),
                     DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_gradient(bench->self, &shape, gradient, bias_gradient, x, delta, given, -0.5,
                                                   0, NULL, NULL, NULL, NULL),
                     DUALPROP_OK);
    bench_record(bench, "a", a, results, natural_sum(&shape, shape.channels));
    bench_record(bench, "top_down", top_down, inputs, natural_sum(&shape, shape.outputs));
    bench_record_convolution_weights(bench, "gradient", &shape, gradient, natural_gradient(&shape));
    bench_record(bench, "bias gradient", bias_gradient, shape.outputs, 0);
    ck_assert_msg(bench_intact(bench), "something was written outside an array");
}

static void run_layer(workbench *bench, const struct layer *layer)
{
    run_shape(bench, shape_of(layer));
}

/* ---- errors as a whole ---- */

/*
 * Where Winograd's transforms are forced upon an image smaller than a tile, most taps fall beyond it. They take part in
 * the transforms all the same, so that errors are those of the whole sum: its natural size is the least that counts.
 */
static void check_group(const workbench *bench, const workbench *expected, int group, int way, const char *what)
{
    const bench_group *own = &bench->groups[group];
    const double *values = bench->values + own->first, *right = expected->values + own->first;
    double unit = bench->type == DUALPROP_F32 ? 1 : DBL_EPSILON / FLT_EPSILON;
    double errors = 0, sizes = 0, greatest_error = 0, greatest = 0;
    for (int64_t i = 0; i < own->count; i++) {
        double error = fabs(values[i] - right[i]);
        ck_assert_msg(error <= DBL_MAX, "%s: %s[%lld] is %g", what, own->label, (long long)i, values[i]);
        errors += error * error;
        sizes += right[i] * right[i];
        greatest_error = comparison_larger(greatest_error, error);
        greatest = comparison_larger(greatest, fabs(right[i]));
    }
    double natural = way == DUALPROP__WINOGRAD ? own->scale : 0;
    sizes = comparison_larger(sizes, natural * natural * (double)own->count);
    greatest = comparison_larger(greatest, natural);
    ck_assert_msg(sqrt(errors) <= RMS * unit * sqrt(sizes), "%s: the error of %s is %g of it, expected at most %g",
                  what, own->label, sqrt(errors / sizes), RMS * unit);
    ck_assert_msg(greatest_error <= GREATEST * unit * greatest,
                  "%s: the greatest error of %s is %g of the greatest, expected at most %g", what, own->label,
                  greatest_error / greatest, GREATEST * unit);
}

static const char *const ways[] = { "by rule", "by im2col", "by Winograd's transforms" };

static void name_subject(char *what, size_t size, int index, int type, int level, int way)
{
    snprintf(what, size, "layer %d in f%d at level %d %s", index, type == DUALPROP_F32 ? 32 : 64, level, ways[way]);
}

/* With 2, 3 and 4 threads the bits of one. */
static void check_threads(const workbench *one, const struct layer *layer, int way, const char *what)
{
    for (int threads = 2; threads <= 4; threads++) {
        workbench bench;
        ck_assert_int_eq(bench_open(&bench, &dualprop__blis_backend, one->type, one->level, threads), DUALPROP_OK);
        dualprop__blis_choose_convolutions(bench.self, way);
        run_layer(&bench, layer);
        ck_assert_int_eq(bench.value_count, one->value_count);
        ck_assert_msg(memcmp(bench.values, one->values, (size_t)one->value_count * sizeof(double)) == 0,
                      "%s: other bits with %d threads", what, threads);
        bench_close(&bench);
    }
}

static void check_way(const workbench *expected, int index, int type, int level, int way)
{
    char what[80];
    workbench bench;
    name_subject(what, sizeof what, index, type, level, way);
    if (bench_open(&bench, &dualprop__blis_backend, type, level, 1) != DUALPROP_OK) return;
    dualprop__blis_choose_convolutions(bench.self, way);
    run_layer(&bench, &layers[index]);
    for (int group = 0; group < bench.group_count; group++) check_group(&bench, expected, group, way, what);
    if (level != BENCH_WIDE) check_threads(&bench, &layers[index], way, what);
    bench_close(&bench);
}

START_TEST(each_direction_is_accurate)
{
    workbench expected;
    ck_assert_int_eq(bench_open(&expected, &dualprop__reference_backend, DUALPROP_F64, DUALPROP_LEVEL_BASELINE, 1),
                     DUALPROP_OK);
    run_layer(&expected, &layers[_i]);
    for (int level = DUALPROP_LEVEL_BASELINE; level <= BENCH_WIDE; level++)
        for (int way = 0; way < COUNT_OF(ways); way++) {
            check_way(&expected, _i, DUALPROP_F32, level, way);
            check_way(&expected, _i, DUALPROP_F64, level, way);
        }
    bench_close(&expected);
}
END_TEST

/* ---- shapes drawn at random ---- */

/* A random number from low to high, rather low. */
static int64_t rather_low(randomness *random, int64_t low, int64_t high)
{
    int64_t range = high - low + 1, one = random_below(random, range), other = random_below(random, range);
    return low + (one < other ? one : other);
}

/* Extents of one axis: image, kernel, stride and padding, with a place for the kernel in the padded image; its map. */
static int64_t random_axis(randomness *random, int is_3x3, int64_t axis[4])
{
    do {
        axis[0] = rather_low(random, 1, 19);
        axis[1] = is_3x3 ? 3 : rather_low(random, 1, 7);
        axis[2] = is_3x3 ? 1 : rather_low(random, 1, 5);
        axis[3] = is_3x3 ? 1 : random_below(random, axis[1]);
    } while (axis[1] > axis[0] + 2 * axis[3]);
    return extent_of(axis[0], axis[3], axis[1], axis[2]);
}

/* Any layer that the library admits: one in two has the form that Winograd's transforms need. */
static dualprop_convolution random_shape(randomness *random)
{
    int is_3x3 = (int)random_below(random, 2);
    int64_t rows[4], columns[4], map_height = random_axis(random, is_3x3, rows);
    int64_t map_width = random_axis(random, is_3x3, columns);
    /* clang-format off */
    dualprop_convolution shape = {
        .kind = DUALPROP_LAYER_CONVOLUTION, .pooling = (int)random_below(random, 3), .batch = rather_low(random, 1, 9),
        .height = rows[0], .width = columns[0], .channels = rather_low(random, 1, 40),
        .outputs = rather_low(random, 1, 70), .kernel_height = rows[1], .kernel_width = columns[1],
        .stride_height = rows[2], .stride_width = columns[2], .padding_height = rows[3], .padding_width = columns[3],
        .map_height = map_height, .map_width = map_width, .pooled_height = map_height, .pooled_width = map_width,
    };
    /* clang-format on */
    if (shape.pooling == DUALPROP_POOL_NONE) return shape;
    shape.window_height = rather_low(random, 1, map_height < 9 ? map_height : 9);
    shape.window_width = rather_low(random, 1, map_width < 9 ? map_width : 9);
    shape.window_stride_height = rather_low(random, 1, 4);
    shape.window_stride_width = rather_low(random, 1, 4);
    shape.pooled_height = extent_of(map_height, 0, shape.window_height, shape.window_stride_height);
    shape.pooled_width = extent_of(map_width, 0, shape.window_width, shape.window_stride_width);
    return shape;
}

static void describe_shape(char *text, size_t size, const dualprop_convolution *shape, int type, int level, int way)
{
    snprintf(text, size,
             "%lld of %lldx%lldx%lld to %lld, kernel %lldx%lld, stride %lldx%lld, padding %lldx%lld, pooling %d "
             "%lldx%lld by %lldx%lld, f%d at level %d %s",
             (long long)shape->batch, (long long)shape->height, (long long)shape->width, (long long)shape->channels,
             (long long)shape->outputs, (long long)shape->kernel_height, (long long)shape->kernel_width,
             (long long)shape->stride_height, (long long)shape->stride_width, (long long)shape->padding_height,
             (long long)shape->padding_width, shape->pooling, (long long)shape->window_height,
             (long long)shape->window_width, (long long)shape->window_stride_height,
             (long long)shape->window_stride_width, type == DUALPROP_F32 ? 32 : 64, level, ways[way]);
}

static void check_random(const workbench *expected, const dualprop_convolution *shape, int type, int level, int way)
{
    char what[300];
    workbench bench;
    if (bench_open(&bench, &dualprop__blis_backend, type, level, 1) != DUALPROP_OK) return;
    describe_shape(what, sizeof what, shape, type, level, way);
    dualprop__blis_choose_convolutions(bench.self, way);
    run_shape(&bench, *shape);
    for (int group = 0; group < bench.group_count; group++) check_group(&bench, expected, group, way, what);
    bench_close(&bench);
}

#define RANDOM_SHAPES 40

START_TEST(random_shapes_are_accurate)
{
    workbench expected;
    randomness random = random_start((uint64_t)_i);
    ck_assert_int_eq(bench_open(&expected, &dualprop__reference_backend, DUALPROP_F64, DUALPROP_LEVEL_BASELINE, 1),
                     DUALPROP_OK);
    for (int i = 0; i < RANDOM_SHAPES; i++) {
        dualprop_convolution shape = random_shape(&random);
        run_shape(&expected, shape);
        for (int way = 1; way < COUNT_OF(ways); way++)
            for (int level = DUALPROP_LEVEL_BASELINE; level <= BENCH_WIDE; level++)
                check_random(&expected, &shape, i % 2 ? DUALPROP_F32 : DUALPROP_F64, level, way);
    }
    bench_close(&expected);
}
END_TEST

/* ---- ties ---- */

/* With weights of zero all places of a window are the same, whatever the way: the first is taken. */
START_TEST(of_equals_the_first_is_taken)
{
    for (int way = 1; way < COUNT_OF(ways); way++) {
        workbench bench;
        dualprop_convolution shape = shape_of(&layers[_i]);
        if (shape.pooling != DUALPROP_POOL_MAX) return;
        int64_t results = shape.batch * shape.pooled_height * shape.pooled_width * shape.outputs;
        ck_assert_int_eq(bench_open(&bench, &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_AUTO, 1),
                         DUALPROP_OK);
        dualprop__blis_choose_convolutions(bench.self, way);
        bench_begin(&bench, 1);
        void *x = bench_uniform(&bench, shape.batch * shape.height * shape.width * shape.channels, -1, 1);
        void *weights = bench_convolution_weights(&bench, &shape, 0, 0);
        void *bias = bench_uniform(&bench, shape.outputs, -1, 1);
        void *a = bench_reals(&bench, results);
        uint8_t *switches = bench_bytes(&bench, results);
        furnish(&bench, &shape);
        ck_assert_int_eq(bench.backend->convolution_prepare(bench.self, &shape, weights), DUALPROP_OK);
        ck_assert_int_eq(bench.backend->convolution_bottom_up(bench.self, &shape, a, switches, x, weights, bias, NULL),
                         DUALPROP_OK);
        for (int64_t i = 0; i < results; i++) {
            ck_assert_msg(switches[i] == 0, "layer %d %s: place %d was taken", _i, ways[way], switches[i]);
            ck_assert_double_eq(bench_get(&bench, a, i), bench_get(&bench, bias, i % shape.outputs));
        }
        bench_close(&bench);
    }
}
END_TEST

/* ---- <W x, y> = <x, W^T y>, and both are <W, gradient> ---- */

static double inner(const workbench *bench, const void *x, const void *y, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += bench_get(bench, x, i) * bench_get(bench, y, i);
    return sum;
}

static void check_transposition(workbench *bench, const struct layer *layer, int way, const char *what)
{
    bench_begin(bench, 7);
    const dualprop_backend *backend = bench->backend;
    struct layer plain = *layer;
    plain.pooling = DUALPROP_POOL_NONE;
    dualprop_convolution shape = shape_of(&plain);
    int64_t inputs = shape.batch * shape.height * shape.width * shape.channels;
    int64_t results = shape.batch * shape.map_height * shape.map_width * shape.outputs;
    int64_t elements = backend->convolution_weight_elements(bench->self, &shape);
    void *x = bench_uniform(bench, inputs, -1, 1), *y = bench_uniform(bench, results, -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, -1, 1), *gradient = bench_zeros(bench, elements);
    void *up = bench_reals(bench, results), *down = bench_reals(bench, inputs);
    void *bias_gradient = bench_reals(bench, shape.outputs);
    furnish(bench, &shape);
    ck_assert_int_eq(backend->convolution_prepare(bench->self, &shape, weights), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_bottom_up(bench->self, &shape, up, NULL, x, weights, NULL, NULL),
                     DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_top_down(bench->self, &shape, down, y, NULL, weights, NULL), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_gradient(bench->self, &shape, gradient, bias_gradient, x, y, NULL, 1, 0, NULL,
                                                   NULL, NULL, NULL),
                     DUALPROP_OK);
    double above = inner(bench, up, y, results), below = inner(bench, x, down, inputs);
    double between = inner(bench, weights, gradient, elements);
    /* The errors of the directions are independent, and their sums grow as the sizes of the arrays do. */
    double natural = way == DUALPROP__WINOGRAD ? natural_sum(&shape, shape.channels) : 0;
    double size = comparison_larger(inner(bench, up, up, results), natural * natural * (double)results);
    double near = RMS * sqrt(size * inner(bench, y, y, results));
    if (bench->type == DUALPROP_F64) near *= DBL_EPSILON / FLT_EPSILON;
    ck_assert_msg(fabs(above - below) <= near, "%s: <Wx, y> is %.9g and <x, W'y> is %.9g", what, above, below);
    ck_assert_msg(fabs(above - between) <= near, "%s: <Wx, y> is %.9g and <W, g> is %.9g", what, above, between);
}

START_TEST(top_down_and_gradient_are_the_adjoints)
{
    static const int types[] = { DUALPROP_F32, DUALPROP_F64 };
    for (int way = 0; way < COUNT_OF(ways); way++)
        for (int t = 0; t < 2; t++) {
            char what[80];
            workbench bench;
            name_subject(what, sizeof what, _i, types[t], DUALPROP_LEVEL_AUTO, way);
            ck_assert_int_eq(bench_open(&bench, &dualprop__blis_backend, types[t], DUALPROP_LEVEL_AUTO, 1),
                             DUALPROP_OK);
            dualprop__blis_choose_convolutions(bench.self, way);
            check_transposition(&bench, &layers[_i], way, what);
            bench_close(&bench);
        }
}
END_TEST

/* ---- rules ---- */

START_TEST(the_shape_alone_decides_the_way)
{
    static const struct {
        struct layer layer;
        int fits;
    } cases[] = {
        { { 1, 32, 32, 64, 64, 3, 1, 1, 0, 0, 0 }, 1 }, { { 9, 2, 2, 16, 16, 3, 1, 1, 0, 0, 0 }, 1 },
        { { 1, 5, 5, 16, 16, 3, 1, 1, 0, 0, 0 }, 1 },   { { 1, 32, 32, 15, 64, 3, 1, 1, 0, 0, 0 }, 0 },
        { { 1, 32, 32, 64, 15, 3, 1, 1, 0, 0, 0 }, 0 }, { { 1, 32, 32, 64, 64, 5, 1, 2, 0, 0, 0 }, 0 },
        { { 1, 32, 32, 64, 64, 3, 2, 1, 0, 0, 0 }, 0 }, { { 1, 32, 32, 64, 64, 3, 1, 0, 0, 0, 0 }, 0 },
        { { 1, 1, 9, 64, 64, 3, 1, 1, 0, 0, 0 }, 0 },   { { 1, 3, 3, 64, 64, 3, 1, 1, 0, 0, 0 }, 1 },
        { { 1, 2, 5, 64, 64, 3, 1, 1, 0, 0, 0 }, 0 },   { { 1, 1, 1, 64, 64, 3, 1, 1, 0, 0, 0 }, 0 },
    };
    workbench bench;
    ck_assert_int_eq(bench_open(&bench, &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_AUTO, 1), DUALPROP_OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        dualprop_convolution shape = shape_of(&cases[i].layer);
        ck_assert_msg(dualprop__winograd_fits(bench.self, &shape) == cases[i].fits, "case %d", i);
    }
    bench_close(&bench);
}
END_TEST

/*
 * The filters' transforms of a panel are larger than a near cache: few images take them a row of planes at a time, many
 * images all at once; a tile that is alone is multiplied with them as they are made. An image has the same bits either
 * way, in sums of one part and of two.
 */
static void check_first_image(workbench *bench, const struct layer *layer, const char *what)
{
    bench_begin(bench, 1);
    const dualprop_backend *backend = bench->backend;
    dualprop_convolution shape = shape_of(layer);
    int64_t image = shape.pooled_height * shape.pooled_width * shape.outputs;
    void *x = bench_uniform(bench, shape.batch * shape.height * shape.width * shape.channels, -1, 1);
    void *weights = bench_convolution_weights(bench, &shape, -1, 1), *bias = bench_uniform(bench, shape.outputs, -1, 1);
    void *all = bench_reals(bench, shape.batch * image), *first = bench_reals(bench, image);
    furnish(bench, &shape);
    ck_assert_int_eq(backend->convolution_prepare(bench->self, &shape, weights), DUALPROP_OK);
    ck_assert_int_eq(backend->convolution_bottom_up(bench->self, &shape, all, NULL, x, weights, bias, NULL),
                     DUALPROP_OK);
    shape.batch = 1;
    ck_assert_int_eq(backend->convolution_bottom_up(bench->self, &shape, first, NULL, x, weights, bias, NULL),
                     DUALPROP_OK);
    ck_assert_msg(memcmp(all, first, (size_t)image * bench_real_size(bench)) == 0, "%s: other bits alone", what);
}

START_TEST(an_image_has_the_same_bits_in_any_batch)
{
    static const struct layer images[] = {
        { 110, 4, 4, 300, 36, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
        { 110, 5, 4, 240, 36, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
        { 110, 2, 2, 470, 33, 3, 1, 1, 0, 0, DUALPROP_POOL_NONE },
    };
    static const int types[] = { DUALPROP_F32, DUALPROP_F64 };
    for (int level = DUALPROP_LEVEL_BASELINE; level <= DUALPROP_LEVEL_AVX512; level++)
        for (int t = 0; t < COUNT_OF(types); t++) {
            char what[80];
            workbench bench;
            name_subject(what, sizeof what, _i, types[t], level, 0);
            if (bench_open(&bench, &dualprop__blis_backend, types[t], level, 2) != DUALPROP_OK) continue;
            check_first_image(&bench, &images[_i], what);
            bench_close(&bench);
        }
}
END_TEST

/* A state's workspace is of its capacity, and smaller batches come: none may need more. The same for dense layers. How
 * many threads there are must not matter to convolutions, since an embedder's host may come to have more of them; dense
 * layers are told how large their workspace is, and may ask for more of it where there are more threads. */
static void check_workspaces(const workbench *few, const workbench *many, const struct layer *first, const char *what)
{
    static const int64_t batches[] = { 250, 500, 512, 1000, 1024, 4096, 10000 };
    struct layer layer = *first;
    int64_t convolution = 0, dense = 0;
    for (int i = 1; i < 200 + COUNT_OF(batches); i++) {
        layer.batch = i < 200 ? i : batches[i - 200];
        dualprop_convolution shape = shape_of(&layer);
        int64_t own = few->backend->convolution_workspace(few->self, &shape);
        int64_t other = few->backend->dense_workspace(few->self, layer.batch, layer.channels, layer.outputs);
        ck_assert_msg(own >= convolution, "%s, batch %lld: %lld bytes, fewer than the %lld before", what,
                      (long long)layer.batch, (long long)own, (long long)convolution);
        ck_assert_msg(other >= dense, "%s, dense, batch %lld", what, (long long)layer.batch);
        ck_assert_int_eq(many->backend->convolution_workspace(many->self, &shape), own);
        ck_assert_int_ge(many->backend->dense_workspace(many->self, layer.batch, layer.channels, layer.outputs), other);
        ck_assert_int_le(few->backend->dense_bottom_up_workspace(few->self, layer.batch, layer.channels, layer.outputs),
                         other);
        ck_assert_int_le(few->backend->convolution_bottom_up_workspace(few->self, &shape), own);
        convolution = own, dense = other;
    }
}

static void check_instances(int type, int level)
{
    workbench few, many;
    if (bench_open(&few, &dualprop__blis_backend, type, level, 1) != DUALPROP_OK) return;
    ck_assert_int_eq(bench_open(&many, &dualprop__blis_backend, type, level, 5), DUALPROP_OK);
    for (int way = 0; way < COUNT_OF(ways); way++)
        for (int i = 0; i < COUNT_OF(layers); i++) {
            char what[80];
            name_subject(what, sizeof what, i, type, level, way);
            dualprop__blis_choose_convolutions(few.self, way);
            dualprop__blis_choose_convolutions(many.self, way);
            check_workspaces(&few, &many, &layers[i], what);
        }
    bench_close(&few);
    bench_close(&many);
}

START_TEST(a_larger_batch_never_takes_less_workspace)
{
    for (int level = DUALPROP_LEVEL_BASELINE; level <= BENCH_WIDE; level++) {
        check_instances(DUALPROP_F32, level);
        check_instances(DUALPROP_F64, level);
    }
}
END_TEST

/* Shapes whose sizes would overflow are refused. */
START_TEST(shapes_beyond_all_memory_are_refused)
{
    struct layer layer = { (int64_t)1 << 40, 32, 32, 64, 64, 3, 1, 1, 0, 0, 0 };
    dualprop_convolution shape = shape_of(&layer);
    workbench bench;
    ck_assert_int_eq(bench_open(&bench, &dualprop__blis_backend, DUALPROP_F32, DUALPROP_LEVEL_AUTO, 1), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->convolution_workspace(bench.self, &shape), -1);
    shape.batch = 1, shape.channels = shape.outputs = (int64_t)1 << 30;
    ck_assert_int_eq(bench.backend->convolution_weight_elements(bench.self, &shape), -1);
    bench_close(&bench);
}
END_TEST

Suite *test_convolution_kernels_suite(void)
{
    Suite *suite = suite_create("convolution_kernels");
    TCase *errors = tcase_create("errors");
    tcase_add_loop_test(errors, each_direction_is_accurate, 0, COUNT_OF(layers));
    tcase_add_loop_test(errors, of_equals_the_first_is_taken, 0, COUNT_OF(layers));
    tcase_add_loop_test(errors, top_down_and_gradient_are_the_adjoints, 0, COUNT_OF(layers));
    suite_add_tcase(suite, errors);
    TCase *random = tcase_create("random");
    tcase_add_loop_test(random, random_shapes_are_accurate, 0, 4);
    suite_add_tcase(suite, random);
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, the_shape_alone_decides_the_way);
    tcase_add_loop_test(rules, an_image_has_the_same_bits_in_any_batch, 0, 3);
    tcase_add_test(rules, a_larger_batch_never_takes_less_workspace);
    tcase_add_test(rules, shapes_beyond_all_memory_are_refused);
    suite_add_tcase(suite, rules);
    return suite;
}

#endif
