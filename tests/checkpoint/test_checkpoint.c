/*
 * test_checkpoint.c - what is put into a checkpoint comes out again, bit for bit, in memory and through a file.
 */
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/faulty_io.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"
#include "support/traps.h"

static scratch_folder folder;

static void make_folder(void)
{
    folder = scratch_folder_create();
}

static void remove_folder(void)
{
    scratch_folder_destroy(&folder);
}

/* Every backend, precision and kind of optimizer. */
enum { PLANS = 2 * 2 * 3 };

static saved_plan plan_of(int row)
{
    return (saved_plan){ .backend = row % 2 ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                         .precision = row / 2 % 2 ? DUALPROP_F64 : DUALPROP_F32,
                         .kind = row / 4 };
}

static saved_model trained_model(const saved_plan *plan, int steps)
{
    saved_model model;
    expect_ok(saved_model_create(&model, plan));
    expect_ok(saved_model_train(&model, steps));
    return model;
}

static dualprop_context *plain_context(void)
{
    dualprop_context *context = NULL;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    return context;
}

static void expect_same_files(const char *first, const char *second)
{
    size_t first_size, second_size;
    char *first_data = scratch_read(first, &first_size), *second_data = scratch_read(second, &second_size);
    ck_assert_uint_eq(first_size, second_size);
    ck_assert_mem_eq(first_data, second_data, first_size);
    free(first_data);
    free(second_data);
}

/* ---- the whole model ---- */

