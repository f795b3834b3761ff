/*
 * test_dyad_access.c - dyads that the caller overwrites in an open inference: layers that read them are updated again,
 * what follows from them follows, and nothing too large reaches the weights.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "support/backends.h"
#include "support/expect.h"
#include "support/model.h"

Suite *test_dyad_access_suite(void);

static struct model model;

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){
        .backend = BACKENDS[backend],
        .layers = 3,
        .widths = { 7, 12, 9, 5 },
        .activation = DUALPROP_TANH,
        .variant = DUALPROP_DP_ADJOINT,
        .alpha = 0.3,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 3,
        .passes = 1,
    };
}

static void begin(struct small_network *small)
{
    dualprop_view x = matrix_view(small->x, DUALPROP_F64, small->plan.batch, small->plan.widths[0]);
    dualprop_view y = matrix_view(small->y, DUALPROP_F64, small->plan.batch, small->plan.widths[small->plan.layers]);
    expect_ok(dualprop_infer_begin(small->state, &x, &y));
}

/* Overwrite the delta of layer k with numbers of order 1. */
static void write_delta(double *delta, struct small_network *small, int k)
{
    int64_t count = small->plan.batch * small->plan.widths[k];
    for (int64_t i = 0; i < count; i++) delta[i] = cos((double)(3 * i + k));
    dualprop_view view = matrix_view(delta, DUALPROP_F64, small->plan.batch, small->plan.widths[k]);
    expect_ok(dualprop_state_write(small->state, k, DUALPROP_S_DELTA, &view));
}

