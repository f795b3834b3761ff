/**
 * @file
 * dualprop/backend.h - the table of functions that do all arithmetic.
 *
 * A backend is one constant table of functions. If its memory is host memory (flag DUALPROP_BACKEND_HOST_MEMORY), the
 * library replaces every optional slot that is NULL by the built-in CPU backend's, so a new backend starts with a few
 * slots. A table may also be a copy of dualprop_backend_builtin() with some slots replaced.
 *
 * Some slots are fused, one pass over memory for two steps:
 *
 *     dense_bottom_up, dense_top_down, convolution_bottom_up, convolution_top_down   a product, then dyad_update
 *     dense_gradient, convolution_gradient                                           a gradient, then optimizer_step
 *
 * If dyad_update or optimizer_step of a table is the caller's own, built-in slots are called without it (dyad or step
 * is NULL), and the caller's slot is called after them. The caller's own products and gradients are passed dyad and
 * step, unless the table has the flag DUALPROP_BACKEND_UNFUSED; then they too are called without.
 * The table is append-only: struct_size says how many slots it has, api which meaning they have.
 *
 * Arrays are contiguous, row-major, of the instance's type ("real" below), in memory from the allocate slot. The
 * backend chooses the layout of weights; write_weights and read_weights convert from and to [inputs, outputs]. Moments
 * and gradients of weights have the same layout, so that the optimizer can process them without converting.
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
/** The symbol that a backend module exports: const dualprop_backend *dualprop_backend_entry(void). */
#define DUALPROP_BACKEND_ENTRY "dualprop_backend_entry"

/** Flag: the instance's memory is ordinary host memory. */
#define DUALPROP_BACKEND_HOST_MEMORY 1u
/** Flag: the table's own products and gradients are never passed a dyad or a step; those slots are called later. */
#define DUALPROP_BACKEND_UNFUSED 2u

/**
 * A condition on one layer for a learning step. With p the larger of *start and *max_abs, and q the same of the
 * previous condition in the array (0 for the first): *start and p are finite, p <= limit max(1, *start), and
 * 2 p max(1, q) / |beta| <= largest.
 */
typedef struct dualprop_step_condition {
    const double *start, *max_abs; /**< outputs passed to slots of this deferred section */
    double limit, beta;            /**< the divergence limit, and the layer's beta */
    double largest;                /**< may change between sections in which all other work is the same */
} dualprop_step_condition;

/** The functions and options that the library passes to a backend. Valid as long as the instance. */
typedef struct dualprop_host {
    uint64_t struct_size; /**< sizeof(dualprop_host) */
    void *user_data;      /**< to pass to each function */
    /** Return size > 0 bytes of host memory aligned to alignment (a power of two), or NULL. */
    void *(*allocate)(void *user_data, size_t size, size_t alignment);
    void (*release)(void *user_data, void *pointer, size_t size); /**< Release memory that allocate returned. */
    /** Run task(argument, i) for i in 0..count-1 on the context's threads; returns when all are done. */
    void (*parallel_for)(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count);
    /** Return the largest number of tasks that run at once. */
    int (*threads)(void *user_data);
    /** Send a log message, with DUALPROP_LOG_... as the level. */
    void (*log)(void *user_data, int level, const char *component, const char *message);
    /** Set the calling thread's last error and return status. */
    dualprop_status (*fail)(void *user_data, dualprop_status status, const char *sentence);
    int32_t numerics; /**< DUALPROP_NUMERICS_...: how products of f32 may be computed */
    int32_t autotune; /**< 1: algorithms may be chosen by timing; 0: two runs have the same bits */
    int32_t device;   /**< which device, if there are several */
    int32_t reserved; /**< 0 */
} dualprop_host;

/** The numbers of one learning step, the same for every element; Adam's 1 - beta^t is included in the two scales. */
typedef struct dualprop_step_numbers {
    int32_t kind;          /**< DUALPROP_SGD, _ADAM, _ADAMW, _PLAIN_SGD */
    int32_t reserved;      /**< 0 */
    double learning_rate;  /**< of this layer and step */
    double momentum;       /**< SGD */
    double beta1, beta2;   /**< Adam: decay of the moments */
    double epsilon;        /**< Adam */
    double scale1, scale2; /**< Adam: 1/(1 - beta1^t), 1/(1 - beta2^t) */
    double weight_decay;   /**< coupled (SGD, Adam) or decoupled (AdamW) */
    double gradient_scale; /**< multiplies the gradient first (clipping); 1 = none */
} dualprop_step_numbers;

