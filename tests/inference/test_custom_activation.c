/*
 * test_custom_activation.c - activations of the caller's: a copy of tanh behaves as tanh does, in every rule and
 * option; what goes wrong in a caller's function is a status; files and other contexts know them by name.
 */
#include <check.h>
#include <dualprop/backend.h>
#include <dualprop/testing.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/scratch_folder.h"
#include "support/small_network.h"

Suite *test_custom_activation_suite(void);

static const int VARIANTS[] = { DUALPROP_BP, DUALPROP_DP, DUALPROP_DP_ADJOINT, DUALPROP_FENCHEL, DUALPROP_LECUN };
#define VARIANT_COUNT ((int)(sizeof VARIANTS / sizeof VARIANTS[0]))

/* ---- activations ---- */

static int tanh_value(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = tanh(a[i]);
    return 0;
}

static int tanh_slope(void *user_data, double *slopes, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) slopes[i] = 1 / (cosh(a[i]) * cosh(a[i]));
    return 0;
}

/* tanh x - tanh y = sinh(x - y)/(cosh x cosh y) */
static int tanh_difference(void *user_data, double *differences, const double *x, const double *y, const double *spans,
                           int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) differences[i] = sinh(spans[i]) / (cosh(x[i]) * cosh(y[i]));
    return 0;
}

/* x sigmoid(2 x), which is in no list. */
static int swish_value(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = a[i] / (1 + exp(-2 * a[i]));
    return 0;
}

static int swish_slope(void *user_data, double *slopes, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) {
        double gate = 1 / (1 + exp(-2 * a[i]));
        slopes[i] = gate + 2 * a[i] * gate * (1 - gate);
    }
    return 0;
}

static int register_tanh(dualprop_context *context)
{
    int activation = -1;
    expect_ok(
        dualprop_activation_register(&activation, context, "my-tanh", tanh_value, tanh_slope, tanh_difference, NULL));
    return activation;
}

static int register_tanh_without_difference(dualprop_context *context)
{
    int activation = -1;
    expect_ok(dualprop_activation_register(&activation, context, "my-tanh", tanh_value, tanh_slope, NULL, NULL));
    return activation;
}

/* ---- networks ---- */

static struct small_plan plan_of(int backend, int variant)
{
    return (struct small_plan){ .backend = backend,
                                .layers = 3,
                                .widths = { 5, 7, 6, 4 },
                                .activation = DUALPROP_TANH,
                                .variant = variant,
                                .alpha = 0.25,
                                .beta = 0.3,
                                .loss = DUALPROP_MSE,
                                .passes = 3,
                                .batch = 6,
                                .seed = 3 };
}

static void noise_and_steps(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.02, 0));
    expect_ok(dualprop_rule_set_time_step(rule, 0.5));
}

static void asynchrony(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_ASYNC, 5));
}

static void mismatch(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_alpha_mismatch(rule, 0.1));
}

static void quantization(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_quantization(rule, 6));
}

static void jacobi_with_tolerance(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, 9));
    expect_ok(dualprop_rule_set_tolerance(rule, 1e-3));
}

static const struct {
    void (*configure)(dualprop_rule *rule);
    int needs_dyads;
} CONFIGURATIONS[] = { { NULL, 0 },     { noise_and_steps, 1 }, { asynchrony, 1 },
                       { mismatch, 1 }, { quantization, 1 },    { jacobi_with_tolerance, 0 } };
#define CONFIGURATION_COUNT ((int)(sizeof CONFIGURATIONS / sizeof CONFIGURATIONS[0]))

/* Equal dyads and equal gradients in every layer, within a tolerance relative to the largest. */
static void expect_alike(struct small_network *one, struct small_network *other, double tolerance)
{
    for (int k = 1; k <= one->plan.layers; k++) {
        small_expect_dyads(one, other, k, tolerance);
        expect_ok(dualprop_gradient(one->optimizer, one->state));
        expect_ok(dualprop_gradient(other->optimizer, other->state));
        small_expect_gradient(one, other, k, tolerance);
    }
}

