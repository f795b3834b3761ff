#include "random_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "household.h"

/* ---- networks ---- */

static dualprop_status add_layer(household *self, dualprop_network *network, int of_images)
{
    int64_t kernel[2] = { 1 + below(self, 4), 1 + below(self, 4) }, stride[2] = { 1 + below(self, 2), 1 };
    int64_t padding[2] = { below(self, 2), below(self, 2) }, window[2] = { 1 + below(self, 3), 1 + below(self, 3) };
    int activation = self->activation && one_in(self, 6) ? self->activation : below(self, 11);
    if (self->map && one_in(self, 8)) return dualprop_network_add_custom(network, self->map, 4, 1, 3, activation);
    switch (of_images ? below(self, 5) : 4) {
    case 0: return dualprop_network_add_convolution(network, 1 + below(self, 20), kernel, stride, padding, activation);
    case 1: return dualprop_network_add_local(network, 1 + below(self, 4), kernel, stride, padding, activation);
    case 2: return dualprop_network_add_pooling(network, below(self, 4), window, one_in(self, 2) ? stride : NULL);
    case 3: return dualprop_network_add_flatten(network);
    default: return dualprop_network_add_dense(network, 1 + below(self, 9), activation);
    }
}

/* Layers that do not go together are refused one by one; mostly something useful comes of it. */
static dualprop_status make_network(household *self)
{
    dualprop_network *made = NULL;
    int of_images = below(self, 2);
    dualprop_status status =
        dualprop_network_create(&made, self->context, of_images ? 6 : 1, of_images ? 5 : 1, of_images ? 2 : 5);
    for (int k = below(self, 4); k > 0 && status == DUALPROP_OK; k--) {
        dualprop_status added = add_layer(self, made, of_images);
        (void)added;
    }
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(made, 3, DUALPROP_IDENTITY);
    if (status == DUALPROP_OK) status = dualprop_network_initialize(made, random_bits(&self->random));
    if (status == DUALPROP_OK && one_in(self, 4))
        status = dualprop_network_set_feedback(made, 1 + below(self, 3), random_bits(&self->random));
    return keep_network(self, made, status);
}

static dualprop_status initialize(household *self)
{
    return dualprop_network_initialize(a_network(self), random_bits(&self->random));
}

static dualprop_status copy_network(household *self)
{
    return dualprop_network_copy(a_network(self), a_network(self));
}

static dualprop_status set_feedback_weights(household *self)
{
    return dualprop_network_set_feedback(a_network(self), below(self, 5), random_bits(&self->random));
}

static dualprop_status set_layer(household *self)
{
    dualprop_layer *layer;
    dualprop_status status = dualprop_network_layer(&layer, a_network(self), an_index(self));
    if (status != DUALPROP_OK) return status;
    return one_in(self, 2) ? dualprop_layer_set_frozen(layer, below(self, 3))
                           : dualprop_layer_set_learning_rate(layer, a_number(self));
}

static dualprop_status restore_network(household *self)
{
    dualprop_network *made = NULL;
    dualprop_status status = dualprop_checkpoint_get_network(&made, self->checkpoint);
    return keep_network(self, made, status);
}

/* ---- rules ---- */

static dualprop_status make_rule(household *self)
{
    dualprop_rule *made = NULL;
    dualprop_status status = dualprop_rule_create(&made, self->context, below(self, 9));
    return keep_rule(self, made, status);
}

static dualprop_status set_alpha(household *self)
{
    return dualprop_rule_set_alpha(a_rule(self), a_number(self));
}

static dualprop_status set_beta(household *self)
{
    return dualprop_rule_set_beta(a_rule(self), a_number(self));
}

static dualprop_status set_variant(household *self)
{
    return dualprop_rule_set_variant(a_rule(self), below(self, 10) - 1);
}

static dualprop_status set_loss(household *self)
{
    return dualprop_rule_set_loss(a_rule(self), below(self, 3));
}

static dualprop_status set_output_step(household *self)
{
    return dualprop_rule_set_output_step(a_rule(self), below(self, 4));
}

