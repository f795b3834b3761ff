/*
 * array.h - an array that a reader has made: elements in row-major order, owned by the caller.
 */
#ifndef PROGRAMS_ARRAY_H
#define PROGRAMS_ARRAY_H

#include "program_host.h"

typedef struct array {
    int type; /* DUALPROP_U8, _I32, _F32 or _F64 */
    int rank;
    int64_t shape[DUALPROP_MAX_RANK];
    uint64_t count; /* elements */
    void *data;
} array;

size_t array_type_size(int type);
/* Multiply the extents into *count; 0 if one is negative or the bytes overflow int64_t. */
int array_count(uint64_t *count, const int64_t *shape, int rank, size_t type_size);
/* Give the memory back; fine for one that is all zero. */
void array_release(array *self, host *owner);
/* Write the shape as "(60000, 28, 28)". */
void array_describe_shape(char *text, size_t size, const int64_t *shape, int rank);

#endif
