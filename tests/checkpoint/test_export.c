/*
 * test_export.c - a network as C source: it compiles alone, refers to nothing, and has the reference backend's bits.
 */
#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/expect.h"
#include "support/idle_map.h"
#include "support/randomness.h"
#include "support/scratch_folder.h"

enum { NETWORKS = 15, SAMPLES = 12, MOST = 512 };

/* Built-in activations have the numbers from 0 on; one that is added is tested at once. */
static int count_activations(void)
{
    int count = 0;
    while (dualprop_name(DUALPROP_NAMES_ACTIVATION, count)) count++;
    return count;
}

static dualprop_context *create_context(int type)
{
    dualprop_context *context;
    dualprop_options options = { .struct_size = sizeof options, .precision = type };
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    return context;
}

/* ---- random networks of every kind ---- */

/* A layer of images, with a kernel, stride and padding of any size that fits, and pooling or none. */
static void add_image_layer(dualprop_network *network, const int64_t below[3], int kind, int pooling, int activation,
                            randomness *random)
{
    int64_t kernel[2], stride[2], padding[2], window[2], steps[2];
    for (int i = 0; i < 2; i++) {
        kernel[i] = 1 + random_below(random, below[i] < 3 ? below[i] : 3);
        stride[i] = 1 + random_below(random, 2);
        padding[i] = random_below(random, kernel[i]);
        int64_t map = (below[i] + 2 * padding[i] - kernel[i]) / stride[i] + 1;
        window[i] = 1 + random_below(random, map < 3 ? map : 3);
        steps[i] = 1 + random_below(random, 3);
    }
    int64_t channels = random_below(random, 4) == 0 ? 17 : 1 + random_below(random, 5); /* beyond a tile, or not */
    expect_ok((kind == DUALPROP_LAYER_LOCAL ? dualprop_network_add_local : dualprop_network_add_convolution)(
        network, channels, kernel, stride, padding, activation));
    if (pooling != DUALPROP_POOL_NONE) expect_ok(dualprop_network_add_pooling(network, pooling, window, steps));
}

static void draw_biases(dualprop_network *network, int layers, randomness *random)
{
    for (int k = 1; k <= layers; k++) {
        double bias[MOST];
        char name[32];
        int rank;
        dualprop_view view = { .struct_size = sizeof view, .data = bias, .type = DUALPROP_F64 };
        expect_ok(dualprop_network_parameter(name, sizeof name, view.shape, &rank, network, 2 * k - 1));
        int64_t step = 1;
        for (int axis = rank - 1; axis >= 0; axis--) view.strides[axis] = step, step *= view.shape[axis];
        ck_assert_int_le(step, MOST);
        view.rank = rank;
        for (int64_t i = 0; i < step; i++) bias[i] = random_uniform(random, -1, 1);
        expect_ok(dualprop_network_write(network, name, &view));
    }
}

/* The first layer goes through all pairs of kind and activation, and of kind and pooling; the rest is drawn. */
static dualprop_network *create_network(dualprop_context *context, int number)
{
    randomness random = random_start((uint64_t)number);
    int layers = 1 + (int)random_below(&random, 3), is_image = number % 3 != DUALPROP_LAYER_DENSE;
    dualprop_network *network;
    int64_t shape[3] = { 1, 1, 1 + random_below(&random, 40) };
    for (int i = 0; i < 3 && is_image; i++) shape[i] = 1 + random_below(&random, i < 2 ? 7 : 3);
    expect_ok(dualprop_network_create(&network, context, shape[0], shape[1], shape[2]));
    double mean[40], deviation[40];
    for (int64_t c = 0; c < shape[2]; c++)
        mean[c] = random_uniform(&random, 0, 1), deviation[c] = random_uniform(&random, 0.1, 2);
    expect_ok(dualprop_network_set_input_transform(network, mean, deviation, shape[2]));
    for (int k = 1; k <= layers; k++) {
        int kind = k == 1 ? number % 3 : (int)random_below(&random, 3);
        int pooling = k == 1 ? number / 3 % 3 : (int)random_below(&random, 3);
        int activation = k == 1 ? number % count_activations() : (int)random_below(&random, count_activations());
        if (k == layers && random_below(&random, 2)) activation = DUALPROP_IDENTITY;
        if (random_below(&random, 4) == 0) {
            expect_ok(dualprop_network_add_flatten(network));
            shape[2] *= shape[0] * shape[1], shape[0] = shape[1] = 1;
        }
        if (kind == DUALPROP_LAYER_DENSE)
            expect_ok(dualprop_network_add_dense(network, 1 + random_below(&random, 40), activation));
        else add_image_layer(network, shape, kind, pooling, activation, &random);
        dualprop_layer *layer;
        expect_ok(dualprop_network_layer(&layer, network, k));
        expect_ok(dualprop_layer_shape(NULL, shape, NULL, NULL, NULL, NULL, NULL, NULL, layer));
    }
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_LECUN, 2.5)); /* reaches the tails */
    expect_ok(dualprop_network_initialize(network, (uint64_t)number));
    draw_biases(network, layers, &random);
    return network;
}

