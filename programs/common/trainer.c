/*
 * trainer.c - the loop over epochs, and how a run ends.
 */
#include <inttypes.h>
#include <stdio.h>

#include "trainer_internal.h"

/* A run is given up when it does worse than half its best on the validation set after a later epoch than this one. */
#define PATIENT_EPOCHS 5

/* A run that was interrupted before its first batch, or after its last, has nothing to save. */
static dualprop_status stop(trainer *self)
{
    int saved = self->run->checkpoint != NULL && self->trained > 0;

    progress_clear(&self->progress);
    if (saved && !self->restored) TRY(trainer_save(self));
    if (!self->run->quiet)
        fprintf(stderr, "%s: interrupted after %" PRId64 " epochs and %" PRId64 " batches%s%s\n", self->owner->program,
                self->position.epoch, self->position.batch, saved ? "; saved to " : "",
                saved ? self->run->checkpoint : "");
    return DUALPROP_OK;
}

/* Test the best network. */
static dualprop_status restore_best(trainer *self)
{
    self->restored = 1;
    dualprop_status status = dualprop_network_copy(self->parts.network, self->parts.best);
    if (status != DUALPROP_OK) return trainer_tell(self, host_library(self->owner, status));
    return trainer_evaluate(&self->test, self, &self->data.test, 0, self->data.test.count);
}

/* Test what has not been tested after the last epoch: another network that did best on the validation set, or that of a
 * run that was resumed at its end. */
static dualprop_status test(trainer *self)
{
    if (self->parts.best != NULL && self->position.best_epoch != self->position.epoch) return restore_best(self);
    if (self->trained > 0) return DUALPROP_OK;
    return trainer_evaluate(&self->test, self, &self->data.test, 0, self->data.test.count);
}

static dualprop_status test_attack(trainer *self, int kind, double epsilon)
{
    int64_t correct;

    TRY(attack_test(&correct, self->attack, &self->data.test, kind, epsilon));
    double accuracy = (double)correct / (double)self->data.test.count;
    if (!self->run->quiet) {
        printf("under %s with epsilon %g: %.2f %%\n", attack_name(kind), epsilon, 100 * accuracy);
        fflush(stdout);
    }
    trainer_note_log(self, run_log_write_attack(&self->log, self->owner, attack_name(kind), epsilon, accuracy));
    return DUALPROP_OK;
}

static dualprop_status test_attacks(trainer *self)
{
    for (int i = 0; i < self->run->attack.count; i++)
        for (int kind = 0; kind < ATTACK_KINDS; kind++) TRY(test_attack(self, kind, self->run->attack.value[i]));
    return DUALPROP_OK;
}

/* A lost line has been complained about already: no sentence. */
static dualprop_status check_logs(trainer *self)
{
    if (!self->log.lost && !self->audit_log.lost) return DUALPROP_OK;
    return host_fail(self->owner, DUALPROP_ERROR_IO, "%s", "");
}

static dualprop_status finish(trainer *self)
{
    TRY(test(self));
    TRY(test_attacks(self));
    trainer_print_test(self);
    return DUALPROP_OK;
}

/* Was everything written that was to be? */
static dualprop_status check_files(trainer *self)
{
    if (self->save_status == DUALPROP_OK) return check_logs(self);
    return host_fail(self->owner, self->save_status,
                     "%s: the trained network is not saved; expected a place to write to", self->run->checkpoint);
}

/* Has the training of any process diverged? All have come to the same failure, if under another name. */
static int has_diverged(const trainer *self, dualprop_status failure)
{
    int64_t diverged = failure == DUALPROP_ERROR_DIVERGED;

    if (self->group == NULL || self->owner->lost) return diverged != 0;
    return dualprop_group_sum(NULL, &diverged, self->group, 0, 1) == DUALPROP_OK && diverged > 0;
}

/* After a divergence the best network is still worth a test; the failure's sentence is kept. */
static dualprop_status finish_failed(trainer *self, dualprop_status failure)
{
    char sentence[MESSAGE_BYTES];

    if (!has_diverged(self, failure) || self->parts.best == NULL) return failure;
    snprintf(sentence, sizeof sentence, "%s", self->owner->message);
    if (restore_best(self) == DUALPROP_OK) trainer_print_test(self);
    return host_fail(self->owner, failure, "%s", sentence);
}

static int64_t samples_left(const trainer *self)
{
    int64_t epochs = self->run->epochs - self->position.epoch;
    int64_t all;

    if (epochs <= 0 || __builtin_mul_overflow(epochs, batches_samples(&self->batches), &all)) return 0;
    return all - self->position.batch * self->batches.size;
}

static int is_given_up(const run_position *position)
{
    return position->epoch > PATIENT_EPOCHS && position->validation < position->best_validation / 2;
}

static dualprop_status train(trainer *self)
{
    while (self->position.epoch < self->run->epochs && !is_given_up(&self->position)) TRY(trainer_epoch(self));
    if (self->position.epoch < self->run->epochs) trainer_print_given_up(self);
    return finish(self);
}

dualprop_status trainer_run(int *interrupted, trainer *self)
{
    trainer_print_start(self);
    progress_begin(&self->progress, self->run->quiet, samples_left(self));
    dualprop_status status = train(self);
    progress_clear(&self->progress);
    if (status == DUALPROP_OK) return check_files(self);
    if (status != DUALPROP_ERROR_CANCELLED) return finish_failed(self, status);
    *interrupted = trainer_interrupted(self);
    return stop(self);
}
