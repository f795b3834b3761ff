/*
 * main.c - runs all suites on the CPU: build/tests/main [SUITE...].
 *
 * Every tests/test_x.c offers `Suite *test_x_suite(void)`; the list in suites.h is generated when the tests are built,
 * so a new file is all it takes. With arguments only the suites whose file names (without test_) begin with one of
 * them run: `rule` also runs test_rules_output.c, `rule.c` does not. --list first only prints their names. The last
 * line is the count; the exit status is 1 if a test failed or none ran.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "main.h"
#include "suites.h"

enum { SUITES = sizeof test_suites / sizeof test_suites[0] };

/* Shared with the forked children, in which tests run. */
static atomic_int *skipped;

void test_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    fflush(stdout);
    atomic_fetch_add(skipped, 1);
}

int test_threads(int usual)
{
    const char *text = getenv("TEST_THREADS");
    int threads = text ? atoi(text) : usual;
    return threads < 1 || threads > MOST_TEST_THREADS ? usual : threads;
}

/* Check was not compiled for MemorySanitizer, which would report what Check writes to its files. Sums of all bytes of
 * ours are taken, so that one of them that was never written is reported there. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define EXCUSE_CHECK() __msan_scoped_disable_interceptor_checks()
#endif
#endif
#ifndef EXCUSE_CHECK
#define EXCUSE_CHECK() (void)0
#endif

static int wanted(const char *name, int count, char **prefixes)
{
    char file[64];
    int found = count == 0;
    snprintf(file, sizeof file, "%s.c", name);
    for (int i = 0; i < count; i++) found |= strncmp(file, prefixes[i], strlen(prefixes[i])) == 0;
    return found;
}

static int list_suites(int count, char **prefixes)
{
    for (int i = 0; i < SUITES; i++)
        if (wanted(test_suites[i].name, count, prefixes)) puts(test_suites[i].name);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list") == 0) return list_suites(argc - 2, argv + 2);
    skipped = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (skipped == MAP_FAILED) return 1;
    setenv("CK_DEFAULT_TIMEOUT", "1200", 0); /* for what hangs: a busy machine may be very slow */
    SRunner *runner = srunner_create(NULL);
    int chosen = 0;
    for (int i = 0; i < SUITES; i++) {
        if (!wanted(test_suites[i].name, argc - 1, argv + 1)) continue;
        srunner_add_suite(runner, test_suites[i].create());
        chosen++;
    }
    EXCUSE_CHECK();
    if (chosen > 0) srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner), left_out = atomic_load(skipped);
    srunner_free(runner);
    printf("%d passed, %d failed, %d skipped\n", run - failed - left_out, failed, left_out);
    return failed > 0 || run == 0;
}
