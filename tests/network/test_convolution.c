/*
 * test_convolution.c - layers of images: their shapes, parameters, memory, files, and what surrounds their arithmetic.
 *
 * The arithmetic itself is held against the reference in test_backend.c; test_convolution_rules.c has the properties of
 * the method on such networks.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/checkpoint/checkpoint_internal.h"
#include "core/state/state_internal.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/image_network.h"
#include "support/singular_values.h"

static struct image_plan plan_of(int backend)
{
    return (struct image_plan){ .backend = BACKENDS[backend],
                                .precision = DUALPROP_F64,
                                .activation = DUALPROP_TANH,
                                .pooling = DUALPROP_POOL_MAX,
                                .variant = DUALPROP_DP_ADJOINT,
                                .alpha = 0.5,
                                .beta = 0.5,
                                .loss = DUALPROP_CROSS_ENTROPY };
}

/* ---- shapes ---- */

static dualprop_network *create_network(dualprop_context **context, int64_t height, int64_t width, int64_t channels)
{
    dualprop_network *network;
    expect_ok(dualprop_context_create(context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_network_create(&network, *context, height, width, channels));
    return network;
}

static void expect_output(dualprop_network *network, int k, int64_t height, int64_t width, int64_t channels)
{
    dualprop_layer *layer;
    int64_t shape[3];
    expect_ok(dualprop_network_layer(&layer, network, k));
    expect_ok(dualprop_layer_shape(NULL, shape, NULL, NULL, NULL, NULL, NULL, NULL, layer));
    ck_assert_msg(shape[0] == height && shape[1] == width && shape[2] == channels,
                  "layer %d gives %lld x %lld x %lld, expected %lld x %lld x %lld", k, (long long)shape[0],
                  (long long)shape[1], (long long)shape[2], (long long)height, (long long)width, (long long)channels);
}

START_TEST(shapes_follow_from_the_input)
{
    dualprop_context *context;
    dualprop_network *network = create_network(&context, 11, 9, 3);
    static const int64_t kernel[2] = { 5, 3 }, stride[2] = { 2, 1 }, padding[2] = { 1, 2 }, window[2] = { 2, 3 };
    static const int64_t step[2] = { 1, 3 }, one[2] = { 1, 1 };
    int64_t inputs, outputs;
    expect_ok(dualprop_network_add_convolution(network, 7, kernel, stride, padding, DUALPROP_RELU));
    expect_output(network, 1, 5, 11, 7);
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_AVERAGE, window, step));
    expect_output(network, 1, 4, 3, 7);
    expect_ok(dualprop_network_add_convolution(network, 2, kernel, NULL, NULL, DUALPROP_RELU));
    expect_output(network, 2, 4, 3, 2);
    expect_ok(dualprop_network_add_flatten(network));
    expect_ok(dualprop_network_add_convolution(network, 5, one, NULL, NULL, DUALPROP_RELU));
    expect_output(network, 3, 1, 1, 5);
    expect_ok(dualprop_network_add_dense(network, 6, DUALPROP_IDENTITY));
    expect_output(network, 4, 1, 1, 6);
    expect_ok(dualprop_network_info(NULL, NULL, &inputs, &outputs, network));
    ck_assert_int_eq(inputs, 11 * 9 * 3);
    ck_assert_int_eq(outputs, 6);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_layer_says_what_it_was_made_with)
{
    dualprop_context *context;
    dualprop_network *network = create_network(&context, 12, 12, 1);
    static const int64_t kernel[2] = { 5, 3 }, stride[2] = { 2, 1 }, padding[2] = { 1, 2 }, window[2] = { 2, 3 };
    int64_t numbers[10];
    int kind = -1, pooling = -1;
    dualprop_layer *layer;
    expect_ok(dualprop_network_add_local(network, 7, kernel, stride, padding, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, NULL));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_layer(&layer, network, 1));
    expect_ok(dualprop_layer_shape(&kind, NULL, numbers, numbers + 2, numbers + 4, &pooling, numbers + 6, numbers + 8,
                                   layer));
    static const int64_t expected[10] = { 5, 3, 2, 1, 1, 2, 2, 3, 2, 3 };
    ck_assert(!memcmp(numbers, expected, sizeof expected));
    ck_assert_int_eq(kind, DUALPROP_LAYER_LOCAL);
    ck_assert_int_eq(pooling, DUALPROP_POOL_MAX);
    expect_ok(dualprop_network_layer(&layer, network, 2));
    expect_ok(dualprop_layer_shape(&kind, NULL, numbers, NULL, NULL, &pooling, NULL, NULL, layer));
    ck_assert(kind == DUALPROP_LAYER_DENSE && pooling == DUALPROP_POOL_NONE && numbers[0] == 0);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

