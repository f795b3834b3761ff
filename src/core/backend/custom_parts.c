/*
 * custom_parts.c - activations of the caller's, registered with a context by name.
 *
 * A list that only grows: who reads it needs no lock, and a layer keeps a pointer to its entry. Numbers are never used
 * twice in a process, so that one context's is refused by another, where it would be some other function.
 */
#include <string.h>

#include "backend_internal.h"

/* Above every built-in choice. */
#define FIRST_CUSTOM_NUMBER 1000

static atomic_int custom_numbers = FIRST_CUSTOM_NUMBER;

/* ---- finding ---- */

const struct dualprop__activation *dualprop__custom_activation(const dualprop_context *context, int number)
{
    const struct dualprop__activation *entry = atomic_load(&context->activations);
    while (entry && entry->number != number) entry = entry->next;
    return entry;
}

static const struct dualprop__activation *activation_of_name(const dualprop_context *context, const char *name)
{
    const struct dualprop__activation *entry = atomic_load(&context->activations);
    while (entry && !dualprop__same_name(entry->name, name)) entry = entry->next;
    return entry;
}

/* The number of the built-in activation of this name, or -1. */
static int builtin_activation(const char *name)
{
    for (int activation = DUALPROP_IDENTITY; activation <= DUALPROP_SOFTMAX; activation++)
        if (dualprop__same_name(dualprop_name(DUALPROP_NAMES_ACTIVATION, activation), name)) return activation;
    return -1;
}

dualprop_status dualprop_activation_find(int *activation, const dualprop_context *context, const char *name)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, activation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "activation is NULL; expected a place for the result");
    DUALPROP__REQUIRE(context, name, DUALPROP_ERROR_INVALID_ARGUMENT, "name is NULL; expected a name");
    int builtin = builtin_activation(name);
    const struct dualprop__activation *entry = builtin < 0 ? activation_of_name(context, name) : NULL;
    DUALPROP__REQUIRE(context, builtin >= 0 || entry, DUALPROP_ERROR_UNSUPPORTED,
                      "the activation '%.64s' is not built in and not registered with this context; "
                      "dualprop_activation_register() registers one",
                      name);
    *activation = entry ? entry->number : builtin;
    return DUALPROP_OK;
}

const char *dualprop_activation_name(const dualprop_context *context, int activation)
{
    if (dualprop__check_handle(context, DUALPROP__CONTEXT, "context", __func__) != DUALPROP_OK) return NULL;
    const struct dualprop__activation *entry = dualprop__custom_activation(context, activation);
    return entry ? entry->name : dualprop_name(DUALPROP_NAMES_ACTIVATION, activation);
}

/* ---- registering ---- */

static dualprop_status check_custom_name(const dualprop_context *context, const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    DUALPROP__REQUIRE(context, name, DUALPROP_ERROR_INVALID_ARGUMENT, "name is NULL; expected a name");
    size_t length = strspn(name, allowed);
    DUALPROP__REQUIRE(context, length > 0 && length <= DUALPROP_MAX_CUSTOM_NAME && name[length] == '\0',
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is '%.64s'; expected 1..%d letters, digits, '-', '_' or '.'", name,
                      DUALPROP_MAX_CUSTOM_NAME);
    return DUALPROP_OK;
}

/* Take the next number; 0 if there is none left. */
static int next_custom_number(void)
{
    int number = atomic_load(&custom_numbers);
    while (number < INT32_MAX && !atomic_compare_exchange_weak(&custom_numbers, &number, number + 1)) continue;
    return number < INT32_MAX ? number : 0;
}

/* Put an entry on the list, unless another thread has registered its name. */
static dualprop_status append_activation(dualprop_context *context, struct dualprop__activation *entry)
{
    DUALPROP__REQUIRE(context, dualprop__context_lock(context), DUALPROP_ERROR_FORKED,
                      "the context was in use when this process was forked off; nothing can be registered here");
    int is_new = !activation_of_name(context, entry->name);
    if (is_new) {
        entry->next = atomic_load(&context->activations);
        atomic_store(&context->activations, entry);
    }
    pthread_mutex_unlock(&context->lock);
    DUALPROP__REQUIRE(context, is_new, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is '%s', which is registered already; expected another one", entry->name);
    return DUALPROP_OK;
}

static dualprop_status check_activation_functions(const dualprop_context *context, dualprop_activation_function value,
                                                  dualprop_activation_function slope)
{
    DUALPROP__REQUIRE(context, value, DUALPROP_ERROR_INVALID_ARGUMENT, "value is NULL; expected a function");
    DUALPROP__REQUIRE(context, slope, DUALPROP_ERROR_INVALID_ARGUMENT, "slope is NULL; expected a function");
    DUALPROP__REQUIRE(context, dualprop__is_on_host(context), DUALPROP_ERROR_UNSUPPORTED,
                      "the backend %.64s computes on a device, which cannot call a function of the caller's; expected "
                      "a context on the CPU",
                      context->backend.name);
    return DUALPROP_OK;
}

dualprop_status dualprop_activation_register(int *activation, dualprop_context *context, const char *name,
                                             dualprop_activation_function value, dualprop_activation_function slope,
                                             dualprop_activation_difference difference, void *user_data)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, activation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "activation is NULL; expected a place for the result");
    DUALPROP__TRY(check_custom_name(context, name));
    DUALPROP__REQUIRE(context, builtin_activation(name) < 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is '%s', a built-in activation; expected another one", name);
    DUALPROP__TRY(check_activation_functions(context, value, slope));
    struct dualprop__activation *entry = dualprop__allocate(context, sizeof *entry);
    if (!entry) return DUALPROP_ERROR_NO_MEMORY;
    entry->value = value;
    entry->slope = slope;
    entry->difference = difference;
    entry->user_data = user_data;
    memcpy(entry->name, name, strlen(name));
    entry->number = next_custom_number();
    dualprop_status status =
        entry->number ? append_activation(context, entry)
                      : dualprop__fail(context, DUALPROP_ERROR_RANGE, "no number is left for another activation");
    if (status == DUALPROP_OK) *activation = entry->number;
    else dualprop__release(context, entry);
    return status;
}

void dualprop__custom_parts_destroy(dualprop_context *context)
{
    struct dualprop__activation *entry = atomic_load(&context->activations);
    while (entry) {
        struct dualprop__activation *next = entry->next;
        dualprop__release(context, entry);
        entry = next;
    }
}
