/*
 * test_context.c - creating contexts: which header a program was compiled with, structs of every size, hooks, errors,
 * the log.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dualprop/backend.h"
#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/failing_backend.h"

static dualprop_context *create(int backend, const dualprop_options *options)
{
    dualprop_context *context = NULL;
    expect_ok(dualprop_context_create(&context, backend, options));
    return context;
}

static dualprop_status status_of(const dualprop_options *options)
{
    dualprop_context *context = NULL;
    dualprop_status status = dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, options);
    ck_assert((status == DUALPROP_OK) == (context != NULL));
    dualprop_context_destroy(context);
    return status;
}

/* ---- versions ---- */

START_TEST(older_headers_are_served_and_newer_ones_are_not)
{
    static const uint32_t served[] = { 0, 99, DUALPROP_VERSION, DUALPROP_VERSION + 1 };
    static const uint32_t refused[] = { DUALPROP_VERSION + 100, DUALPROP_VERSION + 10000, UINT32_MAX };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    for (size_t i = 0; i < sizeof served / sizeof *served; i++) {
        options.version = served[i];
        expect_ok(status_of(&options));
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        options.version = refused[i];
        expect_error(status_of(&options), DUALPROP_ERROR_BACKEND_VERSION, dualprop_version_string());
    }
}
END_TEST

START_TEST(the_version_says_the_same_in_every_way)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", DUALPROP_VERSION_MAJOR, DUALPROP_VERSION_MINOR, DUALPROP_VERSION_PATCH);
    ck_assert_str_eq(text, dualprop_version_string());
    ck_assert_uint_eq(dualprop_version(), DUALPROP_VERSION);
    ck_assert_ptr_nonnull(strstr(dualprop_build_info(), text));
}
END_TEST

/* ---- structs that begin with their size ---- */

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* Every prefix of the options that ends with a member: what lies after it must not be read. */
START_TEST(shorter_options_are_completed)
{
    /* clang-format off */
    static const size_t ends[] = {
        END_OF(dualprop_options, struct_size), END_OF(dualprop_options, version), END_OF(dualprop_options, precision),
        END_OF(dualprop_options, threads), END_OF(dualprop_options, level), END_OF(dualprop_options, allocator),
        END_OF(dualprop_options, io), END_OF(dualprop_options, thread_hooks), END_OF(dualprop_options, loader),
        END_OF(dualprop_options, backend), END_OF(dualprop_options, module), END_OF(dualprop_options, numerics),
        END_OF(dualprop_options, autotune), END_OF(dualprop_options, device), sizeof(dualprop_options),
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        dualprop_options whole = DUALPROP_OPTIONS_INIT;
        int precision;
        whole.precision = DUALPROP_F64;
        whole.struct_size = ends[i];
        dualprop_options *shorter =
            malloc(ends[i]); /* of the exact size, so that a sanitizer sees a read past its end */
        ck_assert_ptr_nonnull(shorter);
        memcpy(shorter, &whole, ends[i]);
        dualprop_context *context = create(DUALPROP_BACKEND_REFERENCE, shorter);
        expect_ok(dualprop_context_info(&precision, NULL, NULL, context));
        ck_assert_int_eq(precision, ends[i] >= END_OF(dualprop_options, precision) ? DUALPROP_F64 : DUALPROP_F32);
        dualprop_context_destroy(context);
        free(shorter);
    }
}
END_TEST

/* A newer header's struct: fine as long as nothing is set that this library does not know. */
START_TEST(reserved_options_are_held_to_zero)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.reserved = 1;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options),
                     DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_ptr_null(context);
}
END_TEST

START_TEST(longer_options_are_held_to_zero)
{
    enum { MORE = 16 };
    char bytes[sizeof(dualprop_options) + MORE];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    for (size_t more = 1; more <= MORE; more++) {
        memset(bytes, 0, sizeof bytes);
        options.struct_size = sizeof options + more;
        memcpy(bytes, &options, sizeof options);
        expect_ok(status_of((const void *)bytes));
        for (size_t at = 0; at < more; at++) {
            bytes[sizeof options + at] = 1;
            expect_error(status_of((const void *)bytes), DUALPROP_ERROR_INVALID_ARGUMENT, "options");
            bytes[sizeof options + at] = 0;
        }
    }
}
END_TEST

