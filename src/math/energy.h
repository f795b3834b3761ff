/*
 * energy.h - the resting energy G of each activation, and the inverse f^-1 = G' (below Eq. 1), in double.
 *
 * G is what types.h gives, up to a constant. Arguments a rounding outside of f's range count as its border. Where f^-1
 * has no value, at the border and in the flat parts of f, the inverse is the argument a that is asked about: in
 * Eq. 18 its term is zero then.
 */
#ifndef DUALPROP_MATH_ENERGY_H
#define DUALPROP_MATH_ENERGY_H

#include <math.h>

#include "dualprop/types.h"

/* silu decreases somewhere, so that no G has it; that of an activation of the caller's is not known. */
static inline int dualprop__has_energy(int activation)
{
    return activation >= DUALPROP_IDENTITY && activation <= DUALPROP_SOFTMAX && activation != DUALPROP_SILU;
}

/* s log s, which is 0 at 0. */
static inline double dualprop__entropy(double s)
{
    return s > 0 ? s * log(s) : 0;
}

/* Li2(z) = sum z^n/n^2 for 0 <= z <= 1; above 1/2 by Li2(z) = pi^2/6 - log z log(1 - z) - Li2(1 - z). */
static inline double dualprop__dilogarithm(double z)
{
    const double at_one = 1.6449340668482264;
    double small = z > 0.5 ? 1 - z : z, power = small, sum = 0;
    for (int n = 1; n <= 60; n++, power *= small) sum += power / ((double)n * n);
    if (z <= 0.5) return sum;
    return z < 1 ? at_one - log(z) * log1p(-z) - sum : at_one;
}

static inline double dualprop__energy(int activation, double s)
{
    double square = s * s / 2;
    switch (activation) {
    case DUALPROP_LEAKY_RELU: return s > 0 ? square : 100 * square;
    case DUALPROP_SIGMOID: return dualprop__entropy(s) + dualprop__entropy(1 - s);
    case DUALPROP_TANH: return (dualprop__entropy(1 + s) + dualprop__entropy(1 - s)) / 2;
    case DUALPROP_SOFTPLUS: return square + dualprop__dilogarithm(exp(-fmax(s, 0)));
    case DUALPROP_ELU: return s > 0 ? square : dualprop__entropy(1 + s) - s;
    case DUALPROP_SOFTMAX: return dualprop__entropy(s);
    default: return square;
    }
}

static inline double dualprop__inverse(int activation, double s, double a)
{
    switch (activation) {
    case DUALPROP_RELU: return s > 0 ? s : a;
    case DUALPROP_LEAKY_RELU: return s > 0 ? s : 100 * s;
    case DUALPROP_HARD_SIGMOID: return s > 0 && s < 1 ? s : a;
    case DUALPROP_SIGMOID: return s > 0 && s < 1 ? log(s) - log1p(-s) : a;
    case DUALPROP_TANH: return fabs(s) < 1 ? atanh(s) : a;
    case DUALPROP_SOFTPLUS: return s > 0 ? s + log(-expm1(-s)) : a;
    case DUALPROP_ELU: return s > 0 ? s : s > -1 ? log1p(s) : a;
    case DUALPROP_SOFTMAX: return s > 0 ? log(s) : a;
    default: return s;
    }
}

#endif
