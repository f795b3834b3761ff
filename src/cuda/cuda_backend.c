/*
 * cuda_backend.c - the backend's table; finding the device, creating and destroying an instance.
 */
#include "slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OLDEST_CAPABILITY 75

/* ---- finding the device ---- */

/* Why there is none: no driver, one too old, or no device. */
static dualprop_status no_device(dualprop__cuda *self, cudaError_t error)
{
    int driver = 0, runtime = 0;
    cudaGetLastError();
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = CUDART_VERSION;
    if (error == cudaErrorInsufficientDriver && driver == 0)
        return dualprop__cuda_fail(
            self, DUALPROP_ERROR_NO_DEVICE,
            "there is no CUDA device: no NVIDIA driver is installed (libcuda.so.1 is missing or does not answer)");
    if (error == cudaErrorInsufficientDriver)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE,
                                   "the NVIDIA driver is for CUDA %d.%d; the runtime library %d.%d needs a newer one",
                                   driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
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
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slots_create(self, &self->max_slots));
    DUALPROP__CUDA_PASS(dualprop__cuda_uploads_create(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_input_staging_create(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_graph_cache_create(self));
    return dualprop__cuda_products_create(self);
}

/* In a child of the process that made the instance the device is left alone, and only host memory is released. */
static void destroy_parts(dualprop__cuda *self)
{
    int ours = dualprop__cuda_is_ours(self);
    if (ours && self->stream) cudaStreamSynchronize(self->stream);
    dualprop__cuda_dnn_destroy(self);
    dualprop__cuda_products_destroy(self);
    dualprop__cuda_graph_cache_destroy(self);
    dualprop__cuda_input_staging_destroy(self);
    dualprop__cuda_uploads_destroy(self);
    dualprop__cuda_max_slots_destroy(self, &self->max_slots);
    if (!ours) return;
    if (self->scratch_pinned) cudaFreeHost(self->scratch_pinned);
    if (self->scratch) cudaFree(self->scratch);
    for (int i = 0; i < self->retired_count; i++) cudaFree(self->retired[i]);
    if (self->workspace) cudaFree(self->workspace);
    if (self->own_stream) cudaStreamDestroy(self->own_stream);
    cudaGetLastError();
}

static void log_graphs(const dualprop__cuda *self)
{
    char message[120];
    snprintf(message, sizeof message, "%lld launches of CUDA graphs, %lld graphs refused",
             (long long)self->graph_launches, (long long)self->graphs_refused);
    self->host->log(self->host->user_data, DUALPROP_LOG_DEBUG, "cuda", message);
}

static void destroy(void *instance)
{
    dualprop__cuda *self = instance;
    struct dualprop__cuda_saved_device saved;
    int ours = dualprop__cuda_is_ours(self), pushed = ours && dualprop__cuda_push_device(self, &saved) == cudaSuccess;
    if (ours && self->cached_graphs) log_graphs(self);
    destroy_parts(self);
    if (pushed) dualprop__cuda_pop_device(self, &saved);
    if (ours && self->has_lock) pthread_mutex_destroy(&self->lock);
    self->host->release(self->host->user_data, self, sizeof *self);
}

static dualprop_status open_device(dualprop__cuda *self)
{
    struct dualprop__cuda_saved_device saved;
    DUALPROP__CUDA_PASS(find_device(self));
    DUALPROP__CUDA_TRY(self, dualprop__cuda_push_device(self, &saved));
    dualprop_status status = create_parts(self);
    dualprop__cuda_pop_device(self, &saved);
    return status;
}

/* An older library's host has no settings. */
static void copy_settings(dualprop__cuda *self, const dualprop_host *host)
{
    if (host->struct_size < sizeof *host) return;
    self->numerics = host->numerics;
    self->autotune = host->autotune;
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
    copy_settings(self, host);
    self->has_lock = pthread_mutex_init(&self->lock, NULL) == 0;
    dualprop_status status = open_device(self);
    if (status != DUALPROP_OK) destroy(self);
    else *instance = self;
    return status;
}

/* ---- describing, waiting, streams ---- */

/* A variable by which NVIDIA's libraries replace strict f32 by something with fewer digits, without a word. */
static const char *override_of_strict(const dualprop__cuda *self)
{
    static const char *const names[] = { "NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION",
                                         "CUBLAS_EMULATION_STRATEGY" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = secure_getenv(names[i]);
        if (value && *value && strcmp(value, "0") != 0 && self->numerics == DUALPROP_NUMERICS_STRICT) return names[i];
    }
    return NULL;
}

static void describe(void *instance, char *buffer, size_t size)
{
    static const char *const numerics[] = { "strict f32", "TF32", "BF16 products" };
    const dualprop__cuda *self = instance;
    int runtime = 0;
    const char *override = override_of_strict(self);
    if (size == 0) return;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = CUDART_VERSION;
    snprintf(buffer, size, "%s, compute capability %d.%d, CUDA %d.%d, cuBLASLt %zu, %s%s%s%s", self->properties.name,
             self->properties.major, self->properties.minor, runtime / 1000, runtime % 1000 / 10,
             dualprop__cuda_products_version(self), numerics[self->numerics],
             self->autotune ? ", engines chosen by timing" : "", override ? ", but with fewer digits because of " : "",
             override ? override : "");
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

/* A device that has failed ends the section all the same. */
static dualprop_status end_deferred(void *self, int discard)
{
    struct dualprop__cuda_saved_device saved;
    dualprop_status status = dualprop__cuda_enter(self, &saved);
    if (status == DUALPROP_OK) return dualprop__cuda_leave(self, &saved, dualprop__cuda_end_deferred(self, discard));
    dualprop__cuda_abandon(self);
    return status;
}

static dualprop_status submit_deferred(void *instance, void **section)
{
    dualprop__cuda *self = instance;
    struct dualprop__cuda_saved_device saved;
    struct dualprop__cuda_command_list *list = NULL;
    dualprop_status status = dualprop__cuda_enter(self, &saved);
    *section = NULL;
    if (status != DUALPROP_OK) {
        dualprop__cuda_abandon(self);
        return status;
    }
    status = dualprop__cuda_leave(self, &saved, dualprop__cuda_submit_deferred(self, &list));
    *section = list;
    return status;
}

static dualprop_status collect_deferred(void *instance, void *section)
{
    dualprop__cuda *self = instance;
    struct dualprop__cuda_saved_device saved;
    dualprop_status status = dualprop__cuda_enter(self, &saved);
    if (status == DUALPROP_OK)
        return dualprop__cuda_leave(self, &saved, dualprop__cuda_collect_deferred(self, section));
    dualprop__cuda_abandon_submitted(self, section);
    return status;
}

/* ---- the table ---- */

#define CUDA_ENTRY(result, name, parameters, arguments) .name = dualprop__cuda_##name,

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
    DUALPROP__LAYOUT_SLOTS(CUDA_ENTRY) DUALPROP__COMPUTING_SLOTS(CUDA_ENTRY).set_stream = set_stream,
    .begin_deferred = begin_deferred,
    .end_deferred = end_deferred,
    .gate_steps = dualprop__cuda_gate_steps,
    .submit_deferred = submit_deferred,
    .collect_deferred = collect_deferred,
};

__attribute__((visibility("default"))) const dualprop_backend *dualprop_backend_entry(void);
const dualprop_backend *dualprop_backend_entry(void)
{
    return &table;
}
