/*
 * optimizer_math.h - one parameter's learning step.
 *
 * A template of formulas.h, included once a type; it has no include guard on purpose.
 *
 *     SGD     g' = scale g + decay w,  m = momentum m + g',  w -= rate m
 *     Adam    g' = scale g + decay w,  m = beta1 m + (1 - beta1) g',  v = beta2 v + (1 - beta2) g'^2,
 *             w -= rate (scale1 m) / (sqrt(scale2 v) + epsilon)
 *     AdamW   as Adam with g' = scale g, and w -= rate decay w beside it
 *
 * The order of operations is part of the contract: a fused step and a separate one have the same bits.
 */

/* The numbers of a step in the type of the parameters. */
typedef struct FORMULA(step) {
    REAL rate, gradient_scale;
    REAL coupled_decay;  /* goes into the gradient: SGD, Adam */
    REAL apart_decay;    /* goes beside it: AdamW */
    REAL momentum;
    REAL beta1, rest1, beta2, rest2;
    REAL scale1, scale2, epsilon;
} FORMULA(step);

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
    return step;
}

DUALPROP__MATH REAL FORMULA(sgd)(const FORMULA(step) *step, REAL w, REAL g, REAL *moment)
{
    REAL m = step->momentum * *moment + (step->gradient_scale * g + step->coupled_decay * w);
    *moment = m;
    return w - step->rate * m;
}

DUALPROP__MATH REAL FORMULA(adam)(const FORMULA(step) *step, REAL w, REAL g, REAL *moment1, REAL *moment2)
{
    REAL slope = step->gradient_scale * g + step->coupled_decay * w;
    REAL m = step->beta1 * *moment1 + step->rest1 * slope;
    REAL v = step->beta2 * *moment2 + step->rest2 * (slope * slope);
    *moment1 = m;
    *moment2 = v;
    REAL move = (step->scale1 * m) / (LIBM(sqrt)(step->scale2 * v) + step->epsilon);
    return w - step->rate * (move + step->apart_decay * w);
}
