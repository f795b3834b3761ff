/*
 * run_position.h - where a run stands: all that a checkpoint holds besides network, rule and optimizer.
 *
 * No times are in it, so that equal runs write equal files.
 */
#ifndef PROGRAMS_RUN_POSITION_H
#define PROGRAMS_RUN_POSITION_H

#include <jansson.h>

#include "audit.h"

typedef struct run_position {
    int64_t epoch; /* epochs finished */
    int64_t batch; /* batches finished of the one after */
    /* Of that epoch so far: */
    int64_t samples, correct;
    double loss;          /* summed over samples */
    double learning_rate; /* of the last step */
    double validation;    /* accuracy after the last finished epoch */
    int64_t best_epoch;   /* the finished epoch after which the network did best on the validation set; 0: none */
    double best_validation;
    audit_sums audit;
} run_position;

/* Forget the sums of an epoch. */
void run_position_clear_epoch(run_position *self);
/* As JSON, every bit of every number; NULL: no memory. */
json_t *run_position_to_json(const run_position *self);
/* Back again: 1, or 0 if something is missing, of another type, or out of range. */
int run_position_from_json(run_position *out, const json_t *object);

#endif
