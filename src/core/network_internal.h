/*
 * network_internal.h - what network.c, layer.c, network_copy.c, parameter.c and initialize.c offer each other.
 *
 * A parameter is a layer and whether its bias is meant. On the host it is contiguous, in the context's precision and
 * in the public layout ([inputs, outputs] or [outputs]); a staging buffer holds any one parameter of a network.
 */
#ifndef DUALPROP_CORE_NETWORK_INTERNAL_H
#define DUALPROP_CORE_NETWORK_INTERNAL_H

#include "internal.h"

/* layer.c */
/* Make a layer with zero parameters; RANGE where its sizes overflow. Its network does not know of it yet. */
dualprop_status dualprop__layer_create(dualprop_layer **layer, dualprop_network *network, int64_t inputs,
                                       int64_t outputs, int activation);
void dualprop__layer_destroy(dualprop_layer *layer); /* NULL and half-built are fine */

/* network.c */
/* As dualprop_network_create(), after its checks. The context lives, if only through its children. */
dualprop_status dualprop__network_make(dualprop_network **network, dualprop_context *context, int64_t height,
                                       int64_t width, int64_t channels);
int64_t dualprop__network_inputs(const dualprop_network *network);
int64_t dualprop__network_outputs(const dualprop_network *network); /* the input's size where there is no layer */
/* Put a layer on top; the network owns it from then on. On failure it stays the caller's. */
dualprop_status dualprop__network_append(dualprop_network *network, dualprop_layer *layer);

/* End a write before which nothing was changed. */
void dualprop__network_abandon_write(dualprop_network *network);

/* parameter.c */
int64_t dualprop__parameter_elements(const dualprop_layer *layer, int is_bias);
/* Host memory for any one parameter of the network, or NULL with the last error set. */
void *dualprop__parameter_staging(const dualprop_network *network);
dualprop_status dualprop__parameter_fetch(void *host, const dualprop_layer *layer, int is_bias);
dualprop_status dualprop__parameter_store(dualprop_layer *layer, int is_bias, const void *host);
/* The same for what has the layout of a layer's weights, such as feedback weights and moments. */
dualprop_status dualprop__weights_fetch(void *host, const dualprop_layer *layer, const void *weights);
dualprop_status dualprop__weights_store(const dualprop_layer *layer, void *weights, const void *host);
int dualprop__weights_shape(int64_t *shape, const dualprop_layer *layer); /* gives the rank */
dualprop_status dualprop__weights_check_view(const dualprop_view *view, const dualprop_layer *layer);

/* initialize.c: draw weights as the network's initializer does, from any stream. */
void dualprop__draw_weights(void *reals, const dualprop_layer *layer, uint64_t seed, uint64_t stream);

/* feedback.c */
/* Make zero feedback weights of a kind (SYMMETRIC: none); the network has none on failure. */
dualprop_status dualprop__feedback_allocate(dualprop_network *network, int kind);
/* Bring the signs of sign-symmetric feedback weights back to those of the weights. */
void dualprop__feedback_align(dualprop_network *network);

#endif
