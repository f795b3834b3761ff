/*
 * convolution_cases.h - the cases of the nine slots for convolutions and local layers; a part of testing.c.
 *
 * Switches of max pooling are compared where they are found, and drawn where they are read: two backends may disagree
 * about the larger of two numbers that differ by a rounding, which the drawn images do not have.
 */
#ifndef DUALPROP_TESTING_CONVOLUTION_CASES_H
#define DUALPROP_TESTING_CONVOLUTION_CASES_H

static const struct {
    int kind, pooling;
    int64_t batch, height, width, channels, outputs;
    int64_t kernel[2], stride[2], padding[2], window[2], window_stride[2];
} image_layers[] = {
    { DUALPROP_LAYER_CONVOLUTION, 0, 1, 1, 1, 1, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0, 0 }, { 0, 0 } },
    { DUALPROP_LAYER_CONVOLUTION, 0, 2, 7, 5, 3, 5, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0, 0 } },
    { DUALPROP_LAYER_CONVOLUTION, 0, 2, 16, 13, 8, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0, 0 } },
    { DUALPROP_LAYER_CONVOLUTION, DUALPROP_POOL_MAX, 3, 8, 9, 4, 6, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, { 2, 2 } },
    { DUALPROP_LAYER_CONVOLUTION,
      DUALPROP_POOL_AVERAGE,
      2,
      9,
      7,
      2,
      3,
      { 3, 2 },
      { 2, 1 },
      { 1, 0 },
      { 3, 2 },
      { 2, 1 } },
    { DUALPROP_LAYER_CONVOLUTION,
      DUALPROP_POOL_MAX,
      2,
      11,
      10,
      3,
      7,
      { 5, 3 },
      { 1, 2 },
      { 2, 1 },
      { 3, 3 },
      { 1, 2 } },
    { DUALPROP_LAYER_LOCAL, 0, 2, 5, 6, 2, 3, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0, 0 } },
    { DUALPROP_LAYER_LOCAL, DUALPROP_POOL_MAX, 2, 6, 6, 3, 4, { 3, 3 }, { 1, 1 }, { 0, 0 }, { 2, 2 }, { 2, 2 } },
};
#define IMAGES ((int)(sizeof image_layers / sizeof *image_layers))

/*
 * Winograd's transforms of 4 x 4 outputs at a time multiply by numbers up to 8 and add up again, which costs 3 bits.
 */
#define IMAGE_FACTOR 8

static int64_t positions(int64_t extent, int64_t padding, int64_t window, int64_t stride)
{
    return (extent + 2 * padding - window) / stride + 1;
}

static dualprop_convolution map_of(int size)
{
    dualprop_convolution shape = { .kind = image_layers[size].kind,
                                   .pooling = image_layers[size].pooling,
                                   .batch = image_layers[size].batch,
                                   .height = image_layers[size].height,
                                   .width = image_layers[size].width,
                                   .channels = image_layers[size].channels,
                                   .outputs = image_layers[size].outputs,
                                   .kernel_height = image_layers[size].kernel[0],
                                   .kernel_width = image_layers[size].kernel[1],
                                   .stride_height = image_layers[size].stride[0],
                                   .stride_width = image_layers[size].stride[1],
                                   .padding_height = image_layers[size].padding[0],
                                   .padding_width = image_layers[size].padding[1],
                                   .window_height = image_layers[size].window[0],
                                   .window_width = image_layers[size].window[1],
                                   .window_stride_height = image_layers[size].window_stride[0],
                                   .window_stride_width = image_layers[size].window_stride[1] };
    shape.map_height = positions(shape.height, shape.padding_height, shape.kernel_height, shape.stride_height);
    shape.map_width = positions(shape.width, shape.padding_width, shape.kernel_width, shape.stride_width);
    shape.pooled_height = shape.map_height;
    shape.pooled_width = shape.map_width;
    if (shape.pooling == DUALPROP_POOL_NONE) return shape;
    shape.pooled_height = positions(shape.map_height, 0, shape.window_height, shape.window_stride_height);
    shape.pooled_width = positions(shape.map_width, 0, shape.window_width, shape.window_stride_width);
    return shape;
}

static int64_t places_of(const dualprop_convolution *shape)
{
    return shape->kind == DUALPROP_LAYER_LOCAL ? shape->map_height * shape->map_width : 1;
}

static int64_t taps_of(const dualprop_convolution *shape)
{
    return shape->kernel_height * shape->kernel_width;
}

static int64_t weights_of_map(const dualprop_convolution *shape)
{
    return places_of(shape) * taps_of(shape) * shape->channels * shape->outputs;
}

static int64_t elements_below(const dualprop_convolution *shape)
{
    return shape->batch * shape->height * shape->width * shape->channels;
}

static int64_t elements_above(const dualprop_convolution *shape)
{
    return shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
}

/* Weights in the layout of a side's backend. */
static void *weights_for_map(struct side *side, const dualprop_convolution *shape, double low, double high)
{
    void *host = uniform(side, weights_of_map(shape), low, high);
    void *weights = empty(side, side->table->convolution_weight_elements(side->self, shape));
    if (side->table->write_convolution_weights(side->self, shape, weights, host) != DUALPROP_OK) return host;
    return weights;
}

static void note_map_weights(struct side *side, const char *name, const dualprop_convolution *shape,
                             const void *weights, double tolerance)
{
    void *host = empty(side, weights_of_map(shape));
    if (side->table->read_convolution_weights(side->self, shape, host, weights) != DUALPROP_OK) return;
    note(side, name, host, weights_of_map(shape), tolerance);
}

