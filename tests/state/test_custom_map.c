/*
 * test_custom_map.c - linear maps of the caller's: a dense layer written as one behaves as the built-in one does; what
 * goes wrong in a caller's function is a status; files and other contexts know maps by name.
 */
#include <check.h>
#include <dualprop/testing.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/scratch_folder.h"
#include "support/small_network.h"

Suite *test_custom_map_suite(void);

/* ---- maps ---- */

static double get(const void *reals, const dualprop_map_shape *shape, int64_t i)
{
    return shape->type == DUALPROP_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static void put(void *reals, const dualprop_map_shape *shape, int64_t i, double value)
{
    if (shape->type == DUALPROP_F32) ((float *)reals)[i] = (float)value;
    else ((double *)reals)[i] = value;
}

/* A dense layer: w is [inputs, outputs]. */
static int matrix_forward(void *user_data, void *a, const void *x, const void *w, const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t b = 0; b < shape->count; b++)
        for (int64_t o = 0; o < shape->outputs; o++) {
            double sum = 0;
            for (int64_t i = 0; i < shape->inputs; i++)
                sum += get(x, shape, b * shape->inputs + i) * get(w, shape, i * shape->outputs + o);
            put(a, shape, b * shape->outputs + o, sum);
        }
    return 0;
}

static int matrix_transposed(void *user_data, void *to, const void *delta, const void *w,
                             const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t b = 0; b < shape->count; b++)
        for (int64_t i = 0; i < shape->inputs; i++) {
            double sum = 0;
            for (int64_t o = 0; o < shape->outputs; o++)
                sum += get(delta, shape, b * shape->outputs + o) * get(w, shape, i * shape->outputs + o);
            put(to, shape, b * shape->inputs + i, sum);
        }
    return 0;
}

static int matrix_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *w,
                           const dualprop_map_shape *shape)
{
    (void)user_data, (void)w;
    for (int64_t i = 0; i < shape->inputs; i++)
        for (int64_t o = 0; o < shape->outputs; o++) {
            double sum = 0;
            for (int64_t b = 0; b < shape->count; b++)
                sum += get(x, shape, b * shape->inputs + i) * get(delta, shape, b * shape->outputs + o);
            put(gradient, shape, i * shape->outputs + o, sum);
        }
    return 0;
}

static int register_matrix(dualprop_context *context)
{
    int map = -1;
    expect_ok(dualprop_map_register(&map, context, "matrix", matrix_forward, matrix_transposed, matrix_gradient, NULL));
    return map;
}

/* W = u v^T: w is u [outputs], then v [inputs], which the gradient needs. */
static int outer_forward(void *user_data, void *a, const void *x, const void *w, const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t b = 0; b < shape->count; b++) {
        double dot = 0;
        for (int64_t i = 0; i < shape->inputs; i++)
            dot += get(w, shape, shape->outputs + i) * get(x, shape, b * shape->inputs + i);
        for (int64_t o = 0; o < shape->outputs; o++) put(a, shape, b * shape->outputs + o, get(w, shape, o) * dot);
    }
    return 0;
}

static int outer_transposed(void *user_data, void *to, const void *delta, const void *w,
                            const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t b = 0; b < shape->count; b++) {
        double dot = 0;
        for (int64_t o = 0; o < shape->outputs; o++)
            dot += get(w, shape, o) * get(delta, shape, b * shape->outputs + o);
        for (int64_t i = 0; i < shape->inputs; i++)
            put(to, shape, b * shape->inputs + i, get(w, shape, shape->outputs + i) * dot);
    }
    return 0;
}

static int outer_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *w,
                          const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t i = 0; i < shape->weights; i++) put(gradient, shape, i, 0);
    for (int64_t b = 0; b < shape->count; b++) {
        double up = 0, down = 0;
        for (int64_t i = 0; i < shape->inputs; i++)
            up += get(w, shape, shape->outputs + i) * get(x, shape, b * shape->inputs + i);
        for (int64_t o = 0; o < shape->outputs; o++)
            down += get(w, shape, o) * get(delta, shape, b * shape->outputs + o);
        for (int64_t o = 0; o < shape->outputs; o++)
            put(gradient, shape, o, get(gradient, shape, o) + up * get(delta, shape, b * shape->outputs + o));
        for (int64_t i = 0; i < shape->inputs; i++)
            put(gradient, shape, shape->outputs + i,
                get(gradient, shape, shape->outputs + i) + down * get(x, shape, b * shape->inputs + i));
    }
    return 0;
}

