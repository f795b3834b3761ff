/*
 * activation.h - activations f, their slopes f', and differences f(x) - f(y) that do not cancel.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 * The two states of a dyad lie at x = a + plus and y = a - minus, and span = x - y is known better than the rounded x
 * and y can tell: it is (c+ + c-) Delta. Subtracting f(x) and f(y) would lose all digits of a small span, so each
 * activation f has a function f_difference(a, plus, minus, span) that does not:
 *
 *   piecewise linear   both states on one piece: slope * span, exactly; on two pieces: the plain difference, whose
 *                      terms lie on either side of the kink
 *   sigmoid            f(x) - f(y) = f(x) f(-y) (1 - e^-(x - y)), every factor of which is accurate
 *   tanh               tanh x = 2 sigmoid(2x) - 1
 *   softplus           f(x) - f(y) = log(1 + sigmoid(y) (e^(x - y) - 1)) while |x - y| is small, whichever is greater
 *   elu                below 0: f(x) - f(y) = e^x (1 - e^-(x - y)); across 0 both terms have one sign
 *   silu               the product rule: the mean of the sigmoids times x - y, plus their difference times the mean
 *
 * Both states and their difference together are f_states(a, plus, minus, span, beside_plus). The state that the mean is
 * formed beside (nudge.h) is f of its argument to the bit; the other one may be formed from it and the difference.
 *
 * Softmax is not elementwise; it is in softmax.h.
 */

/* f(a + plus), f(a - minus), and the first less the second. */
typedef struct FORMULA(states) {
    REAL plus, minus, difference;
} FORMULA(states);

/* ---- identity ---- */

DUALPROP__MATH REAL FORMULA(identity)(REAL x)
{
    return x;
}

DUALPROP__MATH REAL FORMULA(identity_slope)(REAL x)
{
    (void)x;
    return 1;
}

DUALPROP__MATH REAL FORMULA(identity_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    (void)a, (void)plus, (void)minus;
    return span;
}

/* ---- relu: max(x, 0); the slope at 0 is 0 ---- */

DUALPROP__MATH REAL FORMULA(relu)(REAL x)
{
    return 0 > x ? 0 : x;
}

DUALPROP__MATH REAL FORMULA(relu_slope)(REAL x)
{
    return x > 0 ? (REAL)1 : (REAL)0;
}

DUALPROP__MATH REAL FORMULA(relu_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    REAL x = a + plus, y = a - minus;
    REAL across = FORMULA(relu)(x) - FORMULA(relu)(y);
    return ((x > 0) & (y > 0)) ? span : across;
}

/* ---- leaky relu: x above 0, 0.01 x below; the slope at 0 is 0.01 ---- */

DUALPROP__MATH REAL FORMULA(leaky_relu)(REAL x)
{
    return x > 0 ? x : (REAL)0.01 * x;
}

DUALPROP__MATH REAL FORMULA(leaky_relu_slope)(REAL x)
{
    return x > 0 ? (REAL)1 : (REAL)0.01;
}

DUALPROP__MATH REAL FORMULA(leaky_relu_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    REAL x = a + plus, y = a - minus;
    REAL across = FORMULA(leaky_relu)(x) - FORMULA(leaky_relu)(y);
    REAL together = ((x > 0) & (y > 0)) ? span : across;
    return ((x <= 0) & (y <= 0)) ? (REAL)0.01 * span : together;
}

/* ---- hard sigmoid: x clipped to [0, 1]; the slope at 0 and at 1 is 0 ---- */

DUALPROP__MATH REAL FORMULA(clip)(REAL x, REAL low, REAL high)
{
    REAL below = high < x ? high : x;
    return low > below ? low : below;
}

DUALPROP__MATH REAL FORMULA(hard_sigmoid)(REAL x)
{
    return FORMULA(clip)(x, 0, 1);
}

DUALPROP__MATH REAL FORMULA(hard_sigmoid_slope)(REAL x)
{
    return ((x > 0) & (x < 1)) ? (REAL)1 : (REAL)0;
}

/* Distances are taken from the nearer kink, so that a step across the kink at 1 keeps its digits as one at 0 does. */
DUALPROP__MATH REAL FORMULA(hard_sigmoid_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    REAL kink = a > (REAL)0.5 ? (REAL)1 : (REAL)0;
    REAL low = -kink, high = 1 - kink;
    REAL x = (a - kink) + plus, y = (a - kink) - minus;
    REAL across = FORMULA(clip)(x, low, high) - FORMULA(clip)(y, low, high);
    return ((x > low) & (x < high) & (y > low) & (y < high)) ? span : across;
}

/*
 * ---- sigmoid: 1 / (1 + e^-x) ----
 *
 * All of it is made of e^-|x|, which never overflows; the compiler finds the one of sigmoid(x) in sigmoid(-x), in the
 * slope and in the difference, so that a dyad costs three exponentials.
 */

