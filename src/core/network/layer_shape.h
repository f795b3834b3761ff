/*
 * layer_shape.h - what shapes follow from a layer's description, before it has parameters.
 *
 * A description is a dualprop_layer of which only kind, activation, inputs, outputs, bias_elements and map are set; of a
 * layer that exists it is the layer itself.
 */
#ifndef DUALPROP_CORE_LAYER_SHAPE_H
#define DUALPROP_CORE_LAYER_SHAPE_H

#include "core/base/internal.h"

/* Describe a dense layer on an input of this shape. RANGE where sizes overflow. */
dualprop_status dualprop__describe_dense(dualprop_layer *layer, const dualprop_context *context,
                                         const int64_t input[3], int64_t outputs, int activation);

/* Describe a convolutional or locally connected layer; stride NULL is 1, padding NULL keeps the size. */
dualprop_status dualprop__describe_convolution(dualprop_layer *layer, const dualprop_context *context, int kind,
                                               const int64_t input[3], int64_t channels, const int64_t kernel[2],
                                               const int64_t *stride, const int64_t *padding, int activation);

/* Put pooling behind a described layer's map; stride NULL is the window. */
dualprop_status dualprop__describe_pooling(dualprop_layer *layer, const dualprop_context *context, int pooling,
                                           const int64_t window[2], const int64_t *stride);

/* Are two layers of the same kind and shape? Their parameters then are, too. */
int dualprop__layer_alike(const dualprop_layer *one, const dualprop_layer *other);

/* The shape (height, width, channels) of a layer's output; (1, 1, outputs) of a dense layer. */
void dualprop__layer_output(int64_t shape[3], const dualprop_layer *layer);

/* Inputs and outputs of one neuron's weights, for initialisers: the taps times the channels. */
void dualprop__layer_fans(double *in, double *out, const dualprop_layer *layer);

#endif
