/*
 * test_arguments_state.c - every function of state.h with every bad argument.
 */
#include "arguments.h"

Suite *test_arguments_state_suite(void);

/* NULL is a rule too: none. */
#define RULE_HANDLES(call)                                          \
    for (int bad_index = 1; bad_index < BAD_HANDLES; bad_index++) { \
        dualprop_rule *bad = bad_handle(RULE, bad_index);           \
        expect_error(call, DUALPROP_ERROR_HANDLE, "rule");          \
    }

static void sweep_state_create(void)
{
    dualprop_state *made;
    dualprop_network *empty;
    INVALID("state", dualprop_state_create(NULL, own.network, own.rule, 1));
    HANDLES_OF_CREATE(network, NETWORK, "network", made, dualprop_state_create(&made, bad, own.rule, 1))
    RULE_HANDLES(dualprop_state_create(&made, own.network, bad, 1))
    NUMBERS(int64_t, "capacity", dualprop_state_create(&made, own.network, own.rule, bad), 0, -1, INT64_MIN);
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity", dualprop_state_create(&made, own.network, own.rule, INT64_MAX));
    NOTHING(made, DUALPROP_ERROR_RANGE, "capacity", dualprop_state_create(&made, own.network, NULL, INT64_MAX / 8));
    NOTHING(made, DUALPROP_ERROR_NO_MEMORY, "", dualprop_state_create(&made, own.network, NULL, (int64_t)1 << 50));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "rule", dualprop_state_create(&made, own.network, foreign.rule, 1));
    expect_ok(dualprop_network_create(&empty, own.context, 1, 1, 2));
    NOTHING(made, DUALPROP_ERROR_INVALID_ARGUMENT, "network", dualprop_state_create(&made, empty, NULL, 1));
    expect_ok(dualprop_network_add_dense(empty, 2, DUALPROP_RELU));
    NOTHING(made, DUALPROP_ERROR_UNSUPPORTED, "activation", dualprop_state_create(&made, empty, own.rule, 1));
    dualprop_network_destroy(empty);
}

static void sweep_state_destroy(void)
{
    DESTROYS(state, STATE);
}

static void sweep_state_prepare(void)
{
    HANDLES(state, STATE, "state", dualprop_state_prepare(bad))
}

static void sweep_state_set_augmentation(void)
{
    static const int32_t mirrored_twice[3] = { 0, 0, 2 }, mirrored_back[3] = { 0, 0, -1 }, still[3 * COUNT];
    HANDLES(state, STATE, "state", dualprop_state_set_augmentation(bad, still, 1))
    NUMBERS(int64_t, "count", dualprop_state_set_augmentation(own.state, still, bad), -1, CAPACITY + 1, INT64_MIN,
            INT64_MAX);
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, NULL, 1));
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, mirrored_twice, 1));
    INVALID("augmentation", dualprop_state_set_augmentation(own.state, mirrored_back, 1));
}

#define BAD_WEIGHTS(setter, count)                                 \
    do {                                                           \
        double spoilt[CAPACITY] = { 1, 1, 1, 1, 1 };               \
        HANDLES(state, STATE, "state", setter(bad, spoilt, count)) \
        INVALID("weights", setter(own.state, NULL, count));        \
        spoilt[1] = -1e-300;                                       \
        INVALID("weights[1]", setter(own.state, spoilt, count));   \
        spoilt[1] = NAN;                                           \
        INVALID("weights[1]", setter(own.state, spoilt, count));   \
        spoilt[1] = INFINITY;                                      \
        INVALID("weights[1]", setter(own.state, spoilt, count));   \
    } while (0)

static void sweep_state_set_sample_weights(void)
{
    static const double weights[CAPACITY + 1];
    BAD_WEIGHTS(dualprop_state_set_sample_weights, CAPACITY);
    NUMBERS(int64_t, "count", dualprop_state_set_sample_weights(own.state, weights, bad), -1, CAPACITY + 1, INT64_MIN,
            INT64_MAX);
}

static void sweep_state_set_class_weights(void)
{
    static const double weights[CAPACITY + 1];
    BAD_WEIGHTS(dualprop_state_set_class_weights, CLASSES);
    NUMBERS(int64_t, "count", dualprop_state_set_class_weights(own.state, weights, bad), -1, CLASSES - 1, CLASSES + 1,
            INT64_MIN, INT64_MAX);
}

