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
    double *settings;                     /* [size * DUALPROP__MOST_SETTINGS], where they differ */
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

/* ---- group_blocks.c: one layer's numbers, weights and biases in one array, and the sums of this process ---- */

/* Reals: parts and arrays, and the biases in one, begin at multiples of it. */
#define DUALPROP__SUM_LINE 16
int64_t dualprop__layer_reals(const dualprop_layer *layer);
/* Array `index` of layer k; the biases in an array. */
char *dualprop__sum_array(const dualprop_optimizer *optimizer, int k, int index);
char *dualprop__bias_part(char *array, const dualprop_layer *layer);
void dualprop__add_arrays(dualprop_context *context, void *to, const void *from, int64_t count);

struct dualprop__block_sums {
    dualprop_optimizer *optimizer;
    dualprop_state *state;
    int k;
    int64_t total, begin; /* samples of the batch; the first of this process's share */
    double scale;
};
/* The sums of this process's subtrees of a layer; of a share without samples (count 0) they are zero. */
dualprop_status dualprop__sum_own_blocks(struct dualprop__block_sums *work, int64_t count, int64_t divisor);

/* ---- group_exchange.c ---- */
/* From the sums of own subtrees to that of the whole batch, in the layer's first array in every process. */
dualprop_status dualprop__exchange_layer(const dualprop_optimizer *optimizer, int k);
/* The most numbers of a layer that are exchanged at a time. */
int64_t dualprop__section_reals(int size);

/* ---- group_agreement.c ---- */
/* Compute the samples of the whole batch, and the first of this process's share. */
dualprop_status dualprop__agree_on_batch(int64_t *total, int64_t *begin, dualprop_optimizer *optimizer,
                                         const dualprop_state *state, int64_t count, dualprop_status status,
                                         enum dualprop__collective call);
/* Rules that use the whole batch in a pass, or draw by a sample's index, would see the share alone: refuse them. */
dualprop_status dualprop__group_check_rule(const dualprop_optimizer *optimizer, const dualprop_state *state);
/* Refuse counts in the group's words that are not the shares of a batch of `total`. */
dualprop_status dualprop__group_check_shares(const struct dualprop__group_sums *sums, int64_t total);
/* What every process has to have alike when a group is set, beside what is compared at each step. */
uint64_t dualprop__layers_digest(const dualprop_network *network);

/* ---- group_settings.c ---- */
#define DUALPROP__MOST_SETTINGS 48
/* Of the optimizer's settings and frozen layers; of the rule's and what the state adds to it, which is not 0. */
uint64_t dualprop__settings_digest(const dualprop_optimizer *optimizer);
uint64_t dualprop__rule_digest(const dualprop_state *state);
/*
 * Collective where the group's words differ in their digests, which all processes find alike: refuse it, and say in
 * which setting.
 */
dualprop_status dualprop__group_compare_settings(const dualprop_optimizer *optimizer, const dualprop_state *state);

/* ---- group_gradient.c, on the host: let the first array of each layer's sums hold the gradient, and back ---- */
void dualprop__hold_in_sums(dualprop_optimizer *optimizer);
void dualprop__hold_in_own(dualprop_optimizer *optimizer);

/* ---- group_sums.c ---- */
/* Free what dualprop_optimizer_set_group() allocated; NULL is fine. */
void dualprop__group_sums_destroy(dualprop_optimizer *optimizer);

#endif
