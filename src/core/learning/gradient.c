/*
 * gradient.c - the contrastive Hebbian gradient, local to each layer.
 *
 *     grad W_{k-1} = -1/(beta B) sum over the batch of delta_k sbar_{k-1}^T,   grad b_{k-1} = -1/(beta B) sum delta_k
 *
 * (below Eq. 3). As beta -> 0 it is the gradient of the mean loss. Several batches are accumulated as a sum over the
 * first batch's size, so that one batch alone needs no scaling, and dualprop_update() and dualprop_gradient() followed
 * by dualprop_step() give the same bits.
 */
#include "group_gradient.h"

#include <math.h>

double dualprop__gradient_scale(const dualprop_optimizer *optimizer)
{
    return (double)optimizer->first_samples / (double)optimizer->gradient_samples;
}

dualprop_status dualprop__gradient_check_kept(const dualprop_optimizer *optimizer)
{
    DUALPROP__REQUIRE(
        optimizer->context, !optimizer->is_fused, DUALPROP_ERROR_UNSUPPORTED,
        "optimizer keeps no gradient, since dualprop_optimizer_create_fused() created it; expected one of "
        "dualprop_optimizer_create()");
    return DUALPROP_OK;
}

dualprop_status dualprop__gradient_check(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    DUALPROP__TRY(dualprop__gradient_check_phase(optimizer, state, DUALPROP__SETTLED));
    DUALPROP__REQUIRE(optimizer->context, state->run.written == atomic_load(&state->network->written),
                      DUALPROP_ERROR_INVALID_STATE,
                      "the network was written, initialised or copied to after the state's inference, whose dyads are "
                      "not its own any more; infer again");
    return DUALPROP_OK;
}

dualprop_status dualprop__update_check(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    DUALPROP__TRY(dualprop__gradient_check(optimizer, state));
    DUALPROP__REQUIRE(optimizer->context, optimizer->learned != state->run.serial, DUALPROP_ERROR_INVALID_STATE,
                      "the optimizer has learned from this inference; infer again, or take another step on the same "
                      "dyads by dualprop_gradient() and dualprop_step()");
    return DUALPROP_OK;
}

