/*
 * test_cuda_bf16.c - convolutions in BF16: rounding, and each direction against the reference on rounded operands.
 *
 * For the first shape the real cuDNN, where it is installed, makes and compiles the plans, as for an H100.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/backend/backend_internal.h"
#include "cuda_test.h"
#include "math/bfloat16.h"
#include "support/comparison.h"
#include "support/workbench.h"

/* ---- rounding ---- */

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* All values of BF16 stay, and between each and the next the middle decides, or the even one. NaNs stay NaNs. */
START_TEST(the_nearest_is_taken)
{
    for (uint32_t top = 0; top < 0x10000; top++) {
        int is_nan = (top & 0x7fff) > 0x7f80, even = (top & 1) == 0, last = (top & 0x7fff) == 0x7f80;
        ck_assert(isnan(dualprop__of_bfloat16(dualprop__bfloat16(of_bits(top << 16 | 1)))) == (is_nan || last));
        if (is_nan) continue;
        ck_assert_uint_eq(dualprop__bfloat16(of_bits(top << 16)), top);
        if (last) continue;
        ck_assert_uint_eq(dualprop__bfloat16(of_bits(top << 16 | 0x7fff)), top);
        ck_assert_uint_eq(dualprop__bfloat16(of_bits(top << 16 | 0x8000)), even ? top : top + 1);
        ck_assert_uint_eq(dualprop__bfloat16(of_bits(top << 16 | 0x8001)), top + 1);
    }
    ck_assert(isnan(dualprop__of_bfloat16(dualprop__bfloat16(of_bits(0x7fffffff)))));
}
END_TEST

/* ---- the three directions ---- */

enum { NONE = DUALPROP_POOL_NONE, MAX = DUALPROP_POOL_MAX, AVERAGE = DUALPROP_POOL_AVERAGE };

/*
 * `all`: the gradient and the way down have plans in BF16 too, not only the way up. Rounded is delta of the map:
 * windows that do not overlap, of four places, pass delta or a fourth of it on, so that rounding delta is the same.
 */
static const struct row {
    int64_t batch, height, width, channels, outputs, kernel, stride, padding;
    int pooling, window, step, all;
} rows[] = {
    { 3, 7, 6, 8, 16, 3, 1, 1, MAX, 2, 2, 1 },  { 2, 11, 9, 16, 8, 5, 2, 2, NONE, 0, 0, 1 },
    { 2, 8, 8, 8, 24, 3, 1, 1, NONE, 0, 0, 1 }, { 2, 6, 6, 8, 8, 1, 1, 0, AVERAGE, 2, 2, 1 },
    { 4, 9, 7, 3, 8, 3, 1, 1, MAX, 3, 2, 0 },   { 1, 5, 5, 10, 5, 3, 1, 1, NONE, 0, 0, 0 },
};
#define ROWS ((int)(sizeof rows / sizeof rows[0]))

static dualprop_convolution shape_of(const struct row *row)
{
    int64_t height = (row->height + 2 * row->padding - row->kernel) / row->stride + 1;
    int64_t width = (row->width + 2 * row->padding - row->kernel) / row->stride + 1;
    int pools = row->pooling != NONE;
    /* clang-format off */
    return (dualprop_convolution){
        .kind = DUALPROP_LAYER_CONVOLUTION, .pooling = row->pooling, .batch = row->batch, .height = row->height,
        .width = row->width, .channels = row->channels, .outputs = row->outputs, .kernel_height = row->kernel,
        .kernel_width = row->kernel, .stride_height = row->stride, .stride_width = row->stride,
        .padding_height = row->padding, .padding_width = row->padding, .map_height = height, .map_width = width,
        .window_height = row->window, .window_width = row->window, .window_stride_height = row->step,
        .window_stride_width = row->step, .pooled_height = pools ? (height - row->window) / row->step + 1 : height,
        .pooled_width = pools ? (width - row->window) / row->step + 1 : width,
    };
    /* clang-format on */
}

/* What is done to the operands before: nothing, rounding to BF16, or taking their sizes. */
enum { PLAIN, ROUNDED, SIZES };

static float *operand(workbench *bench, int64_t count, int treatment)
{
    float *x = bench_uniform(bench, count, -1, 1);
    for (int64_t i = 0; i < count && treatment != PLAIN; i++)
        x[i] = treatment == SIZES ? fabsf(x[i]) : dualprop__of_bfloat16(dualprop__bfloat16(x[i]));
    return x;
}