/* One weight for all: fewer than there are biases. */
static int scale_product(void *user_data, void *to, const void *from, const void *w, const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t i = 0; i < shape->count * shape->inputs; i++)
        put(to, shape, i, get(w, shape, 0) * get(from, shape, i));
    return 0;
}

static int scale_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *w,
                          const dualprop_map_shape *shape)
{
    double sum = 0;
    (void)user_data, (void)w;
    for (int64_t i = 0; i < shape->count * shape->inputs; i++) sum += get(x, shape, i) * get(delta, shape, i);
    put(gradient, shape, 0, sum);
    return 0;
}

/* ---- a dense layer as a map ---- */

static struct small_plan plan_of(int backend, int variant)
{
    return (struct small_plan){ .backend = backend,
                                .layers = 3,
                                .widths = { 5, 7, 6, 4 },
                                .activation = variant >= DUALPROP_DP_DAMPED && variant <= DUALPROP_INVERTED_LPOM
                                                  ? DUALPROP_RELU
                                                  : DUALPROP_TANH,
                                .variant = variant,
                                .alpha = 0.25,
                                .beta = 0.3,
                                .loss = DUALPROP_MSE,
                                .passes = 3,
                                .batch = 6,
                                .seed = 3 };
}

static void noise(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_noise(rule, 0.01, 0.02, 0.03));
}

static void input_robustness(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_input_robustness(rule, 0.1));
}

static void jacobi(dualprop_rule *rule)
{
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, 9));
    expect_ok(dualprop_rule_set_tolerance(rule, 1e-3));
}

static const struct {
    void (*configure)(dualprop_rule *rule);
    int needs_dyads, feedback;
} CONFIGURATIONS[] = { { NULL, 0, DUALPROP_FEEDBACK_SYMMETRIC },
                       { noise, 1, DUALPROP_FEEDBACK_SYMMETRIC },
                       { input_robustness, 1, DUALPROP_FEEDBACK_SYMMETRIC },
                       { jacobi, 0, DUALPROP_FEEDBACK_SYMMETRIC },
                       { NULL, 0, DUALPROP_FEEDBACK_KOLEN_POLLACK },
                       { NULL, 0, DUALPROP_FEEDBACK_SIGN } };
#define CONFIGURATION_COUNT ((int)(sizeof CONFIGURATIONS / sizeof CONFIGURATIONS[0]))

static void expect_alike(struct small_network *one, struct small_network *other, double tolerance)
{
    for (int k = 1; k <= one->plan.layers; k++) {
        small_expect_dyads(one, other, k, tolerance);
        expect_ok(dualprop_gradient(one->optimizer, one->state));
        expect_ok(dualprop_gradient(other->optimizer, other->state));
        expect_ok(dualprop_gradient_accumulate(one->optimizer, one->state));
        expect_ok(dualprop_gradient_accumulate(other->optimizer, other->state));
        small_expect_gradient(one, other, k, tolerance);
    }
}

/* Sums of products are added in another order than the backends add them. */
START_TEST(a_dense_layer_as_a_map_is_a_dense_layer)
{
    static const int VARIANTS[] = { DUALPROP_BP,        DUALPROP_DP,   DUALPROP_DP_ADJOINT,
                                    DUALPROP_DP_DAMPED, DUALPROP_LPOM, DUALPROP_LECUN };
    int configuration = _i % CONFIGURATION_COUNT;
    for (int i = 0; i < 6; i++) {
        struct small_plan plan = plan_of(BACKENDS[_i / CONFIGURATION_COUNT], VARIANTS[i]);
        if (VARIANTS[i] == DUALPROP_BP && CONFIGURATIONS[configuration].needs_dyads) continue;
        plan.configure = CONFIGURATIONS[configuration].configure;
        plan.feedback = CONFIGURATIONS[configuration].feedback;
        struct small_network dense = small_create(&plan);
        plan.register_map = register_matrix;
        struct small_network own = small_create(&plan);
        for (int step = 0; step < 3; step++) {
            expect_ok(small_infer(&dense));
            expect_ok(small_infer(&own));
            expect_alike(&own, &dense, 1e-12);
            expect_ok(dualprop_step(dense.optimizer));
            expect_ok(dualprop_step(own.optimizer));
        }
        small_destroy(&dense);
        small_destroy(&own);
    }
}
END_TEST

