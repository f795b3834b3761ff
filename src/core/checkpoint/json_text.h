/*
 * json_text.h - JSON text from an untrusted source, read in place, and JSON text written.
 *
 * There is no tree of values: a reader is a place in a text, and every function checks what it passes over. So reading
 * takes no memory beside what the caller reads into, time in proportion to the text, and no more stack for a deeper one
 * (DUALPROP__JSON_DEPTH). Numbers are read and written as in the C locale, rounded to nearest, whatever the host has
 * set.
 */
#ifndef DUALPROP_CORE_JSON_TEXT_H
#define DUALPROP_CORE_JSON_TEXT_H

#include "core/base/base.h"

#define DUALPROP__JSON_DEPTH 4
#define DUALPROP__JSON_WORD 64 /* bytes of a choice's name, its NUL included */

/* ---- reading: json_parse.c ---- */

/* A place in a text. Copying it keeps the place. */
typedef struct dualprop__json {
    const dualprop_context *context;
    const char *source, *what; /* for sentences: "FILE: the WHAT is not as expected" */
    const char *start, *at, *end;
} dualprop__json;

dualprop__json dualprop__json_of(const dualprop_context *context, const char *source, const char *what,
                                 const char *text, size_t length);
/* FORMAT, with the place and what was expected. */
dualprop_status dualprop__json_refuse(const dualprop__json *json, const char *expected);
/* The byte that comes next, white space aside; 0 at the end. */
char dualprop__json_peek(dualprop__json *json);

/*
 * Go into an object '{' or an array '['. Then, for each of its members: dualprop__json_next(), which gives *more = 0
 * after the last and steps over the closing bracket that belongs to `bracket`; in an object dualprop__json_key(); and
 * one of the values.
 */
dualprop_status dualprop__json_enter(dualprop__json *json, char bracket);
dualprop_status dualprop__json_next(int *more, dualprop__json *json, char bracket, int first);
/* The name of a member and its ':'. *text is where it lies, between its quotes, and may have escapes. */
dualprop_status dualprop__json_key(dualprop__json *json, const char **text, size_t *length);
dualprop_status dualprop__json_string(dualprop__json *json, const char **text, size_t *length);
dualprop_status dualprop__json_integer(dualprop__json *json, int64_t *value);
dualprop_status dualprop__json_real(dualprop__json *json, double *value);
dualprop_status dualprop__json_boolean(dualprop__json *json, int *value);
/* Step over a whole value of any kind. */
dualprop_status dualprop__json_skip(dualprop__json *json);
/* Nothing may follow. */
dualprop_status dualprop__json_finish(dualprop__json *json);

/* Decode what lies between quotes, and NUL-terminate it; at most `size` bytes, NUL included, of which `length` + 1 are
 * always enough. `to` may be `text`, to decode in place. FORMAT for escapes that stand for nothing and what is no
 * UTF-8. */
dualprop_status dualprop__json_decode(char *to, size_t size, const dualprop__json *json, const char *text,
                                      size_t length);

/* Members that an object has to have, or may have, in any order: others, and one that occurs twice, are FORMAT. */
enum {
    DUALPROP__JSON_TEXT,    /* char[DUALPROP__JSON_WORD] */
    DUALPROP__JSON_INTEGER, /* int64_t[count] */
    DUALPROP__JSON_REAL,    /* double */
    DUALPROP__JSON_BOOLEAN, /* int */
    DUALPROP__JSON_VALUE    /* dualprop__json: the place where any value begins */
};
typedef struct dualprop__json_member {
    const char *name;
    int kind;
    void *to;
    int count;    /* of integers; 0: one that is not in an array */
    int optional; /* then *to stays as it is */
} dualprop__json_member;
dualprop_status dualprop__json_members(dualprop__json *json, const dualprop__json_member *members, int count);
/* The same; bit i of *seen is set where member i is there. */
dualprop_status dualprop__json_seen_members(uint32_t *seen, dualprop__json *json, const dualprop__json_member *members,
                                            int count);

/* ---- writing: json_text.c ---- */

/* A text as it grows, in memory of the context. After a failure nothing more is written. */
typedef struct dualprop__json_writer {
    dualprop_context *context;
    char *text;
    size_t length, capacity;
    dualprop_status status;
} dualprop__json_writer;

/* `before` bytes are left free in front of the text. */
void dualprop__json_begin(dualprop__json_writer *writer, dualprop_context *context, size_t before);
/* '{', '[', '}' or ']'; commas come by themselves. */
void dualprop__json_bracket(dualprop__json_writer *writer, char bracket);
void dualprop__json_put_key(dualprop__json_writer *writer, const char *key);
void dualprop__json_put_text(dualprop__json_writer *writer, const char *text); /* UTF-8 */
void dualprop__json_put_integer(dualprop__json_writer *writer, int64_t value);
void dualprop__json_put_real(dualprop__json_writer *writer, double value); /* finite; 17 digits */
void dualprop__json_put_space(dualprop__json_writer *writer);
void dualprop__json_put_word(dualprop__json_writer *writer, const char *word); /* true, false, null */

#endif
