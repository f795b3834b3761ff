/*
 * max_abs.c - maxima of |x| that kernels find: slots on the device, and the way from there to the host.
 *
 * A maximum is never negative, so its bits, read as a whole number, are in the order of the numbers, with NaN above
 * all. Kernels raise them by an atomic maximum, whose result does not depend on the order. A slot is zero whenever
 * it is free. Two calls that name the same target share a slot.
 *
 * Where learning steps are guarded (step_condition.cu) the maxima are read back in the middle of the work instead
 * of after it, and an event says when.
 */
#include "graph_cache.h"

#include <string.h>

#define BYTES (DUALPROP__CUDA_MAX_SLOTS * sizeof(uint64_t))

dualprop_status dualprop__cuda_max_slots_create(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    slots->targets = dualprop__cuda_host_allocate(self, DUALPROP__CUDA_MAX_SLOTS * sizeof *slots->targets);
    if (!slots->targets) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_TRY(self, cudaMalloc((void **)&slots->device, BYTES));
    DUALPROP__CUDA_TRY(self, cudaMallocHost((void **)&slots->pinned, BYTES));
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

dualprop_status dualprop__cuda_max_abs_fetch(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    size_t bytes = (size_t)slots->count * sizeof(uint64_t);
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(slots->pinned, slots->device, bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(slots->device, 0, bytes, self->stream));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    copy_values(slots);
    return DUALPROP_OK;
}

/* ---- read back in the middle of the work ---- */

#define NOT_READ_BACK UINT64_MAX /* no maximum has these bits */

struct read_back {
    uint64_t *pinned, *device;
    size_t bytes;
    cudaEvent_t read_back_done;
};

static dualprop_status run_read_back(dualprop__cuda *self, const void *arguments)
{
    const struct read_back *own = arguments;
    unsigned flags = self->capturing ? cudaEventRecordExternal : cudaEventRecordDefault;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(own->pinned, own->device, own->bytes, cudaMemcpyDeviceToHost, self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventRecordWithFlags(own->read_back_done, self->stream, flags));
    return DUALPROP_OK;
}

static dualprop_status run_clearing(dualprop__cuda *self, const void *arguments)
{
    const struct read_back *own = arguments;
    DUALPROP__CUDA_TRY(self, cudaMemsetAsync(own->device, 0, own->bytes, self->stream));
    return DUALPROP_OK;
}

static struct read_back read_back_of(const struct dualprop__cuda_command_list *list)
{
    const struct dualprop__cuda_max_slots *slots = &list->max_slots;
    return (struct read_back){ slots->pinned, slots->device, (size_t)list->read_back_count * sizeof(uint64_t),
                               list->read_back_done };
}

/* The last copy to the pinned slots has come, since a thread waited for it. */
dualprop_status dualprop__cuda_max_abs_read_back(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    list->read_back_count = list->max_slots.count;
    struct read_back read_back = read_back_of(list);
    for (int i = 0; i < list->read_back_count; i++) list->max_slots.pinned[i] = NOT_READ_BACK;
    return dualprop__cuda_issue(self, run_read_back, &read_back, sizeof read_back);
}

int dualprop__cuda_max_abs_is_read_back(const struct dualprop__cuda_command_list *list)
{
    return list->read_back_count > 0 && list->read_back_count == list->max_slots.count;
}

dualprop_status dualprop__cuda_max_abs_clear_read_back(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    struct read_back read_back = read_back_of(list);
    return dualprop__cuda_issue(self, run_clearing, &read_back, sizeof read_back);
}

static int is_there(const struct dualprop__cuda_command_list *list)
{
    for (int i = 0; i < list->read_back_count; i++)
        if (*(volatile uint64_t *)&list->max_slots.pinned[i] == NOT_READ_BACK) return 0;
    return 1;
}

/* The event is in a graph; should it ever come before the copy, waiting for all work is right in any case. */
dualprop_status dualprop__cuda_max_abs_finish_read_back(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    struct dualprop__cuda_max_slots *slots = &list->max_slots;
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(list->read_back_done));
    if (!is_there(list)) DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    if (!is_there(list))
        return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "CUDA device %d did not report the maxima of a step",
                                   self->device);
    copy_values(slots);
    return DUALPROP_OK;
}

/* ---- what slots call ---- */

dualprop_status dualprop__cuda_max_abs_deliver(dualprop__cuda *self)
{
    return dualprop__cuda_is_deferred(self) ? DUALPROP_OK : dualprop__cuda_max_abs_fetch(self, &self->max_slots);
}

/* The slots may have been raised already, so all are cleared. */
void dualprop__cuda_max_abs_drop(dualprop__cuda *self, struct dualprop__cuda_max_slots *slots)
{
    if (slots->count > 0 && self->dead == DUALPROP_OK)
        cudaMemsetAsync(slots->device, 0, (size_t)slots->count * sizeof(uint64_t), self->stream);
    slots->count = 0;
}