static void expect_parameter(const dualprop_network *network, int index, const char *expected, int rank,
                             const int64_t *shape)
{
    char name[32];
    int64_t extents[DUALPROP_MAX_RANK];
    int axes;
    expect_ok(dualprop_network_parameter(name, sizeof name, extents, &axes, network, index));
    ck_assert_str_eq(name, expected);
    ck_assert_int_eq(axes, rank);
    ck_assert(!memcmp(extents, shape, (size_t)rank * sizeof *shape));
}

START_TEST(parameters_have_their_names_and_shapes)
{
    struct image_network made;
    struct image_plan plan = plan_of(0);
    int64_t parameters;
    image_create(&made, &plan);
    expect_parameter(made.network, 0, "layer1.weight", 4, (int64_t[]){ 3, 3, 2, 4 });
    expect_parameter(made.network, 1, "layer1.bias", 1, (int64_t[]){ 4 });
    expect_parameter(made.network, 4, "layer3.weight", 6, (int64_t[]){ 2, 1, 2, 2, 5, 3 });
    expect_parameter(made.network, 5, "layer3.bias", 3, (int64_t[]){ 2, 1, 3 });
    expect_parameter(made.network, 6, "layer4.weight", 2, (int64_t[]){ 6, 4 });
    expect_ok(dualprop_network_info(NULL, &parameters, NULL, NULL, made.network));
    ck_assert_int_eq(parameters, 76 + 185 + 126 + 28);
    image_destroy(&made);
}
END_TEST

/* The paper's VGG16 on 32 x 32 colour images and 10 classes. */
static dualprop_network *create_vgg16(dualprop_context *context)
{
    static const int channels[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0 };
    static const int64_t two[2] = { 2, 2 }, three[2] = { 3, 3 };
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 32, 32, 3));
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
        expect_ok(channels[i] ? dualprop_network_add_convolution(network, channels[i], three, NULL, NULL, DUALPROP_RELU)
                              : dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    expect_output(network, 13, 1, 1, 512);
    expect_ok(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY));
    return network;
}

/* A count that is known from elsewhere. */
START_TEST(vgg16_has_its_parameters)
{
    dualprop_context *context;
    int64_t parameters;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    dualprop_network *network = create_vgg16(context);
    expect_ok(dualprop_network_info(NULL, &parameters, NULL, NULL, network));
    ck_assert_int_eq(parameters, 33638218);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* Bytes that a training step cannot do without: sbar and delta, cached forms of the weights, one layer's workspace. */
static double bytes_it_must_have(const dualprop_network *network, int64_t batch)
{
    const dualprop_backend *backend = &network->context->backend;
    void *instance = network->context->instance;
    double size = (double)network->context->real_size, dyads = 0, caches = 0, workspace = 0;
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        dualprop_convolution shape = layer->map;
        int is_dense = layer->kind == DUALPROP_LAYER_DENSE;
        shape.batch = batch;
        dyads += 2 * (double)(batch * layer->outputs) * size;
        if (!is_dense) caches += (double)backend->convolution_cache(instance, &shape);
        workspace =
            fmax(workspace, (double)(is_dense ? backend->dense_workspace(instance, batch, layer->inputs, layer->outputs)
                                              : backend->convolution_workspace(instance, &shape)));
    }
    return dyads + caches + workspace;
}

/* All that the library holds for a step of SGD with momentum is at most 1.3 times the parameters, moments, gradients
 * and what is above, up to the paper's batch of 100. What comes on top, a and Delta of each layer, grows with the
 * batch: see docs/convolutions.md. The state is asked rather than made. */
