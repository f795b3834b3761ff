/*
 * dualprop/backend.h - the table behind which all arithmetic happens.
 *
 * A backend is one constant table of functions. The library fills every optional slot that is NULL from the reference
 * backend where memory is host memory (flag DUALPROP_BACKEND_HOST_MEMORY), so a new backend starts with a few slots.
 * The table is append-only: struct_size says how much of it there is, api which meaning the slots have.
 *
 * Arrays are contiguous, row-major, of the instance's type ("real" below), in memory from the allocate slot. Weights
 * live in a layout of the backend's own; write_weights and read_weights convert from and to [inputs, outputs]. Moments
 * and gradients of weights have that same layout, so that the optimizer runs over them as they lie.
 *
 * The same-bits promise: a slot's result may depend on shapes and the instance's level, never on the number of threads.
 *
 * Threads: slots may be called from several threads at once, on different arrays.
 */
#ifndef DUALPROP_BACKEND_H
#define DUALPROP_BACKEND_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this table's meaning. */
#define DUALPROP_BACKEND_API 1
/** The one symbol of a backend module: const dualprop_backend *dualprop_backend_entry(void). */
#define DUALPROP_BACKEND_ENTRY "dualprop_backend_entry"

/** Flag: the instance's memory is ordinary host memory. */
#define DUALPROP_BACKEND_HOST_MEMORY 1u

/**
 * What has to hold of a layer for a learning step to be made. With p the greater of *start and *peak, and q the same of
 * the guard before this one in its array (0 for the first): *start and p are finite, p <= limit max(1, *start), and
 * 2 p max(1, q) / |beta| <= largest.
 */
typedef struct dualprop_guard {
    const double *start, *peak; /**< places that slots of this stretch were given */
    double limit, beta;
    double largest;             /**< may differ from one stretch to the next while all else comes again */
} dualprop_guard;

/** What a backend gets from the library. Valid as long as the instance. */
typedef struct dualprop_host {
    uint64_t struct_size;
    void *user_data;
    void *(*allocate)(void *user_data, size_t size, size_t alignment);
    void (*release)(void *user_data, void *pointer, size_t size);
    /** Run task(argument, i) for i in 0..count-1 on the context's threads; returns when all are done. */
    void (*parallel_for)(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count);
    /** How many tasks run at once, at most. */
    int (*threads)(void *user_data);
    void (*log)(void *user_data, int level, const char *component, const char *message);
    /** Set the calling thread's last error and return status. */
    dualprop_status (*fail)(void *user_data, dualprop_status status, const char *sentence);
    int32_t numerics;      /**< DUALPROP_NUMERICS_...: how products of f32 may be computed */
    int32_t deterministic; /**< 1: the same bits in every run, whatever it costs */
    int32_t device;        /**< which device, where there are several */
    int32_t reserved;
} dualprop_host;

/** One learning step's numbers, the same for every element; c = 1 - beta^t of Adam is already in the two scales. */
typedef struct dualprop_step_numbers {
    int32_t kind;          /**< DUALPROP_SGD, _ADAM, _ADAMW */
    int32_t reserved;
    double learning_rate;  /**< of this layer and step */
    double momentum;       /**< SGD */
    double beta1, beta2;   /**< Adam: decay of the moments */
    double epsilon;        /**< Adam */
    double scale1, scale2; /**< Adam: 1/(1 - beta1^t), 1/(1 - beta2^t) */
    double weight_decay;   /**< coupled (SGD, Adam) or apart (AdamW) */
    double gradient_scale; /**< multiplies the gradient first (clipping); 1 = none */
} dualprop_step_numbers;

