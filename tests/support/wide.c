/*
 * wide.c - see wide.h.
 */
#include "wide.h"

#ifndef DUALPROP_NO_BLIS

#include <string.h>

#include "cpu/blis/blis_instance.h"
#include "cpu/loops/vector_shuffle.h"

/* Vectors wider than the registers are passed between functions of this file alone. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define VECTOR_BYTES 64

extern const dualprop__convolution_loops wide_loops_f32, wide_loops_f64;

#define REAL float
#define FORMULA(name) wide_##name##_f32
#define TABLE wide_loops_f32
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#define FLOATS_OF_EIGHT
#include "cpu/loops/convolution_loops_template.h"

#define REAL double
#define FORMULA(name) wide_##name##_f64
#define TABLE wide_loops_f64
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#include "cpu/loops/convolution_loops_template.h"

/* ---- micro-kernels ---- */

/* Like BLIS's, which load the vectors of the next step of the sum before they know whether there is one. */
#define DEFINE_KERNEL(real, name, wide, narrow)                                                                        \
    static void name(const dualprop__microkernel *kernel, const dualprop__product *product)                            \
    {                                                                                                                  \
        const real *vectors = product->vectors, *broadcasts = product->broadcasts;                                     \
        (void)kernel;                                                                                                  \
        for (int i = 0; i < wide; i++) (void)((const volatile real *)vectors)[product->depth * wide + i];              \
        for (int64_t j = 0; j < product->broadcast_count; j++) {                                                       \
            real *to = (real *)product->c + j * product->stride, row[wide] = { 0 };                                    \
            for (int64_t k = 0; k < product->depth; k++)                                                               \
                for (int i = 0; i < wide; i++) row[i] += broadcasts[k * narrow + j] * vectors[k * wide + i];           \
            for (int64_t i = 0; i < product->vector_count; i++) to[i] = product->accumulate ? to[i] + row[i] : row[i]; \
        }                                                                                                              \
    }

DEFINE_KERNEL(float, multiply_floats, 32, 12)
DEFINE_KERNEL(double, multiply_doubles, 16, 14)

void wide_install(void *instance)
{
    dualprop__blis *blis = instance;
    int is_float = blis->reference.type == DUALPROP_F32;
    blis->convolution_loops = is_float ? &wide_loops_f32 : &wide_loops_f64;
    blis->kernel.name = "wide";
    blis->kernel.vector = is_float ? 32 : 16;
    blis->kernel.broadcast = is_float ? 12 : 14;
    blis->kernel.run_direct = NULL;
    blis->kernel.run = is_float ? multiply_floats : multiply_doubles;
}

#else

void wide_install(void *blis)
{
    (void)blis;
}

#endif
