/*
 * optimizer_math.h - one parameter's learning step.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 *     SGD     g' = scale g + decay w,  m = momentum m + g',  w -= rate m
 *     plain   SGD without m: w -= rate g', with the bits of SGD of momentum 0
 *     Adam    g' = scale g + decay w,  m = beta1 m + (1 - beta1) g',  v = beta2 v + (1 - beta2) g'^2,
 *             w -= rate (scale1 m) / (sqrt(scale2 v) + epsilon)
 *     AdamW   as Adam with g' = scale g, and w -= rate decay w beside it
 *
 * The order of operations is part of the contract: a fused step and a separate one have the same bits.
 *
 * Whatever finite parameters and moments go in, finite ones come out: g', m of SGD, Adam's quotient and w are held to
 * limits that no step of a run in good order comes near (the largest gradient, move and weight below), so that a weight
 * of 3e38 under weight decay, or a moment read from a file, does not become an infinity first and a NaN later.
 *
 * A first moment below the smallest normal number becomes zero. Where a relu is dead g is zero and m shrinks by beta1 a
 * step: it would stay subnormal for ever, since beta1 times the smallest subnormal number rounds to itself, and
 * arithmetic with such numbers takes many times as long on most processors. A second moment is flushed where epsilon is
 * above 1e-12 only: sqrt(v) below 1e-19 then is nothing beside it; with a smaller epsilon the quotient would jump.
 */

/* The numbers of a step in the type of the parameters. */
typedef struct FORMULA(step) {
    REAL rate, gradient_scale;
    REAL coupled_decay; /* goes into the gradient: SGD, Adam */
    REAL apart_decay;   /* goes beside it: AdamW */
    REAL momentum;
    REAL beta1, rest1, beta2, rest2;
    REAL scale1, scale2, epsilon;
    REAL least2; /* a second moment below this is zero */
} FORMULA(step);

DUALPROP__MATH REAL FORMULA(smallest_normal)(void)
{
    return (REAL)(sizeof(REAL) == sizeof(float) ? 0x1p-126 : 0x1p-1022);
}

/* The limit for f32 or for f64. */
#define LIMIT(f32, f64) ((REAL)(sizeof(REAL) == sizeof(float) ? (double)(f32) : (double)(f64)))

/* Its square is finite. */
DUALPROP__MATH REAL FORMULA(largest_gradient)(void)
{
    return LIMIT(1e18, 1e150);
}

DUALPROP__MATH REAL FORMULA(largest_move)(void)
{
    return LIMIT(1e30, 1e300);
}

DUALPROP__MATH REAL FORMULA(largest_weight)(void)
{
    return LIMIT(0x1.fffffep127, 0x1.fffffffffffffp1023);
}

#undef LIMIT

/* A NaN stays one. */
DUALPROP__MATH REAL FORMULA(hold)(REAL x, REAL limit)
{
    x = x > limit ? limit : x;
    return x < -limit ? -limit : x;
}

DUALPROP__MATH REAL FORMULA(flush)(REAL x)
{
    return LIBM(fabs)(x) < FORMULA(smallest_normal)() ? 0 : x;
}

DUALPROP__MATH FORMULA(step) FORMULA(step_of)(const dualprop_step_numbers *numbers)
{
    FORMULA(step) step;
    int apart = numbers->kind == DUALPROP_ADAMW;
    step.rate = (REAL)numbers->learning_rate;
    step.gradient_scale = (REAL)numbers->gradient_scale;
    step.coupled_decay = apart ? 0 : (REAL)numbers->weight_decay;
    step.apart_decay = apart ? (REAL)numbers->weight_decay : 0;
    step.momentum = (REAL)numbers->momentum;
    step.beta1 = (REAL)numbers->beta1;
    step.rest1 = (REAL)(1 - numbers->beta1);
    step.beta2 = (REAL)numbers->beta2;
    step.rest2 = (REAL)(1 - numbers->beta2);
    step.scale1 = (REAL)numbers->scale1;
    step.scale2 = (REAL)numbers->scale2;
    step.epsilon = (REAL)numbers->epsilon;
    step.least2 = numbers->epsilon > 1e-12 ? FORMULA(smallest_normal)() : 0;
    return step;
}

DUALPROP__MATH REAL FORMULA(decayed_gradient)(const FORMULA(step) * step, REAL w, REAL g)
{
    return FORMULA(hold)(step->gradient_scale * g + step->coupled_decay * w, FORMULA(largest_gradient)());
}

DUALPROP__MATH REAL FORMULA(sgd)(const FORMULA(step) * step, REAL w, REAL g, REAL *moment)
{
    REAL m = step->momentum * *moment + FORMULA(decayed_gradient)(step, w, g);
    m = FORMULA(flush)(FORMULA(hold)(m, FORMULA(largest_move)()));
    *moment = m;
    return FORMULA(hold)(w - step->rate * m, FORMULA(largest_weight)());
}

/* No moment is read or written. Of SGD's it needs the flush, so that a denormal gradient moves w as it does there. */
DUALPROP__MATH REAL FORMULA(plain_sgd)(const FORMULA(step) * step, REAL w, REAL g)
{
    REAL move = FORMULA(flush)(FORMULA(decayed_gradient)(step, w, g));
    return FORMULA(hold)(w - step->rate * move, FORMULA(largest_weight)());
}

DUALPROP__MATH REAL FORMULA(adam)(const FORMULA(step) * step, REAL w, REAL g, REAL *moment1, REAL *moment2)
{
    REAL slope = FORMULA(decayed_gradient)(step, w, g);
    REAL m = FORMULA(flush)(step->beta1 * *moment1 + step->rest1 * slope);
    REAL v = step->beta2 * *moment2 + step->rest2 * (slope * slope);
    v = v < step->least2 ? 0 : v;
    *moment1 = m;
    *moment2 = v;
    REAL move = (step->scale1 * m) / (LIBM(sqrt)(step->scale2 * v) + step->epsilon);
    move = FORMULA(hold)(move, FORMULA(largest_move)());
    return FORMULA(hold)(w - step->rate * (move + step->apart_decay * w), FORMULA(largest_weight)());
}
