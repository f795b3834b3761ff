/*
 * state_internal.h - what is inside a state: one record of dyads a layer, and what is known about each array.
 *
 * Every mean and delta carries a version that is raised when the array may have changed. A layer remembers which
 * version of its neighbours its own a and Delta were computed from, and so knows what it need not compute again. A
 * delta of version 0 is exactly zero, whatever its memory holds.
 */
#ifndef DUALPROP_CORE_STATE_INTERNAL_H
#define DUALPROP_CORE_STATE_INTERNAL_H

#include "core/base/internal.h"

/* What the backend derived from one array of weights. */
struct dualprop__cache {
    void *memory;
    const void *weights; /* NULL: nothing yet */
    uint64_t generation; /* of the network, when it was derived */
};

/*
 * One layer's dyads; number 0 is the input, whose mean is x unless the input is a dyad too. Arrays are (count, width) in
 * backend memory; NULL where the rule has no use for them.
 */
struct dualprop__dyads {
    const dualprop_layer *layer; /* NULL for the input */
    int64_t width;
    void *a;        /* W_{k-1} sbar_{k-1} + b_{k-1}; x for the input */
    void *top_down; /* Delta_k = W_k^T delta_{k+1}; -beta loss' for an output whose update is a general one */
    void *mean;     /* sbar_k */
    void *delta;    /* delta_k */
    void *emitted;  /* what goes down and into the gradient where it is not delta: f'(a) delta of LeCun's variant */
    void *alphas;   /* [width]: alpha of each neuron */
    void *power;    /* [width]: the vector that power iterations on W_k have come to */
    void *noisy;    /* the layer's weights as an inference with weight noise reads them */
    uint8_t *switches;  /* (count, width): of the layer's max pooling, else NULL */
    struct dualprop__cache caches[2]; /* of the weights, and of feedback weights of their own */
    uint64_t mean_version, delta_version;
    uint64_t a_of;        /* the mean_version below that a was computed from */
    uint64_t top_down_of; /* the delta_version above that top_down was computed from; 0: it is zero */
    uint64_t switched_mean, switched_delta; /* the versions at which switches above were taken anew */
    double peak;              /* max |s+|, |s-| of the last update */
    double feed_forward_peak; /* max |f(a)| of the feed-forward start */
    double change;            /* max |change of s+-| of the last update, where measured */
    int visits;               /* of this inference */
    int written;              /* by the caller since its last update? */
    int seen_in_pass;
    int heard_below, heard_above, heard_silent; /* of a pass in which all layers listen at once */

    /* The rule's numbers for this layer in this inference. */
    double alpha, beta;
    double strength;          /* beta_k/beta_{k+1}; rho of the input */
    double gain_plus, gain_minus; /* c+ and c-, strength included */
    double damping, gamma;    /* D_k; ||W_k||_2, NaN where it was not estimated */
    int mean_listens;         /* can Delta change sbar? not with DP^T at alpha 0 and 1, nor in back-propagation */
    int general;              /* updated by the general slot? */
    int restless;             /* are its own s+- or noise among its inputs, so that every visit updates? */
    double alphas_of[3];      /* alpha, deviation and seed that alphas were drawn for */
};

/* What a rule has a state keep, beside what every state keeps; whatever changes it changes the rule's plan. */
struct dualprop__needs {
    int emitted, input_dyads, power, alphas, mask, state_noise, down_noise, weight_noise, general_output, feedback;
    int order_count;
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
    double scratch_peak;        /* of s+ there, which nobody asks for; a deferred slot may write it late */
    int32_t *moves;             /* [3 * capacity] host: of the next batch */
    int64_t moves_count;        /* its samples; 0: no moves */
    void *staging;              /* host memory: a batch of targets, or three rows of the widest layer, or draws */
    int64_t widest;             /* elements of the widest layer, before pooling, the input included */
    struct dualprop__needs needs;
    int32_t *order;             /* [needs.order_count]: of DUALPROP_LIST */
    int64_t workspace_bytes;
    void *uniform, *normals[3]; /* (count, widest layer): draws for one update: mask; plus, minus, down */
    void *target_mean;          /* (count, outputs): scratch of general output updates */
    void *power_image;          /* [widest]: W v in a power iteration */
    void *proximal;             /* 7 * outputs doubles, for output_proximal */
    uint64_t bytes;             /* everything, for dualprop_state_memory_needed() */
    uint64_t plan;              /* the rule's, when this state was prepared */
    atomic_int busy;

