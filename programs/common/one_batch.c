/*
 * one_batch.c - a batch to a state.
 */
#include "one_batch.h"

dualprop_status batch_move(const batch *self, host *owner, dualprop_state *state)
{
    if (self->moves != NULL) TRY_LIBRARY(owner, dualprop_state_set_augmentation(state, self->moves, self->count));
    return DUALPROP_OK;
}

dualprop_status batch_infer(const batch *self, host *owner, dualprop_state *state)
{
    TRY(batch_move(self, owner, state));
    TRY_LIBRARY(owner, dualprop_infer_view(state, &self->images, &self->labels));
    return DUALPROP_OK;
}

dualprop_status batch_learn(const batch *self, host *owner, dualprop_optimizer *optimizer, dualprop_state *state)
{
    if (self->count == 0) { /* the other processes have the samples */
        TRY_LIBRARY(owner, dualprop_learn(optimizer, NULL, NULL, NULL, 0));
        return DUALPROP_OK;
    }
    TRY(batch_move(self, owner, state));
    TRY_LIBRARY(owner, dualprop_learn_view(optimizer, state, &self->images, &self->labels));
    return DUALPROP_OK;
}