START_TEST(vgg16_takes_little_more_memory_than_it_must)
{
    static const int64_t batches[] = { 1, 10, 100 };
    dualprop_context *context;
    dualprop_rule *rule;
    dualprop_optimizer *optimizer;
    uint64_t held, state;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    dualprop_network *network = create_vgg16(context);
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));
    expect_ok(dualprop_context_memory(&held, NULL, NULL, context));
    for (int i = 0; i < 3; i++) {
        expect_ok(dualprop_state_memory_needed(&state, network, rule, batches[i]));
        double all = (double)held + (double)state, must = 3 * 33638218.0 * 4 + bytes_it_must_have(network, batches[i]);
        ck_assert_msg(all <= 1.3 * must, "batch %lld: %.0f bytes are %.3f times what it must have",
                      (long long)batches[i], all, all / must);
    }
    dualprop_optimizer_destroy(optimizer);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    dualprop_context *context;
    dualprop_network *network = create_network(&context, 20, 20, 1);
    static const int64_t one[2] = { 1, 1 }, three[2] = { 3, 3 }, none[2] = { 0, 0 };
    expect_error(dualprop_network_add_convolution(network, 1, (int64_t[]){ 3, 21 }, NULL, none, 0),
                 DUALPROP_ERROR_INVALID_ARGUMENT, "kernel is [3, 21]; expected at most the padded input, [20, 20]");
    expect_error(dualprop_network_add_convolution(network, INT64_MAX / 4, three, NULL, NULL, 0), DUALPROP_ERROR_RANGE,
                 "overflow");
    expect_error(dualprop_network_add_local(network, INT64_MAX / 100000, three, NULL, NULL, 0), DUALPROP_ERROR_RANGE,
                 "overflow");
    expect_ok(dualprop_network_add_convolution(network, 1, one, NULL, NULL, 0));
    expect_error(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, (int64_t[]){ 17, 16 }, NULL),
                 DUALPROP_ERROR_INVALID_ARGUMENT, "256");
    expect_ok(dualprop_network_add_flatten(network));
    expect_error(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, one, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "flattened");
    expect_output(network, 1, 20, 20, 1);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* What was written before pooling came is still there after it. */
