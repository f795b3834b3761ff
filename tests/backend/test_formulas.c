/*
 * test_formulas.c - the arithmetic of one element: against long double, against known answers, and its exact promises.
 */
#include <float.h>
#include <math.h>

#include "main.h"
#include "math/formulas.h"
#include "support/comparison.h"
#include "support/randomness.h"

#define DRAWS 20000

/* ---- f in long double, for the truth ---- */

static long double true_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double truth(int activation, long double x)
{
    switch (activation) {
    case DUALPROP_RELU: return x > 0 ? x : 0;
    case DUALPROP_LEAKY_RELU: return x > 0 ? x : 0.01L * x;
    case DUALPROP_HARD_SIGMOID: return x < 0 ? 0 : x > 1 ? 1 : x;
    case DUALPROP_SIGMOID: return true_sigmoid(x);
    case DUALPROP_TANH: return tanhl(x);
    case DUALPROP_SOFTPLUS: return log1pl(expl(x));
    case DUALPROP_ELU: return x > 0 ? x : expm1l(x);
    case DUALPROP_SILU: return x * true_sigmoid(x);
    default: return x;
    }
}

/* A size between 1e-6 and 1, so that cancellation would show. */
static float draw_top_down(randomness *random)
{
    return (float)(random_uniform(random, -1, 1) * pow(10, -random_uniform(random, 0, 6)));
}

/*
 * delta against the truth at the same a and Delta, for floats. Rounding x = a + c Delta by epsilon |x| changes delta by
 * that times |f''/f'| where f bends (below 2 for tanh, 1 for sigmoid, softplus and elu), and at a kink, or near the
 * minimum of silu, by at most epsilon |span|.
 */
START_TEST(delta_keeps_its_digits)
{
    randomness random = random_start(1);
    for (int i = 0; i < DRAWS; i++) {
        float a = (float)random_uniform(&random, -4, 4), top_down = draw_top_down(&random);
        double alpha = random_uniform(&random, 0, 1);
        dualprop__gains_f32 gains = dualprop__gains_of_f32(alpha, 1 - alpha, alpha);
        dualprop__pair_f32 pair = dualprop__hidden_pair_f32(_i, a, top_down, &gains);
        long double plus = (long double)gains.plus * (long double)top_down;
        long double minus = (long double)gains.minus * (long double)top_down;
        double expected = (double)(truth(_i, a + plus) - truth(_i, a - minus));
        ck_assert_msg(
            comparison_near((double)pair.delta, expected, 4 * FLT_EPSILON * fabs((double)top_down), 40 * FLT_EPSILON),
            "activation %d at a = %.9g, Delta = %.9g, alpha = %.9g: delta %.9g, expected %.9g (seed %llu)", _i,
            (double)a, (double)top_down, alpha, (double)pair.delta, expected, (unsigned long long)random_seed());
    }
}
END_TEST

/* s+ = mean + (1 - alpha) delta and s- = mean - alpha delta, to the rounding of a few operations. */
START_TEST(mean_and_delta_give_the_states_back)
{
    randomness random = random_start(2);
    for (int i = 0; i < DRAWS; i++) {
        double a = random_uniform(&random, -4, 4), top_down = (double)draw_top_down(&random);
        double alpha = random_uniform(&random, 0, 1);
        dualprop__gains_f64 gains = dualprop__gains_of_f64(1 - alpha, alpha, alpha);
        dualprop__pair_f64 pair = dualprop__hidden_pair_f64(_i, a, top_down, &gains);
        ck_assert(comparison_near(pair.mean + (1 - alpha) * pair.delta, pair.plus, 32 * DBL_EPSILON, 0));
        ck_assert(comparison_near(pair.mean - alpha * pair.delta, pair.minus, 32 * DBL_EPSILON, 0));
    }
}
END_TEST

