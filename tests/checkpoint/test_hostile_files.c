/*
 * test_hostile_files.c - checkpoints that were cut, changed or made to do harm: each is refused by a status and a
 * sentence, in bounded time and memory, and what was loaded before stays as it was. The host traps what a comparison
 * with a NaN or a number that is too large would raise.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"
#include "support/traps.h"

static failing_allocator memory;
static dualprop_context *context;

static void make_context(void)
{
    static dualprop_allocator table;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    memset(&memory, 0, sizeof memory);
    table = failing_allocator_table(&memory);
    options.allocator = &table;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    traps_set(1);
}

static void remove_context(void)
{
    traps_set(0);
    dualprop_context_destroy(context);
    ck_assert_int_eq(memory.live_blocks, 0);
    ck_assert_int_eq(memory.misuse, 0);
}

/* ---- a file of ours, whole ---- */

static const saved_plan plan = { .backend = DUALPROP_BACKEND_REFERENCE,
                                 .precision = DUALPROP_F32,
                                 .kind = DUALPROP_ADAM };

/* The bytes of a checkpoint of about 6 KB, and the parameters in it. */
static unsigned char *good_file(size_t *size, uint32_t *parameters)
{
    scratch_folder folder = scratch_folder_create();
    saved_model model;
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(saved_model_train(&model, 2));
    expect_ok(saved_model_save(&model, folder.file));
    unsigned char *bytes = (unsigned char *)scratch_read(folder.file, size);
    *parameters = saved_model_parameters(&model);
    saved_model_destroy(&model);
    scratch_folder_destroy(&folder);
    return bytes;
}

static size_t data_start(const unsigned char *bytes)
{
    return 8 + ((size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16);
}

/* A copy of the exact size, so that a sanitizer sees a read past its end. */
static dualprop_status read_exactly(dualprop_checkpoint **checkpoint, const void *bytes, size_t size)
{
    void *exact = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, size);
    dualprop_status status = dualprop_checkpoint_read_memory(checkpoint, context, exact, size);
    free(exact);
    ck_assert((status == DUALPROP_OK) == (*checkpoint != NULL));
    return status;
}

START_TEST(every_length_is_refused)
{
    size_t size;
    uint32_t parameters;
    unsigned char *bytes = good_file(&size, &parameters);
    dualprop_checkpoint *checkpoint = NULL;
    for (size_t length = 0; length < size; length++)
        if (read_exactly(&checkpoint, bytes, length) != DUALPROP_ERROR_FORMAT) ck_abort_msg("length %zu", length);
    ck_assert_int_eq(read_exactly(&checkpoint, bytes, size), DUALPROP_OK);
    dualprop_checkpoint_destroy(checkpoint);
    free(bytes);
}
END_TEST

START_TEST(bytes_behind_the_data_are_refused)
{
    size_t size;
    uint32_t parameters;
    unsigned char *bytes = good_file(&size, &parameters);
    dualprop_checkpoint *checkpoint = NULL;
    bytes = realloc(bytes, size + 8);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes + size, 0, 8);
    for (size_t more = 1; more <= 8; more++)
        ck_assert_int_eq(read_exactly(&checkpoint, bytes, size + more), DUALPROP_ERROR_FORMAT);
    free(bytes);
}
END_TEST

/* What may come of a header with another bit: nothing, or exactly what was saved, or tensors under other names. */
static void expect_harmless(dualprop_checkpoint *checkpoint, uint32_t parameters, size_t bit)
{
    saved_model model = { .precision = DUALPROP_F32 };
    dualprop_status status = saved_model_get(&model, checkpoint);
    if (status == DUALPROP_OK && saved_model_parameters(&model) != parameters)
        ck_abort_msg("bit %zu: a model with other parameters", bit);
    if (status != DUALPROP_OK && status != DUALPROP_ERROR_FORMAT)
        ck_abort_msg("bit %zu: %s", bit, dualprop_status_name(status));
    saved_model_destroy(&model);
}

