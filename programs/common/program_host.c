/*
 * program_host.c - the default host of the readers: malloc, and POSIX files that must be regular.
 */
#include "program_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *allocate(void *user_data, size_t size, size_t alignment)
{
    void *pointer = NULL;

    (void)user_data;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    return posix_memalign(&pointer, alignment, size) == 0 ? pointer : NULL;
}

static void release(void *user_data, void *pointer, size_t size)
{
    (void)user_data, (void)size;
    free(pointer);
}

/* What kind of thing lies at a path that is no regular file: said in the error. */
static int64_t refuse_irregular(int file)
{
    struct stat status;

    if (fstat(file, &status) != 0) return -errno;
    if (S_ISREG(status.st_mode)) return 0;
    return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
}

/* O_NONBLOCK keeps the open of a FIFO from waiting for a writer; on regular files it means nothing. */
static int64_t open_regular(void *user_data, const char *path, int writable)
{
    (void)user_data;
    if (writable) return -EROFS;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return -errno;
    int64_t failure = refuse_irregular(file);
    if (failure == 0) return file;
    close(file);
    return failure;
}

static int64_t file_size(void *user_data, int64_t file)
{
    struct stat status;

    (void)user_data;
    return fstat((int)file, &status) == 0 ? (int64_t)status.st_size : -errno;
}

static int64_t file_read(void *user_data, int64_t file, void *buffer, size_t size)
{
    (void)user_data;
    ssize_t count = read((int)file, buffer, size);
    return count >= 0 ? count : -errno;
}

static int64_t file_close(void *user_data, int64_t file)
{
    (void)user_data;
    return close((int)file) == 0 ? 0 : -errno;
}

void host_init(host *self, const char *program)
{
    memset(self, 0, sizeof *self);
    self->program = program;
    self->size = 1;
    self->allocator = (dualprop_allocator){ sizeof(dualprop_allocator), allocate, release, NULL };
    self->io.struct_size = sizeof(dualprop_io);
    self->io.open = open_regular;
    self->io.size = file_size;
    self->io.read = file_read;
    self->io.close = file_close;
}

void host_note_read(host *self, const char *path)
{
    struct stat about;

    if (host_has_read(self, path) || self->read_count == MOST_READ_FILES || stat(path, &about) != 0) return;
    self->read_files[self->read_count++] = (struct read_file){ (uint64_t)about.st_dev, (uint64_t)about.st_ino };
}

int host_has_read(const host *self, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0) return 0;
    for (int i = 0; i < self->read_count; i++)
        if (self->read_files[i].device == (uint64_t)about.st_dev && self->read_files[i].inode == (uint64_t)about.st_ino)
            return 1;
    return 0;
}

void *host_allocate(host *self, uint64_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    if (bytes == 0) bytes = 1;
    void *pointer = self->allocator.allocate(self->allocator.user_data, bytes, 64);
    if (pointer != NULL) memset(pointer, 0, bytes);
    return pointer;
}

void host_release(host *self, void *pointer, uint64_t count, size_t size)
{
    size_t bytes = (size_t)count * size;

    if (pointer != NULL) self->allocator.release(self->allocator.user_data, pointer, bytes == 0 ? 1 : bytes);
}

static void make_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
    }
}

dualprop_status host_fail(host *self, dualprop_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(self->message, sizeof self->message, format, arguments);
    va_end(arguments);
    make_one_line(self->message);
    return status;
}

dualprop_status host_no_memory(host *self, const char *what)
{
    return host_fail(self, DUALPROP_ERROR_NO_MEMORY, "out of memory for %s", what);
}

dualprop_status host_library(host *self, dualprop_status status)
{
    if (dualprop_last_error(self->message, sizeof self->message, NULL, NULL) != DUALPROP_OK || self->message[0] == '\0')
        snprintf(self->message, sizeof self->message, "%s", dualprop_status_message(status));
    make_one_line(self->message);
    if (status == DUALPROP_ERROR_TRANSPORT) self->lost = 1;
    return status;
}
