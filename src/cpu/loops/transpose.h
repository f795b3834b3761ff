/*
 * transpose.h - square blocks of a matrix, transposed in the registers of AVX2: 8 x 8 floats, 4 x 4 doubles.
 *
 * The names end in _f32 and _f64, so that a template reaches them through FORMULA(name).
 */
#ifndef DUALPROP_CPU_TRANSPOSE_H
#define DUALPROP_CPU_TRANSPOSE_H

#if defined(__AVX2__)

#include <immintrin.h>
#include <stdint.h>

typedef __m256 dualprop__vector_f32;
typedef __m256d dualprop__vector_f64;

static inline __m256 dualprop__load_f32(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline __m256d dualprop__load_f64(const double *from)
{
    return _mm256_loadu_pd(from);
}

static inline __m256 dualprop__zero_f32(void)
{
    return _mm256_setzero_ps();
}

static inline __m256d dualprop__zero_f64(void)
{
    return _mm256_setzero_pd();
}

/* Store the first `count` elements of a vector, 1 to all. */
static inline void dualprop__store_f32(float *to, __m256 vector, int64_t count)
{
    __m128 left = _mm256_castps256_ps128(vector);
    if (count == 8) {
        _mm256_storeu_ps(to, vector);
        return;
    }
    if (count & 4) {
        _mm_storeu_ps(to, left);
        left = _mm256_extractf128_ps(vector, 1);
        to += 4;
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)to, left);
        left = _mm_movehl_ps(left, left);
        to += 2;
    }
    if (count & 1) _mm_store_ss(to, left);
}

static inline void dualprop__store_f64(double *to, __m256d vector, int64_t count)
{
    __m128d left = _mm256_castpd256_pd128(vector);
    if (count == 4) {
        _mm256_storeu_pd(to, vector);
        return;
    }
    if (count & 2) {
        _mm_storeu_pd(to, left);
        left = _mm256_extractf128_pd(vector, 1);
        to += 2;
    }
    if (count & 1) _mm_store_sd(to, left);
}

/* Row r's element c becomes row c's element r: pairs, then pairs of pairs, then halves. */
static inline void dualprop__transpose_f32(__m256 rows[8])
{
    __m256 p0 = _mm256_unpacklo_ps(rows[0], rows[1]), p1 = _mm256_unpackhi_ps(rows[0], rows[1]);
    __m256 p2 = _mm256_unpacklo_ps(rows[2], rows[3]), p3 = _mm256_unpackhi_ps(rows[2], rows[3]);
    __m256 p4 = _mm256_unpacklo_ps(rows[4], rows[5]), p5 = _mm256_unpackhi_ps(rows[4], rows[5]);
    __m256 p6 = _mm256_unpacklo_ps(rows[6], rows[7]), p7 = _mm256_unpackhi_ps(rows[6], rows[7]);
    __m256 q0 = _mm256_shuffle_ps(p0, p2, 0x44), q1 = _mm256_shuffle_ps(p0, p2, 0xee);
    __m256 q2 = _mm256_shuffle_ps(p1, p3, 0x44), q3 = _mm256_shuffle_ps(p1, p3, 0xee);
    __m256 q4 = _mm256_shuffle_ps(p4, p6, 0x44), q5 = _mm256_shuffle_ps(p4, p6, 0xee);
    __m256 q6 = _mm256_shuffle_ps(p5, p7, 0x44), q7 = _mm256_shuffle_ps(p5, p7, 0xee);
    rows[0] = _mm256_permute2f128_ps(q0, q4, 0x20), rows[4] = _mm256_permute2f128_ps(q0, q4, 0x31);
    rows[1] = _mm256_permute2f128_ps(q1, q5, 0x20), rows[5] = _mm256_permute2f128_ps(q1, q5, 0x31);
    rows[2] = _mm256_permute2f128_ps(q2, q6, 0x20), rows[6] = _mm256_permute2f128_ps(q2, q6, 0x31);
    rows[3] = _mm256_permute2f128_ps(q3, q7, 0x20), rows[7] = _mm256_permute2f128_ps(q3, q7, 0x31);
}

static inline void dualprop__transpose_f64(__m256d rows[4])
{
    __m256d p0 = _mm256_unpacklo_pd(rows[0], rows[1]), p1 = _mm256_unpackhi_pd(rows[0], rows[1]);
    __m256d p2 = _mm256_unpacklo_pd(rows[2], rows[3]), p3 = _mm256_unpackhi_pd(rows[2], rows[3]);
    rows[0] = _mm256_permute2f128_pd(p0, p2, 0x20), rows[2] = _mm256_permute2f128_pd(p0, p2, 0x31);
    rows[1] = _mm256_permute2f128_pd(p1, p3, 0x20), rows[3] = _mm256_permute2f128_pd(p1, p3, 0x31);
}

#endif
#endif
