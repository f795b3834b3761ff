/*
 * blis_product_avx2.c - a micro-kernel of our own for floats on AVX2: 16 wide, 6 broadcasts, like BLIS's.
 *
 * It sums in the same order. What it saves is about 60 cycles a call, which count where sums are as short as a batch,
 * and rows that are not wanted, which BLIS computes into a tile beside: whole training steps take 7 to 9 % less time
 * (measured on Zen 3, batches of 50 to 512).
 */
#include "blis_kernels.h"

#include <immintrin.h>

#define AVX2_VECTOR 16
#define AVX2_BROADCAST 6
/* How far ahead broadcasts are fetched, in floats: into the next panel too, since panels follow one another. */
#define AHEAD 384

/* One result: `rows` rows of two vectors each, all in registers. rows is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void multiply_avx2(int rows, const dualprop__product *product, float *c,
                                                                int64_t stride, int accumulate)
{
    const float *vectors = product->vectors, *broadcasts = product->broadcasts;
    __m256 left[AVX2_BROADCAST], right[AVX2_BROADCAST];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        left[i] = _mm256_setzero_ps(), right[i] = _mm256_setzero_ps();
        _mm_prefetch((const char *)(c + i * stride), _MM_HINT_T0);
    }
#pragma GCC unroll 4
    for (int64_t k = 0; k < product->depth; k++, vectors += AVX2_VECTOR, broadcasts += AVX2_BROADCAST) {
        __m256 first = _mm256_load_ps(vectors), second = _mm256_load_ps(vectors + 8);
        _mm_prefetch((const char *)(broadcasts + AHEAD), _MM_HINT_T0);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 factor = _mm256_broadcast_ss(broadcasts + i);
            left[i] = _mm256_fmadd_ps(factor, first, left[i]);
            right[i] = _mm256_fmadd_ps(factor, second, right[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        float *to = c + i * stride;
        if (accumulate) {
            left[i] = _mm256_add_ps(_mm256_loadu_ps(to), left[i]);
            right[i] = _mm256_add_ps(_mm256_loadu_ps(to + 8), right[i]);
        }
        _mm256_storeu_ps(to, left[i]);
        _mm256_storeu_ps(to + 8, right[i]);
    }
}

static void run_full_width(const dualprop__product *product, float *c, int64_t stride, int accumulate)
{
    switch (product->broadcast_count) {
    case 1: multiply_avx2(1, product, c, stride, accumulate); break;
    case 2: multiply_avx2(2, product, c, stride, accumulate); break;
    case 3: multiply_avx2(3, product, c, stride, accumulate); break;
    case 4: multiply_avx2(4, product, c, stride, accumulate); break;
    case 5: multiply_avx2(5, product, c, stride, accumulate); break;
    default: multiply_avx2(6, product, c, stride, accumulate);
    }
}

/* Results narrower than the vectors are made beside, and only what is wanted is copied. */
static void run_part(const dualprop__product *product)
{
    float tile[AVX2_BROADCAST * AVX2_VECTOR];
    run_full_width(product, tile, AVX2_VECTOR, 0);
    for (int64_t j = 0; j < product->broadcast_count; j++) {
        float *to = (float *)product->c + j * product->stride;
        for (int64_t i = 0; i < product->vector_count; i++)
            to[i] = product->accumulate ? to[i] + tile[j * AVX2_VECTOR + i] : tile[j * AVX2_VECTOR + i];
    }
}

/* ---- operands that lie at any steps ---- */

/* Lanes first .. first+7 of a row of `wanted`. */
static inline __m256i lanes_mask(int64_t wanted, int first)
{
    __m256i lanes = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)wanted), lanes);
}

