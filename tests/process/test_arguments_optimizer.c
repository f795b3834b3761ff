/*
 * test_arguments_optimizer.c - every function of optimizer.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_optimizer_suite(void);

static void sweep_optimizer_create(void)
{
    dualprop_optimizer *made;
    dualprop_network *empty;
    INVALID("optimizer", dualprop_optimizer_create(NULL, own.network, DUALPROP_SGD));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_optimizer_create(&made, bad, DUALPROP_SGD))
    NUMBERS(int, "kind", dualprop_optimizer_create(&made, own.network, bad), -1, 4, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "network", dualprop_optimizer_create(&made, empty, DUALPROP_SGD));
    dualprop_network_destroy(empty);
}

static void sweep_optimizer_create_fused(void)
{
    dualprop_optimizer *made;
    dualprop_network *empty, *learned;
    INVALID("optimizer", dualprop_optimizer_create_fused(NULL, own.network, DUALPROP_SGD));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_optimizer_create_fused(&made, bad, DUALPROP_SGD))
    NUMBERS(int, "kind", dualprop_optimizer_create_fused(&made, own.network, bad), -1, 4, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "network",
            dualprop_optimizer_create_fused(&made, empty, DUALPROP_SGD));
    dualprop_network_destroy(empty);
    expect_ok(dualprop_network_create(&learned, own.context, 1, 1, 2));
    expect_ok(dualprop_network_add_dense(learned, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_feedback(learned, DUALPROP_FEEDBACK_KOLEN_POLLACK, 1));
    NOTHING(made, DUALPROP_ERROR_UNSUPPORTED, "feedback weights that learn",
            dualprop_optimizer_create_fused(&made, learned, DUALPROP_SGD));
    dualprop_network_destroy(learned);
}

static void sweep_optimizer_memory_needed(void)
{
    dualprop_network *empty;
    INVALID("bytes", dualprop_optimizer_memory_needed(NULL, own.network, DUALPROP_SGD, 0));
    HANDLES(network, NETWORK, "network", dualprop_optimizer_memory_needed(&out.u[0], bad, DUALPROP_SGD, 0))
    NUMBERS(int, "kind", dualprop_optimizer_memory_needed(&out.u[0], own.network, bad, 0), -1, 4, INT32_MIN, INT32_MAX);
    NUMBERS(int, "fused", dualprop_optimizer_memory_needed(&out.u[0], own.network, DUALPROP_SGD, bad), -1, 2, INT32_MIN,
            INT32_MAX);
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    INVALID("network", dualprop_optimizer_memory_needed(&out.u[0], empty, DUALPROP_SGD, 0));
    dualprop_network_destroy(empty);
}

static void sweep_optimizer_destroy(void)
{
    DESTROYS(optimizer, OPTIMIZER);
}

#define OPTIMIZER_NUMBER(setter, argument, ...)                  \
    HANDLES(optimizer, OPTIMIZER, "optimizer", setter(bad, 0.5)) \
    NUMBERS(double, argument, setter(own.optimizer, bad), NO_NUMBERS, __VA_ARGS__)

static void sweep_optimizer_set_learning_rate(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_learning_rate, "learning_rate", -1, -1e-300);
}

static void sweep_optimizer_set_momentum(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_momentum, "momentum", -1e-300, 1, 2);
}

static void sweep_optimizer_set_moments(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_moments(bad, 0.9, 0.999, 1e-8))
    NUMBERS(double, "beta1", dualprop_optimizer_set_moments(own.optimizer, bad, 0.9, 1e-8), NO_NUMBERS, -1, 1);
    NUMBERS(double, "beta2", dualprop_optimizer_set_moments(own.optimizer, 0.9, bad, 1e-8), NO_NUMBERS, -1, 1);
    NUMBERS(double, "epsilon", dualprop_optimizer_set_moments(own.optimizer, 0.9, 0.9, bad), NO_NUMBERS, -1, 0, 1e-300);
}

static void sweep_optimizer_set_weight_decay(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_weight_decay, "weight_decay", -1, -1e-300);
}

static void sweep_optimizer_set_schedule(void)
{
    dualprop_optimizer *optimizer = own.optimizer;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_schedule(bad, DUALPROP_RATE_CONSTANT, 0, 0, 0, 0))
    NUMBERS(int, "schedule", dualprop_optimizer_set_schedule(optimizer, bad, 0, 0, 0, 0), -1, 2, INT32_MIN, INT32_MAX);
    NUMBERS(double, "start", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, bad, 0, 1, 2),
            NO_NUMBERS, -1);
    NUMBERS(double, "end", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, bad, 1, 2),
            NO_NUMBERS, -1);
    NUMBERS(int64_t, "warmup", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, 0, bad, 2),
            -1, 3, INT64_MIN, INT64_MAX);
    NUMBERS(int64_t, "decay", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, 0, 1, bad), 0,
            -1, INT64_MIN);
}

static void sweep_optimizer_set_clip(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_clip, "norm", -1, -1e-300);
}

static void sweep_optimizer_set_delayed_status(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_delayed_status(bad, 1))
    NUMBERS(int, "delayed", dualprop_optimizer_set_delayed_status(own.optimizer, bad), -1, 2, INT32_MIN, INT32_MAX);
}

static void sweep_optimizer_wait(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_wait(bad))
}

static void sweep_optimizer_info(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_info(&out.i[0], &out.n[0], &out.d[0], bad))
}

/* What takes an optimizer and a state of its network that has settled. */
#define LEARNS(function)                                                                \
    dualprop_state *idle;                                                               \
    HANDLES(optimizer, OPTIMIZER, "optimizer", function(bad, own.state))                \
    HANDLES(state, STATE, "state", function(own.optimizer, bad))                        \
    INVALID("state", function(own.optimizer, foreign.state));                           \
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));                  \
    expect_error(function(own.optimizer, idle), DUALPROP_ERROR_INVALID_STATE, "state"); \
    dualprop_state_destroy(idle)

