/*
 * safetensors_read.c - from a file's bytes to a checkpoint, refusing everything that safetensors.h does not allow.
 *
 * Two fields that ought to agree are compared before either is used, and every product and sum of sizes is checked.
 */
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "json_text.h"

#define LENGTH_BYTES 8
#define LONGEST_HEADER 100000000 /* of the format */

/* A file, cut into its parts. */
struct parts {
    const char *header;
    size_t header_size;
    const unsigned char *data;
    size_t data_size;
};

/* ---- the header's place ---- */

static uint64_t little_endian(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static dualprop_status cut_texts(struct parts *parts, const dualprop_checkpoint *checkpoint, const void *bytes,
                                 size_t size)
{
    const dualprop_context *context = checkpoint->context;
    const char *source = checkpoint->source;
    DUALPROP__REQUIRE(context, size >= LENGTH_BYTES, DUALPROP_ERROR_FORMAT,
                      "%s: there are %zu bytes; expected at least %d, the header's length", source, size,
                      LENGTH_BYTES);
    uint64_t length = little_endian(bytes), limit = context->limits[DUALPROP_LIMIT_HEADER_BYTES];
    DUALPROP__REQUIRE(context, length <= size - LENGTH_BYTES && length <= LONGEST_HEADER, DUALPROP_ERROR_FORMAT,
                      "%s: the header's length is %llu; expected at most the %zu bytes that follow, and %d", source,
                      (unsigned long long)length, size - LENGTH_BYTES, LONGEST_HEADER);
    DUALPROP__REQUIRE(context, length <= limit, DUALPROP_ERROR_LIMIT,
                      "%s: the header's length is %llu; expected at most the context's limit of %llu", source,
                      (unsigned long long)length, (unsigned long long)limit);
    parts->header = (const char *)bytes + LENGTH_BYTES;
    parts->header_size = (size_t)length;
    parts->data = (const unsigned char *)bytes + LENGTH_BYTES + length;
    parts->data_size = size - LENGTH_BYTES - (size_t)length;
    DUALPROP__REQUIRE(context, length > 0 && parts->header[0] == '{', DUALPROP_ERROR_FORMAT,
                      "%s: the header does not begin with '{'", source);
    return DUALPROP_OK;
}

/* ---- names ---- */

static dualprop_status check_tensor_name(const dualprop_checkpoint *checkpoint, const char *key)
{
    const dualprop_context *context = checkpoint->context;
    uint64_t limit = context->limits[DUALPROP_LIMIT_NAME_BYTES];
    DUALPROP__REQUIRE(context, strlen(key) <= limit, DUALPROP_ERROR_LIMIT,
                      "%s: name %s has %zu bytes; expected at most the context's limit of %llu", checkpoint->source,
                      dualprop__quote(key).text, strlen(key), (unsigned long long)limit);
    return DUALPROP_OK;
}

/* ---- tensors ---- */

static int find_type(const char *dtype)
{
    for (int type = DUALPROP_F32; type <= DUALPROP_I32; type++)
        if (strcmp(dualprop__safetensors_dtype(type), dtype) == 0) return type;
    return 0;
}

static dualprop_status read_shape(int64_t *shape, int *rank, const dualprop_checkpoint *checkpoint, const char *name,
                                  const json_t *extents)
{
    DUALPROP__REQUIRE(checkpoint->context, json_is_array(extents) && json_array_size(extents) <= DUALPROP_MAX_RANK,
                      DUALPROP_ERROR_FORMAT, "%s: the shape of tensor %s is no list of at most %d extents",
                      checkpoint->source, name, DUALPROP_MAX_RANK);
    *rank = (int)json_array_size(extents);
    for (int i = 0; i < *rank; i++) {
        const json_t *extent = json_array_get(extents, (size_t)i);
        DUALPROP__REQUIRE(checkpoint->context, json_is_integer(extent) && json_integer_value(extent) >= 0,
                          DUALPROP_ERROR_FORMAT, "%s: extent %d of tensor %s is no whole number >= 0",
                          checkpoint->source, i, name);
        shape[i] = json_integer_value(extent);
    }
    return DUALPROP_OK;
}

static dualprop_status check_offsets(const dualprop_checkpoint *checkpoint, const char *name, int64_t begin,
                                     int64_t end, int fits, size_t bytes)
{
    DUALPROP__REQUIRE(checkpoint->context, fits, DUALPROP_ERROR_FORMAT, "%s: the size of tensor %s overflows",
                      checkpoint->source, name);
    DUALPROP__REQUIRE(checkpoint->context, begin >= 0 && begin <= end, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s has data_offsets [%lld, %lld]; expected 0 <= begin <= end", checkpoint->source,
                      name, (long long)begin, (long long)end);
    DUALPROP__REQUIRE(checkpoint->context, (uint64_t)(end - begin) == bytes, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s has %lld bytes between its data_offsets; expected %zu by its shape and dtype",
                      checkpoint->source, name, (long long)(end - begin), bytes);
    return DUALPROP_OK;
}

static dualprop_status read_tensor(dualprop_checkpoint *checkpoint, const char *key, json_t *value)
{
    dualprop_context *context = checkpoint->context;
    dualprop__quoted name = dualprop__quote(key);
    const char *dtype;
    json_t *extents;
    json_int_t begin, end;
    char what[sizeof name.text + 8];
    DUALPROP__TRY(check_tensor_name(checkpoint, key));
    snprintf(what, sizeof what, "tensor %s", name.text);
    DUALPROP__TRY(dualprop__json_unpack(context, checkpoint->source, what, value, 0, "{s:s, s:o, s:[I, I!]}",
                                        "dtype", &dtype, "shape", &extents, "data_offsets", &begin, &end));
    int type = find_type(dtype), rank = 0;
    int64_t shape[DUALPROP_MAX_RANK];
    size_t bytes;
    DUALPROP__REQUIRE(context, type, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s has dtype %s; expected F32, F64, U8 or I32", checkpoint->source, name.text,
                      dualprop__quote(dtype).text);
    DUALPROP__TRY(read_shape(shape, &rank, checkpoint, name.text, extents));
    int fits = dualprop__tensor_bytes(&bytes, type, rank, shape);
    DUALPROP__TRY(check_offsets(checkpoint, name.text, begin, end, fits, bytes));
    dualprop__tensor *tensor = dualprop__tensor_create(context, key, type, rank, shape, 0);
    if (!tensor) return DUALPROP_ERROR_NO_MEMORY;
    tensor->begin = (uint64_t)begin;
    dualprop__named_list_append(&checkpoint->tensors, tensor);
    return DUALPROP_OK;
}

/* By offset; a tensor without elements before the one that begins at the same place. */
static int compare_places(const void *left, const void *right)
{
    const dualprop__tensor *first = *(dualprop__tensor *const *)left, *second = *(dualprop__tensor *const *)right;
    if (first->begin != second->begin) return first->begin < second->begin ? -1 : 1;
    return (first->size > second->size) - (first->size < second->size);
}

static dualprop_status check_places(dualprop_checkpoint *checkpoint, size_t data_size)
{
    dualprop__named_list *tensors = &checkpoint->tensors;
    uint64_t reached = 0;
    if (tensors->count > 1) qsort(tensors->items, tensors->count, sizeof *tensors->items, compare_places);
    for (size_t i = 0; i < tensors->count; i++) {
        const dualprop__tensor *tensor = tensors->items[i];
        DUALPROP__REQUIRE(checkpoint->context, tensor->begin == reached, DUALPROP_ERROR_FORMAT,
                          "%s: tensor %s begins at byte %llu of the data; expected %llu, where the one before ends",
                          checkpoint->source, dualprop__quote(tensor->name).text, (unsigned long long)tensor->begin,
                          (unsigned long long)reached);
        DUALPROP__REQUIRE(checkpoint->context, tensor->size <= data_size - reached, DUALPROP_ERROR_FORMAT,
                          "%s: tensor %s ends beyond the data; expected %llu more bytes in the file, there are %zu",
                          checkpoint->source, dualprop__quote(tensor->name).text, (unsigned long long)tensor->size,
                          data_size - (size_t)reached);
        reached += tensor->size;
    }
    DUALPROP__REQUIRE(checkpoint->context, reached == data_size, DUALPROP_ERROR_FORMAT,
                      "%s: %zu bytes follow the header; expected %llu, where the last tensor ends",
                      checkpoint->source, data_size, (unsigned long long)reached);
    return DUALPROP_OK;
}

/* ---- texts ---- */

static dualprop_status read_texts(dualprop_checkpoint *checkpoint, json_t *metadata)
{
    dualprop_context *context = checkpoint->context;
    const char *key;
    json_t *value;
    DUALPROP__REQUIRE(context, json_is_object(metadata), DUALPROP_ERROR_FORMAT, "%s: __metadata__ is no object",
                      checkpoint->source);
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->texts, context, json_object_size(metadata)));
    json_object_foreach(metadata, key, value) {
        DUALPROP__TRY(check_tensor_name(checkpoint, key));
        DUALPROP__REQUIRE(context, json_is_string(value), DUALPROP_ERROR_FORMAT,
                          "%s: text %s of __metadata__ is no string", checkpoint->source, dualprop__quote(key).text);
        dualprop__text *text = dualprop__text_create(context, key, json_string_value(value));
        if (!text) return DUALPROP_ERROR_NO_MEMORY;
        dualprop__named_list_append(&checkpoint->texts, text);
    }
    dualprop__named_list_sort(&checkpoint->texts);
    return DUALPROP_OK;
}