START_TEST(norms_are_those_of_the_dense_network)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP);
    double norms[2][2] = { { 0 } };
    for (int own = 0; own < 2; own++) {
        dualprop_diagnostics *diagnostics;
        plan.register_map = own ? register_matrix : NULL;
        struct small_network small = small_create(&plan);
        expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, DUALPROP_MSE, plan.batch));
        expect_ok(dualprop_diagnostics_spectral_norm(&norms[own][0], diagnostics, 2, 1000));
        expect_ok(dualprop_diagnostics_lipschitz(&norms[own][1], diagnostics, 1000));
        dualprop_diagnostics_destroy(diagnostics);
        small_destroy(&small);
    }
    for (int i = 0; i < 2; i++) ck_assert(fabs(norms[0][i] - norms[1][i]) <= 1e-9 * norms[0][i]);
}
END_TEST

/* In f32 the norm is measured on a copy in f64, which knows the activation and the map of the network in f32. */
START_TEST(norms_in_f32_use_the_functions_in_f64)
{
    dualprop_context *context;
    dualprop_network *network;
    dualprop_diagnostics *diagnostics;
    float u[3] = { 1, 2, 2 }, v[4] = { 3, 0, 4, 0 }, w[7];
    double norm;
    int map;
    memcpy(w, u, sizeof u);
    memcpy(w + 3, v, sizeof v);
    dualprop_view view = { sizeof view, w, DUALPROP_F32, 1, { 7 }, { 1 } };
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], NULL));
    expect_ok(dualprop_map_register(&map, context, "outer", outer_forward, outer_transposed, outer_gradient, NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
    expect_ok(dualprop_network_add_custom(network, map, 3, 7, 4, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_write(network, "layer1.weight", &view));
    expect_ok(dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, 1));
    expect_ok(dualprop_diagnostics_spectral_norm(&norm, diagnostics, 1, 100));
    ck_assert(fabs(norm - 15) <= 1e-12); /* |u| |v| */
    dualprop_diagnostics_destroy(diagnostics);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* A convolution below, an outer product, a scale, a dense layer: all gradients against differences of the loss. */
START_TEST(gradients_are_those_of_the_loss)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    double x[4 * 36], error = -1;
    int32_t labels[4] = { 0, 1, 2, 1 };
    int64_t kernel[2] = { 3, 3 }, window[2] = { 2, 2 };
    int outer, scale;
    options.precision = DUALPROP_F64;
    for (int i = 0; i < 4 * 36; i++) x[i] = sin(i * 3.1);
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    expect_ok(dualprop_map_register(&outer, context, "outer", outer_forward, outer_transposed, outer_gradient, NULL));
    expect_ok(dualprop_map_register(&scale, context, "scale", scale_product, scale_product, scale_gradient, NULL));
    expect_ok(dualprop_network_create(&network, context, 6, 6, 1));
    expect_ok(dualprop_network_add_convolution(network, 2, kernel, NULL, NULL, DUALPROP_TANH));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_AVERAGE, window, NULL));
    expect_ok(dualprop_network_add_custom(network, outer, 8, 18 + 8, 18, DUALPROP_TANH));
    expect_ok(dualprop_network_add_custom(network, scale, 8, 1, 1, DUALPROP_SIGMOID));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_NORMAL, 0.7));
    expect_ok(dualprop_network_initialize(network, 2));
    expect_ok(dualprop_rule_create(&rule, context, _i < 2 ? DUALPROP_DP_ADJOINT : DUALPROP_BP));
    expect_ok(dualprop_rule_set_alpha(rule, 0.5));
    expect_ok(dualprop_rule_set_beta(rule, 1e-4));
    expect_ok(dualprop_testing_gradient(&error, network, rule, x, labels, 4, 0));
    ck_assert_msg(error < 1e-6, "error %g", error);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* A batch as blocks, whose gradients are added up as a group's are. */
