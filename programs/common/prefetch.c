/*
 * prefetch.c - a lock, a condition, and two numbers.
 */
#include "prefetch.h"

#include <signal.h>
#include <string.h>

static void *serve(void *argument)
{
    prefetch *self = argument;

    pthread_mutex_lock(&self->lock);
    while (!self->ending) {
        int64_t index = self->asked;
        if (index == self->done) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        self->work(self->context, index);
        pthread_mutex_lock(&self->lock);
        self->done = index;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* Signals are the main thread's: Ctrl-C must not interrupt the copying. */
static void start_thread(prefetch *self)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    self->has_thread = pthread_create(&self->thread, NULL, serve, self) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void prefetch_begin(prefetch *self, prefetch_work work, void *context, int with_thread)
{
    memset(self, 0, sizeof *self);
    self->work = work;
    self->context = context;
    self->asked = self->done = -1;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    if (with_thread) start_thread(self);
}

void prefetch_end(prefetch *self)
{
    if (self->work == NULL) return;
    if (self->has_thread) {
        pthread_mutex_lock(&self->lock);
        self->ending = 1;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    memset(self, 0, sizeof *self);
}

void prefetch_ask(prefetch *self, int64_t index)
{
    if (!self->has_thread) return;
    pthread_mutex_lock(&self->lock);
    self->asked = index;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Wait until the thread has nothing to do; lock is held. */
static void wait_idle(prefetch *self)
{
    while (self->done != self->asked) pthread_cond_wait(&self->changed, &self->lock);
}

void prefetch_wait(prefetch *self, int64_t index)
{
    pthread_mutex_lock(&self->lock);
    wait_idle(self);
    int is_done = self->done == index;
    pthread_mutex_unlock(&self->lock);
    if (!is_done) self->work(self->context, index);
}

void prefetch_forget(prefetch *self)
{
    pthread_mutex_lock(&self->lock);
    wait_idle(self);
    self->asked = self->done = -1;
    pthread_mutex_unlock(&self->lock);
}
