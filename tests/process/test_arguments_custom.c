/*
 * test_arguments_custom.c - every function of custom.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_custom_suite(void);

static int no_change(void *user_data, double *results, const double *a, int64_t count)
{
    (void)user_data;
    memcpy(results, a, (size_t)count * sizeof *results);
    return 0;
}

/* A name that is good, and good only once; in a context of its own, since it stays. */
static void refuse_names_twice(void)
{
    dualprop_context *context;
    int activation;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_activation_register(&activation, context, "a-name-of-47-letters-and-hyphens-is-just-enough",
                                           no_change, no_change, NULL, NULL));
    expect_ok(dualprop_activation_register(&activation, context, "taken", no_change, no_change, NULL, NULL));
    INVALID("'Taken', which is registered already",
            dualprop_activation_register(&out.i[0], context, "Taken", no_change, no_change, NULL, NULL));
    dualprop_context_destroy(context);
}

static void sweep_activation_register(void)
{
    static const char *const NO_NAMES[] = { "",     "two words",  "caf\xc3\xa9",
                                            "a/b",  "semi;colon", "a-name-of-48-letters-and-hyphens-is-one-too-long",
                                            "relu", "Leaky_ReLU" };
    HANDLES(context, CONTEXT, "context",
            dualprop_activation_register(&out.i[0], bad, "mine", no_change, no_change, NULL, NULL))
    INVALID("activation", dualprop_activation_register(NULL, own.context, "mine", no_change, no_change, NULL, NULL));
    INVALID("name", dualprop_activation_register(&out.i[0], own.context, NULL, no_change, no_change, NULL, NULL));
    for (size_t i = 0; i < sizeof NO_NAMES / sizeof NO_NAMES[0]; i++)
        INVALID("name",
                dualprop_activation_register(&out.i[0], own.context, NO_NAMES[i], no_change, no_change, NULL, NULL));
    INVALID("value", dualprop_activation_register(&out.i[0], own.context, "mine", NULL, no_change, NULL, NULL));
    INVALID("slope", dualprop_activation_register(&out.i[0], own.context, "mine", no_change, NULL, NULL, NULL));
    refuse_names_twice();
}

static void sweep_activation_find(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_activation_find(&out.i[0], bad, "relu"))
    INVALID("activation", dualprop_activation_find(NULL, own.context, "relu"));
    INVALID("name", dualprop_activation_find(&out.i[0], own.context, NULL));
    expect_error(dualprop_activation_find(&out.i[0], own.context, "unheard-of"), DUALPROP_ERROR_UNSUPPORTED,
                 "'unheard-of'");
}

/* It returns no status: what is not there has no name. */
static void sweep_activation_name(void)
{
    static const int NO_ACTIVATIONS[] = { -1, DUALPROP_SOFTMAX + 1, 1 << 30, INT32_MIN, INT32_MAX };
    for (int i = 0; i < BAD_HANDLES; i++) ck_assert_ptr_null(dualprop_activation_name(bad_handle(CONTEXT, i), 0));
    for (size_t i = 0; i < sizeof NO_ACTIVATIONS / sizeof NO_ACTIVATIONS[0]; i++)
        ck_assert_ptr_null(dualprop_activation_name(own.context, NO_ACTIVATIONS[i]));
}

static const struct sweep SWEEPS[] = { SWEEP(activation_register), SWEEP(activation_find), SWEEP(activation_name) };
const struct sweep_list SWEEPS_OF_CUSTOM = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_custom_suite(void)
{
    return arguments_suite("arguments_custom", &SWEEPS_OF_CUSTOM);
}
