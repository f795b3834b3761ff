/*
 * parameter.c - parameters by name, "layer1.weight" and "layer1.bias", in the public layout (layer_shape.c).
 *
 * The backend keeps weights in a layout of its own; here they pass through a buffer on the host in the public one.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "network_internal.h"

/* ---- between the backend and the host ---- */

int64_t dualprop__largest_weights(const dualprop_network *network)
{
    int64_t most = 0;
    for (int k = 0; k < network->layer_count; k++) {
        int64_t weights = dualprop__parameter_elements(network->layers[k], 0);
        if (weights > most) most = weights;
        if (network->layers[k]->bias_elements > most) most = network->layers[k]->bias_elements; /* of a map of few */
    }
    return most;
}

void *dualprop__parameter_staging(const dualprop_network *network)
{
    return dualprop__allocate_array(network->context, (size_t)dualprop__largest_weights(network),
                                    network->context->real_size);
}

dualprop_status dualprop__parameter_read(void *host, const dualprop_layer *layer, int is_bias, const void *memory)
{
    const dualprop_context *context = layer->network->context;
    const dualprop_backend *backend = &context->backend;
    if (is_bias)
        return backend->copy_out(context->instance, host, memory, (size_t)layer->bias_elements * context->real_size);
    if (layer->kind == DUALPROP_LAYER_CUSTOM)
        return backend->copy_out(context->instance, host, memory, (size_t)layer->weight_elements * context->real_size);
    if (layer->kind == DUALPROP_LAYER_DENSE)
        return backend->read_weights(context->instance, host, memory, layer->inputs, layer->outputs);
    return backend->read_convolution_weights(context->instance, &layer->map, host, memory);
}

dualprop_status dualprop__parameter_write(const dualprop_layer *layer, int is_bias, void *memory, const void *host)
{
    const dualprop_context *context = layer->network->context;
    const dualprop_backend *backend = &context->backend;
    if (is_bias)
        return backend->copy_in(context->instance, memory, host, (size_t)layer->bias_elements * context->real_size);
    if (layer->kind == DUALPROP_LAYER_CUSTOM)
        return backend->copy_in(context->instance, memory, host, (size_t)layer->weight_elements * context->real_size);
    if (layer->kind == DUALPROP_LAYER_DENSE)
        return backend->write_weights(context->instance, memory, host, layer->inputs, layer->outputs);
    return backend->write_convolution_weights(context->instance, &layer->map, memory, host);
}

dualprop_status dualprop__parameter_fetch(void *host, const dualprop_layer *layer, int is_bias)
{
    return dualprop__parameter_read(host, layer, is_bias, is_bias ? layer->bias : layer->weight);
}

dualprop_status dualprop__parameter_store(dualprop_layer *layer, int is_bias, const void *host)
{
    DUALPROP__TRY(dualprop__parameter_write(layer, is_bias, is_bias ? layer->bias : layer->weight, host));
    if (!is_bias) atomic_store(&layer->weights_are_set, 1);
    return DUALPROP_OK;
}

/* ---- names ---- */

/* Read "layer<number>." of a name, in the one way we write it; returns the rest of the name, or NULL. */
static const char *parse_layer(int *index, const char *name)
{
    const char *digits = name + strlen("layer");
    int64_t number = 0;
    if (strncmp(name, "layer", strlen("layer")) != 0 || *digits < '1' || *digits > '9') return NULL;
    for (; *digits >= '0' && *digits <= '9'; digits++) {
        number = number * 10 + (*digits - '0');
        if (number > INT_MAX) return NULL;
    }
    *index = (int)number;
    return *digits == '.' ? digits + 1 : NULL;
}

