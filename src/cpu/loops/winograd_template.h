/*
 * winograd_template.h - Winograd's transforms, vectorised over channels.
 *
 * A template, see convolution_loops.h. Winograd's convolution evaluates polynomials at points, multiplies there, and
 * interpolates. In one dimension, with outputs y, filter g, patch d,
 *
 *     y = A^T [ (G g) . (B^T d) ],      in two dimensions      Y = A^T [ (G g G^T) . (B^T d B) ] A,
 *
 * and its gradient is dg = G^T [ (B^T d B) . (A dY A^T) ] G.
 *
 * The large form, F(4x4, 3x3), has the points 0, a, -a, b, -b, infinity with a = 2/3, b = 3/2, which are about as
 * accurate as any, and with which a b = 1. It takes 36 products for 16 outputs instead of 144. With s = a^2 + b^2:
 *
 *     B^T = 1     0    -s     0   1  0     G = 1                          A^T = 1  1   1    1   1    0
 *           0  -+ab^2  -b^2  +-a  1  0         (1, +-a, a^2)/(2a^2(a^2-b^2))    0  a  -a    b  -b    0
 *           0  -+a^2b  -a^2  +-b  1  0         (1, +-b, b^2)/(2b^2(b^2-a^2))    0  a^2 a^2  b^2 b^2  0
 *           0     1     0    -s   0  1         (0,   0,   1)                    0  a^3 -a^3 b^3 -b^3 1
 *
 * The small form is for images of 2x2 alone. Beyond them everything is zero, which leaves y0 = g1 d0 + g2 d1 and
 * y1 = g0 d0 + g1 d1 on each axis; three products do, 9 instead of 16:
 *
 *     B^T = 1 1     G = 0  1  0     A^T = 1 1 0
 *           0 1         0 -1  1           1 0 1
 *           1 0         1 -1  0
 *
 * A function ..._axis_ makes one axis of a transform; both_axes applies it to columns and then to rows. Each is inlined
 * and unrolled for its sizes, so that a transform is straight code on registers and a small piece of the stack.
 */

#define VECTOR FORMULA(winograd_vector)
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline))

typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL FORMULA(winograd_vector_anywhere)
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* The most values a transform has along an axis. */
enum { FORMULA(longest) = 6 };
#define LONGEST FORMULA(longest)

INLINE VECTOR FORMULA(load)(const void *from)
{
    return *(const FORMULA(winograd_vector_anywhere) *)from;
}

INLINE void FORMULA(store)(void *to, VECTOR x)
{
    *(FORMULA(winograd_vector_anywhere) *)to = x;
}

/* The first count of a vector, then zeros. */
INLINE VECTOR FORMULA(load_some)(const void *from, int64_t count)
{
    VECTOR x = { 0 };
    if (count >= LANES) return FORMULA(load)(from);
    for (int64_t i = 0; i < count; i++) x[i] = ((const REAL *)from)[i];
    return x;
}

INLINE void FORMULA(store_some)(void *to, VECTOR x, int64_t count)
{
    if (count >= LANES) FORMULA(store)(to, x);
    else
        for (int64_t i = 0; i < count; i++) ((REAL *)to)[i] = x[i];
}

INLINE VECTOR FORMULA(all)(double x)
{
    return (VECTOR){ 0 } + (REAL)x;
}

#define FMA(x, y, z) MULTIPLY_ADD(FORMULA(all)(x), y, z)

/* ---- the large form, one axis ---- */

#define A (2.0 / 3)
#define B (3.0 / 2)
#define AA (A * A)
#define BB (B * B)
#define GA (1 / (2 * AA * (AA - BB)))
#define GB (1 / (2 * BB * (BB - AA)))

