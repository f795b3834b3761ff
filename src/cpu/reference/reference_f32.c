/*
 * reference_f32.c - the reference kernels for float.
 */
#include "reference.h"

#include "math/formulas.h"

#define REAL float
#define FORMULA(name) dualprop__##name##_f32
#include "reference_kernels.h"
