/*
 * zip_archive_none.c - in place of zip_archive.c if there is no libzip (make ZIP=no): archives are refused.
 */
#include "zip_archive.h"

dualprop_status zip_archive_open(zip_archive **archive, host *owner, const char *path)
{
    *archive = NULL;
    return host_fail(owner, DUALPROP_ERROR_UNSUPPORTED,
                     "%s: this program was built without libzip, so it reads no archives", path);
}

void zip_archive_close(zip_archive *archive)
{
    (void)archive;
}

dualprop_status zip_archive_member(byte_source **source, const char **path, zip_archive *archive, const char *name)
{
    (void)source, (void)path, (void)archive, (void)name;
    return DUALPROP_ERROR_UNSUPPORTED;
}
