/*
 * test_open.c - a network cut in two learns what it learns in one piece: sbar goes up and Delta goes down through open
 * ends, and all bits are those of one network; and inferences stay open while the network learns.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include <dualprop/dualprop.h>

#include "main.h"
#include "support/expect.h"
#include "support/randomness.h"

Suite *test_open_suite(void);

enum { BATCH = 9, SIDE = 8, INPUTS = SIDE * SIDE * 2, CLASSES = 5, LAYERS = 5, MOST = 4096, PASSES = 5, STEPS = 3 };

struct piece {
    dualprop_network *network;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int layers;
};

struct setting {
    int backend, type, is_image, rule;
};

static const struct setting SETTINGS[] = {
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, DUALPROP_DP_ADJOINT },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, DUALPROP_DP_ADJOINT },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F64, 0, DUALPROP_DP },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 1, DUALPROP_DP_ADJOINT },
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1, DUALPROP_DP },
};

/* ---- pieces of one network ---- */

/* Layer k of the whole, 1 .. LAYERS. */
static void add_layer(dualprop_network *network, int k, int is_image)
{
    const int64_t kernel[2] = { 3, 3 }, window[2] = { 2, 2 }, widths[LAYERS] = { 33, 40, 24, 37, CLASSES };
    int activation = k == LAYERS ? DUALPROP_IDENTITY : k % 2 ? DUALPROP_RELU : DUALPROP_TANH;
    if (is_image && k < 4) {
        expect_ok(dualprop_network_add_convolution(network, 5 + k, kernel, NULL, NULL, activation));
        if (k == 2) expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, window));
    } else {
        expect_ok(dualprop_network_add_dense(network, widths[k - 1], activation));
    }
}

static void copy_layer(dualprop_network *to, int to_index, const dualprop_network *from, int from_index)
{
    static const char *const arrays[] = { "weight", "bias" };
    static double reals[100000];
    for (int i = 0; i < 2; i++) {
        char name[32], other[32];
        dualprop_view view = { .struct_size = sizeof view, .data = reals, .type = DUALPROP_F64 };
        int64_t stride = 1;
        snprintf(other, sizeof other, "layer%d.%s", from_index, arrays[i]);
        for (int index = 0;; index++) {
            expect_ok(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, from, index));
            if (strcmp(name, other) == 0) break;
        }
        for (int axis = view.rank - 1; axis >= 0; stride *= view.shape[axis--]) view.strides[axis] = stride;
        ck_assert(stride <= 100000);
        expect_ok(dualprop_network_read(&view, from, other));
        snprintf(name, sizeof name, "layer%d.%s", to_index, arrays[i]);
        expect_ok(dualprop_network_write(to, name, &view));
    }
}

static dualprop_context *create_context(const struct setting *setting)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.precision = setting->type;
    expect_ok(dualprop_context_create(&context, setting->backend, &options));
    return context;
}

/* Layers low .. high of `whole`, or all of them newly drawn where it is NULL. */
static struct piece create_piece(dualprop_context *context, dualprop_rule *rule, const struct setting *setting, int low,
                                 int high, const dualprop_network *whole)
{
    struct piece piece = { .layers = high - low + 1 };
    int64_t shape[3] = { SIDE, SIDE, 2 };
    if (low > 1) {
        dualprop_layer *below;
        expect_ok(dualprop_network_layer(&below, (dualprop_network *)(uintptr_t)whole, low - 1));
        expect_ok(dualprop_layer_shape(NULL, shape, NULL, NULL, NULL, NULL, NULL, NULL, below));
    }
    expect_ok(dualprop_network_create(&piece.network, context, shape[0], shape[1], shape[2]));
    for (int k = low; k <= high; k++) add_layer(piece.network, k, setting->is_image);
    int ends = (low > 1 ? DUALPROP_OPEN_BOTTOM : 0) + (high < LAYERS ? DUALPROP_OPEN_TOP : 0);
    expect_ok(dualprop_network_set_open(piece.network, ends));
    if (!whole) expect_ok(dualprop_network_initialize(piece.network, 3));
    for (int k = low; whole && k <= high; k++) copy_layer(piece.network, k - low + 1, whole, k);
    expect_ok(dualprop_state_create(&piece.state, piece.network, rule, BATCH));
    expect_ok(dualprop_optimizer_create(&piece.optimizer, piece.network, DUALPROP_ADAM));
    return piece;
}

