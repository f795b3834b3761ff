/**
 * @file
 * dualprop/mpi.h - a transport of dualprop/group.h over MPI.
 *
 * Belongs to libdualprop-mpi.a, which is built where mpicc is found, for that MPI. The library itself links no MPI. No
 * reduction of MPI is used, only messages, so results do not depend on the MPI, its algorithms or its version.
 *
 * Ownership: the transport owns a duplicate of the communicator.   Threads: MPI_Init_thread() must have provided at
 * least MPI_THREAD_SERIALIZED if the program calls the library from another thread than the one that initialised MPI;
 * the program must not call MPI while another thread is in a collective call of the library.
 */
#ifndef DUALPROP_MPI_H
#define DUALPROP_MPI_H

#include <mpi.h>

#include <dualprop/group.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Make a transport of all processes of a communicator. Collective over it.
 *
 * No call of the transport waits for ever: when nothing has been heard from a process for 600 s (see
 * dualprop_mpi_transport_set_patience()) the call fails. A program whose group has failed with
 * DUALPROP_ERROR_TRANSPORT, or that fails alone, must end with MPI_Abort(): MPI_Finalize() would wait for the others.
 *
 * @param transport     filled; pass it to dualprop_group_create(), and destroy it after the group
 * @param communicator  duplicated
 * @return MPI_SUCCESS, or an error code of MPI, MPI_ERR_PENDING if a process has not come to this call for 600 s;
 *         transport is then all zero
 */
int dualprop_mpi_transport_create(dualprop_transport *transport, MPI_Comm communicator);

/**
 * The same with another patience, for this call too.
 *
 * @param seconds  as in dualprop_mpi_transport_set_patience()
 */
int dualprop_mpi_transport_create_within(dualprop_transport *transport, MPI_Comm communicator, double seconds);

/** Free what _create() made. Collective over the communicator unless the transport has failed. */
void dualprop_mpi_transport_destroy(dualprop_transport *transport);

/** Set how long a call waits for the other processes, in seconds; 0: for ever. At first 600. */
void dualprop_mpi_transport_set_patience(dualprop_transport *transport, double seconds);

/** Set the largest message in bytes, 1 .. 2^30, which is the default. For tests. The same in all processes. */
void dualprop_mpi_transport_set_message_size(dualprop_transport *transport, int bytes);

#ifdef __cplusplus
}
#endif

#endif
