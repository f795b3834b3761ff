/*
 * maps.cu - what convolutional layers need beside the products: bias and pooling on the way up, the way of delta back
 * through the switches, and, for layers that cuDNN does not take, patches of the input as rows of a matrix.
 *
 * A map is (batch, map_height, map_width, outputs). Each element is formed by one thread, which adds in a fixed order.
 */
#include "dyad.cuh"

#include "maps.h"

using namespace dualprop_cuda;

namespace {

/*
 * The extent of an axis, by which devices divide without dividing: for 0 <= a < 2^31 and 1 <= size < 2^31,
 * a / size = a factor / 2^shift, where 2^(shift - 31) is the power of two from size on and factor is 2^shift / size,
 * rounded up. (The error, a (factor size - 2^shift) / (size 2^shift), is below 2^31 / 2^shift 2^(shift - 31) / size.)
 */
struct extent {
    int64_t size;
    uint32_t factor, shift; /* factor 0: size is too large for that */

    DUALPROP__CUDA_BOTH operator int64_t() const
    {
        return size;
    }
};

extent extent_of(int64_t size)
{
    extent made = { size, 0, 31 };
    if (size < 1 || size >> 31) return made;
    while ((int64_t)1 << (made.shift - 31) < size) made.shift++;
    made.factor = (uint32_t)((((uint64_t)1 << made.shift) + (uint64_t)size - 1) / (uint64_t)size);
    return made;
}

using dualprop_cuda::split_axis;

DUALPROP__CUDA_BOTH static inline int64_t quotient(int64_t a, const extent &by)
{
    if (a >> 31 == 0 && by.factor) return (int64_t)((uint64_t)(uint32_t)a * by.factor >> by.shift);
    return a / by.size;
}

DUALPROP__CUDA_BOTH static inline int64_t split_axis(int64_t *index, const extent &along)
{
    int64_t rest = quotient(*index, along), last = *index - rest * along.size;
    *index = rest;
    return last;
}

/* Where it is known that a is below 2^31 and that there is a factor. */
DUALPROP__CUDA_BOTH static inline uint32_t quotient(uint32_t a, const extent &by)
{
    return (uint32_t)((uint64_t)a * by.factor >> by.shift);
}

DUALPROP__CUDA_BOTH static inline uint32_t split_axis(uint32_t *index, const extent &along)
{
    uint32_t rest = quotient(*index, along), last = *index - rest * (uint32_t)along.size;
    *index = rest;
    return last;
}

/* Where one element lies: sample, row, column, and which of the last axis. */
struct place {
    int64_t sample, row, column, last;
};

DUALPROP__CUDA_BOTH static place place_of(int64_t i, const extent &height, const extent &width, const extent &last)
{
    place at;
    at.last = split_axis(&i, last);
    at.column = split_axis(&i, width);
    at.row = split_axis(&i, height);
    at.sample = i;
    return at;
}

/* The pooling of a layer. */
struct pooling {
    extent map_height, map_width, outputs;
    extent pooled_height, pooled_width;
    extent step_height, step_width;
    int64_t window_height, window_width;
    int64_t kind;
};

pooling pooling_of(const dualprop_convolution *shape)
{
    pooling made = { extent_of(shape->map_height), extent_of(shape->map_width), extent_of(shape->outputs),
                     extent_of(shape->pooled_height), extent_of(shape->pooled_width),
                     extent_of(shape->window_stride_height), extent_of(shape->window_stride_width),
                     shape->window_height, shape->window_width, shape->pooling };
    return made;
}

/* ---- up: bias, pooling, dyad ---- */

struct finish_body {
    const float *map, *bias; /* bias NULL: none */
    float *a;
    uint8_t *switches; /* NULL: which was the greatest is not needed */
    pooling pool;
    max_places to;
    int64_t bias_places; /* of a locally connected layer; 1 if all places share the bias */
    int64_t has_dyad;
    dyad_body dyad;

    static constexpr const char *name()
    {
        return "bias, pooling and dyad";
    }

