/*
 * test_keep_inference.c - predictions and evaluations between an inference and its update leave it alone, to the bit,
 * where the state has memory for both.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/failing_allocator.h"

enum { SIDE = 6, INPUTS = SIDE * SIDE, CLASSES = 3, BATCH = 4, MANY = 11, MOST = 8 * SIDE * SIDE * BATCH };

typedef struct model {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
} model;

static double images[MANY * INPUTS];
static int32_t labels[MANY];

static model create_model(int number, const dualprop_allocator *allocator)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 };
    model made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    options.allocator = allocator;
    for (int i = 0; i < MANY * INPUTS; i++) images[i] = i * 7919 % 1009 / 504.0 - 1;
    for (int i = 0; i < MANY; i++) labels[i] = i % CLASSES;
    expect_ok(dualprop_context_create(&made.context, BACKENDS[number % 2], &options));
    expect_ok(dualprop_network_create(&made.network, made.context, SIDE, SIDE, 1));
    if (number / 2 % 2) {
        expect_ok(dualprop_network_add_convolution(made.network, 8, three, NULL, NULL, DUALPROP_TANH));
        expect_ok(dualprop_network_add_pooling(made.network, DUALPROP_POOL_MAX, two, NULL));
    } else {
        expect_ok(dualprop_network_add_dense(made.network, 9, DUALPROP_RELU));
    }
    expect_ok(dualprop_network_add_dense(made.network, 7, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(made.network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made.network, 1));
    expect_ok(dualprop_rule_create(&made.rule, made.context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_alpha(made.rule, 0.25));
    expect_ok(dualprop_rule_set_loss(made.rule, DUALPROP_CROSS_ENTROPY));
    if (number / 4 % 2) expect_ok(dualprop_rule_set_warm_start(made.rule, 1));
    expect_ok(dualprop_state_create(&made.state, made.network, made.rule, BATCH));
    expect_ok(dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_ADAM));
    return made;
}

static void destroy_model(model *made)
{
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_state_destroy(made->state);
    dualprop_rule_destroy(made->rule);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

/* Everything that is asked of a state between an inference and its update. */
static void look_around(const model *with)
{
    double scores[MANY * CLASSES], loss;
    int64_t correct;
    static const double weights[CLASSES] = { 1, 3, 0.5 };
    const double samples[2] = { 2, 5 };
    static const int32_t shifts[2 * 3] = { 1, 0, 1, -1, 1, 0 };
    expect_ok(dualprop_predict(scores, with->state, images + INPUTS, 2));
    expect_ok(dualprop_predict_probabilities(scores, with->state, images, MANY)); /* in pieces */
    expect_ok(dualprop_state_set_class_weights(with->state, weights, CLASSES));
    expect_ok(dualprop_state_set_sample_weights(with->state, samples, 2));
    expect_ok(dualprop_state_set_augmentation(with->state, shifts, 2));
    expect_ok(dualprop_evaluate(&loss, &correct, NULL, 1, with->state, images + 3 * INPUTS, labels + 3, 2));
    expect_ok(dualprop_state_set_class_weights(with->state, NULL, 0));
    expect_ok(dualprop_evaluate(&loss, &correct, NULL, 1, with->state, images, labels, MANY));
}

static void expect_alike(const model *one, const model *other)
{
    static double here[MOST], there[MOST];
    double losses[2];
    int64_t correct[2];
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &losses[0], &correct[0], one->state));
    expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &losses[1], &correct[1], other->state));
    ck_assert(losses[0] == losses[1]);
    ck_assert_int_eq(correct[0], correct[1]);
    for (int k = 1; k <= 3; k++) {
        dualprop_layer *layer;
        int64_t width;
        expect_ok(dualprop_network_layer(&layer, one->network, k));
        expect_ok(dualprop_layer_info(NULL, &width, NULL, layer));
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_TOP_DOWN; which++) {
            dualprop_view left = matrix_view(here, DUALPROP_F64, BATCH, width);
            dualprop_view right = matrix_view(there, DUALPROP_F64, BATCH, width);
            expect_ok(dualprop_state_read(&left, one->state, k, which));
            expect_ok(dualprop_state_read(&right, other->state, k, which));
            ck_assert_msg(memcmp(here, there, (size_t)(BATCH * width) * sizeof *here) == 0, "array %d of layer %d",
                          which, k);
        }
    }
}

static void expect_same_weights(const model *one, const model *other)
{
    double here[7 * CLASSES], there[7 * CLASSES];
    dualprop_view left = matrix_view(here, DUALPROP_F64, 7, CLASSES),
                  right = matrix_view(there, DUALPROP_F64, 7, CLASSES);
    expect_ok(dualprop_network_read(&left, one->network, "layer3.weight"));
    expect_ok(dualprop_network_read(&right, other->network, "layer3.weight"));
    ck_assert_mem_eq(here, there, sizeof here);
}

