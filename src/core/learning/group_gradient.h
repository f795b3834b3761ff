/*
 * group_gradient.h - the gradient of a batch whose samples are shared by the processes of a group, or cut into blocks.
 */
#ifndef DUALPROP_CORE_GROUP_GRADIENT_H
#define DUALPROP_CORE_GROUP_GRADIENT_H

#include "core/group/group_internal.h"
#include "learning.h"

struct dualprop__group_sums;

/*
 * Collective. Agree with the other processes that all can learn (`status` is this process's so far; it is returned
 * where it is not OK), add up the gradients of all blocks, and hold the sum as the optimizer's gradient, or add it to
 * the one held. `count` is the number of samples in `state`, this process's share; 0: the state is not read.
 */
dualprop_status dualprop__group_gradient(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate);

/* Free what dualprop_optimizer_set_group() allocated; NULL is fine. */
void dualprop__group_sums_destroy(dualprop_optimizer *optimizer);

#endif
