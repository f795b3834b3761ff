/*
 * elementwise.c - which table of loops for which instruction set.
 */
#include "elementwise.h"

const dualprop__elementwise *dualprop__elementwise_find(int type, int level)
{
    (void)level;
#if defined(__x86_64__)
    if (level == DUALPROP_LEVEL_AVX512)
        return type == DUALPROP_F32 ? &dualprop__elementwise_avx512_f32 : &dualprop__elementwise_avx512_f64;
    if (level == DUALPROP_LEVEL_AVX2)
        return type == DUALPROP_F32 ? &dualprop__elementwise_avx2_f32 : &dualprop__elementwise_avx2_f64;
#endif
    return type == DUALPROP_F32 ? &dualprop__elementwise_baseline_f32 : &dualprop__elementwise_baseline_f64;
}
