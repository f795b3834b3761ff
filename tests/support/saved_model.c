/*
 * saved_model.c - see saved_model.h.
 */
#include "saved_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/checkpoint/crc32.h"
#include "randomness.h"

#define TRY(call)                                         \
    do {                                                  \
        dualprop_status try_status = (call);              \
        if (try_status != DUALPROP_OK) return try_status; \
    } while (0)

/* ---- making ---- */

dualprop_status saved_model_open(saved_model *model, const saved_plan *plan)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    *model = (saved_model){ .precision = plan->precision };
    options.precision = plan->precision;
    options.allocator = plan->allocator;
    options.io = plan->io;
    options.threads = plan->threads;
    return dualprop_context_create(&model->context, plan->backend, &options);
}

static dualprop_status create_network(saved_model *model)
{
    static const double mean[2] = { 0.1, 1.0 / 3.0 }, deviation[2] = { 0.7, 3e-5 };
    dualprop_layer *layer;
    TRY(dualprop_network_create(&model->network, model->context, 2, 3, 2));
    TRY(dualprop_network_set_input_transform(model->network, mean, deviation, 2));
    TRY(dualprop_network_add_dense(model->network, 9, DUALPROP_LEAKY_RELU));
    TRY(dualprop_network_add_dense(model->network, 7, DUALPROP_TANH));
    TRY(dualprop_network_add_dense(model->network, SAVED_OUTPUTS, DUALPROP_IDENTITY));
    TRY(dualprop_network_set_initializer(model->network, DUALPROP_INIT_TRUNCATED, 1.0 / 0.9));
    TRY(dualprop_network_layer(&layer, model->network, 2));
    TRY(dualprop_layer_set_learning_rate(layer, 0.3));
    return dualprop_network_initialize(model->network, 20240611);
}

static dualprop_status create_rule(saved_model *model)
{
    TRY(dualprop_rule_create(&model->rule, model->context, DUALPROP_DP_ADJOINT));
    TRY(dualprop_rule_set_alpha(model->rule, 0.3));
    TRY(dualprop_rule_set_beta(model->rule, -0.1));
    TRY(dualprop_rule_set_loss(model->rule, DUALPROP_CROSS_ENTROPY));
    TRY(dualprop_rule_set_nudge_at(model->rule, DUALPROP_NUDGE_AT_PREDICTION));
    TRY(dualprop_rule_set_schedule(model->rule, DUALPROP_FORWARD, 6));
    TRY(dualprop_rule_set_tolerance(model->rule, 1e-7));
    TRY(dualprop_rule_set_growth_limit(model->rule, 12));
    return dualprop_rule_set_divergence_limit(model->rule, 12345.678);
}

static dualprop_status create_optimizer(saved_model *model, int kind)
{
    TRY(dualprop_optimizer_create(&model->optimizer, model->network, kind));
    TRY(dualprop_optimizer_set_learning_rate(model->optimizer, 0.017));
    if (kind == DUALPROP_SGD) TRY(dualprop_optimizer_set_momentum(model->optimizer, 0.85));
    else TRY(dualprop_optimizer_set_moments(model->optimizer, 0.87, 0.995, 1e-7));
    TRY(dualprop_optimizer_set_weight_decay(model->optimizer, 0.003));
    TRY(dualprop_optimizer_set_clip(model->optimizer, 2.5));
    return dualprop_optimizer_set_schedule(model->optimizer, DUALPROP_RATE_WARMUP_COSINE, 1e-4, 1.0 / 3000.0, 3, 17);
}

dualprop_status saved_model_create(saved_model *model, const saved_plan *plan)
{
    TRY(saved_model_open(model, plan));
    TRY(create_network(model));
    TRY(create_rule(model));
    TRY(create_optimizer(model, plan->kind));
    return dualprop_state_create(&model->state, model->network, model->rule, SAVED_BATCH);
}

