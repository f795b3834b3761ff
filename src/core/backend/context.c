/*
 * context.c - the context: made from settings, counted, described, cancelled.
 *
 * It lives as long as the caller's handle or any child of it does. dualprop_context_destroy() makes the handle dead at
 * once, so that nothing new is made from it; the last child to go takes everything else along.
 */
#include <stdio.h>
#include <string.h>

#include "backend_internal.h"

static const uint64_t default_limits[DUALPROP__LIMITS] = {
    [DUALPROP_LIMIT_HEADER_BYTES] = (uint64_t)16 << 20,
    [DUALPROP_LIMIT_TENSORS] = 65536,
    [DUALPROP_LIMIT_NAME_BYTES] = 1024,
    [DUALPROP_LIMIT_FILE_BYTES] = (uint64_t)64 << 30,
    [DUALPROP_LIMIT_TEXTS] = 16384,
};

/* ---- creating and destroying ---- */

static dualprop_context *allocate_context(const struct dualprop__settings *settings)
{
    const dualprop_allocator *allocator = &settings->allocator;
    size_t size = dualprop__round_up(sizeof(dualprop_context));
    dualprop_context *context = allocator->allocate(allocator->user_data, size, 64);
    if (!context) return NULL;
    memset(context, 0, sizeof *context);
    atomic_store(&context->memory_current, size);
    atomic_store(&context->memory_peak, size);
    atomic_store(&context->memory_allocations, 1);
    return context;
}

static void copy_settings(dualprop_context *context, const struct dualprop__settings *settings)
{
    context->magic = DUALPROP__CONTEXT;
    atomic_store(&context->references, 1);
    context->process = dualprop__process_id();
    context->process_number = dualprop__process_number();
    pthread_mutex_init(&context->lock, NULL);
    context->precision = settings->options.precision;
    context->real_size = dualprop__type_size(context->precision);
    context->level = settings->options.level;
    context->numerics = settings->options.numerics;
    context->autotune = settings->options.autotune;
    context->device = settings->options.device;
    context->module = settings->options.module;
    context->allocator = context->own_allocator = settings->allocator;
    context->io = settings->io;
    context->thread_hooks = settings->thread_hooks;
    context->loader = settings->loader;
    memcpy(context->limits, default_limits, sizeof default_limits);
    dualprop__host_fill(context);
}

/* Fewer threads than asked for will do; none at all where some were asked for by number will not. */
static dualprop_status start_threads(dualprop_context *context, int threads)
{
    int wanted = threads == DUALPROP_ALL_CPUS ? dualprop__allowed_cpus() : threads;
    if (wanted > 1024) wanted = 1024;
    DUALPROP__TRY(dualprop__pool_create(&context->pool, context, wanted));
    context->threads = dualprop__pool_threads(context->pool);
    if (context->threads == 1 && threads > 1)
        return dualprop__fail(context, DUALPROP_ERROR_THREAD, "none of the %d worker threads could be started",
                              wanted - 1);
    return DUALPROP_OK;
}

/* Joining threads is a point where pthread_cancel() takes effect; half of a context could not be destroyed again. */
static void destroy_context(dualprop_context *context)
{
    int shield = dualprop__shield_begin();
    if (context->backend.destroy) context->backend.destroy(context->instance); /* else none was opened */
    dualprop__pool_destroy(context->pool);
    dualprop__custom_parts_destroy(context);
    dualprop__error_detach(context);
    if (context->process_number == dualprop__process_number()) pthread_mutex_destroy(&context->lock);
    context->magic = DUALPROP__DEAD;
    dualprop_allocator allocator = context->own_allocator;
    allocator.release(allocator.user_data, context, dualprop__round_up(sizeof *context));
    dualprop__shield_end(shield);
}

static dualprop_status create_context(dualprop_context **context, int backend,
                                      const struct dualprop__settings *settings)
{
    dualprop_context *made = allocate_context(settings);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    copy_settings(made, settings);
    dualprop_status status = start_threads(made, settings->options.threads);
    if (status == DUALPROP_OK) status = dualprop__registry_open(made, backend, settings->options.backend);
    made->module = NULL;
    if (status == DUALPROP_OK) *context = made;
    else destroy_context(made);
    return status;
}

