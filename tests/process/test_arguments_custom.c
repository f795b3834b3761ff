/*
 * test_arguments_custom.c - every function of custom.h with every bad argument.
 */
#include "arguments.h"
#include "idle_map.h"

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

static void sweep_map_register(void)
{
    HANDLES(context, CONTEXT, "context",
            dualprop_map_register(&out.i[0], bad, "mine", idle_product, idle_product, idle_gradient, NULL))
    INVALID("map", dualprop_map_register(NULL, own.context, "mine", idle_product, idle_product, idle_gradient, NULL));
    INVALID("name",
            dualprop_map_register(&out.i[0], own.context, NULL, idle_product, idle_product, idle_gradient, NULL));
    INVALID("name",
            dualprop_map_register(&out.i[0], own.context, "a b", idle_product, idle_product, idle_gradient, NULL));
    INVALID("built-in",
            dualprop_map_register(&out.i[0], own.context, "Dense", idle_product, idle_product, idle_gradient, NULL));
    INVALID("built-in",
            dualprop_map_register(&out.i[0], own.context, "relu", idle_product, idle_product, idle_gradient, NULL));
    INVALID("forward", dualprop_map_register(&out.i[0], own.context, "mine", NULL, idle_product, idle_gradient, NULL));
    INVALID("transposed",
            dualprop_map_register(&out.i[0], own.context, "mine", idle_product, NULL, idle_gradient, NULL));
    INVALID("gradient", dualprop_map_register(&out.i[0], own.context, "mine", idle_product, idle_product, NULL, NULL));
}

/* On a network to which layers may be added, with a map of its context, which stays. */
static void sweep_network_add_custom(void)
{
    dualprop_context *context;
    dualprop_network *network;
    int map;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    expect_ok(dualprop_map_register(&map, context, "mine", idle_product, idle_product, idle_gradient, NULL));
    INVALID("'Mine', which is registered already",
            dualprop_map_register(&out.i[0], context, "Mine", idle_product, idle_product, idle_gradient, NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
    HANDLES(network, NETWORK, "network", dualprop_network_add_custom(bad, map, 2, 3, 4, DUALPROP_RELU))
    NUMBERS(int, "map", dualprop_network_add_custom(network, bad, 2, 3, 4, DUALPROP_RELU), -1, 0, 3, INT32_MAX);
    NUMBERS(int64_t, "outputs", dualprop_network_add_custom(network, map, bad, 3, 4, DUALPROP_RELU), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "weights", dualprop_network_add_custom(network, map, 2, bad, 4, DUALPROP_RELU), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "fan_in", dualprop_network_add_custom(network, map, 2, 3, bad, DUALPROP_RELU), 0, -1, INT64_MIN,
            INT64_MAX);
    NUMBERS(int, "activation", dualprop_network_add_custom(network, map, 2, 3, 4, bad), -1, 10, INT32_MAX);
    expect_error(dualprop_network_add_custom(network, map, INT64_MAX / 8, 3, 4, 0), DUALPROP_ERROR_RANGE, "outputs");
    expect_error(dualprop_network_add_custom(network, map, 2, INT64_MAX / 8, 4, 0), DUALPROP_ERROR_RANGE, "weights");
    expect_error(dualprop_network_add_custom(own.network, map, 2, 3, 4, 0), DUALPROP_ERROR_INVALID_ARGUMENT, "map");
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}

static void sweep_layer_custom(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_custom(&out.name, &out.n[0], &out.n[1], bad))
}

static void sweep_layer_map_functions(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_map_functions(NULL, NULL, NULL, NULL, NULL, bad))
}

static const struct sweep SWEEPS[] = { SWEEP(activation_register), SWEEP(activation_find),    SWEEP(activation_name),
                                       SWEEP(map_register),        SWEEP(network_add_custom), SWEEP(layer_custom),
                                       SWEEP(layer_map_functions) };
const struct sweep_list SWEEPS_OF_CUSTOM = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_custom_suite(void)
{
    return arguments_suite("arguments_custom", &SWEEPS_OF_CUSTOM);
}
