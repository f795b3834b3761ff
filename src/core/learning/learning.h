/*
 * learning.h - what gradient.c and step.c share: entering an optimizer, and one layer's numbers for a step.
 */
#ifndef DUALPROP_CORE_LEARN_H
#define DUALPROP_CORE_LEARN_H

#include "core/state/state_internal.h"

/* One call at a time on an optimizer. */
dualprop_status dualprop__optimizer_enter(dualprop_optimizer *optimizer, const char *function);
void dualprop__optimizer_leave(dualprop_optimizer *optimizer);

/* gradient.c: what a gradient held has to be multiplied by to be the mean over all samples in it. */
double dualprop__gradient_scale(const dualprop_optimizer *optimizer);
/* gradient.c: -1/(beta_k samples), what delta_k sbar_{k-1}^T is multiplied by. */
double dualprop__gradient_factor(const dualprop_state *state, int k, int64_t samples);
/* gradient.c: the rule's gradient of one layer, written, added, or (with step) applied at once. */
dualprop_status dualprop__gradient_layer(dualprop_optimizer *optimizer, dualprop_state *state, int k, double scale,
                                         int accumulate, const dualprop_step_numbers *step);
/* gradient.c: a settled state of the optimizer's own network. */
dualprop_status dualprop__gradient_check(const dualprop_optimizer *optimizer, const dualprop_state *state);
/* gradient.c: compute the gradient with both handles entered; of dyads that may not have settled. */
dualprop_status dualprop__gradient_of_dyads(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate);
/* gradient.c: the same of a settled state. */
dualprop_status dualprop__gradient_compute(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate);

/* step.c: the largest gradient of a layer that a step may take. */
double dualprop__largest_gradient(const dualprop_optimizer *optimizer, const dualprop_layer *layer);
/* step.c: do rates let weights grow by themselves, so that a step has to look at them first? */
int dualprop__step_needs_weights(const dualprop_optimizer *optimizer);
/* step.c: gradient and step of all layers, fused. */
dualprop_status dualprop__learn_layers(dualprop_optimizer *optimizer, dualprop_state *state);

#endif
