/*
 * test_rules_combinations.c - docs/combinations.md says what is measured now: every combination tends to
 * back-propagation at its order, or is refused with a sentence.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/combinations.h"

Suite *test_rules_combinations_suite(void);

#define DOCUMENT "docs/combinations.md"

static char *read_all(FILE *file)
{
    size_t room = 1 << 18;
    char *text = calloc(1, room);
    ck_assert_ptr_nonnull(text);
    rewind(file);
    ck_assert_uint_lt(fread(text, 1, room - 1, file), room - 1);
    fclose(file);
    return text;
}

START_TEST(the_document_is_what_is_measured)
{
    FILE *document = fopen(DOCUMENT, "rb"), *measured = tmpfile();
    ck_assert_ptr_nonnull(measured);
    ck_assert_int_eq(combinations_write(measured), 0);
    if (!document) {
        fclose(measured);
        test_skip(DOCUMENT " is not here: run the tests from the root of the project");
        return;
    }
    char *expected = read_all(document), *found = read_all(measured);
    ck_assert_msg(strcmp(expected, found) == 0, DOCUMENT " is out of date; run: make combinations");
    free(found);
    free(expected);
}
END_TEST

Suite *test_rules_combinations_suite(void)
{
    Suite *suite = suite_create("combinations");
    TCase *tests = tcase_create("combinations");
    tcase_add_test(tests, the_document_is_what_is_measured);
    suite_add_tcase(suite, tests);
    return suite;
}
