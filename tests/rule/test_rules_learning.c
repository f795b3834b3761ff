/*
 * test_rules_learning.c - feedback weights, learning while dyads settle, warm starts, damping's power iterations, and
 * that saving and resuming equals never stopping under every option.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/backends.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/model.h"

Suite *test_rules_learning_suite(void);

static struct model model;

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 3,
        .widths = { 7, 12, 9, 5 },
        .activation = DUALPROP_RELU,
        .variant = DUALPROP_DP_ADJOINT,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 6,
        .seed = 3,
        .passes = 2,
    };
}

static double cosine_of(struct small_network *small, int k)
{
    dualprop_layer *layer;
    double cosine;
    expect_ok(dualprop_network_layer(&layer, small->network, k));
    expect_ok(dualprop_layer_feedback(NULL, &cosine, layer));
    return cosine;
}

static void learn(struct small_network *small, int steps)
{
    for (int i = 0; i < steps; i++) {
        expect_ok(small_infer(small));
        expect_ok(dualprop_update(small->optimizer, small->state));
    }
}

static void read_weight(double *weight, struct small_network *small, int k)
{
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", k);
    dualprop_view view = matrix_view(weight, DUALPROP_F64, small->plan.widths[k - 1], small->plan.widths[k]);
    expect_ok(dualprop_network_read(&view, small->network, name));
}

static void read_feedback(double *weight, struct small_network *small, int k)
{
    dualprop_view view = matrix_view(weight, DUALPROP_F64, small->plan.widths[k - 1], small->plan.widths[k]);
    expect_ok(dualprop_network_read_feedback(&view, small->network, k));
}

/* ---- feedback weights ---- */

START_TEST(kolen_pollack_comes_to_the_weights)
{
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], feedback[SMALL_MAX_REALS], before[SMALL_MAX_REALS], old[SMALL_MAX_REALS];
    plan.feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_optimizer_set_learning_rate(small.optimizer, 0.05));
    expect_ok(dualprop_optimizer_set_momentum(small.optimizer, 0));
    expect_ok(dualprop_optimizer_set_weight_decay(small.optimizer, 0.1));
    ck_assert_double_lt(fabs(cosine_of(&small, 2)), 0.5);
    read_weight(before, &small, 2);
    read_feedback(old, &small, 2);
    learn(&small, 1);
    read_weight(weight, &small, 2);
    read_feedback(feedback, &small, 2);
    /* Both take the same gradient, so their difference only decays: by 1 - 0.05 * 0.1 a step. */
    for (int64_t i = 0; i < plan.widths[1] * plan.widths[2]; i++)
        ck_assert_double_eq_tol(weight[i] - feedback[i], 0.995 * (before[i] - old[i]), 1e-14);
    learn(&small, 2000);
    ck_assert_double_gt(cosine_of(&small, 2), 0.99);
    ck_assert_double_gt(cosine_of(&small, 3), 0.99);
    small_destroy(&small);
}
END_TEST

START_TEST(random_feedback_stays_and_learns)
{
    struct small_plan plan = plan_of(_i);
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], loss, first;
    plan.feedback = DUALPROP_FEEDBACK_RANDOM;
    struct small_network small = small_create(&plan);
    read_feedback(before, &small, 2);
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &first, NULL, small.state));
    learn(&small, 200);
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, small.state));
    read_feedback(after, &small, 2);
    ck_assert(memcmp(before, after, (size_t)(plan.widths[1] * plan.widths[2]) * sizeof *before) == 0);
    ck_assert_double_lt(loss, 0.5 * first);
    small_destroy(&small);
}
END_TEST

static void expect_signs(struct small_network *small, const double *sizes)
{
    double weight[SMALL_MAX_REALS], feedback[SMALL_MAX_REALS];
    read_weight(weight, small, 2);
    read_feedback(feedback, small, 2);
    for (int64_t i = 0; i < small->plan.widths[1] * small->plan.widths[2]; i++) {
        ck_assert((feedback[i] < 0) == (weight[i] < 0));
        ck_assert(fabs(feedback[i]) == sizes[i]);
    }
}

