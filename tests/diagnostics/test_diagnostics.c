/*
 * test_diagnostics.c - diagnostics against oracles of their own: finite differences, singular values by Jacobi
 * rotations, counting by hand, and the stationarity the paper promises.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/comparison.h"
#include "support/small_network.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/randomness.h"
#include "support/singular_values.h"

static struct small_plan plan_of(int backend)
{
    struct small_plan plan = {
        .backend = BACKENDS[backend],
        .layers = 3,
        .widths = { 7, 9, 8, 5 },
        .activation = DUALPROP_TANH,
        .variant = DUALPROP_DP,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 5,
        .passes = 1,
    };
    return plan;
}

static dualprop_view inputs_of(struct small_network *small)
{
    return matrix_view(small->x, DUALPROP_F64, small->plan.batch, small->plan.widths[0]);
}

static dualprop_view targets_of(struct small_network *small)
{
    return matrix_view(small->y, DUALPROP_F64, small->plan.batch, small->plan.widths[small->plan.layers]);
}

static dualprop_diagnostics *diagnose(struct small_network *small)
{
    dualprop_diagnostics *diagnostics;
    expect_ok(dualprop_diagnostics_create(&diagnostics, small->network, small->plan.loss, small->plan.batch));
    return diagnostics;
}

/* ---- against back-propagation ---- */

START_TEST(the_twin_is_back_propagation)
{
    struct small_plan plan = plan_of(_i);
    plan.alpha = 0;
    struct small_network small = small_create(&plan), twin = small_twin(&small, DUALPROP_BP);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    dualprop_view inputs = inputs_of(&small), targets = targets_of(&small);
    small_gradient(&small);
    small_gradient(&twin);
    expect_ok(dualprop_diagnostics_twin(diagnostics, &inputs, &targets));
    for (int k = 1; k <= plan.layers; k++) {
        double angle, found[4], expected[4];
        expect_ok(dualprop_diagnostics_compare(&angle, &found[0], &found[1], &found[2], &found[3], diagnostics,
                                               small.optimizer, k));
        expect_ok(dualprop_gradient_compare(&expected[0], &expected[1], &expected[2], &expected[3], small.optimizer,
                                            twin.optimizer, k));
        ck_assert(memcmp(found, expected, sizeof found) == 0);
        ck_assert_double_eq_tol(cos(angle * acos(-1) / 180), found[0], 1e-14);
        expect_ok(dualprop_diagnostics_compare(&angle, NULL, NULL, NULL, NULL, diagnostics, twin.optimizer, k));
        ck_assert(angle == 0);
    }
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

/* The angle falls as beta^2 (alpha = 1/2), below what an arc cosine can tell apart: 1.5e-8 radians, 8.5e-7 degrees. */
START_TEST(small_angles_keep_their_digits)
{
    struct small_plan plan = plan_of(_i);
    double angles[2];
    plan.passes = 3;
    for (int i = 0; i < 2; i++) {
        plan.beta = i == 0 ? 1e-3 : 1e-4;
        struct small_network small = small_create(&plan);
        dualprop_diagnostics *diagnostics = diagnose(&small);
        dualprop_view inputs = inputs_of(&small), targets = targets_of(&small);
        small_gradient(&small);
        expect_ok(dualprop_diagnostics_twin(diagnostics, &inputs, &targets));
        expect_ok(dualprop_diagnostics_compare(&angles[i], NULL, NULL, NULL, NULL, diagnostics, small.optimizer, 1));
        dualprop_diagnostics_destroy(diagnostics);
        small_destroy(&small);
    }
    ck_assert_double_lt(angles[1], 2e-7);
    ck_assert_msg(fabs(log10(angles[0] / angles[1]) - 2) < 0.02, "angles %g and %g", angles[0], angles[1]);
}
END_TEST

/* ---- the gradient of the input ---- */

static double loss_of_row(struct small_network *small, int64_t b)
{
    double loss;
    dualprop_view input = matrix_view(small->x + b * small->plan.widths[0], DUALPROP_F64, 1, small->plan.widths[0]);
    int64_t classes = small->plan.widths[small->plan.layers];
    dualprop_view target = matrix_view(small->y + b * classes, DUALPROP_F64, 1, classes);
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, small->state, &input, &target));
    return loss;
}

static double difference_of_losses(struct small_network *small, int64_t i)
{
    double x = small->x[i], step = 1e-5;
    int64_t b = i / small->plan.widths[0];
    small->x[i] = x + step;
    double above = loss_of_row(small, b);
    small->x[i] = x - step;
    double below = loss_of_row(small, b);
    small->x[i] = x;
    return (above - below) / (2 * step);
}

/* Central differences of each sample's own loss; their error is about step^2, and that of dual propagation about
 * beta. */
