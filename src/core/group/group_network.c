/*
 * group_network.c - the same parameters in all processes: copied from one, or compared.
 *
 * Parameters travel in the public layout, so that what a backend pads with is neither sent nor compared.
 */
#include <string.h>

#include "group_internal.h"

/* ---- the arrays of a network, numbered: per layer weights, bias and, if there are any, feedback weights ---- */

static int array_count(const dualprop_network *network)
{
    return 3 * network->layer_count;
}

struct array {
    dualprop_layer *layer;
    int is_bias;
    void *memory; /* of the backend; NULL: the layer has no such array */
    const char *name;
};

static struct array array_of(const dualprop_network *network, int index)
{
    static const char *const names[] = { "weight", "bias", "feedback" };
    dualprop_layer *layer = network->layers[index / 3];
    int kind = index % 3;
    void *const memory[] = { layer->weight, layer->bias, layer->feedback };
    return (struct array){ layer, kind == 1, memory[kind], names[kind] };
}

static size_t array_bytes(const struct array *array)
{
    return (size_t)dualprop__parameter_elements(array->layer, array->is_bias) *
           array->layer->network->context->real_size;
}

/* What has to be equal for the arrays to have the same extents. */
static uint64_t shape_digest(const dualprop_network *network)
{
    uint64_t digest = dualprop__digest(DUALPROP__DIGEST, &network->layer_count, sizeof network->layer_count);
    for (int index = 0; index < array_count(network); index++) {
        struct array array = array_of(network, index);
        int64_t shape[DUALPROP_MAX_RANK + 1] = { array.memory != NULL };
        int rank = dualprop__parameter_shape(shape + 1, array.layer, array.is_bias);
        digest = dualprop__digest(digest, shape, (size_t)(rank + 1) * sizeof *shape);
    }
    return digest;
}

static dualprop_status check_network(const dualprop_group *group, const dualprop_network *network, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(network, DUALPROP__NETWORK, "network", function));
    DUALPROP__REQUIRE(group->context, network->context == group->context, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network and group are of different contexts; expected the same");
    DUALPROP__REQUIRE(group->context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    return DUALPROP_OK;
}

/* ---- copied from one process ---- */

/* All processes take part in each gather, whatever happened to them before it. */
static dualprop_status share_array(dualprop_group *group, const struct array *array, void *host, int root,
                                   dualprop_status status)
{
    int is_root = group->transport.rank == root;
    size_t bytes = array_bytes(array);
    if (is_root && status == DUALPROP_OK)
        status = dualprop__parameter_read(host, array->layer, array->is_bias, array->memory);
    for (int r = 0; r <= group->transport.size; r++) group->offsets[r] = r <= root ? 0 : (int64_t)bytes;
    dualprop_status sent = dualprop__group_gather(group, host, group->offsets);
    if (status == DUALPROP_OK) status = sent;
    if (!is_root && status == DUALPROP_OK)
        status = dualprop__parameter_write(array->layer, array->is_bias, array->memory, host);
    return status;
}

static dualprop_status share_arrays(dualprop_group *group, dualprop_network *network, void *host, int root)
{
    dualprop_status status = DUALPROP_OK;
    for (int index = 0; index < array_count(network) && !group->failed; index++) {
        struct array array = array_of(network, index);
        if (array.memory) status = share_array(group, &array, host, root, status);
    }
    struct dualprop__word word = { .call = DUALPROP__CALL_SHARE_NETWORK, .status = status };
    return group->failed ? status : dualprop__group_agree(group, word);
}

/* With the group entered. */
static dualprop_status share_network(dualprop_network *network, dualprop_group *group, int root, const char *function)
{
    dualprop_status status = check_network(group, network, function);
    void *host = NULL;
    int is_open = 0;
    if (status == DUALPROP_OK && (root < 0 || root >= group->transport.size))
        status = dualprop__fail(group->context, DUALPROP_ERROR_INVALID_ARGUMENT, "root is %d; expected 0..%d", root,
                                (int)group->transport.size - 1);
    if (status == DUALPROP_OK && !(host = dualprop__parameter_staging(network))) status = DUALPROP_ERROR_NO_MEMORY;
    if (status == DUALPROP_OK) {
        status = dualprop__network_begin_write(network);
        is_open = status == DUALPROP_OK;
    }
    struct dualprop__word word = { .call = DUALPROP__CALL_SHARE_NETWORK,
                                   .status = status,
                                   .count = root,
                                   .digest = status == DUALPROP_OK ? shape_digest(network) : 0 };
    status = dualprop__group_agree(group, word);
    for (int r = 1; status == DUALPROP_OK && r < group->transport.size; r++)
        if (group->words[r].count != group->words[0].count)
            status = dualprop__fail(group->context, DUALPROP_ERROR_PEER,
                                    "root is %lld in process %d and %lld in process 0; expected the same",
                                    (long long)group->words[r].count, r, (long long)group->words[0].count);
    if (status == DUALPROP_OK) status = dualprop__group_compare_digests(group, "layers");
    if (status == DUALPROP_OK) status = share_arrays(group, network, host, root);
    if (is_open) dualprop__network_end_write(network);
    dualprop__release(group->context, host);
    return status;
}

dualprop_status dualprop_group_share_network(dualprop_network *network, dualprop_group *group, int root)
{
    DUALPROP__TRY(dualprop__group_enter(group, __func__));
    dualprop_status status = share_network(network, group, root, __func__);
    dualprop__group_leave(group);
    return status;
}

/* ---- compared ---- */

/* Carry `digest` on by an array, if the layer has it; host: staging memory. */
static dualprop_status digest_array(uint64_t *digest, const struct array *array, void *host)
{
    if (!array->memory) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__parameter_read(host, array->layer, array->is_bias, array->memory));
    *digest = dualprop__digest(*digest, host, array_bytes(array));
    return DUALPROP_OK;
}

