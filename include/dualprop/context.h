/*
 * dualprop/context.h - where everything comes from: backend, threads, memory, files, errors.
 *
 * A context chooses a backend and a precision once and for all; networks, rules, states and optimizers are made from
 * it. There is no global state: two contexts know nothing of each other. Destroying a context that still has children
 * only marks it; it goes when the last child does.
 *
 * Threads: a context may be shared; its own calls lock.
 */
#ifndef DUALPROP_CONTEXT_H
#define DUALPROP_CONTEXT_H

#include "types.h"
#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Memory for everything the library allocates. All members but user_data are required. */
typedef struct dualprop_allocator {
    uint64_t struct_size; /**< sizeof(dualprop_allocator) */
    /** Give size > 0 bytes aligned to alignment (a power of two), or NULL. Called from the calling thread only. */
    void *(*allocate)(void *user_data, size_t size, size_t alignment);
    /** Take back what allocate gave, with the same size; pointer is never NULL. */
    void (*release)(void *user_data, void *pointer, size_t size);
    void *user_data;
} dualprop_allocator;

/**
 * Files. Each member returns 0 or a count on success and a negative errno on failure; short reads and writes and
 * -EINTR are retried by the library. All members but user_data and remove_stale are required. Called from the calling
 * thread only, which pthread_cancel() does not end meanwhile.
 */
typedef struct dualprop_io {
    uint64_t struct_size; /**< sizeof(dualprop_io) */
    /** Open a regular file for reading (writable = 0), or make a new one that must not exist (writable = 1). */
    int64_t (*open)(void *user_data, const char *path, int writable);
    int64_t (*size)(void *user_data, int64_t file);
    int64_t (*read)(void *user_data, int64_t file, void *buffer, size_t size);
    int64_t (*write)(void *user_data, int64_t file, const void *buffer, size_t size);
    /** Return when what was written is on the disk. A failure is never followed by another try. */
    int64_t (*sync)(void *user_data, int64_t file);
    int64_t (*close)(void *user_data, int64_t file);
    int64_t (*rename)(void *user_data, const char *from, const char *to);
    int64_t (*remove)(void *user_data, const char *path);
    /** Return when the folder's names are on the disk; 0 where there is nothing to sync; -EACCES, -EPERM: may not. */
    int64_t (*sync_folder)(void *user_data, const char *path_of_a_file_in_it);
    void *user_data;
    /** Remove what dead savers of path left (PATH.PROCESS-NUMBER.tmp). Called before a save; may fail; may be NULL. */
    int64_t (*remove_stale)(void *user_data, const char *path);
} dualprop_io;

/** Starts and joins worker threads. start returns 0 and a thread, or an errno. */
typedef struct dualprop_threads {
    uint64_t struct_size; /**< sizeof(dualprop_threads) */
    int (*start)(void *user_data, void **thread, void *(*main)(void *), void *argument);
    void (*join)(void *user_data, void *thread);
    void *user_data;
} dualprop_threads;

/** Loads backend modules. error gives a sentence about the last failure. */
typedef struct dualprop_loader {
    uint64_t struct_size; /**< sizeof(dualprop_loader) */
    void *(*open)(void *user_data, const char *path);
    void *(*symbol)(void *user_data, void *module, const char *name);
    const char *(*error)(void *user_data);
    void *user_data;
} dualprop_loader;

struct dualprop_backend;

/** Options of dualprop_context_create(). Start from DUALPROP_OPTIONS_INIT; zero means the default everywhere. */
typedef struct dualprop_options {
    uint64_t struct_size;                   /**< sizeof(dualprop_options) */
    uint32_t version;                       /**< DUALPROP_VERSION as the caller compiled it: the handshake */
    int32_t precision;                      /**< DUALPROP_F32 (default) or DUALPROP_F64, for everything in it */
    int32_t threads;                        /**< 1 by default; DUALPROP_ALL_CPUS for all the process may use */
    int32_t level;                          /**< DUALPROP_LEVEL_...; AUTO by default */
    const dualprop_allocator *allocator;    /**< copied; NULL = malloc */
    const dualprop_io *io;                  /**< copied; NULL = POSIX files */
    const dualprop_threads *thread_hooks;   /**< copied; NULL = pthreads */
    const dualprop_loader *loader;          /**< copied; NULL = dlopen */
    const struct dualprop_backend *backend; /**< borrowed for the context's life: a table of your own; NULL = ours */
    const char *module;                     /**< borrowed for the call: the CUDA module's file; NULL = look for it */
    int32_t numerics;                       /**< DUALPROP_NUMERICS_...; only backends on a device take others than STRICT */
    int32_t deterministic;                  /**< 1: on a device too, the same bits in every run; 0: it may choose by timing */
    int32_t device;                         /**< which CUDA device, from 0; see below */
    int32_t reserved;                       /**< 0; else INVALID_ARGUMENT */
} dualprop_options;

/*
 * Every call makes `device` the calling thread's current CUDA device and gives back what was current before. With CUDA
 * 12 and later that makes a CUDA context there too, of some hundred MB, if the process has not used that device yet: so
 * in a process that uses one device of several, make it the current one first, or name it in CUDA_VISIBLE_DEVICES. The
 * backend works in the device's primary context, as the CUDA runtime does; one made by cuCtxCreate() must not be
 * current in a call. Captures of CUDA graphs that other threads have begun go on undisturbed.
 */

/** Ask for all CPUs that the process may use (affinity mask and cgroup limit). */
#define DUALPROP_ALL_CPUS (-1)

/** The start of a dualprop_options: size and version filled in, defaults everywhere else. */
#define DUALPROP_OPTIONS_INIT \
    { sizeof(dualprop_options), DUALPROP_VERSION, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0 }

