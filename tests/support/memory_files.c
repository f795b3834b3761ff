/*
 * memory_files.c - the part of a dualprop_io that readers use.
 */
#include "memory_files.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static int64_t open_file(void *user_data, const char *path, int writable)
{
    memory_files *self = user_data;

    if (writable) return -EROFS;
    for (int i = 0; i < MEMORY_FILES; i++) {
        if (self->file[i].path[0] == '\0' || strcmp(self->file[i].path, path) != 0) continue;
        self->file[i].place = 0;
        self->open_files++;
        return i;
    }
    return -ENOENT;
}

static int64_t file_size(void *user_data, int64_t file)
{
    return (int64_t)((memory_files *)user_data)->file[file].size;
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    memory_file *from = &((memory_files *)user_data)->file[file];
    size_t left = from->size - from->place, count = size < left ? size : left;

    memcpy(buffer, from->bytes + from->place, count);
    from->place += count;
    return (int64_t)count;
}

static int64_t close_file(void *user_data, int64_t file)
{
    (void)file;
    ((memory_files *)user_data)->open_files--;
    return 0;
}

void memory_files_init(memory_files *self)
{
    memset(self, 0, sizeof *self);
    host_init(&self->host, "test");
    self->host.allocator = failing_allocator_table(&self->memory);
    self->host.io = (dualprop_io){ .struct_size = sizeof(dualprop_io),
                                   .open = open_file,
                                   .size = file_size,
                                   .read = read_file,
                                   .close = close_file,
                                   .user_data = self };
}

void memory_files_put(memory_files *self, const char *path, const void *bytes, size_t size)
{
    int i = 0;

    while (i < MEMORY_FILES && self->file[i].path[0] != '\0' && strcmp(self->file[i].path, path) != 0) i++;
    ck_assert_int_lt(i, MEMORY_FILES);
    ck_assert_uint_lt(strlen(path), sizeof self->file[i].path);
    strcpy(self->file[i].path, path);
    self->file[i].bytes = bytes;
    self->file[i].size = size;
}

void memory_files_expect_idle(const memory_files *self)
{
    ck_assert_int_eq(self->open_files, 0);
    ck_assert_int_eq(self->memory.live_blocks, 0);
    ck_assert_int_eq(self->memory.misuse, 0);
}
