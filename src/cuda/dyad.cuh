/*
 * dyad.cuh - the update of one element's dyad, for the kernels that end in it.
 */
#ifndef DUALPROP_CUDA_DYAD_CUH
#define DUALPROP_CUDA_DYAD_CUH

#include "launch.cuh"
#include "math/bfloat16.h"

namespace dualprop_cuda {

/* What an update found in place of s+ and s- before, to tell how far they moved. */
struct old_dyad {
    double mean, delta;
};

/* max |new - old| of s+ and s- (of f(a) and delta in back-propagation), in double, NaN if one is NaN. */
DUALPROP__CUDA_BOTH static inline double change_of(const dualprop__pair_f32 &pair, const old_dyad &old,
                                                   double old_alpha, int derivative)
{
    double first = derivative ? (double)pair.mean - old.mean
                              : (double)pair.plus - (old.mean + (1 - old_alpha) * old.delta);
    double second = derivative ? (double)pair.delta - old.delta
                               : (double)pair.minus - (old.mean - old_alpha * old.delta);
    return order_of(first) > order_of(second) ? fabs(first) : fabs(second);
}

DUALPROP__CUDA_BOTH static inline float max_abs_of(const dualprop__pair_f32 &pair, int derivative)
{
    float first = derivative ? pair.mean : pair.plus, second = derivative ? pair.delta : pair.minus;
    return order_of(first) > order_of(second) ? first : second;
}

/* In the place of an activation: one that is known when the kernel runs, and no dyad update at all. */
constexpr int any_activation = -1, no_update = -2;

/*
 * work.run<A>() for an activation whose formula takes less time than its arrays' way through memory: true. For others
 * the caller does one element at a time: false.
 */
template <class Work> static inline int with_activation(int activation, dualprop_status *status, const Work &work)
{
    switch (activation) {
    case DUALPROP_IDENTITY: *status = work.template run<DUALPROP_IDENTITY>(); return 1;
    case DUALPROP_RELU: *status = work.template run<DUALPROP_RELU>(); return 1;
    case DUALPROP_LEAKY_RELU: *status = work.template run<DUALPROP_LEAKY_RELU>(); return 1;
    case DUALPROP_HARD_SIGMOID: *status = work.template run<DUALPROP_HARD_SIGMOID>(); return 1;
    default: return 0;
    }
}

struct dyad_body {
    const float *a, *top_down;
    float *mean, *delta;
    uint16_t *mean_rounded, *delta_rounded; /* to BF16; NULL: not wanted */
    float *a_copied;                        /* likewise */
    int64_t elements;
    max_places to;
    double old_alpha;
    dualprop__gains_f32 gains;
    int activation, derivative, is_alone; /* in its launch */

    static constexpr const char *name()
    {
        return "dyad update";
    }

    /* Here and below: the activation, where the compiler knows it. */
    template <int Activation = any_activation> DUALPROP__CUDA_BOTH dualprop__pair_f32 update(float at, float down) const
    {
        int which = Activation == any_activation ? activation : Activation;
        if (!derivative) return dualprop__hidden_pair_f32(which, at, down, &gains);
        dualprop__pair_f32 pair;
        pair.mean = pair.plus = pair.minus = dualprop__activate_f32(which, at);
        pair.delta = dualprop__slope_f32(which, at) * down;
        return pair;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        return element(i, a[i]);
    }

    /* Four elements from `first` on, whose a are at hand; all arrays are aligned to 16 bytes. */
    template <int Activation> DUALPROP__CUDA_BOTH void four(uint32_t first, const float at[4], max_tracker *seen) const
    {
        float down[4] = { 0, 0, 0, 0 };
        if (top_down) load_four(down, top_down + first);
        four_with<Activation>(first, at, down, seen);
    }

