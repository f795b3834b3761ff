/*
 * test_cuda_fours.c - kernels that do four elements at once give the bits of those that do one.
 *
 * Each slot is called twice with the same numbers: on arrays that are aligned, and with one of them moved by an
 * element, so that the other kernel is taken. Numbers of elements that are no multiples of four have a tail; NaNs,
 * infinities and equal values are among the numbers.
 */
#include <math.h>
#include <string.h>

#include "cuda_test.h"
#include "support/workbench.h"

#define ROOM 40000

enum { NONE = DUALPROP_POOL_NONE, MAX = DUALPROP_POOL_MAX, AVERAGE = DUALPROP_POOL_AVERAGE };

/* What a call left: arrays one after another, and maxima. */
struct record {
    float values[ROOM];
    int64_t count;
    double max_abs, change;
};

static void keep(struct record *record, const void *array, int64_t count)
{
    ck_assert_int_le(record->count + count, ROOM);
    memcpy(record->values + record->count, array, (size_t)count * sizeof(float));
    record->count += count;
}

static void expect_same(const struct record *one, const struct record *other)
{
    ck_assert_int_eq(one->count, other->count);
    for (int64_t i = 0; i < one->count; i++)
        ck_assert_msg(memcmp(&one->values[i], &other->values[i], sizeof(float)) == 0,
                      "%lld of %lld: %.9g, expected %.9g", (long long)i, (long long)one->count, (double)one->values[i],
                      (double)other->values[i]);
    ck_assert(memcmp(&one->max_abs, &other->max_abs, sizeof(double)) == 0);
    ck_assert(memcmp(&one->change, &other->change, sizeof(double)) == 0);
}

/* Few different numbers, so that equal ones meet; every 61st is none. */
static float *numbers(workbench *bench, int64_t count, int moved, int odd)
{
    float *x = (float *)bench_reals(bench, count + moved) + moved;
    for (int64_t i = 0; i < count; i++) {
        x[i] = (float)(random_below(&bench->random, 25)) / 8 - 1.5f;
        if (odd && i % 61 == 60) x[i] = i % 2 ? NAN : -INFINITY;
    }
    return x;
}

/* `calls` kernels by fours ran in the first call, none in the second; known on the stand-ins alone. */
static void check_fours(long before, long calls)
{
    const standin_state *standin = cuda_peek();
    if (standin) ck_assert_int_eq(standin->by_fours - before, calls);
}

static long fours_so_far(void)
{
    const standin_state *standin = cuda_peek();
    return standin ? standin->by_fours : 0;
}

/* ---- dyads ---- */

static const int activations[] = { DUALPROP_IDENTITY, DUALPROP_RELU, DUALPROP_LEAKY_RELU, DUALPROP_HARD_SIGMOID,
                                   DUALPROP_TANH };
#define ACTIVATIONS ((int)(sizeof activations / sizeof activations[0]))

static void update(struct record *record, workbench *bench, int activation, int64_t count, int way, int moved)
{
    memset(record, 0, sizeof *record);
    bench_begin(bench, 5);
    int derivative = way == 1, first = way == 2;
    float *a = numbers(bench, count, moved, 1), *down = numbers(bench, count, 0, 1);
    float *mean = numbers(bench, count, 0, 0), *delta = numbers(bench, count, 0, 0);
    dualprop_dyad dyad = {
        .activation = activation,
        .derivative = derivative,
        .count = count,
        .width = count,
        .alpha = .25,
        .old_alpha = .25,
        .gain_plus = .75,
        .gain_minus = .25,
        .a = a,
        .top_down = first ? NULL : down,
        .mean = mean,
        .delta = delta,
        .max_abs = &record->max_abs,
        .change = way == 3 ? NULL : &record->change,
    };
    long before = fours_so_far();
    ck_assert_int_eq(bench->backend->dyad_update(bench->self, &dyad), DUALPROP_OK);
    check_fours(before, !moved && activation != DUALPROP_TANH);
    ck_assert(bench_intact(bench));
    keep(record, mean, count);
    keep(record, delta, count);
}

