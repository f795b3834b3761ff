/*
 * idx.c - reading IDX: check the header, check the size, then allocate, then read exactly that.
 */
#include "idx.h"

#include "byte_source.h"

#define IDX_UNSIGNED_BYTE 0x08

static dualprop_status check_magic(host *owner, const char *path, const unsigned char *magic, int rank)
{
    if (magic[0] != 0 || magic[1] != 0)
        return host_fail(owner, DUALPROP_ERROR_FORMAT,
                         "%s: wrong magic number: it starts with %02x %02x; expected 00 00, as IDX files do", path,
                         magic[0], magic[1]);
    if (magic[2] != IDX_UNSIGNED_BYTE)
        return host_fail(owner, DUALPROP_ERROR_FORMAT,
                         "%s: wrong element type: the type byte is %02x; expected 08 (unsigned bytes)", path, magic[2]);
    if (magic[3] != rank)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: wrong rank: it has %d axes; expected %d", path, magic[3],
                         rank);
    return DUALPROP_OK;
}

static int64_t big_endian(const unsigned char *bytes)
{
    return (int64_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]);
}

static dualprop_status read_shape(array *shape, byte_source *source, host *owner, const char *path, int rank)
{
    unsigned char extents[4 * DUALPROP_MAX_RANK];

    TRY(byte_source_read(source, extents, 4 * (uint64_t)rank, "the header"));
    shape->type = DUALPROP_U8;
    shape->rank = rank;
    for (int i = 0; i < rank; i++) shape->shape[i] = big_endian(extents + 4 * i);
    if (array_count(&shape->count, shape->shape, rank, 1)) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s: the product of its extents overflows; expected a size below 2^63", path);
}

/* Empty sets are refused later, by who knows what they are for; a size that cannot be there is refused now. */
static dualprop_status check_size(const array *shape, byte_source *source, host *owner, const char *path)
{
    char text[128];

    if (shape->count <= byte_source_bound(source)) return DUALPROP_OK;
    array_describe_shape(text, sizeof text, shape->shape, shape->rank);
    return host_fail(
        owner, DUALPROP_ERROR_FORMAT,
        "%s: truncated: the header announces %s, which is %llu bytes of data; expected a file that holds as many", path,
        text, (unsigned long long)shape->count);
}

static dualprop_status read_data(array *out, byte_source *source, host *owner, const char *path)
{
    out->data = host_allocate(owner, out->count, 1);
    if (out->data == NULL) return host_no_memory(owner, path);
    TRY(byte_source_read(source, out->data, out->count, "the data"));
    return byte_source_finish(source, 4 + 4 * (uint64_t)out->rank + out->count);
}

static dualprop_status read_all(array *out, byte_source *source, host *owner, const char *path, int rank)
{
    unsigned char magic[4];

    TRY(byte_source_read(source, magic, 4, "the header"));
    TRY(check_magic(owner, path, magic, rank));
    TRY(read_shape(out, source, owner, path, rank));
    TRY(check_size(out, source, owner, path));
    return read_data(out, source, owner, path);
}

dualprop_status idx_read(array *out, host *owner, const char *path, int rank)
{
    byte_source *source;
    array made = { 0 };

    if (rank < 1 || rank > DUALPROP_MAX_RANK)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "rank is %d; expected 1 to %d", rank,
                         DUALPROP_MAX_RANK);
    TRY(byte_source_open(&source, owner, path));
    dualprop_status status = read_all(&made, source, owner, path, rank);
    byte_source_close(source);
    if (status == DUALPROP_OK) *out = made;
    else array_release(&made, owner);
    return status;
}
