/*
 * blis_top_down.c - Delta = delta W^T, and the dyad update of the layer below while Delta is in the cache.
 *
 * Phase 1 packs delta by samples, unless it is read in place. A unit of phase 2 is a few panels of inputs for a block
 * of samples: for each panel and each DEPTH outputs it transposes the block of W into the member's slice of the
 * workspace, and multiplies, while the next block is fetched. A few panels, so that the dyad update has rows of some
 * length.
 */
#include "blis_small.h"

/* Blocks of samples are large, since each block transposes the weights again. */
#define DOWN_SAMPLE_PANELS 48
#define INPUT_PANELS 4
#define DOWN_UNITS 16

struct dense_top_down {
    const dualprop__blis *blis;
    const dualprop_dense *shape;
    dualprop__packing packing;
    dualprop__partition samples, inputs, depth; /* in panels, panels, panels of outputs */
    int is_direct;                              /* delta is read where it lies */
    void *top_down;
    const void *weights;
    char *slices;
    int64_t slice_bytes;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

static int64_t panels_deep(const dualprop__blis *blis)
{
    int64_t panels = DUALPROP__DEPTH / blis->kernel.vector;
    return panels > 0 ? panels : 1;
}

/* One panel of inputs for as many outputs as are summed at a time, of which there may be few. */
static int64_t slice_bytes(const dualprop__blis *blis, int64_t outputs)
{
    int64_t panels = dualprop__least(panels_deep(blis), dualprop__ceil_div(outputs, blis->kernel.vector));
    return dualprop__panel_bytes(blis, panels * blis->kernel.vector * blis->kernel.vector);
}

/* The sum over the outputs, in panels. */
static dualprop__partition partition_outputs(const dualprop__blis *blis, const dualprop_dense *shape)
{
    return dualprop__partition_evenly(dualprop__ceil_div(shape->outputs, blis->kernel.vector), panels_deep(blis));
}

static void partition_top_down(struct dense_top_down *job)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    int64_t samples = dualprop__ceil_div(job->shape->batch, kernel->broadcast);
    int64_t inputs = dualprop__ceil_div(job->shape->inputs, kernel->vector);
    /* Beginning above what there is would count down to it first, by divisions: the same cuts, later. */
    int64_t most_samples = dualprop__least(DOWN_SAMPLE_PANELS, samples);
    int64_t most_inputs = dualprop__least(INPUT_PANELS, inputs);
    job->depth = partition_outputs(job->blis, job->shape);
    for (;;) {
        job->samples = dualprop__partition_evenly(samples, most_samples);
        job->inputs = dualprop__partition_evenly(inputs, most_inputs);
        if (job->samples.parts * job->inputs.parts >= DOWN_UNITS) return;
        if (most_inputs > 1) most_inputs--;
        else if (most_samples > 1) most_samples--;
        else return;
    }
}

static struct dense_top_down plan_top_down(const dualprop__blis *blis, const dualprop_dense *shape)
{
    struct dense_top_down job = { .blis = blis, .shape = shape, .slice_bytes = slice_bytes(blis, shape->outputs) };
    partition_top_down(&job);
    return job;
}

/* Members that there can be, for any batch: smaller ones may have more units than the largest. */
static int64_t most_members_top_down(const struct dense_top_down *job)
{
    const dualprop_host *host = job->blis->reference.host;
    int64_t members = dualprop__least(DUALPROP__MEMBERS, dualprop__most(DOWN_UNITS, job->inputs.whole));
    return dualprop__least(members, host->threads(host->user_data));
}

/* Members that have a slice in this workspace, which may have been measured when the host had fewer threads. */
static int64_t members_with_slices(const struct dense_top_down *job)
{
    int64_t slices =
        job->shape->workspace_bytes - dualprop__packed_bytes(job->blis, job->shape->batch, job->shape->outputs);
    return dualprop__least(most_members_top_down(job), dualprop__most(1, slices / job->slice_bytes));
}

int64_t dualprop__top_down_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs)
{
    dualprop_dense shape = { batch, inputs, outputs, NULL, 0 };
    if (dualprop__is_small(blis, &shape)) return slice_bytes(blis, outputs);
    struct dense_top_down job = plan_top_down(blis, &shape);
    return dualprop__packed_bytes(blis, batch, outputs) + most_members_top_down(&job) * job.slice_bytes;
}

static void top_down_pack_unit(void *argument, int64_t unit, int64_t member)
{
    const struct dense_top_down *job = argument;
    (void)member;
    dualprop__packing_run(&job->packing, unit);
}

static int64_t first_output(const struct dense_top_down *job, int64_t part)
{
    return dualprop__part_first(&job->depth, part) * job->blis->kernel.vector;
}