    DUALPROP__CUDA_BOTH float value(int64_t sample, int64_t row, int64_t column, int64_t output) const
    {
        int64_t where = row * pool.map_width + column;
        float x = map[(sample * pool.map_height * pool.map_width + where) * pool.outputs + output];
        if (!bias) return x;
        return x + bias[(bias_places > 1 ? where : 0) * pool.outputs + output];
    }

    /* The greatest, the first of equals; a NaN is greater than everything. */
    DUALPROP__CUDA_BOTH float greatest(const place &at, int *which) const
    {
        int64_t row = at.row * pool.step_height, column = at.column * pool.step_width;
        float most = -HUGE_VALF;
        int number = 0;
        *which = 0;
        for (int64_t down = 0; down < pool.window_height; down++)
            for (int64_t along = 0; along < pool.window_width; along++, number++) {
                float x = value(at.sample, row + down, column + along, at.last);
                if (!(x > most) && (x == x || most != most)) continue;
                most = x;
                *which = number;
            }
        return most;
    }

    DUALPROP__CUDA_BOTH float average(const place &at) const
    {
        int64_t row = at.row * pool.step_height, column = at.column * pool.step_width;
        double sum = 0;
        for (int64_t down = 0; down < pool.window_height; down++)
            for (int64_t along = 0; along < pool.window_width; along++)
                sum += (double)value(at.sample, row + down, column + along, at.last);
        return (float)(sum / (double)(pool.window_height * pool.window_width));
    }

    DUALPROP__CUDA_BOTH float pooled(int64_t i) const
    {
        place at = place_of(i, pool.pooled_height, pool.pooled_width, pool.outputs);
        int which;
        if (pool.kind == DUALPROP_POOL_NONE) return value(at.sample, at.row, at.column, at.last);
        if (pool.kind == DUALPROP_POOL_AVERAGE) return average(at);
        float most = greatest(at, &which);
        if (switches) switches[i] = (uint8_t)which;
        return most;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        maxima nothing = { 0, 0 };
        float x = pooled(i);
        a[i] = x;
        return has_dyad ? dyad.element(i, x) : nothing;
    }
};

/*
 * Four channels at once, without pooling (window 1) or with windows of 2 x 2 that lie side by side and cover the map.
 * The activation is known, or no_update. Groups are counted over the pooled elements.
 */
template <int Activation, int Window> struct four_finish_body {
    const float *map, *bias; /* bias NULL: none */
    float *a;
    uint8_t *switches;
    extent fours, pooled_width; /* of channels: outputs / 4 */
    max_places to;
    dyad_body dyad;

    static constexpr const char *name()
    {
        return "bias, pooling and dyad by fours";
    }

    DUALPROP__CUDA_BOTH void load(float values[4], const float *from, const float shift[4]) const
    {
        load_four(values, from);
        for (int j = 0; bias && j < 4; j++) values[j] += shift[j];
    }

    /* The greatest of each channel, the first of equals; a NaN is greater than everything. */
    DUALPROP__CUDA_BOTH void pool(float most[4], uint32_t number, uint32_t row, uint32_t column, uint32_t channel,
                                  const float shift[4]) const
    {
        uint32_t outputs = 4 * (uint32_t)fours.size, line = 2 * (uint32_t)pooled_width.size * outputs;
        const float *window = map + (2 * row * line + 2 * column * outputs + channel);
        unsigned char which[4] = { 0, 0, 0, 0 };
        load(most, window, shift);
        for (int k = 1; k < 4; k++) {
            float x[4];
            load(x, window + ((k & 1 ? outputs : 0) + (k & 2 ? line : 0)), shift);
            for (int j = 0; j < 4; j++) {
                int greater = x[j] > most[j] || (x[j] != x[j] && most[j] == most[j]);
                most[j] = greater ? x[j] : most[j];
                which[j] = greater ? (unsigned char)k : which[j];
            }
        }
        uchar4 all = { which[0], which[1], which[2], which[3] };
        if (switches) *(uchar4 *)(switches + 4 * number) = all;
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group, max_tracker *seen) const
    {
        uint32_t number = (uint32_t)group, place = number, channel = 4 * split_axis(&place, fours);
        float at[4], shift[4] = { 0, 0, 0, 0 };
        if (bias) load_four(shift, bias + channel);
        if (Window == 1) {
            load(at, map + 4 * number, shift);
        } else {
            uint32_t column = split_axis(&place, pooled_width);
            pool(at, number, place, column, channel, shift);
        }
        store_four(a + 4 * number, at);
        if constexpr (Activation != no_update) dyad.four<Activation>(4 * number, at, seen);
    }
};

/* Is it windows of 2 x 2 side by side, over the whole map, of at most so many elements, in fours of channels? */
int pools_by_fours(const dualprop_convolution *shape)
{
    return shape->window_height == 2 && shape->window_width == 2 && shape->window_stride_height == 2 &&
           shape->window_stride_width == 2 && shape->map_height == 2 * shape->pooled_height &&
           shape->map_width == 2 * shape->pooled_width && shape->outputs % 4 == 0 &&
           is_narrow(shape->batch * shape->map_height * shape->map_width * shape->outputs);
}

/* What a finish by fours is launched with, once its activation is known. */
struct fours_of_finish {
    dualprop__cuda *self;
    const finish_body &like;
    int64_t count;

