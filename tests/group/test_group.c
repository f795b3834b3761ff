/*
 * test_group.c - processes that learn one network: the same bits for any number of them, and no hang whatever fails.
 *
 * Threads stand in for processes, each with a context of its own. What they observe is asserted after they have ended.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "support/comparison.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/lone_transport.h"
#include "support/randomness.h"
#include "support/thread_group.h"

#define SIDE 6
#define CHANNELS 2
#define INPUTS (SIDE * SIDE * CHANNELS)
#define CLASSES 5
#define MOST_SAMPLES 41
#define STEPS 3

/* ---- one process ---- */

struct process {
    /* what to do */
    int backend, precision, threads, is_image;
    int64_t blocks, total;
    int accumulate, poison_rank, odd_rank;       /* -1: no rank */
    int (*oddity)(struct process *process);      /* what the odd rank does before learning */
    int (*late_oddity)(struct process *process); /* what it does after the first step */
    failing_allocator *memory;                   /* NULL: never fails */
    long fail_at; /* the allocation that fails, counted from the group's creation; 0: none */
    /* what came of it */
    dualprop_status created, set, learned;
    char text[512];
    uint64_t hash;
    uint64_t allocations;
    int64_t sums[2];
    double losses[STEPS];
    int64_t correct[STEPS];
    /* handles */
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_group *group;
};

static void *dirty_allocate(void *user_data, size_t size, size_t alignment)
{
    (void)user_data;
    void *block = NULL;
    if (posix_memalign(&block, alignment < sizeof(void *) ? sizeof(void *) : alignment, size ? size : 1) != 0)
        return NULL;
    return memset(block, 0xff, size); /* reals of these bits are NaN */
}

static void dirty_release(void *user_data, void *block, size_t size)
{
    (void)user_data;
    (void)size;
    free(block);
}

static dualprop_status create_context(struct process *process)
{
    dualprop_allocator allocator = { .struct_size = sizeof allocator,
                                     .allocate = dirty_allocate,
                                     .release = dirty_release };
    if (process->memory) allocator = failing_allocator_table(process->memory);
    dualprop_options options = { .struct_size = sizeof options,
                                 .version = DUALPROP_VERSION,
                                 .precision = process->precision,
                                 .threads = process->threads,
                                 .allocator = &allocator };
    return dualprop_context_create(&process->context, process->backend, &options);
}

#define TRY(call)                                   \
    do {                                            \
        dualprop_status status_ = (call);           \
        if (status_ != DUALPROP_OK) return status_; \
    } while (0)

static dualprop_status create(struct process *process)
{
    TRY(create_context(process));
    TRY(dualprop_network_create(&process->network, process->context, SIDE, SIDE, CHANNELS));
    if (process->is_image) {
        const int64_t kernel[2] = { 3, 3 }, one[2] = { 1, 1 }, window[2] = { 2, 2 };
        TRY(dualprop_network_add_convolution(process->network, 7, kernel, one, one, DUALPROP_RELU));
        TRY(dualprop_network_add_pooling(process->network, DUALPROP_POOL_MAX, window, window));
        TRY(dualprop_network_add_convolution(process->network, 9, kernel, one, one, DUALPROP_RELU));
    } else {
        TRY(dualprop_network_add_dense(process->network, 37, DUALPROP_RELU));
        TRY(dualprop_network_add_dense(process->network, 50, DUALPROP_TANH));
    }
    TRY(dualprop_network_add_dense(process->network, CLASSES, DUALPROP_IDENTITY));
    TRY(dualprop_network_initialize(process->network, 3));
    TRY(dualprop_rule_create(&process->rule, process->context, DUALPROP_DP_ADJOINT));
    TRY(dualprop_state_create(&process->state, process->network, process->rule, MOST_SAMPLES));
    return dualprop_optimizer_create(&process->optimizer, process->network, DUALPROP_ADAM);
}

static void destroy(struct process *process)
{
    dualprop_group_destroy(process->group);
    dualprop_optimizer_destroy(process->optimizer);
    dualprop_state_destroy(process->state);
    dualprop_rule_destroy(process->rule);
    dualprop_network_destroy(process->network);
    dualprop_context_destroy(process->context);
}

/* Sample i of a step: the same in every process. */
static void fill_samples(struct process *process, double *wide, float *narrow, int32_t *labels, int64_t first,
                         int64_t count, int step)
{
    for (int64_t i = 0; i < count; i++) {
        randomness random = random_start((uint64_t)(1000 * step + first + i));
        for (int j = 0; j < INPUTS; j++) {
            wide[i * INPUTS + j] = random_uniform(&random, -1, 1);
            narrow[i * INPUTS + j] = (float)wide[i * INPUTS + j];
        }
        labels[i] = (int32_t)((first + i) % CLASSES);
    }
    (void)process;
}

