/*
 * test_oom.c - every allocation of every operation fails, once or for ever: the status is NO_MEMORY, the weights keep
 * their bits, the same call succeeds afterwards, and in the end every block has been released.
 */
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/idle_map.h"
#include "support/lone_transport.h"
#include "support/saved_model.h"
#include "support/scratch_folder.h"

static failing_allocator memory;
static dualprop_allocator table;
static scratch_folder folder;

static void setup(void)
{
    memset(&memory, 0, sizeof memory);
    table = failing_allocator_table(&memory);
    folder = scratch_folder_create();
}

static void teardown(void)
{
    ck_assert_int_eq(memory.live_blocks, 0);
    ck_assert_int_eq(memory.live_bytes, 0);
    ck_assert_int_eq(memory.misuse, 0);
    scratch_folder_destroy(&folder);
}

/* ---- operations on a model that has been trained ---- */

static dualprop_status make_another(saved_model *model)
{
    saved_model other;
    saved_plan plan = { DUALPROP_BACKEND_REFERENCE, model->precision, DUALPROP_ADAM, &table, NULL, 2 };
    dualprop_status status = saved_model_create(&other, &plan);
    if (status == DUALPROP_OK) status = saved_model_train(&other, 1);
    saved_model_destroy(&other);
    return status;
}

static dualprop_status make_network(saved_model *model)
{
    static const double mean[4] = { 0, 1, 2, 3 }, deviation[4] = { 1, 1, 1, 1 };
    dualprop_network *network;
    dualprop_status status = dualprop_network_create(&network, model->context, 3, 1, 4);
    if (status == DUALPROP_OK) status = dualprop_network_set_input_transform(network, mean, deviation, 4);
    for (int k = 0; k < 10 && status == DUALPROP_OK; k++) {
        int layers;
        expect_ok(dualprop_network_info(&layers, NULL, NULL, NULL, network));
        ck_assert_int_eq(layers, k);
        status = dualprop_network_add_dense(network, 5, DUALPROP_RELU);
    }
    if (status == DUALPROP_OK) status = dualprop_network_initialize(network, 1);
    dualprop_network_destroy(network);
    return status;
}

static dualprop_status clone_network(saved_model *model)
{
    dualprop_network *clone;
    dualprop_status status = dualprop_network_clone(&clone, model->network);
    ck_assert((status == DUALPROP_OK) == (clone != NULL));
    dualprop_network_destroy(clone);
    return status;
}

static dualprop_status copy_network(saved_model *model)
{
    return dualprop_network_copy(model->network, model->network);
}

static dualprop_status publish_network(saved_model *model)
{
    dualprop_network *served;
    dualprop_status status = dualprop_network_clone(&served, model->network);
    if (status == DUALPROP_OK) status = dualprop_network_publish(served, model->network);
    dualprop_network_destroy(served);
    return status;
}

static dualprop_status make_state(saved_model *model)
{
    dualprop_state *state;
    dualprop_status status = dualprop_state_create(&state, model->network, model->rule, 3);
    ck_assert((status == DUALPROP_OK) == (state != NULL));
    dualprop_state_destroy(state);
    return status;
}

static dualprop_status make_optimizer(saved_model *model)
{
    dualprop_optimizer *optimizer;
    dualprop_status status = dualprop_optimizer_create(&optimizer, model->network, DUALPROP_ADAMW);
    ck_assert((status == DUALPROP_OK) == (optimizer != NULL));
    dualprop_optimizer_destroy(optimizer);
    return status;
}

static dualprop_status make_fused_optimizer(saved_model *model)
{
    dualprop_optimizer *optimizer;
    dualprop_status status = dualprop_optimizer_create_fused(&optimizer, model->network, DUALPROP_ADAM);
    ck_assert((status == DUALPROP_OK) == (optimizer != NULL));
    dualprop_optimizer_destroy(optimizer);
    return status;
}

