/*
 * driven_inference.c - dualprop_infer_begin() to dualprop_infer_end().
 */
#include "driven_inference.h"

int driven_inference_is_needed(const settings *run)
{
    return run->start == START_ZERO || run->updates > 1;
}

/* s+ = s- = 0: delta is zero already, so sbar is all there is to write. A stride of 0 makes one number a whole view. */
static dualprop_status write_zeros(host *owner, const run_parts *parts, int64_t count)
{
    float zero = 0;
    int layers;

    TRY_LIBRARY(owner, dualprop_network_info(&layers, NULL, NULL, NULL, parts->network));
    for (int k = 1; k <= layers; k++) {
        dualprop_layer *layer;
        dualprop_view zeros = {
            .struct_size = sizeof zeros, .data = &zero, .type = DUALPROP_F32, .rank = 2, .shape = { count }
        };
        TRY_LIBRARY(owner, dualprop_network_layer(&layer, parts->network, k));
        TRY_LIBRARY(owner, dualprop_layer_info(NULL, &zeros.shape[1], NULL, layer));
        TRY_LIBRARY(owner, dualprop_state_write(parts->state, k, DUALPROP_S_MEAN, &zeros));
    }
    return DUALPROP_OK;
}

/* Evenly over the passes; the update after the last pass is not made here. */
static int is_update_due(const settings *run, int64_t pass)
{
    return pass < run->passes && pass % (run->passes / run->updates) == 0;
}

dualprop_status driven_inference(const batch *learned, host *owner, const settings *run, const run_parts *parts)
{
    TRY(batch_move(learned, owner, parts->state));
    TRY_LIBRARY(owner, dualprop_infer_begin(parts->state, &learned->images, &learned->labels));
    if (run->start == START_ZERO) TRY(write_zeros(owner, parts, learned->count));
    for (int64_t pass = 1; pass <= run->passes; pass++) {
        TRY_LIBRARY(owner, dualprop_infer_pass(parts->state));
        if (is_update_due(run, pass)) TRY_LIBRARY(owner, dualprop_infer_update(parts->optimizer, parts->state));
    }
    TRY_LIBRARY(owner, dualprop_infer_end(parts->state));
    return DUALPROP_OK;
}