/* B^T: 6 to 6 */
INLINE void FORMULA(input_axis_large)(VECTOR *to, const VECTOR *d)
{
    VECTOR even_a = FMA(-BB, d[2], d[4]), odd_a = FMA(-BB, d[1], d[3]);
    VECTOR even_b = FMA(-AA, d[2], d[4]), odd_b = FMA(-AA, d[1], d[3]);
    to[0] = FMA(-(AA + BB), d[2], d[0] + d[4]);
    to[1] = FMA(A, odd_a, even_a);
    to[2] = FMA(-A, odd_a, even_a);
    to[3] = FMA(B, odd_b, even_b);
    to[4] = FMA(-B, odd_b, even_b);
    to[5] = FMA(-(AA + BB), d[3], d[1] + d[5]);
}

/* A^T: 6 to 4 */
INLINE void FORMULA(output_axis_large)(VECTOR *to, const VECTOR *m)
{
    VECTOR even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    to[0] = m[0] + even_a + even_b;
    to[1] = FMA(A, odd_a, FORMULA(all)(B) * odd_b);
    to[2] = FMA(AA, even_a, FORMULA(all)(BB) * even_b);
    to[3] = FMA(A * AA, odd_a, FMA(B * BB, odd_b, m[5]));
}

/* G: 3 to 6 */
INLINE void FORMULA(filter_axis_large)(VECTOR *to, const VECTOR *g)
{
    VECTOR even_a = FMA(GA * AA, g[2], FORMULA(all)(GA) * g[0]), even_b = FMA(GB * BB, g[2], FORMULA(all)(GB) * g[0]);
    to[0] = g[0];
    to[1] = FMA(GA * A, g[1], even_a);
    to[2] = FMA(-GA * A, g[1], even_a);
    to[3] = FMA(GB * B, g[1], even_b);
    to[4] = FMA(-GB * B, g[1], even_b);
    to[5] = g[2];
}

/* A: 4 to 6 */
INLINE void FORMULA(delta_axis_large)(VECTOR *to, const VECTOR *y)
{
    VECTOR even_a = FMA(AA, y[2], y[0]), odd_a = FMA(AA, y[3], y[1]);
    VECTOR even_b = FMA(BB, y[2], y[0]), odd_b = FMA(BB, y[3], y[1]);
    to[0] = y[0];
    to[1] = FMA(A, odd_a, even_a);
    to[2] = FMA(-A, odd_a, even_a);
    to[3] = FMA(B, odd_b, even_b);
    to[4] = FMA(-B, odd_b, even_b);
    to[5] = y[3];
}

/* G^T: 6 to 3 */
INLINE void FORMULA(gradient_axis_large)(VECTOR *to, const VECTOR *u)
{
    VECTOR even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
    to[0] = FMA(GA, even_a, FMA(GB, even_b, u[0]));
    to[1] = FMA(GA * A, odd_a, FORMULA(all)(GB * B) * odd_b);
    to[2] = FMA(GA * AA, even_a, FMA(GB * BB, even_b, u[5]));
}

#undef A
#undef B
#undef AA
#undef BB
#undef GA
#undef GB

/* ---- the small form, one axis ---- */

INLINE void FORMULA(input_axis_small)(VECTOR *to, const VECTOR *d)
{
    to[0] = d[0] + d[1];
    to[1] = d[1];
    to[2] = d[0];
}

INLINE void FORMULA(output_axis_small)(VECTOR *to, const VECTOR *m)
{
    to[0] = m[0] + m[1];
    to[1] = m[0] + m[2];
}

INLINE void FORMULA(filter_axis_small)(VECTOR *to, const VECTOR *g)
{
    to[0] = g[1];
    to[1] = g[2] - g[1];
    to[2] = g[0] - g[1];
}

INLINE void FORMULA(delta_axis_small)(VECTOR *to, const VECTOR *y)
{
    to[0] = y[0] + y[1];
    to[1] = y[0];
    to[2] = y[1];
}

INLINE void FORMULA(gradient_axis_small)(VECTOR *to, const VECTOR *u)
{
    to[0] = u[2];
    to[1] = u[0] - u[1] - u[2];
    to[2] = u[1];
}