static void destroy_piece(struct piece *piece)
{
    dualprop_optimizer_destroy(piece->optimizer);
    dualprop_state_destroy(piece->state);
    dualprop_network_destroy(piece->network);
}

static void fill(double *inputs, int32_t *labels, int step)
{
    randomness random = random_start((uint64_t)(17 + step));
    for (int i = 0; i < BATCH * INPUTS; i++) inputs[i] = random_uniform(&random, -1, 1);
    for (int i = 0; i < BATCH; i++) labels[i] = (i + step) % CLASSES;
}

static int64_t outputs_of(const struct piece *piece)
{
    int64_t outputs;
    expect_ok(dualprop_network_info(NULL, NULL, NULL, &outputs, piece->network));
    return outputs;
}

/* ---- one step ---- */

static double up[BATCH * MOST], down[BATCH * MOST];

static void settle_cut(struct piece *lower, struct piece *upper, dualprop_view *inputs, dualprop_view *labels)
{
    int64_t width = outputs_of(lower);
    dualprop_view above = matrix_view(up, DUALPROP_F64, BATCH, width),
                  below = matrix_view(down, DUALPROP_F64, BATCH, width);
    ck_assert(width <= MOST);
    expect_ok(dualprop_infer_begin(lower->state, inputs, NULL));
    expect_ok(dualprop_state_read(&above, lower->state, lower->layers, DUALPROP_S_MEAN));
    expect_ok(dualprop_infer_begin(upper->state, &above, labels));
    for (int pass = 0; pass < PASSES; pass++) {
        expect_ok(dualprop_state_read(&above, lower->state, lower->layers, DUALPROP_S_MEAN));
        expect_ok(dualprop_state_read(&below, upper->state, 0, DUALPROP_S_TOP_DOWN));
        expect_ok(dualprop_state_write(upper->state, 0, DUALPROP_S_MEAN, &above));
        expect_ok(dualprop_state_write(lower->state, lower->layers, DUALPROP_S_TOP_DOWN, &below));
        expect_ok(dualprop_infer_pass(lower->state));
        expect_ok(dualprop_infer_pass(upper->state));
    }
    /* The gradient of the upper piece's first layer needs the last sbar below it. */
    expect_ok(dualprop_state_read(&above, lower->state, lower->layers, DUALPROP_S_MEAN));
    expect_ok(dualprop_state_write(upper->state, 0, DUALPROP_S_MEAN, &above));
    expect_ok(dualprop_infer_end(lower->state));
    expect_ok(dualprop_infer_end(upper->state));
}

static void compare_layer(const struct piece *whole, int k, const struct piece *piece, int index)
{
    static double one[BATCH * MOST], other[BATCH * MOST];
    dualprop_layer *layer;
    int64_t shape[3];
    expect_ok(dualprop_network_layer(&layer, whole->network, k));
    expect_ok(dualprop_layer_shape(NULL, shape, NULL, NULL, NULL, NULL, NULL, NULL, layer));
    int64_t width = shape[0] * shape[1] * shape[2];
    for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
        dualprop_view a = matrix_view(one, DUALPROP_F64, BATCH, width);
        dualprop_view b = matrix_view(other, DUALPROP_F64, BATCH, width);
        expect_ok(dualprop_state_read(&a, whole->state, k, which));
        expect_ok(dualprop_state_read(&b, piece->state, index, which));
        size_t bytes = sizeof(double) * (size_t)(BATCH * width);
        ck_assert_msg(memcmp(one, other, bytes) == 0, "layer %d, array %d", k, which);
    }
}