START_TEST(pooling_keeps_the_weights)
{
    dualprop_context *context;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], NULL));
    dualprop_network *network;
    static const int64_t two[2] = { 2, 2 }, three[2] = { 3, 3 };
    float weight[3 * 3 * 1 * 17], back[3 * 3 * 1 * 17];
    dualprop_view view = { .struct_size = sizeof view,
                           .data = weight,
                           .type = DUALPROP_F32,
                           .rank = 4,
                           .shape = { 3, 3, 1, 17 },
                           .strides = { 51, 17, 17, 1 } };
    for (int i = 0; i < 153; i++) weight[i] = (float)i - 70;
    expect_ok(dualprop_network_create(&network, context, 4, 4, 1));
    expect_ok(dualprop_network_add_convolution(network, 17, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_write(network, "layer1.weight", &view));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    view.data = back;
    expect_ok(dualprop_network_read(&view, network, "layer1.weight"));
    ck_assert(!memcmp(weight, back, sizeof back));
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* The variance of He's initialiser is 2/fan_in, with the taps times the channels for fan_in; of 18,432 draws. */
START_TEST(initializers_count_the_taps)
{
    enum { COUNT = 3 * 3 * 32 * 64 };
    dualprop_context *context;
    dualprop_network *network = create_network(&context, 4, 4, 32);
    static const int64_t three[2] = { 3, 3 };
    static double weight[COUNT];
    double square = 0;
    dualprop_view view = { .struct_size = sizeof view,
                           .data = weight,
                           .type = DUALPROP_F64,
                           .rank = 4,
                           .shape = { 3, 3, 32, 64 },
                           .strides = { 3 * 32 * 64, 32 * 64, 64, 1 } };
    expect_ok(dualprop_network_add_convolution(network, 64, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1));
    expect_ok(dualprop_network_initialize(network, 3));
    expect_ok(dualprop_network_read(&view, network, "layer1.weight"));
    for (int i = 0; i < COUNT; i++) square += weight[i] * weight[i] / COUNT;
    /* The relative deviation of such an estimate is sqrt(2/18,432) = 1 %; five of them. */
    ck_assert_double_eq_tol(square * 9 * 32 / 2, 1, 0.05);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- copies and files ---- */

static void expect_same_outputs(dualprop_network *one, dualprop_network *other, const double *x)
{
    dualprop_state *states[2];
    double scores[2][IMAGE_BATCH * IMAGE_CLASSES];
    dualprop_view inputs = matrix_view((void *)(uintptr_t)x, DUALPROP_F64, IMAGE_BATCH, IMAGE_INPUTS);
    for (int i = 0; i < 2; i++) {
        dualprop_view view = matrix_view(scores[i], DUALPROP_F64, IMAGE_BATCH, IMAGE_CLASSES);
        expect_ok(dualprop_state_create(&states[i], i ? other : one, NULL, IMAGE_BATCH));
        expect_ok(dualprop_predict_view(&view, states[i], &inputs));
        dualprop_state_destroy(states[i]);
    }
    ck_assert(!memcmp(scores[0], scores[1], sizeof scores[0]));
}

START_TEST(clones_and_copies_are_the_same_network)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    dualprop_network *clone;
    image_create(&made, &plan);
    expect_ok(dualprop_network_clone(&clone, made.network));
    expect_same_outputs(made.network, clone, made.x);
    expect_ok(dualprop_network_initialize(clone, 99));
    expect_ok(dualprop_network_copy(clone, made.network));
    expect_same_outputs(made.network, clone, made.x);
    dualprop_network_destroy(clone);
    image_destroy(&made);
}
END_TEST

START_TEST(copies_between_other_layers_are_refused)
{
    struct image_network made, other;
    struct image_plan plan = plan_of(0), unlike = plan_of(0);
    unlike.pooling = DUALPROP_POOL_AVERAGE;
    image_create(&made, &plan);
    image_create(&other, &unlike);
    expect_error(dualprop_network_copy(made.network, other.network), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "another layer 2: convolution [3, 3, 4, 5] to [3, 2, 5], tanh");
    image_destroy(&other);
    image_destroy(&made);
}
END_TEST

static void train(struct image_network *made, int steps)
{
    for (int i = 0; i < steps; i++) {
        image_infer(made);
        expect_ok(dualprop_update(made->optimizer, made->state));
    }
}

static void expect_same_parameters(const struct image_network *one, const struct image_network *other)
{
    double first[IMAGE_MOST], second[IMAGE_MOST];
    for (int index = 0; index < 2 * IMAGE_LAYERS; index++) {
        int64_t count = image_parameter(first, one, index, 0);
        image_parameter(second, other, index, 0);
        ck_assert_msg(!memcmp(first, second, (size_t)count * sizeof *first), "parameter %d has other bits", index);
    }
}

/* Three steps, saved to memory that is a file, three more; against six without a break. */
START_TEST(resuming_equals_never_stopping)
{
    struct image_network whole, first, second;
    struct image_plan plan = plan_of(_i);
    dualprop_checkpoint *checkpoint;
    int switches;
    plan.switches = DUALPROP_SWITCHES_ORIGINAL;
    image_create(&whole, &plan);
    image_create(&first, &plan);
    train(&whole, 6);
    train(&first, 3);
    expect_ok(dualprop_checkpoint_create(&checkpoint, first.context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, first.network));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, first.optimizer));
    expect_ok(dualprop_checkpoint_put_rule(checkpoint, first.rule));
    second = first;
    expect_ok(dualprop_checkpoint_get_network(&second.network, checkpoint));
    expect_ok(dualprop_checkpoint_get_rule(&second.rule, checkpoint));
    expect_ok(dualprop_checkpoint_get_optimizer(&second.optimizer, checkpoint, second.network));
    expect_ok(dualprop_state_create(&second.state, second.network, second.rule, IMAGE_BATCH));
    expect_ok(dualprop_rule_get_pool_switches(&switches, second.rule));
    ck_assert_int_eq(switches, DUALPROP_SWITCHES_ORIGINAL);
    train(&second, 3);
    expect_same_parameters(&whole, &second);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(second.network);
    second.context = NULL;
    image_destroy(&second);
    image_destroy(&first);
    image_destroy(&whole);
}
END_TEST