/* The settings are all in the file, so that equal files say that equal models were saved. */
START_TEST(what_is_saved_is_loaded)
{
    saved_plan plan = plan_of(_i);
    saved_model model = trained_model(&plan, 4), loaded;
    char again[128];
    snprintf(again, sizeof again, "%s-again", folder.file);
    expect_ok(saved_model_save(&model, folder.file));
    expect_ok(saved_model_open(&loaded, &plan));
    expect_ok(saved_model_load(&loaded, folder.file));
    ck_assert_uint_eq(saved_model_parameters(&model), saved_model_parameters(&loaded));
    expect_ok(saved_model_save(&loaded, again));
    expect_same_files(folder.file, again);
    saved_model_destroy(&loaded);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(settings_are_as_they_were)
{
    saved_plan plan = plan_of(_i);
    saved_model model = trained_model(&plan, 1), loaded;
    expect_ok(saved_model_save(&model, folder.file));
    expect_ok(saved_model_open(&loaded, &plan));
    expect_ok(saved_model_load(&loaded, folder.file));
    double alpha, beta, tolerance, limit, rate, expected_rate, factor;
    int variant, loss, output_step, nudge_at, schedule, passes, kind, layers;
    int64_t steps, height, width, channels;
    expect_ok(dualprop_rule_get_alpha(&alpha, loaded.rule));
    expect_ok(dualprop_rule_get_beta(&beta, loaded.rule));
    expect_ok(dualprop_rule_get_tolerance(&tolerance, loaded.rule));
    expect_ok(dualprop_rule_get_divergence_limit(&limit, loaded.rule));
    ck_assert(alpha == 0.3 && beta == -0.1 && tolerance == 1e-7 && limit == 12345.678);
    expect_ok(dualprop_rule_get_variant(&variant, loaded.rule));
    expect_ok(dualprop_rule_get_loss(&loss, loaded.rule));
    expect_ok(dualprop_rule_get_output_step(&output_step, loaded.rule));
    expect_ok(dualprop_rule_get_nudge_at(&nudge_at, loaded.rule));
    expect_ok(dualprop_rule_get_schedule(&schedule, &passes, loaded.rule));
    ck_assert(variant == DUALPROP_DP_ADJOINT && loss == DUALPROP_CROSS_ENTROPY && passes == 6);
    ck_assert(nudge_at == DUALPROP_NUDGE_AT_PREDICTION && schedule == DUALPROP_FORWARD);
    expect_ok(dualprop_optimizer_info(NULL, NULL, &expected_rate, model.optimizer));
    expect_ok(dualprop_optimizer_info(&kind, &steps, &rate, loaded.optimizer));
    ck_assert(kind == plan.kind && steps == 1 && rate == expected_rate);
    expect_ok(dualprop_network_input_shape(&height, &width, &channels, loaded.network));
    ck_assert(height == 2 && width == 3 && channels == 2);
    expect_ok(dualprop_network_info(&layers, NULL, NULL, NULL, loaded.network));
    ck_assert_int_eq(layers, 3);
    dualprop_layer *layer;
    expect_ok(dualprop_network_layer(&layer, loaded.network, 2));
    expect_ok(dualprop_layer_training(NULL, &factor, layer));
    ck_assert(factor == 0.3);
    saved_model_destroy(&loaded);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(resuming_is_as_if_never_stopped)
{
    saved_plan plan = plan_of(_i);
    saved_model through = trained_model(&plan, 5), resumed;
    expect_ok(saved_model_save(&through, folder.file));
    expect_ok(saved_model_train(&through, 15));
    expect_ok(saved_model_open(&resumed, &plan));
    expect_ok(saved_model_load(&resumed, folder.file));
    ck_assert_uint_ne(saved_model_parameters(&through), saved_model_parameters(&resumed));
    expect_ok(saved_model_train(&resumed, 15));
    ck_assert_uint_eq(saved_model_parameters(&through), saved_model_parameters(&resumed));
    saved_model_destroy(&resumed);
    saved_model_destroy(&through);
}
END_TEST

/* Backends keep weights and moments in layouts of their own; the file has one. */
START_TEST(backends_write_the_same_file)
{
    saved_plan plan = { .backend = DUALPROP_BACKEND_REFERENCE, .precision = DUALPROP_F64, .kind = DUALPROP_ADAM };
    saved_model model = trained_model(&plan, 2), other;
    char again[128];
    snprintf(again, sizeof again, "%s-again", folder.file);
    expect_ok(saved_model_save(&model, folder.file));
    plan.backend = DUALPROP_BACKEND_BLIS;
    expect_ok(saved_model_open(&other, &plan));
    expect_ok(saved_model_load(&other, folder.file));
    expect_ok(saved_model_save(&other, again));
    expect_same_files(folder.file, again);
    saved_model_destroy(&other);
    saved_model_destroy(&model);
}
END_TEST

/* ---- what does not fit ---- */

static saved_plan reference_f32 = { .backend = DUALPROP_BACKEND_REFERENCE,
                                    .precision = DUALPROP_F32,
                                    .kind = DUALPROP_ADAM };

static dualprop_checkpoint *filled_checkpoint(saved_model *model)
{
    dualprop_checkpoint *checkpoint = NULL;
    *model = trained_model(&reference_f32, 1);
    expect_ok(dualprop_checkpoint_create(&checkpoint, model->context));
    expect_ok(saved_model_put(checkpoint, model));
    return checkpoint;
}

START_TEST(another_precision_is_refused)
{
    saved_plan plan = plan_of(0);
    saved_model model = trained_model(&plan, 1), other;
    expect_ok(saved_model_save(&model, folder.file));
    plan.precision = DUALPROP_F64;
    expect_ok(saved_model_open(&other, &plan));
    expect_error(saved_model_load(&other, folder.file), DUALPROP_ERROR_FORMAT,
                 "expected f64, the context's. Load it with a context whose options.precision");
    ck_assert_ptr_null(other.network);
    saved_model_destroy(&other);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(an_empty_checkpoint_has_nothing)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    dualprop_network *network = (void *)1;
    dualprop_rule *rule = (void *)1;
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_error(dualprop_checkpoint_get_network(&network, checkpoint), DUALPROP_ERROR_FORMAT, "network");
    expect_error(dualprop_checkpoint_get_rule(&rule, checkpoint), DUALPROP_ERROR_FORMAT, "rule");
    ck_assert_ptr_null(network);
    ck_assert_ptr_null(rule);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(tensors_that_do_not_fit_are_refused)
{
    saved_model model;
    dualprop_checkpoint *checkpoint = filled_checkpoint(&model);
    dualprop_network *network = NULL;
    dualprop_optimizer *optimizer = NULL;
    float seven[7] = { 0 }, nine[9] = { 0 };
    double wide[7] = { 0 };
    dualprop_view view = vector_view(nine, DUALPROP_F32, 9);
    traps_set(1);
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "layer2.bias", &view));
    expect_error(dualprop_checkpoint_get_network(&network, checkpoint), DUALPROP_ERROR_FORMAT, "[7]");
    view = vector_view(wide, DUALPROP_F64, 7);
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "layer2.bias", &view));
    expect_error(dualprop_checkpoint_get_network(&network, checkpoint), DUALPROP_ERROR_FORMAT, "f64");
    seven[3] = NAN;
    view = vector_view(seven, DUALPROP_F32, 7);
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "layer2.bias", &view));
    expect_error(dualprop_checkpoint_get_network(&network, checkpoint), DUALPROP_ERROR_NOT_FINITE, "layer2.bias");
    ck_assert_ptr_null(network);
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "optimizer.layer2.bias.moment2", &view));
    expect_error(dualprop_checkpoint_get_optimizer(&optimizer, checkpoint, model.network), DUALPROP_ERROR_NOT_FINITE,
                 "moment2");
    traps_set(0);
    ck_assert_ptr_null(optimizer);
    dualprop_checkpoint_destroy(checkpoint);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(an_optimizer_of_another_network_is_refused)
{
    saved_model model;
    dualprop_checkpoint *checkpoint = filled_checkpoint(&model);
    dualprop_network *other = NULL;
    dualprop_optimizer *optimizer = NULL;
    expect_ok(dualprop_network_create(&other, model.context, 2, 3, 2));
    expect_ok(dualprop_network_add_dense(other, 8, DUALPROP_IDENTITY));
    expect_error(dualprop_checkpoint_get_optimizer(&optimizer, checkpoint, other), DUALPROP_ERROR_FORMAT, "shape");
    ck_assert_ptr_null(optimizer);
    dualprop_network_destroy(other);
    dualprop_checkpoint_destroy(checkpoint);
    saved_model_destroy(&model);
}
END_TEST

