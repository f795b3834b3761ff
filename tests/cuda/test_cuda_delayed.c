/*
 * test_cuda_delayed.c - steps whose status comes with the next call: the same statuses, sentences and bits as without,
 * and a step that is refused changes nothing, whichever call finds that out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"

#define ROOM 20000
#define COUNT 20
#define INPUTS 60
#define SENTENCE 300

/*
 * Batches that are learnt from, that make a layer overflow, that are not finite, whose gradient is too large, and of
 * whose gradient only the bound is, so that the host has to look at it.
 */
static const double scales[] = { 1, 1, 1, 3e38, 1, NAN, 1, 1e16, 1, 4e7, 3e38, NAN, 1 };
#define SCALES ((int)(sizeof scales / sizeof scales[0]))

enum { AT_ONCE, BY_WAIT, BY_NEXT_CALL };

struct course {
    dualprop_status status[SCALES];
    char sentences[SCALES][SENTENCE];
    float values[ROOM];
    int64_t count, steps;
};

static dualprop_status rectified(dualprop_network *network)
{
    dualprop_status status = dualprop_network_add_dense(network, 33, DUALPROP_RELU);
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(network, 17, DUALPROP_RELU);
    return status == DUALPROP_OK ? dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY) : status;
}

static void begin(learner *self, int optimizer, int backend)
{
    static learner_plan plan;
    plan = learner_plan_mlp();
    plan.add_layers = rectified;
    plan.optimizer = optimizer;
    memset(self, 0, sizeof *self);
    expect_ok(learner_begin(self, &plan, backend));
}

static dualprop_status learn_scaled(learner *self, double scale)
{
    static float images[COUNT * INPUTS];
    for (int i = 0; i < COUNT * INPUTS; i++) images[i] = (float)(self->images[i] / 255.0 * scale);
    return dualprop_learn(self->optimizer, self->state, images, self->labels, COUNT);
}

static void keep(struct course *course, int batch, dualprop_status status)
{
    course->status[batch] = status;
    course->sentences[batch][0] = '\0';
    if (status != DUALPROP_OK) expect_ok(dualprop_last_error(course->sentences[batch], SENTENCE, NULL, NULL));
}

/*
 * A call that returns the status of the batch before has not learnt its own, and is made again. After a refused step
 * the optimizer may hold the gradient that was looked at: then the next step's status comes at once.
 */
static void learn_by_next_call(struct course *course, learner *self, int batch, int *waits)
{
    dualprop_status status = learn_scaled(self, scales[batch]);
    if (*waits) keep(course, batch - 1, status);
    if (*waits && status != DUALPROP_OK) status = learn_scaled(self, scales[batch]);
    *waits = status == DUALPROP_OK;
    if (!*waits) keep(course, batch, status);
    else if (batch == SCALES - 1) keep(course, batch, dualprop_optimizer_wait(self->optimizer));
}

static void take_course(struct course *course, int optimizer, int backend, int way)
{
    static learner self;
    int waits = 0;
    begin(&self, optimizer, backend);
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, way != AT_ONCE));
    for (int i = 0; i < SCALES; i++) {
        if (way == BY_NEXT_CALL) {
            learn_by_next_call(course, &self, i, &waits);
            continue;
        }
        dualprop_status status = learn_scaled(&self, scales[i]);
        if (way == BY_WAIT && status == DUALPROP_OK) status = dualprop_optimizer_wait(self.optimizer);
        keep(course, i, status);
    }
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    expect_ok(dualprop_optimizer_info(NULL, &course->steps, NULL, self.optimizer));
    expect_ok(learner_parameters(&self, course->values, ROOM, &course->count));
    learner_end(&self);
}

static void expect_same_course(const struct course *one, const struct course *other)
{
    for (int i = 0; i < SCALES; i++) {
        ck_assert_msg(one->status[i] == other->status[i], "batch %d: %s (%s), expected %s (%s)", i,
                      dualprop_status_name(one->status[i]), one->sentences[i], dualprop_status_name(other->status[i]),
                      other->sentences[i]);
        ck_assert_str_eq(one->sentences[i], other->sentences[i]);
    }
    ck_assert_int_eq(one->steps, other->steps);
    ck_assert_int_eq(one->count, other->count);
    ck_assert(memcmp(one->values, other->values, (size_t)one->count * sizeof(float)) == 0);
}

