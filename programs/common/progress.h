/*
 * progress.h - how far a run is: one line that is written over on a terminal, one line an epoch everywhere.
 */
#ifndef PROGRAMS_PROGRESS_H
#define PROGRAMS_PROGRESS_H

#include <stdint.h>

typedef struct progress {
    int quiet, terminal; /* terminal: stderr is one, so that a line there can be written over */
    int drawn;           /* such a line stands there now */
    double begun, shown; /* seconds of the clock */
    int64_t done;        /* samples since begun */
    int64_t total;       /* samples from begun to the end of the run */
} progress;

/* Seconds of a clock that only goes forward. */
double progress_clock(void);
/* Begin; total samples are to be trained on. */
void progress_begin(progress *self, int quiet, int64_t total);
/* So many more samples are done; on a terminal, at most ten times a second, the line is drawn again. */
void progress_add(progress *self, int64_t samples, int64_t epoch, int64_t epochs);
/* Take the line away, before something else is written. */
void progress_clear(progress *self);

#endif
