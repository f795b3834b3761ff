/*
 * graph_cache.h - what one thread has put off, between begin_deferred and end_deferred.
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

    /* Numbers that differ from step to step (learn.cu, guard.cu). */
    void *steps, *steps_pinned; /* [DUALPROP__CUDA_STEPS][DUALPROP__CUDA_STEP_BYTES] on the device and here */
    cudaEvent_t steps_sent;
    int step_count;
    dualprop__cuda_tensor tensors[DUALPROP__CUDA_TENSORS]; /* whose launch waits for more of them */
    int tensor_steps[DUALPROP__CUDA_TENSORS];              /* the numbers of each */
    int tensor_count, tensor_kind;
    uint64_t *refused;                                     /* where guards say that steps are not to be made, or NULL */
    cudaEvent_t told;                                      /* behind the copy of the peaks to the host */
    int told_count;                                        /* so many of them; 0: they are copied at the end */
    int gathering; /* the work that is issued reads no parameters, so the launch may go on waiting */
};

/* This thread's recording on the instance, or NULL. */
struct dualprop__cuda_recording *dualprop__cuda_recording_of(const dualprop__cuda *self);
/* learn.cu: make sure that so many sets of numbers have room; one of at most DUALPROP__CUDA_STEP_BYTES into the table,
 * where an equal last one is shared; where number `index` of a table lies. */
dualprop_status dualprop__cuda_make_numbers(dualprop__cuda *self, struct dualprop__cuda_recording *recording,
                                            int count);
dualprop_status dualprop__cuda_keep_number(dualprop__cuda *self, struct dualprop__cuda_recording *recording, int *index,
                                           const void *number, size_t size);
static inline void *dualprop__cuda_number_at(void *table, int index)
{
    return (char *)table + (size_t)index * DUALPROP__CUDA_STEP_BYTES;
}
/* peaks.c: issue the copy of all peaks that were named to the host, who waits for that alone. */
dualprop_status dualprop__cuda_peaks_tell(dualprop__cuda *self, struct dualprop__cuda_recording *recording);
/* Have these been all? Then issue what clears them behind all work. */
int dualprop__cuda_peaks_are_told(const struct dualprop__cuda_recording *recording);
dualprop_status dualprop__cuda_peaks_clear_told(dualprop__cuda *self, struct dualprop__cuda_recording *recording);
/* Write them to their targets, when the copy has come. */
dualprop_status dualprop__cuda_peaks_settle_told(dualprop__cuda *self, struct dualprop__cuda_recording *recording);
/* learn.cu: issue the launch that waits. */
dualprop_status dualprop__cuda_learn_flush(dualprop__cuda *self, struct dualprop__cuda_recording *recording);

#ifdef __cplusplus
}
#endif

#endif
