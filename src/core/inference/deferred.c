/*
 * deferred.c - on a device: work that is deferred, and maxima that are read once an inference instead of once a visit.
 *
 * The host has to wait for a device whenever it reads a number. An inference only has to know that no state became
 * non-finite or too large. So a backend that can defer keeps the maximum over all visits of a layer, and the host reads
 * it once, at the end. If one is too large the inference is run again with a check after each visit: it computes the
 * same numbers, and then knows the layer and the pass.
 *
 * Inferences that need numbers on the way (a tolerance, a growth limit, a quantisation of feed-forward values, extended
 * updates, a loss of the caller's) are not deferred, nor those that have a dyad at the input, whose first products
 * depend on what is there, nor any work while there are dyads for a warm start: a refused input may not overwrite them.
 */
#include "math/step_condition.h"
#include "passes.h"

int dualprop__can_defer(const dualprop_state *state)
{
    if (!state->context->backend.begin_deferred) return 0;
    if (dualprop__has_own_loss(state)) return 0; /* which is called with numbers on the way */
    if (state->snapshot.tolerance > 0 || state->snapshot.growth_limit > 0) return 0;
    if (state->snapshot.quantize_bits > 0 || state->snapshot.lowest != 1) return 0;
    if (dualprop__holds_warm_start(state)) return 0;
    for (int k = 1; k <= state->layer_count; k++)
        if (state->dyads[k].inference->numbers.uses_extended_update) return 0;
    return 1;
}

dualprop_status dualprop__deferred_begin(dualprop_state *state)
{
    if (!state->context->backend.begin_deferred) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__section_begin(state->context));
    state->section.deferred = 1;
    for (int k = 0; k <= state->layer_count; k++)
        state->dyads[k].observed.max_abs = state->dyads[k].observed.feed_forward_max_abs = 0;
    return DUALPROP_OK;
}

/* What was derived from weights may be among the work that was not done. */
static dualprop_status note_ended(dualprop_state *state, dualprop_status status)
{
    state->section.deferred = 0;
    for (int k = 1; k <= state->layer_count && status != DUALPROP_OK; k++)
        state->dyads[k].caches[0].weights = state->dyads[k].caches[1].weights = NULL;
    return status;
}

/* The maxima are there: refuse a batch that is not finite, and find out whether a layer diverged. */
static dualprop_status check_maxima(dualprop_state *state)
{
    int too_large = 0;
    dualprop_status loaded = dualprop__batch_check(state);
    if (loaded != DUALPROP_OK && state->run.phase == DUALPROP__OPEN && state->run.inferences > 0)
        state->run.inferences--;
    DUALPROP__TRY(loaded);
    state->dyads[0].observed.feed_forward_max_abs = state->dyads[0].observed.max_abs;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        own->observed.max_abs = dualprop__greater_max_abs(own->observed.max_abs, own->observed.feed_forward_max_abs);
        too_large |=
            dualprop__is_too_large(own->observed.feed_forward_max_abs, own->observed.max_abs, state->snapshot.limit);
    }
    return too_large ? DUALPROP_ERROR_DIVERGED : DUALPROP_OK;
}

dualprop_status dualprop__infer_section_end(dualprop_state *state, dualprop_status status)
{
    if (!state->section.deferred) return status;
    DUALPROP__TRY(note_ended(state, dualprop__section_end(state->context, status)));
    return check_maxima(state);
}

dualprop_status dualprop__infer_section_submit(dualprop_state *state, void **section)
{
    dualprop_status status = dualprop__section_submit(state->context, section);
    return status == DUALPROP_OK ? DUALPROP_OK : note_ended(state, status);
}

dualprop_status dualprop__infer_section_collect(dualprop_state *state, void *section)
{
    DUALPROP__TRY(note_ended(state, dualprop__section_collect(state->context, section)));
    return check_maxima(state);
}
