/*
 * test_refused_calls.c - a call that fails late has changed nothing: not what it would have filled, and nothing that a
 * later call shows.
 *
 * Two models get the same calls on the same data. Before each call of the first comes the same call with a fault in it:
 * a NaN or an unknown label in the last sample, memory that runs out at any allocation, or a cancelled context. What
 * the faulty call was given to fill has to stay as it was, and so have all parameters, moments, texts and dyads that a
 * checkpoint holds; the call without the fault then gives the second model's bits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/backend.h>

#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/randomness.h"

enum { INPUTS = 12, CLASSES = 4, FEWER = 3, CAPACITY = 5, MOST = 13, OUTPUTS = 128, MOST_BYTES = 1 << 15 };
enum { UNTOUCHED = 0x5a };

typedef struct model {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_diagnostics *diagnostics;
    dualprop_checkpoint *checkpoint;
} model;

/* What a call reads, and what it fills. */
typedef struct exchange {
    double images[MOST * INPUTS];
    int32_t labels[MOST];
    double dense[MOST * CLASSES]; /* targets */
    double filled[OUTPUTS];
} exchange;

static failing_allocator memory;

/* ---- the models: on the CPU's backends, and on one that defers work as a device does, but does it at once ---- */

enum { DEFERS = 100, BACKENDS = 3 };
static const int backends[BACKENDS] = { DUALPROP_BACKEND_REFERENCE, DUALPROP_BACKEND_BLIS, DEFERS };

static dualprop_status begin_at_once(void *self)
{
    (void)self;
    return DUALPROP_OK;
}

static dualprop_status end_at_once(void *self, int discard)
{
    (void)self, (void)discard;
    return DUALPROP_OK;
}

static dualprop_status create_context(dualprop_context **context, int backend, dualprop_options *options)
{
    if (backend != DEFERS) return dualprop_context_create(context, backend, options);
    static dualprop_backend table; /* borrowed for the context's life */
    table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    table.begin_deferred = begin_at_once;
    table.end_deferred = end_at_once;
    options->backend = &table;
    return dualprop_context_create(context, DUALPROP_BACKEND_AUTO, options);
}

static void make_rule(model *made, int backend)
{
    expect_ok(dualprop_rule_create(&made->rule, made->context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_set_schedule(made->rule, DUALPROP_FORWARD_BACKWARD, 3));
    expect_ok(dualprop_rule_set_warm_start(made->rule, 1));
    if (backend != DEFERS) expect_ok(dualprop_rule_set_noise(made->rule, 0.01, 0.01, 0)); /* else nothing is deferred */
    expect_ok(dualprop_rule_set_feedback(made->rule, DUALPROP_FEEDBACK_KOLEN_POLLACK));
}

static void make_model(model *made, int backend, const dualprop_allocator *allocator)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    options.allocator = allocator;
    options.threads = 2;
    expect_ok(create_context(&made->context, backend, &options));
    expect_ok(dualprop_network_create(&made->network, made->context, 2, 3, 2));
    expect_ok(dualprop_network_add_dense(made->network, 9, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(made->network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made->network, 3));
    expect_ok(dualprop_network_set_feedback(made->network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 4));
    make_rule(made, backend);
    expect_ok(dualprop_state_create(&made->state, made->network, made->rule, CAPACITY));
    expect_ok(dualprop_optimizer_create(&made->optimizer, made->network, DUALPROP_ADAM));
    expect_ok(dualprop_diagnostics_create(&made->diagnostics, made->network, DUALPROP_FEEDBACK_SYMMETRIC, CAPACITY));
    expect_ok(dualprop_checkpoint_create(&made->checkpoint, made->context));
}

static void destroy_model(model *made)
{
    dualprop_checkpoint_destroy(made->checkpoint);
    dualprop_diagnostics_destroy(made->diagnostics);
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_state_destroy(made->state);
    dualprop_rule_destroy(made->rule);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

/* ---- all that can be seen of a model ---- */

typedef struct contents {
    size_t size;
    unsigned char bytes[MOST_BYTES];
} contents;

static void add_bytes(contents *to, const void *bytes, size_t size)
{
    ck_assert_uint_le(to->size + size, MOST_BYTES);
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void add_tensors(contents *to, const dualprop_checkpoint *checkpoint)
{
    int64_t count;
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        dualprop_view view = { .struct_size = sizeof view };
        expect_ok(dualprop_checkpoint_tensor(&name, &view, checkpoint, i));
        size_t elements = 1;
        for (int k = 0; k < view.rank; k++) elements *= (size_t)view.shape[k];
        add_bytes(to, name, strlen(name));
        add_bytes(to, view.data, elements * sizeof(double));
    }
}

static void look(contents *seen, const model *at)
{
    static const char *const texts[] = { "network", "rule", "optimizer", "feedback", "state" };
    dualprop_checkpoint *checkpoint;
    seen->size = 0;
    expect_ok(dualprop_checkpoint_create(&checkpoint, at->context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, at->network));
    expect_ok(dualprop_checkpoint_put_rule(checkpoint, at->rule));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, at->optimizer));
    expect_ok(dualprop_checkpoint_put_state(checkpoint, at->state));
    add_tensors(seen, checkpoint);
    for (int i = 0; i < 5; i++) {
        char text[2048];
        size_t needed;
        expect_ok(dualprop_checkpoint_get_text(text, sizeof text, &needed, checkpoint, texts[i]));
        add_bytes(seen, text, needed);
    }
    dualprop_checkpoint_destroy(checkpoint);
}