void saved_model_destroy(saved_model *model)
{
    dualprop_state_destroy(model->state);
    dualprop_optimizer_destroy(model->optimizer);
    dualprop_rule_destroy(model->rule);
    dualprop_network_destroy(model->network);
    dualprop_context_destroy(model->context);
    *model = (saved_model){ 0 };
}

/* ---- training ---- */

static dualprop_status train_step(saved_model *model, int64_t number)
{
    double wide[SAVED_BATCH * SAVED_INPUTS];
    float narrow[SAVED_BATCH * SAVED_INPUTS];
    int32_t labels[SAVED_BATCH];
    randomness random = random_start((uint64_t)number);
    for (int i = 0; i < SAVED_BATCH * SAVED_INPUTS; i++) narrow[i] = (float)(wide[i] = random_uniform(&random, -1, 1));
    for (int i = 0; i < SAVED_BATCH; i++) labels[i] = (int32_t)random_below(&random, SAVED_OUTPUTS);
    TRY(dualprop_infer(model->state, model->precision == DUALPROP_F64 ? (void *)wide : (void *)narrow, labels,
                       SAVED_BATCH));
    return dualprop_update(model->optimizer, model->state);
}

dualprop_status saved_model_train(saved_model *model, int steps)
{
    for (int i = 0; i < steps; i++) {
        int64_t done;
        TRY(dualprop_optimizer_info(NULL, &done, NULL, model->optimizer));
        TRY(train_step(model, done));
    }
    return DUALPROP_OK;
}

/* ---- saving ---- */

dualprop_status saved_model_put(dualprop_checkpoint *checkpoint, const saved_model *model)
{
    TRY(dualprop_checkpoint_put_network(checkpoint, model->network));
    TRY(dualprop_checkpoint_put_rule(checkpoint, model->rule));
    TRY(dualprop_checkpoint_put_optimizer(checkpoint, model->optimizer));
    return dualprop_checkpoint_put_text(checkpoint, "epoch", "3");
}

dualprop_status saved_model_get(saved_model *model, const dualprop_checkpoint *checkpoint)
{
    TRY(dualprop_checkpoint_get_network(&model->network, checkpoint));
    TRY(dualprop_checkpoint_get_rule(&model->rule, checkpoint));
    TRY(dualprop_checkpoint_get_optimizer(&model->optimizer, checkpoint, model->network));
    return dualprop_state_create(&model->state, model->network, model->rule, SAVED_BATCH);
}

dualprop_status saved_model_save(const saved_model *model, const char *path)
{
    dualprop_checkpoint *checkpoint = NULL;
    TRY(dualprop_checkpoint_create(&checkpoint, model->context));
    dualprop_status status = saved_model_put(checkpoint, model);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_write(checkpoint, path);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

dualprop_status saved_model_load(saved_model *model, const char *path)
{
    dualprop_checkpoint *checkpoint = NULL;
    TRY(dualprop_checkpoint_read(&checkpoint, model->context, path));
    dualprop_status status = saved_model_get(model, checkpoint);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

/* ---- comparing ---- */

/* Not one of Check's: programs without it compare, too. */
static void must_read(dualprop_status status)
{
    if (status == DUALPROP_OK) return;
    fprintf(stderr, "parameters cannot be read: %s\n", dualprop_status_name(status));
    abort();
}

uint32_t saved_model_parameters(const saved_model *model)
{
    uint32_t checksum = 0;
    int count;
    must_read(dualprop_network_parameter_count(&count, model->network));
    for (int i = 0; i < count; i++) {
        char name[32];
        double values[128] = { 0 };
        dualprop_view view = { .struct_size = sizeof view, .data = values, .type = model->precision };
        must_read(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, model->network, i));
        view.strides[view.rank - 1] = 1;
        if (view.rank == 2) view.strides[0] = view.shape[1];
        must_read(dualprop_network_read(&view, model->network, name));
        checksum = dualprop__crc32(checksum, values, sizeof values);
    }
    return checksum;
}