static dualprop_status set_nudge_at(household *self)
{
    return dualprop_rule_set_nudge_at(a_rule(self), below(self, 3));
}

static dualprop_status set_schedule(household *self)
{
    return dualprop_rule_set_schedule(a_rule(self), below(self, 11) - 1, a_count(self));
}

static dualprop_status set_order(household *self)
{
    int32_t order[CAPACITY];
    for (int i = 0; i < CAPACITY; i++) order[i] = below(self, 5);
    return dualprop_rule_set_order(a_rule(self), order, below(self, CAPACITY + 1));
}

static dualprop_status set_async_fraction(household *self)
{
    return dualprop_rule_set_async_fraction(a_rule(self), a_number(self));
}

static dualprop_status set_tolerance(household *self)
{
    return dualprop_rule_set_tolerance(a_rule(self), a_number(self));
}

static dualprop_status set_time_step(household *self)
{
    return dualprop_rule_set_time_step(a_rule(self), a_number(self));
}

static dualprop_status set_warm_start(household *self)
{
    return dualprop_rule_set_warm_start(a_rule(self), below(self, 3));
}

static dualprop_status set_fresh_minus(household *self)
{
    return dualprop_rule_set_fresh_minus(a_rule(self), below(self, 3));
}

static dualprop_status set_divergence_limit(household *self)
{
    return dualprop_rule_set_divergence_limit(a_rule(self), a_number(self));
}

static dualprop_status set_damping(household *self)
{
    return dualprop_rule_set_damping(a_rule(self), below(self, 5), below(self, 12));
}

static dualprop_status set_layer_damping(household *self)
{
    return dualprop_rule_set_layer_damping(a_rule(self), an_index(self), a_number(self));
}

static dualprop_status set_input_robustness(household *self)
{
    return dualprop_rule_set_input_robustness(a_rule(self), a_number(self));
}

static dualprop_status set_feedback(household *self)
{
    return dualprop_rule_set_feedback(a_rule(self), below(self, 5));
}

static dualprop_status set_layer_alpha(household *self)
{
    return dualprop_rule_set_layer_alpha(a_rule(self), an_index(self), a_number(self));
}

static dualprop_status set_layer_beta(household *self)
{
    return dualprop_rule_set_layer_beta(a_rule(self), an_index(self), a_number(self));
}

static dualprop_status set_alpha_mismatch(household *self)
{
    return dualprop_rule_set_alpha_mismatch(a_rule(self), a_number(self));
}

static dualprop_status set_noise(household *self)
{
    return dualprop_rule_set_noise(a_rule(self), a_number(self), a_number(self), a_number(self));
}

static dualprop_status set_quantization(household *self)
{
    return dualprop_rule_set_quantization(a_rule(self), below(self, 30));
}

static dualprop_status set_pool_switches(household *self)
{
    return dualprop_rule_set_pool_switches(a_rule(self), below(self, 3));
}

/* ---- states ---- */

static dualprop_status make_state(household *self)
{
    dualprop_state *made = NULL;
    int64_t capacity = one_in(self, 10) ? a_count(self) : CAPACITY;
    dualprop_status status = dualprop_state_create(&made, a_network(self), a_rule(self), capacity);
    return keep_state(self, made, status);
}

static dualprop_status prepare(household *self)
{
    return dualprop_state_prepare(a_state(self));
}

static dualprop_status infer(household *self)
{
    draw_data(self);
    return dualprop_infer(a_state(self), self->images, self->labels, a_count(self));
}

/* Those of the family's network. */
static int64_t inputs_of(const household *self)
{
    int64_t inputs = 0;
    dualprop_status status = dualprop_network_info(NULL, NULL, &inputs, NULL, self->network[self->family]);
    return status == DUALPROP_OK ? inputs : MOST_INPUTS;
}

