/*
 * test_cuda_failures.c - devices that are not there, and calls that fail: error k at call n for every n.
 *
 * A run of learning makes some thousand calls of the CUDA libraries. Each sweep makes one of them fail, in turn, and
 * looks that the run ends with a status and a sentence, that the weights on the device are finite or as before, that
 * everything is released, and, if the device goes on living, that the same learner then learns on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"

/* ---- what is not there ---- */

static dualprop_status create(const dualprop_options *options, int backend, char *sentence, size_t size)
{
    dualprop_context *context = NULL;
    dualprop_status status = dualprop_context_create(&context, backend, options);
    sentence[0] = '\0';
    if (status != DUALPROP_OK) ck_assert_int_eq(dualprop_last_error(sentence, size, NULL, NULL), DUALPROP_OK);
    else ck_assert_int_eq(dualprop_context_describe(sentence, size, NULL, context), DUALPROP_OK);
    dualprop_context_destroy(context);
    return status;
}

static const struct absence {
    int driver, devices, capability, device, precision;
    dualprop_status status;
    const char *word;
} absences[] = {
    { 0, 1, 90, 0, DUALPROP_F32, DUALPROP_ERROR_NO_DEVICE, "no NVIDIA driver" },
    { 12040, 1, 90, 0, DUALPROP_F32, DUALPROP_ERROR_NO_DEVICE, "driver is for CUDA 12.4" },
    { 13000, 0, 90, 0, DUALPROP_F32, DUALPROP_ERROR_NO_DEVICE, "no CUDA device" },
    { 13000, 1, 90, 1, DUALPROP_F32, DUALPROP_ERROR_NO_DEVICE, "device is 1; expected 0..0" },
    { 13000, 1, 61, 0, DUALPROP_F32, DUALPROP_ERROR_NO_DEVICE, "capability 6.1" },
    { 13000, 1, 90, 0, DUALPROP_F64, DUALPROP_ERROR_UNSUPPORTED, "f64" },
};

static void set_absence(standin_state *standin, dualprop_options *options, const struct absence *absence)
{
    standin->driver = absence->driver;
    standin->device_count = absence->devices;
    standin->capability = absence->capability;
    options->device = absence->device;
    options->precision = absence->precision;
}

START_TEST(what_is_absent_is_said)
{
    char sentence[600];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    if (cuda_needs_standin("absent devices")) return;
    set_absence(cuda_standin(), &options, &absences[_i]);
    ck_assert_int_eq(create(&options, DUALPROP_BACKEND_CUDA, sentence, sizeof sentence), absences[_i].status);
    ck_assert_msg(strstr(sentence, absences[_i].word), "\"%s\" does not say \"%s\"", sentence, absences[_i].word);
    cuda_check_clean(0);
}
END_TEST

START_TEST(auto_says_why_it_took_the_cpu)
{
    char words[600];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    if (cuda_needs_standin("absent devices")) return;
    set_absence(cuda_standin(), &options, &absences[_i]);
    ck_assert_int_eq(create(&options, DUALPROP_BACKEND_AUTO, words, sizeof words), DUALPROP_OK);
    ck_assert_msg(strstr(words, absences[_i].word) && strstr(words, "not cuda"), "\"%s\" does not say why", words);
    cuda_check_clean(0);
}
END_TEST

START_TEST(auto_takes_the_device)
{
    char words[600];
    cuda_standin();
    ck_assert_int_eq(create(NULL, DUALPROP_BACKEND_AUTO, words, sizeof words), DUALPROP_OK);
    ck_assert_msg(strstr(words, "\"backend\": \"cuda\""), "%s", words);
    cuda_check_clean(0);
}
END_TEST

