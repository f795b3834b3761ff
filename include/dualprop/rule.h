/**
 * @file
 * dualprop/rule.h - how a dyad is updated from its neighbours, and in which order.
 *
 * Every neuron is a pair (s+, s-) with sbar = alpha s+ + (1 - alpha) s- and delta = s+ - s-. sbar travels up, delta
 * travels down. With a_k = W_{k-1} sbar_{k-1} + b_{k-1} and Delta_k = W_k^T delta_{k+1}, a hidden layer is updated by
 *
 *     s+_k <- f_k((a_k + c+ Delta_k + D_k s+_k) / (1 + D_k)),
 *     s-_k <- f_k((a_k - c- Delta_k + D_k s-_k) / (1 + D_k)),
 *
 * and the output layer, with g = beta loss'(.) of the summed loss (Eq. 22), by s+_L = a_L - c+ g and s-_L = a_L + c- g.
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
 * (The paper prints s-_{k+1} - s+_{k+1}; with that sign the gradient of every other layer points uphill.) The signal
 * that is sent down, and that enters the gradient, is f'_k(a_k) delta_k. After it has reached the lowest layer, the
 * gradient equals back-propagation's at any beta and alpha, to rounding, as long as sbar is the feed-forward state: no
 * noise, no quantisation.
 *
 * One rule can serve many states. Numbers may be changed at any time. Changes to a state's memory or order of work (the
 * variant, schedule, passes, order, a tolerance, pool switches, feedback, and switching any option on or off) require
 * dualprop_state_prepare() on each state that uses the rule; otherwise its next inference is INVALID_STATE. Options
 * that contradict each other are refused by dualprop_state_create(), dualprop_state_prepare() and dualprop_infer() with
 * DUALPROP_ERROR_UNSUPPORTED and a text that names both. So setters may be called in any order.
 *
 * Each setter has a getter beside it; a getter with one output requires it.
 *
 * Defaults: alpha 1/2, beta 1/2, squared error, linear output step, nudge at the current a_L, fw-bw with one pass,
 * no tolerance, divergence limit 1e4, no growth limit, damping "half" with 5 power iterations for the damped
 * rules, seed 1; all other options are off.   Threads: several threads may read a rule; setting needs exclusive use.
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

/**
 * Get the bytes that a rule takes as it is set now: numbers of single layers and the order of DUALPROP_LIST take some.
 *
 * @param bytes  receives the number
 * @param rule   the rule
 * @return DUALPROP_OK
 * Threads: any, not while it is set.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_memory_needed(uint64_t *bytes, const dualprop_rule *rule);

/** Destroy a rule; NULL is allowed. Its memory is freed after the last state that uses it. */
DUALPROP_API void dualprop_rule_destroy(dualprop_rule *rule);

/**
 * Change the variant. Variants that fix alpha (lpom, inverted-lpom, fenchel) set it for all layers. Changing from an
 * undamped to a damped rule sets the damping to "half"; changing back sets it to none.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_variant(dualprop_rule *rule, int variant);
/** Get the variant. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_variant(int *variant, const dualprop_rule *rule);
/**
 * Set the weight of s+ in sbar = alpha s+ + (1 - alpha) s-, of all layers; in [0, 1]. Ignored by back-propagation.
 *
 * @return DUALPROP_OK, or INVALID_ARGUMENT: not in [0, 1], or not the value that the variant fixes
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_alpha(dualprop_rule *rule, double alpha);
/** Get the alpha of layers without one of their own. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_alpha(double *alpha, const dualprop_rule *rule);
/**
 * Set the strength of the nudge, of all layers; finite, not 0, may be negative. Ignored by back-propagation.
 *
 * @return DUALPROP_OK, or INVALID_ARGUMENT: 0, not finite, or below 1e-30 (f64: 1e-300) in magnitude, because deltas
 *         would lose their digits
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_beta(dualprop_rule *rule, double beta);
/** Get the beta of layers without one of their own. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_beta(double *beta, const dualprop_rule *rule);
/** Choose DUALPROP_MSE or DUALPROP_CROSS_ENTROPY; a loss of your own: dualprop_rule_set_loss_function(). */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_loss(dualprop_rule *rule, int loss);
/** Get the loss; DUALPROP_LOSS_FUNCTION if it is a function of the caller's. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_loss(int *loss, const dualprop_rule *rule);
/**
 * A loss of your own. It is called on the thread that called the library, in numbers of double whatever the context's
 * precision is, and must not call the library with the state that it is called for.
 *
 * @param user_data  as it was set
 * @param losses     [count], receives the loss of each sample; NULL: not needed
 * @param slopes     [count, width], receives the derivative of each sample's loss with respect to its outputs; NULL:
 * not
 *                   needed
 * @param outputs    [count, width]: a_L
 * @param targets    [count, width]: the targets of the inference, or labels as rows of zeros with a one
 * @param count      samples
 * @param width      outputs
 * @return 0 to continue; anything else ends the call that needed the loss with DUALPROP_ERROR_CANCELLED
 */