START_TEST(blocks_add_up)
{
    struct small_plan plan = plan_of(BACKENDS[_i], DUALPROP_DP_ADJOINT);
    double gradient[2][SMALL_MAX_REALS], bias[2][SMALL_MAX_REALS];
    plan.register_map = register_matrix;
    struct small_network small = small_create(&plan);
    small_gradient(&small);
    small_read_gradient(gradient[0], bias[0], &small, 1);
    expect_ok(dualprop_optimizer_set_group(small.optimizer, NULL, 4));
    small_gradient(&small);
    small_read_gradient(gradient[1], bias[1], &small, 1);
    ck_assert(relative_difference(gradient[1], gradient[0], 35) <= 1e-13);
    ck_assert(relative_difference(bias[1], bias[0], 7) <= 1e-13);
    small_destroy(&small);
}
END_TEST

/* ---- functions that go wrong ---- */

enum { FORWARD, TRANSPOSED, GRADIENT };

/* What one of the three does in place of its work: returns 7 if `value` is 0, else writes it to the last number. */
static struct {
    int where, is_on;
    double value;
} fault;

static int go_wrong(int where, void *result, const dualprop_map_shape *shape, int64_t count)
{
    if (!fault.is_on || fault.where != where) return 0;
    if (fault.value == 0) return 7;
    put(result, shape, count - 1, fault.value);
    return 0;
}

static int wrong_forward(void *user_data, void *a, const void *x, const void *w, const dualprop_map_shape *shape)
{
    matrix_forward(user_data, a, x, w, shape);
    return go_wrong(FORWARD, a, shape, shape->count * shape->outputs);
}

static int wrong_transposed(void *user_data, void *to, const void *delta, const void *w,
                            const dualprop_map_shape *shape)
{
    matrix_transposed(user_data, to, delta, w, shape);
    return go_wrong(TRANSPOSED, to, shape, shape->count * shape->inputs);
}

static int wrong_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *w,
                          const dualprop_map_shape *shape)
{
    matrix_gradient(user_data, gradient, x, delta, w, shape);
    return go_wrong(GRADIENT, gradient, shape, shape->weights);
}

static int register_wrong(dualprop_context *context)
{
    int map = -1;
    expect_ok(dualprop_map_register(&map, context, "wrong", wrong_forward, wrong_transposed, wrong_gradient, NULL));
    return map;
}

static const struct {
    int where;
    double value;
    dualprop_status status;
    const char *word;
} FAULTS[] = {
    { FORWARD, 0, DUALPROP_ERROR_CANCELLED, "the map wrong of layer 1 returned 7" },
    { TRANSPOSED, 0, DUALPROP_ERROR_CANCELLED, "the map wrong of layer 3 returned 7" },
    { GRADIENT, 0, DUALPROP_ERROR_CANCELLED, "the map wrong of layer 1 returned 7" },
    { FORWARD, NAN, DUALPROP_ERROR_DIVERGED, "the map wrong of layer 1" },
    { FORWARD, INFINITY, DUALPROP_ERROR_DIVERGED, "the map wrong of layer 1" }, /* tanh would make 1 of it */
    { TRANSPOSED, -INFINITY, DUALPROP_ERROR_DIVERGED, "the map wrong of layer 3" },
    { GRADIENT, NAN, DUALPROP_ERROR_NOT_FINITE, "the gradient of layer 1 and the map wrong holds NaN" },
    { GRADIENT, INFINITY, DUALPROP_ERROR_NOT_FINITE, "the gradient of layer 1 and the map wrong reaches" },
    { GRADIENT, 1e200, DUALPROP_ERROR_NOT_FINITE,
      "the gradient of layer 1 and the map wrong reaches" }, /* its dyads are small */
};
/* And the same again in blocks, as a group computes it. */
#define FAULT_COUNT ((int)(sizeof FAULTS / sizeof FAULTS[0]))