/* From one plan to another and back. */
static dualprop_status prepare_another_plan(saved_model *model)
{
    dualprop_status status = DUALPROP_OK;
    for (int i = 0; i < 2 && status == DUALPROP_OK; i++) {
        expect_ok(dualprop_rule_set_variant(model->rule, i == 0 ? DUALPROP_BP : DUALPROP_DP_ADJOINT));
        status = dualprop_state_prepare(model->state);
    }
    return status;
}

static dualprop_status write_parameters(saved_model *model)
{
    double seven[7] = { 0 };
    dualprop_view view = vector_view(seven, DUALPROP_F64, 7);
    dualprop_status status = dualprop_network_read(&view, model->network, "layer2.bias");
    return status == DUALPROP_OK ? dualprop_network_write(model->network, "layer2.bias", &view) : status;
}

static dualprop_status save(saved_model *model)
{
    return saved_model_save(model, folder.file);
}

static dualprop_status load(saved_model *model)
{
    saved_model loaded = { .precision = model->precision };
    dualprop_checkpoint *checkpoint = NULL;
    dualprop_status status = dualprop_checkpoint_read(&checkpoint, model->context, folder.file);
    if (status == DUALPROP_OK) status = saved_model_get(&loaded, checkpoint);
    dualprop_checkpoint_destroy(checkpoint);
    saved_model_destroy(&loaded);
    return status;
}

/* In folders, so that a failure in the middle is seen: either file is whole or not there. */
static dualprop_status export_network(saved_model *model)
{
    dualprop_network *small;
    dualprop_status status = dualprop_network_create(&small, model->context, 1, 1, 40);
    for (int k = 0; k < 2 && status == DUALPROP_OK; k++) /* more text than the first 4 KiB */
        status = dualprop_network_add_dense(small, 20, k == 0 ? DUALPROP_TANH : DUALPROP_IDENTITY);
    if (status == DUALPROP_OK) status = dualprop_network_initialize(small, 1);
    if (status == DUALPROP_OK) status = dualprop_network_export_c(small, folder.path, "small");
    dualprop_network_destroy(small);
    return status;
}

/* Another program's file, whose elements are not aligned: each tensor gets a copy. */
static dualprop_status read_misaligned(saved_model *model)
{
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                 "\"b\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]}}";
    unsigned char bytes[8 + sizeof header - 1 + 17] = { sizeof header - 1 };
    double numbers[2] = { 1.5, -2.5 };
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + sizeof bytes - 16, numbers, 16);
    dualprop_checkpoint *checkpoint;
    dualprop_view found = { .struct_size = sizeof found };
    dualprop_status status = dualprop_checkpoint_read_memory(&checkpoint, model->context, bytes, sizeof bytes);
    if (status != DUALPROP_OK) return status;
    expect_ok(dualprop_checkpoint_find(&found, checkpoint, "b"));
    ck_assert(((const double *)found.data)[0] == 1.5 && ((const double *)found.data)[1] == -2.5);
    dualprop_checkpoint_destroy(checkpoint);
    return DUALPROP_OK;
}

