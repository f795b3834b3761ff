/*
 * memory.c - the one door to the allocator of a context.
 *
 * A block is preceded by a header that says how much was asked of the allocator and where it begins, so that blocks
 * are released without their sizes:
 *
 *     | padding | header | the caller's memory, aligned to 64 bytes or more |
 *     ^ begin             ^ pointer
 *
 * The counters count what was asked of the allocator, headers included.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

#define ALIGNMENT 64

struct header {
    void *begin;
    size_t size;
};

/* ---- the default allocator ---- */

static void *default_allocate(void *user_data, size_t size, size_t alignment)
{
    (void)user_data;
    size_t rounded = 0;
    if (!DUALPROP__ADD(&rounded, size, alignment - 1)) return NULL;
    return aligned_alloc(alignment, rounded & ~(alignment - 1));
}

static void default_release(void *user_data, void *pointer, size_t size)
{
    (void)user_data;
    (void)size;
    free(pointer);
}

const dualprop_allocator dualprop__default_allocator = { sizeof(dualprop_allocator), default_allocate,
                                                         default_release, NULL };

/* ---- counting ---- */

static void count_in(dualprop_context *context, size_t size)
{
    uint_fast64_t now = atomic_fetch_add(&context->memory_current, size) + size;
    uint_fast64_t peak = atomic_load(&context->memory_peak);
    while (now > peak && !atomic_compare_exchange_weak(&context->memory_peak, &peak, now)) continue;
    atomic_fetch_add(&context->memory_allocations, 1);
}

/* ---- blocks ---- */

static void *no_memory(dualprop_context *context, size_t size)
{
    dualprop__fail(context, DUALPROP_ERROR_NO_MEMORY, "no memory for %zu bytes", size);
    return NULL;
}

void *dualprop__allocate_aligned(dualprop_context *context, size_t size, size_t alignment)
{
    size_t room = alignment < ALIGNMENT ? ALIGNMENT : alignment, total = 0;
    if (!DUALPROP__ADD(&total, size, room)) return no_memory(context, size);
    int kept = errno;
    char *begin = context->allocator.allocate(context->allocator.user_data, total, room);
    errno = kept;
    if (!begin) return no_memory(context, size);
    memset(begin, 0, total);
    struct header header = { begin, total };
    memcpy(begin + room - sizeof header, &header, sizeof header);
    count_in(context, total);
    return begin + room;
}

uint64_t dualprop__block_bytes(uint64_t size)
{
    return size + ALIGNMENT;
}

void *dualprop__allocate(dualprop_context *context, size_t size)
{
    return dualprop__allocate_aligned(context, size, ALIGNMENT);
}

void *dualprop__allocate_array(dualprop_context *context, size_t count, size_t size)
{
    size_t total = 0;
    if (!DUALPROP__MULTIPLY(&total, count, size)) return no_memory(context, SIZE_MAX);
    return dualprop__allocate(context, total);
}

void dualprop__release(dualprop_context *context, void *pointer)
{
    if (!pointer) return;
    struct header header;
    memcpy(&header, (char *)pointer - sizeof header, sizeof header);
    atomic_fetch_sub(&context->memory_current, header.size);
    int kept = errno;
    context->allocator.release(context->allocator.user_data, header.begin, header.size);
    errno = kept;
}
