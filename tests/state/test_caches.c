/*
 * test_caches.c - what a state derives from weights is never that of other weights, in whatever way they changed.
 *
 * One state lives through all changes; after each its inference has to give the bits of a state made that moment. The
 * network has every kind of cached form: transformed filters for both directions, weights transposed for im2col, none.
 */
#include <check.h>
#include <string.h>

#include "support/backends.h"
#include "support/expect.h"
#include "main.h"

#define SIDE 16
#define CHANNELS 16
#define LAYERS 5
#define BATCH 2
#define CLASSES 4
#define INPUTS (SIDE * SIDE * CHANNELS)
#define MOST (BATCH * INPUTS)

struct life {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float x[MOST];
    int32_t labels[BATCH];
};

static dualprop_network *create_network(dualprop_context *context, int feedback, uint64_t seed)
{
    static const int64_t two[2] = { 2, 2 }, three[2] = { 3, 3 }, five[2] = { 5, 5 }, none[2] = { 0, 0 };
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, SIDE, SIDE, CHANNELS));
    expect_ok(dualprop_network_add_convolution(network, CHANNELS, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_convolution(network, CHANNELS, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    expect_ok(dualprop_network_add_convolution(network, 7, five, two, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_local(network, 6, two, NULL, none, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, seed));
    if (feedback) expect_ok(dualprop_network_set_feedback(network, feedback, seed + 1));
    return network;
}

static void begin(struct life *life, int backend, int feedback, int optimizer)
{
    expect_ok(dualprop_context_create(&life->context, BACKENDS[backend], NULL));
    life->network = create_network(life->context, feedback, 1);
    expect_ok(dualprop_rule_create(&life->rule, life->context, DUALPROP_DP_ADJOINT));
    /* W_0^T carries something too where the input is a dyad. */
    expect_ok(dualprop_rule_set_input_robustness(life->rule, 0.1));
    expect_ok(dualprop_rule_set_feedback(life->rule, feedback));
    expect_ok(dualprop_state_create(&life->state, life->network, life->rule, BATCH));
    expect_ok(dualprop_optimizer_create(&life->optimizer, life->network, optimizer));
    for (int i = 0; i < MOST; i++) life->x[i] = (float)(i * 7919 % 1009) / 504 - 1;
    for (int i = 0; i < BATCH; i++) life->labels[i] = i + 1;
}

static void end(struct life *life)
{
    dualprop_optimizer_destroy(life->optimizer);
    dualprop_state_destroy(life->state);
    dualprop_rule_destroy(life->rule);
    dualprop_network_destroy(life->network);
    dualprop_context_destroy(life->context);
}

static void infer(struct life *life, dualprop_state *state)
{
    expect_ok(dualprop_infer(state, life->x, life->labels, BATCH));
}

static int64_t read(float *reals, dualprop_state *state, dualprop_network *network, int k, int which)
{
    int64_t width = INPUTS;
    dualprop_layer *layer;
    if (k > 0) {
        expect_ok(dualprop_network_layer(&layer, network, k));
        expect_ok(dualprop_layer_info(NULL, &width, NULL, layer));
    }
    dualprop_view view = matrix_view(reals, DUALPROP_F32, BATCH, width);
    expect_ok(dualprop_state_read(&view, state, k, which));
    return BATCH * width;
}

/* The inferences' numbers decide what is drawn, so both states begin the one of the same number. */
static void expect_fresh(struct life *life, const char *after)
{
    static float old[MOST], new[MOST];
    dualprop_state *fresh;
    uint64_t position;
    expect_ok(dualprop_state_create(&fresh, life->network, life->rule, BATCH));
    expect_ok(dualprop_state_inference_count(&position, life->state));
    expect_ok(dualprop_state_set_inference_count(fresh, position));
    infer(life, life->state);
    infer(life, fresh);
    for (int k = 0; k <= LAYERS; k++)
        for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_MINUS; which++) {
            int64_t count = read(old, life->state, life->network, k, which);
            read(new, fresh, life->network, k, which);
            ck_assert_msg(!memcmp(old, new, (size_t)count * sizeof *old),
                          "layer %d is not what it ought to be after %s", k, after);
        }
    float scores[2][BATCH * CLASSES];
    expect_ok(dualprop_predict(scores[0], life->state, life->x, BATCH));
    expect_ok(dualprop_predict(scores[1], fresh, life->x, BATCH));
    ck_assert_msg(!memcmp(scores[0], scores[1], sizeof scores[0]), "predictions are not what they ought to be after %s",
                  after);
    dualprop_state_destroy(fresh);
}

/* ---- changes ---- */

/* Double a layer's weights, or its feedback weights. */
static void rewrite(struct life *life, int k, int is_feedback)
{
    static float reals[MOST];
    char name[32];
    dualprop_view view = { .struct_size = sizeof view, .data = reals, .type = DUALPROP_F32 };
    expect_ok(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, life->network, 2 * (k - 1)));
    int64_t count = 1;
    for (int axis = view.rank - 1; axis >= 0; axis--) {
        view.strides[axis] = count;
        count *= view.shape[axis];
    }
    ck_assert_int_le(count, MOST);
    if (is_feedback) expect_ok(dualprop_network_read_feedback(&view, life->network, k));
    else expect_ok(dualprop_network_read(&view, life->network, name));
    for (int64_t i = 0; i < count; i++) reals[i] *= 2;
    if (is_feedback) expect_ok(dualprop_network_write_feedback(life->network, k, &view));
    else expect_ok(dualprop_network_write(life->network, name, &view));
}

static void copy(struct life *life, int feedback)
{
    dualprop_network *other = create_network(life->context, feedback, 5);
    expect_ok(dualprop_network_copy(life->network, other));
    dualprop_network_destroy(other);
}

/* From another inference's dyads, so that a failed check of the last one does not matter. */
static void learn(struct life *life, const char *how)
{
    infer(life, life->state);
    if (strcmp(how, "dualprop_update()") == 0) {
        expect_ok(dualprop_update(life->optimizer, life->state));
    } else {
        expect_ok(dualprop_gradient(life->optimizer, life->state));
        expect_ok(dualprop_step(life->optimizer));
    }
    expect_fresh(life, how);
}

/* A step between two passes: the pass after it has to see the new weights. */
static void learn_while_settling(struct life *life)
{
    static float old[MOST], new[MOST];
    float targets[BATCH * CLASSES] = { 0, 1, 0, 0, 0, 0, 1, 0 };
    dualprop_view x = matrix_view(life->x, DUALPROP_F32, BATCH, INPUTS);
    dualprop_view y = matrix_view(targets, DUALPROP_F32, BATCH, CLASSES);
    expect_ok(dualprop_infer_begin(life->state, &x, &y));
    expect_ok(dualprop_infer_pass(life->state));
    int64_t count = read(old, life->state, life->network, 1, DUALPROP_S_TOP_DOWN);
    expect_ok(dualprop_infer_update(life->optimizer, life->state));
    expect_ok(dualprop_infer_pass(life->state));
    read(new, life->state, life->network, 1, DUALPROP_S_TOP_DOWN);
    ck_assert(memcmp(old, new, (size_t)count * sizeof *old) != 0);
    expect_ok(dualprop_infer_end(life->state));
    expect_fresh(life, "dualprop_infer_update()");
}

static void live(struct life *life, int feedback)
{
    expect_fresh(life, "its creation");
    for (int k = 1; k <= LAYERS; k++) {
        rewrite(life, k, 0);
        expect_fresh(life, "dualprop_network_write()");
        if (!feedback) continue;
        rewrite(life, k, 1);
        expect_fresh(life, "dualprop_network_write_feedback()");
    }
    copy(life, feedback);
    expect_fresh(life, "dualprop_network_copy()");
    expect_ok(dualprop_network_initialize(life->network, 9));
    expect_fresh(life, "dualprop_network_initialize()");
    learn(life, "dualprop_update()");
    learn(life, "dualprop_step()");
    learn_while_settling(life);
    dualprop_state *state;
    double norm;
    dualprop_diagnostics *diagnostics;
    expect_ok(dualprop_diagnostics_create(&diagnostics, life->network, DUALPROP_MSE, BATCH));
    expect_ok(dualprop_diagnostics_spectral_norm(&norm, diagnostics, 1, 5));
    dualprop_diagnostics_destroy(diagnostics);
    expect_ok(dualprop_state_create(&state, life->network, NULL, BATCH));
    dualprop_state_destroy(state);
    expect_fresh(life, "diagnostics and another state");
}

START_TEST(a_state_follows_its_weights)
{
    static const int optimizers[] = { DUALPROP_SGD, DUALPROP_ADAM };
    for (int i = 0; i < 2; i++) {
        static struct life life;
        begin(&life, _i, DUALPROP_FEEDBACK_SYMMETRIC, optimizers[i]);
        live(&life, DUALPROP_FEEDBACK_SYMMETRIC);
        end(&life);
    }
}
END_TEST

/* Feedback weights take the place of the weights in one direction, with forms of their own. */
START_TEST(and_its_feedback_weights)
{
    for (int feedback = DUALPROP_FEEDBACK_KOLEN_POLLACK; feedback <= DUALPROP_FEEDBACK_SIGN; feedback++) {
        static struct life life;
        begin(&life, _i, feedback, DUALPROP_SGD);
        expect_ok(dualprop_optimizer_set_weight_decay(life.optimizer, 0.01));
        live(&life, feedback);
        end(&life);
    }
}
END_TEST

/* Weights with noise are drawn again for each inference, into the same memory; predictions read the weights. */
START_TEST(and_what_noise_makes_of_them)
{
    static float first[MOST], second[MOST];
    static struct life life;
    begin(&life, _i, DUALPROP_FEEDBACK_SYMMETRIC, DUALPROP_SGD);
    expect_ok(dualprop_rule_set_noise(life.rule, 0, 0, 0.05));
    expect_ok(dualprop_state_prepare(life.state));
    infer(&life, life.state);
    int64_t count = read(first, life.state, life.network, 1, DUALPROP_S_TOP_DOWN);
    expect_fresh(&life, "noise was drawn again");
    infer(&life, life.state);
    read(second, life.state, life.network, 1, DUALPROP_S_TOP_DOWN);
    ck_assert(memcmp(first, second, (size_t)count * sizeof *first) != 0);
    live(&life, DUALPROP_FEEDBACK_SYMMETRIC);
    expect_ok(dualprop_rule_set_noise(life.rule, 0, 0, 0));
    expect_ok(dualprop_state_prepare(life.state));
    expect_fresh(&life, "noise was taken away");
    end(&life);
}
END_TEST

Suite *test_caches_suite(void)
{
    Suite *suite = suite_create("caches");
    TCase *tests = tcase_create("caches");
    tcase_add_loop_test(tests, a_state_follows_its_weights, 0, 2);
    tcase_add_loop_test(tests, and_its_feedback_weights, 0, 2);
    tcase_add_loop_test(tests, and_what_noise_makes_of_them, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