static void expect_input_gradient(const struct small_plan *plan, double tolerance)
{
    double gradient[SMALL_MAX_REALS];
    struct small_network small = small_create(plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    dualprop_view view = matrix_view(gradient, DUALPROP_F64, plan->batch, plan->widths[0]);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    expect_ok(dualprop_diagnostics_input_gradient(&view, diagnostics, small.state));
    for (int64_t i = 0; i < plan->batch * plan->widths[0]; i++)
        ck_assert_double_eq_tol(gradient[i], difference_of_losses(&small, i), tolerance);
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}

START_TEST(input_gradient_is_each_samples_own)
{
    static const int SMOOTH[] = { DUALPROP_IDENTITY, DUALPROP_SIGMOID, DUALPROP_TANH,
                                  DUALPROP_SOFTPLUS, DUALPROP_SILU,    DUALPROP_SOFTMAX };
    struct small_plan plan = plan_of(_i);
    plan.beta = 1e-4;
    for (int i = 0; i < 6; i++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++) {
            plan.activation = SMOOTH[i];
            plan.variant = DUALPROP_BP;
            expect_input_gradient(&plan, 1e-8);
            plan.variant = DUALPROP_DP_ADJOINT;
            expect_input_gradient(&plan, 1e-6);
        }
}
END_TEST

/* f32 out of f64, strided, by the twin; whose gradient stays, while its inference is used up. */
START_TEST(input_gradient_fills_the_callers_array)
{
    struct small_plan plan = plan_of(_i);
    float wide[4 * 20];
    double exact[SMALL_MAX_REALS], before, after;
    plan.variant = DUALPROP_BP;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    dualprop_state *twin;
    dualprop_view inputs = inputs_of(&small), targets = targets_of(&small);
    dualprop_view all = matrix_view(exact, DUALPROP_F64, 4, 7), some = matrix_view(wide, DUALPROP_F32, 4, 7);
    some.strides[0] = 20;
    some.strides[1] = 2;
    for (int i = 0; i < 80; i++) wide[i] = 77;
    small_gradient(&small);
    expect_ok(dualprop_diagnostics_twin(diagnostics, &inputs, &targets));
    expect_ok(dualprop_diagnostics_compare(NULL, NULL, NULL, &before, NULL, diagnostics, small.optimizer, 1));
    expect_ok(dualprop_diagnostics_state(&twin, diagnostics));
    expect_ok(dualprop_diagnostics_input_gradient(&some, diagnostics, twin));
    expect_error(dualprop_diagnostics_input_gradient(&some, diagnostics, twin), DUALPROP_ERROR_INVALID_STATE,
                 "settled");
    expect_ok(dualprop_diagnostics_input_gradient(&all, diagnostics, small.state));
    expect_ok(dualprop_diagnostics_input_gradient(&all, diagnostics, small.state));
    for (int b = 0; b < 4; b++)
        for (int i = 0; i < 20; i++)
            ck_assert(wide[20 * b + i] == (i < 14 && i % 2 == 0 ? (float)exact[7 * b + i / 2] : 77));
    expect_ok(dualprop_diagnostics_compare(NULL, NULL, NULL, &after, NULL, diagnostics, small.optimizer, 1));
    ck_assert(before == after);
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}
END_TEST

/* ---- spectral norms ---- */

#define WIDTHS 4
static const int64_t widths[WIDTHS] = { 23, 40, 17, 6 };

struct weighed {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_diagnostics *diagnostics;
    double *weights[WIDTHS - 1]; /* [inputs, outputs] as the network holds them */
};

static double *read_weights(dualprop_network *network, int k)
{
    double *weights = malloc((size_t)(widths[k - 1] * widths[k]) * sizeof *weights);
    char name[] = "layer0.weight";
    name[5] = (char)('0' + k);
    dualprop_view view = matrix_view(weights, DUALPROP_F64, widths[k - 1], widths[k]);
    expect_ok(dualprop_network_read(&view, network, name));
    return weights;
}

static struct weighed weigh(int backend, int precision, double scale)
{
    struct weighed made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = precision;
    expect_ok(dualprop_context_create(&made.context, backend, &options));
    expect_ok(dualprop_network_create(&made.network, made.context, 1, 1, widths[0]));
    for (int k = 1; k < WIDTHS; k++)
        expect_ok(
            dualprop_network_add_dense(made.network, widths[k], k < WIDTHS - 1 ? DUALPROP_RELU : DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(made.network, DUALPROP_INIT_LECUN, scale));
    expect_ok(dualprop_network_initialize(made.network, 4));
    expect_ok(dualprop_diagnostics_create(&made.diagnostics, made.network, DUALPROP_MSE, 3));
    for (int k = 1; k < WIDTHS; k++) made.weights[k - 1] = read_weights(made.network, k);
    return made;
}

static void weighed_destroy(struct weighed *of)
{
    for (int k = 1; k < WIDTHS; k++) free(of->weights[k - 1]);
    dualprop_diagnostics_destroy(of->diagnostics);
    dualprop_network_destroy(of->network);
    dualprop_context_destroy(of->context);
}

static double true_lipschitz(const struct weighed *of)
{
    double first[23 * 17], both[23 * 6];
    multiply_matrices(first, of->weights[0], of->weights[1], 23, 40, 17);
    multiply_matrices(both, first, of->weights[2], 23, 17, 6);
    return greatest_singular_value(both, 23, 6);
}

/*
 * The iteration has stopped growing, which leaves an error of about epsilon over the gap between the two greatest
 * singular values; products of 40 terms round to some epsilon of f64, in which f32 weights are multiplied too.
 */
START_TEST(norms_are_the_greatest_singular_values)
{
    int precision = _i % 2 ? DUALPROP_F32 : DUALPROP_F64;
    double norm, tolerance = 1e-12;
    struct weighed of = weigh(BACKENDS[_i / 2], precision, 3);
    double expected = true_lipschitz(&of);
    expect_ok(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 10000));
    ck_assert_double_eq_tol(norm / expected, 1, tolerance);
    for (int k = 1; k < WIDTHS; k++) {
        expected = greatest_singular_value(of.weights[k - 1], widths[k - 1], widths[k]);
        expect_ok(dualprop_diagnostics_spectral_norm(&norm, of.diagnostics, k, 10000));
        ck_assert_double_eq_tol(norm / expected, 1, tolerance);
    }
    weighed_destroy(&of);
}
END_TEST

/* From below, never falling from call to call, and the same bits as in one call; restart begins again. */
START_TEST(iterations_go_on_from_the_last_vector)
{
    struct weighed of = weigh(BACKENDS[_i], DUALPROP_F64, 1);
    double expected = true_lipschitz(&of), norm = 0, last = 0, first = 0, again, five;
    for (int i = 0; i < 5; i++) {
        expect_ok(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 1));
        ck_assert(norm >= last && norm <= expected * (1 + 1e-14));
        if (i == 0) first = norm;
        last = norm;
    }
    ck_assert_double_gt(norm, 0.9 * expected);
    expect_ok(dualprop_diagnostics_restart(of.diagnostics));
    expect_ok(dualprop_diagnostics_lipschitz(&again, of.diagnostics, 1));
    ck_assert(again == first);
    expect_ok(dualprop_diagnostics_restart(of.diagnostics));
    expect_ok(dualprop_diagnostics_lipschitz(&five, of.diagnostics, 5));
    ck_assert(five == norm);
    weighed_destroy(&of);
}
END_TEST

