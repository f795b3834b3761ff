/*
 * train_step.h - an inference that has its learning step follow in the same stretch of a device.
 */
#ifndef DUALPROP_CORE_JOINT_H
#define DUALPROP_CORE_JOINT_H

#include "learning.h"

struct dualprop__joint {
    dualprop_optimizer *optimizer;
    int asked;      /* the step was put off with the inference, and the network is open for writing */
    int learned;    /* and made */
    double refused; /* what the guards said: not 0 where the step was not to be made */
};

/* infer.c: what dualprop_infer_view() and dualprop_infer() do with the state entered; joint NULL: without a step. */
dualprop_status dualprop__infer(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                struct dualprop__joint *joint);
dualprop_status dualprop__infer_plain(dualprop_view *inputs, dualprop_view *targets, const dualprop_state *state,
                                      const void *images, const int32_t *labels, int64_t count, const char *function);
/* step.c: what dualprop_update() does with both entered. */
dualprop_status dualprop__update(dualprop_optimizer *optimizer, dualprop_state *state);
/* joint.c: put the step off too, where that can be done, at the end of an inference that is put off. */
dualprop_status dualprop__joint_ask(struct dualprop__joint *joint, dualprop_state *state);
/* joint.c: note what came of it, when the stretch has ended with `status`. */
void dualprop__joint_end(struct dualprop__joint *joint, dualprop_status status);

#endif
