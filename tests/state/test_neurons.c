/*
 * test_neurons.c - values of single neurons: alphas, gains, noise and who listens against the equations written out in
 * the test; parts of layers that are read and written; and what contradicts a rule.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/failing_allocator.h"

enum { INPUTS = 3, HIDDEN = 5, OUTPUTS = 2, BATCH = 3, MOST = 8 };
static const int64_t WIDTHS[] = { INPUTS, HIDDEN, OUTPUTS };
static const double BETA = 0.5, ALPHA = 0.25;

typedef struct model {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    double x[BATCH * INPUTS], y[BATCH * OUTPUTS];
} model;

/* tanh, as a program would register it. */
static int own_value(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = tanh(a[i]);
    return 0;
}

static int own_slope(void *user_data, double *slopes, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) slopes[i] = 1 - tanh(a[i]) * tanh(a[i]);
    return 0;
}

#define OWN_TANH (-1)

static model create_model(int backend, int variant, int activation, const dualprop_allocator *allocator)
{
    model made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    options.allocator = allocator;
    expect_ok(dualprop_context_create(&made.context, backend, &options));
    if (activation == OWN_TANH)
        expect_ok(dualprop_activation_register(&activation, made.context, "own", own_value, own_slope, NULL, NULL));
    expect_ok(dualprop_network_create(&made.network, made.context, 1, 1, INPUTS));
    expect_ok(dualprop_network_add_dense(made.network, HIDDEN, activation));
    expect_ok(dualprop_network_add_dense(made.network, OUTPUTS, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made.network, 3));
    expect_ok(dualprop_rule_create(&made.rule, made.context, variant));
    if (variant == DUALPROP_DP || variant == DUALPROP_DP_ADJOINT) expect_ok(dualprop_rule_set_alpha(made.rule, ALPHA));
    expect_ok(dualprop_rule_set_beta(made.rule, BETA));
    expect_ok(dualprop_state_create(&made.state, made.network, made.rule, BATCH));
    for (int i = 0; i < BATCH * INPUTS; i++) made.x[i] = i * 7919 % 1009 / 504.0 - 1;
    for (int i = 0; i < BATCH * OUTPUTS; i++) made.y[i] = i * 31 % 7 / 3.0 - 1;
    return made;
}

static void destroy_model(model *made)
{
    dualprop_state_destroy(made->state);
    dualprop_rule_destroy(made->rule);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

static dualprop_status begin(model *with)
{
    dualprop_view x = matrix_view(with->x, DUALPROP_F64, BATCH, INPUTS);
    dualprop_view y = matrix_view(with->y, DUALPROP_F64, BATCH, OUTPUTS);
    return dualprop_infer_begin(with->state, &x, &y);
}

static dualprop_status infer(model *with)
{
    dualprop_view x = matrix_view(with->x, DUALPROP_F64, BATCH, INPUTS);
    dualprop_view y = matrix_view(with->y, DUALPROP_F64, BATCH, OUTPUTS);
    return dualprop_infer_view(with->state, &x, &y);
}

/* [BATCH][MOST], whatever the layer's width. */
typedef double rows[BATCH][MOST];

static void read_rows(rows to, model *from, int k, int which)
{
    double flat[BATCH * MOST];
    dualprop_view view = matrix_view(flat, DUALPROP_F64, BATCH, WIDTHS[k]);
    expect_ok(dualprop_state_read(&view, from->state, k, which));
    for (int b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < WIDTHS[k]; i++) to[b][i] = flat[b * WIDTHS[k] + i];
}

static void expect_rows(model *from, int k, int which, rows expected, const char *what)
{
    rows read;
    read_rows(read, from, k, which);
    for (int b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < WIDTHS[k]; i++)
            ck_assert_msg(fabs(read[b][i] - expected[b][i]) <= 1e-13 * fmax(1, fabs(expected[b][i])),
                          "%s of neuron %d of layer %d is %.17g; expected %.17g", what, (int)i, k, read[b][i],
                          expected[b][i]);
}

/* What the neurons of one layer are like. */
typedef struct neurons {
    double alpha[MOST], plus[MOST], minus[MOST];
    int listens[MOST];
} neurons;

static neurons plain_neurons(int variant)
{
    neurons all;
    for (int i = 0; i < MOST; i++) {
        all.alpha[i] = ALPHA;
        all.plus[i] = variant == DUALPROP_DP_ADJOINT ? 1 - ALPHA : ALPHA;
        all.minus[i] = variant == DUALPROP_DP_ADJOINT ? ALPHA : 1 - ALPHA;
        all.listens[i] = 1;
    }
    return all;
}

static double activate(int is_output, double a)
{
    return is_output ? a : tanh(a);
}

/* s+- of a layer after a visit, as the equations say; they hold what was there before. */
static void visit(rows plus, rows minus, int k, rows a, rows down, const neurons *own)
{
    for (int b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < WIDTHS[k]; i++) {
            if (!own->listens[i]) continue;
            plus[b][i] = activate(k == 2, a[b][i] + own->plus[i] * down[b][i]);
            minus[b][i] = activate(k == 2, a[b][i] - own->minus[i] * down[b][i]);
        }
}

static void expect_dyads(model *from, int k, rows plus, rows minus, const neurons *own)
{
    rows mean, delta;
    for (int b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < WIDTHS[k]; i++) {
            mean[b][i] = own->alpha[i] * plus[b][i] + (1 - own->alpha[i]) * minus[b][i];
            delta[b][i] = plus[b][i] - minus[b][i];
        }
    expect_rows(from, k, DUALPROP_S_PLUS, plus, "s+");
    expect_rows(from, k, DUALPROP_S_MINUS, minus, "s-");
    expect_rows(from, k, DUALPROP_S_MEAN, mean, "sbar");
    expect_rows(from, k, DUALPROP_S_DELTA, delta, "delta");
}

static void top_down(rows down, model *from)
{
    double weights[HIDDEN * OUTPUTS];
    rows delta;
    dualprop_view view = matrix_view(weights, DUALPROP_F64, HIDDEN, OUTPUTS);
    expect_ok(dualprop_network_read(&view, from->network, "layer2.weight"));
    read_rows(delta, from, 2, DUALPROP_S_DELTA);
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < HIDDEN; i++) {
            down[b][i] = 0;
            for (int j = 0; j < OUTPUTS; j++) down[b][i] += weights[i * OUTPUTS + j] * delta[b][j];
        }
}

