/*
 * byte_source.c - raw or gzip, found by content.
 */
#include "byte_source.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "digest.h"

#define CHUNK_BYTES 65536
/* Deflate cannot do better than 1,032 to 1. */
#define DEFLATE_RATIO 1032

struct byte_source {
    host *owner;
    const char *path;
    int64_t file;
    uint64_t size;      /* of the file */
    uint64_t taken;     /* bytes read from the file */
    uint64_t delivered; /* bytes handed out */
    int zipped;
    int ended;    /* the last gzip member came to its end, checksum included */
    int streamed; /* the bytes come from other */
    byte_stream other;
    z_stream stream;
    size_t chunk_begin, chunk_end;
    unsigned char chunk[CHUNK_BYTES];
};

static void *zip_allocate(void *opaque, unsigned count, unsigned size)
{
    /* zlib does not say the size when it gives memory back, so it is kept in front. */
    uint64_t bytes = (uint64_t)count * size + 64;
    unsigned char *block = host_allocate(opaque, bytes, 1);

    if (block == NULL) return Z_NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + 64;
}

static void zip_release(void *opaque, void *pointer)
{
    unsigned char *block = (unsigned char *)pointer - 64;
    uint64_t bytes;

    memcpy(&bytes, block, sizeof bytes);
    host_release(opaque, block, bytes, 1);
}

static const char *describe_open_failure(int64_t failure)
{
    if (failure == -EISDIR) return "it is a directory";
    if (failure == -EINVAL || failure == -ENXIO) return "it is no regular file";
    return strerror((int)-failure);
}

static dualprop_status fill(byte_source *source)
{
    dualprop_io *io = &source->owner->io;
    int64_t count;

    do {
        count = io->read(io->user_data, source->file, source->chunk, CHUNK_BYTES);
    } while (count == -EINTR);
    if (count < 0)
        return host_fail(source->owner, DUALPROP_ERROR_IO, "%s: reading failed: %s; expected a regular file",
                         source->path, strerror((int)-count));
    source->chunk_begin = 0;
    source->chunk_end = (size_t)count;
    source->taken += (uint64_t)count;
    return DUALPROP_OK;
}

static dualprop_status start_unzipping(byte_source *source)
{
    source->stream.zalloc = zip_allocate;
    source->stream.zfree = zip_release;
    source->stream.opaque = source->owner;
    if (inflateInit2(&source->stream, 16 + MAX_WBITS) != Z_OK) return host_no_memory(source->owner, "unpacking gzip");
    source->zipped = 1;
    return DUALPROP_OK;
}

static dualprop_status begin(byte_source *source)
{
    dualprop_io *io = &source->owner->io;

    source->file = io->open(io->user_data, source->path, 0);
    if (source->file < 0)
        return host_fail(source->owner, DUALPROP_ERROR_ACCESS,
                         "%s: cannot be opened: %s; expected a regular file to read", source->path,
                         describe_open_failure(source->file));
    host_note_read(source->owner, source->path);
    int64_t size = io->size(io->user_data, source->file);
    if (size < 0)
        return host_fail(source->owner, DUALPROP_ERROR_IO, "%s: its size cannot be read: %s; expected a regular file",
                         source->path, strerror((int)-size));
    source->size = (uint64_t)size;
    TRY(fill(source));
    if (source->chunk_end >= 2 && source->chunk[0] == 0x1f && source->chunk[1] == 0x8b) return start_unzipping(source);
    return DUALPROP_OK;
}

dualprop_status byte_source_open(byte_source **source, host *owner, const char *path)
{
    *source = host_allocate(owner, 1, sizeof **source);
    if (*source == NULL) return host_no_memory(owner, path);
    (*source)->owner = owner;
    (*source)->path = path;
    (*source)->file = -1;
    dualprop_status status = begin(*source);
    if (status != DUALPROP_OK) {
        byte_source_close(*source);
        *source = NULL;
    }
    return status;
}

dualprop_status byte_source_open_stream(byte_source **source, host *owner, const char *path, const byte_stream *stream)
{
    *source = host_allocate(owner, 1, sizeof **source);
    if (*source == NULL) {
        stream->close(stream->context);
        return host_no_memory(owner, path);
    }
    (*source)->owner = owner;
    (*source)->path = path;
    (*source)->file = -1;
    (*source)->streamed = 1;
    (*source)->other = *stream;
    return DUALPROP_OK;
}

void byte_source_close(byte_source *source)
{
    if (source == NULL) return;
    if (source->streamed) source->other.close(source->other.context);
    if (source->zipped) inflateEnd(&source->stream);
    if (source->file >= 0) source->owner->io.close(source->owner->io.user_data, source->file);
    host_release(source->owner, source, 1, sizeof *source);
}

/* Hand out at most size raw bytes; *got is 0 at the end of the file. */
static dualprop_status take_raw(byte_source *source, unsigned char *buffer, size_t size, size_t *got)
{
    if (source->chunk_begin == source->chunk_end) TRY(fill(source));
    size_t left = source->chunk_end - source->chunk_begin;
    *got = size < left ? size : left;
    memcpy(buffer, source->chunk + source->chunk_begin, *got);
    source->chunk_begin += *got;
    return DUALPROP_OK;
}

static dualprop_status report_zip(byte_source *source, int outcome)
{
    if (outcome == Z_MEM_ERROR) return host_no_memory(source->owner, "unpacking gzip");
    return host_fail(source->owner, outcome == Z_DATA_ERROR ? DUALPROP_ERROR_CORRUPT : DUALPROP_ERROR_FORMAT,
                     "%s: gzip data are corrupt after %llu unpacked bytes (%s); expected a valid gzip stream",
                     source->path, (unsigned long long)source->delivered,
                     source->stream.msg != NULL ? source->stream.msg : "unexpected end or preset dictionary");
}

