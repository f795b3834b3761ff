/*
 * json_parse.c - from JSON text of an untrusted file to jansson's values.
 *
 * jansson's own reader does not look whether the buffer of its lexer grew: when memory runs out inside a token it ends
 * the process or reads on behind its text. It also recurses with the depth of the text. So one pass of ours reads the
 * text, within limits on depth, names and values, and makes the values through jansson's constructors, which do report
 * a failed allocation.
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

#define LONGEST_NUMBER 63

struct parser {
    dualprop_context *context;
    const char *source, *what;
    const char *start, *at, *end;
    const dualprop__json_limits *limits;
    int depth;
    uint64_t values;
};

static dualprop_status read_value(json_t **out, struct parser *parser);

static dualprop_status refuse(const struct parser *parser, const char *reason)
{
    return dualprop__fail(parser->context, DUALPROP_ERROR_FORMAT, "%s: the %s is not as expected: byte %zu: %s",
                          parser->source, parser->what, (size_t)(parser->at - parser->start), reason);
}

static dualprop_status attach_value(json_t **out, json_t *value, const struct parser *parser)
{
    DUALPROP__REQUIRE(parser->context, value, DUALPROP_ERROR_NO_MEMORY, "out of memory for the %s of %s", parser->what,
                      parser->source);
    *out = value;
    return DUALPROP_OK;
}

/* Pass over white space. Gives the byte after it, or 0 at the end; a zero byte is nowhere allowed either. */
static char next_byte(struct parser *parser)
{
    while (parser->at < parser->end && memchr(" \t\r\n", *parser->at, 4)) parser->at++;
    return parser->at < parser->end ? *parser->at : 0;
}

/* ---- strings ---- */

/* Find the closing quote of the string that begins at parser->at. */
static dualprop_status find_end(const char **close, const struct parser *parser)
{
    const char *at = parser->at + 1;
    while (at < parser->end && *at != '"') {
        if ((unsigned char)*at < 0x20) return refuse(parser, "a string with a control byte in it");
        at += *at == '\\' ? 2 : 1;
    }
    if (at >= parser->end) return refuse(parser, "a string that does not end");
    *close = at;
    return DUALPROP_OK;
}

/* The number of four hexadecimal digits, or -1. */
static int32_t four_digits(const char *at, const char *end)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    int32_t number = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char *digit = at[i] ? strchr(digits, at[i]) : NULL;
        if (!digit) return -1;
        number = number << 4 | (int32_t)(digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    return number;
}

static char *put_utf8(char *to, int32_t number)
{
    static const unsigned char first[] = { 0, 0xc0, 0xe0, 0xf0 };
    int more = number < 0x80 ? 0 : number < 0x800 ? 1 : number < 0x10000 ? 2 : 3;
    *to++ = (char)(first[more] | (unsigned)number >> 6 * more);
    while (more-- > 0) *to++ = (char)(0x80 | ((unsigned)number >> 6 * more & 0x3f));
    return to;
}

/* Decode what follows \u; a pair of surrogates is one number. NULL: zero, or half a pair, or no digits. */
static char *decode_unicode(char *to, const char **at, const char *close)
{
    int32_t number = four_digits(*at, close);
    *at += 4;
    if (number >= 0xd800 && number < 0xdc00 && close - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        int32_t low = four_digits(*at + 2, close);
        if (low < 0xdc00 || low >= 0xe000) return NULL;
        number = 0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    if (number <= 0 || (number >= 0xd800 && number < 0xe000)) return NULL;
    return put_utf8(to, number);
}

static char *decode_escape(char *to, const char **at, const char *close)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char escape = *(*at)++;
    if (escape == 'u') return decode_unicode(to, at, close);
    const char *found = escape ? strchr(escapes, escape) : NULL;
    if (!found) return NULL;
    *to++ = meanings[found - escapes];
    return to;
}

