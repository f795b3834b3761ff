/*
 * test_arguments.c - every public function with every bad argument: the right status, an error that names the
 * argument, no output touched, and nothing changed.
 *
 * One sweep per function; the list at the end is compared with the headers, so that a function cannot be forgotten.
 * Each sweep runs on one small world of all kinds of objects. Before and after it a copy of everything the objects
 * hold is compared, bytes of structs and of arrays.
 */
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/backend.h>
#include <dualprop/dualprop.h>

#include "main.h"
#include "core/learning/learning.h"
#include "support/expect.h"

Suite *test_arguments_suite(void);

#define INPUTS 4
#define HIDDEN 3
#define CLASSES 2
#define CAPACITY 5
#define COUNT 3

/* ---- memory that stays readable after it was released, so that dead handles can be looked at ---- */

static void *graveyard[4096];
static int buried;

static void *grave_allocate(void *user_data, size_t size, size_t alignment)
{
    (void)user_data;
    return size > (size_t)1 << 40 ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void grave_release(void *user_data, void *pointer, size_t size)
{
    (void)user_data;
    (void)size;
    if (buried < (int)(sizeof graveyard / sizeof graveyard[0])) graveyard[buried++] = pointer;
    else free(pointer);
}

static const dualprop_allocator GRAVE = { sizeof(dualprop_allocator), grave_allocate, grave_release, NULL };

/* ---- the world ---- */

enum kind { CONTEXT, NETWORK, LAYER, RULE, STATE, OPTIMIZER, CHECKPOINT, DIAGNOSTICS, KINDS };

/* One object of each kind. */
struct world {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_layer *layer;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;
    dualprop_diagnostics *diagnostics;
};

static struct world own, foreign, dead; /* foreign is alive, in another context */
static float images[COUNT * INPUTS], scores[COUNT * CLASSES], values[64];
static int32_t labels[COUNT];

/* What the calls under test may only touch on success. */
static struct outputs {
    int i[6];
    int64_t n[DUALPROP_MAX_RANK];
    uint64_t u[3];
    double d[4];
    size_t size;
    char text[64];
    float reals[64];
    const char *name;
    dualprop_view view;
} out;

static struct world world_create(void)
{
    struct world made;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.allocator = &GRAVE;
    expect_ok(dualprop_context_create(&made.context, DUALPROP_BACKEND_REFERENCE, &options));
    expect_ok(dualprop_network_create(&made.network, made.context, 2, 2, 1));
    expect_ok(dualprop_network_add_dense(made.network, HIDDEN, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(made.network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made.network, 1));
    expect_ok(dualprop_network_layer(&made.layer, made.network, 1));
    expect_ok(dualprop_rule_create(&made.rule, made.context, DUALPROP_DP));
    expect_ok(dualprop_state_create(&made.state, made.network, made.rule, CAPACITY));
    expect_ok(dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_ADAM));
    expect_ok(dualprop_infer(made.state, images, labels, COUNT));
    expect_ok(dualprop_update(made.optimizer, made.state));
    expect_ok(dualprop_infer(made.state, images, labels, COUNT));
    expect_ok(dualprop_gradient(made.optimizer, made.state));
    expect_ok(dualprop_checkpoint_create(&made.checkpoint, made.context));
    expect_ok(dualprop_checkpoint_put_network(made.checkpoint, made.network));
    expect_ok(dualprop_checkpoint_put_rule(made.checkpoint, made.rule));
    expect_ok(dualprop_checkpoint_put_optimizer(made.checkpoint, made.optimizer));
    expect_ok(dualprop_checkpoint_put_text(made.checkpoint, "note", "kept"));
    dualprop_view inputs = matrix_view(images, DUALPROP_F32, COUNT, INPUTS);
    dualprop_view targets = vector_view(labels, DUALPROP_I32, COUNT);
    expect_ok(dualprop_diagnostics_create(&made.diagnostics, made.network, DUALPROP_MSE, CAPACITY));
    expect_ok(dualprop_diagnostics_twin(made.diagnostics, &inputs, &targets));
    return made;
}

static void world_destroy(struct world *of)
{
    dualprop_diagnostics_destroy(of->diagnostics);
    dualprop_checkpoint_destroy(of->checkpoint);
    dualprop_optimizer_destroy(of->optimizer);
    dualprop_state_destroy(of->state);
    dualprop_rule_destroy(of->rule);
    dualprop_network_destroy(of->network);
    dualprop_context_destroy(of->context);
}

static void setup(void)
{
    for (int i = 0; i < COUNT * INPUTS; i++) images[i] = (float)(i % 5) / 4;
    for (int i = 0; i < COUNT; i++) labels[i] = i % CLASSES;
    own = world_create();
    foreign = world_create();
    dead = world_create();
    world_destroy(&dead);
    memset(&out, 0x5A, sizeof out);
}

static void teardown(void)
{
    world_destroy(&foreign);
    world_destroy(&own);
    while (buried > 0) free(graveyard[--buried]);
}

/* ---- everything the objects hold ---- */

struct copy {
    size_t size, room;
    char *bytes;
};

static void add_bytes(struct copy *copy, const void *bytes, size_t size)
{
    if (copy->size + size > copy->room) copy->bytes = realloc(copy->bytes, copy->room = 2 * (copy->size + size));
    ck_assert_ptr_nonnull(copy->bytes);
    memcpy(copy->bytes + copy->size, bytes, size);
    copy->size += size;
}

static void add_network(struct copy *copy, const dualprop_network *network)
{
    add_bytes(copy, network, sizeof *network);
    add_bytes(copy, network->mean, (size_t)network->channels * sizeof(double));
    add_bytes(copy, network->deviation, (size_t)network->channels * sizeof(double));
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        add_bytes(copy, layer, sizeof *layer);
        add_bytes(copy, layer->weight, (size_t)layer->weight_elements * sizeof(float));
        add_bytes(copy, layer->bias, (size_t)layer->bias_elements * sizeof(float));
    }
}

static void add_optimizer(struct copy *copy, const dualprop_optimizer *optimizer)
{
    add_bytes(copy, optimizer, sizeof *optimizer);
    for (int k = 0; k < optimizer->network->layer_count; k++) {
        const dualprop_layer *layer = optimizer->network->layers[k];
        const struct dualprop__learning *learning = &optimizer->layers[k];
        size_t weight = (size_t)layer->weight_elements * sizeof(float);
        size_t bias = (size_t)layer->bias_elements * sizeof(float);
        add_bytes(copy, learning->weight_gradient, weight);
        add_bytes(copy, learning->bias_gradient, bias);
        for (int i = 0; i < 4; i++) add_bytes(copy, learning->moments[i], i < 2 ? weight : bias);
    }
}

static void add_state(struct copy *copy, const dualprop_state *state)
{
    add_bytes(copy, state, sizeof *state);
    add_bytes(copy, state->dyads, (size_t)(state->layer_count + 1) * sizeof *state->dyads);
    add_bytes(copy, state->plan.arena, state->plan.arena_bytes);
}

static void add_checkpoint(struct copy *copy, const dualprop_checkpoint *checkpoint)
{
    int64_t count;
    char text[64];
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        dualprop_view view;
        expect_ok(dualprop_checkpoint_tensor(&name, &view, checkpoint, i));
        add_bytes(copy, name, strlen(name));
        add_bytes(copy, view.data, (size_t)dualprop__view_count(&view) * dualprop__type_size(view.type));
    }
    memset(text, 0, sizeof text);
    expect_ok(dualprop_checkpoint_get_text(text, sizeof text, NULL, checkpoint, "note"));
    add_bytes(copy, text, sizeof text);
}

/* Of the context only what calls set: it also keeps its last error and counts its allocations. */
static void add_context(struct copy *copy, const dualprop_context *context)
{
    int cancelled = atomic_load(&context->cancelled);
    uint64_t memory = atomic_load(&context->memory_current);
    add_bytes(copy, context->limits, sizeof context->limits);
    add_bytes(copy, &context->threads, sizeof context->threads);
    add_bytes(copy, &context->log_level, sizeof context->log_level);
    add_bytes(copy, &context->log, sizeof context->log);
    add_bytes(copy, &context->run, sizeof context->run);
    add_bytes(copy, &cancelled, sizeof cancelled);
    add_bytes(copy, &memory, sizeof memory);
}

static struct copy copy_world(const struct world *of)
{
    struct copy copy = { 0, 0, NULL };
    add_context(&copy, of->context);
    add_network(&copy, of->network);
    add_bytes(&copy, of->rule, sizeof *of->rule);
    add_optimizer(&copy, of->optimizer);
    add_state(&copy, of->state);
    add_checkpoint(&copy, of->checkpoint);
    add_bytes(&copy, images, sizeof images);
    add_bytes(&copy, labels, sizeof labels);
    return copy;
}

static void expect_unchanged(struct copy *before, const struct world *of, const char *function)
{
    struct copy after = copy_world(of);
    size_t i = 0;
    while (i < before->size && before->bytes[i] == after.bytes[i]) i++;
    ck_assert_msg(after.size == before->size && i == before->size, "a refused call of %s changed something (byte %zu)",
                  function, i);
    free(after.bytes);
    free(before->bytes);
}

static void expect_outputs_untouched(const char *function)
{
    const unsigned char *bytes = (const unsigned char *)&out;
    for (size_t i = 0; i < sizeof out; i++)
        ck_assert_msg(bytes[i] == 0x5A, "a refused call of %s wrote to an output (byte %zu)", function, i);
}

/* ---- bad handles ---- */

static void *handle_of(const struct world *of, int kind)
{
    void *const handles[KINDS] = { of->context, of->network, of->layer, of->rule, of->state, of->optimizer,
                                   of->checkpoint, of->diagnostics };
    return handles[kind];
}

#define BAD_HANDLES (KINDS + 2)

/* Bad handle number i for a kind: NULL, a dead one, no handle at all, or a living one of another kind. */
static void *bad_handle(int kind, int i)
{
    static uint64_t nothing[8];
    if (i == 0) return NULL;
    if (i == 1) return handle_of(&dead, kind);
    if (i == 2) return nothing;
    int other = i - 3 < kind ? i - 3 : i - 2;
    return handle_of(&own, other);
}

#define INVALID(word, call) expect_error(call, DUALPROP_ERROR_INVALID_ARGUMENT, word)

/* The call, made with every bad handle in `bad`. */
#define HANDLES(type, kind, word, call)                                                                           \
    for (int bad_index = 0; bad_index < BAD_HANDLES; bad_index++) {                                               \
        dualprop_##type *bad = bad_handle(kind, bad_index);                                                       \
        expect_error(call, bad_index == 0 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_HANDLE, word);       \
    }

/* The call that makes something, made with every bad handle; it must also set `made` to NULL. */
#define HANDLES_OF_CREATE(type, kind, word, made, call)                                                           \
    for (int bad_index = 0; bad_index < BAD_HANDLES; bad_index++) {                                               \
        dualprop_##type *bad = bad_handle(kind, bad_index);                                                       \
        (made) = (void *)&out;                                                                                    \
        expect_error(call, bad_index == 0 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_HANDLE, word);       \
        ck_assert_ptr_null(made);                                                                                 \
    }

/* A refused call that makes something sets it to NULL. */
#define NOTHING(made, status, word, call)                                                                         \
    do {                                                                                                          \
        (made) = (void *)&out;                                                                                    \
        expect_error(call, status, word);                                                                         \
        ck_assert_ptr_null(made);                                                                                 \
    } while (0)

/* The call, made with each of some numbers in `bad`. */
#define NUMBERS(type, word, call, ...)                                                                            \
    do {                                                                                                          \
        const type bad_numbers[] = { __VA_ARGS__ };                                                               \
        for (size_t bad_index = 0; bad_index < sizeof bad_numbers / sizeof bad_numbers[0]; bad_index++) {         \
            type bad = bad_numbers[bad_index];                                                                    \
            INVALID(word, call);                                                                                  \
        }                                                                                                         \
    } while (0)