static dualprop_status infer_by_steps(household *self)
{
    dualprop_state *state = a_state(self);
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = plain_view(self->images, self->precision, count, inputs_of(self));
    dualprop_view targets = plain_view(self->labels, DUALPROP_I32, count, 0);
    return !one_in(self, 4) ? dualprop_infer_begin(state, &inputs, &targets)
                            : dualprop_infer_view(state, &inputs, &targets);
}

static dualprop_status infer_layer(household *self)
{
    return dualprop_infer_layer(a_state(self), an_index(self));
}

static dualprop_status infer_pass(household *self)
{
    return dualprop_infer_pass(a_state(self));
}

static dualprop_status infer_end(household *self)
{
    return dualprop_infer_end(a_state(self));
}

static dualprop_status predict(household *self)
{
    draw_data(self);
    memset(self->scores, 0x5a, sizeof self->scores);
    dualprop_status status = dualprop_predict(self->scores, a_state(self), self->images, a_count(self));
    check_untouched(self->scores, sizeof self->scores, status);
    return status;
}

static dualprop_status evaluate(household *self)
{
    struct {
        double loss;
        int64_t correct, top_k;
    } filled;
    draw_data(self);
    memset(&filled, 0x5a, sizeof filled);
    dualprop_status status = dualprop_evaluate(&filled.loss, &filled.correct, &filled.top_k, below(self, 7),
                                               a_state(self), self->images, self->labels, a_count(self));
    check_untouched(&filled, sizeof filled, status);
    return status;
}

/* ---- optimizers ---- */

static dualprop_status make_optimizer(household *self)
{
    dualprop_optimizer *made = NULL;
    dualprop_status status = dualprop_optimizer_create(&made, a_network(self), below(self, 4));
    return keep_optimizer(self, made, status);
}

static dualprop_status set_learning_rate(household *self)
{
    return dualprop_optimizer_set_learning_rate(an_optimizer(self), a_number(self));
}

static dualprop_status set_momentum(household *self)
{
    return dualprop_optimizer_set_momentum(an_optimizer(self), a_number(self));
}

static dualprop_status set_moments(household *self)
{
    return dualprop_optimizer_set_moments(an_optimizer(self), a_number(self), a_number(self), a_number(self));
}

static dualprop_status set_clip(household *self)
{
    return dualprop_optimizer_set_clip(an_optimizer(self), a_number(self));
}

static dualprop_status set_weight_decay(household *self)
{
    return dualprop_optimizer_set_weight_decay(an_optimizer(self), a_number(self));
}

static dualprop_status set_rate_schedule(household *self)
{
    return dualprop_optimizer_set_schedule(an_optimizer(self), below(self, 3), a_number(self), a_number(self),
                                           below(self, 20) - 1, below(self, 40) - 1);
}

static dualprop_status update(household *self)
{
    return dualprop_update(an_optimizer(self), a_state(self));
}

static dualprop_status learn(household *self)
{
    draw_data(self);
    return dualprop_learn(an_optimizer(self), a_state(self), self->images, self->labels, a_count(self));
}

static dualprop_status gradient(household *self)
{
    return dualprop_gradient(an_optimizer(self), a_state(self));
}

static dualprop_status accumulate(household *self)
{
    return dualprop_gradient_accumulate(an_optimizer(self), a_state(self));
}

static dualprop_status step(household *self)
{
    return dualprop_step(an_optimizer(self));
}

/* On a device alone it changes which call returns what. */
static dualprop_status set_delayed_status(household *self)
{
    int delayed = below(self, 3);
    dualprop_status status = dualprop_optimizer_set_delayed_status(an_optimizer(self), delayed);
    if (status == DUALPROP_OK && delayed) self->delays = self->is_device;
    return status;
}

static dualprop_status wait_for_step(household *self)
{
    return dualprop_optimizer_wait(an_optimizer(self));
}

static dualprop_status infer_and_update(household *self)
{
    return dualprop_infer_update(an_optimizer(self), a_state(self));
}

/* ---- a family ---- */