    /* The same where what comes from above is at hand, too. */
    template <int Activation>
    DUALPROP__CUDA_BOTH void four_with(uint32_t first, const float at[4], const float down[4], max_tracker *seen) const
    {
        float new_mean[4], new_delta[4], old_mean[4], old_delta[4] = { 0, 0, 0, 0 };
        dualprop__pair_f32 pairs[4];
        for (int j = 0; j < 4; j++) {
            pairs[j] = update<Activation>(at[j], down[j]);
            new_mean[j] = pairs[j].mean;
            new_delta[j] = pairs[j].delta;
            seen->add(order_of(pairs[j].plus)); /* in back-propagation f(a) */
            seen->add(order_of(derivative ? pairs[j].delta : pairs[j].minus));
        }
        if (to.change) {
            for (int j = 0; j < 4; j++) old_mean[j] = new_mean[j];
            if (mean) load_four(old_mean, mean + first);
            if (delta) load_four(old_delta, delta + first);
            for (int j = 0; j < 4; j++) {
                old_dyad old = { (double)old_mean[j], (double)old_delta[j] };
                seen->add(maxima{ change_of(pairs[j], old, old_alpha, derivative), 0 });
            }
        }
        if (mean) store_four(mean + first, new_mean);
        if (delta) store_four(delta + first, new_delta);
        if (mean_rounded) store_rounded(mean_rounded + first, new_mean);
        if (delta_rounded) store_rounded(delta_rounded + first, new_delta);
        if (a_copied) store_four(a_copied + first, at);
    }

    DUALPROP__CUDA_BOTH static void store_rounded(uint16_t *to, const float from[4])
    {
        uint16_t near[4];
        for (int j = 0; j < 4; j++) near[j] = dualprop__bfloat16(from[j]);
        store_four(to, near);
    }

    /* May four elements at once be done, of so many? */
    int takes_four(int64_t count) const
    {
        return is_narrow(count) && is_aligned(a, 16) && is_aligned(top_down, 16) && is_aligned(mean, 16) &&
               is_aligned(delta, 16);
    }

    /* Element i, whose a is at hand. */
    template <int Activation = any_activation> DUALPROP__CUDA_BOTH maxima element(int64_t i, float at) const
    {
        dualprop__pair_f32 pair = update<Activation>(at, top_down ? top_down[i] : 0.0f);
        maxima seen = { 0, max_abs_of(pair, derivative) };
        if (to.change) {
            old_dyad old = { mean ? (double)mean[i] : (double)pair.mean, delta ? (double)delta[i] : 0 };
            seen.change = change_of(pair, old, old_alpha, derivative);
        }
        if (mean) mean[i] = pair.mean;
        if (delta) delta[i] = pair.delta;
        if (mean_rounded) mean_rounded[i] = dualprop__bfloat16(pair.mean);
        if (delta_rounded) delta_rounded[i] = dualprop__bfloat16(pair.delta);
        if (a_copied) a_copied[i] = at;
        return seen;
    }

    /* Write this array of the dyad's to `to` as well, if that can be. */
    int add_rounding(uint16_t *rounded, const float *of, int64_t count)
    {
        uint16_t **place = of == mean ? &mean_rounded : of == delta ? &delta_rounded : NULL;
        if (!place || *place || count != elements || !is_aligned(rounded, 8)) return 0;
        *place = rounded;
        return 1;
    }

    int writes_rounding(const uint16_t *rounded, const float *of, int64_t count) const
    {
        return count == elements && rounded == (of == mean ? mean_rounded : of == delta ? delta_rounded : NULL);
    }
};

static_assert(sizeof(dualprop__gains_f32) == 28, "a body has no gaps");
static_assert(sizeof(dyad_body) == 128, "a body has no gaps");

/* Fill a body from what the slot was given, and find places for its maxima. */
static inline dualprop_status fill_dyad(dualprop__cuda *self, dyad_body *body, const dualprop_dyad *dyad)
{
    memset((void *)body, 0, sizeof *body);
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body->to.max_abs, dyad->max_abs));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body->to.change, dyad->change));
    body->a = (const float *)dyad->a;
    body->top_down = (const float *)dyad->top_down;
    body->mean = (float *)dyad->mean;
    body->delta = (float *)dyad->delta;
    body->elements = dyad->count;
    body->old_alpha = dyad->old_alpha;
    body->gains = dualprop__gains_of_f32(dyad->gain_plus, dyad->gain_minus, dyad->alpha);
    body->activation = dyad->activation;
    body->derivative = dyad->derivative;
    return DUALPROP_OK;
}

/* Launch a body that does four dyads at once, of its member `dyad`, to which work may be added (graph_cache.h). */
template <class Body> dualprop_status issue_dyads(dualprop__cuda *self, const Body &body, int64_t groups)
{
    return issue_kind<each_group>(self, body, groups, DUALPROP__CUDA_DYADS,
                                  (size_t)((const char *)&body.dyad - (const char *)&body));
}

} // namespace dualprop_cuda

#endif