/**
 * An elementwise dyad update of a hidden layer, in one pass over memory (Eq. 2, 19):
 *     s+ = f(a + gain_plus * top_down),  s- = f(a - gain_minus * top_down),
 *     mean = alpha s+ + (1 - alpha) s-,  delta = s+ - s-  (formed without cancellation)
 * or with derivative set (back-propagation): mean = f(a), delta = f'(a) * top_down.
 * top_down NULL means zero: mean = f(a), delta = 0 (delta not written where its pointer is NULL).
 *
 * With DUALPROP_SOFTMAX the arrays are count / width rows, and f and its Jacobian belong to each row as a whole. The
 * fused slots never get it: it comes to dyad_update alone, after the product.
 */
typedef struct dualprop_dyad {
    int32_t activation;
    int32_t derivative;
    double gain_plus, gain_minus, alpha;
    int64_t count;        /**< elements */
    const void *a;        /**< [count] */
    const void *top_down; /**< [count] or NULL */
    void *mean;           /**< [count]; NULL: not wanted (it cannot have changed) */
    void *delta;          /**< [count] or NULL */
    double *peak;         /**< receives max |s+|, |s-| (|f(a)|, |delta| in back-propagation); NaN where one is NaN */
    double *change;       /**< NULL, or receives max |new s+- minus old|; mean and delta hold the old ones */
    double old_alpha;     /**< the alpha under which the old mean and delta were formed */
    int64_t width;        /**< of a row, for softmax */
} dualprop_dyad;

/** The output layer's step. Row b of count rows of width elements. */
typedef struct dualprop_output {
    int32_t loss;       /**< DUALPROP_MSE, _CROSS_ENTROPY */
    int32_t exact;      /**< DUALPROP_OUTPUT_...: of DP, Eq. 3 and Eq. 67, 68 (squared error in output_step) */
    int32_t derivative; /**< back-propagation: mean = a, delta = -g */
    int32_t reserved;
    double gain_plus, gain_minus, alpha, beta;
    int64_t rows, width;
    const void *a;      /**< [rows, width] */
    const void *at;     /**< where g is taken: a itself, or the first prediction */
    const void *target; /**< [rows, width] */
    void *mean, *delta; /**< [rows, width] */
    double *peak;       /**< as in dualprop_dyad */
    double *change;     /**< as in dualprop_dyad, or NULL */
    double old_alpha;
    void *workspace;    /**< output_proximal: 7 * width doubles, aligned to 64; else NULL */
} dualprop_output;

/**
 * A dyad update with everything a rule can ask for. With T = top_down + top_down_noise * noise_down,
 *
 *     s+' = f((a + c+ T + damping s+)/(1 + damping)),   s-' = f((a - c- T + damping s-)/(1 + damping)),
 *     or, straight,  s+' = f(a) + c+ T,   s-' = f(a) - c- T;
 *     s+- += time_step (s+-' - s+-);   s+- += state_noise * noise_plus, noise_minus;
 *     s+- are rounded to multiples of quantum (halves to even ones) and cut to [-range, range], where quantum > 0;
 *
 * then emitted = f'(a) delta where wanted. c+ = strength alpha_i and c- = strength (1 - alpha_i), or the other way round
 * (adjoint); for an output layer's step on squared error, of which top_down holds -beta loss'(a), they are divided by
 * 1 + alpha_i beta and 1 - (1 - alpha_i) beta (EXACT), or both by 1 + (2 alpha_i - 1) beta (SPROVR).
 * An element whose number in uniform is not below fraction keeps its mean and delta.
 */
typedef struct dualprop_dyad_general {
    int32_t activation;
    int32_t straight, adjoint;
    int32_t output_step;        /**< DUALPROP_OUTPUT_...; LINEAR for hidden layers */
    double alpha, strength, beta;
    double damping, time_step, fraction;
    double top_down_noise, state_noise; /**< standard deviations */
    double quantum, range;
    int64_t rows, width;
    const void *alphas;         /**< [width], of each neuron; NULL: alpha for all */
    const void *a;              /**< [rows, width] */
    const void *top_down;       /**< [rows, width] or NULL, which means zero */
    const void *uniform;        /**< [rows, width] in (0, 1), or NULL: all update */
    const void *noise_plus, *noise_minus, *noise_down; /**< [rows, width] normal, or NULL: zero */
    void *mean, *delta;         /**< [rows, width]: the old ones, replaced by the new */
    int32_t delta_is_zero, reserved; /**< 1: the old delta is zero, whatever its memory holds */
    void *emitted;              /**< [rows, width] or NULL */
    double *peak, *change;      /**< as in dualprop_dyad; change may be NULL */
} dualprop_dyad_general;

