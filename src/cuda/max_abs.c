/*
 * max_abs.c - maxima that kernels find: places on the device, and the way from there to the host.
 *
 * A maximum is never negative, so its bits, read as a whole number, are in the order of the numbers, with NaN above
 * all. Kernels raise them by an atomic maximum, whose result does not depend on the order. A place is zero whenever
 * nobody has it. Two calls that name the same target share a place.
 *
 * Where learning steps are guarded (guard.cu) the maxima are copied in the middle of the work instead of behind it, and
 * an event says when.
 */
#include "graph_cache.h"

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

static void give_values(struct dualprop__cuda_peaks *peaks)
{
    for (int i = 0; i < peaks->count; i++) memcpy(peaks->targets[i], &peaks->pinned[i], sizeof(double));
    peaks->count = 0;
}

dualprop_status dualprop__cuda_peaks_settle(dualprop__cuda *self, struct dualprop__cuda_peaks *peaks)
{
    size_t bytes = (size_t)peaks->count * sizeof(uint64_t);
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(peaks->pinned, peaks->device, bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(peaks->device, 0, bytes, self->stream));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    give_values(peaks);
    return DUALPROP_OK;
}

/* ---- told in the middle of the work ---- */

#define NOT_TOLD UINT64_MAX /* no maximum has these bits */

struct telling {
    uint64_t *pinned, *device;
    size_t bytes;
    cudaEvent_t told;
};

static dualprop_status run_telling(dualprop__cuda *self, const void *arguments)
{
    const struct telling *own = arguments;
    unsigned flags = self->capturing ? cudaEventRecordExternal : cudaEventRecordDefault;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(own->pinned, own->device, own->bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventRecordWithFlags(own->told, self->stream, flags));
    return DUALPROP_OK;
}

static dualprop_status run_clearing(dualprop__cuda *self, const void *arguments)
{
    const struct telling *own = arguments;
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(own->device, 0, own->bytes, self->stream));
    return DUALPROP_OK;
}

static struct telling telling_of(const struct dualprop__cuda_recording *recording)
{
    const struct dualprop__cuda_peaks *peaks = &recording->peaks;
    return (struct telling){ peaks->pinned, peaks->device, (size_t)recording->told_count * sizeof(uint64_t),
                             recording->told };
}

/* The last copy to the pinned places has come, since somebody waited for it. */
dualprop_status dualprop__cuda_peaks_tell(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    recording->told_count = recording->peaks.count;
    struct telling telling = telling_of(recording);
    for (int i = 0; i < recording->told_count; i++) recording->peaks.pinned[i] = NOT_TOLD;
    return dualprop__cuda_issue(self, run_telling, &telling, sizeof telling);
}

int dualprop__cuda_peaks_are_told(const struct dualprop__cuda_recording *recording)
{
    return recording->told_count > 0 && recording->told_count == recording->peaks.count;
}

dualprop_status dualprop__cuda_peaks_clear_told(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    struct telling telling = telling_of(recording);
    return dualprop__cuda_issue(self, run_clearing, &telling, sizeof telling);
}

static int is_there(const struct dualprop__cuda_recording *recording)
{
    for (int i = 0; i < recording->told_count; i++)
        if (*(volatile uint64_t *)&recording->peaks.pinned[i] == NOT_TOLD) return 0;
    return 1;
}

/* The event is in a graph; should it ever come before the copy, waiting for all work is right in any case. */
dualprop_status dualprop__cuda_peaks_settle_told(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    struct dualprop__cuda_peaks *peaks = &recording->peaks;
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(recording->told));
    if (!is_there(recording)) DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    if (!is_there(recording))
        return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "CUDA device %d did not tell what a step came to",
                                   self->device);
    give_values(peaks);
    return DUALPROP_OK;
}

/* ---- what slots call ---- */

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
