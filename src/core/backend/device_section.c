/*
 * device_section.c - a section of slots that a device may defer; on the CPU there is nothing to do.
 */
#include "backend_internal.h"

dualprop_status dualprop__section_begin(const dualprop_context *context)
{
    return context->backend.begin_deferred ? context->backend.begin_deferred(context->instance) : DUALPROP_OK;
}

dualprop_status dualprop__section_end(const dualprop_context *context, dualprop_status status)
{
    if (!context->backend.end_deferred) return status;
    dualprop_status ended = context->backend.end_deferred(context->instance, status != DUALPROP_OK);
    return status == DUALPROP_OK ? ended : status;
}

dualprop_status dualprop__section_submit(const dualprop_context *context, void **section)
{
    return context->backend.submit_deferred(context->instance, section);
}

dualprop_status dualprop__section_collect(const dualprop_context *context, void *section)
{
    return context->backend.collect_deferred(context->instance, section);
}
