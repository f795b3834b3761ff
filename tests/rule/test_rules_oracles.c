/*
 * test_rules_oracles.c - what the mathematics says of every rule: limits and orders in beta, symmetries, App. G,
 * Prop. 4.1 and 4.2, descent, and that each objective's gradient is the one it claims, by finite differences.
 *
 * In f64. Where two computations of the same thing are compared, 1e-12 allows some hundred roundings.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/backends.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/singular_values.h"

Suite *test_rules_oracles_suite(void);

static struct model model;

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 4,
        .widths = { 7, 12, 9, 8, 5 },
        .activation = DUALPROP_RELU,
        .variant = DUALPROP_DP,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 3,
        .passes = 1,
    };
}

static int is_damped(int variant)
{
    return variant == DUALPROP_DP_DAMPED || variant == DUALPROP_LPOM || variant == DUALPROP_INVERTED_LPOM;
}

/* ---- 1: small beta equals back-propagation, whatever the rule and the schedule ---- */

/* Passes after which delta has reached every layer; damped states approach their fixed point by a factor a pass. */
static int enough_passes(const struct small_plan *plan)
{
    static const int PASSES[] = { 1, 4, 1, 4, 4, 5, 60, 400, 1 };
    return is_damped(plan->variant) ? 400 : PASSES[plan->schedule];
}

static const int32_t DOWN_AND_UP[] = { 4, 3, 2, 1, 2, 3, 4, 3, 2, 1 };

static void set_order(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_order(rule, DOWN_AND_UP, 10));
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.7));
}

START_TEST(small_beta_equals_back_propagation)
{
    struct small_plan plan = plan_of(_i);
    plan.beta = 1e-6;
    plan.alpha = 0.3;
    plan.configure = set_order;
    for (plan.variant = DUALPROP_DP; plan.variant <= DUALPROP_LECUN; plan.variant++)
        for (plan.schedule = DUALPROP_FORWARD_BACKWARD; plan.schedule <= DUALPROP_LIST; plan.schedule++)
            for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
                plan.passes = enough_passes(&plan);
                double error = small_error_of(&plan);
                ck_assert_msg(error < 1e-5, "%s, %s, %s: %.3g from back-propagation",
                              dualprop_name(DUALPROP_NAMES_RULE, plan.variant),
                              dualprop_name(DUALPROP_NAMES_SCHEDULE, plan.schedule),
                              dualprop_name(DUALPROP_NAMES_LOSS, plan.loss), error);
            }
}
END_TEST

/* ---- 2: the order in beta; LeCun's variant has no error at all ---- */

static void expect_order(struct small_plan plan, double order)
{
    plan.beta = 1e-2;
    double coarse = small_error_of(&plan);
    plan.beta = 1e-3;
    double measured = log10(coarse / small_error_of(&plan));
    ck_assert_msg(fabs(measured - order) < 0.1, "%s, step %s, loss %s, alpha %g: order %g, expected %g",
                  dualprop_name(DUALPROP_NAMES_RULE, plan.variant),
                  dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, plan.output_step),
                  dualprop_name(DUALPROP_NAMES_LOSS, plan.loss), plan.alpha, measured, order);
}

START_TEST(orders_of_the_output_steps)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_TANH;
    plan.passes = 5;
    for (plan.output_step = DUALPROP_OUTPUT_LINEAR; plan.output_step <= DUALPROP_OUTPUT_SPROVR; plan.output_step++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
            plan.alpha = 0.5;
            expect_order(plan, 2);
            plan.alpha = 0;
            expect_order(plan, 1);
            plan.alpha = 1;
            expect_order(plan, 1);
        }
    plan.output_step = DUALPROP_OUTPUT_LINEAR;
    plan.loss = DUALPROP_MSE;
    plan.variant = DUALPROP_FENCHEL;
    expect_order(plan, 1);
}
END_TEST

START_TEST(lecun_equals_back_propagation_at_any_beta)
{
    struct small_plan plan = plan_of(_i);
    plan.variant = DUALPROP_LECUN;
    for (plan.activation = DUALPROP_IDENTITY; plan.activation <= DUALPROP_TANH; plan.activation++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
            for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.5)
                for (plan.beta = -2; plan.beta < 5; plan.beta += 3) ck_assert_double_le(small_error_of(&plan), 1e-13);
}
END_TEST

