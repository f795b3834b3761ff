/*
 * fuzz_model.c - a whole model with hostile contents: a file whose frame is valid, and whose texts and numbers are the
 * fuzzer's. What loads learns, is saved, and loads again: nothing that a step leaves may be refused.
 *
 * The input is five texts (network, rule, optimizer, feedback, state), each ended by a zero byte, and then the elements
 * of all tensors, as far as it goes; the tensors are those of a network 3-2-2 under Adam.
 */
#include <dualprop/dualprop.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* clang-format off */
static const struct { const char *name; int rows, columns; } tensors[] = {
    { "layer1.weight", 3, 2 }, { "layer1.bias", 2, 0 }, { "layer2.weight", 2, 2 }, { "layer2.bias", 2, 0 },
    { "optimizer.layer1.weight.moment1", 3, 2 }, { "optimizer.layer1.weight.moment2", 3, 2 },
    { "optimizer.layer1.bias.moment1", 2, 0 }, { "optimizer.layer1.bias.moment2", 2, 0 },
    { "optimizer.layer2.weight.moment1", 2, 2 }, { "optimizer.layer2.weight.moment2", 2, 2 },
    { "optimizer.layer2.bias.moment1", 2, 0 }, { "optimizer.layer2.bias.moment2", 2, 0 },
    { "layer1.feedback", 3, 2 }, { "layer2.feedback", 2, 2 },
};
/* clang-format on */
enum { TENSORS = sizeof tensors / sizeof *tensors };

static char file[1 << 17];
static size_t length;

static void put(const char *text)
{
    size_t more = strlen(text);
    if (length + more < sizeof file) memcpy(file + length, text, more), length += more;
}

static void put_quoted(const uint8_t *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    put("\"");
    for (size_t i = 0; i < size; i++) {
        char escaped[8] = { (char)text[i] };
        if (text[i] == '"' || text[i] == '\\') snprintf(escaped, sizeof escaped, "\\%c", text[i]);
        else if (text[i] < 0x20 || text[i] >= 0x7f)
            snprintf(escaped, sizeof escaped, "\\u00%c%c", digits[text[i] >> 4], digits[text[i] & 15]);
        put(escaped);
    }
    put("\"");
}

/* The frame around the input. */
static void build(const uint8_t *data, size_t size)
{
    static const char *const keys[] = { "network", "rule", "optimizer", "feedback", "state" };
    size_t at = 0, offset = 0;
    char text[200];
    length = 8;
    put("{\"__metadata__\":{");
    for (int i = 0; i < 5; i++) {
        const uint8_t *end = at < size ? memchr(data + at, 0, size - at) : NULL;
        size_t piece = end ? (size_t)(end - data) - at : size - at;
        if (piece > 4000) piece = 4000;
        if (piece > 0) {
            put(file[length - 1] == '{' ? "\"" : ",\"");
            put(keys[i]);
            put("\":");
            put_quoted(data + at, piece);
        }
        at = end ? (size_t)(end - data) + 1 : size;
    }
    put("}");
    for (int i = 0; i < TENSORS; i++) {
        size_t bytes = (size_t)tensors[i].rows * (size_t)(tensors[i].columns ? tensors[i].columns : 1) * 4;
        if (tensors[i].columns)
            snprintf(text, sizeof text, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}",
                     tensors[i].name, tensors[i].rows, tensors[i].columns, offset, offset + bytes);
        else
            snprintf(text, sizeof text, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}",
                     tensors[i].name, tensors[i].rows, offset, offset + bytes);
        put(text);
        offset += bytes;
    }
    put("}");
    for (int i = 0; i < 8; i++) file[i] = (char)((length - 8) >> 8 * i & 0xff);
    memset(file + length, 0, offset);
    if (at < size) memcpy(file + length, data + at, size - at < offset ? size - at : offset);
    length += offset;
}

struct model {
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_optimizer *optimizer;
    dualprop_state *state;
};

static void destroy(struct model *model)
{
    dualprop_state_destroy(model->state);
    dualprop_optimizer_destroy(model->optimizer);
    dualprop_rule_destroy(model->rule);
    dualprop_network_destroy(model->network);
}

static dualprop_status load(struct model *model, const dualprop_checkpoint *checkpoint)
{
    dualprop_status status = dualprop_checkpoint_get_network(&model->network, checkpoint);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_rule(&model->rule, checkpoint);
    if (status == DUALPROP_OK)
        status = dualprop_checkpoint_get_optimizer(&model->optimizer, checkpoint, model->network);
    if (status == DUALPROP_OK) status = dualprop_state_create(&model->state, model->network, model->rule, 2);
    if (status == DUALPROP_OK) (void)!dualprop_checkpoint_get_state(model->state, checkpoint);
    return status;
}

static void must(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    (void)!dualprop_last_error(text, sizeof text, NULL, NULL);
    fprintf(stderr, "%s\n", text);
    abort();
}

static void save_and_load(dualprop_context *context, const struct model *model)
{
    char path[64];
    dualprop_checkpoint *checkpoint;
    struct model again = { NULL, NULL, NULL, NULL };
    snprintf(path, sizeof path, "/dev/shm/fuzz-model-%ld", (long)getpid());
    must(dualprop_checkpoint_create(&checkpoint, context));
    must(dualprop_checkpoint_put_network(checkpoint, model->network));
    must(dualprop_checkpoint_put_rule(checkpoint, model->rule));
    must(dualprop_checkpoint_put_optimizer(checkpoint, model->optimizer));
    must(dualprop_checkpoint_put_state(checkpoint, model->state));
    must(dualprop_checkpoint_write(checkpoint, path));
    dualprop_checkpoint_destroy(checkpoint);
    must(dualprop_checkpoint_read(&checkpoint, context, path));
    must(load(&again, checkpoint));
    destroy(&again);
    dualprop_checkpoint_destroy(checkpoint);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dualprop_context *context;
    static const float images[6] = { 1, 0.5f, -1, 0, 2, 0.25f };
    static const int32_t labels[2] = { 1, 0 };
    struct model model = { NULL, NULL, NULL, NULL };
    dualprop_checkpoint *checkpoint = NULL;
    int64_t inputs = 0, outputs = 0;
    if (context == NULL && dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL) != DUALPROP_OK) abort();
    build(data, size);
    if (dualprop_checkpoint_read_memory(&checkpoint, context, file, length) != DUALPROP_OK) return 0;
    if (load(&model, checkpoint) == DUALPROP_OK &&
        dualprop_network_info(NULL, NULL, &inputs, &outputs, model.network) == DUALPROP_OK && inputs == 3 &&
        outputs == 2) {
        for (int i = 0; i < 3; i++) (void)!dualprop_learn(model.optimizer, model.state, images, labels, 2);
        save_and_load(context, &model);
    }
    destroy(&model);
    dualprop_checkpoint_destroy(checkpoint);
    return 0;
}
