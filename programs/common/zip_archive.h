/*
 * zip_archive.h - the members of a zip archive (numpy's .npz is one), each as a byte_source.
 *
 * The archive is read whole into memory first, through the host's file table, so that it cannot change or be a FIFO.
 * What a member says of its size is held against its packed size before it is believed. libzip's own small allocations
 * are malloc's.
 */
#ifndef PROGRAMS_ZIP_ARCHIVE_H
#define PROGRAMS_ZIP_ARCHIVE_H

#include "byte_source.h"

typedef struct zip_archive zip_archive;

/* path is borrowed until the archive is closed. */
dualprop_status zip_archive_open(zip_archive **archive, host *owner, const char *path);
/* NULL is fine; close its members first. */
void zip_archive_close(zip_archive *archive);

/* Open a member for reading, one at a time; *path receives what errors call it, borrowed until the next member. */
dualprop_status zip_archive_member(byte_source **source, const char **path, zip_archive *archive, const char *name);

#endif
