/*
 * singular_values.h - the greatest singular value of a small matrix by one-sided Jacobi rotations: an oracle that
 * shares nothing with power iterations.
 */
#ifndef TESTS_SINGULAR_VALUES_H
#define TESTS_SINGULAR_VALUES_H

#include <stdint.h>

/* matrix is [rows, columns], row-major, and is overwritten. */
double greatest_singular_value(double *matrix, int64_t rows, int64_t columns);
/* product [rows, columns] = left [rows, inner] right [inner, columns]. */
void multiply_matrices(double *product, const double *left, const double *right, int64_t rows, int64_t inner,
                       int64_t columns);

#endif