#define NO_NUMBERS NAN, -NAN, INFINITY, -INFINITY

/* ---- bad views ---- */

enum {
    VIEW_NULL, VIEW_NO_SIZE, VIEW_SHORT, VIEW_LONG, VIEW_NO_DATA, VIEW_MISALIGNED, VIEW_NO_TYPE, VIEW_UNKNOWN_TYPE,
    VIEW_WRONG_TYPE, VIEW_NEGATIVE_RANK, VIEW_HUGE_RANK, VIEW_NEGATIVE_EXTENT, VIEW_HUGE_EXTENT, VIEW_HUGE_STRIDE,
    VIEW_OTHER_RANK, VIEW_EMPTY, VIEW_OTHER_EXTENT, BAD_VIEWS, /* the last three are fine for tensors of any shape */
    BAD_VIEWS_OF_ANY_SHAPE = VIEW_OTHER_RANK
};

static dualprop_status bad_view_status(int i)
{
    return i == VIEW_HUGE_EXTENT || i == VIEW_HUGE_STRIDE ? DUALPROP_ERROR_RANGE : DUALPROP_ERROR_INVALID_ARGUMENT;
}

/* Make a good view bad in way number i. */
static dualprop_view *bad_view(dualprop_view *view, const dualprop_view *good, int wrong_type, int i)
{
    *view = *good;
    switch (i) {
    case VIEW_NULL: return NULL;
    case VIEW_NO_SIZE: view->struct_size = 0; break;
    case VIEW_SHORT: view->struct_size--; break;
    case VIEW_LONG: view->struct_size = UINT64_MAX; break;
    case VIEW_NO_DATA: view->data = NULL; break;
    case VIEW_MISALIGNED: view->data = (char *)view->data + 1; break;
    case VIEW_NO_TYPE: view->type = 0; break;
    case VIEW_UNKNOWN_TYPE: view->type = 1 << 30; break;
    case VIEW_WRONG_TYPE: view->type = wrong_type; break;
    case VIEW_NEGATIVE_RANK: view->rank = -1; break;
    case VIEW_HUGE_RANK: view->rank = DUALPROP_MAX_RANK + 1; break;
    case VIEW_NEGATIVE_EXTENT: view->shape[0] = -1; break;
    case VIEW_HUGE_EXTENT: view->shape[0] = INT64_MAX; break;
    case VIEW_HUGE_STRIDE: view->strides[view->rank - 1] = INT64_MIN; break;
    case VIEW_OTHER_RANK: view->rank = 0; break;
    case VIEW_EMPTY: view->shape[0] = 0; break;
    case VIEW_OTHER_EXTENT: view->shape[view->rank - 1]++; break;
    }
    return view;
}

/* The call, made with `good` spoilt in the first `ways` ways in `bad`. */
#define VIEWS(good, wrong_type, ways, word, call)                                                                 \
    for (int bad_index = 0; bad_index < (ways); bad_index++) {                                                    \
        dualprop_view spoilt, *bad = bad_view(&spoilt, &(good), wrong_type, bad_index);                           \
        expect_error(call, bad_view_status(bad_index), word);                                                     \
    }

/* The same for a view that is filled: there a broadcast has no place for every element. */
#define OUTPUT_VIEWS(good, wrong_type, word, call)                                                                \
    do {                                                                                                          \
        VIEWS(good, wrong_type, BAD_VIEWS, word, call)                                                            \
        dualprop_view broadcast = (good), *bad = &broadcast;                                                      \
        broadcast.strides[0] = 0;                                                                                 \
        INVALID(word, call);                                                                                      \
    } while (0)

static dualprop_view image_view(void)
{
    return matrix_view(images, DUALPROP_F32, COUNT, INPUTS);
}

static dualprop_view label_view(void)
{
    return vector_view(labels, DUALPROP_I32, COUNT);
}

/* ---- status.h, types.h, version.h ---- */

static void sweep_status_name(void)
{
    ck_assert_str_eq(dualprop_status_name(-1), "unknown status");
    ck_assert_str_eq(dualprop_status_name(5), "unknown status");
    ck_assert_str_eq(dualprop_status_name(INT32_MAX), "unknown status");
}

static void sweep_status_message(void)
{
    ck_assert_str_eq(dualprop_status_message(-1), "unknown status");
    ck_assert_str_eq(dualprop_status_message(INT32_MIN), "unknown status");
}

static void sweep_name(void)
{
    static const int NONE[] = { -1, 99, INT32_MIN, INT32_MAX };
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_null(dualprop_name(NONE[i], 0));
        ck_assert_ptr_null(dualprop_name(DUALPROP_NAMES_RULE, NONE[i]));
    }
    ck_assert_ptr_null(dualprop_name(DUALPROP_NAMES_TYPE, 0));
}

static void sweep_from_name(void)
{
    INVALID("value", dualprop_from_name(NULL, DUALPROP_NAMES_RULE, "dp"));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, NULL));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, ""));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "relu"));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "dp-adjoint "));
    INVALID("name", dualprop_from_name(out.i, DUALPROP_NAMES_RULE, "%s%s%n"));
    NUMBERS(int, "group", dualprop_from_name(out.i, bad, "dp"), -1, 14, INT32_MIN, INT32_MAX);
    INVALID("mse, ce, cross-entropy", dualprop_from_name(out.i, DUALPROP_NAMES_LOSS, "hinge"));
    int found = -1;
    expect_ok(dualprop_from_name(&found, DUALPROP_NAMES_ACTIVATION, "Leaky_ReLU"));
    ck_assert_int_eq(found, DUALPROP_LEAKY_RELU);
}

static void sweep_version(void)
{
    ck_assert_uint_eq(dualprop_version(), DUALPROP_VERSION);
}

static void sweep_version_string(void)
{
    ck_assert_ptr_nonnull(dualprop_version_string());
}

static void sweep_build_info(void)
{
    ck_assert_ptr_nonnull(dualprop_build_info());
}

/* ---- context.h ---- */

static dualprop_context *made_context;

#define CONTEXT_IS_REFUSED(status, word)                                                                          \
    NOTHING(made_context, status, word,                                                                           \
            dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &options))

#define BAD_OPTION(member, word, ...)                                                                             \
    do {                                                                                                          \
        const int64_t bad_values[] = { __VA_ARGS__ };                                                             \
        for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) {                                   \
            dualprop_options options = DUALPROP_OPTIONS_INIT;                                                     \
            options.member = (int32_t)bad_values[i];                                                              \
            CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, word);                                            \
        }                                                                                                         \
    } while (0)

/* A struct of functions with one of its pointers left out. */
#define INCOMPLETE(option, type, complete, pointers)                                                              \
    do {                                                                                                          \
        dualprop_options options = DUALPROP_OPTIONS_INIT;                                                         \
        for (int i = -2; i < (pointers); i++) {                                                                   \
            type table = (complete);                                                                              \
            if (i == -2) table.struct_size = 0;                                                                   \
            else if (i == -1) table.struct_size = UINT64_MAX;                                                     \
            else memset((char *)&table + 8 + 8 * i, 0, 8);                                                        \
            options.option = &table;                                                                              \
            CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, #option);                                         \
        }                                                                                                         \
    } while (0)

static void refuse_backend_tables(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_backend table = dualprop__reference_backend;
    options.backend = &table;
    table.struct_size = 0;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
    table = dualprop__reference_backend;
    table.api++;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_BACKEND_VERSION, "backend");
    table = dualprop__reference_backend;
    table.create = NULL;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
    table = dualprop__reference_backend;
    table.flags = 0;
    table.compare = NULL;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "backend");
}

static void refuse_option_structs(void)
{
    struct { dualprop_options options; uint64_t tail; } longer = { DUALPROP_OPTIONS_INIT, 1 };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.version = 990000;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_BACKEND_VERSION, "99.0.0");
    options = (dualprop_options)DUALPROP_OPTIONS_INIT;
    options.struct_size = 7;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "options");
    options.struct_size = UINT64_MAX;
    CONTEXT_IS_REFUSED(DUALPROP_ERROR_INVALID_ARGUMENT, "options");
    longer.options.struct_size = sizeof longer;
    INVALID("options", dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &longer.options));
    longer.tail = 0;
    expect_ok(dualprop_context_create(&made_context, DUALPROP_BACKEND_REFERENCE, &longer.options));
    dualprop_context_destroy(made_context);
}

static void sweep_context_create(void)
{
    INVALID("context", dualprop_context_create(NULL, DUALPROP_BACKEND_REFERENCE, NULL));
    NUMBERS(int, "backend", dualprop_context_create(&made_context, bad, NULL), -1, 4, INT32_MIN, INT32_MAX);
    BAD_OPTION(precision, "precision", -1, DUALPROP_U8, DUALPROP_I32, INT32_MAX);
    BAD_OPTION(threads, "threads", -2, 1025, INT32_MIN, INT32_MAX);
    BAD_OPTION(level, "level", -1, 4, INT32_MAX);
    INCOMPLETE(allocator, dualprop_allocator, own.context->allocator, 2);
    INCOMPLETE(io, dualprop_io, own.context->io, 9);
    INCOMPLETE(thread_hooks, dualprop_threads, own.context->thread_hooks, 2);
    INCOMPLETE(loader, dualprop_loader, own.context->loader, 3);
    refuse_option_structs();
    refuse_backend_tables();
}

/* Destroying takes NULL, and leaves alone what is no living handle of its kind. */
#define DESTROYS(type, kind)                                                                                      \
    for (int i = 0; i < BAD_HANDLES; i++) dualprop_##type##_destroy(bad_handle(kind, i))

static void sweep_context_destroy(void)
{
    DESTROYS(context, CONTEXT);
}

/* It never changes the last error, so its own refusals have no text. */
static void sweep_last_error(void)
{
    ck_assert_int_eq(dualprop_last_error(NULL, 1, &out.size, NULL), DUALPROP_ERROR_INVALID_ARGUMENT);
    ck_assert_int_eq(dualprop_last_error(NULL, SIZE_MAX, &out.size, own.context), DUALPROP_ERROR_INVALID_ARGUMENT);
    for (int i = 1; i < BAD_HANDLES; i++)
        ck_assert_int_eq(dualprop_last_error(out.text, sizeof out.text, &out.size, bad_handle(CONTEXT, i)),
                         DUALPROP_ERROR_HANDLE);
}

static void no_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data;
    (void)level;
    (void)component;
    (void)message;
}

static void sweep_context_set_log(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_log(bad, no_log, NULL, DUALPROP_LOG_INFO))
    NUMBERS(int, "level", dualprop_context_set_log(own.context, no_log, NULL, bad), -1, 4, INT32_MIN, INT32_MAX);
}

static void run_all(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) task(argument, i);
}

static void sweep_context_set_stream(void)
{
    int something;
    HANDLES(context, CONTEXT, "context", dualprop_context_set_stream(bad, NULL))
    expect_error(dualprop_context_set_stream(own.context, &something), DUALPROP_ERROR_UNSUPPORTED, "stream");
}

static void sweep_context_synchronize(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_synchronize(bad))
    ck_assert_int_eq(dualprop_context_synchronize(own.context), DUALPROP_OK);
}

static void sweep_context_set_parallel_for(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_parallel_for(bad, run_all, NULL, 1))
    NUMBERS(int, "threads", dualprop_context_set_parallel_for(own.context, run_all, NULL, bad), 0, -1, 1025,
            INT32_MIN, INT32_MAX);
}

static void sweep_context_cancel(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_cancel(bad))
}

static void sweep_context_resume(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_resume(bad))
}

static void sweep_context_describe(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_describe(out.text, sizeof out.text, &out.size, bad))
    INVALID("buffer", dualprop_context_describe(NULL, 1, &out.size, own.context));
}

