/*
 * dualprop/dualprop.h - neural networks trained by dual propagation: the whole interface.
 *
 * Dual propagation (Hoeier and Zach, ICML 2024) trains a network without a separate backward pass: each neuron is a
 * dyad of two oppositely nudged states, s+ and s-, whose weighted mean sbar travels up and whose difference delta
 * travels down. When the dyads have settled, the weights learn from delta_k sbar_{k-1}^T, which is local.
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
 * Include this one, or the parts. dualprop/backend.h is only for those who bring a backend of their own.
 *
 * What holds for every function, and is not said again at each:
 *
 *   - Results come first, then the handle, then what is read. A result is written on success only; a handle that is
 *     asked for is NULL after a failure. What is read is borrowed for the call; what is kept of it is copied.
 *   - A call that fails has changed nothing. dualprop_last_error() says which argument, its value, what was expected.
 *   - NULL where an object or an array is needed is DUALPROP_ERROR_INVALID_ARGUMENT; a destroyed handle or one of
 *     another kind is DUALPROP_ERROR_HANDLE, as far as memory still shows it; one in use is DUALPROP_ERROR_BUSY.
 *   - Inference, update, prediction, evaluation and all that is measured take no memory.
 *   - pthread_cancel() takes effect at the door of an inference, a prediction or an evaluation, never within a call,
 *     unless in the host's own allocator or, on a CUDA device, in the driver. Asynchronous cancellation, and longjmp() out
 *     of a callback, are forbidden.
 *   - Since 0.1.
 */
#ifndef DUALPROP_DUALPROP_H
#define DUALPROP_DUALPROP_H

#include "checkpoint.h"
#include "context.h"
#include "diagnostics.h"
#include "network.h"
#include "optimizer.h"
#include "rule.h"
#include "state.h"
#include "status.h"
#include "types.h"
#include "version.h"

#endif
