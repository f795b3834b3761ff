/*
 * custom_activation.c - dyad updates of layers whose activation is the caller's: Eq. 2, 19 and the optional rule
 * features, by the formulas of math/nudge.h and math/extended.h, with the caller's functions for f.
 *
 * They take the place of the slots dyad_update and extended_update, after the product, on memory of the host. All is
 * computed in double: the caller's functions are written once, and f(x) - f(y) of two floats keeps its digits. A layer
 * is cut into pieces by its size alone, which the context's threads compute; arguments and values of a piece lie in the
 * workspace, which no slot uses between two calls.
 */
#include <math.h>
#include <string.h>

#include "math/formulas.h"
#include "passes.h"

/* Numbers in a piece: enough for one call of a function to be worth it, few enough for all threads to have some. */
#define PIECE_NUMBERS 4096

/* s+ and s- closer than this are told apart by f' and not by f: see dualprop/custom.h. */
#define CLOSE_SPAN 0x1p-17

/* An update, and what its pieces find. One of dyad and extended is set. */
struct custom_update {
    const struct dualprop__activation *activation;
    const dualprop_dyad *dyad;
    const dualprop_extended_update *extended;
    int type;
    int64_t count;
    double *workspace;
    int doubles;               /* of workspace for each number */
    atomic_int answer;         /* the first that was not 0 */
    _Atomic(const char *) bad; /* what a function computed that is NaN or infinite, of finite numbers; else NULL */
    _Atomic uint64_t max_abs;  /* the bits of the largest |s+-|, which order as the numbers do; NaN is above all */
    _Atomic uint64_t change;   /* likewise, of the largest change */
};

/* Numbers first .. first + count - 1 of a layer. */
struct custom_piece {
    struct custom_update *update;
    int64_t first, count;
    double *arguments, *values;  /* [2 * count]: at s+ and at s-; [count] if there is one of them */
    double *spans, *differences; /* [count] */
    double max_abs, change;
};

/* ---- numbers in and out ---- */

static double number_at(const struct custom_piece *piece, const void *array, int64_t i)
{
    return array ? dualprop__real_at(array, piece->update->type, piece->first + i) : 0;
}

/* As the array will hold it. */
static double as_stored(const struct custom_piece *piece, double x)
{
    return piece->update->type == DUALPROP_F32 ? (double)(float)x : x;
}

static void raise_maximum(double *maximum, double x)
{
    if (x > *maximum || isnan(x)) *maximum = isnan(*maximum) ? *maximum : x;
}

/* Note the magnitudes of a new dyad, and how far it is from the old one, read by its alpha. */
static void note_pair(struct custom_piece *piece, const dualprop__pair_f64 *pair, double old_plus, double old_minus)
{
    raise_maximum(&piece->max_abs, fabs(as_stored(piece, pair->plus)));
    raise_maximum(&piece->max_abs, fabs(as_stored(piece, pair->minus)));
    if (!isfinite(as_stored(piece, pair->delta))) raise_maximum(&piece->max_abs, NAN);
    raise_maximum(&piece->change, fabs(pair->plus - old_plus));
    raise_maximum(&piece->change, fabs(pair->minus - old_minus));
}

static void store_pair(const struct custom_piece *piece, void *mean, void *delta, int64_t i,
                       const dualprop__pair_f64 *pair)
{
    if (mean) dualprop__real_set(mean, piece->update->type, piece->first + i, pair->mean);
    if (delta) dualprop__real_set(delta, piece->update->type, piece->first + i, pair->delta);
}

/* ---- calls of the caller's functions ---- */

/* Is what a function computed of finite numbers finite? Else the function is at fault, and the sentence says which. */
static void check_results(const struct custom_piece *piece, const char *what, const double *results, const double *at,
                          int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(results[i]) && isfinite(at[i])) atomic_store(&piece->update->bad, what);
}

static int call_value(const struct custom_piece *piece, int64_t count)
{
    const struct dualprop__activation *activation = piece->update->activation;
    int answer = activation->value(activation->user_data, piece->values, piece->arguments, count);
    if (answer == 0) check_results(piece, "value", piece->values, piece->arguments, count);
    return answer;
}

static int call_slope(const struct custom_piece *piece, double *slopes, int64_t count)
{
    const struct dualprop__activation *activation = piece->update->activation;
    int answer = activation->slope(activation->user_data, slopes, piece->arguments, count);
    if (answer == 0) check_results(piece, "slope", slopes, piece->arguments, count);
    return answer;
}

