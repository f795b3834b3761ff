/*
 * state_internal.h - what is inside a state: one record of dyads a layer, and what is known about each array.
 *
 * Every mean and delta carries a version that is raised when the array may have changed. A layer remembers which
 * version of its neighbours its own a and Delta were computed from, and so knows what it need not compute again. A
 * delta of version 0 is exactly zero, whatever its memory holds.
 */
#ifndef DUALPROP_CORE_STATE_INTERNAL_H
#define DUALPROP_CORE_STATE_INTERNAL_H

#include "core/rule/rule_internal.h"

/* What the backend derived from one array of weights. */
struct dualprop__cache {
    void *memory;
    const void *weights; /* NULL: nothing yet */
    uint64_t generation; /* of the network, when it was derived */
};

/* What of a layer's inputs is new at a visit. */
struct dualprop__stale {
    int below, above;  /* has it changed? */
    int is_zero_above; /* is the delta above exactly zero? */
};

/* What one layer has for inferences; a state that only predicts has none of it. Grouped by what writes it, too. */
struct dualprop__layer_inference {
    /* Backend memory that state_plan.c hands out; NULL if the rule has no use. */
    struct {
        void *error_signal; /* (count, width): what goes down and into the gradient if it is not delta: LeCun's variant
                               has f'(a) delta */
        void *alphas;       /* [width]: alpha of each neuron */
        void *power;        /* [width]: the vector that power iterations on W_k have come to */
        void *noisy;        /* the layer's weights as an inference with weight noise reads them */
    } arrays;

    /* As in the record of dyads. */
    struct {
        uint64_t given;                         /* of an open top: raised when its Delta is written; 0: it is zero */
        uint64_t formed_mean, formed_delta;     /* the versions at which s- was f(a) of what was below */
        uint64_t switched_mean, switched_delta; /* the versions at which the switches above were computed again */
    } versions;

    /* rule_snapshot.c and damping.c: the rule's numbers for this layer in this inference. */
    struct {
        double alpha, beta;
        double beta_ratio;            /* beta_k/beta_{k+1}; rho of the input */
        double gain_plus, gain_minus; /* c+ and c-, beta_ratio included */
        double damping, gamma;        /* D_k; ||W_k||_2, NaN if it was not estimated */
        int mean_depends_on_top_down; /* can Delta change sbar? not with DP^T at alpha 0 and 1, nor in back-propagation
                                       */
        int uses_extended_update;     /* updated by the extended slot? */
        int always_updates;           /* are its own s+- or noise among its inputs, so that every visit updates? */
    } numbers;

    /* What the visits of this inference have found. */
    struct {
        double change; /* max |change of s+-| of the last update, where measured */
        int visits;
        int written; /* by the caller since its last update? */
        int in_pass; /* visited in this pass? */
        struct dualprop__stale stale;
    } observed;
};

/*
 * One layer's dyads; number 0 is the input, whose mean is x unless the input is a dyad too. Its fields are grouped by
 * what writes them.
 */
struct dualprop__dyads {
    const dualprop_layer *layer; /* NULL for the input */
    int64_t width;
    struct dualprop__layer_inference *inference; /* of a state that only predicts: zeros, never to be written */

    /*
     * Backend memory that state_plan.c hands out, (count, width) unless said otherwise; NULL if the rule has no use.
     */
    struct {
        void *a;           /* W_{k-1} sbar_{k-1} + b_{k-1}; x for the input */
        void *top_down;    /* Delta_k = W_k^T delta_{k+1}; -beta loss' for an output with an extended update */
        void *mean;        /* sbar_k */
        void *delta;       /* delta_k */
        uint8_t *switches; /* of the layer's max pooling, else NULL */
    } arrays;
    struct dualprop__cache caches[2]; /* map.c: of the weights, and of feedback weights of their own */

    /* Raised by each update; see the head of this file. */
    struct {
        uint64_t mean, delta;
        uint64_t a_source;        /* the version of the mean below that a was computed from */
        uint64_t top_down_source; /* the version of the delta above that top_down was computed from; 0: it is zero */
    } versions;

