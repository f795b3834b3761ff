/*
 * predict.c - outputs and how good they are: the feed-forward pass in pieces of the state's capacity.
 *
 * The state's dyads are overwritten, so an inference that had settled is gone afterwards.
 */
#include "passes.h"

static int64_t piece_size(const dualprop_state *state, int64_t left)
{
    return left < state->capacity ? left : state->capacity;
}

/* Make room for a prediction: refuse an open inference, and forget a settled one, whose inputs are overwritten. */
static dualprop_status begin_prediction(dualprop_state *state)
{
    DUALPROP__REQUIRE(state->context, state->run.phase != DUALPROP__OPEN, DUALPROP_ERROR_INVALID_STATE,
                      "an inference is open; call dualprop_infer_end() first");
    DUALPROP__TRY(dualprop__state_begin_read(state));
    dualprop_status status = dualprop__network_check_set(state->opened);
    if (status != DUALPROP_OK) {
        dualprop__state_end_read(state);
        return status;
    }
    state->run.phase = DUALPROP__IDLE;
    return DUALPROP_OK;
}

static dualprop_status feed_piece(dualprop_state *state, const dualprop_view *images, int64_t first)
{
    DUALPROP__REQUIRE(state->context, !atomic_load(&state->context->cancelled), DUALPROP_ERROR_CANCELLED,
                      "cancelled by dualprop_context_cancel()");
    DUALPROP__TRY(dualprop__deferred_begin(state));
    int deferred = state->section.deferred;
    dualprop_status status = dualprop__batch_load(state, images, first, piece_size(state, images->shape[0] - first));
    if (status == DUALPROP_OK) {
        state->run.warm_count = 0; /* the dyads of the inference before are there until now */
        status = dualprop__feed_forward(state);
    }
    status = dualprop__infer_section_end(state, status);
    return deferred && status == DUALPROP_ERROR_DIVERGED ? dualprop__feed_forward(state) : status;
}

/* ---- predict ---- */

/*
 * Copy the outputs of `count` samples through staging memory, which holds a batch of them, into rows first.. of a view.
 */
static dualprop_status copy_out_scores(const dualprop_view *scores, dualprop_state *state, int64_t first)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    size_t bytes = (size_t)(state->batch.count * output->width) * state->context->real_size;
    dualprop_view rows = dualprop__view_copy(scores);
    DUALPROP__TRY(
        state->context->backend.copy_out(state->context->instance, state->plan.staging, output->arrays.mean, bytes));
    rows.shape[0] = state->batch.count;
    rows.data = (char *)scores->data + first * scores->strides[0] * (int64_t)dualprop__type_size(scores->type);
    dualprop__view_scatter(&rows, state->plan.staging, state->context->precision);
    return DUALPROP_OK;
}

/* Inputs in several pieces are all checked before the first scores are written: a refused call has written none. */
static dualprop_status check_pieces(dualprop_state *state, const dualprop_view *images)
{
    for (int64_t first = 0; images->shape[0] > state->capacity && first < images->shape[0]; first += state->capacity)
        DUALPROP__TRY(dualprop__batch_load(state, images, first, piece_size(state, images->shape[0] - first)));
    return DUALPROP_OK;
}

static dualprop_status predict_pieces(const dualprop_view *scores, dualprop_state *state, const dualprop_view *images)
{
    DUALPROP__TRY(check_pieces(state, images));
    for (int64_t first = 0; first < images->shape[0]; first += state->capacity) {
        DUALPROP__TRY(feed_piece(state, images, first));
        DUALPROP__TRY(copy_out_scores(scores, state, first));
    }
    return DUALPROP_OK;
}

static dualprop_status predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs)
{
    dualprop_view images;
    int64_t width = dualprop__output(state)->width;
    DUALPROP__TRY(dualprop__batch_inputs(&images, state, inputs));
    DUALPROP__TRY(dualprop__view_check_output(state->context, scores, DUALPROP__REAL_TYPES,
                                              "scores"));
    DUALPROP__REQUIRE(state->context,
                      scores->rank == 2 && scores->shape[0] == images.shape[0] && scores->shape[1] == width,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "scores has another shape; expected (%lld, %lld)",
                      (long long)images.shape[0], (long long)width);
    DUALPROP__TRY(dualprop__check_augmentation(state, images.shape[0]));
    DUALPROP__TRY(begin_prediction(state));
    dualprop_status status = predict_pieces(scores, state, &images);
    dualprop__state_end_read(state);
    return status;
}

dualprop_status dualprop_predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs)
{
    pthread_testcancel();
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = predict_view(scores, state, inputs);
    dualprop__state_leave(state);
    return status;
}

