/*
 * state_plan.c - the plan of a state: one arena of backend memory, cut into the arrays of every layer.
 *
 * The same walk over the network first counts the bytes and then hands out the pieces, so the two cannot disagree.
 */
#include <stdio.h>
#include <string.h>

#include "state_plan.h"

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
    else arena->used = end / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
    return piece;
}

/* Reals: rows of width elements, or `least` elements if that is more. */
static void *carve_at_least(struct arena *arena, int64_t rows, int64_t width, int64_t least)
{
    size_t elements, bytes = 0;
    int fits = DUALPROP__MULTIPLY(&elements, (size_t)rows, (size_t)width);
    if (elements < (size_t)least) elements = (size_t)least;
    if (!fits || !DUALPROP__MULTIPLY(&bytes, elements, arena->real_size)) {
        arena->overflow = 1;
        return NULL;
    }
    return carve_bytes(arena, bytes);
}

static void *carve(struct arena *arena, int64_t rows, int64_t width)
{
    return carve_at_least(arena, rows, width, 0);
}

/* Workspace of an activation of the caller's; 0 of a built-in one, -1 if it overflows. */
static int64_t activation_workspace(const dualprop_state *state, const dualprop_layer *layer)
{
    int64_t bytes, each = dualprop__custom_doubles(state) * (int64_t)sizeof(double);
    if (!layer->custom_activation) return 0;
    int fits = DUALPROP__MULTIPLY(&bytes, state->capacity, layer->outputs) && DUALPROP__MULTIPLY(&bytes, bytes, each);
    return fits ? bytes : -1;
}

/* The largest workspace any layer asks for; -1 if the backend says the shape is beyond it. */
static int64_t workspace_bytes(const dualprop_state *state)
{
    int64_t most = 0;
    for (int k = 1; k <= state->layer_count; k++) {
        const dualprop_layer *layer = state->network->layers[k - 1];
        int64_t bytes[2] = { dualprop__map_workspace(state, layer), activation_workspace(state, layer) };
        for (int i = 0; i < 2; i++) {
            if (bytes[i] < 0) return -1;
            if (bytes[i] > most) most = bytes[i];
        }
    }
    return most;
}

/* All caches together, as far as they count; -1 if the backend says that a shape is beyond it. */
static int64_t cache_bytes(const dualprop_state *state)
{
    int64_t sum = 0;
    for (int k = 1; k <= state->layer_count; k++) {
        int64_t bytes = dualprop__map_cache(state, state->network->layers[k - 1]);
        for (int i = 0; i <= state->plan.needs.feedback; i++)
            if (bytes < 0 || !DUALPROP__ADD(&sum, sum, bytes)) return -1;
    }
    return sum;
}

static uint8_t *carve_switches(struct arena *arena, const dualprop_state *state, int64_t elements)
{
    size_t bytes = 0;
    if (!DUALPROP__MULTIPLY(&bytes, (size_t)elements, (size_t)state->capacity)) arena->overflow = 1;
    return bytes > 0 ? carve_bytes(arena, bytes) : NULL;
}

/* What the backend keeps of the weights. */
static void carve_caches(struct arena *arena, const dualprop_state *state, struct dualprop__dyads *dyads)
{
    for (int i = 0; i <= state->plan.needs.feedback; i++)
        dyads->caches[i].memory = carve_bytes(arena, (size_t)dualprop__map_cache(state, dyads->layer));
    dyads->caches[0].weights = dyads->caches[1].weights = NULL;
}

static void carve_layer(struct arena *arena, struct dualprop__dyads *dyads, int64_t capacity)
{
    int64_t map = dualprop__map_width(dyads->layer); /* one sample before pooling has to fit, too */
    dyads->arrays.a = carve_at_least(arena, capacity, dyads->width, map);
    dyads->arrays.mean = carve(arena, capacity, dyads->width);
    dyads->arrays.top_down = carve(arena, capacity, dyads->width);
    dyads->arrays.delta = carve_at_least(arena, capacity, dyads->width, map);
}

