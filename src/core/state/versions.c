/*
 * versions.c - what a state knows to be stale.
 */
#include "state_internal.h"

/* What was computed from the weights is no longer of use. */
void dualprop__forget_products(dualprop_state *state)
{
    for (int k = 0; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        own->versions.a_source = UINT64_MAX;
        if (k == state->layer_count && !dualprop__is_output(state, k)) continue; /* its Delta was given */
        int is_zero = k == state->layer_count || dualprop__above(state, k)->versions.delta == 0;
        own->versions.top_down_source = is_zero ? 0 : UINT64_MAX;
    }
}
