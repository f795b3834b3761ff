/*
 * test_misuse.c - what used to be silent is told: settings without effect, updates of dyads that are not the network's
 * any more, targets that are no distributions, values that are not finite; and labels of 64 bits are taken.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/small_network.h"

Suite *test_misuse_suite(void);

static struct small_plan plan_of(int backend)
{
    return (struct small_plan){ .backend = backend,
                                .layers = 2,
                                .widths = { 3, 5, 4 },
                                .activation = DUALPROP_TANH,
                                .variant = DUALPROP_DP_ADJOINT,
                                .alpha = 0.5,
                                .beta = 0.5,
                                .loss = DUALPROP_CROSS_ENTROPY,
                                .batch = 4,
                                .seed = 1 };
}

START_TEST(settings_of_another_optimizer_are_refused)
{
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_optimizer *adam, *adamw;
    expect_ok(dualprop_optimizer_create(&adam, small.network, DUALPROP_ADAM));
    expect_ok(dualprop_optimizer_create(&adamw, small.network, DUALPROP_ADAMW));
    expect_error(dualprop_optimizer_set_momentum(adam, 0.9), DUALPROP_ERROR_UNSUPPORTED, "adam");
    expect_error(dualprop_optimizer_set_momentum(adamw, 0.9), DUALPROP_ERROR_UNSUPPORTED, "adamw");
    expect_error(dualprop_optimizer_set_moments(small.optimizer, 0.9, 0.99, 1e-8), DUALPROP_ERROR_UNSUPPORTED, "sgd");
    expect_ok(dualprop_optimizer_set_moments(adamw, 0.9, 0.99, 1e-8));
    expect_ok(dualprop_optimizer_set_momentum(small.optimizer, 0.5));
    dualprop_optimizer_destroy(adam);
    dualprop_optimizer_destroy(adamw);
    small_destroy(&small);
}
END_TEST

/* Once by each optimizer; further steps on the same dyads are gradient and step. */
START_TEST(an_inference_is_learned_from_once)
{
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
    dualprop_view targets = matrix_view(small.y, DUALPROP_F64, plan.batch, plan.widths[2]);
    dualprop_optimizer *other;
    int64_t steps;
    expect_ok(dualprop_optimizer_create(&other, small.network, DUALPROP_ADAM));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_update(small.optimizer, small.state));
    expect_error(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE, "infer again");
    expect_ok(dualprop_update(other, small.state));
    expect_ok(dualprop_gradient(small.optimizer, small.state));
    expect_ok(dualprop_step(small.optimizer));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_update(small.optimizer, small.state));
    expect_ok(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets));
    expect_error(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE, "infer again");
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, small.optimizer));
    ck_assert_int_eq(steps, 4);
    dualprop_optimizer_destroy(other);
    small_destroy(&small);
}
END_TEST

static dualprop_status learn_from(struct small_network *small)
{
    return dualprop_update(small->optimizer, small->state);
}

/* The sentence says why there is no inference, and not what it might have been. */
START_TEST(an_update_tells_what_became_of_the_inference)
{
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
    double scores[64], gradient[64];
    dualprop_view to = matrix_view(scores, DUALPROP_F64, plan.batch, plan.widths[2]);
    dualprop_view of_inputs = matrix_view(gradient, DUALPROP_F64, plan.batch, plan.widths[0]);
    dualprop_checkpoint *checkpoint;
    dualprop_diagnostics *diagnostics;
    expect_error(learn_from(&small), DUALPROP_ERROR_INVALID_STATE, "not settled: no inference was made; call");
    expect_ok(small_infer(&small));
    expect_ok(dualprop_state_prepare(small.state));
    expect_error(learn_from(&small), DUALPROP_ERROR_INVALID_STATE, "dualprop_state_prepare() has ended the last");
    expect_ok(dualprop_predict_view(&to, small.state, &inputs)); /* of what was lost before */
    expect_error(learn_from(&small), DUALPROP_ERROR_INVALID_STATE, "dualprop_state_prepare() has ended the last");
    expect_ok(small_infer(&small));
    expect_ok(dualprop_predict_view(&to, small.state, &inputs));
    expect_error(learn_from(&small), DUALPROP_ERROR_INVALID_STATE, "a prediction or an evaluation has overwritten");
    expect_ok(small_infer(&small));
    expect_ok(dualprop_checkpoint_create(&checkpoint, small.context));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, small.state));
    expect_ok(dualprop_checkpoint_get_state(small.state, checkpoint));
    expect_error(learn_from(&small), DUALPROP_ERROR_INVALID_STATE, "dualprop_checkpoint_get_state() has ended");
    expect_ok(dualprop_context_cancel(small.context));
    expect_error(small_infer(&small), DUALPROP_ERROR_CANCELLED, "");
    expect_ok(dualprop_context_resume(small.context));
    expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, DUALPROP_MSE, plan.batch));
    expect_error(dualprop_diagnostics_input_gradient(&of_inputs, diagnostics, small.state),
                 DUALPROP_ERROR_INVALID_STATE, "not settled: ");
    dualprop_diagnostics_destroy(diagnostics);
    dualprop_checkpoint_destroy(checkpoint);
    small_destroy(&small);
}
END_TEST