/* Without top-down input, and at alpha 0 and 1 with the gain of that state 0, the mean is f(a) to the bit. */
START_TEST(mean_is_exactly_the_feed_forward_state)
{
    randomness random = random_start(3);
    for (int i = 0; i < DRAWS; i++) {
        float a = (float)random_uniform(&random, -4, 4), f = dualprop__activate_f32(_i, a);
        float top_down = draw_top_down(&random);
        dualprop__gains_f32 one = dualprop__gains_of_f32(0, 1, 1), zero = dualprop__gains_of_f32(1, 0, 0);
        dualprop__gains_f32 between = dualprop__gains_of_f32(0.3, 0.7, random_uniform(&random, 0, 1));
        ck_assert(dualprop__hidden_pair_f32(_i, a, top_down, &one).mean == f);
        ck_assert(dualprop__hidden_pair_f32(_i, a, top_down, &zero).mean == f);
        ck_assert(dualprop__hidden_pair_f32(_i, a, 0, &between).mean == f);
        ck_assert(dualprop__hidden_pair_f32(_i, a, 0, &between).delta == 0);
    }
}
END_TEST

/* f' is the limit of delta / Delta, away from kinks; the conventions hold on them. */
START_TEST(slopes_are_limits)
{
    randomness random = random_start(4);
    for (int i = 0; i < DRAWS; i++) {
        double a = random_uniform(&random, -4, 4), small = 1e-9;
        if (fabs(a) < 1e-6 || fabs(a - 1) < 1e-6) continue;
        double limit = dualprop__difference_f64(_i, a, small / 2, small / 2, small) / small;
        ck_assert(comparison_near(dualprop__slope_f64(_i, a), limit, 1e-9, 0));
    }
    ck_assert(dualprop__relu_slope_f64(0) == 0);
    ck_assert(dualprop__leaky_relu_slope_f64(0) == 0.01);
    ck_assert(dualprop__elu_slope_f64(0) == 1);
    ck_assert(dualprop__hard_sigmoid_slope_f64(0) == 0 && dualprop__hard_sigmoid_slope_f64(1) == 0);
}
END_TEST

/* Where f is the identity delta does not depend on a, so a NaN there shows in the states only. */
START_TEST(nan_passes_through)
{
    dualprop__gains_f32 gains = dualprop__gains_of_f32(0.5, 0.5, 0.5);
    for (int which = 0; which < 2; which++) {
        dualprop__pair_f32 pair = dualprop__hidden_pair_f32(_i, which ? 1 : NAN, which ? NAN : 1, &gains);
        ck_assert(isnan(pair.plus) && isnan(pair.minus) && isnan(pair.mean));
        ck_assert(isnan(pair.delta) || (_i == DUALPROP_IDENTITY && !which));
    }
}
END_TEST

START_TEST(saturation_stays_finite)
{
    dualprop__gains_f32 gains = dualprop__gains_of_f32(0.5, 0.5, 0.5);
    const float far[] = { -FLT_MAX / 8, -1e4f, -100, 100, 1e4f, FLT_MAX / 8 };
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            dualprop__pair_f32 pair = dualprop__hidden_pair_f32(_i, far[i], far[j], &gains);
            ck_assert(isfinite(pair.mean) && isfinite(pair.delta));
        }
}
END_TEST

/* ---- softmax, whose elements share a row ---- */

#define ROW 7

static void true_softmax(long double *s, const float *a, const float *top_down, long double gain)
{
    long double sum = 0;
    for (int i = 0; i < ROW; i++) sum += s[i] = expl((long double)a[i] + gain * (long double)top_down[i]);
    for (int i = 0; i < ROW; i++) s[i] /= sum;
}

/* Delta's greatest size decides the error: rounding h = Delta and the arguments moves delta by less than s of it. */
START_TEST(softmax_delta_keeps_its_digits)
{
    randomness random = random_start(10);
    for (int draw = 0; draw < DRAWS / 4; draw++) {
        float a[ROW], top_down[ROW];
        long double plus[ROW], minus[ROW];
        double alpha = random_uniform(&random, 0, 1), size = 2 * pow(10, -random_uniform(&random, 0, 7));
        for (int i = 0; i < ROW; i++) a[i] = (float)random_uniform(&random, -4, 4);
        for (int i = 0; i < ROW; i++) top_down[i] = (float)random_uniform(&random, -size, size);
        dualprop__gains_f32 gains = dualprop__gains_of_f32(1 - alpha, alpha, alpha);
        dualprop__softmax_dyads_f32 row = dualprop__softmax_dyads_of_f32(a, top_down, ROW, &gains);
        true_softmax(plus, a, top_down, (long double)gains.plus);
        true_softmax(minus, a, top_down, -(long double)gains.minus);
        for (int i = 0; i < ROW; i++) {
            dualprop__pair_f32 pair = dualprop__softmax_pair_f32(&row, a[i], top_down[i], &gains);
            double expected = (double)(plus[i] - minus[i]);
            ck_assert_msg(comparison_near((double)pair.delta, expected, 8 * FLT_EPSILON * size * (double)plus[i],
                                          40 * FLT_EPSILON),
                          "size %g: delta %.9g, expected %.9g (seed %llu)", size, (double)pair.delta, expected,
                          (unsigned long long)random_seed());
            ck_assert(comparison_near((double)pair.plus, (double)plus[i], 0, 20 * FLT_EPSILON));
            ck_assert(comparison_near((double)pair.minus, (double)minus[i], 0, 20 * FLT_EPSILON));
        }
    }
}
END_TEST

