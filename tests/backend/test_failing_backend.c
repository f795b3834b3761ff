/*
 * test_failing_backend.c - a backend whose n-th call fails, as a device does: the call that needed it gives DEVICE, no
 * other call crashes or hangs for it, everything can be destroyed, and the backend gets all its memory back.
 *
 * Lives of a dense network with every optional feature, of a network of images, and of one with parts of the caller's
 * are run to their ends again and again, in each with another call that fails, once or from then on, on backends that
 * do things at once and that defer them.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/failing_backend.h"
#include "support/idle_map.h"
#include "support/lone_transport.h"
#include "support/scratch_folder.h"

enum { BATCH = 2, INPUTS = 32, CLASSES = 3 };

typedef struct life {
    dualprop_context *context;
    dualprop_network *network, *clone;
    dualprop_rule *rule, *bp;
    dualprop_state *state, *bp_state;
    dualprop_optimizer *optimizer, *other;
    dualprop_diagnostics *diagnostics;
    dualprop_checkpoint *checkpoint;
    dualprop_group *group;
} life;

static failing_allocator memory;
static const int32_t labels[BATCH] = { 0, 2 };
static double images[BATCH * INPUTS];

static dualprop_view image_view(void)
{
    return matrix_view(images, DUALPROP_F64, BATCH, INPUTS);
}

static dualprop_view label_view(void)
{
    return vector_view((void *)(uintptr_t)labels, DUALPROP_I32, BATCH);
}

/* ---- steps of a life: each is one call, or a few, of which the first that fails is the last ---- */

#define STEP(call)                                          \
    do {                                                    \
        dualprop_status step_status = (call);               \
        if (step_status != DUALPROP_OK) return step_status; \
    } while (0)

static dualprop_status open_context(life *of, int kind)
{
    static dualprop_allocator table;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    table = failing_allocator_table(&memory);
    options.allocator = &table;
    options.precision = DUALPROP_F64;
    options.backend = failing_backend_table(kind);
    return dualprop_context_create(&of->context, DUALPROP_BACKEND_AUTO, &options);
}

static dualprop_status make_dense(life *of)
{
    STEP(dualprop_network_create(&of->network, of->context, 4, 4, 2));
    STEP(dualprop_network_add_dense(of->network, 5, DUALPROP_HARD_SIGMOID));
    STEP(dualprop_network_add_dense(of->network, 4, DUALPROP_RELU));
    STEP(dualprop_network_add_dense(of->network, CLASSES, DUALPROP_IDENTITY));
    STEP(dualprop_network_initialize(of->network, 1));
    return dualprop_network_set_feedback(of->network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 2);
}

static dualprop_status make_images(life *of)
{
    static const int64_t kernel[2] = { 3, 3 }, one[2] = { 1, 1 }, window[2] = { 2, 2 };
    STEP(dualprop_network_create(&of->network, of->context, 4, 4, 2));
    STEP(dualprop_network_add_convolution(of->network, 3, kernel, one, one, DUALPROP_TANH));
    STEP(dualprop_network_add_pooling(of->network, DUALPROP_POOL_MAX, window, window));
    STEP(dualprop_network_add_local(of->network, 2, one, one, NULL, DUALPROP_RELU));
    STEP(dualprop_network_add_flatten(of->network));
    STEP(dualprop_network_add_dense(of->network, CLASSES, DUALPROP_IDENTITY));
    return dualprop_network_initialize(of->network, 1);
}

static int half_of(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i++) values[i] = a[i] / 2;
    return 0;
}

static int half(void *user_data, double *values, const double *a, int64_t count)
{
    (void)user_data, (void)a;
    for (int64_t i = 0; i < count; i++) values[i] = 0.5;
    return 0;
}

/* With an activation and a map of the caller's. */
static dualprop_status make_custom(life *of)
{
    int activation, map;
    STEP(dualprop_activation_register(&activation, of->context, "half", half_of, half, NULL, NULL));
    STEP(idle_map_register(&map, of->context));
    STEP(dualprop_network_create(&of->network, of->context, 4, 4, 2));
    STEP(dualprop_network_add_custom(of->network, map, INPUTS, 1, 1, activation));
    STEP(dualprop_network_add_dense(of->network, CLASSES, DUALPROP_IDENTITY));
    return dualprop_network_initialize(of->network, 1);
}

