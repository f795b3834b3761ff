/*
 * test_network.c - building networks, parameters by name through any view, copies, settings, and who may do what when.
 */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/dualprop.h>

#include "core/network/network_internal.h"
#include "support/expect.h"
#include "support/failing_allocator.h"

Suite *test_network_suite(void);

#define INPUTS 12
#define HIDDEN 7
#define CLASSES 3

static const int BACKENDS[] = { DUALPROP_BACKEND_REFERENCE, DUALPROP_BACKEND_AUTO };

static dualprop_context *context;
static dualprop_network *network;

static dualprop_context *create_context(int backend, int precision)
{
    dualprop_context *made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = precision;
    expect_ok(dualprop_context_create(&made, backend, &options));
    return made;
}

static dualprop_network *create_network(dualprop_context *of)
{
    dualprop_network *made;
    expect_ok(dualprop_network_create(&made, of, 2, 3, 2));
    expect_ok(dualprop_network_add_dense(made, HIDDEN, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(made, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made, 42));
    return made;
}

static void setup(void)
{
    context = create_context(DUALPROP_BACKEND_AUTO, DUALPROP_F32);
    network = create_network(context);
}

static void teardown(void)
{
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}

static uint64_t generation_of(const dualprop_network *of)
{
    uint64_t generation;
    expect_ok(dualprop_network_generation(&generation, of));
    return generation;
}

/* All parameters of a network of create_network()'s layers, one after another. */
#define ALL (INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES)

static void read_all(double *all, const dualprop_network *of)
{
    dualprop_view weight1 = matrix_view(all, DUALPROP_F64, INPUTS, HIDDEN);
    dualprop_view bias1 = vector_view(all + INPUTS * HIDDEN, DUALPROP_F64, HIDDEN);
    dualprop_view weight2 = matrix_view(all + INPUTS * HIDDEN + HIDDEN, DUALPROP_F64, HIDDEN, CLASSES);
    dualprop_view bias2 = vector_view(all + ALL - CLASSES, DUALPROP_F64, CLASSES);
    expect_ok(dualprop_network_read(&weight1, of, "layer1.weight"));
    expect_ok(dualprop_network_read(&bias1, of, "layer1.bias"));
    expect_ok(dualprop_network_read(&weight2, of, "layer2.weight"));
    expect_ok(dualprop_network_read(&bias2, of, "layer2.bias"));
}

static int same_parameters(const dualprop_network *one, const dualprop_network *other)
{
    double left[ALL], right[ALL];
    read_all(left, one);
    read_all(right, other);
    return memcmp(left, right, sizeof left) == 0;
}

static void write_bias(dualprop_network *of, float value)
{
    float bias[CLASSES] = { value, value + 1, value + 2 };
    dualprop_view view = vector_view(bias, DUALPROP_F32, CLASSES);
    expect_ok(dualprop_network_write(of, "layer2.bias", &view));
}

/* ---- what a network says about itself ---- */

START_TEST(says_its_sizes)
{
    int layers, count;
    int64_t parameters, inputs, outputs, height, width, channels;
    expect_ok(dualprop_network_info(&layers, &parameters, &inputs, &outputs, network));
    ck_assert_int_eq(layers, 2);
    ck_assert_int_eq(parameters, ALL);
    ck_assert_int_eq(inputs, INPUTS);
    ck_assert_int_eq(outputs, CLASSES);
    expect_ok(dualprop_network_input_shape(&height, &width, &channels, network));
    ck_assert(height == 2 && width == 3 && channels == 2);
    expect_ok(dualprop_network_parameter_count(&count, network));
    ck_assert_int_eq(count, 4);
    expect_ok(dualprop_network_info(NULL, NULL, NULL, NULL, network));
    expect_ok(dualprop_network_input_shape(NULL, NULL, NULL, network));
}
END_TEST

START_TEST(an_empty_network_puts_out_what_it_takes_in)
{
    dualprop_network *empty;
    int layers, count;
    int64_t parameters, inputs, outputs;
    expect_ok(dualprop_network_create(&empty, context, 1, 1, 9));
    expect_ok(dualprop_network_info(&layers, &parameters, &inputs, &outputs, empty));
    ck_assert(layers == 0 && parameters == 0 && inputs == 9 && outputs == 9);
    expect_ok(dualprop_network_parameter_count(&count, empty));
    ck_assert_int_eq(count, 0);
    expect_error(dualprop_network_initialize(empty, 1), DUALPROP_ERROR_INVALID_STATE, "layers");
    dualprop_network_destroy(empty);
}
END_TEST

START_TEST(names_its_parameters)
{
    static const char *const NAMES[] = { "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias" };
    static const int64_t SHAPES[][2] = { { INPUTS, HIDDEN }, { HIDDEN, 0 }, { HIDDEN, CLASSES }, { CLASSES, 0 } };
    for (int i = 0; i < 4; i++) {
        char name[32];
        int64_t shape[DUALPROP_MAX_RANK] = { 0 };
        int rank;
        expect_ok(dualprop_network_parameter(name, sizeof name, shape, &rank, network, i));
        ck_assert_str_eq(name, NAMES[i]);
        ck_assert_int_eq(rank, i % 2 ? 1 : 2);
        ck_assert(shape[0] == SHAPES[i][0] && shape[1] == SHAPES[i][1]);
        expect_ok(dualprop_network_parameter(name, strlen(NAMES[i]) + 1, NULL, NULL, network, i));
        expect_error(dualprop_network_parameter(name, strlen(NAMES[i]), NULL, NULL, network, i),
                     DUALPROP_ERROR_INVALID_ARGUMENT, "size");
    }
}
END_TEST

START_TEST(knows_no_other_names)
{
    /* clang-format off */
    static const char *const OTHERS[] = {
        "", "layer", "layer1", "layer1.", "layer1.weights", "layer1.weight ", "layer0.weight", "layer3.weight",
        "layer01.weight", "layer+1.weight", "layer-1.weight", "layer 1.weight", "Layer1.weight", "xlayer1.weight",
        "layer99999999999999999999999999.weight", "layer4294967297.weight", "layer1.bias.bias", "layer1weight",
        "layer1.%s%n%s%n", "weight",
    };
    /* clang-format on */
    float values[INPUTS * HIDDEN] = { 0 };
    dualprop_view view = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        expect_error(dualprop_network_read(&view, network, OTHERS[i]), DUALPROP_ERROR_INVALID_ARGUMENT, "name");
        expect_error(dualprop_network_write(network, OTHERS[i], &view), DUALPROP_ERROR_INVALID_ARGUMENT, "name");
    }
}
END_TEST

