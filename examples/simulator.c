/*
 * simulator.c - an event-driven toy chip: 784-128-10 neurons, each with a clock of its own, which learn online.
 *
 *     simulator FOLDER [SAMPLES [LOST [SEED]]]      120000 training samples, 10 % of messages lost, seed 1
 *
 * Nothing is synchronous. A neuron wakes when its clock ticks, computes its dyad s+, s- from what it has heard so far
 * (dual propagation, Eq. 19 with alpha 1/2), and sends a message if its sbar (up) or its delta (down) has changed.
 * Messages take 1 to 6 units of time, overtake each other, and get lost. Every sample is shown for a while, and then
 * each synapse learns from what its own neuron has heard: W += rate/beta * delta * sbar. At the end the weights go into
 * the library, which tests them without losses.
 *
 * All that is random comes from the seed: the same arguments print the same text.
 *
 * To compile: cc -O2 -o simulator simulator.c $(pkg-config --cflags --libs dualprop) -lz -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <string.h>
#include "read_idx.h"

enum { INPUTS = 784, HIDDEN = 128, OUTPUTS = 10 };
enum { TIME = 32, SHOWN = 12 };                    /* units of time of a sample, and while its pixels are sent */
enum { SLOTS = 8, MOST = 8192, RASTER_ROWS = 16 }; /* a message takes less time than SLOTS */
enum { LAYERS = 3, WIDEST = INPUTS };

static const int width[LAYERS] = { INPUTS, HIDDEN, OUTPUTS };
static const float beta = 1, change = 0.01f; /* the nudge; what is worth a message */

/* Neuron i of a layer. sbar and delta are its own; heard_* are what the other layer has heard of them last. */
static struct layer {
    float sbar[WIDEST], delta[WIDEST], heard_sbar[WIDEST], heard_delta[WIDEST];
    float a[WIDEST], top_down[WIDEST];       /* sums over what this layer has heard, kept up to date by each message */
    int sent[2][WIDEST], arrived[2][WIDEST]; /* numbers of the last messages up and down: some are overtaken */
    unsigned char period[WIDEST];
} layers[LAYERS];

static float first[INPUTS][HIDDEN], second[HIDDEN][OUTPUTS], first_bias[HIDDEN], second_bias[OUTPUTS];

typedef struct message {
    short layer, neuron, down;
    int number;
    float value;
} message;
static message wheel[SLOTS][MOST]; /* a slot for each unit of time to come */
static int waiting[SLOTS];

static struct {
    long long multiply_adds, bytes[2]; /* bytes up and down */
} counts[LAYERS];
static long long sent, lost, overtaken;
static unsigned long long random_state;
static double lost_share;
static char raster[RASTER_ROWS + OUTPUTS][TIME]; /* of the last sample */

static unsigned draw(void) /* xorshift64* */
{
    random_state ^= random_state >> 12, random_state ^= random_state << 25, random_state ^= random_state >> 27;
    return (unsigned)((random_state * 0x2545F4914F6CDD1DULL) >> 32);
}

static void send(int layer, int neuron, int down, float value, int now)
{
    message made = { (short)layer, (short)neuron, (short)down, ++layers[layer].sent[down][neuron], value };
    int slot = (now + 1 + (int)(draw() % 6)) % SLOTS, row = layer == 2 ? RASTER_ROWS + neuron : neuron;
    counts[layer].bytes[down] += 6; /* an address and a number of 4 bytes */
    if (layer == 2 || (layer == 1 && neuron < RASTER_ROWS)) raster[row][now] = down ? '-' : '+';
    sent++;
    if (draw() < lost_share * 4294967296.0 || waiting[slot] == MOST) lost++;
    else wheel[slot][waiting[slot]++] = made;
}

