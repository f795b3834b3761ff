/*
 * network_internal.h - what the files about networks, layers and parameters offer each other.
 *
 * A parameter is a layer and whether its bias is meant. On the host it is contiguous, in the context's precision and
 * in the public layout (dualprop__parameter_shape()); a staging buffer holds any one parameter of a network.
 */
#ifndef DUALPROP_CORE_NETWORK_INTERNAL_H
#define DUALPROP_CORE_NETWORK_INTERNAL_H

#include "core/base/internal.h"

/* layer.c */
/* Make a layer with zero parameters from a description (layer_shape.h). Its network does not know of it yet. */
dualprop_status dualprop__layer_create(dualprop_layer **layer, dualprop_network *network,
                                       const dualprop_layer *description, int index);
void dualprop__layer_destroy(dualprop_layer *layer); /* NULL and half-built are fine */

/* network.c */
/* As dualprop_network_create(), after its checks. The context lives, if only through its children. */
dualprop_status dualprop__network_make(dualprop_network **network, dualprop_context *context, int64_t height,
                                       int64_t width, int64_t channels);
int64_t dualprop__network_inputs(const dualprop_network *network);
int64_t dualprop__network_outputs(const dualprop_network *network); /* the input's size where there is no layer */

/* network_add.c */
int64_t dualprop__network_parameters(const dualprop_network *network); /* of all layers together */
/* Put a layer of this description on top. */
dualprop_status dualprop__network_append(dualprop_network *network, const dualprop_layer *description);
/* (height, width, channels) becomes (1, 1, all of them). */
static inline void dualprop__flatten(int64_t shape[3])
{
    shape[2] *= shape[0] * shape[1];
    shape[0] = shape[1] = 1;
}

/* End a write before which nothing was changed. */
void dualprop__network_abandon_write(dualprop_network *network);

/* parameter.c */
/* Host memory for any one parameter of the network, or NULL with the last error set. */
void *dualprop__parameter_staging(const dualprop_network *network);
dualprop_status dualprop__parameter_fetch(void *host, const dualprop_layer *layer, int is_bias);
dualprop_status dualprop__parameter_store(dualprop_layer *layer, int is_bias, const void *host);
/* initialize.c: draw weights as the network's initializer does, from any stream. */
void dualprop__draw_weights(void *reals, const dualprop_layer *layer, uint64_t seed, uint64_t stream);

/* feedback.c */
/* Make zero feedback weights of a kind (SYMMETRIC: none); the network has none on failure. */
dualprop_status dualprop__feedback_allocate(dualprop_network *network, int kind);
/* Bring the signs of sign-symmetric feedback weights back to those of the weights. */
void dualprop__feedback_align(dualprop_network *network);

#endif
