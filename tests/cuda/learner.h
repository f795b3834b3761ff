/*
 * learner.h - a network that learns from bytes: the same on any backend, so that two can be compared.
 *
 * Every function gives the first status that is not OK, and learner_end() takes whatever there is, so that runs in
 * which a call of the device fails can be made with it.
 */
#ifndef DUALPROP_TESTS_LEARNER_H
#define DUALPROP_TESTS_LEARNER_H

#include "dualprop/dualprop.h"

#define LEARNER_SAMPLES 48
#define LEARNER_CLASSES 10
#define LEARNER_MOST_BYTES (LEARNER_SAMPLES * 12 * 12 * 3)

/* What nudges the output: a loss of the library's, a function, slopes, weights of samples or of classes. */
enum { LEARNER_LOSS, LEARNER_FUNCTION, LEARNER_SLOPES, LEARNER_SAMPLE_WEIGHTS, LEARNER_CLASS_WEIGHTS };

typedef struct learner_plan {
    int64_t height, width, channels;
    dualprop_status (*add_layers)(dualprop_network *network);
    int variant, loss, nudge_at, schedule, passes, optimizer;
    double alpha, beta, tolerance, clip;
    int apart;        /* learn by dualprop_infer_view() and dualprop_update(), not by dualprop_learn_view() */
    int by_hand;      /* infer pass by pass, of which a device defers nothing */
    int nudge;        /* one of LEARNER_... */
    int64_t capacity; /* of the state; the samples come in batches of it, with a short one at the end */
    dualprop_options options;
} learner_plan;

typedef struct learner {
    const learner_plan *plan;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    uint8_t images[LEARNER_MOST_BYTES];
    int32_t labels[LEARNER_SAMPLES];
} learner;

/* Make the context, and everything in it. The learner is to be zero before. */
dualprop_status learner_begin(learner *self, const learner_plan *plan, int backend);
void learner_end(learner *self);
/* Learn one epoch; evaluate; write all parameters, whose number is *count, one after the other as f32 (at most room).
 */
dualprop_status learner_epoch(learner *self);
/* Learn from these samples, or add their gradient to what is held; of a group's batch a share may have none. */
dualprop_status learner_learn(learner *self, int64_t first, int64_t count);
dualprop_status learner_accumulate(learner *self, int64_t first, int64_t count);
/* The inferences of an epoch without learning; scores of all samples. */
dualprop_status learner_infer(learner *self);
dualprop_status learner_predict(learner *self, float *scores);
dualprop_status learner_score(learner *self, double *loss, int64_t *correct);
dualprop_status learner_parameters(learner *self, float *values, int64_t room, int64_t *count);

/* Layers: a multi-layer perceptron; convolutions with both kinds of pooling; some that BF16 has plans for, with
 * even numbers of channels; locally connected ones. */
dualprop_status learner_mlp(dualprop_network *network);
dualprop_status learner_cnn(dualprop_network *network);
dualprop_status learner_even(dualprop_network *network);
/* As the last but one, with a softmax over the channels of a map, whose rows are no kernel's own elements. */
dualprop_status learner_soft(dualprop_network *network);
dualprop_status learner_local(dualprop_network *network);
/* The plan that the others are made from. */
learner_plan learner_plan_mlp(void);
learner_plan learner_plan_images(dualprop_status (*add_layers)(dualprop_network *network));

#endif
