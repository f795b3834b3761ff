/*
 * elementwise_avx2.c - the elementwise loops for AVX2.
 */
#include "elementwise.h"

#include <string.h>

#include "math/formulas.h"
#include "transpose.h"

#define REAL float
#define BITS int32_t
#define FORMULA(name) dualprop__##name##_f32
#define TABLE dualprop__elementwise_avx2_f32
#include "elementwise_template.h"

#define REAL double
#define BITS int64_t
#define FORMULA(name) dualprop__##name##_f64
#define TABLE dualprop__elementwise_avx2_f64
#include "elementwise_template.h"