static void check_flip(const unsigned char *bytes, size_t size, size_t bit, uint32_t parameters)
{
    dualprop_checkpoint *checkpoint = NULL;
    dualprop_status status = read_exactly(&checkpoint, bytes, size);
    int in_data = bit / 8 >= data_start(bytes);
    if (status == DUALPROP_OK && !in_data) expect_harmless(checkpoint, parameters, bit);
    else if (status != DUALPROP_ERROR_CORRUPT && (in_data || status != DUALPROP_ERROR_FORMAT))
        ck_abort_msg("bit %zu of the %s: %s", bit, in_data ? "data" : "header", dualprop_status_name(status));
    dualprop_checkpoint_destroy(checkpoint);
}

enum { SLICES = 8 };

START_TEST(every_bit_is_found_or_harmless)
{
    size_t size;
    uint32_t parameters;
    unsigned char *bytes = good_file(&size, &parameters);
    for (size_t bit = (size_t)_i; bit < 8 * size; bit += SLICES) {
        if (bit < 64) continue; /* the length: see lengths_that_lie */
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        check_flip(bytes, size, bit, parameters);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(bytes);
}
END_TEST

/* ---- files made by hand ---- */

static unsigned char made[1 << 20];

/* Put the header's length, the header and some data into `made`. */
static size_t make_file(const char *header, size_t length, size_t data_size)
{
    ck_assert_uint_lt(8 + length + data_size, sizeof made);
    for (int i = 0; i < 8; i++) made[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(made + 8, header, length);
    memset(made + 8 + length, 0, data_size);
    return 8 + length + data_size;
}

static void expect_refused(const char *header, size_t length, size_t data_size, dualprop_status expected,
                           const char *word)
{
    dualprop_checkpoint *checkpoint = NULL;
    size_t size = make_file(header, length, data_size);
    expect_error(read_exactly(&checkpoint, made, size), expected, word);
}

static dualprop_checkpoint *expect_read(const char *header, size_t length, size_t data_size)
{
    dualprop_checkpoint *checkpoint = NULL;
    size_t size = make_file(header, length, data_size);
    expect_ok(read_exactly(&checkpoint, made, size));
    return checkpoint;
}

START_TEST(lengths_that_lie)
{
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    /* clang-format off */
    static const uint64_t lengths[] = { 0, 1, sizeof header - 2, sizeof header - 1 + 5, 100000001, UINT64_C(1) << 31,
                                        UINT64_C(1) << 32, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7,
                                        UINT64_MAX - 8 };
    /* clang-format on */
    size_t size = make_file(header, sizeof header - 1, 4);
    dualprop_checkpoint *checkpoint = NULL;
    uint64_t before, peak;
    expect_ok(dualprop_context_memory(&before, NULL, NULL, context));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int byte = 0; byte < 8; byte++) made[byte] = (unsigned char)(lengths[i] >> 8 * byte);
        expect_error(read_exactly(&checkpoint, made, size), DUALPROP_ERROR_FORMAT, "header");
    }
    expect_ok(dualprop_context_memory(NULL, &peak, NULL, context));
    ck_assert_uint_lt(peak, before + 65536);
}
END_TEST

#define TENSOR "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"