static void write_bias(struct small_network *small)
{
    double bias[5] = { 0 };
    dualprop_view view = vector_view(bias, DUALPROP_F64, 5);
    expect_ok(dualprop_network_write(small->network, "layer1.bias", &view));
}

static void initialize(struct small_network *small)
{
    expect_ok(dualprop_network_initialize(small->network, 3));
}

static void copy(struct small_network *small)
{
    dualprop_network *clone;
    expect_ok(dualprop_network_clone(&clone, small->network));
    expect_ok(dualprop_network_copy(small->network, clone));
    dualprop_network_destroy(clone);
}

/* A step of another optimizer is learning, and legal. */
START_TEST(dyads_of_other_parameters_are_not_learned_from)
{
    static void (*const writes[])(struct small_network * small) = { write_bias, initialize, copy };
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan), other = small_twin(&small, DUALPROP_DP);
    for (int i = 0; i < 3; i++) {
        expect_ok(small_infer(&small));
        writes[i](&small);
        expect_error(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE, "infer again");
        expect_error(dualprop_gradient(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE, "infer again");
    }
    expect_ok(small_infer(&small));
    expect_ok(small_infer(&other));
    expect_ok(dualprop_update(other.optimizer, other.state));
    expect_ok(dualprop_update(small.optimizer, small.state));
    small_destroy(&other);
    small_destroy(&small);
}
END_TEST

struct messages {
    int count;
    char last[512];
};

static void receive(void *user_data, int level, const char *component, const char *message)
{
    struct messages *messages = user_data;
    (void)component;
    if (level != DUALPROP_LOG_WARNING) return;
    messages->count++;
    strncpy(messages->last, message, sizeof messages->last - 1);
}

/* One warning a state: a learner may mean it. */
START_TEST(targets_that_are_no_distributions_leave_a_warning)
{
    struct messages messages = { 0, "" };
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_context_set_log(small.context, receive, &messages, DUALPROP_LOG_WARNING));
    expect_ok(small_infer(&small));
    ck_assert_int_eq(messages.count, 0);
    small.y[2 * 4] += 0.5;
    for (int i = 0; i < 3; i++) expect_ok(small_infer(&small));
    ck_assert_int_eq(messages.count, 1);
    ck_assert_ptr_nonnull(strstr(messages.last, "row 2"));
    small_destroy(&small);
    plan.loss = DUALPROP_MSE;
    small = small_create(&plan);
    expect_ok(dualprop_context_set_log(small.context, receive, &messages, DUALPROP_LOG_WARNING));
    expect_ok(small_infer(&small)); /* any numbers */
    ck_assert_int_eq(messages.count, 1);
    small_destroy(&small);
}
END_TEST

