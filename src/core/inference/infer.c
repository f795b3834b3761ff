/*
 * infer.c - the inference of dual propagation: dyads that settle between an input and a nudged output.
 *
 * With sbar = alpha s+ + (1 - alpha) s- and delta = s+ - s- (Eq. 17), a batch starts from the feed-forward state,
 *
 *     s+_k = s-_k = f_k(a_k),   a_k = W_{k-1} sbar_{k-1} + b_{k-1},
 *
 * and then layers are updated in the order of the schedule (schedule.c): a hidden layer as in layer_update.c (Eq. 2,
 * 19) or extended_update.c (Eq. 50 and the imperfections of hardware), the output layer as in output_update.c (Eq. 3,
 * 22, 63-68).
 *
 * Back-propagation fits the same walk: sbar_k = f_k(a_k) and delta_k = f'_k(a_k) Delta_k, with delta_L = -loss'(a_L).
 */
#include "passes.h"

#include <math.h>
#include <pthread.h>

/* ---- passes ---- */

static dualprop_status check_cancelled(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, !atomic_load_explicit(&state->context->cancelled, memory_order_relaxed),
                      DUALPROP_ERROR_CANCELLED, "cancelled by dualprop_context_cancel()");
    return DUALPROP_OK;
}

static dualprop_status visit_layer(dualprop_state *state, int k)
{
    DUALPROP__TRY(check_cancelled(state));
    return dualprop__update_layer(state, k);
}

static dualprop__schedule schedule_of(const dualprop_state *state)
{
    return (dualprop__schedule){
        .kind = state->snapshot.schedule,
        .lowest = state->snapshot.lowest,
        .layers = state->layer_count,
        .order = state->plan.order,
        .order_count = state->plan.needs.order_count,
        .seed = state->snapshot.seed,
        .inference = state->run.inferences,
    };
}

/* Have all layers been visited at least once? Before that nothing can be said to have settled. */
static int all_layers_visited(const dualprop_state *state)
{
    for (int k = state->snapshot.lowest; k <= state->layer_count; k++)
        if (state->dyads[k].inference->observed.visits == 0) return 0;
    return 1;
}

/* max |change of s+-| / max |s+-| of the pass; layers that it did not visit count with their last change. */
static double residual_of(dualprop_state *state)
{
    for (int k = state->snapshot.lowest; k <= state->layer_count; k++) {
        const struct dualprop__dyads *own = &state->dyads[k];
        if (own->inference->observed.in_pass || own->inference->observed.visits == 0) continue;
        state->run.pass_change = fmax(state->run.pass_change, own->inference->observed.change);
        state->run.pass_max_abs = fmax(state->run.pass_max_abs, own->observed.max_abs);
    }
    return state->run.pass_max_abs > 0 ? state->run.pass_change / state->run.pass_max_abs : 0;
}

/* Decisions on the way need the change of every pass. */
static int measures_all(const dualprop_state *state)
{
    return state->snapshot.tolerance > 0 || state->snapshot.growth_limit > 0;
}

/*
 * Do the changes of s+- grow from pass to pass? Until delta has reached the lowest layer they may, since each pass
 * moves it to one more layer. What is left of rounding where an inference has settled goes up and down too: it is not
 * counted.
 */
static dualprop_status check_growth(dualprop_state *state)
{
    double change = state->run.pass_change;
    double rounding = (state->context->precision == DUALPROP_F32 ? 1e-4 : 1e-8) * state->run.pass_max_abs;
    int grows = isgreater(change, state->run.last_change) && isgreater(change, rounding); /* NaN is quiet */
    state->run.growing_passes = grows ? state->run.growing_passes + 1 : 0;
    state->run.last_change = change;
    if (state->snapshot.growth_limit == 0 || state->run.growing_passes < state->snapshot.growth_limit)
        return DUALPROP_OK;
    int largest = state->snapshot.lowest;
    for (int k = largest; k <= state->layer_count; k++)
        if (isgreater(state->dyads[k].inference->observed.change, state->dyads[largest].inference->observed.change))
            largest = k;
    return dualprop__fail(state->context, DUALPROP_ERROR_DIVERGED,
                          "the changes of the states grew in %d passes in a row, by %.3g in layer %d in pass %d; the "
                          "growth limit allows fewer",
                          state->run.growing_passes, state->dyads[largest].inference->observed.change, largest,
                          state->run.passes);
}

