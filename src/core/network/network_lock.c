/*
 * network_lock.c - who may touch a network's parameters when.
 *
 * `users` is a lock that never waits: its lower half counts the calls that read the parameters, or is USERS_WRITER for
 * the one call that writes them; a call that finds the other kind at work fails with BUSY. Its upper half is the number
 * of the process that they run in: in a forked child they do not exist, and the answer is FORKED. Every end of a write
 * raises the generation, by which states and backends notice that what they derived from the weights is stale. Feedback
 * weights whose signs follow the weights are aligned before it by the call that wrote: dualprop__feedback_align().
 */
#include "network_internal.h"

dualprop_status dualprop__network_check_set(const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++)
        DUALPROP__REQUIRE(network->context, atomic_load(&network->layers[k]->weights_are_set),
                          DUALPROP_ERROR_INVALID_STATE,
                          "the weights of layer %d were never set and are zero; call dualprop_network_initialize(), or "
                          "write, copy or load them",
                          k + 1);
    return DUALPROP_OK;
}

dualprop_status dualprop__network_check_real(const dualprop_network *network)
{
    DUALPROP__REQUIRE(network->context, !network->is_outline, DUALPROP_ERROR_INVALID_STATE,
                      "network is an outline, which has shapes and no parameters; expected one of "
                      "dualprop_network_create()");
    return DUALPROP_OK;
}

#define USERS_COUNT UINT64_C(0xffffffff)
#define USERS_WRITER USERS_COUNT

/* The word of `count` readers (or USERS_WRITER) of this process. */
static uint64_t users_of_process(uint64_t count)
{
    return (uint64_t)(uint32_t)dualprop__process_number() << 32 | count;
}

static dualprop_status refuse_published(const dualprop_network *network)
{
    return dualprop__fail(network->context, DUALPROP_ERROR_INVALID_STATE,
                          "network is published to, so its states read copies of its parameters; use the network that "
                          "they are published from");
}

/* Where a thread was at work on the network when this process was forked off, it never leaves here. */
static dualprop_status refuse_network(const dualprop_network *network, uint64_t users)
{
    if (users >> 32 != users_of_process(0) >> 32)
        return dualprop__fail(network->context, DUALPROP_ERROR_FORKED,
                              "network was in use when this process was forked off; it can only be destroyed here");
    return dualprop__fail(network->context, DUALPROP_ERROR_BUSY,
                          "network is %s by another call; expected it to be free",
                          (users & USERS_COUNT) == USERS_WRITER ? "being written" : "in use");
}

/* Count one more reader; 0 if there cannot be one now. *users is what was found. */
static int try_read(uint64_t *users, dualprop_network *network)
{
    uint64_t readers;
    *users = atomic_load(&network->users);
    do {
        readers = *users & USERS_COUNT;
        if (readers >= USERS_WRITER - 1 || (readers > 0 && *users != users_of_process(readers))) return 0;
    } while (!atomic_compare_exchange_weak(&network->users, users, users_of_process(readers + 1)));
    return 1;
}

dualprop_status dualprop__network_begin_read(dualprop_network *network)
{
    uint64_t users;
    DUALPROP__TRY(dualprop__network_check_real(network));
    if (atomic_load(&network->front)) return refuse_published(network);
    return try_read(&users, network) ? DUALPROP_OK : refuse_network(network, users);
}

/*
 * The front one is not being written. If it is no more the front one when that is found, a later one is: the loop goes
 * round once for each publication that ends meanwhile, and waits for none.
 */
dualprop_status dualprop__network_open(dualprop_network **opened, const dualprop_network *network)
{
    /* Counting a reader is no change of the network, so const is honoured in all that a caller can see. */
    dualprop_network *read = (dualprop_network *)network, *front, *now = atomic_load(&read->front);
    uint64_t users;
    DUALPROP__TRY(dualprop__network_check_real(network));
    do {
        front = now;
        *opened = front ? front : read;
        if (try_read(&users, *opened)) return DUALPROP_OK;
        now = atomic_load(&read->front);
    } while (now != front);
    return refuse_network(*opened, users);
}

void dualprop__network_end_read(dualprop_network *network)
{
    atomic_fetch_sub(&network->users, 1);
}

dualprop_status dualprop__network_begin_write(dualprop_network *network)
{
    DUALPROP__TRY(dualprop__network_check_real(network));
    return dualprop__network_begin_change(network);
}

dualprop_status dualprop__network_begin_change(dualprop_network *network)
{
    uint64_t users = atomic_load(&network->users);
    do {
        if (atomic_load(&network->front)) return refuse_published(network);
        if ((users & USERS_COUNT) > 0) return refuse_network(network, users);
    } while (!atomic_compare_exchange_weak(&network->users, &users, users_of_process(USERS_WRITER)));
    return DUALPROP_OK;
}

int dualprop__network_try_write(dualprop_network *network)
{
    uint64_t users = atomic_load(&network->users);
    do {
        if ((users & USERS_COUNT) > 0) return 0;
    } while (!atomic_compare_exchange_weak(&network->users, &users, users_of_process(USERS_WRITER)));
    return 1;
}

void dualprop__network_abandon_write(dualprop_network *network)
{
    atomic_store(&network->users, 0);
}

void dualprop__network_end_write(dualprop_network *network)
{
    atomic_fetch_add(&network->written, 1);
    dualprop__network_end_step(network);
}

void dualprop__network_end_step(dualprop_network *network)
{
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, 0);
}

int dualprop__network_try_upgrade(dualprop_network *network)
{
    uint64_t users = atomic_load(&network->users);
    while ((users & USERS_COUNT) == 1)
        if (atomic_compare_exchange_weak(&network->users, &users, users | USERS_WRITER)) return 1;
    return 0;
}

dualprop_status dualprop__network_upgrade(dualprop_network *network)
{
    if (atomic_load(&network->front)) return refuse_published(network);
    return dualprop__network_try_upgrade(network) ? DUALPROP_OK : refuse_network(network, atomic_load(&network->users));
}

void dualprop__network_downgrade(dualprop_network *network)
{
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, users_of_process(1));
}
