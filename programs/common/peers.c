/*
 * peers.c - agreement over the transport itself, since a group needs a context, and a context needs the options.
 */
#include "peers.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MACHINE_BYTES 64

/* Too large for a frame; a process has one run. */
static int64_t offsets[PEERS_MOST + 1];
static int32_t statuses[PEERS_MOST];

static dualprop_status lose(host *owner)
{
    const char *words = owner->transport->error(owner->transport->user_data);

    owner->lost = 1;
    return host_fail(owner, DUALPROP_ERROR_TRANSPORT, "process %d of %d lost the others: %s", owner->rank, owner->size,
                     words != NULL && *words != '\0' ? words : "the transport did not report why");
}

/* Everyone's `each` bytes, in place in all[size][each]. */
static dualprop_status gather(host *owner, void *all, size_t each)
{
    for (int r = 0; r <= owner->size; r++) offsets[r] = r * (int64_t)each;
    return owner->transport->gather(owner->transport->user_data, all, offsets) == 0 ? DUALPROP_OK : lose(owner);
}

/* Bytes of process 0 to all. */
static dualprop_status spread(host *owner, void *bytes, uint64_t size)
{
    for (int r = 0; r <= owner->size; r++) offsets[r] = r == 0 ? 0 : (int64_t)size;
    return owner->transport->gather(owner->transport->user_data, bytes, offsets) == 0 ? DUALPROP_OK : lose(owner);
}

static void count_machines(host *owner, const char (*names)[MACHINE_BYTES])
{
    for (int r = 0; r < owner->size; r++) {
        int is_new = 1;
        for (int before = 0; before < r; before++) is_new &= strcmp(names[before], names[r]) != 0;
        owner->machines += is_new;
        owner->on_machine += strcmp(names[r], names[owner->rank]) == 0;
    }
}

dualprop_status peers_begin(host *owner)
{
    owner->size = 1;
    if (owner->transport == NULL) return DUALPROP_OK;
    owner->rank = owner->transport->rank;
    owner->size = owner->transport->size;
    if (owner->size > PEERS_MOST) {
        owner->agreed = 1;
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "%d processes; expected %d at most", owner->size,
                         PEERS_MOST);
    }
    char(*names)[MACHINE_BYTES] = host_allocate(owner, (uint64_t)owner->size, MACHINE_BYTES);
    if (names == NULL) { /* the others wait for this process: there is no way to go on */
        owner->lost = 1;
        return host_no_memory(owner, "the names of machines");
    }
    gethostname(names[owner->rank], MACHINE_BYTES - 1);
    dualprop_status status = gather(owner, names, MACHINE_BYTES);
    if (status == DUALPROP_OK) count_machines(owner, (const char(*)[MACHINE_BYTES])names);
    host_release(owner, names, (uint64_t)owner->size, MACHINE_BYTES);
    return status;
}

/* The process whose failure it is: another one may have heard of it (PEER) before this question. */
static int failed_process(int size)
{
    int heard = -1;

    for (int r = 0; r < size; r++) {
        if (statuses[r] == DUALPROP_OK) continue;
        if (statuses[r] != DUALPROP_ERROR_PEER) return r;
        if (heard < 0) heard = r;
    }
    return heard;
}

static dualprop_status settle(host *owner)
{
    int failed = failed_process(owner->size);
    char sentence[MESSAGE_BYTES];

    if (failed < 0) return DUALPROP_OK;
    owner->agreed = 1;
    if (failed != owner->rank) owner->message[0] = '\0';
    else if (failed > 0 && owner->message[0] != '\0') {
        snprintf(sentence, sizeof sentence, "%s", owner->message);
        host_fail(owner, statuses[failed], "process %d: %s", failed, sentence);
    }
    return statuses[failed];
}

dualprop_status peers_agree(host *owner, dualprop_status status)
{
    if (owner->transport == NULL || owner->agreed || owner->lost) return status;
    statuses[owner->rank] = status;
    TRY(gather(owner, statuses, sizeof *statuses));
    return settle(owner);
}

dualprop_status peers_text_of_first(char **text, uint64_t *size, host *owner, const char *own)
{
    *size = owner->rank == 0 ? strlen(own) + 1 : 0;
    TRY(spread(owner, size, sizeof *size));
    *text = host_allocate(owner, *size, 1);
    if (*text == NULL) { /* as in peers_begin() */
        owner->lost = 1;
        return host_no_memory(owner, "the settings of process 0");
    }
    if (owner->rank == 0) memcpy(*text, own, *size);
    dualprop_status status = spread(owner, *text, *size);
    if (status != DUALPROP_OK) host_release(owner, *text, *size, 1);
    return status;
}

dualprop_status peers_compare_text(host *owner, const char *what, const char *own)
{
    char *first;
    uint64_t size;

    if (owner->transport == NULL) return DUALPROP_OK;
    TRY(peers_text_of_first(&first, &size, owner, own));
    int same = strcmp(first, own) == 0;
    host_release(owner, first, size, 1);
    if (same) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "has another %s than process 0; expected the same in all processes", what);
}

int64_t peers_threads(const host *owner)
{
    cpu_set_t allowed;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t most = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
    int64_t share = (online > 0 ? online : 1) / (owner->on_machine > 0 ? owner->on_machine : 1);

    if (most < share) share = most; /* a launcher that binds processes has divided the CPUs already */
    return share > 1 ? share : 1;
}
