/*
 * safetensors_read.c - from a file's bytes to a checkpoint, refusing everything that safetensors.h does not allow.
 *
 * Two fields that ought to agree are compared before either is used, and every product and sum of sizes is checked.
 *
 * The header is gone through twice: first everything is counted and checked, then one block for all that was counted is
 * allocated and filled, in which names and texts point into the file's own bytes. So reading takes, beside the file, 56
 * bytes a tensor, 8 for each of its extents, and 32 a text.
 *
 * A tensor of a type or a rank that we have no use for is held to the same rules, and then left out.
 */
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "json_text.h"

/* A file, cut into its parts. */
struct parts {
    char *header;
    size_t header_size;
    const unsigned char *data;
    size_t data_size;
};

/* ---- the header's place ---- */

static uint64_t little_endian(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = DUALPROP__LENGTH_BYTES - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static dualprop_status split_file(struct parts *parts, const dualprop_checkpoint *checkpoint, void *bytes, size_t size)
{
    const dualprop_context *context = checkpoint->context;
    const char *source = checkpoint->source;
    DUALPROP__REQUIRE(context, size >= DUALPROP__LENGTH_BYTES, DUALPROP_ERROR_FORMAT,
                      "%s is no checkpoint: there are %zu bytes; expected at least %d, the header's length", source,
                      size, DUALPROP__LENGTH_BYTES);
    uint64_t length = little_endian(bytes), limit = context->limits[DUALPROP_LIMIT_HEADER_BYTES];
    DUALPROP__REQUIRE(
        context, length <= size - DUALPROP__LENGTH_BYTES && length <= DUALPROP__LONGEST_HEADER, DUALPROP_ERROR_FORMAT,
        "%s is no checkpoint: the header's length is %llu; expected at most the %zu bytes that follow, and %d", source,
        (unsigned long long)length, size - DUALPROP__LENGTH_BYTES, DUALPROP__LONGEST_HEADER);
    DUALPROP__REQUIRE(context, length <= limit, DUALPROP_ERROR_LIMIT,
                      "%s: the header's length is %llu; expected at most the context's limit of %llu", source,
                      (unsigned long long)length, (unsigned long long)limit);
    parts->header = (char *)bytes + DUALPROP__LENGTH_BYTES;
    parts->header_size = (size_t)length;
    parts->data = (const unsigned char *)bytes + DUALPROP__LENGTH_BYTES + length;
    parts->data_size = size - DUALPROP__LENGTH_BYTES - (size_t)length;
    DUALPROP__REQUIRE(context, length > 0 && parts->header[0] == '{', DUALPROP_ERROR_FORMAT,
                      "%s is no checkpoint: the header does not begin with '{'", source);
    return DUALPROP_OK;
}

/* ---- names ---- */

static dualprop_status check_length(const dualprop_checkpoint *checkpoint, const char *name, size_t length)
{
    const dualprop_context *context = checkpoint->context;
    uint64_t limit = context->limits[DUALPROP_LIMIT_NAME_BYTES];
    DUALPROP__REQUIRE(context, length <= limit, DUALPROP_ERROR_LIMIT,
                      "%s: name %s has %zu bytes; expected at most the context's limit of %llu", checkpoint->source,
                      name, length, (unsigned long long)limit);
    return DUALPROP_OK;
}

/* Decode a name where it lies in the header. */
static dualprop_status decode_name(char **name, const dualprop_checkpoint *checkpoint, const struct parts *parts,
                                   const dualprop__json *json, const char *text, size_t length)
{
    *name = parts->header + (text - parts->header);
    DUALPROP__TRY(dualprop__json_decode(*name, length + 1, json, text, length));
    return check_length(checkpoint, dualprop__quote(*name).text, strlen(*name));
}

/* ---- a tensor's entry ---- */

struct entry {
    char dtype[16];
    int64_t shape[DUALPROP_MAX_RANK]; /* its first extents */
    int rank;
    uint64_t elements;
    int64_t begin, end;
    int seen, overflows;
};

static const struct {
    const char *name;
    int size, type; /* type: 0 if we have no use for it */
    /* clang-format off */
} types[] = {
    { "F32", 4, DUALPROP_F32 }, { "F64", 8, DUALPROP_F64 }, { "U8", 1, DUALPROP_U8 }, { "I32", 4, DUALPROP_I32 },
    { "BOOL", 1, 0 }, { "I8", 1, 0 }, { "F8_E5M2", 1, 0 }, { "F8_E4M3", 1, 0 }, { "I16", 2, 0 }, { "U16", 2, 0 },
    { "F16", 2, 0 }, { "BF16", 2, 0 }, { "U32", 4, 0 }, { "I64", 8, 0 }, { "U64", 8, 0 },
    /* clang-format on */
};

static dualprop_status read_shape(struct entry *entry, dualprop__json *json)
{
    entry->elements = 1;
    DUALPROP__TRY(dualprop__json_enter(json, '['));
    for (int more = 1, first = 1;; first = 0) {
        int64_t extent;
        DUALPROP__TRY(dualprop__json_next(&more, json, '[', first));
        if (!more) return DUALPROP_OK;
        DUALPROP__TRY(dualprop__json_integer(json, &extent));
        if (extent < 0) return dualprop__json_refuse(json, "before it, an extent below 0");
        if (entry->rank < DUALPROP_MAX_RANK) entry->shape[entry->rank] = extent;
        entry->rank += entry->rank <= DUALPROP_MAX_RANK; /* beyond it they only count as too many */
        entry->overflows |= !DUALPROP__MULTIPLY(&entry->elements, entry->elements, (uint64_t)extent);
    }
}

static dualprop_status read_offsets(struct entry *entry, dualprop__json *json)
{
    int more = 1;
    DUALPROP__TRY(dualprop__json_enter(json, '['));
    for (int i = 0; i < 2; i++) {
        DUALPROP__TRY(dualprop__json_next(&more, json, '[', i == 0));
        if (!more) return dualprop__json_refuse(json, "data_offsets of fewer than two numbers");
        DUALPROP__TRY(dualprop__json_integer(json, i == 0 ? &entry->begin : &entry->end));
    }
    DUALPROP__TRY(dualprop__json_next(&more, json, '[', 0));
    return more ? dualprop__json_refuse(json, "data_offsets of more than two numbers") : DUALPROP_OK;
}

static int is_text(const char *text, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

/* "header, tensor NAME" for sentences; the name as it lies there, cut. */
static void name_entry(char *what, size_t size, const char *key, size_t length)
{
    char name[72] = "";
    memcpy(name, key, length < sizeof name - 1 ? length : sizeof name - 1);
    snprintf(what, size, "header, tensor %s", dualprop__quote(name).text);
}

/* What else there is in it, we have no use for. */
static dualprop_status read_entry(struct entry *entry, dualprop__json *json)
{
    static const char *const keys[] = { "dtype", "shape", "data_offsets" };
    *entry = (struct entry){ .rank = 0 };
    DUALPROP__TRY(dualprop__json_enter(json, '{'));
    for (int more = 1, first = 1;; first = 0) {
        const char *text;
        size_t length;
        int i = 0;
        DUALPROP__TRY(dualprop__json_next(&more, json, '{', first));
        if (!more) break;
        DUALPROP__TRY(dualprop__json_key(json, &text, &length));
        while (i < 3 && !is_text(text, length, keys[i])) i++;
        if (i < 3 && entry->seen & 1 << i) return dualprop__json_refuse(json, "the name before occurs twice");
        entry->seen |= 1 << i;
        if (i == 3) DUALPROP__TRY(dualprop__json_skip(json));
        if (i == 2) DUALPROP__TRY(read_offsets(entry, json));
        if (i == 1) DUALPROP__TRY(read_shape(entry, json));
        if (i != 0) continue;
        DUALPROP__TRY(dualprop__json_string(json, &text, &length));
        if (length < sizeof entry->dtype) memcpy(entry->dtype, text, length);
    }
    if ((entry->seen & 7) == 7) return DUALPROP_OK;
    return dualprop__json_refuse(json, "before it, a tensor without dtype, shape or data_offsets");
}

static dualprop_status check_entry(const struct entry *entry, const dualprop_checkpoint *checkpoint, const char *name,
                                   int size)
{
    uint64_t bytes = 0;
    int fits = !entry->overflows && DUALPROP__MULTIPLY(&bytes, entry->elements, (uint64_t)size) && bytes <= INT64_MAX;
    DUALPROP__REQUIRE(checkpoint->context, entry->begin >= 0 && entry->begin <= entry->end, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s has data_offsets [%lld, %lld]; expected 0 <= begin <= end", checkpoint->source,
                      name, (long long)entry->begin, (long long)entry->end);
    if (size == 0) return DUALPROP_OK; /* a type that came up after us: its offsets say how large it is */
    DUALPROP__REQUIRE(checkpoint->context, fits, DUALPROP_ERROR_FORMAT, "%s: the size of tensor %s overflows",
                      checkpoint->source, name);
    DUALPROP__REQUIRE(checkpoint->context, (uint64_t)(entry->end - entry->begin) == bytes, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s has %lld bytes between its data_offsets; expected %llu by its shape and dtype",
                      checkpoint->source, name, (long long)(entry->end - entry->begin), (unsigned long long)bytes);
    return DUALPROP_OK;
}

/* ---- all entries: counted, then filled in ---- */

/* What there is, and where the next of it goes. */
struct block {
    size_t tensors, extents, texts;
    dualprop__tensor *tensor; /* NULL: it is still being counted */
    int64_t *extent;
    dualprop__text *text;
};

static dualprop_status read_tensor_entry(struct block *block, dualprop_checkpoint *checkpoint,
                                         const struct parts *parts, dualprop__json *json, const char *key,
                                         size_t length)
{
    struct entry entry;
    char *name, what[104];
    size_t known = 0;
    dualprop__json before = *json;
    name_entry(what, sizeof what, key, length);
    json->what = what;
    DUALPROP__TRY(read_entry(&entry, json));
    json->what = before.what;
    int kept = entry.rank > DUALPROP_MAX_RANK ? 0 : entry.rank;
    if (!block->tensor) {
        uint64_t limit = checkpoint->context->limits[DUALPROP_LIMIT_TENSORS];
        block->extents += (size_t)kept;
        DUALPROP__REQUIRE(checkpoint->context, ++block->tensors <= limit, DUALPROP_ERROR_LIMIT,
                          "%s: there are %zu tensors; expected at most the context's limit of %llu", checkpoint->source,
                          block->tensors, (unsigned long long)limit);
        return check_length(checkpoint, "in the header", length / 6); /* no escape has more than 6 bytes for one */
    }
    DUALPROP__TRY(decode_name(&name, checkpoint, parts, &before, key, length));
    while (known < sizeof types / sizeof *types && strcmp(types[known].name, entry.dtype) != 0) known++;
    int is_known = known < sizeof types / sizeof *types;
    DUALPROP__TRY(check_entry(&entry, checkpoint, dualprop__quote(name).text, is_known ? types[known].size : 0));
    dualprop__tensor *tensor = block->tensor++;
    *tensor = (dualprop__tensor){ .name = name,
                                  .shape = block->extent,
                                  .shared = 1,
                                  .rank = (unsigned char)kept,
                                  .size = (size_t)(entry.end - entry.begin),
                                  .begin = (uint64_t)entry.begin };
    if (is_known && entry.rank <= DUALPROP_MAX_RANK) tensor->type = (unsigned char)types[known].type;
    if (kept > 0) memcpy(block->extent, entry.shape, (size_t)kept * sizeof *entry.shape);
    block->extent += kept;
    dualprop__named_list_append(&checkpoint->tensors, tensor);
    return DUALPROP_OK;
}

static dualprop_status read_text_entry(struct block *block, dualprop_checkpoint *checkpoint, const struct parts *parts,
                                       dualprop__json *json)
{
    const char *key, *value;
    size_t key_length, value_length;
    char *name, *decoded;
    DUALPROP__TRY(dualprop__json_key(json, &key, &key_length));
    if (dualprop__json_peek(json) != '"') return dualprop__json_refuse(json, "a text that is no string");
    DUALPROP__TRY(dualprop__json_string(json, &value, &value_length));
    if (!block->tensor) {
        uint64_t limit = checkpoint->context->limits[DUALPROP_LIMIT_TEXTS];
        DUALPROP__REQUIRE(checkpoint->context, ++block->texts <= limit, DUALPROP_ERROR_LIMIT,
                          "%s: there are %zu texts; expected at most the context's limit of %llu", checkpoint->source,
                          block->texts, (unsigned long long)limit);
        return check_length(checkpoint, "in the header", key_length / 6);
    }
    DUALPROP__TRY(decode_name(&name, checkpoint, parts, json, key, key_length));
    decoded = parts->header + (value - parts->header);
    DUALPROP__TRY(dualprop__json_decode(decoded, value_length + 1, json, value, value_length));
    *block->text = (dualprop__text){ name, decoded, 1 };
    dualprop__named_list_append(&checkpoint->texts, block->text++);
    return DUALPROP_OK;
}

static dualprop_status read_text_entries(struct block *block, dualprop_checkpoint *checkpoint,
                                         const struct parts *parts, dualprop__json *json)
{
    DUALPROP__TRY(dualprop__json_enter(json, '{'));
    for (int more = 1, first = 1;; first = 0) {
        DUALPROP__TRY(dualprop__json_next(&more, json, '{', first));
        if (!more) return DUALPROP_OK;
        DUALPROP__TRY(read_text_entry(block, checkpoint, parts, json));
    }
}

static dualprop_status read_entries(struct block *block, dualprop_checkpoint *checkpoint, const struct parts *parts)
{
    dualprop__json json =
        dualprop__json_of(checkpoint->context, checkpoint->source, "header", parts->header, parts->header_size);
    int has_texts = 0;
    DUALPROP__TRY_ALWAYS(dualprop__json_enter(&json, '{')); /* with which the header begins */
    for (int more = 1, first = 1;; first = 0) {
        const char *key;
        size_t length;
        json.what = "header";
        DUALPROP__TRY(dualprop__json_next(&more, &json, '{', first));
        if (!more) return dualprop__json_finish(&json);
        DUALPROP__TRY(dualprop__json_key(&json, &key, &length));
        int is_texts = is_text(key, length, "__metadata__");
        if (is_texts && has_texts++) return dualprop__json_refuse(&json, "the name before occurs twice");
        json.what = is_texts ? "header's __metadata__" : "header";
        if (is_texts) DUALPROP__TRY(read_text_entries(block, checkpoint, parts, &json));
        else DUALPROP__TRY(read_tensor_entry(block, checkpoint, parts, &json, key, length));
    }
}

static dualprop_status check_names(const dualprop_checkpoint *checkpoint, const dualprop__named_list *list)
{
    const char *twice = dualprop__named_list_twice(list);
    if (!twice) return DUALPROP_OK;
    return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT, "%s: the name %s occurs twice in the header",
                          checkpoint->source, dualprop__quote(twice).text);
}

static dualprop_status parse_header(dualprop_checkpoint *checkpoint, const struct parts *parts)
{
    dualprop_context *context = checkpoint->context;
    struct block block = { 0 };
    size_t places, extents, texts, total;
    DUALPROP__TRY(read_entries(&block, checkpoint, parts));
    int fits = DUALPROP__MULTIPLY(&places, block.tensors + 1, sizeof *block.tensor);
    fits &= DUALPROP__MULTIPLY(&extents, block.extents, sizeof *block.extent);
    fits &= DUALPROP__MULTIPLY(&texts, block.texts, sizeof *block.text);
    fits &= DUALPROP__ADD(&total, places, extents);
    fits &= DUALPROP__ADD(&total, total, texts);
    /* A header has at most 100 MB, and each of these things some bytes in it. */
    DUALPROP__REQUIRE(context, DUALPROP__ALWAYS(fits), DUALPROP_ERROR_NO_MEMORY, "%s: no memory for its header",
                      checkpoint->source);
    checkpoint->read = dualprop__allocate(context, total);
    if (!checkpoint->read) return DUALPROP_ERROR_NO_MEMORY;
    block.tensor = checkpoint->read;
    block.extent = (int64_t *)((char *)checkpoint->read + places);
    block.text = (dualprop__text *)((char *)checkpoint->read + places + extents);
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->tensors, context, block.tensors));
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->texts, context, block.texts));
    DUALPROP__TRY(read_entries(&block, checkpoint, parts));
    dualprop__named_list_sort(&checkpoint->texts);
    dualprop__named_list_sort(&checkpoint->tensors);
    DUALPROP__TRY(check_names(checkpoint, &checkpoint->texts));
    return check_names(checkpoint, &checkpoint->tensors);
}

