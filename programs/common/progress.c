/*
 * progress.c - rate and time left from the samples done so far.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double progress_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(progress *self, int quiet, int64_t total)
{
    memset(self, 0, sizeof *self);
    self->quiet = quiet;
    self->terminal = isatty(STDERR_FILENO);
    self->begun = self->shown = progress_clock();
    self->total = total;
}

static void draw(progress *self, double now, int64_t epoch, int64_t epochs)
{
    double rate = (double)self->done / (now - self->begun);
    long left = (long)((double)(self->total - self->done) / rate + 0.5);

    fprintf(stderr, "\repoch %lld/%lld  %.0f samples/s  %ld:%02ld left \033[K", (long long)epoch, (long long)epochs,
            rate, left / 60, left % 60);
    fflush(stderr);
    self->drawn = 1;
    self->shown = now;
}

void progress_add(progress *self, int64_t samples, int64_t epoch, int64_t epochs)
{
    self->done += samples;
    if (self->quiet || !self->terminal) return;
    double now = progress_clock();
    if (now - self->shown >= 0.1) draw(self, now, epoch, epochs);
}

void progress_clear(progress *self)
{
    if (!self->drawn) return;
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
    self->drawn = 0;
}
