/*
 * run_log.h - one JSON object a line, one line an epoch.
 *
 * Keys: epoch, train_accuracy, train_loss, validation_accuracy, validation_loss and validation_top5 (where there is
 * such a set), test_accuracy, test_loss, test_top5, seconds, samples_per_second, learning_rate; with diagnostics also
 * angle (degrees, one a layer, of the mean cosine), cosine, norm, bp_norm, difference, silent, residual. Accuracies are
 * fractions.
 */
#ifndef EXAMPLES_RUN_LOG_H
#define EXAMPLES_RUN_LOG_H

#include <stdio.h>

#include "run_position.h"

/* Mean loss and fractions of a set of samples. */
typedef struct scores {
    double loss, accuracy, top5;
} scores;

/* All that is said of an epoch. */
typedef struct epoch_report {
    const run_position *position; /* sums of the epoch; position->epoch counts it */
    int layers, diagnostics, has_residual;
    scores test, validation;
    int has_validation;
    double seconds, samples_per_second; /* since this process began; of this epoch */
} epoch_report;

/* Open path, emptied unless append. NULL with a sentence in owner where that fails; never waits for a FIFO. */
FILE *run_log_open(host *owner, const char *path, int append);
/* Write one line, and out with it. */
dualprop_status run_log_write(FILE *file, host *owner, const char *path, const epoch_report *report);
/* The angle in degrees that belongs to a layer's mean cosine; layer 1, 2, ... */
double run_log_angle(const audit_sums *sums, int layer);

#endif
