/*
 * trainer_print.c - a run in words.
 */
#include <inttypes.h>
#include <math.h>

#include "program.h"
#include "trainer_internal.h"

static void print_message(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data, (void)level, (void)component;
    printf("%s\n", message);
}

/* The library's own sentence on the backend that --backend auto came to, and why. */
static void print_choice(const trainer *self)
{
    if (self->run->backend != DUALPROP_BACKEND_AUTO ||
        dualprop_context_set_log(self->context, print_message, NULL, DUALPROP_LOG_INFO) != DUALPROP_OK)
        return;
    if (dualprop_context_set_log(self->context, NULL, NULL, DUALPROP_LOG_ERROR) != DUALPROP_OK) return;
}

static void print_processes(const trainer *self)
{
    const host *owner = self->owner;
    int64_t blocks = self->run->blocks;

    if (owner->size > 1)
        printf("%d processes on %d %s, ", owner->size, owner->machines, owner->machines == 1 ? "machine" : "machines");
    if (blocks > 0)
        printf("%" PRId64 " %s, about %" PRId64 " samples of a batch each\n", blocks, blocks == 1 ? "block" : "blocks",
               (self->batches.size + blocks - 1) / blocks);
}

void trainer_print_start(const trainer *self)
{
    static const char *const precisions[] = { "f32", "f64", "f32 (products in tf32)", "f32 (products in bf16)" };
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
           precisions[self->run->precision], threads, threads == 1 ? "thread" : "threads");
    printf("data: %s in %s, SHA-256 %s\n", self->dataset_name,
           self->run->data != NULL ? self->run->data : dataset_default_folder(self->run->dataset), self->data.sha256);
    print_choice(self);
    print_processes(self);
    fflush(stdout);
}

/* NaN is what a layer does not have: one of silu has no energy, and so no Eq. 23. */
static void print_list(const char *title, const char *format, const double *values, int count, double scale)
{
    printf("  %s", title);
    for (int k = 0; k < count; k++) {
        if (isnan(values[k])) printf(" none");
        else printf(format, scale * values[k]);
    }
}

static void print_angles(const epoch_report *report)
{
    const audit_sums *sums = &report->position->audit;

    if ((report->diagnostics & DIAGNOSE_ANGLE) == 0 || sums->batches == 0) return;
    printf("  angles");
    for (int k = 1; k <= report->layers; k++) printf(" %.1f", run_log_angle(sums, k));
    if (report->has_feedback) print_list("W to B", " %.1f", report->weights->feedback_angle, report->layers, 1);
}

static void print_norm_ratios(const audit_sums *sums, int layers)
{
    printf("  norms/bp");
    for (int k = 0; k < layers; k++) printf(" %.3g", sums->twin_norm[k] > 0 ? sums->norm[k] / sums->twin_norm[k] : 0);
}

/* Activations without an energy have no objectives. */
static void print_objectives(const audit_sums *sums, double each)
{
    if (isfinite(sums->objective[0])) print_list("Eq. 1, 12, 18:", " %.5f", sums->objective, 3, each);
    else printf("  Eq. 1, 12, 18: no energy for this activation");
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
    if ((wanted & DIAGNOSE_OBJECTIVE) != 0) print_objectives(sums, each);
    if ((wanted & DIAGNOSE_BREGMAN) != 0) print_list("Eq. 23:", " %.3g", sums->bregman, layers, each);
    if ((wanted & DIAGNOSE_GAMMA) != 0) print_list("gamma", " %.3g", report->weights->gamma, layers, 1);
    if ((wanted & DIAGNOSE_GAMMA) != 0 && report->is_damped)
        print_list("damping", " %.3g", sums->damping, layers, each);
    if ((wanted & DIAGNOSE_LIPSCHITZ) != 0) printf("  Lipschitz %.4g", report->weights->lipschitz);
    printf("\n");
}

void trainer_print_epoch(const trainer *self, const epoch_report *report)
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

void trainer_print_given_up(const trainer *self)
{
    if (self->run->quiet) return;
    printf("given up after epoch %" PRId64 ": validation %.2f %%, below half of the best\n", self->position.epoch,
           100 * self->position.validation);
}

void trainer_print_test(const trainer *self)
{
    const run_position *position = &self->position;

    if (self->owner->rank > 0) return;
    if (position->best_epoch > 0 && !self->run->quiet)
        printf("best on the validation set: epoch %" PRId64 ", %.2f %%\n", position->best_epoch,
               100 * position->best_validation);
    printf("test accuracy %.2f %%  (top-%d %.2f %%, loss %.4f, %" PRId64 " epoch%s, %.1f s)\n",
           100 * self->test.accuracy, self->classes < TOP ? self->classes : TOP, 100 * self->test.top5, self->test.loss,
           position->epoch, position->epoch == 1 ? "" : "s", progress_clock() - self->progress.begun);
}
