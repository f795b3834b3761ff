/*
 * blis_sink.h - where a gradient goes: into memory, or straight into the learning step.
 */
#ifndef DUALPROP_CPU_BLIS_SINK_H
#define DUALPROP_CPU_BLIS_SINK_H

#include "blis_images.h"

typedef struct dualprop__sink {
    double scale;
    int accumulate;
    const dualprop_step_numbers *step; /* NULL: the gradients are written */
    void *gradient, *bias_gradient, *weights, *bias;
    void **moments;
} dualprop__sink;

/* sums: count elements of the gradient, from element `first` of the weights' layout on. They are destroyed. */
void dualprop__learn_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first, int64_t count,
                             void *sums);
/* The bias of one panel of outputs, from the panel's columns of delta: `rows` rows, `stride` elements apart. */
void dualprop__learn_bias(const dualprop__blis *blis, int64_t rows, int64_t outputs, const dualprop__sink *sink,
                          const void *columns, int64_t stride, int64_t panel);
static inline int dualprop__has_bias(const dualprop__sink *sink)
{
    return (sink->step ? sink->bias : sink->bias_gradient) != NULL;
}

/* Where what dualprop__learn_weights will touch begins, 1 to 3 places; gives how many. Or fetch it at once. */
int dualprop__sink_places(const char *places[3], const dualprop__blis *blis, const dualprop__sink *sink, int64_t first);
void dualprop__fetch_weights(const dualprop__blis *blis, const dualprop__sink *sink, int64_t first, int64_t count);

#endif
