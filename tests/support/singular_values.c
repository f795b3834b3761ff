/*
 * singular_values.c - see singular_values.h.
 *
 * Each rotation makes two columns orthogonal; when all are, their lengths are the singular values (Hestenes).
 */
#include "singular_values.h"
#include "comparison.h"

#include <math.h>

static double column_product(const double *matrix, int64_t rows, int64_t columns, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t row = 0; row < rows; row++) sum += matrix[row * columns + i] * matrix[row * columns + j];
    return sum;
}

static void rotate(double *matrix, int64_t rows, int64_t columns, int64_t i, int64_t j, double cosine, double sine)
{
    for (int64_t row = 0; row < rows; row++) {
        double x = matrix[row * columns + i], y = matrix[row * columns + j];
        matrix[row * columns + i] = cosine * x - sine * y;
        matrix[row * columns + j] = sine * x + cosine * y;
    }
}

/* Make columns i and j orthogonal; gives whether they were not. */
static int orthogonalise(double *matrix, int64_t rows, int64_t columns, int64_t i, int64_t j)
{
    double x = column_product(matrix, rows, columns, i, i), y = column_product(matrix, rows, columns, j, j);
    double product = column_product(matrix, rows, columns, i, j);
    if (fabs(product) <= 1e-16 * sqrt(x * y)) return 0;
    double zeta = (y - x) / (2 * product);
    double tangent = copysign(1, zeta) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    double cosine = 1 / sqrt(1 + tangent * tangent);
    rotate(matrix, rows, columns, i, j, cosine, cosine * tangent);
    return 1;
}

double greatest_singular_value(double *matrix, int64_t rows, int64_t columns)
{
    double greatest = 0;
    for (int sweep = 0, rotated = 1; rotated && sweep < 60; sweep++) {
        rotated = 0;
        for (int64_t i = 0; i < columns; i++)
            for (int64_t j = i + 1; j < columns; j++) rotated |= orthogonalise(matrix, rows, columns, i, j);
    }
    for (int64_t i = 0; i < columns; i++)
        greatest = comparison_larger(greatest, column_product(matrix, rows, columns, i, i));
    return sqrt(greatest);
}

void multiply_matrices(double *product, const double *left, const double *right, int64_t rows, int64_t inner,
                       int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++) sum += left[i * inner + k] * right[k * columns + j];
            product[i * columns + j] = sum;
        }
}
