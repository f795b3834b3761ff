/*
 * comparison.h - are two arrays of numbers the same, up to a tolerance that is absolute and relative?
 *
 * A value is near the expected one where |value - expected| <= absolute + relative |expected|; two NaNs are near each
 * other, and so are equal infinities.
 */
#ifndef DUALPROP_TESTS_COMPARISON_H
#define DUALPROP_TESTS_COMPARISON_H

#include <stdint.h>

/* The larger of two, where a NaN is larger than everything: a maximum of errors has to keep it, and fmax() drops it. */
static inline double comparison_larger(double most, double x)
{
    return x > most || x != x ? x : most;
}

int comparison_near(double value, double expected, double absolute, double relative);
/* The index of the first value that is not near, or -1. */
int64_t comparison_first_far(const double *values, const double *expected, int64_t count, double absolute,
                             double relative);
/* Normalised mean squared error: |values - expected|^2 / |expected|^2; where expected is all zero, |values|^2. */
double comparison_nmse(const double *values, const double *expected, int64_t count);

#endif
