/*
 * learner.c - see learner.h.
 */
#include "learner.h"

#include <math.h>
#include <string.h>

#include "support/randomness.h"

#define TRY(call)                                   \
    do {                                            \
        dualprop_status status_ = (call);           \
        if (status_ != DUALPROP_OK) return status_; \
    } while (0)

dualprop_status learner_mlp(dualprop_network *network)
{
    TRY(dualprop_network_add_dense(network, 33, DUALPROP_RELU));
    TRY(dualprop_network_add_dense(network, 17, DUALPROP_TANH));
    return dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY);
}

static const int64_t one[2] = { 1, 1 }, two[2] = { 2, 2 }, three[2] = { 3, 3 };

dualprop_status learner_cnn(dualprop_network *network)
{
    TRY(dualprop_network_add_convolution(network, 6, three, NULL, NULL, DUALPROP_RELU));
    TRY(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, three, two));
    TRY(dualprop_network_add_convolution(network, 5, two, two, one, DUALPROP_TANH));
    TRY(dualprop_network_add_convolution(network, 7, three, NULL, NULL, DUALPROP_RELU));
    TRY(dualprop_network_add_pooling(network, DUALPROP_POOL_AVERAGE, two, one));
    return dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY);
}

dualprop_status learner_even(dualprop_network *network)
{
    TRY(dualprop_network_add_convolution(network, 8, three, NULL, NULL, DUALPROP_RELU));
    TRY(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, two));
    TRY(dualprop_network_add_convolution(network, 16, three, NULL, one, DUALPROP_TANH));
    TRY(dualprop_network_add_convolution(network, 8, two, two, one, DUALPROP_RELU));
    return dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY);
}

dualprop_status learner_soft(dualprop_network *network)
{
    TRY(dualprop_network_add_convolution(network, 8, three, NULL, NULL, DUALPROP_RELU));
    TRY(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, two));
    TRY(dualprop_network_add_convolution(network, 16, three, NULL, one, DUALPROP_SOFTMAX));
    TRY(dualprop_network_add_convolution(network, 8, two, two, one, DUALPROP_RELU));
    return dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY);
}

dualprop_status learner_local(dualprop_network *network)
{
    static const int64_t none[2] = { 0, 0 };
    TRY(dualprop_network_add_local(network, 4, three, two, none, DUALPROP_RELU));
    TRY(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, one));
    TRY(dualprop_network_add_local(network, 3, two, NULL, none, DUALPROP_TANH));
    return dualprop_network_add_dense(network, LEARNER_CLASSES, DUALPROP_IDENTITY);
}

learner_plan learner_plan_images(dualprop_status (*add_layers)(dualprop_network *network))
{
    learner_plan plan = learner_plan_mlp();
    plan.height = 12, plan.width = 11, plan.channels = 3;
    plan.add_layers = add_layers;
    return plan;
}

learner_plan learner_plan_mlp(void)
{
    return (learner_plan){
        .height = 6,
        .width = 5,
        .channels = 2,
        .add_layers = learner_mlp,
        .variant = DUALPROP_DP_ADJOINT,
        .loss = DUALPROP_MSE,
        .schedule = DUALPROP_FORWARD_BACKWARD,
        .passes = 1,
        .optimizer = DUALPROP_ADAM,
        .alpha = 0.5,
        .beta = 0.5,
        .capacity = 20,
        .options = DUALPROP_OPTIONS_INIT,
    };
}

/* Images in which a class is brighter in places of its own. */
static void draw_samples(learner *self)
{
    const learner_plan *plan = self->plan;
    int64_t size = plan->height * plan->width * plan->channels;
    randomness random = random_start(77);
    for (int64_t i = 0; i < LEARNER_SAMPLES; i++) {
        self->labels[i] = (int32_t)(i % LEARNER_CLASSES);
        for (int64_t j = 0; j < size; j++)
            self->images[i * size + j] =
                (uint8_t)(random_bits(&random) % 100 + (j % LEARNER_CLASSES == i % LEARNER_CLASSES ? 120 : 0));
    }
}

static dualprop_status make_network(learner *self)
{
    const learner_plan *plan = self->plan;
    double mean[3] = { 0.4, 0.3, 0.35 }, deviation[3] = { 0.25, 0.3, 0.2 };
    TRY(dualprop_network_create(&self->network, self->context, plan->height, plan->width, plan->channels));
    TRY(plan->add_layers(self->network));
    TRY(dualprop_network_set_input_transform(self->network, mean, deviation, plan->channels));
    TRY(dualprop_network_set_initializer(self->network, DUALPROP_INIT_LECUN, 1.0));
    return dualprop_network_initialize(self->network, 5);
}

