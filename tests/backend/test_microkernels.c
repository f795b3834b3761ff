/*
 * test_microkernels.c - every micro-kernel that this machine has: all parts of a tile, added to C or not.
 *
 * The sums are right, nothing else is written, and an element has the same bits whatever part of the tile is wanted:
 * what a sample is computed with must not show in it. Nor must it show where its operands lay.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/blis/blis_instance.h"
#include "main.h"
#include "support/workbench.h"

Suite *test_microkernels_suite(void);

#ifndef DUALPROP_NO_BLIS

enum { MOST_DEPTH = 259, MOST_SIDE = 64, STRIDE = MOST_SIDE + 3 };
static const int64_t depths[] = { 1, 2, 7, 64, MOST_DEPTH };
#define DEPTHS ((int)(sizeof depths / sizeof depths[0]))

struct tile {
    float f32[MOST_SIDE * STRIDE];
    double f64[MOST_SIDE * STRIDE];
};

static struct operands {
    _Alignas(64) float vectors_f32[(MOST_DEPTH + 1) * MOST_SIDE], broadcasts_f32[(MOST_DEPTH + 1) * MOST_SIDE];
    _Alignas(64) double vectors_f64[(MOST_DEPTH + 1) * MOST_SIDE], broadcasts_f64[(MOST_DEPTH + 1) * MOST_SIDE];
    struct tile whole, part;
} all;

static double number(int64_t i)
{
    return sin((double)(i * 7919 % 10007)) + 0.25;
}

static void fill_operands(void)
{
    for (int64_t i = 0; i < (MOST_DEPTH + 1) * MOST_SIDE; i++) {
        all.vectors_f64[i] = number(i), all.broadcasts_f64[i] = number(3 * i + 1);
        all.vectors_f32[i] = (float)all.vectors_f64[i], all.broadcasts_f32[i] = (float)all.broadcasts_f64[i];
    }
}

static void fill_tile(struct tile *tile)
{
    for (int64_t i = 0; i < MOST_SIDE * STRIDE; i++) tile->f64[i] = number(i), tile->f32[i] = (float)tile->f64[i];
}

static void multiply(const dualprop__blis *blis, struct tile *c, int64_t rows, int64_t width, int64_t depth,
                     int accumulate)
{
    int is_double = blis->reference.type == DUALPROP_F64;
    dualprop__product product = {
        .vector_count = width,
        .broadcast_count = rows,
        .depth = depth,
        .vectors = is_double ? (void *)all.vectors_f64 : all.vectors_f32,
        .broadcasts = is_double ? (void *)all.broadcasts_f64 : all.broadcasts_f32,
        .accumulate = accumulate,
        .c = is_double ? (void *)c->f64 : c->f32,
        .stride = STRIDE,
    };
    fill_tile(c);
    blis->kernel.run(&blis->kernel, &product);
}

/* The same operands out of place: rows of vectors `width` apart, broadcasts [rows][depth]; the arrays end there. */
static void multiply_directly(const dualprop__blis *blis, struct tile *c, int64_t rows, int64_t width, int64_t depth,
                              int accumulate)
{
    int is_double = blis->reference.type == DUALPROP_F64;
    size_t size = is_double ? sizeof(double) : sizeof(float);
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    char *vectors = malloc((size_t)(depth * width) * size), *broadcasts = malloc((size_t)(rows * depth) * size);
    const char *from_vectors = is_double ? (void *)all.vectors_f64 : all.vectors_f32;
    const char *from_broadcasts = is_double ? (void *)all.broadcasts_f64 : all.broadcasts_f32;
    ck_assert(vectors && broadcasts);
    for (int64_t k = 0; k < depth; k++) {
        memcpy(vectors + (size_t)(k * width) * size, from_vectors + (size_t)(k * vector) * size, (size_t)width * size);
        for (int64_t j = 0; j < rows; j++)
            memcpy(broadcasts + (size_t)(j * depth + k) * size, from_broadcasts + (size_t)(k * broadcast + j) * size,
                   size);
    }
    dualprop__product product = {
        .vector_count = width,
        .broadcast_count = rows,
        .depth = depth,
        .vectors = vectors,
        .broadcasts = broadcasts,
        .accumulate = accumulate,
        .c = is_double ? (void *)c->f64 : c->f32,
        .stride = STRIDE,
        .vector_step = width,
        .broadcast_step = 1,
        .broadcast_row = depth,
    };
    fill_tile(c);
    blis->kernel.run_direct(&blis->kernel, &product);
    free(vectors);
    free(broadcasts);
}

