/*
 * expect.c - see expect.h.
 */
#include "expect.h"

#include <check.h>
#include <string.h>

static const char *last_error(char *text, size_t size)
{
    return dualprop_last_error(text, size, NULL, NULL) == DUALPROP_OK ? text : "dualprop_last_error() failed";
}

void expect_ok_at(dualprop_status status, const char *call, const char *file, int line)
{
    char text[512] = "";
    if (status != DUALPROP_OK)
        ck_abort_msg("%s:%d: %s is %s: %s", file, line, call, dualprop_status_name(status),
                     last_error(text, sizeof text));
}

void expect_error_at(dualprop_status status, const char *call, dualprop_status expected, const char *word,
                     const char *file, int line)
{
    char text[512] = "";
    last_error(text, sizeof text);
    if (status != expected)
        ck_abort_msg("%s:%d: %s is %s (%s); expected %s", file, line, call, dualprop_status_name(status),
                     status == DUALPROP_OK ? "" : text, dualprop_status_name(expected));
    if (!strstr(text, word))
        ck_abort_msg("%s:%d: the error of %s does not name %s: \"%s\"", file, line, call, word, text);
}

dualprop_view vector_view(void *data, int type, int64_t count)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = type, .rank = 1 };
    view.shape[0] = count;
    view.strides[0] = 1;
    return view;
}

dualprop_view matrix_view(void *data, int type, int64_t rows, int64_t columns)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = type, .rank = 2 };
    view.shape[0] = rows;
    view.shape[1] = columns;
    view.strides[0] = columns;
    view.strides[1] = 1;
    return view;
}
