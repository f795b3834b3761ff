/*
 * compare_backprop.c - how close is the gradient of dual propagation to that of back-propagation?
 *
 * The same network learns the same three spirals by several rules. At every tenth step a back-propagation twin measures
 * the angle between the two gradients, layer by layer. Measuring changes no bit of the run.
 *
 * To compile: cc -O2 -o compare_backprop compare_backprop.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 150, CLASSES = 3, LAYERS = 4, STEPS = 150, EVERY = 10 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static void draw_spirals(float points[][2], int32_t *classes)
{
    for (int i = 0; i < SAMPLES; i++) {
        int arm = i % CLASSES;
        double along = (i / CLASSES + 1.0) / (SAMPLES / CLASSES), noise = 0.2 * (rand() / (double)RAND_MAX - 0.5);
        double turn = 3 * along + 2.0943951 * arm + noise;
        points[i][0] = (float)(along * sin(turn));
        points[i][1] = (float)(along * cos(turn));
        classes[i] = arm;
    }
}

/* Learn with the rule as it is set, from the same weights each time, and print a line of the table. */
static void compare(const dualprop_network *start, dualprop_rule *rule, const char *name)
{
    static float points[SAMPLES][2];
    static int32_t classes[SAMPLES];
    dualprop_view inputs = { sizeof inputs, points, DUALPROP_F32, 2, { SAMPLES, 2 }, { 2, 1 } };
    dualprop_view targets = { sizeof targets, classes, DUALPROP_I32, 1, { SAMPLES }, { 1 } };
    dualprop_network *network;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_diagnostics *twin;
    double angle, sum[LAYERS + 1] = { 0 }, alpha, beta;
    dualprop_status status = DUALPROP_OK;
    int64_t correct;

    srand(1);
    draw_spirals(points, classes);
    check(dualprop_network_clone(&network, start));
    check(dualprop_state_create(&state, network, rule, SAMPLES));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.003));
    check(dualprop_diagnostics_create(&twin, network, DUALPROP_CROSS_ENTROPY, SAMPLES));

    for (int step = 0; step < STEPS && status == DUALPROP_OK; step++) {
        status = dualprop_infer_view(state, &inputs, &targets);
        if (status != DUALPROP_OK) break; /* DUALPROP_ERROR_DIVERGED: the dyads did not settle */
        check(dualprop_gradient(optimizer, state));
        if (step % EVERY == 0) {
            check(dualprop_diagnostics_twin(twin, &inputs, &targets));
            for (int layer = 1; layer <= LAYERS; layer++) {
                check(dualprop_diagnostics_compare(&angle, NULL, NULL, NULL, NULL, twin, optimizer, layer));
                sum[layer] += angle / (STEPS / EVERY);
            }
        }
        check(dualprop_step(optimizer));
    }

    check(dualprop_rule_get_alpha(&alpha, rule));
    check(dualprop_rule_get_beta(&beta, rule));
    printf("%-12s %5.2f %5.2f ", name, alpha, beta);
    if (status == DUALPROP_OK) {
        check(dualprop_evaluate_view(NULL, &correct, NULL, 1, state, &inputs, &targets));
        for (int layer = 1; layer <= LAYERS; layer++) printf(" %7.2f", sum[layer]);
        printf("   %5.1f %%\n", 100.0 * (double)correct / SAMPLES);
    } else if (status == DUALPROP_ERROR_DIVERGED) printf(" diverged\n");
    else check(status);

    dualprop_diagnostics_destroy(twin);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_network_destroy(network);
}

int main(void)
{
    static const struct {
        int variant;
        double alpha, beta;
    } tries[] = {
        { DUALPROP_BP, 0.5, 1 },           { DUALPROP_DP_ADJOINT, 0.5, 1 },
        { DUALPROP_DP_ADJOINT, 0.5, 0.1 }, { DUALPROP_DP_ADJOINT, 0.5, 0.01 },
        { DUALPROP_DP_ADJOINT, 0, 1 },     { DUALPROP_DP_ADJOINT, 0, 0.1 },
        { DUALPROP_DP_ADJOINT, 0, 0.01 },  { DUALPROP_DP, 0, 1 },
        { DUALPROP_DP, 0, 0.1 },           { DUALPROP_DP, 0, 0.01 },
    };
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, 2));
    for (int layer = 1; layer < LAYERS; layer++) check(dualprop_network_add_dense(network, 50, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_BP));
    check(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    printf("rule         alpha  beta   angle of layers 1 to 4 (degrees)  correct\n");
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        check(dualprop_rule_set_variant(rule, tries[i].variant));
        check(dualprop_rule_set_alpha(rule, tries[i].alpha));
        check(dualprop_rule_set_beta(rule, tries[i].beta));
        compare(network, rule, dualprop_name(DUALPROP_NAMES_RULE, tries[i].variant));
    }
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
