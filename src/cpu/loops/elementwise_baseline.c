/*
 * elementwise_baseline.c - the elementwise loops for any CPU of the architecture.
 */
#include "elementwise.h"

#include <string.h>

#include "math/formulas.h"
#include "transpose.h"

#define REAL float
#define BITS int32_t
#define FORMULA(name) dualprop__##name##_f32
#define TABLE dualprop__elementwise_baseline_f32
#include "elementwise_template.h"

#define REAL double
#define BITS int64_t
#define FORMULA(name) dualprop__##name##_f64
#define TABLE dualprop__elementwise_baseline_f64
#include "elementwise_template.h"
