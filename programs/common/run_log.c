/*
 * run_log.c - the log through jansson.
 */
#include "run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A run that was killed by a power cut may have left half a line. */
static int ends_within_a_line(const char *path)
{
    struct stat about;
    char last = '\n';
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (file < 0) return 0;
    int has_last = fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
                   pread(file, &last, 1, about.st_size - 1) == 1;
    close(file);
    return has_last && last != '\n';
}

static dualprop_status write_all(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return DUALPROP_ERROR_IO;
        text += written;
        size -= (size_t)written;
    }
    return DUALPROP_OK;
}

static dualprop_status fail(host *owner, const char *path, const char *step)
{
    return host_fail(owner, DUALPROP_ERROR_IO, "%s: %s failed: %s; expected a file to write to", path, step,
                     strerror(errno));
}

dualprop_status run_log_open(run_log *self, host *owner, const char *path, int append)
{
    int torn = append && ends_within_a_line(path);
    int file = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND, 0666);

    if (file < 0) return fail(owner, path, "opening the log");
    fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK);
    *self = (run_log){ .path = path, .file = file };
    if (!torn || write_all(file, "\n", 1) == DUALPROP_OK) return DUALPROP_OK;
    fail(owner, path, "writing the log");
    run_log_close(self);
    return DUALPROP_ERROR_IO;
}

void run_log_close(run_log *self)
{
    if (self->path == NULL) return;
    close(self->file);
    self->path = NULL;
}

double run_log_angle(const audit_sums *sums, int layer)
{
    double cosine = sums->cosine[layer - 1] / (double)sums->batches;

    return acos(fmax(-1, fmin(1, cosine))) * (180 / 3.14159265358979323846);
}

static json_t *means(const double *sums, int64_t batches, int layers)
{
    json_t *list = json_array();

    for (int k = 0; k < layers; k++) json_array_append_new(list, json_real(sums[k] / (double)batches));
    return list;
}

static json_t *angles(const audit_sums *sums, int layers)
{
    json_t *list = json_array();

    for (int k = 1; k <= layers; k++) json_array_append_new(list, json_real(run_log_angle(sums, k)));
    return list;
}

static void add_norms(json_t *object, const audit_sums *sums, int layers)
{
    json_object_set_new(object, "norm", means(sums->norm, sums->batches, layers));
    json_object_set_new(object, "bp_norm", means(sums->twin_norm, sums->batches, layers));
    json_object_set_new(object, "difference", means(sums->difference, sums->batches, layers));
}

static json_t *finite_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *finite_means(const double *sums, int64_t batches, int layers)
{
    json_t *list = json_array();

    for (int k = 0; k < layers; k++) json_array_append_new(list, finite_or_null(sums[k] / (double)batches));
    return list;
}

static json_t *objectives(const audit_sums *sums)
{
    json_t *list = json_array();

    for (int i = 0; i < 3; i++) json_array_append_new(list, finite_or_null(sums->objective[i] / (double)sums->batches));
    return list;
}

static void add_sums(json_t *object, const audit_sums *sums, const epoch_report *report)
{
    int wanted = report->diagnostics, layers = report->layers;

    if (sums->batches == 0) return;
    if ((wanted & DIAGNOSE_ANGLE) != 0) {
        json_object_set_new(object, "angle", angles(sums, layers));
        json_object_set_new(object, "cosine", means(sums->cosine, sums->batches, layers));
    }
    if ((wanted & DIAGNOSE_NORMS) != 0) add_norms(object, sums, layers);
    if ((wanted & DIAGNOSE_SILENT) != 0)
        json_object_set_new(object, "silent", means(sums->silent, sums->batches, layers));
    if ((wanted & DIAGNOSE_RESIDUAL) != 0)
        json_object_set_new(object, "residual",
                            report->has_residual ? json_real(sums->residual / (double)sums->batches) : json_null());
    if ((wanted & DIAGNOSE_OBJECTIVE) != 0) json_object_set_new(object, "objective", objectives(sums));
    if ((wanted & DIAGNOSE_BREGMAN) != 0)
        json_object_set_new(object, "bregman", finite_means(sums->bregman, sums->batches, layers));
    if ((wanted & DIAGNOSE_GAMMA) != 0 && report->is_damped)
        json_object_set_new(object, "damping", means(sums->damping, sums->batches, layers));
}

