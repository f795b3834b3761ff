/*
 * samples.c - memory for samples, and views of them.
 */
#include "samples.h"

#include <string.h>

dualprop_status samples_create(samples *self, host *owner, int64_t count, int64_t height, int64_t width,
                               int64_t channels)
{
    array images = { .type = DUALPROP_U8, .rank = 4, .shape = { count, height, width, channels } };
    array labels = { .type = DUALPROP_I32, .rank = 1, .shape = { count }, .count = (uint64_t)count };

    memset(self, 0, sizeof *self);
    if (!array_count(&images.count, images.shape, images.rank, 1)) return host_no_memory(owner, "images");
    images.data = host_allocate(owner, images.count, 1);
    labels.data = host_allocate(owner, labels.count, sizeof(int32_t));
    self->images = images;
    self->labels = labels;
    self->count = count;
    if (images.data != NULL && labels.data != NULL) return DUALPROP_OK;
    samples_release(self, owner);
    return host_no_memory(owner, "images");
}

void samples_release(samples *self, host *owner)
{
    array_release(&self->images, owner);
    array_release(&self->labels, owner);
    self->count = 0;
}

int64_t images_elements(const array *images)
{
    return (int64_t)images->count / images->shape[0];
}

static dualprop_view contiguous(const array *whole, int64_t first, int64_t count)
{
    dualprop_view view = { .struct_size = sizeof view, .type = whole->type, .rank = whole->rank };
    int64_t stride = 1;

    for (int axis = whole->rank - 1; axis >= 0; axis--) {
        view.shape[axis] = axis == 0 ? count : whole->shape[axis];
        view.strides[axis] = stride;
        stride *= whole->shape[axis];
    }
    int64_t elements = images_elements(whole);
    view.data = (char *)whole->data + (size_t)(first * elements) * array_type_size(whole->type);
    return view;
}

void samples_view(dualprop_view *images, dualprop_view *labels, const samples *self, int64_t first, int64_t count)
{
    *images = contiguous(&self->images, first, count);
    *labels = contiguous(&self->labels, first, count);
}

void images_interleave(unsigned char *pixels, const unsigned char *planes, int64_t pixel_count)
{
    for (int64_t i = 0; i < pixel_count; i++) {
        for (int channel = 0; channel < 3; channel++) pixels[3 * i + channel] = planes[channel * pixel_count + i];
    }
}
