#include "random_calls.h"

#include <check.h>
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"
#include "randomness.h"

enum { OF_EACH = 3, CAPACITY = 6, SAMPLES = 64, MOST_INPUTS = 60, LABELS = 80, MOST_PARAMETERS = 1 << 16 };

typedef struct household {
    randomness random;
    dualprop_context *context;
    int precision;
    int family; /* of the call: whose objects mostly meet */
    dualprop_network *network[OF_EACH];
    dualprop_rule *rule[OF_EACH];
    dualprop_state *state[OF_EACH];
    dualprop_optimizer *optimizer[OF_EACH];
    dualprop_diagnostics *diagnostics[OF_EACH];
    dualprop_checkpoint *checkpoint;
    double images[SAMPLES * MOST_INPUTS]; /* or as many floats, as the context reads them */
    int32_t labels[LABELS];
    double answer[MOST_PARAMETERS];
    double scores[70 * 10];   /* for predictions */
    uint64_t prints[OF_EACH]; /* of the networks' parameters */
} household;

/* ---- what to draw ---- */

static int below(household *self, int count)
{
    return (int)random_below(&self->random, count);
}

static int one_in(household *self, int count)
{
    return below(self, count) == 0;
}

static double a_number(household *self)
{
    static const double odd[] = { 0, -0.0, 1,    0.5, -1,   NAN, INFINITY, -INFINITY, 1e300,
                                  2, 0.1,  0.25, 0.9, 0.01, 1e4, 1e-4,     -1e300,    1e-300 };
    return one_in(self, 8) ? odd[below(self, (int)(sizeof odd / sizeof odd[0]))] : below(self, 1001) / 1000.0;
}

/* Mostly one that fits. */
static int a_count(household *self)
{
    return one_in(self, 8) ? below(self, 70) - 3 : 1 + below(self, CAPACITY);
}

/* Also a layer too few and some too many. */
static int an_index(household *self)
{
    return below(self, 7) - 1;
}

/* Mostly those of one family, which go together. */
static int a_place(household *self)
{
    return one_in(self, 6) ? below(self, OF_EACH) : self->family;
}

static dualprop_network *a_network(household *self)
{
    return self->network[a_place(self)];
}

static dualprop_rule *a_rule(household *self)
{
    return self->rule[a_place(self)];
}

static dualprop_state *a_state(household *self)
{
    return self->state[a_place(self)];
}

static dualprop_optimizer *an_optimizer(household *self)
{
    return self->optimizer[a_place(self)];
}

static dualprop_diagnostics *some_diagnostics(household *self)
{
    return self->diagnostics[a_place(self)];
}

static void put_pixel(household *self, int i, double value)
{
    if (self->precision == DUALPROP_F64) self->images[i] = value;
    else ((float *)self->images)[i] = (float)value;
}

/* Now and then with an odd number, or a label that is none. */
static void draw_data(household *self)
{
    for (int i = 0; i < SAMPLES * MOST_INPUTS; i++) put_pixel(self, i, random_uniform(&self->random, -1, 1));
    if (one_in(self, 12)) put_pixel(self, below(self, one_in(self, 2) ? 100 : SAMPLES * MOST_INPUTS), a_number(self));
    for (int i = 0; i < LABELS; i++) self->labels[i] = below(self, 3);
    if (one_in(self, 12))
        self->labels[below(self, one_in(self, 2) ? 10 : LABELS)] = (int32_t)random_bits(&self->random);
}

/* Put what was made in the place of an older one; without success the older one stays, and what was made goes. */
#define KEEP(kind)                                                                                             \
    static dualprop_status keep_##kind(household *self, dualprop_##kind *made, dualprop_status status)         \
    {                                                                                                          \
        dualprop_##kind **place = &self->kind[a_place(self)], *leaves = status == DUALPROP_OK ? *place : made; \
        if (status == DUALPROP_OK) *place = made;                                                              \
        dualprop_##kind##_destroy(leaves);                                                                     \
        return status;                                                                                         \
    }
KEEP(network)
KEEP(rule)
KEEP(state)
KEEP(optimizer)
KEEP(diagnostics)

/* ---- networks ---- */

