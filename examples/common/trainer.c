/*
 * trainer.c - the loop over epochs and batches.
 */
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"
#include "batches.h"
#include "build_run.h"
#include "interrupt.h"
#include "program.h"
#include "progress.h"
#include "run_log.h"

#define TOP 5
/* Batches of samples evaluated between two looks at Ctrl-C. */
#define EVALUATED_BATCHES 10
/* A run is given up when it does worse than half its best on the validation set, once so many epochs are over. */
#define PATIENT_EPOCHS 5

struct trainer {
    host *owner;
    const settings *run;
    dataset data;
    int64_t train_count; /* the rest of data.train is for validation */
    batches batches;     /* of the samples before */
    dualprop_context *context;
    run_parts parts;
    dualprop_state *state;
    audit *audit;   /* NULL: no diagnostics */
    attack *attack; /* NULL: neither --adversarial nor --attack */
    audit_weights weights;
    run_position position;
    FILE *log, *audit_log;
    progress progress;
    int layers, classes;
    int64_t trained; /* samples in this process */
    scores test;             /* of the network after the last epoch, or at the end of the best */
    int restored;                /* parts.network is the best one now, no longer the last */
    dualprop_status save_status; /* of the last attempt */
};

/* ---- Creation ---- */

static dualprop_status read_data(trainer *self)
{
    const settings *run = self->run;
    const char *folder = run->data != NULL ? run->data : dataset_default_folder(run->dataset);

    TRY(dataset_open(&self->data, self->owner, run->dataset, folder, run->limit));
    TRY(dataset_hold_out(&self->data, self->owner, run->validation, run->seed, &self->train_count));
    return batches_create(&self->batches, self->owner, &self->data.train, self->train_count, run);
}

/* A position is only worth something within the run it belongs to. All batches may be done, but not yet evaluated. */
static dualprop_status check_position(const trainer *self)
{
    const run_position *position = &self->position;
    int64_t last = self->batches.batch_count;

    if (position->batch > last || (position->batch == last && position->samples == 0) || position->epoch > 1000000)
        return host_fail(self->owner, DUALPROP_ERROR_FORMAT,
                         "%s: it stands behind batch %" PRId64 " of epoch %" PRId64 "; expected %" PRId64 " at most",
                         self->run->resume, position->batch, position->epoch + 1, last);
    if ((position->best_epoch > 0) == (self->parts.best != NULL) && position->best_epoch <= position->epoch)
        return DUALPROP_OK;
    return host_fail(self->owner, DUALPROP_ERROR_FORMAT,
                     "%s: the best of its %" PRId64 " epochs is %" PRId64 "; expected one of them, with its network",
                     self->run->resume, position->epoch, position->best_epoch);
}

static dualprop_status make_parts(trainer *self)
{
    host *owner = self->owner;

    if (self->run->resume == NULL)
        return build_parts(&self->parts, owner, self->run, self->context, &self->data, self->batches.batch_count);
    TRY(build_resumed(&self->parts, &self->position, owner, self->run, self->context, &self->data));
    return check_position(self);
}

static dualprop_status open_log(FILE **log, trainer *self, const char *path)
{
    if (path == NULL) return DUALPROP_OK;
    *log = run_log_open(self->owner, path, self->run->resume != NULL);
    return *log != NULL ? DUALPROP_OK : DUALPROP_ERROR_ACCESS;
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
    self->parts.state = self->state;
    if (self->run->resume == NULL) return DUALPROP_OK;
    return run_file_read_state(self->state, owner, self->run->resume, self->context);
}

static dualprop_status make_measures(trainer *self)
{
    const settings *run = self->run;

    if (run->diagnostics != 0)
        TRY(audit_create(&self->audit, self->owner, run, self->parts.network, self->batches.size));
    if (run->adversarial == ADVERSARIAL_OFF && run->attack.count == 0) return DUALPROP_OK;
    return attack_create(&self->attack, self->owner, run, self->parts.network, &self->data, self->batches.size);
}