START_TEST(sign_feedback_follows_the_signs)
{
    struct small_plan plan = plan_of(_i);
    double sizes[SMALL_MAX_REALS];
    plan.feedback = DUALPROP_FEEDBACK_SIGN;
    struct small_network small = small_create(&plan);
    read_feedback(sizes, &small, 2);
    for (int64_t i = 0; i < plan.widths[1] * plan.widths[2]; i++) sizes[i] = fabs(sizes[i]);
    expect_signs(&small, sizes);
    learn(&small, 50);
    expect_signs(&small, sizes);
    expect_ok(dualprop_network_initialize(small.network, 99));
    expect_signs(&small, sizes);
    small_destroy(&small);
}
END_TEST

/* B = W has to be the same as no B at all, bit for bit. */
START_TEST(feedback_equal_to_the_weights_changes_nothing)
{
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], first[SMALL_MAX_REALS], second[SMALL_MAX_REALS];
    struct small_network plain = small_create(&plan);
    plan.feedback = DUALPROP_FEEDBACK_RANDOM;
    struct small_network small = small_create(&plan);
    for (int k = 1; k <= 3; k++) {
        read_weight(weight, &small, k);
        dualprop_view view = matrix_view(weight, DUALPROP_F64, plan.widths[k - 1], plan.widths[k]);
        expect_ok(dualprop_network_write_feedback(small.network, k, &view));
        ck_assert_double_eq_tol(cosine_of(&small, k), 1, 1e-14);
    }
    expect_ok(small_infer(&plain));
    expect_ok(small_infer(&small));
    for (int k = 1; k <= 3; k++) {
        small_read(first, &plain, k, DUALPROP_S_PLUS);
        small_read(second, &small, k, DUALPROP_S_PLUS);
        ck_assert(memcmp(first, second, (size_t)(plan.batch * plan.widths[k]) * sizeof *first) == 0);
    }
    small_destroy(&small);
    small_destroy(&plain);
}
END_TEST

START_TEST(clones_have_feedback)
{
    struct small_plan plan = plan_of(_i);
    double own[SMALL_MAX_REALS], other[SMALL_MAX_REALS];
    plan.feedback = DUALPROP_FEEDBACK_RANDOM;
    struct small_network small = small_create(&plan), copy = small;
    expect_ok(dualprop_network_clone(&copy.network, small.network));
    for (int k = 1; k <= 3; k++) {
        read_feedback(own, &small, k);
        read_feedback(other, &copy, k);
        ck_assert(memcmp(own, other, (size_t)(plan.widths[k - 1] * plan.widths[k]) * sizeof *own) == 0);
    }
    expect_error(dualprop_network_add_dense(copy.network, 3, DUALPROP_IDENTITY), DUALPROP_ERROR_INVALID_STATE,
                 "feedback");
    dualprop_network_destroy(copy.network);
    small_destroy(&small);
}
END_TEST

/* ---- learning while dyads settle ---- */

static void begin(struct small_network *small)
{
    dualprop_view x = matrix_view(small->x, DUALPROP_F64, small->plan.batch, small->plan.widths[0]);
    dualprop_view y = matrix_view(small->y, DUALPROP_F64, small->plan.batch, small->plan.widths[small->plan.layers]);
    expect_ok(dualprop_infer_begin(small->state, &x, &y));
}

