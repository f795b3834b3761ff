/*
 * test_arguments_context.c - every function of context.h with every bad argument.
 */
#include <dualprop/backend.h>

#include "arguments.h"
#include "core/state/state_internal.h"

Suite *test_arguments_context_suite(void);

static dualprop_context *made_context;

#define CONTEXT_IS_REFUSED(status, word) \
    NOTHING(made_context, status, word, dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &options))

#define BAD_OPTION(member, word, ...)                                           \
    do {                                                                        \
        const int64_t bad_values[] = { __VA_ARGS__ };                           \
        for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) { \
            dualprop_options options = DUALPROP_OPTIONS_INIT;                   \
            options.member = (int32_t)bad_values[i];                            \
            CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, word);          \
        }                                                                       \
    } while (0)

/* A struct of functions with one of its pointers left out. */
#define INCOMPLETE(option, type, complete, pointers)                      \
    do {                                                                  \
        dualprop_options options = DUALPROP_OPTIONS_INIT;                 \
        for (int i = -2; i < (pointers); i++) {                           \
            type table = (complete);                                      \
            if (i == -2) table.struct_size = 0;                           \
            else if (i == -1) table.struct_size = UINT64_MAX;             \
            else memset((char *)&table + 8 + 8 * i, 0, 8);                \
            options.option = &table;                                      \
            CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, #option); \
        }                                                                 \
    } while (0)

static void refuse_backend_tables(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_backend table = dualprop__reference_backend;
    options.backend = &table;
    table.struct_size = 0;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
    table = dualprop__reference_backend;
    table.api++;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_BACKEND_VERSION, "backend");
    table = dualprop__reference_backend;
    table.create = NULL;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
    table = dualprop__reference_backend;
    table.flags = 0;
    table.compare = NULL;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
}

static void refuse_option_structs(void)
{
    struct {
        dualprop_options options;
        uint64_t tail;
    } longer = { DUALPROP_OPTIONS_INIT, 1 };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.version = 990000;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_BACKEND_VERSION, "99.0.0");
    options = (dualprop_options)DUALPROP_OPTIONS_INIT;
    options.struct_size = 7;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "options");
    options.struct_size = UINT64_MAX;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "options");
    longer.options.struct_size = sizeof longer;
    INVALID("options", dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &longer.options));
    longer.tail = 0;
    expect_ok(dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &longer.options));
    dualprop_context_destroy(made_context);
}

/* No status to refuse with: a number that is no built-in backend's gives NULL. */
static void sweep_backend_builtin(void)
{
    static const int bad[] = { DUALPROP_BACKEND_CUDA, -1, 99, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_ptr_null(dualprop_backend_builtin(bad[i]));
}

static void sweep_context_create(void)
{
    INVALID("context", dualprop_context_create(NULL, DUALPROP_BACKEND_REFERENCE, NULL));
    NUMBERS(int, "backend", dualprop_context_create(&made_context, bad, NULL), -1, 4, INT32_MIN, INT32_MAX);
    BAD_OPTION(precision, "precision", -1, DUALPROP_U8, DUALPROP_I32, INT32_MAX);
    BAD_OPTION(threads, "threads", -2, 1025, INT32_MIN, INT32_MAX);
    BAD_OPTION(level, "level", -1, 4, INT32_MAX);
    INCOMPLETE(allocator, dualprop_allocator, own.context->allocator, 2);
    INCOMPLETE(io, dualprop_io, own.context->io, 9);
    INCOMPLETE(thread_hooks, dualprop_threads, own.context->thread_hooks, 2);
    INCOMPLETE(loader, dualprop_loader, own.context->loader, 3);
    refuse_option_structs();
    refuse_backend_tables();
}

static void sweep_context_destroy(void)
{
    DESTROYS(context, CONTEXT);
}

/* It never changes the last error, so its own refusals have no text. */
static void sweep_last_error(void)
{
    ck_assert_int_eq(dualprop_last_error(NULL, 1, &out.size, NULL), DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(dualprop_last_error(NULL, SIZE_MAX, &out.size, own.context), DUALPROP_ERROR_INVALID_ARGUMENT);
    for (int i = 1; i < BAD_HANDLES; i++)
        ck_assert_int_eq(dualprop_last_error(out.text, sizeof out.text, &out.size, bad_handle(CONTEXT, i)),
                         DUALPROP_ERROR_HANDLE);
}

static void no_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data;
    (void)level;
    (void)component;
    (void)message;
}

static void sweep_context_set_log(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_log(bad, no_log, NULL, DUALPROP_LOG_INFO))
    NUMBERS(int, "level", dualprop_context_set_log(own.context, no_log, NULL, bad), -1, 4, INT32_MIN, INT32_MAX);
}

static void run_all(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) task(argument, i);
}

