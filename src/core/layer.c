/*
 * layer.c - one layer: its parameters in backend memory, and its settings for training.
 */
#include <math.h>

#include "network_internal.h"

/*
 * Backends pad both extents of a weight matrix; this much for each keeps every byte count that a backend can form
 * from a shape that passed within int64_t.
 */
#define PADDING 4096

/* Can a matrix of this shape, padded, be counted in bytes? */
static int shape_fits(int64_t inputs, int64_t outputs, size_t real_size)
{
    int64_t rows, columns, elements, bytes;
    return DUALPROP__ADD(&rows, inputs, PADDING) && DUALPROP__ADD(&columns, outputs, PADDING) &&
           DUALPROP__MULTIPLY(&elements, rows, columns) && DUALPROP__MULTIPLY(&bytes, elements, (int64_t)real_size);
}

static dualprop_status create_parameters(dualprop_layer *layer)
{
    dualprop_context *context = layer->network->context;
    int64_t elements = context->backend.weight_elements(context->instance, layer->inputs, layer->outputs);
    DUALPROP__REQUIRE(context, elements > 0, DUALPROP_ERROR_RANGE,
                      "a layer of %lld inputs and %lld outputs is beyond what the backend can hold",
                      (long long)layer->inputs, (long long)layer->outputs);
    layer->weight_elements = elements;
    DUALPROP__TRY(dualprop__reals_create(context, &layer->weight, elements));
    return dualprop__reals_create(context, &layer->bias, layer->outputs);
}

dualprop_status dualprop__layer_create(dualprop_layer **out, dualprop_network *network, int64_t inputs,
                                       int64_t outputs, int activation)
{
    dualprop_context *context = network->context;
    DUALPROP__REQUIRE(context, shape_fits(inputs, outputs, context->real_size), DUALPROP_ERROR_RANGE,
                      "outputs is %lld; the number of weights for %lld inputs overflows", (long long)outputs,
                      (long long)inputs);
    dualprop_layer *layer = dualprop__allocate(context, sizeof *layer);
    if (!layer) return DUALPROP_ERROR_NO_MEMORY;
    layer->magic = DUALPROP__LAYER;
    layer->network = network;
    layer->activation = activation;
    layer->inputs = inputs;
    layer->outputs = outputs;
    layer->learning_rate = 1.0;
    dualprop_status status = create_parameters(layer);
    if (status != DUALPROP_OK) {
        dualprop__layer_destroy(layer);
        return status;
    }
    *out = layer;
    return DUALPROP_OK;
}

void dualprop__layer_destroy(dualprop_layer *layer)
{
    if (!layer) return;
    dualprop_context *context = layer->network->context;
    dualprop__reals_destroy(context, layer->feedback, layer->weight_elements);
    dualprop__reals_destroy(context, layer->bias, layer->outputs);
    dualprop__reals_destroy(context, layer->weight, layer->weight_elements);
    layer->magic = DUALPROP__DEAD;
    dualprop__release(context, layer);
}

dualprop_status dualprop_layer_info(int64_t *inputs, int64_t *outputs, int *activation, const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    if (inputs) *inputs = layer->inputs;
    if (outputs) *outputs = layer->outputs;
    if (activation) *activation = layer->activation;
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_set_frozen(dualprop_layer *layer, int frozen)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    DUALPROP__REQUIRE(layer->network->context, frozen == 0 || frozen == 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "frozen is %d; expected 0 or 1", frozen);
    layer->frozen = frozen;
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_set_learning_rate(dualprop_layer *layer, double factor)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    DUALPROP__REQUIRE(layer->network->context, isfinite(factor) && factor >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "factor is %g; expected a finite number >= 0", factor);
    layer->learning_rate = factor;
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_training(int *frozen, double *learning_rate, const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    if (frozen) *frozen = layer->frozen;
    if (learning_rate) *learning_rate = layer->learning_rate;
    return DUALPROP_OK;
}
