/*
 * input_staging.c - samples on their way to the device, beside the work that runs there.
 *
 * There are two places, each a pinned buffer on the host and as much memory on the device, used in turn. Copies go in a
 * stream of their own, so that a batch is sent while the step before it still learns. Four events keep order:
 *
 *     the host fills a pinned buffer       only when its last copy was made                          (sent)
 *     a copy writes to the device          only when the last transform that read there has run      (read)
 *     a transform runs                     only when the copy before it was made                     (sent)
 */
#include "device.h"

#include <string.h>

static struct dualprop__cuda_place *place_of(dualprop__cuda *self)
{
    return &self->inbox.places[self->inbox.next];
}

static void give_back(struct dualprop__cuda_place *place)
{
    if (place->pinned) cudaFreeHost(place->pinned);
    if (place->device) cudaFree(place->device);
    place->pinned = place->device = NULL;
    place->bytes = 0;
}

/* Nobody uses the place any more. */
static dualprop_status make_room(dualprop__cuda *self, struct dualprop__cuda_place *place, size_t bytes)
{
    if (bytes <= place->bytes) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(place->read));
    give_back(place);
    DUALPROP__CUDA_TRY(self, cudaMalloc(&place->device, bytes));
    DUALPROP__CUDA_TRY(self, cudaMallocHost(&place->pinned, bytes));
    place->bytes = bytes;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_inbox_create(dualprop__cuda *self)
{
    DUALPROP__CUDA_TRY(self, cudaStreamCreateWithFlags(&self->inbox.stream, cudaStreamNonBlocking));
    for (int i = 0; i < 2; i++) {
        struct dualprop__cuda_place *place = &self->inbox.places[i];
        DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&place->sent, cudaEventDisableTiming));
        DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&place->read, cudaEventDisableTiming));
        DUALPROP__CUDA_PASS(make_room(self, place, DUALPROP__CUDA_CHUNK));
    }
    return DUALPROP_OK;
}

void dualprop__cuda_inbox_destroy(dualprop__cuda *self)
{
    if (!dualprop__cuda_is_ours(self)) return;
    if (self->inbox.stream) cudaStreamSynchronize(self->inbox.stream);
    for (int i = 0; i < 2; i++) {
        struct dualprop__cuda_place *place = &self->inbox.places[i];
        give_back(place);
        if (place->read) cudaEventDestroy(place->read);
        if (place->sent) cudaEventDestroy(place->sent);
    }
    if (self->inbox.stream) cudaStreamDestroy(self->inbox.stream);
}

dualprop_status dualprop__cuda_inbox_begin(dualprop__cuda *self, size_t bytes, void **pinned, void **device)
{
    self->inbox.next = !self->inbox.next;
    struct dualprop__cuda_place *place = place_of(self);
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(place->sent));
    DUALPROP__CUDA_PASS(make_room(self, place, bytes));
    *pinned = place->pinned;
    *device = place->device;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_inbox_send(dualprop__cuda *self, size_t bytes)
{
    struct dualprop__cuda_place *place = place_of(self);
    cudaStream_t copies = self->inbox.stream;
    DUALPROP__CUDA_TRY(self, cudaStreamWaitEvent(copies, place->read, cudaEventWaitDefault));
    DUALPROP__CUDA_TRY(self, cudaMemcpyAsync(place->device, place->pinned, bytes, cudaMemcpyHostToDevice, copies));
    cudaError_t error = cudaEventRecord(place->sent, copies);
    if (error == cudaSuccess) error = cudaStreamWaitEvent(self->stream, place->sent, cudaEventWaitDefault);
    if (error == cudaSuccess) return DUALPROP_OK;
    cudaStreamSynchronize(copies); /* the copy is on its way, and nothing else says when it was made */
    return dualprop__cuda_status(self, error, "cudaEventRecord");
}

dualprop_status dualprop__cuda_inbox_end(dualprop__cuda *self)
{
    cudaError_t error = cudaEventRecord(place_of(self)->read, self->stream);
    if (error == cudaSuccess) return DUALPROP_OK;
    cudaStreamSynchronize(self->stream); /* likewise */
    return dualprop__cuda_status(self, error, "cudaEventRecord");
}
