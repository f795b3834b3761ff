/*
 * predict.c - outputs and how good they are: the feed-forward pass in pieces of the state's capacity.
 *
 * The state's dyads are overwritten, so an inference that had settled is gone afterwards, unless it is set aside.
 */
#include "math/formulas.h"
#include "passes.h"

static int64_t piece_size(const dualprop_state *state, int64_t left)
{
    return left < state->capacity ? left : state->capacity;
}

/*
 * Make room for a prediction: refuse an open inference, and forget a settled one, whose inputs are overwritten, or set
 * it aside.
 */
static dualprop_status begin_prediction(dualprop_state *state)
{
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__TRY(dualprop__state_begin_read(state));
    dualprop_status status = dualprop__network_check_set(state->opened);
    if (status != DUALPROP_OK) {
        dualprop__state_end_read(state);
        return status;
    }
    dualprop__set_aside(state);
    dualprop__state_lose(state, DUALPROP__LOST_TO_PREDICTION);
    return DUALPROP_OK;
}

static void end_prediction(dualprop_state *state)
{
    dualprop__state_end_read(state);
    dualprop__take_back(state);
}

static dualprop_status feed_piece(dualprop_state *state, const dualprop_view *images, int64_t first)
{
    DUALPROP__REQUIRE(state->context, !atomic_load(&state->context->cancelled), DUALPROP_ERROR_CANCELLED,
                      "cancelled by dualprop_context_cancel()");
    /* What is deferred is refused after the dyads were overwritten. */
    if (!dualprop__holds_warm_start(state)) DUALPROP__TRY(dualprop__deferred_begin(state));
    int deferred = state->section.deferred;
    dualprop_status status = dualprop__batch_load(state, images, first, piece_size(state, images->shape[0] - first));
    if (status == DUALPROP_OK) {
        state->run.warm_count = 0; /* the dyads of the inference before are there until now */
        status = dualprop__feed_forward(state);
    }
    status = dualprop__infer_section_end(state, status);
    return deferred && status == DUALPROP_ERROR_DIVERGED ? dualprop__feed_forward(state) : status;
}

/*
 * Several pieces are all checked before the first is computed: a refused call has written no scores, and the dyads that
 * a warm start begins with are still there. targets may be NULL.
 */
static dualprop_status check_pieces(dualprop_state *state, const dualprop_view *images, const dualprop_view *targets)
{
    for (int64_t first = 0; images->shape[0] > state->capacity && first < images->shape[0]; first += state->capacity) {
        int64_t count = piece_size(state, images->shape[0] - first);
        if (targets) DUALPROP__TRY(dualprop__batch_load_targets(state, targets, first, count));
        DUALPROP__TRY(dualprop__batch_load(state, images, first, count));
    }
    return DUALPROP_OK;
}

/* ---- predict ---- */

/* Outputs as they are, or their softmax. */
enum scores { LOGITS, PROBABILITIES };

/* The softmax of each row, in place. */
static void softmax_rows(void *reals, int type, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++) {
        if (type == DUALPROP_F32) {
            float *a = (float *)reals + row * width;
            dualprop__softmax_of_f32 of = dualprop__softmax_sum_f32(a, NULL, 0, width);
            for (int64_t i = 0; i < width; i++) a[i] = dualprop__softmax_value_f32(&of, a[i]);
        } else {
            double *a = (double *)reals + row * width;
            dualprop__softmax_of_f64 of = dualprop__softmax_sum_f64(a, NULL, 0, width);
            for (int64_t i = 0; i < width; i++) a[i] = dualprop__softmax_value_f64(&of, a[i]);
        }
    }
}

/*
 * Copy the outputs of `count` samples through staging memory, which holds a batch of them, into rows first.. of a view.
 */
static dualprop_status copy_out_scores(const dualprop_view *scores, dualprop_state *state, int64_t first,
                                       enum scores kind)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    size_t bytes = (size_t)(state->batch.count * output->width) * state->context->real_size;
    dualprop_view rows = dualprop__view_copy(scores);
    DUALPROP__TRY(
        state->context->backend.copy_out(state->context->instance, state->plan.staging, output->arrays.mean, bytes));
    if (kind == PROBABILITIES)
        softmax_rows(state->plan.staging, state->context->precision, state->batch.count, output->width);
    rows.shape[0] = state->batch.count;
    rows.data = (char *)scores->data + first * scores->strides[0] * (int64_t)dualprop__type_size(scores->type);
    dualprop__view_scatter(&rows, state->plan.staging, state->context->precision);
    return DUALPROP_OK;
}

static dualprop_status predict_pieces(const dualprop_view *scores, dualprop_state *state, const dualprop_view *images,
                                      enum scores kind)
{
    DUALPROP__TRY(check_pieces(state, images, NULL));
    for (int64_t first = 0; first < images->shape[0]; first += state->capacity) {
        DUALPROP__TRY(feed_piece(state, images, first));
        DUALPROP__TRY(copy_out_scores(scores, state, first, kind));
    }
    return DUALPROP_OK;
}

