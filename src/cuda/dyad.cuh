/*
 * dyad.cuh - the update of one element's dyad, for the kernels that end in it.
 */
#ifndef DUALPROP_CUDA_DYAD_CUH
#define DUALPROP_CUDA_DYAD_CUH

#include "launch.cuh"

namespace dualprop_cuda {

/* What an update found in place of s+ and s- before, to tell how far they moved. */
struct old_dyad {
    double mean, delta;
};

/* max |new - old| of s+ and s- (of f(a) and delta in back-propagation), in double, NaN where one is NaN. */
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


struct dyad_body {
    const float *a, *top_down;
    float *mean, *delta;
    max_places to;
    double old_alpha;
    dualprop__gains_f32 gains;
    int activation, derivative, reserved;

    static constexpr const char *name()
    {
        return "dyad update";
    }

    DUALPROP__CUDA_BOTH dualprop__pair_f32 update(float at, float down) const
    {
        if (!derivative) return dualprop__hidden_pair_f32(activation, at, down, &gains);
        dualprop__pair_f32 pair;
        pair.mean = pair.plus = pair.minus = dualprop__activate_f32(activation, at);
        pair.delta = dualprop__slope_f32(activation, at) * down;
        return pair;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        return element(i, a[i]);
    }

    /* Element i, whose a is at hand. */
    DUALPROP__CUDA_BOTH maxima element(int64_t i, float at) const
    {
        dualprop__pair_f32 pair = update(at, top_down ? top_down[i] : 0.0f);
        maxima seen = { 0, max_abs_of(pair, derivative) };
        if (to.change) {
            old_dyad old = { mean ? (double)mean[i] : (double)pair.mean, delta ? (double)delta[i] : 0 };
            seen.change = change_of(pair, old, old_alpha, derivative);
        }
        if (mean) mean[i] = pair.mean;
        if (delta) delta[i] = pair.delta;
        return seen;
    }
};

static_assert(sizeof(dualprop__gains_f32) == 28, "a body has no gaps");
static_assert(sizeof(dyad_body) == 96, "a body has no gaps");

/* Fill a body from what the slot was given, and find places for its maxima. */
static inline dualprop_status fill_dyad(dualprop__cuda *self, dyad_body *body, const dualprop_dyad *dyad)
{
    memset((void *)body, 0, sizeof *body);
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body->to.max_abs, dyad->peak));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body->to.change, dyad->change));
    body->a = (const float *)dyad->a;
    body->top_down = (const float *)dyad->top_down;
    body->mean = (float *)dyad->mean;
    body->delta = (float *)dyad->delta;
    body->old_alpha = dyad->old_alpha;
    body->gains = dualprop__gains_of_f32(dyad->gain_plus, dyad->gain_minus, dyad->alpha);
    body->activation = dyad->activation;
    body->derivative = dyad->derivative;
    return DUALPROP_OK;
}

} // namespace dualprop_cuda

#endif
