/*
 * mpi_transport.c - a transport of dualprop/group.h that moves bytes by MPI's nonblocking messages.
 *
 * All waiting is a loop of MPI_Test() or MPI_Testall() with a deadline, never MPI_Wait(), and never a collective call
 * of MPI that blocks: a stopped process or a cable that was pulled would otherwise hold all others for ever. Public
 * headers only, so that a site with two MPIs can compile this file itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime, where a site compiles this file alone */
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dualprop/mpi.h>

#define PATIENCE 600              /* seconds */
#define LARGEST_MESSAGE (1 << 30) /* counts of MPI are ints */

struct mpi_transport {
    MPI_Comm communicator;
    int rank, size, message_size, failed;
    double patience;
    int capacity, count; /* of the arrays below */
    MPI_Request *requests;
    int *peers; /* whom request i waits for */
    char sentence[256];
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fail_with(struct mpi_transport *self, int code, const char *what, int peer)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (code != MPI_SUCCESS && MPI_Error_string(code, text, &length) != MPI_SUCCESS) text[0] = '\0';
    snprintf(self->sentence, sizeof self->sentence, "%s process %d: %.180s", what, peer, text);
    self->failed = 1;
    return 1;
}

static int reserve(struct mpi_transport *self)
{
    if (self->count < self->capacity) return 0;
    int capacity = 2 * self->capacity + 16;
    MPI_Request *requests = realloc(self->requests, (size_t)capacity * sizeof *requests);
    if (requests) self->requests = requests;
    int *peers = realloc(self->peers, (size_t)capacity * sizeof *peers);
    if (peers) self->peers = peers;
    if (!requests || !peers) {
        snprintf(self->sentence, sizeof self->sentence, "out of memory for %d messages", capacity);
        return self->failed = 1;
    }
    self->capacity = capacity;
    return 0;
}

/* Begin to send or receive; both sides know the length, so they cut it into the same messages. */
static int begin(struct mpi_transport *self, int receives, void *bytes, int64_t length, int peer)
{
    for (int64_t done = 0; done < length;) {
        int64_t rest = length - done;
        int size = rest < self->message_size ? (int)rest : self->message_size;
        char *at = (char *)bytes + done;
        if (reserve(self)) return 1;
        MPI_Request *request = &self->requests[self->count];
        int code = receives ? MPI_Irecv(at, size, MPI_BYTE, peer, 1, self->communicator, request)
                            : MPI_Isend(at, size, MPI_BYTE, peer, 1, self->communicator, request);
        if (code != MPI_SUCCESS) return fail_with(self, code, receives ? "receiving from" : "sending to", peer);
        self->peers[self->count++] = peer;
        done += size;
    }
    return 0;
}

static int out_of_patience(struct mpi_transport *self)
{
    int peer = -1;
    for (int i = 0; i < self->count && peer < 0; i++)
        if (self->requests[i] != MPI_REQUEST_NULL) peer = self->peers[i];
    snprintf(self->sentence, sizeof self->sentence, "no word from process %d for %g s", peer, self->patience);
    return self->failed = 1;
}

static int is_over(const struct mpi_transport *self, double begun)
{
    return self->patience > 0 && now() - begun > self->patience;
}

/* Others may need this core. */
static void let_others_run(long polls)
{
    struct timespec nap = { 0, 20000 };
    if (polls > 2000) nanosleep(&nap, NULL);
}

/* Wait for all that was begun, until patience is over. */
static int finish(struct mpi_transport *self)
{
    double begun = now();
    for (long polls = 0;; polls++) {
        int done = 0;
        int code = MPI_Testall(self->count, self->requests, &done, MPI_STATUSES_IGNORE);
        if (code != MPI_SUCCESS) return fail_with(self, code, "exchanging with the others, of which", self->peers[0]);
        if (done) break;
        if (is_over(self, begun)) return out_of_patience(self);
        let_others_run(polls);
    }
    self->count = 0;
    return 0;
}

