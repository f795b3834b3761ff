/**
 * @file
 * dualprop/custom.h - parts of a network that are your own: activations and linear maps.
 *
 * They are registered with a context, by a name, before layers use them. Networks of that context then take them as
 * they take the built-in ones. A checkpoint keeps the name alone: a program that loads it registers the same name
 * first, or the load is DUALPROP_ERROR_UNSUPPORTED and its text says which name is missing.
 *
 * They run on the CPU, with the backends reference and blis, and with your own backend if its memory is host memory. On
 * a device they cannot be registered (DUALPROP_ERROR_UNSUPPORTED). A backend's slots never meet them: the library calls
 * your functions between two slots, so products and updates are not fused where one of them is yours.
 *
 * Numbers of parts come from one counter of the process, so that a number of one context is never that of a part of
 * another. They differ from run to run: store names, not numbers.
 *
 * Ownership: what is registered belongs to the context and lives as long as it does; nothing is removed. user_data is
 * yours and must outlive the context and all its networks.   Threads: registering is safe from any thread at any time.
 * An activation's functions are called by several threads at once, the context's workers among them, each for numbers
 * of its own; those of a map on the thread that called the library, so by several at once only if several call it.
 */
#ifndef DUALPROP_CUSTOM_H
#define DUALPROP_CUSTOM_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The longest name of a part of your own, without its NUL. */
#define DUALPROP_MAX_CUSTOM_NAME 47

/**
 * A function of `count` numbers, one by one: an activation f or its slope f'. The same number has the same result
 * wherever it stands and whoever asks, or results differ between runs.
 *
 * Numbers are double whatever the context's precision is: one function serves both, and the difference of two values
 * keeps the digits that a float needs. Up to 8192 numbers come in a call.
 *
 * It must not call the library with the state or network that it is called for, nor throw an exception or longjmp().
 *
 * @param user_data  as it was registered
 * @param values     [count], receives f(a), or f'(a)
 * @param a          [count]
 * @param count      >= 1
 * @return 0 to continue; anything else ends the call that needed it with DUALPROP_ERROR_CANCELLED
 */
typedef int (*dualprop_activation_function)(void *user_data, double *values, const double *a, int64_t count);

/**
 * f(x) - f(y) without cancellation, of `count` pairs. x and y are close together if the nudge is weak, and subtracting
 * their values would lose digits.
 *
 * @param user_data    as it was registered
 * @param differences  [count], receives f(x) - f(y)
 * @param x            [count]
 * @param y            [count]
 * @param spans        [count]: x - y, which is known better than the rounded x and y can tell
 * @param count        >= 1
 * @return as above
 */
typedef int (*dualprop_activation_difference)(void *user_data, double *differences, const double *x, const double *y,
                                              const double *spans, int64_t count);

/**
 * Register an activation of your own: elementwise, with its slope.
 *
 * Layers with it work with back-propagation, dual propagation in all its variants without damping, and all options of a
 * rule; damping needs a projection, as with tanh, and is refused (dp-damped, lpom, inverted-lpom). Feed-forward, Eq. 2,
 * 19 and LeCun's variant call f at a, or at the arguments of s+ and s-; f' serves back-propagation and LeCun's variant.
 * An infinite or NaN result is DUALPROP_ERROR_DIVERGED, whose sentence names the activation and the layer.
 *
 * Without a `difference`, delta is f(x) - f(y) if x and y are more than 2^-17 apart, else f'((x + y)/2) (x - y): at
 * least 10 digits of it are right for a smooth f, which is more than a float has. A kink within those 2^-17 is missed.
 *
 * Not offered for it: the objectives and other measurements that need the energy G of an activation (NaN, as for
 * silu), and dualprop_network_export_c() (UNSUPPORTED).
 *
 * @param activation  receives its number, for dualprop_network_add_dense() and the like, in this context only
 * @param context     on the CPU
 * @param name        1..DUALPROP_MAX_CUSTOM_NAME letters, digits, '-', '_' or '.'; copied. '-' and '_', and upper and
 *                    lower case, count as equal
 * @param value       f
 * @param slope       f'
 * @param difference  f(x) - f(y) without cancellation; may be NULL
 * @param user_data   passed to the functions
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  the name is not of that form, a built-in one's, or registered already
 *         DUALPROP_ERROR_UNSUPPORTED       the context computes on a device
 *         DUALPROP_ERROR_NO_MEMORY         nothing is registered
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_activation_register(
    int *activation, dualprop_context *context, const char *name, dualprop_activation_function value,
    dualprop_activation_function slope, dualprop_activation_difference difference, void *user_data);

/**
 * Find an activation by its name: a built-in one, or one that is registered with the context.
 *
 * @param activation  receives its number; untouched on failure
 * @param context     the context
 * @param name        '-' and '_', and upper and lower case, count as equal
 * @return DUALPROP_OK, or DUALPROP_ERROR_UNSUPPORTED: there is none of that name
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_activation_find(int *activation, const dualprop_context *context, const char *name);

/**
 * Return the name of an activation, built-in or registered with the context. dualprop_name() knows the built-in ones.
 *
 * @param context     the context
 * @param activation  its number, as dualprop_layer_info() returns it
 * @return a string that lives as long as the context, or NULL if there is no such activation
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API const char *dualprop_activation_name(const dualprop_context *context, int activation);

/** What a function of a linear map works on. It may grow at its end in later versions. */
typedef struct dualprop_map_shape {
    uint64_t struct_size; /**< of the library that calls */
    int32_t type;         /**< DUALPROP_F32 or DUALPROP_F64, of all arrays; see below */
    int32_t reserved;     /**< 0 */
    int64_t count;        /**< samples, >= 1 */
    int64_t inputs;       /**< elements of a sample below */
    int64_t outputs;      /**< elements of a sample above */
    int64_t weights;      /**< parameters of the map */
} dualprop_map_shape;

