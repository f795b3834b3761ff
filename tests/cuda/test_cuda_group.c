/*
 * test_cuda_group.c - processes whose networks lie on devices learn one network: through host memory, with the bits of
 * one process, and close to those of the reference backend.
 *
 * Threads stand in for processes, each with a context, and so a device's memory, of its own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/thread_group.h"

#define ROOM 20000
enum { STEPS = 4, BATCH = 20, MOST = 3 };

struct process {
    learner_plan plan;
    int backend, accumulates, odd_rank; /* odd_rank: whose batch is never right; -1: none */
    int64_t blocks;
    learner self;
    dualprop_group *group;
    standin_state *standin; /* not NULL: a call fails, fail_after calls after the groups were made */
    long fail_after;        /* in the process that chooses it */
    dualprop_status status;
    char text[512];
    float values[ROOM];
    int64_t count;
};

#define TRY(call)                                   \
    do {                                            \
        dualprop_status status_ = (call);           \
        if (status_ != DUALPROP_OK) return status_; \
    } while (0)

/* The batches differ in size, and the last leaves a process of three without a sample. */
static dualprop_status learn_share(struct process *process, int step, int rank)
{
    int64_t first, count, total = step == STEPS - 1 ? 2 : BATCH - step;
    TRY(dualprop_group_share(&first, &count, process->group, process->blocks, total));
    if (step == 1 && rank == process->odd_rank) process->self.labels[first] = -7;
    if (!process->accumulates) return learner_learn(&process->self, first, count);
    TRY(learner_accumulate(&process->self, first, count));
    return step % 2 ? dualprop_step(process->self.optimizer) : DUALPROP_OK;
}

/* Between two meetings of all processes, the failing call is chosen, so that no process is left without the other. */
static dualprop_status begin_to_fail(struct process *process)
{
    if (!process->standin) return DUALPROP_OK;
    TRY(dualprop_group_agree(process->group, DUALPROP_OK, NULL));
    if (process->fail_after > 0) {
        process->standin->fail_error = 700; /* an illegal address */
        process->standin->fail_at = process->standin->calls + process->fail_after;
    }
    return dualprop_group_agree(process->group, DUALPROP_OK, NULL);
}

static dualprop_status learn(struct process *process, const dualprop_transport *transport)
{
    int rank = transport ? transport->rank : 0;
    TRY(learner_begin(&process->self, &process->plan, process->backend));
    if (transport) TRY(dualprop_group_create(&process->group, process->self.context, transport));
    TRY(dualprop_optimizer_set_group(process->self.optimizer, process->group, process->blocks));
    TRY(begin_to_fail(process));
    for (int step = 0; step < STEPS; step++) TRY(learn_share(process, step, rank));
    return learner_parameters(&process->self, process->values, ROOM, &process->count);
}

static void learn_and_end(struct process *process, const dualprop_transport *transport)
{
    process->status = learn(process, transport);
    if (process->status != DUALPROP_OK &&
        dualprop_last_error(process->text, sizeof process->text, NULL, NULL) != DUALPROP_OK)
        process->text[0] = '\0';
    dualprop_group_destroy(process->group);
    learner_end(&process->self);
}

static void member_learns(struct thread_member *member)
{
    learn_and_end(member->argument, &member->transport);
}

static void prepare(struct process *process, const learner_plan *plan, int backend, int accumulates)
{
    memset(process, 0, sizeof *process);
    process->plan = *plan;
    process->backend = backend;
    process->accumulates = accumulates;
    process->odd_rank = -1;
    process->blocks = 3;
}

static const struct row {
    const char *name;
    dualprop_status (*add_layers)(dualprop_network *network); /* NULL: the multi-layer perceptron */
    int accumulates;
    double clip;
} rows[] = {
    { "a multi-layer perceptron", NULL, 0, 0 },
    { "convolutions and pooling", learner_cnn, 0, 0 },
    { "gradients that are added up", NULL, 1, 0 },
    { "a clipped gradient", NULL, 0, 0.5 },
};

static learner_plan plan_of(const struct row *row)
{
    learner_plan plan = row->add_layers ? learner_plan_images(row->add_layers) : learner_plan_mlp();
    plan.clip = row->clip;
    return plan;
}

static struct process alone, reference, processes[MOST];

