/*
 * trainer.c - the loop over epochs and batches.
 */
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "batches.h"
#include "build_run.h"
#include "interrupt.h"
#include "progress.h"
#include "run_log.h"

#define TOP 5

struct trainer {
    host *owner;
    const settings *run;
    dataset data;
    int64_t train_count; /* the rest of data.train is for validation */
    batches batches;
    dualprop_context *context;
    run_parts parts;
    dualprop_state *state;
    audit *audit; /* NULL: no diagnostics */
    run_position position;
    FILE *log;
    progress progress;
    int layers, classes;
    int64_t trained; /* samples in this process */
    scores test;
    dualprop_status save_status; /* of the last attempt */
};

/* ---- Creation ---- */

static dualprop_status read_data(trainer *self)
{
    const settings *run = self->run;
    const char *folder = run->data != NULL ? run->data : dataset_default_folder(run->dataset);

    TRY(dataset_open(&self->data, self->owner, run->dataset, folder, run->limit));
    int64_t held_out = (int64_t)floor(run->validation * (double)self->data.train.count);
    self->train_count = self->data.train.count - held_out;
    return batches_create(&self->batches, self->owner, &self->data.train, self->train_count, run->batch, run->shuffle);
}

/* A position is only worth something within the run it belongs to. */
static dualprop_status check_position(const trainer *self)
{
    const run_position *position = &self->position;

    if (position->batch < self->batches.batch_count && position->epoch <= 1000000) return DUALPROP_OK;
    return host_fail(self->owner, DUALPROP_ERROR_FORMAT,
                     "%s: it stands at batch %" PRId64 " of epoch %" PRId64 "; expected a batch below %" PRId64,
                     self->run->resume, position->batch, position->epoch + 1, self->batches.batch_count);
}

static dualprop_status make_parts(trainer *self)
{
    host *owner = self->owner;

    if (self->run->resume == NULL)
        return build_parts(&self->parts, owner, self->run, self->context, &self->data, self->batches.batch_count);
    TRY(build_resumed(&self->parts, &self->position, owner, self->run, self->context, &self->data));
    return check_position(self);
}

static dualprop_status open_log(trainer *self)
{
    if (self->run->log == NULL) return DUALPROP_OK;
    self->log = run_log_open(self->owner, self->run->log, self->run->resume != NULL);
    return self->log != NULL ? DUALPROP_OK : DUALPROP_ERROR_ACCESS;
}

static dualprop_status make_state(trainer *self)
{
    host *owner = self->owner;
    int64_t outputs;

    TRY_LIBRARY(owner, dualprop_network_info(&self->layers, NULL, NULL, &outputs, self->parts.network));
    self->classes = (int)outputs;
    if (self->layers > AUDIT_LAYERS)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: its network has %d layers; expected %d at most",
                         self->run->resume, self->layers, AUDIT_LAYERS);
    TRY_LIBRARY(owner, dualprop_state_create(&self->state, self->parts.network, self->parts.rule, self->batches.size));
    if (self->run->diagnostics == 0) return DUALPROP_OK;
    return audit_create(&self->audit, owner, self->run, self->context, self->parts.network, self->batches.size);
}

static dualprop_status create_all(trainer *self)
{
    if (self->run->checkpoint != NULL) TRY(run_file_check(self->owner, self->run->checkpoint));
    TRY(build_context(&self->context, self->owner, self->run));
    TRY(read_data(self));
    TRY(make_parts(self));
    TRY(make_state(self));
    return open_log(self);
}

dualprop_status trainer_create(trainer **self, host *owner, const settings *run)
{
    *self = host_allocate(owner, 1, sizeof **self);
    if (*self == NULL) return host_no_memory(owner, "the run");
    (*self)->owner = owner;
    (*self)->run = run;
    dualprop_status status = create_all(*self);
    if (status != DUALPROP_OK) {
        trainer_destroy(*self);
        *self = NULL;
    }
    return status;
}

void trainer_destroy(trainer *self)
{
    if (self == NULL) return;
    if (self->log != NULL) fclose(self->log);
    audit_destroy(self->audit);
    dualprop_state_destroy(self->state);
    parts_destroy(&self->parts);
    dualprop_context_destroy(self->context);
    batches_destroy(&self->batches);
    dataset_close(&self->data, self->owner);
    host_release(self->owner, self, 1, sizeof *self);
}

/* ---- One batch ---- */