static double value_of(const dualprop__blis *blis, const struct tile *tile, int64_t index)
{
    return blis->reference.type == DUALPROP_F64 ? tile->f64[index] : (double)tile->f32[index];
}

static double before(const dualprop__blis *blis, int64_t index)
{
    return blis->reference.type == DUALPROP_F64 ? number(index) : (double)(float)number(index);
}

/* The whole tile against sums in the order of k, which differ by roundings only. */
static void check_sums(const dualprop__blis *blis, int64_t depth, int accumulate)
{
    int is_double = blis->reference.type == DUALPROP_F64;
    double epsilon = is_double ? DBL_EPSILON : FLT_EPSILON;
    for (int64_t j = 0; j < blis->kernel.broadcast; j++)
        for (int64_t i = 0; i < blis->kernel.vector; i++) {
            double sum = accumulate ? before(blis, j * STRIDE + i) : 0, size = fabs(sum);
            for (int64_t k = 0; k < depth; k++) {
                int64_t b = k * blis->kernel.broadcast + j, v = k * blis->kernel.vector + i;
                double term = is_double ? all.broadcasts_f64[b] * all.vectors_f64[v]
                                        : (double)all.broadcasts_f32[b] * (double)all.vectors_f32[v];
                sum += term, size += fabs(term);
            }
            /* Ours rounds depth + 2 times, this loop as often, and each is at most half an epsilon of `size`. */
            double far = fabs(value_of(blis, &all.whole, j * STRIDE + i) - sum);
            ck_assert_msg(far <= epsilon * size * (double)(depth + 2), "depth %lld: [%lld][%lld] is off by %g",
                          (long long)depth, (long long)j, (long long)i, far);
        }
}

/* The part's elements are the whole tile's, bit for bit, and its surroundings are as before. */
static void check_part(const dualprop__blis *blis, int64_t rows, int64_t width)
{
    for (int64_t j = 0; j < MOST_SIDE; j++)
        for (int64_t i = 0; i < STRIDE; i++) {
            int64_t at = j * STRIDE + i;
            double expected = j < rows && i < width ? value_of(blis, &all.whole, at) : before(blis, at);
            double found = value_of(blis, &all.part, at);
            if (!memcmp(&found, &expected, sizeof found)) continue;
            ck_abort_msg("%lld rows of %lld: [%lld][%lld] is %.17g, not %.17g", (long long)rows, (long long)width,
                         (long long)j, (long long)i, found, expected);
        }
}

/* ---- products with one broadcast each, side by side ---- */

/* `streams` of them: each with vectors and broadcasts of its own, and with results of its own or one in common. */
static dualprop__product stream_product(const dualprop__blis *blis, struct tile *c, int64_t width, int accumulate)
{
    int is_double = blis->reference.type == DUALPROP_F64;
    return (dualprop__product){
        .vector_count = width,
        .broadcast_count = 1,
        .depth = 7,
        .vectors = is_double ? (void *)all.vectors_f64 : all.vectors_f32,
        .vector_step = blis->kernel.vector,
        .broadcasts = is_double ? (void *)all.broadcasts_f64 : all.broadcasts_f32,
        .broadcast_step = 2,
        .accumulate = accumulate,
        .c = is_double ? (void *)c->f64 : c->f32,
    };
}