/* log cosh of what is off, summed. */
static int loss_of(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                   int64_t count, int64_t width)
{
    (void)user_data;
    for (int64_t i = 0; i < count * width; i++) {
        double off = outputs[i] - targets[i];
        if (losses) losses[i / width] = (i % width == 0 ? 0 : losses[i / width]) + log(cosh(off));
        if (slopes) slopes[i] = tanh(off);
    }
    return 0;
}

static dualprop_status make_rule(learner *self)
{
    const learner_plan *plan = self->plan;
    TRY(dualprop_rule_create(&self->rule, self->context, plan->variant));
    TRY(dualprop_rule_set_alpha(self->rule, plan->alpha));
    TRY(dualprop_rule_set_beta(self->rule, plan->beta));
    if (plan->nudge == LEARNER_FUNCTION) TRY(dualprop_rule_set_loss_function(self->rule, loss_of, NULL));
    else TRY(dualprop_rule_set_loss(self->rule, plan->loss));
    TRY(dualprop_rule_set_nudge_at(self->rule, plan->nudge_at));
    TRY(dualprop_rule_set_tolerance(self->rule, plan->tolerance));
    return dualprop_rule_set_schedule(self->rule, plan->schedule, plan->passes);
}

dualprop_status learner_begin(learner *self, const learner_plan *plan, int backend)
{
    self->plan = plan;
    draw_samples(self);
    TRY(dualprop_context_create(&self->context, backend, &plan->options));
    TRY(make_network(self));
    TRY(make_rule(self));
    TRY(dualprop_state_create(&self->state, self->network, self->rule, plan->capacity));
    if (plan->nudge == LEARNER_CLASS_WEIGHTS) {
        double weights[LEARNER_CLASSES];
        for (int i = 0; i < LEARNER_CLASSES; i++) weights[i] = 0.25 + 0.5 * (i % 4);
        TRY(dualprop_state_set_class_weights(self->state, weights, LEARNER_CLASSES));
    }
    TRY(dualprop_optimizer_create(&self->optimizer, self->network, plan->optimizer));
    TRY(dualprop_optimizer_set_learning_rate(self->optimizer, plan->optimizer == DUALPROP_SGD ? 0.05 : 0.01));
    return dualprop_optimizer_set_clip(self->optimizer, plan->clip);
}

void learner_end(learner *self)
{
    dualprop_optimizer_destroy(self->optimizer);
    dualprop_state_destroy(self->state);
    dualprop_rule_destroy(self->rule);
    dualprop_network_destroy(self->network);
    dualprop_context_destroy(self->context);
    memset(self, 0, sizeof *self);
}

static dualprop_view images_of(learner *self, int64_t first, int64_t count)
{
    const learner_plan *plan = self->plan;
    int64_t size = plan->height * plan->width * plan->channels;
    return (dualprop_view){
        .struct_size = sizeof(dualprop_view),
        .data = self->images + first * size,
        .type = DUALPROP_U8,
        .rank = 4,
        .shape = { count, plan->height, plan->width, plan->channels },
        .strides = { size, plan->width * plan->channels, plan->channels, 1 },
    };
}

static dualprop_view labels_of(learner *self, int64_t first, int64_t count)
{
    return (dualprop_view){ .struct_size = sizeof(dualprop_view),
                            .data = self->labels + first,
                            .type = DUALPROP_I32,
                            .rank = 1,
                            .shape = { count },
                            .strides = { 1 } };
}

/* Slopes that are far from any loss's, and change from sample to sample. */
static dualprop_status learn_from_slopes(learner *self, const dualprop_view *images)
{
    float slopes[LEARNER_SAMPLES * LEARNER_CLASSES];
    dualprop_view view = { sizeof view,           slopes, DUALPROP_F32, 2, { images->shape[0], LEARNER_CLASSES },
                           { LEARNER_CLASSES, 1 } };
    for (int64_t i = 0; i < images->shape[0] * LEARNER_CLASSES; i++) slopes[i] = (float)(i * 37 % 23 - 11) / 11;
    TRY(dualprop_infer_gradient(self->state, images, &view));
    return dualprop_update(self->optimizer, self->state);
}

/* In runs of equal weights, and with some that are not counted. */
static dualprop_status weigh_samples(learner *self, int64_t count)
{
    double weights[LEARNER_SAMPLES];
    for (int64_t i = 0; i < count; i++) weights[i] = (double)(i / 3 % 3) / 2;
    return dualprop_state_set_sample_weights(self->state, weights, count);
}

