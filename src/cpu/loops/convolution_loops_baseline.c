/*
 * convolution_loops_baseline.c - the loops of convolutions for every processor.
 */
#include "convolution_loops.h"

#include <string.h>

#include "vector_shuffle.h"

#define VECTOR_BYTES 16

#define REAL float
#define FORMULA(name) dualprop__##name##_f32
#define TABLE dualprop__convolution_loops_baseline_f32
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#include "convolution_loops_template.h"

#define REAL double
#define FORMULA(name) dualprop__##name##_f64
#define TABLE dualprop__convolution_loops_baseline_f64
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#include "convolution_loops_template.h"

#undef VECTOR_BYTES