    /* What the last updates have found. */
    struct {
        double max_abs;              /* max |s+|, |s-| of the last update */
        double feed_forward_max_abs; /* max |f(a)| of the feed-forward start */
    } observed;
};

/* What a rule has a state keep, beside what every state keeps; a change of it changes the rule's plan. */
struct dualprop__needs {
    uint8_t error_signal, input_dyads, power, alphas, mask, state_noise, down_noise, weight_noise, extended_output,
        feedback, loss_function, loss_proximal, fresh_minus; /* 0 or 1 */
    uint8_t none[3]; /* 0, in place of padding: needs are compared byte by byte */
    int order_count;
};
_Static_assert(sizeof(struct dualprop__needs) == 16 + sizeof(int), "needs have no padding");

/* A state is idle until an inference begins, open during it, and settled when it ended well. */
enum dualprop__phase { DUALPROP__IDLE, DUALPROP__OPEN, DUALPROP__SETTLED };
/* Why a state is idle, for the sentence of a call that needs its inference. */
enum dualprop__lost {
    DUALPROP__NEVER_INFERRED,
    DUALPROP__LOST_TO_FAILURE,
    DUALPROP__LOST_TO_PREDICTION,
    DUALPROP__LOST_TO_PREPARE,
    DUALPROP__LOST_TO_CHECKPOINT
};

/* own_loss.c: a loss function and what it works on, on the host. */
struct dualprop__own_loss {
    dualprop_loss_function function; /* of the inference */
    dualprop_loss_proximal proximal; /* likewise; may be NULL */
    void *user_data;
    uint64_t source; /* the version of the mean below that slopes were computed at; see versions.a_source */
    double loss;     /* mean over the batch at the prediction */
    int64_t correct;
    /* Targets, outputs, slopes of a batch, and losses [capacity]; with a proximal map also its results, slopes at the
     * second of two, and t [capacity]. */
    double arrays[];
};

/* neurons.c: what single neurons have of their own. */
#define DUALPROP__NEURON_KINDS 5

struct dualprop__neurons_of_layer {
    unsigned given;                         /* a bit for each kind */
    double *values[DUALPROP__NEURON_KINDS]; /* [width] on the host, as they were given */
    void *arrays[DUALPROP__NEURON_KINDS];   /* [width] for the updates; NULL: never given */
};

struct dualprop__neurons {
    struct dualprop__neurons_of_layer *layers; /* [L + 1] */
    void *target_mean;                         /* (capacity, outputs): scratch of extended output updates */
    void *normals[2];                          /* (capacity, widest layer): draws for one update */
    void *draws;                               /* the same on the host */
};

struct dualprop_state {
    uint32_t magic;
    int layer_count; /* L */
    dualprop_context *context;
    dualprop_network *network;
    dualprop_network *opened; /* while a call reads parameters: the network whose layers hold them */
    dualprop_rule *rule;      /* NULL: prediction only */
    int64_t capacity;
    struct dualprop__dyads *dyads;     /* [L + 1] */
    struct dualprop__neurons *neurons; /* NULL until single neurons get values */
    struct dualprop__aside *aside;     /* NULL: predictions overwrite the inference */
    atomic_int busy;

    /* state_plan.c: memory, from dualprop_state_create() or _prepare() until the next plan. */
    struct {
        uint64_t revision; /* of the rule's plan, when this state was prepared */
        struct dualprop__needs needs;
        uint64_t bytes; /* everything, for dualprop_state_memory_needed() */
        int64_t widest; /* elements of the widest layer, before pooling, the input included */
        void *arena;    /* all backend memory below, in one piece */
        size_t arena_bytes;
        void *staging;         /* host memory: a batch of targets, or three rows of the widest layer, or draws */
        int32_t *order;        /* [needs.order_count]: of DUALPROP_LIST */
        int32_t *augmentation; /* [3 * capacity] host: of the next batch */
        dualprop_step_condition *conditions; /* [L + 1] host: of a step in the same section; NULL: no such slot */
        void *target;                        /* (count, outputs) */
        void *prediction;                    /* (count, outputs): a_L of the feed-forward start */
        void *workspace;                     /* of the slots of layers */
        int64_t workspace_bytes;
        void *scratch; /* (count, widest pooled layer): a that only gives switches; NULL unless original */
        int64_t scratch_elements;
        void *uniform, *normals[3]; /* (count, widest layer): draws for one update: mask; plus, minus, down */
        void *formed;               /* (count, widest layer): s- that is formed again; NULL unless fresh_minus */
        void *target_mean;          /* (count, outputs): scratch of extended output updates */
        void *power_image;          /* [widest]: W v in a power iteration */
        void *proximal;             /* 7 * outputs doubles, for output_proximal */
        struct dualprop__own_loss *own_loss; /* NULL unless the rule's loss is a function */
        uint64_t alphas_revision;            /* the revision of the rule that alphas were drawn for; 0: none */
    } plan;