static dualprop_status learn(trainer *self, const dualprop_view *images, const dualprop_view *labels)
{
    host *owner = self->owner;
    int audited = self->audit != NULL && self->position.batch % self->run->audit_every == 0;

    TRY_LIBRARY(owner, dualprop_optimizer_info(NULL, NULL, &self->position.learning_rate, self->parts.optimizer));
    TRY_LIBRARY(owner, dualprop_infer_view(self->state, images, labels));
    if (!audited) {
        TRY_LIBRARY(owner, dualprop_update(self->parts.optimizer, self->state));
        return DUALPROP_OK;
    }
    TRY_LIBRARY(owner, dualprop_gradient(self->parts.optimizer, self->state));
    TRY(audit_batch(&self->position.audit, self->audit, self->state, self->parts.optimizer, images, labels));
    TRY_LIBRARY(owner, dualprop_step(self->parts.optimizer));
    return DUALPROP_OK;
}

static dualprop_status add_report(trainer *self, int64_t count)
{
    double loss;
    int64_t correct;

    TRY_LIBRARY(self->owner, dualprop_state_report(NULL, NULL, NULL, NULL, &loss, &correct, self->state));
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
    dualprop_view images, labels;

    batches_view(&images, &labels, &self->batches, self->position.batch);
    dualprop_status status = learn(self, &images, &labels);
    if (status == DUALPROP_OK) status = add_report(self, images.shape[0]);
    if (status != DUALPROP_OK) return place_failure(self, status);
    self->position.batch++;
    return DUALPROP_OK;
}

/* ---- One epoch ---- */

static dualprop_status evaluate(scores *out, trainer *self, const samples *set, int64_t first, int64_t count)
{
    dualprop_view images, labels;
    int64_t correct, top;

    samples_view(&images, &labels, set, first, count);
    TRY_LIBRARY(self->owner, dualprop_evaluate_view(&out->loss, &correct, &top, self->classes < TOP ? self->classes : TOP,
                                                    self->state, &images, &labels));
    out->accuracy = (double)correct / (double)count;
    out->top5 = (double)top / (double)count;
    return DUALPROP_OK;
}

static void print_angles(const epoch_report *report)
{
    const audit_sums *sums = &report->position->audit;

    if ((report->diagnostics & DIAGNOSE_ANGLE) == 0 || sums->batches == 0) return;
    printf("  angles");
    for (int k = 1; k <= report->layers; k++) printf(" %.1f", run_log_angle(sums, k));
}

static void print_epoch(const trainer *self, const epoch_report *report)
{
    const run_position *position = report->position;
    double count = (double)position->samples;

    if (self->run->quiet) return;
    printf("epoch %*" PRId64 "  train %.2f %% (loss %.4f)", self->run->epochs > 99 ? 4 : 2, position->epoch,
           100 * (double)position->correct / count, position->loss / count);
    if (report->has_validation) printf("  validation %.2f %%", 100 * report->validation.accuracy);
    printf("  test %.2f %% (loss %.4f)", 100 * report->test.accuracy, report->test.loss);
    print_angles(report);
    printf("  %.0f samples/s\n", report->samples_per_second);
    fflush(stdout);
}

static int has_residual(const trainer *self)
{
    return self->run->tolerance > 0;
}

static dualprop_status report_epoch(trainer *self, double samples_per_second)
{
    epoch_report report = { .position = &self->position, .layers = self->layers, .diagnostics = self->run->diagnostics,
                            .has_residual = has_residual(self), .samples_per_second = samples_per_second };
    int64_t held_out = self->data.train.count - self->train_count;

    TRY(evaluate(&self->test, self, &self->data.test, 0, self->data.test.count));
    report.test = self->test;
    report.has_validation = held_out > 0;
    if (held_out > 0) TRY(evaluate(&report.validation, self, &self->data.train, self->train_count, held_out));
    report.seconds = progress_clock() - self->progress.begun;
    progress_clear(&self->progress);
    print_epoch(self, &report);
    return self->log != NULL ? run_log_write(self->log, self->owner, self->run->log, &report) : DUALPROP_OK;
}

static dualprop_status save(trainer *self)
{
    if (self->run->checkpoint == NULL) return DUALPROP_OK;
    return run_file_write(self->owner, self->run->checkpoint, self->context, &self->parts, self->run, &self->position);
}

