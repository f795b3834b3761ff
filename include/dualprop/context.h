/**
 * @file
 * dualprop/context.h - the root of all objects: backend, threads, memory, files, errors.
 *
 * A context fixes a backend and a precision; networks, rules, states and optimizers are created from it. There is no
 * global state: contexts are independent of each other. Destroying a context that still has children is deferred: it is
 * freed together with its last child.
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

/** Functions that allocate all memory of the library. All members except user_data are required. */
typedef struct dualprop_allocator {
    uint64_t struct_size; /**< sizeof(dualprop_allocator) */
    /** Return size > 0 bytes aligned to alignment (a power of two), or NULL. Called from the calling thread only. */
    void *(*allocate)(void *user_data, size_t size, size_t alignment);
    /** Release memory that allocate returned, with the same size; pointer is never NULL. */
    void (*release)(void *user_data, void *pointer, size_t size);
    void *user_data; /**< passed to each function */
} dualprop_allocator;

/** Bytes at the head of an arena's buffer that dualprop_arena_allocator() uses itself. */
#define DUALPROP_ARENA_BYTES 64

/**
 * Make an allocator over a buffer of the caller's, for programs without malloc: pass it in dualprop_options.allocator,
 * and all memory of the context and its objects comes from the buffer; nothing else is allocated.
 *
 *     static _Alignas(64) unsigned char memory[DUALPROP_ARENA_BYTES + NEEDED];
 *     dualprop_allocator arena = { .struct_size = sizeof arena };
 *     dualprop_arena_allocator(&arena, memory, sizeof memory);
 *
 * NEEDED is the sum of what dualprop_context_memory_needed(), dualprop_network_memory_needed(),
 * dualprop_rule_memory_needed(), dualprop_optimizer_memory_needed() and dualprop_state_memory_needed() report for the
 * objects that live at the same time: created one after the other, they fit into that many bytes, exactly for networks
 * of up to 16 layers, and with up to some 16 bytes per layer to spare for deeper ones. A call that
 * allocates for its duration, such as dualprop_network_initialize(), needs that on top, unless memory of an object that
 * is created later serves. A call for which there is no room is DUALPROP_ERROR_NO_MEMORY and has changed nothing.
 *
 * What is released is used again. There is no call to destroy the arena: the buffer is the caller's, and is no longer
 * used when the context and all its children are destroyed.
 *
 * @param allocator  receives the functions; its struct_size has to be set
 * @param buffer     aligned to 64 bytes, or the first bytes up to such an address are lost; must outlive the context
 * @param size       of the buffer, at least 2 * DUALPROP_ARENA_BYTES
 * @return DUALPROP_OK or DUALPROP_ERROR_INVALID_ARGUMENT
 * Threads: any; several threads may allocate from one arena.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_arena_allocator(dualprop_allocator *allocator, void *buffer, size_t size);

/**
 * Functions that access files. Each returns 0 or a count on success and a negative errno on failure; the library
 * retries short reads and writes and -EINTR. All members except user_data and remove_stale are required. They are
 * called from the calling thread only, with thread cancellation disabled.
 */
typedef struct dualprop_io {
    uint64_t struct_size; /**< sizeof(dualprop_io) */
    /** Open a regular file for reading (writable = 0), or create a new file that must not exist (writable = 1). */
    int64_t (*open)(void *user_data, const char *path, int writable);
    int64_t (*size)(void *user_data, int64_t file); /**< Return the size in bytes. */
    /** Read up to size bytes at the current position; 0 at the end. */
    int64_t (*read)(void *user_data, int64_t file, void *buffer, size_t size);
    /** Write up to size bytes at the current position. */
    int64_t (*write)(void *user_data, int64_t file, const void *buffer, size_t size);
    /** Return when all written data are on the disk. The library does not retry after a failure. */
    int64_t (*sync)(void *user_data, int64_t file);
    int64_t (*close)(void *user_data, int64_t file);                      /**< Close the file. */
    int64_t (*rename)(void *user_data, const char *from, const char *to); /**< Rename, replacing to. */
    int64_t (*remove)(void *user_data, const char *path);                 /**< Remove the file. */
    /** Return when the folder's names are on the disk; 0 if nothing to sync; -EACCES, -EPERM: no permission. */
    int64_t (*sync_folder)(void *user_data, const char *path_of_a_file_in_it);
    void *user_data; /**< passed to each function */
    /** Remove what killed processes left of path (PATH.PROCESS-NUMBER.tmp), before a save. May fail; may be NULL. */
    int64_t (*remove_stale)(void *user_data, const char *path);
} dualprop_io;

/** Functions that start and join worker threads. */
typedef struct dualprop_threads {
    uint64_t struct_size; /**< sizeof(dualprop_threads) */
    /** Start a thread that calls main(argument); return 0 and the thread, or an errno. */
    int (*start)(void *user_data, void **thread, void *(*main)(void *), void *argument);
    void (*join)(void *user_data, void *thread); /**< Wait until the thread has ended. */
    void *user_data;                             /**< passed to each function */
} dualprop_threads;

