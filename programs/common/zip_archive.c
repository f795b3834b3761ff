/*
 * zip_archive.c - the only file that includes zip.h.
 */
#include "zip_archive.h"

#include <stdio.h>
#include <zip.h>

/* The largest archive of ImageNet32 has 400 MB. */
#define ARCHIVE_LIMIT (UINT64_C(4) << 30)
#define NAME_BYTES 1600
/* Deflate cannot do better than 1,032 to 1. */
#define DEFLATE_RATIO 1032

struct zip_archive {
    host *owner;
    const char *path;
    void *bytes;
    uint64_t size;
    zip_t *zip;
    char member[NAME_BYTES]; /* the archive's path and the member's name */
};

static dualprop_status check_source(zip_archive *archive, const byte_source *source)
{
    if (byte_source_is_zipped(source))
        return host_fail(archive->owner, DUALPROP_ERROR_FORMAT,
                         "%s: it is gzip; expected a zip archive, as numpy.savez() writes", archive->path);
    archive->size = byte_source_bound(source);
    if (archive->size == 0)
        return host_fail(archive->owner, DUALPROP_ERROR_FORMAT,
                         "%s: it is empty; expected a zip archive, as numpy.savez() writes", archive->path);
    if (archive->size <= ARCHIVE_LIMIT) return DUALPROP_OK;
    return host_fail(archive->owner, DUALPROP_ERROR_LIMIT, "%s: it has %llu bytes; expected %llu at most",
                     archive->path, (unsigned long long)archive->size, (unsigned long long)ARCHIVE_LIMIT);
}

static dualprop_status read_source(zip_archive *archive, byte_source *source)
{
    TRY(check_source(archive, source));
    archive->bytes = host_allocate(archive->owner, archive->size, 1);
    if (archive->bytes == NULL) return host_no_memory(archive->owner, archive->path);
    TRY(byte_source_read(source, archive->bytes, archive->size, "the archive"));
    return byte_source_finish(source, archive->size);
}

static dualprop_status read_bytes(zip_archive *archive)
{
    byte_source *source;

    TRY(byte_source_open(&source, archive->owner, archive->path));
    dualprop_status status = read_source(archive, source);
    byte_source_close(source);
    return status;
}

/* What libzip found, and which of our statuses that is. */
static dualprop_status report(zip_archive *archive, const char *path, const char *failed, zip_error_t *error)
{
    int code = zip_error_code_zip(error);
    dualprop_status status = code == ZIP_ER_CRC || code == ZIP_ER_ZLIB ? DUALPROP_ERROR_CORRUPT : DUALPROP_ERROR_FORMAT;

    if (code == ZIP_ER_MEMORY) return host_no_memory(archive->owner, path);
    return host_fail(archive->owner, status, "%s: %s: %s; expected a zip archive, as numpy.savez() writes", path,
                     failed, zip_error_strerror(error));
}

static dualprop_status read_directory(zip_archive *archive)
{
    zip_error_t error;

    zip_error_init(&error);
    zip_source_t *buffer = zip_source_buffer_create(archive->bytes, archive->size, 0, &error);
    archive->zip = buffer != NULL ? zip_open_from_source(buffer, ZIP_RDONLY, &error) : NULL;
    dualprop_status status = DUALPROP_OK;
    if (archive->zip == NULL) {
        status = report(archive, archive->path, "the archive's directory cannot be read", &error);
        zip_source_free(buffer);
    }
    zip_error_fini(&error);
    return status;
}

static dualprop_status open_archive(zip_archive *archive)
{
    TRY(read_bytes(archive));
    return read_directory(archive);
}

dualprop_status zip_archive_open(zip_archive **archive, host *owner, const char *path)
{
    *archive = host_allocate(owner, 1, sizeof **archive);
    if (*archive == NULL) return host_no_memory(owner, path);
    (*archive)->owner = owner;
    (*archive)->path = path;
    dualprop_status status = open_archive(*archive);
    if (status != DUALPROP_OK) {
        zip_archive_close(*archive);
        *archive = NULL;
    }
    return status;
}

void zip_archive_close(zip_archive *archive)
{
    if (archive == NULL) return;
    if (archive->zip != NULL) zip_discard(archive->zip);
    host_release(archive->owner, archive->bytes, archive->size, 1);
    host_release(archive->owner, archive, 1, sizeof *archive);
}

static int64_t read_member(void *context, void *buffer, uint64_t size)
{
    return zip_fread(context, buffer, size);
}

static const char *explain_member(void *context)
{
    return zip_file_strerror(context);
}

static void close_member(void *context)
{
    zip_fclose(context);
}

/* The size a member announces, where its packed size allows it. */
static dualprop_status member_size(uint64_t *size, zip_archive *archive, const char *name)
{
    zip_stat_t entry;

    zip_stat_init(&entry);
    if (zip_stat(archive->zip, name, 0, &entry) != 0)
        return report(archive, archive->member, "there is no such member", zip_get_error(archive->zip));
    uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if ((entry.valid & wanted) == wanted && entry.comp_size <= archive->size &&
        entry.size <= entry.comp_size * DEFLATE_RATIO + 64) {
        *size = entry.size;
        return DUALPROP_OK;
    }
    return host_fail(archive->owner, DUALPROP_ERROR_FORMAT,
                     "%s: %llu bytes are announced for the %llu that are packed; expected sizes that can be",
                     archive->member, (unsigned long long)entry.size, (unsigned long long)entry.comp_size);
}

dualprop_status zip_archive_member(byte_source **source, const char **path, zip_archive *archive, const char *name)
{
    byte_stream stream = { .read = read_member, .explain = explain_member, .close = close_member };

    snprintf(archive->member, sizeof archive->member, "%s: %s", archive->path, name);
    *path = archive->member;
    TRY(member_size(&stream.size, archive, name));
    stream.context = zip_fopen(archive->zip, name, 0);
    if (stream.context == NULL)
        return report(archive, archive->member, "it cannot be opened", zip_get_error(archive->zip));
    return byte_source_open_stream(source, archive->owner, archive->member, &stream);
}