/* A device that others have filled is as good as none, but only to who did not ask for it. */
START_TEST(auto_leaves_a_full_device_alone)
{
    char words[600];
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("a device without memory")) return;
    standin->memory = 1000000;
    ck_assert_int_eq(create(NULL, DUALPROP_BACKEND_AUTO, words, sizeof words), DUALPROP_OK);
    ck_assert_msg(strstr(words, "not cuda: out of memory on CUDA device 0"), "\"%s\" does not say why", words);
    ck_assert_int_eq(create(NULL, DUALPROP_BACKEND_CUDA, words, sizeof words), DUALPROP_ERROR_NO_MEMORY);
    cuda_check_clean(0);
}
END_TEST

/* ---- the search for the module ---- */

static void expect_module_error(const char *file, const char *contents, size_t size, const char *word)
{
    char path[] = "/tmp/dualprop-module-XXXXXX", sentence[600];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.module = file ? file : path;
    if (!file) {
        int made = mkstemp(path);
        ck_assert_int_ge(made, 0);
        ck_assert_int_eq(write(made, contents, size), (ssize_t)size);
        close(made);
    }
    ck_assert_int_eq(create(&options, DUALPROP_BACKEND_CUDA, sentence, sizeof sentence), DUALPROP_ERROR_NO_BACKEND);
    ck_assert_msg(strstr(sentence, word) && strstr(sentence, options.module), "\"%s\" does not say \"%s\"", sentence,
                  word);
    if (!file) unlink(path);
}

START_TEST(a_module_that_is_none_is_refused)
{
    char half[4096];
    const char *module = getenv("DUALPROP_TEST_MODULE");
    FILE *file = fopen(module ? module : "lib/libdualprop-cuda.so.0", "rb");
    ck_assert(file && fread(half, 1, sizeof half, file) == sizeof half);
    fclose(file);
    expect_module_error("/nonexistent/libdualprop-cuda.so.0", NULL, 0, "No such file");
    expect_module_error(NULL, "these are words", 15, "short");
    expect_module_error(NULL, half, sizeof half, "truncated");
    expect_module_error("libm.so.6", NULL, 0, "dualprop_backend_entry");
    expect_module_error("/dev/null", NULL, 0, "no regular file");
}
END_TEST

START_TEST(the_module_is_found_by_its_path)
{
    char words[600];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    const char *module = getenv("DUALPROP_TEST_MODULE");
    cuda_standin();
    options.module = module ? module : "lib/libdualprop-cuda.so.0";
    ck_assert_int_eq(create(&options, DUALPROP_BACKEND_CUDA, words, sizeof words), DUALPROP_OK);
    cuda_check_clean(0);
}
END_TEST

/* ---- numerics ---- */

START_TEST(tensor_cores_are_for_devices)
{
    char sentence[600];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    standin_state *standin = cuda_standin();
    for (int numerics = DUALPROP_NUMERICS_TF32; numerics <= DUALPROP_NUMERICS_BF16; numerics++) {
        options.numerics = numerics;
        ck_assert_int_eq(create(&options, DUALPROP_BACKEND_CUDA, sentence, sizeof sentence), DUALPROP_OK);
        ck_assert_ptr_nonnull(strstr(sentence, numerics == DUALPROP_NUMERICS_TF32 ? "TF32" : "BF16"));
        ck_assert_int_eq(create(&options, DUALPROP_BACKEND_REFERENCE, sentence, sizeof sentence),
                         DUALPROP_ERROR_UNSUPPORTED);
        if (!standin) continue;
        standin->device_count = 0;
        ck_assert_int_eq(create(&options, DUALPROP_BACKEND_AUTO, sentence, sizeof sentence),
                         DUALPROP_ERROR_UNSUPPORTED);
        ck_assert_msg(strstr(sentence, "no CUDA device"), "%s", sentence);
        standin->device_count = 1;
    }
    options.precision = DUALPROP_F64;
    ck_assert_int_eq(create(&options, DUALPROP_BACKEND_CUDA, sentence, sizeof sentence),
                     DUALPROP_ERROR_INVALID_ARGUMENT);
    cuda_check_clean(0);
}
END_TEST

/* ---- calls that fail ---- */

static learner_plan plan(void)
{
    learner_plan made = learner_plan_mlp();
    made.passes = 2;
    return made;
}

