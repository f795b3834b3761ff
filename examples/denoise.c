/*
 * denoise.c - images to images: a convolution and a locally connected layer learn to remove noise from drawn bars.
 *
 * The last layer has an image as its output. Flattened, it is compared with targets that are vectors; its elements lie
 * in memory as before.
 *
 * To compile: cc -O2 -o denoise denoise.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, BATCH = 32, STEPS = 400 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Draw images with a row and a column in white, and the same with noise. */
static void draw(float clean[][PIXELS], float noisy[][PIXELS], int count)
{
    for (int i = 0; i < count; i++) {
        int row = rand() % SIDE, column = rand() % SIDE;
        for (int j = 0; j < PIXELS; j++) {
            clean[i][j] = j / SIDE == row || j % SIDE == column;
            noisy[i][j] = clean[i][j] + (float)rand() / (float)RAND_MAX - 0.5f;
        }
    }
}

/* The root mean square of what images differ by. */
static double distance(float x[][PIXELS], float y[][PIXELS], int count)
{
    double sum = 0;

    for (int i = 0; i < count * PIXELS; i++) sum += pow(x[i / PIXELS][i % PIXELS] - y[i / PIXELS][i % PIXELS], 2);
    return sqrt(sum / count / PIXELS);
}

int main(void)
{
    static float clean[BATCH][PIXELS], noisy[BATCH][PIXELS], restored[BATCH][PIXELS];
    static const int64_t kernel[2] = { 3, 3 }, padding[2] = { 1, 1 };
    dualprop_view inputs = { sizeof inputs, noisy, DUALPROP_F32, 2, { BATCH, PIXELS }, { PIXELS, 1 } };
    dualprop_view targets = { sizeof targets, clean, DUALPROP_F32, 2, { BATCH, PIXELS }, { PIXELS, 1 } };
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, SIDE, SIDE, 1));
    check(dualprop_network_add_convolution(network, 8, kernel, NULL, padding, DUALPROP_RELU));
    check(dualprop_network_add_local(network, 1, kernel, NULL, padding, DUALPROP_IDENTITY)); /* no shared weights */
    check(dualprop_network_add_flatten(network));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 3e-3));
    for (int step = 0; step < STEPS; step++) {
        draw(clean, noisy, BATCH);
        check(dualprop_learn_view(optimizer, state, &inputs, &targets));
    }

    draw(clean, noisy, BATCH); /* images that it has not seen */
    check(dualprop_predict(restored[0], state, noisy[0], BATCH));
    printf("distance from the clean images: noisy %.3f, restored %.3f\n", distance(noisy, clean, BATCH),
           distance(restored, clean, BATCH));

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
