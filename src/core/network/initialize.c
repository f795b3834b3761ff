/*
 * initialize.c - the first weights, from the counter-based generator.
 *
 * Layer k is stream k of the generator keyed by the seed, and weight i of its array in the public layout depends on
 * nothing but (seed, k, i). So any part can be drawn on any thread and the bits are the same, on every backend too:
 * the draws are made here on the host, in double, and rounded to the context's precision at the end.
 *
 * Every distribution is drawn with mean 0 and variance 1, then multiplied by the deviation its initialiser asks for.
 */
#include <math.h>

#include "math/formulas.h"
#include "network_internal.h"
#include "network_internal.h"

/* The standard deviation of a standard normal variable cut at two of its deviations. */
static const double TRUNCATED_DEVIATION = 0.87962566103423978;

/* ---- distributions of mean 0 and variance 1 ---- */

/* Draw again while outside two deviations; attempts are counted in the upper half of the stream's number. */
static double draw_truncated(uint64_t seed, uint64_t stream, uint64_t i)
{
    uint64_t attempt = 0;
    double draw;
    do draw = dualprop__draw_normal(seed, stream | attempt++ << 32, i);
    while (fabs(draw) > 2.0);
    return draw / TRUNCATED_DEVIATION;
}

/* Uniform in (-sqrt 3, sqrt 3), from word i as the generator's own uniform numbers are. */
static double draw_uniform(uint64_t seed, uint64_t stream, uint64_t i)
{
    return (2.0 * dualprop__uniform_f64(dualprop__philox_word(seed, stream, i)) - 1.0) * sqrt(3.0);
}

/* ---- what each initialiser asks for ---- */

static dualprop__draw draw_of(int initializer)
{
    switch (initializer) {
    case DUALPROP_INIT_TRUNCATED: return draw_truncated;
    case DUALPROP_INIT_GLOROT: return draw_uniform;
    default: return dualprop__draw_normal;
    }
}

static double deviation_of(const dualprop_network *network, const dualprop_layer *layer)
{
    double scale = network->initializer_scale, fan_in, fan_out;
    int is_first = layer->index == 1 && layer->kind == DUALPROP_LAYER_DENSE;
    dualprop__layer_fans(&fan_in, &fan_out, layer);
    switch (network->initializer) {
    case DUALPROP_INIT_NORMAL: return scale;
    case DUALPROP_INIT_LECUN: return scale / sqrt(fan_in);
    case DUALPROP_INIT_TRUNCATED: return scale / sqrt(fan_in);
    case DUALPROP_INIT_GLOROT: return scale * sqrt(2.0 / (fan_in + fan_out));
    case DUALPROP_INIT_HE: return scale * sqrt(2.0 / fan_in);
    default: return is_first ? 1.0 / 28.0 : 1.0 / sqrt(fan_in); /* the paper's */
    }
}

/* ---- drawing a layer ---- */

void dualprop__draw_weights(void *reals, const dualprop_layer *layer, uint64_t seed, uint64_t stream)
{
    const dualprop_network *network = layer->network;
    dualprop__draw_fill(reals, network->context, draw_of(network->initializer), deviation_of(network, layer), seed,
                        stream, 0, dualprop__parameter_elements(layer, 0));
}

static dualprop_status initialize_layer(dualprop_layer *layer, void *staging, uint64_t seed)
{
    const dualprop_context *context = layer->network->context;
    dualprop__draw_weights(staging, layer, seed, (uint64_t)layer->index);
    DUALPROP__TRY(dualprop__parameter_store(layer, 0, staging));
    return context->backend.fill_zero(context->instance, layer->bias,
                                      (size_t)layer->bias_elements * context->real_size);
}

/* With the network open for writing. */
static dualprop_status initialize_layers(dualprop_network *network, void *staging, uint64_t seed)
{
    for (int k = 0; k < network->layer_count; k++) DUALPROP__TRY(initialize_layer(network->layers[k], staging, seed));
    return DUALPROP_OK;
}

/* A scale can be finite and its product with a draw infinite; that is refused before anything is drawn. */
static dualprop_status check_deviations(const dualprop_network *network)
{
    double largest = network->context->precision == DUALPROP_F32 ? 3.4e38 : 1.7e308;
    for (int k = 0; k < network->layer_count; k++)
        DUALPROP__REQUIRE(
            network->context, deviation_of(network, network->layers[k]) <= largest / DUALPROP__LARGEST_DRAW,
            DUALPROP_ERROR_NOT_FINITE, "the initializer's scale is %g; weights of layer %d could become infinite",
            network->initializer_scale, k + 1);
    return DUALPROP_OK;
}

dualprop_status dualprop_network_initialize(dualprop_network *network, uint64_t seed)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_context *context = network->context;
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__REQUIRE(context, network->layer_count > 0, DUALPROP_ERROR_INVALID_STATE,
                      "network has no layers; expected at least one to initialize");
    DUALPROP__TRY(check_deviations(network));
    void *staging = dualprop__parameter_staging(network);
    if (!staging) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__network_begin_write(network);
    if (status == DUALPROP_OK) {
        status = initialize_layers(network, staging, seed);
        dualprop__feedback_align(network);
        dualprop__network_end_write(network);
    }
    dualprop__release(context, staging);
    return status;
}

dualprop_status dualprop_network_set_initializer(dualprop_network *network, int initializer, double scale)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__REQUIRE(network->context, initializer >= DUALPROP_INIT_PAPER && initializer <= DUALPROP_INIT_HE,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "initializer is %d; expected DUALPROP_INIT_PAPER .. DUALPROP_INIT_HE", initializer);
    DUALPROP__REQUIRE(network->context, isfinite(scale) && scale >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "scale is %g; expected a finite number >= 0", scale);
    network->initializer = initializer;
    network->initializer_scale = scale;
    return DUALPROP_OK;
}
