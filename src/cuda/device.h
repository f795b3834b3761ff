/*
 * device.h - an instance of the CUDA backend: one device, one stream at a time, and what all files here share.
 *
 * memory.c, graph_cache.c and max_abs.c are one unit: lists of commands hold addresses of the workspace and of maxima,
 * a workspace that grows forgets the graphs, and a list that ends delivers its maxima.
 *
 * Every slot runs between dualprop__cuda_enter() and dualprop__cuda_leave(), which hold the instance's lock, make its
 * device the thread's current one and give the caller's back. So one thread at a time issues work, all of it in one
 * stream, and what one instance owns (workspace, scratch) is free again for the next piece of work in the stream.
 *
 * A sticky error of the device ends the instance: every later call gives DUALPROP_ERROR_DEVICE and the first sentence.
 */
#ifndef DUALPROP_CUDA_DEVICE_H
#define DUALPROP_CUDA_DEVICE_H

#include <cuda_runtime_api.h>
#include <pthread.h>
#include <sys/types.h>

#include "dualprop/backend.h"
#include "dualprop/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dualprop__cuda dualprop__cuda;

/* ---- the parts of an instance, each in a file of its own ---- */

#define DUALPROP__CUDA_MAX_SLOTS 4096 /* slots for maxima in one deferred section */
#define DUALPROP__CUDA_SCRATCH 65536  /* bytes on the device, and pinned on the host, for sums and small tables */
#define DUALPROP__CUDA_CHUNK 1048576  /* bytes of each upload buffer, and of each of an input staging slot at first */

/*
 * max_abs.c: maxima that kernels leave on the device, as the bits of doubles >= 0, and where the host wants them. After
 * the slots on the device lies a word of step_condition.cu; what is pinned can be written by kernels too.
 */
struct dualprop__cuda_max_slots {
    uint64_t *device, *pinned;
    double **targets;
    int count;
};

/* memory.c: two pinned buffers, each free again when its event has come. */
struct dualprop__cuda_uploads {
    void *pinned[2];
    cudaEvent_t done[2];
    int next;
};

/* input_staging.c: two slots for samples; see there for the events. */
struct dualprop__cuda_staging_slot {
    void *pinned, *device;
    size_t bytes;
    cudaEvent_t sent, read;
};
struct dualprop__cuda_input_staging {
    cudaStream_t stream; /* of the copies */
    struct dualprop__cuda_staging_slot slots[2];
    int next;
};

/* The workspace begins with what products may use; patches of convolutions begin after it. */
#define DUALPROP__CUDA_PRODUCT_WORKSPACE ((int64_t)32 << 20) /* what cuBLAS asks for on Hopper */
#define DUALPROP__CUDA_PATCHES ((int64_t)256 << 20)          /* most bytes of them, where one sample needs no more */
#define DUALPROP__CUDA_RETIRED 32                            /* workspaces that became too small in one section */

struct dualprop__cuda_command_list; /* graph_cache.c */
struct dualprop__cuda_cached_graph; /* graph_cache.c */
struct dualprop__cuda_products;     /* products.c */
struct dualprop__cuda_dnn;          /* dnn.c */

struct dualprop__cuda {
    const dualprop_host *host;
    pid_t process;
    int device;
    int has_lock;
    pthread_mutex_t lock;
    int numerics, autotune;
    struct cudaDeviceProp properties;
    cudaStream_t stream;     /* where work goes now */
    cudaStream_t own_stream; /* ours; graphs are captured on it */
    int capturing;           /* the work that runs goes into a graph */
    int not_ready;           /* set while capturing: the list has to run once more before it can be captured */
    dualprop_status dead;    /* OK, or DEVICE after a sticky error */
    char why_dead[256];
    void *workspace; /* on the device, for the piece of work in the stream */
    size_t workspace_bytes;
    void *retired[DUALPROP__CUDA_RETIRED]; /* former workspaces, which deferred work may still use */
    int retired_count, active_lists;
    void *scratch, *scratch_pinned;
    struct dualprop__cuda_max_slots max_slots; /* of calls that are not deferred */
    struct dualprop__cuda_uploads uploads;
    struct dualprop__cuda_input_staging input_staging;
    struct dualprop__cuda_command_list *idle_lists;
    struct dualprop__cuda_cached_graph *cached_graphs;
    struct dualprop__cuda_products *products;
    struct dualprop__cuda_dnn *dnn;
    uint64_t graph_clock;
    int64_t graph_launches, graphs_refused; /* reported to the log when the instance is destroyed */
};

