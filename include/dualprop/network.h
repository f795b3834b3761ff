/**
 * @file
 * dualprop/network.h - a stack of maps: layers 1..L and their parameters.
 *
 * Layer k computes a_k = W_{k-1} sbar_{k-1} + b_{k-1} and f_k(a_k). A network is built by adding layers to an input
 * shape, then its parameters are initialised or written. Parameters are read and written by name, "layer1.weight"
 * ([inputs, outputs] of a dense layer) and "layer1.bias" ([outputs]), whatever layout the backend keeps them in.
 *
 * Ownership: destroy what you create. A network keeps its context alive, and states and optimizers keep their network
 * alive.   Threads: many threads may read and many states may infer in parallel; writing needs exclusive use (else
 * DUALPROP_ERROR_BUSY).
 */
#ifndef DUALPROP_NETWORK_H
#define DUALPROP_NETWORK_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Create a network without layers for inputs of shape (height, width, channels); for vectors (1, 1, n).
 *
 * @param network   receives the network; the caller destroys it
 * @param context   the context
 * @param height    of an image, >= 1
 * @param width     of an image, >= 1
 * @param channels  of an image, or elements of a vector, >= 1
 * @return DUALPROP_OK, DUALPROP_ERROR_INVALID_ARGUMENT (an extent < 1), DUALPROP_ERROR_RANGE (their product overflows),
 *         or DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_create(
    dualprop_network **network, dualprop_context *context, int64_t height, int64_t width, int64_t channels);

/**
 * Create an outline: a network that has shapes and no parameters, in order to ask for the memory of what it describes
 * before anything is made. Layers are added as to any network; it takes a few hundred bytes each.
 *
 * dualprop_network_memory_needed(), dualprop_optimizer_memory_needed() and dualprop_state_memory_needed() answer for it
 * what they answer for a network of these layers. Whatever needs parameters is DUALPROP_ERROR_INVALID_STATE.
 *
 * @param network   receives the network; the caller destroys it
 * @param context   the context, whose backend and precision decide; the same as of the network that is meant
 * @param height    as in dualprop_network_create()
 * @param width     as in dualprop_network_create()
 * @param channels  as in dualprop_network_create()
 * @return as dualprop_network_create()
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_create_outline(
    dualprop_network **network, dualprop_context *context, int64_t height, int64_t width, int64_t channels);

/**
 * Get the bytes that a network takes with its layers, or would take if it is an outline; without the copies that
 * dualprop_network_publish() makes. Exact for up to 16 layers. Beyond, it counts the arrays of pointers, too, that had
 * to grow while layers were added: some 16 bytes per layer that an arena may need, and other allocators do not.
 *
 * @param bytes    receives the number; parameters that lie on a device are counted too
 * @param network  the network
 * @return DUALPROP_OK
 * Threads: any, not while layers are added.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_memory_needed(uint64_t *bytes, const dualprop_network *network);

/** Destroy a network; NULL is allowed. Its memory is freed after its last state and optimizer. */
DUALPROP_API void dualprop_network_destroy(dualprop_network *network);