typedef int (*dualprop_loss_function)(void *user_data, double *losses, double *slopes, const double *outputs,
                                      const double *targets, int64_t count, int64_t width);
/**
 * Learn a loss of your own: the output layer is nudged along its slopes, in the linear step of Eq. 22, which is exact
 * for dp-adjoint, fenchel, lecun and bp; an exact or SPROVR step of dp needs the loss's proximal map,
 * dualprop_rule_set_loss_proximal(), and is refused without it. dualprop_infer(), dualprop_learn(), dualprop_evaluate()
 * and dualprop_state_report() then use this loss.
 *
 * The loss becomes DUALPROP_LOSS_FUNCTION; dualprop_rule_set_loss() removes the function. States created before must be
 * prepared again (dualprop_state_prepare()). A checkpoint keeps that the loss is a function, but not which: set it
 * again after loading. For a loss whose slopes you have computed already, see dualprop_infer_gradient().
 *
 * @param rule       the rule
 * @param function   called in every inference and evaluation of states with this rule; not NULL
 * @param user_data  passed to it; must outlive the rule's use
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT
 * Threads: the function may be called by several threads at once if several states use the rule.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_loss_function(dualprop_rule *rule, dualprop_loss_function function, void *user_data);
/**
 * The proximal map of a loss of your own: for each sample b the s_b that minimises t_b loss(s) + 1/2 ||s - a_b||^2. It
 * is called as the loss is, with the same user_data; the loss is then asked for its slopes at s.
 *
 * @param user_data  as it was set with the loss
 * @param s          [count, width], receives the minimisers
 * @param a          [count, width]: a_L
 * @param targets    [count, width]: as the loss gets them
 * @param t          [count]: alpha beta for s+, -(1 - alpha) beta for s-, (2 alpha - 1) beta for SPROVR's mean, times
 *                   the sample's weight; may be negative, where it has to be small enough for a minimum to exist
 * @param count      samples
 * @param width      outputs
 * @return 0 to continue; anything else, as if there is no minimum, ends the call with DUALPROP_ERROR_CANCELLED
 */
typedef int (*dualprop_loss_proximal)(void *user_data, double *s, const double *a, const double *targets,
                                      const double *t, int64_t count, int64_t width);
