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

/* Where one element lies: sample, row, column, and which of the last axis. */
struct place {
    int64_t sample, row, column, last;
};

DUALPROP__CUDA_BOTH static place place_of(int64_t i, int64_t height, int64_t width, int64_t last)
{
    place at;
    at.last = take_axis(&i, last);
    at.column = take_axis(&i, width);
    at.row = take_axis(&i, height);
    at.sample = i;
    return at;
}

/* The pooling of a layer. */
struct pooling {
    int64_t map_height, map_width, outputs;
    int64_t pooled_height, pooled_width;
    int64_t window_height, window_width, step_height, step_width;
    int64_t kind;
};

pooling pooling_of(const dualprop_convolution *shape)
{
    pooling made = { shape->map_height, shape->map_width, shape->outputs, shape->pooled_height, shape->pooled_width,
                     shape->window_height, shape->window_width, shape->window_stride_height, shape->window_stride_width,
                     shape->pooling };
    return made;
}

/* ---- up: bias, pooling, dyad ---- */

struct finish_body {
    const float *map, *bias; /* bias NULL: none */
    float *a;
    uint8_t *switches; /* NULL: nobody asks which was the greatest */
    pooling pool;
    places to;
    int64_t bias_places; /* of a locally connected layer; 1 where all places share the bias */
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

    /* Place `number` of the window that begins at this row and column. */
    DUALPROP__CUDA_BOTH float inside(const place &at, int64_t row, int64_t column, int64_t number) const
    {
        int64_t down = number, along = take_axis(&down, pool.window_width);
        return value(at.sample, row + down, column + along, at.last);
    }

    /* The greatest, the first of equals; a NaN is greater than everything. */
    DUALPROP__CUDA_BOTH float greatest(const place &at, int *which) const
    {
        int64_t row = at.row * pool.step_height, column = at.column * pool.step_width;
        float most = value(at.sample, row, column, at.last);
        *which = 0;
        for (int64_t number = 1; number < pool.window_height * pool.window_width; number++) {
            float x = inside(at, row, column, number);
            if (!(x > most) && (x == x || most != most)) continue;
            most = x;
            *which = (int)number;
        }
        return most;
    }

    DUALPROP__CUDA_BOTH float average(const place &at) const
    {
        int64_t row = at.row * pool.step_height, column = at.column * pool.step_width;
        double sum = 0;
        for (int64_t number = 0; number < pool.window_height * pool.window_width; number++)
            sum += (double)inside(at, row, column, number);
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

/* ---- down: delta of the map from delta of what was pooled ---- */

struct unpool_body {
    const float *delta;
    const uint8_t *switches;
    float *map;
    pooling pool;

    static constexpr const char *name()
    {
        return "unpooling";
    }

    /* The first and the last window that hold this row, or column. */
    DUALPROP__CUDA_BOTH static int64_t first_window(int64_t at, int64_t window, int64_t step)
    {
        return at < window ? 0 : quotient(at - window, step) + 1;
    }

    DUALPROP__CUDA_BOTH static int64_t last_window(int64_t at, int64_t step, int64_t windows)
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
        for (int64_t row = first_row; row <= last_row; row++)
            for (int64_t column = first_column; column <= last_column; column++) sum += share(at, row, column);
        map[i] = sum;
    }
};

/* ---- patches: [batch, places of the map, kernel rows, kernel columns, channels] ---- */

struct window {
    int64_t height, width, channels, map_height, map_width;
    int64_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
};

window window_of(const dualprop__cuda_conv *shape)
{
    window made = { shape->height, shape->width, shape->channels, shape->map_height, shape->map_width,
                    shape->kernel_height, shape->kernel_width, shape->stride_height, shape->stride_width,
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
        place seer = place_of(tap.sample, of.map_height, of.map_width, 1);
        int64_t row = seer.row * of.stride_height - of.padding_height + tap.row;
        int64_t column = seer.column * of.stride_width - of.padding_width + tap.column;
        int64_t sample = seer.sample;
        int inside = row >= 0 && row < of.height && column >= 0 && column < of.width;
        patches[i] = inside ? x[((sample * of.height + row) * of.width + column) * of.channels + tap.last] : 0.0f;
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

    /* Who sees `input` through tap `tap` along one axis; -1: nobody. */
    DUALPROP__CUDA_BOTH static int64_t seer(int64_t input, int64_t tap, int64_t padding, int64_t stride, int64_t extent)
    {
        int64_t reach = input + padding - tap;
        if (reach < 0) return -1;
        int64_t at = reach, rest = take_axis(&at, stride);
        return rest == 0 && at < extent ? at : -1;
    }

    DUALPROP__CUDA_BOTH double tap_row(const place &at, int64_t tap_row) const
    {
        int64_t row = seer(at.row, tap_row, of.padding_height, of.stride_height, of.map_height);
        double sum = 0;
        for (int64_t tap = 0; row >= 0 && tap < of.kernel_width; tap++) {
            int64_t column = seer(at.column, tap, of.padding_width, of.stride_width, of.map_width);
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
        int64_t row = i, column = take_axis(&row, columns);
        to[column * rows + row] = from[i];
    }
};

struct scale_body {
    const float *from;
    float *to;
    double scale;
    int64_t accumulate;

    static constexpr const char *name()
    {
        return "scale";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        double scaled = scale * (double)from[i];
        to[i] = (float)(accumulate ? (double)to[i] + scaled : scaled);
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
    DUALPROP__CUDA_PASS((issue<watched>(self, body, count)));
    if (dyad && !fused) return dualprop__cuda_dyad(self, dyad);
    return dualprop__cuda_peaks_give(self);
}

dualprop_status dualprop__cuda_map_unpool(dualprop__cuda *self, const dualprop_convolution *shape, float *map,
                                          const float *delta, const uint8_t *switches)
{
    unpool_body body;
    memset((void *)&body, 0, sizeof body);
    body.delta = delta;
    body.switches = switches;
    body.map = map;
    body.pool = pooling_of(shape);
    return issue<each>(self, body, shape->batch * shape->map_height * shape->map_width * shape->outputs);
}

dualprop_status dualprop__cuda_patches(dualprop__cuda *self, const dualprop__cuda_conv *shape, float *patches,
                                       const float *x)
{
    patches_body body = { x, patches, window_of(shape) };
    return issue<each>(self, body, shape->batch * shape->map_height * shape->map_width * shape->kernel_height *
                                       shape->kernel_width * shape->channels);
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

dualprop_status dualprop__cuda_scale(dualprop__cuda *self, float *to, const float *from, int64_t count, double scale,
                                     int accumulate)
{
    scale_body body = { from, to, scale, accumulate };
    return issue<each>(self, body, count);
}