/** Create a network with the same layers, parameters and settings, in the same context. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_clone(dualprop_network **clone, const dualprop_network *network);

/**
 * Copy all parameters of source into destination. Both must have the same layers and precision; their contexts may
 * differ.
 *
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT if the layers differ, or DUALPROP_ERROR_BUSY
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_copy(dualprop_network *destination, const dualprop_network *source);

/**
 * Publish: copy all parameters of a network into another one that other threads predict on, without disturbing them.
 *
 * From the first call on, `to` has several sets of parameters. Predictions, evaluations and inferences on it never wait
 * and are never refused as BUSY: each uses, from its beginning to its end, the parameters of the last publication that
 * had ended when it began. Only this call writes to `to` then: other writes, learning and diagnostics return
 * DUALPROP_ERROR_INVALID_STATE. Reading, copying, cloning and saving it use the last publication.
 *
 * The first call allocates two more sets of parameters; later calls allocate nothing if both networks are of one
 * context.
 *
 * @param to    the network that serves
 * @param from  the network that learns: the same layers and precision, its weights set
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  other layers, another precision, or one network twice
 *         DUALPROP_ERROR_INVALID_STATE     the weights of `from` were never set
 *         DUALPROP_ERROR_BUSY              another call publishes to `to`, writes to `from`, or calls that began before
 *                                          the last two publications still read `to`; nothing has changed
 *         DUALPROP_ERROR_NO_MEMORY
 * Threads: any; usually the one that learns.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_publish(dualprop_network *to, const dualprop_network *from);

/**
 * Add a dense layer on top: a = W^T s + b with W of shape [inputs, outputs], then f. Its parameters are zero until
 * dualprop_network_initialize() or dualprop_network_write().
 *
 * @param network     the network
 * @param outputs     >= 1
 * @param activation  DUALPROP_IDENTITY ... DUALPROP_SOFTMAX, or one that dualprop_activation_register() returned for
 *                    this context; the rules require IDENTITY for the last layer (this is checked when a state is
 *                    created, not here)
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE     a state or an optimizer was already created from the network
 *         DUALPROP_ERROR_RANGE             the number of weights overflows
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_add_dense(dualprop_network *network, int64_t outputs, int activation);

/**
 * Add a convolutional layer on top, for images (height, width, channels): at each position of the map
 *
 *     a = bias + sum over the kernel and the channels below of weight * s,   then f
 *
 * with zeros around the image and weights of shape [kernel height, kernel width, channels below, channels], whose first
 * element is applied to the upper left (a correlation, as usual). The map has
 * floor((extent + 2 padding - kernel) / stride) + 1 positions along each axis; softmax runs over the channels at each
 * position.
 *
 * @param network     the network
 * @param channels    of the map, >= 1
 * @param kernel      height and width, >= 1, at most the padded image
 * @param stride      down and right, >= 1; NULL is 1, 1
 * @param padding     rows above and below, columns left and right; 0 .. one less than the kernel. NULL keeps the size
 *                    at stride 1 (half of the kernel, which must be odd)
 * @param activation  as for a dense layer
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  a number out of its range; the text says which
 *         DUALPROP_ERROR_INVALID_STATE     a state or an optimizer was already created from the network
 *         DUALPROP_ERROR_RANGE             a size overflows
 *         DUALPROP_ERROR_UNSUPPORTED       the backend has no convolutions
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_add_convolution(
    dualprop_network *network, int64_t channels, const int64_t kernel[2], const int64_t stride[2],
    const int64_t padding[2], int activation);

/**
 * Add a locally connected layer on top: like a convolution, but each position has its own weights [map height,
 * map width, kernel height, kernel width, channels below, channels] and biases [map height, map width, channels], so
 * that learning is local and shares no weights. The map is the one before pooling.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_add_local(
    dualprop_network *network, int64_t channels, const int64_t kernel[2], const int64_t stride[2],
    const int64_t padding[2], int activation);

/**
 * Append pooling to the last layer's map. It becomes a part of that layer's linear map and is not a layer of its own:
 * convolution, bias, pooling, then the activation. The part of the map where no whole window fits is dropped.
 *
 * Max pooling sends delta down only to the position of the largest value (the first of equals, row by row); see
 * dualprop_rule_set_pool_switches(). Pointers to the last layer become invalid.
 *
 * @param network  the network
 * @param pooling  DUALPROP_POOL_MAX or DUALPROP_POOL_AVERAGE
 * @param window   height and width, >= 1, at most the map, and at most 256 positions in total
 * @param stride   down and right, >= 1; NULL is the window
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  a number out of its range; the text says which
 *         DUALPROP_ERROR_INVALID_STATE     no layer yet, or the last one is dense, already pooled or flattened; or a
 *                                          state or an optimizer was already created from the network
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_add_pooling(dualprop_network *network, int pooling, const int64_t window[2], const int64_t stride[2]);

/**
 * Reshape the network's output so far to a vector: (height, width, channels) becomes (1, 1, height * width * channels),
 * in the same order. This is not a layer. A dense layer flattens its input by itself.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_add_flatten(dualprop_network *network);

/**
 * Choose how dualprop_network_initialize() draws the weights.
 *
 * @param network      the network
 * @param initializer  DUALPROP_INIT_...; DUALPROP_INIT_LECUN with scale 1 by default, which suits any number of inputs
 *                     of variance 1. DUALPROP_INIT_PAPER is for repeating the paper's experiments: it divides the
 *                     weights of a dense layer 1 by 28, whatever its number of inputs
 * @param scale        finite, >= 0; the factor in the table of DUALPROP_INIT_... (1 if unsure; ignored by PAPER)
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_set_initializer(dualprop_network *network, int initializer, double scale);

/**
 * Draw all weights from the counter-based generator (Philox 4x32-10) keyed by seed, layer by layer; set biases to 0.
 *
 * Weight i of layer k depends on (seed, k, i) alone: the same bits for any number of threads and on every backend.
 *
 * @return DUALPROP_OK, DUALPROP_ERROR_INVALID_STATE (no layers), DUALPROP_ERROR_NOT_FINITE (the scale is so large
 *         that weights could become infinite), DUALPROP_ERROR_BUSY or DUALPROP_ERROR_NO_MEMORY
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_initialize(dualprop_network *network, uint64_t seed);

/**
 * Set how bytes (u8 images) become numbers: (value/255 - mean[c]) / deviation[c] for each channel c. By default the
 * mean is 0 and the deviation 1. Arrays of f32 and f64 are not transformed.
 *
 * @param network    the network
 * @param mean       [channels]; finite
 * @param deviation  [channels]; finite, > 0
 * @param channels   the network's number of input channels
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_set_input_transform(
    dualprop_network *network, const double *mean, const double *deviation, int64_t channels);

/** An end of dualprop_network_set_open(): what is below is elsewhere. */
#define DUALPROP_OPEN_BOTTOM 1
/** An end of dualprop_network_set_open(): what is above is elsewhere. */
#define DUALPROP_OPEN_TOP 2

