/*
 * test_process.c - the process around the library: forks, signals, cancelled threads, small stacks, the state of the
 * floating-point unit.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"

static saved_plan plan_of(int row)
{
    return (saved_plan){ BACKENDS[row % 2], DUALPROP_F32, DUALPROP_ADAM, NULL, NULL, 1 + row / 2 % 2 * 2 };
}

/* What this plan gives after so many steps when nothing disturbs it. */
static uint32_t undisturbed(const saved_plan *plan, int steps)
{
    saved_model model;
    expect_ok(saved_model_create(&model, plan));
    expect_ok(saved_model_train(&model, steps));
    uint32_t parameters = saved_model_parameters(&model);
    saved_model_destroy(&model);
    return parameters;
}

/* ---- forks ---- */

/* Train on in a child; its exit status is 0 if it comes to the parameters expected. */
static int child_of(saved_model *model, int steps, uint32_t expected)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        int good = saved_model_train(model, steps) == DUALPROP_OK && saved_model_parameters(model) == expected;
        saved_model_destroy(model);
        _exit(good ? 0 : 3);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(a_child_goes_on_with_the_same_bits)
{
    saved_plan plan = plan_of(_i);
    saved_model model;
    uint32_t expected = undisturbed(&plan, 8);
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 3));
    ck_assert_int_eq(child_of(&model, 5, expected), 0);
    expect_ok(saved_model_train(&model, 5)); /* the parent is as it was */
    ck_assert_uint_eq(saved_model_parameters(&model), expected);
    saved_model_destroy(&model);
}
END_TEST

START_TEST(a_child_makes_a_context_of_its_own)
{
    saved_plan plan = plan_of(_i);
    saved_model model;
    uint32_t expected = undisturbed(&plan, 2);
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 1));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        saved_model own;
        alarm(20);
        int good = saved_model_create(&own, &plan) == DUALPROP_OK && saved_model_train(&own, 2) == DUALPROP_OK &&
                   saved_model_parameters(&own) == expected;
        saved_model_destroy(&own);
        _exit(good ? 0 : 3); /* the parent's is not destroyed here, nor need it be */
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    saved_model_destroy(&model);
}
END_TEST

/* ---- signals ---- */

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

/* A signal each millisecond, without SA_RESTART: everything is as without. */
START_TEST(signals_change_nothing)
{
    saved_plan plan = plan_of(_i);
    saved_model model, loaded;
    scratch_folder folder = scratch_folder_create();
    struct sigaction action = { .sa_handler = tick }, before, after;
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
    uint32_t expected = undisturbed(&plan, 40);
    sigset_t blocked_before, blocked_after;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGXFSZ, NULL, &before), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &blocked_before), 0);
    setitimer(ITIMER_REAL, &often, NULL);
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 20));
    for (int i = 0; i < 20 || ticks < 10; i++) expect_ok(saved_model_save(&model, folder.file));
    expect_ok(saved_model_open(&loaded, &plan));
    expect_ok(saved_model_load(&loaded, folder.file));
    expect_ok(saved_model_train(&loaded, 20));
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_uint_eq(saved_model_parameters(&loaded), expected);
    ck_assert_int_eq(sigaction(SIGXFSZ, NULL, &after), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &blocked_after), 0);
    ck_assert(before.sa_handler == after.sa_handler);
    for (int number = 1; number < 32; number++)
        ck_assert_int_eq(sigismember(&blocked_before, number), sigismember(&blocked_after, number));
    saved_model_destroy(&loaded);
    saved_model_destroy(&model);
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- small stacks ---- */

struct call {
    saved_plan plan;
    const char *file;
    dualprop_status status;
};

static void *live(void *argument)
{
    struct call *call = argument;
    saved_model model, loaded = { 0 };
    call->status = saved_model_create(&model, &call->plan);
    if (call->status == DUALPROP_OK) call->status = saved_model_train(&model, 2);
    if (call->status == DUALPROP_OK) call->status = saved_model_save(&model, call->file);
    if (call->status == DUALPROP_OK) call->status = saved_model_open(&loaded, &call->plan);
    if (call->status == DUALPROP_OK) call->status = saved_model_load(&loaded, call->file);
    saved_model_destroy(&loaded);
    saved_model_destroy(&model);
    return NULL;
}

