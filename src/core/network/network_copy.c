/*
 * network_copy.c - a network's parameters into a new network, or into another of the same layers.
 *
 * Two contexts may have different backends, and so different layouts of weights; all copies therefore go by the
 * public layout through one staging buffer on the host.
 */
#include <stdio.h>
#include <string.h>

#include "network_internal.h"

/* Feedback weights are copied where both have them, of one kind. */
static dualprop_status copy_feedback(void *staging, dualprop_network *destination, const dualprop_network *source)
{
    if (source->feedback == DUALPROP_FEEDBACK_SYMMETRIC || source->feedback != destination->feedback)
        return DUALPROP_OK;
    for (int k = 0; k < source->layer_count; k++) {
        DUALPROP__TRY(dualprop__parameter_read(staging, source->layers[k], 0, source->layers[k]->feedback));
        DUALPROP__TRY(dualprop__parameter_write(destination->layers[k], 0, destination->layers[k]->feedback, staging));
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__network_copy_through(void *staging, dualprop_network *destination,
                                               const dualprop_network *source)
{
    for (int k = 0; k < source->layer_count; k++)
        for (int is_bias = 0; is_bias <= 1; is_bias++) {
            DUALPROP__TRY(dualprop__parameter_fetch(staging, source->layers[k], is_bias));
            DUALPROP__TRY(dualprop__parameter_store(destination->layers[k], is_bias, staging));
            atomic_store(&destination->layers[k]->weights_are_set, atomic_load(&source->layers[k]->weights_are_set));
        }
    return copy_feedback(staging, destination, source);
}

static dualprop_status copy_array(dualprop_context *context, void *to, const void *from, int64_t elements)
{
    return context->backend.copy(context->instance, to, from, (size_t)elements * context->real_size);
}

dualprop_status dualprop__network_copy_arrays(dualprop_network *destination, const dualprop_network *source)
{
    dualprop_context *context = destination->context;
    for (int k = 0; k < source->layer_count; k++) {
        const dualprop_layer *from = source->layers[k];
        dualprop_layer *to = destination->layers[k];
        DUALPROP__TRY(copy_array(context, to->weight, from->weight, from->weight_elements));
        DUALPROP__TRY(copy_array(context, to->bias, from->bias, from->bias_elements));
        if (to->feedback && source->feedback == destination->feedback)
            DUALPROP__TRY(copy_array(context, to->feedback, from->feedback, from->weight_elements));
        atomic_store(&to->weights_are_set, atomic_load(&from->weights_are_set));
    }
    return DUALPROP_OK;
}

/* With the source open for reading. Nothing is written, and no generation raised, before there is memory for all. */
static dualprop_status copy_all_parameters(dualprop_network *destination, const dualprop_network *source)
{
    void *staging = dualprop__parameter_staging(destination);
    if (!staging) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__network_begin_write(destination);
    if (status == DUALPROP_OK) {
        status = dualprop__network_copy_through(staging, destination, source);
        dualprop__feedback_align(destination);
        dualprop__network_end_write(destination);
    }
    dualprop__release(destination->context, staging);
    return status;
}

/* A layer in words, for the sentence below. */
typedef struct layer_text {
    char text[280];
} layer_text;

static layer_text layer_words(const dualprop_layer *layer)
{
    layer_text words;
    int64_t weight[DUALPROP_MAX_RANK], output[3];
    int rank = dualprop__parameter_shape(weight, layer, 0);
    dualprop__layer_output(output, layer);
    snprintf(words.text, sizeof words.text, "%s%s%s %.80s to %.60s, %s",
             dualprop_name(DUALPROP_NAMES_LAYER, layer->kind), layer->custom_map ? " " : "",
             layer->custom_map ? layer->custom_map->part.name : "", dualprop__describe_shape(weight, rank).text,
             dualprop__describe_shape(output, 3).text, dualprop__layer_activation_name(layer));
    return words;
}

dualprop_status dualprop__network_check_alike(const dualprop_network *destination, const dualprop_network *source,
                                              const char *to, const char *from)
{
    const dualprop_context *context = destination->context;
    DUALPROP__REQUIRE(context, source->context->precision == context->precision, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s has precision %s; expected that of %s, %s", from,
                      dualprop_name(DUALPROP_NAMES_TYPE, source->context->precision), to,
                      dualprop_name(DUALPROP_NAMES_TYPE, context->precision));
    DUALPROP__REQUIRE(context, source->layer_count == destination->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s has %d layers; expected the %d of %s", from, source->layer_count, destination->layer_count,
                      to);
    for (int k = 0; k < source->layer_count; k++) {
        const dualprop_layer *own = destination->layers[k], *other = source->layers[k];
        DUALPROP__REQUIRE(context, dualprop__layer_alike(own, other) && dualprop__layer_activates_alike(own, other),
                          DUALPROP_ERROR_INVALID_ARGUMENT, "%s has another layer %d: %s; expected that of %s: %s", from,
                          own->index, layer_words(other).text, to, layer_words(own).text);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop_network_copy(dualprop_network *destination, const dualprop_network *source)
{
    DUALPROP__REQUIRE_HANDLE(destination, DUALPROP__NETWORK);
    DUALPROP__REQUIRE_HANDLE(source, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(destination->context));
    DUALPROP__TRY(dualprop__context_enter(source->context));
    if (destination == source) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__network_check_alike(destination, source, "destination", "source"));
    dualprop_network *opened;
    DUALPROP__TRY(dualprop__network_open(&opened, source));
    dualprop_status status = copy_all_parameters(destination, opened);
    dualprop__network_end_read(opened);
    return status;
}

/* ---- clone ---- */

static dualprop_status clone_contents(dualprop_network *clone, const dualprop_network *network)
{
    size_t channels = (size_t)network->channels;
    clone->initializer = network->initializer;
    clone->initializer_scale = network->initializer_scale;
    memcpy(clone->mean, network->mean, channels * sizeof *clone->mean);
    memcpy(clone->deviation, network->deviation, channels * sizeof *clone->deviation);
    for (int k = 0; k < network->layer_count; k++) DUALPROP__TRY(dualprop__network_append(clone, network->layers[k]));
    memcpy(clone->top, network->top, sizeof clone->top);
    DUALPROP__TRY(dualprop__feedback_allocate(clone, network->feedback));
    return copy_all_parameters(clone, network);
}

dualprop_status dualprop__network_clone(dualprop_network **out, const dualprop_network *network)
{
    dualprop_network *clone;
    DUALPROP__TRY(dualprop__network_make(&clone, network->context, network->height, network->width, network->channels));
    clone->open = network->open;
    dualprop_status status = clone_contents(clone, network);
    if (status == DUALPROP_OK) *out = clone;
    else dualprop_network_destroy(clone);
    return status;
}

dualprop_status dualprop_network_clone(dualprop_network **out, const dualprop_network *network)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "clone is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_network *opened;
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(dualprop__network_open(&opened, network));
    dualprop_status status = dualprop__network_clone(out, opened);
    dualprop__network_end_read(opened);
    return status;
}
