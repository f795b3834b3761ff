/*
 * extended.h - one element's dyad update with everything a rule can ask for: damping, leaky steps, alphas of single
 * neurons, noise and quantisation; and the exact output steps of cross-entropy.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * The update is, in this order (see dualprop_extended_update in dualprop/backend.h for the names),
 *
 *     T   = top_down + top_down_noise n
 *     s+' = f((a + c+ T + D s+)/(1 + D)),   s-' = f((a - c- T + D s-)/(1 + D))
 *     s+- = s+- + step (s+-' - s+-)
 *     s+- = s+- + state_noise n+-
 *     s+- = s+- rounded to multiples of the quantum within the range
 *
 * and it never subtracts s- from s+: with s+ = mean + (1 - alpha) delta and s- = mean - alpha delta the two arguments
 * are centre + plus and centre - minus,
 *
 *     centre = (a + D mean)/(1 + D),   plus = (c+ T + D (1 - alpha) delta)/(1 + D),
 *     minus = (c- T + D alpha delta)/(1 + D),   plus + minus = ((c+ + c-) T + D delta)/(1 + D),
 *
 * so that the difference functions of activation.h apply; steps and noise are linear in (mean, delta). Only rounded
 * states are subtracted from each other, which is exact: they are multiples of one quantum.
 */

/* c+ and c-, their sum, and the weight alpha of s+, of one neuron. */
DUALPROP__MATH FORMULA(gains) FORMULA(extended_gains)(const dualprop_extended_update *update, double alpha)
{
    double rest = 1 - alpha;
    double plus = update->adjoint ? rest : alpha, minus = update->adjoint ? alpha : rest;
    double high = 1, low = 1;
    if (update->output_step == DUALPROP_OUTPUT_EXACT) high = 1 + alpha * update->beta, low = 1 - rest * update->beta;
    if (update->output_step == DUALPROP_OUTPUT_SPROVR) high = low = 1 + (2 * alpha - 1) * update->beta;
    FORMULA(gains) gains = FORMULA(gains_of)(update->beta_ratio * plus / high, update->beta_ratio * minus / low, alpha);
    if (update->output_step == DUALPROP_OUTPUT_EXACT) gains.sum = (REAL)(update->beta_ratio / (high * low));
    else gains.sum = (REAL)(update->beta_ratio / high);
    return gains;
}

/* Where f is taken for s+-': at centre + plus and centre - minus, which are span apart. */
typedef struct FORMULA(arguments) {
    REAL centre, plus, minus, span;
} FORMULA(arguments);

DUALPROP__MATH FORMULA(arguments)
    FORMULA(damped_arguments)(REAL a, REAL top_down, REAL damping, REAL mean, REAL delta, const FORMULA(gains) * gains)
{
    FORMULA(arguments) arguments;
    REAL scale = 1 / (1 + damping);
    arguments.centre = (a + damping * mean) * scale;
    arguments.plus = (gains->plus * top_down + damping * gains->rest * delta) * scale;
    arguments.minus = (gains->minus * top_down + damping * gains->alpha * delta) * scale;
    arguments.span = (gains->sum * top_down + damping * delta) * scale;
    return arguments;
}

/* The same of a neuron that has its own c+ or c-, before beta_ratio. */
DUALPROP__MATH FORMULA(gains) FORMULA(own_gains)(const dualprop_extended_update *update, double alpha, int has_plus,
                                                 double plus, int has_minus, double minus)
{
    FORMULA(gains) gains = FORMULA(extended_gains)(update, alpha);
    if (!has_plus && !has_minus) return gains;
    return FORMULA(gains_of)(has_plus ? update->beta_ratio * plus : (double)gains.plus,
                             has_minus ? update->beta_ratio * minus : (double)gains.minus, alpha);
}