/* With the sign that the paper prints, delta of every other layer would have the other sign. */
START_TEST(lecun_has_the_sign_that_descends)
{
    struct small_plan plan = plan_of(_i);
    double delta[SMALL_MAX_REALS], expected[SMALL_MAX_REALS];
    plan.variant = DUALPROP_LECUN;
    plan.activation = DUALPROP_IDENTITY;
    struct small_network small = small_create(&plan), twin = small_twin(&small, DUALPROP_BP);
    expect_ok(small_infer(&small));
    expect_ok(small_infer(&twin));
    for (int k = 1; k <= plan.layers; k++) {
        small_read(delta, &small, k, DUALPROP_S_DELTA);
        small_read(expected, &twin, k, DUALPROP_S_DELTA);
        for (int64_t i = 0; i < plan.batch * plan.widths[k]; i++) expected[i] *= plan.beta;
        ck_assert_double_le(relative_difference(delta, expected, plan.batch * plan.widths[k]), 1e-13);
    }
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* ---- 3: names that say alpha ---- */

START_TEST(fenchel_is_the_adjoint_at_zero)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], other[SMALL_MAX_REALS];
    plan.variant = DUALPROP_FENCHEL;
    struct small_network small = small_create(&plan);
    plan.variant = DUALPROP_DP_ADJOINT;
    plan.alpha = 0;
    struct small_network same = small_create(&plan);
    expect_ok(small_infer(&small));
    expect_ok(small_infer(&same));
    for (int k = 1; k <= plan.layers; k++) {
        small_read(plus, &small, k, DUALPROP_S_PLUS);
        small_read(other, &same, k, DUALPROP_S_PLUS);
        ck_assert(memcmp(plus, other, (size_t)(plan.batch * plan.widths[k]) * sizeof *plus) == 0);
    }
    small_destroy(&same);
    small_destroy(&small);
}
END_TEST

START_TEST(names_that_fix_alpha_refuse_another)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    double alpha;
    static const double FIXED[] = { 1, 0, 0 };
    for (int variant = DUALPROP_LPOM; variant <= DUALPROP_FENCHEL; variant++) {
        expect_ok(dualprop_rule_set_variant(small.rule, variant));
        expect_ok(dualprop_rule_get_alpha(&alpha, small.rule));
        ck_assert(alpha == FIXED[variant - DUALPROP_LPOM]);
        expect_ok(dualprop_rule_set_alpha(small.rule, alpha));
        expect_error(dualprop_rule_set_alpha(small.rule, 0.5), DUALPROP_ERROR_INVALID_ARGUMENT, "alpha");
        expect_error(dualprop_rule_set_layer_alpha(small.rule, 2, 0.5), DUALPROP_ERROR_INVALID_ARGUMENT, "alpha");
    }
    small_destroy(&small);
}
END_TEST

/* ---- 4: (alpha, beta) -> (1 - alpha, -beta) swaps s+ and s- ---- */

START_TEST(swapping_alpha_and_beta_swaps_the_states)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS];
    static const int VARIANTS[] = { DUALPROP_DP, DUALPROP_DP_ADJOINT, DUALPROP_DP_DAMPED, DUALPROP_LECUN };
    plan.passes = 3;
    for (int i = 0; i < 4; i++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
            for (plan.output_step = DUALPROP_OUTPUT_LINEAR; plan.output_step <= DUALPROP_OUTPUT_SPROVR;
                 plan.output_step++) {
                plan.variant = VARIANTS[i];
                if (plan.variant == DUALPROP_LECUN && plan.output_step != DUALPROP_OUTPUT_LINEAR) continue;
                plan.alpha = 0.3, plan.beta = 0.2;
                struct small_network small = small_create(&plan);
                plan.alpha = 0.7, plan.beta = -0.2;
                struct small_network swapped = small_create(&plan);
                expect_ok(small_infer(&small));
                expect_ok(small_infer(&swapped));
                for (int k = 1; k <= plan.layers; k++) {
                    small_read(plus, &small, k, DUALPROP_S_PLUS);
                    small_read(minus, &swapped, k, DUALPROP_S_MINUS);
                    ck_assert_double_le(relative_difference(plus, minus, plan.batch * plan.widths[k]), 1e-13);
                }
                small_destroy(&swapped);
                small_destroy(&small);
            }
}
END_TEST

/* ---- 5: App. G ---- */

#define N 4
typedef double matrix[N][N];

static double draw(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(int64_t)(*random >> 11) / 4503599627370496.0 - 1.0;
}

static void symmetric(matrix out, uint64_t *random, double diagonal)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) out[i][j] = out[j][i] = 0.3 * draw(random) + (i == j ? diagonal : 0);
}

static void multiply(matrix out, matrix a, matrix b)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            out[i][j] = 0;
            for (int k = 0; k < N; k++) out[i][j] += a[i][k] * b[k][j];
        }
}

static void combine(matrix out, double x, matrix a, double y, matrix b)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) out[i][j] = x * a[i][j] + y * b[i][j];
}

/* Gauss and Jordan; the matrices here are well conditioned. */
static void invert(matrix out, matrix a)
{
    matrix work;
    memcpy(work, a, sizeof work);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) out[i][j] = i == j;
    for (int i = 0; i < N; i++) {
        double pivot = work[i][i];
        for (int j = 0; j < N; j++) work[i][j] /= pivot, out[i][j] /= pivot;
        for (int k = 0; k < N; k++) {
            double factor = work[k][i];
            if (k == i) continue;
            for (int j = 0; j < N; j++) work[k][j] -= factor * work[i][j], out[k][j] -= factor * out[i][j];
        }
    }
}

