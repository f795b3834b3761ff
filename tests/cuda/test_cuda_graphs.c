/*
 * test_cuda_graphs.c - how much a training step asks of a device: the nodes of its graph, and what the host waits for.
 *
 * Counted on the stand-ins, which do none of the work: the sizes are those that count.
 */
#include "cuda_test.h"
#include "support/expect.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 100 /* VGG16's images at 32 x 32 give sums of many rows, which take more launches than short ones */

struct network {
    const char *name;
    int64_t side, channels;
    const int *layers; /* outputs of 3 x 3 convolutions, 0 for pooling, -outputs of dense layers; ends with -1 */
    int loss, optimizer, numerics;
    long most_nodes, uploads; /* of samples with targets, and of the optimizer's numbers; a megabyte at once */
};

static const int vgg16[] = { 64,  64,  0, 128, 128, 0,   256, 256,   256,   0,   512,
                             512, 512, 0, 512, 512, 512, 0,   -4096, -4096, -10, -1 };
static const int mlp[] = { -512, -512, -10, -1 };

static const struct network networks[] = {
    { "mlp", 28, 1, mlp, DUALPROP_MSE, DUALPROP_ADAM, DUALPROP_NUMERICS_STRICT, 12, 2 },
    { "vgg16", 32, 3, vgg16, DUALPROP_CROSS_ENTROPY, DUALPROP_SGD, DUALPROP_NUMERICS_STRICT, 89, 3 },
    { "vgg16", 32, 3, vgg16, DUALPROP_CROSS_ENTROPY, DUALPROP_SGD, DUALPROP_NUMERICS_TF32, 84, 3 },
    { "vgg16", 32, 3, vgg16, DUALPROP_CROSS_ENTROPY, DUALPROP_SGD, DUALPROP_NUMERICS_BF16, 85, 3 },
};

struct run {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    float *images;
    int32_t labels[BATCH];
};

static void add_layers(dualprop_network *network, const int *layers)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 };
    for (; *layers != -1; layers++) {
        int is_last = layers[1] == -1;
        if (*layers > 0)
            expect_ok(dualprop_network_add_convolution(network, *layers, three, NULL, NULL, DUALPROP_RELU));
        else if (*layers == 0) expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
        else expect_ok(dualprop_network_add_dense(network, -*layers, is_last ? DUALPROP_IDENTITY : DUALPROP_RELU));
    }
}

static void begin(struct run *run, const struct network *of)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    int64_t size = BATCH * of->side * of->side * of->channels;
    options.numerics = of->numerics;
    expect_ok(dualprop_context_create(&run->context, DUALPROP_BACKEND_CUDA, &options));
    expect_ok(dualprop_network_create(&run->network, run->context, of->side, of->side, of->channels));
    add_layers(run->network, of->layers);
    expect_ok(dualprop_network_set_initializer(run->network, DUALPROP_INIT_HE, 1.0));
    expect_ok(dualprop_network_initialize(run->network, 1));
    expect_ok(dualprop_rule_create(&run->rule, run->context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_loss(run->rule, of->loss));
    expect_ok(dualprop_rule_set_beta(run->rule, 0.1));
    expect_ok(dualprop_rule_set_schedule(run->rule, DUALPROP_FORWARD_BACKWARD, 1));
    expect_ok(dualprop_state_create(&run->state, run->network, run->rule, BATCH));
    expect_ok(dualprop_optimizer_create(&run->optimizer, run->network, of->optimizer));
    expect_ok(dualprop_optimizer_set_learning_rate(run->optimizer, 1e-5));
    run->images = malloc((size_t)size * sizeof *run->images);
    ck_assert_ptr_nonnull(run->images);
    for (int64_t i = 0; i < size; i++) run->images[i] = (float)(i * 7919 % 251) / 251;
    for (int i = 0; i < BATCH; i++) run->labels[i] = i % 10;
}

static void end(struct run *run)
{
    dualprop_optimizer_destroy(run->optimizer);
    dualprop_state_destroy(run->state);
    dualprop_rule_destroy(run->rule);
    dualprop_network_destroy(run->network);
    dualprop_context_destroy(run->context);
    free(run->images);
}

/* The second step is captured, the third is a launch; the host waits for no stream and no event. */
START_TEST(a_step_has_few_nodes)
{
    const struct network *of = &networks[_i];
    struct run run = { 0 };
    standin_state *standin = cuda_standin();
    if (cuda_needs_standin("counting nodes")) return;
    standin->no_real = standin->idle = 1;
    begin(&run, of);
    for (int step = 0; step < 2; step++)
        expect_ok(dualprop_learn(run.optimizer, run.state, run.images, run.labels, BATCH));
    standin_state before = *standin;
    expect_ok(dualprop_learn(run.optimizer, run.state, run.images, run.labels, BATCH));
    ck_assert_int_eq(standin->graph_launches - before.graph_launches, 1);
    ck_assert_int_eq(standin->captures - before.captures, 0);
    ck_assert_int_eq(standin->synchronizations - before.synchronizations, 0);
    ck_assert_int_eq(standin->uploads - before.uploads, of->uploads);
    ck_assert_int_gt(standin->nodes, 0);
    if (getenv("DUALPROP_TEST_TELL")) fprintf(stderr, "%s %d: %ld nodes\n", of->name, of->numerics, standin->nodes);
    ck_assert_msg(standin->nodes <= of->most_nodes, "%s: the graph of a step has %ld nodes; expected at most %ld",
                  of->name, standin->nodes, of->most_nodes);
    end(&run);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_graphs_suite(void)
{
    Suite *suite = suite_create("cuda graphs");
    TCase *graphs = tcase_create("graphs");
    tcase_add_loop_test(graphs, a_step_has_few_nodes, 0, sizeof networks / sizeof networks[0]);
    suite_add_tcase(suite, graphs);
    return suite;
}