/* ---- reading and writing ---- */

START_TEST(gives_back_what_was_written_on_every_backend_and_precision)
{
    int precision = _i % 2 ? DUALPROP_F64 : DUALPROP_F32;
    dualprop_context *own = create_context(BACKENDS[_i / 2], precision);
    static const int64_t SIZES[][2] = { { 1, 1 }, { 1, 33 }, { 33, 1 }, { 31, 17 }, { 64, 48 }, { 65, 129 } };
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        int64_t count = SIZES[s][0] * SIZES[s][1];
        dualprop_network *made;
        float *written = malloc((size_t)count * sizeof *written), *read = malloc((size_t)count * sizeof *read);
        for (int64_t i = 0; i < count; i++) written[i] = (float)i / 3 - 1;
        expect_ok(dualprop_network_create(&made, own, 1, 1, SIZES[s][0]));
        expect_ok(dualprop_network_add_dense(made, SIZES[s][1], DUALPROP_IDENTITY));
        dualprop_view from = matrix_view(written, DUALPROP_F32, SIZES[s][0], SIZES[s][1]), to = from;
        to.data = read;
        expect_ok(dualprop_network_write(made, "layer1.weight", &from));
        expect_ok(dualprop_network_read(&to, made, "layer1.weight"));
        ck_assert_msg(memcmp(written, read, (size_t)count * sizeof *read) == 0, "%d x %d", (int)SIZES[s][0],
                      (int)SIZES[s][1]);
        dualprop_network_destroy(made);
        free(written);
        free(read);
    }
    dualprop_context_destroy(own);
}
END_TEST