START_TEST(two_pieces_have_the_bits_of_the_whole)
{
    static double inputs[BATCH * INPUTS];
    const struct setting *setting = &SETTINGS[_i];
    dualprop_context *context = create_context(setting);
    dualprop_rule *rule;
    int32_t labels[BATCH];
    expect_ok(dualprop_rule_create(&rule, context, setting->rule));
    expect_ok(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, PASSES));
    for (int cut = 1; cut < LAYERS; cut++) {
        struct piece whole = create_piece(context, rule, setting, 1, LAYERS, NULL);
        struct piece lower = create_piece(context, rule, setting, 1, cut, whole.network);
        struct piece upper = create_piece(context, rule, setting, cut + 1, LAYERS, whole.network);
        for (int step = 0; step < STEPS; step++) {
            dualprop_view images = matrix_view(inputs, DUALPROP_F64, BATCH, INPUTS);
            dualprop_view targets = vector_view(labels, DUALPROP_I32, BATCH);
            fill(inputs, labels, step);
            expect_ok(dualprop_infer_view(whole.state, &images, &targets));
            settle_cut(&lower, &upper, &images, &targets);
            for (int k = 1; k <= LAYERS; k++)
                compare_layer(&whole, k, k <= cut ? &lower : &upper, k <= cut ? k : k - cut);
            expect_ok(dualprop_update(whole.optimizer, whole.state));
            expect_ok(dualprop_update(lower.optimizer, lower.state));
            expect_ok(dualprop_update(upper.optimizer, upper.state));
        }
        destroy_piece(&whole);
        destroy_piece(&lower);
        destroy_piece(&upper);
    }
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
END_TEST

