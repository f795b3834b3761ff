/*
 * test_cuda_products.c - the products of dense layers, by cuBLASLt: shapes that libraries for large matrices find odd,
 * digits that strict f32 has to keep, biases that lie otherwise than before, and shapes for which there is nothing.
 *
 * With the stand-ins the real cuBLASLt, where it is installed, judges the descriptors of all these products; on a
 * device it computes them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "support/workbench.h"

/* ---- an instance with numerics of its own ---- */

static void open_bench(workbench *bench, int numerics)
{
    cuda_standin();
    cuda_open_bench(bench, cuda_table(), numerics);
    bench_begin(bench, 0);
}

static void close_bench(workbench *bench)
{
    ck_assert(bench_intact(bench));
    bench_close(bench);
    cuda_check_clean(0);
}

/* ---- digits ---- */

/*
 * Weights of a rectangular identity: each output is one input times 1 plus zeros, so in f32 it has that input's bits in
 * whatever order the sum is formed, and so have the other two directions. TF32 keeps 11 bits of a factor's 24, BF16 8.
 */
static const struct shape {
    int64_t batch, inputs, outputs;
} shapes[] = {
    { 1, 1, 1 },     { 1, 784, 10 },    { 1, 3, 512 },   { 100, 784, 512 }, { 100, 512, 10 },
    { 100, 3, 10 },  { 7, 13, 11 },     { 65536, 3, 2 }, { 65537, 1, 1 },   { 128, 1024, 1 },
    { 33, 65, 129 }, { 256, 256, 256 }, { 2, 4097, 3 },
};

#define MANY_OUTPUTS 10 /* the shape with 129: few outputs are multiplied by kernels of ours, not by cuBLASLt */

static const struct precision {
    const char *name;
    int numerics;
    double tolerance; /* relative: half a unit of the last of 11 bits, or of 8, with truncation allowed for */
} precisions[] = {
    { "strict f32", DUALPROP_NUMERICS_STRICT, 0 },
    { "TF32", DUALPROP_NUMERICS_TF32, 0x1p-10 },
    { "BF16", DUALPROP_NUMERICS_BF16, 0x1p-7 },
};

#define SHAPES (int)(sizeof shapes / sizeof shapes[0])
#define PRECISIONS (int)(sizeof precisions / sizeof precisions[0])

/* 24 bits that mean something, in [1, 2). */
static float all_digits(int64_t i)
{
    uint32_t hash = ((uint32_t)i * 2654435761u) ^ ((uint32_t)(i >> 32) * 2246822519u);
    return 1.0f + (float)((hash >> 9) | 1) / 8388608.0f;
}

static float *digits(workbench *bench, int64_t rows, int64_t columns)
{
    float *made = bench_reals(bench, rows * columns);
    for (int64_t i = 0; i < rows * columns; i++) made[i] = all_digits(i);
    return made;
}

static float *identity(workbench *bench, int64_t rows, int64_t columns)
{
    float *made = bench_zeros(bench, rows * columns);
    for (int64_t i = 0; i < rows && i < columns; i++) made[i * columns + i] = 1;
    return made;
}

/* to [rows, columns] has the elements of from [.., stride] or 0 beyond `filled` columns. */
static void expect_copy(const float *to, int64_t rows, int64_t columns, const float *from, int64_t stride,
                        int64_t filled, const struct precision *precision, const char *what)
{
    for (int64_t i = 0; i < rows * columns; i++) {
        double expected = i % columns < filled ? (double)from[i / columns * stride + i % columns] : 0;
        ck_assert_msg(fabs((double)to[i] - expected) <= precision->tolerance * fabs(expected),
                      "%s, %s of %lld x %lld: element %lld is %.9g, expected %.9g", precision->name, what,
                      (long long)rows, (long long)columns, (long long)i, (double)to[i], expected);
    }
}

