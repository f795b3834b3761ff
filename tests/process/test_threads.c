/*
 * test_threads.c - handles and threads: what may run side by side gives the same bits, what may not is BUSY, and a
 * cancelled call stops soon. Made for ThreadSanitizer (make check-tsan), and cheap enough for every day.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/randomness.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"

#define THREADS 8 /* unless TEST_THREADS says otherwise */

static void run_threads(pthread_t *threads, int count, void *(*main)(void *), void *arguments, size_t size)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, main, (char *)arguments + (size_t)i * size), 0);
    for (int i = 0; i < count; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* ---- a context for each thread ---- */

struct life {
    saved_plan plan;
    char file[128];
    dualprop_status status;
    uint32_t parameters;
};

/* Make, train, save, load, train on. */
static dualprop_status live(struct life *life)
{
    saved_model model, loaded = { 0 };
    dualprop_status status = saved_model_create(&model, &life->plan);
    if (status == DUALPROP_OK) status = saved_model_train(&model, 3);
    if (status == DUALPROP_OK) status = saved_model_save(&model, life->file);
    if (status == DUALPROP_OK) status = saved_model_open(&loaded, &life->plan);
    if (status == DUALPROP_OK) status = saved_model_load(&loaded, life->file);
    if (status == DUALPROP_OK) status = saved_model_train(&loaded, 3);
    if (status == DUALPROP_OK) life->parameters = saved_model_parameters(&loaded);
    saved_model_destroy(&loaded);
    saved_model_destroy(&model);
    return status;
}

static void *live_often(void *argument)
{
    struct life *life = argument;
    life->status = DUALPROP_OK;
    for (int i = 0; i < 5 && life->status == DUALPROP_OK; i++) life->status = live(life);
    return NULL;
}

START_TEST(lives_side_by_side_have_the_bits_of_one_alone)
{
    int count = test_threads(THREADS);
    struct life lives[MOST_TEST_THREADS + 1];
    pthread_t threads[MOST_TEST_THREADS];
    scratch_folder folder = scratch_folder_create();
    memset(lives, 0, sizeof lives);
    for (int i = 0; i <= count; i++) {
        lives[i].plan = (saved_plan){ BACKENDS[_i], DUALPROP_F32, DUALPROP_ADAM, NULL, NULL, 1 + i % 3 };
        snprintf(lives[i].file, sizeof lives[i].file, "%s-%d", folder.file, i);
    }
    expect_ok(live(&lives[count]));
    run_threads(threads, count, live_often, lives, sizeof *lives);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(lives[i].status, DUALPROP_OK);
        ck_assert_uint_eq(lives[i].parameters, lives[count].parameters);
    }
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- one context, a network for each thread ---- */

struct share {
    dualprop_context *context;
    dualprop_status status;
    float scores[SAVED_OUTPUTS];
};

static dualprop_status train_own_network(struct share *share, dualprop_network *network, dualprop_rule *rule)
{
    static const float images[SAVED_INPUTS] = { 0.5f, -1, 2 };
    static const int32_t label = 1;
    dualprop_state *state = NULL;
    dualprop_optimizer *optimizer = NULL;
    dualprop_status status = dualprop_network_add_dense(network, 7, DUALPROP_TANH);
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(network, SAVED_OUTPUTS, DUALPROP_IDENTITY);
    if (status == DUALPROP_OK) status = dualprop_network_initialize(network, 5);
    if (status == DUALPROP_OK) status = dualprop_state_create(&state, network, rule, 1);
    if (status == DUALPROP_OK) status = dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD);
    for (int i = 0; i < 20 && status == DUALPROP_OK; i++) {
        status = dualprop_infer(state, images, &label, 1);
        if (status == DUALPROP_OK) status = dualprop_update(optimizer, state);
    }
    if (status == DUALPROP_OK) status = dualprop_predict(share->scores, state, images, 1);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    return status;
}