static void sweep_context_info(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_info(&out.i[0], &out.i[1], &out.name, bad))
}

static void sweep_context_memory(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_memory(&out.u[0], &out.u[1], &out.u[2], bad))
}

static void sweep_context_set_limit(void)
{
    HANDLES(context, CONTEXT, "context", dualprop_context_set_limit(bad, DUALPROP_LIMIT_TENSORS, 1))
    NUMBERS(int, "limit", dualprop_context_set_limit(own.context, bad, 1), -1, 5, INT32_MIN, INT32_MAX);
    INVALID("value", dualprop_context_set_limit(own.context, DUALPROP_LIMIT_TENSORS, 0));
}

/* ---- network.h ---- */

static void sweep_network_create(void)
{
    dualprop_network *made;
    INVALID("network", dualprop_network_create(NULL, own.context, 1, 1, 1));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_network_create(&made, bad, 1, 1, 1))
    NUMBERS(int64_t, "height", dualprop_network_create(&made, own.context, bad, 1, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "width", dualprop_network_create(&made, own.context, 1, bad, 1), 0, -1, INT64_MIN);
    NUMBERS(int64_t, "channels", dualprop_network_create(&made, own.context, 1, 1, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "height", dualprop_network_create(&made, own.context, INT64_MAX, 2, 1));
    NOTHING(made, DUALPROP_ERROR_RANGE, "channels", dualprop_network_create(&made, own.context, 1, 1, INT64_MAX));
}

static void sweep_network_destroy(void)
{
    DESTROYS(network, NETWORK);
}

static void sweep_network_clone(void)
{
    dualprop_network *made;
    INVALID("clone", dualprop_network_clone(NULL, own.network));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_network_clone(&made, bad))
}

static void sweep_network_copy(void)
{
    HANDLES(network, NETWORK, "destination", dualprop_network_copy(bad, own.network))
    HANDLES(network, NETWORK, "source", dualprop_network_copy(own.network, bad))
}

static void sweep_network_add_dense(void)
{
    dualprop_network *open;
    HANDLES(network, NETWORK, "network", dualprop_network_add_dense(bad, 1, DUALPROP_RELU))
    expect_error(dualprop_network_add_dense(own.network, 1, DUALPROP_RELU), DUALPROP_ERROR_INVALID_STATE, "network");
    expect_ok(dualprop_network_create(&open, own.context, 1, 1, 2));
    struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
    add_network(&before, open);
    NUMBERS(int64_t, "outputs", dualprop_network_add_dense(open, bad, DUALPROP_RELU), 0, -1, INT64_MIN);
    NUMBERS(int, "activation", dualprop_network_add_dense(open, 1, bad), -1, 10, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_add_dense(open, INT64_MAX, DUALPROP_RELU), DUALPROP_ERROR_RANGE, "outputs");
    add_network(&after, open);
    ck_assert(before.size == after.size && memcmp(before.bytes, after.bytes, before.size) == 0);
    free(before.bytes);
    free(after.bytes);
    dualprop_network_destroy(open);
}

/* A network of images that is open for more layers, with one convolutional layer; the calls may not change it. */
static dualprop_network *open_images(void)
{
    dualprop_network *open;
    static const int64_t three[2] = { 3, 3 };
    expect_ok(dualprop_network_create(&open, own.context, 6, 5, 2));
    expect_ok(dualprop_network_add_convolution(open, 3, three, NULL, NULL, DUALPROP_RELU));
    return open;
}

typedef dualprop_status (*add_images)(dualprop_network *network, int64_t channels, const int64_t kernel[2],
                                      const int64_t stride[2], const int64_t padding[2], int activation);

#define PAIRS(word, call, ...)                                                                                    \
    do {                                                                                                          \
        static const int64_t bad_pairs[][2] = { __VA_ARGS__ };                                                    \
        for (size_t bad_index = 0; bad_index < sizeof bad_pairs / sizeof bad_pairs[0]; bad_index++) {             \
            const int64_t *bad = bad_pairs[bad_index];                                                            \
            INVALID(word, call);                                                                                  \
        }                                                                                                         \
    } while (0)

static void refuse_image_layers(dualprop_network *open, add_images add)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 }, huge[2] = { INT64_MAX, 1 }, none[2] = { 0, 0 };
    NUMBERS(int64_t, "channels", add(open, bad, three, NULL, NULL, 0), 0, -1, INT64_MIN);
    INVALID("kernel", add(open, 1, NULL, NULL, NULL, 0));
    PAIRS("kernel", add(open, 1, bad, NULL, NULL, 0), { 0, 3 }, { 3, -1 }, { INT64_MIN, 3 });
    PAIRS("kernel", add(open, 1, bad, NULL, none, 0), { 7, 3 }, { 3, 6 }, { 3, INT64_MAX });
    PAIRS("stride", add(open, 1, three, bad, NULL, 0), { 0, 1 }, { 1, 0 }, { 1, -1 }, { INT64_MIN, 1 });
    PAIRS("padding", add(open, 1, three, NULL, bad, 0), { -1, 0 }, { 0, -1 }, { 3, 0 }, { 0, INT64_MAX });
    INVALID("padding", add(open, 1, two, NULL, NULL, 0));
    NUMBERS(int, "activation", add(open, 1, three, NULL, NULL, bad), -1, 10, INT32_MIN, INT32_MAX);
    expect_error(add(open, INT64_MAX, three, NULL, NULL, 0), DUALPROP_ERROR_RANGE, "channels");
    expect_error(add(open, 1, huge, NULL, huge, 0), DUALPROP_ERROR_INVALID_ARGUMENT, "padding");
    expect_error(add(open, 1, (int64_t[]){ INT64_MAX, 1 }, NULL, (int64_t[]){ INT64_MAX - 1, 0 }, 0),
                 DUALPROP_ERROR_RANGE, "padded");
}

static void sweep_images(add_images add)
{
    static const int64_t one[2] = { 1, 1 };
    dualprop_network *open = open_images();
    struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
    HANDLES(network, NETWORK, "network", add(bad, 1, one, NULL, NULL, 0))
    expect_error(add(own.network, 1, one, NULL, NULL, 0), DUALPROP_ERROR_INVALID_STATE, "network");
    add_network(&before, open);
    refuse_image_layers(open, add);
    add_network(&after, open);
    ck_assert(before.size == after.size && memcmp(before.bytes, after.bytes, before.size) == 0);
    free(before.bytes);
    free(after.bytes);
    dualprop_network_destroy(open);
}

static void sweep_network_add_convolution(void)
{
    sweep_images(dualprop_network_add_convolution);
}

static void sweep_network_add_local(void)
{
    sweep_images(dualprop_network_add_local);
}

static void sweep_network_add_pooling(void)
{
    static const int64_t two[2] = { 2, 2 };
    dualprop_network *open = open_images(), *empty;
    expect_ok(dualprop_network_create(&empty, own.context, 6, 5, 2));
    HANDLES(network, NETWORK, "network", dualprop_network_add_pooling(bad, DUALPROP_POOL_MAX, two, NULL))
    expect_error(dualprop_network_add_pooling(own.network, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "network");
    expect_error(dualprop_network_add_pooling(empty, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "no layers");
    NUMBERS(int, "pooling", dualprop_network_add_pooling(open, bad, two, NULL), 0, -1, 3, INT32_MIN, INT32_MAX);
    INVALID("window", dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, NULL, NULL));
    PAIRS("window", dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, bad, NULL), { 0, 2 }, { 2, -1 }, { 7, 2 },
          { 2, 6 }, { INT64_MAX, INT64_MAX });
    PAIRS("stride", dualprop_network_add_pooling(open, DUALPROP_POOL_AVERAGE, two, bad), { 0, 2 }, { 2, INT64_MIN });
    expect_ok(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL));
    expect_error(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "already");
    expect_ok(dualprop_network_add_dense(open, 2, 0));
    expect_error(dualprop_network_add_pooling(open, DUALPROP_POOL_MAX, two, NULL), DUALPROP_ERROR_INVALID_STATE,
                 "dense");
    dualprop_network_destroy(empty);
    dualprop_network_destroy(open);
}

static void sweep_network_add_flatten(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_add_flatten(bad))
    expect_error(dualprop_network_add_flatten(own.network), DUALPROP_ERROR_INVALID_STATE, "network");
}

static void sweep_network_set_initializer(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_set_initializer(bad, DUALPROP_INIT_HE, 1))
    NUMBERS(int, "initializer", dualprop_network_set_initializer(own.network, bad, 1), -1, 6, INT32_MIN, INT32_MAX);
    NUMBERS(double, "scale", dualprop_network_set_initializer(own.network, DUALPROP_INIT_HE, bad), NO_NUMBERS, -1,
            -1e-300);
}

static void sweep_network_initialize(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_initialize(bad, 1))
}

static void sweep_network_set_feedback(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_set_feedback(bad, DUALPROP_FEEDBACK_RANDOM, 1))
    NUMBERS(int, "kind", dualprop_network_set_feedback(own.network, bad, 1), -1, 4, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_set_feedback(own.network, DUALPROP_FEEDBACK_RANDOM, 1), DUALPROP_ERROR_INVALID_STATE,
                 "network");
}

static void sweep_network_read_feedback(void)
{
    dualprop_view view = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_read_feedback(&view, bad, 1))
    NUMBERS(int, "index", dualprop_network_read_feedback(&view, own.network, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_read_feedback(&view, own.network, 1), DUALPROP_ERROR_INVALID_STATE, "feedback");
}

static void sweep_network_write_feedback(void)
{
    dualprop_view view = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_write_feedback(bad, 1, &view))
    NUMBERS(int, "index", dualprop_network_write_feedback(own.network, bad, &view), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_error(dualprop_network_write_feedback(own.network, 1, &view), DUALPROP_ERROR_INVALID_STATE, "feedback");
}

static void sweep_layer_feedback(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_feedback(&out.i[0], &out.d[0], bad))
}

static void sweep_network_set_input_transform(void)
{
    double mean = 0, deviation = 1;
    HANDLES(network, NETWORK, "network", dualprop_network_set_input_transform(bad, &mean, &deviation, 1))
    INVALID("mean", dualprop_network_set_input_transform(own.network, NULL, &deviation, 1));
    INVALID("deviation", dualprop_network_set_input_transform(own.network, &mean, NULL, 1));
    NUMBERS(int64_t, "channels", dualprop_network_set_input_transform(own.network, &mean, &deviation, bad), 0, -1, 2,
            INT64_MIN, INT64_MAX);
    NUMBERS(double, "mean", dualprop_network_set_input_transform(own.network, &bad, &deviation, 1), NO_NUMBERS);
    NUMBERS(double, "deviation", dualprop_network_set_input_transform(own.network, &mean, &bad, 1), NO_NUMBERS, 0,
            -1);
}

static void sweep_network_info(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_info(&out.i[0], &out.n[0], &out.n[1], &out.n[2], bad))
}

static void sweep_network_input_shape(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_input_shape(&out.n[0], &out.n[1], &out.n[2], bad))
}

static void sweep_network_generation(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_generation(&out.u[0], bad))
    INVALID("generation", dualprop_network_generation(NULL, own.network));
}

static void sweep_network_parameter_count(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_parameter_count(&out.i[0], bad))
    INVALID("count", dualprop_network_parameter_count(NULL, own.network));
}

static void sweep_network_parameter(void)
{
    HANDLES(network, NETWORK, "network", dualprop_network_parameter(out.text, sizeof out.text, out.n, out.i, bad, 0))
    INVALID("name", dualprop_network_parameter(NULL, 32, out.n, out.i, own.network, 0));
    NUMBERS(size_t, "size", dualprop_network_parameter(out.text, bad, out.n, out.i, own.network, 0), 0, 1, 13);
    NUMBERS(int, "index", dualprop_network_parameter(out.text, sizeof out.text, out.n, out.i, own.network, bad), -1,
            4, INT32_MIN, INT32_MAX);
}

