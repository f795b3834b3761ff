/*
 * cudart.c - the stand-in for the CUDA runtime; see standin.h.
 */
#include "standin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/kernel_info.h"

#define GUARD 64
#define GUARD_BYTE 0xa5
#define IDLE_ELEMENTS 64    /* of kernels that run even so, since the host waits for what they write */
#define MOST_FILLED 1048576 /* of a block that large; filling all of a workspace would take most of the time */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static standin_state state = { .driver = 13000, .device_count = 1, .capability = 90, .memory = (size_t)8 << 30 };

/* ---- for the tests ---- */

standin_state *standin_control(void)
{
    return &state;
}

void standin_reset(void)
{
    long live = state.live;
    size_t used = state.used;
    memset(&state, 0, sizeof state);
    state = (standin_state){ .driver = 13000, .device_count = 1, .capability = 90, .memory = (size_t)8 << 30 };
    state.live = live;
    state.used = used;
}

void standin_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (state.complaints++ == 0) {
        vsnprintf(state.complaint, sizeof state.complaint, format, arguments);
        if (getenv("DUALPROP_TEST_TELL")) fprintf(stderr, "a rule was broken: %s\n", state.complaint);
    }
    va_end(arguments);
}

void *standin_open_real(const char *variable, const char *title)
{
    const char *path = getenv(variable);
    if (!path || !*path) return NULL;
    void *library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL); /* apart, since the two have one name */
    if (!library) standin_complain("the real %s cannot be loaded: %s", title, dlerror());
    return library;
}

void standin_made(long things)
{
    __atomic_fetch_add(&state.live, things, __ATOMIC_SEQ_CST);
}

static cudaError_t last;
static int sticky;
static int capturing; /* streams that do */

cudaError_t standin_call(const char *name)
{
    long number = __atomic_add_fetch(&state.calls, 1, __ATOMIC_SEQ_CST);
    if (number == state.fail_at) {
        snprintf(state.failed, sizeof state.failed, "%s", name);
        state.failed_in_graph = capturing > 0;
        last = (cudaError_t)state.fail_error;
        sticky = state.fail_sticky;
        return last;
    }
    if (state.fail_sticky && state.fail_at > 0 && number > state.fail_at) return (cudaError_t)state.fail_error;
    return cudaSuccess;
}

#define CALL()                                       \
    do {                                             \
        cudaError_t error_ = standin_call(__func__); \
        if (error_ != cudaSuccess) return error_;    \
    } while (0)

/* ---- memory ---- */

struct block {
    struct block *next;
    char *memory; /* after the first guard */
    size_t bytes;
    int pinned; /* memory of the host; MAPPED: that kernels may write to */
};

#define MAPPED 2

static struct block *blocks;

static struct block *find_block(const void *memory, size_t bytes)
{
    for (struct block *block = blocks; block; block = block->next)
        if ((const char *)memory >= block->memory && (const char *)memory + bytes <= block->memory + block->bytes)
            return block;
    return NULL;
}

void standin_check(const void *memory, size_t bytes, const char *what)
{
    if (state.lenient || bytes == 0) return;
    pthread_mutex_lock(&lock);
    struct block *block = find_block(memory, bytes);
    pthread_mutex_unlock(&lock);
    if (!block || block->pinned) standin_complain("%s: %zu bytes at %p are not device memory", what, bytes, memory);
}

void standin_extent(const void *address, const char **begin, const char **end)
{
    pthread_mutex_lock(&lock);
    const struct block *block = find_block(address, 1);
    pthread_mutex_unlock(&lock);
    int found = block && (!block->pinned || block->pinned == MAPPED);
    *begin = found ? block->memory : NULL;
    *end = found ? block->memory + block->bytes : NULL;
}