/* With nothing above it the layer's next delta is zero again, and the layer below has to notice. */
START_TEST(a_written_delta_is_forgotten_by_all)
{
    struct small_plan plan = plan_of(_i);
    double delta[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    begin(&small);
    write_delta(delta, &small, 2);
    expect_ok(dualprop_infer_layer(small.state, 1));
    small_read(delta, &small, 1, DUALPROP_S_DELTA);
    ck_assert_double_gt(fabs(delta[0]), 1e-6);
    for (int k = 2; k >= 1; k--) {
        expect_ok(dualprop_infer_layer(small.state, k));
        small_read(delta, &small, k, DUALPROP_S_DELTA);
        for (int64_t i = 0; i < plan.batch * plan.widths[k]; i++) ck_assert(delta[i] == 0);
    }
    expect_ok(dualprop_infer_end(small.state));
    small_destroy(&small);
}
END_TEST

/* Nudged at the prediction the output's delta never changes by itself, but what was written over it does. */
START_TEST(a_written_output_is_forgotten_by_all)
{
    struct small_plan plan = plan_of(_i);
    double expected[SMALL_MAX_REALS], delta[SMALL_MAX_REALS];
    plan.nudge_at = DUALPROP_NUDGE_AT_PREDICTION;
    struct small_network small = small_create(&plan);
    begin(&small);
    expect_ok(dualprop_infer_layer(small.state, 3));
    expect_ok(dualprop_infer_layer(small.state, 2));
    small_read(expected, &small, 2, DUALPROP_S_TOP_DOWN);
    write_delta(delta, &small, 3);
    expect_ok(dualprop_infer_layer(small.state, 2));
    expect_ok(dualprop_infer_layer(small.state, 3));
    expect_ok(dualprop_infer_layer(small.state, 2));
    small_read(delta, &small, 2, DUALPROP_S_TOP_DOWN);
    ck_assert(memcmp(delta, expected, (size_t)(plan.batch * plan.widths[2]) * sizeof *delta) == 0);
    expect_ok(dualprop_infer_end(small.state));
    small_destroy(&small);
}
END_TEST

/* What goes down, and into the gradient, from LeCun's dyads is f'(a) times the delta that was written. */
START_TEST(lecuns_error_signal_follows_a_written_delta)
{
    struct small_plan plan = plan_of(_i);
    double delta[SMALL_MAX_REALS], down[SMALL_MAX_REALS], a[SMALL_MAX_REALS], weight[SMALL_MAX_REALS],
        bias[SMALL_MAX_REALS];
    plan.variant = DUALPROP_LECUN;
    struct small_network small = small_create(&plan);
    model_create(&model, &small);
    expect_ok(small_infer(&small)); /* leaves error signals of its own */
    begin(&small);
    write_delta(delta, &small, 2);
    small_read(a, &small, 2, DUALPROP_S_BOTTOM_UP);
    for (int64_t i = 0; i < plan.batch * plan.widths[2]; i++) delta[i] *= model_slope(plan.activation, a[i]);
    expect_ok(dualprop_infer_layer(small.state, 1));
    small_read(down, &small, 1, DUALPROP_S_TOP_DOWN);
    for (int64_t b = 0; b < plan.batch; b++)
        for (int64_t i = 0; i < plan.widths[1]; i++) {
            double sum = 0;
            for (int64_t j = 0; j < plan.widths[2]; j++)
                sum += model.weight[2][i * plan.widths[2] + j] * delta[b * plan.widths[2] + j];
            ck_assert_double_eq_tol(down[b * plan.widths[1] + i], sum, 1e-12);
        }
    expect_ok(dualprop_infer_end(small.state));
    expect_ok(dualprop_gradient(small.optimizer, small.state));
    small_read_gradient(weight, bias, &small, 2);
    for (int64_t j = 0; j < plan.widths[2]; j++) {
        double sum = 0;
        for (int64_t b = 0; b < plan.batch; b++) sum += delta[b * plan.widths[2] + j];
        ck_assert_double_eq_tol(bias[j], -sum / (plan.beta * (double)plan.batch), 1e-12);
    }
    small_destroy(&small);
}
END_TEST

/* In forward order the first pass makes the feed-forward state of zeros, so a start from zero comes to the same
 * bits. */
START_TEST(a_start_from_zero_comes_to_the_same)
{
    struct small_plan plan = plan_of(_i);
    double expected[SMALL_MAX_REALS], found[SMALL_MAX_REALS], zero = 0;
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = 3;
    struct small_network small = small_create(&plan), twin = small_create(&plan);
    expect_ok(small_infer(&twin));
    begin(&small);
    for (int k = 1; k <= plan.layers; k++) {
        dualprop_view zeros = matrix_view(&zero, DUALPROP_F64, plan.batch, plan.widths[k]);
        zeros.strides[0] = zeros.strides[1] = 0;
        expect_ok(dualprop_state_write(small.state, k, DUALPROP_S_MEAN, &zeros));
        small_read(found, &small, k, DUALPROP_S_PLUS);
        for (int64_t i = 0; i < plan.batch * plan.widths[k]; i++) ck_assert(found[i] == 0);
    }
    for (int pass = 0; pass < plan.passes; pass++) expect_ok(dualprop_infer_pass(small.state));
    expect_ok(dualprop_infer_end(small.state));
    for (int k = 1; k <= plan.layers; k++)
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
            small_read(expected, &twin, k, which);
            small_read(found, &small, k, which);
            ck_assert(memcmp(found, expected, (size_t)(plan.batch * plan.widths[k]) * sizeof *found) == 0);
        }
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* Finite in f32, but their gradient would not be. */
START_TEST(written_giants_never_reach_the_weights)
{
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float x[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, giants[8], weights[4] = { 0 };
    int32_t labels[4] = { 0, 1, 0, 1 };
    dualprop_view images = matrix_view(x, DUALPROP_F32, 4, 2), classes = vector_view(labels, DUALPROP_I32, 4);
    dualprop_view written = matrix_view(giants, DUALPROP_F32, 4, 2), view = matrix_view(weights, DUALPROP_F32, 2, 2);
    for (int i = 0; i < 8; i++) giants[i] = 3e38f;
    for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which += DUALPROP_S_DELTA - DUALPROP_S_PLUS) {
        expect_ok(dualprop_context_create(&context, BACKENDS[_i], NULL));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 2));
        expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_write(network, "layer1.weight", &view)); /* zeros, set on purpose */
        expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
        expect_ok(dualprop_state_create(&state, network, rule, 4));
        expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));
        expect_ok(dualprop_infer_begin(state, &images, &classes));
        expect_ok(dualprop_state_write(state, 1, which, &written));
        expect_ok(dualprop_infer_end(state));
        expect_error(dualprop_update(optimizer, state), DUALPROP_ERROR_NOT_FINITE, "layer 1");
        expect_ok(dualprop_network_read(&view, network, "layer1.weight"));
        for (int i = 0; i < 4; i++) ck_assert(weights[i] == 0);
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
}
END_TEST

Suite *test_dyad_access_suite(void)
{
    Suite *suite = suite_create("dyads that are overwritten");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, a_written_delta_is_forgotten_by_all, 0, 2);
    tcase_add_loop_test(tests, a_written_output_is_forgotten_by_all, 0, 2);
    tcase_add_loop_test(tests, lecuns_error_signal_follows_a_written_delta, 0, 2);
    tcase_add_loop_test(tests, a_start_from_zero_comes_to_the_same, 0, 2);
    tcase_add_loop_test(tests, written_giants_never_reach_the_weights, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
