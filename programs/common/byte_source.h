/*
 * byte_source.h - the bytes of a file, unpacked on the way where the file is gzip.
 *
 * Its first two bytes (1f 8b) decide whether it is gzip, not its name. A reader asks for exactly the bytes it
 * expects and then checks that none is left, so memory and time stay bounded by what a checked header announced, even
 * for a file that would unpack to anything. Errors name the file.
 */
#ifndef PROGRAMS_BYTE_SOURCE_H
#define PROGRAMS_BYTE_SOURCE_H

#include "program_host.h"

typedef struct byte_source byte_source;

/* Open a regular file. path is borrowed until the source is closed. */
dualprop_status byte_source_open(byte_source **source, host *owner, const char *path);
/* Bytes that another library unpacks: a member of an archive. */
typedef struct byte_stream {
    void *context;
    uint64_t size;                                               /* that will come, as announced and found possible */
    int64_t (*read)(void *context, void *buffer, uint64_t size); /* 0 at the end; negative: failed */
    const char *(*explain)(void *context);                       /* the last failure */
    void (*close)(void *context);
} byte_stream;

/* Read from a stream, which is closed with the source, and on failure too. */
dualprop_status byte_source_open_stream(byte_source **source, host *owner, const char *path, const byte_stream *stream);
/* NULL is fine. */
void byte_source_close(byte_source *source);

/* Read exactly size bytes; what says which part of the file they are, for the error of a file that ends before. */
dualprop_status byte_source_read(byte_source *source, void *buffer, uint64_t size, const char *what);
/* Fail unless everything has been read (and, of a gzip file, its checksum agrees); after_bytes were expected. */
dualprop_status byte_source_finish(byte_source *source, uint64_t after_bytes);
/* The most bytes that can still come: of a raw file what is left, of a gzip file 1,032 times that. */
uint64_t byte_source_bound(const byte_source *source);
/* Is the file gzip? */
int byte_source_is_zipped(const byte_source *source);
/* Bytes handed out so far. */
uint64_t byte_source_delivered(const byte_source *source);

#endif
