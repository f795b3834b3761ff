/*
 * imagenet32.h - the downsampled ImageNet of 32 x 32 pixels, as its authors' numpy archives.
 *
 * train_data_batch_1.npz to train_data_batch_10.npz and val_data.npz, each with data.npy (N, 3072), bytes, a plane each
 * of red, green and blue, and labels.npy (N), 1 to 1000. Other members (the mean image) are not read.
 */
#ifndef PROGRAMS_IMAGENET32_H
#define PROGRAMS_IMAGENET32_H

#include "dataset.h"

/* Read the files into out->train and out->test, or nothing. */
dualprop_status imagenet32_read_set(dataset *out, host *owner, const char *folder);
/* Read the images of one archive. */
dualprop_status imagenet32_read_images(array *out, host *owner, const char *path);

#endif
