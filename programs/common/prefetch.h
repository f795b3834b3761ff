/*
 * prefetch.h - one piece of work at a time, done by a thread of its own while the caller computes.
 *
 * Where no thread can be started the work is done when its result is wanted.
 */
#ifndef PROGRAMS_PREFETCH_H
#define PROGRAMS_PREFETCH_H

#include <pthread.h>
#include <stdint.h>

typedef void (*prefetch_work)(void *context, int64_t index);

typedef struct prefetch {
    prefetch_work work;
    void *context;
    int has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t asked, done; /* index of the last piece of work asked for, and of the last one done; -1: none */
    int ending;
} prefetch;

/* Begin; with_thread 0: everything is done when it is wanted. context is borrowed. */
void prefetch_begin(prefetch *self, prefetch_work work, void *context, int with_thread);
/* Wait for what is being done, and end. Fine for one that is all zero. */
void prefetch_end(prefetch *self);

/* Ask for piece number index, 0 or above; the last one asked for must have been waited for. */
void prefetch_ask(prefetch *self, int64_t index);
/* Come back when piece number index is done, whether it was asked for or not. */
void prefetch_wait(prefetch *self, int64_t index);
/* Wait for what is being done, and forget what was done: the next wait does its piece again. */
void prefetch_forget(prefetch *self);

#endif
