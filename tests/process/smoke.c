/*
 * smoke.c - trains, saves, loads and compares, on the library alone: for machines without Check (tests/cross.sh).
 *
 * A file written here has to be the one that every other machine writes: its checksum is printed.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 6, WIDTH = 5, OUTPUTS = 3, BATCH = 4 };

static void must(dualprop_status status, const char *call)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    (void)!dualprop_last_error(text, sizeof text, NULL, NULL);
    printf("%s: %s\n", call, text);
    exit(1);
}
#define MUST(call) must((call), #call)

/* Bytes of a file in /tmp. */
static size_t read_file(char *bytes, size_t room, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, room, file) : 0;
    if (file) fclose(file);
    return size;
}

int main(void)
{
    static char first[65536], second[65536];
    static const char *path = "dualprop-smoke.safetensors";
    float images[BATCH * INPUTS];
    int32_t labels[BATCH] = { 0, 1, 2, 1 };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network, *loaded;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;
    for (int i = 0; i < BATCH * INPUTS; i++) images[i] = (float)(i % 7) / 7.0f;
    options.threads = 2;
    MUST(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
    MUST(dualprop_network_create(&network, context, 1, 1, INPUTS));
    MUST(dualprop_network_add_dense(network, WIDTH, DUALPROP_RELU));
    MUST(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    MUST(dualprop_network_initialize(network, 1));
    MUST(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    MUST(dualprop_state_create(&state, network, rule, BATCH));
    MUST(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD));
    for (int i = 0; i < 20; i++) MUST(dualprop_learn(optimizer, state, images, labels, BATCH));
    for (int round = 0; round < 2; round++) {
        MUST(dualprop_checkpoint_create(&checkpoint, context));
        MUST(dualprop_checkpoint_put_network(checkpoint, round ? loaded : network));
        MUST(dualprop_checkpoint_put_rule(checkpoint, rule));
        MUST(dualprop_checkpoint_write(checkpoint, path));
        dualprop_checkpoint_destroy(checkpoint);
        if (round) break;
        MUST(dualprop_checkpoint_read(&checkpoint, context, path));
        MUST(dualprop_checkpoint_get_network(&loaded, checkpoint));
        dualprop_checkpoint_destroy(checkpoint);
        memset(first, 0, sizeof first);
        if (read_file(first, sizeof first, path) == 0) return 1;
    }
    size_t size = read_file(second, sizeof second, path);
    remove(path);
    if (size == 0 || memcmp(first, second, sizeof first) != 0) return printf("the second file differs\n"), 1;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)second[i]) * 0x100000001b3u;
    printf("%zu bytes, %016llx\n1 passed, 0 failed, 0 skipped\n", size, (unsigned long long)hash);
    dualprop_network_destroy(loaded);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return 0;
}