START_TEST(updates_in_an_open_inference_use_the_new_weights)
{
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], bias[SMALL_MAX_REALS], plus[SMALL_MAX_REALS];
    plan.schedule = DUALPROP_FORWARD;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_optimizer_set_learning_rate(small.optimizer, 0.1));
    expect_ok(dualprop_optimizer_set_momentum(small.optimizer, 0));
    model_create(&model, &small);
    begin(&small);
    for (int pass = 0; pass < 4; pass++) {
        expect_ok(dualprop_infer_pass(small.state));
        for (int k = 1; k <= 3; k++) model_listen(&model, k);
        double gradients[4][SMALL_MAX_REALS], bias_gradients[4][SMALL_MAX_REALS];
        for (int k = 1; k <= 3; k++) model_gradient(gradients[k], bias_gradients[k], &model, k);
        for (int k = 1; k <= 3; k++) {
            for (int64_t i = 0; i < plan.widths[k - 1] * plan.widths[k]; i++)
                model.weight[k][i] -= 0.1 * gradients[k][i], model.feedback[k][i] = model.weight[k][i];
            for (int64_t i = 0; i < plan.widths[k]; i++) model.bias[k][i] -= 0.1 * bias_gradients[k][i];
        }
        expect_ok(dualprop_infer_update(small.optimizer, small.state));
    }
    expect_ok(dualprop_infer_end(small.state));
    for (int k = 1; k <= 3; k++) {
        small_read(plus, &small, k, DUALPROP_S_PLUS);
        ck_assert_double_le(relative_difference(plus, model.plus[k], plan.batch * plan.widths[k]), 1e-12);
        read_weight(weight, &small, k);
        ck_assert_double_le(relative_difference(weight, model.weight[k], plan.widths[k - 1] * plan.widths[k]), 1e-12);
    }
    (void)bias;
    small_destroy(&small);
}
END_TEST

START_TEST(another_reader_makes_such_updates_busy)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan), twin = small_twin(&small, DUALPROP_DP);
    begin(&small);
    begin(&twin);
    expect_ok(dualprop_infer_pass(small.state));
    expect_error(dualprop_infer_update(small.optimizer, small.state), DUALPROP_ERROR_BUSY, "network");
    expect_ok(dualprop_infer_end(twin.state));
    expect_ok(dualprop_infer_update(small.optimizer, small.state));
    expect_ok(dualprop_infer_end(small.state));
    expect_ok(dualprop_update(small.optimizer, small.state));
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* ---- warm starts ---- */

static void set_warm(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_warm_start(rule, 1));
}

START_TEST(warm_starts_go_on_from_where_they_were)
{
    struct small_plan plan = plan_of(_i);
    double cold[SMALL_MAX_REALS], warm[SMALL_MAX_REALS], loss, cold_loss;
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = 6;
    plan.variant = DUALPROP_DP;
    plan.alpha = 0.3;
    plan.scale = 0.7;
    struct small_network once = small_create(&plan);
    plan.passes = 2;
    plan.configure = set_warm;
    struct small_network thrice = small_create(&plan);
    expect_ok(small_infer(&once));
    for (int i = 0; i < 3; i++) expect_ok(small_infer(&thrice));
    for (int k = 1; k <= 3; k++) {
        small_read(cold, &once, k, DUALPROP_S_PLUS);
        small_read(warm, &thrice, k, DUALPROP_S_PLUS);
        ck_assert_double_le(relative_difference(warm, cold, plan.batch * plan.widths[k]), 1e-13);
    }
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &cold_loss, NULL, once.state));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, thrice.state));
    ck_assert_double_eq(loss, cold_loss);                         /* of the feed-forward prediction, warm or cold */
    expect_ok(dualprop_predict(warm, thrice.state, thrice.x, 1)); /* predicting takes the dyads' memory */
    expect_ok(small_infer(&thrice));
    small_destroy(&thrice);
    small_destroy(&once);
}
END_TEST

/* ---- damping ---- */

static void set_many(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_GAMMA2, 400));
}

/* The largest eigenvalue of W^T W by Jacobi's rotations of W^T W: no power iteration. */
static double spectral_norm(const double *weight, int64_t rows, int64_t columns)
{
    static double a[40][40];
    double largest = 0;
    for (int64_t i = 0; i < columns; i++)
        for (int64_t j = 0; j < columns; j++) {
            a[i][j] = 0;
            for (int64_t r = 0; r < rows; r++) a[i][j] += weight[r * columns + i] * weight[r * columns + j];
        }
    for (int sweep = 0; sweep < 60; sweep++)
        for (int64_t p = 0; p < columns; p++)
            for (int64_t q = p + 1; q < columns; q++) {
                if (fabs(a[p][q]) < 1e-300) continue;
                double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
                double c = 1 / sqrt(t * t + 1), s = t * c;
                for (int64_t i = 0; i < columns; i++) {
                    double x = a[i][p], y = a[i][q];
                    a[i][p] = c * x - s * y, a[i][q] = s * x + c * y;
                }
                for (int64_t i = 0; i < columns; i++) {
                    double x = a[p][i], y = a[q][i];
                    a[p][i] = c * x - s * y, a[q][i] = s * x + c * y;
                }
            }
    for (int64_t i = 0; i < columns; i++) largest = comparison_larger(largest, a[i][i]);
    return sqrt(largest);
}