/* libm's functions and the library's differ by a few units in the last place. */
START_TEST(a_copy_of_tanh_is_tanh_in_every_rule)
{
    int backend = BACKENDS[_i / CONFIGURATION_COUNT], options = _i % CONFIGURATION_COUNT;
    for (int i = 0; i < VARIANT_COUNT; i++) {
        if (VARIANTS[i] == DUALPROP_BP && CONFIGURATIONS[options].needs_dyads) continue;
        if (VARIANTS[i] == DUALPROP_FENCHEL && CONFIGURATIONS[options].configure == mismatch) continue; /* alpha is 0 */
        struct small_plan plan = plan_of(backend, VARIANTS[i]);
        double residual[2];
        int passes[2];
        plan.configure = CONFIGURATIONS[options].configure;
        struct small_network builtin = small_create(&plan);
        plan.register_activation = register_tanh;
        struct small_network copy = small_create(&plan);
        expect_ok(small_infer(&builtin));
        expect_ok(small_infer(&copy));
        expect_alike(&copy, &builtin, 1e-13);
        expect_ok(dualprop_state_report(&passes[0], &residual[0], NULL, NULL, NULL, NULL, builtin.state));
        expect_ok(dualprop_state_report(&passes[1], &residual[1], NULL, NULL, NULL, NULL, copy.state));
        ck_assert_int_eq(passes[0], passes[1]);
        ck_assert(fabs(residual[0] - residual[1]) < 1e-12 || (isnan(residual[0]) && isnan(residual[1])));
        small_destroy(&builtin);
        small_destroy(&copy);
    }
}
END_TEST

/* beta 1e-3: spans on either side of 2^-17. beta 1e-9: all are below it, and plain differences would have 7 digits. */
START_TEST(without_a_difference_delta_keeps_its_digits)
{
    static const double betas[] = { 1e-3, 1e-5, 1e-9, 1e-30 };
    struct small_plan plan = plan_of(BACKENDS[_i % 2], DUALPROP_DP_ADJOINT);
    plan.beta = betas[_i / 2];
    struct small_network builtin = small_create(&plan);
    plan.register_activation = register_tanh_without_difference;
    struct small_network copy = small_create(&plan);
    expect_ok(small_infer(&builtin));
    expect_ok(small_infer(&copy));
    expect_alike(&copy, &builtin, 3e-10);
    small_destroy(&builtin);
    small_destroy(&copy);
}
END_TEST

/* A network on images, of 3 kinds of layers, in f32; layers are larger than a piece of 4096 numbers. */
struct pictures {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
};
enum { PICTURES = 8, SIDE = 16, CLASSES = 5 };

static struct pictures create_pictures(int backend, int threads, int (*activation_of)(dualprop_context *context))
{
    struct pictures made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    int64_t kernel[2] = { 3, 3 }, window[2] = { 2, 2 };
    options.threads = threads;
    expect_ok(dualprop_context_create(&made.context, backend, &options));
    int activation = activation_of ? activation_of(made.context) : DUALPROP_TANH;
    expect_ok(dualprop_network_create(&made.network, made.context, SIDE, SIDE, 1));
    expect_ok(dualprop_network_add_convolution(made.network, 4, kernel, NULL, NULL, activation));
    expect_ok(dualprop_network_add_convolution(made.network, 4, kernel, NULL, NULL, activation));
    expect_ok(dualprop_network_add_pooling(made.network, DUALPROP_POOL_MAX, window, NULL));
    expect_ok(dualprop_network_add_local(made.network, 3, kernel, NULL, NULL, activation));
    expect_ok(dualprop_network_add_dense(made.network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made.network, 4));
    expect_ok(dualprop_rule_create(&made.rule, made.context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_beta(made.rule, 1e-3));
    expect_ok(dualprop_state_create(&made.state, made.network, made.rule, PICTURES));
    expect_ok(dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_SGD));
    return made;
}

