/*
 * test_thread_pool.c - loops on the context's threads: every index once, whichever thread calls, and after a fork.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "main.h"

/* ---- what the tests work with ---- */

static dualprop_context *context_with(int threads, const dualprop_threads *hooks)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.threads = threads;
    options.thread_hooks = hooks;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options), DUALPROP_OK);
    return context;
}

static void run(dualprop_context *context, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    context->host.parallel_for(context->host.user_data, task, argument, count);
}

enum { MOST = 5000 };

struct tally {
    atomic_int seen[MOST];
};

static void see(void *argument, int64_t index)
{
    struct tally *tally = argument;
    atomic_fetch_add(&tally->seen[index], 1);
}

/* How many of the first count indices were seen exactly `times` times, with none seen after them. */
static int64_t seen(struct tally *tally, int64_t count, int times)
{
    int64_t right = 0;
    for (int64_t i = 0; i < MOST; i++) right += atomic_load(&tally->seen[i]) == (i < count ? times : 0);
    return right - (MOST - count);
}

/* ---- loops ---- */

START_TEST(every_index_runs_once)
{
    static const int64_t counts[] = { 0, 1, 2, 3, 7, 64, 1000, MOST };
    static struct tally tally;
    dualprop_context *context = context_with(1 + _i, NULL);
    ck_assert_int_eq(dualprop__pool_threads(context->pool), 1 + _i);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        memset(&tally, 0, sizeof tally);
        run(context, see, &tally, counts[i]);
        ck_assert_int_eq(seen(&tally, counts[i], 1), counts[i]);
    }
    dualprop_context_destroy(context);
}
END_TEST

/* Many short loops in a row, some of them after the workers have gone to sleep. */
START_TEST(loops_follow_each_other)
{
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    dualprop_context *context = context_with(1 + _i, NULL);
    for (int i = 0; i < 20000; i++) {
        run(context, see, &tally, 5);
        if (i % 1000 == 0) nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    ck_assert_int_eq(seen(&tally, 5, 20000), 5);
    dualprop_context_destroy(context);
}
END_TEST

/* Wait for all tasks of a loop to be there; each needs a thread of its own for that. */
struct meeting {
    atomic_int here;
    int expected;
    atomic_int met;
};

static void meet(void *argument, int64_t index)
{
    struct meeting *meeting = argument;
    (void)index;
    atomic_fetch_add(&meeting->here, 1);
    for (int waited = 0; atomic_load(&meeting->here) < meeting->expected && waited < 60000; waited++)
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    if (atomic_load(&meeting->here) == meeting->expected) atomic_store(&meeting->met, 1);
}

START_TEST(tasks_run_at_the_same_time)
{
    dualprop_context *context = context_with(1 + _i, NULL);
    for (int round = 0; round < 20; round++) {
        struct meeting meeting = { .expected = 1 + _i };
        run(context, meet, &meeting, 1 + _i);
        ck_assert(meeting.met);
    }
    dualprop_context_destroy(context);
}
END_TEST

static void write_square(void *argument, int64_t index)
{
    ((double *)argument)[index] = (double)(index * index);
}

/* What workers have written is there when the loop returns, without any atomics of the task's own. */
START_TEST(results_are_visible_afterwards)
{
    static double squares[300];
    dualprop_context *context = context_with(3, NULL);
    for (int round = 0; round < 300; round++) {
        memset(squares, 0, sizeof squares);
        run(context, write_square, squares, 300);
        for (int i = 0; i < 300; i++) ck_assert(squares[i] == (double)i * i);
    }
    dualprop_context_destroy(context);
}
END_TEST

struct nested {
    dualprop_context *context;
    struct tally tally;
};

static void loop_inside(void *argument, int64_t index)
{
    struct nested *nested = argument;
    (void)index;
    run(nested->context, see, &nested->tally, 100);
}

START_TEST(a_loop_inside_a_loop)
{
    static struct nested nested;
    nested.context = context_with(3, NULL);
    run(nested.context, loop_inside, &nested, 50);
    ck_assert_int_eq(seen(&nested.tally, 100, 50), 100);
    dualprop_context_destroy(nested.context);
}
END_TEST

static void *many_loops(void *argument)
{
    struct nested *nested = argument;
    for (int i = 0; i < 500; i++) run(nested->context, see, &nested->tally, 100);
    return NULL;
}

START_TEST(callers_in_many_threads)
{
    static struct nested nested;
    pthread_t callers[8];
    nested.context = context_with(3, NULL);
    for (int i = 0; i < 8; i++) ck_assert_int_eq(pthread_create(&callers[i], NULL, many_loops, &nested), 0);
    for (int i = 0; i < 8; i++) pthread_join(callers[i], NULL);
    ck_assert_int_eq(seen(&nested.tally, 100, 8 * 500), 100);
    dualprop_context_destroy(nested.context);
}
END_TEST

START_TEST(many_contexts_come_and_go)
{
    static struct tally tally;
    for (int i = 0; i < 200; i++) {
        memset(&tally, 0, sizeof tally);
        dualprop_context *context = context_with(4, NULL);
        if (i % 2) run(context, see, &tally, 10);
        dualprop_context_destroy(context);
        ck_assert_int_eq(seen(&tally, i % 2 ? 10 : 0, 1), i % 2 ? 10 : 0);
    }
}
END_TEST

/* ---- threads of others ---- */

struct crew {
    int started, joined, allowed;
};

static int start(void *user_data, void **thread, void *(*main)(void *), void *argument)
{
    struct crew *crew = user_data;
    pthread_t made;
    if (crew->started == crew->allowed) return EAGAIN;
    int error = pthread_create(&made, NULL, main, argument);
    if (error == 0) crew->started++;
    *thread = (void *)(uintptr_t)made;
    return error;
}

static void join(void *user_data, void *thread)
{
    ((struct crew *)user_data)->joined++;
    pthread_join((pthread_t)(uintptr_t)thread, NULL);
}

START_TEST(a_failed_start_means_fewer_threads)
{
    static struct tally tally;
    struct crew crew = { 0, 0, 2 };
    dualprop_threads hooks = { sizeof hooks, start, join, &crew };
    dualprop_context *context = context_with(6, &hooks);
    int threads = 0;
    ck_assert_int_eq(dualprop_context_info(NULL, &threads, NULL, context), DUALPROP_OK);
    ck_assert_int_eq(threads, 3);
    run(context, see, &tally, 1000);
    ck_assert_int_eq(seen(&tally, 1000, 1), 1000);
    dualprop_context_destroy(context);
    ck_assert_int_eq(crew.joined, 2);
}
END_TEST

START_TEST(no_thread_at_all_is_an_error_where_some_were_asked_for)
{
    struct crew crew = { 0, 0, 0 };
    dualprop_threads hooks = { sizeof hooks, start, join, &crew };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = (void *)&crew;
    options.threads = 4;
    options.thread_hooks = &hooks;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options), DUALPROP_ERROR_THREAD);
    ck_assert_ptr_null(context);
    options.threads = DUALPROP_ALL_CPUS;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options), DUALPROP_OK);
    dualprop_context_destroy(context);
}
END_TEST

