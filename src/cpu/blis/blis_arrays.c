/*
 * blis_arrays.c - loops over arrays, cut into chunks that the threads share.
 *
 * Chunks are cut by the length of the array alone. Maxima are the same in any order; sums are kept apart for each
 * chunk and added in the order of the chunks: so the number of threads does not show.
 */
#include <stdatomic.h>
#include <string.h>

#include "blis_instance.h"

/* Elements below which waking other threads costs more than it gains. */
#define CHUNK ((int64_t)16384)

static const dualprop__blis *array_instance(const void *self)
{
    return self;
}

/* ---- chunks ---- */

struct chunks {
    void (*run)(void *job, int64_t chunk, int64_t first, int64_t count);
    void *job;
    int64_t count, size;
};

static void run_chunk(void *argument, int64_t index)
{
    const struct chunks *chunks = argument;
    int64_t first = index * chunks->size;
    int64_t left = chunks->count - first;
    chunks->run(chunks->job, index, first, left < chunks->size ? left : chunks->size);
}

static void run_chunks(void *self, struct chunks chunks)
{
    const dualprop_host *host = array_instance(self)->reference.host;
    int64_t pieces = (chunks.count + chunks.size - 1) / chunks.size;
    if (pieces == 1) run_chunk(&chunks, 0);
    else if (pieces > 1) host->parallel_for(host->user_data, run_chunk, &chunks, pieces);
}

/* ---- shared maxima ---- */

static uint64_t bits_of(double x)
{
    union {
        double value;
        uint64_t bits;
    } both = { .value = x };
    return both.bits;
}

static double value_of(uint64_t bits)
{
    union {
        double value;
        uint64_t bits;
    } both = { .bits = bits };
    return both.value;
}

static void raise_to(_Atomic uint64_t *most, double x)
{
    uint64_t bits = bits_of(x), seen = atomic_load_explicit(most, memory_order_relaxed);
    while (bits > seen &&
           !atomic_compare_exchange_weak_explicit(most, &seen, bits, memory_order_relaxed, memory_order_relaxed)) {
    }
}

void dualprop__max_tracker_begin(dualprop__max_tracker *shared)
{
    atomic_init(&shared->max_abs, 0);
    atomic_init(&shared->change, 0);
}

void dualprop__max_tracker_raise(dualprop__max_tracker *shared, const dualprop__maxima *maxima)
{
    raise_to(&shared->max_abs, maxima->max_abs);
    raise_to(&shared->change, maxima->change);
}

void dualprop__max_tracker_write(dualprop__max_tracker *shared, double *max_abs, double *change)
{
    if (max_abs) *max_abs = value_of(atomic_load(&shared->max_abs));
    if (change) *change = value_of(atomic_load(&shared->change));
}

/* ---- dyads ---- */

struct dyad_job {
    const dualprop__blis *blis;
    const dualprop_dyad *dyad;
    dualprop__max_tracker maxima;
};

