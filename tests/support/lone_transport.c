/*
 * lone_transport.c - a transport with nobody at the other end.
 */
#include "lone_transport.h"

static int exchange_with_none(void *user_data, void *receive, const int64_t *receive_offsets, const void *send,
                              const int64_t *send_offsets)
{
    (void)user_data, (void)receive, (void)receive_offsets, (void)send, (void)send_offsets;
    return 0;
}

static int gather_with_none(void *user_data, void *bytes, const int64_t *offsets)
{
    (void)user_data, (void)bytes, (void)offsets;
    return 0;
}

static const char *never_fails(void *user_data)
{
    (void)user_data;
    return NULL;
}

const dualprop_transport lone_transport = {
    .struct_size = sizeof(dualprop_transport),
    .size = 1,
    .exchange = exchange_with_none,
    .gather = gather_with_none,
    .error = never_fails,
};
