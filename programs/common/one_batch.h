/*
 * one_batch.h - what one step learns from.
 */
#ifndef PROGRAMS_ONE_BATCH_H
#define PROGRAMS_ONE_BATCH_H

#include "program_host.h"

/* One batch: views, and three numbers a sample for dualprop_state_set_augmentation(), or NULL. */
typedef struct batch {
    dualprop_view images, labels;
    const int32_t *moves;
    int64_t count; /* of this process's share, which may be empty */
    int64_t total; /* of all processes */
} batch;

/* Say how the images of a state's next batch are moved. */
dualprop_status batch_move(const batch *self, host *owner, dualprop_state *state);
/* Let a state settle on a batch, its images moved. */
dualprop_status batch_infer(const batch *self, host *owner, dualprop_state *state);
/* And let its network learn from that. */
dualprop_status batch_learn(const batch *self, host *owner, dualprop_optimizer *optimizer, dualprop_state *state);

#endif