/* Delta equal in a whole row is nothing to softmax: to f32 rounding of it, delta is 0, however small the shift. */
START_TEST(softmax_ignores_a_shift)
{
    float a[ROW] = { -3, -1, 0, 0.5f, 1, 2, 4 }, top_down[ROW];
    for (double shift = 1e-6; shift < 1; shift *= 10) {
        for (int i = 0; i < ROW; i++) top_down[i] = (float)shift;
        dualprop__gains_f32 gains = dualprop__gains_of_f32(0.5, 0.5, 0.5);
        dualprop__softmax_dyads_f32 row = dualprop__softmax_dyads_of_f32(a, top_down, ROW, &gains);
        for (int i = 0; i < ROW; i++) {
            dualprop__pair_f32 pair = dualprop__softmax_pair_f32(&row, a[i], top_down[i], &gains);
            ck_assert(comparison_near((double)pair.delta, 0, 4 * FLT_EPSILON * shift, 0));
        }
    }
}
END_TEST

START_TEST(softmax_slopes_are_limits)
{
    randomness random = random_start(11);
    for (int draw = 0; draw < 1000; draw++) {
        double a[ROW], top_down[ROW], small[ROW];
        for (int i = 0; i < ROW; i++) a[i] = random_uniform(&random, -4, 4);
        for (int i = 0; i < ROW; i++) top_down[i] = random_uniform(&random, -1, 1), small[i] = 1e-7 * top_down[i];
        dualprop__gains_f64 gains = dualprop__gains_of_f64(0.5, 0.5, 0.5);
        dualprop__softmax_dyads_f64 near = dualprop__softmax_dyads_of_f64(a, small, ROW, &gains);
        dualprop__softmax_dyads_f64 slope = dualprop__softmax_slopes_of_f64(a, top_down, ROW);
        for (int i = 0; i < ROW; i++) {
            double limit = dualprop__softmax_pair_f64(&near, a[i], small[i], &gains).delta / 1e-7;
            dualprop__pair_f64 pair = dualprop__softmax_slope_pair_f64(&slope, a[i], top_down[i]);
            ck_assert(comparison_near(pair.delta, limit, 1e-13, 0));
        }
    }
}
END_TEST

START_TEST(softmax_saturates_and_shows_nan)
{
    const float far[] = { -FLT_MAX / 8, -1e4f, -100, 100, 1e4f, FLT_MAX / 8 };
    dualprop__gains_f32 gains = dualprop__gains_of_f32(0.5, 0.5, 0.5);
    for (int j = 0; j < 6; j++) {
        float top_down[6] = { far[j], 0, -far[j], 1, far[j], 0 };
        dualprop__softmax_dyads_f32 row = dualprop__softmax_dyads_of_f32(far, top_down, 6, &gains);
        for (int i = 0; i < 6; i++) {
            dualprop__pair_f32 pair = dualprop__softmax_pair_f32(&row, far[i], top_down[i], &gains);
            ck_assert(isfinite(pair.mean) && isfinite(pair.delta) && fabs((double)pair.delta) <= 1);
        }
        top_down[j] = NAN;
        row = dualprop__softmax_dyads_of_f32(far, top_down, 6, &gains);
        dualprop__pair_f32 pair = dualprop__softmax_pair_f32(&row, far[0], top_down[0], &gains);
        ck_assert(isnan(pair.mean) && isnan(pair.delta));
    }
}
END_TEST

/* ---- resting energies ---- */

