/*
 * test_arguments_rule.c - every function of rule.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_rule_suite(void);

static void sweep_rule_create(void)
{
    dualprop_rule *made;
    INVALID("rule", dualprop_rule_create(NULL, own.context, DUALPROP_DP));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_rule_create(&made, bad, DUALPROP_DP))
    NUMBERS(int, "variant", dualprop_rule_create(&made, own.context, bad), -1, 8, INT32_MIN, INT32_MAX);
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "variant", dualprop_rule_create(&made, own.context, 8));
}

static void sweep_rule_memory_needed(void)
{
    INVALID("bytes", dualprop_rule_memory_needed(NULL, own.rule));
    HANDLES(rule, RULE, "rule", dualprop_rule_memory_needed(&out.u[0], bad))
}

static void sweep_rule_destroy(void)
{
    DESTROYS(rule, RULE);
}

#define RULE_CHOICE(setter, argument)           \
    HANDLES(rule, RULE, "rule", setter(bad, 0)) \
    NUMBERS(int, argument, setter(own.rule, bad), -1, 99, INT32_MIN, INT32_MAX)

#define RULE_NUMBER(setter, argument, ...)      \
    HANDLES(rule, RULE, "rule", setter(bad, 2)) \
    NUMBERS(double, argument, setter(own.rule, bad), NO_NUMBERS, __VA_ARGS__)

static void sweep_rule_set_variant(void)
{
    RULE_CHOICE(dualprop_rule_set_variant, "variant");
}

static void sweep_rule_set_alpha(void)
{
    RULE_NUMBER(dualprop_rule_set_alpha, "alpha", -1e-300, 1.0000000000000002, -1, 2);
}

static void sweep_rule_set_beta(void)
{
    RULE_NUMBER(dualprop_rule_set_beta, "beta", 0, -0.0);
}

static void sweep_rule_set_loss(void)
{
    RULE_CHOICE(dualprop_rule_set_loss, "loss");
    INVALID("loss", dualprop_rule_set_loss(own.rule, 2));
}

static int no_loss(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                   int64_t count, int64_t width)
{
    (void)user_data, (void)losses, (void)slopes, (void)outputs, (void)targets, (void)count, (void)width;
    return 1;
}

static void sweep_rule_set_loss_function(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_loss_function(bad, no_loss, NULL))
    INVALID("function", dualprop_rule_set_loss_function(own.rule, NULL, NULL));
}

static int no_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                       int64_t count, int64_t width)
{
    (void)user_data, (void)targets, (void)t;
    memcpy(s, a, (size_t)(count * width) * sizeof *s);
    return 0;
}

static void sweep_rule_set_loss_proximal(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_loss_proximal(bad, no_proximal))
    expect_error(dualprop_rule_set_loss_proximal(own.rule, no_proximal), DUALPROP_ERROR_INVALID_STATE, "loss");
}

static void sweep_rule_get_loss_proximal(void)
{
    dualprop_loss_proximal proximal = no_proximal;
    HANDLES(rule, RULE, "rule", dualprop_rule_get_loss_proximal(&proximal, bad))
    ck_assert(proximal == no_proximal);
    INVALID("proximal", dualprop_rule_get_loss_proximal(NULL, own.rule));
}

static void sweep_rule_get_loss_function(void)
{
    dualprop_loss_function function = no_loss;
    void *user_data = &out;
    HANDLES(rule, RULE, "rule", dualprop_rule_get_loss_function(&function, &user_data, bad))
    ck_assert(function == no_loss && user_data == &out);
    expect_ok(dualprop_rule_get_loss_function(NULL, NULL, own.rule));
}

static void sweep_rule_set_output_step(void)
{
    RULE_CHOICE(dualprop_rule_set_output_step, "output_step");
    INVALID("output_step", dualprop_rule_set_output_step(own.rule, 3));
}

static void sweep_rule_set_nudge_at(void)
{
    RULE_CHOICE(dualprop_rule_set_nudge_at, "nudge_at");
    INVALID("nudge_at", dualprop_rule_set_nudge_at(own.rule, 2));
}

static void sweep_rule_set_schedule(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_schedule(bad, DUALPROP_FORWARD, 1))
    NUMBERS(int, "schedule", dualprop_rule_set_schedule(own.rule, bad, 1), -1, 9, INT32_MIN, INT32_MAX);
    NUMBERS(int, "passes", dualprop_rule_set_schedule(own.rule, DUALPROP_FORWARD, bad), 0, -1, 1000001, INT32_MIN,
            INT32_MAX);
}

static void sweep_rule_set_tolerance(void)
{
    RULE_NUMBER(dualprop_rule_set_tolerance, "tolerance", -1, -1e-300);
}

static void sweep_rule_set_divergence_limit(void)
{
    RULE_NUMBER(dualprop_rule_set_divergence_limit, "limit", 1, 0, -1);
}

static void sweep_rule_set_growth_limit(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_growth_limit(bad, 3))
    NUMBERS(int, "passes", dualprop_rule_set_growth_limit(own.rule, bad), -1, 1000001, INT32_MIN, INT32_MAX);
}

static void sweep_rule_set_pool_switches(void)
{
    RULE_CHOICE(dualprop_rule_set_pool_switches, "switches");
    INVALID("switches", dualprop_rule_set_pool_switches(own.rule, 2));
}

static void sweep_rule_set_order(void)
{
    int32_t layers[2] = { 1, 2 }, none[2] = { 1, -1 }, high[1] = { 65536 };
    HANDLES(rule, RULE, "rule", dualprop_rule_set_order(bad, layers, 2))
    INVALID("layers", dualprop_rule_set_order(own.rule, NULL, 2));
    NUMBERS(int64_t, "count", dualprop_rule_set_order(own.rule, layers, bad), 0, -1, 65537, INT64_MIN, INT64_MAX);
    INVALID("layers[1]", dualprop_rule_set_order(own.rule, none, 2));
    INVALID("layers[0]", dualprop_rule_set_order(own.rule, high, 1));
}

static void sweep_rule_set_async_fraction(void)
{
    RULE_NUMBER(dualprop_rule_set_async_fraction, "fraction", 0, -1, 1.0000000000000002, 2);
}

static void sweep_rule_set_time_step(void)
{
    RULE_NUMBER(dualprop_rule_set_time_step, "step", 0, -1, 1.0000000000000002, 2);
}

static void sweep_rule_set_warm_start(void)
{
    RULE_CHOICE(dualprop_rule_set_warm_start, "warm_start");
}

static void sweep_rule_set_fresh_minus(void)
{
    RULE_CHOICE(dualprop_rule_set_fresh_minus, "fresh");
}

static void sweep_rule_set_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_damping(bad, DUALPROP_DAMPING_HALF, 5))
    NUMBERS(int, "damping", dualprop_rule_set_damping(own.rule, bad, 5), -1, DUALPROP_DAMPING_NONE,
            DUALPROP_DAMPING_GIVEN, INT32_MIN, INT32_MAX);
    NUMBERS(int, "power_iterations", dualprop_rule_set_damping(own.rule, DUALPROP_DAMPING_HALF, bad), 0, -1, 10001,
            INT32_MIN, INT32_MAX);
    expect_error(dualprop_rule_set_damping(own.rule, DUALPROP_DAMPING_HALF, 5), DUALPROP_ERROR_UNSUPPORTED, "variant");
}

static void sweep_rule_set_layer_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_damping(bad, 1, 1))
    NUMBERS(int, "index", dualprop_rule_set_layer_damping(own.rule, bad, 1), -2, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "damping", dualprop_rule_set_layer_damping(own.rule, 1, bad), NO_NUMBERS, -1, -1e-300);
    expect_error(dualprop_rule_set_layer_damping(own.rule, 1, 1), DUALPROP_ERROR_UNSUPPORTED, "variant");
}

static void sweep_rule_set_input_robustness(void)
{
    RULE_NUMBER(dualprop_rule_set_input_robustness, "strength", -1, -1e-300);
}

static void sweep_rule_set_feedback(void)
{
    RULE_CHOICE(dualprop_rule_set_feedback, "feedback");
}

static void sweep_rule_set_layer_alpha(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_alpha(bad, 1, 0.5))
    NUMBERS(int, "index", dualprop_rule_set_layer_alpha(own.rule, bad, 0.5), 0, -1, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "alpha", dualprop_rule_set_layer_alpha(own.rule, 1, bad), NO_NUMBERS, -1e-300, 2);
}

static void sweep_rule_set_layer_beta(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_beta(bad, 1, 0.5))
    NUMBERS(int, "index", dualprop_rule_set_layer_beta(own.rule, bad, 0.5), 0, -1, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "beta", dualprop_rule_set_layer_beta(own.rule, 1, bad), NO_NUMBERS, 0, -0.0);
}

static void sweep_rule_set_alpha_mismatch(void)
{
    RULE_NUMBER(dualprop_rule_set_alpha_mismatch, "deviation", -1, -1e-300);
}

static void sweep_rule_set_noise(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_noise(bad, 0, 0, 0))
    NUMBERS(double, "state", dualprop_rule_set_noise(own.rule, bad, 0, 0), NO_NUMBERS, -1);
    NUMBERS(double, "top_down", dualprop_rule_set_noise(own.rule, 0, bad, 0), NO_NUMBERS, -1);
    NUMBERS(double, "weight", dualprop_rule_set_noise(own.rule, 0, 0, bad), NO_NUMBERS, -1);
}

static void sweep_rule_set_quantization(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_quantization(bad, 8))
    NUMBERS(int, "bits", dualprop_rule_set_quantization(own.rule, bad), 1, 25, -1, INT32_MIN, INT32_MAX);
}

static void sweep_rule_set_seed(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_seed(bad, 1))
}

/* A getter of one value, into a member of `out`. */
#define RULE_GETTER(getter, output, name)                \
    do {                                                 \
        HANDLES(rule, RULE, "rule", getter(output, bad)) \
        INVALID(name, getter(NULL, own.rule));           \
    } while (0)

