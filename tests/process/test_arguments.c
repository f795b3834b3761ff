/*
 * test_arguments.c - inputs that are not finite, and that every public function has a sweep of bad arguments: in
 * test_arguments_X.c for dualprop/X.h.
 */
#include <dirent.h>
#include <stdio.h>

#include "arguments.h"
#include "main.h"

Suite *test_arguments_suite(void);

/* A NaN among the inputs is only found while they are loaded: that inference is lost, and nothing else. */
START_TEST(inputs_and_targets_that_are_not_finite_change_no_weights)
{
    static const float NONE[] = { NAN, INFINITY, -INFINITY };
    dualprop_view inputs = image_view(), targets = matrix_view(scores, DUALPROP_F32, COUNT, CLASSES);
    for (int i = 0; i < 3; i++) {
        struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
        add_network(&before, own.network);
        images[COUNT * INPUTS - 1] = NONE[i];
        expect_error(dualprop_infer(own.state, images, labels, COUNT), DUALPROP_ERROR_NOT_FINITE, "inputs");
        expect_error(dualprop_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "state");
        expect_error(dualprop_predict(values, own.state, images, COUNT), DUALPROP_ERROR_NOT_FINITE, "inputs");
        images[COUNT * INPUTS - 1] = 0;
        scores[3] = NONE[i];
        expect_error(dualprop_infer_view(own.state, &inputs, &targets), DUALPROP_ERROR_NOT_FINITE, "targets");
        add_network(&after, own.network);
        ck_assert(memcmp(before.bytes, after.bytes, before.size) == 0);
        free(before.bytes);
        free(after.bytes);
    }
    expect_ok(dualprop_infer(own.state, images, labels, COUNT));
    expect_ok(dualprop_update(own.optimizer, own.state));
}
END_TEST

/* ---- the sweeps against the headers ---- */

static const struct sweep_list *const LISTS[] = {
    &SWEEPS_OF_CHECKPOINT, &SWEEPS_OF_CONTEXT,   &SWEEPS_OF_CUSTOM, &SWEEPS_OF_DIAGNOSTICS, &SWEEPS_OF_GROUP,
    &SWEEPS_OF_NETWORK,    &SWEEPS_OF_OPTIMIZER, &SWEEPS_OF_RULE,   &SWEEPS_OF_STATE,       &SWEEPS_OF_TYPES,
};

static int is_swept(const char *function)
{
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++)
        for (int j = 0; j < LISTS[i]->count; j++)
            if (strcmp(LISTS[i]->sweeps[j].function, function) == 0) return 1;
    return 0;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 17);
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, (1 << 17) - 1, file), (1 << 17) - 1);
    fclose(file);
    return text;
}

/* Find the function that the declaration at `text` declares: "DUALPROP_API [DUALPROP_CHECKED] type name(". */
static int declared(char *name, size_t size, const char *text)
{
    size_t end = strcspn(text, "(;"), begin = end;
    if (text[end] != '(') return 0;
    while (begin > 0 && strchr("abcdefghijklmnopqrstuvwxyz0123456789_", text[begin - 1])) begin--;
    if (strncmp(text + begin, "dualprop_", 9) != 0 || end - begin >= size) return 0;
    snprintf(name, size, "%.*s", (int)(end - begin), text + begin);
    return 1;
}

static int check_header(const char *path)
{
    char *text = read_text(path), name[96];
    int found = 0;
    for (char *at = text; (at = strstr(at, "DUALPROP_")) != NULL; at++) {
        if (strncmp(at, "DUALPROP_API ", 13) != 0) continue;
        if (!declared(name, sizeof name, at)) continue;
        ck_assert_msg(is_swept(name), "%s of %s has no sweep in tests/process/test_arguments_*.c", name, path);
        found++;
    }
    free(text);
    return found;
}

START_TEST(every_function_of_the_headers_is_swept)
{
    DIR *folder = opendir("include/dualprop");
    if (!folder) {
        test_skip("the headers are not in include/dualprop: run the tests from the root of the project");
        return;
    }
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        size_t length = strlen(entry->d_name);
        if (length < 3 || strcmp(entry->d_name + length - 2, ".h") != 0) continue;
        snprintf(path, sizeof path, "include/dualprop/%s", entry->d_name);
        found += check_header(path);
    }
    closedir(folder);
    int swept = 0;
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) swept += LISTS[i]->count;
    ck_assert_int_eq(found, swept);
}
END_TEST

Suite *test_arguments_suite(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tests = tcase_create("arguments");
    tcase_add_checked_fixture(tests, arguments_setup, arguments_teardown);
    tcase_add_test(tests, inputs_and_targets_that_are_not_finite_change_no_weights);
    tcase_add_test(tests, every_function_of_the_headers_is_swept);
    suite_add_tcase(suite, tests);
    return suite;
}