/* Headers before four bytes of data. */
static const struct {
    const char *header;
    dualprop_status status; /* of reading */
    const char *word;
} headers[] = {
    { "{\"a\":" TENSOR "}", DUALPROP_OK, "" },
    { " {\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "begin with '{'" },
    { "[]", DUALPROP_ERROR_FORMAT, "begin with '{'" },
    { "", DUALPROP_ERROR_FORMAT, "header" },
    { "\"a\"", DUALPROP_ERROR_FORMAT, "begin with '{'" },
    { "{", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{}", DUALPROP_ERROR_FORMAT, "4 bytes follow" },
    { "{\"a\":" TENSOR, DUALPROP_ERROR_FORMAT, "closing bracket" },
    { "{\"a\":" TENSOR "} \t\r\n ", DUALPROP_OK, "" },
    { "{\"a\":" TENSOR "}x", DUALPROP_ERROR_FORMAT, "after the closing bracket" },
    { "{\"a\":" TENSOR "}}", DUALPROP_ERROR_FORMAT, "after the closing bracket" },
    { "{\"a\":" TENSOR "}{}", DUALPROP_ERROR_FORMAT, "after the closing bracket" },
    { "{\"a\":" TENSOR ",}", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{,\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{\"a\":" TENSOR ",,\"b\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{\"a\" " TENSOR "}", DUALPROP_ERROR_FORMAT, "':'" },
    { "{\"a\":" TENSOR "\"b\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "','" },
    { "{\"a\":" TENSOR "]", DUALPROP_ERROR_FORMAT, "','" },
    { "{a:" TENSOR "}", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{'a':" TENSOR "}", DUALPROP_ERROR_FORMAT, "name in quotes" },
    { "{\"a", DUALPROP_ERROR_FORMAT, "does not end" },
    { "{\"a\\", DUALPROP_ERROR_FORMAT, "does not end" },
    { "{\"a\\\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "" },
    { "{\"a\":nul}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":null}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":true}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":[]}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":{}}", DUALPROP_ERROR_FORMAT, "tensor a" },
    /* names */
    { "{\"a\":" TENSOR ",\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "twice" },
    { "{\"a\":" TENSOR ",\"\\u0061\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "twice" },
    { "{\"__metadata__\":{},\"a\":" TENSOR ",\"__metadata__\":{}}", DUALPROP_ERROR_FORMAT, "twice" },
    { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "twice" },
    { "{\"\xff\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "UTF-8" },
    { "{\"\xc3\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "UTF-8" },
    { "{\"\xc0\xaf\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "UTF-8" },
    { "{\"\xed\xa0\x80\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "UTF-8" },
    { "{\"\xf4\x90\x80\x80\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "UTF-8" },
    { "{\"\x01\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "control" },
    { "{\"a\n\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "control" },
    { "{\"\\u0000\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"a\\u0000b\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\ud800\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\udc00\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\ud83d\\u0041\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\ud83d\\ud83d\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\ud83d\\ue000\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\u12\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\u12g4\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\x41\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\'\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "escape" },
    { "{\"\\ud83d\\ude42 \\u20ac \\u00fc \\\"\\\\\\/\\b\\f\\n\\r\\t\":" TENSOR "}", DUALPROP_OK, "" },
    { "{\"\":" TENSOR "}", DUALPROP_OK, "" },
    /* texts */
    { "{\"__metadata__\":[],\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "__metadata__" },
    { "{\"__metadata__\":{\"k\":1},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "no string" },
    { "{\"__metadata__\":{\"format\":\"dualprop-2\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "dualprop-1" },
    { "{\"__metadata__\":{\"format\":\"dualprop-\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "dualprop-1" },
    { "{\"__metadata__\":{\"format\":\"dualprop-12\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "dualprop-1" },
    { "{\"__metadata__\":{\"format\":\"dualprop-1.2\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "crc32" },
    { "{\"__metadata__\":{\"format\":\"dualprop-1\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT, "crc32" },
    { "{\"__metadata__\":{\"format\":\"dualprop-1\",\"crc32\":\"2144df1\"},\"a\":" TENSOR "}", DUALPROP_ERROR_FORMAT,
      "crc32" },
    { "{\"__metadata__\":{\"format\":\"dualprop-1\",\"crc32\":\"2144df1d\"},\"a\":" TENSOR "}", DUALPROP_ERROR_CORRUPT,
      "checksum" },
    { "{\"__metadata__\":{\"format\":\"dualprop-1\",\"crc32\":\"2144DF1C\"},\"a\":" TENSOR "}", DUALPROP_OK, "" },
    { "{\"__metadata__\":{\"format\":\"pt\"},\"a\":" TENSOR "}", DUALPROP_OK, "" },
    /* types and shapes */
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", DUALPROP_OK, "" },
    { "{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", DUALPROP_OK, "" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "shape and dtype" },
    { "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "'['" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "extent" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1,-1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "extent" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[+1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0x1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "','" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[.1],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[Infinity],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "whole number" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "expected a value" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "64 bits" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "64 bits" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "overflows" },
    /* products that wrap around: to 0, and to 1 */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", DUALPROP_ERROR_FORMAT,
      "overflows" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2147483648,8589934592],\"data_offsets\":[0,0]}}", DUALPROP_ERROR_FORMAT,
      "overflows" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT,
      "overflows" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", DUALPROP_OK, "" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", DUALPROP_OK, "" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", DUALPROP_OK, "" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", DUALPROP_OK, "" },
    /* offsets */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", DUALPROP_ERROR_FORMAT, "begin <= end" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", DUALPROP_ERROR_FORMAT, "begin" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0.0,4.0]}}", DUALPROP_ERROR_FORMAT, "tensor a" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,5]}}", DUALPROP_ERROR_FORMAT, "expected 4" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", DUALPROP_ERROR_FORMAT, "expected 8" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", DUALPROP_ERROR_FORMAT, "beyond the data" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", DUALPROP_ERROR_FORMAT, "4 bytes follow" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", DUALPROP_ERROR_FORMAT, "expected 0" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
      DUALPROP_ERROR_FORMAT, "expected 1" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
      DUALPROP_ERROR_FORMAT, "expected 3" },
    { "{\"a\":" TENSOR ",\"b\":" TENSOR ",\"c\":" TENSOR ",\"d\":" TENSOR ",\"e\":" TENSOR ",\"f\":" TENSOR
      ",\"g\":" TENSOR ",\"h\":" TENSOR ",\"i\":" TENSOR ",\"j\":" TENSOR "}",
      DUALPROP_ERROR_FORMAT, "expected 4" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[9223372036854775803,9223372036854775807]}}",
      DUALPROP_ERROR_FORMAT, "expected 0" },
    { "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]},"
      "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
      DUALPROP_OK, "" },
    /* a tensor without elements takes no room, so it may begin where another one does */
    { "{\"a\":" TENSOR ",\"b\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]},"
      "\"c\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
      DUALPROP_OK, "" },
    { "{\"a\":" TENSOR ",\"c\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[2,2]}}", DUALPROP_ERROR_FORMAT,
      "begins" },
    { "{\"a\":" TENSOR ",\"c\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", DUALPROP_ERROR_FORMAT,
      "begins" },
    /* extents whose product is 0, but only because one of them is */
    { "{\"a\":" TENSOR ",\"c\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,9223372036854775807,0],"
      "\"data_offsets\":[4,4]}}",
      DUALPROP_ERROR_FORMAT, "overflows" },
};
enum { HEADERS = sizeof headers / sizeof *headers };

START_TEST(headers_by_hand)
{
    size_t length = strlen(headers[_i].header);
    if (headers[_i].status == DUALPROP_OK) dualprop_checkpoint_destroy(expect_read(headers[_i].header, length, 4));
    else expect_refused(headers[_i].header, length, 4, headers[_i].status, headers[_i].word);
}
END_TEST

START_TEST(a_zero_byte_is_nowhere_allowed)
{
    static const char header[] = "{\"a\":" TENSOR "} ";
    char changed[sizeof header];
    for (size_t i = 0; i < sizeof header - 1; i++) {
        memcpy(changed, header, sizeof header);
        changed[i] = 0;
        expect_refused(changed, sizeof header - 1, 4, DUALPROP_ERROR_FORMAT, "header");
    }
}
END_TEST

START_TEST(an_escaped_name_is_found)
{
    static const char header[] = "{\"\\ud83d\\ude42 \\u20ac \\u00fc \\\"\\\\\\/\\b\\f\\n\\r\\t\":" TENSOR "}";
    dualprop_checkpoint *checkpoint = expect_read(header, sizeof header - 1, 4);
    dualprop_view view;
    expect_ok(dualprop_checkpoint_find(&view, checkpoint, "\xf0\x9f\x99\x82 \xe2\x82\xac \xc3\xbc \"\\/\b\f\n\r\t"));
    dualprop_checkpoint_destroy(checkpoint);
}
END_TEST

/* ---- limits, on both sides ---- */

/* Write `count` tensors without elements, each name of `name_length` bytes; gives the length. */
static size_t write_tensors(char *to, int count, int name_length)
{
    size_t length = 0;
    to[length++] = '{';
    for (int i = 0; i < count; i++)
        length += (size_t)sprintf(to + length,
                                  "%s\"%0*d\":{\"dtype\":\"F32\",\"shape\":[0,0,0,0,0,0,0,0],\"data_offsets\":[0,0]}",
                                  i > 0 ? "," : "", name_length, i);
    to[length++] = '}';
    return length;
}

START_TEST(limits_hold_for_reading)
{
    char header[8192];
    size_t length = write_tensors(header, 3, 1024), size;
    dualprop_checkpoint_destroy(expect_read(header, length, 0));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 3));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, length));
    dualprop_checkpoint_destroy(expect_read(header, length, 0));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 2));
    expect_refused(header, length, 0, DUALPROP_ERROR_LIMIT, "tensors");
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 3));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, length - 1));
    expect_refused(header, length, 0, DUALPROP_ERROR_LIMIT, "header");
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, length));
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_NAME_BYTES, 1023));
    expect_refused(header, length, 0, DUALPROP_ERROR_LIMIT, "1024 bytes");
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_NAME_BYTES, 1024));
    length = write_tensors(header, 3, 1025);
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_HEADER_BYTES, length));
    expect_refused(header, length, 0, DUALPROP_ERROR_LIMIT, "1025 bytes");
    size = make_file("{}", 2, 0);
    dualprop_checkpoint *checkpoint = NULL;
    scratch_folder folder = scratch_folder_create();
    scratch_write(folder.file, made, size);
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_FILE_BYTES, size));
    expect_ok(dualprop_checkpoint_read(&checkpoint, context, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    expect_ok(dualprop_context_set_limit(context, DUALPROP_LIMIT_FILE_BYTES, size - 1));
    expect_error(dualprop_checkpoint_read(&checkpoint, context, folder.file), DUALPROP_ERROR_LIMIT, "model");
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- the largest header there may be ---- */

enum { LARGE = 16 << 20 };

/* A reader whose time grows faster than its text would not come back from these: the runner's own guard would end
 * it. */
static void expect_quick_answer(const char *bytes, size_t header_size, dualprop_status expected)
{
    dualprop_checkpoint *checkpoint = NULL;
    dualprop_status status = dualprop_checkpoint_read_memory(&checkpoint, context, bytes, 8 + header_size);
    ck_assert_msg(status == expected, "%s", dualprop_status_name(status));
    dualprop_checkpoint_destroy(checkpoint);
}

static void fill(char *to, size_t size, const char *start, const char *unit, const char *end)
{
    size_t length = strlen(start), step = strlen(unit), last = strlen(end);
    memset(to, ' ', size);
    memcpy(to, start, length);
    for (; length + step + last <= size; length += step) memcpy(to + length, unit, step);
    memcpy(to + length, end, last);
}

static const struct {
    const char *start, *unit, *end;
    dualprop_status status;
} large_headers[] = {
    { "{", " ", "}", DUALPROP_OK },
    { "{\"a\":", "[", "", DUALPROP_ERROR_FORMAT },
    { "{\"a\":", "{\"a\":", "", DUALPROP_ERROR_FORMAT },
    { "{\"a\":[", "0,", "0]}", DUALPROP_ERROR_FORMAT },
    { "{\"a\":[", "[],", "0]}", DUALPROP_ERROR_FORMAT },
    { "{\"a\":{\"note\":[0", ",0", "],\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", DUALPROP_OK },
    { "{\"", "n", "\":0}", DUALPROP_ERROR_FORMAT },
    { "{\"", "\\u0041", "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", DUALPROP_ERROR_LIMIT },
    { "{\"__metadata__\":{\"k\":\"", "\\u00e9", "\"}}", DUALPROP_OK },
    { "{\"__metadata__\":{\"k\":\"", "\\\"", "\"}}", DUALPROP_OK },
    { "{\"__metadata__\":{\"k\":\"", "t", "", DUALPROP_ERROR_FORMAT },
    { "{\"a\":", "9", "}", DUALPROP_ERROR_FORMAT },
    { "{\"a\":1", ",\"a\":1", "}", DUALPROP_ERROR_FORMAT },
};
enum { LARGE_HEADERS = sizeof large_headers / sizeof *large_headers };

START_TEST(time_and_memory_are_bounded)
{
    char *bytes = malloc(8 + LARGE);
    uint64_t peak;
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)LARGE >> 8 * i & 0xff);
    fill(bytes + 8, LARGE, large_headers[_i].start, large_headers[_i].unit, large_headers[_i].end);
    expect_quick_answer(bytes, LARGE, large_headers[_i].status);
    expect_ok(dualprop_context_memory(NULL, &peak, NULL, context));
    ck_assert_uint_le(peak, 2 * (uint64_t)LARGE + (1 << 20));
    free(bytes);
}
END_TEST

