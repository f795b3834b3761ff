/*
 * thread_pool.c - loops shared between the calling thread and the workers of a context.
 *
 * One loop runs at a time. Each thread has a share of its indices: neighbours, handed out by an atomic counter. Who has
 * done its own share helps with the others', so no thread waits for a worker that does not come. A thread's share of
 * loops of one length is always the same, so that what it works on stays in its caches: where two threads have no cache
 * in common, that is worth half of a training step. The word `phase` orders the rest:
 *
 *     bits 0..15   how many workers are inside the loop
 *     bit  16      the loop is open: workers may enter
 *     bits 17..63  its number
 *
 * The caller writes the loop, opens it, works, closes it, and waits until the last worker has left; then nothing can
 * touch the loop any more. Who waits first spins for a short while, so that loops that follow each other closely
 * start within a microsecond or two, and then sleeps on a condition.
 *
 * A caller that finds the pool busy (another thread's loop, or a loop inside a loop) and a forked child, in which the
 * workers do not exist, run their loops alone. Results cannot differ: which thread runs an index makes no difference.
 */
#include <limits.h>
#include <signal.h>
#include <stdalign.h>
#include <time.h>

#include "platform.h"

#define INSIDE ((uint64_t)0xffff)
#define OPEN ((uint64_t)1 << 16)
#define NUMBER ((uint64_t)1 << 17)

#define SPIN_NANOSECONDS 80000

/* Indices next .. end - 1 are left; next may run beyond the end. */
struct share {
    alignas(64) atomic_int_fast64_t next;
    int64_t end;
};

struct dualprop__pool {
    dualprop_context *context;
    int process;          /* whose threads the workers are: its number */
    int workers;          /* as started */
    int64_t spin;         /* nanoseconds; 0 if there are more threads than CPUs */
    void **threads;       /* [workers] */
    struct share *shares; /* [workers + 1]; the first is the caller's */
    atomic_int born;      /* workers that run */
    atomic_int busy;      /* a caller has the pool */
    atomic_int ending;    /* workers shall leave */

    void (*task)(void *argument, int64_t index);
    void *argument;
    int64_t count;
    dualprop__float_mode mode; /* the caller's: workers compute as it does */

    alignas(64) _Atomic uint64_t phase;
    atomic_int idle;    /* workers that sleep or are about to */
    atomic_int waiting; /* the caller sleeps or is about to */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
};

/* ---- waiting ---- */

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spin until ready says so; 0 when the time is over. */
static int spin_until(dualprop__pool *pool, int (*ready)(dualprop__pool *pool, uint64_t number), uint64_t number)
{
    if (ready(pool, number)) return 1;
    if (pool->spin == 0) return 0;
    int64_t end = nanoseconds() + pool->spin;
    do {
        for (int i = 0; i < 16; i++) {
            pause_cpu();
            if (ready(pool, number)) return 1;
        }
    } while (nanoseconds() < end);
    return 0;
}

/* ---- the worker's side ---- */

static int has_work(dualprop__pool *pool, uint64_t last)
{
    uint64_t phase = atomic_load(&pool->phase);
    return ((phase & OPEN) && phase / NUMBER != last) || atomic_load(&pool->ending);
}

static void sleep_until_work(dualprop__pool *pool, uint64_t last)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->idle, 1);
    while (!has_work(pool, last)) pthread_cond_wait(&pool->work, &pool->lock);
    atomic_fetch_sub(&pool->idle, 1);
    pthread_mutex_unlock(&pool->lock);
}

/* Enter the open loop; 0 when it was closed meanwhile. */
static int enter_loop(dualprop__pool *pool, uint64_t *number)
{
    uint64_t phase = atomic_load(&pool->phase);
    while (phase & OPEN) {
        if (!atomic_compare_exchange_weak(&pool->phase, &phase, phase + 1)) continue;
        *number = phase / NUMBER;
        return 1;
    }
    return 0;
}

static void leave_loop(dualprop__pool *pool)
{
    uint64_t phase = atomic_fetch_sub(&pool->phase, 1) - 1;
    if ((phase & (OPEN | INSIDE)) != 0 || !atomic_load(&pool->waiting)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
}

static void run_share(dualprop__pool *pool, struct share *share)
{
    while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
        int64_t index = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
        if (index < share->end) pool->task(pool->argument, index);
    }
}

/* The thread's own share first, then those of the threads after it. */
static void run_shares(dualprop__pool *pool, int thread)
{
    int threads = pool->workers + 1;
    for (int i = 0; i < threads; i++) run_share(pool, &pool->shares[(thread + i) % threads]);
}

static void *worker_main(void *argument)
{
    dualprop__pool *pool = argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    int thread = atomic_fetch_add(&pool->born, 1) + 1;
    uint64_t last = 0;
    while (!atomic_load(&pool->ending)) {
        if (!spin_until(pool, has_work, last)) sleep_until_work(pool, last);
        if (!enter_loop(pool, &last)) continue;
        dualprop__float_mode_set(pool->mode);
        run_shares(pool, thread);
        leave_loop(pool);
    }
    return NULL;
}

/* ---- the caller's side ---- */

static int all_left(dualprop__pool *pool, uint64_t unused)
{
    (void)unused;
    return (atomic_load(&pool->phase) & INSIDE) == 0;
}

