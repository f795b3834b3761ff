/*
 * failing_backend.c - see failing_backend.h.
 */
#include "failing_backend.h"

#include <stdlib.h>
#include <string.h>

#include "backend_slots.h"
#include "math/step_condition.h"

failing_backend failing_slots;
static dualprop_backend reference, table;

void failing_backend_arm(long fail_at, int for_ever)
{
    failing_slots.calls = failing_slots.failures = 0;
    failing_slots.fail_at = fail_at;
    failing_slots.for_ever = for_ever;
}

static int slot_fails(const char *name)
{
    long call = ++failing_slots.calls, at = failing_slots.fail_at;
    if (at == 0 || call < at || (call > at && !failing_slots.for_ever)) return 0;
    if (failing_slots.failures++ == 0) failing_slots.last = name;
    return 1;
}

/* ---- memory ---- */

static dualprop_status failing_allocate(void *self, void **memory, size_t bytes)
{
    (void)self;
    if (slot_fails("allocate")) return DUALPROP_ERROR_DEVICE;
    *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!*memory) return DUALPROP_ERROR_NO_MEMORY;
    memset(*memory, 0x5a, bytes); /* nobody may count on zeros */
    failing_slots.live_blocks++;
    return DUALPROP_OK;
}

static void failing_release(void *self, void *memory, size_t bytes)
{
    (void)self, (void)bytes;
    failing_slots.live_blocks -= memory != NULL;
    free(memory);
}

static dualprop_status failing_copy_in(void *self, void *memory, const void *host, size_t bytes)
{
    (void)self;
    if (slot_fails("copy_in")) return DUALPROP_ERROR_DEVICE;
    memcpy(memory, host, bytes);
    return DUALPROP_OK;
}

static dualprop_status failing_copy_out(void *self, void *host, const void *memory, size_t bytes)
{
    (void)self;
    if (slot_fails("copy_out")) return DUALPROP_ERROR_DEVICE;
    memcpy(host, memory, bytes);
    return DUALPROP_OK;
}

static dualprop_status failing_copy(void *self, void *to, const void *from, size_t bytes)
{
    (void)self;
    if (slot_fails("copy")) return DUALPROP_ERROR_DEVICE;
    memcpy(to, from, bytes);
    return DUALPROP_OK;
}

static dualprop_status failing_fill_zero(void *self, void *memory, size_t bytes)
{
    (void)self;
    if (slot_fails("fill_zero")) return DUALPROP_ERROR_DEVICE;
    memset(memory, 0, bytes);
    return DUALPROP_OK;
}

static dualprop_status failing_synchronize(void *self)
{
    (void)self;
    return slot_fails("synchronize") ? DUALPROP_ERROR_DEVICE : DUALPROP_OK;
}

/* ---- what computes: the reference backend's slots ---- */

