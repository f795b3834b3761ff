/*
 * test_io.c - the order in which a checkpoint reaches the disk, and what a crash between any two calls leaves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/platform/platform.h"
#include "main.h"
#include "support/expect.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"

/* ---- a table that writes down what it was asked for, and ends the process at a given call ---- */

static struct {
    char log[256]; /* a letter for each call */
    int calls;
    int dies_at;    /* this call and all after it do nothing and fail: the machine has stopped */
    int sync_error; /* of the first sync */
} disk;

/* Write a call down; is the machine still there? */
static int runs(char letter)
{
    if (disk.calls < (int)sizeof disk.log - 1) disk.log[disk.calls] = letter;
    return disk.calls++ < disk.dies_at;
}

static int64_t open_file(void *user_data, const char *path, int writable)
{
    return runs(writable ? 'o' : 'r') ? dualprop__posix_io.open(user_data, path, writable) : -EIO;
}

static int64_t file_size(void *user_data, int64_t file)
{
    return runs('s') ? dualprop__posix_io.size(user_data, file) : -EIO;
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    return runs('g') ? dualprop__posix_io.read(user_data, file, buffer, size) : -EIO;
}

static int64_t write_file(void *user_data, int64_t file, const void *buffer, size_t size)
{
    return runs('w') ? dualprop__posix_io.write(user_data, file, buffer, size) : -EIO;
}

static int64_t sync_file(void *user_data, int64_t file)
{
    int64_t failure = disk.sync_error;
    disk.sync_error = 0;
    if (failure) return runs('f') ? -failure : -EIO;
    return runs('f') ? dualprop__posix_io.sync(user_data, file) : -EIO;
}

static int64_t close_file(void *user_data, int64_t file)
{
    int64_t closed = dualprop__posix_io.close(user_data, file); /* the descriptor goes with the process */
    return runs('c') ? closed : -EIO;
}

static int64_t rename_file(void *user_data, const char *from, const char *to)
{
    return runs('n') ? dualprop__posix_io.rename(user_data, from, to) : -EIO;
}

static int64_t remove_file(void *user_data, const char *path)
{
    return runs('x') ? dualprop__posix_io.remove(user_data, path) : -EIO;
}

static int64_t sync_folder(void *user_data, const char *path)
{
    return runs('d') ? dualprop__posix_io.sync_folder(user_data, path) : -EIO;
}

static const dualprop_io table = { sizeof table, open_file,   file_size,   read_file,   write_file, sync_file,
                                   close_file,   rename_file, remove_file, sync_folder, NULL,       NULL };

static void start_disk(int dies_at)
{
    memset(&disk, 0, sizeof disk);
    disk.dies_at = dies_at;
}

/* ---- a model to save ---- */

static scratch_folder folder;
static saved_model model;
static const saved_plan plan = {
    .backend = DUALPROP_BACKEND_REFERENCE, .precision = DUALPROP_F32, .kind = DUALPROP_SGD, .io = &table
};

static void setup(void)
{
    folder = scratch_folder_create();
    start_disk(1000000);
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 1));
}

static void teardown(void)
{
    saved_model_destroy(&model);
    scratch_folder_destroy(&folder);
}

/* The parameters of the file, read by another context. */
static uint32_t parameters_of(const char *path)
{
    saved_plan plain = plan;
    saved_model loaded;
    plain.io = NULL;
    expect_ok(saved_model_open(&loaded, &plain));
    expect_ok(saved_model_load(&loaded, path));
    uint32_t parameters = saved_model_parameters(&loaded);
    saved_model_destroy(&loaded);
    return parameters;
}

/* ---- the tests ---- */

/* Data before name, name before folder: nothing is renamed that is not on the disk, or where names do not get there. */
START_TEST(data_are_synced_before_the_name)
{
    start_disk(1000000);
    expect_ok(saved_model_save(&model, folder.file));
    /* First a look whether a file may be put there: it must be none, or a regular one. */
    size_t writes = strspn(disk.log + 2, "w");
    ck_assert_msg(strncmp(disk.log, "ro", 2) == 0 && writes > 1 && strcmp(disk.log + 2 + writes, "fcdnd") == 0, "%s",
                  disk.log);
}
END_TEST

