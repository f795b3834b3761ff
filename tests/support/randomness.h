/*
 * randomness.h - random numbers for tests: the same each time, or from the seed in TEST_SEED.
 *
 * Messages of failing tests name random_seed(), so that what was seen once can be seen again.
 */
#ifndef DUALPROP_TESTS_RANDOMNESS_H
#define DUALPROP_TESTS_RANDOMNESS_H

#include <stdint.h>

typedef struct randomness {
    uint64_t state;
} randomness;

/* The seed of this run: TEST_SEED, or a fixed one. A seed from TEST_SEED is printed once. */
uint64_t random_seed(void);
/* Start a sequence; different streams are independent. */
randomness random_start(uint64_t stream);
uint64_t random_bits(randomness *random);
/* Uniform in [low, high). */
double random_uniform(randomness *random, double low, double high);
/* Uniform in 0..count-1. */
int64_t random_below(randomness *random, int64_t count);

#endif