static uint64_t hash_parameters(struct process *process)
{
    uint64_t hash = 1469598103934665603u;
    double *reals = malloc(sizeof *reals * 20000);
    for (int index = 0; index < 8; index++) {
        char name[32];
        int64_t shape[DUALPROP_MAX_RANK], count = 1;
        int rank;
        if (dualprop_network_parameter(name, sizeof name, shape, &rank, process->network, index) != DUALPROP_OK) break;
        for (int i = 0; i < rank; i++) count *= shape[i];
        dualprop_view view = { .struct_size = sizeof view, .data = reals, .type = DUALPROP_F64, .rank = rank };
        for (int i = rank - 1, stride = 1; i >= 0; stride *= (int)shape[i--]) {
            view.shape[i] = shape[i];
            view.strides[i] = stride;
        }
        if (dualprop_network_read(&view, process->network, name) != DUALPROP_OK) {
            hash = 0;
            break;
        }
        for (size_t b = 0; b < (size_t)count * sizeof *reals; b++)
            hash = (hash ^ ((unsigned char *)reals)[b]) * 1099511628211u;
    }
    free(reals);
    return hash;
}

static dualprop_status learn_share(struct process *process, int rank, int64_t total, int step)
{
    static _Thread_local double wide[MOST_SAMPLES * INPUTS];
    static _Thread_local float narrow[MOST_SAMPLES * INPUTS];
    int32_t labels[MOST_SAMPLES];
    int64_t first, count;
    TRY(dualprop_group_share(&first, &count, process->group, process->blocks, total));
    fill_samples(process, wide, narrow, labels, first, count, step);
    if (rank == process->poison_rank && step == 1 && count > 0) {
        wide[0] = 0.0 / 0.0;
        narrow[0] = (float)wide[0];
    }
    const void *images = process->precision == DUALPROP_F64 ? (const void *)wide : narrow;
    if (!process->accumulate || count == 0)
        return dualprop_learn(process->optimizer, process->state, images, labels, count);
    TRY(dualprop_infer(process->state, images, labels, count));
    TRY(dualprop_gradient_accumulate(process->optimizer, process->state));
    return step % 2 ? dualprop_step(process->optimizer) : DUALPROP_OK;
}

/* Of the whole batch: all processes hear the same. */
static dualprop_status report_share(struct process *process, int64_t total, int step)
{
    int64_t first, count;
    TRY(dualprop_group_share(&first, &count, process->group, process->blocks, total));
    return dualprop_group_report(&process->losses[step], &process->correct[step], process->optimizer,
                                 count > 0 ? process->state : NULL);
}

static void remember(struct process *process, dualprop_status *place, dualprop_status status)
{
    *place = status;
    if (status == DUALPROP_OK || dualprop_last_error(process->text, sizeof process->text, NULL, NULL) == DUALPROP_OK)
        return;
    process->text[0] = '\0';
}

static uint64_t allocations_so_far(const struct process *process)
{
    uint64_t allocations = 0;
    return dualprop_context_memory(NULL, NULL, &allocations, process->context) == DUALPROP_OK ? allocations : 0;
}

static void learn_in_group(struct process *process, const dualprop_transport *transport, int rank)
{
    remember(process, &process->created, create(process));
    if (process->memory) failing_allocator_arm(process->memory, process->fail_at, 0);
    if (process->created == DUALPROP_OK && transport)
        remember(process, &process->created, dualprop_group_create(&process->group, process->context, transport));
    if (process->created == DUALPROP_OK && process->oddity && rank == process->odd_rank) process->oddity(process);
    if (process->created == DUALPROP_OK && process->set == DUALPROP_OK)
        remember(process, &process->set,
                 dualprop_optimizer_set_group(process->optimizer, process->group, process->blocks));
    for (int step = 0; step < STEPS && process->created == DUALPROP_OK && process->set == DUALPROP_OK; step++) {
        if (step == 1 && process->late_oddity && rank == process->odd_rank) process->late_oddity(process);
        uint64_t before = allocations_so_far(process);
        int64_t total = step == 2 ? process->total / 2 : process->total;
        dualprop_status status = learn_share(process, rank, total, step);
        if (status == DUALPROP_OK) status = report_share(process, total, step);
        if (step > 0) process->allocations += allocations_so_far(process) - before;
        if (process->learned == DUALPROP_OK) remember(process, &process->learned, status);
        if (status == DUALPROP_ERROR_TRANSPORT) break;
    }
    if (process->network) process->hash = hash_parameters(process);
    destroy(process);
}

static void member_learns(struct thread_member *member)
{
    learn_in_group(member->argument, &member->transport, member->rank);
}

static struct process plan(int backend, int precision, int is_image, int64_t blocks, int64_t total)
{
    return (struct process){ .backend = backend,
                             .precision = precision,
                             .threads = 1,
                             .is_image = is_image,
                             .blocks = blocks,
                             .total = total,
                             .poison_rank = -1,
                             .odd_rank = -1 };
}

