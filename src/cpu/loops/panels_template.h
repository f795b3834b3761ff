/*
 * panels_template.h - packing panels, for one type and one instruction set; elementwise_template.h includes it.
 *
 * Copies only, so every instruction set gives the same bits. AVX2 transposes blocks in registers.
 */

/* ---- rows ---- */

static inline void FORMULA(copy_rows)(REAL *restrict to, const REAL *restrict from, int64_t stride, int64_t depth,
                                      int64_t count, int64_t width)
{
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t j = 0; j < count; j++) to[k * width + j] = from[k * stride + j];
        for (int64_t j = count; j < width; j++) to[k * width + j] = 0;
    }
}

/* Full panels of the widths that micro-kernels have are copied by loops of constant length. */
static void FORMULA(pack_rows)(void *to, const void *from, int64_t stride, int64_t depth, int64_t count, int64_t width)
{
    switch (count == width ? width : 0) {
    case 6: FORMULA(copy_rows)(to, from, stride, depth, 6, 6); break;
    case 8: FORMULA(copy_rows)(to, from, stride, depth, 8, 8); break;
    case 12: FORMULA(copy_rows)(to, from, stride, depth, 12, 12); break;
    case 14: FORMULA(copy_rows)(to, from, stride, depth, 14, 14); break;
    case 16: FORMULA(copy_rows)(to, from, stride, depth, 16, 16); break;
    case 32: FORMULA(copy_rows)(to, from, stride, depth, 32, 32); break;
    default: FORMULA(copy_rows)(to, from, stride, depth, count, width);
    }
}

/* ---- columns ---- */

static void FORMULA(transpose_plainly)(REAL *restrict to, const REAL *restrict from, int64_t stride, int64_t depth,
                                       int64_t count, int64_t width)
{
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t j = 0; j < count; j++) to[k * width + j] = from[j * stride + k];
        for (int64_t j = count; j < width; j++) to[k * width + j] = 0;
    }
}

#if defined(__AVX2__)
#define FORMULA_BLOCK ((int64_t)(32 / sizeof(REAL)))

/* FORMULA_BLOCK steps of k for one block of j: `count` of its rows exist, `wanted` elements of a step are stored. */
static inline __attribute__((always_inline)) void FORMULA(transpose_block)(REAL *to, const REAL *from, int64_t stride,
                                                                           int64_t count, int64_t wanted, int64_t width)
{
    FORMULA(vector) rows[FORMULA_BLOCK];
#pragma GCC unroll 8
    for (int64_t j = 0; j < FORMULA_BLOCK; j++)
        rows[j] = j < count ? FORMULA(load)(from + j * stride) : FORMULA(zero)();
    FORMULA(transpose)(rows);
#pragma GCC unroll 8
    for (int64_t k = 0; k < FORMULA_BLOCK; k++) FORMULA(store)(to + k * width, rows[k], wanted);
}

/*
 * All blocks of k for one block of j. The last begins early enough to be whole: what it writes again is the same.
 * Full blocks, and the 6 of the micro-kernels for AVX2, have code of their own.
 */
static void FORMULA(transpose_strip)(REAL *to, const REAL *from, int64_t stride, int64_t depth, int64_t count,
                                     int64_t wanted, int64_t width)
{
    for (int64_t next = 0; next < depth; next += FORMULA_BLOCK) {
        int64_t k = next < depth - FORMULA_BLOCK ? next : depth - FORMULA_BLOCK;
        REAL *block = to + k * width;
        const REAL *source = from + k;
        if (count == FORMULA_BLOCK)
            FORMULA(transpose_block)(block, source, stride, FORMULA_BLOCK, FORMULA_BLOCK, width);
        else if (count == 6 && wanted == 6) FORMULA(transpose_block)(block, source, stride, 6, 6, width);
        else FORMULA(transpose_block)(block, source, stride, count, wanted, width);
    }
}

static void FORMULA(transpose_strips)(REAL *to, const REAL *from, int64_t stride, int64_t depth, int64_t count,
                                      int64_t width)
{
    for (int64_t j = 0; j < width; j += FORMULA_BLOCK) {
        int64_t wanted = width - j < FORMULA_BLOCK ? width - j : FORMULA_BLOCK;
        int64_t exist = count - j < wanted ? count - j : wanted;
        FORMULA(transpose_strip)(to + j, from + j * stride, stride, depth, exist > 0 ? exist : 0, wanted, width);
    }
}

#undef FORMULA_BLOCK
#endif

static void FORMULA(pack_columns)(void *to, const void *from, int64_t stride, int64_t depth, int64_t count,
                                  int64_t width)
{
#if defined(__AVX2__)
    if (depth >= (int64_t)(32 / sizeof(REAL))) {
        FORMULA(transpose_strips)(to, from, stride, depth, count, width);
        return;
    }
#endif
    FORMULA(transpose_plainly)(to, from, stride, depth, count, width);
}
