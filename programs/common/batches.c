/*
 * batches.c - samples that lie apart, copied together.
 */
#include "batches.h"

#include <string.h>

#include "augmentation.h"
#include "program.h"
#include "shuffle.h"

/* Copying less than this takes less time than waking a thread. */
#define AHEAD_BYTES 131072

static dualprop_status create_copy(array *copy, host *owner, const array *source, int64_t size)
{
    *copy = *source;
    copy->shape[0] = size;
    copy->count = (uint64_t)(size * images_elements(source));
    copy->data = host_allocate(owner, copy->count, array_type_size(copy->type));
    return copy->data != NULL ? DUALPROP_OK : host_no_memory(owner, "a batch");
}

static dualprop_status create_room(batch_room *room, const batches *self)
{
    TRY(create_copy(&room->images, self->owner, &self->source->images, self->capacity));
    TRY(create_copy(&room->labels, self->owner, &self->source->labels, self->capacity));
    if (self->augment == 0) return DUALPROP_OK;
    room->moves = host_allocate(self->owner, (uint64_t)self->capacity, MOVE_NUMBERS * sizeof *room->moves);
    return room->moves != NULL ? DUALPROP_OK : host_no_memory(self->owner, "a batch");
}

static dualprop_status create_parts(batches *self)
{
    self->order = host_allocate(self->owner, (uint64_t)self->order_count, sizeof *self->order);
    if (self->order == NULL) return host_no_memory(self->owner, "the order of samples");
    TRY(create_room(&self->room[0], self));
    return create_room(&self->room[1], self);
}

/* The sample at a place of an epoch: place 0 is the first one visited. */
static int64_t sample_at(const batches *self, int64_t index, int64_t place)
{
    return self->kind == SHUFFLE_BATCHES ? self->order[index] * self->size + place
                                         : self->order[index * self->size + place];
}

/* A batch that was cut in file order may be the short one at any place; of permuted samples the last is. */
static int64_t batch_size(const batches *self, int64_t index)
{
    int64_t left = self->count - (self->kind == SHUFFLE_BATCHES ? self->order[index] : index) * self->size;

    return left < self->size ? left : self->size;
}

/* This process's part of a batch of `total` samples. */
static void share_of(int64_t *first, int64_t *count, const batches *self, int64_t total)
{
    *first = 0;
    *count = total;
    if (self->group != NULL && dualprop_group_share(first, count, self->group, self->blocks, total) != DUALPROP_OK)
        *count = 0; /* not with blocks that the group has accepted */
}

static void copy_row(array *copy, int64_t to, const array *source, int64_t from)
{
    size_t bytes = (size_t)images_elements(source) * array_type_size(source->type);

    memcpy((char *)copy->data + (size_t)to * bytes, (const char *)source->data + (size_t)from * bytes, bytes);
}

static void prepare(void *context, int64_t index)
{
    batches *self = context;
    batch_room *room = &self->room[index % 2];
    int64_t first, count;

    share_of(&first, &count, self, batch_size(self, index));
    for (int64_t i = 0; i < count; i++) {
        int64_t sample = sample_at(self, index, first + i);
        copy_row(&room->images, i, &self->source->images, sample);
        copy_row(&room->labels, i, &self->source->labels, sample);
        if (room->moves != NULL)
            move_draw(room->moves + MOVE_NUMBERS * i, self->augment, self->seed, self->epoch, sample);
    }
}

/* No share of a shorter batch is larger than that of a whole one by more than a sample. */
static int64_t largest_share(const batches *self)
{
    int64_t first, count;

    share_of(&first, &count, self, self->size);
    return count < self->size ? count + 1 : self->size;
}

dualprop_status batches_create(batches *self, host *owner, const samples *source, int64_t count, const settings *run,
                               const dualprop_group *group)
{
    memset(self, 0, sizeof *self);
    self->owner = owner;
    self->source = source;
    self->count = count;
    self->size = run->batch < count ? run->batch : count;
    self->batch_count = (count + (run->program->drops_last_batch ? 0 : self->size - 1)) / self->size;
    self->group = group;
    self->blocks = run->blocks;
    self->capacity = largest_share(self);
    self->kind = run->shuffle;
    self->augment = run->augment;
    self->seed = run->seed;
    self->order_count = self->kind == SHUFFLE_BATCHES ? self->batch_count : count;
    TRY(create_parts(self));
    uint64_t bytes = self->room[0].images.count * array_type_size(self->room[0].images.type);
    prefetch_begin(&self->ahead, prepare, self, bytes >= AHEAD_BYTES);
    return DUALPROP_OK;
}

static void destroy_room(batch_room *room, const batches *self)
{
    array_release(&room->images, self->owner);
    array_release(&room->labels, self->owner);
    host_release(self->owner, room->moves, (uint64_t)self->capacity, MOVE_NUMBERS * sizeof *room->moves);
}

void batches_destroy(batches *self)
{
    if (self->owner == NULL) return;
    prefetch_end(&self->ahead);
    host_release(self->owner, self->order, (uint64_t)self->order_count, sizeof *self->order);
    destroy_room(&self->room[0], self);
    destroy_room(&self->room[1], self);
    memset(self, 0, sizeof *self);
}

int64_t batches_samples(const batches *self)
{
    int64_t all = self->batch_count * self->size;

    return all < self->count ? all : self->count;
}

void batches_shuffle(batches *self, int64_t epoch)
{
    prefetch_forget(&self->ahead);
    self->epoch = epoch;
    shuffle(self->order, self->order_count, self->seed, epoch);
}

void batches_take(batch *out, batches *self, int64_t index)
{
    const batch_room *room = &self->room[index % 2];
    samples copied = { .images = room->images, .labels = room->labels };

    prefetch_wait(&self->ahead, index);
    if (index + 1 < self->batch_count) prefetch_ask(&self->ahead, index + 1);
    int64_t first;
    out->total = batch_size(self, index);
    share_of(&first, &out->count, self, out->total);
    out->moves = room->moves;
    samples_view(&out->images, &out->labels, &copied, 0, out->count);
}
