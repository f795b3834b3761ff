/**
 * @file
 * dualprop/group.h - processes that learn one network together.
 *
 * Each process has its own context, network, state and optimizer, made in the same way, and a share of every batch.
 * With dualprop_optimizer_set_group() the gradient of the optimizer is that of all shares:
 *
 *     dualprop_group_create(&group, context, &transport);
 *     dualprop_optimizer_set_group(optimizer, group, blocks);
 *     for each batch of `total` samples:
 *         dualprop_group_share(&first, &count, group, blocks, total);
 *         dualprop_learn(optimizer, state, images + first ..., labels + first, count);
 *
 * The same bits: a batch is cut into `blocks` of neighbouring samples, and the gradients of the blocks are added up in
 * one fixed tree. Runs with the same number of blocks have the same bits for any number of processes (1 .. blocks), for
 * any number of threads in each, and over any transport, on the same backend and level, which dualprop_group_create()
 * compares. One block is the gradient of a process alone.
 *
 * Collective calls are marked so. Every process must make them, in the same order. Each begins by exchanging one word
 * that says which call this is and how the process fares, so that a process that fails, or makes another call, makes
 * all of them fail with one sentence instead of waiting for ever. After DUALPROP_ERROR_TRANSPORT a group cannot be used
 * again; processes may then be one step apart, and continue from the last checkpoint.
 *
 * Ownership: a group keeps its context alive, an optimizer its group.   Threads: one call at a time on a group.
 */
#ifndef DUALPROP_GROUP_H
#define DUALPROP_GROUP_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The most processes of a group, and the most blocks of a batch. */
#define DUALPROP_MAX_GROUP 65536

/**
 * What connects the processes. It moves bytes and adds nothing up. All functions are required. They are called from the
 * thread that calls the library, one at a time, and must not call the library with the same context.
 */
typedef struct dualprop_transport {
    uint64_t struct_size; /**< sizeof(dualprop_transport) */
    int32_t rank;         /**< of this process, 0 .. size - 1 */
    int32_t size;         /**< the number of processes */
    /**
     * Send each process its part: bytes send_offsets[r] .. send_offsets[r + 1] - 1 of send go to process r, and what r
     * sends to this process is written to receive from receive_offsets[r] on. Both arrays have size + 1 offsets.
     * Returns when everything has been received and send may be overwritten: 0 on success; anything else where that
     * cannot be, at the latest when the transport's own deadline has passed.
     */
    int (*exchange)(void *user_data, void *receive, const int64_t *receive_offsets, const void *send,
                    const int64_t *send_offsets);
    /**
     * Send all processes everyone's bytes, in place: process r's are offsets[r] .. offsets[r + 1] - 1. Returns as
     * above.
     */
    int (*gather)(void *user_data, void *bytes, const int64_t *offsets);
    /** Return a few words about the last failure, such as "no word from process 3 for 600 s". May return NULL. */
    const char *(*error)(void *user_data);
    void *user_data;
} dualprop_transport;

/**
 * Create a group. Collective.
 *
 * @param group      receives the group; NULL on failure
 * @param context    of this process
 * @param transport  copied; what user_data points to is borrowed for the life of the group
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  rank or size is out of range, or a function is missing
 *         DUALPROP_ERROR_UNSUPPORTED       the processes differ in what decides bits (library version, byte order,
 *                                          precision, backend, level, numerics); the sentence names the first that
 *                                          differs
 *         DUALPROP_ERROR_TRANSPORT, DUALPROP_ERROR_NO_MEMORY
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_create(dualprop_group **group, dualprop_context *context, const dualprop_transport *transport);

/** Destroy a group; NULL is fine. Nothing is sent. Deferred until the last optimizer has let go of it. */
DUALPROP_API void dualprop_group_destroy(dualprop_group *group);

