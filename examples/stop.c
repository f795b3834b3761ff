/*
 * stop.c - trains until Ctrl-C or for a second, whichever comes first; then saves what it has learned and ends.
 *
 *     stop [CHECKPOINT]
 *
 * To compile: cc -O2 -o stop stop.c $(pkg-config --cflags --libs dualprop)
 */
#define _POSIX_C_SOURCE 200809L
#include <dualprop/dualprop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INPUTS = 64, CLASSES = 2, SAMPLES = 1000, BATCH = 50 };

static dualprop_context *context; /* for the signal handler */

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Cancelling stores one flag; that is all a signal handler may do. */
static void on_signal(int number)
{
    (void)number;
    dualprop_status ignored = dualprop_context_cancel(context);
    (void)ignored;
}

/* Write what is needed to use the network, or to go on with learning. */
static void save(const char *path, dualprop_network *network, dualprop_rule *rule, dualprop_optimizer *optimizer,
                 int64_t steps)
{
    dualprop_checkpoint *checkpoint;
    char text[32];

    snprintf(text, sizeof text, "%ld", (long)steps);
    check(dualprop_checkpoint_create(&checkpoint, context));
    check(dualprop_checkpoint_put_network(checkpoint, network));
    check(dualprop_checkpoint_put_rule(checkpoint, rule));
    check(dualprop_checkpoint_put_optimizer(checkpoint, optimizer));
    check(dualprop_checkpoint_put_text(checkpoint, "steps", text));
    check(dualprop_checkpoint_write(checkpoint, path));
    dualprop_checkpoint_destroy(checkpoint);
}

int main(int argc, char **argv)
{
    static float images[SAMPLES][INPUTS];
    static int32_t labels[SAMPLES];
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_status status = DUALPROP_OK;
    int64_t steps = 0, made, correct;

    for (int i = 0; i < SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) images[i][j] = (float)rand() / (float)RAND_MAX;
        labels[i] = images[i][0] + images[i][1] > 1;
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));

    struct sigaction action = { .sa_handler = on_signal };
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGALRM, &action, NULL) != 0) return 1;
    alarm(1);
    for (int64_t first = 0; status == DUALPROP_OK; steps++, first = (first + BATCH) % SAMPLES)
        status = dualprop_learn(optimizer, state, images[first], labels + first, BATCH);
    if (status != DUALPROP_ERROR_CANCELLED) check(status);
    printf("stopped: %s\n", dualprop_status_message(status));

    /* The step that was cancelled was not made, in full or in part. */
    check(dualprop_context_resume(context));
    check(dualprop_optimizer_info(NULL, &made, NULL, optimizer));
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, images, labels, SAMPLES));
    printf("steps begun but not made: %ld\n", (long)(steps - made));
    printf("correct: %.1f %%\n", 100.0 * (double)correct / SAMPLES);
    if (argc > 1) save(argv[1], network, rule, optimizer, made);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
