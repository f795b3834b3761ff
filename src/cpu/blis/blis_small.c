/*
 * blis_small.c - the three directions of a dense layer where the whole product is a few microseconds of work.
 *
 * Packing samples, sharing out units and waking threads would take longer than the product itself. Here one thread
 * reads x and delta where they lie, through the micro-kernel's form for that (run_direct). Sums are cut and added up as
 * in blis_bottom_up.c, blis_top_down.c and blis_gradient.c, so that the bits are theirs, whatever the batch.
 */
#include <stdalign.h>

#include "blis_small.h"

/*
 * Multiply-adds and weights up to which a product is small. Above, two threads were faster: with many weights each of
 * them keeps its share, and that of the moments, in its own cache.
 */
#define SMALL_PRODUCT ((int64_t)1 << 18)
#define SMALL_WEIGHTS ((int64_t)1 << 15)

int dualprop__is_small(const dualprop__blis *blis, const dualprop_dense *shape)
{
    /* None of the products can overflow, and there is no division. */
    return blis->kernel.run_direct && shape->inputs <= SMALL_WEIGHTS && shape->outputs <= SMALL_WEIGHTS &&
           shape->batch <= SMALL_PRODUCT && shape->inputs * shape->outputs <= SMALL_WEIGHTS &&
           shape->inputs * shape->outputs * shape->batch <= SMALL_PRODUCT;
}

/* The dyad update of whole rows, which lie one after another. */
static void update_small_dyads(const dualprop__blis *blis, const dualprop_dyad *dyad, int64_t rows, int64_t width)
{
    dualprop__tile tile = { 0, rows, width, width };
    dualprop__maxima maxima = { 0, 0 };
    blis->loops->dyad(dyad, &tile, &maxima);
    if (dyad->max_abs) *dyad->max_abs = maxima.max_abs;
    if (dyad->change) *dyad->change = maxima.change;
}

/* C [rows, width of a panel] for all rows: `product` says the rest, for the first row. */
static void multiply_rows_directly(const dualprop__blis *blis, dualprop__product product, int64_t rows)
{
    int64_t most = blis->kernel.broadcast;
    const void *broadcasts = product.broadcasts;
    void *c = product.c;
    for (int64_t row = 0; row < rows; row += most) {
        product.broadcast_count = dualprop__least(most, rows - row);
        product.broadcasts = dualprop__at(blis, broadcasts, row * product.broadcast_row);
        product.c = dualprop__at(blis, c, row * product.stride);
        blis->kernel.run_direct(&blis->kernel, &product);
    }
}

/* The sample's products with all parts of one panel, of equal parts side by side. */
void dualprop__multiply_parts(const dualprop__blis *blis, const dualprop__product *first,
                              const dualprop__partition *depth)
{
    dualprop__product product = *first;
    int64_t whole = depth->whole / depth->part; /* parts that are as large as the others */
    for (int64_t part = 0; part < depth->parts;) {
        int64_t count = dualprop__least(DUALPROP__MOST_STREAMS, whole - part), input = part * depth->part;
        dualprop__row_streams streams = { (int)count, depth->part * first->vector_step, depth->part, 0 };
        product.depth = dualprop__part_size(depth, part);
        product.vectors = dualprop__at(blis, first->vectors, input * first->vector_step);
        product.broadcasts = dualprop__at(blis, first->broadcasts, input);
        product.accumulate = part > 0;
        if (count > 1) blis->kernel.run_row(&product, &streams);
        else blis->kernel.run_direct(&blis->kernel, &product);
        part += dualprop__most(count, 1);
    }
}