static void *use_the_context(void *argument)
{
    struct share *share = argument;
    dualprop_network *network = NULL;
    dualprop_rule *rule = NULL;
    char text[256];
    share->status = dualprop_network_create(&network, share->context, 1, 1, SAVED_INPUTS);
    if (share->status == DUALPROP_OK) share->status = dualprop_rule_create(&rule, share->context, DUALPROP_DP);
    if (share->status == DUALPROP_OK) share->status = train_own_network(share, network, rule);
    /* Errors of others go into the same context. */
    if (dualprop_rule_set_alpha(rule, 2) != DUALPROP_ERROR_INVALID_ARGUMENT)
        share->status = DUALPROP_ERROR_INVALID_STATE;
    expect_ok(dualprop_last_error(text, sizeof text, NULL, share->context));
    expect_ok(dualprop_context_describe(text, sizeof text, NULL, share->context));
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    return NULL;
}

START_TEST(a_context_is_shared)
{
    int count = test_threads(THREADS);
    struct share shares[MOST_TEST_THREADS + 1];
    pthread_t threads[MOST_TEST_THREADS];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.threads = 3;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], &options));
    for (int i = 0; i <= count; i++) shares[i] = (struct share){ .context = context };
    use_the_context(&shares[count]);
    run_threads(threads, count, use_the_context, shares, sizeof *shares);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(shares[i].status, DUALPROP_OK);
        ck_assert_mem_eq(shares[i].scores, shares[count].scores, sizeof shares[i].scores);
    }
    dualprop_context_destroy(context);
}
END_TEST

/* ---- one handle, many threads: a status, whatever happens ---- */

struct rival {
    saved_model *model;
    int number;
    long done, busy, other;
};

static dualprop_status call_something(struct rival *rival, randomness *random)
{
    static const float images[SAVED_BATCH * SAVED_INPUTS];
    static const int32_t labels[SAVED_BATCH];
    float scores[SAVED_BATCH * SAVED_OUTPUTS], bias[7] = { 0 };
    saved_model *model = rival->model;
    dualprop_view view = vector_view(bias, DUALPROP_F32, 7);
    double loss;
    switch (random_below(random, 7)) {
    case 0: return dualprop_infer(model->state, images, labels, SAVED_BATCH);
    case 1: return dualprop_update(model->optimizer, model->state);
    case 2: return dualprop_predict(scores, model->state, images, SAVED_BATCH);
    case 3: return dualprop_evaluate(&loss, NULL, NULL, 1, model->state, images, labels, SAVED_BATCH);
    case 4: return dualprop_network_read(&view, model->network, "layer2.bias");
    case 5: return dualprop_network_write(model->network, "layer2.bias", &view);
    default: return dualprop_gradient(model->optimizer, model->state);
    }
}

static void *call_often(void *argument)
{
    struct rival *rival = argument;
    randomness random = random_start((uint64_t)rival->number);
    for (int i = 0; i < 500; i++) {
        dualprop_status status = call_something(rival, &random);
        if (status == DUALPROP_OK) rival->done++;
        else if (status == DUALPROP_ERROR_BUSY || status == DUALPROP_ERROR_INVALID_STATE) rival->busy++;
        else rival->other++;
    }
    return NULL;
}

START_TEST(rivals_for_a_handle_are_told_to_wait)
{
    saved_plan plan = { BACKENDS[_i], DUALPROP_F32, DUALPROP_SGD, NULL, NULL, 2 };
    saved_model model;
    int count = test_threads(THREADS);
    struct rival rivals[MOST_TEST_THREADS];
    pthread_t threads[MOST_TEST_THREADS];
    expect_ok(saved_model_create(&model, &plan));
    for (int i = 0; i < count; i++) rivals[i] = (struct rival){ .model = &model, .number = i };
    run_threads(threads, count, call_often, rivals, sizeof *rivals);
    long done = 0;
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(rivals[i].other, 0);
        done += rivals[i].done; /* one that was always too late may have none */
    }
    ck_assert_int_gt(done, 0);
    expect_ok(saved_model_train(&model, 1)); /* nothing is left busy */
    saved_model_destroy(&model);
}
END_TEST