static void sweep_context_set_stream(void)
{
    int something;
    HANDLES(context, CONTEXT, "context", dualprop_context_set_stream(bad, NULL))
    expect_error(dualprop_context_set_stream(own.context, &something), DUALPROP_ERROR_UNSUPPORTED, "stream");
}

static void sweep_context_synchronize(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_synchronize(bad))
    ck_assert_int_eq(dualprop_context_synchronize(own.context), DUALPROP_OK);
}

static void sweep_context_set_parallel_for(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_parallel_for(bad, run_all, NULL, 1))
    NUMBERS(int, "threads", dualprop_context_set_parallel_for(own.context, run_all, NULL, bad), 0, -1, 1025, INT32_MIN,
            INT32_MAX);
}

static void sweep_context_cancel(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_cancel(bad))
}

static void sweep_context_resume(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_resume(bad))
}

static void sweep_context_describe(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_describe(out.text, sizeof out.text, &out.size, bad))
    INVALID("buffer", dualprop_context_describe(NULL, 1, &out.size, own.context));
}

static void sweep_context_info(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_info(&out.i[0], &out.i[1], &out.name, bad))
}

static void sweep_context_memory(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_memory(&out.u[0], &out.u[1], &out.u[2], bad))
}

static void sweep_context_set_limit(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_limit(bad, DUALPROP_LIMIT_TENSORS, 1))
    NUMBERS(int, "limit", dualprop_context_set_limit(own.context, bad, 1), -1, 5, INT32_MIN, INT32_MAX);
    INVALID("value", dualprop_context_set_limit(own.context, DUALPROP_LIMIT_TENSORS, 0));
}

static void sweep_arena_allocator(void)
{
    static unsigned char memory[256];
    dualprop_allocator arena = { .struct_size = sizeof arena }, bad = arena;
    INVALID("allocator", dualprop_arena_allocator(NULL, memory, sizeof memory));
    INVALID("buffer", dualprop_arena_allocator(&arena, NULL, sizeof memory));
    INVALID("size", dualprop_arena_allocator(&arena, memory, 0));
    INVALID("size", dualprop_arena_allocator(&arena, memory, DUALPROP_ARENA_BYTES));
    INVALID("size", dualprop_arena_allocator(&arena, memory, SIZE_MAX)); /* beyond the last address */
    INVALID("size", dualprop_arena_allocator(&arena, memory, (size_t)(UINTPTR_MAX - (uintptr_t)memory) + 1));
    bad.struct_size = 8;
    INVALID("struct_size", dualprop_arena_allocator(&bad, memory, sizeof memory));
    bad.struct_size = UINT64_MAX;
    INVALID("struct_size", dualprop_arena_allocator(&bad, memory, sizeof memory));
    ck_assert(!arena.allocate && !arena.release && !bad.allocate);
}

static void sweep_context_memory_needed(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    INVALID("bytes", dualprop_context_memory_needed(NULL, DUALPROP_BACKEND_REFERENCE, NULL));
    NUMBERS(int, "backend", dualprop_context_memory_needed(&out.u[0], bad, NULL), -1, 4, INT32_MIN, INT32_MAX);
    options.precision = DUALPROP_U8;
    INVALID("precision", dualprop_context_memory_needed(&out.u[0], DUALPROP_BACKEND_REFERENCE, &options));
}

static void sweep_context_set_allocator(void)
{
    static unsigned char memory[256];
    dualprop_allocator arena = { .struct_size = sizeof arena };
    expect_ok(dualprop_arena_allocator(&arena, memory, sizeof memory));
    HANDLES(context, CONTEXT, "context", dualprop_context_set_allocator(bad, &arena))
    for (int i = 0; i < 4; i++) {
        dualprop_allocator bad = arena;
        if (i == 0) bad.struct_size = 0;
        if (i == 1) bad.struct_size = UINT64_MAX;
        if (i == 2) bad.allocate = NULL;
        if (i == 3) bad.release = NULL;
        INVALID("allocator", dualprop_context_set_allocator(own.context, &bad));
    }
}

static const struct sweep SWEEPS[] = {
    SWEEP(arena_allocator),     SWEEP(context_memory_needed),    SWEEP(context_set_allocator),
    SWEEP(backend_builtin),     SWEEP(context_create),           SWEEP(context_destroy),
    SWEEP(last_error),          SWEEP(context_set_log),          SWEEP(context_set_stream),
    SWEEP(context_synchronize), SWEEP(context_set_parallel_for), SWEEP(context_cancel),
    SWEEP(context_resume),      SWEEP(context_describe),         SWEEP(context_info),
    SWEEP(context_memory),      SWEEP(context_set_limit),
};
const struct sweep_list SWEEPS_OF_CONTEXT = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_context_suite(void)
{
    return arguments_suite("arguments_context", &SWEEPS_OF_CONTEXT);
}
