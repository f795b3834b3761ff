/*
 * step_condition.h - may the weights learn from these dyads? In double, and the same on the host and on a device.
 *
 * max_abs is max |s+|, |s-| of a layer's updates, `start` that of its feed-forward start. Comparisons are written so
 * that a NaN forbids the step.
 */
#ifndef DUALPROP_MATH_STEP_CONDITION_H
#define DUALPROP_MATH_STEP_CONDITION_H

#include <float.h>
#include <math.h>

#if defined(__CUDACC__)
#define DUALPROP__CONDITION static inline __host__ __device__
#else
#define DUALPROP__CONDITION static inline
#endif

/* The greater of two, a NaN being the greatest. */
DUALPROP__CONDITION double dualprop__greater_max_abs(double x, double y)
{
    return x > y || x != x ? x : y;
}

/* Has a layer diverged? `max_abs` includes `start`. */
DUALPROP__CONDITION int dualprop__is_too_large(double start, double max_abs, double limit)
{
    double allowed = limit * (start > 1.0 ? start : 1.0);
    return !(start <= DBL_MAX && max_abs <= DBL_MAX && max_abs <= allowed);
}

/*
 * Can no gradient of a layer be greater than `largest`? |grad| <= max |delta_k| max |sbar_{k-1}| / |beta|, where both
 * are bounded by the maxima of the inference: |sbar| <= max |s+-| and |delta| <= 2 max |s+-|.
 */
DUALPROP__CONDITION int dualprop__is_surely_finite(double beta, double max_abs, double max_abs_below, double largest)
{
    double below = max_abs_below > 1.0 ? max_abs_below : 1.0;
    return 2.0 * max_abs * below / fabs(beta) <= largest;
}

#endif