static dualprop_status run_pass(dualprop_state *state)
{
    dualprop__schedule schedule = schedule_of(state);
    int pass = ++state->run.passes;
    state->run.pass_change = 0;
    state->run.pass_max_abs = 0;
    for (int k = 0; k <= state->layer_count; k++) state->dyads[k].inference->observed.in_pass = 0;
    /* If not every pass is measured, the last of several is, for which its updates read the dyads that they replace. */
    int is_last = pass > 1 && pass >= state->snapshot.most_passes && !state->section.deferred;
    state->run.is_measured = measures_all(state) || is_last;
    int counts = measures_all(state) && state->dyads[state->snapshot.lowest].versions.delta != 0;
    if (state->snapshot.schedule == DUALPROP_JACOBI) {
        DUALPROP__TRY(check_cancelled(state));
        DUALPROP__TRY(dualprop__update_all_layers(state));
    } else {
        for (int i = 0; i < dualprop__schedule_visits(&schedule, pass); i++)
            DUALPROP__TRY(visit_layer(state, dualprop__schedule_layer(&schedule, pass, i)));
    }
    if (state->run.is_measured) state->run.residual = residual_of(state);
    return counts ? check_growth(state) : DUALPROP_OK;
}

static dualprop_status run_closing_visit(dualprop_state *state)
{
    dualprop__schedule schedule = schedule_of(state);
    int closing = dualprop__schedule_closing(&schedule);
    if (closing >= 0 && state->run.passes > 0) DUALPROP__TRY(visit_layer(state, closing));
    return dualprop__form_all_minus(state);
}

static dualprop_status run_all_passes(dualprop_state *state)
{
    while (state->run.passes < state->snapshot.most_passes) {
        DUALPROP__TRY(run_pass(state));
        if (all_layers_visited(state) && isless(state->run.residual, state->snapshot.tolerance)) break; /* NaN: none */
    }
    return run_closing_visit(state);
}

/* ---- beginning and ending ---- */

static dualprop_status check_ready(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->rule, DUALPROP_ERROR_INVALID_STATE,
                      "state was created without a rule; it can only predict and evaluate");
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__REQUIRE(state->context, state->plan.revision == atomic_load(&state->rule->plan),
                      DUALPROP_ERROR_INVALID_STATE,
                      "the rule's variant, schedule, passes, tolerance, switches or another option that a state is "
                      "planned for changed; call dualprop_state_prepare()");
    DUALPROP__TRY(dualprop__own_loss_check(state));
    if (state->snapshot.revision == atomic_load(&state->rule->revision)) return DUALPROP_OK; /* checked before */
    DUALPROP__TRY(dualprop__rule_check_network(state->rule, state->network));
    return dualprop__neurons_check(state);
}

/* What nudges the output: targets of the rule's loss, or the slope of a loss that the caller has computed. */
enum nudge { NUDGE_BY_TARGETS, NUDGE_BY_SLOPE };

static dualprop_status check_batch(dualprop_view *images, const dualprop_state *state, const dualprop_view *inputs,
                                   const dualprop_view *targets, enum nudge nudge)
{
    DUALPROP__TRY(dualprop__batch_inputs(images, state, inputs));
    DUALPROP__REQUIRE(state->context, images->shape[0] <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 1..%lld, the state's capacity", (long long)images->shape[0],
                      (long long)state->capacity);
    DUALPROP__TRY(dualprop__check_augmentation(state, images->shape[0]));
    if (nudge == NUDGE_BY_SLOPE) {
        DUALPROP__TRY(dualprop__weights_check_slopes(state));
        return dualprop__batch_slopes(state, targets, images->shape[0]);
    }
    DUALPROP__TRY(dualprop__weights_check(state, images->shape[0]));
    if (!(state->network->open & DUALPROP_OPEN_TOP)) return dualprop__batch_targets(state, targets, images->shape[0]);
    DUALPROP__REQUIRE(state->context, !targets, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "targets are given to a network with an open top; expected NULL");
    return DUALPROP_OK;
}

