/*
 * normal.h - numbers of a normal distribution from uniform ones, many at a time: Box and Muller's transform in double.
 *
 * radius = sqrt(-2 log(u)), times cos(2 pi v), with u and v from the words of one block of philox.h. The functions have
 * neither branches nor comparisons of floats, so that a loop around them vectorises, and each is within 2 units in the
 * last place; draw.c uses them for floats, which have 29 bits less.
 */
#ifndef DUALPROP_MATH_NORMAL_H
#define DUALPROP_MATH_NORMAL_H

/* A uniform number strictly inside (0, 1) from two words: 52 bits and a half, exact in double. */
DUALPROP__MATH double dualprop__uniform_of_words(uint32_t high, uint32_t low)
{
    uint64_t bits = (uint64_t)high << 20 | low >> 12;
    return (dualprop__real_f64(bits | DUALPROP__INTEGERS_f64) - (0x1p52 - 0.5)) * 0x1p-52;
}

/* log(u) for u inside (0, 1), as log1p of elementary.h without a correction: u is exact. */
DUALPROP__MATH double dualprop__log_of_uniform(double u)
{
    uint64_t bits = dualprop__bits_f64(u);
    uint64_t exponent = (bits - DUALPROP__SQRT_HALF_f64 + DUALPROP__ONE_f64) >> DUALPROP__MANTISSA_BITS_f64;
    double k = dualprop__real_f64(exponent | DUALPROP__INTEGERS_f64) - (0x1p52 + DUALPROP__EXPONENT_BIAS_f64);
    double f = dualprop__real_f64(bits - (exponent << DUALPROP__MANTISSA_BITS_f64) + DUALPROP__ONE_f64) - 1;
    double s = f / (2 + f), square = 0.5 * f * f;
    double inner = s * (square + s * s * dualprop__logarithm_tail_f64(s * s)) + k * DUALPROP__LOG2_LOW_f64;
    return k * DUALPROP__LOG2_HIGH_f64 - ((square - inner) - f);
}

/* x = turned pi/2 + rest, |rest| <= pi/4, for x from 0 to 2 pi. */
typedef struct dualprop__turned {
    uint64_t quarters; /* modulo 4 in its last bits */
    double rest;
} dualprop__turned;

DUALPROP__MATH dualprop__turned dualprop__turn(double x)
{
    double shifted = x * 0.63661977236758134308 + DUALPROP__ROUNDER_f64, quarters = shifted - DUALPROP__ROUNDER_f64;
    dualprop__turned turned;
    turned.quarters = dualprop__bits_f64(shifted);
    turned.rest = (x - quarters * 0x1.921fb544p+0) - quarters * 0x1.0b4611a626331p-34;
    return turned;
}

/* Their series, whose next terms are below 5e-17. */
DUALPROP__MATH double dualprop__cosine_of(const dualprop__turned *x)
{
    double z = x->rest * x->rest, sine = -1.0 / 1307674368000, cosine = 1.0 / 20922789888000;
    sine = sine * z + 1.0 / 6227020800;
    sine = sine * z - 1.0 / 39916800;
    sine = sine * z + 1.0 / 362880;
    sine = sine * z - 1.0 / 5040;
    sine = sine * z + 1.0 / 120;
    sine = x->rest + x->rest * z * (sine * z - 1.0 / 6);
    cosine = cosine * z - 1.0 / 87178291200;
    cosine = cosine * z + 1.0 / 479001600;
    cosine = cosine * z - 1.0 / 3628800;
    cosine = cosine * z + 1.0 / 40320;
    cosine = cosine * z - 1.0 / 720;
    cosine = cosine * z + 1.0 / 24;
    double half = 0.5 * z, near = 1 - half;
    cosine = near + (((1 - near) - half) + z * z * cosine);
    uint64_t is_odd = -(x->quarters & 1), sign = ((x->quarters + 1) & 2) << 62;
    return dualprop__real_f64(((dualprop__bits_f64(sine) & is_odd) | (dualprop__bits_f64(cosine) & ~is_odd)) ^ sign);
}

#endif
