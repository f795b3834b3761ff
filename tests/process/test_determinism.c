/*
 * test_determinism.c - the same bits for any number of threads, from two states in two threads, and in every run.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/dualprop.h>

#include "main.h"
#include "support/backends.h"

#define INPUTS 100
#define HIDDEN 130
#define CLASSES 11
#define BATCH 53
#define STEPS 4

static const int RULES[] = { DUALPROP_BP, DUALPROP_DP, DUALPROP_DP_ADJOINT };

struct data {
    double x[BATCH * INPUTS];
    float x32[BATCH * INPUTS];
    int32_t labels[BATCH];
};

struct model {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int precision;
};

static void must(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    ck_abort_msg("%s: %s", dualprop_status_name(status), text);
}

static void fill(struct data *data)
{
    uint32_t random = 7;
    for (int i = 0; i < BATCH * INPUTS; i++) {
        random = random * 1664525u + 1013904223u;
        data->x[i] = (double)(random >> 8) / 16777216.0;
        data->x32[i] = (float)data->x[i];
    }
    for (int i = 0; i < BATCH; i++) data->labels[i] = i * 5 % CLASSES;
}

static void add_layers(dualprop_network *network)
{
    must(dualprop_network_add_dense(network, HIDDEN, DUALPROP_RELU));
    must(dualprop_network_add_dense(network, HIDDEN - 3, DUALPROP_TANH));
    must(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    must(dualprop_network_initialize(network, 11));
}

static struct model create(int backend, int precision, int threads, int variant)
{
    struct model model = { .precision = precision };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = precision;
    options.threads = threads;
    must(dualprop_context_create(&model.context, backend, &options));
    must(dualprop_network_create(&model.network, model.context, 1, 1, INPUTS));
    add_layers(model.network);
    must(dualprop_rule_create(&model.rule, model.context, variant));
    must(dualprop_rule_set_schedule(model.rule, DUALPROP_FORWARD_BACKWARD, variant == DUALPROP_BP ? 1 : 3));
    must(dualprop_state_create(&model.state, model.network, model.rule, BATCH));
    must(dualprop_optimizer_create(&model.optimizer, model.network, DUALPROP_ADAM));
    return model;
}

static void destroy(struct model *model)
{
    dualprop_optimizer_destroy(model->optimizer);
    dualprop_state_destroy(model->state);
    dualprop_rule_destroy(model->rule);
    dualprop_network_destroy(model->network);
    dualprop_context_destroy(model->context);
}

static void train(struct model *model, const struct data *data)
{
    const void *x = model->precision == DUALPROP_F32 ? (const void *)data->x32 : data->x;
    for (int i = 0; i < STEPS; i++) {
        must(dualprop_infer(model->state, x, data->labels, BATCH));
        must(dualprop_update(model->optimizer, model->state));
    }
}

static void read_first(double *weight, const dualprop_network *network)
{
    dualprop_view view = { .struct_size = sizeof view,
                           .data = weight,
                           .type = DUALPROP_F64,
                           .rank = 2,
                           .shape = { INPUTS, HIDDEN },
                           .strides = { HIDDEN, 1 } };
    must(dualprop_network_read(&view, network, "layer1.weight"));
}

static void expect_same_bits(int backend, int precision, int variant)
{
    static struct data data;
    static double one[INPUTS * HIDDEN], many[INPUTS * HIDDEN];
    fill(&data);
    for (int i = 1; i <= 5; i++) {
        int threads = i < 5 ? i : test_threads(4);
        struct model model = create(backend, precision, threads, variant);
        train(&model, &data);
        read_first(i == 1 ? one : many, model.network);
        destroy(&model);
        if (i > 1) ck_assert_msg(!memcmp(one, many, sizeof one), "%d threads give other bits than 1", threads);
    }
}

START_TEST(test_threads_do_not_change_bits)
{
    for (int precision = DUALPROP_F32; precision <= DUALPROP_F64; precision++)
        for (int i = 0; i < 3; i++) expect_same_bits(BACKENDS[_i], precision, RULES[i]);
}
END_TEST

/* ---- the caller's own loop ---- */

static void backwards(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    *(int64_t *)user_data += count;
    for (int64_t i = count - 1; i >= 0; i--) task(argument, i);
}

START_TEST(test_callers_parallel_for)
{
    static struct data data;
    static double own[INPUTS * HIDDEN], callers[INPUTS * HIDDEN];
    int64_t tasks = 0;
    fill(&data);
    struct model model = create(BACKENDS[_i], DUALPROP_F32, 2, DUALPROP_DP_ADJOINT);
    train(&model, &data);
    read_first(own, model.network);
    destroy(&model);
    model = create(BACKENDS[_i], DUALPROP_F32, 1, DUALPROP_DP_ADJOINT);
    must(dualprop_context_set_parallel_for(model.context, backwards, &tasks, 3));
    train(&model, &data);
    read_first(callers, model.network);
    destroy(&model);
    ck_assert(!memcmp(own, callers, sizeof own));
    if (BACKENDS[_i] == DUALPROP_BACKEND_BLIS) ck_assert_int_gt(tasks, 0);
}
END_TEST

/* ---- two states of one network in two threads ---- */

struct job {
    struct model model;
    const struct data *data;
    double mean[BATCH * HIDDEN];
    dualprop_status status;
};

static void *infer_often(void *argument)
{
    struct job *job = argument;
    dualprop_view view = { .struct_size = sizeof view,
                           .data = job->mean,
                           .type = DUALPROP_F64,
                           .rank = 2,
                           .shape = { BATCH, HIDDEN },
                           .strides = { HIDDEN, 1 } };
    for (int i = 0; i < 20 && job->status == DUALPROP_OK; i++)
        job->status = dualprop_infer(job->model.state, job->data->x32, job->data->labels, BATCH);
    if (job->status == DUALPROP_OK) job->status = dualprop_state_read(&view, job->model.state, 1, DUALPROP_S_PLUS);
    return NULL;
}

START_TEST(test_two_states_in_two_threads)
{
    static struct data data;
    static struct job jobs[2];
    pthread_t threads[2];
    fill(&data);
    jobs[0].model = create(BACKENDS[_i], DUALPROP_F32, 2, DUALPROP_DP_ADJOINT);
    jobs[1].model = jobs[0].model;
    must(dualprop_state_create(&jobs[1].model.state, jobs[0].model.network, jobs[0].model.rule, BATCH));
    for (int i = 0; i < 2; i++) {
        jobs[i].data = &data;
        jobs[i].status = DUALPROP_OK;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, infer_often, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(jobs[0].status, DUALPROP_OK);
    ck_assert_int_eq(jobs[1].status, DUALPROP_OK);
    ck_assert(!memcmp(jobs[0].mean, jobs[1].mean, sizeof jobs[0].mean));
    dualprop_state_destroy(jobs[1].model.state);
    destroy(&jobs[0].model);
}
END_TEST

Suite *test_determinism_suite(void)
{
    Suite *suite = suite_create("determinism");
    TCase *tcase = tcase_create("each of BACKENDS");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, test_threads_do_not_change_bits, 0, 2);
    tcase_add_loop_test(tcase, test_callers_parallel_for, 0, 2);
    tcase_add_loop_test(tcase, test_two_states_in_two_threads, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