static int is_close_pair(double span)
{
    return span != 0 && fabs(span) <= CLOSE_SPAN;
}

/*
 * f(x) - f(y) from the values, or from the slope in the middle if x and y are close together: f'(m) h is off by
 * h^2/24 of f'''/f', and f(x) - f(y) by 2^-53/h of f/f'; both are about 10^-11 where they meet. The middles of close
 * pairs are packed to the front of the arguments, and their slopes spread out from behind.
 */
static int subtract_values(struct custom_piece *piece)
{
    double *x = piece->arguments, *y = x + piece->count;
    int64_t close = 0;
    for (int64_t i = 0; i < piece->count; i++)
        if (is_close_pair(piece->spans[i])) x[close++] = 0.5 * x[i] + 0.5 * y[i];
    int answer = close > 0 ? call_slope(piece, piece->differences, close) : 0;
    for (int64_t i = piece->count - 1; i >= 0; i--)
        piece->differences[i] = is_close_pair(piece->spans[i]) ? piece->differences[--close] * piece->spans[i]
                                                               : piece->values[i] - piece->values[piece->count + i];
    return answer;
}

/* f at the arguments of s+ and s-, and its difference. */
static int call_pairs(struct custom_piece *piece)
{
    const struct dualprop__activation *activation = piece->update->activation;
    int answer = call_value(piece, 2 * piece->count);
    if (answer != 0) return answer;
    if (!activation->difference) return subtract_values(piece);
    answer = activation->difference(activation->user_data, piece->differences, piece->arguments,
                                    piece->arguments + piece->count, piece->spans, piece->count);
    if (answer == 0) check_results(piece, "difference", piece->differences, piece->spans, piece->count);
    return answer;
}

static dualprop__pair_f64 pair_at(const struct custom_piece *piece, int64_t i, const dualprop__gains_f64 *gains)
{
    dualprop__pair_f64 pair = { piece->values[i], piece->values[piece->count + i], 0, piece->differences[i] };
    pair.mean = dualprop__mean_f64(pair.plus, pair.minus, pair.delta, gains);
    return pair;
}

/* ---- the update of dyads: dualprop_dyad ---- */

static void fill_dyad_arguments(struct custom_piece *piece, const dualprop__gains_f64 *gains)
{
    const dualprop_dyad *dyad = piece->update->dyad;
    double *x = piece->arguments, *y = x + piece->count;
    for (int64_t i = 0; i < piece->count; i++) {
        double a = number_at(piece, dyad->a, i), top_down = number_at(piece, dyad->top_down, i);
        x[i] = a + gains->plus * top_down;
        y[i] = a - gains->minus * top_down;
        piece->spans[i] = gains->sum * top_down;
    }
}

/* mean and delta are the old ones until store_pair(). */
static void finish_dyad(struct custom_piece *piece, int64_t i, const dualprop__pair_f64 *pair)
{
    const dualprop_dyad *dyad = piece->update->dyad;
    double mean = dyad->mean ? number_at(piece, dyad->mean, i) : pair->mean, delta = number_at(piece, dyad->delta, i);
    if (dyad->derivative) note_pair(piece, pair, mean, delta);
    else note_pair(piece, pair, mean + (1 - dyad->old_alpha) * delta, mean - dyad->old_alpha * delta);
    store_pair(piece, dyad->mean, dyad->delta, i, pair);
}

/* sbar = f(a), and delta = 0, or in back-propagation f'(a) Delta. */
static int activate_piece(struct custom_piece *piece)
{
    const dualprop_dyad *dyad = piece->update->dyad;
    for (int64_t i = 0; i < piece->count; i++) piece->arguments[i] = number_at(piece, dyad->a, i);
    int answer = call_value(piece, piece->count);
    if (answer == 0 && dyad->top_down) answer = call_slope(piece, piece->differences, piece->count);
    for (int64_t i = 0; i < piece->count && answer == 0; i++) {
        double value = piece->values[i];
        dualprop__pair_f64 pair = { value, value, value, 0 };
        if (dyad->top_down) pair.delta = piece->differences[i] * number_at(piece, dyad->top_down, i);
        if (dyad->derivative) pair.minus = pair.delta; /* what is measured is |f(a)| and |delta| */
        finish_dyad(piece, i, &pair);
    }
    return answer;
}

