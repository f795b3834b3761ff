/*
 * posix_stale.c - temporary files that savers left beside a file when they were killed.
 *
 * A saver holds a lock (flock) on its temporary file from the moment it has made it until it closes it, and the kernel
 * lets go of it when the process dies, on whatever machine that was. So a file is stale that has the name of a
 * temporary file, that is not locked, and that has not been written to for a while: between making and locking, and
 * between closing and renaming, a living one is unlocked too, but then it is young.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

#define STALE_SECONDS 60
#define RANDOM_DIGITS 16

/* NAME.PROCESS-NUMBER.tmp, as file.c makes it of NAME; NUMBER has 16 hexadecimal digits. */
static int is_temporary_of(const char *name, size_t length, const char *entry)
{
    if (strncmp(entry, name, length) != 0 || entry[length] != '.') return 0;
    const char *process = entry + length + 1, *number = process + strspn(process, "0123456789");
    if (number == process || *number++ != '-') return 0;
    return strspn(number, "0123456789abcdef") == RANDOM_DIGITS && strcmp(number + RANDOM_DIGITS, ".tmp") == 0;
}

static int is_stale(int file)
{
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return 0;
    return time(NULL) - about.st_mtime > STALE_SECONDS && flock(file, LOCK_EX | LOCK_NB) == 0;
}

static void remove_if_stale(int folder, const char *entry)
{
    int file = openat(folder, entry, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return;
    if (is_stale(file)) unlinkat(folder, entry, 0);
    close(file);
}

/* As the kernel gives it; what the C libraries call it differs. */
struct folder_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* readdir() would allocate, and not from the context's allocator. Apart from the caller, whose frame is large. */
__attribute__((noinline)) static int64_t visit(int folder, const char *name, size_t length)
{
    alignas(struct folder_entry) char buffer[1024];
    long bytes;
    while ((bytes = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < bytes;) {
            const struct folder_entry *entry = (const struct folder_entry *)(const void *)(buffer + at);
            if (is_temporary_of(name, length, entry->name)) remove_if_stale(folder, entry->name);
            at += entry->size;
        }
    }
    return bytes < 0 ? -(int64_t)errno : 0;
}

int64_t dualprop__posix_remove_stale(void *user_data, const char *path)
{
    (void)user_data;
    char folder[DUALPROP__FOLDER_SIZE];
    if (!dualprop__folder_of(folder, sizeof folder, path)) return -ENAMETOOLONG;
    int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY);
    if (opened < 0) return -(int64_t)errno;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int64_t visited = visit(opened, name, dualprop__temporary_stem(path) - (size_t)(name - path));
    close(opened);
    return visited;
}