/* ---- cancelling ---- */

struct long_call {
    saved_model model;
    atomic_int started;
    dualprop_status status;
};

static void *infer_for_long(void *argument)
{
    static const float images[SAVED_BATCH * SAVED_INPUTS] = { 1, 2, 3 };
    static const int32_t labels[SAVED_BATCH];
    struct long_call *call = argument;
    atomic_store(&call->started, 1);
    /* Dyads that have settled are skipped, so that even a million passes end some time. */
    do call->status = dualprop_infer(call->model.state, images, labels, SAVED_BATCH);
    while (call->status == DUALPROP_OK);
    return NULL;
}

static void prepare_long_call(struct long_call *call, int backend)
{
    saved_plan plan = { backend, DUALPROP_F32, DUALPROP_SGD, NULL, NULL, 2 };
    memset(call, 0, sizeof *call);
    expect_ok(saved_model_create(&call->model, &plan));
    expect_ok(saved_model_train(&call->model, 1));
    expect_ok(dualprop_rule_set_tolerance(call->model.rule, 1e-300));
    expect_ok(dualprop_rule_set_schedule(call->model.rule, DUALPROP_FORWARD_BACKWARD, 1000000));
    expect_ok(dualprop_state_prepare(call->model.state));
}

static void expect_cancelled(struct long_call *call, uint32_t before)
{
    ck_assert_msg(call->status == DUALPROP_ERROR_CANCELLED, "%s", dualprop_status_name(call->status));
    ck_assert_uint_eq(saved_model_parameters(&call->model), before);
    expect_error(dualprop_update(call->model.optimizer, call->model.state), DUALPROP_ERROR_INVALID_STATE, "state");
    expect_error(saved_model_train(&call->model, 1), DUALPROP_ERROR_CANCELLED, "cancel");
    expect_ok(dualprop_context_resume(call->model.context));
    expect_ok(dualprop_rule_set_schedule(call->model.rule, DUALPROP_FORWARD_BACKWARD, 2));
    expect_ok(dualprop_state_prepare(call->model.state));
    expect_ok(saved_model_train(&call->model, 1));
    saved_model_destroy(&call->model);
}

START_TEST(another_thread_cancels)
{
    struct long_call call;
    pthread_t thread;
    prepare_long_call(&call, BACKENDS[_i]);
    uint32_t before = saved_model_parameters(&call.model);
    ck_assert_int_eq(pthread_create(&thread, NULL, infer_for_long, &call), 0);
    while (!atomic_load(&call.started)) nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    expect_ok(dualprop_context_cancel(call.model.context));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    expect_cancelled(&call, before);
}
END_TEST

static dualprop_context *to_cancel;

static void cancel_it(int signal_number)
{
    (void)signal_number;
    if (dualprop_context_cancel(to_cancel) != DUALPROP_OK) _exit(9);
}

START_TEST(a_signal_handler_cancels)
{
    struct long_call call;
    prepare_long_call(&call, BACKENDS[_i]);
    uint32_t before = saved_model_parameters(&call.model);
    to_cancel = call.model.context;
    signal(SIGALRM, cancel_it);
    alarm(1);
    infer_for_long(&call);
    signal(SIGALRM, SIG_DFL);
    expect_cancelled(&call, before);
}
END_TEST

Suite *test_threads_suite(void)
{
    Suite *suite = suite_create("threads");
    TCase *tests = tcase_create("threads");
    tcase_add_loop_test(tests, lives_side_by_side_have_the_bits_of_one_alone, 0, 2);
    tcase_add_loop_test(tests, a_context_is_shared, 0, 2);
    tcase_add_loop_test(tests, rivals_for_a_handle_are_told_to_wait, 0, 2);
    tcase_add_loop_test(tests, another_thread_cancels, 0, 2);
    tcase_add_loop_test(tests, a_signal_handler_cancels, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
