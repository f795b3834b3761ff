/*
 * array.c - sizes of arrays, checked.
 */
#include "array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t array_type_size(int type)
{
    switch (type) {
    case DUALPROP_U8: return 1;
    case DUALPROP_F64: return 8;
    default: return 4;
    }
}

int array_count(uint64_t *count, const int64_t *shape, int rank, size_t type_size)
{
    int64_t elements = 1, bytes;

    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(elements, shape[i], &elements)) return 0;
    }
    if (__builtin_mul_overflow(elements, (int64_t)type_size, &bytes)) return 0;
    *count = (uint64_t)elements;
    return 1;
}

void array_release(array *self, host *owner)
{
    host_release(owner, self->data, self->count, array_type_size(self->type));
    memset(self, 0, sizeof *self);
}

void array_describe_shape(char *text, size_t size, const int64_t *shape, int rank)
{
    size_t used = (size_t)snprintf(text, size, "(");

    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%" PRId64 : ", %" PRId64, shape[i]);
    if (used < size) snprintf(text + used, size - used, rank == 1 ? ",)" : ")");
}
