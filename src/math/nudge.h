/*
 * nudge.h - from top-down input to a dyad: the gains of a hidden layer, the steps of an output layer, mean and delta.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * (s+, s-) and (mean, delta) are the same information:
 *
 *     mean = alpha s+ + (1 - alpha) s-,   delta = s+ - s-,   s+ = mean + (1 - alpha) delta,   s- = mean - alpha delta.
 *
 * The mean is formed from the state of the greater weight and delta: mean = s+ - (1 - alpha) delta, or
 * mean = s- + alpha delta. So it equals s+ where alpha is 1, s- where alpha is 0, and both if they are equal,
 * exactly; and the four equations hold to the rounding of one operation.
 */

/* The numbers of a hidden layer's update, the same for all its elements; plus and minus are c+ and c-. */
typedef struct FORMULA(gains) {
    REAL plus, minus, sum;
    REAL alpha, rest; /* alpha and 1 - alpha */
    REAL weight;      /* of delta in the mean: alpha - 1 beside s+, alpha beside s- */
    int beside_plus;  /* is the mean formed from s+? */
} FORMULA(gains);

DUALPROP__MATH FORMULA(gains) FORMULA(gains_of)(double plus, double minus, double alpha)
{
    FORMULA(gains) gains;
    gains.plus = (REAL)plus;
    gains.minus = (REAL)minus;
    gains.sum = (REAL)(plus + minus);
    gains.alpha = (REAL)alpha;
    gains.rest = (REAL)(1 - alpha);
    gains.beside_plus = alpha >= 0.5;
    gains.weight = gains.beside_plus ? -gains.rest : gains.alpha;
    return gains;
}

DUALPROP__MATH REAL FORMULA(mean)(REAL plus, REAL minus, REAL delta, const FORMULA(gains) * gains)
{
    return (gains->beside_plus ? plus : minus) + gains->weight * delta;
}

/* One element's dyad. */
typedef struct FORMULA(pair) {
    REAL plus, minus, mean, delta;
} FORMULA(pair);

/* Eq. 2 and 19. */
DUALPROP__MATH FORMULA(pair) FORMULA(hidden_pair)(int activation, REAL a, REAL top_down, const FORMULA(gains) * gains)
{
    FORMULA(pair) pair;
    REAL plus = gains->plus * top_down, minus = gains->minus * top_down;
    FORMULA(states) states = FORMULA(states_of)(activation, a, plus, minus, gains->sum * top_down, gains->beside_plus);
    pair.plus = states.plus;
    pair.minus = states.minus;
    pair.delta = states.difference;
    pair.mean = FORMULA(mean)(pair.plus, pair.minus, pair.delta, gains);
    return pair;
}

/*
 * The numbers of an output step. All steps have one form, with g = beta loss'(.):
 *
 *     s+ = a - plus g,   s- = a + minus g,   mean = a + shift g,   delta = -sum g.
 *
 * The linear step (Eq. 22) has plus = c+ and minus = c-. The exact step of DP with squared error (Eq. 3) has
 * s+ = (a + alpha beta y)/(1 + alpha beta), s- = (a - (1 - alpha) beta y)/(1 - (1 - alpha) beta), which is the same
 * form with plus = alpha/(1 + alpha beta), minus = (1 - alpha)/(1 - (1 - alpha) beta), and their sum simplifies to
 * 1/((1 + alpha beta)(1 - (1 - alpha) beta)). SPROVR's step (Eq. 67, 68) takes the loss at the mean, mean = (a + (2
 * alpha - 1) beta y)/(1 + (2 alpha - 1) beta), delta = -beta (mean - y), which is the form with plus = alpha/n, minus =
 * (1 - alpha)/n, sum = 1/n, n = 1 + (2 alpha - 1) beta. Back-propagation has mean = a and delta = -g.
 */
typedef struct FORMULA(output_gains) {
    REAL plus, minus, sum, shift;
    REAL beta;
} FORMULA(output_gains);

DUALPROP__MATH FORMULA(output_gains) FORMULA(output_gains_of)(const dualprop_output *output)
{
    double alpha = output->alpha, rest = 1 - output->alpha;
    double stiff_plus = output->exact ? 1 + alpha * output->beta : 1;
    double stiff_minus = output->exact ? 1 - rest * output->beta : 1;
    if (output->exact == DUALPROP_OUTPUT_SPROVR) stiff_plus = stiff_minus = 1 + (2 * alpha - 1) * output->beta;
    double plus = output->exact ? alpha / stiff_plus : output->gain_plus;
    double minus = output->exact ? rest / stiff_minus : output->gain_minus;
    double sum = output->exact ? 1 / (stiff_plus * stiff_minus) : plus + minus;
    if (output->exact == DUALPROP_OUTPUT_SPROVR) sum = 1 / stiff_plus;
    FORMULA(output_gains) gains;
    gains.plus = output->derivative ? 0 : (REAL)plus;
    gains.minus = output->derivative ? 0 : (REAL)minus;
    gains.sum = output->derivative ? 1 : (REAL)sum;
    gains.shift = output->derivative ? 0 : (REAL)(rest * minus - alpha * plus);
    gains.beta = (REAL)output->beta;
    return gains;
}

/* The step from a along g = beta loss'(.). */
DUALPROP__MATH FORMULA(pair) FORMULA(output_pair)(REAL a, REAL g, const FORMULA(output_gains) * gains)
{
    FORMULA(pair) pair;
    pair.plus = a - gains->plus * g;
    pair.minus = a + gains->minus * g;
    pair.mean = a + gains->shift * g;
    pair.delta = -(gains->sum * g);
    return pair;
}
