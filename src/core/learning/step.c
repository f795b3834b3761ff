/*
 * step.c - the learning step: the gradient applied to the parameters, never letting NaN or Inf reach them.
 *
 * A step is refused if it could leave the range of the type: when a gradient is not finite, or so large that its
 * square, or the learning rate times it, might overflow. Since every allowed step adds less than 1e30, the sum of
 * fewer than 1e8 steps stays finite in f32. A learning rate or weight decay above 1 can make weights grow by
 * themselves: then the weights are checked too, and a step is refused before their squares could overflow.
 *
 * Kolen-Pollack feedback weights take the weights' gradient, with moments of their own and the same decay.
 */
#include "group_gradient.h"
#include "math/step_condition.h"

#include <math.h>

/* ---- numbers ---- */

static double layer_rate(const dualprop_optimizer *optimizer, const dualprop_layer *layer)
{
    return dualprop__optimizer_rate(optimizer) * layer->learning_rate;
}

static dualprop_step_numbers layer_numbers(const dualprop_optimizer *optimizer, const dualprop_layer *layer,
                                           double gradient_scale)
{
    double t = (double)(optimizer->steps + 1);
    int has_scales = dualprop__is_adaptive(optimizer); /* two powers a layer, which small networks would feel */
    return (dualprop_step_numbers){
        .kind = optimizer->kind,
        .learning_rate = layer_rate(optimizer, layer),
        .momentum = optimizer->momentum,
        .beta1 = optimizer->beta1,
        .beta2 = optimizer->beta2,
        .epsilon = optimizer->epsilon,
        .scale1 = has_scales ? 1.0 / (1.0 - pow(optimizer->beta1, t)) : 1.0,
        .scale2 = has_scales ? 1.0 / (1.0 - pow(optimizer->beta2, t)) : 1.0,
        .weight_decay = optimizer->weight_decay,
        .gradient_scale = gradient_scale,
    };
}

/* The largest gradient a step may take; see the head of this file. */
double dualprop__largest_gradient(const dualprop_optimizer *optimizer, const dualprop_layer *layer)
{
    double square = optimizer->context->precision == DUALPROP_F32 ? 1e15 : 1e150;
    double rate = layer_rate(optimizer, layer);
    double reach = 1e30 * (1.0 - optimizer->momentum);
    return rate > 0 ? fmin(square, reach / rate) : square;
}

/* The largest of what a layer has for each weight and each bias. */
static dualprop_status largest_of(double *largest, const dualprop_layer *layer, const void *weights, const void *biases)
{
    dualprop_context *context = layer->network->context;
    double weight, bias;
    DUALPROP__TRY(context->backend.max_abs(context->instance, layer->weight_elements, weights, &weight));
    DUALPROP__TRY(context->backend.max_abs(context->instance, layer->bias_elements, biases, &bias));
    *largest = dualprop__greater_max_abs(weight, bias);
    return DUALPROP_OK;
}

/* ---- rates that let weights grow ---- */

#define LARGEST_WEIGHT 1e15 /* the square of decay times weight is what Adam adds up */

static int lets_weights_grow(const dualprop_optimizer *optimizer, const dualprop_layer *layer)
{
    return !layer->frozen && (layer_rate(optimizer, layer) > 1 || optimizer->weight_decay > 1);
}

/*
 * Weight decay alone multiplies a weight by 1 - rate decay, and momentum what it gathers by up to 1 / (1 - momentum).
 */
static dualprop_status check_weights(const dualprop_optimizer *optimizer, const dualprop_layer *layer)
{
    dualprop_context *context = optimizer->context;
    double largest, feedback = 0;
    double factor =
        (1.0 + layer_rate(optimizer, layer)) * (1.0 + optimizer->weight_decay) / (1.0 - optimizer->momentum);
    if (!lets_weights_grow(optimizer, layer)) return DUALPROP_OK;
    DUALPROP__TRY(largest_of(&largest, layer, layer->weight, layer->bias));
    if (layer->network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK)
        DUALPROP__TRY(context->backend.max_abs(context->instance, layer->weight_elements, layer->feedback, &feedback));
    largest = dualprop__greater_max_abs(largest, feedback);
    DUALPROP__REQUIRE(context, factor * fmax(largest, 1.0) <= LARGEST_WEIGHT, DUALPROP_ERROR_NOT_FINITE,
                      "the weights of layer %d reach %g; with this learning rate and weight decay a step allows %g, so "
                      "none was taken",
                      layer->index, largest, LARGEST_WEIGHT / factor);
    return DUALPROP_OK;
}

