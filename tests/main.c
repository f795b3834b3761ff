/*
 * main.c - runs all suites on the CPU: build/tests/main [SUITE...].
 *
 * Every tests/test_x.c offers `Suite *test_x_suite(void)`; the list in suites.h is generated when the tests are built,
 * so a new file is all it takes. With arguments only the suites whose file names (without test_) begin with one of
 * them run. The last line is the count; the exit status is 1 if a test failed or none ran.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "main.h"
#include "suites.h"

/* Shared with the forked children, in which tests run. */
static atomic_int *skipped;

void test_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    fflush(stdout);
    atomic_fetch_add(skipped, 1);
}

static int wanted(const char *name, int count, char **prefixes)
{
    int found = count == 0;
    for (int i = 0; i < count; i++) found |= strncmp(name, prefixes[i], strlen(prefixes[i])) == 0;
    return found;
}

int main(int argc, char **argv)
{
    skipped = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (skipped == MAP_FAILED) return 1;
    setenv("CK_DEFAULT_TIMEOUT", "1200", 0); /* for what hangs: a busy machine may be very slow */
    SRunner *runner = srunner_create(NULL);
    int suites = (int)(sizeof test_suites / sizeof test_suites[0]), chosen = 0;
    for (int i = 0; i < suites; i++) {
        if (!wanted(test_suites[i].name, argc - 1, argv + 1)) continue;
        srunner_add_suite(runner, test_suites[i].create());
        chosen++;
    }
    if (chosen > 0) srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner), left_out = atomic_load(skipped);
    srunner_free(runner);
    printf("%d passed, %d failed, %d skipped\n", run - failed - left_out, failed, left_out);
    return failed > 0 || run == 0;
}