    /* rule_snapshot.c: the rule as it was when the inference began. */
    struct {
        uint64_t revision; /* of the rule that was checked and copied; 0: none yet */
        int lowest;        /* the first layer of dyads: 1, or 0 if the input is one */
        const struct dualprop__variant *variant;
        int loss, nudge_at, output_step, schedule, most_passes, feedback, quantize_bits;
        int fresh_minus;  /* is s- above formed again before each update? */
        int own_switches; /* are switches computed again? see switches.c */
        int growth_limit; /* passes in a row that may grow; 0: any number */
        double tolerance, limit, time_step, fraction, noise_state, noise_down;
        uint64_t seed;
    } snapshot;

    /* batch.c */
    struct {
        int64_t count;              /* samples of this inference */
        int64_t augmentation_count; /* samples that augmentation was set for; 0: none */
        int64_t first;              /* number of the first sample in the caller's array */
        int warned;                 /* of targets of cross-entropy that are no distributions? */
        int is_slope;               /* did the caller give the slope of a loss in place of targets? */
    } batch;

    /* sample_weights.c */
    struct {
        /* Of classes [outputs], of the next batch's samples [capacity], and of this batch's rows [capacity], that of
         * the class included; NULL until weights are set for the first time. */
        double *memory;
        int has_classes;
        int is_batch;         /* are the samples of this batch weighted? */
        int64_t sample_count; /* samples that weights were set for; 0: none */
    } weights;

    /* infer.c: how far the inference is, and what it has found. */
    struct {
        enum dualprop__phase phase;
        int passes;
        double residual, pass_change, pass_max_abs;
        uint8_t is_measured; /* is the change of s+- measured in this pass? */
        uint8_t holds;       /* is the network kept from being written? */
        uint8_t lost;        /* enum dualprop__lost: how the last inference that had settled went */
        int growing_passes;  /* the last so many passes changed more than the one before each */
        double last_change;  /* of the pass before; NaN until delta had reached the lowest layer before it */
        int64_t updates, skipped;
        uint64_t inferences;               /* begun so far; with the seed it decides what is drawn */
        uint64_t drawn[8];                 /* of each kind of draws in this inference */
        const dualprop_network *read_from; /* the network whose weights an open inference has used, and their */
        uint64_t generation;               /* generation */
        uint64_t serial;                   /* a number that no other inference of the context has */
        uint64_t written;                  /* of the network, when the inference began */
        int64_t warm_count;                /* samples of the last inference that ended well; 0: none */
    } run;

    /* deferred.c */
    struct {
        int deferred;           /* maxima come at the end of the inference */
        double scratch_max_abs; /* of s+ in scratch, which no code reads; a deferred slot may write it late */
    } section;

    /* train_step.c: a step whose status is still to be found, before the state is used again. */
    struct {
        dualprop_status (*settle)(dualprop_optimizer *optimizer);
        dualprop_optimizer *optimizer; /* NULL: there is none */
    } delayed;
};

/* The neighbours of layer k: only this room knows which they are. */
static inline struct dualprop__dyads *dualprop__below(const dualprop_state *state, int k)
{
    return k > 0 ? &state->dyads[k - 1] : NULL;
}

static inline struct dualprop__dyads *dualprop__above(const dualprop_state *state, int k)
{
    return k < state->layer_count ? &state->dyads[k + 1] : NULL;
}

