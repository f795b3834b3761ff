/*
 * network_add.c - adding layers on top of a network, and what its top then is.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "network_internal.h"

/* As many layers as VGG16 has: a smaller array that grows leaves a hole in an arena. */
#define FIRST_LAYERS 16

/* ---- on top ---- */

int64_t dualprop__network_parameters(const dualprop_network *network)
{
    return network->parameters;
}

int dualprop__network_has_custom_maps(const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++)
        if (network->layers[k]->custom_map) return 1;
    return 0;
}

/* Every array that there was counts: in an arena a smaller one has left a hole, which what is made next may not fit. */
uint64_t dualprop__network_pointer_bytes(const dualprop_network *network)
{
    uint64_t bytes = 0;
    for (uint64_t capacity = FIRST_LAYERS; capacity <= (uint64_t)network->layer_capacity; capacity *= 2)
        bytes += dualprop__block_bytes(capacity * sizeof *network->layers);
    return bytes;
}

/* Room for one more pointer, twice as much as before if there is none: adding n layers is work for n layers. */
static dualprop_status make_layer_room(dualprop_network *network)
{
    size_t count = (size_t)network->layer_count;
    if (network->layer_count < network->layer_capacity) return DUALPROP_OK;
    size_t capacity = count == 0 ? FIRST_LAYERS : 2 * count;
    dualprop_layer **layers = dualprop__allocate_array(network->context, capacity, sizeof *layers);
    if (!layers) return DUALPROP_ERROR_NO_MEMORY;
    if (count > 0) memcpy(layers, network->layers, count * sizeof *layers);
    dualprop__release(network->context, network->layers);
    network->layers = layers;
    network->layer_capacity = (int)capacity;
    return DUALPROP_OK;
}

/* What the network would take with a layer of this description. */
static uint64_t bytes_with_layer(const dualprop_network *network, const dualprop_layer *description)
{
    uint64_t bytes, count = (uint64_t)network->layer_count;
    if (dualprop_network_memory_needed(&bytes, network) != DUALPROP_OK) return 0;
    if (network->layer_count == network->layer_capacity)
        bytes += dualprop__block_bytes((count == 0 ? FIRST_LAYERS : 2 * count) * sizeof *network->layers);
    return bytes + dualprop__described_bytes(network, description);
}

static dualprop_status append_layer(dualprop_network *network, const dualprop_layer *description)
{
    DUALPROP__TRY(make_layer_room(network));
    dualprop_layer **place = &network->layers[network->layer_count];
    return dualprop__layer_create(place, network, description, network->layer_count + 1);
}

dualprop_status dualprop__network_append(dualprop_network *network, const dualprop_layer *description)
{
    dualprop_context *context = network->context;
    int64_t total, own = dualprop__parameter_elements(description, 0) + dualprop__parameter_elements(description, 1);
    DUALPROP__REQUIRE(context, DUALPROP__ADD(&total, network->parameters, own) && network->layer_count < INT_MAX / 4,
                      DUALPROP_ERROR_RANGE, "the network's number of parameters overflows with another %lld",
                      (long long)own);
    dualprop_status status = append_layer(network, description);
    if (status == DUALPROP_ERROR_NO_MEMORY) {
        char what[64];
        snprintf(what, sizeof what, "a network with layer %d", network->layer_count + 1);
        return dualprop__whole_memory(context, status, what, bytes_with_layer(network, description),
                                      "dualprop_network_memory_needed");
    }
    DUALPROP__TRY(status);
    dualprop__layer_output(network->top, network->layers[network->layer_count]);
    network->layer_count++;
    network->parameters = total;
    return DUALPROP_OK;
}

/* Let a change of the layers begin, unless states and optimizers rely on them already. */
static dualprop_status begin_change(dualprop_network *network)
{
    DUALPROP__REQUIRE(network->context, network->feedback == DUALPROP_FEEDBACK_SYMMETRIC, DUALPROP_ERROR_INVALID_STATE,
                      "network already has feedback weights; expected all layers to be added before");
    DUALPROP__REQUIRE(network->context, !atomic_load(&network->sealed), DUALPROP_ERROR_INVALID_STATE,
                      "network already has a state or an optimizer; expected all layers to be added before");
    return dualprop__network_begin_change(network);
}

dualprop_status dualprop_network_set_open(dualprop_network *network, int ends)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__REQUIRE(network->context, ends >= 0 && ends <= (DUALPROP_OPEN_BOTTOM | DUALPROP_OPEN_TOP),
                      DUALPROP_ERROR_INVALID_ARGUMENT, "ends is %d; expected a sum of DUALPROP_OPEN_...", ends);
    DUALPROP__REQUIRE(network->context, !atomic_load(&network->sealed), DUALPROP_ERROR_INVALID_STATE,
                      "network already has a state or an optimizer; expected it to be opened before");
    DUALPROP__TRY(dualprop__network_begin_change(network));
    network->open = ends;
    dualprop__network_end_write(network);
    return DUALPROP_OK;
}

static dualprop_status end_change(dualprop_network *network, dualprop_status status)
{
    if (status == DUALPROP_OK) dualprop__network_end_write(network);
    else dualprop__network_abandon_write(network);
    return status;
}

/* ---- layers by kind ---- */

dualprop_status dualprop_network_add_dense(dualprop_network *network, int64_t outputs, int activation)
{
    dualprop_layer layer;
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(begin_change(network));
    dualprop_status status = dualprop__describe_dense(&layer, network->context, network->top, outputs, activation);
    if (status == DUALPROP_OK) status = dualprop__network_append(network, &layer);
    return end_change(network, status);
}