static dualprop_status keep_prediction(dualprop_state *state)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    if (state->batch.is_slope) return DUALPROP_OK; /* its place holds zeros */
    if (dualprop__has_own_loss(state)) return dualprop__own_loss_begin(state);
    size_t bytes = (size_t)(state->batch.count * output->width) * state->context->real_size;
    return state->context->backend.copy(state->context->instance, state->plan.prediction, output->arrays.a, bytes);
}

/* The input's dyads begin at x, whatever they were before. */
static dualprop_status start_input(dualprop_state *state)
{
    struct dualprop__dyads *input = &state->dyads[0];
    size_t bytes = (size_t)(state->batch.count * input->width) * state->context->real_size;
    input->observed.feed_forward_max_abs = input->observed.max_abs;
    input->versions.delta = 0;
    input->versions.top_down_source = 0;
    if (!input->arrays.a) return DUALPROP_OK;
    return state->context->backend.copy(state->context->instance, input->arrays.a, input->arrays.mean, bytes);
}

/* From the feed-forward state, or from where the last inference ended. */
static dualprop_status start_dyads(dualprop_state *state, int is_warm)
{
    const dualprop_backend *backend = &state->context->backend;
    if (is_warm) return dualprop__feed_forward_beside(state);
    /* If changes are measured, the deltas that the first updates replace have to be zeros in memory too. */
    for (int k = state->snapshot.lowest; measures_all(state) && k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        size_t bytes = (size_t)(state->batch.count * own->width) * state->context->real_size;
        DUALPROP__TRY(backend->fill_zero(state->context->instance, own->arrays.delta, bytes));
    }
    return dualprop__feed_forward(state);
}

static void start_report(dualprop_state *state)
{
    state->run.passes = 0;
    state->run.updates = 0;
    state->run.skipped = 0;
    state->run.residual = NAN;
    state->run.is_measured = measures_all(state); /* of visits before the first pass too */
    state->run.growing_passes = 0;
    state->run.last_change = NAN;
    for (int k = 0; k <= state->layer_count; k++) {
        state->dyads[k].inference->observed.visits = state->dyads[k].inference->observed.written = 0;
        state->dyads[k].inference->observed.change = 0;
    }
}

int dualprop__holds_warm_start(const dualprop_state *state)
{
    return !state->network->open && state->rule && state->rule->warm_start && state->run.warm_count > 0;
}

/* by_hand: the caller may read the dyads, and errors, after each step of the inference. */
static dualprop_status start_inference(dualprop_state *state, const dualprop_view *images, const dualprop_view *targets,
                                       enum nudge nudge, int by_hand)
{
    int64_t count = images->shape[0];
    int is_warm = dualprop__holds_warm_start(state) && state->run.warm_count == count;
    state->batch.is_slope = nudge == NUDGE_BY_SLOPE;
    state->batch.count = count;
    state->weights.is_batch = 0;
    dualprop__snapshot_rule(state);
    start_report(state);
    if (!by_hand && dualprop__can_defer(state)) DUALPROP__TRY(dualprop__deferred_begin(state));
    if (state->batch.is_slope) DUALPROP__TRY(dualprop__batch_load_slopes(state, targets));
    else if (targets) DUALPROP__TRY(dualprop__batch_load_targets(state, targets, 0, count));
    DUALPROP__TRY(dualprop__batch_load(state, images, 0, count));
    /* A batch that is refused is none: it is not counted, and the dyads before it are there to start from. */
    state->run.inferences += state->run.inferences < DUALPROP__MOST_COUNTED;
    state->run.warm_count = 0;
    DUALPROP__TRY(dualprop__sample_hardware_noise(state));
    DUALPROP__TRY(dualprop__find_damping(state));
    DUALPROP__TRY(start_input(state));
    DUALPROP__TRY(start_dyads(state, is_warm));
    return keep_prediction(state);
}

