/*
 * track.c - learns from a stream in which each batch resembles the one before: dyads start where the last ones ended.
 *
 * In the schedule "fw" delta comes down one layer a pass, so an inference that starts from the feed-forward state needs
 * a pass for each layer before anything has settled. From the last dyads it needs fewer.
 *
 * To compile: cc -O2 -o track track.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 16, BATCH = 8, STEPS = 200 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Sensors that turn slowly: at each time the samples are a little further round. */
static void sense(float x[][INPUTS], float angles[][1], int time)
{
    for (int i = 0; i < BATCH; i++) {
        double angle = 0.001 * time + 6.2832 * i / BATCH;
        for (int j = 0; j < INPUTS; j++) x[i][j] = (float)sin(angle + j);
        angles[i][0] = (float)cos(angle);
    }
}

int main(void)
{
    static float x[BATCH][INPUTS], angles[BATCH][1];
    dualprop_view inputs = { sizeof inputs, x, DUALPROP_F32, 2, { BATCH, INPUTS }, { INPUTS, 1 } };
    dualprop_view targets = { sizeof targets, angles, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
    dualprop_context *context;
    dualprop_rule *rule;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD, 50)); /* passes, at most */
    check(dualprop_rule_set_tolerance(rule, 1e-4));                /* stop when nothing moves any more */
    check(dualprop_rule_set_divergence_limit(rule, 100));          /* states that grow a hundredfold are a fault */
    for (int warm = 0; warm <= 1; warm++) {
        dualprop_network *network;
        dualprop_state *state;
        dualprop_optimizer *optimizer;
        int passes, sum = 0;
        double loss;

        check(dualprop_rule_set_warm_start(rule, warm));
        check(dualprop_network_create(&network, context, 1, 1, INPUTS));
        check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
        check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
        check(dualprop_network_add_dense(network, 1, DUALPROP_IDENTITY));
        check(dualprop_network_initialize(network, 1));
        check(dualprop_state_create(&state, network, rule, BATCH));
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));
        check(dualprop_optimizer_set_learning_rate(optimizer, 0.002));
        for (int step = 0; step < STEPS; step++) {
            sense(x, angles, step);
            check(dualprop_learn_view(optimizer, state, &inputs, &targets));
            check(dualprop_state_report(&passes, NULL, NULL, NULL, &loss, NULL, state));
            sum += passes;
        }
        printf("%s start: %.1f passes an inference, loss %.4f\n", warm ? "warm" : "feed-forward", (double)sum / STEPS,
               loss);
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_network_destroy(network);
    }
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