/* ---- device.c ---- */

/* Is this the process that made the instance? */
int dualprop__cuda_is_ours(const dualprop__cuda *self);
/*
 * The thread's device and capture mode before push_device(), which pop_device() restores. A device that the process has
 * not used yet is not restored, since making it current would create a context there, of some hundred MB.
 */
struct dualprop__cuda_saved_device {
    int device;
    enum cudaStreamCaptureMode mode;
};
/*
 * Make the instance's device the thread's current one. A capture that some other thread has begun in the global mode
 * would make allocations of this one fail, and be spoilt by them; in the relaxed mode both go on.
 */
cudaError_t dualprop__cuda_push_device(const dualprop__cuda *self, struct dualprop__cuda_saved_device *saved);
void dualprop__cuda_pop_device(const dualprop__cuda *self, struct dualprop__cuda_saved_device *saved);
/* The same with the lock, of an instance that is alive and of this process. */
dualprop_status dualprop__cuda_enter(dualprop__cuda *self, struct dualprop__cuda_saved_device *saved);
/* Hands status on, or the device's own error where it has one. */
dualprop_status dualprop__cuda_leave(dualprop__cuda *self, struct dualprop__cuda_saved_device *saved,
                                     dualprop_status status);

/* The body of a slot: enter, work, leave. `work` is an expression of type dualprop_status. */
#define DUALPROP__CUDA_SLOT(self, work)                                                       \
    do {                                                                                      \
        struct dualprop__cuda_saved_device dualprop__saved_;                                  \
        dualprop_status dualprop__entered_ = dualprop__cuda_enter((self), &dualprop__saved_); \
        if (dualprop__entered_ != DUALPROP_OK) return dualprop__entered_;                     \
        return dualprop__cuda_leave((self), &dualprop__saved_, (work));                       \
    } while (0)

