/*
 * trainer_epoch.c - the batches of an epoch, and what is measured when they are done.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "driven_inference.h"
#include "interrupt.h"
#include "rule_settings.h"
#include "trainer_internal.h"

/* Samples that one process evaluates between two looks at Ctrl-C and the other processes. */
#define UNIT 1000

/* ---- One batch ---- */

/* Does an inference of this run measure what its last pass changed? dualprop_state_report() says when. */
static int has_residual(const trainer *self)
{
    double residual;

    return dualprop_state_report(NULL, &residual, NULL, NULL, NULL, NULL, self->state) == DUALPROP_OK &&
           isfinite(residual);
}

static epoch_report report_of(const trainer *self)
{
    return (epoch_report){ .position = &self->position,
                           .layers = self->layers,
                           .diagnostics = self->run->diagnostics,
                           .has_residual = has_residual(self),
                           .is_damped = rule_settings_is_damped(self->run),
                           .has_feedback = self->run->feedback != DUALPROP_FEEDBACK_SYMMETRIC,
                           .weights = self->audit ? &self->weights : NULL,
                           .sha256 = self->data.sha256,
                           .dataset = self->dataset_name };
}

static dualprop_status measure(trainer *self, const batch *learned)
{
    epoch_report shape = report_of(self);
    audit_sums alone;

    TRY(audit_batch(&self->position.audit, &alone, self->audit, self->state, self->parts.optimizer, learned));
    trainer_note_log(self, run_log_write_audit(&self->audit_log, self->owner, &alone, self->position.epoch + 1,
                                               self->position.batch + 1, &shape));
    return DUALPROP_OK;
}

static dualprop_status infer(trainer *self, const batch *next)
{
    if (driven_inference_is_needed(self->run)) return driven_inference(next, self->owner, self->run, &self->parts);
    return batch_infer(next, self->owner, self->state);
}

/* The same bits, whether or not the gradient is looked at before the step. */
static dualprop_status learn(trainer *self, const batch *next)
{
    host *owner = self->owner;
    int audited = self->audit != NULL && self->position.batch % self->run->audit_every == 0;

    TRY_LIBRARY(owner, dualprop_optimizer_info(NULL, NULL, &self->position.learning_rate, self->parts.optimizer));
    if (!audited && !driven_inference_is_needed(self->run))
        return batch_learn(next, owner, self->parts.optimizer, self->state);
    TRY(infer(self, next));
    TRY_LIBRARY(owner, dualprop_gradient(self->parts.optimizer, self->state));
    if (audited) TRY(measure(self, next));
    TRY_LIBRARY(owner, dualprop_step(self->parts.optimizer));
    return DUALPROP_OK;
}

/* With --adversarial the network learns from what the attack makes of the batch. */
static dualprop_status prepare(batch *out, trainer *self)
{
    batch clean;

    batches_take(&clean, &self->batches, self->position.batch);
    *out = clean;
    if (self->run->adversarial == ADVERSARIAL_OFF) return DUALPROP_OK;
    return attack_batch(out, self->attack, &clean, self->run->adversarial, self->run->epsilon);
}

/* Of all processes: the same numbers in each of them. */
static dualprop_status add_report(trainer *self, const batch *learned)
{
    double loss;
    int64_t correct, count = learned->total;

    TRY_LIBRARY(self->owner,
                dualprop_group_report(&loss, &correct, self->parts.optimizer, learned->count > 0 ? self->state : NULL));
    self->position.loss += loss * (double)count;
    self->position.correct += correct;
    self->position.samples += count;
    self->trained += count;
    progress_add(&self->progress, count, self->position.epoch + 1, self->run->epochs);
    return DUALPROP_OK;
}

/* Say where a failure happened; the library's sentence says the layer and the pass. */
static dualprop_status place_failure(trainer *self, dualprop_status status)
{
    char sentence[MESSAGE_BYTES];

    if (status == DUALPROP_OK) return status;
    snprintf(sentence, sizeof sentence, "%s", self->owner->message);
    return host_fail(self->owner, status, "epoch %" PRId64 ", batch %" PRId64 ": %s", self->position.epoch + 1,
                     self->position.batch + 1, sentence);
}

static dualprop_status train_batch(trainer *self)
{
    batch next;

    dualprop_status status = prepare(&next, self);
    if (status == DUALPROP_OK) status = learn(self, &next);
    if (status == DUALPROP_OK) status = add_report(self, &next);
    if (status != DUALPROP_OK) return place_failure(self, status);
    self->position.batch++;
    return DUALPROP_OK;
}

/* ---- Other processes ---- */

int trainer_interrupted(const trainer *self)
{
    uint32_t flags = 0;
    int own = interrupt_came(), signal_number = 0;

    if (self->group == NULL) return own;
    if (own != 0 && dualprop_group_raise(self->group, 1u << own) != DUALPROP_OK) return 0;
    if (dualprop_group_raised(&flags, self->group) != DUALPROP_OK) return 0;
    while (flags >> signal_number > 1) signal_number++;
    return signal_number;
}

dualprop_status trainer_tell(const trainer *self, dualprop_status status)
{
    if (status == DUALPROP_OK || self->group == NULL || self->owner->lost) return status;
    dualprop_status told = dualprop_group_agree(self->group, status, self->owner->message);
    if (told == DUALPROP_ERROR_TRANSPORT) self->owner->lost = 1;
    return status;
}

/* ---- Evaluation ---- */

/* Add what a piece of the samples came to. */
static dualprop_status evaluate_piece(double *loss, int64_t counts[2], trainer *self, const samples *set, int64_t first,
                                      int64_t count)
{
    dualprop_view images, labels;
    int64_t correct, top;
    double mean;

    samples_view(&images, &labels, set, first, count);
    TRY_LIBRARY(self->owner, dualprop_evaluate_view(&mean, &correct, &top, self->classes < TOP ? self->classes : TOP,
                                                    self->state, &images, &labels));
    *loss += mean * (double)count;
    counts[0] += correct;
    counts[1] += top;
    return DUALPROP_OK;
}