/* Of neuron j. */
DUALPROP__MATH FORMULA(gains) FORMULA(gains_of_neuron)(const dualprop_extended_update *update, int64_t j)
{
    const REAL *alphas = (const REAL *)update->alphas, *plus = (const REAL *)update->gains_plus,
               *minus = (const REAL *)update->gains_minus;
    return FORMULA(own_gains)(update, alphas ? (double)alphas[j] : update->alpha, plus != NULL,
                              plus ? (double)plus[j] : 0, minus != NULL, minus ? (double)minus[j] : 0);
}

/* s+-' as mean and delta. */
DUALPROP__MATH FORMULA(pair) FORMULA(damped_pair)(int activation, REAL a, REAL top_down, REAL damping, REAL mean,
                                                  REAL delta, const FORMULA(gains) * gains)
{
    FORMULA(pair) pair;
    FORMULA(arguments) at = FORMULA(damped_arguments)(a, top_down, damping, mean, delta, gains);
    FORMULA(states)
    states = FORMULA(states_of)(activation, at.centre, at.plus, at.minus, at.span, gains->beside_plus);
    pair.plus = states.plus;
    pair.minus = states.minus;
    pair.delta = states.difference;
    pair.mean = FORMULA(mean)(pair.plus, pair.minus, pair.delta, gains);
    return pair;
}

/* LeCun's variant, of f(a): s+- = f(a) +- c+- T. */
DUALPROP__MATH FORMULA(pair) FORMULA(straight_pair)(REAL value, REAL top_down, const FORMULA(gains) * gains)
{
    FORMULA(pair) pair;
    pair.mean = value;
    pair.delta = gains->sum * top_down;
    pair.plus = pair.mean + gains->plus * top_down;
    pair.minus = pair.mean - gains->minus * top_down;
    return pair;
}

/* From mean and delta back to the two states. */
DUALPROP__MATH void FORMULA(take_apart)(FORMULA(pair) * pair, const FORMULA(gains) * gains)
{
    pair->plus = pair->mean + gains->rest * pair->delta;
    pair->minus = pair->mean - gains->alpha * pair->delta;
}

DUALPROP__MATH void FORMULA(step_towards)(FORMULA(pair) * pair, REAL step, REAL mean, REAL delta,
                                          const FORMULA(gains) * gains)
{
    pair->mean = (1 - step) * mean + step * pair->mean;
    pair->delta = (1 - step) * delta + step * pair->delta;
    FORMULA(take_apart)(pair, gains);
}

DUALPROP__MATH void FORMULA(add_noise)(FORMULA(pair) * pair, REAL plus, REAL minus, const FORMULA(gains) * gains)
{
    pair->mean += gains->alpha * plus + gains->rest * minus;
    pair->delta += plus - minus;
    FORMULA(take_apart)(pair, gains);
}

/* The nearest multiple of the quantum, halves to even ones, cut to the range. */
DUALPROP__MATH REAL FORMULA(rounded)(REAL x, REAL quantum, REAL range)
{
    return FORMULA(clip)(quantum * LIBM(rint)(x / quantum), -range, range);
}

DUALPROP__MATH void FORMULA(quantize)(FORMULA(pair) * pair, REAL quantum, REAL range, const FORMULA(gains) * gains)
{
    pair->plus = FORMULA(rounded)(pair->plus, quantum, range);
    pair->minus = FORMULA(rounded)(pair->minus, quantum, range);
    pair->delta = pair->plus - pair->minus;
    pair->mean = FORMULA(mean)(pair->plus, pair->minus, pair->delta, gains);
}

/* The draws of one element. */
typedef struct FORMULA(draws) {
    REAL plus, minus, down; /* normal */
} FORMULA(draws);

DUALPROP__MATH REAL FORMULA(noisy_top_down)(const dualprop_extended_update *update, REAL top_down,
                                            const FORMULA(draws) * draws)
{
    return top_down + (REAL)update->top_down_noise * draws->down;
}

