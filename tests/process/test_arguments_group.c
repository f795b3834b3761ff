/*
 * test_arguments_group.c - every function of group.h with every bad argument.
 */
#include <dualprop/group.h>

#include "arguments.h"
#include "lone_transport.h"

Suite *test_arguments_group_suite(void);

static dualprop_group *group_alone(dualprop_context *context)
{
    dualprop_group *group;
    expect_ok(dualprop_group_create(&group, context, &lone_transport));
    return group;
}

/* NULL, no handle at all, and handles of other kinds. */
#define BAD_GROUPS 4
static void *bad_group(int i)
{
    static uint64_t nothing[8];
    void *const groups[BAD_GROUPS] = { NULL, nothing, own.context, own.rule };
    return groups[i];
}

/* The call, made with every bad group in `bad` from number `first` on: 1 if NULL means a process alone. */
#define GROUPS(first, call)                                                                                    \
    for (int bad_index = (first); bad_index < BAD_GROUPS; bad_index++) {                                       \
        dualprop_group *bad = bad_group(bad_index);                                                            \
        expect_error(call, bad_index == 0 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_HANDLE, "group"); \
    }

static void sweep_group_create(void)
{
    dualprop_group *made;
    dualprop_transport transport = lone_transport;
    INVALID("group", dualprop_group_create(NULL, own.context, &lone_transport));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_group_create(&made, bad, &lone_transport))
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "transport", dualprop_group_create(&made, own.context, NULL));
    transport.struct_size = 0;
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "transport", dualprop_group_create(&made, own.context, &transport));
    static const int32_t SIZES[] = { 0, -1, DUALPROP_MAX_GROUP + 1 }, RANKS[] = { -1, 1, INT32_MAX };
    for (int i = 0; i < 3; i++) {
        transport = lone_transport;
        transport.size = SIZES[i];
        NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "size", dualprop_group_create(&made, own.context, &transport));
        transport = lone_transport;
        transport.rank = RANKS[i];
        NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "rank", dualprop_group_create(&made, own.context, &transport));
    }
    transport = lone_transport;
    transport.exchange = NULL;
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "function", dualprop_group_create(&made, own.context, &transport));
    transport = lone_transport;
    transport.gather = NULL;
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "function", dualprop_group_create(&made, own.context, &transport));
    transport = lone_transport;
    transport.error = NULL;
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "function", dualprop_group_create(&made, own.context, &transport));
}

static void sweep_group_destroy(void)
{
    for (int i = 0; i < BAD_GROUPS; i++) dualprop_group_destroy(bad_group(i));
}

static void sweep_group_info(void)
{
    GROUPS(0, dualprop_group_info(&out.i[0], &out.i[1], bad))
}

static void sweep_group_share(void)
{
    dualprop_group *group = group_alone(foreign.context);
    int64_t first, count;
    GROUPS(1, dualprop_group_share(&out.n[0], &out.n[1], bad, 1, 10))
    INVALID("first", dualprop_group_share(NULL, &count, group, 1, 10));
    INVALID("count", dualprop_group_share(&first, NULL, group, 1, 10));
    NUMBERS(int64_t, "blocks", dualprop_group_share(&out.n[0], &out.n[1], group, bad, 10), -1, DUALPROP_MAX_GROUP + 1,
            INT64_MIN, INT64_MAX);
    NUMBERS(int64_t, "total", dualprop_group_share(&out.n[0], &out.n[1], NULL, 1, bad), -1, INT64_MIN);
    dualprop_group_destroy(group);
}

static void sweep_group_agree(void)
{
    GROUPS(0, dualprop_group_agree(bad, DUALPROP_OK, NULL))
}

