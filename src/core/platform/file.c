/*
 * file.c - whole files, read and replaced through the I/O table of a context.
 *
 * Replacing a file: a temporary file of a new name beside it, written, synced and closed; then the rename, which is
 * the one moment at which the new file takes the old one's place; then the folder is synced, so that the rename
 * itself outlives a power cut. Whatever fails before the rename leaves the old file and removes the temporary one. A
 * sync that failed is never tried again: the kernel has dropped what it could not write.
 *
 * After the rename nothing may fail any more, since then neither "it failed" nor "it is saved" would be true. So the
 * folder is synced before it too: a disk that does not take names says so while the old file is still there.
 *
 * A thread that is cancelled here (pthread_cancel) is cancelled afterwards, or it would leave descriptors and files.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "platform.h"

#define MOST_INTERRUPTIONS 1000 /* in a row; then something is wrong */
#define MOST_NAMES 16           /* tried for the temporary file */
#define SUFFIX_SIZE 48

/* ---- errors ---- */

/* The C library's texts depend on the locale and its functions on its maker: these do not. */
static const struct {
    int error;
    dualprop_status status; /* 0: as the step says */
    const char *text;
} errors[] = {
    { ENOENT, 0, "there is no such file or folder" },
    { EACCES, DUALPROP_ERROR_ACCESS, "permission denied" },
    { EPERM, DUALPROP_ERROR_ACCESS, "not permitted" },
    { EISDIR, DUALPROP_ERROR_ACCESS, "it is a folder" },
    { ENOTSUP, DUALPROP_ERROR_ACCESS, "it is a pipe, a device or the like" },
    { ENXIO, DUALPROP_ERROR_ACCESS, "it is a pipe, a device or the like" },
    { ENODEV, DUALPROP_ERROR_ACCESS, "it is a pipe, a device or the like" },
    { ENOTDIR, DUALPROP_ERROR_ACCESS, "a part of the path is no folder" },
    { ELOOP, DUALPROP_ERROR_ACCESS, "symbolic links lead in a circle" },
    { ENAMETOOLONG, DUALPROP_ERROR_ACCESS, "the name is too long" },
    { EROFS, DUALPROP_ERROR_ACCESS, "the file system is read-only" },
    { EMFILE, 0, "the process has too many open files" },
    { ENFILE, 0, "the system has too many open files" },
    { EEXIST, 0, "every name tried for the temporary file is in use" },
    { ENOMEM, DUALPROP_ERROR_NO_MEMORY, "out of memory" },
    { ENOSPC, DUALPROP_ERROR_NO_SPACE, "no space is left on the device" },
    { EDQUOT, DUALPROP_ERROR_NO_SPACE, "the user's quota is used up" },
    { EFBIG, DUALPROP_ERROR_FILE_TOO_BIG, "the file would exceed the process's file size limit" },
    { EINTR, 0, "interrupted again and again" },
    { EIO, DUALPROP_ERROR_IO, "input/output error" },
};

#define TO_READ "a regular file that can be read"
#define TO_WRITE "a place where a file can be written"

/* A step of work on a file failed; `otherwise` is the status where the error does not decide it. */
static dualprop_status fail_file(dualprop_context *context, dualprop_status otherwise, const char *path,
                                 const char *step, int64_t error, const char *expected)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].error != error) continue;
        return dualprop__fail(context, errors[i].status ? errors[i].status : otherwise,
                              "%.256s: %s failed: %s; expected %s", path, step, errors[i].text, expected);
    }
    return dualprop__fail(context, otherwise, "%.256s: %s failed: error %lld; expected %s", path, step,
                          (long long)error, expected);
}

static dualprop_status check_path(dualprop_context *context, const char *path)
{
    DUALPROP__REQUIRE(context, path, DUALPROP_ERROR_INVALID_ARGUMENT, "path is NULL, expected the name of a file");
    DUALPROP__REQUIRE(context, *path, DUALPROP_ERROR_INVALID_ARGUMENT, "path is empty, expected the name of a file");
    return DUALPROP_OK;
}

/* ---- single steps, repeated where a signal interrupted them ---- */

#define RETRY(result, call) \
    for (int tries_ = 0; tries_ < MOST_INTERRUPTIONS && ((result) = (call)) == -EINTR; tries_++) continue

static int64_t open_path(dualprop_context *context, const char *path, int writable)
{
    int64_t file = 0;
    RETRY(file, context->io.open(context->io.user_data, path, writable));
    return file;
}

static int64_t size_of_file(dualprop_context *context, int64_t file)
{
    int64_t size = 0;
    RETRY(size, context->io.size(context->io.user_data, file));
    return size;
}

/* An interrupted close has closed the file. */
static int64_t close_opened(dualprop_context *context, int64_t file)
{
    int64_t closed = context->io.close(context->io.user_data, file);
    return closed == -EINTR ? 0 : closed;
}

static int64_t sync_opened(dualprop_context *context, int64_t file)
{
    int64_t synced = 0;
    RETRY(synced, context->io.sync(context->io.user_data, file));
    return synced;
}