/**
 * A product of a linear map W(w) with vectors: forward, result_b = W x_b, or transposed, result_b = W^T delta_b. The
 * bias is not yours: the library adds it. `result` holds rubbish on entry: set every element, do not add to it.
 *
 * Numbers have the context's precision; only spectral norms and Lipschitz constants are measured in DUALPROP_F64 in any
 * context. A sample's result must not depend on which others come with it. The function must not call the library with
 * the state or network that it is called for, nor throw an exception or longjmp().
 *
 * @param user_data  as it was registered
 * @param result     [count, outputs] forward, [count, inputs] transposed; rubbish on entry
 * @param vectors    [count, inputs] forward, [count, outputs] transposed
 * @param weights    [weights]; feedback weights (dualprop_network_set_feedback()) where those carry delta down
 * @param shape      extents and type
 * @return 0 to continue; anything else ends the call that needed it with DUALPROP_ERROR_CANCELLED
 */
typedef int (*dualprop_map_product)(void *user_data, void *result, const void *vectors, const void *weights,
                                    const dualprop_map_shape *shape);

/**
 * The gradient of a linear map's weights: the derivative of sum_b delta_b . (W(w) x_b) with respect to w. `gradient`
 * holds rubbish on entry: set every element, do not add to it.
 *
 * @param user_data  as it was registered
 * @param gradient   [weights]; rubbish on entry
 * @param x          [count, inputs]
 * @param delta      [count, outputs]
 * @param weights    [weights], for maps in which w does not stand alone, as in a product of two matrices
 * @param shape      extents and type
 * @return as above
 */
typedef int (*dualprop_map_gradient)(void *user_data, void *gradient, const void *x, const void *delta,
                                     const void *weights, const dualprop_map_shape *shape);

/**
 * Register a linear map of your own, for layers that dualprop_network_add_custom() adds.
 *
 * dualprop_testing_gradient() of dualprop/testing.h checks each of the three functions of such a layer in a network.
 *
 * @param map         receives its number, for dualprop_network_add_custom(), in this context only
 * @param context     on the CPU
 * @param name        as in dualprop_activation_register(), and no built-in layer's or activation's; a map and an
 *                    activation of your own may have the same
 * @param forward     W x
 * @param transposed  W^T delta, of the very same W: rules rely on it
 * @param gradient    of its weights
 * @param user_data   passed to the functions
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  the name is not of that form, a built-in one's, or registered already
 *         DUALPROP_ERROR_UNSUPPORTED       the context computes on a device
 *         DUALPROP_ERROR_NO_MEMORY         nothing is registered
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_map_register(
    int *map, dualprop_context *context, const char *name, dualprop_map_product forward,
    dualprop_map_product transposed, dualprop_map_gradient gradient, void *user_data);

/**
 * Add a layer with a linear map of your own on top: a = W(w) s + b, then f. It takes what is below as a vector of
 * (height * width * channels), and its output is one. "layerK.weight" has the shape [weights], "layerK.bias" [outputs].
 *
 * Everything that works on layers works on it: all rules and options, feedback weights, diagnostics, checkpoints,
 * groups; but dualprop_network_export_c() is UNSUPPORTED, and a learning step is never fused with its gradient. A
 * result that is infinite or NaN is DUALPROP_ERROR_DIVERGED, a gradient that is so DUALPROP_ERROR_NOT_FINITE.
 *
 * @param network     the network
 * @param map         what dualprop_map_register() returned for this context
 * @param outputs     >= 1
 * @param weights     how many parameters the map has, >= 1
 * @param fan_in      how many inputs one output sums up, 1 .. the layer's inputs or `weights`, whichever is more; for
 *                    initializers, which draw w like weights of such a layer. Write "layerK.weight" if w needs
 *                    something else
 * @param activation  as for a dense layer
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  a number out of its range; the text says which
 *         DUALPROP_ERROR_INVALID_STATE     a state or an optimizer was already created from the network
 *         DUALPROP_ERROR_RANGE             a size overflows
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_network_add_custom(
    dualprop_network *network, int map, int64_t outputs, int64_t weights, int64_t fan_in, int activation);

/**
 * Get what a layer with a map of your own was made with; each may be NULL.
 *
 * @param map      receives the map's name, which lives as long as the context; NULL for layers of other kinds
 * @param weights  receives the number of parameters; 0 for layers of other kinds
 * @param fan_in   receives it; 0 for layers of other kinds
 * @param layer    the layer
 * Threads: as its network.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_layer_custom(const char **map, int64_t *weights, int64_t *fan_in, const dualprop_layer *layer);

/**
 * Get the functions of a layer's map, to call them as the library does; each may be NULL.
 *
 * @param forward     receives it as it was registered; NULL for layers of other kinds, as the next three
 * @param transposed  likewise
 * @param gradient    likewise
 * @param user_data   what to pass to them; it remains its owner's
 * @param type        receives the type of their arrays, DUALPROP_F32 or DUALPROP_F64: the context's precision
 * @param layer       the layer
 * Threads: as its network.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_layer_map_functions(
    dualprop_map_product *forward, dualprop_map_product *transposed, dualprop_map_gradient *gradient, void **user_data,
    int *type, const dualprop_layer *layer);

#ifdef __cplusplus
}
#endif

#endif
