/*
 * test_view.c - callers' arrays: what is refused, and that copies find every element.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/base.h"
#include "main.h"

#define ALL_TYPES (1u << DUALPROP_F32 | 1u << DUALPROP_F64 | 1u << DUALPROP_U8 | 1u << DUALPROP_I32)

static const int64_t shape_2_3[] = { 2, 3 };

static dualprop_view small_view(void)
{
    static float data[6];
    return dualprop__view_of(data, DUALPROP_F32, 2, shape_2_3);
}

static dualprop_status check(const dualprop_view *view)
{
    return dualprop__view_check(NULL, view, ALL_TYPES, "array");
}

START_TEST(a_contiguous_array_is_accepted)
{
    dualprop_view view = small_view();
    ck_assert_int_eq(check(&view), DUALPROP_OK);
    ck_assert_int_eq(view.strides[0], 3);
    ck_assert_int_eq(view.strides[1], 1);
    ck_assert_int_eq(dualprop__view_count(&view), 6);
    view.rank = 0;
    ck_assert_int_eq(dualprop__view_count(&view), 1);
    ck_assert_int_eq(check(&view), DUALPROP_OK);
}
END_TEST

/* A view of a later header is served while what came later is zero; one that ends early is not whole. */
START_TEST(later_and_shorter_views)
{
    struct later {
        dualprop_view view;
        int64_t more[4];
    } later = { .view = small_view() };
    for (size_t more = 1; more <= sizeof later.more; more++) {
        later.view.struct_size = sizeof(dualprop_view) + more;
        ck_assert_int_eq(check(&later.view), DUALPROP_OK);
        ck_assert_uint_eq(dualprop__view_copy(&later.view).struct_size, sizeof(dualprop_view));
    }
    later.view.struct_size = sizeof later;
    later.more[1] = (int64_t)1 << 40;
    ck_assert_int_eq(check(&later.view), DUALPROP_ERROR_INVALID_ARGUMENT);
    later.view.struct_size = sizeof(dualprop_view) + sizeof later.more[0]; /* where it ends before that */
    ck_assert_int_eq(check(&later.view), DUALPROP_OK);
    for (size_t size = 0; size < sizeof(dualprop_view); size++) {
        later.view.struct_size = size;
        ck_assert_int_eq(check(&later.view), DUALPROP_ERROR_INVALID_ARGUMENT);
    }
    later.view.struct_size = 4097;
    ck_assert_int_eq(check(&later.view), DUALPROP_ERROR_INVALID_ARGUMENT);
}
END_TEST

/* What is given out fits a caller of any header: nothing is written after the members of version 0.1. */
START_TEST(views_that_are_given_have_the_first_size)
{
    struct {
        dualprop_view view;
        char guard[64];
    } given;
    dualprop_view view = small_view();
    memset(&given, 0x5a, sizeof given);
    dualprop__view_copy_out(&given.view, &view);
    ck_assert_uint_eq(given.view.struct_size, 152);
    ck_assert_int_eq(check(&given.view), DUALPROP_OK);
    ck_assert(given.view.data == view.data && given.view.strides[1] == 1 && given.view.shape[1] == 3);
    for (size_t i = 0; i < sizeof given.guard; i++) ck_assert(given.guard[i] == 0x5a);
}
END_TEST

