/*
 * memory.c - the only caller of a context's allocator.
 *
 * A block is preceded by a header that says how much was asked of the allocator, where it begins, and which allocator
 * it came from, so that blocks are released without their sizes, also when the context has another allocator by then:
 *
 *     | padding | header | the caller's memory, aligned to 64 bytes or more |
 *     ^ begin             ^ pointer
 *
 * The counters count what was asked of the allocator, headers included: multiples of 64 bytes, so that blocks lie in an
 * arena without gaps and what is said beforehand is what they take there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "base.h"

#define LEAST_ALIGNMENT 64
/* Of x86, and of arm64 with pages of 4 KiB. */
#define LARGE_PAGE ((size_t)2 << 20)

struct header {
    void *begin;
    size_t size;
    void (*release)(void *user_data, void *pointer, size_t size);
    void *user_data;
};

_Static_assert(sizeof(struct header) <= LEAST_ALIGNMENT, "a header lies before the least aligned block");

/* ---- the default allocator ---- */

/*
 * Large blocks ask the kernel for large pages: a step goes through hundreds of megabytes, and translating addresses
 * page by page of 4 KiB takes 4 to 6 % of its time. Only pages that lie in the block as a whole, so that it takes no
 * more.
 */
static void advise_large_pages(void *block, size_t size)
{
#if defined(MADV_HUGEPAGE)
    size_t whole = size & ~(LARGE_PAGE - 1);
    if (block && whole > 0) (void)madvise(block, whole, MADV_HUGEPAGE);
#else
    (void)block;
    (void)size;
#endif
}

static void *default_allocate(void *user_data, size_t size, size_t alignment)
{
    (void)user_data;
    size_t rounded = 0;
    if (size >= LARGE_PAGE && alignment < LARGE_PAGE) alignment = LARGE_PAGE;
    if (!DUALPROP__ADD(&rounded, size, alignment - 1)) return NULL;
    void *block = aligned_alloc(alignment, rounded & ~(alignment - 1));
    advise_large_pages(block, size);
    return block;
}

static void default_release(void *user_data, void *pointer, size_t size)
{
    (void)user_data;
    (void)size;
    free(pointer);
}

const dualprop_allocator dualprop__default_allocator = { sizeof(dualprop_allocator), default_allocate, default_release,
                                                         NULL };

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

dualprop_status dualprop__whole_memory(const dualprop_context *context, dualprop_status status, const char *what,
                                       uint64_t bytes, const char *function)
{
    if (status != DUALPROP_ERROR_NO_MEMORY) return status;
    if (bytes == 0)
        return dualprop__fail(context, status, "no memory for %s; %s() tells beforehand what it takes in all", what,
                              function);
    return dualprop__fail(context, status, "no memory for %s, which takes %llu bytes in all; %s() tells it beforehand",
                          what, (unsigned long long)bytes, function);
}

void *dualprop__allocate_aligned(dualprop_context *context, size_t size, size_t alignment)
{
    size_t room = alignment < LEAST_ALIGNMENT ? LEAST_ALIGNMENT : alignment, total = 0;
    if (!DUALPROP__ADD(&total, size, room + LEAST_ALIGNMENT - 1)) return no_memory(context, size);
    total = total / LEAST_ALIGNMENT * LEAST_ALIGNMENT;
    int kept = errno;
    char *begin = context->allocator.allocate(context->allocator.user_data, total, room);
    errno = kept;
    if (!begin) return no_memory(context, size);
    memset(begin, 0, total);
    struct header header = { begin, total, context->allocator.release, context->allocator.user_data };
    memcpy(begin + room - sizeof header, &header, sizeof header);
    count_in(context, total);
    return begin + room;
}

uint64_t dualprop__block_bytes(uint64_t size)
{
    return dualprop__round_up(size) + LEAST_ALIGNMENT;
}

void *dualprop__allocate(dualprop_context *context, size_t size)
{
    return dualprop__allocate_aligned(context, size, LEAST_ALIGNMENT);
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
    header.release(header.user_data, header.begin, header.size);
    errno = kept;
}
