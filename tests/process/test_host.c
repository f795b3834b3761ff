/*
 * test_host.c - hosts that do what hosts do: fork while other threads are in a call, trap invalid operations, round
 * another way, hand in a parallel_for that fails, have many threads, and names of files in any bytes.
 */
#include <dirent.h>
#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"
#include "support/small_network.h"

static saved_plan plan_of(int backend, int threads)
{
    return (saved_plan){ BACKENDS[backend], DUALPROP_F32, DUALPROP_ADAM, NULL, NULL, threads };
}

/* ---- forks in the middle of a call ---- */

/* One model, and what is called on it again and again. */
struct shared {
    saved_model model;
    dualprop_diagnostics *diagnostics;
    const char *file;
    atomic_int stop;
};

static void no_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data, (void)level, (void)component, (void)message;
}

static dualprop_status train(struct shared *shared)
{
    return saved_model_train(&shared->model, 1);
}

static dualprop_status save(struct shared *shared)
{
    return saved_model_save(&shared->model, shared->file);
}

static dualprop_status set_log(struct shared *shared)
{
    return dualprop_context_set_log(shared->model.context, no_log, NULL, DUALPROP_LOG_DEBUG);
}

static dualprop_status fail_once(struct shared *shared)
{
    char text[512];
    if (dualprop_context_set_limit(shared->model.context, 99, 1) == DUALPROP_OK) return DUALPROP_ERROR_INVALID_STATE;
    return dualprop_last_error(text, sizeof text, NULL, shared->model.context);
}

static dualprop_status ask_others_error(struct shared *shared)
{
    char text[512];
    return dualprop_last_error(text, sizeof text, NULL, shared->model.context);
}

static dualprop_status read_parameter(struct shared *shared)
{
    float bias[SAVED_OUTPUTS];
    char name[32];
    int layers = 0;
    dualprop_view view = vector_view(bias, DUALPROP_F32, SAVED_OUTPUTS);
    dualprop_status status = dualprop_network_info(&layers, NULL, NULL, NULL, shared->model.network);
    snprintf(name, sizeof name, "layer%d.bias", layers);
    return status == DUALPROP_OK ? dualprop_network_read(&view, shared->model.network, name) : status;
}

static dualprop_status diagnose(struct shared *shared)
{
    double values[3];
    return dualprop_diagnostics_objective(&values[0], &values[1], &values[2], shared->diagnostics, shared->model.state);
}

static dualprop_status set_rate(struct shared *shared)
{
    return dualprop_optimizer_set_learning_rate(shared->model.optimizer, 1e-3);
}

static dualprop_status create_state(struct shared *shared)
{
    dualprop_state *state;
    dualprop_status status = dualprop_state_create(&state, shared->model.network, shared->model.rule, 3);
    if (status == DUALPROP_OK) dualprop_state_destroy(state);
    return status;
}

static dualprop_status (*const CALLS[])(struct shared *) = {
    train, save, set_log, fail_once, ask_others_error, read_parameter, diagnose, set_rate, create_state
};
#define CALL_COUNT ((int)(sizeof CALLS / sizeof *CALLS))

struct caller {
    struct shared *shared;
    int call;
};

static void *call_for_ever(void *argument)
{
    struct caller *caller = argument;
    while (!atomic_load(&caller->shared->stop)) (void)!CALLS[caller->call](caller->shared);
    return NULL;
}

/* In the child: every call on every handle returns, and none is BUSY; then all of it is destroyed. */
static int use_in_child(struct shared *shared)
{
    alarm(20);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < CALL_COUNT; i++) {
            dualprop_status status = CALLS[i](shared);
            if (status == DUALPROP_ERROR_BUSY) return 10 + i;
        }
    if (shared->diagnostics) dualprop_diagnostics_destroy(shared->diagnostics);
    saved_model_destroy(&shared->model);
    return 0;
}

