/*
 * blis_small.h - products of dense layers that are too small for packing and threads.
 */
#ifndef DUALPROP_CPU_BLIS_SMALL_H
#define DUALPROP_CPU_BLIS_SMALL_H

#include "blis_dense.h"
#include "blis_sink.h"

/* Has the instance a micro-kernel that reads operands where they lie, and is the product small? */
int dualprop__is_small(const dualprop__blis *blis, const dualprop_dense *shape);

/* For one broadcast: the products with all parts of one panel. The first part's says what and where. */
void dualprop__multiply_parts(const dualprop__blis *blis, const dualprop__product *first,
                              const dualprop__partition *depth);

/* The arguments are those of the slots. */
void dualprop__small_bottom_up(const dualprop__blis *blis, const dualprop_dense *shape, void *a, const void *x,
                               const void *weights, const void *bias, const dualprop_dyad *dyad);
/* slice: memory for one panel of inputs, transposed; depth: how the sum over panels of outputs is cut. */
void dualprop__small_top_down(const dualprop__blis *blis, const dualprop_dense *shape, void *top_down,
                              const void *delta, const void *weights, char *slice, const dualprop__partition *depth,
                              const dualprop_dyad *dyad);
void dualprop__small_gradient(const dualprop__blis *blis, const dualprop_dense *shape, const dualprop__sink *sink,
                              const void *x, const void *delta);

#endif
