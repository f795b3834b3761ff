/*
 * checkpoint_json.c - see checkpoint_json.h.
 */
#include "checkpoint_json.h"

#include <string.h>

dualprop_status dualprop__checkpoint_dump(dualprop_checkpoint *checkpoint, const char *name,
                                          dualprop__json_writer *writer)
{
    dualprop__text *text = NULL;
    if (writer->status == DUALPROP_OK) text = dualprop__text_create(checkpoint->context, name, writer->text);
    dualprop__release(checkpoint->context, writer->text);
    DUALPROP__TRY(writer->status);
    return dualprop__checkpoint_put_text(checkpoint, text);
}

/* Gone through once before anything is taken from it: it is an object, nested no deeper than allowed, and all of it. */
dualprop_status dualprop__checkpoint_load(dualprop__json *json, const dualprop_checkpoint *checkpoint, const char *name)
{
    const char *text = dualprop__checkpoint_text(checkpoint, name);
    DUALPROP__REQUIRE(checkpoint->context, text, DUALPROP_ERROR_FORMAT, "%s: there is no text \"%s\" in it",
                      checkpoint->source, name);
    *json = dualprop__json_of(checkpoint->context, checkpoint->source, name, text, strlen(text));
    dualprop__json whole = *json;
    if (dualprop__json_peek(&whole) != '{') return dualprop__json_refuse(&whole, "expected '{'");
    DUALPROP__TRY(dualprop__json_skip(&whole));
    return dualprop__json_finish(&whole);
}

dualprop_status dualprop__checkpoint_choice(int *value, const dualprop_checkpoint *checkpoint, const char *text,
                                            int group, const char *name)
{
    if (dualprop_from_name(value, group, name) == DUALPROP_OK) return DUALPROP_OK;
    return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT, "%s: the text \"%s\" has the unknown choice %s",
                          checkpoint->source, text, dualprop__quote(name).text);
}

dualprop_status dualprop__checkpoint_accept(const dualprop_checkpoint *checkpoint, const char *text,
                                            dualprop_status status)
{
    char sentence[256] = "";
    if (status != DUALPROP_ERROR_INVALID_ARGUMENT && status != DUALPROP_ERROR_RANGE) return status;
    DUALPROP__TRY_ALWAYS(dualprop_last_error(sentence, sizeof sentence, NULL, NULL)); /* of no context */
    return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT, "%s: the text \"%s\" is refused: %s",
                          checkpoint->source, text, sentence);
}

void dualprop__json_text_member(dualprop__json_writer *writer, const char *key, const char *text)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_put_text(writer, text);
}

void dualprop__json_integer_member(dualprop__json_writer *writer, const char *key, int64_t value)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_put_integer(writer, value);
}

void dualprop__json_real_member(dualprop__json_writer *writer, const char *key, double value)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_put_real(writer, value);
}
