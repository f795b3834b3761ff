/*
 * arguments.c - see arguments.h.
 */
#include "arguments.h"

#include "core/learning/learning.h"

/* ---- memory that stays readable after it was released, so that dead handles can be read ---- */

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

struct world own, foreign, dead;
float images[COUNT * INPUTS], scores[COUNT * CLASSES], values[64];
int32_t labels[COUNT];

struct outputs out;

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

void arguments_setup(void)
{
    for (int i = 0; i < COUNT * INPUTS; i++) images[i] = (float)(i % 5) / 4;
    for (int i = 0; i < COUNT; i++) labels[i] = i % CLASSES;
    own = world_create();
    foreign = world_create();
    dead = world_create();
    world_destroy(&dead);
    memset(&out, 0x5A, sizeof out);
}

void arguments_teardown(void)
{
    world_destroy(&foreign);
    world_destroy(&own);
    while (buried > 0) free(graveyard[--buried]);
}

/* ---- everything the objects hold ---- */

static void add_bytes(struct copy *copy, const void *bytes, size_t size)
{
    if (copy->size + size > copy->room) copy->bytes = realloc(copy->bytes, copy->room = 2 * (copy->size + size));
    ck_assert_ptr_nonnull(copy->bytes);
    memcpy(copy->bytes + copy->size, bytes, size);
    copy->size += size;
}

void add_network(struct copy *copy, const dualprop_network *network)
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
    /* But for the workspace, which holds nothing between calls. */
    const char *arena = state->plan.arena, *workspace = state->plan.workspace;
    const char *rest = workspace + state->plan.workspace_bytes, *end = arena + state->plan.arena_bytes;
    add_bytes(copy, arena, (size_t)(workspace - arena));
    add_bytes(copy, rest, (size_t)(end - rest));
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

struct copy copy_world(const struct world *of)
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

void expect_unchanged(struct copy *before, const struct world *of, const char *function)
{
    struct copy after = copy_world(of);
    size_t i = 0;
    while (i < before->size && before->bytes[i] == after.bytes[i]) i++;
    ck_assert_msg(after.size == before->size && i == before->size, "a refused call of %s changed something (byte %zu)",
                  function, i);
    free(after.bytes);
    free(before->bytes);
}

void expect_outputs_untouched(const char *function)
{
    const unsigned char *bytes = (const unsigned char *)&out;
    for (size_t i = 0; i < sizeof out; i++)
        ck_assert_msg(bytes[i] == 0x5A, "a refused call of %s wrote to an output (byte %zu)", function, i);
}

/* ---- bad handles ---- */

static void *handle_of(const struct world *of, int kind)
{
    void *const handles[KINDS] = { of->context, of->network,   of->layer,      of->rule,
                                   of->state,   of->optimizer, of->checkpoint, of->diagnostics };
    return handles[kind];
}

void *bad_handle(int kind, int i)
{
    static uint64_t nothing[8];
    if (i == 0) return NULL;
    if (i == 1) return handle_of(&dead, kind);
    if (i == 2) return nothing;
    int other = i - 3 < kind ? i - 3 : i - 2;
    return handle_of(&own, other);
}

/* ---- bad views ---- */

dualprop_status bad_view_status(int i)
{
    return i == VIEW_HUGE_EXTENT || i == VIEW_HUGE_STRIDE ? DUALPROP_ERROR_RANGE : DUALPROP_ERROR_INVALID_ARGUMENT;
}

dualprop_view *bad_view(dualprop_view *view, const dualprop_view *good, int wrong_type, int i)
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

dualprop_view image_view(void)
{
    return matrix_view(images, DUALPROP_F32, COUNT, INPUTS);
}

dualprop_view label_view(void)
{
    return vector_view(labels, DUALPROP_I32, COUNT);
}

/* ---- suites ---- */

/* The lists of all suites one after another: a loop test knows only its index. */
static struct sweep registered[512];
static int registered_count;

START_TEST(is_refused_and_changes_nothing)
{
    const struct sweep *sweep = &registered[_i];
    struct copy before = copy_world(&own);
    sweep->run();
    expect_outputs_untouched(sweep->function);
    if (sweep->changes_state) free(before.bytes);
    else expect_unchanged(&before, &own, sweep->function);
}
END_TEST

Suite *arguments_suite(const char *name, const struct sweep_list *list)
{
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    int first = registered_count;
    for (int i = 0; i < list->count && registered_count < 512; i++) registered[registered_count++] = list->sweeps[i];
    tcase_add_checked_fixture(tests, arguments_setup, arguments_teardown);
    tcase_add_loop_test(tests, is_refused_and_changes_nothing, first, registered_count);
    suite_add_tcase(suite, tests);
    return suite;
}
