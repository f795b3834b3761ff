/*
 * train_step.c - inference and learning step in one call, and on a device in one deferred section.
 *
 * In separate calls the host has to check the maxima of an inference before it may let the weights learn. In one call
 * the device checks them: the step is deferred after conditions (gate_steps of the table) that say what the host would
 * have checked: that no layer diverged and that no gradient can leave the range of a step. If a condition fails,
 * parameters, moments and the number of steps are as before, and the host does what it would have done: it finds out
 * what diverged, or checks the gradient itself.
 */
#include "group_gradient.h"

#include <math.h>
#include <pthread.h>

/* What looks at the gradient first needs the host; a gradient held is to stay. */
static int can_append(const dualprop_optimizer *optimizer)
{
    return !optimizer->sums && optimizer->context->backend.gate_steps && optimizer->gradient_samples == 0 &&
           dualprop__step_can_fuse(optimizer);
}

static dualprop_status append_conditions(dualprop_optimizer *optimizer, dualprop_state *state)
{
    const dualprop_context *context = state->context;
    const double *input = &state->dyads[0].observed.max_abs;
    /* Inputs have to be finite, and no more. */
    state->plan.conditions[0] = (dualprop_step_condition){ input, input, INFINITY, 1, INFINITY };
    for (int k = 1; k <= state->layer_count; k++) {
        const struct dualprop__dyads *own = &state->dyads[k];
        state->plan.conditions[k] = (dualprop_step_condition){
            .start = &own->observed.feed_forward_max_abs,
            .max_abs = &own->observed.max_abs,
            .limit = state->snapshot.limit,
            .beta = own->inference->numbers.beta,
            .largest = dualprop__largest_gradient(optimizer, own->layer),
        };
    }
    return context->backend.gate_steps(context->instance, state->plan.conditions, state->layer_count + 1,
                                       &optimizer->train_step.rejected);
}

/* Defer the step too, if that can be done, at the end of an inference that is deferred. */
static dualprop_status append_step(dualprop_optimizer *optimizer, dualprop_state *state)
{
    struct dualprop__train_step *step = &optimizer->train_step;
    if (!can_append(optimizer) || !dualprop__network_try_upgrade(state->network)) return DUALPROP_OK;
    step->appended = 1;
    DUALPROP__TRY(append_conditions(optimizer, state));
    return step->rejected ? DUALPROP_OK : dualprop__learn_layers(optimizer, state);
}

/* The step is in the section or has failed: the network is read again, and no longer written. */
static void close_step(const dualprop_optimizer *optimizer)
{
    if (!optimizer->train_step.appended) return;
    dualprop__feedback_align(optimizer->network);
    dualprop__network_downgrade(optimizer->network);
}

/* Note what came of a step, when the section has ended with `status`, and end the inference. */
static dualprop_status end_step(dualprop_optimizer *optimizer, dualprop_state *state, dualprop_status status)
{
    struct dualprop__train_step *step = &optimizer->train_step;
    step->applied = step->appended && status == DUALPROP_OK && !step->rejected;
    if (step->applied) dualprop__count_step(optimizer);
    if (step->applied) optimizer->learned = state->run.serial;
    return dualprop__infer_finish(&step->inference, state, status);
}

