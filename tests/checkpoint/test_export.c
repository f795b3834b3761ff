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
#include "support/scratch_folder.h"

enum { INPUTS = 13, OUTPUTS = 5, SAMPLES = 60 };

static const int ACTIVATIONS[] = { DUALPROP_IDENTITY, DUALPROP_RELU, DUALPROP_LEAKY_RELU, DUALPROP_HARD_SIGMOID,
                                   DUALPROP_SIGMOID,  DUALPROP_TANH, DUALPROP_SILU };

static dualprop_context *create_context(int type)
{
    dualprop_context *context;
    dualprop_options options = { .struct_size = sizeof options, .precision = type };
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    return context;
}

static dualprop_network *create_network(dualprop_context *context, int activation)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 1, 1, INPUTS));
    expect_ok(dualprop_network_add_dense(network, 19, activation));
    expect_ok(dualprop_network_add_dense(network, 7, activation));
    expect_ok(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_LECUN, 2.5)); /* reaches the tails */
    expect_ok(dualprop_network_initialize(network, (uint64_t)activation + 1));
    return network;
}

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
                   "-o %s/net.so %s/net.c",
                   folder->path));
    /* Undefined names: none but what compilers put in for copies. */
    ck_assert(
        runs(": %s; ! nm -u %s/net.so | grep -v 'memcpy\\|memset\\|__gmon_start__\\|_ITM_\\|__cxa_' | grep . %.0s",
             folder->path));
}

/* Scores by the compiled source, as doubles. */
static void predict_exported(double *scores, void (*function)(void), int type, const double *x)
{
    float x32[INPUTS], scores32[OUTPUTS];
    if (type == DUALPROP_F64) {
        ((void (*)(double *, const double *))function)(scores, x);
        return;
    }
    for (int i = 0; i < INPUTS; i++) x32[i] = (float)x[i];
    ((void (*)(float *, const float *))function)(scores32, x32);
    for (int i = 0; i < OUTPUTS; i++) scores[i] = scores32[i];
}

static void check_scores(const scratch_folder *folder, dualprop_network *network, int type)
{
    char path[128];
    dualprop_state *state;
    double x[INPUTS], expected[OUTPUTS], scores[OUTPUTS];
    snprintf(path, sizeof path, "%s/net.so", folder->path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    void (*function)(void) = (void (*)(void))(uintptr_t)dlsym(library, "net_predict");
    ck_assert(function != NULL);
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    for (int n = 0; n < SAMPLES; n++) {
        for (int i = 0; i < INPUTS; i++) x[i] = (float)(sin(n * 31 + i * 7) * (n % 5 + 0.1));
        dualprop_view inputs = matrix_view(x, DUALPROP_F64, 1, INPUTS);
        dualprop_view outputs = matrix_view(expected, DUALPROP_F64, 1, OUTPUTS);
        expect_ok(dualprop_predict_view(&outputs, state, &inputs));
        predict_exported(scores, function, type, x);
        for (int i = 0; i < OUTPUTS; i++)
            ck_assert_msg(memcmp(&scores[i], &expected[i], sizeof(double)) == 0, "sample %d: score %d is %a, not %a", n,
                          i, scores[i], expected[i]);
    }
    dualprop_state_destroy(state);
    dlclose(library);
}

START_TEST(the_source_has_the_reference_bits)
{
    int type = _i % 2 ? DUALPROP_F64 : DUALPROP_F32;
    dualprop_context *context = create_context(type);
    dualprop_network *network = create_network(context, ACTIVATIONS[_i / 2]);
    scratch_folder folder = scratch_folder_create();
    expect_ok(dualprop_network_export_c(network, folder.path, "net"));
    ck_assert_int_eq(scratch_folder_entries(&folder), 2);
    compile(&folder);
    check_scores(&folder, network, type);
    scratch_folder_destroy(&folder);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(what_is_not_exported_is_refused_by_name)
{
    dualprop_context *context = create_context(DUALPROP_F32);
    dualprop_network *network = create_network(context, DUALPROP_SOFTPLUS), *images, *unset;
    scratch_folder folder = scratch_folder_create();
    expect_error(dualprop_network_export_c(network, folder.path, "net"), DUALPROP_ERROR_UNSUPPORTED, "softplus");
    expect_ok(dualprop_network_create(&images, context, 4, 4, 1));
    expect_ok(dualprop_network_add_convolution(images, 2, (int64_t[]){ 3, 3 }, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_initialize(images, 1));
    expect_error(dualprop_network_export_c(images, folder.path, "net"), DUALPROP_ERROR_UNSUPPORTED, "convolution");
    expect_ok(dualprop_network_create(&unset, context, 1, 1, 4));
    expect_error(dualprop_network_export_c(unset, folder.path, "net"), DUALPROP_ERROR_INVALID_ARGUMENT, "layers");
    expect_ok(dualprop_network_add_dense(unset, 2, DUALPROP_IDENTITY));
    expect_error(dualprop_network_export_c(unset, folder.path, "net"), DUALPROP_ERROR_INVALID_STATE, "never set");
    ck_assert_int_eq(scratch_folder_entries(&folder), 0);
    dualprop_network_destroy(unset);
    dualprop_network_destroy(images);
    scratch_folder_destroy(&folder);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_export_suite(void)
{
    Suite *suite = suite_create("export");
    TCase *cases = tcase_create("export");
    tcase_add_loop_test(cases, the_source_has_the_reference_bits, 0, 14);
    tcase_add_test(cases, what_is_not_exported_is_refused_by_name);
    suite_add_tcase(suite, cases);
    return suite;
}