/* ---- between two calls of an inference by hand ---- */

/* Are the weights others than those noted last? */
static int note_weights(dualprop_state *state)
{
    uint64_t generation = atomic_load(&state->opened->generation);
    int are_new = state->run.read_from != state->opened || state->run.generation != generation;
    state->run.read_from = state->opened;
    state->run.generation = generation;
    return are_new;
}

/* In an open network it leaves the weights free: what was computed from others than they are now is of no use. */
static dualprop_status resume_inference(dualprop_state *state)
{
    if (state->run.holds) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__state_begin_read(state));
    state->run.holds = 1;
    if (note_weights(state)) dualprop__forget_products(state);
    return DUALPROP_OK;
}

static void pause_inference(dualprop_state *state)
{
    if (state->run.phase != DUALPROP__OPEN || !state->network->open || !state->run.holds) return;
    dualprop__state_end_read(state);
    state->run.holds = 0;
}

static dualprop_status open_inference(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                      enum nudge nudge, int by_hand)
{
    dualprop_view images;
    DUALPROP__REQUIRE(state->context, by_hand || !(state->network->open & DUALPROP_OPEN_TOP),
                      DUALPROP_ERROR_UNSUPPORTED,
                      "network has an open top; expected an inference by hand (dualprop_infer_begin())");
    DUALPROP__TRY(check_ready(state));
    DUALPROP__TRY(check_cancelled(state));
    DUALPROP__TRY(check_batch(&images, state, inputs, targets, nudge));
    DUALPROP__TRY(dualprop__state_begin_read(state));
    state->run.holds = 1;
    note_weights(state);
    state->run.phase = DUALPROP__OPEN;
    state->run.serial = atomic_fetch_add(&state->context->inferences, 1) + 1;
    state->run.written = atomic_load(&state->network->written);
    dualprop_status status = dualprop__network_check_set(state->opened);
    if (status == DUALPROP_OK) status = start_inference(state, &images, targets, nudge, by_hand);
    if (status == DUALPROP_OK) dualprop__weights_used(state);
    else dualprop__state_close(state, DUALPROP__IDLE);
    return status;
}

static dualprop_status check_open(const dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->run.phase == DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "no inference is open; call dualprop_infer_begin() first");
    return DUALPROP_OK;
}

/* A failure in the middle ends the inference: what has settled so far is of no use. */
static dualprop_status close_on_failure(dualprop_state *state, dualprop_status status)
{
    if (status != DUALPROP_OK) dualprop__state_close(state, DUALPROP__IDLE);
    return status;
}

/* What was loaded is still there, so the whole can be done again, with a check after each visit. */
static dualprop_status run_again(dualprop_state *state)
{
    start_report(state);
    DUALPROP__TRY(start_dyads(state, 0));
    DUALPROP__TRY(keep_prediction(state));
    return run_all_passes(state);
}

static dualprop_status run_inference(dualprop__inference *inference, dualprop_state *state, const dualprop_view *inputs,
                                     const dualprop_view *targets, enum nudge nudge)
{
    dualprop_status status = open_inference(state, inputs, targets, nudge, 0);
    *inference = (dualprop__inference){ status == DUALPROP_OK, state->section.deferred };
    return status == DUALPROP_OK ? run_all_passes(state) : status;
}

dualprop_status dualprop__infer_run(dualprop__inference *inference, dualprop_state *state, const dualprop_view *inputs,
                                    const dualprop_view *targets)
{
    return run_inference(inference, state, inputs, targets, NUDGE_BY_TARGETS);
}

dualprop_status dualprop__infer_finish(const dualprop__inference *inference, dualprop_state *state,
                                       dualprop_status status)
{
    if (!inference->is_open) return status;
    if (inference->deferred && status == DUALPROP_ERROR_DIVERGED) status = run_again(state);
    dualprop__state_close(state, status == DUALPROP_OK ? DUALPROP__SETTLED : DUALPROP__IDLE);
    return status;
}

