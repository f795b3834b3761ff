/*
 * reals.c - arrays of the context's precision, in the backend's memory and on the host.
 */
#include <math.h>
#include <string.h>

#include "base.h"

/* ---- in the backend's memory ---- */

static dualprop_status reals_bytes(size_t *bytes, const dualprop_context *context, int64_t count)
{
    if (count < 0 || !DUALPROP__MULTIPLY(bytes, (size_t)count, context->real_size))
        return dualprop__fail(context, DUALPROP_ERROR_RANGE, "an array of %lld numbers does not fit into memory",
                              (long long)count);
    return DUALPROP_OK;
}

dualprop_status dualprop__reals_create(dualprop_context *context, void **memory, int64_t count)
{
    size_t bytes = 0;
    *memory = NULL;
    DUALPROP__TRY(reals_bytes(&bytes, context, count));
    void *made = NULL;
    DUALPROP__TRY(context->backend.allocate(context->instance, &made, bytes));
    dualprop_status status = context->backend.fill_zero(context->instance, made, bytes);
    if (status == DUALPROP_OK) *memory = made;
    else context->backend.release(context->instance, made, bytes);
    return status;
}

uint64_t dualprop__reals_bytes(const dualprop_context *context, int64_t count)
{
    uint64_t bytes = (uint64_t)count * context->real_size;
    if (!(context->backend.flags & DUALPROP_BACKEND_HOST_MEMORY)) return bytes;
    return dualprop__block_bytes(bytes > 0 ? bytes : 1);
}

void dualprop__reals_destroy(dualprop_context *context, void *memory, int64_t count)
{
    if (memory) context->backend.release(context->instance, memory, (size_t)count * context->real_size);
}

/* ---- on the host ---- */

int dualprop__reals_within(const void *reals, int type, int64_t count, const double range[2])
{
    int within = 1;
    for (int64_t i = 0; i < count; i++) {
        double value = type == DUALPROP_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
        within &= isfinite(value) && value >= range[0] && value <= range[1];
    }
    return within;
}

/* By their bits: to compare a NaN, as a file may hold it, ends a host that traps invalid operations. */
static int is_finite_f32(const float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

static int is_finite_f64(const double *value)
{
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    return (bits & 0x7ff0000000000000u) != 0x7ff0000000000000u;
}

int dualprop__reals_finite(const void *reals, int type, int64_t count)
{
    int finite = 1;
    if (type == DUALPROP_F32)
        for (int64_t i = 0; i < count; i++) finite &= is_finite_f32((const float *)reals + i);
    else
        for (int64_t i = 0; i < count; i++) finite &= is_finite_f64((const double *)reals + i);
    return finite;
}