/* A state, an optimizer and diagnostics that go together; with a plain rule, if the family's does not fit. */
static dualprop_status gather_family(household *self)
{
    int place = self->family;
    dualprop_state *state = NULL;
    dualprop_optimizer *optimizer = NULL;
    dualprop_diagnostics *diagnostics = NULL;
    dualprop_status status =
        dualprop_state_create(&state, self->network[place], one_in(self, 6) ? NULL : self->rule[place], CAPACITY);
    if (status != DUALPROP_OK) {
        dualprop_rule *rule = NULL;
        status = dualprop_rule_create(&rule, self->context, below(self, 3));
        if (status == DUALPROP_OK) status = dualprop_state_create(&state, self->network[place], rule, CAPACITY);
        dualprop_rule_destroy(rule);
    }
    if (status == DUALPROP_OK) status = dualprop_optimizer_create(&optimizer, self->network[place], below(self, 3));
    if (status == DUALPROP_OK)
        status = dualprop_diagnostics_create(&diagnostics, self->network[place], DUALPROP_MSE, CAPACITY);
    if (status == DUALPROP_OK) {
        dualprop_state_destroy(self->state[place]);
        dualprop_optimizer_destroy(self->optimizer[place]);
        dualprop_diagnostics_destroy(self->diagnostics[place]);
        self->state[place] = state, self->optimizer[place] = optimizer, self->diagnostics[place] = diagnostics;
        return status;
    }
    dualprop_state_destroy(state);
    dualprop_optimizer_destroy(optimizer);
    return status;
}

/* ---- diagnostics ---- */

static dualprop_status make_diagnostics(household *self)
{
    dualprop_diagnostics *made = NULL;
    dualprop_status status = dualprop_diagnostics_create(&made, a_network(self), below(self, 3), CAPACITY);
    return keep_diagnostics(self, made, status);
}

static dualprop_status norms(household *self)
{
    double norm;
    memset(&norm, 0x5a, sizeof norm);
    dualprop_status status =
        one_in(self, 2)
            ? dualprop_diagnostics_lipschitz(&norm, some_diagnostics(self), 1 + below(self, 8))
            : dualprop_diagnostics_spectral_norm(&norm, some_diagnostics(self), an_index(self), 1 + below(self, 8));
    check_untouched(&norm, sizeof norm, status);
    return status;
}

static dualprop_status objectives(household *self)
{
    double filled[3];
    memset(filled, 0x5a, sizeof filled);
    dualprop_status status =
        dualprop_diagnostics_objective(&filled[0], &filled[1], &filled[2], some_diagnostics(self), a_state(self));
    check_untouched(filled, sizeof filled, status);
    return status;
}

static dualprop_status silent(household *self)
{
    double fraction;
    return dualprop_diagnostics_zero_delta_fraction(&fraction, a_state(self), an_index(self));
}

static dualprop_status compare_gradients(household *self)
{
    double filled[4];
    memset(filled, 0x5a, sizeof filled);
    dualprop_status status = dualprop_gradient_compare(&filled[0], &filled[1], &filled[2], &filled[3],
                                                       an_optimizer(self), an_optimizer(self), an_index(self));
    check_untouched(filled, sizeof filled, status);
    return status;
}

/* ---- checkpoints, in memory ---- */

static dualprop_status put(household *self)
{
    if (one_in(self, 2)) {
        dualprop_checkpoint_destroy(self->checkpoint);
        dualprop_status status = dualprop_checkpoint_create(&self->checkpoint, self->context);
        if (status != DUALPROP_OK) return status;
    }
    switch (below(self, 4)) {
    case 0: return dualprop_checkpoint_put_rule(self->checkpoint, a_rule(self));
    case 1: return dualprop_checkpoint_put_state(self->checkpoint, a_state(self));
    case 2: return dualprop_checkpoint_put_optimizer(self->checkpoint, an_optimizer(self));
    default: return dualprop_checkpoint_put_network(self->checkpoint, a_network(self));
    }
}

