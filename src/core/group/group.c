/*
 * group.c - a group's life, and each process's share of a batch.
 *
 * Processes whose arithmetic would differ are refused when the group is created: the same bits are a group's promise.
 */
#include <stdio.h>
#include <string.h>

#include "group_internal.h"

/* ---- do all processes compute alike? ---- */

/* Compared byte by byte; all members are texts, so that sentences can quote them. */
struct hello {
    char library[32], byte_order[16], precision[8], backend[32], kernels[224], numerics[16];
};

static void fill_hello(struct hello *hello, const dualprop_context *context)
{
    static const char *const numerics[] = { "strict", "TF32", "BF16" };
    const uint16_t probe = 1;
    memset(hello, 0, sizeof *hello);
    snprintf(hello->library, sizeof hello->library, "%s", dualprop_version_string());
    snprintf(hello->byte_order, sizeof hello->byte_order, "%s", *(const unsigned char *)&probe ? "little" : "big");
    snprintf(hello->precision, sizeof hello->precision, "%s", dualprop_name(DUALPROP_NAMES_TYPE, context->precision));
    snprintf(hello->backend, sizeof hello->backend, "%s", context->backend.name);
    snprintf(hello->numerics, sizeof hello->numerics, "%s", numerics[context->numerics]);
    context->backend.describe(context->instance, hello->kernels, sizeof hello->kernels);
}

static dualprop_status compare_hellos(const dualprop_group *group, const struct hello *hellos)
{
    static const struct {
        const char *what;
        size_t offset;
    } rows[] = {
        { "library version", offsetof(struct hello, library) }, { "byte order", offsetof(struct hello, byte_order) },
        { "precision", offsetof(struct hello, precision) },     { "backend", offsetof(struct hello, backend) },
        { "kernels", offsetof(struct hello, kernels) },         { "numerics", offsetof(struct hello, numerics) },
    };
    for (int r = 1; r < group->transport.size; r++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const char *first = (const char *)&hellos[0] + rows[i].offset,
                       *other = (const char *)&hellos[r] + rows[i].offset;
            DUALPROP__REQUIRE(
                group->context, strcmp(first, other) == 0, DUALPROP_ERROR_UNSUPPORTED,
                "process 0 and process %d have different bits: %s %s and %s; expected the same in all processes", r,
                rows[i].what, first, other);
        }
    return DUALPROP_OK;
}

/* Of larger groups, the processes that have memory wait until their transport's deadline for one that has none. */
#define MOST_ASKED 256

/* Have all processes the memory for a hello? A process that has none still tells the others, on the stack. */
static dualprop_status agree_on_memory(dualprop_group *group, dualprop_status status)
{
    const dualprop_transport *transport = &group->transport;
    int64_t offsets[MOST_ASKED + 1];
    char has_memory[MOST_ASKED];
    if (transport->size > MOST_ASKED) return status;
    for (int r = 0; r <= transport->size; r++) offsets[r] = r;
    has_memory[transport->rank] = status == DUALPROP_OK;
    dualprop_status gathered = dualprop__group_gather(group, has_memory, offsets);
    DUALPROP__TRY(status);
    DUALPROP__TRY(gathered);
    for (int r = 0; r < transport->size; r++)
        DUALPROP__REQUIRE(group->context, has_memory[r], DUALPROP_ERROR_PEER, "process %d: out of memory for a group",
                          r);
    return DUALPROP_OK;
}

static dualprop_status say_hello(dualprop_group *group)
{
    size_t size = (size_t)group->transport.size;
    struct hello *hellos = dualprop__allocate_array(group->context, size, sizeof *hellos);
    dualprop_status ready =
        agree_on_memory(group, hellos && group->words && group->offsets ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY);
    if (ready != DUALPROP_OK) {
        dualprop__release(group->context, hellos);
        return ready;
    }
    fill_hello(&hellos[group->transport.rank], group->context);
    dualprop_status status = dualprop__group_gather_equal(group, hellos, sizeof *hellos);
    for (size_t r = 0; r < size; r++) hellos[r].kernels[sizeof hellos[r].kernels - 1] = '\0';
    if (status == DUALPROP_OK) status = compare_hellos(group, hellos);
    dualprop__release(group->context, hellos);
    return status;
}

/* ---- life ---- */

static dualprop_status check_transport(dualprop_transport *copy, const dualprop_context *context,
                                       const dualprop_transport *transport)
{
    DUALPROP__REQUIRE(context, transport, DUALPROP_ERROR_INVALID_ARGUMENT, "transport is NULL");
    DUALPROP__TRY(dualprop__struct_copy(copy, sizeof *copy, transport, sizeof *copy, "transport"));
    DUALPROP__REQUIRE(context, copy->size >= 1 && copy->size <= DUALPROP_MAX_GROUP, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "transport.size is %d; expected 1..%d", (int)copy->size, DUALPROP_MAX_GROUP);
    DUALPROP__REQUIRE(context, copy->rank >= 0 && copy->rank < copy->size, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "transport.rank is %d; expected 0..%d", (int)copy->rank, (int)copy->size - 1);
    DUALPROP__REQUIRE(context, copy->exchange && copy->gather && copy->error, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "transport lacks a function; expected exchange, gather and error");
    return DUALPROP_OK;
}

