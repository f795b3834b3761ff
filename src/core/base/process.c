/*
 * process.c - which process this is, asked so often that a system call would be felt.
 *
 * The id is kept and renewed in every forked child. Where the handler could not be registered the kernel is asked.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_long known; /* 0: not to be relied on */

static void renew(void)
{
    atomic_store_explicit(&known, (long)getpid(), memory_order_relaxed);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, renew) == 0) renew();
}

pid_t dualprop__process_id(void)
{
    long id = atomic_load_explicit(&known, memory_order_relaxed);
    if (id != 0) return (pid_t)id;
    pthread_once(&once, watch_forks);
    id = atomic_load_explicit(&known, memory_order_relaxed);
    return id != 0 ? (pid_t)id : getpid();
}
