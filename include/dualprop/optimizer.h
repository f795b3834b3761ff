/**
 * @file
 * dualprop/optimizer.h - learning: the contrastive Hebbian gradient and the step.
 *
 * The gradient of W_{k-1} is -1/(beta B) sum over the batch of delta_k sbar_{k-1}^T, that of b_{k-1} the same with 1
 * for sbar. As beta -> 0 they tend to the gradient of the mean loss. dualprop_update() computes and applies the
 * gradient layer by layer without storing it; dualprop_gradient() and dualprop_step() do the two separately;
 * dualprop_learn() infers first.
 *
 * Ownership: an optimizer keeps its network alive.   Threads: one call at a time; an update while a state infers on
 * the network is DUALPROP_ERROR_BUSY.
 */
#ifndef DUALPROP_OPTIMIZER_H
#define DUALPROP_OPTIMIZER_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Create an optimizer:
 *
 *     DUALPROP_SGD        m = g + momentum m, w -= lr m; weight decay is added to g; one moment per parameter
 *     DUALPROP_ADAM       divides by sqrt(v) + epsilon; weight decay is added to g; two moments per parameter
 *     DUALPROP_ADAMW      the same with decoupled weight decay, w -= lr decay w
 *     DUALPROP_PLAIN_SGD  w -= lr g; weight decay is added to g; no momentum and no moments, with the bits of SGD of
 *                         momentum 0, which keeps its moment so that the momentum can be raised
 *
 * Defaults: SGD lr .025, momentum .9, decay 0; plain SGD the same without momentum; Adam and AdamW lr 1e-3, betas .9
 * and .999, epsilon 1e-8, decay 0 (AdamW .01). No clipping. Moments and gradients are allocated here.
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_create(dualprop_optimizer **optimizer, dualprop_network *network, int kind);

/**
 * Create an optimizer that keeps no gradient, which saves an array of all parameters: dualprop_learn(),
 * dualprop_update() and dualprop_infer_update() compute the gradient of one layer and apply it at once, with the same
 * bits. A plain SGD of this kind takes a few bytes per layer and no memory per parameter.
 *
 * What needs a whole gradient is UNSUPPORTED: dualprop_gradient() and dualprop_gradient_accumulate(), _read(), _write()
 * and _compare(), dualprop_step(), clipping, groups of processes, feedback weights that learn, linear maps of the
 * caller's (dualprop/custom.h), and a backend whose learning steps stand alone. A step whose gradient might be larger
 * than a step allows (see docs/numerics.md) is NOT_FINITE and changes nothing, since there is no gradient to look at. A
 * checkpoint remembers that the optimizer keeps none.
 *
 * @param optimizer  receives the optimizer; the caller destroys it
 * @param network    the network, with at least one layer
 * @param kind       as in dualprop_optimizer_create()
 * @return as dualprop_optimizer_create(); DUALPROP_ERROR_UNSUPPORTED: see above
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_create_fused(dualprop_optimizer **optimizer, dualprop_network *network, int kind);

/**
 * Get the bytes that an optimizer would take.
 *
 * @param bytes    receives the number; memory on a device is counted too
 * @param network  the network, or an outline (dualprop_network_create_outline())
 * @param kind     as in dualprop_optimizer_create()
 * @param fused    1: of dualprop_optimizer_create_fused(), 0: of dualprop_optimizer_create()
 * @return as the function that creates it
 * Threads: any.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_memory_needed(uint64_t *bytes, dualprop_network *network, int kind, int fused);

/** Destroy an optimizer; NULL is allowed. */
DUALPROP_API void dualprop_optimizer_destroy(dualprop_optimizer *optimizer);

