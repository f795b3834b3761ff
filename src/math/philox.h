/*
 * philox.h - random numbers from a counter: Philox 4x32-10 (Salmon et al., SC11), the generator of Random123.
 *
 * Number i of a stream is word i % 4 of the block whose counter is (i / 4 low, i / 4 high, stream low, stream high)
 * under the key (seed low, seed high). So any number can be had at once, in any order, on any thread.
 *
 * A word w becomes a uniform number strictly inside (0, 1): ((w >> 9) + 1/2) 2^-23 as a float and (w + 1/2) 2^-32 as a
 * double, both without rounding; they differ by less than 2^-23.
 */
#ifndef DUALPROP_MATH_PHILOX_H
#define DUALPROP_MATH_PHILOX_H

typedef struct dualprop__philox_block {
    uint32_t word[4];
} dualprop__philox_block;

DUALPROP__MATH dualprop__philox_block dualprop__philox_round(dualprop__philox_block block, uint32_t key0, uint32_t key1)
{
    uint64_t product0 = (uint64_t)0xD2511F53u * block.word[0];
    uint64_t product1 = (uint64_t)0xCD9E8D57u * block.word[2];
    dualprop__philox_block next;
    next.word[0] = (uint32_t)(product1 >> 32) ^ block.word[1] ^ key0;
    next.word[1] = (uint32_t)product1;
    next.word[2] = (uint32_t)(product0 >> 32) ^ block.word[3] ^ key1;
    next.word[3] = (uint32_t)product0;
    return next;
}

DUALPROP__MATH dualprop__philox_block dualprop__philox(uint64_t seed, uint64_t stream, uint64_t index)
{
    dualprop__philox_block block = { { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                                       (uint32_t)(stream >> 32) } };
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        block = dualprop__philox_round(block, key0, key1);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return block;
}

DUALPROP__MATH uint32_t dualprop__philox_word(uint64_t seed, uint64_t stream, uint64_t i)
{
    return dualprop__philox(seed, stream, i / 4).word[i % 4];
}

DUALPROP__MATH float dualprop__uniform_f32(uint32_t word)
{
    return ((float)(word >> 9) + 0.5f) * 0x1p-23f;
}

DUALPROP__MATH double dualprop__uniform_f64(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

#endif