/* ---- the whole header ---- */

static dualprop_status check_counts(const dualprop_checkpoint *checkpoint, json_t *root)
{
    const dualprop_context *context = checkpoint->context;
    uint64_t tensors = json_object_size(root) - (json_object_get(root, "__metadata__") != NULL);
    uint64_t limit = context->limits[DUALPROP_LIMIT_TENSORS];
    DUALPROP__REQUIRE(context, tensors <= limit, DUALPROP_ERROR_LIMIT,
                      "%s: there are %llu tensors; expected at most the context's limit of %llu", checkpoint->source,
                      (unsigned long long)tensors, (unsigned long long)limit);
    return DUALPROP_OK;
}

static dualprop_status read_header(dualprop_checkpoint *checkpoint, json_t *root)
{
    const char *key;
    json_t *value;
    DUALPROP__TRY(check_counts(checkpoint, root));
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->tensors, checkpoint->context, json_object_size(root)));
    json_object_foreach(root, key, value) {
        DUALPROP__TRY(strcmp(key, "__metadata__") == 0 ? read_texts(checkpoint, value)
                                                       : read_tensor(checkpoint, key, value));
    }
    return DUALPROP_OK;
}

static dualprop_status parse_header(dualprop_checkpoint *checkpoint, const struct parts *parts)
{
    dualprop__json_limits limits = dualprop__json_limits_of(checkpoint->context);
    json_t *root;
    DUALPROP__TRY(dualprop__json_load(&root, checkpoint->context, checkpoint->source, "header", parts->header,
                                      parts->header_size, &limits));
    dualprop_status status = read_header(checkpoint, root);
    json_decref(root);
    return status;
}

