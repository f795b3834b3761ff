/*
 * byte_source.h - the bytes of a file, unpacked on the way where the file is gzip.
 *
 * Whether it is gzip is told by its first two bytes (1f 8b), not by its name. A reader asks for exactly the bytes it
 * expects and then checks that none is left, so memory and time stay bounded by what a checked header announced, even
 * for a file that would unpack to anything. Errors name the file.
 */
#ifndef EXAMPLES_BYTE_SOURCE_H
#define EXAMPLES_BYTE_SOURCE_H

#include "example_host.h"

typedef struct byte_source byte_source;

/* Open a regular file. path is borrowed until the source is closed. */
dualprop_status byte_source_open(byte_source **source, host *owner, const char *path);
/* NULL is fine. */
void byte_source_close(byte_source *source);

/* Read exactly size bytes; what says which part of the file they are, for the error of a file that ends before. */
dualprop_status byte_source_read(byte_source *source, void *buffer, uint64_t size, const char *what);
/* Fail unless everything has been read (and, of a gzip file, its checksum agrees); after_bytes were expected. */
dualprop_status byte_source_finish(byte_source *source, uint64_t after_bytes);
/* The most bytes that can still come: of a raw file what is left, of a gzip file 1,032 times that. */
uint64_t byte_source_bound(const byte_source *source);

#endif
