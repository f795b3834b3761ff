/*
 * guard.c - one block: a header with the size, guard bytes, the array, guard bytes.
 */
#include "guard.h"

#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
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

/*
 * On a device (DUALPROP_TEST_GPU) arrays are managed memory, which both sides can reach. Taking that is slow, so blocks
 * of some power of two are kept for the next array.
 */
static struct block {
    struct block *next;
} * kept[48];

static int class_of(size_t bytes)
{
    int power = 12;
    while (((size_t)1 << power) < bytes) power++;
    return power;
}

#define CONCURRENT_MANAGED_ACCESS 89 /* cudaDevAttrConcurrentManagedAccess */

/* Elsewhere than on Linux the host may not touch managed memory while the device works, and a test would crash. */
static void check_concurrent_access(void *library)
{
    static int checked;
    int (*attribute)(int *value, int which, int device) = NULL;
    int value = 1;
    void *symbol = dlsym(library, "cudaDeviceGetAttribute");
    if (checked++ || !symbol) return;
    memcpy(&attribute, &symbol, sizeof attribute);
    if (attribute(&value, CONCURRENT_MANAGED_ACCESS, 0) != 0 || value) return;
    fprintf(stderr, "the device has no concurrentManagedAccess, so these tests cannot run on it\n");
    exit(1);
}

static void *take_managed(size_t bytes)
{
    int (*managed)(void **memory, size_t size, unsigned int flags) = NULL;
    void *library = dlopen("libcudart.so.13", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *memory = NULL;
    if (!library) library = dlopen("libcudart.so.12", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = library ? dlsym(library, "cudaMallocManaged") : NULL;
    if (!symbol) return NULL;
    check_concurrent_access(library);
    memcpy(&managed, &symbol, sizeof managed);
    return managed(&memory, bytes, 1) == 0 ? memory : NULL;
}

static void *take(size_t bytes)
{
    if (!getenv("DUALPROP_TEST_GPU")) return aligned_alloc(64, bytes);
    int power = class_of(bytes);
    struct block *block = kept[power];
    if (!block) return take_managed((size_t)1 << power);
    kept[power] = block->next;
    return block;
}

static void give(void *memory, size_t bytes)
{
    if (!getenv("DUALPROP_TEST_GPU")) {
        free(memory);
        return;
    }
    struct block *block = memory;
    int power = class_of(bytes);
    block->next = kept[power];
    kept[power] = block;
}

static size_t all_of(size_t bytes)
{
    return (GUARD + bytes + GUARD + 63) / 64 * 64;
}

void *guard_create(size_t bytes)
{
    unsigned char *start = take(all_of(bytes));
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
    if (memory) give(start_of(memory), all_of(size_of(memory)));
}
