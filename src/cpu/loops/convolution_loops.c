/*
 * convolution_loops.c - which table of loops for which instruction set.
 */
#include "convolution_loops.h"

#include "dualprop/types.h"

const dualprop__convolution_loops *dualprop__convolution_loops_find(int type, int level)
{
    (void)level;
#if defined(__x86_64__)
    if (level == DUALPROP_LEVEL_AVX512)
        return type == DUALPROP_F32 ? &dualprop__convolution_loops_avx512_f32 : &dualprop__convolution_loops_avx512_f64;
    if (level == DUALPROP_LEVEL_AVX2)
        return type == DUALPROP_F32 ? &dualprop__convolution_loops_avx2_f32 : &dualprop__convolution_loops_avx2_f64;
#endif
    return type == DUALPROP_F32 ? &dualprop__convolution_loops_baseline_f32 : &dualprop__convolution_loops_baseline_f64;
}