/* What optional rule features keep for layer k. */
static void carve_options(struct arena *arena, dualprop_state *state, int k)
{
    const struct dualprop__needs *needs = &state->plan.needs;
    struct dualprop__dyads *own = &state->dyads[k];
    int is_hidden = k > 0 && k<state->layer_count, has_dyads = k> 0 || needs->input_dyads;
    if (k == 0) { /* another plan may have had them, so without dyads there are none */
        own->arrays.a = has_dyads ? carve(arena, state->capacity, own->width) : NULL;
        int has_top_down = has_dyads || state->network->open & DUALPROP_OPEN_BOTTOM;
        own->arrays.top_down = has_top_down ? carve(arena, state->capacity, own->width) : NULL;
        own->arrays.delta = has_dyads ? carve(arena, state->capacity, own->width) : NULL;
    }
    own->inference->arrays.error_signal =
        needs->error_signal && is_hidden ? carve(arena, state->capacity, own->width) : NULL;
    own->inference->arrays.alphas = needs->alphas && has_dyads ? carve(arena, 1, own->width) : NULL;
    own->inference->arrays.power =
        needs->power && has_dyads && k < state->layer_count ? carve(arena, 1, own->width) : NULL;
    own->inference->arrays.noisy = needs->weight_noise && k > 0 ? carve(arena, 1, own->layer->weight_elements) : NULL;
}

static void carve_scratch(struct arena *arena, dualprop_state *state)
{
    const struct dualprop__needs *needs = &state->plan.needs;
    int64_t outputs = dualprop__output(state)->width;
    state->plan.uniform = needs->mask ? carve(arena, state->capacity, state->plan.widest) : NULL;
    for (int i = 0; i < 3; i++) {
        int wanted = i < 2 ? needs->state_noise : needs->down_noise;
        state->plan.normals[i] = wanted ? carve(arena, state->capacity, state->plan.widest) : NULL;
    }
    state->plan.formed = needs->fresh_minus ? carve(arena, state->capacity, state->plan.widest) : NULL;
    state->plan.target_mean = needs->extended_output ? carve(arena, state->capacity, outputs) : NULL;
    state->plan.power_image = needs->power ? carve(arena, 1, state->plan.widest) : NULL;
    state->plan.proximal = carve_bytes(arena, (size_t)outputs * 7 * sizeof(double));
}

/*
 * A state that only predicts needs each layer until the next one is there: two arrays in turn for the activations, and
 * one for what comes before them.
 */
static void carve_feed_forward(struct arena *arena, dualprop_state *state)
{
    int64_t widths[2] = { 1, 1 }, width = 1, map = 1, switches = 0;
    for (int k = 0; k <= state->layer_count; k++) {
        const struct dualprop__dyads *dyads = &state->dyads[k];
        if (dyads->width > widths[k % 2]) widths[k % 2] = dyads->width;
        if (k == 0) continue;
        int64_t own_map = dualprop__map_width(dyads->layer), own_switches = dualprop__switches_elements(dyads->layer);
        if (dyads->width > width) width = dyads->width;
        if (own_map > map) map = own_map; /* one sample before pooling has to fit, too */
        if (own_switches > switches) switches = own_switches;
    }
    void *means[2] = { carve(arena, state->capacity, widths[0]), carve(arena, state->capacity, widths[1]) };
    void *a = carve_at_least(arena, state->capacity, width, map);
    uint8_t *shared = carve_switches(arena, state, switches);
    for (int k = 0; k <= state->layer_count; k++) {
        state->dyads[k].arrays.mean = means[k % 2];
        if (k == 0) continue;
        state->dyads[k].arrays.a = a;
        state->dyads[k].arrays.switches = dualprop__switches_elements(state->dyads[k].layer) > 0 ? shared : NULL;
    }
}

static void carve_prediction(struct arena *arena, dualprop_state *state)
{
    carve_feed_forward(arena, state);
    for (int k = 1; k <= state->layer_count; k++) carve_caches(arena, state, &state->dyads[k]);
}

/* Less than the plan has, whose sizes were checked. */
size_t dualprop__carve_beside(void **target, dualprop_state *state, void *base)
{
    struct arena arena = { base, 0, state->context->real_size, 0 };
    carve_feed_forward(&arena, state);
    *target = carve(&arena, state->capacity, dualprop__output(state)->width);
    return arena.used;
}

