/**
 * @file
 * dualprop/group.h - processes that learn one network together.
 *
 * Each process has its own context, network, state and optimizer, created in the same way, and a share of every batch.
 * With dualprop_optimizer_set_group() the gradient of the optimizer is that of all shares:
 *
 *     dualprop_group_create(&group, context, &transport);
 *     dualprop_optimizer_set_group(optimizer, group, blocks);
 *     for each batch of `total` samples:
 *         dualprop_group_share(&first, &count, group, blocks, total);
 *         dualprop_learn(optimizer, state, images + first ..., labels + first, count);
 *
 * The same bits: a batch is divided into `blocks` of neighbouring samples, and the gradients of the blocks are added up
 * in one fixed tree. Runs with the same number of blocks have the same bits for any number of processes (1 .. blocks),
 * for any number of threads in each, and over any transport, on the same backend and level, which
 * dualprop_group_create() compares. One block is the gradient of a process alone.
 *
 * Collective calls are marked. Every process must make them, in the same order. Each begins by exchanging one word that
 * identifies the call and the process's status. So if a process fails, or makes another call, all processes fail with
 * one sentence instead of waiting forever. A process that fails between two of them calls dualprop_group_agree() with
 * its status, whatever call the others make next. After DUALPROP_ERROR_TRANSPORT a group cannot be used
 * again; processes may then be one step apart, and continue from the last checkpoint.
 *
 * Ownership: a group keeps its context alive, an optimizer its group.   Threads: one call at a time on a group. A
 * forked child can only destroy it.
 */
#ifndef DUALPROP_GROUP_H
#define DUALPROP_GROUP_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The largest number of processes of a group, and of blocks of a batch. */
#define DUALPROP_MAX_GROUP 65536

/**
 * Functions that connect the processes. They only move bytes. All functions are required. They are called from the
 * thread that calls the library, one at a time, and must not call the library with the same context.
 */
typedef struct dualprop_transport {
    uint64_t struct_size; /**< sizeof(dualprop_transport) */
    int32_t rank;         /**< of this process, 0 .. size - 1 */
    int32_t size;         /**< the number of processes */
    /**
     * Send each process its part: bytes send_offsets[r] .. send_offsets[r + 1] - 1 of send go to process r, and what r
     * sends to this process is written to receive from receive_offsets[r] on. Both arrays have size + 1 offsets. What a
     * process has for itself stays where it is: nothing is received from r = rank, and receive has no room for it.
     * Returns when all bytes have been received and send may be overwritten: 0 on success, and any other number on
     * failure, at the latest when the transport's own deadline has passed.
     */
    int (*exchange)(void *user_data, void *receive, const int64_t *receive_offsets, const void *send,
                    const int64_t *send_offsets);
    /**
     * Send the bytes of each process to all others, in place: those of process r are offsets[r] .. offsets[r + 1] - 1.
     * Returns as exchange does.
     */
    int (*gather)(void *user_data, void *bytes, const int64_t *offsets);
    /** Return a few words about the last failure, such as "no word from process 3 for 600 s". May return NULL. */
    const char *(*error)(void *user_data);
    void *user_data; /**< passed to each function */
} dualprop_transport;

/**
 * Create a group. Collective.
 *
 * @param group      receives the group; NULL on failure
 * @param context    of this process
 * @param transport  copied; the memory that user_data points to is borrowed for the life of the group
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  rank or size is out of range, or a function is missing
 *         DUALPROP_ERROR_UNSUPPORTED       the processes differ in a property that determines bits (library version,
 *                                          byte order, precision, backend, level, numerics); the sentence names the
 *                                          first that differs
 *         DUALPROP_ERROR_PEER              another process has no memory for a group
 *         DUALPROP_ERROR_TRANSPORT, DUALPROP_ERROR_NO_MEMORY
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_create(dualprop_group **group, dualprop_context *context, const dualprop_transport *transport);

/** Destroy a group; NULL is allowed. Nothing is sent. Deferred until no optimizer uses it any more. */
DUALPROP_API void dualprop_group_destroy(dualprop_group *group);

