/*
 * test_random_calls.c - anything may be called with anything, in any order, on each backend of the CPU.
 */
#include "main.h"
#include "support/random_calls.h"

#include <dualprop/dualprop.h>

static const struct {
    int backend, precision;
} cases[] = {
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F32 },
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F64 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F64 },
};
enum { CASES = sizeof cases / sizeof cases[0], LIVES = 12, CALLS = 600 };

START_TEST(keeps_its_promises_whatever_is_called)
{
    int steps = 0;
    for (int life = 0; life < LIVES; life++)
        steps += random_calls_run(cases[_i].backend, cases[_i].precision, (uint64_t)(life * CASES + _i), CALLS);
    ck_assert_int_ge(steps, LIVES);
}
END_TEST

START_TEST(keeps_its_promises_whatever_fails)
{
    int steps = 0;
    long hit = 0;
    for (int life = 0; life < LIVES / 2; life++)
        steps += random_calls_with_faults(&hit, cases[_i].backend, cases[_i].precision,
                                          (uint64_t)(1000 + life * CASES + _i), CALLS);
    ck_assert_int_ge(steps, LIVES / 2);
    ck_assert_int_ge(hit, LIVES);
}
END_TEST

Suite *test_random_calls_suite(void)
{
    Suite *suite = suite_create("random_calls");
    TCase *any = tcase_create("any");
    tcase_add_loop_test(any, keeps_its_promises_whatever_is_called, 0, CASES);
    tcase_add_loop_test(any, keeps_its_promises_whatever_fails, 0, CASES);
    suite_add_tcase(suite, any);
    return suite;
}