/* Flattening is no layer, so a file has to say where a later layer takes a vector. */
START_TEST(files_remember_flattening_and_pooling)
{
    dualprop_context *context;
    dualprop_network *network = create_network(&context, 7, 6, 2), *back;
    dualprop_checkpoint *checkpoint;
    static const int64_t one[2] = { 1, 1 }, two[2] = { 2, 2 }, three[2] = { 3, 3 };
    expect_ok(dualprop_network_add_flatten(network));
    expect_ok(dualprop_network_add_convolution(network, 8, one, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_local(network, 8, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_AVERAGE, one, two));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    expect_ok(dualprop_checkpoint_get_network(&back, checkpoint));
    expect_ok(dualprop_network_copy(back, network));
    expect_output(back, 2, 1, 1, 8);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(back);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

static void expect_bad_file(const char *layer, const char *word)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    dualprop_network *network;
    char text[600];
    float weight[9] = { 0 }, bias[1] = { 0 };
    dualprop_view weights = { .struct_size = sizeof weights,
                              .data = weight,
                              .type = DUALPROP_F32,
                              .rank = 4,
                              .shape = { 3, 3, 1, 1 },
                              .strides = { 3, 1, 1, 1 } };
    dualprop_view biases = vector_view(bias, DUALPROP_F32, 1);
    snprintf(text, sizeof text,
             "{\"precision\": \"f32\", \"input\": [4, 4, 1], \"initializer\": \"he\", "
             "\"initializer_scale\": 1.0, \"layers\": [{\"activation\": \"identity\", \"frozen\": false, "
             "\"learning_rate\": 1.0, %s}]}",
             layer);
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop__checkpoint_put_text(checkpoint, dualprop__text_create(context, "network", text)));
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "layer1.weight", &weights));
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "layer1.bias", &biases));
    if (word) expect_error(dualprop_checkpoint_get_network(&network, checkpoint), DUALPROP_ERROR_FORMAT, word);
    else expect_ok(dualprop_checkpoint_get_network(&network, checkpoint));
    if (!word) dualprop_network_destroy(network);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}

#define REST \
    "\"flatten\": false, \"stride\": [1, 1], \"padding\": [1, 1], \"window\": [0, 0], \"window_stride\": [0, 0]"

START_TEST(files_with_wrong_layers_are_refused)
{
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 1, \"kernel\": [3, 3], \"pooling\": \"none\", " REST,
                    NULL);
    expect_bad_file("\"kind\": \"conv\", \"channels\": 1, \"kernel\": [3, 3], \"pooling\": \"none\", " REST,
                    "kind conv");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 1, \"kernel\": [3], \"pooling\": \"none\", " REST,
                    "network");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 1, \"kernel\": [3, 3, 3], \"pooling\": \"none\", " REST,
                    "network");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 0, \"kernel\": [3, 3], \"pooling\": \"none\", " REST,
                    "channels is 0");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 2, \"kernel\": [3, 3], \"pooling\": \"none\", " REST,
                    "[3, 3, 1, 2]");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 1, \"kernel\": [3, 3], \"pooling\": \"max\", " REST,
                    "window");
    expect_bad_file("\"kind\": \"convolution\", \"channels\": 1, \"kernel\": [3, 3], \"pooling\": \"most\", " REST,
                    "most");
    expect_bad_file("\"kind\": \"local\", \"channels\": 1, \"kernel\": [3, 3], \"pooling\": \"none\", " REST,
                    "[4, 4, 3, 3, 1, 1]");
    expect_bad_file("\"kind\": \"dense\", \"outputs\": 1, \"kernel\": [3, 3]", "network");
}
END_TEST

/* ---- memory ---- */

START_TEST(memory_is_what_was_said_and_a_step_takes_none)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    uint64_t needed, before, after, allocations, later;
    plan.switches = DUALPROP_SWITCHES_ORIGINAL;
    image_create(&made, &plan);
    expect_ok(dualprop_state_memory_needed(&needed, made.network, made.rule, IMAGE_BATCH));
    dualprop_state_destroy(made.state);
    expect_ok(dualprop_context_memory(&before, NULL, NULL, made.context));
    expect_ok(dualprop_state_create(&made.state, made.network, made.rule, IMAGE_BATCH));
    expect_ok(dualprop_context_memory(&after, NULL, &allocations, made.context));
    ck_assert_uint_eq(after - before, needed);
    train(&made, 3);
    expect_ok(dualprop_context_memory(NULL, NULL, &later, made.context));
    ck_assert_uint_eq(later, allocations);
    image_destroy(&made);
}
END_TEST