static void sweep_network_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_read(&good, bad, "layer1.weight"))
    INVALID("name", dualprop_network_read(&good, own.network, NULL));
    INVALID("name", dualprop_network_read(&good, own.network, "layer3.weight"));
    OUTPUT_VIEWS(good, DUALPROP_U8, "view", dualprop_network_read(bad, own.network, "layer1.weight"));
}

static void sweep_network_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(network, NETWORK, "network", dualprop_network_write(bad, "layer1.weight", &good))
    INVALID("name", dualprop_network_write(own.network, NULL, &good));
    INVALID("name", dualprop_network_write(own.network, "", &good));
    VIEWS(good, DUALPROP_I32, BAD_VIEWS, "view", dualprop_network_write(own.network, "layer1.weight", bad))
    values[5] = NAN;
    expect_error(dualprop_network_write(own.network, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
    values[5] = -INFINITY;
    expect_error(dualprop_network_write(own.network, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
}

static void sweep_network_layer(void)
{
    dualprop_layer *made;
    HANDLES(network, NETWORK, "network", dualprop_network_layer(&made, bad, 1))
    INVALID("layer", dualprop_network_layer(NULL, own.network, 1));
    NUMBERS(int, "index", dualprop_network_layer(&made, own.network, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "index", dualprop_network_layer(&made, own.network, 3));
}

static void sweep_layer_info(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_info(&out.n[0], &out.n[1], &out.i[0], bad))
}

static void sweep_layer_shape(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_shape(&out.i[0], out.n, out.n, out.n, out.n, &out.i[1], out.n, out.n,
                                                        bad))
}

static void sweep_layer_set_frozen(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_set_frozen(bad, 1))
    NUMBERS(int, "frozen", dualprop_layer_set_frozen(own.layer, bad), -1, 2, INT32_MIN, INT32_MAX);
}

static void sweep_layer_set_learning_rate(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_set_learning_rate(bad, 1))
    NUMBERS(double, "factor", dualprop_layer_set_learning_rate(own.layer, bad), NO_NUMBERS, -1);
}

static void sweep_layer_training(void)
{
    HANDLES(layer, LAYER, "layer", dualprop_layer_training(&out.i[0], &out.d[0], bad))
}

/* ---- rule.h ---- */

static void sweep_rule_create(void)
{
    dualprop_rule *made;
    INVALID("rule", dualprop_rule_create(NULL, own.context, DUALPROP_DP));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_rule_create(&made, bad, DUALPROP_DP))
    NUMBERS(int, "variant", dualprop_rule_create(&made, own.context, bad), -1, 8, INT32_MIN, INT32_MAX);
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "variant", dualprop_rule_create(&made, own.context, 8));
}

static void sweep_rule_destroy(void)
{
    DESTROYS(rule, RULE);
}

#define RULE_CHOICE(setter, argument)                                                                             \
    HANDLES(rule, RULE, "rule", setter(bad, 0))                                                                   \
    NUMBERS(int, argument, setter(own.rule, bad), -1, 99, INT32_MIN, INT32_MAX)

#define RULE_NUMBER(setter, argument, ...)                                                                        \
    HANDLES(rule, RULE, "rule", setter(bad, 2))                                                                   \
    NUMBERS(double, argument, setter(own.rule, bad), NO_NUMBERS, __VA_ARGS__)

static void sweep_rule_set_variant(void)
{
    RULE_CHOICE(dualprop_rule_set_variant, "variant");
}

static void sweep_rule_set_alpha(void)
{
    RULE_NUMBER(dualprop_rule_set_alpha, "alpha", -1e-300, 1.0000000000000002, -1, 2);
}

static void sweep_rule_set_beta(void)
{
    RULE_NUMBER(dualprop_rule_set_beta, "beta", 0, -0.0);
}

static void sweep_rule_set_loss(void)
{
    RULE_CHOICE(dualprop_rule_set_loss, "loss");
    INVALID("loss", dualprop_rule_set_loss(own.rule, 2));
}

static void sweep_rule_set_output_step(void)
{
    RULE_CHOICE(dualprop_rule_set_output_step, "output_step");
    INVALID("output_step", dualprop_rule_set_output_step(own.rule, 3));
}

static void sweep_rule_set_nudge_at(void)
{
    RULE_CHOICE(dualprop_rule_set_nudge_at, "nudge_at");
    INVALID("nudge_at", dualprop_rule_set_nudge_at(own.rule, 2));
}

static void sweep_rule_set_schedule(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_schedule(bad, DUALPROP_FORWARD, 1))
    NUMBERS(int, "schedule", dualprop_rule_set_schedule(own.rule, bad, 1), -1, 9, INT32_MIN, INT32_MAX);
    NUMBERS(int, "passes", dualprop_rule_set_schedule(own.rule, DUALPROP_FORWARD, bad), 0, -1, 1000001, INT32_MIN,
            INT32_MAX);
}

static void sweep_rule_set_tolerance(void)
{
    RULE_NUMBER(dualprop_rule_set_tolerance, "tolerance", -1, -1e-300);
}

static void sweep_rule_set_divergence_limit(void)
{
    RULE_NUMBER(dualprop_rule_set_divergence_limit, "limit", 1, 0, -1);
}

static void sweep_rule_set_growth_limit(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_growth_limit(bad, 3))
    NUMBERS(int, "passes", dualprop_rule_set_growth_limit(own.rule, bad), -1, 1000001, INT32_MIN, INT32_MAX);
}

static void sweep_rule_get_growth_limit(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_growth_limit(&out.i[0], bad))
    INVALID("passes", dualprop_rule_get_growth_limit(NULL, own.rule));
}

static void sweep_rule_set_pool_switches(void)
{
    RULE_CHOICE(dualprop_rule_set_pool_switches, "switches");
    INVALID("switches", dualprop_rule_set_pool_switches(own.rule, 2));
}

static void sweep_rule_set_order(void)
{
    int32_t layers[2] = { 1, 2 }, none[2] = { 1, -1 }, high[1] = { 65536 };
    HANDLES(rule, RULE, "rule", dualprop_rule_set_order(bad, layers, 2))
    INVALID("layers", dualprop_rule_set_order(own.rule, NULL, 2));
    NUMBERS(int64_t, "count", dualprop_rule_set_order(own.rule, layers, bad), 0, -1, 65537, INT64_MIN, INT64_MAX);
    INVALID("layers[1]", dualprop_rule_set_order(own.rule, none, 2));
    INVALID("layers[0]", dualprop_rule_set_order(own.rule, high, 1));
}

static void sweep_rule_set_async_fraction(void)
{
    RULE_NUMBER(dualprop_rule_set_async_fraction, "fraction", 0, -1, 1.0000000000000002, 2);
}

static void sweep_rule_set_time_step(void)
{
    RULE_NUMBER(dualprop_rule_set_time_step, "step", 0, -1, 1.0000000000000002, 2);
}

static void sweep_rule_set_warm_start(void)
{
    RULE_CHOICE(dualprop_rule_set_warm_start, "warm_start");
}

static void sweep_rule_set_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_damping(bad, DUALPROP_DAMPING_HALF, 5))
    NUMBERS(int, "damping", dualprop_rule_set_damping(own.rule, bad, 5), -1, DUALPROP_DAMPING_NONE,
            DUALPROP_DAMPING_GIVEN, INT32_MIN, INT32_MAX);
    NUMBERS(int, "power_iterations", dualprop_rule_set_damping(own.rule, DUALPROP_DAMPING_HALF, bad), 0, -1, 10001,
            INT32_MIN, INT32_MAX);
    expect_error(dualprop_rule_set_damping(own.rule, DUALPROP_DAMPING_HALF, 5), DUALPROP_ERROR_UNSUPPORTED, "variant");
}

static void sweep_rule_set_layer_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_damping(bad, 1, 1))
    NUMBERS(int, "index", dualprop_rule_set_layer_damping(own.rule, bad, 1), -2, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "damping", dualprop_rule_set_layer_damping(own.rule, 1, bad), NO_NUMBERS, -1, -1e-300);
    expect_error(dualprop_rule_set_layer_damping(own.rule, 1, 1), DUALPROP_ERROR_UNSUPPORTED, "variant");
}

static void sweep_rule_set_input_robustness(void)
{
    RULE_NUMBER(dualprop_rule_set_input_robustness, "strength", -1, -1e-300);
}

static void sweep_rule_set_feedback(void)
{
    RULE_CHOICE(dualprop_rule_set_feedback, "feedback");
}

static void sweep_rule_set_layer_alpha(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_alpha(bad, 1, 0.5))
    NUMBERS(int, "index", dualprop_rule_set_layer_alpha(own.rule, bad, 0.5), 0, -1, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "alpha", dualprop_rule_set_layer_alpha(own.rule, 1, bad), NO_NUMBERS, -1e-300, 2);
}

static void sweep_rule_set_layer_beta(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_layer_beta(bad, 1, 0.5))
    NUMBERS(int, "index", dualprop_rule_set_layer_beta(own.rule, bad, 0.5), 0, -1, 65536, INT32_MIN, INT32_MAX);
    NUMBERS(double, "beta", dualprop_rule_set_layer_beta(own.rule, 1, bad), NO_NUMBERS, 0, -0.0);
}

static void sweep_rule_set_alpha_mismatch(void)
{
    RULE_NUMBER(dualprop_rule_set_alpha_mismatch, "deviation", -1, -1e-300);
}

static void sweep_rule_set_noise(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_noise(bad, 0, 0, 0))
    NUMBERS(double, "state", dualprop_rule_set_noise(own.rule, bad, 0, 0), NO_NUMBERS, -1);
    NUMBERS(double, "top_down", dualprop_rule_set_noise(own.rule, 0, bad, 0), NO_NUMBERS, -1);
    NUMBERS(double, "weight", dualprop_rule_set_noise(own.rule, 0, 0, bad), NO_NUMBERS, -1);
}

static void sweep_rule_set_quantization(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_quantization(bad, 8))
    NUMBERS(int, "bits", dualprop_rule_set_quantization(own.rule, bad), 1, 25, -1, INT32_MIN, INT32_MAX);
}

static void sweep_rule_set_seed(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_set_seed(bad, 1))
}

/* A getter of one value, into a member of `out`. */
#define RULE_GETTER(getter, output, name)                                                                         \
    do {                                                                                                          \
        HANDLES(rule, RULE, "rule", getter(output, bad))                                                          \
        INVALID(name, getter(NULL, own.rule));                                                                    \
    } while (0)

static void sweep_rule_get_variant(void)
{
    RULE_GETTER(dualprop_rule_get_variant, &out.i[0], "variant");
}

static void sweep_rule_get_alpha(void)
{
    RULE_GETTER(dualprop_rule_get_alpha, &out.d[0], "alpha");
}

static void sweep_rule_get_beta(void)
{
    RULE_GETTER(dualprop_rule_get_beta, &out.d[0], "beta");
}

static void sweep_rule_get_loss(void)
{
    RULE_GETTER(dualprop_rule_get_loss, &out.i[0], "loss");
}

static void sweep_rule_get_output_step(void)
{
    RULE_GETTER(dualprop_rule_get_output_step, &out.i[0], "output_step");
}

static void sweep_rule_get_nudge_at(void)
{
    RULE_GETTER(dualprop_rule_get_nudge_at, &out.i[0], "nudge_at");
}

static void sweep_rule_get_async_fraction(void)
{
    RULE_GETTER(dualprop_rule_get_async_fraction, &out.d[0], "fraction");
}

static void sweep_rule_get_tolerance(void)
{
    RULE_GETTER(dualprop_rule_get_tolerance, &out.d[0], "tolerance");
}

static void sweep_rule_get_pool_switches(void)
{
    RULE_GETTER(dualprop_rule_get_pool_switches, &out.i[0], "switches");
}

