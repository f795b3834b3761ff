/*
 * infer.c - the inference of dual propagation: dyads that settle between an input and a nudged output.
 *
 * With sbar = alpha s+ + (1 - alpha) s- and delta = s+ - s- (Eq. 17), a batch starts from the feed-forward state,
 *
 *     s+_k = s-_k = f_k(a_k),   a_k = W_{k-1} sbar_{k-1} + b_{k-1},
 *
 * and then the layers listen in the order of the schedule. A hidden layer takes (Eq. 2 for DP, Eq. 19 for DP^T)
 *
 *     s+_k <- f_k(a_k + c+ Delta_k),   s-_k <- f_k(a_k - c- Delta_k),   Delta_k = W_k^T delta_{k+1},
 *
 * with c+ = alpha, c- = 1 - alpha for DP and the two exchanged for DP^T; the output layer takes (Eq. 22, or Eq. 3)
 *
 *     s+_L <- a_L - c+ g,   s-_L <- a_L + c- g,   g = beta loss'(.).
 *
 * Back-propagation fits the same walk: sbar_k = f_k(a_k) and delta_k = f'_k(a_k) Delta_k, with delta_L = -loss'(a_L).
 *
 * What has not changed is not computed again (state_internal.h says how that is known). Since the skipped work would
 * give the very same numbers, skipping is exact.
 */
#include "map.h"
#include "schedule.h"
#include "state_internal.h"

#include <math.h>

static struct dualprop__dyads *output_of(dualprop_state *state)
{
    return &state->dyads[state->layer_count];
}

/* Softmax needs whole rows, which a fused update does not have: it follows the product. */
static int comes_after(const dualprop_dyad *update)
{
    return update && update->activation == DUALPROP_SOFTMAX;
}

static dualprop_status update_after(const dualprop_state *state, const dualprop_dyad *update)
{
    if (!comes_after(update)) return DUALPROP_OK;
    return state->context->backend.dyad_update(state->context->instance, update);
}

/* a_k <- W_{k-1} sbar_{k-1} + b_{k-1}, followed by the dyad update where one is given. */
static dualprop_status listen_below(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *below = &state->dyads[k - 1];
    own->a_of = below->mean_version;
    DUALPROP__TRY(dualprop__map_bottom_up(state, k, own->a, below->mean, comes_after(update) ? NULL : update));
    return update_after(state, update);
}

/* Delta_k <- W_k^T delta_{k+1}, followed by the dyad update. */
static dualprop_status listen_above(dualprop_state *state, int k, const dualprop_dyad *update)
{
    struct dualprop__dyads *own = &state->dyads[k];
    const struct dualprop__dyads *above = &state->dyads[k + 1];
    own->top_down_of = above->delta_version;
    const dualprop_dyad *fused = comes_after(update) ? NULL : update;
    DUALPROP__TRY(dualprop__map_top_down(state, k + 1, own->top_down, above->delta, fused));
    return update_after(state, update);
}

/* ---- the feed-forward start ---- */