static dualprop_status create_all(trainer *self)
{
    if (self->run->checkpoint != NULL) TRY(run_file_check(self->owner, self->run->checkpoint));
    TRY(build_context(&self->context, self->owner, self->run));
    TRY(read_data(self));
    TRY(make_parts(self));
    TRY(make_state(self));
    TRY(make_measures(self));
    TRY(open_log(&self->log, self, self->run->log));
    return open_log(&self->audit_log, self, self->run->audit_log);
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
    if (self->audit_log != NULL) fclose(self->audit_log);
    attack_destroy(self->attack);
    audit_destroy(self->audit);
    dualprop_state_destroy(self->state);
    parts_destroy(&self->parts);
    dualprop_context_destroy(self->context);
    batches_destroy(&self->batches);
    dataset_close(&self->data, self->owner);
    host_release(self->owner, self, 1, sizeof *self);
}

/* ---- One batch ---- */

static epoch_report report_of(const trainer *self)
{
    return (epoch_report){ .position = &self->position, .layers = self->layers, .diagnostics = self->run->diagnostics,
                           .has_residual = self->run->tolerance > 0, .weights = self->audit ? &self->weights : NULL };
}

static dualprop_status measure(trainer *self, const batch *learned)
{
    epoch_report shape = report_of(self);
    audit_sums alone;

    TRY(audit_batch(&self->position.audit, &alone, self->audit, self->state, self->parts.optimizer, learned));
    if (self->audit_log == NULL) return DUALPROP_OK;
    return run_log_write_audit(self->audit_log, self->owner, self->run->audit_log, &alone, self->position.epoch + 1,
                               self->position.batch + 1, &shape);
}

static dualprop_status learn(trainer *self, const batch *next)
{
    host *owner = self->owner;
    int audited = self->audit != NULL && self->position.batch % self->run->audit_every == 0;

    TRY_LIBRARY(owner, dualprop_optimizer_info(NULL, NULL, &self->position.learning_rate, self->parts.optimizer));
    TRY(batch_infer(next, owner, self->state));
    if (!audited) {
        TRY_LIBRARY(owner, dualprop_update(self->parts.optimizer, self->state));
        return DUALPROP_OK;
    }
    TRY_LIBRARY(owner, dualprop_gradient(self->parts.optimizer, self->state));
    TRY(measure(self, next));
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
    batch next;

    dualprop_status status = prepare(&next, self);
    if (status == DUALPROP_OK) status = learn(self, &next);
    if (status == DUALPROP_OK) status = add_report(self, next.count);
    if (status != DUALPROP_OK) return place_failure(self, status);
    self->position.batch++;
    return DUALPROP_OK;
}

/* ---- One epoch ---- */

/* Add the sums over count samples to *out. */
static dualprop_status evaluate_some(scores *out, trainer *self, const samples *set, int64_t first, int64_t count)
{
    dualprop_view images, labels;
    int64_t correct, top;
    double loss;

    samples_view(&images, &labels, set, first, count);
    TRY_LIBRARY(self->owner, dualprop_evaluate_view(&loss, &correct, &top, self->classes < TOP ? self->classes : TOP,
                                                    self->state, &images, &labels));
    out->loss += loss * (double)count;
    out->accuracy += (double)correct;
    out->top5 += (double)top;
    return DUALPROP_OK;
}

/* CANCELLED, with no sentence, after Ctrl-C. */
static dualprop_status evaluate(scores *out, trainer *self, const samples *set, int64_t first, int64_t count)
{
    int64_t step = EVALUATED_BATCHES * self->batches.size;
    scores sums = { 0 };

    for (int64_t done = 0; done < count; done += step) {
        if (interrupt_came()) return DUALPROP_ERROR_CANCELLED;
        TRY(evaluate_some(&sums, self, set, first + done, count - done < step ? count - done : step));
    }
    *out = (scores){ sums.loss / (double)count, sums.accuracy / (double)count, sums.top5 / (double)count };
    return DUALPROP_OK;
}

static void print_list(const char *title, const char *format, const double *values, int count, double scale)
{
    printf("  %s", title);
    for (int k = 0; k < count; k++) printf(format, scale * values[k]);
}

static void print_angles(const epoch_report *report)
{
    const audit_sums *sums = &report->position->audit;

    if ((report->diagnostics & DIAGNOSE_ANGLE) == 0 || sums->batches == 0) return;
    printf("  angles");
    for (int k = 1; k <= report->layers; k++) printf(" %.1f", run_log_angle(sums, k));
}

