/*
 * audit.c - one batch, or the weights, through dualprop/diagnostics.h.
 */
#include "audit.h"

#include <math.h>
#include <string.h>

/* Of a power iteration, which ends earlier where nothing is gained. */
#define ITERATIONS 500

struct audit {
    host *owner;
    dualprop_network *network;
    int wanted; /* DIAGNOSE_... */
    int has_feedback;
    int layers;
    dualprop_diagnostics *diagnostics;
    dualprop_state *twin; /* borrowed from it */
};

static dualprop_status create_parts(audit *self, const settings *run, dualprop_network *network, int64_t capacity)
{
    host *owner = self->owner;

    TRY_LIBRARY(owner, dualprop_network_info(&self->layers, NULL, NULL, NULL, network));
    TRY_LIBRARY(owner, dualprop_diagnostics_create(&self->diagnostics, network, run->loss, capacity));
    TRY_LIBRARY(owner, dualprop_diagnostics_state(&self->twin, self->diagnostics));
    return DUALPROP_OK;
}

dualprop_status audit_create(audit **self, host *owner, const settings *run, dualprop_network *network,
                             int64_t capacity)
{
    *self = host_allocate(owner, 1, sizeof **self);
    if (*self == NULL) return host_no_memory(owner, "diagnostics");
    (*self)->owner = owner;
    (*self)->network = network;
    (*self)->wanted = run->diagnostics;
    (*self)->has_feedback = run->feedback != DUALPROP_FEEDBACK_SYMMETRIC;
    dualprop_status status = create_parts(*self, run, network, capacity);
    if (status != DUALPROP_OK) {
        audit_destroy(*self);
        *self = NULL;
    }
    return status;
}

void audit_destroy(audit *self)
{
    if (self == NULL) return;
    dualprop_diagnostics_destroy(self->diagnostics);
    host_release(self->owner, self, 1, sizeof *self);
}

static dualprop_status compare(audit_sums *sums, audit *self, dualprop_optimizer *optimizer, const batch *learned)
{
    TRY(batch_move(learned, self->owner, self->twin));
    TRY_LIBRARY(self->owner, dualprop_diagnostics_twin(self->diagnostics, &learned->images, &learned->labels));
    for (int k = 0; k < self->layers; k++)
        TRY_LIBRARY(self->owner,
                    dualprop_diagnostics_compare(NULL, &sums->cosine[k], &sums->norm[k], &sums->twin_norm[k],
                                                 &sums->difference[k], self->diagnostics, optimizer, k + 1));
    return DUALPROP_OK;
}

static dualprop_status look_at_dyads(audit_sums *sums, audit *self, dualprop_state *state)
{
    double residual, *objective = sums->objective;

    TRY_LIBRARY(self->owner, dualprop_state_report(NULL, &residual, NULL, NULL, NULL, NULL, state));
    sums->residual = isfinite(residual) ? residual : 0;
    if ((self->wanted & DIAGNOSE_OBJECTIVE) != 0)
        TRY_LIBRARY(self->owner, dualprop_diagnostics_objective(&objective[0], &objective[1], &objective[2],
                                                                self->diagnostics, state));
    for (int k = 0; (self->wanted & DIAGNOSE_BREGMAN) != 0 && k < self->layers; k++)
        TRY_LIBRARY(self->owner, dualprop_diagnostics_bregman(&sums->bregman[k], self->diagnostics, state, k + 1));
    for (int k = 0; (self->wanted & DIAGNOSE_SILENT) != 0 && k < self->layers; k++)
        TRY_LIBRARY(self->owner, dualprop_diagnostics_zero_delta_fraction(&sums->silent[k], state, k + 1));
    for (int k = 0; (self->wanted & DIAGNOSE_GAMMA) != 0 && k < self->layers; k++)
        TRY_LIBRARY(self->owner, dualprop_state_damping(NULL, &sums->damping[k], state, k));
    return DUALPROP_OK;
}

static void add(double *sums, const double *terms, int count)
{
    for (int i = 0; i < count; i++) sums[i] += terms[i];
}

static void add_sums(audit_sums *sums, const audit_sums *terms)
{
    sums->batches += terms->batches;
    add(sums->cosine, terms->cosine, AUDIT_LAYERS);
    add(sums->norm, terms->norm, AUDIT_LAYERS);
    add(sums->twin_norm, terms->twin_norm, AUDIT_LAYERS);
    add(sums->difference, terms->difference, AUDIT_LAYERS);
    add(sums->silent, terms->silent, AUDIT_LAYERS);
    add(sums->bregman, terms->bregman, AUDIT_LAYERS);
    add(sums->damping, terms->damping, AUDIT_LAYERS);
    add(sums->objective, terms->objective, 3);
    sums->residual += terms->residual;
}

dualprop_status audit_batch(audit_sums *sums, audit_sums *alone, audit *self, dualprop_state *state,
                            dualprop_optimizer *optimizer, const batch *learned)
{
    audit_sums found = { .batches = 1 };

    TRY(look_at_dyads(&found, self, state));
    if ((self->wanted & (DIAGNOSE_ANGLE | DIAGNOSE_NORMS)) != 0) TRY(compare(&found, self, optimizer, learned));
    add_sums(sums, &found);
    if (alone != NULL) *alone = found;
    return DUALPROP_OK;
}

static dualprop_status compare_feedback(audit_weights *out, audit *self)
{
    for (int k = 0; k < self->layers; k++) {
        dualprop_layer *layer;
        double cosine;
        TRY_LIBRARY(self->owner, dualprop_network_layer(&layer, self->network, k + 1));
        TRY_LIBRARY(self->owner, dualprop_layer_feedback(NULL, &cosine, layer));
        out->feedback_angle[k] = acos(fmax(-1, fmin(1, cosine))) * (180 / 3.14159265358979323846);
    }
    return DUALPROP_OK;
}

/* The iterations start afresh, so that a run that was resumed finds the same as one that never stopped. */
dualprop_status audit_norms(audit_weights *out, audit *self)
{
    memset(out, 0, sizeof *out);
    TRY_LIBRARY(self->owner, dualprop_diagnostics_restart(self->diagnostics));
    for (int k = 0; (self->wanted & DIAGNOSE_GAMMA) != 0 && k < self->layers; k++)
        TRY_LIBRARY(self->owner,
                    dualprop_diagnostics_spectral_norm(&out->gamma[k], self->diagnostics, k + 1, ITERATIONS));
    if ((self->wanted & DIAGNOSE_LIPSCHITZ) != 0)
        TRY_LIBRARY(self->owner, dualprop_diagnostics_lipschitz(&out->lipschitz, self->diagnostics, ITERATIONS));
    if ((self->wanted & DIAGNOSE_ANGLE) != 0 && self->has_feedback) TRY(compare_feedback(out, self));
    return DUALPROP_OK;
}