START_TEST(a_fork_in_the_middle_of_any_call_leaves_a_child_that_goes_on)
{
    if (SANITIZED) {
        test_skip("fork() while others allocate: the sanitizer's own allocator hangs in the child");
        return;
    }
    saved_plan plan = plan_of(_i, 2);
    scratch_folder folder = scratch_folder_create();
    struct shared shared = { .file = folder.file };
    pthread_t threads[CALL_COUNT];
    struct caller callers[CALL_COUNT];
    expect_ok(saved_model_create(&shared.model, &plan));
    expect_ok(saved_model_train(&shared.model, 1));
    expect_ok(
        dualprop_diagnostics_create(&shared.diagnostics, shared.model.network, DUALPROP_CROSS_ENTROPY, SAVED_BATCH));
    for (int i = 0; i < CALL_COUNT; i++) {
        callers[i] = (struct caller){ &shared, i };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_for_ever, &callers[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        int status = -1;
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) _exit(use_in_child(&shared));
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(status == 0, "child %d ended with %#x: 0xNN00 is exit NN - 10 of CALLS, else a signal", i,
                      status);
    }
    atomic_store(&shared.stop, 1);
    for (int i = 0; i < CALL_COUNT; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    dualprop_diagnostics_destroy(shared.diagnostics);
    saved_model_destroy(&shared.model);
    scratch_folder_destroy(&folder);
}
END_TEST

/* A fork inside a call: a log callback, whose context is in use then. */
static void fork_once(void *user_data, int level, const char *component, const char *message)
{
    struct shared *shared = user_data;
    (void)level, (void)component, (void)message;
    if (shared->model.precision != -1) return;
    shared->model.precision = DUALPROP_F32;
    pid_t child = fork();
    if (child == 0) _exit(0);
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_fork_inside_a_callback_is_survived)
{
    saved_plan plan = plan_of(_i, 2);
    struct shared shared = { .file = NULL };
    expect_ok(saved_model_create(&shared.model, &plan));
    shared.model.precision = -1;
    expect_ok(dualprop_context_set_log(shared.model.context, fork_once, &shared, DUALPROP_LOG_DEBUG));
    shared.model.precision = DUALPROP_F32;
    expect_ok(saved_model_train(&shared.model, 1));
    saved_model_destroy(&shared.model);
}
END_TEST

/* ---- traps ---- */

#ifdef __GLIBC__
static const int RULES[] = { DUALPROP_BP,        DUALPROP_DP,   DUALPROP_DP_ADJOINT,
                             DUALPROP_DP_DAMPED, DUALPROP_LPOM, DUALPROP_INVERTED_LPOM,
                             DUALPROP_FENCHEL,   DUALPROP_LECUN };
#define RULE_COUNT ((int)(sizeof RULES / sizeof *RULES))

static double alpha_of(int rule)
{
    return rule == DUALPROP_LPOM ? 1 : rule == DUALPROP_INVERTED_LPOM || rule == DUALPROP_FENCHEL ? 0 : 0.5;
}

/* Rules that allow some activations and schedules only. */
static int is_allowed(int rule, int schedule, int activation)
{
    int projects =
        activation == DUALPROP_IDENTITY || activation == DUALPROP_RELU || activation == DUALPROP_HARD_SIGMOID;
    if (rule == DUALPROP_BP) return schedule <= DUALPROP_JACOBI;
    return rule == DUALPROP_DP || rule == DUALPROP_DP_ADJOINT || projects;
}

/* Every rule under every schedule and activation, with and without a tolerance, and a step of each kind. */
START_TEST(no_rule_raises_a_trap)
{
    int rule = RULES[_i % RULE_COUNT], backend = BACKENDS[_i / RULE_COUNT];
    feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    for (int schedule = DUALPROP_FORWARD_BACKWARD; schedule <= DUALPROP_ASYNC; schedule++)
        for (int activation = DUALPROP_IDENTITY; activation <= DUALPROP_SILU; activation++)
            for (int tolerance = 0; tolerance <= 1; tolerance++) {
                /* clang-format off */
                struct small_plan plan = { .backend = backend, .layers = 3, .widths = { 5, 7, 6, 4 },
                                           .activation = activation, .variant = rule, .alpha = alpha_of(rule),
                                           .beta = 0.1, .loss = DUALPROP_MSE, .output_step = DUALPROP_OUTPUT_LINEAR,
                                           .schedule = schedule, .passes = 4, .tolerance = tolerance * 1e-3, .batch = 3,
                                           .seed = 7 };
                /* clang-format on */
                if (!is_allowed(rule, schedule, activation)) continue;
                struct small_network small = small_create(&plan);
                dualprop_status status = small_infer(&small);
                if (status == DUALPROP_OK) {
                    expect_ok(dualprop_gradient(small.optimizer, small.state));
                    expect_ok(dualprop_step(small.optimizer));
                }
                small_destroy(&small);
            }
    ck_assert_int_eq(fegetexcept(), FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    fedisableexcept(FE_ALL_EXCEPT);
}
END_TEST
#endif

/* ---- another way of rounding, and subnormal numbers flushed ---- */

#if defined(__SSE2__)
static void set_mode(int mode)
{
    static const unsigned modes[] = { 0x1f80, 0x1f80 | 0x4000, 0x1f80 | 0x2000, 0x1f80 | 0x8040 };
    __builtin_ia32_ldmxcsr(modes[mode]);
    fesetround(mode == 1 ? FE_UPWARD : mode == 2 ? FE_DOWNWARD : FE_TONEAREST);
    __builtin_ia32_ldmxcsr(modes[mode]);
}
#else
static void set_mode(int mode)
{
    fesetround(mode == 1 ? FE_UPWARD : mode == 2 ? FE_DOWNWARD : FE_TONEAREST);
}
#endif

static void run_in_threads(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count);

/* Wide enough for work to be shared: 200-300-10, a batch of 64. */
enum { INPUTS = 200, WIDTH = 300, OUTPUTS = 10, BATCH = 64, STEPS = 4 };

static uint64_t hash_of(const void *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

/* Train on what the caller has set the context up for, in one mode of rounding; a checksum of the first weights. */
static uint64_t train_wide(dualprop_context *context, int mode)
{
    static float images[BATCH * INPUTS], weights[INPUTS * WIDTH];
    static int32_t labels[BATCH];
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_status status = DUALPROP_OK;
    for (int i = 0; i < BATCH * INPUTS; i++) images[i] = (float)((i * 7919) % 1000) / 999.0f;
    for (int i = 0; i < BATCH; i++) labels[i] = i % OUTPUTS;
    expect_ok(dualprop_network_create(&network, context, 1, 1, INPUTS));
    expect_ok(dualprop_network_add_dense(network, WIDTH, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 5));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, BATCH));
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    set_mode(mode);
    for (int i = 0; i < STEPS && status == DUALPROP_OK; i++)
        status = dualprop_learn(optimizer, state, images, labels, BATCH);
    set_mode(0);
    expect_ok(status);
    dualprop_view view = matrix_view(weights, DUALPROP_F32, INPUTS, WIDTH);
    expect_ok(dualprop_network_read(&view, network, "layer1.weight"));
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    return hash_of(weights, sizeof weights);
}

static dualprop_context *open_threads(int backend, int threads)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.threads = threads;
    expect_ok(dualprop_context_create(&context, BACKENDS[backend], &options));
    return context;
}

