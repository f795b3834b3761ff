/*
 * layer.c - one layer: its parameters in backend memory, and its settings for training.
 */
#include <math.h>

#include "network_internal.h"

/* Elements of the weights in the backend's layout; -1 if it cannot hold them. */
static int64_t count_weights(const dualprop_layer *layer)
{
    const dualprop_context *context = layer->network->context;
    if (layer->kind == DUALPROP_LAYER_CUSTOM) return layer->custom_weights;
    return layer->kind == DUALPROP_LAYER_DENSE
               ? context->backend.weight_elements(context->instance, layer->inputs, layer->outputs)
               : context->backend.convolution_weight_elements(context->instance, &layer->map);
}

static dualprop_status create_parameters(dualprop_layer *layer)
{
    dualprop_context *context = layer->network->context;
    int64_t elements = count_weights(layer);
    DUALPROP__REQUIRE(context, elements > 0, DUALPROP_ERROR_RANGE,
                      "a layer of %lld inputs and %lld outputs is larger than the backend supports",
                      (long long)layer->inputs, (long long)layer->outputs);
    layer->weight_elements = elements;
    if (layer->network->is_outline) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__reals_create(context, &layer->weight, elements));
    return dualprop__reals_create(context, &layer->bias, layer->bias_elements);
}

dualprop_status dualprop__layer_create(dualprop_layer **out, dualprop_network *network,
                                       const dualprop_layer *description, int index)
{
    dualprop_layer *layer = dualprop__allocate(network->context, sizeof *layer);
    if (!layer) return DUALPROP_ERROR_NO_MEMORY;
    layer->magic = DUALPROP__LAYER;
    layer->network = network;
    layer->index = index;
    layer->kind = description->kind;
    layer->activation = description->activation;
    layer->custom_activation = description->custom_activation;
    layer->custom_map = description->custom_map;
    layer->custom_weights = description->custom_weights;
    layer->fan_in = description->fan_in;
    layer->inputs = description->inputs;
    layer->outputs = description->outputs;
    layer->bias_elements = description->bias_elements;
    layer->map = description->map;
    layer->frozen = description->frozen;
    layer->learning_rate = description->learning_rate;
    dualprop_status status = create_parameters(layer);
    if (status == DUALPROP_OK) *out = layer;
    else dualprop__layer_destroy(layer);
    return status;
}

int dualprop__layer_reshape(dualprop_layer *layer, const dualprop_layer *description)
{
    dualprop_layer other = *description;
    other.network = layer->network;
    if (count_weights(&other) != layer->weight_elements || other.bias_elements != layer->bias_elements) return 0;
    layer->map = other.map;
    layer->outputs = other.outputs;
    return 1;
}

uint64_t dualprop__layer_bytes(const dualprop_layer *layer)
{
    const dualprop_context *context = layer->network->context;
    int arrays = layer->network->feedback == DUALPROP_FEEDBACK_SYMMETRIC ? 1 : 2;
    return dualprop__block_bytes(sizeof *layer) + dualprop__reals_bytes(context, layer->bias_elements) +
           (uint64_t)arrays * dualprop__reals_bytes(context, layer->weight_elements);
}

uint64_t dualprop__described_bytes(const dualprop_network *network, const dualprop_layer *description)
{
    dualprop_layer layer = *description;
    layer.network = (dualprop_network *)(uintptr_t)network; /* which is only read */
    layer.weight_elements = count_weights(&layer);
    return layer.weight_elements > 0 ? dualprop__layer_bytes(&layer) : 0;
}

void dualprop__layer_destroy(dualprop_layer *layer)
{
    if (!layer) return;
    dualprop_context *context = layer->network->context;
    dualprop__reals_destroy(context, layer->feedback, layer->weight_elements);
    dualprop__reals_destroy(context, layer->bias, layer->bias_elements);
    dualprop__reals_destroy(context, layer->weight, layer->weight_elements);
    layer->magic = DUALPROP__DEAD;
    dualprop__release(context, layer);
}

const char *dualprop__layer_activation_name(const dualprop_layer *layer)
{
    return layer->custom_activation ? layer->custom_activation->part.name
                                    : dualprop_name(DUALPROP_NAMES_ACTIVATION, layer->activation);
}

/* A caller's activation has another number in every context; its name is what files and other contexts know it by. */
int dualprop__layer_activates_alike(const dualprop_layer *one, const dualprop_layer *other)
{
    if (!one->custom_activation || !other->custom_activation) return one->activation == other->activation;
    return dualprop__same_name(one->custom_activation->part.name, other->custom_activation->part.name);
}

dualprop_status dualprop__layer_answer(const dualprop_layer *layer, int answer)
{
    DUALPROP__REQUIRE(layer->network->context, answer == 0, DUALPROP_ERROR_CANCELLED,
                      "the activation %s of layer %d returned %d; expected 0, which continues",
                      dualprop__layer_activation_name(layer), layer->index, answer);
    return DUALPROP_OK;
}

dualprop_status dualprop__layer_map_answer(const dualprop_layer *layer, int answer)
{
    DUALPROP__REQUIRE(layer->network->context, answer == 0, DUALPROP_ERROR_CANCELLED,
                      "the map %s of layer %d returned %d; expected 0, which continues", layer->custom_map->part.name,
                      layer->index, answer);
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_info(int64_t *inputs, int64_t *outputs, int *activation, const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    if (inputs) *inputs = layer->inputs;
    if (outputs) *outputs = layer->outputs;
    if (activation) *activation = layer->activation;
    return DUALPROP_OK;
}

static void write_pair(int64_t pair[2], int64_t first, int64_t second)
{
    if (!pair) return;
    pair[0] = first;
    pair[1] = second;
}

dualprop_status dualprop_layer_shape(int *kind, int64_t output[3], int64_t kernel[2], int64_t stride[2],
                                     int64_t padding[2], int *pooling, int64_t window[2], int64_t window_stride[2],
                                     const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    const dualprop_convolution *map = &layer->map; /* zeros in a layer on vectors */
    if (kind) *kind = layer->kind;
    if (output) dualprop__layer_output(output, layer);
    write_pair(kernel, map->kernel_height, map->kernel_width);
    write_pair(stride, map->stride_height, map->stride_width);
    write_pair(padding, map->padding_height, map->padding_width);
    if (pooling) *pooling = map->pooling;
    write_pair(window, map->window_height, map->window_width);
    write_pair(window_stride, map->window_stride_height, map->window_stride_width);
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_custom(const char **map, int64_t *weights, int64_t *fan_in, const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    if (map) *map = layer->custom_map ? layer->custom_map->part.name : NULL;
    if (weights) *weights = layer->custom_weights;
    if (fan_in) *fan_in = layer->fan_in;
    return DUALPROP_OK;
}

dualprop_status dualprop_layer_map_functions(dualprop_map_product *forward, dualprop_map_product *transposed,
                                             dualprop_map_gradient *gradient, void **user_data, int *type,
                                             const dualprop_layer *layer)
{
    static const struct dualprop__custom_map NO_MAP;
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    const struct dualprop__custom_map *map = layer->custom_map ? layer->custom_map : &NO_MAP;
    if (forward) *forward = map->forward;
    if (transposed) *transposed = map->transposed;
    if (gradient) *gradient = map->gradient;
    if (user_data) *user_data = map->user_data;
    if (type) *type = layer->network->context->precision;
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
