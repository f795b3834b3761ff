/*
 * reference_convolution.h - the reference backend's convolutional and locally connected layers, pooling included.
 *
 * A part of the template reference_kernels.h, whose helpers it uses; it is the specification of the nine slots
 * convolution_* in dualprop/backend.h. A place is a row and a column counted as row * width + column; a tap is a
 * place in the kernel. Each direction is one sum over taps, taken in their order, with the map before pooling in
 * workspace where there is pooling.
 */

/* ---- shapes ---- */

static int64_t map_places(const dualprop_convolution *shape)
{
    return shape->map_height * shape->map_width;
}

static int64_t input_places(const dualprop_convolution *shape)
{
    return shape->height * shape->width;
}

/* Weights of one place: all of them in a convolution, whose places share them. */
static int64_t kernel_elements(const dualprop_convolution *shape)
{
    return shape->kernel_height * shape->kernel_width * shape->channels * shape->outputs;
}

/* Where the weights or the bias of a place begin, of `elements` each; the places of a convolution share theirs. */
static int64_t start_of(const dualprop_convolution *shape, int64_t place, int64_t elements)
{
    return shape->kind == DUALPROP_LAYER_LOCAL ? place * elements : 0;
}

/* The input place that tap (row, column) reads from a place of the map; -1 in the padding. */
static int64_t input_read_from(const dualprop_convolution *shape, int64_t place, int64_t row, int64_t column)
{
    int64_t y = place / shape->map_width * shape->stride_height - shape->padding_height + row;
    int64_t x = place % shape->map_width * shape->stride_width - shape->padding_width + column;
    return y >= 0 && y < shape->height && x >= 0 && x < shape->width ? y * shape->width + x : -1;
}

/* The other way round along one axis: the output that reads `input` through tap `tap`; -1: none. */
static int64_t output_along(int64_t input, int64_t tap, int64_t padding, int64_t stride, int64_t extent)
{
    int64_t reach = input + padding - tap;
    return reach >= 0 && reach % stride == 0 && reach / stride < extent ? reach / stride : -1;
}

static int64_t output_reading(const dualprop_convolution *shape, int64_t input, int64_t row, int64_t column)
{
    int64_t y = output_along(input / shape->width, row, shape->padding_height, shape->stride_height, shape->map_height);
    int64_t x = output_along(input % shape->width, column, shape->padding_width, shape->stride_width, shape->map_width);
    return y >= 0 && x >= 0 ? y * shape->map_width + x : -1;
}

static int64_t convolution_weight_elements(void *self, const dualprop_convolution *shape)
{
    (void)self;
    int64_t elements = 1, places = shape->kind == DUALPROP_LAYER_LOCAL ? map_places(shape) : 1;
    int64_t factors[5] = { shape->kernel_height, shape->kernel_width, shape->channels, shape->outputs, places };
    for (int i = 0; i < 5; i++)
        if (__builtin_mul_overflow(elements, factors[i], &elements)) return -1;
    return elements;
}

static dualprop_status copy_weights(const dualprop_convolution *shape, void *to, const void *from)
{
    memcpy(to, from, (size_t)convolution_weight_elements(NULL, shape) * sizeof(REAL));
    return DUALPROP_OK;
}

static dualprop_status write_convolution_weights(void *self, const dualprop_convolution *shape, void *weights,
                                                 const void *host)
{
    (void)self;
    return copy_weights(shape, weights, host);
}

static dualprop_status read_convolution_weights(void *self, const dualprop_convolution *shape, void *host,
                                                const void *weights)
{
    (void)self;
    return copy_weights(shape, host, weights);
}

/* The map before pooling, of all samples: the gradient reads it once for each weight. */
static int64_t convolution_workspace(void *self, const dualprop_convolution *shape)
{
    (void)self;
    int64_t bytes = shape->batch;
    int64_t factors[4] = { shape->map_height, shape->map_width, shape->outputs, (int64_t)sizeof(REAL) };
    if (shape->pooling == DUALPROP_POOL_NONE) return 0;
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(bytes, factors[i], &bytes)) return -1;
    return bytes;
}

static int64_t convolution_cache(void *self, const dualprop_convolution *shape)
{
    (void)self, (void)shape;
    return 0;
}

static dualprop_status convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    (void)self, (void)shape, (void)weights;
    return DUALPROP_OK;
}

/* ---- pooling ---- */

/* Where the window of a pooled place begins in the map. */
static int64_t window_start(const dualprop_convolution *shape, int64_t pooled)
{
    int64_t row = pooled / shape->pooled_width * shape->window_stride_height;
    int64_t column = pooled % shape->pooled_width * shape->window_stride_width;
    return row * shape->map_width + column;
}

/* From a switch, the number of a place in its window, to the distance from where the window starts. */
static int64_t window_step(const dualprop_convolution *shape, int64_t number)
{
    return number / shape->window_width * shape->map_width + number % shape->window_width;
}

