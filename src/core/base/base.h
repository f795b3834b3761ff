/*
 * base.h - the ground floor of src/core: handles, errors, memory, callers' arrays, names and draws.
 *
 * Names inside the library are dualprop__<module>_<verb>; none of them is exported. Every handle starts with its magic
 * number, so that a dead handle or one of another kind is refused where that can be seen. Handles count references: a
 * child keeps its parent alive, and destroying a parent early only drops one.
 */
#ifndef DUALPROP_CORE_BASE_H
#define DUALPROP_CORE_BASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "dualprop/backend.h"
#include "dualprop/dualprop.h"

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "-ffast-math, -Ofast and -ffinite-math-only let the compiler take NaN and infinities for impossible: do without"
#endif

/* ---- handles ---- */

enum {
    DUALPROP__CONTEXT = 0x44501001,
    DUALPROP__NETWORK = 0x44502002,
    DUALPROP__LAYER = 0x44503003,
    DUALPROP__RULE = 0x44504004,
    DUALPROP__STATE = 0x44505005,
    DUALPROP__OPTIMIZER = 0x44506006,
    DUALPROP__CHECKPOINT = 0x44507007,
    DUALPROP__DIAGNOSTICS = 0x44508008,
    DUALPROP__GROUP = 0x44509009,
    DUALPROP__DEAD = 0x4450dead
};

#define DUALPROP__LIMITS 5

/*
 * What a context holds for all rooms. It lies at the bottom since every room is handed one: base uses the allocator,
 * the counters, the lock and the error text, platform the I/O table and the threads, backend the rest.
 */
struct dualprop_context {
    uint32_t magic;
    atomic_int references;
    int process_number;   /* who made it: a forked child must not use the pool */
    pid_t process;        /* its id, for sentences */
    pthread_mutex_t lock; /* guards log, the error text, and registering */
    int precision;        /* DUALPROP_F32 or _F64 */
    size_t real_size;     /* 4 or 8 */
    int level;            /* as asked for */
    int numerics, autotune, device;
    const char *module;               /* the caller's, while the context is made */
    int threads;                      /* of the pool, or of run */
    dualprop_allocator allocator;     /* of what is allocated from now on */
    dualprop_allocator own_allocator; /* that the context itself came from */
    dualprop_io io;
    dualprop_threads thread_hooks;
    dualprop_loader loader;
    atomic_uint_fast64_t memory_current, memory_peak, memory_allocations;
    uint64_t limits[DUALPROP__LIMITS];
    atomic_int cancelled;
    atomic_uint_fast64_t inferences; /* begun by all states: each has a number of its own, from 1 on */
    /* custom_parts.c: what was registered, the last one first; each stays as it is until the context goes. */
    _Atomic(struct dualprop__custom_part *) activations, maps;
    dualprop_log log;
    void *log_data;
    int log_level;
    struct dualprop__pool *pool;
    dualprop_parallel_for run; /* the caller's, or NULL */
    void *run_data;
    dualprop_host host;
    dualprop_backend backend; /* with every optional slot filled */
    void *instance;           /* first argument of the slots */
    char why[512];            /* why this backend was chosen */
    dualprop_status error_status;
    char error_text[512];
};

/* ---- error.c: the last error, per thread and per context ---- */