struct arrays {
    dualprop_convolution shape;
    int64_t x_count, w_count, a_count;
    float *x, *host_weights, *weights, *delta, *result, *bias_gradient;
    uint8_t *switches;
};

static void make_arrays(struct arrays *arrays, workbench *bench, const struct row *row, int treatment)
{
    dualprop_convolution *shape = &arrays->shape;
    *shape = shape_of(row);
    arrays->x_count = shape->batch * shape->height * shape->width * shape->channels;
    arrays->w_count = shape->kernel_height * shape->kernel_width * shape->channels * shape->outputs;
    arrays->a_count = shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
    bench_begin(bench, 11);
    arrays->x = operand(bench, arrays->x_count, treatment);
    arrays->host_weights = operand(bench, arrays->w_count, treatment);
    arrays->delta = operand(bench, arrays->a_count, treatment);
    arrays->weights = bench_reals(bench, arrays->w_count);
    arrays->result = bench_reals(bench, 20000);
    arrays->bias_gradient = bench_reals(bench, shape->outputs);
    arrays->switches = bench_bytes(bench, arrays->a_count);
    for (int64_t i = 0; i < arrays->a_count; i++)
        arrays->switches[i] = (uint8_t)(row->pooling == MAX ? i % (row->window * row->window) : 0);
    shape->workspace = bench_bytes(bench, bench->backend->convolution_workspace(bench->self, shape));
    shape->cache = bench_bytes(bench, bench->backend->convolution_cache(bench->self, shape));
}

/* Do one direction; how many numbers it gave. */
static int64_t run(struct arrays *arrays, workbench *bench, int direction)
{
    const dualprop_backend *with = bench->backend;
    dualprop_convolution *shape = &arrays->shape;
    uint8_t *switches = shape->pooling == MAX ? arrays->switches : NULL;
    dualprop_status status;
    ck_assert_int_eq(with->write_convolution_weights(bench->self, shape, arrays->weights, arrays->host_weights), 0);
    ck_assert_int_eq(with->convolution_prepare(bench->self, shape, arrays->weights), 0);
    if (direction == 0)
        status = with->convolution_bottom_up(bench->self, shape, arrays->result, switches, arrays->x, arrays->weights,
                                             NULL, NULL);
    else if (direction == 1)
        status = with->convolution_top_down(bench->self, shape, arrays->result, arrays->delta, switches,
                                            arrays->weights, NULL);
    else
        status = with->convolution_gradient(bench->self, shape, arrays->weights, arrays->bias_gradient, arrays->x,
                                            arrays->delta, switches, 1, 0, NULL, NULL, NULL, (void *[4]){ NULL });
    ck_assert_int_eq(status, DUALPROP_OK);
    if (direction == 2)
        ck_assert_int_eq(with->read_convolution_weights(bench->self, shape, arrays->result, arrays->weights), 0);
    ck_assert(bench_intact(bench));
    return direction == 0 ? arrays->a_count : direction == 1 ? arrays->x_count : arrays->w_count;
}

struct outcome {
    float values[20000], biases[64];
    int64_t count;
};

static void record(struct outcome *outcome, workbench *bench, const struct row *row, int direction, int treatment)
{
    struct arrays arrays;
    make_arrays(&arrays, bench, row, treatment);
    outcome->count = run(&arrays, bench, direction);
    ck_assert_int_le(outcome->count, 20000);
    memcpy(outcome->values, arrays.result, (size_t)outcome->count * sizeof(float));
    memcpy(outcome->biases, arrays.bias_gradient, (size_t)row->outputs * sizeof(float));
}

static double greatest(const float *x, const float *other, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        double apart = fabs((double)x[i] - (other ? (double)other[i] : 0));
        if (isnan(apart)) return apart;
        most = comparison_larger(most, apart);
    }
    return most;
}

static double depth_of(const dualprop_convolution *shape, int direction)
{
    int64_t taps = shape->kernel_height * shape->kernel_width;
    if (direction == 2) return (double)(shape->batch * shape->map_height * shape->map_width);
    return (double)(taps * (direction == 0 ? shape->channels : shape->outputs));
}

/*
 * With s the sum of the sizes of all products of an element: sums in f32 of `depth` products are off by at most
 * depth 2^-23 s (tensor cores cut digits off, which is twice as much as rounding), and the rounding of two operands, by
 * 2^-8 of each, moves the products by 2^-7 s and a little. The gradient of the bias is not one of the products, and is
 * not rounded.
 */