static void nudge(rows down, model *from, rows a)
{
    for (int b = 0; b < BATCH; b++)
        for (int j = 0; j < OUTPUTS; j++) down[b][j] = -BETA * (a[b][j] - from->y[b * OUTPUTS + j]);
}

/* Visit the output and the hidden layer twice, and compare each time. */
static void follow(model *with, const neurons own[3])
{
    rows a, down, plus[3], minus[3];
    expect_ok(begin(with));
    for (int k = 1; k <= 2; k++) { /* all start at f(a) */
        read_rows(plus[k], with, k, DUALPROP_S_PLUS);
        read_rows(minus[k], with, k, DUALPROP_S_MINUS);
    }
    for (int round = 0; round < 2; round++) {
        expect_ok(dualprop_infer_layer(with->state, 2));
        read_rows(a, with, 2, DUALPROP_S_BOTTOM_UP);
        nudge(down, with, a);
        visit(plus[2], minus[2], 2, a, down, &own[2]);
        expect_dyads(with, 2, plus[2], minus[2], &own[2]);
        top_down(down, with);
        expect_ok(dualprop_infer_layer(with->state, 1));
        read_rows(a, with, 1, DUALPROP_S_BOTTOM_UP);
        visit(plus[1], minus[1], 1, a, down, &own[1]);
        expect_dyads(with, 1, plus[1], minus[1], &own[1]);
    }
    expect_ok(dualprop_infer_end(with->state));
}

static const double alphas[MOST] = { 0, 1, 0.5, 0.125, 0.75 }, gains[MOST] = { 0.25, 0, 2, -0.5, 1 },
                    other_gains[MOST] = { 1, 0.5, 0, 0.25, 3 };

static const int VARIANTS[] = { DUALPROP_DP, DUALPROP_DP_ADJOINT };