/* An inference that was open while the weights changed goes on with those of now. */
START_TEST(inferences_stay_open_while_the_network_learns)
{
    static double inputs[2][BATCH * INPUTS], given[BATCH * MOST];
    const struct setting *setting = &SETTINGS[_i];
    dualprop_context *context = create_context(setting);
    dualprop_rule *rule;
    dualprop_state *later;
    int32_t labels[BATCH];
    expect_ok(dualprop_rule_create(&rule, context, setting->rule));
    struct piece whole = create_piece(context, rule, setting, 1, LAYERS, NULL);
    struct piece piece = create_piece(context, rule, setting, 1, 3, whole.network);
    struct piece fresh = { .layers = 3, .network = piece.network };
    dualprop_view images[2], delta = matrix_view(given, DUALPROP_F64, BATCH, outputs_of(&piece));
    for (int i = 0; i < 2; i++) {
        fill(inputs[i], labels, i);
        images[i] = matrix_view(inputs[i], DUALPROP_F64, BATCH, INPUTS);
    }
    for (int i = 0; i < BATCH * (int)outputs_of(&piece); i++) given[i] = 0.01 * (i % 7 - 3);
    expect_ok(dualprop_state_create(&later, piece.network, rule, BATCH));
    expect_ok(dualprop_state_create(&fresh.state, piece.network, rule, BATCH));
    expect_ok(dualprop_infer_begin(piece.state, &images[0], NULL));
    expect_ok(dualprop_infer_begin(later, &images[1], NULL)); /* two batches are in flight */
    expect_ok(dualprop_state_write(piece.state, 3, DUALPROP_S_TOP_DOWN, &delta));
    expect_ok(dualprop_infer_pass(piece.state));
    expect_ok(dualprop_infer_end(piece.state));
    expect_ok(dualprop_update(piece.optimizer, piece.state)); /* and the network learns from the first */
    expect_ok(dualprop_infer_begin(fresh.state, &images[1], NULL));
    dualprop_state *both[2] = { later, fresh.state };
    for (int i = 0; i < 2; i++) {
        for (int k = 1; k <= 3; k++) expect_ok(dualprop_infer_layer(both[i], k));
        expect_ok(dualprop_state_write(both[i], 3, DUALPROP_S_TOP_DOWN, &delta));
        for (int k = 3; k >= 1; k--) expect_ok(dualprop_infer_layer(both[i], k));
        expect_ok(dualprop_infer_end(both[i]));
    }
    struct piece late = { .layers = 3, .network = piece.network, .state = later };
    for (int k = 1; k <= 3; k++) compare_layer(&late, k, &fresh, k);
    dualprop_state_destroy(later);
    dualprop_state_destroy(fresh.state);
    destroy_piece(&piece);
    destroy_piece(&whole);
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(what_needs_the_other_side_is_refused)
{
    static double inputs[BATCH * INPUTS];
    int32_t labels[BATCH];
    int64_t correct;
    double loss;
    dualprop_context *context = create_context(&SETTINGS[0]);
    dualprop_rule *rule, *damped;
    dualprop_state *state;
    dualprop_diagnostics *diagnostics;
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_create(&damped, context, DUALPROP_DP_DAMPED));
    struct piece whole = create_piece(context, rule, &SETTINGS[0], 1, LAYERS, NULL);
    struct piece lower = create_piece(context, rule, &SETTINGS[0], 1, 2, whole.network);
    dualprop_view images = matrix_view(inputs, DUALPROP_F64, BATCH, INPUTS);
    dualprop_view targets = vector_view(labels, DUALPROP_I32, BATCH), rows = matrix_view(down, DUALPROP_F64, BATCH, 40);
    dualprop_view pixels = matrix_view(up, DUALPROP_F64, BATCH, INPUTS);
    fill(inputs, labels, 0);
    expect_error(dualprop_infer_begin(lower.state, &images, &targets), DUALPROP_ERROR_INVALID_ARGUMENT, "open top");
    expect_error(dualprop_infer_view(lower.state, &images, NULL), DUALPROP_ERROR_UNSUPPORTED, "by hand");
    expect_error(dualprop_learn(lower.optimizer, lower.state, inputs, labels, BATCH), DUALPROP_ERROR_UNSUPPORTED,
                 "by hand");
    expect_error(dualprop_evaluate(&loss, &correct, NULL, 1, lower.state, inputs, labels, BATCH),
                 DUALPROP_ERROR_UNSUPPORTED, "open top");
    expect_error(dualprop_diagnostics_create(&diagnostics, lower.network, DUALPROP_MSE, BATCH),
                 DUALPROP_ERROR_UNSUPPORTED, "open");
    expect_error(dualprop_state_create(&state, lower.network, damped, BATCH), DUALPROP_ERROR_UNSUPPORTED, "damped");
    expect_error(dualprop_network_set_open(lower.network, 0), DUALPROP_ERROR_INVALID_STATE, "already has a state");
    expect_ok(dualprop_infer_begin(lower.state, &images, NULL));
    expect_error(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, lower.state), DUALPROP_ERROR_INVALID_STATE,
                 "open top");
    expect_error(dualprop_infer_update(lower.optimizer, lower.state), DUALPROP_ERROR_UNSUPPORTED, "dualprop_update()");
    /* The bottom of this one is closed, and so is the top of the whole. */
    expect_error(dualprop_state_write(lower.state, 0, DUALPROP_S_MEAN, &pixels), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "index");
    expect_error(dualprop_state_read(&pixels, lower.state, 0, DUALPROP_S_TOP_DOWN), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "index");
    expect_error(dualprop_state_write(lower.state, 1, DUALPROP_S_TOP_DOWN, &rows), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "which");
    down[7] = 0.0 / 0.0;
    expect_error(dualprop_state_write(lower.state, 2, DUALPROP_S_TOP_DOWN, &rows), DUALPROP_ERROR_NOT_FINITE, "row 0");
    down[7] = 0;
    expect_ok(dualprop_infer_end(lower.state));
    expect_ok(dualprop_infer_begin(whole.state, &images, &targets));
    expect_error(dualprop_update(whole.optimizer, whole.state), DUALPROP_ERROR_INVALID_STATE, "inference is open");
    expect_ok(dualprop_infer_end(whole.state));
    destroy_piece(&lower);
    destroy_piece(&whole);
    dualprop_rule_destroy(damped);
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
END_TEST

Suite *test_open_suite(void)
{
    Suite *suite = suite_create("open");
    TCase *pieces = tcase_create("pieces");
    int count = (int)(sizeof SETTINGS / sizeof *SETTINGS);
    tcase_add_loop_test(pieces, two_pieces_have_the_bits_of_the_whole, 0, count);
    tcase_add_loop_test(pieces, inferences_stay_open_while_the_network_learns, 0, count);
    tcase_add_test(pieces, what_needs_the_other_side_is_refused);
    suite_add_tcase(suite, pieces);
    return suite;
}