dualprop_status dualprop_context_create(dualprop_context **context, int backend, const dualprop_options *options)
{
    DUALPROP__REQUIRE(NULL, context, DUALPROP_ERROR_INVALID_ARGUMENT, "dualprop_context_create: context is NULL");
    *context = NULL;
    struct dualprop__settings settings;
    DUALPROP__TRY(dualprop__settings_read(&settings, options));
    int shield = dualprop__shield_begin(); /* a thread cancelled in here would leave worker threads behind */
    dualprop_status status = create_context(context, backend, &settings);
    dualprop__shield_end(shield);
    return dualprop__whole_memory(NULL, status, "a context", 0, "dualprop_context_memory_needed");
}

dualprop_status dualprop_context_memory_needed(uint64_t *bytes, int backend, const dualprop_options *options)
{
    dualprop_context *made;
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__TRY(dualprop_context_create(&made, backend, options));
    *bytes = atomic_load(&made->memory_current);
    dualprop_context_destroy(made);
    return DUALPROP_OK;
}

void dualprop__context_retain(dualprop_context *context)
{
    atomic_fetch_add(&context->references, 1);
}

void dualprop__context_release(dualprop_context *context)
{
    if (atomic_fetch_sub(&context->references, 1) == 1) destroy_context(context);
}

void dualprop_context_destroy(dualprop_context *context)
{
    if (!context) return;
    if (dualprop__check_handle(context, DUALPROP__CONTEXT, "context", __func__) != DUALPROP_OK) return;
    context->magic = DUALPROP__DEAD;
    dualprop__context_release(context);
}

/* In a forked child the CPU goes on with one thread; a device does not. */
dualprop_status dualprop__context_enter(dualprop_context *context)
{
    if (context->process_number == dualprop__process_number() || dualprop__is_on_host(context)) return DUALPROP_OK;
    return dualprop__fail(context, DUALPROP_ERROR_FORKED,
                          "the context was created in process %ld and its device cannot be used in process %ld",
                          (long)context->process, (long)dualprop__process_id());
}

/* ---- settings that may change ---- */

dualprop_status dualprop_context_set_log(dualprop_context *context, dualprop_log log, void *user_data, int level)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, level >= DUALPROP_LOG_ERROR && level <= DUALPROP_LOG_DEBUG,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "level is %d, expected one of DUALPROP_LOG_...", level);
    DUALPROP__REQUIRE(context, dualprop__context_lock(context), DUALPROP_ERROR_FORKED,
                      "the context was in use when this process was forked off; its log cannot be set here");
    context->log = log;
    context->log_data = user_data;
    context->log_level = level;
    pthread_mutex_unlock(&context->lock);
    char kernels[256] = "";
    context->backend.describe(context->instance, kernels, sizeof kernels);
    dualprop__log(context, DUALPROP_LOG_INFO, "context", "backend %s (%s), level %s, %s, %d thread%s: %s",
                  context->backend.name, kernels, dualprop_name(DUALPROP_NAMES_LEVEL, context->level),
                  dualprop_name(DUALPROP_NAMES_TYPE, context->precision), context->threads,
                  context->threads == 1 ? "" : "s", context->why);
    return DUALPROP_OK;
}

dualprop_status dualprop_context_set_allocator(dualprop_context *context, const dualprop_allocator *allocator)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    dualprop_allocator read = context->own_allocator;
    if (allocator) DUALPROP__TRY(dualprop__allocator_read(&read, allocator));
    context->allocator = read;
    return DUALPROP_OK;
}

dualprop_status dualprop_context_set_parallel_for(dualprop_context *context, dualprop_parallel_for run, void *user_data,
                                                  int threads)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, !run || (threads >= 1 && threads <= 1024), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "threads is %d, expected 1 to 1024", threads);
    context->run = run;
    context->run_data = user_data;
    context->threads = run ? threads : dualprop__pool_threads(context->pool);
    return DUALPROP_OK;
}

