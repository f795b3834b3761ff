/*
 * test_shares.c - a sample's dyads do not depend on the batch that it is in: sbar and delta of all layers have the same
 * bits whether a batch is inferred at once or in shares.
 *
 * Groups of processes rest on it, and so does anybody who compares a sample with itself. It holds on every backend and
 * level, in both types, for every kind of layer and rule: sums run over a layer's inputs, outputs, taps or channels in
 * an order that the layer's shape alone decides.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/dualprop.h>

#include "main.h"
#include "support/expect.h"

Suite *test_shares_suite(void);

enum { BATCH = 37, CLASSES = 11, LAYERS_MOST = 5, CUTS = 5, CUT_MOST = 6 };

/* ---- the networks ---- */

static void add_convolution(dualprop_network *network, int64_t channels, int64_t side, int64_t stride, int activation)
{
    int64_t kernel[2] = { side, side }, strides[2] = { stride, stride };
    expect_ok(dualprop_network_add_convolution(network, channels, kernel, strides, NULL, activation));
}

static void add_pooling(dualprop_network *network, int kind, int64_t window, int64_t stride)
{
    int64_t size[2] = { window, window }, strides[2] = { stride, stride };
    expect_ok(dualprop_network_add_pooling(network, kind, size, strides));
}

static void add_local(dualprop_network *network, int64_t channels, int64_t side, int activation)
{
    int64_t kernel[2] = { side, side };
    expect_ok(dualprop_network_add_local(network, channels, kernel, NULL, NULL, activation));
}

/* Wide layers that no panel divides; sums of several parts. LeCun's variant is refused on softmax. */
static void add_dense_layers(dualprop_network *network)
{
    expect_ok(dualprop_network_add_dense(network, 133, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 70, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 515, DUALPROP_SILU));
    expect_ok(dualprop_network_add_dense(network, 19, DUALPROP_SOFTMAX));
}

/* A layer whose products are large for one sample too, so that few samples go through it in a way of their own. */
static void add_wide_layers(dualprop_network *network)
{
    expect_ok(dualprop_network_add_dense(network, 513, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 13, DUALPROP_IDENTITY));
}

static void add_tiny_layers(dualprop_network *network)
{
    expect_ok(dualprop_network_add_dense(network, 16, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 32, DUALPROP_SIGMOID));
    expect_ok(dualprop_network_add_dense(network, 8, DUALPROP_LEAKY_RELU));
}

/* im2col, Winograd, a stride, both kinds of pooling. */
static void add_image_layers(dualprop_network *network)
{
    add_convolution(network, 24, 3, 1, DUALPROP_RELU);
    add_convolution(network, 40, 3, 1, DUALPROP_SOFTPLUS);
    add_pooling(network, DUALPROP_POOL_MAX, 2, 2);
    add_convolution(network, 32, 5, 2, DUALPROP_ELU);
    add_pooling(network, DUALPROP_POOL_AVERAGE, 2, 2);
}

/* Windows that overlap, a layer without shared weights. */
static void add_local_layers(dualprop_network *network)
{
    add_convolution(network, 40, 3, 1, DUALPROP_RELU);
    add_pooling(network, DUALPROP_POOL_MAX, 3, 2);
    add_local(network, 17, 3, DUALPROP_HARD_SIGMOID);
}

/* Winograd on whole layers, down to images of 2x2. */
static void add_small_image_layers(dualprop_network *network)
{
    add_convolution(network, 48, 3, 1, DUALPROP_RELU);
    add_convolution(network, 36, 3, 1, DUALPROP_RELU);
    add_pooling(network, DUALPROP_POOL_MAX, 2, 2);
    add_convolution(network, 16, 3, 1, DUALPROP_RELU);
}

static const struct {
    const char *name;
    int64_t height, width, channels;
    void (*add)(dualprop_network *network);
} networks[] = {
    { "dense", 1, 1, 301, add_dense_layers },
    { "tiny", 1, 1, 20, add_tiny_layers },
    { "images", 10, 8, 3, add_image_layers },
    { "local", 9, 11, 5, add_local_layers },
    { "small images", 4, 4, 16, add_small_image_layers },
    { "wide", 1, 1, 513, add_wide_layers },
};
#define NETWORKS ((int)(sizeof networks / sizeof networks[0]))