static void sweep_rule_get_variant(void)
{
    RULE_GETTER(dualprop_rule_get_variant, &out.i[0], "variant");
}

static void sweep_rule_get_alpha(void)
{
    RULE_GETTER(dualprop_rule_get_alpha, &out.d[0], "alpha");
}

static void sweep_rule_get_beta(void)
{
    RULE_GETTER(dualprop_rule_get_beta, &out.d[0], "beta");
}

static void sweep_rule_get_loss(void)
{
    RULE_GETTER(dualprop_rule_get_loss, &out.i[0], "loss");
}

static void sweep_rule_get_output_step(void)
{
    RULE_GETTER(dualprop_rule_get_output_step, &out.i[0], "output_step");
}

static void sweep_rule_get_nudge_at(void)
{
    RULE_GETTER(dualprop_rule_get_nudge_at, &out.i[0], "nudge_at");
}

static void sweep_rule_get_async_fraction(void)
{
    RULE_GETTER(dualprop_rule_get_async_fraction, &out.d[0], "fraction");
}

static void sweep_rule_get_tolerance(void)
{
    RULE_GETTER(dualprop_rule_get_tolerance, &out.d[0], "tolerance");
}

static void sweep_rule_get_pool_switches(void)
{
    RULE_GETTER(dualprop_rule_get_pool_switches, &out.i[0], "switches");
}