/* The kernel's own refusal: a user that may have no more processes. Root may always, and so becomes the user nobody. */
static int live_without_threads(void)
{
    static struct tally tally;
    struct rlimit none = { 1, 1 };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    alarm(20);
    if (setrlimit(RLIMIT_NPROC, &none) != 0 || (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)) return 1;
    options.threads = 4;
    if (dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options) != DUALPROP_ERROR_THREAD) return 2;
    options.threads = DUALPROP_ALL_CPUS;
    if (dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options) != DUALPROP_OK) return 3;
    run(context, see, &tally, 1000);
    dualprop_context_destroy(context);
    return seen(&tally, 1000, 1) == 1000 ? 0 : 4;
}

START_TEST(a_user_without_threads)
{
    int status = -1;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) _exit(live_without_threads());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void backwards(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    ++*(int *)user_data;
    for (int64_t i = count; i-- > 0;) task(argument, i);
}

START_TEST(the_callers_own_loop_replaces_ours_and_goes_again)
{
    static struct tally tally;
    int calls = 0, threads = 0;
    dualprop_context *context = context_with(2, NULL);
    ck_assert_int_eq(dualprop_context_set_parallel_for(context, backwards, &calls, 0), DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(dualprop_context_set_parallel_for(context, backwards, &calls, 7), DUALPROP_OK);
    ck_assert_int_eq(dualprop_context_info(NULL, &threads, NULL, context), DUALPROP_OK);
    ck_assert_int_eq(threads, 7);
    run(context, see, &tally, 100);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(dualprop_context_set_parallel_for(context, NULL, NULL, 0), DUALPROP_OK);
    run(context, see, &tally, 100);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(seen(&tally, 100, 2), 100);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- forks and signals ---- */

static int in_child(dualprop_context *context, struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
    run(context, see, tally, 1000);
    int right = seen(tally, 1000, 1) == 1000;
    dualprop_context_destroy(context);
    return right ? 0 : 1;
}

static void expect_good_child(pid_t child)
{
    int status = 0;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(a_forked_child_works_alone)
{
    static struct tally tally;
    dualprop_context *context = context_with(4, NULL);
    for (int i = 0; i < 20; i++) {
        run(context, see, &tally, 1000);
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            _exit(in_child(context, &tally));
        }
        expect_good_child(child);
    }
    dualprop_context_destroy(context);
}
END_TEST

struct forker {
    dualprop_context *context;
    atomic_int ending;
};

static void *loops_until_told(void *argument)
{
    static struct tally tally;
    struct forker *forker = argument;
    while (!atomic_load(&forker->ending)) run(forker->context, see, &tally, 50);
    return NULL;
}

START_TEST(a_child_forked_while_another_thread_works)
{
    static struct tally tally;
    struct forker forker = { context_with(3, NULL), 0 };
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, loops_until_told, &forker), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            _exit(in_child(forker.context, &tally));
        }
        expect_good_child(child);
    }
    atomic_store(&forker.ending, 1);
    pthread_join(other, NULL);
    dualprop_context_destroy(forker.context);
}
END_TEST