static int64_t output_count(const struct dense_top_down *job, int64_t part)
{
    int64_t panels = dualprop__part_size(&job->depth, part);
    return dualprop__least(panels * job->blis->kernel.vector, job->shape->outputs - first_output(job, part));
}

/* slice [outputs of the part][V]: the weights from one panel of inputs. */
static void transpose_top_down(const struct dense_top_down *job, char *slice, int64_t input_panel, int64_t part)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, inputs = job->shape->inputs;
    int64_t input = input_panel * vector, first = first_output(job, part), count = output_count(job, part);
    for (int64_t o = 0; o < count; o += vector)
        blis->loops->pack_columns(dualprop__at(blis, slice, o * vector),
                                  dualprop__at(blis, job->weights, (first + o) * inputs + input * vector), vector,
                                  dualprop__least(vector, count - o), dualprop__least(vector, inputs - input), vector);
}

/* Where the weights begin that block `index` of a slice is made of. */
static const char *block_at(const struct dense_top_down *job, int64_t input_panel, int64_t part, int64_t index)
{
    int64_t vector = job->blis->kernel.vector, output = first_output(job, part) + index * vector;
    return dualprop__at(job->blis, job->weights, output * job->shape->inputs + input_panel * vector * vector);
}

/* Of the next panel's slice, a product fetches beside as many blocks, if a few products fetch all. */
static void fetch_next_slice(const struct dense_top_down *job, dualprop__product *product, int64_t input_panel,
                             int64_t part, int64_t share, int64_t shares)
{
    int64_t vector = job->blis->kernel.vector, panels = dualprop__part_size(&job->depth, part);
    int64_t each = dualprop__ceil_div(panels, shares);
    const char *places[3];
    int count = 0;
    for (int64_t i = share * each; i < (share + 1) * each && i < panels; i++)
        places[count++] = block_at(job, input_panel + 1, part, i);
    if (count == 0) return;
    dualprop__fetch_beside(product, places, count, vector * vector * (int64_t)job->blis->loops->real_size);
}

static void multiply_top_down(const struct dense_top_down *job, const char *slice, int64_t sample_panel,
                              int64_t input_panel, int64_t part, int64_t share, int64_t shares)
{
    const dualprop__blis *blis = job->blis;
    const dualprop_dense *shape = job->shape;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    int64_t row = sample_panel * broadcast, column = input_panel * vector;
    int64_t output = first_output(job, part);
    const void *delta = job->is_direct ? dualprop__at(blis, job->packing.from, row * shape->outputs + output)
                                       : dualprop__at(blis, job->packing.to, row * shape->outputs + output * broadcast);
    dualprop__product product = {
        .vector_count = dualprop__least(vector, shape->inputs - column),
        .broadcast_count = dualprop__least(broadcast, shape->batch - row),
        .depth = output_count(job, part),
        .vectors = slice,
        .vector_step = vector,
        .broadcasts = delta,
        .broadcast_step = 1,
        .broadcast_row = shape->outputs,
        .accumulate = part > 0,
        .c = dualprop__at(blis, job->top_down, row * shape->inputs + column),
        .stride = shape->inputs,
    };
    if (shares > 0) fetch_next_slice(job, &product, input_panel, part, share, shares);
    if (job->is_direct) blis->kernel.run_direct(&blis->kernel, &product);
    else blis->kernel.run(&blis->kernel, &product);
}

/* Fetch one of `shares` shares of the weights that the next panel's slice is made of. */
static void fetch_top_down(const struct dense_top_down *job, int64_t input_panel, int64_t part, int64_t share,
                           int64_t shares)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, panels = dualprop__part_size(&job->depth, part);
    int64_t bytes = vector * vector * (int64_t)blis->loops->real_size;
    for (int64_t o = panels * share / shares; o < panels * (share + 1) / shares; o++)
        dualprop__fetch(block_at(job, input_panel, part, o), 0, bytes);
}

/* Fetch what the dyad update will read and write where one panel of samples meets one of inputs. */
static void fetch_dyads_top_down(const struct dense_top_down *job, int64_t sample_panel, int64_t input_panel)
{
    int64_t vector = job->blis->kernel.vector, broadcast = job->blis->kernel.broadcast;
    int64_t row = sample_panel * broadcast, column = input_panel * vector;
    dualprop__tile tile = {
        .first = row * job->shape->inputs + column,
        .rows = dualprop__least(broadcast, job->shape->batch - row),
        .width = dualprop__least(vector, job->shape->inputs - column),
        .stride = job->shape->inputs,
    };
    dualprop__fetch_dyads(job->blis, job->dyad, &tile);
}

