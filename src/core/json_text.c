/*
 * json_text.c - see json_text.h.
 */
#include "json_text.h"

#include <string.h>

dualprop__json_limits dualprop__json_limits_of(const dualprop_context *context)
{
    uint64_t tensors = context->limits[DUALPROP_LIMIT_TENSORS], values;
    /* A tensor has at most 8 extents, 2 offsets, its type and 4 containers; the rest is for texts. */
    if (!DUALPROP__MULTIPLY(&values, tensors, 16) || !DUALPROP__ADD(&values, values, 4096)) values = UINT64_MAX;
    return (dualprop__json_limits){ context->limits[DUALPROP_LIMIT_NAME_BYTES], values };
}

/* ---- the linear look ---- */

struct look {
    const dualprop_context *context;
    const char *source, *what;
    const char *text, *end;
    const dualprop__json_limits *limits;
    int depth;
    uint64_t values;
};

/* Give the closing quote of the string that begins at `at`, or NULL. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at : NULL;
}

static int is_key(const char *after, const char *end)
{
    while (after < end && memchr(" \t\r\n", *after, 4)) after++;
    return after < end && *after == ':';
}

/* Pass over a string. An escape takes at most 6 bytes for one, so a longer key than that is too long for certain. */
static dualprop_status look_at_string(const char **at, const struct look *look)
{
    const char *close = string_end(*at, look->end);
    DUALPROP__REQUIRE(look->context, close, DUALPROP_ERROR_FORMAT, "%s: the %s ends inside a string", look->source,
                      look->what);
    uint64_t length = (uint64_t)(close - *at) - 1;
    DUALPROP__REQUIRE(look->context, length / 6 <= look->limits->key_bytes || !is_key(close + 1, look->end),
                      DUALPROP_ERROR_LIMIT, "%s: the %s has a name of %llu bytes; expected at most %llu", look->source,
                      look->what, (unsigned long long)length, (unsigned long long)look->limits->key_bytes);
    *at = close;
    return DUALPROP_OK;
}

static dualprop_status look_at_byte(struct look *look, char byte)
{
    if (byte == '{' || byte == '[') look->depth++;
    if (byte == '}' || byte == ']') look->depth--;
    if (byte == '{' || byte == '[' || byte == ',') look->values++;
    DUALPROP__REQUIRE(look->context, look->depth >= 0, DUALPROP_ERROR_FORMAT,
                      "%s: the %s closes a bracket that was never opened", look->source, look->what);
    DUALPROP__REQUIRE(look->context, look->depth <= DUALPROP__JSON_DEPTH, DUALPROP_ERROR_FORMAT,
                      "%s: the %s is nested more than %d deep", look->source, look->what, DUALPROP__JSON_DEPTH);
    DUALPROP__REQUIRE(look->context, look->values <= look->limits->values, DUALPROP_ERROR_LIMIT,
                      "%s: the %s has more than %llu values, by the context's limit of tensors", look->source,
                      look->what, (unsigned long long)look->limits->values);
    return DUALPROP_OK;
}

static dualprop_status look_through(struct look *look)
{
    for (const char *at = look->text; at < look->end; at++) {
        if (*at == '"') DUALPROP__TRY(look_at_string(&at, look));
        else DUALPROP__TRY(look_at_byte(look, *at));
    }
    return DUALPROP_OK;
}

/* ---- parsing ---- */

/* jansson reports some failed allocations as a bad token. Ask its allocator whether there is memory at all. */
static int memory_is_out(void)
{
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    void *probe = allocate(64);
    if (probe) release(probe);
    return probe == NULL;
}

dualprop_status dualprop__json_fail(const dualprop_context *context, const char *source, const char *what,
                                    const json_error_t *error)
{
    if (json_error_code(error) == json_error_out_of_memory || memory_is_out())
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

dualprop_status dualprop__json_load(json_t **root, const dualprop_context *context, const char *source,
                                    const char *what, const char *text, size_t length,
                                    const dualprop__json_limits *limits)
{
    struct look look = { context, source, what, text, text + length, limits, 0, 0 };
    json_error_t error;
    DUALPROP__TRY(look_through(&look));
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    /* Once more: a single allocation that failed would else pass for a broken text. */
    if (!*root) *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    return *root ? DUALPROP_OK : dualprop__json_fail(context, source, what, &error);
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
