/*
 * device.c - an instance's lock, the thread's current device, and what errors of the CUDA runtime mean to the library.
 */
#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ---- */

dualprop_status dualprop__cuda_fail(const dualprop__cuda *self, dualprop_status status, const char *format, ...)
{
    char sentence[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return self->host->fail(self->host->user_data, status, sentence);
}

/* Errors after which nothing works on the device until the process ends. */
static int is_sticky(cudaError_t error)
{
    switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorDevicesUnavailable:
    case cudaErrorExternalDevice:
    case cudaErrorMpsClientTerminated:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorUnknown: return 1;
    default: return 0;
    }
}

cudaError_t dualprop__cuda_device_error(const dualprop__cuda *self)
{
    cudaError_t error = self->capturing ? cudaPeekAtLastError() : cudaStreamQuery(self->stream);
    cudaGetLastError();
    return error == cudaErrorNotReady || !is_sticky(error) ? cudaSuccess : error;
}

static int name_length(const char *call)
{
    return (int)strcspn(call, "(");
}

dualprop_status dualprop__cuda_status(dualprop__cuda *self, cudaError_t error, const char *call)
{
    cudaGetLastError(); /* the runtime keeps what is not sticky for the next one who asks; we have taken it */
    if (error == cudaErrorMemoryAllocation)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_MEMORY, "out of memory on CUDA device %d (%.*s)",
                                   self->device, name_length(call), call);
    if (is_sticky(error)) {
        self->dead = DUALPROP_ERROR_DEVICE;
        snprintf(self->why_dead, sizeof self->why_dead, "CUDA device %d failed for good: %s (%.*s)", self->device,
                 cudaGetErrorString(error), name_length(call), call);
        return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "%s", self->why_dead);
    }
    return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "CUDA device %d: %s (%.*s)", self->device,
                               cudaGetErrorString(error), name_length(call), call);
}

/* ---- entering and leaving ---- */

int dualprop__cuda_is_ours(const dualprop__cuda *self)
{
    return self->process == getpid();
}

/* Does the process have a context on this device? Without an answer of the driver: yes. */
static int is_in_use(int device)
{
    static int (*get_state)(int device, unsigned *flags, int *active); /* cuDevicePrimaryCtxGetState(), by ordinal */
    unsigned flags = 0;
    int active = 1;
    void *symbol = NULL;
    enum cudaDriverEntryPointQueryResult found;
    if (!__atomic_load_n(&get_state, __ATOMIC_ACQUIRE)) {
        cudaError_t error =
            cudaGetDriverEntryPointByVersion("cuDevicePrimaryCtxGetState", &symbol, 12000, cudaEnableDefault, &found);
        if (error != cudaSuccess) cudaGetLastError();
        if (error != cudaSuccess || !symbol) return 1;
        __atomic_store_n((void **)&get_state, symbol, __ATOMIC_RELEASE);
    }
    return get_state(device, &flags, &active) != 0 || active;
}

/* The device comes first: a call before it would use the thread's old one. */
cudaError_t dualprop__cuda_push_device(const dualprop__cuda *self, struct dualprop__cuda_saved_device *saved)
{
    saved->device = self->device;
    saved->mode = cudaStreamCaptureModeRelaxed;
    cudaError_t error = cudaGetDevice(&saved->device);
    if (error != cudaSuccess) return error;
    if (saved->device != self->device) error = cudaSetDevice(self->device);
    if (error == cudaSuccess) error = cudaThreadExchangeStreamCaptureMode(&saved->mode);
    if (error != cudaSuccess && saved->device != self->device && is_in_use(saved->device)) cudaSetDevice(saved->device);
    return error;
}

void dualprop__cuda_pop_device(const dualprop__cuda *self, struct dualprop__cuda_saved_device *saved)
{
    cudaThreadExchangeStreamCaptureMode(&saved->mode);
    if (saved->device != self->device && is_in_use(saved->device)) cudaSetDevice(saved->device);
}

dualprop_status dualprop__cuda_enter(dualprop__cuda *self, struct dualprop__cuda_saved_device *saved)
{
    if (!dualprop__cuda_is_ours(self))
        return dualprop__cuda_fail(self, DUALPROP_ERROR_FORKED,
                                   "the CUDA device was opened in process %ld and cannot be used in process %ld",
                                   (long)self->process, (long)getpid());
    pthread_mutex_lock(&self->lock);
    if (self->dead != DUALPROP_OK) {
        pthread_mutex_unlock(&self->lock);
        return dualprop__cuda_fail(self, self->dead, "%s", self->why_dead);
    }
    cudaError_t error = dualprop__cuda_push_device(self, saved);
    if (error == cudaSuccess) return DUALPROP_OK;
    dualprop_status status = dualprop__cuda_status(self, error, "cudaSetDevice");
    pthread_mutex_unlock(&self->lock);
    return status;
}

dualprop_status dualprop__cuda_leave(dualprop__cuda *self, struct dualprop__cuda_saved_device *saved,
                                     dualprop_status status)
{
    if (status != DUALPROP_OK) dualprop__cuda_max_abs_drop(self, &self->max_slots);
    dualprop__cuda_pop_device(self, saved);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* ---- host memory ---- */

void *dualprop__cuda_host_allocate(dualprop__cuda *self, size_t size)
{
    void *memory = self->host->allocate(self->host->user_data, size, 64);
    if (memory) memset(memory, 0, size);
    else dualprop__cuda_fail(self, DUALPROP_ERROR_NO_MEMORY, "no memory for %zu bytes of the CUDA backend", size);
    return memory;
}

void dualprop__cuda_host_release(dualprop__cuda *self, void *memory, size_t size)
{
    if (memory) self->host->release(self->host->user_data, memory, size);
}
