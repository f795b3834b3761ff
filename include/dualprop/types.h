/**
 * @file
 * dualprop/types.h - the handles, the named choices, and views of a caller's arrays.
 *
 * Handles are opaque. Each is created by its _create call and destroyed by its _destroy call, which accepts NULL. A
 * dualprop_layer is borrowed from its network and is not destroyed. Choices are plain ints, so that the ABI contains no
 * enum.
 */
#ifndef DUALPROP_TYPES_H
#define DUALPROP_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dualprop_context dualprop_context;       /**< backend, threads, memory: the root of all objects */
typedef struct dualprop_network dualprop_network;       /**< layers 1..L and their parameters */
typedef struct dualprop_layer dualprop_layer;           /**< one layer of a network, borrowed */
typedef struct dualprop_rule dualprop_rule;             /**< how dyads are updated from their neighbours, and when */
typedef struct dualprop_state dualprop_state;           /**< the dyads of one network for up to N samples */
typedef struct dualprop_optimizer dualprop_optimizer;   /**< gradients, moments, learning rate */
typedef struct dualprop_group dualprop_group;           /**< processes that learn one network together */
typedef struct dualprop_checkpoint dualprop_checkpoint; /**< named tensors and texts, as in a safetensors file */

typedef struct dualprop_diagnostics dualprop_diagnostics; /**< measurements beside training */

/** Element types. DUALPROP_I32 and DUALPROP_I64 are of labels. */
enum { DUALPROP_F32 = 1, DUALPROP_F64 = 2, DUALPROP_U8 = 3, DUALPROP_I32 = 4, DUALPROP_I64 = 5 };

/** Backends for dualprop_context_create(). AUTO chooses the best one that works on this machine and logs why. */
enum {
    DUALPROP_BACKEND_AUTO = 0,
    DUALPROP_BACKEND_REFERENCE = 1,
    DUALPROP_BACKEND_BLIS = 2,
    DUALPROP_BACKEND_CUDA = 3
};

/** Instruction-set levels of the CPU backends. The same-bits promise holds per level. */
enum { DUALPROP_LEVEL_AUTO = 0, DUALPROP_LEVEL_BASELINE = 1, DUALPROP_LEVEL_AVX2 = 2, DUALPROP_LEVEL_AVX512 = 3 };

/**
 * How products of f32 are computed if a backend has a choice: strictly, or with the tensor cores' shorter types. TF32
 * keeps 11 bits of each operand, BF16 8 (an error of at most 2^-8 each); sums, results and parameters stay f32. If a
 * device cannot compute a product in BF16, it uses TF32. See docs/numerics.md.
 */
enum { DUALPROP_NUMERICS_STRICT = 0, DUALPROP_NUMERICS_TF32 = 1, DUALPROP_NUMERICS_BF16 = 2 };

/**
 * Activations f, each with the resting energy G that it comes from: f^-1 = G', so that f(a) minimises G(s) - s a
 * (below Eq. 1). G is listed up to a constant. An f without a G decreases somewhere, so no convex G exists for it.
 *
 * All except softmax are elementwise. Softmax runs over a layer's outputs (over the channels at each position of a
 * convolution); its G is the sum over the row, on rows that add up to 1. Its inverse is known up to a constant that
 * the row shares, which Eq. 24 allows.
 */
enum {
    DUALPROP_IDENTITY = 0,     /**< a;  G = s^2/2 */
    DUALPROP_RELU = 1,         /**< max(a, 0), slope 0 at 0;  G = s^2/2 on s >= 0 */
    DUALPROP_LEAKY_RELU = 2,   /**< a above 0, 0.01 a below, slope 0.01 at 0;  G = s^2/2 above 0, 50 s^2 below */
    DUALPROP_HARD_SIGMOID = 3, /**< a clipped to [0, 1], slope 0 at both ends;  G = s^2/2 on [0, 1] */
    DUALPROP_SIGMOID = 4,      /**< 1/(1 + e^-a);  G = s log s + (1 - s) log(1 - s) on [0, 1] */
    DUALPROP_TANH = 5,         /**< G = ((1 + s) log(1 + s) + (1 - s) log(1 - s))/2 on [-1, 1] */
    DUALPROP_SOFTPLUS = 6,     /**< log(1 + e^a);  G = s^2/2 + Li2(e^-s) on s >= 0, Li2 the dilogarithm */
    DUALPROP_ELU = 7,          /**< a above 0, e^a - 1 below;  G = s^2/2 above 0, (1 + s) log(1 + s) - s on [-1, 0] */
    DUALPROP_SILU = 8,         /**< a/(1 + e^-a); decreases below -1.278..., so it has no G */
    DUALPROP_SOFTMAX = 9       /**< e^a_i / sum_j e^a_j;  G = sum_i s_i log s_i on s >= 0, sum_i s_i = 1 */
};