static void print_norm_ratios(const audit_sums *sums, int layers)
{
    printf("  norms/bp");
    for (int k = 0; k < layers; k++) printf(" %.3g", sums->twin_norm[k] > 0 ? sums->norm[k] / sums->twin_norm[k] : 0);
}

/* All that was measured but the angles, on a line of its own, in words short enough for it. */
static void print_measures(const epoch_report *report)
{
    const audit_sums *sums = &report->position->audit;
    int wanted = report->diagnostics & ~DIAGNOSE_ANGLE, layers = report->layers;
    double each = 1 / (double)sums->batches;

    if (wanted == 0 || sums->batches == 0) return;
    printf("        ");
    if ((wanted & DIAGNOSE_NORMS) != 0) print_norm_ratios(sums, layers);
    if ((wanted & DIAGNOSE_SILENT) != 0) print_list("silent %", " %.1f", sums->silent, layers, 100 * each);
    if ((wanted & DIAGNOSE_RESIDUAL) != 0 && report->has_residual) printf("  residual %.1e", each * sums->residual);
    if ((wanted & DIAGNOSE_OBJECTIVE) != 0) print_list("Eq. 1, 12, 18:", " %.5f", sums->objective, 3, each);
    if ((wanted & DIAGNOSE_GAMMA) != 0) print_list("gamma", " %.3g", report->weights->gamma, layers, 1);
    if ((wanted & DIAGNOSE_LIPSCHITZ) != 0) printf("  Lipschitz %.4g", report->weights->lipschitz);
    printf("\n");
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
    print_measures(report);
    fflush(stdout);
}

