/*
 * blis_product_avx512_template.h - the micro-kernel of blis_product_avx512.c, for one type.
 *
 * A template: its includer defines REAL, FORMULA(name), MM(name) of the intrinsics, LANES, the reals of one register,
 * their MASK_TYPE, BROADCAST, and ROWS_BEYOND_12, what the switch over the rows has beside 1 to 12.
 */

#define FORMULA_VECTOR (2 * LANES)
/* How far ahead broadcasts are fetched, in reals: into the next panel too, since panels follow one another. */
#define FORMULA_AHEAD (1536 / (int64_t)sizeof(REAL))
/* The same, in steps, for vectors that a product is the first with; later they are in the nearest cache. */
#define FORMULA_VECTORS_AHEAD 12

/*
 * One result: `rows` rows of `halves` registers each, all in registers. rows, halves, direct (are the operands' steps
 * those of the product, not those of panels?), cold and fetches (places to fetch from) are constants wherever this is
 * inlined. Every element is the sum over k in order, starting at 0, so that its bits depend on none of them.
 */
static inline __attribute__((always_inline)) void FORMULA(multiply)(int rows, int halves, int direct, int cold,
                                                                    int fetches, const dualprop__product *product)
{
    const REAL *vectors = product->vectors, *broadcasts = product->broadcasts;
    REAL *c = product->c;
    int64_t stride = product->stride;
    int64_t vector_step = direct ? product->vector_step : FORMULA_VECTOR;
    int64_t broadcast_step = direct ? product->broadcast_step : BROADCAST;
    int64_t broadcast_row = direct ? product->broadcast_row : 1;
    int64_t count = product->vector_count, last = count - (halves - 1) * LANES;
    MASK_TYPE in_first = (MASK_TYPE)(((uint32_t)1 << (count < LANES ? count : LANES)) - 1);
    MASK_TYPE in_second = (MASK_TYPE)(((uint32_t)1 << (count < LANES ? 0 : count - LANES)) - 1);
    MASK_TYPE wanted = (MASK_TYPE)(direct && product->is_tile ? -1 : (int)(((uint32_t)1 << last) - 1));
    FORMULA(register) sums[BROADCAST][2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        sums[i][0] = sums[i][1] = MM(setzero)();
        _mm_prefetch((const char *)(c + i * stride), _MM_HINT_T0);
        if (halves == 2) _mm_prefetch((const char *)(c + i * stride + LANES), _MM_HINT_T0);
    }
    /* Requests that come one after another at once are dropped by some processors, all but the first twenty or so. */
    const char *fetch[3] = { product->fetch[0], product->fetch[1], product->fetch[2] };
    int64_t fetch_step = product->fetch_step;
    /* For each three rows one pointer: with one a row, most would lie in memory. */
    const REAL *rows_at[(BROADCAST + 2) / 3];
#pragma GCC unroll 5
    for (int i = 0; i < rows; i += 3) rows_at[i / 3] = broadcasts + i * broadcast_row;
#pragma GCC unroll 2
    for (int64_t k = 0; k < product->depth; k++, vectors += vector_step, broadcasts += broadcast_step) {
        FORMULA(register) first, second;
        if (direct) {
            first = MM(maskz_loadu)(in_first, vectors);
            second = halves == 2 ? MM(maskz_loadu)(in_second, vectors + LANES) : first;
        } else {
            first = MM(load)(vectors);
            second = halves == 2 ? MM(load)(vectors + LANES) : first;
            _mm_prefetch((const char *)(broadcasts + FORMULA_AHEAD), _MM_HINT_T0);
        }
#pragma GCC unroll 3
        for (int i = 0; i < fetches; i++, fetch[i - 1] += fetch_step) _mm_prefetch(fetch[i], _MM_HINT_T1);
        if (cold) _mm_prefetch((const char *)(vectors + FORMULA_VECTORS_AHEAD * vector_step), _MM_HINT_T0);
        if (cold) _mm_prefetch((const char *)(vectors + FORMULA_VECTORS_AHEAD * vector_step + LANES), _MM_HINT_T0);
        if (!direct && BROADCAST * sizeof(REAL) > 64)
            _mm_prefetch((const char *)(broadcasts + FORMULA_AHEAD) + 64, _MM_HINT_T0);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            REAL broadcast = direct ? rows_at[i / 3][i % 3 * broadcast_row] : broadcasts[i];
            FORMULA(register) factor = MM(set1)(broadcast);
            sums[i][0] = MM(fmadd)(factor, first, sums[i][0]);
            if (halves == 2) sums[i][1] = MM(fmadd)(factor, second, sums[i][1]);
        }
#pragma GCC unroll 5
        for (int i = 0; direct && i < rows; i += 3) rows_at[i / 3] += broadcast_step;
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        REAL *to = c + i * stride, *end = to + (halves - 1) * LANES;
        FORMULA(register) sum = sums[i][halves - 1];
        if (product->accumulate) {
            sum = MM(add)(MM(maskz_loadu)(wanted, end), sum);
            if (halves == 2) sums[i][0] = MM(add)(MM(loadu)(to), sums[i][0]);
        }
        if (halves == 2) MM(storeu)(to, sums[i][0]);
        MM(mask_storeu)(end, wanted, sum);
        if (direct && halves == 1 && product->is_tile) MM(storeu)(to + LANES, MM(setzero)());
    }
}