/* What follows s+-': the leaky step, noise, and rounding. */
DUALPROP__MATH void FORMULA(finish_extended)(FORMULA(pair) * pair, const dualprop_extended_update *update,
                                             const FORMULA(gains) * gains, REAL mean, REAL delta,
                                             const FORMULA(draws) * draws)
{
    if (update->time_step != 1) FORMULA(step_towards)(pair, (REAL)update->time_step, mean, delta, gains);
    if (update->state_noise > 0) FORMULA(add_noise)
    (pair, (REAL)update->state_noise * draws->plus, (REAL)update->state_noise * draws->minus, gains);
    if (update->quantum > 0) FORMULA(quantize)(pair, (REAL)update->quantum, (REAL)update->range, gains);
}

DUALPROP__MATH FORMULA(pair)
    FORMULA(extended_pair)(const dualprop_extended_update *update, const FORMULA(gains) * gains, REAL a, REAL top_down,
                           REAL mean, REAL delta, const FORMULA(draws) * draws)
{
    REAL down = FORMULA(noisy_top_down)(update, top_down, draws);
    FORMULA(pair)
    pair = update->straight
               ? FORMULA(straight_pair)(FORMULA(activate)(update->activation, a), down, gains)
               : FORMULA(damped_pair)(update->activation, a, down, (REAL)update->damping, mean, delta, gains);
    FORMULA(finish_extended)(&pair, update, gains, mean, delta, draws);
    return pair;
}

/*
 * ---- the proximal step of cross-entropy ----
 *
 * s = argmin t CE(s) + 1/2 ||s - a||^2, where s - a + t (S p - y) = 0 with p = softmax(s), S = sum y; convex for
 * t S > -2, since CE's Hessian S (diag(p) - p p^T) has no eigenvalue above S/2. Newton's matrix is
 * diag(d) - c p p^T with c = t S, d = 1 + c p. For negative t an entry of d may be zero or negative, but only that of
 * the greatest p, m: the others have p <= 1/2. So x_m and q = p^T x are kept as unknowns of a system of two,
 *
 *     A q - p_m x_m = B,   -c p_m q + d_m x_m = r_m,   A = 1 - c sum' p^2/d,   B = sum' p r/d   (sums without m),
 *
 * and the others are x = (r + c p q)/d. All in double, whatever REAL is; delta is formed from the slopes at s+ and s-,
 * not from s+ and s-.
 */

/* Fill p; returns log sum e^s, relative to nothing. */
DUALPROP__MATH double FORMULA(proximal_softmax)(double *p, const double *s, int64_t width)
{
    double top = s[0], sum = 0;
    for (int64_t i = 1; i < width; i++) top = s[i] > top ? s[i] : top;
    for (int64_t i = 0; i < width; i++) sum += p[i] = exp(s[i] - top);
    for (int64_t i = 0; i < width; i++) p[i] /= sum;
    return top + log(sum);
}

/* t CE(s) + 1/2 ||s - a||^2; fills p. */
DUALPROP__MATH double FORMULA(proximal_value)(double *p, const double *s, const REAL *a, const REAL *y, double t,
                                              int64_t width)
{
    double log_sum = FORMULA(proximal_softmax)(p, s, width), value = 0;
    for (int64_t i = 0; i < width; i++) {
        double away = s[i] - (double)a[i];
        value += t * (double)y[i] * (log_sum - s[i]) + away * away / 2;
    }
    return value;
}

/* Newton's direction x in place of the residual r = -(s - a + t (S p - y)); returns the directional derivative. */
DUALPROP__MATH double FORMULA(newton_direction)(double *x, const double *p, double c, int64_t width)
{
    int64_t m = 0;
    double a = 1, b = 0, slope = 0;
    for (int64_t i = 1; i < width; i++) m = p[i] > p[m] ? i : m;
    for (int64_t i = 0; i < width; i++) {
        double d = 1 + c * p[i];
        if (i == m) continue;
        a -= c * p[i] * p[i] / d;
        b += p[i] * x[i] / d;
    }
    double d_m = 1 + c * p[m], determinant = a * d_m - c * p[m] * p[m];
    double q = (d_m * b + p[m] * x[m]) / determinant;
    double x_m = (a * x[m] + c * p[m] * b) / determinant;
    for (int64_t i = 0; i < width; i++) {
        double next = i == m ? x_m : (x[i] + c * p[i] * q) / (1 + c * p[i]);
        slope -= x[i] * next;
        x[i] = next;
    }
    return slope;
}