static void apply(double *out, matrix a, const double *x)
{
    for (int i = 0; i < N; i++) {
        out[i] = 0;
        for (int j = 0; j < N; j++) out[i] += a[i][j] * x[j];
    }
}

/*
 * Eq. 54-59 for any quadratics. The paper's Eq. 55 and 59 have sign errors: with A = (H_F + alpha H_l)^-1 and
 * C = (H_F - (1 - alpha) H_l)^-1, alpha A + (1 - alpha) C is A H_F C, and
 * y+ - y- = -A (H_l C (W z - b_F) + H_F C b_l).
 */
START_TEST(corrected_eq_59_holds_for_quadratics)
{
    uint64_t random = 12;
    for (int problem = 0; problem < 100; problem++) {
        matrix hf, hl, high, low, a, c, m, product, weighted;
        double b_f[N], b_l[N], wz[N], plus[N], minus[N], first[N], second[N], sum[N], difference[N];
        double alpha = 0.5 + 0.5 * draw(&random);
        symmetric(hf, &random, 3);
        symmetric(hl, &random, 1);
        combine(high, 1, hf, alpha, hl);
        combine(low, 1, hf, -(1 - alpha), hl);
        invert(a, high);
        invert(c, low);
        for (int i = 0; i < N; i++) b_f[i] = draw(&random), b_l[i] = draw(&random), wz[i] = draw(&random);
        for (int i = 0; i < N; i++) plus[i] = wz[i] - b_f[i] - alpha * b_l[i];
        for (int i = 0; i < N; i++) minus[i] = wz[i] - b_f[i] + (1 - alpha) * b_l[i];
        apply(first, a, plus); /* y+, Eq. 54 */
        apply(second, c, minus);
        for (int i = 0; i < N; i++) difference[i] = first[i] - second[i], wz[i] -= b_f[i];
        multiply(m, a, hl), multiply(product, m, c); /* -M of Eq. 58 */
        apply(first, product, wz);
        multiply(m, a, hf), multiply(product, m, c); /* the corrected M' */
        combine(weighted, alpha, a, 1 - alpha, c);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) ck_assert_double_eq_tol(weighted[i][j], product[i][j], 1e-14);
        apply(second, product, b_l);
        for (int i = 0; i < N; i++) sum[i] = -first[i] - second[i];
        for (int i = 0; i < N; i++) ck_assert_double_eq_tol(difference[i], sum[i], 1e-14);
    }
}
END_TEST

/* Eq. 66-69 for any quadratics: sbar = ((2 alpha - 1) H_l + H_F)^-1 (...), y+ - y- = -H_F^-1 (H_l sbar + b_l). */
START_TEST(eq_66_to_68_hold_for_quadratics)
{
    uint64_t random = 21;
    for (int problem = 0; problem < 100; problem++) {
        matrix hf, hl, inner, solved, inverse;
        double b_f[N], b_l[N], wz[N], right[N], mean[N], slope[N], delta[N], plus[N], minus[N], first[N], second[N];
        double alpha = 0.5 + 0.5 * draw(&random), rest = 1 - alpha;
        symmetric(hf, &random, 3);
        symmetric(hl, &random, 1);
        for (int i = 0; i < N; i++) b_f[i] = draw(&random), b_l[i] = draw(&random), wz[i] = draw(&random);
        combine(inner, 2 * alpha - 1, hl, 1, hf);
        invert(solved, inner);
        invert(inverse, hf);
        for (int i = 0; i < N; i++) right[i] = wz[i] - (2 * alpha - 1) * b_l[i] - b_f[i];
        apply(mean, solved, right);
        apply(slope, hl, mean);
        for (int i = 0; i < N; i++) slope[i] += b_l[i];
        apply(delta, inverse, slope);
        for (int i = 0; i < N; i++) plus[i] = mean[i] - rest * delta[i], minus[i] = mean[i] + alpha * delta[i];
        apply(first, hf, plus); /* Eq. 64: alpha l'(mean) + H_F y+ + b_F - W z = 0, and the other one */
        apply(second, hf, minus);
        for (int i = 0; i < N; i++) {
            ck_assert_double_eq_tol(alpha * slope[i] + first[i] + b_f[i] - wz[i], 0, 1e-13);
            ck_assert_double_eq_tol(rest * slope[i] - second[i] - b_f[i] + wz[i], 0, 1e-13);
        }
    }
}
END_TEST