/* ---- the public calls ---- */

static dualprop_status enter_and_infer(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                       enum nudge nudge, const char *function)
{
    dualprop__inference inference;
    DUALPROP__TRY(dualprop__state_enter(state, function));
    dualprop_status status = run_inference(&inference, state, inputs, targets, nudge);
    status = dualprop__infer_section_end(state, status);
    status = dualprop__infer_finish(&inference, state, status);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop__infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                     const char *function)
{
    return enter_and_infer(state, inputs, targets, NUDGE_BY_TARGETS, function);
}

/* A thread that only infers can be cancelled on entry, where it holds nothing of ours. */
dualprop_status dualprop_infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    pthread_testcancel();
    return dualprop__infer_view(state, inputs, targets, __func__);
}

dualprop_status dualprop_infer_gradient(dualprop_state *state, const dualprop_view *inputs,
                                        const dualprop_view *gradient)
{
    pthread_testcancel();
    return enter_and_infer(state, inputs, gradient, NUDGE_BY_SLOPE, __func__);
}

dualprop_status dualprop__infer_plain(dualprop_view *inputs, dualprop_view *targets, const dualprop_state *state,
                                      const void *images, const int32_t *labels, int64_t count, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(state, DUALPROP__STATE, "state", function));
    DUALPROP__REQUIRE(state->context, images, DUALPROP_ERROR_INVALID_ARGUMENT, "images is NULL; expected an array");
    DUALPROP__REQUIRE(state->context, labels, DUALPROP_ERROR_INVALID_ARGUMENT, "labels is NULL; expected an array");
    DUALPROP__REQUIRE(state->context, count >= 1 && count <= state->capacity, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is %lld; expected 1..%lld, the state's capacity", (long long)count,
                      (long long)state->capacity);
    int64_t shape[2] = { count, state->dyads[0].width };
    *inputs = dualprop__view_of((void *)(uintptr_t)images, state->context->precision, 2, shape);
    *targets = dualprop__view_of((void *)(uintptr_t)labels, DUALPROP_I32, 1, shape);
    return DUALPROP_OK;
}

dualprop_status dualprop_infer(dualprop_state *state, const void *images, const int32_t *labels, int64_t count)
{
    dualprop_view inputs, targets;
    DUALPROP__TRY(dualprop__infer_plain(&inputs, &targets, state, images, labels, count, __func__));
    pthread_testcancel();
    return dualprop__infer_view(state, &inputs, &targets, __func__);
}

dualprop_status dualprop_infer_begin(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets)
{
    pthread_testcancel();
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = open_inference(state, inputs, targets, NUDGE_BY_TARGETS, 1);
    pause_inference(state);
    dualprop__state_leave(state);
    return status;
}

static dualprop_status layer_by_hand(dualprop_state *state, int index)
{
    DUALPROP__TRY(check_open(state));
    DUALPROP__REQUIRE(state->context, index >= state->snapshot.lowest && index <= state->layer_count,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "index is %d; expected %d..%d", index, state->snapshot.lowest,
                      state->layer_count);
    DUALPROP__TRY(resume_inference(state));
    return close_on_failure(state, visit_layer(state, index));
}

dualprop_status dualprop_infer_layer(dualprop_state *state, int index)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = layer_by_hand(state, index);
    pause_inference(state);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_infer_pass(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = check_open(state);
    if (status == DUALPROP_OK) status = resume_inference(state);
    if (status == DUALPROP_OK) status = close_on_failure(state, run_pass(state));
    pause_inference(state);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_infer_end(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = check_open(state);
    if (status == DUALPROP_OK) status = resume_inference(state);
    if (status == DUALPROP_OK) {
        status = close_on_failure(state, run_closing_visit(state));
        if (status == DUALPROP_OK) dualprop__state_close(state, DUALPROP__SETTLED);
    }
    dualprop__state_leave(state);
    return status;
}
