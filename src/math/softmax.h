/*
 * softmax.h - the dyad update of a layer whose activation is softmax over a row, s_i = e^a_i / sum_j e^a_j (Eq. 24).
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * What the elements of a row share is found first, in sums that are taken in double; then each element is formed from
 * it. With h = x - y = (c+ + c-) Delta the difference of the arguments of s+ and s-,
 *
 *     s+_i = s-_i e^h_i / E,   E = sum_j s-_j e^h_j = 1 + excess,   excess = sum_j s-_j (e^h_j - 1),
 *     so   delta_i = s-_i ((e^h_i - 1) - excess) / E,   s+_i = s-_i + delta_i,
 *
 * in which nothing cancels that h itself did not. The same holds with s+ and s- exchanged and -h: the base is the state
 * that the mean is formed beside (nudge.h), so that it is softmax of its arguments to the bit. Where some |h| is above
 * 1 the other state is computed from its own arguments, and the plain difference is as good: its error is a rounding of
 * s, which is below one of h.
 *
 * Sums go in DUALPROP__PART lanes, which are added at the end: lane l has elements l, l + DUALPROP__PART and so on. So
 * the compiler vectorises them, and the bits depend on no instruction set.
 *
 * Back-propagation multiplies by the Jacobian, diag(s) - s s^T, which is symmetric: delta_i = s_i (Delta_i - s.Delta).
 */

/* One softmax of a row: its elements are e^(x - top) scale. */
typedef struct FORMULA(softmax_of) {
    REAL top, scale;
} FORMULA(softmax_of);

typedef struct FORMULA(softmax_dyads) {
    FORMULA(softmax_of) base, other; /* other: the other state where some h is far */
    REAL excess, share;              /* share is 1 / E */
    REAL product;                    /* s.Delta, for back-propagation */
    int far;                         /* is some |h| above 1? */
} FORMULA(softmax_dyads);

/* The gains of the base's arguments, of the other state's, and of h on the way from the base to the other. */
DUALPROP__MATH REAL FORMULA(softmax_base_gain)(const FORMULA(gains) * gains)
{
    return gains->beside_plus ? gains->plus : -gains->minus;
}

DUALPROP__MATH REAL FORMULA(softmax_other_gain)(const FORMULA(gains) * gains)
{
    return gains->beside_plus ? -gains->minus : gains->plus;
}

DUALPROP__MATH REAL FORMULA(softmax_way)(const FORMULA(gains) * gains)
{
    return gains->beside_plus ? -gains->sum : gains->sum;
}

/* x_i = a_i + gain Delta_i. */
DUALPROP__MATH REAL FORMULA(softmax_argument)(const REAL *a, const REAL *top_down, REAL gain, int64_t i)
{
    return top_down ? a[i] + gain * top_down[i] : a[i];
}

DUALPROP__MATH REAL FORMULA(softmax_value)(const FORMULA(softmax_of) * row, REAL x)
{
    return FORMULA(exp)(x - row->top) * row->scale;
}

/*
 * ---- a part of a row: count is a constant where a part is whole ----
 *
 * gcc unrolls a loop of so few turns before it looks for vectors, and then finds few.
 */
#if defined(__GNUC__) && !defined(__CUDACC__)
#define SOFTMAX_ROLLED _Pragma("GCC unroll 1")
#else
#define SOFTMAX_ROLLED
#endif

DUALPROP__MATH double FORMULA(softmax_lanes)(const double *lanes)
{
    double sum = 0;
    for (int l = 0; l < DUALPROP__PART; l++) sum += lanes[l];
    return sum;
}

DUALPROP__MATH void FORMULA(softmax_raise)(REAL *tops, const REAL *a, const REAL *top_down, REAL gain, int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) {
        REAL x = FORMULA(softmax_argument)(a, top_down, gain, i);
        tops[i] = x > tops[i] ? x : tops[i];
    }
}

DUALPROP__MATH void FORMULA(softmax_powers)(REAL *powers, const REAL *a, const REAL *top_down, REAL gain, REAL top,
                                            int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) powers[i] = FORMULA(exp)(FORMULA(softmax_argument)(a, top_down, gain, i) - top);
}

/* rises: e^h - 1; farthest: the greatest |h| of each lane. */
DUALPROP__MATH void FORMULA(softmax_rises)(REAL *rises, REAL *farthest, const REAL *top_down, REAL sum, int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) {
        REAL h = sum * top_down[i], size = LIBM(fabs)(h);
        farthest[i] = size > farthest[i] ? size : farthest[i];
        rises[i] = FORMULA(expm1)(h);
    }
}

DUALPROP__MATH void FORMULA(softmax_add)(double *lanes, const REAL *terms, int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) lanes[i] += (double)terms[i];
}

DUALPROP__MATH void FORMULA(softmax_add_products)(double *lanes, const REAL *x, const REAL *y, int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) lanes[i] += (double)x[i] * (double)y[i];
}

