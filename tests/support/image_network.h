/*
 * image_network.h - a small network of images with every kind of layer, its data, a rule, a state and an optimizer.
 *
 *     6 x 5 x 2  -> convolution 3x3, 4 channels -> 6 x 5 x 4
 *                -> convolution 3x3, 5 channels, pooled 2x2 (a column drops) -> 3 x 2 x 5
 *                -> local 2x2 without padding, 3 channels -> 2 x 1 x 3 -> dense -> 4
 */
#ifndef TESTS_IMAGE_NETWORK_H
#define TESTS_IMAGE_NETWORK_H

#include <dualprop/backend.h>
#include <dualprop/dualprop.h>

#define IMAGE_LAYERS 4
#define IMAGE_BATCH 3
#define IMAGE_HEIGHT 6
#define IMAGE_WIDTH 5
#define IMAGE_CHANNELS 2
#define IMAGE_INPUTS (IMAGE_HEIGHT * IMAGE_WIDTH * IMAGE_CHANNELS)
#define IMAGE_CLASSES 4
#define IMAGE_MOST 200 /* weights of a layer, or outputs of one sample */

/* What to build; unset numbers mean 0, so say what you want (passes 0 is 1, threads 0 is 1). */
struct image_plan {
    int backend, precision, threads, activation, pooling;
    int variant, loss, nudge_at, schedule, passes, switches, output_step;
    double alpha, beta;
    int feedback;                           /* kind; the network's, and the rule's too */
    void (*configure)(dualprop_rule *rule); /* set what else the rule should have; may be NULL */
    const dualprop_backend *own_backend;    /* in place of backend; may be NULL */
    const dualprop_allocator *allocator;    /* or NULL */
};

struct image_network {
    struct image_plan plan;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double x[IMAGE_BATCH * IMAGE_INPUTS];
    double y[IMAGE_BATCH * IMAGE_CLASSES];
};

/* Build everything; weights, biases and data are drawn. Fails the test on any error. */
void image_create(struct image_network *made, const struct image_plan *plan);
/* The same, giving the first status that is not OK; image_destroy() in any case. Data are not drawn. */
dualprop_status image_try(struct image_network *made, const struct image_plan *plan);
/* A rule, a state and an optimizer for another plan on the same network; destroy it first. */
void image_twin(struct image_network *twin, const struct image_network *of, const struct image_plan *plan);
void image_destroy(struct image_network *made);

dualprop_view image_inputs(struct image_network *of);
dualprop_view image_targets(struct image_network *of);
void image_infer(struct image_network *of);
/* Infer, then keep the gradient in the optimizer. */
void image_gradient(struct image_network *of);
/* Copy an array of layer k, (IMAGE_BATCH, width); gives the number of elements. */
int64_t image_read(double *reals, struct image_network *of, int k, int which);
/* Copy a parameter, or its gradient, in row-major order; gives the number of elements. */
int64_t image_parameter(double *reals, const struct image_network *of, int index, int gradient);
void image_set_parameter(struct image_network *of, int index, double *reals);
/* Largest |gradient - twin's| over the twin's norm, of all layers. */
double image_error(struct image_network *of, struct image_network *twin);

#endif