static cudaError_t make_block(void **memory, size_t bytes, int pinned)
{
    struct block *block = malloc(sizeof *block);
    char *begin = NULL;
    *memory = NULL;
    if (!pinned && state.used + bytes > state.memory) {
        free(block);
        return last = cudaErrorMemoryAllocation;
    }
    if (!block || posix_memalign((void **)&begin, 256, bytes + 256 + GUARD)) abort();
    memset(begin, GUARD_BYTE, 256);
    memset(begin + 256, 0xff, bytes < MOST_FILLED ? bytes : MOST_FILLED);
    memset(begin + 256 + bytes, GUARD_BYTE, GUARD);
    pthread_mutex_lock(&lock);
    *block = (struct block){ blocks, begin + 256, bytes, pinned };
    blocks = block;
    if (!pinned) state.used += bytes;
    pthread_mutex_unlock(&lock);
    standin_made(1);
    *memory = block->memory;
    return cudaSuccess;
}

static int is_intact(const struct block *block)
{
    for (int i = 0; i < GUARD; i++)
        if ((unsigned char)block->memory[-1 - i] != GUARD_BYTE ||
            (unsigned char)block->memory[block->bytes + (size_t)i] != GUARD_BYTE)
            return 0;
    return 1;
}

static cudaError_t drop_block(void *memory, int pinned)
{
    if (!memory) return cudaSuccess;
    pthread_mutex_lock(&lock);
    struct block **link = &blocks;
    while (*link && (*link)->memory != memory) link = &(*link)->next;
    struct block *block = *link;
    if (block) *link = block->next;
    if (block && !pinned) state.used -= block->bytes;
    pthread_mutex_unlock(&lock);
    if (!block || !block->pinned != !pinned) {
        standin_complain("%p was freed, but is no such memory", memory);
        return last = cudaErrorInvalidValue;
    }
    if (!is_intact(block)) standin_complain("something wrote around the %zu bytes at %p", block->bytes, memory);
    free(block->memory - 256);
    free(block);
    standin_made(-1);
    return cudaSuccess;
}

/* ---- streams: queues of work, and events that hold one up until another has come so far ---- */

/*
 * A piece of work; a mark, with which a stream says that it came to an event's record number `number`; or a barrier, at
 * which it waits until another stream has said so.
 */
struct work {
    struct work *next;
    void (*run)(const void *payload);
    cudaEvent_t mark, barrier;
    long number;
    size_t size;
    char payload[];
};

struct queue {
    struct work *first, **end;
};

struct CUgraph_st {
    struct queue queue;
};

struct CUgraphExec_st {
    struct queue queue;
};

struct CUstream_st {
    struct CUstream_st *next;
    struct queue queue;
    struct CUgraph_st *capturing;
    int number; /* 1, 2, ... in the order in which they were made after the last reset */
};

struct CUevent_st {
    struct CUstream_st *stream; /* of the last record */
    long recorded, come;        /* the last record's number, and that of the last one that was come to */
};

static struct CUstream_st legacy = { .queue = { NULL, &legacy.queue.first } };
static struct CUstream_st *streams = &legacy;
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER; /* of all queues and events */

static struct work *push(struct queue *queue, void (*run)(const void *payload), const void *payload, size_t size)
{
    struct work *work = calloc(1, sizeof *work + size);
    if (!work) abort();
    work->run = run;
    work->size = size;
    if (size > 0) memcpy(work->payload, payload, size);
    *queue->end = work;
    queue->end = &work->next;
    return work;
}

static void drop_queue(struct queue *queue)
{
    while (queue->first) {
        struct work *work = queue->first;
        queue->first = work->next;
        free(work);
    }
    queue->end = &queue->first;
}

static void drain_to(struct CUstream_st *stream, const struct CUevent_st *event, long number);

static void do_first(struct CUstream_st *stream)
{
    struct work *work = stream->queue.first;
    stream->queue.first = work->next;
    if (!stream->queue.first) stream->queue.end = &stream->queue.first;
    if (work->barrier) drain_to(work->barrier->stream, work->barrier, work->number);
    if (work->mark) work->mark->come = work->number;
    if (work->run) work->run(work->payload);
    free(work);
}

/* No more is done than has to be: of other streams what this one waits for, of this one what the event is behind. */
static void drain_to(struct CUstream_st *stream, const struct CUevent_st *event, long number)
{
    while (stream->queue.first && !(event && event->come >= number)) do_first(stream);
}

static void drain(struct CUstream_st *stream)
{
    pthread_mutex_lock(&pending_lock);
    drain_to(stream, NULL, 0);
    pthread_mutex_unlock(&pending_lock);
}

