/*
 * sum_tree.h - the fixed tree in which gradients of blocks are added up.
 *
 * The leaves are the blocks 0 .. blocks - 1. A node is the sum of a range of them:
 *
 *     T(low, high) = G_low                            where high = low + 1
 *                    T(low, m) + T(m, high)           m = low + the greatest power of two below high - low
 *
 * The order of additions is a property of the range alone, so who computes a leaf and who adds two sums changes no bit.
 */
#ifndef DUALPROP_CORE_SUM_TREE_H
#define DUALPROP_CORE_SUM_TREE_H

#include <stdint.h>

struct dualprop__node {
    int64_t low, high;
};

/* A process's blocks are covered by at most 2 log2(65536) subtrees. */
#define DUALPROP__MOST_NODES 32

/* Where a node of more than one leaf is divided. */
int64_t dualprop__tree_middle(struct dualprop__node node);
/* Levels below a node: 0 for a leaf. */
int dualprop__tree_depth(struct dualprop__node node);
/*
 * Write the largest subtrees of the tree over `whole` that lie within `range`, from left to right; return their number.
 */
int dualprop__tree_cover(struct dualprop__node nodes[DUALPROP__MOST_NODES], struct dualprop__node whole,
                         struct dualprop__node range);

/* The first block of process `rank` of `size`; that of rank `size` is `blocks`. */
int64_t dualprop__first_block(int64_t blocks, int rank, int size);
/* The first sample of a block of a batch; that of block `blocks` is `total`. */
int64_t dualprop__first_sample(int64_t total, int64_t block, int64_t blocks);

#endif
