/*
 * augmentation.h - where the images of a training batch are moved to: random crops of the image with zeros around it,
 * and flips.
 *
 * A move is three int32: rows down, columns right, flip. It is a pure function of seed, epoch and sample, so the order
 * of samples, the batch size, the number of threads and resuming do not change it.
 */
#ifndef PROGRAMS_AUGMENTATION_H
#define PROGRAMS_AUGMENTATION_H

#include <stdint.h>

#define MOVE_NUMBERS 3
/* The width of the border of zeros from which crops are taken. */
#define MOVE_BORDER 4

/* Write the move of one sample; augment: bits of AUGMENT_... */
void move_draw(int32_t *move, int augment, uint64_t seed, int64_t epoch, int64_t sample);

#endif