/* ---- the rules: all that draw nothing at random ---- */

static const struct {
    const char *name;
    int variant, schedule, passes;
    double alpha; /* < 0: the variant's own */
} rules[] = {
    { "bp", DUALPROP_BP, DUALPROP_FORWARD_BACKWARD, 1, -1 },
    { "dp", DUALPROP_DP, DUALPROP_FORWARD_BACKWARD, 3, 0.4 },
    { "dp-adjoint", DUALPROP_DP_ADJOINT, DUALPROP_FORWARD_BACKWARD, 3, 0.4 },
    { "dp-adjoint, jacobi", DUALPROP_DP_ADJOINT, DUALPROP_JACOBI, 4, 0.5 },
    { "fenchel", DUALPROP_FENCHEL, DUALPROP_FORWARD_BACKWARD, 1, -1 },
    { "lecun", DUALPROP_LECUN, DUALPROP_FORWARD_BACKWARD, 1, -1 },
};
#define RULES ((int)(sizeof rules / sizeof rules[0]))

/* ---- where it runs ---- */

static const struct {
    const char *name;
    int backend, level, precision;
} places[] = {
    { "reference f32", DUALPROP_BACKEND_REFERENCE, DUALPROP_LEVEL_AUTO, DUALPROP_F32 },
    { "reference f64", DUALPROP_BACKEND_REFERENCE, DUALPROP_LEVEL_AUTO, DUALPROP_F64 },
    { "blis baseline f32", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_BASELINE, DUALPROP_F32 },
    { "blis baseline f64", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_BASELINE, DUALPROP_F64 },
    { "blis AVX2 f32", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX2, DUALPROP_F32 },
    { "blis AVX2 f64", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX2, DUALPROP_F64 },
    { "blis AVX-512 f32", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX512, DUALPROP_F32 },
    { "blis AVX-512 f64", DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX512, DUALPROP_F64 },
};
#define PLACES ((int)(sizeof places / sizeof places[0]))

/* ---- one subject ---- */

static const int cuts[CUTS][CUT_MOST] = {
    { 0, 37 }, { 0, 18, 37 }, { 0, 1, 2, 20, 36, 37 }, { 0, 9, 18, 27, 37 }, { 0, 8, 33, 37 },
};

struct subject {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    int64_t inputs;
    double *x;
    int32_t labels[BATCH];
};

/* sbar and delta of each layer, (BATCH, outputs). */
struct dyads {
    double *reals[LAYERS_MOST + 1][2];
};

static int create_network(struct subject *subject, int place, int network)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = places[place].precision;
    options.level = places[place].level;
    options.threads = 2;
    dualprop_status status = dualprop_context_create(&subject->context, places[place].backend, &options);
    if (status == DUALPROP_ERROR_NO_BACKEND) return 0;
    expect_ok(status);
    subject->inputs = networks[network].height * networks[network].width * networks[network].channels;
    expect_ok(dualprop_network_create(&subject->network, subject->context, networks[network].height,
                                      networks[network].width, networks[network].channels));
    networks[network].add(subject->network);
    expect_ok(dualprop_network_add_dense(subject->network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_initializer(subject->network, DUALPROP_INIT_HE, 1));
    expect_ok(dualprop_network_initialize(subject->network, 3));
    subject->x = malloc((size_t)(BATCH * subject->inputs) * sizeof(double));
    ck_assert_ptr_nonnull(subject->x);
    uint32_t random = 5;
    for (int64_t i = 0; i < BATCH * subject->inputs; i++) {
        random = random * 1664525u + 1013904223u;
        subject->x[i] = (double)(random >> 8) / 16777216.0 - 0.4;
    }
    for (int i = 0; i < BATCH; i++) subject->labels[i] = i * 5 % CLASSES;
    return 1;
}

static void create_rule(struct subject *subject, int rule)
{
    expect_ok(dualprop_rule_create(&subject->rule, subject->context, rules[rule].variant));
    if (rules[rule].alpha >= 0) {
        expect_ok(dualprop_rule_set_alpha(subject->rule, rules[rule].alpha));
        expect_ok(dualprop_rule_set_schedule(subject->rule, rules[rule].schedule, rules[rule].passes));
    }
    expect_ok(dualprop_state_create(&subject->state, subject->network, subject->rule, BATCH));
}

