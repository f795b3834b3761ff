/*
 * objective.c - the objectives that the rules make stationary, at the dyads of a state, in double.
 *
 *     Eq. 1    alpha l(s+_L) + (1 - alpha) l(s-_L) + 1/beta sum_k (G_k(s+_k) - G_k(s-_k) - delta_k.a_k)
 *     Eq. 12   l(sbar_L)                           + the same
 *     Eq. 18   l(sbar_L)                           + 1/beta sum_k delta_k.(f_k^-1(sbar_k) - a_k)
 *
 * Each layer has its own beta_k and alpha_k; where the input is a dyad, E_0 adds k = 0 with the identity, a_0 = x, and
 * beta_1 rho in place of beta. The a_k in a state belong to the sbar that a layer stale last, which may have moved
 * since: here each is computed again, into the twin's memory.
 */
#include "diagnostics_internal.h"

#include <math.h>

#include "math/energy.h"
#include "math/formulas.h"

/* Sums over the samples. */
struct sums {
    double loss_plus, loss_minus, loss_mean; /* l(s+_L), l(s-_L), l(sbar_L) */
    double contrast;                         /* G(s+) - G(s-) - delta.a */
    double adjoint;                          /* delta.(f^-1(sbar) - a) */
};

/* One sample's dyads of one layer, in the diagnostics' rows. */
struct sample {
    double *a, *mean, *delta, *other;
    int64_t width;
};

static struct sample sample_of(dualprop_diagnostics *diagnostics, int64_t width)
{
    double *rows = diagnostics->rows;
    int64_t widest = diagnostics->twin->plan.widest;
    return (struct sample){ rows, rows + widest, rows + 2 * widest, rows + 3 * widest, width };
}

static dualprop_status fetch_sample(const struct sample *sample, dualprop_diagnostics *diagnostics,
                                    const dualprop_state *state, int k, int64_t b)
{
    const struct dualprop__dyads *dyads = &state->dyads[k];
    int64_t first = b * sample->width;
    const void *a = k > 0 ? diagnostics->twin->dyads[k].arrays.a : dyads->arrays.a;
    DUALPROP__TRY(dualprop__diagnostics_get(sample->a, diagnostics, a, first, sample->width));
    DUALPROP__TRY(dualprop__diagnostics_get(sample->mean, diagnostics, dyads->arrays.mean, first, sample->width));
    if (dyads->versions.delta != 0)
        return dualprop__diagnostics_get(sample->delta, diagnostics, dyads->arrays.delta, first, sample->width);
    for (int64_t i = 0; i < sample->width; i++) sample->delta[i] = 0;
    return DUALPROP_OK;
}

static void add_energies(struct sums *sums, const struct sample *sample, int activation, double alpha, double beta)
{
    for (int64_t i = 0; i < sample->width; i++) {
        double mean = sample->mean[i], delta = sample->delta[i], a = sample->a[i];
        double plus = mean + (1 - alpha) * delta, minus = mean - alpha * delta;
        double rise = dualprop__energy(activation, plus) - dualprop__energy(activation, minus);
        sums->contrast += (rise - delta * a) / beta;
        sums->adjoint += delta * (dualprop__inverse(activation, mean, a) - a) / beta;
    }
}

/* The loss at mean + weight * delta. */
static double loss_at(const struct sample *sample, const double *target, int loss, double weight)
{
    double *s = sample->a; /* the energies have taken it */
    for (int64_t i = 0; i < sample->width; i++) s[i] = sample->mean[i] + weight * sample->delta[i];
    return loss == DUALPROP_CROSS_ENTROPY ? dualprop__cross_entropy_f64(s, target, sample->width)
                                          : dualprop__squared_error_f64(s, target, sample->width);
}