/** Functions that load backend modules. */
typedef struct dualprop_loader {
    uint64_t struct_size;                                             /**< sizeof(dualprop_loader) */
    void *(*open)(void *user_data, const char *path);                 /**< Return the module, or NULL. */
    void *(*symbol)(void *user_data, void *module, const char *name); /**< Return a symbol, or NULL. */
    const char *(*error)(void *user_data);                            /**< Return a sentence about the last failure. */
    void *user_data;                                                  /**< passed to each function */
} dualprop_loader;

struct dualprop_backend;

/**
 * Options of dualprop_context_create(). Start from DUALPROP_OPTIONS_INIT; zero means the default everywhere.
 *
 * About `device`: every call makes it the calling thread's current CUDA device, and restores the previous one before it
 * returns if the process has used that device already. Otherwise `device` stays current, since restoring would create a
 * CUDA context of some hundred MB on the previous device: a thread that means to use that one afterwards calls
 * cudaSetDevice() itself. The backend works in the device's primary context, as the CUDA runtime
 * does; a context made by cuCtxCreate() must not be current during a call. CUDA graph captures that other threads have
 * begun are not disturbed.
 */
typedef struct dualprop_options {
    uint64_t struct_size;                   /**< sizeof(dualprop_options) */
    uint32_t version;                       /**< DUALPROP_VERSION that the caller was compiled with */
    int32_t precision;                      /**< DUALPROP_F32 (default) or DUALPROP_F64, for all its objects */
    int32_t threads;                        /**< 1 by default; DUALPROP_ALL_CPUS: all that the process may use */
    int32_t level;                          /**< DUALPROP_LEVEL_...; AUTO by default */
    const dualprop_allocator *allocator;    /**< copied; NULL = malloc */
    const dualprop_io *io;                  /**< copied; NULL = POSIX files */
    const dualprop_threads *thread_hooks;   /**< copied; NULL = pthreads */
    const dualprop_loader *loader;          /**< copied; NULL = dlopen */
    const struct dualprop_backend *backend; /**< your own table, borrowed for the context's life; NULL = ours */
    const char *module;                     /**< the CUDA module's file, borrowed for the call; NULL = search */
    int32_t numerics;                       /**< DUALPROP_NUMERICS_...; CPU backends accept STRICT only */
    int32_t autotune;                       /**< 1: a device may choose algorithms by timing them, and two runs may
                                                 differ in their last bits; 0: by rule, and the bits are the same */
    int32_t device;                         /**< which CUDA device, from 0; see above */
    int32_t reserved;                       /**< must be 0 */
} dualprop_options;

/** For options.threads: all CPUs that the process may use (affinity mask and cgroup limit). */
#define DUALPROP_ALL_CPUS (-1)

/** Initializer of a dualprop_options: size and version are filled in, all else is the default. */
#define DUALPROP_OPTIONS_INIT                                                                               \
    {                                                                                                       \
        sizeof(dualprop_options), DUALPROP_VERSION, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0 \
    }

/** Levels of log messages. */
enum { DUALPROP_LOG_ERROR = 0, DUALPROP_LOG_WARNING = 1, DUALPROP_LOG_INFO = 2, DUALPROP_LOG_DEBUG = 3 };

/** Receives log messages. message is borrowed for the call. Must not call the library with the same context. */
typedef void (*dualprop_log)(void *user_data, int level, const char *component, const char *message);

/**
 * Runs task(argument, i) for every i in 0..count-1, in any order and on any threads, and returns when all are done.
 * Tasks that it did not run are run by the calling thread afterwards, and the log receives a warning: results are the
 * same.
 */
typedef void (*dualprop_parallel_for)(void *user_data, void (*task)(void *argument, int64_t index), void *argument,
                                      int64_t count);

/**
 * Create a context.
 *
 * @param context  receives the context; the caller destroys it; NULL on failure
 * @param backend  DUALPROP_BACKEND_...; AUTO falls back (and logs why); a named backend that is not available is an
 *                 error. Ignored if options->backend is set
 * @param options  copied; NULL for the defaults
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  an option out of range, or a struct_size larger than this library knows
 *                                          with a tail that is not zero
 *         DUALPROP_ERROR_BACKEND_VERSION   options->version is a header that this library does not support; the text
 *                                          names both
 *         DUALPROP_ERROR_NO_BACKEND, DUALPROP_ERROR_NO_DEVICE  the named backend is not available; the text says why
 *         DUALPROP_ERROR_THREAD            no worker thread could be started
 *         DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Allocates: here and in the _create calls only.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_create(dualprop_context **context, int backend, const dualprop_options *options);

/**
 * Get the bytes that a context takes: it creates one with these arguments and destroys it again. Stacks of worker
 * threads, memory of a device and of its libraries are not counted.
 *
 * @param bytes    receives the number
 * @param backend  as in dualprop_context_create()
 * @param options  as in dualprop_context_create(); its allocator is used
 * @return as dualprop_context_create()
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_memory_needed(uint64_t *bytes, int backend, const dualprop_options *options);

/** Destroy a context; NULL is allowed. Its memory is freed together with its last child. Since: 0.1. */
DUALPROP_API void dualprop_context_destroy(dualprop_context *context);