START_TEST(wrong_fields_are_refused)
{
    dualprop_view view = small_view(), wrong = view;
    ck_assert_int_eq(check(NULL), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong.struct_size = 0;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.rank = 9;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.rank = -1;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.type = 77;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.data = NULL;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.data = (char *)view.data + 1;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    wrong = view, wrong.shape[1] = -1;
    ck_assert_int_eq(check(&wrong), DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(dualprop__view_check(NULL, &view, 1u << DUALPROP_U8, "array"), DUALPROP_ERROR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(the_sentence_names_argument_value_and_expectation)
{
    char text[512];
    dualprop_view view = small_view();
    view.type = DUALPROP_I32;
    ck_assert_int_ne(dualprop__view_check(NULL, &view, 1u << DUALPROP_F32 | 1u << DUALPROP_U8, "labels"), DUALPROP_OK);
    ck_assert_int_eq(dualprop_last_error(text, sizeof text, NULL, NULL), DUALPROP_OK);
    ck_assert_str_eq(text, "labels: type is 4 (i32), expected one of f32 u8");
}
END_TEST

/* Products that wrap, to 0 too, and strides that lead out of all memory. */
static const struct {
    int64_t shape[2], strides[2];
} absurd[] = {
    { { (int64_t)1 << 32, (int64_t)1 << 32 }, { 1, 1 } },
    { { INT64_MAX, 2 }, { 0, 0 } },
    { { (int64_t)1 << 31, (int64_t)1 << 33 }, { 1, 1 } },
    { { 2, 2 }, { INT64_MAX, 1 } },
    { { 2, 2 }, { INT64_MIN, 1 } },
    { { 2, 2 }, { INT64_MAX / 7, INT64_MAX / 7 } },
    { { INT64_MAX / 2, 1 }, { 1, 1 } },
};

START_TEST(absurd_sizes_are_refused)
{
    dualprop_view view = small_view();
    memcpy(view.shape, absurd[_i].shape, sizeof absurd[_i].shape);
    memcpy(view.strides, absurd[_i].strides, sizeof absurd[_i].strides);
    ck_assert_int_eq(check(&view), DUALPROP_ERROR_RANGE);
}
END_TEST

START_TEST(an_empty_array_needs_no_data)
{
    dualprop_view view = small_view();
    view.data = NULL;
    view.shape[0] = 0;
    view.shape[1] = INT64_MAX;
    ck_assert_int_eq(dualprop__view_count(&view), 0);
    ck_assert_int_eq(check(&view), DUALPROP_OK);
    dualprop__view_gather(NULL, DUALPROP_F32, &view);
    dualprop__view_scatter(&view, NULL, DUALPROP_F32);
}
END_TEST

static void put(void *data, int type, int64_t index, double value)
{
    if (type == DUALPROP_F32) ((float *)data)[index] = (float)value;
    if (type == DUALPROP_F64) ((double *)data)[index] = value;
    if (type == DUALPROP_U8) ((uint8_t *)data)[index] = (uint8_t)value;
    if (type == DUALPROP_I32) ((int32_t *)data)[index] = (int32_t)value;
}

static double get(const void *data, int type, int64_t index)
{
    if (type == DUALPROP_F32) return (double)((const float *)data)[index];
    if (type == DUALPROP_F64) return ((const double *)data)[index];
    return type == DUALPROP_U8 ? ((const uint8_t *)data)[index] : ((const int32_t *)data)[index];
}

/* A 2 x 3 x 4 array in memory of 200 elements, once in each way that strides allow. */
static const struct {
    int64_t first, strides[3];
} layouts[] = {
    { 0, { 12, 4, 1 } },      /* contiguous */
    { 0, { 1, 2, 6 } },       /* the other way round */
    { 199, { -12, -4, -1 } }, /* backwards */
    { 50, { 70, -20, 3 } },   /* apart */
    { 7, { 0, 4, 1 } },       /* a broadcast */
};

enum { LAYOUTS = sizeof layouts / sizeof layouts[0], TYPES = 4, REALS = 2 };

static int64_t element(const dualprop_view *view, int64_t first, int i)
{
    return first + i / 12 * view->strides[0] + i / 4 % 3 * view->strides[1] + i % 4 * view->strides[2];
}

static dualprop_view layout_of(int layout, int type, void *memory)
{
    static const int64_t shape[] = { 2, 3, 4 };
    char *first = (char *)memory + layouts[layout].first * (int64_t)dualprop__type_size(type);
    dualprop_view view = dualprop__view_of(first, type, 3, shape);
    memcpy(view.strides, layouts[layout].strides, sizeof layouts[layout].strides);
    return view;
}

START_TEST(gathering_finds_every_element)
{
    int layout = _i % LAYOUTS, type = 1 + _i / LAYOUTS % TYPES, real = 1 + _i / LAYOUTS / TYPES;
    double memory[200] = { 0 }, reals[24];
    for (int i = 0; i < 200; i++) put(memory, type, i, i + 1);
    dualprop_view view = layout_of(layout, type, memory);
    ck_assert_int_eq(check(&view), DUALPROP_OK);
    dualprop__view_gather(reals, real, &view);
    for (int i = 0; i < 24; i++) ck_assert(get(reals, real, i) == element(&view, layouts[layout].first, i) + 1.0);
}
END_TEST

START_TEST(scattering_touches_these_elements_only)
{
    int layout = _i % LAYOUTS, type = 1 + _i / LAYOUTS % TYPES, real = 1 + _i / LAYOUTS / TYPES;
    double memory[200] = { 0 }, reals[24], sum = 0;
    for (int i = 0; i < 24; i++) put(reals, real, i, i + 1);
    dualprop_view view = layout_of(layout, type, memory);
    dualprop__view_scatter(&view, reals, real);
    for (int i = 0; i < 200; i++) sum += get(memory, type, i);
    if (view.strides[0] == 0) ck_assert(sum == 222); /* 13 + ... + 24: the last written stays */
    else ck_assert(sum == 300);
    for (int i = 12; i < 24; i++) ck_assert(get(memory, type, element(&view, layouts[layout].first, i)) == i + 1.0);
}
END_TEST

START_TEST(rank_0_is_one_element)
{
    double value = 4.5;
    float real = 0;
    dualprop_view view = dualprop__view_of(&value, DUALPROP_F64, 0, NULL);
    dualprop__view_gather(&real, DUALPROP_F32, &view);
    ck_assert(real == 4.5f);
    real = -2;
    dualprop__view_scatter(&view, &real, DUALPROP_F32);
    ck_assert(value == -2);
}
END_TEST

START_TEST(whole_numbers_are_cut_to_their_range)
{
    static const int64_t shape[] = { 5 };
    double reals[] = { -1e300, 1e300, (double)NAN, 2.9, 255 };
    uint8_t bytes[5];
    int32_t numbers[5];
    dualprop_view view = dualprop__view_of(bytes, DUALPROP_U8, 1, shape);
    dualprop__view_scatter(&view, reals, DUALPROP_F64);
    ck_assert(bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 0 && bytes[3] == 2 && bytes[4] == 255);
    view = dualprop__view_of(numbers, DUALPROP_I32, 1, shape);
    dualprop__view_scatter(&view, reals, DUALPROP_F64);
    ck_assert(numbers[0] == INT32_MIN && numbers[1] == INT32_MAX && numbers[2] == INT32_MIN && numbers[3] == 2);
}
END_TEST

START_TEST(a_number_that_is_not_finite_is_found_anywhere)
{
    float floats[67] = { 0 };
    double doubles[67] = { 0 };
    ck_assert(dualprop__reals_finite(floats, DUALPROP_F32, 67));
    ck_assert(dualprop__reals_finite(doubles, DUALPROP_F64, 67));
    ck_assert(dualprop__reals_finite(NULL, DUALPROP_F64, 0));
    floats[_i] = _i % 2 ? NAN : -INFINITY;
    doubles[_i] = _i % 2 ? (double)NAN : (double)INFINITY;
    ck_assert(!dualprop__reals_finite(floats, DUALPROP_F32, 67));
    ck_assert(!dualprop__reals_finite(doubles, DUALPROP_F64, 67));
}
END_TEST

Suite *test_view_suite(void)
{
    Suite *suite = suite_create("view");
    TCase *tests = tcase_create("view");
    tcase_add_test(tests, a_contiguous_array_is_accepted);
    tcase_add_test(tests, later_and_shorter_views);
    tcase_add_test(tests, views_that_are_given_have_the_first_size);
    tcase_add_test(tests, wrong_fields_are_refused);
    tcase_add_test(tests, the_sentence_names_argument_value_and_expectation);
    tcase_add_loop_test(tests, absurd_sizes_are_refused, 0, sizeof absurd / sizeof absurd[0]);
    tcase_add_test(tests, an_empty_array_needs_no_data);
    tcase_add_loop_test(tests, gathering_finds_every_element, 0, LAYOUTS * TYPES * REALS);
    tcase_add_loop_test(tests, scattering_touches_these_elements_only, 0, LAYOUTS * TYPES * REALS);
    tcase_add_test(tests, rank_0_is_one_element);
    tcase_add_test(tests, whole_numbers_are_cut_to_their_range);
    tcase_add_loop_test(tests, a_number_that_is_not_finite_is_found_anywhere, 0, 67);
    suite_add_tcase(suite, tests);
    return suite;
}
