/*
 * passes.h - what the files of an inference offer each other: visits of layers, and what comes before and after them.
 */
#ifndef DUALPROP_CORE_PASSES_H
#define DUALPROP_CORE_PASSES_H

#include "inference.h"

/* infer.c: do the dyads matter to an inference that begins, which a refused call must leave to it? */
int dualprop__holds_warm_start(const dualprop_state *state);
/* deferred.c: may this inference, whose rule was read, check its maxima and its inputs at the end? */
int dualprop__can_defer(const dualprop_state *state);
/* Begin a section that the device may defer; does nothing on the CPU. dualprop__infer_section_end() ends it. */
dualprop_status dualprop__deferred_begin(dualprop_state *state);
/* layer_update.c: s_k = f_k(a_k) for all layers, from the input that was loaded. */
dualprop_status dualprop__feed_forward(dualprop_state *state);
/* layer_update.c: a_k = ... in the same way, but sbar and delta stay as they are. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state);
/* layer_update.c: mean <- f_k(a_k) as an update, which receives the maximum. */
dualprop_dyad dualprop__activation_update(const dualprop_state *state, const struct dualprop__dyads *own, void *mean,
                                          double *max_abs);
/* layer_update.c: a_k <- W_{k-1} sbar_{k-1} + b_{k-1}, followed by the dyad update if one is given. */
dualprop_status dualprop__compute_bottom_up(dualprop_state *state, int k, const dualprop_dyad *update);
/* layer_update.c: refuse dyads of layer k that are too large or non-finite. */
dualprop_status dualprop__check_divergence(const dualprop_state *state, int k);
/* fresh_minus.c: form s- of layer k again, unless it is f_k(a_k) of what is below it now. */
dualprop_status dualprop__form_minus(dualprop_state *state, int k);
/* layer_update.c: a visit of layer k: it is updated unless none of its inputs has changed. */
dualprop_status dualprop__update_layer(dualprop_state *state, int k);
/* layer_update.c: a visit of all layers at once, from the values before it. */
dualprop_status dualprop__update_all_layers(dualprop_state *state);
/* output_update.c: the exact and the mean's step of cross-entropy, which have no closed form, or of a proximal map. */
int dualprop__output_is_proximal(const dualprop_state *state);
/* output_update.c: the output layer's update, once a_L is up to date. */
dualprop_status dualprop__update_output(dualprop_state *state);
/* own_loss.c: is the loss of this inference a function of the caller's? */
int dualprop__has_own_loss(const dualprop_state *state);
/* own_loss.c: refuse a loss function that is not set, or that the state was not planned for. */
dualprop_status dualprop__own_loss_check(const dualprop_state *state);
/* own_loss.c: losses and slopes at the prediction, a_L, from the targets that were loaded. */
dualprop_status dualprop__own_loss_begin(dualprop_state *state);
/* own_loss.c: slopes at the current a_L, if they are of another one and the rule does not want the prediction's. */
dualprop_status dualprop__own_loss_renew(int *changed, dualprop_state *state);
/* own_loss.c: sbar_L and delta_L of the exact step or SPROVR's, by the loss's proximal map. */
dualprop_status dualprop__own_loss_step(dualprop_state *state, void *mean, void *delta);
/* own_loss.c: the summed loss of predictions in sbar_L against the targets that were loaded. */
dualprop_status dualprop__own_loss_evaluate(double *sum, dualprop_state *state);
/* custom_activation.c: the dyad update of layer k: the backend's, or by the caller's activation. */
dualprop_status dualprop__update_dyads(dualprop_state *state, int k, const dualprop_dyad *dyad);
/* custom_activation.c: the same with optional rule features. */
dualprop_status dualprop__update_dyads_extended(dualprop_state *state, int k, const dualprop_extended_update *extended);
/* extended_update.c: an update of layer k with the optional rule features; top_down NULL means zero. */
dualprop_status dualprop__extended_update(dualprop_state *state, int k, const void *a, const void *top_down);
/* extended_update.c: round the feed-forward state of layer k, if the rule quantises. */
dualprop_status dualprop__quantize_start(dualprop_state *state, int k);
/* extended_update.c: draw the alphas of single neurons and the weights' noise for an inference that begins. */
dualprop_status dualprop__sample_hardware_noise(dualprop_state *state);
/* damping.c: D_k of all layers, for an inference that begins. */
dualprop_status dualprop__find_damping(dualprop_state *state);

#endif
