/*
 * json_text.c - JSON text written compactly: the same contents give the same bytes.
 */
#include "json_text.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "core/platform/platform.h"

static int make_json_room(dualprop__json_writer *writer, size_t more)
{
    size_t needed, capacity;
    if (writer->status != DUALPROP_OK) return 0;
    if (more < writer->capacity - writer->length) return 1; /* and a NUL */
    writer->status = DUALPROP_ERROR_NO_MEMORY;
    if (!DUALPROP__ADD(&needed, more, writer->length + 64) || !DUALPROP__MULTIPLY(&capacity, needed, 2)) return 0;
    char *text = dualprop__allocate(writer->context, capacity);
    if (!text) return 0;
    if (writer->text) memcpy(text, writer->text, writer->length);
    dualprop__release(writer->context, writer->text);
    writer->text = text;
    writer->capacity = capacity;
    writer->status = DUALPROP_OK;
    return 1;
}

static void append_json(dualprop__json_writer *writer, const char *bytes, size_t size)
{
    if (!make_json_room(writer, size)) return;
    memcpy(writer->text + writer->length, bytes, size);
    writer->length += size;
    writer->text[writer->length] = '\0';
}

/* After a value or a closing bracket another one needs a comma. */
static void separate(dualprop__json_writer *writer)
{
    if (writer->status != DUALPROP_OK || writer->length == 0) return;
    char last = writer->text[writer->length - 1];
    if (last != '\0' && last != '{' && last != '[' && last != ':') append_json(writer, ",", 1);
}

void dualprop__json_begin(dualprop__json_writer *writer, dualprop_context *context, size_t before)
{
    *writer = (dualprop__json_writer){ .context = context };
    if (make_json_room(writer, before)) writer->length = before; /* zeros, as all fresh memory */
}

void dualprop__json_bracket(dualprop__json_writer *writer, char bracket)
{
    if (bracket == '{' || bracket == '[') separate(writer);
    append_json(writer, &bracket, 1);
}

static void append_json_text(dualprop__json_writer *writer, const char *text)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    append_json(writer, "\"", 1);
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\') plain++;
        append_json(writer, text, plain);
        text += plain;
        if (!*text) break;
        const char *found = strchr(escaped, *text);
        char escape[8] = { '\\', found ? letters[found - escaped] : 'u' };
        if (!found) snprintf(escape + 2, sizeof escape - 2, "%04X", (unsigned)(unsigned char)*text);
        append_json(writer, escape, strlen(escape));
        text++;
    }
    append_json(writer, "\"", 1);
}

void dualprop__json_put_key(dualprop__json_writer *writer, const char *key)
{
    separate(writer);
    append_json_text(writer, key);
    append_json(writer, ":", 1);
}

void dualprop__json_put_text(dualprop__json_writer *writer, const char *text)
{
    separate(writer);
    append_json_text(writer, text);
}

void dualprop__json_put_integer(dualprop__json_writer *writer, int64_t value)
{
    char digits[24];
    separate(writer);
    append_json(writer, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, value));
}

/* As few characters as %.17g and still a real: 1 is 1.0, 1e+05 is 1e5. */
static void tidy(char *digits)
{
    char *exponent = strchr(digits, 'e');
    if (!exponent) {
        if (!strchr(digits, '.')) strcat(digits, ".0");
        return;
    }
    char *from = exponent + 2, *to = exponent + (exponent[1] == '-' ? 2 : 1); /* printf() writes either sign */
    while (*from == '0') from++;
    memmove(to, from, strlen(from) + 1);
}

void dualprop__json_put_real(dualprop__json_writer *writer, double value)
{
    char digits[40] = "";
    int rounding;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        writer->status = dualprop__fail(writer->context, DUALPROP_ERROR_NO_MEMORY, "out of memory for writing JSON");
        return;
    }
    locale_t before = uselocale(plain);
    dualprop__float_mode mode = dualprop__float_mode_enter_default(&rounding);
    snprintf(digits, sizeof digits, "%.17g", value);
    dualprop__float_mode_leave(mode, rounding);
    uselocale(before);
    freelocale(plain);
    tidy(digits);
    separate(writer);
    append_json(writer, digits, strlen(digits));
}

void dualprop__json_put_word(dualprop__json_writer *writer, const char *word)
{
    separate(writer);
    append_json(writer, word, strlen(word));
}

void dualprop__json_put_space(dualprop__json_writer *writer)
{
    append_json(writer, " ", 1);
}