START_TEST(alphas_and_gains_are_of_single_neurons)
{
    int variant = VARIANTS[_i / 2 % 2], activation = _i < 4 ? DUALPROP_TANH : OWN_TANH;
    model own = create_model(BACKENDS[_i % 2], variant, activation, NULL);
    neurons all[3] = { plain_neurons(variant), plain_neurons(variant), plain_neurons(variant) };
    follow(&own, all);
    for (int k = 1; k <= 2; k++) {
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_ALPHA, alphas, WIDTHS[k]));
        for (int64_t i = 0; i < WIDTHS[k]; i++) {
            all[k].alpha[i] = alphas[i];
            all[k].plus[i] = variant == DUALPROP_DP_ADJOINT ? 1 - alphas[i] : alphas[i];
            all[k].minus[i] = variant == DUALPROP_DP_ADJOINT ? alphas[i] : 1 - alphas[i];
        }
        follow(&own, all);
    }
    for (int k = 2; k >= 1; k--) {
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_GAIN_PLUS, gains, WIDTHS[k]));
        memcpy(all[k].plus, gains, sizeof gains);
        follow(&own, all);
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_GAIN_MINUS, other_gains, WIDTHS[k]));
        memcpy(all[k].minus, other_gains, sizeof other_gains);
        follow(&own, all);
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_ALPHA, NULL, 0));
        for (int i = 0; i < MOST; i++) all[k].alpha[i] = ALPHA;
        follow(&own, all);
    }
    for (int k = 1; k <= 2; k++) { /* all removed: as before */
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_GAIN_PLUS, NULL, 0));
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_GAIN_MINUS, NULL, 0));
        all[k] = plain_neurons(variant);
    }
    follow(&own, all);
    destroy_model(&own);
}
END_TEST

/* The gradient of dyads with alphas of their own: -1/(beta B) sum of delta sbar. */
START_TEST(the_gradient_is_of_their_dyads)
{
    model own = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, NULL);
    dualprop_optimizer *optimizer;
    double gradient[HIDDEN * OUTPUTS];
    rows mean, delta;
    dualprop_view view = matrix_view(gradient, DUALPROP_F64, HIDDEN, OUTPUTS);
    expect_ok(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, alphas, HIDDEN));
    expect_ok(dualprop_state_set_neurons(own.state, 2, DUALPROP_NEURON_GAIN_PLUS, gains, OUTPUTS));
    expect_ok(infer(&own));
    expect_ok(dualprop_optimizer_create(&optimizer, own.network, DUALPROP_SGD));
    expect_ok(dualprop_gradient(optimizer, own.state));
    expect_ok(dualprop_gradient_read(&view, optimizer, "layer2.weight"));
    read_rows(mean, &own, 1, DUALPROP_S_MEAN);
    read_rows(delta, &own, 2, DUALPROP_S_DELTA);
    for (int i = 0; i < HIDDEN; i++)
        for (int j = 0; j < OUTPUTS; j++) {
            double sum = 0;
            for (int b = 0; b < BATCH; b++) sum -= delta[b][j] * mean[b][i] / (BETA * BATCH);
            ck_assert_double_eq_tol(gradient[i * OUTPUTS + j], sum, 1e-14);
        }
    dualprop_optimizer_destroy(optimizer);
    destroy_model(&own);
}
END_TEST

START_TEST(who_does_not_listen_keeps_its_dyad)
{
    int variant = VARIANTS[_i / 2 % 2], activation = _i < 4 ? DUALPROP_TANH : OWN_TANH;
    model own = create_model(BACKENDS[_i % 2], variant, activation, NULL);
    neurons all[3] = { plain_neurons(variant), plain_neurons(variant), plain_neurons(variant) };
    const double half[MOST] = { 1, 0, 1, 0, 0 }, rest[MOST] = { 0, 1, 0, 1, 1 };
    rows a, down, plus, minus;
    for (int k = 1; k <= 2; k++) {
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_LISTENS, half, WIDTHS[k]));
        for (int i = 0; i < MOST; i++) all[k].listens[i] = half[i] != 0;
        follow(&own, all);
    }
    /* Two visits of one half each, in one inference. */
    expect_ok(dualprop_state_set_neurons(own.state, 2, DUALPROP_NEURON_LISTENS, NULL, 0));
    expect_ok(begin(&own));
    expect_ok(dualprop_infer_layer(own.state, 2));
    top_down(down, &own);
    read_rows(plus, &own, 1, DUALPROP_S_PLUS);
    read_rows(minus, &own, 1, DUALPROP_S_MINUS);
    read_rows(a, &own, 1, DUALPROP_S_BOTTOM_UP);
    for (int part = 0; part < 2; part++) {
        expect_ok(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_LISTENS, part ? rest : half, HIDDEN));
        expect_ok(dualprop_infer_layer(own.state, 1));
        for (int i = 0; i < MOST; i++) all[1].listens[i] = (part ? rest : half)[i] != 0;
        visit(plus, minus, 1, a, down, &all[1]);
        expect_dyads(&own, 1, plus, minus, &all[1]);
    }
    expect_error(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, alphas, HIDDEN),
                 DUALPROP_ERROR_INVALID_STATE, "an inference is open");
    expect_ok(dualprop_infer_end(own.state));
    destroy_model(&own);
}
END_TEST