static void sweep_rule_get_time_step(void)
{
    RULE_GETTER(dualprop_rule_get_time_step, &out.d[0], "step");
}

static void sweep_rule_get_warm_start(void)
{
    RULE_GETTER(dualprop_rule_get_warm_start, &out.i[0], "warm_start");
}

static void sweep_rule_get_fresh_minus(void)
{
    RULE_GETTER(dualprop_rule_get_fresh_minus, &out.i[0], "fresh");
}

static void sweep_rule_get_divergence_limit(void)
{
    RULE_GETTER(dualprop_rule_get_divergence_limit, &out.d[0], "limit");
}

static void sweep_rule_get_growth_limit(void)
{
    RULE_GETTER(dualprop_rule_get_growth_limit, &out.i[0], "passes");
}

static void sweep_rule_get_input_robustness(void)
{
    RULE_GETTER(dualprop_rule_get_input_robustness, &out.d[0], "strength");
}

static void sweep_rule_get_feedback(void)
{
    RULE_GETTER(dualprop_rule_get_feedback, &out.i[0], "feedback");
}

static void sweep_rule_get_alpha_mismatch(void)
{
    RULE_GETTER(dualprop_rule_get_alpha_mismatch, &out.d[0], "deviation");
}

static void sweep_rule_get_quantization(void)
{
    RULE_GETTER(dualprop_rule_get_quantization, &out.i[0], "bits");
}

