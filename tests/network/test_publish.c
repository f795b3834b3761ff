/*
 * test_publish.c - a network that is published to serves whole sets of parameters, and its readers are never refused.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

#include "support/backends.h"
#include "support/expect.h"
#include "main.h"

#define WIDTH 24
#define READERS 3
#define PUBLICATIONS 400

static dualprop_context *create_context(int backend)
{
    dualprop_context *context;
    expect_ok(dualprop_context_create(&context, backend, NULL));
    return context;
}

static dualprop_network *create_dense(dualprop_context *context)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 1, 1, WIDTH));
    expect_ok(dualprop_network_add_dense(network, WIDTH, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    return network;
}

/* With filters that are transformed and cached. */
static dualprop_network *create_images(dualprop_context *context)
{
    static const int64_t three[2] = { 3, 3 };
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 6, 6, 16));
    expect_ok(dualprop_network_add_convolution(network, 16, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    return network;
}

/* All weights of a dense network become `value`, and the biases 0: it then gives (WIDTH value)^2 for ones. */
static void fill(dualprop_network *network, float value)
{
    static float first[WIDTH * WIDTH], second[WIDTH * 2];
    for (int i = 0; i < WIDTH * WIDTH; i++) first[i] = value;
    for (int i = 0; i < WIDTH * 2; i++) second[i] = value;
    dualprop_view one = matrix_view(first, DUALPROP_F32, WIDTH, WIDTH),
                  two = matrix_view(second, DUALPROP_F32, WIDTH, 2);
    expect_ok(dualprop_network_write(network, "layer1.weight", &one));
    expect_ok(dualprop_network_write(network, "layer2.weight", &two));
}

static float score_of(int value)
{
    return (float)(WIDTH * WIDTH * value * value);
}

START_TEST(what_is_served_was_published)
{
    dualprop_context *context = create_context(BACKENDS[_i]);
    dualprop_network *learner = create_images(context), *served = create_images(context), *copy;
    dualprop_state *own, *state;
    float x[6 * 6 * 16], scores[2], expected[2], weights[2][16 * 36 * 2];
    for (int i = 0; i < 6 * 6 * 16; i++) x[i] = (float)(i % 7) / 7;
    expect_ok(dualprop_network_initialize(learner, 1));
    expect_ok(dualprop_network_publish(served, learner));
    expect_ok(dualprop_state_create(&own, learner, NULL, 1));
    expect_ok(dualprop_state_create(&state, served, NULL, 1));
    for (uint64_t seed = 1; seed < 8; seed++) {
        expect_ok(dualprop_network_initialize(learner, seed));
        expect_ok(dualprop_predict(expected, own, x, 1));
        if (seed > 1) {
            expect_ok(dualprop_predict(scores, state, x, 1));
            ck_assert(scores[0] != expected[0]);
        }
        expect_ok(dualprop_network_publish(served, learner));
        expect_ok(dualprop_predict(scores, state, x, 1));
        ck_assert(scores[0] == expected[0] && scores[1] == expected[1]);
        dualprop_view one = matrix_view(weights[0], DUALPROP_F32, 16 * 36, 2);
        dualprop_view two = matrix_view(weights[1], DUALPROP_F32, 16 * 36, 2);
        expect_ok(dualprop_network_read(&one, served, "layer2.weight"));
        expect_ok(dualprop_network_clone(&copy, served));
        expect_ok(dualprop_network_read(&two, copy, "layer2.weight"));
        for (int i = 0; i < 16 * 36 * 2; i++) ck_assert(weights[0][i] == weights[1][i]);
        dualprop_network_destroy(copy);
    }
    dualprop_state_destroy(state);
    dualprop_state_destroy(own);
    dualprop_network_destroy(served);
    dualprop_network_destroy(learner);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(nothing_else_writes_to_what_is_served)
{
    dualprop_context *context = create_context(BACKENDS[_i]);
    dualprop_network *learner = create_dense(context), *served = create_dense(context);
    dualprop_optimizer *optimizer;
    dualprop_rule *rule;
    dualprop_state *state;
    float x[WIDTH] = { 1 }, w[WIDTH * 2] = { 0 };
    int32_t label = 1;
    dualprop_network *other;
    expect_ok(dualprop_network_create(&other, context, 1, 1, 3));
    expect_ok(dualprop_network_add_dense(other, 2, DUALPROP_IDENTITY));
    expect_error(dualprop_network_publish(served, other), DUALPROP_ERROR_INVALID_ARGUMENT, "from has 1 layers");
    dualprop_network_destroy(other);
    expect_error(dualprop_network_publish(served, learner), DUALPROP_ERROR_INVALID_STATE, "never set");
    expect_ok(dualprop_network_initialize(served, 7)); /* a publication that was refused has changed nothing */
    expect_ok(dualprop_network_initialize(learner, 7));
    expect_ok(dualprop_network_publish(served, learner));
    dualprop_view view = matrix_view(w, DUALPROP_F32, WIDTH, 2);
    expect_error(dualprop_network_write(served, "layer2.weight", &view), DUALPROP_ERROR_INVALID_STATE, "published");
    expect_error(dualprop_network_initialize(served, 1), DUALPROP_ERROR_INVALID_STATE, "published");
    expect_error(dualprop_network_copy(served, learner), DUALPROP_ERROR_INVALID_STATE, "published");
    expect_error(dualprop_network_add_dense(served, 2, DUALPROP_IDENTITY), DUALPROP_ERROR_INVALID_STATE, "");
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, served, rule, 1));
    expect_ok(dualprop_optimizer_create(&optimizer, served, DUALPROP_SGD));
    expect_ok(dualprop_infer(state, x, &label, 1));
    expect_error(dualprop_update(optimizer, state), DUALPROP_ERROR_INVALID_STATE, "published");
    expect_error(dualprop_learn(optimizer, state, x, &label, 1), DUALPROP_ERROR_INVALID_STATE, "published");
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(served);
    dualprop_network_destroy(learner);
    dualprop_context_destroy(context);
}
END_TEST