/* ---- both axes ---- */

typedef void (*FORMULA(axis))(VECTOR *to, const VECTOR *from);

/* f(f(from)^T)^T plus `bias`, where column j of `from` is half done already: middle[i * in + j]. */
INLINE void FORMULA(second_axis)(REAL *to, int64_t row_step, int64_t column_step, const VECTOR *middle, VECTOR bias,
                                 int in, int out, FORMULA(axis) f)
{
#pragma GCC unroll 6
    for (int i = 0; i < out; i++) {
        VECTOR row[LONGEST];
        f(row, middle + i * in);
#pragma GCC unroll 6
        for (int j = 0; j < out; j++) FORMULA(store)(to + i * row_step + j * column_step, row[j] + bias);
    }
}

INLINE void FORMULA(to_planes)(REAL *to, int64_t plane, const VECTOR *middle, int in, int out, FORMULA(axis) f)
{
#pragma GCC unroll 6
    for (int i = 0; i < out; i++) {
        VECTOR row[LONGEST];
        f(row, middle + i * in);
#pragma GCC unroll 6
        for (int j = 0; j < out; j++) FORMULA(store)(to + (i * out + j) * plane, row[j]);
    }
}

INLINE void FORMULA(first_axis)(VECTOR *middle, const VECTOR *column, int j, int in, int out, FORMULA(axis) f)
{
    VECTOR result[LONGEST];
    f(result, column);
#pragma GCC unroll 6
    for (int i = 0; i < out; i++) middle[i * in + j] = result[i];
}

/* From in * in pixels, a vector of channels from channel `channel` on, to out * out planes. */
INLINE void FORMULA(from_pixels)(REAL *to, int64_t plane, const void *const *pixels, int64_t channel, int in, int out,
                                 FORMULA(axis) f)
{
    VECTOR middle[LONGEST * LONGEST];
#pragma GCC unroll 6
    for (int j = 0; j < in; j++) {
        VECTOR column[LONGEST];
#pragma GCC unroll 6
        for (int i = 0; i < in; i++) column[i] = FORMULA(load)((const REAL *)pixels[i * in + j] + channel);
        FORMULA(first_axis)(middle, column, j, in, out, f);
    }
    FORMULA(to_planes)(to, plane, middle, in, out, f);
}

/* The first axis, from in * in planes. */
INLINE void FORMULA(from_planes)(VECTOR *middle, const REAL *from, int64_t plane, int in, int out, FORMULA(axis) f)
{
#pragma GCC unroll 6
    for (int j = 0; j < in; j++) {
        VECTOR column[LONGEST];
#pragma GCC unroll 6
        for (int i = 0; i < in; i++) column[i] = FORMULA(load)(from + (i * in + j) * plane);
        FORMULA(first_axis)(middle, column, j, in, out, f);
    }
}

/* ---- whole panels ---- */

/* From pixels, a whole vector of channels, to planes. */
typedef void (*FORMULA(from_vectors))(REAL *to, int64_t plane, const void *const *pixels, int64_t channel);

/* The same for `count` channels of a square of `squared` pixels, with zeros in place of the rest. */
static __attribute__((noinline)) void FORMULA(from_some)(REAL *to, int64_t plane, const void *const *pixels,
                                                         int64_t channel, int64_t count, int squared,
                                                         FORMULA(from_vectors) transform)
{
    VECTOR padded[LONGEST * LONGEST];
    const void *rows[LONGEST * LONGEST];
    for (int i = 0; i < squared; i++) {
        padded[i] = FORMULA(load_some)((const REAL *)pixels[i] + channel, count);
        rows[i] = &padded[i];
    }
    transform(to, plane, rows, 0);
}