/* Eq. 70 and 72: zbar <- x + (2 alpha - 1) W^T M (W zbar + b - y), M = -beta/(1 + (2 alpha - 1) beta). */
static void expect_sprovr_map(struct small_network *small, double alpha, double beta)
{
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], input[SMALL_MAX_REALS], expected[SMALL_MAX_REALS];
    const struct small_plan *plan = &small->plan;
    int64_t hidden = plan->widths[1], outputs = plan->widths[2];
    double m = -beta / (1 + (2 * alpha - 1) * beta);
    expect_ok(dualprop_infer_layer(small->state, 2));
    small_read(before, small, 1, DUALPROP_S_MEAN);
    small_read(input, small, 1, DUALPROP_S_BOTTOM_UP);
    expect_ok(dualprop_infer_layer(small->state, 1));
    small_read(after, small, 1, DUALPROP_S_MEAN);
    for (int64_t b = 0; b < plan->batch; b++)
        for (int64_t i = 0; i < hidden; i++) {
            double sum = 0;
            for (int64_t j = 0; j < outputs; j++) {
                double a = model.bias[2][j];
                for (int64_t h = 0; h < hidden; h++) a += before[b * hidden + h] * model.weight[2][h * outputs + j];
                sum += model.weight[2][i * outputs + j] * m * (a - small->y[b * outputs + j]);
            }
            expected[b * hidden + i] = input[b * hidden + i] + (2 * alpha - 1) * sum;
        }
    ck_assert_double_le(relative_difference(after, expected, plan->batch * hidden), 1e-13);
    if (alpha == 0.5) ck_assert_double_le(relative_difference(after, input, plan->batch * hidden), 1e-14);
}

START_TEST(the_iteration_map_of_sprovr_is_eq_72)
{
    struct small_plan plan = plan_of(_i);
    plan.layers = 2;
    plan.widths[2] = 5;
    plan.activation = DUALPROP_IDENTITY;
    plan.output_step = DUALPROP_OUTPUT_SPROVR;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
        struct small_network small = small_create(&plan);
        dualprop_view x = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
        dualprop_view y = matrix_view(small.y, DUALPROP_F64, plan.batch, plan.widths[2]);
        model_create(&model, &small);
        expect_ok(dualprop_infer_begin(small.state, &x, &y));
        for (int round = 0; round < 4; round++) expect_sprovr_map(&small, plan.alpha, plan.beta);
        expect_ok(dualprop_infer_end(small.state));
        small_destroy(&small);
    }
}
END_TEST

/* ---- 6: Prop. 4.1, whose direction is the other way round than printed, and Prop. 4.2 ---- */

static void load_states(struct small_network *small)
{
    model_create(&model, small);
    for (int k = 0; k <= model.layers; k++) {
        small_read(model.plus[k], small, k, DUALPROP_S_PLUS);
        small_read(model.minus[k], small, k, DUALPROP_S_MINUS);
    }
}

/* J_{alpha,beta}, Eq. 14: of one layer, with the exact step. */
static double value_of(struct small_plan plan, double alpha, double beta)
{
    plan.alpha = alpha;
    plan.beta = beta;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    load_states(&small);
    double value = model_objective(&model);
    small_destroy(&small);
    return value;
}

static double loss_of(struct small_plan plan)
{
    double loss;
    plan.beta = 0.1;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, small.state));
    small_destroy(&small);
    return loss;
}

START_TEST(the_relaxation_falls_with_alpha)
{
    struct small_plan plan = plan_of(_i);
    plan.layers = 1;
    plan.widths[1] = 5;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.seed = 1; plan.seed <= 10; plan.seed++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
            double above = INFINITY, loss = loss_of(plan);
            for (double alpha = 0; alpha <= 1; alpha += 0.125) {
                double value = value_of(plan, alpha, 0.8);
                ck_assert_double_le(value, above + 1e-12);
                above = value;
            }
            ck_assert_double_ge(value_of(plan, 0, 0.8), loss);
            ck_assert_double_le(value_of(plan, 1, 0.8), loss);
        }
}
END_TEST

/* Prop. 4.1 (b): beta J rises with beta where the loss is never negative, as both are. */
START_TEST(beta_times_the_relaxation_rises_with_beta)
{
    struct small_plan plan = plan_of(_i);
    plan.layers = 1;
    plan.widths[1] = 5;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.seed = 1; plan.seed <= 10; plan.seed++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
            for (double alpha = 0; alpha <= 1; alpha += 0.25) {
                double below = 0;
                for (double beta = 0.1; beta < 1; beta += 0.2) {
                    double value = beta * value_of(plan, alpha, beta);
                    ck_assert_double_ge(value, below - 1e-12);
                    below = value;
                }
            }
}
END_TEST

START_TEST(proposition_4_2_holds_as_printed)
{
    struct small_plan plan = plan_of(_i);
    plan.layers = 1;
    plan.widths[1] = 5;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (plan.seed = 1; plan.seed <= 10; plan.seed++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
            double step = 0.3; /* (1 - alpha) beta of both */
            double strong = value_of(plan, 1 - step / 0.9, 0.9), weak = value_of(plan, 1 - step / 0.4, 0.4);
            ck_assert_double_le(strong, weak + 1e-12);
        }
}
END_TEST

