/*
 * json_text.c - see json_text.h.
 */
#include "json_text.h"

#include <stdarg.h>
#include <string.h>

dualprop__json_limits dualprop__json_limits_of(const dualprop_context *context)
{
    uint64_t tensors = context->limits[DUALPROP_LIMIT_TENSORS], values;
    /* A tensor has at most 8 extents, 2 offsets, its type and 4 containers; the rest is for texts. */
    if (!DUALPROP__MULTIPLY(&values, tensors, 16) || !DUALPROP__ADD(&values, values, 4096)) values = UINT64_MAX;
    return (dualprop__json_limits){ context->limits[DUALPROP_LIMIT_NAME_BYTES], values };
}

/* ---- taking apart ---- */

static dualprop_status fail_json(const dualprop_context *context, const char *source, const char *what,
                                 const json_error_t *error)
{
    if (json_error_code(error) == json_error_out_of_memory)
        return dualprop__fail(context, DUALPROP_ERROR_NO_MEMORY, "out of memory for the %s of %s", what, source);
    char text[JSON_ERROR_TEXT_LENGTH];
    size_t length = 0;
    for (; error->text[length] && length < sizeof text - 1; length++) {
        unsigned char byte = (unsigned char)error->text[length];
        text[length] = byte < 0x20 || byte >= 0x7f ? '?' : (char)byte;
    }
    text[length] = 0;
    return dualprop__fail(context, DUALPROP_ERROR_FORMAT, "%s: the %s is not as expected: %s", source, what, text);
}

/* What is left over is found by counting: jansson's JSON_STRICT collects its names in a buffer that it takes for
 * granted, and takes a failed allocation for an unknown name. */
dualprop_status dualprop__json_unpack(const dualprop_context *context, const char *source, const char *what,
                                      json_t *root, size_t more, const char *format, ...)
{
    size_t members = more;
    json_error_t error;
    va_list arguments;
    for (const char *at = format; *at; at++) members += *at == ':';
    va_start(arguments, format);
    int failed = json_vunpack_ex(root, &error, 0, format, arguments) != 0;
    va_end(arguments);
    if (failed) return fail_json(context, source, what, &error);
    DUALPROP__REQUIRE(context, json_object_size(root) == members, DUALPROP_ERROR_FORMAT,
                      "%s: the %s has %zu members; expected %zu", source, what, json_object_size(root), members);
    return DUALPROP_OK;
}

/* ---- writing ---- */

static dualprop_status dump(char **text, size_t *length, dualprop_context *context, const json_t *root, size_t before)
{
    size_t needed = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0, total;
    DUALPROP__REQUIRE(context, needed > 0 && DUALPROP__ADD(&total, needed, before + 8), DUALPROP_ERROR_NO_MEMORY,
                      "out of memory for writing JSON");
    char *memory = dualprop__allocate(context, total);
    if (!memory) return DUALPROP_ERROR_NO_MEMORY;
    if (json_dumpb(root, memory + before, needed, JSON_COMPACT) != needed) {
        dualprop__release(context, memory);
        return dualprop__fail(context, DUALPROP_ERROR_NO_MEMORY, "out of memory for writing JSON");
    }
    *text = memory;
    *length = needed;
    return DUALPROP_OK;
}

dualprop_status dualprop__json_dump(char **text, size_t *length, dualprop_context *context, json_t *root,
                                    size_t before)
{
    dualprop_status status = dump(text, length, context, root, before);
    json_decref(root);
    return status;
}

/* ---- UTF-8 ---- */

/* Bytes of the sequence that begins with this byte, and the smallest number it may stand for; 0: none begins so. */
static int sequence_length(uint32_t *smallest, unsigned char first)
{
    *smallest = first < 0x80 ? 0 : first < 0xe0 ? 0x80 : first < 0xf0 ? 0x800 : 0x10000;
    if (first < 0x80) return 1;
    if (first < 0xc0 || first > 0xf4) return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

int dualprop__utf8_valid(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t smallest, number;
        int length = sequence_length(&smallest, *at);
        number = length > 1 ? *at & (0x7fu >> length) : *at;
        if (length == 0) return 0;
        at++;
        /* The closing zero is no continuation byte, so the text is never left. */
        for (int i = 1; i < length; i++, at++) {
            if ((*at & 0xc0) != 0x80) return 0;
            number = number << 6 | (*at & 0x3f);
        }
        if (number < smallest || number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) return 0;
    }
    return 1;
}