START_TEST(norms_of_zero_and_of_the_identity)
{
    double weights[64] = { 0 }, norm;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_diagnostics *diagnostics;
    dualprop_view view = matrix_view(weights, DUALPROP_F64, 8, 8);
    expect_ok(dualprop_context_create(&context, BACKENDS[_i], NULL));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 8));
    expect_ok(dualprop_network_add_dense(network, 8, DUALPROP_IDENTITY));
    expect_ok(dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, 1));
    expect_ok(dualprop_diagnostics_spectral_norm(&norm, diagnostics, 1, 5));
    ck_assert(norm == 0);
    for (int i = 0; i < 8; i++) weights[9 * i] = -2;
    expect_ok(dualprop_network_write(network, "layer1.weight", &view));
    expect_ok(dualprop_diagnostics_spectral_norm(&norm, diagnostics, 1, 5));
    ck_assert_double_eq_tol(norm, 2, 1e-6);
    dualprop_diagnostics_destroy(diagnostics);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

/* The copy of an f32 network follows its weights, and the last vector still serves. */
START_TEST(norms_follow_the_weights)
{
    struct weighed of = weigh(BACKENDS[_i], DUALPROP_F32, 1);
    uint64_t before, after;
    double norm, doubled;
    expect_ok(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 10000));
    dualprop_view view = matrix_view(of.weights[1], DUALPROP_F64, widths[1], widths[2]);
    for (int64_t i = 0; i < widths[1] * widths[2]; i++) of.weights[1][i] *= 2;
    expect_ok(dualprop_network_write(of.network, "layer2.weight", &view));
    expect_ok(dualprop_context_memory(NULL, NULL, &before, of.context));
    expect_ok(dualprop_diagnostics_lipschitz(&doubled, of.diagnostics, 10000));
    expect_ok(dualprop_context_memory(NULL, NULL, &after, of.context));
    ck_assert_double_eq_tol(doubled, 2 * norm, 1e-12 * norm);
    ck_assert_uint_eq(before, after);
    weighed_destroy(&of);
}
END_TEST

/* An f32 product may leave f32's range and have a norm. */
START_TEST(large_products_of_f32_have_a_norm)
{
    struct weighed of = weigh(BACKENDS[_i], DUALPROP_F32, 1e20);
    double norm, expected = true_lipschitz(&of);
    expect_ok(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 10000));
    ck_assert_double_gt(norm, 1e50);
    ck_assert_double_eq_tol(norm / expected, 1, 1e-12);
    weighed_destroy(&of);
}
END_TEST

/* A product that leaves the range of the type is said, and leaves the estimate as it was. */
START_TEST(a_product_that_overflows_is_no_norm)
{
    double norm = 7;
    struct weighed of = weigh(BACKENDS[_i], DUALPROP_F64, 1e120);
    expect_error(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 3), DUALPROP_ERROR_NOT_FINITE, "layers 1..3");
    ck_assert(norm == 7);
    expect_ok(dualprop_context_cancel(of.context));
    expect_error(dualprop_diagnostics_lipschitz(&norm, of.diagnostics, 3), DUALPROP_ERROR_CANCELLED, "cancelled");
    weighed_destroy(&of);
}
END_TEST

/* ---- layers of images ---- */

/* 5 x 4 images of 2 channels, a pooled convolution, a strided one, a locally connected layer, and a dense one on
 * top. */
enum { IMAGE = 40, ANSWERS = 3, PICTURES = 3 };

struct pictures {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_diagnostics *diagnostics;
    double x[PICTURES * IMAGE], y[PICTURES * ANSWERS];
};

static void add_layers(dualprop_network *network, int pooling, int activation)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 }, one[2] = { 1, 1 }, none[2] = { 0, 0 };
    expect_ok(dualprop_network_add_convolution(network, 4, three, NULL, NULL, activation));
    if (pooling) expect_ok(dualprop_network_add_pooling(network, pooling, two, NULL));
    expect_ok(dualprop_network_add_convolution(network, 3, two, one, one, activation));
    expect_ok(dualprop_network_add_local(network, 2, two, NULL, none, activation));
    expect_ok(dualprop_network_add_dense(network, ANSWERS, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_LECUN, 1.5));
    expect_ok(dualprop_network_initialize(network, 6));
}

static struct pictures *make_pictures(int backend, int pooling, int activation, int variant)
{
    struct pictures *made = calloc(1, sizeof *made);
    randomness random = random_start(31);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    expect_ok(dualprop_context_create(&made->context, backend, &options));
    expect_ok(dualprop_network_create(&made->network, made->context, 5, 4, 2));
    add_layers(made->network, pooling, activation);
    expect_ok(dualprop_rule_create(&made->rule, made->context, variant));
    expect_ok(dualprop_rule_set_beta(made->rule, 1e-5));
    expect_ok(dualprop_state_create(&made->state, made->network, made->rule, PICTURES));
    expect_ok(dualprop_diagnostics_create(&made->diagnostics, made->network, DUALPROP_MSE, PICTURES));
    for (int i = 0; i < PICTURES * IMAGE; i++) made->x[i] = random_uniform(&random, -1, 1);
    for (int i = 0; i < PICTURES * ANSWERS; i++) made->y[i] = random_uniform(&random, -1, 1);
    return made;
}

static void destroy_pictures(struct pictures *of)
{
    dualprop_diagnostics_destroy(of->diagnostics);
    dualprop_state_destroy(of->state);
    dualprop_rule_destroy(of->rule);
    dualprop_network_destroy(of->network);
    dualprop_context_destroy(of->context);
    free(of);
}

static double loss_of_picture(struct pictures *of, int b)
{
    double loss;
    dualprop_view input = matrix_view(of->x + b * IMAGE, DUALPROP_F64, 1, IMAGE);
    dualprop_view target = matrix_view(of->y + b * ANSWERS, DUALPROP_F64, 1, ANSWERS);
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, of->state, &input, &target));
    return loss;
}