/* One sample's products with whole panels, a few side by side; gives the first output that is left. */
static int64_t multiply_panels_side_by_side(const dualprop__blis *blis, const dualprop_dense *shape, void *a,
                                            const void *x, const void *weights)
{
    int64_t vector = blis->kernel.vector, inputs = shape->inputs, panels = shape->outputs / vector, panel = 0;
    while (panels - panel > 1) {
        int64_t count = dualprop__least(DUALPROP__MOST_STREAMS, panels - panel);
        dualprop__product product = {
            .vector_count = vector,
            .broadcast_count = 1,
            .depth = inputs,
            .vectors = dualprop__at(blis, weights, panel * inputs * vector),
            .vector_step = vector,
            .broadcasts = x,
            .broadcast_step = 1,
            .c = dualprop__at(blis, a, panel * vector),
        };
        blis->kernel.run_row(&product, &(dualprop__row_streams){ (int)count, inputs * vector, 0, vector });
        panel += count;
    }
    return panel * vector;
}

/* a = x W of one sample. */
static void multiply_one_sample(const dualprop__blis *blis, const dualprop_dense *shape, void *a, const void *x,
                                const void *weights, const dualprop__partition *depth)
{
    int64_t vector = blis->kernel.vector, inputs = shape->inputs, column = 0;
    if (depth->parts == 1) column = multiply_panels_side_by_side(blis, shape, a, x, weights);
    for (; column < shape->outputs; column += vector) {
        dualprop__product product = {
            .vector_count = dualprop__least(vector, shape->outputs - column),
            .broadcast_count = 1,
            .vectors = dualprop__at(blis, weights, column * inputs),
            .vector_step = vector,
            .broadcasts = x,
            .broadcast_step = 1,
            .c = dualprop__at(blis, a, column),
        };
        dualprop__multiply_parts(blis, &product, depth);
    }
}

static void multiply_samples(const dualprop__blis *blis, const dualprop_dense *shape, void *a, const void *x,
                             const void *weights, const dualprop__partition *depth)
{
    int64_t vector = blis->kernel.vector, inputs = shape->inputs, outputs = shape->outputs;
    for (int64_t column = 0; column < outputs; column += vector)
        for (int64_t part = 0; part < depth->parts; part++) {
            int64_t input = dualprop__part_first(depth, part);
            multiply_rows_directly(blis,
                                   (dualprop__product){
                                       .vector_count = dualprop__least(vector, outputs - column),
                                       .depth = dualprop__part_size(depth, part),
                                       .vectors = dualprop__at(blis, weights, column * inputs + input * vector),
                                       .vector_step = vector,
                                       .broadcasts = dualprop__at(blis, x, input),
                                       .broadcast_step = 1,
                                       .broadcast_row = inputs,
                                       .accumulate = part > 0,
                                       .c = dualprop__at(blis, a, column),
                                       .stride = outputs,
                                   },
                                   shape->batch);
        }
}

void dualprop__small_bottom_up(const dualprop__blis *blis, const dualprop_dense *shape, void *a, const void *x,
                               const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    dualprop__partition depth = dualprop__partition_evenly(shape->inputs, DUALPROP__DEPTH);
    dualprop__tile tile = { 0, shape->batch, shape->outputs, shape->outputs };
    if (shape->batch == 1) multiply_one_sample(blis, shape, a, x, weights, &depth);
    else multiply_samples(blis, shape, a, x, weights, &depth);
    if (bias) blis->loops->add_bias(a, bias, &tile);
    if (dyad) update_small_dyads(blis, dyad, shape->batch, shape->outputs);
}

/* slice: memory for the weights of one panel of inputs, transposed. */
void dualprop__small_top_down(const dualprop__blis *blis, const dualprop_dense *shape, void *top_down,
                              const void *delta, const void *weights, char *slice, const dualprop__partition *depth,
                              const dualprop_dyad *dyad)
{
    int64_t vector = blis->kernel.vector, inputs = shape->inputs, outputs = shape->outputs;
    for (int64_t column = 0; column < inputs; column += vector)
        for (int64_t part = 0; part < depth->parts; part++) {
            int64_t first = dualprop__part_first(depth, part) * vector;
            int64_t width = dualprop__least(vector, inputs - column);
            int64_t count = dualprop__least(dualprop__part_size(depth, part) * vector, outputs - first);
            for (int64_t o = 0; o < count; o += vector)
                blis->loops->pack_columns(dualprop__at(blis, slice, o * vector),
                                          dualprop__at(blis, weights, (first + o) * inputs + column * vector), vector,
                                          dualprop__least(vector, count - o), width, vector);
            multiply_rows_directly(blis,
                                   (dualprop__product){
                                       .vector_count = width,
                                       .depth = count,
                                       .vectors = slice,
                                       .vector_step = vector,
                                       .broadcasts = dualprop__at(blis, delta, first),
                                       .broadcast_step = 1,
                                       .broadcast_row = outputs,
                                       .accumulate = part > 0,
                                       .c = dualprop__at(blis, top_down, column),
                                       .stride = inputs,
                                   },
                                   shape->batch);
        }
    if (dyad) update_small_dyads(blis, dyad, shape->batch, inputs);
}

