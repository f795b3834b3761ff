/*
 * blis_sink.c - what becomes of a gradient, piece by piece: memory, or the learning step at once.
 */
#include "blis_sink.h"

static char *sink_moment_at(const dualprop__blis *blis, const dualprop__sink *sink, int index, int64_t element)
{
    return sink->moments[index] ? dualprop__at(blis, sink->moments[index], element) : NULL;
}

void dualprop__learn_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first, int64_t count,
                             void *sums)
{
    if (!sink->step) {
        blis->loops->scale(dualprop__at(blis, sink->gradient, first), sums, sink->scale, sink->accumulate, count);
        return;
    }
    dualprop_step_numbers step = *sink->step;
    if (step.gradient_scale == 1) step.gradient_scale = sink->scale; /* the same bits, without a pass of its own */
    else blis->loops->scale(sums, sums, sink->scale, 0, count);
    blis->loops->step(&step, count, dualprop__at(blis, sink->weights, first), sums,
                      sink_moment_at(blis, sink, 0, first), sink_moment_at(blis, sink, 1, first));
}

/* The largest panel of biases in bytes; blis.c checks it. */
#define LARGEST_PANEL 2048

void dualprop__learn_bias(const dualprop__blis *blis, int64_t rows, int64_t outputs, const dualprop__sink *sink,
                          const void *columns, int64_t stride, int64_t panel)
{
    alignas(DUALPROP__LINE) char sums[LARGEST_PANEL];
    int64_t first = panel * blis->kernel.vector;
    int64_t count = dualprop__least(blis->kernel.vector, outputs - first);
    void *to = sink->step ? sums : dualprop__at(blis, sink->bias_gradient, first);
    blis->loops->column_sums(to, columns, sink->scale, sink->accumulate, rows, count, stride);
    if (sink->step)
        blis->loops->step(sink->step, count, dualprop__at(blis, sink->bias, first), sums,
                          sink_moment_at(blis, sink, 2, first), sink_moment_at(blis, sink, 3, first));
}

int dualprop__sink_places(const char *places[3], const dualprop__blis *blis, const dualprop__sink *sink, int64_t first)
{
    int count = 0;
    places[count++] = dualprop__at(blis, sink->step ? sink->weights : sink->gradient, first);
    for (int i = 0; sink->step && i < 2; i++)
        if (sink->moments[i]) places[count++] = sink_moment_at(blis, sink, i, first);
    return count;
}

static void prefetch(const char *memory, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += DUALPROP__LINE) __builtin_prefetch(memory + i, 1, 2);
}

void dualprop__fetch_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first, int64_t count)
{
    const char *places[3];
    int number = dualprop__sink_places(places, blis, sink, first);
    for (int i = 0; i < number; i++) prefetch(places[i], count * (int64_t)blis->loops->real_size);
}
