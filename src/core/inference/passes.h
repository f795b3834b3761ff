/*
 * passes.h - what the files of an inference offer each other: visits of layers, and what comes before and after them.
 */
#ifndef DUALPROP_CORE_PASSES_H
#define DUALPROP_CORE_PASSES_H

#include "inference.h"

/* deferred.c: may this inference, whose rule was taken, look at its peaks at the end? */
int dualprop__can_defer(const dualprop_state *state, int is_warm);
/* Nothing, on the CPU. */
dualprop_status dualprop__deferred_begin(dualprop_state *state);
/* listen.c: s_k = f_k(a_k) for all layers, from the input that was loaded. */
dualprop_status dualprop__feed_forward(dualprop_state *state);
/* listen.c: a_k = ... in the same way, but sbar and delta stay as they are. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state);
/* listen.c: layer k listens once, unless nothing it hears has changed. */
dualprop_status dualprop__update_layer(dualprop_state *state, int k);
/* listen.c: all layers listen at once, to the values from before. */
dualprop_status dualprop__update_all_layers(dualprop_state *state);
/* output.c: the output layer's update, once a_L is there. */
dualprop_status dualprop__update_output(dualprop_state *state);
/* general.c: an update of layer k with the rarer options; top_down NULL means zero. */
dualprop_status dualprop__extended_update(dualprop_state *state, int k, const void *a, const void *top_down);
/* general.c: round the feed-forward state of layer k, where the rule quantises. */
dualprop_status dualprop__quantize_start(dualprop_state *state, int k);
/* general.c: draw the alphas of single neurons and the weights' noise for an inference that begins. */
dualprop_status dualprop__sample_hardware_noise(dualprop_state *state);
/* damping.c: D_k of all layers, for an inference that begins. */
dualprop_status dualprop__find_damping(dualprop_state *state);

#endif
