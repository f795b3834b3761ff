/*
 * json_parse.c - JSON text from an untrusted source, read in place.
 */
#include <errno.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/platform/platform.h"
#include "json_text.h"

dualprop__json dualprop__json_of(const dualprop_context *context, const char *source, const char *what,
                                 const char *text, size_t length)
{
    return (dualprop__json){ context, source, what, text, text, text + length };
}

dualprop_status dualprop__json_refuse(const dualprop__json *json, const char *expected)
{
    return dualprop__fail(json->context, DUALPROP_ERROR_FORMAT, "%s: the %s is not as expected: byte %zu: %s",
                          json->source, json->what, (size_t)(json->at - json->start), expected);
}

/* A zero byte is nowhere allowed, and so can stand for the end. */
char dualprop__json_peek(dualprop__json *json)
{
    while (json->at < json->end && memchr(" \t\r\n", *json->at, 4)) json->at++;
    return json->at < json->end ? *json->at : 0;
}

static int step_over(dualprop__json *json, char byte)
{
    if (dualprop__json_peek(json) != byte) return 0;
    json->at++;
    return 1;
}

/* ---- strings ---- */

dualprop_status dualprop__json_string(dualprop__json *json, const char **text, size_t *length)
{
    if (!step_over(json, '"')) return dualprop__json_refuse(json, "expected a text in quotes");
    const char *at = json->at;
    while (at < json->end && *at != '"') {
        if ((unsigned char)*at < 0x20) return dualprop__json_refuse(json, "a string with a control byte in it");
        at += *at == '\\' && at + 1 < json->end ? 2 : 1;
    }
    if (at >= json->end) return dualprop__json_refuse(json, "a string that does not end");
    *text = json->at;
    *length = (size_t)(at - json->at);
    json->at = at + 1;
    return DUALPROP_OK;
}

dualprop_status dualprop__json_key(dualprop__json *json, const char **text, size_t *length)
{
    if (dualprop__json_peek(json) != '"') return dualprop__json_refuse(json, "expected a name in quotes");
    DUALPROP__TRY(dualprop__json_string(json, text, length));
    return step_over(json, ':') ? DUALPROP_OK : dualprop__json_refuse(json, "expected ':'");
}

/* The number of four hexadecimal digits, or -1. */
static int32_t four_digits(const char *at, const char *end)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    int32_t number = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char *digit = memchr(digits, at[i], sizeof digits - 1);
        if (!digit) return -1;
        number = number << 4 | (int32_t)(digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    return number;
}

/* Decode what follows a backslash into bytes[4]; gives their number. 0: it stands for nothing, or for a zero. */
static int decode_escape(char bytes[4], const char **at, const char *end)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    static const unsigned char first[] = { 0, 0xc0, 0xe0, 0xf0 };
    char escape = *(*at)++;
    const char *found = memchr(escapes, escape, sizeof escapes - 1);
    if (found) bytes[0] = meanings[found - escapes];
    if (found) return 1;
    if (escape != 'u') return 0;
    int32_t number = four_digits(*at, end);
    *at += number < 0 ? 0 : 4;
    if (number >= 0xd800 && number < 0xdc00) { /* the first half of a pair */
        int32_t low = end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? four_digits(*at + 2, end) : -1;
        if (low < 0xdc00 || low >= 0xe000) return 0;
        number = 0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    if (number <= 0 || (number >= 0xd800 && number < 0xe000)) return 0;
    int more = number < 0x80 ? 0 : number < 0x800 ? 1 : number < 0x10000 ? 2 : 3;
    bytes[0] = (char)(first[more] | (unsigned)number >> 6 * more);
    for (int i = 1; i <= more; i++) bytes[i] = (char)(0x80 | ((unsigned)number >> 6 * (more - i) & 0x3f));
    return more + 1;
}

/* No escape is shorter than what it stands for, so that decoding in place never catches up with what is read. */
dualprop_status dualprop__json_decode(char *to, size_t size, const dualprop__json *json, const char *text,
                                      size_t length)
{
    char *next = to;
    for (const char *at = text, *end = text + length; at < end;) {
        char bytes[4] = { *at };
        int count = 1;
        if (*at++ == '\\') count = decode_escape(bytes, &at, end);
        if (count == 0) return dualprop__json_refuse(json, "before it, a string with an unknown escape");
        if ((size_t)count >= size - (size_t)(next - to))
            return dualprop__json_refuse(json, "before it, a name that is too long");
        memcpy(next, bytes, (size_t)count);
        next += count;
    }
    *next = '\0';
    return dualprop__utf8_valid(to) ? DUALPROP_OK : dualprop__json_refuse(json, "before it, a string that is no UTF-8");
}