/* Eq. 2 and 19. */
static int update_piece(struct custom_piece *piece)
{
    const dualprop_dyad *dyad = piece->update->dyad;
    if (dyad->derivative || !dyad->top_down) return activate_piece(piece);
    dualprop__gains_f64 gains = dualprop__gains_of_f64(dyad->gain_plus, dyad->gain_minus, dyad->alpha);
    fill_dyad_arguments(piece, &gains);
    int answer = call_pairs(piece);
    for (int64_t i = 0; i < piece->count && answer == 0; i++) {
        dualprop__pair_f64 pair = pair_at(piece, i, &gains);
        finish_dyad(piece, i, &pair);
    }
    return answer;
}

/* ---- the update with optional rule features: dualprop_extended_update ---- */

/* What one neuron of one sample is updated from. */
struct custom_neuron {
    dualprop__gains_f64 gains;
    dualprop__draws_f64 draws;
    double a, top_down, mean, delta;
};

/* Of an array with a number for each neuron; 0 if there is none. */
static double number_of_neuron(const struct custom_piece *piece, const void *array, int64_t i)
{
    return array ? dualprop__real_at(array, piece->update->type, (piece->first + i) % piece->update->extended->width)
                 : 0;
}

static struct custom_neuron neuron_at(const struct custom_piece *piece, int64_t i)
{
    const dualprop_extended_update *update = piece->update->extended;
    struct custom_neuron neuron = {
        .draws = { number_at(piece, update->noise_plus, i), number_at(piece, update->noise_minus, i),
                   number_at(piece, update->noise_down, i) },
        .a = number_at(piece, update->a, i),
        .mean = number_at(piece, update->mean, i),
        .delta = update->delta_is_zero ? 0 : number_at(piece, update->delta, i),
    };
    neuron.gains =
        dualprop__own_gains_f64(update, update->alphas ? number_of_neuron(piece, update->alphas, i) : update->alpha,
                                update->gains_plus != NULL, number_of_neuron(piece, update->gains_plus, i),
                                update->gains_minus != NULL, number_of_neuron(piece, update->gains_minus, i));
    neuron.top_down = dualprop__noisy_top_down_f64(update, number_at(piece, update->top_down, i), &neuron.draws);
    return neuron;
}

static void fill_extended_arguments(struct custom_piece *piece)
{
    const dualprop_extended_update *update = piece->update->extended;
    for (int64_t i = 0; i < piece->count; i++) {
        struct custom_neuron neuron = neuron_at(piece, i);
        dualprop__arguments_f64 at = dualprop__damped_arguments_f64(neuron.a, neuron.top_down, update->damping,
                                                                    neuron.mean, neuron.delta, &neuron.gains);
        piece->arguments[i] = update->straight ? neuron.a : at.centre + at.plus;
        if (update->straight) continue;
        piece->arguments[piece->count + i] = at.centre - at.minus;
        piece->spans[i] = at.span;
    }
}

static void finish_neuron(struct custom_piece *piece, int64_t i)
{
    const dualprop_extended_update *update = piece->update->extended;
    struct custom_neuron neuron = neuron_at(piece, i);
    dualprop__pair_f64 pair = update->straight
                                  ? dualprop__straight_pair_f64(piece->values[i], neuron.top_down, &neuron.gains)
                                  : pair_at(piece, i, &neuron.gains);
    dualprop__pair_f64 old = { 0, 0, neuron.mean, neuron.delta };
    dualprop__take_apart_f64(&old, &neuron.gains);
    dualprop__finish_extended_f64(&pair, update, &neuron.gains, neuron.mean, neuron.delta, &neuron.draws);
    if (update->uniform && !(number_at(piece, update->uniform, i) < update->fraction)) pair = old;
    if (update->listens && number_of_neuron(piece, update->listens, i) == 0) pair = old;
    note_pair(piece, &pair, old.plus, old.minus);
    store_pair(piece, update->mean, update->delta, i, &pair);
}

/* f'(a) delta, from the delta that was stored. */
static int signal_errors(struct custom_piece *piece)
{
    const dualprop_extended_update *update = piece->update->extended;
    for (int64_t i = 0; i < piece->count; i++) piece->arguments[i] = number_at(piece, update->a, i);
    int answer = call_slope(piece, piece->differences, piece->count);
    for (int64_t i = 0; i < piece->count && answer == 0; i++) {
        double signal = piece->differences[i] * number_at(piece, update->delta, i);
        /* The step relies on the maximum of what goes into the gradient, and f' may be large. */
        raise_maximum(&piece->max_abs, isfinite(as_stored(piece, signal)) ? fabs(signal) : NAN);
        dualprop__real_set(update->error_signal, piece->update->type, piece->first + i, signal);
    }
    return answer;
}