/* The other layer hears it: its sums move by the change. An older message that comes late is believed as well. */
static void arrive(const message *seen)
{
    struct layer *from = &layers[seen->layer];
    int i = seen->neuron, *arrived = &from->arrived[seen->down][i];
    float *known = seen->down ? &from->heard_delta[i] : &from->heard_sbar[i], by = seen->value - *known;
    overtaken += seen->number < *arrived;
    *arrived = seen->number;
    *known = seen->value;
    if (by == 0) return;
    if (seen->down) {
        for (int j = 0; j < HIDDEN; j++) layers[1].top_down[j] += by * second[j][i];
        counts[2].multiply_adds += HIDDEN;
    } else if (seen->layer == 0) {
        for (int j = 0; j < HIDDEN; j++) layers[1].a[j] += by * first[i][j];
        counts[0].multiply_adds += HIDDEN;
    } else {
        for (int j = 0; j < OUTPUTS; j++) layers[2].a[j] += by * second[i][j];
        counts[1].multiply_adds += OUTPUTS;
    }
}

/* A neuron's clock ticks: it computes its dyad and says what has changed; now and then it says it again. */
static void tick(int layer, int i, int now, const float *target)
{
    struct layer *own = &layers[layer];
    float sbar = own->sbar[i], delta = own->delta[i];
    int again = now / own->period[i] % 3 == 0;
    if (layer == 1) { /* relu: s+- = f(a +- Delta/2) */
        float plus = own->a[i] + own->top_down[i] / 2, minus = own->a[i] - own->top_down[i] / 2;
        plus = plus > 0 ? plus : 0, minus = minus > 0 ? minus : 0;
        sbar = (plus + minus) / 2, delta = plus - minus;
    } else if (layer == 2) { /* squared error's nudge, -beta loss'(a) */
        sbar = own->a[i], delta = target ? beta * (target[i] - own->a[i]) : 0;
    }
    int shown = layer == 0 && now < SHOWN && sbar > 0; /* pixels do not change: they are said again and again */
    int up = shown || (layer == 1 && (fabsf(sbar - own->sbar[i]) > change || (again && sbar > 0)));
    int down = layer == 2 && target && (fabsf(delta - own->delta[i]) > change || again);
    own->sbar[i] = up || layer == 2 ? sbar : own->sbar[i];
    if (down || layer == 1) own->delta[i] = delta;
    if (up) send(layer, i, 0, sbar, now);
    if (down) send(layer, i, 1, delta, now);
}

/* Show a sample for TIME units; without a target nothing is nudged. */
static void show(const float *image, const float *target)
{
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < width[l]; i++) {
            layers[l].sbar[i] = l == 0 ? image[i] : 0;
            layers[l].delta[i] = layers[l].heard_sbar[i] = layers[l].heard_delta[i] = layers[l].top_down[i] = 0;
            layers[l].a[i] = l == 0 ? 0 : l == 1 ? first_bias[i] : second_bias[i];
        }
    memset(waiting, 0, sizeof waiting);
    for (int now = 0; now < TIME; now++) {
        int slot = now % SLOTS, count = waiting[slot];
        for (int m = 0; m < count; m++) arrive(&wheel[slot][m]);
        waiting[slot] = 0;
        for (int l = 0; l < LAYERS; l++)
            for (int i = 0; i < width[l]; i++)
                if (now % layers[l].period[i] == i % layers[l].period[i]) tick(l, i, now, target);
    }
}