/* Li2 by its series, which the arguments below 1 make short enough. */
static double dilogarithm(double z)
{
    double sum = 0, power = z;
    for (int n = 1; n < 4000; n++, power *= z) sum += power / ((double)n * n);
    return sum;
}

/* G as dualprop/types.h gives it. */
static double resting_energy(int activation, double s)
{
    switch (activation) {
    case DUALPROP_LEAKY_RELU: return s > 0 ? s * s / 2 : 50 * s * s;
    case DUALPROP_SIGMOID: return s * log(s) + (1 - s) * log(1 - s);
    case DUALPROP_TANH: return ((1 + s) * log(1 + s) + (1 - s) * log(1 - s)) / 2;
    case DUALPROP_SOFTPLUS: return s * s / 2 + dilogarithm(exp(-s));
    case DUALPROP_ELU: return s > 0 ? s * s / 2 : (1 + s) * log(1 + s) - s;
    default: return s * s / 2;
    }
}

/* f(a) minimises G(s) - s a: where f rises, G'(f(a)) = a. */
START_TEST(activations_come_from_their_resting_energy)
{
    randomness random = random_start(12);
    if (_i == DUALPROP_SILU) return;
    for (int draw = 0; draw < 200; draw++) {
        double a = random_uniform(&random, -3, 3), s = dualprop__activate_f64(_i, a), step = 1e-5;
        if (dualprop__slope_f64(_i, a) < 0.009 || fabs(a) < 1e-3) continue;
        double slope = (resting_energy(_i, s + step) - resting_energy(_i, s - step)) / (2 * step);
        ck_assert_msg(comparison_near(slope, a, 1e-5, 1e-5), "activation %d: G'(f(%g)) = %g", _i, a, slope);
    }
}
END_TEST

/* Moving weight from one element to another inside the simplex changes sum s log s by the difference of their a. */
START_TEST(softmax_comes_from_its_resting_energy)
{
    double a[ROW] = { -3, -1, 0, 0.5, 1, 2, 4 }, s[ROW], step = 1e-7;
    dualprop__softmax_of_f64 row = dualprop__softmax_sum_f64(a, NULL, 0, ROW);
    for (int i = 0; i < ROW; i++) s[i] = dualprop__softmax_value_f64(&row, a[i]);
    for (int i = 0; i < ROW; i++)
        for (int j = 0; j < ROW; j++) {
            double up = (s[i] + step) * log(s[i] + step) + (s[j] - step) * log(s[j] - step);
            double down = (s[i] - step) * log(s[i] - step) + (s[j] + step) * log(s[j] + step);
            if (i != j) ck_assert(comparison_near((up - down) / (2 * step), a[i] - a[j], 1e-6, 0));
        }
}
END_TEST

/* ---- the output steps ---- */

/* Eq. 3 and 22 as the paper prints them. */
START_TEST(output_steps_are_the_papers)
{
    randomness random = random_start(5);
    for (int i = 0; i < DRAWS; i++) {
        double a = random_uniform(&random, -2, 2), y = random_uniform(&random, -2, 2);
        double alpha = random_uniform(&random, 0, 1), beta = random_uniform(&random, -0.9, 0.9), rest = 1 - alpha;
        dualprop_output output = {
            .exact = i % 2, .alpha = alpha, .beta = beta, .gain_plus = alpha, .gain_minus = rest
        };
        dualprop__output_gains_f64 gains = dualprop__output_gains_of_f64(&output);
        dualprop__pair_f64 pair = dualprop__output_pair_f64(a, beta * (a - y), &gains);
        double plus = output.exact ? (a + alpha * beta * y) / (1 + alpha * beta) : a - alpha * beta * (a - y);
        double minus = output.exact ? (a - rest * beta * y) / (1 - rest * beta) : a + rest * beta * (a - y);
        ck_assert(comparison_near(pair.plus, plus, 1e-13, 0) && comparison_near(pair.minus, minus, 1e-13, 0));
        ck_assert(comparison_near(pair.delta, plus - minus, 1e-13, 0));
        ck_assert(comparison_near(pair.mean, alpha * plus + rest * minus, 1e-13, 0));
    }
}
END_TEST

/* ---- losses ---- */