/* Central differences, with a step so small that no maximum changes its place. */
START_TEST(input_gradient_through_images)
{
    static const int ACTIVATIONS[] = { DUALPROP_TANH, DUALPROP_SOFTMAX };
    double gradient[PICTURES * IMAGE];
    for (int pooling = DUALPROP_POOL_NONE; pooling <= DUALPROP_POOL_AVERAGE; pooling++)
        for (int i = 0; i < 2; i++) {
            struct pictures *of =
                make_pictures(BACKENDS[_i % 2], pooling, ACTIVATIONS[i], _i < 2 ? DUALPROP_BP : DUALPROP_DP_ADJOINT);
            dualprop_view inputs = matrix_view(of->x, DUALPROP_F64, PICTURES, IMAGE);
            dualprop_view targets = matrix_view(of->y, DUALPROP_F64, PICTURES, ANSWERS);
            dualprop_view view = matrix_view(gradient, DUALPROP_F64, PICTURES, IMAGE);
            expect_ok(dualprop_infer_view(of->state, &inputs, &targets));
            expect_ok(dualprop_diagnostics_input_gradient(&view, of->diagnostics, of->state));
            for (int j = 0; j < PICTURES * IMAGE; j++) {
                double x = of->x[j];
                of->x[j] = x + 1e-6;
                double above = loss_of_picture(of, j / IMAGE);
                of->x[j] = x - 1e-6;
                double slope = (above - loss_of_picture(of, j / IMAGE)) / 2e-6;
                of->x[j] = x;
                ck_assert_double_eq_tol(gradient[j], slope, 1e-8);
            }
            destroy_pictures(of);
        }
}
END_TEST

/* A network of layer k alone, with the identity, without pooling and bias. */
static dualprop_network *network_of_layer(const struct pictures *of, int k)
{
    int kind;
    int64_t below[3] = { 5, 4, 2 }, output[3], kernel[2], stride[2], padding[2];
    dualprop_layer *layer;
    dualprop_network *alone;
    if (k > 1) {
        expect_ok(dualprop_network_layer(&layer, of->network, k - 1));
        expect_ok(dualprop_layer_shape(NULL, below, NULL, NULL, NULL, NULL, NULL, NULL, layer));
    }
    expect_ok(dualprop_network_layer(&layer, of->network, k));
    expect_ok(dualprop_layer_shape(&kind, output, kernel, stride, padding, NULL, NULL, NULL, layer));
    expect_ok(dualprop_network_create(&alone, of->context, below[0], below[1], below[2]));
    if (kind == DUALPROP_LAYER_DENSE) expect_ok(dualprop_network_add_dense(alone, output[2], DUALPROP_IDENTITY));
    else if (kind == DUALPROP_LAYER_CONVOLUTION)
        expect_ok(dualprop_network_add_convolution(alone, output[2], kernel, stride, padding, DUALPROP_IDENTITY));
    else expect_ok(dualprop_network_add_local(alone, output[2], kernel, stride, padding, DUALPROP_IDENTITY));
    return alone;
}

static void copy_weights(dualprop_network *alone, const struct pictures *of, int k)
{
    static double weights[20000];
    char name[32];
    dualprop_view view = { .struct_size = sizeof view, .data = weights, .type = DUALPROP_F64 };
    expect_ok(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, of->network, 2 * (k - 1)));
    int64_t size = 1;
    for (int axis = view.rank - 1; axis >= 0; size *= view.shape[axis--]) view.strides[axis] = size;
    ck_assert_int_le(size, 20000);
    expect_ok(dualprop_network_read(&view, of->network, name));
    expect_ok(dualprop_network_write(alone, "layer1.weight", &view));
}

/* The matrix [inputs, outputs] of a network without activations and biases: what it makes of each unit vector. */
static double *matrix_of(dualprop_network *network, int64_t *inputs, int64_t *outputs)
{
    dualprop_state *state;
    expect_ok(dualprop_network_info(NULL, NULL, inputs, outputs, network));
    double *units = calloc((size_t)(*inputs * *inputs), sizeof *units);
    double *matrix = calloc((size_t)(*inputs * *outputs), sizeof *matrix);
    for (int64_t i = 0; i < *inputs; i++) units[i * (*inputs + 1)] = 1;
    expect_ok(dualprop_state_create(&state, network, NULL, *inputs));
    expect_ok(dualprop_predict(matrix, state, units, *inputs));
    dualprop_state_destroy(state);
    free(units);
    return matrix;
}

static double true_norm(dualprop_network *network)
{
    int64_t inputs, outputs;
    double *matrix = matrix_of(network, &inputs, &outputs);
    double norm = greatest_singular_value(matrix, inputs, outputs);
    free(matrix);
    return norm;
}

START_TEST(norms_of_layers_of_images)
{
    for (int pooling = DUALPROP_POOL_NONE; pooling <= DUALPROP_POOL_AVERAGE; pooling++) {
        struct pictures *of = make_pictures(BACKENDS[_i], pooling, DUALPROP_RELU, DUALPROP_DP_ADJOINT);
        for (int k = 1; k <= 4; k++) {
            double norm;
            dualprop_network *alone = network_of_layer(of, k);
            copy_weights(alone, of, k);
            expect_ok(dualprop_diagnostics_spectral_norm(&norm, of->diagnostics, k, 20000));
            ck_assert_double_eq_tol(norm / true_norm(alone), 1, 1e-10);
            dualprop_network_destroy(alone);
        }
        destroy_pictures(of);
    }
}
END_TEST

