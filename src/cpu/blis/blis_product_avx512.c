/*
 * blis_product_avx512.c - a micro-kernel of our own for AVX-512: two registers wide, any number of broadcasts up to
 * 12 (floats) or 14 (doubles), BLIS's numbers.
 *
 * BLIS's computes all of its 12 (floats) or 14 (doubles) broadcasts whatever is wanted, and throws the surplus away:
 * with batches of 10 or 50 that is a sixth of the work. This one has code for every number of broadcasts. Results
 * narrower than the vectors are stored through masks, and where one register holds them the other is not computed.
 */
#include "blis_kernels.h"

#include <immintrin.h>

#include "dualprop/types.h"

#define BROADCAST 12
#define REAL float
#define LANES 16
#define MASK_TYPE __mmask16
#define ROWS_BEYOND_12
#define FORMULA(name) name##_f32
#define MM(name) _mm512_##name##_ps
typedef __m512 FORMULA(register);
#include "blis_product_avx512_template.h"

#define BROADCAST 14
#define REAL double
#define LANES 8
#define MASK_TYPE __mmask8
#define ROWS_BEYOND_12 ROWS(13) ROWS(14)
#define FORMULA(name) name##_f64
#define MM(name) _mm512_##name##_pd
typedef __m512d FORMULA(register);
#include "blis_product_avx512_template.h"

void dualprop__microkernel_use_avx512(dualprop__microkernel *kernel, int type)
{
    int is_double = type == DUALPROP_F64;
    kernel->name = "own";
    kernel->vector = is_double ? 16 : 32;
    kernel->broadcast = is_double ? 14 : 12;
    kernel->run = is_double ? run_f64 : run_f32;
    kernel->run_direct = is_double ? run_direct_f64 : run_direct_f32;
    kernel->run_row = is_double ? run_row_f64 : run_row_f32;
    kernel->fetches_beside = 1;
    kernel->reads_rows_fast = !is_double; /* not measured in f64 */
}
