/*
 * test_initialize.c - the distributions of the initialisers, and that they depend on (seed, layer, index) alone.
 *
 * Moments of n = 200,000 draws are compared with theory within five of their own standard errors: of the mean
 * sigma/sqrt(n), of the variance sigma^2 sqrt((kurtosis - 1)/n). The seeds are fixed, so the tests never flicker.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <Random123/philox.h>

#include <dualprop/dualprop.h>

#include "math/formulas.h"
#include "support/comparison.h"
#include "support/expect.h"

Suite *test_initialize_suite(void);

#define INPUTS 500
#define OUTPUTS 400
#define COUNT (INPUTS * OUTPUTS)

static dualprop_context *create_context(int backend, int precision, int threads)
{
    dualprop_context *context;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = precision;
    options.threads = threads;
    expect_ok(dualprop_context_create(&context, backend, &options));
    return context;
}

static dualprop_network *create_network(dualprop_context *context)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, 1, 1, INPUTS));
    expect_ok(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, INPUTS, DUALPROP_IDENTITY));
    return network;
}

/* Layer 1's weights are [INPUTS, OUTPUTS], layer 2's [OUTPUTS, INPUTS]; the result is the caller's to free. */
static double *read_weights(const dualprop_network *network, int layer)
{
    double *weights = malloc(COUNT * sizeof *weights);
    ck_assert_ptr_nonnull(weights);
    dualprop_view view = layer == 1 ? matrix_view(weights, DUALPROP_F64, INPUTS, OUTPUTS)
                                    : matrix_view(weights, DUALPROP_F64, OUTPUTS, INPUTS);
    expect_ok(dualprop_network_read(&view, network, layer == 1 ? "layer1.weight" : "layer2.weight"));
    return weights;
}

static double *draw(int backend, int precision, int threads, int initializer, double scale, uint64_t seed, int layer)
{
    dualprop_context *context = create_context(backend, precision, threads);
    dualprop_network *network = create_network(context);
    expect_ok(dualprop_network_set_initializer(network, initializer, scale));
    expect_ok(dualprop_network_initialize(network, seed));
    double *weights = read_weights(network, layer);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return weights;
}

static double *draw_reference(int initializer, double scale, uint64_t seed, int layer)
{
    return draw(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 1, initializer, scale, seed, layer);
}

/* ---- the distributions ---- */

static double average(const double *values, int power)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++) sum += pow(values[i], power);
    return sum / COUNT;
}

static double largest(const double *values)
{
    double most = 0;
    for (int i = 0; i < COUNT; i++) most = comparison_larger(most, fabs(values[i]));
    return most;
}

/* What a row of the table below expects of one layer's weights, fan_in and fan_out taken as they are. */
struct expectation {
    const char *name;
    int initializer;
    double scale;
    int layer;
    double variance;
    double kurtosis; /* fourth moment over squared variance: normal 3, uniform 9/5 */
    double bound;    /* no draw lies beyond; in deviations */
};

/*
 * Cut at two deviations, E z^2 = 1 - 4 phi(2)/(2 Phi(2) - 1) = 0.773741..., E z^4 = 3 E z^2 - 16 phi(2)/(2 Phi(2) - 1)
 * = 1.416189..., so that the kurtosis is 2.36552 and the bound 2/sqrt(0.773741) = 2.27370.
 */
static const struct expectation EXPECTATIONS[] = {
    { "paper, layer 1", DUALPROP_INIT_PAPER, 7.0, 1, 1.0 / 784, 3.0, 8.6 },
    { "paper, layer 2", DUALPROP_INIT_PAPER, 7.0, 2, 1.0 / OUTPUTS, 3.0, 8.6 },
    { "normal", DUALPROP_INIT_NORMAL, 0.3, 1, 0.09, 3.0, 8.6 },
    { "lecun", DUALPROP_INIT_LECUN, 2.0, 1, 4.0 / INPUTS, 3.0, 8.6 },
    { "truncated", DUALPROP_INIT_TRUNCATED, 2.0, 2, 4.0 / OUTPUTS, 2.36552, 2.27371 },
    { "glorot", DUALPROP_INIT_GLOROT, 2.0, 1, 8.0 / (INPUTS + OUTPUTS), 1.8, 1.7320509 },
    { "he", DUALPROP_INIT_HE, 2.0, 2, 8.0 / OUTPUTS, 3.0, 8.6 },
};
#define EXPECTATION_COUNT ((int)(sizeof EXPECTATIONS / sizeof EXPECTATIONS[0]))