static void update_chunk_array(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    struct dyad_job *job = argument;
    int by_rows = job->dyad->activation == DUALPROP_SOFTMAX;
    int64_t width = job->dyad->width;
    dualprop__tile tile = { first, 1, count, count };
    dualprop__maxima maxima = { 0, 0 };
    (void)chunk;
    if (by_rows) tile = (dualprop__tile){ first * width, count, width, width };
    job->blis->loops->dyad(job->dyad, &tile, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

dualprop_status dualprop__blis_dyad_update(void *self, const dualprop_dyad *dyad)
{
    struct dyad_job job = { .blis = array_instance(self), .dyad = dyad };
    struct chunks chunks = { update_chunk_array, &job, dyad->count, CHUNK };
    if (dyad->activation == DUALPROP_SOFTMAX) {
        chunks.count = dyad->count / dyad->width;
        chunks.size = CHUNK / dyad->width > 0 ? CHUNK / dyad->width : 1;
    }
    dualprop__max_tracker_begin(&job.maxima);
    run_chunks(self, chunks);
    dualprop__max_tracker_write(&job.maxima, dyad->max_abs, dyad->change);
    return DUALPROP_OK;
}

struct damp_job {
    const dualprop__blis *blis;
    const dualprop_extended_update *update;
    dualprop__max_tracker maxima;
};

static void damp_chunk(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    struct damp_job *job = argument;
    dualprop__maxima maxima = { 0, 0 };
    (void)chunk;
    job->blis->loops->damp(job->update, first, count, &maxima);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

/* Damping alone is worth loops of its own; whatever does more is the reference backend's. */
dualprop_status dualprop__blis_extended_update(void *self, const dualprop_extended_update *update)
{
    struct damp_job job = { .blis = array_instance(self), .update = update };
    if (!dualprop__only_damps(update)) return dualprop__reference_backend.extended_update(self, update);
    dualprop__max_tracker_begin(&job.maxima);
    run_chunks(self, (struct chunks){ damp_chunk, &job, update->rows * update->width, CHUNK });
    dualprop__max_tracker_write(&job.maxima, update->max_abs, NULL);
    return DUALPROP_OK;
}

/* ---- the learning step ---- */

struct step_job {
    const dualprop__blis *blis;
    const dualprop_step_numbers *step;
    char *w, *moment1, *moment2;
    const char *g;
};

static void step_chunk(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    const struct step_job *job = argument;
    int64_t offset = first * (int64_t)job->blis->loops->real_size;
    (void)chunk;
    job->blis->loops->step(job->step, count, job->w + offset, job->g + offset,
                           job->moment1 ? job->moment1 + offset : NULL, job->moment2 ? job->moment2 + offset : NULL);
}

dualprop_status dualprop__blis_optimizer_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                              const void *g, void *moment1, void *moment2)
{
    struct step_job job = { array_instance(self), step, w, moment1, moment2, g };
    run_chunks(self, (struct chunks){ step_chunk, &job, count, CHUNK });
    return DUALPROP_OK;
}

/* ---- input ---- */

struct load_job {
    const dualprop__blis *blis;
    const dualprop_view *input;
    const int32_t *augmentation; /* or NULL */
    char *x;
    const void *table; /* of bytes: [256] reals for the channel at hand */
    int64_t channel;
    int64_t sample; /* elements of one */
    dualprop__max_tracker maxima;
};

/* Load `count` elements that lie side by side, from element `from` of the view to element `to` of x. */
static double load_run(const struct load_job *job, int64_t to, int64_t from, int64_t count)
{
    const dualprop_view *input = job->input;
    const dualprop__elementwise *loops = job->blis->loops;
    char *x = job->x + (size_t)to * loops->real_size;
    int64_t channels = input->shape[3];
    if (input->type == DUALPROP_F32) return loops->convert(x, (const float *)input->data + from, DUALPROP_F32, count);
    if (input->type == DUALPROP_F64) return loops->convert(x, (const double *)input->data + from, DUALPROP_F64, count);
    return loops->look_up(x + (size_t)job->channel * loops->real_size,
                          (const uint8_t *)input->data + from + job->channel, job->table, count / channels, channels);
}

/* Exchange the pixels of a row from left to right; a pixel is `bytes` long. */
static void mirror_row(char *row, int64_t pixels, size_t bytes)
{
    char *left = row, *right = row + (size_t)(pixels - 1) * bytes;
    for (; left < right; left += bytes, right -= bytes)
        for (size_t i = 0; i < bytes; i++) {
            char kept = left[i];
            left[i] = right[i];
            right[i] = kept;
        }
}

/* Load row y of a moved image, whose first element is `to` of x and whose source begins at `from` of the view. The
 * pixels that stay in the image come from a run of the source, mirrored once all channels are there. */
static double load_moved_row(const struct load_job *job, int64_t to, int64_t from, int64_t y, const int32_t move[3])
{
    int64_t height = job->input->shape[1], width = job->input->shape[2], channels = job->input->shape[3];
    int64_t right = move[1], source = y - move[0], length = width * channels;
    size_t size = job->blis->loops->real_size;
    char *row = job->x + (size_t)(to + y * length) * size;
    int64_t stay = width - (right < 0 ? -right : right), start = right > 0 ? right : 0;
    if (source < 0 || source >= height || stay < 0) stay = 0;
    if (job->channel == 0) memset(row, 0, (size_t)length * size);
    if (stay == 0) return 0;
    int64_t shown = right > 0 ? 0 : -right; /* the first column that is shown, of the mirrored image where it is */
    if (move[2]) shown = width - shown - stay;
    double max_abs =
        load_run(job, to + y * length + start * channels, from + source * length + shown * channels, stay * channels);
    int complete = job->input->type != DUALPROP_U8 || job->channel == channels - 1;
    if (move[2] && complete) mirror_row(row + (size_t)(start * channels) * size, stay, (size_t)channels * size);
    return max_abs;
}

static double load_sample(const struct load_job *job, int64_t row)
{
    int64_t to = row * job->sample, from = row * job->input->strides[0];
    double max_abs = 0;
    if (!job->augmentation) return load_run(job, to, from, job->sample);
    for (int64_t y = 0; y < job->input->shape[1]; y++)
        max_abs = dualprop__greatest(load_moved_row(job, to, from, y, job->augmentation + 3 * row), max_abs);
    return max_abs;
}

static void load_chunk(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    struct load_job *job = argument;
    dualprop__maxima maxima = { 0, 0 };
    (void)chunk;
    for (int64_t row = first; row < first + count; row++)
        maxima.max_abs = dualprop__greatest(load_sample(job, row), maxima.max_abs);
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

static void load_rows(void *self, struct load_job *job)
{
    int64_t rows = CHUNK / (job->sample > 0 ? job->sample : 1);
    run_chunks(self, (struct chunks){ load_chunk, job, job->input->shape[0], rows > 0 ? rows : 1 });
}

/* What the reference computes for a byte, once for each value it can have. */
static void load_bytes(void *self, struct load_job *job, const double *mean, const double *deviation)
{
    double wide[256];
    float narrow[256];
    job->table = array_instance(self)->reference.type == DUALPROP_F32 ? (const void *)narrow : (const void *)wide;
    for (int64_t c = 0; c < job->input->shape[3]; c++) {
        for (int value = 0; value < 256; value++) {
            wide[value] = (value / 255.0 - (mean ? mean[c] : 0)) / (deviation ? deviation[c] : 1);
            narrow[value] = (float)wide[value];
        }
        job->channel = c;
        load_rows(self, job);
    }
}

/* Are the elements of each sample side by side? */
static int has_contiguous_samples(const dualprop_view *input)
{
    int64_t expected = 1;
    for (int axis = 3; axis > 0; axis--) {
        if (input->shape[axis] != 1 && input->strides[axis] != expected) return 0;
        expected *= input->shape[axis];
    }
    return 1;
}

dualprop_status dualprop__blis_load_input(void *self, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, const int32_t *augmentation, double *max_abs)
{
    if (!has_contiguous_samples(input))
        return dualprop__reference_backend.load_input(self, x, input, mean, deviation, augmentation, max_abs);
    struct load_job job = { .blis = array_instance(self), .input = input, .augmentation = augmentation, .x = x };
    job.sample = input->shape[1] * input->shape[2] * input->shape[3];
    dualprop__max_tracker_begin(&job.maxima);
    if (input->type == DUALPROP_U8) load_bytes(self, &job, mean, deviation);
    else load_rows(self, &job);
    dualprop__max_tracker_write(&job.maxima, max_abs, NULL);
    return DUALPROP_OK;
}

/* ---- sums ---- */

/* At most so many chunks, whose sums fit on the stack. */
#define SUMS 64

struct compare_job {
    const dualprop__blis *blis;
    const char *x, *y;
    double sums[SUMS][4];
};

static void compare_chunk(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    struct compare_job *job = argument;
    int64_t offset = first * (int64_t)job->blis->loops->real_size;
    job->blis->loops->compare(count, job->x + offset, job->y + offset, job->sums[chunk]);
}

/* Chunks of CHUNK elements, or larger ones where there would be too many. */
static int64_t chunk_size(int64_t count)
{
    int64_t least = (count + SUMS - 1) / SUMS;
    return least > CHUNK ? least : CHUNK;
}

dualprop_status dualprop__blis_compare(void *self, int64_t count, const void *x, const void *y, double sums[4])
{
    struct compare_job job = { .blis = array_instance(self), .x = x, .y = y };
    run_chunks(self, (struct chunks){ compare_chunk, &job, count, chunk_size(count) });
    for (int s = 0; s < 4; s++) {
        sums[s] = 0;
        for (int chunk = 0; chunk < SUMS; chunk++) sums[s] += job.sums[chunk][s];
    }
    return DUALPROP_OK;
}

struct max_abs_job {
    const dualprop__blis *blis;
    const char *x;
    dualprop__max_tracker maxima;
};

static void max_abs_chunk(void *argument, int64_t chunk, int64_t first, int64_t count)
{
    struct max_abs_job *job = argument;
    int64_t offset = first * (int64_t)job->blis->loops->real_size;
    dualprop__maxima maxima = { job->blis->loops->max_abs(count, job->x + offset), 0 };
    (void)chunk;
    dualprop__max_tracker_raise(&job->maxima, &maxima);
}

dualprop_status dualprop__blis_max_abs(void *self, int64_t count, const void *x, double *max_abs)
{
    struct max_abs_job job = { .blis = array_instance(self), .x = x };
    dualprop__max_tracker_begin(&job.maxima);
    run_chunks(self, (struct chunks){ max_abs_chunk, &job, count, chunk_size(count) });
    dualprop__max_tracker_write(&job.maxima, max_abs, NULL);
    return DUALPROP_OK;
}