/* Fetch the pixels that a tile does not share with its neighbours, from channel `channel` on. */
INLINE void FORMULA(fetch_tile)(const void *const *pixels, int side, int64_t channel)
{
    int first = side == 6 ? 1 : 0, end = side == 6 ? 5 : side;
    for (int i = first; i < end; i++)
        for (int j = first; j < end; j++) __builtin_prefetch((const REAL *)pixels[i * side + j] + channel, 0, 2);
}

/* Vectors of a line of 64 bytes: so many channels are transformed at once, since they come from memory at once. */
enum { FORMULA(line_vectors) = 64 / VECTOR_BYTES };
#define LINE_VECTORS FORMULA(line_vectors)

/* One vector of channels of a panel of tiles, from the stage to one plane. */
INLINE void FORMULA(put_plane)(const dualprop__winograd_input *input, const REAL *from, int64_t planes, int64_t p,
                               int64_t channel, int64_t count)
{
    const void *rows[64];
    int64_t stride = planes * LANES * LINE_VECTORS;
    REAL *to = (REAL *)input->panels + p * input->plane + channel * input->tiles;
    if (count >= LANES && FORMULA(interleave_stage)(to, from, stride, LANES, input->tiles)) return;
    for (int64_t t = 0; t < input->tiles; t++) rows[t] = from + t * stride;
    FORMULA(interleave)(to, rows, count < LANES ? count : LANES, input->tiles);
}

/* One tile into the stage: [LINE_VECTORS][planes][LANES]. */
INLINE void FORMULA(stage_tile)(const dualprop__winograd_input *input, int64_t t, int64_t first, int64_t planes,
                                int patch, FORMULA(from_vectors) transform)
{
    const void *const *pixels = input->pixels + t * patch * patch;
    REAL *to = (REAL *)input->stage + t * planes * LANES * LINE_VECTORS;
    if (input->next) FORMULA(fetch_tile)(input->next + t * patch * patch, patch, first);
    for (int64_t v = 0; v < LINE_VECTORS && first + v * LANES < input->channels; v++) {
        int64_t channel = first + v * LANES, count = input->channels - channel;
        if (count >= LANES) transform(to + v * planes * LANES, LANES, pixels, channel);
        else FORMULA(from_some)(to + v * planes * LANES, LANES, pixels, channel, count, patch * patch, transform);
    }
}

/* Tile by tile into the stage, then plane by plane from there, transposed. */
INLINE void FORMULA(input_panels)(const dualprop__winograd_input *input, int patch, int points,
                                  FORMULA(from_vectors) transform)
{
    int64_t planes = points * points;
    for (int64_t first = 0; first < input->channels; first += LANES * LINE_VECTORS) {
        for (int64_t t = 0; t < input->tiles; t++) FORMULA(stage_tile)(input, t, first, planes, patch, transform);
        for (int64_t p = 0; p < planes; p++)
            for (int64_t v = 0; v < LINE_VECTORS && first + v * LANES < input->channels; v++) {
                int64_t channel = first + v * LANES;
                FORMULA(put_plane)
                (input, (const REAL *)input->stage + (v * planes + p) * LANES, planes, p, channel,
                 input->channels - channel);
            }
    }
}

/* What of a tile lies in the image, and `count` of a vector of channels. */
INLINE void FORMULA(put_some)(const dualprop__winograd_output *output, const VECTOR *y, int tile, int64_t channel,
                              int64_t count)
{
    for (int64_t i = 0; i < output->rows; i++)
        for (int64_t j = 0; j < output->columns; j++) FORMULA(store_some)
    ((REAL *)output->to + i * output->row + j * output->pixel + channel, y[i * tile + j], count);
}

