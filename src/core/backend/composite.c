/*
 * composite.c - a host-memory backend that leaves slots empty, completed by the reference backend.
 *
 * Every slot gets the instance of the backend that provides it, so an instance here is a pair, and each slot of the
 * composite table hands the call on to one of the two. The price is one more jump a call, which only backends that
 * leave slots empty pay.
 */
#include "backend_internal.h"
#include "backend_slots.h"

struct composite {
    dualprop_context *context;
    dualprop_backend own, reference;
    void *own_self, *reference_self;
    int own_made, reference_made;
};

/* Call a slot of the backend's own if there is one, else the reference's. */
#define PASS(slot, ...)                                                                      \
    (((struct composite *)self)->own.slot                                                    \
         ? ((struct composite *)self)->own.slot(((struct composite *)self)->own_self, __VA_ARGS__) \
         : ((struct composite *)self)->reference.slot(((struct composite *)self)->reference_self, __VA_ARGS__))

#define COMPOSITE_SLOT(result, name, parameters, arguments)                         \
    static result composite_##name(void *self, DUALPROP__LIST parameters) \
    {                                                                     \
        return PASS(name, DUALPROP__LIST arguments);                      \
    }

DUALPROP__MEMORY_SLOTS(COMPOSITE_SLOT)
DUALPROP__LAYOUT_SLOTS(COMPOSITE_SLOT)
DUALPROP__COMPUTING_SLOTS(COMPOSITE_SLOT)

static void composite_destroy(void *self)
{
    struct composite *pair = self;
    if (pair->own_made) pair->own.destroy(pair->own_self);
    if (pair->reference_made) pair->reference.destroy(pair->reference_self);
    dualprop__release(pair->context, pair);
}

static void composite_describe(void *self, char *buffer, size_t size)
{
    PASS(describe, buffer, size);
}

static void composite_release(void *self, void *memory, size_t bytes)
{
    PASS(release, memory, bytes);
}

static dualprop_status composite_synchronize(void *self)
{
    struct composite *pair = self;
    return pair->own.synchronize ? pair->own.synchronize(pair->own_self) : DUALPROP_OK;
}

/* Enough for whichever of the two computes. */
static int64_t larger_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    struct composite *pair = self;
    int64_t reference = pair->reference.dense_workspace(pair->reference_self, batch, inputs, outputs);
    int64_t own = pair->own.dense_workspace ? composite_dense_workspace(self, batch, inputs, outputs) : 0;
    return own > reference ? own : reference;
}

#define COMPOSITE_ENTRY(result, name, parameters, arguments) table->name = composite_##name;

/* The nine slots of convolutions are all of one backend, since they share layout, workspace and cache. */
static void fill_composite_table(dualprop_backend *table)
{
    const char *name = table->name;
    *table = (dualprop_backend){
        .struct_size = sizeof(dualprop_backend),
        .api = DUALPROP_BACKEND_API,
        .flags = DUALPROP_BACKEND_HOST_MEMORY,
        .name = name,
        .destroy = composite_destroy,
        .describe = composite_describe,
        .release = composite_release,
        .synchronize = composite_synchronize,
    };
    DUALPROP__MEMORY_SLOTS(COMPOSITE_ENTRY)
    DUALPROP__LAYOUT_SLOTS(COMPOSITE_ENTRY)
    DUALPROP__COMPUTING_SLOTS(COMPOSITE_ENTRY)
    table->dense_workspace = larger_workspace;
}

dualprop_status dualprop__composite_create(dualprop_backend *table, void **self, dualprop_context *context)
{
    struct composite *pair = dualprop__allocate(context, sizeof *pair);
    if (!pair) return DUALPROP_ERROR_NO_MEMORY;
    pair->context = context;
    pair->own = *table;
    pair->reference = dualprop__reference_backend;
    dualprop_status status = pair->own.create(&pair->own_self, &context->host, context->precision, context->level);
    pair->own_made = status == DUALPROP_OK;
    if (pair->own_made)
        status = pair->reference.create(&pair->reference_self, &context->host, context->precision, context->level);
    pair->reference_made = status == DUALPROP_OK;
    if (status != DUALPROP_OK) {
        composite_destroy(pair);
        return status;
    }
    fill_composite_table(table);
    *self = pair;
    return DUALPROP_OK;
}
