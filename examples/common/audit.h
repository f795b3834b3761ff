/*
 * audit.h - how a rule's gradient compares with that of back-propagation, at the same weights and on the same batch.
 *
 * An audit runs the twin of the rule on the network that is trained. Its sums over an epoch are plain numbers, so that
 * a checkpoint can hold them.
 */
#ifndef EXAMPLES_AUDIT_H
#define EXAMPLES_AUDIT_H

#include "one_batch.h"
#include "settings.h"

#define AUDIT_LAYERS (SETTINGS_LAYERS + 1)

/* Sums over the audited batches of an epoch, by layer; layer k is number k - 1. */
typedef struct audit_sums {
    int64_t batches;
    double cosine[AUDIT_LAYERS];
    double norm[AUDIT_LAYERS], twin_norm[AUDIT_LAYERS], difference[AUDIT_LAYERS];
    double silent[AUDIT_LAYERS]; /* fraction of dyads with delta = 0 */
    double residual;
} audit_sums;

typedef struct audit audit;

/* capacity is the largest batch. */
dualprop_status audit_create(audit **self, host *owner, const settings *run, dualprop_context *context,
                             dualprop_network *network, int64_t capacity);
/* NULL is fine. */
void audit_destroy(audit *self);
/* Add one batch: state has settled on it, optimizer holds its gradient. */
dualprop_status audit_batch(audit_sums *sums, audit *self, dualprop_state *state, dualprop_optimizer *optimizer,
                            const batch *learned);

#endif