/** Read rank and size; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_group_info(int *rank, int *size, const dualprop_group *group);

/**
 * Compute this process's share of a batch: samples first .. first + count - 1.
 *
 * Block j of a batch of total samples has the samples floor(j total / blocks) .. floor((j + 1) total / blocks) - 1;
 * process r of N has the blocks floor(r blocks / N) .. floor((r + 1) blocks / N) - 1.
 *
 * @param first   receives the first sample
 * @param count   receives their number, which may be 0
 * @param group   NULL: a process alone, whose share is everything
 * @param blocks  the group's size .. DUALPROP_MAX_GROUP; 0: the group's size
 * @param total   samples of the whole batch, >= 0
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_share(int64_t *first, int64_t *count, const dualprop_group *group, int64_t blocks, int64_t total);

/**
 * Report how this process fares, and learn how the others do. Collective. For what a program does between the library's
 * calls, such as reading its data.
 *
 * @param status    of this process
 * @param sentence  what went wrong, where status is not DUALPROP_OK; may be NULL
 * @return status, where it is not DUALPROP_OK; otherwise DUALPROP_OK if all reported it, or DUALPROP_ERROR_PEER with
 *                 the
 *         sentence of the first process that did not: "process 2: train-images has 100 bytes; expected 47040016"
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_agree(dualprop_group *group, dualprop_status status, const char *sentence);

/**
 * Add numbers up over all processes, in the order of their ranks: the same result everywhere. Collective.
 *
 * @param values         [value_count] this process's numbers in, the sums out; NULL if value_count is 0
 * @param integers       [integer_count] likewise
 * @param value_count    0 .. 4096
 * @param integer_count  0 .. 4096
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_sum(double *values, int64_t *integers, dualprop_group *group, int value_count, int integer_count);

/**
 * Raise flags (bits of your own). The next collective call carries them, so that all processes see them after the same
 * call and a run can stop everywhere after the same batch. Only stores; may be called from a signal handler and from
 * any thread.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_group_raise(dualprop_group *group, uint32_t flags);

/** Read the flags that any process had raised before the last collective call. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_group_raised(uint32_t *flags, const dualprop_group *group);

/** Copy the parameters and feedback weights of process root to all processes. Collective. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_share_network(dualprop_network *network, dualprop_group *group, int root);

/**
 * Compare all parameters by checksum. Collective. DUALPROP_ERROR_PEER where they differ, naming process and parameter.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_check_network(dualprop_group *group, const dualprop_network *network);

/**
 * Make an optimizer learn from the shares of all processes of a group or, where group is NULL, from one process's
 * batches in the sums of a group. Collective. From then on dualprop_gradient(), dualprop_gradient_accumulate(),
 * dualprop_update(), dualprop_learn() and dualprop_infer_update() are collective; dualprop_step() is not.
 *
 * The batch of a call must be the share that dualprop_group_share() computes. A process whose share is empty calls
 * dualprop_learn() with count 0, and the others with NULL for the state. Whatever fails in one process (arguments,
 * numbers that are not finite, divergence) fails in all of them before any weight has changed: there with its own
 * status, elsewhere with DUALPROP_ERROR_PEER.
 *
 * Each process compares divergence against its own samples; a process alone uses the greatest of the whole batch, so
 * its limit can be laxer. Rules that look at the whole batch or draw by a sample's place in it (a tolerance,
 * quantisation, noise, the asynchronous schedule) are DUALPROP_ERROR_UNSUPPORTED when they learn.
 *
 * The memory for sums is allocated here, none in a step: about (2 + log2 blocks) gradients. Gradients of a device pass
 * through host memory.
 *
 * @param group   of the optimizer's context; NULL: this process alone
 * @param blocks  the group's size .. DUALPROP_MAX_GROUP; 0: the group's size, and with group NULL: no blocks, as at
 *                first
 * @return DUALPROP_OK, or DUALPROP_ERROR_PEER (the processes' optimizers differ in layers, settings, steps or blocks),
 *                      ...
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks);

/** Read both; each may be NULL. blocks is 0 where none were set. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_group(dualprop_group **group, int64_t *blocks, const dualprop_optimizer *optimizer);

#ifdef __cplusplus
}
#endif

#endif