static pthread_t handled_by;
static atomic_int handled;

static void note_thread(int number)
{
    (void)number;
    handled_by = pthread_self();
    atomic_fetch_add(&handled, 1);
}

START_TEST(signals_come_to_the_hosts_threads)
{
    static struct tally tally;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    dualprop_context *context = context_with(4, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++) ck_assert_int_eq(sigismember(&before, i), sigismember(&after, i));
    signal(SIGUSR1, note_thread);
    for (int i = 0; i < 200; i++) {
        kill(getpid(), SIGUSR1);
        run(context, see, &tally, 100);
        ck_assert(pthread_equal(handled_by, pthread_self()));
    }
    ck_assert_int_eq(atomic_load(&handled), 200);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(a_quota_is_whole_cpus)
{
    static const struct {
        const char *text;
        int cpus; /* of 8 */
    } quotas[] = {
        { "max 100000", 8 },
        { "", 8 },
        { "100000", 8 },
        { "-1 100000", 8 },
        { "0 100000", 8 },
        { "100000 0", 8 },
        { "1 100000", 1 },
        { "50000 100000\n", 1 },
        { "100000 100000", 1 },
        { "100001 100000", 2 },
        { "200000 100000", 2 },
        { "700000 100000", 7 },
        { "700001 100000", 8 },
        { "800000 100000", 8 },
        { "800001 100000", 8 },
        { "3 1", 3 },
        { "1 2", 1 },
        { "1000000 100000", 8 },
        { "1 9223372036854775807", 1 },
        { "9223372036854775807 9223372036854775807", 1 },
        { "9223372036854775807 1", 8 },
    };
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++)
        ck_assert_msg(dualprop__cpus_of_quota(quotas[i].text, 8) == quotas[i].cpus, "%s is %d of 8 CPUs",
                      quotas[i].text, dualprop__cpus_of_quota(quotas[i].text, 8));
}
END_TEST

START_TEST(allowed_cpus_are_within_reason)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    ck_assert_int_ge(dualprop__allowed_cpus(), 1);
    ck_assert_int_le(dualprop__allowed_cpus(), online > 0 ? (int)online : 1);
}
END_TEST

Suite *test_thread_pool_suite(void)
{
    Suite *suite = suite_create("thread_pool");
    TCase *tests = tcase_create("thread_pool");
    tcase_add_loop_test(tests, every_index_runs_once, 0, 6);
    tcase_add_loop_test(tests, loops_follow_each_other, 0, 4);
    tcase_add_loop_test(tests, tasks_run_at_the_same_time, 1, 4);
    tcase_add_test(tests, results_are_visible_afterwards);
    tcase_add_test(tests, a_loop_inside_a_loop);
    tcase_add_test(tests, callers_in_many_threads);
    tcase_add_test(tests, many_contexts_come_and_go);
    tcase_add_test(tests, a_failed_start_means_fewer_threads);
    tcase_add_test(tests, no_thread_at_all_is_an_error_where_some_were_asked_for);
    tcase_add_test(tests, a_user_without_threads);
    tcase_add_test(tests, the_callers_own_loop_replaces_ours_and_goes_again);
    tcase_add_test(tests, a_forked_child_works_alone);
    tcase_add_test(tests, a_child_forked_while_another_thread_works);
    tcase_add_test(tests, signals_come_to_the_hosts_threads);
    tcase_add_test(tests, a_quota_is_whole_cpus);
    tcase_add_test(tests, allowed_cpus_are_within_reason);
    suite_add_tcase(suite, tests);
    return suite;
}