DUALPROP__MATH REAL FORMULA(sigmoid)(REAL x)
{
    REAL fall = FORMULA(exp)(-LIBM(fabs)(x));
    return (x < 0 ? fall : 1) / (1 + fall);
}

DUALPROP__MATH REAL FORMULA(sigmoid_slope)(REAL x)
{
    REAL fall = FORMULA(exp)(-LIBM(fabs)(x));
    return fall / ((1 + fall) * (1 + fall));
}

/* sigmoid(x) - sigmoid(y), where span = x - y: the greater of the two less the other one, with the sign of span. */
DUALPROP__MATH REAL FORMULA(sigmoid_span)(REAL x, REAL y, REAL span)
{
    REAL fall_x = FORMULA(exp)(-LIBM(fabs)(x)), fall_y = FORMULA(exp)(-LIBM(fabs)(y));
    REAL rise = -FORMULA(expm1)(-LIBM(fabs)(span));
    REAL upward = (x < 0 ? fall_x : 1) * (y < 0 ? 1 : fall_y);
    REAL downward = (y < 0 ? fall_y : 1) * (x < 0 ? 1 : fall_x);
    REAL size = (span < 0 ? downward : upward) / ((1 + fall_x) * (1 + fall_y));
    return LIBM(copysign)(size * rise, span);
}

DUALPROP__MATH REAL FORMULA(sigmoid_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    return FORMULA(sigmoid_span)(a + plus, a - minus, span);
}

/* ---- tanh ---- */

DUALPROP__MATH REAL FORMULA(tanh)(REAL x)
{
    return FORMULA(hyperbolic_tangent)(x);
}

DUALPROP__MATH REAL FORMULA(tanh_slope)(REAL x)
{
    return 4 * FORMULA(sigmoid_slope)(2 * x);
}

DUALPROP__MATH REAL FORMULA(tanh_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    return 2 * FORMULA(sigmoid_span)(2 * (a + plus), 2 * (a - minus), 2 * span);
}

/* ---- softplus: log(1 + e^x) ---- */

DUALPROP__MATH REAL FORMULA(softplus)(REAL x)
{
    REAL positive = 0 > x ? 0 : x;
    return positive + FORMULA(log1p)(FORMULA(exp)(-LIBM(fabs)(x)));
}

DUALPROP__MATH REAL FORMULA(softplus_slope)(REAL x)
{
    return FORMULA(sigmoid)(x);
}

/*
 * From the state `at`, which the mean is formed beside, to the other one, `way` further. While |way| is at most 1 their
 * difference is the logarithm of the quotient, and the other state the sum; above, it is the plain difference of two
 * positive numbers, of which softplus(x) = x + softplus(-x) takes away the large part where both arguments are
 * positive. Either way there are two exponentials and two logarithms.
 */
DUALPROP__MATH FORMULA(states) FORMULA(softplus_states)(REAL a, REAL plus, REAL minus, REAL span, int beside_plus)
{
    REAL x = a + plus, y = a - minus;
    REAL at = beside_plus ? x : y, to = beside_plus ? y : x, way = beside_plus ? -span : span;
    int is_near = LIBM(fabs)(way) <= 1;
    REAL fall = FORMULA(exp)(-LIBM(fabs)(at)), gate = (at < 0 ? fall : 1) / (1 + fall);
    REAL power = FORMULA(exp_or_expm1)(is_near ? way : -LIBM(fabs)(to), is_near);
    REAL own_part = FORMULA(log1p)(fall), part = FORMULA(log1p)(is_near ? gate * power : power);
    REAL own = (0 > at ? 0 : at) + own_part, other = (is_near ? own : 0 > to ? 0 : to) + part;
    REAL above = way + (part - own_part), across = other - own;
    REAL far = ((at > 0) & (to > 0)) ? above : across;
    REAL difference = is_near ? part : far;
    FORMULA(states) states;
    states.plus = beside_plus ? own : other;
    states.minus = beside_plus ? other : own;
    states.difference = beside_plus ? -difference : difference;
    return states;
}

DUALPROP__MATH REAL FORMULA(softplus_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    return FORMULA(softplus_states)(a, plus, minus, span, 0).difference;
}

/* ---- elu: x above 0, e^x - 1 below; the slope at 0 is 1 from both sides ---- */

DUALPROP__MATH REAL FORMULA(elu)(REAL x)
{
    REAL below = FORMULA(expm1)(x);
    return x > 0 ? x : below;
}

DUALPROP__MATH REAL FORMULA(elu_slope)(REAL x)
{
    REAL below = FORMULA(exp)(x);
    return x > 0 ? (REAL)1 : below;
}

