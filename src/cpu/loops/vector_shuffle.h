/*
 * vector_shuffle.h - one name for what gcc and clang call differently.
 *
 * SHUFFLE_EIGHT(x, y, ...) takes eight of the sixteen numbers of two vectors of eight floats.
 */
#ifndef DUALPROP_CPU_VECTOR_SHUFFLE_H
#define DUALPROP_CPU_VECTOR_SHUFFLE_H

#include <stdint.h>

#if defined(__clang__)
#define SHUFFLE_EIGHT(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
typedef int32_t dualprop__eight_places __attribute__((vector_size(32)));
#define SHUFFLE_EIGHT(x, y, ...) __builtin_shuffle(x, y, (dualprop__eight_places){ __VA_ARGS__ })
#endif

#endif
