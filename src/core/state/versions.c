/*
 * versions.c - what a state knows to be stale.
 */
#include "state_internal.h"

/* What was computed from the weights is no longer of use. */
void dualprop__forget_products(dualprop_state *state)
{
    for (int k = 0; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        own->a_source_version = UINT64_MAX;
        int silent = k == state->layer_count || state->dyads[k + 1].delta_version == 0;
        own->top_down_source_version = silent ? 0 : UINT64_MAX;
    }
}