/* ---- 7: where undamped DP diverges, and that damping keeps it ---- */

/* ||sum over k < L of P_k P_k^T||, P_k = W_{L-1} ... W_k: the square of the norm of all P_k side by side. */
static double coupling_of(const struct small_plan *plan)
{
    static double stack[64 * 16], product[64 * 16];
    struct small_network small = small_create(plan);
    int64_t outputs = plan->widths[plan->layers], rows = 0;
    model_create(&model, &small);
    for (int k = plan->layers - 1; k >= 1; k--) {
        int64_t width = plan->widths[k], above = plan->widths[k + 1];
        if (k == plan->layers - 1) memcpy(product, model.weight[k + 1], (size_t)(width * outputs) * sizeof *product);
        else multiply_matrices(product, model.weight[k + 1], stack + (rows - above) * outputs, width, above, outputs);
        memcpy(stack + rows * outputs, product, (size_t)(width * outputs) * sizeof *product);
        rows += width;
    }
    double norm = greatest_singular_value(stack, rows, outputs);
    small_destroy(&small);
    return norm * norm;
}

static dualprop_status settle_with(struct small_plan plan)
{
    struct small_network small = small_create(&plan);
    dualprop_status status = small_infer(&small);
    small_destroy(&small);
    return status;
}

/*
 * Of linear networks each pass replaces delta_L by t (y - a - S delta_L) or t (y - a + S delta_L), S that sum, with t =
 * beta for the linear step and beta/((1 + alpha beta)(1 - (1 - alpha) beta)) for the exact one: it diverges where t
 * ||S|| > 1, however large the norms of the weights are.
 */
START_TEST(dp_diverges_beyond_the_coupling)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_IDENTITY;
    plan.passes = 1000;
    plan.tolerance = 1e-9;
    for (plan.scale = 0.8; plan.scale < 2; plan.scale += 0.6) {
        double coupling = coupling_of(&plan);
        for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1)
            for (int side = 0; side < 2; side++) {
                double t = (side ? 1.05 : 0.95) / coupling;
                plan.output_step = DUALPROP_OUTPUT_LINEAR;
                plan.beta = t;
                ck_assert_int_eq(settle_with(plan), side ? DUALPROP_ERROR_DIVERGED : DUALPROP_OK);
                plan.output_step = DUALPROP_OUTPUT_EXACT;
                plan.beta = plan.alpha > 0 ? t / (1 - t) : t / (1 + t);
                if (plan.beta > 0) ck_assert_int_eq(settle_with(plan), side ? DUALPROP_ERROR_DIVERGED : DUALPROP_OK);
            }
        plan.alpha = 0.5; /* sbar does not move: nothing couples */
        plan.output_step = DUALPROP_OUTPUT_LINEAR;
        plan.beta = 3 / coupling;
        ck_assert_int_eq(settle_with(plan), DUALPROP_OK);
    }
}
END_TEST

/* Their deltas are bounded, whatever a_L is. */
START_TEST(cross_entropy_and_fixed_nudges_stay_bounded)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_IDENTITY;
    plan.scale = 1.4;
    plan.passes = 1000;
    plan.beta = 3 / coupling_of(&plan);
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) {
        plan.loss = DUALPROP_MSE, plan.nudge_at = DUALPROP_NUDGE_AT_CURRENT;
        ck_assert_int_eq(settle_with(plan), DUALPROP_ERROR_DIVERGED);
        plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
        ck_assert_int_eq(settle_with(plan), DUALPROP_OK);
        plan.loss = DUALPROP_CROSS_ENTROPY, plan.nudge_at = DUALPROP_NUDGE_AT_CURRENT;
        ck_assert_int_eq(settle_with(plan), DUALPROP_OK);
    }
}
END_TEST

static void set_gamma2(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_GAMMA2, 300));
}

START_TEST(damping_settles_where_dp_diverges)
{
    struct small_plan plan = plan_of(_i);
    plan.activation = DUALPROP_IDENTITY;
    plan.scale = 1.4; /* with much larger weights the lagged dyads diverge in spite of gamma2 */
    plan.passes = 3000;
    plan.beta = 0.9;
    plan.tolerance = 1e-9;
    plan.alpha = 1;
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_DIVERGED);
    small_destroy(&small);
    plan.variant = DUALPROP_LPOM;
    plan.configure = set_gamma2;
    small = small_create(&plan);
    double residual;
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, &residual, NULL, NULL, NULL, NULL, small.state));
    ck_assert_double_lt(residual, 1e-9);
    small_destroy(&small);
}
END_TEST

/* Eq. 4 of the mean loss, from s+ alone: s-_k is f_k(a_k). */
static double lpom_objective(void)
{
    for (int k = 1; k <= model.layers; k++)
        for (int64_t b = 0; b < model.batch; b++)
            for (int64_t i = 0; i < model.widths[k]; i++) {
                double a = model.bias[k][i];
                for (int64_t j = 0; j < model.widths[k - 1]; j++)
                    a += model.plus[k - 1][b * model.widths[k - 1] + j] * model.weight[k][j * model.widths[k] + i];
                int f = k == model.layers ? DUALPROP_IDENTITY : model.activation;
                model.minus[k][b * model.widths[k] + i] = model_activate(f, a);
            }
    return model_objective(&model);
}

