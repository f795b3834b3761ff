/*
 * expect.h - what a call must return, and what its error must say.
 */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include <dualprop/dualprop.h>

/* The call succeeds; else the test fails with the status and the last error. */
#define expect_ok(call) expect_ok_at((call), #call, __FILE__, __LINE__)

/* The call returns this status, and the thread's last error is a sentence with `word` in it. */
#define expect_error(call, status, word) expect_error_at((call), #call, (status), (word), __FILE__, __LINE__)

void expect_ok_at(dualprop_status status, const char *call, const char *file, int line);
void expect_error_at(dualprop_status status, const char *call, dualprop_status expected, const char *word,
                     const char *file, int line);

/* Contiguous views of host arrays. */
dualprop_view vector_view(void *data, int type, int64_t count);
dualprop_view matrix_view(void *data, int type, int64_t rows, int64_t columns);

#endif
