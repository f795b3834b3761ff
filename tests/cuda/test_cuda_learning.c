/*
 * test_cuda_learning.c - networks learn through the CUDA module what they learn on the reference backend.
 *
 * On the stand-ins products are summed in double, as the reference does, and elements are formed by the same formulas:
 * what is left is the rounding of the gradient's scale to a float. On a real device sums are in float too.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"

#define ROOM 200000
#define EPOCHS 3

static const struct row {
    const char *name;
    int variant, loss, nudge_at, schedule, passes, optimizer;
    double alpha, beta, tolerance, clip;
} rows[] = {
    {"DP^T, Adam", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_ADAM, .5, .5, 0, 0},
    {"DP, SGD", DUALPROP_DP, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 3, DUALPROP_SGD, .3, .5, 0, 0},
    {"DP^T, cross-entropy at the prediction, AdamW", DUALPROP_DP_ADJOINT, DUALPROP_CROSS_ENTROPY,
     DUALPROP_NUDGE_AT_PREDICTION, DUALPROP_FORWARD_BACKWARD, 2, DUALPROP_ADAMW, .5, .1, 0, 0},
    {"back-propagation", DUALPROP_BP, DUALPROP_CROSS_ENTROPY, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, 1, 0,
     0},
    {"forward, 16 passes", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 16, DUALPROP_ADAM, .5, .5, 0, 0},
    {"until settled", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 30, DUALPROP_ADAM, .4, .3, 1e-4, 0},
    {"clipped", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, .5, 0, .5},
};

static learner_plan plan_of(const struct row *row)
{
    learner_plan plan = learner_plan_mlp();
    plan.variant = row->variant, plan.loss = row->loss, plan.nudge_at = row->nudge_at;
    plan.schedule = row->schedule, plan.passes = row->passes, plan.optimizer = row->optimizer;
    plan.alpha = row->alpha, plan.beta = row->beta, plan.tolerance = row->tolerance, plan.clip = row->clip;
    return plan;
}

struct outcome {
    float *values;
    int64_t count, correct;
    double loss;
};

static struct outcome learn(const learner_plan *plan, int backend)
{
    static learner self;
    struct outcome outcome = { .values = malloc(ROOM * sizeof(float)) };
    expect_ok(learner_begin(&self, plan, backend));
    for (int epoch = 0; epoch < EPOCHS; epoch++) expect_ok(learner_epoch(&self));
    expect_ok(learner_score(&self, &outcome.loss, &outcome.correct));
    expect_ok(learner_parameters(&self, outcome.values, ROOM, &outcome.count));
    learner_end(&self);
    return outcome;
}

/* The largest difference over the largest value. */
static double distance(const struct outcome *one, const struct outcome *other)
{
    double most = 0, apart = 0;
    ck_assert_int_eq(one->count, other->count);
    for (int64_t i = 0; i < one->count; i++) {
        most = fmax(most, fabs((double)other->values[i]));
        apart = fmax(apart, fabs((double)one->values[i] - (double)other->values[i]));
        ck_assert(isfinite(one->values[i]));
    }
    return apart / most;
}

static void compare_with_reference(const learner_plan *plan, const char *name)
{
    struct outcome cuda = learn(plan, DUALPROP_BACKEND_CUDA), reference = learn(plan, DUALPROP_BACKEND_REFERENCE);
    double far = distance(&cuda, &reference);
    /* Nine steps, each of which passes on a relative error of some 1e-6 of the gradient; Adam divides by its size. */
    ck_assert_msg(far < 2e-4, "%s: the weights are %.3g apart", name, far);
    ck_assert_msg(fabs(cuda.loss - reference.loss) < 1e-3 * (1 + reference.loss), "%s: loss %.9g, expected %.9g", name,
                  cuda.loss, reference.loss);
    ck_assert_msg(llabs((long long)(cuda.correct - reference.correct)) <= 1, "%s: %lld right, expected %lld", name,
                  (long long)cuda.correct, (long long)reference.correct);
    free(cuda.values);
    free(reference.values);
}

START_TEST(an_mlp_learns_as_on_the_reference)
{
    learner_plan plan = plan_of(&rows[_i]);
    cuda_standin();
    compare_with_reference(&plan, rows[_i].name);
    cuda_check_clean(0);
}
END_TEST

