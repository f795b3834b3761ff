/*
 * internal.h - the small services that the files of src/core offer each other.
 *
 * Names inside the library are dualprop__<module>_<verb>. Nothing here is exported.
 */
#ifndef DUALPROP_CORE_INTERNAL_H
#define DUALPROP_CORE_INTERNAL_H

#include "handles.h"

/* ---- error.c: the last error, per thread and per context ---- */

/* Keep a sentence as the last error and return status. context may be NULL. Never allocates. errno is kept. */
dualprop_status dualprop__fail(const dualprop_context *context, dualprop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void dualprop__log(const dualprop_context *context, int level, const char *component, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuse NULL and handles that are dead or of another kind, naming the argument. `handle` is evaluated once. */
#define DUALPROP__REQUIRE_HANDLE(handle, kind)                                                              \
    do {                                                                                                    \
        dualprop_status dualprop__status_ = dualprop__check_handle((handle), (kind), #handle, __func__);   \
        if (dualprop__status_ != DUALPROP_OK) return dualprop__status_;                                     \
    } while (0)
dualprop_status dualprop__check_handle(const void *handle, uint32_t kind, const char *argument, const char *function);

/* Refuse unless condition holds; the sentence follows as a printf format and its arguments. */
#define DUALPROP__REQUIRE(context, condition, status, ...)                                                  \
    do {                                                                                                    \
        if (!(condition)) return dualprop__fail((context), (status), __VA_ARGS__);                          \
    } while (0)

/* Pass a failure on. */
#define DUALPROP__TRY(call)                                                                                 \
    do {                                                                                                    \
        dualprop_status dualprop__status_ = (call);                                                         \
        if (dualprop__status_ != DUALPROP_OK) return dualprop__status_;                                     \
    } while (0)

/* ---- memory.c: the one door to the allocator ---- */

/* Give zeroed memory aligned to 64 bytes, or NULL (with the last error set). size 0 gives a valid pointer. */
void *dualprop__allocate(dualprop_context *context, size_t size);
/* count * size with the overflow checked. */
void *dualprop__allocate_array(dualprop_context *context, size_t count, size_t size);
void dualprop__release(dualprop_context *context, void *pointer); /* NULL is fine; errno is kept */

/* Overflow-checked sizes: true when the result fits. */
#define DUALPROP__MULTIPLY(result, a, b) (!__builtin_mul_overflow((a), (b), (result)))
#define DUALPROP__ADD(result, a, b) (!__builtin_add_overflow((a), (b), (result)))

/* Reals in backend memory, zeroed. *memory is NULL on failure. */
dualprop_status dualprop__reals_create(dualprop_context *context, void **memory, int64_t count);
/* count is what the memory was created with; NULL is fine. */
void dualprop__reals_destroy(dualprop_context *context, void *memory, int64_t count);

/* ---- context.c ---- */
void dualprop__context_retain(dualprop_context *context);
void dualprop__context_release(dualprop_context *context);
/* FORKED where this process did not make the context and its handles were busy or on a device; else OK. */
dualprop_status dualprop__context_enter(dualprop_context *context);

/* ---- deferred.c: a stretch of slots that a device may put off; on the CPU these do nothing ---- */
dualprop_status dualprop__device_begin(const dualprop_context *context);
/* End it, in the course of which `status` came about; gives status, or what went wrong while ending. */
dualprop_status dualprop__device_end(const dualprop_context *context, dualprop_status status);

/* ---- thread_pool.c ---- */
typedef struct dualprop__pool dualprop__pool;
dualprop_status dualprop__pool_create(dualprop__pool **pool, dualprop_context *context, int threads);
void dualprop__pool_destroy(dualprop__pool *pool);
/* Concurrent callers are served too: who finds the pool busy, or is in a forked child, runs its loop alone. */
void dualprop__pool_run(dualprop__pool *pool, void (*task)(void *argument, int64_t index), void *argument,
                        int64_t count);
int dualprop__pool_threads(const dualprop__pool *pool); /* as started */
int dualprop__allowed_cpus(void);                       /* affinity mask and cgroup quota */

/* ---- registry.c: from a number to a complete backend table ---- */
dualprop_status dualprop__registry_open(dualprop_context *context, int backend, const dualprop_backend *own);
/* src/cpu provides these two. */
extern const dualprop_backend dualprop__reference_backend;
extern const dualprop_backend dualprop__blis_backend;

/* ---- network.c ---- */
void dualprop__network_retain(dualprop_network *network);
void dualprop__network_release(dualprop_network *network);
dualprop_status dualprop__network_begin_read(dualprop_network *network);
void dualprop__network_end_read(dualprop_network *network);
dualprop_status dualprop__network_begin_write(dualprop_network *network);
void dualprop__network_end_write(dualprop_network *network); /* raises the generation */
/* From the caller's own read to a write, where nobody else reads (else BUSY), and back. */
dualprop_status dualprop__network_upgrade(dualprop_network *network);
int dualprop__network_try_upgrade(dualprop_network *network); /* the same without a word; true where it is done */
void dualprop__network_downgrade(dualprop_network *network);
/* Find a parameter tensor by name: its layer, and whether it is the bias. */
dualprop_status dualprop__network_find(dualprop_layer **layer, int *is_bias, const dualprop_network *network,
                                       const char *name);

/* ---- layer_shape.c: see layer_shape.h for more ---- */
/* The extents of a parameter in the public layout; gives their number. */
int dualprop__parameter_shape(int64_t shape[DUALPROP_MAX_RANK], const dualprop_layer *layer, int is_bias);
int64_t dualprop__parameter_elements(const dualprop_layer *layer, int is_bias);
/* Refuse a view of another shape than the parameter's. */
dualprop_status dualprop__parameter_check(const dualprop_view *view, const dualprop_layer *layer, int is_bias,
                                          const char *name);
/* Outputs at one place: what softmax runs over. */
int64_t dualprop__layer_channels(const dualprop_layer *layer);
/* "[3, 3, 16, 32]", for sentences. */
typedef struct dualprop__shape_text { char text[200]; } dualprop__shape_text;
dualprop__shape_text dualprop__describe_shape(const int64_t *shape, int rank);

/* ---- parameter.c: arrays of a layer's parameters (weights, gradients, moments) and the public layout ---- */
dualprop_status dualprop__parameter_read(void *host, const dualprop_layer *layer, int is_bias, const void *memory);
dualprop_status dualprop__parameter_write(const dualprop_layer *layer, int is_bias, void *memory, const void *host);

/* ---- rule.c ---- */
void dualprop__rule_retain(dualprop_rule *rule);
void dualprop__rule_release(dualprop_rule *rule);
/* Refuse numbers and choices that contradict each other (exact step without a solution, bp with exact step, ...). */
dualprop_status dualprop__rule_check(const dualprop_rule *rule);

/* ---- view.c ---- */
/* Check a view: size, type among `types` (a bit mask of 1 << DUALPROP_F32 ...), rank, extents >= 0, data. */
dualprop_status dualprop__view_check(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                     const char *argument);
/* The same for a view that is filled, which must have a place for every element: no stride may be 0. */
dualprop_status dualprop__view_check_output(const dualprop_context *context, const dualprop_view *view,
                                            unsigned types, const char *argument);
/* A size of a caller's struct beyond this is garbage, and not to be followed. */
#define DUALPROP__MOST_STRUCT_BYTES 4096
/* A checked view of the size that this library knows: what an older caller's lacks is zero. */
dualprop_view dualprop__view_copy(const dualprop_view *view);
/* Fill a caller's view of whatever size: with the members that every header has. */
void dualprop__view_give(dualprop_view *to, const dualprop_view *view);
/* Describe a contiguous array. */
dualprop_view dualprop__view_of(void *data, int type, int rank, const int64_t *shape);
/* Is a checked view a contiguous array of this type? Then its data needs no conversion and no copy. */
int dualprop__view_is_array(const dualprop_view *view, int type);
int64_t dualprop__view_count(const dualprop_view *view); /* elements; -1 where the product overflows */
size_t dualprop__type_size(int type);
/* Convert between a strided view (f32, f64, i32, u8) and contiguous f32/f64 host memory of the same element count. */
void dualprop__view_gather(void *reals, int type, const dualprop_view *view);
void dualprop__view_scatter(const dualprop_view *view, const void *reals, int type);
/* Are all elements finite? */
int dualprop__reals_finite(const void *reals, int type, int64_t count);

/* ---- optimizer.c ---- */
double dualprop__optimizer_rate(const dualprop_optimizer *optimizer); /* of the next step */

/* ---- file.c: reading and writing whole files through the I/O table ---- */
/* Read a whole regular file of at most limit bytes; *data is released with dualprop__release(). */
dualprop_status dualprop__file_read(void **data, size_t *size, dualprop_context *context, const char *path,
                                    uint64_t limit);
/* Temporary file, write, sync, rename, sync the folder; pieces are written one after another. */
typedef struct dualprop__piece { const void *data; size_t size; } dualprop__piece;
dualprop_status dualprop__file_replace(dualprop_context *context, const char *path, const dualprop__piece *pieces,
                                       int count);
extern const dualprop_io dualprop__posix_io;

#endif