START_TEST(delayed_statuses_are_those_at_once)
{
    static struct course once, waited, next;
    int optimizer = _i ? DUALPROP_ADAM : DUALPROP_SGD, failed = 0;
    cuda_standin();
    take_course(&once, optimizer, DUALPROP_BACKEND_CUDA, AT_ONCE);
    take_course(&waited, optimizer, DUALPROP_BACKEND_CUDA, BY_WAIT);
    take_course(&next, optimizer, DUALPROP_BACKEND_CUDA, BY_NEXT_CALL);
    expect_same_course(&waited, &once);
    expect_same_course(&next, &once);
    for (int i = 0; i < SCALES; i++) failed += once.status[i] != DUALPROP_OK;
    ck_assert_int_ge(failed, 4);
    cuda_check_clean(0);
}
END_TEST

/* The stand-in's work is done when somebody waits for it, so a call that returns before has not waited. */
START_TEST(a_delayed_call_waits_for_nothing)
{
    static learner self;
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("calls that do not wait")) return;
    begin(&self, DUALPROP_ADAM, DUALPROP_BACKEND_CUDA);
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, 1));
    for (int i = 0; i < 3; i++) expect_ok(learn_scaled(&self, 1));
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    standin_state before = *standin;
    expect_ok(learn_scaled(&self, 1));
    ck_assert_int_eq(standin->graph_launches - before.graph_launches, 1);
    ck_assert_int_eq(standin->synchronizations - before.synchronizations, 0);
    ck_assert_int_eq(standin->queries - before.queries, 0);
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    ck_assert_int_gt(standin->queries - before.queries, 0);
    expect_ok(learn_scaled(&self, 1)); /* the list of the step before is this one's again: no graph is made */
    ck_assert_int_eq(standin->captures - before.captures, 0);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* ---- which calls find out ---- */

static dualprop_status by_learning(learner *self)
{
    return learn_scaled(self, 1);
}

static dualprop_status by_update(learner *self)
{
    return dualprop_update(self->optimizer, self->state);
}

static dualprop_status by_gradient(learner *self)
{
    return dualprop_gradient(self->optimizer, self->state);
}

static dualprop_status by_waiting(learner *self)
{
    return dualprop_optimizer_wait(self->optimizer);
}

static dualprop_status by_predicting(learner *self)
{
    static float scores[LEARNER_SAMPLES * LEARNER_CLASSES];
    return learner_predict(self, scores);
}

static dualprop_status by_preparing(learner *self)
{
    return dualprop_state_prepare(self->state);
}

static dualprop_status by_saving(learner *self)
{
    dualprop_checkpoint *checkpoint;
    expect_ok(dualprop_checkpoint_create(&checkpoint, self->context));
    dualprop_status status = dualprop_checkpoint_put_optimizer(checkpoint, self->optimizer);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

static const struct {
    dualprop_status (*call)(learner *self);
    int changes; /* it steps, where it goes well */
} calls[] = {
    { by_learning, 1 },   { by_update, 0 },    { by_gradient, 0 }, { by_waiting, 0 },
    { by_predicting, 0 }, { by_preparing, 0 }, { by_saving, 0 },
};

START_TEST(any_next_call_reports_a_refused_step)
{
    static learner self;
    static float before[ROOM], after[ROOM];
    int64_t count, steps, steps_before;
    cuda_standin();
    begin(&self, DUALPROP_ADAM, DUALPROP_BACKEND_CUDA);
    for (int i = 0; i < 3; i++) expect_ok(learn_scaled(&self, 1));
    expect_ok(learner_parameters(&self, before, ROOM, &count));
    expect_ok(dualprop_optimizer_info(NULL, &steps_before, NULL, self.optimizer));
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, 1));
    expect_ok(learn_scaled(&self, 3e38));
    expect_error(calls[_i].call(&self), DUALPROP_ERROR_NOT_FINITE, "layer");
    expect_ok(dualprop_optimizer_wait(self.optimizer)); /* it is reported once */
    expect_ok(learner_parameters(&self, after, ROOM, &count));
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, self.optimizer));
    ck_assert(memcmp(before, after, (size_t)count * sizeof(float)) == 0);
    ck_assert_int_eq(steps, steps_before);
    expect_ok(learn_scaled(&self, 1));
    if (calls[_i].call != by_update) expect_ok(calls[_i].call(&self));
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, self.optimizer));
    ck_assert_int_eq(steps, steps_before + 1 + calls[_i].changes);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* The network is read until the step has settled. */
