/*
 * diagnostics_internal.h - what is inside a diagnostics handle, and entering it.
 *
 * The twin's arrays serve as workspace for everything here: a call that uses them leaves the twin idle.
 */
#ifndef DUALPROP_CORE_DIAGNOSTICS_H
#define DUALPROP_CORE_DIAGNOSTICS_H

#include "core/learning/learning.h"

/* norm_maps.c: the network once more in f64, where its context is not; all zeros until it is needed. */
struct dualprop__norm_maps {
    dualprop_context *context; /* f64, on the CPU */
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state; /* for one sample */
    void *narrow, *wide;   /* host: one parameter, in the precision of either */
    int is_current;
    uint64_t generation; /* of the network whose weights these are */
};

struct dualprop_diagnostics {
    uint32_t magic;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule; /* back-propagation with the loss that was given */
    dualprop_state *twin;
    dualprop_optimizer *optimizer; /* the twin's gradient */
    double **vectors;              /* [L + 1] host: 0 for the product of all layers, k for layer k: its inputs */
    int *begun;                    /* [L + 1] has the vector been drawn? */
    double *rows;                  /* [DUALPROP__ROWS][widest] host */
    void *reals;                   /* [widest] host, of the context's precision */
    struct dualprop__norm_maps maps;
    atomic_int busy;
};

#define DUALPROP__ROWS 4

dualprop_status dualprop__diagnostics_enter(dualprop_diagnostics *diagnostics, const char *function);
void dualprop__diagnostics_leave(dualprop_diagnostics *diagnostics);

/* Give an idle f64 state, borrowed, whose maps have the network's weights as they are; it is open for reading. */
dualprop_status dualprop__norm_maps_acquire(dualprop_state **state, dualprop_diagnostics *diagnostics);
void dualprop__norm_maps_destroy(struct dualprop__norm_maps *maps, dualprop_context *outer);

/* Numbers of backend memory from element `first` on, in double. */
dualprop_status dualprop__diagnostics_get(double *values, dualprop_diagnostics *diagnostics, const void *memory,
                                          int64_t first, int64_t count);

#endif