/* Betas of Eq. 44, falling from layer to layer: each layer is coupled to the next by more than 1. */
static const double FALLING[] = { 0, 10, 2, 1, 0.5 };

static void set_falling(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_GAMMA2, 300));
    for (int k = 1; k <= 4; k++) expect_ok(dualprop_rule_set_layer_beta(rule, k, FALLING[k]));
}

/* The same with s- of the layer above formed again before each update. */
static void set_fresh(dualprop_rule *rule)
{
    set_gamma2(rule);
    expect_ok(dualprop_rule_set_fresh_minus(rule, 1));
}

static void set_fresh_falling(dualprop_rule *rule)
{
    set_falling(rule);
    expect_ok(dualprop_rule_set_fresh_minus(rule, 1));
}

static void load_lpom(struct small_network *small)
{
    load_states(small);
    model.output_step = DUALPROP_OUTPUT_EXACT;
    if (small->plan.configure == set_falling || small->plan.configure == set_fresh_falling)
        memcpy(model.beta, FALLING, sizeof FALLING);
}

/* Write s-_k = f_k(W s+_{k-1} + b) into the state, as Eq. 50 has it: not what was when layer k was updated. */
static void refresh_minus(struct small_network *small, int k)
{
    load_lpom(small);
    lpom_objective();
    dualprop_view view = matrix_view(model.minus[k], DUALPROP_F64, model.batch, model.widths[k]);
    expect_ok(dualprop_state_write(small->state, k, DUALPROP_S_MINUS, &view));
}

START_TEST(eq_50_never_raises_lpoms_objective)
{
    struct small_plan plan = plan_of(_i % 2);
    plan.variant = DUALPROP_LPOM;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    plan.configure = _i / 2 ? set_falling : set_gamma2;
    for (plan.seed = 1; plan.seed <= 8; plan.seed++)
        for (plan.scale = 0.7; plan.scale < 4; plan.scale *= 2) {
            struct small_network small = small_create(&plan);
            dualprop_view x = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
            dualprop_view y = matrix_view(small.y, DUALPROP_F64, plan.batch, plan.widths[4]);
            expect_ok(dualprop_infer_begin(small.state, &x, &y));
            double before = INFINITY;
            for (int pass = 0; pass < 25; pass++)
                for (int k = plan.layers; k >= 1; k--) {
                    if (k < plan.layers) refresh_minus(&small, k + 1);
                    expect_ok(dualprop_infer_layer(small.state, k));
                    load_lpom(&small);
                    double after = lpom_objective();
                    ck_assert_msg(after <= before + 1e-12 * fabs(before), "pass %d, layer %d: %.17g after %.17g", pass,
                                  k, after, before);
                    before = after;
                }
            expect_ok(dualprop_infer_end(small.state));
            small_destroy(&small);
        }
}
END_TEST

/* How many of 25 passes, each the update of several layers, raise Eq. 4; what diverges has raised it once more. */
static int passes_that_rise(const struct small_plan *plan)
{
    struct small_network small = small_create(plan);
    dualprop_view x = matrix_view(small.x, DUALPROP_F64, plan->batch, plan->widths[0]);
    dualprop_view y = matrix_view(small.y, DUALPROP_F64, plan->batch, plan->widths[4]);
    dualprop_status status = dualprop_infer_begin(small.state, &x, &y);
    double before = INFINITY;
    int rises = 0;
    for (int pass = 0; pass < 25 && status == DUALPROP_OK; pass++) {
        status = dualprop_infer_pass(small.state);
        if (status != DUALPROP_OK) break;
        load_lpom(&small);
        double after = lpom_objective();
        rises += after > before + 1e-12 * fabs(before);
        before = after;
    }
    rises += status != DUALPROP_OK;
    small_destroy(&small);
    return rises;
}

START_TEST(fresh_minus_never_raises_lpoms_objective)
{
    static const int ORDERS[] = { DUALPROP_FORWARD, DUALPROP_BACKWARD, DUALPROP_FORWARD_BACKWARD, DUALPROP_RANDOM };
    struct small_plan plan = plan_of(_i % 2);
    int rises = 0, rises_without = 0;
    plan.variant = DUALPROP_LPOM;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    for (int order = 0; order < 4; order++)
        for (plan.seed = 1; plan.seed <= 4; plan.seed++)
            for (plan.scale = 0.7; plan.scale < 4; plan.scale *= 2) {
                plan.schedule = ORDERS[order];
                plan.configure = _i / 2 ? set_fresh_falling : set_fresh;
                rises += passes_that_rise(&plan);
                plan.configure = _i / 2 ? set_falling : set_gamma2;
                rises_without += passes_that_rise(&plan);
            }
    ck_assert_int_eq(rises, 0);
    ck_assert_int_gt(rises_without, 0); /* else this test would show nothing of the option */
}
END_TEST