/* Decode up to the closing quote. No escape is shorter than what it stands for. */
static dualprop_status decode(char *to, const struct parser *parser, const char *close)
{
    char *text = to;
    for (const char *at = parser->at + 1; at < close;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        to = decode_escape(to, &at, close);
        if (!to) return refuse(parser, "a string with an escape that stands for nothing");
    }
    *to = 0;
    return dualprop__utf8_valid(text) ? DUALPROP_OK : refuse(parser, "a string that is no UTF-8");
}

/* Read the string at parser->at into memory of the context. `longest` is in bytes, decoded. */
static dualprop_status read_string(char **out, struct parser *parser, uint64_t longest)
{
    const char *close = NULL;
    DUALPROP__TRY(find_end(&close, parser));
    uint64_t length = (uint64_t)(close - parser->at) - 1;
    /* An escape takes at most 6 bytes for one, so that a longer string is too long for certain. */
    DUALPROP__REQUIRE(parser->context, length / 6 <= longest, DUALPROP_ERROR_LIMIT,
                      "%s: the %s has a name of %llu bytes; expected at most %llu", parser->source, parser->what,
                      (unsigned long long)length, (unsigned long long)longest);
    char *text = dualprop__allocate(parser->context, (size_t)length + 1);
    if (!text) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = decode(text, parser, close);
    if (status == DUALPROP_OK) {
        parser->at = close + 1;
        *out = text;
    } else {
        dualprop__release(parser->context, text);
    }
    return status;
}

static dualprop_status read_json_text(json_t **out, struct parser *parser)
{
    char *text;
    DUALPROP__TRY(read_string(&text, parser, UINT64_MAX));
    json_t *value = json_string_nocheck(text);
    dualprop__release(parser->context, text);
    return attach_value(out, value, parser);
}

/* ---- numbers and words ---- */

static const char *skip_digits(const char *at)
{
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

/* Does the whole text follow JSON's grammar of numbers? `whole`: without fraction and exponent. */
static int is_number(int *whole, const char *text)
{
    const char *digits = text + (*text == '-'), *at = skip_digits(digits);
    if (at == digits || (*digits == '0' && at > digits + 1)) return 0;
    *whole = *at == 0;
    if (*at == '.') {
        digits = at + 1;
        at = skip_digits(digits);
        if (at == digits) return 0;
    }
    if (*at == 'e' || *at == 'E') {
        digits = at + 1 + (at[1] == '+' || at[1] == '-');
        at = skip_digits(digits);
        if (at == digits) return 0;
    }
    return *at == 0;
}

static dualprop_status read_integer(json_t **out, const struct parser *parser, const char *text)
{
    int before = errno;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    int overflow = errno == ERANGE;
    errno = before;
    if (overflow) return refuse(parser, "a whole number that does not fit into 64 bits");
    return attach_value(out, json_integer(number), parser);
}

/* In the C locale, whichever the host has chosen: glibc and musl have that one ready. */
static dualprop_status read_real(json_t **out, const struct parser *parser, const char *text)
{
    int before = errno;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    DUALPROP__REQUIRE(parser->context, plain, DUALPROP_ERROR_NO_MEMORY, "out of memory for the %s of %s", parser->what,
                      parser->source);
    double number = strtod_l(text, NULL, plain);
    freelocale(plain);
    errno = before;
    if (!isfinite(number)) return refuse(parser, "a number that is too large");
    return attach_value(out, json_real(number), parser);
}

static dualprop_status read_number(json_t **out, struct parser *parser)
{
    char text[LONGEST_NUMBER + 1];
    int length = 0, whole = 0;
    while (parser->at + length < parser->end && length < LONGEST_NUMBER && parser->at[length] &&
           strchr("0123456789+-.eE", parser->at[length])) {
        text[length] = parser->at[length];
        length++;
    }
    text[length] = 0;
    if (!is_number(&whole, text)) return refuse(parser, "expected a value");
    DUALPROP__TRY(whole ? read_integer(out, parser, text) : read_real(out, parser, text));
    parser->at += length;
    return DUALPROP_OK;
}

/* Is this word next? */
static int read_word(struct parser *parser, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0) return 0;
    parser->at += length;
    return 1;
}

/* ---- objects and arrays ---- */

