/*
 * test_system_calls.c - calls of the system that fail, and I/O tables of the caller's that lie: a file is replaced
 * whole or not at all, a failure is a status and a sentence, and no descriptor or signal of the host's is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "main.h"
#include "support/expect.h"
#include "support/failing_system.h"
#include "support/scratch_folder.h"

static scratch_folder folder;
static dualprop_io io;
static dualprop_context *context;

static void setup(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    io = dualprop__posix_io;
    options.io = &io;
    folder = scratch_folder_create();
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
}

static void teardown(void)
{
    failing_system = 0;
    dualprop_context_destroy(context);
    scratch_folder_destroy(&folder);
}

static dualprop_status replace(const char *text)
{
    dualprop__piece piece = { text, strlen(text) };
    return dualprop__file_replace(context, folder.file, &piece, 1);
}

static dualprop_status read_back(char text[64])
{
    void *data = NULL;
    size_t size = 0;
    memset(text, 0, 64);
    dualprop_status status = dualprop__file_read(&data, &size, context, folder.file, 63);
    if (status == DUALPROP_OK && size > 0) memcpy(text, data, size);
    dualprop__release(context, data);
    return status;
}

static void expect_text(const char *expected)
{
    char text[64];
    expect_ok(read_back(text));
    ck_assert_str_eq(text, expected);
}

/* Descriptors that are open, of the first hundred. */
static int open_descriptors(void)
{
    int count = 0;
    for (int i = 0; i < 100; i++) count += fcntl(i, F_GETFD) >= 0;
    return count;
}

/* ---- calls that fail ---- */

START_TEST(without_random_numbers_files_are_replaced)
{
    failing_system = FAILING_GETRANDOM;
    for (int i = 0; i < 20; i++) {
        char text[24];
        snprintf(text, sizeof text, "number %d", i);
        expect_ok(replace(text));
        expect_text(text);
    }
}
END_TEST

START_TEST(without_an_affinity_mask_there_are_cpus)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    failing_system = FAILING_AFFINITY;
    ck_assert_int_ge(dualprop__allowed_cpus(), 1);
    ck_assert_int_le(dualprop__allowed_cpus(), (int)online);
    failing_system = FAILING_AFFINITY | FAILING_SYSCONF;
    ck_assert_int_eq(dualprop__allowed_cpus(), 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_asked_what_it_is)
{
    char text[64];
    expect_ok(replace("old"));
    int before = open_descriptors();
    failing_system = FAILING_FSTAT;
    expect_error(read_back(text), DUALPROP_ERROR_IO, "input/output error");
    expect_error(replace("new"), DUALPROP_ERROR_IO, "input/output error");
    int64_t file = open(folder.file, O_RDONLY);
    ck_assert_int_eq(io.size(NULL, file), -EIO);
    close((int)file);
    failing_system = 0;
    ck_assert_int_eq(open_descriptors(), before);
    expect_text("old");
}
END_TEST

START_TEST(folders_that_know_no_sync)
{
    failing_system = FAILING_FOLDER_SYNC;
    expect_ok(replace("new"));
    expect_text("new");
    ck_assert_int_eq(io.sync_folder(NULL, folder.file), 0);
}
END_TEST

/* Descriptor 0 is closed, and all above 2 are in use: what open() gives is not ours to keep. */
START_TEST(no_descriptor_above_the_standard_ones)
{
    struct rlimit limit, before;
    char text[64];
    expect_ok(replace("old"));
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 10);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 3;
    close(0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    dualprop_status reading = read_back(text), writing = replace("new");
    int64_t synced = io.sync_folder(NULL, folder.file);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(fcntl(0, F_GETFD), -1); /* closed as it was */
    if (kept >= 0) dup2(kept, 0);
    ck_assert_int_ne(reading, DUALPROP_OK);
    ck_assert_int_ne(writing, DUALPROP_OK);
    ck_assert_int_lt(synced, 0);
    expect_text("old");
}
END_TEST

/* The host has blocked the signal and one is waiting: it still is after a write of ours that raised another. */
START_TEST(a_signal_of_the_hosts_stays)
{
    static char large[100000];
    dualprop__piece piece = { large, sizeof large };
    struct rlimit limit = { 30000, RLIM_INFINITY };
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGXFSZ);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_error(dualprop__file_replace(context, folder.file, &piece, 1), DUALPROP_ERROR_FILE_TOO_BIG, "size limit");
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sigpending(&pending);
    ck_assert(sigismember(&pending, SIGXFSZ));
    signal(SIGXFSZ, SIG_IGN); /* which forgets it */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
END_TEST

START_TEST(folders_of_paths)
{
    static const struct {
        const char *path, *folder;
    } paths[] = { { "x", "." }, { "/x", "/" }, { "a/x", "a" }, { "/a/b/x", "/a/b" }, { "./x", "." } };
    char found[8], longer[64];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert(dualprop__folder_of(found, sizeof found, paths[i].path));
        ck_assert_str_eq(found, paths[i].folder);
    }
    ck_assert(!dualprop__folder_of(found, sizeof found, "12345678/x"));
    ck_assert(dualprop__folder_of(found, sizeof found, "1234567/x"));
    snprintf(longer, sizeof longer, "%.50s/no/x", folder.path);
    ck_assert_int_lt(io.sync_folder(NULL, longer), 0);
    ck_assert_int_lt(io.remove_stale(NULL, longer), 0);
    static char huge[8192];
    memset(huge, 'a', sizeof huge - 2);
    huge[4096] = '/';
    ck_assert_int_eq(io.sync_folder(NULL, huge), -ENAMETOOLONG);
    ck_assert_int_eq(io.remove_stale(NULL, huge), -ENAMETOOLONG);
}
END_TEST

