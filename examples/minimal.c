/* minimal.c - learns whether a point lies inside a circle, by dual propagation. */
#include <dualprop/dualprop.h>
#include <stdio.h>

enum { COUNT = 400, BATCH = 20, STEPS = 1000 };
static float points[COUNT][2];
static int32_t inside[COUNT];

int main(void)
{
    dualprop_context *context = NULL;
    dualprop_network *network = NULL;
    dualprop_rule *rule = NULL;
    dualprop_state *state = NULL;
    dualprop_optimizer *optimizer = NULL;
    int64_t correct = 0;
    char why[256] = "";

    for (int i = 0; i < COUNT; i++) { /* a grid of 20 x 20 points, in a mixed order */
        float x = points[i][0] = (float)(i * 171 % COUNT % 20) / 9.5f - 1;
        float y = points[i][1] = (float)(i * 171 % COUNT / 20) / 9.5f - 1;
        inside[i] = x * x + y * y < 0.6f;
    }
    int failed = dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL) ||
                 dualprop_network_create(&network, context, 1, 1, 2) ||
                 dualprop_network_add_dense(network, 32, DUALPROP_RELU) ||
                 dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY) ||
                 dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1) ||
                 dualprop_network_initialize(network, 1) ||
                 dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT) ||
                 dualprop_state_create(&state, network, rule, BATCH) ||
                 dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM) ||
                 dualprop_optimizer_set_learning_rate(optimizer, 0.01);
    for (int first = 0, step = 0; !failed && step < STEPS; step++, first = (first + BATCH) % COUNT)
        failed = dualprop_infer(state, points[first], inside + first, BATCH) || /* the dyads settle */
                 dualprop_update(optimizer, state);                             /* the weights learn */
    failed = failed || dualprop_evaluate(NULL, &correct, NULL, 1, state, points, inside, COUNT);
    if (failed && dualprop_last_error(why, sizeof why, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", why);
    else printf("%d of %d points are right\n", (int)correct, COUNT);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return failed;
}
