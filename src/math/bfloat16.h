/*
 * bfloat16.h - f32 rounded to BF16, the upper half of its bits: the sign, the same exponent, 7 bits of fraction.
 */
#ifndef DUALPROP_BFLOAT16_H
#define DUALPROP_BFLOAT16_H

#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define DUALPROP__BFLOAT16 static inline __host__ __device__
#else
#define DUALPROP__BFLOAT16 static inline
#endif

/*
 * The nearest, of two as near the even one: off by at most 2^-8 |x|, or by 2^-134 below the normal numbers. From
 * 2^128 - 2^119 on it is infinity. A NaN stays one.
 */
DUALPROP__BFLOAT16 uint16_t dualprop__bfloat16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The f32 that has the value of these bits. */
DUALPROP__BFLOAT16 float dualprop__of_bfloat16(uint16_t bits16)
{
    uint32_t bits = (uint32_t)bits16 << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
