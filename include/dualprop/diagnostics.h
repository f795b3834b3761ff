/*
 * dualprop/diagnostics.h - what can be measured of a rule while it trains, or of a network once it has.
 *
 *     dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, batch);
 *     every n-th batch:
 *         dualprop_infer(state, images, labels, count);
 *         dualprop_gradient(optimizer, state);
 *         dualprop_diagnostics_twin(diagnostics, &inputs, &targets);
 *         for each layer k: dualprop_diagnostics_compare(&angle, ..., diagnostics, optimizer, k);
 *         dualprop_step(optimizer);
 *
 * A diagnostics handle holds a back-propagation twin of the network's rule - a state and the gradients - and the
 * vectors of the power iterations, all made at its creation. It reads the network and the states it is given and
 * changes neither, so that a run that is audited has the same bits as one that is not. It keeps its network alive.
 *
 * Threads: one call at a time on a handle (else DUALPROP_ERROR_BUSY).   Allocates: at creation only, but
 * for norms in an f32 context, whose first call makes a copy in f64.
 */
#ifndef DUALPROP_DIAGNOSTICS_H
#define DUALPROP_DIAGNOSTICS_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Create diagnostics of a network.
 *
 * @param diagnostics  receives the handle; the caller destroys it; NULL on failure
 * @param loss         the twin's loss, DUALPROP_MSE or DUALPROP_CROSS_ENTROPY
 * @param capacity     the largest batch, >= 1
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  no layers, no such loss, or capacity < 1
 *         DUALPROP_ERROR_UNSUPPORTED       the last layer is not identity
 *         DUALPROP_ERROR_RANGE, DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Allocates: here.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_create(dualprop_diagnostics **diagnostics, dualprop_network *network, int loss, int64_t capacity);

/** Destroy diagnostics; NULL is fine. */
DUALPROP_API void dualprop_diagnostics_destroy(dualprop_diagnostics *diagnostics);

/* ---- against back-propagation ---- */

/**
 * Let the twin infer on a batch, and keep its gradient for dualprop_diagnostics_compare().
 *
 * @param inputs, targets  as dualprop_infer_view() takes them; the first extent at most the capacity
 * @return as dualprop_infer_view()
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_twin(dualprop_diagnostics *diagnostics, const dualprop_view *inputs, const dualprop_view *targets);

/**
 * Give the twin's state, borrowed for the life of the diagnostics: to let it infer without a gradient, to read its
 * dyads, or to set how the images of its next batch are moved.
 *
 * @param twin  receives the state
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_state(dualprop_state **twin, dualprop_diagnostics *diagnostics);

/**
 * Compare the gradient an optimizer holds with the twin's, for one layer, weights and bias together, before decay,
 * momentum and the like.
 *
 * @param angle       between them in degrees, 0 to 180, formed from norms so that small angles keep their digits;
 *                    90 where one is zero; may be NULL
 * @param cosine      of that angle, 0 where one is zero; may be NULL
 * @param norm        L2 norm of the optimizer's gradient; may be NULL
 * @param twin_norm   L2 norm of the twin's; may be NULL
 * @param difference  L2 norm of the optimizer's minus the twin's; may be NULL
 * @param optimizer   of a network with the same layers, in the same context; not in use by another call
 * @param index       layer, 1..L
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE where one of the two holds no gradient
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_compare(
    double *angle, double *cosine, double *norm, double *twin_norm, double *difference,
    dualprop_diagnostics *diagnostics, dualprop_optimizer *optimizer, int index);

/**
 * Compute what a settled state says of its inputs: -1/beta W_0^T delta_1, sample by sample. Of a back-propagation state
 * (the twin, say) it is the gradient of each sample's own loss with respect to its input, which adversarial attacks and
 * training need; of other rules it is their estimate of it. Nothing is divided by the batch. Where the inputs were
 * bytes it is about the numbers that the network's input transform made of them; dualprop_state_read() of layer 0 gives
 * those.
 *
 * @param gradient  (count, inputs) of f32 or f64, inputs being height * width * channels; written on success
 * @param state     settled, of the same network; its batch at most the capacity. If it is the twin, its inference is
 *                  used up
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE     the state has not settled
 *         DUALPROP_ERROR_INVALID_ARGUMENT  another network, too large a batch, or a view of another shape
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_input_gradient(
    const dualprop_view *gradient, dualprop_diagnostics *diagnostics, dualprop_state *state);

/* ---- the weights ---- */