START_TEST(labels_of_64_bits_are_labels)
{
    int32_t narrow[4] = { 0, 3, 2, 1 };
    int64_t wide[8] = { 0, 99, 3, 99, 2, 99, 1, 99 }; /* every other one */
    double deltas[2][SMALL_MAX_REALS], loss[2];
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, plan.batch, plan.widths[0]);
    dualprop_view labels[2] = { vector_view(narrow, DUALPROP_I32, 4), vector_view(wide, DUALPROP_I64, 4) };
    labels[1].strides[0] = 2;
    for (int i = 0; i < 2; i++) {
        expect_ok(dualprop_infer_view(small.state, &inputs, &labels[i]));
        small_read(deltas[i], &small, 1, DUALPROP_S_DELTA);
        expect_ok(dualprop_evaluate_view(&loss[i], NULL, NULL, 1, small.state, &inputs, &labels[i]));
    }
    ck_assert(memcmp(deltas[0], deltas[1], sizeof(double) * 4 * 5) == 0 && loss[0] == loss[1]);
    wide[4] = INT64_C(1) << 32; /* 0, if it were cut */
    expect_error(dualprop_infer_view(small.state, &inputs, &labels[1]), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "labels[2] is 4294967296");
    small_destroy(&small);
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_told_by_its_row)
{
    double scores[SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_state *single;
    small.x[3 * 3 + 1] = NAN;
    expect_error(small_infer(&small), DUALPROP_ERROR_NOT_FINITE, "row 3");
    expect_ok(dualprop_state_create(&single, small.network, NULL, 2)); /* in pieces of 2 */
    expect_error(dualprop_predict(scores, single, small.x, 4), DUALPROP_ERROR_NOT_FINITE, "row 3");
    small.x[3 * 3 + 1] = 0;
    small.y[2 * 4] = INFINITY;
    expect_error(small_infer(&small), DUALPROP_ERROR_NOT_FINITE, "row 2");
    dualprop_state_destroy(single);
    small_destroy(&small);
}
END_TEST

/* A state that just predicts has less memory than a row of its input takes. */
START_TEST(a_wide_row_that_is_not_finite_is_looked_at_within_memory)
{
    enum { WIDE = 500 };
    static failing_allocator memory;
    float x[2 * WIDE] = { 0 }, scores[4];
    int32_t labels[2] = { 0, 1 };
    dualprop_allocator table = failing_allocator_table(&memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_state *state;
    options.allocator = &table;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], &options));
    expect_ok(dualprop_network_create(&network, context, 1, 1, WIDE));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    x[2 * WIDE - 1] = NAN;
    expect_error(dualprop_predict(scores, state, x, 2), DUALPROP_ERROR_NOT_FINITE, "row 1");
    expect_error(dualprop_evaluate(NULL, NULL, NULL, 1, state, x, labels, 2), DUALPROP_ERROR_NOT_FINITE, "row 1");
    dualprop_state_destroy(state);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    ck_assert_int_eq(memory.misuse, 0);
    ck_assert_int_eq(memory.live_blocks, 0);
}
END_TEST

START_TEST(sentences_tell_what_came)
{
    char bytes[64] = "this is a text and no file of tensors";
    struct small_plan plan = plan_of(BACKENDS[_i]);
    struct small_network small = small_create(&plan);
    dualprop_checkpoint *checkpoint;
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, 4, 2), targets = matrix_view(small.y, DUALPROP_F64, 4, 4);
    int value;
    expect_error(dualprop_infer_view(small.state, &inputs, &targets), DUALPROP_ERROR_INVALID_ARGUMENT, "[4, 2]");
    inputs = matrix_view(small.x, DUALPROP_F64, 4, 3);
    targets.shape[1] = 3;
    expect_error(dualprop_infer_view(small.state, &inputs, &targets), DUALPROP_ERROR_INVALID_ARGUMENT, "[4, 3]");
    expect_error(dualprop_network_read(&targets, small.network, "layer1.weight"), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "[4, 3]; expected [3, 5]");
    expect_error(dualprop_checkpoint_read_memory(&checkpoint, small.context, bytes, sizeof bytes),
                 DUALPROP_ERROR_FORMAT, "is no checkpoint");
    expect_error(dualprop_from_name(&value, DUALPROP_NAMES_OPTIMIZER, "adagrad"), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "sgd, adam, adamw, plain-sgd");
    expect_ok(dualprop_from_name(&value, DUALPROP_NAMES_RULE, "DP_Adjoint"));
    ck_assert_int_eq(value, DUALPROP_DP_ADJOINT);
    small_destroy(&small);
}
END_TEST

Suite *test_misuse_suite(void)
{
    Suite *suite = suite_create("misuse that is told");
    TCase *tests = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tests, settings_of_another_optimizer_are_refused, 0, 2);
    tcase_add_loop_test(tests, an_inference_is_learned_from_once, 0, 2);
    tcase_add_loop_test(tests, an_update_tells_what_became_of_the_inference, 0, 2);
    tcase_add_loop_test(tests, dyads_of_other_parameters_are_not_learned_from, 0, 2);
    tcase_add_loop_test(tests, targets_that_are_no_distributions_leave_a_warning, 0, 2);
    tcase_add_loop_test(tests, labels_of_64_bits_are_labels, 0, 2);
    tcase_add_loop_test(tests, a_value_that_is_not_finite_is_told_by_its_row, 0, 2);
    tcase_add_loop_test(tests, a_wide_row_that_is_not_finite_is_looked_at_within_memory, 0, 2);
    tcase_add_loop_test(tests, sentences_tell_what_came, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
