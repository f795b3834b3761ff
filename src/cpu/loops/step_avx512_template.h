/*
 * step_avx512_template.h - the learning steps of math/optimizer_math.h in the registers of AVX-512, for one type.
 *
 * The same operations in the same order, so the same bits. By hand, because gcc compares and blends where min and max
 * do: twice the instructions of a step of SGD, and steps that touch what is in the cache take as long as their
 * instructions.
 *
 * A template: its includer defines REAL, FORMULA(name), FORMULA(wide) of WIDE_LANES reals, MM(name) of its intrinsics,
 * MASK_TYPE, FPCLASS, LESS and ALL_WIDE, an integer in all lanes.
 */

/* The numbers of a step, each in all lanes of a register. */
typedef struct FORMULA(wide_step) {
    FORMULA(wide) rate, gradient_scale, coupled_decay, apart_decay, momentum, beta1, rest1, beta2, rest2;
    FORMULA(wide) scale1, scale2, epsilon, least2, largest_gradient, largest_move;
} FORMULA(wide_step);

static inline FORMULA(wide_step) FORMULA(wide_step_of)(const FORMULA(step) * step)
{
    return (FORMULA(wide_step)){
        .rate = MM(set1)(step->rate),
        .gradient_scale = MM(set1)(step->gradient_scale),
        .coupled_decay = MM(set1)(step->coupled_decay),
        .apart_decay = MM(set1)(step->apart_decay),
        .momentum = MM(set1)(step->momentum),
        .beta1 = MM(set1)(step->beta1),
        .rest1 = MM(set1)(step->rest1),
        .beta2 = MM(set1)(step->beta2),
        .rest2 = MM(set1)(step->rest2),
        .scale1 = MM(set1)(step->scale1),
        .scale2 = MM(set1)(step->scale2),
        .epsilon = MM(set1)(step->epsilon),
        .least2 = MM(set1)(step->least2),
        .largest_gradient = MM(set1)(FORMULA(largest_gradient)()),
        .largest_move = MM(set1)(FORMULA(largest_move)()),
    };
}

/* FORMULA(hold): min and max return their second operand where one is NaN. */
static inline FORMULA(wide) FORMULA(wide_hold)(FORMULA(wide) x, FORMULA(wide) limit)
{
    x = MM(min)(limit, x);
    return MM(max)(MM(sub)(MM(setzero)(), limit), x);
}

/*
 * FORMULA(hold) with the largest weight, which is the largest finite number: infinities become that, all else stays.
 * One instruction instead of two. Its table has four bits for each class of numbers: quiet and signalling NaN, zero, 1,
 * both infinities, other numbers.
 */
static inline FORMULA(wide) FORMULA(wide_hold_weight)(FORMULA(wide) x)
{
    enum { UNCHANGED = 1, LARGEST = 14, LEAST = 15 };
    const uint32_t table = UNCHANGED * 0x11001111u | (uint32_t)LEAST << 16 | (uint32_t)LARGEST << 20;
    return MM(fixupimm)(x, x, ALL_WIDE(table), 0);
}

/* FORMULA(flush): zeros and denormal numbers become zero. */
static inline FORMULA(wide) FORMULA(wide_flush)(FORMULA(wide) x)
{
    enum { ZEROS_AND_DENORMALS = 0x02 | 0x04 | 0x20 };
    return MM(mask_mov)(x, FPCLASS(x, ZEROS_AND_DENORMALS), MM(setzero)());
}

/*
 * decays, here and below: is there weight decay? It is constant where these are inlined. Without it the term is left
 * out: what it adds is a zero, whose sign FORMULA(flush) drops.
 */
static inline __attribute__((always_inline)) FORMULA(wide)
    FORMULA(wide_decayed_gradient)(const FORMULA(wide_step) * step, int decays, FORMULA(wide) w, FORMULA(wide) g)
{
    g = MM(mul)(step->gradient_scale, g);
    if (decays) g = MM(add)(g, MM(mul)(step->coupled_decay, w));
    return FORMULA(wide_hold)(g, step->largest_gradient);
}

static inline FORMULA(wide)
    FORMULA(wide_sgd)(const FORMULA(wide_step) * step, FORMULA(wide) w, FORMULA(wide) g, FORMULA(wide) * moment)
{
    FORMULA(wide) m = MM(add)(MM(mul)(step->momentum, *moment), FORMULA(wide_decayed_gradient)(step, 1, w, g));
    m = FORMULA(wide_flush)(FORMULA(wide_hold)(m, step->largest_move));
    *moment = m;
    return FORMULA(wide_hold_weight)(MM(sub)(w, MM(mul)(step->rate, m)));
}