dualprop_status dualprop__network_find(dualprop_layer **layer, int *is_bias, const dualprop_network *network,
                                       const char *name)
{
    DUALPROP__REQUIRE(network->context, name, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is NULL; expected a parameter such as layer1.weight");
    int index = 0;
    const char *rest = parse_layer(&index, name);
    int bias = rest && strcmp(rest, "bias") == 0;
    int found = rest && index <= network->layer_count && (bias || strcmp(rest, "weight") == 0);
    DUALPROP__REQUIRE(network->context, found, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is \"%.64s\"; expected layerK.weight or layerK.bias with K in 1..%d", name,
                      network->layer_count);
    *layer = network->layers[index - 1];
    *is_bias = bias;
    return DUALPROP_OK;
}

dualprop_status dualprop_network_parameter_count(int *count, const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__REQUIRE(network->context, count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is NULL; expected a place for the result");
    *count = 2 * network->layer_count;
    return DUALPROP_OK;
}

dualprop_status dualprop_network_parameter(char *name, size_t size, int64_t *shape, int *rank,
                                           const dualprop_network *network, int index)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    const dualprop_context *context = network->context;
    DUALPROP__REQUIRE(context, name, DUALPROP_ERROR_INVALID_ARGUMENT, "name is NULL; expected a place for the name");
    DUALPROP__REQUIRE(context, index >= 0 && index < 2 * network->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 0..%d", index, 2 * network->layer_count - 1);
    const dualprop_layer *layer = network->layers[index / 2];
    int is_bias = index % 2;
    char text[32];
    int length = snprintf(text, sizeof text, "layer%d.%s", layer->index, is_bias ? "bias" : "weight");
    DUALPROP__REQUIRE(context, (size_t)length < size, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "size is %zu; expected at least %d for the name", size, length + 1);
    memcpy(name, text, (size_t)length + 1);
    int64_t extents[DUALPROP_MAX_RANK];
    int axes = dualprop__parameter_shape(extents, layer, is_bias);
    if (shape) memcpy(shape, extents, (size_t)axes * sizeof *shape);
    if (rank) *rank = axes;
    return DUALPROP_OK;
}

/* ---- reading and writing ---- */

static dualprop_status check_view(const dualprop_view *view, const dualprop_layer *layer, int is_bias, const char *name)
{
    const dualprop_context *context = layer->network->context;
    DUALPROP__TRY(dualprop__view_check(context, view, DUALPROP__REAL_TYPES, "view"));
    return dualprop__parameter_check(view, layer, is_bias, name);
}

static void *allocate_host(const dualprop_layer *layer, int is_bias)
{
    dualprop_context *context = layer->network->context;
    return dualprop__allocate_array(context, (size_t)dualprop__parameter_elements(layer, is_bias), context->real_size);
}

dualprop_status dualprop__parameter_read_view(const dualprop_view *view, const dualprop_layer *layer, int is_bias,
                                              const void *memory)
{
    dualprop_context *context = layer->network->context;
    if (dualprop__view_is_array(view, context->precision))
        return dualprop__parameter_read(view->data, layer, is_bias, memory);
    void *host = allocate_host(layer, is_bias);
    if (!host) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__parameter_read(host, layer, is_bias, memory);
    if (status == DUALPROP_OK) dualprop__view_scatter(view, host, context->precision);
    dualprop__release(context, host);
    return status;
}

dualprop_status dualprop_network_read(const dualprop_view *view, const dualprop_network *network, const char *name)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_layer *layer;
    int is_bias;
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(dualprop__network_find(&layer, &is_bias, network, name));
    DUALPROP__TRY(check_view(view, layer, is_bias, name));
    DUALPROP__TRY(dualprop__view_check_output(network->context, view, DUALPROP__REAL_TYPES, "view"));
    dualprop_network *opened;
    DUALPROP__TRY(dualprop__network_open(&opened, network));
    layer = opened->layers[layer->index - 1];
    dualprop_status status = dualprop__parameter_read_view(view, layer, is_bias, is_bias ? layer->bias : layer->weight);
    dualprop__network_end_read(opened);
    return status;
}

dualprop_status dualprop__parameter_replace(dualprop_layer *layer, int is_bias, void *memory, const dualprop_view *view,
                                            const char *what)
{
    dualprop_network *network = layer->network;
    dualprop_context *context = network->context;
    dualprop_status status = DUALPROP_OK;
    void *between = NULL; /* which a plain array of the context's precision does not need */
    const void *host = view->data;
    if (!dualprop__view_is_array(view, context->precision)) {
        host = between = allocate_host(layer, is_bias);
        if (!between) return DUALPROP_ERROR_NO_MEMORY;
        dualprop__view_gather(between, context->precision, view);
    }
    if (!dualprop__reals_finite(host, context->precision, dualprop__parameter_elements(layer, is_bias)))
        status = dualprop__fail(
            context, DUALPROP_ERROR_NOT_FINITE,
            "%s holds a value that is NaN or infinite in the context's precision; expected finite numbers", what);
    if (status == DUALPROP_OK) status = dualprop__network_begin_write(network);
    if (status == DUALPROP_OK) {
        status = memory ? dualprop__parameter_write(layer, is_bias, memory, host)
                        : dualprop__parameter_store(layer, is_bias, host);
        dualprop__feedback_align(network);
        dualprop__network_end_write(network);
    }
    dualprop__release(context, between);
    return status;
}

dualprop_status dualprop_network_write(dualprop_network *network, const char *name, const dualprop_view *view)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_layer *layer;
    int is_bias;
    char what[64];
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(dualprop__network_find(&layer, &is_bias, network, name));
    DUALPROP__TRY(check_view(view, layer, is_bias, name));
    snprintf(what, sizeof what, "view for %s", name);
    return dualprop__parameter_replace(layer, is_bias, NULL, view, what);
}
