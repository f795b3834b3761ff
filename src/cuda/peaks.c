/*
 * peaks.c - maxima that kernels find: places on the device, and the way from there to the host.
 *
 * A maximum is never negative, so its bits, read as a whole number, are in the order of the numbers, with NaN above
 * all. Kernels raise them by an atomic maximum, whose result does not depend on the order. A place is zero whenever
 * nobody has it. Two calls that name the same target share a place.
 */
#include "device.h"

#include <string.h>

#define BYTES (DUALPROP__CUDA_PEAKS * sizeof(uint64_t))

dualprop_status dualprop__cuda_peaks_create(dualprop__cuda *self, struct dualprop__cuda_peaks *peaks)
{
    peaks->targets = dualprop__cuda_host_allocate(self, DUALPROP__CUDA_PEAKS * sizeof *peaks->targets);
    if (!peaks->targets) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_TRY(self, cudaMalloc((void **)&peaks->device, BYTES));
    DUALPROP__CUDA_TRY(self, cudaMallocHost((void **)&peaks->pinned, BYTES));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(peaks->device, 0, BYTES, self->stream));
    return DUALPROP_OK;
}

void dualprop__cuda_peaks_destroy(dualprop__cuda *self, struct dualprop__cuda_peaks *peaks)
{
    if (dualprop__cuda_is_ours(self)) {
        if (peaks->pinned) cudaFreeHost(peaks->pinned);
        if (peaks->device) cudaFree(peaks->device);
    }
    dualprop__cuda_host_release(self, peaks->targets, DUALPROP__CUDA_PEAKS * sizeof *peaks->targets);
    memset(peaks, 0, sizeof *peaks);
}

dualprop_status dualprop__cuda_peak(dualprop__cuda *self, uint64_t **place, double *target)
{
    struct dualprop__cuda_peaks *peaks = dualprop__cuda_peaks_of(self);
    int i = 0;
    *place = NULL;
    if (!target) return DUALPROP_OK;
    while (i < peaks->count && peaks->targets[i] != target) i++;
    if (i == DUALPROP__CUDA_PEAKS)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_LIMIT, "more than %d maxima were asked for at once",
                                   DUALPROP__CUDA_PEAKS);
    peaks->targets[i] = target;
    if (i == peaks->count) peaks->count++;
    *place = peaks->device + i;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_peaks_settle(dualprop__cuda *self, struct dualprop__cuda_peaks *peaks)
{
    size_t bytes = (size_t)peaks->count * sizeof(uint64_t);
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(peaks->pinned, peaks->device, bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(peaks->device, 0, bytes, self->stream));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    for (int i = 0; i < peaks->count; i++) memcpy(peaks->targets[i], &peaks->pinned[i], sizeof(double));
    peaks->count = 0;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_peaks_give(dualprop__cuda *self)
{
    return dualprop__cuda_is_deferred(self) ? DUALPROP_OK : dualprop__cuda_peaks_settle(self, &self->peaks);
}

/* The places may have been raised already, so all are cleared. */
void dualprop__cuda_peaks_drop(dualprop__cuda *self, struct dualprop__cuda_peaks *peaks)
{
    if (peaks->count > 0 && self->dead == DUALPROP_OK)
        cudaMemsetAsync(peaks->device, 0, (size_t)peaks->count * sizeof(uint64_t), self->stream);
    peaks->count = 0;
}
