/**
 * @file
 * dualprop/diagnostics.h - measurements of a rule during training, and of a trained network.
 *
 *     dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, batch);
 *     every n-th batch:
 *         dualprop_infer(state, images, labels, count);
 *         dualprop_gradient(optimizer, state);
 *         dualprop_diagnostics_twin(diagnostics, &inputs, &targets);
 *         for each layer k: dualprop_diagnostics_compare(&angle, ..., diagnostics, optimizer, k);
 *         dualprop_step(optimizer);
 *
 * A diagnostics handle holds a back-propagation twin of the network's rule (a state and the gradients) and the vectors
 * of the power iterations, all created with the handle. It reads the network and the states passed to it and changes
 * neither, so an audited run has the same bits as one that is not audited. It keeps its network alive.
 *
 * Threads: one call at a time on a handle (else DUALPROP_ERROR_BUSY).   Allocates: at creation only, except
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
 * @param network      the network
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

/** Destroy diagnostics; NULL is allowed. */
DUALPROP_API void dualprop_diagnostics_destroy(dualprop_diagnostics *diagnostics);

/* ---- against back-propagation ---- */

/**
 * Let the twin infer on a batch, and store its gradient for dualprop_diagnostics_compare().
 *
 * @param diagnostics  the diagnostics
 * @param inputs       as dualprop_infer_view() takes them; the first extent is at most the capacity
 * @param targets      as dualprop_infer_view() takes them
 * @return as dualprop_infer_view()
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_twin(dualprop_diagnostics *diagnostics, const dualprop_view *inputs, const dualprop_view *targets);

/**
 * Borrow the twin's state for the life of the diagnostics: to let it infer without a gradient, to read its dyads, or to
 * set the augmentation of its next batch.
 *
 * @param twin         receives the state
 * @param diagnostics  the diagnostics
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_state(dualprop_state **twin, dualprop_diagnostics *diagnostics);

/**
 * Compare an optimizer's stored gradient with the twin's, for one layer, weights and bias together, before decay,
 * momentum and clipping.
 *
 * @param angle        between them in degrees, 0 to 180, computed from norms so that small angles keep their digits;
 *                     90 if one is zero; may be NULL
 * @param cosine       of that angle, 0 if one is zero; may be NULL
 * @param norm         L2 norm of the optimizer's gradient; may be NULL
 * @param twin_norm    L2 norm of the twin's; may be NULL
 * @param difference   L2 norm of the optimizer's minus the twin's; may be NULL
 * @param diagnostics  the diagnostics
 * @param optimizer    of a network with the same layers, in the same context; not in use by another call
 * @param index        layer, 1..L
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE if one of the two holds no gradient
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_compare(
    double *angle, double *cosine, double *norm, double *twin_norm, double *difference,
    dualprop_diagnostics *diagnostics, dualprop_optimizer *optimizer, int index);

/**
 * Compute the gradient with respect to the inputs after an inference: -1/beta W_0^T delta_1, sample by sample. For a
 * back-propagation state (for example the twin) it is the gradient of each sample's own loss with respect to its input,
 * which adversarial attacks and training need; for other rules it is their estimate of it. It is not divided by the
 * number of samples. If the inputs were bytes, it refers to the numbers after the network's input transform;
 * dualprop_state_read() of layer 0 returns those.
 *
 * @param gradient     (count, inputs) of f32 or f64; inputs is height * width * channels
 * @param diagnostics  the diagnostics
 * @param state        after an inference, of the same network; its batch is at most the capacity. If it is the twin,
 *                     its inference is consumed
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE     the state holds no finished inference
 *         DUALPROP_ERROR_INVALID_ARGUMENT  another network, too large a batch, or a view of another shape
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_input_gradient(
    const dualprop_view *gradient, dualprop_diagnostics *diagnostics, dualprop_state *state);

/* ---- the weights ---- */

