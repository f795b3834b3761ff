/*
 * model.h - dual propagation once more, as the equations say it: s+ and s- of a small network as two arrays of doubles.
 *
 * It shares no code with the library: states are updated in place by Eq. 2, 19, 50 and their options, deltas are plain
 * differences, and a schedule is a list of layers that the test writes down itself.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "small_network.h"

struct model {
    const struct small_network *of;
    int layers;
    int64_t widths[SMALL_MAX_LAYERS + 1], batch;
    int activation, adjoint, straight, derivative, loss, output_step, at_prediction;
    double alpha[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS]; /* of each neuron */
    double beta[SMALL_MAX_LAYERS + 1];
    double damping[SMALL_MAX_LAYERS + 1], time_step, robustness;
    double weight[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS], bias[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS];
    double feedback[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS]; /* the weights if there is none */
    double plus[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS], minus[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS];
    double prediction[SMALL_MAX_REALS];
};

/* Read the network's parameters, take the plan's choices, and start from the feed-forward state. */
void model_create(struct model *model, const struct small_network *small);
/* Start again from the feed-forward state, after options were set. */
void model_start(struct model *model);
/* Update one layer. */
void model_listen(struct model *model, int k);
/* Update the layers of a list, one after the other. */
void model_run(struct model *model, const int *order, int count);
/* Update all layers from lowest at once. */
void model_jacobi(struct model *model, int lowest);
/* -1/(beta_k B) sum of delta_k sbar_{k-1}^T and of delta_k. */
void model_gradient(double *weight, double *bias, const struct model *model, int k);
/* The objective: Eq. 1 (Eq. 12's betas in it), SPROVR's loss of the mean in its place, E_0's term added; relu, identity
 * and hard sigmoid, whose G is 1/2 s^2 on their range. Of the mean loss: divided by the batch. */
double model_objective(const struct model *model);
/* sbar of neuron i of sample b of layer k. */
double model_mean(const struct model *model, int k, int64_t b, int64_t i);
double model_activate(int activation, double a);
double model_slope(int activation, double a);

#endif