static void drain_all(void)
{
    pthread_mutex_lock(&pending_lock);
    for (struct CUstream_st *stream = streams; stream; stream = stream->next) drain_to(stream, NULL, 0);
    pthread_mutex_unlock(&pending_lock);
}

static struct CUstream_st *stream_of(cudaStream_t stream)
{
    return stream ? stream : &legacy;
}

/* A stream that runs ahead does its work as soon as nothing holds it up; the others when a thread waits. */
static void hurry(struct CUstream_st *stream)
{
    if (state.eager || (state.ahead > 0 && stream->number == state.ahead)) drain(stream);
}

void standin_enqueue(cudaStream_t given, void (*run)(const void *payload), const void *payload, size_t size)
{
    struct CUstream_st *stream = stream_of(given);
    if (stream->capturing) {
        push(&stream->capturing->queue, run, payload, size);
        return;
    }
    pthread_mutex_lock(&pending_lock);
    push(&stream->queue, run, payload, size);
    pthread_mutex_unlock(&pending_lock);
    hurry(stream);
}

/* ---- the runtime's calls ---- */

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "out of memory"
           : error == cudaErrorIllegalAddress ? "an illegal memory access"
                                              : "an error";
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last;
    if (!sticky) last = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = state.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    CALL();
    *count = state.device_count;
    if (state.driver < CUDART_VERSION) return last = cudaErrorInsufficientDriver;
    return state.device_count > 0 ? cudaSuccess : (last = cudaErrorNoDevice);
}

static _Thread_local int device;
static _Thread_local enum cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

/* Going back to what was before never fails by order: like releasing memory, it has no caller to report to. */
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode)
{
    if (*mode == cudaStreamCaptureModeRelaxed) CALL();
    enum cudaStreamCaptureMode before = capture_mode;
    capture_mode = *mode;
    *mode = before;
    state.relaxed += (capture_mode == cudaStreamCaptureModeRelaxed) - (before == cudaStreamCaptureModeRelaxed);
    return cudaSuccess;
}

/* May this thread do what would spoil a capture that another one has begun in the global mode? */
static cudaError_t allow_unsafe(const char *name)
{
    if (!state.foreign_capture || capture_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
    standin_complain("%s while another thread captures", name);
    return last = cudaErrorStreamCaptureUnsupported;
}

cudaError_t cudaGetDevice(int *number)
{
    CALL();
    *number = device;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int number)
{
    CALL();
    if (number >= state.device_count) return last = cudaErrorInvalidDevice;
    device = number;
    state.contexts |= 1 << number;
    return cudaSuccess;
}

static int primary_context_state(int number, unsigned *flags, int *active)
{
    *flags = 0;
    *active = state.contexts >> number & 1;
    return 0;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned int version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *found)
{
    int (*query)(int, unsigned *, int *) = primary_context_state;
    (void)version, (void)flags;
    *found = strcmp(name, "cuDevicePrimaryCtxGetState") == 0 ? cudaDriverEntryPointSuccess
                                                             : cudaDriverEntryPointSymbolNotFound;
    if (*found == cudaDriverEntryPointSuccess) memcpy(function, &query, sizeof query);
    return *found == cudaDriverEntryPointSuccess ? cudaSuccess : cudaErrorSymbolNotFound;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int number)
{
    CALL();
    (void)number;
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "stand-in without a GPU");
    properties->major = state.capability / 10;
    properties->minor = state.capability % 10;
    properties->multiProcessorCount = 132;
    properties->totalGlobalMem = state.memory;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function)
{
    CALL();
    (void)function;
    memset(attributes, 0, sizeof *attributes);
    return state.capability >= 75 ? cudaSuccess : (last = cudaErrorNoKernelImageForDevice);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all)
{
    CALL();
    *free_bytes = state.memory - state.used;
    *all = state.memory;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    CALL();
    state.mallocs++;
    if (allow_unsafe(__func__) != cudaSuccess) return last;
    return make_block(memory, bytes, 0);
}

