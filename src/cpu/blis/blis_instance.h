/*
 * blis_instance.h - what the files of the blis backend share.
 */
#ifndef DUALPROP_CPU_BLIS_INSTANCE_H
#define DUALPROP_CPU_BLIS_INSTANCE_H

#include <stdalign.h>

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

/* ---- a dense layer: blis_panels.c has the layout of its weights, blis_dense.c its workspace ---- */

int64_t dualprop__blis_weight_elements(void *self, int64_t inputs, int64_t outputs);
dualprop_status dualprop__blis_write_weights(void *self, void *weights, const void *host, int64_t inputs,
                                             int64_t outputs);
dualprop_status dualprop__blis_read_weights(void *self, void *host, const void *weights, int64_t inputs,
                                            int64_t outputs);
int64_t dualprop__blis_dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs);
int64_t dualprop__blis_dense_bottom_up_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs);
dualprop_status dualprop__blis_dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                               const void *weights, const void *bias, const dualprop_dyad *dyad);
dualprop_status dualprop__blis_dense_top_down(void *self, const dualprop_dense *shape, void *top_down,
                                              const void *delta, const void *weights, const dualprop_dyad *dyad);
dualprop_status dualprop__blis_dense_gradient(void *self, const dualprop_dense *shape, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, const dualprop_step_numbers *step, void *weights,
                                              void *bias, void *moments[4]);

/* ---- blis_convolution.c: the three directions of a convolutional layer ---- */

int64_t dualprop__blis_convolution_weight_elements(void *self, const dualprop_convolution *shape);
dualprop_status dualprop__blis_write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                         const void *host);
dualprop_status dualprop__blis_read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                        const void *weights);
int64_t dualprop__blis_convolution_workspace(void *self, const dualprop_convolution *shape);
int64_t dualprop__blis_convolution_bottom_up_workspace(void *self, const dualprop_convolution *shape);
int64_t dualprop__blis_convolution_cache(void *self, const dualprop_convolution *shape);
dualprop_status dualprop__blis_convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights);
dualprop_status dualprop__blis_convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                                     uint8_t *switches, const void *x, const void *weights,
                                                     const void *bias, const dualprop_dyad *dyad);
dualprop_status dualprop__blis_convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                                    const void *delta, const uint8_t *switches, const void *weights,
                                                    const dualprop_dyad *dyad);
dualprop_status dualprop__blis_convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                                    void *bias_gradient, const void *x, const void *delta,
                                                    const uint8_t *switches, double scale, int accumulate,
                                                    const dualprop_step_numbers *step, void *weights, void *bias,
                                                    void *moments[4]);

/* ---- blis_arrays.c: loops over arrays, shared among the threads where they are long ---- */

dualprop_status dualprop__blis_dyad_update(void *self, const dualprop_dyad *dyad);
dualprop_status dualprop__blis_extended_update(void *self, const dualprop_extended_update *update);
dualprop_status dualprop__blis_load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, const int32_t *augmentation, double *max_abs);
dualprop_status dualprop__blis_optimizer_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                              const void *g, void *moment1, void *moment2);
dualprop_status dualprop__blis_compare(void *self, int64_t count, const void *x, const void *y, double sums[4]);
dualprop_status dualprop__blis_max_abs(void *self, int64_t count, const void *x, double *max_abs);

#endif
