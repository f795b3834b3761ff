/*
 * one_batch.c - a batch to a state.
 */
#include "one_batch.h"

dualprop_status batch_infer(const batch *self, host *owner, dualprop_state *state)
{
    TRY_LIBRARY(owner, dualprop_infer_view(state, &self->images, &self->labels));
    return DUALPROP_OK;
}