START_TEST(dyads_have_the_same_bits)
{
    static const int64_t counts[] = { 1, 3, 4, 1023, 1024, 5001 };
    static struct record one, other;
    workbench bench;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (int way = 0; way < 4; way++) {
            update(&one, &bench, activations[_i], counts[i], way, 0);
            update(&other, &bench, activations[_i], counts[i], way, 1);
            expect_same(&one, &other);
        }
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* ---- maps ---- */

static const struct shape {
    int64_t batch, side, channels, outputs, stride;
    int pooling, window, step, fours; /* fours: the pooling can be done so */
} shapes[] = {
    { 3, 6, 4, 8, 1, NONE, 0, 0, 1 }, { 2, 8, 8, 12, 1, MAX, 2, 2, 1 },  { 2, 6, 8, 4, 1, AVERAGE, 2, 2, 1 },
    { 2, 7, 4, 8, 1, MAX, 2, 2, 0 },  { 2, 7, 4, 8, 1, MAX, 3, 2, 0 },   { 2, 6, 3, 6, 1, MAX, 2, 2, 0 },
    { 5, 5, 4, 4, 2, NONE, 0, 0, 1 }, { 1, 10, 12, 4, 1, MAX, 2, 2, 1 },
};
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

static dualprop_convolution convolution_of(const struct shape *shape)
{
    int64_t map = (shape->side + 2 - 3) / shape->stride + 1;
    int64_t pooled = shape->pooling == NONE ? map : (map - shape->window) / shape->step + 1;
    /* clang-format off */
    return (dualprop_convolution){
        .kind = DUALPROP_LAYER_CONVOLUTION, .pooling = shape->pooling, .batch = shape->batch, .height = shape->side,
        .width = shape->side, .channels = shape->channels, .outputs = shape->outputs, .kernel_height = 3,
        .kernel_width = 3, .stride_height = shape->stride, .stride_width = shape->stride, .padding_height = 1,
        .padding_width = 1, .map_height = map, .map_width = map, .window_height = shape->window,
        .window_width = shape->window, .window_stride_height = shape->step, .window_stride_width = shape->step,
        .pooled_height = pooled, .pooled_width = pooled,
    };
    /* clang-format on */
}

/* Up with an update, down, and the gradient; moved: the bias and delta, and x, which only patches read. */
static void convolve(struct record *record, workbench *bench, const struct shape *row, int activation, int moved)
{
    const dualprop_backend *with = bench->backend;
    dualprop_convolution shape = convolution_of(row);
    memset(record, 0, sizeof *record);
    bench_begin(bench, 7);
    int64_t inputs = shape.batch * shape.height * shape.width * shape.channels;
    int64_t outputs = shape.batch * shape.pooled_height * shape.pooled_width * shape.outputs;
    int64_t elements = 9 * shape.channels * shape.outputs;
    float *host_weights = numbers(bench, elements, 0, 0), *weights = bench_reals(bench, elements);
    float *x = numbers(bench, inputs, moved, 1), *bias = numbers(bench, shape.outputs, moved, 0);
    float *a = bench_reals(bench, outputs), *mean = numbers(bench, outputs, 0, 0), *spare = bench_zeros(bench, outputs);
    float *delta = numbers(bench, outputs, moved && row->pooling != NONE, 1), *to = bench_reals(bench, inputs);
    float *gradient = bench_reals(bench, elements), *bias_gradient = bench_reals(bench, shape.outputs);
    float *host_gradient = bench_reals(bench, elements);
    uint8_t *switches = row->pooling == MAX ? bench_bytes(bench, outputs) : NULL;
    shape.workspace = bench_bytes(bench, with->convolution_workspace(bench->self, &shape));
    shape.cache = bench_bytes(bench, with->convolution_cache(bench->self, &shape));
    dualprop_dyad dyad = {
        .activation = activation,
        .count = outputs,
        .width = outputs,
        .alpha = .5,
        .old_alpha = .5,
        .gain_plus = .5,
        .gain_minus = .5,
        .a = a,
        .mean = mean,
        .delta = spare,
        .max_abs = &record->max_abs,
        .change = &record->change,
    };
    ck_assert_int_eq(with->write_convolution_weights(bench->self, &shape, weights, host_weights), 0);
    ck_assert_int_eq(with->convolution_prepare(bench->self, &shape, weights), 0);
    ck_assert_int_eq(with->convolution_bottom_up(bench->self, &shape, a, switches, x, weights, bias, &dyad), 0);
    long before = fours_so_far();
    ck_assert_int_eq(with->convolution_top_down(bench->self, &shape, to, delta, switches, weights, NULL), 0);
    check_fours(before, row->pooling != NONE && row->fours && !moved);
    ck_assert_int_eq(with->convolution_gradient(bench->self, &shape, gradient, bias_gradient, x, delta, switches, .5, 0,
                                                NULL, NULL, NULL, (void *[4]){ NULL }),
                     0);
    ck_assert_int_eq(with->read_convolution_weights(bench->self, &shape, host_gradient, gradient), 0);
    ck_assert(bench_intact(bench));
    keep(record, a, outputs);
    keep(record, mean, outputs);
    keep(record, spare, outputs);
    keep(record, to, inputs);
    keep(record, host_gradient, elements);
    keep(record, bias_gradient, shape.outputs);
    for (int64_t i = 0; switches && i < outputs; i++) keep(record, &(float){ switches[i] }, 1);
}

/* By patches, and with operands in BF16: either reads x as it lies, aligned or not. */
START_TEST(maps_have_the_same_bits)
{
    static struct record one, other;
    workbench bench;
    int bf16 = _i / SHAPES;
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("engines that are made up")) return;
    standin->lenient = standin->no_real = 1;
    standin->no_engines = !bf16;
    if (bf16 && shapes[_i % SHAPES].channels % 2) return; /* some of its plans read f32 */
    cuda_open_bench(&bench, cuda_table(), bf16 ? DUALPROP_NUMERICS_BF16 : DUALPROP_NUMERICS_STRICT);
    for (int i = 0; i < ACTIVATIONS; i++) {
        convolve(&one, &bench, &shapes[_i % SHAPES], activations[i], 0);
        convolve(&other, &bench, &shapes[_i % SHAPES], activations[i], 1);
        expect_same(&one, &other);
    }
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* ---- arrays that indices of 32 bits do not reach ---- */

static long fours_of_update(workbench *bench, int64_t count)
{
    float *some = bench_reals(bench, 64);
    dualprop_dyad dyad = { .activation = DUALPROP_RELU, .count = count, .width = count, .a = some, .mean = some };
    long before = fours_so_far();
    ck_assert_int_eq(bench->backend->dyad_update(bench->self, &dyad), DUALPROP_OK);
    return fours_so_far() - before;
}

/* Up and down of maps with 2^20 places and 256 outputs, pooled 2 x 2. */
static long fours_of_maps(workbench *bench, int64_t batch)
{
    static const struct shape large = { 1, 1024, 4, 256, 1, MAX, 2, 2, 1 };
    const dualprop_backend *with = bench->backend;
    dualprop_convolution shape = convolution_of(&large);
    float *some = bench_reals(bench, 64);
    long before = fours_so_far();
    shape.batch = batch;
    shape.workspace = shape.cache = some;
    ck_assert_int_eq(with->convolution_bottom_up(bench->self, &shape, some, (uint8_t *)some, some, some, some, NULL),
                     0);
    ck_assert_int_eq(with->convolution_top_down(bench->self, &shape, some, some, (uint8_t *)some, some, NULL), 0);
    return fours_so_far() - before;
}

/* The stand-in does none of the work, so that no such arrays are needed. */
START_TEST(large_arrays_go_one_by_one)
{
    workbench bench;
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("arrays of 2^31 elements")) return;
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    standin->lenient = standin->idle = standin->no_real = 1;
    ck_assert_int_eq(fours_of_update(&bench, ((int64_t)1 << 31) - 8), 1);
    ck_assert_int_eq(fours_of_update(&bench, (int64_t)1 << 31), 0);
    ck_assert_int_eq(fours_of_update(&bench, ((int64_t)1 << 32) + 4), 0);
    ck_assert_int_eq(fours_of_maps(&bench, 4), 2);
    ck_assert_int_eq(fours_of_maps(&bench, 32), 0);
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* ---- learning ---- */

static void learn(struct record *record, workbench *bench, int kind, int64_t count, int moved)
{
    memset(record, 0, sizeof *record);
    bench_begin(bench, 9);
    float *w = numbers(bench, count, moved, 0), *g = numbers(bench, count, 0, 0);
    float *first = bench_zeros(bench, count), *second = bench_zeros(bench, count);
    dualprop_step_numbers step = { .kind = kind,
                                   .learning_rate = .125,
                                   .momentum = .5,
                                   .beta1 = .75,
                                   .beta2 = .5,
                                   .epsilon = .25,
                                   .weight_decay = .5,
                                   .scale1 = 4,
                                   .scale2 = 2,
                                   .gradient_scale = .5 };
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(bench->backend->optimizer_step(bench->self, &step, count, w, g, first, second), DUALPROP_OK);
    ck_assert_int_eq(bench->backend->synchronize(bench->self), DUALPROP_OK);
    ck_assert(bench_intact(bench));
    keep(record, w, count);
    keep(record, first, count);
    keep(record, second, count);
}

START_TEST(steps_have_the_same_bits)
{
    static const int64_t counts[] = { 1, 2, 4, 7, 2049 };
    static struct record one, other;
    workbench bench;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        learn(&one, &bench, _i ? DUALPROP_ADAM : DUALPROP_SGD, counts[i], 0);
        learn(&other, &bench, _i ? DUALPROP_ADAM : DUALPROP_SGD, counts[i], 1);
        expect_same(&one, &other);
    }
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_fours_suite(void)
{
    Suite *suite = suite_create("cuda fours");
    TCase *tests = tcase_create("fours");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, dyads_have_the_same_bits, 0, ACTIVATIONS);
    tcase_add_loop_test(tests, maps_have_the_same_bits, 0, 2 * SHAPES);
    tcase_add_loop_test(tests, steps_have_the_same_bits, 0, 2);
    tcase_add_test(tests, large_arrays_go_one_by_one);
    suite_add_tcase(suite, tests);
    return suite;
}
