/*
 * test_arguments_network.c - every function of network.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_network_suite(void);

static void sweep_network_create(void)
{
    dualprop_network *made;
    INVALID("network", dualprop_network_create(NULL, own.context, 1, 1, 1));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_network_create(&made, bad, 1, 1, 1))
    NUMBERS(int64_t, "height", dualprop_network_create(&made, own.context, bad, 1, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "width", dualprop_network_create(&made, own.context, 1, bad, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "channels", dualprop_network_create(&made, own.context, 1, 1, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "height", dualprop_network_create(&made, own.context, INT64_MAX, 2, 1));
    NOTHING(made, DUALPROP_ERROR_RANGE, "channels", dualprop_network_create(&made, own.context, 1, 1, INT64_MAX));
}

static void sweep_network_create_outline(void)
{
    dualprop_network *made;
    INVALID("network", dualprop_network_create_outline(NULL, own.context, 1, 1, 1));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_network_create_outline(&made, bad, 1, 1, 1))
    NUMBERS(int64_t, "height", dualprop_network_create_outline(&made, own.context, bad, 1, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "width", dualprop_network_create_outline(&made, own.context, 1, bad, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "channels", dualprop_network_create_outline(&made, own.context, 1, 1, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "channels",
            dualprop_network_create_outline(&made, own.context, 1, 1, INT64_MAX));
}

static void sweep_network_memory_needed(void)
{
    INVALID("bytes", dualprop_network_memory_needed(NULL, own.network));
    HANDLES(network, NETWORK, "network", dualprop_network_memory_needed(&out.u[0], bad))
}

static void sweep_network_destroy(void)
{
    DESTROYS(network, NETWORK);
}

static void sweep_network_clone(void)
{
    dualprop_network *made;
    INVALID("clone", dualprop_network_clone(NULL, own.network));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_network_clone(&made, bad))
}

static void sweep_network_copy(void)
{
    HANDLES(network, NETWORK, "destination", dualprop_network_copy(bad, own.network))
    HANDLES(network, NETWORK, "source", dualprop_network_copy(own.network, bad))
}

static void sweep_network_publish(void)
{
    dualprop_network *clone, *other;
    expect_ok(dualprop_network_clone(&clone, own.network));
    HANDLES(network, NETWORK, "to", dualprop_network_publish(bad, clone))
    HANDLES(network, NETWORK, "from", dualprop_network_publish(own.network, bad))
    INVALID("one network", dualprop_network_publish(own.network, own.network));
    expect_ok(dualprop_network_create(&other, own.context, 1, 1, 2));
    INVALID("layers", dualprop_network_publish(own.network, other));
    dualprop_network_destroy(other);
    dualprop_network_destroy(clone);
}

static void sweep_network_add_dense(void)
{
    dualprop_network *open;
    HANDLES(network, NETWORK, "network", dualprop_network_add_dense(bad, 1, DUALPROP_RELU))
    expect_error(dualprop_network_add_dense(own.network, 1, DUALPROP_RELU), DUALPROP_ERROR_INVALID_STATE, "network");
    expect_ok(dualprop_network_create(&open, own.context, 1, 1, 2));
    struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
    add_network(&before, open);
    NUMBERS(int64_t, "outputs", dualprop_network_add_dense(open, bad, DUALPROP_RELU), 0, -1, INT64_MIN);
    NUMBERS(int, "activation", dualprop_network_add_dense(open, 1, bad), -1, 10, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_add_dense(open, INT64_MAX, DUALPROP_RELU), DUALPROP_ERROR_RANGE, "outputs");
    add_network(&after, open);
    ck_assert(before.size == after.size && memcmp(before.bytes, after.bytes, before.size) == 0);
    free(before.bytes);
    free(after.bytes);
    dualprop_network_destroy(open);
}

/* A network of images that is open for more layers, with one convolutional layer; the calls may not change it. */
static dualprop_network *open_images(void)
{
    dualprop_network *open;
    static const int64_t three[2] = { 3, 3 };
    expect_ok(dualprop_network_create(&open, own.context, 6, 5, 2));
    expect_ok(dualprop_network_add_convolution(open, 3, three, NULL, NULL, DUALPROP_RELU));
    return open;
}