static void carve_inference(struct arena *arena, dualprop_state *state)
{
    state->dyads[0].arrays.mean = carve(arena, state->capacity, state->dyads[0].width);
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *dyads = &state->dyads[k];
        carve_layer(arena, dyads, state->capacity);
        dyads->arrays.switches = carve_switches(arena, state, dualprop__switches_elements(dyads->layer));
        carve_caches(arena, state, dyads);
    }
    state->plan.prediction = carve(arena, state->capacity, dualprop__output(state)->width);
    for (int k = 0; k <= state->layer_count; k++) carve_options(arena, state, k);
    carve_scratch(arena, state);
}

static void carve_all(struct arena *arena, dualprop_state *state)
{
    if (state->rule) carve_inference(arena, state);
    else carve_prediction(arena, state);
    state->plan.target = carve(arena, state->capacity, dualprop__output(state)->width);
    state->plan.workspace = carve_bytes(arena, (size_t)state->plan.workspace_bytes);
    if (dualprop__is_on_host(state->context)) state->plan.staging = state->plan.workspace;
}

/*
 * Host reals: a batch of targets, or three rows of the widest layer, or the draws or weights of one layer; of these
 * only the targets if the state just predicts.
 */
static int staging_elements(size_t *elements, const dualprop_state *state)
{
    const struct dualprop__needs *needs = &state->plan.needs;
    size_t rows = 0, draws = 0, weights = 0;
    int fits = DUALPROP__MULTIPLY(elements, (size_t)state->capacity, (size_t)dualprop__output(state)->width) &&
               DUALPROP__MULTIPLY(&draws, (size_t)state->capacity, (size_t)state->plan.widest) &&
               DUALPROP__MULTIPLY(&rows, (size_t)state->plan.widest, (size_t)3);
    for (int k = 1; k <= state->layer_count; k++) {
        size_t own = (size_t)dualprop__parameter_elements(state->dyads[k].layer, 0);
        if (own > weights) weights = own;
    }
    if (state->rule && rows > *elements) *elements = rows;
    if ((needs->state_noise || needs->down_noise) && draws > *elements) *elements = draws;
    if (needs->weight_noise && weights > *elements) *elements = weights;
    return fits;
}

/* One block, as create_bare_state() in state.c cuts it. */
dualprop_status dualprop__state_record_bytes(size_t *bytes, const dualprop_network *network, int has_rule,
                                             int64_t capacity)
{
    size_t layers = (size_t)network->layer_count + 1, augmentation = 0;
    size_t of_layer = sizeof(struct dualprop__dyads) + (has_rule ? sizeof(struct dualprop__layer_inference) : 0);
    if (network->context->backend.gate_steps) of_layer += sizeof(dualprop_step_condition);
    int fits = DUALPROP__MULTIPLY(&augmentation, (size_t)capacity, 3 * sizeof(int32_t)) &&
               DUALPROP__ADD(bytes, sizeof(dualprop_state) + layers * of_layer, augmentation) &&
               *bytes <= (size_t)INT64_MAX / 2;
    DUALPROP__REQUIRE(network->context, fits, DUALPROP_ERROR_RANGE,
                      "a state for capacity %lld overflows the size of memory", (long long)capacity);
    return DUALPROP_OK;
}

/* Bytes of staging memory; on the host it is the workspace, which no slot uses between two calls. */
static int measure_staging(size_t *bytes, dualprop_state *state)
{
    size_t elements = 0;
    if (!staging_elements(&elements, state) || !DUALPROP__MULTIPLY(bytes, elements, state->context->real_size) ||
        *bytes > (size_t)INT64_MAX / 2)
        return 0;
    if (!dualprop__is_on_host(state->context)) return 1;
    if ((int64_t)*bytes > state->plan.workspace_bytes) state->plan.workspace_bytes = (int64_t)*bytes;
    *bytes = 0;
    return 1;
}

/*
 * Doubles on the host for a loss function: three arrays of a batch's outputs, and a loss per sample; two more and a
 * number per sample for its proximal map; 0 without one.
 */
static int count_loss_arrays(size_t *elements, const dualprop_state *state)
{
    size_t reals, arrays = state->plan.needs.loss_proximal ? 5 : 3, numbers;
    *elements = 0;
    if (!state->plan.needs.loss_function) return 1;
    return DUALPROP__MULTIPLY(&reals, (size_t)state->capacity, (size_t)dualprop__output(state)->width) &&
           DUALPROP__MULTIPLY(&numbers, (size_t)state->capacity, (arrays - 1) / 2) &&
           DUALPROP__MULTIPLY(elements, reals, arrays) && DUALPROP__ADD(elements, *elements, numbers) &&
           *elements < (size_t)INT64_MAX / 16;
}