static void sweep_rule_get_time_step(void)
{
    RULE_GETTER(dualprop_rule_get_time_step, &out.d[0], "step");
}

static void sweep_rule_get_warm_start(void)
{
    RULE_GETTER(dualprop_rule_get_warm_start, &out.i[0], "warm_start");
}

static void sweep_rule_get_divergence_limit(void)
{
    RULE_GETTER(dualprop_rule_get_divergence_limit, &out.d[0], "limit");
}

static void sweep_rule_get_input_robustness(void)
{
    RULE_GETTER(dualprop_rule_get_input_robustness, &out.d[0], "strength");
}

static void sweep_rule_get_feedback(void)
{
    RULE_GETTER(dualprop_rule_get_feedback, &out.i[0], "feedback");
}

static void sweep_rule_get_alpha_mismatch(void)
{
    RULE_GETTER(dualprop_rule_get_alpha_mismatch, &out.d[0], "deviation");
}

static void sweep_rule_get_quantization(void)
{
    RULE_GETTER(dualprop_rule_get_quantization, &out.i[0], "bits");
}

static void sweep_rule_get_seed(void)
{
    RULE_GETTER(dualprop_rule_get_seed, &out.u[0], "seed");
}

static void sweep_rule_get_schedule(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_schedule(&out.i[0], &out.i[1], bad))
}

static void sweep_rule_get_order(void)
{
    int32_t layers[2];
    HANDLES(rule, RULE, "rule", dualprop_rule_get_order(layers, 2, &out.n[0], bad))
    INVALID("layers", dualprop_rule_get_order(NULL, 2, &out.n[0], own.rule));
    NUMBERS(int64_t, "capacity", dualprop_rule_get_order(layers, bad, &out.n[0], own.rule), -1, INT64_MIN);
}

static void sweep_rule_get_damping(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_damping(&out.i[0], &out.i[1], bad))
}

static void sweep_rule_get_noise(void)
{
    HANDLES(rule, RULE, "rule", dualprop_rule_get_noise(&out.d[0], &out.d[1], &out.d[2], bad))
}

#define RULE_LAYER_GETTER(getter, name, least)                                                                    \
    do {                                                                                                          \
        HANDLES(rule, RULE, "rule", getter(&out.d[0], bad, 1))                                                    \
        INVALID(name, getter(NULL, own.rule, 1));                                                                 \
        NUMBERS(int, "index", getter(&out.d[0], own.rule, bad), least - 1, 65536, INT32_MIN, INT32_MAX);          \
    } while (0)

static void sweep_rule_get_layer_alpha(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_alpha, "alpha", 1);
}

static void sweep_rule_get_layer_beta(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_beta, "beta", 1);
}

static void sweep_rule_get_layer_damping(void)
{
    RULE_LAYER_GETTER(dualprop_rule_get_layer_damping, "damping", 0);
}

/* ---- state.h ---- */

/* NULL is a rule too: none. */
#define RULE_HANDLES(call)                                                                                        \
    for (int bad_index = 1; bad_index < BAD_HANDLES; bad_index++) {                                               \
        dualprop_rule *bad = bad_handle(RULE, bad_index);                                                         \
        expect_error(call, DUALPROP_ERROR_HANDLE, "rule");                                                        \
    }

static void sweep_state_create(void)
{
    dualprop_state *made;
    dualprop_network *empty;
    INVALID("state", dualprop_state_create(NULL, own.network, own.rule, 1));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_state_create(&made, bad, own.rule, 1))
    RULE_HANDLES(dualprop_state_create(&made, own.network, bad, 1))
    NUMBERS(int64_t, "capacity", dualprop_state_create(&made, own.network, own.rule, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity", dualprop_state_create(&made, own.network, own.rule, INT64_MAX));
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity", dualprop_state_create(&made, own.network, NULL, INT64_MAX / 8));
    NOTHING(made, DUALPROP_ERROR_NO_MEMORY, "", dualprop_state_create(&made, own.network, NULL, (int64_t)1 << 50));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "rule",
            dualprop_state_create(&made, own.network, foreign.rule, 1));
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "network", dualprop_state_create(&made, empty, NULL, 1));
    expect_ok(dualprop_network_add_dense(empty, 2, DUALPROP_RELU));
    NOTHING(made, DUALPROP_ERROR_UNSUPPORTED, "activation", dualprop_state_create(&made, empty, own.rule, 1));
    dualprop_network_destroy(empty);
}

static void sweep_state_destroy(void)
{
    DESTROYS(state, STATE);
}

static void sweep_state_prepare(void)
{
    HANDLES(state, STATE, "state", dualprop_state_prepare(bad))
}

static void sweep_state_set_augmentation(void)
{
    static const int32_t mirrored_twice[3] = { 0, 0, 2 }, mirrored_back[3] = { 0, 0, -1 }, still[3 * COUNT];
    HANDLES(state, STATE, "state", dualprop_state_set_augmentation(bad, still, 1))
    NUMBERS(int64_t, "count", dualprop_state_set_augmentation(own.state, still, bad), -1, CAPACITY + 1, INT64_MIN, INT64_MAX);
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, NULL, 1));
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, mirrored_twice, 1));
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, mirrored_back, 1));
}

static void sweep_state_memory_needed(void)
{
    INVALID("bytes", dualprop_state_memory_needed(NULL, own.network, own.rule, 1));
    HANDLES(network, NETWORK, "network", dualprop_state_memory_needed(&out.u[0], bad, own.rule, 1))
    RULE_HANDLES(dualprop_state_memory_needed(&out.u[0], own.network, bad, 1))
    NUMBERS(int64_t, "capacity", dualprop_state_memory_needed(&out.u[0], own.network, own.rule, bad), 0, -1,
            INT64_MIN);
    expect_error(dualprop_state_memory_needed(&out.u[0], own.network, own.rule, INT64_MAX), DUALPROP_ERROR_RANGE,
                 "capacity");
}

/* Labels outside the classes are found before anything begins. */
#define BAD_LABELS(call)                                                                                          \
    do {                                                                                                          \
        static const int32_t NO_LABELS[] = { -1, CLASSES, INT32_MIN, INT32_MAX };                                 \
        for (int bad_index = 0; bad_index < 4; bad_index++) {                                                     \
            int32_t bad[COUNT] = { 0, 0, NO_LABELS[bad_index] };                                                  \
            INVALID("labels[2]", call);                                                                           \
        }                                                                                                         \
    } while (0)

