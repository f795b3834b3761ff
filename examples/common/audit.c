/*
 * audit.c - the back-propagation twin.
 */
#include "audit.h"

#include <math.h>

struct audit {
    host *owner;
    int wanted; /* DIAGNOSE_... */
    int layers, precision;
    dualprop_network *network; /* borrowed */
    dualprop_rule *twin_rule;
    dualprop_state *twin_state;
    dualprop_optimizer *twin_optimizer;
    void *deltas; /* room for one layer's, to count zeros in */
    int64_t deltas_count;
};

static dualprop_status create_twin(audit *self, const settings *run, dualprop_context *context, int64_t capacity)
{
    host *owner = self->owner;

    TRY_LIBRARY(owner, dualprop_rule_create(&self->twin_rule, context, DUALPROP_BP));
    TRY_LIBRARY(owner, dualprop_rule_set_loss(self->twin_rule, run->loss));
    TRY_LIBRARY(owner, dualprop_state_create(&self->twin_state, self->network, self->twin_rule, capacity));
    TRY_LIBRARY(owner, dualprop_optimizer_create(&self->twin_optimizer, self->network, DUALPROP_SGD));
    return DUALPROP_OK;
}

static dualprop_status layer_outputs(int64_t *outputs, audit *self, int index)
{
    dualprop_layer *layer;

    TRY_LIBRARY(self->owner, dualprop_network_layer(&layer, self->network, index));
    TRY_LIBRARY(self->owner, dualprop_layer_info(NULL, outputs, NULL, layer));
    return DUALPROP_OK;
}

static dualprop_status create_deltas(audit *self, int64_t capacity)
{
    for (int k = 1; k <= self->layers; k++) {
        int64_t outputs;
        TRY(layer_outputs(&outputs, self, k));
        if (outputs * capacity > self->deltas_count) self->deltas_count = outputs * capacity;
    }
    self->deltas = host_allocate(self->owner, (uint64_t)self->deltas_count, sizeof(double));
    return self->deltas != NULL ? DUALPROP_OK : host_no_memory(self->owner, "diagnostics");
}

static dualprop_status create_parts(audit *self, const settings *run, dualprop_context *context, int64_t capacity)
{
    TRY_LIBRARY(self->owner, dualprop_network_info(&self->layers, NULL, NULL, NULL, self->network));
    TRY(create_twin(self, run, context, capacity));
    return (self->wanted & DIAGNOSE_SILENT) != 0 ? create_deltas(self, capacity) : DUALPROP_OK;
}

dualprop_status audit_create(audit **self, host *owner, const settings *run, dualprop_context *context,
                             dualprop_network *network, int64_t capacity)
{
    *self = host_allocate(owner, 1, sizeof **self);
    if (*self == NULL) return host_no_memory(owner, "diagnostics");
    (*self)->owner = owner;
    (*self)->wanted = run->diagnostics;
    (*self)->precision = run->precision;
    (*self)->network = network;
    dualprop_status status = create_parts(*self, run, context, capacity);
    if (status != DUALPROP_OK) {
        audit_destroy(*self);
        *self = NULL;
    }
    return status;
}

void audit_destroy(audit *self)
{
    if (self == NULL) return;
    dualprop_optimizer_destroy(self->twin_optimizer);
    dualprop_state_destroy(self->twin_state);
    dualprop_rule_destroy(self->twin_rule);
    host_release(self->owner, self->deltas, (uint64_t)self->deltas_count, sizeof(double));
    host_release(self->owner, self, 1, sizeof *self);
}

static dualprop_status compare(audit_sums *sums, audit *self, dualprop_optimizer *optimizer)
{
    for (int k = 1; k <= self->layers; k++) {
        double cosine, norm, twin_norm, difference;
        TRY_LIBRARY(self->owner, dualprop_gradient_compare(&cosine, &norm, &twin_norm, &difference, optimizer,
                                                           self->twin_optimizer, k));
        sums->cosine[k - 1] += cosine;
        sums->norm[k - 1] += norm;
        sums->twin_norm[k - 1] += twin_norm;
        sums->difference[k - 1] += difference;
    }
    return DUALPROP_OK;
}

static int64_t count_zeros(const audit *self, int64_t count)
{
    int64_t zeros = 0;

    for (int64_t i = 0; i < count; i++) {
        double value = self->precision == DUALPROP_F64 ? ((const double *)self->deltas)[i]
                                                       : (double)((const float *)self->deltas)[i];
        zeros += value == 0;
    }
    return zeros;
}

static dualprop_status count_silent(audit_sums *sums, audit *self, dualprop_state *state, int64_t count)
{
    for (int k = 1; k <= self->layers; k++) {
        int64_t outputs;
        TRY(layer_outputs(&outputs, self, k));
        dualprop_view view = { .struct_size = sizeof view, .data = self->deltas, .type = self->precision, .rank = 2,
                               .shape = { count, outputs }, .strides = { outputs, 1 } };
        TRY_LIBRARY(self->owner, dualprop_state_read(&view, state, k, DUALPROP_S_DELTA));
        sums->silent[k - 1] += (double)count_zeros(self, count * outputs) / (double)(count * outputs);
    }
    return DUALPROP_OK;
}

/* Everything is read before the twin infers, so that nothing it does can touch what is measured. */
dualprop_status audit_batch(audit_sums *sums, audit *self, dualprop_state *state, dualprop_optimizer *optimizer,
                            const batch *learned)
{
    double residual;

    TRY_LIBRARY(self->owner, dualprop_state_report(NULL, &residual, NULL, NULL, NULL, NULL, state));
    if (isfinite(residual)) sums->residual += residual;
    if ((self->wanted & DIAGNOSE_SILENT) != 0) TRY(count_silent(sums, self, state, learned->count));
    TRY(batch_infer(learned, self->owner, self->twin_state));
    TRY_LIBRARY(self->owner, dualprop_gradient(self->twin_optimizer, self->twin_state));
    TRY(compare(sums, self, optimizer));
    sums->batches++;
    return DUALPROP_OK;
}