/* Workspace, and a cache of these weights. */
static dualprop_status furnish_map(struct side *side, dualprop_convolution *shape, const void *weights)
{
    shape->workspace = guarded(side, (size_t)side->table->convolution_workspace(side->self, shape));
    shape->cache = guarded(side, (size_t)side->table->convolution_cache(side->self, shape));
    return side->table->convolution_prepare(side->self, shape, weights);
}

static uint8_t *draw_switches(struct side *side, const dualprop_convolution *shape)
{
    if (shape->pooling != DUALPROP_POOL_MAX) return NULL;
    uint8_t *switches = guarded(side, (size_t)elements_above(shape));
    const double places = (double)(shape->window_height * shape->window_width);
    const void *drawn = uniform(side, elements_above(shape), 0, 1);
    for (int64_t i = 0; i < elements_above(shape); i++) switches[i] = (uint8_t)(places * get_real(side, drawn, i));
    return switches;
}

static void note_switches(struct side *side, const dualprop_convolution *shape, const uint8_t *switches)
{
    if (!switches) return;
    double *values = new_result(side, "switches", elements_above(shape), 0);
    for (int64_t i = 0; i < elements_above(shape); i++) values[i] = switches[i];
}

/* Variants as those of run_bottom_up. */
static dualprop_status run_map_up(struct side *side, int size, int variant)
{
    dualprop_convolution shape = map_of(size);
    int64_t count = elements_above(&shape);
    double results[2];
    double tolerance = IMAGE_FACTOR * DUALPROP_TESTING_SUM_TOLERANCE(side->type, taps_of(&shape) * shape.channels);
    void *x = uniform(side, elements_below(&shape), -1, 1), *weights = weights_for_map(side, &shape, -1, 1);
    void *bias = uniform(side, places_of(&shape) * shape.outputs, -1, 1);
    uint8_t *switches = shape.pooling == DUALPROP_POOL_MAX ? guarded(side, (size_t)count) : NULL;
    int activation = followers[variant % 3];
    dualprop_dyad dyad = dyad_of(side, activation, count, 1, results);
    void *a = (void *)(uintptr_t)dyad.a;
    memset(a, 0xff, (size_t)count * real_size(side));
    dualprop_status status = furnish_map(side, &shape, weights);
    if (status == DUALPROP_OK)
        status = side->table->convolution_bottom_up(side->self, &shape, a, switches, x, weights,
                                                    variant < 3 ? bias : NULL, activation >= 0 ? &dyad : NULL);
    note(side, "a", a, count, tolerance);
    note_switches(side, &shape, switches);
    if (activation >= 0) note_dyad(side, &dyad, results, 2 * tolerance, 2 * tolerance);
    return status;
}

static dualprop_status run_map_down(struct side *side, int size, int variant)
{
    dualprop_convolution shape = map_of(size);
    int64_t count = elements_below(&shape);
    double results[2];
    double tolerance = IMAGE_FACTOR * DUALPROP_TESTING_SUM_TOLERANCE(side->type, taps_of(&shape) * shape.outputs);
    void *delta = uniform(side, elements_above(&shape), -1, 1), *weights = weights_for_map(side, &shape, -1, 1);
    uint8_t *switches = draw_switches(side, &shape);
    dualprop_dyad dyad = dyad_of(side, followers[variant], count, 1, results);
    void *top_down = (void *)(uintptr_t)dyad.top_down;
    memset(top_down, 0xff, (size_t)count * real_size(side));
    dualprop_status status = furnish_map(side, &shape, weights);
    if (status == DUALPROP_OK)
        status = side->table->convolution_top_down(side->self, &shape, top_down, delta, switches, weights,
                                                   followers[variant] >= 0 ? &dyad : NULL);
    note(side, "top_down", top_down, count, tolerance);
    if (followers[variant] >= 0) note_dyad(side, &dyad, results, 2 * tolerance, 2 * tolerance);
    return status;
}

/* Variants as those of run_gradient. */
static dualprop_status run_map_gradient(struct side *side, int size, int variant)
{
    dualprop_convolution shape = map_of(size);
    int64_t biases = places_of(&shape) * shape.outputs;
    int kind = variant < 2 ? -1 : kinds[variant - 2], own = variant < 2 ? 0 : moments_of_kind[variant - 2];
    dualprop_step_numbers step = step_of(kind);
    void *x = uniform(side, elements_below(&shape), -1, 1), *delta = uniform(side, elements_above(&shape), -1, 1);
    uint8_t *switches = draw_switches(side, &shape);
    void *gradient = weights_for_map(side, &shape, -1, 1), *bias_gradient = uniform(side, biases, -1, 1);
    void *weights = weights_for_map(side, &shape, -1, 1), *bias = uniform(side, biases, -1, 1);
    void *moments[4] = { weights_for_map(side, &shape, -1, 1), weights_for_map(side, &shape, 0.1, 1),
                         uniform(side, biases, -1, 1), uniform(side, biases, 0.1, 1) };
    for (int i = 0; i < 4; i++)
        if (i % 2 >= own) moments[i] = NULL;
    int64_t terms = shape.batch * shape.map_height * shape.map_width;
    double tolerance = IMAGE_FACTOR * DUALPROP_TESTING_SUM_TOLERANCE(side->type, terms);
    dualprop_status status = furnish_map(side, &shape, weights);
    if (status == DUALPROP_OK)
        status = side->table->convolution_gradient(side->self, &shape, gradient, bias_gradient, x, delta, switches,
                                                   -0.5 / (double)terms, variant == 1, kind < 0 ? NULL : &step,
                                                   kind < 0 ? NULL : weights, kind < 0 ? NULL : bias, moments);
    note_map_weights(side, kind < 0 ? "gradient" : "weights", &shape, kind < 0 ? gradient : weights, tolerance);
    note(side, kind < 0 ? "bias gradient" : "bias", kind < 0 ? bias_gradient : bias, biases, tolerance);
    return status;
}

#endif
