/*
 * test_run_position.c - where a run of the programs stands, to JSON and back: every bit, also of what is no number, and
 * from files of programs that measured less.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "common/run_position.h"

Suite *test_run_position_suite(void);

static run_position some_position(void)
{
    run_position position;
    memset(&position, 0, sizeof position);
    position.epoch = 3, position.batch = 17, position.samples = 340, position.loss = 1.0 / 3.0;
    position.audit.batches = 2;
    position.audit.cosine[0] = 1.9999999999999998, position.audit.damping[1] = 0.1;
    return position;
}

START_TEST(every_bit_comes_back)
{
    run_position position = some_position(), back;
    json_t *json = run_position_to_json(&position);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(run_position_from_json(&back, json), 1);
    ck_assert(memcmp(&position, &back, sizeof back) == 0);
    json_decref(json);
}
END_TEST

/* silu has no G, and so no objective: sums of it are NaN, and a run with it is saved all the same. */
START_TEST(what_is_no_number_stays_none)
{
    run_position position = some_position(), back;
    for (int i = 0; i < 3; i++) position.audit.objective[i] = NAN;
    json_t *json = run_position_to_json(&position);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(run_position_from_json(&back, json), 1);
    for (int i = 0; i < 3; i++) ck_assert(isnan(back.audit.objective[i]));
    ck_assert_int_eq(json_object_set_new(json, "loss", json_null()), 0); /* which has to be one */
    ck_assert_int_eq(run_position_from_json(&back, json), 0);
    json_decref(json);
}
END_TEST

START_TEST(older_files_lack_what_came_later)
{
    run_position position = some_position(), back;
    json_t *json = run_position_to_json(&position);
    ck_assert_int_eq(json_object_del(json, "damping"), 0);
    ck_assert_int_eq(run_position_from_json(&back, json), 1);
    ck_assert(back.audit.damping[1] == 0 && back.audit.cosine[0] == position.audit.cosine[0]);
    ck_assert_int_eq(json_object_del(json, "cosine"), 0);
    ck_assert_int_eq(run_position_from_json(&back, json), 0);
    json_decref(json);
}
END_TEST

Suite *test_run_position_suite(void)
{
    Suite *suite = suite_create("positions of runs");
    TCase *tests = tcase_create("positions");
    tcase_add_test(tests, every_bit_comes_back);
    tcase_add_test(tests, what_is_no_number_stays_none);
    tcase_add_test(tests, older_files_lack_what_came_later);
    suite_add_tcase(suite, tests);
    return suite;
}