START_TEST(the_network_is_read_until_then)
{
    static learner self;
    static float bias[33];
    dualprop_view view = { sizeof view, bias, DUALPROP_F32, 1, { 33 }, { 1 } };
    cuda_standin();
    begin(&self, DUALPROP_SGD, DUALPROP_BACKEND_CUDA);
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, 1));
    expect_ok(learn_scaled(&self, 1));
    expect_ok(dualprop_network_read(&view, self.network, "layer1.bias"));
    expect_error(dualprop_network_write(self.network, "layer1.bias", &view), DUALPROP_ERROR_BUSY, "network");
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    expect_ok(dualprop_network_write(self.network, "layer1.bias", &view));
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* Whichever goes first, of a step that goes well, and of one that does not. */
START_TEST(what_is_destroyed_waits)
{
    static learner self;
    cuda_standin();
    begin(&self, DUALPROP_SGD, DUALPROP_BACKEND_CUDA);
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, 1));
    expect_ok(learn_scaled(&self, _i / 2 ? 3e38 : 1));
    if (_i % 2) {
        dualprop_state_destroy(self.state);
        self.state = NULL;
        expect_ok(dualprop_optimizer_wait(self.optimizer));
    } else {
        dualprop_optimizer_destroy(self.optimizer);
        self.optimizer = NULL;
        expect_ok(dualprop_state_prepare(self.state));
    }
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* Two optimizers of two networks and their states in turn, by one thread: each has a section of its own. */
START_TEST(several_steps_may_wait)
{
    static learner first, second;
    static struct course alone;
    static float values[ROOM];
    int64_t count;
    double rate;
    cuda_standin();
    begin(&first, DUALPROP_ADAM, DUALPROP_BACKEND_CUDA);
    for (int i = 0; i < 5; i++) expect_ok(learn_scaled(&first, 1));
    expect_ok(learner_parameters(&first, alone.values, ROOM, &alone.count));
    learner_end(&first);
    begin(&first, DUALPROP_ADAM, DUALPROP_BACKEND_CUDA);
    second = first; /* a second state and optimizer of the same network would be BUSY: a second network */
    second.network = NULL, second.state = NULL, second.optimizer = NULL;
    expect_ok(dualprop_network_clone(&second.network, first.network));
    expect_ok(dualprop_state_create(&second.state, second.network, first.rule, COUNT));
    expect_ok(dualprop_optimizer_create(&second.optimizer, second.network, DUALPROP_ADAM));
    expect_ok(dualprop_optimizer_info(NULL, NULL, &rate, first.optimizer));
    expect_ok(dualprop_optimizer_set_learning_rate(second.optimizer, rate));
    expect_ok(dualprop_optimizer_set_delayed_status(first.optimizer, 1));
    expect_ok(dualprop_optimizer_set_delayed_status(second.optimizer, 1));
    for (int i = 0; i < 5; i++) {
        expect_ok(learn_scaled(&first, 1));
        expect_ok(learn_scaled(&second, 1));
    }
    expect_ok(dualprop_optimizer_wait(second.optimizer));
    expect_ok(dualprop_optimizer_wait(first.optimizer));
    expect_ok(learner_parameters(&first, values, ROOM, &count));
    ck_assert(memcmp(values, alone.values, (size_t)count * sizeof(float)) == 0);
    expect_ok(learner_parameters(&second, values, ROOM, &count));
    ck_assert(memcmp(values, alone.values, (size_t)count * sizeof(float)) == 0);
    dualprop_optimizer_destroy(second.optimizer);
    dualprop_state_destroy(second.state);
    dualprop_network_destroy(second.network);
    learner_end(&first);
    cuda_check_clean(0);
}
END_TEST

/* A tolerance needs numbers on the way, so the status comes at once. */
START_TEST(what_cannot_wait_does_not)
{
    static learner self;
    cuda_standin();
    begin(&self, DUALPROP_SGD, DUALPROP_BACKEND_CUDA);
    expect_ok(dualprop_optimizer_set_delayed_status(self.optimizer, 1));
    if (_i == 0) expect_ok(dualprop_rule_set_tolerance(self.rule, 1e-4));
    else expect_ok(dualprop_optimizer_set_clip(self.optimizer, 1));
    expect_ok(dualprop_state_prepare(self.state));
    expect_ok(learn_scaled(&self, 1));
    expect_error(learn_scaled(&self, 3e38), DUALPROP_ERROR_NOT_FINITE, "layer");
    expect_ok(dualprop_optimizer_wait(self.optimizer));
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_delayed_suite(void)
{
    Suite *suite = suite_create("cuda delayed");
    TCase *tests = tcase_create("delayed");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, delayed_statuses_are_those_at_once, 0, 2);
    tcase_add_test(tests, a_delayed_call_waits_for_nothing);
    tcase_add_loop_test(tests, any_next_call_reports_a_refused_step, 0, (int)(sizeof calls / sizeof calls[0]));
    tcase_add_test(tests, the_network_is_read_until_then);
    tcase_add_loop_test(tests, what_is_destroyed_waits, 0, 4);
    tcase_add_test(tests, several_steps_may_wait);
    tcase_add_loop_test(tests, what_cannot_wait_does_not, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