static dualprop_status learn_by_hand(learner *self, const dualprop_view *images, const dualprop_view *labels)
{
    TRY(dualprop_infer_begin(self->state, images, labels));
    for (int pass = 0; pass < self->plan->passes; pass++) TRY(dualprop_infer_pass(self->state));
    TRY(dualprop_infer_end(self->state));
    return dualprop_update(self->optimizer, self->state);
}

static dualprop_status learn_from(learner *self, const dualprop_view *images, const dualprop_view *labels)
{
    if (self->plan->nudge == LEARNER_SLOPES) return learn_from_slopes(self, images);
    if (self->plan->nudge == LEARNER_SAMPLE_WEIGHTS) TRY(weigh_samples(self, images->shape[0]));
    if (self->plan->by_hand) return learn_by_hand(self, images, labels);
    if (!self->plan->apart) return dualprop_learn_view(self->optimizer, self->state, images, labels);
    TRY(dualprop_infer_view(self->state, images, labels));
    return dualprop_update(self->optimizer, self->state);
}

dualprop_status learner_learn(learner *self, int64_t first, int64_t count)
{
    if (count == 0) return dualprop_learn(self->optimizer, self->state, NULL, NULL, 0);
    dualprop_view images = images_of(self, first, count), labels = labels_of(self, first, count);
    return learn_from(self, &images, &labels);
}

dualprop_status learner_accumulate(learner *self, int64_t first, int64_t count)
{
    if (count == 0) return dualprop_gradient_accumulate(self->optimizer, NULL);
    dualprop_view images = images_of(self, first, count), labels = labels_of(self, first, count);
    TRY(dualprop_infer_view(self->state, &images, &labels));
    return dualprop_gradient_accumulate(self->optimizer, self->state);
}

dualprop_status learner_epoch(learner *self)
{
    for (int64_t first = 0; first < LEARNER_SAMPLES; first += self->plan->capacity) {
        int64_t left = LEARNER_SAMPLES - first, count = left < self->plan->capacity ? left : self->plan->capacity;
        TRY(learner_learn(self, first, count));
    }
    return DUALPROP_OK;
}

dualprop_status learner_infer(learner *self)
{
    for (int64_t first = 0; first < LEARNER_SAMPLES; first += self->plan->capacity) {
        int64_t left = LEARNER_SAMPLES - first, count = left < self->plan->capacity ? left : self->plan->capacity;
        dualprop_view images = images_of(self, first, count), labels = labels_of(self, first, count);
        TRY(dualprop_infer_view(self->state, &images, &labels));
    }
    return DUALPROP_OK;
}

dualprop_status learner_predict(learner *self, float *scores)
{
    dualprop_view images = images_of(self, 0, LEARNER_SAMPLES);
    dualprop_view view = { .struct_size = sizeof view,
                           .data = scores,
                           .type = DUALPROP_F32,
                           .rank = 2,
                           .shape = { LEARNER_SAMPLES, LEARNER_CLASSES },
                           .strides = { LEARNER_CLASSES, 1 } };
    return dualprop_predict_view(&view, self->state, &images);
}

dualprop_status learner_score(learner *self, double *loss, int64_t *correct)
{
    dualprop_view images = images_of(self, 0, LEARNER_SAMPLES), labels = labels_of(self, 0, LEARNER_SAMPLES);
    int64_t top = 0;
    return dualprop_evaluate_view(loss, correct, &top, 3, self->state, &images, &labels);
}

static dualprop_status read_parameter(learner *self, int index, float *values, int64_t room, int64_t *count)
{
    char name[64];
    dualprop_view view = { .struct_size = sizeof view, .type = DUALPROP_F32 };
    int rank;
    int64_t elements = 1;
    TRY(dualprop_network_parameter(name, sizeof name, view.shape, &rank, self->network, index));
    view.rank = rank;
    for (int axis = rank - 1; axis >= 0; axis--) {
        view.strides[axis] = elements;
        elements *= view.shape[axis];
    }
    if (*count + elements > room) return DUALPROP_ERROR_LIMIT;
    view.data = values + *count;
    *count += elements;
    return dualprop_network_read(&view, self->network, name);
}

dualprop_status learner_parameters(learner *self, float *values, int64_t room, int64_t *count)
{
    int parameters;
    *count = 0;
    TRY(dualprop_network_parameter_count(&parameters, self->network));
    for (int i = 0; i < parameters; i++) TRY(read_parameter(self, i, values, room, count));
    return DUALPROP_OK;
}