static void run_group(struct process *processes, int size, const struct process *as, const long *fail_at)
{
    static struct thread_group group;
    for (int r = 0; r < size; r++) {
        processes[r] = *as;
        processes[r].threads = 1 + r % 2;
    }
    thread_group_run(&group, size, member_learns, processes, sizeof *processes, fail_at);
}

/* ---- the same bits ---- */

static const struct {
    int backend, precision, is_image, accumulate;
    int64_t blocks, total;
} SAME[] = {
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 0, 8, 37 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F64, 0, 0, 8, 41 },
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 0, 5, 37 },
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, 1, 0, 8, 11 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 1, 0, 8, 37 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 0, 8, 5 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 1, 6, 40 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_F64, 1, 0, 13, 29 },
};

START_TEST(any_number_of_processes_learns_the_same_bits)
{
    static const int sizes[] = { 1, 2, 3, 4, 5, 8 };
    struct process processes[THREAD_GROUP_MOST],
        as = plan(SAME[_i].backend, SAME[_i].precision, SAME[_i].is_image, SAME[_i].blocks, SAME[_i].total);
    as.accumulate = SAME[_i].accumulate;
    struct process alone = as;
    alone.threads = 2;
    learn_in_group(&alone, NULL, 0);
    ck_assert_msg(alone.learned == DUALPROP_OK && alone.set == DUALPROP_OK && alone.created == DUALPROP_OK, "%s",
                  alone.text);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        if (sizes[s] > as.blocks) continue;
        run_group(processes, sizes[s], &as, NULL);
        for (int r = 0; r < sizes[s]; r++) {
            ck_assert_msg(processes[r].learned == DUALPROP_OK && processes[r].set == DUALPROP_OK, "%d of %d: %s", r,
                          sizes[s], processes[r].text);
            ck_assert_msg(processes[r].hash == alone.hash, "process %d of %d: %016llx, alone %016llx", r, sizes[s],
                          (unsigned long long)processes[r].hash, (unsigned long long)alone.hash);
            ck_assert_msg(processes[r].allocations == 0, "%llu allocations in steps",
                          (unsigned long long)processes[r].allocations);
            for (int step = 0; step < STEPS; step++) {
                ck_assert_msg(processes[r].losses[step] == alone.losses[step],
                              "process %d of %d: loss %.17g, alone %.17g", r, sizes[s], processes[r].losses[step],
                              alone.losses[step]);
                ck_assert_int_eq(processes[r].correct[step], alone.correct[step]);
            }
        }
    }
}
END_TEST

/* One block is the gradient of a process without blocks. */
START_TEST(one_block_changes_no_bit)
{
    for (int is_image = 0; is_image < 2; is_image++) {
        struct process blocked = plan(DUALPROP_BACKEND_BLIS, DUALPROP_F32, is_image, 1, 37), plain = blocked;
        plain.blocks = 0;
        learn_in_group(&blocked, NULL, 0);
        learn_in_group(&plain, NULL, 0);
        ck_assert_msg(blocked.learned == DUALPROP_OK && plain.learned == DUALPROP_OK, "%s%s", blocked.text, plain.text);
        ck_assert(blocked.hash == plain.hash);
    }
}
END_TEST

/* What a group reports without blocks is the state's report, with them the mean over the same samples, weighted too. */
START_TEST(the_report_is_that_of_the_batch)
{
    for (int64_t blocks = 0; blocks <= 7; blocks += 7) {
        struct process process = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, blocks, 29);
        double x[29 * INPUTS], loss, whole;
        float narrow[29 * INPUTS];
        int32_t labels[29];
        int64_t correct, hits;
        double weights[29];
        for (int i = 0; i < 29; i++) weights[i] = i / 3 % 4; /* runs that blocks cut */
        expect_ok(create(&process));
        expect_ok(dualprop_optimizer_set_group(process.optimizer, NULL, blocks));
        fill_samples(&process, x, narrow, labels, 0, 29, 0);
        if (_i == 1) expect_ok(dualprop_state_set_sample_weights(process.state, weights, 29));
        expect_error(dualprop_group_report(&loss, &correct, process.optimizer, process.state),
                     DUALPROP_ERROR_INVALID_STATE, "no inference");
        expect_ok(dualprop_infer(process.state, x, labels, 29));
        expect_ok(dualprop_state_report(NULL, NULL, NULL, NULL, &whole, &hits, process.state));
        expect_ok(dualprop_group_report(&loss, &correct, process.optimizer, process.state));
        ck_assert_int_eq(correct, hits);
        ck_assert_msg(blocks == 0 ? loss == whole : loss - whole <= 1e-14 * whole && whole - loss <= 1e-14 * whole,
                      "%.17g and %.17g", loss, whole); /* 29 roundings of a double */
        expect_ok(dualprop_group_report(NULL, NULL, process.optimizer, process.state));
        double slopes[29 * CLASSES] = { 0 };
        dualprop_view inputs = matrix_view(x, DUALPROP_F64, 29, INPUTS),
                      given = matrix_view(slopes, DUALPROP_F64, 29, CLASSES);
        expect_ok(dualprop_infer_gradient(process.state, &inputs, &given));
        if (blocks > 0)
            expect_error(dualprop_group_report(&loss, &correct, process.optimizer, process.state),
                         DUALPROP_ERROR_UNSUPPORTED, "dualprop_state_report");
        destroy(&process);
    }
}
END_TEST