/**
 * An elementwise dyad update of a hidden layer, in one pass over memory (Eq. 2, 19):
 *     s+ = f(a + gain_plus * top_down),  s- = f(a - gain_minus * top_down),
 *     mean = alpha s+ + (1 - alpha) s-,  delta = s+ - s-  (without cancellation)
 * or with derivative set (back-propagation): mean = f(a), delta = f'(a) * top_down.
 * top_down NULL means zero: mean = f(a), delta = 0 (not written if the pointer delta is NULL).
 *
 * Layers with an activation of the caller's (dualprop/custom.h) are never passed to a slot.
 *
 * With DUALPROP_SOFTMAX the arrays are count / width rows, and f and its Jacobian act on each row as a whole. It is
 * passed to dyad_update only, after the product, and never to the fused slots.
 *
 * Slots take it as `const dualprop_dyad *` and return their results through its pointers: mean, delta, max_abs and
 * change point to memory that the slot writes. Only the struct itself is const, and it is borrowed for the call. On a
 * device, mean and delta are written in the order of the stream, and within a deferred section max_abs and change are
 * valid only after end_deferred; so the memory that the pointers refer to must outlive the call.
 */
typedef struct dualprop_dyad {
    int32_t activation;                  /**< DUALPROP_IDENTITY ... DUALPROP_SOFTMAX */
    int32_t derivative;                  /**< 1: back-propagation */
    double gain_plus, gain_minus, alpha; /**< c+ and c- of the equations above, and the weight of s+ in mean */
    int64_t count;                       /**< elements */
    const void *a;                       /**< [count] */
    const void *top_down;                /**< [count] or NULL */
    void *mean;                          /**< [count]; NULL: not needed (it cannot have changed) */
    void *delta;                         /**< [count] or NULL */
    double *max_abs;  /**< receives max |s+|, |s-| (|f(a)|, |delta| in back-propagation); NaN if one is NaN */
    double *change;   /**< NULL, or receives max |new s+- minus old|; mean and delta hold the old ones */
    double old_alpha; /**< the alpha by which the old mean and delta are read as s+- for change */
    int64_t width;    /**< of a row, for softmax */
} dualprop_dyad;

/** The output layer's step, for [rows, width] elements. Results are returned through pointers, as in dualprop_dyad. */
typedef struct dualprop_output {
    int32_t loss;       /**< DUALPROP_MSE, _CROSS_ENTROPY */
    int32_t exact;      /**< DUALPROP_OUTPUT_...: of DP, Eq. 3 and Eq. 67, 68 (squared error in output_step) */
    int32_t derivative; /**< back-propagation: mean = a, delta = -g */
    int32_t reserved;   /**< 0 */
    double gain_plus, gain_minus, alpha, beta; /**< c+ and c-, the weight of s+ in mean, the nudge's strength */
    int64_t rows, width;                       /**< samples and outputs */
    const void *a;                             /**< [rows, width] */
    const void *at;                            /**< where g is evaluated: a itself, or the first prediction */
    const void *target;                        /**< [rows, width] */
    void *mean, *delta;                        /**< [rows, width]; written */
    double *max_abs;                           /**< as in dualprop_dyad */
    double *change;                            /**< as in dualprop_dyad, or NULL */
    double old_alpha;                          /**< as in dualprop_dyad */
    void *workspace;                           /**< output_proximal: 7 * width doubles, aligned to 64; else NULL */
} dualprop_output;

/**
 * A dyad update with all optional rule features. With T = top_down + top_down_noise * noise_down,
 *
 *     s+' = f((a + c+ T + damping s+)/(1 + damping)),   s-' = f((a - c- T + damping s-)/(1 + damping)),
 *     or, straight,  s+' = f(a) + c+ T,   s-' = f(a) - c- T;
 *     s+- += time_step (s+-' - s+-);   s+- += state_noise * noise_plus, noise_minus;
 *     if quantum > 0, s+- are rounded to multiples of quantum (ties to even) and clipped to [-range, range];
 *
 * then error_signal = f'(a) delta, if error_signal is not NULL. With r = beta_ratio, c+ = r alpha_i and
 * c- = r (1 - alpha_i), or vice versa with adjoint. For an output layer's step on squared error, top_down holds
 * -beta loss'(a), and they are divided by 1 + alpha_i beta and 1 - (1 - alpha_i) beta (EXACT), or both by
 * 1 + (2 alpha_i - 1) beta (SPROVR).
 * An element whose number in uniform is not below fraction keeps its mean and delta, and so does one whose neuron has a
 * 0 in listens. With gains_plus and gains_minus, c+ and c- are r times those (never with output_step EXACT or SPROVR).
 * Results are returned through pointers, as in dualprop_dyad.
 */