static dualprop_status make_rules(life *of)
{
    STEP(dualprop_rule_create(&of->rule, of->context, DUALPROP_DP));
    STEP(dualprop_rule_set_schedule(of->rule, DUALPROP_FORWARD_BACKWARD, 3));
    STEP(dualprop_rule_set_warm_start(of->rule, 1));
    STEP(dualprop_rule_create(&of->bp, of->context, DUALPROP_BP));
    STEP(dualprop_state_create(&of->state, of->network, of->rule, BATCH));
    STEP(dualprop_state_create(&of->bp_state, of->network, of->bp, BATCH));
    return dualprop_optimizer_create(&of->optimizer, of->network, DUALPROP_ADAM);
}

static dualprop_status learn(life *of)
{
    STEP(dualprop_learn(of->optimizer, of->state, images, labels, BATCH));
    return dualprop_learn(of->optimizer, of->bp_state, images, labels, BATCH);
}

static dualprop_status learn_without_gradient(life *of)
{
    dualprop_status status = dualprop_optimizer_create_fused(&of->other, of->network, DUALPROP_SGD);
    if (status == DUALPROP_ERROR_UNSUPPORTED) return DUALPROP_OK; /* a table with steps of its own */
    STEP(status);
    STEP(dualprop_learn(of->other, of->bp_state, images, labels, BATCH));
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    return dualprop_update(of->other, of->state);
}

static dualprop_status learn_apart(life *of)
{
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    STEP(dualprop_gradient(of->optimizer, of->state));
    STEP(dualprop_infer(of->state, images, labels, 1));
    STEP(dualprop_gradient_accumulate(of->optimizer, of->state));
    STEP(dualprop_optimizer_set_clip(of->optimizer, 1e-3));
    STEP(dualprop_step(of->optimizer));
    STEP(dualprop_optimizer_set_weight_decay(of->optimizer, 1.5)); /* weights are looked at before each step */
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    STEP(dualprop_update(of->optimizer, of->state));
    return dualprop_optimizer_set_weight_decay(of->optimizer, 0);
}

static dualprop_status learn_in_steps(life *of)
{
    dualprop_view inputs = image_view(), targets = label_view();
    STEP(dualprop_infer_begin(of->state, &inputs, &targets));
    STEP(dualprop_infer_layer(of->state, 1));
    STEP(dualprop_infer_pass(of->state));
    STEP(dualprop_infer_update(of->optimizer, of->state));
    STEP(dualprop_infer_pass(of->state));
    return dualprop_infer_end(of->state);
}

static dualprop_status look_at_dyads(life *of)
{
    double numbers[BATCH * 48];
    int64_t inputs, outputs;
    STEP(dualprop_network_info(NULL, NULL, &inputs, &outputs, of->network));
    dualprop_view view = matrix_view(numbers, DUALPROP_F64, BATCH, outputs), in = image_view(), to = label_view();
    int layers;
    STEP(dualprop_network_info(&layers, NULL, NULL, NULL, of->network));
    STEP(dualprop_infer_begin(of->state, &in, &to));
    for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
        STEP(dualprop_state_read(&view, of->state, layers, which));
        STEP(dualprop_state_write(of->state, layers, which, &view));
    }
    STEP(dualprop_infer_pass(of->state));
    STEP(dualprop_state_read(&view, of->state, layers, DUALPROP_S_BOTTOM_UP));
    STEP(dualprop_state_read_part(&view, of->state, layers, DUALPROP_S_TOP_DOWN, 0));
    return dualprop_infer_end(of->state);
}

