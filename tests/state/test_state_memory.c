/*
 * test_state_memory.c - what a state takes is what was said beforehand, to the byte, and small networks take little.
 */
#include <check.h>

#include "support/backends.h"
#include "support/expect.h"
#include "main.h"

static const int TYPES[] = { DUALPROP_F32, DUALPROP_F64 };

static dualprop_context *create_context(int backend, int type, int threads)
{
    dualprop_context *context;
    dualprop_options options = { .struct_size = sizeof options, .precision = type, .threads = threads };
    expect_ok(dualprop_context_create(&context, backend, &options));
    return context;
}

/* The controller of a plant: 20 numbers in, 2 out. */
static dualprop_network *create_controller(dualprop_context *context, int64_t hidden, int activation)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 1, 1, 20));
    expect_ok(dualprop_network_add_dense(network, hidden, activation));
    expect_ok(dualprop_network_add_dense(network, hidden, activation));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    return network;
}

static dualprop_network *create_images(dualprop_context *context)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 };
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 12, 12, 3));
    expect_ok(dualprop_network_add_convolution(network, 16, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    return network;
}

static uint64_t taken(dualprop_context *context)
{
    uint64_t current;
    expect_ok(dualprop_context_memory(&current, NULL, NULL, context));
    return current;
}

/* Bytes of a state, which are those that were said. */
static uint64_t bytes_of_state(dualprop_network *network, dualprop_rule *rule, dualprop_context *context,
                               int64_t capacity)
{
    uint64_t needed = 0, before = taken(context);
    dualprop_state *state;
    expect_ok(dualprop_state_memory_needed(&needed, network, rule, capacity));
    ck_assert_uint_eq(taken(context), before);
    expect_ok(dualprop_state_create(&state, network, rule, capacity));
    ck_assert_uint_eq(taken(context) - before, needed);
    dualprop_state_destroy(state);
    ck_assert_uint_eq(taken(context), before);
    return needed;
}

static void use_nothing(dualprop_rule *rule)
{
    (void)rule;
}

static void use_power(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_damping(rule, DUALPROP_DAMPING_HALF, 3));
}

static void use_noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.1, 0.1, 0.1));
}

static void use_list(dualprop_rule *rule)
{
    static const int32_t order[] = { 3, 2, 1, 2, 3 };
    expect_ok(dualprop_rule_set_order(rule, order, 5));
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_LIST, 1));
}

static void use_switches(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_pool_switches(rule, DUALPROP_SWITCHES_ORIGINAL));
}

static void use_robust_input(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.1));
}

static const struct {
    int variant, images;
    void (*use)(dualprop_rule *rule);
} rules[] = {
    { DUALPROP_DP_ADJOINT, 0, use_nothing },
    { DUALPROP_BP, 0, use_nothing },
    { DUALPROP_LECUN, 0, use_nothing },
    { DUALPROP_DP_DAMPED, 0, use_power },
    { DUALPROP_DP, 0, use_noise },
    { DUALPROP_DP, 0, use_list },
    { DUALPROP_DP_ADJOINT, 0, use_robust_input },
    { DUALPROP_DP_ADJOINT, 1, use_nothing },
    { DUALPROP_DP_ADJOINT, 1, use_switches },
};

#define RULES ((int)(sizeof rules / sizeof *rules))

START_TEST(the_bytes_are_those_that_were_said)
{
    dualprop_context *context = create_context(BACKENDS[_i % 2], TYPES[_i / 2 % 2], 1 + _i / 4);
    for (int i = 0; i < RULES; i++) {
        dualprop_network *network =
            rules[i].images ? create_images(context) : create_controller(context, 40, DUALPROP_RELU);
        dualprop_rule *rule;
        expect_ok(dualprop_rule_create(&rule, context, rules[i].variant));
        rules[i].use(rule);
        for (int64_t capacity = 1; capacity <= 300; capacity *= 17) {
            uint64_t learning = bytes_of_state(network, rule, context, capacity);
            ck_assert_uint_lt(bytes_of_state(network, NULL, context, capacity), learning);
        }
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
    }
    dualprop_context_destroy(context);
}
END_TEST