/* ---- the step on a gradient held ---- */

static dualprop_status check_gradient(const dualprop_optimizer *optimizer, const dualprop_layer *layer, double scale)
{
    dualprop_context *context = optimizer->context;
    const struct dualprop__learning *learning = &optimizer->layers[layer->index - 1];
    double reached, allowed = dualprop__largest_gradient(optimizer, layer);
    const char *whose = layer->custom_map ? " and the map " : "";
    const char *map = layer->custom_map ? layer->custom_map->part.name : "";
    DUALPROP__TRY(largest_of(&reached, layer, learning->weight_gradient, learning->bias_gradient));
    reached *= scale;
    DUALPROP__REQUIRE(context, !isnan(reached), DUALPROP_ERROR_NOT_FINITE,
                      "the gradient of layer %d%s%s holds NaN, so no step was taken", layer->index, whose, map);
    DUALPROP__REQUIRE(context, reached <= allowed, DUALPROP_ERROR_NOT_FINITE,
                      "the gradient of layer %d%s%s reaches %g; a step allows %g, so none was taken", layer->index,
                      whose, map, reached, allowed);
    return DUALPROP_OK;
}

/* is_sure: no gradient can be too large for a step. */
static dualprop_status check_step(const dualprop_optimizer *optimizer, double scale, int is_sure)
{
    const dualprop_network *network = optimizer->network;
    for (int k = 0; k < network->layer_count; k++) {
        if (network->layers[k]->frozen) continue;
        DUALPROP__TRY(check_weights(optimizer, network->layers[k]));
        if (!is_sure) DUALPROP__TRY(check_gradient(optimizer, network->layers[k], scale));
    }
    return DUALPROP_OK;
}

/* Make the scale smaller where the norm of the whole gradient, over the layers that learn, is above the clip. */
static dualprop_status clip_scale(double *scale, const dualprop_optimizer *optimizer)
{
    dualprop_context *context = optimizer->context;
    double sum = 0;
    if (optimizer->clip <= 0) return DUALPROP_OK;
    for (int k = 0; k < optimizer->network->layer_count; k++) {
        const dualprop_layer *layer = optimizer->network->layers[k];
        const struct dualprop__learning *own = &optimizer->layers[k];
        double weight[4], bias[4];
        if (layer->frozen) continue;
        DUALPROP__TRY(context->backend.compare(context->instance, layer->weight_elements, own->weight_gradient,
                                               own->weight_gradient, weight));
        DUALPROP__TRY(context->backend.compare(context->instance, layer->bias_elements, own->bias_gradient,
                                               own->bias_gradient, bias));
        sum += weight[1] + bias[1];
    }
    double norm = *scale * sqrt(sum);
    if (norm > optimizer->clip) *scale *= optimizer->clip / norm;
    return DUALPROP_OK;
}

static dualprop_status apply_layers(dualprop_optimizer *optimizer, double scale)
{
    dualprop_context *context = optimizer->context;
    const dualprop_network *network = optimizer->network;
    for (int k = 0; k < network->layer_count; k++) {
        dualprop_layer *layer = network->layers[k];
        struct dualprop__learning *own = &optimizer->layers[k];
        if (layer->frozen) continue;
        dualprop_step_numbers numbers = layer_numbers(optimizer, layer, scale);
        DUALPROP__TRY(context->backend.optimizer_step(context->instance, &numbers, layer->weight_elements,
                                                      layer->weight, own->weight_gradient, own->moments[0],
                                                      own->moments[1]));
        if (network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK)
            DUALPROP__TRY(context->backend.optimizer_step(context->instance, &numbers, layer->weight_elements,
                                                          layer->feedback, own->weight_gradient,
                                                          own->feedback_moments[0], own->feedback_moments[1]));
        DUALPROP__TRY(context->backend.optimizer_step(context->instance, &numbers, layer->bias_elements, layer->bias,
                                                      own->bias_gradient, own->moments[2], own->moments[3]));
    }
    return DUALPROP_OK;
}