/* Tables without user_data, as an older header would have them, and with a tail of zeros. */
START_TEST(tables_of_other_sizes)
{
    failing_allocator memory = { .fail_at = 0 };
    struct {
        dualprop_allocator table;
        uint64_t tail;
    } longer = { failing_allocator_table(&memory), 0 };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.allocator = &longer.table;
    longer.table.struct_size = sizeof longer;
    expect_ok(status_of(&options));
    ck_assert_int_gt(memory.allocations, 0);
    ck_assert_int_eq(memory.live_blocks, 0);
    longer.tail = 1;
    expect_error(status_of(&options), DUALPROP_ERROR_INVALID_ARGUMENT, "allocator");
    longer.table.struct_size = offsetof(dualprop_allocator, release);
    expect_error(status_of(&options), DUALPROP_ERROR_INVALID_ARGUMENT, "allocator");
}
END_TEST

/* ---- what AUTO does, and what it says ---- */

static struct {
    int messages;
    char all[4096];
} heard;

static void hear(void *user_data, int level, const char *component, const char *message)
{
    ck_assert_ptr_eq(user_data, &heard);
    ck_assert(level >= DUALPROP_LOG_ERROR && level <= DUALPROP_LOG_DEBUG && component != NULL);
    heard.messages++;
    strncat(heard.all, message, sizeof heard.all - strlen(heard.all) - 1);
}

static void *no_module(void *user_data, const char *path)
{
    ++*(int *)user_data;
    ck_assert_ptr_nonnull(path);
    return NULL;
}

static void *no_symbol(void *user_data, void *module, const char *name)
{
    (void)user_data, (void)module, (void)name;
    return NULL;
}

static const char *a_reason(void *user_data)
{
    (void)user_data;
    return "libcuda.so.1: no such thing here";
}

START_TEST(a_backend_that_is_absent_is_an_error_by_name_and_a_reason_for_auto)
{
    int opened = 0;
    dualprop_loader loader = { sizeof loader, no_module, no_symbol, a_reason, &opened };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    const char *name;
    char text[1024];
    options.loader = &loader;
    expect_error(dualprop_context_create(&context, DUALPROP_BACKEND_CUDA, &options), DUALPROP_ERROR_NO_BACKEND,
                 "libcuda.so.1: no such thing here");
    ck_assert_ptr_null(context);
    ck_assert_int_gt(opened, 0);
    options.module = "/nowhere/libdualprop-cuda.so.0";
    context = create(DUALPROP_BACKEND_AUTO, &options);
    expect_ok(dualprop_context_info(NULL, NULL, &name, context));
    ck_assert(strcmp(name, "blis") == 0 || strcmp(name, "reference") == 0);
    expect_ok(dualprop_context_set_log(context, hear, &heard, DUALPROP_LOG_INFO));
    ck_assert_int_gt(heard.messages, 0);
    ck_assert_ptr_nonnull(strstr(heard.all, name));
    ck_assert_ptr_nonnull(strstr(heard.all, "no such thing here"));
    expect_ok(dualprop_context_describe(text, sizeof text, NULL, context));
    ck_assert_ptr_nonnull(strstr(text, "no such thing here"));
    dualprop_context_destroy(context);
}
END_TEST

/* A module whose table means something else. */
static const dualprop_backend *table_of_the_future(void)
{
    static const dualprop_backend table = { .struct_size = sizeof table, .api = DUALPROP_BACKEND_API + 1 };
    return &table;
}

static void *any_module(void *user_data, const char *path)
{
    (void)path;
    return user_data;
}

static void *future_symbol(void *user_data, void *module, const char *name)
{
    const dualprop_backend *(*entry)(void) = table_of_the_future;
    void *symbol;
    ck_assert_ptr_eq(user_data, module);
    ck_assert_str_eq(name, DUALPROP_BACKEND_ENTRY);
    memcpy(&symbol, &entry, sizeof symbol);
    return symbol;
}

