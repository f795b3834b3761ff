/*
 * small_network.h - a small network with a rule, a state and an optimizer, in f64, for the tests of properties.
 */
#ifndef TESTS_SMALL_NETWORK_H
#define TESTS_SMALL_NETWORK_H

#include <dualprop/dualprop.h>

#define SMALL_MAX_LAYERS 6
#define SMALL_MAX_REALS 1280 /* of one layer's weights, or one array of dyads */

/* What to build; unset numbers mean 0, so say what you want. */
struct small_plan {
    int backend;
    int layers;
    int64_t widths[SMALL_MAX_LAYERS + 1];
    int activation;                                 /* of the hidden layers */
    int (*register_map)(dualprop_context *context); /* registers a map of (inputs, outputs) for all; may be NULL */
    int (*register_activation)(dualprop_context *context); /* registers another one for them; may be NULL */
    int variant;
    double alpha, beta;
    int loss, output_step, nudge_at, schedule, passes;
    double tolerance;
    int64_t batch;
    uint64_t seed;
    double scale;                           /* of the weights; 0 means 1 */
    int feedback;                           /* kind; the rule's too */
    void (*configure)(dualprop_rule *rule); /* set what else the rule should have; may be NULL */
};

struct small_network {
    struct small_plan plan;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double x[SMALL_MAX_REALS];
    double y[SMALL_MAX_REALS]; /* dense targets; rows are distributions for cross-entropy */
};

/* Build everything; data and biases are drawn from the seed. Fails the test on any error. */
struct small_network small_create(const struct small_plan *plan);
void small_destroy(struct small_network *small);
/* A second rule and state on the same network: the twin of this one. Owned by *twin; destroy it first. */
struct small_network small_twin(const struct small_network *small, int variant);
/* Infer on its data; gives the status. */
dualprop_status small_infer(struct small_network *small);
/* Infer, compute the gradient, and copy layer k's weight gradient to `gradient`. */
void small_gradient(struct small_network *small);
void small_read_gradient(double *weight, double *bias, struct small_network *small, int k);
/* Copy s+, s-, ... of layer k. */
void small_read(double *reals, struct small_network *small, int k, int which);
/* Compare the gradient of layer k with a twin's. */
double small_cosine(struct small_network *small, struct small_network *twin, int k);
double small_norm_ratio(struct small_network *small, struct small_network *twin, int k);
/* Largest |gradient - twin's| over the twin's norm, of all layers. */
double small_error(struct small_network *small, struct small_network *twin);
/* The same of the network that a plan describes, over back-propagation's gradient. */
double small_error_of(const struct small_plan *plan);
/* Expect equal dyads of layer k, and equal gradients that the optimizers hold, relative to the largest. */
void small_expect_dyads(struct small_network *small, struct small_network *other, int k, double tolerance);
void small_expect_gradient(struct small_network *small, struct small_network *other, int k, double tolerance);
/* Largest |x - y| over the largest |y|. */
double relative_difference(const double *x, const double *y, int64_t count);

#endif