/* ---- version and checksums ---- */

/* Is the file one of ours? FORMAT where it is, but of a major version we do not know. */
static dualprop_status check_format_version(int *ours, const dualprop_checkpoint *checkpoint)
{
    const char *format = dualprop__checkpoint_text(checkpoint, DUALPROP__FORMAT);
    *ours = format && strncmp(format, "dualprop-", 9) == 0;
    if (!*ours) return DUALPROP_OK;
    DUALPROP__REQUIRE(checkpoint->context, format[9] == '1' && (format[10] == 0 || format[10] == '.'),
                      DUALPROP_ERROR_FORMAT, "%s: the format is %s; expected dualprop-1", checkpoint->source,
                      dualprop__quote(format).text);
    return DUALPROP_OK;
}

static dualprop_status check_crc(const dualprop_checkpoint *checkpoint, const char *key, uint32_t actual)
{
    const char *digits = dualprop__checkpoint_text(checkpoint, key);
    DUALPROP__REQUIRE(checkpoint->context,
                      digits && strlen(digits) == 8 && strspn(digits, "0123456789abcdefABCDEF") == 8,
                      DUALPROP_ERROR_FORMAT, "%s: the text %s is missing or not 8 hexadecimal digits",
                      checkpoint->source, key);
    uint32_t expected = (uint32_t)strtoul(digits, NULL, 16);
    DUALPROP__REQUIRE(checkpoint->context, actual == expected, DUALPROP_ERROR_CORRUPT,
                      "%s: the checksum of the %s is %08x; expected %08x, as the file says", checkpoint->source,
                      strcmp(key, DUALPROP__CRC32) == 0 ? "data" : "texts", (unsigned)actual, (unsigned)expected);
    return DUALPROP_OK;
}

static dualprop_status check_checksums(const dualprop_checkpoint *checkpoint, const struct parts *parts)
{
    int ours;
    DUALPROP__TRY(check_format_version(&ours, checkpoint));
    if (!ours) return DUALPROP_OK;
    DUALPROP__TRY(check_crc(checkpoint, DUALPROP__CRC32, dualprop__crc32(0, parts->data, parts->data_size)));
    if (!dualprop__checkpoint_text(checkpoint, DUALPROP__CRC32_TEXTS)) return DUALPROP_OK;
    return check_crc(checkpoint, DUALPROP__CRC32_TEXTS, dualprop__safetensors_crc32_texts(checkpoint));
}

dualprop_status dualprop__safetensors_parse(size_t *data_start, dualprop_checkpoint *checkpoint, const void *bytes,
                                            size_t size)
{
    struct parts parts = { 0 };
    DUALPROP__TRY(cut_texts(&parts, checkpoint, bytes, size));
    DUALPROP__TRY(parse_header(checkpoint, &parts));
    DUALPROP__TRY(check_places(checkpoint, parts.data_size));
    dualprop__named_list_sort(&checkpoint->tensors);
    DUALPROP__TRY(check_checksums(checkpoint, &parts));
    *data_start = size - parts.data_size;
    return DUALPROP_OK;
}