    template <int Activation, int Window> dualprop_status launch_window() const
    {
        four_finish_body<Activation, Window> body;
        memset((void *)&body, 0, sizeof body);
        body.map = like.map;
        body.bias = like.bias;
        body.a = like.a;
        body.switches = like.switches;
        body.fours = extent_of(like.pool.outputs.size / 4);
        body.pooled_width = like.pool.pooled_width;
        body.to = like.to;
        body.dyad = like.dyad;
        if (Activation == no_update) return issue<each_group>(self, body, count / 4);
        return issue_dyads(self, body, count / 4);
    }

    template <int Activation> dualprop_status run() const
    {
        return like.pool.kind == DUALPROP_POOL_NONE ? launch_window<Activation, 1>() : launch_window<Activation, 2>();
    }
};

/* May it be done by fours? The dyad's own arrays have to be aligned as well. */
int finishes_by_fours(const dualprop_convolution *shape, const finish_body &body, int64_t count)
{
    int plain = shape->pooling == DUALPROP_POOL_NONE && shape->outputs % 4 == 0 && is_narrow(count);
    int pooled = shape->pooling == DUALPROP_POOL_MAX && pools_by_fours(shape);
    return (plain || pooled) && body.bias_places == 1 && is_aligned(body.map, 16) && is_aligned(body.bias, 16) &&
           is_aligned(body.a, 16) && is_aligned(body.switches, 4) && (!body.has_dyad || body.dyad.takes_four(count));
}

/* ---- down: delta of the map from delta of what was pooled ---- */

struct unpool_body {
    const float *delta;
    const uint8_t *switches;
    float *map;        /* NULL: only what is rounded is wanted */
    uint16_t *rounded; /* NULL: not wanted */
    pooling pool;

    static constexpr const char *name()
    {
        return "unpooling";
    }

    /* The first and the last window that hold this row, or column. */
    DUALPROP__CUDA_BOTH static int64_t first_window(int64_t at, int64_t window, const extent &step)
    {
        return at < window ? 0 : quotient(at - window, step) + 1;
    }

    DUALPROP__CUDA_BOTH static int64_t last_window(int64_t at, const extent &step, int64_t windows)
    {
        int64_t last = quotient(at, step);
        return last < windows ? last : windows - 1;
    }