static dualprop_status restore_rule(household *self)
{
    dualprop_rule *made = NULL;
    dualprop_status status = dualprop_checkpoint_get_rule(&made, self->checkpoint);
    return keep_rule(self, made, status);
}

static dualprop_status restore_state(household *self)
{
    return dualprop_checkpoint_get_state(a_state(self), self->checkpoint);
}

static dualprop_status restore_optimizer(household *self)
{
    dualprop_optimizer *made = NULL;
    dualprop_status status = dualprop_checkpoint_get_optimizer(&made, self->checkpoint, a_network(self));
    return keep_optimizer(self, made, status);
}

/* ---- all of them ---- */

/* clang-format off */
static const act acts[] = {
    ACT(make_network, 1, MAY_WRITE), ACT(initialize, 1, MAY_WRITE), ACT(copy_network, 1, MAY_WRITE),
    ACT(set_feedback_weights, 1, MAY_WRITE), ACT(set_layer, 1, MAY_WRITE), ACT(restore_network, 1, MAY_WRITE),
    ACT(make_rule, 4, 0), ACT(set_alpha, 1, 0), ACT(set_beta, 1, 0), ACT(set_variant, 1, 0), ACT(set_loss, 1, 0),
    ACT(set_output_step, 1, 0), ACT(set_nudge_at, 1, 0), ACT(set_schedule, 1, 0), ACT(set_order, 1, 0),
    ACT(set_async_fraction, 1, 0), ACT(set_tolerance, 1, 0), ACT(set_time_step, 1, 0), ACT(set_warm_start, 1, 0),
    ACT(set_fresh_minus, 1, 0), ACT(set_divergence_limit, 1, 0), ACT(set_damping, 1, 0), ACT(set_layer_damping, 1, 0),
    ACT(set_input_robustness, 1, 0), ACT(set_feedback, 1, 0), ACT(set_layer_alpha, 1, 0), ACT(set_layer_beta, 1, 0),
    ACT(set_alpha_mismatch, 1, 0), ACT(set_noise, 1, 0), ACT(set_quantization, 1, 0), ACT(set_pool_switches, 1, 0),
    ACT(make_state, 6, 0), ACT(prepare, 1, 0), ACT(infer, 8, BEGINS), ACT(infer_by_steps, 5, BEGINS),
    ACT(infer_layer, 1, GOES_ON), ACT(infer_pass, 1, GOES_ON), ACT(infer_end, 1, GOES_ON), ACT(predict, 1, 0),
    ACT(evaluate, 1, 0), ACT(make_optimizer, 2, 0), ACT(set_learning_rate, 1, 0), ACT(set_momentum, 1, 0),
    ACT(set_moments, 1, 0), ACT(set_clip, 1, 0), ACT(set_weight_decay, 1, 0), ACT(set_rate_schedule, 1, 0),
    ACT(update, 6, MAY_WRITE | GOES_ON), ACT(learn, 8, MAY_LEARN | BEGINS), ACT(gradient, 1, GOES_ON),
    ACT(accumulate, 2, GOES_ON), ACT(step, 1, MAY_WRITE | GOES_ON), ACT(infer_and_update, 1, MAY_LEARN | GOES_ON),
    ACT(make_diagnostics, 1, 0), ACT(gather_family, 8, 0), ACT(norms, 2, 0), ACT(objectives, 1, GOES_ON),
    ACT(silent, 1, GOES_ON), ACT(compare_gradients, 1, GOES_ON), ACT(put, 1, 0), ACT(restore_rule, 1, 0),
    ACT(restore_state, 1, 0), ACT(restore_optimizer, 1, 0), ACT(set_delayed_status, 3, 0),
    ACT(wait_for_step, 1, MAY_LEARN | GOES_ON),
};
/* clang-format on */
enum { ACTS = sizeof acts / sizeof acts[0] };

