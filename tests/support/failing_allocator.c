/*
 * failing_allocator.c - each block is preceded by its size, at a distance that keeps the alignment, and followed by
 * bytes that have to be there still when it is released.
 */
#include "failing_allocator.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 64
#define GUARD 64

static const unsigned char guard[GUARD] = { 0x5C, 0xC5, 0x11, 0xEE, 0x5C, 0xC5, 0x11, 0xEE };

static int must_fail(failing_allocator *allocator)
{
    long number = atomic_fetch_add(&allocator->allocations, 1) + 1;
    if (allocator->fail_at == 0) return 0;
    return allocator->for_ever ? number >= allocator->fail_at : number == allocator->fail_at;
}

static void *allocate(void *user_data, size_t size, size_t alignment)
{
    failing_allocator *allocator = user_data;
    if (must_fail(allocator)) {
        atomic_fetch_add(&allocator->failures, 1);
        return NULL;
    }
    if (size == 0 || alignment > HEADER) atomic_fetch_add(&allocator->misuse, 1);
    if (size > (size_t)1 << 40) return NULL;
    char *start = aligned_alloc(HEADER, (HEADER + size + GUARD + HEADER - 1) / HEADER * HEADER);
    if (!start) return NULL;
    memcpy(start, &size, sizeof size);
    memset(start + HEADER, 0xA5, size);
    memcpy(start + HEADER + size, guard, GUARD);
    atomic_fetch_add(&allocator->live_blocks, 1);
    atomic_fetch_add(&allocator->live_bytes, (long long)size);
    return start + HEADER;
}

static void release(void *user_data, void *pointer, size_t size)
{
    failing_allocator *allocator = user_data;
    char *start = (char *)pointer - HEADER;
    size_t taken;
    memcpy(&taken, start, sizeof taken);
    if (taken != size || memcmp(start + HEADER + taken, guard, GUARD) != 0) atomic_fetch_add(&allocator->misuse, 1);
    atomic_fetch_sub(&allocator->live_blocks, 1);
    atomic_fetch_sub(&allocator->live_bytes, (long long)taken);
    free(start);
}

void failing_allocator_arm(failing_allocator *allocator, long fail_at, int for_ever)
{
    atomic_store(&allocator->allocations, 0);
    atomic_store(&allocator->failures, 0);
    allocator->fail_at = fail_at;
    allocator->for_ever = for_ever;
}

dualprop_allocator failing_allocator_table(failing_allocator *allocator)
{
    return (dualprop_allocator){ sizeof(dualprop_allocator), allocate, release, allocator };
}
