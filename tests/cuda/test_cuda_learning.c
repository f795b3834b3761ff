/*
 * test_cuda_learning.c - networks learn through the CUDA module what they learn on the reference backend.
 *
 * On the stand-ins products are summed in double, as the reference does, and elements are formed by the same formulas:
 * what is left is the rounding of the gradient's scale to a float. On a real device sums are in float too.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/comparison.h"
#include "support/expect.h"

#define ROOM 200000
#define EPOCHS 3

static const struct row {
    const char *name;
    int variant, loss, nudge_at, schedule, passes, optimizer;
    double alpha, beta, tolerance, clip;
} rows[] = {
    { "DP^T, Adam", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_ADAM, .5, .5, 0, 0 },
    { "DP, SGD", DUALPROP_DP, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 3, DUALPROP_SGD, .3, .5, 0, 0 },
    { "DP^T, cross-entropy at the prediction, AdamW", DUALPROP_DP_ADJOINT, DUALPROP_CROSS_ENTROPY,
      DUALPROP_NUDGE_AT_PREDICTION, DUALPROP_FORWARD_BACKWARD, 2, DUALPROP_ADAMW, .5, .1, 0, 0 },
    { "back-propagation", DUALPROP_BP, DUALPROP_CROSS_ENTROPY, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, 1, 0,
      0 },
    { "forward, 16 passes", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 16, DUALPROP_ADAM, .5, .5, 0, 0 },
    { "until settled", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 30, DUALPROP_ADAM, .4, .3, 1e-4, 0 },
    { "clipped", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, .5, 0, .5 },
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

/* What the backend logs, one message a line. */
static char logged[200000];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data, (void)level;
    pthread_mutex_lock(&log_lock);
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s: %s\n", component, message);
    pthread_mutex_unlock(&log_lock);
}

static int count_logged(const char *words)
{
    int count = 0;
    for (const char *at = logged; (at = strstr(at, words)) != NULL; at++) count++;
    return count;
}

static struct outcome learn_logged(const learner_plan *plan)
{
    static learner self;
    struct outcome outcome = { .values = malloc(ROOM * sizeof(float)) };
    logged[0] = '\0';
    expect_ok(learner_begin(&self, plan, DUALPROP_BACKEND_CUDA));
    expect_ok(dualprop_context_set_log(self.context, keep_log, NULL, DUALPROP_LOG_DEBUG));
    for (int epoch = 0; epoch < EPOCHS; epoch++) expect_ok(learner_epoch(&self));
    expect_ok(learner_score(&self, &outcome.loss, &outcome.correct));
    expect_ok(learner_parameters(&self, outcome.values, ROOM, &outcome.count));
    learner_end(&self);
    return outcome;
}

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

static void expect_same_bits(const struct outcome *one, const struct outcome *other)
{
    ck_assert_int_eq(one->count, other->count);
    ck_assert(memcmp(one->values, other->values, (size_t)one->count * sizeof(float)) == 0);
}

/* The largest difference over the largest value. */
static double distance(const struct outcome *one, const struct outcome *other)
{
    double most = 0, apart = 0;
    ck_assert_int_eq(one->count, other->count);
    for (int64_t i = 0; i < one->count; i++) {
        most = comparison_larger(most, fabs((double)other->values[i]));
        apart = comparison_larger(apart, fabs((double)one->values[i] - (double)other->values[i]));
        ck_assert(isfinite(one->values[i]));
    }
    return apart / most;
}

/* BF16 is compiled by the real cuDNN, which takes seconds a plan: test_cuda_bf16.c does that, here it is made up. */
static standin_state *standin_for(const learner_plan *plan)
{
    standin_state *standin = cuda_standin();
    if (standin) standin->no_real = plan->options.numerics == DUALPROP_NUMERICS_BF16;
    return standin;
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
    int no_engines, row, numerics;
} image_rows[] = {
    { "convolutions", learner_cnn, 0, 0, 0 },
    { "convolutions by SGD, 3 passes", learner_cnn, 0, 1, 0 },
    { "convolutions, cross-entropy", learner_cnn, 0, 2, 0 },
    { "convolutions without cuDNN's engines", learner_cnn, 1, 0, 0 },
    { "convolutions in BF16", learner_even, 0, 1, DUALPROP_NUMERICS_BF16 },
    { "locally connected layers", learner_local, 0, 0, 0 },
    { "locally connected layers, clipped", learner_local, 0, 6, 0 },
};

