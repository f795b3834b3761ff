/*
 * custom_parts.c - activations and linear maps of the caller's, registered with a context by name.
 *
 * Lists that only grow: who reads one needs no lock, and a layer keeps a pointer to its entry. Numbers are never used
 * twice in a process, so that one context's is refused by another, where it would be something else.
 */
#include <string.h>

#include "backend_internal.h"

/* Above every built-in choice. */
#define FIRST_CUSTOM_NUMBER 1000

static atomic_int custom_numbers = FIRST_CUSTOM_NUMBER;

typedef _Atomic(struct dualprop__custom_part *) custom_list;

/* ---- finding ---- */

static const struct dualprop__custom_part *part_of_number(const custom_list *list, int number)
{
    const struct dualprop__custom_part *part = atomic_load(list);
    while (part && part->number != number) part = part->next;
    return part;
}

static const struct dualprop__custom_part *part_of_name(const custom_list *list, const char *name)
{
    const struct dualprop__custom_part *part = atomic_load(list);
    while (part && !dualprop__same_name(part->name, name)) part = part->next;
    return part;
}

/* A part is the first member of what it belongs to. */
const struct dualprop__activation *dualprop__custom_activation(const dualprop_context *context, int number)
{
    return (const struct dualprop__activation *)part_of_number(&context->activations, number);
}

const struct dualprop__custom_map *dualprop__custom_map(const dualprop_context *context, int number)
{
    return (const struct dualprop__custom_map *)part_of_number(&context->maps, number);
}

const struct dualprop__custom_map *dualprop__custom_map_named(const dualprop_context *context, const char *name)
{
    return (const struct dualprop__custom_map *)part_of_name(&context->maps, name);
}

dualprop_status dualprop_activation_find(int *activation, const dualprop_context *context, const char *name)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, activation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "activation is NULL; expected a place for the result");
    DUALPROP__REQUIRE(context, name, DUALPROP_ERROR_INVALID_ARGUMENT, "name is NULL; expected a name");
    if (dualprop__find_name(activation, DUALPROP_NAMES_ACTIVATION, name)) return DUALPROP_OK;
    const struct dualprop__custom_part *part = part_of_name(&context->activations, name);
    DUALPROP__REQUIRE(context, part, DUALPROP_ERROR_UNSUPPORTED,
                      "the activation '%.64s' is not built in and not registered with this context; "
                      "dualprop_activation_register() registers one",
                      name);
    *activation = part->number;
    return DUALPROP_OK;
}