/**
 * Kinds of layers: dense, convolutional, locally connected (separate weights at each position), and a linear map of the
 * caller's (dualprop/custom.h).
 */
enum { DUALPROP_LAYER_DENSE = 0, DUALPROP_LAYER_CONVOLUTION = 1, DUALPROP_LAYER_LOCAL = 2, DUALPROP_LAYER_CUSTOM = 3 };

/** Pooling, a part of a layer's linear map: none, the maximum of a window, or its mean. */
enum { DUALPROP_POOL_NONE = 0, DUALPROP_POOL_MAX = 1, DUALPROP_POOL_AVERAGE = 2 };

/** Which arg-max positions max pooling uses for delta: see dualprop_rule_set_pool_switches(). */
enum { DUALPROP_SWITCHES_BOTTOM_UP = 0, DUALPROP_SWITCHES_ORIGINAL = 1 };

/** Rules; dualprop/rule.h defines each. */
enum {
    DUALPROP_BP = 0,            /**< back-propagation on the same network */
    DUALPROP_DP = 1,            /**< dual propagation, Eq. 2 */
    DUALPROP_DP_ADJOINT = 2,    /**< DP^T, Eq. 19 */
    DUALPROP_DP_DAMPED = 3,     /**< DP with damped (stabilised) updates, Eq. 50 */
    DUALPROP_LPOM = 4,          /**< damped DP with alpha fixed at 1 */
    DUALPROP_INVERTED_LPOM = 5, /**< damped DP with alpha fixed at 0 */
    DUALPROP_FENCHEL = 6,       /**< Fenchel back-propagation: DP^T with alpha fixed at 0 */
    DUALPROP_LECUN = 7          /**< the variant from LeCun's Lagrangian, after Eq. 25 */
};

/**
 * Losses: 1/2 ||s - y||^2, softmax cross-entropy, and a function of the caller's, which
 * dualprop_rule_set_loss_function() sets; all summed over the batch.
 */
enum { DUALPROP_MSE = 0, DUALPROP_CROSS_ENTROPY = 1, DUALPROP_LOSS_FUNCTION = 2 };

/** Output steps: the loss linearised, Eq. 22; the exact minimisation, Eq. 3; or SPROVR's, Eq. 63-68. */
enum { DUALPROP_OUTPUT_LINEAR = 0, DUALPROP_OUTPUT_EXACT = 1, DUALPROP_OUTPUT_SPROVR = 2 };

/** Where the linearised loss is evaluated: at the current a_L, or at the first feed-forward prediction. */
enum { DUALPROP_NUDGE_AT_CURRENT = 0, DUALPROP_NUDGE_AT_PREDICTION = 1 };

/** Schedules: the order in which layers are updated; see dualprop_rule_set_schedule(). */
enum {
    DUALPROP_FORWARD_BACKWARD = 0,
    DUALPROP_FORWARD = 1,
    DUALPROP_BACKWARD = 2,
    DUALPROP_ODD_EVEN = 3,
    DUALPROP_EVEN_ODD = 4,
    DUALPROP_JACOBI = 5,
    DUALPROP_RANDOM = 6,
    DUALPROP_ASYNC = 7,
    DUALPROP_LIST = 8
};

/** How the damping D_k of damped rules is determined; see dualprop_rule_set_damping(). */
enum { DUALPROP_DAMPING_NONE = 0, DUALPROP_DAMPING_HALF = 1, DUALPROP_DAMPING_GAMMA2 = 2, DUALPROP_DAMPING_GIVEN = 3 };

/** The weights that carry delta down: W^T, or separate ones; see dualprop_network_set_feedback(). */
enum {
    DUALPROP_FEEDBACK_SYMMETRIC = 0,
    DUALPROP_FEEDBACK_KOLEN_POLLACK = 1,
    DUALPROP_FEEDBACK_RANDOM = 2,
    DUALPROP_FEEDBACK_SIGN = 3
};

/**
 * Initialisers; each sets the biases to zero. See dualprop_network_set_initializer(). fan_in and fan_out are the inputs
 * and outputs of a dense layer; for other layers, the kernel's positions times the channels below and above.
 */
enum {
    DUALPROP_INIT_PAPER = 0,     /**< N(0, 1)/28 for layer 1 if it is dense, else N(0, 1)/sqrt(fan_in) */
    DUALPROP_INIT_NORMAL = 1,    /**< N(0, scale^2) */
    DUALPROP_INIT_LECUN = 2,     /**< N(0, scale^2/fan_in) */
    DUALPROP_INIT_TRUNCATED = 3, /**< normal truncated at 2 sigma, then scaled to variance scale^2/fan_in */
    DUALPROP_INIT_GLOROT = 4,    /**< uniform, variance 2 scale^2/(fan_in + fan_out) */
    DUALPROP_INIT_HE = 5         /**< N(0, 2 scale^2/fan_in) */
};