/* 64 KiB: frames of ours are 4 KiB at most, and the C library's printf and BLIS's kernels need some too. */
START_TEST(a_small_stack_is_enough)
{
    scratch_folder folder = scratch_folder_create();
    struct call call = { plan_of(_i), folder.file, DUALPROP_ERROR_INVALID_STATE };
    pthread_attr_t attributes;
    pthread_t thread;
    if (SANITIZED) {
        scratch_folder_destroy(&folder);
        return;
    }
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 65536), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, live, &call), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    ck_assert_int_eq(call.status, DUALPROP_OK);
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- the floating-point unit ---- */

/* Where the host rounds another way, its way is kept; results are then of that rounding. */
START_TEST(the_rounding_mode_is_kept)
{
    saved_plan plan = plan_of(_i);
    saved_model model;
    expect_ok(saved_model_create(&model, &plan));
    ck_assert_int_eq(fesetround(FE_UPWARD), 0);
    dualprop_status status = saved_model_train(&model, 3);
    int kept = fegetround();
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(status, DUALPROP_OK);
    ck_assert_int_eq(kept, FE_UPWARD);
    saved_model_destroy(&model);
}
END_TEST

#ifdef __GLIBC__
/* A host that lets the processor trap divisions by zero, overflows and invalid operations meets none of ours. */
START_TEST(no_trap_is_raised)
{
    saved_plan plan = plan_of(_i);
    struct call call = { plan, "", DUALPROP_OK };
    scratch_folder folder = scratch_folder_create();
    call.file = folder.file;
    feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    live(&call);
    int enabled = fegetexcept();
    fedisableexcept(FE_ALL_EXCEPT);
    ck_assert_int_eq(enabled, FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    ck_assert_int_eq(call.status, DUALPROP_OK);
    scratch_folder_destroy(&folder);
}
END_TEST
#endif

/* ---- loaded, used and left, again and again ---- */

typedef dualprop_status (*create_function)(dualprop_context **context, int backend, const dualprop_options *options);
typedef void (*destroy_function)(dualprop_context *context);

/* Open descriptors of this process, or threads: the entries of a folder of /proc. */
static int entries_of(const char *path)
{
    int count = 0;
    DIR *open = opendir(path);
    while (open && readdir(open)) count++;
    if (open) closedir(open);
    return count;
}

static void load_and_use(void)
{
    create_function create;
    destroy_function destroy;
    dualprop_context *context;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    void *library = dlopen("lib/libdualprop.so.0", RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library, "%s", dlerror());
    void *symbols[2] = { dlsym(library, "dualprop_context_create"), dlsym(library, "dualprop_context_destroy") };
    memcpy(&create, &symbols[0], sizeof create);
    memcpy(&destroy, &symbols[1], sizeof destroy);
    options.threads = 3;
    ck_assert_int_eq(create(&context, DUALPROP_BACKEND_AUTO, &options), DUALPROP_OK);
    destroy(context);
    ck_assert_int_eq(dlclose(library), 0);
}

/* A second copy of the library beside the one this program is made of. */
START_TEST(loading_again_and_again_leaves_nothing)
{
    if (SANITIZED || access("lib/libdualprop.so.0", R_OK) != 0) {
        test_skip("loading_again_and_again: no lib/libdualprop.so.0 here that fits");
        return;
    }
    load_and_use();
    int files = entries_of("/proc/self/fd"), threads = entries_of("/proc/self/task");
    for (int i = 0; i < 100; i++) load_and_use();
    ck_assert_int_eq(entries_of("/proc/self/fd"), files);
    ck_assert_int_eq(entries_of("/proc/self/task"), threads);
}
END_TEST

/* ---- pthread_cancel() ---- */

/* The sanitizers' own end of a thread takes the frames that a cancellation left for what is still there. */
static int cannot_cancel(void)
{
    if (SANITIZED) test_skip("pthread_cancel: the sanitizer does not follow it");
    return SANITIZED;
}

/* A thread that is to be cancelled calls the library: the call runs to its end, and the thread ends after it. */
struct doomed {
    dualprop_status (*call)(struct doomed *doomed);
    saved_plan plan;
    saved_model *model;
    const char *file;
    dualprop_status status;
    int returned, outlived;
};

/* A host's own threads: waiting for them is a point where a cancellation takes effect, and it comes just then. */
static void run_at_a_cancellation_point(void *user_data, void (*task)(void *argument, int64_t index), void *argument,
                                        int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) {
        task(argument, i);
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
}

static dualprop_status train_doomed(struct doomed *doomed)
{
    dualprop_context *context = doomed->model->context;
    dualprop_status status = dualprop_context_set_parallel_for(context, run_at_a_cancellation_point, NULL, 3);
    if (status == DUALPROP_OK) status = saved_model_train(doomed->model, 1);
    if (status == DUALPROP_OK) status = dualprop_context_set_parallel_for(context, NULL, NULL, 1);
    return status;
}

static void log_at_a_cancellation_point(void *user_data, int level, const char *component, const char *message)
{
    (void)level, (void)component, (void)message;
    ++*(int *)user_data;
    pthread_testcancel();
}

static dualprop_status log_doomed(struct doomed *doomed)
{
    int messages = 0;
    dualprop_context *context = doomed->model->context;
    dualprop_status status =
        dualprop_context_set_log(context, log_at_a_cancellation_point, &messages, DUALPROP_LOG_INFO);
    if (status == DUALPROP_OK) status = dualprop_context_set_log(context, NULL, NULL, DUALPROP_LOG_INFO);
    return status != DUALPROP_OK || messages > 0 ? status : DUALPROP_ERROR_INVALID_STATE;
}

static dualprop_status save_doomed(struct doomed *doomed)
{
    return saved_model_save(doomed->model, doomed->file);
}

static dualprop_status load_doomed(struct doomed *doomed)
{
    saved_model loaded;
    dualprop_status status = saved_model_open(&loaded, &doomed->plan);
    if (status == DUALPROP_OK) status = saved_model_load(&loaded, doomed->file);
    saved_model_destroy(&loaded);
    return status;
}

static dualprop_status create_doomed(struct doomed *doomed)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.threads = 4;
    dualprop_status status = dualprop_context_create(&context, doomed->plan.backend, &options);
    if (status == DUALPROP_OK) dualprop_context_destroy(context);
    return status;
}

