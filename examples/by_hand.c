/*
 * by_hand.c - drives the dyads of one sample by hand: which layer updates when, what s+ and s- are, and what happens if
 * a neuron is held at a value.
 *
 * To compile: cc -O2 -o by_hand by_hand.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 4, HIDDEN = 5, OUTPUTS = 3 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* View the numbers of one layer for one sample. */
static dualprop_view row(double *numbers, int64_t width)
{
    dualprop_view view = { sizeof view, numbers, DUALPROP_F64, 2, { 1, width }, { width, 1 } };
    return view;
}

/* Print s+ - s- of all layers: how far the error has travelled down. */
static void print_deltas(dualprop_state *state, const char *when)
{
    double numbers[HIDDEN];

    printf("%s\n", when);
    for (int layer = 3; layer >= 1; layer--) {
        int width = layer == 3 ? OUTPUTS : HIDDEN;
        dualprop_view view = row(numbers, width);
        check(dualprop_state_read(&view, state, layer, DUALPROP_S_DELTA));
        printf("    layer %d:", layer);
        for (int i = 0; i < width; i++) printf(" %+.4f", numbers[i]);
        printf("\n");
    }
}

int main(void)
{
    double x[INPUTS] = { 0.5, -1, 0.25, 2 }, y[OUTPUTS] = { 1, 0, 0 };
    double plus[HIDDEN], minus[HIDDEN], mean[HIDDEN], a[HIDDEN], top_down[HIDDEN];
    dualprop_view inputs = row(x, INPUTS), targets = row(y, OUTPUTS);
    dualprop_view s_plus = row(plus, HIDDEN), s_minus = row(minus, HIDDEN), s_mean = row(mean, HIDDEN);
    dualprop_view bottom_up = row(a, HIDDEN), delta = row(top_down, HIDDEN);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int passes;
    int64_t updates;
    double loss;

    options.precision = DUALPROP_F64;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP)); /* alpha 1/2, beta 1/2 */
    check(dualprop_state_create(&state, network, rule, 1));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));

    /* One walk down, a layer at a time. */
    check(dualprop_infer_begin(state, &inputs, &targets));
    print_deltas(state, "the feed-forward start: s+ = s-");
    check(dualprop_infer_layer(state, 3));
    print_deltas(state, "layer 3 updated: the loss pulls s+ and s- of the output apart");
    check(dualprop_infer_layer(state, 2));
    check(dualprop_infer_layer(state, 1));
    print_deltas(state, "layers 2 and 1 updated");

    /* What a neuron computes: s+ = tanh(a + Delta / 2), s- = tanh(a - Delta / 2). */
    check(dualprop_state_read(&s_plus, state, 1, DUALPROP_S_PLUS));
    check(dualprop_state_read(&s_minus, state, 1, DUALPROP_S_MINUS));
    check(dualprop_state_read(&bottom_up, state, 1, DUALPROP_S_BOTTOM_UP));
    check(dualprop_state_read(&delta, state, 1, DUALPROP_S_TOP_DOWN));
    printf("neuron 0 of layer 1: a %+.4f, Delta %+.4f, s+ %+.4f, s- %+.4f\n", a[0], top_down[0], plus[0], minus[0]);

    /* Hold neuron 0 at 0, as if it were cut out, and let the layers above follow. */
    check(dualprop_state_read(&s_mean, state, 1, DUALPROP_S_MEAN));
    mean[0] = 0;
    check(dualprop_state_write(state, 1, DUALPROP_S_MEAN, &s_mean));
    check(dualprop_infer_layer(state, 2));
    check(dualprop_infer_layer(state, 3));
    print_deltas(state, "neuron 0 of layer 1 held at 0, layers 2 and 3 updated");

    /* Learn in the middle of an inference, then run a pass of the rule's schedule with the new weights. */
    check(dualprop_infer_update(optimizer, state));
    check(dualprop_infer_pass(state));
    check(dualprop_infer_end(state));
    check(dualprop_state_report(&passes, NULL, &updates, NULL, NULL, NULL, state));
    print_deltas(state, "after a learning step and a pass of the schedule");
    printf("%d pass, %ld updates of layers\n", passes, (long)updates);

    /* dualprop_learn() does all of this in one call. */
    for (int step = 0; step < 20; step++) check(dualprop_learn_view(optimizer, state, &inputs, &targets));
    check(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, state));
    printf("loss after 20 more steps: %.1e\n", loss);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