static dualprop_status predict(life *of)
{
    double scores[3 * BATCH * CLASSES], loss, many[3 * BATCH * INPUTS];
    int32_t classes[3 * BATCH] = { 0, 1, 2, 0, 1, 2 };
    int64_t correct, top;
    for (int i = 0; i < 3 * BATCH * INPUTS; i++) many[i] = images[i % (BATCH * INPUTS)];
    STEP(dualprop_predict(scores, of->state, many, 3 * BATCH));
    STEP(dualprop_predict_probabilities(scores, of->state, many, 3 * BATCH));
    STEP(dualprop_evaluate(&loss, &correct, &top, 2, of->state, many, classes, 3 * BATCH));
    STEP(dualprop_state_keep_inference(of->state, 1));
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    STEP(dualprop_predict(scores, of->state, many, 3 * BATCH));
    STEP(dualprop_evaluate(&loss, &correct, &top, 2, of->state, many, classes, 3 * BATCH));
    return dualprop_state_keep_inference(of->state, 0);
}

static dualprop_status copy_parameters(life *of)
{
    double numbers[512];
    char name[32];
    dualprop_view view = { .struct_size = sizeof view, .data = numbers, .type = DUALPROP_F64 };
    STEP(dualprop_network_parameter(name, sizeof name, view.shape, &view.rank, of->network, 0));
    for (int i = view.rank - 1, stride = 1; i >= 0; stride *= (int)view.shape[i--]) view.strides[i] = stride;
    STEP(dualprop_network_read(&view, of->network, name));
    STEP(dualprop_network_write(of->network, name, &view));
    STEP(dualprop_network_clone(&of->clone, of->network));
    STEP(dualprop_network_copy(of->clone, of->network));
    STEP(dualprop_network_publish(of->clone, of->network));
    return dualprop_network_initialize(of->network, 3);
}

static dualprop_status save_and_load(life *of)
{
    dualprop_network *network = NULL;
    dualprop_optimizer *optimizer = NULL;
    STEP(dualprop_checkpoint_create(&of->checkpoint, of->context));
    STEP(dualprop_checkpoint_put_network(of->checkpoint, of->network));
    STEP(dualprop_checkpoint_put_optimizer(of->checkpoint, of->optimizer));
    STEP(dualprop_checkpoint_put_state(of->checkpoint, of->state));
    dualprop_status status = dualprop_checkpoint_get_network(&network, of->checkpoint);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_optimizer(&optimizer, of->checkpoint, network);
    ck_assert((status == DUALPROP_OK) == (optimizer != NULL));
    if (status == DUALPROP_OK) status = dualprop_checkpoint_get_state(of->state, of->checkpoint);
    dualprop_optimizer_destroy(optimizer);
    dualprop_network_destroy(network);
    return status;
}

/* A state whose deltas were never written. */
static dualprop_status save_unwritten(life *of)
{
    dualprop_view inputs = image_view(), targets = label_view();
    dualprop_state *fresh;
    STEP(dualprop_state_create(&fresh, of->network, of->rule, BATCH));
    dualprop_status status = dualprop_infer_begin(fresh, &inputs, &targets);
    if (status == DUALPROP_OK) status = dualprop_infer_end(fresh);
    if (status == DUALPROP_OK) status = dualprop_checkpoint_put_state(of->checkpoint, fresh);
    dualprop_state_destroy(fresh);
    return status;
}

static dualprop_status export_source(life *of)
{
    scratch_folder folder = scratch_folder_create();
    dualprop_status status = dualprop_network_export_c(of->network, folder.path, "exported");
    ck_assert_int_eq(scratch_folder_entries(&folder), status == DUALPROP_OK ? 2 : 0);
    scratch_folder_destroy(&folder);
    return status;
}

static dualprop_status diagnose(life *of)
{
    double numbers[8], gradient[BATCH * INPUTS];
    dualprop_view inputs = image_view(), targets = label_view();
    dualprop_view view = matrix_view(gradient, DUALPROP_F64, BATCH, INPUTS);
    STEP(dualprop_diagnostics_create(&of->diagnostics, of->network, DUALPROP_CROSS_ENTROPY, BATCH));
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    STEP(dualprop_gradient(of->optimizer, of->state));
    STEP(dualprop_diagnostics_twin(of->diagnostics, &inputs, &targets));
    STEP(dualprop_diagnostics_compare(&numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4], of->diagnostics,
                                      of->optimizer, 1));
    STEP(dualprop_diagnostics_input_gradient(&view, of->diagnostics, of->state));
    STEP(dualprop_diagnostics_spectral_norm(numbers, of->diagnostics, 1, 2));
    return dualprop_diagnostics_lipschitz(numbers, of->diagnostics, 2);
}

