/*
 * test_file.c - reading and replacing whole files: a failure leaves the old file and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "main.h"
#include "support/faulty_io.h"

#define OLD "what was there before"
#define LIMIT ((uint64_t)1 << 20)

/* ---- a folder of its own for every test ---- */

static char folder[64], path[96];

static void make_folder(void)
{
    /* In memory where that is possible: savers that are killed in the middle of a sync keep a disk busy for long. */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/dualprop-test-XXXXXX" : "/tmp/dualprop-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static int entries(int removing)
{
    int count = 0;
    char name[512];
    DIR *open = opendir(folder);
    if (!open) return 0;
    for (struct dirent *entry; (entry = readdir(open));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        if (removing && unlink(name) != 0) rmdir(name);
        count++;
    }
    closedir(open);
    return count;
}

static void remove_folder(void)
{
    entries(1);
    rmdir(folder);
}

static void put_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    fwrite(text, 1, strlen(text), file);
    fclose(file);
}

static dualprop_context *new_context(const dualprop_io *io)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.io = io;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options), DUALPROP_OK);
    return context;
}

static void expect_content(const char *name, const char *text)
{
    void *data = NULL;
    size_t size = 0;
    dualprop_context *context = new_context(NULL);
    ck_assert_int_eq(dualprop__file_read(&data, &size, context, name, LIMIT), DUALPROP_OK);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_mem_eq(data, text, size);
    dualprop__release(context, data);
    dualprop_context_destroy(context);
}

static dualprop_status read_status(dualprop_context *context, const char *name)
{
    void *data = NULL;
    size_t size = 0;
    dualprop_status status = dualprop__file_read(&data, &size, context, name, LIMIT);
    if (status != DUALPROP_OK) ck_assert(!data && size == 0);
    dualprop__release(context, data);
    return status;
}

static const dualprop__piece pieces[] = { { "one ", 4 }, { "", 0 }, { "two ", 4 }, { "three", 5 } };
#define NEW "one two three"

static dualprop_status replace(dualprop_context *context, const char *name)
{
    return dualprop__file_replace(context, name, pieces, 4);
}

/* ---- the plain way ---- */