/** Optimizers; dualprop_optimizer_create() defines each. */
enum { DUALPROP_SGD = 0, DUALPROP_ADAM = 1, DUALPROP_ADAMW = 2, DUALPROP_PLAIN_SGD = 3 };

/** Learning-rate schedules. */
enum { DUALPROP_RATE_CONSTANT = 0, DUALPROP_RATE_WARMUP_COSINE = 1 };

/** The values that dualprop_state_read() and dualprop_state_write() access. */
enum {
    DUALPROP_S_PLUS = 0,      /**< s+ */
    DUALPROP_S_MINUS = 1,     /**< s- */
    DUALPROP_S_MEAN = 2,      /**< sbar = alpha s+ + (1 - alpha) s- */
    DUALPROP_S_DELTA = 3,     /**< delta = s+ - s- */
    DUALPROP_S_BOTTOM_UP = 4, /**< a_k = W sbar_{k-1} + b; read only */
    DUALPROP_S_TOP_DOWN = 5   /**< Delta_k = W_k^T delta_{k+1}; read only, except at an open top */
};

/** What single neurons may have of their own: see dualprop_state_set_neurons(). */
enum {
    DUALPROP_NEURON_ALPHA = 0,      /**< alpha_i, the weight of s+ in sbar, 0 .. 1; c+ and c- follow unless given too */
    DUALPROP_NEURON_GAIN_PLUS = 1,  /**< c+_i, by which Delta moves s+ */
    DUALPROP_NEURON_GAIN_MINUS = 2, /**< c-_i, by which -Delta moves s- */
    DUALPROP_NEURON_NOISE = 3,      /**< the standard deviation of the noise on s+ and s-, >= 0 */
    DUALPROP_NEURON_LISTENS = 4     /**< 1: it is updated; 0: it keeps s+ and s- */
};

/** The largest rank of a view. */
#define DUALPROP_MAX_RANK 8

/**
 * A caller's array: its address, the type of its elements, its shape and its strides.
 *
 * Set struct_size to sizeof(dualprop_view). The struct may grow at its end in later versions. Shorter structs from
 * older headers are accepted. A longer struct from a newer header is accepted if the members unknown to this library
 * are zero.
 *
 * Strides count elements, not bytes. They may be 0 (a broadcast) for arrays that are read, and they may be negative.
 * The array is borrowed for the duration of the call that takes the view.
 */
typedef struct dualprop_view {
    uint64_t struct_size;               /**< sizeof(dualprop_view) */
    void *data;                         /**< the first element */
    int32_t type;                       /**< DUALPROP_F32, _F64, _U8, _I32 or _I64 */
    int32_t rank;                       /**< 0..DUALPROP_MAX_RANK */
    int64_t shape[DUALPROP_MAX_RANK];   /**< extents */
    int64_t strides[DUALPROP_MAX_RANK]; /**< in elements */
} dualprop_view;

/** Groups of names for dualprop_name() and dualprop_from_name(). */
enum {
    DUALPROP_NAMES_ACTIVATION = 0,
    DUALPROP_NAMES_RULE = 1,
    DUALPROP_NAMES_LOSS = 2,
    DUALPROP_NAMES_OUTPUT_STEP = 3,
    DUALPROP_NAMES_NUDGE_AT = 4,
    DUALPROP_NAMES_SCHEDULE = 5,
    DUALPROP_NAMES_INITIALIZER = 6,
    DUALPROP_NAMES_OPTIMIZER = 7,
    DUALPROP_NAMES_BACKEND = 8,
    DUALPROP_NAMES_TYPE = 9,
    DUALPROP_NAMES_LEVEL = 10,
    DUALPROP_NAMES_RATE = 11,
    DUALPROP_NAMES_DAMPING = 12,
    DUALPROP_NAMES_FEEDBACK = 13,
    DUALPROP_NAMES_NUMERICS = 20,
    DUALPROP_NAMES_LAYER = 21,
    DUALPROP_NAMES_POOLING = 22,
    DUALPROP_NAMES_SWITCHES = 23
};

/**
 * Return the name of a choice: dualprop_name(DUALPROP_NAMES_RULE, DUALPROP_DP_ADJOINT) is "dp-adjoint".
 *
 * @param group  one of DUALPROP_NAMES_...
 * @param value  a constant of that group
 * @return a static string, or NULL if there is no such value
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API const char *dualprop_name(int group, int value);

/**
 * Find a choice by its name; '-' and '_' are equivalent, and so are upper and lower case.
 *
 * @param value  receives the constant; untouched on failure
 * @param group  one of DUALPROP_NAMES_...
 * @param name   for instance "leaky-relu" or "leaky_relu"
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT: no such group or name; the text lists the group's names
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_from_name(int *value, int group, const char *name);

#ifdef __cplusplus
}
#endif

#endif