/* Equal sizes are the rule's noise, to the bit; a size of 0 is none. */
START_TEST(noise_has_a_size_for_each_neuron)
{
    model own = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, NULL);
    model other = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, NULL);
    model silent = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, NULL);
    const double equal[MOST] = { 0.25, 0.25, 0.25, 0.25, 0.25 }, some[MOST] = { 0, 0.25, 0, 0.25, 0 };
    rows here, there;
    expect_ok(dualprop_rule_set_noise(other.rule, 0.25, 0, 0));
    expect_ok(dualprop_state_prepare(other.state));
    for (int k = 1; k <= 2; k++)
        expect_ok(dualprop_state_set_neurons(own.state, k, DUALPROP_NEURON_NOISE, equal, WIDTHS[k]));
    expect_ok(infer(&own));
    expect_ok(infer(&other));
    for (int k = 1; k <= 2; k++)
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
            read_rows(here, &own, k, which);
            read_rows(there, &other, k, which);
            for (int b = 0; b < BATCH; b++)
                for (int64_t i = 0; i < WIDTHS[k]; i++) ck_assert(here[b][i] == there[b][i]);
        }
    expect_ok(dualprop_state_set_neurons(own.state, 2, DUALPROP_NEURON_NOISE, NULL, 0));
    expect_ok(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_NOISE, some, HIDDEN));
    expect_ok(begin(&own));
    expect_ok(begin(&silent));
    for (int k = 2; k >= 1; k--) {
        expect_ok(dualprop_infer_layer(own.state, k));
        expect_ok(dualprop_infer_layer(silent.state, k));
    }
    read_rows(here, &own, 1, DUALPROP_S_PLUS);
    read_rows(there, &silent, 1, DUALPROP_S_PLUS);
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < HIDDEN; i++)
            if (some[i] > 0) ck_assert(here[b][i] != there[b][i]);
            else ck_assert_double_eq_tol(here[b][i], there[b][i], 1e-15);
    destroy_model(&silent);
    destroy_model(&other);
    destroy_model(&own);
}
END_TEST

/* ---- parts of a layer ---- */

START_TEST(parts_are_read_and_written)
{
    model own = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, NULL);
    double part[BATCH * 2];
    rows whole, after, expected;
    dualprop_view view = matrix_view(part, DUALPROP_F64, BATCH, 2);
    expect_ok(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, alphas, HIDDEN));
    expect_ok(begin(&own));
    for (int visited = 0; visited <= 1; visited++) { /* with a delta that is exactly zero, and with one that is not */
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_TOP_DOWN; which++) {
            read_rows(whole, &own, 1, which);
            for (int first = 0; first <= HIDDEN - 2; first++) {
                expect_ok(dualprop_state_read_part(&view, own.state, 1, which, first));
                for (int b = 0; b < BATCH; b++)
                    for (int i = 0; i < 2; i++) ck_assert(part[2 * b + i] == whole[b][first + i]);
            }
        }
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
            int kept = which == DUALPROP_S_PLUS    ? DUALPROP_S_MINUS
                       : which == DUALPROP_S_MINUS ? DUALPROP_S_PLUS
                       : which == DUALPROP_S_MEAN  ? DUALPROP_S_DELTA
                                                   : DUALPROP_S_MEAN;
            if (!visited && which > DUALPROP_S_PLUS) break;
            read_rows(whole, &own, 1, kept);
            read_rows(expected, &own, 1, which);
            for (int b = 0; b < BATCH; b++)
                for (int i = 0; i < 2; i++) expected[b][2 + i] = part[2 * b + i] = 0.1 * b - 0.3 * i + 0.05 * which;
            expect_ok(dualprop_state_write_part(own.state, 1, which, 2, &view));
            expect_rows(&own, 1, which, expected, "what was written");
            expect_rows(&own, 1, kept, whole, "what was to stay");
            for (int other = DUALPROP_S_PLUS; other <= DUALPROP_S_DELTA; other++) { /* the neurons beside */
                read_rows(after, &own, 1, other);
                ck_assert(isfinite(after[BATCH - 1][HIDDEN - 1]));
            }
        }
        expect_ok(dualprop_infer_layer(own.state, 2));
        expect_ok(dualprop_infer_layer(own.state, 1));
    }
    expect_error(dualprop_state_read_part(&view, own.state, 1, DUALPROP_S_PLUS, -1), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "first is -1; expected 0..4");
    expect_error(dualprop_state_read_part(&view, own.state, 1, DUALPROP_S_PLUS, INT64_MIN),
                 DUALPROP_ERROR_INVALID_ARGUMENT, "first");
    expect_error(dualprop_state_read_part(&view, own.state, 1, DUALPROP_S_PLUS, 4), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "[3, n] with n of 1..1");
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, 4, &view), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "[3, n] with n of 1..1");
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, HIDDEN, &view),
                 DUALPROP_ERROR_INVALID_ARGUMENT, "first is 5");
    part[3] = NAN;
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, 0, &view), DUALPROP_ERROR_NOT_FINITE,
                 "row 1");
    expect_ok(dualprop_infer_end(own.state));
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, 0, &view), DUALPROP_ERROR_INVALID_STATE,
                 "no inference is open");
    destroy_model(&own);
}
END_TEST