static inline struct dualprop__dyads *dualprop__output(const dualprop_state *state)
{
    return &state->dyads[state->layer_count];
}

/* Does layer k meet the targets? The last one does, unless another network goes on above it. */
static inline int dualprop__is_output(const dualprop_state *state, int k)
{
    return k == state->layer_count && !(state->network->open & DUALPROP_OPEN_TOP);
}

/* state.c: one call at a time. */
dualprop_status dualprop__state_enter(dualprop_state *state, const char *function);
void dualprop__state_leave(dualprop_state *state);
/*
 * Begin to read the network's parameters, and end it. The layers of the dyads are those that hold them, which are
 * others after each publication (network_publish.c).
 */
dualprop_status dualprop__state_begin_read(dualprop_state *state);
void dualprop__state_end_read(dualprop_state *state);
/* Refuse a state whose inference by hand is open. */
dualprop_status dualprop__check_not_open(const dualprop_state *state);
/* Refuse a state that does not hold the dyads of a whole inference, with the reason in the sentence. */
dualprop_status dualprop__check_settled(const dualprop_state *state);
/* The dyads are of no inference any more. */
void dualprop__state_lose(dualprop_state *state, enum dualprop__lost how);
/* Copy `count` host numbers to backend memory, through staging memory, which has to have room for them. */
dualprop_status dualprop__state_store(dualprop_state *state, void *memory, const double *values, int64_t count);
/* End an inference that is open, whatever came of it. */
void dualprop__state_close(dualprop_state *state, enum dualprop__phase phase);

/* versions.c: what was computed from the weights is no longer of use. */
void dualprop__forget_products(dualprop_state *state);
/* power_vectors.c: scale a host vector to length 1, unless it is zero; returns its length before. */
double dualprop__normalize(void *reals, int type, int64_t count);
/* The vectors that power iterations start from: one layer's, and all. */
dualprop_status dualprop__start_power_vector(dualprop_state *state, int k);
dualprop_status dualprop__seed_power_vectors(dualprop_state *state);
/* rule_snapshot.c: does the rule ask for an update that only the extended slot makes? */
int dualprop__rule_has_hardware_options(const dualprop_rule *rule);
/* rule_snapshot.c: read the rule's numbers for an inference that begins. */
void dualprop__snapshot_rule(dualprop_state *state);

/* batch.c: a caller's arrays into the state. */
/* Make a rank-4 view (count, height, width, channels) of what the caller gave; refuse what does not fit. */
dualprop_status dualprop__batch_inputs(dualprop_view *images, const dualprop_state *state, const dualprop_view *inputs);
/* Check labels or dense targets for `count` samples. */
dualprop_status dualprop__batch_targets(const dualprop_state *state, const dualprop_view *targets, int64_t count);
/* Check the slope of a loss for `count` samples. */
dualprop_status dualprop__batch_slopes(const dualprop_state *state, const dualprop_view *slopes, int64_t count);
/* The slope of a loss, of checked views, or in the host array `slopes`; they are kept where targets are: see below. */
dualprop_status dualprop__batch_load_slopes(dualprop_state *state, const dualprop_view *slopes);
dualprop_status dualprop__batch_put_slopes(dualprop_state *state, const double *slopes);
/*
 * Are slopes loaded, not targets? Then plan.target holds -slope and plan.prediction zeros, so that the squared error's
 * slope, prediction - target, is the slope itself, on every backend and to the bit.
 */
static inline int dualprop__has_slopes(const dualprop_state *state)
{
    int is_function = state->rule && state->snapshot.loss == DUALPROP_LOSS_FUNCTION;
    return state->batch.is_slope || (is_function && !(state->network->open & DUALPROP_OPEN_TOP));
}
/* Has the loss of this batch a proximal map of the caller's? */
static inline int dualprop__has_own_proximal(const dualprop_state *state)
{
    return dualprop__has_slopes(state) && !state->batch.is_slope && state->plan.own_loss->proximal;
}
/* Of a loss that is linear in the outputs, all output steps are the linear one. */
static inline int dualprop__output_step_of(const dualprop_state *state)
{
    int is_linear = dualprop__has_slopes(state) && !dualprop__has_own_proximal(state);
    return is_linear ? DUALPROP_OUTPUT_LINEAR : state->snapshot.output_step;
}
/* Refuse a batch of another size than the augmentation that is set. */
dualprop_status dualprop__check_augmentation(const dualprop_state *state, int64_t count);
/* Load rows first .. first+count-1 of checked views. */
dualprop_status dualprop__batch_load(dualprop_state *state, const dualprop_view *images, int64_t first, int64_t count);
dualprop_status dualprop__batch_load_targets(dualprop_state *state, const dualprop_view *targets, int64_t first,
                                             int64_t count);