/* What is allocated beside the state itself: arena, staging memory, the order of a list, arrays of losses,
 * scratch of switches. */
static uint64_t bytes_of_plan(const dualprop_state *state, size_t arena, size_t staging, uint64_t scratch)
{
    uint64_t order = (uint64_t)state->plan.needs.order_count * sizeof *state->plan.order;
    size_t losses = 0;
    if (count_loss_arrays(&losses, state) && losses > 0)
        losses = sizeof *state->plan.own_loss + losses * sizeof *state->plan.own_loss->arrays;
    int on_host = dualprop__is_on_host(state->context);
    uint64_t bytes = on_host ? dualprop__block_bytes(arena) : arena;
    if (!on_host) bytes += dualprop__block_bytes(staging);
    if (order > 0) bytes += dualprop__block_bytes(order);
    if (losses > 0) bytes += dualprop__block_bytes(losses);
    if (scratch > 0) bytes += on_host ? dualprop__block_bytes(scratch) : scratch;
    return bytes;
}

/* Count the bytes of arena and staging memory; RANGE if they overflow. The arrays are nowhere afterwards. */
dualprop_status dualprop__state_measure(size_t *arena_bytes, size_t *staging_bytes, dualprop_state *state)
{
    struct arena arena = { NULL, 0, state->context->real_size, 0 };
    size_t records = 0, losses;
    uint64_t scratch;
    state->plan.workspace_bytes = workspace_bytes(state);
    int fits = state->plan.workspace_bytes >= 0 && cache_bytes(state) >= 0 && measure_staging(staging_bytes, state);
    if (fits) carve_all(&arena, state);
    fits = fits && !arena.overflow && count_loss_arrays(&losses, state);
    DUALPROP__REQUIRE(state->context, fits && arena.used < (size_t)INT64_MAX / 2, DUALPROP_ERROR_RANGE,
                      "a state for capacity %lld overflows the size of memory", (long long)state->capacity);
    DUALPROP__TRY(dualprop__state_record_bytes(&records, state->network, state->rule != NULL, state->capacity));
    DUALPROP__TRY(dualprop__switches_measure(&scratch, state));
    *arena_bytes = arena.used;
    state->plan.bytes = dualprop__block_bytes(records) + bytes_of_plan(state, arena.used, *staging_bytes, scratch);
    return DUALPROP_OK;
}

static void hand_out(dualprop_state *state)
{
    struct arena arena = { state->plan.arena, 0, state->context->real_size, 0 };
    carve_all(&arena, state);
}

void dualprop__state_release_memory(const dualprop_state *state, const struct dualprop__memory *memory)
{
    dualprop_context *context = state->context;
    if (memory->arena) context->backend.release(context->instance, memory->arena, memory->arena_bytes);
    if (!dualprop__is_on_host(context)) dualprop__release(context, memory->staging);
    dualprop__release(context, memory->order);
    dualprop__release(context, memory->own_loss);
}

/* The order is copied, so that a rule that gets another one does not pull it away from under an inference. */
static dualprop_status copy_order(int32_t **order, const dualprop_state *state)
{
    size_t count = (size_t)state->plan.needs.order_count;
    *order = NULL;
    if (count == 0) return DUALPROP_OK;
    *order = dualprop__allocate_array(state->context, count, sizeof **order);
    if (!*order) return DUALPROP_ERROR_NO_MEMORY;
    memcpy(*order, state->rule->order, count * sizeof **order);
    return DUALPROP_OK;
}

static dualprop_status allocate_own_loss(struct dualprop__own_loss **own_loss, const dualprop_state *state)
{
    size_t elements;
    *own_loss = NULL;
    if (!count_loss_arrays(&elements, state) || elements == 0) return DUALPROP_OK; /* measured before: it fits */
    *own_loss = dualprop__allocate(state->context, sizeof **own_loss + elements * sizeof *(*own_loss)->arrays);
    return *own_loss ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
}