START_TEST(the_most_tensors_there_may_be)
{
    enum { MOST = 65536 };
    char *bytes = malloc(LARGE);
    ck_assert_ptr_nonnull(bytes);
    for (int count = MOST; count <= MOST + 1; count++) {
        size_t length = write_tensors(bytes + 8, count, 8);
        ck_assert_uint_lt(length, LARGE);
        for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)length >> 8 * i & 0xff);
        expect_quick_answer(bytes, length, count > MOST ? DUALPROP_ERROR_LIMIT : DUALPROP_OK);
    }
    free(bytes);
}
END_TEST

/* ---- the corpus of the fuzzer ---- */

#define CORPUS "tests/fuzz/corpus/checkpoint"

static void read_and_use(const char *path)
{
    size_t size;
    char *bytes = scratch_read(path, &size);
    dualprop_checkpoint *checkpoint = NULL;
    saved_model model = { .precision = DUALPROP_F32 };
    dualprop_status status = read_exactly(&checkpoint, bytes, size);
    if (status == DUALPROP_OK) status = saved_model_get(&model, checkpoint);
    ck_assert_msg(status == DUALPROP_OK || status == DUALPROP_ERROR_FORMAT || status == DUALPROP_ERROR_CORRUPT,
                  "%s: %s", path, dualprop_status_name(status));
    saved_model_destroy(&model);
    dualprop_checkpoint_destroy(checkpoint);
    free(bytes);
}