static dualprop_status check_plain_array(const dualprop_state *state, const void *array, const char *name,
                                         const void *images, int64_t count, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(state, DUALPROP__STATE, "state", function));
    DUALPROP__REQUIRE(state->context, array, DUALPROP_ERROR_INVALID_ARGUMENT, "%s is NULL; expected an array", name);
    DUALPROP__REQUIRE(state->context, images, DUALPROP_ERROR_INVALID_ARGUMENT, "images is NULL; expected an array");
    DUALPROP__REQUIRE(state->context, count >= 1 && count <= INT64_MAX / 8 / state->plan.widest,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "count is %lld; expected >= 1 and an array that fits memory",
                      (long long)count);
    return DUALPROP_OK;
}

dualprop_status dualprop_predict(void *scores, dualprop_state *state, const void *images, int64_t count)
{
    DUALPROP__TRY(check_plain_array(state, scores, "scores", images, count, __func__));
    int type = state->context->precision;
    dualprop_view inputs = dualprop__view_of((void *)(uintptr_t)images, type, 2,
                                             (int64_t[]){ count, state->dyads[0].width });
    dualprop_view outputs = dualprop__view_of(scores, type, 2,
                                              (int64_t[]){ count, dualprop__output(state)->width });
    return dualprop_predict_view(&outputs, state, &inputs);
}

/* ---- evaluate ---- */

struct score {
    double loss;
    int64_t correct, top_k;
};

static dualprop_status score_piece(struct score *total, dualprop_state *state, const dualprop_view *targets, int k,
                                   int64_t first)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    struct score piece;
    int loss = state->rule ? state->rule->loss : DUALPROP_MSE;
    DUALPROP__TRY(dualprop__batch_load_targets(state, targets, first, state->batch.count));
    DUALPROP__TRY(state->context->backend.evaluate(state->context->instance, loss, output->arrays.mean,
                                                   state->plan.target, state->batch.count, output->width, k,
                                                   &piece.loss, &piece.correct, &piece.top_k));
    total->loss += piece.loss;
    total->correct += piece.correct;
    total->top_k += piece.top_k;
    return DUALPROP_OK;
}

static dualprop_status evaluate_pieces(struct score *total, dualprop_state *state, const dualprop_view *images,
                                       const dualprop_view *targets, int k)
{
    for (int64_t first = 0; first < images->shape[0]; first += state->capacity) {
        DUALPROP__TRY(feed_piece(state, images, first));
        DUALPROP__TRY(score_piece(total, state, targets, k, first));
    }
    return DUALPROP_OK;
}

static dualprop_status evaluate_view(struct score *total, dualprop_state *state, int k, const dualprop_view *inputs,
                                     const dualprop_view *targets)
{
    dualprop_view images;
    int64_t width = dualprop__output(state)->width;
    DUALPROP__REQUIRE(state->context, k >= 1 && k <= width, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "k is %d; expected 1..%lld", k, (long long)width);
    DUALPROP__REQUIRE(state->context, dualprop__is_output(state, state->layer_count), DUALPROP_ERROR_UNSUPPORTED,
                      "network has an open top, and no targets; expected dualprop_predict()");
    DUALPROP__TRY(dualprop__batch_inputs(&images, state, inputs));
    DUALPROP__TRY(dualprop__batch_targets(state, targets, images.shape[0]));
    DUALPROP__TRY(dualprop__check_augmentation(state, images.shape[0]));
    DUALPROP__TRY(begin_prediction(state));
    dualprop_status status = evaluate_pieces(total, state, &images, targets, k);
    dualprop__state_end_read(state);
    total->loss /= (double)images.shape[0];
    return status;
}

dualprop_status dualprop_evaluate_view(double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state,
                                       const dualprop_view *inputs, const dualprop_view *targets)
{
    struct score total = { 0, 0, 0 };
    pthread_testcancel();
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = evaluate_view(&total, state, k, inputs, targets);
    dualprop__state_leave(state);
    if (status != DUALPROP_OK) return status;
    if (loss) *loss = total.loss;
    if (correct) *correct = total.correct;
    if (top_k) *top_k = total.top_k;
    return DUALPROP_OK;
}

dualprop_status dualprop_evaluate(double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state,
                                  const void *images, const int32_t *labels, int64_t count)
{
    DUALPROP__TRY(check_plain_array(state, labels, "labels", images, count, __func__));
    int64_t shape[2] = { count, state->dyads[0].width };
    dualprop_view inputs = dualprop__view_of((void *)(uintptr_t)images, state->context->precision, 2, shape);
    dualprop_view targets = dualprop__view_of((void *)(uintptr_t)labels, DUALPROP_I32, 1, shape);
    return dualprop_evaluate_view(loss, correct, top_k, k, state, &inputs, &targets);
}