/* ---- numbers and words ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

/*
 * The end of the number that begins here, by JSON's grammar, or NULL. `whole`: without fraction and exponent. A number
 * is followed by something, the text being an object, so that strtod() ends where this does.
 */
static const char *number_end(int *whole, const dualprop__json *json)
{
    const char *end = json->end, *digits = json->at + (json->at < end && *json->at == '-');
    const char *at = skip_digits(digits, end);
    if (at == digits || (*digits == '0' && at > digits + 1)) return NULL;
    *whole = 1;
    if (at < end && *at == '.') {
        digits = at + 1;
        at = skip_digits(digits, end);
        *whole = 0;
        if (at == digits) return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        digits = at + 1;
        if (digits < end && (*digits == '+' || *digits == '-')) digits++;
        at = skip_digits(digits, end);
        *whole = 0;
        if (at == digits) return NULL;
    }
    return at < end && !strchr("0123456789+-.eE", *at) ? at : NULL;
}

dualprop_status dualprop__json_integer(dualprop__json *json, int64_t *value)
{
    int whole = 0, before = errno;
    dualprop__json_peek(json);
    const char *end = number_end(&whole, json);
    if (!end || !whole) return dualprop__json_refuse(json, "expected a whole number");
    errno = 0;
    long long number = strtoll(json->at, NULL, 10);
    int overflow = errno == ERANGE;
    errno = before;
    if (overflow) return dualprop__json_refuse(json, "a whole number that does not fit into 64 bits");
    json->at = end;
    *value = number;
    return DUALPROP_OK;
}

/*
 * In the C locale, whichever the host has chosen: glibc and musl have that one ready. A number that is too large raises
 * an overflow, which a host may have asked to trap: it is held.
 */
dualprop_status dualprop__json_real(dualprop__json *json, double *value)
{
    int whole, rounding, before = errno;
    dualprop__json_peek(json);
    const char *end = number_end(&whole, json);
    if (!end) return dualprop__json_refuse(json, "expected a number");
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    DUALPROP__REQUIRE(json->context, plain, DUALPROP_ERROR_NO_MEMORY, "out of memory for the %s of %s", json->what,
                      json->source);
    fenv_t traps;
    feholdexcept(&traps);
    dualprop__float_mode mode = dualprop__float_mode_enter_default(&rounding);
    double number = strtod_l(json->at, NULL, plain);
    dualprop__float_mode_leave(mode, rounding);
    fesetenv(&traps);
    freelocale(plain);
    errno = before;
    if (!isfinite(number)) return dualprop__json_refuse(json, "a number that is too large");
    json->at = end;
    *value = number;
    return DUALPROP_OK;
}

/* Is this word next? */
static int step_over_word(dualprop__json *json, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) return 0;
    json->at += length;
    return 1;
}

dualprop_status dualprop__json_boolean(dualprop__json *json, int *value)
{
    dualprop__json_peek(json);
    *value = step_over_word(json, "true");
    return *value || step_over_word(json, "false") ? DUALPROP_OK
                                                   : dualprop__json_refuse(json, "expected true or false");
}

/* ---- objects and arrays ---- */

dualprop_status dualprop__json_enter(dualprop__json *json, char bracket)
{
    if (step_over(json, bracket)) return DUALPROP_OK;
    return dualprop__json_refuse(json, bracket == '{' ? "expected '{'" : "expected '['");
}

dualprop_status dualprop__json_next(int *more, dualprop__json *json, char bracket, int first)
{
    char byte = dualprop__json_peek(json), close = bracket == '{' ? '}' : ']';
    *more = byte != close;
    if (!*more) json->at++;
    if (!*more || first) return DUALPROP_OK;
    if (byte != ',') return dualprop__json_refuse(json, "expected ',' or the closing bracket");
    json->at++;
    if (dualprop__json_peek(json) != close) return DUALPROP_OK;
    return dualprop__json_refuse(json, bracket == '{' ? "expected a name in quotes" : "expected a value");
}

static dualprop_status skip_scalar(dualprop__json *json)
{
    const char *text, *end;
    size_t length;
    int whole;
    if (dualprop__json_peek(json) == '"') return dualprop__json_string(json, &text, &length);
    if (step_over_word(json, "true") || step_over_word(json, "false") || step_over_word(json, "null"))
        return DUALPROP_OK;
    end = number_end(&whole, json);
    if (!end) return dualprop__json_refuse(json, "expected a value");
    json->at = end;
    return DUALPROP_OK;
}