static void check_streams(const dualprop__blis *blis, const dualprop__row_streams *streams, int64_t width,
                          int accumulate)
{
    int64_t size = (int64_t)blis->loops->real_size;
    dualprop__product product = stream_product(blis, &all.whole, width, accumulate);
    fill_tile(&all.whole);
    fill_tile(&all.part);
    for (int s = 0; s < streams->count; s++) {
        dualprop__product one = product;
        one.vectors = (const char *)product.vectors + s * streams->vectors * size;
        one.broadcasts = (const char *)product.broadcasts + s * streams->broadcasts * size;
        one.c = (char *)product.c + s * streams->c * size;
        one.accumulate = accumulate || (streams->c == 0 && s > 0);
        blis->kernel.run_direct(&blis->kernel, &one);
    }
    product = stream_product(blis, &all.part, width, accumulate);
    blis->kernel.run_row(&product, streams);
    ck_assert_msg(!memcmp(&all.part, &all.whole, sizeof all.part), "%d streams, %lld wide, c %lld", streams->count,
                  (long long)width, (long long)streams->c);
}

static void check_all_streams(const dualprop__blis *blis)
{
    int64_t vector = blis->kernel.vector;
    for (int streams = 2; streams <= DUALPROP__MOST_STREAMS; streams++)
        for (int64_t width = 1; width <= vector; width++)
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                check_streams(blis, &(dualprop__row_streams){ streams, 7 * vector, 0, vector }, width, accumulate);
                check_streams(blis, &(dualprop__row_streams){ streams, 9 * vector, 15, 0 }, width, accumulate);
            }
}

static const struct {
    int type, level;
} kernels[] = {
    { DUALPROP_F32, DUALPROP_LEVEL_BASELINE }, { DUALPROP_F64, DUALPROP_LEVEL_BASELINE },
    { DUALPROP_F32, DUALPROP_LEVEL_AVX2 },     { DUALPROP_F64, DUALPROP_LEVEL_AVX2 },
    { DUALPROP_F32, DUALPROP_LEVEL_AVX512 },   { DUALPROP_F64, DUALPROP_LEVEL_AVX512 },
};

START_TEST(every_part_of_a_tile_is_right)
{
    static workbench bench;
    if (bench_open(&bench, &dualprop__blis_backend, kernels[_i].type, kernels[_i].level, 1) != DUALPROP_OK) {
        test_skip("this machine does not have the level");
        return;
    }
    const dualprop__blis *blis = bench.self;
    fill_operands();
    for (int d = 0; d < DEPTHS; d++)
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            multiply(blis, &all.whole, blis->kernel.broadcast, blis->kernel.vector, depths[d], accumulate);
            check_sums(blis, depths[d], accumulate);
            for (int64_t rows = 1; rows <= blis->kernel.broadcast; rows++)
                for (int64_t width = 1; width <= blis->kernel.vector; width++) {
                    multiply(blis, &all.part, rows, width, depths[d], accumulate);
                    check_part(blis, rows, width);
                    if (!blis->kernel.run_direct || depths[d] == 64) continue;
                    multiply_directly(blis, &all.part, rows, width, depths[d], accumulate);
                    check_part(blis, rows, width);
                }
        }
    ck_assert(!blis->kernel.run_row == !blis->kernel.run_direct);
    if (blis->kernel.run_row) check_all_streams(blis);
    bench_close(&bench);
}
END_TEST

#endif

Suite *test_microkernels_suite(void)
{
    Suite *suite = suite_create("micro-kernels");
    TCase *kernel_case = tcase_create("parts of a tile");
#ifndef DUALPROP_NO_BLIS
    tcase_add_loop_test(kernel_case, every_part_of_a_tile_is_right, 0, (int)(sizeof kernels / sizeof kernels[0]));
#endif
    suite_add_tcase(suite, kernel_case);
    return suite;
}
