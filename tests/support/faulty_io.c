/*
 * faulty_io.c - see faulty_io.h. Removing never fails, so that what is left over is the library's doing.
 */
#include "faulty_io.h"

#include <signal.h>
#include <unistd.h>

#include "core/platform/platform.h"

static int hits(faulty_io *faulty)
{
    int call = faulty->calls++;
    int hit = call == faulty->fail_at || (faulty->for_ever && call > faulty->fail_at);
    if (hit && faulty->error == FAULTY_IO_KILL) kill(getpid(), SIGKILL);
    return hit;
}

/* Does this call fail? A short one only moves less. */
static int fails(faulty_io *faulty)
{
    return hits(faulty) && faulty->error != FAULTY_IO_SHORT;
}

static int64_t open_file(void *user_data, const char *path, int writable)
{
    faulty_io *faulty = user_data;
    if (fails(faulty)) return -(int64_t)faulty->error;
    int64_t file = dualprop__posix_io.open(NULL, path, writable);
    faulty->open_files += file >= 0;
    return file;
}

static int64_t file_size(void *user_data, int64_t file)
{
    faulty_io *faulty = user_data;
    return fails(faulty) ? -(int64_t)faulty->error : dualprop__posix_io.size(NULL, file);
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    faulty_io *faulty = user_data;
    int hit = hits(faulty);
    if (hit && faulty->error != FAULTY_IO_SHORT) return -(int64_t)faulty->error;
    return dualprop__posix_io.read(NULL, file, buffer, hit && size > 0 ? 1 : size);
}

static int64_t write_file(void *user_data, int64_t file, const void *buffer, size_t size)
{
    faulty_io *faulty = user_data;
    if (faulty->error == FAULTY_IO_KILL && faulty->calls == faulty->fail_at)
        (void)!dualprop__posix_io.write(NULL, file, buffer, size / 2);
    int hit = hits(faulty);
    if (hit && faulty->error != FAULTY_IO_SHORT) return -(int64_t)faulty->error;
    return dualprop__posix_io.write(NULL, file, buffer, hit && size > 0 ? 1 : size);
}

static int64_t sync_file(void *user_data, int64_t file)
{
    faulty_io *faulty = user_data;
    return fails(faulty) ? -(int64_t)faulty->error : dualprop__posix_io.sync(NULL, file);
}

/* As the kernel does: a close that fails has closed. */
static int64_t close_file(void *user_data, int64_t file)
{
    faulty_io *faulty = user_data;
    int64_t closed = dualprop__posix_io.close(NULL, file);
    faulty->open_files--;
    return fails(faulty) ? -(int64_t)faulty->error : closed;
}

static int64_t rename_file(void *user_data, const char *from, const char *to)
{
    faulty_io *faulty = user_data;
    return fails(faulty) ? -(int64_t)faulty->error : dualprop__posix_io.rename(NULL, from, to);
}

static int64_t remove_file(void *user_data, const char *path)
{
    (void)user_data;
    return dualprop__posix_io.remove(NULL, path);
}

static int64_t sync_folder(void *user_data, const char *path)
{
    faulty_io *faulty = user_data;
    return fails(faulty) ? -(int64_t)faulty->error : dualprop__posix_io.sync_folder(NULL, path);
}

void faulty_io_arm(faulty_io *faulty, int fail_at, int for_ever, int error)
{
    *faulty = (faulty_io){ 0, fail_at, for_ever, error, 0 };
}

dualprop_io faulty_io_table(faulty_io *faulty)
{
    return (dualprop_io){ sizeof(dualprop_io), open_file,   file_size,   read_file,   write_file, sync_file,
                          close_file,          rename_file, remove_file, sync_folder, faulty,     NULL };
}