/* The same without momentum and weight decay, where a held gradient is far from the largest move. */
static inline FORMULA(wide)
    FORMULA(wide_plain_sgd)(const FORMULA(wide_step) * step, FORMULA(wide) w, FORMULA(wide) g, FORMULA(wide) * moment)
{
    *moment = FORMULA(wide_flush)(FORMULA(wide_decayed_gradient)(step, 0, w, g));
    return FORMULA(wide_hold_weight)(MM(sub)(w, MM(mul)(step->rate, *moment)));
}

/* FORMULA(plain_sgd) */
static inline __attribute__((always_inline)) FORMULA(wide)
    FORMULA(wide_momentless)(const FORMULA(wide_step) * step, int decays, FORMULA(wide) w, FORMULA(wide) g)
{
    FORMULA(wide) move = FORMULA(wide_flush)(FORMULA(wide_decayed_gradient)(step, decays, w, g));
    return FORMULA(wide_hold_weight)(MM(sub)(w, MM(mul)(step->rate, move)));
}

static inline __attribute__((always_inline)) FORMULA(wide)
    FORMULA(wide_adam)(const FORMULA(wide_step) * step, int decays, FORMULA(wide) w, FORMULA(wide) g,
                       FORMULA(wide) * moment1, FORMULA(wide) * moment2)
{
    FORMULA(wide) slope = FORMULA(wide_decayed_gradient)(step, decays, w, g);
    FORMULA(wide) m = FORMULA(wide_flush)(MM(add)(MM(mul)(step->beta1, *moment1), MM(mul)(step->rest1, slope)));
    FORMULA(wide) v = MM(add)(MM(mul)(step->beta2, *moment2), MM(mul)(step->rest2, MM(mul)(slope, slope)));
    v = MM(mask_mov)(v, LESS(v, step->least2), MM(setzero)());
    *moment1 = m;
    *moment2 = v;
    FORMULA(wide) move = MM(div)(MM(mul)(step->scale1, m), MM(add)(MM(sqrt)(MM(mul)(step->scale2, v)), step->epsilon));
    move = FORMULA(wide_hold)(move, step->largest_move);
    if (decays) move = MM(add)(move, MM(mul)(step->apart_decay, w));
    return FORMULA(wide_hold_weight)(MM(sub)(w, MM(mul)(step->rate, move)));
}

/* `lanes` of the elements from i on. plain (neither momentum nor weight decay?) is constant where this is inlined. */
static inline __attribute__((always_inline)) void FORMULA(sgd_lanes)(const FORMULA(wide_step) * step, int plain,
                                                                     MASK_TYPE lanes, int64_t i, REAL *w, const REAL *g,
                                                                     REAL *moment)
{
    FORMULA(wide) slope = MM(maskz_loadu)(lanes, g + i), old = MM(maskz_loadu)(lanes, w + i), next, m;
    if (plain) {
        next = FORMULA(wide_plain_sgd)(step, old, slope, &m);
    } else {
        m = MM(maskz_loadu)(lanes, moment + i);
        next = FORMULA(wide_sgd)(step, old, slope, &m);
    }
    MM(mask_storeu)(moment + i, lanes, m);
    MM(mask_storeu)(w + i, lanes, next);
}

static inline __attribute__((always_inline)) void FORMULA(adam_lanes)(const FORMULA(wide_step) * step, int decays,
                                                                      MASK_TYPE lanes, int64_t i, REAL *w,
                                                                      const REAL *g, REAL *moment1, REAL *moment2)
{
    FORMULA(wide) m = MM(maskz_loadu)(lanes, moment1 + i), v = MM(maskz_loadu)(lanes, moment2 + i);
    FORMULA(wide) old = MM(maskz_loadu)(lanes, w + i), slope = MM(maskz_loadu)(lanes, g + i);
    FORMULA(wide) next = FORMULA(wide_adam)(step, decays, old, slope, &m, &v);
    MM(mask_storeu)(moment1 + i, lanes, m);
    MM(mask_storeu)(moment2 + i, lanes, v);
    MM(mask_storeu)(w + i, lanes, next);
}

#define ALL_LANES ((MASK_TYPE)-1)
#define FIRST_LANES(count) ((MASK_TYPE)(((uint32_t)1 << (count)) - 1))

static inline __attribute__((always_inline)) void
FORMULA(sgd_array)(const FORMULA(wide_step) * step, int plain, int64_t count, REAL *w, const REAL *g, REAL *moment)
{
    int64_t i = 0;
    for (; i + WIDE_LANES <= count; i += WIDE_LANES) FORMULA(sgd_lanes)(step, plain, ALL_LANES, i, w, g, moment);
    if (i < count) FORMULA(sgd_lanes)(step, plain, FIRST_LANES(count - i), i, w, g, moment);
}