START_TEST(has_the_moments_of_theory)
{
    const struct expectation *row = &EXPECTATIONS[_i];
    double *weights = draw_reference(row->initializer, row->scale, 12345, row->layer);
    double deviation = sqrt(row->variance), mean = average(weights, 1), variance = average(weights, 2);
    double kurtosis = average(weights, 4) / (variance * variance), skewness = average(weights, 3) / pow(deviation, 3);
    ck_assert_msg(fabs(mean) < 5 * deviation / sqrt(COUNT), "%s: mean %g", row->name, mean);
    ck_assert_msg(fabs(variance / row->variance - 1) < 5 * sqrt((row->kurtosis - 1) / COUNT), "%s: variance %g, not %g",
                  row->name, variance, row->variance);
    ck_assert_msg(fabs(skewness) < 5 * sqrt(15.0 / COUNT), "%s: skewness %g", row->name, skewness);
    ck_assert_msg(fabs(kurtosis / row->kurtosis - 1) < 5 * sqrt(24.0 / COUNT), "%s: kurtosis %g, not %g", row->name,
                  kurtosis, row->kurtosis);
    ck_assert_msg(largest(weights) <= row->bound * deviation, "%s: %g deviations", row->name,
                  largest(weights) / deviation);
    free(weights);
}
END_TEST

/* The cumulative distribution, against the error function, by Kolmogorov's distance (5 % bound: 1.36/sqrt(n)). */
static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double kolmogorov_distance(double *values, double deviation, double low_tail)
{
    double distance = 0;
    qsort(values, COUNT, sizeof *values, ascending);
    for (int i = 0; i < COUNT; i++) {
        double below = (0.5 * erfc(-values[i] / deviation / sqrt(2)) - low_tail) / (1 - 2 * low_tail);
        distance = comparison_larger(
            distance, comparison_larger(fabs(below - (double)i / COUNT), fabs(below - (double)(i + 1) / COUNT)));
    }
    return distance;
}

START_TEST(is_normal_and_truncated_normal)
{
    double *weights = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 99, 1);
    ck_assert_double_lt(kolmogorov_distance(weights, 1.0, 0.0), 1.36 / sqrt(COUNT));
    free(weights);
    weights = draw_reference(DUALPROP_INIT_TRUNCATED, 1.0, 99, 1);
    double deviation = 1.0 / sqrt(INPUTS) / 0.87962566103423978, tail = 0.5 * erfc(2 / sqrt(2));
    ck_assert_double_lt(kolmogorov_distance(weights, deviation, tail), 1.36 / sqrt(COUNT));
    free(weights);
}
END_TEST

/* ---- what a draw depends on ---- */

static double correlation(const double *x, const double *y, int shift)
{
    double product = 0, squares = 0;
    for (int i = 0; i + shift < COUNT; i++) {
        product += x[i] * y[i + shift];
        squares += x[i] * x[i];
    }
    return product / squares;
}

START_TEST(same_seed_same_bits_whatever_the_threads_and_the_backend)
{
    static const struct {
        int backend, threads;
    } OTHERS[] = {
        { DUALPROP_BACKEND_REFERENCE, 3 },
        { DUALPROP_BACKEND_AUTO, 1 },
        { DUALPROP_BACKEND_AUTO, 2 },
    };
    for (int initializer = DUALPROP_INIT_PAPER; initializer <= DUALPROP_INIT_HE; initializer++) {
        double *first = draw(DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1, initializer, 1.0, 7, 2);
        for (int i = 0; i < 3; i++) {
            double *other = draw(OTHERS[i].backend, DUALPROP_F32, OTHERS[i].threads, initializer, 1.0, 7, 2);
            ck_assert_msg(memcmp(first, other, COUNT * sizeof *first) == 0, "%s",
                          dualprop_name(DUALPROP_NAMES_INITIALIZER, initializer));
            free(other);
        }
        free(first);
    }
}
END_TEST

START_TEST(f32_is_f64_rounded)
{
    double *narrow = draw(DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1, DUALPROP_INIT_HE, 1.0, 5, 1);
    double *wide = draw_reference(DUALPROP_INIT_HE, 1.0, 5, 1);
    for (int i = 0; i < COUNT; i++) ck_assert(narrow[i] == (double)(float)wide[i]);
    free(narrow);
    free(wide);
}
END_TEST