START_TEST(faults_of_a_function_are_statuses)
{
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS];
    struct small_plan plan = plan_of(BACKENDS[_i / FAULT_COUNT % 2], DUALPROP_DP_ADJOINT);
    plan.register_map = register_wrong;
    fault.is_on = 0;
    struct small_network small = small_create(&plan);
    dualprop_view inputs = matrix_view(small.x, DUALPROP_F64, 6, 5), targets = matrix_view(small.y, DUALPROP_F64, 6, 4);
    dualprop_view weight = { sizeof weight, before, DUALPROP_F64, 1, { 35 }, { 1 } };
    expect_ok(dualprop_network_read(&weight, small.network, "layer1.weight"));
    if (_i >= 2 * FAULT_COUNT) expect_ok(dualprop_optimizer_set_group(small.optimizer, NULL, 3));
    fault.where = FAULTS[_i % FAULT_COUNT].where;
    fault.value = FAULTS[_i % FAULT_COUNT].value;
    fault.is_on = 1;
    expect_error(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets), FAULTS[_i % FAULT_COUNT].status,
                 FAULTS[_i % FAULT_COUNT].word);
    weight.data = after;
    expect_ok(dualprop_network_read(&weight, small.network, "layer1.weight"));
    ck_assert(memcmp(before, after, 35 * sizeof *before) == 0);
    fault.is_on = 0;
    expect_ok(dualprop_learn_view(small.optimizer, small.state, &inputs, &targets));
    small_destroy(&small);
}
END_TEST

/* A gradient that is NaN in one element, with right ones after it, is no small error. */
START_TEST(a_gradient_that_is_not_finite_is_found)
{
    static const double VALUES[] = { NAN, INFINITY };
    struct small_plan plan = plan_of(DUALPROP_BACKEND_REFERENCE, DUALPROP_DP_ADJOINT);
    int32_t labels[6] = { 0, 1, 2, 3, 0, 1 };
    double error = -1;
    plan.register_map = register_wrong;
    fault.is_on = 0;
    struct small_network small = small_create(&plan);
    fault.where = GRADIENT;
    fault.value = VALUES[_i];
    fault.is_on = 1;
    expect_ok(dualprop_testing_gradient(&error, small.network, small.rule, small.x, labels, 6, 0));
    ck_assert_msg(isinf(error) && error > 0, "error %g", error);
    fault.is_on = 0;
    small_destroy(&small);
}
END_TEST

/* ---- functions that are wrong, and what the installed tester makes of them ---- */

/* What becomes of a function: factor * right + shift + others * the first sample + held * what stood there. */
struct mistake {
    int where;
    double factor, shift, others, held;
};

static struct mistake mistake;

static void spoil(int where, void *result, const double *held, const dualprop_map_shape *shape, int64_t count,
                  int64_t length)
{
    if (mistake.where != where) return;
    for (int64_t i = 0; i < count; i++)
        put(result, shape, i,
            mistake.factor * get(result, shape, i) + mistake.shift + mistake.others * get(result, shape, i % length) +
                (mistake.held != 0 ? mistake.held * held[i] : 0));
}

static void read_held(double *held, const void *result, const dualprop_map_shape *shape, int64_t count)
{
    ck_assert(count <= SMALL_MAX_REALS);
    for (int64_t i = 0; i < count; i++) held[i] = get(result, shape, i);
}

static int mistaken_forward(void *user_data, void *a, const void *x, const void *w, const dualprop_map_shape *shape)
{
    double held[SMALL_MAX_REALS];
    read_held(held, a, shape, shape->count * shape->outputs);
    matrix_forward(user_data, a, x, w, shape);
    spoil(FORWARD, a, held, shape, shape->count * shape->outputs, shape->outputs);
    return 0;
}

static int mistaken_transposed(void *user_data, void *to, const void *delta, const void *w,
                               const dualprop_map_shape *shape)
{
    double held[SMALL_MAX_REALS];
    read_held(held, to, shape, shape->count * shape->inputs);
    matrix_transposed(user_data, to, delta, w, shape);
    spoil(TRANSPOSED, to, held, shape, shape->count * shape->inputs, shape->inputs);
    return 0;
}

static int mistaken_gradient(void *user_data, void *gradient, const void *x, const void *delta, const void *w,
                             const dualprop_map_shape *shape)
{
    double held[SMALL_MAX_REALS];
    read_held(held, gradient, shape, shape->weights);
    matrix_gradient(user_data, gradient, x, delta, w, shape);
    spoil(GRADIENT, gradient, held, shape, shape->weights, shape->weights);
    return 0;
}