DUALPROP__MATH REAL FORMULA(elu_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    REAL x = a + plus, y = a - minus;
    REAL greater = span < 0 ? y : x;
    REAL below = LIBM(copysign)(FORMULA(exp)(greater) * -FORMULA(expm1)(-LIBM(fabs)(span)), span);
    REAL across = FORMULA(elu)(x) - FORMULA(elu)(y);
    REAL together = ((x > 0) & (y > 0)) ? span : across;
    return ((x <= 0) & (y <= 0)) ? below : together;
}

/* ---- silu: x sigmoid(x) ---- */

DUALPROP__MATH REAL FORMULA(silu)(REAL x)
{
    return x * FORMULA(sigmoid)(x);
}

DUALPROP__MATH REAL FORMULA(silu_slope)(REAL x)
{
    return FORMULA(sigmoid)(x) * (1 + x * FORMULA(sigmoid)(-x));
}

DUALPROP__MATH REAL FORMULA(silu_difference)(REAL a, REAL plus, REAL minus, REAL span)
{
    REAL x = a + plus, y = a - minus;
    REAL gate = (REAL)0.5 * (FORMULA(sigmoid)(x) + FORMULA(sigmoid)(y));
    REAL middle = (REAL)0.5 * x + (REAL)0.5 * y;
    return gate * span + middle * FORMULA(sigmoid_span)(x, y, span);
}

/* ---- both states and their difference; softplus has its own ---- */

#define STATES_OF(name)                                                                                              \
    DUALPROP__MATH FORMULA(states) FORMULA(name##_states)(REAL a, REAL plus, REAL minus, REAL span, int beside_plus) \
    {                                                                                                                \
        FORMULA(states) states;                                                                                      \
        (void)beside_plus;                                                                                           \
        states.plus = FORMULA(name)(a + plus);                                                                       \
        states.minus = FORMULA(name)(a - minus);                                                                     \
        states.difference = FORMULA(name##_difference)(a, plus, minus, span);                                        \
        return states;                                                                                               \
    }
STATES_OF(identity)
STATES_OF(relu)
STATES_OF(leaky_relu)
STATES_OF(hard_sigmoid)
STATES_OF(sigmoid)
STATES_OF(tanh)
STATES_OF(elu)
STATES_OF(silu)
#undef STATES_OF

/* ---- by number: for code that need not be fast ---- */

DUALPROP__MATH REAL FORMULA(activate)(int activation, REAL x)
{
    switch (activation) {
    case DUALPROP_RELU: return FORMULA(relu)(x);
    case DUALPROP_LEAKY_RELU: return FORMULA(leaky_relu)(x);
    case DUALPROP_HARD_SIGMOID: return FORMULA(hard_sigmoid)(x);
    case DUALPROP_SIGMOID: return FORMULA(sigmoid)(x);
    case DUALPROP_TANH: return FORMULA(tanh)(x);
    case DUALPROP_SOFTPLUS: return FORMULA(softplus)(x);
    case DUALPROP_ELU: return FORMULA(elu)(x);
    case DUALPROP_SILU: return FORMULA(silu)(x);
    default: return FORMULA(identity)(x);
    }
}

DUALPROP__MATH REAL FORMULA(slope)(int activation, REAL x)
{
    switch (activation) {
    case DUALPROP_RELU: return FORMULA(relu_slope)(x);
    case DUALPROP_LEAKY_RELU: return FORMULA(leaky_relu_slope)(x);
    case DUALPROP_HARD_SIGMOID: return FORMULA(hard_sigmoid_slope)(x);
    case DUALPROP_SIGMOID: return FORMULA(sigmoid_slope)(x);
    case DUALPROP_TANH: return FORMULA(tanh_slope)(x);
    case DUALPROP_SOFTPLUS: return FORMULA(softplus_slope)(x);
    case DUALPROP_ELU: return FORMULA(elu_slope)(x);
    case DUALPROP_SILU: return FORMULA(silu_slope)(x);
    default: return FORMULA(identity_slope)(x);
    }
}

DUALPROP__MATH FORMULA(states)
    FORMULA(states_of)(int activation, REAL a, REAL plus, REAL minus, REAL span, int beside_plus)
{
    switch (activation) {
    case DUALPROP_RELU: return FORMULA(relu_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_LEAKY_RELU: return FORMULA(leaky_relu_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_HARD_SIGMOID: return FORMULA(hard_sigmoid_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_SIGMOID: return FORMULA(sigmoid_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_TANH: return FORMULA(tanh_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_SOFTPLUS: return FORMULA(softplus_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_ELU: return FORMULA(elu_states)(a, plus, minus, span, beside_plus);
    case DUALPROP_SILU: return FORMULA(silu_states)(a, plus, minus, span, beside_plus);
    default: return FORMULA(identity_states)(a, plus, minus, span, beside_plus);
    }
}

DUALPROP__MATH REAL FORMULA(difference)(int activation, REAL a, REAL plus, REAL minus, REAL span)
{
    return FORMULA(states_of)(activation, a, plus, minus, span, 0).difference;
}