START_TEST(running_out_of_memory_is_a_status)
{
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
        for (long at = 1; status == DUALPROP_ERROR_NO_MEMORY && at < 500; at++) {
            failing_allocator memory = { 0 };
            dualprop_allocator table = failing_allocator_table(&memory);
            struct image_plan plan = plan_of(_i);
            struct image_network made;
            plan.switches = DUALPROP_SWITCHES_ORIGINAL;
            plan.allocator = &table;
            failing_allocator_arm(&memory, at, for_ever);
            status = image_try(&made, &plan);
            image_destroy(&made);
            ck_assert_msg(atomic_load(&memory.live_blocks) == 0, "allocation %ld failed, and something leaked", at);
            ck_assert_int_eq(atomic_load(&memory.misuse), 0);
        }
        ck_assert_int_eq(status, DUALPROP_OK);
    }
}
END_TEST

/* ---- backends without slots ---- */

static dualprop_backend without_convolutions(uint32_t flags)
{
    dualprop_backend table = dualprop__reference_backend;
    table.flags = flags;
    table.convolution_weight_elements = NULL;
    table.write_convolution_weights = NULL;
    table.read_convolution_weights = NULL;
    table.convolution_workspace = table.convolution_cache = NULL;
    table.convolution_prepare = NULL;
    table.convolution_bottom_up = NULL;
    table.convolution_top_down = NULL;
    table.convolution_gradient = NULL;
    return table;
}

static dualprop_status add_to(const dualprop_backend *table)
{
    dualprop_context *context;
    dualprop_network *network;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    static const int64_t three[2] = { 3, 3 };
    options.backend = table;
    dualprop_status status = dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options);
    if (status != DUALPROP_OK) return status;
    expect_ok(dualprop_network_create(&network, context, 4, 4, 1));
    status = dualprop_network_add_convolution(network, 2, three, NULL, NULL, DUALPROP_RELU);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return status;
}

START_TEST(backends_without_convolutions)
{
    dualprop_backend table = without_convolutions(DUALPROP_BACKEND_HOST_MEMORY);
    expect_ok(add_to(&table));
    table = without_convolutions(0);
    expect_error(add_to(&table), DUALPROP_ERROR_UNSUPPORTED, "has no convolutions");
    table = dualprop__reference_backend;
    table.convolution_cache = NULL;
    expect_error(add_to(&table), DUALPROP_ERROR_INVALID_ARGUMENT, "nine slots");
}
END_TEST

/* ---- one map, upwards and downwards ---- */

static double product(const double *x, const double *y, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

static void fill(double *reals, int64_t count, uint32_t random)
{
    for (int64_t i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        reals[i] = (double)(random >> 8) / 8388608.0 - 1;
    }
}

/* <W x, y> = <x, W^T y>: without pooling, and through the switches that x has set. */
START_TEST(down_is_the_transpose_of_up)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i / 2);
    double x[IMAGE_MOST], y[IMAGE_MOST], up[IMAGE_MOST], down[IMAGE_MOST];
    plan.pooling = _i % 2 ? DUALPROP_POOL_MAX : DUALPROP_POOL_AVERAGE;
    image_create(&made, &plan);
    made.state->batch.count = 1;
    for (int k = 1; k <= IMAGE_LAYERS; k++) {
        const dualprop_layer *layer = made.network->layers[k - 1];
        int64_t map = dualprop__map_width(layer);
        fill(x, layer->inputs, (uint32_t)k), fill(y, map, 9);
        expect_ok(dualprop__map_linear_up(made.state, k, up, x));
        expect_ok(dualprop__map_linear_down(made.state, k, down, y));
        /* Sums of at most 200 products below 1. */
        ck_assert_double_eq_tol(product(up, y, map), product(x, down, layer->inputs), 1e-13);
        expect_ok(dualprop__map_pooled_up(made.state, k, up, x));
        expect_ok(dualprop__map_pooled_down(made.state, k, down, y));
        ck_assert_double_eq_tol(product(up, y, layer->outputs), product(x, down, layer->inputs), 1e-13);
    }
    image_destroy(&made);
}
END_TEST

