/*
 * saved_model.h - a network with rule, state and optimizer whose every setting differs from the default, to be saved,
 * loaded and trained further.
 *
 * Functions give a status instead of ending the test, so that they also serve where memory runs out. Each step of
 * training has data of its own, drawn by its number: a model that was saved and loaded goes on with the same data.
 */
#ifndef DUALPROP_TESTS_SAVED_MODEL_H
#define DUALPROP_TESTS_SAVED_MODEL_H

#include <dualprop/dualprop.h>

#define SAVED_BATCH 5
#define SAVED_INPUTS 12 /* 2 x 3 x 2 */
#define SAVED_OUTPUTS 4

typedef struct saved_plan {
    int backend, precision, kind; /* kind of the optimizer */
    const dualprop_allocator *allocator;
    const dualprop_io *io;
    int threads;
} saved_plan;

typedef struct saved_model {
    int precision;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
} saved_model;

/* What cannot be made is NULL then; destroy in any case. */
dualprop_status saved_model_create(saved_model *model, const saved_plan *plan);
/* The context alone; saved_model_get() makes the rest. */
dualprop_status saved_model_open(saved_model *model, const saved_plan *plan);
void saved_model_destroy(saved_model *model);
dualprop_status saved_model_train(saved_model *model, int steps);

/* Everything into a checkpoint, or out of one. */
dualprop_status saved_model_put(dualprop_checkpoint *checkpoint, const saved_model *model);
dualprop_status saved_model_get(saved_model *model, const dualprop_checkpoint *checkpoint);
/* The same with a file. */
dualprop_status saved_model_save(const saved_model *model, const char *path);
dualprop_status saved_model_load(saved_model *model, const char *path);

/* A checksum over every bit of all parameters. Ends the process where they cannot be read. */
uint32_t saved_model_parameters(const saved_model *model);

#endif