cudaError_t cudaMallocManaged(void **memory, size_t bytes, unsigned int flags)
{
    CALL();
    (void)flags;
    return make_block(memory, bytes, 0);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int number)
{
    CALL();
    (void)number;
    *value = attribute != cudaDevAttrConcurrentManagedAccess || !state.no_managed;
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    CALL();
    state.mallocs++;
    if (allow_unsafe(__func__) != cudaSuccess) return last;
    return make_block(memory, bytes, 1);
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned int flags)
{
    CALL();
    state.mallocs++;
    if (allow_unsafe(__func__) != cudaSuccess) return last;
    return make_block(memory, bytes, flags & cudaHostAllocMapped ? MAPPED : 1);
}

/* Releasing never fails by order, so that what leaks is the module's fault; it waits for the device as the real one
 * does. */
cudaError_t cudaFree(void *memory)
{
    if (allow_unsafe(__func__) != cudaSuccess) return last;
    drain_all();
    return drop_block(memory, 0);
}

cudaError_t cudaFreeHost(void *memory)
{
    if (allow_unsafe(__func__) != cudaSuccess) return last;
    drain_all();
    return drop_block(memory, 1);
}

struct copy {
    void *to;
    const void *from;
    size_t bytes;
    int value;
};

static void do_copy(const void *payload)
{
    const struct copy *copy = payload;
    memmove(copy->to, copy->from, copy->bytes);
}

static void do_set(const void *payload)
{
    const struct copy *copy = payload;
    memset(copy->to, copy->value, copy->bytes);
}

/* From and to pageable memory the real one waits; from and to pinned memory it comes back at once. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    CALL();
    struct copy copy = { to, from, bytes, 0 };
    const void *host = kind == cudaMemcpyHostToDevice ? from : to;
    if (kind != cudaMemcpyHostToDevice) standin_check(from, bytes, "copy from the device");
    if (kind != cudaMemcpyDeviceToHost) standin_check(to, bytes, "copy to the device");
    pthread_mutex_lock(&lock);
    const struct block *block = kind == cudaMemcpyDeviceToDevice ? NULL : find_block(host, bytes);
    pthread_mutex_unlock(&lock);
    int pinned = kind == cudaMemcpyDeviceToDevice || (block && block->pinned);
    state.uploads += kind == cudaMemcpyHostToDevice;
    if (stream && stream->capturing && (kind == cudaMemcpyHostToDevice || !pinned))
        standin_complain("a copy from the host, or to memory that is not pinned, was captured");
    standin_enqueue(stream, do_copy, &copy, sizeof copy);
    if (!pinned) drain(stream_of(stream));
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    CALL();
    struct copy copy = { to, NULL, bytes, value };
    standin_check(to, bytes, "fill");
    standin_enqueue(stream, do_set, &copy, sizeof copy);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    CALL();
    *stream = calloc(1, sizeof **stream);
    if (!*stream) abort();
    if (flags != cudaStreamNonBlocking) standin_complain("a stream that waits for the legacy one was made");
    (*stream)->queue.end = &(*stream)->queue.first;
    (*stream)->number = ++state.streams;
    pthread_mutex_lock(&pending_lock);
    (*stream)->next = streams;
    streams = *stream;
    pthread_mutex_unlock(&pending_lock);
    standin_made(1);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    drain_all();
    pthread_mutex_lock(&pending_lock);
    struct CUstream_st **link = &streams;
    while (*link != stream) link = &(*link)->next;
    *link = stream->next;
    pthread_mutex_unlock(&pending_lock);
    free(stream);
    standin_made(-1);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    CALL();
    if (stream && stream->capturing) {
        standin_complain("a stream was waited for while it captures");
        return last = cudaErrorStreamCaptureUnsupported;
    }
    state.synchronizations++;
    drain(stream_of(stream));
    return cudaSuccess;
}

/* Time goes by between two questions: one piece of work is done. */
cudaError_t cudaStreamQuery(cudaStream_t given)
{
    struct CUstream_st *stream = stream_of(given);
    CALL();
    if (sticky) return (cudaError_t)state.fail_error;
    pthread_mutex_lock(&pending_lock);
    int busy = stream->queue.first != NULL;
    if (busy) do_first(stream);
    state.queries++;
    pthread_mutex_unlock(&pending_lock);
    return busy ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    CALL();
    (void)flags;
    *event = calloc(1, sizeof **event);
    if (!*event) abort();
    standin_made(1);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    drain_all();
    free(event);
    standin_made(-1);
    return cudaSuccess;
}

