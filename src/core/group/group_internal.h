/*
 * group_internal.h - room group: processes that act together, the word that each collective call begins with, and the
 * tree of sums.
 */
#ifndef DUALPROP_CORE_GROUP_INTERNAL_H
#define DUALPROP_CORE_GROUP_INTERNAL_H

#include "core/network/network_internal.h"
#include "sum_tree.h"
#include "dualprop/group.h"

/* Collective calls, for the word; group_word.c has their names. */
enum dualprop__collective {
    DUALPROP__CALL_AGREE = 1,
    DUALPROP__CALL_SUM,
    DUALPROP__CALL_SHARE_NETWORK,
    DUALPROP__CALL_CHECK_NETWORK,
    DUALPROP__CALL_SET_GROUP,
    DUALPROP__CALL_GRADIENT,
    DUALPROP__CALL_UPDATE,
    DUALPROP__CALL_INFER_UPDATE,
    DUALPROP__CALL_APPLY, /* the second word of a learning call: did the exchange succeed everywhere? */
    DUALPROP__CALL_REPORT,
    DUALPROP__CALLS
};

/* What each process sends to all others at the beginning of a collective call. */
struct dualprop__word {
    uint32_t call;             /* enum dualprop__collective */
    int32_t status;            /* of this process */
    uint64_t number;           /* collective calls so far */
    int64_t count;             /* what the call counts: samples, or numbers to be added up */
    int64_t steps;             /* of the optimizer */
    uint64_t digest;           /* of what must be equal everywhere: settings, weights */
    uint64_t rule;             /* the same of the rule; 0 in a process whose share is empty, which has none */
    uint32_t flags;            /* raised by the program */
    uint32_t is_surely_finite; /* of a gradient: no number of this process's share can be too large for a step */
};

struct dualprop_group {
    uint32_t magic;
    atomic_int references;
    dualprop_context *context;
    dualprop_transport transport;
    int process_number; /* who made it: a forked child would speak in its place */
    atomic_int busy;
    int failed; /* the transport failed: nothing can be agreed on any more */
    uint64_t calls;
    atomic_uint raised_here;      /* flags for the next word */
    atomic_uint raised;           /* by any process, in a word so far */
    struct dualprop__word *words; /* [size] of the current call */
    int64_t *offsets;             /* [size + 1] */
};

void dualprop__group_retain(dualprop_group *group);
void dualprop__group_release(dualprop_group *group);
/* One call at a time on a group. */
dualprop_status dualprop__group_enter(dualprop_group *group, const char *function);
void dualprop__group_leave(dualprop_group *group);

/*
 * Exchange words: `word` has call, status, count, steps and digest of this process; group->words receives those of all
 * processes. Returns word->status if it is not OK (the thread's last error says why), PEER if another process's is not
 * or it makes another call, TRANSPORT, or OK. The group is entered.
 */
dualprop_status dualprop__group_agree(dualprop_group *group, struct dualprop__word word);
/* Refuse where a process's digest is not process 0's; `what` says of what, in a sentence "process 1 has other WHAT". */
dualprop_status dualprop__group_compare_digests(const dualprop_group *group, const char *what);

/* The transport's two functions; a failure is TRANSPORT with its words, and the end of the group. */
dualprop_status dualprop__group_exchange(dualprop_group *group, void *receive, const int64_t *receive_offsets,
                                         const void *send, const int64_t *send_offsets);
dualprop_status dualprop__group_gather(dualprop_group *group, void *bytes, const int64_t *offsets);
/* The same of `each` bytes a process. */
dualprop_status dualprop__group_gather_equal(dualprop_group *group, void *bytes, size_t each);

/* group_network.c: carry `digest` on by all parameters of a network, in the public layout. The network is open. */
dualprop_status dualprop__parameters_digest(uint64_t *digest, const dualprop_network *network);

/* FNV-1a, 64 bits, carried on from `digest`; begin with DUALPROP__DIGEST. */
#define DUALPROP__DIGEST 0xcbf29ce484222325u
static inline uint64_t dualprop__digest(uint64_t digest, const void *data, size_t size)
{
    for (const unsigned char *byte = data; size > 0; size--) digest = (digest ^ *byte++) * 0x100000001b3u;
    return digest;
}

#endif