static learner_plan plan_of_images(const struct image_row *row)
{
    learner_plan images = learner_plan_images(row->add_layers), plan = plan_of(&rows[row->row]);
    plan.height = images.height, plan.width = images.width, plan.channels = images.channels;
    plan.add_layers = row->add_layers;
    plan.options.numerics = row->numerics;
    return plan;
}

START_TEST(networks_of_images_learn_as_on_the_reference)
{
    learner_plan plan = plan_of_images(&image_rows[_i]);
    standin_state *standin = standin_for(&plan);
    if (plan.options.numerics) return; /* see bf16_learns_nearly_as_f32 */
    if (standin) standin->no_engines = image_rows[_i].no_engines;
    compare_with_reference(&plan, image_rows[_i].name);
    if (standin && !image_rows[_i].no_engines && plan.add_layers == learner_cnn)
        ck_assert_int_gt(standin->convolutions, 0);
    if (standin) ck_assert_int_eq(standin->tensor_cores + standin->unordered, 0);
    cuda_check_clean(0);
}
END_TEST

/*
 * A cuDNN whose parts are missing ends a process that calls it, one whose parts are of another version says so: both
 * are as good as none. In a process of its own (tests/cuda.sh) the graph part is missing.
 */
START_TEST(a_cudnn_without_its_parts_is_as_good_as_none)
{
    learner_plan plan = plan_of_images(&image_rows[0]);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("half a cuDNN")) return;
    standin->no_parts = getenv("DUALPROP_TEST_HALF_CUDNN") == NULL;
    compare_with_reference(&plan, "convolutions with half a cuDNN");
    ck_assert_int_eq(standin->convolutions, 0);
    cuda_check_clean(0);
}
END_TEST

/* With DUALPROP_CUDA_PATH (tests/cuda.sh) the loader alone would find neither cuBLASLt nor cuDNN. */
START_TEST(libraries_are_found_in_wheels)
{
    learner_plan plan = plan_of_images(&image_rows[0]), mlp = plan_of(&rows[0]);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("libraries in wheels")) return;
    compare_with_reference(&plan, "cuDNN in wheels");
    compare_with_reference(&mlp, "cuBLASLt in wheels");
    ck_assert_int_gt(standin->products, 0);
    ck_assert_int_gt(standin->convolutions, 0);
    cuda_check_clean(0);
}
END_TEST

/* ---- BF16 ---- */

static double length_of(const struct outcome *one, const struct outcome *other)
{
    double sum = 0;
    ck_assert_int_eq(one->count, other->count);
    for (int64_t i = 0; i < one->count; i++) sum += pow((double)one->values[i] - (double)other->values[i], 2);
    return sqrt(sum);
}

static struct outcome before_learning(const learner_plan *plan)
{
    static learner self;
    struct outcome outcome = { .values = malloc(ROOM * sizeof(float)) };
    expect_ok(learner_begin(&self, plan, DUALPROP_BACKEND_REFERENCE));
    expect_ok(learner_parameters(&self, outcome.values, ROOM, &outcome.count));
    learner_end(&self);
    return outcome;
}

/*
 * Each rounding moves an operand by at most 2^-8, with no bias. A gradient has been through one for each operand of the
 * convolutions that led to it, here at most eight; so the path that SGD takes is off by some 2^-8 sqrt(8) of its
 * length, and four times that where a rectifier decides otherwise. It has to be off at all.
 */
