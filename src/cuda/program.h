/*
 * program.h - what one thread has put off, between begin_deferred and end_deferred.
 *
 * Work is kept as bytes: which function, and its arguments. The same step of training leaves the same bytes each time,
 * which is how its CUDA graph is found again. What differs from step to step (learning rates, Adam's scales) is not
 * among the arguments but in a table that is sent to the device before the work runs.
 */
#ifndef DUALPROP_CUDA_PROGRAM_H
#define DUALPROP_CUDA_PROGRAM_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUALPROP__CUDA_STEPS 512        /* different sets of numbers in one stretch */
#define DUALPROP__CUDA_STEP_BYTES 64    /* room for one of them */
#define DUALPROP__CUDA_TENSORS 32       /* learnt in one launch */

struct dualprop__cuda_recording {
    struct dualprop__cuda_recording *next; /* in the list of idle ones */
    dualprop__cuda *owner;
    unsigned char *bytes;
    size_t used, room;
    struct dualprop__cuda_peaks peaks;

    /* Learning steps (learn.cu). */
    void *steps, *steps_pinned; /* [DUALPROP__CUDA_STEPS][DUALPROP__CUDA_STEP_BYTES] on the device and here */
    cudaEvent_t steps_sent;
    int step_count;
    dualprop__cuda_tensor tensors[DUALPROP__CUDA_TENSORS]; /* whose launch waits for more of them */
    int tensor_steps[DUALPROP__CUDA_TENSORS];              /* the numbers of each */
    int tensor_count, tensor_kind;
    int gathering; /* the work that is issued reads no parameters, so the launch may go on waiting */
};

/* This thread's recording on the instance, or NULL. */
struct dualprop__cuda_recording *dualprop__cuda_recording_of(const dualprop__cuda *self);
/* learn.cu: issue the launch that waits. */
dualprop_status dualprop__cuda_learn_flush(dualprop__cuda *self, struct dualprop__cuda_recording *recording);

#ifdef __cplusplus
}
#endif

#endif
