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

/* One call's learning step in the section of its inference. */
struct train_step {
    dualprop_optimizer *optimizer;
    int appended;    /* the step was deferred with the inference, and the network is open for writing */
    int applied;     /* and its conditions held */
    double rejected; /* not 0: a condition failed, and the step was not applied */
};

/* What looks at the gradient first needs the host; a gradient held is to stay. */
static int can_append(const dualprop_optimizer *optimizer)
{
    return !optimizer->sums && optimizer->context->backend.gate_steps && optimizer->gradient_samples == 0 &&
           dualprop__step_can_fuse(optimizer);
}

static dualprop_status append_conditions(struct train_step *step, dualprop_state *state)
{
    const dualprop_optimizer *optimizer = step->optimizer;
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
                                       &step->rejected);
}

/* Defer the step too, if that can be done, at the end of an inference that is deferred. */
static dualprop_status append_step(struct train_step *step, dualprop_state *state)
{
    if (!can_append(step->optimizer) || !dualprop__network_try_upgrade(state->network)) return DUALPROP_OK;
    step->appended = 1;
    DUALPROP__TRY(append_conditions(step, state));
    return step->rejected ? DUALPROP_OK : dualprop__learn_layers(step->optimizer, state);
}

/* Note what came of it, when the section has ended with `status`. */
static void settle_step(struct train_step *step, dualprop_status status)
{
    if (!step->appended) return;
    step->applied = status == DUALPROP_OK && !step->rejected;
    if (step->applied) dualprop__count_step(step->optimizer);
    dualprop__feedback_align(step->optimizer->network);
    dualprop__network_downgrade(step->optimizer->network);
}

/* The inference and, if that can be done, the step in its section. */
static dualprop_status infer_and_append(struct train_step *step, dualprop_state *state, const dualprop_view *inputs,
                                        const dualprop_view *targets)
{
    dualprop__inference inference;
    DUALPROP__REQUIRE(state->context, state->network == step->optimizer->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and optimizer are of different networks; expected the same");
    dualprop_status status = dualprop__infer_run(&inference, state, inputs, targets);
    if (status == DUALPROP_OK && inference.deferred) status = append_step(step, state);
    status = dualprop__infer_section_end(state, status);
    settle_step(step, status);
    if (step->applied) step->optimizer->learned = state->run.serial;
    return dualprop__infer_finish(&inference, state, status);
}

static dualprop_status train(dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs,
                             const dualprop_view *targets)
{
    struct train_step step = { .optimizer = optimizer };
    DUALPROP__TRY(infer_and_append(&step, state, inputs, targets));
    return step.applied ? DUALPROP_OK : dualprop__update(optimizer, state);
}

/* A failure here is reported to the other processes. inputs NULL: this process's share is empty. */
static dualprop_status train_in_group(dualprop_optimizer *optimizer, dualprop_state *state, const dualprop_view *inputs,
                                      const dualprop_view *targets, dualprop_status status)
{
    struct train_step step = { .optimizer = optimizer };
    if (status == DUALPROP_OK && inputs) status = infer_and_append(&step, state, inputs, targets);
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
