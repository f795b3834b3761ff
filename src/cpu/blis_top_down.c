/*
 * blis_top_down.c - Delta = delta W^T, and the dyad update of the layer below while Delta is in the cache.
 *
 * Phase 1 packs delta by samples. A unit of phase 2 is one panel of inputs for a block of samples: for each DEPTH
 * outputs it transposes its block of W into the member's slice of the workspace, and multiplies.
 */
#include "blis_dense.h"

/* Blocks of samples are large, since each block transposes the weights anew. */
#define SAMPLE_PANELS 48
#define UNITS 16

struct top_down {
    const dualprop__blis *blis;
    const dualprop_dense *shape;
    dualprop__packing packing;
    dualprop__cut samples; /* in panels */
    dualprop__cut depth;   /* in panels of outputs */
    int64_t input_panels;
    void *top_down;
    const void *weights;
    char *slices;
    int64_t slice_bytes;
    const dualprop_dyad *dyad;
    dualprop__shared_peaks peaks;
};

static int64_t panels_deep(const dualprop__blis *blis)
{
    int64_t panels = DUALPROP__DEPTH / blis->kernel.vector;
    return panels > 0 ? panels : 1;
}

static int64_t slice_bytes(const dualprop__blis *blis)
{
    return dualprop__panel_bytes(blis, panels_deep(blis) * blis->kernel.vector * blis->kernel.vector);
}

static void cut(struct top_down *job)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    int64_t samples = dualprop__ceil_div(job->shape->batch, kernel->broadcast), most = SAMPLE_PANELS;
    job->input_panels = dualprop__ceil_div(job->shape->inputs, kernel->vector);
    job->depth = dualprop__cut_evenly(dualprop__ceil_div(job->shape->outputs, kernel->vector),
                                      panels_deep(job->blis));
    job->samples = dualprop__cut_evenly(samples, most);
    while (most > 1 && job->samples.parts * job->input_panels < UNITS)
        job->samples = dualprop__cut_evenly(samples, --most);
}

static struct top_down plan(const dualprop__blis *blis, const dualprop_dense *shape)
{
    struct top_down job = { .blis = blis, .shape = shape, .slice_bytes = slice_bytes(blis) };
    cut(&job);
    return job;
}

int64_t dualprop__top_down_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs)
{
    dualprop_dense shape = { batch, inputs, outputs, NULL };
    struct top_down job = plan(blis, &shape);
    int64_t members = dualprop__least(DUALPROP__MEMBERS, job.samples.parts * job.input_panels);
    return dualprop__packed_bytes(blis, batch, outputs) + members * job.slice_bytes;
}

static void pack_unit(void *argument, int64_t unit, int64_t member)
{
    const struct top_down *job = argument;
    (void)member;
    dualprop__packing_run(&job->packing, unit);
}

static int64_t first_output(const struct top_down *job, int64_t part)
{
    return dualprop__cut_first(&job->depth, part) * job->blis->kernel.vector;
}

static int64_t output_count(const struct top_down *job, int64_t part)
{
    int64_t panels = dualprop__cut_size(&job->depth, part);
    return dualprop__least(panels * job->blis->kernel.vector, job->shape->outputs - first_output(job, part));
}

/* slice [outputs of the part][V]: the weights from one panel of inputs. */
static void transpose(const struct top_down *job, char *slice, int64_t input_panel, int64_t part)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, inputs = job->shape->inputs;
    int64_t input = input_panel * vector, first = first_output(job, part), count = output_count(job, part);
    for (int64_t o = 0; o < count; o += vector)
        blis->loops->pack_columns(dualprop__at(blis, slice, o * vector),
                                  dualprop__at(blis, job->weights, (first + o) * inputs + input * vector), vector,
                                  dualprop__least(vector, count - o), dualprop__least(vector, inputs - input),
                                  vector);
}

static void multiply(const struct top_down *job, const char *slice, int64_t sample_panel, int64_t input_panel,
                     int64_t part)
{
    const dualprop__blis *blis = job->blis;
    const dualprop_dense *shape = job->shape;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast;
    int64_t row = sample_panel * broadcast, column = input_panel * vector;
    dualprop__product product = {
        .vector_count = dualprop__least(vector, shape->inputs - column),
        .broadcast_count = dualprop__least(broadcast, shape->batch - row),
        .depth = output_count(job, part),
        .vectors = slice,
        .broadcasts =
            dualprop__at(blis, job->packing.to, row * shape->outputs + first_output(job, part) * broadcast),
        .accumulate = part > 0,
        .c = dualprop__at(blis, job->top_down, row * shape->inputs + column),
        .stride = shape->inputs,
    };
    blis->kernel.run(&blis->kernel, &product);
}

static void update_dyads(struct top_down *job, int64_t input_panel, int64_t first, int64_t count)
{
    const dualprop_dense *shape = job->shape;
    int64_t row = first * job->blis->kernel.broadcast, column = input_panel * job->blis->kernel.vector;
    dualprop__tile tile = {
        .first = row * shape->inputs + column,
        .rows = dualprop__least(count * job->blis->kernel.broadcast, shape->batch - row),
        .width = dualprop__least(job->blis->kernel.vector, shape->inputs - column),
        .stride = shape->inputs,
    };
    dualprop__peaks peaks = { 0, 0 };
    job->blis->loops->dyad(job->dyad, &tile, &peaks);
    dualprop__shared_peaks_raise(&job->peaks, &peaks);
}

static void product_unit(void *argument, int64_t unit, int64_t member)
{
    struct top_down *job = argument;
    int64_t input_panel = unit / job->samples.parts, samples = unit % job->samples.parts;
    int64_t first = dualprop__cut_first(&job->samples, samples);
    int64_t count = dualprop__cut_size(&job->samples, samples);
    char *slice = job->slices + member * job->slice_bytes;
    for (int64_t part = 0; part < job->depth.parts; part++) {
        transpose(job, slice, input_panel, part);
        for (int64_t sample = first; sample < first + count; sample++)
            multiply(job, slice, sample, input_panel, part);
    }
    if (job->dyad) update_dyads(job, input_panel, first, count);
}

dualprop_status dualprop__blis_dense_top_down(void *self, const dualprop_dense *shape, void *top_down,
                                              const void *delta, const void *weights, const dualprop_dyad *dyad)
{
    struct top_down job = plan(self, shape);
    job.top_down = top_down;
    job.weights = weights;
    job.dyad = dyad;
    job.packing = dualprop__packing_of(self, shape->workspace, delta, shape->batch, shape->outputs);
    job.slices = (char *)shape->workspace + dualprop__packed_bytes(job.blis, shape->batch, shape->outputs);
    dualprop__phase phases[2] = {
        { .unit = pack_unit, .units = dualprop__packing_units(&job.packing) },
        { .unit = product_unit, .units = job.samples.parts * job.input_panels },
    };
    dualprop__shared_peaks_begin(&job.peaks);
    dualprop__team_run(job.blis->reference.host, &job, phases, 2,
                       dualprop__least(DUALPROP__MEMBERS, phases[1].units));
    if (dyad) dualprop__shared_peaks_give(&job.peaks, dyad->peak, dyad->change);
    return DUALPROP_OK;
}