START_TEST(gamma_is_the_spectral_norm_of_the_map_above)
{
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], gamma, damping;
    plan.variant = DUALPROP_DP_DAMPED;
    plan.alpha = 0.2;
    plan.configure = set_many;
    plan.scale = 2;
    struct small_network small = small_create(&plan);
    expect_ok(small_infer(&small));
    for (int k = 1; k < 3; k++) {
        read_weight(weight, &small, k + 1);
        double expected = spectral_norm(weight, plan.widths[k], plan.widths[k + 1]);
        expect_ok(small_infer(&small));
        expect_ok(dualprop_state_damping(&gamma, &damping, small.state, k));
        ck_assert_double_eq_tol(gamma, expected, 1e-8 * expected);
        ck_assert_double_eq_tol(damping, gamma * gamma, 1e-14 * damping);
        expect_ok(dualprop_rule_set_damping(small.rule, DUALPROP_DAMPING_HALF, 1)); /* warm: one is enough now */
        expect_ok(small_infer(&small));
        expect_ok(dualprop_state_damping(&gamma, &damping, small.state, k));
        ck_assert_double_eq_tol(gamma, expected, 1e-8 * expected);
        ck_assert_double_eq_tol(damping, 0.6 * fmax(0, gamma * gamma - 1) / 2, 1e-13);
        expect_ok(dualprop_rule_set_damping(small.rule, DUALPROP_DAMPING_GAMMA2, 1));
    }
    small_destroy(&small);
}
END_TEST

/* D_k stands for the coupling to the layer above, which beta_k/beta_{k+1} and rho strengthen or weaken. */
static void write_weight(double *weight, struct small_network *small, int k)
{
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", k);
    dualprop_view view = matrix_view(weight, DUALPROP_F64, small->plan.widths[k - 1], small->plan.widths[k]);
    expect_ok(dualprop_network_write(small->network, name, &view));
}

/* Of the vector of the power iteration, or of its length only; smaller weights have their norm again. */
START_TEST(a_norm_that_overflowed_leaves_no_trace)
{
    static const double factors[] = { 1e200, 1e80 };
    struct small_plan plan = plan_of(_i);
    double weight[SMALL_MAX_REALS], large[SMALL_MAX_REALS], gamma;
    plan.variant = DUALPROP_DP_DAMPED;
    plan.alpha = 0.2;
    plan.configure = set_many;
    struct small_network small = small_create(&plan);
    read_weight(weight, &small, 2);
    double expected = spectral_norm(weight, plan.widths[1], plan.widths[2]);
    for (int f = 0; f < 2; f++) {
        for (int64_t i = 0; i < plan.widths[1] * plan.widths[2]; i++) large[i] = weight[i] * factors[f];
        write_weight(large, &small, 2);
        expect_error(small_infer(&small), DUALPROP_ERROR_DIVERGED, "spectral norm of layer 2");
        write_weight(weight, &small, 2);
        expect_ok(small_infer(&small));
        expect_ok(small_infer(&small));
        expect_ok(dualprop_state_damping(&gamma, NULL, small.state, 1));
        ck_assert_double_eq_tol(gamma, expected, 1e-8 * expected);
    }
    small_destroy(&small);
}
END_TEST

