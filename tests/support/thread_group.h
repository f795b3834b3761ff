/*
 * thread_group.h - a transport between threads of one process: a barrier, and copies out of each other's memory.
 *
 * A thread that fails ends the group for all, so that no test hangs.
 */
#ifndef TESTS_THREAD_GROUP_H
#define TESTS_THREAD_GROUP_H

#include <pthread.h>

#include <dualprop/dualprop.h>

#define THREAD_GROUP_MOST 16

struct thread_group;

struct thread_member {
    struct thread_group *group;
    int rank;
    void *argument; /* the test's */
    dualprop_transport transport;
    long calls;   /* of the transport so far */
    long fail_at; /* the call that fails, from 1; 0: none */
    void *receive, *bytes;
    const void *send;
    const int64_t *receive_offsets, *send_offsets, *offsets;
};

struct thread_group {
    int size, arrived, broken;
    unsigned long round;
    long long moved; /* bytes that crossed between members */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct thread_member members[THREAD_GROUP_MOST];
};

/*
 * Run `body` in one thread for each of `size` members, and wait for all of them. fail_at[r], if not NULL, is member
 * r's.
 */
void thread_group_run(struct thread_group *group, int size, void (*body)(struct thread_member *member), void *arguments,
                      size_t argument_size, const long *fail_at);

#endif