/* The first is right. The map is layer 1, from which nothing leads down. */
static const struct mistake MISTAKES[] = {
    { GRADIENT, 1, 0, 0, 0 },   { TRANSPOSED, 1.01, 0, 0, 0 }, { TRANSPOSED, 0, 0, 0, 0 }, { TRANSPOSED, 1, 0.1, 0, 0 },
    { TRANSPOSED, 1, 0, 0, 1 }, { TRANSPOSED, 1, 0, 0.1, 0 },  { FORWARD, 1, 0.1, 0, 0 },  { FORWARD, 1, 0, 0.1, 0 },
    { FORWARD, 1, 0, 0, 1 },    { GRADIENT, 1.001, 0, 0, 0 },  { GRADIENT, 1, 0.1, 0, 0 }, { GRADIENT, 1, 0, 0, 1 },
};
#define MISTAKE_COUNT ((int)(sizeof MISTAKES / sizeof MISTAKES[0]))

START_TEST(the_tester_finds_a_mistake_in_each_function)
{
    dualprop_options options = { sizeof options, .precision = DUALPROP_F64 };
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    double x[4 * 5], error = -1;
    int32_t labels[4] = { 0, 1, 2, 1 };
    int map;
    for (int i = 0; i < 20; i++) x[i] = sin(1 + 3 * i);
    mistake = MISTAKES[_i];
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    expect_ok(dualprop_map_register(&map, context, "mistaken", mistaken_forward, mistaken_transposed, mistaken_gradient,
                                    NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 5));
    expect_ok(dualprop_network_add_custom(network, map, 7, 35, 5, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 3));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_alpha(rule, 0.5));
    expect_ok(dualprop_rule_set_beta(rule, 1e-4));
    expect_ok(dualprop_testing_gradient(&error, network, rule, x, labels, 4, 0));
    if (_i == 0) ck_assert_msg(error < 1e-6, "error %g of what is right", error);
    if (_i > 0) ck_assert_msg(error > 5e-4, "error %g of mistake %d", error, _i);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(pooling_c_source_and_numbers_of_others_are_refused)
{
    dualprop_context *contexts[2];
    dualprop_network *network;
    dualprop_layer *layer;
    dualprop_optimizer *optimizer;
    int64_t window[2] = { 1, 1 }, weights, fan_in;
    const char *name;
    int map, other, kind;
    for (int i = 0; i < 2; i++) expect_ok(dualprop_context_create(&contexts[i], DUALPROP_BACKEND_REFERENCE, NULL));
    map = register_matrix(contexts[0]);
    other = register_matrix(contexts[1]);
    expect_ok(dualprop_network_create(&network, contexts[0], 1, 1, 3));
    expect_error(dualprop_network_add_custom(network, other, 2, 6, 3, DUALPROP_RELU), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "map");
    expect_ok(dualprop_network_add_custom(network, map, 2, 6, 3, DUALPROP_RELU));
    expect_error(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "ends with a custom layer");
    expect_ok(dualprop_network_initialize(network, 1));
    expect_error(dualprop_network_export_c(network, "no-such-folder", "net"), DUALPROP_ERROR_UNSUPPORTED,
                 "cannot be written as C source");
    expect_error(dualprop_optimizer_create_fused(&optimizer, network, DUALPROP_SGD), DUALPROP_ERROR_UNSUPPORTED,
                 "linear maps of the caller's own need a gradient in memory");
    expect_ok(dualprop_network_layer(&layer, network, 1));
    expect_ok(dualprop_layer_custom(&name, &weights, &fan_in, layer));
    ck_assert_str_eq(name, "matrix");
    ck_assert(weights == 6 && fan_in == 3);
    expect_ok(dualprop_layer_shape(&kind, NULL, NULL, NULL, NULL, NULL, NULL, NULL, layer));
    ck_assert_int_eq(kind, DUALPROP_LAYER_CUSTOM);
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_RELU));
    expect_ok(dualprop_network_layer(&layer, network, 2));
    expect_ok(dualprop_layer_custom(&name, &weights, &fan_in, layer));
    ck_assert(!name && weights == 0 && fan_in == 0);
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

