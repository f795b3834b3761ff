/*
 * network_access.c - a network's layers, its input transform, and what it says about itself.
 */
#include <math.h>
#include <string.h>

#include "network_internal.h"

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
        DUALPROP__REQUIRE(network->context, isfinite(deviation[c]) && deviation[c] > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "deviation[%lld] is %g; expected a finite number > 0", (long long)c, deviation[c]);
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
