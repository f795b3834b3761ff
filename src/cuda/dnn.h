/*
 * dnn.h - convolutions by cuDNN, where it has a plan for them.
 */
#ifndef DUALPROP_CUDA_DNN_H
#define DUALPROP_CUDA_DNN_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The three directions; each computes one of x, w and y from the other two. */
enum {
    DUALPROP__CUDA_FORWARD = 0,  /* y from x and w */
    DUALPROP__CUDA_BACKWARD = 1, /* x from y and w */
    DUALPROP__CUDA_FILTER = 2    /* w from x and y */
};

/* A convolution without bias and pooling; x and y are NHWC, w is [outputs, kernel rows, kernel columns, channels]. */
typedef struct dualprop__cuda_conv {
    int64_t batch, height, width, channels, outputs, map_height, map_width;
    int64_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
} dualprop__cuda_conv;

/* What a plan reads; each of them writes f32. */
enum {
    DUALPROP__CUDA_NO_PLAN = 0, /* cuDNN does not take this direction */
    DUALPROP__CUDA_OF_F32 = 1,
    DUALPROP__CUDA_OF_BF16 = 2 /* as uint16_t, rounded by dualprop__cuda_round() */
};

/* The plan for this direction. One is looked for when the shape comes for the first time. */
dualprop_status dualprop__cuda_dnn_plan(dualprop__cuda *self, int *found, int direction,
                                        const dualprop__cuda_conv *shape);
/* Do it by the plan, into the stream, with the instance's workspace. */
dualprop_status dualprop__cuda_dnn_run(dualprop__cuda *self, int direction, const dualprop__cuda_conv *shape, void *x,
                                       void *w, void *y);
void dualprop__cuda_dnn_destroy(dualprop__cuda *self);

#ifdef __cplusplus
}
#endif

#endif
