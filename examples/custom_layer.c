/*
 * custom_layer.c - a layer of one's own: a circular convolution of signals, a linear map given by three functions. Its
 * gradients are checked against differences of the loss, then it learns to tell waves apart, whatever their phase.
 *
 * To compile: cc -O2 -o custom_layer custom_layer.c -ldualprop-testing $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <dualprop/testing.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 32, FILTERS = 8, TAPS = 5, CLASSES = 4, TRAIN = 2000, TEST = 500, BATCH = 50, EPOCHS = 20 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Numbers have the context's precision; norms and checks of gradients come in f64. */
static double get(const void *reals, const dualprop_map_shape *shape, int64_t i)
{
    return shape->type == DUALPROP_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static void put(void *reals, const dualprop_map_shape *shape, int64_t i, double value)
{
    if (shape->type == DUALPROP_F32) ((float *)reals)[i] = (float)value;
    else ((double *)reals)[i] = value;
}

/* Signal b, point i + t of the circle; filter f, tap t; and what filter f makes of signal b at point i. */
static int64_t point_of(const dualprop_map_shape *shape, int64_t b, int64_t i, int64_t t)
{
    return b * shape->inputs + (i + t) % shape->inputs;
}

static int64_t tap_of(int64_t f, int64_t t)
{
    return f * TAPS + t;
}

static int64_t output_of(const dualprop_map_shape *shape, int64_t b, int64_t f, int64_t i)
{
    return b * shape->outputs + f * shape->inputs + i;
}

/* a[b, f, i] = sum_t w[f, t] x[b, i + t]. The library adds the bias. */
static int forward(void *user_data, void *a, const void *x, const void *w, const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t b = 0; b < shape->count; b++)
        for (int64_t f = 0; f < FILTERS; f++)
            for (int64_t i = 0; i < shape->inputs; i++) {
                double sum = 0;
                for (int64_t t = 0; t < TAPS; t++)
                    sum += get(w, shape, tap_of(f, t)) * get(x, shape, point_of(shape, b, i, t));
                put(a, shape, output_of(shape, b, f, i), sum);
            }
    return 0; /* go on */
}

/* The transpose: what came from x[b, i + t] goes back there. */
static int transposed(void *user_data, void *to, const void *delta, const void *w, const dualprop_map_shape *shape)
{
    (void)user_data;
    for (int64_t i = 0; i < shape->count * shape->inputs; i++) put(to, shape, i, 0);
    for (int64_t b = 0; b < shape->count; b++)
        for (int64_t f = 0; f < FILTERS; f++)
            for (int64_t i = 0; i < shape->inputs; i++)
                for (int64_t t = 0; t < TAPS; t++) {
                    int64_t point = point_of(shape, b, i, t);
                    double part = get(w, shape, tap_of(f, t)) * get(delta, shape, output_of(shape, b, f, i));
                    put(to, shape, point, get(to, shape, point) + part);
                }
    return 0;
}

/* The derivative of sum_b delta_b . a_b with respect to w. */
static int gradient(void *user_data, void *g, const void *x, const void *delta, const void *w,
                    const dualprop_map_shape *shape)
{
    (void)user_data, (void)w; /* w does not stand in it */
    for (int64_t f = 0; f < FILTERS; f++)
        for (int64_t t = 0; t < TAPS; t++) {
            double sum = 0;
            for (int64_t b = 0; b < shape->count; b++)
                for (int64_t i = 0; i < shape->inputs; i++)
                    sum += get(delta, shape, output_of(shape, b, f, i)) * get(x, shape, point_of(shape, b, i, t));
            put(g, shape, tap_of(f, t), sum);
        }
    return 0;
}

static dualprop_network *create_network(dualprop_context *context, int activation)
{
    dualprop_network *network;
    int map;
    check(dualprop_map_register(&map, context, "circular-convolution", forward, transposed, gradient, NULL));
    check(dualprop_network_create(&network, context, 1, 1, POINTS));
    check(dualprop_network_add_custom(network, map, FILTERS * POINTS, FILTERS * TAPS, TAPS, activation));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    return network;
}

/* A wave of a class's shape, with a random phase and noise. */
static void draw_wave(float *x, int label)
{
    double phase = 2 * 3.14159265 * rand() / RAND_MAX;
    for (int i = 0; i < POINTS; i++) {
        double angle = 2 * 3.14159265 * 2 * i / POINTS + phase, sine = sin(angle);
        double shapes[CLASSES] = { sine, sine > 0 ? 1 : -1, fmod(angle, 6.2831853) / 3.14159265 - 1,
                                   asin(sine) / 1.5708 };
        x[i] = (float)(shapes[label] + 0.1 * (2.0 * rand() / RAND_MAX - 1));
    }
}

/* In f64, with a small nudge and a smooth activation; more than 1e-6 is wrong. */
static void check_gradients(void)
{
    dualprop_options options = { .struct_size = sizeof options, .precision = DUALPROP_F64 };
    dualprop_context *context;
    dualprop_rule *rule;
    double x[4 * POINTS], error;
    int32_t labels[4] = { 0, 1, 2, 3 };
    for (int i = 0; i < 4 * POINTS; i++) x[i] = sin(0.7 * i * i);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, &options));
    dualprop_network *network = create_network(context, DUALPROP_TANH);
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_beta(rule, 1e-4));
    check(dualprop_testing_gradient(&error, network, rule, x, labels, 4, 0));
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    printf("largest error of a gradient: %.1e\n", error);
    if (!(error <= 1e-6)) exit(1);
}

int main(void)
{
    static float x[TRAIN + TEST][POINTS];
    static int32_t labels[TRAIN + TEST];
    dualprop_context *context;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int64_t correct;

    check_gradients();
    for (int i = 0; i < TRAIN + TEST; i++) draw_wave(x[i], labels[i] = i % CLASSES);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, NULL)); /* not on a device */
    dualprop_network *network = create_network(context, DUALPROP_RELU);
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    for (int step = 0; step < EPOCHS * TRAIN / BATCH; step++) {
        int first = step % (TRAIN / BATCH) * BATCH;
        check(dualprop_learn(optimizer, state, x[first], labels + first, BATCH));
    }
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[TRAIN], labels + TRAIN, TEST));
    printf("right after %d epochs: %.1f %%, with %d weights in %d filters\n", EPOCHS, 100.0 * (double)correct / TEST,
           FILTERS * TAPS, FILTERS);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