typedef struct dualprop_extended_update {
    int32_t activation;             /**< elementwise: not DUALPROP_SOFTMAX */
    int32_t straight, adjoint;      /**< 1: the second form above; 1: c+ and c- are exchanged */
    int32_t output_step;            /**< DUALPROP_OUTPUT_...; LINEAR for hidden layers */
    double alpha, beta_ratio, beta; /**< of the layer; beta_ratio = beta_k / beta_{k+1}, signed (rho at the input) */
    double damping, time_step, fraction; /**< D_k, the leaky step, and the fraction of neurons that are updated */
    double top_down_noise, state_noise;  /**< standard deviations */
    double quantum, range;               /**< of quantization; quantum 0: none */
    int64_t rows, width;                 /**< samples and neurons */
    const void *alphas;                  /**< [width], alpha_i of each neuron; NULL: alpha for all */
    const void *a;                       /**< [rows, width] */
    const void *top_down;                /**< [rows, width] or NULL, which means zero */
    const void *uniform;                 /**< [rows, width] in (0, 1), or NULL: all update */
    const void *noise_plus, *noise_minus, *noise_down; /**< [rows, width] normal, or NULL: zero */
    void *mean, *delta;                                /**< [rows, width]: the old ones, replaced by the new */
    int32_t delta_is_zero, reserved;                   /**< 1: treat the old delta as zero and do not read it */
    void *error_signal;                                /**< [rows, width] or NULL */
    double *max_abs, *change;                          /**< as in dualprop_dyad; change may be NULL */
    const void *gains_plus, *gains_minus; /**< [width] or NULL: c+ and c- of each neuron before beta_ratio */
    const void *listens;                  /**< [width] of 0 and 1, or NULL: all update */
} dualprop_extended_update;

/** The three directions of a dense layer. */
typedef struct dualprop_dense {
    int64_t batch, inputs, outputs; /**< samples, and elements of a sample below and above */
    void *workspace;                /**< of dense_workspace bytes, aligned to 64 */
    /** Bytes of workspace; 0: unknown. They were asked for when the host may have had fewer threads than now. */
    int64_t workspace_bytes;
} dualprop_dense;

/**
 * A convolutional layer: the linear map  x -> convolution (+ bias) -> pooling, in its three directions.
 *
 * Arrays are NHWC: x (batch, height, width, channels), the map before pooling (batch, map_height, map_width, outputs),
 * a and delta (batch, pooled_height, pooled_width, outputs); without pooling the pooled extents are the map's. The host
 * array of weights is [kernel_height, kernel_width, channels, outputs]; for a locally connected layer, which has
 * separate weights at each position, [map_height, map_width, kernel_height, kernel_width, channels, outputs]. The bias
 * is [outputs], or [map_height, map_width, outputs]; it is added before pooling.
 *
 * The layout of weights and the contents of a cache depend on the shape without batch and pooling: the core uses the
 * same ones for every batch up to the capacity of a state, and also for the map without its pooling.
 *
 * The image is padded with the same number of zeros on both sides. Windows that do not fit are dropped: map_height is
 * floor((height + 2 padding_height - kernel_height) / stride_height) + 1; pooling has the same formula without padding.
 *
 * Max pooling stores, for each element of a, the position of the largest element in its window: switches
 * (batch, pooled_height, pooled_width, outputs) of bytes, row * window_width + column in the window, the first of
 * equals. Top-down and in the gradient, delta is routed to that position only. With average pooling it goes to all
 * positions of the window, divided by their number. Contributions of overlapping windows add up.
 */
