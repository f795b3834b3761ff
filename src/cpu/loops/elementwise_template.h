/*
 * elementwise_template.h - the loops of elementwise.h, for one type and one instruction set.
 *
 * A template: its includer defines REAL, BITS (the signed integer of REAL's size), FORMULA(name) and TABLE. Loops are
 * kept free of branches so that the compiler makes vectors of them. The greatest |x| is found as the greatest of
 * the bits of x without the sign, in which order a NaN is above infinity: so no NaN is lost, and no order matters.
 */

/* Reals that the small buffers on the stack hold. */
#define FORMULA_PIECE ((int64_t)(1024 / sizeof(REAL)))

/* Columns that are summed up at once: whole panels of the widest micro-kernel. */
#define COLUMNS 32
/* How many rows ahead they are fetched. */
#define ROWS_AHEAD 24

/* ---- the greatest |x| ---- */

static inline BITS FORMULA(magnitude)(REAL x)
{
    BITS bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & (BITS)((((uint64_t)1 << (8 * sizeof(BITS) - 1)) - 1));
}

static inline BITS FORMULA(greater)(BITS x, BITS y)
{
    return x > y ? x : y;
}

static double FORMULA(magnitude_value)(BITS bits)
{
    REAL x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

/* ---- dyads: for each activation, with and without input from above, and back-propagation ---- */

/* A run of elements; the arrays do not overlap. */
struct FORMULA(run) {
    const REAL *a, *top_down; /* top_down NULL: nothing comes from above */
    REAL *mean, *delta;       /* delta may be NULL then */
    int64_t count;
    const FORMULA(softmax_dyads) * row; /* what the elements of its row share, for softmax */
};

typedef BITS (*FORMULA(dyad_loop))(const struct FORMULA(run) * run, const FORMULA(gains) * gains);

#define DYAD_LOOPS(name)                                                                                   \
    static BITS FORMULA(silent_##name)(const struct FORMULA(run) * run, const FORMULA(gains) * unused)     \
    {                                                                                                      \
        const REAL *restrict a = run->a;                                                                   \
        REAL *restrict mean = run->mean;                                                                   \
        BITS max_abs = 0;                                                                                  \
        (void)unused;                                                                                      \
        for (int64_t i = 0; i < run->count; i++) {                                                         \
            mean[i] = FORMULA(name)(a[i]);                                                                 \
            max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(mean[i]));                              \
        }                                                                                                  \
        return max_abs;                                                                                    \
    }                                                                                                      \
                                                                                                           \
    static BITS FORMULA(nudged_##name)(const struct FORMULA(run) * run, const FORMULA(gains) * given)      \
    {                                                                                                      \
        const REAL *restrict a = run->a, *restrict top_down = run->top_down;                               \
        REAL *restrict mean = run->mean, *restrict delta = run->delta;                                     \
        const FORMULA(gains) gains = *given;                                                               \
        BITS max_abs = 0;                                                                                  \
        for (int64_t i = 0; i < run->count; i++) {                                                         \
            REAL plus = gains.plus * top_down[i], minus = gains.minus * top_down[i];                       \
            const REAL span = gains.sum * top_down[i];                                                     \
            FORMULA(states) s = FORMULA(name##_states)(a[i], plus, minus, span, gains.beside_plus);        \
            delta[i] = s.difference;                                                                       \
            mean[i] = FORMULA(mean)(s.plus, s.minus, s.difference, &gains);                                \
            BITS greater = FORMULA(greater)(FORMULA(magnitude)(s.plus), FORMULA(magnitude)(s.minus));      \
            max_abs = FORMULA(greater)(max_abs, greater);                                                  \
        }                                                                                                  \
        return max_abs;                                                                                    \
    }                                                                                                      \
                                                                                                           \
    static BITS FORMULA(derivative_##name)(const struct FORMULA(run) * run, const FORMULA(gains) * unused) \
    {                                                                                                      \
        const REAL *restrict a = run->a, *restrict top_down = run->top_down;                               \
        REAL *restrict mean = run->mean, *restrict delta = run->delta;                                     \
        BITS max_abs = 0;                                                                                  \
        (void)unused;                                                                                      \
        for (int64_t i = 0; i < run->count; i++) {                                                         \
            mean[i] = FORMULA(name)(a[i]);                                                                 \
            delta[i] = FORMULA(name##_slope)(a[i]) * top_down[i];                                          \
            BITS greater = FORMULA(greater)(FORMULA(magnitude)(mean[i]), FORMULA(magnitude)(delta[i]));    \
            max_abs = FORMULA(greater)(max_abs, greater);                                                  \
        }                                                                                                  \
        return max_abs;                                                                                    \
    }

DYAD_LOOPS(identity)
DYAD_LOOPS(relu)
DYAD_LOOPS(leaky_relu)
DYAD_LOOPS(hard_sigmoid)
DYAD_LOOPS(sigmoid)
DYAD_LOOPS(tanh)
DYAD_LOOPS(softplus)
DYAD_LOOPS(elu)
DYAD_LOOPS(silu)
#undef DYAD_LOOPS

/* ---- softmax, whose elements know their row ---- */

static BITS FORMULA(silent_softmax)(const struct FORMULA(run) * run, const FORMULA(gains) * unused)
{
    const REAL *restrict a = run->a;
    REAL *restrict mean = run->mean;
    const FORMULA(softmax_dyads) row = *run->row;
    BITS max_abs = 0;
    (void)unused;
    for (int64_t i = 0; i < run->count; i++) {
        mean[i] = FORMULA(softmax_value)(&row.base, a[i]);
        max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(mean[i]));
    }
    return max_abs;
}

static BITS FORMULA(nudged_softmax)(const struct FORMULA(run) * run, const FORMULA(gains) * given)
{
    const REAL *restrict a = run->a, *restrict top_down = run->top_down;
    REAL *restrict mean = run->mean, *restrict delta = run->delta;
    const FORMULA(softmax_dyads) row = *run->row;
    const FORMULA(gains) gains = *given;
    BITS max_abs = 0;
    for (int64_t i = 0; i < run->count; i++) {
        FORMULA(pair) pair = FORMULA(softmax_pair)(&row, a[i], top_down[i], &gains);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
        BITS greater = FORMULA(greater)(FORMULA(magnitude)(pair.plus), FORMULA(magnitude)(pair.minus));
        max_abs = FORMULA(greater)(max_abs, greater);
    }
    return max_abs;
}

static BITS FORMULA(derivative_softmax)(const struct FORMULA(run) * run, const FORMULA(gains) * unused)
{
    const REAL *restrict a = run->a, *restrict top_down = run->top_down;
    REAL *restrict mean = run->mean, *restrict delta = run->delta;
    const FORMULA(softmax_dyads) row = *run->row;
    BITS max_abs = 0;
    (void)unused;
    for (int64_t i = 0; i < run->count; i++) {
        FORMULA(pair) pair = FORMULA(softmax_slope_pair)(&row, a[i], top_down[i]);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
        BITS greater = FORMULA(greater)(FORMULA(magnitude)(pair.mean), FORMULA(magnitude)(pair.delta));
        max_abs = FORMULA(greater)(max_abs, greater);
    }
    return max_abs;
}

/*
 * A whole row whose mean and delta are wanted: the arrays keep the exponentials between the sums and the elements. The
 * elements are those of the loops above.
 */
static BITS FORMULA(softmax_silent_row)(const struct FORMULA(run) * run)
{
    const FORMULA(softmax_of) row = FORMULA(softmax_sum_keeping)(run->mean, run->a, 0, 0, run->count);
    REAL *restrict mean = run->mean;
    BITS max_abs = 0;
    for (int64_t i = 0; i < run->count; i++) {
        mean[i] = mean[i] * row.scale;
        max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(mean[i]));
    }
    return max_abs;
}

static BITS FORMULA(softmax_slope_row)(const struct FORMULA(run) * run)
{
    const FORMULA(softmax_dyads) row = FORMULA(softmax_slopes_keeping)(run->mean, run->a, run->top_down, run->count);
    const REAL *restrict top_down = run->top_down;
    REAL *restrict mean = run->mean, *restrict delta = run->delta;
    BITS max_abs = 0;
    for (int64_t i = 0; i < run->count; i++) {
        FORMULA(pair) pair = FORMULA(softmax_slope_of)(&row, mean[i], top_down[i]);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
        BITS greater = FORMULA(greater)(FORMULA(magnitude)(pair.mean), FORMULA(magnitude)(pair.delta));
        max_abs = FORMULA(greater)(max_abs, greater);
    }
    return max_abs;
}

static BITS FORMULA(softmax_nudged_row)(const struct FORMULA(run) * run, const FORMULA(gains) * given)
{
    FORMULA(softmax_dyads) row = { .far = 0 };
    FORMULA(softmax_nudge)(&row, run->mean, run->delta, run->a, run->top_down, given, run->count);
    if (row.far) {
        struct FORMULA(run) far = *run;
        row.other = FORMULA(softmax_sum)(run->a, run->top_down, FORMULA(softmax_other_gain)(given), run->count);
        far.row = &row;
        return FORMULA(nudged_softmax)(&far, given);
    }
    const FORMULA(gains) gains = *given;
    const FORMULA(softmax_dyads) near = row;
    REAL *restrict mean = run->mean, *restrict delta = run->delta;
    BITS max_abs = 0;
    for (int64_t i = 0; i < run->count; i++) {
        FORMULA(pair) pair = FORMULA(softmax_near_pair)(&near, mean[i], delta[i], &gains);
        mean[i] = pair.mean;
        delta[i] = pair.delta;
        BITS greater = FORMULA(greater)(FORMULA(magnitude)(pair.plus), FORMULA(magnitude)(pair.minus));
        max_abs = FORMULA(greater)(max_abs, greater);
    }
    return max_abs;
}

static void FORMULA(softmax_whole_row)(const dualprop_dyad *dyad, const struct FORMULA(run) * run,
                                       const FORMULA(gains) * gains, dualprop__maxima *maxima)
{
    BITS max_abs = !run->top_down     ? FORMULA(softmax_silent_row)(run)
                   : dyad->derivative ? FORMULA(softmax_slope_row)(run)
                                      : FORMULA(softmax_nudged_row)(run, gains);
    maxima->max_abs = dualprop__greatest(FORMULA(magnitude_value)(max_abs), maxima->max_abs);
    if (!run->top_down && run->delta) memset(run->delta, 0, (size_t)run->count * sizeof(REAL));
}

static FORMULA(softmax_dyads)
    FORMULA(softmax_row_at)(const dualprop_dyad *dyad, int64_t first, int64_t width, const FORMULA(gains) * gains)
{
    const REAL *a = (const REAL *)dyad->a + first;
    const REAL *top_down = dyad->top_down ? (const REAL *)dyad->top_down + first : NULL;
    return dyad->derivative ? FORMULA(softmax_slopes_of)(a, top_down, width)
                            : FORMULA(softmax_dyads_of)(a, top_down, width, gains);
}

/* ---- any activation ---- */

#define LOOPS_OF(name)                                                             \
    {                                                                              \
        FORMULA(silent_##name), FORMULA(nudged_##name), FORMULA(derivative_##name) \
    }
static FORMULA(dyad_loop) FORMULA(find_dyad_loop)(const dualprop_dyad *dyad)
{
    static const FORMULA(dyad_loop) loops[][3] = {
        [DUALPROP_IDENTITY] = LOOPS_OF(identity),
        [DUALPROP_RELU] = LOOPS_OF(relu),
        [DUALPROP_LEAKY_RELU] = LOOPS_OF(leaky_relu),
        [DUALPROP_HARD_SIGMOID] = LOOPS_OF(hard_sigmoid),
        [DUALPROP_SIGMOID] = LOOPS_OF(sigmoid),
        [DUALPROP_TANH] = LOOPS_OF(tanh),
        [DUALPROP_SOFTPLUS] = LOOPS_OF(softplus),
        [DUALPROP_ELU] = LOOPS_OF(elu),
        [DUALPROP_SILU] = LOOPS_OF(silu),
        [DUALPROP_SOFTMAX] = LOOPS_OF(softmax),
    };
    return loops[dyad->activation][!dyad->top_down ? 0 : dyad->derivative ? 2 : 1];
}
#undef LOOPS_OF

static void FORMULA(update_run)(const dualprop_dyad *dyad, const struct FORMULA(run) * run,
                                const FORMULA(gains) * gains, dualprop__maxima *maxima)
{
    BITS max_abs = FORMULA(find_dyad_loop)(dyad)(run, gains);
    maxima->max_abs = dualprop__greatest(FORMULA(magnitude_value)(max_abs), maxima->max_abs);
    if (!run->top_down && run->delta) memset(run->delta, 0, (size_t)run->count * sizeof(REAL));
}

/* How far s+ and s- (f(a) and delta in back-propagation) are from the old ones. */
static double FORMULA(change_of)(const dualprop_dyad *dyad, const struct FORMULA(run) * new_run, const REAL *old_mean,
                                 const REAL *old_delta)
{
    double most = 0;
    double plus = 1 - dyad->alpha, old_plus = 1 - dyad->old_alpha;
    double minus = -dyad->alpha, old_minus = -dyad->old_alpha;
    if (dyad->derivative) plus = old_plus = 0;
    for (int64_t i = 0; i < new_run->count; i++) {
        double mean = (double)new_run->mean[i], delta = (double)new_run->delta[i];
        double before = (double)old_mean[i], before_delta = (double)old_delta[i];
        double first = mean + plus * delta - (before + old_plus * before_delta);
        double second = mean + minus * delta - (before + old_minus * before_delta);
        if (dyad->derivative) second = delta - before_delta;
        most = dualprop__greatest(fabs(first), dualprop__greatest(fabs(second), most));
    }
    return most;
}

/* Results that are not wanted, or that are compared with the old ones first, go through buffers. */
static void FORMULA(dyad_through_buffers)(const dualprop_dyad *dyad, const struct FORMULA(run) * run,
                                          const FORMULA(gains) * gains, dualprop__maxima *maxima)
{
    REAL mean[1024 / sizeof(REAL)], delta[1024 / sizeof(REAL)];
    static const REAL zeros[1024 / sizeof(REAL)];
    struct FORMULA(run) part = { run->a, run->top_down, mean, delta, run->count, run->row };
    FORMULA(update_run)(dyad, &part, gains, maxima);
    if (dyad->change)
        maxima->change = dualprop__greatest(
            FORMULA(change_of)(dyad, &part, run->mean ? run->mean : mean, run->delta ? run->delta : zeros),
            maxima->change);
    if (run->mean) memcpy(run->mean, mean, (size_t)run->count * sizeof(REAL));
    if (run->delta) memcpy(run->delta, delta, (size_t)run->count * sizeof(REAL));
}

static struct FORMULA(run)
    FORMULA(run_of)(const dualprop_dyad *dyad, int64_t first, int64_t count, const FORMULA(softmax_dyads) * row)
{
    return (struct FORMULA(run)){
        .a = (const REAL *)dyad->a + first,
        .top_down = dyad->top_down ? (const REAL *)dyad->top_down + first : NULL,
        .mean = dyad->mean ? (REAL *)dyad->mean + first : NULL,
        .delta = dyad->delta ? (REAL *)dyad->delta + first : NULL,
        .count = count,
        .row = row,
    };
}

static void FORMULA(dyad_row)(const dualprop_dyad *dyad, int64_t first, int64_t count, const FORMULA(gains) * gains,
                              dualprop__maxima *maxima)
{
    FORMULA(softmax_dyads) row = { .far = 0 };
    if (dyad->mean && (dyad->delta || !dyad->top_down) && !dyad->change) {
        struct FORMULA(run) run = FORMULA(run_of)(dyad, first, count, NULL);
        if (dyad->activation == DUALPROP_SOFTMAX) FORMULA(softmax_whole_row)(dyad, &run, gains, maxima);
        else FORMULA(update_run)(dyad, &run, gains, maxima);
        return;
    }
    if (dyad->activation == DUALPROP_SOFTMAX) row = FORMULA(softmax_row_at)(dyad, first, count, gains);
    for (int64_t i = 0; i < count; i += FORMULA_PIECE) {
        struct FORMULA(run) run =
            FORMULA(run_of)(dyad, first + i, count - i < FORMULA_PIECE ? count - i : FORMULA_PIECE, &row);
        FORMULA(dyad_through_buffers)(dyad, &run, gains, maxima);
    }
}

static void FORMULA(dyad_tile)(const dualprop_dyad *dyad, const dualprop__tile *tile, dualprop__maxima *maxima)
{
    FORMULA(gains) gains = FORMULA(gains_of)(dyad->gain_plus, dyad->gain_minus, dyad->alpha);
    for (int64_t row = 0; row < tile->rows; row++)
        FORMULA(dyad_row)(dyad, tile->first + row * tile->stride, tile->width, &gains, maxima);
}

/* ---- damped dyads: the same formula as FORMULA(damped_pair), in place ---- */

struct FORMULA(damped_run) {
    const REAL *a, *top_down;
    REAL *mean, *delta;
    int64_t count;
    REAL damping;
    FORMULA(gains) gains;
};

#define DAMPED_LOOP(name)                                                                        \
    static BITS FORMULA(damped_##name)(const struct FORMULA(damped_run) * run)                   \
    {                                                                                            \
        const REAL *restrict a = run->a, *restrict top_down = run->top_down;                     \
        REAL *restrict mean = run->mean, *restrict delta = run->delta;                           \
        const FORMULA(gains) gains = run->gains;                                                 \
        const REAL damping = run->damping, scale = 1 / (1 + damping);                            \
        BITS max_abs = 0;                                                                        \
        for (int64_t i = 0; i < run->count; i++) {                                               \
            REAL centre = (a[i] + damping * mean[i]) * scale;                                    \
            REAL plus = (gains.plus * top_down[i] + damping * gains.rest * delta[i]) * scale;    \
            REAL minus = (gains.minus * top_down[i] + damping * gains.alpha * delta[i]) * scale; \
            REAL span = (gains.sum * top_down[i] + damping * delta[i]) * scale;                  \
            REAL high = FORMULA(name)(centre + plus), low = FORMULA(name)(centre - minus);       \
            delta[i] = FORMULA(name##_difference)(centre, plus, minus, span);                    \
            mean[i] = FORMULA(mean)(high, low, delta[i], &gains);                                \
            BITS greater = FORMULA(greater)(FORMULA(magnitude)(high), FORMULA(magnitude)(low));  \
            max_abs = FORMULA(greater)(max_abs, greater);                                        \
        }                                                                                        \
        return max_abs;                                                                          \
    }

DAMPED_LOOP(identity)
DAMPED_LOOP(relu)
DAMPED_LOOP(hard_sigmoid)
#undef DAMPED_LOOP

static void FORMULA(damp)(const dualprop_extended_update *update, int64_t first, int64_t count,
                          dualprop__maxima *maxima)
{
    struct FORMULA(damped_run) run = {
        .a = (const REAL *)update->a + first,
        .top_down = (const REAL *)update->top_down + first,
        .mean = (REAL *)update->mean + first,
        .delta = (REAL *)update->delta + first,
        .count = count,
        .damping = (REAL)update->damping,
        .gains = FORMULA(extended_gains)(update, update->alpha),
    };
    if (update->delta_is_zero) memset(run.delta, 0, (size_t)count * sizeof(REAL));
    BITS max_abs = update->activation == DUALPROP_RELU           ? FORMULA(damped_relu)(&run)
                   : update->activation == DUALPROP_HARD_SIGMOID ? FORMULA(damped_hard_sigmoid)(&run)
                                                                 : FORMULA(damped_identity)(&run);
    maxima->max_abs = dualprop__greatest(FORMULA(magnitude_value)(max_abs), maxima->max_abs);
}

static void FORMULA(add_bias)(void *a, const void *bias, const dualprop__tile *tile)
{
    const REAL *restrict from = bias;
    for (int64_t row = 0; row < tile->rows; row++) {
        REAL *restrict to = (REAL *)a + tile->first + row * tile->stride;
        for (int64_t j = 0; j < tile->width; j++) to[j] += from[j];
    }
}

/* ---- learning ---- */

#if !defined(STEP_LOOPS_BY_HAND)
static void FORMULA(sgd_loop)(const FORMULA(step) * given, int64_t count, REAL *restrict w, const REAL *restrict g,
                              REAL *restrict moment)
{
    const FORMULA(step) step = *given;
    for (int64_t i = 0; i < count; i++) w[i] = FORMULA(sgd)(&step, w[i], g[i], moment + i);
}

static void FORMULA(plain_sgd_loop)(const FORMULA(step) * given, int64_t count, REAL *restrict w,
                                    const REAL *restrict g)
{
    const FORMULA(step) step = *given;
    for (int64_t i = 0; i < count; i++) w[i] = FORMULA(plain_sgd)(&step, w[i], g[i]);
}

static void FORMULA(adam_loop)(const FORMULA(step) * given, int64_t count, REAL *restrict w, const REAL *restrict g,
                               REAL *restrict moment1, REAL *restrict moment2)
{
    const FORMULA(step) step = *given;
    for (int64_t i = 0; i < count; i++) w[i] = FORMULA(adam)(&step, w[i], g[i], moment1 + i, moment2 + i);
}
#endif

static void FORMULA(step_loop)(const dualprop_step_numbers *numbers, int64_t count, void *w, const void *g,
                               void *moment1, void *moment2)
{
    FORMULA(step) step = FORMULA(step_of)(numbers);
    if (numbers->kind == DUALPROP_PLAIN_SGD) FORMULA(plain_sgd_loop)(&step, count, w, g);
    else if (numbers->kind == DUALPROP_SGD) FORMULA(sgd_loop)(&step, count, w, g, moment1);
    else FORMULA(adam_loop)(&step, count, w, g, moment1, moment2);
}

/* A row at a time; as in a micro-kernel, the product is a sum that begins at 0. */
#if !defined(STEP_LOOPS_BY_HAND)
static void FORMULA(outer_loop)(const FORMULA(step) * given, const dualprop__outer *outer)
{
    const FORMULA(step) step = *given;
    const REAL *restrict x = outer->x, *restrict delta = outer->delta;
    for (int64_t i = 0; i < outer->rows; i++) {
        REAL *restrict w = (REAL *)outer->w + i * outer->stride;
        for (int64_t j = 0; j < outer->width; j++) w[j] = FORMULA(plain_sgd)(&step, w[j], 0 + x[i] * delta[j]);
    }
}
#endif

static void FORMULA(outer_step)(const dualprop_step_numbers *numbers, const dualprop__outer *outer)
{
    FORMULA(step) step = FORMULA(step_of)(numbers);
    FORMULA(outer_loop)(&step, outer);
}

static void FORMULA(scale_loop)(void *to, const void *from, double scale, int accumulate, int64_t count)
{
    REAL *sums = to;
    const REAL *terms = from;
    REAL factor = (REAL)scale;
    if (accumulate)
        for (int64_t i = 0; i < count; i++) sums[i] = sums[i] + factor * terms[i];
    else
        for (int64_t i = 0; i < count; i++) sums[i] = factor * terms[i];
}

/* Rows that lie far apart are not fetched by themselves. */
static inline __attribute__((always_inline)) void FORMULA(fetch_row)(const REAL *row, int64_t count)
{
    for (int64_t j = 0; j < count; j += 64 / (int64_t)sizeof(REAL)) __builtin_prefetch(row + j);
}

/* `count` columns, as many as there are sums in registers; count is a constant where this is inlined for whole
 * blocks. */
static inline __attribute__((always_inline)) void FORMULA(column_block)(REAL *to, const REAL *from, double scale,
                                                                        int accumulate, int64_t rows, int64_t count,
                                                                        int64_t stride)
{
    double sums[COLUMNS] = { 0 };
    for (int64_t row = 0; row < rows; row++, from += stride) {
        FORMULA(fetch_row)(from + ROWS_AHEAD * stride, count);
        for (int64_t j = 0; j < count; j++) sums[j] += (double)from[j];
    }
    for (int64_t j = 0; j < count; j++) to[j] = (REAL)((accumulate ? (double)to[j] : 0) + scale * sums[j]);
}

static void FORMULA(column_sums)(void *to, const void *from, double scale, int accumulate, int64_t rows, int64_t width,
                                 int64_t stride)
{
    REAL *sums = to;
    const REAL *terms = from;
    int64_t first = 0;
    for (; first + COLUMNS <= width; first += COLUMNS)
        FORMULA(column_block)(sums + first, terms + first, scale, accumulate, rows, COLUMNS, stride);
    if (first < width)
        FORMULA(column_block)(sums + first, terms + first, scale, accumulate, rows, width - first, stride);
}

/* ---- input ---- */

static double FORMULA(convert_floats)(REAL *restrict to, const float *restrict from, int64_t count)
{
    BITS max_abs = 0;
    for (int64_t i = 0; i < count; i++) {
        to[i] = (REAL)from[i];
        max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(to[i]));
    }
    return FORMULA(magnitude_value)(max_abs);
}

static double FORMULA(convert_doubles)(REAL *restrict to, const double *restrict from, int64_t count)
{
    BITS max_abs = 0;
    for (int64_t i = 0; i < count; i++) {
        to[i] = (REAL)from[i];
        max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(to[i]));
    }
    return FORMULA(magnitude_value)(max_abs);
}

static double FORMULA(convert)(void *to, const void *from, int type, int64_t count)
{
    return type == DUALPROP_F32 ? FORMULA(convert_floats)(to, from, count) : FORMULA(convert_doubles)(to, from, count);
}

static double FORMULA(look_up)(void *to, const uint8_t *from, const void *table, int64_t count, int64_t stride)
{
    BITS max_abs = 0;
    for (int64_t i = 0; i < count; i++) {
        REAL value = ((const REAL *)table)[from[i * stride]];
        ((REAL *)to)[i * stride] = value;
        max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(value));
    }
    return FORMULA(magnitude_value)(max_abs);
}

/* ---- sums ---- */

static double FORMULA(max_abs)(int64_t count, const void *x)
{
    BITS max_abs = 0;
    for (int64_t i = 0; i < count; i++) max_abs = FORMULA(greater)(max_abs, FORMULA(magnitude)(((const REAL *)x)[i]));
    return FORMULA(magnitude_value)(max_abs);
}

/* Lane l sums every eighth element from l on; the lanes are added at the end. */
static void FORMULA(compare)(int64_t count, const void *x, const void *y, double sums[4])
{
    enum { LANES = 8 };
    double lanes[4][LANES] = { { 0 } };
    for (int64_t i = 0; i < count; i += LANES)
        for (int64_t l = 0; l < (count - i < LANES ? count - i : LANES); l++) {
            double a = (double)((const REAL *)x)[i + l], b = (double)((const REAL *)y)[i + l];
            lanes[0][l] += a * b;
            lanes[1][l] += a * a;
            lanes[2][l] += b * b;
            lanes[3][l] += (a - b) * (a - b);
        }
    for (int s = 0; s < 4; s++)
        for (int l = 0; l < LANES; l++) sums[s] += lanes[s][l];
}

#include "panels_template.h"

const dualprop__elementwise TABLE = {
    .real_size = sizeof(REAL),
    .dyad = FORMULA(dyad_tile),
    .damp = FORMULA(damp),
    .add_bias = FORMULA(add_bias),
    .step = FORMULA(step_loop),
    .outer_step = FORMULA(outer_step),
    .scale = FORMULA(scale_loop),
    .column_sums = FORMULA(column_sums),
    .convert = FORMULA(convert),
    .look_up = FORMULA(look_up),
    .max_abs = FORMULA(max_abs),
    .compare = FORMULA(compare),
    .pack_rows = FORMULA(pack_rows),
    .pack_columns = FORMULA(pack_columns),
};

#undef FORMULA_PIECE
#undef COLUMNS
#undef ROWS_AHEAD
#undef REAL
#undef BITS
#undef FORMULA
#undef TABLE
