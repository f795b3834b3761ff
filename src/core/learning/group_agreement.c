/*
 * group_agreement.c - what the processes of a group compare before a step: that all can learn, and would learn alike.
 */
#include "group_gradient.h"

#include <stddef.h>

/*
 * All parameters, once they may differ: before the first step, and after every write that was no step. They are
 * compared as a caller would read them, since processes may pad them differently.
 */
static dualprop_status add_parameters(uint64_t *digest, const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    const struct dualprop__group_sums *sums = optimizer->sums;
    if (sums->is_compared && atomic_load(&network->written) == sums->compared_write) return DUALPROP_OK;
    return dualprop__parameters_digest(digest, network);
}

/* What must be equal in all processes for them to learn the same; of the weights mostly the last biases alone. */
static dualprop_status learning_digest(uint64_t *digest, const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    const dualprop_context *context = optimizer->context;
    *digest = dualprop__settings_digest(optimizer);
    DUALPROP__TRY(add_parameters(digest, optimizer));
    const dualprop_layer *last = network->layers[network->layer_count - 1];
    size_t bytes = (size_t)last->bias_elements * context->real_size;
    if (dualprop__is_on_host(context)) {
        *digest = dualprop__digest(*digest, last->bias, bytes);
        return DUALPROP_OK;
    }
    char *biases = dualprop__bias_part(dualprop__sum_array(optimizer, network->layer_count, 0), last);
    DUALPROP__TRY(context->backend.copy_out(context->instance, biases, last->bias, bytes));
    *digest = dualprop__digest(*digest, biases, bytes);
    return DUALPROP_OK;
}

dualprop_status dualprop__group_check_rule(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    int by_batch = state->snapshot.tolerance > 0 || state->snapshot.quantize_bits > 0 ||
                   state->snapshot.noise_state > 0 || state->snapshot.noise_down > 0 ||
                   state->plan.needs.weight_noise || state->snapshot.schedule == DUALPROP_ASYNC;
    if (!optimizer->sums->group) return DUALPROP_OK;
    DUALPROP__REQUIRE(optimizer->context, !by_batch, DUALPROP_ERROR_UNSUPPORTED,
                      "a group cannot learn by a rule with a tolerance, quantisation, noise or the asynchronous "
                      "schedule, which depend on the whole batch; expected none of them");
    return DUALPROP_OK;
}

dualprop_status dualprop__group_check_shares(const struct dualprop__group_sums *sums, int64_t total)
{
    int64_t at = 0;
    DUALPROP__REQUIRE(sums->group->context, total > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "no process has a sample; expected a batch of one at least");
    for (int r = 0; r < sums->size; at += sums->group->words[r].count, r++) {
        int64_t end =
            dualprop__first_sample(total, dualprop__first_block(sums->blocks, r + 1, sums->size), sums->blocks);
        DUALPROP__REQUIRE(
            sums->group->context, at + sums->group->words[r].count == end, DUALPROP_ERROR_INVALID_ARGUMENT,
            "the processes have %lld samples together, and process %d has %lld of them; expected %lld, as "
            "dualprop_group_share() computes with %lld blocks (this process or another one has not its "
            "share)",
            (long long)total, r, (long long)sums->group->words[r].count, (long long)(end - at),
            (long long)sums->blocks);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop__agree_on_batch(int64_t *total, int64_t *begin, dualprop_optimizer *optimizer,
                                         const dualprop_state *state, int64_t count, dualprop_status status,
                                         enum dualprop__collective call)
{
    dualprop_group *group = optimizer->sums->group;
    struct dualprop__group_sums *sums = optimizer->sums;
    struct dualprop__word word = {
        .call = call, .count = count, .steps = optimizer->steps, .is_surely_finite = sums->is_surely_finite
    };
    *total = count;
    *begin = 0;
    if (!group && status == DUALPROP_OK)
        DUALPROP__REQUIRE(optimizer->context, count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "the batch has no sample; expected one at least");
    if (!group) return status;
    if (status == DUALPROP_OK) status = learning_digest(&word.digest, optimizer);
    if (status == DUALPROP_OK && count > 0) word.rule = dualprop__rule_digest(state);
    word.status = status;
    DUALPROP__TRY(dualprop__group_agree(group, word));
    for (int r = 0; r < group->transport.size; r++)
        DUALPROP__REQUIRE(group->context, group->words[r].steps == group->words[0].steps, DUALPROP_ERROR_PEER,
                          "process %d has made %lld steps and process 0 %lld; expected as many", r,
                          (long long)group->words[r].steps, (long long)group->words[0].steps);
    DUALPROP__TRY(dualprop__group_compare_settings(optimizer, state));
    sums->is_compared = 1;
    sums->compared_write = atomic_load(&optimizer->network->written);
    *total = 0;
    for (int r = 0; r < group->transport.size; r++) {
        if (r == group->transport.rank) *begin = *total;
        *total += group->words[r].count;
        sums->is_surely_finite = sums->is_surely_finite && group->words[r].is_surely_finite;
    }
    return dualprop__group_check_shares(optimizer->sums, *total);
}

/* Numbers of the caller's parts differ between processes; names do not. */
static uint64_t name_digest(uint64_t digest, const struct dualprop__custom_part *part)
{
    return dualprop__digest(digest, part->name, sizeof part->name);
}

/* What every process has to have alike, beside what learning_digest() compares at each step. */
uint64_t dualprop__layers_digest(const dualprop_network *network)
{
    uint64_t digest = dualprop__digest(DUALPROP__DIGEST, &network->layer_count, sizeof network->layer_count);
    digest = dualprop__digest(digest, &network->feedback, sizeof network->feedback);
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        const int64_t numbers[] = { layer->kind,
                                    layer->custom_activation ? -1 : layer->activation,
                                    layer->inputs,
                                    layer->outputs,
                                    layer->weight_elements,
                                    layer->bias_elements };
        digest = dualprop__digest(digest, numbers, sizeof numbers);
        digest = dualprop__digest(digest, &layer->map, offsetof(dualprop_convolution, workspace));
        if (layer->custom_activation) digest = name_digest(digest, &layer->custom_activation->part);
        if (layer->custom_map) digest = name_digest(digest, &layer->custom_map->part);
    }
    return digest;
}
