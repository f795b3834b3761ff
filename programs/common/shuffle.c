/*
 * shuffle.c - Fisher and Yates with counter-based numbers.
 */
#include "shuffle.h"

#include <Random123/philox.h>

/* Keeps these numbers apart from those that initialise weights under the same seed. */
#define SHUFFLE_STREAM 0x73687566u

/* 64 random bits for one place of one epoch. */
static uint64_t random_bits(int64_t place, uint64_t seed, int64_t epoch)
{
    philox4x32_ctr_t counter = { { (uint32_t)place, (uint32_t)((uint64_t)place >> 32), (uint32_t)epoch,
                                   SHUFFLE_STREAM } };
    philox4x32_key_t key = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };
    philox4x32_ctr_t bits = philox4x32(counter, key);

    return (uint64_t)bits.v[1] << 32 | bits.v[0];
}

/* The remainder favours small numbers by less than count / 2^64, which no count of samples can show. */
void shuffle(int64_t *order, int64_t count, uint64_t seed, int64_t epoch)
{
    for (int64_t i = 0; i < count; i++) order[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t other = (int64_t)(random_bits(i, seed, epoch) % (uint64_t)(i + 1));
        int64_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}
