/*
 * sum_tree.c - see sum_tree.h.
 */
#include "sum_tree.h"

int64_t dualprop__tree_middle(struct dualprop__node node)
{
    int64_t half = 1;
    while (2 * half < node.high - node.low) half *= 2;
    return node.low + half;
}

int dualprop__tree_depth(struct dualprop__node node)
{
    int depth = 0; /* the left half of a node is the deeper one, or as deep */
    for (; node.high - node.low > 1; depth++) node.high = dualprop__tree_middle(node);
    return depth;
}

static void cover(struct dualprop__node *nodes, int *count, struct dualprop__node whole, struct dualprop__node range)
{
    if (whole.high <= range.low || range.high <= whole.low || range.low >= range.high) return;
    if (range.low <= whole.low && whole.high <= range.high) {
        nodes[(*count)++] = whole;
        return;
    }
    int64_t middle = dualprop__tree_middle(whole);
    cover(nodes, count, (struct dualprop__node){ whole.low, middle }, range);
    cover(nodes, count, (struct dualprop__node){ middle, whole.high }, range);
}

int dualprop__tree_cover(struct dualprop__node nodes[DUALPROP__MOST_NODES], struct dualprop__node whole,
                         struct dualprop__node range)
{
    int count = 0;
    cover(nodes, &count, whole, range);
    return count;
}

int64_t dualprop__first_block(int64_t blocks, int rank, int size)
{
    return blocks * rank / size;
}

/* floor(block total / blocks) without the product, which may not fit. */
int64_t dualprop__first_sample(int64_t total, int64_t block, int64_t blocks)
{
    return total / blocks * block + total % blocks * block / blocks;
}