START_TEST(processes_on_devices_have_the_bits_of_one)
{
    static struct thread_group group;
    learner_plan plan = plan_of(&rows[_i]);
    cuda_standin();
    prepare(&alone, &plan, DUALPROP_BACKEND_CUDA, rows[_i].accumulates);
    learn_and_end(&alone, NULL);
    ck_assert_msg(alone.status == DUALPROP_OK, "%s: %s", rows[_i].name, alone.text);
    for (int size = 2; size <= MOST; size++) {
        for (int r = 0; r < size; r++) prepare(&processes[r], &plan, DUALPROP_BACKEND_CUDA, rows[_i].accumulates);
        thread_group_run(&group, size, member_learns, processes, sizeof *processes, NULL);
        for (int r = 0; r < size; r++) {
            ck_assert_msg(processes[r].status == DUALPROP_OK, "%s, process %d of %d: %s", rows[_i].name, r, size,
                          processes[r].text);
            ck_assert_int_eq(processes[r].count, alone.count);
            ck_assert_msg(memcmp(processes[r].values, alone.values, sizeof(float) * (size_t)alone.count) == 0,
                          "%s: process %d of %d has other bits than one alone", rows[_i].name, r, size);
        }
    }
    cuda_check_clean(0);
}
END_TEST

/* The gradients of blocks are those of the reference backend, up to roundings of floats. */
START_TEST(a_device_learns_by_blocks_what_the_reference_learns)
{
    learner_plan plan = plan_of(&rows[_i]);
    double most = 0, apart = 0;
    cuda_standin();
    prepare(&alone, &plan, DUALPROP_BACKEND_CUDA, rows[_i].accumulates);
    prepare(&reference, &plan, DUALPROP_BACKEND_REFERENCE, rows[_i].accumulates);
    learn_and_end(&alone, NULL);
    learn_and_end(&reference, NULL);
    ck_assert_msg(alone.status == DUALPROP_OK && reference.status == DUALPROP_OK, "%s%s", alone.text, reference.text);
    ck_assert_int_eq(alone.count, reference.count);
    for (int64_t i = 0; i < alone.count; i++) {
        most = comparison_larger(most, fabs((double)reference.values[i]));
        apart = comparison_larger(apart, fabs((double)alone.values[i] - (double)reference.values[i]));
    }
    /* Adam divides by a gradient's own size: one that nearly cancels over the blocks moves with its roundings. */
    ck_assert_msg(apart <= 2e-3 * most, "%s: %g apart of %g", rows[_i].name, apart, most);
}
END_TEST

/* What one device refuses stops all, and none is left waiting. */
START_TEST(what_fails_on_one_device_fails_on_all)
{
    static struct thread_group group;
    learner_plan plan = learner_plan_mlp();
    cuda_standin();
    for (int r = 0; r < MOST; r++) {
        prepare(&processes[r], &plan, DUALPROP_BACKEND_CUDA, 0);
        processes[r].odd_rank = 1;
    }
    thread_group_run(&group, MOST, member_learns, processes, sizeof *processes, NULL);
    for (int r = 0; r < MOST; r++) {
        dualprop_status expected = r == 1 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_PEER;
        ck_assert_msg(processes[r].status == expected, "process %d: %s", r, processes[r].text);
        ck_assert_msg(strstr(processes[r].text, "-7") != NULL, "process %d: %s", r, processes[r].text);
    }
    cuda_check_clean(0);
}
END_TEST

/* Any call of the CUDA libraries may fail in a process: all return with a status, and nothing is left. */
START_TEST(a_call_that_fails_ends_all_processes)
{
    static struct thread_group group;
    learner_plan plan = learner_plan_mlp();
    if (cuda_needs_standin("failing calls of a group")) return;
    int failures = 0;
    for (long call = 1 + _i; call < 400; call += 13) {
        standin_state *standin = cuda_standin();
        for (int r = 0; r < 2; r++) {
            prepare(&processes[r], &plan, DUALPROP_BACKEND_CUDA, 0);
            processes[r].standin = standin;
        }
        processes[0].fail_after = call;
        thread_group_run(&group, 2, member_learns, processes, sizeof *processes, NULL);
        standin->fail_at = 0;
        for (int r = 0; r < 2; r++) {
            ck_assert_msg(processes[r].status == DUALPROP_OK || processes[r].text[0] != '\0',
                          "call %ld, process %d failed without a sentence", call, r);
            failures += processes[r].status != DUALPROP_OK;
        }
        cuda_check_clean(0);
    }
    ck_assert_int_gt(failures, 20);
}
END_TEST

Suite *test_cuda_group_suite(void);
Suite *test_cuda_group_suite(void)
{
    Suite *suite = suite_create("cuda_group");
    TCase *bits = tcase_create("bits"), *failures = tcase_create("failures");
    tcase_add_loop_test(bits, processes_on_devices_have_the_bits_of_one, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_loop_test(bits, a_device_learns_by_blocks_what_the_reference_learns, 0,
                        (int)(sizeof rows / sizeof *rows));
    tcase_add_test(failures, what_fails_on_one_device_fails_on_all);
    tcase_add_loop_test(failures, a_call_that_fails_ends_all_processes, 0, 3);
    suite_add_tcase(suite, bits);
    suite_add_tcase(suite, failures);
    return suite;
}