/* ---- by name: files, copies, publications ---- */

enum { IN = 9, OUT = 9 };

static int register_scale(dualprop_context *context)
{
    int map = -1;
    expect_ok(dualprop_map_register(&map, context, "scale", scale_product, scale_product, scale_gradient, NULL));
    return map;
}

/* One weight and nine biases, then a matrix. */
static dualprop_network *network_with(dualprop_context *context, int scale, int matrix, uint64_t seed)
{
    dualprop_network *network;
    float bias[OUT];
    dualprop_view view = { sizeof view, bias, DUALPROP_F32, 1, { OUT }, { 1 } };
    for (int i = 0; i < OUT; i++) bias[i] = 0.1f * (float)i;
    expect_ok(dualprop_network_create(&network, context, 3, 3, 1));
    expect_ok(dualprop_network_add_custom(network, scale, OUT, 1, 1, DUALPROP_TANH));
    expect_ok(dualprop_network_add_custom(network, matrix, 2, 2 * OUT, OUT, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, seed));
    expect_ok(dualprop_network_write(network, "layer1.bias", &view));
    return network;
}

static void predict_ones(float scores[2], dualprop_network *network)
{
    float x[IN] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    dualprop_state *state;
    expect_ok(dualprop_state_create(&state, network, NULL, 1));
    expect_ok(dualprop_predict(scores, state, x, 1));
    dualprop_state_destroy(state);
}

START_TEST(a_checkpoint_keeps_the_name)
{
    dualprop_context *contexts[2];
    dualprop_network *network, *loaded = NULL;
    dualprop_optimizer *optimizer, *moments = NULL;
    dualprop_checkpoint *checkpoint;
    float before[2], after[2];
    scratch_folder folder = scratch_folder_create();
    for (int i = 0; i < 2; i++) expect_ok(dualprop_context_create(&contexts[i], BACKENDS[_i], NULL));
    network = network_with(contexts[0], register_scale(contexts[0]), register_matrix(contexts[0]), 5);
    predict_ones(before, network);
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    expect_ok(dualprop_checkpoint_create(&checkpoint, contexts[0]));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, optimizer));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_optimizer_destroy(optimizer);

    register_scale(contexts[1]);
    expect_ok(dualprop_checkpoint_read(&checkpoint, contexts[1], folder.file));
    expect_error(dualprop_checkpoint_get_network(&loaded, checkpoint), DUALPROP_ERROR_UNSUPPORTED,
                 "layer 2 has the map matrix, which is not registered");
    ck_assert_ptr_null(loaded);
    register_matrix(contexts[1]);
    expect_ok(dualprop_checkpoint_get_network(&loaded, checkpoint));
    expect_ok(dualprop_checkpoint_get_optimizer(&moments, checkpoint, loaded));
    predict_ones(after, loaded);
    ck_assert(memcmp(before, after, sizeof before) == 0);
    dualprop_optimizer_destroy(moments);
    scratch_folder_destroy(&folder);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(loaded);
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

/* What a file cannot say of a layer of the caller's: pieces of its text, and others of the same length. */
static const char *const SAYINGS[][2] = {
    { "\\\"weights\\\":18", "\\\"weights\\\":19" },
    { "\\\"weights\\\":18", "\\\"weights\\\":-8" },
    { "\\\"fan_in\\\":9", "\\\"fan_in\\\":0" },
    { "\\\"fan_in\\\"", "\\\"fan_on\\\"" },
    { "\\\"outputs\\\":2", "\\\"outputs\\\":0" },
    { "\\\"kind\\\":\\\"custom\\\"", "\\\"kind\\\":\\\"dense\\\" " },
    { "\\\"map\\\":\\\"matrix\\\"", "\\\"map\\\":1234567890" },
};

static void replace_bytes(char *bytes, size_t size, const char *from, const char *to)
{
    size_t length = strlen(from);
    ck_assert_uint_eq(strlen(to), length);
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(bytes + i, from, length) == 0) {
            memcpy(bytes + i, to, length);
            return;
        }
    ck_abort_msg("no %s in the file", from);
}