static void check_up_and_down(workbench *bench, const struct shape *at, const struct precision *precision)
{
    const dualprop_backend *backend = bench->backend;
    dualprop_dense shape = { at->batch, at->inputs, at->outputs, NULL, 0 };
    float *weights = bench_zeros(bench, at->inputs * at->outputs);
    float *x = digits(bench, at->batch, at->inputs), *a = bench_reals(bench, at->batch * at->outputs);
    float *delta = digits(bench, at->batch, at->outputs), *down = bench_reals(bench, at->batch * at->inputs);
    ck_assert_int_eq(
        backend->write_weights(bench->self, weights, identity(bench, at->inputs, at->outputs), at->inputs, at->outputs),
        DUALPROP_OK);
    ck_assert_int_eq(backend->dense_bottom_up(bench->self, &shape, a, x, weights, NULL, NULL), DUALPROP_OK);
    ck_assert_int_eq(backend->dense_top_down(bench->self, &shape, down, delta, weights, NULL), DUALPROP_OK);
    ck_assert_int_eq(backend->synchronize(bench->self), DUALPROP_OK);
    expect_copy(a, at->batch, at->outputs, x, at->inputs, at->inputs, precision, "bottom up");
    expect_copy(down, at->batch, at->inputs, delta, at->outputs, at->outputs, precision, "top down");
}

/* The gradient is x^T, as far as there are samples, where delta is an identity; then it is added to once more. */
static void check_gradient(workbench *bench, const struct shape *at, const struct precision *precision)
{
    const dualprop_backend *backend = bench->backend;
    dualprop_dense shape = { at->batch, at->inputs, at->outputs, NULL, 0 };
    float *x = digits(bench, at->batch, at->inputs), *turned = bench_zeros(bench, at->inputs * at->batch);
    float *delta = identity(bench, at->batch, at->outputs);
    float *gradient = bench_reals(bench, at->inputs * at->outputs);
    for (int64_t i = 0; i < at->batch * at->inputs; i++) turned[i % at->inputs * at->batch + i / at->inputs] = x[i];
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        ck_assert_int_eq(backend->dense_gradient(bench->self, &shape, gradient, NULL, x, delta, 1, accumulate, NULL,
                                                 NULL, NULL, NULL),
                         DUALPROP_OK);
        ck_assert_int_eq(backend->synchronize(bench->self), DUALPROP_OK);
        if (accumulate)
            for (int64_t i = 0; i < at->inputs * at->outputs; i++) gradient[i] /= 2;
        expect_copy(gradient, at->inputs, at->outputs, turned, at->batch, at->batch, precision, "gradient");
    }
}

START_TEST(products_keep_their_digits)
{
    workbench bench;
    open_bench(&bench, precisions[_i].numerics);
    for (int i = 0; i < SHAPES; i++) {
        check_up_and_down(&bench, &shapes[i], &precisions[_i]);
        check_gradient(&bench, &shapes[i], &precisions[_i]);
        ck_assert(bench_intact(&bench));
        bench_begin(&bench, 0);
    }
    close_bench(&bench);
}
END_TEST

/* ---- biases ---- */

#define OUTPUTS 24

/* Zeros times weights, plus a bias that begins at an element of `room`. */
static void check_bias(workbench *bench, float *a, const float *x, const float *weights, float *room, int64_t begin)
{
    dualprop_dense shape = { 4, 8, OUTPUTS, NULL, 0 };
    for (int64_t i = 0; i < OUTPUTS; i++) room[begin + i] = all_digits(begin + i);
    ck_assert_int_eq(bench->backend->dense_bottom_up(bench->self, &shape, a, x, weights, room + begin, NULL),
                     DUALPROP_OK);
    ck_assert_int_eq(bench->backend->synchronize(bench->self), DUALPROP_OK);
    expect_copy(a, 4, OUTPUTS, room + begin, 0, OUTPUTS, &precisions[0], "a bias");
}

