/*
 * guard.h - memory with guard bytes on both sides, to find writes outside an array.
 *
 * The array itself is aligned to 64 bytes and starts filled with 0xff, which reads as NaN in both float types: a result
 * that was never written, or came from memory that was never written, shows.
 */
#ifndef DUALPROP_TESTS_GUARD_H
#define DUALPROP_TESTS_GUARD_H

#include <stddef.h>

/* Give bytes of guarded memory; 0 gives a valid pointer. Never NULL: ends the test where memory is out. */
void *guard_create(size_t bytes);
/* Are the guards as they were? */
int guard_intact(const void *memory);
/* Release it; NULL is fine. */
void guard_destroy(void *memory);

#endif