/*
 * `streams` products with one broadcast each; streams and halves are constants where this is inlined. With one product
 * alone, each multiply-add would wait for the one before.
 */
static inline __attribute__((always_inline)) void
FORMULA(multiply_row)(int streams, int halves, const dualprop__product *product, const dualprop__row_streams *apart)
{
    const REAL *vectors = product->vectors, *broadcasts = product->broadcasts;
    int64_t count = product->vector_count;
    MASK_TYPE in_first = (MASK_TYPE)(((uint32_t)1 << (count < LANES ? count : LANES)) - 1);
    MASK_TYPE in_second = (MASK_TYPE)(((uint32_t)1 << (count < LANES ? 0 : count - LANES)) - 1);
    FORMULA(register) sums[DUALPROP__MOST_STREAMS][2];
#pragma GCC unroll 4
    for (int s = 0; s < streams; s++) sums[s][0] = sums[s][1] = MM(setzero)();
    for (int64_t k = 0; k < product->depth; k++, vectors += product->vector_step, broadcasts += product->broadcast_step)
#pragma GCC unroll 4
        for (int s = 0; s < streams; s++) {
            FORMULA(register) factor = MM(set1)(broadcasts[s * apart->broadcasts]);
            const REAL *from = vectors + s * apart->vectors;
            sums[s][0] = MM(fmadd)(factor, MM(maskz_loadu)(in_first, from), sums[s][0]);
            if (halves == 2) sums[s][1] = MM(fmadd)(factor, MM(maskz_loadu)(in_second, from + LANES), sums[s][1]);
        }
#pragma GCC unroll 4
    for (int s = 0; s < streams; s++) {
        REAL *to = (REAL *)product->c + s * apart->c;
        int adds = product->accumulate || (apart->c == 0 && s > 0);
        for (int half = 0; half < halves; half++) {
            MASK_TYPE wanted = half == 0 ? in_first : in_second;
            FORMULA(register) sum = sums[s][half];
            if (adds) sum = MM(add)(MM(maskz_loadu)(wanted, to + half * LANES), sum);
            MM(mask_storeu)(to + half * LANES, wanted, sum);
        }
    }
}

#define STREAMS(n)                                                                       \
    case n:                                                                              \
        if (product->vector_count <= LANES) FORMULA(multiply_row)(n, 1, product, apart); \
        else FORMULA(multiply_row)(n, 2, product, apart);                                \
        return;
static void FORMULA(run_row)(const dualprop__product *product, const dualprop__row_streams *apart)
{
    switch (apart->count) {
        STREAMS(2)
        STREAMS(3)
        STREAMS(4)
    }
}
#undef STREAMS

#define ROWS(n)                                                                                 \
    case n:                                                                                     \
        if (product->vector_count <= LANES) FORMULA(multiply)(n, 1, DIRECT, 0, 0, product);     \
        else if (!DIRECT && n == BROADCAST && product->fetch[1]) FORMULA(fetch_three)(product); \
        else if (!DIRECT && n == BROADCAST && product->fetch[0]) FORMULA(fetch_one)(product);   \
        else if (product->is_cold) FORMULA(multiply)(n, 2, DIRECT, 1, 0, product);              \
        else FORMULA(multiply)(n, 2, DIRECT, 0, 0, product);                                    \
        return;
/* The first product with these vectors fetches them too. */
static void FORMULA(fetch_one)(const dualprop__product *product)
{
    if (product->is_cold) FORMULA(multiply)(BROADCAST, 2, 0, 1, 1, product);
    else FORMULA(multiply)(BROADCAST, 2, 0, 0, 1, product);
}

static void FORMULA(fetch_three)(const dualprop__product *product)
{
    FORMULA(multiply)(BROADCAST, 2, 0, 0, 3, product);
}

#define DIRECT 0
static void FORMULA(run)(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    (void)kernel;
    switch (product->broadcast_count) {
        ROWS(1)
        ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS_BEYOND_12
    }
}
#undef DIRECT
#define DIRECT 1
static void FORMULA(run_direct)(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    (void)kernel;
    switch (product->broadcast_count) {
        ROWS(1)
        ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS_BEYOND_12
    }
}
#undef DIRECT
#undef ROWS

#undef FORMULA_VECTOR
#undef FORMULA_AHEAD
#undef FORMULA_VECTORS_AHEAD
#undef BROADCAST
#undef REAL
#undef LANES
#undef MASK_TYPE
#undef ROWS_BEYOND_12
#undef FORMULA
#undef MM
