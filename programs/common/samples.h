/*
 * samples.h - images with labels, as the readers of data sets fill them in.
 */
#ifndef PROGRAMS_SAMPLES_H
#define PROGRAMS_SAMPLES_H

#include "array.h"

/* Some samples: images of shape (count, height, width, channels), and one int32 label each. */
typedef struct samples {
    array images;
    array labels;
    int64_t count; /* the first so many are used */
} samples;

/* Room for count images of bytes, of the size given, and their labels. */
dualprop_status samples_create(samples *self, host *owner, int64_t count, int64_t height, int64_t width,
                               int64_t channels);
void samples_release(samples *self, host *owner);

/* Views of count samples from the one numbered first on. */
void samples_view(dualprop_view *images, dualprop_view *labels, const samples *self, int64_t first, int64_t count);
/* Elements of one image. */
int64_t images_elements(const array *images);
/* From a plane each of red, green and blue to three bytes a pixel. */
void images_interleave(unsigned char *pixels, const unsigned char *planes, int64_t pixel_count);

#endif
