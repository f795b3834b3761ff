/*
 * posix_io.c - the default I/O table: POSIX files, with what they do to a host kept away from it.
 *
 * Opening never waits (for the other end of a pipe, say) and takes regular files only. Descriptors 0 to 2 are left
 * alone even where the host has closed them. A write beyond the process's file size limit is an error and no signal. A
 * new file is locked (flock) as long as it is open, which distinguishes it from what a dead saver has left.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

#define MOST_BYTES ((size_t)1 << 30) /* in one call */
#define FIRST_DESCRIPTOR 3

static int64_t result(int64_t value)
{
    return value < 0 ? -(int64_t)errno : value;
}

static int64_t close_on_error(int file, int error)
{
    close(file);
    return -(int64_t)error;
}

/* Standard input, output and error are never ours. */
static int64_t move_up(int file)
{
    if (file >= FIRST_DESCRIPTOR) return file;
    int moved = fcntl(file, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (moved < 0) return close_on_error(file, errno);
    close(file);
    return moved;
}

static int64_t require_regular(int file)
{
    struct stat about;
    if (fstat(file, &about) != 0) return close_on_error(file, errno);
    if (S_ISDIR(about.st_mode)) return close_on_error(file, EISDIR);
    if (!S_ISREG(about.st_mode)) return close_on_error(file, ENOTSUP);
    return file;
}

static int64_t open_file(void *user_data, const char *path, int writable)
{
    (void)user_data;
    int flags = O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    int file = writable ? open(path, flags | O_WRONLY | O_CREAT | O_EXCL, 0666) : open(path, flags | O_RDONLY);
    if (file < 0) return -(int64_t)errno;
    int64_t moved = move_up(file);
    if (moved < 0) return moved;
    if (writable) flock((int)moved, LOCK_EX | LOCK_NB); /* a file system without locks does without */
    return require_regular((int)moved);
}

static int64_t file_size(void *user_data, int64_t file)
{
    (void)user_data;
    struct stat about;
    return fstat((int)file, &about) == 0 ? (int64_t)about.st_size : -(int64_t)errno;
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    (void)user_data;
    return result(read((int)file, buffer, size < MOST_BYTES ? size : MOST_BYTES));
}

/* Take back the signal that a write has raised, unless one was there before. */
static void drain(const sigset_t *signal, const sigset_t *pending)
{
    static const struct timespec no_time;
    if (!sigismember(pending, SIGXFSZ)) sigtimedwait(signal, NULL, &no_time);
}

static int64_t write_file(void *user_data, int64_t file, const void *buffer, size_t size)
{
    (void)user_data;
    sigset_t limit, before, pending;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    sigpending(&pending);
    int64_t written = result(write((int)file, buffer, size < MOST_BYTES ? size : MOST_BYTES));
    if (written == -EFBIG) drain(&limit, &pending);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

static int64_t sync_file(void *user_data, int64_t file)
{
    (void)user_data;
    return result(fsync((int)file));
}

static int64_t close_file(void *user_data, int64_t file)
{
    (void)user_data;
    return result(close((int)file));
}

static int64_t rename_file(void *user_data, const char *from, const char *to)
{
    (void)user_data;
    return result(rename(from, to));
}

static int64_t remove_file(void *user_data, const char *path)
{
    (void)user_data;
    return result(unlink(path));
}

int dualprop__folder_of(char *folder, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 1;
    if (slash == path) length = 1; /* "/" itself */
    if (length >= size) return 0;
    memcpy(folder, slash ? path : ".", length);
    folder[length] = '\0';
    return 1;
}

/* Some file systems cannot sync a folder and say EINVAL; theirs is the order of renames already. */
static int64_t sync_folder(void *user_data, const char *path)
{
    (void)user_data;
    char folder[DUALPROP__FOLDER_SIZE];
    if (!dualprop__folder_of(folder, sizeof folder, path)) return -ENAMETOOLONG;
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return -(int64_t)errno;
    int64_t moved = move_up(file);
    if (moved < 0) return moved;
    int64_t synced = result(fsync((int)moved));
    close((int)moved);
    return synced == -EINVAL ? 0 : synced;
}

const dualprop_io dualprop__posix_io = {
    .struct_size = sizeof(dualprop_io),
    .open = open_file,
    .size = file_size,
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .close = close_file,
    .rename = rename_file,
    .remove = remove_file,
    .sync_folder = sync_folder,
    .remove_stale = dualprop__posix_remove_stale,
};