/* With the network open for writing. */
static dualprop_status apply_held(dualprop_optimizer *optimizer, int is_sure)
{
    double scale = dualprop__gradient_scale(optimizer);
    DUALPROP__TRY(check_step(optimizer, scale, is_sure));
    DUALPROP__TRY(clip_scale(&scale, optimizer));
    DUALPROP__TRY(dualprop__section_begin(optimizer->context));
    DUALPROP__TRY(dualprop__section_end(optimizer->context, apply_layers(optimizer, scale)));
    dualprop__count_step(optimizer);
    optimizer->gradient_samples = 0;
    return DUALPROP_OK;
}

static dualprop_status make_step_on_gradient(dualprop_optimizer *optimizer)
{
    DUALPROP__TRY(dualprop__gradient_check_kept(optimizer));
    DUALPROP__REQUIRE(optimizer->context, optimizer->gradient_samples > 0, DUALPROP_ERROR_INVALID_STATE,
                      "optimizer holds no gradient; call dualprop_gradient() first");
    DUALPROP__TRY(dualprop__network_begin_write(optimizer->network));
    dualprop_status status = apply_held(optimizer, 0);
    dualprop__feedback_align(optimizer->network);
    dualprop__network_end_step(optimizer->network);
    return status;
}

dualprop_status dualprop_step(dualprop_optimizer *optimizer)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = make_step_on_gradient(optimizer);
    dualprop__optimizer_leave(optimizer);
    return status;
}

/* ---- gradient and step in one ---- */

int dualprop__step_can_fuse(const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    if (optimizer->clip > 0 || network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK) return 0;
    for (int k = 0; k < network->layer_count; k++)
        if (lets_weights_grow(optimizer, network->layers[k])) return 0;
    return 1;
}

/* Can no gradient of layer k in this inference be too large? What a map of the caller's computes is not known. */
static int is_layer_finite(const dualprop_optimizer *optimizer, const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    if (own->layer->custom_map) return 0;
    return dualprop__is_surely_finite(own->inference->numbers.beta, own->observed.max_abs,
                                      dualprop__below(state, k)->observed.max_abs,
                                      dualprop__largest_gradient(optimizer, own->layer));
}

static int is_surely_finite(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++)
        if (!is_layer_finite(optimizer, state, k)) return 0;
    return 1;
}

dualprop_status dualprop__learn_layers(dualprop_optimizer *optimizer, dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) {
        const dualprop_layer *layer = state->dyads[k].layer;
        dualprop_step_numbers numbers = layer_numbers(optimizer, layer, 1.0);
        double factor = dualprop__gradient_factor(state, k, state->batch.count);
        if (!layer->frozen) DUALPROP__TRY(dualprop__gradient_layer(optimizer, state, k, factor, 0, &numbers));
    }
    return DUALPROP_OK;
}

static dualprop_status learn_in_section(dualprop_optimizer *optimizer, dualprop_state *state)
{
    optimizer->gradient_samples = 0;
    DUALPROP__TRY(dualprop__section_begin(optimizer->context));
    DUALPROP__TRY(dualprop__section_end(optimizer->context, dualprop__learn_layers(optimizer, state)));
    dualprop__count_step(optimizer);
    return DUALPROP_OK;
}

/* The step of an optimizer that keeps no gradient, with the network open for writing. */
static dualprop_status learn_without_gradient(dualprop_optimizer *optimizer, dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) {
        const dualprop_layer *layer = state->dyads[k].layer;
        if (layer->frozen) continue;
        DUALPROP__TRY(check_weights(optimizer, layer));
        DUALPROP__REQUIRE(
            optimizer->context, is_layer_finite(optimizer, state, k), DUALPROP_ERROR_NOT_FINITE,
            "the gradient of layer %d may exceed %g, which a step allows, and this optimizer keeps none to "
            "look at, so no step was taken",
            k, dualprop__largest_gradient(optimizer, layer));
    }
    return learn_in_section(optimizer, state);
}

