/*
 * fuzz_checkpoint.c - hands arbitrary bytes to the checkpoint reader, and what it makes of them to everything that uses
 * it.
 *
 * A harness for libFuzzer; tests/fuzz/replay.c runs it on files if there is none. Whatever the bytes are, every call
 * must return, and nothing may leak.
 */
#include <dualprop/dualprop.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void visit(const dualprop_checkpoint *checkpoint)
{
    int64_t count = 0;
    if (dualprop_checkpoint_tensor_count(&count, checkpoint) != DUALPROP_OK) abort();
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        dualprop_view view = { .struct_size = sizeof view };
        if (dualprop_checkpoint_tensor(&name, &view, checkpoint, i) != DUALPROP_OK) continue;
        if (dualprop_checkpoint_find(&view, checkpoint, name) != DUALPROP_OK) abort();
    }
}

static void make_again(const dualprop_checkpoint *checkpoint)
{
    dualprop_network *network = NULL;
    dualprop_rule *rule = NULL;
    dualprop_optimizer *optimizer = NULL;
    if (dualprop_checkpoint_get_rule(&rule, checkpoint) == DUALPROP_OK) dualprop_rule_destroy(rule);
    if (dualprop_checkpoint_get_network(&network, checkpoint) != DUALPROP_OK) return;
    if (dualprop_checkpoint_get_optimizer(&optimizer, checkpoint, network) == DUALPROP_OK)
        dualprop_optimizer_destroy(optimizer);
    dualprop_network_destroy(network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dualprop_context *context;
    if (context == NULL && dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL) != DUALPROP_OK) abort();
    dualprop_checkpoint *checkpoint = NULL;
    if (dualprop_checkpoint_read_memory(&checkpoint, context, data, size) != DUALPROP_OK) return 0;
    visit(checkpoint);
    make_again(checkpoint);
    dualprop_checkpoint_destroy(checkpoint);
    return 0;
}