static dualprop_status fill_checkpoint(saved_model *model)
{
    float number = 1;
    dualprop_view view = vector_view(&number, DUALPROP_F32, 1);
    dualprop_checkpoint *checkpoint;
    dualprop_status status = dualprop_checkpoint_create(&checkpoint, model->context);
    for (char name[] = "a"; name[0] < 'h' && status == DUALPROP_OK; name[0]++) {
        status = dualprop_checkpoint_put_tensor(checkpoint, name, &view);
        if (status == DUALPROP_OK) status = dualprop_checkpoint_put_text(checkpoint, name, name);
    }
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

static dualprop_status make_diagnostics(saved_model *model)
{
    dualprop_diagnostics *diagnostics;
    dualprop_status status = dualprop_diagnostics_create(&diagnostics, model->network, DUALPROP_MSE, 2);
    dualprop_diagnostics_destroy(diagnostics);
    return status;
}

/* From a plan with noise, which needs more memory, and back. */
static dualprop_status prepare_options(saved_model *model)
{
    dualprop_status status = DUALPROP_OK;
    for (int i = 0; i < 2 && status == DUALPROP_OK; i++) {
        expect_ok(dualprop_rule_set_noise(model->rule, i == 0 ? 0.1 : 0, 0, i == 0 ? 0.1 : 0));
        status = dualprop_state_prepare(model->state);
    }
    return status;
}

/* The first weights of a state need memory. */
static dualprop_status weigh_classes(saved_model *model)
{
    double ones[64];
    int64_t outputs;
    dualprop_state *state;
    expect_ok(dualprop_network_info(NULL, NULL, NULL, &outputs, model->network));
    ck_assert_int_le(outputs, 64);
    for (int i = 0; i < 64; i++) ones[i] = 1;
    dualprop_status status = dualprop_state_create(&state, model->network, model->rule, 2);
    if (status == DUALPROP_OK) status = dualprop_state_set_class_weights(state, ones, outputs);
    dualprop_state_destroy(state);
    return status;
}

static int flat_loss(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                     int64_t count, int64_t width)
{
    (void)user_data, (void)outputs, (void)targets;
    if (losses) memset(losses, 0, (size_t)count * sizeof *losses);
    if (slopes) memset(slopes, 0, (size_t)(count * width) * sizeof *slopes);
    return 0;
}

static int flat_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                         int64_t count, int64_t width)
{
    (void)user_data, (void)targets, (void)t;
    memcpy(s, a, (size_t)(count * width) * sizeof *s);
    return 0;
}

/* A state whose rule has a loss function, which needs arrays on the host; and the way to it by a prepare. */
static dualprop_status prepare_loss_function(saved_model *model)
{
    dualprop_rule *rule;
    dualprop_state *state = NULL;
    dualprop_status status = dualprop_rule_create(&rule, model->context, DUALPROP_DP);
    if (status == DUALPROP_OK) status = dualprop_state_create(&state, model->network, rule, 2);
    if (status == DUALPROP_OK) status = dualprop_rule_set_loss_function(rule, flat_loss, NULL);
    if (status == DUALPROP_OK) status = dualprop_rule_set_loss_proximal(rule, flat_proximal);
    if (status == DUALPROP_OK) status = dualprop_state_prepare(state);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    return status;
}

static int doubles(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = 2 * a[i];
    return 0;
}

static int two(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data, (void)a;
    for (int64_t i = 0; i < count; i++) values[i] = 2;
    return 0;
}

/* An activation, in a context of its own since it stays as long as that, and a layer with it. */
static dualprop_status use_activation(saved_model *model)
{
    dualprop_options options = { .struct_size = sizeof options, .allocator = &table };
    dualprop_context *context;
    dualprop_network *network = NULL;
    int activation = 0;
    dualprop_status status = dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options);
    if (status == DUALPROP_OK)
        status = dualprop_activation_register(&activation, context, "x2", doubles, two, NULL, NULL);
    if (status == DUALPROP_ERROR_NO_MEMORY && context)
        expect_error(dualprop_activation_find(&activation, context, "x2"), DUALPROP_ERROR_UNSUPPORTED, "x2");
    if (status == DUALPROP_OK) status = dualprop_network_create(&network, context, 1, 1, 3);
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(network, 2, activation);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    (void)model;
    return status;
}

/* A map, likewise, and a network with it that learns. */
static dualprop_status use_map(saved_model *model)
{
    dualprop_options options = { .struct_size = sizeof options, .allocator = &table };
    float x[2] = { 1, 2 };
    int32_t label = 1;
    saved_model made = { .precision = DUALPROP_F32 };
    int map = 0;
    dualprop_status status = dualprop_context_create(&made.context, DUALPROP_BACKEND_REFERENCE, &options);
    if (status == DUALPROP_OK) status = idle_map_register(&map, made.context);
    if (status == DUALPROP_OK) status = dualprop_network_create(&made.network, made.context, 1, 1, 2);
    if (status == DUALPROP_OK) status = dualprop_network_add_custom(made.network, map, 2, 1, 1, DUALPROP_IDENTITY);
    if (status == DUALPROP_OK) status = dualprop_network_initialize(made.network, 1);
    if (status == DUALPROP_OK) status = dualprop_rule_create(&made.rule, made.context, DUALPROP_DP);
    if (status == DUALPROP_OK) status = dualprop_state_create(&made.state, made.network, made.rule, 1);
    if (status == DUALPROP_OK) status = dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_SGD);
    if (status == DUALPROP_OK) status = dualprop_learn(made.optimizer, made.state, x, &label, 1);
    saved_model_destroy(&made);
    (void)model;
    return status;
}