/* Power iterations on layer k against the singular values of its matrix, column by column from unit vectors. */
START_TEST(spectral_norms_are_of_the_map_alone)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    dualprop_diagnostics *diagnostics;
    double matrix[IMAGE_MOST * IMAGE_MOST];
    image_create(&made, &plan);
    expect_ok(dualprop_diagnostics_create(&diagnostics, made.network, DUALPROP_MSE, 1));
    for (int k = 1; k <= IMAGE_LAYERS; k++) {
        const dualprop_layer *layer = made.network->layers[k - 1];
        int64_t rows = layer->inputs, columns = dualprop__map_width(layer);
        double norm;
        for (int64_t i = 0; i < rows; i++) {
            double unit[IMAGE_MOST] = { 0 };
            unit[i] = 1;
            expect_ok(dualprop__map_linear_up(made.state, k, matrix + i * columns, unit));
        }
        expect_ok(dualprop_diagnostics_spectral_norm(&norm, diagnostics, k, 100000));
        ck_assert_double_eq_tol(norm, greatest_singular_value(matrix, rows, columns), 1e-6 * norm);
    }
    dualprop_diagnostics_destroy(diagnostics);
    image_destroy(&made);
}
END_TEST

/* Softmax runs over the channels at each place. */
START_TEST(softmax_over_the_channels)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    double mean[IMAGE_BATCH * IMAGE_MOST];
    plan.activation = DUALPROP_SOFTMAX;
    image_create(&made, &plan);
    image_infer(&made);
    int64_t count = image_read(mean, &made, 2, DUALPROP_S_PLUS);
    for (int64_t i = 0; i < count; i += 5)
        ck_assert_double_eq_tol(mean[i] + mean[i + 1] + mean[i + 2] + mean[i + 3] + mean[i + 4], 1, 1e-12);
    image_destroy(&made);
}
END_TEST

/* States are read and written as images too. */
START_TEST(states_are_images)
{
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    double flat[IMAGE_BATCH * IMAGE_MOST], image[IMAGE_BATCH * IMAGE_MOST];
    image_create(&made, &plan);
    dualprop_view inputs = image_inputs(&made), targets = image_targets(&made);
    /* (count, height, width, channels) of layer 2, stored with the channels outside. */
    dualprop_view view = { .struct_size = sizeof view,
                           .data = image,
                           .type = DUALPROP_F64,
                           .rank = 4,
                           .shape = { IMAGE_BATCH, 3, 2, 5 },
                           .strides = { 30, 2, 1, 6 } };
    expect_ok(dualprop_infer_begin(made.state, &inputs, &targets));
    fill(image, IMAGE_BATCH * 30, 4);
    expect_ok(dualprop_state_write(made.state, 2, DUALPROP_S_DELTA, &view));
    image_read(flat, &made, 2, DUALPROP_S_DELTA);
    for (int i = 0; i < IMAGE_BATCH * 30; i++)
        ck_assert_double_eq(flat[i], image[i / 30 * 30 + i % 5 * 6 + i % 30 / 5]);
    memset(image, 0, sizeof image);
    expect_ok(dualprop_state_read(&view, made.state, 2, DUALPROP_S_DELTA));
    ck_assert_double_eq(image[6], flat[1]);
    view.shape[1] = 2, view.shape[2] = 3;
    expect_error(dualprop_state_read(&view, made.state, 2, DUALPROP_S_DELTA), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "view has the shape [3, 2, 3, 5]; expected [3, 30] or [3, 3, 2, 5]");
    expect_ok(dualprop_infer_end(made.state));
    image_destroy(&made);
}
END_TEST

/* ---- moves ---- */

/* The image as moves ought to leave it. */
static void move_by_hand(double *to, const double *from, const int32_t *move)
{
    for (int y = 0; y < IMAGE_HEIGHT; y++)
        for (int x = 0; x < IMAGE_WIDTH; x++)
            for (int c = 0; c < IMAGE_CHANNELS; c++) {
                int row = y - move[0], column = x - move[1];
                int inside = row >= 0 && row < IMAGE_HEIGHT && column >= 0 && column < IMAGE_WIDTH;
                if (move[2]) column = IMAGE_WIDTH - 1 - column;
                to[(y * IMAGE_WIDTH + x) * IMAGE_CHANNELS + c] =
                    inside ? from[(row * IMAGE_WIDTH + column) * IMAGE_CHANNELS + c] : 0;
            }
}