/* More blocks only add in another order. */
START_TEST(blocks_are_the_same_gradient)
{
    double blocked[INPUTS * 37], plain[INPUTS * 37], largest = 0, difference = 0;
    for (int64_t blocks = 0; blocks <= 7; blocks += 7) {
        struct process process = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, blocks, 29);
        double x[29 * INPUTS];
        float narrow[29 * INPUTS];
        int32_t labels[29];
        expect_ok(create(&process));
        expect_ok(dualprop_optimizer_set_group(process.optimizer, NULL, blocks));
        fill_samples(&process, x, narrow, labels, 0, 29, 0);
        expect_ok(dualprop_infer(process.state, x, labels, 29));
        expect_ok(dualprop_gradient(process.optimizer, process.state));
        dualprop_view view = matrix_view(blocks ? blocked : plain, DUALPROP_F64, INPUTS, 37);
        expect_ok(dualprop_gradient_read(&view, process.optimizer, "layer1.weight"));
        destroy(&process);
    }
    for (int i = 0; i < INPUTS * 37; i++) {
        double apart = blocked[i] > plain[i] ? blocked[i] - plain[i] : plain[i] - blocked[i];
        double size = plain[i] < 0 ? -plain[i] : plain[i];
        difference = comparison_larger(difference, apart);
        largest = comparison_larger(largest, size);
    }
    /* 29 products added in two orders: at most 29 roundings of numbers no larger than their sum of absolute values. */
    ck_assert_msg(largest > 0 && difference <= 1e-13 * largest, "differs by %g of %g", difference, largest);
}
END_TEST

/* ---- one process fails, or does something else ---- */

static void expect_all(const struct process *processes, int size, int odd, dualprop_status own, dualprop_status others,
                       const char *words)
{
    for (int r = 0; r < size; r++) {
        dualprop_status status = processes[r].set != DUALPROP_OK ? processes[r].set : processes[r].learned;
        ck_assert_msg(status == (r == odd ? own : others), "process %d: %s: %s", r, dualprop_status_name(status),
                      processes[r].text);
        if (r != odd) ck_assert_msg(strstr(processes[r].text, words) != NULL, "process %d: %s", r, processes[r].text);
    }
}

START_TEST(a_batch_that_is_not_finite_stops_all)
{
    struct process processes[3], clean[3], as = plan(DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 6, 30);
    as.poison_rank = 1;
    run_group(processes, 3, &as, NULL);
    expect_all(processes, 3, 1, DUALPROP_ERROR_NOT_FINITE, DUALPROP_ERROR_PEER, "process 1: ");
    for (int r = 1; r < 3; r++) ck_assert(processes[r].hash == processes[0].hash);
    as.poison_rank = -1;
    run_group(clean, 3, &as, NULL);
    ck_assert(clean[0].hash != processes[0].hash); /* the poisoned step was left out everywhere, the others were made */
}
END_TEST

static int sets_other_rate(struct process *process)
{
    return dualprop_optimizer_set_learning_rate(process->optimizer, 0.002);
}

static int freezes_a_layer(struct process *process)
{
    dualprop_layer *layer;
    return dualprop_network_layer(&layer, process->network, 1) || dualprop_layer_set_frozen(layer, 1);
}

static int sets_other_alpha(struct process *process)
{
    return dualprop_rule_set_alpha(process->rule, 0.25);
}

static int sets_other_beta_of_a_layer(struct process *process)
{
    return dualprop_rule_set_layer_beta(process->rule, 2, 0.25);
}

static int sets_other_loss(struct process *process)
{
    return dualprop_rule_set_loss(process->rule, DUALPROP_CROSS_ENTROPY);
}

static int sets_other_schedule(struct process *process)
{
    return dualprop_rule_set_schedule(process->rule, DUALPROP_ODD_EVEN, 1) || dualprop_state_prepare(process->state);
}

static int weighs_classes(struct process *process)
{
    const double weights[CLASSES] = { 1, 2, 1, 1, 1 };
    return dualprop_state_set_class_weights(process->state, weights, CLASSES);
}

static int draws_by_another_seed(struct process *process)
{
    return dualprop_rule_set_seed(process->rule, 9007199254740993u); /* no double is it */
}

