/*
 * serve.c - loads a network and predicts single samples as fast as it can, from two threads at once.
 *
 *     serve CHECKPOINT        for instance what mlp.c or stop.c has saved
 *
 * To compile: cc -O2 -o serve serve.c $(pkg-config --cflags --libs dualprop) -pthread
 */
#include <dualprop/dualprop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 2, PREDICTIONS = 2000 };

/* A thread's own state; the network is shared. */
typedef struct server {
    pthread_t thread;
    dualprop_state *state;
    float *input, *probabilities;
    int64_t inputs;
    double microseconds; /* of a prediction, on average */
} server;

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static void *serve(void *argument)
{
    server *self = argument;
    struct timespec start, end;

    timespec_get(&start, TIME_UTC);
    for (int i = 0; i < PREDICTIONS; i++) {
        self->input[i % self->inputs] = (float)(i % 5) / 5; /* the world changes */
        check(dualprop_predict_probabilities(self->probabilities, self->state, self->input, 1));
    }
    timespec_get(&end, TIME_UTC);
    double nanoseconds = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    self->microseconds = nanoseconds / 1e3 / PREDICTIONS;
    return NULL;
}

int main(int argc, char **argv)
{
    static server servers[THREADS];
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    dualprop_network *network;
    dualprop_layer *layer;
    int layers, activation;
    int64_t parameters, inputs, outputs;

    if (argc != 2) return fprintf(stderr, "usage: serve CHECKPOINT\n"), 2;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_checkpoint_read(&checkpoint, context, argv[1]));
    check(dualprop_checkpoint_get_network(&network, checkpoint));
    dualprop_checkpoint_destroy(checkpoint);

    check(dualprop_network_info(&layers, &parameters, &inputs, &outputs, network));
    printf("%ld parameters, %ld inputs", (long)parameters, (long)inputs);
    for (int i = 1; i <= layers; i++) {
        int64_t width;
        check(dualprop_network_layer(&layer, network, i));
        check(dualprop_layer_info(NULL, &width, &activation, layer));
        printf(", %ld %s", (long)width, dualprop_name(DUALPROP_NAMES_ACTIVATION, activation));
    }
    printf("\n");

    for (server *s = servers; s < servers + THREADS; s++) {
        check(dualprop_state_create(&s->state, network, NULL, 1)); /* without a rule a state predicts and evaluates */
        s->inputs = inputs;
        s->input = calloc((size_t)inputs, sizeof(float));
        s->probabilities = calloc((size_t)outputs, sizeof(float));
        if (s->input == NULL || s->probabilities == NULL) return 1;
        if (pthread_create(&s->thread, NULL, serve, s) != 0) return 1;
    }
    for (server *s = servers; s < servers + THREADS; s++) {
        pthread_join(s->thread, NULL);
        printf("%d predictions, %.1f microseconds each; the last one:", PREDICTIONS, s->microseconds);
        for (int64_t i = 0; i < outputs; i++) printf(" %.3f", (double)s->probabilities[i]);
        printf("\n");
        dualprop_state_destroy(s->state);
        free(s->input);
        free(s->probabilities);
    }
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