static int64_t rename_path(dualprop_context *context, const char *from, const char *to)
{
    int64_t renamed = 0;
    RETRY(renamed, context->io.rename(context->io.user_data, from, to));
    return renamed;
}

/* ---- reading ---- */

/* Read until size bytes are there or the file ends; returns how many there were. */
static int64_t read_up_to(dualprop_context *context, int64_t file, char *buffer, size_t size)
{
    size_t have = 0;
    for (int interruptions = 0; have < size;) {
        int64_t got = context->io.read(context->io.user_data, file, buffer + have, size - have);
        if (got == 0) break;
        if (got == -EINTR && ++interruptions < MOST_INTERRUPTIONS) continue;
        if (got < 0) return got;
        if ((uint64_t)got > size - have) return -EIO;
        have += (size_t)got;
        interruptions = 0;
    }
    return (int64_t)have;
}

/* The size was asked first; a file that ends before or goes on after it was changed meanwhile. */
static dualprop_status read_whole(dualprop_context *context, int64_t file, const char *path, char *data, size_t size)
{
    char more;
    int64_t have = read_up_to(context, file, data, size);
    if (have < 0) return fail_file(context, DUALPROP_ERROR_IO, path, "reading", -have, TO_READ);
    int64_t rest = (size_t)have == size ? read_up_to(context, file, &more, 1) : 0;
    if (rest < 0) return fail_file(context, DUALPROP_ERROR_IO, path, "reading", -rest, TO_READ);
    DUALPROP__REQUIRE(context, (size_t)have == size && rest == 0, DUALPROP_ERROR_IO,
                      "%.256s: its size changed while it was read, expected %zu bytes", path, size);
    return DUALPROP_OK;
}

static dualprop_status read_open(void **data, size_t *size, dualprop_context *context, int64_t file, const char *path,
                                 uint64_t limit)
{
    int64_t bytes = size_of_file(context, file);
    if (bytes < 0) return fail_file(context, DUALPROP_ERROR_IO, path, "asking for its size", -bytes, TO_READ);
    DUALPROP__REQUIRE(context, (uint64_t)bytes <= limit, DUALPROP_ERROR_LIMIT,
                      "%.256s: it has %lld bytes, expected at most %llu", path, (long long)bytes,
                      (unsigned long long)limit);
    void *read = dualprop__allocate(context, (size_t)bytes);
    if (!read) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = read_whole(context, file, path, read, (size_t)bytes);
    if (status != DUALPROP_OK) {
        dualprop__release(context, read);
        return status;
    }
    *data = read;
    *size = (size_t)bytes;
    return DUALPROP_OK;
}

static dualprop_status read_path(void **data, size_t *size, dualprop_context *context, const char *path, uint64_t limit)
{
    int64_t file = open_path(context, path, 0);
    if (file < 0) return fail_file(context, DUALPROP_ERROR_ACCESS, path, "opening", -file, TO_READ);
    dualprop_status status = read_open(data, size, context, file, path, limit);
    close_opened(context, file); /* nothing was written, so nothing can be lost */
    return status;
}

dualprop_status dualprop__file_read(void **data, size_t *size, dualprop_context *context, const char *path,
                                    uint64_t limit)
{
    DUALPROP__TRY(check_path(context, path));
    int shield = dualprop__shield_begin();
    dualprop_status status = read_path(data, size, context, path, limit);
    dualprop__shield_end(shield);
    return status;
}

/* ---- replacing ---- */

static int64_t write_bytes(dualprop_context *context, int64_t file, const char *data, size_t size)
{
    for (int fruitless = 0; size > 0;) {
        int64_t written = context->io.write(context->io.user_data, file, data, size);
        if ((written == 0 || written == -EINTR) && ++fruitless < MOST_INTERRUPTIONS) continue;
        if (written <= 0) return written < 0 ? written : -EIO;
        if ((uint64_t)written > size) return -EIO;
        data += written;
        size -= (size_t)written;
        fruitless = 0;
    }
    return 0;
}

static dualprop_status write_all_pieces(dualprop_context *context, int64_t file, const char *path,
                                        const dualprop__piece *pieces, int count)
{
    int64_t done = 0;
    for (int i = 0; i < count && done >= 0; i++) done = write_bytes(context, file, pieces[i].data, pieces[i].size);
    if (done < 0) return fail_file(context, DUALPROP_ERROR_IO, path, "writing", -done, TO_WRITE);
    done = sync_opened(context, file);
    return done < 0 ? fail_file(context, DUALPROP_ERROR_IO, path, "syncing", -done, TO_WRITE) : DUALPROP_OK;
}

/* Not for secrets: only to find a name that is not in use. */
static uint64_t random_number(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number) return number;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec) * 0x9e3779b97f4a7c15u ^ (uintptr_t)&number;
}

/*
 * The longest name of a file has 255 bytes nearly everywhere: where PATH's own leaves no room for what is put behind
 * it, the temporary file has its beginning only, up to the end of a character.
 */