START_TEST(damping_follows_the_strength_of_what_comes_down)
{
    struct small_plan plan = plan_of(_i);
    double gamma, damping;
    plan.variant = DUALPROP_DP_DAMPED;
    plan.alpha = 0.2;
    plan.configure = set_many;
    plan.scale = 2;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_set_input_robustness(small.rule, 0.25));
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 1, 0.3));
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 2, -0.1));
    expect_ok(dualprop_rule_set_layer_beta(small.rule, 3, 0.2));
    expect_ok(dualprop_state_prepare(small.state));
    static const double STRENGTHS[] = { 0.25, 3, 0.5 };
    for (int formula = DUALPROP_DAMPING_HALF; formula <= DUALPROP_DAMPING_GAMMA2; formula++) {
        expect_ok(dualprop_rule_set_damping(small.rule, formula, 400));
        expect_ok(small_infer(&small));
        for (int k = 0; k < 3; k++) {
            expect_ok(dualprop_state_damping(&gamma, &damping, small.state, k));
            double coupling = STRENGTHS[k] * gamma * gamma;
            double expected = formula == DUALPROP_DAMPING_GAMMA2 ? coupling : 0.6 * fmax(0, coupling - 1) / 2;
            ck_assert_double_eq_tol(damping, expected, 1e-13 * fmax(1, expected));
        }
    }
    small_destroy(&small);
}
END_TEST

START_TEST(given_damping_is_taken_as_it_is)
{
    struct small_plan plan = plan_of(_i);
    double gamma, damping;
    plan.variant = DUALPROP_LPOM;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_set_layer_damping(small.rule, -1, 0.25));
    expect_ok(dualprop_rule_set_layer_damping(small.rule, 2, 1.5));
    expect_ok(dualprop_state_prepare(small.state));
    expect_ok(small_infer(&small));
    for (int k = 1; k <= 2; k++) {
        expect_ok(dualprop_state_damping(&gamma, &damping, small.state, k));
        ck_assert(isnan(gamma) && damping == (k == 1 ? 0.25 : 1.5));
    }
    small_destroy(&small);
}
END_TEST

/* ---- options that come and go ---- */

static dualprop_status robust(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_input_robustness(rule, on ? 0.3 : 0);
}

static dualprop_status noisy(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_noise(rule, on ? 0.1 : 0, on ? 0.2 : 0, on ? 0.1 : 0);
}

static dualprop_status mismatched(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_alpha_mismatch(rule, on ? 0.1 : 0);
}

static dualprop_status leaky(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_time_step(rule, on ? 0.5 : 1);
}

static dualprop_status coarse(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_quantization(rule, on ? 6 : 0);
}

static dualprop_status asynchronous(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_schedule(rule, on ? DUALPROP_ASYNC : DUALPROP_FORWARD_BACKWARD, on ? 5 : 1);
}

static dualprop_status warm(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_warm_start(rule, on);
}

static dualprop_status damped(dualprop_rule *rule, int on)
{
    dualprop_status status = dualprop_rule_set_variant(rule, on ? DUALPROP_DP_DAMPED : DUALPROP_DP_ADJOINT);
    return status == DUALPROP_OK && on ? dualprop_rule_set_damping(rule, DUALPROP_DAMPING_HALF, 2) : status;
}

static dualprop_status formed_again(dualprop_rule *rule, int on)
{
    dualprop_status status = dualprop_rule_set_variant(rule, on ? DUALPROP_LPOM : DUALPROP_DP_ADJOINT);
    if (status == DUALPROP_OK && !on) status = dualprop_rule_set_alpha(rule, plan_of(0).alpha); /* which lpom fixed */
    return status == DUALPROP_OK ? dualprop_rule_set_fresh_minus(rule, on) : status;
}

static dualprop_status of_lecun(dualprop_rule *rule, int on)
{
    return dualprop_rule_set_variant(rule, on ? DUALPROP_LECUN : DUALPROP_DP_ADJOINT);
}

static dualprop_status (*const OPTIONS[])(dualprop_rule *rule, int on) = {
    robust, noisy, mismatched, leaky, coarse, asynchronous, warm, damped, of_lecun, formed_again,
};
enum { OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0] };