START_TEST(other_layers_and_other_seeds_are_independent)
{
    double *first = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 7, 1);
    double *layer = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 7, 2);
    double *seed = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 8, 1);
    double *high = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 7 + ((uint64_t)1 << 32), 1);
    double bound = 5 / sqrt(COUNT);
    ck_assert_double_lt(fabs(correlation(first, layer, 0)), bound);
    ck_assert_double_lt(fabs(correlation(first, seed, 0)), bound);
    ck_assert_double_lt(fabs(correlation(first, high, 0)), bound);
    for (int shift = 1; shift <= 4; shift++) ck_assert_double_lt(fabs(correlation(first, first, shift)), bound);
    free(first);
    free(layer);
    free(seed);
    free(high);
}
END_TEST

/* Weight i must not depend on how many there are: a network with more outputs in its one row begins alike. */
START_TEST(a_draw_does_not_depend_on_the_size)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 1);
    double rows[2][64];
    for (int i = 0; i < 2; i++) {
        dualprop_network *network;
        int64_t outputs = i ? 64 : 40;
        dualprop_view view = matrix_view(rows[i], DUALPROP_F64, 1, outputs);
        expect_ok(dualprop_network_create(&network, context, 1, 1, 1));
        expect_ok(dualprop_network_add_dense(network, outputs, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_initialize(network, 3));
        expect_ok(dualprop_network_read(&view, network, "layer1.weight"));
        dualprop_network_destroy(network);
    }
    ck_assert(memcmp(rows[0], rows[1], 40 * sizeof(double)) == 0);
    dualprop_context_destroy(context);
}
END_TEST

/* Our generator against Random123's own, and what a weight is made of, written down once more. */
START_TEST(is_philox_4x32_10)
{
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t seed = i * 0x9E3779B97F4A7C15u, stream = i << 30 | 5, index = i * i * 77777777u;
        philox4x32_ctr_t counter = { { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                                       (uint32_t)(stream >> 32) } };
        philox4x32_key_t key = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };
        philox4x32_ctr_t expected = philox4x32(counter, key);
        dualprop__philox_block block = dualprop__philox(seed, stream, index);
        ck_assert(memcmp(block.word, expected.v, sizeof block.word) == 0);
    }
}
END_TEST

START_TEST(a_normal_weight_is_box_and_mullers)
{
    double *weights = draw_reference(DUALPROP_INIT_NORMAL, 1.0, 11, 2);
    for (uint32_t i = 0; i < 1000; i++) {
        philox4x32_ctr_t counter = { { i, 0, 2, 0 } };
        philox4x32_key_t key = { { 11, 0 } };
        philox4x32_ctr_t word = philox4x32(counter, key);
        double radius = (ldexp(word.v[0], 20) + (word.v[1] >> 12) + 0.5) * 0x1p-52;
        double angle = (ldexp(word.v[2], 20) + (word.v[3] >> 12) + 0.5) * 0x1p-52;
        double expected = sqrt(-2 * log(radius)) * cos(2 * 3.14159265358979323846 * angle);
        ck_assert_double_le(fabs(weights[i] - expected), 1e-14);
    }
    free(weights);
}
END_TEST

/* ---- the rest ---- */

START_TEST(biases_become_zero_and_the_generation_rises)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_AUTO, DUALPROP_F32, 1);
    dualprop_network *network = create_network(context);
    float bias[OUTPUTS];
    uint64_t before, after;
    dualprop_view view = vector_view(bias, DUALPROP_F32, OUTPUTS);
    for (int i = 0; i < OUTPUTS; i++) bias[i] = 1.0f;
    expect_ok(dualprop_network_write(network, "layer1.bias", &view));
    expect_ok(dualprop_network_generation(&before, network));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_network_generation(&after, network));
    expect_ok(dualprop_network_read(&view, network, "layer1.bias"));
    ck_assert_uint_gt(after, before);
    for (int i = 0; i < OUTPUTS; i++) ck_assert(bias[i] == 0.0f);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(refuses_a_scale_that_overflows_the_precision)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1);
    dualprop_network *network = create_network(context);
    expect_ok(dualprop_network_initialize(network, 1));
    double *before = read_weights(network, 1);
    expect_ok(dualprop_network_set_initializer(network, DUALPROP_INIT_NORMAL, 1e39));
    expect_error(dualprop_network_initialize(network, 1), DUALPROP_ERROR_NOT_FINITE, "scale");
    double *after = read_weights(network, 1);
    ck_assert(memcmp(before, after, COUNT * sizeof *before) == 0);
    free(before);
    free(after);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(scale_zero_gives_zeros)
{
    double *weights = draw_reference(DUALPROP_INIT_TRUNCATED, 0.0, 1, 1);
    ck_assert(largest(weights) == 0.0);
    free(weights);
}
END_TEST

