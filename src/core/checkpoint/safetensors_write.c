/*
 * safetensors_write.c - from a checkpoint to a file.
 *
 * The same contents always give the same bytes: texts by name, then tensors by the size of their type, large ones
 * first so that each is aligned, and by name. The header is padded with spaces so that the data begin at a multiple of
 * 8 bytes.
 */
#include "safetensors.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "crc32.h"
#include "json_text.h"

const char *dualprop__safetensors_dtype(int type)
{
    static const char *const names[] = { NULL, "F32", "F64", "U8", "I32" };
    return names[type];
}

/* ---- checksums ---- */

uint32_t dualprop__safetensors_crc32_texts(const dualprop_checkpoint *checkpoint)
{
    uint32_t checksum = 0;
    for (size_t i = 0; i < checkpoint->texts.count; i++) {
        const dualprop__text *text = checkpoint->texts.items[i];
        if (strcmp(text->name, DUALPROP__CRC32) == 0 || strcmp(text->name, DUALPROP__CRC32_TEXTS) == 0) continue;
        checksum = dualprop__crc32(checksum, text->name, strlen(text->name) + 1);
        checksum = dualprop__crc32(checksum, text->value, strlen(text->value) + 1);
    }
    return checksum;
}

static uint32_t checksum_data(dualprop__tensor *const *tensors, size_t count)
{
    uint32_t checksum = 0;
    for (size_t i = 0; i < count; i++) checksum = dualprop__crc32(checksum, tensors[i]->data, tensors[i]->size);
    return checksum;
}

/* ---- the header ---- */

/* A writer's own texts are put in before, so that they are checked and written like all others. */
static dualprop_status set_own_texts(dualprop_checkpoint *scratch, uint32_t data_checksum)
{
    dualprop_context *context = scratch->context;
    char digits[9];
    DUALPROP__TRY(
        dualprop__checkpoint_put_text(scratch, dualprop__text_create(context, DUALPROP__FORMAT, "dualprop-1")));
    snprintf(digits, sizeof digits, "%08x", (unsigned)data_checksum);
    DUALPROP__TRY(dualprop__checkpoint_put_text(scratch, dualprop__text_create(context, DUALPROP__CRC32, digits)));
    snprintf(digits, sizeof digits, "%08x", (unsigned)dualprop__safetensors_crc32_texts(scratch));
    return dualprop__checkpoint_put_text(scratch, dualprop__text_create(context, DUALPROP__CRC32_TEXTS, digits));
}

static dualprop_status copy_texts(dualprop_checkpoint *scratch, const dualprop_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->texts.count; i++) {
        const dualprop__text *text = checkpoint->texts.items[i];
        DUALPROP__TRY(
            dualprop__checkpoint_put_text(scratch, dualprop__text_create(scratch->context, text->name, text->value)));
    }
    return DUALPROP_OK;
}

static void put_tensor_entry(dualprop__json_writer *writer, const dualprop__tensor *tensor, uint64_t begin)
{
    dualprop__json_put_key(writer, tensor->name);
    dualprop__json_bracket(writer, '{');
    dualprop__json_put_key(writer, "dtype");
    dualprop__json_put_text(writer, dualprop__safetensors_dtype(tensor->type));
    dualprop__json_put_key(writer, "shape");
    dualprop__json_bracket(writer, '[');
    for (int i = 0; i < tensor->rank; i++) dualprop__json_put_integer(writer, tensor->shape[i]);
    dualprop__json_bracket(writer, ']');
    dualprop__json_put_key(writer, "data_offsets");
    dualprop__json_bracket(writer, '[');
    dualprop__json_put_integer(writer, (int64_t)begin);
    dualprop__json_put_integer(writer, (int64_t)(begin + tensor->size));
    dualprop__json_bracket(writer, ']');
    dualprop__json_bracket(writer, '}');
}

static void put_header(dualprop__json_writer *writer, const dualprop_checkpoint *scratch,
                       dualprop__tensor *const *tensors, size_t count)
{
    uint64_t begin = 0;
    dualprop__json_bracket(writer, '{');
    dualprop__json_put_key(writer, "__metadata__");
    dualprop__json_bracket(writer, '{');
    for (size_t i = 0; i < scratch->texts.count; i++) {
        const dualprop__text *text = scratch->texts.items[i];
        dualprop__json_put_key(writer, text->name);
        dualprop__json_put_text(writer, text->value);
    }
    dualprop__json_bracket(writer, '}');
    for (size_t i = 0; i < count; i++) {
        put_tensor_entry(writer, tensors[i], begin);
        begin += tensors[i]->size;
    }
    dualprop__json_bracket(writer, '}');
}

static dualprop_status finish_header(size_t *size, char *header, size_t length, const dualprop_context *context)
{
    size_t padded = (length + 7) / 8 * 8;
    uint64_t limit = context->limits[DUALPROP_LIMIT_HEADER_BYTES];
    if (limit > DUALPROP__LONGEST_HEADER) limit = DUALPROP__LONGEST_HEADER;
    DUALPROP__REQUIRE(context, padded <= limit, DUALPROP_ERROR_LIMIT,
                      "the header would have %zu bytes; expected at most %llu, or the file could not be read again",
                      padded, (unsigned long long)limit);
    memset(header + DUALPROP__LENGTH_BYTES + length, ' ', padded - length);
    for (int i = 0; i < DUALPROP__LENGTH_BYTES; i++) header[i] = (char)((uint64_t)padded >> 8 * i & 0xff);
    *size = DUALPROP__LENGTH_BYTES + padded;
    return DUALPROP_OK;
}