/* A rule that wants other arrays later: the state takes what one made for it would. */
START_TEST(planning_again_takes_what_was_said)
{
    dualprop_context *context = create_context(BACKENDS[_i], DUALPROP_F32, 1);
    dualprop_network *network = create_controller(context, 40, DUALPROP_RELU);
    dualprop_rule *rule;
    dualprop_state *state;
    uint64_t needed = 0;
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
    expect_ok(dualprop_state_create(&state, network, rule, 3));
    for (int again = 0; again < 2; again++) {
        if (again) use_list(rule);
        else use_noise(rule);
        expect_ok(dualprop_state_memory_needed(&needed, network, rule, 3));
        expect_ok(dualprop_state_prepare(state));
        dualprop_state_destroy(state);
        uint64_t rest = taken(context);
        expect_ok(dualprop_state_create(&state, network, rule, 3));
        ck_assert_uint_eq(taken(context) - rest, needed);
    }
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* What a product of a few microseconds needs no panels and no threads for, takes no memory for them. */
START_TEST(a_small_network_takes_little)
{
    dualprop_context *context = create_context(BACKENDS[_i % 2], DUALPROP_F32, 1 + _i / 2);
    dualprop_network *network = create_controller(context, 32, DUALPROP_TANH);
    dualprop_rule *rule;
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    ck_assert_uint_lt(bytes_of_state(network, rule, context, 1), 8192);
    ck_assert_uint_lt(bytes_of_state(network, NULL, context, 1), 2048);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

static void run_four(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = count - 1; i >= 0; i--) task(argument, i);
}

#define FEW 4

/* A state made for one thread goes on with its memory when the context gets more, with the same bits. */
START_TEST(threads_that_come_later_find_no_less_memory)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_BLIS, TYPES[_i], 1);
    dualprop_network *network = create_controller(context, 700, DUALPROP_TANH);
    dualprop_rule *rule;
    dualprop_state *one, *more;
    static double x[FEW * 20], read[2][FEW * 700];
    static int32_t labels[FEW];
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&one, network, rule, FEW));
    uint64_t with_one = bytes_of_state(network, rule, context, FEW);
    expect_ok(dualprop_context_set_parallel_for(context, run_four, NULL, 4));
    ck_assert_uint_gt(bytes_of_state(network, rule, context, FEW), with_one);
    expect_ok(dualprop_state_create(&more, network, rule, FEW));
    for (int i = 0; i < FEW * 20; i++) x[i] = i * 7919 % 1009 / 504.0 - 1;
    for (int i = 0; i < FEW; i++) labels[i] = i % 2;
    dualprop_view inputs = matrix_view(x, DUALPROP_F64, FEW, 20), targets = vector_view(labels, DUALPROP_I32, FEW);
    for (int i = 0; i < 2; i++) {
        dualprop_view delta = matrix_view(read[i], DUALPROP_F64, FEW, 700);
        expect_ok(dualprop_infer_view(i ? more : one, &inputs, &targets));
        expect_ok(dualprop_state_read(&delta, i ? more : one, 1, DUALPROP_S_DELTA));
    }
    for (int i = 0; i < FEW * 700; i++) ck_assert(read[0][i] == read[1][i]);
    dualprop_state_destroy(more);
    dualprop_state_destroy(one);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_state_memory_suite(void)
{
    Suite *suite = suite_create("state_memory");
    TCase *cases = tcase_create("state_memory");
    tcase_add_loop_test(cases, the_bytes_are_those_that_were_said, 0, 8);
    tcase_add_loop_test(cases, planning_again_takes_what_was_said, 0, 2);
    tcase_add_loop_test(cases, a_small_network_takes_little, 0, 4);
    tcase_add_loop_test(cases, threads_that_come_later_find_no_less_memory, 0, 2);
    suite_add_tcase(suite, cases);
    return suite;
}