typedef struct dualprop_convolution {
    int32_t kind;                                      /**< DUALPROP_LAYER_CONVOLUTION or DUALPROP_LAYER_LOCAL */
    int32_t pooling;                                   /**< DUALPROP_POOL_NONE, _MAX or _AVERAGE */
    int64_t batch, height, width, channels, outputs;   /**< samples, the image below, and the channels of the map */
    int64_t kernel_height, kernel_width;               /**< the kernel */
    int64_t stride_height, stride_width;               /**< its strides */
    int64_t padding_height, padding_width;             /**< rows and columns of zeros on each side */
    int64_t map_height, map_width;                     /**< the map before pooling */
    int64_t window_height, window_width;               /**< of pooling; at most 256 positions */
    int64_t window_stride_height, window_stride_width; /**< of pooling */
    int64_t pooled_height, pooled_width;               /**< the map after pooling */
    void *workspace; /**< of convolution_workspace bytes, aligned to 64; not in use between calls */
    void *cache;     /**< of convolution_cache bytes, aligned to 64; as convolution_prepare left it */
} dualprop_convolution;

/**
 * The backend table. If memory is not host memory, every slot up to fill_uniform is required. On host memory every slot
 * from allocate on may be NULL, and the built-in backend's is used. The slots of a group are NULL together: allocate
 * and release, the three slots for the layout of weights, and the nine for convolutions. A backend with its own layout
 * needs all four dense slots. Without one, its dense products read weights as [inputs, outputs]; built-in products
 * beside them then convert the weights at each call.
 */
