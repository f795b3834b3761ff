/*
 * formulas.h - the arithmetic of one element, written once for float and double, for C and for CUDA C++.
 *
 * Each of the headers below is a template: it is written in REAL, names its functions through FORMULA(name) and calls
 * the mathematical library through LIBM(name). Here they are included twice, which gives dualprop__name_f32 and
 * dualprop__name_f64. Every backend computes with these formulas, so that tests on the CPU cover them all.
 *
 * What belongs to piecewise linear activations, to the output steps and to the optimizers is free of branches: a plain
 * loop around it vectorises. Comparisons are written so that a NaN comes out where a NaN went in.
 */
#ifndef DUALPROP_MATH_FORMULAS_H
#define DUALPROP_MATH_FORMULAS_H

#include <math.h>
#include <stdint.h>

#include "dualprop/backend.h"

#if defined(__CUDACC__)
#define DUALPROP__MATH static inline __host__ __device__
#else
#define DUALPROP__MATH static inline
#endif

#include "philox.h"

#define REAL float
#define FORMULA(name) dualprop__##name##_f32
#define LIBM(name) name##f
#include "activation.h"
#include "nudge.h"
#include "softmax.h"
#include "loss.h"
#include "extended.h"
#include "optimizer_math.h"
#undef REAL
#undef FORMULA
#undef LIBM

#define REAL double
#define FORMULA(name) dualprop__##name##_f64
#define LIBM(name) name
#include "activation.h"
#include "nudge.h"
#include "softmax.h"
#include "loss.h"
#include "extended.h"
#include "optimizer_math.h"
#undef REAL
#undef FORMULA
#undef LIBM

#endif
