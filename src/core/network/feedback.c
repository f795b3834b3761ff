/*
 * feedback.c - weights of their own for what goes down: Delta_k = B_k^T delta_{k+1} in place of W_k^T delta_{k+1}.
 *
 *     kolen-pollack  drawn like the weights, then changed by the same gradients and the same decay: with decay B comes
 *                    to W
 *     random         drawn like the weights, and left so (feedback alignment)
 *     sign           the sizes |b| drawn like the weights and left so, the signs those of the weights: aligned after
 *                    each write to them; a weight of 0 counts as positive
 *
 * B has the layout of W. Each layer has one, the first too: it carries delta_1 to the input where that is a dyad.
 */
#include <math.h>

#include "network_internal.h"

/* ---- drawing ---- */

static void copy_signs(void *feedback, const void *weights, int type, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int negative = type == DUALPROP_F32 ? ((const float *)weights)[i] < 0 : ((const double *)weights)[i] < 0;
        if (type == DUALPROP_F32) ((float *)feedback)[i] = copysignf(((float *)feedback)[i], negative ? -1.0f : 1.0f);
        else ((double *)feedback)[i] = copysign(((double *)feedback)[i], negative ? -1.0 : 1.0);
    }
}

/* B <- |B| with the signs of W, through the two halves of the network's staging memory. */
static dualprop_status align_layer(const dualprop_network *network, dualprop_layer *layer)
{
    const dualprop_context *context = network->context;
    int64_t count = dualprop__parameter_elements(layer, 0);
    void *weights = network->feedback_staging, *feedback = (char *)weights + (size_t)count * context->real_size;
    DUALPROP__TRY(dualprop__parameter_read(weights, layer, 0, layer->weight));
    DUALPROP__TRY(dualprop__parameter_read(feedback, layer, 0, layer->feedback));
    copy_signs(feedback, weights, context->precision, count);
    return dualprop__parameter_write(layer, 0, layer->feedback, feedback);
}

/* A backend that fails here fails the next call that uses the network, which says so. */
void dualprop__feedback_align(dualprop_network *network)
{
    if (network->feedback != DUALPROP_FEEDBACK_SIGN) return;
    for (int k = 0; k < network->layer_count; k++)
        if (align_layer(network, network->layers[k]) != DUALPROP_OK) return;
}

static dualprop_status draw_feedback(dualprop_layer *layer, uint64_t seed)
{
    void *staging = layer->network->feedback_staging;
    dualprop__draw_weights(staging, layer, seed, dualprop__stream_of_feedback(layer->index));
    return dualprop__parameter_write(layer, 0, layer->feedback, staging);
}

/* ---- life ---- */

static void drop_feedback(dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++) {
        dualprop_layer *layer = network->layers[k];
        dualprop__reals_destroy(network->context, layer->feedback, layer->weight_elements);
        layer->feedback = NULL;
    }
    dualprop__release(network->context, network->feedback_staging);
    network->feedback_staging = NULL;
    network->feedback = DUALPROP_FEEDBACK_SYMMETRIC;
}

/* Weights of another kind take the place of those that are there, so that no call loses them for want of memory. */
dualprop_status dualprop__feedback_allocate(dualprop_network *network, int kind)
{
    if (kind == DUALPROP_FEEDBACK_SYMMETRIC) {
        drop_feedback(network);
        return DUALPROP_OK;
    }
    if (network->feedback != DUALPROP_FEEDBACK_SYMMETRIC) {
        network->feedback = kind;
        return DUALPROP_OK;
    }
    network->feedback_staging = dualprop__allocate_array(network->context, (size_t)dualprop__largest_weights(network),
                                                         2 * network->context->real_size);
    dualprop_status status = network->feedback_staging ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
    for (int k = 0; status == DUALPROP_OK && k < network->layer_count; k++)
        status = dualprop__reals_create(network->context, &network->layers[k]->feedback,
                                        network->layers[k]->weight_elements);
    if (status == DUALPROP_OK) network->feedback = kind;
    else drop_feedback(network);
    return status;
}

