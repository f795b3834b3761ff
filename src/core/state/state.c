/*
 * state.c - the life of a state, and one call at a time on it.
 *
 * Nothing is allocated after dualprop_state_create(), except by dualprop_state_prepare() for a rule with other needs.
 */
#include <string.h>

#include "state_plan.h"

/* A backend may be without the slots for optional rule features. */
static dualprop_status check_options(const dualprop_context *context, const dualprop_rule *rule)
{
    int wanted = dualprop__rule_variant(rule)->is_damped || dualprop__rule_variant(rule)->is_straight ||
                 rule->alpha_mismatch > 0 || rule->schedule == DUALPROP_ASYNC || rule->noise_state > 0 ||
                 rule->noise_down > 0 || rule->time_step != 1.0 || rule->quantize_bits > 0 ||
                 (dualprop__rule_output_step(rule) != DUALPROP_OUTPUT_LINEAR && rule->loss == DUALPROP_CROSS_ENTROPY);
    DUALPROP__REQUIRE(context, !wanted || context->backend.extended_update, DUALPROP_ERROR_UNSUPPORTED,
                      "the backend %s has no damping, lecun, mismatch, asynchrony, noise, time steps, quantization or "
                      "exact cross-entropy steps",
                      context->backend.name);
    return DUALPROP_OK;
}

/* What comes from the other side of an open end is Delta, and no more. */
static dualprop_status check_open_fit(const dualprop_network *network, const dualprop_rule *rule)
{
    const struct dualprop__variant *variant = dualprop__rule_variant(rule);
    int needs_more = variant->is_damped || variant->is_straight || rule->input_robustness > 0 ||
                     dualprop__rule_has_hardware_options(rule);
    DUALPROP__REQUIRE(network->context, !needs_more, DUALPROP_ERROR_UNSUPPORTED,
                      "an open network takes no damped rule, lecun, input robustness or options of hardware; expected "
                      "a rule without them");
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
    if (network->open) DUALPROP__TRY(check_open_fit(network, rule));
    DUALPROP__REQUIRE(context,
                      network->open & DUALPROP_OPEN_TOP ||
                          network->layers[network->layer_count - 1]->activation == DUALPROP_IDENTITY,
                      DUALPROP_ERROR_UNSUPPORTED, "the last layer's activation is %s; the rules expect identity",
                      dualprop__layer_activation_name(network->layers[network->layer_count - 1]));
    DUALPROP__TRY(check_options(context, rule));
    return dualprop__rule_check_network(rule, network);
}

/* What layers of a state that only predicts have for inferences. */
static const struct dualprop__layer_inference nothing_inferred;

/*
 * A state with its records but without its arrays; with room for the augmentation of so many samples. The records are
 * one block: the state, its layers, the conditions of a device, the augmentation.
 */
static dualprop_status create_bare_state(dualprop_state **out, dualprop_network *network, dualprop_rule *rule,
                                         int64_t capacity, int64_t augmentation)
{
    dualprop_context *context = network->context;
    size_t bytes = 0, layers = (size_t)network->layer_count + 1;
    DUALPROP__TRY(dualprop__state_record_bytes(&bytes, network, rule != NULL, augmentation));
    dualprop_state *state = dualprop__allocate(context, bytes);
    if (!state) return DUALPROP_ERROR_NO_MEMORY;
    state->magic = DUALPROP__STATE;
    state->context = context;
    state->network = network;
    state->rule = rule;
    state->capacity = capacity;
    state->layer_count = network->layer_count;
    dualprop__network_retain(network);
    if (rule) dualprop__rule_retain(rule);
    state->dyads = (struct dualprop__dyads *)(state + 1);
    char *rest = (char *)(state->dyads + layers);
    for (size_t k = 0; k < layers; k++)
        state->dyads[k].inference =
            rule ? (struct dualprop__layer_inference *)(void *)rest + k
                 : (struct dualprop__layer_inference *)(uintptr_t)&nothing_inferred; /* it is read only */
    if (rule) rest += layers * sizeof(struct dualprop__layer_inference);
    if (context->backend.gate_steps) {
        state->plan.conditions = (dualprop_step_condition *)(void *)rest;
        rest += layers * sizeof *state->plan.conditions;
    }
    state->plan.augmentation = (int32_t *)(void *)rest;
    state->dyads[0].width = network->height * network->width * network->channels;
    for (int k = 1; k <= state->layer_count; k++) {
        state->dyads[k].layer = network->layers[k - 1];
        state->dyads[k].width = network->layers[k - 1]->outputs;
    }
    for (int k = 0; k <= state->layer_count; k++) {
        int64_t map = k > 0 ? dualprop__map_width(state->dyads[k].layer) : 0;
        if (state->dyads[k].width > state->plan.widest) state->plan.widest = state->dyads[k].width;
        if (map > state->plan.widest) state->plan.widest = map;
    }
    *out = state;
    return DUALPROP_OK;
}