/* A state is planned again for each option, and at last without it: it computes what one that never had it does. */
START_TEST(an_option_taken_back_leaves_no_trace)
{
    struct small_plan plan = plan_of(_i / OPTION_COUNT);
    plan.variant = DUALPROP_DP_ADJOINT;
    plan.schedule = DUALPROP_FORWARD_BACKWARD;
    plan.passes = 1;
    struct small_network small = small_create(&plan), fresh = small_twin(&small, DUALPROP_DP_ADJOINT);
    for (int on = 1; on >= 0; on--) {
        expect_ok(OPTIONS[_i % OPTION_COUNT](small.rule, on));
        expect_ok(dualprop_state_prepare(small.state));
        small_gradient(&small);
    }
    small_gradient(&fresh);
    ck_assert_double_eq(small_error(&small, &fresh), 0);
    small_destroy(&fresh);
    small_destroy(&small);
}
END_TEST

/* ---- saving and resuming equals never stopping ---- */

static const int32_t ORDER[] = { 3, 2, 1, 0, 1, 2, 3, 2, 1 };

static void set_everything(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_HALF, 2));
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.02, 0.01));
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.1));
    expect_ok(dualprop_rule_set_quantization(rule, 12));
    expect_ok(dualprop_rule_set_time_step(rule, 0.7));
    expect_ok(dualprop_rule_set_warm_start(rule, 1));
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.3));
    expect_ok(dualprop_rule_set_order(rule, ORDER, 9));
    expect_ok(dualprop_rule_set_async_fraction(rule, 0.4));
    expect_ok(dualprop_rule_set_layer_alpha(rule, 2, 0.6));
    expect_ok(dualprop_rule_set_layer_beta(rule, 3, 0.6));
    expect_ok(dualprop_rule_set_seed(rule, 18446744073709551615u));
}

static struct small_plan rich_plan(int backend)
{
    struct small_plan plan = plan_of(backend);
    plan.variant = DUALPROP_DP_DAMPED;
    plan.schedule = DUALPROP_LIST;
    plan.feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK;
    plan.configure = set_everything;
    return plan;
}

/* Everything into a checkpoint and out again, in place of the network, rule, optimizer and state. */
static void stop_and_resume(struct small_network *small)
{
    dualprop_checkpoint *checkpoint;
    expect_ok(dualprop_checkpoint_create(&checkpoint, small->context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, small->network));
    expect_ok(dualprop_checkpoint_put_rule(checkpoint, small->rule));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, small->optimizer));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, small->state));
    dualprop_optimizer_destroy(small->optimizer);
    dualprop_state_destroy(small->state);
    dualprop_rule_destroy(small->rule);
    dualprop_network_destroy(small->network);
    expect_ok(dualprop_checkpoint_get_network(&small->network, checkpoint));
    expect_ok(dualprop_checkpoint_get_rule(&small->rule, checkpoint));
    expect_ok(dualprop_checkpoint_get_optimizer(&small->optimizer, checkpoint, small->network));
    expect_ok(dualprop_state_create(&small->state, small->network, small->rule, small->plan.batch));
    expect_ok(dualprop_checkpoint_get_state(small->state, checkpoint));
    dualprop_checkpoint_destroy(checkpoint);
}

static void expect_equal_bits(struct small_network *small, struct small_network *other)
{
    double own[SMALL_MAX_REALS], theirs[SMALL_MAX_REALS];
    for (int k = 1; k <= 3; k++) {
        size_t bytes = (size_t)(small->plan.widths[k - 1] * small->plan.widths[k]) * sizeof *own;
        read_weight(own, small, k);
        read_weight(theirs, other, k);
        ck_assert_msg(memcmp(own, theirs, bytes) == 0, "weights %d differ", k);
        read_feedback(own, small, k);
        read_feedback(theirs, other, k);
        ck_assert_msg(memcmp(own, theirs, bytes) == 0, "feedback %d differs", k);
    }
}

START_TEST(resuming_equals_never_stopping)
{
    struct small_plan plan = rich_plan(_i);
    struct small_network straight = small_create(&plan), stopped = small_create(&plan);
    learn(&straight, 6);
    learn(&stopped, 2);
    stop_and_resume(&stopped);
    learn(&stopped, 1);
    stop_and_resume(&stopped);
    learn(&stopped, 3);
    expect_equal_bits(&straight, &stopped);
    small_destroy(&stopped);
    small_destroy(&straight);
}
END_TEST

