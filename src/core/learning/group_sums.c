/*
 * group_sums.c - which subtrees each process adds up, the memory for it, and the calls that give an optimizer a group.
 */
#include "group_gradient.h"

#include <string.h>

static void destroy_sums(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    if (!sums) return;
    dualprop_context *context = optimizer->context;
    const dualprop_network *network = optimizer->network;
    for (int k = 0; k < network->layer_count; k++) {
        if (sums->arrays) dualprop__release(context, sums->arrays[k]);
        if (sums->leaf_weights)
            dualprop__reals_destroy(context, sums->leaf_weights[k], network->layers[k]->weight_elements);
        if (sums->leaf_biases)
            dualprop__reals_destroy(context, sums->leaf_biases[k], network->layers[k]->bias_elements);
    }
    for (int i = 0; i < 2; i++)
        dualprop__reals_destroy(context, sums->leaf_rows[i].memory, sums->leaf_rows[i].elements);
    dualprop__release(context, sums->arrays);
    dualprop__release(context, sums->set_aside);
    dualprop__release(context, sums->leaf_weights);
    dualprop__release(context, sums->leaf_biases);
    dualprop__release(context, sums->all);
    dualprop__release(context, sums->nodes_of);
    dualprop__release(context, sums->received);
    dualprop__release(context, sums->sent);
    dualprop__release(context, sums->send_offsets);
    dualprop__release(context, sums->scores);
    dualprop__release(context, sums->settings);
    if (sums->group) dualprop__group_release(sums->group);
    dualprop__release(context, sums);
}

void dualprop__group_sums_destroy(dualprop_optimizer *optimizer)
{
    if (optimizer->sums) dualprop__hold_in_own(optimizer);
    destroy_sums(optimizer->sums, optimizer);
    optimizer->sums = NULL;
}

/* The subtrees of process r, whose number is returned. */
static int cover_of_process(struct dualprop__node nodes[DUALPROP__MOST_NODES], const struct dualprop__group_sums *sums,
                            int r)
{
    const struct dualprop__node whole = { 0, sums->blocks };
    const struct dualprop__node range = { dualprop__first_block(sums->blocks, r, sums->size),
                                          dualprop__first_block(sums->blocks, r + 1, sums->size) };
    return dualprop__tree_cover(nodes, whole, range);
}

/* The subtrees of every process. */
static dualprop_status plan_nodes(struct dualprop__group_sums *sums, dualprop_context *context)
{
    struct dualprop__node nodes[DUALPROP__MOST_NODES];
    sums->nodes_of = dualprop__allocate_array(context, (size_t)sums->size, sizeof *sums->nodes_of);
    if (!sums->nodes_of) return DUALPROP_ERROR_NO_MEMORY;
    for (int r = 0; r < sums->size; r++) {
        sums->nodes_of[r] = cover_of_process(nodes, sums, r);
        sums->all_count += sums->nodes_of[r];
        if (r != sums->rank) continue;
        sums->own_first = sums->all_count - sums->nodes_of[r];
        sums->own_count = sums->nodes_of[r];
        memcpy(sums->own, nodes, (size_t)sums->own_count * sizeof *nodes);
    }
    sums->all = dualprop__allocate_array(context, (size_t)sums->all_count, sizeof *sums->all);
    if (!sums->all) return DUALPROP_ERROR_NO_MEMORY;
    for (int r = 0, at = 0; r < sums->size; r++) {
        int count = cover_of_process(nodes, sums, r);
        memcpy(sums->all + at, nodes, (size_t)count * sizeof *nodes);
        at += count;
    }
    return DUALPROP_OK;
}

static dualprop_status allocate_layers(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    dualprop_context *context = optimizer->context;
    const dualprop_network *network = optimizer->network;
    size_t layers = (size_t)network->layer_count;
    int on_host = dualprop__is_on_host(context), depth = 0;
    for (int i = 0; i < sums->own_count; i++) {
        int below = dualprop__tree_depth(sums->own[i]);
        depth = below > depth ? below : depth;
    }
    int array_count = sums->own_count + depth;
    if (array_count < 2 && !on_host) array_count = 2; /* the second is spare when gradients are accumulated */
    sums->arrays = dualprop__allocate_array(context, layers, sizeof *sums->arrays);
    if (on_host) {
        sums->set_aside = dualprop__allocate_array(context, layers, sizeof *sums->set_aside);
    } else {
        sums->leaf_weights = dualprop__allocate_array(context, layers, sizeof *sums->leaf_weights);
        sums->leaf_biases = dualprop__allocate_array(context, layers, sizeof *sums->leaf_biases);
    }
    int is_short = on_host ? !sums->set_aside : !sums->leaf_weights || !sums->leaf_biases;
    if (!sums->arrays || is_short) return DUALPROP_ERROR_NO_MEMORY;
    for (size_t k = 0; k < layers; k++) {
        const dualprop_layer *layer = network->layers[k];
        sums->arrays[k] = dualprop__allocate_array(context, (size_t)array_count,
                                                   (size_t)dualprop__layer_reals(layer) * context->real_size);
        if (!sums->arrays[k]) return DUALPROP_ERROR_NO_MEMORY;
        if (on_host) continue;
        DUALPROP__TRY(dualprop__reals_create(context, &sums->leaf_weights[k], layer->weight_elements));
        DUALPROP__TRY(dualprop__reals_create(context, &sums->leaf_biases[k], layer->bias_elements));
    }
    return DUALPROP_OK;
}

