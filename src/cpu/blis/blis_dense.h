/*
 * blis_dense.h - the three directions of a dense layer.
 *
 * The three products, with what they take as panels (blis_panels.h):
 *
 *     direction   vectors (V)                broadcasts (N)           C
 *     bottom-up   W as it is                 x by samples             a, in blocks of outputs
 *     top-down    W, transposed blockwise    delta by samples         Delta, in blocks of inputs
 *     gradient    delta by outputs           x by inputs              pieces of a panel of the gradient
 *
 * Each direction says how much workspace it needs; blis_dense.c asks all three.
 */
#ifndef DUALPROP_CPU_BLIS_DENSE_H
#define DUALPROP_CPU_BLIS_DENSE_H

#include "blis_panels.h"

/* Bytes of workspace that each direction needs for batches up to this one; small products (blis_small.h) pack
 * nothing. */
int64_t dualprop__bottom_up_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs);
int64_t dualprop__top_down_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs);
int64_t dualprop__gradient_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs);

#endif
