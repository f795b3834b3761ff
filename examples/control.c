/*
 * control.c - a control loop of 1 kHz on a network that another thread trains meanwhile.
 *
 *     control [SECONDS]       10 by default
 *
 * A pendulum with friction has to follow a path. The controller is a weak proportional-derivative one, plus what a
 * network says about the torque that the wanted acceleration takes. It learns that from what was measured: which torque
 * has led to which acceleration. The learner publishes its network after every step; the loop predicts on the copy, and
 * neither waits for the other.
 *
 * To compile: cc -O2 -o control control.c $(pkg-config --cflags --libs dualprop) -pthread -lm
 */
#define _POSIX_C_SOURCE 200809L
#include <dualprop/dualprop.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RATE = 1000, INPUTS = 3, BATCH = 32, KEPT = 4096, MOST_SECONDS = 600 };

typedef struct sample {
    float state[INPUTS], torque;
} sample; /* angle, velocity, acceleration, and what it took */

/* From the loop to the learner: one writes, one reads, and a full queue drops samples rather than waits. */
static sample queue[KEPT];
static atomic_uint written, taken;
static atomic_int stop;

static double microseconds[MOST_SECONDS * RATE], error[MOST_SECONDS]; /* of each tick; the mean of each second */
static int ticks, busy, missed;

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void *control(void *argument)
{
    dualprop_state *state = argument;
    double angle = 0, velocity = 0, start = now();
    float torque;

    for (int i = 0; i < ticks; i++) {
        double due = start + i * (1e6 / RATE), wait;
        while ((wait = due - now()) > 0) nanosleep(&(struct timespec){ 0, (long)(wait * 1e3) }, NULL);

        double t = (double)i / RATE, path = sin(3 * t), speed = 3 * cos(3 * t), acceleration = -9 * path;
        float input[INPUTS] = { (float)angle, (float)velocity / 4, (float)acceleration / 10 };
        busy += dualprop_predict(&torque, state, input, 1) != DUALPROP_OK; /* the last torque would stay */
        double u = 10 * (double)torque + 20 * (path - angle) + 4 * (speed - velocity);

        double measured = u - 6 * sin(angle) - 0.8 * velocity - 0.5 * tanh(10 * velocity); /* the plant */
        sample seen = { { (float)angle, (float)velocity / 4, (float)measured / 10 }, (float)u / 10 };
        if (written - taken < KEPT) {
            queue[written % KEPT] = seen;
            written++;
        }
        velocity += measured / RATE;
        angle += velocity / RATE;
        error[i / RATE] += fabs(path - angle) / RATE;
        microseconds[i] = now() - due;
        missed += microseconds[i] > 1e6 / RATE;
    }
    stop = 1;
    return NULL;
}

/* Learn from samples at random among the last KEPT ones, and publish. */
static void learn(dualprop_network *served, dualprop_network *network, dualprop_state *state, dualprop_optimizer *adam)
{
    static sample kept[KEPT];
    static float x[BATCH * INPUTS], y[BATCH];
    dualprop_view inputs = { sizeof inputs, x, DUALPROP_F32, 2, { BATCH, INPUTS }, { INPUTS, 1 } };
    dualprop_view targets = { sizeof targets, y, DUALPROP_F32, 2, { BATCH, 1 }, { 1, 1 } };
    unsigned draw = 1;

    while (!stop) {
        for (; taken != written; taken++) kept[taken % KEPT] = queue[taken % KEPT];
        for (int b = 0; b < BATCH && taken > 0; b++) {
            draw = draw * 1664525 + 1013904223;
            const sample *one = &kept[(draw >> 8) % (taken < KEPT ? taken : KEPT)];
            for (int i = 0; i < INPUTS; i++) x[b * INPUTS + i] = one->state[i];
            y[b] = one->torque;
        }
        check(dualprop_learn_view(adam, state, &inputs, &targets));
        check(dualprop_network_publish(served, network));
    }
}

static int ascending(const void *x, const void *y)
{
    const double *one = x, *other = y;
    return (*one > *other) - (*one < *other);
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    dualprop_context *context;
    dualprop_network *network, *served;
    dualprop_rule *rule;
    dualprop_state *learning, *serving;
    dualprop_optimizer *adam;
    pthread_t loop;
    uint64_t before, after;

    if (seconds < 1 || seconds > MOST_SECONDS) return fprintf(stderr, "usage: control [SECONDS, 1..600]\n"), 2;
    ticks = seconds * RATE;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 1, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_network_clone(&served, network));
    check(dualprop_network_publish(served, network)); /* the first time it allocates */
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&learning, network, rule, BATCH));
    check(dualprop_state_create(&serving, served, NULL, 1));
    check(dualprop_optimizer_create(&adam, network, DUALPROP_ADAM));

    check(dualprop_context_memory(NULL, NULL, &before, context));
    if (pthread_create(&loop, NULL, control, serving) != 0) return 1;
    learn(served, network, learning, adam);
    pthread_join(loop, NULL);
    check(dualprop_context_memory(NULL, NULL, &after, context));

    qsort(microseconds, (size_t)ticks, sizeof *microseconds, ascending);
    printf("%d ticks: worst %.0f us, 99.9th percentile %.0f us, median %.0f us, %d missed\n", ticks,
           microseconds[ticks - 1], microseconds[ticks - 1 - ticks / 1000], microseconds[ticks / 2], missed);
    printf("%d refused, %llu allocations\n", busy, (unsigned long long)(after - before));
    printf("mean error %.4f in the first second, %.4f in the last\n", error[0], error[seconds - 1]);

    dualprop_optimizer_destroy(adam);
    dualprop_state_destroy(serving);
    dualprop_state_destroy(learning);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(served);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
