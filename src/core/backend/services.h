/*
 * services.h - what the files behind a context share among themselves and nobody else needs.
 */
#ifndef DUALPROP_CORE_SERVICES_H
#define DUALPROP_CORE_SERVICES_H

#include "core/base/internal.h"

/* ---- error.c ---- */
/* Forget whose the calling thread's last error was; the text stays. For contexts that go away. */
void dualprop__error_detach(const dualprop_context *context);

/* ---- process.c ---- */
/* This process's id without a system call. */
pid_t dualprop__process_id(void);

/* ---- memory.c ---- */
extern const dualprop_allocator dualprop__default_allocator;
/* As dualprop__allocate(), aligned to any power of two. */
void *dualprop__allocate_aligned(dualprop_context *context, size_t size, size_t alignment);

/* ---- options.c ---- */
/* Copy a caller's struct that begins with its struct_size into `to`, which has `known` bytes and is zeroed first. */
dualprop_status dualprop__struct_copy(void *to, size_t known, const void *from, size_t least, const char *name);
/* Check options (or NULL) and complete them: every pointer but backend leads to a complete table afterwards. */
struct dualprop__settings {
    dualprop_options options;
    dualprop_allocator allocator;
    dualprop_io io;
    dualprop_threads thread_hooks;
    dualprop_loader loader;
};
dualprop_status dualprop__settings_read(struct dualprop__settings *settings, const dualprop_options *options);

/* ---- posix_io.c and posix_stale.c ---- */
#define DUALPROP__FOLDER_SIZE 3840 /* more would be too much for a small stack */
/* The folder that a path lies in; 0 where its name is too long. */
int dualprop__folder_of(char *folder, size_t size, const char *path);
int64_t dualprop__posix_remove_stale(void *user_data, const char *path);

/* ---- thread_pool.c and module.c ---- */
extern const dualprop_threads dualprop__default_threads;
extern const dualprop_loader dualprop__default_loader;

/* ---- host.c ---- */
/* What backends get from this context. */
void dualprop__host_fill(dualprop_context *context);

/* ---- module.c ---- */
/* Is there a file of the CUDA module where we look for one? */
int dualprop__module_exists(dualprop_context *context);
/* Load the CUDA module; its table stays the module's. */
dualprop_status dualprop__module_load(const dualprop_backend **table, dualprop_context *context);

/* ---- composite.c ---- */
/* Make an instance whose missing slots are the reference backend's, and the table that goes with it. */
dualprop_status dualprop__composite_create(dualprop_backend *table, void **self, dualprop_context *context);

#endif
