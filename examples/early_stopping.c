/*
 * early_stopping.c - classifies points of two moons, and uses what keeps a network from learning the noise: a
 * learning rate that falls, weight decay, clipping, and the weights that did best on samples held out.
 *
 * To compile: cc -O2 -o early_stopping early_stopping.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 400, HELD_OUT = 200, BATCH = 40, EPOCHS = 200, PATIENCE = 20 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static float uniform(void)
{
    return 2 * (float)rand() / (float)RAND_MAX - 1;
}

/* Two moons that lie in each other, with noise. */
static void draw_moons(float points[][2], int32_t *classes, int count)
{
    for (int i = 0; i < count; i++) {
        float turn = 3.14159265f * (uniform() + 1) / 2;
        classes[i] = i % 2;
        points[i][0] = (i % 2 ? 1 - cosf(turn) : cosf(turn)) + 0.4f * uniform();
        points[i][1] = (i % 2 ? 0.5f - sinf(turn) : sinf(turn)) + 0.4f * uniform();
    }
}

int main(void)
{
    static float points[SAMPLES][2], held_out[HELD_OUT][2];
    static int32_t classes[SAMPLES], held_out_classes[HELD_OUT];
    dualprop_context *context;
    dualprop_network *network, *best;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double loss, least = INFINITY, rate;
    int best_epoch = 0;
    int64_t correct;

    draw_moons(points, classes, SAMPLES);
    draw_moons(held_out, held_out_classes, HELD_OUT);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, 2));
    check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_network_clone(&best, network));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    check(dualprop_state_create(&state, network, rule, BATCH));

    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAMW));
    check(dualprop_optimizer_set_weight_decay(optimizer, 0.01)); /* L2, apart from the gradient */
    check(dualprop_optimizer_set_clip(optimizer, 1));            /* the norm of the whole gradient is at most 1 */
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01));
    check(dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 1e-3, 1e-4, 100,
                                          EPOCHS * (SAMPLES / BATCH)));

    for (int epoch = 1; epoch <= EPOCHS && epoch - best_epoch <= PATIENCE; epoch++) {
        for (int first = 0; first < SAMPLES; first += BATCH)
            check(dualprop_learn(optimizer, state, points[first], classes + first, BATCH));
        check(dualprop_evaluate(&loss, &correct, NULL, 1, state, held_out, held_out_classes, HELD_OUT));
        if (epoch % 10 == 0) {
            check(dualprop_optimizer_info(NULL, NULL, &rate, optimizer));
            printf("epoch %d: loss on the samples held out %.4f, next learning rate %.5f\n", epoch, loss, rate);
        }
        if (loss >= least) continue;
        least = loss;
        best_epoch = epoch;
        check(dualprop_network_copy(best, network));
    }
    check(dualprop_network_copy(network, best)); /* back to the best weights */
    check(dualprop_evaluate(&loss, &correct, NULL, 1, state, held_out, held_out_classes, HELD_OUT));
    printf("best after epoch %d: loss %.4f, %.1f %% correct\n", best_epoch, loss, 100.0 * (double)correct / HELD_OUT);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(best);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