/* After a member another may follow, as bgzip, pigz and cat make them, or zeros that fill a block up. */
static dualprop_status end_member(byte_source *source)
{
    for (;;) {
        if (source->chunk_begin == source->chunk_end) TRY(fill(source));
        if (source->chunk_end == 0) break;
        if (source->chunk[source->chunk_begin] != 0) break;
        source->chunk_begin++;
    }
    int follows = source->chunk_end > 0 && source->chunk[source->chunk_begin] == 0x1f;
    if (!follows || inflateReset(&source->stream) != Z_OK) source->ended = 1;
    return DUALPROP_OK;
}

/* Hand out at most size unpacked bytes; *got is 0 at the end of the stream, or where the file ends inside it. */
static dualprop_status take_zipped(byte_source *source, unsigned char *buffer, size_t size, size_t *got)
{
    z_stream *stream = &source->stream;

    stream->next_out = buffer;
    stream->avail_out = (unsigned)(size < 1u << 30 ? size : 1u << 30);
    unsigned asked = stream->avail_out;
    while (stream->avail_out == asked && !source->ended) {
        if (source->chunk_begin == source->chunk_end) TRY(fill(source));
        if (source->chunk_end == 0) break;
        stream->next_in = source->chunk + source->chunk_begin;
        stream->avail_in = (unsigned)(source->chunk_end - source->chunk_begin);
        int outcome = inflate(stream, Z_NO_FLUSH);
        source->chunk_begin = source->chunk_end - stream->avail_in;
        if (outcome == Z_STREAM_END) TRY(end_member(source));
        else if (outcome != Z_OK) return report_zip(source, outcome);
    }
    *got = asked - stream->avail_out;
    return DUALPROP_OK;
}

/* Hand out at most size bytes of the other library's; *got is 0 at the end. */
static dualprop_status take_streamed(byte_source *source, unsigned char *buffer, size_t size, size_t *got)
{
    int64_t count = source->other.read(source->other.context, buffer, size);

    *got = count > 0 ? (size_t)count : 0;
    if (count >= 0) return DUALPROP_OK;
    return host_fail(source->owner, DUALPROP_ERROR_CORRUPT, "%s: unpacking failed after %llu bytes: %s", source->path,
                     (unsigned long long)source->delivered, source->other.explain(source->other.context));
}

static dualprop_status take(byte_source *source, unsigned char *buffer, size_t size, size_t *got)
{
    if (source->streamed) TRY(take_streamed(source, buffer, size, got));
    else TRY(source->zipped ? take_zipped(source, buffer, size, got) : take_raw(source, buffer, size, got));
    source->delivered += *got;
    if (source->owner->digest != NULL) digest_add(source->owner->digest, buffer, *got);
    return DUALPROP_OK;
}

dualprop_status byte_source_read(byte_source *source, void *buffer, uint64_t size, const char *what)
{
    unsigned char *next = buffer;
    uint64_t expected = source->delivered + size;

    while (size > 0) {
        size_t got;
        TRY(take(source, next, size < SIZE_MAX ? (size_t)size : SIZE_MAX, &got));
        if (got == 0)
            return host_fail(source->owner, DUALPROP_ERROR_FORMAT,
                             "%s: truncated in %s: it has %llu bytes%s; expected at least %llu", source->path, what,
                             (unsigned long long)source->delivered, source->zipped ? " unpacked" : "",
                             (unsigned long long)expected);
        next += got;
        size -= got;
    }
    return DUALPROP_OK;
}

/* After the last member nothing else may follow. */
static dualprop_status finish_zipped(byte_source *source)
{
    if (!source->ended)
        return host_fail(source->owner, DUALPROP_ERROR_FORMAT,
                         "%s: truncated in the gzip checksum; expected the 8 bytes that close the stream",
                         source->path);
    if (source->chunk_begin == source->chunk_end && source->taken >= source->size) return DUALPROP_OK;
    return host_fail(source->owner, DUALPROP_ERROR_FORMAT,
                     "%s: bytes follow the gzip stream; expected the file to end there", source->path);
}

dualprop_status byte_source_finish(byte_source *source, uint64_t after_bytes)
{
    unsigned char extra;
    size_t got;

    TRY(take(source, &extra, 1, &got));
    if (got != 0)
        return host_fail(source->owner, DUALPROP_ERROR_FORMAT,
                         "%s: trailing bytes: expected the end after %llu bytes%s, as in its header", source->path,
                         (unsigned long long)after_bytes, source->zipped ? " unpacked" : "");
    return source->zipped ? finish_zipped(source) : DUALPROP_OK;
}

int byte_source_is_zipped(const byte_source *source)
{
    return source->zipped;
}

uint64_t byte_source_delivered(const byte_source *source)
{
    return source->delivered;
}

uint64_t byte_source_bound(const byte_source *source)
{
    if (source->streamed) return source->delivered < source->other.size ? source->other.size - source->delivered : 0;
    uint64_t left = source->size - source->taken + (source->chunk_end - source->chunk_begin);
    uint64_t bound;

    if (source->taken > source->size) left = source->chunk_end - source->chunk_begin;
    if (!source->zipped) return left;
    /* What zlib holds inside is at most its window. */
    return __builtin_mul_overflow(left, (uint64_t)DEFLATE_RATIO, &bound) ? UINT64_MAX : bound + 65536;
}