/* A network with fewer layers leaves nothing of the one before. */
START_TEST(an_older_network_goes)
{
    saved_model model;
    dualprop_checkpoint *checkpoint = filled_checkpoint(&model);
    dualprop_network *small = NULL;
    dualprop_view view;
    int64_t count;
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    ck_assert_int_eq(count, 6 + 12);
    expect_ok(dualprop_network_create(&small, model.context, 1, 1, 3));
    expect_ok(dualprop_network_add_dense(small, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, small));
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    ck_assert_int_eq(count, 2 + 12);
    expect_error(dualprop_checkpoint_find(&view, checkpoint, "layer2.bias"), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "layer2.bias");
    dualprop_network_destroy(small);
    dualprop_checkpoint_destroy(checkpoint);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(a_network_without_layers_is_refused)
{
    dualprop_context *context = plain_context();
    dualprop_network *network = NULL;
    dualprop_checkpoint *checkpoint = NULL;
    expect_ok(dualprop_network_create(&network, context, 1, 1, 3));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_error(dualprop_checkpoint_put_network(checkpoint, network), DUALPROP_ERROR_INVALID_ARGUMENT, "layers");
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- texts ---- */

/* Control characters, quotes and backslashes are escaped in a file. */
START_TEST(every_character_of_a_text_is_kept)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    char all[128] = "", buffer[128];
    for (int i = 1; i < 128; i++) all[i - 1] = (char)i;
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "all", all));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    expect_ok(dualprop_checkpoint_read(&checkpoint, context, folder.file));
    expect_ok(dualprop_checkpoint_get_text(buffer, sizeof buffer, NULL, checkpoint, "all"));
    ck_assert_str_eq(buffer, all);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(texts_are_kept_cut_and_removed)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    char buffer[6];
    size_t needed;
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "note", "first"));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "note", "gr\xc3\xbc\xc3\x9f \"dich\"\n"));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "empty", ""));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    expect_ok(dualprop_checkpoint_read(&checkpoint, context, folder.file));
    expect_ok(dualprop_checkpoint_get_text(buffer, sizeof buffer, &needed, checkpoint, "note"));
    ck_assert_uint_eq(needed, 15);
    ck_assert_str_eq(buffer, "gr\xc3\xbc");
    expect_ok(dualprop_checkpoint_get_text(NULL, 0, &needed, checkpoint, "empty"));
    ck_assert_uint_eq(needed, 1);
    expect_ok(dualprop_checkpoint_get_text(buffer, 1, NULL, checkpoint, "note"));
    ck_assert_str_eq(buffer, "");
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "note", NULL));
    expect_error(dualprop_checkpoint_get_text(buffer, 6, NULL, checkpoint, "note"), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "note");
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(texts_that_are_refused)
{
    static const char *const ours[] = { "format", "crc32", "crc32_texts", "network", "rule", "optimizer", "", NULL };
    static const char *const broken[] = { "\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80" };
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    char long_key[1026];
    memset(long_key, 'k', 1025);
    long_key[1025] = 0;
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        expect_error(dualprop_checkpoint_put_text(checkpoint, ours[i], "x"), DUALPROP_ERROR_INVALID_ARGUMENT, "key");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        expect_error(dualprop_checkpoint_put_text(checkpoint, broken[i], "x"), DUALPROP_ERROR_INVALID_ARGUMENT,
                     "UTF-8");
        expect_error(dualprop_checkpoint_put_text(checkpoint, "note", broken[i]), DUALPROP_ERROR_INVALID_ARGUMENT,
                     "UTF-8");
    }
    expect_error(dualprop_checkpoint_put_text(checkpoint, long_key, "x"), DUALPROP_ERROR_LIMIT, "1024");
    expect_ok(dualprop_checkpoint_put_text(checkpoint, long_key + 1, "x"));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "\xf0\x9f\x99\x82", "\xe2\x82\xac \xf4\x8f\xbf\xbf"));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- tensors ---- */