static dualprop_status predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs,
                                    enum scores kind)
{
    dualprop_view images;
    const char *name = kind == PROBABILITIES ? "probabilities" : "scores";
    DUALPROP__TRY(dualprop__batch_inputs(&images, state, inputs));
    DUALPROP__TRY(dualprop__view_check_output(state->context, scores, DUALPROP__REAL_TYPES, name));
    DUALPROP__TRY(
        dualprop__check_matrix(state->context, scores, images.shape[0], dualprop__output(state)->width, name));
    DUALPROP__TRY(dualprop__check_augmentation(state, images.shape[0]));
    DUALPROP__TRY(begin_prediction(state));
    dualprop_status status = predict_pieces(scores, state, &images, kind);
    end_prediction(state);
    return status;
}

static dualprop_status enter_and_predict(const dualprop_view *scores, dualprop_state *state,
                                         const dualprop_view *inputs, enum scores kind, const char *function)
{
    pthread_testcancel();
    DUALPROP__TRY(dualprop__state_enter(state, function));
    dualprop_status status = predict_view(scores, state, inputs, kind);
    dualprop__state_leave(state);
    return status;
}

dualprop_status dualprop_predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs)
{
    return enter_and_predict(scores, state, inputs, LOGITS, __func__);
}

dualprop_status dualprop_predict_probabilities_view(const dualprop_view *probabilities, dualprop_state *state,
                                                    const dualprop_view *inputs)
{
    return enter_and_predict(probabilities, state, inputs, PROBABILITIES, __func__);
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

static dualprop_status predict_plain(void *scores, const char *name, dualprop_state *state, const void *images,
                                     int64_t count, enum scores kind, const char *function)
{
    DUALPROP__TRY(check_plain_array(state, scores, name, images, count, function));
    int type = state->context->precision;
    dualprop_view inputs =
        dualprop__view_of((void *)(uintptr_t)images, type, 2, (int64_t[]){ count, state->dyads[0].width });
    dualprop_view outputs = dualprop__view_of(scores, type, 2, (int64_t[]){ count, dualprop__output(state)->width });
    return enter_and_predict(&outputs, state, &inputs, kind, function);
}

dualprop_status dualprop_predict(void *scores, dualprop_state *state, const void *images, int64_t count)
{
    return predict_plain(scores, "scores", state, images, count, LOGITS, __func__);
}

dualprop_status dualprop_predict_probabilities(void *probabilities, dualprop_state *state, const void *images,
                                               int64_t count)
{
    return predict_plain(probabilities, "probabilities", state, images, count, PROBABILITIES, __func__);
}

/* ---- evaluate ---- */

struct score {
    double loss;
    int64_t correct, top_k;
};

/* Add the piece whose outputs and targets are in the state. */
static dualprop_status score_piece(struct score *total, dualprop_state *state, int k)
{
    const struct dualprop__dyads *output = dualprop__output(state);
    struct score piece;
    int loss = state->rule ? state->rule->loss : DUALPROP_MSE, is_function = loss == DUALPROP_LOSS_FUNCTION;
    DUALPROP__TRY(dualprop__weighted_evaluate(&piece.loss, &piece.correct, &piece.top_k, state,
                                              is_function ? DUALPROP_MSE : loss, output->arrays.mean, 0,
                                              state->batch.count, k));
    if (is_function) DUALPROP__TRY(dualprop__own_loss_evaluate(&piece.loss, state));
    total->loss += piece.loss;
    total->correct += piece.correct;
    total->top_k += piece.top_k;
    return DUALPROP_OK;
}

static dualprop_status evaluate_pieces(struct score *total, dualprop_state *state, const dualprop_view *images,
                                       const dualprop_view *targets, int k)
{
    DUALPROP__TRY(check_pieces(state, images, targets));
    for (int64_t first = 0; first < images->shape[0]; first += state->capacity) {
        int64_t count = piece_size(state, images->shape[0] - first);
        DUALPROP__TRY(dualprop__batch_load_targets(state, targets, first, count)); /* it may refuse them */
        DUALPROP__TRY(feed_piece(state, images, first));
        DUALPROP__TRY(score_piece(total, state, k));
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
    DUALPROP__TRY(dualprop__own_loss_check(state));
    DUALPROP__TRY(dualprop__batch_inputs(&images, state, inputs));
    DUALPROP__TRY(dualprop__batch_targets(state, targets, images.shape[0]));
    DUALPROP__TRY(dualprop__check_augmentation(state, images.shape[0]));
    DUALPROP__TRY(dualprop__weights_check(state, images.shape[0]));
    DUALPROP__TRY(begin_prediction(state));
    dualprop_status status = evaluate_pieces(total, state, &images, targets, k);
    end_prediction(state);
    if (status == DUALPROP_OK) dualprop__weights_used(state);
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