START_TEST(bf16_learns_nearly_as_f32)
{
    learner_plan plan = plan_of_images(&image_rows[4]);
    standin_state *standin = standin_for(&plan);
    struct outcome rounded = learn(&plan, DUALPROP_BACKEND_CUDA);
    if (standin) ck_assert_int_gt(standin->rounded, 0);
    if (standin) ck_assert_int_gt(standin->convolutions, standin->rounded); /* the first layer's gradient is not */
    if (standin) ck_assert_int_eq(standin->unordered, 0);
    plan.options.numerics = DUALPROP_NUMERICS_STRICT;
    struct outcome exact = learn(&plan, DUALPROP_BACKEND_REFERENCE), start = before_learning(&plan);
    double off = length_of(&rounded, &exact) / length_of(&exact, &start);
    ck_assert_msg(off > 1e-5 && off < 4 * sqrt(8) / 256, "the path is off by %.3g of its length", off);
    ck_assert_msg(fabs(rounded.loss - exact.loss) < 0.03 * exact.loss, "loss %.9g, expected %.9g", rounded.loss,
                  exact.loss);
    free(rounded.values);
    free(exact.values);
    free(start.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- losses of the caller's, and weights ---- */

START_TEST(what_nudges_is_the_same_as_on_the_reference)
{
    static const char *const names[] = { "", "a loss function", "slopes", "weights of samples", "weights of classes" };
    int nudge = LEARNER_FUNCTION + _i % 4;
    learner_plan plan = _i < 4 ? plan_of(&rows[0]) : plan_of_images(&image_rows[1]);
    standin_for(&plan);
    plan.nudge = nudge;
    compare_with_reference(&plan, names[nudge]);
    cuda_check_clean(0);
}
END_TEST

/* ---- what is not done twice ---- */

#define IMAGES ((int)(sizeof image_rows / sizeof image_rows[0]))

static const int schedules[] = { DUALPROP_FORWARD_BACKWARD, DUALPROP_FORWARD, DUALPROP_ODD_EVEN, DUALPROP_JACOBI };
#define SCHEDULES ((int)(sizeof schedules / sizeof schedules[0]))

/*
 * In a deferred step what was unpooled, rounded or copied is used again as long as it is what it was, and kernels write
 * what others would have derived. By hand nothing is deferred, and everything is formed whenever it is read: the bits
 * are the same, whichever layers are visited in which order. (A sample: each network with two of the schedules.)
 */
START_TEST(deferred_steps_have_the_bits_of_steps_by_hand)
{
    static const struct image_row soft = { "softmax in BF16", learner_soft, 0, 1, DUALPROP_NUMERICS_BF16 };
    const int kind = _i % SCHEDULES, number = _i / SCHEDULES - IMAGES;
    if (cuda_is_sampled() && (number + kind) % 2) return;
    learner_plan plan = number < 0    ? plan_of_images(&image_rows[number + IMAGES])
                        : number == 0 ? plan_of_images(&soft)
                                      : plan_of(&rows[2]);
    standin_for(&plan);
    plan.schedule = schedules[kind];
    plan.passes = 3;
    plan.clip = 0;
    struct outcome deferred = learn(&plan, DUALPROP_BACKEND_CUDA);
    plan.by_hand = 1;
    struct outcome by_hand = learn(&plan, DUALPROP_BACKEND_CUDA);
    expect_same_bits(&deferred, &by_hand);
    free(deferred.values);
    free(by_hand.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- another form of the module ---- */

static const char *other_module(void)
{
    return getenv("DUALPROP_TEST_OTHER_MODULE");
}

/* Where kernels run as threads of a grid, in a drawn order, they give the bits of their serial form. */
START_TEST(both_forms_of_the_module_have_the_same_bits)
{
    int perceptrons = (int)(sizeof rows / sizeof rows[0]);
    learner_plan plan = _i < perceptrons ? plan_of(&rows[_i]) : plan_of_images(&image_rows[_i - perceptrons]);
    standin_for(&plan);
    struct outcome one = learn(&plan, DUALPROP_BACKEND_CUDA);
    plan.options.module = other_module();
    struct outcome other = learn(&plan, DUALPROP_BACKEND_CUDA);
    expect_same_bits(&one, &other);
    free(one.values);
    free(other.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- graphs ---- */

static learner_plan plan_of_step(int number)
{
    return number == 0 ? plan_of(&rows[0]) : number == 1 ? plan_of(&rows[4]) : plan_of_images(&image_rows[number - 2]);
}

/*
 * From the third epoch on a step is an input transform, one graph (apart: two), and no memory. In one call the host
 * only looks for the maxima, and waits for nothing else; apart it waits for those of the inference.
 */
static void count_steps(const learner_plan *plan, standin_state *standin, int graphs)
{
    static learner self;
    uint64_t allocations[2];
    expect_ok(learner_begin(&self, plan, DUALPROP_BACKEND_CUDA));
    for (int epoch = 0; epoch < 2; epoch++) expect_ok(learner_epoch(&self));
    standin_state before = *standin;
    expect_ok(dualprop_context_memory(NULL, NULL, &allocations[0], self.context));
    expect_ok(learner_epoch(&self));
    expect_ok(dualprop_context_memory(NULL, NULL, &allocations[1], self.context));
    ck_assert_int_eq(standin->graph_launches - before.graph_launches, 3 * graphs);
    ck_assert_int_eq(standin->captures - before.captures, 0);
    ck_assert_int_eq(standin->kernels - before.kernels, 3);
    ck_assert_int_eq(standin->products - before.products + standin->convolutions - before.convolutions, 0);
    ck_assert_int_eq(standin->mallocs - before.mallocs, 0);
    ck_assert_int_eq(standin->synchronizations - before.synchronizations, graphs == 1 ? 0 : 3);
    ck_assert_int_eq((int64_t)(allocations[1] - allocations[0]), 0);
    learner_end(&self);
    cuda_check_clean(0);
}

START_TEST(steps_come_again_as_graphs)
{
    learner_plan plan = plan_of_step(_i);
    standin_state *standin = standin_for(&plan);
    if (cuda_needs_standin("counting calls")) return;
    count_steps(&plan, standin, 1);
    plan.apart = 1;
    count_steps(&plan, standin, 2);
}
END_TEST

/* Also on a device: no graph is refused, and steps are launches of graphs. */
START_TEST(no_graph_is_refused)
{
    learner_plan plan = plan_of_step(_i);
    standin_for(&plan);
    struct outcome outcome = learn_logged(&plan);
    ck_assert_msg(count_logged(" 0 graphs refused") == 1, "%s", logged);
    ck_assert_msg(count_logged("cuda: 0 launches of CUDA graphs") == 0, "%s", logged);
    free(outcome.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- engines ---- */

/* By rule, unless the timed choice is asked for: then each engine is tried in two settings, and a graph waits for
 * it. */
START_TEST(engines_are_chosen_by_rule)
{
    learner_plan plan = plan_of_images(&image_rows[1]);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("engines that are made up")) return;
    standin->no_real = 1;
    struct outcome ruled = learn_logged(&plan);
    ck_assert_int_eq(count_logged(" takes "), 0);
    ck_assert_int_gt(count_logged("cuDNN engine 12, 5000 bytes of workspace, first of 1"), 0);
    plan.options.autotune = 1;
    struct outcome timed = learn_logged(&plan);
    int first = count_logged("cuDNN engine 12 takes"), other = count_logged("cuDNN engine 13 takes");
    ck_assert_int_gt(other, 0);
    ck_assert_int_eq(first, 2 * other);
    ck_assert_msg(count_logged(" 0 graphs refused") == 1, "%s", logged);
    expect_same_bits(&ruled, &timed); /* the stand-in's engines all sum alike */
    free(ruled.values);
    free(timed.values);
    cuda_check_clean(0);
}
END_TEST

/* A variable of NVIDIA's that takes digits from strict f32 is named where the backend is described. */
START_TEST(what_spoils_strict_products_is_warned_of)
{
    learner_plan plan = plan_of(&rows[0]);
    dualprop_context *context;
    cuda_standin();
    logged[0] = '\0';
    setenv("NVIDIA_TF32_OVERRIDE", "1", 1);
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_CUDA, &plan.options));
    dualprop_status status = dualprop_context_set_log(context, keep_log, NULL, DUALPROP_LOG_DEBUG);
    expect_ok(status);
    unsetenv("NVIDIA_TF32_OVERRIDE");
    ck_assert_msg(count_logged("because of NVIDIA_TF32_OVERRIDE") == 1, "%s", logged);
    dualprop_context_destroy(context);
    cuda_check_clean(0);
}
END_TEST

/* ---- several devices ---- */

/* No context is made on the thread's own device, which it has not used; one that it has used is current again. */
START_TEST(a_device_that_is_not_used_gets_no_context)
{
    learner_plan plan = plan_of(&rows[0]);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("several devices")) return;
    standin->device_count = 2;
    plan.options.device = 1;
    struct outcome outcome = learn(&plan, DUALPROP_BACKEND_CUDA);
    ck_assert_int_eq(standin->contexts, 2);
    free(outcome.values);
    cuda_check_clean(0);
}
END_TEST

/* ---- together and apart ---- */

static void compare_apart(learner_plan plan)
{
    standin_for(&plan);
    struct outcome together = learn(&plan, DUALPROP_BACKEND_CUDA);
    plan.apart = 1;
    struct outcome apart = learn(&plan, DUALPROP_BACKEND_CUDA);
    expect_same_bits(&together, &apart);
    free(together.values);
    free(apart.values);
    cuda_check_clean(0);
}

START_TEST(learning_in_one_call_has_the_bits_of_two)
{
    int perceptrons = (int)(sizeof rows / sizeof rows[0]);
    compare_apart(_i < perceptrons ? plan_of(&rows[_i]) : plan_of_images(&image_rows[_i - perceptrons]));
}
END_TEST

/*
 * More layers than one launch checks, or, with rates of their own, than the table of numbers has room for. They have
 * more outputs than kernels of ours multiply, which as grids of threads would take most of this suite's time.
 */
static dualprop_status deep(dualprop_network *network, int layers)
{
    dualprop_status status = DUALPROP_OK;
    for (int k = 1; k < layers && status == DUALPROP_OK; k++) {
        dualprop_layer *layer;
        status = dualprop_network_add_dense(network, 17, DUALPROP_TANH);
        if (status == DUALPROP_OK) status = dualprop_network_layer(&layer, network, k);
        if (status == DUALPROP_OK) status = dualprop_layer_set_learning_rate(layer, 1.0 + 1.0 / k);
    }
    return status == DUALPROP_OK ? dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY) : status;
}

static dualprop_status layers_33(dualprop_network *network)
{
    return deep(network, 33);
}

static dualprop_status layers_300(dualprop_network *network)
{
    return deep(network, 300);
}

START_TEST(deep_networks_learn_in_one_call)
{
    learner_plan plan = plan_of(&rows[0]);
    plan.add_layers = _i == 0 ? layers_33 : layers_300;
    compare_apart(plan);
}
END_TEST

/* ---- the order of streams ---- */

/* Copies that run ahead of the work, work that is done at once, and the usual laziness: the same bits. */
START_TEST(streams_keep_their_order)
{
    static const struct {
        int ahead, eager;
    } ways[] = { { 0, 0 }, { 2, 0 }, { 0, 1 }, { 1, 0 } };
    struct outcome outcomes[4];
    learner_plan plan = plan_of_step(_i % 3);
    plan.apart = _i / 3;
    if (cuda_needs_standin("the order of streams")) return;
    for (int i = 0; i < 4; i++) {
        standin_state *standin = cuda_standin();
        standin->ahead = ways[i].ahead, standin->eager = ways[i].eager;
        outcomes[i] = learn(&plan, DUALPROP_BACKEND_CUDA);
        expect_same_bits(&outcomes[i], &outcomes[0]);
        cuda_check_clean(0);
    }
    for (int i = 0; i < 4; i++) free(outcomes[i].values);
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

#define THREADS 8

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
    standin_state *standin = cuda_standin();
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(learner_epoch(&self));
    long captures = standin ? standin->captures : 0;
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
    /* A thread's inferences and predictions, of full batches and of the short one at the end, are captured once. */
    if (standin) ck_assert_int_le(standin->captures - captures, 4 * THREADS);
    learner_end(&self);
    cuda_check_clean(0);
}
END_TEST

/* A step that cannot have the network for itself is refused; the inference before it stands. */
START_TEST(learning_in_one_call_is_busy_where_another_reads)
{
    static learner self;
    static uint8_t image[60];
    int32_t label = 3;
    dualprop_state *other;
    learner_plan plan = plan_of(&rows[0]);
    dualprop_view x = { sizeof x, image, DUALPROP_U8, 2, { 1, 60 }, { 60, 1 } };
    dualprop_view y = { sizeof y, &label, DUALPROP_I32, 1, { 1 }, { 1 } };
    cuda_standin();
    expect_ok(learner_begin(&self, &plan, DUALPROP_BACKEND_CUDA));
    expect_ok(dualprop_state_create(&other, self.network, self.rule, 1));
    expect_ok(dualprop_infer_begin(other, &x, &y));
    expect_error(dualprop_learn_view(self.optimizer, self.state, &x, &y), DUALPROP_ERROR_BUSY, "network");
    expect_ok(dualprop_infer_end(other));
    expect_ok(dualprop_update(self.optimizer, self.state));
    expect_ok(dualprop_learn_view(self.optimizer, self.state, &x, &y));
    dualprop_state_destroy(other);
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

/* Looking at the end of the inference, or after the step that was refused, finds the same layer and pass. */
START_TEST(divergence_names_layer_and_pass)
{
    char on_device[300], on_host[300];
    learner_plan plan = plan_of(&rows[1]);
    plan.beta = 40;
    plan.passes = 12;
    plan.apart = _i;
    cuda_standin();
    fail_to_infer(DUALPROP_BACKEND_CUDA, &plan, 30, on_device, sizeof on_device);
    fail_to_infer(DUALPROP_BACKEND_REFERENCE, &plan, 30, on_host, sizeof on_host);
    ck_assert_str_eq(on_device, on_host);
    ck_assert_ptr_nonnull(strstr(on_device, "in pass"));
    cuda_check_clean(0);
}
END_TEST

/* ---- steps that are refused ---- */

#define INPUTS 60

/* Images of reals, times `scale`; what learning from them came to, with its sentence. */
static dualprop_status learn_scaled(learner *self, double scale, char *sentence, size_t size)
{
    static float images[LEARNER_SAMPLES * INPUTS];
    for (int i = 0; i < 20 * INPUTS; i++) images[i] = (float)(self->images[i] / 255.0 * scale);
    sentence[0] = '\0';
    dualprop_status status = dualprop_learn(self->optimizer, self->state, images, self->labels, 20);
    if (status != DUALPROP_OK) ck_assert_int_eq(dualprop_last_error(sentence, size, NULL, NULL), DUALPROP_OK);
    return status;
}

static int64_t steps_of(const learner *self)
{
    int64_t steps;
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, self->optimizer));
    return steps;
}

/* Nothing saturates, so that what is large stays so. */
static dualprop_status rectified(dualprop_network *network)
{
    dualprop_status status = dualprop_network_add_dense(network, 33, DUALPROP_RELU);
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(network, 17, DUALPROP_RELU);
    return status == DUALPROP_OK ? dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY) : status;
}

/*
 * Batches that are learnt from, that make a layer overflow, that are not finite, whose gradient is too large, and of
 * whose gradient only the peaks' bound is.
 */
static const double scales[] = { 1, 1, 1, 3e38, 1, NAN, 1, 1e16, 1, 4e7 };
#define SCALES ((int)(sizeof scales / sizeof scales[0]))

struct course {
    dualprop_status status[SCALES];
    char sentences[SCALES][300];
    float values[ROOM];
    int64_t count, steps;
};

/* Learn from all batches, or from those of which `only` went well; no failure may change a bit. */
static void take_course(struct course *course, const learner_plan *plan, int backend, const struct course *only)
{
    static learner self;
    static float before[ROOM];
    memset(&self, 0, sizeof self);
    expect_ok(learner_begin(&self, plan, backend));
    for (int i = 0; i < SCALES; i++) {
        int64_t steps = steps_of(&self);
        if (only && only->status[i] != DUALPROP_OK) continue;
        expect_ok(learner_parameters(&self, before, ROOM, &course->count));
        course->status[i] = learn_scaled(&self, scales[i], course->sentences[i], sizeof course->sentences[i]);
        expect_ok(learner_parameters(&self, course->values, ROOM, &course->count));
        int same = memcmp(before, course->values, (size_t)course->count * sizeof(float)) == 0;
        ck_assert_int_eq(same, course->status[i] != DUALPROP_OK);
        ck_assert_int_eq(steps_of(&self), steps + !same);
    }
    course->steps = steps_of(&self);
    learner_end(&self);
}

/* The moments are as before too: without the batches that failed the same is learnt. */
START_TEST(refused_steps_leave_no_trace)
{
    static struct course cuda, reference, clean;
    learner_plan plan = plan_of(&rows[_i]);
    int failed = 0;
    cuda_standin();
    plan.add_layers = rectified;
    take_course(&reference, &plan, DUALPROP_BACKEND_REFERENCE, NULL);
    take_course(&cuda, &plan, DUALPROP_BACKEND_CUDA, NULL);
    take_course(&clean, &plan, DUALPROP_BACKEND_CUDA, &cuda);
    for (int i = 0; i < SCALES; i++) {
        ck_assert_msg(cuda.status[i] == reference.status[i], "batch %d: %s (%s), expected %s (%s)", i,
                      dualprop_status_name(cuda.status[i]), cuda.sentences[i],
                      dualprop_status_name(reference.status[i]), reference.sentences[i]);
        if (cuda.status[i] != DUALPROP_ERROR_NOT_FINITE || isnan(scales[i]))
            ck_assert_str_eq(cuda.sentences[i], reference.sentences[i]);
        failed += cuda.status[i] != DUALPROP_OK;
    }
    ck_assert_int_ge(failed, 2);
    ck_assert_int_eq(cuda.steps, SCALES - failed);
    ck_assert_int_eq(clean.steps, cuda.steps);
    ck_assert(memcmp(cuda.values, clean.values, (size_t)cuda.count * sizeof(float)) == 0);
    cuda_check_clean(0);
}
END_TEST

/* A capture that a foreign thread has begun, in the mode that PyTorch takes, is not spoilt, and nothing fails. */
START_TEST(captures_of_other_threads_go_on)
{
    learner_plan plan = plan_of_step(_i);
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("captures of other threads")) return;
    standin->foreign_capture = 1;
    struct outcome outcome = learn(&plan, DUALPROP_BACKEND_CUDA);
    ck_assert_int_eq(standin->relaxed, 0);
    free(outcome.values);
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
    tcase_add_test(tests, bf16_learns_nearly_as_f32);
    tcase_add_loop_test(tests, what_nudges_is_the_same_as_on_the_reference, 0, 8);
    tcase_add_loop_test(tests, deferred_steps_have_the_bits_of_steps_by_hand, 0, (IMAGES + 2) * SCHEDULES);
    if (other_module())
        tcase_add_loop_test(tests, both_forms_of_the_module_have_the_same_bits, 0,
                            (int)(sizeof rows / sizeof rows[0] + sizeof image_rows / sizeof image_rows[0]));
    tcase_add_test(tests, a_device_that_is_not_used_gets_no_context);
    tcase_add_test(tests, what_spoils_strict_products_is_warned_of);
    tcase_add_loop_test(tests, refused_steps_leave_no_trace, 0, 5);
    tcase_add_test(tests, learning_in_one_call_is_busy_where_another_reads);
    tcase_add_loop_test(tests, divergence_names_layer_and_pass, 0, 2);
    tcase_add_test(tests, inputs_that_are_not_finite_are_refused);
    /* What the host does, in what order: the same whatever runs the kernels, and slow where these are grids. */
    TCase *host = tcase_create("host");
    tcase_add_loop_test(host, steps_come_again_as_graphs, 0, 8);
    tcase_add_loop_test(host, no_graph_is_refused, 0, 8);
    tcase_add_test(host, engines_are_chosen_by_rule);
    tcase_add_loop_test(host, learning_in_one_call_has_the_bits_of_two, 0,
                        (int)(sizeof rows / sizeof rows[0] + sizeof image_rows / sizeof image_rows[0]));
    tcase_add_loop_test(host, deep_networks_learn_in_one_call, 0, 2);
    tcase_add_loop_test(host, streams_keep_their_order, 0, 6);
    tcase_add_test(host, states_work_in_parallel);
    tcase_add_test(host, the_callers_stream_makes_no_difference);
    tcase_add_loop_test(host, captures_of_other_threads_go_on, 0, 7);
    if (!cuda_is_sampled()) suite_add_tcase(suite, host);
    TCase *parts = tcase_create("parts");
    tcase_add_test(parts, a_cudnn_without_its_parts_is_as_good_as_none);
    suite_add_tcase(suite, parts);
    TCase *wheels = tcase_create("wheels");
    tcase_add_test(wheels, libraries_are_found_in_wheels);
    suite_add_tcase(suite, wheels);
    suite_add_tcase(suite, tests);
    return suite;
}
