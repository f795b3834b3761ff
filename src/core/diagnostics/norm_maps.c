/*
 * norm_maps.c - the linear maps that norms are measured on, in f64.
 *
 * In an f64 context these are the twin's. In an f32 context they are those of a copy of the network in f64 on the CPU,
 * which is made when a norm is first asked for, and gets the weights again when these have changed. Its memory is the
 * context's, and so are its threads.
 */
#include <string.h>

#include "diagnostics_internal.h"

/* ---- a context inside a context ---- */

static void *allocate_from_outer(void *user_data, size_t size, size_t alignment)
{
    return dualprop__allocate_aligned(user_data, size, alignment);
}

static void release_from_outer(void *user_data, void *pointer, size_t size)
{
    (void)size;
    dualprop__release(user_data, pointer);
}

static dualprop_status open_backend(dualprop_context **made, dualprop_context *outer, int backend)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_allocator allocator = { .struct_size = sizeof allocator,
                                     .allocate = allocate_from_outer,
                                     .release = release_from_outer,
                                     .user_data = outer };
    options.precision = DUALPROP_F64;
    options.level = outer->level;
    options.allocator = &allocator;
    return dualprop_context_create(made, backend, &options);
}

/* The reference backend if it is asked for or where this library has no other. */
static dualprop_status create_inner_context(dualprop_context **made, dualprop_context *outer)
{
    int is_reference = strcmp(outer->backend.name, dualprop__reference_backend.name) == 0;
    dualprop_status status = DUALPROP_ERROR_NO_BACKEND;
    if (!is_reference) status = open_backend(made, outer, DUALPROP_BACKEND_BLIS);
    if (status == DUALPROP_ERROR_NO_BACKEND) status = open_backend(made, outer, DUALPROP_BACKEND_REFERENCE);
    DUALPROP__TRY(status);
    return dualprop_context_set_parallel_for(*made, outer->host.parallel_for, outer, outer->threads);
}

/* ---- the copy ---- */

static dualprop_status create_network(struct dualprop__norm_maps *maps, const dualprop_network *of)
{
    DUALPROP__TRY(dualprop__network_make(&maps->network, maps->context, of->height, of->width, of->channels));
    for (int k = 0; k < of->layer_count; k++) DUALPROP__TRY(dualprop__network_append(maps->network, of->layers[k]));
    return DUALPROP_OK;
}

static dualprop_status create_norm_maps(struct dualprop__norm_maps *maps, const dualprop_network *of)
{
    DUALPROP__TRY(create_inner_context(&maps->context, of->context));
    DUALPROP__TRY(create_network(maps, of));
    DUALPROP__TRY(dualprop_rule_create(&maps->rule, maps->context, DUALPROP_BP));
    DUALPROP__TRY(dualprop_state_create(&maps->state, maps->network, maps->rule, 1));
    maps->narrow = dualprop__parameter_staging(of);
    maps->wide = dualprop__parameter_staging(maps->network);
    return maps->narrow && maps->wide ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
}

void dualprop__norm_maps_destroy(struct dualprop__norm_maps *maps, dualprop_context *outer)
{
    dualprop__release(outer, maps->narrow);
    if (maps->context) dualprop__release(maps->context, maps->wide);
    dualprop_state_destroy(maps->state);
    dualprop_rule_destroy(maps->rule);
    dualprop_network_destroy(maps->network);
    dualprop_context_destroy(maps->context);
    *maps = (struct dualprop__norm_maps){ 0 };
}

/* Norms are of the linear maps, so biases stay zero. */
static dualprop_status copy_weights_in_double(struct dualprop__norm_maps *maps, const dualprop_network *of)
{
    for (int k = 0; k < of->layer_count; k++) {
        int64_t count = dualprop__parameter_elements(of->layers[k], 0);
        dualprop_view narrow = dualprop__view_of(maps->narrow, of->context->precision, 1, &count);
        DUALPROP__TRY(dualprop__parameter_fetch(maps->narrow, of->layers[k], 0));
        dualprop__view_gather(maps->wide, DUALPROP_F64, &narrow);
        DUALPROP__TRY(dualprop__parameter_store(maps->network->layers[k], 0, maps->wide));
    }
    return DUALPROP_OK;
}

static dualprop_status update_norm_maps(struct dualprop__norm_maps *maps, dualprop_network *of)
{
    uint64_t generation = atomic_load(&of->generation);
    if (maps->is_current && maps->generation == generation) return DUALPROP_OK;
    maps->is_current = 0;
    DUALPROP__TRY(dualprop__network_begin_write(maps->network));
    dualprop_status status = copy_weights_in_double(maps, of);
    dualprop__network_end_write(maps->network);
    maps->is_current = status == DUALPROP_OK;
    maps->generation = generation;
    return status;
}

dualprop_status dualprop__norm_maps_acquire(dualprop_state **state, dualprop_diagnostics *diagnostics)
{
    struct dualprop__norm_maps *maps = &diagnostics->maps;
    dualprop_network *network = diagnostics->network;
    *state = diagnostics->twin;
    diagnostics->twin->run.phase = DUALPROP__IDLE;
    if (diagnostics->context->precision == DUALPROP_F64) return DUALPROP_OK;
    dualprop_status status = maps->state ? DUALPROP_OK : create_norm_maps(maps, network);
    if (status == DUALPROP_OK) status = update_norm_maps(maps, network);
    if (status != DUALPROP_OK) dualprop__norm_maps_destroy(maps, diagnostics->context);
    *state = maps->state;
    return status;
}
