/*
 * slots.h - the slots of the table, file by file, and what device.c needs of the parts.
 */
#ifndef DUALPROP_CUDA_SLOTS_H
#define DUALPROP_CUDA_SLOTS_H

#include "backend_slots.h"
#include "device.h"
#include "dnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The slots, dualprop__cuda_NAME(): dense.c and convolution.c have the layers, dyad.cu and extended.cu the updates of
 * dyads, sums.cu what is added up, input.cu load_input and fill_uniform, learn.cu optimizer_step.
 */
#define CUDA_DECLARATION(result, name, parameters, arguments) \
    result dualprop__cuda_##name(void *self, DUALPROP__LIST parameters);
DUALPROP__LAYOUT_SLOTS(CUDA_DECLARATION)
DUALPROP__COMPUTING_SLOTS(CUDA_DECLARATION)
#undef CUDA_DECLARATION
/* step_condition.cu */
dualprop_status dualprop__cuda_gate_steps(void *self, const dualprop_step_condition *conditions, int count,
                                          double *rejected);

/* dyad.cu, inside another slot. */
dualprop_status dualprop__cuda_dyad(dualprop__cuda *self, const dualprop_dyad *dyad);
/* Can the device run the kernels this module has? */
dualprop_status dualprop__cuda_kernels_check(dualprop__cuda *self);

/* ---- sums.cu ---- */
/* to [columns] = scale * the sums of the columns of from [rows, columns] (+ to where accumulate). */
typedef struct dualprop__cuda_sums {
    float *to;
    const float *from;
    int64_t rows, columns;
    double scale;
    int64_t accumulate;
} dualprop__cuda_sums;
dualprop_status dualprop__cuda_column_sums(dualprop__cuda *self, const dualprop__cuda_sums *sums);
/* Several of them, in two launches where their parts fit into the workspace together. */
dualprop_status dualprop__cuda_column_sums_of_all(dualprop__cuda *self, const dualprop__cuda_sums *all, int count);
/* Are these so few rows that one thread adds up a column? */
int dualprop__cuda_are_few_rows(int64_t rows);

/* ---- narrow.cu: dense layers with so few outputs that kernels of ours multiply ---- */

int dualprop__cuda_is_narrow(const dualprop_dense *shape);
dualprop_status dualprop__cuda_narrow_up(dualprop__cuda *self, const dualprop_dense *shape, float *a, const float *x,
                                         const float *weights, const float *bias);
/* And the dyad update with it, if dyad is not NULL. */
dualprop_status dualprop__cuda_narrow_down(dualprop__cuda *self, const dualprop_dense *shape, float *top_down,
                                           const float *delta, const float *weights, const dualprop_dyad *dyad);
/* May the learning step form the gradient, of so few samples? By itself it has the same bits. */
int dualprop__cuda_has_narrow_gradient(const dualprop_dense *shape);
dualprop_status dualprop__cuda_narrow_slopes(dualprop__cuda *self, const dualprop_dense *shape, float *gradient,
                                             const float *x, const float *delta, double scale, int accumulate);

/* ---- products.c: cuBLASLt ---- */

/*
 * D = scale op(A) op(B) + keep D (+ bias down the columns), `batch` times, always with the same bias. All matrices are
 * in columns, as BLAS has them: D is rows x columns with `d_step` elements from one column to the next, `d_stride` from
 * one matrix of the batch to the next; A is rows x depth, or depth x rows where transposed; B likewise depth x columns.
 * A bias is aligned to 16 bytes: there are kernels that read four of its elements at once.
 */
typedef struct dualprop__cuda_product {
    int64_t rows, columns, depth;
    int64_t a_step, b_step, d_step;
    int64_t batch, a_stride, b_stride, d_stride;
    int32_t a_transposed, b_transposed;
    const float *a, *b, *bias; /* bias NULL: none */
    float *d;
    float scale, keep;
} dualprop__cuda_product;
dualprop_status dualprop__cuda_multiply(dualprop__cuda *self, const dualprop__cuda_product *product);
dualprop_status dualprop__cuda_products_create(dualprop__cuda *self);
void dualprop__cuda_products_destroy(dualprop__cuda *self);
size_t dualprop__cuda_products_version(const dualprop__cuda *self);

#ifdef __cplusplus
}
#endif

#endif