static dualprop_status evaluate_unit(double *loss, int64_t counts[2], trainer *self, const samples *set, int64_t first,
                                     int64_t count)
{
    for (int64_t done = 0; done < count; done += self->piece)
        TRY(evaluate_piece(loss, counts, self, set, first + done,
                           count - done < self->piece ? count - done : self->piece));
    return DUALPROP_OK;
}

/* Each process evaluates one unit of the samples from `done` on; all add up the losses in the order of the units. */
static dualprop_status evaluate_round(scores *sums, trainer *self, const samples *set, int64_t first, int64_t count,
                                      int64_t done)
{
    host *owner = self->owner;
    int64_t counts[2] = { 0, 0 }, own = done + owner->rank * UNIT, left = count - own;

    memset(self->losses, 0, (size_t)owner->size * sizeof *self->losses);
    if (left > 0)
        TRY(trainer_tell(self, evaluate_unit(&self->losses[owner->rank], counts, self, set, first + own,
                                             left < UNIT ? left : UNIT)));
    if (self->group != NULL) TRY_LIBRARY(owner, dualprop_group_sum(self->losses, counts, self->group, owner->size, 2));
    for (int r = 0; r < owner->size; r++) sums->loss += self->losses[r];
    sums->accuracy += (double)counts[0];
    sums->top5 += (double)counts[1];
    return DUALPROP_OK;
}

dualprop_status trainer_evaluate(scores *out, trainer *self, const samples *set, int64_t first, int64_t count)
{
    scores sums = { 0 };

    for (int64_t done = 0; done < count; done += self->owner->size * UNIT) {
        if (trainer_interrupted(self)) return DUALPROP_ERROR_CANCELLED;
        TRY(evaluate_round(&sums, self, set, first, count, done));
    }
    *out = (scores){ sums.loss / (double)count, sums.accuracy / (double)count, sums.top5 / (double)count };
    return DUALPROP_OK;
}

/* ---- One epoch ---- */

static dualprop_status evaluate_epoch(epoch_report *report, trainer *self)
{
    int64_t held_out = self->data.train.count - self->train_count;

    if (self->audit != NULL) TRY(audit_norms(&self->weights, self->audit));
    TRY(trainer_evaluate(&self->test, self, &self->data.test, 0, self->data.test.count));
    report->test = self->test;
    report->has_validation = held_out > 0;
    return held_out > 0 ? trainer_evaluate(&report->validation, self, &self->data.train, self->train_count, held_out)
                        : DUALPROP_OK;
}

/* Keep a copy of the network that does best on the validation set; the first of equals. */
static dualprop_status remember_best(trainer *self, const epoch_report *report)
{
    run_position *position = &self->position;

    if (!report->has_validation) return DUALPROP_OK;
    position->validation = report->validation.accuracy;
    if (position->best_epoch > 0 && position->validation <= position->best_validation) return DUALPROP_OK;
    if (self->parts.best == NULL)
        TRY_LIBRARY(self->owner, dualprop_network_clone(&self->parts.best, self->parts.network));
    else TRY_LIBRARY(self->owner, dualprop_network_copy(self->parts.best, self->parts.network));
    position->best_epoch = position->epoch;
    position->best_validation = position->validation;
    return DUALPROP_OK;
}

void trainer_note_log(trainer *self, dualprop_status status)
{
    if (status == DUALPROP_OK) return;
    progress_clear(&self->progress);
    fprintf(stderr, "%s: epoch %" PRId64 ": %s; the run continues without it\n", self->owner->program,
            self->position.epoch, self->owner->message);
}

static void report_epoch(trainer *self, const epoch_report *report)
{
    progress_clear(&self->progress);
    trainer_print_epoch(self, report);
    trainer_note_log(self, run_log_write(&self->log, self->owner, report));
}

dualprop_status trainer_save(trainer *self)
{
    if (self->run->checkpoint == NULL) return DUALPROP_OK;
    return run_file_write(self->owner, self->run->checkpoint, self->context, &self->parts, self->run, &self->position);
}

/* A full disk must not end a long run: it is said, tried again after the next epoch, and remembered at the end. */
static void save_epoch(trainer *self)
{
    self->save_status = trainer_save(self);
    if (self->save_status == DUALPROP_OK) return;
    fprintf(stderr, "%s: epoch %" PRId64 " is not saved: %s\n", self->owner->program, self->position.epoch,
            self->owner->message);
}

/* Log, then save: a run that dies between the two logs an epoch twice, rather than never. */
static dualprop_status finish_epoch(trainer *self, double samples_per_second)
{
    epoch_report report = report_of(self);

    report.samples_per_second = samples_per_second;
    TRY(evaluate_epoch(&report, self));
    report.seconds = progress_clock() - self->progress.begun;
    self->position.epoch++;
    self->position.batch = 0;
    TRY(trainer_tell(self, remember_best(self, &report)));
    report_epoch(self, &report);
    run_position_clear_epoch(&self->position);
    save_epoch(self);
    return DUALPROP_OK;
}

dualprop_status trainer_epoch(trainer *self)
{
    double begun = progress_clock();
    int64_t before = self->trained;

    batches_shuffle(&self->batches, self->position.epoch);
    while (self->position.batch < self->batches.batch_count) {
        if (trainer_interrupted(self)) return DUALPROP_ERROR_CANCELLED;
        TRY(train_batch(self));
    }
    return finish_epoch(self, (double)(self->trained - before) / fmax(progress_clock() - begun, 1e-9));
}