/**
 * Add the proximal map to a loss of your own, which the exact output step (Eq. 3) and SPROVR's (Eq. 63-68) need. Set
 * the loss before: dualprop_rule_set_loss_function() and dualprop_rule_set_loss() remove the map. States created before
 * must be prepared again.
 *
 * @param rule      whose loss is a function
 * @param proximal  NULL removes it
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE: the rule's loss is no function
 * Threads: as the loss's.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_loss_proximal(dualprop_rule *rule, dualprop_loss_proximal proximal);
/** Get the proximal map of a loss of the caller's; NULL if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_loss_proximal(dualprop_loss_proximal *proximal, const dualprop_rule *rule);
/** Get the function and its user_data, NULL if the loss is no function; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_loss_function(dualprop_loss_function *function, void **user_data, const dualprop_rule *rule);
/**
 * Choose how the output layer is nudged.
 *
 * DUALPROP_OUTPUT_LINEAR    Eq. 22: along the loss linearised at a_L (or at the prediction).
 * DUALPROP_OUTPUT_EXACT     Eq. 3 (AROVR): s+ minimises alpha beta loss(s) + 1/2 ||s - a_L||^2, s- the same with
 *                           -(1 - alpha) beta. Squared error has a closed form and needs (1 - alpha) beta < 1 and
 *                           alpha beta > -1; delta is that of the linear step times
 *                           1/((1 + alpha beta)(1 - (1 - alpha) beta)). Cross-entropy is solved by Newton's method
 *                           (its Hessian is a diagonal and a rank one term) and is convex for (1 - alpha) beta < 2 and
 *                           alpha beta > -2 where each row of targets sums to 1; an inference is refused if
 *                           a row has another sum S and exceeds its bounds, which are 2/S.
 * DUALPROP_OUTPUT_SPROVR    Eq. 63-68: the loss of the mean, sbar = a - (2 alpha - 1) beta loss'(sbar),
 *                           delta = -beta loss'(sbar). For squared error sbar = (a + (2 alpha - 1) beta y) /
 *                           (1 + (2 alpha - 1) beta); needs (1 - 2 alpha) beta < 1, with cross-entropy < 2.
 *
 * Refused are steps without a solution, and EXACT and SPROVR with bp and lecun and with nudge_at PREDICTION. For
 * dp-adjoint and fenchel the linear step is already exact (Eq. 20-22), so EXACT and SPROVR change nothing there.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_output_step(dualprop_rule *rule, int output_step);
/** Get the output step that was set, also where the variant does not use it. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_output_step(int *output_step, const dualprop_rule *rule);
/** Choose where the linear step evaluates loss': DUALPROP_NUDGE_AT_CURRENT or DUALPROP_NUDGE_AT_PREDICTION. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at);
/** Get where the linear step evaluates loss'. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_nudge_at(int *nudge_at, const dualprop_rule *rule);

/**
 * Choose the schedule: the order in which layers are updated after a feed-forward start with s+ = s-. Each update uses
 * its neighbours' newest values, except under jacobi. K is `passes`. If the input is a dyad
 * (dualprop_rule_set_input_robustness()) the lowest layer is 0 and replaces 1 in the list.
 *
 *     DUALPROP_FORWARD_BACKWARD  L..2, then (1..L-1, L..1) x (K-1), then 1. K = 1 is one forward and one backward pass.
 *     DUALPROP_FORWARD           (1..L) x K. delta moves down one layer per pass, so it needs K = L to reach all
 *                                layers.
 *     DUALPROP_BACKWARD          (L..1) x K
 *     DUALPROP_ODD_EVEN          (odd layers, then even ones) x K; DUALPROP_EVEN_ODD in the opposite order
 *     DUALPROP_JACOBI            (all at once, from the old values) x K
 *     DUALPROP_RANDOM            K x L layers drawn from the seed, with replacement
 *     DUALPROP_ASYNC             the same, and in the layer drawn each neuron of each sample is updated only with the
 *                                probability of dualprop_rule_set_async_fraction()
 *     DUALPROP_LIST              (the order of dualprop_rule_set_order()) x K
 *
 * Work whose inputs have not changed is skipped; the result has the same bits. If a layer's own s+- are among its
 * inputs (damping, time steps other than 1, noise, async), every visit updates it; products whose factors have not
 * changed are reused.
 *
 * @param rule      the rule
 * @param schedule  DUALPROP_FORWARD_BACKWARD .. DUALPROP_LIST
 * @param passes    1 .. 1,000,000
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_schedule(dualprop_rule *rule, int schedule, int passes);
/** Get the schedule and its passes; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_schedule(int *schedule, int *passes, const dualprop_rule *rule);
/**
 * Set the order of DUALPROP_LIST.
 *
 * @param rule    the rule
 * @param layers  [count] layers, each 0..65535 (1..L when a state is created, or 0 with input robustness); copied
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
 * @param rule      the rule
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_order(int32_t *layers, int64_t capacity, int64_t *count, const dualprop_rule *rule);
/** Set the fraction of neurons that are updated at a visit under DUALPROP_ASYNC; in (0, 1], 1/2 by default. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_async_fraction(dualprop_rule *rule, double fraction);
/** Get the fraction of neurons that are updated at a visit under DUALPROP_ASYNC. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_async_fraction(double *fraction, const dualprop_rule *rule);
/**
 * Stop early when max |change of s+-| / max |s+-| of a pass falls below tolerance; 0 (never) or positive, finite.
 * A layer that a pass does not visit counts with its last change. The inference does not stop before every layer was
 * visited.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance);
/** Get the tolerance; 0 if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_tolerance(double *tolerance, const dualprop_rule *rule);
/**
 * Choose which arg-max positions max pooling uses for delta. The paper does not specify this; at finite beta the two
 * choices can differ by whole windows. They agree as beta -> 0.
 *
 * DUALPROP_SWITCHES_BOTTOM_UP  those of the layer's last bottom-up evaluation, in the inference and in the gradient;
 *                              the default, which costs nothing
 * DUALPROP_SWITCHES_ORIGINAL   those of the method's original code: Delta_k uses the arg-max of s+ of layer k before
 *                              its update, the gradient that of the final sbar; each costs one more bottom-up
 *                              evaluation of the pooled layer
 *
 * The choice is a part of the plan, like the schedule. Back-propagation has one state, for which both are the same.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches);
/** Get which arg-max positions max pooling uses. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_pool_switches(int *switches, const dualprop_rule *rule);
/**
 * Set the time step of leaky integration, in (0, 1]: s+- <- s+- + step (f(.) - s+-), at the output too. With 1, the
 * default, s+- becomes f(.) at once.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_time_step(dualprop_rule *rule, double step);
/** Get the time step. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_time_step(double *step, const dualprop_rule *rule);
/**
 * Start from the last values (1) instead of the feed-forward state (0): if the state's last inference succeeded and had
 * as many samples, s+- keep their values (those of a robust input start at x). The prediction is computed again in
 * either case. Use it for inputs that change little, and for several inferences on one batch.
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
 * Report divergence when max |change of s+-| over a pass grows in so many passes in a row; 0 (never) to 1000000.
 *
 * An inference that diverges slowly stays below the divergence limit for dozens of passes, while its gradients are
 * wrong by orders of magnitude; a growth limit of 3 reports it. Passes count after delta has reached the lowest layer,
 * since until then every pass moves it to one more layer. Changes within rounding (1e-4 of the largest state in f32,
 * 1e-8 in f64) do not count. The limit is not applied if visits or states are drawn (DUALPROP_RANDOM, DUALPROP_ASYNC,
 * noise on states or signals).
 *
 * The change of every pass is then measured, as with a tolerance, and a device defers no work.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_growth_limit(dualprop_rule *rule, int passes);
/** Get the growth limit; 0, the default, is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_growth_limit(int *passes, const dualprop_rule *rule);

/**
 * Choose how the damping D_k of hidden layers is determined. This is for the damped rules only, which require
 * activations that are projections (identity, relu, hard-sigmoid): with others the damped fixed point is not f(a).
 *
 *     DUALPROP_DAMPING_HALF    |1 - 2 alpha_k| max(0, r_k gamma_k^2 - 1) / 2: above it the update is a contraction
 *     DUALPROP_DAMPING_GAMMA2  r_k gamma_k^2: as in App. F, with which LPOM's objective (Eq. 4) falls monotonically
 *
 * r_k is |beta_k / beta_{k+1}|, which is 1 if one beta is set for all layers; for a robust input it is the strength
 * rho. gamma_k is the spectral norm of W_k, the map above layer k (without bias and pooling). It is estimated by power
 * iterations at the start of each inference, in the context's precision. Each continues from the state's last vector;
 * the first vector is drawn from the seed.
 *
 * dualprop_rule_set_layer_damping() sets numbers instead. Both formulas are derived for one layer whose neighbours do
 * not change. With several layers of large weights, s+ and s- lag behind each other, and the inference may diverge even
 * so; that is reported as for every rule.
 *
 * @param rule              the rule
 * @param damping           DUALPROP_DAMPING_HALF or DUALPROP_DAMPING_GAMMA2
 * @param power_iterations  1 .. 10,000
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_damping(dualprop_rule *rule, int damping, int power_iterations);
/** Get the kind of damping (DUALPROP_DAMPING_...) and the power iterations; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_damping(int *damping, int *power_iterations, const dualprop_rule *rule);
/**
 * Set D_k to a number. The damping becomes DUALPROP_DAMPING_GIVEN, and layers without a number of their own use that of
 * index -1 (0 by default).
 *
 * @param rule     the rule
 * @param index    0 (the input, with input robustness) .. L-1; -1 sets the number of all layers
 * @param damping  finite, >= 0
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_layer_damping(dualprop_rule *rule, int index, double damping);
/** Get the D_k that was set for layer index, 0 .. 65,535; NaN if the damping is not DUALPROP_DAMPING_GIVEN. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_damping(double *damping, const dualprop_rule *rule, int index);

/**
 * Form s- of the layer above again before each update (1), as Eq. 50 has it: s-_{k+1} <- f_{k+1}(W_k s+_k + b_k) and
 * then s+_k with delta_{k+1} = s+_{k+1} - s-_{k+1}. Without it (0, the default) s-_{k+1} is what layer k + 1 had at its
 * own last update, damped. With it, DUALPROP_DAMPING_GAMMA2 and the exact output step on squared error, no update
 * raises LPOM's objective (Eq. 4), whatever the order of the layers; without it every second pass may. Each visit then
 * evaluates f of the layer above once more.
 *
 * It is an option of lpom alone: with another variant, and with options that change the update of single neurons
 * (noise on states or signals, quantization, time steps, DUALPROP_ASYNC), states are refused.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_fresh_minus(dualprop_rule *rule, int fresh);
/** Get whether s- of the layer above is formed again before each update. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_fresh_minus(int *fresh, const dualprop_rule *rule);

/**
 * Make the input a dyad too (E_0, sections 4.3 and 6.1). With strength rho > 0, layer 0 is updated by
 * s+-_0 = (x +- rho c+- W_0^T delta_1 + D_0 s+-_0)/(1 + D_0) at its place in every schedule, and sbar_0 is the input of
 * layer 1 and its gradient. 0 (the default) keeps sbar_0 = x. If alpha c+ = (1 - alpha) c-, that is for dp-adjoint,
 * fenchel and lecun, and for dp with alpha = 1/2, sbar_0 stays x: then only s+-_0 change. Refused with bp.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_input_robustness(dualprop_rule *rule, double strength);
/** Get rho, the input's strength; 0 if the input is not a dyad. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_input_robustness(double *strength, const dualprop_rule *rule);
/**
 * Choose the weights that carry delta down: DUALPROP_FEEDBACK_SYMMETRIC (W^T) or the network's feedback weights, which
 * must be of this kind (dualprop_network_set_feedback()). A bp rule with feedback weights is feedback alignment.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_feedback(dualprop_rule *rule, int feedback);
/** Get the kind of weights that carry delta down. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_feedback(int *feedback, const dualprop_rule *rule);

/**
 * Set alpha_k of one layer. dualprop_rule_set_alpha() resets all layers.
 *
 * @param rule   the rule
 * @param index  1 .. 65,535; an inference on a network with fewer layers is refused
 * @param alpha  as in dualprop_rule_set_alpha()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_layer_alpha(dualprop_rule *rule, int index, double alpha);
/** Get alpha_k of layer index, 1 .. 65,535: its own, or else that of all layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_alpha(double *alpha, const dualprop_rule *rule, int index);
/**
 * Set beta_k of one layer: hidden layers use c+- (beta_k / beta_{k+1}), the output step uses beta_L, and the gradient
 * of layer k is divided by beta_k, as in Eq. 47. dualprop_rule_set_beta() resets all layers.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_layer_beta(dualprop_rule *rule, int index, double beta);
/** Get beta_k of layer index, 1 .. 65,535: its own, or else that of all layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_layer_beta(double *beta, const dualprop_rule *rule, int index);
/**
 * Let alpha differ from neuron to neuron: alpha_i = alpha_k + deviation * n_i, clipped to [0, 1]. n_i is normal and
 * drawn from the seed once per neuron and layer; sbar and c+- use the same alpha_i. 0 means no mismatch.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_alpha_mismatch(dualprop_rule *rule, double deviation);
/** Get the standard deviation of alpha over the neurons of a layer. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_alpha_mismatch(double *deviation, const dualprop_rule *rule);

/**
 * Add Gaussian noise, drawn again each time. The numbers are standard deviations, >= 0. Noise applies to training only:
 * predictions have none.
 *
 * @param rule      the rule
 * @param state     added to s+ and s- of layers 1..L after each update, independently
 * @param top_down  added to Delta_k (to -g at the output) before each update, the same for s+ and s-. At an output
 *                  whose step is a proximal map (exact or SPROVR, of cross-entropy or of a loss of your own) there is
 *                  no g to add it to: it is added to the delta that results from the map
 * @param weight    added to the weights (not biases) as an inference reads them: one draw per inference, for both
 *                  directions; the gradient is applied to the weights themselves
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_set_noise(dualprop_rule *rule, double state, double top_down, double weight);
/** Get the three standard deviations of noise; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_rule_get_noise(double *state, double *top_down, double *weight, const dualprop_rule *rule);
/**
 * Round s+ and s- of layers 1..L to 2^bits steps in [-R, R], after noise. R is the smallest power of two that bounds
 * the layer's feed-forward values; values outside are clipped. 0 (the default) disables it; otherwise 2..24. The
 * feed-forward start of an inference is rounded too, predictions are not.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_quantization(dualprop_rule *rule, int bits);
/** Get the bits of quantization; 0 if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_quantization(int *bits, const dualprop_rule *rule);
/**
 * Set the seed of all random numbers in inference: orders, asynchrony, noise, mismatch, the start of power iterations.
 * They depend on the seed and on how many inferences the state has begun (dualprop_state_inference_count()).
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_set_seed(dualprop_rule *rule, uint64_t seed);
/** Get the seed. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_rule_get_seed(uint64_t *seed, const dualprop_rule *rule);

#ifdef __cplusplus
}
#endif

#endif
