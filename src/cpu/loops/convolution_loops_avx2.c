/*
 * convolution_loops_avx2.c - the loops of convolutions for AVX2.
 */
#include "convolution_loops.h"

#include <immintrin.h>
#include <string.h>

#include "vector_shuffle.h"

#define VECTOR_BYTES 32

#define REAL float
#define FORMULA(name) dualprop__##name##_f32
#define TABLE dualprop__convolution_loops_avx2_f32
#define MULTIPLY_ADD(x, y, z) _mm256_fmadd_ps(x, y, z)
#define FLOATS_OF_EIGHT
#include "convolution_loops_template.h"

#define REAL double
#define FORMULA(name) dualprop__##name##_f64
#define TABLE dualprop__convolution_loops_avx2_f64
#define MULTIPLY_ADD(x, y, z) _mm256_fmadd_pd(x, y, z)
#include "convolution_loops_template.h"

#undef VECTOR_BYTES
