/*
 * registry.c - from the number of a backend to a complete table and an instance.
 *
 * A table that comes from outside is copied as far as it goes and checked: on host memory every slot from allocate on
 * may be missing (composite.c completes it), as long as what belongs together is there together.
 */
#include <stdio.h>
#include <string.h>

#include "backend_internal.h"

#define LEAST_TABLE_BYTES offsetof(dualprop_backend, allocate)

/* ---- tables ---- */

/* How many of the nine slots for convolutions there are. */
static int count_convolutions(const dualprop_backend *table)
{
    return !!table->convolution_weight_elements + !!table->write_convolution_weights +
           !!table->read_convolution_weights + !!table->convolution_workspace + !!table->convolution_cache +
           !!table->convolution_prepare + !!table->convolution_bottom_up + !!table->convolution_top_down +
           !!table->convolution_gradient;
}

/* All but those for convolutions, without which a device refuses such networks. */
static int has_dense_slots(const dualprop_backend *table)
{
    return table->allocate && table->release && table->copy_in && table->copy_out && table->copy && table->fill_zero &&
           table->synchronize && table->weight_elements && table->write_weights && table->read_weights &&
           table->dense_workspace && table->dense_bottom_up && table->dense_top_down && table->dense_gradient &&
           table->dyad_update && table->output_step && table->evaluate && table->load_input && table->optimizer_step &&
           table->compare && table->max_abs && table->fill_uniform;
}

/* The slots for optional rule features: a table on host memory gets them from the reference backend. */
static int has_options(const dualprop_backend *table)
{
    return table->extended_update && table->output_proximal;
}

static int is_on_host(const dualprop_backend *table)
{
    return (table->flags & DUALPROP_BACKEND_HOST_MEMORY) != 0;
}

/* Can it work as it is? */
static int is_complete_table(const dualprop_backend *table)
{
    return has_dense_slots(table) && ((count_convolutions(table) == 9 && has_options(table)) || !is_on_host(table));
}

/* Why the slots that are there cannot be completed; NULL when they can. */
static const char *what_is_missing(const dualprop_backend *table)
{
    int weights = !!table->weight_elements + !!table->write_weights + !!table->read_weights;
    int convolutions = count_convolutions(table);
    int dense = !!table->dense_workspace + !!table->dense_bottom_up + !!table->dense_top_down + !!table->dense_gradient;
    if (!table->name || !table->create || !table->destroy || !table->describe)
        return "name, create, destroy and describe are required";
    if (convolutions != 0 && convolutions != 9) return "the nine slots for convolutions come together";
    if (!table->begin_deferred != !table->end_deferred) return "begin_deferred and end_deferred come together";
    if (!table->submit_deferred != !table->collect_deferred)
        return "submit_deferred and collect_deferred come together";
    if (!table->extended_update != !table->output_proximal) return "extended_update and output_proximal come together";
    if (!is_on_host(table))
        return has_dense_slots(table) ? NULL : "every slot is required where memory is not host memory";
    if (!table->allocate != !table->release) return "allocate and release come together";
    if (weights != 0 && weights != 3) return "weight_elements, write_weights and read_weights come together";
    if (weights == 3 && dense != 4) return "with a layout of weights of its own it needs all four dense slots";
    return NULL;
}

static dualprop_status copy_table(dualprop_backend *to, const dualprop_context *context, const dualprop_backend *from)
{
    DUALPROP__REQUIRE(context, from->struct_size >= LEAST_TABLE_BYTES, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "backend: struct_size is %llu, expected %zu", (unsigned long long)from->struct_size,
                      sizeof *from);
    DUALPROP__REQUIRE(context, from->api == DUALPROP_BACKEND_API, DUALPROP_ERROR_BACKEND_VERSION,
                      "backend: api is %u, expected %d", from->api, DUALPROP_BACKEND_API);
    memset(to, 0, sizeof *to);
    memcpy(to, from, from->struct_size < sizeof *to ? (size_t)from->struct_size : sizeof *to);
    const char *missing = what_is_missing(to);
    DUALPROP__REQUIRE(context, !missing, DUALPROP_ERROR_INVALID_ARGUMENT, "backend %.64s: %s",
                      to->name ? to->name : "without a name", missing ? missing : "");
    return DUALPROP_OK;
}

/* The CPU backends compute one way only. */
static dualprop_status check_numerics(const dualprop_context *context, const dualprop_backend *table)
{
    int strict = context->numerics == DUALPROP_NUMERICS_STRICT;
    DUALPROP__REQUIRE(context, strict || !is_on_host(table), DUALPROP_ERROR_UNSUPPORTED,
                      "precision %s is for CUDA devices; the backend is %.64s (%s)",
                      dualprop_name(DUALPROP_NAMES_NUMERICS, context->numerics), table->name, context->why);
    return DUALPROP_OK;
}

