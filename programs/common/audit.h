/*
 * audit.h - what --diagnostics measures: how a rule's gradient compares with that of back-propagation, at the same
 * weights and on the same batch; its dyads and objectives; the norms of the weights.
 *
 * An audit measures through dualprop/diagnostics.h, on the network that is trained. Its sums over an epoch are plain
 * numbers, so that a checkpoint can hold them.
 */
#ifndef PROGRAMS_AUDIT_H
#define PROGRAMS_AUDIT_H

#include "one_batch.h"
#include "settings.h"

#define AUDIT_LAYERS (SETTINGS_LAYERS + 1)

/* Sums over the audited batches of an epoch, by layer; layer k is number k - 1. */
typedef struct audit_sums {
    int64_t batches;
    double cosine[AUDIT_LAYERS];
    double norm[AUDIT_LAYERS], twin_norm[AUDIT_LAYERS], difference[AUDIT_LAYERS];
    double silent[AUDIT_LAYERS];  /* fraction of dyads with delta = 0 */
    double damping[AUDIT_LAYERS]; /* D_{k-1}, which belongs to the map of layer k as gamma does */
    double bregman[AUDIT_LAYERS]; /* Delta E_k of Eq. 23 */
    double residual;
    double objective[3]; /* Eq. 1, 12, 18 */
} audit_sums;

/* Norms of the weights as they are. */
typedef struct audit_weights {
    double gamma[AUDIT_LAYERS]; /* of layer k + 1's linear map */
    double lipschitz;
    double feedback_angle[AUDIT_LAYERS]; /* in degrees, between the weights and the feedback weights */
} audit_weights;

typedef struct audit audit;

/* capacity is the largest batch. */
dualprop_status audit_create(audit **self, host *owner, const settings *run, dualprop_network *network,
                             int64_t capacity);
/* NULL is fine. */
void audit_destroy(audit *self);
/* Add one batch: state has settled on it, optimizer holds its gradient. */
/* The sums of that batch alone are in *alone too, unless it is NULL. */
dualprop_status audit_batch(audit_sums *sums, audit_sums *alone, audit *self, dualprop_state *state,
                            dualprop_optimizer *optimizer, const batch *learned);
/* Measure what was asked for of the weights. */
dualprop_status audit_norms(audit_weights *out, audit *self);

#endif