static dualprop_status read_member_value(json_t *object, struct parser *parser, const char *key)
{
    json_t *value;
    if (json_object_get(object, key)) return refuse(parser, "the name before occurs twice");
    if (next_byte(parser) != ':') return refuse(parser, "expected ':'");
    parser->at++;
    DUALPROP__TRY(read_value(&value, parser));
    DUALPROP__REQUIRE(parser->context, json_object_set_new_nocheck(object, key, value) == 0, DUALPROP_ERROR_NO_MEMORY,
                      "out of memory for the %s of %s", parser->what, parser->source);
    return DUALPROP_OK;
}

static dualprop_status read_member(json_t *object, struct parser *parser)
{
    char *key;
    if (next_byte(parser) != '"') return refuse(parser, "expected a name in quotes");
    DUALPROP__TRY(read_string(&key, parser, parser->limits->key_bytes));
    dualprop_status status = read_member_value(object, parser, key);
    dualprop__release(parser->context, key);
    return status;
}

static dualprop_status read_element(json_t *array, struct parser *parser)
{
    json_t *value;
    DUALPROP__TRY(read_value(&value, parser));
    DUALPROP__REQUIRE(parser->context, json_array_append_new(array, value) == 0, DUALPROP_ERROR_NO_MEMORY,
                      "out of memory for the %s of %s", parser->what, parser->source);
    return DUALPROP_OK;
}

/* Read what stands between the brackets, and the closing one. */
static dualprop_status read_members(json_t *container, struct parser *parser)
{
    char close = json_is_object(container) ? '}' : ']', byte = ',';
    parser->at++;
    if (next_byte(parser) == close) byte = close;
    while (byte == ',') {
        DUALPROP__TRY(close == '}' ? read_member(container, parser) : read_element(container, parser));
        byte = next_byte(parser);
        if (byte == ',') parser->at++;
    }
    if (byte != close) return refuse(parser, "expected ',' or the closing bracket");
    parser->at++;
    return DUALPROP_OK;
}

static dualprop_status read_container(json_t **out, struct parser *parser)
{
    json_t *container = NULL;
    DUALPROP__REQUIRE(parser->context, parser->depth < DUALPROP__JSON_DEPTH, DUALPROP_ERROR_FORMAT,
                      "%s: the %s is nested more than %d deep", parser->source, parser->what, DUALPROP__JSON_DEPTH);
    DUALPROP__TRY(attach_value(&container, *parser->at == '{' ? json_object() : json_array(), parser));
    parser->depth++;
    dualprop_status status = read_members(container, parser);
    parser->depth--;
    if (status == DUALPROP_OK) *out = container;
    else json_decref(container);
    return status;
}

/* ---- the whole text ---- */

static dualprop_status read_value(json_t **out, struct parser *parser)
{
    char byte = next_byte(parser);
    DUALPROP__REQUIRE(parser->context, parser->values++ < parser->limits->values, DUALPROP_ERROR_LIMIT,
                      "%s: the %s has more than %llu values, by the context's limit of tensors", parser->source,
                      parser->what, (unsigned long long)parser->limits->values);
    if (byte == '{' || byte == '[') return read_container(out, parser);
    if (byte == '"') return read_json_text(out, parser);
    if (read_word(parser, "true")) return attach_value(out, json_true(), parser);
    if (read_word(parser, "false")) return attach_value(out, json_false(), parser);
    if (read_word(parser, "null")) return attach_value(out, json_null(), parser);
    return read_number(out, parser);
}

dualprop_status dualprop__json_load(json_t **root, dualprop_context *context, const char *source, const char *what,
                                    const char *text, size_t length, const dualprop__json_limits *limits)
{
    struct parser parser = { context, source, what, text, text, text + length, limits, 0, 0 };
    json_t *value;
    if (next_byte(&parser) != '{') return refuse(&parser, "expected '{'");
    DUALPROP__TRY(read_value(&value, &parser));
    next_byte(&parser);
    if (parser.at == parser.end) {
        *root = value;
        return DUALPROP_OK;
    }
    json_decref(value);
    return refuse(&parser, "expected nothing after the closing bracket");
}