static void destroy_pictures(const struct pictures *made)
{
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_state_destroy(made->state);
    dualprop_rule_destroy(made->rule);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

static void infer_pictures(const struct pictures *made)
{
    float images[PICTURES * SIDE * SIDE];
    int32_t labels[PICTURES];
    for (int i = 0; i < PICTURES * SIDE * SIDE; i++) images[i] = (float)sin(i * 0.7);
    for (int i = 0; i < PICTURES; i++) labels[i] = i % CLASSES;
    expect_ok(dualprop_infer(made->state, images, labels, PICTURES));
}

static void read_first_layer(float *delta, const struct pictures *made)
{
    dualprop_view view = matrix_view(delta, DUALPROP_F32, PICTURES, SIDE * SIDE * 4);
    infer_pictures(made);
    expect_ok(dualprop_state_read(&view, made->state, 1, DUALPROP_S_DELTA));
}

/* In f32 the copy's f is rounded once; built-in formulas are right to some units in the last place. */
START_TEST(images_and_f32_work_too)
{
    static float builtin[PICTURES * SIDE * SIDE * 4], copy[PICTURES * SIDE * SIDE * 4];
    double difference = 0, largest = 0;
    struct pictures made = create_pictures(BACKENDS[_i], 1, NULL);
    read_first_layer(builtin, &made);
    destroy_pictures(&made);
    made = create_pictures(BACKENDS[_i], 1, register_tanh_without_difference);
    read_first_layer(copy, &made);
    destroy_pictures(&made);
    for (int i = 0; i < PICTURES * SIDE * SIDE * 4; i++) {
        difference = comparison_larger(difference, fabs((double)builtin[i] - (double)copy[i]));
        largest = comparison_larger(largest, fabs((double)builtin[i]));
    }
    ck_assert_msg(largest > 0 && difference <= 4e-6 * largest, "difference %g of %g", difference, largest);
}
END_TEST

START_TEST(threads_do_not_change_bits)
{
    static float one[PICTURES * SIDE * SIDE * 4], several[PICTURES * SIDE * SIDE * 4];
    struct pictures made = create_pictures(BACKENDS[_i], 1, register_tanh);
    read_first_layer(one, &made);
    destroy_pictures(&made);
    made = create_pictures(BACKENDS[_i], 4, register_tanh);
    read_first_layer(several, &made);
    destroy_pictures(&made);
    ck_assert(memcmp(one, several, sizeof one) == 0);
}
END_TEST

START_TEST(gradients_are_those_of_the_loss)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    double x[6 * 5], error = -1;
    int32_t labels[6];
    int activation;
    options.precision = DUALPROP_F64;
    for (int i = 0; i < 30; i++) x[i] = sin(i * 3.1);
    for (int i = 0; i < 6; i++) labels[i] = i % 3;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    expect_ok(dualprop_activation_register(&activation, context, "swish-2", swish_value, swish_slope, NULL, NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 5));
    expect_ok(dualprop_network_add_dense(network, 8, activation));
    expect_ok(dualprop_network_add_dense(network, 7, activation));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 2));
    expect_ok(dualprop_rule_create(&rule, context, _i < 2 ? DUALPROP_DP_ADJOINT : DUALPROP_BP));
    expect_ok(dualprop_rule_set_alpha(rule, 0.5));
    expect_ok(dualprop_rule_set_beta(rule, 1e-4));
    expect_ok(dualprop_testing_gradient(&error, network, rule, x, labels, 6, 0));
    ck_assert_msg(error < 1e-6, "error %g", error);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* Delta that is written by hand goes down through f' (LeCun's variant). */
START_TEST(written_dyads_use_the_slope)
{
    double delta[2][SMALL_MAX_REALS], top_down[2][SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_LECUN);
    for (int own = 0; own < 2; own++) {
        plan.register_activation = own ? register_tanh : NULL;
        struct small_network small = small_create(&plan);
        dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, 6, 5),
                      targets = matrix_view(small.y, DUALPROP_F64, 6, 4);
        dualprop_view view = matrix_view(delta[own], DUALPROP_F64, 6, 6);
        for (int i = 0; i < 36; i++) delta[own][i] = 0.1 * sin(i);
        expect_ok(dualprop_infer_begin(small.state, &inputs, &targets));
        expect_ok(dualprop_state_write(small.state, 2, DUALPROP_S_DELTA, &view));
        expect_ok(dualprop_infer_layer(small.state, 1));
        small_read(top_down[own], &small, 1, DUALPROP_S_TOP_DOWN);
        expect_ok(dualprop_infer_end(small.state));
        small_destroy(&small);
    }
    ck_assert(relative_difference(top_down[1], top_down[0], 42) <= 1e-13);
    ck_assert(fabs(top_down[0][0]) > 1e-4);
}
END_TEST