    /* What one window gives to a place in it. */
    DUALPROP__CUDA_BOTH float share(const place &at, int64_t row, int64_t column) const
    {
        int64_t i = ((at.sample * pool.pooled_height + row) * pool.pooled_width + column) * pool.outputs + at.last;
        int64_t number = (at.row - row * pool.step_height) * pool.window_width + at.column - column * pool.step_width;
        if (pool.kind == DUALPROP_POOL_AVERAGE) return delta[i] / (float)(pool.window_height * pool.window_width);
        return switches[i] == number ? delta[i] : 0.0f;
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        place at = place_of(i, pool.map_height, pool.map_width, pool.outputs);
        int64_t first_row = first_window(at.row, pool.window_height, pool.step_height);
        int64_t last_row = last_window(at.row, pool.step_height, pool.pooled_height);
        int64_t first_column = first_window(at.column, pool.window_width, pool.step_width);
        int64_t last_column = last_window(at.column, pool.step_width, pool.pooled_width);
        float sum = 0;
        ROLLED for (int64_t row = first_row; row <= last_row; row++)
            ROLLED for (int64_t column = first_column; column <= last_column; column++) sum += share(at, row, column);
        if (map) map[i] = sum;
        if (rounded) rounded[i] = dualprop__bfloat16(sum);
    }
};

/* Four channels of a window of 2 x 2 at once, where windows lie side by side: each place of the map has one window. */
struct four_unpool_body {
    const float *delta;
    const uint8_t *switches;
    float *map;
    uint16_t *rounded;
    extent fours, pooled_width;
    int64_t average;

    static constexpr const char *name()
    {
        return "unpooling by fours";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group) const
    {
        uint32_t number = (uint32_t)group, place = number, channel = 4 * split_axis(&place, fours);
        uint32_t column = split_axis(&place, pooled_width), outputs = 4 * (uint32_t)fours.size;
        uint32_t line = 2 * (uint32_t)pooled_width.size * outputs;
        uint32_t first = 2 * place * line + 2 * column * outputs + channel;
        float given[4];
        uint16_t given_rounded[4];
        uchar4 which = { 0, 0, 0, 0 };
        if (!average) which = *(const uchar4 *)(switches + 4 * number);
        int numbers[4] = { which.x, which.y, which.z, which.w };
        load_four(given, delta + 4 * number);
        for (int j = 0; j < 4; j++) {
            given[j] = 0.0f + (average ? given[j] / 4.0f : given[j]); /* as a sum over windows begins */
            given_rounded[j] = dualprop__bfloat16(given[j]);
        }
        for (int k = 0; k < 4; k++) {
            uint32_t at = first + (k & 1 ? outputs : 0) + (k & 2 ? line : 0);
            float full[4];
            uint16_t rough[4];
            for (int j = 0; j < 4; j++) {
                int here = average || numbers[j] == k;
                full[j] = here ? given[j] : 0.0f;
                rough[j] = here ? given_rounded[j] : (uint16_t)0;
            }
            if (map) store_four(map + at, full);
            if (rounded) store_four(rounded + at, rough);
        }
    }
};

/* ---- patches: [batch, places of the map, kernel rows, kernel columns, channels] ---- */

struct window {
    extent height, width, channels, map_height, map_width;
    extent kernel_height, kernel_width, stride_height, stride_width;
    int64_t padding_height, padding_width;
};

window window_of(const dualprop__cuda_conv *shape)
{
    window made = { extent_of(shape->height), extent_of(shape->width), extent_of(shape->channels),
                    extent_of(shape->map_height), extent_of(shape->map_width),
                    extent_of(shape->kernel_height), extent_of(shape->kernel_width),
                    extent_of(shape->stride_height), extent_of(shape->stride_width),
                    shape->padding_height, shape->padding_width };
    return made;
}

struct patches_body {
    const float *x;
    float *patches;
    window of;

    static constexpr const char *name()
    {
        return "patches";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        place tap = place_of(i, of.kernel_height, of.kernel_width, of.channels);
        int64_t sample = tap.sample, map_column = split_axis(&sample, of.map_width);
        int64_t map_row = split_axis(&sample, of.map_height);
        int64_t row = map_row * of.stride_height - of.padding_height + tap.row;
        int64_t column = map_column * of.stride_width - of.padding_width + tap.column;
        int inside = row >= 0 && row < of.height && column >= 0 && column < of.width;
        patches[i] = inside ? x[((sample * of.height + row) * of.width + column) * of.channels + tap.last] : 0.0f;
    }
};

/* Four channels at once, with indices of 32 bits. */
struct four_patches_body {
    const float *x;
    float *patches;
    window of;
    extent fours;