/* After any number of calls the machine stops: the file is the old one or the new one, and saving works again. */
START_TEST(a_crash_leaves_the_old_or_the_new)
{
    expect_ok(saved_model_save(&model, folder.file));
    uint32_t before = saved_model_parameters(&model);
    expect_ok(saved_model_train(&model, 1));
    uint32_t after = saved_model_parameters(&model);
    size_t size;
    char *old = scratch_read(folder.file, &size);
    start_disk(1000000);
    expect_ok(saved_model_save(&model, folder.file));
    int calls = disk.calls, renamed = 0;
    ck_assert_uint_eq(parameters_of(folder.file), after);
    for (int at = 0; at < calls; at++) {
        scratch_write(folder.file, old, size);
        start_disk(at);
        dualprop_status status = saved_model_save(&model, folder.file);
        /* Once the name is there only a power cut could take it back: a folder that is not synced is a warning. */
        ck_assert((status == DUALPROP_OK) == (at == calls - 1));
        uint32_t found = parameters_of(folder.file);
        ck_assert(found == before || found == after);
        renamed += found == after;
        start_disk(1000000);
        expect_ok(saved_model_save(&model, folder.file)); /* beside what the crash left */
        ck_assert_uint_eq(parameters_of(folder.file), after);
    }
    ck_assert_int_ge(renamed, 1);
    free(old);
}
END_TEST

/* After a sync that failed the kernel has forgotten what was not written: another one would lie. */
START_TEST(a_failed_sync_is_not_tried_again)
{
    static const int errors[] = { EIO, ENOSPC, EDQUOT };
    expect_ok(saved_model_save(&model, folder.file));
    uint32_t before = saved_model_parameters(&model);
    expect_ok(saved_model_train(&model, 1));
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        start_disk(1000000);
        disk.sync_error = errors[i];
        ck_assert_int_eq(saved_model_save(&model, folder.file),
                         errors[i] == EIO ? DUALPROP_ERROR_IO : DUALPROP_ERROR_NO_SPACE);
        ck_assert_ptr_eq(strchr(disk.log, 'f'), strrchr(disk.log, 'f'));
        ck_assert_ptr_nonnull(strchr(disk.log, 'x'));
        ck_assert_ptr_null(strchr(disk.log, 'n'));
        ck_assert_uint_eq(parameters_of(folder.file), before);
        ck_assert_int_eq(scratch_folder_entries(&folder), 1);
    }
}
END_TEST

/* A file that grows or shrinks while it is read: a status, and no model. */
static int64_t change_between;

static int64_t changing_size(void *user_data, int64_t file)
{
    int64_t size = dualprop__posix_io.size(user_data, file);
    return size < 0 ? size : size + change_between;
}

START_TEST(a_file_that_changes_while_it_is_read_is_refused)
{
    dualprop_io changing = table;
    saved_plan other = plan;
    saved_model loaded;
    static const int64_t changes[] = { -100000, -1, 1, 100000, INT64_MAX / 2 };
    changing.size = changing_size;
    other.io = &changing;
    expect_ok(saved_model_save(&model, folder.file));
    expect_ok(saved_model_open(&loaded, &other));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_between = changes[i];
        dualprop_status status = saved_model_load(&loaded, folder.file);
        ck_assert_msg(status == DUALPROP_ERROR_IO || status == DUALPROP_ERROR_FORMAT || status == DUALPROP_ERROR_LIMIT,
                      "%lld bytes more: %s", (long long)changes[i], dualprop_status_name(status));
        ck_assert_ptr_null(loaded.network);
    }
    saved_model_destroy(&loaded);
}
END_TEST

Suite *test_io_suite(void)
{
    Suite *suite = suite_create("io");
    TCase *tests = tcase_create("io");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, data_are_synced_before_the_name);
    tcase_add_test(tests, a_crash_leaves_the_old_or_the_new);
    tcase_add_test(tests, a_failed_sync_is_not_tried_again);
    tcase_add_test(tests, a_file_that_changes_while_it_is_read_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