typedef dualprop_status (*add_images)(dualprop_network *network, int64_t channels, const int64_t kernel[2],
                                      const int64_t stride[2], const int64_t padding[2], int activation);

#define PAIRS(word, call, ...)                                                                        \
    do {                                                                                              \
        static const int64_t bad_pairs[][2] = { __VA_ARGS__ };                                        \
        for (size_t bad_index = 0; bad_index < sizeof bad_pairs / sizeof bad_pairs[0]; bad_index++) { \
            const int64_t *bad = bad_pairs[bad_index];                                                \
            INVALID(word, call);                                                                      \
        }                                                                                             \
    } while (0)

static void refuse_image_layers(dualprop_network *open, add_images add)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 }, huge[2] = { INT64_MAX, 1 }, none[2] = { 0, 0 };
    NUMBERS(int64_t, "channels", add(open, bad, three, NULL, NULL, 0), 0, -1, INT64_MIN);
    INVALID("kernel", add(open, 1, NULL, NULL, NULL, 0));
    PAIRS("kernel", add(open, 1, bad, NULL, NULL, 0), { 0, 3 }, { 3, -1 }, { INT64_MIN, 3 });
    PAIRS("kernel", add(open, 1, bad, NULL, none, 0), { 7, 3 }, { 3, 6 }, { 3, INT64_MAX });
    PAIRS("stride", add(open, 1, three, bad, NULL, 0), { 0, 1 }, { 1, 0 }, { 1, -1 }, { INT64_MIN, 1 });
    PAIRS("padding", add(open, 1, three, NULL, bad, 0), { -1, 0 }, { 0, -1 }, { 3, 0 }, { 0, INT64_MAX });
    INVALID("padding", add(open, 1, two, NULL, NULL, 0));
    NUMBERS(int, "activation", add(open, 1, three, NULL, NULL, bad), -1, 10, INT32_MIN, INT32_MAX);
    expect_error(add(open, INT64_MAX, three, NULL, NULL, 0), DUALPROP_ERROR_RANGE, "channels");
    expect_error(add(open, 1, huge, NULL, huge, 0), DUALPROP_ERROR_INVALID_ARGUMENT, "padding");
    expect_error(add(open, 1, (int64_t[]){ INT64_MAX, 1 }, NULL, (int64_t[]){ INT64_MAX - 1, 0 }, 0),
                 DUALPROP_ERROR_RANGE, "padded");
}

static void sweep_images(add_images add)
{
    static const int64_t one[2] = { 1, 1 };
    dualprop_network *open = open_images();
    struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
    HANDLES(network, NETWORK, "network", add(bad, 1, one, NULL, NULL, 0))
    expect_error(add(own.network, 1, one, NULL, NULL, 0), DUALPROP_ERROR_INVALID_STATE, "network");
    add_network(&before, open);
    refuse_image_layers(open, add);
    add_network(&after, open);
    ck_assert(before.size == after.size && memcmp(before.bytes, after.bytes, before.size) == 0);
    free(before.bytes);
    free(after.bytes);
    dualprop_network_destroy(open);
}

static void sweep_network_add_convolution(void)
{
    sweep_images(dualprop_network_add_convolution);
}

static void sweep_network_add_local(void)
{
    sweep_images(dualprop_network_add_local);
}

static void sweep_network_add_pooling(void)
{
    static const int64_t two[2] = { 2, 2 };
    dualprop_network *open = open_images(), *empty;
    expect_ok(dualprop_network_create(&empty, own.context, 6, 5, 2));
    HANDLES(network, NETWORK, "network", dualprop_network_add_pooling(bad, DUALPROP_POOL_MAX, two, NULL))
    expect_error(dualprop_network_add_pooling(own.network, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "network");
    expect_error(dualprop_network_add_pooling(empty, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "no layers");
    NUMBERS(int, "pooling", dualprop_network_add_pooling(open, bad, two, NULL), 0, -1, 3, INT32_MIN, INT32_MAX);
    INVALID("window", dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, NULL, NULL));
    PAIRS("window", dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, bad, NULL), { 0, 2 }, { 2, -1 }, { 7, 2 },
          { 2, 6 }, { INT64_MAX, INT64_MAX });
    PAIRS("stride", dualprop_network_add_pooling(open, DUALPROP_POOL_AVERAGE, two, bad), { 0, 2 }, { 2, INT64_MIN });
    expect_ok(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL));
    expect_error(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "already");
    expect_ok(dualprop_network_add_dense(open, 2, 0));
    expect_error(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "dense");
    dualprop_network_destroy(empty);
    dualprop_network_destroy(open);
}