static void add_weights(json_t *object, const epoch_report *report)
{
    if (report->weights == NULL) return;
    if ((report->diagnostics & DIAGNOSE_GAMMA) != 0)
        json_object_set_new(object, "gamma", means(report->weights->gamma, 1, report->layers));
    if ((report->diagnostics & DIAGNOSE_LIPSCHITZ) != 0)
        json_object_set_new(object, "lipschitz", json_real(report->weights->lipschitz));
    if ((report->diagnostics & DIAGNOSE_ANGLE) != 0 && report->has_feedback)
        json_object_set_new(object, "feedback_angle", means(report->weights->feedback_angle, 1, report->layers));
}

static void add_scores(json_t *object, const epoch_report *report)
{
    if (report->has_validation) {
        json_object_set_new(object, "validation_accuracy", json_real(report->validation.accuracy));
        json_object_set_new(object, "validation_loss", json_real(report->validation.loss));
        json_object_set_new(object, "validation_top5", json_real(report->validation.top5));
    }
    json_object_set_new(object, "test_accuracy", json_real(report->test.accuracy));
    json_object_set_new(object, "test_loss", json_real(report->test.loss));
    json_object_set_new(object, "test_top5", json_real(report->test.top5));
}

static json_t *make_line(const epoch_report *report)
{
    const run_position *position = report->position;
    double samples = (double)position->samples;
    json_t *object = json_object();

    json_object_set_new(object, "epoch", json_integer(position->epoch));
    json_object_set_new(object, "train_accuracy", json_real((double)position->correct / samples));
    json_object_set_new(object, "train_loss", json_real(position->loss / samples));
    add_scores(object, report);
    json_object_set_new(object, "dataset", json_string(report->dataset));
    json_object_set_new(object, "sha256", json_string(report->sha256));
    json_object_set_new(object, "seconds", json_real(report->seconds));
    json_object_set_new(object, "samples_per_second", json_real(report->samples_per_second));
    json_object_set_new(object, "learning_rate", json_real(position->learning_rate));
    add_sums(object, &position->audit, report);
    add_weights(object, report);
    return object;
}

/* The line as a text that free() takes, its end included; NULL if memory is out. */
static char *make_text(json_t *line, size_t *size)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *longer = text != NULL ? realloc(text, strlen(text) + 2) : NULL;

    if (longer == NULL) free(text);
    else *size = strlen(strcat(longer, "\n"));
    return longer;
}

/* Close the log at the last line that is whole; where it is no regular file there is nothing to take back. */
static dualprop_status give_up(run_log *self, host *owner, off_t end)
{
    fail(owner, self->path, "writing the log");
    if (end >= 0 && ftruncate(self->file, end) != 0)
        host_fail(owner, DUALPROP_ERROR_IO,
                  "%s: writing the log failed and its last line is torn: %s; expected a file to write to", self->path,
                  strerror(errno));
    run_log_close(self);
    self->lost = 1;
    return DUALPROP_ERROR_IO;
}

static dualprop_status write_text(run_log *self, host *owner, const char *text, size_t size)
{
    struct stat about;
    off_t end = fstat(self->file, &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : -1;

    return write_all(self->file, text, size) == DUALPROP_OK ? DUALPROP_OK : give_up(self, owner, end);
}

/* Write one line and give the object back. */
static dualprop_status write_line(run_log *self, host *owner, json_t *line)
{
    size_t size;
    char *text = make_text(line, &size);

    json_decref(line);
    if (text == NULL) return host_no_memory(owner, "a line of the log");
    dualprop_status status = write_text(self, owner, text, size);
    free(text);
    return status;
}

dualprop_status run_log_write(run_log *self, host *owner, const epoch_report *report)
{
    return self->path != NULL ? write_line(self, owner, make_line(report)) : DUALPROP_OK;
}

dualprop_status run_log_write_audit(run_log *self, host *owner, const audit_sums *sums, int64_t epoch, int64_t number,
                                    const epoch_report *shape)
{
    if (self->path == NULL) return DUALPROP_OK;
    json_t *object = json_object();
    json_object_set_new(object, "epoch", json_integer(epoch));
    json_object_set_new(object, "batch", json_integer(number));
    add_sums(object, sums, shape);
    return write_line(self, owner, object);
}

dualprop_status run_log_write_attack(run_log *self, host *owner, const char *attack, double epsilon, double accuracy)
{
    if (self->path == NULL) return DUALPROP_OK;
    json_t *object = json_object();
    json_object_set_new(object, "attack", json_string(attack));
    json_object_set_new(object, "epsilon", json_real(epsilon));
    json_object_set_new(object, "test_accuracy", json_real(accuracy));
    return write_line(self, owner, object);
}