#define ROOM 40000

/* What a run that ended well learnt. */
struct learnt {
    float values[ROOM];
    int64_t count;
};

static dualprop_status run(learner *self, const learner_plan *with, struct learnt *learnt)
{
    double loss;
    int64_t correct;
    dualprop_status status = learner_begin(self, with, DUALPROP_BACKEND_CUDA);
    for (int i = 0; i < 2 && status == DUALPROP_OK; i++) status = learner_epoch(self);
    if (status == DUALPROP_OK) status = learner_score(self, &loss, &correct);
    return status == DUALPROP_OK ? learner_parameters(self, learnt->values, ROOM, &learnt->count) : status;
}

/* Asking the real libraries each time would take most of the time. */
static standin_state *standin_alone(void)
{
    standin_state *standin = cuda_standin();
    standin->no_real = 1;
    return standin;
}

static long count_calls(const learner_plan *with, struct learnt *learnt)
{
    static learner self;
    const standin_state *standin = standin_alone();
    expect_ok(run(&self, with, learnt));
    long calls = standin->calls;
    learner_end(&self);
    cuda_check_clean(0);
    return calls;
}

/*
 * A failure may go unnoticed where another way was found: graphs only make it faster (a list whose graph cannot be
 * launched is run by pieces), and planning a convolution that fails while a state is made is done again in the first
 * step. Then the run has to have learnt the very same.
 */
static void check_unnoticed(int sticky, int images, long at, const standin_state *standin, const struct learnt *learnt,
                            const struct learnt *expected)
{
    int harmless = images || standin->failed_in_graph || strstr(standin->failed, "Capture") ||
                   strstr(standin->failed, "GraphInstantiate") || strstr(standin->failed, "GraphLaunch");
    ck_assert_msg(!sticky && harmless, "call %ld, %s, failed and no call reported it", at, standin->failed);
    ck_assert_int_eq(learnt->count, expected->count);
    ck_assert_msg(memcmp(learnt->values, expected->values, (size_t)learnt->count * sizeof(float)) == 0,
                  "call %ld, %s, failed, and the run learnt something else", at, standin->failed);
}

static void check_failure(dualprop_status status, int error, long at, const standin_state *standin)
{
    char sentence[600] = "";
    int expected = error == cudaErrorMemoryAllocation ? DUALPROP_ERROR_NO_MEMORY : DUALPROP_ERROR_DEVICE;
    /* Where the device is looked for, nothing of it can be said to have failed. */
    int absent = status == DUALPROP_ERROR_NO_DEVICE && strncmp(standin->failed, "cudaGetDevice", 13) == 0;
    ck_assert_int_eq(dualprop_last_error(sentence, sizeof sentence, NULL, NULL), DUALPROP_OK);
    ck_assert_msg(status == expected || absent, "call %ld, %s: status %s, expected %s: %s", at, standin->failed,
                  dualprop_status_name(status), dualprop_status_name((dualprop_status)expected), sentence);
    ck_assert_msg(strlen(sentence) > 10, "call %ld, %s: no sentence", at, standin->failed);
}

/* After an error that is not sticky the same handles go on; after a sticky one every call fails and destroying works.
 */
static void check_afterwards(learner *self, int sticky, long at, standin_state *standin)
{
    standin->fail_at = 0;
    standin->fail_sticky = sticky;
    if (!self->optimizer) return;
    dualprop_status status = learner_epoch(self);
    if (sticky)
        ck_assert_msg(status == DUALPROP_ERROR_DEVICE, "call %ld: a dead device gave %s", at,
                      dualprop_status_name(status));
    else
        ck_assert_msg(status == DUALPROP_OK, "call %ld, %s: the device did not recover: %s", at, standin->failed,
                      dualprop_status_name(status));
}