static int transforms_inputs_otherwise(struct process *process)
{
    const double mean[CHANNELS] = { 0.5, 0 }, deviation[CHANNELS] = { 1, 1 };
    return dualprop_network_set_input_transform(process->network, mean, deviation, CHANNELS);
}

/* Biases, which each step compares, begin as zeros whatever the seed. */
static int draws_other_weights(struct process *process)
{
    return dualprop_network_initialize(process->network, 99);
}

/* A failure between two collective calls is heard by the others in their next one, whichever that is. */
static int tells_of_a_failure(struct process *process)
{
    dualprop_status status = dualprop_group_agree(process->group, DUALPROP_ERROR_IO, "the disk is full");
    remember(process, &process->set, status);
    return status;
}

static int makes_another_call(struct process *process)
{
    int64_t one = 1;
    dualprop_status status = dualprop_group_sum(NULL, &one, process->group, 0, 1);
    remember(process, &process->set, status); /* and so it does not go on, as the others do not */
    return status;
}

static int takes_other_blocks(struct process *process)
{
    process->blocks = 5;
    return 0;
}

START_TEST(processes_that_differ_are_refused)
{
    static const struct {
        int (*oddity)(struct process *process);
        const char *words;
    } rows[] = {
        { sets_other_rate, "the learning rate is 0.002" },
        { freezes_a_layer, "process 2 has other frozen layers than process 0" },
        { draws_other_weights, "process 2 has other weights than process 0" },
        { transforms_inputs_otherwise, "process 2 has other means and deviations of inputs than process 0" },
        { sets_other_alpha, "alpha is 0.25 in process 2 and 0.5 in process 0; expected the same" },
        { sets_other_beta_of_a_layer, "process 2 has other betas of layers than process 0" },
        { sets_other_loss, "the loss is ce in process 2 and mse in process 0" },
        { sets_other_schedule, "the schedule is odd-even in process 2 and fw-bw in process 0" },
        { weighs_classes, "process 2 has other weights of classes than process 0" },
        { draws_by_another_seed, "the seed is 9007199254740992 in process 2 and 1 in process 0" },
        { makes_another_call, "to make the same calls" },
        { takes_other_blocks, "blocks" },
        { tells_of_a_failure, "process 2: the disk is full" },
    };
    struct process processes[3], as = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 6, 30);
    as.odd_rank = 2;
    as.oddity = rows[_i].oddity;
    run_group(processes, 3, &as, NULL);
    expect_all(processes, 2, -1, 0, DUALPROP_ERROR_PEER, rows[_i].words);
}
END_TEST

/* All parameters are compared again after a write that was no step; what rules and optimizers set, in every step. */
START_TEST(a_process_that_alone_changes_between_steps_is_refused)
{
    static const struct {
        int (*oddity)(struct process *process);
        const char *words;
    } rows[] = {
        { draws_other_weights, "process 1 has other weights than process 0" },
        { sets_other_alpha, "alpha is 0.25 in process 1 and 0.5 in process 0" },
        { sets_other_rate, "the learning rate is 0.002" },
    };
    struct process processes[3], as = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 6, 30);
    as.odd_rank = 1;
    as.late_oddity = rows[_i].oddity;
    run_group(processes, 3, &as, NULL);
    for (int r = 0; r < 3; r++) {
        ck_assert_int_eq(processes[r].learned, DUALPROP_ERROR_PEER);
        ck_assert_msg(strstr(processes[r].text, rows[_i].words) != NULL, "%s", processes[r].text);
    }
}
END_TEST

/* With 2 samples in 6 blocks process 0 has none, and no rule to compare: the rules of the others differ. */
START_TEST(rules_are_compared_where_there_are_samples)
{
    struct process processes[3], as = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 6, 2);
    as.odd_rank = 2;
    as.oddity = sets_other_alpha;
    run_group(processes, 3, &as, NULL);
    expect_all(processes, 3, -1, 0, DUALPROP_ERROR_PEER, "alpha is 0.25 in process 2 and 0.5 in process 1");
    as.odd_rank = 0;
    run_group(processes, 3, &as, NULL);
    for (int r = 0; r < 3; r++) ck_assert_msg(processes[r].learned == DUALPROP_OK, "%s", processes[r].text);
}
END_TEST

START_TEST(another_precision_or_backend_is_refused)
{
    static const struct {
        int backend, precision;
        const char *words;
    } rows[] = { { DUALPROP_BACKEND_REFERENCE, DUALPROP_F32, "precision f64 and f32" },
                 { DUALPROP_BACKEND_BLIS, DUALPROP_F64, "backend reference and blis" } };
    struct process processes[2], as = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 2, 8);
    static struct thread_group group;
    processes[0] = processes[1] = as;
    processes[1].backend = rows[_i].backend;
    processes[1].precision = rows[_i].precision;
    thread_group_run(&group, 2, member_learns, processes, sizeof *processes, NULL);
    for (int r = 0; r < 2; r++) {
        ck_assert_int_eq(processes[r].created, DUALPROP_ERROR_UNSUPPORTED);
        ck_assert_msg(strstr(processes[r].text, rows[_i].words) != NULL, "%s", processes[r].text);
    }
}
END_TEST