dualprop_status dualprop__update(dualprop_optimizer *optimizer, dualprop_state *state)
{
    dualprop_status status;
    DUALPROP__TRY(dualprop__update_check(optimizer, state));
    DUALPROP__TRY(dualprop__network_begin_write(optimizer->network));
    if (optimizer->is_fused) {
        status = learn_without_gradient(optimizer, state);
    } else if (dualprop__step_can_fuse(optimizer) && is_surely_finite(optimizer, state)) {
        status = learn_in_section(optimizer, state);
    } else {
        status = dualprop__gradient_compute(optimizer, state, 0);
        if (status == DUALPROP_OK) status = apply_held(optimizer, 0);
    }
    if (status == DUALPROP_OK) optimizer->learned = state->run.serial;
    dualprop__feedback_align(optimizer->network);
    dualprop__network_end_step(optimizer->network);
    return status;
}

/* Every failure before the sums is reported to the other processes, so the collective part is always reached. */
dualprop_status dualprop__group_update(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                       dualprop_status status)
{
    if (status == DUALPROP_OK && count > 0) status = dualprop__update_check(optimizer, state);
    if (status == DUALPROP_OK) status = dualprop__network_begin_write(optimizer->network);
    int opened = status == DUALPROP_OK;
    optimizer->sums->is_surely_finite = opened && (count == 0 || is_surely_finite(optimizer, state));
    status = dualprop__group_gradient(optimizer, state, opened ? count : 0, status, DUALPROP__CALL_UPDATE, 0);
    if (status == DUALPROP_OK) status = apply_held(optimizer, (int)optimizer->sums->is_surely_finite);
    if (status == DUALPROP_OK && count > 0) optimizer->learned = state->run.serial;
    if (opened) {
        dualprop__feedback_align(optimizer->network);
        dualprop__network_end_step(optimizer->network);
    }
    return status;
}

dualprop_status dualprop_update(dualprop_optimizer *optimizer, dualprop_state *state)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    int is_empty = optimizer->sums && !state; /* this process's share of a group's batch */
    dualprop_status status = is_empty ? DUALPROP_OK : dualprop__state_enter(state, __func__);
    int entered = status == DUALPROP_OK && !is_empty;
    if (optimizer->sums) status = dualprop__group_update(optimizer, state, entered ? state->batch.count : 0, status);
    else if (entered) status = dualprop__update(optimizer, state);
    if (entered) dualprop__state_leave(state);
    dualprop__optimizer_leave(optimizer);
    return status;
}

/* ---- learning while dyads settle ---- */

/* `status` is that of entering the state. In a group every failure before the sums is reported to the other
 * processes. */
static dualprop_status update_open(dualprop_optimizer *optimizer, dualprop_state *state, dualprop_status status)
{
    if (status == DUALPROP_OK) status = dualprop__gradient_check_phase(optimizer, state, DUALPROP__OPEN);
    if (status == DUALPROP_OK && !state->run.holds)
        status = dualprop__fail(optimizer->context, DUALPROP_ERROR_UNSUPPORTED,
                                "an inference of an open network does not keep it from being written; expected "
                                "dualprop_infer_end() and dualprop_update()");
    if (status == DUALPROP_OK) status = dualprop__network_upgrade(optimizer->network);
    int opened = status == DUALPROP_OK;
    if (opened) status = dualprop__form_all_minus(state);
    if (optimizer->sums)
        status = dualprop__group_gradient(optimizer, state, opened ? state->batch.count : 0, status,
                                          DUALPROP__CALL_INFER_UPDATE, 0);
    else if (status == DUALPROP_OK && !optimizer->is_fused) status = dualprop__gradient_of_dyads(optimizer, state, 0);
    if (status == DUALPROP_OK)
        status = optimizer->is_fused ? learn_without_gradient(optimizer, state) : apply_held(optimizer, 0);
    if (opened) {
        dualprop__feedback_align(optimizer->network);
        dualprop__network_downgrade(optimizer->network);
    }
    DUALPROP__TRY(status);
    dualprop__forget_products(state);
    return dualprop__draw_weight_noise(state);
}

dualprop_status dualprop_infer_update(dualprop_optimizer *optimizer, dualprop_state *state)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = dualprop__state_enter(state, __func__);
    int entered = status == DUALPROP_OK;
    if (entered || optimizer->sums) status = update_open(optimizer, state, status);
    if (entered) dualprop__state_leave(state);
    dualprop__optimizer_leave(optimizer);
    return status;
}