static void learn_small_panel(const dualprop__blis *blis, const dualprop_dense *shape, const dualprop__sink *sink,
                              const void *x, const void *delta, int64_t column)
{
    alignas(DUALPROP__LINE) char tile[DUALPROP__LARGEST_TILE];
    int64_t vector = blis->kernel.vector, most = blis->kernel.broadcast;
    int64_t inputs = shape->inputs, outputs = shape->outputs;
    dualprop__partition depth = dualprop__partition_evenly(shape->batch, DUALPROP__DEPTH);
    for (int64_t input = 0; input < inputs; input += most) {
        int64_t rows = dualprop__least(most, inputs - input);
        for (int64_t part = 0; part < depth.parts; part++) {
            int64_t sample = dualprop__part_first(&depth, part);
            dualprop__product product = {
                .vector_count = dualprop__least(vector, outputs - column),
                .broadcast_count = rows,
                .depth = dualprop__part_size(&depth, part),
                .vectors = dualprop__at(blis, delta, sample * outputs + column),
                .vector_step = outputs,
                .broadcasts = dualprop__at(blis, x, sample * inputs + input),
                .broadcast_step = inputs,
                .broadcast_row = 1,
                .accumulate = part > 0,
                .c = tile,
                .stride = vector,
                .is_tile = part == 0, /* what the last panel has beyond the outputs has gradient 0 */
            };
            blis->kernel.run_direct(&blis->kernel, &product);
        }
        dualprop__learn_weights(blis, sink, column * inputs + input * vector, rows * vector, tile);
    }
}

/* The step of plain SGD from one sample, whose gradient is never written down. Other steps wait for their moments. */
static void learn_small_panel_from_one(const dualprop__blis *blis, const dualprop_dense *shape,
                                       const dualprop__sink *sink, const void *x, const void *delta, int64_t column)
{
    int64_t vector = blis->kernel.vector, first = column * shape->inputs;
    dualprop_step_numbers step = *sink->step;
    dualprop__outer outer = {
        .rows = shape->inputs,
        .width = dualprop__least(vector, shape->outputs - column),
        .stride = vector,
        .x = x,
        .delta = dualprop__at(blis, delta, column),
        .w = dualprop__at(blis, sink->weights, first),
    };
    step.gradient_scale = sink->scale;
    blis->loops->outer_step(&step, &outer);
}

void dualprop__small_gradient(const dualprop__blis *blis, const dualprop_dense *shape, const dualprop__sink *sink,
                              const void *x, const void *delta)
{
    int64_t vector = blis->kernel.vector, outputs = shape->outputs;
    const dualprop_step_numbers *step = sink->step;
    int is_outer = shape->batch == 1 && step && step->kind == DUALPROP_PLAIN_SGD && step->gradient_scale == 1;
    for (int64_t column = 0; column < outputs; column += vector) {
        if (dualprop__has_bias(sink))
            dualprop__learn_bias(blis, shape->batch, outputs, sink, dualprop__at(blis, delta, column), outputs,
                                 column / vector);
        if (is_outer) learn_small_panel_from_one(blis, shape, sink, x, delta, column);
        else learn_small_panel(blis, shape, sink, x, delta, column);
    }
}
