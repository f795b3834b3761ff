/*
 * test_cuda_random_calls.c - anything may be called with anything, in any order, on a device too.
 */
#include <check.h>
#include <dualprop/dualprop.h>

#include "cuda_test.h"
#include "support/random_calls.h"

enum { LIVES = 8, CALLS = 500 };

START_TEST(keeps_its_promises_whatever_is_called)
{
    int steps = 0;
    cuda_standin();
    for (int life = 0; life < LIVES; life++)
        steps += random_calls_run(DUALPROP_BACKEND_CUDA, DUALPROP_F32, (uint64_t)(_i * LIVES + life), CALLS);
    ck_assert_int_ge(steps, LIVES);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_random_calls_suite(void)
{
    Suite *suite = suite_create("cuda random calls");
    TCase *any = tcase_create("any");
    tcase_add_loop_test(any, keeps_its_promises_whatever_is_called, 0, 4);
    suite_add_tcase(suite, any);
    return suite;
}