/* All layers with the identity are one matrix, average pooling included; max pooling leaves a lower bound. */
START_TEST(lipschitz_through_images)
{
    for (int pooling = DUALPROP_POOL_NONE; pooling <= DUALPROP_POOL_AVERAGE; pooling++) {
        struct pictures *of = make_pictures(BACKENDS[_i], pooling, DUALPROP_IDENTITY, DUALPROP_DP_ADJOINT);
        double norm, bound = 1;
        expect_ok(dualprop_diagnostics_lipschitz(&norm, of->diagnostics, 20000));
        for (int k = 1; k <= 4; k++) {
            double gamma;
            expect_ok(dualprop_diagnostics_spectral_norm(&gamma, of->diagnostics, k, 20000));
            bound *= gamma;
        }
        if (pooling == DUALPROP_POOL_MAX) ck_assert(norm > 0 && norm <= bound);
        else ck_assert_double_eq_tol(norm / true_norm(of->network), 1, 1e-10);
        destroy_pictures(of);
    }
}
END_TEST

/* ---- objectives ---- */

enum { EQ_1, EQ_12, EQ_18 };

static double objective_at(dualprop_diagnostics *diagnostics, struct small_network *small, int which)
{
    double values[3];
    expect_ok(dualprop_diagnostics_objective(&values[0], &values[1], &values[2], diagnostics, small->state));
    return values[which];
}

/* Begin an inference and run it until nothing moves, leaving it open. */
static void settle(struct small_network *small)
{
    dualprop_view inputs = inputs_of(small), targets = targets_of(small);
    expect_ok(dualprop_infer_begin(small->state, &inputs, &targets));
    for (int pass = 0; pass < 400; pass++) expect_ok(dualprop_infer_pass(small->state));
}

/* The derivative of an objective in a random direction of layer k's s+ or s-, by central differences. */
static double slope_along(dualprop_diagnostics *diagnostics, struct small_network *small, int which, int k, int state)
{
    double s[SMALL_MAX_REALS], moved[SMALL_MAX_REALS], direction[SMALL_MAX_REALS], values[2], step = 1e-5;
    int64_t count = small->plan.batch * small->plan.widths[k];
    randomness random = random_start((uint64_t)(17 * k + state));
    dualprop_view view = matrix_view(moved, DUALPROP_F64, small->plan.batch, small->plan.widths[k]);
    small_read(s, small, k, state);
    for (int64_t i = 0; i < count; i++) direction[i] = random_uniform(&random, -1, 1);
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < count; i++) moved[i] = s[i] + (side ? step : -step) * direction[i];
        expect_ok(dualprop_state_write(small->state, k, state, &view));
        values[side] = objective_at(diagnostics, small, which);
    }
    memcpy(moved, s, sizeof moved);
    expect_ok(dualprop_state_write(small->state, k, state, &view));
    return (values[1] - values[0]) / (2 * step);
}

/* The greatest slope over layers and states. */
static double steepest(const struct small_plan *plan, int which)
{
    double most = 0;
    struct small_network small = small_create(plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    settle(&small);
    for (int k = 1; k <= plan->layers; k++)
        for (int state = DUALPROP_S_PLUS; state <= DUALPROP_S_MINUS; state++)
            most = comparison_larger(most, fabs(slope_along(diagnostics, &small, which, k, state)));
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
    return most;
}

/* Eq. 1: DP with the exact step, any alpha, wherever G is smooth around the states; differences err by about step^2. */
START_TEST(settled_dp_makes_eq_1_stationary)
{
    static const int SMOOTH[] = { DUALPROP_IDENTITY, DUALPROP_LEAKY_RELU, DUALPROP_SIGMOID,
                                  DUALPROP_TANH,     DUALPROP_SOFTPLUS,   DUALPROP_ELU };
    struct small_plan plan = plan_of(_i);
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    plan.scale = 0.3; /* so that alpha 0 and 1 settle without damping */
    for (int i = 0; i < 6; i++)
        for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.25) {
            plan.activation = SMOOTH[i];
            double slope = steepest(&plan, EQ_1);
            ck_assert_msg(slope < 2e-8, "%s, alpha %g: slope %g", dualprop_name(DUALPROP_NAMES_ACTIVATION, SMOOTH[i]),
                          plan.alpha, slope);
        }
}
END_TEST

/* The linear step leaves a slope that is no rounding: the diagnostics must not hide it. */
START_TEST(the_linear_step_does_not)
{
    struct small_plan plan = plan_of(_i);
    plan.scale = 0.5;
    for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 1) ck_assert_double_gt(steepest(&plan, EQ_1), 1e-2);
}
END_TEST

/* Eq. 18: DP^T where f is linear between the states. */
START_TEST(settled_adjoint_makes_eq_18_stationary)
{
    static const int LINEAR[] = { DUALPROP_IDENTITY, DUALPROP_LEAKY_RELU };
    struct small_plan plan = plan_of(_i);
    plan.variant = DUALPROP_DP_ADJOINT;
    plan.beta = 1e-3; /* so that no dyad lies across leaky relu's kink */
    for (int i = 0; i < 2; i++)
        for (plan.loss = DUALPROP_MSE; plan.loss <= DUALPROP_CROSS_ENTROPY; plan.loss++)
            for (plan.alpha = 0; plan.alpha <= 1; plan.alpha += 0.5) {
                plan.activation = LINEAR[i];
                double slope = steepest(&plan, EQ_18);
                ck_assert_msg(slope < 2e-5, "%s, alpha %g: slope %g",
                              dualprop_name(DUALPROP_NAMES_ACTIVATION, LINEAR[i]), plan.alpha, slope);
            }
}
END_TEST

