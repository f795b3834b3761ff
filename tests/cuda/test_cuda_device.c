/*
 * test_cuda_device.c - what only a real device can show: running out of its memory, and coming back from that. And that
 * tests say so if they cannot run on a device.
 */
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"
#include "support/guard.h"

static dualprop_status wide(dualprop_network *network)
{
    dualprop_status status = dualprop_network_add_dense(network, 4096, DUALPROP_RELU);
    return status == DUALPROP_OK ? dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY) : status;
}

/* Some 65 kB a sample: 3 million of them are more than any device has today. */
START_TEST(out_of_memory_passes)
{
    static learner self;
    learner_plan plan = learner_plan_mlp();
    dualprop_state *huge = NULL;
    if (cuda_standin()) {
        test_skip("running out of a real device's memory: there is none here");
        return;
    }
    plan.add_layers = wide;
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    for (int i = 0; i < 3; i++) {
        expect_error(dualprop_state_create(&huge, self.network, self.rule, 3000000), DUALPROP_ERROR_NO_MEMORY, "bytes");
        ck_assert_ptr_null(huge);
        expect_ok(learner_epoch(&self));
    }
    learner_end(&self);
}
END_TEST

/* Arrays of tests are managed memory there; a device where the host may not touch it while work runs is refused. */
START_TEST(managed_memory_is_refused_where_it_cannot_be_shared)
{
    standin_state *standin = cuda_standin();
    if (!standin) exit(1);
    standin->no_managed = 1;
    ck_assert_int_eq(setenv("DUALPROP_TEST_GPU", "1", 1), 0);
    guard_destroy(guard_create(100)); /* ends the process with status 1 */
}
END_TEST

START_TEST(managed_memory_is_taken_where_it_can)
{
    if (cuda_needs_standin("managed memory")) return;
    cuda_standin();
    ck_assert_int_eq(setenv("DUALPROP_TEST_GPU", "1", 1), 0);
    void *made = guard_create(100);
    ck_assert_ptr_nonnull(made);
    ck_assert(guard_intact(made));
    guard_destroy(made);
    ck_assert_int_eq(unsetenv("DUALPROP_TEST_GPU"), 0);
}
END_TEST

Suite *test_cuda_device_suite(void)
{
    Suite *suite = suite_create("cuda device");
    TCase *tests = tcase_create("device");
    tcase_add_test(tests, out_of_memory_passes);
    suite_add_tcase(suite, tests);
    TCase *managed = tcase_create("managed");
    const char *fork = getenv("CK_FORK");
    if (!fork || strcmp(fork, "no") != 0) { /* each test needs a process of its own */
        tcase_add_exit_test(managed, managed_memory_is_refused_where_it_cannot_be_shared, 1);
        tcase_add_test(managed, managed_memory_is_taken_where_it_can);
    }
    suite_add_tcase(suite, managed);
    return suite;
}