/* Set after the context was made: all threads follow the caller, the library's and the host's. */
static uint64_t train_in_mode(int mode, int backend, int threads, int own_threads)
{
    dualprop_context *context = open_threads(backend, threads);
    if (own_threads) expect_ok(dualprop_context_set_parallel_for(context, run_in_threads, NULL, 3));
    uint64_t hash = train_wide(context, mode);
    dualprop_context_destroy(context);
    return hash;
}

START_TEST(any_number_of_threads_computes_as_the_caller_does)
{
    int backend = _i / 4, mode = _i % 4;
    uint64_t expected = train_in_mode(mode, backend, 1, 0);
    for (int run = 0; run < 2; run++) ck_assert_uint_eq(train_in_mode(mode, backend, 3, 0), expected);
    ck_assert_uint_eq(train_in_mode(mode, backend, 1, 1), expected);
}
END_TEST

START_TEST(numbers_of_a_file_survive_any_mode)
{
    saved_plan plan = plan_of(0, 1);
    saved_model model;
    scratch_folder folder = scratch_folder_create();
    size_t size, again;
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 2));
    expect_ok(saved_model_save(&model, folder.file));
    char *expected = scratch_read(folder.file, &size);
    for (int mode = 1; mode < 4; mode++) {
        saved_model loaded;
        set_mode(mode);
        dualprop_status status = saved_model_open(&loaded, &plan);
        if (status == DUALPROP_OK) status = saved_model_load(&loaded, folder.file);
        if (status == DUALPROP_OK) status = saved_model_save(&loaded, folder.file);
        set_mode(0);
        expect_ok(status);
        saved_model_destroy(&loaded);
        char *bytes = scratch_read(folder.file, &again);
        ck_assert_uint_eq(again, size);
        ck_assert_msg(memcmp(bytes, expected, size) == 0, "mode %d changed the file", mode);
        free(bytes);
    }
    free(expected);
    saved_model_destroy(&model);
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- a parallel_for that does something else ---- */