/**
 * Estimate gamma, the spectral norm ||W||_2 of one layer's linear map without bias and pooling, by power iteration on
 * W^T W: from below, and ever closer. The vector is kept, so that the next call goes on from there.
 *
 * All is computed in f64. In an f32 context this needs a copy of the network in f64 in the CPU's memory, which is made by
 * the first call of this function or the next and kept: 8 bytes a weight, what the backend derives from convolutions'
 * weights, and the arrays of one sample. It gets the weights anew when they have changed.
 *
 * @param gamma       receives the estimate
 * @param index       layer, 1..L; the damping of layer k asks for the map above it, index k + 1
 * @param iterations  1..1,000,000, at most: it stops earlier when the estimate no longer grows
 * @return DUALPROP_OK, or DUALPROP_ERROR_BUSY (the network is being written), DUALPROP_ERROR_CANCELLED,
 *         DUALPROP_ERROR_NO_MEMORY (then there is no copy; another call may try again)
 * Threads: one at a time.  Allocates: once, in an f32 context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_spectral_norm(double *gamma, dualprop_diagnostics *diagnostics, int index, int iterations);

/**
 * Estimate the spectral norm of W_{L-1} ... W_0, all layers' linear maps one after another, likewise: a bound on the
 * network's Lipschitz constant where no activation has a slope above 1 (that of silu reaches 1.1).
 *
 * Average pooling is linear and belongs to the product. Max pooling is not: the iteration goes down through the places
 * that its own vector made the greatest, and the estimate is a lower bound for the maps with pooling. The product of the
 * layers' gammas is an upper bound, as long as pooling windows do not overlap.
 *
 * @return as dualprop_diagnostics_spectral_norm()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_lipschitz(double *norm, dualprop_diagnostics *diagnostics, int iterations);

/** Forget the vectors of the power iterations: the next ones start from the same drawn vectors as a new handle's. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_restart(dualprop_diagnostics *diagnostics);

/* ---- the dyads ---- */

/**
 * Give the fraction of a layer's dyads with delta = 0, over the batch: neurons that nothing tells to learn.
 *
 * @param index  layer, 1..L
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE where the state holds no inference
 * Threads: one at a time a state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_zero_delta_fraction(double *fraction, dualprop_state *state, int index);

/**
 * Compute the objectives of the paper at the dyads of a state, settled or open, as a mean over its samples. With
 * a_k = W_{k-1} sbar_{k-1} + b_{k-1} formed anew from the current sbar, and G_k the resting energy (dualprop/types.h),
 *
 *     Eq. 1    alpha loss(s+_L) + (1 - alpha) loss(s-_L) + 1/beta sum_k (G_k(s+_k) - G_k(s-_k) - delta_k.a_k)
 *     Eq. 12   loss(sbar_L)                              + 1/beta sum_k (G_k(s+_k) - G_k(s-_k) - delta_k.a_k)
 *     Eq. 18   loss(sbar_L)                              + 1/beta sum_k delta_k.(f_k^-1(sbar_k) - a_k)
 *
 * The paper's Eq. 18 has beta inside the loss; here all three are on the scale of the loss. DP that has settled with
 * the exact output step makes Eq. 1 stationary, DP^T makes Eq. 18 stationary where f is linear between s+ and s-.
 * Their derivative with respect to the weights, at fixed dyads, is the rule's gradient. Where f^-1 has no value (relu
 * at 0) the term of Eq. 18 is zero.
 *
 * @param dp        receives Eq. 1; may be NULL. NaN for a network with silu, which has no G
 * @param sprovr    receives Eq. 12; may be NULL. NaN likewise
 * @param adjoint   receives Eq. 18; may be NULL. NaN likewise: silu has no inverse
 * @param state     of the same network; its batch at most the capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE  the state holds no inference
 *         DUALPROP_ERROR_UNSUPPORTED    the state's rule is back-propagation, which has no objective but its loss; or
 *                                       lecun, whose objective is another one; or its neurons' alphas differ
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_objective(
    double *dp, double *sprovr, double *adjoint, dualprop_diagnostics *diagnostics, dualprop_state *state);

#ifdef __cplusplus
}
#endif

#endif