/** Set the learning rate (the peak, under a schedule); finite, >= 0. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_learning_rate(dualprop_optimizer *optimizer, double learning_rate);
/** Set SGD's momentum; in [0, 1). UNSUPPORTED if the optimizer is another kind, plain SGD included. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_momentum(dualprop_optimizer *optimizer, double momentum);
/**
 * Set Adam's beta1 and beta2, in [0, 1), and epsilon, at least 1e-30 (f64: 1e-150); less has no effect. UNSUPPORTED if
 * the optimizer is SGD or plain SGD.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_moments(dualprop_optimizer *optimizer, double beta1, double beta2, double epsilon);
/** Set the weight decay, which applies to all parameters (also biases); finite, >= 0. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_weight_decay(dualprop_optimizer *optimizer, double weight_decay);
/**
 * Choose the learning-rate schedule. DUALPROP_RATE_CONSTANT ignores the other arguments. With
 * DUALPROP_RATE_WARMUP_COSINE the rate rises linearly from start to the learning rate over warmup steps, then falls by
 * a cosine to end at step decay (counted from the first step), and stays there.
 *
 * @param optimizer  the optimizer
 * @param schedule   DUALPROP_RATE_...
 * @param start      the first rate; finite, >= 0
 * @param end        the last rate; finite, >= 0
 * @param warmup     steps, 0 <= warmup <= decay
 * @param decay      steps
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_optimizer_set_schedule(
    dualprop_optimizer *optimizer, int schedule, double start, double end, int64_t warmup, int64_t decay);
/** Scale the whole gradient down to this L2 norm if it is larger; 0 = never. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_optimizer_set_clip(dualprop_optimizer *optimizer, double norm);

/** Get the kind, the number of steps taken, and the rate of the next step; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_info(int *kind, int64_t *steps, double *learning_rate, const dualprop_optimizer *optimizer);

/** Compute the gradient from a state's last inference; it replaces the stored gradient. Allocates: never. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_gradient(dualprop_optimizer *optimizer, dualprop_state *state);
/** Add the gradient of a state's last inference: after several calls it is the mean over all their samples. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_gradient_accumulate(dualprop_optimizer *optimizer, dualprop_state *state);
/**
 * Apply the stored gradient and clear it. The next step needs a new gradient.
 *
 * @return DUALPROP_OK, DUALPROP_ERROR_INVALID_STATE (no gradient), DUALPROP_ERROR_NOT_FINITE (the gradient or the
 *         result would contain NaN or infinity), DUALPROP_ERROR_BUSY
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_step(dualprop_optimizer *optimizer);
/** Compute the gradient and take a step, fused if the backend can. Statuses and bits are those of the two calls. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_update(dualprop_optimizer *optimizer, dualprop_state *state);

/**
 * Infer and learn in one call: dualprop_infer() and dualprop_update(), with the same bits and the same statuses. On a
 * device the two are submitted as one piece of work and the host does not wait for the inference in between, which is
 * faster.
 *
 * @param optimizer  of the state's network
 * @param state      the state
 * @param images     (count, height, width, channels), contiguous, in the context's precision; borrowed for the call
 * @param labels     [count] classes, 0 .. outputs-1; borrowed for the call
 * @param count      1 .. the state's capacity
 * @return DUALPROP_OK, or a status of the two. If the inference fails (DUALPROP_ERROR_DIVERGED names layer and pass),
 *         parameters, moments and the number of steps are as before
 * Threads: one at a time per state and optimizer.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_learn(
    dualprop_optimizer *optimizer, dualprop_state *state, const void *images, const int32_t *labels, int64_t count);
/** Infer and learn on strided arrays, as dualprop_infer_view() takes them. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_learn_view(
    dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets);

/**
 * Let dualprop_learn() and dualprop_learn_view() return before the device has decided whether the step is applied, so
 * that the host prepares the next batch meanwhile. Off by default.
 *
 * The status of a step is then that of the next call that uses the optimizer or the state (settings and
 * dualprop_optimizer_info() excepted): that call first does what is left of the step, and if the step has failed, it
 * returns the step's status and sentence and does nothing of its own; the call after it goes on as usual. So statuses,
 * sentences and bits are those of the same calls without the option, and a step that is refused has changed nothing. At
 * the end of a run call dualprop_optimizer_wait(). Destroying the optimizer or the state waits too, and drops the
 * status.
 *
 * Until then the number of steps does not include the step, the network can be read, and a call that writes it is
 * DUALPROP_ERROR_BUSY; the optimizer and the state count as one handle for threads. Where a step cannot wait (on the
 * CPU, in a group of processes, while the optimizer holds a gradient, and where the host has to see numbers of the
 * inference, with clipping or a tolerance for example), the call returns the status at once. dualprop_optimizer_wait()
 * before a call tells the two apart.
 *
 * @param optimizer  the optimizer
 * @param delayed    1: delayed; 0: every call returns the status of its step
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT
 * Threads: one call at a time.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_delayed_status(dualprop_optimizer *optimizer, int delayed);
/**
 * Wait until the status of the last step is known, and return it.
 *
 * @param optimizer  the optimizer
 * @return DUALPROP_OK, also if no status is delayed; or the status of the step, which is reported once
 * Threads: one call at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_optimizer_wait(dualprop_optimizer *optimizer);

/**
 * Copy the gradient of a named parameter: the mean over all samples that it was computed from.
 *
 * With dualprop_gradient_write() a program can reduce gradients over several processes, clip them, add noise to them,
 * or use an optimizer of its own, between dualprop_gradient() and dualprop_step().
 *
 * @param view       of the parameter's shape, as dualprop_network_read() takes it; f32 or f64, any strides
 * @param optimizer  the optimizer
 * @param name       "layer1.weight", "layer1.bias", ...
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  no such name, or another shape or type
 *         DUALPROP_ERROR_INVALID_STATE     the optimizer holds no gradient
 *         DUALPROP_ERROR_NO_MEMORY         for a copy, see below
 * Threads: one call at a time.  Allocates: nothing if the view is contiguous and of the context's precision; else a
 * copy of the parameter for the duration of the call.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_gradient_read(const dualprop_view *view, dualprop_optimizer *optimizer, const char *name);
/**
 * Replace the gradient of a named parameter. The other parameters keep theirs; if the optimizer holds no gradient,
 * theirs is zero, and the optimizer then holds one as of one sample. dualprop_step() applies it as if it had computed
 * it.
 *
 * After dualprop_gradient_accumulate() over several batches the gradient is kept as a sum: what is read back then
 * agrees to rounding, else to the bit.
 *
 * @param optimizer  the optimizer
 * @param name       "layer1.weight", "layer1.bias", ...
 * @param view       finite; borrowed for the call
 * @return as dualprop_gradient_read(), but never INVALID_STATE; DUALPROP_ERROR_NOT_FINITE: nothing changed
 * Threads: one call at a time.  Allocates: as dualprop_gradient_read(), and on a device a copy after accumulation.
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_gradient_write(dualprop_optimizer *optimizer, const char *name, const dualprop_view *view);

/**
 * Compare the gradients that two optimizers of networks with the same layers hold, for one layer, weights and bias
 * together: for example, dual propagation's gradient with that of its back-propagation twin.
 *
 * @param cosine      of the angle between them (0 if one is zero); may be NULL
 * @param norm        L2 norm of the first; may be NULL
 * @param other_norm  L2 norm of the second; may be NULL
 * @param difference  L2 norm of first minus second; may be NULL
 * @param optimizer   holds the first
 * @param other       holds the second
 * @param index       layer, 1..L
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_gradient_compare(
    double *cosine, double *norm, double *other_norm, double *difference, dualprop_optimizer *optimizer,
    dualprop_optimizer *other, int index);

#ifdef __cplusplus
}
#endif

#endif