/* The transport fails at each of its calls in turn, in one process: all return, none hangs, nothing leaks. */
START_TEST(a_transport_that_fails_at_any_call_ends_the_run)
{
    struct process processes[3], as = plan(DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 4, 30);
    int finished = 0;
    for (long call = 1; !finished; call++) {
        const long fail_at[3] = { 0, call, 0 };
        run_group(processes, 3, &as, fail_at);
        finished = processes[1].created == DUALPROP_OK && processes[1].set == DUALPROP_OK &&
                   processes[1].learned == DUALPROP_OK;
        for (int r = 0; r < 3 && !finished; r++) {
            dualprop_status status = processes[r].created != DUALPROP_OK ? processes[r].created
                                     : processes[r].set != DUALPROP_OK   ? processes[r].set
                                                                         : processes[r].learned;
            ck_assert_msg(status == DUALPROP_ERROR_TRANSPORT, "call %ld, process %d: %s", call, r,
                          dualprop_status_name(status));
        }
        ck_assert(call < 1000);
    }
}
END_TEST

static dualprop_status outcome(const struct process *process)
{
    if (process->created != DUALPROP_OK) return process->created;
    return process->set != DUALPROP_OK ? process->set : process->learned;
}

/* Memory is short for one allocation of one process after the other: all end with a sentence, nothing leaks. */
START_TEST(a_process_without_memory_ends_the_run)
{
    struct process processes[3], as = plan(DUALPROP_BACKEND_BLIS, DUALPROP_F32, 0, 5, 30);
    static failing_allocator memory;
    int odd = 1 + _i, finished = 0, failures = 0;
    for (long allocation = 1; !finished; allocation++) {
        static struct thread_group group;
        for (int r = 0; r < 3; r++) processes[r] = as;
        processes[odd].memory = &memory;
        processes[odd].fail_at = allocation;
        failing_allocator_arm(&memory, 0, 0);
        thread_group_run(&group, 3, member_learns, processes, sizeof *processes, NULL);
        finished = memory.failures == 0;
        ck_assert_int_eq(memory.live_blocks, 0);
        ck_assert_int_eq(memory.misuse, 0);
        /* A backend can do without some of its memory: then nothing fails anywhere. */
        int failed = outcome(&processes[odd]) != DUALPROP_OK;
        for (int r = 0; r < 3; r++) {
            const struct process *own = &processes[r];
            dualprop_status expected = !failed    ? DUALPROP_OK
                                       : r == odd ? DUALPROP_ERROR_NO_MEMORY
                                                  : DUALPROP_ERROR_PEER;
            ck_assert_msg(outcome(own) == expected, "allocation %ld, process %d: %s: %s", allocation, r,
                          dualprop_status_name(outcome(own)), own->text);
            if (failed && r != odd) ck_assert_msg(strstr(own->text, "process ") != NULL, "%s", own->text);
        }
        failures += failed;
        ck_assert(allocation < 1000);
    }
    ck_assert_int_gt(failures, 10);
}
END_TEST

/* A process whose hello is of another library: a transport that changes a byte of it. */
static int gather_as_another(void *user_data, void *bytes, const int64_t *offsets)
{
    struct thread_member *member = user_data;
    if (member->rank == 1 && offsets[1] > 300) *((char *)bytes + offsets[1]) = '9'; /* of the version's text */
    return member->group->members[member->rank].transport.gather(user_data, bytes, offsets);
}

static void member_is_of_another_library(struct thread_member *member)
{
    dualprop_transport changed = member->transport;
    changed.gather = gather_as_another;
    learn_in_group(member->argument, &changed, member->rank);
}

START_TEST(another_library_is_refused)
{
    struct process processes[2], as = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 2, 8);
    static struct thread_group group;
    processes[0] = processes[1] = as;
    thread_group_run(&group, 2, member_is_of_another_library, processes, sizeof *processes, NULL);
    for (int r = 0; r < 2; r++) {
        ck_assert_int_eq(processes[r].created, DUALPROP_ERROR_UNSUPPORTED);
        ck_assert_msg(strstr(processes[r].text, "library version") != NULL, "%s", processes[r].text);
    }
}
END_TEST

/* ---- the other collective calls ---- */

