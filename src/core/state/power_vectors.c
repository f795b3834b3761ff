/*
 * power_vectors.c - the vectors that power iterations on the maps above layers start from.
 */
#include <math.h>

#include "state_internal.h"

double dualprop__normalize(void *reals, int type, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += dualprop__real_at(reals, type, i) * dualprop__real_at(reals, type, i);
    double length = sqrt(sum);
    for (int64_t i = 0; isgreater(length, 0) && i < count; i++) /* NaN is quiet */
        dualprop__real_set(reals, type, i, dualprop__real_at(reals, type, i) / length);
    return length;
}

dualprop_status dualprop__start_power_vector(dualprop_state *state, int k)
{
    const dualprop_context *context = state->context;
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop__draw_fill(state->plan.staging, context, dualprop__draw_normal, 1.0, state->rule->seed,
                        dualprop__stream_of_power(k), 0, own->width);
    dualprop__normalize(state->plan.staging, context->precision, own->width);
    return context->backend.copy_in(context->instance, own->inference->arrays.power, state->plan.staging,
                                    (size_t)own->width * context->real_size);
}

dualprop_status dualprop__seed_power_vectors(dualprop_state *state)
{
    for (int k = 0; k < state->layer_count; k++)
        if (state->dyads[k].inference->arrays.power) DUALPROP__TRY(dualprop__start_power_vector(state, k));
    return DUALPROP_OK;
}