/* A network with feedback weights, and a rule with every option that keeps something. */
struct rich {
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;
};

static dualprop_status make_rich_network(struct rich *rich, saved_model *model)
{
    dualprop_status status = dualprop_network_create(&rich->network, model->context, 1, 1, 4);
    for (int k = 0; k < 3 && status == DUALPROP_OK; k++)
        status = dualprop_network_add_dense(rich->network, 3, k < 2 ? DUALPROP_RELU : DUALPROP_IDENTITY);
    if (status == DUALPROP_OK) status = dualprop_network_initialize(rich->network, 1);
    if (status == DUALPROP_OK)
        status = dualprop_network_set_feedback(rich->network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 1);
    return status;
}

static dualprop_status make_rich_rule(struct rich *rich, saved_model *model)
{
    static const int32_t ORDER[] = { 3, 2, 1, 0, 1, 2, 3 };
    dualprop_status status = dualprop_rule_create(&rich->rule, model->context, DUALPROP_DP_DAMPED);
    if (status != DUALPROP_OK) return status;
    expect_ok(dualprop_rule_set_schedule(rich->rule, DUALPROP_LIST, 2));
    expect_ok(dualprop_rule_set_input_robustness(rich->rule, 0.5));
    expect_ok(dualprop_rule_set_noise(rich->rule, 0.1, 0.1, 0.1));
    expect_ok(dualprop_rule_set_alpha_mismatch(rich->rule, 0.1));
    expect_ok(dualprop_rule_set_quantization(rich->rule, 8));
    expect_ok(dualprop_rule_set_warm_start(rich->rule, 1));
    expect_ok(dualprop_rule_set_feedback(rich->rule, DUALPROP_FEEDBACK_KOLEN_POLLACK));
    status = dualprop_rule_set_order(rich->rule, ORDER, 7);
    if (status == DUALPROP_OK) status = dualprop_rule_set_layer_alpha(rich->rule, 2, 0.4);
    if (status == DUALPROP_OK) status = dualprop_rule_set_layer_beta(rich->rule, 3, 0.4);
    return status;
}

static dualprop_status make_rich(struct rich *rich, saved_model *model)
{
    dualprop_status status = make_rich_network(rich, model);
    if (status == DUALPROP_OK) status = make_rich_rule(rich, model);
    if (status == DUALPROP_OK) status = dualprop_state_create(&rich->state, rich->network, rich->rule, 2);
    if (status == DUALPROP_OK) status = dualprop_optimizer_create(&rich->optimizer, rich->network, DUALPROP_ADAM);
    return status;
}

static void learn_rich(const struct rich *rich)
{
    const double numbers[8] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8 };
    int32_t classes[2] = { 0, 2 };
    dualprop_view inputs = matrix_view((void *)(uintptr_t)numbers, DUALPROP_F64, 2, 4);
    dualprop_view targets = vector_view(classes, DUALPROP_I32, 2);
    expect_ok(dualprop_infer_view(rich->state, &inputs, &targets));
    expect_ok(dualprop_update(rich->optimizer, rich->state));
    expect_ok(dualprop_infer_begin(rich->state, &inputs, &targets));
    expect_ok(dualprop_infer_pass(rich->state));
    expect_ok(dualprop_infer_update(rich->optimizer, rich->state));
    expect_ok(dualprop_infer_end(rich->state));
}

static void destroy_rich(struct rich *rich)
{
    dualprop_checkpoint_destroy(rich->checkpoint);
    dualprop_optimizer_destroy(rich->optimizer);
    dualprop_state_destroy(rich->state);
    dualprop_rule_destroy(rich->rule);
    dualprop_network_destroy(rich->network);
}