    enum dualprop__phase phase;
    int64_t count;              /* samples of this inference */
    int lowest;                 /* the first layer of dyads: 1, or 0 where the input is one */
    int variant, nudge_at, output_step, adjoint; /* the rule as it was when the inference began */
    int schedule, most_passes, feedback, quantize_bits;
    double tolerance, limit, time_step, fraction, noise_state, noise_down;
    uint64_t seed;
    int loss;
    int own_switches;           /* are switches taken anew? see switches.c */
    int passes;
    double residual;
    double pass_change, pass_peak;
    int64_t updates, skipped;
    uint64_t inferences;        /* begun so far; with the seed it decides what is drawn */
    uint64_t drawn[8];          /* of each kind of draws in this inference */
    dualprop_guard *guards;     /* [L + 1] host: of a learning step in the same stretch; NULL where a backend has none */
    int deferred;               /* peaks come at the end of the inference; see deferred.c */
    int64_t warm_count;         /* samples of the last inference that ended well; 0: none */
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

/* Refuse what was loaded where it was not finite. */
dualprop_status dualprop__batch_check(const dualprop_state *state);

/* deferred.c: may this inference, whose rule was taken, look at its peaks at the end? */
int dualprop__can_defer(const dualprop_state *state, int is_warm);
/* Nothing, on the CPU. */
dualprop_status dualprop__deferred_begin(dualprop_state *state);
/* End what was begun, in whose course `status` came about, and look. DIVERGED without a sentence: do it again, to know where. */
dualprop_status dualprop__deferred_end(dualprop_state *state, dualprop_status status);

/* listen.c: s_k = f_k(a_k) for all layers, from the input that was loaded. */
dualprop_status dualprop__feed_forward(dualprop_state *state);
/* listen.c: a_k = ... in the same way, but sbar and delta stay as they are. */
dualprop_status dualprop__feed_forward_beside(dualprop_state *state);
/* listen.c: layer k listens once, unless nothing it hears has changed. */
dualprop_status dualprop__listen(dualprop_state *state, int k);
/* listen.c: all layers listen at once, to the values from before. */
dualprop_status dualprop__listen_together(dualprop_state *state);
/* output.c: the output layer's update, once a_L is there. */
dualprop_status dualprop__update_output(dualprop_state *state);
/* general.c: an update of layer k with the rarer options; top_down NULL means zero. */
dualprop_status dualprop__update_general(dualprop_state *state, int k, const void *a, const void *top_down);
/* general.c: round the feed-forward state of layer k, where the rule quantises. */
dualprop_status dualprop__quantize_start(dualprop_state *state, int k);
/* general.c: draw the alphas of single neurons and the weights' noise for an inference that begins. */
dualprop_status dualprop__draw_hardware(dualprop_state *state);
/* general.c: read the weights with fresh noise. */
dualprop_status dualprop__draw_weight_noise(dualprop_state *state);
/* damping.c: D_k of all layers, for an inference that begins; and the vectors that power iterations start from. */
dualprop_status dualprop__find_damping(dualprop_state *state);
dualprop_status dualprop__seed_power_vectors(dualprop_state *state);
/* rule_numbers.c: take the rule's numbers for an inference that begins. */
void dualprop__take_rule(dualprop_state *state);
/* What goes down from layer k, and into its gradient. */
static inline const void *dualprop__emission(const struct dualprop__dyads *dyads)
{
    return dyads->emitted ? dyads->emitted : dyads->delta;
}
/* infer.c: what was computed from the weights is no longer of use. */
void dualprop__forget_products(dualprop_state *state);
/* infer.c: end an inference that is open, whatever came of it. */
/* dualprop_infer_view() for callers that hold something: no point where pthread_cancel() takes effect. */
dualprop_status dualprop__infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                     const char *function);
void dualprop__infer_close(dualprop_state *state, enum dualprop__phase phase);

#endif
