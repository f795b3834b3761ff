/*
 * own_memory.c - no malloc: everything lives in one array of the program, and running out of it is handled.
 *
 * All memory is allocated by the calls that create something; a training step allocates nothing.
 *
 * To compile: cc -O2 -o own_memory own_memory.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 100, CLASSES = 10, MOST = 4096 };

/* A stack of blocks in a fixed array. A block is reused if it is released before the blocks below it. */
typedef struct arena {
    _Alignas(64) unsigned char memory[2 << 20];
    size_t used;
} arena;

static void *arena_allocate(void *user_data, size_t size, size_t alignment)
{
    arena *self = user_data;
    size_t start = (self->used + alignment - 1) / alignment * alignment; /* alignment is a power of two, at most 64 */

    if (alignment > 64 || start > sizeof self->memory || size > sizeof self->memory - start) return NULL;
    self->used = start + size;
    return self->memory + start;
}

static void arena_release(void *user_data, void *pointer, size_t size)
{
    arena *self = user_data;
    unsigned char *start = pointer;

    if (start + size == self->memory + self->used) self->used -= size;
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(void)
{
    static arena own;
    static float images[MOST][INPUTS];
    static int32_t labels[MOST];
    dualprop_allocator allocator = { sizeof allocator, arena_allocate, arena_release, &own };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state = NULL;
    dualprop_optimizer *optimizer;
    uint64_t needed, before, after;
    int64_t batch = MOST;
    double loss;
    char text[512];

    for (int i = 0; i < MOST; i++) { /* the class of a sample is where its pattern is brightest */
        labels[i] = i % CLASSES;
        for (int j = 0; j < INPUTS; j++)
            images[i][j] = (float)rand() / (float)RAND_MAX + (j / (INPUTS / CLASSES) == labels[i] ? 0.5f : 0);
    }

    options.allocator = &allocator;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 128, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));

    /* A call that fails has changed nothing, so that the program may try again with less. */
    dualprop_status status = DUALPROP_ERROR_NO_MEMORY;
    for (; batch >= 1; batch /= 2) {
        status = dualprop_state_create(&state, network, rule, batch);
        if (status != DUALPROP_ERROR_NO_MEMORY) break;
        check(dualprop_last_error(text, sizeof text, NULL, context));
        check(dualprop_state_memory_needed(&needed, network, rule, batch));
        printf("a batch of %ld needs %lu KiB: %s\n", (long)batch, (unsigned long)needed / 1024, text);
    }
    check(status);
    printf("a batch of %ld fits\n", (long)batch);

    check(dualprop_context_memory(NULL, NULL, &before, context));
    for (int step = 0; step < 100; step++) {
        int64_t first = step * batch % (MOST - batch + 1);
        check(dualprop_learn(optimizer, state, images[first], labels + first, batch));
    }

    /* A step on more samples than fit: the mean gradient of several batches. */
    for (int64_t first = 0; first + batch <= MOST; first += batch) {
        check(dualprop_infer(state, images[first], labels + first, batch));
        if (first == 0) check(dualprop_gradient(optimizer, state));
        else check(dualprop_gradient_accumulate(optimizer, state));
    }
    check(dualprop_step(optimizer));
    check(dualprop_context_memory(NULL, NULL, &after, context));
    check(dualprop_evaluate(&loss, NULL, NULL, 1, state, images, labels, MOST));
    printf("allocations in 101 steps: %lu; loss %.3f\n", (unsigned long)(after - before), loss);

    dualprop_state_destroy(state);
    dualprop_optimizer_destroy(optimizer);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
