/*
 * memory_files.h - a host whose files are blocks of memory: readers of data sets are tested without a disk.
 */
#ifndef DUALPROP_TESTS_MEMORY_FILES_H
#define DUALPROP_TESTS_MEMORY_FILES_H

#include "common/program_host.h"
#include "failing_allocator.h"

#define MEMORY_FILES 16

typedef struct memory_file {
    char path[64];
    const unsigned char *bytes; /* borrowed */
    size_t size, place;
} memory_file;

typedef struct memory_files {
    host host;
    failing_allocator memory;
    memory_file file[MEMORY_FILES];
    int open_files;
} memory_files;

/* A host without files. */
void memory_files_init(memory_files *self);
/* Make a file, or replace it. */
void memory_files_put(memory_files *self, const char *path, const void *bytes, size_t size);
/* Expect no open file and no memory in use. */
void memory_files_expect_idle(const memory_files *self);

#endif