/**
 * Copy the sentence that explains the calling thread's last failed call.
 *
 * @param buffer   receives the text, truncated to fit and NUL-terminated; may be NULL if size is 0
 * @param size     bytes in buffer
 * @param needed   receives the bytes that the whole text needs, including the NUL; may be NULL
 * @param context  whose error to read; NULL for the thread's last error in any context (also the only way to read why
 *                 dualprop_context_create() failed)
 * @return DUALPROP_OK; never changes the last error
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_last_error(char *buffer, size_t size, size_t *needed, const dualprop_context *context);

/**
 * Set the function that receives log messages; there is none by default. The current backend, its level and why AUTO
 * chose it are logged at once.
 *
 * @param context    the context
 * @param log        the function; NULL for none
 * @param user_data  passed to log
 * @param level      the least important level wanted, DUALPROP_LOG_...
 * Threads: any; log itself may be called from any thread that uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_log(dualprop_context *context, dualprop_log log, void *user_data, int level);

/**
 * Set the allocator of what is allocated from now on. Blocks are released to the allocator that they came from. So each
 * object may have memory of its own: set an arena, create the object, set the next.
 *
 * What an object allocates later (a network when a layer is added, a state in its first
 * dualprop_state_set_sample_weights() or in dualprop_state_prepare()) comes from the allocator of that time. On a
 * device only host memory comes from it.
 *
 * @param context    the context
 * @param allocator  copied; NULL for the one that the context was created with
 * @return DUALPROP_OK or DUALPROP_ERROR_INVALID_ARGUMENT (a function is NULL, or struct_size is wrong)
 * Threads: not while another call uses the context.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_allocator(dualprop_context *context, const dualprop_allocator *allocator);

/**
 * Let the caller's own threads do the work instead of the context's pool. Results have the same bits in either case.
 *
 * @param context    the context
 * @param run        the function that runs tasks; NULL to return to the context's own pool
 * @param user_data  passed to run
 * @param threads    the largest number of tasks that run at once
 * @return DUALPROP_OK or DUALPROP_ERROR_INVALID_ARGUMENT (threads < 1 or > 1024)
 * Threads: not while another call uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_parallel_for(dualprop_context *context, dualprop_parallel_for run, void *user_data, int threads);

/**
 * Submit all work of a context on a CUDA device to the caller's stream, after the work that the stream already has.
 *
 * The call first waits until the old stream has finished. Calls that return numbers to the host wait for the stream;
 * others may return while the device is still working.
 *
 * @param context  the context
 * @param stream   a cudaStream_t of the context's device, which must outlive its use; NULL for the context's own stream
 *                 again. For the legacy default stream, whose handle is elsewhere 0 too (PyTorch's default), pass
 *                 cudaStreamLegacy. Do not pass cudaStreamPerThread, which is a different stream in every thread.
 * @return DUALPROP_OK, DUALPROP_ERROR_UNSUPPORTED if the backend has no streams, or DUALPROP_ERROR_DEVICE
 * Threads: not while another call uses the context.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_set_stream(dualprop_context *context, void *stream);

/** Wait until a device has finished all work of this context; on the CPU there is never any left. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_synchronize(dualprop_context *context);

/**
 * Ask running calls on this context to stop: they return DUALPROP_ERROR_CANCELLED within one pass, and so does every
 * later inference until dualprop_context_resume(). It only stores one flag, so a signal handler may call it.
 *
 * Threads: any, and signal handlers.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_cancel(dualprop_context *context);

/** Clear the flag that dualprop_context_cancel() set. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_context_resume(dualprop_context *context);

/**
 * Describe the context as a JSON object: backend, level (as requested), kernels (as chosen, with their level), threads,
 * precision, numerics, and why the backend was chosen.
 *
 * @param buffer   receives the text, truncated to fit and NUL-terminated; may be NULL if size is 0
 * @param size     bytes in buffer
 * @param needed   receives the bytes that the whole text needs, including the NUL; may be NULL
 * @param context  the context
 * @return DUALPROP_OK
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_describe(char *buffer, size_t size, size_t *needed, const dualprop_context *context);

/** Get the context's precision (DUALPROP_F32 or _F64), threads and backend name (static); each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_info(int *precision, int *threads, const char **backend, const dualprop_context *context);

/** Get the bytes allocated now, their maximum so far, and the number of allocations made; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_memory(uint64_t *current, uint64_t *peak, uint64_t *allocations, const dualprop_context *context);

/** Limits on files, with their defaults. */
enum {
    DUALPROP_LIMIT_HEADER_BYTES = 0, /**< 16 MiB; the format allows 100 MB */
    DUALPROP_LIMIT_TENSORS = 1,      /**< 65,536 */
    DUALPROP_LIMIT_NAME_BYTES = 2,   /**< 1,024 */
    DUALPROP_LIMIT_FILE_BYTES = 3,   /**< 64 GiB */
    DUALPROP_LIMIT_TEXTS = 4         /**< 16,384 texts of a checkpoint */
};

/** Set one of the limits above. INVALID_ARGUMENT if there is no such limit or value is 0. Since: 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_context_set_limit(dualprop_context *context, int limit, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