START_TEST(tensors_are_copied_element_by_element)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    int32_t numbers[6] = { 0, 1, 2, 3, 4, 5 };
    uint8_t byte = 7;
    const char *name;
    int64_t count;
    dualprop_view view = matrix_view(numbers, DUALPROP_I32, 3, 2);
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    /* Transposed, the rows backwards. */
    view.data = numbers + 1;
    view.shape[0] = 2;
    view.shape[1] = 3;
    view.strides[0] = -1;
    view.strides[1] = 2;
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "z", &view));
    memset(numbers, 0, sizeof numbers);
    view = vector_view(&byte, DUALPROP_U8, 4);
    view.strides[0] = 0;
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "b", &view));
    view.rank = 0;
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "a", &view));
    view = vector_view(NULL, DUALPROP_F64, 0);
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "empty", &view));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    expect_ok(dualprop_checkpoint_read(&checkpoint, context, folder.file));
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    ck_assert_int_eq(count, 4);
    expect_ok(dualprop_checkpoint_tensor(&name, &view, checkpoint, 3));
    ck_assert_str_eq(name, "z");
    ck_assert(view.type == DUALPROP_I32 && view.rank == 2 && view.shape[0] == 2 && view.shape[1] == 3);
    ck_assert_mem_eq(view.data, ((int32_t[]){ 1, 3, 5, 0, 2, 4 }), 24);
    expect_ok(dualprop_checkpoint_find(&view, checkpoint, "b"));
    ck_assert_mem_eq(view.data, "\7\7\7\7", 4);
    expect_ok(dualprop_checkpoint_find(&view, checkpoint, "a"));
    ck_assert(view.rank == 0 && view.type == DUALPROP_U8 && *(uint8_t *)view.data == 7);
    expect_ok(dualprop_checkpoint_find(&view, checkpoint, "empty"));
    ck_assert(view.rank == 1 && view.type == DUALPROP_F64 && view.shape[0] == 0);
    expect_error(dualprop_checkpoint_tensor(&name, &view, checkpoint, 4), DUALPROP_ERROR_INVALID_ARGUMENT, "index");
    expect_error(dualprop_checkpoint_tensor(&name, &view, checkpoint, -1), DUALPROP_ERROR_INVALID_ARGUMENT, "index");
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(tensors_that_are_refused)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    float number = 1;
    dualprop_view view = vector_view(&number, DUALPROP_F32, 1);
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_error(dualprop_checkpoint_put_tensor(checkpoint, "__metadata__", &view), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "__metadata__");
    expect_error(dualprop_checkpoint_put_tensor(checkpoint, "", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "name");
    expect_error(dualprop_checkpoint_put_tensor(checkpoint, "x", NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "view");
    view.shape[0] = INT64_MAX / 4 + 1;
    view.strides[0] = 0;
    expect_error(dualprop_checkpoint_put_tensor(checkpoint, "x", &view), DUALPROP_ERROR_RANGE, "size");
    view.type = 9;
    expect_error(dualprop_checkpoint_put_tensor(checkpoint, "x", &view), DUALPROP_ERROR_INVALID_ARGUMENT, "type");
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- limits of what is written: nothing that could not be read again ---- */

START_TEST(limits_hold_for_writing)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint = NULL;
    float number = 1;
    dualprop_view view = vector_view(&number, DUALPROP_F32, 1);
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "a", &view));
    expect_ok(dualprop_checkpoint_put_tensor(checkpoint, "b", &view));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 1));
    expect_error(dualprop_checkpoint_write(checkpoint, folder.file), DUALPROP_ERROR_LIMIT, "tensors");
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 2));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, 100));
    expect_error(dualprop_checkpoint_write(checkpoint, folder.file), DUALPROP_ERROR_LIMIT, "header");
    ck_assert_int_eq(scratch_folder_entries(&folder), 0);
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, 1000));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- faults of the file system ---- */

