/*
 * run_paths.c - each file that a run writes against all others that it writes or reads.
 */
#include "run_paths.h"

#include <string.h>
#include <sys/stat.h>

/* The folder that a path lies in, by what it is and not by what it is called; 0 if there is none. */
static int stat_folder(struct stat *about, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[1500] = ".";
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);

    if (length >= sizeof folder) return 0;
    if (slash != NULL) memcpy(folder, path, length);
    folder[length] = '\0';
    return stat(folder, about) == 0;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* Two names of one regular file, or of what is not there yet: the same name in the same folder. Devices take
 * everything. */
static int are_same(const char *one, const char *other)
{
    struct stat first, second;

    if (one == NULL || other == NULL) return 0;
    int has_first = stat(one, &first) == 0, has_second = stat(other, &second) == 0;
    if (has_first != has_second) return 0;
    if (has_first) return S_ISREG(first.st_mode) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
    if (strcmp(last_name(one), last_name(other)) != 0) return 0;
    return stat_folder(&first, one) && stat_folder(&second, other) && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static dualprop_status check_pair(host *owner, const char *option, const char *path, const char *other,
                                  const char *there)
{
    if (!are_same(path, there)) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s %s contradicts --%s %s: they are one file; expected two", option, path, other, there);
}

static dualprop_status check_data(host *owner, const char *option, const char *path)
{
    if (path == NULL || !host_has_read(owner, path)) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s %s names a file of the data set; expected another file", option, path);
}

/* A file that is not empty is wanted. */
static dualprop_status check_log(host *owner, const settings *run, const char *option, const char *path)
{
    struct stat about;

    if (path == NULL || run->resume != NULL || stat(path, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size == 0)
        return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                     "--%s %s is a file with something in it; expected a new or an empty file, or --resume", option,
                     path);
}

dualprop_status run_paths_check(host *owner, const settings *run)
{
    TRY(check_pair(owner, "log", run->log, "checkpoint", run->checkpoint));
    TRY(check_pair(owner, "log", run->log, "resume", run->resume));
    TRY(check_pair(owner, "audit-log", run->audit_log, "checkpoint", run->checkpoint));
    TRY(check_pair(owner, "audit-log", run->audit_log, "resume", run->resume));
    TRY(check_pair(owner, "audit-log", run->audit_log, "log", run->log));
    TRY(check_log(owner, run, "log", run->log));
    return check_log(owner, run, "audit-log", run->audit_log);
}

dualprop_status run_paths_check_data(host *owner, const settings *run)
{
    TRY(check_data(owner, "log", run->log));
    TRY(check_data(owner, "audit-log", run->audit_log));
    return check_data(owner, "checkpoint", run->checkpoint);
}
