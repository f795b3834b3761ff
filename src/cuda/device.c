/*
 * device.c - making and ending an instance, its lock, and what errors of the CUDA runtime mean to the library.
 */
#include "slots.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OLDEST_CAPABILITY 75

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
    case cudaErrorUnknown: return 1;
    default: return 0;
    }
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

cudaError_t dualprop__cuda_arrive(const dualprop__cuda *self, struct dualprop__cuda_visit *visit)
{
    visit->device = self->device;
    visit->mode = cudaStreamCaptureModeRelaxed;
    cudaError_t error = cudaThreadExchangeStreamCaptureMode(&visit->mode);
    if (error != cudaSuccess) return error;
    error = cudaGetDevice(&visit->device);
    if (error == cudaSuccess && visit->device != self->device) error = cudaSetDevice(self->device);
    if (error != cudaSuccess) cudaThreadExchangeStreamCaptureMode(&visit->mode);
    return error;
}

void dualprop__cuda_depart(const dualprop__cuda *self, struct dualprop__cuda_visit *visit)
{
    if (visit->device != self->device) cudaSetDevice(visit->device);
    cudaThreadExchangeStreamCaptureMode(&visit->mode);
}

dualprop_status dualprop__cuda_enter(dualprop__cuda *self, struct dualprop__cuda_visit *visit)
{
    if (!dualprop__cuda_is_ours(self))
        return dualprop__cuda_fail(self, DUALPROP_ERROR_FORKED,
                                   "the CUDA device was opened in process %ld and cannot be "
                                   "used in process %ld",
                                   (long)self->process, (long)getpid());
    pthread_mutex_lock(&self->lock);
    if (self->dead != DUALPROP_OK) {
        pthread_mutex_unlock(&self->lock);
        return dualprop__cuda_fail(self, self->dead, "%s", self->why_dead);
    }
    cudaError_t error = dualprop__cuda_arrive(self, visit);
    if (error == cudaSuccess) return DUALPROP_OK;
    dualprop_status status = dualprop__cuda_status(self, error, "cudaSetDevice");
    pthread_mutex_unlock(&self->lock);
    return status;
}

dualprop_status dualprop__cuda_leave(dualprop__cuda *self, struct dualprop__cuda_visit *visit, dualprop_status status)
{
    if (status != DUALPROP_OK) dualprop__cuda_peaks_drop(self, &self->peaks);
    dualprop__cuda_depart(self, visit);
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

/* ---- finding the device ---- */

/* Why there is none: no driver, one too old, or no device. */
static dualprop_status no_device(dualprop__cuda *self, cudaError_t error)
{
    int driver = 0, runtime = 0;
    cudaGetLastError();
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = CUDART_VERSION;
    if (error == cudaErrorInsufficientDriver && driver == 0)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE,
                                   "there is no CUDA device: no NVIDIA driver is installed (libcuda.so.1 is "
                                   "missing or does not answer)");
    if (error == cudaErrorInsufficientDriver)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE, "the NVIDIA driver is for CUDA %d.%d; the runtime "
                                   "library %d.%d needs a newer one", driver / 1000, driver % 1000 / 10, runtime / 1000,
                                   runtime % 1000 / 10);
    if (error == cudaErrorNoDevice || error == cudaSuccess)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE, "no CUDA device is visible to this process");
    return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE, "CUDA devices cannot be counted: %s",
                               cudaGetErrorString(error));
}

static dualprop_status find_device(dualprop__cuda *self)
{
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) return no_device(self, error);
    if (self->device >= count)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE,
                                   "device is %d; expected 0..%d, the CUDA devices here", self->device, count - 1);
    DUALPROP__CUDA_TRY(self, cudaGetDeviceProperties(&self->properties, self->device));
    if (self->properties.major * 10 + self->properties.minor < OLDEST_CAPABILITY)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE,
                                   "CUDA device %d has compute capability %d.%d; expected "
                                   "7.5 or later",
                                   self->device, self->properties.major, self->properties.minor);
    return DUALPROP_OK;
}

/* ---- creating and destroying ---- */