/* Every synapse at its own neuron: W += rate/beta delta sbar, with the sbar that the neuron has heard. */
static void learn(float rate)
{
    for (int j = 0; j < OUTPUTS; j++) {
        float step = rate / beta * layers[2].delta[j];
        for (int i = 0; i < HIDDEN; i++) second[i][j] += step * layers[1].heard_sbar[i];
        second_bias[j] += step;
    }
    for (int i = 0; i < INPUTS; i++) {
        float heard = rate / beta * layers[0].heard_sbar[i];
        if (heard == 0) continue;
        for (int j = 0; j < HIDDEN; j++) first[i][j] += heard * layers[1].delta[j];
    }
    for (int j = 0; j < HIDDEN; j++) first_bias[j] += rate / beta * layers[1].delta[j];
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* A parameter of the library's network: of rank 2, or a bias where there is one row. */
static dualprop_view parameter(float *data, int rows, int columns)
{
    if (rows == 1) return (dualprop_view){ sizeof(dualprop_view), data, DUALPROP_F32, 1, { columns }, { 1 } };
    return (dualprop_view){ sizeof(dualprop_view), data, DUALPROP_F32, 2, { rows, columns }, { columns, 1 } };
}

int main(int argc, char **argv)
{
    if (argc < 2) return fprintf(stderr, "usage: simulator FOLDER [SAMPLES [LOST [SEED]]]\n"), 2;
    int64_t count = 0, test = 0, correct = 0, samples = argc > 2 ? atoi(argv[2]) : 120000;
    lost_share = argc > 3 ? atof(argv[3]) / 100 : 0.1;
    unsigned long long seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    float *images = read_idx(argv[1], "train-images-idx3-ubyte", &count, INPUTS);
    int32_t *labels = read_idx(argv[1], "train-labels-idx1-ubyte", &count, 0);
    float *test_images = read_idx(argv[1], "t10k-images-idx3-ubyte", &test, INPUTS);
    int32_t *test_labels = read_idx(argv[1], "t10k-labels-idx1-ubyte", &test, 0);
    dualprop_context *context;
    dualprop_network *network;
    dualprop_state *state;
    const char *names[4] = { "layer1.weight", "layer2.weight", "layer1.bias", "layer2.bias" };
    dualprop_view parameters[4] = { parameter(first[0], INPUTS, HIDDEN), parameter(second[0], HIDDEN, OUTPUTS),
                                    parameter(first_bias, 1, HIDDEN), parameter(second_bias, 1, OUTPUTS) };

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 28, 28, 1));
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, seed));
    for (int i = 0; i < 4; i++) check(dualprop_network_read(&parameters[i], network, names[i]));

    random_state = seed * 0x9E3779B97F4A7C15ULL + 1;
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < width[l]; i++) layers[l].period[i] = (unsigned char)(3 + draw() % 3); /* clocks differ */
    for (int64_t n = 0; n < samples; n++) {
        int64_t at = n % count;
        float target[OUTPUTS] = { 0 };
        target[labels[at]] = 1;
        memset(raster, '.', sizeof raster);
        show(images + at * INPUTS, target);
        learn(0.01f * (1 - 0.9f * (float)n / (float)samples));
    }
    for (int row = 0; row < RASTER_ROWS + OUTPUTS; row++)
        printf("%s %3d  %.*s\n", row < RASTER_ROWS ? "hidden" : "output", row < RASTER_ROWS ? row : row - RASTER_ROWS,
               TIME, raster[row]);
    printf("%lld messages sent, %.1f %% lost, %.1f %% overtaken\n", sent, 100.0 * (double)lost / (double)sent,
           100.0 * (double)overtaken / (double)sent);
    for (int l = 0; l < LAYERS; l++)
        printf("from layer %d: %.0f multiply-adds, %.0f bytes up, %.0f bytes down a sample\n", l,
               (double)counts[l].multiply_adds / (double)samples, (double)counts[l].bytes[0] / (double)samples,
               (double)counts[l].bytes[1] / (double)samples);

    for (int64_t n = 0; n < test; n++) {
        int best = 0;
        show(test_images + n * INPUTS, NULL);
        for (int j = 1; j < OUTPUTS; j++) best = layers[2].a[j] > layers[2].a[best] ? j : best;
        correct += best == test_labels[n];
    }
    printf("on the chip: %.2f %% of %lld correct\n", 100.0 * (double)correct / (double)test, (long long)test);
    for (int i = 0; i < 4; i++) check(dualprop_network_write(network, names[i], &parameters[i]));
    check(dualprop_state_create(&state, network, NULL, 100));
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, test_images, test_labels, test));
    printf("its weights in the library: %.2f %% correct\n", 100.0 * (double)correct / (double)test);

    dualprop_state_destroy(state);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    free(images), free(labels), free(test_images), free(test_labels);
}
