/*
 * hold_out.c - from a training set to one for training and one for validation.
 */
#include <math.h>
#include <string.h>

#include "dataset.h"
#include "shuffle.h"

/* Rows of an array, in the order given. Those that move up go in place; the others wait in kept. */
static void move_rows(array *rows, const unsigned char *held, int64_t count, int64_t held_count, unsigned char *kept)
{
    size_t bytes = (size_t)images_elements(rows) * array_type_size(rows->type);
    unsigned char *data = rows->data;
    int64_t next = 0, waiting = 0;

    for (int64_t i = 0; i < count; i++) {
        if (held[i]) memcpy(kept + (size_t)waiting++ * bytes, data + (size_t)i * bytes, bytes);
        else if (next++ != i) memcpy(data + (size_t)(next - 1) * bytes, data + (size_t)i * bytes, bytes);
    }
    memcpy(data + (size_t)next * bytes, kept, (size_t)held_count * bytes);
}

static dualprop_status hold_rows(array *rows, host *owner, const unsigned char *held, int64_t count, int64_t held_count)
{
    uint64_t size = (uint64_t)(held_count * images_elements(rows)) * array_type_size(rows->type);
    unsigned char *kept = host_allocate(owner, size, 1);

    if (kept == NULL) return host_no_memory(owner, "the validation set");
    move_rows(rows, held, count, held_count, kept);
    host_release(owner, kept, size, 1);
    return DUALPROP_OK;
}

/* No epoch has this number. */
#define HOLD_OUT_EPOCH (-1)

/* Mark held_count of count samples. */
static dualprop_status choose(unsigned char *held, host *owner, int64_t count, int64_t held_count, uint64_t seed)
{
    int64_t *order = host_allocate(owner, (uint64_t)count, sizeof *order);

    if (order == NULL) return host_no_memory(owner, "the validation set");
    shuffle(order, count, seed, HOLD_OUT_EPOCH);
    for (int64_t i = 0; i < held_count; i++) held[order[i]] = 1;
    host_release(owner, order, (uint64_t)count, sizeof *order);
    return DUALPROP_OK;
}

static dualprop_status hold_out(dataset *self, host *owner, unsigned char *held, int64_t held_count, uint64_t seed)
{
    TRY(choose(held, owner, self->train.count, held_count, seed));
    TRY(hold_rows(&self->train.images, owner, held, self->train.count, held_count));
    return hold_rows(&self->train.labels, owner, held, self->train.count, held_count);
}

dualprop_status dataset_hold_out(dataset *self, host *owner, double fraction, uint64_t seed, int64_t *first)
{
    int64_t count = self->train.count, held_count = (int64_t)floor(fraction * (double)count);

    *first = count - held_count;
    if (held_count == 0) return DUALPROP_OK;
    unsigned char *held = host_allocate(owner, (uint64_t)count, 1);
    if (held == NULL) return host_no_memory(owner, "the validation set");
    dualprop_status status = hold_out(self, owner, held, held_count, seed);
    host_release(owner, held, (uint64_t)count, 1);
    return status;
}
