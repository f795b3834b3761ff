/*
 * batches.h - cutting a training set into the batches of an epoch, and preparing the next while one is learned.
 *
 * Either single samples are permuted; or batches were cut once in file order and only their order changes. A batch is
 * copied together, and how each of its images is moved is drawn, by a thread of its own where that takes a while.
 */
#ifndef PROGRAMS_BATCHES_H
#define PROGRAMS_BATCHES_H

#include "one_batch.h"
#include "dataset.h"
#include "prefetch.h"
#include "settings.h"

/* What a batch is copied to. */
typedef struct batch_room {
    array images, labels;
    int32_t *moves;
} batch_room;

typedef struct batches {
    host *owner;
    const samples *source;
    int64_t count;               /* samples, the first of source */
    int64_t size;                /* of a batch; the last may be shorter */
    const dualprop_group *group; /* whose processes share each batch; NULL: this one has all of it */
    int64_t blocks;              /* that a batch is cut into */
    int64_t capacity;            /* samples of this process's share at most */
    int64_t batch_count;
    int kind;    /* SHUFFLE_... */
    int augment; /* AUGMENT_... */
    uint64_t seed;
    int64_t epoch;
    int64_t *order; /* of samples or of batches */
    int64_t order_count;
    batch_room room[2]; /* batch number index is in room[index % 2] */
    prefetch ahead;
} batches;

/*
 * Of the first count samples of source (borrowed), as the settings want them cut, each batch shared by the group's
 * processes (borrowed; NULL: this one alone). self must not be moved afterwards.
 */
dualprop_status batches_create(batches *self, host *owner, const samples *source, int64_t count, const settings *run,
                               const dualprop_group *group);
void batches_destroy(batches *self);
/* Samples that an epoch visits. */
int64_t batches_samples(const batches *self);
/* Order them for an epoch. */
void batches_shuffle(batches *self, int64_t epoch);
/* Batch number index, 0 .. batch_count-1; what is in it holds until the next call. */
void batches_take(batch *out, batches *self, int64_t index);

#endif