#define FAILS_int64_t(name)
#define FAILS_dualprop_status(name) \
    if (slot_fails(#name)) return DUALPROP_ERROR_DEVICE;
#define FAILING_SLOT(result, name, parameters, arguments)                           \
    static result failing_##name(void *self, DUALPROP__LIST parameters)             \
    {                                                                               \
        FAILS_##result(name) return reference.name(self, DUALPROP__LIST arguments); \
    }
DUALPROP__LAYOUT_SLOTS(FAILING_SLOT)
DUALPROP__COMPUTING_SLOTS(FAILING_SLOT)

/* ---- sections that are deferred, in which everything is done at once ---- */

static int discards; /* the conditions of this section did not hold */

static dualprop_status failing_begin_deferred(void *self)
{
    (void)self;
    discards = 0;
    return slot_fails("begin_deferred") ? DUALPROP_ERROR_DEVICE : DUALPROP_OK;
}

static dualprop_status failing_end_deferred(void *self, int discard)
{
    (void)self;
    return !discard && slot_fails("end_deferred") ? DUALPROP_ERROR_DEVICE : DUALPROP_OK;
}

static dualprop_status failing_gate_steps(void *self, const dualprop_step_condition *conditions, int count,
                                          double *rejected)
{
    (void)self;
    if (slot_fails("gate_steps")) return DUALPROP_ERROR_DEVICE;
    for (int i = 0; i < count; i++) {
        double below = i > 0 ? *conditions[i - 1].max_abs : 1;
        discards |= dualprop__is_too_large(*conditions[i].start, *conditions[i].max_abs, conditions[i].limit);
        discards |= i > 0 && !dualprop__is_surely_finite(conditions[i].beta, *conditions[i].max_abs, below,
                                                         conditions[i].largest);
    }
    *rejected = discards;
    return DUALPROP_OK;
}

/* ---- the table ---- */

static void failing_describe(void *self, char *buffer, size_t size)
{
    reference.describe(self, buffer, size);
}

#define FAILING_ENTRY(result, name, parameters, arguments) table.name = failing_##name;

/* The built-in backend does the rest. */
static void keep_some_slots(int kind)
{
    dualprop_backend whole = table;
    table = (dualprop_backend){ .struct_size = sizeof table,
                                .api = DUALPROP_BACKEND_API,
                                .flags = DUALPROP_BACKEND_HOST_MEMORY,
                                .name = "failing in parts",
                                .create = whole.create,
                                .destroy = whole.destroy,
                                .describe = whole.describe };
    if (kind == FAILING_PRODUCT) table.dense_bottom_up = whole.dense_bottom_up;
    if (kind == FAILING_PRODUCT) table.max_abs = whole.max_abs;
    if (kind == FAILING_FOLLOWERS) table.synchronize = whole.synchronize;
    if (kind == FAILING_FOLLOWERS) table.dyad_update = whole.dyad_update;
    if (kind == FAILING_FOLLOWERS) table.optimizer_step = whole.optimizer_step;
    if (kind >= FAILING_DENSE) table.flags |= DUALPROP_BACKEND_UNFUSED;
    if (kind == FAILING_DENSE) {
        table.weight_elements = whole.weight_elements;
        table.write_weights = whole.write_weights;
        table.read_weights = whole.read_weights;
        table.dense_workspace = whole.dense_workspace;
        table.dense_bottom_up = whole.dense_bottom_up;
        table.dense_top_down = whole.dense_top_down;
        table.dense_gradient = whole.dense_gradient;
    }
    if (kind == FAILING_CONVOLUTIONS) {
        table.convolution_weight_elements = whole.convolution_weight_elements;
        table.write_convolution_weights = whole.write_convolution_weights;
        table.read_convolution_weights = whole.read_convolution_weights;
        table.convolution_workspace = whole.convolution_workspace;
        table.convolution_cache = whole.convolution_cache;
        table.convolution_prepare = whole.convolution_prepare;
        table.convolution_bottom_up = whole.convolution_bottom_up;
        table.convolution_top_down = whole.convolution_top_down;
        table.convolution_gradient = whole.convolution_gradient;
    }
}

const dualprop_backend *failing_backend_table(int kind)
{
    reference = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    table = (dualprop_backend){ .struct_size = sizeof table,
                                .api = DUALPROP_BACKEND_API,
                                .name = "failing",
                                .create = reference.create,
                                .destroy = reference.destroy,
                                .describe = failing_describe,
                                .release = failing_release,
                                .synchronize = failing_synchronize };
    DUALPROP__MEMORY_SLOTS(FAILING_ENTRY)
    DUALPROP__LAYOUT_SLOTS(FAILING_ENTRY)
    DUALPROP__COMPUTING_SLOTS(FAILING_ENTRY)
    if (kind >= FAILING_HOST) table.flags = DUALPROP_BACKEND_HOST_MEMORY;
    if (kind >= FAILING_FOLLOWERS) keep_some_slots(kind);
    if (kind != FAILING_DEFERRED) return &table;
    table.begin_deferred = failing_begin_deferred;
    table.end_deferred = failing_end_deferred;
    table.gate_steps = failing_gate_steps;
    return &table;
}