/** The three directions of a dense layer. */
typedef struct dualprop_dense {
    int64_t batch, inputs, outputs;
    void *workspace; /**< of dense_workspace bytes, aligned to 64 */
} dualprop_dense;

/**
 * A convolutional layer: the linear map  x -> convolution (+ bias) -> pooling, in its three directions.
 *
 * Arrays are NHWC: x (batch, height, width, channels), the map before pooling (batch, map_height, map_width, outputs),
 * a and delta (batch, pooled_height, pooled_width, outputs); without pooling the pooled extents are the map's. The host
 * array of weights is [kernel_height, kernel_width, channels, outputs]; for a locally connected layer, which has weights
 * of its own at each place, [map_height, map_width, kernel_height, kernel_width, channels, outputs]. The bias is
 * [outputs], or [map_height, map_width, outputs]; it is added before pooling.
 *
 * The layout of weights and what a cache holds follow from the shape without batch and pooling: the core uses one and the
 * same for every batch up to the capacity of a state, and for the map without its pooling too.
 *
 * Padding is zeros, the same before and behind. Windows that do not fit drop the rest: map_height is
 * floor((height + 2 padding_height - kernel_height) / stride_height) + 1, and pooling likewise without padding.
 *
 * Max pooling keeps, for each element of a, the place of the greatest element in its window: switches
 * (batch, pooled_height, pooled_width, outputs) of bytes, row * window_width + column in the window, the first of
 * equals. Going down and in the gradient delta passes through them to that place alone (to all places of the window,
 * divided by their number, in average pooling; windows that overlap add).
 */
typedef struct dualprop_convolution {
    int32_t kind;    /**< DUALPROP_LAYER_CONVOLUTION or DUALPROP_LAYER_LOCAL */
    int32_t pooling; /**< DUALPROP_POOL_NONE, _MAX or _AVERAGE */
    int64_t batch, height, width, channels, outputs;
    int64_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
    int64_t map_height, map_width;
    int64_t window_height, window_width, window_stride_height, window_stride_width; /**< of pooling; the window <= 256 */
    int64_t pooled_height, pooled_width;
    void *workspace; /**< of convolution_workspace bytes, aligned to 64; free between calls */
    void *cache;     /**< of convolution_cache bytes, aligned to 64; as convolution_prepare left it */
} dualprop_convolution;

/**
 * The backend table. Where memory is not host memory every slot up to fill_uniform is required. On host memory every
 * slot from allocate on may be NULL, and the reference backend does it: allocate and release together, the three slots
 * for the layout of weights together, the nine for convolutions together, and with a layout of its own a backend needs
 * all four dense slots.
 */