/*
 * How many products of a block of samples fetch the next slice beside, at most three blocks each; 0: it is fetched at
 * once. The last product of a block may be too small for it.
 */
static int64_t fetching_products(const struct dense_top_down *job, int64_t count, int64_t part)
{
    int64_t products = dualprop__least(job->shape->batch / job->blis->kernel.broadcast, count);
    int64_t panels = dualprop__part_size(&job->depth, part);
    int fetches = !job->is_direct && dualprop__fetches_beside(job->blis, job->shape->inputs, job->shape->outputs);
    return fetches && 3 * products >= panels ? products : 0;
}

/* One panel of inputs, for one part of the outputs, times a block of samples. */
static void multiply_block_top_down(const struct dense_top_down *job, char *slice, int64_t samples, int64_t input_panel,
                                    int64_t part)
{
    int64_t first = dualprop__part_first(&job->samples, samples), count = dualprop__part_size(&job->samples, samples);
    int has_next = input_panel + 1 < job->inputs.whole;
    int64_t shares = has_next ? fetching_products(job, count, part) : 0;
    transpose_top_down(job, slice, input_panel, part);
    for (int64_t i = 0; i < count; i++) {
        if (has_next && shares == 0) fetch_top_down(job, input_panel + 1, part, i, count);
        if (job->dyad && part + 1 == job->depth.parts) fetch_dyads_top_down(job, first + i, input_panel);
        multiply_top_down(job, slice, first + i, input_panel, part, i, shares);
    }
}

static dualprop__tile top_down_tile_of(const struct dense_top_down *job, int64_t samples, int64_t inputs)
{
    const dualprop_dense *shape = job->shape;
    int64_t vector = job->blis->kernel.vector, broadcast = job->blis->kernel.broadcast;
    int64_t row = dualprop__part_first(&job->samples, samples) * broadcast;
    int64_t column = dualprop__part_first(&job->inputs, inputs) * vector;
    return (dualprop__tile){
        .first = row * shape->inputs + column,
        .rows = dualprop__least(dualprop__part_size(&job->samples, samples) * broadcast, shape->batch - row),
        .width = dualprop__least(dualprop__part_size(&job->inputs, inputs) * vector, shape->inputs - column),
        .stride = shape->inputs,
    };
}

static void update_dyads_top_down(struct dense_top_down *job, int64_t samples, int64_t inputs)
{
    dualprop__tile tile = top_down_tile_of(job, samples, inputs);
    dualprop__maxima maxima = { 0, 0 };
    job->blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

static void top_down_product_unit(void *argument, int64_t unit, int64_t member)
{
    struct dense_top_down *job = argument;
    int64_t inputs = unit / job->samples.parts, samples = unit % job->samples.parts;
    int64_t first = dualprop__part_first(&job->inputs, inputs);
    char *slice = job->slices + member * job->slice_bytes;
    int64_t end = first + dualprop__part_size(&job->inputs, inputs);
    for (int64_t part = 0; part < job->depth.parts; part++)
        for (int64_t panel = first; panel < end; panel++) multiply_block_top_down(job, slice, samples, panel, part);
    if (job->dyad) update_dyads_top_down(job, samples, inputs);
}

dualprop_status dualprop__blis_dense_top_down(void *self, const dualprop_dense *shape, void *top_down,
                                              const void *delta, const void *weights, const dualprop_dyad *dyad)
{
    if (dualprop__is_small(self, shape)) {
        dualprop__partition depth = partition_outputs(self, shape);
        dualprop__small_top_down(self, shape, top_down, delta, weights, shape->workspace, &depth, dyad);
        return DUALPROP_OK;
    }
    struct dense_top_down job = plan_top_down(self, shape);
    job.top_down = top_down;
    job.weights = weights;
    job.dyad = dyad;
    job.packing = dualprop__packing_of(self, shape->workspace, delta, shape->batch, shape->outputs);
    job.slices = (char *)shape->workspace + dualprop__packed_bytes(job.blis, shape->batch, shape->outputs);
    dualprop__team_phase phases[2] = {
        { .unit = top_down_pack_unit, .units = dualprop__packing_units(&job.packing) },
        { .unit = top_down_product_unit, .units = job.samples.parts * job.inputs.parts },
    };
    dualprop__max_tracker_begin(&job.maxima);
    job.is_direct = dualprop__reads_in_place(job.blis, shape->batch, shape->outputs);
    dualprop__team_run(job.blis->reference.host, &job, phases + job.is_direct, 2 - job.is_direct,
                       members_with_slices(&job));
    if (dyad) dualprop__max_tracker_write(&job.maxima, dyad->max_abs, dyad->change);
    return DUALPROP_OK;
}
