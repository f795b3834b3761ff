/*
 * gather_template.h - from rows that lie somewhere to panels.
 *
 * A template, see convolution_loops.h. The panels that a micro-kernel broadcasts from want the channels of N pixels
 * pixel by pixel: a transpose of N rows. Six and twelve floats, and multiples of four, are transposed in registers,
 * eight channels at a time; every other width, and double, one by one.
 */

static void FORMULA(interleave_some)(REAL *to, const void *const *from, int64_t first, int64_t depth, int64_t width)
{
    for (int64_t j = 0; j < width; j++) {
        const REAL *row = from[j];
        for (int64_t k = first; k < depth; k++) to[k * width + j] = row[k];
    }
}

#ifdef FLOATS_OF_EIGHT

typedef float eight __attribute__((vector_size(32)));
typedef float eight_anywhere __attribute__((vector_size(32), aligned(4), may_alias));

static inline eight load_eight(const void *row, int64_t index)
{
    return *(const eight_anywhere *)((const float *)row + index);
}

static inline void store_eight(float *to, eight x)
{
    *(eight_anywhere *)to = x;
}

/* In each half: the first, or the last, two numbers of x and y in turn; the first, or the last, pair of each. */
#define ZIP_LOW(x, y) SHUFFLE_EIGHT(x, y, 0, 8, 1, 9, 4, 12, 5, 13)
#define ZIP_HIGH(x, y) SHUFFLE_EIGHT(x, y, 2, 10, 3, 11, 6, 14, 7, 15)
#define PAIRS_LOW(x, y) SHUFFLE_EIGHT(x, y, 0, 1, 8, 9, 4, 5, 12, 13)
#define PAIRS_HIGH(x, y) SHUFFLE_EIGHT(x, y, 2, 3, 10, 11, 6, 7, 14, 15)
#define PAIRS_CROSSED(x, y) SHUFFLE_EIGHT(x, y, 0, 1, 10, 11, 4, 5, 14, 15)
/* The first, or the last, halves of x and y. */
#define HALVES_LOW(x, y) SHUFFLE_EIGHT(x, y, 0, 1, 2, 3, 8, 9, 10, 11)
#define HALVES_HIGH(x, y) SHUFFLE_EIGHT(x, y, 4, 5, 6, 7, 12, 13, 14, 15)

/* Eight channels of six rows: 48 neighbours. Pairs of rows become pairs of numbers, of which a channel has three. */
static inline void interleave_six(float *to, const eight *r)
{
    eight a = ZIP_LOW(r[0], r[1]), b = ZIP_LOW(r[2], r[3]), c = ZIP_LOW(r[4], r[5]);
    eight d = ZIP_HIGH(r[0], r[1]), e = ZIP_HIGH(r[2], r[3]), f = ZIP_HIGH(r[4], r[5]);
    eight p0 = PAIRS_LOW(a, b), p1 = PAIRS_CROSSED(c, a), p2 = PAIRS_HIGH(b, c);
    eight p3 = PAIRS_LOW(d, e), p4 = PAIRS_CROSSED(f, d), p5 = PAIRS_HIGH(e, f);
    store_eight(to, HALVES_LOW(p0, p1));
    store_eight(to + 8, HALVES_LOW(p2, p3));
    store_eight(to + 16, HALVES_LOW(p4, p5));
    store_eight(to + 24, HALVES_HIGH(p0, p1));
    store_eight(to + 32, HALVES_HIGH(p2, p3));
    store_eight(to + 40, HALVES_HIGH(p4, p5));
}

/* Eight channels of twelve rows: 96 neighbours; a channel has six pairs. */
static inline void interleave_twelve(float *to, const eight *r)
{
    for (int half = 0; half < 2; half++) {
        eight p[6];
        for (int i = 0; i < 3; i++) {
            const eight *q = r + 4 * i;
            eight x = half ? ZIP_HIGH(q[0], q[1]) : ZIP_LOW(q[0], q[1]);
            eight y = half ? ZIP_HIGH(q[2], q[3]) : ZIP_LOW(q[2], q[3]);
            p[i] = PAIRS_LOW(x, y);
            p[i + 3] = PAIRS_HIGH(x, y);
        }
        for (int i = 0; i < 3; i++) {
            store_eight(to + 24 * half + 8 * i, HALVES_LOW(p[2 * i], p[2 * i + 1]));
            store_eight(to + 48 + 24 * half + 8 * i, HALVES_HIGH(p[2 * i], p[2 * i + 1]));
        }
    }
}

