/*
 * test_arenas.c - the bytes of every object are told before it is made, and they are enough: objects live in buffers of
 * the program of exactly that size, together or each in its own.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/randomness.h"

static const int TYPES[] = { DUALPROP_F32, DUALPROP_F64 };
static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 };

/* ---- what is told and what is taken ---- */

static void add_small(dualprop_network *network)
{
    expect_ok(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
}

static void add_odd(dualprop_network *network)
{
    expect_ok(dualprop_network_add_dense(network, 1, DUALPROP_SIGMOID));
    expect_ok(dualprop_network_add_dense(network, 717, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 33, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
}

static void add_deep(dualprop_network *network)
{
    for (int i = 0; i < 15; i++) expect_ok(dualprop_network_add_dense(network, 10 + i, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
}

static void add_images(dualprop_network *network)
{
    expect_ok(dualprop_network_add_convolution(network, 17, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
    expect_ok(dualprop_network_add_local(network, 5, three, NULL, NULL, DUALPROP_RELU));
    expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_AVERAGE, two, NULL));
    expect_ok(dualprop_network_add_dense(network, 10, DUALPROP_IDENTITY));
}

/* More layers than the first array of pointers to them has room for. */
static int many_layers;

static void add_many(dualprop_network *network)
{
    for (int i = 1; i < many_layers; i++) expect_ok(dualprop_network_add_dense(network, 9, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
}

static const struct {
    int64_t height, width, channels;
    void (*add)(dualprop_network *network);
} shapes[] = {
    { 1, 1, 20, add_small }, { 1, 1, 7, add_odd },  { 1, 1, 9, add_deep },
    { 8, 8, 3, add_images }, { 1, 1, 7, add_many },
};
enum { MANY = sizeof shapes / sizeof *shapes - 1, SHAPES = MANY }; /* those whose bytes are exact */

static dualprop_network *create_outline(dualprop_context *context, int shape)
{
    dualprop_network *network;
    expect_ok(dualprop_network_create_outline(&network, context, shapes[shape].height, shapes[shape].width,
                                              shapes[shape].channels));
    shapes[shape].add(network);
    return network;
}

static dualprop_network *create_network(dualprop_context *context, int shape)
{
    dualprop_network *network;
    expect_ok(
        dualprop_network_create(&network, context, shapes[shape].height, shapes[shape].width, shapes[shape].channels));
    shapes[shape].add(network);
    return network;
}

/* One for each combination of a test with `machines` of them. */
static dualprop_options options_of(int machine, const dualprop_allocator *allocator)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = TYPES[machine / 2 % 2];
    options.threads = 1 + machine / 4 % 2;
    options.allocator = allocator;
    return options;
}

static void expect_optimizers(dualprop_network *network, dualprop_network *outline, failing_allocator *counter)
{
    for (int kind = DUALPROP_SGD; kind <= DUALPROP_PLAIN_SGD; kind++)
        for (int fused = 0; fused <= 1; fused++) {
            dualprop_optimizer *optimizer;
            uint64_t told, told_before;
            int64_t before = atomic_load(&counter->live_bytes);
            expect_ok(dualprop_optimizer_memory_needed(&told_before, outline, kind, fused));
            expect_ok(dualprop_optimizer_memory_needed(&told, network, kind, fused));
            ck_assert_uint_eq(told, told_before);
            ck_assert_int_eq(atomic_load(&counter->live_bytes), before);
            expect_ok(fused ? dualprop_optimizer_create_fused(&optimizer, network, kind)
                            : dualprop_optimizer_create(&optimizer, network, kind));
            ck_assert_int_eq(atomic_load(&counter->live_bytes) - before, (int64_t)told);
            dualprop_optimizer_destroy(optimizer);
        }
}

static void expect_states(dualprop_network *network, dualprop_network *outline, dualprop_rule *rule,
                          failing_allocator *counter)
{
    for (int64_t capacity = 1; capacity <= 17; capacity += 16)
        for (int learns = 0; learns <= 1; learns++) {
            dualprop_state *state;
            uint64_t told;
            int64_t before = atomic_load(&counter->live_bytes);
            expect_ok(dualprop_state_memory_needed(&told, outline, learns ? rule : NULL, capacity));
            expect_ok(dualprop_state_create(&state, network, learns ? rule : NULL, capacity));
            ck_assert_int_eq(atomic_load(&counter->live_bytes) - before, (int64_t)told);
            dualprop_state_destroy(state);
        }
}

START_TEST(what_is_told_is_taken)
{
    failing_allocator counter = { 0 };
    dualprop_allocator table = failing_allocator_table(&counter);
    dualprop_options options = options_of(_i, &table);
    dualprop_context *context;
    uint64_t told;
    expect_ok(dualprop_context_memory_needed(&told, BACKENDS[_i % 2], &options));
    ck_assert_int_eq(atomic_load(&counter.live_bytes), 0);
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    ck_assert_int_eq(atomic_load(&counter.live_bytes), (int64_t)told);
    for (int shape = 0; shape < SHAPES; shape++) {
        static const int32_t order[] = { 2, 1, 2 };
        dualprop_rule *rule;
        dualprop_network *outline = create_outline(context, shape);
        int64_t before = atomic_load(&counter.live_bytes);
        expect_ok(dualprop_network_memory_needed(&told, outline));
        dualprop_network *network = create_network(context, shape);
        ck_assert_int_eq(atomic_load(&counter.live_bytes) - before, (int64_t)told);
        expect_ok(dualprop_network_memory_needed(&told, network));
        ck_assert_int_eq(atomic_load(&counter.live_bytes) - before, (int64_t)told);

        before = atomic_load(&counter.live_bytes);
        expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP));
        expect_ok(dualprop_rule_set_layer_alpha(rule, 2, 0.25));
        expect_ok(dualprop_rule_set_order(rule, order, 3));
        expect_ok(dualprop_rule_memory_needed(&told, rule));
        ck_assert_int_eq(atomic_load(&counter.live_bytes) - before, (int64_t)told);

        expect_optimizers(network, outline, &counter);
        expect_states(network, outline, rule, &counter);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_network_destroy(outline);
    }
    dualprop_context_destroy(context);
    ck_assert_int_eq(atomic_load(&counter.live_bytes), 0);
    ck_assert_int_eq(atomic_load(&counter.misuse), 0);
}
END_TEST

/* Feedback weights are made of parameters, so only a network with them tells what they take. */
START_TEST(feedback_weights_are_told)
{
    failing_allocator counter = { 0 };
    dualprop_allocator table = failing_allocator_table(&counter);
    dualprop_options options = options_of(_i, &table);
    dualprop_context *context;
    dualprop_optimizer *optimizer;
    uint64_t told;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    int64_t before = atomic_load(&counter.live_bytes);
    dualprop_network *network = create_network(context, 1);
    expect_ok(dualprop_network_set_feedback(network, DUALPROP_FEEDBACK_KOLEN_POLLACK, 1));
    expect_ok(dualprop_network_memory_needed(&told, network));
    ck_assert_int_eq(atomic_load(&counter.live_bytes) - before, (int64_t)told);
    before = atomic_load(&counter.live_bytes);
    expect_ok(dualprop_optimizer_memory_needed(&told, network, DUALPROP_ADAM, 0));
    expect_ok(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    ck_assert_int_eq(atomic_load(&counter.live_bytes) - before, (int64_t)told);
    expect_error(dualprop_optimizer_memory_needed(&told, network, DUALPROP_ADAM, 1), DUALPROP_ERROR_UNSUPPORTED,
                 "feedback weights");
    dualprop_optimizer_destroy(optimizer);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
END_TEST

START_TEST(an_outline_has_no_parameters)
{
    dualprop_context *context;
    dualprop_options options = options_of(_i, NULL);
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;
    dualprop_diagnostics *diagnostics;
    dualprop_network *clone;
    double reals[20 * 32] = { 0 };
    dualprop_view weights = matrix_view(reals, DUALPROP_F64, 20, 32);
    const char *sentence = "network is an outline";
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    dualprop_network *outline = create_outline(context, 0), *network = create_network(context, 0);
    expect_ok(dualprop_network_initialize(network, 1));
#define NEEDS_PARAMETERS(call) expect_error(call, DUALPROP_ERROR_INVALID_STATE, sentence)
    NEEDS_PARAMETERS(dualprop_network_initialize(outline, 1));
    NEEDS_PARAMETERS(dualprop_network_read(&weights, outline, "layer1.weight"));
    NEEDS_PARAMETERS(dualprop_network_write(outline, "layer1.weight", &weights));
    NEEDS_PARAMETERS(dualprop_network_set_feedback(outline, DUALPROP_FEEDBACK_RANDOM, 1));
    NEEDS_PARAMETERS(dualprop_network_copy(outline, network));
    NEEDS_PARAMETERS(dualprop_network_copy(network, outline));
    NEEDS_PARAMETERS(dualprop_network_clone(&clone, outline));
    NEEDS_PARAMETERS(dualprop_network_publish(outline, network));
    NEEDS_PARAMETERS(dualprop_network_publish(network, outline));
    NEEDS_PARAMETERS(dualprop_network_export_c(outline, "no such folder", "net"));
    NEEDS_PARAMETERS(dualprop_state_create(&state, outline, NULL, 1));
    NEEDS_PARAMETERS(dualprop_optimizer_create(&optimizer, outline, DUALPROP_SGD));
    NEEDS_PARAMETERS(dualprop_optimizer_create_fused(&optimizer, outline, DUALPROP_SGD));
    NEEDS_PARAMETERS(dualprop_diagnostics_create(&diagnostics, outline, DUALPROP_MSE, 1));
    expect_ok(dualprop_checkpoint_create(&checkpoint, context));
    NEEDS_PARAMETERS(dualprop_checkpoint_put_network(checkpoint, outline));
#undef NEEDS_PARAMETERS
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_network_destroy(network);
    dualprop_network_destroy(outline);
    dualprop_context_destroy(context);
}
END_TEST

/* ---- in a buffer ---- */

typedef struct model {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_optimizer *optimizer;
    dualprop_state *state;
} model;

/* Each from its own allocator where there are five, else all from one. */
static dualprop_status model_create(model *made, int machine, int shape, const dualprop_allocator *arenas, int count)
{
    dualprop_options options = options_of(machine, &arenas[0]);
    *made = (model){ 0 };
    dualprop_status status = dualprop_context_create(&made->context, BACKENDS[machine % 2], &options);
#define NEXT(number, call)                                                                                           \
    if (status == DUALPROP_OK && count > 1) status = dualprop_context_set_allocator(made->context, &arenas[number]); \
    if (status == DUALPROP_OK) status = call
    NEXT(1, dualprop_network_create(&made->network, made->context, shapes[shape].height, shapes[shape].width,
                                    shapes[shape].channels));
    if (status == DUALPROP_OK) shapes[shape].add(made->network);
    NEXT(2, dualprop_rule_create(&made->rule, made->context, DUALPROP_DP_ADJOINT));
    NEXT(3, dualprop_optimizer_create(&made->optimizer, made->network, DUALPROP_ADAM));
    NEXT(4, dualprop_state_create(&made->state, made->network, made->rule, 3));
#undef NEXT
    return status;
}

static void model_destroy(model *made)
{
    dualprop_state_destroy(made->state);
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_rule_destroy(made->rule);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

static void measure(uint64_t needed[5], int machine, int shape)
{
    dualprop_options options = options_of(machine, NULL);
    dualprop_context *context;
    dualprop_rule *rule;
    expect_ok(dualprop_context_memory_needed(&needed[0], BACKENDS[machine % 2], &options));
    expect_ok(dualprop_context_create(&context, BACKENDS[machine % 2], &options));
    dualprop_network *outline = create_outline(context, shape);
    expect_ok(dualprop_network_memory_needed(&needed[1], outline));
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_rule_memory_needed(&needed[2], rule));
    expect_ok(dualprop_optimizer_memory_needed(&needed[3], outline, DUALPROP_ADAM, 0));
    expect_ok(dualprop_state_memory_needed(&needed[4], outline, rule, 3));
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(outline);
    dualprop_context_destroy(context);
}

/* A buffer of the size that is asked for, at an odd address if `shift` is not 0. */
static dualprop_allocator arena_of(unsigned char **buffer, uint64_t bytes, int shift)
{
    dualprop_allocator arena = { .struct_size = sizeof arena };
    *buffer = aligned_alloc(64, DUALPROP_ARENA_BYTES + bytes + 128);
    ck_assert_ptr_nonnull(*buffer);
    uint64_t lost = shift > 0 ? 64 : 0;
    memset(*buffer, 0xa5, DUALPROP_ARENA_BYTES + bytes + 128);
    expect_ok(dualprop_arena_allocator(&arena, *buffer + shift, DUALPROP_ARENA_BYTES + bytes + lost - (uint64_t)shift));
    return arena;
}

/* Is all of it free, and one hole? */
static void expect_empty(const dualprop_allocator *arena, uint64_t bytes)
{
    void *all = arena->allocate(arena->user_data, bytes, 64);
    ck_assert_ptr_nonnull(all);
    ck_assert_ptr_null(arena->allocate(arena->user_data, 1, 64));
    arena->release(arena->user_data, all, bytes);
}

static void learn_in(const model *with)
{
    static float x[3 * 192];
    static double wide[3 * 192];
    static const int32_t labels[3] = { 0, 1, 0 };
    int precision;
    uint64_t before, after;
    for (int i = 0; i < 3 * 192; i++) x[i] = (float)(wide[i] = i * 7919 % 1009 / 504.0 - 1);
    expect_ok(dualprop_network_initialize(with->network, 1));
    expect_ok(dualprop_context_info(&precision, NULL, NULL, with->context));
    expect_ok(dualprop_context_memory(NULL, NULL, &before, with->context));
    for (int i = 0; i < 3; i++)
        expect_ok(
            dualprop_learn(with->optimizer, with->state, precision == DUALPROP_F32 ? (void *)x : wide, labels, 3));
    expect_ok(dualprop_context_memory(NULL, NULL, &after, with->context));
    ck_assert_uint_eq(before, after);
}

START_TEST(what_is_told_is_enough)
{
    for (int shape = 0; shape < SHAPES; shape++) {
        unsigned char *buffer;
        uint64_t needed[5], sum = 0;
        model made;
        measure(needed, _i, shape);
        for (int i = 0; i < 5; i++) sum += needed[i];
        dualprop_allocator arena = arena_of(&buffer, sum, _i % 3);
        expect_ok(model_create(&made, _i, shape, &arena, 1));
        uint64_t current;
        expect_ok(dualprop_context_memory(&current, NULL, NULL, made.context));
        ck_assert_uint_eq(current, sum);
        ck_assert_ptr_null(arena.allocate(arena.user_data, 1, 64));
        dualprop_optimizer_destroy(made.optimizer); /* what is released is used again */
        expect_ok(dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_ADAM));
        dualprop_state_destroy(made.state);
        dualprop_optimizer_destroy(made.optimizer);
        made.state = NULL;
        made.optimizer = NULL;
        expect_ok(dualprop_network_initialize(made.network, 1)); /* in the room that they left */
        model_destroy(&made);
        expect_empty(&arena, sum);
        free(buffer);

        arena = arena_of(&buffer, sum - 64, 0);
        ck_assert_int_eq(model_create(&made, _i, shape, &arena, 1), DUALPROP_ERROR_NO_MEMORY);
        model_destroy(&made);
        expect_empty(&arena, sum - 64);
        free(buffer);
    }
}
END_TEST

/* The last error names the bytes of the whole, and the function that tells them. */
static void expect_words_of_memory(uint64_t bytes, const char *function)
{
    char text[512], number[32];
    expect_ok(dualprop_last_error(text, sizeof text, NULL, NULL));
    snprintf(number, sizeof number, "%llu bytes in all", (unsigned long long)bytes);
    ck_assert_msg(strstr(text, number) || bytes == 0, "\"%s\" does not name %s", text, number);
    ck_assert_msg(strstr(text, function), "\"%s\" does not name %s", text, function);
}

START_TEST(want_of_memory_names_the_whole)
{
    static const char *const functions[5] = { "dualprop_context_memory_needed()", "dualprop_network_memory_needed()",
                                              "dualprop_rule_memory_needed()", "dualprop_optimizer_memory_needed()",
                                              "dualprop_state_memory_needed()" };
    for (int object = 0; object < 5; object++) {
        unsigned char *buffers[5];
        uint64_t needed[5];
        dualprop_allocator arenas[5];
        model made;
        if (object == 1) continue; /* layer by layer: below */
        measure(needed, _i, 0);
        for (int i = 0; i < 5; i++) arenas[i] = arena_of(&buffers[i], needed[i] - (i == object ? 64 : 0), 0);
        ck_assert_int_eq(model_create(&made, _i, 0, arenas, 5), DUALPROP_ERROR_NO_MEMORY);
        expect_words_of_memory(object == 0 ? 0 : needed[object], functions[object]);
        model_destroy(&made);
        for (int i = 0; i < 5; i++) free(buffers[i]);
    }
    dualprop_options options = options_of(_i, NULL);
    dualprop_context *context;
    dualprop_network *network;
    unsigned char *buffer;
    uint64_t needed;
    expect_ok(dualprop_context_create(&context, BACKENDS[_i % 2], &options));
    expect_ok(dualprop_network_create_outline(&network, context, 1, 1, 7));
    expect_ok(dualprop_network_add_dense(network, 30, DUALPROP_RELU));
    expect_ok(dualprop_network_memory_needed(&needed, network));
    dualprop_network_destroy(network);
    dualprop_allocator arena = arena_of(&buffer, needed - 64, 0);
    expect_ok(dualprop_context_set_allocator(context, &arena));
    expect_ok(dualprop_network_create(&network, context, 1, 1, 7));
    expect_error(dualprop_network_add_dense(network, 30, DUALPROP_RELU), DUALPROP_ERROR_NO_MEMORY, "layer 1");
    expect_words_of_memory(needed, functions[1]);
    dualprop_network_destroy(network);
    expect_ok(dualprop_context_set_allocator(context, NULL));
    dualprop_context_destroy(context);
    free(buffer);
}
END_TEST

/* Arrays that had to grow leave holes in an arena, which nothing that is made later need fit. */
START_TEST(what_is_told_is_enough_for_many_layers)
{
    static const int counts[] = { 17, 18, 32, 33, 34, 65, 70 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (int each = 0; each <= 1; each++) {
            unsigned char *buffers[5];
            uint64_t needed[5], sum = 0;
            dualprop_allocator arenas[5];
            model made;
            many_layers = counts[i];
            measure(needed, _i, MANY);
            for (int j = 0; j < 5; j++) sum += needed[j];
            for (int j = 0; j < 5; j++) arenas[j] = arena_of(&buffers[j], each ? needed[j] : sum, 0);
            expect_ok(model_create(&made, _i, MANY, arenas, each ? 5 : 1));
            uint64_t current;
            expect_ok(dualprop_context_memory(&current, NULL, NULL, made.context));
            ck_assert_uint_le(current, sum);
            ck_assert_uint_le(sum - current, (uint64_t)counts[i] * 16 + 64 * 3);
            model_destroy(&made);
            for (int j = 0; j < 5; j++) {
                expect_empty(&arenas[j], each ? needed[j] : sum);
                free(buffers[j]);
            }
        }
}
END_TEST

START_TEST(each_object_has_a_buffer)
{
    for (int shape = 0; shape < SHAPES; shape++) {
        unsigned char *buffers[5], *scratch;
        uint64_t needed[5];
        dualprop_allocator arenas[5];
        model made;
        measure(needed, _i, shape);
        for (int i = 0; i < 5; i++) arenas[i] = arena_of(&buffers[i], needed[i], 0);
        expect_ok(model_create(&made, _i, shape, arenas, 5));
        for (int i = 0; i < 5; i++) ck_assert_ptr_null(arenas[i].allocate(arenas[i].user_data, 1, 64));
        dualprop_allocator other = arena_of(&scratch, 1 << 20, 0); /* for what lasts as long as a call */
        expect_ok(dualprop_context_set_allocator(made.context, &other));
        learn_in(&made);
        expect_empty(&other, 1 << 20);
        expect_ok(dualprop_context_set_allocator(made.context, NULL));
        model_destroy(&made);
        for (int i = 0; i < 5; i++) {
            expect_empty(&arenas[i], needed[i]);
            free(buffers[i]);
        }
        free(scratch);
    }
}
END_TEST

/* ---- the arena itself ---- */

enum { BLOCKS = 40 };

/* Random blocks keep what was written into them, lie as they were asked to, and all come back. */
START_TEST(blocks_do_not_overlap)
{
    enum { BYTES = 16384 };
    randomness random = random_start((uint64_t)_i + 1);
    unsigned char *buffer, *blocks[BLOCKS] = { 0 };
    size_t sizes[BLOCKS];
    int taken = 0, refused = 0;
    dualprop_allocator arena = arena_of(&buffer, BYTES, _i % 2);
    for (int step = 0; step < 4000; step++) {
        int i = (int)random_below(&random, BLOCKS);
        if (!blocks[i]) {
            size_t alignment = (size_t)64 << random_below(&random, 4);
            sizes[i] = 1 + (size_t)random_below(&random, 900);
            blocks[i] = arena.allocate(arena.user_data, sizes[i], alignment);
            if (!blocks[i]) {
                refused++;
                continue;
            }
            taken++;
            ck_assert_uint_eq((uintptr_t)blocks[i] % alignment, 0);
            ck_assert(blocks[i] >= buffer && blocks[i] + sizes[i] <= buffer + DUALPROP_ARENA_BYTES + BYTES + 64);
            memset(blocks[i], i, sizes[i]);
        } else {
            for (size_t j = 0; j < sizes[i]; j++) ck_assert_int_eq(blocks[i][j], i);
            arena.release(arena.user_data, blocks[i], sizes[i]);
            blocks[i] = NULL;
        }
    }
    ck_assert_int_gt(taken, 100);
    ck_assert_int_gt(refused, 10);
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i]) arena.release(arena.user_data, blocks[i], sizes[i]);
    expect_empty(&arena, BYTES);
    free(buffer);
}
END_TEST

Suite *test_arenas_suite(void)
{
    Suite *suite = suite_create("arenas");
    TCase *tcase = tcase_create("each backend, precision and number of threads");
    tcase_add_loop_test(tcase, what_is_told_is_taken, 0, 8);
    tcase_add_loop_test(tcase, feedback_weights_are_told, 0, 4);
    tcase_add_loop_test(tcase, an_outline_has_no_parameters, 0, 2);
    tcase_add_loop_test(tcase, what_is_told_is_enough, 0, 8);
    tcase_add_loop_test(tcase, what_is_told_is_enough_for_many_layers, 0, 8);
    tcase_add_loop_test(tcase, each_object_has_a_buffer, 0, 8);
    tcase_add_loop_test(tcase, want_of_memory_names_the_whole, 0, 8);
    tcase_add_loop_test(tcase, blocks_do_not_overlap, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