const char *dualprop_activation_name(const dualprop_context *context, int activation)
{
    if (dualprop__check_handle(context, DUALPROP__CONTEXT, "context", __func__) != DUALPROP_OK) return NULL;
    const struct dualprop__custom_part *part = part_of_number(&context->activations, activation);
    return part ? part->name : dualprop_name(DUALPROP_NAMES_ACTIVATION, activation);
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

static dualprop_status check_on_host(const dualprop_context *context)
{
    DUALPROP__REQUIRE(context, dualprop__is_on_host(context), DUALPROP_ERROR_UNSUPPORTED,
                      "the backend %.64s computes on a device, which cannot call a function of the caller's; expected "
                      "a context on the CPU",
                      context->backend.name);
    return DUALPROP_OK;
}

/* Take the next number; 0 if there is none left. */
static int next_custom_number(void)
{
    int number = atomic_load(&custom_numbers);
    while (number < INT32_MAX && !atomic_compare_exchange_weak(&custom_numbers, &number, number + 1)) continue;
    return number < INT32_MAX ? number : 0;
}

/* Give a part its name and number, and put it on a list, unless another thread has registered its name. */
static dualprop_status append_part(dualprop_context *context, custom_list *list, struct dualprop__custom_part *part,
                                   const char *name)
{
    memcpy(part->name, name, strlen(name));
    part->number = next_custom_number();
    DUALPROP__REQUIRE(context, part->number, DUALPROP_ERROR_RANGE, "no number is left for '%s'", name);
    DUALPROP__REQUIRE(context, dualprop__context_lock(context), DUALPROP_ERROR_FORKED,
                      "the context was in use when this process was forked off; nothing can be registered here");
    int is_new = !part_of_name(list, name);
    if (is_new) {
        part->next = atomic_load(list);
        atomic_store(list, part);
    }
    pthread_mutex_unlock(&context->lock);
    DUALPROP__REQUIRE(context, is_new, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is '%s', which is registered already; expected another one", name);
    return DUALPROP_OK;
}

/* `part` is the first member of what was allocated, which the list has now, or which is released. */
static dualprop_status finish_registration(int *number, dualprop_context *context, custom_list *list,
                                           struct dualprop__custom_part *part, const char *name)
{
    dualprop_status status = append_part(context, list, part, name);
    if (status == DUALPROP_OK) *number = part->number;
    else dualprop__release(context, part);
    return status;
}

dualprop_status dualprop_activation_register(int *activation, dualprop_context *context, const char *name,
                                             dualprop_activation_function value, dualprop_activation_function slope,
                                             dualprop_activation_difference difference, void *user_data)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, activation, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "activation is NULL; expected a place for the result");
    int builtin;
    DUALPROP__TRY(check_custom_name(context, name));
    DUALPROP__REQUIRE(context, !dualprop__find_name(&builtin, DUALPROP_NAMES_ACTIVATION, name),
                      DUALPROP_ERROR_INVALID_ARGUMENT, "name is '%s', a built-in activation; expected another one",
                      name);
    DUALPROP__REQUIRE(context, value, DUALPROP_ERROR_INVALID_ARGUMENT, "value is NULL; expected a function");
    DUALPROP__REQUIRE(context, slope, DUALPROP_ERROR_INVALID_ARGUMENT, "slope is NULL; expected a function");
    DUALPROP__TRY(check_on_host(context));
    struct dualprop__activation *made = dualprop__allocate(context, sizeof *made);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    made->value = value;
    made->slope = slope;
    made->difference = difference;
    made->user_data = user_data;
    return finish_registration(activation, context, &context->activations, &made->part, name);
}

dualprop_status dualprop_map_register(int *map, dualprop_context *context, const char *name,
                                      dualprop_map_product forward, dualprop_map_product transposed,
                                      dualprop_map_gradient gradient, void *user_data)
{
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, map, DUALPROP_ERROR_INVALID_ARGUMENT, "map is NULL; expected a place for the result");
    int builtin;
    DUALPROP__TRY(check_custom_name(context, name));
    DUALPROP__REQUIRE(context,
                      !dualprop__find_name(&builtin, DUALPROP_NAMES_LAYER, name) &&
                          !dualprop__find_name(&builtin, DUALPROP_NAMES_ACTIVATION, name),
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is '%s', a built-in layer's or activation's; expected another one", name);
    DUALPROP__REQUIRE(context, forward, DUALPROP_ERROR_INVALID_ARGUMENT, "forward is NULL; expected a function");
    DUALPROP__REQUIRE(context, transposed, DUALPROP_ERROR_INVALID_ARGUMENT, "transposed is NULL; expected a function");
    DUALPROP__REQUIRE(context, gradient, DUALPROP_ERROR_INVALID_ARGUMENT, "gradient is NULL; expected a function");
    DUALPROP__TRY(check_on_host(context));
    struct dualprop__custom_map *made = dualprop__allocate(context, sizeof *made);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    made->forward = forward;
    made->transposed = transposed;
    made->gradient = gradient;
    made->user_data = user_data;
    return finish_registration(map, context, &context->maps, &made->part, name);
}

static void destroy_parts(dualprop_context *context, custom_list *list)
{
    struct dualprop__custom_part *part = atomic_load(list);
    while (part) {
        struct dualprop__custom_part *next = part->next;
        dualprop__release(context, part);
        part = next;
    }
}

void dualprop__custom_parts_destroy(dualprop_context *context)
{
    destroy_parts(context, &context->activations);
    destroy_parts(context, &context->maps);
}