/**
 * Estimate gamma, the spectral norm ||W||_2 of one layer's linear map without bias and pooling, by power iteration on
 * W^T W. The estimates increase and stay at or below the norm. The vector is kept, so the next call continues from it.
 *
 * All is computed in f64. In an f32 context this needs a copy of the network in f64 in the CPU's memory. The first call
 * of this function or the next one creates and keeps it: 8 bytes per weight, what the backend derives from
 * convolutions' weights, and the arrays of one sample. The weights are copied again when they have changed.
 *
 * @param gamma        receives the estimate
 * @param diagnostics  the diagnostics
 * @param index        layer, 1..L; the damping of layer k uses the map above it, index k + 1
 * @param iterations   1..1,000,000, the maximum: it stops earlier when the estimate no longer grows
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_BUSY       the network is being written
 *         DUALPROP_ERROR_CANCELLED  by dualprop_context_cancel(), or by a function of a map of your own, which returned
 *                                   something else than 0
 *         DUALPROP_ERROR_DIVERGED   such a function computed a number that is NaN or infinite
 *         DUALPROP_ERROR_NO_MEMORY  there is no copy then; another call may try again
 * Threads: one at a time.  Allocates: once, in an f32 context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_spectral_norm(double *gamma, dualprop_diagnostics *diagnostics, int index, int iterations);

/**
 * Estimate, in the same way, the spectral norm of W_{L-1} ... W_0, all layers' linear maps one after another. It is a
 * bound on the network's Lipschitz constant if no activation has a slope above 1 (silu's slope reaches 1.1).
 * Activations do not take part: of one of your own no function is called, and whether its slope stays below 1 is for
 * you to know. Maps of your own take part as linear maps, in f64.
 *
 * Average pooling is linear and belongs to the product. Max pooling is not linear: the iteration goes down through the
 * positions that were largest for its own vector, and the estimate is a lower bound for the maps with pooling. The
 * product of the layers' gammas is an upper bound if pooling windows do not overlap.
 *
 * @return as dualprop_diagnostics_spectral_norm()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_lipschitz(double *norm, dualprop_diagnostics *diagnostics, int iterations);

/** Reset the vectors of the power iterations: the next ones start from the same random vectors as a new handle's. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_restart(dualprop_diagnostics *diagnostics);

/* ---- the dyads ---- */

/**
 * Compute the fraction of a layer's dyads with delta = 0, over the batch: neurons that receive no learning signal.
 *
 * @param fraction  receives it, 0..1
 * @param state     the state
 * @param index     layer, 1..L
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE if the state holds no inference
 * Threads: one at a time per state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_zero_delta_fraction(double *fraction, dualprop_state *state, int index);

/**
 * Compute the objectives of the paper at the dyads of a state, during or after an inference, as a mean over its
 * samples. With a_k = W_{k-1} sbar_{k-1} + b_{k-1} computed again from the current sbar, and G_k the resting energy
 * (dualprop/types.h),
 *
 *     Eq. 1    alpha loss(s+_L) + (1 - alpha) loss(s-_L) + 1/beta sum_k (G_k(s+_k) - G_k(s-_k) - delta_k.a_k)
 *     Eq. 12   loss(sbar_L)                              + 1/beta sum_k (G_k(s+_k) - G_k(s-_k) - delta_k.a_k)
 *     Eq. 18   loss(sbar_L)                              + 1/beta sum_k delta_k.(f_k^-1(sbar_k) - a_k)
 *
 * The paper's Eq. 18 has beta inside the loss; here all three are on the scale of the loss. DP that has converged
 * with the exact output step makes Eq. 1 stationary; DP^T makes Eq. 18 stationary if f is linear between s+ and s-.
 * Their derivative with respect to the weights, at fixed dyads, is the rule's gradient. Where f^-1 has no value (relu
 * at 0) the term of Eq. 18 is zero.
 *
 * @param dp           receives Eq. 1; may be NULL. NaN for a network with silu, which has no G, or with an
 *                     activation of the caller's, whose G is not known
 * @param sprovr       receives Eq. 12; may be NULL. NaN for those too
 * @param adjoint      receives Eq. 18; may be NULL. NaN for those too
 * @param diagnostics  the diagnostics
 * @param state        of the same network; its batch is at most the capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE  the state holds no inference
 *         DUALPROP_ERROR_UNSUPPORTED    the state's rule is back-propagation, which has no objective except its loss;
 *                                       or lecun, whose objective is another one; or its neurons' alphas differ
 * Threads: one at a time.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_diagnostics_objective(
    double *dp, double *sprovr, double *adjoint, dualprop_diagnostics *diagnostics, dualprop_state *state);

/**
 * Compute Eq. 23 for one layer, the difference of the Bregman divergences that G_k induces, as a mean over the samples:
 *
 *     Delta E_k = D_G(s+_k || sbar_k) - D_G(s-_k || sbar_k) = G_k(s+_k) - G_k(s-_k) - delta_k.f_k^-1(sbar_k)
 *
 * It is the difference of the potentials of DP and DP^T in that layer: Eq. 12 minus Eq. 18 is the sum of
 * Delta E_k / beta_k (with E_0, plus the input's term). With the quadratic G of identity it is 0 at alpha = 1/2,
 * -|delta_k|^2/2 at alpha = 1 and |delta_k|^2/2 at alpha = 0. Where f^-1 has no value (relu at 0) it is a_k, as in Eq.
 * 18.
 *
 * @param difference         receives it; NaN for a layer of silu or of the caller's activation
 * @param diagnostics,state  as in dualprop_diagnostics_objective()
 * @param index              layer, 1..L
 * @return as dualprop_diagnostics_objective()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_diagnostics_bregman(double *difference, dualprop_diagnostics *diagnostics, dualprop_state *state, int index);

#ifdef __cplusplus
}
#endif

#endif