static dualprop_status check_handles(dualprop_network *network, dualprop_rule *rule, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(network, DUALPROP__NETWORK, "network", function));
    return rule ? dualprop__check_handle(rule, DUALPROP__RULE, "rule", function) : DUALPROP_OK;
}

dualprop_status dualprop_state_create(dualprop_state **out, dualprop_network *network, dualprop_rule *rule,
                                      int64_t capacity)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "state is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__TRY(check_handles(network, rule, __func__));
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__TRY(dualprop__network_check_real(network));
    DUALPROP__TRY(check_fit(network, rule, capacity));
    dualprop_state *state;
    dualprop_status status = create_bare_state(&state, network, rule, capacity, capacity);
    if (status != DUALPROP_OK)
        return dualprop__whole_memory(network->context, status, "a state", 0, "dualprop_state_memory_needed");
    status = dualprop__state_plan(state);
    if (status != DUALPROP_OK) {
        dualprop_state_destroy(state);
        return status;
    }
    if (rule) state->plan.revision = atomic_load(&rule->plan);
    atomic_store(&network->sealed, 1);
    *out = state;
    return DUALPROP_OK;
}

void dualprop_state_destroy(dualprop_state *state)
{
    if (!state || state->magic != DUALPROP__STATE) return;
    dualprop_context *context = state->context;
    dualprop_network *network = state->network;
    if (state->delayed.optimizer) (void)state->delayed.settle(state->delayed.optimizer);
    if (state->run.phase == DUALPROP__OPEN) dualprop__state_close(state, DUALPROP__IDLE);
    dualprop__switches_release(state);
    dualprop__state_release_memory(state, &(struct dualprop__memory){ state->plan.arena, state->plan.staging,
                                                                      state->plan.arena_bytes, state->plan.order,
                                                                      state->plan.own_loss });
    dualprop__release(context, state->weights.memory);
    dualprop__neurons_destroy(state);
    dualprop__aside_destroy(state);
    if (state->rule) dualprop__rule_release(state->rule);
    state->magic = DUALPROP__DEAD;
    dualprop__release(context, state);
    dualprop__network_release(network);
}

/* Memory is exchanged only where the rule needs other memory than before. */
static dualprop_status prepare_state(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__check_not_open(state));
    if (!state->rule) return DUALPROP_OK;
    DUALPROP__TRY(check_fit(state->network, state->rule, state->capacity));
    struct dualprop__needs needs = dualprop__state_needs(state->rule);
    int same = memcmp(&needs, &state->plan.needs, sizeof needs) == 0 && needs.order_count == 0;
    if (!same) DUALPROP__TRY(dualprop__state_plan(state));
    else DUALPROP__TRY(dualprop__switches_plan(state));
    state->plan.revision = atomic_load(&state->rule->plan);
    dualprop__state_lose(state, DUALPROP__LOST_TO_PREPARE);
    state->run.warm_count = same ? state->run.warm_count : 0;
    return DUALPROP_OK;
}

