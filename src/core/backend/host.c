/*
 * host.c - what a backend gets from its context: memory, threads, the log, the last error.
 */
#include <sched.h>
#include <stdatomic.h>

#include "core/platform/platform.h"
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

/* ---- loops on the caller's threads ---- */

#define MOST_UNITS 1024

/*
 * A loop in the hands of the caller's parallel_for, as at most MOST_UNITS units of neighbouring tasks. It is code that
 * we do not know: it may leave units out (a callback from Python that raised an exception runs nothing, and reports
 * nothing), run one twice, or return while one still runs. So each unit is claimed by who runs it first; the calling
 * thread then runs what is left, and waits for the others. A result is never made of tasks that did not run.
 */
struct loop {
    void (*task)(void *argument, int64_t index);
    void *argument;
    int64_t count, units;
    dualprop__float_mode mode; /* the caller's: all compute as it does */
    atomic_int ended;          /* units */
    atomic_uchar claimed[MOST_UNITS];
};

/* 0: another thread has run it, or is running it. */
static int run_unclaimed(struct loop *loop, int64_t unit)
{
    if (unit < 0 || unit >= loop->units || atomic_exchange(&loop->claimed[unit], 1)) return 0;
    int64_t each = loop->count / loop->units, longer = loop->count % loop->units;
    int64_t first = unit * each + (unit < longer ? unit : longer), end = first + each + (unit < longer);
    dualprop__float_mode own = dualprop__float_mode_get();
    dualprop__float_mode_set(loop->mode);
    for (int64_t i = first; i < end; i++) loop->task(loop->argument, i);
    dualprop__float_mode_set(own);
    atomic_fetch_add(&loop->ended, 1);
    return 1;
}

static void run_loop_unit(void *argument, int64_t unit)
{
    run_unclaimed(argument, unit);
}

static void run_by_caller(dualprop_context *context, void (*task)(void *argument, int64_t index), void *argument,
                          int64_t count)
{
    struct loop loop = { task, argument, count, count < MOST_UNITS ? count : MOST_UNITS, dualprop__float_mode_get(),
                         0,    { 0 } };
    int64_t left = 0;
    int shield =
        dualprop__shield_begin(); /* as in the pool: cancelled here, a caller would leave the others in its loop */
    context->run(context->run_data, run_loop_unit, &loop, loop.units);
    for (int64_t unit = 0; unit < loop.units; unit++) left += run_unclaimed(&loop, unit);
    while (atomic_load(&loop.ended) < loop.units) sched_yield();
    if (left > 0)
        dualprop__log(context, DUALPROP_LOG_WARNING, "threads",
                      "the caller's parallel_for ran %lld of %lld tasks; the calling thread ran the others",
                      (long long)(loop.units - left), (long long)loop.units);
    dualprop__shield_end(shield);
}

/* A forked child has only itself, and neither our workers nor the caller's. */
static void host_parallel_for(void *user_data, void (*task)(void *argument, int64_t index), void *argument,
                              int64_t count)
{
    dualprop_context *context = user_data;
    if (count <= 0) return;
    if (context->run && context->process_number == dualprop__process_number())
        run_by_caller(context, task, argument, count);
    else dualprop__pool_run(context->pool, task, argument, count);
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