static double cross_entropy_moved(const double *s, const double *y, int moved, double by)
{
    double row[5];
    for (int i = 0; i < 5; i++) row[i] = s[i] + (i == moved ? by : 0);
    return dualprop__cross_entropy_f64(row, y, 5);
}

/* By central differences, for targets that do not add up to 1 either. */
START_TEST(loss_slopes_are_derivatives)
{
    randomness random = random_start(6);
    for (int draw = 0; draw < 1000; draw++) {
        double s[5], y[5], step = 1e-5;
        for (int i = 0; i < 5; i++) s[i] = random_uniform(&random, -3, 3), y[i] = random_uniform(&random, 0, 1);
        dualprop__softmax_row_f64 row = dualprop__softmax_row_of_f64(s, y, 5);
        for (int i = 0; i < 5; i++) {
            double slope = (cross_entropy_moved(s, y, i, step) - cross_entropy_moved(s, y, i, -step)) / (2 * step);
            ck_assert(comparison_near(dualprop__cross_entropy_slope_f64(s[i], y[i], &row), slope, 1e-8, 0));
        }
    }
    ck_assert(dualprop__squared_error_slope_f64(3, 1) == 2);
}
END_TEST

START_TEST(losses_by_hand)
{
    const double equal[] = { 7, 7, 7, 7 }, far[] = { -1000, 0, 1000, 0 }, second[] = { 0, 1, 0, 0 };
    ck_assert(comparison_near(dualprop__cross_entropy_f64(equal, second, 4), log(4), 1e-15, 0));
    ck_assert(dualprop__cross_entropy_f64(far, second, 4) == 1000);
    ck_assert(dualprop__squared_error_f64(equal, second, 4) == (3 * 49 + 36) / 2.0);
}
END_TEST

/* Strictly greater values beat the target's class, equal ones before it do, and NaN is never right. */
START_TEST(ranks_by_hand)
{
    const double y[] = { 0, 0, 1, 0 };
    const double first[] = { 1, 2, 3, 2 }, tie_before[] = { 3, 2, 3, 2 }, tie_after[] = { 1, 2, 3, 3 };
    const double last[] = { 9, 8, 3, 7 }, nothing[] = { 1, 2, NAN, 2 }, other[] = { 1, NAN, 3, 2 };
    ck_assert_int_eq(dualprop__rank_of_target_f64(first, y, 4), 0);
    ck_assert_int_eq(dualprop__rank_of_target_f64(tie_before, y, 4), 1);
    ck_assert_int_eq(dualprop__rank_of_target_f64(tie_after, y, 4), 0);
    ck_assert_int_eq(dualprop__rank_of_target_f64(last, y, 4), 3);
    ck_assert_int_eq(dualprop__rank_of_target_f64(nothing, y, 4), 3);
    ck_assert_int_eq(dualprop__rank_of_target_f64(other, y, 4), 1);
}
END_TEST

/* ---- optimizers, one step each with numbers that are exact ---- */

static dualprop_step_numbers numbers_of(int kind, double decay)
{
    return (dualprop_step_numbers){ .kind = kind,
                                    .learning_rate = 0.5,
                                    .momentum = 0.75,
                                    .beta1 = 0.75,
                                    .beta2 = 0.5,
                                    .epsilon = 1,
                                    .scale1 = 2,
                                    .scale2 = 4,
                                    .weight_decay = decay,
                                    .gradient_scale = 0.5 };
}

/* w = 2, g = 8, so that scaled g is 4. */
START_TEST(sgd_by_hand)
{
    dualprop_step_numbers numbers = numbers_of(DUALPROP_SGD, 0.25);
    dualprop__step_f64 step = dualprop__step_of_f64(&numbers);
    double m = 4, w = dualprop__sgd_f64(&step, 2, 8, &m);
    ck_assert(m == 0.75 * 4 + 4 + 0.25 * 2);
    ck_assert(w == 2 - 0.5 * 7.5);
}
END_TEST

/* m = .75 * 4 + .25 * 4 = 4, v = .5 * 2 + .5 * 16 = 9, so the move is 2 * 4 / (sqrt(4 * 9) + 1) = 8/7. */
START_TEST(adam_by_hand)
{
    dualprop_step_numbers numbers = numbers_of(DUALPROP_ADAM, 0);
    dualprop__step_f64 step = dualprop__step_of_f64(&numbers);
    double m = 4, v = 2, w = dualprop__adam_f64(&step, 2, 8, &m, &v);
    ck_assert(m == 4 && v == 9);
    ck_assert(comparison_near(w, 2 - 0.5 * 8 / 7, 1e-15, 0));
}
END_TEST