dualprop_status dualprop_state_prepare(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = prepare_state(state);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_state_memory_needed(uint64_t *bytes, dualprop_network *network, dualprop_rule *rule,
                                             int64_t capacity)
{
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__TRY(check_handles(network, rule, __func__));
    DUALPROP__TRY(check_fit(network, rule, capacity));
    dualprop_state *state;
    size_t arena_bytes, staging_bytes;
    DUALPROP__TRY(create_bare_state(&state, network, rule, capacity, 0));
    state->plan.needs = dualprop__state_needs(rule);
    dualprop_status status = dualprop__state_measure(&arena_bytes, &staging_bytes, state);
    if (status == DUALPROP_OK) *bytes = state->plan.bytes;
    dualprop_state_destroy(state);
    return status;
}

dualprop_status dualprop__state_enter(dualprop_state *state, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(state, DUALPROP__STATE, "state", function));
    DUALPROP__TRY(dualprop__context_enter(state->context));
    DUALPROP__TRY(dualprop__enter(state->context, &state->busy, "state"));
    dualprop_status status = state->delayed.optimizer ? state->delayed.settle(state->delayed.optimizer) : DUALPROP_OK;
    if (status != DUALPROP_OK) dualprop__state_leave(state);
    return status;
}

void dualprop__state_leave(dualprop_state *state)
{
    dualprop__leave(&state->busy);
}

dualprop_status dualprop__state_begin_read(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__network_open(&state->opened, state->network));
    for (int k = 1; k <= state->layer_count && state->dyads[k].layer->network != state->opened; k++)
        state->dyads[k].layer = state->opened->layers[k - 1];
    return DUALPROP_OK;
}

void dualprop__state_end_read(dualprop_state *state)
{
    dualprop__network_end_read(state->opened);
}

dualprop_status dualprop__check_not_open(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "an inference is open; call dualprop_infer_end() first");
    return DUALPROP_OK;
}

dualprop_status dualprop__check_settled(const dualprop_state *state)
{
    static const char *const reasons[] = {
        [DUALPROP__NEVER_INFERRED] = "no inference was made",
        [DUALPROP__LOST_TO_FAILURE] = "the last inference failed",
        [DUALPROP__LOST_TO_PREDICTION] = ("a prediction or an evaluation has overwritten the last inference, which "
                                          "dualprop_state_keep_inference() prevents"),
        [DUALPROP__LOST_TO_PREPARE] = "dualprop_state_prepare() has ended the last inference",
        [DUALPROP__LOST_TO_CHECKPOINT] = "dualprop_checkpoint_get_state() has ended the last inference",
    };
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__REQUIRE(state->context, state->run.phase == DUALPROP__SETTLED, DUALPROP_ERROR_INVALID_STATE,
                      "state has not settled: %s; call dualprop_infer() first", reasons[state->run.lost]);
    return DUALPROP_OK;
}

void dualprop__state_lose(dualprop_state *state, enum dualprop__lost how)
{
    if (state->run.phase != DUALPROP__IDLE) state->run.lost = (uint8_t)how;
    state->run.phase = DUALPROP__IDLE;
}

dualprop_status dualprop__state_store(dualprop_state *state, void *memory, const double *values, int64_t count)
{
    const dualprop_context *context = state->context;
    for (int64_t i = 0; i < count; i++) dualprop__real_set(state->plan.staging, context->precision, i, values[i]);
    return context->backend.copy_in(context->instance, memory, state->plan.staging, (size_t)count * context->real_size);
}

void dualprop__state_close(dualprop_state *state, enum dualprop__phase phase)
{
    if (phase == DUALPROP__IDLE) dualprop__state_lose(state, DUALPROP__LOST_TO_FAILURE);
    state->run.phase = phase;
    if (phase == DUALPROP__SETTLED) state->run.warm_count = state->batch.count;
    if (state->run.holds) dualprop__state_end_read(state);
    state->run.holds = 0;
}