static void sweep_infer(void)
{
    HANDLES(state, STATE, "state", dualprop_infer(bad, images, labels, COUNT))
    INVALID("images", dualprop_infer(own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_infer(own.state, images, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_infer(own.state, images, labels, bad), 0, -1, CAPACITY + 1, INT64_MIN,
            INT64_MAX);
    BAD_LABELS(dualprop_infer(own.state, images, bad, COUNT));
}

/* Shapes that hold the wrong number of elements, whatever their rank. */
#define OTHER_INPUT_SHAPES(call)                                                                                  \
    do {                                                                                                          \
        dualprop_view other = image_view(), *bad = &other;                                                        \
        other.rank = 4;                                                                                           \
        memcpy(other.shape, (int64_t[]){ COUNT, 2, 2, 2 }, 4 * sizeof(int64_t));                                  \
        memcpy(other.strides, (int64_t[]){ 4, 2, 1, 0 }, 4 * sizeof(int64_t));                                    \
        INVALID("inputs", call);                                                                                  \
        other.shape[3] = 1;                                                                                       \
        other.shape[0] = CAPACITY + 1;                                                                            \
        expect_error(call, DUALPROP_ERROR_INVALID_ARGUMENT, "");                                                  \
    } while (0)

static void sweep_infer_view(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    dualprop_view dense = matrix_view(values, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_infer_view(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_infer_view(own.state, bad, &targets))
    OTHER_INPUT_SHAPES(dualprop_infer_view(own.state, bad, &targets));
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_infer_view(own.state, &inputs, bad))
    VIEWS(dense, DUALPROP_U8, BAD_VIEWS, "targets", dualprop_infer_view(own.state, &inputs, bad))
    for (int way = VIEW_OTHER_RANK; way < BAD_VIEWS; way++) {
        dualprop_view spoilt, *bad = bad_view(&spoilt, &targets, 0, way);
        INVALID("labels", dualprop_infer_view(own.state, &inputs, bad));
    }
}

static void sweep_infer_begin(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_infer_begin(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_infer_begin(own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_infer_begin(own.state, &inputs, bad))
}

static void sweep_infer_layer(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_infer_layer(bad, 1))
    expect_error(dualprop_infer_layer(own.state, 1), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
    expect_ok(dualprop_infer_begin(foreign.state, &inputs, &targets));
    NUMBERS(int, "index", dualprop_infer_layer(foreign.state, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_infer_layer(foreign.state, 1));
    expect_ok(dualprop_infer_end(foreign.state));
}

static void sweep_infer_pass(void)
{
    HANDLES(state, STATE, "state", dualprop_infer_pass(bad))
    expect_error(dualprop_infer_pass(own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_infer_end(void)
{
    HANDLES(state, STATE, "state", dualprop_infer_end(bad))
    expect_error(dualprop_infer_end(own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_state_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, COUNT, HIDDEN);
    HANDLES(state, STATE, "state", dualprop_state_read(&good, bad, 1, DUALPROP_S_MEAN))
    NUMBERS(int, "index", dualprop_state_read(&good, own.state, bad, DUALPROP_S_MEAN), -1, 3, INT32_MIN, INT32_MAX);
    INVALID("index", dualprop_state_read(&good, own.state, 0, DUALPROP_S_BOTTOM_UP));
    NUMBERS(int, "which", dualprop_state_read(&good, own.state, 1, bad), -1, 6, INT32_MIN, INT32_MAX);
    OUTPUT_VIEWS(good, DUALPROP_I32, "view", dualprop_state_read(bad, own.state, 1, DUALPROP_S_PLUS));
}

static void sweep_state_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, COUNT, HIDDEN), inputs = image_view(),
                  targets = label_view();
    HANDLES(state, STATE, "state", dualprop_state_write(bad, 1, DUALPROP_S_MEAN, &good))
    expect_error(dualprop_state_write(own.state, 1, DUALPROP_S_MEAN, &good), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer_begin");
    expect_ok(dualprop_infer_begin(own.state, &inputs, &targets));
    struct copy before = copy_world(&own);
    NUMBERS(int, "index", dualprop_state_write(own.state, bad, DUALPROP_S_MEAN, &good), -1, 3, INT32_MIN, INT32_MAX);
    NUMBERS(int, "which", dualprop_state_write(own.state, 1, bad, &good), -1, DUALPROP_S_BOTTOM_UP,
            DUALPROP_S_TOP_DOWN, INT32_MIN, INT32_MAX);
    VIEWS(good, DUALPROP_U8, BAD_VIEWS, "view", dualprop_state_write(own.state, 1, DUALPROP_S_DELTA, bad))
    values[7] = NAN;
    expect_error(dualprop_state_write(own.state, 1, DUALPROP_S_PLUS, &good), DUALPROP_ERROR_NOT_FINITE, "view");
    expect_unchanged(&before, &own, "dualprop_state_write");
    expect_ok(dualprop_infer_end(own.state));
}

static void sweep_state_report(void)
{
    dualprop_state *fresh;
    HANDLES(state, STATE, "state", dualprop_state_report(&out.i[0], &out.d[0], &out.n[0], &out.n[1], &out.d[1],
                                                         &out.n[2], bad))
    expect_ok(dualprop_state_create(&fresh, own.network, own.rule, 1));
    expect_error(dualprop_state_report(&out.i[0], NULL, NULL, NULL, &out.d[0], NULL, fresh),
                 DUALPROP_ERROR_INVALID_STATE, "dualprop_infer");
    dualprop_state_destroy(fresh);
}

static void sweep_state_damping(void)
{
    dualprop_state *fresh;
    HANDLES(state, STATE, "state", dualprop_state_damping(&out.d[0], &out.d[1], bad, 1))
    NUMBERS(int, "index", dualprop_state_damping(&out.d[0], &out.d[1], own.state, bad), -1, 2, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_state_create(&fresh, own.network, own.rule, 1));
    expect_error(dualprop_state_damping(&out.d[0], &out.d[1], fresh, 1), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer");
    dualprop_state_destroy(fresh);
}

static void sweep_state_inference_count(void)
{
    HANDLES(state, STATE, "state", dualprop_state_inference_count(&out.u[0], bad))
    INVALID("inferences", dualprop_state_inference_count(NULL, own.state));
}

static void sweep_state_set_inference_count(void)
{
    HANDLES(state, STATE, "state", dualprop_state_set_inference_count(bad, 1))
    INVALID("inferences", dualprop_state_set_inference_count(own.state, UINT64_MAX));
}

static void sweep_infer_update(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_infer_update(bad, own.state))
    HANDLES(state, STATE, "state", dualprop_infer_update(own.optimizer, bad))
    INVALID("different networks", dualprop_infer_update(own.optimizer, foreign.state));
    expect_error(dualprop_infer_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_predict(void)
{
    HANDLES(state, STATE, "state", dualprop_predict(out.reals, bad, images, COUNT))
    INVALID("scores", dualprop_predict(NULL, own.state, images, COUNT));
    INVALID("images", dualprop_predict(out.reals, own.state, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_predict(out.reals, own.state, images, bad), 0, -1, INT64_MIN, INT64_MAX);
}

static void sweep_predict_view(void)
{
    dualprop_view inputs = image_view(), good = matrix_view(out.reals, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_predict_view(&good, bad, &inputs))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_predict_view(&good, own.state, bad))
    OUTPUT_VIEWS(good, DUALPROP_U8, "scores", dualprop_predict_view(bad, own.state, &inputs));
}

static void sweep_evaluate(void)
{
    double *loss = &out.d[0];
    int64_t *correct = &out.n[0], *top_k = &out.n[1];
    HANDLES(state, STATE, "state", dualprop_evaluate(loss, correct, top_k, 1, bad, images, labels, COUNT))
    INVALID("images", dualprop_evaluate(loss, correct, top_k, 1, own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_evaluate(loss, correct, top_k, 1, own.state, images, NULL, COUNT));
    NUMBERS(int, "k is", dualprop_evaluate(loss, correct, top_k, bad, own.state, images, labels, COUNT), 0, -1,
            CLASSES + 1, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "count", dualprop_evaluate(loss, correct, top_k, 1, own.state, images, labels, bad), 0, -1,
            INT64_MIN, INT64_MAX);
    BAD_LABELS(dualprop_evaluate(loss, correct, top_k, 1, own.state, images, bad, COUNT));
}

static void sweep_evaluate_view(void)
{
    double *loss = &out.d[0];
    int64_t *correct = &out.n[0], *top_k = &out.n[1];
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_evaluate_view(loss, correct, top_k, 1, bad, &inputs, &targets))
    NUMBERS(int, "k is", dualprop_evaluate_view(loss, correct, top_k, bad, own.state, &inputs, &targets), 0, -1,
            CLASSES + 1, INT32_MIN, INT32_MAX);
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs",
          dualprop_evaluate_view(loss, correct, top_k, 1, own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets",
          dualprop_evaluate_view(loss, correct, top_k, 1, own.state, &inputs, bad))
}

/* ---- optimizer.h ---- */

static void sweep_optimizer_create(void)
{
    dualprop_optimizer *made;
    dualprop_network *empty;
    INVALID("optimizer", dualprop_optimizer_create(NULL, own.network, DUALPROP_SGD));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_optimizer_create(&made, bad, DUALPROP_SGD))
    NUMBERS(int, "kind", dualprop_optimizer_create(&made, own.network, bad), -1, 3, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "network", dualprop_optimizer_create(&made, empty, DUALPROP_SGD));
    dualprop_network_destroy(empty);
}

static void sweep_optimizer_destroy(void)
{
    DESTROYS(optimizer, OPTIMIZER);
}

#define OPTIMIZER_NUMBER(setter, argument, ...)                                                                   \
    HANDLES(optimizer, OPTIMIZER, "optimizer", setter(bad, 0.5))                                                  \
    NUMBERS(double, argument, setter(own.optimizer, bad), NO_NUMBERS, __VA_ARGS__)

static void sweep_optimizer_set_learning_rate(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_learning_rate, "learning_rate", -1, -1e-300);
}

static void sweep_optimizer_set_momentum(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_momentum, "momentum", -1e-300, 1, 2);
}

static void sweep_optimizer_set_moments(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_moments(bad, 0.9, 0.999, 1e-8))
    NUMBERS(double, "beta1", dualprop_optimizer_set_moments(own.optimizer, bad, 0.9, 1e-8), NO_NUMBERS, -1, 1);
    NUMBERS(double, "beta2", dualprop_optimizer_set_moments(own.optimizer, 0.9, bad, 1e-8), NO_NUMBERS, -1, 1);
    NUMBERS(double, "epsilon", dualprop_optimizer_set_moments(own.optimizer, 0.9, 0.9, bad), NO_NUMBERS, -1, 0,
            1e-300);
}

static void sweep_optimizer_set_weight_decay(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_weight_decay, "weight_decay", -1, -1e-300);
}

static void sweep_optimizer_set_schedule(void)
{
    dualprop_optimizer *optimizer = own.optimizer;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_set_schedule(bad, DUALPROP_RATE_CONSTANT, 0, 0, 0, 0))
    NUMBERS(int, "schedule", dualprop_optimizer_set_schedule(optimizer, bad, 0, 0, 0, 0), -1, 2, INT32_MIN,
            INT32_MAX);
    NUMBERS(double, "start", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, bad, 0, 1, 2),
            NO_NUMBERS, -1);
    NUMBERS(double, "end", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, bad, 1, 2),
            NO_NUMBERS, -1);
    NUMBERS(int64_t, "warmup", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, 0, bad, 2),
            -1, 3, INT64_MIN, INT64_MAX);
    NUMBERS(int64_t, "decay", dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 0, 0, 1, bad),
            0, -1, INT64_MIN);
}

static void sweep_optimizer_set_clip(void)
{
    OPTIMIZER_NUMBER(dualprop_optimizer_set_clip, "norm", -1, -1e-300);
}

static void sweep_optimizer_info(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_optimizer_info(&out.i[0], &out.n[0], &out.d[0], bad))
}

/* What takes an optimizer and a state of its network that has settled. */
#define LEARNS(function)                                                                                          \
    dualprop_state *idle;                                                                                         \
    HANDLES(optimizer, OPTIMIZER, "optimizer", function(bad, own.state))                                          \
    HANDLES(state, STATE, "state", function(own.optimizer, bad))                                                  \
    INVALID("state", function(own.optimizer, foreign.state));                                                     \
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));                                            \
    expect_error(function(own.optimizer, idle), DUALPROP_ERROR_INVALID_STATE, "state");                           \
    dualprop_state_destroy(idle)

static void sweep_gradient(void)
{
    LEARNS(dualprop_gradient);
}

static void sweep_gradient_accumulate(void)
{
    LEARNS(dualprop_gradient_accumulate);
}

static void sweep_update(void)
{
    LEARNS(dualprop_update);
}

static void sweep_learn(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_learn(bad, own.state, images, labels, COUNT))
    HANDLES(state, STATE, "state", dualprop_learn(own.optimizer, bad, images, labels, COUNT))
    INVALID("state", dualprop_learn(own.optimizer, foreign.state, images, labels, COUNT));
    INVALID("images", dualprop_learn(own.optimizer, own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_learn(own.optimizer, own.state, images, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_learn(own.optimizer, own.state, images, labels, bad), 0, -1, CAPACITY + 1,
            INT64_MIN, INT64_MAX);
    BAD_LABELS(dualprop_learn(own.optimizer, own.state, images, bad, COUNT));
}

static void sweep_learn_view(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_learn_view(bad, own.state, &inputs, &targets))
    HANDLES(state, STATE, "state", dualprop_learn_view(own.optimizer, bad, &inputs, &targets))
    INVALID("state", dualprop_learn_view(own.optimizer, foreign.state, &inputs, &targets));
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_learn_view(own.optimizer, own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_learn_view(own.optimizer, own.state, &inputs, bad))
}

static void sweep_step(void)
{
    dualprop_optimizer *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_step(bad))
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_step(fresh), DUALPROP_ERROR_INVALID_STATE, "optimizer");
    dualprop_optimizer_destroy(fresh);
}

static void sweep_gradient_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, INPUTS, HIDDEN);
    dualprop_optimizer *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_read(&good, bad, "layer1.weight"))
    INVALID("name", dualprop_gradient_read(&good, own.optimizer, NULL));
    INVALID("name", dualprop_gradient_read(&good, own.optimizer, "layer0.weight"));
    OUTPUT_VIEWS(good, DUALPROP_U8, "view", dualprop_gradient_read(bad, own.optimizer, "layer1.weight"));
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_gradient_read(&good, fresh, "layer1.weight"), DUALPROP_ERROR_INVALID_STATE, "optimizer");
    dualprop_optimizer_destroy(fresh);
}

static void sweep_gradient_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, INPUTS, HIDDEN);
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_write(bad, "layer1.weight", &good))
    INVALID("name", dualprop_gradient_write(own.optimizer, NULL, &good));
    INVALID("name", dualprop_gradient_write(own.optimizer, "layer0.weight", &good));
    VIEWS(good, DUALPROP_U8, BAD_VIEWS, "view", dualprop_gradient_write(own.optimizer, "layer1.weight", bad))
    values[5] = NAN;
    expect_error(dualprop_gradient_write(own.optimizer, "layer1.weight", &good), DUALPROP_ERROR_NOT_FINITE, "view");
}

static void sweep_gradient_compare(void)
{
    double *d = out.d;
    dualprop_optimizer *one = own.optimizer, *fresh;
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], bad, one, 1))
    HANDLES(optimizer, OPTIMIZER, "other", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, bad, 1))
    NUMBERS(int, "index", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, one, bad), 0, -1, 3, INT32_MIN,
            INT32_MAX);
    INVALID("other", dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, foreign.optimizer, 1));
    expect_ok(dualprop_optimizer_create(&fresh, own.network, DUALPROP_SGD));
    expect_error(dualprop_gradient_compare(&d[0], &d[1], &d[2], &d[3], one, fresh, 1), DUALPROP_ERROR_INVALID_STATE,
                 "");
    dualprop_optimizer_destroy(fresh);
}

/* ---- checkpoint.h ---- */

static void sweep_checkpoint_create(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_create(NULL, own.context));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_create(&made, bad))
}

static void sweep_checkpoint_destroy(void)
{
    DESTROYS(checkpoint, CHECKPOINT);
}

static void sweep_checkpoint_read(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_read(NULL, own.context, "x"));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_read(&made, bad, "x"))
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "path", dualprop_checkpoint_read(&made, own.context, NULL));
    NOTHING(made, DUALPROP_ERROR_ACCESS, "no/such/file",
            dualprop_checkpoint_read(&made, own.context, "no/such/file"));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "path", dualprop_checkpoint_read(&made, own.context, ""));
    NOTHING(made, DUALPROP_ERROR_ACCESS, "/", dualprop_checkpoint_read(&made, own.context, "/"));
}

static void sweep_checkpoint_read_memory(void)
{
    dualprop_checkpoint *made;
    INVALID("checkpoint", dualprop_checkpoint_read_memory(NULL, own.context, images, sizeof images));
    HANDLES_OF_CREATE(context, CONTEXT, "context", made, dualprop_checkpoint_read_memory(&made, bad, images, 8))
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "data",
            dualprop_checkpoint_read_memory(&made, own.context, NULL, 8));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_read_memory(&made, own.context, "", 0));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_read_memory(&made, own.context, "no file", 7));
}

