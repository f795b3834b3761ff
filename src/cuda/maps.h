/*
 * maps.h - kernels for convolutional layers (maps.cu).
 */
#ifndef DUALPROP_CUDA_MAPS_H
#define DUALPROP_CUDA_MAPS_H

#include "dnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a = pool(map + bias), switches, and the dyad update where given. map may be a if there is no pooling. */
dualprop_status dualprop__cuda_map_finish(dualprop__cuda *self, const dualprop_convolution *shape, float *a,
                                          uint8_t *switches, const float *map, const float *bias,
                                          const dualprop_dyad *dyad);
/* The map before pooling from what comes down; and, or instead, the same rounded to BF16. Either may be NULL. In a
 * deferred section this, and rounding, is not done again while both sides are what they were. */
dualprop_status dualprop__cuda_map_unpool(dualprop__cuda *self, const dualprop_convolution *shape, float *map,
                                          uint16_t *rounded, const float *delta, const uint8_t *switches);
/* to = from, rounded to BF16. */
dualprop_status dualprop__cuda_round(dualprop__cuda *self, uint16_t *to, const float *from, int64_t count);
/* Patches [batch, places, taps * channels] of x, and x as the sum over the patches that hold each element. */
dualprop_status dualprop__cuda_patches(dualprop__cuda *self, const dualprop__cuda_conv *shape, float *patches,
                                       const float *x);
dualprop_status dualprop__cuda_fold(dualprop__cuda *self, const dualprop__cuda_conv *shape, float *x,
                                    const float *patches);
/* to = scale * the sum of `parts` arrays of `count` each, one after another, in order (+ to where accumulate). */
dualprop_status dualprop__cuda_sum_parts(dualprop__cuda *self, float *to, const float *from, int64_t count,
                                         int64_t parts, double scale, int accumulate);
/* to [columns, rows] from [rows, columns]. */
dualprop_status dualprop__cuda_transpose(dualprop__cuda *self, float *to, const float *from, int64_t rows,
                                         int64_t columns);
/* to = scale * from (+ to where accumulate); to may be from. */
dualprop_status dualprop__cuda_scale(dualprop__cuda *self, float *to, const float *from, int64_t count, double scale,
                                     int accumulate);

#ifdef __cplusplus
}
#endif

#endif
