/*
 * state.c - the plan of a state: one arena of backend memory, cut into the arrays of every layer.
 *
 * The same walk over the network first counts the bytes and then hands out the pieces, so the two cannot disagree.
 * Nothing is allocated after dualprop_state_create().
 */
#include "map.h"

#include <string.h>

#define PIECE_ALIGNMENT 64

/* The walk: with base NULL it only counts. */
struct arena {
    char *base;
    size_t used;
    size_t real_size;
    int overflow;
};

static void *carve_bytes(struct arena *arena, size_t bytes)
{
    size_t end;
    void *piece = arena->base ? arena->base + arena->used : NULL;
    if (!DUALPROP__ADD(&end, arena->used, bytes) || !DUALPROP__ADD(&end, end, (size_t)(PIECE_ALIGNMENT - 1)))
        arena->overflow = 1;
    else
        arena->used = end / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
    return piece;
}

static void *carve(struct arena *arena, int64_t rows, int64_t width)
{
    size_t elements, bytes = 0;
    if (!DUALPROP__MULTIPLY(&elements, (size_t)rows, (size_t)width) ||
        !DUALPROP__MULTIPLY(&bytes, elements, arena->real_size)) {
        arena->overflow = 1;
        return NULL;
    }
    return carve_bytes(arena, bytes);
}

/* The largest workspace any layer asks for; -1 where the backend says the shape is beyond it. */
static int64_t workspace_bytes(const dualprop_state *state)
{
    int64_t most = 0;
    for (int k = 1; k <= state->layer_count; k++) {
        int64_t bytes = dualprop__map_workspace(state, state->network->layers[k - 1]);
        if (bytes < 0) return -1;
        if (bytes > most) most = bytes;
    }
    return most;
}

/* All caches together, as far as they count; -1 where the backend says that a shape is beyond it. */
static int64_t cache_bytes(const dualprop_state *state)
{
    int64_t sum = 0;
    for (int k = 1; k <= state->layer_count; k++) {
        int64_t bytes = dualprop__map_cache(state, state->network->layers[k - 1]);
        if (bytes < 0 || !DUALPROP__ADD(&sum, sum, bytes)) return -1;
    }
    return sum;
}

/* Bytes for max pooling, and what the backend keeps of the weights. */
static void carve_convolution(struct arena *arena, dualprop_state *state, struct dualprop__dyads *dyads)
{
    size_t switches = 0;
    if (!DUALPROP__MULTIPLY(&switches, (size_t)dualprop__switches_elements(dyads->layer), (size_t)state->capacity))
        arena->overflow = 1;
    dyads->switches = switches > 0 ? carve_bytes(arena, switches) : NULL;
    dyads->cache = carve_bytes(arena, (size_t)dualprop__map_cache(state, dyads->layer));
    dyads->cached_weights = NULL;
}

static void carve_layer(struct arena *arena, struct dualprop__dyads *dyads, int64_t capacity, int learns)
{
    dyads->a = carve(arena, capacity, dyads->width);
    dyads->mean = carve(arena, capacity, dyads->width);
    if (!learns) return;
    dyads->top_down = carve(arena, capacity, dyads->width);
    dyads->delta = carve(arena, capacity, dyads->width);
}

static void carve_all(struct arena *arena, dualprop_state *state, int64_t workspace)
{
    int learns = state->rule != NULL;
    int64_t outputs = state->dyads[state->layer_count].width;
    state->dyads[0].mean = carve(arena, state->capacity, state->dyads[0].width);
    for (int k = 1; k <= state->layer_count; k++) {
        carve_layer(arena, &state->dyads[k], state->capacity, learns);
        carve_convolution(arena, state, &state->dyads[k]);
    }
    state->target = carve(arena, state->capacity, outputs);
    state->prediction = carve(arena, state->capacity, outputs);
    state->workspace = carve_bytes(arena, (size_t)workspace);
}

/* Host reals: a batch of targets, or two rows of the widest layer. */
static int staging_elements(size_t *elements, const dualprop_state *state)
{
    size_t rows = (size_t)state->widest * 2;
    int fits = DUALPROP__MULTIPLY(elements, (size_t)state->capacity, (size_t)state->dyads[state->layer_count].width);
    if (rows > *elements) *elements = rows;
    return fits;
}