/* ---- compiling ---- */

static int runs(const char *format, const char *folder)
{
    char command[512];
    const char *compiler = getenv("CC");
    snprintf(command, sizeof command, format, compiler ? compiler : "cc", folder, folder);
    return system(command) == 0;
}

static void compile(const scratch_folder *folder)
{
    ck_assert(runs("%s -std=c11 -ffreestanding -O2 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -nostdlib "
                   "-o %s/net.so %s/net*.c",
                   folder->path));
    /* Undefined names: none but what compilers put in for copies. */
    ck_assert(runs(": %s; ! nm -u %s/net.so | grep -v 'memcpy\\|__gmon_start__\\|_ITM_\\|__cxa_' | grep . %.0s",
                   folder->path));
}

static void (*find_function(void *library, int number, const char *suffix))(void)
{
    char name[32];
    snprintf(name, sizeof name, "net%d_%s", number, suffix);
    void (*function)(void) = (void (*)(void))(uintptr_t)dlsym(library, name);
    ck_assert_msg(function != NULL, "%s is not there", name);
    return function;
}

/* ---- the bits ---- */

/* Scores by the compiled source, of numbers or of bytes, as doubles. */
static void predict_exported(double *scores, void *library, int number, int type, const double *x,
                             const unsigned char *bytes, int64_t inputs, int64_t outputs)
{
    void (*predict)(void) = find_function(library, number, "predict");
    void (*load)(void) = find_function(library, number, "load_bytes");
    float x32[MOST], scores32[MOST];
    double x64[MOST];
    for (int64_t i = 0; i < inputs; i++) x64[i] = x[i], x32[i] = (float)x[i];
    if (type == DUALPROP_F64) {
        if (bytes) ((void (*)(double *, const unsigned char *))load)(x64, bytes);
        ((void (*)(double *, const double *))predict)(scores, x64);
        return;
    }
    if (bytes) ((void (*)(float *, const unsigned char *))load)(x32, bytes);
    ((void (*)(float *, const float *))predict)(scores32, x32);
    for (int64_t i = 0; i < outputs; i++) scores[i] = scores32[i];
}

static void check_scores(void *library, dualprop_network *network, int number, int type)
{
    dualprop_state *state;
    double x[MOST], expected[MOST], scores[MOST];
    unsigned char bytes[MOST];
    int64_t inputs, outputs;
    expect_ok(dualprop_network_info(NULL, NULL, &inputs, &outputs, network));
    ck_assert(inputs <= MOST && outputs <= MOST);
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    for (int n = 0; n < SAMPLES; n++) {
        int has_bytes = n % 4 == 3;
        for (int64_t i = 0; i < inputs; i++) x[i] = (float)(sin((double)(n * 31 + i * 7)) * (n % 5 + 0.1));
        for (int64_t i = 0; i < inputs; i++) bytes[i] = (unsigned char)(i * 37 + n * 11);
        dualprop_view from =
            has_bytes ? matrix_view(bytes, DUALPROP_U8, 1, inputs) : matrix_view(x, DUALPROP_F64, 1, inputs);
        dualprop_view to = matrix_view(expected, DUALPROP_F64, 1, outputs);
        expect_ok(dualprop_predict_view(&to, state, &from));
        predict_exported(scores, library, number, type, x, has_bytes ? bytes : NULL, inputs, outputs);
        for (int64_t i = 0; i < outputs; i++)
            ck_assert_msg(memcmp(&scores[i], &expected[i], sizeof(double)) == 0,
                          "network %d, sample %d: score %d is %a, not %a", number, n, (int)i, scores[i], expected[i]);
    }
    dualprop_state_destroy(state);
}

