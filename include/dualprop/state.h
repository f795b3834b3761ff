/*
 * dualprop/state.h - the dyads of one network for up to N samples, and the inference that lets them settle.
 *
 * A state plans all its memory when it is created; nothing is allocated afterwards. It keeps its network and its rule
 * alive. What travels between layers is (sbar, delta); s+ = sbar + (1 - alpha) delta and s- = sbar - alpha delta are
 * made when asked for.
 *
 * Plain calls take contiguous NHWC arrays of the context's precision and int32 class labels; the _view calls take
 * strided arrays of f32, f64 or bytes, and dense targets as well as labels.
 *
 * Threads: one call at a time on a state (else DUALPROP_ERROR_BUSY); many states of one network in parallel.
 */
#ifndef DUALPROP_STATE_H
#define DUALPROP_STATE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Create a state for up to capacity samples.
 *
 * @param state     receives the state; the caller destroys it
 * @param rule      NULL for a state that only predicts and evaluates
 * @param capacity  the largest batch, >= 1
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  no layers, capacity < 1, or network and rule of different contexts
 *         DUALPROP_ERROR_UNSUPPORTED       the rule does not fit the network (the text says what: the last layer is
 *                                          not identity, an exact step that has no solution, ...)
 *         DUALPROP_ERROR_RANGE, DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_create(dualprop_state **state, dualprop_network *network, dualprop_rule *rule, int64_t capacity);

/** Destroy a state; NULL is fine. */
DUALPROP_API void dualprop_state_destroy(dualprop_state *state);

/**
 * Plan again after the rule's variant, schedule, passes, tolerance, or an option that was switched on or off. Memory is
 * exchanged where the rule needs other memory than before; dyads to start warm from and power vectors are new then.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_state_prepare(dualprop_state *state);

/**
 * Set how the images of the next batch are augmented as they are loaded. It holds for the next inference, prediction or
 * evaluation only, whose count must be this one. Each image is mirrored first, then shifted; pixels that come in at the
 * edges are 0 (of the normalised image). If that batch is refused, the augmentation stays set.
 *
 * @param augmentation  [count][3]: rows down, columns right (negative: up, left), and 1 to mirror left and right, else
 *                      0; copied; NULL with count 0 removes what was set
 * @param count         0 .. capacity
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_augmentation(dualprop_state *state, const int32_t *augmentation, int64_t count);

/** Give the bytes dualprop_state_create() with these arguments would allocate. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_memory_needed(uint64_t *bytes, dualprop_network *network, dualprop_rule *rule, int64_t capacity);

/**
 * Let the dyads settle on a batch: feed-forward, then all passes of the rule's schedule.
 *
 * @param images  (count, height, width, channels), contiguous, in the context's precision; borrowed for the call
 * @param labels  [count] classes, 0 .. outputs-1; borrowed for the call
 * @param count   1 .. capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_NOT_FINITE   an input is NaN or infinite
 *         DUALPROP_ERROR_DIVERGED     a state became non-finite or too large; the text names layer and pass
 *         DUALPROP_ERROR_CANCELLED, DUALPROP_ERROR_BUSY, DUALPROP_ERROR_INVALID_STATE (see dualprop_state_prepare())
 *         After a failure dualprop_update() is refused until an inference succeeds.
 * Threads: one at a time a state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer(dualprop_state *state, const void *images, const int32_t *labels, int64_t count);

/**
 * The same on strided arrays.
 *
 * @param inputs   (count, height, width, channels) or (count, inputs), or any shape of count * inputs elements whose
 *                 first extent is count; f32, f64, or u8 (goes through the network's input transform)
 * @param targets  [count] of i32 labels, or (count, outputs) of f32 or f64: dense targets (for cross-entropy
 *                 each row is a distribution)
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets);

/**
 * Drive an inference by hand: begin makes the feed-forward start, layer lets one dyad layer listen once, pass runs
 * one pass of the schedule (number 1, 2, ... as they are called), end closes it so that dualprop_update() may follow.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_begin(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets);
/** Let layer index (1..L; 0 too where the input is a dyad) listen once. INVALID_STATE outside begin .. end. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_layer(dualprop_state *state, int index);
/** Run the next pass of the schedule. INVALID_STATE outside begin .. end. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_pass(dualprop_state *state);
/** End the inference begun by hand. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_end(dualprop_state *state);

/**
 * Learn while dyads settle: compute the gradient from the dyads as they are now, between begin and end, and step. The
 * inference goes on with the same dyads and the new weights, so that weights may change after every pass, or every layer
 * (multi-step updates). The same bits as dualprop_gradient() and dualprop_step() on such dyads.
 *
 * @return as dualprop_update(); INVALID_STATE outside begin .. end, BUSY where another state reads the network
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_update(dualprop_optimizer *optimizer, dualprop_state *state);

/**
 * Copy s+, s-, sbar, delta, a or Delta (DUALPROP_S_...) of layer index into an array of shape (count, outputs) or
 * (count, height, width, channels), as dualprop_layer_shape() gives them. sbar_0 is x.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_read(const dualprop_view *view, dualprop_state *state, int index, int which);
/**
 * Overwrite s+, s-, sbar or delta of layer index, 1..L, between begin and end; the others of the dyad follow: writing s+
 * keeps s- and the other way round, writing sbar keeps delta and the other way round.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_write(dualprop_state *state, int index, int which, const dualprop_view *view);

/**
 * Say how the last inference went; each may be NULL.
 *
 * @param passes    passes run
 * @param residual  of the last pass (NaN where the rule has no tolerance)
 * @param updates   layer updates computed
 * @param skipped   layer updates skipped because nothing they depend on had changed
 * @param loss      mean loss of the feed-forward prediction
 * @param correct   samples whose greatest prediction is the target's class
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_state_report(
    int *passes, double *residual, int64_t *updates, int64_t *skipped, double *loss, int64_t *correct,
    const dualprop_state *state);

/**
 * Give gamma_k, the spectral norm of the map above layer index as the last inference estimated it (NaN where it did
 * not), and the damping D_k it used; each may be NULL. index 0 .. L-1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_damping(double *gamma, double *damping, const dualprop_state *state, int index);

/** Give the number of inferences that this state has begun: with the rule's seed it decides what is drawn next. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_inference_count(uint64_t *inferences, const dualprop_state *state);
/** Set it: two states of one rule draw the same in the inference of the same number. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_inference_count(dualprop_state *state, uint64_t inferences);

/**
 * Compute the network's outputs.
 *
 * @param scores  receives (count, outputs), contiguous, in the context's precision
 * @param images  (count, height, width, channels), contiguous, in the context's precision
 * @param count   1 or more; larger than the capacity is fine
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_predict(void *scores, dualprop_state *state, const void *images, int64_t count);
/** The same on strided arrays; scores f32 or f64. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs);

/**
 * Compare the network's outputs with labels.
 *
 * @param loss     mean loss of the rule's kind (squared error without a rule); may be NULL
 * @param correct  samples whose greatest output is the label (the first of equals); may be NULL
 * @param top_k    samples whose label is among the k greatest outputs; may be NULL
 * @param k        1 .. outputs
 * @param count    1 or more; larger than the capacity is fine
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_evaluate(
    double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state, const void *images,
    const int32_t *labels, int64_t count);
/** The same on strided arrays. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_evaluate_view(
    double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state, const dualprop_view *inputs,
    const dualprop_view *targets);

#ifdef __cplusplus
}
#endif

#endif