/* With pending_lock. */
static void record(cudaEvent_t event, struct CUstream_st *stream)
{
    struct work *work = push(&stream->queue, NULL, NULL, 0);
    event->stream = stream;
    work->mark = event;
    work->number = ++event->recorded;
}

/* Into a graph an event goes by its own flag only, as a node that records it each time the graph runs. */
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t given, unsigned int flags)
{
    CALL();
    struct CUstream_st *stream = stream_of(given);
    if ((stream->capturing != NULL) != (flags == cudaEventRecordExternal))
        standin_complain("an event was recorded with flags %u while the stream %s", flags,
                         stream->capturing ? "captures" : "does not capture");
    if (stream->capturing) {
        push(&stream->capturing->queue, NULL, NULL, 0)->mark = event;
        return cudaSuccess;
    }
    pthread_mutex_lock(&pending_lock);
    record(event, stream);
    pthread_mutex_unlock(&pending_lock);
    hurry(stream);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

/* An event that was never recorded has come already. */
cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    CALL();
    pthread_mutex_lock(&pending_lock);
    if (event->come < event->recorded) {
        state.synchronizations++;
        drain_to(event->stream, event, event->recorded);
    }
    pthread_mutex_unlock(&pending_lock);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t given, cudaEvent_t event, unsigned int flags)
{
    CALL();
    struct CUstream_st *stream = stream_of(given);
    if (stream->capturing || flags != cudaEventWaitDefault) standin_complain("a wait for an event was captured");
    pthread_mutex_lock(&pending_lock);
    if (event->recorded > 0) {
        struct work *work = push(&stream->queue, NULL, NULL, 0);
        work->barrier = event;
        work->number = event->recorded;
    }
    pthread_mutex_unlock(&pending_lock);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    CALL();
    (void)start, (void)end;
    *milliseconds = 1;
    return cudaSuccess;
}

/* ---- graphs ---- */

static void do_kernel(const void *payload);
static const char *kernel_name(const void *payload);

static const char *name_of(const struct work *work)
{
    return work->run == do_kernel ? kernel_name(work->payload)
           : work->run == do_copy ? "copy"
           : work->run == do_set  ? "fill"
           : work->mark           ? "event"
                                  : "a product or a convolution";
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    CALL();
    (void)mode;
    if (!stream || stream->capturing) return last = cudaErrorIllegalState;
    stream->capturing = calloc(1, sizeof *stream->capturing);
    if (!stream->capturing) abort();
    stream->capturing->queue.end = &stream->capturing->queue.first;
    capturing++;
    standin_made(1);
    return cudaSuccess;
}

/* Capturing ends whether or not the call is told to fail. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    cudaError_t error = standin_call(__func__);
    *graph = stream->capturing;
    stream->capturing = NULL;
    capturing--;
    if (error == cudaSuccess) return error;
    cudaGraphDestroy(*graph);
    *graph = NULL;
    return error;
}

/* With DUALPROP_TEST_NODES in the environment, what the nodes are. */
static void tell_nodes(const struct CUgraph_st *graph)
{
    if (!getenv("DUALPROP_TEST_NODES")) return;
    for (const struct work *work = graph->queue.first; work; work = work->next)
        fprintf(stderr, "node: %s\n", name_of(work));
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags)
{
    CALL();
    (void)flags;
    *executable = calloc(1, sizeof **executable);
    if (!*executable) abort();
    (*executable)->queue.end = &(*executable)->queue.first;
    state.nodes = 0;
    for (struct work *work = graph->queue.first; work; work = work->next, state.nodes++)
        push(&(*executable)->queue, work->run, work->payload, work->size)->mark = work->mark;
    tell_nodes(graph);
    standin_made(1);
    state.captures++;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    drop_queue(&graph->queue);
    free(graph);
    standin_made(-1);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    drain_all();
    drop_queue(&executable->queue);
    free(executable);
    standin_made(-1);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    CALL();
    state.graph_launches++;
    pthread_mutex_lock(&pending_lock);
    for (struct work *work = executable->queue.first; work; work = work->next) {
        if (work->mark) record(work->mark, stream_of(stream));
        else push(&stream_of(stream)->queue, work->run, work->payload, work->size);
    }
    pthread_mutex_unlock(&pending_lock);
    hurry(stream_of(stream));
    return cudaSuccess;
}

