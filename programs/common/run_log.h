/*
 * run_log.h - one JSON object a line, one line an epoch.
 *
 * Keys: epoch, dataset, sha256 (of the unpacked contents of its files, see digest.h), train_accuracy, train_loss,
 * validation_accuracy, validation_loss and validation_top5 (where there is such a set), test_accuracy, test_loss,
 * test_top5, seconds, samples_per_second, learning_rate; with diagnostics also angle (degrees, one a layer, of the mean
 * cosine), cosine, norm, bp_norm, difference, silent, residual, objective (three numbers: Eq. 1, 12 and 18; null if
 * there is no G), bregman (Eq. 23, likewise), damping (D_0 .. D_{L-1} of damped rules, means over the measured
 * inferences), and of the weights after the epoch gamma (gamma_0 .. gamma_{L-1}: the first belongs to layer 1's map),
 * lipschitz and feedback_angle (degrees between weights and feedback weights, one a layer). Accuracies are fractions.
 *
 * After the last epoch, with --attack, one line an attack: attack (fgsm or pgd), epsilon, test_accuracy.
 * The log of audits has one line a measured batch: epoch, batch (both from 1) and the keys of the diagnostics.
 */
#ifndef PROGRAMS_RUN_LOG_H
#define PROGRAMS_RUN_LOG_H

#include "run_position.h"

/* Mean loss and fractions of a set of samples. */
typedef struct scores {
    double loss, accuracy, top5;
} scores;

/* All that is said of an epoch. */
typedef struct epoch_report {
    const run_position *position; /* sums of the epoch; position->epoch counts it */
    int layers, diagnostics, has_residual, is_damped, has_feedback;
    scores test, validation;
    int has_validation;
    const audit_weights *weights; /* NULL: none were measured */
    const char *sha256;           /* of the data set */
    const char *dataset;
    double seconds, samples_per_second; /* since this process began; of this epoch */
} epoch_report;

/*
 * A log. It has whole lines only: where one cannot be written, what there is of it is taken back and the log is closed;
 * writing to a closed log does nothing. All zeros is no log.
 */
typedef struct run_log {
    const char *path; /* NULL: closed */
    int file;
    int lost; /* a line could not be written */
} run_log;

/* Open path, emptied unless append; never waits for a FIFO. */
dualprop_status run_log_open(run_log *self, host *owner, const char *path, int append);
void run_log_close(run_log *self);
/* Write one line, and out with it. */
dualprop_status run_log_write(run_log *self, host *owner, const epoch_report *report);
/* One line for a measured batch, number 1, 2, ... of an epoch. */
dualprop_status run_log_write_audit(run_log *self, host *owner, const audit_sums *sums, int64_t epoch, int64_t number,
                                    const epoch_report *shape);
/* One line for an attack. */
dualprop_status run_log_write_attack(run_log *self, host *owner, const char *attack, double epsilon, double accuracy);
/* The angle in degrees that belongs to a layer's mean cosine; layer 1, 2, ... */
double run_log_angle(const audit_sums *sums, int layer);

#endif
