/*
 * blis_bottom_up.c - a = x W + bias, and the dyad update of a while it is in the cache.
 *
 * Phase 1 packs x by samples, unless it is read in place. A unit of phase 2 is a block of samples times a block of
 * outputs: for each DEPTH inputs, each panel of weights, which stays in the nearest cache, meets each panel of samples
 * in the block; then bias and dyad. The next panel of weights is fetched meanwhile.
 */
#include "blis_small.h"

/*
 * A unit's size, at most, and how many units there should be at least, so that threads find work. Blocks of samples
 * are large, since each block reads the weights again.
 */
#define UP_SAMPLE_PANELS 24
#define OUTPUT_PANELS 4
#define UP_UNITS 16

struct dense_bottom_up {
    const dualprop__blis *blis;
    const dualprop_dense *shape;
    dualprop__packing packing;
    dualprop__partition samples, outputs, depth; /* in panels, panels, inputs */
    int is_direct;                               /* x is read where it lies */
    void *a;
    const void *weights, *bias;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

int64_t dualprop__bottom_up_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs)
{
    dualprop_dense shape = { batch, inputs, outputs, NULL, 0 };
    return dualprop__is_small(blis, &shape) ? 0 : dualprop__packed_bytes(blis, batch, inputs);
}

static void partition_bottom_up(struct dense_bottom_up *job)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    int64_t samples = dualprop__ceil_div(job->shape->batch, kernel->broadcast);
    int64_t outputs = dualprop__ceil_div(job->shape->outputs, kernel->vector);
    /* Beginning above what there is would count down to it first, by divisions: the same cuts, later. */
    int64_t most_samples = dualprop__least(UP_SAMPLE_PANELS, samples);
    int64_t most_outputs = dualprop__least(OUTPUT_PANELS, outputs);
    job->depth = dualprop__partition_evenly(job->shape->inputs, DUALPROP__DEPTH);
    for (;;) {
        job->samples = dualprop__partition_evenly(samples, most_samples);
        job->outputs = dualprop__partition_evenly(outputs, most_outputs);
        if (job->samples.parts * job->outputs.parts >= UP_UNITS) return;
        if (most_outputs > 1) most_outputs--;
        else if (most_samples > 1) most_samples--;
        else return;
    }
}

static void bottom_up_pack_unit(void *argument, int64_t unit, int64_t member)
{
    const struct dense_bottom_up *job = argument;
    (void)member;
    dualprop__packing_run(&job->packing, unit);
}

/* One panel of samples times one panel of weights, for one part of the inputs. */
static void multiply_bottom_up(const struct dense_bottom_up *job, int64_t sample_panel, int64_t output_panel,
                               int64_t part, int is_cold)
{
    const dualprop__blis *blis = job->blis;
    const dualprop_dense *shape = job->shape;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    int64_t row = sample_panel * broadcast, column = output_panel * vector;
    int64_t input = dualprop__part_first(&job->depth, part);
    const void *x = job->is_direct ? dualprop__at(blis, job->packing.from, row * shape->inputs + input)
                                   : dualprop__at(blis, job->packing.to, row * shape->inputs + input * broadcast);
    dualprop__product product = {
        .vector_count = dualprop__least(vector, shape->outputs - column),
        .broadcast_count = dualprop__least(broadcast, shape->batch - row),
        .depth = dualprop__part_size(&job->depth, part),
        .vectors = dualprop__at(blis, job->weights, column * shape->inputs + input * vector),
        .vector_step = vector,
        .broadcasts = x,
        .broadcast_step = 1,
        .broadcast_row = shape->inputs,
        .is_cold = is_cold,
        .accumulate = part > 0,
        .c = dualprop__at(blis, job->a, row * shape->outputs + column),
        .stride = shape->outputs,
    };
    if (job->is_direct) blis->kernel.run_direct(&blis->kernel, &product);
    else blis->kernel.run(&blis->kernel, &product);
}

/* Fetch one of `shares` shares of a panel of weights. */
static void fetch_bottom_up(const struct dense_bottom_up *job, int64_t output_panel, int64_t part, int64_t share,
                            int64_t shares)
{
    const dualprop__blis *blis = job->blis;
    int64_t input = dualprop__part_first(&job->depth, part), vector = blis->kernel.vector;
    int64_t bytes = dualprop__part_size(&job->depth, part) * vector * (int64_t)blis->loops->real_size;
    const char *panel = dualprop__at(blis, job->weights, (output_panel * job->shape->inputs + input) * vector);
    dualprop__fetch(panel, bytes * share / shares, bytes * (share + 1) / shares);
}

/* Fetch what the dyad update will read and write where one panel of samples meets one of outputs. */
static void fetch_dyads_bottom_up(const struct dense_bottom_up *job, int64_t sample_panel, int64_t output_panel)
{
    int64_t vector = job->blis->kernel.vector, broadcast = job->blis->kernel.broadcast;
    int64_t row = sample_panel * broadcast, column = output_panel * vector;
    dualprop__tile tile = {
        .first = row * job->shape->outputs + column,
        .rows = dualprop__least(broadcast, job->shape->batch - row),
        .width = dualprop__least(vector, job->shape->outputs - column),
        .stride = job->shape->outputs,
    };
    dualprop__fetch_dyads(job->blis, job->dyad, &tile);
}

