/*
 * thread_group.c - see thread_group.h.
 */
#include <string.h>

#include "thread_group.h"

/* Wait for all members; 0, or 1 if one of them has failed. */
static int meet(struct thread_member *member)
{
    struct thread_group *group = member->group;
    pthread_mutex_lock(&group->lock);
    unsigned long round = group->round;
    if (++group->arrived == group->size) {
        group->arrived = 0;
        group->round++;
        pthread_cond_broadcast(&group->changed);
    }
    while (round == group->round && !group->broken) pthread_cond_wait(&group->changed, &group->lock);
    int broken = group->broken;
    pthread_mutex_unlock(&group->lock);
    return broken;
}

static void break_up(struct thread_group *group)
{
    pthread_mutex_lock(&group->lock);
    group->broken = 1;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

static int fails_now(struct thread_member *member)
{
    if (++member->calls != member->fail_at) return 0;
    break_up(member->group);
    return 1;
}

static int exchange(void *user_data, void *receive, const int64_t *receive_offsets, const void *send,
                    const int64_t *send_offsets)
{
    struct thread_member *own = user_data;
    int failed = fails_now(own), rank = own->rank;
    own->send = send;
    own->send_offsets = send_offsets;
    if (failed || meet(own)) return 1;
    for (int r = 0; r < own->group->size; r++) {
        const struct thread_member *other = &own->group->members[r];
        if (r == rank) {
            failed |= receive_offsets[r + 1] != receive_offsets[r];
            continue;
        }
        int64_t bytes = other->send_offsets[rank + 1] - other->send_offsets[rank];
        if (bytes != receive_offsets[r + 1] - receive_offsets[r]) failed = 1;
        else if (bytes > 0)
            memcpy((char *)receive + receive_offsets[r], (const char *)other->send + other->send_offsets[rank],
                   (size_t)bytes);
    }
    if (failed) break_up(own->group);
    return meet(own) || failed;
}

static int gather(void *user_data, void *bytes, const int64_t *offsets)
{
    struct thread_member *own = user_data;
    int failed = fails_now(own);
    own->bytes = bytes;
    own->offsets = offsets;
    if (failed || meet(own)) return 1;
    for (int r = 0; r < own->group->size; r++) {
        const struct thread_member *other = &own->group->members[r];
        int64_t length = offsets[r + 1] - offsets[r];
        if (length != other->offsets[r + 1] - other->offsets[r] || offsets[r] != other->offsets[r]) failed = 1;
        else if (r != own->rank && length > 0)
            memcpy((char *)bytes + offsets[r], (char *)other->bytes + offsets[r], (size_t)length);
    }
    if (failed) break_up(own->group);
    return meet(own) || failed;
}

static const char *error(void *user_data)
{
    (void)user_data;
    return "a thread left the group";
}

static void (*body_of)(struct thread_member *member);

static void *run(void *member)
{
    body_of(member);
    return NULL;
}

void thread_group_run(struct thread_group *group, int size, void (*body)(struct thread_member *member), void *arguments,
                      size_t argument_size, const long *fail_at)
{
    pthread_t threads[THREAD_GROUP_MOST];
    memset(group, 0, sizeof *group);
    group->size = size;
    body_of = body;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->changed, NULL);
    for (int r = 0; r < size; r++) {
        struct thread_member *member = &group->members[r];
        member->group = group;
        member->rank = r;
        member->argument = (char *)arguments + (size_t)r * argument_size;
        member->fail_at = fail_at ? fail_at[r] : 0;
        member->transport = (dualprop_transport){ sizeof member->transport, r, size, exchange, gather, error, member };
    }
    for (int r = 0; r < size; r++) pthread_create(&threads[r], NULL, run, &group->members[r]);
    for (int r = 0; r < size; r++) pthread_join(threads[r], NULL);
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
}
