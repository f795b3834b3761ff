/*
 * attack.c - gradients of the input from a back-propagation twin, and steps along them.
 */
#include "attack.h"

#include <math.h>

#include "interrupt.h"

struct attack {
    host *owner;
    dualprop_diagnostics *diagnostics;
    dualprop_state *twin; /* borrowed from it */
    const dataset *data;
    int64_t capacity, inputs;
    double *clean, *x, *gradient; /* (capacity, inputs): as it was, as it is now, and its gradient */
    double low, high;             /* the range of numbers that are no bytes */
};

const char *attack_name(int kind)
{
    return kind == ATTACK_FGSM ? "fgsm" : "pgd";
}

/* ---- creation ---- */

static double element(const array *images, uint64_t i)
{
    return images->type == DUALPROP_F32 ? (double)((const float *)images->data)[i] : ((const double *)images->data)[i];
}

static void find_range(attack *self, const array *images)
{
    self->low = 0;
    self->high = 1;
    if (images->type == DUALPROP_U8) return;
    self->low = self->high = element(images, 0);
    for (uint64_t i = 1; i < images->count; i++) {
        self->low = fmin(self->low, element(images, i));
        self->high = fmax(self->high, element(images, i));
    }
}

static dualprop_status create_parts(attack *self, const settings *run, dualprop_network *network)
{
    uint64_t count = (uint64_t)(self->capacity * self->inputs);

    TRY_LIBRARY(self->owner, dualprop_diagnostics_create(&self->diagnostics, network, run->loss, self->capacity));
    TRY_LIBRARY(self->owner, dualprop_diagnostics_state(&self->twin, self->diagnostics));
    self->clean = host_allocate(self->owner, count, sizeof(double));
    self->x = host_allocate(self->owner, count, sizeof(double));
    self->gradient = host_allocate(self->owner, count, sizeof(double));
    if (self->clean == NULL || self->x == NULL || self->gradient == NULL) return host_no_memory(self->owner, "attacks");
    return DUALPROP_OK;
}

dualprop_status attack_create(attack **self, host *owner, const settings *run, dualprop_network *network,
                              const dataset *data, int64_t capacity)
{
    *self = host_allocate(owner, 1, sizeof **self);
    if (*self == NULL) return host_no_memory(owner, "attacks");
    (*self)->owner = owner;
    (*self)->data = data;
    (*self)->capacity = capacity;
    (*self)->inputs = data->height * data->width * data->channels;
    find_range(*self, &data->train.images);
    dualprop_status status = create_parts(*self, run, network);
    if (status != DUALPROP_OK) {
        attack_destroy(*self);
        *self = NULL;
    }
    return status;
}

void attack_destroy(attack *self)
{
    if (self == NULL) return;
    uint64_t count = (uint64_t)(self->capacity * self->inputs);
    host_release(self->owner, self->clean, count, sizeof(double));
    host_release(self->owner, self->x, count, sizeof(double));
    host_release(self->owner, self->gradient, count, sizeof(double));
    dualprop_diagnostics_destroy(self->diagnostics);
    host_release(self->owner, self, 1, sizeof *self);
}

/* ---- gradients ---- */

static dualprop_view rows(const attack *self, double *numbers, int64_t count)
{
    return (dualprop_view){ .struct_size = sizeof(dualprop_view),
                            .data = numbers,
                            .type = DUALPROP_F64,
                            .rank = 2,
                            .shape = { count, self->inputs },
                            .strides = { self->inputs, 1 } };
}

/* The gradient at a batch; x receives the numbers that the network saw. */
static dualprop_status differentiate(attack *self, double *x, const batch *at)
{
    dualprop_view seen = rows(self, x, at->count), gradient = rows(self, self->gradient, at->count);

    TRY(batch_infer(at, self->owner, self->twin));
    TRY_LIBRARY(self->owner, dualprop_state_read(&seen, self->twin, 0, DUALPROP_S_MEAN));
    TRY_LIBRARY(self->owner, dualprop_diagnostics_input_gradient(&gradient, self->diagnostics, self->twin));
    return DUALPROP_OK;
}

/* ---- steps ---- */

static double deviation_of(const attack *self, int64_t i)
{
    return self->data->deviation != NULL ? self->data->deviation[i % self->data->channels] : 1;
}

/* What the input transform makes of a number on the scale of 0 to 1. */
static double transformed(const attack *self, double value, int64_t i)
{
    double mean = self->data->mean != NULL ? self->data->mean[i % self->data->channels] : 0;

    return (value - mean) / deviation_of(self, i);
}

static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static double clip(double x, double low, double high)
{
    return fmin(high, fmax(low, x));
}

/* x <- x + step sign(gradient), within epsilon of the clean image and within its range. */
static void step_inside(attack *self, int64_t count, double step, double epsilon)
{
    for (int64_t i = 0; i < count * self->inputs; i++) {
        double scale = 1 / deviation_of(self, i);
        double moved = self->x[i] + step * scale * sign(self->gradient[i]);
        double near = clip(moved, self->clean[i] - epsilon * scale, self->clean[i] + epsilon * scale);
        self->x[i] = clip(near, transformed(self, self->low, i), transformed(self, self->high, i));
    }
}

/* The gradient in the untransformed number is gradient / deviation, and the step along it is divided once more. */
static void step_freely(attack *self, int64_t count, int adversarial, double epsilon)
{
    for (int64_t i = 0; i < count * self->inputs; i++) {
        double scale = 1 / deviation_of(self, i), slope = self->gradient[i] * scale;
        self->x[i] = self->clean[i] + epsilon * scale * (adversarial == ADVERSARIAL_FGSM ? sign(slope) : slope);
    }
}

dualprop_status attack_batch(batch *changed, attack *self, const batch *clean, int adversarial, double epsilon)
{
    TRY(differentiate(self, self->clean, clean));
    step_freely(self, clean->count, adversarial, epsilon);
    *changed = *clean;
    changed->images = rows(self, self->x, clean->count);
    changed->moves = NULL;
    return DUALPROP_OK;
}

/* ---- tests ---- */

static dualprop_status harden(attack *self, batch *at, int kind, double epsilon)
{
    int64_t elements = at->count * self->inputs;

    TRY(differentiate(self, self->clean, at));
    for (int64_t i = 0; i < elements; i++) self->x[i] = self->clean[i];
    step_inside(self, at->count, kind == ATTACK_FGSM ? epsilon : epsilon / 4, epsilon);
    at->images = rows(self, self->x, at->count);
    for (int step = 1; kind == ATTACK_PGD && step < ATTACK_STEPS; step++) {
        TRY(differentiate(self, self->x, at));
        step_inside(self, at->count, epsilon / 4, epsilon);
    }
    return DUALPROP_OK;
}

dualprop_status attack_test(int64_t *correct, attack *self, const samples *set, int kind, double epsilon)
{
    *correct = 0;
    for (int64_t first = 0; first < set->count; first += self->capacity) {
        int64_t right, left = set->count - first;
        batch at = { .count = left < self->capacity ? left : self->capacity };
        samples_view(&at.images, &at.labels, set, first, at.count);
        if (interrupt_came()) return DUALPROP_ERROR_CANCELLED;
        TRY(harden(self, &at, kind, epsilon));
        TRY_LIBRARY(self->owner, dualprop_evaluate_view(NULL, &right, NULL, 1, self->twin, &at.images, &at.labels));
        *correct += right;
    }
    return DUALPROP_OK;
}