/* Three inputs, 32 tanh, one output: a hill. */
static double regression_loss(int initializer)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 1);
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *adam;
    double x[64][3], y[64], loss;
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 3; j++) x[i][j] = (double)((i * (2 * j + 5)) % 64) / 32 - 1;
        y[i] = sin(2 * x[i][0]) * x[i][1] + x[i][2] * x[i][2];
    }
    dualprop_view inputs = { .struct_size = sizeof inputs,
                             .data = x,
                             .type = DUALPROP_F64,
                             .rank = 2,
                             .shape = { 64, 3 },
                             .strides = { 3, 1 } };
    dualprop_view targets = { .struct_size = sizeof targets,
                              .data = y,
                              .type = DUALPROP_F64,
                              .rank = 2,
                              .shape = { 64, 1 },
                              .strides = { 1, 1 } };
    expect_ok(dualprop_network_create(&network, context, 1, 1, 3));
    expect_ok(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 1, DUALPROP_IDENTITY));
    if (initializer >= 0) expect_ok(dualprop_network_set_initializer(network, initializer, 1.0));
    expect_ok(dualprop_network_initialize(network, 1));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, 64));
    expect_ok(dualprop_optimizer_create(&adam, network, DUALPROP_ADAM));
    for (int step = 0; step < 600; step++) expect_ok(dualprop_learn_view(adam, state, &inputs, &targets));
    expect_ok(dualprop_evaluate_view(&loss, NULL, NULL, 1, state, &inputs, &targets));
    dualprop_optimizer_destroy(adam);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return loss;
}

/* What is drawn if nothing is chosen has to fit any number of inputs: a user's own data learn by it. */
START_TEST(own_data_learn_by_the_default)
{
    ck_assert_double_le(regression_loss(-1), 0.5 * regression_loss(DUALPROP_INIT_PAPER));
}
END_TEST

/* Weights that were never set are zero, and nothing can be learned from them: that is a mistake, and has a sentence. */
START_TEST(weights_that_were_never_set_are_refused)
{
    dualprop_context *context = create_context(DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1);
    dualprop_network *network, *clone;
    dualprop_rule *rule;
    dualprop_state *state;
    float x[4] = { 1, 2, 3, 4 }, weights[12] = { 0 };
    const int32_t label = 0;
    dualprop_view view = { .struct_size = sizeof view,
                           .data = weights,
                           .type = DUALPROP_F32,
                           .rank = 2,
                           .shape = { 4, 3 },
                           .strides = { 3, 1 } };
    expect_ok(dualprop_network_create(&network, context, 1, 1, 4));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_clone(&clone, network));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, 1));
    expect_error(dualprop_infer(state, x, &label, 1), DUALPROP_ERROR_INVALID_STATE, "layer 1 were never set");
    expect_error(dualprop_predict(weights, state, x, 1), DUALPROP_ERROR_INVALID_STATE, "layer 1 were never set");
    expect_ok(dualprop_network_write(network, "layer1.weight", &view)); /* zeros that the caller wrote are fine */
    expect_error(dualprop_infer(state, x, &label, 1), DUALPROP_ERROR_INVALID_STATE, "layer 2 were never set");
    expect_ok(dualprop_network_copy(network, clone)); /* which has none either */
    expect_error(dualprop_infer(state, x, &label, 1), DUALPROP_ERROR_INVALID_STATE, "layer 1 were never set");
    expect_ok(dualprop_network_initialize(clone, 1));
    expect_ok(dualprop_network_copy(network, clone));
    expect_ok(dualprop_infer(state, x, &label, 1));
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(clone);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_initialize_suite(void)
{
    Suite *suite = suite_create("initialize");
    TCase *tests = tcase_create("initialize");
    tcase_add_loop_test(tests, has_the_moments_of_theory, 0, EXPECTATION_COUNT);
    tcase_add_test(tests, is_normal_and_truncated_normal);
    tcase_add_test(tests, same_seed_same_bits_whatever_the_threads_and_the_backend);
    tcase_add_test(tests, f32_is_f64_rounded);
    tcase_add_test(tests, other_layers_and_other_seeds_are_independent);
    tcase_add_test(tests, a_draw_does_not_depend_on_the_size);
    tcase_add_test(tests, is_philox_4x32_10);
    tcase_add_test(tests, a_normal_weight_is_box_and_mullers);
    tcase_add_test(tests, biases_become_zero_and_the_generation_rises);
    tcase_add_test(tests, refuses_a_scale_that_overflows_the_precision);
    tcase_add_test(tests, scale_zero_gives_zeros);
    tcase_add_test(tests, own_data_learn_by_the_default);
    tcase_add_test(tests, weights_that_were_never_set_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