static void sweep_checkpoint_write(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_write(bad, "no/such/folder/file"))
    INVALID("path", dualprop_checkpoint_write(own.checkpoint, NULL));
    expect_error(dualprop_checkpoint_write(own.checkpoint, "no/such/folder/file"), DUALPROP_ERROR_ACCESS,
                 "no/such/folder/file");
}

static void sweep_checkpoint_put_network(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_network(bad, own.network))
    HANDLES(network, NETWORK, "network", dualprop_checkpoint_put_network(own.checkpoint, bad))
}

static void sweep_checkpoint_put_rule(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_rule(bad, own.rule))
    HANDLES(rule, RULE, "rule", dualprop_checkpoint_put_rule(own.checkpoint, bad))
}

static void sweep_checkpoint_put_state(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_state(bad, own.state))
    HANDLES(state, STATE, "state", dualprop_checkpoint_put_state(own.checkpoint, bad))
}

static void sweep_checkpoint_get_state(void)
{
    HANDLES(state, STATE, "state", dualprop_checkpoint_get_state(bad, own.checkpoint))
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_get_state(own.state, bad))
    expect_error(dualprop_checkpoint_get_state(own.state, own.checkpoint), DUALPROP_ERROR_FORMAT, "state");
}

static void sweep_checkpoint_put_optimizer(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_optimizer(bad, own.optimizer))
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_checkpoint_put_optimizer(own.checkpoint, bad))
}

static void sweep_checkpoint_put_text(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_text(bad, "key", "value"))
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, NULL, "value"));
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, "format", "mine"));
    INVALID("key", dualprop_checkpoint_put_text(own.checkpoint, "network", NULL));
}

static void sweep_checkpoint_put_tensor(void)
{
    dualprop_view good = vector_view(values, DUALPROP_F32, 3);
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_put_tensor(bad, "mine", &good))
    INVALID("name", dualprop_checkpoint_put_tensor(own.checkpoint, NULL, &good));
    VIEWS(good, 1 << 20, BAD_VIEWS_OF_ANY_SHAPE, "view", dualprop_checkpoint_put_tensor(own.checkpoint, "mine", bad))
}

static void sweep_checkpoint_get_network(void)
{
    dualprop_network *made;
    dualprop_checkpoint *empty;
    INVALID("network", dualprop_checkpoint_get_network(NULL, own.checkpoint));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made, dualprop_checkpoint_get_network(&made, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_network(&made, empty));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_rule(void)
{
    dualprop_rule *made;
    dualprop_checkpoint *empty;
    INVALID("rule", dualprop_checkpoint_get_rule(NULL, own.checkpoint));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made, dualprop_checkpoint_get_rule(&made, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_rule(&made, empty));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_optimizer(void)
{
    dualprop_optimizer *made;
    dualprop_checkpoint *empty;
    INVALID("optimizer", dualprop_checkpoint_get_optimizer(NULL, own.checkpoint, own.network));
    HANDLES_OF_CREATE(checkpoint, CHECKPOINT, "checkpoint", made,
                      dualprop_checkpoint_get_optimizer(&made, bad, own.network))
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_checkpoint_get_optimizer(&made, own.checkpoint, bad))
    expect_ok(dualprop_checkpoint_create(&empty, own.context));
    NOTHING(made, DUALPROP_ERROR_FORMAT, "", dualprop_checkpoint_get_optimizer(&made, empty, own.network));
    dualprop_checkpoint_destroy(empty);
}

static void sweep_checkpoint_get_text(void)
{
    dualprop_checkpoint *checkpoint = own.checkpoint;
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_get_text(out.text, 8, &out.size, bad, "note"))
    INVALID("buffer", dualprop_checkpoint_get_text(NULL, 8, &out.size, checkpoint, "note"));
    INVALID("key", dualprop_checkpoint_get_text(out.text, 8, &out.size, checkpoint, NULL));
    INVALID("none of these", dualprop_checkpoint_get_text(out.text, 8, &out.size, checkpoint, "none of these"));
}

static void sweep_checkpoint_tensor_count(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_tensor_count(&out.n[0], bad))
    INVALID("count", dualprop_checkpoint_tensor_count(NULL, own.checkpoint));
}

static void sweep_checkpoint_tensor(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_tensor(&out.name, &out.view, bad, 0))
    NUMBERS(int64_t, "index", dualprop_checkpoint_tensor(&out.name, &out.view, own.checkpoint, bad), -1, 1000,
            INT64_MIN, INT64_MAX);
}

static void sweep_checkpoint_find(void)
{
    HANDLES(checkpoint, CHECKPOINT, "checkpoint", dualprop_checkpoint_find(&out.view, bad, "layer1.weight"))
    INVALID("view", dualprop_checkpoint_find(NULL, own.checkpoint, "layer1.weight"));
    INVALID("name", dualprop_checkpoint_find(&out.view, own.checkpoint, NULL));
    INVALID("layer9.weight", dualprop_checkpoint_find(&out.view, own.checkpoint, "layer9.weight"));
}

/* ---- diagnostics.h ---- */

static dualprop_view gradient_view(void)
{
    return matrix_view(out.reals, DUALPROP_F32, COUNT, INPUTS);
}

static void sweep_diagnostics_create(void)
{
    dualprop_diagnostics *made;
    dualprop_network *empty;
    INVALID("diagnostics", dualprop_diagnostics_create(NULL, own.network, DUALPROP_MSE, 1));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_diagnostics_create(&made, bad, DUALPROP_MSE, 1))
    NUMBERS(int, "loss", dualprop_diagnostics_create(&made, own.network, bad, 1), -1, 2, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "capacity", dualprop_diagnostics_create(&made, own.network, DUALPROP_MSE, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity",
            dualprop_diagnostics_create(&made, own.network, DUALPROP_MSE, INT64_MAX));
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "layers",
            dualprop_diagnostics_create(&made, empty, DUALPROP_MSE, 1));
    expect_ok(dualprop_network_add_dense(empty, 2, DUALPROP_RELU));
    NOTHING(made, DUALPROP_ERROR_UNSUPPORTED, "relu", dualprop_diagnostics_create(&made, empty, DUALPROP_MSE, 1));
    dualprop_network_destroy(empty);
}

static void sweep_diagnostics_destroy(void)
{
    DESTROYS(diagnostics, DIAGNOSTICS);
}

static void sweep_diagnostics_twin(void)
{
    dualprop_view inputs = image_view(), targets = label_view(), many = image_view(), labels_of_many = label_view();
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_twin(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_diagnostics_twin(own.diagnostics, bad, &targets))
    VIEWS(targets, DUALPROP_U8, BAD_VIEWS_OF_ANY_SHAPE, "", dualprop_diagnostics_twin(own.diagnostics, &inputs, bad))
    many.shape[0] = labels_of_many.shape[0] = CAPACITY + 1;
    many.strides[0] = labels_of_many.strides[0] = 0;
    INVALID("count", dualprop_diagnostics_twin(own.diagnostics, &many, &labels_of_many));
}

static void sweep_diagnostics_compare(void)
{
    double *d = out.d;
    dualprop_diagnostics *fresh;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics",
            dualprop_diagnostics_compare(d, d + 1, d + 2, d + 3, d, bad, own.optimizer, 1))
    HANDLES(optimizer, OPTIMIZER, "optimizer",
            dualprop_diagnostics_compare(d, d + 1, d + 2, d + 3, d, own.diagnostics, bad, 1))
    INVALID("context", dualprop_diagnostics_compare(d, d, d, d, d, own.diagnostics, foreign.optimizer, 1));
    NUMBERS(int, "index", dualprop_diagnostics_compare(d, d, d, d, d, own.diagnostics, own.optimizer, bad), 0, 3, -1,
            INT32_MIN, INT32_MAX);
    expect_ok(dualprop_diagnostics_create(&fresh, own.network, DUALPROP_MSE, 1));
    expect_error(dualprop_diagnostics_compare(d, d, d, d, d, fresh, own.optimizer, 1), DUALPROP_ERROR_INVALID_STATE,
                 "gradient");
    dualprop_diagnostics_destroy(fresh);
}

static void sweep_diagnostics_state(void)
{
    dualprop_state *twin;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_state(&twin, bad))
    INVALID("twin", dualprop_diagnostics_state(NULL, own.diagnostics));
}

static void sweep_diagnostics_input_gradient(void)
{
    dualprop_view gradient = gradient_view();
    dualprop_state *idle;
    dualprop_diagnostics *small;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_input_gradient(&gradient, bad, own.state))
    HANDLES(state, STATE, "state", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, bad))
    OUTPUT_VIEWS(gradient, DUALPROP_I32, "gradient",
                 dualprop_diagnostics_input_gradient(bad, own.diagnostics, own.state));
    INVALID("networks", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, foreign.state));
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, COUNT));
    gradient.shape[0] = 0;
    INVALID("gradient", dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, own.state));
    expect_error(dualprop_diagnostics_input_gradient(&gradient, own.diagnostics, idle), DUALPROP_ERROR_INVALID_STATE,
                 "settled");
    dualprop_state_destroy(idle);
    gradient = gradient_view();
    expect_ok(dualprop_diagnostics_create(&small, own.network, DUALPROP_MSE, COUNT - 1));
    INVALID("capacity", dualprop_diagnostics_input_gradient(&gradient, small, own.state));
    dualprop_diagnostics_destroy(small);
}

static void sweep_diagnostics_spectral_norm(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_spectral_norm(out.d, bad, 1, 1))
    INVALID("gamma", dualprop_diagnostics_spectral_norm(NULL, own.diagnostics, 1, 1));
    NUMBERS(int, "index", dualprop_diagnostics_spectral_norm(out.d, own.diagnostics, bad, 1), 0, 3, -1, INT32_MIN,
            INT32_MAX);
    NUMBERS(int, "iterations", dualprop_diagnostics_spectral_norm(out.d, own.diagnostics, 1, bad), 0, -1, 1000001,
            INT32_MIN, INT32_MAX);
}

static void sweep_diagnostics_lipschitz(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_lipschitz(out.d, bad, 1))
    INVALID("norm", dualprop_diagnostics_lipschitz(NULL, own.diagnostics, 1));
    NUMBERS(int, "iterations", dualprop_diagnostics_lipschitz(out.d, own.diagnostics, bad), 0, -1, 1000001, INT32_MIN,
            INT32_MAX);
}

static void sweep_diagnostics_restart(void)
{
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_restart(bad))
}

static void sweep_diagnostics_zero_delta_fraction(void)
{
    dualprop_state *idle;
    HANDLES(state, STATE, "state", dualprop_diagnostics_zero_delta_fraction(out.d, bad, 1))
    INVALID("fraction", dualprop_diagnostics_zero_delta_fraction(NULL, own.state, 1));
    NUMBERS(int, "index", dualprop_diagnostics_zero_delta_fraction(out.d, own.state, bad), 0, 3, -1, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_zero_delta_fraction(out.d, idle, 1), DUALPROP_ERROR_INVALID_STATE, "inference");
    dualprop_state_destroy(idle);
}

static void sweep_diagnostics_objective(void)
{
    double *d = out.d;
    dualprop_state *idle;
    dualprop_diagnostics *small;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_objective(d, d + 1, d + 2, bad, own.state))
    HANDLES(state, STATE, "state", dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, bad))
    INVALID("networks", dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, foreign.state));
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_objective(d, d + 1, d + 2, own.diagnostics, idle), DUALPROP_ERROR_INVALID_STATE,
                 "inference");
    dualprop_state_destroy(idle);
    expect_ok(dualprop_diagnostics_create(&small, own.network, DUALPROP_MSE, COUNT - 1));
    INVALID("capacity", dualprop_diagnostics_objective(d, d + 1, d + 2, small, own.state));
    dualprop_diagnostics_destroy(small);
}