static dualprop_status measure_objectives(life *of)
{
    double numbers[3];
    return dualprop_diagnostics_objective(&numbers[0], &numbers[1], &numbers[2], of->diagnostics, of->state);
}

/* Noise, mismatch, quantization, weights of samples and gains of neurons. */
static dualprop_status use_options(life *of)
{
    static const double weights[CLASSES] = { 1, 2, 3 }, gains[CLASSES] = { 1, 1.5, 2 };
    int layers;
    STEP(dualprop_network_info(&layers, NULL, NULL, NULL, of->network));
    STEP(dualprop_rule_set_noise(of->rule, 0.01, 0.01, 0.01));
    STEP(dualprop_rule_set_alpha_mismatch(of->rule, 0.01));
    STEP(dualprop_rule_set_quantization(of->rule, 8));
    STEP(dualprop_state_prepare(of->state));
    STEP(dualprop_state_set_neurons(of->state, layers, DUALPROP_NEURON_GAIN_PLUS, gains, CLASSES));
    STEP(dualprop_state_set_class_weights(of->state, weights, CLASSES));
    STEP(learn_in_steps(of));
    STEP(dualprop_learn(of->optimizer, of->state, images, labels, BATCH));
    STEP(dualprop_state_set_neurons(of->state, layers, DUALPROP_NEURON_GAIN_PLUS, NULL, 0));
    STEP(dualprop_rule_set_quantization(of->rule, 0));
    STEP(dualprop_rule_set_noise(of->rule, 0, 0, 0));
    return dualprop_state_prepare(of->state);
}

static dualprop_status step_exactly(life *of)
{
    STEP(dualprop_rule_set_output_step(of->rule, DUALPROP_OUTPUT_EXACT));
    STEP(dualprop_state_prepare(of->state));
    STEP(dualprop_infer(of->state, images, labels, BATCH));
    return dualprop_rule_set_output_step(of->rule, DUALPROP_OUTPUT_LINEAR);
}

static dualprop_status damp(life *of)
{
    STEP(dualprop_rule_set_variant(of->rule, DUALPROP_DP_DAMPED));
    STEP(dualprop_state_prepare(of->state));
    return dualprop_infer(of->state, images, labels, BATCH);
}

static int flat_loss(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                     int64_t count, int64_t width)
{
    (void)user_data, (void)outputs, (void)targets;
    if (losses) memset(losses, 0, (size_t)count * sizeof *losses);
    if (slopes) memset(slopes, 0, (size_t)(count * width) * sizeof *slopes);
    return 0;
}

static dualprop_status use_own_loss(life *of)
{
    double loss;
    dualprop_view inputs = image_view(), targets = label_view();
    STEP(dualprop_rule_set_variant(of->rule, DUALPROP_DP));
    STEP(dualprop_rule_set_loss_function(of->rule, flat_loss, NULL));
    STEP(dualprop_state_prepare(of->state));
    STEP(dualprop_infer_view(of->state, &inputs, &targets));
    STEP(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, of->state));
    return dualprop_evaluate_view(&loss, NULL, NULL, 1, of->state, &inputs, &targets);
}

static dualprop_status use_group(life *of)
{
    STEP(dualprop_group_create(&of->group, of->context, &lone_transport));
    STEP(dualprop_optimizer_set_group(of->optimizer, of->group, 1));
    STEP(dualprop_learn(of->optimizer, of->state, images, labels, BATCH));
    STEP(dualprop_group_share_network(of->network, of->group, 0));
    STEP(dualprop_group_check_network(of->group, of->network));
    return dualprop_optimizer_set_group(of->optimizer, NULL, 0);
}