START_TEST(takes_transposed_backward_spaced_and_broadcast_views)
{
    double values[HIDDEN * CLASSES], spaced[HIDDEN * CLASSES * 4], one = 2.5;
    for (int i = 0; i < HIDDEN * CLASSES; i++) values[i] = i;
    dualprop_view transposed = matrix_view(values, DUALPROP_F64, HIDDEN, CLASSES);
    transposed.strides[0] = 1;
    transposed.strides[1] = HIDDEN;
    expect_ok(dualprop_network_write(network, "layer2.weight", &transposed));
    dualprop_view backward = matrix_view(spaced, DUALPROP_F64, HIDDEN, CLASSES);
    backward.data = spaced + (HIDDEN * CLASSES - 1) * 4;
    backward.strides[0] = -CLASSES * 4;
    backward.strides[1] = -4;
    memset(spaced, 0, sizeof spaced);
    expect_ok(dualprop_network_read(&backward, network, "layer2.weight"));
    for (int i = 0; i < HIDDEN; i++)
        for (int j = 0; j < CLASSES; j++)
            ck_assert(spaced[(HIDDEN * CLASSES - 1 - i * CLASSES - j) * 4] == j * HIDDEN + i);
    for (int i = 0; i < HIDDEN * CLASSES * 4; i++) ck_assert(i % 4 == 0 || spaced[i] == 0);
    dualprop_view broadcast = vector_view(&one, DUALPROP_F64, CLASSES);
    broadcast.strides[0] = 0;
    expect_ok(dualprop_network_write(network, "layer2.bias", &broadcast));
    expect_error(dualprop_network_read(&broadcast, network, "layer2.bias"), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
    dualprop_view bias = vector_view(values, DUALPROP_F64, CLASSES);
    expect_ok(dualprop_network_read(&bias, network, "layer2.bias"));
    for (int i = 0; i < CLASSES; i++) ck_assert(values[i] == 2.5);
}
END_TEST

/* Plain arrays of the context's precision pass without memory between; others are refused where there is none. */
START_TEST(allocates_nothing_for_plain_arrays)
{
    int precision = _i % 2 ? DUALPROP_F64 : DUALPROP_F32;
    failing_allocator memory = { .fail_at = 0 };
    dualprop_allocator table = failing_allocator_table(&memory);
    dualprop_options options = { .struct_size = sizeof options, .precision = precision, .allocator = &table };
    static const char *const NAMES[] = { "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias" };
    static const int COUNTS[] = { 36, 2, 36, CLASSES };
    double values[36] = { 0 }, read[36];
    size_t size = precision == DUALPROP_F64 ? sizeof(double) : sizeof(float);
    dualprop_view views[] = { { sizeof *views, values, precision, 4, { 3, 3, 2, 2 }, { 12, 4, 2, 1 } },
                              vector_view(values, precision, 2),
                              matrix_view(values, precision, INPUTS, CLASSES),
                              vector_view(values, precision, CLASSES) };
    dualprop_context *own;
    dualprop_network *made;
    expect_ok(dualprop_context_create(&own, BACKENDS[_i / 2], &options));
    expect_ok(dualprop_network_create(&made, own, 2, 3, 2));
    expect_ok(dualprop_network_add_convolution(made, 2, (int64_t[]){ 3, 3 }, NULL, NULL, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(made, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_feedback(made, DUALPROP_FEEDBACK_RANDOM, 1));
    for (int i = 0; i < 36; i++) {
        if (precision == DUALPROP_F64) values[i] = i;
        else ((float *)values)[i] = (float)i;
    }
    failing_allocator_arm(&memory, 1, 1);
    for (int i = 0; i < 4; i++) {
        dualprop_view to = views[i];
        to.data = read;
        expect_ok(dualprop_network_write(made, NAMES[i], &views[i]));
        expect_ok(dualprop_network_read(&to, made, NAMES[i]));
        ck_assert(memcmp(read, values, (size_t)COUNTS[i] * size) == 0);
        if (i != 2) continue;
        memset(read, 0, sizeof read);
        expect_ok(dualprop_network_write_feedback(made, 2, &views[i]));
        expect_ok(dualprop_network_read_feedback(&to, made, 2));
        ck_assert(memcmp(read, values, 36 * size) == 0);
    }
    ck_assert_int_eq(memory.allocations, 0);
    expect_error(dualprop_network_write_feedback(made, 2, NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "view is NULL");
    expect_error(dualprop_network_read_feedback(NULL, made, 2), DUALPROP_ERROR_INVALID_ARGUMENT, "view is NULL");
    views[2].type = DUALPROP_I32;
    expect_error(dualprop_network_write_feedback(made, 2, &views[2]), DUALPROP_ERROR_INVALID_ARGUMENT, "type");
    views[3].strides[0] = 2;
    expect_error(dualprop_network_write(made, NAMES[3], &views[3]), DUALPROP_ERROR_NO_MEMORY, "bytes");
    expect_error(dualprop_network_read(&views[3], made, NAMES[3]), DUALPROP_ERROR_NO_MEMORY, "bytes");
    dualprop_network_destroy(made);
    dualprop_context_destroy(own);
}
END_TEST

START_TEST(refuses_what_is_not_finite_and_keeps_the_old)
{
    static const double NONE[] = { NAN, INFINITY, -INFINITY, 1e300 };
    double before[ALL], after[ALL], values[HIDDEN * CLASSES] = { 0 };
    dualprop_view view = matrix_view(values, DUALPROP_F64, HIDDEN, CLASSES);
    read_all(before, network);
    uint64_t generation = generation_of(network);
    for (int i = 0; i < 4; i++) {
        values[HIDDEN * CLASSES - 1] = NONE[i]; /* 1e300 is infinite in this context's f32 */
        expect_error(dualprop_network_write(network, "layer2.weight", &view), DUALPROP_ERROR_NOT_FINITE, "view");
    }
    read_all(after, network);
    ck_assert(memcmp(before, after, sizeof before) == 0);
    ck_assert_uint_eq(generation_of(network), generation);
}
END_TEST

START_TEST(refuses_views_of_another_shape_or_type)
{
    float values[64] = { 0 };
    dualprop_view view = matrix_view(values, DUALPROP_F32, CLASSES, HIDDEN);
    expect_error(dualprop_network_write(network, "layer2.weight", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
    view = vector_view(values, DUALPROP_F32, HIDDEN * CLASSES);
    expect_error(dualprop_network_write(network, "layer2.weight", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
    view = matrix_view(values, DUALPROP_F32, 1, CLASSES);
    expect_error(dualprop_network_write(network, "layer2.bias", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
    view = vector_view(values, DUALPROP_I32, CLASSES);
    expect_error(dualprop_network_write(network, "layer2.bias", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
}
END_TEST

START_TEST(every_write_raises_the_generation)
{
    uint64_t before = generation_of(network);
    write_bias(network, 1);
    uint64_t written = generation_of(network);
    ck_assert_uint_gt(written, before);
    expect_ok(dualprop_network_initialize(network, 1));
    ck_assert_uint_gt(generation_of(network), written);
    double all[ALL];
    uint64_t initialized = generation_of(network);
    read_all(all, network);
    ck_assert_uint_eq(generation_of(network), initialized);
}
END_TEST

/* ---- layers ---- */

START_TEST(lends_its_layers)
{
    dualprop_layer *layer;
    int64_t inputs, outputs;
    int activation, frozen;
    double rate;
    expect_ok(dualprop_network_layer(&layer, network, 1));
    expect_ok(dualprop_layer_info(&inputs, &outputs, &activation, layer));
    ck_assert(inputs == INPUTS && outputs == HIDDEN && activation == DUALPROP_TANH);
    expect_ok(dualprop_layer_training(&frozen, &rate, layer));
    ck_assert(frozen == 0 && rate == 1.0);
    expect_ok(dualprop_layer_set_frozen(layer, 1));
    expect_ok(dualprop_layer_set_learning_rate(layer, 0.25));
    expect_ok(dualprop_layer_training(&frozen, &rate, layer));
    ck_assert(frozen == 1 && rate == 0.25);
    expect_ok(dualprop_layer_info(NULL, NULL, NULL, layer));
    expect_ok(dualprop_layer_training(NULL, NULL, layer));
}
END_TEST

START_TEST(takes_no_more_layers_once_a_state_or_an_optimizer_is_made)
{
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_network *other = create_network(context);
    expect_ok(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    expect_error(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY), DUALPROP_ERROR_INVALID_STATE, "network");
    dualprop_state_destroy(state);
    expect_ok(dualprop_optimizer_create(&optimizer, other, DUALPROP_SGD));
    expect_error(dualprop_network_add_dense(other, 2, DUALPROP_IDENTITY), DUALPROP_ERROR_INVALID_STATE, "network");
    dualprop_optimizer_destroy(optimizer);
    dualprop_network_destroy(other);
}
END_TEST

START_TEST(refuses_sizes_that_overflow_before_it_allocates)
{
    failing_allocator memory = { 0 };
    dualprop_allocator table = failing_allocator_table(&memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *counted;
    dualprop_network *wide;
    int layers;
    options.allocator = &table;
    expect_ok(dualprop_context_create(&counted, DUALPROP_BACKEND_AUTO, &options));
    expect_ok(dualprop_network_create(&wide, counted, (int64_t)1 << 40, 1, 1));
    long before = atomic_load(&memory.allocations);
    expect_error(dualprop_network_add_dense(wide, (int64_t)1 << 30, DUALPROP_RELU), DUALPROP_ERROR_RANGE, "outputs");
    expect_error(dualprop_network_add_dense(wide, INT64_MAX, DUALPROP_RELU), DUALPROP_ERROR_RANGE, "outputs");
    ck_assert_int_eq(atomic_load(&memory.allocations), before);
    /* This one can be counted, but there is no such machine. */
    expect_error(dualprop_network_add_dense(wide, 100000, DUALPROP_RELU), DUALPROP_ERROR_NO_MEMORY, "");
    expect_ok(dualprop_network_info(&layers, NULL, NULL, NULL, wide));
    ck_assert_int_eq(layers, 0);
    dualprop_network_destroy(wide);
    dualprop_context_destroy(counted);
    ck_assert_int_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(refuses_inputs_that_overflow)
{
    static const int64_t SHAPES[][3] = {
        { INT64_MAX, 2, 1 },
        { 1, INT64_MAX, 2 },
        { 1, 1, INT64_MAX },
        { (int64_t)1 << 21, (int64_t)1 << 21, 1 << 21 },
    };
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        dualprop_network *made = network;
        expect_error(dualprop_network_create(&made, context, SHAPES[i][0], SHAPES[i][1], SHAPES[i][2]),
                     DUALPROP_ERROR_RANGE, "height * width * channels");
        ck_assert_ptr_null(made);
    }
}
END_TEST

/* ---- copies ---- */

START_TEST(a_clone_has_everything_and_shares_nothing)
{
    dualprop_network *clone;
    dualprop_layer *layer;
    int frozen;
    double rate, mean[2] = { 0.25, 0.5 }, deviation[2] = { 2, 3 };
    expect_ok(dualprop_network_set_input_transform(network, mean, deviation, 2));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 0.5));
    expect_ok(dualprop_network_layer(&layer, network, 2));
    expect_ok(dualprop_layer_set_frozen(layer, 1));
    expect_ok(dualprop_layer_set_learning_rate(layer, 0.5));
    write_bias(network, 7);
    expect_ok(dualprop_network_clone(&clone, network));
    ck_assert(same_parameters(clone, network));
    expect_ok(dualprop_network_layer(&layer, clone, 2));
    expect_ok(dualprop_layer_training(&frozen, &rate, layer));
    ck_assert(frozen == 1 && rate == 0.5);
    ck_assert(clone->mean[1] == 0.5 && clone->deviation[0] == 2);
    write_bias(clone, 9);
    ck_assert(!same_parameters(clone, network));
    expect_ok(dualprop_network_initialize(clone, 5));
    expect_ok(dualprop_network_initialize(network, 5));
    ck_assert(same_parameters(clone, network));
    expect_ok(dualprop_network_add_dense(clone, 2, DUALPROP_IDENTITY));
    dualprop_network_destroy(network);
    network = clone;
}
END_TEST

START_TEST(an_empty_network_can_be_cloned)
{
    dualprop_network *empty, *clone;
    int layers;
    expect_ok(dualprop_network_create(&empty, context, 1, 1, 4));
    expect_ok(dualprop_network_clone(&clone, empty));
    expect_ok(dualprop_network_info(&layers, NULL, NULL, NULL, clone));
    ck_assert_int_eq(layers, 0);
    expect_ok(dualprop_network_copy(clone, empty));
    dualprop_network_destroy(clone);
    dualprop_network_destroy(empty);
}
END_TEST

START_TEST(copies_between_contexts_and_backends)
{
    dualprop_context *other = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F32);
    dualprop_network *copy = create_network(other);
    write_bias(network, 3);
    uint64_t generation = generation_of(copy);
    expect_ok(dualprop_network_copy(copy, network));
    ck_assert(same_parameters(copy, network));
    ck_assert_uint_gt(generation_of(copy), generation);
    expect_ok(dualprop_network_copy(copy, copy));
    ck_assert(same_parameters(copy, network));
    dualprop_network_destroy(copy);
    dualprop_context_destroy(other);
}
END_TEST

START_TEST(refuses_copies_of_another_shape_or_precision)
{
    dualprop_context *wide = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64);
    dualprop_network *others[4];
    for (int i = 0; i < 3; i++) expect_ok(dualprop_network_create(&others[i], context, 1, 1, INPUTS));
    expect_ok(dualprop_network_add_dense(others[1], HIDDEN, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(others[1], CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_add_dense(others[2], HIDDEN, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(others[2], CLASSES + 1, DUALPROP_IDENTITY));
    others[3] = create_network(wide);
    for (int i = 0; i < 4; i++) {
        uint64_t generation = generation_of(others[i]);
        expect_error(dualprop_network_copy(others[i], network), DUALPROP_ERROR_INVALID_ARGUMENT, "source");
        ck_assert_uint_eq(generation_of(others[i]), generation);
        dualprop_network_destroy(others[i]);
    }
    dualprop_context_destroy(wide);
}
END_TEST

/* ---- who may do what when ---- */

START_TEST(is_busy_for_writers_while_it_is_read)
{
    float bias[CLASSES] = { 0 };
    dualprop_view view = vector_view(bias, DUALPROP_F32, CLASSES);
    dualprop_network *clone;
    double mean[2] = { 0 }, deviation[2] = { 1, 1 }, before[ALL], after[ALL];
    expect_ok(dualprop_network_clone(&clone, network));
    read_all(before, network);
    expect_ok(dualprop__network_begin_read(network));
    expect_error(dualprop_network_write(network, "layer2.bias", &view), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_initialize(network, 1), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_copy(network, clone), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_add_dense(network, 1, DUALPROP_RELU), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_set_input_transform(network, mean, deviation, 2), DUALPROP_ERROR_BUSY, "network");
    expect_ok(dualprop_network_copy(clone, network));
    read_all(after, network);
    ck_assert(memcmp(before, after, sizeof before) == 0);
    dualprop__network_end_read(network);
    expect_ok(dualprop_network_write(network, "layer2.bias", &view));
    dualprop_network_destroy(clone);
}
END_TEST

START_TEST(is_busy_for_all_while_it_is_written)
{
    float bias[CLASSES] = { 0 };
    dualprop_view view = vector_view(bias, DUALPROP_F32, CLASSES);
    dualprop_network *clone = network;
    expect_ok(dualprop__network_begin_write(network));
    expect_error(dualprop_network_read(&view, network, "layer2.bias"), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_write(network, "layer2.bias", &view), DUALPROP_ERROR_BUSY, "network");
    expect_error(dualprop_network_clone(&clone, network), DUALPROP_ERROR_BUSY, "network");
    ck_assert_ptr_null(clone);
    dualprop__network_end_write(network);
    expect_ok(dualprop_network_read(&view, network, "layer2.bias"));
}
END_TEST

START_TEST(is_busy_while_an_inference_is_open)
{
    dualprop_rule *rule;
    dualprop_state *state;
    float x[INPUTS] = { 0 };
    int32_t label = 0;
    dualprop_view inputs = matrix_view(x, DUALPROP_F32, 1, INPUTS), labels = vector_view(&label, DUALPROP_I32, 1);
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
    expect_ok(dualprop_state_create(&state, network, rule, 1));
    expect_ok(dualprop_infer_begin(state, &inputs, &labels));
    expect_error(dualprop_network_initialize(network, 1), DUALPROP_ERROR_BUSY, "network");
    dualprop_state_destroy(state);
    expect_ok(dualprop_network_initialize(network, 1));
    dualprop_rule_destroy(rule);
}
END_TEST

/* Readers in four threads never disturb each other, and a writer gets in whole or not at all. */
static void *read_often(void *failures)
{
    double all[ALL];
    dualprop_view view = vector_view(all, DUALPROP_F64, CLASSES);
    for (int i = 0; i < 2000; i++) {
        dualprop_status status = dualprop_network_read(&view, network, "layer2.bias");
        int torn = status == DUALPROP_OK && (all[1] != all[0] + 1 || all[2] != all[0] + 2);
        if (torn || (status != DUALPROP_OK && status != DUALPROP_ERROR_BUSY))
            atomic_fetch_add((atomic_int *)failures, 1);
    }
    return NULL;
}

START_TEST(readers_and_writers_in_threads_see_whole_parameters)
{
    pthread_t threads[4];
    atomic_int failures = 0;
    write_bias(network, 0);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, read_often, &failures), 0);
    for (int i = 0; i < 2000; i++) {
        float bias[CLASSES] = { (float)i, (float)i + 1, (float)i + 2 };
        dualprop_view view = vector_view(bias, DUALPROP_F32, CLASSES);
        dualprop_status status = dualprop_network_write(network, "layer2.bias", &view);
        ck_assert(status == DUALPROP_OK || status == DUALPROP_ERROR_BUSY);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&failures), 0);
}
END_TEST

/* ---- life ---- */

START_TEST(outlives_its_destruction_while_a_state_uses_it)
{
    dualprop_state *state;
    float x[INPUTS] = { 0 }, scores[CLASSES];
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    network = NULL;
    context = NULL;
    expect_ok(dualprop_predict(scores, state, x, 1));
    dualprop_state_destroy(state);
}
END_TEST

START_TEST(gives_all_its_memory_back)
{
    uint64_t before, after;
    dualprop_network *made, *clone;
    expect_ok(dualprop_context_memory(&before, NULL, NULL, context));
    made = create_network(context);
    expect_ok(dualprop_network_clone(&clone, made));
    dualprop_network_destroy(made);
    dualprop_network_destroy(clone);
    expect_ok(dualprop_context_memory(&after, NULL, NULL, context));
    ck_assert_uint_eq(before, after);
}
END_TEST

/* ---- the input transform ---- */

START_TEST(bytes_are_normalised_by_channel)
{
    dualprop_state *state;
    dualprop_network *made;
    double mean[2] = { 0.5, 0.25 }, deviation[2] = { 0.5, 2 };
    float identity[4] = { 1, 0, 0, 1 }, scores[2];
    uint8_t bytes[2] = { 255, 51 };
    dualprop_view weight = matrix_view(identity, DUALPROP_F32, 2, 2), out = matrix_view(scores, DUALPROP_F32, 1, 2);
    dualprop_view inputs = matrix_view(bytes, DUALPROP_U8, 1, 2);
    expect_ok(dualprop_network_create(&made, context, 1, 1, 2));
    expect_ok(dualprop_network_add_dense(made, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_write(made, "layer1.weight", &weight));
    expect_ok(dualprop_network_set_input_transform(made, mean, deviation, 2));
    expect_ok(dualprop_state_create(&state, made, NULL, 1));
    expect_ok(dualprop_predict_view(&out, state, &inputs));
    ck_assert_double_le(fabs(scores[0] - 1.0), 1e-6);
    ck_assert_double_le(fabs(scores[1] + 0.025), 1e-6);
    dualprop_state_destroy(state);
    dualprop_network_destroy(made);
}
END_TEST

Suite *test_network_suite(void)
{
    Suite *suite = suite_create("network");
    TCase *tests = tcase_create("network");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, says_its_sizes);
    tcase_add_test(tests, an_empty_network_puts_out_what_it_takes_in);
    tcase_add_test(tests, names_its_parameters);
    tcase_add_test(tests, knows_no_other_names);
    tcase_add_loop_test(tests, gives_back_what_was_written_on_every_backend_and_precision, 0, 4);
    tcase_add_test(tests, takes_transposed_backward_spaced_and_broadcast_views);
    tcase_add_loop_test(tests, allocates_nothing_for_plain_arrays, 0, 4);
    tcase_add_test(tests, refuses_what_is_not_finite_and_keeps_the_old);
    tcase_add_test(tests, refuses_views_of_another_shape_or_type);
    tcase_add_test(tests, every_write_raises_the_generation);
    tcase_add_test(tests, lends_its_layers);
    tcase_add_test(tests, takes_no_more_layers_once_a_state_or_an_optimizer_is_made);
    tcase_add_test(tests, refuses_sizes_that_overflow_before_it_allocates);
    tcase_add_test(tests, refuses_inputs_that_overflow);
    tcase_add_test(tests, a_clone_has_everything_and_shares_nothing);
    tcase_add_test(tests, an_empty_network_can_be_cloned);
    tcase_add_test(tests, copies_between_contexts_and_backends);
    tcase_add_test(tests, refuses_copies_of_another_shape_or_precision);
    tcase_add_test(tests, is_busy_for_writers_while_it_is_read);
    tcase_add_test(tests, is_busy_for_all_while_it_is_written);
    tcase_add_test(tests, is_busy_while_an_inference_is_open);
    tcase_add_test(tests, readers_and_writers_in_threads_see_whole_parameters);
    tcase_add_test(tests, outlives_its_destruction_while_a_state_uses_it);
    tcase_add_test(tests, gives_all_its_memory_back);
    tcase_add_test(tests, bytes_are_normalised_by_channel);
    suite_add_tcase(suite, tests);
    return suite;
}
