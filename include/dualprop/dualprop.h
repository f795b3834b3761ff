/**
 * @file
 * dualprop/dualprop.h - neural networks trained by dual propagation: the whole interface.
 *
 * Dual propagation (Hoeier and Zach, ICML 2024) trains a network without a separate backward pass: each neuron is a
 * dyad of two oppositely nudged states, s+ and s-, whose weighted mean sbar travels up and whose difference delta
 * travels down. When the dyads have converged, the weights learn from delta_k sbar_{k-1}^T, which is local.
 *
 *     dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL);
 *     dualprop_network_create(&network, context, 28, 28, 1);
 *     dualprop_network_add_dense(network, 512, DUALPROP_RELU);
 *     dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY);
 *     dualprop_network_initialize(network, seed);
 *     dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT);
 *     dualprop_state_create(&state, network, rule, batch);
 *     dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM);
 *     for each batch:
 *         dualprop_infer(state, images, labels, count);
 *         dualprop_update(optimizer, state);
 *     dualprop_predict(scores, state, images, count);
 *
 * Include this header, or the parts that you need. dualprop/backend.h is only needed to write a backend of your own.
 *
 * These rules hold for every function and are not repeated at each:
 *
 *   - Arguments come in the order outputs, handle, inputs. Outputs are written only on success; create functions set
 *     their output handle to NULL on failure. Inputs are borrowed for the duration of the call; the library copies what
 *     it keeps.
 *   - A call that fails has changed nothing. dualprop_last_error() reports which argument it was, its value, and what
 *     was expected.
 *   - NULL for a required object or array is DUALPROP_ERROR_INVALID_ARGUMENT. A destroyed handle or one of another kind
 *     is DUALPROP_ERROR_HANDLE, as far as its memory still shows it. A handle in use is DUALPROP_ERROR_BUSY.
 *   - Inference, update, prediction, evaluation and all measurements allocate no memory.
 *   - pthread_cancel() takes effect on entry to an inference, a prediction or an evaluation, never within a call,
 *     except in the host's own allocator or, on a CUDA device, in the driver. Asynchronous cancellation, and longjmp()
 *     out of a callback, are forbidden.
 *   - Every function exists since 0.1, unless its comment names another version.
 */
#ifndef DUALPROP_DUALPROP_H
#define DUALPROP_DUALPROP_H

#include "checkpoint.h"
#include "context.h"
#include "custom.h"
#include "diagnostics.h"
#include "group.h"
#include "network.h"
#include "optimizer.h"
#include "rule.h"
#include "state.h"
#include "status.h"
#include "types.h"
#include "version.h"

#endif
