/**
 * @file
 * dualprop/state.h - the dyads of one network for up to N samples, and the inference that makes them converge.
 *
 * A state plans all its memory when it is created; nothing is allocated afterwards. It keeps its network and its rule
 * alive. The values that travel between layers are (sbar, delta); s+ = sbar + (1 - alpha) delta and
 * s- = sbar - alpha delta are computed when they are read.
 *
 * Plain calls take contiguous NHWC arrays of the context's precision and int32 class labels. The _view calls take
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
 * @param network   the network, with at least one layer
 * @param rule      NULL for a state that only predicts and evaluates
 * @param capacity  the largest batch, >= 1
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  no layers, capacity < 1, or network and rule of different contexts
 *         DUALPROP_ERROR_UNSUPPORTED       the rule does not fit the network (the text says why: the last layer is not
 *                                          identity, an exact step has no solution, ...)
 *         DUALPROP_ERROR_RANGE, DUALPROP_ERROR_NO_MEMORY
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_create(dualprop_state **state, dualprop_network *network, dualprop_rule *rule, int64_t capacity);

/** Destroy a state; NULL is allowed. */
DUALPROP_API void dualprop_state_destroy(dualprop_state *state);

/**
 * Re-plan the state after the rule's variant, schedule, passes or tolerance has changed, or an option was switched on
 * or off. Memory is reallocated only if the rule needs different arrays; warm-start dyads and power-iteration vectors
 * are then reset. An inference ends: update before.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_state_prepare(dualprop_state *state);

/**
 * Set how the images of the next batch are augmented as they are loaded. It applies to the next inference, prediction
 * or evaluation only, whose count must be this one. Each image is mirrored first, then shifted; pixels that come in at
 * the edges are 0 (of the normalised image). If that batch is refused, the augmentation stays set.
 *
 * @param state         the state
 * @param augmentation  [count][3]: rows down, columns right (negative: up, left), and 1 to mirror left and right, else
 *                      0; copied; NULL with count 0 removes what was set
 * @param count         0 .. capacity
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_augmentation(dualprop_state *state, const int32_t *augmentation, int64_t count);

/**
 * Weigh the samples of the next batch: sample i has the loss weights[i] * loss(.), in inference, evaluation and
 * dualprop_state_report(), times the weight of its class if there is one. It applies to the next inference or
 * evaluation that succeeds, whose count must be this one; predictions have no loss and leave it alone.
 *
 * The gradient stays a sum over the samples divided by their number: weights of mean 1 keep the size of steps. A sample
 * of weight 2 counts as the same sample twice, one of weight 0 not at all. With an exact output step a weight
 * multiplies beta in its bounds (see dualprop_rule_set_output_step()), and a batch that exceeds them is refused.
 *
 * @param state    the state
 * @param weights  [count], finite, >= 0; copied; NULL with count 0 removes what was set
 * @param count    0 .. capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  count, or a weight that is negative or not finite
 *         DUALPROP_ERROR_INVALID_STATE     an inference is open
 *         DUALPROP_ERROR_NO_MEMORY
 * Threads: one at a time per state.  Allocates: in the first call that sets weights of this state.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_sample_weights(dualprop_state *state, const double *weights, int64_t count);
/**
 * Weigh the classes: the loss of each sample is multiplied by the weight of its class, which is its label, or the
 * output with the largest dense target (the first of equals). They stay until they are set again, and belong to the
 * state: a checkpoint does not keep them. See dualprop_state_set_sample_weights().
 *
 * @param state    the state
 * @param weights  [count], finite, >= 0; copied; NULL with count 0 removes them
 * @param count    the outputs of the network, or 0
 * @return as dualprop_state_set_sample_weights()
 * Threads: one at a time per state.  Allocates: in the first call that sets weights of this state.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_class_weights(dualprop_state *state, const double *weights, int64_t count);

/**
 * Get the number of bytes that dualprop_state_create() with these arguments would allocate. The network may be an
 * outline (dualprop_network_create_outline()); with rule NULL it is a state that only predicts and evaluates.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_memory_needed(uint64_t *bytes, dualprop_network *network, dualprop_rule *rule, int64_t capacity);

/**
 * Infer (not prediction: see dualprop_predict()): let the dyads converge on a batch.
 *
 * Runs a feed-forward pass, then all passes of the rule's schedule, with the labels nudging the output. Afterwards
 * dualprop_update() can learn from the dyads.
 *
 * @param state   the state
 * @param images  (count, height, width, channels), contiguous, in the context's precision; borrowed for the call
 * @param labels  [count] classes, 0 .. outputs-1; borrowed for the call
 * @param count   1 .. capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_NOT_FINITE   an input is NaN or infinite
 *         DUALPROP_ERROR_DIVERGED     a dyad became non-finite or too large; the text names layer and pass
 *         DUALPROP_ERROR_CANCELLED, DUALPROP_ERROR_BUSY, DUALPROP_ERROR_INVALID_STATE (see dualprop_state_prepare())
 *         After a failure dualprop_update() is refused until an inference succeeds.
 * Threads: one at a time per state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer(dualprop_state *state, const void *images, const int32_t *labels, int64_t count);

/**
 * Infer as dualprop_infer() does, on strided arrays.
 *
 * @param state    the state
 * @param inputs   (count, height, width, channels) or (count, inputs), or any shape of count * inputs elements whose
 *                 first extent is count; f32, f64, or u8 (which the network's input transform converts)
 * @param targets  [count] of labels, i32 or i64, or (count, outputs) of f32 or f64: dense targets (for cross-entropy
 *                 each row is a distribution)
 * @return as dualprop_infer()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets);

/**
 * Infer with the slope of a loss that the caller has computed: the nudge is g = beta * gradient throughout the
 * inference, whatever the rule's loss is and wherever it is evaluated. Call dualprop_predict_view(), compute the
 * gradient of your loss at the outputs, then call this and dualprop_update() (or dualprop_gradient()).
 *
 * With a loss that is linear in the outputs all output steps are the same, so that exact and SPROVR steps are allowed.
 * The gradient with respect to the inputs follows by dualprop_diagnostics_input_gradient(): so the network can be a
 * part of a larger model. dualprop_state_report() then has no loss: it reports NaN, and 0 correct samples.
 *
 * @param state     the state
 * @param inputs    as in dualprop_infer_view()
 * @param gradient  (count, outputs) of f32 or f64: the derivative of each sample's own loss with respect to its
 *                  outputs; multiply that of a mean over the batch by count, since dualprop_gradient() divides by it
 * @return as dualprop_infer(); DUALPROP_ERROR_NOT_FINITE also if the gradient is not finite, and
 *         DUALPROP_ERROR_INVALID_STATE if weights of samples or classes are set, which it does not use
 * Threads: one at a time per state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_gradient(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *gradient);

/**
 * Begin an inference that the caller drives by hand.
 *
 * This call loads the batch and runs the feed-forward pass. dualprop_infer_layer() then updates one dyad layer once,
 * dualprop_infer_pass() runs one pass of the schedule (number 1, 2, ... in the order of the calls), and
 * dualprop_infer_end() ends the inference so that dualprop_update() may follow.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_begin(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets);
/** Update layer index (1..L; also 0 if the input is a dyad) once. INVALID_STATE outside begin .. end. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_layer(dualprop_state *state, int index);
/** Run the next pass of the schedule. INVALID_STATE outside begin .. end. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_pass(dualprop_state *state);
/** End the inference that dualprop_infer_begin() began. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_infer_end(dualprop_state *state);

/**
 * Learn during inference: compute the gradient from the current dyads, between begin and end, and take a step. The
 * inference continues with the same dyads and the new weights, so weights can change after every pass or every layer
 * (multi-step updates). The bits are those of dualprop_gradient() and dualprop_step() on the same dyads.
 *
 * @param optimizer  of the state's network
 * @param state      with an open inference
 * @return as dualprop_update(); INVALID_STATE outside begin .. end, BUSY if another state reads the network
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_infer_update(dualprop_optimizer *optimizer, dualprop_state *state);

/**
 * Copy s+, s-, sbar, delta, a or Delta (DUALPROP_S_...) of layer index into an array of shape (count, outputs) or
 * (count, height, width, channels), as dualprop_layer_shape() returns them. sbar_0 is x. Of a network with an open
 * bottom Delta_0 can be read too (dualprop_network_set_open()).
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_read(const dualprop_view *view, dualprop_state *state, int index, int which);
/**
 * Overwrite s+, s-, sbar or delta of layer index, 1..L, between begin and end. The other values of the dyad follow:
 * writing s+ keeps s- and vice versa, writing sbar keeps delta and vice versa. Of a network with open ends sbar_0 and
 * Delta_L can be written too (dualprop_network_set_open()).
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_write(dualprop_state *state, int index, int which, const dualprop_view *view);

/**
 * Read a part of a layer: as dualprop_state_read(), of `n` neurons from number `first` on (row-major in images).
 *
 * @param view   (count, n), f32 or f64
 * @param state  the state, with an inference
 * @param index  layer, 0..L
 * @param which  DUALPROP_S_...
 * @param first  number of the first neuron, from 0
 * @return as dualprop_state_read()
 * Threads: one at a time per state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_read_part(const dualprop_view *view, dualprop_state *state, int index, int which, int64_t first);
/**
 * Overwrite a part of a layer: as dualprop_state_write(), of `n` neurons from number `first` on; the others keep what
 * they have.
 *
 * @param state  the state, with an open inference
 * @param index  layer, 1..L
 * @param which  DUALPROP_S_PLUS, _MINUS, _MEAN or _DELTA
 * @param first  number of the first neuron, from 0
 * @param view   (count, n), f32 or f64; borrowed for the call
 * @return as dualprop_state_write()
 * Threads: one at a time per state.  Allocates: never.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_write_part(dualprop_state *state, int index, int which, int64_t first, const dualprop_view *view);

/**
 * Give single neurons of a layer values of their own, for simulators and studies of hardware:
 *
 *     s+_i <- f(a_i + r c+_i Delta_i),  s-_i <- f(a_i - r c-_i Delta_i),  sbar_i = alpha_i s+_i + (1 - alpha_i) s-_i,
 *
 * with r = beta_k/beta_{k+1} (1 at the output, where Delta is -beta loss'). An alpha_i alone also sets c+_i and c-_i as
 * the rule's alpha does; a gain that is given replaces what follows from alpha. With gains that do not add up to 1 the
 * size of delta, and so of the gradient, changes with them. A noise that is given replaces the rule's noise on s+ and
 * s- in this layer. A neuron that does not listen starts each inference at f(a) and then keeps s+ and s-.
 *
 * Values stay until they are set again; they belong to the state, and a checkpoint does not keep them. They take effect
 * in the next inference; who listens may also change during an open one, before any visit of the layer. Layers without
 * values are updated as before, at the same speed.
 *
 * @param state   the state, created with a rule
 * @param index   layer, 1..L
 * @param which   DUALPROP_NEURON_...
 * @param values  [count]; copied; NULL with count 0 removes them
 * @param count   the neurons of the layer (its outputs), or 0
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  index, which, count, or a value out of its range
 *         DUALPROP_ERROR_INVALID_STATE     the state has no rule, or an inference is open and it is not who listens
 *         DUALPROP_ERROR_UNSUPPORTED       a layer of softmax, or an open network
 *         DUALPROP_ERROR_NO_MEMORY
 *         The next inference refuses what contradicts its rule as UNSUPPORTED: any value with bp or fresh_minus; alphas
 *         with a variant that fixes alpha or with the original pool switches; at the output, gains with an exact or
 *         SPROVR step, and alphas with such a step of cross-entropy or without a solution.
 * Threads: one at a time per state.  Allocates: in the first call that sets a kind of value of a layer.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_neurons(dualprop_state *state, int index, int which, const double *values, int64_t count);

/**
 * Report how the last inference went; each output may be NULL.
 *
 * @param passes    passes run
 * @param residual  max |change of s+-| / max |s+-| of the last pass. Measured in every pass if the rule has a tolerance
 * or
 *                  a growth limit, else in the last of several passes of an inference that the device does not defer;
 *                  NaN if nothing was measured
 * @param updates   layer updates computed
 * @param skipped   layer updates skipped because none of their inputs had changed
 * @param loss      mean loss of the feed-forward prediction; NaN after dualprop_infer_gradient()
 * @param correct   number of samples whose largest prediction is the target's class, which for dense targets is their
 *                  largest element (so in regression on one output every sample counts); 0 after
 *                  dualprop_infer_gradient()
 * @param state     the state
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_STATE if the state holds no inference
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_state_report(
    int *passes, double *residual, int64_t *updates, int64_t *skipped, double *loss, int64_t *correct,
    const dualprop_state *state);

/**
 * Get gamma_k, the spectral norm of the map above layer index as the last inference estimated it (NaN if it did not),
 * and the damping D_k that it used; each may be NULL. index is 0 .. L-1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_damping(double *gamma, double *damping, const dualprop_state *state, int index);

/**
 * Get the number of inferences that this state has begun. Together with the rule's seed it determines the random
 * numbers of the next inference.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_inference_count(uint64_t *inferences, const dualprop_state *state);
/** Set that number: two states of one rule draw the same random numbers in inferences with the same number. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_state_set_inference_count(dualprop_state *state, uint64_t inferences);

/**
 * Keep the inference while the state predicts or evaluates: dualprop_predict(), dualprop_evaluate() and their variants
 * then leave the dyads alone, so that dualprop_update(), dualprop_state_read() and dualprop_state_report() after them
 * find the inference of before, and a warm start its dyads. By default they overwrite them, since it costs memory:
 * arrays for the activations of one layer and the next, about what a state that only predicts takes, and a copy of the
 * layers' records for the duration of a call.
 *
 * @param state  the state, created with a rule
 * @param keep   1: keep it; 0: free the memory and overwrite it again
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_STATE  the state has no rule, or an inference is open
 *         DUALPROP_ERROR_NO_MEMORY      nothing changed
 * Threads: one at a time per state.  Allocates: here.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_state_keep_inference(dualprop_state *state, int keep);

/**
 * Compute the network's outputs.
 *
 * @param scores  receives (count, outputs), contiguous, in the context's precision
 * @param state   the state; the dyads of its last inference are overwritten, so infer again before the next update,
 *                unless dualprop_state_keep_inference() keeps them
 * @param images  (count, height, width, channels), contiguous, in the context's precision
 * @param count   1 or more; may be larger than the capacity: it is then computed in pieces of the capacity
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_NOT_FINITE     an input is NaN or infinite
 *         DUALPROP_ERROR_DIVERGED       a layer's output is, by weights that are too large or by a function of an own
 *                                       activation or map, which the text then names
 *         DUALPROP_ERROR_CANCELLED      by dualprop_context_cancel(), or by a function of an own part, which returned
 *                                       something else than 0
 *         DUALPROP_ERROR_INVALID_STATE  the weights were never set, or an inference is open
 *         DUALPROP_ERROR_BUSY
 *         On an error no score was written; but after _DIVERGED, _CANCELLED and _DEVICE the scores of pieces that were
 *         finished may be
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_predict(void *scores, dualprop_state *state, const void *images, int64_t count);
/** Compute the network's outputs for strided arrays; scores are f32 or f64. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_predict_view(const dualprop_view *scores, dualprop_state *state, const dualprop_view *inputs);

/**
 * Compute the network's outputs as probabilities: the softmax of each row of scores, that is, of the logits of a
 * network that learned by cross-entropy. Outputs of a network that ends in softmax or sigmoid are probabilities as
 * they are: take dualprop_predict() there.
 *
 * @param probabilities  receives (count, outputs), contiguous, in the context's precision; rows add up to 1
 * @param state          as in dualprop_predict()
 * @param images         as in dualprop_predict()
 * @param count          as in dualprop_predict()
 * @return as dualprop_predict()
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_predict_probabilities(void *probabilities, dualprop_state *state, const void *images, int64_t count);
/** Compute probabilities for strided arrays, as dualprop_predict_view() computes scores. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_predict_probabilities_view(
    const dualprop_view *probabilities, dualprop_state *state, const dualprop_view *inputs);

/**
 * Compare the network's outputs with labels.
 *
 * @param loss     mean loss of the rule's kind (squared error without a rule); may be NULL
 * @param correct  number of samples whose largest output is the label (the first of equals); may be NULL
 * @param top_k    number of samples whose label is among the k largest outputs; may be NULL
 * @param k        1 .. outputs
 * @param state    the state
 * @param images   (count, height, width, channels), contiguous, in the context's precision
 * @param labels   [count] classes, 0 .. outputs-1
 * @param count    1 or more; may be larger than the capacity
 * @return as dualprop_predict(); DUALPROP_ERROR_CANCELLED also if the rule's own loss returned something else than 0
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_evaluate(
    double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state, const void *images,
    const int32_t *labels, int64_t count);
/** Compare the network's outputs with labels or dense targets in strided arrays. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_evaluate_view(
    double *loss, int64_t *correct, int64_t *top_k, int k, dualprop_state *state, const dualprop_view *inputs,
    const dualprop_view *targets);

#ifdef __cplusplus
}
#endif

#endif