START_TEST(every_file_that_was_once_trouble)
{
    DIR *open = opendir(CORPUS);
    int count = 0;
    if (!open) {
        test_skip("the fuzzer's corpus is not in " CORPUS ": run the tests from the root of the project");
        return;
    }
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[512];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, CORPUS "/%s", entry->d_name);
        read_and_use(path);
        count++;
    }
    closedir(open);
    ck_assert_int_gt(count, 20);
}
END_TEST

/* ---- the texts that describe a network, a rule and an optimizer ---- */

/* Copy a text of a checkpoint file and replace one piece of it. */
static int replace_in_text(char *text, size_t room, const char *from, const char *to)
{
    char *at = strstr(text, from);
    if (!at || strlen(text) - strlen(from) + strlen(to) >= room) return 0;
    memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, strlen(to));
    return 1;
}

/* An activation that might have been registered by the program that wrote the file. */
#define UNKNOWN_ACTIVATION "\\\"leaky_relx\\\""

/* A checkpoint's file whose texts say something else, its checksums taken out. The new piece is as long as the old. */
static const struct {
    const char *from, *to;
    /* clang-format off */
} texts[] = {
    { "\\\"kind\\\":\\\"dense\\\"", "\\\"kind\\\":\\\"horse\\\"" }, { "\\\"outputs\\\":9", "\\\"outputs\\\":8" },
    { "\\\"outputs\\\":9", "\\\"outputs\\\":0" }, { "\\\"outputs\\\":9", "\\\"outputs\\\":x" },
    { "\\\"leaky-relu\\\"", UNKNOWN_ACTIVATION }, { "\\\"leaky-relu\\\"", "12345678901234" },
    { "\\\"layers\\\":[", "\\\"layerz\\\":[" }, { "[2,3,2]", "[2,3,3]" }, { "[2,3,2]", "[0,3,2]" },
    { "[2,3,2]", "[2,3.2]" }, { "[2,3,2]", "[2,3,2," },
    { "\\\"f32\\\"", "\\\"f64\\\"" }, { "\\\"f32\\\"", "\\\"f16\\\"" },
    { "\\\"passes\\\":6", "\\\"passes\\\":0" }, { "\\\"beta\\\":-0.1", "\\\"beta\\\":x0.1" },
    { "\\\"alpha\\\":0.", "\\\"alpha\\\":9." }, { "\\\"dp-adjoint\\\"", "\\\"dp-adjoinx\\\"" },
    { "\\\"adam\\\"", "\\\"adem\\\"" },
    { "\\\"steps\\\":2", "\\\"stepz\\\":2" }, { "\\\"steps\\\":2", "\\\"steps\\\":-" },
    { "\\\"warmup\\\":3", "\\\"warmup\\\":x" }, { "\\\"variant\\\"", "\\\"varianx\\\"" },
    { "\\\"mean\\\":[", "\\\"mean\\\":{" }, { "\\\"mean\\\":[0", "\\\"mean\\\":[x" }, { "[0.69", "[-1.9" },
    /* clang-format on */
};
enum { TEXTS = sizeof texts / sizeof *texts };

