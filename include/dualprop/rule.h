/*
 * dualprop/rule.h - how a dyad listens to its neighbours, and in which order.
 *
 * Every neuron is a pair (s+, s-) with sbar = alpha s+ + (1 - alpha) s- and delta = s+ - s-. sbar travels up, delta
 * down. With a_k = W_{k-1} sbar_{k-1} + b_{k-1} and Delta_k = W_k^T delta_{k+1} a hidden layer takes
 *
 *     s+_k <- f_k((a_k + c+ Delta_k + D_k s+_k) / (1 + D_k)),
 *     s-_k <- f_k((a_k - c- Delta_k + D_k s-_k) / (1 + D_k)),
 *
 * and the output layer, with g = beta loss'(.) of the summed loss (Eq. 22), s+_L = a_L - c+ g and s-_L = a_L + c- g.
 *
 *     rule             c+         c-         D_k    source
 *     dp               alpha      1 - alpha  0      Eq. 2
 *     dp-adjoint       1 - alpha  alpha      0      DP^T, Eq. 19
 *     dp-damped        alpha      1 - alpha  D_k    Eq. 50: stays stable with alpha other than 1/2 and many passes
 *     lpom             1          0          D_k    dp-damped with alpha = 1 (Eq. 4)
 *     inverted-lpom    0          1          D_k    dp-damped with alpha = 0
 *     fenchel          1          0          0      dp-adjoint with alpha = 0, "Fenchel back-propagation"
 *     lecun            see below             0      from Eq. 25
 *     bp               back-propagation: s = f(a), delta_k = f'_k(a_k) Delta_k, delta_L = -loss'(a_L)
 *
 * lecun starts from LeCun's Lagrangian loss(s_L) + sum_k delta_k^T (s_k - f_k(W_{k-1} s_{k-1})). Its stationary points
 * have delta_k = W_k^T (f'_{k+1}(a_{k+1}) delta_{k+1}) and s_k = f_k(a_k), so that with Eq. 17
 *
 *     s+_k <- f_k(a_k) + (1 - alpha) T_k,   s-_k <- f_k(a_k) - alpha T_k,
 *     T_k = W_k^T (f'_{k+1}(a_{k+1}) (s+_{k+1} - s-_{k+1})).
 *
 * (The paper prints s-_{k+1} - s+_{k+1}; with that sign the gradient of every other layer points uphill.) What goes
 * down, and into the gradient, is f'_k(a_k) delta_k. Once it has gone down, its gradient is back-propagation's at any
 * beta and alpha, to rounding, as long as sbar is the feed-forward state: no noise, no quantisation.
 *
 * One rule serves many states. Numbers may be changed at any time; what changes a state's memory or order of work (the
 * variant, schedule, passes, order, a tolerance, pool switches, feedback, and switching any option on or off) needs
 * dualprop_state_prepare() on each state that uses the rule; else its next inference is INVALID_STATE. Options that
 * contradict each other are refused, naming both, by dualprop_state_create(), _prepare() and _infer() with
 * DUALPROP_ERROR_UNSUPPORTED, so that setters may come in any order.
 *
 * Defaults: alpha 1/2, beta 1/2, squared error, linear output step, nudge at the current a_L, fw-bw with one pass,
 * no tolerance, divergence limit 1e4, damping "half" with 5 power iterations for the damped rules, seed 1; everything
 * else off.   Threads: reading in parallel; setting alone.
 */
#ifndef DUALPROP_RULE_H
#define DUALPROP_RULE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Create a rule. variant is DUALPROP_BP .. DUALPROP_LECUN. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_create(dualprop_rule **rule, dualprop_context *context, int variant);

/** Destroy a rule; NULL is fine. It stays alive inside until the states made with it are gone. */
DUALPROP_API void dualprop_rule_destroy(dualprop_rule *rule);

