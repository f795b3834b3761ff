/*
 * fuzz_images.c - hands arbitrary bytes to the readers of image files: IDX, .npy, CIFAR, archives of ImageNet32; raw or
 * gzip. The first byte says what the rest is taken for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/dataset.h"
#include "common/idx.h"
#include "common/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The one file there is. */
typedef struct input {
    const uint8_t *data;
    size_t size, place;
} input;

static int64_t open_file(void *user_data, const char *path, int writable)
{
    (void)path, (void)writable;
    ((input *)user_data)->place = 0;
    return 0;
}

static int64_t file_size(void *user_data, int64_t file)
{
    (void)file;
    return (int64_t)((input *)user_data)->size;
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    input *from = user_data;
    size_t left = from->size - from->place, count = size < left ? size : left;

    (void)file;
    memcpy(buffer, from->data + from->place, count);
    from->place += count;
    return (int64_t)count;
}

static int64_t close_file(void *user_data, int64_t file)
{
    (void)user_data, (void)file;
    return 0;
}

static dualprop_status read_as(array *out, host *owner, int what)
{
    if (what == 6) return npy_read_labels(out, owner, "input");
    if (what == 7) return idx_read(out, owner, "input", 1);
    return images_open(out, owner, what, "input");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    host owner;
    array images;
    uint64_t sum = 0;

    if (size == 0) return 0;
    input from = { data + 1, size - 1, 0 };
    host_init(&owner, "fuzz");
    owner.io = (dualprop_io){ .struct_size = sizeof(dualprop_io),
                              .open = open_file,
                              .size = file_size,
                              .read = read_file,
                              .close = close_file,
                              .user_data = &from };
    if (read_as(&images, &owner, data[0] % 8) != DUALPROP_OK) return 0;
    /* All that was announced is there to be read. */
    for (uint64_t i = 0; i < images.count * array_type_size(images.type); i++) sum += ((const uint8_t *)images.data)[i];
    if (sum == UINT64_MAX) abort();
    array_release(&images, &owner);
    return 0;
}