static void read_dyads(struct dyads *to, struct subject *subject, int64_t first, int64_t count)
{
    int layers;
    expect_ok(dualprop_network_info(&layers, NULL, NULL, NULL, subject->network));
    ck_assert_int_le(layers, LAYERS_MOST);
    for (int k = 1; k <= layers; k++)
        for (int which = 0; which < 2; which++) {
            dualprop_layer *layer;
            int64_t outputs;
            expect_ok(dualprop_network_layer(&layer, subject->network, k));
            expect_ok(dualprop_layer_info(NULL, &outputs, NULL, layer));
            if (!to->reals[k][which]) to->reals[k][which] = calloc((size_t)(BATCH * outputs), sizeof(double));
            dualprop_view view = matrix_view(to->reals[k][which] + first * outputs, DUALPROP_F64, count, outputs);
            expect_ok(dualprop_state_read(&view, subject->state, k, which ? DUALPROP_S_DELTA : DUALPROP_S_MEAN));
        }
}

static struct dyads infer_in_shares(struct subject *subject, const int *cut)
{
    struct dyads dyads;
    memset(&dyads, 0, sizeof dyads);
    for (int i = 0; cut[i] < BATCH; i++) {
        int64_t first = cut[i], count = cut[i + 1] - first;
        dualprop_view x = matrix_view(subject->x + first * subject->inputs, DUALPROP_F64, count, subject->inputs);
        dualprop_view labels = vector_view(subject->labels + first, DUALPROP_I32, count);
        expect_ok(dualprop_infer_view(subject->state, &x, &labels));
        read_dyads(&dyads, subject, first, count);
    }
    return dyads;
}

static void free_dyads(struct dyads *dyads)
{
    for (int k = 1; k <= LAYERS_MOST; k++)
        for (int which = 0; which < 2; which++) free(dyads->reals[k][which]);
}

static void compare_shares(struct subject *subject, const char *place, const char *network, const char *rule)
{
    struct dyads whole = infer_in_shares(subject, cuts[0]);
    for (int cut = 1; cut < CUTS; cut++) {
        struct dyads shares = infer_in_shares(subject, cuts[cut]);
        for (int k = 1; k <= LAYERS_MOST && whole.reals[k][0]; k++)
            for (int which = 0; which < 2; which++) {
                dualprop_layer *layer;
                int64_t outputs;
                expect_ok(dualprop_network_layer(&layer, subject->network, k));
                expect_ok(dualprop_layer_info(NULL, &outputs, NULL, layer));
                if (memcmp(whole.reals[k][which], shares.reals[k][which], (size_t)(BATCH * outputs) * sizeof(double)))
                    ck_abort_msg("%s, %s, %s, shares %d: %s of layer %d depends on the batch", place, network, rule,
                                 cut, which ? "delta" : "sbar", k);
            }
        free_dyads(&shares);
    }
    free_dyads(&whole);
}

/* Test number = place * NETWORKS + network. */
START_TEST(dyads_do_not_depend_on_the_batch)
{
    int place = _i / NETWORKS, network = _i % NETWORKS;
    struct subject subject;
    memset(&subject, 0, sizeof subject);
    if (!create_network(&subject, place, network)) {
        test_skip(places[place].name);
        return;
    }
    for (int rule = 0; rule < RULES; rule++) {
        if (networks[network].add == add_dense_layers && rules[rule].variant == DUALPROP_LECUN) continue;
        create_rule(&subject, rule);
        compare_shares(&subject, places[place].name, networks[network].name, rules[rule].name);
        dualprop_state_destroy(subject.state);
        dualprop_rule_destroy(subject.rule);
    }
    free(subject.x);
    dualprop_network_destroy(subject.network);
    dualprop_context_destroy(subject.context);
}
END_TEST

Suite *test_shares_suite(void)
{
    Suite *suite = suite_create("shares");
    TCase *shares_case = tcase_create("shares of a batch");
    tcase_add_loop_test(shares_case, dyads_do_not_depend_on_the_batch, 0, PLACES * NETWORKS);
    suite_add_tcase(suite, shares_case);
    return suite;
}