static void sweep_group_sum(void)
{
    dualprop_group *group = group_alone(foreign.context);
    double numbers[1] = { 0 };
    int64_t integers[1] = { 0 };
    GROUPS(0, dualprop_group_sum(numbers, integers, bad, 1, 1))
    INVALID("values", dualprop_group_sum(NULL, integers, group, 1, 1));
    INVALID("integers", dualprop_group_sum(numbers, NULL, group, 1, 1));
    NUMBERS(int, "value_count", dualprop_group_sum(numbers, integers, group, bad, 1), -1, 4097, INT32_MIN, INT32_MAX);
    NUMBERS(int, "integer_count", dualprop_group_sum(numbers, integers, group, 1, bad), -1, 4097, INT32_MIN, INT32_MAX);
    static double most[4096];
    static int64_t most_integers[4096];
    most[4095] = 1.5, most_integers[4095] = -7;
    expect_ok(dualprop_group_sum(most, most_integers, group, 4096, 4096));
    ck_assert(most[4095] == 1.5 && most_integers[4095] == -7);
    expect_ok(dualprop_group_sum(NULL, NULL, group, 0, 0));
    dualprop_group_destroy(group);
}

/* May be called in a signal handler, so it leaves no sentence. */
static void sweep_group_raise(void)
{
    ck_assert_int_eq(dualprop_group_raise(NULL, 1), DUALPROP_ERROR_INVALID_ARGUMENT);
    for (int i = 1; i < BAD_GROUPS; i++) ck_assert_int_eq(dualprop_group_raise(bad_group(i), 1), DUALPROP_ERROR_HANDLE);
}

static void sweep_group_raised(void)
{
    dualprop_group *group = group_alone(foreign.context);
    uint32_t flags;
    GROUPS(0, dualprop_group_raised(&flags, bad))
    INVALID("flags", dualprop_group_raised(NULL, group));
    dualprop_group_destroy(group);
}

static void sweep_group_share_network(void)
{
    dualprop_group *group = group_alone(own.context), *elsewhere = group_alone(foreign.context);
    GROUPS(0, dualprop_group_share_network(own.network, bad, 0))
    HANDLES(network, NETWORK, "network", dualprop_group_share_network(bad, group, 0))
    NUMBERS(int, "root", dualprop_group_share_network(own.network, group, bad), -1, 1, INT32_MIN, INT32_MAX);
    INVALID("contexts", dualprop_group_share_network(own.network, elsewhere, 0));
    dualprop_group_destroy(elsewhere);
    dualprop_group_destroy(group);
}

static void sweep_group_check_network(void)
{
    dualprop_group *group = group_alone(own.context), *elsewhere = group_alone(foreign.context);
    GROUPS(0, dualprop_group_check_network(bad, own.network))
    HANDLES(network, NETWORK, "network", dualprop_group_check_network(group, bad))
    INVALID("contexts", dualprop_group_check_network(elsewhere, own.network));
    dualprop_group_destroy(elsewhere);
    dualprop_group_destroy(group);
}

static void sweep_optimizer_set_group(void)
{
    dualprop_group *group = group_alone(own.context), *elsewhere = group_alone(foreign.context);
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_group(bad, group, 1))
    GROUPS(1, dualprop_optimizer_set_group(own.optimizer, bad, 1))
    NUMBERS(int64_t, "blocks", dualprop_optimizer_set_group(own.optimizer, group, bad), -1, DUALPROP_MAX_GROUP + 1,
            INT64_MIN, INT64_MAX);
    INVALID("context", dualprop_optimizer_set_group(own.optimizer, elsewhere, 1));
    dualprop_group_destroy(elsewhere);
    dualprop_group_destroy(group);
}

static void sweep_optimizer_group(void)
{
    dualprop_group *group;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_group(&group, &out.n[0], bad))
}

static void sweep_group_report(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_group_report(&out.d[0], &out.n[0], bad, own.state))
    HANDLES(state, STATE, "state", dualprop_group_report(&out.d[0], &out.n[0], own.optimizer, bad))
    INVALID("networks", dualprop_group_report(&out.d[0], &out.n[0], own.optimizer, foreign.state));
}

static const struct sweep SWEEPS[] = {
    SWEEP(group_create),        SWEEP(group_destroy),       SWEEP(group_info),          SWEEP(group_share),
    SWEEP(group_agree),         SWEEP(group_sum),           SWEEP(group_raise),         SWEEP(group_raised),
    SWEEP(group_share_network), SWEEP(group_check_network), SWEEP(optimizer_set_group), SWEEP(optimizer_group),
    SWEEP(group_report),
};
const struct sweep_list SWEEPS_OF_GROUP = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_group_suite(void)
{
    return arguments_suite("arguments_group", &SWEEPS_OF_GROUP);
}
