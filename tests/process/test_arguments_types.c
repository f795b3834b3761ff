/*
 * test_arguments_types.c - every function of status.h, types.h and version.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_types_suite(void);

static void sweep_status_name(void)
{
    ck_assert_str_eq(dualprop_status_name(-1), "unknown status");
    ck_assert_str_eq(dualprop_status_name(5), "unknown status");
    ck_assert_str_eq(dualprop_status_name(INT32_MAX), "unknown status");
}

static void sweep_status_message(void)
{
    ck_assert_str_eq(dualprop_status_message(-1), "unknown status");
    ck_assert_str_eq(dualprop_status_message(INT32_MIN), "unknown status");
}

static void sweep_name(void)
{
    static const int NONE[] = { -1, 99, INT32_MIN, INT32_MAX };
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_null(dualprop_name(NONE[i], 0));
        ck_assert_ptr_null(dualprop_name(DUALPROP_NAMES_RULE, NONE[i]));
    }
    ck_assert_ptr_null(dualprop_name(DUALPROP_NAMES_TYPE, 0));
}

static void sweep_from_name(void)
{
    INVALID("value", dualprop_from_name(NULL, DUALPROP_NAMES_RULE, "dp"));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, NULL));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, ""));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "relu"));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "dp-adjoint "));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "%s%s%n"));
    NUMBERS(int, "group", dualprop_from_name(out.i, bad, "dp"), -1, 14, INT32_MIN, INT32_MAX);
    INVALID("mse, ce, cross-entropy", dualprop_from_name(out.i, DUALPROP_NAMES_LOSS, "hinge"));
    int found = -1;
    expect_ok(dualprop_from_name(&found, DUALPROP_NAMES_ACTIVATION, "Leaky_ReLU"));
    ck_assert_int_eq(found, DUALPROP_LEAKY_RELU);
}

static void sweep_version(void)
{
    ck_assert_uint_eq(dualprop_version(), DUALPROP_VERSION);
}

static void sweep_version_string(void)
{
    ck_assert_ptr_nonnull(dualprop_version_string());
}

static void sweep_build_info(void)
{
    ck_assert_ptr_nonnull(dualprop_build_info());
}

static const struct sweep SWEEPS[] = {
    SWEEP(status_name), SWEEP(status_message), SWEEP(name),       SWEEP(from_name),
    SWEEP(version),     SWEEP(version_string), SWEEP(build_info),
};
const struct sweep_list SWEEPS_OF_TYPES = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_types_suite(void)
{
    return arguments_suite("arguments_types", &SWEEPS_OF_TYPES);
}
