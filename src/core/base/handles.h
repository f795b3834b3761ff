/*
 * handles.h - what is inside the opaque handles, for src/core only.
 *
 * Every handle starts with its magic number, so that a dead handle or one of another kind is refused where that can be
 * seen. Handles count references: a child keeps its parent alive, and destroying a parent early only drops one.
 */
#ifndef DUALPROP_CORE_HANDLES_H
#define DUALPROP_CORE_HANDLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "dualprop/backend.h"
#include "dualprop/dualprop.h"

enum {
    DUALPROP__CONTEXT = 0x44501001,
    DUALPROP__NETWORK = 0x44502002,
    DUALPROP__LAYER = 0x44503003,
    DUALPROP__RULE = 0x44504004,
    DUALPROP__STATE = 0x44505005,
    DUALPROP__OPTIMIZER = 0x44506006,
    DUALPROP__CHECKPOINT = 0x44507007,
    DUALPROP__DIAGNOSTICS = 0x44508008,
    DUALPROP__DEAD = 0x4450dead
};

#define DUALPROP__LIMITS 4

struct dualprop__pool;

struct dualprop_context {
    uint32_t magic;
    atomic_int references;
    pid_t process;          /* who made it: a forked child must not use the pool */
    pthread_mutex_t lock;   /* guards log and the error text */
    int precision;          /* DUALPROP_F32 or _F64 */
    size_t real_size;       /* 4 or 8 */
    int level;              /* as asked for */
    int numerics, deterministic, device;
    const char *module;     /* the caller's, while the context is made */
    int threads;            /* of the pool, or of run */
    dualprop_allocator allocator;
    dualprop_io io;
    dualprop_threads thread_hooks;
    dualprop_loader loader;
    atomic_uint_fast64_t memory_current, memory_peak, memory_allocations;
    uint64_t limits[DUALPROP__LIMITS];
    atomic_int cancelled;
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

struct dualprop_layer {
    uint32_t magic;
    dualprop_network *network;
    int index; /* 1..L */
    int kind, activation;
    int64_t inputs, outputs;   /* elements of a sample on either side, pooling included */
    int64_t bias_elements;
    dualprop_convolution map;  /* of a convolutional or local layer, for a batch of 1 */
    int64_t weight_elements; /* in the backend's layout */
    void *weight, *bias;     /* backend memory */
    void *feedback;          /* what carries delta down in place of the weights, in their layout; NULL: they do */
    int frozen;
    double learning_rate;
};

struct dualprop_network {
    uint32_t magic;
    atomic_int references;
    dualprop_context *context;
    int64_t height, width, channels;
    int layer_count;
    dualprop_layer **layers; /* [layer_count] */
    int64_t top[3];          /* height, width, channels of what the next layer takes */
    atomic_int sealed;       /* a state or an optimizer was made: no more layers */
    atomic_int users;        /* > 0: that many read; -1: one writes */
    atomic_uint_fast64_t generation;
    int initializer;
    double initializer_scale;
    int feedback;            /* DUALPROP_FEEDBACK_...: how layers' feedback weights were drawn, and learn */
    void *feedback_staging;  /* host memory for two of the largest weights, where there is feedback */
    double *mean, *deviation; /* [channels] */
};

/* A number of some layers: values[k] where k < count and it is no NaN; else the rule's number for all. */
struct dualprop__layer_numbers {
    double *values;
    int count;
};

struct dualprop_rule {
    uint32_t magic;
    atomic_int references;
    dualprop_context *context;
    int variant, loss, output_step, nudge_at, schedule, passes;
    int pool_switches;
    double alpha, beta, tolerance, divergence_limit;
    struct dualprop__layer_numbers layer_alpha, layer_beta, layer_damping;
    int damping, power_iterations;
    double common_damping; /* of layers without a number of their own, where it is given */
    double input_robustness; /* rho; 0: the input is no dyad */
    int feedback;
    int32_t *order; /* [order_count] of DUALPROP_LIST */
    int order_count;
    double async_fraction, time_step;
    int warm_start;
    double alpha_mismatch, noise_state, noise_down, noise_weight;
    int quantize_bits; /* 0: states are reals */
    uint64_t seed;
    atomic_uint_fast64_t plan; /* raised by what changes a state's plan */
};

/* One layer's learning memory, all in backend memory. */
struct dualprop__learning {
    void *weight_gradient, *bias_gradient;
    void *moments[4]; /* weight first and second, bias first and second; NULL where the kind has none */
    void *feedback_moments[2]; /* first and second of feedback weights that learn; else NULL */
};

struct dualprop_optimizer {
    uint32_t magic;
    dualprop_context *context;
    dualprop_network *network;
    int kind;
    double learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip;
    int schedule;
    double rate_start, rate_end;
    int64_t rate_warmup, rate_decay;
    int64_t steps;
    int64_t gradient_samples; /* in the gradient held; 0: there is none */
    int64_t first_samples;    /* of the batch it began with: the gradient held is the sum over samples / first_samples */
    struct dualprop__learning *layers; /* [layer_count] */
    atomic_int busy;
};

/* state and checkpoint have their own headers: state_internal.h, checkpoint.c */

#endif
