/*
 * standin.h - stand-ins for the CUDA runtime, cuBLASLt and cuDNN, for machines without a GPU. In tests only.
 *
 * They are shared libraries with the names of the real ones, first in the library path of the CUDA tests. "Device
 * memory" is host memory with guards around it, filled with NaNs; streams are queues whose work is done when a thread
 * waits for it, and not before, so that a result that is read too early is not there yet, and one stream may be told to
 * run ahead of the others, so that memory that is written too early is; graphs are lists of work; kernels are done one
 * element after another through their kernel_info (src/cuda/kernel_info.h).
 *
 * Any call can be made to fail, and everything that was created has to be released.
 */
#ifndef DUALPROP_TESTS_STANDIN_H
#define DUALPROP_TESTS_STANDIN_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

/* ---- for the tests ---- */

/* What the tests may set and read; standin_control() gives the one there is. */
typedef struct standin_state {
    /* The call that fails, counted from 1 over all calls of the three libraries; 0: none. */
    long fail_at;
    int fail_error;      /* with this cudaError_t, or what the other libraries make of it */
    int fail_sticky;     /* and every call of the runtime after it */
    long calls;          /* made so far */
    char failed[64];     /* the name of the call that failed */
    int failed_in_graph; /* it came while work was captured */
    /* What is there. */
    int driver, device_count, capability; /* 13000, 1, 90 */
    size_t memory;                        /* bytes on the device */
    int eager;                            /* do work at once instead of when a thread waits */
    int ahead;              /* number of the one stream that does so, in the order in which they are made; 0: none */
    int streams;            /* made since the reset */
    int no_real;            /* do not ask the real cuDNN and cuBLASLt */
    int no_parts;           /* cuDNN finds none of its parts */
    int no_engines;         /* cuDNN has nothing for any shape */
    int no_fast_algorithms; /* cuBLASLt has nothing for TF32 and BF16 */
    int no_algorithms;      /* nor has cuBLASLt; it says so by a status (1), no result (2), or a result's status (3) */
    int foreign_capture;    /* a foreign thread captures in the global mode */
    int idle;       /* count work, and do none of it: products, convolutions, kernels of more than a few elements */
    int miscounts;  /* cuDNN counts more results than it gives */
    int no_managed; /* the host may not touch managed memory while the device works */
    int lenient;    /* let pointers lead where no device memory is: for tests that hand in arrays of their own */
    /* What was done. */
    long live;   /* things created and not released: memory, streams, events, graphs, handles, descriptors */
    size_t used; /* bytes of device memory */
    long tensor_cores, unordered; /* convolutions on tensor cores, and by engines whose sums have no fixed order */
    int contexts;                 /* devices, one bit each, that were made current: each of them has a context now */
    long relaxed;                 /* threads whose captures are in the relaxed mode now */
    long judged;                  /* attributes that were read back from descriptors of the real cuBLASLt */
    long rounded;                 /* convolutions of BF16 */
    long by_fours;                /* kernels whose name says so */
    long kernels, products, convolutions, graph_launches, captures, synchronizations, mallocs;
    long uploads;        /* copies from the host */
    long plans;          /* of cuDNN */
    long queries, nodes; /* how often a stream was asked whether it has work left; nodes of the graph captured last */
    /* Broken rules: the first is reported. */
    long complaints;
    char complaint[256];
} standin_state;

#ifdef __cplusplus
extern "C" {
#endif

standin_state *standin_control(void);
/* Start again, with nothing failing and all counts at 0; what is live stays so. */
void standin_reset(void);

/* ---- for the other stand-ins ---- */

/* Count a call; the error it has to fail with, or cudaSuccess. */
cudaError_t standin_call(const char *name);
void standin_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Put work into a stream: the payload is copied. */
void standin_enqueue(cudaStream_t stream, void (*work)(const void *payload), const void *payload, size_t size);
/* Complain unless all these bytes are device memory. */
void standin_check(const void *memory, size_t bytes, const char *what);
/* The piece of device memory that holds this address; NULL, NULL if there is none. */
void standin_extent(const void *address, const char **begin, const char **end);
/* The real library whose path is in this variable of the environment, apart from the stand-in; or NULL. */
void *standin_open_real(const char *variable, const char *title);
void standin_made(long things); /* +1, or -1 when it is released */

#ifdef __cplusplus
}
#endif

#endif