/**
 * Let a network be a piece of a larger one, whose other layers are elsewhere: in another process, or another network.
 * Its layers learn from their own dyads alone, so all that crosses the cut is sbar upwards and Delta downwards.
 *
 * - An open bottom: the input is the sbar of the layer below. dualprop_state_write(state, 0, DUALPROP_S_MEAN, view)
 *   replaces it while an inference is open; dualprop_state_read(view, state, 0, DUALPROP_S_TOP_DOWN) computes
 *   Delta_0 = W_0^T delta_1 from the delta and the weights as they are.
 * - An open top: the last layer is a hidden one, of any activation, without targets: dualprop_infer_begin() takes
 *   targets NULL. dualprop_state_write(state, L, DUALPROP_S_TOP_DOWN, view) gives it its Delta; until then it is zero.
 *   Such a network infers by hand (dualprop_infer_begin(), _layer(), _pass(), _end()), and its rule must have neither
 *   damping, the variant lecun, nor options of hardware. Its beta is that of the layers above.
 *
 * An inference by hand in an open network leaves the network free between calls: other inferences may be open at the
 * same time, each in its own state, and dualprop_update() may change the weights meanwhile. What was computed from the
 * weights of before is computed again when it is used next.
 *
 * @param network  without a state or an optimizer so far. Copies are as open; a checkpoint does not keep it
 * @param ends     DUALPROP_OPEN_BOTTOM, DUALPROP_OPEN_TOP, both added up, or 0
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_set_open(dualprop_network *network, int ends);

/**
 * Get the number of layers and of parameters, the input's size (height * width * channels) and the output's (the
 * input's if there is no layer yet); each may be NULL.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_info(
    int *layers, int64_t *parameters, int64_t *inputs, int64_t *outputs, const dualprop_network *network);

/** Get the input's shape; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_input_shape(int64_t *height, int64_t *width, int64_t *channels, const dualprop_network *network);

/** Get the generation: a counter that every write to the parameters increases. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_generation(uint64_t *generation, const dualprop_network *network);

/** Get the number of named parameter tensors (2 per layer). */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_parameter_count(int *count, const dualprop_network *network);

