/*
 * reference.c - the reference backend: naive, for float and double, on one thread; oracle, fallback and specification.
 *
 * This file holds what does not compute: the instance, memory, the layout of weights (the caller's own), and the way
 * from each slot to the kernels of the instance's type. The instruction-set level makes no difference here.
 */
#include "reference.h"

#include <stdio.h>
#include <string.h>

#include "backend_slots.h"

#define REFERENCE_ALIGNMENT 64

static const struct dualprop__reference *reference_of(void *self)
{
    return self;
}

/* ---- the instance ---- */

static dualprop_status reference_create(void **self, const dualprop_host *host, int type, int level)
{
    (void)level;
    *self = NULL;
    if (type != DUALPROP_F32 && type != DUALPROP_F64)
        return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "the reference backend computes in f32 and f64");
    struct dualprop__reference *made = host->allocate(host->user_data, sizeof *made, REFERENCE_ALIGNMENT);
    if (!made) return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the reference backend");
    made->host = host;
    made->kernels = type == DUALPROP_F32 ? &dualprop__reference_kernels_f32 : &dualprop__reference_kernels_f64;
    made->type = type;
    *self = made;
    return DUALPROP_OK;
}

static void reference_destroy(void *self)
{
    if (self)
        reference_of(self)->host->release(reference_of(self)->host->user_data, self,
                                          sizeof(struct dualprop__reference));
}

static void reference_describe(void *self, char *buffer, size_t size)
{
    const char *type = reference_of(self)->type == DUALPROP_F32 ? "f32" : "f64";
    if (size > 0) snprintf(buffer, size, "plain loops, %s, sums in double, one thread", type);
}

/* ---- memory: the host's ---- */

static dualprop_status reference_allocate(void *self, void **memory, size_t bytes)
{
    const dualprop_host *host = reference_of(self)->host;
    *memory = host->allocate(host->user_data, bytes ? bytes : 1, REFERENCE_ALIGNMENT);
    if (*memory) return DUALPROP_OK;
    return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the arrays of the backend");
}

static void reference_release(void *self, void *memory, size_t bytes)
{
    const dualprop_host *host = reference_of(self)->host;
    if (memory) host->release(host->user_data, memory, bytes ? bytes : 1);
}

static dualprop_status reference_copy(void *self, void *to, const void *from, size_t bytes)
{
    (void)self;
    if (bytes > 0) memcpy(to, from, bytes);
    return DUALPROP_OK;
}

static dualprop_status reference_fill_zero(void *self, void *memory, size_t bytes)
{
    (void)self;
    if (bytes > 0) memset(memory, 0, bytes);
    return DUALPROP_OK;
}

static dualprop_status reference_synchronize(void *self)
{
    (void)self;
    return DUALPROP_OK;
}

/* ---- weights: [inputs, outputs] as they are ---- */

static int64_t reference_weight_elements(void *self, int64_t inputs, int64_t outputs)
{
    (void)self;
    return inputs * outputs;
}

static size_t weight_bytes(void *self, int64_t inputs, int64_t outputs)
{
    return (size_t)(inputs * outputs) * (reference_of(self)->type == DUALPROP_F32 ? sizeof(float) : sizeof(double));
}

static dualprop_status reference_write_weights(void *self, void *weights, const void *host, int64_t inputs,
                                               int64_t outputs)
{
    return reference_copy(self, weights, host, weight_bytes(self, inputs, outputs));
}

static dualprop_status reference_read_weights(void *self, void *host, const void *weights, int64_t inputs,
                                              int64_t outputs)
{
    return reference_copy(self, host, weights, weight_bytes(self, inputs, outputs));
}

/* ---- to the kernels of the instance's type ---- */

#define REFERENCE_SLOT(result, name, parameters, arguments)                       \
    static result reference_##name(void *self, DUALPROP__LIST parameters)         \
    {                                                                             \
        return reference_of(self)->kernels->name(self, DUALPROP__LIST arguments); \
    }

DUALPROP__COMPUTING_SLOTS(REFERENCE_SLOT)

const dualprop_backend dualprop__reference_backend = { .struct_size = sizeof(dualprop_backend),
                                                       .api = DUALPROP_BACKEND_API,
                                                       .flags = DUALPROP_BACKEND_HOST_MEMORY,
                                                       .name = "reference",
                                                       .create = reference_create,
                                                       .destroy = reference_destroy,
                                                       .describe = reference_describe,
                                                       .allocate = reference_allocate,
                                                       .release = reference_release,
                                                       .copy_in = reference_copy,
                                                       .copy_out = reference_copy,
                                                       .copy = reference_copy,
                                                       .fill_zero = reference_fill_zero,
                                                       .synchronize = reference_synchronize,
                                                       .weight_elements = reference_weight_elements,
                                                       .write_weights = reference_write_weights,
                                                       .read_weights = reference_read_weights,
#define REFERENCE_ENTRY(result, name, parameters, arguments) .name = reference_##name,
                                                       DUALPROP__COMPUTING_SLOTS(REFERENCE_ENTRY) };
