/*
 * loss.h - losses of one row and their slopes.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * Squared error is 1/2 sum (s - y)^2 with slope s - y. Softmax cross-entropy is -sum y log softmax(s), formed as
 * sum y (log sum e^(s - top) - (s - top)) so that nothing overflows; its slope is softmax(s) sum(y) - y, which is
 * softmax(s) - y where the targets are a distribution.
 */

DUALPROP__MATH REAL FORMULA(squared_error_slope)(REAL s, REAL y)
{
    return s - y;
}

/* What the elements of a row share: its greatest value, sum(y)/sum(e^(s - top)), and log sum e^(s - top). */
typedef struct FORMULA(softmax_row) {
    REAL top, scale;
    double log_sum;
} FORMULA(softmax_row);

DUALPROP__MATH FORMULA(softmax_row) FORMULA(softmax_row_of)(const REAL *s, const REAL *y, int64_t width)
{
    FORMULA(softmax_row) row;
    double sum = 0, targets = 0;
    row.top = s[0];
    for (int64_t i = 1; i < width; i++) row.top = s[i] > row.top ? s[i] : row.top;
    for (int64_t first = 0; first < width; first += DUALPROP__PART) {
        REAL terms[DUALPROP__PART];
        int64_t count = width - first < DUALPROP__PART ? width - first : DUALPROP__PART;
        for (int64_t i = 0; i < count; i++) terms[i] = FORMULA(exp)(s[first + i] - row.top);
        for (int64_t i = 0; i < count; i++) sum += (double)terms[i], targets += (double)y[first + i];
    }
    row.scale = (REAL)(targets / sum);
    row.log_sum = log(sum);
    return row;
}

DUALPROP__MATH REAL FORMULA(cross_entropy_slope)(REAL s, REAL y, const FORMULA(softmax_row) * row)
{
    return FORMULA(exp)(s - row->top) * row->scale - y;
}

DUALPROP__MATH double FORMULA(squared_error)(const REAL *s, const REAL *y, int64_t width)
{
    double sum = 0;
    for (int64_t i = 0; i < width; i++) sum += ((double)s[i] - (double)y[i]) * ((double)s[i] - (double)y[i]);
    return sum / 2;
}

DUALPROP__MATH double FORMULA(cross_entropy)(const REAL *s, const REAL *y, int64_t width)
{
    FORMULA(softmax_row) row = FORMULA(softmax_row_of)(s, y, width);
    double sum = 0;
    for (int64_t i = 0; i < width; i++) sum += (double)y[i] * (row.log_sum - ((double)s[i] - (double)row.top));
    return sum;
}

/* How many of a row's values beat the target's class: the strictly greater ones, and equal ones before it. A value
 * that cannot be compared counts as greater, so that a NaN is never a right answer. */
DUALPROP__MATH int64_t FORMULA(rank_of_target)(const REAL *s, const REAL *y, int64_t width)
{
    int64_t class_ = 0, rank = 0;
    for (int64_t i = 1; i < width; i++) class_ = y[i] > y[class_] ? i : class_;
    for (int64_t i = 0; i < class_; i++) rank += !(s[i] < s[class_]);
    for (int64_t i = class_ + 1; i < width; i++) rank += !(s[i] <= s[class_]);
    return rank;
}