static void sweep_state_memory_needed(void)
{
    INVALID("bytes", dualprop_state_memory_needed(NULL, own.network, own.rule, 1));
    HANDLES(network, NETWORK, "network", dualprop_state_memory_needed(&out.u[0], bad, own.rule, 1))
    RULE_HANDLES(dualprop_state_memory_needed(&out.u[0], own.network, bad, 1))
    NUMBERS(int64_t, "capacity", dualprop_state_memory_needed(&out.u[0], own.network, own.rule, bad), 0, -1, INT64_MIN);
    expect_error(dualprop_state_memory_needed(&out.u[0], own.network, own.rule, INT64_MAX), DUALPROP_ERROR_RANGE,
                 "capacity");
}

static void sweep_infer(void)
{
    HANDLES(state, STATE, "state", dualprop_infer(bad, images, labels, COUNT))
    INVALID("images", dualprop_infer(own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_infer(own.state, images, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_infer(own.state, images, labels, bad), 0, -1, CAPACITY + 1, INT64_MIN,
            INT64_MAX);
    BAD_LABELS(dualprop_infer(own.state, images, bad, COUNT));
}

/* Shapes that hold the wrong number of elements, whatever their rank. */
#define OTHER_INPUT_SHAPES(call)                                                 \
    do {                                                                         \
        dualprop_view other = image_view(), *bad = &other;                       \
        other.rank = 4;                                                          \
        memcpy(other.shape, (int64_t[]){ COUNT, 2, 2, 2 }, 4 * sizeof(int64_t)); \
        memcpy(other.strides, (int64_t[]){ 4, 2, 1, 0 }, 4 * sizeof(int64_t));   \
        INVALID("inputs", call);                                                 \
        other.shape[3] = 1;                                                      \
        other.shape[0] = CAPACITY + 1;                                           \
        expect_error(call, DUALPROP_ERROR_INVALID_ARGUMENT, "");                 \
    } while (0)

static void sweep_infer_view(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    dualprop_view dense = matrix_view(values, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_infer_view(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_infer_view(own.state, bad, &targets))
    OTHER_INPUT_SHAPES(dualprop_infer_view(own.state, bad, &targets));
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_infer_view(own.state, &inputs, bad))
    VIEWS(dense, DUALPROP_U8, BAD_VIEWS, "targets", dualprop_infer_view(own.state, &inputs, bad))
    for (int way = VIEW_OTHER_RANK; way < BAD_VIEWS; way++) {
        dualprop_view spoilt, *bad = bad_view(&spoilt, &targets, 0, way);
        INVALID("labels", dualprop_infer_view(own.state, &inputs, bad));
    }
}

static void sweep_infer_gradient(void)
{
    dualprop_view inputs = image_view(), gradient = matrix_view(values, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_infer_gradient(bad, &inputs, &gradient))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_infer_gradient(own.state, bad, &gradient))
    OTHER_INPUT_SHAPES(dualprop_infer_gradient(own.state, bad, &gradient));
    VIEWS(gradient, DUALPROP_I32, BAD_VIEWS, "gradient", dualprop_infer_gradient(own.state, &inputs, bad))
}

static void sweep_infer_begin(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_infer_begin(bad, &inputs, &targets))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_infer_begin(own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets", dualprop_infer_begin(own.state, &inputs, bad))
}

static void sweep_infer_layer(void)
{
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_infer_layer(bad, 1))
    expect_error(dualprop_infer_layer(own.state, 1), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
    expect_ok(dualprop_infer_begin(foreign.state, &inputs, &targets));
    NUMBERS(int, "index", dualprop_infer_layer(foreign.state, bad), 0, -1, 3, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_infer_layer(foreign.state, 1));
    expect_ok(dualprop_infer_end(foreign.state));
}

static void sweep_infer_pass(void)
{
    HANDLES(state, STATE, "state", dualprop_infer_pass(bad))
    expect_error(dualprop_infer_pass(own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_infer_end(void)
{
    HANDLES(state, STATE, "state", dualprop_infer_end(bad))
    expect_error(dualprop_infer_end(own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_state_read(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, COUNT, HIDDEN);
    HANDLES(state, STATE, "state", dualprop_state_read(&good, bad, 1, DUALPROP_S_MEAN))
    NUMBERS(int, "index", dualprop_state_read(&good, own.state, bad, DUALPROP_S_MEAN), -1, 3, INT32_MIN, INT32_MAX);
    INVALID("index", dualprop_state_read(&good, own.state, 0, DUALPROP_S_BOTTOM_UP));
    NUMBERS(int, "which", dualprop_state_read(&good, own.state, 1, bad), -1, 6, INT32_MIN, INT32_MAX);
    OUTPUT_VIEWS(good, DUALPROP_I32, "view", dualprop_state_read(bad, own.state, 1, DUALPROP_S_PLUS));
}

static void sweep_state_write(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, COUNT, HIDDEN), inputs = image_view(),
                  targets = label_view();
    HANDLES(state, STATE, "state", dualprop_state_write(bad, 1, DUALPROP_S_MEAN, &good))
    expect_error(dualprop_state_write(own.state, 1, DUALPROP_S_MEAN, &good), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer_begin");
    expect_ok(dualprop_infer_begin(own.state, &inputs, &targets));
    struct copy before = copy_world(&own);
    NUMBERS(int, "index", dualprop_state_write(own.state, bad, DUALPROP_S_MEAN, &good), -1, 3, INT32_MIN, INT32_MAX);
    NUMBERS(int, "which", dualprop_state_write(own.state, 1, bad, &good), -1, DUALPROP_S_BOTTOM_UP, DUALPROP_S_TOP_DOWN,
            INT32_MIN, INT32_MAX);
    VIEWS(good, DUALPROP_U8, BAD_VIEWS, "view", dualprop_state_write(own.state, 1, DUALPROP_S_DELTA, bad))
    values[7] = NAN;
    expect_error(dualprop_state_write(own.state, 1, DUALPROP_S_PLUS, &good), DUALPROP_ERROR_NOT_FINITE, "view");
    expect_unchanged(&before, &own, "dualprop_state_write");
    expect_ok(dualprop_infer_end(own.state));
}

static void sweep_state_read_part(void)
{
    dualprop_view good = matrix_view(out.reals, DUALPROP_F32, COUNT, 2);
    HANDLES(state, STATE, "state", dualprop_state_read_part(&good, bad, 1, DUALPROP_S_MEAN, 0))
    NUMBERS(int, "index", dualprop_state_read_part(&good, own.state, bad, DUALPROP_S_MEAN, 0), -1, 3, INT32_MIN,
            INT32_MAX);
    NUMBERS(int, "which", dualprop_state_read_part(&good, own.state, 1, bad, 0), -1, 6, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "first", dualprop_state_read_part(&good, own.state, 1, DUALPROP_S_PLUS, bad), -1, HIDDEN,
            INT64_MIN, INT64_MAX);
    INVALID("view", dualprop_state_read_part(&good, own.state, 1, DUALPROP_S_PLUS, HIDDEN - 1));
    VIEWS(good, DUALPROP_I32, VIEW_OTHER_RANK, "view", dualprop_state_read_part(bad, own.state, 1, DUALPROP_S_PLUS, 0));
}

static void sweep_state_write_part(void)
{
    dualprop_view good = matrix_view(values, DUALPROP_F32, COUNT, 2), inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_state_write_part(bad, 1, DUALPROP_S_MEAN, 0, &good))
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_MEAN, 0, &good), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer_begin");
    expect_ok(dualprop_infer_begin(own.state, &inputs, &targets));
    struct copy before = copy_world(&own);
    NUMBERS(int, "index", dualprop_state_write_part(own.state, bad, DUALPROP_S_MEAN, 0, &good), -1, 3, INT32_MIN,
            INT32_MAX);
    NUMBERS(int, "which", dualprop_state_write_part(own.state, 1, bad, 0, &good), -1, DUALPROP_S_BOTTOM_UP,
            DUALPROP_S_TOP_DOWN, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "first", dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, bad, &good), -1, HIDDEN,
            INT64_MIN, INT64_MAX);
    VIEWS(good, DUALPROP_U8, VIEW_OTHER_RANK, "view", dualprop_state_write_part(own.state, 1, DUALPROP_S_DELTA, 0, bad))
    values[3] = NAN;
    expect_error(dualprop_state_write_part(own.state, 1, DUALPROP_S_PLUS, 0, &good), DUALPROP_ERROR_NOT_FINITE, "view");
    expect_unchanged(&before, &own, "dualprop_state_write_part");
    expect_ok(dualprop_infer_end(own.state));
}

static void sweep_state_set_neurons(void)
{
    static const double ones[HIDDEN + 1] = { 1, 1, 1, 1 };
    double wrong[HIDDEN] = { 0, 0, 0 };
    HANDLES(state, STATE, "state", dualprop_state_set_neurons(bad, 1, DUALPROP_NEURON_ALPHA, ones, HIDDEN))
    NUMBERS(int, "index", dualprop_state_set_neurons(own.state, bad, DUALPROP_NEURON_ALPHA, ones, HIDDEN), -1, 0, 3,
            INT32_MIN, INT32_MAX);
    NUMBERS(int, "which", dualprop_state_set_neurons(own.state, 1, bad, ones, HIDDEN), -1, 5, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "count", dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, ones, bad), -1,
            HIDDEN - 1, HIDDEN + 1, INT64_MIN, INT64_MAX);
    INVALID("values", dualprop_state_set_neurons(own.state, 1, DUALPROP_NEURON_ALPHA, NULL, HIDDEN));
    for (int which = DUALPROP_NEURON_ALPHA; which <= DUALPROP_NEURON_LISTENS; which++) {
        int is_gain = which == DUALPROP_NEURON_GAIN_PLUS || which == DUALPROP_NEURON_GAIN_MINUS;
        const double bad_values[] = { NAN, INFINITY, is_gain ? 1e16 : -1e-9,
                                      which == DUALPROP_NEURON_NOISE || is_gain ? -INFINITY : 1.5 };
        for (int i = 0; i < 4; i++) {
            wrong[2] = bad_values[i];
            INVALID("values[2]", dualprop_state_set_neurons(own.state, 1, which, wrong, HIDDEN));
        }
    }
}

static void sweep_state_keep_inference(void)
{
    dualprop_state *predicts;
    HANDLES(state, STATE, "state", dualprop_state_keep_inference(bad, 1))
    NUMBERS(int, "keep", dualprop_state_keep_inference(own.state, bad), -1, 2, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_state_create(&predicts, own.network, NULL, 1));
    expect_error(dualprop_state_keep_inference(predicts, 1), DUALPROP_ERROR_INVALID_STATE, "without a rule");
    dualprop_state_destroy(predicts);
}

static void sweep_state_report(void)
{
    dualprop_state *fresh;
    HANDLES(state, STATE, "state",
            dualprop_state_report(&out.i[0], &out.d[0], &out.n[0], &out.n[1], &out.d[1], &out.n[2], bad))
    expect_ok(dualprop_state_create(&fresh, own.network, own.rule, 1));
    expect_error(dualprop_state_report(&out.i[0], NULL, NULL, NULL, &out.d[0], NULL, fresh),
                 DUALPROP_ERROR_INVALID_STATE, "dualprop_infer");
    dualprop_state_destroy(fresh);
}

static void sweep_state_damping(void)
{
    dualprop_state *fresh;
    HANDLES(state, STATE, "state", dualprop_state_damping(&out.d[0], &out.d[1], bad, 1))
    NUMBERS(int, "index", dualprop_state_damping(&out.d[0], &out.d[1], own.state, bad), -1, 2, INT32_MIN, INT32_MAX);
    expect_ok(dualprop_state_create(&fresh, own.network, own.rule, 1));
    expect_error(dualprop_state_damping(&out.d[0], &out.d[1], fresh, 1), DUALPROP_ERROR_INVALID_STATE,
                 "dualprop_infer");
    dualprop_state_destroy(fresh);
}

static void sweep_state_inference_count(void)
{
    HANDLES(state, STATE, "state", dualprop_state_inference_count(&out.u[0], bad))
    INVALID("inferences", dualprop_state_inference_count(NULL, own.state));
}

static void sweep_state_set_inference_count(void)
{
    HANDLES(state, STATE, "state", dualprop_state_set_inference_count(bad, 1))
    INVALID("inferences", dualprop_state_set_inference_count(own.state, UINT64_MAX));
}

static void sweep_infer_update(void)
{
    HANDLES(optimizer, OPTIMIZER, "optimizer", dualprop_infer_update(bad, own.state))
    HANDLES(state, STATE, "state", dualprop_infer_update(own.optimizer, bad))
    INVALID("different networks", dualprop_infer_update(own.optimizer, foreign.state));
    expect_error(dualprop_infer_update(own.optimizer, own.state), DUALPROP_ERROR_INVALID_STATE, "dualprop_infer_begin");
}

static void sweep_predict(void)
{
    HANDLES(state, STATE, "state", dualprop_predict(out.reals, bad, images, COUNT))
    INVALID("scores", dualprop_predict(NULL, own.state, images, COUNT));
    INVALID("images", dualprop_predict(out.reals, own.state, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_predict(out.reals, own.state, images, bad), 0, -1, INT64_MIN, INT64_MAX);
}

static void sweep_predict_view(void)
{
    dualprop_view inputs = image_view(), good = matrix_view(out.reals, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_predict_view(&good, bad, &inputs))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_predict_view(&good, own.state, bad))
    OUTPUT_VIEWS(good, DUALPROP_U8, "scores", dualprop_predict_view(bad, own.state, &inputs));
}

static void sweep_predict_probabilities(void)
{
    HANDLES(state, STATE, "state", dualprop_predict_probabilities(out.reals, bad, images, COUNT))
    INVALID("probabilities", dualprop_predict_probabilities(NULL, own.state, images, COUNT));
    INVALID("images", dualprop_predict_probabilities(out.reals, own.state, NULL, COUNT));
    NUMBERS(int64_t, "count", dualprop_predict_probabilities(out.reals, own.state, images, bad), 0, -1, INT64_MIN,
            INT64_MAX);
}

static void sweep_predict_probabilities_view(void)
{
    dualprop_view inputs = image_view(), good = matrix_view(out.reals, DUALPROP_F32, COUNT, CLASSES);
    HANDLES(state, STATE, "state", dualprop_predict_probabilities_view(&good, bad, &inputs))
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs", dualprop_predict_probabilities_view(&good, own.state, bad))
    OUTPUT_VIEWS(good, DUALPROP_U8, "probabilities", dualprop_predict_probabilities_view(bad, own.state, &inputs));
}

static void sweep_evaluate(void)
{
    double *loss = &out.d[0];
    int64_t *correct = &out.n[0], *top_k = &out.n[1];
    HANDLES(state, STATE, "state", dualprop_evaluate(loss, correct, top_k, 1, bad, images, labels, COUNT))
    INVALID("images", dualprop_evaluate(loss, correct, top_k, 1, own.state, NULL, labels, COUNT));
    INVALID("labels", dualprop_evaluate(loss, correct, top_k, 1, own.state, images, NULL, COUNT));
    NUMBERS(int, "k is", dualprop_evaluate(loss, correct, top_k, bad, own.state, images, labels, COUNT), 0, -1,
            CLASSES + 1, INT32_MIN, INT32_MAX);
    NUMBERS(int64_t, "count", dualprop_evaluate(loss, correct, top_k, 1, own.state, images, labels, bad), 0, -1,
            INT64_MIN, INT64_MAX);
    BAD_LABELS(dualprop_evaluate(loss, correct, top_k, 1, own.state, images, bad, COUNT));
}

static void sweep_evaluate_view(void)
{
    double *loss = &out.d[0];
    int64_t *correct = &out.n[0], *top_k = &out.n[1];
    dualprop_view inputs = image_view(), targets = label_view();
    HANDLES(state, STATE, "state", dualprop_evaluate_view(loss, correct, top_k, 1, bad, &inputs, &targets))
    NUMBERS(int, "k is", dualprop_evaluate_view(loss, correct, top_k, bad, own.state, &inputs, &targets), 0, -1,
            CLASSES + 1, INT32_MIN, INT32_MAX);
    VIEWS(inputs, DUALPROP_I32, BAD_VIEWS, "inputs",
          dualprop_evaluate_view(loss, correct, top_k, 1, own.state, bad, &targets))
    VIEWS(targets, DUALPROP_U8, VIEW_OTHER_RANK, "targets",
          dualprop_evaluate_view(loss, correct, top_k, 1, own.state, &inputs, bad))
}

/* clang-format off */
static const struct sweep SWEEPS[] = {
    SWEEP(state_create), SWEEP(state_destroy), SWEEP(state_prepare), SWEEP(state_set_augmentation),
    SWEEP(state_set_sample_weights), SWEEP(state_set_class_weights),
    SWEEP(state_memory_needed), SWEEP(infer), SWEEP(infer_view), SWEEP(infer_gradient),
    SWEEP(infer_begin), SWEEP(infer_layer),
    SWEEP(infer_pass), SWEEP(infer_end), SWEEP(state_read), { "dualprop_state_write", sweep_state_write, 1 },
    SWEEP(state_read_part), { "dualprop_state_write_part", sweep_state_write_part, 1 }, SWEEP(state_set_neurons),
    SWEEP(state_keep_inference),
    SWEEP(state_report), SWEEP(state_damping), SWEEP(state_inference_count), SWEEP(state_set_inference_count),
    SWEEP(infer_update), SWEEP(predict), SWEEP(predict_view), SWEEP(predict_probabilities),
    SWEEP(predict_probabilities_view), SWEEP(evaluate), SWEEP(evaluate_view),
};
/* clang-format on */
const struct sweep_list SWEEPS_OF_STATE = { SWEEPS, SWEEP_COUNT(SWEEPS) };

Suite *test_arguments_state_suite(void)
{
    return arguments_suite("arguments_state", &SWEEPS_OF_STATE);
}