START_TEST(a_module_of_another_version_is_refused)
{
    int module = 0;
    char text[1024];
    dualprop_loader loader = { sizeof loader, any_module, future_symbol, a_reason, &module };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.loader = &loader;
    options.module = "/somewhere/libdualprop-cuda.so.0";
    expect_error(dualprop_context_create(&context, DUALPROP_BACKEND_CUDA, &options), DUALPROP_ERROR_BACKEND_VERSION,
                 "/somewhere/libdualprop-cuda.so.0 has backend API 2, expected 1");
    ck_assert_ptr_null(context);
    context = create(DUALPROP_BACKEND_AUTO, &options);
    expect_ok(dualprop_context_describe(text, sizeof text, NULL, context));
    ck_assert_ptr_nonnull(strstr(text, "has backend API 2, expected 1"));
    dualprop_context_destroy(context);
}
END_TEST

/* ---- a module that has a device, by failing_backend.h ---- */

static dualprop_backend device;
static dualprop_status device_says;

/* Parentheses: Check has a macro of that name. */
static dualprop_status create_device(void **instance, const dualprop_host *host, int type, int level)
{
    if (device_says != DUALPROP_OK) return (host->fail)(host->user_data, device_says, "so says the \"device\"\n\\");
    return dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)->create(instance, host, type, level);
}

static const dualprop_backend *device_table(void)
{
    return &device;
}

static void *device_symbol(void *user_data, void *module, const char *name)
{
    const dualprop_backend *(*entry)(void) = device_table;
    void *symbol;
    (void)user_data, (void)module, (void)name;
    memcpy(&symbol, &entry, sizeof symbol);
    return symbol;
}

/* Ask for `auto` beside a device that says `says`; the name of what came is copied. */
static dualprop_status ask_auto(char *name, char *text, size_t size, dualprop_status says, int numerics)
{
    int module = 0;
    dualprop_loader loader = { sizeof loader, any_module, device_symbol, a_reason, &module };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    const char *backend;
    device = *failing_backend_table(FAILING_DEVICE);
    device.create = create_device;
    device_says = says;
    failing_backend_arm(0, 0);
    options.loader = &loader;
    options.module = "/somewhere/libdualprop-cuda.so.0";
    options.numerics = numerics;
    dualprop_status status = dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options);
    if (status != DUALPROP_OK) return status;
    expect_ok(dualprop_context_info(NULL, NULL, &backend, context));
    snprintf(name, 32, "%s", backend);
    expect_ok(dualprop_context_describe(text, size, NULL, context));
    dualprop_context_destroy(context);
    return DUALPROP_OK;
}

START_TEST(auto_takes_a_device_that_is_there)
{
    char name[32], text[1024];
    for (int numerics = DUALPROP_NUMERICS_STRICT; numerics <= DUALPROP_NUMERICS_BF16; numerics++) {
        expect_ok(ask_auto(name, text, sizeof text, DUALPROP_OK, numerics));
        ck_assert_str_eq(name, "failing");
        ck_assert_msg(strstr(text, "a CUDA device is here"), "%s", text);
    }
}
END_TEST

/* What a device may lack is a reason for the CPU, in words that stay JSON; other failures are the caller's to know. */
START_TEST(auto_goes_on_without_a_device)
{
    static const dualprop_status reasons[] = { DUALPROP_ERROR_NO_BACKEND,      DUALPROP_ERROR_NO_DEVICE,
                                               DUALPROP_ERROR_BACKEND_VERSION, DUALPROP_ERROR_DEVICE,
                                               DUALPROP_ERROR_UNSUPPORTED,     DUALPROP_ERROR_NO_MEMORY };
    char name[32], text[1024];
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        expect_ok(ask_auto(name, text, sizeof text, reasons[i], DUALPROP_NUMERICS_STRICT));
        ck_assert(strcmp(name, "blis") == 0 || strcmp(name, "reference") == 0);
        ck_assert_msg(strstr(text, "not cuda: so says the \\u0022device\\u0022\\u000a\\u005c"), "%s", text);
    }
    expect_error(ask_auto(name, text, sizeof text, DUALPROP_ERROR_IO, DUALPROP_NUMERICS_STRICT), DUALPROP_ERROR_IO,
                 "so says");
    expect_error(ask_auto(name, text, sizeof text, DUALPROP_ERROR_NO_DEVICE, DUALPROP_NUMERICS_TF32),
                 DUALPROP_ERROR_UNSUPPORTED, "is for CUDA devices");
}
END_TEST

