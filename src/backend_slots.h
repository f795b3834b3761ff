/*
 * backend_slots.h - the slots of the backend table as lists, for tables whose slots hand the call on.
 *
 * X(RESULT, NAME, (PARAMETERS), (ARGUMENTS)), without the first parameter, void *self. Not in the lists are the slots
 * that every table has of its own: create, destroy, describe, release and synchronize, and those of devices.
 */
#ifndef DUALPROP_BACKEND_SLOTS_H
#define DUALPROP_BACKEND_SLOTS_H

/* Memory. */
#define DUALPROP__MEMORY_SLOTS(X)                                                                       \
    X(dualprop_status, allocate, (void **memory, size_t bytes), (memory, bytes))                        \
    X(dualprop_status, copy_in, (void *memory, const void *host, size_t bytes), (memory, host, bytes))  \
    X(dualprop_status, copy_out, (void *host, const void *memory, size_t bytes), (host, memory, bytes)) \
    X(dualprop_status, copy, (void *to, const void *from, size_t bytes), (to, from, bytes))             \
    X(dualprop_status, fill_zero, (void *memory, size_t bytes), (memory, bytes))

/* The layout of dense weights. */
#define DUALPROP__LAYOUT_SLOTS(X)                                                                         \
    X(int64_t, weight_elements, (int64_t inputs, int64_t outputs), (inputs, outputs))                     \
    X(dualprop_status, write_weights, (void *weights, const void *host, int64_t inputs, int64_t outputs), \
      (weights, host, inputs, outputs))                                                                   \
    X(dualprop_status, read_weights, (void *host, const void *weights, int64_t inputs, int64_t outputs),  \
      (host, weights, inputs, outputs))

/* Everything that computes. */
#define DUALPROP__COMPUTING_SLOTS(X)                                                                                   \
    X(int64_t, dense_workspace, (int64_t batch, int64_t inputs, int64_t outputs), (batch, inputs, outputs))            \
    X(dualprop_status, dense_bottom_up,                                                                                \
      (const dualprop_dense *shape, void *a, const void *x, const void *weights, const void *bias,                     \
       const dualprop_dyad *dyad),                                                                                     \
      (shape, a, x, weights, bias, dyad))                                                                              \
    X(dualprop_status, dense_top_down,                                                                                 \
      (const dualprop_dense *shape, void *top_down, const void *delta, const void *weights,                            \
       const dualprop_dyad *dyad),                                                                                     \
      (shape, top_down, delta, weights, dyad))                                                                         \
    X(dualprop_status, dense_gradient,                                                                                 \
      (const dualprop_dense *shape, void *gradient, void *bias_gradient, const void *x, const void *delta,             \
       double scale, int accumulate, const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4]),  \
      (shape, gradient, bias_gradient, x, delta, scale, accumulate, step, weights, bias, moments))                     \
    X(dualprop_status, dyad_update, (const dualprop_dyad *dyad), (dyad))                                               \
    X(dualprop_status, output_step, (const dualprop_output *output), (output))                                         \
    X(dualprop_status, evaluate,                                                                                       \
      (int loss, const void *prediction, const void *target, int64_t rows, int64_t width, int k, double *sum,          \
       int64_t *correct, int64_t *top_k),                                                                              \
      (loss, prediction, target, rows, width, k, sum, correct, top_k))                                                 \
    X(dualprop_status, load_input,                                                                                     \
      (void *x, const dualprop_view *input, const double *mean, const double *deviation, const int32_t *augmentation,  \
       double *max_abs),                                                                                               \
      (x, input, mean, deviation, augmentation, max_abs))                                                              \
    X(dualprop_status, optimizer_step,                                                                                 \
      (const dualprop_step_numbers *step, int64_t count, void *w, const void *g, void *moment1, void *moment2),        \
      (step, count, w, g, moment1, moment2))                                                                           \
    X(dualprop_status, compare, (int64_t count, const void *x, const void *y, double sums[4]), (count, x, y, sums))    \
    X(dualprop_status, max_abs, (int64_t count, const void *x, double *max_abs), (count, x, max_abs))                  \
    X(dualprop_status, fill_uniform, (void *x, int64_t count, uint64_t seed, uint64_t stream, uint64_t first),         \
      (x, count, seed, stream, first))                                                                                 \
    X(dualprop_status, extended_update, (const dualprop_extended_update *update), (update))                            \
    X(dualprop_status, output_proximal, (const dualprop_output *output), (output))                                     \
    X(int64_t, convolution_weight_elements, (const dualprop_convolution *shape), (shape))                              \
    X(dualprop_status, write_convolution_weights,                                                                      \
      (const dualprop_convolution *shape, void *weights, const void *host), (shape, weights, host))                    \
    X(dualprop_status, read_convolution_weights, (const dualprop_convolution *shape, void *host, const void *weights), \
      (shape, host, weights))                                                                                          \
    X(int64_t, convolution_workspace, (const dualprop_convolution *shape), (shape))                                    \
    X(int64_t, convolution_cache, (const dualprop_convolution *shape), (shape))                                        \
    X(dualprop_status, convolution_prepare, (const dualprop_convolution *shape, const void *weights),                  \
      (shape, weights))                                                                                                \
    X(dualprop_status, convolution_bottom_up,                                                                          \
      (const dualprop_convolution *shape, void *a, uint8_t *switches, const void *x, const void *weights,              \
       const void *bias, const dualprop_dyad *dyad),                                                                   \
      (shape, a, switches, x, weights, bias, dyad))                                                                    \
    X(dualprop_status, convolution_top_down,                                                                           \
      (const dualprop_convolution *shape, void *top_down, const void *delta, const uint8_t *switches,                  \
       const void *weights, const dualprop_dyad *dyad),                                                                \
      (shape, top_down, delta, switches, weights, dyad))                                                               \
    X(dualprop_status, convolution_gradient,                                                                           \
      (const dualprop_convolution *shape, void *gradient, void *bias_gradient, const void *x, const void *delta,       \
       const uint8_t *switches, double scale, int accumulate, const dualprop_step_numbers *step, void *weights,        \
       void *bias, void *moments[4]),                                                                                  \
      (shape, gradient, bias_gradient, x, delta, switches, scale, accumulate, step, weights, bias, moments))

/* A list without its parentheses: DUALPROP__LIST (int x, int y) is int x, int y. */
#define DUALPROP__LIST(...) __VA_ARGS__

#endif
