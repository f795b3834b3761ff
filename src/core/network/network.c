/*
 * network.c - the stack of layers: its life, its shape, and who may touch its parameters when.
 *
 * `users` is a lock that never waits: a positive number counts the calls that read the parameters, -1 stands for the
 * one call that writes them, and who finds the other kind at work is told BUSY. Every end of a write raises the
 * generation, by which states and backends notice that what they derived from the weights is stale.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

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

dualprop_status dualprop__network_make(dualprop_network **out, dualprop_context *context, int64_t height,
                                       int64_t width, int64_t channels)
{
    dualprop_network *network = dualprop__allocate(context, sizeof *network);
    if (!network) return DUALPROP_ERROR_NO_MEMORY;
    network->magic = DUALPROP__NETWORK;
    atomic_init(&network->references, 1);
    network->context = context;
    network->height = network->top[0] = height;
    network->width = network->top[1] = width;
    network->channels = network->top[2] = channels;
    network->initializer = DUALPROP_INIT_PAPER;
    network->initializer_scale = 1.0;
    dualprop__context_retain(context);
    dualprop_status status = allocate_transform(network);
    if (status == DUALPROP_OK) *out = network;
    else dualprop__network_release(network);
    return status;
}

dualprop_status dualprop_network_create(dualprop_network **network, dualprop_context *context, int64_t height,
                                        int64_t width, int64_t channels)
{
    DUALPROP__REQUIRE(NULL, network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network is NULL; expected a place for the result");
    *network = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(check_shape(context, height, width, channels));
    return dualprop__network_make(network, context, height, width, channels);
}

void dualprop__network_retain(dualprop_network *network)
{
    atomic_fetch_add(&network->references, 1);
}

void dualprop__network_release(dualprop_network *network)
{
    if (atomic_fetch_sub(&network->references, 1) > 1) return;
    dualprop_context *context = network->context;
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

/* ---- who may touch the parameters ---- */

dualprop_status dualprop__network_begin_read(dualprop_network *network)
{
    int users = atomic_load(&network->users);
    do {
        DUALPROP__REQUIRE(network->context, users >= 0 && users < INT_MAX, DUALPROP_ERROR_BUSY,
                          "network is being written by another call; expected it to be free");
    } while (!atomic_compare_exchange_weak(&network->users, &users, users + 1));
    return DUALPROP_OK;
}

void dualprop__network_end_read(dualprop_network *network)
{
    atomic_fetch_sub(&network->users, 1);
}

dualprop_status dualprop__network_begin_write(dualprop_network *network)
{
    int nobody = 0;
    DUALPROP__REQUIRE(network->context, atomic_compare_exchange_strong(&network->users, &nobody, -1),
                      DUALPROP_ERROR_BUSY, "network is in use by another call; expected it to be free");
    return DUALPROP_OK;
}

void dualprop__network_abandon_write(dualprop_network *network)
{
    atomic_store(&network->users, 0);
}

void dualprop__network_end_write(dualprop_network *network)
{
    dualprop__feedback_align(network);
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, 0);
}

int dualprop__network_try_upgrade(dualprop_network *network)
{
    int alone = 1;
    return atomic_compare_exchange_strong(&network->users, &alone, -1);
}

dualprop_status dualprop__network_upgrade(dualprop_network *network)
{
    DUALPROP__REQUIRE(network->context, dualprop__network_try_upgrade(network), DUALPROP_ERROR_BUSY,
                      "network is in use by another call; expected it to be free");
    return DUALPROP_OK;
}

void dualprop__network_downgrade(dualprop_network *network)
{
    dualprop__feedback_align(network);
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, 1);
}

/* ---- layers ---- */

int64_t dualprop__network_inputs(const dualprop_network *network)
{
    return network->height * network->width * network->channels;
}

int64_t dualprop__network_outputs(const dualprop_network *network)
{
    return network->layer_count ? network->layers[network->layer_count - 1]->outputs
                                : dualprop__network_inputs(network);
}

dualprop_status dualprop_network_layer(dualprop_layer **layer, dualprop_network *network, int index)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__REQUIRE(network->context, layer, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "layer is NULL; expected a place for the result");
    *layer = NULL;
    DUALPROP__REQUIRE(network->context, index >= 1 && index <= network->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d, the layers of the network", index, network->layer_count);
    *layer = network->layers[index - 1];
    return DUALPROP_OK;
}

/* ---- the input transform ---- */

static dualprop_status check_transform(const dualprop_network *network, const double *mean, const double *deviation)
{
    for (int64_t c = 0; c < network->channels; c++) {
        DUALPROP__REQUIRE(network->context, isfinite(mean[c]), DUALPROP_ERROR_INVALID_ARGUMENT,
                          "mean[%lld] is %g; expected a finite number", (long long)c, mean[c]);
        DUALPROP__REQUIRE(network->context, isfinite(deviation[c]) && deviation[c] > 0,
                          DUALPROP_ERROR_INVALID_ARGUMENT, "deviation[%lld] is %g; expected a finite number > 0",
                          (long long)c, deviation[c]);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop_network_set_input_transform(dualprop_network *network, const double *mean,
                                                     const double *deviation, int64_t channels)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_context *context = network->context;
    DUALPROP__REQUIRE(context, mean, DUALPROP_ERROR_INVALID_ARGUMENT, "mean is NULL; expected [channels] numbers");
    DUALPROP__REQUIRE(context, deviation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "deviation is NULL; expected [channels] numbers");
    DUALPROP__REQUIRE(context, channels == network->channels, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "channels is %lld; expected %lld, the network's", (long long)channels,
                      (long long)network->channels);
    DUALPROP__TRY(check_transform(network, mean, deviation));
    DUALPROP__TRY(dualprop__network_begin_write(network));
    memcpy(network->mean, mean, (size_t)channels * sizeof *mean);
    memcpy(network->deviation, deviation, (size_t)channels * sizeof *deviation);
    dualprop__network_end_write(network);
    return DUALPROP_OK;
}

/* ---- what a network says about itself ---- */

dualprop_status dualprop_network_info(int *layers, int64_t *parameters, int64_t *inputs, int64_t *outputs,
                                      const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    if (layers) *layers = network->layer_count;
    if (parameters) *parameters = dualprop__network_parameters(network);
    if (inputs) *inputs = dualprop__network_inputs(network);
    if (outputs) *outputs = dualprop__network_outputs(network);
    return DUALPROP_OK;
}

dualprop_status dualprop_network_input_shape(int64_t *height, int64_t *width, int64_t *channels,
                                             const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    if (height) *height = network->height;
    if (width) *width = network->width;
    if (channels) *channels = network->channels;
    return DUALPROP_OK;
}

dualprop_status dualprop_network_generation(uint64_t *generation, const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__REQUIRE(network->context, generation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "generation is NULL; expected a place for the result");
    *generation = atomic_load(&network->generation);
    return DUALPROP_OK;
}