/* ---- what is refused ---- */

/* The next inference refuses what contradicts its rule, and goes on when the values are removed. */
static void expect_contradiction(model *with, int k, int which, const double *values, const char *sentence)
{
    expect_ok(dualprop_state_prepare(with->state));
    expect_ok(dualprop_state_set_neurons(with->state, k, which, values, WIDTHS[k]));
    expect_error(infer(with), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_ok(dualprop_state_set_neurons(with->state, k, which, NULL, 0));
    expect_ok(infer(with));
}

START_TEST(contradictions_are_sentences)
{
    const double ones[MOST] = { 1, 1, 1, 1, 1 }, zeros[MOST] = { 0 };
    model own = create_model(BACKENDS[_i], DUALPROP_DP, DUALPROP_RELU, NULL);
    expect_ok(dualprop_rule_set_variant(own.rule, DUALPROP_BP));
    for (int which = DUALPROP_NEURON_ALPHA; which <= DUALPROP_NEURON_LISTENS; which++)
        expect_contradiction(&own, 1, which, ones, "contradicts variant bp");
    expect_ok(dualprop_rule_set_variant(own.rule, DUALPROP_FENCHEL));
    expect_contradiction(&own, 2, DUALPROP_NEURON_ALPHA, ones, "contradicts variant fenchel, which fixes alpha");
    expect_ok(dualprop_rule_set_variant(own.rule, DUALPROP_DP));
    expect_ok(dualprop_rule_set_pool_switches(own.rule, DUALPROP_SWITCHES_ORIGINAL));
    expect_contradiction(&own, 1, DUALPROP_NEURON_ALPHA, ones, "contradicts pool_switches original");
    expect_ok(dualprop_rule_set_pool_switches(own.rule, DUALPROP_SWITCHES_BOTTOM_UP));
    expect_ok(dualprop_rule_set_alpha(own.rule, 0.5));
    expect_ok(dualprop_rule_set_output_step(own.rule, DUALPROP_OUTPUT_EXACT));
    expect_contradiction(&own, 2, DUALPROP_NEURON_GAIN_PLUS, ones,
                         "gain_plus of single outputs contradicts output_step");
    expect_contradiction(&own, 2, DUALPROP_NEURON_GAIN_MINUS, ones, "gain_minus of single outputs");
    expect_ok(dualprop_rule_set_beta(own.rule, 1));
    expect_contradiction(&own, 2, DUALPROP_NEURON_ALPHA, zeros, "has no solution");
    expect_ok(dualprop_rule_set_loss(own.rule, DUALPROP_CROSS_ENTROPY));
    for (int i = 0; i < BATCH * OUTPUTS; i++) own.y[i] = i % 2;
    expect_contradiction(&own, 2, DUALPROP_NEURON_ALPHA, ones, "with loss ce, which needs one alpha");
    expect_ok(dualprop_rule_set_loss(own.rule, DUALPROP_MSE));
    expect_ok(dualprop_rule_set_beta(own.rule, BETA));
    expect_ok(dualprop_rule_set_output_step(own.rule, DUALPROP_OUTPUT_LINEAR));
    expect_ok(dualprop_rule_set_variant(own.rule, DUALPROP_LPOM));
    expect_ok(dualprop_rule_set_fresh_minus(own.rule, 1));
    expect_contradiction(&own, 1, DUALPROP_NEURON_LISTENS, ones, "contradicts fresh_minus");
    destroy_model(&own);
}
END_TEST

START_TEST(what_has_no_neurons_of_its_own_is_refused)
{
    const double ones[MOST] = { 1, 1, 1, 1, 1 };
    model own = create_model(BACKENDS[_i], DUALPROP_DP, DUALPROP_SOFTMAX, NULL);
    dualprop_state *predicts;
    expect_error(dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, ones, HIDDEN),
                 DUALPROP_ERROR_UNSUPPORTED, "softmax");
    expect_ok(dualprop_state_create(&predicts, own.network, NULL, 1));
    expect_error(dualprop_state_set_neurons(predicts, 2, DUALPROP_NEURON_ALPHA, ones, OUTPUTS),
                 DUALPROP_ERROR_INVALID_STATE, "without a rule");
    dualprop_state_destroy(predicts);

    /* A neuron with values of its own leaves no one objective. */
    dualprop_diagnostics *diagnostics;
    model plain = create_model(BACKENDS[_i], DUALPROP_DP, DUALPROP_TANH, NULL);
    double values[3];
    expect_ok(dualprop_diagnostics_create(&diagnostics, plain.network, DUALPROP_MSE, BATCH));
    expect_ok(dualprop_state_set_neurons(plain.state, 1, DUALPROP_NEURON_GAIN_PLUS, ones, HIDDEN));
    expect_ok(infer(&plain));
    expect_error(dualprop_diagnostics_objective(&values[0], &values[1], &values[2], diagnostics, plain.state),
                 DUALPROP_ERROR_UNSUPPORTED, "no one objective");
    dualprop_diagnostics_destroy(diagnostics);
    destroy_model(&plain);
    destroy_model(&own);
}
END_TEST

