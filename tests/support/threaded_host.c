/*
 * threaded_host.c - parallel_for starts new threads each time and deals the indices out one by one, so that which
 * thread does what differs from run to run.
 */
#include "threaded_host.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MOST_THREADS 16

struct loop {
    void (*task)(void *argument, int64_t index);
    void *argument;
    int64_t count;
    atomic_llong next;
};

static void *work(void *argument)
{
    struct loop *loop = argument;
    for (;;) {
        int64_t index = atomic_fetch_add(&loop->next, 1);
        if (index >= loop->count) return NULL;
        loop->task(loop->argument, index);
    }
}

static void parallel_for(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    threaded_host *host = user_data;
    struct loop loop = { task, argument, count, 0 };
    pthread_t threads[MOST_THREADS];
    int helpers = 0;
    while (helpers < host->threads - 1 && helpers < count - 1 && helpers < MOST_THREADS)
        ck_assert_int_eq(pthread_create(&threads[helpers++], NULL, work, &loop), 0);
    work(&loop);
    for (int i = 0; i < helpers; i++) pthread_join(threads[i], NULL);
}

static int threads(void *user_data)
{
    return ((threaded_host *)user_data)->threads;
}

static void *allocate(void *user_data, size_t size, size_t alignment)
{
    dualprop_allocator *allocator = &((threaded_host *)user_data)->allocator;
    return allocator->allocate(allocator->user_data, size, alignment);
}

static void release(void *user_data, void *pointer, size_t size)
{
    dualprop_allocator *allocator = &((threaded_host *)user_data)->allocator;
    allocator->release(allocator->user_data, pointer, size);
}

static void drop_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data, (void)level, (void)component, (void)message;
}

static dualprop_status keep_failure(void *user_data, dualprop_status status, const char *sentence)
{
    threaded_host *host = user_data;
    snprintf(host->sentence, sizeof host->sentence, "%s", sentence);
    return status;
}

void threaded_host_init(threaded_host *host, int thread_count)
{
    memset(host, 0, sizeof *host);
    host->threads = thread_count;
    host->allocator = failing_allocator_table(&host->memory);
    host->host = (dualprop_host){
        .struct_size = sizeof(dualprop_host),
        .user_data = host,
        .allocate = allocate,
        .release = release,
        .parallel_for = parallel_for,
        .threads = threads,
        .log = drop_log,
        .fail = keep_failure,
    };
}