    static constexpr const char *name()
    {
        return "patches by fours";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group) const
    {
        uint32_t number = (uint32_t)group, rest = number, channel = 4 * split_axis(&rest, fours);
        int tap_column = (int)split_axis(&rest, of.kernel_width), tap_row = (int)split_axis(&rest, of.kernel_height);
        int map_column = (int)split_axis(&rest, of.map_width), map_row = (int)split_axis(&rest, of.map_height);
        int row = map_row * (int)of.stride_height.size - (int)of.padding_height + tap_row;
        int column = map_column * (int)of.stride_width.size - (int)of.padding_width + tap_column;
        int height = (int)of.height.size, width = (int)of.width.size;
        float seen[4] = { 0, 0, 0, 0 };
        if (row >= 0 && row < height && column >= 0 && column < width) {
            uint32_t place = (rest * (uint32_t)height + (uint32_t)row) * (uint32_t)width + (uint32_t)column;
            load_four(seen, x + (place * (4 * (uint32_t)fours.size) + channel));
        }
        store_four(patches + 4 * number, seen);
    }
};

/* The other way: each element of the input adds up what all patches that hold it have in its place. */
struct fold_body {
    const float *patches;
    float *x;
    window of;

    static constexpr const char *name()
    {
        return "patches folded";
    }

    /* The output that reads `input` through tap `tap` along one axis; -1: none. */
    DUALPROP__CUDA_BOTH static int64_t output_reading(int64_t input, int64_t tap, int64_t padding, const extent &stride,
                                                      int64_t outputs)
    {
        int64_t reach = input + padding - tap;
        if (reach < 0) return -1;
        int64_t at = reach, rest = split_axis(&at, stride);
        return rest == 0 && at < outputs ? at : -1;
    }

    DUALPROP__CUDA_BOTH double tap_row(const place &at, int64_t tap_row) const
    {
        int64_t row = output_reading(at.row, tap_row, of.padding_height, of.stride_height, of.map_height);
        double sum = 0;
        for (int64_t tap = 0; row >= 0 && tap < of.kernel_width; tap++) {
            int64_t column = output_reading(at.column, tap, of.padding_width, of.stride_width, of.map_width);
            int64_t patch = (at.sample * of.map_height + row) * of.map_width + column;
            if (column >= 0)
                sum += (double)
                    patches[((patch * of.kernel_height + tap_row) * of.kernel_width + tap) * of.channels + at.last];
        }
        return sum;
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        place at = place_of(i, of.height, of.width, of.channels);
        double sum = 0;
        for (int64_t tap = 0; tap < of.kernel_height; tap++) sum += tap_row(at, tap);
        x[i] = (float)sum;
    }
};

/* ---- small things ---- */

struct turn_body {
    const float *from;
    float *to;
    int64_t rows, columns; /* of from */

    static constexpr const char *name()
    {
        return "transpose";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        int64_t row = i, column = split_axis(&row, columns);
        to[column * rows + row] = from[i];
    }
};

/* Several arrays; groups of four are counted over all of them. */
struct round_body {
    struct array {
        const float *from;
        uint16_t *to;
        int64_t count, by_fours, end; /* elements; where its groups end */
    } arrays[32];
    int64_t count;

    static constexpr const char *name()
    {
        return "rounding to BF16";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group) const
    {
        int number = 0;
        while (group >= arrays[number].end) number++;
        const array &own = arrays[number];
        int64_t first = 4 * (number > 0 ? group - arrays[number - 1].end : group);
        if (own.by_fours && first + 4 <= own.count) {
            float exact[4];
            load_four(exact, own.from + first);
            dyad_body::store_rounded(own.to + first, exact);
            return;
        }
        ROLLED for (int64_t i = first; i < first + 4 && i < own.count; i++) own.to[i] = dualprop__bfloat16(own.from[i]);
    }

    /* The number of groups now; 0 if it is full. */
    int64_t add(uint16_t *to, const float *from, int64_t elements)
    {
        if (count == 32) return 0;
        array &own = arrays[count];
        own.from = from;
        own.to = to;
        own.count = elements;
        own.by_fours = is_aligned(from, 16) && is_aligned(to, 8);
        own.end = (count > 0 ? arrays[count - 1].end : 0) + (elements + 3) / 4;
        count++;
        return own.end;
    }