/* At fixed dyads each objective is linear in the weights, and its derivative is the rule's gradient. */
START_TEST(the_gradient_is_the_objectives)
{
    struct small_plan plan = plan_of(_i);
    plan.alpha = 0.3;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    double weight[SMALL_MAX_REALS], gradient[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    small_gradient(&small);
    for (int k = 1; k <= plan.layers; k++) {
        char name[] = "layer0.weight";
        name[5] = (char)('0' + k);
        dualprop_view view = matrix_view(weight, DUALPROP_F64, plan.widths[k - 1], plan.widths[k]);
        expect_ok(dualprop_network_read(&view, small.network, name));
        small_read_gradient(gradient, bias, &small, k);
        for (int which = EQ_1; which <= EQ_18; which++) {
            int64_t at = 5 * k + which;
            double before = objective_at(diagnostics, &small, which);
            weight[at] += 0.25;
            expect_ok(dualprop_network_write(small.network, name, &view));
            double slope = (objective_at(diagnostics, &small, which) - before) / 0.25;
            weight[at] -= 0.25;
            expect_ok(dualprop_network_write(small.network, name, &view));
            ck_assert_double_eq_tol(slope, gradient[at], 1e-12);
        }
    }
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}
END_TEST

/*
 * At alpha 1/2 of a settled quadratic problem Eq. 1 and 12 differ by the mean of the losses less the loss of the mean,
 * 1/8 |delta_L|^2, and Eq. 12 and 18 agree, since Bregman divergences of a quadratic G are even (Eq. 23).
 */
START_TEST(objectives_of_a_quadratic_problem)
{
    struct small_plan plan = plan_of(_i);
    double delta[SMALL_MAX_REALS], values[3], square = 0;
    plan.activation = DUALPROP_IDENTITY;
    plan.output_step = DUALPROP_OUTPUT_EXACT;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    small_gradient(&small);
    small_read(delta, &small, plan.layers, DUALPROP_S_DELTA);
    for (int64_t i = 0; i < plan.batch * plan.widths[plan.layers]; i++) square += delta[i] * delta[i];
    expect_ok(dualprop_diagnostics_objective(&values[0], &values[1], &values[2], diagnostics, small.state));
    ck_assert_double_eq_tol(values[0] - values[1], square / 8 / (double)plan.batch, 1e-13);
    ck_assert_double_eq_tol(values[1], values[2], 1e-13);
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}
END_TEST

/* Softmax: its terms ignore what a row's a share; relu and hard sigmoid: no term where they are flat. */
/* Eq. 23: what sets Eq. 12 and 18 apart, and what is known of it for a quadratic G. */
START_TEST(bregman_differences_are_eq_23)
{
    static const int CONVEX[] = { DUALPROP_IDENTITY, DUALPROP_RELU, DUALPROP_TANH, DUALPROP_SOFTPLUS,
                                  DUALPROP_SOFTMAX };
    for (int i = 0; i < 5; i++) {
        for (int step = 0; step <= 4; step++) {
            struct small_plan plan = plan_of(_i);
            double delta[SMALL_MAX_REALS], sum = 0;
            dualprop_diagnostics *diagnostics;
            plan.activation = CONVEX[i];
            plan.alpha = 0.25 * step;
            plan.beta = 0.5;
            struct small_network small = small_create(&plan);
            expect_ok(small_infer(&small));
            expect_ok(dualprop_diagnostics_create(&diagnostics, small.network, plan.loss, plan.batch));
            for (int k = 1; k <= plan.layers; k++) {
                double found, squares = 0;
                expect_ok(dualprop_diagnostics_bregman(&found, diagnostics, small.state, k));
                sum += found / plan.beta;
                /* relu at 0 has the convention of Eq. 18, f^-1(0) = a; at 1/2 a mean of 0 has s+ = s- = 0 */
                if (k < plan.layers && i > 0 && (i > 1 || step != 2)) continue;
                small_read(delta, &small, k, DUALPROP_S_DELTA);
                for (int64_t j = 0; j < plan.batch * plan.widths[k]; j++) squares += delta[j] * delta[j];
                double expected = (0.5 - plan.alpha) * squares / (double)plan.batch;
                ck_assert_msg(fabs(found - expected) < 1e-13, "%s, alpha %g, layer %d: %.17g, not %.17g",
                              dualprop_name(DUALPROP_NAMES_ACTIVATION, CONVEX[i]), plan.alpha, k, found, expected);
            }
            double apart = objective_at(diagnostics, &small, EQ_12) - objective_at(diagnostics, &small, EQ_18);
            ck_assert_msg(fabs(apart - sum) < 1e-12, "%s, alpha %g: %.17g, not %.17g",
                          dualprop_name(DUALPROP_NAMES_ACTIVATION, CONVEX[i]), plan.alpha, apart, sum);
            dualprop_diagnostics_destroy(diagnostics);
            small_destroy(&small);
        }
    }
}
END_TEST

START_TEST(objectives_are_finite_for_every_g)
{
    struct small_plan plan = plan_of(_i);
    plan.variant = DUALPROP_DP_ADJOINT;
    plan.beta = 1e-6;
    for (plan.activation = DUALPROP_IDENTITY; plan.activation <= DUALPROP_SOFTMAX; plan.activation++) {
        double values[3], loss;
        struct small_network small = small_create(&plan);
        dualprop_diagnostics *diagnostics = diagnose(&small);
        small_gradient(&small);
        expect_ok(dualprop_diagnostics_objective(&values[0], &values[1], &values[2], diagnostics, small.state));
        expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, small.state));
        for (int i = 0; i < 3; i++) {
            /* As beta falls each tends to the loss of the prediction. */
            if (plan.activation == DUALPROP_SILU) ck_assert(isnan(values[i]));
            else
                ck_assert_msg(fabs(values[i] - loss) < 1e-4, "activation %d, value %d: %g, loss %g", plan.activation, i,
                              values[i], loss);
        }
        dualprop_diagnostics_destroy(diagnostics);
        small_destroy(&small);
    }
}
END_TEST

static void expect_no_objective(int backend, int variant, const char *word)
{
    struct small_plan plan = plan_of(backend);
    double value = 7;
    plan.variant = variant;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    small_gradient(&small);
    expect_error(dualprop_diagnostics_objective(&value, NULL, NULL, diagnostics, small.state),
                 DUALPROP_ERROR_UNSUPPORTED, word);
    ck_assert(value == 7);
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}

START_TEST(some_rules_have_no_objective)
{
    expect_no_objective(_i, DUALPROP_BP, "back-propagation");
    expect_no_objective(_i, DUALPROP_LECUN, "lecun");
}
END_TEST

/* ---- single precision ---- */

struct measured {
    double objective[3], gradient[6 * 10], lipschitz, angle, silent;
};