/* Count the bytes of arena and staging memory; RANGE where they overflow. */
static dualprop_status measure(size_t *arena_bytes, size_t *staging_bytes, int64_t *workspace, dualprop_state *state)
{
    struct arena arena = { NULL, 0, state->context->real_size, 0 };
    size_t elements, moves;
    uint64_t scratch;
    *workspace = workspace_bytes(state);
    int fits = *workspace >= 0 && cache_bytes(state) >= 0;
    if (fits) carve_all(&arena, state, *workspace);
    fits = fits && !arena.overflow && staging_elements(&elements, state) &&
           DUALPROP__MULTIPLY(staging_bytes, elements, state->context->real_size) &&
           DUALPROP__MULTIPLY(&moves, (size_t)state->capacity, 3 * sizeof *state->moves);
    DUALPROP__REQUIRE(state->context, fits && arena.used < (size_t)INT64_MAX / 2, DUALPROP_ERROR_RANGE,
                      "a state for capacity %lld overflows the size of memory", (long long)state->capacity);
    DUALPROP__TRY(dualprop__switches_measure(&scratch, state));
    *arena_bytes = arena.used;
    state->bytes = (uint64_t)arena.used + *staging_bytes + moves + scratch + sizeof *state +
                   (uint64_t)(state->layer_count + 1) * sizeof *state->dyads;
    return DUALPROP_OK;
}

static dualprop_status allocate_arena(dualprop_state *state)
{
    size_t arena_bytes, staging_bytes;
    int64_t workspace;
    dualprop_context *context = state->context;
    DUALPROP__TRY(measure(&arena_bytes, &staging_bytes, &workspace, state));
    state->staging = dualprop__allocate(context, staging_bytes);
    state->moves = dualprop__allocate_array(context, (size_t)state->capacity, 3 * sizeof *state->moves);
    if (!state->staging || !state->moves) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__TRY(dualprop__switches_plan(state));
    dualprop_status status = context->backend.allocate(context->instance, &state->arena, arena_bytes);
    if (status != DUALPROP_OK)
        return dualprop__fail(context, status, "a state for capacity %lld needs %zu bytes, which could not be had",
                              (long long)state->capacity, arena_bytes);
    state->arena_bytes = arena_bytes;
    DUALPROP__TRY(context->backend.fill_zero(context->instance, state->arena, arena_bytes));
    struct arena arena = { state->arena, 0, context->real_size, 0 };
    carve_all(&arena, state, workspace);
    return DUALPROP_OK;
}