START_TEST(a_file_is_made_and_replaced)
{
    dualprop_context *context = new_context(NULL);
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    expect_content(path, NEW);
    put_file(path, OLD);
    errno = 77;
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    ck_assert_int_eq(errno, 77);
    expect_content(path, NEW);
    ck_assert_int_eq(entries(0), 1);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_name_without_a_folder)
{
    char before[512];
    dualprop_context *context = new_context(NULL);
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(replace(context, "file"), DUALPROP_OK);
    ck_assert_int_eq(chdir(before), 0);
    expect_content(path, NEW);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(an_empty_file)
{
    dualprop_context *context = new_context(NULL);
    ck_assert_int_eq(dualprop__file_replace(context, path, NULL, 0), DUALPROP_OK);
    expect_content(path, "");
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_file_above_the_limit_is_not_read)
{
    void *data = NULL;
    size_t size = 0;
    dualprop_context *context = new_context(NULL);
    put_file(path, OLD);
    ck_assert_int_eq(dualprop__file_read(&data, &size, context, path, strlen(OLD) - 1), DUALPROP_ERROR_LIMIT);
    ck_assert_ptr_null(data);
    ck_assert_int_eq(dualprop__file_read(&data, &size, context, path, strlen(OLD)), DUALPROP_OK);
    dualprop__release(context, data);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- paths that are no files ---- */

enum { NOTHING, FOLDER, PIPE, CIRCLE, LONG, NO_FOLDER, DEVICE, EMPTY, NONE, ODD_PATHS };

static const char *odd_path(int kind)
{
    static char name[6000];
    snprintf(name, sizeof name, "%s/odd", folder);
    if (kind == FOLDER) ck_assert_int_eq(mkdir(name, 0700), 0);
    if (kind == PIPE) ck_assert_int_eq(mkfifo(name, 0600), 0);
    if (kind == CIRCLE) ck_assert_int_eq(symlink("odd", name), 0);
    if (kind == LONG) memset(name + strlen(folder) + 1, 'x', 5000);
    if (kind == NO_FOLDER) strcat(name, "/file");
    if (kind == DEVICE) return "/dev/zero";
    if (kind == EMPTY) return "";
    return kind == NONE ? NULL : name;
}

START_TEST(odd_paths_are_refused_at_once)
{
    char text[512] = "";
    const char *name = odd_path(_i);
    dualprop_context *context = new_context(NULL);
    dualprop_status expected = _i == EMPTY || _i == NONE ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_ACCESS;
    alarm(2);
    ck_assert_int_eq(read_status(context, name), expected);
    ck_assert_int_eq(dualprop_last_error(text, sizeof text, NULL, context), DUALPROP_OK);
    ck_assert_ptr_nonnull(strstr(text, expected == DUALPROP_ERROR_ACCESS ? "opening" : "path is"));
    int before = entries(0);
    /* The first two are names to write to. */
    if (_i != CIRCLE && _i != NOTHING) ck_assert_int_eq(replace(context, name), expected);
    ck_assert_int_eq(entries(0), before);
    alarm(0);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_file_that_is_not_what_its_size_says)
{
    dualprop_context *context = new_context(NULL);
    alarm(2);
    ck_assert_int_eq(read_status(context, "/proc/self/status"), DUALPROP_ERROR_IO); /* "0 bytes" */
    ck_assert_int_eq(read_status(context, "/proc/self/mem"), DUALPROP_ERROR_IO);
    alarm(0);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- what the host keeps ---- */

START_TEST(standard_descriptors_are_left_alone)
{
    dualprop_context *context = new_context(NULL);
    put_file(path, OLD);
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 10);
    close(0);
    int64_t file = dualprop__posix_io.open(NULL, path, 0);
    ck_assert_int_ge(file, 3);
    ck_assert(fcntl((int)file, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(dualprop__posix_io.close(NULL, file), 0);
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    ck_assert_int_eq(fcntl(0, F_GETFD), -1);
    if (kept >= 0) dup2(kept, 0);
    dualprop_context_destroy(context);
}
END_TEST

/* With the default action the signal would end this process. */
START_TEST(the_file_size_limit_is_an_error_and_no_signal)
{
    static char large[100000];
    dualprop__piece piece = { large, sizeof large };
    struct rlimit limit = { 30000, RLIM_INFINITY };
    sigset_t pending;
    dualprop_context *context = new_context(NULL);
    put_file(path, OLD);
    signal(SIGXFSZ, SIG_DFL);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(dualprop__file_replace(context, path, &piece, 1), DUALPROP_ERROR_FILE_TOO_BIG);
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sigpending(&pending);
    ck_assert(!sigismember(&pending, SIGXFSZ));
    expect_content(path, OLD);
    ck_assert_int_eq(entries(0), 1);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(too_many_open_files)
{
    struct rlimit limit, before;
    dualprop_context *context = new_context(NULL);
    put_file(path, OLD);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    dualprop_status reading = read_status(context, path), writing = replace(context, path);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(reading, DUALPROP_ERROR_ACCESS);
    ck_assert_int_eq(writing, DUALPROP_ERROR_ACCESS);
    expect_content(path, OLD);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- faults: the n-th call of the table fails, once or for ever ---- */

static faulty_io fault;

static const int faults[] = { ENOSPC, EIO, EINTR, EDQUOT, EFBIG, FAULTY_IO_SHORT };
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void plan_fault(int at, int row)
{
    faulty_io_arm(&fault, at, row / FAULTS, faults[row % FAULTS]);
}

static int is_expected(dualprop_status status)
{
    switch (fault.error) {
    case ENOSPC:
    case EDQUOT: return status == DUALPROP_ERROR_NO_SPACE;
    case EFBIG: return status == DUALPROP_ERROR_FILE_TOO_BIG;
    case EINTR: return fault.for_ever && (status == DUALPROP_ERROR_IO || status == DUALPROP_ERROR_ACCESS);
    case FAULTY_IO_SHORT: return 0;
    default: return status == DUALPROP_ERROR_IO;
    }
}

START_TEST(a_fault_at_any_call_of_replacing)
{
    dualprop_io io = faulty_io_table(&fault);
    dualprop_context *context = new_context(&io);
    put_file(path, OLD);
    plan_fault(INT32_MAX, _i);
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    int calls = fault.calls;
    ck_assert_int_ge(calls, 9);
    for (int at = 0; at < calls; at++) {
        put_file(path, OLD);
        plan_fault(at, _i);
        dualprop_status status = replace(context, path);
        ck_assert_msg(status == DUALPROP_OK || is_expected(status), "call %d, error %d: %s", at, fault.error,
                      dualprop_status_name(status));
        ck_assert_int_eq(fault.open_files, 0);
        ck_assert_int_eq(entries(0), 1);
        expect_content(path, status == DUALPROP_OK ? NEW : OLD);
    }
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_fault_at_any_call_of_reading)
{
    dualprop_io io = faulty_io_table(&fault);
    dualprop_context *context = new_context(&io);
    put_file(path, OLD);
    plan_fault(INT32_MAX, _i);
    ck_assert_int_eq(read_status(context, path), DUALPROP_OK);
    int calls = fault.calls;
    ck_assert_int_ge(calls, 4);
    for (int at = 0; at < calls; at++) {
        plan_fault(at, _i);
        dualprop_status status = read_status(context, path);
        ck_assert_msg(status == DUALPROP_OK || is_expected(status), "call %d, error %d: %s", at, fault.error,
                      dualprop_status_name(status));
        ck_assert_int_eq(fault.open_files, 0);
    }
    dualprop_context_destroy(context);
}
END_TEST

/* ---- a folder that does not take names ---- */

static struct {
    int at, calls, error; /* this call to sync the folder fails, or all where at is negative */
} unsynced;

static int64_t failing_sync_folder(void *user_data, const char *name)
{
    int call = unsynced.calls++;
    if (call == unsynced.at || unsynced.at < 0) return -(int64_t)unsynced.error;
    return dualprop__posix_io.sync_folder(user_data, name);
}

static int warnings;

static void count_warning(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data;
    warnings += level == DUALPROP_LOG_WARNING && strcmp(component, "file") == 0 && strstr(message, "not synced");
}

static dualprop_status replace_unsynced(int at, int error)
{
    dualprop_io io = dualprop__posix_io;
    io.sync_folder = failing_sync_folder;
    unsynced.at = at, unsynced.calls = 0, unsynced.error = error, warnings = 0;
    put_file(path, OLD);
    dualprop_context *context = new_context(&io);
    ck_assert_int_eq(dualprop_context_set_log(context, count_warning, NULL, DUALPROP_LOG_WARNING), DUALPROP_OK);
    dualprop_status status = replace(context, path);
    dualprop_context_destroy(context);
    ck_assert_int_eq(entries(0), 1);
    return status;
}

/* It fails as long as the old file is there. Once the new one is, the call has succeeded, and says what may be lost. */
START_TEST(a_folder_that_cannot_be_synced)
{
    ck_assert_int_eq(replace_unsynced(-1, EIO), DUALPROP_ERROR_IO);
    expect_content(path, OLD);
    ck_assert_int_eq(replace_unsynced(0, ENOSPC), DUALPROP_ERROR_NO_SPACE);
    expect_content(path, OLD);
    ck_assert_int_eq(warnings, 0);
    ck_assert_int_eq(replace_unsynced(1, EIO), DUALPROP_OK);
    expect_content(path, NEW);
    ck_assert_int_eq(warnings, 1);
    ck_assert_int_eq(replace_unsynced(-1, EACCES), DUALPROP_OK); /* it may not be opened, which is no failure */
    expect_content(path, NEW);
    ck_assert_int_eq(warnings, 1);
}
END_TEST

/* ---- a disk that is full ---- */

static int put_map(const char *name, const char *text)
{
    int file = open(name, O_WRONLY | O_CLOEXEC);
    int put = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) close(file);
    return put;
}

/* Mounts of this process's own, which go with it: for root, or for a user who is root among them. */
static int own_mounts(void)
{
    char user[64], group[64];
    snprintf(user, sizeof user, "0 %d 1", (int)geteuid());
    snprintf(group, sizeof group, "0 %d 1", (int)getegid());
    int is_root = geteuid() == 0;
    if (unshare(is_root ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) return 0;
    if (!is_root && !(put_map("/proc/self/uid_map", user) && put_map("/proc/self/setgroups", "deny") &&
                      put_map("/proc/self/gid_map", group)))
        return 0;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A file system of 256 KiB over the folder, where this process may make one. */
static int mount_small(void)
{
    const char *fork_mode = getenv("CK_FORK"); /* without forks the tests that follow would be in there too */
    if (fork_mode && strcmp(fork_mode, "no") == 0) return 0;
    return own_mounts() && mount("none", folder, "tmpfs", 0, "size=256k") == 0;
}

START_TEST(a_full_disk_leaves_the_old_file)
{
    static char large[300000];
    dualprop__piece piece = { large, sizeof large };
    if (!mount_small()) {
        test_skip("a_full_disk: no file system can be mounted here");
        return;
    }
    dualprop_context *context = new_context(NULL);
    put_file(path, OLD);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(dualprop__file_replace(context, path, &piece, 1), DUALPROP_ERROR_NO_SPACE);
        expect_content(path, OLD);
        ck_assert_int_eq(entries(0), 1);
    }
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    expect_content(path, NEW);
    dualprop_context_destroy(context);
    umount(folder);
}
END_TEST

/* ---- what dead savers leave ---- */

static void put_old_file(const char *suffix, int seconds)
{
    char name[160];
    struct timespec times[2] = { { time(NULL) - seconds, 0 }, { time(NULL) - seconds, 0 } };
    snprintf(name, sizeof name, "%s%s", path, suffix);
    put_file(name, "half of a file");
    ck_assert_int_eq(utimensat(AT_FDCWD, name, times, 0), 0);
}

START_TEST(stale_temporaries_go_and_nothing_else)
{
    static const char *const kept[] = {
        ".12-0123456789abcdef.tmpx", ".12-0123456789abcde.tmp",  ".tmp", ".bak", ".12-0123456789abcdeg.tmp",
        ".-0123456789abcdef.tmp",    "2.12-0123456789abcdef.tmp"
    };
    enum { KEPT = sizeof kept / sizeof kept[0] };
    dualprop_context *context = new_context(NULL);
    put_old_file(".12-0123456789abcdef.tmp", 3600);
    put_old_file(".3-fedcba9876543210.tmp", 61);
    for (int i = 0; i < KEPT; i++) put_old_file(kept[i], 3600);
    put_old_file(".12-1111111111111111.tmp", 10); /* perhaps of a saver that is between two steps */
    put_old_file(".12-2222222222222222.tmp", 3600);
    char name[160];
    snprintf(name, sizeof name, "%s.12-2222222222222222.tmp", path);
    int held = open(name, O_RDONLY); /* of one that lives */
    ck_assert_int_eq(flock(held, LOCK_EX), 0);
    snprintf(name, sizeof name, "%s.12-3333333333333333.tmp", path);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    ck_assert_int_eq(entries(0), 1 + KEPT + 3);
    expect_content(path, NEW);
    close(held);
    ck_assert_int_eq(replace(context, path), DUALPROP_OK);
    ck_assert_int_eq(entries(0), 1 + KEPT + 2);
    dualprop_context_destroy(context);
}
END_TEST

/* As long as a temporary file is open, other processes see that it is in use. */
START_TEST(a_file_being_written_is_locked)
{
    int64_t file = dualprop__posix_io.open(NULL, path, 1);
    ck_assert_int_ge(file, 3);
    int other = open(path, O_RDONLY);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(dualprop__posix_io.close(NULL, file), 0);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
}
END_TEST

/* ---- other processes ---- */

static dualprop_status save_letter(dualprop_context *context, char letter)
{
    static char large[200000];
    memset(large, letter, sizeof large);
    dualprop__piece piece = { large, sizeof large };
    return dualprop__file_replace(context, path, &piece, 1);
}

/* The process dies at this call of its files; each save makes about ten. */
static void save_until_killed(char letter, int last_call)
{
    faulty_io faulty = { .fail_at = last_call, .error = FAULTY_IO_KILL };
    dualprop_io io = faulty_io_table(&faulty);
    dualprop_context *context = new_context(&io);
    for (;;)
        if (save_letter(context, letter) != DUALPROP_OK) _exit(1);
}

static void expect_one_letter(void)
{
    void *data = NULL;
    size_t size = 0;
    dualprop_context *context = new_context(NULL);
    ck_assert_int_eq(dualprop__file_read(&data, &size, context, path, LIMIT), DUALPROP_OK);
    const char *letters = data;
    ck_assert(size == 200000 && (letters[0] == 'a' || letters[0] == 'b'));
    ck_assert_mem_eq(letters, letters + 1, size - 1);
    dualprop__release(context, data);
    dualprop_context_destroy(context);
}

static pid_t start_saver(char letter, int last_call)
{
    pid_t saver = fork();
    ck_assert_int_ge(saver, 0);
    if (saver == 0) save_until_killed(letter, last_call);
    return saver;
}

static void expect_killed(pid_t saver)
{
    int status;
    ck_assert_int_eq(waitpid(saver, &status, 0), saver);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Two savers on one path, each killed at any call of its files: always one whole file. */
START_TEST(killed_savers_leave_a_whole_file)
{
    dualprop_context *context = new_context(NULL);
    ck_assert_int_eq(save_letter(context, 'a'), DUALPROP_OK);
    for (int i = 0; i < 100; i++) {
        pid_t first = start_saver('a', i % 47), second = start_saver('b', 7 * i % 53);
        for (int reads = 0; reads < 5; reads++) expect_one_letter();
        expect_killed(first);
        expect_killed(second);
        expect_one_letter();
    }
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_file_suite(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, a_file_is_made_and_replaced);
    tcase_add_test(tests, a_name_without_a_folder);
    tcase_add_test(tests, an_empty_file);
    tcase_add_test(tests, a_file_above_the_limit_is_not_read);
    tcase_add_loop_test(tests, odd_paths_are_refused_at_once, 0, ODD_PATHS);
    tcase_add_test(tests, a_file_that_is_not_what_its_size_says);
    tcase_add_test(tests, standard_descriptors_are_left_alone);
    tcase_add_test(tests, the_file_size_limit_is_an_error_and_no_signal);
    tcase_add_test(tests, too_many_open_files);
    tcase_add_loop_test(tests, a_fault_at_any_call_of_replacing, 0, 2 * FAULTS);
    tcase_add_loop_test(tests, a_fault_at_any_call_of_reading, 0, 2 * FAULTS);
    tcase_add_test(tests, a_folder_that_cannot_be_synced);
    tcase_add_test(tests, a_full_disk_leaves_the_old_file);
    tcase_add_test(tests, stale_temporaries_go_and_nothing_else);
    tcase_add_test(tests, a_file_being_written_is_locked);
    tcase_add_test(tests, killed_savers_leave_a_whole_file);
    suite_add_tcase(suite, tests);
    return suite;
}