static void member_talks(struct thread_member *member)
{
    struct process *process = member->argument;
    int rank = member->rank;
    double values[2] = { 0.1 * (rank + 1), 1e16 * (rank == 1) - 1e16 * (rank == 2) };
    int64_t integers[1] = { 1 << rank };
    uint32_t flags = 0;
    dualprop_status *kept = &process->learned;
    remember(process, &process->created, create(process));
    if (process->created == DUALPROP_OK)
        remember(process, &process->created,
                 dualprop_group_create(&process->group, process->context, &member->transport));
    if (process->created == DUALPROP_OK) {
        if (rank == process->odd_rank && dualprop_network_initialize(process->network, 4) != DUALPROP_OK) *kept = 1000;
        if (dualprop_group_check_network(process->group, process->network) != DUALPROP_ERROR_PEER) *kept = 1001;
        if (dualprop_group_share_network(process->network, process->group, 1) != DUALPROP_OK) *kept = 1002;
        if (dualprop_group_check_network(process->group, process->network) != DUALPROP_OK) *kept = 1003;
        if (rank == 2 && dualprop_group_raise(process->group, 5) != DUALPROP_OK) *kept = 1004;
        if (dualprop_group_sum(values, integers, process->group, 2, 1) != DUALPROP_OK) *kept = 1005;
        if (dualprop_group_raised(&flags, process->group) != DUALPROP_OK || flags != 5) *kept = 1006;
        process->sums[0] = integers[0];
        memcpy(&process->sums[1], &values[0], sizeof(double));
        dualprop_status own = rank == 1 ? DUALPROP_ERROR_IO : DUALPROP_OK;
        dualprop_status agreed = dualprop_group_agree(process->group, own, "the disk is full");
        if (agreed != (rank == 1 ? DUALPROP_ERROR_IO : DUALPROP_ERROR_PEER)) *kept = 1007;
        if (dualprop_last_error(process->text, sizeof process->text, NULL, NULL) != DUALPROP_OK) *kept = 1008;
        if (dualprop_group_agree(process->group, DUALPROP_OK, NULL) != DUALPROP_OK) *kept = 1009;
        process->hash = hash_parameters(process);
    }
    destroy(process);
}

START_TEST(processes_share_compare_add_and_agree)
{
    static struct thread_group group;
    struct process processes[3];
    for (int r = 0; r < 3; r++) {
        processes[r] = plan(DUALPROP_BACKEND_BLIS, DUALPROP_F32, 1, 3, 9);
        processes[r].odd_rank = 1; /* begins with other weights, which all take over */
    }
    thread_group_run(&group, 3, member_talks, processes, sizeof *processes, NULL);
    for (int r = 0; r < 3; r++) {
        double sum;
        memcpy(&sum, &processes[r].sums[1], sizeof sum);
        ck_assert_msg(processes[r].learned == DUALPROP_OK && processes[r].created == DUALPROP_OK, "%d: %s",
                      processes[r].learned, processes[r].text);
        ck_assert_int_eq(processes[r].sums[0], 7);
        ck_assert(sum == 0.1 * 1 + 0.1 * 2 + 0.1 * 3);
        ck_assert(processes[r].hash == processes[1].hash);
        ck_assert_msg(strstr(processes[r].text, "the disk is full") != NULL, "%s", processes[r].text);
        ck_assert((strstr(processes[r].text, "process 1: ") != NULL) == (r != 1));
    }
}
END_TEST

/* A mean over no sample is no number. */
START_TEST(a_batch_without_samples_is_refused)
{
    struct process process = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 2, 8);
    double x[INPUTS] = { 0 };
    int32_t label = 0;
    expect_ok(create(&process));
    expect_ok(dualprop_optimizer_set_group(process.optimizer, NULL, 2));
    uint64_t before = hash_parameters(&process);
    expect_error(dualprop_update(process.optimizer, NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "no sample");
    expect_error(dualprop_gradient(process.optimizer, NULL), DUALPROP_ERROR_INVALID_ARGUMENT, "no sample");
    expect_error(dualprop_learn(process.optimizer, process.state, x, &label, 0), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "no sample");
    ck_assert(hash_parameters(&process) == before);
    expect_ok(dualprop_learn(process.optimizer, process.state, x, &label, 1));
    destroy(&process);
}
END_TEST

/* In a forked child it is FORKED, idle or in use at the fork; the optimizer goes on without it. */
static int use_in_child(struct process *process)
{
    double x[INPUTS] = { 0 }, value = 1;
    int32_t label = 0;
    alarm(60);
    expect_error(dualprop_group_sum(&value, NULL, process->group, 1, 0), DUALPROP_ERROR_FORKED, "another process");
    expect_error(dualprop_group_agree(process->group, DUALPROP_OK, NULL), DUALPROP_ERROR_FORKED, "another process");
    expect_error(dualprop_group_share_network(process->network, process->group, 0), DUALPROP_ERROR_FORKED,
                 "another process");
    expect_error(dualprop_group_check_network(process->group, process->network), DUALPROP_ERROR_FORKED,
                 "another process");
    expect_error(dualprop_optimizer_set_group(process->optimizer, process->group, 1), DUALPROP_ERROR_FORKED,
                 "another process");
    expect_error(dualprop_learn(process->optimizer, process->state, x, &label, 1), DUALPROP_ERROR_FORKED,
                 "another process");
    expect_ok(dualprop_optimizer_set_group(process->optimizer, NULL, 0));
    expect_ok(dualprop_learn(process->optimizer, process->state, x, &label, 1));
    destroy(process);
    return 0;
}