typedef dualprop_status (*step_of_life)(life *of);
enum { LIVES = 3, MOST_STEPS = 20 };
static const step_of_life lives[LIVES][MOST_STEPS] = {
    { make_dense, make_rules, learn, learn_apart, learn_in_steps, look_at_dyads, predict, copy_parameters,
      save_and_load, save_unwritten, diagnose, export_source, measure_objectives, use_group, step_exactly, use_options,
      damp, use_own_loss },
    { make_images, make_rules, learn, learn_without_gradient, learn_apart, learn_in_steps, predict, copy_parameters,
      save_and_load, diagnose, use_group, use_options },
    { make_custom, make_rules, learn, learn_apart, learn_in_steps, look_at_dyads, predict, copy_parameters,
      save_and_load, diagnose },
};

static void end_life(life *of)
{
    dualprop_group_destroy(of->group);
    dualprop_checkpoint_destroy(of->checkpoint);
    dualprop_diagnostics_destroy(of->diagnostics);
    dualprop_optimizer_destroy(of->other);
    dualprop_optimizer_destroy(of->optimizer);
    dualprop_state_destroy(of->bp_state);
    dualprop_state_destroy(of->state);
    dualprop_rule_destroy(of->bp);
    dualprop_rule_destroy(of->rule);
    dualprop_network_destroy(of->clone);
    dualprop_network_destroy(of->network);
    dualprop_context_destroy(of->context);
}

static const char *last_sentence(void)
{
    static char text[256];
    expect_ok(dualprop_last_error(text, sizeof text, NULL, NULL));
    return text;
}

/* Live with call number `at` failing: the step in which it does gives DEVICE, and the others go on as they can. */
static long live(int which, int kind, long at, int for_ever)
{
    life of = { 0 };
    failing_backend_arm(at, for_ever);
    int failed = open_context(&of, kind) != DUALPROP_OK;
    for (int i = 0; lives[which][i]; i++) {
        long before = failing_slots.failures;
        dualprop_status status = lives[which][i](&of);
        int fails = failing_slots.failures > before;
        ck_assert_msg(!fails || status == DUALPROP_ERROR_DEVICE, "life %d, step %d: call %ld (%s) fails: %s", which, i,
                      at, failing_slots.last, dualprop_status_name(status));
        ck_assert_msg(fails || failed || status == DUALPROP_OK, "life %d, step %d: %s: %s", which, i,
                      dualprop_status_name(status), last_sentence());
        failed |= fails;
    }
    long failures = failing_slots.failures;
    failing_backend_arm(0, 0);
    end_life(&of);
    ck_assert_int_eq(failing_slots.live_blocks, 0);
    ck_assert_int_eq(memory.live_blocks, 0);
    ck_assert_int_eq(memory.misuse, 0);
    return failures;
}

/* Parts of the caller's need memory of the host. */
static const struct {
    int life, kind;
} rows[] = { { 0, FAILING_DEVICE },  { 0, FAILING_DEFERRED }, { 1, FAILING_DEVICE },      { 1, FAILING_DEFERRED },
             { 2, FAILING_HOST },    { 0, FAILING_HOST },     { 0, FAILING_FOLLOWERS },   { 1, FAILING_FOLLOWERS },
             { 0, FAILING_PRODUCT }, { 0, FAILING_DENSE },    { 1, FAILING_CONVOLUTIONS } };
enum { ROWS = sizeof rows / sizeof *rows };

/* A row is a life on a kind of backend, whose calls fail once, or every fifth for ever. */
START_TEST(every_call_of_a_backend_fails)
{
    memset(&memory, 0, sizeof memory);
    for (int i = 0; i < BATCH * INPUTS; i++) images[i] = (double)(i % 7) / 7 - 0.3;
    long at = 1;
    while (live(rows[_i / 2].life, rows[_i / 2].kind, at, _i % 2) > 0) at += _i % 2 ? 5 : 1;
    ck_assert_int_gt(at, 30);
}
END_TEST

/* ---- tables that are not whole ---- */

static void expect_table(const dualprop_backend *table, const char *word)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.backend = table;
    dualprop_status status = dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options);
    if (word) expect_error(status, DUALPROP_ERROR_INVALID_ARGUMENT, word);
    else expect_ok(status);
    if (!word) expect_ok(dualprop_context_synchronize(context));
    dualprop_context_destroy(context);
}