static dualprop_status digest_each(uint64_t *digests, const dualprop_network *network, void *host)
{
    for (int index = 0; index < array_count(network); index++) {
        struct array array = array_of(network, index);
        digests[index] = DUALPROP__DIGEST;
        DUALPROP__TRY(digest_array(&digests[index], &array, host));
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__parameters_digest(uint64_t *digest, const dualprop_network *network)
{
    void *host = dualprop__parameter_staging(network);
    dualprop_status status = host ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
    for (int index = 0; index < array_count(network) && status == DUALPROP_OK; index++) {
        struct array array = array_of(network, index);
        status = digest_array(digest, &array, host);
    }
    dualprop__release(network->context, host);
    return status;
}

static dualprop_status compare_digests(const dualprop_group *group, const dualprop_network *network,
                                       const uint64_t *digests)
{
    int count = array_count(network);
    for (int r = 1; r < group->transport.size; r++)
        for (int index = 0; index < count; index++) {
            struct array array = array_of(network, index);
            DUALPROP__REQUIRE(
                group->context, digests[r * count + index] == digests[index], DUALPROP_ERROR_PEER,
                "process %d has another layer%d.%s than process 0; expected the same parameters in all processes", r,
                array.layer->index, array.name);
        }
    return DUALPROP_OK;
}

/* With the group entered. */
static dualprop_status compare_networks(dualprop_group *group, const dualprop_network *network, const char *function)
{
    dualprop_status status = check_network(group, network, function);
    size_t count = status == DUALPROP_OK ? (size_t)array_count(network) : 0;
    dualprop_network *read = (dualprop_network *)(uintptr_t)network; /* counting a reader changes nothing that shows */
    void *host = NULL;
    uint64_t *digests = NULL;
    int is_open = 0;
    if (status == DUALPROP_OK) {
        host = dualprop__parameter_staging(network);
        digests = dualprop__allocate_array(group->context, (size_t)group->transport.size * count, sizeof *digests);
        if (!host || !digests) status = DUALPROP_ERROR_NO_MEMORY;
    }
    if (status == DUALPROP_OK) {
        status = dualprop__network_begin_read(read);
        is_open = status == DUALPROP_OK;
    }
    if (status == DUALPROP_OK) status = digest_each(digests + (size_t)group->transport.rank * count, network, host);
    struct dualprop__word word = { .call = DUALPROP__CALL_CHECK_NETWORK,
                                   .status = status,
                                   .digest = status == DUALPROP_OK ? shape_digest(network) : 0 };
    status = dualprop__group_agree(group, word);
    if (status == DUALPROP_OK) status = dualprop__group_compare_digests(group, "layers");
    if (status == DUALPROP_OK) status = dualprop__group_gather_equal(group, digests, count * sizeof *digests);
    if (status == DUALPROP_OK) status = compare_digests(group, network, digests);
    if (is_open) dualprop__network_end_read(read);
    dualprop__release(group->context, digests);
    dualprop__release(group->context, host);
    return status;
}

dualprop_status dualprop_group_check_network(dualprop_group *group, const dualprop_network *network)
{
    DUALPROP__TRY(dualprop__group_enter(group, __func__));
    dualprop_status status = compare_networks(group, network, __func__);
    dualprop__group_leave(group);
    return status;
}
