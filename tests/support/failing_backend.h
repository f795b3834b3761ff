/*
 * failing_backend.h - the reference backend with memory of its own, as on a device, whose n-th call fails.
 *
 * To test what a failing device does, run an operation with fail_at = 1, 2, 3, ... until it succeeds. There is one such
 * backend in a process.
 */
#ifndef DUALPROP_TESTS_FAILING_BACKEND_H
#define DUALPROP_TESTS_FAILING_BACKEND_H

#include "dualprop/backend.h"

typedef struct failing_backend {
    long calls;       /* of slots that give a status, so far */
    long fail_at;     /* the first that fails with DEVICE, counted from 1; 0: none */
    int for_ever;     /* does every later one fail too? */
    long failures;    /* how many did */
    long live_blocks; /* of the backend's memory */
    const char *last; /* the slot that failed */
} failing_backend;

extern failing_backend failing_slots;

/* Count from 0 again and fail at the given call. */
void failing_backend_arm(long fail_at, int for_ever);
/*
 * Memory of its own; the same with deferred sections, whose steps are gated; memory that it takes for the host's; and
 * tables on host memory with some slots alone: what follows a product, one product of dense layers, or all that dense
 * layers or convolutions need, whose products stand alone.
 */
enum {
    FAILING_DEVICE,
    FAILING_DEFERRED,
    FAILING_HOST,
    FAILING_FOLLOWERS,
    FAILING_PRODUCT,
    FAILING_DENSE,
    FAILING_CONVOLUTIONS
};
/* A table for dualprop_options. It is borrowed, and the same in every call. */
const dualprop_backend *failing_backend_table(int kind);

#endif
