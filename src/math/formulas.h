/*
 * formulas.h - the arithmetic of one element, written once for float and double, for C and for CUDA C++.
 *
 * Each of the headers below is a template: it is written in REAL, names its functions through FORMULA(name), has
 * exponentials and logarithms from elementary.h, and calls the mathematical library through LIBM(name) for what
 * processors have an instruction for. Here they are included twice, which gives dualprop__name_f32 and
 * dualprop__name_f64. Every backend computes with these formulas, so that tests on the CPU cover them all.
 *
 * What belongs to activations, to the output steps and to the optimizers is free of branches: a plain loop around it
 * vectorises. Comparisons are written so that a NaN comes out where a NaN went in.
 */
#ifndef DUALPROP_MATH_FORMULAS_H
#define DUALPROP_MATH_FORMULAS_H

#include <math.h>
#include <stdint.h>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "-ffast-math, -Ofast and -ffinite-math-only let the compiler take NaN and infinities for impossible: do without"
#endif

#include "dualprop/backend.h"

#if defined(__CUDACC__)
#define DUALPROP__MATH static inline __host__ __device__
#else
#define DUALPROP__MATH static inline
#endif

/* Terms of a sum that are computed together, before they are added one by one. */
#define DUALPROP__PART 16

#include "philox.h"
#include "polynomials.h"

#define REAL float
#define FORMULA(name) dualprop__##name##_f32
#define CONSTANT(name) DUALPROP__##name##_f32
#define LIBM(name) name##f
#include "elementary.h"
#include "activation.h"
#include "nudge.h"
#include "softmax.h"
#include "loss.h"
#include "extended.h"
#include "optimizer_math.h"
#undef REAL
#undef FORMULA
#undef LIBM
#undef CONSTANT

#define REAL double
#define FORMULA(name) dualprop__##name##_f64
#define CONSTANT(name) DUALPROP__##name##_f64
#define LIBM(name) name
#include "elementary.h"
#include "activation.h"
#include "nudge.h"
#include "softmax.h"
#include "loss.h"
#include "extended.h"
#include "optimizer_math.h"
#undef REAL
#undef FORMULA
#undef LIBM
#undef CONSTANT

#endif
