/*
 * process.c - which process this is, asked so often that a system call would be felt.
 *
 * The id is kept and renewed in every forked child. Where the handler could not be registered the kernel is asked. Ids
 * are no proof: in namespaces of their own parent and child may have the same. So the forks on the way to this process
 * are counted too, and what a handle remembers of its process is that number.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_long known; /* 0: not to be relied on */
static atomic_int forks = 1;

static void renew(void)
{
    atomic_store_explicit(&known, (long)getpid(), memory_order_relaxed);
}

static void count_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    renew();
}

static void register_fork_handler(void)
{
    if (pthread_atfork(NULL, NULL, count_fork) == 0) renew();
}

pid_t dualprop__process_id(void)
{
    long id = atomic_load_explicit(&known, memory_order_relaxed);
    if (id != 0) return (pid_t)id;
    pthread_once(&once, register_fork_handler);
    id = atomic_load_explicit(&known, memory_order_relaxed);
    return id != 0 ? (pid_t)id : getpid();
}

int dualprop__process_number(void)
{
    pid_t id = dualprop__process_id();
    return atomic_load_explicit(&known, memory_order_relaxed) != 0 ? atomic_load_explicit(&forks, memory_order_relaxed)
                                                                   : (int)id;
}

dualprop_status dualprop__enter(const dualprop_context *context, atomic_int *busy, const char *name)
{
    int holder = 0, number = dualprop__process_number();
    if (atomic_compare_exchange_strong(busy, &holder, number)) return DUALPROP_OK;
    if (holder == number) return dualprop__fail(context, DUALPROP_ERROR_BUSY, "%s is in use by another call", name);
    return dualprop__fail(context, DUALPROP_ERROR_FORKED,
                          "%s was in use when this process was forked off; it can only be destroyed here", name);
}

void dualprop__leave(atomic_int *busy)
{
    atomic_store(busy, 0);
}
