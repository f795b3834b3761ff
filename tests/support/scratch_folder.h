/*
 * scratch_folder.h - a folder of a test's own for files, and whole files read and written.
 */
#ifndef DUALPROP_TESTS_SCRATCH_FOLDER_H
#define DUALPROP_TESTS_SCRATCH_FOLDER_H

#include <stddef.h>

typedef struct scratch_folder {
    char path[64];
    char file[96]; /* the name of a file in it */
} scratch_folder;

scratch_folder scratch_folder_create(void);
/* How many entries are in it? */
int scratch_folder_entries(const scratch_folder *folder);
/* Remove it with everything in it. */
void scratch_folder_destroy(const scratch_folder *folder);

/* Read a whole file into memory from malloc(). Ends the test if it cannot be read. */
char *scratch_read(const char *path, size_t *size);
void scratch_write(const char *path, const void *data, size_t size);

#endif
