/*
 * checkpoint_json.c - see checkpoint_json.h.
 */
#include "checkpoint_json.h"

#include <string.h>

dualprop_status dualprop__checkpoint_dump(dualprop_checkpoint *checkpoint, const char *name, json_t *root)
{
    char *value;
    size_t length;
    DUALPROP__TRY(dualprop__json_dump(&value, &length, checkpoint->context, root, 0));
    value[length] = 0;
    dualprop__text *text = dualprop__text_create(checkpoint->context, name, value);
    dualprop__release(checkpoint->context, value);
    return dualprop__checkpoint_put_text(checkpoint, text);
}

dualprop_status dualprop__checkpoint_load(json_t **root, const dualprop_checkpoint *checkpoint, const char *name)
{
    const char *text = dualprop__checkpoint_text(checkpoint, name);
    DUALPROP__REQUIRE(checkpoint->context, text, DUALPROP_ERROR_FORMAT, "%s: there is no text \"%s\" in it",
                      checkpoint->source, name);
    /* A text has passed the limits of its header, or was never in a file. */
    dualprop__json_limits limits = { UINT64_MAX, UINT64_MAX };
    return dualprop__json_load(root, checkpoint->context, checkpoint->source, name, text, strlen(text), &limits);
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
    if (dualprop_last_error(sentence, sizeof sentence, NULL, NULL) != DUALPROP_OK) sentence[0] = 0;
    return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT, "%s: the text \"%s\" is refused: %s",
                          checkpoint->source, text, sentence);
}