/* ---- the tensors' places ---- */

/* By offset; a tensor without elements before the one that begins at the same place. */
static int compare_places(const void *left, const void *right)
{
    const dualprop__tensor *first = left, *second = right;
    if (first->begin != second->begin) return first->begin < second->begin ? -1 : 1;
    return (first->size > second->size) - (first->size < second->size);
}

static dualprop_status check_places(dualprop_checkpoint *checkpoint, size_t data_size)
{
    dualprop__named_list *tensors = &checkpoint->tensors;
    uint64_t reached = 0;
    dualprop__sort(tensors->items, tensors->count, compare_places);
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
                      "%s: %zu bytes follow the header; expected %llu, where the last tensor ends", checkpoint->source,
                      data_size, (unsigned long long)reached);
    return DUALPROP_OK;
}

/* ---- version and checksums ---- */

/* Is the file one of ours? FORMAT if it is, but of a major version we do not know. */
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
    DUALPROP__REQUIRE(
        checkpoint->context, digits && strlen(digits) == 8 && strspn(digits, "0123456789abcdefABCDEF") == 8,
        DUALPROP_ERROR_FORMAT, "%s: the text %s is missing or not 8 hexadecimal digits", checkpoint->source, key);
    uint32_t expected = (uint32_t)strtoul(digits, NULL, 16);
    DUALPROP__REQUIRE(checkpoint->context, actual == expected, DUALPROP_ERROR_CORRUPT,
                      "%s: the checksum of the %s is %08x; expected %08x, which the file contains", checkpoint->source,
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

/* Those that we have no use for have done their part. */
static void drop_unused(dualprop__named_list *tensors)
{
    size_t kept = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const dualprop__tensor *tensor = tensors->items[i];
        if (tensor->type) tensors->items[kept++] = tensors->items[i];
    }
    tensors->count = kept;
}

dualprop_status dualprop__safetensors_parse(size_t *data_start, dualprop_checkpoint *checkpoint, void *bytes,
                                            size_t size)
{
    struct parts parts = { 0 };
    DUALPROP__TRY(split_file(&parts, checkpoint, bytes, size));
    DUALPROP__TRY(parse_header(checkpoint, &parts));
    DUALPROP__TRY(check_places(checkpoint, parts.data_size));
    dualprop__named_list_sort(&checkpoint->tensors);
    drop_unused(&checkpoint->tensors);
    DUALPROP__TRY(check_checksums(checkpoint, &parts));
    *data_start = size - parts.data_size;
    return DUALPROP_OK;
}
