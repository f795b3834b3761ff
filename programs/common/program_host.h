/*
 * program_host.h - what the readers of data sets get from their host: memory, files, and a place for the sentence of an
 * error.
 *
 * The tables are the library's own (dualprop/context.h), so that a program can hand the same ones to the readers and to
 * the context, and a test can make any allocation or read fail. Readers return a dualprop_status.
 */
#ifndef PROGRAMS_EXAMPLE_HOST_H
#define PROGRAMS_EXAMPLE_HOST_H

#include "dualprop/dualprop.h"

/* One line of text, cut to fit. */
#define MESSAGE_BYTES 1024

#define MOST_READ_FILES 24

typedef struct host {
    dualprop_allocator allocator;
    dualprop_io io;        /* only open, size, read and close are used by the readers */
    struct digest *digest; /* receives all bytes that are read from data files; NULL: none wants them */
    const char *program;   /* in front of what is written to stderr */
    char message[MESSAGE_BYTES];
    /* The processes of a run; see peers.h. */
    const dualprop_transport *transport; /* NULL: this one alone */
    int rank, size, machines, on_machine;
    int lost;   /* another process cannot be reached any more */
    int agreed; /* all processes know of the failure that ends the run */
    int read_count;
    struct read_file {
        uint64_t device, inode;
    } read_files[MOST_READ_FILES]; /* of a data set; see host_note_read() */
} host;

/* Fill in malloc and POSIX files. Opening takes regular files only, and never waits for a FIFO. */
void host_init(host *self, const char *program);

/* A file of a data set is read: whatever it is called elsewhere, it must not be written. */
void host_note_read(host *self, const char *path);
/* Is it such a file? */
int host_has_read(const host *self, const char *path);

/* Zeroed memory for count elements of size bytes, or NULL: no memory, or the product overflows. */
void *host_allocate(host *self, uint64_t count, size_t size);
/* The same count and size as allocated with; NULL is fine. */
void host_release(host *self, void *pointer, uint64_t count, size_t size);

/* Keep a sentence and return status. Line breaks become spaces: the message stays one line. */
dualprop_status host_fail(host *self, dualprop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
dualprop_status host_no_memory(host *self, const char *what);
/* Keep the library's last error as the sentence and return status. */
dualprop_status host_library(host *self, dualprop_status status);

/* Pass a failure on. */
#define TRY(call)                                         \
    do {                                                  \
        dualprop_status try_status = (call);              \
        if (try_status != DUALPROP_OK) return try_status; \
    } while (0)
/* The same for a call of the library, whose sentence is kept. */
#define TRY_LIBRARY(self, call)                                                 \
    do {                                                                        \
        dualprop_status try_status = (call);                                    \
        if (try_status != DUALPROP_OK) return host_library((self), try_status); \
    } while (0)

#endif