static dualprop_status add_losses(struct sums *sums, const struct sample *sample, dualprop_diagnostics *diagnostics,
                                  const dualprop_state *state, int64_t b)
{
    double alpha = dualprop__output(state)->inference->numbers.alpha;
    DUALPROP__TRY(
        dualprop__diagnostics_get(sample->other, diagnostics, state->plan.target, b * sample->width, sample->width));
    sums->loss_mean += loss_at(sample, sample->other, state->snapshot.loss, 0);
    sums->loss_plus += loss_at(sample, sample->other, state->snapshot.loss, 1 - alpha);
    sums->loss_minus += loss_at(sample, sample->other, state->snapshot.loss, -alpha);
    return DUALPROP_OK;
}

static dualprop_status add_layer_terms(struct sums *sums, dualprop_diagnostics *diagnostics,
                                       const dualprop_state *state, int k)
{
    dualprop_state *twin = diagnostics->twin;
    struct sample sample = sample_of(diagnostics, state->dyads[k].width);
    const struct dualprop__dyads *own = &state->dyads[k];
    double beta = k > 0 ? own->inference->numbers.beta
                        : state->dyads[1].inference->numbers.beta * own->inference->numbers.beta_ratio;
    if (k > 0)
        DUALPROP__TRY(
            dualprop__map_bottom_up(twin, k, twin->dyads[k].arrays.a, dualprop__below(state, k)->arrays.mean, NULL));
    for (int64_t b = 0; b < state->batch.count; b++) {
        DUALPROP__TRY(fetch_sample(&sample, diagnostics, state, k, b));
        add_energies(sums, &sample, own->layer ? own->layer->activation : DUALPROP_IDENTITY,
                     own->inference->numbers.alpha, beta);
        if (k == state->layer_count) DUALPROP__TRY(add_losses(sums, &sample, diagnostics, state, b));
    }
    return DUALPROP_OK;
}

static dualprop_status sum_layers(struct sums *sums, dualprop_diagnostics *diagnostics, const dualprop_state *state)
{
    diagnostics->twin->run.phase = DUALPROP__IDLE;
    diagnostics->twin->batch.count = state->batch.count;
    for (int k = state->snapshot.lowest; k <= state->layer_count; k++)
        DUALPROP__TRY(add_layer_terms(sums, diagnostics, state, k));
    return DUALPROP_OK;
}

static int has_energies(const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++)
        if (!dualprop__has_energy(network->layers[k]->activation)) return 0;
    return 1;
}

