/*
 * json_text.h - JSON as jansson's values, for text from untrusted files.
 *
 * Text is read by json_parse.c, which says why, and written by jansson. Only this header's users know jansson; its
 * process-wide allocator setter is never called.
 */
#ifndef DUALPROP_CORE_JSON_TEXT_H
#define DUALPROP_CORE_JSON_TEXT_H

#include <jansson.h>

#include "core/base/base.h"

#define DUALPROP__JSON_DEPTH 4

typedef struct dualprop__json_limits {
    uint64_t key_bytes; /* of a key, decoded */
    uint64_t values;    /* of all kinds, in the whole text */
} dualprop__json_limits;

/* The limits of a context. */
dualprop__json_limits dualprop__json_limits_of(const dualprop_context *context);

/* Parse an object, in it names that occur once each; `source` and `what` ("header") name the text in sentences.
 * FORMAT, LIMIT or NO_MEMORY, in linear time. The caller releases *root with json_decref(). */
dualprop_status dualprop__json_load(json_t **root, dualprop_context *context, const char *source, const char *what,
                                    const char *text, size_t length, const dualprop__json_limits *limits);
/* Write compactly, numbers with 17 digits, into memory of the context: `before` bytes are left free in front. *length
 * counts the text alone. root may be NULL (NO_MEMORY); it is released in any case. */
dualprop_status dualprop__json_dump(char **text, size_t *length, dualprop_context *context, json_t *root,
                                    size_t before);
/* Take an object apart by a format of json_unpack() such as "{s:s, s:[I, I]}", which names all members but `more` of
 * them; what is missing, left over or of another kind is FORMAT. Texts are borrowed from root. */
dualprop_status dualprop__json_unpack(const dualprop_context *context, const char *source, const char *what,
                                      json_t *root, size_t more, const char *format, ...);
/* Is the text UTF-8, without surrogates and overlong forms? */
int dualprop__utf8_valid(const char *text);

#endif
