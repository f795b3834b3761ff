/*
 * slots.h - the slots of the table, file by file, and what device.c needs of the parts.
 */
#ifndef DUALPROP_CUDA_SLOTS_H
#define DUALPROP_CUDA_SLOTS_H

#include "device.h"
#include "dnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- dense.c ---- */
int64_t dualprop__cuda_weight_elements(void *self, int64_t inputs, int64_t outputs);
dualprop_status dualprop__cuda_write_weights(void *self, void *weights, const void *host, int64_t inputs,
                                             int64_t outputs);
dualprop_status dualprop__cuda_read_weights(void *self, void *host, const void *weights, int64_t inputs,
                                            int64_t outputs);
int64_t dualprop__cuda_dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs);
dualprop_status dualprop__cuda_dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                               const void *weights, const void *bias, const dualprop_dyad *dyad);
dualprop_status dualprop__cuda_dense_top_down(void *self, const dualprop_dense *shape, void *top_down,
                                              const void *delta, const void *weights, const dualprop_dyad *dyad);
dualprop_status dualprop__cuda_dense_gradient(void *self, const dualprop_dense *shape, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, const dualprop_step_numbers *step, void *weights,
                                              void *bias, void *moments[4]);

/* ---- convolution.c ---- */
int64_t dualprop__cuda_convolution_weight_elements(void *self, const dualprop_convolution *shape);
dualprop_status dualprop__cuda_write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                         const void *host);
dualprop_status dualprop__cuda_read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                        const void *weights);
int64_t dualprop__cuda_convolution_workspace(void *self, const dualprop_convolution *shape);
int64_t dualprop__cuda_convolution_cache(void *self, const dualprop_convolution *shape);
dualprop_status dualprop__cuda_convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights);
dualprop_status dualprop__cuda_convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a,
                                                     uint8_t *switches, const void *x, const void *weights,
                                                     const void *bias, const dualprop_dyad *dyad);
dualprop_status dualprop__cuda_convolution_top_down(void *self, const dualprop_convolution *shape, void *to,
                                                    const void *delta, const uint8_t *switches, const void *weights,
                                                    const dualprop_dyad *dyad);
dualprop_status dualprop__cuda_convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                                    void *bias_gradient, const void *x, const void *delta,
                                                    const uint8_t *switches, double scale, int accumulate,
                                                    const dualprop_step_numbers *step, void *weights, void *bias,
                                                    void *moments[4]);

/* ---- dyad.cu ---- */
dualprop_status dualprop__cuda_dyad_update(void *self, const dualprop_dyad *dyad);
dualprop_status dualprop__cuda_output_step(void *self, const dualprop_output *output);
/* ---- extended.cu ---- */
dualprop_status dualprop__cuda_extended_update(void *self, const dualprop_extended_update *update);
dualprop_status dualprop__cuda_output_proximal(void *self, const dualprop_output *output);

/* dyad.cu, inside another slot. */
dualprop_status dualprop__cuda_dyad(dualprop__cuda *self, const dualprop_dyad *dyad);
/* Can the device run the kernels this module has? */
dualprop_status dualprop__cuda_kernels_check(dualprop__cuda *self);

/* ---- sums.cu ---- */
dualprop_status dualprop__cuda_evaluate(void *self, int loss, const void *prediction, const void *target,
                                        int64_t rows, int64_t width, int k, double *sum, int64_t *correct,
                                        int64_t *top_k);
dualprop_status dualprop__cuda_compare(void *self, int64_t count, const void *x, const void *y, double sums[4]);
dualprop_status dualprop__cuda_max_abs(void *self, int64_t count, const void *x, double *max_abs);
/* to [columns] = scale * the sums of the columns of from [rows, columns] (+ to where accumulate). */
dualprop_status dualprop__cuda_column_sums(dualprop__cuda *self, float *to, const float *from, int64_t rows,
                                           int64_t columns, double scale, int accumulate);

/* ---- input.cu ---- */
dualprop_status dualprop__cuda_load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, const int32_t *augmentation, double *max_abs);
dualprop_status dualprop__cuda_fill_uniform(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                            uint64_t first);

/* ---- step_condition.cu ---- */
dualprop_status dualprop__cuda_gate_steps(void *self, const dualprop_step_condition *conditions, int count,
                                          double *rejected);

/* ---- learn.cu ---- */
dualprop_status dualprop__cuda_optimizer_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                              const void *g, void *moment1, void *moment2);

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
