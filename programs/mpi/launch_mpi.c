/*
 * launch_mpi.c - a run of many processes, which mpirun has started.
 *
 * A process that has lost another one must not reach MPI_Finalize(), which would wait for it for ever: MPI_Abort() ends
 * all of them.
 */
#include "common/launch.h"

#include <stdio.h>
#include <stdlib.h>

#include <dualprop/mpi.h>

const int launch_joins = 1;
const char launch_suffix[] = "-mpi";

static dualprop_transport transport;

/* The mpirun of another MPI starts processes that each believe to be alone, and would write the same files. */
static void warn_of_other_launcher(const host *owner)
{
    static const char *const counts[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS" };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const char *text = getenv(counts[i]);
        if (text == NULL || atoi(text) < 2) continue;
        fprintf(stderr,
                "%s: warning: %s is %.20s, but MPI reports one process: was this program started by the mpirun of "
                "another MPI?\n",
                owner->program, counts[i], text);
        return;
    }
}

dualprop_status launch_begin(host *owner, int *argc, char ***argv)
{
    int level, size;

    if (MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS || level < MPI_THREAD_SERIALIZED)
        return host_fail(owner, DUALPROP_ERROR_UNSUPPORTED, "MPI_Init_thread() failed; expected MPI_THREAD_SERIALIZED");
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size == 1) {
        warn_of_other_launcher(owner);
        return DUALPROP_OK;
    }
    int code = dualprop_mpi_transport_create(&transport, MPI_COMM_WORLD);
    if (code != MPI_SUCCESS) {
        owner->lost = 1;
        return host_fail(owner, DUALPROP_ERROR_TRANSPORT, "MPI_Comm_idup() failed%s; expected all processes",
                         code == MPI_ERR_PENDING ? ": a process did not come for 600 s" : "");
    }
    owner->transport = &transport;
    return DUALPROP_OK;
}

void launch_set_patience(double seconds)
{
    if (transport.user_data != NULL) dualprop_mpi_transport_set_patience(&transport, seconds);
}

void launch_end(host *owner, int exit_status)
{
    if (owner->lost) MPI_Abort(MPI_COMM_WORLD, exit_status);
    dualprop_mpi_transport_destroy(&transport);
    MPI_Finalize();
}