/** Levels of log messages. */
enum { DUALPROP_LOG_ERROR = 0, DUALPROP_LOG_WARNING = 1, DUALPROP_LOG_INFO = 2, DUALPROP_LOG_DEBUG = 3 };

/** Receives log messages. message is borrowed for the call. Must not call the library with the same context. */
typedef void (*dualprop_log)(void *user_data, int level, const char *component, const char *message);

/** Runs task(argument, i) for every i in 0..count-1, in any order and on any threads, and returns when all are done. */
typedef void (*dualprop_parallel_for)(void *user_data, void (*task)(void *argument, int64_t index), void *argument,
                                      int64_t count);

/**
 * Create a context.
 *
 * @param context  receives the context; the caller destroys it; NULL on failure
 * @param backend  DUALPROP_BACKEND_...; AUTO falls back (and logs why), a named one that is absent is an error.
 *                 Ignored where options->backend is given
 * @param options  NULL for the defaults, else copied
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  an option out of range, or a struct_size larger than this library knows
 *                                          with a tail that is not zero
 *         DUALPROP_ERROR_BACKEND_VERSION   options->version is a header this library cannot serve; the text names both
 *         DUALPROP_ERROR_NO_BACKEND, _NO_DEVICE  the named backend is not to be had here; the text says why
 *         DUALPROP_ERROR_THREAD            no worker thread could be started
 *         DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Allocates: here and in the _create calls only.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_create(dualprop_context **context, int backend, const dualprop_options *options);

/** Destroy a context; NULL is fine. It stays alive inside until its last child is destroyed. Since: 0.1. */
DUALPROP_API void dualprop_context_destroy(dualprop_context *context);

/**
 * Copy the sentence that explains the calling thread's last failed call.
 *
 * @param buffer   receives the text, cut to fit and closed by a zero; may be NULL when size is 0
 * @param size     bytes in buffer
 * @param needed   receives the bytes the whole text needs, zero included; may be NULL
 * @param context  whose error to give; NULL for the thread's last error, whichever context it was of (also the only
 *                 way to read why dualprop_context_create() failed)
 * @return DUALPROP_OK; never changes the last error
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_last_error(char *buffer, size_t size, size_t *needed, const dualprop_context *context);

/**
 * Set who receives log messages; nobody at first. The current backend, its level and why AUTO chose it are logged
 * at once.
 *
 * @param log        NULL for nobody
 * @param user_data  handed to log
 * @param level      the least important level wanted, DUALPROP_LOG_...
 * Threads: any; log itself may be called from any thread that uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_log(dualprop_context *context, dualprop_log log, void *user_data, int level);

/**
 * Let the caller's own threads do the work instead of the context's pool. Results have the same bits either way.
 *
 * @param run      NULL for the context's own pool again
 * @param threads  how many tasks run at once, at most
 * @return DUALPROP_OK or DUALPROP_ERROR_INVALID_ARGUMENT (threads < 1 or > 1024)
 * Threads: not while another call uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_parallel_for(dualprop_context *context, dualprop_parallel_for run, void *user_data, int threads);

/**
 * Let all work of a context on a CUDA device go into the caller's stream, after what is in it already.
 *
 * What the old stream still has to do is waited for first. Calls that give numbers to the host wait for the stream;
 * others may return while the device is still at work.
 *
 * @param stream  a cudaStream_t of the context's device, which must outlive its use; NULL for the context's own stream
 *                again. The legacy default stream, whose handle elsewhere is 0 too (PyTorch's, unless told otherwise),
 *                is cudaStreamLegacy here. Not cudaStreamPerThread, which is another stream in every thread.
 * @return DUALPROP_OK, DUALPROP_ERROR_UNSUPPORTED where the backend has no streams, or DUALPROP_ERROR_DEVICE
 * Threads: not while another call uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_set_stream(dualprop_context *context, void *stream);

/** Wait until a device has done all that this context asked of it; on the CPU that is always so. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_synchronize(dualprop_context *context);

/**
 * Ask running calls on this context to stop: they return DUALPROP_ERROR_CANCELLED within one pass, and so does every
 * later inference until dualprop_context_resume(). Only stores one flag, so a signal handler may call it.
 *
 * Threads: any, and signal handlers.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_cancel(dualprop_context *context);

/** Clear what dualprop_context_cancel() set. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_resume(dualprop_context *context);

/**
 * Describe the context as a JSON object: backend, level (as it was asked for), kernels (as they were chosen, with their
 * level), threads, precision, numerics, and why the backend was chosen.
 *
 * @param buffer  receives the text, cut to fit and closed by a zero; may be NULL when size is 0
 * @param needed  receives the bytes the whole text needs; may be NULL
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_describe(char *buffer, size_t size, size_t *needed, const dualprop_context *context);

/** Give the context's precision (DUALPROP_F32 or _F64), threads and backend name (static); each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_info(int *precision, int *threads, const char **backend, const dualprop_context *context);

/** Give the bytes allocated now, the most there ever were, and how many allocations were made; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_memory(uint64_t *current, uint64_t *peak, uint64_t *allocations, const dualprop_context *context);

/** Limits on files, with their defaults. */
enum {
    DUALPROP_LIMIT_HEADER_BYTES = 0, /**< 16 MiB; the format allows 100 MB */
    DUALPROP_LIMIT_TENSORS = 1,      /**< 65,536 */
    DUALPROP_LIMIT_NAME_BYTES = 2,   /**< 1,024 */
    DUALPROP_LIMIT_FILE_BYTES = 3    /**< 64 GiB */
};

/** Set one of the limits above. INVALID_ARGUMENT where there is no such limit or value is 0. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_limit(dualprop_context *context, int limit, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