/* An algorithm for a bias that lies on 64 bytes may read more of it at once than one on 16 allows. */
START_TEST(a_bias_that_lies_otherwise_is_asked_for_anew)
{
    static const int64_t begins[] = { 0, 4, 8, 16, 12, 0 };
    workbench bench;
    open_bench(&bench, DUALPROP_NUMERICS_STRICT);
    float *x = bench_zeros(&bench, 4 * 8), *weights = bench_zeros(&bench, 8 * OUTPUTS);
    float *a = bench_reals(&bench, 4 * OUTPUTS), *room = bench_zeros(&bench, 16 + OUTPUTS);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) check_bias(&bench, a, x, weights, room, begins[i]);
    close_bench(&bench);
}
END_TEST

/* ---- the real library, and none ---- */

START_TEST(the_real_library_judges)
{
    workbench bench;
    const char *path = getenv("DUALPROP_REAL_CUBLASLT");
    const standin_state *standin = cuda_standin();
    if (!standin || !path || !*path) {
        test_skip("descriptors of the real cuBLASLt: it is not here, or computes by itself");
        return;
    }
    open_bench(&bench, DUALPROP_NUMERICS_STRICT);
    check_up_and_down(&bench, &shapes[MANY_OUTPUTS], &precisions[0]);
    ck_assert_int_gt(standin->judged, 0);
    close_bench(&bench);
}
END_TEST

/* It may say so by a status, by no result, or by a result that has a status; and the next product goes well. */
START_TEST(a_product_without_algorithm_is_unsupported)
{
    workbench bench;
    dualprop_dense shape = { 5, 6, 27, NULL, 0 };
    if (cuda_needs_standin("products without algorithms")) return;
    open_bench(&bench, DUALPROP_NUMERICS_STRICT);
    standin_state *standin = cuda_standin();
    standin->lenient = 1;
    float *x = bench_zeros(&bench, 5 * 6), *weights = bench_zeros(&bench, 6 * 27), *a = bench_reals(&bench, 5 * 27);
    for (standin->no_algorithms = 3; standin->no_algorithms > 0; standin->no_algorithms--) {
        ck_assert_int_eq(bench.backend->dense_bottom_up(bench.self, &shape, a, x, weights, NULL, NULL),
                         DUALPROP_ERROR_UNSUPPORTED);
        ck_assert_msg(strstr(bench.host.sentence, "27 x 5 x 6"), "\"%s\" does not say which product",
                      bench.host.sentence);
    }
    ck_assert_int_eq(bench.backend->dense_bottom_up(bench.self, &shape, a, x, weights, NULL, NULL), DUALPROP_OK);
    close_bench(&bench);
}
END_TEST

/* A shape that TF32 and BF16 have nothing for is done in strict f32. */
START_TEST(a_product_without_fast_algorithm_is_strict)
{
    workbench bench;
    dualprop_dense shape = { 5, 6, 27, NULL, 0 };
    if (cuda_needs_standin("products without algorithms")) return;
    open_bench(&bench, _i ? DUALPROP_NUMERICS_BF16 : DUALPROP_NUMERICS_TF32);
    standin_state *standin = cuda_standin();
    standin->lenient = 1;
    standin->no_fast_algorithms = 1;
    float *x = bench_zeros(&bench, 5 * 6), *weights = bench_zeros(&bench, 6 * 27), *a = bench_reals(&bench, 5 * 27);
    ck_assert_int_eq(bench.backend->dense_bottom_up(bench.self, &shape, a, x, weights, NULL, NULL), DUALPROP_OK);
    close_bench(&bench);
}
END_TEST

Suite *test_cuda_products_suite(void)
{
    Suite *suite = suite_create("cuda products");
    TCase *tests = tcase_create("products");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, products_keep_their_digits, 0, PRECISIONS);
    tcase_add_test(tests, a_bias_that_lies_otherwise_is_asked_for_anew);
    tcase_add_test(tests, the_real_library_judges);
    tcase_add_test(tests, a_product_without_algorithm_is_unsupported);
    tcase_add_loop_test(tests, a_product_without_fast_algorithm_is_strict, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
