/*
 * vgg16_step.h - VGG16 and a batch of random images of 32x32x3, to train on again and again.
 */
#ifndef BENCH_VGG16_STEP_H
#define BENCH_VGG16_STEP_H

#include <dualprop/backend.h>
#include <dualprop/dualprop.h>
#include <stdint.h>

struct bench {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float *images;
    int32_t *labels;
    int64_t batch;
};

/* Words: RULE ALPHA SCHEDULE PASSES THREADS BATCH. backend NULL: blis. What goes wrong ends the program. */
void vgg16_create(struct bench *bench, char **words, const dualprop_backend *backend);
/* One training step, inference and SGD with momentum. Milliseconds. */
double vgg16_step(struct bench *bench);
double now_ms(void);
void must(dualprop_status status);

#endif