/** Get rank and size; each may be NULL. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_group_info(int *rank, int *size, const dualprop_group *group);

/**
 * Compute this process's share of a batch: samples first .. first + count - 1.
 *
 * Block j of a batch of total samples has the samples floor(j total / blocks) .. floor((j + 1) total / blocks) - 1;
 * process r of N has the blocks floor(r blocks / N) .. floor((r + 1) blocks / N) - 1.
 *
 * @param first   receives the first sample
 * @param count   receives their number, which may be 0
 * @param group   NULL: a single process, whose share is the whole batch
 * @param blocks  the group's size .. DUALPROP_MAX_GROUP; 0: the group's size
 * @param total   samples of the whole batch, >= 0
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_share(int64_t *first, int64_t *count, const dualprop_group *group, int64_t blocks, int64_t total);

/**
 * Report this process's status to the others, and learn theirs. Collective. For work that a program does between the
 * library's calls, such as reading its data. A status that is not DUALPROP_OK may be reported while the others make
 * another collective call: it fails in all of them with this process's sentence.
 *
 * @param group     the group
 * @param status    of this process
 * @param sentence  the reason, if status is not DUALPROP_OK; may be NULL
 * @return status, if it is not DUALPROP_OK; otherwise DUALPROP_OK if all processes reported it, else
 *         DUALPROP_ERROR_PEER with the sentence of the first process that did not: "process 2: train-images has 100
 *         bytes; expected 47040016"
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_agree(dualprop_group *group, dualprop_status status, const char *sentence);

/**
 * Add numbers up over all processes, in the order of their ranks: the same result everywhere. Collective.
 *
 * @param values         [value_count] in: this process's numbers, out: the sums; NULL if value_count is 0
 * @param integers       [integer_count] the same for integers
 * @param group          the group
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

/** Get the flags that any process had raised before the last collective call. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_group_raised(uint32_t *flags, const dualprop_group *group);

/** Copy the parameters and feedback weights of process root to all processes. Collective. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_share_network(dualprop_network *network, dualprop_group *group, int root);

/**
 * Compare all parameters by checksum. Collective. DUALPROP_ERROR_PEER if they differ; the text names process and
 * parameter.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_check_network(dualprop_group *group, const dualprop_network *network);

/**
 * Make an optimizer learn from the shares of all processes of a group or, if group is NULL, from one process's batches
 * with the sums of a group. Collective. From then on dualprop_gradient(), dualprop_gradient_accumulate(),
 * dualprop_update(), dualprop_learn() and dualprop_infer_update() are collective; dualprop_step() is not.
 *
 * The batch of a call must be the share that dualprop_group_share() computes. A process whose share is empty calls
 * dualprop_learn() with count 0, and the others with NULL for the state. A failure in one process (arguments,
 * numbers that are not finite, divergence) makes the call fail in all of them before any weight has changed: there with
 * its own status, in the others with DUALPROP_ERROR_PEER.
 *
 * Each process checks divergence on its own samples; a single process uses the maximum of the whole batch, so its limit
 * can be laxer. Rules that depend on the whole batch or draw by a sample's position in it (a tolerance,
 * quantisation, noise, the asynchronous schedule) are DUALPROP_ERROR_UNSUPPORTED when they learn.
 *
 * The memory for sums is allocated here, none in a step: about (2 + log2 blocks) gradients. Gradients of a device pass
 * through host memory. The first step, and the first after the network was written by anything but a step, compares all
 * parameters, which needs memory for the largest one meanwhile; other steps compare the last layer's biases. Every step
 * compares the settings of the optimizer, its layers, the rule, and the state (weights of classes, neurons), and its
 * failure names the one that differs; functions of the program's own are not compared.
 *
 * @param optimizer  the optimizer
 * @param group      of the optimizer's context; NULL: this process alone
 * @param blocks     the group's size .. DUALPROP_MAX_GROUP; 0: the group's size, or with group NULL: no blocks, the
 *                   default
 * @return DUALPROP_OK, or DUALPROP_ERROR_PEER (the processes' optimizers differ in layers, settings, steps or blocks)
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks);

/** Get an optimizer's group and blocks; each may be NULL. blocks is 0 if none were set. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_optimizer_group(dualprop_group **group, int64_t *blocks, const dualprop_optimizer *optimizer);

/**
 * Compute the mean loss and the number correct of the whole batch that was learned last, of its feed-forward
 * prediction. Collective. What dualprop_state_report() returns is of a process's own share.
 *
 * Losses are added up block by block, in the order of the blocks, so the same blocks give the same digits for any
 * number of processes.
 *
 * @param loss       receives the mean loss; may be NULL
 * @param correct    receives the number correct; may be NULL
 * @param optimizer  with or without a group; without, this is dualprop_state_report()
 * @param state      with this process's share, as it was learned; NULL where the share is empty
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE (state holds no inference), DUALPROP_ERROR_INVALID_ARGUMENT (it
 *         is of another network), DUALPROP_ERROR_UNSUPPORTED (blocks, and the loss is a function of the caller's or was
 *         given as a gradient), DUALPROP_ERROR_PEER
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_group_report(double *loss, int64_t *correct, dualprop_optimizer *optimizer, const dualprop_state *state);

#ifdef __cplusplus
}
#endif

#endif