/* The table with a slot left out; of the same size, as all slots are pointers to functions. */
static dualprop_backend without(const dualprop_backend *table, size_t offset)
{
    dualprop_backend lacking = *table;
    memset((char *)&lacking + offset, 0, sizeof(void (*)(void)));
    return lacking;
}

#define SLOTS_FROM(member) offsetof(dualprop_backend, member)

/* A device has to do everything; a table on host memory is completed, but not within what belongs together. */
START_TEST(tables_that_lack_a_slot)
{
    const size_t each = sizeof(void (*)(void));
    dualprop_backend table = *failing_backend_table(FAILING_DEVICE), lacking;
    failing_backend_arm(0, 0);
    expect_table(&table, NULL);
    for (size_t at = SLOTS_FROM(allocate); at <= SLOTS_FROM(fill_uniform); at += each) {
        lacking = without(&table, at);
        expect_table(&lacking, "every slot is required where memory is not host memory");
    }
    for (size_t at = SLOTS_FROM(convolution_weight_elements); at <= SLOTS_FROM(convolution_gradient); at += each) {
        lacking = without(&table, at);
        expect_table(&lacking, "the nine slots for convolutions come together");
    }
    for (size_t at = SLOTS_FROM(name); at <= SLOTS_FROM(describe); at += each) {
        lacking = without(&table, at);
        expect_table(&lacking, "name, create, destroy and describe are required");
    }
    lacking = without(&table, SLOTS_FROM(extended_update));
    expect_table(&lacking, "extended_update and output_proximal come together");
    lacking = without(&table, SLOTS_FROM(output_proximal));
    expect_table(&lacking, "extended_update and output_proximal come together");
    table = *failing_backend_table(FAILING_DEFERRED);
    lacking = without(&table, SLOTS_FROM(end_deferred));
    expect_table(&lacking, "begin_deferred and end_deferred come together");
    table = *failing_backend_table(FAILING_HOST);
    expect_table(&table, NULL);
    lacking = without(&table, SLOTS_FROM(release));
    expect_table(&lacking, "allocate and release come together");
    lacking = without(&table, SLOTS_FROM(write_weights));
    expect_table(&lacking, "weight_elements, write_weights and read_weights come together");
    lacking = without(&table, SLOTS_FROM(dense_gradient));
    expect_table(&lacking, "all four dense slots");
    lacking = without(&table, SLOTS_FROM(compare));
    expect_table(&lacking, NULL);
}
END_TEST

/* ---- a device in a forked child ---- */

static life parent;

#define FORKED(call) expect_error((call), DUALPROP_ERROR_FORKED, "process")

static void make_in_child(void)
{
    static const int64_t one[2] = { 1, 1 };
    dualprop_context *context = parent.context;
    dualprop_network *network = parent.network;
    life made = { 0 };
    FORKED(dualprop_network_create(&made.network, context, 1, 1, 1));
    FORKED(dualprop_network_clone(&made.clone, network));
    FORKED(dualprop_rule_create(&made.rule, context, DUALPROP_DP));
    FORKED(dualprop_state_create(&made.state, network, parent.rule, 1));
    FORKED(dualprop_optimizer_create(&made.optimizer, network, DUALPROP_SGD));
    FORKED(dualprop_diagnostics_create(&made.diagnostics, network, DUALPROP_MSE, 1));
    FORKED(dualprop_checkpoint_create(&made.checkpoint, context));
    FORKED(dualprop_checkpoint_read_memory(&made.checkpoint, context, "x", 1));
    FORKED(dualprop_checkpoint_get_network(&made.network, parent.checkpoint));
    FORKED(dualprop_group_create(&made.group, context, &lone_transport));
    FORKED(dualprop_network_add_dense(network, 1, DUALPROP_RELU));
    FORKED(dualprop_network_add_convolution(network, 1, one, one, NULL, DUALPROP_RELU));
    FORKED(dualprop_network_add_custom(network, 1000, 1, 1, 1, DUALPROP_RELU));
    FORKED(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, one, one));
    FORKED(dualprop_network_add_flatten(network));
    ck_assert(!made.network && !made.clone && !made.rule && !made.state && !made.optimizer && !made.diagnostics &&
              !made.checkpoint && !made.group);
}