static const int faults[] = { ENOSPC, EIO, EINTR, FAULTY_IO_SHORT };
enum { FAULTS = sizeof faults / sizeof *faults };

/* The n-th call fails, once or for ever: the file is the old one, or the new one, and nothing is left beside it. */
START_TEST(a_fault_at_any_call_leaves_old_or_new)
{
    faulty_io faulty;
    dualprop_io io = faulty_io_table(&faulty);
    saved_plan plan = { .backend = DUALPROP_BACKEND_REFERENCE, .precision = DUALPROP_F32, .io = &io };
    int error = faults[_i % FAULTS], for_ever = _i / FAULTS, failed = 0;
    char new_file[128];
    faulty_io_arm(&faulty, -1, 0, 0);
    saved_model model = trained_model(&plan, 1);
    expect_ok(saved_model_save(&model, folder.file));
    size_t old_size, size;
    char *old = scratch_read(folder.file, &old_size);
    expect_ok(saved_model_train(&model, 1));
    snprintf(new_file, sizeof new_file, "%s-new", folder.path);
    faulty_io_arm(&faulty, -1, 0, 0);
    expect_ok(saved_model_save(&model, new_file));
    int calls = faulty.calls;
    for (int at = 0; at < calls; at++) {
        scratch_write(folder.file, old, old_size);
        faulty_io_arm(&faulty, at, for_ever, error);
        dualprop_status status = saved_model_save(&model, folder.file);
        failed += status != DUALPROP_OK;
        ck_assert_int_eq(faulty.open_files, 0);
        ck_assert_int_eq(scratch_folder_entries(&folder), 1);
        if (status == DUALPROP_OK) {
            expect_same_files(folder.file, new_file);
            continue;
        }
        char *now = scratch_read(folder.file, &size);
        ck_assert_uint_eq(size, old_size);
        ck_assert_mem_eq(now, old, size);
        free(now);
    }
    remove(new_file);
    free(old);
    ck_assert_int_eq(failed > 0, error == ENOSPC || error == EIO || (error == EINTR && for_ever));
    saved_model_destroy(&model);
}
END_TEST