/* Refuse a number of samples to set something for that the state has no room for. */
dualprop_status dualprop__check_sample_count(const dualprop_state *state, int64_t count);
/* Refuse what was loaded if it was not finite; else the augmentation that was set has been used. */
dualprop_status dualprop__batch_check(dualprop_state *state);

/* ---- sample_weights.c ---- */
/* Refuse a batch of another size than the weights that are set; and any that are, where the slope is given. */
dualprop_status dualprop__weights_check(const dualprop_state *state, int64_t count);
dualprop_status dualprop__weights_check_slopes(const dualprop_state *state);
/* Weigh the rows of a batch, whose targets are reals on the host. */
void dualprop__weights_load(dualprop_state *state, const void *targets, int64_t count);
/* The weights of samples that were set have been used. */
void dualprop__weights_used(dualprop_state *state);
/* The weight of a row of the batch, and how many rows from it on have the same. */
double dualprop__weight_of(const dualprop_state *state, int64_t row);
int64_t dualprop__weight_run(const dualprop_state *state, int64_t row);
/* The slot evaluate on some rows of the batch and of plan.target, with the weighted sum of losses. */
dualprop_status dualprop__weighted_evaluate(double *loss, int64_t *correct, int64_t *top_k, const dualprop_state *state,
                                            int kind, const void *predictions, int64_t first, int64_t rows, int k);

/*
 * Doubles of workspace for each number of a layer whose activation is the caller's: two arguments, two values, their
 * span and difference; a state that only predicts has one argument and one value.
 */
enum { DUALPROP__CUSTOM_FULL = 6, DUALPROP__CUSTOM_PREDICTION = 2 };
static inline int dualprop__custom_doubles(const dualprop_state *state)
{
    return state->rule ? DUALPROP__CUSTOM_FULL : DUALPROP__CUSTOM_PREDICTION;
}

/* ---- set_aside.c: around a prediction, where the inference is to be kept; else nothing is done ---- */
void dualprop__set_aside(dualprop_state *state);
void dualprop__take_back(dualprop_state *state);
void dualprop__aside_destroy(dualprop_state *state);
/* sample_weights.c: the weights of the batch's rows, [capacity], to and from memory of the caller's. */
void dualprop__weights_copy_rows(double *rows, const dualprop_state *state);
void dualprop__weights_put_rows(dualprop_state *state, const double *rows);

/* ---- neurons.c ---- */
/* Refuse values of single neurons that contradict the rule. */
dualprop_status dualprop__neurons_check(const dualprop_state *state);
/* Has layer k any? What its update then is, after the rule's numbers for the layer were copied. */
int dualprop__has_neurons(const dualprop_state *state, int k);
void dualprop__neurons_snapshot(dualprop_state *state, int k);
/* One kind's array [width] for updates, and on the host; NULL: layer k has none. */
const void *dualprop__neurons_of(const dualprop_state *state, int k, int kind);
const double *dualprop__neuron_values(const dualprop_state *state, int k, int kind);
void dualprop__neurons_destroy(dualprop_state *state);
/* alpha of each neuron of layer k, given or drawn; NULL: they share one. */
static inline const void *dualprop__alphas_of(const dualprop_state *state, int k)
{
    const void *given = dualprop__neurons_of(state, k, DUALPROP_NEURON_ALPHA);
    return given || !state->plan.needs.alphas ? given : state->dyads[k].inference->arrays.alphas;
}

/* What goes down from layer k, and into its gradient. */
static inline const void *dualprop__error_signal(const struct dualprop__dyads *dyads)
{
    return dyads->inference->arrays.error_signal ? dyads->inference->arrays.error_signal : dyads->arrays.delta;
}