INLINE void FORMULA(output_tile)(const dualprop__winograd_output *output, int tile, int points, FORMULA(axis) f)
{
    int is_whole = output->rows == tile && output->columns == tile;
    for (int64_t channel = 0; channel < output->channels; channel += LANES) {
        VECTOR middle[LONGEST * LONGEST], y[LONGEST * LONGEST], bias = { 0 };
        int64_t count = output->channels - channel;
        if (output->bias) bias = FORMULA(load_some)((const REAL *)output->bias + channel, count);
        FORMULA(from_planes)(middle, (const REAL *)output->m + channel, output->vector, points, tile, f);
        if (is_whole && count >= LANES) {
            FORMULA(second_axis)
            ((REAL *)output->to + channel, output->row, output->pixel, middle, bias, points, tile, f);
            continue;
        }
        FORMULA(second_axis)((REAL *)y, tile * LANES, LANES, middle, bias, points, tile, f);
        FORMULA(put_some)(output, y, tile, channel, count);
    }
}

INLINE void FORMULA(filter_rows)(const dualprop__winograd_filters *filters, int points, FORMULA(axis) f)
{
    for (int64_t i = 0; i < filters->count * filters->vector; i += LANES) {
        VECTOR middle[LONGEST * LONGEST];
        FORMULA(from_planes)(middle, (const REAL *)filters->g + i, filters->tap, 3, points, f);
        FORMULA(to_planes)((REAL *)filters->u + i, filters->plane, middle, 3, points, f);
    }
}

/* One row of planes; row is a constant where this is inlined, so that nothing is computed for the others. */
INLINE void FORMULA(filter_row)(const dualprop__winograd_filters *filters, int row, int points, FORMULA(axis) f)
{
    for (int64_t i = 0; i < filters->count * filters->vector; i += LANES) {
        VECTOR middle[LONGEST * LONGEST], planes[LONGEST];
        FORMULA(from_planes)(middle, (const REAL *)filters->g + i, filters->tap, 3, points, f);
        f(planes, middle + row * 3);
#pragma GCC unroll 6
        for (int j = 0; j < points; j++) FORMULA(store)((REAL *)filters->u + j * filters->plane + i, planes[j]);
    }
}

INLINE void FORMULA(filter_planes)(const dualprop__winograd_filters *filters, int points, FORMULA(axis) f)
{
    switch (filters->is_row ? filters->row : -1) {
    case 0: FORMULA(filter_row)(filters, 0, points, f); break;
    case 1: FORMULA(filter_row)(filters, 1, points, f); break;
    case 2: FORMULA(filter_row)(filters, 2, points, f); break;
    case 3: FORMULA(filter_row)(filters, points > 3 ? 3 : 0, points, f); break; /* the small form has three */
    case 4: FORMULA(filter_row)(filters, points > 3 ? 4 : 0, points, f); break;
    case 5: FORMULA(filter_row)(filters, points > 3 ? 5 : 0, points, f); break;
    default: FORMULA(filter_rows)(filters, points, f);
    }
}

/* Filters whose weights stay in the nearest cache while the rows of planes are made one after another. */
enum { FORMULA(near_filters) = 16 };

/*
 * `rows` rows of planes from row `first` on, one vector of outputs, with the sums in registers. They are constants
 * where this is inlined, and so are `turn` and `turns`: each turn fetches its share of the filters that come next.
 */