    int has(const uint16_t *to, const float *from, int64_t elements) const
    {
        for (int64_t i = 0; i < count; i++)
            if (arrays[i].to == to && arrays[i].from == from && arrays[i].count == elements) return 1;
        return 0;
    }
};

struct scale_body {
    const float *from;
    float *to;
    float scale;
    int accumulate;

    static constexpr const char *name()
    {
        return "scale";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        float scaled = scale * from[i];
        to[i] = accumulate ? to[i] + scaled : scaled;
    }
};

/* The parts in order, in double: which part has which rows depends on the shape alone. */
struct sum_parts_body {
    const float *from;
    float *to;
    int64_t count, parts;
    double scale;
    int64_t accumulate;

    static constexpr const char *name()
    {
        return "sum of parts";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        double sum = 0;
        for (int64_t part = 0; part < parts; part++) sum += (double)from[part * count + i];
        to[i] = (float)(accumulate ? (double)to[i] + scale * sum : scale * sum);
    }
};

} // namespace

dualprop_status dualprop__cuda_map_finish(dualprop__cuda *self, const dualprop_convolution *shape, float *a,
                                          uint8_t *switches, const float *map, const float *bias,
                                          const dualprop_dyad *dyad)
{
    finish_body body;
    int fused = dyad && dyad->activation != DUALPROP_SOFTMAX;
    memset((void *)&body, 0, sizeof body);
    body.map = map;
    body.bias = bias;
    body.a = a;
    body.switches = switches;
    body.pool = pooling_of(shape);
    body.bias_places = shape->kind == DUALPROP_LAYER_LOCAL ? shape->map_height * shape->map_width : 1;
    body.has_dyad = fused;
    if (fused) {
        DUALPROP__CUDA_PASS(fill_dyad(self, &body.dyad, dyad));
        body.to = body.dyad.to;
    }
    int64_t count = shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
    dualprop_status status = DUALPROP_OK;
    fours_of_finish fours = { self, body, count };
    int by_fours = finishes_by_fours(shape, body, count);
    if (by_fours && !fused) status = fours.run<no_update>();
    else if (!by_fours || !with_activation(dyad->activation, &status, fours))
        status = fused ? issue_kind<each_with_max>(self, body, count, DUALPROP__CUDA_DYADS, offsetof(finish_body, dyad))
                       : issue<each_with_max>(self, body, count);
    DUALPROP__CUDA_PASS(status);
    if (dyad && !fused) return dualprop__cuda_dyad(self, dyad);
    return dualprop__cuda_max_abs_deliver(self);
}

dualprop_status dualprop__cuda_map_unpool(dualprop__cuda *self, const dualprop_convolution *shape, float *map,
                                          uint16_t *rounded, const float *delta, const uint8_t *switches)
{
    int64_t pooled = shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
    int64_t unpooled = shape->batch * shape->map_height * shape->map_width * shape->outputs;
    struct dualprop__cuda_range arrays[4] = { { delta, pooled * (int64_t)sizeof(float) }, { switches, pooled },
                                              { map, unpooled * (int64_t)sizeof(float) },
                                              { rounded, unpooled * (int64_t)sizeof(uint16_t) } };
    if (pools_by_fours(shape) && is_aligned(delta, 16) && is_aligned(switches, 4) && is_aligned(map, 16) &&
        is_aligned(rounded, 8)) {
        four_unpool_body fours = { delta, switches, map, rounded, extent_of(shape->outputs / 4),
                                   extent_of(shape->pooled_width), shape->pooling == DUALPROP_POOL_AVERAGE };
        return issue<each>(self, fours, pooled / 4, arrays, 4);
    }
    unpool_body body;
    memset((void *)&body, 0, sizeof body);
    body.delta = delta;
    body.switches = switches;
    body.map = map;
    body.rounded = rounded;
    body.pool = pooling_of(shape);
    return issue<each>(self, body, unpooled, arrays, 4);
}