START_TEST(an_inference_survives_predictions)
{
    model one = create_model(_i, NULL), other = create_model(_i, NULL);
    const double weights[BATCH] = { 1, 0.5, 2, 0.25 };
    uint64_t before, after;
    expect_ok(dualprop_state_keep_inference(one.state, 1));
    look_around(&one); /* before any inference, too */
    for (int step = 0; step < 3; step++) {
        const double *x = images + step * INPUTS;
        if (step == 1) {
            expect_ok(dualprop_state_set_sample_weights(one.state, weights, BATCH));
            expect_ok(dualprop_state_set_sample_weights(other.state, weights, BATCH));
        }
        expect_ok(dualprop_infer(one.state, x, labels + step, BATCH));
        expect_ok(dualprop_infer(other.state, x, labels + step, BATCH));
        expect_ok(dualprop_context_memory(NULL, NULL, &before, one.context));
        look_around(&one);
        expect_ok(dualprop_context_memory(NULL, NULL, &after, one.context));
        ck_assert_uint_eq(before, after);
        expect_alike(&one, &other);
        expect_ok(dualprop_update(one.optimizer, one.state));
        expect_ok(dualprop_update(other.optimizer, other.state));
        expect_same_weights(&one, &other);
        look_around(&one); /* with other weights than those of the inference */
        expect_alike(&one, &other);
    }
    destroy_model(&other);
    destroy_model(&one);
}
END_TEST

START_TEST(by_default_it_is_overwritten)
{
    model own = create_model(_i, NULL);
    double scores[CLASSES];
    uint64_t before, between, after;
    expect_ok(dualprop_infer(own.state, images, labels, BATCH));
    expect_ok(dualprop_predict(scores, own.state, images, 1));
    expect_error(dualprop_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "has not settled");
    expect_ok(dualprop_context_memory(&before, NULL, NULL, own.context));
    expect_ok(dualprop_state_keep_inference(own.state, 1));
    expect_ok(dualprop_context_memory(&between, NULL, NULL, own.context));
    ck_assert_uint_gt(between, before);
    expect_ok(dualprop_infer(own.state, images, labels, BATCH));
    expect_ok(dualprop_predict(scores, own.state, images, 1));
    expect_ok(dualprop_rule_set_schedule(own.rule, DUALPROP_FORWARD, 4));
    expect_ok(dualprop_state_prepare(own.state)); /* another plan keeps the setting */
    expect_ok(dualprop_infer(own.state, images, labels, BATCH));
    expect_ok(dualprop_predict(scores, own.state, images, 1));
    expect_ok(dualprop_update(own.optimizer, own.state));
    expect_ok(dualprop_state_keep_inference(own.state, 0));
    expect_ok(dualprop_context_memory(&after, NULL, NULL, own.context));
    ck_assert_uint_eq(after, before);
    expect_ok(dualprop_infer(own.state, images, labels, BATCH));
    expect_ok(dualprop_predict(scores, own.state, images, 1));
    expect_error(dualprop_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "has not settled");
    destroy_model(&own);
}
END_TEST

/* A prediction that is refused or fails leaves it alone as well. */
START_TEST(failed_predictions_leave_it_alone)
{
    failing_allocator allocator = { 0 };
    dualprop_allocator table = failing_allocator_table(&allocator);
    model one = create_model(_i, &table), other = create_model(_i, NULL);
    double scores[MANY * CLASSES], spoilt[BATCH * INPUTS];
    dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
    for (long i = 1; status != DUALPROP_OK; i++) {
        ck_assert_int_lt(i, 5);
        failing_allocator_arm(&allocator, i, 0);
        status = dualprop_state_keep_inference(one.state, 1);
        ck_assert(status == DUALPROP_OK || status == DUALPROP_ERROR_NO_MEMORY);
    }
    failing_allocator_arm(&allocator, 0, 0);
    memcpy(spoilt, images, sizeof spoilt);
    spoilt[7] = INFINITY;
    expect_ok(dualprop_infer(one.state, images, labels, BATCH));
    expect_ok(dualprop_infer(other.state, images, labels, BATCH));
    expect_error(dualprop_predict(scores, one.state, spoilt, BATCH), DUALPROP_ERROR_NOT_FINITE, "");
    expect_alike(&one, &other);
    expect_ok(dualprop_context_cancel(one.context));
    expect_error(dualprop_predict(scores, one.state, images, MANY), DUALPROP_ERROR_CANCELLED, "");
    expect_ok(dualprop_context_resume(one.context));
    expect_alike(&one, &other);
    expect_ok(dualprop_update(one.optimizer, one.state));
    expect_ok(dualprop_update(other.optimizer, other.state));
    expect_same_weights(&one, &other);
    dualprop_view x = matrix_view(images, DUALPROP_F64, BATCH, INPUTS), y = vector_view(labels, DUALPROP_I32, BATCH);
    expect_ok(dualprop_infer_begin(one.state, &x, &y));
    expect_error(dualprop_predict(scores, one.state, images, 1), DUALPROP_ERROR_INVALID_STATE, "an inference is open");
    expect_error(dualprop_state_keep_inference(one.state, 0), DUALPROP_ERROR_INVALID_STATE, "an inference is open");
    expect_ok(dualprop_infer_end(one.state));
    destroy_model(&other);
    destroy_model(&one);
    ck_assert_int_eq(atomic_load(&allocator.live_bytes), 0);
    ck_assert_int_eq(atomic_load(&allocator.misuse), 0);
}
END_TEST

Suite *test_keep_inference_suite(void)
{
    Suite *suite = suite_create("keep_inference");
    TCase *tcase = tcase_create("dense layers and images, both backends");
    tcase_add_loop_test(tcase, an_inference_survives_predictions, 0, 8);
    tcase_add_loop_test(tcase, by_default_it_is_overwritten, 0, 4);
    tcase_add_loop_test(tcase, failed_predictions_leave_it_alone, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
