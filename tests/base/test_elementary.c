/*
 * test_elementary.c - exp, expm1, log1p and tanh of src/math: at most 2 units in the last place from the exact result.
 *
 * Floats against libm in double; doubles, at random places, against long double. DUALPROP_TEST_ALL_FLOATS=1 tries every
 * float (a minute), else every 251st.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "math/formulas.h"
#include "support/randomness.h"

Suite *test_elementary_suite(void);

struct function {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    double (*exact_f32)(double);
    long double (*exact_f64)(long double);
    double least, most; /* where doubles are drawn; floats are taken from all that are above `least_float` */
    double least_float;
};

static const struct function functions[] = {
    { "exp", dualprop__exp_f32, dualprop__exp_f64, exp, expl, -750, 712, -INFINITY },
    { "expm1", dualprop__expm1_f32, dualprop__expm1_f64, expm1, expm1l, -45, 712, -INFINITY },
    { "log1p", dualprop__log1p_f32, dualprop__log1p_f64, log1p, log1pl, -1, 1e9, -1 },
    { "tanh", dualprop__hyperbolic_tangent_f32, dualprop__hyperbolic_tangent_f64, tanh, tanhl, -25, 25, -INFINITY },
};
#define FUNCTIONS ((int)(sizeof functions / sizeof functions[0]))

/* How many units in the last place of `digits` bits (none finer than 2^least) a value is away from the exact one. */
static double units_off(long double value, long double exact, int digits, int least)
{
    int exponent;
    frexpl(exact, &exponent);
    exponent -= digits;
    return (double)(fabsl(value - exact) / ldexpl(1, exponent < least ? least : exponent));
}

START_TEST(floats_are_within_two_units)
{
    const struct function *f = &functions[_i];
    uint64_t step = getenv("DUALPROP_TEST_ALL_FLOATS") ? 1 : 251;
    double worst = 0;
    float at = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step) {
        float x = dualprop__real_f32((uint32_t)bits), value, rounded;
        if (!(x > f->least_float) || !isfinite(x)) continue;
        double exact = f->exact_f32((double)x);
        value = f->f32(x), rounded = (float)exact;
        double off = isfinite(value) && isfinite(rounded) ? units_off(value, exact, 24, -149)
                     : value == rounded                   ? 0
                                                          : 1e9;
        if (off > worst) worst = off, at = x;
    }
    ck_assert_msg(worst <= 2, "%s of the float %a is %.3f units off", f->name, (double)at, worst);
}
END_TEST

/* A quarter of the numbers each: the whole range, close to 0, around 1, and all magnitudes. */
static double draw(randomness *random, const struct function *f, int i)
{
    double x = f->least + (f->most - f->least) * random_uniform(random, 0, 1);
    if (i % 4 == 1) return x * 1e-3 * random_uniform(random, 0, 1);
    if (i % 4 == 2) return random_uniform(random, f->least < -2 ? -2 : f->least, 2);
    return i % 4 == 3 ? ldexp(x, -(int)(60 * random_uniform(random, 0, 1))) : x;
}

START_TEST(doubles_are_within_two_units)
{
    const struct function *f = &functions[_i];
    randomness random = random_start((uint64_t)_i);
    for (int i = 0; i < 2000000; i++) {
        double x = draw(&random, f, i), value = f->f64(x);
        if (!(x > f->least)) continue;
        long double exact = f->exact_f64((long double)x);
        double rounded = (double)exact;
        double off = isfinite(value) && isfinite(rounded) ? units_off(value, exact, 53, -1074)
                     : value == rounded                   ? 0
                                                          : 1e9;
        if (off > 2)
            ck_abort_msg("%s of %a is %.3f units off (seed %llu)", f->name, x, off, (unsigned long long)random_seed());
    }
}
END_TEST

START_TEST(limits_and_nan)
{
    const struct function *f = &functions[_i];
    static const double places[] = { 0.0, -0.0, INFINITY, -INFINITY, 1e-45, -1e-45, 1e-310, -1e-310, 1e30, -1e30 };
    ck_assert(isnan(f->f32(NAN)) && isnan(f->f64(NAN)));
    for (int i = 0; i < (int)(sizeof places / sizeof places[0]); i++) {
        double x = places[i];
        if (f->least_float > -2 && !(x > -1 && x < INFINITY)) continue;
        ck_assert_msg(f->f32((float)x) == (float)f->exact_f32((double)(float)x), "%s of %g", f->name, x);
        ck_assert_msg(f->f64(x) == (double)f->exact_f64((long double)x), "%s of %g", f->name, x);
    }
}
END_TEST

Suite *test_elementary_suite(void)
{
    Suite *suite = suite_create("elementary functions");
    TCase *errors = tcase_create("errors");
    tcase_add_loop_test(errors, floats_are_within_two_units, 0, FUNCTIONS);
    tcase_add_loop_test(errors, doubles_are_within_two_units, 0, FUNCTIONS);
    tcase_add_loop_test(errors, limits_and_nan, 0, FUNCTIONS);
    suite_add_tcase(suite, errors);
    return suite;
}