/* What is learned from is delta_k = s+_k - f_k(W s+_{k-1} + b), of every layer. */
START_TEST(fresh_minus_is_what_the_gradient_sees)
{
    static const int ORDERS[] = { DUALPROP_FORWARD, DUALPROP_FORWARD_BACKWARD, DUALPROP_JACOBI };
    struct small_plan plan = plan_of(_i % 2);
    double minus[SMALL_MAX_REALS];
    plan.variant = DUALPROP_LPOM;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    plan.configure = set_fresh;
    plan.schedule = ORDERS[_i / 2];
    plan.passes = 5;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    load_lpom(&small);
    lpom_objective(); /* makes model.minus of model.plus */
    for (int k = 1; k <= plan.layers; k++) {
        small_read(minus, &small, k, DUALPROP_S_MINUS);
        for (int64_t i = 0; i < plan.batch * plan.widths[k]; i++)
            ck_assert_double_le(fabs(minus[i] - model.minus[k][i]), 1e-12 * fmax(1, fabs(minus[i])));
    }
    small_destroy(&small);
}
END_TEST

/* ---- each objective has the gradient that the rule gives: finite differences ---- */

static double settled_objective(struct small_network *small, double robustness)
{
    expect_ok(small_infer(small));
    load_states(small);
    model.output_step = small->plan.output_step;
    model.robustness = robustness;
    return model_objective(&model);
}

static double slope_of(struct small_network *small, double robustness, int k, int64_t i, double step)
{
    double weight[SMALL_MAX_REALS], kept, high, low;
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", k);
    dualprop_view view = matrix_view(weight, DUALPROP_F64, small->plan.widths[k - 1], small->plan.widths[k]);
    expect_ok(dualprop_network_read(&view, small->network, name));
    kept = weight[i];
    weight[i] = kept + step;
    expect_ok(dualprop_network_write(small->network, name, &view));
    high = settled_objective(small, robustness);
    weight[i] = kept - step;
    expect_ok(dualprop_network_write(small->network, name, &view));
    low = settled_objective(small, robustness);
    weight[i] = kept;
    expect_ok(dualprop_network_write(small->network, name, &view));
    return (high - low) / (2 * step);
}

/*
 * The difference quotient of a settled objective against the rule's gradient. Its error is step^2 times a third
 * derivative plus 1e-16/step of rounding, some 1e-9; states settle to 1e-12. A kink of relu between the two points
 * would show as an error of order 1 in its entry: the tests' seeds have none.
 */
static void expect_own_gradient(const struct small_plan *plan, double robustness, const char *what)
{
    double weight[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    struct small_network small = small_create(plan);
    for (int k = 1; k <= plan->layers; k++) {
        double largest = 0, worst = 0;
        small_gradient(&small);
        small_read_gradient(weight, bias, &small, k);
        int64_t count = plan->widths[k - 1] * plan->widths[k];
        for (int64_t i = 0; i < count; i++) largest = comparison_larger(largest, fabs(weight[i]));
        for (int64_t i = 0; i < count; i += 7)
            worst = comparison_larger(worst, fabs(slope_of(&small, robustness, k, i, 1e-5) - weight[i]));
        ck_assert_msg(worst < 1e-6 * largest, "%s, %s, %s, alpha %g: layer %d is off by %.3g of %.3g", what,
                      dualprop_name(DUALPROP_NAMES_RULE, plan->variant),
                      dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, plan->output_step), plan->alpha, k, worst, largest);
    }
    small_destroy(&small);
}

static struct small_plan objective_plan(int backend)
{
    struct small_plan plan = plan_of(backend);
    plan.layers = 3;
    plan.widths[3] = 5;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    plan.beta = 0.4;
    plan.passes = 4000;
    plan.tolerance = 1e-13;
    plan.scale = 0.9;
    return plan;
}

START_TEST(dp_has_the_gradient_of_eq_1)
{
    struct small_plan plan = objective_plan(_i);
    for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
        for (plan.alpha = 0.25; plan.alpha < 1; plan.alpha += 0.25) expect_own_gradient(&plan, 0, "Eq. 1");
}
END_TEST

START_TEST(damped_rules_have_the_gradient_of_eq_1)
{
    struct small_plan plan = objective_plan(_i);
    for (plan.variant = DUALPROP_DP_DAMPED; plan.variant <= DUALPROP_INVERTED_LPOM; plan.variant++) {
        plan.alpha = plan.variant == DUALPROP_LPOM ? 1 : plan.variant == DUALPROP_INVERTED_LPOM ? 0 : 0.8;
        plan.scale = plan.variant == DUALPROP_INVERTED_LPOM ? 0.5 : 0.9; /* alpha = 0 is a maximum that has to exist */
        plan.loss = DUALPROP_MSE;
        expect_own_gradient(&plan, 0, "Eq. 1, 4");
        plan.loss = DUALPROP_CROSS_ENTROPY;
        expect_own_gradient(&plan, 0, "Eq. 1, 4");
    }
}
END_TEST