static dualprop_status make_feedback(dualprop_network *network, int kind, uint64_t seed)
{
    DUALPROP__TRY(dualprop__feedback_allocate(network, kind));
    if (kind == DUALPROP_FEEDBACK_SYMMETRIC) return DUALPROP_OK;
    dualprop_status status = DUALPROP_OK;
    for (int k = 0; status == DUALPROP_OK && k < network->layer_count; k++)
        status = draw_feedback(network->layers[k], seed);
    if (status != DUALPROP_OK) drop_feedback(network);
    return status;
}

dualprop_status dualprop_network_set_feedback(dualprop_network *network, int kind, uint64_t seed)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    const dualprop_context *context = network->context;
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(context, kind >= DUALPROP_FEEDBACK_SYMMETRIC && kind <= DUALPROP_FEEDBACK_SIGN,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "kind is %d; expected DUALPROP_FEEDBACK_SYMMETRIC .. DUALPROP_FEEDBACK_SIGN", kind);
    DUALPROP__REQUIRE(context, network->layer_count > 0, DUALPROP_ERROR_INVALID_STATE,
                      "network has no layers; expected at least one");
    DUALPROP__REQUIRE(context, !atomic_load(&network->sealed), DUALPROP_ERROR_INVALID_STATE,
                      "network already has a state or an optimizer; expected feedback weights to be created before");
    DUALPROP__TRY(dualprop__network_begin_write(network));
    dualprop_status status = make_feedback(network, kind, seed);
    dualprop__feedback_align(network);
    dualprop__network_end_write(network);
    return status;
}

/* ---- reading, writing, comparing ---- */

static dualprop_status find_feedback(dualprop_layer **layer, const dualprop_network *network, const dualprop_view *view,
                                     int index)
{
    DUALPROP__REQUIRE(network->context, index >= 1 && index <= network->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d, the layers of the network", index, network->layer_count);
    *layer = network->layers[index - 1];
    DUALPROP__REQUIRE(network->context, (*layer)->feedback, DUALPROP_ERROR_INVALID_STATE,
                      "network has no feedback weights; call dualprop_network_set_feedback() first");
    DUALPROP__TRY(dualprop__view_check(network->context, view, DUALPROP__REAL_TYPES, "view"));
    return dualprop__parameter_check(view, *layer, 0, "the weights");
}

dualprop_status dualprop_network_read_feedback(const dualprop_view *view, const dualprop_network *network, int index)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_context *context = network->context;
    dualprop_layer *layer = NULL;
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(find_feedback(&layer, network, view, index));
    DUALPROP__TRY(dualprop__view_check_output(context, view, DUALPROP__REAL_TYPES, "view"));
    dualprop_network *read = (dualprop_network *)network;
    DUALPROP__TRY(dualprop__network_begin_read(read));
    dualprop_status status = dualprop__parameter_read_view(view, layer, 0, layer->feedback);
    dualprop__network_end_read(read);
    return status;
}

dualprop_status dualprop_network_write_feedback(dualprop_network *network, int index, const dualprop_view *view)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    dualprop_layer *layer = NULL;
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(find_feedback(&layer, network, view, index));
    return dualprop__parameter_replace(layer, 0, layer->feedback, view, "view");
}

dualprop_status dualprop_layer_feedback(int *kind, double *cosine, const dualprop_layer *layer)
{
    DUALPROP__REQUIRE_HANDLE(layer, DUALPROP__LAYER);
    const dualprop_context *context = layer->network->context;
    double sums[4], alike = 1.0;
    if (cosine && layer->feedback) {
        DUALPROP__TRY(
            context->backend.compare(context->instance, layer->weight_elements, layer->weight, layer->feedback, sums));
        double product = sqrt(sums[1]) * sqrt(sums[2]);
        alike = product > 0 ? sums[0] / product : 0.0;
    }
    if (kind) *kind = layer->network->feedback;
    if (cosine) *cosine = alike;
    return DUALPROP_OK;
}