static int exchange(void *user_data, void *receive, const int64_t *receive_offsets, const void *send,
                    const int64_t *send_offsets)
{
    struct mpi_transport *self = user_data;
    if (self->failed) return 1; /* the sentence stays that of the first failure */
    self->count = 0;
    for (int d = 1; d < self->size; d++) {
        int peer = (self->rank + self->size - d) % self->size;
        int64_t length = receive_offsets[peer + 1] - receive_offsets[peer];
        if (begin(self, 1, (char *)receive + receive_offsets[peer], length, peer)) return 1;
    }
    for (int d = 1; d < self->size; d++) { /* each begins with another receiver */
        int peer = (self->rank + d) % self->size;
        int64_t length = send_offsets[peer + 1] - send_offsets[peer];
        if (begin(self, 0, (char *)(uintptr_t)send + send_offsets[peer], length, peer)) return 1;
    }
    return finish(self);
}

static int gather(void *user_data, void *bytes, const int64_t *offsets)
{
    struct mpi_transport *self = user_data;
    if (self->failed) return 1; /* the sentence stays that of the first failure */
    self->count = 0;
    for (int d = 1; d < self->size; d++) {
        int peer = (self->rank + self->size - d) % self->size;
        if (begin(self, 1, (char *)bytes + offsets[peer], offsets[peer + 1] - offsets[peer], peer)) return 1;
    }
    int64_t own = offsets[self->rank + 1] - offsets[self->rank];
    for (int d = 1; d < self->size; d++)
        if (begin(self, 0, (char *)bytes + offsets[self->rank], own, (self->rank + d) % self->size)) return 1;
    return finish(self);
}

static const char *error(void *user_data)
{
    return ((const struct mpi_transport *)user_data)->sentence;
}

/* All processes of the communicator have to come to this. PENDING: one of them has not come in time. */
static int duplicate(struct mpi_transport *self, MPI_Comm communicator)
{
    MPI_Request request;
    double begun = now();
    int done = 0, code = MPI_Comm_idup(communicator, &self->communicator, &request);
    for (long polls = 0; code == MPI_SUCCESS && !done; polls++) {
        code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (!done && is_over(self, begun)) return MPI_ERR_PENDING;
        let_others_run(polls);
    }
    return code;
}

int dualprop_mpi_transport_create_within(dualprop_transport *transport, MPI_Comm communicator, double seconds)
{
    memset(transport, 0, sizeof *transport);
    struct mpi_transport *self = calloc(1, sizeof *self);
    if (!self) return MPI_ERR_NO_MEM;
    self->patience = seconds;
    self->message_size = LARGEST_MESSAGE;
    int code = duplicate(self, communicator);
    if (code == MPI_ERR_PENDING) return code; /* MPI may write to what self holds as long as the process lives */
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(self->communicator, MPI_ERRORS_RETURN);
    if (code == MPI_SUCCESS) code = MPI_Comm_rank(self->communicator, &self->rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(self->communicator, &self->size);
    if (code != MPI_SUCCESS) {
        free(self);
        return code;
    }
    *transport = (dualprop_transport){ sizeof *transport, self->rank, self->size, exchange, gather, error, self };
    return MPI_SUCCESS;
}

int dualprop_mpi_transport_create(dualprop_transport *transport, MPI_Comm communicator)
{
    return dualprop_mpi_transport_create_within(transport, communicator, PATIENCE);
}

void dualprop_mpi_transport_destroy(dualprop_transport *transport)
{
    struct mpi_transport *self = transport->user_data;
    if (!self) return;
    if (!self->failed) MPI_Comm_free(&self->communicator);
    free(self->requests);
    free(self->peers);
    free(self);
    memset(transport, 0, sizeof *transport);
}

void dualprop_mpi_transport_set_patience(dualprop_transport *transport, double seconds)
{
    ((struct mpi_transport *)transport->user_data)->patience = seconds;
}

void dualprop_mpi_transport_set_message_size(dualprop_transport *transport, int bytes)
{
    if (bytes >= 1 && bytes <= LARGEST_MESSAGE) ((struct mpi_transport *)transport->user_data)->message_size = bytes;
}