/**
 * Get the name and the shape of parameter tensor number index.
 *
 * @param name     receives the name, NUL-terminated
 * @param size     bytes in name; INVALID_ARGUMENT if it is too small (32 is enough)
 * @param shape    receives the extents; has room for DUALPROP_MAX_RANK; may be NULL
 * @param rank     receives their number; may be NULL
 * @param network  the network
 * @param index    0 .. count-1
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_parameter(
    char *name, size_t size, int64_t *shape, int *rank, const dualprop_network *network, int index);

/**
 * Copy a parameter tensor into the caller's array. Nothing is allocated for an array without gaps of the context's
 * precision.
 *
 * @param view     f32 or f64, of the tensor's shape, any strides
 * @param network  the network
 * @param name     "layer1.weight", "layer1.bias", ...
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT: no such name, or another shape or type
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_read(const dualprop_view *view, const dualprop_network *network, const char *name);

/**
 * Set a parameter tensor from the caller's array. All values must be finite (else
 * DUALPROP_ERROR_NOT_FINITE). DUALPROP_ERROR_BUSY while a state infers on the network. Nothing is allocated for an
 * array without gaps of the context's precision.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_write(dualprop_network *network, const char *name, const dualprop_view *view);

/**
 * Create feedback weights for every layer, which carry delta down in place of W^T (also in place of W_0^T, if the input
 * is a dyad) under rules of the same kind (dualprop_rule_set_feedback()). The network's initializer draws them, from a
 * separate stream of random numbers.
 *
 *     DUALPROP_FEEDBACK_KOLEN_POLLACK  they learn by the weights' gradient and decay, with their own moments: with
 *                                      weight decay (SGD, Adam or AdamW) they converge to the weights
 *     DUALPROP_FEEDBACK_RANDOM         they never change
 *     DUALPROP_FEEDBACK_SIGN           their magnitudes never change, their signs follow the weights' (0 is positive)
 *     DUALPROP_FEEDBACK_SYMMETRIC      no feedback weights: W^T
 *
 * Clones and checkpoints contain them; dualprop_network_copy() copies them if both networks have the same kind.
 *
 * @param network  the network
 * @param kind     DUALPROP_FEEDBACK_...
 * @param seed     of the random numbers
 * @return DUALPROP_OK, DUALPROP_ERROR_INVALID_STATE (no layers yet, or a state or an optimizer was already created; no
 *         layers can be added afterwards), DUALPROP_ERROR_BUSY, or DUALPROP_ERROR_NO_MEMORY: nothing has changed
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_set_feedback(dualprop_network *network, int kind, uint64_t seed);
/** Copy layer index's feedback weights, in the shape of its weights; INVALID_STATE if there are none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_read_feedback(const dualprop_view *view, const dualprop_network *network, int index);
/** Set layer index's feedback weights; finite. Under DUALPROP_FEEDBACK_SIGN their signs are set to the weights'. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_write_feedback(dualprop_network *network, int index, const dualprop_view *view);
/** Get the kind of feedback, and the cosine of a layer's weights and feedback weights (1 without); may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_layer_feedback(int *kind, double *cosine, const dualprop_layer *layer);

/** Borrow layer number index, 1..L; valid as long as the network and until a layer is added. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_layer(dualprop_layer **layer, dualprop_network *network, int index);

/** Get a layer's sizes, in elements of one sample (after pooling), and its activation; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_layer_info(int64_t *inputs, int64_t *outputs, int *activation, const dualprop_layer *layer);

/**
 * Get a layer's kind and shape; each output may be NULL.
 *
 * @param kind           DUALPROP_LAYER_...
 * @param output         height, width and channels of its output, after pooling; (1, 1, outputs) for a dense layer
 * @param kernel         height and width; zeros for a dense layer
 * @param stride         down and right; zeros for a dense layer
 * @param padding        rows and columns; zeros for a dense layer
 * @param pooling        DUALPROP_POOL_...
 * @param window         of pooling; zeros without pooling
 * @param window_stride  of pooling; zeros without pooling
 * @param layer          the layer
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_layer_shape(
    int *kind, int64_t output[3], int64_t kernel[2], int64_t stride[2], int64_t padding[2], int *pooling,
    int64_t window[2], int64_t window_stride[2], const dualprop_layer *layer);

/** Freeze a layer (1: training does not change its parameters) or unfreeze it (0). */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_layer_set_frozen(dualprop_layer *layer, int frozen);

/** Set the factor on the learning rate for one layer; finite and >= 0, 1 by default. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_layer_set_learning_rate(dualprop_layer *layer, double factor);

/** Get whether a layer is frozen, and its factor on the learning rate; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_layer_training(int *frozen, double *learning_rate, const dualprop_layer *layer);

#ifdef __cplusplus
}
#endif

#endif
