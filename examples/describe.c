/*
 * describe.c - says what a saved run is made of: its layers, and every setting of its rule.
 *
 *     describe CHECKPOINT        for instance what mlp.c or stop.c has saved
 *
 * To compile: cc -O2 -o describe describe.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char file[64 << 20]; /* the bytes may come from anywhere: a file, a socket, an array in the program */

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static void print_layer(const dualprop_layer *layer, int index)
{
    int64_t output[3], kernel[2], stride[2], padding[2], window[2], window_stride[2];
    int kind, pooling, activation, frozen;
    double rate;

    check(dualprop_layer_info(NULL, NULL, &activation, layer));
    check(dualprop_layer_shape(&kind, output, kernel, stride, padding, &pooling, window, window_stride, layer));
    check(dualprop_layer_training(&frozen, &rate, layer));
    printf("%-4d %-11s %-9s", index, dualprop_name(DUALPROP_NAMES_LAYER, kind),
           dualprop_name(DUALPROP_NAMES_ACTIVATION, activation));
    printf(" to %" PRId64 " x %" PRId64 " x %" PRId64, output[0], output[1], output[2]);
    if (kernel[0] > 0) printf(", kernel %" PRId64 " x %" PRId64, kernel[0], kernel[1]);
    if (window[0] > 0) printf(", %s pooling", dualprop_name(DUALPROP_NAMES_POOLING, pooling));
    printf("%s, learning rate * %g\n", frozen ? ", frozen" : "", rate);
}

static void print_rule(const dualprop_rule *rule, int layers)
{
    int variant, loss, step, at, schedule, passes, switches, warm, damping, iterations, feedback, bits, growth;
    double tolerance, time_step, fraction, robustness, state, top_down, weight, mismatch, limit;
    int64_t order;
    uint64_t seed;

    check(dualprop_rule_get_variant(&variant, rule));
    check(dualprop_rule_get_loss(&loss, rule));
    check(dualprop_rule_get_output_step(&step, rule));
    check(dualprop_rule_get_nudge_at(&at, rule));
    printf("rule %s, %s, %s step at the %s\n", dualprop_name(DUALPROP_NAMES_RULE, variant),
           dualprop_name(DUALPROP_NAMES_LOSS, loss), dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, step),
           dualprop_name(DUALPROP_NAMES_NUDGE_AT, at));
    check(dualprop_rule_get_schedule(&schedule, &passes, rule));
    check(dualprop_rule_get_order(NULL, 0, &order, rule));
    check(dualprop_rule_get_tolerance(&tolerance, rule));
    check(dualprop_rule_get_async_fraction(&fraction, rule));
    printf("schedule %s, %d passes, %" PRId64 " layers listed, tolerance %g, fraction of neurons %g\n",
           dualprop_name(DUALPROP_NAMES_SCHEDULE, schedule), passes, order, tolerance, fraction);
    check(dualprop_rule_get_time_step(&time_step, rule));
    check(dualprop_rule_get_warm_start(&warm, rule));
    check(dualprop_rule_get_pool_switches(&switches, rule));
    printf("time step %g, warm start %d, switches %s\n", time_step, warm,
           dualprop_name(DUALPROP_NAMES_SWITCHES, switches));
    check(dualprop_rule_get_damping(&damping, &iterations, rule));
    check(dualprop_rule_get_input_robustness(&robustness, rule));
    check(dualprop_rule_get_feedback(&feedback, rule));
    printf("damping %s (%d power iterations), input robustness %g, feedback weights %s\n",
           dualprop_name(DUALPROP_NAMES_DAMPING, damping), iterations, robustness,
           dualprop_name(DUALPROP_NAMES_FEEDBACK, feedback));
    check(dualprop_rule_get_noise(&state, &top_down, &weight, rule));
    check(dualprop_rule_get_quantization(&bits, rule));
    check(dualprop_rule_get_alpha_mismatch(&mismatch, rule));
    check(dualprop_rule_get_seed(&seed, rule));
    printf("noise %g of states, %g top-down, %g of weights, %d bits (0: all), mismatch %g, seed %" PRIu64 "\n", state,
           top_down, weight, bits, mismatch, seed);
    check(dualprop_rule_get_divergence_limit(&limit, rule));
    check(dualprop_rule_get_growth_limit(&growth, rule));
    printf("an inference fails if states grow %g-fold, or their changes in %d passes (0: never)\n", limit, growth);
    for (int k = 1; k <= layers; k++) {
        double alpha, beta, below;
        check(dualprop_rule_get_layer_alpha(&alpha, rule, k));
        check(dualprop_rule_get_layer_beta(&beta, rule, k));
        check(dualprop_rule_get_layer_damping(&below, rule, k - 1)); /* NaN unless it was set to a number */
        printf("layer %d: alpha %g, beta %g, D below it %g\n", k, alpha, beta, below);
    }
}

int main(int argc, char **argv)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_layer *layer;
    int64_t height, width, channels;
    int layers;

    FILE *stream = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (stream == NULL) return fprintf(stderr, "usage: describe CHECKPOINT\n"), 2;
    size_t size = fread(file, 1, sizeof file, stream);
    fclose(stream);
    if (dualprop_version() / 100 != DUALPROP_VERSION / 100) printf("the library is not the one of the header\n");
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_checkpoint_read_memory(&checkpoint, context, file, size)); /* checked, wherever they come from */
    check(dualprop_checkpoint_get_network(&network, checkpoint));
    check(dualprop_network_input_shape(&height, &width, &channels, network));
    check(dualprop_network_info(&layers, NULL, NULL, NULL, network));
    printf("input %" PRId64 " x %" PRId64 " x %" PRId64 "\n", height, width, channels);
    for (int i = 1; i <= layers; i++) {
        check(dualprop_network_layer(&layer, network, i));
        print_layer(layer, i);
    }
    check(dualprop_checkpoint_get_rule(&rule, checkpoint));
    print_rule(rule, layers);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