/* A full disk must not end a long run: it is said, tried again after the next epoch, and remembered at the end. */
static void save_epoch(trainer *self)
{
    self->save_status = save(self);
    if (self->save_status == DUALPROP_OK) return;
    fprintf(stderr, "%s: epoch %" PRId64 " is not saved: %s\n", self->owner->program, self->position.epoch,
            self->owner->message);
}

/* Log, then save: a run that dies between the two logs an epoch twice, rather than never. */
static dualprop_status finish_epoch(trainer *self, double samples_per_second)
{
    self->position.epoch++;
    self->position.batch = 0;
    TRY(report_epoch(self, samples_per_second));
    run_position_clear_epoch(&self->position);
    save_epoch(self);
    return DUALPROP_OK;
}

static dualprop_status train_epoch(trainer *self)
{
    double begun = progress_clock();
    int64_t before = self->trained;

    batches_shuffle(&self->batches, self->run->seed, self->position.epoch);
    while (self->position.batch < self->batches.batch_count) {
        if (interrupt_came()) return DUALPROP_OK;
        TRY(train_batch(self));
    }
    return finish_epoch(self, (double)(self->trained - before) / fmax(progress_clock() - begun, 1e-9));
}

/* ---- The run ---- */

static void print_start(const trainer *self)
{
    char hidden[400];
    const char *backend;
    int threads;

    if (self->run->quiet || dualprop_context_info(NULL, &threads, &backend, self->context) != DUALPROP_OK) return;
    setting_write(hidden, sizeof hidden, self->run, setting_find("hidden"));
    for (char *comma = hidden; (comma = strchr(comma, ',')) != NULL;) *comma = '-';
    printf("%" PRId64 "-%s-%d by %s, %" PRId64 " samples, backend %s, %s, %d %s\n",
           self->data.height * self->data.width * self->data.channels, hidden, self->classes,
           dualprop_name(DUALPROP_NAMES_RULE, self->run->rule), self->train_count, backend,
           dualprop_name(DUALPROP_NAMES_TYPE, self->run->precision), threads, threads == 1 ? "thread" : "threads");
    fflush(stdout);
}

/* A run that was interrupted before its first batch has nothing to save. */
static dualprop_status stop(trainer *self)
{
    progress_clear(&self->progress);
    if (self->trained > 0) TRY(save(self));
    int saved = self->run->checkpoint != NULL && self->trained > 0;
    if (!self->run->quiet)
        fprintf(stderr, "%s: interrupted after %" PRId64 " epochs and %" PRId64 " batches%s%s\n", self->owner->program,
                self->position.epoch, self->position.batch, saved ? "; saved to " : "", saved ? self->run->checkpoint : "");
    return DUALPROP_OK;
}

static dualprop_status finish(trainer *self)
{
    /* A run that was resumed at its end has not been tested in this process. */
    if (self->trained == 0) TRY(evaluate(&self->test, self, &self->data.test, 0, self->data.test.count));
    printf("test accuracy %.2f %%  (top-%d %.2f %%, loss %.4f, %" PRId64 " epoch%s, %.1f s)\n",
           100 * self->test.accuracy, self->classes < TOP ? self->classes : TOP, 100 * self->test.top5, self->test.loss,
           self->position.epoch, self->position.epoch == 1 ? "" : "s", progress_clock() - self->progress.begun);
    if (self->save_status == DUALPROP_OK) return DUALPROP_OK;
    return host_fail(self->owner, self->save_status, "%s: the trained network is not saved; expected a place to write to",
                     self->run->checkpoint);
}

static int64_t samples_left(const trainer *self)
{
    int64_t epochs = self->run->epochs - self->position.epoch;
    int64_t all;

    if (epochs <= 0 || __builtin_mul_overflow(epochs, self->train_count, &all)) return 0;
    return all - self->position.batch * self->batches.size;
}

static dualprop_status train(trainer *self)
{
    while (self->position.epoch < self->run->epochs && !interrupt_came()) TRY(train_epoch(self));
    return DUALPROP_OK;
}

dualprop_status trainer_run(int *interrupted, trainer *self)
{
    print_start(self);
    progress_begin(&self->progress, self->run->quiet, samples_left(self));
    dualprop_status status = train(self);
    progress_clear(&self->progress);
    *interrupted = interrupt_came() && self->position.epoch < self->run->epochs;
    if (status != DUALPROP_OK) return status;
    return *interrupted ? stop(self) : finish(self);
}