/* ---- functions that go wrong ---- */

/* What a function of these tests does from its call number `from` on. */
enum fault { NO_FAULT, STOPS, IS_NAN, IS_INFINITE, CALLS_BACK };
struct trouble {
    enum fault fault;
    int in_slope, in_difference; /* else in the value */
    dualprop_state *state;       /* for CALLS_BACK */
    dualprop_status answer;
};

static int make_trouble(struct trouble *trouble, double *results, int64_t count)
{
    double x[30] = { 0 };
    int32_t labels[6] = { 0 };
    switch (trouble->fault) {
    case STOPS: return 7;
    case IS_NAN: results[count - 1] = NAN; break;
    case IS_INFINITE: results[0] = -INFINITY; break;
    case CALLS_BACK: trouble->answer = dualprop_infer(trouble->state, x, labels, 6); break;
    default: break;
    }
    return 0;
}

static int troubled_value(void *user_data, double *values, const double *a, int64_t count)
{
    struct trouble *trouble = user_data;
    tanh_value(NULL, values, a, count);
    return trouble->in_slope || trouble->in_difference ? 0 : make_trouble(trouble, values, count);
}

static int troubled_slope(void *user_data, double *slopes, const double *a, int64_t count)
{
    struct trouble *trouble = user_data;
    tanh_slope(NULL, slopes, a, count);
    return trouble->in_slope ? make_trouble(trouble, slopes, count) : 0;
}

static int troubled_difference(void *user_data, double *differences, const double *x, const double *y,
                               const double *spans, int64_t count)
{
    struct trouble *trouble = user_data;
    tanh_difference(NULL, differences, x, y, spans, count);
    return trouble->in_difference ? make_trouble(trouble, differences, count) : 0;
}

static struct trouble trouble;

static int register_trouble(dualprop_context *context)
{
    int activation = -1;
    expect_ok(dualprop_activation_register(&activation, context, "trouble", troubled_value, troubled_slope,
                                           troubled_difference, &trouble));
    return activation;
}

static const struct {
    int variant;
    struct trouble trouble;
    dualprop_status status;
    const char *word;
} FAULTS[] = {
    { DUALPROP_DP_ADJOINT, { STOPS, 0, 0, NULL, 0 }, DUALPROP_ERROR_CANCELLED, "trouble of layer 1 returned 7" },
    { DUALPROP_DP_ADJOINT, { STOPS, 0, 1, NULL, 0 }, DUALPROP_ERROR_CANCELLED, "trouble of layer 2 returned 7" },
    { DUALPROP_BP, { STOPS, 1, 0, NULL, 0 }, DUALPROP_ERROR_CANCELLED, "trouble of layer 2 returned 7" },
    { DUALPROP_LECUN, { STOPS, 1, 0, NULL, 0 }, DUALPROP_ERROR_CANCELLED, "returned 7" },
    { DUALPROP_DP_ADJOINT, { IS_NAN, 0, 0, NULL, 0 }, DUALPROP_ERROR_DIVERGED, "trouble of layer 1 computed a value" },
    { DUALPROP_DP, { IS_INFINITE, 0, 0, NULL, 0 }, DUALPROP_ERROR_DIVERGED, "trouble of layer 1 computed a value" },
    { DUALPROP_DP_ADJOINT,
      { IS_NAN, 0, 1, NULL, 0 },
      DUALPROP_ERROR_DIVERGED,
      "trouble of layer 2 computed a difference" },
    { DUALPROP_DP_ADJOINT,
      { IS_INFINITE, 0, 1, NULL, 0 },
      DUALPROP_ERROR_DIVERGED,
      "trouble of layer 2 computed a difference" },
    { DUALPROP_BP, { IS_NAN, 1, 0, NULL, 0 }, DUALPROP_ERROR_DIVERGED, "trouble of layer 2 computed a slope" },
    { DUALPROP_LECUN,
      { IS_INFINITE, 1, 0, NULL, 0 },
      DUALPROP_ERROR_DIVERGED,
      "computed a slope that is NaN or infinite" },
};
#define FAULT_COUNT ((int)(sizeof FAULTS / sizeof FAULTS[0]))