START_TEST(texts_that_say_something_else)
{
    size_t size;
    uint32_t parameters;
    unsigned char *bytes = good_file(&size, &parameters);
    size_t header_size = data_start(bytes) - 8;
    char *header = calloc(1, header_size + 1);
    ck_assert_ptr_nonnull(header);
    memcpy(header, bytes + 8, header_size);
    ck_assert(replace_in_text(header, header_size + 1, "crc32_texts", "crc32_textz"));
    if (!replace_in_text(header, header_size + 1, texts[_i].from, texts[_i].to))
        ck_abort_msg("no %s in %s", texts[_i].from, header);
    ck_assert_uint_eq(strlen(header), header_size);
    memcpy(bytes + 8, header, header_size);
    dualprop_checkpoint *checkpoint = NULL;
    saved_model model = { .precision = DUALPROP_F32 };
    expect_ok(read_exactly(&checkpoint, bytes, size));
    dualprop_status status = saved_model_get(&model, checkpoint);
    int is_unknown = strcmp(texts[_i].to, UNKNOWN_ACTIVATION) == 0;
    ck_assert_msg(status == (is_unknown ? DUALPROP_ERROR_UNSUPPORTED : DUALPROP_ERROR_FORMAT), "%s for %s: %s",
                  texts[_i].to, texts[_i].from, dualprop_status_name(status));
    saved_model_destroy(&model);
    dualprop_checkpoint_destroy(checkpoint);
    free(header);
    free(bytes);
}
END_TEST