typedef struct dualprop_backend {
    uint64_t struct_size; /**< sizeof(dualprop_backend) */
    uint32_t api;         /**< DUALPROP_BACKEND_API */
    uint32_t flags;       /**< DUALPROP_BACKEND_HOST_MEMORY */
    const char *name;     /**< "reference", "blis", ... */

    /** Make an instance for one type and level; *self is handed to every slot. NO_BACKEND, NO_DEVICE: not here. */
    dualprop_status (*create)(void **self, const dualprop_host *host, int type, int level);
    void (*destroy)(void *self);
    /** Describe the instance in a few words for people ("AVX-512, skx micro-kernels 32x12, BLIS 0.9.0, f32"). */
    void (*describe)(void *self, char *buffer, size_t size);

    /* Memory. Aligned to 64 bytes. NULL on host memory: the host's allocator and memcpy. */
    dualprop_status (*allocate)(void *self, void **memory, size_t bytes);
    void (*release)(void *self, void *memory, size_t bytes);
    dualprop_status (*copy_in)(void *self, void *memory, const void *host, size_t bytes);
    dualprop_status (*copy_out)(void *self, void *host, const void *memory, size_t bytes);
    dualprop_status (*copy)(void *self, void *to, const void *from, size_t bytes);
    dualprop_status (*fill_zero)(void *self, void *memory, size_t bytes);
    dualprop_status (*synchronize)(void *self);

    /* Layout of dense weights. NULL, all three together: [inputs, outputs] as it is. */
    int64_t (*weight_elements)(void *self, int64_t inputs, int64_t outputs); /**< in the backend's layout, padding in */
    dualprop_status (*write_weights)(void *self, void *weights, const void *host, int64_t inputs, int64_t outputs);
    dualprop_status (*read_weights)(void *self, void *host, const void *weights, int64_t inputs, int64_t outputs);

    /** Bytes of workspace the three dense slots need for this shape; 0 is fine. */
    int64_t (*dense_workspace)(void *self, int64_t batch, int64_t inputs, int64_t outputs);
    /** a [batch, outputs] = x [batch, inputs] W + bias, which may be NULL for none; then, where dyad is given, the dyad update of a. */
    dualprop_status (*dense_bottom_up)(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad);
    /** top_down [batch, inputs] = delta [batch, outputs] W^T; then, where dyad is given, the dyad update with it. */
    dualprop_status (*dense_top_down)(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad);
    /**
     * gradient = scale * x^T delta (+ gradient where accumulate), bias_gradient the column sums likewise; then, where
     * step is given, the learning step on weights, bias and moments instead (accumulate is 0; the gradients are NULL
     * then, or memory that may be used on the way).
     */
    dualprop_status (*dense_gradient)(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4]);

    /** See dualprop_dyad. */
    dualprop_status (*dyad_update)(void *self, const dualprop_dyad *dyad);
    /** See dualprop_output. */
    dualprop_status (*output_step)(void *self, const dualprop_output *output);
    /**
     * Summed loss of predictions [rows, width] against targets; how many rows have the target's class (its greatest
     * value, the first of equals) as their greatest, and among their k greatest. A class counts as beaten by every
     * strictly greater value, and by equal values before it.
     */
    dualprop_status (*evaluate)(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k);
    /**
     * Rows of input into reals: type f32, f64 or u8, strides in elements ((rows, height, width, channels) in
     * shape); bytes become (value/255 - mean[c]) / deviation[c]. peak receives max |x|, NaN where one is NaN.
     * moves is NULL, or host memory with three numbers a row of input: rows down, columns right, and 1 to mirror left
     * and right (else 0). The image is mirrored first, then shifted; what comes in at the edges is 0, not normalised.
     */
    dualprop_status (*load_input)(void *self, void *x, const dualprop_view *input, const double *mean,
                                  const double *deviation, const int32_t *moves, double *peak);
    /** One learning step over count elements: w, g, and the moments the kind has (SGD 1, Adam 2). */
    dualprop_status (*optimizer_step)(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                      const void *g, void *moment1, void *moment2);
    /** sums[0] = x.y, sums[1] = x.x, sums[2] = y.y, sums[3] = |x - y|^2 in double; y may be x. */
    dualprop_status (*compare)(void *self, int64_t count, const void *x, const void *y, double sums[4]);
    /** max |x|, NaN where one is NaN. */
    dualprop_status (*max_abs)(void *self, int64_t count, const void *x, double *peak);
    /** Uniform numbers in (0, 1): Philox 4x32-10, key = seed, counter = (first + i)/4 and stream; see src/math. */
    dualprop_status (*fill_uniform)(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                    uint64_t first);

    /*
     * Convolutions. Nine slots that come together; NULL on host memory: the reference backend's. Elsewhere NULL means
     * that networks with such layers are refused (UNSUPPORTED). See dualprop_convolution.
     */

    /** Elements of the weights in the backend's layout, padding included; -1 where the shape is beyond the backend. */
    int64_t (*convolution_weight_elements)(void *self, const dualprop_convolution *shape);
    dualprop_status (*write_convolution_weights)(void *self, const dualprop_convolution *shape, void *weights,
                                                 const void *host);
    dualprop_status (*read_convolution_weights)(void *self, const dualprop_convolution *shape, void *host,
                                                const void *weights);
    /** Bytes of workspace and of cache, for batches up to shape->batch; 0 is fine, -1 is beyond the backend. */
    int64_t (*convolution_workspace)(void *self, const dualprop_convolution *shape);
    int64_t (*convolution_cache)(void *self, const dualprop_convolution *shape);
    /**
     * Derive from the weights what is worth keeping until they change, into shape->cache. Called before the first of
     * the next two slots whenever the weights have changed; a state has a cache of its own for each layer.
     */
    dualprop_status (*convolution_prepare)(void *self, const dualprop_convolution *shape, const void *weights);
    /** a = pool(W x + bias), bias NULL for none, switches written (NULL unless max pooling); then the dyad update of a where given. */
    dualprop_status (*convolution_bottom_up)(void *self, const dualprop_convolution *shape, void *a,
                                             uint8_t *switches, const void *x, const void *weights, const void *bias,
                                             const dualprop_dyad *dyad);
    /** top_down (batch, height, width, channels) = W^T unpool(delta); then the dyad update with it where given. */
    dualprop_status (*convolution_top_down)(void *self, const dualprop_convolution *shape, void *top_down,
                                            const void *delta, const uint8_t *switches, const void *weights,
                                            const dualprop_dyad *dyad);
    /** As dense_gradient, with unpool(delta) for delta. */
    dualprop_status (*convolution_gradient)(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4]);

    /*
     * Devices. Three slots that may be NULL; the last two come together.
     */

    /** Put all later work into the caller's stream (a cudaStream_t), or with NULL into the instance's own. */
    dualprop_status (*set_stream)(void *self, void *stream);
    /**
     * From here to end_deferred the calling thread needs no numbers: slots may be put off, and peak and change of the
     * dyad, output and input slots may be written by end_deferred only, each the greatest of all the calls that named
     * that place. Slots that return other numbers or copy to the host still do it at once.
     */
    dualprop_status (*begin_deferred)(void *self);
    /** Do what was put off and write what it gives; with discard set, or on failure, neither need be done. */
    dualprop_status (*end_deferred)(void *self, int discard);

    /*
     * The rarer options of rules, two slots that come together; NULL on host memory: the reference backend's. Elsewhere
     * NULL means that rules with such options are refused (UNSUPPORTED).
     */

    /** See dualprop_dyad_general. */
    dualprop_status (*dyad_general)(void *self, const dualprop_dyad_general *update);
    /**
     * The exact step (Eq. 3) or SPROVR's (Eq. 63-68) of cross-entropy: mean and delta of
     * s+ = argmin alpha beta loss(s) + 1/2 ||s - a||^2 and s- the same with -(1 - alpha) beta; or of
     * mean = a - (2 alpha - 1) beta loss'(mean), delta = -beta loss'(mean). Solved to rounding.
     */
    dualprop_status (*output_proximal)(void *self, const dualprop_output *output);

    /*
     * Devices again; may be NULL, and then the library looks itself, between an inference and its learning step.
     */

    /**
     * Inside a deferred stretch, once: learning steps asked for from here to its end (by optimizer_step or the gradient
     * slots) are made only where all guards hold for what the slots before have found; else parameters and moments stay
     * as they are. end_deferred writes 0 to *refused, or 1 where they were not made. Where that is known at once it is
     * written at once, and no steps may be asked for after a 1.
     */
    dualprop_status (*guard_steps)(void *self, const dualprop_guard *guards, int count, double *refused);
} dualprop_backend;

#ifdef __cplusplus
}
#endif

#endif