static dualprop_status save_rich(struct rich *rich, saved_model *model)
{
    dualprop_rule *rule = NULL;
    dualprop_network *clone = NULL;
    dualprop_status status = dualprop_checkpoint_create(&rich->checkpoint, model->context);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_put_network(rich->checkpoint, rich->network);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_put_rule(rich->checkpoint, rich->rule);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_put_optimizer(rich->checkpoint, rich->optimizer);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_put_state(rich->checkpoint, rich->state);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_rule(&rule, rich->checkpoint);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_state(rich->state, rich->checkpoint);
    if (status == DUALPROP_OK) status = dualprop_network_clone(&clone, rich->network);
    dualprop_network_destroy(clone);
    dualprop_rule_destroy(rule);
    return status;
}

static dualprop_status use_options(saved_model *model)
{
    struct rich rich = { NULL, NULL, NULL, NULL, NULL };
    dualprop_status status = make_rich(&rich, model);
    if (status == DUALPROP_OK) {
        learn_rich(&rich);
        status = save_rich(&rich, model);
    }
    destroy_rich(&rich);
    return status;
}

/* ---- a group of one process ---- */

static dualprop_status use_group(saved_model *model)
{
    double value = 1;
    int64_t integer = 2;
    dualprop_group *group = NULL;
    dualprop_status status = dualprop_group_create(&group, model->context, &lone_transport);
    if (status == DUALPROP_OK) status = dualprop_optimizer_set_group(model->optimizer, group, 3);
    if (status == DUALPROP_OK) status = dualprop_group_sum(&value, &integer, group, 1, 1);
    if (status == DUALPROP_OK) status = dualprop_group_share_network(model->network, group, 0);
    if (status == DUALPROP_OK) status = dualprop_group_check_network(group, model->network);
    if (status == DUALPROP_OK) status = dualprop_optimizer_set_group(model->optimizer, NULL, 5);
    expect_ok(dualprop_optimizer_set_group(model->optimizer, NULL, 0));
    dualprop_group_destroy(group);
    return status;
}

static const struct {
    const char *name;
    dualprop_status (*run)(saved_model *model);
    long least; /* allocations there are at least */
    /* clang-format off */
} operations[] = {
    { "create", make_another, 20 },     { "network", make_network, 10 },     { "clone", clone_network, 5 },
    { "copy", copy_network, 0 },        { "publish", publish_network, 3 },  { "state", make_state, 1 },
    { "optimizer", make_optimizer, 2 },
    { "fused optimizer", make_fused_optimizer, 2 },
    { "prepare", prepare_another_plan, 0 }, { "write", write_parameters, 0 },{ "save", save, 20 },
    { "load", load, 20 },               { "checkpoint", fill_checkpoint, 7 }, { "diagnostics", make_diagnostics, 2 },
    { "prepare options", prepare_options, 2 }, { "prepare a loss function", prepare_loss_function, 5 },
    { "weigh classes", weigh_classes, 3 }, { "activation", use_activation, 4 }, { "map", use_map, 8 },
    { "options", use_options, 30 },     { "group", use_group, 15 }, { "export", export_network, 10 },
    { "misaligned", read_misaligned, 4 },
    /* clang-format on */
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static const saved_plan plans[] = {
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, DUALPROP_ADAM, &table, NULL, 1 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, DUALPROP_SGD, &table, NULL, 2 },
};

/* Fail allocation number `at`. Gives whether there was one. */
static int fail_at(saved_model *model, int operation, long at, int for_ever)
{
    uint32_t before = saved_model_parameters(model);
    failing_allocator_arm(&memory, at, for_ever);
    dualprop_status status = operations[operation].run(model);
    long failures = memory.failures;
    failing_allocator_arm(&memory, 0, 0);
    ck_assert_msg(status == (failures > 0 ? DUALPROP_ERROR_NO_MEMORY : DUALPROP_OK), "%s, allocation %ld: %s",
                  operations[operation].name, at, dualprop_status_name(status));
    ck_assert_uint_eq(saved_model_parameters(model), before);
    return failures > 0;
}

