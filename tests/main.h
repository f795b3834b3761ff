/*
 * main.h - what the runner offers the suites.
 */
#ifndef DUALPROP_TESTS_MAIN_H
#define DUALPROP_TESTS_MAIN_H

#include <check.h>

/* Count this test as skipped and say why; return from the test afterwards. */
void test_skip(const char *reason);

/* Built with a sanitizer that brings an allocator or threads of its own? Its locks are not freed in a forked child. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { MOST_TEST_THREADS = 64 };
/* How many threads a test starts: as usual, or TEST_THREADS of the environment. */
int test_threads(int usual);

#endif
