/*
 * comparison.c - see comparison.h.
 */
#include "comparison.h"

#include <math.h>

int comparison_near(double value, double expected, double absolute, double relative)
{
    if (isnan(value) || isnan(expected)) return isnan(value) && isnan(expected);
    if (value == expected) return 1;
    return fabs(value - expected) <= absolute + relative * fabs(expected);
}

int64_t comparison_first_far(const double *values, const double *expected, int64_t count, double absolute,
                             double relative)
{
    for (int64_t i = 0; i < count; i++)
        if (!comparison_near(values[i], expected[i], absolute, relative)) return i;
    return -1;
}

double comparison_nmse(const double *values, const double *expected, int64_t count)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        error += (values[i] - expected[i]) * (values[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    return size > 0 ? error / size : error;
}