/* A load that fails makes nothing, and the next one works. */
START_TEST(a_fault_at_any_call_of_loading)
{
    faulty_io faulty;
    dualprop_io io = faulty_io_table(&faulty);
    saved_plan plan = { .backend = DUALPROP_BACKEND_REFERENCE, .precision = DUALPROP_F32, .io = &io };
    int error = faults[_i % FAULTS], for_ever = _i / FAULTS;
    faulty_io_arm(&faulty, -1, 0, 0);
    saved_model model = trained_model(&plan, 1);
    expect_ok(saved_model_save(&model, folder.file));
    for (int at = 0;; at++) {
        dualprop_checkpoint *checkpoint = NULL;
        faulty_io_arm(&faulty, at, for_ever, error);
        dualprop_status status = dualprop_checkpoint_read(&checkpoint, model.context, folder.file);
        ck_assert_int_eq(faulty.open_files, 0);
        ck_assert((status == DUALPROP_OK) == (checkpoint != NULL));
        dualprop_checkpoint_destroy(checkpoint);
        if (faulty.calls <= at) break;
    }
    faulty_io_arm(&faulty, -1, 0, 0);
    dualprop_checkpoint *checkpoint = NULL;
    expect_ok(dualprop_checkpoint_read(&checkpoint, model.context, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    saved_model_destroy(&model);
}
END_TEST

/* ---- the process around us ---- */

/* Make a locale with a decimal comma where the machine has none ready. */
static int choose_decimal_comma(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8" };
    char command[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_ALL, names[i])) return 1;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder.path);
    if (system(command) != 0) return 0;
    setenv("LOCPATH", folder.path, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

START_TEST(a_decimal_comma_changes_nothing)
{
    saved_model model = trained_model(&reference_f32, 1), loaded;
    char again[128], number[8];
    snprintf(again, sizeof again, "%s-again", folder.file);
    expect_ok(saved_model_save(&model, folder.file));
    int chosen = choose_decimal_comma();
    snprintf(number, sizeof number, "%.1f", 0.5);
    if (chosen && strcmp(number, "0,5") == 0) {
        expect_ok(saved_model_open(&loaded, &reference_f32));
        expect_ok(saved_model_load(&loaded, folder.file));
        expect_ok(saved_model_save(&loaded, again));
        expect_same_files(folder.file, again);
        saved_model_destroy(&loaded);
    } else {
        test_skip("a_decimal_comma_changes_nothing: no locale with a decimal comma, and localedef made none");
    }
    setlocale(LC_ALL, "C");
    saved_model_destroy(&model);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s/de_DE.UTF-8'", folder.path);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- the memory of a file ---- */

/* A header with many entries, and no data: what costs most for its length. */
static char *make_header(size_t *size, int tensors, int texts, int rank)
{
    char *file = malloc((size_t)tensors * 120 + (size_t)texts * 24 + 200), *at = file + 8;
    ck_assert_ptr_nonnull(file);
    at += sprintf(at, "{\"__metadata__\":{");
    for (int i = 0; i < texts; i++) at += sprintf(at, "%s\"%x\":\"\"", i > 0 ? "," : "", i);
    at += sprintf(at, "}");
    for (int i = 0; i < tensors; i++) {
        at += sprintf(at, ",\"%x\":{\"dtype\":\"U8\",\"shape\":[0", i);
        for (int axis = 1; axis < rank; axis++) at += sprintf(at, ",0");
        at += sprintf(at, "],\"data_offsets\":[0,0]}");
    }
    at += sprintf(at, "}");
    *size = (size_t)(at - file);
    for (int i = 0; i < 8; i++) file[i] = (char)((*size - 8) >> 8 * i & 0xff);
    return file;
}

/* Most bytes allocated at once while it is read; twice the file and `more` are allowed. */
static void expect_peak(const char *file, size_t size, uint64_t more)
{
    failing_allocator memory = { .fail_at = 0 };
    dualprop_allocator allocator = failing_allocator_table(&memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *own;
    dualprop_checkpoint *checkpoint;
    uint64_t before, peak;
    options.allocator = &allocator;
    expect_ok(dualprop_context_create(&own, DUALPROP_BACKEND_REFERENCE, &options));
    expect_ok(dualprop_context_memory(&before, NULL, NULL, own));
    expect_ok(dualprop_checkpoint_read_memory(&checkpoint, own, file, size));
    expect_ok(dualprop_context_memory(NULL, &peak, NULL, own));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(own);
    ck_assert_int_eq(memory.live_blocks, 0);
    ck_assert_msg(peak - before <= 2 * size + more, "%llu bytes for a file of %zu", (unsigned long long)(peak - before),
                  size);
}

START_TEST(reading_takes_twice_the_file_and_a_mebibyte)
{
    static const struct {
        int tensors, texts, rank;
        double mebibytes;
    } shapes[] = {
        { 65536, 0, 1, 1 },    { 65536, 0, 2, 1 },   { 0, 16384, 0, 1 },
        { 30000, 8000, 2, 1 }, { 65536, 0, 8, 3.5 }, /* eight extents a tensor, none of which has an element */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t size;
        char *file = make_header(&size, shapes[i].tensors, shapes[i].texts, shapes[i].rank);
        expect_peak(file, size, (uint64_t)(shapes[i].mebibytes * 1048576));
        free(file);
    }
}
END_TEST

START_TEST(too_many_texts_are_refused)
{
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint;
    size_t size;
    char *file = make_header(&size, 0, 16385, 0);
    expect_error(dualprop_checkpoint_read_memory(&checkpoint, context, file, size), DUALPROP_ERROR_LIMIT,
                 "16385 texts");
    free(file);
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TEXTS, 4));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "one", "1"));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    expect_ok(dualprop_checkpoint_put_text(checkpoint, "two", "2"));
    expect_error(dualprop_checkpoint_write(checkpoint, folder.file), DUALPROP_ERROR_LIMIT, "texts");
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
END_TEST

/* Types, ranks and keys of other programs' files: what is ours is read, the rest is left. */
START_TEST(what_is_of_no_use_is_left)
{
    static const char header[] =
        "{\"h\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[0,6]},"
        "\"x\":{\"shape\":[1],\"dtype\":\"F32\",\"note\":{\"deep\":[true,null,-1.5e3]},\"data_offsets\":[16,20]},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[6,14]},"
        "\"n\":{\"dtype\":\"F4_OF_LATER\",\"shape\":[4],\"data_offsets\":[14,16]},"
        "\"r\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,2],\"data_offsets\":[20,22]}}";
    char file[8 + sizeof header - 1 + 22] = { (char)((sizeof header - 1) & 0xff), (char)((sizeof header - 1) >> 8) };
    dualprop_context *context = plain_context();
    dualprop_checkpoint *checkpoint;
    dualprop_view view = { .struct_size = sizeof view };
    int64_t count;
    float number = 2.5f;
    memcpy(file + 8, header, sizeof header - 1);
    memcpy(file + 8 + sizeof header - 1 + 16, &number, sizeof number);
    expect_ok(dualprop_checkpoint_read_memory(&checkpoint, context, file, sizeof file));
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    ck_assert_int_eq(count, 1);
    expect_ok(dualprop_checkpoint_find(&view, checkpoint, "x"));
    ck_assert(view.rank == 1 && view.shape[0] == 1 && *(const float *)view.data == 2.5f);
    dualprop_checkpoint_destroy(checkpoint);
    file[8 + (strstr(header, "[0,6]") - header) + 3] = '5'; /* rules hold for what is left, too */
    expect_error(dualprop_checkpoint_read_memory(&checkpoint, context, file, sizeof file), DUALPROP_ERROR_FORMAT,
                 "shape and dtype");
    dualprop_context_destroy(context);
}
END_TEST

/* ---- files of earlier releases ---- */

#define OLD "tests/golden/old"

/* VERSION-KIND-PRECISION-CHECKSUM.safetensors, the checksum being that of the parameters. */
static void load_old(const char *name)
{
    char path[512];
    int64_t steps = 0;
    saved_model model;
    const saved_plan plan = { .backend = DUALPROP_BACKEND_REFERENCE,
                              .precision = strstr(name, "-f64-") ? DUALPROP_F64 : DUALPROP_F32 };
    snprintf(path, sizeof path, OLD "/%s", name);
    expect_ok(saved_model_open(&model, &plan));
    expect_ok(saved_model_load(&model, path));
    ck_assert_uint_eq(saved_model_parameters(&model), strtoul(strrchr(name, '-') + 1, NULL, 16));
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, model.optimizer));
    ck_assert_int_eq(steps, 5);
    expect_ok(saved_model_train(&model, 2));
    saved_model_destroy(&model);
}

