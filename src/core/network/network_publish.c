/*
 * network_publish.c - parameters for threads that predict while another one learns.
 *
 * A network that is published to has its parameters in one of three networks, itself and two spare ones. A publication
 * writes into one that is neither the front one nor read any more, and then makes it the front one. Who reads counts
 * itself as a reader of the front one, and so keeps its parameters from being written until it has ended
 * (network_lock.c). Nothing but the front pointer is shared by both sides.
 */
#include "network_internal.h"

/* The spare ones, at the first publication. */
static dualprop_status create_spares(dualprop_network *to)
{
    dualprop_network *made[2] = { NULL, NULL }, *opened;
    if (to->spare[1]) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__network_open(&opened, to));
    dualprop_status status = dualprop__network_clone(&made[0], opened);
    if (status == DUALPROP_OK) status = dualprop__network_clone(&made[1], opened);
    dualprop__network_end_read(opened);
    if (status != DUALPROP_OK) {
        dualprop_network_destroy(made[0]);
        return status;
    }
    to->spare[0] = made[0];
    to->spare[1] = made[1];
    atomic_store(&to->sealed, 1);
    return DUALPROP_OK;
}

/* One that no call reads, open for writing; NULL if calls on older publications still read them all. */
static dualprop_network *acquire_spare(dualprop_network *to)
{
    dualprop_network *all[3] = { to, to->spare[0], to->spare[1] }, *front = atomic_load(&to->front);
    for (int i = 0; i < 3; i++)
        if (all[i] != (front ? front : to) && dualprop__network_try_write(all[i])) return all[i];
    return NULL;
}

static dualprop_status copy_published(dualprop_network *spare, const dualprop_network *from)
{
    if (spare->context == from->context) return dualprop__network_copy_arrays(spare, from);
    void *staging = dualprop__parameter_staging(spare);
    if (!staging) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__network_copy_through(staging, spare, from);
    dualprop__release(spare->context, staging);
    return status;
}

static dualprop_status publish_opened(dualprop_network *to, const dualprop_network *from)
{
    DUALPROP__TRY(dualprop__network_check_set(from));
    DUALPROP__TRY(create_spares(to));
    dualprop_network *spare = acquire_spare(to);
    DUALPROP__REQUIRE(to->context, spare, DUALPROP_ERROR_BUSY,
                      "calls that began before the last two publications still read the network; publish again later");
    dualprop_status status = copy_published(spare, from);
    dualprop__network_end_write(spare);
    if (status == DUALPROP_OK && spare->context->backend.synchronize)
        status = spare->context->backend.synchronize(spare->context->instance);
    if (status != DUALPROP_OK) return status;
    atomic_store(&to->front, spare);
    atomic_fetch_add(&to->generation, 1);
    return DUALPROP_OK;
}

static dualprop_status publish(dualprop_network *to, const dualprop_network *from)
{
    dualprop_network *opened;
    DUALPROP__TRY(dualprop__network_check_real(to));
    DUALPROP__TRY(dualprop__network_check_alike(to, from, "to", "from"));
    DUALPROP__TRY(dualprop__network_open(&opened, from));
    dualprop_status status = publish_opened(to, opened);
    dualprop__network_end_read(opened);
    return status;
}

dualprop_status dualprop_network_publish(dualprop_network *to, const dualprop_network *from)
{
    DUALPROP__TRY(dualprop__check_handle(to, DUALPROP__NETWORK, "to", __func__));
    DUALPROP__TRY(dualprop__check_handle(from, DUALPROP__NETWORK, "from", __func__));
    DUALPROP__TRY(dualprop__context_enter(to->context));
    DUALPROP__TRY(dualprop__context_enter(from->context));
    DUALPROP__REQUIRE(to->context, to != from, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "to and from are one network; expected two, one that serves and one that learns");
    DUALPROP__TRY(dualprop__enter(to->context, &to->publishing, "to"));
    dualprop_status status = publish(to, from);
    dualprop__leave(&to->publishing);
    return status;
}