static dualprop_status add_layer(household *self, dualprop_network *network, int of_images)
{
    int64_t kernel[2] = { 1 + below(self, 4), 1 + below(self, 4) }, stride[2] = { 1 + below(self, 2), 1 };
    int64_t padding[2] = { below(self, 2), below(self, 2) }, window[2] = { 1 + below(self, 3), 1 + below(self, 3) };
    int activation = below(self, 11);
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

static dualprop_status infer_by_steps(household *self)
{
    dualprop_state *state = a_state(self);
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = matrix_view(self->images, self->precision, count, one_in(self, 2) ? MOST_INPUTS : 5);
    dualprop_view targets = vector_view(self->labels, DUALPROP_I32, count);
    return one_in(self, 2) ? dualprop_infer_begin(state, &inputs, &targets)
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

/* A call that failed has filled nothing. */
static void check_untouched(const void *memory, size_t size, dualprop_status status)
{
    const unsigned char *bytes = memory;
    if (status == DUALPROP_OK) return;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0x5a)
            ck_abort_msg("a call that failed (%s) filled what it was given; seed %llu", dualprop_status_name(status),
                         (unsigned long long)random_seed());
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

static dualprop_status infer_and_update(household *self)
{
    return dualprop_infer_update(an_optimizer(self), a_state(self));
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

typedef struct act {
    const char *name;
    dualprop_status (*run)(household *self);
    int weight;  /* how often, against the others */
    int changes; /* may parameters change? */
} act;

#define ACT(run, weight, changes)  \
    {                              \
#run, run, weight, changes \
    }
/* clang-format off */
static const act acts[] = {
    ACT(make_network, 1, 1), ACT(initialize, 1, 1), ACT(copy_network, 1, 1), ACT(set_feedback_weights, 1, 0),
    ACT(set_layer, 1, 0), ACT(restore_network, 1, 1), ACT(make_rule, 4, 0), ACT(set_alpha, 1, 0), ACT(set_beta, 1, 0),
    ACT(set_variant, 1, 0), ACT(set_loss, 1, 0), ACT(set_output_step, 1, 0), ACT(set_nudge_at, 1, 0),
    ACT(set_schedule, 1, 0), ACT(set_order, 1, 0), ACT(set_async_fraction, 1, 0), ACT(set_tolerance, 1, 0),
    ACT(set_time_step, 1, 0), ACT(set_warm_start, 1, 0), ACT(set_fresh_minus, 1, 0),
    ACT(set_divergence_limit, 1, 0), ACT(set_damping, 1, 0),
    ACT(set_layer_damping, 1, 0), ACT(set_input_robustness, 1, 0), ACT(set_feedback, 1, 0), ACT(set_layer_alpha, 1, 0),
    ACT(set_layer_beta, 1, 0), ACT(set_alpha_mismatch, 1, 0), ACT(set_noise, 1, 0), ACT(set_quantization, 1, 0),
    ACT(set_pool_switches, 1, 0), ACT(make_state, 6, 0), ACT(prepare, 1, 0), ACT(infer, 8, 0),
    ACT(infer_by_steps, 2, 0),
    ACT(infer_layer, 1, 0), ACT(infer_pass, 1, 0), ACT(infer_end, 1, 0), ACT(predict, 1, 0), ACT(evaluate, 1, 0),
    ACT(make_optimizer, 2, 0), ACT(set_learning_rate, 1, 0), ACT(set_momentum, 1, 0), ACT(set_moments, 1, 0),
    ACT(set_clip, 1, 0), ACT(set_weight_decay, 1, 0), ACT(set_rate_schedule, 1, 0), ACT(update, 6, 1), ACT(learn, 8, 1),
    ACT(gradient, 1, 0), ACT(accumulate, 2, 0), ACT(step, 1, 1), ACT(infer_and_update, 1, 1),
    ACT(make_diagnostics, 1, 0), ACT(norms, 2, 0), ACT(objectives, 1, 0), ACT(silent, 1, 0),
    ACT(compare_gradients, 1, 0), ACT(put, 1, 0), ACT(restore_rule, 1, 0), ACT(restore_state, 1, 0),
    ACT(restore_optimizer, 1, 0),
};
/* clang-format on */
enum { ACTS = sizeof acts / sizeof acts[0] };

static const act *an_act(household *self)
{
    int all = 0, i = 0;
    for (int k = 0; k < ACTS; k++) all += acts[k].weight;
    for (int left = below(self, all); left >= acts[i].weight; i++) left -= acts[i].weight;
    return &acts[i];
}

/* ---- the promises ---- */

static void check_sentence(const act *done, dualprop_status status)
{
    char sentence[512] = "";
    ck_assert_msg(strlen(dualprop_status_name(status)) > 0, "%s gave the status %d", done->name, status);
    if (status == DUALPROP_OK) return;
    ck_assert_int_eq(dualprop_last_error(sentence, sizeof sentence, NULL, NULL), DUALPROP_OK);
    ck_assert_msg(strlen(sentence) > 0, "%s failed (%s) without a sentence; seed %llu", done->name,
                  dualprop_status_name(status), (unsigned long long)random_seed());
}

/* Read a parameter into the answer; gives the number of its elements. */
static int64_t read_parameter(household *self, const dualprop_network *network, int index)
{
    char name[64];
    dualprop_view view = { .struct_size = sizeof view, .data = self->answer, .type = DUALPROP_F64 };
    int64_t elements = 1;
    ck_assert_int_eq(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, network, index),
                     DUALPROP_OK);
    for (int k = view.rank - 1; k >= 0; k--) {
        view.strides[k] = elements;
        elements *= view.shape[k];
    }
    ck_assert_int_le(elements, MOST_PARAMETERS);
    ck_assert_int_eq(dualprop_network_read(&view, network, name), DUALPROP_OK);
    return elements;
}

/* A print of all bits of a network's parameters, all of which have to be finite. */
static uint64_t print_of(household *self, const dualprop_network *network, const char *after)
{
    uint64_t print = 14695981039346656037u, bits;
    int count = 0;
    if (network == NULL) return 0;
    ck_assert_int_eq(dualprop_network_parameter_count(&count, network), DUALPROP_OK);
    for (int i = 0; i < count; i++) {
        int64_t elements = read_parameter(self, network, i);
        for (int64_t j = 0; j < elements; j++) {
            if (!isfinite(self->answer[j])) /* Check writes a message for every assertion, which takes its time */
                ck_abort_msg("parameter %d holds %g after %s; seed %llu", i, self->answer[j], after,
                             (unsigned long long)random_seed());
            memcpy(&bits, &self->answer[j], sizeof bits);
            print = (print ^ bits) * 1099511628211u;
        }
    }
    return print;
}

static void check_parameters(household *self, const act *done, dualprop_status status)
{
    for (int i = 0; i < OF_EACH; i++) {
        uint64_t print = print_of(self, self->network[i], done->name);
        int may_differ = done->changes && status == DUALPROP_OK;
        ck_assert_msg(print == self->prints[i] || may_differ, "%s (%s) changed a parameter; seed %llu", done->name,
                      dualprop_status_name(status), (unsigned long long)random_seed());
        self->prints[i] = print;
    }
}

static dualprop_status call(household *self, const act *next)
{
    self->family = below(self, OF_EACH);
    dualprop_status status = next->run(self);
    check_sentence(next, status);
    check_parameters(self, next, status);
    return status;
}

/* ---- a life ---- */

static void create(household *self, int backend, int precision, uint64_t stream)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    memset(self, 0, sizeof *self);
    self->random = random_start(stream);
    options.precision = self->precision = precision;
    options.threads = 1 + below(self, 3);
    ck_assert_int_eq(dualprop_context_create(&self->context, backend, &options), DUALPROP_OK);
    for (int i = 0; i < ACTS; i++)
        if (strncmp(acts[i].name, "make_", 5) == 0)
            for (int k = 0; k < 4 * OF_EACH; k++) call(self, &acts[i]);
}

static void destroy(household *self)
{
    dualprop_checkpoint_destroy(self->checkpoint);
    for (int i = 0; i < OF_EACH; i++) {
        dualprop_diagnostics_destroy(self->diagnostics[i]);
        dualprop_optimizer_destroy(self->optimizer[i]);
        dualprop_state_destroy(self->state[i]);
        dualprop_rule_destroy(self->rule[i]);
        dualprop_network_destroy(self->network[i]);
    }
    dualprop_context_destroy(self->context);
}

int random_calls_run(int backend, int precision, uint64_t stream, int calls)
{
    static household house;
    int learnt = 0;
    create(&house, backend, precision, stream);
    for (int i = 0; i < calls; i++) {
        const act *next = an_act(&house);
        learnt += call(&house, next) == DUALPROP_OK && (next->run == learn || next->run == update);
    }
    destroy(&house);
    return learnt;
}
