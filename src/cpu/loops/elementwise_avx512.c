/*
 * elementwise_avx512.c - the elementwise loops for AVX-512.
 */
#include "elementwise.h"

#include <immintrin.h>
#include <string.h>

#include "math/formulas.h"
#include "transpose.h"

/* Of the steps this file has its own. */
#define STEP_LOOPS_BY_HAND

#define REAL float
#define BITS int32_t
#define FORMULA(name) dualprop__##name##_f32
#define TABLE dualprop__elementwise_avx512_f32
#define MM(name) _mm512_##name##_ps
#define WIDE_LANES 16
#define MASK_TYPE __mmask16
#define FPCLASS(x, classes) _mm512_fpclass_ps_mask(x, classes)
#define LESS(x, y) _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ)
#define ALL_WIDE(x) _mm512_set1_epi32((int32_t)(x))
typedef __m512 FORMULA(wide);
#include "step_avx512_template.h"
#include "elementwise_template.h"
#undef MM
#undef WIDE_LANES
#undef MASK_TYPE
#undef FPCLASS
#undef LESS
#undef ALL_WIDE

#define REAL double
#define BITS int64_t
#define FORMULA(name) dualprop__##name##_f64
#define TABLE dualprop__elementwise_avx512_f64
#define MM(name) _mm512_##name##_pd
#define WIDE_LANES 8
#define MASK_TYPE __mmask8
#define FPCLASS(x, classes) _mm512_fpclass_pd_mask(x, classes)
#define LESS(x, y) _mm512_cmp_pd_mask(x, y, _CMP_LT_OQ)
#define ALL_WIDE(x) _mm512_set1_epi64((int64_t)(x))
typedef __m512d FORMULA(wide);
#include "step_avx512_template.h"
#include "elementwise_template.h"
#undef MM
#undef WIDE_LANES
#undef MASK_TYPE
#undef FPCLASS
#undef LESS
#undef ALL_WIDE