static dualprop_status check_fit(const dualprop_network *network, const dualprop_rule *rule, int64_t capacity)
{
    dualprop_context *context = network->context;
    DUALPROP__REQUIRE(context, capacity >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "capacity is %lld; expected >= 1",
                      (long long)capacity);
    DUALPROP__REQUIRE(context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    if (!rule) return DUALPROP_OK;
    DUALPROP__REQUIRE(context, rule->context == context, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "rule and network are of different contexts; expected the same");
    DUALPROP__REQUIRE(context, network->layers[network->layer_count - 1]->activation == DUALPROP_IDENTITY,
                      DUALPROP_ERROR_UNSUPPORTED, "the last layer's activation is %s; the rules expect identity",
                      dualprop_name(DUALPROP_NAMES_ACTIVATION, network->layers[network->layer_count - 1]->activation));
    return dualprop__rule_check(rule);
}

/* A state with its records but without its arrays. */
static dualprop_status create_bare(dualprop_state **out, dualprop_network *network, dualprop_rule *rule,
                                   int64_t capacity)
{
    dualprop_context *context = network->context;
    dualprop_state *state = dualprop__allocate(context, sizeof *state);
    if (!state) return DUALPROP_ERROR_NO_MEMORY;
    state->magic = DUALPROP__STATE;
    state->context = context;
    state->network = network;
    state->rule = rule;
    state->capacity = capacity;
    state->layer_count = network->layer_count;
    dualprop__network_retain(network);
    if (rule) dualprop__rule_retain(rule);
    state->dyads = dualprop__allocate_array(context, (size_t)network->layer_count + 1, sizeof *state->dyads);
    if (!state->dyads) {
        dualprop_state_destroy(state);
        return DUALPROP_ERROR_NO_MEMORY;
    }
    state->dyads[0].width = network->height * network->width * network->channels;
    for (int k = 1; k <= state->layer_count; k++) {
        state->dyads[k].layer = network->layers[k - 1];
        state->dyads[k].width = network->layers[k - 1]->outputs;
    }
    for (int k = 0; k <= state->layer_count; k++)
        if (state->dyads[k].width > state->widest) state->widest = state->dyads[k].width;
    *out = state;
    return DUALPROP_OK;
}

static dualprop_status check_handles(dualprop_network *network, dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    if (rule) DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    return DUALPROP_OK;
}

dualprop_status dualprop_state_create(dualprop_state **out, dualprop_network *network, dualprop_rule *rule,
                                      int64_t capacity)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "state is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__TRY(check_handles(network, rule));
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(check_fit(network, rule, capacity));
    dualprop_state *state;
    DUALPROP__TRY(create_bare(&state, network, rule, capacity));
    dualprop_status status = allocate_arena(state);
    if (status != DUALPROP_OK) {
        dualprop_state_destroy(state);
        return status;
    }
    if (rule) state->plan = atomic_load(&rule->plan);
    atomic_store(&network->sealed, 1);
    *out = state;
    return DUALPROP_OK;
}

void dualprop_state_destroy(dualprop_state *state)
{
    if (!state || state->magic != DUALPROP__STATE) return;
    dualprop_context *context = state->context;
    dualprop_network *network = state->network;
    if (state->phase == DUALPROP__OPEN) dualprop__infer_close(state, DUALPROP__IDLE);
    if (state->arena) context->backend.release(context->instance, state->arena, state->arena_bytes);
    dualprop__switches_release(state);
    dualprop__release(context, state->moves);
    dualprop__release(context, state->staging);
    dualprop__release(context, state->dyads);
    if (state->rule) dualprop__rule_release(state->rule);
    state->magic = DUALPROP__DEAD;
    dualprop__release(context, state);
    dualprop__network_release(network);
}

dualprop_status dualprop_state_prepare(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = DUALPROP_OK;
    if (state->phase == DUALPROP__OPEN)
        status = dualprop__fail(state->context, DUALPROP_ERROR_INVALID_STATE,
                                "an inference is open; call dualprop_infer_end() first");
    else if (state->rule)
        status = check_fit(state->network, state->rule, state->capacity);
    /* Every schedule so far uses the same arrays; only switches that are taken anew need more. */
    if (status == DUALPROP_OK) status = dualprop__switches_plan(state);
    if (status == DUALPROP_OK && state->rule) {
        state->plan = atomic_load(&state->rule->plan);
        state->phase = DUALPROP__IDLE;
    }
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_state_memory_needed(uint64_t *bytes, dualprop_network *network, dualprop_rule *rule,
                                             int64_t capacity)
{
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__TRY(check_handles(network, rule));
    DUALPROP__TRY(check_fit(network, rule, capacity));
    dualprop_state *state;
    size_t arena_bytes, staging_bytes;
    int64_t workspace;
    DUALPROP__TRY(create_bare(&state, network, rule, capacity));
    dualprop_status status = measure(&arena_bytes, &staging_bytes, &workspace, state);
    if (status == DUALPROP_OK) *bytes = state->bytes;
    dualprop_state_destroy(state);
    return status;
}

dualprop_status dualprop__state_enter(dualprop_state *state, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(state, DUALPROP__STATE, "state", function));
    DUALPROP__TRY(dualprop__context_enter(state->context));
    int idle = 0;
    DUALPROP__REQUIRE(state->context, atomic_compare_exchange_strong(&state->busy, &idle, 1), DUALPROP_ERROR_BUSY,
                      "state is in use by another call");
    return DUALPROP_OK;
}

void dualprop__state_leave(dualprop_state *state)
{
    atomic_store(&state->busy, 0);
}
