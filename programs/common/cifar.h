/*
 * cifar.h - CIFAR-10 and CIFAR-100 in their binary form.
 *
 * A file is records and nothing else: CIFAR-10 one byte of label (0..9), CIFAR-100 one of the coarse label (0..19) and
 * one of the fine (0..99, the one that is learned); then 3,072 bytes of an image of 32 x 32, a plane each of red, green
 * and blue. The files are data_batch_1.bin to data_batch_5.bin and test_batch.bin, or train.bin and test.bin, in the
 * folder or in the folder inside it that the original archives make.
 */
#ifndef PROGRAMS_CIFAR_H
#define PROGRAMS_CIFAR_H

#include "dataset.h"

/* Read the files of kind DATASET_CIFAR10 or _CIFAR100 into out->train and out->test, or nothing. */
dualprop_status cifar_read_set(dataset *out, host *owner, int kind, const char *folder);
/* Read the images of one file, whatever their labels. */
dualprop_status cifar_read_images(array *out, host *owner, int kind, const char *path);

#endif