/* Keep a sentence as the last error and return status. context may be NULL. Never allocates. errno is kept. */
dualprop_status dualprop__fail(const dualprop_context *context, dualprop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void dualprop__log(const dualprop_context *context, int level, const char *component, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuse NULL and handles that are dead or of another kind, naming the argument. `handle` is evaluated once. */
#define DUALPROP__REQUIRE_HANDLE(handle, kind)                                                           \
    do {                                                                                                 \
        dualprop_status dualprop__status_ = dualprop__check_handle((handle), (kind), #handle, __func__); \
        if (dualprop__status_ != DUALPROP_OK) return dualprop__status_;                                  \
    } while (0)
dualprop_status dualprop__check_handle(const void *handle, uint32_t kind, const char *argument, const char *function);

/* Refuse unless condition holds; the sentence follows as a printf format and its arguments. */
#define DUALPROP__REQUIRE(context, condition, status, ...)                         \
    do {                                                                           \
        if (!(condition)) return dualprop__fail((context), (status), __VA_ARGS__); \
    } while (0)

/* Pass a failure on. */
#define DUALPROP__TRY(call)                                             \
    do {                                                                \
        dualprop_status dualprop__status_ = (call);                     \
        if (dualprop__status_ != DUALPROP_OK) return dualprop__status_; \
    } while (0)
/*
 * What holds for a reason that stands beside it, and is checked all the same: a condition, and a call that succeeds.
 * Coverage does not count the other outcome (tests/coverage.sh).
 */
#define DUALPROP__ALWAYS(condition) (condition)
#define DUALPROP__TRY_ALWAYS(call) DUALPROP__TRY(call)
/* Forget whose the calling thread's last error was; the text stays. For contexts that go away. */
void dualprop__error_detach(const dualprop_context *context);
/* Copy a text to a caller's buffer, cut to fit between characters; *needed counts its NUL. */
void dualprop__text_copy_out(char *buffer, size_t size, size_t *needed, const char *text);
/* Lock what is shared by a context's calls (pthread_mutex_unlock(&context->lock) unlocks it); 0 if it stays locked
 * for ever, because another thread had it when this process was forked off. */
int dualprop__context_lock(dualprop_context *context);

/* ---- memory.c: the only caller of the allocator ---- */

/* Return zeroed memory aligned to 64 bytes, or NULL (with the last error set). size 0 returns a valid pointer. */
void *dualprop__allocate(dualprop_context *context, size_t size);
/* count * size with the overflow checked. */
void *dualprop__allocate_array(dualprop_context *context, size_t count, size_t size);
void dualprop__release(dualprop_context *context, void *pointer); /* NULL is fine; errno is kept */
/* Whole 64 bytes, as the allocator is asked for. */
static inline uint64_t dualprop__round_up(uint64_t size)
{
    return (size + 63) / 64 * 64;
}
/*
 * NO_MEMORY in words of the whole: what the object that was to be created takes, and which function tells it
 * beforehand; bytes 0: not known here. Other statuses pass, with their sentences. context may be NULL.
 */
dualprop_status dualprop__whole_memory(const dualprop_context *context, dualprop_status status, const char *what,
                                       uint64_t bytes, const char *function);
/* What a block of this size takes of the context's memory, for sizes that are told beforehand. */
uint64_t dualprop__block_bytes(uint64_t size);

/* Overflow-checked sizes: true when the result fits. */
#define DUALPROP__MULTIPLY(result, a, b) (!__builtin_mul_overflow((a), (b), (result)))
#define DUALPROP__ADD(result, a, b) (!__builtin_add_overflow((a), (b), (result)))
/* The same, aligned to any power of two. */
void *dualprop__allocate_aligned(dualprop_context *context, size_t size, size_t alignment);
extern const dualprop_allocator dualprop__default_allocator;

/* ---- reals.c: arrays of the context's precision ---- */

/* Reals in backend memory, zeroed. *memory is NULL on failure. */
dualprop_status dualprop__reals_create(dualprop_context *context, void **memory, int64_t count);
/* What they take, of the context's memory or of a device's. */
uint64_t dualprop__reals_bytes(const dualprop_context *context, int64_t count);
/* count is what the memory was created with; NULL is fine. */
void dualprop__reals_destroy(dualprop_context *context, void *memory, int64_t count);
/*
 * Steps and inferences are counted up to here and then no further: exact in a double, and beyond any run. A file may
 * say no more, so that what is counted on from it can be saved again.
 */
#define DUALPROP__MOST_COUNTED ((int64_t)1 << 53)

/* Are all elements of a host array finite and within range[0] .. range[1]? */
int dualprop__reals_within(const void *reals, int type, int64_t count, const double range[2]);
/* Are all elements of a host array finite? */
int dualprop__reals_finite(const void *reals, int type, int64_t count);

/* Element i of a host array of DUALPROP_F32 or DUALPROP_F64, read and written as a double. */
static inline double dualprop__real_at(const void *reals, int type, int64_t i)
{
    return type == DUALPROP_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static inline void dualprop__real_set(void *reals, int type, int64_t i, double value)
{
    if (type == DUALPROP_F32) ((float *)reals)[i] = (float)value;
    else ((double *)reals)[i] = value;
}

/*
 * ---- the shield against cancellation ----
 *
 * Between begin and end pthread_cancel() takes no effect on the calling thread; a thread that was cancelled meanwhile
 * is cancelled at the next point after the end. `end` takes what `begin` returned.
 */
static inline int dualprop__shield_begin(void)
{
    int before = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void dualprop__shield_end(int before)
{
    pthread_setcancelstate(before, NULL);
}

/* ---- process.c ---- */
/* This process's id without a system call. */
pid_t dualprop__process_id(void);
/* A number > 0 that no process before this one, on the way of forks to it, has. */
int dualprop__process_number(void);
/* Make a handle's busy flag this call's: BUSY if another call of this process has it, FORKED if one had it when
 * the process was forked off, and will never leave. `name` is the argument's. */
dualprop_status dualprop__enter(const dualprop_context *context, atomic_int *busy, const char *name);
void dualprop__leave(atomic_int *busy);

/* ---- names.c ---- */
/* Are two names of choices equal? '-' and '_' are, and so are "ReLU" and "relu". */
int dualprop__same_name(const char *one, const char *other);
/* Find the choice of this name in a group, DUALPROP_NAMES_...; 0 if there is none, and no error is noted. */
int dualprop__find_name(int *value, int group, const char *name);

/* ---- utf8.c ---- */
/* Is the text UTF-8, without surrogates and overlong forms? */
int dualprop__utf8_valid(const char *text);
/*
 * Make it so: a byte that is no part of a character, as names of files may have and a cut may leave, becomes '?'.
 */
void dualprop__utf8_mend(char *text);

/* ---- view.c ---- */
/* Check a view: size, type among `types` (a bit mask of 1 << DUALPROP_F32 ...), rank, extents >= 0, data. */
#define DUALPROP__REAL_TYPES (1u << DUALPROP_F32 | 1u << DUALPROP_F64)
dualprop_status dualprop__view_check(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                     const char *argument);
/* The same for a view that is filled, which must have a place for every element: no stride may be 0. */
dualprop_status dualprop__view_check_output(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                            const char *argument);
/* A size of a caller's struct beyond this is garbage, and not to be followed. */
#define DUALPROP__MOST_STRUCT_BYTES 4096
/* A checked view of the size that this library knows: what an older caller's lacks is zero. */
dualprop_view dualprop__view_copy(const dualprop_view *view);
/* Fill a caller's view of whatever size: with the members that every header has. */
void dualprop__view_copy_out(dualprop_view *to, const dualprop_view *view);
/* Describe a contiguous array. */
dualprop_view dualprop__view_of(void *data, int type, int rank, const int64_t *shape);
/* Is a checked view a contiguous array of this type? Then its data needs no conversion and no copy. */
int dualprop__view_is_array(const dualprop_view *view, int type);
int64_t dualprop__view_count(const dualprop_view *view); /* elements; -1 if the product overflows */
size_t dualprop__type_size(int type);
/* Convert between a strided view (f32, f64, i32, u8) and contiguous f32/f64 host memory of the same element count. */
void dualprop__view_gather(void *reals, int type, const dualprop_view *view);
void dualprop__view_scatter(const dualprop_view *view, const void *reals, int type);

/* ---- draw.c: random numbers made on the host ---- */

/*
 * Number i of a stream is the same, whatever draws it and when. Streams of initialisation are the layers' numbers;
 * those of inference are numbered by dualprop__stream_of().
 */

/* A draw of mean 0 and variance 1. */
typedef double (*dualprop__draw)(uint64_t seed, uint64_t stream, uint64_t i);
double dualprop__draw_normal(uint64_t seed, uint64_t stream, uint64_t i);
/* No draw of dualprop__draw_normal() is larger: the normal's least uniform is 2^-53, and sqrt(-2 ln 2^-53) < 8.6. */
#define DUALPROP__LARGEST_DRAW 9.0

/* reals[i] = deviation * draw(seed, stream, first + i) in the context's precision, on its threads. */
void dualprop__draw_fill(void *reals, const dualprop_context *context, dualprop__draw draw, double deviation,
                         uint64_t seed, uint64_t stream, uint64_t first, int64_t count);

/* What an inference draws; each is a stream of its own in each inference. */
enum {
    DUALPROP__DRAW_ORDER,
    DUALPROP__DRAW_MASK,
    DUALPROP__DRAW_PLUS,
    DUALPROP__DRAW_MINUS,
    DUALPROP__DRAW_DOWN,
    DUALPROP__DRAW_WEIGHTS,
    DUALPROP__DRAWS
};
/* The stream of one kind of draws in inference number `inference` of a state. */
uint64_t dualprop__stream_of(uint64_t inference, int kind);
/* Streams that do not depend on the inference: the alphas of layer k's neurons, and its first power vector. */
uint64_t dualprop__stream_of_alphas(int k);
uint64_t dualprop__stream_of_power(int k);
/* The first feedback weights of layer k. */
uint64_t dualprop__stream_of_feedback(int k);

#endif