static dualprop_status allocate_messages(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    dualprop_context *context = optimizer->context;
    sums->scores = dualprop__allocate_array(context, (size_t)sums->blocks, sizeof *sums->scores);
    if (!sums->scores) return DUALPROP_ERROR_NO_MEMORY;
    if (sums->size == 1) return DUALPROP_OK;
    int64_t most = 0;
    for (int k = 0; k < optimizer->network->layer_count; k++) {
        int64_t reals = dualprop__layer_reals(optimizer->network->layers[k]);
        most = reals > most ? reals : most;
    }
    if (most > dualprop__section_reals(sums->size)) most = dualprop__section_reals(sums->size);
    int64_t largest_part = most / sums->size + DUALPROP__SUM_LINE; /* parts of a section differ by at most a line */
    sums->received = dualprop__allocate_array(context, (size_t)(sums->all_count - sums->own_count),
                                              (size_t)largest_part * context->real_size);
    sums->sent = dualprop__allocate_array(context, sums->own_count > 1 ? (size_t)sums->own_count : 0,
                                          (size_t)most * context->real_size);
    sums->send_offsets = dualprop__allocate_array(context, 3 * ((size_t)sums->size + 1), sizeof *sums->send_offsets);
    sums->settings = dualprop__allocate_array(context, (size_t)sums->size * DUALPROP__MOST_SETTINGS, sizeof(double));
    if (!sums->received || !sums->sent || !sums->send_offsets || !sums->settings) return DUALPROP_ERROR_NO_MEMORY;
    sums->receive_offsets = sums->send_offsets + sums->size + 1;
    sums->gather_offsets = sums->receive_offsets + sums->size + 1;
    return DUALPROP_OK;
}

static dualprop_status create_sums(struct dualprop__group_sums **out, const dualprop_optimizer *optimizer,
                                   dualprop_group *group, int64_t blocks)
{
    struct dualprop__group_sums *sums = dualprop__allocate(optimizer->context, sizeof *sums);
    *out = sums;
    if (!sums) return DUALPROP_ERROR_NO_MEMORY;
    sums->size = group ? group->transport.size : 1;
    sums->rank = group ? group->transport.rank : 0;
    sums->blocks = blocks;
    sums->group = group;
    if (group) dualprop__group_retain(group);
    DUALPROP__TRY(plan_nodes(sums, optimizer->context));
    DUALPROP__TRY(allocate_layers(sums, optimizer));
    return allocate_messages(sums, optimizer);
}

static dualprop_status check_group(const dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    int size = group ? group->transport.size : 1;
    if (group)
        DUALPROP__REQUIRE(optimizer->context, group->context == optimizer->context, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "group and optimizer are of different contexts; expected the same");
    DUALPROP__REQUIRE(optimizer->context, blocks >= size && blocks <= DUALPROP_MAX_GROUP,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "blocks is %lld; expected %d..%d", (long long)blocks, size,
                      DUALPROP_MAX_GROUP);
    return DUALPROP_OK;
}

/* With optimizer and group entered. */
static dualprop_status set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    struct dualprop__group_sums *sums = NULL;
    dualprop_status status = check_group(optimizer, group, blocks);
    if (status == DUALPROP_OK) status = dualprop__gradient_check_kept(optimizer);
    if (status == DUALPROP_OK) status = create_sums(&sums, optimizer, group, blocks);
    if (group) {
        struct dualprop__word word = { .call = DUALPROP__CALL_SET_GROUP,
                                       .status = status,
                                       .count = blocks,
                                       .steps = optimizer->steps,
                                       .digest = dualprop__layers_digest(optimizer->network) };
        status = dualprop__group_agree(group, word);
        for (int r = 1; status == DUALPROP_OK && r < group->transport.size; r++)
            if (group->words[r].count != group->words[0].count)
                status = dualprop__fail(group->context, DUALPROP_ERROR_PEER,
                                        "process %d sets %lld blocks and process 0 %lld; expected as many", r,
                                        (long long)group->words[r].count, (long long)group->words[0].count);
        if (status == DUALPROP_OK) status = dualprop__group_compare_digests(group, "layers");
    }
    if (status != DUALPROP_OK) {
        destroy_sums(sums, optimizer);
        return status;
    }
    dualprop__group_sums_destroy(optimizer);
    optimizer->sums = sums;
    dualprop__hold_in_sums(optimizer);
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = DUALPROP_OK;
    if (!group && blocks == 0) {
        dualprop__group_sums_destroy(optimizer);
    } else if (!group) {
        status = set_group(optimizer, NULL, blocks);
    } else if ((status = dualprop__group_enter(group, __func__)) == DUALPROP_OK) {
        dualprop__group_retain(group); /* it may be the one that is replaced, and its last user */
        status = set_group(optimizer, group, blocks == 0 ? group->transport.size : blocks);
        dualprop__group_leave(group);
        dualprop__group_release(group);
    }
    dualprop__optimizer_leave(optimizer);
    return status;
}

dualprop_status dualprop_optimizer_group(dualprop_group **group, int64_t *blocks, const dualprop_optimizer *optimizer)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    if (group) *group = optimizer->sums ? optimizer->sums->group : NULL;
    if (blocks) *blocks = optimizer->sums ? optimizer->sums->blocks : 0;
    return DUALPROP_OK;
}