START_TEST(a_file_that_contradicts_itself_is_refused)
{
    dualprop_context *context;
    dualprop_network *network, *loaded;
    dualprop_checkpoint *checkpoint;
    size_t size;
    scratch_folder folder = scratch_folder_create();
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    int matrix = register_matrix(context);
    expect_ok(dualprop_network_create(&network, context, 1, 1, 9));
    expect_ok(dualprop_network_add_custom(network, matrix, 2, 18, 9, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, network));
    expect_ok(dualprop_checkpoint_write(checkpoint, folder.file));
    dualprop_checkpoint_destroy(checkpoint);
    char *bytes = scratch_read(folder.file, &size);
    replace_bytes(bytes, size, "crc32_texts", "crc32_textz"); /* which would tell */
    replace_bytes(bytes, size, SAYINGS[_i][0], SAYINGS[_i][1]);
    expect_ok(dualprop_checkpoint_read_memory(&checkpoint, context, bytes, size));
    expect_error(dualprop_checkpoint_get_network(&loaded, checkpoint), DUALPROP_ERROR_FORMAT, "");
    ck_assert_ptr_null(loaded);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    scratch_folder_destroy(&folder);
    free(bytes);
}
END_TEST

START_TEST(copies_compare_names)
{
    dualprop_context *contexts[2];
    dualprop_network *network, *clone, *other, *swapped;
    float scores[3][2];
    int maps[2][2];
    for (int i = 0; i < 2; i++) {
        expect_ok(dualprop_context_create(&contexts[i], BACKENDS[i], NULL));
        maps[i][0] = register_scale(contexts[i]);
        maps[i][1] = register_matrix(contexts[i]);
    }
    network = network_with(contexts[0], maps[0][0], maps[0][1], 5);
    other = network_with(contexts[1], maps[1][0], maps[1][1], 6);
    swapped = network_with(contexts[1], maps[1][0], maps[1][0], 6);
    expect_ok(dualprop_network_clone(&clone, network));
    expect_ok(dualprop_network_initialize(network, 9));
    expect_ok(dualprop_network_copy(other, network));
    expect_error(dualprop_network_copy(swapped, network), DUALPROP_ERROR_INVALID_ARGUMENT, "custom matrix");
    for (int i = 0; i < 2; i++) expect_ok(dualprop_network_publish(clone, network)); /* the second into a spare one */
    predict_ones(scores[0], network);
    predict_ones(scores[1], clone);
    predict_ones(scores[2], other);
    ck_assert(memcmp(scores[0], scores[1], sizeof scores[0]) == 0);
    for (int i = 0; i < 2; i++) ck_assert_double_eq_tol(scores[0][i], scores[2][i], 1e-6);
    dualprop_network_destroy(swapped);
    dualprop_network_destroy(other);
    dualprop_network_destroy(clone);
    dualprop_network_destroy(network);
    for (int i = 0; i < 2; i++) dualprop_context_destroy(contexts[i]);
}
END_TEST

Suite *test_custom_map_suite(void)
{
    Suite *suite = suite_create("custom_map");
    TCase *cases = tcase_create("custom_map");
    tcase_add_loop_test(cases, a_dense_layer_as_a_map_is_a_dense_layer, 0, 2 * CONFIGURATION_COUNT);
    tcase_add_loop_test(cases, norms_are_those_of_the_dense_network, 0, 2);
    tcase_add_loop_test(cases, norms_in_f32_use_the_functions_in_f64, 0, 2);
    tcase_add_loop_test(cases, gradients_are_those_of_the_loss, 0, 4);
    tcase_add_loop_test(cases, blocks_add_up, 0, 2);
    tcase_add_loop_test(cases, faults_of_a_function_are_statuses, 0, 4 * FAULT_COUNT);
    tcase_add_loop_test(cases, a_gradient_that_is_not_finite_is_found, 0, 2);
    tcase_add_loop_test(cases, the_tester_finds_a_mistake_in_each_function, 0, MISTAKE_COUNT);
    tcase_add_test(cases, pooling_c_source_and_numbers_of_others_are_refused);
    tcase_add_loop_test(cases, a_checkpoint_keeps_the_name, 0, 2);
    tcase_add_loop_test(cases, a_file_that_contradicts_itself_is_refused, 0, 7);
    tcase_add_test(cases, copies_compare_names);
    suite_add_tcase(suite, cases);
    return suite;
}
