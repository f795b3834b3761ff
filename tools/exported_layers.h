/*
 * exported_layers.h - what dualprop_network_export_c() writes beside the formulas of src/math: numbers as bits, and the
 * layers. tools/export-formulas takes each function and struct as text; nothing compiles this file.
 *
 * `real` is float or double, math_pattern an unsigned integer of its size. Sums run in double, in the order of the
 * reference backend's: over the kernel, place by place, and over the channels below.
 */

static math_pattern math_bits(real number)
{
    union {
        math_pattern bits;
        real number;
    } both;
    both.number = number;
    return both.bits;
}

static real math_real(math_pattern bits)
{
    union {
        math_pattern bits;
        real number;
    } both;
    both.bits = bits;
    return both.number;
}

static real math_copysign(real x, real sign)
{
    const math_pattern top = (math_pattern)1 << (8 * sizeof(real) - 1);
    return math_real((math_bits(x) & ~top) | (math_bits(sign) & top));
}

static real math_fabs(real x)
{
    return math_copysign(x, 1);
}

/* Each of the rows becomes e^x / sum(e^x); the sum has 16 parts, which are added at the end. */
static void softmax(real *values, long rows, long width)
{
    for (real *row = values; row < values + rows * width; row += width) {
        double parts[16] = { 0 }, sum = 0;
        real top = row[0];
        for (long i = 0; i < width; i++) top = row[i] > top ? row[i] : top;
        for (long i = 0; i < width; i++) {
            row[i] = math_exp(row[i] - top);
            parts[i % 16] += (double)row[i];
        }
        for (long i = 0; i < 16; i++) sum += parts[i];
        for (long i = 0; i < width; i++) row[i] = row[i] * (real)(1 / sum);
    }
}

/* Outputs that are summed up together. */
enum { TILE = 16 };

/* sums [count] += x [inputs] times `count` columns of w [inputs, outputs] */
static void add_products(double *sums, const real *x, const real *w, long inputs, long outputs, long count)
{
    for (long i = 0; i < inputs; i++)
        for (long j = 0; j < count; j++) sums[j] += (double)x[i] * (double)w[i * outputs + j];
}

/* a [outputs] = x [inputs] w [inputs, outputs] + b */
static void dense_layer(real *a, const real *x, const real *w, const real *b, long inputs, long outputs)
{
    for (long first = 0; first < outputs; first += TILE) {
        long count = outputs - first < TILE ? outputs - first : TILE;
        double sums[TILE] = { 0 };
        add_products(sums, x, w + first, inputs, outputs, count);
        for (long j = 0; j < count; j++) a[first + j] = (real)(sums[j] + (double)b[first + j]);
    }
}

/* A convolutional or locally connected layer on images (height, width, channels), and the pooling of its map. */
struct image_layer {
    long height, width, channels;          /* below */
    long kernel[2], stride[2], padding[2]; /* down and right */
    long map_width, outputs, is_local;     /* is_local: each place of the map has weights and a bias of its own */
    long pooled[2], window[2], window_stride[2], is_average; /* a window of 1, 1 is no pooling */
};

/* Outputs first .. of a place of the map. */
static void convolve(real *values, const struct image_layer *layer, const real *x, const real *w, const real *b,
                     long place, long first, long count)
{
    long taps = layer->kernel[0] * layer->kernel[1], own = layer->is_local ? place : 0;
    double sums[TILE] = { 0 };
    for (long tap = 0; tap < taps; tap++) {
        long row = place / layer->map_width * layer->stride[0] - layer->padding[0] + tap / layer->kernel[1];
        long column = place % layer->map_width * layer->stride[1] - layer->padding[1] + tap % layer->kernel[1];
        if (row < 0 || row >= layer->height || column < 0 || column >= layer->width) continue;
        add_products(sums, x + (row * layer->width + column) * layer->channels,
                     w + (own * taps + tap) * layer->channels * layer->outputs + first, layer->channels, layer->outputs,
                     count);
    }
    for (long j = 0; j < count; j++) values[j] = (real)(sums[j] + (double)b[own * layer->outputs + first + j]);
}

/* Outputs first .. of a place after pooling: the largest or the mean of its window of the map. */
static void pool(real *a, const struct image_layer *layer, const real *x, const real *w, const real *b, long place,
                 long first, long count)
{
    long positions = layer->window[0] * layer->window[1];
    long corner = place / layer->pooled[1] * layer->window_stride[0] * layer->map_width +
                  place % layer->pooled[1] * layer->window_stride[1];
    double sums[TILE] = { 0 };
    for (long i = 0; i < positions; i++) {
        real values[TILE];
        convolve(values, layer, x, w, b, corner + i / layer->window[1] * layer->map_width + i % layer->window[1], first,
                 count);
        for (long j = 0; j < count; j++) {
            sums[j] += (double)values[j];
            if (i == 0 || values[j] > a[j] || values[j] != values[j]) a[j] = values[j];
        }
    }
    for (long j = 0; j < count && layer->is_average; j++) a[j] = (real)(sums[j] / (double)positions);
}

static void convolution_layer(real *a, const real *x, const real *w, const real *b, const struct image_layer *layer)
{
    for (long place = 0; place < layer->pooled[0] * layer->pooled[1]; place++)
        for (long first = 0; first < layer->outputs; first += TILE)
            pool(a + place * layer->outputs + first, layer, x, w, b, place, first,
                 layer->outputs - first < TILE ? layer->outputs - first : TILE);
}