static dualprop_status skip_nested(dualprop__json *json, int depth)
{
    const char *text;
    size_t length;
    char bracket = dualprop__json_peek(json);
    if (bracket != '{' && bracket != '[') return skip_scalar(json);
    DUALPROP__REQUIRE(json->context, depth < DUALPROP__JSON_DEPTH, DUALPROP_ERROR_FORMAT,
                      "%s: the %s is nested more than %d deep", json->source, json->what, DUALPROP__JSON_DEPTH);
    json->at++;
    for (int more = 1, first = 1; more; first = 0) {
        DUALPROP__TRY(dualprop__json_next(&more, json, bracket, first));
        if (more && bracket == '{') DUALPROP__TRY(dualprop__json_key(json, &text, &length));
        if (more) DUALPROP__TRY(skip_nested(json, depth + 1));
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__json_skip(dualprop__json *json)
{
    return skip_nested(json, 0);
}

dualprop_status dualprop__json_finish(dualprop__json *json)
{
    dualprop__json_peek(json);
    if (json->at == json->end) return DUALPROP_OK;
    return dualprop__json_refuse(json, "expected nothing after the closing bracket");
}

/* ---- members by their names ---- */

static dualprop_status read_integers(dualprop__json *json, int64_t *values, int count)
{
    int more = 1;
    if (count == 0) return dualprop__json_integer(json, values);
    DUALPROP__TRY(dualprop__json_enter(json, '['));
    for (int i = 0; i < count; i++) {
        DUALPROP__TRY(dualprop__json_next(&more, json, '[', i == 0));
        if (!more) return dualprop__json_refuse(json, "a list that is too short");
        DUALPROP__TRY(dualprop__json_integer(json, &values[i]));
    }
    return dualprop__json_peek(json) == ']' ? dualprop__json_next(&more, json, '[', 0)
                                            : dualprop__json_refuse(json, "a list that is too long");
}

static dualprop_status read_member(const dualprop__json_member *member, dualprop__json *json)
{
    const char *text;
    size_t length;
    switch (member->kind) {
    case DUALPROP__JSON_TEXT:
        DUALPROP__TRY(dualprop__json_string(json, &text, &length));
        return dualprop__json_decode(member->to, DUALPROP__JSON_WORD, json, text, length);
    case DUALPROP__JSON_INTEGER: return read_integers(json, member->to, member->count);
    case DUALPROP__JSON_REAL: return dualprop__json_real(json, member->to);
    case DUALPROP__JSON_BOOLEAN: return dualprop__json_boolean(json, member->to);
    default: *(dualprop__json *)member->to = *json; return dualprop__json_skip(json);
    }
}

static dualprop_status refuse_member(const dualprop__json *json, const char *name, const char *reason)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "member %.60s %s", name, reason);
    dualprop__utf8_mend(sentence);
    for (char *at = sentence; *at; at++)
        if ((unsigned char)*at < 0x20) *at = '?';
    return dualprop__json_refuse(json, sentence);
}

dualprop_status dualprop__json_members(dualprop__json *json, const dualprop__json_member *members, int count)
{
    uint32_t seen;
    return dualprop__json_seen_members(&seen, json, members, count);
}

dualprop_status dualprop__json_seen_members(uint32_t *out, dualprop__json *json, const dualprop__json_member *members,
                                            int count)
{
    uint32_t seen = 0;
    int more = 1;
    if (dualprop__json_peek(json) != '{') return dualprop__json_refuse(json, "expected '{'");
    json->at++;
    for (int first = 1;; first = 0) {
        const char *text;
        size_t length;
        char name[DUALPROP__JSON_WORD];
        int i = 0;
        DUALPROP__TRY(dualprop__json_next(&more, json, '{', first));
        if (!more) break;
        DUALPROP__TRY(dualprop__json_key(json, &text, &length));
        DUALPROP__TRY(dualprop__json_decode(name, sizeof name, json, text, length));
        while (i < count && strcmp(members[i].name, name) != 0) i++;
        if (i == count) return refuse_member(json, name, "is unknown");
        if (seen & UINT32_C(1) << i) return refuse_member(json, name, "occurs twice");
        seen |= UINT32_C(1) << i;
        DUALPROP__TRY(read_member(&members[i], json));
    }
    *out = seen;
    for (int i = 0; i < count; i++)
        if (!members[i].optional && !(seen & UINT32_C(1) << i))
            return refuse_member(json, members[i].name, "is missing");
    return DUALPROP_OK;
}