/* Eight channels of four rows, as four numbers in each row of `to`. */
static inline void interleave_four(float *to, const void *const *from, int64_t k, int64_t width)
{
    eight r0 = load_eight(from[0], k), r1 = load_eight(from[1], k);
    eight r2 = load_eight(from[2], k), r3 = load_eight(from[3], k);
    eight a = ZIP_LOW(r0, r1), b = ZIP_LOW(r2, r3), c = ZIP_HIGH(r0, r1), d = ZIP_HIGH(r2, r3);
    eight columns[4] = { PAIRS_LOW(a, b), PAIRS_HIGH(a, b), PAIRS_LOW(c, d), PAIRS_HIGH(c, d) };
    for (int i = 0; i < 4; i++) {
        memcpy(to + i * width, &columns[i], 16);
        memcpy(to + (i + 4) * width, (const char *)&columns[i] + 16, 16);
    }
}

/* Eight channels of eight rows, as eight numbers in each row of `to`. */
static inline void interleave_eight(float *to, const void *const *from, int64_t k, int64_t width)
{
    eight r0 = load_eight(from[0], k), r1 = load_eight(from[1], k), r2 = load_eight(from[2], k);
    eight r3 = load_eight(from[3], k), r4 = load_eight(from[4], k), r5 = load_eight(from[5], k);
    eight r6 = load_eight(from[6], k), r7 = load_eight(from[7], k);
    eight a = ZIP_LOW(r0, r1), b = ZIP_LOW(r2, r3), c = ZIP_LOW(r4, r5), d = ZIP_LOW(r6, r7);
    eight e = ZIP_HIGH(r0, r1), f = ZIP_HIGH(r2, r3), g = ZIP_HIGH(r4, r5), h = ZIP_HIGH(r6, r7);
    eight left[4] = { PAIRS_LOW(a, b), PAIRS_HIGH(a, b), PAIRS_LOW(e, f), PAIRS_HIGH(e, f) };
    eight right[4] = { PAIRS_LOW(c, d), PAIRS_HIGH(c, d), PAIRS_LOW(g, h), PAIRS_HIGH(g, h) };
    for (int i = 0; i < 4; i++) {
        store_eight(to + i * width, HALVES_LOW(left[i], right[i]));
        store_eight(to + (i + 4) * width, HALVES_HIGH(left[i], right[i]));
    }
}

static inline void interleave_rows(float *to, const void *const *from, int64_t k, int64_t width)
{
    eight rows[12];
    for (int64_t j = 0; j < width; j++) rows[j] = load_eight(from[j], k);
    if (width == 6) interleave_six(to, rows);
    else interleave_twelve(to, rows);
}

static inline void interleave_columns(float *to, const void *const *from, int64_t k, int64_t width)
{
    int64_t j = 0;
    for (; j + 8 <= width; j += 8) interleave_eight(to + j, from + j, k, width);
    if (j < width) interleave_four(to + j, from + j, k, width);
}

/* As many channels as there are eights of; the rest is the caller's. */
static int64_t FORMULA(interleave_eights)(float *to, const void *const *from, int64_t depth, int64_t width)
{
    int64_t k = 0;
    if (width == 6)
        for (; k + 8 <= depth; k += 8) interleave_rows(to + k * 6, from, k, 6);
    else if (width == 12)
        for (; k + 8 <= depth; k += 8) interleave_rows(to + k * 12, from, k, 12);
    else if (width % 4 == 0)
        for (; k + 8 <= depth; k += 8) interleave_columns(to + k * width, from, k, width);
    return k;
}

/* `lanes` channels of `width` rows, which are `stride` apart; gives 0 if there is no fast way. */
static inline int FORMULA(interleave_stage)(float *to, const float *from, int64_t stride, int64_t lanes, int64_t width)
{
    if (width != 6 && width != 12) return 0;
    for (int64_t k = 0; k < lanes; k += 8) {
        eight rows[12];
        if (width == 6) {
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++) rows[j] = load_eight(from + j * stride, k);
            interleave_six(to + k * 6, rows);
        } else {
#pragma GCC unroll 12
            for (int j = 0; j < 12; j++) rows[j] = load_eight(from + j * stride, k);
            interleave_twelve(to + k * 12, rows);
        }
    }
    return 1;
}

#else

static int64_t FORMULA(interleave_eights)(REAL *to, const void *const *from, int64_t depth, int64_t width)
{
    (void)to, (void)from, (void)depth, (void)width;
    return 0;
}

static inline int FORMULA(interleave_stage)(REAL *to, const REAL *from, int64_t stride, int64_t lanes, int64_t width)
{
    (void)to, (void)from, (void)stride, (void)lanes, (void)width;
    return 0;
}

#endif

static void FORMULA(interleave)(void *to, const void *const *from, int64_t depth, int64_t width)
{
    int64_t done = FORMULA(interleave_eights)(to, from, depth, width);
    if (done < depth) FORMULA(interleave_some)(to, from, done, depth, width);
}

static void FORMULA(gather)(void *to, const void *const *from, int64_t rows, int64_t count, int64_t width)
{
    for (int64_t i = 0; i < rows; i++) {
        REAL *restrict row = (REAL *)to + i * width;
        const REAL *restrict source = from[i];
        for (int64_t j = 0; j < count; j++) row[j] = source[j];
    }
}