/* Set the last error to a sentence and give status back. */
dualprop_status dualprop__cuda_fail(const dualprop__cuda *self, dualprop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * An error that ended the device's work, after a vendor's library has reported a failure; or cudaSuccess. Each library
 * has a runtime of its own, so that the last error of ours says nothing, but a sticky error is returned by every call.
 */
cudaError_t dualprop__cuda_device_error(const dualprop__cuda *self);
/* The status for an error of the CUDA runtime; `call` is the call's text, of which the name is quoted. */
dualprop_status dualprop__cuda_status(dualprop__cuda *self, cudaError_t error, const char *call);

#define DUALPROP__CUDA_TRY(self, call)                                                                      \
    do {                                                                                                    \
        cudaError_t dualprop__error_ = (call);                                                              \
        if (dualprop__error_ != cudaSuccess) return dualprop__cuda_status((self), dualprop__error_, #call); \
    } while (0)
#define DUALPROP__CUDA_PASS(call)                                       \
    do {                                                                \
        dualprop_status dualprop__status_ = (call);                     \
        if (dualprop__status_ != DUALPROP_OK) return dualprop__status_; \
    } while (0)

void *dualprop__cuda_host_allocate(dualprop__cuda *self, size_t size); /* zeroed; NULL with the last error set */
void dualprop__cuda_host_release(dualprop__cuda *self, void *memory, size_t size);

/* ---- max_abs.c ---- */

dualprop_status dualprop__cuda_max_slots_create(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots);
void dualprop__cuda_max_slots_destroy(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots);
/* The slot on the device for the maximum that `target` receives; NULL in *slot if target is NULL. */
dualprop_status dualprop__cuda_max_slot(dualprop__cuda *self, uint64_t **slot, double *target);
/* Write the maxima to their targets and clear the slots; nothing while the thread's work is deferred. */
dualprop_status dualprop__cuda_max_abs_deliver(dualprop__cuda *self);
/* Forget the targets after a failure. */
void dualprop__cuda_max_abs_drop(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots);

/* ---- memory.c ---- */

dualprop_status dualprop__cuda_uploads_create(dualprop__cuda *self);
void dualprop__cuda_uploads_destroy(dualprop__cuda *self);
/* Send bytes to the device, in the stream of the work; the caller's array is free when this returns. */
dualprop_status dualprop__cuda_upload(dualprop__cuda *self, void *memory, const void *host, size_t bytes);
/* Bring bytes to the host and wait for them. */
dualprop_status dualprop__cuda_download(dualprop__cuda *self, void *host, const void *memory, size_t bytes);
/* Make the workspace at least so large. */
dualprop_status dualprop__cuda_reserve(dualprop__cuda *self, size_t bytes);
/* Release former workspaces when no thread has deferred work. */
void dualprop__cuda_free_retired(dualprop__cuda *self);

/* The memory slots of the table. */
dualprop_status dualprop__cuda_allocate(void *self, void **memory, size_t bytes);
void dualprop__cuda_release(void *self, void *memory, size_t bytes);
dualprop_status dualprop__cuda_copy_in(void *self, void *memory, const void *host, size_t bytes);
dualprop_status dualprop__cuda_copy_out(void *self, void *host, const void *memory, size_t bytes);
dualprop_status dualprop__cuda_copy(void *self, void *to, const void *from, size_t bytes);
dualprop_status dualprop__cuda_fill_zero(void *self, void *memory, size_t bytes);

/* ---- input_staging.c ---- */

dualprop_status dualprop__cuda_input_staging_create(dualprop__cuda *self);
void dualprop__cuda_input_staging_destroy(dualprop__cuda *self);
/* The next slot, with room for so many bytes: fill its pinned memory, send it, issue the work that reads its memory on
 * the device, and end, which says that no later work reads it. */
dualprop_status dualprop__cuda_input_staging_begin(dualprop__cuda *self, size_t bytes, void **pinned, void **device);
dualprop_status dualprop__cuda_input_staging_send(dualprop__cuda *self, size_t bytes);
dualprop_status dualprop__cuda_input_staging_end(dualprop__cuda *self);

/* ---- graph_cache.c: work that runs now, or is deferred ---- */

/* One command; its arguments are copied, and the same work has to have the same bytes each time. */
typedef dualprop_status (*dualprop__cuda_run)(dualprop__cuda *self, const void *arguments);
dualprop_status dualprop__cuda_issue(dualprop__cuda *self, dualprop__cuda_run run, const void *arguments, size_t size);
/* What is known of a command beside its arguments. */
enum dualprop__cuda_kind {
    DUALPROP__CUDA_OTHER,
    DUALPROP__CUDA_DYADS,
    DUALPROP__CUDA_ROUNDINGS,
    DUALPROP__CUDA_NARROW
};
struct dualprop__cuda_traits {
    const void *written; /* the one array that it writes to, otherwise it only reads; NULL: any that it names */
    int64_t kind, at;    /* where among the arguments the dyad's body begins, or that of roundings, or the product */
};
dualprop_status dualprop__cuda_issue_known(dualprop__cuda *self, dualprop__cuda_run run, const void *arguments,
                                           size_t size, const struct dualprop__cuda_traits *traits);
/* An array of so many bytes. */
struct dualprop__cuda_range {
    const void *begin;
    int64_t bytes;
};
/*
 * Is there this very command among the deferred ones, with none after it that may have written to one of these arrays?
 * Then it has nothing to do. What a command may write to is told by the addresses among its arguments.
 */
int dualprop__cuda_is_done(const dualprop__cuda *self, dualprop__cuda_run run, const void *arguments, size_t size,
                           const struct dualprop__cuda_range *arrays, int count);
/*
 * The last deferred command of this kind to which work may be added that reads one array and writes another: none
 * after it may write to what is read, and none after it uses what is written, or, with `done`, may write to it. Gives
 * its arguments and where its body is; NULL if there is none.
 */
void *dualprop__cuda_earlier(const dualprop__cuda *self, int kind, const struct dualprop__cuda_range *read,
                             const struct dualprop__cuda_range *written, int done, void **body);
/* The body of the last deferred command, if it is of this kind; and what that does is done by the next one instead. */
void *dualprop__cuda_last_body(const dualprop__cuda *self, int kind);
void dualprop__cuda_drop_last(const dualprop__cuda *self);
/* dyad.cu: can a deferred command that reads this array copy it too? */
int dualprop__cuda_add_copy(dualprop__cuda *self, void *to, const void *from, size_t bytes);
/* Run what the thread has deferred, so that a result is available now. */
dualprop_status dualprop__cuda_flush(dualprop__cuda *self);
/* Between the two, the calling thread's work is not deferred. */
struct dualprop__cuda_command_list *dualprop__cuda_pause_deferral(const dualprop__cuda *self);
void dualprop__cuda_resume_deferral(struct dualprop__cuda_command_list *paused);
/* The maxima of this thread: those of its command list, or the instance's. */
struct dualprop__cuda_max_slots *dualprop__cuda_max_slots_of(dualprop__cuda *self);
int dualprop__cuda_is_deferred(const dualprop__cuda *self);
dualprop_status dualprop__cuda_begin_deferred(dualprop__cuda *self);
dualprop_status dualprop__cuda_end_deferred(dualprop__cuda *self, int discard);
/* End the section without the device. */
void dualprop__cuda_abandon(dualprop__cuda *self);
/* End the section in two parts: its work is submitted, and its numbers are collected, or, without the device, given up.
 */
dualprop_status dualprop__cuda_submit_deferred(dualprop__cuda *self, struct dualprop__cuda_command_list **list);
dualprop_status dualprop__cuda_collect_deferred(dualprop__cuda *self, struct dualprop__cuda_command_list *list);
void dualprop__cuda_abandon_submitted(dualprop__cuda *self, struct dualprop__cuda_command_list *list);
dualprop_status dualprop__cuda_graph_cache_create(dualprop__cuda *self);
void dualprop__cuda_graph_cache_destroy(dualprop__cuda *self);
/* Graphs that were captured with other memory or another stream's settings are of no use any more. */
void dualprop__cuda_graph_cache_forget(dualprop__cuda *self);

/*
 * learn.cu: one tensor's learning step, deferred until the thread asks for something else. Its gradient may still have
 * to be formed: g = scale * the sums of the columns of `summed`, which stays as it is until then; or, with x, those of
 * a narrow layer's weights (narrow.cuh), g = scale * x^T summed.
 */
typedef struct dualprop__cuda_tensor {
    float *w;
    float *g;
    float *moment1, *moment2; /* NULL if the kind does not have it */
    int64_t count;
    const float *summed; /* [rows, count], or with x [rows, outputs]; NULL: g is there */
    const float *x;      /* NULL, or [rows, inputs] */
    int64_t rows, inputs, outputs;
    double scale;
} dualprop__cuda_tensor;
dualprop_status dualprop__cuda_learn(dualprop__cuda *self, const dualprop_step_numbers *numbers,
                                     const dualprop__cuda_tensor *tensors, int count);
/* Wait no longer. */
dualprop_status dualprop__cuda_learn_finish(dualprop__cuda *self);
/* The work that follows reads no parameters and no gradients of others: tensors may go on waiting (1), or not (0). */
void dualprop__cuda_gather(dualprop__cuda *self, int gathering);

#ifdef __cplusplus
}
#endif

#endif
