/*
 * guard.c - one block: a header with the size, guard bytes, the array, guard bytes.
 */
#include "guard.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 256
#define BEFORE 0xA5
#define AFTER 0x5A

static unsigned char *start_of(const void *memory)
{
    return (unsigned char *)memory - GUARD;
}

static size_t size_of(const void *memory)
{
    size_t bytes;
    memcpy(&bytes, start_of(memory), sizeof bytes);
    return bytes;
}

void *guard_create(size_t bytes)
{
    size_t all = (GUARD + bytes + GUARD + 63) / 64 * 64;
    unsigned char *start = aligned_alloc(64, all);
    ck_assert_msg(start != NULL, "no memory for a test's array of %zu bytes", bytes);
    memcpy(start, &bytes, sizeof bytes);
    memset(start + sizeof bytes, BEFORE, GUARD - sizeof bytes);
    memset(start + GUARD, 0xff, bytes);
    memset(start + GUARD + bytes, AFTER, GUARD);
    return start + GUARD;
}

static int filled_with(const unsigned char *bytes, size_t count, unsigned char value)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value) return 0;
    return 1;
}

int guard_intact(const void *memory)
{
    size_t bytes = size_of(memory);
    return filled_with(start_of(memory) + sizeof bytes, GUARD - sizeof bytes, BEFORE) &&
           filled_with((const unsigned char *)memory + bytes, GUARD, AFTER);
}

void guard_destroy(void *memory)
{
    if (memory) free(start_of(memory));
}