static void compare(workbench *cuda, workbench *reference, const struct row *row, int direction, int rounded)
{
    static struct outcome got, on_rounded, plain, sizes;
    record(&got, cuda, row, direction, PLAIN);
    record(&on_rounded, reference, row, direction, ROUNDED);
    record(&plain, reference, row, direction, PLAIN);
    record(&sizes, reference, row, direction, SIZES);
    dualprop_convolution shape = shape_of(row);
    double size = greatest(sizes.values, NULL, sizes.count), in_f32 = (depth_of(&shape, direction) + 2) * 0x1p-23;
    double far = greatest(got.values, on_rounded.values, got.count);
    double off = greatest(got.values, plain.values, got.count);
    if (rounded) ck_assert_msg(far <= in_f32 * size, "direction %d: %g from rounded operands' result", direction, far);
    ck_assert_msg(off <= (0x1p-7 + 0x1p-16 + in_f32) * size, "direction %d: %g off", direction, off);
    if (rounded) ck_assert_msg(off > 1e-5 * size, "direction %d was not rounded", direction);
    if (direction == 2)
        ck_assert(greatest(got.biases, plain.biases, row->outputs) <=
                  in_f32 * greatest(sizes.biases, NULL, row->outputs));
}

START_TEST(convolutions_are_those_of_rounded_operands)
{
    static workbench cuda, reference;
    standin_state *standin = cuda_standin();
    if (standin) standin->lenient = 1, standin->no_real = _i > 0;
    cuda_open_bench(&cuda, cuda_table(), DUALPROP_NUMERICS_BF16);
    cuda_open_bench(&reference, &dualprop__reference_backend, DUALPROP_NUMERICS_STRICT);
    for (int direction = 0; direction < 3; direction++) {
        long before = standin ? standin->rounded : 0;
        int rounded = rows[_i].all || direction == 0;
        compare(&cuda, &reference, &rows[_i], direction, rounded);
        if (standin) ck_assert_int_eq(standin->rounded - before, rounded);
    }
    if (standin) ck_assert_int_eq(standin->unordered, 0);
    bench_close(&reference);
    bench_close(&cuda);
    cuda_check_clean(0);
}
END_TEST

/* Without an engine for anything BF16 goes by patches and matrix products, and nothing is rounded here. */
START_TEST(no_engine_is_no_failure)
{
    static workbench cuda, reference;
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("no engines")) return;
    standin->lenient = standin->no_engines = 1;
    cuda_open_bench(&cuda, cuda_table(), DUALPROP_NUMERICS_BF16);
    cuda_open_bench(&reference, &dualprop__reference_backend, DUALPROP_NUMERICS_STRICT);
    for (int direction = 0; direction < 3; direction++) compare(&cuda, &reference, &rows[_i], direction, 0);
    ck_assert_int_eq(standin->convolutions, 0);
    bench_close(&reference);
    bench_close(&cuda);
    cuda_check_clean(0);
}
END_TEST

/* Neither rounding nor the product after it loses a NaN. */
START_TEST(a_nan_stays)
{
    static workbench cuda;
    struct arrays arrays;
    standin_state *standin = cuda_standin();
    if (standin) standin->lenient = standin->no_real = 1;
    cuda_open_bench(&cuda, cuda_table(), DUALPROP_NUMERICS_BF16);
    for (int direction = 0; direction < 3; direction++) {
        make_arrays(&arrays, &cuda, &rows[2], PLAIN);
        arrays.x[arrays.x_count / 2] = arrays.delta[arrays.a_count / 2] = NAN;
        int64_t count = run(&arrays, &cuda, direction);
        ck_assert(isnan(greatest(arrays.result, NULL, count)));
    }
    bench_close(&cuda);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_bf16_suite(void)
{
    Suite *suite = suite_create("cuda bf16");
    TCase *tests = tcase_create("bf16");
    tcase_set_timeout(tests, 120); /* compiling takes its time */
    tcase_add_test(tests, the_nearest_is_taken);
    tcase_add_loop_test(tests, convolutions_are_those_of_rounded_operands, 0, ROWS);
    tcase_add_loop_test(tests, no_engine_is_no_failure, 0, ROWS);
    tcase_add_test(tests, a_nan_stays);
    suite_add_tcase(suite, tests);
    return suite;
}