START_TEST(random_networks_have_the_reference_bits)
{
    int type = _i % 2 ? DUALPROP_F64 : DUALPROP_F32, first = _i / 2 * NETWORKS;
    dualprop_context *context = create_context(type);
    dualprop_network *networks[NETWORKS];
    scratch_folder folder = scratch_folder_create();
    char path[128], name[32];
    for (int i = 0; i < NETWORKS; i++) {
        networks[i] = create_network(context, first + i);
        snprintf(name, sizeof name, "net%d", first + i);
        expect_ok(dualprop_network_export_c(networks[i], folder.path, name));
    }
    ck_assert_int_eq(scratch_folder_entries(&folder), 2 * NETWORKS);
    compile(&folder);
    snprintf(path, sizeof path, "%s/net.so", folder.path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    for (int i = 0; i < NETWORKS; i++) {
        check_scores(library, networks[i], first + i, type);
        dualprop_network_destroy(networks[i]);
    }
    dlclose(library);
    scratch_folder_destroy(&folder);
    dualprop_context_destroy(context);
}
END_TEST

static int own_activation(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    memcpy(values, a, (size_t)count * sizeof *a);
    return 0;
}

START_TEST(what_is_not_exported_is_refused_by_name)
{
    dualprop_context *context = create_context(DUALPROP_F32);
    dualprop_network *own, *unset;
    scratch_folder folder = scratch_folder_create();
    int activation, map;
    expect_ok(dualprop_activation_register(&activation, context, "gently", own_activation, own_activation, NULL, NULL));
    expect_ok(idle_map_register(&map, context));
    expect_ok(dualprop_network_create(&own, context, 1, 1, 4));
    expect_ok(dualprop_network_add_dense(own, 4, activation));
    expect_ok(dualprop_network_initialize(own, 1));
    expect_error(dualprop_network_export_c(own, folder.path, "net"), DUALPROP_ERROR_UNSUPPORTED,
                 "layer 1 has the activation gently");
    dualprop_network_destroy(own);
    expect_ok(dualprop_network_create(&own, context, 1, 1, 4));
    expect_ok(dualprop_network_add_dense(own, 4, DUALPROP_RELU));
    expect_ok(dualprop_network_add_custom(own, map, 4, 4, 4, DUALPROP_RELU));
    expect_ok(dualprop_network_initialize(own, 1));
    expect_error(dualprop_network_export_c(own, folder.path, "net"), DUALPROP_ERROR_UNSUPPORTED,
                 "layer 2 has the map idle");
    expect_ok(dualprop_network_create(&unset, context, 1, 1, 4));
    expect_error(dualprop_network_export_c(unset, folder.path, "net"), DUALPROP_ERROR_INVALID_ARGUMENT, "layers");
    expect_ok(dualprop_network_add_dense(unset, 2, DUALPROP_IDENTITY));
    expect_error(dualprop_network_export_c(unset, folder.path, "net"), DUALPROP_ERROR_INVALID_STATE, "never set");
    ck_assert_int_eq(scratch_folder_entries(&folder), 0);
    dualprop_network_destroy(unset);
    dualprop_network_destroy(own);
    scratch_folder_destroy(&folder);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_export_suite(void)
{
    Suite *suite = suite_create("export");
    TCase *cases = tcase_create("export");
    tcase_set_timeout(cases, 300); /* compilers take their time on a busy machine */
    tcase_add_loop_test(cases, random_networks_have_the_reference_bits, 0, 8);
    tcase_add_test(cases, what_is_not_exported_is_refused_by_name);
    suite_add_tcase(suite, cases);
    return suite;
}
