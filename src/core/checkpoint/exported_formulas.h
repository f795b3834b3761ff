/*
 * exported_formulas.h - text of exported sources, written by tools/export-formulas: `make formulas`.
 *
 * In the order in which C needs it; each of one type, or (0) of both.
 */
#ifndef DUALPROP_CORE_EXPORTED_FORMULAS_H
#define DUALPROP_CORE_EXPORTED_FORMULAS_H

#include "dualprop/types.h"

/* clang-format off */
static const struct exported_formula {
    const char *name;
    int type;
    const char *text;
} exported_formulas[] = {
    { "math_bits", 0,
      "static math_pattern math_bits(real number)\n"
      "{\n"
      "    union {\n"
      "        math_pattern bits;\n"
      "        real number;\n"
      "    } both;\n"
      "    both.number = number;\n"
      "    return both.bits;\n"
      "}\n" },
    { "math_real", 0,
      "static real math_real(math_pattern bits)\n"
      "{\n"
      "    union {\n"
      "        math_pattern bits;\n"
      "        real number;\n"
      "    } both;\n"
      "    both.bits = bits;\n"
      "    return both.number;\n"
      "}\n" },
    { "math_copysign", 0,
      "static real math_copysign(real x, real sign)\n"
      "{\n"
      "    const math_pattern top = (math_pattern)1 << (8 * sizeof(real) - 1);\n"
      "    return math_real((math_bits(x) & ~top) | (math_bits(sign) & top));\n"
      "}\n" },
    { "math_fabs", 0,
      "static real math_fabs(real x)\n"
      "{\n"
      "    return math_copysign(x, 1);\n"
      "}\n" },
    { "MATH_LOG2_HIGH", DUALPROP_F32,
      "#define MATH_LOG2_HIGH 0x1.62ep-1f\n" },
    { "MATH_LOG2_LOW", DUALPROP_F32,
      "#define MATH_LOG2_LOW 0x1.0bfbe8p-15f\n" },
    { "MATH_EXP_LEAST", DUALPROP_F32,
      "#define MATH_EXP_LEAST (-104.0f)\n" },
    { "MATH_EXP_MOST", DUALPROP_F32,
      "#define MATH_EXP_MOST 89.0f\n" },
    { "MATH_EXPM1_LEAST", DUALPROP_F32,
      "#define MATH_EXPM1_LEAST (-18.0f)\n" },
    { "MATH_ROUNDER", DUALPROP_F32,
      "#define MATH_ROUNDER 0x1.8p23f\n" },
    { "MATH_EXPONENT_BIAS", DUALPROP_F32,
      "#define MATH_EXPONENT_BIAS 127.0f\n" },
    { "MATH_MANTISSA_BITS", DUALPROP_F32,
      "#define MATH_MANTISSA_BITS 23\n" },
    { "MATH_SQRT_HALF", DUALPROP_F32,
      "#define MATH_SQRT_HALF UINT32_C(0x3f3504f3)\n" },
    { "MATH_ONE", DUALPROP_F32,
      "#define MATH_ONE UINT32_C(0x3f800000)\n" },
    { "MATH_INTEGERS", DUALPROP_F32,
      "#define MATH_INTEGERS UINT32_C(0x4b000000)\n" },
    { "math_exponential_tail", DUALPROP_F32,
      "static real math_exponential_tail(real r)\n"
      "{\n"
      "    real sum = 0.00019913594f;\n"
      "    sum = sum * r + 0.0013940285f;\n"
      "    sum = sum * r + 0.0083332742f;\n"
      "    sum = sum * r + 0.0416663665f;\n"
      "    sum = sum * r + 0.166666668f;\n"
      "    return sum * r + 0.5000000042f;\n"
      "}\n" },
    { "math_logarithm_tail", DUALPROP_F32,
      "static real math_logarithm_tail(real z)\n"
      "{\n"
      "    real sum = 0.23553204897f;\n"
      "    sum = sum * z + 0.28539066870f;\n"
      "    sum = sum * z + 0.40000302044f;\n"
      "    return sum * z + 0.66666665833f;\n"
      "}\n" },
    { "math_tangent_tail", DUALPROP_F32,
      "static real math_tangent_tail(real z)\n"
      "{\n"
      "    real sum = -0.0062975323f;\n"
      "    sum = sum * z + 0.021089548f;\n"
      "    sum = sum * z - 0.053857105f;\n"
      "    sum = sum * z + 0.133326381f;\n"
      "    return sum * z - 0.333333194f;\n"
      "}\n" },
    { "MATH_LOG2_HIGH", DUALPROP_F64,
      "#define MATH_LOG2_HIGH 0x1.62e42feep-1\n" },
    { "MATH_LOG2_LOW", DUALPROP_F64,
      "#define MATH_LOG2_LOW 0x1.a39ef35793c76p-33\n" },
    { "MATH_EXP_LEAST", DUALPROP_F64,
      "#define MATH_EXP_LEAST (-746.0)\n" },
    { "MATH_EXP_MOST", DUALPROP_F64,
      "#define MATH_EXP_MOST 710.0\n" },
    { "MATH_EXPM1_LEAST", DUALPROP_F64,
      "#define MATH_EXPM1_LEAST (-38.0)\n" },
    { "MATH_ROUNDER", DUALPROP_F64,
      "#define MATH_ROUNDER 0x1.8p52\n" },
    { "MATH_EXPONENT_BIAS", DUALPROP_F64,
      "#define MATH_EXPONENT_BIAS 1023.0\n" },
    { "MATH_MANTISSA_BITS", DUALPROP_F64,
      "#define MATH_MANTISSA_BITS 52\n" },
    { "MATH_SQRT_HALF", DUALPROP_F64,
      "#define MATH_SQRT_HALF UINT64_C(0x3fe6a09e667f3bcd)\n" },
    { "MATH_ONE", DUALPROP_F64,
      "#define MATH_ONE UINT64_C(0x3ff0000000000000)\n" },
    { "MATH_INTEGERS", DUALPROP_F64,
      "#define MATH_INTEGERS UINT64_C(0x4330000000000000)\n" },
    { "math_exponential_tail", DUALPROP_F64,
      "static real math_exponential_tail(real r)\n"
      "{\n"
      "    real sum = 2.5113990251622669577e-8;\n"
      "    sum = sum * r + 2.7625545158103437487e-7;\n"
      "    sum = sum * r + 2.7557229593309713293e-6;\n"
      "    sum = sum * r + 0.00002480150669213751243;\n"
      "    sum = sum * r + 0.00019841269901050681382;\n"
      "    sum = sum * r + 0.0013888888930169974074;\n"
      "    sum = sum * r + 0.0083333333333155808385;\n"
      "    sum = sum * r + 0.041666666666582066221;\n"
      "    sum = sum * r + 0.16666666666666684322;\n"
      "    return sum * r + 0.50000000000000045773;\n"
      "}\n" },
    { "math_logarithm_tail", DUALPROP_F64,
      "static real math_logarithm_tail(real z)\n"
      "{\n"
      "    real sum = 0.14757975541058221066;\n"
      "    sum = sum * z + 0.15318097132027533766;\n"
      "    sum = sum * z + 0.18183394149400667039;\n"
      "    sum = sum * z + 0.2222220213981736244;\n"
      "    sum = sum * z + 0.28571428703862446763;\n"
      "    sum = sum * z + 0.39999999999611910485;\n"
      "    return sum * z + 0.66666666666666989268;\n"
      "}\n" },
    { "math_tangent_tail", DUALPROP_F64,
      "static real math_tangent_tail(real z)\n"
      "{\n"
      "    real sum = -0.000019636046910452107275;\n"
      "    sum = sum * z + 0.000083556835823889453821;\n"
      "    sum = sum * z - 0.00023355859237897659848;\n"
      "    sum = sum * z + 0.00058851840958691122127;\n"
      "    sum = sum * z - 0.0014555620931525337389;\n"
      "    sum = sum * z + 0.0035920952660284088828;\n"
      "    sum = sum * z - 0.0088632329529017378438;\n"
      "    sum = sum * z + 0.021869488409827049589;\n"
      "    sum = sum * z - 0.053968253964721131725;\n"
      "    sum = sum * z + 0.13333333333328594719;\n"
      "    return sum * z - 0.33333333333333313363;\n"
      "}\n" },
    { "math_reduced", 0,
      "/* x = n log(2) + high + low with an integer n, |high| <= log(2) / 2, and low what high has lost by "
      "rounding. */\n"
      "typedef struct math_reduced {\n"
      "    real n, high, low;\n"
      "} math_reduced;\n" },
    { "math_reduce_exponent", 0,
      "static math_reduced math_reduce_exponent(real x)\n"
      "{\n"
      "    math_reduced reduced;\n"
      "    real n = (x * (real)1.4426950408889634 + MATH_ROUNDER) - MATH_ROUNDER;\n"
      "    real near = x - n * MATH_LOG2_HIGH, far = n * MATH_LOG2_LOW;\n"
      "    reduced.n = n;\n"
      "    reduced.high = near - far;\n"
      "    reduced.low = (near - reduced.high) - far;\n"
      "    return reduced;\n"
      "}\n" },
    { "math_exponential_rest", 0,
      "/* e^high - 1 - high, and low with it. */\n"
      "static real math_exponential_rest(const math_reduced * x)\n"
      "{\n"
      "    return x->high * x->high * math_exponential_tail(x->high) + x->low;\n"
      "}\n" },
    { "math_power_of_two", 0,
      "/* 2^n for an integer n within the exponents of normal numbers: n + bias, in the last bits of a sum,"
      " is moved up. */\n"
      "static real math_power_of_two(real n)\n"
      "{\n"
      "    return math_real(math_bits(n + (MATH_ROUNDER + MATH_EXPONENT_BIAS)) << MATH_MANTISSA_BITS);\n"
      "}\n" },
    { "math_exp", 0,
      "/* In two factors, since 2^n may be too large, or too small, where e^x is not. */\n"
      "static real math_exp(real x)\n"
      "{\n"
      "    real least = x < MATH_EXP_LEAST ? MATH_EXP_LEAST : x;\n"
      "    math_reduced reduced = math_reduce_exponent(least > MATH_EXP_MOST ? MATH_EXP_MOST : least);\n"
      "    real half = ((real)0.5 * reduced.n + MATH_ROUNDER) - MATH_ROUNDER;\n"
      "    real e = 1 + (reduced.high + math_exponential_rest(&reduced));\n"
      "    return e * math_power_of_two(half) * math_power_of_two(reduced.n - half);\n"
      "}\n" },
    { "math_expm1", 0,
      "/* e^x - 1 = 2 (2^(n-1) e^r + (2^(n-1) - 1/2)), in which the first two terms are added exactly where"
      " they cancel. */\n"
      "static real math_expm1(real x)\n"
      "{\n"
      "    real least = x < MATH_EXPM1_LEAST ? MATH_EXPM1_LEAST : x;\n"
      "    math_reduced reduced = math_reduce_exponent(least > MATH_EXP_MOST ? MATH_EXP_MOST : least);\n"
      "    real rest = math_exponential_rest(&reduced), half = math_power_of_two(reduced.n - 1);\n"
      "    real large = 2 * ((half * reduced.high + (half - (real)0.5)) + half * rest);\n"
      "    return reduced.n == 0 ? reduced.high + rest : large;\n"
      "}\n" },
    { "math_log1p", 0,
      "/*\n"
      " * log(1 + x) for finite x > -1. u = 1 + x is rounded, and correction mends it; u = 2^k m with m in "
      "sqrt(1/2)..sqrt(2),\n"
      " * and with f = m - 1, s = f / (2 + f), z = s^2: log(m) = 2 s + s z tail(z) = f - (f^2/2 - s (f^2/2 "
      "+ z tail(z))).\n"
      " */\n"
      "static real math_log1p(real x)\n"
      "{\n"
      "    real u = 1 + x, correction = (x > 1 ? 1 - (u - x) : x - (u - 1)) / u;\n"
      "    math_pattern bits = math_bits(u);\n"
      "    math_pattern exponent = (bits - MATH_SQRT_HALF + MATH_ONE) >> MATH_MANTISSA_BITS;\n"
      "    real k =\n"
      "        math_real(exponent | MATH_INTEGERS) - (math_real(MATH_INTEGERS) + MATH_EXPONENT_BIAS);\n"
      "    real f = math_real(bits - (exponent << MATH_MANTISSA_BITS) + MATH_ONE) - 1;\n"
      "    real s = f / (2 + f), square = (real)0.5 * f * f;\n"
      "    real inner = s * (square + s * s * math_logarithm_tail(s * s)) + (k * MATH_LOG2_LOW + correction);\n"
      "    return k * MATH_LOG2_HIGH - ((square - inner) - f);\n"
      "}\n" },
    { "math_hyperbolic_tangent", 0,
      "/* |x| + |x| z tail(z) near 0, where z = x^2, and (1 - e^-2|x|) / (1 + e^-2|x|) further away. */\n"
      "static real math_hyperbolic_tangent(real x)\n"
      "{\n"
      "    real size = math_fabs(x), z = x * x, fall = math_exp(-math_fabs(2 * x));\n"
      "    real near = size + size * (z * math_tangent_tail(z)), far = (1 - fall) / (1 + fall);\n"
      "    return math_copysign(size < (real)0.55 ? near : far, x);\n"
      "}\n" },
    { "math_relu", 0,
      "static real math_relu(real x)\n"
      "{\n"
      "    return 0 > x ? 0 : x;\n"
      "}\n" },
    { "math_leaky_relu", 0,
      "static real math_leaky_relu(real x)\n"
      "{\n"
      "    return x > 0 ? x : (real)0.01 * x;\n"
      "}\n" },
    { "math_clip", 0,
      "static real math_clip(real x, real low, real high)\n"
      "{\n"
      "    real below = high < x ? high : x;\n"
      "    return low > below ? low : below;\n"
      "}\n" },
    { "math_hard_sigmoid", 0,
      "static real math_hard_sigmoid(real x)\n"
      "{\n"
      "    return math_clip(x, 0, 1);\n"
      "}\n" },
    { "math_sigmoid", 0,
      "static real math_sigmoid(real x)\n"
      "{\n"
      "    real fall = math_exp(-math_fabs(x));\n"
      "    return (x < 0 ? fall : 1) / (1 + fall);\n"
      "}\n" },
    { "math_tanh", 0,
      "static real math_tanh(real x)\n"
      "{\n"
      "    return math_hyperbolic_tangent(x);\n"
      "}\n" },
    { "math_softplus", 0,
      "static real math_softplus(real x)\n"
      "{\n"
      "    real positive = 0 > x ? 0 : x;\n"
      "    return positive + math_log1p(math_exp(-math_fabs(x)));\n"
      "}\n" },
    { "math_elu", 0,
      "static real math_elu(real x)\n"
      "{\n"
      "    real below = math_expm1(x);\n"
      "    return x > 0 ? x : below;\n"
      "}\n" },
    { "math_silu", 0,
      "static real math_silu(real x)\n"
      "{\n"
      "    return x * math_sigmoid(x);\n"
      "}\n" },
    { "softmax", 0,
      "/* Each of the rows becomes e^x / sum(e^x); the sum has 16 parts, which are added at the end. */\n"
      "static void softmax(real *values, long rows, long width)\n"
      "{\n"
      "    for (real *row = values; row < values + rows * width; row += width) {\n"
      "        double parts[16] = { 0 }, sum = 0;\n"
      "        real top = row[0];\n"
      "        for (long i = 0; i < width; i++) top = row[i] > top ? row[i] : top;\n"
      "        for (long i = 0; i < width; i++) {\n"
      "            row[i] = math_exp(row[i] - top);\n"
      "            parts[i % 16] += (double)row[i];\n"
      "        }\n"
      "        for (long i = 0; i < 16; i++) sum += parts[i];\n"
      "        for (long i = 0; i < width; i++) row[i] = row[i] * (real)(1 / sum);\n"
      "    }\n"
      "}\n" },
    { "TILE", 0,
      "/* Outputs that are summed up together. */\n"
      "enum { TILE = 16 };\n" },
    { "add_products", 0,
      "/* sums [count] += x [inputs] times `count` columns of w [inputs, outputs] */\n"
      "static void add_products(double *sums, const real *x, const real *w, long inputs, long outputs, long"
      " count)\n"
      "{\n"
      "    for (long i = 0; i < inputs; i++)\n"
      "        for (long j = 0; j < count; j++) sums[j] += (double)x[i] * (double)w[i * outputs + j];\n"
      "}\n" },
    { "dense_layer", 0,
      "/* a [outputs] = x [inputs] w [inputs, outputs] + b */\n"
      "static void dense_layer(real *a, const real *x, const real *w, const real *b, long inputs, long outputs)\n"
      "{\n"
      "    for (long first = 0; first < outputs; first += TILE) {\n"
      "        long count = outputs - first < TILE ? outputs - first : TILE;\n"
      "        double sums[TILE] = { 0 };\n"
      "        add_products(sums, x, w + first, inputs, outputs, count);\n"
      "        for (long j = 0; j < count; j++) a[first + j] = (real)(sums[j] + (double)b[first + j]);\n"
      "    }\n"
      "}\n" },
    { "image_layer", 0,
      "/* A convolutional or locally connected layer on images (height, width, channels), and the pooling o"
      "f its map. */\n"
      "struct image_layer {\n"
      "    long height, width, channels;          /* below */\n"
      "    long kernel[2], stride[2], padding[2]; /* down and right */\n"
      "    long map_width, outputs, is_local;     /* is_local: each place of the map has weights and a bias"
      " of its own */\n"
      "    long pooled[2], window[2], window_stride[2], is_average; /* a window of 1, 1 is no pooling */\n"
      "};\n" },
    { "convolve", 0,
      "/* Outputs first .. of a place of the map. */\n"
      "static void convolve(real *values, const struct image_layer *layer, const real *x, const real *w, co"
      "nst real *b,\n"
      "                     long place, long first, long count)\n"
      "{\n"
      "    long taps = layer->kernel[0] * layer->kernel[1], own = layer->is_local ? place : 0;\n"
      "    double sums[TILE] = { 0 };\n"
      "    for (long tap = 0; tap < taps; tap++) {\n"
      "        long row = place / layer->map_width * layer->stride[0] - layer->padding[0] + tap / layer->ke"
      "rnel[1];\n"
      "        long column = place % layer->map_width * layer->stride[1] - layer->padding[1] + tap % layer-"
      ">kernel[1];\n"
      "        if (row < 0 || row >= layer->height || column < 0 || column >= layer->width) continue;\n"
      "        add_products(sums, x + (row * layer->width + column) * layer->channels,\n"
      "                     w + (own * taps + tap) * layer->channels * layer->outputs + first, layer->chann"
      "els, layer->outputs,\n"
      "                     count);\n"
      "    }\n"
      "    for (long j = 0; j < count; j++) values[j] = (real)(sums[j] + (double)b[own * layer->outputs + f"
      "irst + j]);\n"
      "}\n" },
    { "pool", 0,
      "/* Outputs first .. of a place after pooling: the largest or the mean of its window of the map. */\n"
      "static void pool(real *a, const struct image_layer *layer, const real *x, const real *w, const real "
      "*b, long place,\n"
      "                 long first, long count)\n"
      "{\n"
      "    long positions = layer->window[0] * layer->window[1];\n"
      "    long corner = place / layer->pooled[1] * layer->window_stride[0] * layer->map_width +\n"
      "                  place % layer->pooled[1] * layer->window_stride[1];\n"
      "    double sums[TILE] = { 0 };\n"
      "    for (long i = 0; i < positions; i++) {\n"
      "        real values[TILE];\n"
      "        convolve(values, layer, x, w, b, corner + i / layer->window[1] * layer->map_width + i % laye"
      "r->window[1], first,\n"
      "                 count);\n"
      "        for (long j = 0; j < count; j++) {\n"
      "            sums[j] += (double)values[j];\n"
      "            if (i == 0 || values[j] > a[j] || values[j] != values[j]) a[j] = values[j];\n"
      "        }\n"
      "    }\n"
      "    for (long j = 0; j < count && layer->is_average; j++) a[j] = (real)(sums[j] / (double)positions);\n"
      "}\n" },
    { "convolution_layer", 0,
      "static void convolution_layer(real *a, const real *x, const real *w, const real *b, const struct ima"
      "ge_layer *layer)\n"
      "{\n"
      "    for (long place = 0; place < layer->pooled[0] * layer->pooled[1]; place++)\n"
      "        for (long first = 0; first < layer->outputs; first += TILE)\n"
      "            pool(a + place * layer->outputs + first, layer, x, w, b, place, first,\n"
      "                 layer->outputs - first < TILE ? layer->outputs - first : TILE);\n"
      "}\n" },
};
/* clang-format on */

#endif
