/*
 * input_staging.c - samples on their way to the device, beside the work that runs there.
 *
 * There are two slots, each a pinned buffer on the host and as much memory on the device, used in turn. Copies go in a
 * stream of their own, so that a batch is sent while the step before it still learns. Four events keep order:
 *
 *     the host fills a pinned buffer       only when its last copy was made                          (sent)
 *     a copy writes to the device          only when the last transform that read there has run      (read)
 *     a transform runs                     only when the copy before it was made                     (sent)
 */
#include "device.h"

#include <string.h>

static struct dualprop__cuda_staging_slot *slot_of(dualprop__cuda *self)
{
    return &self->input_staging.slots[self->input_staging.next];
}

static void free_slot(struct dualprop__cuda_staging_slot *slot)
{
    if (slot->pinned) cudaFreeHost(slot->pinned);
    if (slot->device) cudaFree(slot->device);
    slot->pinned = slot->device = NULL;
    slot->bytes = 0;
}

/* No work uses the slot any more. */
static dualprop_status make_room(dualprop__cuda *self, struct dualprop__cuda_staging_slot *slot, size_t bytes)
{
    if (bytes <= slot->bytes) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(slot->read));
    free_slot(slot);
    DUALPROP__CUDA_TRY(self, cudaMalloc(&slot->device, bytes));
    DUALPROP__CUDA_TRY(self, cudaMallocHost(&slot->pinned, bytes));
    slot->bytes = bytes;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_input_staging_create(dualprop__cuda *self)
{
    DUALPROP__CUDA_TRY(self, cudaStreamCreateWithFlags(&self->input_staging.stream, cudaStreamNonBlocking));
    for (int i = 0; i < 2; i++) {
        struct dualprop__cuda_staging_slot *slot = &self->input_staging.slots[i];
        DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&slot->sent, cudaEventDisableTiming));
        DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&slot->read, cudaEventDisableTiming));
        DUALPROP__CUDA_PASS(make_room(self, slot, DUALPROP__CUDA_CHUNK));
    }
    return DUALPROP_OK;
}

void dualprop__cuda_input_staging_destroy(dualprop__cuda *self)
{
    if (!dualprop__cuda_is_ours(self)) return;
    if (self->input_staging.stream) cudaStreamSynchronize(self->input_staging.stream);
    for (int i = 0; i < 2; i++) {
        struct dualprop__cuda_staging_slot *slot = &self->input_staging.slots[i];
        free_slot(slot);
        if (slot->read) cudaEventDestroy(slot->read);
        if (slot->sent) cudaEventDestroy(slot->sent);
    }
    if (self->input_staging.stream) cudaStreamDestroy(self->input_staging.stream);
}

dualprop_status dualprop__cuda_input_staging_begin(dualprop__cuda *self, size_t bytes, void **pinned, void **device)
{
    self->input_staging.next = !self->input_staging.next;
    struct dualprop__cuda_staging_slot *slot = slot_of(self);
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(slot->sent));
    DUALPROP__CUDA_PASS(make_room(self, slot, bytes));
    *pinned = slot->pinned;
    *device = slot->device;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_input_staging_send(dualprop__cuda *self, size_t bytes)
{
    struct dualprop__cuda_staging_slot *slot = slot_of(self);
    cudaStream_t copies = self->input_staging.stream;
    DUALPROP__CUDA_TRY(self, cudaStreamWaitEvent(copies, slot->read, cudaEventWaitDefault));
    DUALPROP__CUDA_TRY(self, cudaMemcpyAsync(slot->device, slot->pinned, bytes, cudaMemcpyHostToDevice, copies));
    cudaError_t error = cudaEventRecord(slot->sent, copies);
    if (error == cudaSuccess) error = cudaStreamWaitEvent(self->stream, slot->sent, cudaEventWaitDefault);
    if (error == cudaSuccess) return DUALPROP_OK;
    cudaStreamSynchronize(copies); /* the copy is on its way, and nothing else says when it was made */
    return dualprop__cuda_status(self, error, "cudaEventRecord");
}

dualprop_status dualprop__cuda_input_staging_end(dualprop__cuda *self)
{
    cudaError_t error = cudaEventRecord(slot_of(self)->read, self->stream);
    if (error == cudaSuccess) return DUALPROP_OK;
    cudaStreamSynchronize(self->stream); /* likewise */
    return dualprop__cuda_status(self, error, "cudaEventRecord");
}