static dualprop_status open_table(dualprop_context *context, const dualprop_backend *from)
{
    dualprop_backend table;
    void *instance = NULL;
    DUALPROP__TRY(copy_table(&table, context, from));
    DUALPROP__TRY(check_numerics(context, &table));
    if (is_complete_table(&table) && !(is_on_host(&table) && dualprop__composite_splits(&table)))
        DUALPROP__TRY(table.create(&instance, &context->host, context->precision, context->level));
    else DUALPROP__TRY(dualprop__composite_create(&table, &instance, context));
    context->backend = table;
    context->instance = instance;
    return DUALPROP_OK;
}

/* ---- backends by number ---- */

const dualprop_backend *dualprop__builtin_backend(void)
{
#ifdef DUALPROP_NO_BLIS
    return &dualprop__reference_backend;
#else
    return &dualprop__blis_backend;
#endif
}

const dualprop_backend *dualprop_backend_builtin(int backend)
{
    switch (backend) {
    case DUALPROP_BACKEND_AUTO: return dualprop__builtin_backend();
    case DUALPROP_BACKEND_REFERENCE: return &dualprop__reference_backend;
#ifndef DUALPROP_NO_BLIS
    case DUALPROP_BACKEND_BLIS: return &dualprop__blis_backend;
#endif
    default: return NULL;
    }
}

static dualprop_status open_blis(dualprop_context *context)
{
#ifdef DUALPROP_NO_BLIS
    return dualprop__fail(context, DUALPROP_ERROR_NO_BACKEND, "this library was built without BLIS");
#else
    return open_table(context, &dualprop__blis_backend);
#endif
}

static dualprop_status open_cuda(dualprop_context *context)
{
    const dualprop_backend *table = NULL;
    DUALPROP__TRY(dualprop__module_load(&table, context));
    return open_table(context, table);
}

static void explain(dualprop_context *context, const char *reason)
{
    size_t length = strlen(context->why);
    snprintf(context->why + length, sizeof context->why - length, "%s%s", length ? "; " : "", reason);
    dualprop__utf8_mend(context->why);
}

/* Only if a backend is not available here is the next one tried. */
static int is_absent(dualprop_status status)
{
    return status == DUALPROP_ERROR_NO_BACKEND || status == DUALPROP_ERROR_NO_DEVICE ||
           status == DUALPROP_ERROR_BACKEND_VERSION || status == DUALPROP_ERROR_DEVICE;
}

/* The module computes in f32 only, and a device may be full of another program's data: reasons for the CPU too. */
static int cuda_is_absent(dualprop_status status)
{
    return is_absent(status) || status == DUALPROP_ERROR_UNSUPPORTED || status == DUALPROP_ERROR_NO_MEMORY;
}

/* Note the last error as the reason why a backend was not chosen. */
static void explain_absence(dualprop_context *context, const char *name)
{
    char reason[256] = "", text[224] = "";
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) return;
    snprintf(reason, sizeof reason, "not %s: %s", name, text);
    explain(context, reason);
}

static dualprop_status open_best(dualprop_context *context)
{
    dualprop_status status = dualprop__module_find_driver(context);
    if (status == DUALPROP_OK) status = open_cuda(context);
    if (status == DUALPROP_OK) explain(context, "a CUDA device is here");
    if (!cuda_is_absent(status)) return status;
    if (dualprop__module_exists(context)) explain_absence(context, "cuda");
    else explain(context, "no CUDA module was found");
    status = open_blis(context);
    if (status == DUALPROP_OK) explain(context, "BLIS is the fastest on a CPU");
    if (!is_absent(status)) return status;
    explain_absence(context, "blis");
    explain(context, "the reference backend always works");
    return open_table(context, &dualprop__reference_backend);
}

dualprop_status dualprop__registry_open(dualprop_context *context, int backend, const dualprop_backend *own)
{
    if (own) {
        explain(context, "the caller's own table");
        return open_table(context, own);
    }
    if (backend == DUALPROP_BACKEND_AUTO) return open_best(context);
    explain(context, "asked for by name");
    switch (backend) {
    case DUALPROP_BACKEND_REFERENCE: return open_table(context, &dualprop__reference_backend);
    case DUALPROP_BACKEND_BLIS: return open_blis(context);
    case DUALPROP_BACKEND_CUDA: return open_cuda(context);
    default:
        return dualprop__fail(context, DUALPROP_ERROR_INVALID_ARGUMENT,
                              "backend is %d, expected one of DUALPROP_BACKEND_...", backend);
    }
}
