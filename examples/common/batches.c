/*
 * batches.c - views of a data set, or copies of samples that lie apart.
 */
#include "batches.h"

#include <string.h>

#include "shuffle.h"

static dualprop_status create_copy(array *copy, host *owner, const array *source, int64_t size)
{
    *copy = *source;
    copy->shape[0] = size;
    copy->count = (uint64_t)(size * images_elements(source));
    copy->data = host_allocate(owner, copy->count, array_type_size(copy->type));
    return copy->data != NULL ? DUALPROP_OK : host_no_memory(owner, "a batch");
}

static dualprop_status create_parts(batches *self)
{
    self->order = host_allocate(self->owner, (uint64_t)self->order_count, sizeof *self->order);
    if (self->order == NULL) return host_no_memory(self->owner, "the order of samples");
    if (self->kind == SHUFFLE_BATCHES) return DUALPROP_OK;
    TRY(create_copy(&self->images, self->owner, &self->source->images, self->size));
    return create_copy(&self->labels, self->owner, &self->source->labels, self->size);
}

dualprop_status batches_create(batches *self, host *owner, const samples *source, int64_t count, int64_t size, int kind)
{
    memset(self, 0, sizeof *self);
    self->owner = owner;
    self->source = source;
    self->count = count;
    self->size = size < count ? size : count;
    self->batch_count = (count + self->size - 1) / self->size;
    self->kind = kind;
    self->order_count = kind == SHUFFLE_BATCHES ? self->batch_count : count;
    return create_parts(self);
}

void batches_destroy(batches *self)
{
    if (self->owner == NULL) return;
    host_release(self->owner, self->order, (uint64_t)self->order_count, sizeof *self->order);
    array_release(&self->images, self->owner);
    array_release(&self->labels, self->owner);
    memset(self, 0, sizeof *self);
}

void batches_shuffle(batches *self, uint64_t seed, int64_t epoch)
{
    shuffle(self->order, self->order_count, seed, epoch);
}

/* Copy the rows that order names, one behind the other. */
static void gather(array *copy, const array *source, const int64_t *order, int64_t count)
{
    size_t bytes = (size_t)images_elements(source) * array_type_size(source->type);

    for (int64_t i = 0; i < count; i++)
        memcpy((char *)copy->data + (size_t)i * bytes, (const char *)source->data + (size_t)order[i] * bytes, bytes);
}

void batches_view(dualprop_view *images, dualprop_view *labels, batches *self, int64_t index)
{
    int64_t place = self->kind == SHUFFLE_BATCHES ? self->order[index] : index;
    int64_t first = place * self->size;
    int64_t left = self->count - first;
    int64_t count = left < self->size ? left : self->size;

    if (self->kind == SHUFFLE_BATCHES) {
        samples_view(images, labels, self->source, first, count);
        return;
    }
    samples copied = { .images = self->images, .labels = self->labels };
    gather(&self->images, &self->source->images, self->order + first, count);
    gather(&self->labels, &self->source->labels, self->order + first, count);
    samples_view(images, labels, &copied, 0, count);
}