INLINE void FORMULA(multiply_rows)(const dualprop__winograd_tile *tile, int64_t ahead, int first, int rows, int turn,
                                   int turns, int points, FORMULA(axis) f)
{
    VECTOR sums[2 * LONGEST];
    const REAL *g = tile->g, *v = tile->v;
    REAL *to = (REAL *)tile->sums + first * points * tile->vector;
#pragma GCC unroll 12
    for (int i = 0; i < rows * points; i++) sums[i] = FORMULA(load)(to + i * tile->vector);
    for (int64_t k = 0; k < tile->count; k++, g += tile->vector, v++) {
        VECTOR middle[LONGEST * LONGEST], planes[LONGEST];
#pragma GCC unroll 9
        for (int tap = turn; tap < 9; tap += turns) __builtin_prefetch(g + ahead + tap * tile->tap, 0, 2);
        FORMULA(from_planes)(middle, g, tile->tap, 3, points, f);
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) {
            f(planes, middle + (first + i) * 3);
#pragma GCC unroll 6
            for (int j = 0; j < points; j++) {
                VECTOR patch = v[((first + i) * points + j) * tile->plane] - (VECTOR){ 0 };
                sums[i * points + j] = MULTIPLY_ADD(patch, planes[j], sums[i * points + j]);
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows * points; i++) FORMULA(store)(to + i * tile->vector, sums[i]);
}

/* Rows that share what they are made of go together; all sums of the large form would not fit into registers. */
static __attribute__((noinline)) void FORMULA(multiply_large)(const dualprop__winograd_tile *tile, int64_t ahead)
{
    FORMULA(multiply_rows)(tile, ahead, 0, 1, 0, 4, 6, FORMULA(filter_axis_large));
    FORMULA(multiply_rows)(tile, ahead, 1, 2, 1, 4, 6, FORMULA(filter_axis_large));
    FORMULA(multiply_rows)(tile, ahead, 3, 2, 2, 4, 6, FORMULA(filter_axis_large));
    FORMULA(multiply_rows)(tile, ahead, 5, 1, 3, 4, 6, FORMULA(filter_axis_large));
}

static __attribute__((noinline)) void FORMULA(multiply_small)(const dualprop__winograd_tile *tile, int64_t ahead)
{
    FORMULA(multiply_rows)(tile, ahead, 0, 3, 0, 1, 3, FORMULA(filter_axis_small));
}

/* A few filters at a time, one vector of their outputs after the other. */
INLINE void FORMULA(one_tile)(const dualprop__winograd_tile *tile,
                              void (*multiply)(const dualprop__winograd_tile *tile, int64_t ahead))
{
    dualprop__winograd_tile part = *tile;
    for (int64_t k = 0; k < tile->count; k += part.count) {
        int64_t left = tile->count - k;
        part.count = left < FORMULA(near_filters) ? left : FORMULA(near_filters);
        int64_t ahead = left > part.count ? part.count * tile->vector : tile->next - k * tile->vector;
        part.v = (const REAL *)tile->v + k;
        for (int64_t i = 0; i < tile->vector; i += LANES) {
            part.g = (const REAL *)tile->g + k * tile->vector + i;
            part.sums = (REAL *)tile->sums + i;
            multiply(&part, ahead);
        }
    }
}

/* From the stage, where tiles follow each other without gaps, to the panel. */
INLINE void FORMULA(put_columns)(const dualprop__winograd_columns *columns, int64_t planes, int64_t staged)
{
    int64_t count = columns->tiles * columns->width;
    for (int64_t p = 0; p < planes; p++) {
        const REAL *from = (const REAL *)columns->stage + p * staged;
        REAL *to = (REAL *)columns->panels + p * columns->plane;
        int64_t i = 0;
        for (; i + LANES <= count; i += LANES) FORMULA(store)(to + i, FORMULA(load)(from + i));
        for (; i < count; i++) to[i] = from[i];
    }
}

/* Whole vectors of channels are transformed; of the last one the next tile overwrites what is not the panel's. */
INLINE void FORMULA(columns)(const dualprop__winograd_columns *columns, int side, int points,
                             FORMULA(from_vectors) transform)
{
    int64_t staged = (DUALPROP__TILES_AT_ONCE * columns->width + LANES + 15) / 16 * 16;
    for (int64_t t = 0; t < columns->tiles; t++) {
        if (columns->next) FORMULA(fetch_tile)(columns->next + t * side * side, side, columns->first);
        for (int64_t i = 0; i < columns->width; i += LANES) {
            const void *const *pixels = columns->pixels + t * side * side;
            REAL *to = (REAL *)columns->stage + t * columns->width + i;
            int64_t channel = columns->first + i, count = columns->channels - channel;
            if (count >= LANES) transform(to, staged, pixels, channel);
            else FORMULA(from_some)(to, staged, pixels, channel, count, side * side, transform);
        }
    }
    FORMULA(put_columns)(columns, points * points, staged);
}

INLINE void FORMULA(gradient_rows)(const dualprop__winograd_sums *sums, int points, FORMULA(axis) f)
{
    int64_t tap = sums->count * sums->vector;
    for (int64_t i = 0; i < tap; i += LANES) {
        VECTOR middle[LONGEST * LONGEST];
        FORMULA(from_planes)(middle, (const REAL *)sums->u + i, sums->plane, points, 3, f);
        FORMULA(to_planes)((REAL *)sums->g + i, tap, middle, points, 3, f);
    }
}

/* ---- the two forms ---- */

#define WINOGRAD_FORM(form, tile, patch, points)                                                                 \
    static __attribute__((noinline)) void FORMULA(from_patch_##form)(REAL * to, int64_t plane,                   \
                                                                     const void *const *pixels, int64_t channel) \
    {                                                                                                            \
        FORMULA(from_pixels)(to, plane, pixels, channel, patch, points, FORMULA(input_axis_##form));             \
    }                                                                                                            \
                                                                                                                 \
    static __attribute__((noinline)) void FORMULA(from_tile_##form)(REAL * to, int64_t plane,                    \
                                                                    const void *const *pixels, int64_t channel)  \
    {                                                                                                            \
        FORMULA(from_pixels)(to, plane, pixels, channel, tile, points, FORMULA(delta_axis_##form));              \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(input_##form)(const dualprop__winograd_input *input)                                     \
    {                                                                                                            \
        FORMULA(input_panels)(input, patch, points, FORMULA(from_patch_##form));                                 \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(output_##form)(const dualprop__winograd_output *output)                                  \
    {                                                                                                            \
        FORMULA(output_tile)(output, tile, points, FORMULA(output_axis_##form));                                 \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(filters_##form)(const dualprop__winograd_filters *filters)                               \
    {                                                                                                            \
        FORMULA(filter_planes)(filters, points, FORMULA(filter_axis_##form));                                    \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(one_tile_##form)(const dualprop__winograd_tile *one)                                     \
    {                                                                                                            \
        FORMULA(one_tile)(one, FORMULA(multiply_##form));                                                        \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(input_columns_##form)(const dualprop__winograd_columns *columns)                         \
    {                                                                                                            \
        FORMULA(columns)(columns, patch, points, FORMULA(from_patch_##form));                                    \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(delta_columns_##form)(const dualprop__winograd_columns *columns)                         \
    {                                                                                                            \
        FORMULA(columns)(columns, tile, points, FORMULA(from_tile_##form));                                      \
    }                                                                                                            \
                                                                                                                 \
    static void FORMULA(gradient_##form)(const dualprop__winograd_sums *sums)                                    \
    {                                                                                                            \
        FORMULA(gradient_rows)(sums, points, FORMULA(gradient_axis_##form));                                     \
    }

WINOGRAD_FORM(large, 4, 6, 6)
WINOGRAD_FORM(small, 2, 2, 3)
#undef WINOGRAD_FORM

#define WINOGRAD_LOOPS(form, outputs, pixels, values, before)                                                 \
    {                                                                                                         \
        .tile = outputs, .patch = pixels, .points = values, .planes = values * values, .offset = before,      \
        .input = FORMULA(input_##form), .output = FORMULA(output_##form), .filters = FORMULA(filters_##form), \
        .one_tile = FORMULA(one_tile_##form), .input_columns = FORMULA(input_columns_##form),                 \
        .delta_columns = FORMULA(delta_columns_##form), .gradient = FORMULA(gradient_##form),                 \
    }

#undef VECTOR
#undef LANES
#undef INLINE
#undef LONGEST
#undef LINE_VECTORS
#undef FMA
