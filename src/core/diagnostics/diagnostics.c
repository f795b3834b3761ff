/*
 * diagnostics.c - the handle, and the comparison with its back-propagation twin.
 */
#include "diagnostics_internal.h"

#include <math.h>

/* ---- life ---- */

static dualprop_status create_twin(dualprop_diagnostics *made, int loss, int64_t capacity)
{
    DUALPROP__TRY(dualprop_rule_create(&made->rule, made->context, DUALPROP_BP));
    DUALPROP__TRY(dualprop_rule_set_loss(made->rule, loss));
    DUALPROP__TRY(dualprop_state_create(&made->twin, made->network, made->rule, capacity));
    return dualprop_optimizer_create(&made->optimizer, made->network, DUALPROP_SGD);
}

static dualprop_status create_vectors(dualprop_diagnostics *made)
{
    dualprop_context *context = made->context;
    size_t count = (size_t)made->network->layer_count + 1, widest = (size_t)made->twin->plan.widest;
    made->vectors = dualprop__allocate_array(context, count, sizeof *made->vectors);
    made->begun = dualprop__allocate_array(context, count, sizeof *made->begun);
    made->rows = dualprop__allocate_array(context, widest * DUALPROP__ROWS, sizeof *made->rows);
    made->reals = dualprop__allocate_array(context, widest, context->real_size);
    if (!made->vectors || !made->begun || !made->rows || !made->reals) return DUALPROP_ERROR_NO_MEMORY;
    for (size_t k = 0; k < count; k++) {
        int64_t inputs = made->twin->dyads[k > 0 ? k - 1 : 0].width;
        made->vectors[k] = dualprop__allocate_array(context, (size_t)inputs, sizeof **made->vectors);
        if (!made->vectors[k]) return DUALPROP_ERROR_NO_MEMORY;
    }
    return DUALPROP_OK;
}

static dualprop_status create_diagnostics(dualprop_diagnostics **out, dualprop_network *network, int loss,
                                          int64_t capacity)
{
    dualprop_context *context = network->context;
    dualprop_diagnostics *made = dualprop__allocate(context, sizeof *made);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    made->magic = DUALPROP__DIAGNOSTICS;
    made->context = context;
    made->network = network;
    dualprop__network_retain(network);
    dualprop_status status = create_twin(made, loss, capacity);
    if (status == DUALPROP_OK) status = create_vectors(made);
    if (status == DUALPROP_OK) *out = made;
    else dualprop_diagnostics_destroy(made);
    return status;
}

dualprop_status dualprop_diagnostics_create(dualprop_diagnostics **diagnostics, dualprop_network *network, int loss,
                                            int64_t capacity)
{
    DUALPROP__REQUIRE(NULL, diagnostics, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "diagnostics is NULL; expected a place for the result");
    *diagnostics = NULL;
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(network->context, !network->open, DUALPROP_ERROR_UNSUPPORTED,
                      "network has open ends; diagnostics expect all layers of it");
    return create_diagnostics(diagnostics, network, loss, capacity);
}

static void destroy_vectors(dualprop_diagnostics *diagnostics)
{
    dualprop_context *context = diagnostics->context;
    for (int k = 0; diagnostics->vectors && k <= diagnostics->network->layer_count; k++)
        dualprop__release(context, diagnostics->vectors[k]);
    dualprop__release(context, diagnostics->vectors);
    dualprop__release(context, diagnostics->begun);
    dualprop__release(context, diagnostics->rows);
    dualprop__release(context, diagnostics->reals);
}

void dualprop_diagnostics_destroy(dualprop_diagnostics *diagnostics)
{
    if (!diagnostics || diagnostics->magic != DUALPROP__DIAGNOSTICS) return;
    dualprop_network *network = diagnostics->network;
    dualprop__norm_maps_destroy(&diagnostics->maps, diagnostics->context);
    destroy_vectors(diagnostics);
    dualprop_optimizer_destroy(diagnostics->optimizer);
    dualprop_state_destroy(diagnostics->twin);
    dualprop_rule_destroy(diagnostics->rule);
    diagnostics->magic = DUALPROP__DEAD;
    dualprop__release(diagnostics->context, diagnostics);
    dualprop__network_release(network);
}

dualprop_status dualprop__diagnostics_enter(dualprop_diagnostics *diagnostics, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(diagnostics, DUALPROP__DIAGNOSTICS, "diagnostics", function));
    DUALPROP__TRY(dualprop__context_enter(diagnostics->context));
    return dualprop__enter(diagnostics->context, &diagnostics->busy, "diagnostics");
}