static void sweep_gradient(void)
{
    LEARNS(dualprop_gradient);
}

static void sweep_gradient_accumulate(void)
{
    LEARNS(dualprop_gradient_accumulate);
}

static void sweep_update(void)
{
    LEARNS(dualprop_update);
}

static void sweep_learn(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_learn(bad, own.state, images, labels, COUNT))
    HANDLES(state, STATE, "state", dualprop_learn(own.optimizer, bad, images, labels, COUNT))
    INVALID("state", dualprop_learn(own.optimizer, foreign.state, images, labels, COUNT));
    INVALID("images", dualprop_learn(own.optimizer, own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_learn(own.optimizer, own.state, images, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_learn(own.optimizer, own.state, images, labels, bad), 0, -1, CAPACITY + 1,
            INT64_MIN, INT64_MAX);
    BAD_LABELS(dualprop_learn(own.optimizer, own.state, images, bad, COUNT));
}

static void sweep_learn_view(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_learn_view(bad, own.state, &inputs, &targets))
    HANDLES(state, STATE, "state", dualprop_learn_view(own.optimizer, bad, &inputs, &targets))
    INVALID("state", dualprop_learn_view(own.optimizer, foreign.state, &inputs, &targets));
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_learn_view(own.optimizer, own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_learn_view(own.optimizer, own.state, &inputs, bad))
}

static void sweep_step(void)
{
    dualprop_optimizer *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_step(bad))
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_step(fresh), DUALPROP_ERROR_INVALID_STATE, "optimizer");
    dualprop_optimizer_destroy(fresh);
}

static void sweep_gradient_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    dualprop_optimizer *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_read(&good, bad, "layer1.weight"))
    INVALID("name", dualprop_gradient_read(&good, own.optimizer, NULL));
    INVALID("name", dualprop_gradient_read(&good, own.optimizer, "layer0.weight"));
    OUTPUT_VIEWS(good, DUALPROP_U8, "view", dualprop_gradient_read(bad, own.optimizer, "layer1.weight"));
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_gradient_read(&good, fresh, "layer1.weight"), DUALPROP_ERROR_INVALID_STATE, "optimizer");
    dualprop_optimizer_destroy(fresh);
}

static void sweep_gradient_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_write(bad, "layer1.weight", &good))
    INVALID("name", dualprop_gradient_write(own.optimizer, NULL, &good));
    INVALID("name", dualprop_gradient_write(own.optimizer, "layer0.weight", &good));
    VIEWS(good, DUALPROP_U8, BAD_VIEWS, "view", dualprop_gradient_write(own.optimizer, "layer1.weight", bad))
    values[5] = NAN;
    expect_error(dualprop_gradient_write(own.optimizer, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
}

static void sweep_gradient_compare(void)
{
    double *d = out.d;
    dualprop_optimizer *one = own.optimizer, *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], bad, one, 1))
    HANDLES(optimizer, OPTIMIZER, "other", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, bad, 1))
    NUMBERS(int, "index", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, one, bad), 0, -1, 3, INT32_MIN,
            INT32_MAX);
    INVALID("other", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, foreign.optimizer, 1));
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, fresh, 1), DUALPROP_ERROR_INVALID_STATE,
                 "");
    dualprop_optimizer_destroy(fresh);
}

/* clang-format off */
static const struct sweep SWEEPS[] = {
    SWEEP(optimizer_create), SWEEP(optimizer_create_fused), SWEEP(optimizer_memory_needed), SWEEP(optimizer_destroy),
    SWEEP(optimizer_set_learning_rate),
    SWEEP(optimizer_set_momentum), SWEEP(optimizer_set_moments), SWEEP(optimizer_set_weight_decay),
    SWEEP(optimizer_set_schedule), SWEEP(optimizer_set_clip), SWEEP(optimizer_info),
    SWEEP(optimizer_set_delayed_status), SWEEP(optimizer_wait), SWEEP(gradient),
    SWEEP(gradient_accumulate), SWEEP(update), SWEEP(learn), SWEEP(learn_view), SWEEP(step), SWEEP(gradient_read),
    SWEEP(gradient_write), SWEEP(gradient_compare),
};
/* clang-format on */
const struct sweep_list SWEEPS_OF_OPTIMIZER = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_optimizer_suite(void)
{
    return arguments_suite("arguments_optimizer", &SWEEPS_OF_OPTIMIZER);
}