/* ---- the calls: each reads and fills an exchange ---- */

static dualprop_view images_of(exchange *data, int64_t count)
{
    return matrix_view(data->images, DUALPROP_F64, count, INPUTS);
}

static dualprop_status call_learn(model *on, exchange *data)
{
    return dualprop_learn(on->optimizer, on->state, data->images, data->labels, CAPACITY);
}

static dualprop_status call_learn_view(model *on, exchange *data)
{
    dualprop_view inputs = images_of(data, CAPACITY), targets = vector_view(data->labels, DUALPROP_I32, CAPACITY);
    return dualprop_learn_view(on->optimizer, on->state, &inputs, &targets);
}

static dualprop_status call_learn_moved(model *on, exchange *data)
{
    static const int32_t moves[3 * CAPACITY] = { 0, 1, 0, 1, 0, 1, -1, 0, 0, 0, -1, 1, 0, 0, 1 };
    if (data->filled[0] != 0) { /* the faulty call comes first: it must not use them up */
        dualprop_status status = dualprop_state_set_augmentation(on->state, moves, CAPACITY);
        if (status != DUALPROP_OK) return status;
    }
    return call_learn(on, data);
}

static dualprop_status call_infer(model *on, exchange *data)
{
    return dualprop_infer(on->state, data->images, data->labels, CAPACITY);
}

/* Another number of samples than the inference before, whose dyads it does not begin with. */
static dualprop_status call_infer_fewer(model *on, exchange *data)
{
    dualprop_view inputs = images_of(data, FEWER), targets = matrix_view(data->dense, DUALPROP_F64, FEWER, CLASSES);
    return dualprop_infer_view(on->state, &inputs, &targets);
}

static dualprop_status call_predict_piece(model *on, exchange *data)
{
    return dualprop_predict(data->filled, on->state, data->images, CAPACITY);
}

static dualprop_status call_predict(model *on, exchange *data)
{
    return dualprop_predict(data->filled, on->state, data->images, MOST);
}

static dualprop_status call_predict_view(model *on, exchange *data)
{
    dualprop_view inputs = images_of(data, MOST), scores = matrix_view(data->filled, DUALPROP_F64, MOST, CLASSES);
    return dualprop_predict_view(&scores, on->state, &inputs);
}

static dualprop_status call_evaluate(model *on, exchange *data)
{
    int64_t *counts = (int64_t *)(void *)(data->filled + 1);
    return dualprop_evaluate(data->filled, counts, counts + 1, 2, on->state, data->images, data->labels, MOST);
}

static dualprop_status evaluate_dense(model *on, exchange *data, int64_t count)
{
    int64_t *counts = (int64_t *)(void *)(data->filled + 1);
    dualprop_view inputs = images_of(data, count), targets = matrix_view(data->dense, DUALPROP_F64, count, CLASSES);
    return dualprop_evaluate_view(data->filled, counts, counts + 1, 2, on->state, &inputs, &targets);
}

static dualprop_status call_evaluate_dense(model *on, exchange *data)
{
    return evaluate_dense(on, data, MOST);
}