/* Calls that last keep their parameters; only when they hold both spare sets is the publisher refused. */
START_TEST(open_inferences_keep_what_they_began_with)
{
    dualprop_context *context = create_context(BACKENDS[_i]);
    dualprop_network *learner = create_dense(context), *served = create_dense(context);
    dualprop_rule *rule;
    dualprop_state *held[3];
    float x[WIDTH], outputs[2];
    int32_t label = 0;
    for (int i = 0; i < WIDTH; i++) x[i] = 1;
    dualprop_view inputs = matrix_view(x, DUALPROP_F32, 1, WIDTH), labels = vector_view(&label, DUALPROP_I32, 1);
    dualprop_view row = matrix_view(outputs, DUALPROP_F32, 1, 2);
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    for (int i = 0; i < 3; i++) {
        fill(learner, (float)(i + 1));
        expect_ok(dualprop_network_publish(served, learner));
        expect_ok(dualprop_state_create(&held[i], served, rule, 1));
        expect_ok(dualprop_infer_begin(held[i], &inputs, &labels));
    }
    expect_error(dualprop_network_publish(served, learner), DUALPROP_ERROR_BUSY, "again later");
    for (int i = 0; i < 3; i++) {
        expect_ok(dualprop_state_read(&row, held[i], 2, DUALPROP_S_BOTTOM_UP));
        ck_assert(outputs[0] == score_of(i + 1));
    }
    expect_ok(dualprop_infer_pass(held[0]));
    expect_ok(dualprop_infer_end(held[0]));
    expect_ok(dualprop_network_publish(served, learner));
    for (int i = 1; i < 3; i++) expect_ok(dualprop_infer_end(held[i]));
    for (int i = 0; i < 3; i++) dualprop_state_destroy(held[i]);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(served);
    dualprop_network_destroy(learner);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- while others predict ---- */

struct reader {
    dualprop_state *state;
    atomic_int *stop;
    int calls, refused, torn;
};

static void *read_on(void *argument)
{
    struct reader *reader = argument;
    float x[WIDTH], scores[2];
    for (int i = 0; i < WIDTH; i++) x[i] = 1;
    while (!atomic_load(reader->stop)) {
        reader->calls++;
        if (dualprop_predict(scores, reader->state, x, 1) != DUALPROP_OK) {
            reader->refused++;
            continue;
        }
        int whole = 0;
        for (int value = 1; value <= 4 && !whole; value++)
            whole = scores[0] == score_of(value) && scores[1] == scores[0];
        reader->torn += !whole;
    }
    return NULL;
}

START_TEST(readers_are_never_refused_and_see_whole_sets)
{
    dualprop_context *context = create_context(BACKENDS[_i % 2]);
    dualprop_context *other = _i / 2 ? create_context(BACKENDS[_i % 2]) : context;
    dualprop_network *learner = create_dense(context), *served = create_dense(other);
    struct reader readers[MOST_TEST_THREADS];
    pthread_t threads[MOST_TEST_THREADS];
    atomic_int stop = 0;
    uint64_t before, after;
    int refused = 0, count = test_threads(READERS);
    fill(learner, 1);
    expect_ok(dualprop_network_publish(served, learner));
    for (int i = 0; i < count; i++) {
        readers[i] = (struct reader){ .stop = &stop };
        expect_ok(dualprop_state_create(&readers[i].state, served, NULL, 1));
    }
    expect_ok(dualprop_context_memory(NULL, NULL, &before, context));
    for (int i = 0; i < count; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    for (int i = 0; i < PUBLICATIONS; i++) {
        fill(learner, (float)(i % 4 + 1));
        dualprop_status status = dualprop_network_publish(served, learner);
        refused += status == DUALPROP_ERROR_BUSY; /* three readers that were preempted may hold all */
        ck_assert(status == DUALPROP_OK || status == DUALPROP_ERROR_BUSY);
    }
    expect_ok(dualprop_context_memory(NULL, NULL, &after, context));
    atomic_store(&stop, 1);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(readers[i].refused, 0);
        ck_assert_int_eq(readers[i].torn, 0);
        dualprop_state_destroy(readers[i].state);
    }
    ck_assert_int_lt(refused, PUBLICATIONS);
    /* Neither writing plain arrays nor publishing allocates. */
    ck_assert_uint_eq(after - before, 0);
    dualprop_network_destroy(served);
    dualprop_network_destroy(learner);
    if (other != context) dualprop_context_destroy(other);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_publish_suite(void)
{
    Suite *suite = suite_create("publish");
    TCase *cases = tcase_create("publish");
    tcase_add_loop_test(cases, what_is_served_was_published, 0, 2);
    tcase_add_loop_test(cases, nothing_else_writes_to_what_is_served, 0, 2);
    tcase_add_loop_test(cases, open_inferences_keep_what_they_began_with, 0, 2);
    tcase_add_loop_test(cases, readers_are_never_refused_and_see_whole_sets, 0, 4);
    suite_add_tcase(suite, cases);
    return suite;
}