/* Adam's decay goes through the moments: g' = 4 + 1 * 2 = 6. AdamW's does not. */
START_TEST(weight_decay_by_hand)
{
    dualprop_step_numbers coupled = numbers_of(DUALPROP_ADAM, 1), apart = numbers_of(DUALPROP_ADAMW, 1);
    dualprop__step_f64 first = dualprop__step_of_f64(&coupled), second = dualprop__step_of_f64(&apart);
    double m = 4, v = 2, w = dualprop__adam_f64(&first, 2, 8, &m, &v);
    ck_assert(m == 4.5 && v == 19);
    ck_assert(comparison_near(w, 2 - 0.5 * 9 / (sqrt(76) + 1), 1e-15, 0));
    m = 4, v = 2, w = dualprop__adam_f64(&second, 2, 8, &m, &v);
    ck_assert(m == 4 && v == 9);
    ck_assert(comparison_near(w, 2 - 0.5 * (8.0 / 7 + 2), 1e-15, 0));
}
END_TEST

/* ---- random numbers ---- */

/* The known answers that come with Random123, for ten rounds. */
START_TEST(philox_gives_the_known_answers)
{
    static const struct {
        uint64_t seed, stream, index;
        uint32_t words[4];
    } known[] = {
        { 0, 0, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { UINT64_MAX, UINT64_MAX, UINT64_MAX, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { 0x299f31d0a4093822,
          0x0370734413198a2e,
          0x85a308d3243f6a88,
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < 3; i++) {
        dualprop__philox_block block = dualprop__philox(known[i].seed, known[i].stream, known[i].index);
        for (int j = 0; j < 4; j++) ck_assert_uint_eq(block.word[j], known[i].words[j]);
    }
}
END_TEST

START_TEST(uniforms_lie_strictly_inside)
{
    ck_assert(dualprop__uniform_f32(0) > 0 && dualprop__uniform_f32(UINT32_MAX) < 1);
    ck_assert(dualprop__uniform_f64(0) > 0 && dualprop__uniform_f64(UINT32_MAX) < 1);
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = dualprop__uniform_f64(dualprop__philox_word(7, 0, i));
        sum += u, squares += u * u;
    }
    ck_assert(comparison_near(sum / 1e5, 0.5, 0.005, 0));
    ck_assert(comparison_near(squares / 1e5, 1.0 / 3, 0.005, 0));
}
END_TEST

Suite *test_formulas_suite(void);
Suite *test_formulas_suite(void)
{
    Suite *suite = suite_create("formulas");
    TCase *activations = tcase_create("activations"), *rest = tcase_create("rest");
    tcase_add_loop_test(activations, delta_keeps_its_digits, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, mean_and_delta_give_the_states_back, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, mean_is_exactly_the_feed_forward_state, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, slopes_are_limits, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, nan_passes_through, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, saturation_stays_finite, 0, DUALPROP_SOFTMAX);
    tcase_add_loop_test(activations, activations_come_from_their_resting_energy, 0, DUALPROP_SOFTMAX);
    tcase_add_test(activations, softmax_delta_keeps_its_digits);
    tcase_add_test(activations, softmax_ignores_a_shift);
    tcase_add_test(activations, softmax_slopes_are_limits);
    tcase_add_test(activations, softmax_saturates_and_shows_nan);
    tcase_add_test(activations, softmax_comes_from_its_resting_energy);
    tcase_add_test(rest, output_steps_are_the_papers);
    tcase_add_test(rest, loss_slopes_are_derivatives);
    tcase_add_test(rest, losses_by_hand);
    tcase_add_test(rest, ranks_by_hand);
    tcase_add_test(rest, sgd_by_hand);
    tcase_add_test(rest, adam_by_hand);
    tcase_add_test(rest, weight_decay_by_hand);
    tcase_add_test(rest, philox_gives_the_known_answers);
    tcase_add_test(rest, uniforms_lie_strictly_inside);
    suite_add_tcase(suite, activations);
    suite_add_tcase(suite, rest);
    return suite;
}