static dualprop_status call_evaluate_piece(model *on, exchange *data)
{
    return evaluate_dense(on, data, CAPACITY);
}

/* The last image's last numbers are the last weights. */
static dualprop_view weights_in(exchange *data)
{
    return matrix_view(data->images + MOST * INPUTS - 9 * CLASSES, DUALPROP_F64, 9, CLASSES);
}

static dualprop_status call_network_write(model *on, exchange *data)
{
    dualprop_view view = weights_in(data);
    return dualprop_network_write(on->network, "layer2.weight", &view);
}

static dualprop_status call_feedback_write(model *on, exchange *data)
{
    dualprop_view view = weights_in(data);
    return dualprop_network_write_feedback(on->network, 2, &view);
}

static dualprop_status call_put_tensor(model *on, exchange *data)
{
    dualprop_view view = weights_in(data);
    return dualprop_checkpoint_put_tensor(on->checkpoint, "other", &view);
}

static dualprop_status call_put_network(model *on, exchange *data)
{
    (void)data;
    return dualprop_checkpoint_put_network(on->checkpoint, on->network);
}

static dualprop_status call_put_optimizer(model *on, exchange *data)
{
    (void)data;
    return dualprop_checkpoint_put_optimizer(on->checkpoint, on->optimizer);
}

static dualprop_status call_put_state(model *on, exchange *data)
{
    (void)data;
    return dualprop_checkpoint_put_state(on->checkpoint, on->state);
}

static dualprop_status call_get_network(model *on, exchange *data)
{
    dualprop_network *made = NULL;
    dualprop_status status = dualprop_checkpoint_get_network(&made, on->checkpoint);
    if (status != DUALPROP_OK && made) return DUALPROP_OK; /* which the test takes for a failure */
    (void)data;
    dualprop_network_destroy(made);
    return status;
}

static dualprop_status call_network_read(model *on, exchange *data)
{
    dualprop_view view = matrix_view(data->filled, DUALPROP_F64, 9, CLASSES);
    return dualprop_network_read(&view, on->network, "layer2.weight");
}

static dualprop_status call_lipschitz(model *on, exchange *data)
{
    return dualprop_diagnostics_lipschitz(data->filled, on->diagnostics, 3);
}

/* Faults that a call can meet. */
enum { LATE_NAN = 1, LATE_LABEL = 2, NO_MEMORY = 4, CANCELLED = 8, LATE_TARGET = 16 };

static const struct {
    dualprop_status (*run)(model *on, exchange *data);
    int samples, faults;
    /* clang-format off */
} calls[] = {
    { call_learn, CAPACITY, LATE_NAN | LATE_LABEL | CANCELLED },
    { call_learn_view, CAPACITY, LATE_NAN | LATE_LABEL | CANCELLED },
    { call_learn_moved, CAPACITY, LATE_NAN | LATE_LABEL | CANCELLED },
    { call_infer, CAPACITY, LATE_NAN | LATE_LABEL | CANCELLED },
    { call_infer_fewer, FEWER, LATE_NAN | LATE_TARGET | CANCELLED },
    { call_predict_piece, CAPACITY, LATE_NAN | CANCELLED }, { call_predict, MOST, LATE_NAN | CANCELLED },
    { call_predict_view, MOST, LATE_NAN | CANCELLED }, { call_evaluate, MOST, LATE_NAN | LATE_LABEL | CANCELLED },
    { call_evaluate_dense, MOST, LATE_NAN | LATE_TARGET | CANCELLED },
    { call_evaluate_piece, CAPACITY, LATE_NAN | LATE_TARGET | CANCELLED },
    { call_network_write, MOST, LATE_NAN }, { call_feedback_write, MOST, LATE_NAN },
    { call_put_tensor, MOST, NO_MEMORY }, { call_put_network, 0, NO_MEMORY }, { call_put_optimizer, 0, NO_MEMORY },
    { call_put_state, 0, NO_MEMORY }, { call_get_network, 0, NO_MEMORY }, { call_network_read, 0, 0 },
    { call_lipschitz, 0, 0 },
    /* clang-format on */
};
enum { CALLS = sizeof calls / sizeof *calls };

/* ---- faults ---- */