dualprop_status dualprop_context_set_stream(dualprop_context *context, void *stream)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    DUALPROP__REQUIRE(context, context->backend.set_stream, DUALPROP_ERROR_UNSUPPORTED, "the backend %s has no streams",
                      context->backend.name);
    return context->backend.set_stream(context->instance, stream);
}

dualprop_status dualprop_context_synchronize(dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__TRY(dualprop__context_enter(context));
    return context->backend.synchronize(context->instance);
}

dualprop_status dualprop_context_cancel(dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    atomic_store(&context->cancelled, 1);
    return DUALPROP_OK;
}

dualprop_status dualprop_context_resume(dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    atomic_store(&context->cancelled, 0);
    return DUALPROP_OK;
}

dualprop_status dualprop_context_set_limit(dualprop_context *context, int limit, uint64_t value)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, limit >= 0 && limit < DUALPROP__LIMITS, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "limit is %d, expected one of DUALPROP_LIMIT_...", limit);
    DUALPROP__REQUIRE(context, value > 0, DUALPROP_ERROR_INVALID_ARGUMENT, "value is 0, expected 1 or more");
    context->limits[limit] = value;
    return DUALPROP_OK;
}

/* ---- what there is to know ---- */

dualprop_status dualprop_context_info(int *precision, int *threads, const char **backend,
                                      const dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    if (precision) *precision = context->precision;
    if (threads) *threads = context->threads;
    if (backend) *backend = context->backend.name;
    return DUALPROP_OK;
}

dualprop_status dualprop_context_memory(uint64_t *current, uint64_t *peak, uint64_t *allocations,
                                        const dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    if (current) *current = atomic_load(&context->memory_current);
    if (peak) *peak = atomic_load(&context->memory_peak);
    if (allocations) *allocations = atomic_load(&context->memory_allocations);
    return DUALPROP_OK;
}

/* A JSON object as it grows; what does not fit is left out, and length says how long the whole is. */
struct text {
    char *buffer;
    size_t size, length;
};

static void append(struct text *text, const char *piece)
{
    for (; *piece; piece++, text->length++)
        if (text->length + 1 < text->size) text->buffer[text->length] = *piece;
}

static void append_quoted(struct text *text, const char *piece)
{
    char escaped[8];
    append(text, "\"");
    for (; *piece; piece++) {
        unsigned char c = (unsigned char)*piece;
        if (c < 0x20 || c == '"' || c == '\\') snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else snprintf(escaped, sizeof escaped, "%c", c);
        append(text, escaped);
    }
    append(text, "\"");
}

static void append_member(struct text *text, const char *key, const char *value)
{
    append(text, ", ");
    append_quoted(text, key);
    append(text, ": ");
    append_quoted(text, value);
}

dualprop_status dualprop_context_describe(char *buffer, size_t size, size_t *needed, const dualprop_context *context)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, buffer || size == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "buffer is NULL, expected %zu bytes of memory", size);
    struct text text = { buffer, size, 0 };
    char kernels[256] = "", threads[32];
    context->backend.describe(context->instance, kernels, sizeof kernels);
    snprintf(threads, sizeof threads, "{\"threads\": %d", context->threads);
    append(&text, threads);
    append_member(&text, "backend", context->backend.name);
    append_member(&text, "level", dualprop_name(DUALPROP_NAMES_LEVEL, context->level));
    append_member(&text, "kernels", kernels);
    append_member(&text, "precision", dualprop_name(DUALPROP_NAMES_TYPE, context->precision));
    append_member(&text, "numerics", dualprop_name(DUALPROP_NAMES_NUMERICS, context->numerics));
    append_member(&text, "why", context->why);
    append(&text, "}");
    if (size > 0) buffer[text.length < size ? text.length : size - 1] = '\0';
    if (size > 0) dualprop__utf8_mend(buffer); /* the cut may have gone through a character */
    if (needed) *needed = text.length + 1;
    return DUALPROP_OK;
}
