/*
 * own_threads.c - lets the threads of the program do the library's work.
 *
 * The library cuts its work into tasks. Which thread runs which of them changes no bit of the result.
 *
 * To compile: cc -O2 -o own_threads own_threads.c $(pkg-config --cflags --libs dualprop) -pthread
 */
#define _POSIX_C_SOURCE 200112L /* barriers */
#include <dualprop/dualprop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, INPUTS = 256, HIDDEN = 200, BATCH = 64 };

/* Threads that wait for tasks. The thread that brings them works too. */
typedef struct pool {
    pthread_t threads[THREADS];
    pthread_barrier_t begin, end; /* of a round, for all threads and the one that brings the tasks */
    void (*task)(void *argument, int64_t index);
    void *argument;
    int64_t count, rounds;
    atomic_llong next;
    int over;
} pool;

static void run_tasks(pool *self)
{
    for (int64_t i; (i = atomic_fetch_add(&self->next, 1)) < self->count;) self->task(self->argument, i);
}

static void *work(void *argument)
{
    pool *self = argument;

    for (;;) {
        pthread_barrier_wait(&self->begin);
        if (self->over) return NULL;
        run_tasks(self);
        pthread_barrier_wait(&self->end);
    }
}

/* What the library calls: run task(argument, i) for i = 0 .. count - 1, and return when all are done. */
static void parallel_for(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    pool *self = user_data;

    self->task = task;
    self->argument = argument;
    self->count = count;
    self->next = 0;
    self->rounds++;
    pthread_barrier_wait(&self->begin);
    run_tasks(self);
    pthread_barrier_wait(&self->end);
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Learn from the same start, and copy the first layer's weights out. */
static void train(float *weights, dualprop_state *state, dualprop_network *network)
{
    static float images[BATCH * INPUTS];
    static int32_t labels[BATCH];
    dualprop_view view = { sizeof view, weights, DUALPROP_F32, 2, { INPUTS, HIDDEN }, { HIDDEN, 1 } };
    dualprop_optimizer *optimizer;

    srand(1);
    for (int i = 0; i < BATCH * INPUTS; i++) images[i] = (float)rand() / (float)RAND_MAX;
    for (int i = 0; i < BATCH; i++) labels[i] = images[i * INPUTS] > 0.5f;
    check(dualprop_network_initialize(network, 1));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    for (int step = 0; step < 50; step++) check(dualprop_learn(optimizer, state, images, labels, BATCH));
    check(dualprop_network_read(&view, network, "layer1.weight"));
    dualprop_optimizer_destroy(optimizer);
}

int main(void)
{
    static pool own;
    static float alone[INPUTS * HIDDEN], together[INPUTS * HIDDEN];
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;

    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL)); /* one thread: the caller's */
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    train(alone, state, network);

    if (pthread_barrier_init(&own.begin, NULL, THREADS + 1) != 0) return 1;
    if (pthread_barrier_init(&own.end, NULL, THREADS + 1) != 0) return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&own.threads[i], NULL, work, &own) != 0) return 1;
    check(dualprop_context_set_parallel_for(context, parallel_for, &own, THREADS + 1));
    train(together, state, network);
    printf("own threads ran %ld rounds of tasks; %s\n", (long)own.rounds,
           memcmp(alone, together, sizeof alone) == 0 ? "the same bits" : "other bits");

    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    own.over = 1;
    pthread_barrier_wait(&own.begin);
    for (int i = 0; i < THREADS; i++) pthread_join(own.threads[i], NULL);
}