/* The inference and, if that can be done, the step in its section, which is left to its caller to end. */
static dualprop_status infer_and_append(dualprop_optimizer *optimizer, dualprop_state *state,
                                        const dualprop_view *inputs, const dualprop_view *targets)
{
    struct dualprop__train_step *step = &optimizer->train_step;
    *step = (struct dualprop__train_step){ 0 };
    DUALPROP__REQUIRE(state->context, state->network == optimizer->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and optimizer are of different networks; expected the same");
    dualprop_status status = dualprop__infer_run(&step->inference, state, inputs, targets);
    if (status == DUALPROP_OK && step->inference.deferred) status = append_step(optimizer, state);
    return status;
}

static dualprop_status infer_and_step(dualprop_optimizer *optimizer, dualprop_state *state, dualprop_status status)
{
    status = dualprop__infer_section_end(state, status);
    close_step(optimizer);
    return end_step(optimizer, state, status);
}

/* ---- delayed status ---- */

/*
 * The step has been submitted, and what it comes to is found by the next call that uses the optimizer or the state. Its
 * inference stays open until then, so that what could not be decided on the device finds everything as it was.
 */
static dualprop_status settle_submitted(dualprop_optimizer *optimizer)
{
    struct dualprop__train_step *step = &optimizer->train_step;
    dualprop_state *state = step->state;
    step->state = NULL;
    state->delayed.optimizer = NULL;
    DUALPROP__TRY(end_step(optimizer, state, dualprop__infer_section_collect(state, step->section)));
    return step->applied ? DUALPROP_OK : dualprop__update(optimizer, state);
}

/* The state is not in a call: every call that takes both enters the optimizer first. */
dualprop_status dualprop__settle_step(dualprop_optimizer *optimizer)
{
    dualprop_state *state = optimizer->train_step.state;
    if (!state) return DUALPROP_OK;
    DUALPROP__TRY(dualprop__enter(optimizer->context, &state->busy, "state"));
    dualprop_status status = settle_submitted(optimizer);
    dualprop__leave(&state->busy);
    return status;
}

/* For a state that is entered, or being destroyed. */
static dualprop_status settle_of_state(dualprop_optimizer *optimizer)
{
    DUALPROP__TRY(dualprop__enter(optimizer->context, &optimizer->busy, "optimizer"));
    dualprop_status status = settle_submitted(optimizer);
    dualprop__leave(&optimizer->busy);
    return status;
}

static int may_delay(const dualprop_optimizer *optimizer)
{
    const struct dualprop__train_step *step = &optimizer->train_step;
    return optimizer->delays_status && step->appended && !step->rejected && optimizer->context->backend.submit_deferred;
}

static dualprop_status submit_step(dualprop_optimizer *optimizer, dualprop_state *state)
{
    struct dualprop__train_step *step = &optimizer->train_step;
    dualprop_status status = dualprop__infer_section_submit(state, &step->section);
    close_step(optimizer);
    if (status != DUALPROP_OK) return end_step(optimizer, state, status);
    step->state = state;
    state->delayed.optimizer = optimizer;
    state->delayed.settle = settle_of_state;
    return DUALPROP_OK;
}

static dualprop_status train(dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs,
                             const dualprop_view *targets)
{
    dualprop_status status = infer_and_append(optimizer, state, inputs, targets);
    if (status == DUALPROP_OK && may_delay(optimizer)) return submit_step(optimizer, state);
    DUALPROP__TRY(infer_and_step(optimizer, state, status));
    return optimizer->train_step.applied ? DUALPROP_OK : dualprop__update(optimizer, state);
}

/* A failure here is reported to the other processes. inputs NULL: this process's share is empty. */
static dualprop_status train_in_group(dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs,
                                      const dualprop_view *targets, dualprop_status status)
{
    if (status == DUALPROP_OK && inputs)
        status = infer_and_step(optimizer, state, infer_and_append(optimizer, state, inputs, targets));
    return dualprop__group_update(optimizer, state, status == DUALPROP_OK && inputs ? state->batch.count : 0, status);
}

/* `status` is that of the caller's arguments; views are NULL if a share is empty. */
static dualprop_status enter_and_train(dualprop_optimizer *optimizer, dualprop_state *state,
                                       const dualprop_view *inputs, const dualprop_view *targets,
                                       dualprop_status status, const char *function)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, function));
    if (!optimizer->sums && status != DUALPROP_OK) {
        dualprop__optimizer_leave(optimizer);
        return status;
    }
    if (status == DUALPROP_OK) status = dualprop__state_enter(state, function);
    int entered = status == DUALPROP_OK;
    if (optimizer->sums) status = train_in_group(optimizer, state, inputs, targets, status);
    else if (entered) status = train(optimizer, state, inputs, targets);
    if (entered) dualprop__state_leave(state);
    dualprop__optimizer_leave(optimizer);
    return status;
}

dualprop_status dualprop_optimizer_set_delayed_status(dualprop_optimizer *optimizer, int delayed)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE(optimizer->context, delayed == 0 || delayed == 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "delayed is %d; expected 0 or 1", delayed);
    optimizer->delays_status = delayed;
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_wait(dualprop_optimizer *optimizer)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop__optimizer_leave(optimizer);
    return DUALPROP_OK;
}

/* ---- the public calls; a cancelled thread terminates on entry ---- */

dualprop_status dualprop_learn_view(dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs,
                                    const dualprop_view *targets)
{
    pthread_testcancel();
    return enter_and_train(optimizer, state, inputs, targets, DUALPROP_OK, __func__);
}

dualprop_status dualprop_learn(dualprop_optimizer *optimizer, dualprop_state *state, const void *images,
                               const int32_t *labels, int64_t count)
{
    dualprop_view inputs, targets;
    pthread_testcancel();
    if (count == 0 && optimizer && optimizer->magic == DUALPROP__OPTIMIZER && optimizer->sums)
        return enter_and_train(optimizer, state, NULL, NULL, DUALPROP_OK, __func__); /* an empty share */
    dualprop_status status = dualprop__infer_plain(&inputs, &targets, state, images, labels, count, __func__);
    return enter_and_train(optimizer, state, &inputs, &targets, status, __func__);
}
