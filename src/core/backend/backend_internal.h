/*
 * backend_internal.h - contexts, and the backend table that each of them has.
 */
#ifndef DUALPROP_CORE_BACKEND_INTERNAL_H
#define DUALPROP_CORE_BACKEND_INTERNAL_H

#include "core/platform/platform.h"

/* ---- context.c ---- */
void dualprop__context_retain(dualprop_context *context);
void dualprop__context_release(dualprop_context *context);
/* FORKED if this process did not make the context and its handles were busy or on a device; else OK. */
dualprop_status dualprop__context_enter(dualprop_context *context);

/* ---- custom_parts.c ---- */
/* What was registered with a context, and lives as long as that. */
struct dualprop__custom_part {
    struct dualprop__custom_part *next;
    int number;
    char name[DUALPROP_MAX_CUSTOM_NAME + 1];
};
/* An activation of the caller's. */
struct dualprop__activation {
    struct dualprop__custom_part part;
    dualprop_activation_function value, slope;
    dualprop_activation_difference difference; /* may be NULL */
    void *user_data;
};
/* The caller's activation of this number, or NULL: it is a built-in one, or not of this context. */
const struct dualprop__activation *dualprop__custom_activation(const dualprop_context *context, int number);
/* A linear map of the caller's. */
struct dualprop__custom_map {
    struct dualprop__custom_part part;
    dualprop_map_product forward, transposed;
    dualprop_map_gradient gradient;
    void *user_data;
};
/* The caller's map of this number or of this name, or NULL. */
const struct dualprop__custom_map *dualprop__custom_map(const dualprop_context *context, int number);
const struct dualprop__custom_map *dualprop__custom_map_named(const dualprop_context *context, const char *name);
void dualprop__custom_parts_destroy(dualprop_context *context);

/* ---- device_section.c: a section of slots that a device may defer; on the CPU these do nothing ---- */
dualprop_status dualprop__section_begin(const dualprop_context *context);
/* End it. `status` is what its calls have come to; returns status, or what went wrong while ending. */
dualprop_status dualprop__section_end(const dualprop_context *context, dualprop_status status);
/* The same in two parts, where the backend has them. */
dualprop_status dualprop__section_submit(const dualprop_context *context, void **section);
dualprop_status dualprop__section_collect(const dualprop_context *context, void *section);

/* Is the memory of the context's backend the host's? */
static inline int dualprop__is_on_host(const dualprop_context *context)
{
    return (context->backend.flags & DUALPROP_BACKEND_HOST_MEMORY) != 0;
}

/* ---- registry.c: from a number to a complete backend table ---- */
dualprop_status dualprop__registry_open(dualprop_context *context, int backend, const dualprop_backend *own);
/* The fastest backend of the CPU that the library was built with. */
const dualprop_backend *dualprop__builtin_backend(void);
/* src/cpu provides these two. */
extern const dualprop_backend dualprop__reference_backend;
extern const dualprop_backend dualprop__blis_backend;

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
/* The same of an allocator alone. */
dualprop_status dualprop__allocator_read(dualprop_allocator *to, const dualprop_allocator *from);
dualprop_status dualprop__settings_read(struct dualprop__settings *settings, const dualprop_options *options);

/* ---- host.c ---- */
/* What backends get from this context. */
void dualprop__host_fill(dualprop_context *context);

/* ---- module.c ---- */
extern const dualprop_loader dualprop__default_loader;
/* Is there a file of the CUDA module where we look for one? */
int dualprop__module_exists(dualprop_context *context);
/* NO_DEVICE if no CUDA driver is installed. */
dualprop_status dualprop__module_find_driver(dualprop_context *context);
/* Load the CUDA module; its table stays the module's. */
dualprop_status dualprop__module_load(const dualprop_backend **table, dualprop_context *context);

/* ---- composite.c ---- */
/* A flag of composite tables: learning steps on gradients need memory for the gradient. */
#define DUALPROP__SPLITS_STEPS 0x80000000u
/* Does a caller's table override a part of what the built-in backend does in one slot? */
int dualprop__composite_splits(const dualprop_backend *table);
/* Make an instance whose missing slots are the built-in backend's, and the table that goes with it. */
dualprop_status dualprop__composite_create(dualprop_backend *table, void **self, dualprop_context *context);

#endif
