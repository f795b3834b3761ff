/*
 * class_list.c - a network in a checkpoint without training: the classes of images in a file, or C source.
 */
#include <math.h>
#include <stdio.h>

#include "build_run.h"
#include "trainer.h"

/* Images at a time: enough to keep the cores busy, little memory. */
#define PREDICT_BATCH 256

typedef struct classifier {
    host *owner;
    const settings *run;
    dualprop_context *context;
    run_parts parts;
    dualprop_state *state;
    array images;
    double *scores;
    int64_t outputs;
} classifier;

static dualprop_status check_images(const classifier *self)
{
    int64_t inputs;

    TRY_LIBRARY(self->owner, dualprop_network_info(NULL, NULL, &inputs, NULL, self->parts.network));
    if (images_elements(&self->images) == inputs) return DUALPROP_OK;
    return host_fail(self->owner, DUALPROP_ERROR_FORMAT,
                     "%s: wrong shape: images of %lld numbers; expected %lld, the inputs of the network in %s",
                     self->run->predict, (long long)images_elements(&self->images), (long long)inputs,
                     self->run->resume);
}

static dualprop_status prepare(classifier *self)
{
    host *owner = self->owner;

    TRY(build_context(&self->context, owner, self->run));
    TRY(run_file_read(&self->parts, NULL, owner, self->run->resume, self->context));
    TRY(images_open(&self->images, owner, self->run->dataset, self->run->predict));
    TRY(check_images(self));
    if (self->parts.best != NULL) TRY_LIBRARY(owner, dualprop_network_copy(self->parts.network, self->parts.best));
    TRY_LIBRARY(owner, dualprop_network_info(NULL, NULL, NULL, &self->outputs, self->parts.network));
    TRY_LIBRARY(owner, dualprop_state_create(&self->state, self->parts.network, NULL, PREDICT_BATCH));
    self->scores = host_allocate(owner, (uint64_t)(PREDICT_BATCH * self->outputs), sizeof(double));
    return self->scores != NULL ? DUALPROP_OK : host_no_memory(owner, "scores");
}

static int64_t greatest(const double *scores, int64_t count)
{
    int64_t best = 0;

    for (int64_t i = 1; i < count; i++) {
        if (scores[i] > scores[best]) best = i;
    }
    return best;
}

static dualprop_status print_some(classifier *self, int64_t first, int64_t count)
{
    dualprop_view images, labels;
    samples set = { .images = self->images, .labels = { .type = DUALPROP_I32, .rank = 1, .shape = { 1 }, .count = 1 } };
    dualprop_view scores = { .struct_size = sizeof scores,
                             .data = self->scores,
                             .type = DUALPROP_F64,
                             .rank = 2,
                             .shape = { count, self->outputs },
                             .strides = { self->outputs, 1 } };

    samples_view(&images, &labels, &set, first, count);
    TRY_LIBRARY(self->owner, dualprop_predict_view(&scores, self->state, &images));
    for (int64_t i = 0; i < count; i++)
        printf("%lld\n", (long long)greatest(self->scores + i * self->outputs, self->outputs));
    return DUALPROP_OK;
}

static dualprop_status print_all(classifier *self)
{
    int64_t total = self->images.shape[0];

    for (int64_t first = 0; first < total; first += PREDICT_BATCH)
        TRY(print_some(self, first, total - first < PREDICT_BATCH ? total - first : PREDICT_BATCH));
    return DUALPROP_OK;
}

dualprop_status trainer_predict(host *owner, const settings *run)
{
    classifier self = { .owner = owner, .run = run };
    dualprop_status status = prepare(&self);

    if (status == DUALPROP_OK) status = print_all(&self);
    host_release(owner, self.scores, (uint64_t)(PREDICT_BATCH * self.outputs), sizeof(double));
    array_release(&self.images, owner);
    dualprop_state_destroy(self.state);
    parts_destroy(&self.parts);
    dualprop_context_destroy(self.context);
    return status;
}

dualprop_status trainer_export(host *owner, const settings *run)
{
    classifier self = { .owner = owner, .run = run };
    dualprop_status status = build_context(&self.context, owner, run);

    if (status == DUALPROP_OK) status = run_file_read(&self.parts, NULL, owner, run->resume, self.context);
    if (status == DUALPROP_OK) {
        const dualprop_network *network = self.parts.best != NULL ? self.parts.best : self.parts.network;
        status = dualprop_network_export_c(network, run->export_c, "network");
        if (status != DUALPROP_OK) status = host_library(owner, status);
    }
    parts_destroy(&self.parts);
    dualprop_context_destroy(self.context);
    return status;
}
