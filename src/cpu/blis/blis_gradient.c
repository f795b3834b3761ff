/*
 * blis_gradient.c - scale x^T delta, and what becomes of it at once: memory, or the learning step.
 *
 * Phase 1 packs delta by outputs, [ceil(outputs / V)][batch][V], and x by inputs, [ceil(inputs / N)][batch][N]. A unit
 * of phase 2 is a run of pieces of one panel of the weights; a piece is N inputs times V outputs, N * V neighbours in
 * memory. Its sum over the batch goes into a buffer on the stack, and from there into the gradient, or straight into
 * weights and moments, which were fetched into the cache meanwhile.
 */
#include "blis_small.h"

#include <stdalign.h>

/* Pieces that a unit has, and panels of x that a unit packs, at most. */
#define PIECES 24
#define PACKED_PANELS 8

struct dense_gradient {
    const dualprop__blis *blis;
    const dualprop_dense *shape;
    const void *x, *delta;
    char *packed_x, *packed_delta;
    dualprop__partition pieces, depth, packing; /* in panels of inputs, samples, panels of inputs */
    int64_t output_panels;
    int fetches_beside; /* products fetch what the learning step of the next piece reads and writes */
    const dualprop__sink *sink;
};

static int64_t packed_delta_bytes(const dualprop__blis *blis, int64_t batch, int64_t outputs)
{
    int64_t vector = blis->kernel.vector;
    return dualprop__panel_bytes(blis, dualprop__ceil_div(outputs, vector) * vector * batch);
}

int64_t dualprop__gradient_bytes(const dualprop__blis *blis, int64_t batch, int64_t inputs, int64_t outputs)
{
    dualprop_dense shape = { batch, inputs, outputs, NULL, 0 };
    if (dualprop__is_small(blis, &shape)) return 0;
    return packed_delta_bytes(blis, batch, outputs) + dualprop__packed_bytes(blis, inputs, batch);
}

/* ---- packing ---- */

/* Panel `panel`, of `side` columns, of an array [batch, width]. */
static void pack_gradient_panel(const struct dense_gradient *job, char *packed, const void *array, int64_t width,
                                int64_t side, int64_t panel)
{
    const dualprop__blis *blis = job->blis;
    int64_t batch = job->shape->batch;
    char *to = dualprop__at(blis, packed, panel * batch * side);
    dualprop__fetch_to_write(to, 0, batch * side * (int64_t)blis->loops->real_size);
    blis->loops->pack_rows(to, dualprop__at(blis, array, panel * side), width, batch,
                           dualprop__least(side, width - panel * side), side);
}

/* A panel of delta and a part of x, so that each thread packs the columns of both that it has computed before. */
static void gradient_pack_unit(void *argument, int64_t unit, int64_t member)
{
    const struct dense_gradient *job = argument;
    (void)member;
    const dualprop_dense *shape = job->shape;
    const dualprop__microkernel *kernel = &job->blis->kernel;
    if (unit < job->output_panels)
        pack_gradient_panel(job, job->packed_delta, job->delta, shape->outputs, kernel->vector, unit);
    if (unit >= job->packing.parts) return;
    int64_t first = dualprop__part_first(&job->packing, unit), end = first + dualprop__part_size(&job->packing, unit);
    for (int64_t panel = first; panel < end; panel++)
        pack_gradient_panel(job, job->packed_x, job->x, shape->inputs, kernel->broadcast, panel);
}

/* ---- pieces ---- */

/* Inputs of a piece. */
static int64_t height_of(const struct dense_gradient *job, int64_t piece)
{
    int64_t broadcast = job->blis->kernel.broadcast;
    return dualprop__least(broadcast, job->shape->inputs - piece * broadcast);
}

/* The element at which a piece of a panel begins in weights, gradient and moments. */
static int64_t gradient_start_of(const struct dense_gradient *job, int64_t panel, int64_t piece)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    return (panel * job->shape->inputs + piece * kernel->broadcast) * kernel->vector;
}

/* A product with the samples from `sample` on fetches its share of the next piece's weights and moments. */
static void fetch_next_piece(const struct dense_gradient *job, dualprop__product *product, int64_t panel, int64_t piece,
                             int64_t sample)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    const char *places[3];
    int count = dualprop__sink_places(places, job->blis, job->sink, gradient_start_of(job, panel, piece + 1));
    int64_t bytes = kernel->broadcast * kernel->vector * (int64_t)job->blis->loops->real_size;
    int64_t each = dualprop__ceil_div(bytes, job->shape->batch);
    for (int i = 0; i < count; i++) places[i] += sample * each;
    dualprop__fetch_beside(product, places, count, each * product->depth);
}