static void use_in_child(void)
{
    double numbers[512] = { 0 };
    dualprop_view inputs = image_view(), targets = label_view();
    dualprop_view biases = vector_view(numbers, DUALPROP_F64, 5),
                  weights = matrix_view(numbers, DUALPROP_F64, 4, CLASSES);
    FORKED(dualprop_infer(parent.state, images, labels, BATCH));
    FORKED(dualprop_infer_begin(parent.state, &inputs, &targets));
    FORKED(dualprop_predict(numbers, parent.state, images, BATCH));
    FORKED(dualprop_state_read(&weights, parent.state, 1, DUALPROP_S_MEAN));
    FORKED(dualprop_state_prepare(parent.state));
    FORKED(dualprop_learn(parent.optimizer, parent.state, images, labels, BATCH));
    FORKED(dualprop_gradient(parent.optimizer, parent.state));
    FORKED(dualprop_step(parent.optimizer));
    FORKED(dualprop_diagnostics_twin(parent.diagnostics, &inputs, &targets));
    FORKED(dualprop_diagnostics_lipschitz(numbers, parent.diagnostics, 1));
    FORKED(dualprop_network_initialize(parent.network, 1));
    FORKED(dualprop_network_read(&biases, parent.network, "layer1.bias"));
    FORKED(dualprop_network_write(parent.network, "layer1.bias", &biases));
    FORKED(dualprop_network_copy(parent.clone, parent.network));
    FORKED(dualprop_network_publish(parent.clone, parent.network));
    FORKED(dualprop_network_set_feedback(parent.network, DUALPROP_FEEDBACK_SYMMETRIC, 0));
    FORKED(dualprop_network_read_feedback(&weights, parent.network, 3));
    FORKED(dualprop_network_write_feedback(parent.network, 3, &weights));
    FORKED(dualprop_network_export_c(parent.network, "/tmp", "exported"));
    FORKED(dualprop_checkpoint_put_network(parent.checkpoint, parent.network));
    FORKED(dualprop_checkpoint_put_optimizer(parent.checkpoint, parent.optimizer));
    FORKED(dualprop_checkpoint_put_state(parent.checkpoint, parent.state));
    FORKED(dualprop_checkpoint_write(parent.checkpoint, "/tmp/x"));
    FORKED(dualprop_context_set_stream(parent.context, NULL));
    FORKED(dualprop_context_synchronize(parent.context));
}

/* A device cannot be used after a fork: every call says so, and destroying in the child leaves the device alone. */
START_TEST(a_forked_child_has_no_device)
{
    memset(&memory, 0, sizeof memory);
    failing_backend_arm(0, 0);
    expect_ok(open_context(&parent, FAILING_DEVICE));
    for (int i = 0; i < 11; i++) expect_ok(lives[0][i](&parent)); /* all that it makes is made then */
    expect_ok(use_group(&parent));
    expect_ok(dualprop_context_synchronize(parent.context));
    expect_error(dualprop_context_set_stream(parent.context, NULL), DUALPROP_ERROR_UNSUPPORTED, "has no streams");
    failing_backend_arm(1, 1);
    pid_t child = fork();
    if (child == 0) {
        make_in_child();
        use_in_child();
        end_life(&parent);
        exit(failing_slots.calls == 0 ? 0 : 1);
    }
    int status = 1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    failing_backend_arm(0, 0);
    expect_ok(dualprop_learn(parent.optimizer, parent.state, images, labels, BATCH));
    end_life(&parent);
    ck_assert_int_eq(memory.live_blocks, 0);
}
END_TEST

Suite *test_failing_backend_suite(void)
{
    Suite *suite = suite_create("failing backend");
    TCase *tests = tcase_create("failing backend");
    tcase_add_test(tests, tables_that_lack_a_slot);
    tcase_add_test(tests, a_forked_child_has_no_device);
    tcase_add_loop_test(tests, every_call_of_a_backend_fails, 0, 2 * ROWS);
    suite_add_tcase(suite, tests);
    return suite;
}