static dualprop_status allocate_memory(struct dualprop__memory *memory, dualprop_state *state)
{
    size_t staging_bytes;
    dualprop_context *context = state->context;
    DUALPROP__TRY(dualprop__state_measure(&memory->arena_bytes, &staging_bytes, state));
    DUALPROP__TRY(copy_order(&memory->order, state));
    DUALPROP__TRY(allocate_own_loss(&memory->own_loss, state));
    if (!dualprop__is_on_host(context)) {
        memory->staging = dualprop__allocate(context, staging_bytes);
        if (!memory->staging) return DUALPROP_ERROR_NO_MEMORY;
    }
    dualprop_status status = context->backend.allocate(context->instance, &memory->arena, memory->arena_bytes);
    if (status == DUALPROP_ERROR_NO_MEMORY) return status; /* dualprop__state_plan() tells it of the whole state */
    if (status != DUALPROP_OK)
        return dualprop__fail(context, status, "a state for capacity %lld needs %zu bytes, which could not be had",
                              (long long)state->capacity, memory->arena_bytes);
    return context->backend.fill_zero(context->instance, memory->arena, memory->arena_bytes);
}

struct dualprop__needs dualprop__state_needs(const dualprop_rule *rule)
{
    struct dualprop__needs needs = { 0 };
    if (!rule) return needs;
    needs.error_signal = dualprop__rule_variant(rule)->is_straight;
    needs.input_dyads = rule->input_robustness > 0;
    needs.power = rule->damping == DUALPROP_DAMPING_HALF || rule->damping == DUALPROP_DAMPING_GAMMA2;
    needs.alphas = rule->alpha_mismatch > 0;
    needs.mask = rule->schedule == DUALPROP_ASYNC;
    needs.state_noise = rule->noise_state > 0;
    needs.down_noise = rule->noise_down > 0;
    needs.weight_noise = rule->noise_weight > 0;
    needs.extended_output = needs.alphas || needs.mask || needs.state_noise || needs.down_noise ||
                            rule->time_step != 1.0 || rule->quantize_bits > 0 || rule->loss_proximal;
    needs.feedback = rule->feedback != DUALPROP_FEEDBACK_SYMMETRIC;
    needs.loss_function = rule->loss == DUALPROP_LOSS_FUNCTION;
    needs.loss_proximal = rule->loss_proximal != NULL;
    needs.fresh_minus = rule->fresh_minus;
    needs.order_count = rule->schedule == DUALPROP_LIST ? rule->order_count : 0;
    return needs;
}

/* Give the state the memory that its rule needs now. On failure it keeps what it had. */
dualprop_status dualprop__state_plan(dualprop_state *state)
{
    struct dualprop__memory fresh = { 0 }, old = { state->plan.arena, state->plan.staging, state->plan.arena_bytes,
                                                   state->plan.order, state->plan.own_loss };
    struct dualprop__needs needs = state->plan.needs;
    uint64_t bytes = state->plan.bytes;
    int64_t workspace = state->plan.workspace_bytes;
    state->plan.needs = dualprop__state_needs(state->rule);
    dualprop_status status = allocate_memory(&fresh, state);
    if (status == DUALPROP_OK) status = dualprop__switches_plan(state);
    char what[64];
    snprintf(what, sizeof what, "a state for capacity %lld", (long long)state->capacity);
    status = dualprop__whole_memory(state->context, status, what, state->plan.bytes, "dualprop_state_memory_needed");
    const struct dualprop__memory *kept = status == DUALPROP_OK ? &fresh : &old;
    if (status != DUALPROP_OK) {
        state->plan.needs = needs;
        state->plan.bytes = bytes;
        state->plan.workspace_bytes = workspace;
    }
    state->plan.arena = kept->arena;
    state->plan.arena_bytes = kept->arena_bytes;
    state->plan.staging = kept->staging;
    state->plan.order = kept->order;
    state->plan.own_loss = kept->own_loss;
    if (state->plan.arena) hand_out(state);
    dualprop__state_release_memory(state, status == DUALPROP_OK ? &old : &fresh);
    if (status != DUALPROP_OK) return status;
    state->plan.alphas_revision = 0;
    if (state->plan.own_loss) state->snapshot.revision = 0; /* copy the function when the next inference begins */
    return dualprop__seed_power_vectors(state);
}
