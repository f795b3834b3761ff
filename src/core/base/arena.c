/*
 * arena.c - an allocator over a buffer of the caller's.
 *
 * The buffer begins with a record. What is free of the rest is a list of holes by their addresses, each of which begins
 * with its size and the next one's address; at first there is one. A block is cut from the lowest hole that has room,
 * and becomes a hole again, one with its neighbours, when it is released. Sizes are multiples of 64 bytes.
 *
 *     | record | block | hole | block | block | hole ............ |
 */
#include <sched.h>

#include "base.h"

#define GRAIN DUALPROP_ARENA_BYTES

struct hole {
    size_t size;
    struct hole *next;
};

struct arena_record {
    atomic_int holder; /* number of the process in which a thread changes the list; 0: none does */
    struct hole *holes;
};

_Static_assert(sizeof(struct arena_record) <= GRAIN && sizeof(struct hole) <= GRAIN, "both fit into a grain");

/* 0: the list was being changed when this process was forked off, and stays so. */
static int arena_lock(struct arena_record *record)
{
    int own = dualprop__process_number(), holder = 0;
    while (!atomic_compare_exchange_strong(&record->holder, &holder, own)) {
        if (holder != own) return 0;
        holder = 0;
        sched_yield();
    }
    return 1;
}

static void *cut_block(struct arena_record *record, size_t size, size_t alignment)
{
    for (struct hole **link = &record->holes; *link; link = &(*link)->next) {
        struct hole *hole = *link, *next = hole->next;
        size_t front = (size_t)(-(uintptr_t)hole & (alignment - 1));
        if (hole->size < front || hole->size - front < size) continue;
        size_t back = hole->size - front - size;
        char *block = (char *)hole + front;
        if (back > 0) {
            struct hole *rest = (struct hole *)(void *)(block + size);
            *rest = (struct hole){ back, next };
            next = rest;
        }
        if (front > 0) *hole = (struct hole){ front, next };
        else *link = next;
        return block;
    }
    return NULL;
}

static void join_with_next(struct hole *hole)
{
    if (!hole->next || (char *)hole + hole->size != (char *)hole->next) return;
    hole->size += hole->next->size;
    hole->next = hole->next->next;
}

static void return_block(struct arena_record *record, void *block, size_t size)
{
    struct hole *made = block, *before = NULL, *after = record->holes;
    while (after && (char *)after < (char *)made) before = after, after = after->next;
    *made = (struct hole){ size, after };
    if (before) before->next = made;
    else record->holes = made;
    join_with_next(made);
    if (before) join_with_next(before);
}

static void *arena_allocate(void *user_data, size_t size, size_t alignment)
{
    struct arena_record *record = user_data;
    size_t rounded;
    if (!DUALPROP__ADD(&rounded, size, (size_t)(GRAIN - 1)) || !arena_lock(record)) return NULL;
    void *block = cut_block(record, rounded / GRAIN * GRAIN, alignment < GRAIN ? GRAIN : alignment);
    atomic_store(&record->holder, 0);
    return block;
}

static void arena_release(void *user_data, void *pointer, size_t size)
{
    struct arena_record *record = user_data;
    if (!arena_lock(record)) return;
    return_block(record, pointer, (size + GRAIN - 1) / GRAIN * GRAIN);
    atomic_store(&record->holder, 0);
}

dualprop_status dualprop_arena_allocator(dualprop_allocator *allocator, void *buffer, size_t size)
{
    DUALPROP__REQUIRE(NULL, allocator, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "allocator is NULL; expected a place for the result");
    DUALPROP__REQUIRE(
        NULL, allocator->struct_size >= sizeof *allocator && allocator->struct_size <= DUALPROP__MOST_STRUCT_BYTES,
        DUALPROP_ERROR_INVALID_ARGUMENT, "allocator->struct_size is %llu; expected %zu",
        (unsigned long long)allocator->struct_size, sizeof *allocator);
    DUALPROP__REQUIRE(NULL, buffer, DUALPROP_ERROR_INVALID_ARGUMENT, "buffer is NULL; expected %zu bytes of memory",
                      size);
    DUALPROP__REQUIRE(NULL, size <= UINTPTR_MAX - (uintptr_t)buffer, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "size is %zu; expected no more than there are addresses behind the buffer, %zu", size,
                      (size_t)(UINTPTR_MAX - (uintptr_t)buffer));
    size_t lost = (size_t)(-(uintptr_t)buffer & (GRAIN - 1));
    DUALPROP__REQUIRE(NULL, size >= lost + 2 * GRAIN, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "size is %zu; expected at least %zu at this address", size, lost + 2 * GRAIN);
    struct arena_record *record = (struct arena_record *)(void *)((char *)buffer + lost);
    struct hole *all = (struct hole *)(void *)((char *)record + GRAIN);
    *all = (struct hole){ (size - lost) / GRAIN * GRAIN - GRAIN, NULL };
    atomic_init(&record->holder, 0);
    record->holes = all;
    allocator->allocate = arena_allocate;
    allocator->release = arena_release;
    allocator->user_data = record;
    return DUALPROP_OK;
}