/* Every call of a perceptron's run, or of one on images at most `most` of them, spread out evenly. */
static void sweep(int error, int sticky, int images, const learner_plan *with, long most)
{
    static learner self;
    static struct learnt expected, learnt;
    long calls = count_calls(with, &expected);
    ck_assert_int_gt(calls, 300);
    for (long at = 1; at <= calls; at += calls / most + 1) {
        standin_state *standin = standin_alone();
        standin->fail_at = at;
        standin->fail_error = error;
        standin->fail_sticky = sticky;
        dualprop_status status = run(&self, with, &learnt);
        if (status == DUALPROP_OK) check_unnoticed(sticky, images, at, standin, &learnt, &expected);
        else check_failure(status, error, at, standin);
        check_afterwards(&self, sticky, at, standin);
        learner_end(&self);
        cuda_check_clean(0);
    }
}

static const struct failure {
    int error, sticky, images, apart;
    const char *what;
    int numerics;
} failures[] = {
    { cudaErrorMemoryAllocation, 0, 0, 0, "out of memory at every call", 0 },
    { cudaErrorInvalidValue, 0, 0, 0, "an error at every call", 0 },
    { cudaErrorInvalidValue, 0, 0, 1, "an error at every call, inference and step apart", 0 },
    { cudaErrorIllegalAddress, 1, 0, 0, "a dead device at every call", 0 },
    { cudaErrorMemoryAllocation, 0, 1, 0, "out of memory while learning images", 0 },
    { cudaErrorInvalidValue, 0, 1, 0, "an error while learning images", 0 },
    { cudaErrorIllegalAddress, 1, 1, 0, "a dead device while learning images", 0 },
    { cudaErrorMemoryAllocation, 0, 1, 0, "out of memory in BF16", DUALPROP_NUMERICS_BF16 },
    { cudaErrorInvalidValue, 0, 1, 0, "an error in BF16", DUALPROP_NUMERICS_BF16 },
    { cudaErrorIllegalAddress, 1, 1, 0, "a dead device in BF16", DUALPROP_NUMERICS_BF16 },
};

START_TEST(every_call_may_fail)
{
    const struct failure *failure = &failures[_i];
    learner_plan perceptron = plan(), images = learner_plan_images(failure->numerics ? learner_even : learner_cnn);
    perceptron.apart = failure->apart;
    images.options.numerics = failure->numerics;
    if (cuda_needs_standin(failure->what)) return;
    sweep(failure->error, failure->sticky, failure->images, failure->images ? &images : &perceptron,
          cuda_sample(failure->images ? 150 : 100000));
}
END_TEST

/* Of these nothing comes back until the process ends, whether or not the runtime says so again. */
static const int fatal[] = {
    cudaErrorIllegalAddress, cudaErrorMisalignedAddress, cudaErrorLaunchFailure,
    cudaErrorAssert,         cudaErrorECCUncorrectable,  cudaErrorNvlinkUncorrectable,
    cudaErrorContained,      cudaErrorTensorMemoryLeak,  cudaErrorContextIsDestroyed,
    cudaErrorUnknown,
};