/* One of those with these flags, or any; a device is asked for no more than the first list. */
static const act *an_act(household *self, int flags, int has_more)
{
    const act *fit[200];
    int count = 0, all = 0, i = 0;
    for (int k = 0; k < ACTS + (has_more ? more_act_count : 0); k++) {
        const act *next = k < ACTS ? &acts[k] : &more_acts[k - ACTS];
        if ((next->may & flags) == flags) fit[count++] = next, all += next->weight;
    }
    for (int left = below(self, all); left >= fit[i]->weight; i++) left -= fit[i]->weight;
    return fit[i];
}

/* ---- the promises ---- */

void promise_broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; seed %llu\n", (unsigned long long)random_seed());
    abort();
}

static void check_sentence(const act *done, dualprop_status status)
{
    char sentence[512] = "";
    promise(strcmp(dualprop_status_name(status), "unknown status") != 0, "%s gave the status %d", done->name, status);
    if (status == DUALPROP_OK) return;
    promise(dualprop_last_error(sentence, sizeof sentence, NULL, NULL) == DUALPROP_OK && strlen(sentence) > 0,
            "%s failed (%s) without a sentence", done->name, dualprop_status_name(status));
}

static uint64_t add_to_print(uint64_t print, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) print = (print ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    return print;
}

/* Every number that is kept is finite, whatever was learnt from whatever data. */
static uint64_t add_tensor(uint64_t print, const char *name, const dualprop_view *view, const char *after)
{
    size_t elements = 1;
    for (int k = 0; k < view->rank; k++) elements *= (size_t)view->shape[k];
    for (size_t i = 0; i < elements; i++) {
        double number = view->type == DUALPROP_F64 ? ((double *)view->data)[i] : ((float *)view->data)[i];
        promise(isfinite(number), "%s holds %g after %s", name, number, after);
    }
    print = add_to_print(print, name, strlen(name));
    return add_to_print(print, view->data, elements * (view->type == DUALPROP_F64 ? 8 : 4));
}

/* A print of all that a checkpoint holds, and of the status of what was put in. */
static uint64_t print_contents(dualprop_checkpoint *of, dualprop_status status, const char *after)
{
    static const char *const keys[] = { "network", "rule", "optimizer", "feedback", "state" };
    static char text[1 << 14];
    uint64_t print = add_to_print(14695981039346656037u, &status, sizeof status);
    int64_t count = 0;
    promise(dualprop_checkpoint_tensor_count(&count, of) == DUALPROP_OK, "tensors cannot be counted");
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        dualprop_view view = { .struct_size = sizeof view };
        promise(dualprop_checkpoint_tensor(&name, &view, of, i) == DUALPROP_OK, "a tensor cannot be read");
        print = add_tensor(print, name, &view, after);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (dualprop_checkpoint_get_text(text, sizeof text, NULL, of, keys[i]) == DUALPROP_OK)
            print = add_to_print(print, text, strlen(text));
    dualprop_checkpoint_destroy(of);
    return print;
}

static dualprop_checkpoint *an_empty_checkpoint(household *self, const char *after)
{
    dualprop_checkpoint *made = NULL;
    promise(dualprop_checkpoint_create(&made, self->context) == DUALPROP_OK, "no checkpoint after %s", after);
    return made;
}