/* A row is an operation on a backend. */
START_TEST(every_allocation_fails)
{
    int operation = _i / 2;
    saved_model model;
    expect_ok(saved_model_create(&model, &plans[_i % 2]));
    expect_ok(saved_model_train(&model, 2));
    expect_ok(saved_model_save(&model, folder.file));
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long at = 1, live = memory.live_blocks;
        while (fail_at(&model, operation, at, for_ever)) {
            ck_assert_int_eq(memory.live_blocks, live);
            at++;
        }
        ck_assert_int_ge(at - 1, operations[operation].least);
        /* And all is well again. */
        expect_ok(operations[operation].run(&model));
    }
    expect_ok(saved_model_train(&model, 1));
    saved_model_destroy(&model);
}
END_TEST

/* A state whose new plan found no memory is refused until it is prepared. */
START_TEST(a_state_without_a_plan_says_so)
{
    float images[SAVED_INPUTS] = { 0 };
    int32_t label = 0;
    saved_model model;
    expect_ok(saved_model_create(&model, &plans[1]));
    expect_ok(dualprop_rule_set_variant(model.rule, DUALPROP_BP));
    failing_allocator_arm(&memory, 1, 1);
    dualprop_status status = dualprop_state_prepare(model.state);
    long failures = memory.failures;
    failing_allocator_arm(&memory, 0, 0);
    if (failures > 0) {
        ck_assert_int_eq(status, DUALPROP_ERROR_NO_MEMORY);
        expect_error(dualprop_infer(model.state, images, &label, 1), DUALPROP_ERROR_INVALID_STATE, "prepare");
    }
    expect_ok(dualprop_state_prepare(model.state));
    expect_ok(dualprop_infer(model.state, images, &label, 1));
    saved_model_destroy(&model);
}
END_TEST

/* ---- what allocates nothing ---- */

static void use_everything(saved_model *model)
{
    static const float images[SAVED_BATCH * SAVED_INPUTS];
    static const double wide[SAVED_BATCH * SAVED_INPUTS];
    static const int32_t labels[SAVED_BATCH];
    double scores[SAVED_BATCH * SAVED_OUTPUTS], loss;
    int64_t correct, top;
    const void *x = model->precision == DUALPROP_F64 ? (const void *)wide : images;
    dualprop_view view = matrix_view(scores, DUALPROP_F64, SAVED_BATCH, SAVED_OUTPUTS);
    dualprop_view inputs = matrix_view((void *)(uintptr_t)images, DUALPROP_F32, SAVED_BATCH, SAVED_INPUTS);
    dualprop_view targets = matrix_view(scores, DUALPROP_F64, SAVED_BATCH, SAVED_OUTPUTS);
    expect_ok(dualprop_predict(scores, model->state, x, SAVED_BATCH));
    expect_ok(dualprop_predict_view(&view, model->state, &inputs));
    for (int i = 0; i < SAVED_BATCH * SAVED_OUTPUTS; i++) scores[i] = i % SAVED_OUTPUTS == 0;
    expect_ok(dualprop_evaluate(&loss, &correct, &top, 2, model->state, x, labels, SAVED_BATCH));
    expect_ok(dualprop_evaluate_view(&loss, &correct, &top, 2, model->state, &inputs, &targets));
    expect_ok(dualprop_infer_begin(model->state, &inputs, &targets));
    expect_ok(dualprop_infer_layer(model->state, 2));
    expect_ok(dualprop_infer_pass(model->state));
    expect_ok(dualprop_infer_end(model->state));
    expect_ok(dualprop_gradient(model->optimizer, model->state));
    expect_ok(dualprop_infer_view(model->state, &inputs, &targets));
    expect_ok(dualprop_gradient_accumulate(model->optimizer, model->state));
    expect_ok(dualprop_step(model->optimizer));
    expect_ok(saved_model_train(model, 3));
}

