/*
 * run_paths.c - each log against all that a run writes or reads.
 */
#include "run_paths.h"

#include <string.h>
#include <sys/stat.h>

/* Two names of one regular file, or one name for what is not there yet. Devices take everything. */
static int are_same(const char *one, const char *other)
{
    struct stat first, second;

    if (one == NULL || other == NULL) return 0;
    if (stat(one, &first) != 0) return strcmp(one, other) == 0;
    return S_ISREG(first.st_mode) && stat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static dualprop_status check_pair(host *owner, const char *option, const char *path, const char *other, const char *there)
{
    if (!are_same(path, there)) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--%s %s contradicts --%s %s: they are one file; expected two",
                     option, path, other, there);
}

dualprop_status run_paths_check(host *owner, const settings *run)
{
    TRY(check_pair(owner, "log", run->log, "checkpoint", run->checkpoint));
    TRY(check_pair(owner, "log", run->log, "resume", run->resume));
    TRY(check_pair(owner, "audit-log", run->audit_log, "checkpoint", run->checkpoint));
    TRY(check_pair(owner, "audit-log", run->audit_log, "resume", run->resume));
    return check_pair(owner, "audit-log", run->audit_log, "log", run->log);
}
