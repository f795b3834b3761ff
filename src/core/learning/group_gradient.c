/*
 * group_gradient.c - the gradient of a batch that processes share: the gradients of blocks, added up in one fixed tree.
 *
 * group_agreement.c compares what must be equal, group_blocks.c adds up within a process, group_exchange.c across
 * processes, and group_sums.c has the memory of it.
 */
#include "group_gradient.h"

#include <string.h>

/* ---- the gradient that the optimizer holds ---- */

/* A device's gradient is made of the sum on the host; on the host the sum's array holds it. */
static dualprop_status hold_array(dualprop_context *context, void *held, char *sum, int64_t elements, char *spare,
                                  int adds)
{
    size_t bytes = (size_t)elements * context->real_size;
    if (adds) {
        DUALPROP__TRY(context->backend.copy_out(context->instance, spare, held, bytes));
        dualprop__add_arrays(context, sum, spare, elements);
    }
    return context->backend.copy_in(context->instance, held, sum, bytes);
}

static dualprop_status hold_layer(dualprop_optimizer *optimizer, int k, int adds)
{
    const dualprop_layer *layer = optimizer->network->layers[k - 1];
    const struct dualprop__group_sums *sums = optimizer->sums;
    struct dualprop__learning *learning = &optimizer->layers[k - 1];
    char *sum = dualprop__sum_array(optimizer, k, 0);
    if (sums->set_aside) {
        if (!adds) return DUALPROP_OK;
        dualprop__add_arrays(optimizer->context, sum, sums->set_aside[k - 1].weights, layer->weight_elements);
        dualprop__add_arrays(optimizer->context, dualprop__bias_part(sum, layer), sums->set_aside[k - 1].biases,
                             layer->bias_elements);
        return DUALPROP_OK;
    }
    char *spare = dualprop__sum_array(optimizer, k, 1);
    DUALPROP__TRY(hold_array(optimizer->context, learning->weight_gradient, sum, layer->weight_elements, spare, adds));
    return hold_array(optimizer->context, learning->bias_gradient, dualprop__bias_part(sum, layer),
                      layer->bias_elements, spare, adds);
}

static void copy_gradient(void *weights, void *biases, const struct dualprop__learning *from,
                          const dualprop_layer *layer)
{
    size_t real = layer->network->context->real_size;
    memcpy(weights, from->weight_gradient, (size_t)layer->weight_elements * real);
    memcpy(biases, from->bias_gradient, (size_t)layer->bias_elements * real);
}

/* On the host: let the first array of each layer's sums hold the gradient. */
void dualprop__hold_in_sums(dualprop_optimizer *optimizer)
{
    struct dualprop__group_sums *sums = optimizer->sums;
    for (int k = 1; sums->set_aside && k <= optimizer->network->layer_count; k++) {
        const dualprop_layer *layer = optimizer->network->layers[k - 1];
        struct dualprop__learning *learning = &optimizer->layers[k - 1];
        char *sum = dualprop__sum_array(optimizer, k, 0);
        copy_gradient(sum, dualprop__bias_part(sum, layer), learning, layer);
        sums->set_aside[k - 1] = (struct dualprop__own_gradient){ learning->weight_gradient, learning->bias_gradient };
        learning->weight_gradient = sum;
        learning->bias_gradient = dualprop__bias_part(sum, layer);
    }
}

/* And back in the optimizer's own arrays. */
void dualprop__hold_in_own(dualprop_optimizer *optimizer)
{
    struct dualprop__group_sums *sums = optimizer->sums;
    for (int k = 1; sums->set_aside && k <= optimizer->network->layer_count; k++) {
        struct dualprop__learning *learning = &optimizer->layers[k - 1];
        const struct dualprop__own_gradient *own = &sums->set_aside[k - 1];
        copy_gradient(own->weights, own->biases, learning, optimizer->network->layers[k - 1]);
        learning->weight_gradient = own->weights;
        learning->bias_gradient = own->biases;
    }
}

/* ---- all layers ---- */

/*
 * All layers are computed before the first is exchanged, so that processes wait once for who is slower, and not in each
 * layer. After a failure the others still wait for this process's parts: all exchanges are made, with what there is.
 */
static dualprop_status sum_group_layers(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                        int64_t total, int64_t begin, int64_t divisor, int adds)
{
    const struct dualprop__group_sums *sums = optimizer->sums;
    int layers = optimizer->network->layer_count;
    dualprop_status status = DUALPROP_OK;
    for (int k = 1; k <= layers; k++) {
        struct dualprop__block_sums work = { optimizer, state, k, total, begin, 0 };
        if (adds && sums->set_aside)
            copy_gradient(sums->set_aside[k - 1].weights, sums->set_aside[k - 1].biases, &optimizer->layers[k - 1],
                          optimizer->network->layers[k - 1]);
        if (status == DUALPROP_OK) status = dualprop__sum_own_blocks(&work, count, divisor);
    }
    for (int k = 1; k <= layers && !(sums->group && sums->group->failed); k++) {
        if (sums->size > 1) {
            dualprop_status exchanged = dualprop__exchange_layer(optimizer, k);
            if (status == DUALPROP_OK) status = exchanged;
        }
        if (status == DUALPROP_OK) status = hold_layer(optimizer, k, adds);
    }
    return status;
}

/* With the group entered, if there is one. */
static dualprop_status gradient_of_group(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate)
{
    int64_t total, begin;
    if (status == DUALPROP_OK && count > 0) status = dualprop__group_check_rule(optimizer, state);
    DUALPROP__TRY(dualprop__agree_on_batch(&total, &begin, optimizer, state, count, status, call));
    int adds = accumulate && optimizer->gradient_samples > 0;
    int64_t first = adds ? optimizer->first_samples : total,
            samples = adds ? optimizer->gradient_samples + total : total;
    optimizer->gradient_samples = 0; /* Half a gradient, after a failure, is none. */
    status = sum_group_layers(optimizer, state, count, total, begin, first, adds);
    dualprop_group *group = optimizer->sums->group;
    if (group && !group->failed)
        status =
            dualprop__group_agree(group, (struct dualprop__word){ .call = DUALPROP__CALL_APPLY, .status = status });
    DUALPROP__TRY(status);
    optimizer->first_samples = first;
    optimizer->gradient_samples = samples;
    return DUALPROP_OK;
}

dualprop_status dualprop__group_gradient(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate)
{
    dualprop_group *group = optimizer->sums->group;
    if (!group) return gradient_of_group(optimizer, state, count, status, call, accumulate);
    DUALPROP__TRY(dualprop__group_enter(group, "the optimizer's group"));
    status = gradient_of_group(optimizer, state, count, status, call, accumulate);
    dualprop__group_leave(group);
    return status;
}
