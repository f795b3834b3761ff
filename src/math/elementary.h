/*
 * elementary.h - exp, expm1, log1p and tanh without branches, tables or calls, so that loops around them vectorise.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose. CONSTANT(name) is one of
 * polynomials.h.
 *
 * Only additions, multiplications, divisions and bits of numbers occur, each rounded by itself (no contraction to a
 * fused multiply-add): the bits are the same on every instruction set and on a device. test_elementary.c holds the
 * errors below 2 units in the last place.
 *
 * A NaN gives a NaN. Numbers below the least normal one are kept.
 */

/* x = n log(2) + high + low with an integer n, |high| <= log(2) / 2, and low what high has lost by rounding. */
typedef struct FORMULA(reduced) {
    REAL n, high, low;
} FORMULA(reduced);

DUALPROP__MATH FORMULA(reduced) FORMULA(reduce_exponent)(REAL x)
{
    FORMULA(reduced) reduced;
    REAL n = (x * (REAL)1.4426950408889634 + CONSTANT(ROUNDER)) - CONSTANT(ROUNDER);
    REAL near = x - n * CONSTANT(LOG2_HIGH), far = n * CONSTANT(LOG2_LOW);
    reduced.n = n;
    reduced.high = near - far;
    reduced.low = (near - reduced.high) - far;
    return reduced;
}

/* e^high - 1 - high, and low with it. */
DUALPROP__MATH REAL FORMULA(exponential_rest)(const FORMULA(reduced) * x)
{
    return x->high * x->high * FORMULA(exponential_tail)(x->high) + x->low;
}

/* 2^n for an integer n within the exponents of normal numbers: n + bias, in the last bits of a sum, is moved up. */
DUALPROP__MATH REAL FORMULA(power_of_two)(REAL n)
{
    return FORMULA(real)(FORMULA(bits)(n + (CONSTANT(ROUNDER) + CONSTANT(EXPONENT_BIAS))) << CONSTANT(MANTISSA_BITS));
}

/* In two factors, since 2^n may be too large, or too small, where e^x is not. */
DUALPROP__MATH REAL FORMULA(exp)(REAL x)
{
    REAL least = x < CONSTANT(EXP_LEAST) ? CONSTANT(EXP_LEAST) : x;
    FORMULA(reduced) reduced = FORMULA(reduce_exponent)(least > CONSTANT(EXP_MOST) ? CONSTANT(EXP_MOST) : least);
    REAL half = ((REAL)0.5 * reduced.n + CONSTANT(ROUNDER)) - CONSTANT(ROUNDER);
    REAL e = 1 + (reduced.high + FORMULA(exponential_rest)(&reduced));
    return e * FORMULA(power_of_two)(half) * FORMULA(power_of_two)(reduced.n - half);
}

/* e^x - 1 = 2 (2^(n-1) e^r + (2^(n-1) - 1/2)), in which the first two terms are added exactly where they cancel. */
DUALPROP__MATH REAL FORMULA(expm1)(REAL x)
{
    REAL least = x < CONSTANT(EXPM1_LEAST) ? CONSTANT(EXPM1_LEAST) : x;
    FORMULA(reduced) reduced = FORMULA(reduce_exponent)(least > CONSTANT(EXP_MOST) ? CONSTANT(EXP_MOST) : least);
    REAL rest = FORMULA(exponential_rest)(&reduced), half = FORMULA(power_of_two)(reduced.n - 1);
    REAL large = 2 * ((half * reduced.high + (half - (REAL)0.5)) + half * rest);
    return reduced.n == 0 ? reduced.high + rest : large;
}

/* e^x for x <= 0, or, where is_rise, e^x - 1 for x from -1 to 1: either, in the time of one. */
DUALPROP__MATH REAL FORMULA(exp_or_expm1)(REAL x, int is_rise)
{
    FORMULA(reduced) reduced = FORMULA(reduce_exponent)(x < CONSTANT(EXP_LEAST) ? CONSTANT(EXP_LEAST) : x);
    REAL rest = FORMULA(exponential_rest)(&reduced), near = reduced.high + rest;
    REAL half = ((REAL)0.5 * reduced.n + CONSTANT(ROUNDER)) - CONSTANT(ROUNDER);
    REAL power = (1 + near) * FORMULA(power_of_two)(half) * FORMULA(power_of_two)(reduced.n - half);
    REAL scale = reduced.n > 0 ? (REAL)1 : (REAL)0.25; /* 2^(n-1) */
    REAL rise = 2 * ((scale * reduced.high + (scale - (REAL)0.5)) + scale * rest);
    rise = reduced.n == 0 ? near : rise;
    return is_rise ? rise : power;
}

/*
 * log(1 + x) for finite x > -1. u = 1 + x is rounded, and correction mends it; u = 2^k m with m in sqrt(1/2)..sqrt(2),
 * and with f = m - 1, s = f / (2 + f), z = s^2: log(m) = 2 s + s z tail(z) = f - (f^2/2 - s (f^2/2 + z tail(z))).
 */
DUALPROP__MATH REAL FORMULA(log1p)(REAL x)
{
    REAL u = 1 + x, correction = (x > 1 ? 1 - (u - x) : x - (u - 1)) / u;
    FORMULA(pattern) bits = FORMULA(bits)(u);
    FORMULA(pattern) exponent = (bits - CONSTANT(SQRT_HALF) + CONSTANT(ONE)) >> CONSTANT(MANTISSA_BITS);
    REAL k =
        FORMULA(real)(exponent | CONSTANT(INTEGERS)) - (FORMULA(real)(CONSTANT(INTEGERS)) + CONSTANT(EXPONENT_BIAS));
    REAL f = FORMULA(real)(bits - (exponent << CONSTANT(MANTISSA_BITS)) + CONSTANT(ONE)) - 1;
    REAL s = f / (2 + f), square = (REAL)0.5 * f * f;
    REAL inner = s * (square + s * s * FORMULA(logarithm_tail)(s * s)) + (k * CONSTANT(LOG2_LOW) + correction);
    return k * CONSTANT(LOG2_HIGH) - ((square - inner) - f);
}

/* |x| + |x| z tail(z) near 0, where z = x^2, and (1 - e^-2|x|) / (1 + e^-2|x|) further away. */
DUALPROP__MATH REAL FORMULA(hyperbolic_tangent)(REAL x)
{
    REAL size = LIBM(fabs)(x), z = x * x, fall = FORMULA(exp)(-LIBM(fabs)(2 * x));
    REAL near = size + size * (z * FORMULA(tangent_tail)(z)), far = (1 - fall) / (1 + fall);
    return LIBM(copysign)(size < (REAL)0.55 ? near : far, x);
}
