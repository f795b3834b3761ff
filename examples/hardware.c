/*
 * hardware.c - how much imprecision does learning by dual propagation bear? Noise, few bits, neurons that differ,
 * updates in any order, and feedback weights that are not the transposed forward weights.
 *
 * To compile: cc -O2 -o hardware hardware.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 16, SAMPLES = 1000, BATCH = 50, EPOCHS = 10 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* What each device does to the rule. */
static void ideal(dualprop_rule *rule)
{
    (void)rule;
}

static void noisy(dualprop_rule *rule)
{
    check(dualprop_rule_set_noise(rule, 0.05, 0.05, 0.02)); /* of states, of top-down signals, of weights */
}

static void coarse(dualprop_rule *rule)
{
    check(dualprop_rule_set_quantization(rule, 6)); /* bits of s+ and s- */
}

static void unequal(dualprop_rule *rule)
{
    check(dualprop_rule_set_alpha_mismatch(rule, 0.1)); /* each neuron has its own alpha */
}

static void slow(dualprop_rule *rule)
{
    check(dualprop_rule_set_time_step(rule, 0.5)); /* s+ and s- go half the way at each update */
    check(dualprop_rule_set_schedule(rule, DUALPROP_FORWARD_BACKWARD, 8));
    check(dualprop_rule_set_tolerance(rule, 1e-3)); /* or fewer passes, once they have settled */
}

static void without_a_clock(dualprop_rule *rule)
{
    check(dualprop_rule_set_schedule(rule, DUALPROP_ASYNC, 8));
    check(dualprop_rule_set_async_fraction(rule, 0.5)); /* of a layer's neurons update at a visit */
}

static void without_transport(dualprop_rule *rule)
{
    check(dualprop_rule_set_feedback(rule, DUALPROP_FEEDBACK_KOLEN_POLLACK));
}

/* Learn from the first half of the samples, and return the percentage of correct classes in the other half. */
static double train(dualprop_context *context, void (*device)(dualprop_rule *rule), float x[][INPUTS],
                    const int32_t *classes)
{
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int64_t correct;

    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 32, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1));
    check(dualprop_network_initialize(network, 1));
    if (device == without_transport) check(dualprop_network_set_feedback(network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 2));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    device(rule);
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAMW));
    check(dualprop_optimizer_set_learning_rate(optimizer, 3e-3));
    for (int first = 0; first < EPOCHS * SAMPLES; first += BATCH)
        check(dualprop_learn(optimizer, state, x[first % SAMPLES], classes + first % SAMPLES, BATCH));
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[SAMPLES], classes + SAMPLES, SAMPLES));
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    return 100.0 * (double)correct / SAMPLES;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*set)(dualprop_rule *rule);
    } devices[] = {
        { "ideal", ideal },
        { "noise on states, signals and weights", noisy },
        { "6 bits", coarse },
        { "unequal alphas", unequal },
        { "leaky updates", slow },
        { "asynchronous", without_a_clock },
        { "learned feedback weights", without_transport },
    };
    static float x[2 * SAMPLES][INPUTS];
    static int32_t classes[2 * SAMPLES];
    dualprop_context *context;

    for (int i = 0; i < 2 * SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] * x[i][1] + x[i][2] > 0;
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        printf("%-38s %5.1f %% correct\n", devices[i].name, train(context, devices[i].set, x, classes));
    dualprop_context_destroy(context);
}
