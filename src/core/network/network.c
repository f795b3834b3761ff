/*
 * network.c - the life of a network.
 */
#include "network_internal.h"

/* ---- life ---- */

static dualprop_status check_input(const dualprop_context *context, int64_t extent, const char *argument)
{
    DUALPROP__REQUIRE(context, extent >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "%s is %lld; expected >= 1", argument,
                      (long long)extent);
    return DUALPROP_OK;
}

static dualprop_status check_shape(const dualprop_context *context, int64_t height, int64_t width, int64_t channels)
{
    int64_t area, elements, bytes;
    DUALPROP__TRY(check_input(context, height, "height"));
    DUALPROP__TRY(check_input(context, width, "width"));
    DUALPROP__TRY(check_input(context, channels, "channels"));
    int fits = DUALPROP__MULTIPLY(&area, height, width) && DUALPROP__MULTIPLY(&elements, area, channels) &&
               DUALPROP__MULTIPLY(&bytes, elements, (int64_t)sizeof(double));
    DUALPROP__REQUIRE(context, fits, DUALPROP_ERROR_RANGE, "height * width * channels = %lld * %lld * %lld overflows",
                      (long long)height, (long long)width, (long long)channels);
    return DUALPROP_OK;
}

static dualprop_status allocate_transform(dualprop_network *network)
{
    size_t channels = (size_t)network->channels;
    network->mean = dualprop__allocate_array(network->context, channels, sizeof(double));
    network->deviation = dualprop__allocate_array(network->context, channels, sizeof(double));
    if (!network->mean || !network->deviation) return DUALPROP_ERROR_NO_MEMORY;
    for (size_t c = 0; c < channels; c++) network->deviation[c] = 1.0;
    return DUALPROP_OK;
}

dualprop_status dualprop__network_make(dualprop_network **out, dualprop_context *context, int64_t height, int64_t width,
                                       int64_t channels)
{
    dualprop_network *network = dualprop__allocate(context, sizeof *network);
    if (!network) return DUALPROP_ERROR_NO_MEMORY;
    network->magic = DUALPROP__NETWORK;
    atomic_init(&network->references, 1);
    network->context = context;
    network->height = network->top[0] = height;
    network->width = network->top[1] = width;
    network->channels = network->top[2] = channels;
    network->initializer = DUALPROP_INIT_LECUN;
    network->initializer_scale = 1.0;
    dualprop__context_retain(context);
    dualprop_status status = allocate_transform(network);
    if (status == DUALPROP_OK) *out = network;
    else dualprop__network_release(network);
    return status;
}

static dualprop_status check_and_make(dualprop_network **network, dualprop_context *context, int64_t height,
                                      int64_t width, int64_t channels, const char *function)
{
    DUALPROP__REQUIRE(NULL, network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network is NULL; expected a place for the result");
    *network = NULL;
    DUALPROP__TRY(dualprop__check_handle(context, DUALPROP__CONTEXT, "context", function));
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(check_shape(context, height, width, channels));
    return dualprop__whole_memory(context, dualprop__network_make(network, context, height, width, channels),
                                  "a network", 0, "dualprop_network_memory_needed");
}

dualprop_status dualprop_network_create(dualprop_network **network, dualprop_context *context, int64_t height,
                                        int64_t width, int64_t channels)
{
    return check_and_make(network, context, height, width, channels, __func__);
}

dualprop_status dualprop_network_create_outline(dualprop_network **network, dualprop_context *context, int64_t height,
                                                int64_t width, int64_t channels)
{
    DUALPROP__TRY(check_and_make(network, context, height, width, channels, __func__));
    (*network)->is_outline = 1;
    return DUALPROP_OK;
}

dualprop_status dualprop_network_memory_needed(uint64_t *bytes, const dualprop_network *network)
{
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    uint64_t channels = (uint64_t)network->channels * sizeof(double);
    uint64_t feedback = 2 * (uint64_t)dualprop__largest_weights(network) * network->context->real_size;
    *bytes = dualprop__block_bytes(sizeof *network) + 2 * dualprop__block_bytes(channels) +
             dualprop__network_pointer_bytes(network);
    if (network->feedback != DUALPROP_FEEDBACK_SYMMETRIC) *bytes += dualprop__block_bytes(feedback);
    for (int k = 0; k < network->layer_count; k++) *bytes += dualprop__layer_bytes(network->layers[k]);
    return DUALPROP_OK;
}

void dualprop__network_retain(dualprop_network *network)
{
    atomic_fetch_add(&network->references, 1);
}

void dualprop__network_release(dualprop_network *network)
{
    if (atomic_fetch_sub(&network->references, 1) > 1) return;
    dualprop_context *context = network->context;
    for (int i = 0; i < 2; i++) dualprop_network_destroy(network->spare[i]);
    for (int k = 0; k < network->layer_count; k++) dualprop__layer_destroy(network->layers[k]);
    dualprop__release(context, network->feedback_staging);
    dualprop__release(context, network->layers);
    dualprop__release(context, network->deviation);
    dualprop__release(context, network->mean);
    dualprop__release(context, network);
    dualprop__context_release(context);
}

void dualprop_network_destroy(dualprop_network *network)
{
    if (!network || network->magic != DUALPROP__NETWORK) return;
    network->magic = DUALPROP__DEAD; /* at once, so that nothing new is made from it */
    dualprop__network_release(network);
}
