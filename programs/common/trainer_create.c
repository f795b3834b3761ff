/*
 * trainer_create.c - making a run: the data, then everything that learns from them, new or resumed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "peers.h"
#include "run_paths.h"
#include "trainer_internal.h"

static dualprop_status read_data(trainer *self)
{
    const settings *run = self->run;
    const char *folder = run->data != NULL ? run->data : dataset_default_folder(run->dataset);

    setting_write(self->dataset_name, sizeof self->dataset_name, run, setting_find("dataset"));
    TRY(dataset_open(&self->data, self->owner, run->dataset, folder, run->limit));
    TRY(dataset_hold_out(&self->data, self->owner, run->validation, run->seed, &self->train_count));
    return batches_create(&self->batches, self->owner, &self->data.train, self->train_count, run, self->group);
}

/* A position is only worth something within the run it belongs to. All batches may be done, but not yet evaluated. */
static dualprop_status check_position(const trainer *self)
{
    const run_position *position = &self->position;
    int64_t last = self->batches.batch_count;

    if (position->batch > last || (position->batch == last && position->samples == 0) || position->epoch > 1000000)
        return host_fail(self->owner, DUALPROP_ERROR_FORMAT,
                         "%s: its position is after batch %" PRId64 " of epoch %" PRId64 "; expected %" PRId64
                         " at most",
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

static dualprop_status open_log(run_log *log, trainer *self, const char *path)
{
    return path != NULL ? run_log_open(log, self->owner, path, self->run->resume != NULL) : DUALPROP_OK;
}

#define EVALUATED_SAMPLES 100

/*
 * Samples evaluated at a time. Losses are added up piece by piece, so a piece must not depend on the number of
 * processes; nor be much more than the share that a process learns from, which is what it has memory for.
 */
static int64_t piece_size(const trainer *self)
{
    int64_t blocks = self->run->blocks > 0 ? self->run->blocks : 1, size = self->batches.size;
    int64_t block = (size + blocks - 1) / blocks, least = size < EVALUATED_SAMPLES ? size : EVALUATED_SAMPLES;

    return block > least ? block : least;
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
    self->piece = piece_size(self);
    int64_t capacity = self->batches.capacity > self->piece ? self->batches.capacity : self->piece;
    TRY_LIBRARY(owner, dualprop_state_create(&self->state, self->parts.network, self->parts.rule, capacity));
    self->parts.state = self->state;
    if (self->run->resume == NULL) return DUALPROP_OK;
    return run_file_read_state(self->state, owner, self->run->resume, self->context);
}

/* Parameters and moments, and the parameters that did best on a validation set; what else there is, is small. */
static dualprop_status try_checkpoint(const trainer *self)
{
    const settings *run = self->run;
    int64_t parameters = 0;

    if (run->checkpoint == NULL) return DUALPROP_OK;
    TRY_LIBRARY(self->owner, dualprop_network_info(NULL, &parameters, NULL, NULL, self->parts.network));
    int copies = 1 + (run->optimizer == DUALPROP_SGD ? 1 : 2) + (run->validation > 0);
    uint64_t size = settings_type(run) == DUALPROP_F64 ? sizeof(double) : sizeof(float);
    return run_file_try(self->owner, run->checkpoint, (uint64_t)parameters * (uint64_t)copies * size + 8192);
}

static dualprop_status make_measures(trainer *self)
{
    const settings *run = self->run;

    if (run->diagnostics != 0)
        TRY(audit_create(&self->audit, self->owner, run, self->parts.network, self->batches.size));
    if (run->adversarial == ADVERSARIAL_OFF && run->attack.count == 0) return DUALPROP_OK;
    return attack_create(&self->attack, self->owner, run, self->parts.network, &self->data, self->batches.size);
}

/* ---- the processes of a run ---- */

static dualprop_status begin(trainer *self)
{
    TRY(run_paths_check(self->owner, self->run));
    if (self->run->checkpoint != NULL) TRY(run_file_check(self->owner, self->run->checkpoint));
    return build_context(&self->context, self->owner, self->run);
}

static dualprop_status join(trainer *self)
{
    host *owner = self->owner;

    if (owner->transport != NULL)
        TRY_LIBRARY(owner, dualprop_group_create(&self->group, self->context, owner->transport));
    self->losses = host_allocate(owner, (uint64_t)owner->size, sizeof *self->losses);
    return self->losses != NULL ? DUALPROP_OK : host_no_memory(owner, "losses");
}

/* What each process has read from files, against what process 0 has. */
static dualprop_status compare_files(trainer *self)
{
    host *owner = self->owner;
    json_t *position = run_position_to_json(&self->position);
    char *text = position != NULL ? json_dumps(position, JSON_COMPACT) : NULL;

    json_decref(position);
    dualprop_status status = peers_compare_text(owner, "data set", self->data.sha256);
    dualprop_status other = peers_compare_text(owner, "position in its checkpoint", text != NULL ? text : "");
    free(text);
    return status != DUALPROP_OK ? status : other;
}

/* From here on the optimizer learns from all shares. */
static dualprop_status connect(trainer *self)
{
    host *owner = self->owner;

    if (self->group != NULL) {
        TRY(peers_agree(owner, compare_files(self)));
        TRY_LIBRARY(owner, dualprop_group_check_network(self->group, self->parts.network));
    }
    if (self->run->blocks == 0) return DUALPROP_OK;
    TRY_LIBRARY(owner, dualprop_optimizer_set_group(self->parts.optimizer, self->group, self->run->blocks));
    return DUALPROP_OK;
}

static dualprop_status create_own(trainer *self)
{
    TRY(read_data(self));
    TRY(run_paths_check_data(self->owner, self->run));
    TRY(make_parts(self));
    TRY(make_state(self));
    TRY(make_measures(self));
    TRY(try_checkpoint(self));
    TRY(open_log(&self->log, self, self->run->log));
    return open_log(&self->audit_log, self, self->run->audit_log);
}

/* What each process does by itself, and whether all have done it. */
static dualprop_status create_all(trainer *self)
{
    TRY(peers_agree(self->owner, begin(self)));
    TRY(peers_agree(self->owner, join(self)));
    TRY(peers_agree(self->owner, create_own(self)));
    return connect(self);
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
    run_log_close(&self->log);
    run_log_close(&self->audit_log);
    attack_destroy(self->attack);
    audit_destroy(self->audit);
    dualprop_state_destroy(self->state);
    parts_destroy(&self->parts);
    dualprop_group_destroy(self->group);
    host_release(self->owner, self->losses, (uint64_t)self->owner->size, sizeof *self->losses);
    dualprop_context_destroy(self->context);
    batches_destroy(&self->batches);
    dataset_close(&self->data, self->owner);
    host_release(self->owner, self, 1, sizeof *self);
}