static void sweep_network_add_flatten(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_add_flatten(bad))
    expect_error(dualprop_network_add_flatten(own.network), DUALPROP_ERROR_INVALID_STATE, "network");
}

static void sweep_network_set_initializer(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_set_initializer(bad, DUALPROP_INIT_HE, 1))
    NUMBERS(int, "initializer", dualprop_network_set_initializer(own.network, bad, 1), -1, 6, INT32_MIN, INT32_MAX);
    NUMBERS(double, "scale", dualprop_network_set_initializer(own.network, DUALPROP_INIT_HE, bad), NO_NUMBERS, -1,
            -1e-300);
}

static void sweep_network_initialize(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_initialize(bad, 1))
}

static void sweep_network_set_feedback(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_set_feedback(bad, DUALPROP_FEEDBACK_RANDOM, 1))
    NUMBERS(int, "kind", dualprop_network_set_feedback(own.network, bad, 1), -1, 4, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_set_feedback(own.network, DUALPROP_FEEDBACK_RANDOM, 1), DUALPROP_ERROR_INVALID_STATE,
                 "network");
}

static void sweep_network_read_feedback(void)
{
    dualprop_view view = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_read_feedback(&view, bad, 1))
    NUMBERS(int, "index", dualprop_network_read_feedback(&view, own.network, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_read_feedback(&view, own.network, 1), DUALPROP_ERROR_INVALID_STATE, "feedback");
}

static void sweep_network_write_feedback(void)
{
    dualprop_view view = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_write_feedback(bad, 1, &view))
    NUMBERS(int, "index", dualprop_network_write_feedback(own.network, bad, &view), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_write_feedback(own.network, 1, &view), DUALPROP_ERROR_INVALID_STATE, "feedback");
}

static void sweep_layer_feedback(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_feedback(&out.i[0], &out.d[0], bad))
}

static void sweep_network_set_open(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_set_open(bad, DUALPROP_OPEN_TOP))
    NUMBERS(int, "ends", dualprop_network_set_open(own.network, bad), -1, 4, INT32_MIN, INT32_MAX);
}

static void sweep_network_set_input_transform(void)
{
    double mean = 0, deviation = 1;
    HANDLES(network, NETWORK, "network", dualprop_network_set_input_transform(bad, &mean, &deviation, 1))
    INVALID("mean", dualprop_network_set_input_transform(own.network, NULL, &deviation, 1));
    INVALID("deviation", dualprop_network_set_input_transform(own.network, &mean, NULL, 1));
    NUMBERS(int64_t, "channels", dualprop_network_set_input_transform(own.network, &mean, &deviation, bad), 0, -1, 2,
            INT64_MIN, INT64_MAX);
    NUMBERS(double, "mean", dualprop_network_set_input_transform(own.network, &bad, &deviation, 1), NO_NUMBERS);
    NUMBERS(double, "deviation", dualprop_network_set_input_transform(own.network, &mean, &bad, 1), NO_NUMBERS, 0, -1);
}

static void sweep_network_info(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_info(&out.i[0], &out.n[0], &out.n[1], &out.n[2], bad))
}

static void sweep_network_input_shape(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_input_shape(&out.n[0], &out.n[1], &out.n[2], bad))
}

static void sweep_network_generation(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_generation(&out.u[0], bad))
    INVALID("generation", dualprop_network_generation(NULL, own.network));
}

static void sweep_network_parameter_count(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_parameter_count(&out.i[0], bad))
    INVALID("count", dualprop_network_parameter_count(NULL, own.network));
}

