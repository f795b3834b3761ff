/*
 * graph_cache.h - a command list: what one thread has deferred, between begin_deferred and end_deferred.
 *
 * Work is kept as bytes: which function, and its arguments. The same step of training leaves the same bytes each time,
 * which is how its CUDA graph is found again. What differs from step to step (learning rates, Adam's scales) is not
 * among the arguments but in a table that is sent to the device before the work runs.
 */
#ifndef DUALPROP_CUDA_GRAPH_CACHE_H
#define DUALPROP_CUDA_GRAPH_CACHE_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUALPROP__CUDA_STEPS 512     /* different sets of numbers in one section */
#define DUALPROP__CUDA_STEP_BYTES 64 /* room for one of them */
#define DUALPROP__CUDA_TENSORS 32    /* learnt in one launch */
#define DUALPROP__CUDA_BESIDE 65536  /* most bytes that wait to be sent with samples */

struct dualprop__cuda_beside {
    void *host, *to; /* [DUALPROP__CUDA_BESIDE] on the host */
    size_t bytes;    /* 0: none wait */
};

struct dualprop__cuda_command_list {
    struct dualprop__cuda_command_list *next; /* in the list of idle ones */
    dualprop__cuda *owner;
    pthread_t thread; /* that has it, or had it last */
    uint64_t used_at;
    unsigned char *bytes;
    size_t used, room;
    size_t last; /* where the last command begins, if there is one */
    struct dualprop__cuda_max_slots max_slots;

    /* Numbers that differ from step to step (learn.cu, step_condition.cu). */
    void *steps, *steps_pinned; /* [DUALPROP__CUDA_STEPS][DUALPROP__CUDA_STEP_BYTES] on the device and here */
    cudaEvent_t steps_sent;
    int step_count;
    dualprop__cuda_tensor tensors[DUALPROP__CUDA_TENSORS]; /* whose launch waits for more of them */
    int tensor_steps[DUALPROP__CUDA_TENSORS];              /* the numbers of each */
    int tensor_count, tensor_kind;
    struct dualprop__cuda_beside beside; /* bytes for the device that may go with the samples that come next */
    uint64_t *rejected;                  /* not 0 there: no step is applied (gate_steps); or NULL */
    int read_back_count; /* maxima that a kernel writes to the host before the steps; others are copied at the end */
    int gathering;       /* the work that is issued reads no parameters, so the launch may go on waiting */
};

/* This thread's command list on the instance, or NULL. */
struct dualprop__cuda_command_list *dualprop__cuda_command_list_of(const dualprop__cuda *self);
/* learn.cu: make sure that so many sets of numbers have room; one of at most DUALPROP__CUDA_STEP_BYTES into the table,
 * where an equal last one is shared; where number `index` of a table lies. */
dualprop_status dualprop__cuda_make_numbers(dualprop__cuda *self, struct dualprop__cuda_command_list *list, int count);
dualprop_status dualprop__cuda_keep_number(dualprop__cuda *self, struct dualprop__cuda_command_list *list, int *index,
                                           const void *number, size_t size);
static inline void *dualprop__cuda_number_at(void *table, int index)
{
    return (char *)table + (size_t)index * DUALPROP__CUDA_STEP_BYTES;
}
/* max_abs.c: a kernel is about to write all maxima named so far to the host, and to clear them: where, and how many. */
void dualprop__cuda_max_abs_read_back(struct dualprop__cuda_command_list *list, uint64_t **to, int64_t *count);
/* All maxima of the list to their targets, once they have come. */
dualprop_status dualprop__cuda_max_abs_finish(dualprop__cuda *self, struct dualprop__cuda_command_list *list);
/* memory.c: send what waits for samples, since none have come. */
dualprop_status dualprop__cuda_send_beside(dualprop__cuda *self, struct dualprop__cuda_command_list *list);
/* learn.cu: issue the launch that waits. */
dualprop_status dualprop__cuda_learn_flush(dualprop__cuda *self, struct dualprop__cuda_command_list *list);

#ifdef __cplusplus
}
#endif

#endif