START_TEST(faults_of_a_function_are_statuses)
{
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i / FAULT_COUNT], FAULTS[_i % FAULT_COUNT].variant);
    plan.register_activation = register_trouble;
    trouble = (struct trouble){ NO_FAULT, 0, 0, NULL, 0 };
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, 6, 5), targets = matrix_view(small.y, DUALPROP_F64, 6, 4);
    dualprop_view weight = matrix_view(before, DUALPROP_F64, 5, 7);
    expect_ok(dualprop_network_read(&weight, small.network, "layer1.weight"));
    trouble = FAULTS[_i % FAULT_COUNT].trouble;
    expect_error(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets), FAULTS[_i % FAULT_COUNT].status,
                 FAULTS[_i % FAULT_COUNT].word);
    weight.data = after;
    expect_ok(dualprop_network_read(&weight, small.network, "layer1.weight"));
    ck_assert(memcmp(before, after, 35 * sizeof *before) == 0);
    trouble.fault = NO_FAULT;
    expect_ok(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets));
    small_destroy(&small);
}
END_TEST

START_TEST(a_function_cannot_use_its_own_state)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP_ADJOINT);
    plan.register_activation = register_trouble;
    trouble = (struct trouble){ NO_FAULT, 0, 0, NULL, 0 };
    struct small_network small = small_create(&plan);
    trouble.fault = CALLS_BACK;
    trouble.state = small.state;
    expect_ok(small_infer(&small));
    ck_assert_int_eq(trouble.answer, DUALPROP_ERROR_BUSY);
    small_destroy(&small);
}
END_TEST

static dualprop_network *network_with(dualprop_context *context, int activation)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 1, 1, 5));
    expect_ok(dualprop_network_add_dense(network, 6, activation));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 5));
    return network;
}

/* ---- what is refused ---- */

START_TEST(damping_the_last_layer_and_c_source_are_refused)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP_ADJOINT);
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_network *network;
    dualprop_diagnostics *diagnostics;
    double objective = 0;
    int activation;
    plan.register_activation = register_tanh;
    struct small_network small = small_create(&plan);
    expect_ok(dualprop_rule_create(&rule, small.context, DUALPROP_LPOM));
    expect_error(dualprop_state_create(&state, small.network, rule, 2), DUALPROP_ERROR_UNSUPPORTED,
                 "damping contradicts the activation my-tanh of layer 1");
    expect_error(dualprop_network_export_c(small.network, "no-such-folder", "net"), DUALPROP_ERROR_UNSUPPORTED,
                 "layer 1 has the activation my-tanh");
    expect_ok(dualprop_activation_find(&activation, small.context, "my-tanh"));
    expect_ok(dualprop_network_create(&network, small.context, 1, 1, 5));
    expect_ok(dualprop_network_add_dense(network, 2, activation));
    expect_error(dualprop_state_create(&state, network, small.rule, 2), DUALPROP_ERROR_UNSUPPORTED,
                 "the last layer's activation is my-tanh");
    dualprop_network_destroy(network);
    /* The energy of an activation of the caller's is not known. */
    expect_ok(small_infer(&small));
    expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, DUALPROP_MSE, 6));
    expect_ok(dualprop_diagnostics_objective(&objective, NULL, NULL, diagnostics, small.state));
    ck_assert(isnan(objective));
    dualprop_diagnostics_destroy(diagnostics);
    dualprop_rule_destroy(rule);
    small_destroy(&small);
}
END_TEST

/* A table that says its memory is a device's. */
START_TEST(a_device_is_refused)
{
    dualprop_backend table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    dualprop_options options = { .struct_size = sizeof options, .backend = &table };
    dualprop_context *context;
    int activation = 5;
    table.flags = 0;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    expect_error(dualprop_activation_register(&activation, context, "mine", tanh_value, tanh_slope, NULL, NULL),
                 DUALPROP_ERROR_UNSUPPORTED, "device");
    ck_assert_int_eq(activation, 5);
    dualprop_context_destroy(context);
}
END_TEST

static int unknown_activations;

static dualprop_status watched_update(void *self, const dualprop_dyad *dyad)
{
    unknown_activations += dyad->activation > DUALPROP_SOFTMAX;
    return dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)->dyad_update(self, dyad);
}

