/*
 * static_memory.c - no malloc, as in firmware: the bytes of every object are known before it is made, and each lives in
 * a static buffer of the program. One sample at a time is learned from, and a step allocates nothing.
 *
 * To compile: cc -O2 -o static_memory static_memory.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 20, HIDDEN = 32, OUTPUTS = 2, STEPS = 20000 };

/* Context, network, rule and optimizer; what learns; what only predicts. */
static _Alignas(64) unsigned char base_memory[24 << 10], learner_memory[8 << 10], server_memory[4 << 10];

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

static void add_layers(dualprop_network *network)
{
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
}

static dualprop_allocator arena_of(void *memory, size_t size)
{
    dualprop_allocator arena = { .struct_size = sizeof arena };
    check(dualprop_arena_allocator(&arena, memory, size));
    return arena;
}

static void print(const char *what, uint64_t bytes)
{
    printf("%-28s %6lu bytes\n", what, (unsigned long)bytes);
}

/* On the developer's machine: how large do the buffers have to be? Nothing of it is made but an outline. */
static void plan(dualprop_context *context, dualprop_rule *rule)
{
    dualprop_network *outline;
    uint64_t bytes;

    check(dualprop_network_create_outline(&outline, context, 1, 1, INPUTS));
    add_layers(outline);
    check(dualprop_network_memory_needed(&bytes, outline));
    print("network", bytes);
    check(dualprop_optimizer_memory_needed(&bytes, outline, DUALPROP_ADAM, 0));
    print("optimizer, Adam", bytes);
    check(dualprop_optimizer_memory_needed(&bytes, outline, DUALPROP_PLAIN_SGD, 1));
    print("optimizer, fused plain SGD", bytes);
    check(dualprop_state_memory_needed(&bytes, outline, rule, 1));
    print("state that learns", bytes);
    check(dualprop_state_memory_needed(&bytes, outline, NULL, 1));
    print("state that predicts", bytes);
    check(dualprop_rule_memory_needed(&bytes, rule));
    print("rule", bytes);
    dualprop_network_destroy(outline);
}

int main(void)
{
    dualprop_allocator base = arena_of(base_memory, sizeof base_memory);
    dualprop_allocator learner = arena_of(learner_memory, sizeof learner_memory);
    dualprop_allocator server = arena_of(server_memory, sizeof server_memory);
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *learning, *serving;
    dualprop_optimizer *optimizer;
    uint64_t bytes, before, after;
    double error = 0;

    options.allocator = &base;
    check(dualprop_context_memory_needed(&bytes, DUALPROP_BACKEND_REFERENCE, &options));
    print("context", bytes);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    plan(context, rule);

    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    add_layers(network);
    check(dualprop_network_initialize(network, 1));
    check(dualprop_optimizer_create_fused(&optimizer, network, DUALPROP_PLAIN_SGD));
    check(dualprop_context_set_allocator(context, &learner)); /* from here on, the next buffer */
    check(dualprop_state_create(&learning, network, rule, 1));
    check(dualprop_context_set_allocator(context, &server));
    check(dualprop_state_create(&serving, network, NULL, 1));

    check(dualprop_context_memory(NULL, NULL, &before, context));
    for (int step = 0; step < STEPS; step++) { /* the sum of the even inputs, and of the odd ones */
        float x[INPUTS], y[OUTPUTS] = { 0, 0 }, predicted[OUTPUTS];
        for (int i = 0; i < INPUTS; i++) {
            x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
            y[i % 2] += x[i];
        }
        dualprop_view inputs = { sizeof inputs, x, DUALPROP_F32, 2, { 1, INPUTS }, { INPUTS, 1 } };
        dualprop_view targets = { sizeof targets, y, DUALPROP_F32, 2, { 1, OUTPUTS }, { OUTPUTS, 1 } };
        check(dualprop_predict(predicted, serving, x, 1));
        if (step >= STEPS - 1000)
            for (int i = 0; i < OUTPUTS; i++) error += fabs((double)(predicted[i] - y[i])) / (1000 * OUTPUTS);
        check(dualprop_learn_view(optimizer, learning, &inputs, &targets));
    }
    check(dualprop_context_memory(&bytes, NULL, &after, context));
    print("in use", bytes);
    printf("allocations in %d steps: %lu; mean error of the last 1000: %.3f\n", STEPS, (unsigned long)(after - before),
           error);

    dualprop_state_destroy(serving);
    dualprop_state_destroy(learning);
    dualprop_optimizer_destroy(optimizer);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
