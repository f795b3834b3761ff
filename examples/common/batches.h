/*
 * batches.h - cutting a training set into the batches of an epoch.
 *
 * Either single samples are permuted, and a batch is copied together; or batches were cut once in file order and only
 * their order changes, and a batch is a view of the data set.
 */
#ifndef EXAMPLES_BATCHES_H
#define EXAMPLES_BATCHES_H

#include "dataset.h"

typedef struct batches {
    host *owner;
    const samples *source;
    int64_t count; /* samples, the first of source */
    int64_t size;  /* of a batch; the last may be shorter */
    int64_t batch_count;
    int kind;       /* SHUFFLE_... */
    int64_t *order; /* of samples or of batches */
    int64_t order_count;
    array images, labels; /* a batch copied together */
} batches;

dualprop_status batches_create(batches *self, host *owner, const samples *source, int64_t count, int64_t size, int kind);
void batches_destroy(batches *self);
/* Order them anew for an epoch. */
void batches_shuffle(batches *self, uint64_t seed, int64_t epoch);
/* Batch number index, 0 .. batch_count-1; the views hold until the next call. */
void batches_view(dualprop_view *images, dualprop_view *labels, batches *self, int64_t index);

#endif
