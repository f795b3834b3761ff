/*
 * learning.h - optimizers, gradients and learning steps.
 */
#ifndef DUALPROP_CORE_LEARNING_H
#define DUALPROP_CORE_LEARNING_H

#include "core/inference/inference.h"

/* One layer's learning memory, all in backend memory. */
struct dualprop__learning {
    void *weight_gradient, *bias_gradient; /* NULL if the optimizer keeps no gradient */
    void *moments[4];          /* weight first and second, bias first and second; NULL if the kind has none */
    void *feedback_moments[2]; /* first and second of feedback weights that learn; else NULL */
};

struct dualprop__group_sums;

/* train_step.c: one call's learning step in the section of its inference. */
struct dualprop__train_step {
    dualprop__inference inference;
    int appended;    /* the step was deferred with the inference, and the network is open for writing */
    int applied;     /* and its conditions held */
    double rejected; /* not 0: a condition failed, and the step was not applied */
    /* With delayed status: the state of a step that was submitted, and its section; NULL: there is none. */
    dualprop_state *state;
    void *section;
};

struct dualprop_optimizer {
    uint32_t magic;
    dualprop_context *context;
    dualprop_network *network;
    int kind;
    int is_fused; /* keeps no gradient: every step is fused with its computation */
    double learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip;
    int schedule;
    double rate_start, rate_end;
    int64_t rate_warmup, rate_decay;
    int64_t steps;
    int64_t gradient_samples; /* in the gradient held; 0: there is none */
    int64_t first_samples; /* of the batch it began with: the gradient held is the sum over samples / first_samples */
    struct dualprop__learning *layers; /* [layer_count] */
    struct dualprop__group_sums *sums; /* of blocks and processes; NULL: one batch, one process */
    uint64_t learned;                  /* the serial number of the inference of the last update; 0: none */
    int delays_status;                 /* is the status of a step that was submitted found by the next call? */
    struct dualprop__train_step train_step;
    atomic_int busy;
};

/* Can an optimizer of this network do without a gradient? */
static inline int dualprop__needs_no_gradient(const dualprop_network *network)
{
    return network->feedback != DUALPROP_FEEDBACK_KOLEN_POLLACK && !dualprop__network_has_custom_maps(network) &&
           !(network->context->backend.flags & DUALPROP__SPLITS_STEPS);
}
/* gradient.c: refuse an optimizer that keeps no gradient. */
dualprop_status dualprop__gradient_check_kept(const dualprop_optimizer *optimizer);
/* optimizer.c: the learning rate of the next step. */
double dualprop__optimizer_rate(const dualprop_optimizer *optimizer);
/* optimizer.c: the numbers of all kinds, as a file has them, whatever the optimizer's is. */
dualprop_status dualprop__optimizer_restore(dualprop_optimizer *optimizer, double momentum, double beta1, double beta2,
                                            double epsilon);
/* optimizer.c: one call at a time. */
dualprop_status dualprop__optimizer_enter(dualprop_optimizer *optimizer, const char *function);
/* train_step.c: find the status of the step that was submitted last, if that is still to be found; of an optimizer that
 * is entered, or is being destroyed. */
dualprop_status dualprop__settle_step(dualprop_optimizer *optimizer);
void dualprop__optimizer_leave(dualprop_optimizer *optimizer);

/* gradient.c: what a gradient held has to be multiplied by to be the mean over all samples in it. */
double dualprop__gradient_scale(const dualprop_optimizer *optimizer);
/* gradient.c: -1/(beta_k samples), what delta_k sbar_{k-1}^T is multiplied by. */
double dualprop__gradient_factor(const dualprop_state *state, int k, int64_t samples);
/* gradient.c: the rule's gradient of one layer, written, added, or (with step) applied at once. */
dualprop_status dualprop__gradient_layer(dualprop_optimizer *optimizer, dualprop_state *state, int k, double scale,
                                         int accumulate, const dualprop_step_numbers *step);
/* gradient.c: a settled state of the optimizer's own network. */
dualprop_status dualprop__gradient_check(const dualprop_optimizer *optimizer, const dualprop_state *state);
/* gradient.c: the same, of an inference that the optimizer has not learned from by an update. */
dualprop_status dualprop__update_check(const dualprop_optimizer *optimizer, const dualprop_state *state);
/* gradient.c: the same of a state in another phase. */
dualprop_status dualprop__gradient_check_phase(const dualprop_optimizer *optimizer, const dualprop_state *state,
                                               enum dualprop__phase phase);
/* gradient.c: compute the gradient with both handles entered; of dyads that may not have settled. */
dualprop_status dualprop__gradient_of_dyads(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate);
/* gradient.c: what layer k's gradient reads besides its arrays: zeros of a delta that is none, switches at sbar. */
dualprop_status dualprop__gradient_prepare(dualprop_state *state, int k);
/*
 * step.c: the gradient of a group's batch and the step; `status` is this process's so far, count its samples in state.
 */
dualprop_status dualprop__group_update(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                       dualprop_status status);
/* gradient.c: the same of a settled state. */
dualprop_status dualprop__gradient_compute(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate);

/* step.c: the largest gradient of a layer that a step may take. */
double dualprop__largest_gradient(const dualprop_optimizer *optimizer, const dualprop_layer *layer);
/*
 * step.c: can the gradient go into the step without being written down first? Not with clipping, Kolen and Pollack's
 * feedback, or rates that let weights grow by themselves, so that a step has to check them.
 */
int dualprop__step_can_fuse(const dualprop_optimizer *optimizer);
/* A kind of optimizer; its formula is in math/optimizer_math.h. */
struct dualprop__optimizer_row {
    int moments; /* of each parameter: SGD has the momentum, Adam the mean and the mean of squares, plain SGD none */
    int is_adaptive;                    /* has beta1, beta2 and epsilon */
    double learning_rate, weight_decay; /* by default */
    double largest[2][2];               /* moments that a step can leave: [0: f64, 1: f32][order] */
};
/* optimizer.c: NULL if there is no such kind. */
const struct dualprop__optimizer_row *dualprop__optimizer_row_of(int kind);
static inline int dualprop__is_adaptive(const dualprop_optimizer *optimizer)
{
    return dualprop__optimizer_row_of(optimizer->kind)->is_adaptive;
}

/* Can a saved moment be one that a step has left? Its magnitude is limited by optimizer_math.h, with some room for
 * rounding, and a mean of squares is not negative. order: 0 for the momentum or the mean, 1 for the mean of squares. */
static inline void dualprop__moment_range(double range[2], const dualprop_optimizer *optimizer, int order)
{
    const struct dualprop__optimizer_row *row = dualprop__optimizer_row_of(optimizer->kind);
    double most = row->largest[optimizer->context->precision == DUALPROP_F32][order];
    range[0] = row->is_adaptive && order == 1 ? 0.0 : -most;
    range[1] = most;
}

/* One more step was made. */
static inline void dualprop__count_step(dualprop_optimizer *optimizer)
{
    optimizer->steps += optimizer->steps < DUALPROP__MOST_COUNTED;
}

/* step.c: gradient and step of all layers, fused. */
dualprop_status dualprop__learn_layers(dualprop_optimizer *optimizer, dualprop_state *state);
/* step.c: what dualprop_update() does with both entered. */
dualprop_status dualprop__update(dualprop_optimizer *optimizer, dualprop_state *state);

#endif
