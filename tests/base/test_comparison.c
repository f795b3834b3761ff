/*
 * test_comparison.c - the comparisons that other tests rely on see a NaN, and what is just out of tolerance.
 */
#include <check.h>
#include <math.h>

#include "main.h"
#include "support/comparison.h"

START_TEST(a_maximum_keeps_a_nan)
{
    ck_assert_double_eq(comparison_larger(1, 2), 2);
    ck_assert_double_eq(comparison_larger(2, 1), 2);
    ck_assert_double_eq(comparison_larger(-INFINITY, -3), -3);
    ck_assert(isnan(comparison_larger(1, NAN)));
    ck_assert(isnan(comparison_larger(NAN, 1)));
    ck_assert(isnan(comparison_larger(NAN, INFINITY)));
    ck_assert(isnan(comparison_larger(comparison_larger(comparison_larger(0, 5), NAN), 7)));
}
END_TEST

START_TEST(near_is_within_both_tolerances)
{
    const double expected[] = { 1, 2, 3 }, values[] = { 1, 2.1, NAN };
    ck_assert(comparison_near(1.05, 1, 0, 0.05 + 1e-15) && !comparison_near(1.06, 1, 0, 0.05));
    ck_assert(comparison_near(0.01, 0, 0.01, 0) && !comparison_near(0.02, 0, 0.01, 0));
    ck_assert(comparison_near(NAN, NAN, 0, 0) && comparison_near(INFINITY, INFINITY, 0, 0));
    ck_assert(!comparison_near(NAN, 1, 1e9, 1e9) && !comparison_near(1, NAN, 1e9, 1e9));
    ck_assert(!comparison_near(INFINITY, -INFINITY, 0, 0) && !comparison_near(INFINITY, 1, 1e9, 1e9));
    ck_assert_int_eq(comparison_first_far(values, expected, 3, 0, 0.01), 1);
    ck_assert_int_eq(comparison_first_far(values, expected, 3, 0, 0.1), 2);
    ck_assert_int_eq(comparison_first_far(values, expected, 2, 0, 0.1), -1);
    ck_assert(isnan(comparison_nmse(values, expected, 3)));
    ck_assert_double_eq_tol(comparison_nmse(values, expected, 2), 0.01 / 5, 1e-12);
}
END_TEST

Suite *test_comparison_suite(void)
{
    Suite *suite = suite_create("comparison");
    TCase *cases = tcase_create("comparison");
    tcase_add_test(cases, a_maximum_keeps_a_nan);
    tcase_add_test(cases, near_is_within_both_tolerances);
    suite_add_tcase(suite, cases);
    return suite;
}