/* The header, its length in front; released by the caller. A writer has room for the spaces after its text. */
static dualprop_status build_header(char **out, size_t *size, const dualprop_checkpoint *scratch,
                                    dualprop__tensor *const *tensors, size_t count)
{
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, scratch->context, DUALPROP__LENGTH_BYTES);
    put_header(&writer, scratch, tensors, count);
    for (int i = 0; i < 8; i++) dualprop__json_put_space(&writer);
    if (writer.status == DUALPROP_OK)
        writer.status = finish_header(size, writer.text, writer.length - 8 - DUALPROP__LENGTH_BYTES, scratch->context);
    if (writer.status == DUALPROP_OK) *out = writer.text;
    else dualprop__release(scratch->context, writer.text);
    return writer.status;
}

/* ---- the file ---- */

/* By the size of the type, descending, then by name. */
static int compare_order(const void *left, const void *right)
{
    const dualprop__tensor *first = left, *second = right;
    size_t first_size = dualprop__type_size(first->type), second_size = dualprop__type_size(second->type);
    if (first_size != second_size) return first_size > second_size ? -1 : 1;
    return strcmp(first->name, second->name);
}

static dualprop_status write_safetensors(dualprop_context *context, const char *path, const char *header,
                                         size_t header_size, dualprop__tensor *const *tensors, size_t count)
{
    dualprop__piece *pieces = dualprop__allocate_array(context, count + 1, sizeof *pieces);
    if (!pieces) return DUALPROP_ERROR_NO_MEMORY;
    pieces[0] = (dualprop__piece){ header, header_size };
    for (size_t i = 0; i < count; i++) pieces[i + 1] = (dualprop__piece){ tensors[i]->data, tensors[i]->size };
    dualprop_status status = dualprop__file_replace(context, path, pieces, (int)(count + 1));
    dualprop__release(context, pieces);
    return status;
}

/* With the elements as the file has them. */
static dualprop_status write_swapped(dualprop_checkpoint *scratch, const char *path, dualprop__tensor *const *tensors,
                                     size_t count)
{
    size_t header_size = 0;
    char *header = NULL;
    DUALPROP__TRY(set_own_texts(scratch, checksum_data(tensors, count)));
    DUALPROP__TRY(build_header(&header, &header_size, scratch, tensors, count));
    dualprop_status status = write_safetensors(scratch->context, path, header, header_size, tensors, count);
    dualprop__release(scratch->context, header);
    return status;
}

/*
 * Files are little endian. On other machines the elements are swapped for the time of writing; a checkpoint is used by
 * one call at a time.
 */
static void swap_all(dualprop__tensor *const *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++) dualprop__swap_elements(tensors[i]);
}

static dualprop_status write_ordered(dualprop_checkpoint *scratch, const dualprop_checkpoint *checkpoint,
                                     const char *path, dualprop__tensor **tensors)
{
    size_t count = checkpoint->tensors.count;
    if (count > 0) memcpy(tensors, checkpoint->tensors.items, count * sizeof *tensors);
    dualprop__sort((void **)tensors, count, compare_order);
    DUALPROP__TRY(copy_texts(scratch, checkpoint));
    swap_all(tensors, count);
    dualprop_status status = write_swapped(scratch, path, tensors, count);
    swap_all(tensors, count);
    return status;
}

static dualprop_status check_count(const dualprop_checkpoint *checkpoint)
{
    uint64_t limit = checkpoint->context->limits[DUALPROP_LIMIT_TENSORS];
    if (limit > INT_MAX - 1) limit = INT_MAX - 1;
    DUALPROP__REQUIRE(checkpoint->context, checkpoint->tensors.count <= limit, DUALPROP_ERROR_LIMIT,
                      "the checkpoint has %zu tensors; expected at most %llu", checkpoint->tensors.count,
                      (unsigned long long)limit);
    limit = checkpoint->context->limits[DUALPROP_LIMIT_TEXTS]; /* three are the writer's own */
    DUALPROP__REQUIRE(checkpoint->context, limit >= 3 && checkpoint->texts.count <= limit - 3, DUALPROP_ERROR_LIMIT,
                      "the checkpoint has %zu texts; expected at most %llu", checkpoint->texts.count,
                      (unsigned long long)(limit >= 3 ? limit - 3 : 0));
    return DUALPROP_OK;
}

dualprop_status dualprop__safetensors_write(const dualprop_checkpoint *checkpoint, const char *path)
{
    dualprop_context *context = checkpoint->context;
    dualprop_checkpoint *scratch;
    DUALPROP__TRY(check_count(checkpoint));
    dualprop__tensor **tensors = dualprop__allocate_array(context, checkpoint->tensors.count, sizeof *tensors);
    if (!tensors) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop_checkpoint_create(&scratch, context);
    if (status == DUALPROP_OK) {
        status = write_ordered(scratch, checkpoint, path, tensors);
        dualprop_checkpoint_destroy(scratch);
    }
    dualprop__release(context, tensors);
    return status;
}
