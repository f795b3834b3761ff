/*
 * randomness.c - SplitMix64, kept apart from the library's own generator, which is under test.
 */
#include "randomness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t random_seed(void)
{
    static uint64_t seed;
    if (seed) return seed;
    const char *text = getenv("TEST_SEED");
    seed = text ? strtoull(text, NULL, 0) : 0;
    if (text) printf("TEST_SEED=%" PRIu64 "\n", seed);
    if (!seed) seed = 20240229;
    return seed;
}

randomness random_start(uint64_t stream)
{
    randomness random = { random_seed() + stream * 0xD1342543DE82EF95u };
    return random;
}

uint64_t random_bits(randomness *random)
{
    uint64_t bits = random->state += 0x9E3779B97F4A7C15u;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
    return bits ^ bits >> 31;
}

double random_uniform(randomness *random, double low, double high)
{
    return low + (high - low) * (double)(random_bits(random) >> 11) * 0x1p-53;
}

int64_t random_below(randomness *random, int64_t count)
{
    return (int64_t)(random_bits(random) % (uint64_t)count);
}