/**
 * Change the variant. Variants that fix alpha (lpom, inverted-lpom, fenchel) set it, for all layers. Going to a damped
 * rule from another sets the damping to "half", the other way to none.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_variant(dualprop_rule *rule, int variant);
/** Get the variant. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_variant(int *variant, const dualprop_rule *rule);
/**
 * Set the weight of s+ in sbar = alpha s+ + (1 - alpha) s-, of all layers; in [0, 1]. Ignored by back-propagation.
 *
 * @return DUALPROP_OK, or INVALID_ARGUMENT: not in [0, 1], or another than the one value that the variant fixes
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_alpha(dualprop_rule *rule, double alpha);
/** Get the alpha of layers without one of their own. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_alpha(double *alpha, const dualprop_rule *rule);
/**
 * Set the strength of the nudge, of all layers; finite, not 0, may be negative. Ignored by back-propagation.
 *
 * @return DUALPROP_OK, or INVALID_ARGUMENT: 0, not finite, or below 1e-30 (f64: 1e-300) in size, where deltas would
 *         lose their digits
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_beta(dualprop_rule *rule, double beta);
/** Get the beta of layers without one of their own. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_beta(double *beta, const dualprop_rule *rule);
/** Choose DUALPROP_MSE or DUALPROP_CROSS_ENTROPY. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_loss(dualprop_rule *rule, int loss);
/** Get the loss. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_loss(int *loss, const dualprop_rule *rule);
/**
 * Choose how the output layer is nudged.
 *
 * DUALPROP_OUTPUT_LINEAR    Eq. 22: along the loss linearised at a_L (or at the prediction).
 * DUALPROP_OUTPUT_EXACT     Eq. 3 (AROVR): s+ minimises alpha beta loss(s) + 1/2 ||s - a_L||^2, s- the same with
 *                           -(1 - alpha) beta. Squared error has a closed form and needs (1 - alpha) beta < 1 and
 *                           alpha beta > -1; delta is that of the linear step times
 *                           1/((1 + alpha beta)(1 - (1 - alpha) beta)). Cross-entropy is solved by Newton's method
 *                           (its Hessian is a diagonal and a rank one term) and is convex for (1 - alpha) beta < 2 and
 *                           alpha beta > -2 where each row of targets sums to 1; an inference on rows with another sum
 *                           S, for which the bounds are 2/S, is refused beyond them.
 * DUALPROP_OUTPUT_SPROVR    Eq. 63-68: the loss of the mean, sbar = a - (2 alpha - 1) beta loss'(sbar),
 *                           delta = -beta loss'(sbar). For squared error sbar = (a + (2 alpha - 1) beta y) /
 *                           (1 + (2 alpha - 1) beta); needs (1 - 2 alpha) beta < 1, with cross-entropy < 2.
 *
 * Refused: steps without a solution; EXACT and SPROVR with bp and lecun, and with nudge_at PREDICTION. With dp-adjoint
 * and fenchel the linear step is exact already (Eq. 20-22): EXACT and SPROVR change nothing there.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_output_step(dualprop_rule *rule, int output_step);
/** Get the output step that was set, also where the variant does not use it. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_output_step(int *output_step, const dualprop_rule *rule);
/** Choose where the linear step takes the loss: DUALPROP_NUDGE_AT_CURRENT or DUALPROP_NUDGE_AT_PREDICTION. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at);
/** Get where the linear step takes the loss. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_nudge_at(int *nudge_at, const dualprop_rule *rule);

/**
 * Choose the schedule: who listens when, after a feed-forward start with s+ = s-. Each update uses the newest
 * neighbours, but for jacobi. K is `passes`; where the input is a dyad (dualprop_rule_set_input_robustness()) the lowest
 * layer is 0 and takes the place of 1 below.
 *
 *     DUALPROP_FORWARD_BACKWARD  L..2, then (1..L-1, L..1) x (K-1), then 1. K = 1 is one forward, one backward walk.
 *     DUALPROP_FORWARD           (1..L) x K. delta goes down one layer a pass, so K = L is the least that reaches all.
 *     DUALPROP_BACKWARD          (L..1) x K
 *     DUALPROP_ODD_EVEN          (odd layers, then even ones) x K; DUALPROP_EVEN_ODD the other way round
 *     DUALPROP_JACOBI            (all at once, from the old values) x K
 *     DUALPROP_RANDOM            K x L layers drawn from the seed, with replacement
 *     DUALPROP_ASYNC             the same, and of the layer drawn each neuron of each sample listens only with the
 *                                probability of dualprop_rule_set_async_fraction()
 *     DUALPROP_LIST              (the order of dualprop_rule_set_order()) x K
 *
 * Work whose inputs have not changed is skipped, exactly. Where its own s+- are among a layer's inputs (damping, time
 * steps other than 1, noise, async) every visit updates; products whose factors have not changed are kept.
 *
 * @param passes  1 .. 1,000,000
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_schedule(dualprop_rule *rule, int schedule, int passes);
/** Get the schedule and its passes; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_schedule(int *schedule, int *passes, const dualprop_rule *rule);
/**
 * Set the order of DUALPROP_LIST.
 *
 * @param layers  [count] layers, each 0..65535 (and 1..L, or 0 with input robustness, when a state is made); copied
 * @param count   1 .. 65,536
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_order(dualprop_rule *rule, const int32_t *layers, int64_t count);
/**
 * Get the order of DUALPROP_LIST.
 *
 * @param layers    receives the first `capacity` layers of the order; may be NULL if capacity is 0
 * @param capacity  elements of layers, >= 0
 * @param count     receives the length of the whole order, 0 if none was set; may be NULL
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_order(int32_t *layers, int64_t capacity, int64_t *count, const dualprop_rule *rule);
/** Set the fraction of neurons that listen at a visit under DUALPROP_ASYNC; in (0, 1], 1/2 at first. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_async_fraction(dualprop_rule *rule, double fraction);
/** Get the fraction of neurons that update at a visit under DUALPROP_ASYNC. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_async_fraction(double *fraction, const dualprop_rule *rule);
/**
 * Stop early when max |change of s+-| / max |s+-| of a pass falls below tolerance; 0 (never) or positive, finite.
 * Layers that a pass does not visit count with their last change; nothing stops before every layer was visited.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance);
/** Get the tolerance; 0 if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_tolerance(double *tolerance, const dualprop_rule *rule);
/**
 * Choose through whose arg-max max pooling passes delta down. No rule of the method says; the two differ at finite beta
 * by whole windows, and agree as beta -> 0.
 *
 * DUALPROP_SWITCHES_BOTTOM_UP  of the layer's last bottom-up evaluation, in the inference and in the gradient; the
 *                              default, and free
 * DUALPROP_SWITCHES_ORIGINAL   as the method's original code: Delta_k goes through the arg-max that s+ of layer k has
 *                              before its update, the gradient through that of the final sbar; one more bottom-up
 *                              evaluation of the pooled layer each time
 *
 * Part of the plan, as the schedule is. Back-propagation has one state, for which both are the same.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches);
/** Get whose arg-max max pooling uses. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_pool_switches(int *switches, const dualprop_rule *rule);
/**
 * Set the time step of leaky integration, in (0, 1]: s+- <- s+- + step (f(.) - s+-), at the output too. 1, the default,
 * takes f(.) at once.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_time_step(dualprop_rule *rule, double step);
/** Get the time step. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_time_step(double *step, const dualprop_rule *rule);
/**
 * Start from the last values (1) instead of the feed-forward state (0): where the state's last inference ended well and
 * was on as many samples, s+- stay as they are (a robust input's begin at x). The prediction is computed anew either way.
 * For inputs that change little, and for several inferences on one batch.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_warm_start(dualprop_rule *rule, int warm_start);
/** Get whether inference starts from the last values. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_warm_start(int *warm_start, const dualprop_rule *rule);
/** Report divergence when max |s+-| of a layer exceeds limit * max(1, its feed-forward value); limit > 1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_divergence_limit(dualprop_rule *rule, double limit);
/** Get the divergence limit. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_divergence_limit(double *limit, const dualprop_rule *rule);

/**
 * Choose where the damping D_k of hidden layers comes from; only for the damped rules, which are for activations that
 * are projections (identity, relu, hard-sigmoid): with others the damped fixed point is not f(a).
 *
 *     DUALPROP_DAMPING_HALF    |1 - 2 alpha_k| max(0, r_k gamma_k^2 - 1) / 2: beyond it the update is a contraction
 *     DUALPROP_DAMPING_GAMMA2  r_k gamma_k^2: App. F's, with which LPOM's objective (Eq. 4) falls monotonically
 *
 * r_k is |beta_k / beta_{k+1}|, 1 where one beta is set for all layers, and the strength rho of a robust input.
 * gamma_k is the spectral norm of W_k, the map above layer k (without bias and pooling), by power iterations at the
 * start of each inference, in the context's precision; each goes on from the state's last vector, the first from one
 * drawn from the seed.
 * (dualprop_rule_set_layer_damping() gives numbers instead.) Both are derived for one layer whose neighbours stand still;
 * with several layers of large weights dyads, whose s+ and s- lag behind each other, may diverge even so, and that is
 * reported as for every rule.
 *
 * @param damping           DUALPROP_DAMPING_HALF or DUALPROP_DAMPING_GAMMA2
 * @param power_iterations  1 .. 10,000
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_damping(dualprop_rule *rule, int damping, int power_iterations);
/** Get the kind of damping (DUALPROP_DAMPING_...) and the power iterations; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_damping(int *damping, int *power_iterations, const dualprop_rule *rule);
/**
 * Give D_k as a number; the damping becomes DUALPROP_DAMPING_GIVEN, and layers without a number have that of index -1
 * (0 at first).
 *
 * @param index    0 (the input, with input robustness) .. L-1; -1 sets the number of all layers
 * @param damping  finite, >= 0
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_layer_damping(dualprop_rule *rule, int index, double damping);
/** Get the D_k that was set for layer index, 0 .. 65,535; NaN if the damping is not DUALPROP_DAMPING_GIVEN. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_damping(double *damping, const dualprop_rule *rule, int index);

/**
 * Make the input a dyad too (E_0, sections 4.3 and 6.1): with strength rho > 0 layer 0 takes
 * s+-_0 = (x +- rho c+- W_0^T delta_1 + D_0 s+-_0)/(1 + D_0) at its place in every schedule, and sbar_0 feeds layer 1
 * and its gradient. 0 (the default) keeps sbar_0 = x. Where alpha c+ = (1 - alpha) c-, that is for dp-adjoint, fenchel
 * and lecun, and for dp with alpha = 1/2, sbar_0 stays x: then it changes nothing but s+-_0. Refused with bp.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_input_robustness(dualprop_rule *rule, double strength);
/** Get rho, the input's strength; 0 if the input is no dyad. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_input_robustness(double *strength, const dualprop_rule *rule);
/**
 * Choose what carries delta down: DUALPROP_FEEDBACK_SYMMETRIC (W^T) or the network's own feedback weights, which must
 * be of this kind (dualprop_network_set_feedback()). A bp rule with feedback weights is feedback alignment.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_feedback(dualprop_rule *rule, int feedback);
/** Get what carries delta down. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_feedback(int *feedback, const dualprop_rule *rule);

/**
 * Set alpha_k of one layer. dualprop_rule_set_alpha() sets all layers again.
 *
 * @param index  1 .. 65,535; an inference on a network with fewer layers is refused
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_layer_alpha(dualprop_rule *rule, int index, double alpha);
/** Get alpha_k of layer index, 1 .. 65,535: its own, or else that of all layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_alpha(double *alpha, const dualprop_rule *rule, int index);
/**
 * Set beta_k of one layer: hidden layers take c+- (beta_k / beta_{k+1}), the output step beta_L, and the gradient of
 * layer k is divided by beta_k. dualprop_rule_set_beta() sets all layers again. For numbers as in Eq. 47.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_layer_beta(dualprop_rule *rule, int index, double beta);
/** Get beta_k of layer index, 1 .. 65,535: its own, or else that of all layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_beta(double *beta, const dualprop_rule *rule, int index);
/**
 * Let alpha differ from neuron to neuron: alpha_i = alpha_k + deviation * n_i, clipped to [0, 1], n_i normal, drawn from
 * the seed once for each neuron of each layer; the same alpha_i in sbar and in c+-. 0: none.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_alpha_mismatch(dualprop_rule *rule, double deviation);
/** Get the standard deviation of alpha over the neurons of a layer. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_alpha_mismatch(double *deviation, const dualprop_rule *rule);

/**
 * Add Gaussian noise, drawn anew each time; standard deviations, >= 0. Training only: predictions stay clean.
 *
 * @param state     added to s+ and s- of layers 1..L after each update, independently
 * @param top_down  added to Delta_k (to -g at the output) before each update, the same for s+ and s-
 * @param weight    added to the weights (not biases) as they are read in an inference: one draw an inference, for both
 *                  directions; the gradient is applied to the weights themselves
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_noise(dualprop_rule *rule, double state, double top_down, double weight);
/** Get the three standard deviations of noise; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_noise(double *state, double *top_down, double *weight, const dualprop_rule *rule);
/**
 * Round s+ and s- of layers 1..L to 2^bits steps in [-R, R], after noise; R is the least power of two that holds the
 * layer's feed-forward values, and what lies outside is cut. 0 (the default) keeps reals; else 2..24. The feed-forward
 * start of an inference is rounded too, predictions are not.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_quantization(dualprop_rule *rule, int bits);
/** Get the bits of quantization; 0 if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_quantization(int *bits, const dualprop_rule *rule);
/**
 * Set the seed of all that is random in inference: orders, asynchrony, noise, mismatch, the start of power iterations.
 * What is drawn depends on the seed and on how many inferences the state has begun (dualprop_state_inference_count()).
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_seed(dualprop_rule *rule, uint64_t seed);
/** Get the seed. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_seed(uint64_t *seed, const dualprop_rule *rule);

#ifdef __cplusplus
}
#endif

#endif