static dualprop_status create_parts(dualprop__cuda *self)
{
    DUALPROP__CUDA_TRY(self, cudaStreamCreateWithFlags(&self->own_stream, cudaStreamNonBlocking));
    self->stream = self->own_stream;
    DUALPROP__CUDA_PASS(dualprop__cuda_kernels_check(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, (size_t)DUALPROP__CUDA_PRODUCT_WORKSPACE));
    DUALPROP__CUDA_TRY(self, cudaMalloc(&self->scratch, DUALPROP__CUDA_SCRATCH));
    DUALPROP__CUDA_TRY(self, cudaMallocHost(&self->scratch_pinned, DUALPROP__CUDA_SCRATCH));
    DUALPROP__CUDA_PASS(dualprop__cuda_peaks_create(self, &self->peaks));
    DUALPROP__CUDA_PASS(dualprop__cuda_uploads_create(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_inbox_create(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_programs_create(self));
    return dualprop__cuda_products_create(self);
}

/* In a child of the process that made the instance the device is left alone, and only host memory is given back. */
static void destroy_parts(dualprop__cuda *self)
{
    int ours = dualprop__cuda_is_ours(self);
    if (ours && self->stream) cudaStreamSynchronize(self->stream);
    dualprop__cuda_dnn_destroy(self);
    dualprop__cuda_products_destroy(self);
    dualprop__cuda_programs_destroy(self);
    dualprop__cuda_inbox_destroy(self);
    dualprop__cuda_uploads_destroy(self);
    dualprop__cuda_peaks_destroy(self, &self->peaks);
    if (!ours) return;
    if (self->scratch_pinned) cudaFreeHost(self->scratch_pinned);
    if (self->scratch) cudaFree(self->scratch);
    for (int i = 0; i < self->retired_count; i++) cudaFree(self->retired[i]);
    if (self->workspace) cudaFree(self->workspace);
    if (self->own_stream) cudaStreamDestroy(self->own_stream);
    cudaGetLastError();
}

static void destroy(void *instance)
{
    dualprop__cuda *self = instance;
    struct dualprop__cuda_visit visit;
    int ours = dualprop__cuda_is_ours(self), arrived = ours && dualprop__cuda_arrive(self, &visit) == cudaSuccess;
    destroy_parts(self);
    if (arrived) dualprop__cuda_depart(self, &visit);
    if (ours && self->has_lock) pthread_mutex_destroy(&self->lock);
    self->host->release(self->host->user_data, self, sizeof *self);
}

static dualprop_status open_device(dualprop__cuda *self)
{
    struct dualprop__cuda_visit visit;
    DUALPROP__CUDA_PASS(find_device(self));
    DUALPROP__CUDA_TRY(self, dualprop__cuda_arrive(self, &visit));
    dualprop_status status = create_parts(self);
    dualprop__cuda_depart(self, &visit);
    return status;
}

/* An older library's host has no settings. */
static void take_settings(dualprop__cuda *self, const dualprop_host *host)
{
    if (host->struct_size < sizeof *host) return;
    self->numerics = host->numerics;
    self->deterministic = host->deterministic;
    self->device = host->device;
}

static dualprop_status create(void **instance, const dualprop_host *host, int type, int level)
{
    (void)level;
    *instance = NULL;
    if (type != DUALPROP_F32)
        return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED,
                          "the CUDA backend computes in f32; f64 is for the CPU");
    dualprop__cuda *self = host->allocate(host->user_data, sizeof *self, 64);
    if (!self) return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the CUDA backend");
    memset(self, 0, sizeof *self);
    self->host = host;
    self->process = getpid();
    take_settings(self, host);
    self->has_lock = pthread_mutex_init(&self->lock, NULL) == 0;
    dualprop_status status = open_device(self);
    if (status != DUALPROP_OK) destroy(self);
    else *instance = self;
    return status;
}

/* ---- describing, waiting, streams ---- */

static void describe(void *instance, char *buffer, size_t size)
{
    static const char *const numerics[] = { "strict f32", "TF32", "BF16 products" };
    const dualprop__cuda *self = instance;
    int runtime = 0;
    if (size == 0) return;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = CUDART_VERSION;
    snprintf(buffer, size, "%s, compute capability %d.%d, CUDA %d.%d, cuBLASLt %zu, %s%s",
             self->properties.name, self->properties.major, self->properties.minor, runtime / 1000, runtime % 1000 / 10,
             dualprop__cuda_products_version(self), numerics[self->numerics],
             self->deterministic ? ", deterministic" : "");
}

static dualprop_status wait(dualprop__cuda *self)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    DUALPROP__CUDA_TRY(self, cudaStreamSynchronize(self->stream));
    return DUALPROP_OK;
}