DUALPROP__MATH void FORMULA(softmax_copy)(REAL *to, const REAL *from, int64_t count)
{
    SOFTMAX_ROLLED
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

#undef SOFTMAX_ROLLED

/* ---- a row ---- */

DUALPROP__MATH REAL FORMULA(softmax_top)(const REAL *a, const REAL *top_down, REAL gain, int64_t width)
{
    REAL tops[DUALPROP__PART], first = FORMULA(softmax_argument)(a, top_down, gain, 0), top = first;
    int64_t i = 0;
    for (int l = 0; l < DUALPROP__PART; l++) tops[l] = first;
    if (top_down) {
        for (; i + DUALPROP__PART <= width; i += DUALPROP__PART)
            FORMULA(softmax_raise)(tops, a + i, top_down + i, gain, DUALPROP__PART);
        FORMULA(softmax_raise)(tops, a + i, top_down + i, gain, width - i);
    } else {
        for (; i + DUALPROP__PART <= width; i += DUALPROP__PART)
            FORMULA(softmax_raise)(tops, a + i, 0, gain, DUALPROP__PART);
        FORMULA(softmax_raise)(tops, a + i, 0, gain, width - i);
    }
    for (int l = 0; l < DUALPROP__PART; l++) top = tops[l] > top ? tops[l] : top;
    return top;
}

/* kept (may be NULL): place for e^(x - top) of the row. */
DUALPROP__MATH FORMULA(softmax_of)
    FORMULA(softmax_sum_keeping)(REAL *kept, const REAL *a, const REAL *top_down, REAL gain, int64_t width)
{
    FORMULA(softmax_of) row;
    double lanes[DUALPROP__PART] = { 0 };
    row.top = FORMULA(softmax_top)(a, top_down, gain, width);
    for (int64_t i = 0; i < width; i += DUALPROP__PART) {
        REAL powers[DUALPROP__PART];
        const REAL *down = top_down ? top_down + i : 0;
        if (width - i >= DUALPROP__PART) {
            if (down) FORMULA(softmax_powers)(powers, a + i, down, gain, row.top, DUALPROP__PART);
            else FORMULA(softmax_powers)(powers, a + i, 0, gain, row.top, DUALPROP__PART);
            FORMULA(softmax_add)(lanes, powers, DUALPROP__PART);
            if (kept) FORMULA(softmax_copy)(kept + i, powers, DUALPROP__PART);
        } else {
            FORMULA(softmax_powers)(powers, a + i, down, gain, row.top, width - i);
            FORMULA(softmax_add)(lanes, powers, width - i);
            if (kept) FORMULA(softmax_copy)(kept + i, powers, width - i);
        }
    }
    row.scale = (REAL)(1 / FORMULA(softmax_lanes)(lanes));
    return row;
}

DUALPROP__MATH FORMULA(softmax_of) FORMULA(softmax_sum)(const REAL *a, const REAL *top_down, REAL gain, int64_t width)
{
    return FORMULA(softmax_sum_keeping)(0, a, top_down, gain, width);
}

/* The base, the excess and whether some h is far; places for the base's e^(x - top) and for e^h - 1, or NULL. */
DUALPROP__MATH void FORMULA(softmax_nudge)(FORMULA(softmax_dyads) * row, REAL *kept_powers, REAL *kept_rises,
                                           const REAL *a, const REAL *top_down, const FORMULA(gains) * gains,
                                           int64_t width)
{
    double lanes[DUALPROP__PART] = { 0 }, products[DUALPROP__PART] = { 0 };
    REAL gain = FORMULA(softmax_base_gain)(gains), way = FORMULA(softmax_way)(gains),
         top = FORMULA(softmax_top)(a, top_down, gain, width);
    REAL farthest[DUALPROP__PART] = { 0 };
    for (int64_t i = 0; i < width; i += DUALPROP__PART) {
        REAL powers[DUALPROP__PART], rises[DUALPROP__PART];
        int64_t count = width - i < DUALPROP__PART ? width - i : DUALPROP__PART;
        if (count == DUALPROP__PART) {
            FORMULA(softmax_powers)(powers, a + i, top_down + i, gain, top, DUALPROP__PART);
            FORMULA(softmax_rises)(rises, farthest, top_down + i, way, DUALPROP__PART);
            FORMULA(softmax_add)(lanes, powers, DUALPROP__PART);
            FORMULA(softmax_add_products)(products, powers, rises, DUALPROP__PART);
        } else {
            FORMULA(softmax_powers)(powers, a + i, top_down + i, gain, top, count);
            FORMULA(softmax_rises)(rises, farthest, top_down + i, way, count);
            FORMULA(softmax_add)(lanes, powers, count);
            FORMULA(softmax_add_products)(products, powers, rises, count);
        }
        if (kept_powers) FORMULA(softmax_copy)(kept_powers + i, powers, count);
        if (kept_rises) FORMULA(softmax_copy)(kept_rises + i, rises, count);
    }
    double sum = FORMULA(softmax_lanes)(lanes), excess = FORMULA(softmax_lanes)(products) / sum;
    row->base.top = top;
    row->base.scale = (REAL)(1 / sum);
    row->excess = (REAL)excess;
    row->share = (REAL)(1 / (1 + excess));
    row->far = 0;
    for (int l = 0; l < DUALPROP__PART; l++) row->far |= farthest[l] > 1;
}

/* What the dyads of a row share; top_down NULL: nothing comes from above. */
DUALPROP__MATH FORMULA(softmax_dyads)
    FORMULA(softmax_dyads_of)(const REAL *a, const REAL *top_down, int64_t width, const FORMULA(gains) * gains)
{
    FORMULA(softmax_dyads) row;
    row.excess = row.product = 0;
    row.share = 1;
    row.far = 0;
    if (top_down) FORMULA(softmax_nudge)(&row, 0, 0, a, top_down, gains, width);
    else row.base = FORMULA(softmax_sum)(a, 0, 0, width);
    row.other = row.far ? FORMULA(softmax_sum)(a, top_down, FORMULA(softmax_other_gain)(gains), width) : row.base;
    return row;
}

/* The same for back-propagation, where both states are f(a); kept: place for e^(a - top), or NULL. */
DUALPROP__MATH FORMULA(softmax_dyads)
    FORMULA(softmax_slopes_keeping)(REAL *kept, const REAL *a, const REAL *top_down, int64_t width)
{
    FORMULA(softmax_dyads) row;
    double lanes[DUALPROP__PART] = { 0 };
    row.base = row.other = FORMULA(softmax_sum_keeping)(kept, a, 0, 0, width);
    for (int64_t i = 0; top_down && i < width; i += DUALPROP__PART) {
        REAL powers[DUALPROP__PART];
        int64_t count = width - i < DUALPROP__PART ? width - i : DUALPROP__PART;
        if (kept) FORMULA(softmax_copy)(powers, kept + i, count);
        else FORMULA(softmax_powers)(powers, a + i, 0, 0, row.base.top, count);
        if (count == DUALPROP__PART) FORMULA(softmax_add_products)(lanes, powers, top_down + i, DUALPROP__PART);
        else FORMULA(softmax_add_products)(lanes, powers, top_down + i, count);
    }
    row.excess = 0;
    row.share = 1;
    row.product = (REAL)((double)row.base.scale * FORMULA(softmax_lanes)(lanes));
    row.far = 0;
    return row;
}

DUALPROP__MATH FORMULA(softmax_dyads) FORMULA(softmax_slopes_of)(const REAL *a, const REAL *top_down, int64_t width)
{
    return FORMULA(softmax_slopes_keeping)(0, a, top_down, width);
}

/* ---- an element ---- */

/* The two states in their places, from the base and the other state less the base. */
DUALPROP__MATH FORMULA(pair)
    FORMULA(softmax_states)(REAL base, REAL other, REAL difference, const FORMULA(gains) * gains)
{
    FORMULA(pair) pair;
    pair.plus = gains->beside_plus ? base : other;
    pair.minus = gains->beside_plus ? other : base;
    pair.delta = gains->beside_plus ? -difference : difference;
    pair.mean = FORMULA(mean)(pair.plus, pair.minus, pair.delta, gains);
    return pair;
}

/* From the base's e^(x - top), and e^h - 1, where no h is far. */
DUALPROP__MATH FORMULA(pair)
    FORMULA(softmax_near_pair)(const FORMULA(softmax_dyads) * row, REAL power, REAL rise, const FORMULA(gains) * gains)
{
    REAL base = power * row->base.scale, difference = base * ((rise - row->excess) * row->share);
    return FORMULA(softmax_states)(base, base + difference, difference, gains);
}

/* Eq. 2 and 19 for one element of the row. */
DUALPROP__MATH FORMULA(pair)
    FORMULA(softmax_pair)(const FORMULA(softmax_dyads) * row, REAL a, REAL top_down, const FORMULA(gains) * gains)
{
    REAL power = FORMULA(exp)(a + FORMULA(softmax_base_gain)(gains) * top_down - row->base.top);
    REAL rise = FORMULA(expm1)(FORMULA(softmax_way)(gains) * top_down);
    FORMULA(pair) near = FORMULA(softmax_near_pair)(row, power, rise, gains);
    REAL base = power * row->base.scale;
    REAL other = FORMULA(softmax_value)(&row->other, a + FORMULA(softmax_other_gain)(gains) * top_down);
    FORMULA(pair) far = FORMULA(softmax_states)(base, other, other - base, gains);
    return row->far ? far : near;
}

/* The Jacobian times what comes from above, from e^(a - top). */
DUALPROP__MATH FORMULA(pair) FORMULA(softmax_slope_of)(const FORMULA(softmax_dyads) * row, REAL power, REAL top_down)
{
    FORMULA(pair) pair;
    pair.mean = pair.plus = pair.minus = power * row->base.scale;
    pair.delta = pair.mean * (top_down - row->product);
    return pair;
}

DUALPROP__MATH FORMULA(pair) FORMULA(softmax_slope_pair)(const FORMULA(softmax_dyads) * row, REAL a, REAL top_down)
{
    return FORMULA(softmax_slope_of)(row, FORMULA(exp)(a - row->base.top), top_down);
}
