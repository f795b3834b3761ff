/*
 * shuffle.h - the order in which an epoch visits the training set.
 *
 * The order is a pure function of seed and epoch (Philox 4x32-10 keyed by the seed, with the epoch in its counter), so
 * a resumed run needs to know only the epoch and how far it had come.
 */
#ifndef PROGRAMS_SHUFFLE_H
#define PROGRAMS_SHUFFLE_H

#include <stdint.h>

/* What is permuted: single samples, or whole batches cut once in file order. */
enum { SHUFFLE_SAMPLES = 0, SHUFFLE_BATCHES = 1 };

/* Write a permutation of 0 .. count-1 into order. */
void shuffle(int64_t *order, int64_t count, uint64_t seed, int64_t epoch);

#endif