/* Where a value ends that begins here, in a text whose quotes are escaped. */
static size_t end_of_value(const char *header, size_t at)
{
    int depth = 0;
    if (header[at] == '\\') return (size_t)(strstr(header + at + 2, "\\\"") + 2 - header);
    do {
        if (header[at] == '[' || header[at] == '{') depth++;
        if (header[at] == ']' || header[at] == '}') depth--;
        at++;
    } while (depth > 0 || !strchr(",]}\"", header[at]));
    return at;
}

static int is_value(const char *header, size_t at)
{
    return (at >= 3 && memcmp(header + at - 3, "\\\":", 3) == 0) || header[at - 1] == '[' ||
           (header[at - 1] == ',' && header[at] != '\\' && header[at] != '"');
}

/* What may stand in place of a value. */
static const char *const strangers[] = {
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1.5",
    "-0.0",
    "1e300",
    "3000000000",
    "9007199254740993",
    "99999999999999999999",
    "\\\"\\\"",
    "\\\"horse\\\"",
    "[]",
    "{}",
    "[0,1,2,3,4,5,6,7,8,9]",
    "[[[[",
    "",
    "1,\\\"a\\\":1",
    "1,\\\"steps\\\":1",
    "1e999",
};
enum { STRANGERS = sizeof strangers / sizeof *strangers };