void dualprop__diagnostics_leave(dualprop_diagnostics *diagnostics)
{
    dualprop__leave(&diagnostics->busy);
}

/* ---- numbers from the backend ---- */

dualprop_status dualprop__diagnostics_get(double *values, dualprop_diagnostics *diagnostics, const void *memory,
                                          int64_t first, int64_t count)
{
    dualprop_context *context = diagnostics->context;
    const char *from = (const char *)memory + (size_t)first * context->real_size;
    DUALPROP__TRY(
        context->backend.copy_out(context->instance, diagnostics->reals, from, (size_t)count * context->real_size));
    dualprop_view view = dualprop__view_of(diagnostics->reals, context->precision, 1, &count);
    dualprop__view_gather(values, DUALPROP_F64, &view);
    return DUALPROP_OK;
}

/* ---- the twin's gradient ---- */

dualprop_status dualprop_diagnostics_twin(dualprop_diagnostics *diagnostics, const dualprop_view *inputs,
                                          const dualprop_view *targets)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = dualprop__infer_view(diagnostics->twin, inputs, targets, __func__);
    if (status == DUALPROP_OK) status = dualprop_gradient(diagnostics->optimizer, diagnostics->twin);
    dualprop__diagnostics_leave(diagnostics);
    return status;
}

/* sin^2(angle/2) = (|x - y|^2 - (|x| - |y|)^2) / (4 |x| |y|), whose numerator loses nothing if x is close to y. */
static double angle_of(double norm, double twin_norm, double difference)
{
    double product = 4 * norm * twin_norm;
    double excess = (difference - (norm - twin_norm)) * (difference + (norm - twin_norm));
    if (!(product > 0)) return 90;
    return 2 * asin(sqrt(fmin(1, fmax(0, excess / product)))) * (180 / 3.14159265358979323846);
}

static dualprop_status compare_with_twin(double *angle, double numbers[4], dualprop_diagnostics *diagnostics,
                                         dualprop_optimizer *optimizer, int index)
{
    DUALPROP__TRY(dualprop_gradient_compare(&numbers[0], &numbers[1], &numbers[2], &numbers[3], optimizer,
                                            diagnostics->optimizer, index));
    *angle = angle_of(numbers[1], numbers[2], numbers[3]);
    return DUALPROP_OK;
}

dualprop_status dualprop_diagnostics_compare(double *angle, double *cosine, double *norm, double *twin_norm,
                                             double *difference, dualprop_diagnostics *diagnostics,
                                             dualprop_optimizer *optimizer, int index)
{
    double between, numbers[4];
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = compare_with_twin(&between, numbers, diagnostics, optimizer, index);
    dualprop__diagnostics_leave(diagnostics);
    if (status != DUALPROP_OK) return status;
    if (angle) *angle = between;
    if (cosine) *cosine = numbers[0];
    if (norm) *norm = numbers[1];
    if (twin_norm) *twin_norm = numbers[2];
    if (difference) *difference = numbers[3];
    return DUALPROP_OK;
}

dualprop_status dualprop_diagnostics_state(dualprop_state **twin, dualprop_diagnostics *diagnostics)
{
    DUALPROP__REQUIRE(NULL, twin, DUALPROP_ERROR_INVALID_ARGUMENT, "twin is NULL; expected a place for the result");
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    *twin = diagnostics->twin;
    dualprop__diagnostics_leave(diagnostics);
    return DUALPROP_OK;
}

/* ---- the gradient of the input ---- */

