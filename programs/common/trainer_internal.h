/*
 * trainer_internal.h - what a run holds, and what its parts offer each other. For trainer*.c only.
 */
#ifndef PROGRAMS_TRAINER_INTERNAL_H
#define PROGRAMS_TRAINER_INTERNAL_H

#include "attack.h"
#include "batches.h"
#include "build_run.h"
#include "progress.h"
#include "run_log.h"
#include "trainer.h"

#define TOP 5

struct trainer {
    host *owner;
    const settings *run;
    dataset data;
    char dataset_name[40]; /* as --dataset takes it */
    int64_t train_count;   /* the rest of data.train is for validation */
    batches batches;       /* of the samples before */
    dualprop_context *context;
    dualprop_group *group; /* of the processes of this run; NULL: this one alone */
    int64_t piece;         /* samples that are evaluated at a time */
    double *losses;        /* [processes] of the samples each has evaluated last */
    run_parts parts;
    dualprop_state *state;
    audit *audit;   /* NULL: no diagnostics */
    attack *attack; /* NULL: neither --adversarial nor --attack */
    audit_weights weights;
    run_position position;
    run_log log, audit_log;
    progress progress;
    int layers, classes;
    int64_t trained;             /* samples in this process */
    scores test;                 /* of the network after the last epoch, or at the end of the best */
    int restored;                /* parts.network is the best one now, no longer the last */
    dualprop_status save_status; /* of the last attempt */
};

/* Train what is left of an epoch, evaluate, log and save. CANCELLED, with no sentence, after Ctrl-C. */
dualprop_status trainer_epoch(trainer *self);
/* Evaluate count samples from first on. CANCELLED, with no sentence, after Ctrl-C. */
dualprop_status trainer_evaluate(scores *out, trainer *self, const samples *set, int64_t first, int64_t count);
/* The signal that asks this run to stop, or 0: the same in all processes after the same collective call. */
int trainer_interrupted(const trainer *self);
/* Tell the other processes of a failure that only this one knows of; returns status. */
dualprop_status trainer_tell(const trainer *self, dualprop_status status);
/* Save where a checkpoint is wanted. */
dualprop_status trainer_save(trainer *self);
/* What writing to a log came to. A full disk must not end a long run: it is said, and makes the exit status 1. */
void trainer_note_log(trainer *self, dualprop_status status);

/* What is said on stdout. */
void trainer_print_start(const trainer *self);
void trainer_print_epoch(const trainer *self, const epoch_report *report);
void trainer_print_given_up(const trainer *self);
void trainer_print_test(const trainer *self);

#endif