static dualprop_status evaluate_epoch(epoch_report *report, trainer *self)
{
    int64_t held_out = self->data.train.count - self->train_count;

    if (self->audit != NULL) TRY(audit_norms(&self->weights, self->audit));
    TRY(evaluate(&self->test, self, &self->data.test, 0, self->data.test.count));
    report->test = self->test;
    report->has_validation = held_out > 0;
    return held_out > 0 ? evaluate(&report->validation, self, &self->data.train, self->train_count, held_out)
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

static dualprop_status report_epoch(trainer *self, const epoch_report *report)
{
    progress_clear(&self->progress);
    print_epoch(self, report);
    return self->log != NULL ? run_log_write(self->log, self->owner, self->run->log, report) : DUALPROP_OK;
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
    epoch_report report = report_of(self);

    report.samples_per_second = samples_per_second;
    TRY(evaluate_epoch(&report, self));
    report.seconds = progress_clock() - self->progress.begun;
    self->position.epoch++;
    self->position.batch = 0;
    TRY(remember_best(self, &report));
    TRY(report_epoch(self, &report));
    run_position_clear_epoch(&self->position);
    save_epoch(self);
    return DUALPROP_OK;
}

static dualprop_status train_epoch(trainer *self)
{
    double begun = progress_clock();
    int64_t before = self->trained;

    batches_shuffle(&self->batches, self->position.epoch);
    while (self->position.batch < self->batches.batch_count) {
        if (interrupt_came()) return DUALPROP_ERROR_CANCELLED;
        TRY(train_batch(self));
    }
    return finish_epoch(self, (double)(self->trained - before) / fmax(progress_clock() - begun, 1e-9));
}

/* ---- The run ---- */

static void print_start(const trainer *self)
{
    char network[500];
    const char *backend;
    int64_t parameters;
    int threads;

    if (self->run->quiet || dualprop_context_info(NULL, &threads, &backend, self->context) != DUALPROP_OK ||
        dualprop_network_info(NULL, &parameters, NULL, NULL, self->parts.network) != DUALPROP_OK)
        return;
    self->run->program->describe(network, sizeof network, self->run, &self->data);
    printf("%s, %" PRId64 " parameters, by %s, %" PRId64 " samples, backend %s, %s, %d %s\n", network, parameters,
           dualprop_name(DUALPROP_NAMES_RULE, self->run->rule), self->train_count, backend,
           dualprop_name(DUALPROP_NAMES_TYPE, self->run->precision), threads, threads == 1 ? "thread" : "threads");
    fflush(stdout);
}

/* A run that was interrupted before its first batch, or after its last, has nothing to save. */
static dualprop_status stop(trainer *self)
{
    int saved = self->run->checkpoint != NULL && self->trained > 0;

    progress_clear(&self->progress);
    if (saved && !self->restored) TRY(save(self));
    if (!self->run->quiet)
        fprintf(stderr, "%s: interrupted after %" PRId64 " epochs and %" PRId64 " batches%s%s\n", self->owner->program,
                self->position.epoch, self->position.batch, saved ? "; saved to " : "", saved ? self->run->checkpoint : "");
    return DUALPROP_OK;
}

/* Test the best network. */
static dualprop_status restore_best(trainer *self)
{
    self->restored = 1;
    TRY_LIBRARY(self->owner, dualprop_network_copy(self->parts.network, self->parts.best));
    return evaluate(&self->test, self, &self->data.test, 0, self->data.test.count);
}

/* Test what has not been tested after the last epoch: another network that did best on the validation set, or that of a
 * run that was resumed at its end. */
static dualprop_status test(trainer *self)
{
    if (self->parts.best != NULL && self->position.best_epoch != self->position.epoch) return restore_best(self);
    return self->trained > 0 ? DUALPROP_OK : evaluate(&self->test, self, &self->data.test, 0, self->data.test.count);
}

static void print_test(const trainer *self)
{
    const run_position *position = &self->position;

    if (position->best_epoch > 0 && !self->run->quiet)
        printf("best on the validation set: epoch %" PRId64 ", %.2f %%\n", position->best_epoch,
               100 * position->best_validation);
    printf("test accuracy %.2f %%  (top-%d %.2f %%, loss %.4f, %" PRId64 " epoch%s, %.1f s)\n",
           100 * self->test.accuracy, self->classes < TOP ? self->classes : TOP, 100 * self->test.top5, self->test.loss,
           position->epoch, position->epoch == 1 ? "" : "s", progress_clock() - self->progress.begun);
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
    if (self->log == NULL) return DUALPROP_OK;
    return run_log_write_attack(self->log, self->owner, self->run->log, attack_name(kind), epsilon, accuracy);
}

static dualprop_status test_attacks(trainer *self)
{
    for (int i = 0; i < self->run->attack.count; i++)
        for (int kind = 0; kind < ATTACK_KINDS; kind++) TRY(test_attack(self, kind, self->run->attack.value[i]));
    return DUALPROP_OK;
}

static dualprop_status finish(trainer *self)
{
    TRY(test(self));
    TRY(test_attacks(self));
    print_test(self);
    if (self->save_status == DUALPROP_OK) return DUALPROP_OK;
    return host_fail(self->owner, self->save_status, "%s: the trained network is not saved; expected a place to write to",
                     self->run->checkpoint);
}

/* After a divergence the best network is still worth a test; the failure's sentence is kept. */
static dualprop_status finish_failed(trainer *self, dualprop_status failure)
{
    char sentence[MESSAGE_BYTES];

    if (failure != DUALPROP_ERROR_DIVERGED || self->parts.best == NULL) return failure;
    snprintf(sentence, sizeof sentence, "%s", self->owner->message);
    if (restore_best(self) == DUALPROP_OK) print_test(self);
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

static void print_given_up(const trainer *self)
{
    if (self->run->quiet) return;
    printf("given up after epoch %" PRId64 ": validation %.2f %%, below half of the best\n", self->position.epoch,
           100 * self->position.validation);
}

static dualprop_status train(trainer *self)
{
    while (self->position.epoch < self->run->epochs && !is_given_up(&self->position)) TRY(train_epoch(self));
    if (self->position.epoch < self->run->epochs) print_given_up(self);
    return finish(self);
}

dualprop_status trainer_run(int *interrupted, trainer *self)
{
    print_start(self);
    progress_begin(&self->progress, self->run->quiet, samples_left(self));
    dualprop_status status = train(self);
    progress_clear(&self->progress);
    *interrupted = status == DUALPROP_ERROR_CANCELLED;
    return *interrupted ? stop(self) : finish_failed(self, status);
}