/* Solve for one row: s receives the minimiser. work is [2 * width]. Steps are halved until the value falls enough. */
DUALPROP__MATH void FORMULA(proximal_row)(double *s, const REAL *a, const REAL *y, double t, int64_t width,
                                          double *work)
{
    double *p = work, *x = work + width, targets = 0, length = 1;
    for (int64_t i = 0; i < width; i++) s[i] = (double)a[i];
    for (int64_t i = 0; i < width; i++) targets += (double)y[i];
    for (int round = 0; round < 60; round++) {
        double value = FORMULA(proximal_value)(p, s, a, y, t, width), size = 0, scale = 1;
        for (int64_t i = 0; i < width; i++) x[i] = -(s[i] - (double)a[i] + t * (targets * p[i] - (double)y[i]));
        double slope = FORMULA(newton_direction)(x, p, t * targets, width);
        for (int64_t i = 0; i < width; i++) size = fmax(size, fabs(x[i])), scale = fmax(scale, fabs(s[i]));
        /* Close to the solution values differ by less than their rounding, and full steps are safe. */
        int is_close = size <= 1e-5 * scale;
        for (length = 1; length > 1e-9; length /= 2) {
            for (int64_t i = 0; i < width; i++) s[i] += length * x[i];
            double next = FORMULA(proximal_value)(p, s, a, y, t, width);
            if (is_close || next <= value + 1e-4 * length * slope) break;
            for (int64_t i = 0; i < width; i++) s[i] -= length * x[i];
        }
        if (!(size > 4e-16 * scale) || length <= 1e-9) return;
    }
}

/* beta loss'(s) of a row, in double. work is [width]. */
DUALPROP__MATH void FORMULA(nudge_row)(double *g, const double *s, const REAL *y, double beta, int64_t width)
{
    double targets = 0;
    for (int64_t i = 0; i < width; i++) targets += (double)y[i];
    FORMULA(proximal_softmax)(g, s, width);
    for (int64_t i = 0; i < width; i++) g[i] = beta * (targets * g[i] - (double)y[i]);
}

/*
 * One row's exact (Eq. 3) or SPROVR step (Eq. 63-68). mean and delta receive the dyads; work is [5 * width].
 * Exact: s+- = a -+ c+- g(s+-), so delta = -(alpha g(s+) + (1 - alpha) g(s-)) and
 * mean = a - alpha^2 g(s+) + (1 - alpha)^2 g(s-). SPROVR: mean solves t = (2 alpha - 1) beta, delta = -g(mean).
 */
DUALPROP__MATH void FORMULA(proximal_step)(double *mean, double *delta, const dualprop_output *output, const REAL *a,
                                           const REAL *y, double *work)
{
    int64_t width = output->width;
    double alpha = output->alpha, rest = 1 - alpha, beta = output->beta;
    double *s = work + 2 * width, *g = work + 3 * width, *low = work + 4 * width;
    if (output->exact == DUALPROP_OUTPUT_SPROVR) {
        FORMULA(proximal_row)(s, a, y, (2 * alpha - 1) * beta, width, work);
        FORMULA(nudge_row)(g, s, y, beta, width);
        for (int64_t i = 0; i < width; i++) mean[i] = (double)a[i] - (2 * alpha - 1) * g[i], delta[i] = -g[i];
        return;
    }
    FORMULA(proximal_row)(s, a, y, alpha * beta, width, work);
    FORMULA(nudge_row)(g, s, y, beta, width);
    FORMULA(proximal_row)(s, a, y, -rest * beta, width, work);
    FORMULA(nudge_row)(low, s, y, beta, width);
    for (int64_t i = 0; i < width; i++) {
        mean[i] = (double)a[i] - alpha * alpha * g[i] + rest * rest * low[i];
        delta[i] = -(alpha * g[i] + rest * low[i]);
    }
}
