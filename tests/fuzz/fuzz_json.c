/*
 * fuzz_json.c - arbitrary bytes as JSON: the library's reader and jansson, which programs use, have to agree.
 *
 * What is read is written again. Where both accept a text they must have understood the same; where one refuses it, so
 * must the other, but for what the library does not allow on purpose: a text that is no object, and deep nesting.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoint/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static dualprop_status copy_value(dualprop__json_writer *to, dualprop__json *from, int depth);

static dualprop_status copy_text(dualprop__json_writer *to, dualprop__json *from, int is_key)
{
    const char *text;
    size_t length;
    DUALPROP__TRY(is_key ? dualprop__json_key(from, &text, &length) : dualprop__json_string(from, &text, &length));
    char *decoded = malloc(length + 1);
    if (!decoded) abort();
    dualprop_status status = dualprop__json_decode(decoded, length + 1, from, text, length);
    if (status == DUALPROP_OK) (is_key ? dualprop__json_put_key : dualprop__json_put_text)(to, decoded);
    free(decoded);
    return status;
}

static dualprop_status copy_members(dualprop__json_writer *to, dualprop__json *from, char bracket, int depth)
{
    if (depth > DUALPROP__JSON_DEPTH) return DUALPROP_ERROR_LIMIT;
    DUALPROP__TRY(dualprop__json_enter(from, bracket));
    dualprop__json_bracket(to, bracket);
    for (int more = 1, first = 1; more; first = 0) {
        DUALPROP__TRY(dualprop__json_next(&more, from, bracket, first));
        if (more && bracket == '{') DUALPROP__TRY(copy_text(to, from, 1));
        if (more) DUALPROP__TRY(copy_value(to, from, depth));
    }
    dualprop__json_bracket(to, bracket == '{' ? '}' : ']');
    return DUALPROP_OK;
}

/* A whole number that is too large is refused, as by jansson, and does not become a real. */
static dualprop_status copy_number(dualprop__json_writer *to, dualprop__json *from)
{
    int64_t whole;
    double real;
    if (dualprop__json_integer(from, &whole) == DUALPROP_OK) {
        dualprop__json_put_integer(to, whole);
        return DUALPROP_OK;
    }
    size_t left = (size_t)(from->end - from->at), digits = 0;
    while (digits < left && strchr("-0123456789", from->at[digits]) && from->at[digits]) digits++;
    if (digits == left || !strchr(".eE", from->at[digits])) return DUALPROP_ERROR_FORMAT;
    DUALPROP__TRY(dualprop__json_real(from, &real));
    dualprop__json_put_real(to, real);
    return DUALPROP_OK;
}

static dualprop_status copy_value(dualprop__json_writer *to, dualprop__json *from, int depth)
{
    int truth;
    char next = dualprop__json_peek(from);
    if (next == '{' || next == '[') return copy_members(to, from, next, depth + 1);
    if (next == '"') return copy_text(to, from, 0);
    if (next == 't' || next == 'f') {
        DUALPROP__TRY(dualprop__json_boolean(from, &truth));
        dualprop__json_put_word(to, truth ? "true" : "false");
        return DUALPROP_OK;
    }
    if (next != 'n') return copy_number(to, from);
    DUALPROP__TRY(dualprop__json_skip(from));
    dualprop__json_put_word(to, "null");
    return DUALPROP_OK;
}

static int depth_of(const json_t *value)
{
    int deepest = 0, depth;
    size_t i;
    const char *key;
    json_t *member;
    if (json_is_array(value))
        json_array_foreach(value, i, member) deepest = (depth = depth_of(member)) > deepest ? depth : deepest;
    else if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, key, member) deepest =
            (depth = depth_of(member)) > deepest ? depth : deepest;
    else return 0;
    return deepest + 1;
}

static void must(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void compare(const char *text, size_t size, const dualprop__json_writer *written, int accepted)
{
    json_error_t error;
    /* Of two members of one name jansson keeps one, which hides how deep the other was. */
    json_t *theirs = json_loadb(text, size, accepted ? 0 : JSON_REJECT_DUPLICATES, &error);
    if (accepted) {
        must(theirs != NULL, "jansson refuses what was read");
        json_t *again = json_loadb(written->text, written->length, 0, &error);
        must(again != NULL, "jansson refuses what was written");
        must(json_equal(theirs, again), "what was written is not what was read");
        json_decref(again);
    } else /* jansson overlooks a zero byte after a number */
        must(memchr(text, 0, size) || !json_is_object(theirs) || depth_of(theirs) > DUALPROP__JSON_DEPTH,
             "jansson reads what was refused");
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dualprop_context *context;
    dualprop__json_writer writer;
    if (context == NULL && dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL) != DUALPROP_OK) abort();
    dualprop__json json = dualprop__json_of(context, "input", "text", (const char *)data, size), skipped = json;
    dualprop__json_begin(&writer, context, 0);
    dualprop_status status =
        dualprop__json_peek(&json) == '{' ? copy_members(&writer, &json, '{', 1) : DUALPROP_ERROR_FORMAT;
    if (status == DUALPROP_OK) status = dualprop__json_finish(&json);
    if (status == DUALPROP_OK) {
        must(writer.status == DUALPROP_OK, "what was read could not be written");
        must(dualprop__json_skip(&skipped) == DUALPROP_OK && dualprop__json_finish(&skipped) == DUALPROP_OK,
             "what was read could not be stepped over");
    }
    compare((const char *)data, size, &writer, status == DUALPROP_OK);
    dualprop__release(context, writer.text);
    return 0;
}