/* One panel of weights, for one part of the inputs, times a block of samples. */
static void multiply_block_bottom_up(const struct dense_bottom_up *job, int64_t samples, int64_t output_panel,
                                     int64_t part)
{
    int64_t first = dualprop__part_first(&job->samples, samples), count = dualprop__part_size(&job->samples, samples);
    int64_t outputs = dualprop__ceil_div(job->shape->outputs, job->blis->kernel.vector);
    for (int64_t i = 0; i < count; i++) {
        if (output_panel + 1 < outputs) fetch_bottom_up(job, output_panel + 1, part, i, count);
        if (job->dyad && part == 0) fetch_dyads_bottom_up(job, first + i, output_panel);
        multiply_bottom_up(job, first + i, output_panel, part, i == 0);
    }
}

static dualprop__tile bottom_up_tile_of(const struct dense_bottom_up *job, int64_t samples, int64_t outputs)
{
    const dualprop_dense *shape = job->shape;
    int64_t vector = job->blis->kernel.vector, broadcast = job->blis->kernel.broadcast;
    int64_t row = dualprop__part_first(&job->samples, samples) * broadcast;
    int64_t column = dualprop__part_first(&job->outputs, outputs) * vector;
    return (dualprop__tile){
        .first = row * shape->outputs + column,
        .rows = dualprop__least(dualprop__part_size(&job->samples, samples) * broadcast, shape->batch - row),
        .width = dualprop__least(dualprop__part_size(&job->outputs, outputs) * vector, shape->outputs - column),
        .stride = shape->outputs,
    };
}

static void finish_bottom_up(struct dense_bottom_up *job, int64_t samples, int64_t outputs)
{
    const dualprop__blis *blis = job->blis;
    dualprop__tile tile = bottom_up_tile_of(job, samples, outputs);
    dualprop__maxima maxima = { 0, 0 };
    int64_t column = dualprop__part_first(&job->outputs, outputs) * blis->kernel.vector;
    if (job->bias) blis->loops->add_bias(job->a, dualprop__at(blis, job->bias, column), &tile);
    if (!job->dyad) return;
    blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

/* One sample that is not packed, times one panel of weights. */
static void multiply_one_bottom_up(const struct dense_bottom_up *job, int64_t output_panel)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, column = output_panel * vector;
    dualprop__product product = {
        .vector_count = dualprop__least(vector, job->shape->outputs - column),
        .broadcast_count = 1,
        .vectors = dualprop__at(blis, job->weights, column * job->shape->inputs),
        .vector_step = vector,
        .broadcasts = job->packing.from,
        .broadcast_step = 1,
        .c = dualprop__at(blis, job->a, column),
    };
    dualprop__multiply_parts(blis, &product, &job->depth);
}

static void bottom_up_product_unit(void *argument, int64_t unit, int64_t member)
{
    struct dense_bottom_up *job = argument;
    int64_t outputs = unit / job->samples.parts, samples = unit % job->samples.parts;
    int64_t first = dualprop__part_first(&job->outputs, outputs);
    int64_t end = first + dualprop__part_size(&job->outputs, outputs);
    int is_one = job->is_direct && job->shape->batch == 1;
    (void)member;
    for (int64_t panel = first; is_one && panel < end; panel++) multiply_one_bottom_up(job, panel);
    for (int64_t part = 0; !is_one && part < job->depth.parts; part++)
        for (int64_t panel = first; panel < end; panel++) multiply_block_bottom_up(job, samples, panel, part);
    finish_bottom_up(job, samples, outputs);
}

dualprop_status dualprop__blis_dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                               const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    if (dualprop__is_small(self, shape)) {
        dualprop__small_bottom_up(self, shape, a, x, weights, bias, dyad);
        return DUALPROP_OK;
    }
    struct dense_bottom_up job = {
        .blis = self, .shape = shape, .a = a, .weights = weights, .bias = bias, .dyad = dyad
    };
    job.packing = dualprop__packing_of(self, shape->workspace, x, shape->batch, shape->inputs);
    partition_bottom_up(&job);
    job.is_direct = dualprop__reads_in_place(job.blis, shape->batch, shape->inputs);
    dualprop__team_phase phases[2] = {
        { .unit = bottom_up_pack_unit, .units = dualprop__packing_units(&job.packing) },
        { .unit = bottom_up_product_unit, .units = job.samples.parts * job.outputs.parts },
    };
    dualprop__max_tracker_begin(&job.maxima);
    dualprop__team_run(job.blis->reference.host, &job, phases + job.is_direct, 2 - job.is_direct, DUALPROP__MEMBERS);
    if (dyad) dualprop__max_tracker_write(&job.maxima, dyad->max_abs, dyad->change);
    return DUALPROP_OK;
}