struct part {
    void (*task)(void *argument, int64_t index);
    void *argument;
    int64_t first, count;
};

static void *run_part(void *argument)
{
    struct part *part = argument;
    for (int64_t i = part->first; i < part->count; i += 3) part->task(part->argument, i);
    return NULL;
}

static void run_in_threads(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    pthread_t threads[3];
    struct part parts[3];
    (void)user_data;
    for (int i = 0; i < 3; i++) {
        parts[i] = (struct part){ task, argument, i, count };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_part, &parts[i]), 0);
    }
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void run_nothing(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data, (void)task, (void)argument, (void)count;
}

static void run_some(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i += 2) task(argument, i);
}

static void run_too_much(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = -2; i < count + 2; i++) task(argument, i);
    for (int64_t i = count; i-- > 0;) task(argument, i);
}

static void count_warnings(void *user_data, int level, const char *component, const char *message)
{
    (void)component;
    if (level == DUALPROP_LOG_WARNING && strstr(message, "parallel_for")) ++*(int *)user_data;
}

/* Whatever it runs, once or twice or not at all: the numbers are those of one thread, and the log says so. */
START_TEST(tasks_that_were_not_run_are_run)
{
    static const dualprop_parallel_for runs[] = { run_nothing, run_some, run_too_much, run_in_threads };
    uint64_t expected = train_in_mode(0, _i, 1, 0);
    for (int i = 0; i < 4; i++) {
        int warnings = 0;
        dualprop_context *context = open_threads(_i, 1);
        expect_ok(dualprop_context_set_parallel_for(context, runs[i], NULL, 3));
        expect_ok(dualprop_context_set_log(context, count_warnings, &warnings, DUALPROP_LOG_WARNING));
        ck_assert_uint_eq(train_wide(context, 0), expected);
        ck_assert_int_eq(warnings > 0, i < 2);
        dualprop_context_destroy(context);
    }
}
END_TEST

/* ---- texts ---- */

