/*
 * step_condition.h - may the weights learn from these dyads? In double, and the same on the host and on a device.
 *
 * A peak is max |s+|, |s-| of a layer's updates, `start` that of its feed-forward start. Comparisons are written so
 * that a NaN forbids the step.
 */
#ifndef DUALPROP_MATH_GUARD_H
#define DUALPROP_MATH_GUARD_H

#include <float.h>
#include <math.h>

#if defined(__CUDACC__)
#define DUALPROP__GUARD static inline __host__ __device__
#else
#define DUALPROP__GUARD static inline
#endif

/* The greater of two peaks, a NaN being the greatest. */
DUALPROP__GUARD double dualprop__greater_peak(double x, double y)
{
    return x > y || x != x ? x : y;
}

/* Has a layer diverged? `peak` includes `start`. */
DUALPROP__GUARD int dualprop__is_too_large(double start, double peak, double limit)
{
    double allowed = limit * (start > 1.0 ? start : 1.0);
    return !(start <= DBL_MAX && peak <= DBL_MAX && peak <= allowed);
}

/*
 * Can no gradient of a layer be greater than `largest`? |grad| <= max |delta_k| max |sbar_{k-1}| / |beta|, where both
 * are bounded by the peaks of the inference: |sbar| <= max |s+-| and |delta| <= 2 max |s+-|.
 */
DUALPROP__GUARD int dualprop__is_surely_finite(double beta, double peak, double peak_below, double largest)
{
    double below = peak_below > 1.0 ? peak_below : 1.0;
    return 2.0 * peak * below / fabs(beta) <= largest;
}

#endif
