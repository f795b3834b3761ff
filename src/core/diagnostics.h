/*
 * diagnostics.h - what is inside a diagnostics handle, and entering it.
 *
 * The twin's arrays serve as workspace for everything here: whoever uses them leaves the twin idle.
 */
#ifndef DUALPROP_CORE_DIAGNOSTICS_H
#define DUALPROP_CORE_DIAGNOSTICS_H

#include "state_internal.h"

struct dualprop_diagnostics {
    uint32_t magic;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;           /* back-propagation with the loss that was given */
    dualprop_state *twin;
    dualprop_optimizer *optimizer; /* the twin's gradient */
    double **vectors;              /* [L + 1] host: 0 for the product of all layers, k for layer k: its inputs */
    int *begun;                    /* [L + 1] has the vector been drawn? */
    double *rows;                  /* [DUALPROP__ROWS][widest] host */
    void *reals;                   /* [widest] host, of the context's precision */
    atomic_int busy;
};

#define DUALPROP__ROWS 4

dualprop_status dualprop__diagnostics_enter(dualprop_diagnostics *diagnostics, const char *function);
void dualprop__diagnostics_leave(dualprop_diagnostics *diagnostics);

/* Numbers of the host in double to and from backend memory, at element `first`. */
dualprop_status dualprop__diagnostics_get(double *values, dualprop_diagnostics *diagnostics, const void *memory,
                                          int64_t first, int64_t count);
dualprop_status dualprop__diagnostics_put(void *memory, dualprop_diagnostics *diagnostics, const double *values,
                                          int64_t count);

#endif
