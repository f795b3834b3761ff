/*
 * memory.c - device memory, and the ways in and out of it; samples have one of their own (input_staging.c).
 *
 * What comes from the host goes through two pinned buffers in turn: while one is on its way, the other is filled. A
 * buffer is filled again only when the event after its last copy has come. So the caller's array may change as soon
 * as a call returns, and no thread waits for the device unless both buffers are on their way.
 */
#include "graph_cache.h"
#include "slots.h"

#include <string.h>

/* ---- the slots: allocating ---- */

static dualprop_status allocate(dualprop__cuda *self, void **memory, size_t bytes)
{
    size_t free_bytes = 0, all_bytes = 0;
    cudaError_t error = cudaMalloc(memory, bytes ? bytes : 1);
    if (error == cudaSuccess) return DUALPROP_OK;
    *memory = NULL;
    dualprop_status status = dualprop__cuda_status(self, error, "cudaMalloc");
    if (status != DUALPROP_ERROR_NO_MEMORY || cudaMemGetInfo(&free_bytes, &all_bytes) != cudaSuccess) return status;
    return dualprop__cuda_fail(self, status,
                               "out of memory on CUDA device %d: %zu bytes were asked for, %zu of %zu are free",
                               self->device, bytes, free_bytes, all_bytes);
}

dualprop_status dualprop__cuda_allocate(void *self, void **memory, size_t bytes)
{
    *memory = NULL;
    DUALPROP__CUDA_SLOT(self, allocate(self, memory, bytes));
}

/* Also after a sticky error, when the runtime only forgets the address; in a forked child there is nothing to give. */
void dualprop__cuda_release(void *instance, void *memory, size_t bytes)
{
    dualprop__cuda *self = instance;
    struct dualprop__cuda_saved_device saved;
    (void)bytes;
    if (!memory || !dualprop__cuda_is_ours(self)) return;
    pthread_mutex_lock(&self->lock);
    int pushed = dualprop__cuda_push_device(self, &saved) == cudaSuccess;
    cudaFree(memory);
    cudaGetLastError();
    if (pushed) dualprop__cuda_pop_device(self, &saved);
    pthread_mutex_unlock(&self->lock);
}

/* ---- workspace ---- */

void dualprop__cuda_free_retired(dualprop__cuda *self)
{
    if (self->retired_count == 0 || self->active_lists > 0) return;
    if (self->dead == DUALPROP_OK) cudaStreamSynchronize(self->stream);
    while (self->retired_count > 0) cudaFree(self->retired[--self->retired_count]);
}

/* Graphs have the former workspace in them, so they are of no use any more. */
dualprop_status dualprop__cuda_reserve(dualprop__cuda *self, size_t bytes)
{
    void *larger = NULL;
    if (bytes <= self->workspace_bytes) return DUALPROP_OK;
    if (self->retired_count == DUALPROP__CUDA_RETIRED)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_LIMIT, "the workspace grew more than %d times in one step",
                                   DUALPROP__CUDA_RETIRED);
    DUALPROP__CUDA_PASS(allocate(self, &larger, bytes));
    dualprop__cuda_graph_cache_forget(self);
    if (self->workspace) self->retired[self->retired_count++] = self->workspace;
    self->workspace = larger;
    self->workspace_bytes = bytes;
    dualprop__cuda_free_retired(self);
    return DUALPROP_OK;
}

/* ---- uploads ---- */

dualprop_status dualprop__cuda_uploads_create(dualprop__cuda *self)
{
    struct dualprop__cuda_uploads *uploads = &self->uploads;
    for (int i = 0; i < 2; i++) {
        DUALPROP__CUDA_TRY(self, cudaMallocHost(&uploads->pinned[i], DUALPROP__CUDA_CHUNK));
        DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&uploads->done[i], cudaEventDisableTiming));
    }
    return DUALPROP_OK;
}

void dualprop__cuda_uploads_destroy(dualprop__cuda *self)
{
    struct dualprop__cuda_uploads *uploads = &self->uploads;
    if (!dualprop__cuda_is_ours(self)) return;
    for (int i = 0; i < 2; i++) {
        if (uploads->done[i]) cudaEventDestroy(uploads->done[i]);
        if (uploads->pinned[i]) cudaFreeHost(uploads->pinned[i]);
    }
}