dualprop_status dualprop_group_create(dualprop_group **out, dualprop_context *context,
                                      const dualprop_transport *transport)
{
    dualprop_transport copy;
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "group is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__TRY(check_transport(&copy, context, transport));
    dualprop_group *group = dualprop__allocate(context, sizeof *group);
    if (!group) { /* the others hear of it, as they would of a failure below */
        dualprop_group missing = { .context = context, .transport = copy };
        return agree_on_memory(&missing, DUALPROP_ERROR_NO_MEMORY);
    }
    group->magic = DUALPROP__GROUP;
    group->process_number = dualprop__process_number();
    atomic_init(&group->references, 1);
    group->context = context;
    group->transport = copy;
    dualprop__context_retain(context);
    group->words = dualprop__allocate_array(context, (size_t)copy.size, sizeof *group->words);
    group->offsets = dualprop__allocate_array(context, (size_t)copy.size + 1, sizeof *group->offsets);
    dualprop_status status = say_hello(group);
    if (status == DUALPROP_OK) *out = group;
    else dualprop__group_release(group);
    return status;
}

void dualprop__group_retain(dualprop_group *group)
{
    atomic_fetch_add(&group->references, 1);
}

void dualprop__group_release(dualprop_group *group)
{
    if (atomic_fetch_sub(&group->references, 1) != 1) return;
    dualprop_context *context = group->context;
    group->magic = DUALPROP__DEAD;
    dualprop__release(context, group->offsets);
    dualprop__release(context, group->words);
    dualprop__release(context, group);
    dualprop__context_release(context);
}

void dualprop_group_destroy(dualprop_group *group)
{
    if (group && group->magic == DUALPROP__GROUP) dualprop__group_release(group);
}

dualprop_status dualprop__group_enter(dualprop_group *group, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(group, DUALPROP__GROUP, "group", function));
    DUALPROP__TRY(dualprop__context_enter(group->context));
    DUALPROP__REQUIRE(group->context, group->process_number == dualprop__process_number(), DUALPROP_ERROR_FORKED,
                      "group was created in another process, which has its place among the others; it can only be "
                      "destroyed here");
    int idle = 0;
    DUALPROP__REQUIRE(group->context, atomic_compare_exchange_strong(&group->busy, &idle, 1), DUALPROP_ERROR_BUSY,
                      "group is in use by another call");
    return DUALPROP_OK;
}

void dualprop__group_leave(dualprop_group *group)
{
    atomic_store(&group->busy, 0);
}

/* ---- what needs no other process ---- */

dualprop_status dualprop_group_info(int *rank, int *size, const dualprop_group *group)
{
    DUALPROP__REQUIRE_HANDLE(group, DUALPROP__GROUP);
    if (rank) *rank = group->transport.rank;
    if (size) *size = group->transport.size;
    return DUALPROP_OK;
}

dualprop_status dualprop_group_share(int64_t *first, int64_t *count, const dualprop_group *group, int64_t blocks,
                                     int64_t total)
{
    if (group) DUALPROP__REQUIRE_HANDLE(group, DUALPROP__GROUP);
    const dualprop_context *context = group ? group->context : NULL;
    int rank = group ? group->transport.rank : 0, size = group ? group->transport.size : 1;
    if (blocks == 0) blocks = size;
    DUALPROP__REQUIRE(context, first && count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is NULL; expected a place for the result", first ? "count" : "first");
    DUALPROP__REQUIRE(context, blocks >= size && blocks <= DUALPROP_MAX_GROUP, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "blocks is %lld; expected %d..%d", (long long)blocks, size, DUALPROP_MAX_GROUP);
    DUALPROP__REQUIRE(context, total >= 0, DUALPROP_ERROR_INVALID_ARGUMENT, "total is %lld; expected >= 0",
                      (long long)total);
    *first = dualprop__first_sample(total, dualprop__first_block(blocks, rank, size), blocks);
    *count = dualprop__first_sample(total, dualprop__first_block(blocks, rank + 1, size), blocks) - *first;
    return DUALPROP_OK;
}

dualprop_status dualprop_group_raise(dualprop_group *group, uint32_t flags)
{
    /* A signal handler may be here: no sentence, which would take a lock. */
    if (!group) return DUALPROP_ERROR_INVALID_ARGUMENT;
    if (group->magic != DUALPROP__GROUP) return DUALPROP_ERROR_HANDLE;
    atomic_fetch_or(&group->raised_here, flags);
    return DUALPROP_OK;
}

dualprop_status dualprop_group_raised(uint32_t *flags, const dualprop_group *group)
{
    DUALPROP__REQUIRE_HANDLE(group, DUALPROP__GROUP);
    DUALPROP__REQUIRE(group->context, flags, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "flags is NULL; expected a place for them");
    *flags = atomic_load(&group->raised);
    return DUALPROP_OK;
}