dualprop_status dualprop__gradient_check_phase(const dualprop_optimizer *optimizer, const dualprop_state *state,
                                               enum dualprop__phase phase)
{
    DUALPROP__REQUIRE(optimizer->context, state->network == optimizer->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and optimizer are of different networks; expected the same");
    if (phase == DUALPROP__SETTLED) return dualprop__check_settled(state);
    DUALPROP__REQUIRE(optimizer->context, state->run.phase == phase, DUALPROP_ERROR_INVALID_STATE,
                      "no inference is open; call dualprop_infer_begin() first");
    return DUALPROP_OK;
}

double dualprop__gradient_factor(const dualprop_state *state, int k, int64_t samples)
{
    return -1.0 / (state->dyads[k].inference->numbers.beta * (double)samples);
}

dualprop_status dualprop__gradient_prepare(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    if (own->versions.delta == 0) {
        /* A delta that is exactly zero was never written: let the product read zeros. */
        size_t bytes = (size_t)(state->batch.count * own->width) * state->context->real_size;
        void *array = own->inference->arrays.error_signal ? own->inference->arrays.error_signal : own->arrays.delta;
        DUALPROP__TRY(state->context->backend.fill_zero(state->context->instance, array, bytes));
    }
    return dualprop__switches_of_mean(state, k);
}

dualprop_status dualprop__gradient_layer(dualprop_optimizer *optimizer, dualprop_state *state, int k, double scale,
                                         int accumulate, const dualprop_step_numbers *step)
{
    struct dualprop__dyads *own = &state->dyads[k];
    struct dualprop__learning *learning = &optimizer->layers[k - 1];
    const dualprop_backend *backend = &state->context->backend;
    /* A device keeps the gradients of a step there, and so does a table whose steps are not fused. */
    int spares = step && !backend->begin_deferred && !(backend->flags & DUALPROP__SPLITS_STEPS);
    void *gradient = spares ? NULL : learning->weight_gradient,
         *bias_gradient = spares ? NULL : learning->bias_gradient;
    DUALPROP__TRY(dualprop__gradient_prepare(state, k));
    return dualprop__map_gradient(state, k, gradient, bias_gradient, dualprop__below(state, k)->arrays.mean,
                                  dualprop__error_signal(own), scale, accumulate, step, learning->moments);
}

dualprop_status dualprop__gradient_compute(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate)
{
    DUALPROP__TRY(dualprop__gradient_check(optimizer, state));
    return dualprop__gradient_of_dyads(optimizer, state, accumulate);
}

dualprop_status dualprop__gradient_of_dyads(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate)
{
    int adds = accumulate && optimizer->gradient_samples > 0;
    int64_t first = adds ? optimizer->first_samples : state->batch.count;
    int64_t samples = adds ? optimizer->gradient_samples + state->batch.count : state->batch.count;
    optimizer->gradient_samples = 0; /* Half a gradient, after a failure, is none. */
    for (int k = 1; k <= state->layer_count; k++)
        DUALPROP__TRY(
            dualprop__gradient_layer(optimizer, state, k, dualprop__gradient_factor(state, k, first), adds, NULL));
    optimizer->first_samples = first;
    optimizer->gradient_samples = samples;
    return DUALPROP_OK;
}

static dualprop_status compute_gradient(dualprop_optimizer *optimizer, dualprop_state *state, int accumulate,
                                        const char *function)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, function));
    int is_empty = optimizer->sums && !state; /* this process's share of a group's batch */
    dualprop_status status = is_empty ? DUALPROP_OK : dualprop__state_enter(state, function);
    int entered = status == DUALPROP_OK && !is_empty;
    if (entered) status = dualprop__gradient_check_kept(optimizer);
    if (entered && status == DUALPROP_OK) status = dualprop__gradient_check(optimizer, state);
    if (optimizer->sums)
        status = dualprop__group_gradient(optimizer, state, entered && status == DUALPROP_OK ? state->batch.count : 0,
                                          status, DUALPROP__CALL_GRADIENT, accumulate);
    else if (status == DUALPROP_OK) status = dualprop__gradient_of_dyads(optimizer, state, accumulate);
    if (entered) dualprop__state_leave(state);
    dualprop__optimizer_leave(optimizer);
    return status;
}

dualprop_status dualprop_gradient(dualprop_optimizer *optimizer, dualprop_state *state)
{
    return compute_gradient(optimizer, state, 0, __func__);
}

dualprop_status dualprop_gradient_accumulate(dualprop_optimizer *optimizer, dualprop_state *state)
{
    return compute_gradient(optimizer, state, 1, __func__);
}

/* ---- reading, writing and comparing ---- */

static dualprop_status check_held(const dualprop_optimizer *optimizer)
{
    DUALPROP__TRY(dualprop__gradient_check_kept(optimizer));
    DUALPROP__REQUIRE(optimizer->context, optimizer->gradient_samples > 0, DUALPROP_ERROR_INVALID_STATE,
                      "optimizer holds no gradient; call dualprop_gradient() first");
    return DUALPROP_OK;
}

static void scale_reals(void *reals, int type, int64_t count, double factor)
{
    for (int64_t i = 0; i < count; i++) {
        if (type == DUALPROP_F32) ((float *)reals)[i] *= (float)factor;
        else ((double *)reals)[i] *= factor;
    }
}

/* Bring a layer's gradient to the host in the public layout, scaled to the mean. */
static dualprop_status fetch_mean_gradient(void *host, dualprop_optimizer *optimizer, const dualprop_layer *layer,
                                           int is_bias)
{
    const struct dualprop__learning *learning = &optimizer->layers[layer->index - 1];
    DUALPROP__TRY(
        dualprop__parameter_read(host, layer, is_bias, is_bias ? learning->bias_gradient : learning->weight_gradient));
    scale_reals(host, optimizer->context->precision, dualprop__parameter_elements(layer, is_bias),
                dualprop__gradient_scale(optimizer));
    return DUALPROP_OK;
}