static dualprop_status feed_forward_layer(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    dualprop_dyad update = {
        .activation = own->layer->activation,
        .count = state->count * own->width,
        .a = own->a,
        .mean = own->mean,
        .peak = &own->feed_forward_peak,
        .width = dualprop__layer_channels(own->layer),
    };
    DUALPROP__TRY(listen_below(state, k, &update));
    own->peak = own->feed_forward_peak;
    own->mean_version++;
    own->delta_version = 0;
    own->top_down_of = 0;
    DUALPROP__REQUIRE(state->context, isfinite(own->peak), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in the feed-forward pass", k);
    return DUALPROP_OK;
}

dualprop_status dualprop__feed_forward(dualprop_state *state)
{
    for (int k = 1; k <= state->layer_count; k++) DUALPROP__TRY(feed_forward_layer(state, k));
    return DUALPROP_OK;
}

/* ---- one layer listens ---- */

static dualprop_dyad hidden_update(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    return (dualprop_dyad){
        .activation = own->layer->activation,
        .derivative = state->variant == DUALPROP_BP,
        .gain_plus = state->gain_plus,
        .gain_minus = state->gain_minus,
        .alpha = state->alpha,
        .count = state->count * own->width,
        .a = own->a,
        .top_down = own->top_down,
        .mean = own->mean,
        .delta = own->delta,
        .peak = &own->peak,
        .change = state->tolerance > 0 ? &own->change : NULL,
        .old_alpha = state->alpha,
        .width = dualprop__layer_channels(own->layer),
    };
}

/* Eq. 2 and 19. */
static dualprop_status update_hidden(dualprop_state *state, int k, int below_changed, int above_changed)
{
    struct dualprop__dyads *own = &state->dyads[k];
    int silent = state->dyads[k + 1].delta_version == 0;
    dualprop_dyad update = hidden_update(state, k);
    if (silent) update.top_down = NULL;
    if (!below_changed && !state->mean_listens && !update.change) update.mean = NULL;
    if (below_changed) DUALPROP__TRY(listen_below(state, k, above_changed ? NULL : &update));
    if (above_changed) DUALPROP__TRY(listen_above(state, k, &update));
    if (below_changed || state->mean_listens) own->mean_version++;
    if (!silent) own->delta_version++;
    return DUALPROP_OK;
}

/* Eq. 22, or Eq. 3 where the step is exact. */
static dualprop_status update_output(dualprop_state *state, int below_changed)
{
    struct dualprop__dyads *own = output_of(state);
    int at_prediction = state->nudge_at == DUALPROP_NUDGE_AT_PREDICTION && !state->exact;
    if (below_changed) DUALPROP__TRY(listen_below(state, state->layer_count, NULL));
    dualprop_output step = {
        .loss = state->loss,
        .exact = state->exact,
        .derivative = state->variant == DUALPROP_BP,
        .gain_plus = state->gain_plus,
        .gain_minus = state->gain_minus,
        .alpha = state->alpha,
        .beta = state->beta,
        .rows = state->count,
        .width = own->width,
        .a = own->a,
        .at = at_prediction ? state->prediction : own->a,
        .target = state->target,
        .mean = own->mean,
        .delta = own->delta,
        .peak = &own->peak,
        .change = state->tolerance > 0 ? &own->change : NULL,
        .old_alpha = state->alpha,
    };
    DUALPROP__TRY(state->context->backend.output_step(state->context->instance, &step));
    own->mean_version++;
    /* Nudged at the prediction, delta_L = -beta loss'(prediction) stays what it was however a_L moves. */
    if (!at_prediction || own->delta_version == 0) own->delta_version++;
    return DUALPROP_OK;
}

static dualprop_status check_size(const dualprop_state *state, int k)
{
    const struct dualprop__dyads *own = &state->dyads[k];
    double allowed = state->limit * fmax(1.0, own->feed_forward_peak);
    DUALPROP__REQUIRE(state->context, isfinite(own->peak), DUALPROP_ERROR_DIVERGED,
                      "layer %d became non-finite in pass %d", k, state->passes);
    DUALPROP__REQUIRE(state->context, own->peak <= allowed, DUALPROP_ERROR_DIVERGED,
                      "layer %d reached %.3g in pass %d; the divergence limit allows %.3g", k, own->peak,
                      state->passes, allowed);
    return DUALPROP_OK;
}

static dualprop_status check_cancelled(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, !atomic_load_explicit(&state->context->cancelled, memory_order_relaxed),
                      DUALPROP_ERROR_CANCELLED, "cancelled by dualprop_context_cancel()");
    return DUALPROP_OK;
}

/* Layer k listens once, unless nothing it hears has changed. */
static dualprop_status visit(dualprop_state *state, int k)
{
    struct dualprop__dyads *own = &state->dyads[k];
    int is_output = k == state->layer_count;
    int below_changed = own->a_of != state->dyads[k - 1].mean_version;
    int above_changed = is_output ? own->delta_version == 0
                                  : own->top_down_of != state->dyads[k + 1].delta_version ||
                                        dualprop__switches_changed(state, k);
    DUALPROP__TRY(check_cancelled(state));
    own->change = 0;
    if (!below_changed && !above_changed) {
        state->skipped++;
    } else {
        DUALPROP__TRY(is_output ? update_output(state, below_changed)
                                : update_hidden(state, k, below_changed, above_changed));
        state->updates++;
        DUALPROP__TRY(check_size(state, k));
    }
    state->pass_change = fmax(state->pass_change, own->change);
    state->pass_peak = fmax(state->pass_peak, own->peak);
    return DUALPROP_OK;
}

/* ---- passes ---- */