static inline __attribute__((always_inline)) void multiply_direct(int rows, const dualprop__product *product)
{
    const float *vectors = product->vectors, *broadcasts = product->broadcasts;
    __m256i wanted_left = lanes_mask(product->vector_count, 0), wanted_right = lanes_mask(product->vector_count, 8);
    __m256i stored_left = product->is_tile ? _mm256_set1_epi32(-1) : wanted_left;
    __m256i stored_right = product->is_tile ? _mm256_set1_epi32(-1) : wanted_right;
    __m256 left[AVX2_BROADCAST], right[AVX2_BROADCAST];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) left[i] = _mm256_setzero_ps(), right[i] = _mm256_setzero_ps();
    for (int64_t k = 0; k < product->depth; k++) {
        __m256 first = _mm256_maskload_ps(vectors, wanted_left), second = _mm256_maskload_ps(vectors + 8, wanted_right);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 factor = _mm256_broadcast_ss(broadcasts + i * product->broadcast_row);
            left[i] = _mm256_fmadd_ps(factor, first, left[i]);
            right[i] = _mm256_fmadd_ps(factor, second, right[i]);
        }
        vectors += product->vector_step, broadcasts += product->broadcast_step;
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        float *to = (float *)product->c + i * product->stride;
        if (product->accumulate) {
            left[i] = _mm256_add_ps(_mm256_maskload_ps(to, wanted_left), left[i]);
            right[i] = _mm256_add_ps(_mm256_maskload_ps(to + 8, wanted_right), right[i]);
        }
        _mm256_maskstore_ps(to, stored_left, left[i]);
        _mm256_maskstore_ps(to + 8, stored_right, right[i]);
    }
}

static void run_direct_avx2(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    (void)kernel;
    switch (product->broadcast_count) {
    case 1: multiply_direct(1, product); break;
    case 2: multiply_direct(2, product); break;
    case 3: multiply_direct(3, product); break;
    case 4: multiply_direct(4, product); break;
    case 5: multiply_direct(5, product); break;
    default: multiply_direct(6, product);
    }
}

/*
 * `streams` products with one broadcast each; streams is a constant where this is inlined. With one product alone, each
 * multiply-add would wait for the one before.
 */
static inline __attribute__((always_inline)) void multiply_row_avx2(int streams, const dualprop__product *product,
                                                                    const dualprop__row_streams *apart)
{
    const float *vectors = product->vectors, *broadcasts = product->broadcasts;
    __m256i wanted_left = lanes_mask(product->vector_count, 0), wanted_right = lanes_mask(product->vector_count, 8);
    __m256 left[DUALPROP__MOST_STREAMS], right[DUALPROP__MOST_STREAMS];
#pragma GCC unroll 4
    for (int s = 0; s < streams; s++) left[s] = _mm256_setzero_ps(), right[s] = _mm256_setzero_ps();
    for (int64_t k = 0; k < product->depth; k++) {
#pragma GCC unroll 4
        for (int s = 0; s < streams; s++) {
            __m256 factor = _mm256_broadcast_ss(broadcasts + s * apart->broadcasts);
            const float *from = vectors + s * apart->vectors;
            left[s] = _mm256_fmadd_ps(factor, _mm256_maskload_ps(from, wanted_left), left[s]);
            right[s] = _mm256_fmadd_ps(factor, _mm256_maskload_ps(from + 8, wanted_right), right[s]);
        }
        vectors += product->vector_step, broadcasts += product->broadcast_step;
    }
#pragma GCC unroll 4
    for (int s = 0; s < streams; s++) {
        float *to = (float *)product->c + s * apart->c;
        if (product->accumulate || (apart->c == 0 && s > 0)) {
            left[s] = _mm256_add_ps(_mm256_maskload_ps(to, wanted_left), left[s]);
            right[s] = _mm256_add_ps(_mm256_maskload_ps(to + 8, wanted_right), right[s]);
        }
        _mm256_maskstore_ps(to, wanted_left, left[s]);
        _mm256_maskstore_ps(to + 8, wanted_right, right[s]);
    }
}

static void run_row_avx2(const dualprop__product *product, const dualprop__row_streams *apart)
{
    switch (apart->count) {
    case 2: multiply_row_avx2(2, product, apart); break;
    case 3: multiply_row_avx2(3, product, apart); break;
    default: multiply_row_avx2(4, product, apart);
    }
}

static void run_avx2(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    (void)kernel;
    if (product->vector_count == AVX2_VECTOR) run_full_width(product, product->c, product->stride, product->accumulate);
    else run_part(product);
}

void dualprop__microkernel_use_avx2(dualprop__microkernel *kernel)
{
    kernel->name = "own";
    kernel->vector = AVX2_VECTOR;
    kernel->broadcast = AVX2_BROADCAST;
    kernel->run = run_avx2;
    kernel->run_direct = run_direct_avx2;
    kernel->run_row = run_row_avx2;
}