static dualprop_status read_gradient(const dualprop_view *view, dualprop_optimizer *optimizer, const char *name)
{
    dualprop_context *context = optimizer->context;
    dualprop_layer *layer;
    int is_bias;
    DUALPROP__TRY(dualprop__network_find(&layer, &is_bias, optimizer->network, name));
    DUALPROP__TRY(dualprop__view_check_output(context, view, DUALPROP__REAL_TYPES, "view"));
    DUALPROP__TRY(dualprop__parameter_check(view, layer, is_bias, name));
    DUALPROP__TRY(check_held(optimizer));
    if (dualprop__view_is_array(view, context->precision))
        return fetch_mean_gradient(view->data, optimizer, layer, is_bias);
    int64_t count = dualprop__parameter_elements(layer, is_bias);
    void *host = dualprop__allocate_array(context, (size_t)count, context->real_size);
    if (!host) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = fetch_mean_gradient(host, optimizer, layer, is_bias);
    if (status == DUALPROP_OK) dualprop__view_scatter(view, host, context->precision);
    dualprop__release(context, host);
    return status;
}

dualprop_status dualprop_gradient_read(const dualprop_view *view, dualprop_optimizer *optimizer, const char *name)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = read_gradient(view, optimizer, name);
    dualprop__optimizer_leave(optimizer);
    return status;
}

/* Where no gradient is held one begins: zero, as of one sample. */
static dualprop_status begin_gradient(dualprop_optimizer *optimizer)
{
    const dualprop_context *context = optimizer->context;
    for (int k = 0; k < optimizer->network->layer_count; k++) {
        const dualprop_layer *layer = optimizer->network->layers[k];
        const struct dualprop__learning *learning = &optimizer->layers[k];
        DUALPROP__TRY(context->backend.fill_zero(context->instance, learning->weight_gradient,
                                                 (size_t)layer->weight_elements * context->real_size));
        DUALPROP__TRY(context->backend.fill_zero(context->instance, learning->bias_gradient,
                                                 (size_t)layer->bias_elements * context->real_size));
    }
    optimizer->first_samples = 1;
    optimizer->gradient_samples = 1;
    return DUALPROP_OK;
}

/* Are all numbers finite, also after they are multiplied? */
static int stay_finite(const void *reals, int type, int64_t count, double factor)
{
    int finite = 1;
    if (factor == 1) return dualprop__reals_finite(reals, type, count);
    for (int64_t i = 0; i < count; i++) {
        if (type == DUALPROP_F32) finite &= isfinite(((const float *)reals)[i] * (float)factor) != 0;
        else finite &= isfinite(((const double *)reals)[i] * factor) != 0;
    }
    return finite;
}

/* Keep the gradient times a factor other than 1 where the backend's memory is the host's alone. */
static dualprop_status store_gradient(dualprop_optimizer *optimizer, const dualprop_layer *layer, int is_bias,
                                      const void *host, double factor, const char *name)
{
    const struct dualprop__learning *learning = &optimizer->layers[layer->index - 1];
    void *memory = is_bias ? learning->bias_gradient : learning->weight_gradient;
    int type = optimizer->context->precision;
    DUALPROP__REQUIRE(
        optimizer->context, stay_finite(host, type, dualprop__parameter_elements(layer, is_bias), factor),
        DUALPROP_ERROR_NOT_FINITE,
        "view for the gradient of %s holds a value that is NaN or infinite in the context's precision; expected finite "
        "numbers",
        name);
    if (optimizer->gradient_samples == 0) DUALPROP__TRY(begin_gradient(optimizer));
    DUALPROP__TRY(dualprop__parameter_write(layer, is_bias, memory, host));
    if (factor != 1) scale_reals(memory, type, is_bias ? layer->bias_elements : layer->weight_elements, factor);
    return DUALPROP_OK;
}

