/*
 * named_list.h - a list of named items in ascending order of their names.
 *
 * The first member of every item is its name, `const char *`. The list holds pointers; the items are the caller's.
 */
#ifndef DUALPROP_CORE_NAMED_LIST_H
#define DUALPROP_CORE_NAMED_LIST_H

#include "core/base/base.h"

typedef struct dualprop__named_list {
    void **items;
    size_t count, capacity;
} dualprop__named_list;

/* Make room for `more` items. */
dualprop_status dualprop__named_list_reserve(dualprop__named_list *list, dualprop_context *context, size_t more);
/* Find the item of that name, or NULL. */
void *dualprop__named_list_find(const dualprop__named_list *list, const char *name);
/* Put an item in where room was made before; returns the item of the same name that it replaces, or NULL. */
void *dualprop__named_list_put(dualprop__named_list *list, void *item);
/* Remove the item and return it, or NULL. */
void *dualprop__named_list_remove(dualprop__named_list *list, const char *name);
/* Add at the end, out of order, where room was made before; sort afterwards. */
void dualprop__named_list_append(dualprop__named_list *list, void *item);
void dualprop__named_list_sort(dualprop__named_list *list);
/* A name that occurs twice in a list that is sorted, or NULL. */
const char *dualprop__named_list_twice(const dualprop__named_list *list);
/* Sort pointers; `compare` gets what they point to. The C library's qsort() may allocate, and not from the context's
 * allocator. */
void dualprop__sort(void **items, size_t count, int (*compare)(const void *left, const void *right));

#endif
