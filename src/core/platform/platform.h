/*
 * platform.h - what src/core asks of the operating system: threads, CPUs and files.
 */
#ifndef DUALPROP_CORE_PLATFORM_H
#define DUALPROP_CORE_PLATFORM_H

#include "core/base/base.h"
#include "float_mode.h"

/* ---- thread_pool.c ---- */
typedef struct dualprop__pool dualprop__pool;
dualprop_status dualprop__pool_create(dualprop__pool **pool, dualprop_context *context, int threads);
void dualprop__pool_destroy(dualprop__pool *pool);
/* Concurrent callers are served too: who finds the pool busy, or is in a forked child, runs its loop alone. */
void dualprop__pool_run(dualprop__pool *pool, void (*task)(void *argument, int64_t index), void *argument,
                        int64_t count);
int dualprop__pool_threads(const dualprop__pool *pool); /* as started */
int dualprop__allowed_cpus(void);                       /* cpus.c: affinity mask and cgroup quota */
/* cpus.c: whole CPUs of "QUOTA PERIOD", at most `most`; all of them for "max PERIOD" and what is none of the two. */
int dualprop__cpus_of_quota(const char *text, int most);
extern const dualprop_threads dualprop__default_threads;

/* ---- file.c: reading and writing whole files through the I/O table ---- */
/* Read a whole regular file of at most limit bytes; *data is released with dualprop__release(). */
dualprop_status dualprop__file_read(void **data, size_t *size, dualprop_context *context, const char *path,
                                    uint64_t limit);
/* Temporary file, write, sync, rename, sync the folder; pieces are written one after another. */
typedef struct dualprop__piece {
    const void *data;
    size_t size;
} dualprop__piece;
dualprop_status dualprop__file_replace(dualprop_context *context, const char *path, const dualprop__piece *pieces,
                                       int count);
extern const dualprop_io dualprop__posix_io;

/* ---- posix_io.c and posix_stale.c ---- */
#define DUALPROP__FOLDER_SIZE 3840 /* more would be too much for a small stack */
/* The folder that a path lies in; 0 if its name is too long. */
int dualprop__folder_of(char *folder, size_t size, const char *path);
/* file.c: how many bytes of a path its temporary file's name begins with. */
size_t dualprop__temporary_stem(const char *path);
int64_t dualprop__posix_remove_stale(void *user_data, const char *path);

#endif