/* The same run again has the same bits. */
START_TEST(runs_have_the_same_bits)
{
    learner_plan plan = plan_of(&rows[_i]);
    cuda_standin();
    plan.options.deterministic = 1;
    struct outcome one = learn(&plan, DUALPROP_BACKEND_CUDA), other = learn(&plan, DUALPROP_BACKEND_CUDA);
    ck_assert_int_eq(one.count, other.count);
    ck_assert(memcmp(one.values, other.values, (size_t)one.count * sizeof(float)) == 0);
    free(one.values);
    free(other.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- images ---- */

static const struct image_row {
    const char *name;
    dualprop_status (*add_layers)(dualprop_network *network);
    int no_engines, row;
} image_rows[] = {
    { "convolutions", learner_cnn, 0, 0 },
    { "convolutions by SGD, 3 passes", learner_cnn, 0, 1 },
    { "convolutions, cross-entropy", learner_cnn, 0, 2 },
    { "convolutions without cuDNN's engines", learner_cnn, 1, 0 },
    { "locally connected layers", learner_local, 0, 0 },
    { "locally connected layers, clipped", learner_local, 0, 6 },
};

static learner_plan plan_of_images(const struct image_row *row)
{
    learner_plan images = learner_plan_images(row->add_layers), plan = plan_of(&rows[row->row]);
    plan.height = images.height, plan.width = images.width, plan.channels = images.channels;
    plan.add_layers = row->add_layers;
    return plan;
}

START_TEST(networks_of_images_learn_as_on_the_reference)
{
    learner_plan plan = plan_of_images(&image_rows[_i]);
    standin_state *standin = cuda_standin();
    if (standin) standin->no_engines = image_rows[_i].no_engines;
    compare_with_reference(&plan, image_rows[_i].name);
    if (standin && !image_rows[_i].no_engines && plan.add_layers == learner_cnn)
        ck_assert_int_gt(standin->convolutions, 0);
    if (standin) ck_assert_int_eq(standin->tensor_cores + standin->unordered, 0);
    cuda_check_clean(0);
}
END_TEST

/* ---- graphs ---- */

/* From the third epoch on a step is an input transform, two graphs, one wait, and no memory. */
START_TEST(steps_come_again_as_graphs)
{
    static learner self;
    learner_plan plan = _i == 0 ? plan_of(&rows[0]) : _i == 1 ? plan_of(&rows[4]) : plan_of_images(&image_rows[_i - 2]);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("counting calls")) return;
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    for (int epoch = 0; epoch < 2; epoch++) expect_ok(learner_epoch(&self));
    standin_state before = *standin;
    uint64_t allocations[2];
    expect_ok(dualprop_context_memory(NULL, NULL, &allocations[0], self.context));
    expect_ok(learner_epoch(&self));
    expect_ok(dualprop_context_memory(NULL, NULL, &allocations[1], self.context));
    ck_assert_int_eq(standin->graph_launches - before.graph_launches, 6);
    ck_assert_int_eq(standin->captures - before.captures, 0);
    ck_assert_int_eq(standin->kernels - before.kernels, 3);
    ck_assert_int_eq(standin->products - before.products + standin->convolutions - before.convolutions, 0);
    ck_assert_int_eq(standin->mallocs - before.mallocs, 0);
    ck_assert_int_eq(standin->synchronizations - before.synchronizations, 3);
    ck_assert_int_eq((int64_t)(allocations[1] - allocations[0]), 0);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* ---- streams ---- */

static void make_stream(cudaStream_t *stream, int destroy)
{
    cudaError_t (*create)(cudaStream_t *, unsigned int) = NULL, (*end)(cudaStream_t) = NULL;
    void *library = dlopen(CUDART_SONAME, RTLD_NOW | RTLD_LOCAL);
    void *first = dlsym(library, "cudaStreamCreateWithFlags"), *second = dlsym(library, "cudaStreamDestroy");
    memcpy(&create, &first, sizeof create);
    memcpy(&end, &second, sizeof end);
    ck_assert_int_eq(destroy ? end(*stream) : create(stream, cudaStreamNonBlocking), cudaSuccess);
}

START_TEST(the_callers_stream_makes_no_difference)
{
    static learner self;
    learner_plan plan = plan_of(&rows[0]);
    struct outcome own, other = { .values = malloc(ROOM * sizeof(float)) };
    cudaStream_t stream;
    cuda_standin();
    own = learn(&plan, DUALPROP_BACKEND_CUDA);
    make_stream(&stream, 0);
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    expect_ok(dualprop_context_set_stream(self.context, stream));
    expect_ok(learner_epoch(&self));
    expect_ok(dualprop_context_synchronize(self.context));
    expect_ok(dualprop_context_set_stream(self.context, NULL));
    expect_ok(learner_epoch(&self));
    expect_ok(learner_parameters(&self, other.values, ROOM, &other.count));
    learner_end(&self);
    make_stream(&stream, 1);
    ck_assert_int_eq(own.count, other.count);
    ck_assert(memcmp(own.values, other.values, (size_t)own.count * sizeof(float)) == 0);
    free(own.values);
    free(other.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- threads: states of their own on one network, in parallel ---- */

#define THREADS 4

struct reader {
    learner *shared;
    dualprop_state *state;
    float scores[LEARNER_SAMPLES * LEARNER_CLASSES];
    dualprop_status status;
};

static void *read_often(void *argument)
{
    struct reader *reader = argument;
    learner own = *reader->shared;
    own.state = reader->state;
    for (int i = 0; i < 6 && reader->status == DUALPROP_OK; i++) {
        reader->status = learner_infer(&own);
        if (reader->status == DUALPROP_OK) reader->status = learner_predict(&own, reader->scores);
    }
    return NULL;
}

START_TEST(states_work_in_parallel)
{
    static learner self;
    static struct reader readers[THREADS];
    pthread_t threads[THREADS];
    learner_plan plan = plan_of(&rows[0]);
    cuda_standin();
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    for (int i = 0; i < THREADS; i++) {
        readers[i].shared = &self;
        expect_ok(dualprop_state_create(&readers[i].state, self.network, self.rule, plan.capacity));
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(readers[i].status, DUALPROP_OK);
        ck_assert(memcmp(readers[i].scores, readers[0].scores, sizeof readers[0].scores) == 0);
        dualprop_state_destroy(readers[i].state);
    }
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* ---- what goes wrong in the numbers ---- */

static void fail_to_infer(int backend, const learner_plan *plan, double limit, char *sentence, size_t size)
{
    static learner self;
    memset(&self, 0, sizeof self);
    expect_ok(learner_begin(&self, plan, backend));
    expect_ok(dualprop_rule_set_divergence_limit(self.rule, limit));
    ck_assert_int_eq(learner_epoch(&self), DUALPROP_ERROR_DIVERGED);
    ck_assert_int_eq(dualprop_last_error(sentence, size, NULL, NULL), DUALPROP_OK);
    learner_end(&self);
}

/* Looking at the end of the inference finds the same layer and pass. */
START_TEST(divergence_names_layer_and_pass)
{
    char on_device[300], on_host[300];
    learner_plan plan = plan_of(&rows[1]);
    plan.beta = 40;
    plan.passes = 12;
    cuda_standin();
    fail_to_infer(DUALPROP_BACKEND_CUDA, &plan, 30, on_device, sizeof on_device);
    fail_to_infer(DUALPROP_BACKEND_REFERENCE, &plan, 30, on_host, sizeof on_host);
    ck_assert_str_eq(on_device, on_host);
    ck_assert_ptr_nonnull(strstr(on_device, "in pass"));
    cuda_check_clean(0);
}
END_TEST

START_TEST(inputs_that_are_not_finite_are_refused)
{
    static learner self;
    learner_plan plan = plan_of(&rows[0]);
    float images[60] = { 0 };
    int32_t label = 0;
    cuda_standin();
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    images[59] = NAN;
    expect_error(dualprop_infer(self.state, images, &label, 1), DUALPROP_ERROR_NOT_FINITE, "inputs");
    images[59] = 0;
    expect_ok(dualprop_infer(self.state, images, &label, 1));
    expect_ok(dualprop_update(self.optimizer, self.state));
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_learning_suite(void)
{
    Suite *suite = suite_create("cuda learning");
    TCase *tests = tcase_create("learning");
    tcase_add_loop_test(tests, an_mlp_learns_as_on_the_reference, 0, (int)(sizeof rows / sizeof rows[0]));
    tcase_add_loop_test(tests, runs_have_the_same_bits, 0, (int)(sizeof rows / sizeof rows[0]));
    tcase_add_loop_test(tests, networks_of_images_learn_as_on_the_reference, 0,
                        (int)(sizeof image_rows / sizeof image_rows[0]));
    tcase_add_loop_test(tests, steps_come_again_as_graphs, 0, 7);
    tcase_add_test(tests, states_work_in_parallel);
    tcase_add_test(tests, the_callers_stream_makes_no_difference);
    tcase_add_test(tests, divergence_names_layer_and_pass);
    tcase_add_test(tests, inputs_that_are_not_finite_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
