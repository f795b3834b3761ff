/*
 * regression.c - fits real numbers: where is the hand of an arm with two joints, given the joints' angles?
 *
 * The measurements lie in an array of structs, as a program keeps them; strided views let the library read them there.
 *
 * To compile: cc -O2 -o regression regression.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRAIN = 2000, TEST = 500, BATCH = 50, STEPS = 4000 };

typedef struct measurement {
    double time;     /* not learned from */
    float angles[2]; /* -1 .. 1 of half a turn */
    float hand[2];   /* -1 .. 1 of the arm's length */
} measurement;

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static void measure(measurement *data, int count)
{
    static const double pi = 3.14159265358979;

    for (int i = 0; i < count; i++) {
        data[i].time = i;
        for (int j = 0; j < 2; j++) data[i].angles[j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        double first = pi / 2 * data[i].angles[0], second = first + pi / 2 * data[i].angles[1];
        data[i].hand[0] = (float)(0.6 * cos(first) + 0.4 * cos(second));
        data[i].hand[1] = (float)(0.6 * sin(first) + 0.4 * sin(second));
    }
}

/* View one pair of floats of each measurement: as far apart as the structs are. */
static dualprop_view pairs(float *first, int64_t count)
{
    int64_t apart = sizeof(measurement) / sizeof(float); /* strides count elements, not bytes */
    dualprop_view view = { sizeof view, first, DUALPROP_F32, 2, { count, 2 }, { apart, 1 } };
    return view;
}

int main(void)
{
    static measurement train[TRAIN], test[TEST];
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double loss, worst = 0;
    float predicted[TEST][2];

    measure(train, TRAIN);
    measure(test, TEST);
    dualprop_view test_angles = pairs(test[0].angles, TEST), test_hands = pairs(test[0].hand, TEST);
    dualprop_view scores = { sizeof scores, predicted, DUALPROP_F32, 2, { TEST, 2 }, { 2, 1 } };

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, 2));
    check(dualprop_network_add_dense(network, 64, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 64, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT)); /* its loss is the squared error */
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01)); /* the peak of the schedule */
    check(dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 1e-4, 1e-5, 100, STEPS));

    for (int step = 0; step < STEPS; step++) {
        measurement *batch = train + step % (TRAIN / BATCH) * BATCH;
        dualprop_view angles = pairs(batch->angles, BATCH), hands = pairs(batch->hand, BATCH);
        check(dualprop_learn_view(optimizer, state, &angles, &hands));
        if ((step + 1) % 1000) continue;
        check(dualprop_evaluate_view(&loss, NULL, NULL, 1, state, &test_angles, &test_hands));
        printf("step %d: test error %.4f of the arm's length\n", step + 1, sqrt(2 * loss)); /* loss: half a square */
    }

    check(dualprop_predict_view(&scores, state, &test_angles));
    for (int i = 0; i < TEST; i++)
        worst = fmax(worst, hypot(predicted[i][0] - test[i].hand[0], predicted[i][1] - test[i].hand[1]));
    printf("the worst of %d: %.4f\n", TEST, worst);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
