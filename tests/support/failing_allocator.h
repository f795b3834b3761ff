/*
 * failing_allocator.h - an allocator that counts, checks what is released, and fails at a given call.
 *
 * To test running out of memory, run an operation with fail_at = 1, 2, 3, ... until it succeeds: once (only that
 * allocation fails) and for ever (that one and all after it). live_blocks and live_bytes must be 0 in the end.
 */
#ifndef DUALPROP_TESTS_FAILING_ALLOCATOR_H
#define DUALPROP_TESTS_FAILING_ALLOCATOR_H

#include <stdatomic.h>

#include "dualprop/context.h"

typedef struct failing_allocator {
    atomic_long allocations; /* tried so far */
    long fail_at;            /* the first that fails, counted from 1; 0: none */
    int for_ever;            /* does every later one fail too? */
    atomic_long failures;    /* how many did */
    atomic_long live_blocks;
    atomic_llong live_bytes;
    atomic_int misuse; /* blocks released with another size, or written to past their end */
} failing_allocator;

/* Count from 0 again and fail at the given allocation. What is live stays counted. */
void failing_allocator_arm(failing_allocator *allocator, long fail_at, int for_ever);
/* The table to put into dualprop_options; the failing_allocator must outlive it. */
dualprop_allocator failing_allocator_table(failing_allocator *allocator);

#endif
