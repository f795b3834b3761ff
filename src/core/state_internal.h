/*
 * state_internal.h - what is inside a state: one record of dyads a layer, and what is known about each array.
 *
 * Every mean and delta carries a version that is raised when the array may have changed. A layer remembers which
 * version of its neighbours its own a and Delta were computed from, and so knows what it need not compute again. A
 * delta of version 0 is exactly zero, whatever its memory holds.
 */
#ifndef DUALPROP_CORE_STATE_INTERNAL_H
#define DUALPROP_CORE_STATE_INTERNAL_H

#include "internal.h"

/* One layer's dyads; number 0 is the input, whose mean is x. Arrays are (count, width) in backend memory. */
struct dualprop__dyads {
    const dualprop_layer *layer; /* NULL for the input */
    int64_t width;
    void *a;        /* W_{k-1} sbar_{k-1} + b_{k-1} */
    void *top_down; /* Delta_k = W_k^T delta_{k+1} */
    void *mean;     /* sbar_k */
    void *delta;    /* delta_k */
    uint8_t *switches;  /* (count, width): of the layer's max pooling, else NULL */
    void *cache;        /* what the backend derived from the layer's weights, of cached_generation */
    const void *cached_weights; /* NULL: nothing */
    uint64_t cached_generation;
    uint64_t mean_version, delta_version;
    uint64_t a_of;        /* the mean_version below that a was computed from */
    uint64_t top_down_of; /* the delta_version above that top_down was computed from; 0: it is zero */
    uint64_t switched_mean, switched_delta; /* the versions at which switches above were taken anew */
    double peak;              /* max |s+|, |s-| of the last update */
    double feed_forward_peak; /* max |f(a)| of the feed-forward start */
    double change;            /* max |change of s+-| of the last update, where measured */
};

/* A state is idle until an inference begins, open during it, and settled when it ended well. */
enum dualprop__phase { DUALPROP__IDLE, DUALPROP__OPEN, DUALPROP__SETTLED };

struct dualprop_state {
    uint32_t magic;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;        /* NULL: prediction only */
    int64_t capacity;
    int layer_count;            /* L */
    struct dualprop__dyads *dyads; /* [L + 1] */
    void *arena;                /* all backend memory below, in one piece */
    size_t arena_bytes;
    void *target;               /* (count, outputs) */
    void *prediction;           /* (count, outputs): a_L of the feed-forward start */
    void *workspace;            /* of the slots of layers */
    void *scratch;              /* (count, widest pooled layer): a that only gives switches; NULL unless original */
    int64_t scratch_elements;
    int32_t *moves;             /* [3 * capacity] host: of the next batch */
    int64_t moves_count;        /* its samples; 0: no moves */
    void *staging;              /* host memory: a batch of targets, or two rows of the widest layer */
    int64_t widest;             /* elements of the widest layer, the input included */
    uint64_t bytes;             /* everything, for dualprop_state_memory_needed() */
    uint64_t plan;              /* the rule's, when this state was prepared */
    atomic_int busy;

    enum dualprop__phase phase;
    int64_t count;              /* samples of this inference */
    int variant, nudge_at, exact;         /* the rule as it was when the inference began */
    double alpha, beta, gain_plus, gain_minus, tolerance, limit;
    int loss;
    int own_switches;           /* are switches taken anew? see switches.c */
    int mean_listens;           /* can Delta change sbar? not with DP^T at alpha 0 and 1, nor in back-propagation */
    int passes;
    double residual;
    double pass_change, pass_peak;
    int64_t updates, skipped;
};

/* state.c: one call at a time. */
dualprop_status dualprop__state_enter(dualprop_state *state, const char *function);
void dualprop__state_leave(dualprop_state *state);

/* batch.c: a caller's arrays into the state. */
/* Make a rank-4 view (count, height, width, channels) of what the caller gave; refuse what does not fit. */
dualprop_status dualprop__batch_inputs(dualprop_view *images, const dualprop_state *state, const dualprop_view *inputs);
/* Check labels or dense targets for `count` samples. */
dualprop_status dualprop__batch_targets(const dualprop_state *state, const dualprop_view *targets, int64_t count);
/* Refuse a batch of another size than the moves that are set. */
dualprop_status dualprop__batch_moves(const dualprop_state *state, int64_t count);
/* Load rows first .. first+count-1 of checked views. */
dualprop_status dualprop__batch_load(dualprop_state *state, const dualprop_view *images, int64_t first, int64_t count);
dualprop_status dualprop__batch_load_targets(dualprop_state *state, const dualprop_view *targets, int64_t first,
                                             int64_t count);

/* infer.c: s_k = f_k(a_k) for all layers, from the input that was loaded. */
dualprop_status dualprop__feed_forward(dualprop_state *state);
/* infer.c: end an inference that is open, whatever came of it. */
void dualprop__infer_close(dualprop_state *state, enum dualprop__phase phase);

#endif