/* With an allocator that would fail: inference, update, prediction and evaluation never ask it. Nor does destroying. */
START_TEST(a_step_allocates_nothing)
{
    saved_plan plan = { _i % 2 ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                        _i / 2 % 2 ? DUALPROP_F64 : DUALPROP_F32,
                        _i / 4 % 2 ? DUALPROP_ADAM : DUALPROP_SGD,
                        &table,
                        NULL,
                        1 + _i / 8 };
    saved_model model;
    uint64_t before, after;
    expect_ok(saved_model_create(&model, &plan));
    expect_ok(dualprop_context_memory(NULL, NULL, &before, model.context));
    failing_allocator_arm(&memory, 1, 1);
    use_everything(&model);
    expect_ok(dualprop_context_memory(NULL, NULL, &after, model.context));
    saved_model_destroy(&model);
    ck_assert_int_eq(memory.allocations, 0);
    ck_assert_uint_eq(before, after);
}
END_TEST

START_TEST(a_step_with_every_option_allocates_nothing)
{
    struct rich rich = { NULL, NULL, NULL, NULL, NULL };
    saved_model model;
    expect_ok(saved_model_create(&model, &plans[_i]));
    expect_ok(make_rich(&rich, &model));
    failing_allocator_arm(&memory, 1, 1);
    for (int i = 0; i < 3; i++) learn_rich(&rich);
    ck_assert_int_eq(memory.allocations, 0);
    failing_allocator_arm(&memory, 0, 0);
    destroy_rich(&rich);
    saved_model_destroy(&model);
}
END_TEST

/* The allocator is asked for what was counted, and the error can be read although there is no memory. */
START_TEST(running_out_is_said_in_a_sentence)
{
    char text[256];
    saved_model model;
    dualprop_network *network;
    expect_ok(saved_model_create(&model, &plans[0]));
    failing_allocator_arm(&memory, 1, 1);
    ck_assert_int_eq(dualprop_network_create(&network, model.context, 1, 1, 1), DUALPROP_ERROR_NO_MEMORY);
    ck_assert_ptr_null(network);
    expect_ok(dualprop_last_error(text, sizeof text, NULL, model.context));
    ck_assert_ptr_nonnull(strstr(text, "memory"));
    saved_model_destroy(&model);
}
END_TEST

/* Feedback weights of another kind, with no memory left, take the place of the old ones. */
START_TEST(feedback_weights_are_not_lost)
{
    struct rich rich = { NULL, NULL, NULL, NULL, NULL };
    saved_model model;
    dualprop_layer *layer;
    double first[12], second[12];
    int kind;
    expect_ok(saved_model_create(&model, &plans[_i]));
    expect_ok(make_rich_network(&rich, &model));
    dualprop_view one = matrix_view(first, DUALPROP_F64, 4, 3), two = matrix_view(second, DUALPROP_F64, 4, 3);
    expect_ok(dualprop_network_read_feedback(&one, rich.network, 1));
    failing_allocator_arm(&memory, 1, 1);
    expect_ok(dualprop_network_set_feedback(rich.network, DUALPROP_FEEDBACK_RANDOM, 2));
    failing_allocator_arm(&memory, 0, 0);
    expect_ok(dualprop_network_read_feedback(&two, rich.network, 1));
    ck_assert(first[0] != second[0]);
    expect_ok(dualprop_network_layer(&layer, rich.network, 1));
    expect_ok(dualprop_layer_feedback(&kind, NULL, layer));
    ck_assert_int_eq(kind, DUALPROP_FEEDBACK_RANDOM);
    dualprop_network_destroy(rich.network);
    saved_model_destroy(&model);
}
END_TEST

Suite *test_oom_suite(void)
{
    Suite *suite = suite_create("oom");
    TCase *tests = tcase_create("oom");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, every_allocation_fails, 0, 2 * OPERATIONS);
    tcase_add_test(tests, a_state_without_a_plan_says_so);
    tcase_add_loop_test(tests, a_step_allocates_nothing, 0, 16);
    tcase_add_loop_test(tests, a_step_with_every_option_allocates_nothing, 0, 2);
    tcase_add_test(tests, running_out_is_said_in_a_sentence);
    tcase_add_loop_test(tests, feedback_weights_are_not_lost, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