static void *meet_doom(void *argument)
{
    struct doomed *doomed = argument;
    if (doomed->call != train_doomed) pthread_cancel(pthread_self()); /* which would end it on entry */
    doomed->status = doomed->call(doomed);
    doomed->returned = 1;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    doomed->outlived = 1;
    return NULL;
}

static void doom(struct doomed *doomed, dualprop_status (*call)(struct doomed *doomed))
{
    void *result = NULL;
    pthread_t thread;
    doomed->call = call;
    doomed->returned = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, meet_doom, doomed), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_msg(doomed->returned, "the thread ended within the call");
    ck_assert(!doomed->outlived && result == PTHREAD_CANCELED);
    ck_assert_msg(doomed->status == DUALPROP_OK, "%s", dualprop_status_name(doomed->status));
}

START_TEST(a_cancelled_thread_ends_between_calls)
{
    static dualprop_status (*const calls[])(struct doomed *) = { train_doomed, log_doomed, save_doomed, load_doomed,
                                                                 create_doomed };
    saved_plan plan = plan_of(_i);
    saved_model model;
    scratch_folder folder = scratch_folder_create();
    struct doomed doomed = { .plan = plan, .model = &model, .file = folder.file };
    if (cannot_cancel()) {
        scratch_folder_destroy(&folder);
        return;
    }
    uint32_t expected = undisturbed(&plan, 3);
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 1));
    int files = entries_of("/proc/self/fd"), threads = entries_of("/proc/self/task");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) doom(&doomed, calls[i]);
    ck_assert_int_eq(entries_of("/proc/self/fd"), files);
    ck_assert_int_eq(entries_of("/proc/self/task"), threads);
    ck_assert_int_eq(scratch_folder_entries(&folder), 1);
    expect_ok(saved_model_train(&model, 1)); /* nothing is busy, and nothing is lost */
    ck_assert_uint_eq(saved_model_parameters(&model), expected);
    saved_model_destroy(&model);
    scratch_folder_destroy(&folder);
}
END_TEST

