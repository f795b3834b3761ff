/*
 * state_plan.h - what state.c asks of state_plan.c.
 */
#ifndef DUALPROP_CORE_STATE_PLAN_H
#define DUALPROP_CORE_STATE_PLAN_H

#include "state_internal.h"

/* The memory that a plan stands on, so that it can be exchanged as a whole. */
struct dualprop__memory {
    void *arena, *staging; /* on the host, staging is a part of the arena */
    size_t arena_bytes;
    int32_t *order;
    struct dualprop__own_loss *own_loss;
};

/* What a rule has a state keep; a rule that is NULL, for prediction only, needs nothing. */
struct dualprop__needs dualprop__state_needs(const dualprop_rule *rule);
/*
 * Count the bytes of the arena, and of staging memory of its own, which is none on the host; RANGE if they overflow.
 * The arrays are nowhere afterwards.
 */
dualprop_status dualprop__state_measure(size_t *arena_bytes, size_t *staging_bytes, dualprop_state *state);
/* Bytes of the host's records of a state: itself, its layers, the augmentation of a batch; RANGE if they overflow. */
dualprop_status dualprop__state_record_bytes(size_t *bytes, const dualprop_network *network, int has_rule,
                                             int64_t capacity);
/* Allocate the memory that the state's rule needs now, and hand it out. On failure the state keeps what it had. */
dualprop_status dualprop__state_plan(dualprop_state *state);
/*
 * Hand out the arrays that a feed-forward pass and an evaluation write beside those of the plan, in the memory at base,
 * and the target's; NULL: count only, and the arrays are nowhere afterwards. Returns the bytes.
 */
size_t dualprop__carve_beside(void **target, dualprop_state *state, void *base);
void dualprop__state_release_memory(const dualprop_state *state, const struct dualprop__memory *memory);

#endif