static dualprop_status watched_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                         const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    unknown_activations += dyad && dyad->activation > DUALPROP_SOFTMAX;
    return dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)
        ->dense_bottom_up(self, shape, a, x, weights, bias, dyad);
}

START_TEST(slots_of_the_callers_never_meet_it)
{
    dualprop_backend table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    dualprop_options options = { .struct_size = sizeof options, .backend = &table };
    dualprop_context *context;
    dualprop_rule *rule;
    dualprop_state *state;
    float x[5] = { 1, 0, 1, 0, 1 };
    int32_t label = 1;
    table.dyad_update = watched_update;
    table.dense_bottom_up = watched_bottom_up;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    dualprop_network *network = network_with(context, register_tanh(context));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, 1));
    unknown_activations = 0;
    expect_ok(dualprop_infer(state, x, &label, 1));
    expect_ok(dualprop_predict(x, state, x, 1));
    ck_assert_int_eq(unknown_activations, 0);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(names_and_numbers_are_those_of_one_context)
{
    dualprop_context *contexts[2];
    dualprop_network *network;
    int one, other, found;
    for (int i = 0; i < 2; i++) expect_ok(dualprop_context_create(&contexts[i], DUALPROP_BACKEND_REFERENCE, NULL));
    one = register_tanh(contexts[0]);
    other = register_tanh(contexts[1]);
    ck_assert_int_ne(one, other);
    ck_assert_str_eq(dualprop_activation_name(contexts[0], one), "my-tanh");
    ck_assert_ptr_null(dualprop_activation_name(contexts[1], one));
    ck_assert_str_eq(dualprop_activation_name(contexts[1], DUALPROP_RELU), "relu");
    expect_ok(dualprop_activation_find(&found, contexts[0], "My_Tanh"));
    ck_assert_int_eq(found, one);
    expect_ok(dualprop_activation_find(&found, contexts[0], "leaky_relu"));
    ck_assert_int_eq(found, DUALPROP_LEAKY_RELU);
    expect_error(dualprop_activation_find(&found, contexts[0], "nothing"), DUALPROP_ERROR_UNSUPPORTED, "'nothing'");
    ck_assert_int_eq(found, DUALPROP_LEAKY_RELU);
    expect_ok(dualprop_network_create(&network, contexts[1], 1, 1, 3));
    expect_error(dualprop_network_add_dense(network, 2, one), DUALPROP_ERROR_INVALID_ARGUMENT, "registered");
    expect_ok(dualprop_network_add_dense(network, 2, other));
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

/* ---- by name: files, copies, publications ---- */

static void predict_ones(float scores[2], dualprop_network *network)
{
    float x[5] = { 1, 1, 1, 1, 1 };
    dualprop_state *state;
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    expect_ok(dualprop_predict(scores, state, x, 1));
    dualprop_state_destroy(state);
}

START_TEST(a_checkpoint_keeps_the_name)
{
    dualprop_context *contexts[2];
    dualprop_network *network, *loaded = NULL;
    dualprop_checkpoint *checkpoint;
    float before[2], after[2];
    scratch_folder folder = scratch_folder_create();
    for (int i = 0; i < 2; i++) expect_ok(dualprop_context_create(&contexts[i], DUALPROP_BACKEND_AUTO, NULL));
    network = network_with(contexts[0], register_tanh(contexts[0]));
    predict_ones(before, network);
    expect_ok(dualprop_checkpoint_create(&checkpoint, contexts[0]));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);

    expect_ok(dualprop_checkpoint_read(&checkpoint, contexts[1], folder.file));
    expect_error(dualprop_checkpoint_get_network(&loaded, checkpoint), DUALPROP_ERROR_UNSUPPORTED,
                 "layer 1 has the activation my-tanh,");
    ck_assert_ptr_null(loaded);
    register_tanh(contexts[1]);
    expect_ok(dualprop_checkpoint_get_network(&loaded, checkpoint));
    predict_ones(after, loaded);
    ck_assert(memcmp(before, after, sizeof before) == 0);
    scratch_folder_destroy(&folder);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(loaded);
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

START_TEST(copies_compare_names)
{
    dualprop_context *contexts[2];
    dualprop_network *network, *clone, *other, *plain;
    dualprop_status status;
    float scores[4][2];
    for (int i = 0; i < 2; i++) expect_ok(dualprop_context_create(&contexts[i], BACKENDS[i], NULL));
    network = network_with(contexts[0], register_tanh(contexts[0]));
    other = network_with(contexts[1], register_tanh(contexts[1]));
    plain = network_with(contexts[1], DUALPROP_TANH);
    expect_ok(dualprop_network_clone(&clone, network));
    expect_ok(dualprop_network_initialize(network, 9));
    expect_ok(dualprop_network_copy(other, network));
    expect_error(dualprop_network_copy(plain, network), DUALPROP_ERROR_INVALID_ARGUMENT, "my-tanh");
    expect_ok(dualprop_network_publish(clone, network));
    status = dualprop_network_publish(clone, network); /* into a spare network */
    expect_ok(status);
    predict_ones(scores[0], network);
    predict_ones(scores[1], clone);
    predict_ones(scores[2], other);
    ck_assert(memcmp(scores[0], scores[1], sizeof scores[0]) == 0);
    for (int i = 0; i < 2; i++) ck_assert_double_eq_tol(scores[0][i], scores[2][i], 1e-6);
    dualprop_network_destroy(plain);
    dualprop_network_destroy(other);
    dualprop_network_destroy(clone);
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

/* ---- threads ---- */

enum { REGISTERING = 4, NAMES = 20 };

struct registration {
    dualprop_context *context;
    int number, won;
};

/* Names of its own, and names that all want, which one of them gets. */
static void *register_many(void *argument)
{
    struct registration *own = argument;
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        int activation, found;
        snprintf(name, sizeof name, "own-%d-%d", own->number, i);
        expect_ok(dualprop_activation_register(&activation, own->context, name, tanh_value, tanh_slope, NULL, NULL));
        expect_ok(dualprop_activation_find(&found, own->context, name));
        ck_assert_int_eq(found, activation);
        snprintf(name, sizeof name, "shared-%d", i);
        own->won += dualprop_activation_register(&activation, own->context, name, tanh_value, tanh_slope, NULL, NULL) ==
                    DUALPROP_OK;
    }
    return NULL;
}

START_TEST(threads_register_at_the_same_time)
{
    struct registration own[REGISTERING];
    pthread_t threads[REGISTERING];
    dualprop_context *context;
    int won = 0;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    for (int i = 0; i < REGISTERING; i++) {
        own[i] = (struct registration){ context, i, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, register_many, &own[i]), 0);
    }
    for (int i = 0; i < REGISTERING; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        won += own[i].won;
    }
    ck_assert_int_eq(won, NAMES);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_custom_activation_suite(void)
{
    Suite *suite = suite_create("custom_activation");
    TCase *cases = tcase_create("custom_activation");
    tcase_add_loop_test(cases, a_copy_of_tanh_is_tanh_in_every_rule, 0, 2 * CONFIGURATION_COUNT);
    tcase_add_loop_test(cases, without_a_difference_delta_keeps_its_digits, 0, 8);
    tcase_add_loop_test(cases, images_and_f32_work_too, 0, 2);
    tcase_add_loop_test(cases, threads_do_not_change_bits, 0, 2);
    tcase_add_loop_test(cases, gradients_are_those_of_the_loss, 0, 4);
    tcase_add_loop_test(cases, written_dyads_use_the_slope, 0, 2);
    tcase_add_loop_test(cases, faults_of_a_function_are_statuses, 0, 2 * FAULT_COUNT);
    tcase_add_loop_test(cases, a_function_cannot_use_its_own_state, 0, 2);
    tcase_add_loop_test(cases, damping_the_last_layer_and_c_source_are_refused, 0, 2);
    tcase_add_test(cases, a_device_is_refused);
    tcase_add_test(cases, slots_of_the_callers_never_meet_it);
    tcase_add_test(cases, names_and_numbers_are_those_of_one_context);
    tcase_add_test(cases, a_checkpoint_keeps_the_name);
    tcase_add_test(cases, copies_compare_names);
    tcase_add_test(cases, threads_register_at_the_same_time);
    suite_add_tcase(suite, cases);
    return suite;
}
