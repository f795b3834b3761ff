/*
 * threaded_host.h - a dualprop_host for tests of backends without a context: real threads, counted memory, kept errors.
 */
#ifndef DUALPROP_TESTS_THREADED_HOST_H
#define DUALPROP_TESTS_THREADED_HOST_H

#include "dualprop/backend.h"
#include "failing_allocator.h"

typedef struct threaded_host {
    int threads;
    failing_allocator memory;
    dualprop_allocator allocator;
    char sentence[256]; /* of the last failure */
    dualprop_host host;
} threaded_host;

/* Prepare a host with this many threads; it needs no ending. */
void threaded_host_init(threaded_host *host, int threads);

#endif