static void draw(exchange *data, randomness *random)
{
    for (int i = 0; i < MOST * INPUTS; i++) data->images[i] = random_uniform(random, -1, 1);
    for (int i = 0; i < MOST; i++) data->labels[i] = (int32_t)random_below(random, CLASSES);
    for (int i = 0; i < MOST * CLASSES; i++) data->dense[i] = random_uniform(random, 0, 1);
    memset(data->filled, UNTOUCHED, sizeof data->filled);
}

static int is_untouched(const exchange *data)
{
    const unsigned char *bytes = (const unsigned char *)data->filled;
    for (size_t i = 0; i < sizeof data->filled; i++)
        if (bytes[i] != UNTOUCHED) return 0;
    return 1;
}

/* Is anything left of the call that failed? */
static void run_with(int fault, int call, model *on, const exchange *good)
{
    static exchange bad;
    int last = calls[call].samples;
    bad = *good;
    if (fault == LATE_NAN) bad.images[last * INPUTS - 1] = NAN;
    if (fault == LATE_LABEL) bad.labels[last - 1] = CLASSES;
    if (fault == LATE_TARGET) bad.dense[last * CLASSES - 1] = NAN;
    if (fault == CANCELLED) expect_ok(dualprop_context_cancel(on->context));
    dualprop_status status = calls[call].run(on, &bad);
    expect_ok(dualprop_context_resume(on->context));
    ck_assert_msg(status != DUALPROP_OK, "call %d succeeds with fault %d", call, fault);
    ck_assert_msg(is_untouched(&bad), "call %d fills something with fault %d", call, fault);
}

/* Each of its allocations fails once. */
static void run_without_memory(int call, model *on, const exchange *good)
{
    static exchange bad;
    bad = *good;
    for (long nth = 1;; nth++) {
        failing_allocator_arm(&memory, nth, 0);
        dualprop_status status = calls[call].run(on, &bad);
        long failures = memory.failures;
        failing_allocator_arm(&memory, 0, 0);
        if (failures == 0) break;
        ck_assert_int_eq(status, DUALPROP_ERROR_NO_MEMORY);
        ck_assert(is_untouched(&bad));
    }
}

static void try_faults(int call, model *on, const exchange *good)
{
    static contents before, after;
    for (int fault = 1; fault <= LATE_TARGET; fault *= 2) {
        if (!(calls[call].faults & fault)) continue;
        look(&before, on);
        if (fault == NO_MEMORY) run_without_memory(call, on, good);
        else run_with(fault, call, on, good);
        look(&after, on);
        ck_assert_msg(before.size == after.size && !memcmp(before.bytes, after.bytes, before.size),
                      "call %d left something with fault %d", call, fault);
    }
}

static void run_both(int call, model *one, model *two, const exchange *good)
{
    static exchange first, second;
    static contents here, there;
    first = second = *good;
    if (calls[call].run == call_learn_moved) first.filled[0] = 0; /* its augmentation waits since the faulty calls */
    expect_ok(calls[call].run(one, &first));
    expect_ok(calls[call].run(two, &second));
    if (calls[call].run == call_learn_moved) first.filled[0] = second.filled[0];
    ck_assert_msg(!memcmp(first.filled, second.filled, sizeof first.filled), "call %d fills other bits", call);
    look(&here, one);
    look(&there, two);
    ck_assert_msg(here.size == there.size && !memcmp(here.bytes, there.bytes, here.size), "call %d left other bits",
                  call);
}

START_TEST(what_was_refused_has_left_nothing)
{
    static dualprop_allocator table;
    static exchange data;
    model one, two;
    memset(&memory, 0, sizeof memory);
    table = failing_allocator_table(&memory);
    randomness random = random_start(17);
    make_model(&one, backends[_i], &table);
    make_model(&two, backends[_i], NULL);
    for (int round = 0; round < 120; round++) {
        int call = round < CALLS ? round : (int)random_below(&random, CALLS);
        draw(&data, &random);
        try_faults(call, &one, &data);
        run_both(call, &one, &two, &data);
    }
    destroy_model(&two);
    destroy_model(&one);
    ck_assert_int_eq(memory.live_blocks, 0);
}
END_TEST

Suite *test_refused_calls_suite(void)
{
    Suite *suite = suite_create("refused_calls");
    TCase *tcase = tcase_create("each backend");
    tcase_add_loop_test(tcase, what_was_refused_has_left_nothing, 0, BACKENDS);
    suite_add_tcase(suite, tcase);
    return suite;
}
