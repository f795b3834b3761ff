/*
 * test_vectors.c - every reference vector of tests/golden on every level, in both types, and with the convolutions of
 * the blis backend computed in one way wherever that can be.
 *
 * The program `vectors` holds the backends to the same files as they choose by themselves; by rule Winograd's
 * transforms begin at 16 channels, which no vector has, so here they are forced.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/vector_case.h"
#include "core/base/base.h"
#include "support/expect.h"
#include "main.h"

#ifndef DUALPROP_NO_BLIS
#include "cpu/blis/blis_convolution.h"
#include "cpu/blis/blis_winograd.h"
#endif

#define FOLDER "tests/golden/"
#define SUFFIX ".safetensors"

/* The files are of double precision, made by another code. In f32 a delta that were formed as s+ minus s- would miss by
 * 2e-4; Winograd's transforms on few channels err by several times what direct sums err by. */
#define TOLERANCE_F64 1e-10
#define TOLERANCE_F32 3e-5
#define TOLERANCE_WINOGRAD 3e-4

static int is_vector(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
    return length > suffix && strcmp(entry->d_name + length - suffix, SUFFIX) == 0;
}

/* Run all files; skipped ones count as failed, since the library can do all that is in them. */
static void run_folder(dualprop_context *context, double tolerance, const char *what)
{
    struct dirent **entries;
    host owner;
    int count = scandir(FOLDER, &entries, is_vector, alphasort);
    ck_assert_msg(count == 27, "%d files in " FOLDER "; expected 27", count);
    host_init(&owner, "test");
    for (int i = 0; i < count; i++) {
        char path[400];
        vector_outcome outcome;
        snprintf(path, sizeof path, FOLDER "%s", entries[i]->d_name);
        dualprop_status status = vector_case_run(&outcome, &owner, context, path);
        ck_assert_msg(status == DUALPROP_OK, "%s, %s: %s", path, what, owner.message);
        ck_assert_msg(!outcome.skipped, "%s, %s: skipped: %s", path, what, outcome.reason);
        ck_assert_msg(outcome.error <= tolerance, "%s, %s: the error is %g; expected at most %g", path, what,
                      outcome.error, tolerance);
        free(entries[i]);
    }
    free(entries);
}

/* NULL if this machine has not the level. */
static dualprop_context *open_context(int backend, int precision, int level)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.precision = precision;
    options.level = level;
    dualprop_status status = dualprop_context_create(&context, backend, &options);
    if (status == DUALPROP_ERROR_NO_BACKEND) return NULL;
    expect_ok(status);
    return context;
}

START_TEST(the_reference_backend_computes_the_vectors)
{
    int precision = _i == 0 ? DUALPROP_F64 : DUALPROP_F32;
    dualprop_context *context = open_context(DUALPROP_BACKEND_REFERENCE, precision, DUALPROP_LEVEL_AUTO);
    run_folder(context, _i == 0 ? TOLERANCE_F64 : TOLERANCE_F32, "reference");
    dualprop_context_destroy(context);
}
END_TEST

#ifndef DUALPROP_NO_BLIS

static double tolerance_of(int precision, int way)
{
    if (precision == DUALPROP_F64) return TOLERANCE_F64;
    return way == DUALPROP__WINOGRAD ? TOLERANCE_WINOGRAD : TOLERANCE_F32;
}

/* Does forcing reach the 3x3 convolutions that the vectors have? */
static void expect_forced(const dualprop_context *context, int way)
{
    dualprop_convolution shape = {
        .kind = DUALPROP_LAYER_CONVOLUTION,
        .batch = 1,
        .height = 8,
        .width = 8,
        .channels = 2,
        .outputs = 3,
        .kernel_height = 3,
        .kernel_width = 3,
        .stride_height = 1,
        .stride_width = 1,
        .padding_height = 1,
        .padding_width = 1,
        .map_height = 8,
        .map_width = 8,
        .pooled_height = 8,
        .pooled_width = 8,
    };
    ck_assert_int_eq(dualprop__winograd_fits(context->instance, &shape), way == DUALPROP__WINOGRAD);
}

static void run_blis(int precision, int level, int way)
{
    static const char *const ways[] = { "by rule", "by im2col", "by Winograd's transforms" };
    char what[80];
    dualprop_context *context = open_context(DUALPROP_BACKEND_BLIS, precision, level);
    if (!context) return;
    dualprop__blis_choose_convolutions(context->instance, way);
    expect_forced(context, way);
    snprintf(what, sizeof what, "blis f%d at level %d %s", precision == DUALPROP_F32 ? 32 : 64, level, ways[way]);
    run_folder(context, tolerance_of(precision, way), what);
    dualprop_context_destroy(context);
}

START_TEST(the_blis_backend_computes_the_vectors)
{
    for (int level = DUALPROP_LEVEL_BASELINE; level <= DUALPROP_LEVEL_AVX512; level++) {
        run_blis(DUALPROP_F64, level, _i);
        run_blis(DUALPROP_F32, level, _i);
    }
}
END_TEST

#endif

Suite *test_vectors_suite(void)
{
    Suite *suite = suite_create("vectors");
    TCase *tests = tcase_create("vectors");
    tcase_add_loop_test(tests, the_reference_backend_computes_the_vectors, 0, 2);
#ifndef DUALPROP_NO_BLIS
    tcase_add_loop_test(tests, the_blis_backend_computes_the_vectors, 0, 3);
#endif
    suite_add_tcase(suite, tests);
    return suite;
}
