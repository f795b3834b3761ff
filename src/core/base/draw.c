/*
 * draw.c - random numbers made on the host: see base.h.
 */
#include "base.h"

#include <fenv.h>
#include <math.h>

#include "math/formulas.h"
#include "math/normal.h"

static const double TWO_PI = 6.28318530717958647692;

/* Elements one task draws. */
#define TASK_ELEMENTS 16384

/* Box and Muller's transform of block i, which has four words: two for the radius and two for the angle. */
double dualprop__draw_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    dualprop__philox_block block = dualprop__philox(seed, stream, i);
    double radius = sqrt(-2.0 * log(dualprop__uniform_of_words(block.word[0], block.word[1])));
    return radius * cos(TWO_PI * dualprop__uniform_of_words(block.word[2], block.word[3]));
}

/* ---- many floats at once ---- */

#define AT_ONCE 64
/* Above what the functions here and the C library's can differ by, relatively. */
#define DOUBT 0x1p-48

/*
 * to[i] = deviation times normal number first + i, as the C library's functions give it; 0 if one of them is so near
 * the middle between two floats that those functions have to decide, which happens once in millions of draws.
 */
static inline __attribute__((always_inline)) int draw_normal_floats(float *restrict to, double deviation, uint64_t seed,
                                                                    uint64_t stream, uint64_t first)
{
    uint32_t words[4][AT_ONCE], below[AT_ONCE], differences = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        dualprop__philox_block block = dualprop__philox(seed, stream, first + (uint64_t)i);
        for (int w = 0; w < 4; w++) words[w][i] = block.word[w];
    }
    for (int i = 0; i < AT_ONCE; i++) {
        double u = dualprop__uniform_of_words(words[0][i], words[1][i]);
        dualprop__turned turned = dualprop__turn(TWO_PI * dualprop__uniform_of_words(words[2][i], words[3][i]));
        double value = deviation * (sqrt(-2.0 * dualprop__log_of_uniform(u)) * dualprop__cosine_of(&turned));
        to[i] = (float)(value + DOUBT * value);
        below[i] = dualprop__bits_f32((float)(value - DOUBT * value));
    }
    for (int i = 0; i < AT_ONCE; i++) differences |= dualprop__bits_f32(to[i]) ^ below[i];
    return differences == 0;
}

typedef int (*draw_floats)(float *restrict to, double deviation, uint64_t seed, uint64_t stream, uint64_t first);

/* For each instruction set: the same operations, so the same bits. */
#define DRAW_FLOATS(name, target)                                                                                \
    target static int name(float *restrict to, double deviation, uint64_t seed, uint64_t stream, uint64_t first) \
    {                                                                                                            \
        return draw_normal_floats(to, deviation, seed, stream, first);                                           \
    }
DRAW_FLOATS(draw_floats_baseline, )
#if defined(__x86_64__)
DRAW_FLOATS(draw_floats_avx2, __attribute__((target("avx2"))))
DRAW_FLOATS(draw_floats_avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"))))
#endif
#undef DRAW_FLOATS

static draw_floats find_draw_floats(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return draw_floats_avx512;
    if (__builtin_cpu_supports("avx2")) return draw_floats_avx2;
#endif
    return draw_floats_baseline;
}

/* ---- arrays ---- */

struct drawing {
    dualprop__draw draw;
    double deviation;
    uint64_t seed, stream, first;
    int64_t count;
    int precision;
    void *reals;        /* [count] */
    draw_floats floats; /* NULL: one by one */
};

static void draw_one_by_one(const struct drawing *drawing, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        double value = drawing->draw(drawing->seed, drawing->stream, drawing->first + (uint64_t)i);
        dualprop__real_set(drawing->reals, drawing->precision, i, drawing->deviation * value);
    }
}

static void draw_task(void *argument, int64_t index)
{
    const struct drawing *drawing = argument;
    int64_t first = index * TASK_ELEMENTS, end = first + TASK_ELEMENTS;
    if (end > drawing->count) end = drawing->count;
    for (; drawing->floats && first + AT_ONCE <= end; first += AT_ONCE)
        if (!drawing->floats((float *)drawing->reals + first, drawing->deviation, drawing->seed, drawing->stream,
                             drawing->first + (uint64_t)first))
            draw_one_by_one(drawing, first, first + AT_ONCE);
    draw_one_by_one(drawing, first, end);
}

void dualprop__draw_fill(void *reals, const dualprop_context *context, dualprop__draw draw, double deviation,
                         uint64_t seed, uint64_t stream, uint64_t first, int64_t count)
{
    /* Rounded otherwise, what is computed by rounding to integers would not be as near to the C library's. */
    int in_floats = context->precision == DUALPROP_F32 && draw == dualprop__draw_normal && fegetround() == FE_TONEAREST;
    struct drawing drawing = {
        draw, deviation, seed, stream, first, count, context->precision, reals, in_floats ? find_draw_floats() : NULL
    };
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