/* ---- kernels ---- */

struct launch {
    const dualprop__cuda_kernel_info *info;
    int64_t count;
    char body[4096];
};

static void do_kernel(const void *payload)
{
    const struct launch *launch = payload;
    if (!state.idle || launch->count <= IDLE_ELEMENTS) launch->info->serial(launch->body, launch->count);
}

static const char *kernel_name(const void *payload)
{
    return ((const struct launch *)payload)->info->name;
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 threads, void **arguments, size_t shared,
                             cudaStream_t stream)
{
    CALL();
    struct launch launch;
    const dualprop__cuda_kernel_info *info = *(const dualprop__cuda_kernel_info **)arguments[2];
    (void)function;
    if (info->magic != DUALPROP__CUDA_KERNEL_INFO || info->body_size > sizeof launch.body) {
        standin_complain("a kernel came without its kernel_info");
        return last = cudaErrorInvalidValue;
    }
    if (grid.x == 0 || grid.y != 1 || grid.z != 1 || threads.x == 0 || threads.x > 1024 || shared > 48 * 1024)
        standin_complain("kernel %s: a grid of %u x %u, %zu bytes shared", info->name, grid.x, threads.x, shared);
    launch.info = info;
    memcpy(&launch.count, arguments[1], sizeof launch.count);
    memcpy(launch.body, arguments[0], info->body_size);
    state.kernels++;
    state.by_fours += strstr(info->name, "by fours") != NULL;
    standin_enqueue(stream, do_kernel, &launch, offsetof(struct launch, body) + info->body_size);
    return cudaSuccess;
}

/* What the compiler puts into programs with kernels. */
void **__cudaRegisterFatBinary(void *binary);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterFunction(void **handle, const char *host, char *device_name, const char *name, int limit,
                            void *thread, void *block, void *block_size, void *grid_size, int *warp);
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 threads, size_t shared, void *stream);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *threads, size_t *shared, void *stream);
cudaError_t __cudaGetKernel(void **kernel, const void *function);
cudaError_t __cudaLaunchKernel(void *kernel, dim3 grid, dim3 threads, void **arguments, size_t shared,
                               cudaStream_t stream);

void **__cudaRegisterFatBinary(void *binary)
{
    static void *handle;
    (void)binary;
    return &handle;
}

void __cudaRegisterFatBinaryEnd(void **handle)
{
    (void)handle;
}

void __cudaUnregisterFatBinary(void **handle)
{
    (void)handle;
}

void __cudaRegisterFunction(void **handle, const char *host, char *device_name, const char *name, int limit,
                            void *thread, void *block, void *block_size, void *grid_size, int *warp)
{
    (void)handle, (void)host, (void)device_name, (void)name, (void)limit, (void)thread, (void)block, (void)block_size;
    (void)grid_size, (void)warp;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 threads, size_t shared, void *stream)
{
    (void)grid, (void)threads, (void)shared, (void)stream;
    standin_complain("a kernel was launched past launch.cuh");
    return 1;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *threads, size_t *shared, void *stream)
{
    (void)grid, (void)threads, (void)shared, (void)stream;
    return cudaErrorInvalidValue;
}

cudaError_t __cudaGetKernel(void **kernel, const void *function)
{
    (void)function;
    *kernel = NULL;
    return cudaErrorInvalidValue;
}

cudaError_t __cudaLaunchKernel(void *kernel, dim3 grid, dim3 threads, void **arguments, size_t shared,
                               cudaStream_t stream)
{
    (void)kernel, (void)grid, (void)threads, (void)arguments, (void)shared, (void)stream;
    standin_complain("a kernel was launched past launch.cuh");
    return cudaErrorInvalidValue;
}