/* The greatest of a window, the first of equals; a NaN is greater than everything. from is its first element. */
static REAL greatest_of(const dualprop_convolution *shape, const REAL *from, uint8_t *which)
{
    REAL most = from[0];
    *which = 0;
    for (int64_t number = 1; number < shape->window_height * shape->window_width; number++) {
        REAL value = from[window_step(shape, number) * shape->outputs];
        if (!(value > most) && (value == value || most != most)) continue;
        most = value;
        *which = (uint8_t)number;
    }
    return most;
}

static REAL mean_of(const dualprop_convolution *shape, const REAL *from)
{
    double sum = 0;
    int64_t count = shape->window_height * shape->window_width;
    for (int64_t number = 0; number < count; number++) sum += (double)from[window_step(shape, number) * shape->outputs];
    return (REAL)(sum / (double)count);
}

/* One sample's map into its part of a and of the switches. */
static void pool(const dualprop_convolution *shape, REAL *a, uint8_t *switches, const REAL *map)
{
    int64_t outputs = shape->outputs;
    for (int64_t pooled = 0; pooled < shape->pooled_height * shape->pooled_width; pooled++)
        for (int64_t o = 0; o < outputs; o++) {
            const REAL *from = map + window_start(shape, pooled) * outputs + o;
            int64_t i = pooled * outputs + o;
            a[i] = shape->pooling == DUALPROP_POOL_MAX ? greatest_of(shape, from, &switches[i]) : mean_of(shape, from);
        }
}

/* delta of one pooled element to the places of its window that it came from; to is the window's first element. */
static void spread(const dualprop_convolution *shape, REAL *to, REAL delta, const uint8_t *which)
{
    int64_t count = shape->window_height * shape->window_width;
    if (shape->pooling == DUALPROP_POOL_MAX) {
        to[window_step(shape, *which) * shape->outputs] += delta;
        return;
    }
    for (int64_t number = 0; number < count; number++)
        to[window_step(shape, number) * shape->outputs] += delta / (REAL)count;
}

/* delta as the map before pooling has it: delta itself without pooling, else spread out in workspace. */
static const REAL *unpool(const dualprop_convolution *shape, const REAL *delta, const uint8_t *switches)
{
    int64_t outputs = shape->outputs, pooled_places = shape->pooled_height * shape->pooled_width;
    REAL *map = shape->workspace;
    if (shape->pooling == DUALPROP_POOL_NONE) return delta;
    memset(map, 0, (size_t)(shape->batch * map_places(shape) * outputs) * sizeof(REAL));
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = 0; i < pooled_places * outputs; i++) {
            int64_t to = (b * map_places(shape) + window_start(shape, i / outputs)) * outputs + i % outputs;
            int64_t from = b * pooled_places * outputs + i;
            spread(shape, map + to, delta[from], switches ? switches + from : NULL);
        }
    return map;
}

/* ---- bottom-up ---- */

/* Outputs first .. of one place of the map: the sum over the taps, and the bias. */
static void convolve_tile(const dualprop_convolution *shape, REAL *to, const REAL *x, const REAL *weights,
                          const REAL *bias, int64_t place, int64_t first)
{
    double sums[TILE] = { 0 };
    int64_t width = tile_width(first, shape->outputs);
    const REAL *w = weights + start_of(shape, place, kernel_elements(shape)) + first;
    for (int64_t tap = 0; tap < shape->kernel_height * shape->kernel_width; tap++) {
        int64_t from = input_read_from(shape, place, tap / shape->kernel_width, tap % shape->kernel_width);
        for (int64_t i = 0; from >= 0 && i < shape->channels; i++)
            add_row(sums, (double)x[from * shape->channels + i], w + (tap * shape->channels + i) * shape->outputs,
                    width);
    }
    const REAL *b = bias ? bias + start_of(shape, place, shape->outputs) + first : NULL;
    for (int64_t j = 0; j < width; j++) to[first + j] = (REAL)(sums[j] + (b ? (double)b[j] : 0));
}

static void convolve(const dualprop_convolution *shape, REAL *map, const REAL *x, const REAL *weights, const REAL *bias)
{
    for (int64_t place = 0; place < map_places(shape); place++)
        for (int64_t first = 0; first < shape->outputs; first += TILE)
            convolve_tile(shape, map + place * shape->outputs, x, weights, bias, place, first);
}