#define PRINT_OF(kind)                                                                             \
    static uint64_t print_of_##kind(household *self, const dualprop_##kind *of, const char *after) \
    {                                                                                              \
        if (!of) return 0;                                                                         \
        dualprop_checkpoint *made = an_empty_checkpoint(self, after);                              \
        return print_contents(made, dualprop_checkpoint_put_##kind(made, of), after);              \
    }
PRINT_OF(network)
PRINT_OF(rule)
PRINT_OF(optimizer)
PRINT_OF(state)

static struct prints look_at(household *self, int i, const char *after)
{
    return (struct prints){ print_of_network(self, self->network[i], after), print_of_rule(self, self->rule[i], after),
                            print_of_optimizer(self, self->optimizer[i], after),
                            print_of_state(self, self->state[i], after) };
}

/* Did the call fail after it had begun to compute? Then the state has forgotten what it held. */
static int began(const act *done, dualprop_status status)
{
    return (done->may & MAY_INFER) || status == DUALPROP_ERROR_DIVERGED || status == DUALPROP_ERROR_CANCELLED ||
           status == DUALPROP_ERROR_NOT_FINITE;
}

/*
 * A look at an optimizer finds the status of a step that was delayed, so that the next call would never find it: now
 * and then nothing is looked at, and the next time nothing is compared. Else the steps are waited for first.
 */
static int is_left_unseen(household *self, const act *done)
{
    if (!self->delays) return 0;
    if (one_in(self, 2)) {
        self->unseen = 1;
        return 1;
    }
    for (int i = 0; i < OF_EACH; i++)
        if (self->optimizer[i]) check_sentence(done, dualprop_optimizer_wait(self->optimizer[i]));
    return 0;
}

static void check_prints(household *self, const act *done, dualprop_status status)
{
    int compares = !self->unseen;
    const char *name = done->name, *outcome = dualprop_status_name(status);
    if (is_left_unseen(self, done)) return;
    self->unseen = 0;
    for (int i = 0; i < OF_EACH; i++) {
        struct prints now = look_at(self, i, name), *old = &self->prints[i];
        int failed = status != DUALPROP_OK;
        if (!compares) *old = now;
        promise(now.network == old->network || (!failed && (done->may & MAY_WRITE)), "%s (%s) changed network %d", name,
                outcome, i);
        promise(!failed || now.rule == old->rule, "%s (%s) changed rule %d", name, outcome, i);
        promise(!failed || now.optimizer == old->optimizer, "%s (%s) changed optimizer %d", name, outcome, i);
        promise(!failed || began(done, status) || now.state == old->state, "%s (%s) changed state %d", name, outcome,
                i);
        *old = now;
    }
}

/* ---- faults ---- */

/* One of the next calls of memory, files and threads; 0: none of them. Most acts make few. */
static long next_fault(household *self)
{
    randomness *draws = &self->faults;
    return self->faulty && random_below(draws, 2) ? 1 + (long)random_below(draws, 1 + random_below(draws, 20)) : 0;
}

static void arm_faults(household *self)
{
    failing_allocator_arm(&self->memory, next_fault(self), (int)random_below(&self->faults, 2));
    self->file_fault = (int)next_fault(self);
    self->thread_fault = (int)next_fault(self);
    self->file_faults_hit = self->thread_faults_hit = 0;
}

int fault_hit(const household *self)
{
    return self->memory.failures > 0 || self->file_faults_hit > 0 || self->thread_faults_hit > 0;
}

/* Nothing that comes after the call fails, such as looking at what it did. */
static void disarm_faults(household *self, const char *name, dualprop_status status)
{
    promise(status != DUALPROP_ERROR_NO_MEMORY || self->bytes || self->memory.failures > 0,
            "%s is out of memory without a reason", name);
    promise(status != DUALPROP_ERROR_IO || self->file_faults_hit > 0, "%s cannot read or write without a reason", name);
    promise(status != DUALPROP_ERROR_THREAD || self->thread_faults_hit > 0, "%s lacks a thread without a reason", name);
    self->calls_hit += fault_hit(self);
    failing_allocator_arm(&self->memory, 0, 0);
    self->file_fault = self->thread_fault = 0;
}

static int start_thread(void *user_data, void **thread, void *(*main)(void *), void *argument)
{
    household *self = user_data;
    pthread_t made;
    if (self->thread_fault > 0 && --self->thread_fault == 0) {
        self->thread_faults_hit++;
        return EAGAIN;
    }
    int error = pthread_create(&made, NULL, main, argument);
    *thread = (void *)(uintptr_t)made;
    return error;
}

static void join_thread(void *user_data, void *thread)
{
    (void)user_data;
    pthread_join((pthread_t)(uintptr_t)thread, NULL);
}

/* ---- a call ---- */

static dualprop_status call(household *self, const act *next)
{
    arm_faults(self);
    dualprop_status status = next->run(self);
    disarm_faults(self, next->name, status);
    check_sentence(next, status);
    check_prints(self, next, status);
    return status;
}

/* What begins something mostly has its state prepared before, and is mostly followed by what goes on with it. */
static dualprop_status call_and_follow(household *self, const act *next)
{
    static const act preparation = ACT(prepare, 1, 0);
    if (self->follow > 0) {
        self->follow--;
        return call(self, next);
    }
    self->family = below(self, OF_EACH);
    if (!(next->may & BEGINS) || one_in(self, 4)) return call(self, next);
    self->follow = 1 + below(self, 8);
    call(self, &preparation);
    dualprop_status status = call(self, next);
    if (status != DUALPROP_OK) self->follow = 0;
    return status;
}

/* ---- a life ---- */

static void create(household *self, int backend, int precision)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_io files = household_files(self);
    options.precision = self->precision = precision;
    self->is_device = backend == DUALPROP_BACKEND_CUDA;
    options.threads = 1 + below(self, 3);
    dualprop_allocator table = failing_allocator_table(&self->memory);
    options.io = &files;
    options.allocator = self->bytes ? NULL : &table;
    dualprop_threads threads = { sizeof threads, start_thread, join_thread, self };
    options.thread_hooks = &threads;
    dualprop_status status;
    do {
        arm_faults(self);
        status = dualprop_context_create(&self->context, backend, &options);
        promise(status == DUALPROP_OK || fault_hit(self), "no context: %s", dualprop_status_name(status));
        disarm_faults(self, "context_create", status);
    } while (status != DUALPROP_OK);
    promise(dualprop_checkpoint_create(&self->checkpoint, self->context) == DUALPROP_OK, "no checkpoint");
    for (int i = 0; i < ACTS; i++)
        if (strncmp(acts[i].name, "make_", 5) == 0)
            for (int k = 0; k < 4 * OF_EACH; k++) call_and_follow(self, &acts[i]);
}