/* A table on the host's memory that cannot be opened, completed or used as it is; nothing is left of it. */
START_TEST(a_table_that_cannot_be_opened)
{
    failing_allocator memory = { .fail_at = 0 };
    dualprop_allocator allocator = failing_allocator_table(&memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.allocator = &allocator;
    options.backend = &device;
    for (int part = 0; part < 2; part++) {
        device = *failing_backend_table(part ? FAILING_FOLLOWERS : FAILING_HOST);
        device.create = create_device;
        device_says = DUALPROP_ERROR_DEVICE;
        expect_error(dualprop_context_create(&context, 0, &options), DUALPROP_ERROR_DEVICE, "so says");
        device_says = DUALPROP_OK;
        for (long at = 1; at == 1 || memory.failures > 0; at++) {
            memory.failures = 0;
            failing_allocator_arm(&memory, at, 0);
            dualprop_status status = dualprop_context_create(&context, 0, &options);
            ck_assert_int_eq(status, memory.failures > 0 ? DUALPROP_ERROR_NO_MEMORY : DUALPROP_OK);
            dualprop_context_destroy(context);
        }
        ck_assert_int_eq(memory.live_blocks, 0);
        failing_allocator_arm(&memory, 0, 0);
        options.numerics = DUALPROP_NUMERICS_BF16;
        expect_error(dualprop_context_create(&context, 0, &options), DUALPROP_ERROR_UNSUPPORTED, "precision bf16");
        options.numerics = DUALPROP_NUMERICS_STRICT;
        device.struct_size = offsetof(dualprop_backend, submit_deferred); /* of an older header */
        expect_ok(dualprop_context_create(&context, 0, &options));
        dualprop_context_destroy(context);
        device.name = NULL;
        expect_error(dualprop_context_create(&context, 0, &options), DUALPROP_ERROR_INVALID_ARGUMENT, "without a name");
    }
}
END_TEST

START_TEST(numbers_among_the_options_have_a_range)
{
    static const struct {
        int precision, threads, numerics, autotune, device, refused;
    } rows[] = { { 0, 1024, 0, 1, 7, 0 },
                 { 0, DUALPROP_ALL_CPUS, 0, 0, 0, 0 },
                 { 0, -2, 0, 0, 0, 1 },
                 { 0, 1025, 0, 0, 0, 1 },
                 { 0, 1, -1, 0, 0, 1 },
                 { 0, 1, DUALPROP_NUMERICS_BF16 + 1, 0, 0, 1 },
                 { DUALPROP_F64, 1, DUALPROP_NUMERICS_TF32, 0, 0, 1 },
                 { 0, 1, 0, 2, 0, 1 },
                 { 0, 1, 0, -1, 0, 1 },
                 { 0, 1, 0, 0, -1, 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        uint64_t bytes = 0;
        options.precision = rows[i].precision;
        options.threads = rows[i].threads;
        options.numerics = rows[i].numerics;
        options.autotune = rows[i].autotune;
        options.device = rows[i].device;
        dualprop_status status = dualprop_context_memory_needed(&bytes, DUALPROP_BACKEND_REFERENCE, &options);
        if (rows[i].refused) expect_error(status, DUALPROP_ERROR_INVALID_ARGUMENT, "options.");
        else expect_ok(status);
        ck_assert((bytes > 0) == !rows[i].refused);
    }
}
END_TEST

START_TEST(what_is_not_asked_for_is_not_written)
{
    dualprop_context *context = create(DUALPROP_BACKEND_REFERENCE, NULL);
    uint64_t current = 0, peak = 0, allocations = 0;
    int threads = 0;
    expect_ok(dualprop_context_memory(NULL, NULL, NULL, context));
    expect_ok(dualprop_context_memory(&current, &peak, &allocations, context));
    ck_assert(current > 0 && peak >= current && allocations > 0);
    expect_ok(dualprop_context_info(NULL, NULL, NULL, context));
    expect_ok(dualprop_context_info(NULL, &threads, NULL, context));
    ck_assert_int_eq(threads, 1);
    dualprop_context_destroy(context);
    expect_error(dualprop_context_create(&context, 99, NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "backend is 99");
}
END_TEST

START_TEST(a_description_is_cut_to_fit)
{
    dualprop_context *context = create(DUALPROP_BACKEND_REFERENCE, NULL);
    char whole[1024], part[1024];
    size_t needed, again;
    expect_ok(dualprop_context_describe(whole, sizeof whole, &needed, context));
    ck_assert_uint_eq(strlen(whole) + 1, needed);
    ck_assert(whole[0] == '{' && whole[needed - 2] == '}');
    for (size_t size = 0; size <= needed; size++) {
        memset(part, 'x', sizeof part);
        expect_ok(dualprop_context_describe(size ? part : NULL, size, &again, context));
        ck_assert_uint_eq(again, needed);
        if (size > 0) ck_assert_uint_eq(strlen(part), size - 1);
        ck_assert(memcmp(part, whole, size > 0 ? size - 1 : 0) == 0 && part[size] == 'x');
    }
    dualprop_context_destroy(context);
}
END_TEST

/* ---- the last error ---- */

struct worker {
    dualprop_context *context;
    char before[64], after[512];
};

static void *fail_in_a_thread(void *argument)
{
    struct worker *self = argument;
    expect_ok(dualprop_last_error(self->before, sizeof self->before, NULL, NULL));
    if (dualprop_context_set_limit(self->context, 99, 1) == DUALPROP_OK) return NULL;
    expect_ok(dualprop_last_error(self->after, sizeof self->after, NULL, NULL));
    return NULL;
}

START_TEST(each_thread_has_its_last_error_and_each_context_too)
{
    dualprop_context *first = create(DUALPROP_BACKEND_REFERENCE, NULL),
                     *second = create(DUALPROP_BACKEND_REFERENCE, NULL);
    struct worker worker = { first, "", "" };
    pthread_t thread;
    char text[512];
    ck_assert_int_eq(dualprop_context_set_limit(second, 77, 1), DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_in_a_thread, &worker), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(worker.before, "");
    ck_assert_ptr_nonnull(strstr(worker.after, "99"));
    expect_ok(dualprop_last_error(text, sizeof text, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(text, "77"));
    expect_ok(dualprop_last_error(text, sizeof text, NULL, first)); /* which this thread did not make */
    ck_assert_ptr_nonnull(strstr(text, "99"));
    expect_ok(dualprop_last_error(text, sizeof text, NULL, second));
    ck_assert_ptr_nonnull(strstr(text, "77"));
    dualprop_context_destroy(second);
    dualprop_context_destroy(first);
    expect_ok(dualprop_last_error(text, sizeof text, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(text, "77"));
}
END_TEST

/* ---- statuses ---- */

START_TEST(every_status_has_a_name_and_a_message)
{
    int named = 0;
    for (int status = -1; status < 1000; status++) {
        const char *name = dualprop_status_name(status), *message = dualprop_status_message(status);
        ck_assert(name && name[0] && message && message[0]);
        named += strncmp(name, "DUALPROP_ERROR_", 15) == 0;
    }
    ck_assert_int_ge(named, 23);
    ck_assert_str_eq(dualprop_status_name(DUALPROP_OK), "DUALPROP_OK");
}
END_TEST

Suite *test_context_suite(void)
{
    Suite *suite = suite_create("context");
    TCase *tests = tcase_create("context");
    tcase_add_test(tests, older_headers_are_served_and_newer_ones_are_not);
    tcase_add_test(tests, the_version_says_the_same_in_every_way);
    tcase_add_test(tests, shorter_options_are_completed);
    tcase_add_test(tests, longer_options_are_held_to_zero);
    tcase_add_test(tests, reserved_options_are_held_to_zero);
    tcase_add_test(tests, tables_of_other_sizes);
    tcase_add_test(tests, a_backend_that_is_absent_is_an_error_by_name_and_a_reason_for_auto);
    tcase_add_test(tests, a_module_of_another_version_is_refused);
    tcase_add_test(tests, auto_takes_a_device_that_is_there);
    tcase_add_test(tests, auto_goes_on_without_a_device);
    tcase_add_test(tests, a_table_that_cannot_be_opened);
    tcase_add_test(tests, numbers_among_the_options_have_a_range);
    tcase_add_test(tests, what_is_not_asked_for_is_not_written);
    tcase_add_test(tests, a_description_is_cut_to_fit);
    tcase_add_test(tests, each_thread_has_its_last_error_and_each_context_too);
    tcase_add_test(tests, every_status_has_a_name_and_a_message);
    suite_add_tcase(suite, tests);
    return suite;
}
