/*
 * test_cuda_device.c - what only a real device can show: running out of its memory, and coming back from that.
 */
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"

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

Suite *test_cuda_device_suite(void)
{
    Suite *suite = suite_create("cuda device");
    TCase *tests = tcase_create("device");
    tcase_add_test(tests, out_of_memory_passes);
    suite_add_tcase(suite, tests);
    return suite;
}