static void FORMULA(sgd_loop)(const FORMULA(step) * given, int64_t count, REAL *w, const REAL *g, REAL *moment)
{
    const FORMULA(wide_step) step = FORMULA(wide_step_of)(given);
    if (given->momentum != 0 || given->coupled_decay != 0) FORMULA(sgd_array)(&step, 0, count, w, g, moment);
    else FORMULA(sgd_array)(&step, 1, count, w, g, moment);
}

static inline __attribute__((always_inline)) void FORMULA(plain_sgd_lanes)(const FORMULA(wide_step) * step, int decays,
                                                                           MASK_TYPE lanes, int64_t i, REAL *w,
                                                                           const REAL *g)
{
    FORMULA(wide) slope = MM(maskz_loadu)(lanes, g + i), old = MM(maskz_loadu)(lanes, w + i);
    MM(mask_storeu)(w + i, lanes, FORMULA(wide_momentless)(step, decays, old, slope));
}

static inline __attribute__((always_inline)) void FORMULA(plain_sgd_array)(const FORMULA(wide_step) * step, int decays,
                                                                           int64_t count, REAL *w, const REAL *g)
{
    int64_t i = 0;
    for (; i + WIDE_LANES <= count; i += WIDE_LANES) FORMULA(plain_sgd_lanes)(step, decays, ALL_LANES, i, w, g);
    if (i < count) FORMULA(plain_sgd_lanes)(step, decays, FIRST_LANES(count - i), i, w, g);
}

static void FORMULA(plain_sgd_loop)(const FORMULA(step) * given, int64_t count, REAL *w, const REAL *g)
{
    const FORMULA(wide_step) step = FORMULA(wide_step_of)(given);
    if (given->coupled_decay != 0) FORMULA(plain_sgd_array)(&step, 1, count, w, g);
    else FORMULA(plain_sgd_array)(&step, 0, count, w, g);
}

static inline __attribute__((always_inline)) void FORMULA(adam_array)(const FORMULA(wide_step) * step, int decays,
                                                                      int64_t count, REAL *w, const REAL *g,
                                                                      REAL *moment1, REAL *moment2)
{
    int64_t i = 0;
    for (; i + WIDE_LANES <= count; i += WIDE_LANES)
        FORMULA(adam_lanes)(step, decays, ALL_LANES, i, w, g, moment1, moment2);
    if (i < count) FORMULA(adam_lanes)(step, decays, FIRST_LANES(count - i), i, w, g, moment1, moment2);
}

static void FORMULA(adam_loop)(const FORMULA(step) * given, int64_t count, REAL *w, const REAL *g, REAL *moment1,
                               REAL *moment2)
{
    const FORMULA(wide_step) step = FORMULA(wide_step_of)(given);
    if (given->coupled_decay != 0 || given->apart_decay != 0)
        FORMULA(adam_array)(&step, 1, count, w, g, moment1, moment2);
    else FORMULA(adam_array)(&step, 0, count, w, g, moment1, moment2);
}

/* Plain SGD on one sample's gradient, x[i] delta[j], which is formed in registers. */
static inline __attribute__((always_inline)) void FORMULA(outer_rows)(const FORMULA(wide_step) * step, int decays,
                                                                      const dualprop__outer *outer)
{
    const REAL *x = outer->x, *delta = outer->delta;
    for (int64_t j = 0; j < outer->width; j += WIDE_LANES) {
        int64_t left = outer->width - j;
        MASK_TYPE lanes = left < WIDE_LANES ? FIRST_LANES(left) : ALL_LANES;
        FORMULA(wide) d = MM(maskz_loadu)(lanes, delta + j);
        for (int64_t i = 0; i < outer->rows; i++) {
            REAL *w = (REAL *)outer->w + i * outer->stride + j;
            FORMULA(wide) slope = MM(fmadd)(MM(set1)(x[i]), d, MM(setzero)());
            MM(mask_storeu)(w, lanes, FORMULA(wide_momentless)(step, decays, MM(maskz_loadu)(lanes, w), slope));
        }
    }
}

static void FORMULA(outer_loop)(const FORMULA(step) * given, const dualprop__outer *outer)
{
    const FORMULA(wide_step) step = FORMULA(wide_step_of)(given);
    if (given->coupled_decay != 0) FORMULA(outer_rows)(&step, 1, outer);
    else FORMULA(outer_rows)(&step, 0, outer);
}

#undef ALL_LANES
#undef FIRST_LANES