START_TEST(moves_are_for_the_next_batch_alone)
{
    static const int32_t moves[IMAGE_BATCH][3] = { { 1, -2, 0 }, { 0, 0, 1 }, { -4, 3, 1 } };
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    double still[IMAGE_BATCH * IMAGE_INPUTS], loaded[IMAGE_BATCH * IMAGE_INPUTS], expected[IMAGE_BATCH * IMAGE_INPUTS];
    image_create(&made, &plan);
    image_infer(&made);
    image_read(still, &made, 0, DUALPROP_S_MEAN);
    for (int b = 0; b < IMAGE_BATCH; b++)
        move_by_hand(expected + b * IMAGE_INPUTS, made.x + b * IMAGE_INPUTS, moves[b]);
    expect_ok(dualprop_state_set_augmentation(made.state, moves[0], IMAGE_BATCH));
    image_infer(&made);
    image_read(loaded, &made, 0, DUALPROP_S_MEAN);
    ck_assert(!memcmp(loaded, expected, sizeof expected));
    image_infer(&made);
    image_read(loaded, &made, 0, DUALPROP_S_MEAN);
    ck_assert(!memcmp(loaded, still, sizeof still));
    image_destroy(&made);
}
END_TEST

START_TEST(moves_for_another_count_are_refused)
{
    static const int32_t moves[2][3] = { { 1, 0, 0 }, { 1, 0, 0 } };
    struct image_network made;
    struct image_plan plan = plan_of(_i);
    double scores[IMAGE_BATCH * IMAGE_CLASSES];
    dualprop_view view = matrix_view(scores, DUALPROP_F64, IMAGE_BATCH, IMAGE_CLASSES);
    image_create(&made, &plan);
    dualprop_view inputs = image_inputs(&made), targets = image_targets(&made);
    expect_ok(dualprop_state_set_augmentation(made.state, moves[0], 2));
    expect_error(dualprop_infer_view(made.state, &inputs, &targets), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "count is 3, but augmentation was set for 2");
    expect_error(dualprop_predict_view(&view, made.state, &inputs), DUALPROP_ERROR_INVALID_ARGUMENT, "augmentation");
    expect_error(dualprop_evaluate_view(NULL, NULL, NULL, 1, made.state, &inputs, &targets),
                 DUALPROP_ERROR_INVALID_ARGUMENT, "augmentation");
    expect_ok(dualprop_state_set_augmentation(made.state, NULL, 0));
    expect_ok(dualprop_infer_view(made.state, &inputs, &targets));
    image_destroy(&made);
}
END_TEST

Suite *test_convolution_suite(void);
Suite *test_convolution_suite(void)
{
    Suite *suite = suite_create("convolution");
    TCase *tests = tcase_create("convolution");
    tcase_add_test(tests, shapes_follow_from_the_input);
    tcase_add_test(tests, a_layer_says_what_it_was_made_with);
    tcase_add_test(tests, parameters_have_their_names_and_shapes);
    tcase_add_test(tests, vgg16_has_its_parameters);
    tcase_add_test(tests, vgg16_takes_little_more_memory_than_it_must);
    tcase_add_test(tests, shapes_that_do_not_fit_are_refused);
    tcase_add_loop_test(tests, pooling_keeps_the_weights, 0, 2);
    tcase_add_test(tests, initializers_count_the_taps);
    tcase_add_loop_test(tests, clones_and_copies_are_the_same_network, 0, 2);
    tcase_add_test(tests, copies_between_other_layers_are_refused);
    tcase_add_loop_test(tests, resuming_equals_never_stopping, 0, 2);
    tcase_add_test(tests, files_remember_flattening_and_pooling);
    tcase_add_test(tests, files_with_wrong_layers_are_refused);
    tcase_add_loop_test(tests, memory_is_what_was_said_and_a_step_takes_none, 0, 2);
    tcase_add_loop_test(tests, running_out_of_memory_is_a_status, 0, 2);
    tcase_add_test(tests, backends_without_convolutions);
    tcase_add_loop_test(tests, down_is_the_transpose_of_up, 0, 4);
    tcase_add_loop_test(tests, spectral_norms_are_of_the_map_alone, 0, 2);
    tcase_add_loop_test(tests, softmax_over_the_channels, 0, 2);
    tcase_add_loop_test(tests, states_are_images, 0, 2);
    tcase_add_loop_test(tests, moves_are_for_the_next_batch_alone, 0, 2);
    tcase_add_loop_test(tests, moves_for_another_count_are_refused, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
