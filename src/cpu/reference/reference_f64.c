/*
 * reference_f64.c - the reference kernels for double.
 */
#include "reference.h"

#include "math/formulas.h"

#define REAL double
#define FORMULA(name) dualprop__##name##_f64
#include "reference_kernels.h"