static void sleep_until_left(dualprop__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, 1);
    while (!all_left(pool, 0)) pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->waiting, 0);
    pthread_mutex_unlock(&pool->lock);
}

/* Workers that still spin come by themselves; of those that sleep no more than can be of use are woken. */
static void wake(dualprop__pool *pool, int64_t useful)
{
    int idle = atomic_load(&pool->idle);
    if (idle == 0) return;
    pthread_mutex_lock(&pool->lock);
    if (useful >= idle) pthread_cond_broadcast(&pool->work);
    else
        for (int64_t i = 0; i < useful; i++) pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* Shares differ by one index at most, the longer ones first. */
static void share_indices(dualprop__pool *pool)
{
    int64_t threads = pool->workers + 1, each = pool->count / threads, longer = pool->count % threads, next = 0;
    for (int64_t i = 0; i < threads; i++) {
        atomic_store_explicit(&pool->shares[i].next, next, memory_order_relaxed);
        next += each + (i < longer);
        pool->shares[i].end = next;
    }
}

static void open_loop(dualprop__pool *pool)
{
    uint64_t number = atomic_load(&pool->phase) / NUMBER + 1;
    share_indices(pool);
    atomic_store(&pool->phase, number * NUMBER | OPEN);
}

static void run_shared(dualprop__pool *pool)
{
    open_loop(pool);
    wake(pool, pool->count - 1);
    run_shares(pool, 0);
    atomic_fetch_and(&pool->phase, ~OPEN);
    if (!spin_until(pool, all_left, 0)) sleep_until_left(pool);
}

static void run_alone(void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    for (int64_t i = 0; i < count; i++) task(argument, i);
}

void dualprop__pool_run(dualprop__pool *pool, void (*task)(void *argument, int64_t index), void *argument,
                        int64_t count)
{
    if (!pool || pool->workers == 0 || count < 2 || pool->process != dualprop__process_number() ||
        atomic_exchange(&pool->busy, 1)) {
        run_alone(task, argument, count);
        return;
    }
    int shield = dualprop__shield_begin(); /* a caller that were cancelled here would leave the workers in its loop */
    pool->task = task;
    pool->argument = argument;
    pool->count = count;
    pool->mode = dualprop__float_mode_get();
    run_shared(pool);
    atomic_store(&pool->busy, 0);
    dualprop__shield_end(shield);
}

/* ---- starting and ending ---- */

static int default_start(void *user_data, void **thread, void *(*main)(void *), void *argument)
{
    (void)user_data;
    pthread_t made;
    int error = pthread_create(&made, NULL, main, argument);
    if (error == 0) *thread = (void *)(uintptr_t)made;
    return error;
}

static void default_join(void *user_data, void *thread)
{
    (void)user_data;
    pthread_join((pthread_t)(uintptr_t)thread, NULL);
}

const dualprop_threads dualprop__default_threads = { sizeof(dualprop_threads), default_start, default_join, NULL };

/* Start workers until there are enough or one cannot be started. They are born with all signals blocked. */
static void start_workers(dualprop__pool *pool, int wanted)
{
    const dualprop_threads *hooks = &pool->context->thread_hooks;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->workers < wanted) {
        int error = hooks->start(hooks->user_data, &pool->threads[pool->workers], worker_main, pool);
        if (error != 0) {
            dualprop__log(pool->context, DUALPROP_LOG_WARNING, "threads", "worker %d could not be started: error %d",
                          pool->workers + 1, error);
            break;
        }
        pool->workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void release_pool(dualprop__pool *pool)
{
    dualprop_context *context = pool->context;
    dualprop__release(context, pool->shares);
    dualprop__release(context, pool->threads);
    dualprop__release(context, pool);
}

dualprop_status dualprop__pool_create(dualprop__pool **pool, dualprop_context *context, int threads)
{
    *pool = NULL;
    dualprop__pool *made = dualprop__allocate(context, sizeof *made);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    made->context = context;
    made->process = dualprop__process_number();
    made->spin = threads <= dualprop__allowed_cpus() ? SPIN_NANOSECONDS : 0;
    made->threads = dualprop__allocate_array(context, (size_t)threads, sizeof *made->threads);
    made->shares = dualprop__allocate_array(context, (size_t)threads, sizeof *made->shares);
    if (!made->threads || !made->shares) {
        release_pool(made);
        return DUALPROP_ERROR_NO_MEMORY;
    }
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->done, NULL);
    start_workers(made, threads - 1);
    *pool = made;
    return DUALPROP_OK;
}

static void end_workers(dualprop__pool *pool)
{
    const dualprop_threads *hooks = &pool->context->thread_hooks;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->ending, 1);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->workers; i++) hooks->join(hooks->user_data, pool->threads[i]);
}

void dualprop__pool_destroy(dualprop__pool *pool)
{
    if (!pool) return;
    if (pool->process == dualprop__process_number()) { /* in a forked child there is nothing to end */
        end_workers(pool);
        pthread_cond_destroy(&pool->done);
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->lock);
    }
    release_pool(pool);
}

int dualprop__pool_threads(const dualprop__pool *pool)
{
    return pool ? pool->workers + 1 : 1;
}
