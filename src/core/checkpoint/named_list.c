/*
 * named_list.c - see named_list.h. Names are compared byte by byte.
 */
#include "named_list.h"

#include <string.h>

static const char *name_of(const void *item)
{
    return *(const char *const *)item;
}

static int compare_items(const void *left, const void *right)
{
    return strcmp(name_of(left), name_of(right));
}

/* Let the item at `root` sink to where both below it are less. */
static void sink(void **items, size_t root, size_t count, int (*compare)(const void *left, const void *right))
{
    void *item = items[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(items[child], items[child + 1]) < 0) child++;
        if (compare(item, items[child]) >= 0) break;
        items[root] = items[child];
    }
    items[root] = item;
}

void dualprop__sort(void **items, size_t count, int (*compare)(const void *left, const void *right))
{
    for (size_t i = count / 2; i-- > 0;) sink(items, i, count, compare);
    for (size_t end = count; end > 1;) {
        void *greatest = items[0];
        items[0] = items[--end];
        items[end] = greatest;
        sink(items, 0, end, compare);
    }
}

dualprop_status dualprop__named_list_reserve(dualprop__named_list *list, dualprop_context *context, size_t more)
{
    size_t needed, capacity;
    if (more <= list->capacity - list->count) return DUALPROP_OK;
    DUALPROP__REQUIRE(context, DUALPROP__ADD(&needed, list->count, more) && DUALPROP__MULTIPLY(&capacity, needed, 2),
                      DUALPROP_ERROR_RANGE, "the number of names overflows");
    if (list->capacity == 0) capacity = needed; /* of a list that was read: it will hardly grow */
    void **items = dualprop__allocate_array(context, capacity, sizeof *items);
    if (!items) return DUALPROP_ERROR_NO_MEMORY;
    if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
    dualprop__release(context, list->items);
    list->items = items;
    list->capacity = capacity;
    return DUALPROP_OK;
}

/* The position of the name, or the one where it belongs. */
static size_t locate(int *found, const dualprop__named_list *list, const char *name)
{
    size_t low = 0, high = list->count;
    *found = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name_of(list->items[middle]), name);
        if (order == 0) *found = 1;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

void *dualprop__named_list_find(const dualprop__named_list *list, const char *name)
{
    int found;
    size_t position = locate(&found, list, name);
    return found ? list->items[position] : NULL;
}

void *dualprop__named_list_put(dualprop__named_list *list, void *item)
{
    int found;
    size_t position = locate(&found, list, name_of(item));
    void **place = list->items + position;
    void *replaced = found ? *place : NULL;
    if (!found) memmove(place + 1, place, (list->count++ - position) * sizeof *place);
    *place = item;
    return replaced;
}

void *dualprop__named_list_remove(dualprop__named_list *list, const char *name)
{
    int found;
    size_t position = locate(&found, list, name);
    if (!found) return NULL;
    void **place = list->items + position, *item = *place;
    memmove(place, place + 1, (--list->count - position) * sizeof *place);
    return item;
}

void dualprop__named_list_append(dualprop__named_list *list, void *item)
{
    list->items[list->count++] = item;
}

void dualprop__named_list_sort(dualprop__named_list *list)
{
    dualprop__sort(list->items, list->count, compare_items);
}

const char *dualprop__named_list_twice(const dualprop__named_list *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (compare_items(list->items[i - 1], list->items[i]) == 0) return name_of(list->items[i]);
    return NULL;
}