/*
 * ---- map.c: the linear map of a layer, in its three directions, whatever its kind ----
 *
 * Here the kinds of layers end: inference and learning above, slots of the backend below.
 */

/* Bytes of workspace that the three directions need for the state's capacity; -1 if the shape is too large. */
int64_t dualprop__map_workspace(const dualprop_state *state, const dualprop_layer *layer);

/* Bytes that a layer's cache needs in a state; likewise. */
int64_t dualprop__map_cache(const dualprop_state *state, const dualprop_layer *layer);

/* a = W x + b of layer k, followed by the dyad update if one is given. x is (count, inputs), a (count, width). */
dualprop_status dualprop__map_bottom_up(dualprop_state *state, int k, void *a, const void *x,
                                        const dualprop_dyad *update);

/*
 * top_down = W^T delta of layer k, an input of layer k - 1, followed by the dyad update if one is given. If the rule
 * computes switches again, the caller does that first: dualprop__switches_of_plus(), dualprop__switches_of_mean().
 */
dualprop_status dualprop__map_top_down(dualprop_state *state, int k, void *top_down, const void *delta,
                                       const dualprop_dyad *update);

/* The same through the weights themselves, whatever carries delta down in this inference, and without an update. */
dualprop_status dualprop__map_adjoint(dualprop_state *state, int k, void *top_down, const void *delta);

/*
 * The gradient of layer k into the two arrays, either of which may be NULL, or, if step is given, at once into the
 * parameters, with the moments of weights and bias.
 */
dualprop_status dualprop__map_gradient(dualprop_state *state, int k, void *gradient, void *bias_gradient, const void *x,
                                       const void *delta, double scale, int accumulate,
                                       const dualprop_step_numbers *step, void *moments[4]);
/* The same of samples first .. first + rows - 1 of the state alone; x and delta are those of sample `first`. */
dualprop_status dualprop__map_gradient_rows(dualprop_state *state, int k, int64_t first, int64_t rows, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta, double scale,
                                            int accumulate, const dualprop_step_numbers *step, void *moments[4]);

/* One sample through the linear map alone, without bias and pooling, and back: for power iterations on one layer. */
dualprop_status dualprop__map_linear_up(dualprop_state *state, int k, void *a, const void *x);
dualprop_status dualprop__map_linear_down(dualprop_state *state, int k, void *top_down, const void *delta);
/* The same with pooling, down through the switches that up left: for power iterations through several layers. */
dualprop_status dualprop__map_pooled_up(dualprop_state *state, int k, void *a, const void *x);
dualprop_status dualprop__map_pooled_down(dualprop_state *state, int k, void *top_down, const void *delta);
/* What was derived from an array of weights is stale, though it is the same array in the same generation. */
void dualprop__map_forget(dualprop_state *state, int k);
/* Elements of one sample before pooling: the result of the linear map alone. */
int64_t dualprop__map_width(const dualprop_layer *layer);

/* ---- switches.c: the switches of max pooling if a rule computes them again ---- */

/* Bytes of switches a sample of this layer needs. */
int64_t dualprop__switches_elements(const dualprop_layer *layer);
/* Does layer k compute its switches again? */
int dualprop__has_own_switches(const dualprop_state *state, int k);
/* The scratch memory that it takes: its bytes; having it after the rule changed; and letting it go. */
dualprop_status dualprop__switches_measure(uint64_t *bytes, const dualprop_state *state);
dualprop_status dualprop__switches_plan(dualprop_state *state);
void dualprop__switches_release(dualprop_state *state);
/* Before layer k's map is used downwards: switches at s+ of layer k - 1, with plus, (count, width), as scratch. */
dualprop_status dualprop__switches_of_plus(dualprop_state *state, int k, void *plus);
/* Before layer k's gradient: switches at sbar of layer k - 1. */
dualprop_status dualprop__switches_of_mean(dualprop_state *state, int k);
/* Would the map above layer k be switched otherwise than when Delta_k was computed? */
int dualprop__switches_changed(const dualprop_state *state, int k);

#endif
