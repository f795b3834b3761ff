/*
 * max_abs.c - maxima of |x| that kernels find: slots on the device, and the way from there to the host.
 *
 * A maximum is never negative, so its bits, read as a whole number, are in the order of the numbers, with NaN above
 * all. Kernels raise them by an atomic maximum, whose result does not depend on the order. A slot is zero whenever
 * it is free. Two calls that name the same target share a slot.
 *
 * Where learning steps are guarded (step_condition.cu) a kernel writes the maxima to the host in the middle of the
 * work, instead of a copy after it, and the host looks until they are there.
 */
#include "graph_cache.h"

#include <sched.h>
#include <string.h>

#define BYTES ((DUALPROP__CUDA_MAX_SLOTS + 1) * sizeof(uint64_t))

dualprop_status dualprop__cuda_max_slots_create(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    slots->targets = dualprop__cuda_host_allocate(self, DUALPROP__CUDA_MAX_SLOTS * sizeof *slots->targets);
    if (!slots->targets) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_TRY(self, cudaMalloc((void **)&slots->device, BYTES));
    DUALPROP__CUDA_TRY(self, cudaHostAlloc((void **)&slots->pinned, BYTES, cudaHostAllocMapped));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(slots->device, 0, BYTES, self->stream));
    return DUALPROP_OK;
}

void dualprop__cuda_max_slots_destroy(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    if (dualprop__cuda_is_ours(self)) {
        if (slots->pinned) cudaFreeHost(slots->pinned);
        if (slots->device) cudaFree(slots->device);
    }
    dualprop__cuda_host_release(self, slots->targets, DUALPROP__CUDA_MAX_SLOTS * sizeof *slots->targets);
    memset(slots, 0, sizeof *slots);
}

dualprop_status dualprop__cuda_max_slot(dualprop__cuda *self, uint64_t **slot, double *target)
{
    struct dualprop__cuda_max_slots *slots = dualprop__cuda_max_slots_of(self);
    int i = 0;
    *slot = NULL;
    if (!target) return DUALPROP_OK;
    while (i < slots->count && slots->targets[i] != target) i++;
    if (i == DUALPROP__CUDA_MAX_SLOTS)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_LIMIT, "more than %d maxima were asked for at once",
                                   DUALPROP__CUDA_MAX_SLOTS);
    slots->targets[i] = target;
    if (i == slots->count) slots->count++;
    *slot = slots->device + i;
    return DUALPROP_OK;
}

static void copy_values(struct dualprop__cuda_max_slots *slots)
{
    for (int i = 0; i < slots->count; i++) memcpy(slots->targets[i], &slots->pinned[i], sizeof(double));
    slots->count = 0;
}

/* Copy the slots from the first on to the host, clear them, and wait. */
static dualprop_status fetch(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots, int first)
{
    size_t bytes = (size_t)(slots->count - first) * sizeof(uint64_t);
    uint64_t *from = slots->device + first;
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self, cudaMemcpyAsync(slots->pinned + first, from, bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(from, 0, bytes, self->stream));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    return DUALPROP_OK;
}

/* ---- read back in the middle of the work ---- */

#define NOT_READ_BACK UINT64_MAX /* no maximum has these bits */
#define LOOKS 256                /* between two questions whether the device works at all */
#define PATIENCE 64              /* such questions before other threads get the processor */

/* The last maxima that were to be written there have come, since a thread waited for them. */
void dualprop__cuda_max_abs_read_back(struct dualprop__cuda_command_list *list, uint64_t **to, int64_t *count)
{
    struct dualprop__cuda_max_slots *slots = &list->max_slots;
    list->read_back_count = slots->count;
    for (int i = 0; i < slots->count; i++) slots->pinned[i] = NOT_READ_BACK;
    *to = slots->pinned;
    *count = slots->count;
}

static int are_there(const struct dualprop__cuda_command_list *list)
{
    for (int i = 0; i < list->read_back_count; i++)
        if (__atomic_load_n(&list->max_slots.pinned[i], __ATOMIC_ACQUIRE) == NOT_READ_BACK) return 0;
    return 1;
}

/*
 * Look until the maxima are there. The stream is asked now and then: one that has failed never writes them, and one
 * that has nothing left to do has written them before it said so.
 */
static dualprop_status await(dualprop__cuda *self, const struct dualprop__cuda_command_list *list)
{
    cudaError_t stream = cudaErrorNotReady;
    for (int round = 0; stream == cudaErrorNotReady; round++) {
        for (int look = 0; look < LOOKS; look++)
            if (are_there(list)) return DUALPROP_OK;
        if (round >= PATIENCE) sched_yield();
        stream = cudaStreamQuery(self->stream);
    }
    cudaGetLastError();
    if (stream != cudaSuccess) return dualprop__cuda_status(self, stream, "cudaStreamQuery");
    if (are_there(list)) return DUALPROP_OK;
    return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "CUDA device %d did not report the maxima of a step",
                               self->device);
}

dualprop_status dualprop__cuda_max_abs_finish(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    DUALPROP__CUDA_PASS(await(self, list));
    DUALPROP__CUDA_PASS(fetch(self, &list->max_slots, list->read_back_count));
    copy_values(&list->max_slots);
    return DUALPROP_OK;
}

/* ---- what slots call ---- */

dualprop_status dualprop__cuda_max_abs_deliver(dualprop__cuda *self)
{
    if (dualprop__cuda_is_deferred(self)) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(fetch(self, &self->max_slots, 0));
    copy_values(&self->max_slots);
    return DUALPROP_OK;
}

/* The slots may have been raised already, so all are cleared. */
void dualprop__cuda_max_abs_drop(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    if (slots->count > 0 && self->dead == DUALPROP_OK)
        cudaMemsetAsync(slots->device, 0, (size_t)slots->count * sizeof(uint64_t), self->stream);
    slots->count = 0;
}