static dualprop_status run_pass(dualprop_state *state)
{
    int schedule = state->rule->schedule;
    int pass = ++state->passes;
    state->pass_change = 0;
    state->pass_peak = 0;
    for (int i = 0; i < dualprop__schedule_visits(schedule, state->layer_count, pass); i++)
        DUALPROP__TRY(visit(state, dualprop__schedule_layer(schedule, state->layer_count, pass, i)));
    if (state->tolerance > 0) state->residual = state->pass_peak > 0 ? state->pass_change / state->pass_peak : 0;
    return DUALPROP_OK;
}

static dualprop_status run_closing_visit(dualprop_state *state)
{
    int closing = dualprop__schedule_closing(state->rule->schedule);
    return closing && state->passes > 0 ? visit(state, closing) : DUALPROP_OK;
}

static dualprop_status run_all_passes(dualprop_state *state)
{
    while (state->passes < state->rule->passes) {
        DUALPROP__TRY(run_pass(state));
        /* Forward-backward's first pass has not visited layer 1 yet, so it cannot tell that all have settled. */
        int complete = state->passes > 1 || state->rule->schedule == DUALPROP_FORWARD;
        if (complete && state->residual < state->tolerance) break;
    }
    return run_closing_visit(state);
}

/* ---- beginning and ending ---- */

/* Keep the rule's numbers for this inference, so that a change meanwhile cannot mix two rules. */
static void take_rule(dualprop_state *state)
{
    const dualprop_rule *rule = state->rule;
    int bp = rule->variant == DUALPROP_BP;
    state->variant = rule->variant;
    state->loss = rule->loss;
    state->nudge_at = rule->nudge_at;
    state->exact = rule->output_step == DUALPROP_OUTPUT_EXACT && rule->variant == DUALPROP_DP;
    state->own_switches = !bp && rule->pool_switches == DUALPROP_SWITCHES_ORIGINAL;
    state->alpha = bp ? 0.5 : rule->alpha;
    state->beta = bp ? 1.0 : rule->beta;
    state->tolerance = rule->tolerance;
    state->limit = rule->divergence_limit;
    dualprop__rule_gains(&state->gain_plus, &state->gain_minus, rule);
    int plus_listens = state->alpha != 0 && state->gain_plus != 0;
    int minus_listens = state->alpha != 1 && state->gain_minus != 0;
    state->mean_listens = !bp && (plus_listens || minus_listens);
}

static dualprop_status check_ready(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->rule, DUALPROP_ERROR_INVALID_STATE,
                      "state was made without a rule; it can only predict and evaluate");
    DUALPROP__REQUIRE(state->context, state->phase != DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "an inference is open; call dualprop_infer_end() first");
    DUALPROP__REQUIRE(state->context, state->plan == atomic_load(&state->rule->plan), DUALPROP_ERROR_INVALID_STATE,
                      "the rule's variant, schedule, passes, tolerance or switches changed; call "
                      "dualprop_state_prepare()");
    return dualprop__rule_check(state->rule);
}

static dualprop_status check_batch(dualprop_view *images, const dualprop_state *state, const dualprop_view *inputs,
                                   const dualprop_view *targets)
{
    DUALPROP__TRY(dualprop__batch_inputs(images, state, inputs));
    DUALPROP__REQUIRE(state->context, images->shape[0] <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 1..%lld, the state's capacity", (long long)images->shape[0],
                      (long long)state->capacity);
    DUALPROP__TRY(dualprop__batch_moves(state, images->shape[0]));
    return dualprop__batch_targets(state, targets, images->shape[0]);
}

/* Where changes are measured, the deltas the first updates replace have to be zeros in memory too. */
static dualprop_status clear_deltas(dualprop_state *state)
{
    const dualprop_backend *backend = &state->context->backend;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        size_t bytes = (size_t)(state->count * own->width) * state->context->real_size;
        DUALPROP__TRY(backend->fill_zero(state->context->instance, own->delta, bytes));
    }
    return DUALPROP_OK;
}

static dualprop_status keep_prediction(dualprop_state *state)
{
    const struct dualprop__dyads *output = output_of(state);
    size_t bytes = (size_t)(state->count * output->width) * state->context->real_size;
    return state->context->backend.copy(state->context->instance, state->prediction, output->a, bytes);
}