/* Names of as many bytes as a file system allows, of characters of two bytes: the temporary name ends between two. */
START_TEST(the_longest_names_are_replaced)
{
    char name[256 + sizeof folder.path];
    for (int length = 200; length <= 255; length++) {
        dualprop__piece piece = { "text", 4 };
        int begin = snprintf(name, sizeof name, "%s/%s", folder.path, length % 2 ? "x" : "");
        int used = begin - (int)strlen(folder.path) - 1;
        while (used < length) used += (int)strlen(strcpy(name + strlen(folder.path) + 1 + used, "\xc3\xa9"));
        size_t stem = dualprop__temporary_stem(name) - strlen(folder.path) - 1;
        ck_assert_uint_le(stem, 223);
        ck_assert_int_eq((int)stem % 2, length % 2);
        expect_ok(dualprop__file_replace(context, name, &piece, 1));
        ck_assert_int_eq(unlink(name), 0);
    }
}
END_TEST

/* The handler that counts forks cannot be registered: the kernel is asked, and a child still knows that it is one. */
START_TEST(without_a_fork_handler_children_are_known)
{
    const char *fork_mode = getenv("CK_FORK");
    if (fork_mode && strcmp(fork_mode, "no") == 0) return; /* it has been registered before */
    dualprop_context *early;
    pid_t before = dualprop__process_id();
    ck_assert_int_eq(before, getpid());
    expect_ok(dualprop_context_create(&early, DUALPROP_BACKEND_REFERENCE, NULL));
    int number = dualprop__process_number();
    pid_t child = fork();
    if (child == 0) _exit(dualprop__process_id() == getpid() && dualprop__process_number() != number ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    dualprop_context_destroy(early);
}
END_TEST

static void forget_forks(void)
{
    failing_system = FAILING_ATFORK;
}

/* ---- tables that lie ---- */

static int64_t lie; /* what the call gives */
static int lies_left;

static int64_t lying_read(void *user_data, int64_t file, void *buffer, size_t size)
{
    return lies_left-- > 0 ? lie : dualprop__posix_io.read(user_data, file, buffer, size);
}

static int64_t lying_write(void *user_data, int64_t file, const void *buffer, size_t size)
{
    return lies_left-- > 0 ? lie : dualprop__posix_io.write(user_data, file, buffer, size);
}

/* A context whose table lies so many times. */
static void lie_with(int64_t value, int times, int reads)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context_destroy(context);
    io = dualprop__posix_io;
    if (reads) io.read = lying_read;
    else io.write = lying_write;
    lie = value;
    lies_left = times;
    options.io = &io;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
}

START_TEST(reads_and_writes_that_lie)
{
    static const struct {
        int64_t value;
        int times;
        dualprop_status reading, writing;
        const char *word;
        /* clang-format off */
    } rows[] = {
        { 1000, 1, DUALPROP_ERROR_IO, DUALPROP_ERROR_IO, "input/output error" }, /* more than there was room for */
        { -12345, 1, DUALPROP_ERROR_IO, DUALPROP_ERROR_IO, "error 12345" },
        { -EINTR, 1 << 30, DUALPROP_ERROR_IO, DUALPROP_ERROR_IO, "again and again" },
        { -EINTR, 10, DUALPROP_OK, DUALPROP_OK, "" },
        { 0, 1 << 30, DUALPROP_ERROR_IO, DUALPROP_ERROR_IO, "" }, /* nothing moves */
        { 0, 10, DUALPROP_ERROR_IO, DUALPROP_OK, "" },            /* a file that ends before its size */
        /* clang-format on */
    };
    char text[64];
    expect_ok(replace("old"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lie_with(rows[i].value, rows[i].times, 1);
        dualprop_status status = read_back(text);
        ck_assert_int_eq(status, rows[i].reading);
        if (status != DUALPROP_OK) expect_error(status, rows[i].reading, rows[i].word);
        lie_with(rows[i].value, rows[i].times, 0);
        status = replace("new");
        ck_assert_int_eq(status, rows[i].writing);
        if (status != DUALPROP_OK) expect_error(status, rows[i].writing, rows[i].word);
        lies_left = 0;
        expect_text(status == DUALPROP_OK ? "new" : "old");
        expect_ok(replace("old"));
    }
}
END_TEST

Suite *test_system_calls_suite(void)
{
    Suite *suite = suite_create("system calls");
    TCase *tests = tcase_create("system calls"), *unregistered = tcase_create("without a handler");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, without_random_numbers_files_are_replaced);
    tcase_add_test(tests, without_an_affinity_mask_there_are_cpus);
    tcase_add_test(tests, a_file_that_cannot_be_asked_what_it_is);
    tcase_add_test(tests, folders_that_know_no_sync);
    tcase_add_test(tests, no_descriptor_above_the_standard_ones);
    tcase_add_test(tests, a_signal_of_the_hosts_stays);
    tcase_add_test(tests, folders_of_paths);
    tcase_add_test(tests, the_longest_names_are_replaced);
    tcase_add_test(tests, reads_and_writes_that_lie);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(unregistered, forget_forks, NULL);
    tcase_add_test(unregistered, without_a_fork_handler_children_are_known);
    suite_add_tcase(suite, unregistered);
    return suite;
}