START_TEST(a_rule_comes_back_as_it_was)
{
    struct small_plan plan = rich_plan(_i);
    struct small_network small = small_create(&plan);
    dualprop_checkpoint *checkpoint, *again;
    char text[4096], other[4096];
    dualprop_rule *rule;
    expect_ok(dualprop_checkpoint_create(&checkpoint, small.context));
    expect_ok(dualprop_checkpoint_create(&again, small.context));
    for (int variant = DUALPROP_BP; variant <= DUALPROP_LECUN; variant++) {
        expect_ok(dualprop_rule_set_variant(small.rule, variant));
        if (variant == DUALPROP_LPOM) expect_ok(dualprop_rule_set_layer_damping(small.rule, 2, 0.75));
        expect_ok(dualprop_checkpoint_put_rule(checkpoint, small.rule));
        expect_ok(dualprop_checkpoint_get_rule(&rule, checkpoint));
        expect_ok(dualprop_checkpoint_put_rule(again, rule));
        expect_ok(dualprop_checkpoint_get_text(text, sizeof text, NULL, checkpoint, "rule"));
        expect_ok(dualprop_checkpoint_get_text(other, sizeof other, NULL, again, "rule"));
        ck_assert_str_eq(text, other);
        dualprop_rule_destroy(rule);
    }
    dualprop_checkpoint_destroy(again);
    dualprop_checkpoint_destroy(checkpoint);
    small_destroy(&small);
}
END_TEST

START_TEST(a_state_of_another_shape_is_refused)
{
    struct small_plan plan = rich_plan(_i);
    struct small_network small = small_create(&plan);
    dualprop_checkpoint *checkpoint;
    dualprop_state *narrow;
    learn(&small, 1);
    expect_ok(dualprop_checkpoint_create(&checkpoint, small.context));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, small.state));
    expect_ok(dualprop_state_create(&narrow, small.network, small.rule, plan.batch - 1));
    expect_error(dualprop_checkpoint_get_state(narrow, checkpoint), DUALPROP_ERROR_FORMAT, "samples");
    dualprop_state_destroy(narrow);
    dualprop_checkpoint_destroy(checkpoint);
    small_destroy(&small);
}
END_TEST

Suite *test_rules_learning_suite(void)
{
    Suite *suite = suite_create("learning under the rules");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, kolen_pollack_comes_to_the_weights, 0, 2);
    tcase_add_loop_test(tests, random_feedback_stays_and_learns, 0, 2);
    tcase_add_loop_test(tests, sign_feedback_follows_the_signs, 0, 2);
    tcase_add_loop_test(tests, feedback_equal_to_the_weights_changes_nothing, 0, 2);
    tcase_add_loop_test(tests, clones_have_feedback, 0, 2);
    tcase_add_loop_test(tests, updates_in_an_open_inference_use_the_new_weights, 0, 2);
    tcase_add_loop_test(tests, another_reader_makes_such_updates_busy, 0, 2);
    tcase_add_loop_test(tests, warm_starts_go_on_from_where_they_were, 0, 2);
    tcase_add_loop_test(tests, gamma_is_the_spectral_norm_of_the_map_above, 0, 2);
    tcase_add_loop_test(tests, a_norm_that_overflowed_leaves_no_trace, 0, 2);
    tcase_add_loop_test(tests, damping_follows_the_strength_of_what_comes_down, 0, 2);
    tcase_add_loop_test(tests, given_damping_is_taken_as_it_is, 0, 2);
    tcase_add_loop_test(tests, an_option_taken_back_leaves_no_trace, 0, 2 * OPTION_COUNT);
    tcase_add_loop_test(tests, resuming_equals_never_stopping, 0, 2);
    tcase_add_loop_test(tests, a_rule_comes_back_as_it_was, 0, 1);
    tcase_add_loop_test(tests, a_state_of_another_shape_is_refused, 0, 1);
    suite_add_tcase(suite, tests);
    return suite;
}