dualprop_status dualprop__cuda_patches(dualprop__cuda *self, const dualprop__cuda_conv *shape, float *patches,
                                       const float *x)
{
    int64_t count = shape->batch * shape->map_height * shape->map_width * shape->kernel_height * shape->kernel_width *
                    shape->channels;
    int64_t inputs = shape->batch * shape->height * shape->width * shape->channels;
    if (shape->channels % 4 == 0 && is_narrow(count) && is_narrow(inputs) && is_aligned(x, 16) &&
        is_aligned(patches, 16)) {
        four_patches_body fours = { x, patches, window_of(shape), extent_of(shape->channels / 4) };
        return issue<each>(self, fours, count / 4);
    }
    patches_body body = { x, patches, window_of(shape) };
    return issue<each>(self, body, count);
}

dualprop_status dualprop__cuda_fold(dualprop__cuda *self, const dualprop__cuda_conv *shape, float *x,
                                    const float *patches)
{
    fold_body body = { patches, x, window_of(shape) };
    return issue<each>(self, body, shape->batch * shape->height * shape->width * shape->channels);
}

dualprop_status dualprop__cuda_transpose(dualprop__cuda *self, float *to, const float *from, int64_t rows,
                                         int64_t columns)
{
    turn_body body = { from, to, rows, columns };
    return issue<each>(self, body, rows * columns);
}

namespace {

/* An array, and what is to hold its elements rounded. */
struct rounding {
    uint16_t *to;
    const float *from;
    int64_t count;
    struct dualprop__cuda_range read, written;
};

/* Does a deferred command write this already, by the kernel that makes the numbers or among other roundings? */
int is_rounded(dualprop__cuda *self, const rounding &own)
{
    void *body;
    if (dualprop__cuda_earlier(self, DUALPROP__CUDA_DYADS, &own.read, &own.written, 1, &body) &&
        ((const dyad_body *)body)->writes_rounding(own.to, own.from, own.count))
        return 1;
    return dualprop__cuda_earlier(self, DUALPROP__CUDA_ROUNDINGS, &own.read, &own.written, 1, &body) &&
           ((const round_body *)body)->has(own.to, own.from, own.count);
}

/* Can a deferred command write it as well? */
int add_rounding(dualprop__cuda *self, const rounding &own)
{
    void *body;
    if (dualprop__cuda_earlier(self, DUALPROP__CUDA_DYADS, &own.read, &own.written, 0, &body) &&
        ((dyad_body *)body)->add_rounding(own.to, own.from, own.count))
        return 1;
    using launched = launch<each<round_body>, round_body>;
    launched *work =
        (launched *)dualprop__cuda_earlier(self, DUALPROP__CUDA_ROUNDINGS, &own.read, &own.written, 0, &body);
    int64_t groups = work ? work->body.add(own.to, own.from, own.count) : 0;
    if (groups > 0) work->count = groups;
    return groups > 0;
}

} // namespace

dualprop_status dualprop__cuda_round(dualprop__cuda *self, uint16_t *to, const float *from, int64_t count)
{
    rounding own = { to, from, count, { from, count * (int64_t)sizeof(float) },
                     { to, count * (int64_t)sizeof(uint16_t) } };
    if (count <= 0 || is_rounded(self, own) || add_rounding(self, own)) return DUALPROP_OK;
    round_body body;
    memset((void *)&body, 0, sizeof body);
    int64_t groups = body.add(to, from, count);
    return issue_kind<each>(self, body, groups, DUALPROP__CUDA_ROUNDINGS, 0);
}

dualprop_status dualprop__cuda_sum_parts(dualprop__cuda *self, float *to, const float *from, int64_t count,
                                         int64_t parts, double scale, int accumulate)
{
    sum_parts_body body = { from, to, count, parts, scale, accumulate };
    return issue<each>(self, body, count);
}

dualprop_status dualprop__cuda_scale(dualprop__cuda *self, float *to, const float *from, int64_t count, double scale,
                                     int accumulate)
{
    scale_body body = { from, to, (float)scale, accumulate };
    return issue<each>(self, body, count);
}