START_TEST(sprovr_has_the_gradient_of_eq_63)
{
    struct small_plan plan = objective_plan(_i);
    plan.output_step = DUALPROP_OUTPUT_SPROVR;
    for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
        for (plan.alpha = 0.25; plan.alpha < 1; plan.alpha += 0.25) expect_own_gradient(&plan, 0, "Eq. 63");
}
END_TEST

static void set_robust(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.3));
}

START_TEST(input_robustness_adds_e_0)
{
    struct small_plan plan = objective_plan(_i);
    plan.configure = set_robust;
    plan.scale = 0.6;
    plan.alpha = 0.4;
    expect_own_gradient(&plan, 0.3, "Eq. 1 with E_0");
    plan.variant = DUALPROP_INVERTED_LPOM;
    plan.alpha = 0;
    expect_own_gradient(&plan, 0.3, "Eq. 1 with E_0");
}
END_TEST

static void set_betas(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_layer_beta(rule, 1, 0.2));
    expect_ok(dualprop_rule_set_layer_beta(rule, 2, 0.3));
    expect_ok(dualprop_rule_set_layer_beta(rule, 3, 0.5));
}

START_TEST(betas_of_layers_are_those_of_eq_12)
{
    struct small_plan plan = objective_plan(_i);
    plan.configure = set_betas;
    plan.alpha = 0.4;
    double weight[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    small_gradient(&small);
    load_states(&small);
    for (int k = 1; k <= 3; k++) {
        small_read_gradient(weight, bias, &small, k);
        model.beta[1] = 0.2, model.beta[2] = 0.3, model.beta[3] = 0.5;
        double quotient = 0, step = 1e-6, kept = model.weight[k][3];
        for (int sign = 1; sign >= -1; sign -= 2) { /* stationary in the states, so that they may stay where they are */
            model.weight[k][3] = kept + sign * step;
            quotient += sign * model_objective(&model) / (2 * step);
        }
        model.weight[k][3] = kept;
        ck_assert_double_eq_tol(quotient, weight[3], 1e-8);
    }
    small_destroy(&small);
}
END_TEST

Suite *test_rules_oracles_suite(void)
{
    Suite *suite = suite_create("oracles of the rules");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, small_beta_equals_back_propagation, 0, 2);
    tcase_add_loop_test(tests, orders_of_the_output_steps, 0, 2);
    tcase_add_loop_test(tests, lecun_equals_back_propagation_at_any_beta, 0, 2);
    tcase_add_loop_test(tests, lecun_has_the_sign_that_descends, 0, 2);
    tcase_add_loop_test(tests, fenchel_is_the_adjoint_at_zero, 0, 2);
    tcase_add_loop_test(tests, names_that_fix_alpha_refuse_another, 0, 1);
    tcase_add_loop_test(tests, swapping_alpha_and_beta_swaps_the_states, 0, 2);
    tcase_add_test(tests, corrected_eq_59_holds_for_quadratics);
    tcase_add_test(tests, eq_66_to_68_hold_for_quadratics);
    tcase_add_loop_test(tests, the_iteration_map_of_sprovr_is_eq_72, 0, 2);
    tcase_add_loop_test(tests, the_relaxation_falls_with_alpha, 0, 1);
    tcase_add_loop_test(tests, beta_times_the_relaxation_rises_with_beta, 0, 1);
    tcase_add_loop_test(tests, dp_diverges_beyond_the_coupling, 0, 2);
    tcase_add_loop_test(tests, cross_entropy_and_fixed_nudges_stay_bounded, 0, 2);
    tcase_add_loop_test(tests, proposition_4_2_holds_as_printed, 0, 1);
    tcase_add_loop_test(tests, damping_settles_where_dp_diverges, 0, 2);
    tcase_add_loop_test(tests, eq_50_never_raises_lpoms_objective, 0, 4);
    tcase_add_loop_test(tests, fresh_minus_never_raises_lpoms_objective, 0, 4);
    tcase_add_loop_test(tests, fresh_minus_is_what_the_gradient_sees, 0, 6);
    tcase_add_loop_test(tests, dp_has_the_gradient_of_eq_1, 0, 2);
    tcase_add_loop_test(tests, damped_rules_have_the_gradient_of_eq_1, 0, 2);
    tcase_add_loop_test(tests, sprovr_has_the_gradient_of_eq_63, 0, 2);
    tcase_add_loop_test(tests, input_robustness_adds_e_0, 0, 2);
    tcase_add_loop_test(tests, betas_of_layers_are_those_of_eq_12, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
