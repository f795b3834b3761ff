/*
 * softmax.h - the dyad update of a layer whose activation is softmax over a row, s_i = e^a_i / sum_j e^a_j (Eq. 24).
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * What the elements of a row share is found first, in sums that are taken in double; then each element is formed from
 * it. With h = x - y = (c+ + c-) Delta the difference of the arguments of s+ and s-,
 *
 *     s+_i = s-_i e^h_i / E,   E = sum_j s-_j e^h_j,   so   delta_i = s-_i (e^(h_i - log E) - 1),
 *     log E = log(1 + sum_j s-_j (e^h_j - 1)),
 *
 * in which nothing cancels that h itself did not. Where some |h| is above 1 the plain difference is as good: its error
 * is a rounding of s, which is below one of h.
 *
 * Terms of a sum are computed a part at a time, so that the compiler vectorises them, and added up in their order.
 *
 * Back-propagation multiplies by the Jacobian, diag(s) - s s^T, which is symmetric: delta_i = s_i (Delta_i - s.Delta).
 */

/* One softmax of a row: its elements are e^(x - top) scale. */
typedef struct FORMULA(softmax_of) {
    REAL top, scale;
} FORMULA(softmax_of);

typedef struct FORMULA(softmax_dyads) {
    FORMULA(softmax_of) plus, minus; /* the same where nothing comes from above */
    REAL log_ratio;                  /* log E */
    REAL product;                    /* s.Delta, for back-propagation */
    int far;                         /* is some |h| above 1? */
} FORMULA(softmax_dyads);

/* x_i = a_i + gain Delta_i. */
DUALPROP__MATH REAL FORMULA(softmax_argument)(const REAL *a, const REAL *top_down, REAL gain, int64_t i)
{
    return top_down ? a[i] + gain * top_down[i] : a[i];
}

DUALPROP__MATH REAL FORMULA(softmax_value)(const FORMULA(softmax_of) * row, REAL x)
{
    return FORMULA(exp)(x - row->top) * row->scale;
}

DUALPROP__MATH FORMULA(softmax_of) FORMULA(softmax_sum)(const REAL *a, const REAL *top_down, REAL gain, int64_t width)
{
    FORMULA(softmax_of) row;
    double sum = 0;
    row.top = FORMULA(softmax_argument)(a, top_down, gain, 0);
    for (int64_t i = 1; i < width; i++) {
        REAL x = FORMULA(softmax_argument)(a, top_down, gain, i);
        row.top = x > row.top ? x : row.top;
    }
    for (int64_t first = 0; first < width; first += DUALPROP__PART) {
        REAL terms[DUALPROP__PART];
        int64_t count = width - first < DUALPROP__PART ? width - first : DUALPROP__PART;
        for (int64_t i = 0; i < count; i++)
            terms[i] = FORMULA(exp)(FORMULA(softmax_argument)(a, top_down, gain, first + i) - row.top);
        for (int64_t i = 0; i < count; i++) sum += (double)terms[i];
    }
    row.scale = (REAL)(1 / sum);
    return row;
}

/* log E and whether h is far, from the row of s-. */
DUALPROP__MATH void FORMULA(softmax_ratio)(FORMULA(softmax_dyads) * row, const REAL *a, const REAL *top_down,
                                           const FORMULA(gains) * gains, int64_t width)
{
    double excess = 0;
    row->far = 0;
    for (int64_t first = 0; first < width; first += DUALPROP__PART) {
        REAL terms[DUALPROP__PART];
        int64_t count = width - first < DUALPROP__PART ? width - first : DUALPROP__PART;
        for (int64_t i = 0; i < count; i++) {
            REAL h = gains->sum * top_down[first + i];
            REAL x = FORMULA(softmax_argument)(a, top_down, -gains->minus, first + i);
            row->far |= LIBM(fabs)(h) > 1;
            terms[i] = FORMULA(softmax_value)(&row->minus, x) * FORMULA(expm1)(h);
        }
        for (int64_t i = 0; i < count; i++) excess += (double)terms[i];
    }
    row->log_ratio = (REAL)log1p(excess);
}

/* What the dyads of a row share; top_down NULL: nothing comes from above. */
DUALPROP__MATH FORMULA(softmax_dyads)
    FORMULA(softmax_dyads_of)(const REAL *a, const REAL *top_down, int64_t width, const FORMULA(gains) * gains)
{
    FORMULA(softmax_dyads) row;
    row.plus = FORMULA(softmax_sum)(a, top_down, gains->plus, width);
    row.minus = FORMULA(softmax_sum)(a, top_down, -gains->minus, width);
    row.log_ratio = row.product = 0;
    row.far = 0;
    if (top_down) FORMULA(softmax_ratio)(&row, a, top_down, gains, width);
    return row;
}

/* The same for back-propagation, where both states are f(a). */
DUALPROP__MATH FORMULA(softmax_dyads) FORMULA(softmax_slopes_of)(const REAL *a, const REAL *top_down, int64_t width)
{
    FORMULA(softmax_dyads) row;
    double product = 0;
    row.plus = row.minus = FORMULA(softmax_sum)(a, 0, 0, width);
    for (int64_t i = 0; top_down && i < width; i++)
        product += (double)(FORMULA(softmax_value)(&row.plus, a[i]) * top_down[i]);
    row.log_ratio = 0;
    row.product = (REAL)product;
    row.far = 0;
    return row;
}

/* Eq. 2 and 19 for one element of the row. */
DUALPROP__MATH FORMULA(pair)
    FORMULA(softmax_pair)(const FORMULA(softmax_dyads) * row, REAL a, REAL top_down, const FORMULA(gains) * gains)
{
    FORMULA(pair) pair;
    pair.plus = FORMULA(softmax_value)(&row->plus, a + gains->plus * top_down);
    pair.minus = FORMULA(softmax_value)(&row->minus, a - gains->minus * top_down);
    pair.delta =
        row->far ? pair.plus - pair.minus : pair.minus * FORMULA(expm1)(gains->sum * top_down - row->log_ratio);
    pair.mean = FORMULA(mean)(pair.plus, pair.minus, pair.delta, gains);
    return pair;
}

/* The Jacobian times what comes from above. */
DUALPROP__MATH FORMULA(pair) FORMULA(softmax_slope_pair)(const FORMULA(softmax_dyads) * row, REAL a, REAL top_down)
{
    FORMULA(pair) pair;
    pair.mean = pair.plus = pair.minus = FORMULA(softmax_value)(&row->plus, a);
    pair.delta = pair.mean * (top_down - row->product);
    return pair;
}