/* A pinned buffer of DUALPROP__CUDA_CHUNK bytes that no copy reads any more. */
static dualprop_status upload_begin(dualprop__cuda *self, void **pinned)
{
    struct dualprop__cuda_uploads *uploads = &self->uploads;
    uploads->next = !uploads->next;
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(uploads->done[uploads->next]));
    *pinned = uploads->pinned[uploads->next];
    return DUALPROP_OK;
}

/* Send its first bytes to the device. */
static dualprop_status upload_end(dualprop__cuda *self, void *memory, size_t bytes)
{
    struct dualprop__cuda_uploads *uploads = &self->uploads;
    DUALPROP__CUDA_TRY(
        self, cudaMemcpyAsync(memory, uploads->pinned[uploads->next], bytes, cudaMemcpyHostToDevice, self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventRecord(uploads->done[uploads->next], self->stream));
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_upload(dualprop__cuda *self, void *memory, const void *host, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += DUALPROP__CUDA_CHUNK) {
        size_t piece = bytes - at < DUALPROP__CUDA_CHUNK ? bytes - at : DUALPROP__CUDA_CHUNK;
        void *pinned = NULL;
        DUALPROP__CUDA_PASS(upload_begin(self, &pinned));
        memcpy(pinned, (const char *)host + at, piece);
        DUALPROP__CUDA_PASS(upload_end(self, (char *)memory + at, piece));
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_download(dualprop__cuda *self, void *host, const void *memory, size_t bytes)
{
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self, cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    return DUALPROP_OK;
}

/* ---- the slots: copying ---- */

/*
 * Deferred work may still have to read the old contents. What is small, such as a batch's targets, then waits for the
 * samples, to go in one copy with them (input.cu).
 */
static dualprop_status copy_in(dualprop__cuda *self, void *memory, const void *host, size_t bytes)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    if (!list || bytes > DUALPROP__CUDA_BESIDE || bytes % 4 != 0)
        return dualprop__cuda_upload(self, memory, host, bytes);
    if (bytes > 0) memcpy(list->beside.host, host, bytes);
    list->beside.to = memory;
    list->beside.bytes = bytes;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_send_beside(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    size_t bytes = list->beside.bytes;
    list->beside.bytes = 0;
    return dualprop__cuda_upload(self, list->beside.to, list->beside.host, bytes);
}

dualprop_status dualprop__cuda_copy_in(void *self, void *memory, const void *host, size_t bytes)
{
    DUALPROP__CUDA_SLOT(self, copy_in(self, memory, host, bytes));
}

static dualprop_status copy_out(dualprop__cuda *self, void *host, const void *memory, size_t bytes)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    return dualprop__cuda_download(self, host, memory, bytes);
}

dualprop_status dualprop__cuda_copy_out(void *self, void *host, const void *memory, size_t bytes)
{
    DUALPROP__CUDA_SLOT(self, copy_out(self, host, memory, bytes));
}

struct copy {
    void *to;
    const void *from; /* NULL: zeros */
    size_t bytes;
};

static dualprop_status run_copy(dualprop__cuda *self, const void *arguments)
{
    const struct copy *copy = arguments;
    if (copy->from)
        DUALPROP__CUDA_TRY(self,
                           cudaMemcpyAsync(copy->to, copy->from, copy->bytes, cudaMemcpyDeviceToDevice, self->stream));
    else DUALPROP__CUDA_TRY(self, cudaMemsetAsync(copy->to, 0, copy->bytes, self->stream));
    return DUALPROP_OK;
}

static dualprop_status issue_copy(dualprop__cuda *self, void *to, const void *from, size_t bytes)
{
    struct copy copy = { to, from, bytes };
    if (bytes == 0 || (from && dualprop__cuda_add_copy(self, to, from, bytes))) return DUALPROP_OK;
    return dualprop__cuda_issue(self, run_copy, &copy, sizeof copy);
}

dualprop_status dualprop__cuda_copy(void *self, void *to, const void *from, size_t bytes)
{
    DUALPROP__CUDA_SLOT(self, issue_copy(self, to, from, bytes));
}

dualprop_status dualprop__cuda_fill_zero(void *self, void *memory, size_t bytes)
{
    DUALPROP__CUDA_SLOT(self, issue_copy(self, memory, NULL, bytes));
}
