/*
 * test_arguments_diagnostics.c - every function of diagnostics.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_diagnostics_suite(void);

static dualprop_view gradient_view(void)
{
    return matrix_view(out.reals, DUALPROP_F32, COUNT, INPUTS);
}

static void sweep_diagnostics_create(void)
{
    dualprop_diagnostics *made;
    dualprop_network *empty;
    INVALID("diagnostics", dualprop_diagnostics_create(NULL, own.network, DUALPROP_MSE, 1));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_diagnostics_create(&made, bad, DUALPROP_MSE, 1))
    NUMBERS(int, "loss", dualprop_diagnostics_create(&made, own.network, bad, 1), -1, 2, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "capacity", dualprop_diagnostics_create(&made, own.network, DUALPROP_MSE, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity",
            dualprop_diagnostics_create(&made, own.network, DUALPROP_MSE, INT64_MAX));
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "layers",
            dualprop_diagnostics_create(&made, empty, DUALPROP_MSE, 1));
    expect_ok(dualprop_network_add_dense(empty, 2, DUALPROP_RELU));
    NOTHING(made, DUALPROP_ERROR_UNSUPPORTED, "relu", dualprop_diagnostics_create(&made, empty, DUALPROP_MSE, 1));
    dualprop_network_destroy(empty);
}

static void sweep_diagnostics_destroy(void)
{
    DESTROYS(diagnostics, DIAGNOSTICS);
}

static void sweep_diagnostics_twin(void)
{
    dualprop_view inputs = image_view(), targets = label_view(), many = image_view(), labels_of_many = label_view();
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_twin(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_diagnostics_twin(own.diagnostics, bad, &targets))
    VIEWS(targets, DUALPROP_U8, BAD_VIEWS_OF_ANY_SHAPE, "", dualprop_diagnostics_twin(own.diagnostics, &inputs, bad))
    many.shape[0] = labels_of_many.shape[0] = CAPACITY + 1;
    many.strides[0] = labels_of_many.strides[0] = 0;
    INVALID("count", dualprop_diagnostics_twin(own.diagnostics, &many, &labels_of_many));
}

static void sweep_diagnostics_compare(void)
{
    double *d = out.d;
    dualprop_diagnostics *fresh;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics",
            dualprop_diagnostics_compare(d, d + 1, d + 2, d + 3, d, bad, own.optimizer, 1))
    HANDLES(optimizer, OPTIMIZER, "optimizer",
            dualprop_diagnostics_compare(d, d + 1, d + 2, d + 3, d, own.diagnostics, bad, 1))
    INVALID("context", dualprop_diagnostics_compare(d, d, d, d, d, own.diagnostics, foreign.optimizer, 1));
    NUMBERS(int, "index", dualprop_diagnostics_compare(d, d, d, d, d, own.diagnostics, own.optimizer, bad), 0, 3, -1,
            INT32_MIN, INT32_MAX);
    expect_ok(dualprop_diagnostics_create(&fresh, own.network, DUALPROP_MSE, 1));
    expect_error(dualprop_diagnostics_compare(d, d, d, d, d, fresh, own.optimizer, 1), DUALPROP_ERROR_INVALID_STATE,
                 "gradient");
    dualprop_diagnostics_destroy(fresh);
}

static void sweep_diagnostics_state(void)
{
    dualprop_state *twin;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_state(&twin, bad))
    INVALID("twin", dualprop_diagnostics_state(NULL, own.diagnostics));
}

static void sweep_diagnostics_input_gradient(void)
{
    dualprop_view gradient = gradient_view();
    dualprop_state *idle;
    dualprop_diagnostics *small;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_input_gradient(&gradient, bad, own.state))
    HANDLES(state, STATE, "state", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, bad))
    OUTPUT_VIEWS(gradient, DUALPROP_I32, "gradient",
                 dualprop_diagnostics_input_gradient(bad, own.diagnostics, own.state));
    INVALID("networks", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, foreign.state));
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, COUNT));
    gradient.shape[0] = 0;
    INVALID("gradient", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, own.state));
    expect_error(dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, idle), DUALPROP_ERROR_INVALID_STATE,
                 "settled");
    dualprop_state_destroy(idle);
    gradient = gradient_view();
    expect_ok(dualprop_diagnostics_create(&small, own.network, DUALPROP_MSE, COUNT - 1));
    INVALID("capacity", dualprop_diagnostics_input_gradient(&gradient, small, own.state));
    dualprop_diagnostics_destroy(small);
}

static void sweep_diagnostics_spectral_norm(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_spectral_norm(out.d, bad, 1, 1))
    INVALID("gamma", dualprop_diagnostics_spectral_norm(NULL, own.diagnostics, 1, 1));
    NUMBERS(int, "index", dualprop_diagnostics_spectral_norm(out.d, own.diagnostics, bad, 1), 0, 3, -1, INT32_MIN,
            INT32_MAX);
    NUMBERS(int, "iterations", dualprop_diagnostics_spectral_norm(out.d, own.diagnostics, 1, bad), 0, -1, 1000001,
            INT32_MIN, INT32_MAX);
}

static void sweep_diagnostics_lipschitz(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_lipschitz(out.d, bad, 1))
    INVALID("norm", dualprop_diagnostics_lipschitz(NULL, own.diagnostics, 1));
    NUMBERS(int, "iterations", dualprop_diagnostics_lipschitz(out.d, own.diagnostics, bad), 0, -1, 1000001, INT32_MIN,
            INT32_MAX);
}

static void sweep_diagnostics_restart(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_restart(bad))
}

static void sweep_diagnostics_zero_delta_fraction(void)
{
    dualprop_state *idle;
    HANDLES(state, STATE, "state", dualprop_diagnostics_zero_delta_fraction(out.d, bad, 1))
    INVALID("fraction", dualprop_diagnostics_zero_delta_fraction(NULL, own.state, 1));
    NUMBERS(int, "index", dualprop_diagnostics_zero_delta_fraction(out.d, own.state, bad), 0, 3, -1, INT32_MIN,
            INT32_MAX);
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_zero_delta_fraction(out.d, idle, 1), DUALPROP_ERROR_INVALID_STATE, "inference");
    dualprop_state_destroy(idle);
}

static void sweep_diagnostics_objective(void)
{
    double *d = out.d;
    dualprop_state *idle;
    dualprop_diagnostics *small;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_objective(d, d + 1, d + 2, bad, own.state))
    HANDLES(state, STATE, "state", dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, bad))
    INVALID("networks", dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, foreign.state));
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, idle), DUALPROP_ERROR_INVALID_STATE,
                 "inference");
    dualprop_state_destroy(idle);
    expect_ok(dualprop_diagnostics_create(&small, own.network, DUALPROP_MSE, COUNT - 1));
    INVALID("capacity", dualprop_diagnostics_objective(d, d + 1, d + 2, small, own.state));
    dualprop_diagnostics_destroy(small);
}

static void sweep_diagnostics_bregman(void)
{
    dualprop_state *idle;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_bregman(out.d, bad, own.state, 1))
    HANDLES(state, STATE, "state", dualprop_diagnostics_bregman(out.d, own.diagnostics, bad, 1))
    INVALID("difference", dualprop_diagnostics_bregman(NULL, own.diagnostics, own.state, 1));
    INVALID("networks", dualprop_diagnostics_bregman(out.d, own.diagnostics, foreign.state, 1));
    NUMBERS(int, "index", dualprop_diagnostics_bregman(out.d, own.diagnostics, own.state, bad), 0, 3, -1, INT32_MIN,
            INT32_MAX);
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_bregman(out.d, own.diagnostics, idle, 1), DUALPROP_ERROR_INVALID_STATE,
                 "inference");
    dualprop_state_destroy(idle);
}

static const struct sweep SWEEPS[] = {
    SWEEP(diagnostics_create),        SWEEP(diagnostics_destroy),
    SWEEP(diagnostics_twin),          SWEEP(diagnostics_compare),
    SWEEP(diagnostics_state),         SWEEP(diagnostics_input_gradient),
    SWEEP(diagnostics_spectral_norm), SWEEP(diagnostics_lipschitz),
    SWEEP(diagnostics_restart),       SWEEP(diagnostics_zero_delta_fraction),
    SWEEP(diagnostics_objective),     SWEEP(diagnostics_bregman),
};
const struct sweep_list SWEEPS_OF_DIAGNOSTICS = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_diagnostics_suite(void)
{
    return arguments_suite("arguments_diagnostics", &SWEEPS_OF_DIAGNOSTICS);
}