/* The same small problem in either precision; the weights are drawn as the same numbers, to rounding. */
static struct measured measure_in(int backend, int precision)
{
    struct measured found;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_diagnostics *diagnostics;
    double x[60], y[18];
    randomness random = random_start(41);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = precision;
    for (int i = 0; i < 60; i++) x[i] = (double)(float)random_uniform(&random, 0, 1);
    for (int i = 0; i < 18; i++) y[i] = (double)(float)random_uniform(&random, -1, 1);
    dualprop_view inputs = matrix_view(x, DUALPROP_F64, 6, 10), targets = matrix_view(y, DUALPROP_F64, 6, 3);
    dualprop_view gradient = matrix_view(found.gradient, DUALPROP_F64, 6, 10);
    expect_ok(dualprop_context_create(&context, backend, &options));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 10));
    expect_ok(dualprop_network_add_dense(network, 20, DUALPROP_SOFTPLUS));
    expect_ok(dualprop_network_add_dense(network, 12, DUALPROP_ELU));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_LECUN, 1));
    expect_ok(dualprop_network_initialize(network, 2));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
    expect_ok(dualprop_rule_set_alpha(rule, 0.25));
    expect_ok(dualprop_state_create(&state, network, rule, 6));
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));
    expect_ok(dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, 6));
    expect_ok(dualprop_infer_view(state, &inputs, &targets));
    expect_ok(dualprop_gradient(optimizer, state));
    expect_ok(dualprop_diagnostics_objective(&found.objective[0], &found.objective[1], &found.objective[2], diagnostics,
                                             state));
    expect_ok(dualprop_diagnostics_twin(diagnostics, &inputs, &targets));
    expect_ok(dualprop_diagnostics_compare(&found.angle, NULL, NULL, NULL, NULL, diagnostics, optimizer, 1));
    expect_ok(dualprop_diagnostics_input_gradient(&gradient, diagnostics, state));
    expect_ok(dualprop_diagnostics_lipschitz(&found.lipschitz, diagnostics, 1000));
    expect_ok(dualprop_diagnostics_zero_delta_fraction(&found.silent, state, 2));
    dualprop_diagnostics_destroy(diagnostics);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return found;
}

/* Sums of some hundred products of numbers around 1, divided by beta = 1/2, in single precision. */
START_TEST(single_precision_agrees_with_double)
{
    struct measured single = measure_in(BACKENDS[_i], DUALPROP_F32);
    struct measured precise = measure_in(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64);
    for (int i = 0; i < 3; i++) ck_assert_double_eq_tol(single.objective[i], precise.objective[i], 2e-5);
    for (int i = 0; i < 60; i++) ck_assert_double_eq_tol(single.gradient[i], precise.gradient[i], 2e-6);
    ck_assert_double_eq_tol(single.lipschitz / precise.lipschitz, 1, 1e-5);
    ck_assert_double_eq_tol(single.angle, precise.angle, 1e-3);
    ck_assert(single.silent == 0 && precise.silent == 0);
}
END_TEST

/* ---- silent dyads ---- */

START_TEST(silent_dyads_are_counted)
{
    struct small_plan plan = plan_of(_i);
    double delta[SMALL_MAX_REALS], fraction, all = 0;
    plan.activation = DUALPROP_RELU;
    plan.schedule = DUALPROP_FORWARD;
    plan.passes = 2;
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    for (int k = 1; k <= plan.layers; k++) {
        double zeros = 0;
        int64_t count = plan.batch * plan.widths[k];
        small_read(delta, &small, k, DUALPROP_S_DELTA);
        for (int64_t i = 0; i < count; i++) zeros += delta[i] == 0;
        expect_ok(dualprop_diagnostics_zero_delta_fraction(&fraction, small.state, k));
        ck_assert(fraction == zeros / (double)count);
        ck_assert(k > 1 || fraction == 1); /* two passes forward reach two layers */
        if (k == 2) all = fraction;
    }
    ck_assert(all > 0 && all < 1);
    small_destroy(&small);
}
END_TEST

/* ---- manners ---- */

/* Parameters, gradients and dyads are as they were, and nothing is allocated on the way. */
START_TEST(an_audit_changes_nothing)
{
    struct small_plan plan = plan_of(_i);
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], bias[SMALL_MAX_REALS], value, gradient[SMALL_MAX_REALS];
    uint64_t allocations, later, generation, now;
    struct small_network small = small_create(&plan);
    dualprop_diagnostics *diagnostics = diagnose(&small);
    dualprop_view inputs = inputs_of(&small), targets = targets_of(&small);
    dualprop_view view = matrix_view(gradient, DUALPROP_F64, plan.batch, plan.widths[0]);
    small_gradient(&small);
    small_read_gradient(before, bias, &small, 2);
    expect_ok(dualprop_network_generation(&generation, small.network));
    expect_ok(dualprop_context_memory(NULL, NULL, &allocations, small.context));
    expect_ok(dualprop_diagnostics_twin(diagnostics, &inputs, &targets));
    expect_ok(dualprop_diagnostics_compare(&value, NULL, NULL, NULL, NULL, diagnostics, small.optimizer, 1));
    expect_ok(dualprop_diagnostics_objective(&value, NULL, NULL, diagnostics, small.state));
    expect_ok(dualprop_diagnostics_spectral_norm(&value, diagnostics, 2, 5));
    expect_ok(dualprop_diagnostics_lipschitz(&value, diagnostics, 5));
    expect_ok(dualprop_diagnostics_zero_delta_fraction(&value, small.state, 1));
    expect_ok(dualprop_diagnostics_input_gradient(&view, diagnostics, small.state));
    expect_ok(dualprop_context_memory(NULL, NULL, &later, small.context));
    ck_assert_uint_eq(allocations, later);
    expect_ok(dualprop_network_generation(&now, small.network));
    ck_assert_uint_eq(generation, now);
    small_read_gradient(after, bias, &small, 2);
    ck_assert(memcmp(before, after, (size_t)(plan.widths[1] * plan.widths[2]) * sizeof(double)) == 0);
    expect_ok(dualprop_update(small.optimizer, small.state));
    dualprop_diagnostics_destroy(diagnostics);
    small_destroy(&small);
}
END_TEST