static dualprop_status write_gradient(dualprop_optimizer *optimizer, const char *name, const dualprop_view *view)
{
    dualprop_context *context = optimizer->context;
    dualprop_layer *layer;
    int is_bias;
    DUALPROP__TRY(dualprop__network_find(&layer, &is_bias, optimizer->network, name));
    DUALPROP__TRY(dualprop__view_check(context, view, DUALPROP__REAL_TYPES, "view"));
    DUALPROP__TRY(dualprop__parameter_check(view, layer, is_bias, name));
    DUALPROP__TRY(dualprop__gradient_check_kept(optimizer));
    int64_t count = dualprop__parameter_elements(layer, is_bias);
    /* The view is the mean over all samples; what is held is a sum over the first batch's size. */
    int is_sum = optimizer->gradient_samples > optimizer->first_samples;
    double factor = is_sum ? 1 / dualprop__gradient_scale(optimizer) : 1;
    if (dualprop__view_is_array(view, context->precision) && (!is_sum || dualprop__is_on_host(context)))
        return store_gradient(optimizer, layer, is_bias, view->data, factor, name);
    void *host = dualprop__allocate_array(context, (size_t)count, context->real_size);
    if (!host) return DUALPROP_ERROR_NO_MEMORY;
    dualprop__view_gather(host, context->precision, view);
    if (is_sum) scale_reals(host, context->precision, count, factor);
    dualprop_status status = store_gradient(optimizer, layer, is_bias, host, 1, name);
    dualprop__release(context, host);
    return status;
}

dualprop_status dualprop_gradient_write(dualprop_optimizer *optimizer, const char *name, const dualprop_view *view)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = write_gradient(optimizer, name, view);
    dualprop__optimizer_leave(optimizer);
    return status;
}

static dualprop_status check_comparable(const dualprop_optimizer *optimizer, const dualprop_optimizer *other, int index)
{
    const dualprop_network *network = optimizer->network;
    DUALPROP__REQUIRE(optimizer->context, optimizer->context == other->context, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "optimizer and other are of different contexts; expected the same");
    DUALPROP__REQUIRE(optimizer->context,
                      index >= 1 && index <= network->layer_count && index <= other->network->layer_count,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "index is %d; expected 1..%d", index, network->layer_count);
    const dualprop_layer *layer = network->layers[index - 1], *twin = other->network->layers[index - 1];
    DUALPROP__REQUIRE(optimizer->context, dualprop__layer_alike(layer, twin), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "layer %d has another shape in other's network", index);
    DUALPROP__TRY(check_held(optimizer));
    return check_held(other);
}

dualprop_status dualprop_gradient_compare(double *cosine, double *norm, double *other_norm, double *difference,
                                          dualprop_optimizer *optimizer, dualprop_optimizer *other, int index)
{
    double sums[4], bias_sums[4]; /* of x.y, x.x, y.y and |x - y|^2 */
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE_HANDLE(other, DUALPROP__OPTIMIZER);
    DUALPROP__TRY(check_comparable(optimizer, other, index));
    const dualprop_context *context = optimizer->context;
    const dualprop_layer *layer = optimizer->network->layers[index - 1];
    const struct dualprop__learning *x = &optimizer->layers[index - 1], *y = &other->layers[index - 1];
    DUALPROP__TRY(context->backend.compare(context->instance, layer->weight_elements, x->weight_gradient,
                                           y->weight_gradient, sums));
    DUALPROP__TRY(context->backend.compare(context->instance, layer->bias_elements, x->bias_gradient, y->bias_gradient,
                                           bias_sums));
    for (int i = 0; i < 4; i++) sums[i] += bias_sums[i];
    double p = dualprop__gradient_scale(optimizer), q = dualprop__gradient_scale(other);
    double product = sqrt(sums[1]) * sqrt(sums[2]);
    if (cosine) *cosine = product > 0 ? sums[0] / product : 0;
    if (norm) *norm = p * sqrt(sums[1]);
    if (other_norm) *other_norm = q * sqrt(sums[2]);
    /* Equal scales take the sum of squared differences; others have to expand the square. */
    double squared = p == q ? p * p * sums[3] : p * p * sums[1] + q * q * sums[2] - 2 * p * q * sums[0];
    if (difference) *difference = sqrt(fmax(0, squared));
    return DUALPROP_OK;
}
