/*
 * main.h - what the runner offers the suites.
 */
#ifndef DUALPROP_TESTS_MAIN_H
#define DUALPROP_TESTS_MAIN_H

#include <check.h>

/* Count this test as skipped and say why; return from the test afterwards. */
void test_skip(const char *reason);

enum { MOST_TEST_THREADS = 64 };
/* How many threads a test starts: as usual, or TEST_THREADS of the environment. */
int test_threads(int usual);

#endif