START_TEST(files_of_earlier_releases_load)
{
    DIR *open = opendir(OLD);
    int count = 0;
    if (!open) {
        test_skip("files of earlier releases are not in " OLD ": run the tests from the root of the project");
        return;
    }
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        load_old(entry->d_name);
        count++;
    }
    closedir(open);
    ck_assert_int_ge(count, 3);
}
END_TEST

Suite *test_checkpoint_suite(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tests = tcase_create("checkpoint");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, what_is_saved_is_loaded, 0, PLANS);
    tcase_add_test(tests, files_of_earlier_releases_load);
    tcase_add_loop_test(tests, settings_are_as_they_were, 0, PLANS);
    tcase_add_loop_test(tests, resuming_is_as_if_never_stopped, 0, PLANS);
    tcase_add_test(tests, backends_write_the_same_file);
    tcase_add_test(tests, another_precision_is_refused);
    tcase_add_test(tests, an_empty_checkpoint_has_nothing);
    tcase_add_test(tests, tensors_that_do_not_fit_are_refused);
    tcase_add_test(tests, an_optimizer_of_another_network_is_refused);
    tcase_add_test(tests, an_older_network_goes);
    tcase_add_test(tests, a_network_without_layers_is_refused);
    tcase_add_test(tests, every_character_of_a_text_is_kept);
    tcase_add_test(tests, texts_are_kept_cut_and_removed);
    tcase_add_test(tests, texts_that_are_refused);
    tcase_add_test(tests, tensors_are_copied_element_by_element);
    tcase_add_test(tests, tensors_that_are_refused);
    tcase_add_test(tests, limits_hold_for_writing);
    tcase_add_loop_test(tests, a_fault_at_any_call_leaves_old_or_new, 0, 2 * FAULTS);
    tcase_add_loop_test(tests, a_fault_at_any_call_of_loading, 0, 2 * FAULTS);
    tcase_add_test(tests, a_decimal_comma_changes_nothing);
    tcase_add_test(tests, reading_takes_twice_the_file_and_a_mebibyte);
    tcase_add_test(tests, too_many_texts_are_refused);
    tcase_add_test(tests, what_is_of_no_use_is_left);
    suite_add_tcase(suite, tests);
    return suite;
}
