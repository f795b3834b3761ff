/*
 * group_exchange.c - one layer's sum over the blocks of all processes.
 *
 * Part r of the layer's array is added up by process r, in the tree's order, and sent to all. That is the traffic of a
 * ring all-reduce, and since every sum follows sum_tree.h the result has the same bits for any number of processes.
 */
#include "group_gradient.h"

#include <string.h>

/*
 * Reals of a layer that a process adds up at a time. What it has received is then still in its cache when it is added,
 * which for VGG16 in two processes on one machine is a third of what the exchange costs.
 */
#define PIECE 65536

/* What is exchanged at a time: numbers first .. first + count - 1 of a layer, of which each process adds up a part. */
struct section {
    int64_t first, count;
};

/* The first number of process `rank`'s part of a section. */
static int64_t part_begin(struct section section, int rank, int size)
{
    return section.first +
           (rank == size ? section.count : section.count / DUALPROP__SUM_LINE * rank / size * DUALPROP__SUM_LINE);
}

static int64_t part_count(struct section section, int rank, int size)
{
    return part_begin(section, rank + 1, size) - part_begin(section, rank, size);
}

/* A section of layer k while the processes add it up. */
struct section_sum {
    const dualprop_optimizer *optimizer;
    int k;
    struct section section;
    int64_t count; /* of this process's part */
    int next;      /* the subtree that the traversal meets next */
};

/* Of a subtree's sum, the part that this process adds up: its own subtrees are where they were computed. */
static char *part_of_subtree(const struct section_sum *work, int index)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    size_t real = work->optimizer->context->real_size;
    int own = index - sums->own_first;
    if (own >= 0 && own < sums->own_count)
        return dualprop__sum_array(work->optimizer, work->k, own) +
               (size_t)part_begin(work->section, sums->rank, sums->size) * real;
    int received = own < 0 ? index : index - sums->own_count;
    return sums->received + (size_t)received * (size_t)work->count * real;
}

/*
 * The sum of a node, from those of the subtrees, which the traversal meets from left to right. The sum of two is
 * written to the first subtree of this process if that is one of them, where the result belongs: x + y has the bits of
 * y + x.
 */
static char *sum_of_node(struct section_sum *work, struct dualprop__node node)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    const struct dualprop__node *known = &sums->all[work->next];
    if (known->low == node.low && known->high == node.high) return part_of_subtree(work, work->next++);
    int64_t middle = dualprop__tree_middle(node);
    char *left = sum_of_node(work, (struct dualprop__node){ node.low, middle });
    char *right = sum_of_node(work, (struct dualprop__node){ middle, node.high });
    int to_right = right == part_of_subtree(work, sums->own_first);
    dualprop__add_arrays(work->optimizer->context, to_right ? right : left, to_right ? left : right, work->count);
    return to_right ? right : left;
}

/* Sums of own subtrees, arranged by receiver. Those of one subtree are, so that they are sent from where they are. */
static const char *arrange(const struct section_sum *work)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    size_t real = work->optimizer->context->real_size, to = 0;
    for (int r = 0; r < sums->size; r++) {
        size_t bytes = (size_t)part_count(work->section, r, sums->size) * real;
        sums->send_offsets[r] = (int64_t)to;
        for (int i = 0; i < sums->own_count; i++, to += bytes)
            if (sums->own_count > 1 && r != sums->rank)
                memcpy(sums->sent + to,
                       dualprop__sum_array(work->optimizer, work->k, i) +
                           (size_t)part_begin(work->section, r, sums->size) * real,
                       bytes);
    }
    sums->send_offsets[sums->size] = (int64_t)to;
    if (sums->own_count > 1) return sums->sent;
    return dualprop__sum_array(work->optimizer, work->k, 0) + (size_t)work->section.first * real;
}

/* From the sums of own subtrees to the sum over the whole batch, in the first array of each process. */
static dualprop_status exchange_section(struct section_sum *work)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    int64_t real = (int64_t)work->optimizer->context->real_size, at = 0;
    work->count = part_count(work->section, sums->rank, sums->size);
    for (int r = 0; r <= sums->size; r++) {
        sums->receive_offsets[r] = at;
        sums->gather_offsets[r] = part_begin(work->section, r, sums->size) * real;
        if (r < sums->size && r != sums->rank) at += sums->nodes_of[r] * work->count * real;
    }
    const char *sent = arrange(work);
    DUALPROP__TRY(
        dualprop__group_exchange(sums->group, sums->received, sums->receive_offsets, sent, sums->send_offsets));
    sum_of_node(work, (struct dualprop__node){ 0, sums->blocks });
    return dualprop__group_gather(sums->group, dualprop__sum_array(work->optimizer, work->k, 0), sums->gather_offsets);
}

int64_t dualprop__section_reals(int size)
{
    return (int64_t)PIECE * size;
}

dualprop_status dualprop__exchange_layer(const dualprop_optimizer *optimizer, int k)
{
    int64_t reals = dualprop__layer_reals(optimizer->network->layers[k - 1]),
            most = dualprop__section_reals(optimizer->sums->size);
    for (int64_t first = 0; first < reals; first += most) {
        struct section_sum work = { .optimizer = optimizer,
                                    .k = k,
                                    .section = { first, reals - first < most ? reals - first : most } };
        DUALPROP__TRY(exchange_section(&work));
    }
    return DUALPROP_OK;
}