static dualprop_status synchronize(void *self)
{
    DUALPROP__CUDA_SLOT(self, wait(self));
}

static dualprop_status change_stream(dualprop__cuda *self, cudaStream_t stream)
{
    DUALPROP__CUDA_PASS(wait(self));
    self->stream = stream ? stream : self->own_stream;
    return DUALPROP_OK;
}

static dualprop_status set_stream(void *self, void *stream)
{
    DUALPROP__CUDA_SLOT(self, change_stream(self, stream));
}

static dualprop_status begin_deferred(void *self)
{
    DUALPROP__CUDA_SLOT(self, dualprop__cuda_begin_deferred(self));
}

/* A device that has failed ends the stretch all the same. */
static dualprop_status end_deferred(void *self, int discard)
{
    struct dualprop__cuda_visit visit;
    dualprop_status status = dualprop__cuda_enter(self, &visit);
    if (status == DUALPROP_OK)
        return dualprop__cuda_leave(self, &visit, dualprop__cuda_end_deferred(self, discard));
    dualprop__cuda_abandon(self);
    return status;
}

/* ---- the table ---- */

static const dualprop_backend table = {
    .struct_size = sizeof(dualprop_backend),
    .api = DUALPROP_BACKEND_API,
    .flags = 0,
    .name = "cuda",
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .allocate = dualprop__cuda_allocate,
    .release = dualprop__cuda_release,
    .copy_in = dualprop__cuda_copy_in,
    .copy_out = dualprop__cuda_copy_out,
    .copy = dualprop__cuda_copy,
    .fill_zero = dualprop__cuda_fill_zero,
    .synchronize = synchronize,
    .weight_elements = dualprop__cuda_weight_elements,
    .write_weights = dualprop__cuda_write_weights,
    .read_weights = dualprop__cuda_read_weights,
    .dense_workspace = dualprop__cuda_dense_workspace,
    .dense_bottom_up = dualprop__cuda_dense_bottom_up,
    .dense_top_down = dualprop__cuda_dense_top_down,
    .dense_gradient = dualprop__cuda_dense_gradient,
    .dyad_update = dualprop__cuda_dyad_update,
    .output_step = dualprop__cuda_output_step,
    .evaluate = dualprop__cuda_evaluate,
    .load_input = dualprop__cuda_load_input,
    .optimizer_step = dualprop__cuda_optimizer_step,
    .compare = dualprop__cuda_compare,
    .max_abs = dualprop__cuda_max_abs,
    .fill_uniform = dualprop__cuda_fill_uniform,
    .convolution_weight_elements = dualprop__cuda_convolution_weight_elements,
    .write_convolution_weights = dualprop__cuda_write_convolution_weights,
    .read_convolution_weights = dualprop__cuda_read_convolution_weights,
    .convolution_workspace = dualprop__cuda_convolution_workspace,
    .convolution_cache = dualprop__cuda_convolution_cache,
    .convolution_prepare = dualprop__cuda_convolution_prepare,
    .convolution_bottom_up = dualprop__cuda_convolution_bottom_up,
    .convolution_top_down = dualprop__cuda_convolution_top_down,
    .convolution_gradient = dualprop__cuda_convolution_gradient,
    .dyad_general = dualprop__cuda_dyad_general,
    .output_proximal = dualprop__cuda_output_proximal,
    .set_stream = set_stream,
    .begin_deferred = begin_deferred,
    .end_deferred = end_deferred,
    .guard_steps = dualprop__cuda_guard_steps,
};

__attribute__((visibility("default"))) const dualprop_backend *dualprop_backend_entry(void);
const dualprop_backend *dualprop_backend_entry(void)
{
    return &table;
}