typedef struct dualprop_backend {
    uint64_t struct_size; /**< sizeof(dualprop_backend) */
    uint32_t api;         /**< DUALPROP_BACKEND_API */
    uint32_t flags;       /**< DUALPROP_BACKEND_HOST_MEMORY */
    const char *name;     /**< "reference", "blis", ... */

    /** Create an instance for one type and level, passed to every slot. NO_BACKEND, NO_DEVICE: not available. */
    dualprop_status (*create)(void **self, const dualprop_host *host, int type, int level);
    void (*destroy)(void *self); /**< Destroy an instance. */
    /** Describe the instance in a few words for people ("AVX-512, skx micro-kernels 32x12, BLIS 0.9.0, f32"). */
    void (*describe)(void *self, char *buffer, size_t size);

    /* Memory, aligned to 64 bytes. NULL on host memory: the host's allocator and memcpy. */

    dualprop_status (*allocate)(void *self, void **memory, size_t bytes); /**< Allocate memory. */
    void (*release)(void *self, void *memory, size_t bytes);              /**< Release memory. */
    /** Copy from the host. */
    dualprop_status (*copy_in)(void *self, void *memory, const void *host, size_t bytes);
    /** Copy to the host; returns when the bytes are there. */
    dualprop_status (*copy_out)(void *self, void *host, const void *memory, size_t bytes);
    dualprop_status (*copy)(void *self, void *to, const void *from, size_t bytes); /**< Copy within the memory. */
    dualprop_status (*fill_zero)(void *self, void *memory, size_t bytes);          /**< Set bytes to 0. */
    dualprop_status (*synchronize)(void *self); /**< Wait until all work of the instance is done. */

    /* Layout of dense weights. If all three are NULL, it is [inputs, outputs]. */

    /** Return the number of elements in the backend's layout, padding included. */
    int64_t (*weight_elements)(void *self, int64_t inputs, int64_t outputs);
    /** Convert [inputs, outputs] in host memory to the backend's layout. */
    dualprop_status (*write_weights)(void *self, void *weights, const void *host, int64_t inputs, int64_t outputs);
    /** Convert the backend's layout to [inputs, outputs] in host memory. */
    dualprop_status (*read_weights)(void *self, void *host, const void *weights, int64_t inputs, int64_t outputs);

    /** Return the bytes of workspace that the three dense slots need for batches up to this one; may be 0. */
    int64_t (*dense_workspace)(void *self, int64_t batch, int64_t inputs, int64_t outputs);
    /** a [batch, outputs] = x [batch, inputs] W + bias (NULL: none); then the dyad update of a, if dyad is not NULL. */
    dualprop_status (*dense_bottom_up)(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad);
    /** top_down [batch, inputs] = delta [batch, outputs] W^T; then the dyad update with it, if dyad is not NULL. */
    dualprop_status (*dense_top_down)(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad);
    /**
     * gradient = scale * x^T delta (+ gradient if accumulate is 1), and bias_gradient the column sums of delta in the
     * same way. If step is not NULL, the learning step on weights, bias and moments is taken instead: accumulate is
     * then 0, and the gradients are NULL or memory that may be used for intermediate results.
     */
    dualprop_status (*dense_gradient)(
        void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient, const void *x, const void *delta,
        double scale, int accumulate, const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4]);

    /** See dualprop_dyad. */
    dualprop_status (*dyad_update)(void *self, const dualprop_dyad *dyad);
    /** See dualprop_output. */
    dualprop_status (*output_step)(void *self, const dualprop_output *output);
    /**
     * Compute the summed loss of predictions [rows, width] against targets, and the number of rows in which the
     * target's class (its largest value, the first of equals) has the largest value, and one of the k largest. Every
     * strictly larger value ranks before a class, and so do equal values with a lower index.
     */
    dualprop_status (*evaluate)(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k);
    /**
     * Convert rows of input to reals: type f32, f64 or u8, strides in elements ((rows, height, width, channels) in
     * shape); bytes become (value/255 - mean[c]) / deviation[c]. max_abs receives max |x|, or NaN if one is NaN.
     * augmentation is NULL, or host memory with three numbers per row of input: rows down, columns right, and 1 to
     * mirror left and right (else 0). The image is mirrored first, then shifted; pixels that come in at the edges are 0
     * after normalisation.
     */
    dualprop_status (*load_input)(void *self, void *x, const dualprop_view *input, const double *mean,
                                  const double *deviation, const int32_t *augmentation, double *max_abs);
    /**
     * Take one learning step over count elements: w, g, and the moments of the kind (SGD 1, Adam 2, plain SGD none);
     * moments that the kind does not have are NULL, here and in the gradient slots.
     */
    dualprop_status (*optimizer_step)(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                      const void *g, void *moment1, void *moment2);
    /** Compute sums[0] = x.y, sums[1] = x.x, sums[2] = y.y, sums[3] = |x - y|^2 in double; y may be x. */
    dualprop_status (*compare)(void *self, int64_t count, const void *x, const void *y, double sums[4]);
    /** Compute max |x|, or NaN if one is NaN. */
    dualprop_status (*max_abs)(void *self, int64_t count, const void *x, double *max_abs);
    /** Fill with uniform numbers in (0, 1): Philox 4x32-10, key = seed, counter = (first + i)/4 and stream. */
    dualprop_status (*fill_uniform)(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream, uint64_t first);

    /*
     * Convolutions. All nine slots are NULL or none. NULL on host memory: the built-in backend's are used. On other
     * memory NULL means that networks with such layers are refused (UNSUPPORTED). See dualprop_convolution.
     */

    /** Return the elements of the weights in the backend's layout, padding included; -1: the shape is not supported. */
    int64_t (*convolution_weight_elements)(void *self, const dualprop_convolution *shape);
    /** Convert the weights from the host's layout. */
    dualprop_status (*write_convolution_weights)(void *self, const dualprop_convolution *shape, void *weights,
                                                 const void *host);
    /** Convert the weights to the host's layout. */
    dualprop_status (*read_convolution_weights)(void *self, const dualprop_convolution *shape, void *host,
                                                const void *weights);
    /** Return the bytes of workspace for batches up to shape->batch; may be 0; -1: not supported. */
    int64_t (*convolution_workspace)(void *self, const dualprop_convolution *shape);
    /** Return the bytes of cache; may be 0; -1: not supported. */
    int64_t (*convolution_cache)(void *self, const dualprop_convolution *shape);
    /**
     * Compute data that depend on the weights alone (for example transformed filters) into shape->cache. Called before
     * the next two slots whenever the weights have changed; each layer of a state has its own cache.
     */
    dualprop_status (*convolution_prepare)(void *self, const dualprop_convolution *shape, const void *weights);
    /** a = pool(W x + bias), bias NULL: none; writes switches (NULL unless max pooling); then the dyad update of a. */
    dualprop_status (*convolution_bottom_up)(
        void *self, const dualprop_convolution *shape, void *a, uint8_t *switches, const void *x, const void *weights,
        const void *bias, const dualprop_dyad *dyad);
    /** top_down (batch, height, width, channels) = W^T unpool(delta); then the dyad update with it, if any. */
    dualprop_status (*convolution_top_down)(
        void *self, const dualprop_convolution *shape, void *top_down, const void *delta, const uint8_t *switches,
        const void *weights, const dualprop_dyad *dyad);
    /** As dense_gradient, with unpool(delta) for delta. */
    dualprop_status (*convolution_gradient)(
        void *self, const dualprop_convolution *shape, void *gradient, void *bias_gradient, const void *x,
        const void *delta, const uint8_t *switches, double scale, int accumulate, const dualprop_step_numbers *step,
        void *weights, void *bias, void *moments[4]);

    /*
     * Devices. Three slots that may be NULL; the last two only together.
     */

    /** Submit all later work to the caller's stream (a cudaStream_t), or with NULL to the instance's own. */
    dualprop_status (*set_stream)(void *self, void *stream);
    /**
     * Begin a deferred section. Until end_deferred the calling thread needs no numbers: work may be deferred, and
     * max_abs and change of the dyad, output and input slots may be written by end_deferred only, each as the maximum
     * of all calls that named that address. Slots that return other numbers or copy to the host still do it at once.
     */
    dualprop_status (*begin_deferred)(void *self);
    /** End the section: do the deferred work and write its numbers; not required with discard set or on failure. */
    dualprop_status (*end_deferred)(void *self, int discard);

    /*
     * Optional rule features: both slots are NULL or none. NULL on host memory: the built-in backend's are used. On
     * other memory NULL means that rules with such options are refused (UNSUPPORTED).
     */

    /** See dualprop_extended_update. */
    dualprop_status (*extended_update)(void *self, const dualprop_extended_update *update);
    /**
     * The exact step (Eq. 3) or SPROVR's (Eq. 63-68) of cross-entropy: mean and delta of
     * s+ = argmin alpha beta loss(s) + 1/2 ||s - a||^2 and s- the same with -(1 - alpha) beta; or of
     * mean = a - (2 alpha - 1) beta loss'(mean), delta = -beta loss'(mean). Solved to rounding.
     */
    dualprop_status (*output_proximal)(void *self, const dualprop_output *output);

    /*
     * Devices again. If it is NULL, the library checks the conditions itself, between an inference and its learning
     * step.
     */

    /**
     * Gate the learning steps of a deferred section; called at most once in a section. Learning steps from here to its
     * end (by optimizer_step or the gradient slots) are applied only if all conditions hold for the results of the
     * slots before; else parameters and moments stay unchanged. end_deferred writes 0 to *rejected if they were
     * applied, else 1. If that is already known, it is written at once, and after a 1 no step is submitted.
     */
    dualprop_status (*gate_steps)(void *self, const dualprop_step_condition *conditions, int count, double *rejected);

    /* Workspace of states that only predict. NULL: as dense_workspace and convolution_workspace return. */

    /** Return the bytes of workspace that dense_bottom_up alone needs, for batches up to this one. */
    int64_t (*dense_bottom_up_workspace)(void *self, int64_t batch, int64_t inputs, int64_t outputs);
    /** Return the bytes of workspace that convolution_bottom_up alone needs, for batches up to shape->batch. */
    int64_t (*convolution_bottom_up_workspace)(void *self, const dualprop_convolution *shape);

    /*
     * Devices, once more: the end of a section in two parts. Both are NULL or none; NULL: every call waits for the
     * numbers of its section.
     */

    /**
     * End the section as end_deferred does, but return when its work has been submitted. *section receives what
     * collect_deferred takes; NULL on failure, which ends the section.
     */
    dualprop_status (*submit_deferred)(void *self, void **section);
    /** Wait for the numbers of a section that was submitted, and write them; once for each section, by any thread. */
    dualprop_status (*collect_deferred)(void *self, void *section);
} dualprop_backend;

/**
 * Get the table of a built-in CPU backend, to copy and override slots of. Its slots expect the instance that its create
 * makes, so a copy keeps create and destroy; a table with its own create leaves slots NULL instead. Weights have the
 * layout of the table that is copied.
 *
 * @param backend  DUALPROP_BACKEND_REFERENCE, DUALPROP_BACKEND_BLIS, or DUALPROP_BACKEND_AUTO: the fastest
 * @return the table, constant and valid for ever; NULL if the library was built without it
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API const dualprop_backend *dualprop_backend_builtin(int backend);

#ifdef __cplusplus
}
#endif

#endif