static dualprop_status check_settled(const dualprop_diagnostics *diagnostics, const dualprop_state *state)
{
    const dualprop_context *context = diagnostics->context;
    DUALPROP__REQUIRE(context, state->network == diagnostics->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and diagnostics are of different networks; expected the same");
    DUALPROP__TRY(dualprop__check_settled(state));
    DUALPROP__REQUIRE(context, state->batch.count <= diagnostics->twin->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state holds %lld samples; expected at most %lld, the capacity of diagnostics",
                      (long long)state->batch.count, (long long)diagnostics->twin->capacity);
    return DUALPROP_OK;
}

static dualprop_status check_gradient_view(const dualprop_view *gradient, const dualprop_diagnostics *diagnostics,
                                           const dualprop_state *state)
{
    DUALPROP__TRY(dualprop__view_check_output(diagnostics->context, gradient, DUALPROP__REAL_TYPES, "gradient"));
    DUALPROP__TRY(
        dualprop__check_matrix(diagnostics->context, gradient, state->batch.count, state->dyads[0].width, "gradient"));
    return check_settled(diagnostics, state);
}

static dualprop_status write_gradient_row(const dualprop_view *gradient, dualprop_diagnostics *diagnostics,
                                          double scale, int64_t b)
{
    int64_t inputs = gradient->shape[1];
    dualprop_view row = dualprop__view_copy(gradient);
    row.data = (char *)gradient->data + b * gradient->strides[0] * (int64_t)dualprop__type_size(gradient->type);
    row.shape[0] = 1;
    DUALPROP__TRY(dualprop__diagnostics_get(diagnostics->rows, diagnostics, diagnostics->twin->dyads[0].arrays.mean,
                                            b * inputs, inputs));
    for (int64_t i = 0; i < inputs; i++) diagnostics->rows[i] *= scale;
    dualprop__view_scatter(&row, diagnostics->rows, DUALPROP_F64);
    return DUALPROP_OK;
}

/*
 * delta_k is -beta grad of the loss in a_k, so grad_x = -1/beta W_0^T delta_1, through W_0 whatever carries delta down.
 * It is computed where the twin's x was.
 */
static dualprop_status compute_input_gradient(const dualprop_view *gradient, dualprop_diagnostics *diagnostics,
                                              dualprop_state *state)
{
    const struct dualprop__dyads *first = &state->dyads[1];
    void *memory = diagnostics->twin->dyads[0].arrays.mean;
    int is_zero = first->versions.delta == 0;
    diagnostics->twin->run.phase = DUALPROP__IDLE;
    if (!is_zero) {
        DUALPROP__TRY(dualprop__switches_of_plus(state, 1, memory));
        DUALPROP__TRY(dualprop__map_adjoint(state, 1, memory, dualprop__error_signal(first)));
    }
    for (int64_t b = 0; b < state->batch.count; b++)
        DUALPROP__TRY(write_gradient_row(gradient, diagnostics, is_zero ? 0 : -1 / first->inference->numbers.beta, b));
    return DUALPROP_OK;
}

static dualprop_status input_gradient(const dualprop_view *gradient, dualprop_diagnostics *diagnostics,
                                      dualprop_state *state)
{
    DUALPROP__TRY(check_gradient_view(gradient, diagnostics, state));
    DUALPROP__TRY(dualprop__network_begin_read(diagnostics->network));
    dualprop_status status = compute_input_gradient(gradient, diagnostics, state);
    dualprop__network_end_read(diagnostics->network);
    return status;
}

dualprop_status dualprop_diagnostics_input_gradient(const dualprop_view *gradient, dualprop_diagnostics *diagnostics,
                                                    dualprop_state *state)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = dualprop__state_enter(state, __func__);
    if (status == DUALPROP_OK) {
        status = input_gradient(gradient, diagnostics, state);
        dualprop__state_leave(state);
    }
    dualprop__diagnostics_leave(diagnostics);
    return status;
}

/* ---- silent dyads ---- */

static dualprop_status count_zeros(int64_t *zeros, dualprop_state *state, const struct dualprop__dyads *dyads,
                                   int64_t b)
{
    dualprop_context *context = state->context;
    size_t bytes = (size_t)dyads->width * context->real_size;
    DUALPROP__TRY(context->backend.copy_out(context->instance, state->plan.staging,
                                            (const char *)dyads->arrays.delta + (size_t)b * bytes, bytes));
    for (int64_t i = 0; i < dyads->width; i++)
        *zeros += dualprop__real_at(state->plan.staging, context->precision, i) == 0;
    return DUALPROP_OK;
}

static dualprop_status zero_delta_fraction(double *fraction, dualprop_state *state, int index)
{
    int64_t zeros = 0;
    DUALPROP__REQUIRE(state->context, fraction, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "fraction is NULL; expected a place for the result");
    DUALPROP__REQUIRE(state->context, index >= 1 && index <= state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d", index, state->layer_count);
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() or dualprop_infer_begin() first");
    const struct dualprop__dyads *dyads = &state->dyads[index];
    for (int64_t b = 0; dyads->versions.delta != 0 && b < state->batch.count; b++)
        DUALPROP__TRY(count_zeros(&zeros, state, dyads, b));
    *fraction = dyads->versions.delta != 0 ? (double)zeros / (double)(state->batch.count * dyads->width) : 1;
    return DUALPROP_OK;
}

dualprop_status dualprop_diagnostics_zero_delta_fraction(double *fraction, dualprop_state *state, int index)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = zero_delta_fraction(fraction, state, index);
    dualprop__state_leave(state);
    return status;
}
