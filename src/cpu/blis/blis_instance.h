/*
 * blis_instance.h - what the files of the blis backend share.
 */
#ifndef DUALPROP_CPU_BLIS_INSTANCE_H
#define DUALPROP_CPU_BLIS_INSTANCE_H

#include <stdalign.h>

#include "backend_slots.h"
#include "blis_kernels.h"
#include "cpu/loops/convolution_loops.h"
#include "cpu/loops/elementwise.h"
#include "cpu/reference/reference.h"

/* Ways of computing a convolution: by its shape, or, for tests, one of the two wherever it is possible. */
enum { DUALPROP__BY_RULE = 0, DUALPROP__IM2COL = 1, DUALPROP__WINOGRAD = 2 };

/* An instance begins as one of the reference backend, whose slots serve where nothing is to be gained. */
typedef struct dualprop__blis {
    struct dualprop__reference reference;
    int level; /* never AUTO */
    dualprop__microkernel kernel;
    const dualprop__elementwise *loops;
    const dualprop__convolution_loops *convolution_loops;
    int convolutions; /* one of the ways above; dualprop__blis_choose_convolutions() sets it */
} dualprop__blis;

extern const dualprop_backend dualprop__blis_backend;

/* The largest tile of a micro-kernel, in bytes, that functions keep on their stack; blis.c checks it. */
#define DUALPROP__LARGEST_TILE 2048

/* The greatest numbers that several threads have seen, as bits of doubles >= 0: they are in the order of the values. */
typedef struct dualprop__max_tracker {
    alignas(64) _Atomic uint64_t max_abs; /* a line of their own, since all threads read what lies beside them */
    _Atomic uint64_t change;
    char rest[48];
} dualprop__max_tracker;

void dualprop__max_tracker_begin(dualprop__max_tracker *shared);
void dualprop__max_tracker_raise(dualprop__max_tracker *shared, const dualprop__maxima *maxima);
/* Store what was found; either pointer may be NULL. */
void dualprop__max_tracker_write(dualprop__max_tracker *shared, double *max_abs, double *change);

/*
 * The slots, dualprop__blis_NAME(): blis_panels.c has the layout of dense weights; blis_dense.c, blis_bottom_up.c,
 * blis_top_down.c and blis_gradient.c the dense layer; blis_convolution.c convolutions; blis_arrays.c loops over
 * arrays, shared among the threads if they are long; blis.c hands the rest on to the reference backend.
 */
#define BLIS_DECLARATION(result, name, parameters, arguments) \
    result dualprop__blis_##name(void *self, DUALPROP__LIST parameters);
DUALPROP__LAYOUT_SLOTS(BLIS_DECLARATION)
DUALPROP__COMPUTING_SLOTS(BLIS_DECLARATION)
#undef BLIS_DECLARATION
int64_t dualprop__blis_dense_bottom_up_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs);
int64_t dualprop__blis_convolution_bottom_up_workspace(void *self, const dualprop_convolution *shape);

#endif