static dualprop_status convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a, uint8_t *switches,
                                             const void *x, const void *weights, const void *bias,
                                             const dualprop_dyad *dyad)
{
    int64_t width = shape->pooled_height * shape->pooled_width * shape->outputs;
    for (int64_t b = 0; b < shape->batch; b++) {
        REAL *to = (REAL *)a + b * width;
        REAL *map = shape->pooling == DUALPROP_POOL_NONE ? to : shape->workspace;
        convolve(shape, map, (const REAL *)x + b * input_places(shape) * shape->channels, weights, bias);
        if (shape->pooling != DUALPROP_POOL_NONE) pool(shape, to, switches ? switches + b * width : NULL, map);
    }
    return dyad ? dyad_update(self, dyad) : DUALPROP_OK;
}

/* ---- top-down ---- */

/* Channels first .. of one place of the input: the transpose, gathered from all outputs that read the place. */
static void gather_tile(const dualprop_convolution *shape, REAL *to, const REAL *map, const REAL *weights,
                        int64_t input, int64_t first)
{
    double sums[TILE] = { 0 };
    int64_t width = tile_width(first, shape->channels);
    for (int64_t tap = 0; tap < shape->kernel_height * shape->kernel_width; tap++) {
        int64_t place = output_reading(shape, input, tap / shape->kernel_width, tap % shape->kernel_width);
        if (place < 0) continue;
        const REAL *w =
            weights + start_of(shape, place, kernel_elements(shape)) + (tap * shape->channels + first) * shape->outputs;
        for (int64_t j = 0; j < width; j++)
            sums[j] += dot(map + place * shape->outputs, w + j * shape->outputs, shape->outputs);
    }
    for (int64_t j = 0; j < width; j++) to[first + j] = (REAL)sums[j];
}

static dualprop_status convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                            const void *delta, const uint8_t *switches, const void *weights,
                                            const dualprop_dyad *dyad)
{
    const REAL *map = unpool(shape, delta, switches);
    for (int64_t i = 0; i < shape->batch * input_places(shape); i++) {
        int64_t b = i / input_places(shape), input = i % input_places(shape);
        for (int64_t first = 0; first < shape->channels; first += TILE)
            gather_tile(shape, (REAL *)top_down + i * shape->channels, map + b * map_places(shape) * shape->outputs,
                        weights, input, first);
    }
    return dyad ? dyad_update(self, dyad) : DUALPROP_OK;
}

/* ---- gradient ---- */

/* One weight's row of outputs: over the samples, and over the places from `place` to before `end` that share it.
 * With x NULL it is the bias's. */
struct shared_row {
    int64_t tap, channel, place, end;
    const REAL *x;
};

static void add_places(double *sums, const dualprop_convolution *shape, const struct shared_row *row, const REAL *map,
                       int64_t b, int64_t width)
{
    const REAL *x = row->x ? row->x + b * input_places(shape) * shape->channels + row->channel : NULL;
    for (int64_t place = row->place; place < row->end; place++) {
        int64_t from =
            x ? input_read_from(shape, place, row->tap / shape->kernel_width, row->tap % shape->kernel_width) : 0;
        if (from < 0) continue;
        add_row(sums, x ? (double)x[from * shape->channels] : 1, map + (b * map_places(shape) + place) * shape->outputs,
                width);
    }
}

static void shared_gradient(const dualprop_convolution *shape, const struct sink *sink, const struct shared_row *row,
                            int64_t start, const REAL *map, double scale)
{
    for (int64_t first = 0; first < shape->outputs; first += TILE) {
        double sums[TILE] = { 0 };
        int64_t width = tile_width(first, shape->outputs);
        for (int64_t b = 0; b < shape->batch; b++) add_places(sums, shape, row, map + first, b, width);
        pour(sink, start + first, sums, scale, width);
    }
}

/* All rows of the weights that the places from `place` to before `end` share, and of their bias. */
static void places_gradient(const dualprop_convolution *shape, const struct sink sinks[2], struct shared_row row,
                            const REAL *map, double scale)
{
    int64_t taps = shape->kernel_height * shape->kernel_width;
    int64_t start = start_of(shape, row.place, kernel_elements(shape));
    for (int64_t i = 0; i < taps * shape->channels; i++) {
        row.tap = i / shape->channels, row.channel = i % shape->channels;
        shared_gradient(shape, &sinks[0], &row, start + i * shape->outputs, map, scale);
    }
    if (!sinks[1].gradient && !sinks[1].parameter) return;
    row.x = NULL;
    shared_gradient(shape, &sinks[1], &row, start_of(shape, row.place, shape->outputs), map, scale);
}

static dualprop_status convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4])
{
    (void)self;
    struct sink sinks[2];
    open_sinks(sinks, gradient, bias_gradient, accumulate, step, weights, bias, moments);
    const REAL *map = unpool(shape, delta, switches);
    int64_t shared = shape->kind == DUALPROP_LAYER_LOCAL ? 1 : map_places(shape);
    for (int64_t place = 0; place < map_places(shape); place += shared)
        places_gradient(shape, sinks, (struct shared_row){ .place = place, .end = place + shared, .x = x }, map, scale);
    return DUALPROP_OK;
}
