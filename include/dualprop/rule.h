/*
 * dualprop/rule.h - how a dyad listens to its neighbours, and in which order.
 *
 * With c+ = alpha, c- = 1 - alpha for DP (Eq. 2), and c+ = 1 - alpha, c- = alpha for DP^T (Eq. 19):
 *
 *     s+_k <- f_k(a_k + c+ Delta_k),   s-_k <- f_k(a_k - c- Delta_k),   Delta_k = W_k^T delta_{k+1}
 *
 * and at the output, with g = beta loss'(.) of the summed loss (Eq. 22):  s+_L = a_L - c+ g,  s-_L = a_L + c- g.
 * One rule serves many states. Numbers may be changed at any time; a change of variant, schedule, passes, tolerance or
 * switches needs dualprop_state_prepare() on each state that uses the rule (else its next inference is INVALID_STATE).
 *
 * Defaults: alpha 1/2, beta 1/2, squared error, linear output step, nudge at the current a_L, fw-bw with one pass,
 * no tolerance, divergence limit 1e4.   Threads: reading in parallel; setting alone.
 */
#ifndef DUALPROP_RULE_H
#define DUALPROP_RULE_H

#include "dualprop/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Create a rule. variant is DUALPROP_DP, DUALPROP_DP_ADJOINT or DUALPROP_BP. Since: 0.1. */
DUALPROP_CALL dualprop_rule_create(dualprop_rule **rule, dualprop_context *context, int variant);

/** Destroy a rule; NULL is fine. It stays alive inside until the states made with it are gone. */
DUALPROP_API void dualprop_rule_destroy(dualprop_rule *rule);

/** Change the variant. */
DUALPROP_CALL dualprop_rule_set_variant(dualprop_rule *rule, int variant);
/** Set the weight of s+ in sbar = alpha s+ + (1 - alpha) s-; in [0, 1]. Ignored by back-propagation. */
DUALPROP_CALL dualprop_rule_set_alpha(dualprop_rule *rule, double alpha);
/** Set the strength of the nudge; finite, not 0, may be negative. Ignored by back-propagation. */
DUALPROP_CALL dualprop_rule_set_beta(dualprop_rule *rule, double beta);
/** Choose DUALPROP_MSE or DUALPROP_CROSS_ENTROPY. */
DUALPROP_CALL dualprop_rule_set_loss(dualprop_rule *rule, int loss);
/**
 * Choose DUALPROP_OUTPUT_LINEAR or DUALPROP_OUTPUT_EXACT. The exact step, Eq. 3, is for DP with squared error and
 * needs (1 - alpha) beta < 1 and alpha beta > -1: else dualprop_state_create() and _infer() refuse with UNSUPPORTED.
 * For DP^T the linear step is already exact (Eq. 20-22), so EXACT changes nothing there; back-propagation refuses it.
 */
DUALPROP_CALL dualprop_rule_set_output_step(dualprop_rule *rule, int output_step);
/** Choose DUALPROP_NUDGE_AT_CURRENT or DUALPROP_NUDGE_AT_PREDICTION. */
DUALPROP_CALL dualprop_rule_set_nudge_at(dualprop_rule *rule, int nudge_at);
/**
 * Choose the schedule: after a feed-forward start with s+ = s-,
 * DUALPROP_FORWARD_BACKWARD visits L..2, then (1..L-1, L..1) passes - 1 times, then 1;
 * DUALPROP_FORWARD visits 1..L passes times.
 * Work whose inputs have not changed is skipped, exactly.
 *
 * @param passes  1 .. 1,000,000
 */
DUALPROP_CALL dualprop_rule_set_schedule(dualprop_rule *rule, int schedule, int passes);
/** Stop early when max |change of s+-| / max |s+-| of a pass falls below tolerance; 0 (never) or positive, finite. */
DUALPROP_CALL dualprop_rule_set_tolerance(dualprop_rule *rule, double tolerance);
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
DUALPROP_CALL dualprop_rule_set_pool_switches(dualprop_rule *rule, int switches);
/** Give whose switches max pooling uses. */
DUALPROP_CALL dualprop_rule_pool_switches(int *switches, const dualprop_rule *rule);
/** Report divergence when max |s+-| of a layer exceeds limit * max(1, its feed-forward value); limit > 1. */
DUALPROP_CALL dualprop_rule_set_divergence_limit(dualprop_rule *rule, double limit);

/** Give the variant, the loss, the output step, where the nudge is taken, schedule and passes; each may be NULL. */
DUALPROP_CALL dualprop_rule_choices(int *variant, int *loss, int *output_step, int *nudge_at, int *schedule,
                                    int *passes, const dualprop_rule *rule);
/** Give alpha, beta, the tolerance and the divergence limit; each may be NULL. */
DUALPROP_CALL dualprop_rule_numbers(double *alpha, double *beta, double *tolerance, double *divergence_limit,
                                    const dualprop_rule *rule);

#ifdef __cplusplus
}
#endif

#endif
