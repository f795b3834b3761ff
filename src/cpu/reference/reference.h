/*
 * reference.h - what the files of the reference backend share.
 *
 * reference.c is the table; its slots look at the instance's type and go on to one of two typed tables, which
 * reference_f32.c and reference_f64.c make from the one template reference_kernels.h.
 */
#ifndef DUALPROP_CPU_REFERENCE_H
#define DUALPROP_CPU_REFERENCE_H

#include "dualprop/backend.h"

/* An instance begins with its host: the memory slots need nothing else. */
struct dualprop__reference {
    const dualprop_host *host;
    const dualprop_backend *kernels; /* the typed table */
    int type;
};

/* The table that all others fall back to. */
extern const dualprop_backend dualprop__reference_backend;

/* Only the slots that compute are filled in these. */
extern const dualprop_backend dualprop__reference_kernels_f32;
extern const dualprop_backend dualprop__reference_kernels_f64;

#endif