static void sweep_rule_get_seed(void)
{
    RULE_GETTER(dualprop_rule_get_seed, &out.u[0], "seed");
}

static void sweep_rule_get_schedule(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_schedule(&out.i[0], &out.i[1], bad))
}

static void sweep_rule_get_order(void)
{
    int32_t layers[2];
    HANDLES(rule, RULE, "rule", dualprop_rule_get_order(layers, 2, &out.n[0], bad))
    INVALID("layers", dualprop_rule_get_order(NULL, 2, &out.n[0], own.rule));
    NUMBERS(int64_t, "capacity", dualprop_rule_get_order(layers, bad, &out.n[0], own.rule), -1, INT64_MIN);
}

static void sweep_rule_get_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_damping(&out.i[0], &out.i[1], bad))
}

static void sweep_rule_get_noise(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_noise(&out.d[0], &out.d[1], &out.d[2], bad))
}

#define RULE_LAYER_GETTER(getter, name, least)                                                           \
    do {                                                                                                 \
        HANDLES(rule, RULE, "rule", getter(&out.d[0], bad, 1))                                           \
        INVALID(name, getter(NULL, own.rule, 1));                                                        \
        NUMBERS(int, "index", getter(&out.d[0], own.rule, bad), least - 1, 65536, INT32_MIN, INT32_MAX); \
    } while (0)

static void sweep_rule_get_layer_alpha(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_alpha, "alpha", 1);
}

static void sweep_rule_get_layer_beta(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_beta, "beta", 1);
}

static void sweep_rule_get_layer_damping(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_damping, "damping", 0);
}

/* clang-format off */
static const struct sweep SWEEPS[] = {
    SWEEP(rule_memory_needed),
    SWEEP(rule_create), SWEEP(rule_destroy), SWEEP(rule_set_variant), SWEEP(rule_set_alpha), SWEEP(rule_set_beta),
    SWEEP(rule_set_loss), SWEEP(rule_set_loss_function), SWEEP(rule_set_loss_proximal),
    SWEEP(rule_get_loss_proximal), SWEEP(rule_get_loss_function),
    SWEEP(rule_set_output_step), SWEEP(rule_set_nudge_at), SWEEP(rule_set_schedule),
    SWEEP(rule_set_tolerance), SWEEP(rule_set_divergence_limit), SWEEP(rule_set_growth_limit),
    SWEEP(rule_get_growth_limit), SWEEP(rule_set_fresh_minus), SWEEP(rule_get_fresh_minus),
    SWEEP(rule_set_pool_switches), SWEEP(rule_set_order),
    SWEEP(rule_set_async_fraction), SWEEP(rule_set_time_step), SWEEP(rule_set_warm_start), SWEEP(rule_set_damping),
    SWEEP(rule_set_layer_damping), SWEEP(rule_set_input_robustness), SWEEP(rule_set_feedback),
    SWEEP(rule_set_layer_alpha), SWEEP(rule_set_layer_beta), SWEEP(rule_set_alpha_mismatch), SWEEP(rule_set_noise),
    SWEEP(rule_set_quantization), SWEEP(rule_set_seed), SWEEP(rule_get_variant), SWEEP(rule_get_alpha),
    SWEEP(rule_get_beta), SWEEP(rule_get_loss), SWEEP(rule_get_output_step), SWEEP(rule_get_nudge_at),
    SWEEP(rule_get_async_fraction), SWEEP(rule_get_tolerance), SWEEP(rule_get_pool_switches),
    SWEEP(rule_get_time_step), SWEEP(rule_get_warm_start), SWEEP(rule_get_divergence_limit),
    SWEEP(rule_get_input_robustness), SWEEP(rule_get_feedback), SWEEP(rule_get_alpha_mismatch),
    SWEEP(rule_get_quantization), SWEEP(rule_get_seed), SWEEP(rule_get_schedule), SWEEP(rule_get_order),
    SWEEP(rule_get_damping), SWEEP(rule_get_noise), SWEEP(rule_get_layer_alpha), SWEEP(rule_get_layer_beta),
    SWEEP(rule_get_layer_damping),
};
/* clang-format on */
const struct sweep_list SWEEPS_OF_RULE = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_rule_suite(void)
{
    return arguments_suite("arguments_rule", &SWEEPS_OF_RULE);
}