START_TEST(creation_fails_cleanly_at_each_allocation)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        failing_allocator allocator = { .fail_at = 0 };
        dualprop_allocator table = failing_allocator_table(&allocator);
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        dualprop_context *context;
        dualprop_network *network;
        dualprop_diagnostics *diagnostics = NULL;
        options.allocator = &table;
        expect_ok(dualprop_context_create(&context, BACKENDS[_i], &options));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
        expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
        long live = atomic_load(&allocator.live_blocks), at = 0;
        dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
        while (status == DUALPROP_ERROR_NO_MEMORY && at < 100) {
            failing_allocator_arm(&allocator, ++at, for_ever);
            status = dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, 2);
            if (status != DUALPROP_OK) ck_assert_ptr_null(diagnostics);
            if (status != DUALPROP_OK) ck_assert_int_eq(atomic_load(&allocator.live_blocks), live);
        }
        ck_assert_int_eq(status, DUALPROP_OK);
        ck_assert_int_gt(at, 8);
        failing_allocator_arm(&allocator, 0, 0);
        dualprop_diagnostics_destroy(diagnostics);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
        ck_assert_int_eq(atomic_load(&allocator.live_blocks), 0);
        ck_assert_int_eq(atomic_load(&allocator.misuse), 0);
    }
}
END_TEST

/* The copy in f64 that the first norm of an f32 network needs: made whole, or not at all and made later. */
START_TEST(the_first_norm_fails_cleanly_at_each_allocation)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        failing_allocator allocator = { .fail_at = 0 };
        dualprop_allocator table = failing_allocator_table(&allocator);
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        dualprop_context *context;
        dualprop_network *network;
        dualprop_diagnostics *diagnostics;
        options.allocator = &table;
        expect_ok(dualprop_context_create(&context, BACKENDS[_i], &options));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
        expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_initialize(network, 1));
        expect_ok(dualprop_diagnostics_create(&diagnostics, network, DUALPROP_MSE, 2));
        long live = atomic_load(&allocator.live_blocks), at = 0;
        double norm = -1;
        dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
        while (status == DUALPROP_ERROR_NO_MEMORY && at < 200) {
            failing_allocator_arm(&allocator, ++at, for_ever);
            status = dualprop_diagnostics_lipschitz(&norm, diagnostics, 5);
            if (status != DUALPROP_OK) ck_assert(norm == -1);
            if (status != DUALPROP_OK) ck_assert_int_eq(atomic_load(&allocator.live_blocks), live);
        }
        ck_assert_int_eq(status, DUALPROP_OK);
        ck_assert(norm > 0);
        ck_assert_int_gt(at, 8);
        failing_allocator_arm(&allocator, 0, 0);
        dualprop_diagnostics_destroy(diagnostics);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
        ck_assert_int_eq(atomic_load(&allocator.live_blocks), 0);
        ck_assert_int_eq(atomic_load(&allocator.misuse), 0);
    }
}
END_TEST

Suite *test_diagnostics_suite(void);
Suite *test_diagnostics_suite(void)
{
    Suite *suite = suite_create("diagnostics");
    TCase *twin = tcase_create("twin"), *norms = tcase_create("norms"), *objectives = tcase_create("objectives");
    TCase *images = tcase_create("images");
    tcase_add_loop_test(twin, the_twin_is_back_propagation, 0, 2);
    tcase_add_loop_test(twin, small_angles_keep_their_digits, 0, 2);
    tcase_add_loop_test(twin, input_gradient_is_each_samples_own, 0, 2);
    tcase_add_loop_test(twin, input_gradient_fills_the_callers_array, 0, 2);
    tcase_add_loop_test(twin, silent_dyads_are_counted, 0, 2);
    tcase_add_loop_test(twin, an_audit_changes_nothing, 0, 2);
    tcase_add_loop_test(twin, creation_fails_cleanly_at_each_allocation, 0, 2);
    tcase_add_loop_test(twin, single_precision_agrees_with_double, 0, 2);
    tcase_add_loop_test(norms, norms_are_the_greatest_singular_values, 0, 4);
    tcase_add_loop_test(norms, iterations_go_on_from_the_last_vector, 0, 2);
    tcase_add_loop_test(norms, norms_of_zero_and_of_the_identity, 0, 2);
    tcase_add_loop_test(norms, norms_follow_the_weights, 0, 2);
    tcase_add_loop_test(norms, large_products_of_f32_have_a_norm, 0, 2);
    tcase_add_loop_test(norms, the_first_norm_fails_cleanly_at_each_allocation, 0, 2);
    tcase_add_loop_test(norms, a_product_that_overflows_is_no_norm, 0, 2);
    tcase_add_loop_test(images, input_gradient_through_images, 0, 4);
    tcase_add_loop_test(images, norms_of_layers_of_images, 0, 2);
    tcase_add_loop_test(images, lipschitz_through_images, 0, 2);
    tcase_add_loop_test(objectives, settled_dp_makes_eq_1_stationary, 0, 2);
    tcase_add_loop_test(objectives, the_linear_step_does_not, 0, 2);
    tcase_add_loop_test(objectives, settled_adjoint_makes_eq_18_stationary, 0, 2);
    tcase_add_loop_test(objectives, the_gradient_is_the_objectives, 0, 2);
    tcase_add_loop_test(objectives, objectives_of_a_quadratic_problem, 0, 2);
    tcase_add_loop_test(objectives, objectives_are_finite_for_every_g, 0, 2);
    tcase_add_loop_test(objectives, bregman_differences_are_eq_23, 0, 2);
    tcase_add_loop_test(objectives, some_rules_have_no_objective, 0, 2);
    suite_add_tcase(suite, twin);
    suite_add_tcase(suite, norms);
    suite_add_tcase(suite, images);
    suite_add_tcase(suite, objectives);
    return suite;
}