static int child_status;

static int fork_in_a_call(void *user_data, void *bytes, const int64_t *offsets)
{
    struct process *process = user_data;
    (void)bytes, (void)offsets;
    if (!process->group || child_status >= 0) return 0;
    pid_t child = fork();
    if (child == 0) _exit(use_in_child(process));
    return waitpid(child, &child_status, 0) == child ? 0 : 1;
}

START_TEST(a_group_stays_with_the_process_that_made_it)
{
    struct process process = plan(DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, 2, 8);
    dualprop_transport transport = lone_transport;
    double value = 1;
    transport.user_data = &process;
    transport.gather = fork_in_a_call;
    child_status = 0; /* not while it is created */
    expect_ok(create(&process));
    expect_ok(dualprop_group_create(&process.group, process.context, &transport));
    expect_ok(dualprop_optimizer_set_group(process.optimizer, process.group, 1));
    pid_t child = fork();
    if (child == 0) _exit(use_in_child(&process));
    ck_assert_int_eq(waitpid(child, &child_status, 0), child);
    ck_assert_int_eq(child_status, 0);
    child_status = -1;
    expect_ok(dualprop_group_sum(&value, NULL, process.group, 1, 0));
    ck_assert_int_eq(child_status, 0);
    destroy(&process);
}
END_TEST

START_TEST(shares_cover_the_batch)
{
    for (int64_t blocks = 1; blocks <= 70; blocks += 3)
        for (int64_t total = 0; total <= 100; total += 7) {
            int64_t first, count;
            expect_ok(dualprop_group_share(&first, &count, NULL, blocks, total));
            ck_assert(first == 0 && count == total);
        }
    int64_t first, count;
    expect_ok(dualprop_group_share(&first, &count, NULL, DUALPROP_MAX_GROUP, INT64_MAX));
    ck_assert(first == 0 && count == INT64_MAX);
    expect_error(dualprop_group_share(&first, &count, NULL, -1, 5), DUALPROP_ERROR_INVALID_ARGUMENT, "blocks");
    expect_error(dualprop_group_share(&first, &count, NULL, DUALPROP_MAX_GROUP + 1, 5), DUALPROP_ERROR_INVALID_ARGUMENT,
                 "blocks");
    expect_error(dualprop_group_share(&first, &count, NULL, 2, -5), DUALPROP_ERROR_INVALID_ARGUMENT, "total");
    expect_error(dualprop_group_share(NULL, &count, NULL, 2, 5), DUALPROP_ERROR_INVALID_ARGUMENT, "first");
    expect_error(dualprop_group_share(&first, NULL, NULL, 2, 5), DUALPROP_ERROR_INVALID_ARGUMENT, "count");
}
END_TEST

Suite *test_group_suite(void);
Suite *test_group_suite(void)
{
    Suite *suite = suite_create("group");
    TCase *bits = tcase_create("bits"), *failures = tcase_create("failures"), *calls = tcase_create("calls");
    tcase_add_loop_test(bits, any_number_of_processes_learns_the_same_bits, 0, (int)(sizeof SAME / sizeof *SAME));
    tcase_add_test(bits, one_block_changes_no_bit);
    tcase_add_test(bits, blocks_are_the_same_gradient);
    tcase_add_loop_test(bits, the_report_is_that_of_the_batch, 0, 2);
    tcase_add_test(failures, a_batch_that_is_not_finite_stops_all);
    tcase_add_loop_test(failures, processes_that_differ_are_refused, 0, 13);
    tcase_add_loop_test(failures, a_process_that_alone_changes_between_steps_is_refused, 0, 3);
    tcase_add_test(failures, rules_are_compared_where_there_are_samples);
    tcase_add_loop_test(failures, another_precision_or_backend_is_refused, 0, 2);
    tcase_add_test(failures, a_transport_that_fails_at_any_call_ends_the_run);
    tcase_add_loop_test(failures, a_process_without_memory_ends_the_run, 0, 2);
    tcase_add_test(failures, another_library_is_refused);
    tcase_add_test(calls, processes_share_compare_add_and_agree);
    tcase_add_test(calls, a_batch_without_samples_is_refused);
    tcase_add_test(calls, a_group_stays_with_the_process_that_made_it);
    tcase_add_test(calls, shares_cover_the_batch);
    suite_add_tcase(suite, bits);
    suite_add_tcase(suite, failures);
    suite_add_tcase(suite, calls);
    return suite;
}