static int extend_piece(struct custom_piece *piece)
{
    const dualprop_extended_update *update = piece->update->extended;
    fill_extended_arguments(piece);
    int answer = update->straight ? call_value(piece, piece->count) : call_pairs(piece);
    for (int64_t i = 0; i < piece->count && answer == 0; i++) finish_neuron(piece, i);
    return answer == 0 && update->error_signal ? signal_errors(piece) : answer;
}

/* ---- pieces on threads ---- */

static uint64_t bits_of_maximum(double maximum)
{
    uint64_t bits;
    memcpy(&bits, &maximum, sizeof bits);
    return bits & (UINT64_MAX >> 1); /* a NaN may have a sign */
}

static double maximum_of_bits(uint64_t bits)
{
    double maximum;
    memcpy(&maximum, &bits, sizeof maximum);
    return maximum;
}

static void raise_bits(_Atomic uint64_t *maximum, double x)
{
    uint64_t bits = bits_of_maximum(x), now = atomic_load(maximum);
    while (bits > now && !atomic_compare_exchange_weak(maximum, &now, bits)) continue;
}

static void run_piece(void *argument, int64_t index)
{
    struct custom_update *update = argument;
    struct custom_piece piece = { .update = update, .first = index * PIECE_NUMBERS };
    int expected = 0;
    if (atomic_load(&update->answer) != 0) return;
    piece.count = update->count - piece.first < PIECE_NUMBERS ? update->count - piece.first : PIECE_NUMBERS;
    piece.arguments = update->workspace + update->doubles * piece.first;
    if (update->doubles == DUALPROP__CUSTOM_FULL) {
        piece.values = piece.arguments + 2 * piece.count;
        piece.spans = piece.values + 2 * piece.count;
        piece.differences = piece.spans + piece.count;
    } else {
        piece.values = piece.arguments + piece.count; /* a prediction has no differences */
    }
    int answer = update->dyad ? update_piece(&piece) : extend_piece(&piece);
    if (answer != 0) atomic_compare_exchange_strong(&update->answer, &expected, answer);
    raise_bits(&update->max_abs, piece.max_abs);
    raise_bits(&update->change, piece.change);
}

static dualprop_status run_pieces(struct custom_update *update, dualprop_state *state, const dualprop_layer *layer,
                                  double *max_abs, double *change)
{
    const dualprop_host *host = &state->context->host;
    update->activation = layer->custom_activation;
    update->type = state->context->precision;
    update->workspace = state->plan.workspace;
    update->doubles = dualprop__custom_doubles(state);
    if (update->count <= PIECE_NUMBERS) run_piece(update, 0);
    else host->parallel_for(host->user_data, run_piece, update, (update->count + PIECE_NUMBERS - 1) / PIECE_NUMBERS);
    DUALPROP__TRY(dualprop__layer_answer(layer, atomic_load(&update->answer)));
    const char *bad = atomic_load(&update->bad);
    DUALPROP__REQUIRE(state->context, !bad, DUALPROP_ERROR_DIVERGED,
                      "the activation %s of layer %d computed a %s that is NaN or infinite",
                      dualprop__layer_activation_name(layer), layer->index, bad ? bad : "");
    if (max_abs) *max_abs = maximum_of_bits(atomic_load(&update->max_abs));
    if (change) *change = maximum_of_bits(atomic_load(&update->change));
    return DUALPROP_OK;
}

dualprop_status dualprop__update_dyads(dualprop_state *state, int k, const dualprop_dyad *dyad)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    if (!layer || !layer->custom_activation) return state->context->backend.dyad_update(state->context->instance, dyad);
    struct custom_update update = { .dyad = dyad, .count = dyad->count };
    return run_pieces(&update, state, layer, dyad->max_abs, dyad->change);
}

dualprop_status dualprop__update_dyads_extended(dualprop_state *state, int k, const dualprop_extended_update *extended)
{
    const dualprop_layer *layer = state->dyads[k].layer;
    if (!layer || !layer->custom_activation)
        return state->context->backend.extended_update(state->context->instance, extended);
    struct custom_update update = { .extended = extended, .count = extended->rows * extended->width };
    return run_pieces(&update, state, layer, extended->max_abs, extended->change);
}