#define LONGEST_NAME 255
#define LONGEST_SUFFIX 32 /* .PROCESS-NUMBER.tmp */

size_t dualprop__temporary_stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), most = LONGEST_NAME - LONGEST_SUFFIX;
    if (length > most)
        for (length = most; length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80;) length--;
    return (size_t)(name - path) + length;
}

/* Make the temporary file PATH.PROCESS-NUMBER.tmp. */
static dualprop_status create_temporary(int64_t *file, char *name, size_t size, dualprop_context *context,
                                        const char *path)
{
    int64_t made = -EEXIST;
    for (int i = 0; i < MOST_NAMES && made == -EEXIST; i++) {
        snprintf(name, size, "%.*s.%ld-%016llx.tmp", (int)dualprop__temporary_stem(path), path,
                 (long)dualprop__process_id(), (unsigned long long)random_number());
        made = open_path(context, name, 1);
    }
    if (made < 0)
        return fail_file(context, DUALPROP_ERROR_ACCESS, name, "creating the temporary file", -made, TO_WRITE);
    *file = made;
    return DUALPROP_OK;
}

/* A folder, a pipe or a device must not be replaced by a file. What cannot be opened for reading is left to rename. */
static dualprop_status check_target(dualprop_context *context, const char *path)
{
    int64_t file = open_path(context, path, 0);
    if (file >= 0) close_opened(context, file);
    if (file == -EISDIR || file == -ENOTSUP || file == -ENXIO || file == -ENODEV)
        return fail_file(context, DUALPROP_ERROR_ACCESS, path, "replacing", -file, "a regular file, or nothing yet");
    return DUALPROP_OK;
}

static dualprop_status write_temporary(dualprop_context *context, int64_t file, const char *path,
                                       const dualprop__piece *pieces, int count)
{
    dualprop_status status = write_all_pieces(context, file, path, pieces, count);
    int64_t closed = close_opened(context, file);
    if (status == DUALPROP_OK && closed < 0)
        status = fail_file(context, DUALPROP_ERROR_IO, path, "closing", -closed, TO_WRITE);
    return status;
}

static dualprop_status replace_target(dualprop_context *context, const char *temporary, const char *path)
{
    int64_t renamed = rename_path(context, temporary, path);
    if (renamed < 0)
        return fail_file(context, DUALPROP_ERROR_IO, path, "renaming the temporary file to it", -renamed, TO_WRITE);
    return DUALPROP_OK;
}

static int64_t sync_folder_of(dualprop_context *context, const char *path)
{
    int64_t synced = 0;
    RETRY(synced, context->io.sync_folder(context->io.user_data, path));
    return synced;
}

/* A folder that cannot be opened, though written to, cannot be synced: that says nothing against its disk. */
static dualprop_status rehearse(dualprop_context *context, const char *path)
{
    int64_t synced = sync_folder_of(context, path);
    if (synced >= 0 || synced == -EACCES || synced == -EPERM || synced == -ENAMETOOLONG) return DUALPROP_OK;
    return fail_file(context, DUALPROP_ERROR_IO, path, "syncing its folder", -synced, TO_WRITE);
}

/* The new file is in its place: only a power cut could still bring the old one back, whole. */
static void keep_name(dualprop_context *context, const char *path)
{
    int64_t synced = sync_folder_of(context, path);
    if (synced < 0)
        dualprop__log(context, DUALPROP_LOG_WARNING, "file",
                      "%.256s: written, but its folder was not synced: error %lld", path, (long long)-synced);
}

/* What savers that were killed have left beside the file; if it cannot be removed it does no harm. */
static void remove_stale(dualprop_context *context, const char *path)
{
    if (context->io.remove_stale) (void)context->io.remove_stale(context->io.user_data, path);
}

static dualprop_status replace_file(dualprop_context *context, const char *path, char *temporary, size_t size,
                                    const dualprop__piece *pieces, int count)
{
    int64_t file = 0;
    DUALPROP__TRY(check_target(context, path));
    remove_stale(context, path);
    DUALPROP__TRY(create_temporary(&file, temporary, size, context, path));
    dualprop_status status = write_temporary(context, file, path, pieces, count);
    if (status == DUALPROP_OK) status = rehearse(context, path);
    if (status == DUALPROP_OK) status = replace_target(context, temporary, path);
    if (status == DUALPROP_OK) keep_name(context, path);
    else context->io.remove(context->io.user_data, temporary);
    return status;
}

dualprop_status dualprop__file_replace(dualprop_context *context, const char *path, const dualprop__piece *pieces,
                                       int count)
{
    DUALPROP__TRY(check_path(context, path));
    size_t size = strlen(path) + SUFFIX_SIZE;
    char *temporary = dualprop__allocate(context, size);
    if (!temporary) return DUALPROP_ERROR_NO_MEMORY;
    int kept = errno;
    int shield = dualprop__shield_begin();
    dualprop_status status = replace_file(context, path, temporary, size, pieces, count);
    dualprop__shield_end(shield);
    errno = kept;
    dualprop__release(context, temporary);
    return status;
}