/* Every allocation of a setting fails once: the state infers as before, and the setting then succeeds. */
START_TEST(out_of_memory_leaves_the_values_before)
{
    const double some[MOST] = { 0.25, 0.25 };
    failing_allocator allocator = { 0 };
    dualprop_allocator table = failing_allocator_table(&allocator);
    model own = create_model(BACKENDS[_i], DUALPROP_DP_ADJOINT, DUALPROP_TANH, &table);
    dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
    rows before, after;
    long failed = 0;
    expect_ok(infer(&own));
    read_rows(before, &own, 2, DUALPROP_S_PLUS);
    for (; status != DUALPROP_OK; failed++) {
        failing_allocator_arm(&allocator, failed + 1, 0);
        status = dualprop_state_set_neurons(own.state, 2, DUALPROP_NEURON_NOISE, some, OUTPUTS);
        failing_allocator_arm(&allocator, 0, 0);
        if (status == DUALPROP_OK) break;
        ck_assert_int_eq(status, DUALPROP_ERROR_NO_MEMORY);
        expect_ok(infer(&own));
        read_rows(after, &own, 2, DUALPROP_S_PLUS);
        for (int b = 0; b < BATCH; b++)
            for (int j = 0; j < OUTPUTS; j++) ck_assert(before[b][j] == after[b][j]);
        if (failed >= 5) ck_assert_msg(failed < 20, "it never succeeds");
    }
    ck_assert_int_gt(failed, 0);
    expect_ok(infer(&own));
    read_rows(after, &own, 2, DUALPROP_S_PLUS);
    ck_assert(before[0][0] != after[0][0]);
    destroy_model(&own);
    ck_assert_int_eq(atomic_load(&allocator.live_bytes), 0);
    ck_assert_int_eq(atomic_load(&allocator.misuse), 0);
}
END_TEST

Suite *test_neurons_suite(void)
{
    Suite *suite = suite_create("neurons");
    TCase *tcase = tcase_create("both backends");
    tcase_add_loop_test(tcase, alphas_and_gains_are_of_single_neurons, 0, 8);
    tcase_add_loop_test(tcase, the_gradient_is_of_their_dyads, 0, 2);
    tcase_add_loop_test(tcase, who_does_not_listen_keeps_its_dyad, 0, 8);
    tcase_add_loop_test(tcase, noise_has_a_size_for_each_neuron, 0, 2);
    tcase_add_loop_test(tcase, parts_are_read_and_written, 0, 2);
    tcase_add_loop_test(tcase, contradictions_are_sentences, 0, 2);
    tcase_add_loop_test(tcase, what_has_no_neurons_of_its_own_is_refused, 0, 2);
    tcase_add_loop_test(tcase, out_of_memory_leaves_the_values_before, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
