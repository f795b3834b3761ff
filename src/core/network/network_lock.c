/*
 * network_lock.c - who may touch a network's parameters when.
 *
 * `users` is a lock that never waits: a positive number counts the calls that read the parameters, -1 stands for the
 * one call that writes them, and a call that finds the other kind at work is told BUSY. Every end of a write raises the
 * generation, by which states and backends notice that what they derived from the weights is stale. Feedback weights
 * whose signs follow the weights are aligned before it by the call that wrote: dualprop__feedback_align().
 */
#include <limits.h>

#include "network_internal.h"

dualprop_status dualprop__network_check_set(const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++)
        DUALPROP__REQUIRE(network->context, atomic_load(&network->layers[k]->weights_are_set),
                          DUALPROP_ERROR_INVALID_STATE,
                          "the weights of layer %d were never set and are zero; call dualprop_network_initialize(), or "
                          "write, copy or load them", k + 1);
    return DUALPROP_OK;
}

dualprop_status dualprop__network_begin_read(dualprop_network *network)
{
    int users = atomic_load(&network->users);
    do {
        DUALPROP__REQUIRE(network->context, users >= 0 && users < INT_MAX, DUALPROP_ERROR_BUSY,
                          "network is being written by another call; expected it to be free");
    } while (!atomic_compare_exchange_weak(&network->users, &users, users + 1));
    return DUALPROP_OK;
}

void dualprop__network_end_read(dualprop_network *network)
{
    atomic_fetch_sub(&network->users, 1);
}

dualprop_status dualprop__network_begin_write(dualprop_network *network)
{
    int nobody = 0;
    DUALPROP__REQUIRE(network->context, atomic_compare_exchange_strong(&network->users, &nobody, -1),
                      DUALPROP_ERROR_BUSY, "network is in use by another call; expected it to be free");
    return DUALPROP_OK;
}

void dualprop__network_abandon_write(dualprop_network *network)
{
    atomic_store(&network->users, 0);
}

void dualprop__network_end_write(dualprop_network *network)
{
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, 0);
}

int dualprop__network_try_upgrade(dualprop_network *network)
{
    int alone = 1;
    return atomic_compare_exchange_strong(&network->users, &alone, -1);
}

dualprop_status dualprop__network_upgrade(dualprop_network *network)
{
    DUALPROP__REQUIRE(network->context, dualprop__network_try_upgrade(network), DUALPROP_ERROR_BUSY,
                      "network is in use by another call; expected it to be free");
    return DUALPROP_OK;
}

void dualprop__network_downgrade(dualprop_network *network)
{
    atomic_fetch_add(&network->generation, 1);
    atomic_store(&network->users, 1);
}
