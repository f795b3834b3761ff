/*
 * polynomials.h - the constants of elementary.h, for each type: minimax polynomials, found by the algorithm of Remez in
 * 60 digits, and bits of the types.
 *
 *     exponential_tail(r)   (e^r - 1 - r) / r^2         for |r| <= log(2) / 2
 *     logarithm_tail(z)     (log((1 + s) / (1 - s)) - 2 s) / (s z)    for z = s^2 <= ((sqrt(2) - 1) / (sqrt(2) + 1))^2
 *     tangent_tail(z)       (tanh(x) - x) / (x z)    for z = x^2 <= 0.55^2
 *
 * log(2) is log2_high + log2_low; log2_high has so few digits that its product with an exponent is exact.
 */
#ifndef DUALPROP_MATH_POLYNOMIALS_H
#define DUALPROP_MATH_POLYNOMIALS_H

#include <string.h>

/* ---- float ---- */

#define DUALPROP__LOG2_HIGH_f32 0x1.62ep-1f
#define DUALPROP__LOG2_LOW_f32 0x1.0bfbe8p-15f
/* e^x is 0 below, infinite above, and e^x - 1 is -1 in float below the third. */
#define DUALPROP__EXP_LEAST_f32 (-104.0f)
#define DUALPROP__EXP_MOST_f32 89.0f
#define DUALPROP__EXPM1_LEAST_f32 (-18.0f)
/* Adding and subtracting it rounds to an integer, which the last bits of the sum hold meanwhile. */
#define DUALPROP__ROUNDER_f32 0x1.8p23f
#define DUALPROP__EXPONENT_BIAS_f32 127.0f
#define DUALPROP__MANTISSA_BITS_f32 23
/* The bits of sqrt(1/2), of 1, and of 2^MANTISSA_BITS. */
#define DUALPROP__SQRT_HALF_f32 UINT32_C(0x3f3504f3)
#define DUALPROP__ONE_f32 UINT32_C(0x3f800000)
#define DUALPROP__INTEGERS_f32 UINT32_C(0x4b000000)

DUALPROP__MATH float dualprop__exponential_tail_f32(float r)
{
    float sum = 0.00019913594f;
    sum = sum * r + 0.0013940285f;
    sum = sum * r + 0.0083332742f;
    sum = sum * r + 0.0416663665f;
    sum = sum * r + 0.166666668f;
    return sum * r + 0.5000000042f;
}

DUALPROP__MATH float dualprop__logarithm_tail_f32(float z)
{
    float sum = 0.23553204897f;
    sum = sum * z + 0.28539066870f;
    sum = sum * z + 0.40000302044f;
    return sum * z + 0.66666665833f;
}

DUALPROP__MATH float dualprop__tangent_tail_f32(float z)
{
    float sum = -0.0062975323f;
    sum = sum * z + 0.021089548f;
    sum = sum * z - 0.053857105f;
    sum = sum * z + 0.133326381f;
    return sum * z - 0.333333194f;
}

typedef uint32_t dualprop__pattern_f32;

DUALPROP__MATH uint32_t dualprop__bits_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

DUALPROP__MATH float dualprop__real_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- double ---- */

#define DUALPROP__LOG2_HIGH_f64 0x1.62e42feep-1
#define DUALPROP__LOG2_LOW_f64 0x1.a39ef35793c76p-33
#define DUALPROP__EXP_LEAST_f64 (-746.0)
#define DUALPROP__EXP_MOST_f64 710.0
#define DUALPROP__EXPM1_LEAST_f64 (-38.0)
#define DUALPROP__ROUNDER_f64 0x1.8p52
#define DUALPROP__EXPONENT_BIAS_f64 1023.0
#define DUALPROP__MANTISSA_BITS_f64 52
#define DUALPROP__SQRT_HALF_f64 UINT64_C(0x3fe6a09e667f3bcd)
#define DUALPROP__ONE_f64 UINT64_C(0x3ff0000000000000)
#define DUALPROP__INTEGERS_f64 UINT64_C(0x4330000000000000)

DUALPROP__MATH double dualprop__exponential_tail_f64(double r)
{
    double sum = 2.5113990251622669577e-8;
    sum = sum * r + 2.7625545158103437487e-7;
    sum = sum * r + 2.7557229593309713293e-6;
    sum = sum * r + 0.00002480150669213751243;
    sum = sum * r + 0.00019841269901050681382;
    sum = sum * r + 0.0013888888930169974074;
    sum = sum * r + 0.0083333333333155808385;
    sum = sum * r + 0.041666666666582066221;
    sum = sum * r + 0.16666666666666684322;
    return sum * r + 0.50000000000000045773;
}

DUALPROP__MATH double dualprop__logarithm_tail_f64(double z)
{
    double sum = 0.14757975541058221066;
    sum = sum * z + 0.15318097132027533766;
    sum = sum * z + 0.18183394149400667039;
    sum = sum * z + 0.2222220213981736244;
    sum = sum * z + 0.28571428703862446763;
    sum = sum * z + 0.39999999999611910485;
    return sum * z + 0.66666666666666989268;
}

DUALPROP__MATH double dualprop__tangent_tail_f64(double z)
{
    double sum = -0.000019636046910452107275;
    sum = sum * z + 0.000083556835823889453821;
    sum = sum * z - 0.00023355859237897659848;
    sum = sum * z + 0.00058851840958691122127;
    sum = sum * z - 0.0014555620931525337389;
    sum = sum * z + 0.0035920952660284088828;
    sum = sum * z - 0.0088632329529017378438;
    sum = sum * z + 0.021869488409827049589;
    sum = sum * z - 0.053968253964721131725;
    sum = sum * z + 0.13333333333328594719;
    return sum * z - 0.33333333333333313363;
}

typedef uint64_t dualprop__pattern_f64;

DUALPROP__MATH uint64_t dualprop__bits_f64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

DUALPROP__MATH double dualprop__real_f64(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
