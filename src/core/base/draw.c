/*
 * draw.c - random numbers made on the host: see base.h.
 */
#include "base.h"

#include <math.h>

#include "math/formulas.h"

static const double TWO_PI = 6.28318530717958647692;

/* Elements one task draws. */
#define TASK_ELEMENTS 16384

/* A uniform number strictly inside (0, 1) from two words: 52 bits and a half, exact in double. */
static double uniform_of(uint32_t high, uint32_t low)
{
    uint64_t bits = (uint64_t)high << 20 | low >> 12;
    return ((double)bits + 0.5) * 0x1p-52;
}

/* Box and Muller's transform of block i, which has four words: two for the radius and two for the angle. */
double dualprop__draw_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    dualprop__philox_block block = dualprop__philox(seed, stream, i);
    double radius = sqrt(-2.0 * log(uniform_of(block.word[0], block.word[1])));
    return radius * cos(TWO_PI * uniform_of(block.word[2], block.word[3]));
}

struct drawing {
    dualprop__draw draw;
    double deviation;
    uint64_t seed, stream, first;
    int64_t count;
    int precision;
    void *reals; /* [count] */
};

static void draw_task(void *argument, int64_t index)
{
    const struct drawing *drawing = argument;
    int64_t first = index * TASK_ELEMENTS, end = first + TASK_ELEMENTS;
    if (end > drawing->count) end = drawing->count;
    for (int64_t i = first; i < end; i++) {
        double value = drawing->draw(drawing->seed, drawing->stream, drawing->first + (uint64_t)i);
        dualprop__real_set(drawing->reals, drawing->precision, i, drawing->deviation * value);
    }
}

void dualprop__draw_fill(void *reals, const dualprop_context *context, dualprop__draw draw, double deviation,
                         uint64_t seed, uint64_t stream, uint64_t first, int64_t count)
{
    struct drawing drawing = { draw, deviation, seed, stream, first, count, context->precision, reals };
    context->host.parallel_for(context->host.user_data, draw_task, &drawing,
                               (count + TASK_ELEMENTS - 1) / TASK_ELEMENTS);
}

/* Eight kinds an inference. The highest bits keep the families of streams apart, and from those of initialisation. */
uint64_t dualprop__stream_of(uint64_t inference, int kind)
{
    return (uint64_t)1 << 61 | ((inference << 3 | (uint64_t)kind) & (UINT64_MAX >> 3));
}

uint64_t dualprop__stream_of_alphas(int k)
{
    return (uint64_t)1 << 63 | (uint64_t)k;
}

uint64_t dualprop__stream_of_power(int k)
{
    return (uint64_t)1 << 62 | (uint64_t)k;
}

uint64_t dualprop__stream_of_feedback(int k)
{
    return (uint64_t)1 << 60 | (uint64_t)k;
}