static dualprop_status check_objective(const dualprop_diagnostics *diagnostics, const dualprop_state *state)
{
    const dualprop_context *context = diagnostics->context;
    DUALPROP__REQUIRE(context, state->network == diagnostics->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and diagnostics are of different networks; expected the same");
    DUALPROP__REQUIRE(context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() or dualprop_infer_begin() first");
    DUALPROP__REQUIRE(context, !dualprop__has_slopes(state), DUALPROP_ERROR_UNSUPPORTED,
                      "the state's loss is a function, or was given as a gradient: the objective needs mse or ce");
    DUALPROP__REQUIRE(context, !state->snapshot.variant->is_back_propagation, DUALPROP_ERROR_UNSUPPORTED,
                      "the state's rule is back-propagation, which has no objective but its loss");
    DUALPROP__REQUIRE(context, !state->snapshot.variant->is_straight, DUALPROP_ERROR_UNSUPPORTED,
                      "the state's rule is lecun, whose objective is Eq. 25 and none of Eq. 1, 12 and 18");
    DUALPROP__REQUIRE(context, !state->plan.needs.alphas, DUALPROP_ERROR_UNSUPPORTED,
                      "the state's rule has alpha_mismatch: with an alpha for each neuron there is no one objective");
    for (int k = 1; k <= state->layer_count; k++)
        DUALPROP__REQUIRE(context, !dualprop__has_neurons(state, k), DUALPROP_ERROR_UNSUPPORTED,
                          "single neurons of layer %d have values of their own: there is no one objective", k);
    DUALPROP__REQUIRE(context, state->batch.count <= diagnostics->twin->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state holds %lld samples; expected at most %lld, the capacity of diagnostics",
                      (long long)state->batch.count, (long long)diagnostics->twin->capacity);
    return DUALPROP_OK;
}

static dualprop_status objective(double values[3], dualprop_diagnostics *diagnostics, const dualprop_state *state)
{
    struct sums sums = { 0 };
    double count = (double)state->batch.count, none = has_energies(diagnostics->network) ? 0 : NAN;
    DUALPROP__TRY(dualprop__network_begin_read(diagnostics->network));
    dualprop_status status = sum_layers(&sums, diagnostics, state);
    dualprop__network_end_read(diagnostics->network);
    double alpha = dualprop__output(state)->inference->numbers.alpha;
    double nudged = alpha * sums.loss_plus + (1 - alpha) * sums.loss_minus;
    values[0] = none + (nudged + sums.contrast) / count;
    values[1] = none + (sums.loss_mean + sums.contrast) / count;
    values[2] = none + (sums.loss_mean + sums.adjoint) / count;
    return status;
}

static dualprop_status objective_of(double values[3], dualprop_diagnostics *diagnostics, dualprop_state *state,
                                    const char *function)
{
    DUALPROP__TRY(dualprop__state_enter(state, function));
    dualprop_status status = check_objective(diagnostics, state);
    if (status == DUALPROP_OK) status = objective(values, diagnostics, state);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_diagnostics_objective(double *dp, double *sprovr, double *adjoint,
                                               dualprop_diagnostics *diagnostics, dualprop_state *state)
{
    double values[3] = { 0 };
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = objective_of(values, diagnostics, state, __func__);
    dualprop__diagnostics_leave(diagnostics);
    if (status != DUALPROP_OK) return status;
    if (dp) *dp = values[0];
    if (sprovr) *sprovr = values[1];
    if (adjoint) *adjoint = values[2];
    return DUALPROP_OK;
}

/* ---- one layer's difference of the objectives ---- */

/* Eq. 12 minus Eq. 18 is 1/beta sum_k Delta E_k, so that what was measured for them is all that is needed. */
static dualprop_status measure_bregman(double *difference, dualprop_diagnostics *diagnostics,
                                       const dualprop_state *state, int k)
{
    struct sums sums = { 0 };
    diagnostics->twin->run.phase = DUALPROP__IDLE;
    diagnostics->twin->batch.count = state->batch.count;
    DUALPROP__TRY(dualprop__network_begin_read(diagnostics->network));
    dualprop_status status = add_layer_terms(&sums, diagnostics, state, k);
    dualprop__network_end_read(diagnostics->network);
    double none = dualprop__has_energy(state->dyads[k].layer->activation) ? 0 : NAN;
    if (status == DUALPROP_OK)
        *difference = none + (sums.contrast - sums.adjoint) * state->dyads[k].inference->numbers.beta /
                                 (double)state->batch.count;
    return status;
}

static dualprop_status check_bregman(const double *difference, const dualprop_diagnostics *diagnostics,
                                     const dualprop_state *state, int index)
{
    DUALPROP__REQUIRE(diagnostics->context, difference, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "difference is NULL; expected a place for the result");
    DUALPROP__TRY(check_objective(diagnostics, state));
    DUALPROP__REQUIRE(diagnostics->context, index >= 1 && index <= state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d", index, state->layer_count);
    return DUALPROP_OK;
}

static dualprop_status bregman_of(double *difference, dualprop_diagnostics *diagnostics, dualprop_state *state,
                                  int index, const char *function)
{
    DUALPROP__TRY(dualprop__state_enter(state, function));
    dualprop_status status = check_bregman(difference, diagnostics, state, index);
    if (status == DUALPROP_OK) status = measure_bregman(difference, diagnostics, state, index);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_diagnostics_bregman(double *difference, dualprop_diagnostics *diagnostics,
                                             dualprop_state *state, int index)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = bregman_of(difference, diagnostics, state, index, __func__);
    dualprop__diagnostics_leave(diagnostics);
    return status;
}
