/*
 * set_aside.c - predictions that leave an inference alone: the dyads' records are set aside for the call, and arrays of
 * their own take the place of those that a prediction writes.
 *
 * The records are copied, not the arrays: pointers, versions and maxima return as they were, so that the update after
 * it learns from the very dyads of the inference.
 */
#include <string.h>

#include "state_plan.h"

/* What a prediction or an evaluation changes beside the records of dyads. */
struct dualprop__aside {
    void *arena; /* backend memory: what a state that only predicts has, without caches and workspace */
    size_t arena_bytes;
    void *target;                                 /* in it */
    struct dualprop__dyads *dyads;                /* [L + 1], as they were */
    struct dualprop__layer_inference *inferences; /* likewise */
    double *weights;                              /* [capacity] of the batch's rows, as they were */
    /* As they were. */
    void *own_target;
    enum dualprop__phase phase;
    int64_t warm_count, count, first;
    int is_slope, is_weighted;
};

static struct dualprop__aside *allocate_aside(const dualprop_state *state)
{
    size_t layers = (size_t)state->layer_count + 1;
    size_t bytes = sizeof(struct dualprop__aside) + layers * (sizeof *state->dyads + sizeof *state->dyads->inference);
    struct dualprop__aside *aside =
        dualprop__allocate(state->context, bytes + (size_t)state->capacity * sizeof *aside->weights);
    if (!aside) return NULL;
    aside->dyads = (struct dualprop__dyads *)(void *)(aside + 1);
    aside->inferences = (struct dualprop__layer_inference *)(void *)(aside->dyads + layers);
    aside->weights = (double *)(void *)(aside->inferences + layers);
    return aside;
}

void dualprop__aside_destroy(dualprop_state *state)
{
    const dualprop_context *context = state->context;
    struct dualprop__aside *aside = state->aside;
    if (!aside) return;
    if (aside->arena) context->backend.release(context->instance, aside->arena, aside->arena_bytes);
    dualprop__release(state->context, aside);
    state->aside = NULL;
}

/* The walk sets the arrays of the records, which are not to change yet. */
static dualprop_status allocate_arrays(dualprop_state *state)
{
    const dualprop_context *context = state->context;
    struct dualprop__aside *aside = state->aside;
    size_t records = ((size_t)state->layer_count + 1) * sizeof *state->dyads;
    void *target;
    memcpy(aside->dyads, state->dyads, records);
    size_t bytes = dualprop__carve_beside(&target, state, NULL);
    memcpy(state->dyads, aside->dyads, records);
    dualprop_status status = context->backend.allocate(context->instance, &aside->arena, bytes);
    if (status != DUALPROP_OK)
        return dualprop__fail(context, status, "predictions beside an inference need %zu bytes, which could not be had",
                              bytes);
    aside->arena_bytes = bytes;
    return context->backend.fill_zero(context->instance, aside->arena, bytes);
}

static dualprop_status keep_inference(dualprop_state *state, int keep)
{
    DUALPROP__REQUIRE(state->context, keep == 0 || keep == 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "keep is %d; expected 0 or 1", keep);
    DUALPROP__REQUIRE(state->context, state->rule, DUALPROP_ERROR_INVALID_STATE,
                      "state was created without a rule; it has no inference to keep");
    DUALPROP__TRY(dualprop__check_not_open(state));
    if (keep == (state->aside != NULL)) return DUALPROP_OK;
    if (!keep) {
        dualprop__aside_destroy(state);
        return DUALPROP_OK;
    }
    state->aside = allocate_aside(state);
    if (!state->aside) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = allocate_arrays(state);
    if (status != DUALPROP_OK) dualprop__aside_destroy(state);
    return status;
}

dualprop_status dualprop_state_keep_inference(dualprop_state *state, int keep)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = keep_inference(state, keep);
    dualprop__state_leave(state);
    return status;
}

void dualprop__set_aside(dualprop_state *state)
{
    struct dualprop__aside *aside = state->aside;
    if (!aside) return;
    for (int k = 0; k <= state->layer_count; k++) {
        aside->dyads[k] = state->dyads[k];
        aside->inferences[k] = *state->dyads[k].inference;
    }
    aside->own_target = state->plan.target;
    aside->phase = state->run.phase;
    aside->warm_count = state->run.warm_count;
    aside->count = state->batch.count;
    aside->first = state->batch.first;
    aside->is_slope = state->batch.is_slope;
    aside->is_weighted = state->weights.is_batch;
    dualprop__weights_copy_rows(aside->weights, state);
    (void)dualprop__carve_beside(&state->plan.target, state, aside->arena);
}

void dualprop__take_back(dualprop_state *state)
{
    struct dualprop__aside *aside = state->aside;
    if (!aside) return;
    for (int k = 0; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k], *before = &aside->dyads[k];
        memcpy(before->caches, own->caches, sizeof own->caches); /* they lie where they lay, as they are now */
        before->layer = own->layer;
        *own = *before;
        *own->inference = aside->inferences[k];
    }
    state->plan.target = aside->own_target;
    state->run.phase = aside->phase;
    state->run.warm_count = aside->warm_count;
    state->batch.count = aside->count;
    state->batch.first = aside->first;
    state->batch.is_slope = aside->is_slope;
    state->weights.is_batch = aside->is_weighted;
    dualprop__weights_put_rows(state, aside->weights);
}