static void sweep_diagnostics_bregman(void)
{
    dualprop_state *idle;
    HANDLES(diagnostics, DIAGNOSTICS, "diagnostics", dualprop_diagnostics_bregman(out.d, bad, own.state, 1))
    HANDLES(state, STATE, "state", dualprop_diagnostics_bregman(out.d, own.diagnostics, bad, 1))
    INVALID("difference", dualprop_diagnostics_bregman(NULL, own.diagnostics, own.state, 1));
    INVALID("networks", dualprop_diagnostics_bregman(out.d, own.diagnostics, foreign.state, 1));
    NUMBERS(int, "index", dualprop_diagnostics_bregman(out.d, own.diagnostics, own.state, bad), 0, 3, -1, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_state_create(&idle, own.network, own.rule, 1));
    expect_error(dualprop_diagnostics_bregman(out.d, own.diagnostics, idle, 1), DUALPROP_ERROR_INVALID_STATE, "inference");
    dualprop_state_destroy(idle);
}

/* ---- the list ---- */

#define SWEEP(name) { "dualprop_" #name, sweep_##name }

static const struct sweep {
    const char *function;
    void (*run)(void);
} SWEEPS[] = {
    SWEEP(status_name), SWEEP(status_message), SWEEP(name), SWEEP(from_name), SWEEP(version), SWEEP(version_string),
    SWEEP(build_info),
    SWEEP(context_create), SWEEP(context_destroy), SWEEP(last_error), SWEEP(context_set_log),
    SWEEP(context_set_parallel_for), SWEEP(context_set_stream), SWEEP(context_synchronize), SWEEP(context_cancel), SWEEP(context_resume), SWEEP(context_describe),
    SWEEP(context_info), SWEEP(context_memory), SWEEP(context_set_limit),
    SWEEP(network_create), SWEEP(network_destroy), SWEEP(network_clone), SWEEP(network_copy),
    SWEEP(network_add_dense), SWEEP(network_add_convolution), SWEEP(network_add_local), SWEEP(network_add_pooling),
    SWEEP(network_add_flatten), SWEEP(network_set_initializer), SWEEP(network_initialize),
    SWEEP(network_set_input_transform), SWEEP(network_info), SWEEP(network_input_shape), SWEEP(network_generation),
    SWEEP(network_parameter_count), SWEEP(network_parameter), SWEEP(network_read), SWEEP(network_write),
    SWEEP(network_layer), SWEEP(layer_info), SWEEP(layer_shape), SWEEP(layer_set_frozen), SWEEP(layer_set_learning_rate),
    SWEEP(layer_training),
    SWEEP(rule_create), SWEEP(rule_destroy), SWEEP(rule_set_variant), SWEEP(rule_set_alpha), SWEEP(rule_set_beta),
    SWEEP(rule_set_loss), SWEEP(rule_set_output_step), SWEEP(rule_set_nudge_at), SWEEP(rule_set_schedule),
    SWEEP(rule_set_tolerance), SWEEP(rule_set_divergence_limit), SWEEP(rule_set_growth_limit), SWEEP(rule_get_growth_limit),
    SWEEP(rule_set_order), SWEEP(rule_set_async_fraction), SWEEP(rule_set_time_step), SWEEP(rule_set_warm_start),
    SWEEP(rule_set_damping), SWEEP(rule_set_layer_damping), SWEEP(rule_set_input_robustness),
    SWEEP(rule_set_feedback), SWEEP(rule_set_layer_alpha), SWEEP(rule_set_layer_beta),
    SWEEP(rule_set_alpha_mismatch), SWEEP(rule_set_noise), SWEEP(rule_set_quantization), SWEEP(rule_set_seed),

    SWEEP(rule_get_variant), SWEEP(rule_get_alpha), SWEEP(rule_get_beta), SWEEP(rule_get_loss),
    SWEEP(rule_get_output_step), SWEEP(rule_get_nudge_at), SWEEP(rule_get_async_fraction), SWEEP(rule_get_tolerance),
    SWEEP(rule_get_pool_switches), SWEEP(rule_get_time_step), SWEEP(rule_get_warm_start),
    SWEEP(rule_get_divergence_limit), SWEEP(rule_get_input_robustness), SWEEP(rule_get_feedback),
    SWEEP(rule_get_alpha_mismatch), SWEEP(rule_get_quantization), SWEEP(rule_get_seed), SWEEP(rule_get_schedule),
    SWEEP(rule_get_order), SWEEP(rule_get_damping), SWEEP(rule_get_noise), SWEEP(rule_get_layer_alpha),
    SWEEP(rule_get_layer_beta), SWEEP(rule_get_layer_damping),
    SWEEP(network_set_feedback), SWEEP(network_read_feedback), SWEEP(network_write_feedback), SWEEP(layer_feedback),
    SWEEP(state_damping), SWEEP(state_inference_count), SWEEP(state_set_inference_count), SWEEP(infer_update),
    SWEEP(checkpoint_put_state), SWEEP(checkpoint_get_state),
    SWEEP(rule_set_pool_switches), SWEEP(state_set_augmentation),
    SWEEP(state_create), SWEEP(state_destroy), SWEEP(state_prepare), SWEEP(state_memory_needed), SWEEP(infer),
    SWEEP(infer_view), SWEEP(infer_begin), SWEEP(infer_layer), SWEEP(infer_pass), SWEEP(infer_end),
    SWEEP(state_read), SWEEP(state_write), SWEEP(state_report), SWEEP(predict), SWEEP(predict_view),
    SWEEP(evaluate), SWEEP(evaluate_view),
    SWEEP(optimizer_create), SWEEP(optimizer_destroy), SWEEP(optimizer_set_learning_rate),
    SWEEP(optimizer_set_momentum), SWEEP(optimizer_set_moments), SWEEP(optimizer_set_weight_decay),
    SWEEP(optimizer_set_schedule), SWEEP(optimizer_set_clip), SWEEP(optimizer_info), SWEEP(gradient),
    SWEEP(gradient_accumulate), SWEEP(step), SWEEP(update), SWEEP(learn), SWEEP(learn_view), SWEEP(gradient_read), SWEEP(gradient_write),
    SWEEP(gradient_compare),
    SWEEP(checkpoint_create), SWEEP(checkpoint_destroy), SWEEP(checkpoint_read), SWEEP(checkpoint_read_memory),
    SWEEP(checkpoint_write), SWEEP(checkpoint_put_network), SWEEP(checkpoint_put_rule),
    SWEEP(checkpoint_put_optimizer), SWEEP(checkpoint_put_text), SWEEP(checkpoint_put_tensor),
    SWEEP(checkpoint_get_network), SWEEP(checkpoint_get_rule), SWEEP(checkpoint_get_optimizer),
    SWEEP(checkpoint_get_text), SWEEP(checkpoint_tensor_count), SWEEP(checkpoint_tensor), SWEEP(checkpoint_find),
    SWEEP(diagnostics_create), SWEEP(diagnostics_destroy), SWEEP(diagnostics_twin), SWEEP(diagnostics_compare),
    SWEEP(diagnostics_state), SWEEP(diagnostics_input_gradient), SWEEP(diagnostics_spectral_norm),
    SWEEP(diagnostics_lipschitz),
    SWEEP(diagnostics_restart), SWEEP(diagnostics_zero_delta_fraction), SWEEP(diagnostics_objective),
    SWEEP(diagnostics_bregman),
};
#define SWEEP_COUNT ((int)(sizeof SWEEPS / sizeof SWEEPS[0]))

/* Some sweeps use the state; what they leave in it, on success, is not compared. */
static int uses_the_world(const char *function)
{
    return strcmp(function, "dualprop_state_write") == 0;
}

START_TEST(is_refused_and_changes_nothing)
{
    const struct sweep *sweep = &SWEEPS[_i];
    struct copy before = copy_world(&own);
    sweep->run();
    expect_outputs_untouched(sweep->function);
    if (uses_the_world(sweep->function)) free(before.bytes);
    else expect_unchanged(&before, &own, sweep->function);
}
END_TEST

/* A NaN among the inputs is only found while they are loaded: that inference is lost, and nothing else. */
START_TEST(inputs_and_targets_that_are_not_finite_change_no_weights)
{
    static const float NONE[] = { NAN, INFINITY, -INFINITY };
    dualprop_view inputs = image_view(), targets = matrix_view(scores, DUALPROP_F32, COUNT, CLASSES);
    for (int i = 0; i < 3; i++) {
        struct copy before = { 0, 0, NULL }, after = { 0, 0, NULL };
        add_network(&before, own.network);
        images[COUNT * INPUTS - 1] = NONE[i];
        expect_error(dualprop_infer(own.state, images, labels, COUNT), DUALPROP_ERROR_NOT_FINITE, "inputs");
        expect_error(dualprop_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "state");
        expect_error(dualprop_predict(values, own.state, images, COUNT), DUALPROP_ERROR_NOT_FINITE, "inputs");
        images[COUNT * INPUTS - 1] = 0;
        scores[3] = NONE[i];
        expect_error(dualprop_infer_view(own.state, &inputs, &targets), DUALPROP_ERROR_NOT_FINITE, "targets");
        add_network(&after, own.network);
        ck_assert(memcmp(before.bytes, after.bytes, before.size) == 0);
        free(before.bytes);
        free(after.bytes);
    }
    expect_ok(dualprop_infer(own.state, images, labels, COUNT));
    expect_ok(dualprop_update(own.optimizer, own.state));
}
END_TEST

/* ---- the list against the headers ---- */

static int is_swept(const char *function)
{
    for (int i = 0; i < SWEEP_COUNT; i++)
        if (strcmp(SWEEPS[i].function, function) == 0) return 1;
    return 0;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 17);
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, (1 << 17) - 1, file), (1 << 17) - 1);
    fclose(file);
    return text;
}

/* Find the function that the declaration at `text` declares: "DUALPROP_API [DUALPROP_CHECKED] type name(". */
static int declared(char *name, size_t size, const char *text)
{
    size_t end = strcspn(text, "(;"), begin = end;
    if (text[end] != '(') return 0;
    while (begin > 0 && strchr("abcdefghijklmnopqrstuvwxyz0123456789_", text[begin - 1])) begin--;
    if (strncmp(text + begin, "dualprop_", 9) != 0 || end - begin >= size) return 0;
    snprintf(name, size, "%.*s", (int)(end - begin), text + begin);
    return 1;
}

static int check_header(const char *path)
{
    char *text = read_text(path), name[96];
    int found = 0;
    for (char *at = text; (at = strstr(at, "DUALPROP_")) != NULL; at++) {
        if (strncmp(at, "DUALPROP_API ", 13) != 0) continue;
        if (!declared(name, sizeof name, at)) continue;
        ck_assert_msg(is_swept(name), "%s of %s has no sweep in tests/test_arguments.c", name, path);
        found++;
    }
    free(text);
    return found;
}

START_TEST(every_function_of_the_headers_is_swept)
{
    DIR *folder = opendir("include/dualprop");
    if (!folder) {
        test_skip("the headers are not in include/dualprop: run the tests from the root of the project");
        return;
    }
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        size_t length = strlen(entry->d_name);
        if (length < 3 || strcmp(entry->d_name + length - 2, ".h") != 0) continue;
        snprintf(path, sizeof path, "include/dualprop/%s", entry->d_name);
        found += check_header(path);
    }
    closedir(folder);
    ck_assert_int_eq(found, SWEEP_COUNT);
}
END_TEST

Suite *test_arguments_suite(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tests = tcase_create("arguments");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, is_refused_and_changes_nothing, 0, SWEEP_COUNT);
    tcase_add_test(tests, inputs_and_targets_that_are_not_finite_change_no_weights);
    tcase_add_test(tests, every_function_of_the_headers_is_swept);
    suite_add_tcase(suite, tests);
    return suite;
}
