/*
 * augmentation.c - one block of counter-based numbers a sample.
 */
#include "augmentation.h"

#include <Random123/philox.h>

#include "settings.h"

/* Keeps these numbers apart from those of weights and orders under the same seed. */
#define MOVE_STREAM 0x6d6f7665u

/* -MOVE_BORDER .. MOVE_BORDER; the remainder favours some by 2 in a thousand million. */
static int32_t shift(uint32_t bits)
{
    return (int32_t)(bits % (2 * MOVE_BORDER + 1)) - MOVE_BORDER;
}

void move_draw(int32_t *move, int augment, uint64_t seed, int64_t epoch, int64_t sample)
{
    philox4x32_ctr_t counter = { { (uint32_t)sample, (uint32_t)((uint64_t)sample >> 32), (uint32_t)epoch,
                                   MOVE_STREAM } };
    philox4x32_key_t key = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };
    philox4x32_ctr_t bits = philox4x32(counter, key);
    int crop = (augment & AUGMENT_CROP) != 0, flip = (augment & AUGMENT_FLIP) != 0;

    move[0] = crop ? shift(bits.v[0]) : 0;
    move[1] = crop ? shift(bits.v[1]) : 0;
    move[2] = flip ? (int32_t)(bits.v[2] >> 31) : 0;
}