static int is_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int more = *at < 0x80                  ? 0
                   : *at >= 0xc2 && *at < 0xe0 ? 1
                   : *at >= 0xe0 && *at < 0xf0 ? 2
                   : *at >= 0xf0 && *at < 0xf5 ? 3
                                               : -1;
        if (more < 0) return 0;
        at++;
        for (int i = 0; i < more; i++, at++)
            if ((*at & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* Names of files are cut in sentences, and may be of any bytes: what a caller reads is UTF-8, in a buffer of any
 * size. */
START_TEST(a_sentence_is_utf8)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    for (int shift = 0; shift < 6; shift++) {
        static const char *const pieces[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff\xfe", "\xc3" };
        for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++) {
            char path[700] = "/nowhere/", text[600];
            memset(path + 9, 'x', (size_t)shift);
            path[9 + shift] = '\0';
            while (strlen(path) < 600) strcat(path, pieces[piece]);
            ck_assert_int_ne(dualprop_checkpoint_read(&checkpoint, context, path), DUALPROP_OK);
            for (size_t size = 1; size < sizeof text; size++) {
                expect_ok(dualprop_last_error(text, size, NULL, NULL));
                ck_assert_msg(is_utf8(text), "%s, piece %zu cut to %zu", path, piece, size);
                expect_ok(dualprop_last_error(text, size, NULL, context));
                ck_assert(is_utf8(text));
            }
        }
    }
    dualprop_context_destroy(context);
}
END_TEST

/* ---- many threads, each with its own last error ---- */

#define MANY 300

struct failing {
    int number;
    dualprop_context *context;
    pthread_barrier_t *barrier;
    char text[512];
};

static void *fail_and_wait(void *argument)
{
    struct failing *failing = argument;
    dualprop_status status = dualprop_context_set_limit(failing->context, 1000 + failing->number, 1);
    pthread_barrier_wait(failing->barrier);
    if (status != DUALPROP_OK) (void)!dualprop_last_error(failing->text, sizeof failing->text, NULL, NULL);
    return NULL;
}

/* More threads than sentences are kept for: each reads its own, or what its status says, and never another's. */
START_TEST(a_thread_never_reads_anothers_error)
{
    static struct failing failings[MANY];
    static pthread_t threads[MANY];
    pthread_barrier_t barrier;
    pthread_attr_t attributes;
    dualprop_context *context;
    int own = 0;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, MANY), 0);
    ck_assert_int_eq(pthread_attr_init(&attributes) | pthread_attr_setstacksize(&attributes, 1 << 17), 0);
    for (int i = 0; i < MANY; i++) {
        failings[i] = (struct failing){ i, context, &barrier, "" };
        ck_assert_int_eq(pthread_create(&threads[i], &attributes, fail_and_wait, &failings[i]), 0);
    }
    for (int i = 0; i < MANY; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < MANY; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", 1000 + i);
        int is_own = strstr(failings[i].text, number) != NULL;
        ck_assert_msg(is_own || strcmp(failings[i].text, dualprop_status_message(DUALPROP_ERROR_INVALID_ARGUMENT)) == 0,
                      "thread %d read: %s", i, failings[i].text);
        own += is_own;
    }
    ck_assert_int_ge(own, 256);
    pthread_attr_destroy(&attributes);
    pthread_barrier_destroy(&barrier);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_host_suite(void)
{
    Suite *suite = suite_create("host");
    TCase *tests = tcase_create("host");
    tcase_add_loop_test(tests, a_fork_in_the_middle_of_any_call_leaves_a_child_that_goes_on, 0, 2);
    tcase_add_loop_test(tests, a_fork_inside_a_callback_is_survived, 0, 2);
#ifdef __GLIBC__
    tcase_add_loop_test(tests, no_rule_raises_a_trap, 0, 2 * RULE_COUNT);
#endif
    tcase_add_loop_test(tests, any_number_of_threads_computes_as_the_caller_does, 0, 8);
    tcase_add_test(tests, numbers_of_a_file_survive_any_mode);
    tcase_add_loop_test(tests, tasks_that_were_not_run_are_run, 0, 2);
    tcase_add_test(tests, a_sentence_is_utf8);
    tcase_add_test(tests, a_thread_never_reads_anothers_error);
    suite_add_tcase(suite, tests);
    return suite;
}