static dualprop_status start(dualprop_state *state, const dualprop_view *images, const dualprop_view *targets)
{
    int64_t count = images->shape[0];
    state->passes = 0;
    state->updates = 0;
    state->skipped = 0;
    state->residual = NAN;
    take_rule(state);
    DUALPROP__TRY(dualprop__batch_load_targets(state, targets, 0, count));
    DUALPROP__TRY(dualprop__batch_load(state, images, 0, count));
    if (state->tolerance > 0) DUALPROP__TRY(clear_deltas(state));
    DUALPROP__TRY(dualprop__feed_forward(state));
    return keep_prediction(state);
}

static dualprop_status open_inference(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    dualprop_view images;
    DUALPROP__TRY(check_ready(state));
    DUALPROP__TRY(check_cancelled(state));
    DUALPROP__TRY(check_batch(&images, state, inputs, targets));
    DUALPROP__TRY(dualprop__network_begin_read(state->network));
    state->phase = DUALPROP__OPEN;
    dualprop_status status = start(state, &images, targets);
    if (status != DUALPROP_OK) dualprop__infer_close(state, DUALPROP__IDLE);
    return status;
}

void dualprop__infer_close(dualprop_state *state, enum dualprop__phase phase)
{
    state->phase = phase;
    dualprop__network_end_read(state->network);
}

static dualprop_status check_open(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->phase == DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "no inference is open; call dualprop_infer_begin() first");
    return DUALPROP_OK;
}

/* A failure in the middle ends the inference: what has settled so far is of no use. */
static dualprop_status close_on_failure(dualprop_state *state, dualprop_status status)
{
    if (status != DUALPROP_OK) dualprop__infer_close(state, DUALPROP__IDLE);
    return status;
}

static dualprop_status infer(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    DUALPROP__TRY(open_inference(state, inputs, targets));
    dualprop_status status = run_all_passes(state);
    dualprop__infer_close(state, status == DUALPROP_OK ? DUALPROP__SETTLED : DUALPROP__IDLE);
    return status;
}

/* ---- the public calls ---- */

dualprop_status dualprop_infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = infer(state, inputs, targets);
    dualprop__state_leave(state);
    return status;
}

static dualprop_status check_plain(const dualprop_state *state, const void *images, const int32_t *labels,
                                   int64_t count)
{
    DUALPROP__REQUIRE_HANDLE(state, DUALPROP__STATE);
    DUALPROP__REQUIRE(state->context, images, DUALPROP_ERROR_INVALID_ARGUMENT, "images is NULL; expected an array");
    DUALPROP__REQUIRE(state->context, labels, DUALPROP_ERROR_INVALID_ARGUMENT, "labels is NULL; expected an array");
    DUALPROP__REQUIRE(state->context, count >= 1 && count <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 1..%lld, the state's capacity", (long long)count,
                      (long long)state->capacity);
    return DUALPROP_OK;
}

dualprop_status dualprop_infer(dualprop_state *state, const void *images, const int32_t *labels, int64_t count)
{
    DUALPROP__TRY(check_plain(state, images, labels, count));
    int64_t shape[2] = { count, state->dyads[0].width };
    dualprop_view inputs = dualprop__view_of((void *)(uintptr_t)images, state->context->precision, 2, shape);
    dualprop_view targets = dualprop__view_of((void *)(uintptr_t)labels, DUALPROP_I32, 1, shape);
    return dualprop_infer_view(state, &inputs, &targets);
}

dualprop_status dualprop_infer_begin(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = open_inference(state, inputs, targets);
    dualprop__state_leave(state);
    return status;
}

static dualprop_status layer_by_hand(dualprop_state *state, int index)
{
    DUALPROP__TRY(check_open(state));
    DUALPROP__REQUIRE(state->context, index >= 1 && index <= state->layer_count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d", index, state->layer_count);
    return close_on_failure(state, visit(state, index));
}

dualprop_status dualprop_infer_layer(dualprop_state *state, int index)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = layer_by_hand(state, index);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_infer_pass(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = check_open(state);
    if (status == DUALPROP_OK) status = close_on_failure(state, run_pass(state));
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_infer_end(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = check_open(state);
    if (status == DUALPROP_OK) {
        status = close_on_failure(state, run_closing_visit(state));
        if (status == DUALPROP_OK) dualprop__infer_close(state, DUALPROP__SETTLED);
    }
    dualprop__state_leave(state);
    return status;
}