static void sweep_network_parameter(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_parameter(out.text, sizeof out.text, out.n, out.i, bad, 0))
    INVALID("name", dualprop_network_parameter(NULL, 32, out.n, out.i, own.network, 0));
    NUMBERS(size_t, "size", dualprop_network_parameter(out.text, bad, out.n, out.i, own.network, 0), 0, 1, 13);
    NUMBERS(int, "index", dualprop_network_parameter(out.text, sizeof out.text, out.n, out.i, own.network, bad), -1, 4,
            INT32_MIN, INT32_MAX);
}

static void sweep_network_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_read(&good, bad, "layer1.weight"))
    INVALID("name", dualprop_network_read(&good, own.network, NULL));
    INVALID("name", dualprop_network_read(&good, own.network, "layer3.weight"));
    OUTPUT_VIEWS(good, DUALPROP_U8, "view", dualprop_network_read(bad, own.network, "layer1.weight"));
}

static void sweep_network_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_write(bad, "layer1.weight", &good))
    INVALID("name", dualprop_network_write(own.network, NULL, &good));
    INVALID("name", dualprop_network_write(own.network, "", &good));
    VIEWS(good, DUALPROP_I32, BAD_VIEWS, "view", dualprop_network_write(own.network, "layer1.weight", bad))
    values[5] = NAN;
    expect_error(dualprop_network_write(own.network, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
    values[5] = -INFINITY;
    expect_error(dualprop_network_write(own.network, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
}

static void sweep_network_layer(void)
{
    dualprop_layer *made;
    HANDLES(network, NETWORK, "network", dualprop_network_layer(&made, bad, 1))
    INVALID("layer", dualprop_network_layer(NULL, own.network, 1));
    NUMBERS(int, "index", dualprop_network_layer(&made, own.network, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "index", dualprop_network_layer(&made, own.network, 3));
}

static void sweep_layer_info(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_info(&out.n[0], &out.n[1], &out.i[0], bad))
}

static void sweep_layer_shape(void)
{
    HANDLES(layer, LAYER, "layer",
            dualprop_layer_shape(&out.i[0], out.n, out.n, out.n, out.n, &out.i[1], out.n, out.n, bad))
}

static void sweep_layer_set_frozen(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_set_frozen(bad, 1))
    NUMBERS(int, "frozen", dualprop_layer_set_frozen(own.layer, bad), -1, 2, INT32_MIN, INT32_MAX);
}

static void sweep_layer_set_learning_rate(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_set_learning_rate(bad, 1))
    NUMBERS(double, "factor", dualprop_layer_set_learning_rate(own.layer, bad), NO_NUMBERS, -1);
}

static void sweep_layer_training(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_training(&out.i[0], &out.d[0], bad))
}

/* clang-format off */
static const struct sweep SWEEPS[] = {
    SWEEP(network_create_outline), SWEEP(network_memory_needed),
    SWEEP(network_create), SWEEP(network_destroy), SWEEP(network_clone), SWEEP(network_copy), SWEEP(network_publish),
    SWEEP(network_add_dense), SWEEP(network_add_convolution), SWEEP(network_add_local), SWEEP(network_add_pooling),
    SWEEP(network_add_flatten), SWEEP(network_set_initializer), SWEEP(network_initialize),
    SWEEP(network_set_feedback), SWEEP(network_read_feedback), SWEEP(network_write_feedback), SWEEP(layer_feedback),
    SWEEP(network_set_input_transform), SWEEP(network_set_open), SWEEP(network_info),
    SWEEP(network_input_shape), SWEEP(network_generation),
    SWEEP(network_parameter_count), SWEEP(network_parameter), SWEEP(network_read), SWEEP(network_write),
    SWEEP(network_layer), SWEEP(layer_info), SWEEP(layer_shape), SWEEP(layer_set_frozen),
    SWEEP(layer_set_learning_rate), SWEEP(layer_training),
};
/* clang-format on */
const struct sweep_list SWEEPS_OF_NETWORK = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_network_suite(void)
{
    return arguments_suite("arguments_network", &SWEEPS_OF_NETWORK);
}