static dualprop_status load_with(const unsigned char *bytes, size_t size, const char *header, size_t at,
                                 const char *stranger, saved_model *model)
{
    dualprop_checkpoint *checkpoint = NULL;
    size_t length = strlen(header), end = end_of_value(header, at), added = strlen(stranger);
    size_t header_size = length - (end - at) + added, data = size - data_start(bytes);
    unsigned char *file = malloc(8 + header_size + data);
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)(header_size >> 8 * i & 0xff);
    memcpy(file + 8, header, at);
    memcpy(file + 8 + at, stranger, added);
    memcpy(file + 8 + at + added, header + end, length - end);
    memcpy(file + 8 + header_size, bytes + size - data, data);
    dualprop_status status = read_exactly(&checkpoint, file, 8 + header_size + data);
    if (status == DUALPROP_OK) status = saved_model_get(model, checkpoint);
    dualprop_checkpoint_destroy(checkpoint);
    free(file);
    return status;
}

static void save_and_load_again(saved_model *model)
{
    dualprop_checkpoint *checkpoint;
    saved_model again = { .precision = DUALPROP_F32 };
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(saved_model_put(checkpoint, model));
    expect_ok(saved_model_get(&again, checkpoint));
    saved_model_destroy(&again);
    dualprop_checkpoint_destroy(checkpoint);
}

/* Every value of every text in turn is another one: it is refused, or as good as one of ours. */
START_TEST(any_value_in_any_place)
{
    size_t size, header_size, values = 0, refused = 0;
    uint32_t parameters;
    unsigned char *bytes = good_file(&size, &parameters);
    header_size = data_start(bytes) - 8;
    char *header = calloc(1, header_size + 1);
    ck_assert_ptr_nonnull(header);
    memcpy(header, bytes + 8, header_size);
    ck_assert(replace_in_text(header, header_size + 1, "crc32_texts", "crc32_textz"));
    for (size_t at = 1; at < header_size; at++) {
        if (!is_value(header, at)) continue;
        saved_model model = { .precision = DUALPROP_F32 };
        dualprop_status status = load_with(bytes, size, header, at, strangers[_i], &model);
        if (status != DUALPROP_OK && status != DUALPROP_ERROR_FORMAT && status != DUALPROP_ERROR_NOT_FINITE &&
            status != DUALPROP_ERROR_UNSUPPORTED)
            ck_abort_msg("%s for %.30s: %s", strangers[_i], header + at, dualprop_status_name(status));
        if (status == DUALPROP_OK) save_and_load_again(&model);
        saved_model_destroy(&model);
        values++, refused += status != DUALPROP_OK;
    }
    ck_assert_uint_gt(values, 100);
    ck_assert_uint_gt(refused, values / 2);
    free(header);
    free(bytes);
}
END_TEST

Suite *test_hostile_files_suite(void)
{
    Suite *suite = suite_create("hostile_files");
    TCase *tests = tcase_create("hostile_files");
    tcase_add_checked_fixture(tests, make_context, remove_context);
    tcase_add_test(tests, every_length_is_refused);
    tcase_add_test(tests, bytes_behind_the_data_are_refused);
    tcase_add_loop_test(tests, every_bit_is_found_or_harmless, 0, SLICES);
    tcase_add_test(tests, lengths_that_lie);
    tcase_add_loop_test(tests, headers_by_hand, 0, HEADERS);
    tcase_add_test(tests, a_zero_byte_is_nowhere_allowed);
    tcase_add_test(tests, an_escaped_name_is_found);
    tcase_add_test(tests, limits_hold_for_reading);
    tcase_add_loop_test(tests, time_and_memory_are_bounded, 0, LARGE_HEADERS);
    tcase_add_test(tests, the_most_tensors_there_may_be);
    tcase_add_test(tests, every_file_that_was_once_trouble);
    tcase_add_loop_test(tests, texts_that_say_something_else, 0, TEXTS);
    tcase_add_loop_test(tests, any_value_in_any_place, 0, STRANGERS);
    suite_add_tcase(suite, tests);
    return suite;
}