static void destroy(household *self)
{
    dualprop_group_destroy(self->group);
    dualprop_checkpoint_destroy(self->checkpoint);
    for (int i = 0; i < OF_EACH; i++) {
        dualprop_diagnostics_destroy(self->diagnostics[i]);
        dualprop_optimizer_destroy(self->optimizer[i]);
        dualprop_state_destroy(self->state[i]);
        dualprop_rule_destroy(self->rule[i]);
        dualprop_network_destroy(self->network[i]);
    }
    dualprop_context_destroy(self->context);
    promise(self->memory.misuse == 0, "a block of memory was written to past its end");
    promise(self->memory.live_blocks == 0, "%ld blocks of memory are left", (long)self->memory.live_blocks);
}

static int live(household *self, int backend, int precision, int calls)
{
    int learnt = 0;
    create(self, backend, precision);
    for (int i = 0; i < calls && (!self->bytes || self->left > 0); i++) {
        const act *next = an_act(self, self->follow > 0 ? GOES_ON : 0, backend != DUALPROP_BACKEND_CUDA);
        learnt += call_and_follow(self, next) == DUALPROP_OK && (next->run == learn || next->run == update);
    }
    destroy(self);
    return learnt;
}

static household house;

int random_calls_run(int backend, int precision, uint64_t stream, int calls)
{
    memset(&house, 0, sizeof house);
    house.random = random_start(stream);
    return live(&house, backend, precision, calls);
}

int random_calls_with_faults(long *hit, int backend, int precision, uint64_t stream, int calls)
{
    memset(&house, 0, sizeof house);
    house.random = random_start(stream);
    house.faults = random_start(~stream);
    house.faulty = 1;
    int learnt = live(&house, backend, precision, calls);
    *hit += house.calls_hit;
    return learnt;
}

int random_calls_from(int backend, int precision, const uint8_t *bytes, size_t size, int calls)
{
    memset(&house, 0, sizeof house);
    house.bytes = bytes;
    house.left = size;
    house.random = random_start((uint64_t)below(&house, 256)); /* of the numbers in data */
    return live(&house, backend, precision, calls);
}
