/*
 * status.c - the names and general messages of statuses, made from the list in dualprop/status.h.
 */
#include "dualprop/status.h"

#include <stddef.h>

static const struct {
    int value;
    const char *name, *message;
} statuses[] = {
#define STATUS_ENTRY(name, value, message) { value, "DUALPROP_" #name, message },
    DUALPROP_STATUS_LIST(STATUS_ENTRY)
#undef STATUS_ENTRY
};

static const size_t status_count = sizeof statuses / sizeof statuses[0];

const char *dualprop_status_name(dualprop_status status)
{
    for (size_t i = 0; i < status_count; i++)
        if (statuses[i].value == status) return statuses[i].name;
    return "unknown status";
}

const char *dualprop_status_message(dualprop_status status)
{
    for (size_t i = 0; i < status_count; i++)
        if (statuses[i].value == status) return statuses[i].message;
    return "unknown status";
}