/* Trains for ever, and only the library's calls are points where it can be cancelled. */
static void *train_for_ever(void *argument)
{
    saved_model *model = argument;
    while (saved_model_train(model, 1) == DUALPROP_OK) continue;
    return NULL;
}

START_TEST(a_thread_that_only_trains_can_be_cancelled)
{
    saved_plan plan = plan_of(_i);
    saved_model model;
    pthread_t thread;
    void *result = NULL;
    int64_t steps;
    if (cannot_cancel()) return;
    expect_ok(saved_model_create(&model, &plan));
    ck_assert_int_eq(pthread_create(&thread, NULL, train_for_ever, &model), 0);
    usleep(20000);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert(result == PTHREAD_CANCELED);
    expect_ok(dualprop_optimizer_info(NULL, &steps, NULL, model.optimizer));
    expect_ok(saved_model_train(&model, 1)); /* whole steps, and none of them lost */
    ck_assert_uint_eq(saved_model_parameters(&model), undisturbed(&plan, (int)steps + 1));
    saved_model_destroy(&model);
}
END_TEST

/* ---- quiet ---- */

/* Nothing of ours is ever written to the standard streams, whatever goes wrong. */
START_TEST(nothing_is_printed)
{
    scratch_folder folder = scratch_folder_create();
    char name[128];
    size_t size;
    dualprop_context *context = NULL;
    snprintf(name, sizeof name, "%s/printed", folder.path);
    fflush(stdout);
    fflush(stderr);
    int kept_out = dup(1), kept_error = dup(2);
    ck_assert_ptr_nonnull(freopen(name, "ab", stderr));
    ck_assert_int_ge(dup2(2, 1), 0);
    struct call call = { plan_of(_i), folder.file, DUALPROP_OK };
    live(&call);
    dualprop_status absent = dualprop_context_create(&context, DUALPROP_BACKEND_CUDA, NULL);
    if (absent == DUALPROP_OK) dualprop_context_destroy(context);
    dualprop_status wrong = dualprop_context_create(&context, 99, NULL);
    call.file = "/nowhere/model";
    struct call failing = call;
    live(&failing);
    fflush(NULL);
    dup2(kept_out, 1);
    dup2(kept_error, 2);
    close(kept_out);
    close(kept_error);
    free(scratch_read(name, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(wrong, DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(failing.status, DUALPROP_ERROR_ACCESS);
    scratch_folder_destroy(&folder);
}
END_TEST

Suite *test_process_suite(void)
{
    Suite *suite = suite_create("process");
    TCase *tests = tcase_create("process");
    tcase_add_loop_test(tests, a_child_goes_on_with_the_same_bits, 0, 4);
    tcase_add_loop_test(tests, a_child_makes_a_context_of_its_own, 0, 4);
    tcase_add_loop_test(tests, signals_change_nothing, 0, 4);
    tcase_add_loop_test(tests, a_small_stack_is_enough, 0, 4);
    tcase_add_loop_test(tests, the_rounding_mode_is_kept, 0, 4);
#ifdef __GLIBC__
    tcase_add_loop_test(tests, no_trap_is_raised, 0, 4);
#endif
    tcase_add_test(tests, loading_again_and_again_leaves_nothing);
    tcase_add_loop_test(tests, a_cancelled_thread_ends_between_calls, 0, 4);
    tcase_add_loop_test(tests, a_thread_that_only_trains_can_be_cancelled, 0, 4);
    tcase_add_loop_test(tests, nothing_is_printed, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}
