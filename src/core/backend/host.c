/*
 * host.c - what a backend gets from its context: memory, threads, the log, the last error.
 */
#include "backend_internal.h"

static void *host_allocate(void *user_data, size_t size, size_t alignment)
{
    return dualprop__allocate_aligned(user_data, size, alignment);
}

static void host_release(void *user_data, void *pointer, size_t size)
{
    (void)size;
    dualprop__release(user_data, pointer);
}

/* A forked child has only itself, and neither our workers nor the caller's. */
static void host_parallel_for(void *user_data, void (*task)(void *argument, int64_t index), void *argument,
                              int64_t count)
{
    dualprop_context *context = user_data;
    if (!context->run || context->process != dualprop__process_id()) {
        dualprop__pool_run(context->pool, task, argument, count);
        return;
    }
    int shield = dualprop__shield_begin(); /* as in the pool: a caller that were cancelled here would leave the others
                                              in its loop */
    context->run(context->run_data, task, argument, count);
    dualprop__shield_end(shield);
}

static int host_threads(void *user_data)
{
    return ((dualprop_context *)user_data)->threads;
}

static void host_log(void *user_data, int level, const char *component, const char *message)
{
    dualprop__log(user_data, level, component, "%s", message);
}

static dualprop_status host_fail(void *user_data, dualprop_status status, const char *sentence)
{
    return dualprop__fail(user_data, status, "%s", sentence);
}

void dualprop__host_fill(dualprop_context *context)
{
    context->host = (dualprop_host){
        .struct_size = sizeof(dualprop_host),
        .user_data = context,
        .allocate = host_allocate,
        .release = host_release,
        .parallel_for = host_parallel_for,
        .threads = host_threads,
        .log = host_log,
        .fail = host_fail,
        .numerics = context->numerics,
        .autotune = context->autotune,
        .device = context->device,
    };
}
