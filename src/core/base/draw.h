/*
 * draw.h - random numbers made on the host: number i of a stream, whoever draws it and when.
 *
 * Streams of initialisation are the layers' numbers; those of inference are numbered by dualprop__stream_of().
 */
#ifndef DUALPROP_CORE_DRAW_H
#define DUALPROP_CORE_DRAW_H

#include "internal.h"

/* A draw of mean 0 and variance 1. */
typedef double (*dualprop__draw)(uint64_t seed, uint64_t stream, uint64_t i);
double dualprop__draw_normal(uint64_t seed, uint64_t stream, uint64_t i);
/* No draw of dualprop__draw_normal() is larger: the normal's least uniform is 2^-53, and sqrt(-2 ln 2^-53) < 8.6. */
#define DUALPROP__LARGEST_DRAW 9.0

/* reals[i] = deviation * draw(seed, stream, first + i) in the context's precision, on its threads. */
void dualprop__draw_fill(void *reals, const dualprop_context *context, dualprop__draw draw, double deviation,
                         uint64_t seed, uint64_t stream, uint64_t first, int64_t count);

/* What an inference draws; each is a stream of its own in each inference. */
enum {
    DUALPROP__DRAW_ORDER,
    DUALPROP__DRAW_MASK,
    DUALPROP__DRAW_PLUS,
    DUALPROP__DRAW_MINUS,
    DUALPROP__DRAW_DOWN,
    DUALPROP__DRAW_WEIGHTS,
    DUALPROP__DRAWS
};
/* The stream of one kind of draws in inference number `inference` of a state. */
uint64_t dualprop__stream_of(uint64_t inference, int kind);
/* Streams that do not depend on the inference: the alphas of layer k's neurons, and its first power vector. */
uint64_t dualprop__stream_of_alphas(int k);
uint64_t dualprop__stream_of_power(int k);
/* The first feedback weights of layer k. */
uint64_t dualprop__stream_of_feedback(int k);

#endif