START_TEST(fatal_errors_end_an_instance)
{
    static learner self;
    char sentence[600];
    learner_plan with = plan();
    if (cuda_needs_standin("errors for good")) return;
    standin_state *standin = standin_alone();
    expect_ok(learner_begin(&self, &with, DUALPROP_BACKEND_CUDA));
    standin->fail_at = standin->calls + 20;
    standin->fail_error = fatal[_i];
    ck_assert_int_eq(learner_epoch(&self), DUALPROP_ERROR_DEVICE);
    ck_assert_int_eq(dualprop_last_error(sentence, sizeof sentence, NULL, NULL), DUALPROP_OK);
    ck_assert_msg(strstr(sentence, "for good"), "\"%s\" does not say that the device is lost", sentence);
    standin->fail_at = 0;
    ck_assert_int_eq(learner_epoch(&self), DUALPROP_ERROR_DEVICE);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* ---- what was derived from weights ---- */

static void make_weights_new(learner *self)
{
    expect_ok(dualprop_network_initialize(self->network, 6));
}

/*
 * The weights in BF16 are rounded while an inference is deferred. If that fails they may not have been, and the next
 * inference has to make them: it gives what it gives where nothing has failed.
 */
START_TEST(rounded_weights_are_made_again)
{
    static learner self;
    static float expected[LEARNER_SAMPLES * LEARNER_CLASSES], scores[LEARNER_SAMPLES * LEARNER_CLASSES];
    learner_plan with = learner_plan_images(learner_even);
    with.options.numerics = DUALPROP_NUMERICS_BF16;
    if (cuda_needs_standin("an error at every call")) return;
    int failed = 0;
    long step = cuda_is_sampled() ? 5 : 1;
    for (long at = 0; at == 0 || failed; at += at ? step : 1) {
        standin_state *standin = standin_alone();
        expect_ok(learner_begin(&self, &with, DUALPROP_BACKEND_CUDA));
        expect_ok(learner_predict(&self, scores));
        make_weights_new(&self);
        standin->fail_at = at ? standin->calls + at : 0;
        standin->fail_error = cudaErrorInvalidValue;
        failed = learner_predict(&self, scores) != DUALPROP_OK;
        standin->fail_at = 0;
        expect_ok(learner_predict(&self, at ? scores : expected));
        ck_assert_msg(at == 0 || memcmp(scores, expected, sizeof scores) == 0,
                      "call %ld, %s, failed, and left old weights", at, standin->failed);
        learner_end(&self);
        cuda_check_clean(0);
        if (at == 0) failed = 1;
    }
}
END_TEST

/* ---- out of memory for real, and fork ---- */

START_TEST(out_of_memory_passes)
{
    static learner self;
    learner_plan with = plan();
    dualprop_state *large = NULL;
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("a full device")) return;
    expect_ok(learner_begin(&self, &with, DUALPROP_BACKEND_CUDA));
    standin->memory = standin->used + 100000;
    expect_error(dualprop_state_create(&large, self.network, self.rule, 1000), DUALPROP_ERROR_NO_MEMORY, "capacity");
    ck_assert_ptr_null(large);
    expect_ok(learner_epoch(&self));
    standin->memory = standin->used + 10000000;
    expect_ok(dualprop_state_create(&large, self.network, self.rule, 1000));
    dualprop_state_destroy(large);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

START_TEST(a_forked_child_is_refused)
{
    static learner self;
    learner_plan with = plan();
    cuda_standin();
    expect_ok(learner_begin(&self, &with, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dualprop_status status = learner_epoch(&self);
        learner_end(&self);
        _exit(status == DUALPROP_ERROR_FORKED ? 0 : 1);
    }
    int result = -1;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    expect_ok(learner_epoch(&self));
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_failures_suite(void)
{
    Suite *suite = suite_create("cuda failures");
    TCase *absent = tcase_create("absent"), *failing = tcase_create("failing");
    int count = (int)(sizeof absences / sizeof absences[0]);
    tcase_add_loop_test(absent, what_is_absent_is_said, 0, count);
    tcase_add_loop_test(absent, auto_says_why_it_took_the_cpu, 0, count);
    tcase_add_test(absent, auto_takes_the_device);
    tcase_add_test(absent, auto_leaves_a_full_device_alone);
    tcase_add_test(absent, a_module_that_is_none_is_refused);
    tcase_add_test(absent, the_module_is_found_by_its_path);
    tcase_add_test(absent, tensor_cores_are_for_devices);
    tcase_add_loop_test(failing, every_call_may_fail, 0, (int)(sizeof failures / sizeof failures[0]));
    tcase_add_loop_test(failing, fatal_errors_end_an_instance, 0, (int)(sizeof fatal / sizeof fatal[0]));
    tcase_add_test(failing, rounded_weights_are_made_again);
    tcase_add_test(failing, out_of_memory_passes);
    tcase_add_test(failing, a_forked_child_is_refused);
    suite_add_tcase(suite, absent);
    suite_add_tcase(suite, failing);
    return suite;
}
