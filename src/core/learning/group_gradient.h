/*
 * group_gradient.h - the gradient of a batch whose samples are shared by the processes of a group, or cut into blocks.
 */
#ifndef DUALPROP_CORE_GROUP_GRADIENT_H
#define DUALPROP_CORE_GROUP_GRADIENT_H

#include "core/group/group_internal.h"
#include "learning.h"

/* How well one block was predicted. */
struct dualprop__block_score {
    double loss; /* the sum over its samples */
    int64_t correct;
};

/* The arrays that an optimizer was created with. */
struct dualprop__own_gradient {
    void *weights, *biases;
};

/* Memory of a device; it grows with the largest block so far. */
struct dualprop__leaf_rows {
    void *memory;
    int64_t elements;
};

struct dualprop__group_sums {
    dualprop_group *group; /* NULL: this process alone */
    int rank, size;
    int64_t blocks;
    struct dualprop__node own[DUALPROP__MOST_NODES]; /* the subtrees of this process */
    int own_first, own_count;                        /* they are all[own_first] and the following */
    struct dualprop__node *all; /* [all_count] those of all processes, by rank, which is from left to right */
    int all_count;
    int *nodes_of; /* [size] how many each process has */
    /*
     * [layers]: own_count sums, the first of them the result too, and one array a level below. On the host the result
     * is the gradient that the optimizer holds, so that it is not copied; the optimizer's own arrays are set aside, and
     * take the gradient held while another one is computed that is added to it.
     */
    char **arrays;
    struct dualprop__own_gradient *set_aside; /* [layers], on the host */
    struct dualprop__leaf_rows leaf_rows[2];  /* of a device, for rows of sbar below and of delta */
    void **leaf_weights, **leaf_biases; /* [layers] memory of a device for one block's gradient; NULL on the host */
    char *received, *sent;              /* a section of a layer's sums */
    int64_t *send_offsets, *receive_offsets, *gather_offsets; /* [size + 1] */
    /*
     * Can no gradient of the batch be too large for a step? Of this process's share before dualprop__group_gradient(),
     * of all shares after it: the mean over the batch is not larger than the largest gradient of a share's sample.
     */
    uint32_t is_surely_finite;
    int is_compared;                      /* have all parameters been compared with the other processes'? */
    uint64_t compared_write;              /* the network's `written` then */
    struct dualprop__block_score *scores; /* [blocks] scratch of dualprop_group_report() */
};

/*
 * Collective. Agree with the other processes that all can learn (`status` is this process's so far; it is returned
 * if it is not OK), add up the gradients of all blocks, and hold the sum as the optimizer's gradient, or add it to
 * the one held. `count` is the number of samples in `state`, this process's share; 0: the state is not read.
 */
dualprop_status dualprop__group_gradient(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate);

/* Refuse counts in the group's words that are not the shares of a batch of `total`. */
dualprop_status dualprop__group_check_shares(const struct dualprop__group_sums *sums, int64_t total);

/* Free what dualprop_optimizer_set_group() allocated; NULL is fine. */
void dualprop__group_sums_destroy(dualprop_optimizer *optimizer);

#endif