static dualprop_status add_convolution(dualprop_network *network, int kind, int64_t channels, const int64_t *kernel,
                                       const int64_t *stride, const int64_t *padding, int activation)
{
    dualprop_layer layer;
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(begin_change(network));
    dualprop_status status = dualprop__describe_convolution(&layer, network->context, kind, network->top, channels,
                                                            kernel, stride, padding, activation);
    if (status == DUALPROP_OK) status = dualprop__network_append(network, &layer);
    return end_change(network, status);
}

dualprop_status dualprop_network_add_convolution(dualprop_network *network, int64_t channels, const int64_t kernel[2],
                                                 const int64_t stride[2], const int64_t padding[2], int activation)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    return add_convolution(network, DUALPROP_LAYER_CONVOLUTION, channels, kernel, stride, padding, activation);
}

dualprop_status dualprop_network_add_local(dualprop_network *network, int64_t channels, const int64_t kernel[2],
                                           const int64_t stride[2], const int64_t padding[2], int activation)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    return add_convolution(network, DUALPROP_LAYER_LOCAL, channels, kernel, stride, padding, activation);
}

dualprop_status dualprop_network_add_custom(dualprop_network *network, int map, int64_t outputs, int64_t weights,
                                            int64_t fan_in, int activation)
{
    dualprop_layer layer;
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    const struct dualprop__custom_map *custom_map = dualprop__custom_map(network->context, map);
    DUALPROP__REQUIRE(network->context, custom_map, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "map is %d; expected one that dualprop_map_register() returned for this context", map);
    DUALPROP__TRY(begin_change(network));
    dualprop_status status = dualprop__describe_custom(&layer, network->context, network->top, custom_map, outputs,
                                                       weights, fan_in, activation);
    if (status == DUALPROP_OK) status = dualprop__network_append(network, &layer);
    return end_change(network, status);
}

/* ---- pooling ---- */

/* The layer that pooling would go to: the last one, where it is an image that nothing has flattened or pooled yet. */
static dualprop_status check_poolable(const dualprop_network *network)
{
    const dualprop_layer *last = network->layer_count ? network->layers[network->layer_count - 1] : NULL;
    int64_t shape[3] = { 0 };
    DUALPROP__REQUIRE(network->context, last, DUALPROP_ERROR_INVALID_STATE,
                      "pooling must follow a convolutional layer; the network has no layers yet");
    DUALPROP__REQUIRE(network->context, dualprop__layer_is_image(last), DUALPROP_ERROR_INVALID_STATE,
                      "pooling must follow a convolutional layer; the network ends with a %s layer",
                      dualprop_name(DUALPROP_NAMES_LAYER, last->kind));
    DUALPROP__REQUIRE(network->context, last->map.pooling == DUALPROP_POOL_NONE, DUALPROP_ERROR_INVALID_STATE,
                      "layer %d has its pooling already; expected one for each layer", last->index);
    dualprop__layer_output(shape, last);
    DUALPROP__REQUIRE(network->context, !memcmp(shape, network->top, sizeof shape), DUALPROP_ERROR_INVALID_STATE,
                      "layer %d was flattened; pooling comes before that", last->index);
    return DUALPROP_OK;
}

static dualprop_status copy_parameters(dualprop_layer *to, const dualprop_layer *from)
{
    void *staging = dualprop__parameter_staging(from->network);
    if (!staging) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = DUALPROP_OK;
    for (int is_bias = 0; is_bias <= 1 && status == DUALPROP_OK; is_bias++) {
        status = dualprop__parameter_fetch(staging, from, is_bias);
        if (status == DUALPROP_OK) status = dualprop__parameter_store(to, is_bias, staging);
    }
    atomic_store(&to->weights_are_set, atomic_load(&from->weights_are_set));
    dualprop__release(from->network->context, staging);
    return status;
}

/* A layer whose weights would have another layout with pooling is created again. */
static dualprop_status replace_last(dualprop_network *network, const dualprop_layer *description)
{
    dualprop_layer **last = &network->layers[network->layer_count - 1], *pooled;
    if (dualprop__layer_reshape(*last, description)) {
        dualprop__layer_output(network->top, *last);
        return DUALPROP_OK;
    }
    DUALPROP__TRY(dualprop__layer_create(&pooled, network, description, network->layer_count));
    dualprop_status status = copy_parameters(pooled, *last);
    if (status != DUALPROP_OK) {
        dualprop__layer_destroy(pooled);
        return status;
    }
    dualprop__layer_destroy(*last);
    *last = pooled;
    dualprop__layer_output(network->top, pooled);
    return DUALPROP_OK;
}

static dualprop_status add_pooling(dualprop_network *network, int pooling, const int64_t window[2],
                                   const int64_t *stride)
{
    DUALPROP__TRY(check_poolable(network));
    dualprop_layer layer = *network->layers[network->layer_count - 1];
    DUALPROP__TRY(dualprop__describe_pooling(&layer, network->context, pooling, window, stride));
    return replace_last(network, &layer);
}

dualprop_status dualprop_network_add_pooling(dualprop_network *network, int pooling, const int64_t window[2],
                                             const int64_t stride[2])
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(begin_change(network));
    return end_change(network, add_pooling(network, pooling, window, stride));
}

/* ---- flatten ---- */

dualprop_status dualprop_network_add_flatten(dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(begin_change(network));
    dualprop__flatten(network->top);
    return end_change(network, DUALPROP_OK);
}
