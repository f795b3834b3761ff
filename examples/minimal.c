/* minimal.c - learns exclusive-or by dual propagation. The README shows this program. */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(void)
{
    const float points[] = { 0, 0, 0, 1, 1, 0, 1, 1 };
    const int32_t classes[] = { 0, 1, 1, 0 };
    float scores[8];
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, 2));
    check(dualprop_network_add_dense(network, 16, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, 4));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01));
    for (int step = 0; step < 1000; step++) {
        check(dualprop_infer(state, points, classes, 4)); /* s+ and s- settle */
        check(dualprop_update(optimizer, state));         /* contrastive Hebbian learning */
    }
    check(dualprop_predict(scores, state, points, 4));
    for (int i = 0; i < 4; i++)
        printf("%g xor %g = %d\n", points[2 * i], points[2 * i + 1], scores[2 * i + 1] > scores[2 * i]);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