static void sum_up_gradient(const struct dense_gradient *job, void *tile, int64_t panel, int64_t piece)
{
    const dualprop__blis *blis = job->blis;
    int64_t vector = blis->kernel.vector, broadcast = blis->kernel.broadcast, batch = job->shape->batch;
    for (int64_t part = 0; part < job->depth.parts; part++) {
        int64_t sample = dualprop__part_first(&job->depth, part);
        dualprop__product product = {
            .vector_count = vector,
            .broadcast_count = height_of(job, piece),
            .depth = dualprop__part_size(&job->depth, part),
            .vectors = dualprop__at(blis, job->packed_delta, (panel * batch + sample) * vector),
            .broadcasts = dualprop__at(blis, job->packed_x, (piece * batch + sample) * broadcast),
            .accumulate = part > 0,
            .c = tile,
            .stride = vector,
        };
        if (job->fetches_beside) fetch_next_piece(job, &product, panel, piece, sample);
        blis->kernel.run(&blis->kernel, &product);
    }
}

static void learn_panel_bias(const struct dense_gradient *job, int64_t panel)
{
    int64_t vector = job->blis->kernel.vector, batch = job->shape->batch;
    dualprop__learn_bias(job->blis, batch, job->shape->outputs, job->sink,
                         dualprop__at(job->blis, job->packed_delta, panel * vector * batch), vector, panel);
}

/*
 * Fetch what the learning step of a piece reads and writes. On AVX-512 the products do. What they do not fetch lies in
 * the third-level cache, from which the processor fetches it by itself: asking for it takes longer than it saves.
 */
static void fetch_gradient(const struct dense_gradient *job, int64_t panel, int64_t piece)
{
    if (job->blis->level == DUALPROP_LEVEL_AVX512) return;
    dualprop__fetch_weights(job->blis, job->sink, gradient_start_of(job, panel, piece),
                            height_of(job, piece) * job->blis->kernel.vector);
}

/* ---- the job ---- */

static void gradient_product_unit(void *argument, int64_t unit, int64_t member)
{
    const struct dense_gradient *job = argument;
    alignas(DUALPROP__LINE) char tile[DUALPROP__LARGEST_TILE];
    int64_t panel = unit / job->pieces.parts, part = unit % job->pieces.parts;
    int64_t first = dualprop__part_first(&job->pieces, part), end = first + dualprop__part_size(&job->pieces, part);
    (void)member;
    fetch_gradient(job, panel, first);
    if (part == 0 && dualprop__has_bias(job->sink)) learn_panel_bias(job, panel);
    for (int64_t piece = first; piece < end; piece++) {
        if (piece + 1 < end) fetch_gradient(job, panel, piece + 1);
        sum_up_gradient(job, tile, panel, piece);
        dualprop__learn_weights(job->blis, job->sink, gradient_start_of(job, panel, piece),
                                height_of(job, piece) * job->blis->kernel.vector, tile);
    }
}

static void partition_gradient(struct dense_gradient *job)
{
    const dualprop__microkernel *kernel = &job->blis->kernel;
    int64_t input_panels = dualprop__ceil_div(job->shape->inputs, kernel->broadcast);
    job->output_panels = dualprop__ceil_div(job->shape->outputs, kernel->vector);
    job->pieces = dualprop__partition_evenly(input_panels, PIECES);
    int64_t packed = dualprop__ceil_div(input_panels, job->output_panels);
    job->packing = dualprop__partition_evenly(input_panels, dualprop__least(packed, PACKED_PANELS));
    job->depth = dualprop__partition_evenly(job->shape->batch, DUALPROP__DEPTH);
}

dualprop_status dualprop__blis_dense_gradient(void *self, const dualprop_dense *shape, void *gradient,
                                              void *bias_gradient, const void *x, const void *delta, double scale,
                                              int accumulate, const dualprop_step_numbers *step, void *weights,
                                              void *bias, void *moments[4])
{
    dualprop__sink sink = { scale, step ? 0 : accumulate, step, gradient, bias_gradient, weights, bias, moments };
    if (dualprop__is_small(self, shape)) {
        dualprop__small_gradient(self, shape, &sink, x, delta);
        return DUALPROP_OK;
    }
    struct dense_gradient job = {
        .blis = self,
        .shape = shape,
        .x = x,
        .delta = delta,
        .sink = &sink,
    };
    job.packed_delta = shape->workspace;
    job.packed_x = job.packed_delta + packed_delta_bytes(self, shape->batch, shape->outputs);
    partition_gradient(&job);
    job.fetches_beside = dualprop__fetches_beside(self, shape->inputs, shape->outputs);
    dualprop__team_phase phases[2] = {
        { .unit = gradient_pack_unit, .units = dualprop__most(job.output_panels, job.packing.parts) },
        { .unit = gradient_product_unit, .units = job.output_panels * job.pieces.parts },
    };
    dualprop__team_run(job.blis->reference.host, &job, phases, 2, DUALPROP__MEMBERS);
    return DUALPROP_OK;
}
